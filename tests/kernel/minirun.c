/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minirun.c: the kernel alone: no jail, no gofer, no OCI.  Puts one static program into an empty
 * tmpfs and runs it as init, with our standard streams.  For work on platform and kernel:
 *
 *     build/debug/minirun [-s] /bin/busybox sh -c 'echo hello'
 *
 * In its environment: LINK=IF (an interface of this namespace is the kernel's), POLLERS=N, PATCH=1, PLATFORM=, DEBUG=1, HOST_NETWORK=1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "platform/platform.h"
#include "sentry/container.h"
#include "sentry/fs.h"
#include "sentry/hostfile.h"
#include "sentry/ipc/ipc.h"
#include "sentry/socket/link.h"
#include "sentry/socket/net_ns.h"
#include "sentry/kernel.h"
#include "sentry/socket/socket.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sentry/trace/trace.h"
#include "vfs/tmpfs/tmpfs.h"

static char **args;
static struct device_rule_config any_device = {
	.allow = true,
	.type = 'a',
	.major = -1,
	.minor = -1,
	.access = DEVICE_READ | DEVICE_WRITE | DEVICE_MKNOD,
};
static struct container box = {
	.id = "minirun",
	.cpu_count = 2,
	.device_rules = &any_device,
	.device_rule_count = 1,
};

static void die(const char *what, int err)
{
	fprintf(stderr, "minirun: %s: %s\n", what, strerror(-err));
	exit(125);
}

static void on_exit_(struct process *p, void *arg)
{
	(void)arg;
	exit(WIFSIGNALED(p->wait_status) ? 128 + WTERMSIG(p->wait_status) : WEXITSTATUS(p->wait_status));
}

static void put_program(struct vfs_ctx *c, const char *host, const char *name)
{
	struct open_how_args how = { .flags = O_CREAT | O_WRONLY, .mode = 0755 };
	int fd = open(host, O_RDONLY | O_CLOEXEC);
	struct file *f;
	static char buf[65536];
	ssize_t n;
	int err;

	if (fd < 0)
		die(host, -errno);
	err = vfs_open(c, NULL, name, &how, &f);
	if (err)
		die(name, err);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		struct uio u;

		uio_init_kernel(&u, buf, (size_t)n);
		if (file_write(c, f, &u) != n)
			die("write", -EIO);
	}
	close(fd);
	file_put(f);
}

/* A file system that asks whose it is, where it is registered. */
static void mount_box(struct vfs_ctx *c, const char *type, const char *at)
{
	const struct fs_type *t = fs_type_find(type);
	struct path p;

	if (!t || vfs_mkdir(c, NULL, at, 0755) || vfs_walk(c, NULL, at, WALK_FOLLOW, &p))
		return;
	if (vfs_mount_internal(c, t, type, &p, 0, NULL, &box))
		fprintf(stderr, "minirun: can't mount %s\n", type);
	path_put(&p);
}

