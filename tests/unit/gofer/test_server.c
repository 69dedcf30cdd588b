/* SPDX-License-Identifier: Apache-2.0 */
/* test_server.c: the connection: states, malformed requests, fids, the filter, the end. */
#include "tests/unit/gofer/fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "gofer/gofer_impl.h"
#include "platform/host_filter.h"

/* The message as it stands in fx ends the connection. */
static void expect_end(struct fixture *fx)
{
	msg_send_raw(fx);
	assert_int_equal(msg_reply(fx), -EPIPE);
	assert_int_equal(fixture_end(fx), 201);
	fixture_start(fx);
	assert_int_equal(do_version(fx), 0);
	assert_int_equal(do_attach(fx, RW, 0), 0);
}

static void set_size(struct fixture *fx, uint32_t size)
{
	memcpy(fx->msg, &size, sizeof(size));
}

static void sizes_that_do_not_add_up_end_the_connection(void **state)
{
	struct fixture *fx = *state;
	struct gofer_fid q = { 0, 0 };
	struct gofer_make m = { .dir = 0, .fid = 1, .mode = 0755, .name_size = 2 };

	msg_start(fx, GOFER_REQ_GETATTR, &q, sizeof(q));
	set_size(fx, fx->msg_size - 1);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_GETATTR, &q, sizeof(q) - 1);
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_GETATTR, &q, sizeof(q));
	msg_add(fx, "x", 1);
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_MKDIR, &m, sizeof(m));
	msg_add(fx, "x", 1);
	set_size(fx, fx->msg_size);
	expect_end(fx);
	m.name_size = 0x80000000u; /* 2^31 + 2^31 wraps around in 32 bits */
	m.text_size = 0x80000001u;
	msg_start(fx, GOFER_REQ_SYMLINK, &m, sizeof(m));
	msg_add(fx, "x", 1);
	set_size(fx, fx->msg_size);
	expect_end(fx);
	fx->msg_size = 3;
	expect_end(fx);
}

static void wrong_fields_end_the_connection(void **state)
{
	struct fixture *fx = *state;
	struct gofer_fid q = { 0, 1 };
	struct gofer_hdr *h = (void *)fx->msg;
	struct gofer_open o = { 0, O_RDWR | O_CREAT };
	struct gofer_setattr sa = { .fid = 0, .mask = 1 << 20 };
	struct gofer_clunk cl = { GOFER_CLUNK_MAX + 1, 0 };
	struct gofer_getattrs ga = { 1, 0 };
	struct gofer_readdir rd = { .fid = 0, .max_size = GOFER_MSG_MAX + 1 };
	struct gofer_walk w = { .count = 0 };
	struct gofer_version v = { GOFER_MAGIC, GOFER_VERSION, GOFER_MSG_MAX, 0 };
	struct gofer_ring_setup ring = { GOFER_RING_MEMORY, 0 };

	msg_start(fx, GOFER_REQ_GETATTR, &q, sizeof(q)); /* reserved */
	set_size(fx, fx->msg_size);
	expect_end(fx);
	q.reserved = 0;
	msg_start(fx, GOFER_TYPE_COUNT, &q, sizeof(q));
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_NONE, &q, sizeof(q));
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_GETATTR, &q, sizeof(q));
	set_size(fx, fx->msg_size);
	h->flags = 1;
	expect_end(fx);
	msg_start(fx, GOFER_REQ_OPEN, &o, sizeof(o));
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_SETATTR, &sa, sizeof(sa));
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_CLUNK, &cl, sizeof(cl));
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_GETATTRS, &ga, sizeof(ga)); /* fewer fids than it says */
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_READDIR, &rd, sizeof(rd));
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_WALK, &w, sizeof(w));
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_RING, &ring, sizeof(ring)); /* without a descriptor */
	set_size(fx, fx->msg_size);
	expect_end(fx);
	msg_start(fx, GOFER_REQ_VERSION, &v, sizeof(v)); /* a second time */
	set_size(fx, fx->msg_size);
	expect_end(fx);
}

static void a_walk_is_checked_before_it_acts(void **state)
{
	struct fixture *fx = *state;
	struct gofer_walk q = { .count = 2 };
	struct gofer_walk_name n = { 1, GOFER_NOFID, 5 };

	msg_start(fx, GOFER_REQ_WALK, &q, sizeof(q));
	msg_add(fx, &n, sizeof(n));
	msg_add(fx, "bound", 5);
	n.size = 0xffffffffu;
	msg_add(fx, &n, sizeof(n));
	msg_add(fx, "x", 1);
	set_size(fx, fx->msg_size);
	expect_end(fx);
	q = (struct gofer_walk){ .count = 1, .open = GOFER_WALK_READ_WRITE + 1 };
	n.size = 5;
	msg_start(fx, GOFER_REQ_WALK, &q, sizeof(q));
	msg_add(fx, &n, sizeof(n));
	msg_add(fx, "bound", 5);
	set_size(fx, fx->msg_size);
	expect_end(fx);
}

