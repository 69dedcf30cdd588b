/* SPDX-License-Identifier: Apache-2.0 */
/* launch.c: from a checked config.json to a created container, and back to nothing.  See launch.h. */
#include "runsc-c/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/attach.h"
#include "runsc-c/control_client.h"
#include "runsc-c/hooks.h"
#include "runsc-c/monitor.h"
#include "runsc-c/nat.h"
#include "runsc-c/network.h"
#include "runsc-c/oci_spec_impl.h"
#include "runsc-c/pod.h"
#include "runsc-c/spawn.h"
#include "runsc-c/systemd.h"
#include "sentry/control/control.h"

#define BOOT_TIMEOUT_MS 60000

/* What only the starting needs. */
struct start {
	struct launch *l;
	int control_peer, gofer[2], sync_peer, listen, log, exe;
};

static void close_start(struct start *s)
{
	host_close_fd(&s->control_peer);
	host_close_fd(&s->gofer[0]);
	host_close_fd(&s->gofer[1]);
	host_close_fd(&s->sync_peer);
	host_close_fd(&s->listen);
	host_close_fd(&s->log);
	host_close_fd(&s->exe);
}

/* ---- sockets, log --------------------------------------------------------------------------- */

/* --debug-log FILE; %ID% in it becomes the container's id.  Else /dev/null. */
static int open_debug_log(const struct launch *l, struct err *e)
{
	const char *name = l->g->debug_log, *mark = name ? strstr(name, "%ID%") : NULL;
	char path[4096];
	int fd;

	if (mark != NULL)
		snprintf(path, sizeof(path), "%.*s%s%s", (int)(mark - name), name,
			 l->spec->container->id, mark + 4);
	else
		snprintf(path, sizeof(path), "%s", name ? name : "/dev/null");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
	return fd < 0 ? err_errno(e, errno, "--debug-log: \"%s\"", path) : fd;
}

/* To a Sentry of our own, or to that of the sandbox. */
static int open_control(struct start *s, struct err *e)
{
	struct launch *l = s->l;
	int pair[2], err;

	if (l->sandbox != NULL) {
		if (pod_link(l->state, l->sandbox, e) == 0)
			l->control = control_connect(l->state, e);
		return e->error;
	}
	err = host_socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	if (err < 0)
		return err_errno(e, err, "socketpair");
	l->control = pair[0];
	s->control_peer = pair[1];
	s->listen = control_listen(l->state, e);
	return e->error;
}

static int open_all(struct start *s, struct err *e)
{
	int pair[2], err;

	if (open_control(s, e) < 0)
		return e->error;
	err = host_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	if (err < 0)
		return err_errno(e, err, "socketpair");
	s->l->sync = pair[0];
	s->sync_peer = pair[1];
	err = host_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s->gofer);
	if (err < 0)
		return err_errno(e, err, "socketpair");
	s->log = open_debug_log(s->l, e);
	if (s->log < 0)
		return e->error;
	s->exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return s->exe < 0 ? err_errno(e, errno, "/proc/self/exe") : 0;
}

/* ---- the monitor ---------------------------------------------------------------------------- */

/*
 * As config.json says.  Not for an ordinary user: a pid namespace needs a user namespace first, which
 * the monitor makes later.
 */
static bool new_pid_namespace(const struct launch *l)
{
	const struct oci_namespace *ns = &l->spec->namespaces[OCI_NS_PID];

	return ns->present && ns->path == NULL && geteuid() == 0;
}

/*
 * By path: that of a container whose Sentry this one joins (pod_find() has seen to it).  Not where there is
 * no way back, our own pid namespace being that of a more privileged user (podman as an ordinary user).
 */
static int enter_pid_namespace(const struct launch *l, int *own, struct err *e)
{
	const char *path = l->spec->namespaces[OCI_NS_PID].path;

	if (path == NULL || geteuid() != 0)
		return 0;
	*own = host_openat(AT_FDCWD, "/proc/self/ns/pid", O_RDONLY, 0);
	if (*own < 0 || setns(*own, CLONE_NEWPID) < 0) {
		host_close_fd(own);
		return 0;
	}
	if (spawn_enter_namespace(path, CLONE_NEWPID, "pid", e) < 0)
		host_close_fd(own);
	return e->error;
}