/* LINK=IF: an interface of this namespace, over a packet socket of its own; without addresses, which the program gives it. */
static void link_open(struct net_ns *ns, char *name)
{
	static char mac[] = "02:00:00:00:00:02";
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name) };
	struct net_link_config c = { .name = name, .mac = mac, .mtu = 1500, .ifindex = (uint32_t)a.sll_ifindex, .vnet = true };
	struct packet_mreq all = { .mr_ifindex = a.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
	int on = 1, err;

	c.fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (setsockopt(c.fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0 ||
	    setsockopt(c.fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0 ||
	    setsockopt(c.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0 || bind(c.fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die(name, -errno);
	err = link_start(ns, &c);
	if (err)
		die(name, err);
}

static void boot(void *arg)
{
	struct vfs_ctx c = { .fsize_limit = UINT64_MAX };
	static struct rlimit rlimits[RLIM_NLIMITS];
	static char path[] = "PATH=/bin:/usr/bin", home[] = "HOME=/";
	char *envp[] = { path, home, NULL };
	struct process_spec s = { .container = &box, .rlimits = rlimits, .exe = "/bin/prog", .envp = envp,
				  .on_exit = on_exit_ };
	const struct fs_type *t = fs_type_find("tmpfs");
	struct super *sb;
	struct ns_set *ns;
	struct task *task;
	int err;

	(void)arg;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		rlimits[i] = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	rlimits[RLIMIT_NOFILE] = (struct rlimit){ 1024, 1 << 20 };
	rlimits[RLIMIT_STACK].rlim_cur = 8 << 20;
	list_init(&box.owned);
	s.cred = c.cred = cred_new_root();
	box.pid_ns = pid_ns_new(NULL, user_ns_init);
	box.ns = ns = mem_new(struct ns_set);
	ref_init(&ns->ref);
	ns->pid_for_children = pid_ns_get(box.pid_ns);
	ns->uts = uts_ns_new("minirun", "(none)", user_ns_init);
	ns->ipc = ipc_ns_new(user_ns_init);
	ns->net = net_ns_new(user_ns_init);
	if (ns->net)
		ns->net->host = getenv("HOST_NETWORK") != NULL;
	if (ns->net)
		ns->net->loopback_up = true;
	if (ns->net && getenv("LINK"))
		link_open(ns->net, getenv("LINK"));
	err = t->mount(&c, t, "tmpfs", NULL, NULL, &sb);
	if (!err)
		err = mnt_ns_new(&c, sb, 0, &ns->mnt, &box.root);
	if (err)
		die("root", err);
	c.mnt_ns = ns->mnt;
	c.root = c.cwd = box.root;
	vfs_mkdir(&c, NULL, "/bin", 0755);
	vfs_mkdir(&c, NULL, "/tmp", 01777);
	vfs_mkdir(&c, NULL, "/dev", 0755);
	vfs_mknod(&c, NULL, "/dev/null", S_IFCHR | 0666, makedev(1, 3));
	vfs_mknod(&c, NULL, "/dev/zero", S_IFCHR | 0666, makedev(1, 5));
	put_program(&c, args[0], "/bin/prog");
	vfs_symlink(&c, "prog", NULL, "/bin/sh");
	mount_box(&c, "proc", "/proc");
	mount_box(&c, "sysfs", "/sys");
	s.ns = ns;
	s.pid_ns = box.pid_ns;
	s.root = s.cwd = box.root;
	s.umask = 022;
	s.argv = args;
	s.fdt = fdt_new();
	for (int i = 0; i < 3; i++) {
		struct file *f;

		err = hostfile_new(dup(i), c.cred, &f);
		if (err || fdt_add(s.fdt, f, 0, 1024) != i)
			die("standard streams", err);
	}
	err = task_new_init(&s, &task);
	if (err)
		die(args[0], err);
	task_start(task);
}

/* POLLERS=N: as --pollers=N. */
static unsigned int pollers_wanted(void)
{
	const char *n = getenv("POLLERS");

	return n ? PLAT_POLLERS_ALWAYS + (unsigned int)atoi(n) - 1 : PLAT_POLLERS_OFF;
}

int main(int argc, char **argv)
{
	struct rlimit stack;
	struct plat_config pc = { .name = getenv("PLATFORM") ? getenv("PLATFORM") : "notify",
				  .pollers = pollers_wanted(),
				  .patch = getenv("PATCH") != NULL, .patch_after = 1 };
	bool strace = argc > 1 && !strcmp(argv[1], "-s");
	int err;

	getrlimit(RLIMIT_STACK, &stack);
	if (stack.rlim_cur != 4ul << 30) {
		stack.rlim_cur = 4ul << 30;
		if (setrlimit(RLIMIT_STACK, &stack))
			die("RLIMIT_STACK", -errno);
		execv("/proc/self/exe", argv);
	}
	args = argv + 1 + strace;
	if (!*args)
		die("usage: minirun [-s] PROGRAM [ARG…]", -EINVAL);
	log_open(2, "minirun", getenv("DEBUG") ? LOG_DEBUG : LOG_WARN, LOG_TEXT);
	if (strace)
		log_open(2, "minirun", LOG_DEBUG, LOG_TEXT);
	pc.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tmpfs_set_host_proc(pc.proc_fd);
	prctl(PR_SET_DUMPABLE, 1);
	err = plat_init(&pc);
	if (err)
		die("platform", err);
	task_init();
	containers_init();
	err = vfs_init();
	if (!err)
		err = kernel_machine_init(2, 2, 1ull << 30, 0);
	if (!err)
		err = sentry_fs_init();
	if (!err)
		err = socket_module_init();
	vfs_set_hooks(&sentry_vfs_hooks);
	if (!err)
		err = events_start();
	if (err)
		die("kernel", err);
	if (strace)
		trace_tasks(true);
	fiber_start(fiber_new(boot, NULL));
	workers_start(plat_worker_hooks(), 8);
	return 0;
}
