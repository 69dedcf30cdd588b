/* SPDX-License-Identifier: Apache-2.0 */
/* test_state.c: the state directory survives whatever its users do to it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runsc-c/oci_spec_impl.h"
#include "runsc-c/state.h"

static char root[64];

static int setup(void **state)
{
	(void)state;
	strcpy(root, "/tmp/runsc-c-state.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(root);
}

static struct state *make(const char *id)
{
	struct err e = ERR_INIT;
	struct state *s = NULL;

	assert_int_equal(state_create(root, id, (struct proc_id){ 0 }, &s, &e), 0);
	return s;
}

static void destroy(const char *id)
{
	struct err e = ERR_INIT;
	struct state *s;

	assert_int_equal(state_open_locked(root, id, &s, &e), 0);
	assert_int_equal(state_remove(root, s, &e), 0);
	state_free(s);
}

static void an_id_is_taken_once(void **state)
{
	struct state *s = make("a"), *again;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(state_create(root, "a", (struct proc_id){ 0 }, &again, &e), -EEXIST);
	assert_non_null(strstr(e.text, "container with given ID already exists"));
	state_free(s);
	destroy("a");
}

static void what_is_saved_is_read_again(void **state)
{
	struct state *s = make("a"), *r;
	struct err e = ERR_INIT;

	(void)state;
	s->status = CTR_RUNNING;
	s->monitor = proc_id_of(getpid());
	json_object_set_new(s->annotations, "k", json_string("v"));
	assert_int_equal(state_save(s, &e), 0);
	state_free(s);
	assert_int_equal(state_open(root, "a", &r, &e), 0);
	assert_int_equal(r->monitor.pid, getpid());
	assert_int_equal(state_status(r), CTR_RUNNING);
	assert_string_equal(json_string_value(json_object_get(r->annotations, "k")), "v");
	state_free(r);
	destroy("a");
}

static void a_recycled_pid_is_not_the_container(void **state)
{
	struct state *s = make("a");

	(void)state;
	s->status = CTR_RUNNING;
	s->monitor = proc_id_of(getpid());
	s->monitor.start++;
	assert_int_equal(state_status(s), CTR_STOPPED);
	assert_int_equal(proc_kill(&s->monitor, SIGKILL), -ESRCH);
	assert_true(proc_wait_gone(&s->monitor, 0));
	state_free(s);
	destroy("a");
}

static void a_creator_that_died_leaves_a_stopped_container(void **state)
{
	struct err e = ERR_INIT;
	struct state *s;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		state_create(root, "a", (struct proc_id){ 0 }, &s, &e);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	assert_int_equal(state_open(root, "a", &s, &e), 0);
	assert_int_equal(state_status(s), CTR_STOPPED);
	state_free(s);
	destroy("a");
}

static void a_container_being_made_says_so(void **state)
{
	struct state *s = make("a"), *r;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(state_open(root, "a", &r, &e), 0);
	assert_int_equal(state_status(r), CTR_CREATING);
	state_free(r);
	state_free(s);
	destroy("a");
}

static void a_garbled_file_can_be_deleted(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{\"monitor\":7,\"cgroup\":1}", "{\"id\":" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct err e = ERR_INIT;
		struct state *s = make("a");
		int fd;

		snprintf(path, sizeof(path), "%s/a/state.json", root);
		fd = open(path, O_WRONLY | O_TRUNC);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		close(fd);
		state_free(s);
		assert_int_equal(state_open(root, "a", &s, &e), 0);
		assert_int_equal(state_status(s), CTR_STOPPED);
		state_free(s);
		destroy("a");
	}
}

static void left_over_temporaries_are_swept(void **state)
{
	struct err e = ERR_INIT;
	char path[160], elsewhere[160];
	char **ids;

	(void)state;
	snprintf(path, sizeof(path), "%s/,tmp.%llu.999999999", root, (unsigned long long)state_pid_ns());
	snprintf(elsewhere, sizeof(elsewhere), "%s/,tmp.1.999999999", root);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(elsewhere, 0700), 0); /* another pid namespace's: its process may live */
	state_free(make("b"));
	assert_int_equal(state_list(root, &ids, &e), 0);
	assert_string_equal(ids[0], "b");
	assert_null(ids[1]);
	oci_strings_free(ids);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rmdir(elsewhere), 0);
	destroy("b");
}

static void a_missing_container_does_not_exist(void **state)
{
	struct err e = ERR_INIT;
	struct state *s;

	(void)state;
	assert_int_equal(state_open(root, "a", &s, &e), -ENOENT);
	assert_non_null(strstr(e.text, "container does not exist"));
	err_clear(&e);
	assert_int_equal(state_open(root, "../a", &s, &e), -EINVAL);
}

UNIT_MAIN(UNIT_FIXTURE(an_id_is_taken_once, setup, teardown),
	  UNIT_FIXTURE(what_is_saved_is_read_again, setup, teardown),
	  UNIT_FIXTURE(a_recycled_pid_is_not_the_container, setup, teardown),
	  UNIT_FIXTURE(a_creator_that_died_leaves_a_stopped_container, setup, teardown),
	  UNIT_FIXTURE(a_container_being_made_says_so, setup, teardown),
	  UNIT_FIXTURE(a_garbled_file_can_be_deleted, setup, teardown),
	  UNIT_FIXTURE(left_over_temporaries_are_swept, setup, teardown),
	  UNIT_FIXTURE(a_missing_container_does_not_exist, setup, teardown))
