/* SPDX-License-Identifier: Apache-2.0 */
/* test_mounter.c: MOUNT and UNMOUNT, in a mount namespace that this program and its Gofers share. */
#include "tests/unit/gofer/fixture.h"

#include <sched.h>
#include <sys/mount.h>

static bool may_mount;

/* Fids 1 "from" and 2 "to", directories with and without a file "in", and 3, a file. */
static void prepare(struct fixture *fx, uint32_t attachment)
{
	struct gofer_make m = { .dir = 0, .fid = 10, .mode = 0755 };
	struct gofer_make in = { .dir = 10, .fid = 12, .flags = O_WRONLY, .mode = 0644 };

	if (!may_mount)
		skip();
	assert_int_equal(do_make(fx, GOFER_REQ_MKDIR, m, "from"), 0);
	assert_int_equal(do_make(fx, GOFER_REQ_CREATE, in, "in"), 0);
	m.fid = 11;
	assert_int_equal(do_make(fx, GOFER_REQ_MKDIR, m, "to"), 0);
	assert_int_equal(do_attach(fx, attachment, 20), 0);
	assert_int_equal(do_walk(fx, 20, "from", 1), 0);
	assert_int_equal(do_walk(fx, 20, "to", 2), 0);
	assert_int_equal(do_walk(fx, 1, "in", 3), 0);
}

static void a_bind_is_made_and_undone(void **state)
{
	struct fixture *fx = *state;
	struct gofer_mount q = { 1, 2, 4, 0 };
	struct gofer_fid u = { 4, 0 };

	prepare(fx, SHARED);
	assert_int_equal(faccessat(fx->dir_fd, "to/in", F_OK, 0), -1);
	assert_int_equal(CALL(fx, GOFER_REQ_MOUNT, q), 0);
	assert_int_equal(faccessat(fx->dir_fd, "to/in", F_OK, 0), 0);
	assert_int_equal(CALL(fx, GOFER_REQ_MOUNT, q), -EEXIST);
	assert_int_equal(CALL(fx, GOFER_REQ_UNMOUNT, u), 0);
	assert_int_equal(faccessat(fx->dir_fd, "to/in", F_OK, 0), -1);
	assert_int_equal(CALL(fx, GOFER_REQ_UNMOUNT, u), -EBADF);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct fixture *fx = *state;

	prepare(fx, SHARED);
	assert_int_equal(CALL(fx, GOFER_REQ_MOUNT, (struct gofer_mount){ 3, 2, 4, 0 }), -ENOTDIR);
	assert_int_equal(CALL(fx, GOFER_REQ_MOUNT, (struct gofer_mount){ 1, 3, 4, 0 }), -ENOTDIR);
	assert_int_equal(CALL(fx, GOFER_REQ_MOUNT, (struct gofer_mount){ 1, 99, 4, 0 }), -EBADF);
	assert_int_equal(CALL(fx, GOFER_REQ_MOUNT, (struct gofer_mount){ 1, 2, GOFER_NOFID, 0 }), -EBADF);
	/* Not a mount of ours. */
	assert_int_equal(CALL(fx, GOFER_REQ_UNMOUNT, (struct gofer_fid){ 2, 0 }), -EPERM);
	assert_int_equal(CALL(fx, GOFER_REQ_UNMOUNT, (struct gofer_fid){ 20, 0 }), -EPERM);
	assert_int_equal(faccessat(fx->dir_fd, "to", F_OK, 0), 0);
}

static void other_attachments_are_no_place_for_it(void **state)
{
	struct fixture *fx = *state;

	prepare(fx, PLAIN);
	assert_int_equal(CALL(fx, GOFER_REQ_MOUNT, (struct gofer_mount){ 1, 2, 4, 0 }), -EPERM);
	assert_int_equal(CALL(fx, GOFER_REQ_UNMOUNT, (struct gofer_fid){ 2, 0 }), -EPERM);
	assert_int_equal(faccessat(fx->dir_fd, "to/in", F_OK, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GOFER_TEST(a_bind_is_made_and_undone),
		GOFER_TEST(what_does_not_fit_is_refused),
		GOFER_TEST(other_attachments_are_no_place_for_it),
	};

	may_mount = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
