/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c: the Sentry's side of the control protocol (control.h): one host thread polls the
 * listening socket and all connections, reads a request, calls its op, and sends the replies that
 * other threads have left in a queue.
 *
 * A connection carries one request at a time: while one is under way (conn->request) the thread
 * does not read from it, and only looks whether the client is still there.  A client that goes away
 * leaves its request to the op, which finishes it; the reply is then dropped.
 *
 *       readable            op called              control_reply_*()       sent
 *   idle ───────▶ reading ───────────▶ busy ─────────────────▶ queue ───────────▶ idle
 *
 * Reading and sending are blocking, with a deadline: the clients are our own CLI, and what a slow
 * one can hold up is the control thread alone.
 *
 * SENTRY_FD_CONTROL is also the sandbox's life line: its other end is held by the monitor process;
 * when it closes, the Sentry ends.
 *
 * Locks: server->latch guards the queue of finished requests, nothing else.  Connections belong to
 * the control thread; a request belongs to its op from the call until the reply.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/latch.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "sentry/control/control.h"

#define MAX_CONNS       128
#define READ_TIMEOUT_MS 10000

struct conn {
	int fd;
	bool life_line;                  /* SENTRY_FD_CONTROL */
	struct control_request *request; /* under way, or NULL */
	char *exec_id;                   /* a process to be killed when this closes: its container */
	int exec_pid;                    /* 0: none */
	char *container;                 /* made here with kill_on_close: dies with it; or NULL */
};

struct control_request {
	struct list node;
	struct control_server *server; /* (c) */
	struct conn *conn;             /* control thread only; NULL: the client has gone */
	json_t *reply;                 /* set by the reply, then the control thread's */
	char *exec_id;                 /* control thread: an exec with kill_on_close */
	char *create_id;               /* control thread: a create with kill_on_close */
	int wait_pid;                  /* control thread: whom a "wait" waits for */
};

struct control_server {
	const struct control_ops *ops; /* (c) */
	void *kernel;                  /* (c) */
	int listen_fd;                 /* (c) */
	int wake_fd;                   /* (c) eventfd: done is not empty */
	struct latch latch;
	struct list done;              /* (latch) requests with a reply */
	struct conn *conns[MAX_CONNS]; /* control thread only, as all below */
	size_t conn_count;
};

/* ---- replies: any thread -------------------------------------------------------------------- */

static void reply(struct control_request *r, json_t *o)
{
	struct control_server *s = r->server;
	uint64_t one = 1;

	r->reply = o;
	latch_lock(&s->latch);
	list_append(&s->done, &r->node);
	latch_unlock(&s->latch);
	host_write(s->wake_fd, &one, sizeof(one));
}

void control_reply_json(struct control_request *r, json_t *members)
{
	if (members != NULL)
		json_object_set_new(members, "ok", json_true());
	reply(r, members);
}

void control_reply_ok(struct control_request *r)
{
	control_reply_json(r, json_object());
}

void control_reply_error(struct control_request *r, int error, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A guest's file name in the sentence may be no UTF-8. */
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 32 || (unsigned char)*p > 126)
			*p = '?';
	reply(r, json_pack("{s:b,s:i,s:s}", "ok", 0, "errno", error < 0 ? -error : error, "error",
			   text));
}

void control_reply_pid(struct control_request *r, int pid)
{
	control_reply_json(r, json_pack("{s:i}", "pid", pid));
}

void control_reply_status(struct control_request *r, int wait_status)
{
	control_reply_json(r, json_pack("{s:i}", "status", wait_status));
}

void control_reply_text(struct control_request *r, const char *text, size_t size)
{
	json_t *t = json_stringn(text, size);

	/* Not UTF-8: show what can be shown. */
	if (t == NULL) {
		char *copy = mem_dup(text, size);

		for (size_t i = 0; copy != NULL && i < size; i++)
			if ((unsigned char)copy[i] > 126)
				copy[i] = '?';
		t = copy ? json_stringn(copy, size) : NULL;
		mem_free(copy);
	}
	control_reply_json(r, json_pack("{s:o}", "text", t));
}

