/* SPDX-License-Identifier: Apache-2.0 */
/* test_attr.c: attributes, extended attributes, statfs. */
#include "tests/unit/gofer/fixture.h"

#include <sys/xattr.h>

static int do_setattr(struct fixture *fx, struct gofer_setattr q)
{
	return CALL(fx, GOFER_REQ_SETATTR, q);
}

static void setattr_changes_what_the_mask_says(void **state)
{
	struct fixture *fx = *state;
	struct stat st;

	host_file(fx, "f", "0123456789");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 1,
								.mask = GOFER_SET_UID |
									GOFER_SET_MODE |
									GOFER_SET_SIZE |
									GOFER_SET_MTIME,
								.uid = 77,
								.mode = 04755,
								.size = 4,
								.mtime_sec = 1000,
								.mtime_nsec = 5 }),
			 0);
	assert_int_equal(reply_attr(fx)->mtime_sec, 1000);
	st = host_stat(fx, "f");
	assert_int_equal(st.st_uid, 77);
	assert_int_equal(st.st_gid, 0);
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 1, .mask = GOFER_SET_GID,
								.gid = 3 }),
			 0);
	assert_int_equal(reply_attr(fx)->mode, S_IFREG | 0755); /* chown clears setuid */
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 1,
								.mask = GOFER_SET_MTIME_NOW }),
			 0);
	assert_true(reply_attr(fx)->mtime_sec > 1000000000);
}

static void several_fids_are_asked_for_at_once(void **state)
{
	struct fixture *fx = *state;
	struct gofer_getattrs q = { .count = 3 };
	const uint32_t fid[] = { 1, 77, 0 };
	const struct gofer_attr *a = (const void *)fx->reply;

	host_file(fx, "f", "abc");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	msg_start(fx, GOFER_REQ_GETATTRS, &q, sizeof(q));
	msg_add(fx, fid, sizeof(fid));
	msg_send(fx);
	assert_int_equal(msg_reply(fx), 0);
	assert_int_equal(fx->size, 3 * sizeof(*a));
	assert_int_equal(a[0].ino, host_stat(fx, "f").st_ino);
	assert_int_equal(a[0].size, 3);
	assert_int_equal(a[1].mode, 0);
	assert_int_equal(a[2].mode & S_IFMT, S_IFDIR);
}

static void setattr_of_symlinks_does_not_touch_their_targets(void **state)
{
	struct fixture *fx = *state;

	host_file(fx, "f", "abc");
	assert_int_equal(symlinkat("f", fx->dir_fd, "l"), 0);
	assert_int_equal(do_walk(fx, 0, "l", 1), 0);
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 1, .mask = GOFER_SET_UID,
								.uid = 9 }),
			 0);
	assert_int_equal(host_stat(fx, "l").st_uid, 9);
	assert_int_equal(host_stat(fx, "f").st_uid, 0);
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 1, .mask = GOFER_SET_MODE,
								.mode = 0 }),
			 -EOPNOTSUPP);
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 1, .mask = GOFER_SET_SIZE }),
			 -EINVAL);
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 1, .mask = GOFER_SET_ATIME,
								.atime_sec = 5 }),
			 0);
	assert_int_equal(reply_attr(fx)->atime_sec, 5);
	assert_int_equal(host_stat(fx, "f").st_size, 3);
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 0, .mask = GOFER_SET_SIZE }),
			 -EISDIR);
}

static void fids_outlive_their_names(void **state)
{
	struct fixture *fx = *state;
	struct gofer_open o = { 1, O_RDWR };
	char text[8];

	host_file(fx, "f", "abc");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	assert_int_equal(unlinkat(fx->dir_fd, "f", 0), 0);
	assert_int_equal(do_getattr(fx, 1), 0);
	assert_int_equal(reply_attr(fx)->nlink, 0);
	assert_int_equal(do_setattr(fx, (struct gofer_setattr){ .fid = 1, .mask = GOFER_SET_SIZE,
								.size = 2 }),
			 0);
	assert_int_equal(CALL(fx, GOFER_REQ_OPEN, o), 0);
	assert_int_equal(read(fx->fd, text, sizeof(text)), 2);
}

static int do_xattr(struct fixture *fx, uint16_t type, const char *name, uint32_t room)
{
	struct gofer_xattr q = { .fid = 1, .name_size = (uint32_t)strlen(name), .value_size = room };

	return CALL_NAME(fx, type, name, q);
}