static void nothing_is_allowed_before_version(void **state)
{
	struct fixture *fx = *state;
	struct gofer_version v = { GOFER_MAGIC, 0, GOFER_MSG_MAX, 0 };
	struct gofer_attach at = { 0, 0 };

	assert_int_equal(fixture_end(fx), 200);
	fixture_start(fx);
	assert_int_equal(CALL(fx, GOFER_REQ_ATTACH, at), -EPIPE);
	assert_int_equal(fixture_end(fx), 201);
	fixture_start(fx);
	assert_int_equal(CALL(fx, GOFER_REQ_VERSION, v), -EPIPE); /* older than any we speak */
	assert_int_equal(fixture_end(fx), 201);
	fixture_start(fx);
	v.version = 7; /* newer: the answer says what we speak */
	assert_int_equal(CALL(fx, GOFER_REQ_VERSION, v), 0);
	assert_int_equal(((const struct gofer_version *)(const void *)fx->reply)->version,
			 GOFER_VERSION);
	assert_int_equal(((const struct gofer_version *)(const void *)fx->reply)->attach_count,
			 ATTACHMENTS);
}

static void fids_are_bound_once_and_forgotten_when_clunked(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(do_getattr(fx, 3), -EBADF);
	assert_int_equal(do_walk(fx, 0, "bound", 3), 0);
	assert_int_equal(do_getattr(fx, 3), 0);
	assert_int_equal(do_walk(fx, 0, "bound", 3), 0);
	assert_int_equal(walk_reply(fx)->reached, 0);
	assert_int_equal(walk_reply(fx)->error, -EEXIST);
	do_clunk(fx, 3);
	assert_int_equal(do_getattr(fx, 3), -EBADF);
	do_clunk(fx, 3); /* unknown ones are passed over */
	do_clunk(fx, 0xfffffff0u);
	assert_int_equal(do_walk(fx, 0, "bound", 3), 0);
	assert_int_equal(walk_reply(fx)->reached, 1);
	assert_int_equal(do_walk(fx, 0, "bound", GOFER_FID_MAX), 0);
	assert_int_equal(walk_reply(fx)->error, -EBADF);
	assert_int_equal(do_walk(fx, 0, "bound", GOFER_FID_MAX - 1), 0);
	assert_int_equal(walk_reply(fx)->error, 0);
	assert_int_equal(do_walk(fx, 99, "bound", 4), -EBADF);
}

static void descriptors_do_not_leak(void **state)
{
	struct fixture *fx = *state;
	struct gofer_open o = { 1, O_RDONLY };
	struct gofer_readdir rd = { .fid = 0, .max_size = 4096 };
	char path[64];
	int before, after;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd", fx->pid);
	assert_int_equal(do_walk(fx, 0, "bound", 1), 0);
	before = (int)host_stat(fx, "bound").st_size;
	for (int round = 0; round < 2; round++) {
		char target[256];
		int count = 0;

		for (int fd = 0; fd < 256; fd++) {
			char name[96];

			snprintf(name, sizeof(name), "%s/%d", path, fd);
			n = readlink(name, target, sizeof(target));
			count += n > 0;
		}
		if (round == 0)
			before = count;
		after = count;
		for (int i = 0; i < 20 && round == 0; i++) {
			assert_int_equal(CALL(fx, GOFER_REQ_OPEN, o), 0);
			assert_int_equal(CALL(fx, GOFER_REQ_READDIR, rd), 0);
			assert_int_equal(do_walk(fx, 0, "bound/x", GOFER_NOFID), 0);
			assert_int_equal(do_walk(fx, 0, "bound", 5), 0);
			do_clunk(fx, 5);
			assert_int_equal(do_getattr(fx, 5), -EBADF);
		}
	}
	assert_int_equal(after, before);
}

static void running_out_of_descriptors_is_an_error_not_an_end(void **state)
{
	struct fixture *fx = *state;
	struct rlimit old, low = { 40, 40 };
	int error = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(prlimit(fx->pid, RLIMIT_NOFILE, &low, NULL), 0);
	for (uint32_t fid = 1; fid < 64 && error == 0; fid++) {
		assert_int_equal(do_walk(fx, 0, "bound", fid), 0);
		error = walk_reply(fx)->error;
	}
	assert_int_equal(error, -EMFILE);
	do_clunk(fx, 1);
	assert_int_equal(do_walk(fx, 0, "bound", 70), 0);
	assert_int_equal(walk_reply(fx)->error, 0);
}

