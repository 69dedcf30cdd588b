/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture.h: a Gofer in a process of its own over a fresh directory, and short forms for requests.
 *
 * Attachment 0: the directory, everything allowed.  1: the same, read-only.  2: the file "bound".
 * 3: the directory with no permission for sockets and devices.  4: as 3, and binds reach the host.
 */
#pragma once

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gofer/gofer.h"
#include "gofer/transport.h"
#include "platform/host.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTER_OFF GOFER_NO_FILTER /* a sanitizer's runtime makes calls of its own */
#else
#define FILTER_OFF 0
#endif

#define MAYBE_UNUSED __attribute__((unused))

struct fixture {
	char dir[64];
	int dir_fd;
	pid_t pid;
	struct gofer_transport t;
	uint32_t tag;
	int fd;                      /* the descriptor that came with the last reply, or -1 */
	uint32_t size;               /* of the last reply's body */
	_Alignas(8) char reply[GOFER_MSG_MAX];
	_Alignas(8) char msg[GOFER_MSG_MAX + 64];
	uint32_t msg_size;
};

enum { RW, RO, BOUND, PLAIN, SHARED, ATTACHMENTS };

static MAYBE_UNUSED _Noreturn void serve_in_child(struct fixture *fx, int conn, uint32_t flags)
{
	int dir = open(fx->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int bound = openat(dir, "bound", O_PATH | O_CLOEXEC);
	struct gofer_attachment at[ATTACHMENTS] = {
		[RW] = { dir, GOFER_ATTACH_CONNECT | GOFER_ATTACH_BIND | GOFER_ATTACH_DEVICES },
		[RO] = { dir, GOFER_ATTACH_RDONLY },
		[BOUND] = { bound, 0 },
		[PLAIN] = { dir, 0 },
		[SHARED] = { dir, GOFER_ATTACH_MOUNT },
	};
	struct gofer_config c = {
		.conn_fd = conn,
		.proc_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.log_fd = 2,
		.attachments = at,
		.attachment_count = ATTACHMENTS,
		.flags = flags,
	};
	int status = gofer_main(&c);

	/* 200: closed; 201: malformed; 202: something else. */
	_exit(status >= 0 ? status : status == -EPIPE ? 200 : status == -EPROTO ? 201 : 202);
}

static MAYBE_UNUSED void fixture_start(struct fixture *fx)
{
	int fds[2];

	fx->fd = -1;
	assert_int_equal(host_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	fx->pid = fork();
	if (fx->pid == 0) {
		close(fds[0]);
		serve_in_child(fx, fds[1], FILTER_OFF);
	}
	close(fds[1]);
	fx->t.fd = fds[0];
}

/* Ends the server; how it ended (see serve_in_child), or 1000 + the signal. */
static MAYBE_UNUSED int fixture_end(struct fixture *fx)
{
	int status = 0;

	host_close_fd(&fx->t.fd);
	host_close_fd(&fx->fd);
	/* After a failed test somebody may still hold the connection. */
	for (int i = 0; i < 6000 && waitpid(fx->pid, &status, WNOHANG) == 0; i++) {
		struct timespec ms = { .tv_nsec = 10000000 };

		nanosleep(&ms, NULL);
		if (i == 5999) {
			kill(fx->pid, SIGKILL);
			assert_int_equal(waitpid(fx->pid, &status, 0), fx->pid);
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- requests ------------------------------------------------------------------------------ */

static MAYBE_UNUSED void msg_start(struct fixture *fx, uint16_t type, const void *body, size_t size)
{
	struct gofer_hdr h = { .type = type, .tag = ++fx->tag };

	memcpy(fx->msg, &h, sizeof(h));
	memcpy(fx->msg + sizeof(h), body, size);
	fx->msg_size = (uint32_t)(sizeof(h) + size);
}

static MAYBE_UNUSED void msg_add(struct fixture *fx, const void *p, size_t size)
{
	memcpy(fx->msg + fx->msg_size, p, size);
	fx->msg_size += (uint32_t)size;
}

static MAYBE_UNUSED void msg_send_raw(struct fixture *fx)
{
	struct iovec piece = { fx->msg, fx->msg_size };

	assert_int_equal(gofer_transport_send(&fx->t, &piece, 1, -1), 0);
}

static MAYBE_UNUSED void msg_send(struct fixture *fx)
{
	memcpy(fx->msg, &fx->msg_size, sizeof(fx->msg_size));
	msg_send_raw(fx);
}

/* The reply's error (-EPIPE: the server went away); its body is in fx->reply, size in fx->size. */
static MAYBE_UNUSED int msg_reply(struct fixture *fx)
{
	struct gofer_hdr *h = (void *)fx->reply;
	ssize_t n;

	host_close_fd(&fx->fd);
	n = gofer_transport_recv(&fx->t, fx->reply, sizeof(fx->reply), &fx->fd);
	if (n <= 0)
		return -EPIPE;
	assert_true(n >= (ssize_t)sizeof(*h));
	assert_int_equal(h->size, n);
	assert_int_equal(h->tag, fx->tag);
	fx->size = h->size - (uint32_t)sizeof(*h);
	if (h->error != 0) {
		assert_int_equal(fx->size, 0);
		assert_int_equal(fx->fd, -1);
		return h->error;
	}
	memmove(fx->reply, fx->reply + sizeof(*h), fx->size);
	return 0;
}

static MAYBE_UNUSED int call(struct fixture *fx, uint16_t type, const void *body, size_t size)
{
	msg_start(fx, type, body, size);
	msg_send(fx);
	return msg_reply(fx);
}

static MAYBE_UNUSED int call_rest(struct fixture *fx, uint16_t type, const void *body, size_t size,
				  const void *rest, size_t rest_size)
{
	msg_start(fx, type, body, size);
	msg_add(fx, rest, rest_size);
	msg_send(fx);
	return msg_reply(fx);
}

#define CALL(fx, type, ...)              call(fx, type, &(__VA_ARGS__), sizeof(__VA_ARGS__))
#define CALL_NAME(fx, type, name, ...) \
	call_rest(fx, type, &(__VA_ARGS__), sizeof(__VA_ARGS__), name, strlen(name))

static MAYBE_UNUSED const struct gofer_attr *reply_attr(struct fixture *fx)
{
	assert_int_equal(fx->size, sizeof(struct gofer_attr_reply));
	return (const void *)fx->reply;
}

/* Of what makes a name in a directory: the object's attributes, then what became of the directory's times. */
static MAYBE_UNUSED const struct gofer_attr *made_attr(struct fixture *fx)
{
	assert_int_equal(fx->size, sizeof(struct gofer_attr_reply) + sizeof(struct gofer_change));
	return (const void *)fx->reply;
}

/* The change at the reply's byte at: the times after it are dir's now, those before it others. */
static MAYBE_UNUSED void assert_change(struct fixture *fx, size_t at, const char *dir)
{
	struct gofer_change c;
	struct stat st;

	assert_true(at + sizeof(c) <= fx->size);
	memcpy(&c, fx->reply + at, sizeof(c));
	assert_int_equal(fstatat(fx->dir_fd, dir, &st, 0), 0);
	assert_int_equal(c.after_mtime_sec, st.st_mtim.tv_sec);
	assert_int_equal(c.after_mtime_nsec, st.st_mtim.tv_nsec);
	assert_int_equal(c.after_ctime_sec, st.st_ctim.tv_sec);
	assert_int_equal(c.after_ctime_nsec, st.st_ctim.tv_nsec);
	assert_true(c.before_ctime_sec > 0 && c.before_mtime_sec > 0);
	assert_true(c.before_ctime_sec < c.after_ctime_sec ||
		    (c.before_ctime_sec == c.after_ctime_sec && c.before_ctime_nsec <= c.after_ctime_nsec));
}

static MAYBE_UNUSED int do_version(struct fixture *fx)
{
	struct gofer_version v = { GOFER_MAGIC, GOFER_VERSION, GOFER_MSG_MAX, 0 };

	return CALL(fx, GOFER_REQ_VERSION, v);
}

static MAYBE_UNUSED int do_attach(struct fixture *fx, uint32_t index, uint32_t fid)
{
	struct gofer_attach q = { index, fid };

	return CALL(fx, GOFER_REQ_ATTACH, q);
}

/*
 * Walk path's components from fid `from`; they get fids to, to+1, … (GOFER_NOFID: none).  The
 * request's error; the reply has the rest.
 */
static MAYBE_UNUSED int do_walk_open(struct fixture *fx, uint32_t from, const char *path, uint32_t to,
				     enum gofer_walk_open open)
{
	struct gofer_walk q = { .fid = from, .open = open };
	const char *p = path;

	msg_start(fx, GOFER_REQ_WALK, &q, sizeof(q));
	while (*p) {
		size_t len = strcspn(p, "/");
		struct gofer_walk_name n = { to, GOFER_NOFID, (uint32_t)len };

		if (to != GOFER_NOFID)
			to++;
		msg_add(fx, &n, sizeof(n));
		msg_add(fx, p, len);
		q.count++;
		p += len + (p[len] == '/');
	}
	memcpy(fx->msg + sizeof(struct gofer_hdr), &q, sizeof(q));
	msg_send(fx);
	return msg_reply(fx);
}

static MAYBE_UNUSED int do_walk(struct fixture *fx, uint32_t from, const char *path, uint32_t to)
{
	return do_walk_open(fx, from, path, to, GOFER_WALK_LOOK);
}

static MAYBE_UNUSED const struct gofer_walk_reply *walk_reply(struct fixture *fx)
{
	return (const void *)fx->reply;
}

/* Entry number i of a walk's reply; *link is its text, not terminated. */
static MAYBE_UNUSED const struct gofer_walk_entry *walk_entry(struct fixture *fx, uint32_t i,
							      const char **link)
{
	const char *p = fx->reply + sizeof(struct gofer_walk_reply);
	const struct gofer_walk_entry *e;

	assert_true(i < walk_reply(fx)->reached);
	for (;;) {
		e = (const void *)p;
		p += sizeof(*e);
		if (i-- == 0)
			break;
		p += ALIGN_UP(e->link_size, 8);
	}
	if (link)
		*link = p;
	return e;
}

static MAYBE_UNUSED void do_clunk(struct fixture *fx, uint32_t fid)
{
	struct gofer_clunk q = { 1, 0 };

	msg_start(fx, GOFER_REQ_CLUNK, &q, sizeof(q));
	msg_add(fx, &fid, sizeof(fid));
	msg_send(fx);
}

static MAYBE_UNUSED int do_make(struct fixture *fx, uint16_t type, struct gofer_make m, const char *name)
{
	m.name_size = (uint32_t)strlen(name);
	return CALL_NAME(fx, type, name, m);
}

static MAYBE_UNUSED int do_getattr(struct fixture *fx, uint32_t fid)
{
	struct gofer_fid q = { fid, 0 };

	return CALL(fx, GOFER_REQ_GETATTR, q);
}

/* ---- the directory on the host ------------------------------------------------------------- */

static MAYBE_UNUSED void host_file(struct fixture *fx, const char *name, const char *text)
{
	int fd = openat(fx->dir_fd, name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static MAYBE_UNUSED struct stat host_stat(struct fixture *fx, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(fx->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static MAYBE_UNUSED bool host_has(struct fixture *fx, const char *name)
{
	return faccessat(fx->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Server running, version agreed, attachment 0 at fid 0. */
static MAYBE_UNUSED int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	strcpy(fx->dir, "/tmp/test_gofer.XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	assert_int_equal(chmod(fx->dir, 0755), 0);
	fx->dir_fd = open(fx->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	host_file(fx, "bound", "bound\n");
	fixture_start(fx);
	assert_int_equal(do_version(fx), 0);
	assert_int_equal(do_attach(fx, RW, 0), 0);
	*state = fx;
	return 0;
}

static MAYBE_UNUSED void remove_dir(struct fixture *fx)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-r", "--one-file-system", fx->dir, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static MAYBE_UNUSED int teardown(void **state)
{
	struct fixture *fx = *state;

	if (fx->t.fd >= 0)
		assert_int_equal(fixture_end(fx), 200);
	close(fx->dir_fd);
	remove_dir(fx);
	free(fx);
	return 0;
}

#define GOFER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