static int start_monitor(struct start *s, struct err *e)
{
	struct launch *l = s->l;
	struct monitor m = {
		.g = l->g, .spec = l->spec, .cgroup = &l->cgroup, .state_path = l->state->path,
		.state_dir = l->state->dir, .sync = s->sync_peer, .sentry_control = s->control_peer,
		.control = l->control, .listen = s->listen, .gofer_conn = s->gofer[1], .log = s->log,
		.exe = s->exe, .notify = l->notify, .joined = l->sandbox != NULL,
		.console = l->spec->container->process->terminal ? l->fds[0] : -1,
		.host_network = l->host_network,
	};
	int into = cgroup_clone_fd(&l->cgroup);
	int own = -1; /* our pid namespace, while another is our children's */
	pid_t pid;

	if (enter_pid_namespace(l, &own, e) < 0) {
		host_close_fd(&into);
		return e->error;
	}
	pid = spawn_fork(into, new_pid_namespace(l) ? CLONE_NEWPID : 0, NULL);
	if (pid == 0) {
		host_close(l->sync);
		monitor_main(&m);
	}
	host_close_fd(&into);
	if (own >= 0 && setns(own, CLONE_NEWPID) < 0)
		err_errno(e, errno, "can't return to the pid namespace");
	host_close_fd(&own);
	if (pid < 0)
		return err_errno(e, pid, "can't start the monitor process");
	l->monitor = pid;
	notify_close(&l->notify);
	host_close_fd(&s->sync_peer);
	host_close_fd(&s->control_peer);
	host_close_fd(&s->listen);
	return e->error;
}

static int write_map(pid_t pid, const char *file, const struct id_map_config *map, size_t count,
		     unsigned int own)
{
	char path[64], text[4096];
	size_t n = 0;
	int fd, err = 0;

	if (count == 0)
		n = (size_t)snprintf(text, sizeof(text), "0 %u 1\n", own);
	for (size_t i = 0; i < count && n < sizeof(text) - 64; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u %u %u\n", map[i].container_id,
				      map[i].host_id, map[i].size);
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* As the user who starts it; more ids than one's own need privilege (or newuidmap, not used yet). */
static int write_maps(const struct launch *l, struct err *e)
{
	const struct container_config *c = l->spec->container;
	char path[64];
	int fd, err;

	if (geteuid() != 0) {
		snprintf(path, sizeof(path), "/proc/%d/setgroups", l->monitor);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "deny", 4) < 0)
			err_errno(e, errno, "%s", path);
		if (fd >= 0)
			close(fd);
	}
	err = write_map(l->monitor, "uid_map", c->uid_map, c->uid_map_count, geteuid());
	if (err < 0)
		return err_errno(e, err, "config.json: linux.uidMappings");
	err = write_map(l->monitor, "gid_map", c->gid_map, c->gid_map_count, getegid());
	if (err < 0)
		return err_errno(e, err, "config.json: linux.gidMappings");
	return e->error;
}

/* Its end of the socket is closed, so it is about to be a zombie, if it isn't one. */
static int monitor_died(const struct launch *l, struct err *e)
{
	uint64_t limit = l->spec->container->memory_limit;
	siginfo_t how = { .si_code = 0 };

	waitid(P_PID, (id_t)l->monitor, &how, WEXITED | WNOWAIT);
	if (limit > 0 && how.si_code == CLD_KILLED && how.si_status == SIGKILL)
		return err_set(e, ENOMEM, "config.json: linux.resources.memory.limit: %llu bytes are not enough to start: "
			       "the container's monitor process was killed", (unsigned long long)limit);
	return err_set(e, EPIPE, "the container's monitor process has died");
}

/*
 * A packet of text is an error from one of the processes.  fds (of two) gets the descriptors that
 * come along, -1 for none.
 */
static int read_sync(struct launch *l, char *packet, size_t size, int fds[2], struct err *e)
{
	size_t count = 2;
	ssize_t n;

	fds[0] = fds[1] = -1;
	do {
		n = host_recv_fds(l->sync, packet, size - 1, fds, &count, 0);
	} while (n == -EINTR);
	if (n <= 0) {
		fds[0] = fds[1] = -1;
		return monitor_died(l, e);
	}
	packet[n] = '\0';
	if (packet[0] >= 32)
		return err_set(e, EIO, "%s", packet);
	return (int)n;
}

/*
 * When memory is short an application's process must die, not the kernel that all of them need.  Where
 * we may not lower (no CAP_SYS_RESOURCE) the Sentry raises the applications' instead.
 */
