/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h: the control protocol between the CLI and a Sentry: framing, and the Sentry's side.
 *
 * A connection is a Unix stream.  Each message is a struct control_header and a JSON object of
 * header.size bytes; descriptors ride on the header's first byte (SCM_RIGHTS), header.fd_count of
 * them.  The client sends a request, the server one reply, in turn; a client that wants to wait for
 * a process and do something else meanwhile opens a second connection.
 *
 *   request  {"op":"signal","id":"web","signal":15,"all":false}
 *   reply    {"ok":true,…}   or   {"ok":false,"errno":2,"error":"one sentence for the user"}
 *
 * Requests and their members (pids are those that the container sees, unless said):
 *   boot     struct boot_config                            once, first, on SENTRY_FD_CONTROL only
 *   create   struct container_config; descriptors: gofer connection, then process.fds in order
 *            → stubs: host processes made for it that the CLI may have to move into its cgroup, as
 *            numbers in the Sentry's own pid namespace
 *            kill_on_close: its processes get SIGKILL when this connection closes (server.c)
 *   dialer   id; descriptors: a socket on which its monitor connects to Docker's DNS server (resolver.h), or binds
 *            (--network=host); perhaps one on which it listens (doors.h)
 *   network  id → links: the host's numbers of the interfaces that the container has, resolver: Docker's DNS server is known
 *            answered when the container has started; with network (as of start, descriptors of new links only): the host's
 *            side as it is now, of which what has changed since it was last told is done inside
 *   start    id, network: struct network_config or null; descriptors: its links', in order
 *   exec     id, process: struct process_config; descriptors: process.fds  → pid
 *            kill_on_close: the process gets SIGKILL when this connection closes before a "wait" for
 *            it was answered here (done by server.c, with ops->signal)
 *   signal   id, pid (0: init; ignored with all), signal, all, group
 *   wait     id, pid (0: init)                             → status (as wait(2) gives it), at its end
 *   ps       id                                            → processes: see control_reply_ps()
 *   state    id ("" : every container)                     → containers: [{id,status,pid}]
 *   pause, resume   id
 *   stats    id                                            → an object, see control_ops.stats
 *   resize   id, pid, rows, columns                        the process's terminal
 *   update   id, memory_limit, pids_limit, cpu_count, cpu_quota_us, cpu_period_us   0: leave as it is
 *   destroy  id      forget a stopped container (pods; a lone container's Sentry is killed)
 *   debug    what (text)                                   → text
 *
 * The server trusts the CLI's intentions but not its bytes: sizes, types and descriptor counts are
 * checked, an unreadable message ends the connection.
 *
 * Threads: one host thread of its own ("control") polls all connections and calls the ops; replies
 * come from any thread.  Nothing here is called with a Sentry lock held, except control_reply_*(),
 * which only copy, take a leaf latch and write to an eventfd: callable under any lock, never sleep.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/util.h"
#include "sentry/control/boot.h"

#define CONTROL_MAGIC    0x31435352u /* "RSC1" */
#define CONTROL_MAX_SIZE (16u << 20) /* bytes of JSON in one message */
#define CONTROL_MAX_FDS  200         /* below the kernel's SCM_MAX_FD */
#define CONTROL_MAX_FD_NUMBER 1024   /* what a passed descriptor is called inside is below it */

struct control_header {
	uint32_t magic;
	uint32_t size;
	uint32_t fd_count;
	uint32_t reserved; /* 0 */
};
_Static_assert(sizeof(struct control_header) == 16, "wire format");

/* ---- framing, both sides; blocking (wire.c) ------------------------------------------------- */

/* Send msg (borrowed) with descriptors (borrowed).  0 or a negative errno; -EPIPE: peer gone. */
int control_send(int fd, const json_t *msg, const int *fds, size_t fd_count);
/*
 * Receive one message; *msg is the caller's.  Descriptors come close-on-exec, the caller owns them;
 * more than max_fds, and any other breach, is -EPROTO with all of them closed.  -EPIPE at end of
 * file, -ETIMEDOUT when nothing whole has come after timeout_ms (-1: none).
 */
int control_recv(int fd, json_t **msg, int *fds, size_t max_fds, size_t *fd_count, int timeout_ms);

/* ---- the Sentry's side ---------------------------------------------------------------------- */

struct control_request; /* one request that waits for its reply */
struct control_server;

/* One process of a container, for ps. */
struct control_process {
	int pid, ppid;         /* as the container sees them */
	int stub_pid;          /* host process, in the Sentry's own pid namespace; 0: none */
	uid_t uid;
	int64_t start_ns;      /* since the epoch */
	int64_t cpu_ns;
	const char *command;   /* borrowed: copied by the reply */
};

/* update: 0 leaves as it is. */
struct control_limits {
	uint64_t memory_limit, pids_limit;
	unsigned int cpu_count;
	uint64_t cpu_quota_us, cpu_period_us;
};

enum control_status { CONTROL_CREATED, CONTROL_RUNNING, CONTROL_PAUSED, CONTROL_STOPPED };

struct control_container {
	const char *id;
	enum control_status status;
	int pid; /* init, as the container sees it: 1, or another in a shared pid namespace */
};

/*
 * What the Sentry's kernel offers.  Each slot is called on the control thread, without locks.  It
 * takes over req and must end it with exactly one control_reply_*(), at once or later, from any
 * thread; it must not block for long itself (make a fiber for what sleeps).  Strings are borrowed
 * for the call.  kernel is the pointer given to control_server_start().  An empty slot answers
 * ENOSYS.  Error sentences are read by users: what failed, which path or field, what to do.
 */
struct control_ops {
	/*
	 * Make a container: namespaces, mounts, init with its program loaded but not run yet.
	 * Consumes c.  Everything that can fail fails here (ENOENT: args[0] not found in PATH,
	 * EACCES: not executable, …).  EEXIST: the id is in use.
	 */
	void (*create)(void *kernel, struct control_request *req, struct container_config *c);
	/*
	 * fd (consumed) leads to the monitor, which answers each byte with a TCP socket that connects to
	 * 127.0.0.11:53 in the container's network namespace.
	 */
	void (*dialer)(void *kernel, struct control_request *req, const char *id, int fd, int doors);
	/*
	 * Set up the network (n, consumed, may be NULL) and let init run.  ENOENT: no such id;
	 * EALREADY: running; ESRCH: it has stopped.
	 */
	void (*start)(void *kernel, struct control_request *req, const char *id,
		      struct network_config *n);
	/*
	 * n (consumed) NULL: only answer when the container has started.  Ends with control_reply_json(): links,
	 * resolver.  One at a time for a container: -EBUSY; ESRCH: it has stopped.
	 */
	void (*network)(void *kernel, struct control_request *req, const char *id,
			struct network_config *n);
	/* A further process.  Consumes p.  Ends with control_reply_pid(). */
	void (*exec)(void *kernel, struct control_request *req, const char *id,
		     struct process_config *p);
	/*
	 * Signal one process (pid, 0: init), its process group (group), or all of the container.
	 * As from outside the pid namespace: init can be killed.  ESRCH: it has ended.
	 */
	void (*signal)(void *kernel, struct control_request *req, const char *id, int pid, int sig,
		       bool group, bool all);
	/*
	 * Ends with control_reply_status() when the process has ended: init (0) or one made by exec.
	 * The status of an exec'ed process is kept until it was asked for.  ECHILD: no such.
	 */
	void (*wait)(void *kernel, struct control_request *req, const char *id, int pid);
	/* Ends with control_reply_ps(). */
	void (*ps)(void *kernel, struct control_request *req, const char *id);
	/* Ends with control_reply_state().  id "" asks for every container. */
	void (*state)(void *kernel, struct control_request *req, const char *id);
	void (*pause)(void *kernel, struct control_request *req, const char *id);
	void (*resume)(void *kernel, struct control_request *req, const char *id);
	/* Ends with control_reply_json(): {"tasks":n,"cpu_ns":n,…}. */
	void (*stats)(void *kernel, struct control_request *req, const char *id);
	void (*resize)(void *kernel, struct control_request *req, const char *id, int pid,
		       unsigned short rows, unsigned short columns);
	void (*update)(void *kernel, struct control_request *req, const char *id,
		       const struct control_limits *limits);
	void (*destroy)(void *kernel, struct control_request *req, const char *id);
	/* Ends with control_reply_text().  what: "stacks", "mounts", "tasks", …; EINVAL: unknown. */
	void (*debug)(void *kernel, struct control_request *req, const char *what);
};

/*
 * Start serving: the boot connection and the listening socket (both become the server's) on a
 * thread of its own.  Call after the platform is up; before or after the filter is installed with
 * TSYNC.  0 or a negative errno.
 */
int control_server_start(const struct control_ops *ops, void *kernel, int control_fd, int listen_fd,
			 struct control_server **out);

/*
 * The replies: each consumes req.  If the client has gone meanwhile they only free it.  A process or
 * container made by a request whose client has gone stays.
 */
void control_reply_ok(struct control_request *req);
void control_reply_error(struct control_request *req, int error, const char *fmt, ...)
	printf_like(3, 4); /* error: negative errno */
void control_reply_pid(struct control_request *req, int pid);
void control_reply_status(struct control_request *req, int wait_status);
void control_reply_text(struct control_request *req, const char *text, size_t size);
void control_reply_ps(struct control_request *req, const struct control_process *p, size_t count);
void control_reply_state(struct control_request *req, const struct control_container *c,
			 size_t count);
void control_reply_json(struct control_request *req, json_t *members); /* consumes members */

/* ---- encoding, the CLI's side, and decoding (codec.c) --------------------------------------- */

/* New JSON objects with an "op" member, NULL without memory; descriptors are not in them. */
json_t *control_encode_boot(const struct boot_config *b);
json_t *control_encode_create(const struct container_config *c);
json_t *control_encode_exec(const char *id, const struct process_config *p);
json_t *control_encode_start(const char *id, const struct network_config *n); /* n may be NULL */
json_t *control_encode_network(const char *id, const struct network_config *n); /* n may be NULL */

/*
 * The inverse: check and copy.  fds are the message's descriptors, taken over on success (gofer_fd
 * and process.fds).  0, -EINVAL with *why naming the member, or -ENOMEM.
 */
int control_decode_boot(const json_t *msg, struct boot_config **out, const char **why);
int control_decode_create(const json_t *msg, int *fds, size_t fd_count,
			  struct container_config **out, const char **why);
int control_decode_process(const json_t *msg, int *fds, size_t fd_count,
			   struct process_config **out, const char **why);
int control_decode_network(const json_t *msg, const int *fds, size_t fd_count,
			   struct network_config **out, const char **why);