void control_reply_ps(struct control_request *r, const struct control_process *p, size_t count)
{
	json_t *a = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_pack("{s:i,s:i,s:i,s:I,s:I,s:I}", "pid", p[i].pid, "ppid", p[i].ppid,
				      "stub_pid", p[i].stub_pid, "uid", (json_int_t)p[i].uid,
				      "start_ns", (json_int_t)p[i].start_ns, "cpu_ns",
				      (json_int_t)p[i].cpu_ns);
		json_t *command = json_string(p[i].command ? p[i].command : "");

		json_object_set_new(o, "command", command ? command : json_string("?"));
		json_array_append_new(a, o);
	}
	control_reply_json(r, json_pack("{s:o}", "processes", a));
}

void control_reply_state(struct control_request *r, const struct control_container *c, size_t count)
{
	static const char *const names[] = { "created", "running", "paused", "stopped" };
	json_t *a = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(a, json_pack("{s:s,s:s,s:i}", "id", c[i].id, "status",
						   names[c[i].status], "pid", c[i].pid));
	control_reply_json(r, json_pack("{s:o}", "containers", a));
}

/* ---- requests: the control thread ----------------------------------------------------------- */

/* A request being dispatched: its message and the descriptors that came with it. */
struct call {
	struct control_server *s;
	struct control_request *r;
	json_t *msg;
	const char *id; /* "" when there is none */
	int *fds;
	size_t fd_count;
};

static long long call_int(const struct call *c, const char *name)
{
	return json_integer_value(json_object_get(c->msg, name));
}

static bool call_bool(const struct call *c, const char *name)
{
	return json_is_true(json_object_get(c->msg, name));
}

static void call_drop_fds(struct call *c)
{
	for (size_t i = 0; i < c->fd_count; i++)
		host_close(c->fds[i]);
	c->fd_count = 0;
}

static void call_invalid(struct call *c, const char *why)
{
	call_drop_fds(c);
	control_reply_error(c->r, -EINVAL, "control request: %s is missing or invalid",
			    why ? why : "a member");
}

static void call_create(struct call *c)
{
	struct container_config *config;
	const char *why;

	if (control_decode_create(c->msg, c->fds, c->fd_count, &config, &why) < 0)
		return call_invalid(c, why);
	c->fd_count = 0;
	if (call_bool(c, "kill_on_close"))
		c->r->create_id = mem_strdup(config->id);
	c->s->ops->create(c->s->kernel, c->r, config); /* consumes config */
}

static void call_exec(struct call *c)
{
	const json_t *spec = json_object_get(c->msg, "process");
	struct process_config *p;
	const char *why;

	if (control_decode_process(spec, c->fds, c->fd_count, &p, &why) < 0)
		return call_invalid(c, why);
	c->fd_count = 0;
	if (call_bool(c, "kill_on_close"))
		c->r->exec_id = mem_strdup(c->id);
	c->s->ops->exec(c->s->kernel, c->r, c->id, p); /* consumes p */
}

/* "network", or NULL without one; false: the request is answered.  The other descriptors are closed. */
static bool call_take_network(struct call *c, struct network_config **n)
{
	const json_t *net = json_object_get(c->msg, "network");
	const char *why;

	*n = NULL;
	if (net != NULL && !json_is_null(net)) {
		if (control_decode_network(net, c->fds, c->fd_count, n, &why) < 0) {
			call_invalid(c, why);
			return false;
		}
		c->fd_count = 0;
	}
	call_drop_fds(c);
	return true;
}

static void call_start(struct call *c)
{
	struct network_config *n;

	if (call_take_network(c, &n))
		c->s->ops->start(c->s->kernel, c->r, c->id, n); /* consumes n */
}

static void call_network(struct call *c)
{
	struct network_config *n;

	if (call_take_network(c, &n))
		c->s->ops->network(c->s->kernel, c->r, c->id, n); /* consumes n */
}

static void call_dialer(struct call *c)
{
	size_t count = c->fd_count;

	if (count != 1 && count != 2)
		return call_invalid(c, "its descriptors");
	c->fd_count = 0;
	c->s->ops->dialer(c->s->kernel, c->r, c->id, c->fds[0], count > 1 ? c->fds[1] : -1); /* consumes them */
}