static void protect_from_oom(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "-999", 4);
	close(fd);
}

/* A Sentry that could not boot said why before it ended, and knows better than who found it dead. */
static int last_words(struct launch *l, struct err *e)
{
	struct err told = ERR_INIT;

	if (l->sandbox == NULL && control_hear(l->control, 1, NULL, &told) < 0 && told.error != -EPIPE && told.error != -ETIMEDOUT)
		*e = told;
	return e->error;
}

static int wait_ready(struct launch *l, struct err *e)
{
	char packet[1024], go = SYNC_GO;
	int fds[2];
	pid_t sentry, gofer;

	for (;;) {
		if (read_sync(l, packet, sizeof(packet), fds, e) < 0)
			return last_words(l, e);
		if (packet[0] == SYNC_READY)
			break;
		host_close_fd(&fds[0]);
		host_close_fd(&fds[1]);
		if (packet[0] == SYNC_MAPS &&
		    (write_maps(l, e) < 0 || write(l->sync, &go, 1) != 1))
			return err_errno(e, errno, "user namespace");
	}
	gofer = spawn_pid_of(fds[0]);
	sentry = spawn_pid_of(fds[1]);
	host_close_fd(&fds[0]);
	host_close_fd(&fds[1]);
	if (gofer == 0 || (sentry == 0 && l->sandbox == NULL)) {
		err_set(e, EPIPE, "the container's processes have died");
		return last_words(l, e);
	}
	l->state->monitor = proc_id_of(l->monitor);
	l->state->sentry = l->sandbox ? l->sandbox->sentry : proc_id_of(sentry);
	l->state->gofer = proc_id_of(gofer);
	protect_from_oom(l->monitor);
	protect_from_oom(gofer);
	if (!l->sandbox)
		protect_from_oom(sentry);
	return 0;
}

/* ---- the Sentry ----------------------------------------------------------------------------- */

static uint64_t memory_size(const struct launch *l)
{
	uint64_t limit = l->spec->container->memory_limit, total;
	struct sysinfo si;

	sysinfo(&si);
	total = (uint64_t)si.totalram * si.mem_unit;
	return limit > 0 && limit < total ? limit : total;
}

/* If the Sentry has died, what a child reported before its exec says more than "broken pipe". */
static int explain_silence(struct launch *l, struct err *e)
{
	struct pollfd p = { .fd = l->sync, .events = POLLIN };
	struct timespec now = { 0, 100 * NSEC_PER_MSEC };
	struct err told = ERR_INIT;
	char packet[1024];
	int none[2];

	if (e->error == -EPIPE && host_ppoll(&p, 1, &now) > 0) {
		read_sync(l, packet, sizeof(packet), none, &told);
		host_close_fd(&none[0]);
		host_close_fd(&none[1]);
		if (told.error == -EIO)
			*e = told;
	}
	return e->error;
}

/* What the container's processes are to have: as config.json says, else as ours is. */
static int stub_oom_score_adj(const struct launch *l)
{
	const struct container_config *c = l->spec->container;
	char text[16] = "0";
	int fd;

	if (c->has_oom_score_adj)
		return c->oom_score_adj;
	fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '0';
	if (fd >= 0)
		close(fd);
	return atoi(text);
}

/* Above the highest of those online, as in "0-3,8"; 0: not known. */
static unsigned int host_cpus(void)
{
	char text[4096] = "";
	unsigned int last = 0;
	ssize_t n = -1;
	int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	for (ssize_t i = 0; i < n && text[i] != '\n'; i++)
		last = text[i] >= '0' && text[i] <= '9' && last < 65536 ? last * 10 + (unsigned int)(text[i] - '0') : 0;
	return n > 0 && last < 65536 ? last + 1 : 0;
}

/* It need not be there yet. */
static int ask_boot(struct launch *l, struct err *e)
{
	char *id = l->spec->container->id;
	struct boot_config b = {
		.sandbox_id = id, .platform = l->g->platform, .platform_forced = l->g->platform_forced,
		.pollers = l->spec->container->cpu_quota_us ? 0 : l->g->pollers,
		.patch = !l->g->no_patch, .patch_after = (unsigned int)l->g->patch_after,
		.network = l->host_network ? NETWORK_HOST : l->g->network, .strace = l->g->strace, .rootless = l->g->rootless,
		.log_level = l->g->debug ? LOG_DEBUG : LOG_INFO, .log_format = LOG_TEXT,
		.cpu_count = l->spec->container->cpu_count, .host_cpus = host_cpus(),
		.memory_size = memory_size(l),
		.oom_score_adj = stub_oom_score_adj(l),
		.nice = getpriority(PRIO_PROCESS, 0),
	};

	if (l->sandbox != NULL || control_ask(l->control, control_encode_boot(&b), NULL, 0, e) == 0)
		return 0;
	return explain_silence(l, e);
}

