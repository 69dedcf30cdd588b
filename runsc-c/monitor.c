/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor.c: the process whose pid is the container's.
 *
 * It joins the container's cgroup and host namespaces, starts Gofer and Sentry, and then sleeps until
 * the first of these: init has ended (the Sentry's answer to "wait"), the Sentry or the Gofer has
 * died, a signal arrives (which it hands to init).  At the end it kills what is left, reaps it, and
 * exits with init's status: nothing of the container outlives its pid.
 *
 * It is the init of a pid namespace of its own, unless config.json says otherwise: what it has started dies with it, and who
 * joins the container's pid namespace (podman cp) is allowed to.  The Sentry's, where programs run, lies below.
 *
 * For Docker's embedded DNS server it is also the one who connects: the Sentry has no socket(2), and
 * the server (127.0.0.11) listens in the network namespace that this process is in.  A byte on the
 * "dial" socket asks for one TCP connection to it, and to nothing else.
 *
 * With --network=host it binds sockets to ports that take a capability instead, if the container has CAP_NET_BIND_SERVICE
 * in its bounding set: the Sentry has no capability, and whether the program has it is for the Sentry to say.
 *
 * So that programs of the host in that namespace reach what listens inside, it listens there for the Sentry (door.h).
 *
 * What changes in that namespace later it hands to the Sentry (net_watch.h); for that it keeps CAP_NET_ADMIN and
 * CAP_NET_RAW, over the container's network namespace, which it can't leave.
 *
 * What it reads from the sandbox is JSON replies, of which it takes a few numbers.  As it has the host's
 * namespaces, it waits behind a filter that lets it do little more than that
 * (platform/host_monitor.tbl).
 */
#include "runsc-c/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "platform/host_filter.h"
#include "runsc-c/attach.h"
#include "runsc-c/console.h"
#include "runsc-c/door.h"
#include "runsc-c/spawn.h"
#include "runsc-c/view.h"
#include "sentry/control/control.h"

#define DIAL_TYPE        (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
#define SEND_SECONDS     2
#define STATUS_LOST (128 + SIGKILL) /* the sandbox died under the container */

_Noreturn static void fail(struct monitor *m, const struct err *e)
{
	host_write(m->sync, e->text, strlen(e->text));
	_exit(126);
}

/* A Sentry that does not read is not waited for: the message, and with it the connection, fails. */
static int send_patiently(int fd)
{
	const struct timeval t = { .tv_sec = SEND_SECONDS };

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0 ? -errno : 0;
}

/* A second connection, for signals; the socket listens already, though nobody does yet. */
static int connect_control(struct monitor *m, struct err *e)
{
	int fd = host_socket(AF_UNIX, SOCK_STREAM, 0), err;
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/control.sock", m->state_dir);
	err = fd < 0 ? fd : host_connect(fd, &a, sizeof(a));
	if (err == 0)
		err = send_patiently(fd);
	if (err < 0 && fd >= 0)
		close(fd);
	return err < 0 ? err_errno(e, err, "control socket") : fd;
}

/* ---- namespaces ----------------------------------------------------------------------------- */

/* Ask the creator to write our id maps, and take the ids of root in them. */
static int enter_user_namespace(struct monitor *m, struct err *e)
{
	const char *path = m->spec->namespaces[OCI_NS_USER].path;
	char kind = SYNC_MAPS;

	if (path != NULL) {
		if (spawn_enter_namespace(path, CLONE_NEWUSER, "user", e) < 0)
			return e->error;
	} else if (unshare(CLONE_NEWUSER) < 0) {
		return err_errno(e, errno, "can't make a user namespace");
	} else if (host_write(m->sync, &kind, 1) != 1 || host_read(m->sync, &kind, 1) != 1 ||
		   kind != SYNC_GO) {
		return err_set(e, EIO, "can't set up the user namespace's id maps");
	}
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_errno(e, errno, "user namespace: can't become its root");
	setgroups(0, NULL); /* denied in a rootless one: harmless */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

static void loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo" };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s >= 0 && ioctl(s, SIOCGIFFLAGS, &r) == 0) {
		r.ifr_flags |= IFF_UP;
		if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
			log_warn("can't bring lo up: %s", err_reason(errno));
	}
	if (s >= 0)
		close(s);
}

