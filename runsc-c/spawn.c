/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn.c: starting the jailed processes.  See spawn.h.
 *
 * The order inside the new process is given by Linux: procfs is mounted by (namespace) root in the new
 * pid namespace before the user namespace is entered, because from inside one a procfs over which
 * anything is mounted on the host is refused; the ids are given up before the user namespace is made,
 * so that the process may write its own one-line id map; dumpable comes back after the last change of
 * credentials, or the Sentry could not reach its own stubs.
 */
#include "runsc-c/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/mem.h"
#include "platform/host.h"

#define NOBODY          65534
#define STACK_HOLE      (4UL << 30)
#define WANTED_NOFILE   (1UL << 20)
#define NICE_STEP       10

/* sys/mount.h and linux/mount.h can't both be included. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
int umount2(const char *target, int flags);
#define MS_NOSUID_  2UL
#define MS_NODEV_   4UL
#define MS_NOEXEC_  8UL
#define MS_RDONLY_  1UL
#define MS_REC_     16384UL
#define MS_PRIVATE_ (1UL << 18)
#define MS_SLAVE_   (1UL << 19)
#define MS_REMOUNT_ 32UL
#define MS_BIND_    4096UL
#define DETACH_     2

static void reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i <= 64; i++)
		sigaction(i, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void spawn_sanitize(int keep)
{
	reset_signals();
	for (int fd = open("/dev/null", O_RDWR); fd >= 0 && fd <= 2;)
		fd = open("/dev/null", O_RDWR);
	host_close_range(3 + (unsigned int)keep, ~0u, 0);
}

static struct {
	char *begin, *end; /* of main()'s argv[] texts, which are side by side */
} title;

void spawn_main_args(int argc, char **argv)
{
	title.begin = argv[0];
	title.end = argc > 0 ? argv[argc - 1] + strlen(argv[argc - 1]) : NULL;
}

void spawn_set_title(const char *const *argv)
{
	size_t room = (size_t)(title.end - title.begin), at = 0;

	memset(title.begin, 0, room);
	for (size_t i = 0; argv[i] && at < room; i++) {
		size_t n = MIN(strlen(argv[i]), room - at);

		memcpy(title.begin + at, argv[i], n);
		at += n + 1;
	}
}

/* Our caller's may hold secrets of his (podman's is a user's); execve(2) would have dropped it. */
static void forget_environment(void)
{
	for (char **at = environ; at && *at; at++)
		explicit_bzero(*at, strlen(*at));
	clearenv();
}

pid_t spawn_fork(int cgroup_fd, unsigned long flags, int *pidfd)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD,
				   .pidfd = (uint64_t)(uintptr_t)pidfd };

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
		return (pid_t)host_call(SYS_clone3, &args, sizeof(args), 0);
	}
	return (pid_t)host_call6(SYS_clone, (long)(flags | SIGCHLD), 0, (long)pidfd, 0, 0, 0);
}

pid_t spawn_pid_of(int pidfd)
{
	char path[64], line[128];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return pid > 0 ? pid : 0;
}

/* ---- steps of the new process --------------------------------------------------------------- */