static void what_there_is_no_descriptor_for_is_not_made(void **state)
{
	struct fixture *fx = *state;
	struct gofer_make m = { .dir = 0, .fid = 100, .mode = 0755 };
	struct rlimit old, low = { 40, 40 };
	int error = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(prlimit(fx->pid, RLIMIT_NOFILE, &low, NULL), 0);
	for (uint32_t fid = 1; fid < 64 && error == 0; fid++) {
		assert_int_equal(do_walk(fx, 0, "bound", fid), 0);
		error = walk_reply(fx)->error;
	}
	assert_int_equal(do_make(fx, GOFER_REQ_MKDIR, m, "d"), -EMFILE);
	assert_false(host_has(fx, "d"));
	do_clunk(fx, 1);
	assert_int_equal(do_make(fx, GOFER_REQ_MKDIR, m, "d"), 0);
	/* Room for the socket alone. */
	do_clunk(fx, 2);
	m = (struct gofer_make){ .dir = 0, .fid = 101, .flags = SOCK_STREAM, .mode = 0600 };
	assert_int_equal(do_make(fx, GOFER_REQ_BIND, m, "s"), -EMFILE);
	assert_false(host_has(fx, "s"));
}

static void the_end_carries_the_status(void **state)
{
	struct fixture *fx = *state;
	struct gofer_end q = { 42, 0 };

	msg_start(fx, GOFER_REQ_END, &q, sizeof(q));
	msg_send(fx);
	assert_int_equal(fixture_end(fx), 42);
}

static void requests_may_be_sent_ahead(void **state)
{
	struct fixture *fx = *state;
	struct gofer_fid q = { 0, 0 };

	for (int i = 0; i < 50; i++) {
		msg_start(fx, GOFER_REQ_GETATTR, &q, sizeof(q));
		msg_send(fx);
	}
	fx->tag -= 50;
	for (int i = 0; i < 50; i++) {
		fx->tag++;
		assert_int_equal(msg_reply(fx), 0);
	}
}

static void the_filter_has_at_most_45_calls(void **state)
{
	static const struct host_rule rules[] = {
#include "platform/host_gofer.tbl"
	};
	size_t calls = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		bool seen = false;

		for (size_t k = 0; k < i; k++)
			seen = seen || rules[k].nr == rules[i].nr;
		calls += !seen;
	}
	assert_in_range(calls, 1, 45);
}

static int filtered(long nr, long a, long b, long c)
{
	struct gofer_config config = { .log_fd = -1 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSYS, SIG_DFL); /* cmocka has a handler */
		if (gofer_drop_caps() < 0 || gofer_filter_load(&config) < 0)
			_exit(99);
		(void)syscall(nr, a, b, c);
		host_exit_group(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void the_filter_stops_what_is_not_the_gofers_business(void **state)
{
	(void)state;
	assert_int_equal(filtered(SYS_getpid, 0, 0, 0), 0);
	assert_int_equal(filtered(SYS_socket, AF_UNIX, SOCK_STREAM, 0), 0);
	assert_int_equal(filtered(SYS_socket, AF_INET, SOCK_STREAM, 0), SIGSYS);
	assert_int_equal(filtered(SYS_execve, 0, 0, 0), SIGSYS);
	assert_int_equal(filtered(SYS_openat, AT_FDCWD, (long)"/etc/passwd", O_RDONLY), SIGSYS);
	assert_int_equal(filtered(SYS_kill, 1, 0, 0), SIGSYS);
	assert_int_equal(filtered(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC), SIGSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GOFER_TEST(sizes_that_do_not_add_up_end_the_connection),
		GOFER_TEST(wrong_fields_end_the_connection),
		GOFER_TEST(a_walk_is_checked_before_it_acts),
		GOFER_TEST(nothing_is_allowed_before_version),
		GOFER_TEST(fids_are_bound_once_and_forgotten_when_clunked),
		GOFER_TEST(descriptors_do_not_leak),
		GOFER_TEST(running_out_of_descriptors_is_an_error_not_an_end),
		GOFER_TEST(what_there_is_no_descriptor_for_is_not_made),
		GOFER_TEST(the_end_carries_the_status),
		GOFER_TEST(requests_may_be_sent_ahead),
		cmocka_unit_test(the_filter_has_at_most_45_calls),
		cmocka_unit_test(the_filter_stops_what_is_not_the_gofers_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