/* Where sockets are the host's the monitor has set net.*: the Sentry may not. */
static void drop_net_sysctls(struct container_config *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->sysctl_count; i++) {
		if (strncmp(c->sysctls[i].name, "net.", 4) != 0) {
			c->sysctls[kept++] = c->sysctls[i];
			continue;
		}
		mem_free(c->sysctls[i].name);
		mem_free(c->sysctls[i].value);
	}
	c->sysctl_count = kept;
}

/* It has its filter from now on, so what we send next is handled behind it. */
static int hear_booted(struct launch *l, struct err *e)
{
	if (l->sandbox != NULL || control_hear(l->control, BOOT_TIMEOUT_MS, NULL, e) == 0)
		return 0;
	return explain_silence(l, e);
}

static int ask_create(struct start *s, struct err *e)
{
	struct launch *l = s->l;
	int *fds = mem_calloc(l->fd_count + 1, sizeof(int));
	json_t *request;

	if (fds == NULL)
		return err_set(e, ENOMEM, "out of memory");
	fds[0] = s->gofer[0];
	memcpy(fds + 1, l->fds, l->fd_count * sizeof(int));
	if (l->host_network)
		drop_net_sysctls(l->spec->container);
	l->spec->container->own_template = l->sandbox != NULL && l->cgroup.count > 0;
	request = control_encode_create(l->spec->container);
	if (l->sandbox != NULL)
		json_object_set_new(request, "kill_on_close", json_true());
	if (control_ask(l->control, request, fds, l->fd_count + 1, e) < 0)
		explain_silence(l, e);
	mem_free(fds);
	return e->error;
}

static int hear_created(struct launch *l, struct err *e)
{
	json_t *reply = NULL;

	if (control_hear(l->control, BOOT_TIMEOUT_MS, &reply, e) < 0)
		return explain_silence(l, e);
	if (l->sandbox != NULL)
		pod_place(l->state, reply, &l->cgroup, l->g->rootless, e);
	json_decref(reply);
	return e->error;
}

/* ---- create --------------------------------------------------------------------------------- */

/*
 * Without a uts namespace of its own a container has the host's names, or those of the namespace
 * that it joins.
 */
static int fill_hostname(struct oci_spec *spec, struct err *e)
{
	const struct oci_namespace *uts = &spec->namespaces[OCI_NS_UTS];
	struct container_config *c = spec->container;
	int own = -1;
	struct utsname names;

	if (!uts->present && c->hostname != NULL)
		return err_set(e, EINVAL, "config.json: hostname: unable to set hostname without a private "
			       "UTS namespace");
	if ((uts->present && uts->path == NULL) || c->hostname != NULL)
		return 0;
	if (uts->path != NULL) {
		own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
		if (own < 0)
			err_errno(e, errno, "/proc/self/ns/uts");
		else
			spawn_enter_namespace(uts->path, CLONE_NEWUTS, "uts", e);
	}
	if (!err_is(e) && uname(&names) == 0) {
		c->hostname = mem_strdup(names.nodename);
		if (c->domainname == NULL)
			c->domainname = mem_strdup(names.domainname);
	}
	if (!err_is(e) && own >= 0 && setns(own, CLONE_NEWUTS) < 0)
		err_errno(e, errno, "can't return to the uts namespace");
	host_close_fd(&own);
	return e->error;
}