static void call_signal(struct call *c)
{
	long long sig = call_int(c, "signal"), pid = call_int(c, "pid");

	if (sig < 0 || sig > 64 || pid < 0 || pid > INT32_MAX)
		return call_invalid(c, "signal or pid");
	c->s->ops->signal(c->s->kernel, c->r, c->id, (int)pid, (int)sig, call_bool(c, "group"),
			  call_bool(c, "all"));
}

static void call_wait(struct call *c)
{
	long long pid = call_int(c, "pid");

	if (pid < 0 || pid > INT32_MAX)
		return call_invalid(c, "pid");
	c->r->wait_pid = (int)pid;
	c->s->ops->wait(c->s->kernel, c->r, c->id, (int)pid);
}

static void call_ps(struct call *c)
{
	c->s->ops->ps(c->s->kernel, c->r, c->id);
}

static void call_state(struct call *c)
{
	c->s->ops->state(c->s->kernel, c->r, c->id);
}

static void call_pause(struct call *c)
{
	c->s->ops->pause(c->s->kernel, c->r, c->id);
}

static void call_resume(struct call *c)
{
	c->s->ops->resume(c->s->kernel, c->r, c->id);
}

static void call_stats(struct call *c)
{
	c->s->ops->stats(c->s->kernel, c->r, c->id);
}

static void call_resize(struct call *c)
{
	long long pid = call_int(c, "pid"), rows = call_int(c, "rows");
	long long columns = call_int(c, "columns");

	if (pid < 0 || pid > INT32_MAX || rows < 0 || rows > 65535 || columns < 0 || columns > 65535)
		return call_invalid(c, "pid, rows or columns");
	c->s->ops->resize(c->s->kernel, c->r, c->id, (int)pid, (unsigned short)rows,
			  (unsigned short)columns);
}

static void call_update(struct call *c)
{
	long long memory = call_int(c, "memory_limit"), pids = call_int(c, "pids_limit");
	long long cpus = call_int(c, "cpu_count"), quota = call_int(c, "cpu_quota_us");
	long long period = call_int(c, "cpu_period_us");
	struct control_limits l = {
		.memory_limit = (uint64_t)memory, .pids_limit = (uint64_t)pids,
		.cpu_count = (unsigned int)cpus, .cpu_quota_us = (uint64_t)quota,
		.cpu_period_us = (uint64_t)period,
	};

	if (memory < 0 || pids < 0 || cpus < 0 || cpus > 65536 || quota < 0 || period < 0)
		return call_invalid(c, "a limit");
	c->s->ops->update(c->s->kernel, c->r, c->id, &l);
}

static void call_destroy(struct call *c)
{
	c->s->ops->destroy(c->s->kernel, c->r, c->id);
}

static void call_debug(struct call *c)
{
	const char *what = json_string_value(json_object_get(c->msg, "what"));

	if (what == NULL)
		return call_invalid(c, "what");
	c->s->ops->debug(c->s->kernel, c->r, what);
}

#define SLOT(op) offsetof(struct control_ops, op)
static const struct request_kind {
	const char *op;
	void (*call)(struct call *c);
	size_t slot;   /* in struct control_ops, to see whether the kernel has it */
	bool takes_fds;
} kinds[] = {
	{ "create", call_create, SLOT(create), true },
	{ "dialer", call_dialer, SLOT(dialer), true },
	{ "start", call_start, SLOT(start), true },
	{ "network", call_network, SLOT(network), true },
	{ "exec", call_exec, SLOT(exec), true },
	{ "signal", call_signal, SLOT(signal), false },
	{ "wait", call_wait, SLOT(wait), false },
	{ "ps", call_ps, SLOT(ps), false },
	{ "state", call_state, SLOT(state), false },
	{ "pause", call_pause, SLOT(pause), false },
	{ "resume", call_resume, SLOT(resume), false },
	{ "stats", call_stats, SLOT(stats), false },
	{ "resize", call_resize, SLOT(resize), false },
	{ "update", call_update, SLOT(update), false },
	{ "destroy", call_destroy, SLOT(destroy), false },
	{ "debug", call_debug, SLOT(debug), false },
};