/* A procfs of our own pid namespace that is mounted nowhere. */
static int detached_procfs(void)
{
	int fs = (int)host_call(SYS_fsopen, "proc", FSOPEN_CLOEXEC, 0), fd;

	if (fs < 0)
		return fs;
	fd = (int)host_call6(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0, 0);
	if (fd == 0)
		fd = (int)host_call(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
				    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	close(fs);
	return fd;
}

/*
 * A mount receives its master's events in a mount namespace only, not while it is detached.
 * Where it can't be done (a user namespace's mounts) it stays as it is.
 */
static void attach_tree(int tree, enum spawn_tree kind, const char *name)
{
	struct mount_attr attr = { .propagation = kind == SPAWN_TREE_SLAVE ? MS_SLAVE_ : MS_PRIVATE_ };

	if (mkdir(name, 0555) == 0 && host_call6(SYS_move_mount, tree, (long)"", AT_FDCWD, (long)name,
						 MOVE_MOUNT_F_EMPTY_PATH, 0) == 0 &&
	    kind != SPAWN_TREE_PEER)
		host_call6(SYS_mount_setattr, tree, (long)"", AT_EMPTY_PATH | AT_RECURSIVE,
			   (long)&attr, sizeof(attr), 0);
}

/*
 * An empty, read-only root, but for the trees; what was there is out of reach, but for open
 * descriptors.
 */
static int empty_root(const struct spawn *s)
{
	unsigned long flags = MS_NOSUID_ | MS_NODEV_ | MS_NOEXEC_;
	char options[64], name[24];

	snprintf(options, sizeof(options), "size=4k,nr_inodes=%zu,mode=555", 2 + s->tree_count);
	if (mount("none", "/", NULL, MS_REC_ | MS_PRIVATE_, NULL) < 0 ||
	    mount("none", s->staging, "tmpfs", flags | (s->tree_count ? 0 : MS_RDONLY_), options) < 0 ||
	    chdir(s->staging) < 0)
		return -errno;
	for (size_t i = 0; i < s->tree_count; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		attach_tree(s->trees[i], s->tree_kinds[i], name);
	}
	if ((s->tree_count && mount("none", ".", NULL, flags | MS_REMOUNT_ | MS_BIND_ | MS_RDONLY_,
				    NULL) < 0) ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", DETACH_) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int write_at(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Become nobody, then enter a user namespace in which we are nobody too. */
static int become_nobody(int proc)
{
	unsigned int uid = NOBODY, gid = NOBODY;
	char map[64];
	int err;

	/* In a rootless sandbox there are no supplementary groups to drop, and one id at most. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return -errno;
	if (setresgid(gid, gid, gid) < 0)
		gid = getgid();
	if (setresuid(uid, uid, uid) < 0)
		uid = getuid();
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	err = write_at(proc, "self/setgroups", "deny");
	if (err < 0)
		return err;
	snprintf(map, sizeof(map), "%d %u 1", NOBODY, uid);
	err = write_at(proc, "self/uid_map", map);
	snprintf(map, sizeof(map), "%d %u 1", NOBODY, gid);
	return err < 0 ? err : write_at(proc, "self/gid_map", map);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &h, none) < 0)
		return -errno;
	return 0;
}

static void set_limits(bool deep_stack_hole)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		struct rlimit want = { MAX(WANTED_NOFILE, r.rlim_max), MAX(WANTED_NOFILE, r.rlim_max) };

		if (setrlimit(RLIMIT_NOFILE, &want) < 0) {
			r.rlim_cur = r.rlim_max;
			setrlimit(RLIMIT_NOFILE, &r);
		}
	}
	if (deep_stack_hole && getrlimit(RLIMIT_STACK, &r) == 0) {
		r.rlim_cur = MIN(STACK_HOLE, r.rlim_max);
		setrlimit(RLIMIT_STACK, &r);
	}
}

/* Move the descriptors to 0, 1, 2, …; high copies first, as the numbers may overlap. */
static int place_fds(const struct spawn *s, int procfs, int *exe, int *report)
{
	int base = MAX((int)s->fd_count, 16);
	int *high = mem_calloc(s->fd_count, sizeof(int));

	if (high == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->fd_count; i++) {
		int from = s->fds[i] == SPAWN_PROCFS ? procfs : s->fds[i];

		high[i] = fcntl(from, F_DUPFD_CLOEXEC, base);
		if (high[i] < 0)
			return -errno;
	}
	*exe = fcntl(*exe, F_DUPFD_CLOEXEC, base);
	*report = fcntl(*report, F_DUPFD_CLOEXEC, base);
	for (size_t i = 0; i < s->fd_count; i++)
		if (dup2(high[i], (int)i) < 0)
			return -errno;
	host_close_range((unsigned int)s->fd_count, ~0u, CLOSE_RANGE_CLOEXEC);
	return *exe < 0 || *report < 0 ? -EMFILE : 0;
}

_Noreturn static void report_and_exit(int fd, const char *who, const char *step, int error)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s: %s: %s", who, step, err_reason(error));

	host_write(fd, line, (size_t)MIN(n, (int)sizeof(line) - 1));
	_exit(126);
}

/*
 * All programs of a sandbox wait for its Sentry, so the host should run it before any one of them: it is asked
 * for a few us at a time.
 */
static void go_before_others(void)
{
	setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) - NICE_STEP); /* the kernel takes -20 for less */
}

static int argc_of(const char *const *argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return argc;
}

_Noreturn static void jailed_child(const struct spawn *s, int report)
{
	const char *who = s->argv[1], *step = "procfs";
	char *const env[] = { NULL };
	int procfs, exe = s->exe_fd, err;

	reset_signals();
	err = procfs = detached_procfs();
	if (err < 0)
		report_and_exit(report, who, step, err);
	step = "empty root";
	err = empty_root(s);
	if (s->before_others)
		go_before_others();
	if (err == 0 && s->nobody) {
		step = "user namespace";
		err = become_nobody(procfs);
	}
	if (err == 0) {
		set_limits(s->deep_stack_hole);
		step = "descriptors";
		err = place_fds(s, procfs, &exe, &report);
	}
	if (err == 0 && s->nobody) {
		step = "capabilities";
		err = drop_capabilities();
	}
	/* Last: changes of credentials clear the one. */
	if (err == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
			 prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
		err = -errno;
	if (err == 0 && s->run) {
		host_close_range((unsigned int)s->fd_count, ~0u, 0);
		forget_environment();
		spawn_set_title(s->argv);
		_exit(s->run(argc_of(s->argv) - 1, s->argv + 1));
	}
	if (err == 0) {
		step = "exec";
		err = (int)host_call6(SYS_execveat, exe, (long)"", (long)s->argv, (long)env,
				      AT_EMPTY_PATH, 0);
	}
	report_and_exit(report, who, step, err);
}

pid_t spawn_jailed(const struct spawn *s, int report_fd, int *pidfd, struct err *e)
{
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD;
	pid_t pid;

	if (s->new_net)
		flags |= CLONE_NEWNET;
	pid = spawn_fork(-1, flags, pidfd);
	if (pid == 0)
		jailed_child(s, report_fd);
	if (pid < 0)
		return err_errno(e, pid, "can't start the %s in its namespaces", s->argv[1]);
	return pid;
}

int spawn_enter_namespace(const char *path, int flag, const char *kind, struct err *e)
{
	int fd = host_openat(AT_FDCWD, path, O_RDONLY, 0);

	if (fd < 0 || setns(fd, flag) < 0)
		err_errno(e, fd < 0 ? fd : errno, "config.json: linux.namespaces: %s namespace \"%s\"", kind, path);
	host_close_fd(&fd);
	return e->error;
}