/* What later commands run. */
static void fill_hooks(struct state *s, const struct oci_spec *spec)
{
	static const struct {
		enum oci_hook_phase phase;
		const char *name;
	} later[] = {
		{ OCI_HOOK_START_CONTAINER, "startContainer" },
		{ OCI_HOOK_POSTSTART, "poststart" },
		{ OCI_HOOK_POSTSTOP, "poststop" },
	};

	json_decref(s->hooks);
	s->hooks = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		const struct oci_hooks *h = &spec->hooks[later[i].phase];

		if (h->count == 0)
			continue;
		if (s->hooks == NULL)
			s->hooks = json_object();
		json_object_set_new(s->hooks, later[i].name, hooks_to_json(h));
	}
	if (spec->hooks[OCI_HOOK_START_CONTAINER].count > 0) {
		json_t *o = control_encode_exec(s->id, spec->container->process);

		json_decref(s->hook_process);
		s->hook_process = json_incref(json_object_get(o, "process"));
		json_decref(o);
	}
}

static int fill_state(struct launch *l, struct err *e)
{
	const struct oci_spec *spec = l->spec;
	struct state *s = l->state;

	s->bundle = mem_strdup(spec->bundle);
	s->rootfs = mem_strdup(spec->rootfs);
	s->version = mem_strdup(spec->version);
	json_decref(s->annotations);
	s->annotations = json_incref(spec->annotations);
	json_decref(s->cgroup);
	s->cgroup = cgroup_to_json(&l->cgroup);
	fill_hooks(s, spec);
	s->rootless = l->g->rootless;
	s->host_network = l->host_network;
	if (spec->namespaces[OCI_NS_NETWORK].path != NULL)
		s->net_path = mem_strdup(spec->namespaces[OCI_NS_NETWORK].path);
	if (l->sandbox != NULL) {
		s->sandbox = mem_strdup(l->sandbox->id);
		s->sentry = l->sandbox->sentry;
		s->shares_net = l->spec->container->ns[NS_NET] != NS_NEW;
	}
	return state_save(s, e);
}

static int run_create_hooks(struct launch *l, struct err *e)
{
	static const struct {
		enum oci_hook_phase phase;
		const char *name;
	} phases[] = {
		{ OCI_HOOK_PRESTART, "prestart" },
		{ OCI_HOOK_CREATE_RUNTIME, "createRuntime" },
		{ OCI_HOOK_CREATE_CONTAINER, "createContainer" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		const struct oci_hooks *h = &l->spec->hooks[phases[i].phase];
		json_t *state = h->count > 0 ? state_to_oci(l->state, CTR_CREATING) : NULL;

		bool inside = phases[i].phase == OCI_HOOK_CREATE_CONTAINER && h->count > 0;
		int ns = inside ? host_pidfd_open(l->monitor, 0) : -1;

		hooks_run(h, phases[i].name, state, ns, e);
		host_close_fd(&ns);
		json_decref(state);
		if (err_is(e))
			return e->error;
	}
	return 0;
}

static void reap(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* A scope has processes in it: until the monitor is there, one that waits for its end. */
static pid_t start_holder(struct err *e)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "runsc-holder");
		for (;;)
			pause();
	}
	return pid < 0 ? err_errno(e, errno, "fork") : pid;
}

static void end_holder(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		reap(*pid);
	}
	*pid = 0;
}

/* --systemd-cgroup: where there is no systemd to ask the groups are made by hand, at the same paths. */
static int make_scope(struct launch *l, pid_t *holder, struct err *e)
{
	struct systemd_unit u;
	int err;

	if (!l->g->systemd_cgroup || l->cgroup.count == 0 || systemd_unit_of(l->spec->cgroups_path, &u) < 0)
		return 0;
	*holder = start_holder(e);
	if (*holder < 0)
		return e->error;
	err = systemd_start_scope(&u, *holder, l->cgroup.v2, &l->spec->resources, e);
	if (err == -ENOENT && !err_is(e)) {
		log_info("no systemd can be asked for the scope \"%s\": made by hand", u.name);
		return 0;
	}
	if (err_is(e))
		return e->error;
	err = cgroup_follow(&l->cgroup, *holder, l->spec->cgroups_path);
	if (err < 0)
		return err_errno(e, err, "systemd: the cgroup of \"%s\" is not found", u.name);
	l->cgroup.unit = mem_strdup(u.name);
	/* So that it is known, and removed, if we end here. */
	json_decref(l->state->cgroup);
	l->state->cgroup = cgroup_to_json(&l->cgroup);
	return state_save(l->state, e);
}

/*
 * The processes of a container take most of a start's time, and one after the other: what this one has to do is done
 * while it would wait for them.  The limits hold before "create", so before there is a program to be limited.
 */