static bool kernel_has(const struct control_ops *ops, size_t slot)
{
	void *fn;

	memcpy(&fn, (const char *)ops + slot, sizeof(fn));
	return fn != NULL;
}

static void dispatch(struct call *c)
{
	const char *op = json_string_value(json_object_get(c->msg, "op"));
	const char *id = json_string_value(json_object_get(c->msg, "id"));

	c->id = id ? id : "";
	for (size_t i = 0; op != NULL && i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(op, kinds[i].op) != 0)
			continue;
		log_debug("control: %s %s", op, c->id);
		if (c->fd_count > 0 && !kinds[i].takes_fds)
			return call_invalid(c, "its descriptors");
		if (kernel_has(c->s->ops, kinds[i].slot))
			return kinds[i].call(c);
		call_drop_fds(c);
		control_reply_error(c->r, -ENOSYS, "%s is not implemented in the sandbox yet", op);
		return;
	}
	call_invalid(c, "op");
}

/* ---- connections ---------------------------------------------------------------------------- */

static int conn_add(struct control_server *s, int fd, bool life_line)
{
	struct conn *n;

	if (s->conn_count == MAX_CONNS)
		return -EMFILE;
	n = mem_new(struct conn);
	if (n == NULL)
		return -ENOMEM;
	n->fd = fd;
	n->life_line = life_line;
	s->conns[s->conn_count++] = n;
	return 0;
}

/*
 * kill_on_close: the client that had it made has gone, and nobody else waits for it.  pid 0: all of
 * the container.
 */
static void kill_process(struct control_server *s, const char *id, int pid)
{
	struct control_request *r = s->ops->signal ? mem_new(struct control_request) : NULL;

	if (r == NULL)
		return;
	r->server = s;
	s->ops->signal(s->kernel, r, id, pid, SIGKILL, false, pid == 0);
}

static void request_free(struct control_request *r)
{
	json_decref(r->reply);
	mem_free(r->exec_id);
	mem_free(r->create_id);
	mem_free(r);
}

static void conn_remove(struct control_server *s, size_t i)
{
	struct conn *n = s->conns[i];

	if (n->life_line) {
		log_info("control: the monitor has gone; so does the sandbox");
		host_exit_group(0);
	}
	if (n->request != NULL)
		n->request->conn = NULL;
	if (n->exec_pid != 0)
		kill_process(s, n->exec_id, n->exec_pid);
	if (n->container != NULL)
		kill_process(s, n->container, 0);
	mem_free(n->container);
	host_close(n->fd);
	mem_free(n->exec_id);
	mem_free(n);
	s->conns[i] = s->conns[--s->conn_count];
}

/* One request; false when the connection is to be closed. */
static bool conn_read(struct control_server *s, struct conn *n)
{
	int fds[CONTROL_MAX_FDS];
	struct call c = { .s = s, .fds = fds };
	int err;

	err = control_recv(n->fd, &c.msg, fds, CONTROL_MAX_FDS, &c.fd_count, READ_TIMEOUT_MS);
	if (err < 0)
		return false;
	c.r = mem_new(struct control_request);
	if (c.r == NULL) {
		call_drop_fds(&c);
		json_decref(c.msg);
		return false;
	}
	c.r->server = s;
	c.r->conn = n;
	n->request = c.r;
	dispatch(&c);
	json_decref(c.msg);
	return true;
}

static void conn_accept(struct control_server *s)
{
	int fd = host_accept4(s->listen_fd, NULL, NULL, 0);

	if (fd >= 0 && conn_add(s, fd, false) < 0)
		host_close(fd);
}

static size_t conn_index(struct control_server *s, struct conn *n)
{
	size_t i = 0;

	while (s->conns[i] != n)
		i++;
	return i;
}

