/* SPDX-License-Identifier: Apache-2.0 */
/* test_control.c: the control protocol: what is sent arrives, what is malformed does no harm. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"
#include "sentry/control/control.h"

static char root_path[] = "/";
static char *strings[] = { (char[]){ "a" }, (char[]){ "b=c" }, NULL };

static struct process_config sample_process(void)
{
	return (struct process_config){
		.args = strings, .env = strings, .cwd = root_path, .uid = 4294967294u, .umask = 022,
		.cap_bounding = UINT64_MAX, .terminal = true, .rows = 65535,
		.oom_score_adj = -1000,
	};
}

static void a_process_survives_the_wire(void **state)
{
	struct process_config p = sample_process(), *q;
	json_t *o = control_encode_exec("id", &p);
	int fds[3] = { 100, 101, 102 };
	const char *why;

	(void)state;
	assert_int_equal(control_decode_process(json_object_get(o, "process"), fds, 3, &q, &why), 0);
	assert_string_equal(q->args[0], "a");
	assert_null(q->args[2]);
	assert_int_equal(q->uid, 4294967294u);
	assert_true(q->cap_bounding == UINT64_MAX);
	assert_int_equal(q->oom_score_adj, -1000);
	assert_int_equal(q->rows, 65535);
	assert_true(q->terminal);
	assert_int_equal(q->fds[2], 102);
	q->fd_count = 0;
	process_config_free(q);
	json_decref(o);
}

static void each_missing_or_wrong_member_is_named(void **state)
{
	struct process_config p = sample_process(), *q = NULL;
	json_t *o = control_encode_exec("id", &p), *good = json_object_get(o, "process"), *v;
	int fds[3] = { -1, -1, -1 };
	const char *name, *why;

	(void)state;
	json_object_foreach(good, name, v) {
		json_t *bad = json_copy(good);

		json_object_del(bad, name);
		assert_int_equal(control_decode_process(bad, fds, 3, &q, &why), -EINVAL);
		assert_string_equal(why, name);
		json_object_set_new(bad, name, json_real(1.5));
		assert_int_equal(control_decode_process(bad, fds, 3, &q, &why), -EINVAL);
		assert_string_equal(why, name);
		json_decref(bad);
	}
	assert_int_equal(control_decode_process(good, fds, 2, &q, &why), -EINVAL);
	assert_null(q);
	json_decref(o);
}

static void running_out_of_memory_is_an_error(void **state)
{
	struct process_config p = sample_process(), *q = NULL;
	json_t *o = control_encode_exec("id", &p);
	int fds[3] = { -1, -1, -1 }, err = -ENOMEM;
	const char *why;

	(void)state;
	for (size_t n = 0; err == -ENOMEM; n++) {
		mem_fail_after(n);
		err = control_decode_process(json_object_get(o, "process"), fds, 3, &q, &why);
		mem_fail_after(SIZE_MAX);
	}
	assert_int_equal(err, 0);
	process_config_free(q);
	json_decref(o);
}

static void messages_carry_descriptors(void **state)
{
	json_t *o = json_pack("{s:s}", "op", "x"), *r = NULL;
	int pair[2], pipe_fds[2], got[4];
	size_t count;
	char c = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(control_send(pair[0], o, pipe_fds, 2), 0);
	assert_int_equal(control_recv(pair[1], &r, got, 4, &count, 1000), 0);
	assert_int_equal(count, 2);
	assert_int_equal(write(got[1], "!", 1), 1);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	assert_int_equal(c, '!');
	assert_true(json_equal(o, r));
	json_decref(r);
	/* More than the receiver wants. */
	assert_int_equal(control_send(pair[0], o, pipe_fds, 2), 0);
	assert_int_equal(control_recv(pair[1], &r, got, 1, &count, 1000), -EPROTO);
	json_decref(o);
	close(got[0]);
	close(got[1]);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	close(pair[0]);
	close(pair[1]);
}

static void malformed_messages_are_refused(void **state)
{
	static const struct {
		struct control_header h;
		const char *text;
		int err;
	} rows[] = {
		{ { 0, 2, 0, 0 }, "{}", -EPROTO },
		{ { CONTROL_MAGIC, 2, 1, 0 }, "{}", -EPROTO },
		{ { CONTROL_MAGIC, 2, 0, 7 }, "{}", -EPROTO },
		{ { CONTROL_MAGIC, CONTROL_MAX_SIZE + 1, 0, 0 }, "{}", -EPROTO },
		{ { CONTROL_MAGIC, 2, 0, 0 }, "[]", -EPROTO },
		{ { CONTROL_MAGIC, 2, 0, 0 }, "{,", -EPROTO },
		{ { CONTROL_MAGIC, 0, 0, 0 }, "", -EPROTO },
		{ { CONTROL_MAGIC, 3, 0, 0 }, "{}", -EPIPE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *r = NULL;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		assert_int_equal(write(pair[0], &rows[i].h, sizeof(rows[i].h)), sizeof(rows[i].h));
		assert_int_equal(write(pair[0], rows[i].text, strlen(rows[i].text)),
				 strlen(rows[i].text));
		close(pair[0]);
		assert_int_equal(control_recv(pair[1], &r, NULL, 0, NULL, 1000), rows[i].err);
		assert_null(r);
		close(pair[1]);
	}
}

static void silence_times_out(void **state)
{
	json_t *r = NULL;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(control_recv(pair[1], &r, NULL, 0, NULL, 20), -ETIMEDOUT);
	close(pair[0]);
	assert_int_equal(control_recv(pair[1], &r, NULL, 0, NULL, 20), -EPIPE);
	close(pair[1]);
}

UNIT_MAIN(UNIT(a_process_survives_the_wire), UNIT(each_missing_or_wrong_member_is_named),
	  UNIT(running_out_of_memory_is_an_error), UNIT(messages_carry_descriptors),
	  UNIT(malformed_messages_are_refused), UNIT(silence_times_out))