static void xattrs_of_files_and_directories_work(void **state)
{
	struct fixture *fx = *state;
	const struct gofer_data *d = (const void *)fx->reply;
	struct gofer_xattr q = { .fid = 1, .name_size = 6, .value_size = 5 };

	host_file(fx, "f", "");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	assert_int_equal(call_rest(fx, GOFER_REQ_SETXATTR, &q, sizeof(q), "user.xvalue", 11), 0);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "user.x", 0), 0);
	assert_int_equal(d->size, 5);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "user.x", 4), -ERANGE);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "user.x", 65536), 0);
	assert_int_equal(d->size, 5);
	assert_memory_equal(fx->reply + sizeof(*d), "value", 5);
	assert_int_equal(do_xattr(fx, GOFER_REQ_LISTXATTR, "", 100), 0);
	assert_int_equal(d->size, 7);
	assert_string_equal(fx->reply + sizeof(*d), "user.x");
	q.flags = XATTR_CREATE;
	assert_int_equal(call_rest(fx, GOFER_REQ_SETXATTR, &q, sizeof(q), "user.xvalue", 11), -EEXIST);
	assert_int_equal(do_xattr(fx, GOFER_REQ_REMOVEXATTR, "user.x", 0), 0);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "user.x", 0), -ENODATA);
	do_clunk(fx, 1);
	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	assert_int_equal(do_walk(fx, 0, "d", 1), 0);
	q.flags = 0;
	assert_int_equal(call_rest(fx, GOFER_REQ_SETXATTR, &q, sizeof(q), "user.xvalue", 11), 0);
}

static void xattrs_of_symlinks_do_not_reach_their_targets(void **state)
{
	struct fixture *fx = *state;
	struct gofer_xattr q = { .fid = 1, .name_size = 6, .value_size = 1 };

	host_file(fx, "f", "");
	assert_int_equal(symlinkat("f", fx->dir_fd, "l"), 0);
	assert_int_equal(do_walk(fx, 0, "l", 1), 0);
	assert_int_equal(call_rest(fx, GOFER_REQ_SETXATTR, &q, sizeof(q), "user.xv", 7), -EPERM);
	assert_int_equal(flistxattr(openat(fx->dir_fd, "f", O_RDONLY | O_CLOEXEC), NULL, 0), 0);
}

static void other_xattr_names_are_not_supported(void **state)
{
	struct fixture *fx = *state;

	host_file(fx, "f", "");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "trusted.overlay.opaque", 0), -EOPNOTSUPP);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "security.selinux", 0), -EOPNOTSUPP);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "user.", 0), -EOPNOTSUPP);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "x", 0), -EOPNOTSUPP);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "", 0), -ERANGE);
}

static void file_capabilities_can_be_set(void **state)
{
	/* VFS_CAP_REVISION_2, cap_net_raw permitted. */
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 0x20 };
	struct fixture *fx = *state;
	struct gofer_xattr q = { .fid = 1, .name_size = 19, .value_size = sizeof(cap) };
	char rest[19 + sizeof(cap)];

	host_file(fx, "f", "");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	memcpy(rest, "security.capability", 19);
	memcpy(rest + 19, cap, sizeof(cap));
	assert_int_equal(call_rest(fx, GOFER_REQ_SETXATTR, &q, sizeof(q), rest, sizeof(rest)), 0);
	assert_int_equal(do_xattr(fx, GOFER_REQ_GETXATTR, "security.capability", 64), 0);
	assert_memory_equal(fx->reply + sizeof(struct gofer_data), cap, sizeof(cap));
}

static void statfs_describes_the_host_file_system(void **state)
{
	struct fixture *fx = *state;
	const struct gofer_statfs *a = (const void *)fx->reply;
	struct gofer_fid q = { 0, 0 };
	struct statfs st;

	assert_int_equal(fstatfs(fx->dir_fd, &st), 0);
	assert_int_equal(CALL(fx, GOFER_REQ_STATFS, q), 0);
	assert_int_equal(fx->size, sizeof(*a));
	assert_int_equal(a->type, st.f_type);
	assert_int_equal(a->blocks, st.f_blocks);
	assert_int_equal(a->namelen, 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GOFER_TEST(setattr_changes_what_the_mask_says),
		GOFER_TEST(several_fids_are_asked_for_at_once),
		GOFER_TEST(setattr_of_symlinks_does_not_touch_their_targets),
		GOFER_TEST(fids_outlive_their_names),
		GOFER_TEST(xattrs_of_files_and_directories_work),
		GOFER_TEST(xattrs_of_symlinks_do_not_reach_their_targets),
		GOFER_TEST(other_xattr_names_are_not_supported),
		GOFER_TEST(file_capabilities_can_be_set),
		GOFER_TEST(statfs_describes_the_host_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