/* Join by path, or make anew, the namespaces that others look at through our /proc/PID/ns. */
static int enter_namespaces(struct monitor *m, struct err *e)
{
	static const struct {
		enum oci_namespace_kind kind;
		int flag;
		const char *name;
	} kinds[] = {
		{ OCI_NS_NETWORK, CLONE_NEWNET, "network" },
		{ OCI_NS_IPC, CLONE_NEWIPC, "ipc" },
		{ OCI_NS_UTS, CLONE_NEWUTS, "uts" },
		{ OCI_NS_CGROUP, CLONE_NEWCGROUP, "cgroup" },
	};
	int fresh = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct oci_namespace *ns = &m->spec->namespaces[kinds[i].kind];

		if (ns->present && ns->path == NULL)
			fresh |= kinds[i].flag;
		if (ns->path != NULL && spawn_enter_namespace(ns->path, kinds[i].flag, kinds[i].name, e) < 0)
			return e->error;
	}
	if (geteuid() != 0 || m->spec->namespaces[OCI_NS_USER].present) {
		if (enter_user_namespace(m, e) < 0)
			return e->error;
		fresh |= CLONE_NEWNS; /* in which we may copy mount trees */
	}
	if (fresh != 0 && unshare(fresh) < 0)
		return err_errno(e, errno, "can't make the container's namespaces");
	if (fresh & CLONE_NEWNET)
		loopback_up();
	return 0;
}

/* net.* of config.json, where the sockets are the host's: in the namespace that we are in by now, not the caller's. */
static int set_sysctl(const struct sysctl_config *k, struct err *e)
{
	char path[256];
	int fd, n = snprintf(path, sizeof(path), "/proc/sys/%s", k->name);

	/* As sysctl(8) has it: the two separators exchanged. */
	for (char *at = path + strlen("/proc/sys/"); *at != '\0'; at++)
		*at = *at == '/' ? '.' : *at == '.' ? '/' : *at;
	if (n >= (int)sizeof(path) || strstr(path, "..") != NULL)
		return err_set(e, EINVAL, "config.json: linux.sysctl: \"%s\"", k->name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, k->value, strlen(k->value)) < 0)
		err_errno(e, errno, "config.json: linux.sysctl: can't set %s", k->name);
	if (fd >= 0)
		close(fd);
	return e->error;
}

static int set_net_sysctls(const struct monitor *m, struct err *e)
{
	const struct container_config *c = m->spec->container;

	for (size_t i = 0; m->host_network && !m->joined && i < c->sysctl_count; i++)
		if (strncmp(c->sysctls[i].name, "net.", 4) == 0 && set_sysctl(&c->sysctls[i], e) < 0)
			return e->error;
	return 0;
}

/* ---- children ------------------------------------------------------------------------------- */

static pid_t start_gofer(struct monitor *m, int null, int *pidfd, struct err *e)
{
	const struct attach *a;
	size_t count, n = 0;
	char *flags, *p;
	const char *argv[4] = { "runsc-c", "gofer", NULL, NULL };
	struct spawn s = { .staging = m->state_path, .argv = argv, .run = run_gofer };
	enum spawn_tree *kinds;
	int *fds, *trees;

	if (m->attached == NULL &&
	    attach_open(m->spec, m->g->overlay, m->g->host_uds, &m->attached, &m->attached_count, e) < 0)
		return e->error;
	a = m->attached;
	count = m->attached_count;
	fds = mem_calloc(count + 5, sizeof(int));
	trees = mem_calloc(count, sizeof(int));
	kinds = mem_calloc(count, sizeof(*kinds));
	flags = p = mem_calloc(count, 12);
	if (fds == NULL || trees == NULL || kinds == NULL || flags == NULL)
		return err_set(e, ENOMEM, "out of memory");
	fds[n++] = null;
	fds[n++] = null;
	fds[n++] = m->log;
	fds[n++] = m->gofer_conn;
	fds[n++] = SPAWN_PROCFS;
	for (size_t i = 0; i < count; i++) {
		fds[n++] = a[i].fd;
		p += sprintf(p, "%s%u", i > 0 ? "," : "", a[i].flags);
		if (a[i].tree == SPAWN_TREE_NONE)
			continue;
		kinds[s.tree_count] = a[i].tree;
		trees[s.tree_count++] = a[i].fd;
	}
	argv[2] = flags;
	s.fds = fds;
	s.fd_count = n;
	s.trees = trees;
	s.tree_kinds = kinds;
	return spawn_jailed(&s, m->sync, pidfd, e); /* what was allocated is freed by closing down */
}

