/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.c: see network.h.  All of it by rtnetlink(7), in the container's network namespace, which a
 * thread enters for it: rootless, there is no way back from there, the host's namespace being somebody else's.
 */
#include "runsc-c/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/control_client.h"
#include "runsc-c/rtnl.h"
#include "sentry/control/control.h"

#define VISIT_STACK   (256UL << 10)

/* ---- one sandbox a namespace ---------------------------------------------------------------- */

/* Abstract names belong to the network namespace.  The socket, or -EADDRINUSE: a sandbox answers here. */
static int open_guard(void)
{
	const struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0runsc-c/network" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(sa_family_t) + sizeof("runsc-c/network")) == 0)
		return fd < 0 ? -errno : fd;
	err = -errno;
	close(fd);
	return err;
}

/* ---- entering the namespace ----------------------------------------------------------------- */

static bool read_bool(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = '0';

	if (fd < 0 || read(fd, &c, 1) != 1)
		c = '0';
	if (fd >= 0)
		close(fd);
	return c == '1';
}

/*
 * On every interface: "all" alone says nothing, it only was a way to set them (Docker does, and then
 * clears those of a network with IPv6).  The files are those of the caller's network namespace.
 */
static bool ipv6_is_off(const struct network_config *n)
{
	char path[64];

	if (access("/proc/thread-self/net/if_inet6", F_OK) < 0)
		return true;
	for (size_t i = 0; i < n->link_count; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", n->links[i].name);
		if (!read_bool(path))
			return false;
	}
	return n->link_count > 0;
}

static int take_over(struct rtnl *r, struct err *e)
{
	for (size_t i = 0; i < r->n->link_count; i++)
		if (!r->n->links[i].loopback && rtnl_take_link(r, &r->n->links[i], e) < 0)
			return e->error;
	return 0;
}

static int collect(struct network_config *n, struct err *e)
{
	struct rtnl r = { .n = n, .fd = -1, .udp = -1, .range = -1, .buffer = mem_alloc(RTNL_BUFFER) };

	n->guard_fd = open_guard();
	if (n->guard_fd == -EADDRINUSE)
		err_set(e, EBUSY, "the container's network: another sandbox answers in this network namespace "
			"already; containers that share one must be of one pod (docs/kubernetes.md)");
	n->has_guard = n->guard_fd >= 0;
	if (r.buffer == NULL && !err_is(e))
		err_set(e, ENOMEM, "out of memory");
	if (!err_is(e) && rtnl_open(&r, e) == 0 && rtnl_scrape(&r, e) == 0) {
		n->ipv6_disabled = ipv6_is_off(n);
		rtnl_open_resolver(&r);
		take_over(&r, e);
	}
	rtnl_close(&r);
	mem_free(r.buffer);
	return e->error;
}