/* Keep in mind, or forget, the process that ends with a connection (n may be gone). */
static void follow_exec(struct control_server *s, struct conn *n, struct control_request *r)
{
	int pid = (int)json_integer_value(json_object_get(r->reply, "pid"));

	if (r->exec_id != NULL && pid != 0 && n == NULL) {
		kill_process(s, r->exec_id, pid);
	} else if (r->exec_id != NULL && pid != 0) {
		mem_free(n->exec_id);
		n->exec_id = r->exec_id;
		n->exec_pid = pid;
		r->exec_id = NULL;
	} else if (n != NULL && r->wait_pid != 0 && r->wait_pid == n->exec_pid) {
		n->exec_pid = 0;
	}
}

/* The same for a container. */
static void follow_create(struct control_server *s, struct conn *n, struct control_request *r)
{
	if (r->create_id == NULL || !json_is_true(json_object_get(r->reply, "ok")))
		return;
	if (n == NULL) {
		kill_process(s, r->create_id, 0);
		return;
	}
	mem_free(n->container);
	n->container = r->create_id;
	r->create_id = NULL;
}

/* Send what the ops have finished. */
static void send_done(struct control_server *s)
{
	struct list done = LIST_INIT(done);
	struct list *node;
	uint64_t count;

	host_read(s->wake_fd, &count, sizeof(count));
	latch_lock(&s->latch);
	list_splice(&done, &s->done);
	latch_unlock(&s->latch);
	while ((node = list_shift(&done)) != NULL) {
		struct control_request *r = list_entry(node, struct control_request, node);
		struct conn *n = r->conn;

		follow_exec(s, n, r);
		follow_create(s, n, r);
		if (n != NULL) {
			n->request = NULL;
			if (r->reply == NULL || control_send(n->fd, r->reply, NULL, 0) < 0)
				conn_remove(s, conn_index(s, n));
		}
		request_free(r);
	}
}

static void serve_once(struct control_server *s)
{
	struct pollfd p[MAX_CONNS + 2];
	struct conn *conns[MAX_CONNS];
	size_t count = s->conn_count;

	p[0] = (struct pollfd){ .fd = s->wake_fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = s->listen_fd, .events = POLLIN };
	if (s->conn_count == MAX_CONNS)
		p[1].fd = -1;
	for (size_t i = 0; i < count; i++) {
		conns[i] = s->conns[i];
		p[2 + i] = (struct pollfd){ .fd = conns[i]->fd,
					    .events = conns[i]->request ? 0 : POLLIN };
	}
	if (host_ppoll(p, (unsigned int)count + 2, NULL) <= 0)
		return;
	for (size_t i = 0; i < count; i++) {
		struct conn *n = conns[i];
		bool keep = true;

		if (n->request == NULL && (p[2 + i].revents & POLLIN))
			keep = conn_read(s, n);
		else if (p[2 + i].revents & (POLLHUP | POLLERR | POLLNVAL))
			keep = false;
		if (!keep)
			conn_remove(s, conn_index(s, n));
	}
	if (p[1].revents & POLLIN)
		conn_accept(s);
	if (p[0].revents & POLLIN)
		send_done(s);
}

static void *control_thread(void *arg)
{
	for (;;)
		serve_once(arg);
	return NULL;
}

int control_server_start(const struct control_ops *ops, void *kernel, int control_fd, int listen_fd,
			 struct control_server **out)
{
	struct control_server *s = mem_new(struct control_server);
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int err;

	if (s == NULL)
		return -ENOMEM;
	s->ops = ops;
	s->kernel = kernel;
	s->listen_fd = listen_fd;
	latch_init(&s->latch);
	list_init(&s->done);
	s->wake_fd = host_eventfd(0, EFD_NONBLOCK);
	err = s->wake_fd < 0 ? s->wake_fd : 0;
	if (err == 0)
		err = conn_add(s, control_fd, true);
	if (err < 0)
		goto free_server;
	/* Signals are the workers' business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	err = -pthread_create(&thread, &attr, control_thread, s);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err < 0)
		goto free_conn;
	pthread_detach(thread);
	*out = s;
	return 0;

free_conn:
	mem_free(s->conns[0]);
free_server:
	host_close_fd(&s->wake_fd);
	mem_free(s);
	return err;
}