static pid_t start_sentry(struct monitor *m, int null, int *pidfd, struct err *e)
{
	const struct oci_namespace *net = &m->spec->namespaces[OCI_NS_NETWORK];
	const char *argv[4] = { "runsc-c", "sentry", m->spec->container->id, NULL };
	int fds[SENTRY_FD_FIRST_FREE] = {
		[0] = null, [1] = null, [SENTRY_FD_LOG] = m->log,
		[SENTRY_FD_CONTROL] = m->sentry_control, [SENTRY_FD_LISTEN] = m->listen,
		[SENTRY_FD_PROC] = SPAWN_PROCFS,
	};
	struct spawn s = {
		.staging = m->state_path, .argv = argv, .exe_fd = m->exe, .fds = fds,
		.fd_count = ARRAY_SIZE(fds), .nobody = true, .deep_stack_hole = true,
		.new_net = !m->host_network && !(net->present && net->path == NULL),
		.before_others = cgroup_divides_cpu(m->cgroup),
	};

	return spawn_jailed(&s, m->sync, pidfd, e);
}

/* ---- waiting -------------------------------------------------------------------------------- */

struct watch {
	struct monitor *m;
	pid_t sentry, gofer;
	pid_t own;   /* our pid, as the service manager sees it */
	int signals; /* signalfd of all signals */
	bool asked;  /* "wait" was sent */
	bool lost;   /* a child of ours has died */
};

static int exit_code(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* Say so to the log, and to a creator that still waits for the container. */
static void child_ended(struct watch *w, pid_t pid, int status)
{
	const char *name = pid == w->sentry ? "sentry" : pid == w->gofer ? "gofer" : NULL;
	char line[128];

	if (name == NULL)
		return;
	snprintf(line, sizeof(line), "the container's %s process has ended unexpectedly (%s %d); "
		 "--debug-log FILE tells more", name, WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	log_info("%s", line);
	if (w->m->sync >= 0)
		host_write(w->m->sync, line, strlen(line));
	*(pid == w->sentry ? &w->sentry : &w->gofer) = 0;
	w->lost = true;
}

/* Kill and reap the children, then end.  The Sentry is its pid namespace's init: it takes all along. */
#define NOTIFY_LAST_MAX 1000 /* after net.unix.max_dgram_qlen and what comes meanwhile, enough */

static bool forward_notification(struct watch *w)
{
	return w->m->notify.in >= 0 && notify_forward(&w->m->notify, w->m->sync < 0 ? w->own : 0);
}

_Noreturn static void finish(struct watch *w, int code)
{
	pid_t ours[2];
	int status;

	/* What the container said last, and then ended; no more than it could have waiting. */
	for (int i = 0; i < NOTIFY_LAST_MAX && forward_notification(w); i++)
		;

	/* One that has gone before tells how. */
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		child_ended(w, pid, status);
	if (w->sentry > 0)
		kill(w->sentry, SIGKILL);
	if (w->gofer > 0)
		kill(w->gofer, SIGKILL);
	ours[0] = w->sentry;
	ours[1] = w->gofer;
	/* Not for all: orphans of who joined our pid namespace are ours too, and end with it. */
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		while (ours[i] > 0 && waitpid(ours[i], NULL, 0) < 0 && errno == EINTR)
			;
	_exit(code);
}

/* Init's status, as the Sentry says; a Sentry that died says none. */
static int read_status(struct watch *w)
{
	json_t *reply = NULL, *status;
	int code = STATUS_LOST;

	if (control_recv(w->m->control, &reply, NULL, 0, NULL, 5000) == 0) {
		status = json_object_get(reply, "status");
		if (json_is_integer(status))
			code = exit_code((int)json_integer_value(status));
		else
			log_error("the sandbox lost the container's status");
	} else {
		log_info("the sandbox has ended before the container's init");
	}
	return code;
}

/* The Sentry learns where to ask for connections to Docker's DNS server, and for doors.  Failure: no TCP there. */
static void offer_dialer(struct watch *w)
{
	const int fds[2] = { w->m->dialer, w->m->door_peer };
	json_t *offer, *reply = NULL;

	if (w->m->dialer < 0)
		return;
	offer = json_pack("{s:s,s:s}", "op", "dialer", "id", w->m->spec->container->id);
	if (offer != NULL && control_send(w->m->signals, offer, fds, fds[1] >= 0 ? 2 : 1) == 0)
		control_recv(w->m->signals, &reply, NULL, 0, NULL, 2000);
	json_decref(reply);
	json_decref(offer);
	host_close_fd(&w->m->dialer);
	host_close_fd(&w->m->door_peer);
}

static bool may_bind(const struct monitor *m)
{
	return m->host_network && !m->joined &&
	       (m->spec->container->process->cap_bounding & (UINT64_C(1) << CAP_NET_BIND_SERVICE));
}

/* A socket of the Sentry's own making, so of AF_INET or AF_INET6; other families refuse such an address. */
static int bind_for(const struct net_bind_request *q, size_t size, int fd)
{
	struct sockaddr_in in;

	if (size != sizeof(*q) || q->size > sizeof(q->addr) || q->size < sizeof(in))
		return -EINVAL;
	memcpy(&in, q->addr, sizeof(in));
	if ((in.sin_family != AF_INET && in.sin_family != AF_INET6) || in.sin_port == 0)
		return -EINVAL;
	return host_bind(fd, q->addr, q->size);
}

static void on_bind(struct watch *w)
{
	struct net_bind_request q = { .seq = 0 };
	struct net_bind_reply r;
	size_t count = 1;
	int fd = -1;
	ssize_t n = host_recv_fds(w->m->dial, &q, sizeof(q), &fd, &count, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0 || count != 1) {
		host_close_fd(&w->m->dial);
		return;
	}
	r.seq = q.seq;
	r.error = bind_for(&q, (size_t)n, fd);
	host_close(fd);
	(void)!host_write(w->m->dial, &r, sizeof(r));
}

/* One connection, begun, for each byte; no descriptor with the answer: there is none to be had. */
static void on_dial(struct watch *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53),
				 .sin_addr.s_addr = htonl(RESOLVER_ADDRESS) };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	int fd, err;

	if (w->m->host_network) {
		on_bind(w);
		return;
	}
	if (host_read(w->m->dial, &byte, 1) != 1) {
		host_close_fd(&w->m->dial);
		return;
	}
	fd = host_socket(AF_INET, DIAL_TYPE, 0);
	err = fd < 0 ? fd : host_connect(fd, &a, sizeof(a));
	if (err < 0 && err != -EINPROGRESS)
		host_close_fd(&fd);
	host_send_fds(w->m->dial, &iov, 1, &fd, fd >= 0 ? 1 : 0);
	host_close_fd(&fd);
}