static int start_all(struct start *s, pid_t *holder, struct err *e)
{
	struct launch *l = s->l;

	if (make_scope(l, holder, e) < 0 || cgroup_make(&l->cgroup, l->g->rootless, e) < 0 || open_all(s, e) < 0 ||
	    start_monitor(s, e) < 0 || cgroup_apply(&l->cgroup, &l->spec->resources, l->g->rootless, e) < 0)
		return e->error;
	cgroup_apply_devices(&l->cgroup, l->spec->container->device_rules,
			     l->spec->container->device_rule_count);
	if (ask_boot(l, e) < 0 || wait_ready(l, e) < 0)
		return e->error;
	end_holder(holder);
	if (run_create_hooks(l, e) < 0 || hear_booted(l, e) < 0 || ask_create(s, e) < 0)
		return e->error;
	if (l->starts && network_look(l->g, l->state, &l->network, e) < 0)
		return e->error;
	if (hear_created(l, e) < 0)
		return e->error;
	/* What was made of the plan that was saved first: rootless, some or all of it may be missing. */
	json_decref(l->state->cgroup);
	l->state->cgroup = cgroup_to_json(&l->cgroup);
	l->state->status = CTR_CREATED;
	return state_save(l->state, e);
}

/*
 * Whether host calls for sockets are allowed is decided when a Sentry starts, and they are made in the network
 * namespace that it is in: who joins one later has the host's network by sharing that of its first container.
 */
static int check_pod_network(struct launch *l, struct err *e)
{
	bool shares = l->spec->container->ns[NS_NET] != NS_NEW;

	if (l->sandbox == NULL)
		l->spec->container->host_network = l->host_network;
	else if (l->host_network && l->spec->namespaces[OCI_NS_NETWORK].present && l->g->network != NETWORK_HOST &&
		 !(l->sandbox->host_network && shares))
		return err_set(e, ENOTSUP, "config.json: linux.namespaces: the host's network namespace can't be given to a "
			       "container that shares the sandbox of \"%s\", which has a network of its own", l->sandbox->id);
	else
		l->host_network = l->sandbox->host_network && shares;
	return 0;
}

/* As runc's, with our name. */
static void default_scope(struct oci_spec *spec)
{
	char path[1200];

	snprintf(path, sizeof(path), "system.slice:runsc-c:%s", spec->container->id);
	mem_free(spec->cgroups_path);
	spec->cgroups_path = mem_strdup(path);
}

int launch_create(struct launch *l, struct err *e)
{
	struct start s = { l, -1, { -1, -1 }, -1, -1, -1, -1 };
	struct proc_id attached = l->collect ? proc_id_of(getpid()) : (struct proc_id){ 0 };
	bool systemd = l->g->systemd_cgroup;
	pid_t holder = 0;

	l->state = l->sandbox = NULL;
	l->network = NULL;
	l->spec->container->host_network = false;
	l->monitor = 0;
	l->sync = l->control = -1;
	l->notify = (struct notify){ -1, -1 };
	memset(&l->cgroup, 0, sizeof(l->cgroup));
	l->spec->container->root_overlay = l->g->overlay;
	if (attach_describe(l->spec, e) < 0 || fill_hostname(l->spec, e) < 0 ||
	    pod_find(l->g->root, l->spec, &l->sandbox, e) < 0 || check_pod_network(l, e) < 0 ||
	    state_create(l->g->root, l->spec->container->id, attached, &l->state, e) < 0) {
		state_free(l->sandbox);
		l->sandbox = NULL;
		return e->error;
	}
	if (systemd && (l->spec->cgroups_path == NULL || l->spec->cgroups_path[0] == '\0'))
		default_scope(l->spec);
	if (strcmp(l->g->cgroup_manager ? l->g->cgroup_manager : "", "disabled") != 0)
		cgroup_plan(l->spec->cgroups_path, l->spec->container->id, systemd, &l->cgroup, e);
	if (!err_is(e) && notify_open(&l->notify, l->state, l->spec, e) == 0 && fill_state(l, e) == 0)
		start_all(&s, &holder, e);
	end_holder(&holder);
	notify_close(&l->notify);
	close_start(&s);
	state_free(l->sandbox);
	l->sandbox = NULL;
	if (err_is(e))
		launch_abort(l);
	return e->error;
}