/* Remember what is to be undone, before it is done. */
static int record_namespace(struct state *s, int fd, struct err *e)
{
	struct stat st;

	if (s->net_path == NULL || fstat(fd, &st) < 0)
		return 0; /* it ends with the container, or is not ours to find again */
	s->net_inode = st.st_ino;
	return state_save(s, e);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) < 0 || fstat(b, &y) < 0 || (x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Is config.json's network namespace the one that we are in?  It is, too, when there is none in it. */
static bool is_ours(const struct oci_namespace *ns)
{
	struct stat own, theirs;

	if (!ns->present)
		return true;
	return ns->path != NULL && stat("/proc/self/ns/net", &own) == 0 && stat(ns->path, &theirs) == 0 &&
	       own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

int network_choose(const struct globals *g, const struct oci_spec *spec, bool *host, struct err *e)
{
	const struct oci_namespace *ns = &spec->namespaces[OCI_NS_NETWORK];

	*host = g->network == NETWORK_HOST || (!g->network_given && is_ours(ns));
	if (g->network != NETWORK_SANDBOX || *host || ns->path == NULL || !is_ours(ns))
		return 0;
	return err_set(e, ENOTSUP, "config.json: linux.namespaces: network namespace \"%s\" is the host's, and with "
		       "--network=sandbox containers don't get the host's sockets", ns->path);
}

struct visit {
	int ns;                      /* the container's network namespace */
	int user_ns;                 /* that it belongs to */
	bool foreign;                /* we have no rights in it where we are */
	void (*fn)(struct visit *v); /* called there */
	struct network_config *n;
	struct err *e;
};

static void visit_collect(struct visit *v)
{
	collect(v->n, v->e);
}

/* Only look. */
static void visit_look(struct visit *v)
{
	struct rtnl r = { .n = v->n, .fd = -1, .udp = -1, .range = -1, .buffer = mem_alloc(RTNL_BUFFER), .look = true };

	if (r.buffer == NULL)
		err_set(v->e, ENOMEM, "out of memory");
	else if (rtnl_open(&r, v->e) == 0)
		rtnl_scrape(&r, v->e);
	rtnl_close(&r);
	mem_free(r.buffer);
}

static void *visit_main(void *arg)
{
	struct visit *v = arg;

	if (setns(v->ns, CLONE_NEWNET) == 0)
		v->fn(v);
	else if (errno == EPERM) /* an ordinary user's: by way of the user namespace that it belongs to */
		v->foreign = true;
	else
		err_errno(v->e, errno, "the container's network namespace");
	return NULL;
}

/* A process that shares everything with us but namespaces and credentials; we stand still meanwhile. */
static int visit_as_owner(void *arg)
{
	struct visit *v = arg;

	if (setns(v->user_ns, CLONE_NEWUSER) < 0 || setns(v->ns, CLONE_NEWNET) < 0)
		log_warn("network: the container's network namespace can't be entered: %s: it gets loopback only",
			 strerror(errno));
	else
		v->fn(v);
	return 0;
}

/* A thread can't change its user namespace; a process with our memory and descriptors can. */
static int visit_foreign(struct visit *v)
{
	char *stack = mem_alloc(VISIT_STACK);
	pid_t pid = -1;
	int status;

	v->user_ns = ioctl(v->ns, NS_GET_USERNS);
	if (stack == NULL)
		err_set(v->e, ENOMEM, "out of memory");
	else if (v->user_ns >= 0)
		pid = clone(visit_as_owner, stack + VISIT_STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, v);
	if (stack != NULL && pid < 0)
		log_warn("network: the owner of the container's network namespace is out of reach: it gets loopback only");
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	host_close_fd(&v->user_ns);
	mem_free(stack);
	return v->e->error;
}

static int visit(struct visit *v)
{
	pthread_t t;
	int err = pthread_create(&t, NULL, visit_main, v);

	if (err != 0)
		return err_errno(v->e, err, "the container's network: a thread");
	pthread_join(t, NULL);
	return v->foreign && !err_is(v->e) ? visit_foreign(v) : v->e->error;
}

int network_look(const struct globals *g, struct state *s, struct network_config **out, struct err *e)
{
	struct network_config *n = NULL;
	char path[64];
	int own, theirs;

	*out = NULL;
	/* In a pod the links are those of the container that the namespace was made for. */
	if (s->shares_net || (!s->host_network && g->network != NETWORK_SANDBOX))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", s->monitor.pid);
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || theirs < 0) {
		err_errno(e, errno, "the container's network namespace");
	} else if (same_file(own, theirs) && !s->host_network) {
		log_warn("network: the container shares the network namespace of its creator: it gets "
			 "loopback only");
	} else if (!s->host_network && record_namespace(s, theirs, e) < 0) {
		;
	} else {
		struct visit v = { .ns = theirs, .fn = s->host_network ? visit_look : visit_collect, .e = e };

		v.n = n = mem_new(struct network_config);
		if (n == NULL)
			err_set(e, ENOMEM, "out of memory");
		else if (same_file(own, theirs))
			v.fn(&v);
		else
			visit(&v);
	}
	host_close_fd(&own);
	host_close_fd(&theirs);
	if (err_is(e)) {
		network_config_free(n);
		n = NULL;
	}
	*out = n;
	return e->error;
}

/* In the namespace.  A guard that is free says that nobody answers here any more. */
static void visit_release(struct visit *v)
{
	struct network_config n = { .guard_fd = open_guard(), .resolver_fd = -1 };
	struct rtnl r = { .n = &n, .fd = -1, .udp = -1, .range = -1, .buffer = mem_alloc(RTNL_BUFFER) };
	struct err e = ERR_INIT;

	(void)v;
	if (n.guard_fd >= 0 && r.buffer != NULL && rtnl_open(&r, &e) == 0 && rtnl_links(&r) == 0)
		for (size_t i = 0; i < n.link_count; i++)
			if (!n.links[i].loopback)
				rtnl_unfilter(&r, n.links[i].ifindex);
	for (size_t i = 0; i < n.link_count; i++) {
		mem_free(n.links[i].name);
		mem_free(n.links[i].mac);
	}
	mem_free(n.links);
	rtnl_close(&r);
	if (n.guard_fd >= 0)
		close(n.guard_fd);
	mem_free(r.buffer);
}

void network_release(const struct state *s)
{
	int own, theirs;
	struct err e = ERR_INIT;
	struct stat st;

	if (s->net_path == NULL || s->net_inode == 0 || s->shares_net)
		return;
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	theirs = open(s->net_path, O_RDONLY | O_CLOEXEC);
	/* Gone, or another one by now, as a path of /proc may be. */
	if (own >= 0 && theirs >= 0 && fstat(theirs, &st) == 0 && st.st_ino == s->net_inode &&
	    !same_file(own, theirs) && visit(&(struct visit){ .ns = theirs, .fn = visit_release, .e = &e }) < 0)
		log_warn("network: %s", e.text);
	host_close_fd(&own);
	host_close_fd(&theirs);
}

int network_start(const struct state *s, int control, struct network_config *n, struct err *e)
{
	int fds[LINKS_MAX + 2]; /* host_network: none */
	size_t count = 0;

	for (size_t i = 0; n != NULL && i < n->link_count; i++)
		if (n->links[i].has_fd)
			fds[count++] = n->links[i].fd;
	if (n != NULL && n->has_resolver)
		fds[count++] = n->resolver_fd;
	if (n != NULL && n->has_guard)
		fds[count++] = n->guard_fd;
	control_call(control, control_encode_start(s->id, n), fds, count, CONTROL_TIMEOUT_MS, NULL, e);
	network_config_free(n);
	return e->error;
}