static void ask_for_status(struct watch *w)
{
	json_t *ask = json_pack("{s:s,s:s,s:i}", "op", "wait", "id", w->m->spec->container->id, "pid",
				0);

	if (ask == NULL || control_send(w->m->control, ask, NULL, 0) < 0)
		finish(w, STATUS_LOST);
	json_decref(ask);
	w->asked = true;
}

/* On a connection of its own: the other one is waiting. */
static void forward_signal(struct watch *w, const struct signalfd_siginfo *info)
{
	json_t *o = w->m->signals >= 0 ? console_forward(info, w->m->spec->container->id, 0) : NULL, *reply = NULL;
	int err = o != NULL ? control_send(w->m->signals, o, NULL, 0) : 0;

	if (err < 0) {
		/* Part of the message may have gone: nothing that follows would be understood. */
		log_error("the sandbox takes no signals: %s", err_reason(err));
		host_close_fd(&w->m->signals);
	} else if (o != NULL) {
		control_recv(w->m->signals, &reply, NULL, 0, NULL, 2000);
	}
	json_decref(reply);
	json_decref(o);
}

static void on_signal(struct watch *w)
{
	struct signalfd_siginfo info;
	pid_t pid;
	int status;

	if (host_read(w->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD) {
		if (w->asked && info.ssi_signo < 32)
			forward_signal(w, &info);
		return;
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(w, pid, status);
	/* Init's status may be on its way already; else the container is lost. */
	if (w->lost) {
		struct pollfd p = { .fd = w->m->control, .events = POLLIN };
		struct timespec grace = { 0, 200 * NSEC_PER_MSEC };

		finish(w, w->asked && host_ppoll(&p, 1, &grace) > 0 ? read_status(w) : STATUS_LOST);
	}
}

/* The creator's word: live by yourself, or as long as it does; else it gave up, or was killed. */
static void on_sync(struct watch *w)
{
	char kind = 0;

	if (host_read(w->m->sync, &kind, 1) != 1 || w->asked || (kind != SYNC_COMMIT && kind != SYNC_ATTACH))
		finish(w, STATUS_LOST);
	if (kind == SYNC_COMMIT)
		host_close_fd(&w->m->sync);
	offer_dialer(w);
	ask_for_status(w);
	net_watch_begin(&w->m->net, w->m->spec->container->id);
}

/* When the container has run for some time our own start is long over. */
#define SETTLED_NS (300 * NSEC_PER_MSEC)

_Noreturn static void watch(struct watch *w)
{
	const struct timespec settled = { 0, SETTLED_NS };
	struct net_watch *net = &w->m->net;
	bool dropped = false;
	int n;

	for (;;) {
		struct pollfd p[7] = {
			{ .fd = w->signals, .events = POLLIN },
			{ .fd = w->m->sync, .events = POLLIN },
			{ .fd = w->asked ? w->m->control : -1, .events = POLLIN },
			{ .fd = w->m->dial, .events = POLLIN },
			{ .fd = w->m->notify.in, .events = POLLIN },
			{ .fd = w->m->door, .events = POLLIN },
		};
		int ms = net_watch_poll(net, &p[6]);
		struct timespec silence = { ms / 1000, ms % 1000 * NSEC_PER_MSEC };

		n = host_ppoll(p, ARRAY_SIZE(p), ms >= 0 ? &silence : dropped ? NULL : &settled);
		if (n == 0 && ms < 0) {
			mem_drop_text();
			dropped = true;
		}
		if (n < 0 || (n == 0 && ms < 0))
			continue;
		if (p[2].revents != 0)
			finish(w, read_status(w));
		if (p[1].revents != 0)
			on_sync(w);
		if (p[3].revents != 0)
			on_dial(w);
		if (p[4].revents != 0)
			forward_notification(w);
		if (p[5].revents != 0 && door_serve(w->m->door) < 0)
			host_close_fd(&w->m->door);
		if (p[6].revents != 0 || (n == 0 && ms >= 0)) {
			net_watch_run(net, &p[6], w->m->spec->container->id);
			dropped = false;
		}
		if (p[0].revents != 0)
			on_signal(w);
	}
}

/* The two ends of "dial"; -1 when the container's network isn't one of its own. */
static void open_dialer(struct monitor *m)
{
	int ends[2] = { -1, -1 };

	bool wanted = m->host_network ? may_bind(m) : m->spec->namespaces[OCI_NS_NETWORK].present &&
							 m->g->network == NETWORK_SANDBOX;

	if (wanted && host_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		ends[0] = ends[1] = -1;
	m->dial = ends[0];
	m->dialer = ends[1];
}

/* Not in a pod, where the sandbox's monitor does. */
static bool has_own_network(const struct monitor *m)
{
	return m->spec->namespaces[OCI_NS_NETWORK].present && !m->host_network && m->g->network == NETWORK_SANDBOX &&
	       !(m->joined && m->spec->container->ns[NS_NET] != NS_NEW);
}

static void open_door(struct monitor *m)
{
	int ends[2] = { -1, -1 };

	if (has_own_network(m) && m->dial >= 0 &&
	    host_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		ends[0] = ends[1] = -1;
	m->door = ends[0];
	m->door_peer = ends[1];
}

/* Not without rights over the namespace. */
static void watch_network(struct monitor *m)
{
	struct err e = ERR_INIT;

	net_watch_init(&m->net);
	if (!has_own_network(m))
		return;
	m->net.control = connect_control(m, &e);
	if (err_is(&e))
		log_warn("network: what changes later is not seen: %s", e.text);
	else
		net_watch_open(&m->net);
}

/* Keep sync, the control connections, the log and the pidfds; 0 to 2 become /dev/null. */
static void close_others(struct monitor *m, int null, int pidfds[2])
{
	int *keep[] = { &m->sync, &m->control, &m->signals, &m->log, &m->dial, &m->dialer, &m->door, &m->door_peer,
			&pidfds[0], &pidfds[1], &m->notify.in, &m->notify.out, &m->net.events,
			&m->net.control, &m->net.rtnl.fd, &m->net.rtnl.udp, &m->net.rtnl.range };
	int base = 3 + (int)ARRAY_SIZE(keep);

	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		if (*keep[i] >= 0)
			*keep[i] = fcntl(*keep[i], F_DUPFD_CLOEXEC, base + 64);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
		if (*keep[i] < 0) {
			close(3 + (int)i);
			continue;
		}
		dup3(*keep[i], 3 + (int)i, O_CLOEXEC);
		*keep[i] = 3 + (int)i;
	}
	host_close_range((unsigned int)base, ~0u, 0);
}

/* Nothing is needed any more but to wait, to kill two processes, and to say how it ended. */
static int enter_jail(const struct watch *w)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	bool binds = may_bind(w->m) || w->m->door >= 0;
	uint32_t kept = 1u << CAP_KILL | (binds ? 1u << CAP_NET_BIND_SERVICE : 0) |
			(w->m->net.events >= 0 ? 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW : 0);
	struct __user_cap_data_struct caps[2] = { { kept, kept, 0 }, { 0, 0, 0 } };
	pid_t sentry_pid = w->sentry, gofer_pid = w->gofer;
	const struct host_rule rules[] = {
#include "platform/host_monitor.tbl"
		HOST_CALL(bind, "an interface's packet socket; doors; --network=host: the Sentry's sockets, to ports that take a capability")
	};

	if (syscall(SYS_capset, &h, caps) < 0)
		return -errno;
	host_filter_explain("monitor", w->m->log);
	return host_filter_install(rules, ARRAY_SIZE(rules) - !(binds || w->m->net.events >= 0), 0);
}

/* Not getpid(), which is 1. */
static pid_t own_pid(void)
{
	char text[16] = "";

	return readlink("/proc/self", text, sizeof(text) - 1) > 0 ? atoi(text) : 0;
}

_Noreturn void monitor_main(struct monitor *m)
{
	struct err e = ERR_INIT;
	struct watch w = { .m = m };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), pidfds[2] = { -1, -1 }, err;
	char kind = SYNC_READY;
	struct iovec ready = { &kind, 1 };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "runsc-monitor");
	setsid();
	if (m->console >= 0)
		console_adopt(m->console);
	if (null < 0)
		err_errno(&e, errno, "/dev/null");
	m->signals = err_is(&e) ? -1 : connect_control(m, &e); /* while we may */
	if (!err_is(&e) && (err = send_patiently(m->control)) < 0)
		err_errno(&e, err, "control socket");
	/* With root's rights, before they end at a user namespace: what is bound may be out of its reach. */
	if (!err_is(&e) && geteuid() == 0 && m->spec->namespaces[OCI_NS_USER].present)
		attach_open(m->spec, m->g->overlay, m->g->host_uds, &m->attached, &m->attached_count, &e);
	if (err_is(&e) || cgroup_join_self(m->cgroup, m->g->rootless, &e) < 0 ||
	    enter_namespaces(m, &e) < 0 || set_net_sysctls(m, &e) < 0)
		fail(m, &e);
	w.gofer = start_gofer(m, null, &pidfds[0], &e);
	if (w.gofer > 0 && !m->joined)
		w.sentry = start_sentry(m, null, &pidfds[1], &e);
	if (err_is(&e)) {
		host_write(m->sync, e.text, strlen(e.text));
		finish(&w, 126);
	}
	open_dialer(m);
	open_door(m);
	watch_network(m);
	close_others(m, null, pidfds);
	log_open(m->log, "monitor", LOG_INFO, LOG_TEXT);
	w.own = own_pid();
	/* config.json without a mount namespace: ours stays the creator's. */
	if (m->g->overlay == OVERLAY_NONE && m->spec->namespaces[OCI_NS_MOUNT].present)
		view_enter(m->spec, m->state_path);
	if (chdir("/") < 0)
		log_warn("monitor: /: %s", err_reason(errno));
	w.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	err = enter_jail(&w);
	if (err < 0) {
		err_errno(&e, err, "monitor: jail");
		host_write(m->sync, e.text, strlen(e.text));
		finish(&w, 126);
	}
	if (host_send_fds(m->sync, &ready, 1, pidfds, w.sentry > 0 ? 2 : 1) != 1)
		finish(&w, 126);
	host_close_fd(&pidfds[0]);
	host_close_fd(&pidfds[1]);
	watch(&w);
}