static int commit(struct launch *l, char kind, struct err *e)
{
	if (write(l->sync, &kind, 1) != 1) {
		err_errno(e, errno, "the container's monitor process");
		launch_abort(l);
		return e->error;
	}
	if (kind == SYNC_COMMIT)
		host_close_fd(&l->sync);
	host_close_fd(&l->control);
	state_free(l->state);
	l->state = NULL;
	cgroup_fini(&l->cgroup);
	return 0;
}

int launch_commit(struct launch *l, struct err *e)
{
	return commit(l, SYNC_COMMIT, e);
}

int launch_attach(struct launch *l, struct err *e)
{
	return commit(l, SYNC_ATTACH, e);
}

void launch_abort(struct launch *l)
{
	struct err ignored = ERR_INIT;

	network_config_free(l->network);
	l->network = NULL;
	host_close_fd(&l->control);
	host_close_fd(&l->sync); /* which ends the monitor, and it its children */
	reap(l->monitor);
	l->monitor = 0;
	cgroup_fini(&l->cgroup);
	if (l->state != NULL)
		launch_destroy(l->g->root, l->state, &ignored);
	l->state = NULL;
	if (err_is(&ignored))
		log_warn("%s", ignored.text);
}

int launch_wait(struct launch *l)
{
	int status = 0;

	while (waitpid(l->monitor, &status, 0) < 0)
		if (errno != EINTR)
			return 255;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- destroy -------------------------------------------------------------------------------- */

#define KILL_TIMEOUT_MS    10000
#define MONITOR_TIMEOUT_MS 2000

int launch_destroy(const char *root, struct state *s, struct err *e)
{
	const struct proc_id *all[] = { &s->monitor, &s->gofer, &s->sentry };
	size_t count = s->sandbox != NULL ? 2 : 3; /* another's Sentry stays */
	struct err ignored = ERR_INIT;
	struct cgroup c;

	cgroup_from_json(s->cgroup, &c);
	if (cgroup_is_frozen(&c))
		cgroup_freeze(&c, false, &ignored);
	for (size_t i = 0; i < count; i++)
		if (proc_alive(all[i]))
			cgroup_thaw_process(all[i]->pid);
	/* The monitor reaps the others and ends by itself; it is killed only if it does not. */
	if (s->sandbox == NULL && proc_kill(&s->sentry, SIGKILL) == 0)
		proc_wait_gone(&s->monitor, MONITOR_TIMEOUT_MS);
	for (size_t i = 0; i < count; i++)
		proc_kill(all[i], SIGKILL);
	if (s->sandbox != NULL) {
		proc_wait_gone(&s->monitor, MONITOR_TIMEOUT_MS);
		pod_forget(s);
	}
	if (c.count > 0 && !cgroup_kill(&c, KILL_TIMEOUT_MS))
		err_set(e, EBUSY, "container \"%s\": processes in \"%s\" don't die", s->id,
			c.dirs[0].path);
	for (size_t i = 0; i < count; i++)
		if (!proc_wait_gone(all[i], KILL_TIMEOUT_MS))
			err_set(e, EBUSY, "container \"%s\": process %d does not die", s->id, all[i]->pid);
	network_release(s);
	nat_release(s);
	if (c.unit != NULL)
		systemd_stop_scope(c.unit);
	cgroup_remove(&c, e);
	cgroup_fini(&c);
	if (s->status != CTR_CREATING)
		hooks_run_poststop(s);
	if (!err_is(e))
		state_remove(root, s, e);
	state_free(s);
	return e->error;
}

/*
 * Its foreground process has ended, and we can undo what it did.  Who shares the state directory from another pid namespace
 * can't tell, and from another network namespace can't undo.
 */
static bool is_left(const struct state *s)
{
	return s->attached.pid != 0 && s->pid_ns == state_pid_ns() && !proc_alive(&s->attached) &&
	       !nat_is_elsewhere(s);
}

void launch_collect(const char *root)
{
	struct err ignored = ERR_INIT;
	char **ids;

	if (state_list(root, &ids, &ignored) < 0)
		return;
	for (size_t i = 0; ids[i] != NULL; i++) {
		struct state *s;
		bool left;

		err_clear(&ignored);
		if (state_open(root, ids[i], &s, &ignored) < 0)
			continue;
		left = is_left(s);
		state_free(s);
		if (!left || state_open_locked(root, ids[i], &s, &ignored) < 0)
			continue;
		if (is_left(s))
			launch_destroy(root, s, &ignored);
		else
			state_free(s);
	}
	oci_strings_free(ids);
}
