/* SPDX-License-Identifier: Apache-2.0 */
/* test_tree.c: walks and changes of names, and what they refuse. */
#include "tests/unit/gofer/fixture.h"

#include <linux/fs.h>
#include <sys/sysmacros.h>

static void walk_reaches_many_names_in_one_request(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(mkdirat(fx->dir_fd, "a", 0755), 0);
	assert_int_equal(mkdirat(fx->dir_fd, "a/b", 0700), 0);
	host_file(fx, "a/b/c", "hello");
	assert_int_equal(do_walk(fx, 0, "a/b/c", 1), 0);
	assert_int_equal(walk_reply(fx)->reached, 3);
	assert_int_equal(walk_reply(fx)->error, 0);
	assert_int_equal(walk_entry(fx, 1, NULL)->attr.mode, S_IFDIR | 0700);
	assert_int_equal(walk_entry(fx, 2, NULL)->attr.mode, S_IFREG | 0644);
	assert_int_equal(walk_entry(fx, 2, NULL)->attr.size, 5);
	assert_int_equal(walk_entry(fx, 2, NULL)->attr.ino, host_stat(fx, "a/b/c").st_ino);
	assert_int_equal(do_getattr(fx, 3), 0);
	assert_int_equal(reply_attr(fx)->ino, host_stat(fx, "a/b/c").st_ino);
	assert_int_equal(do_getattr(fx, 2), 0);
	assert_int_equal(reply_attr(fx)->ino, host_stat(fx, "a/b").st_ino);
}

static void walk_stops_where_names_end(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(mkdirat(fx->dir_fd, "a", 0755), 0);
	host_file(fx, "a/f", "");
	assert_int_equal(do_walk(fx, 0, "a/none/x", 1), 0);
	assert_int_equal(walk_reply(fx)->reached, 1);
	assert_int_equal(walk_reply(fx)->error, -ENOENT);
	assert_int_equal(do_getattr(fx, 2), -EBADF);
	assert_int_equal(do_walk(fx, 1, "f/x", 5), 0);
	assert_int_equal(walk_reply(fx)->reached, 1);
	assert_int_equal(walk_reply(fx)->error, -ENOTDIR);
}

static void walk_without_fids_gives_attributes(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(mkdirat(fx->dir_fd, "a", 0755), 0);
	host_file(fx, "a/f", "xyz");
	assert_int_equal(do_walk(fx, 0, "a/f", GOFER_NOFID), 0);
	assert_int_equal(walk_reply(fx)->reached, 2);
	assert_int_equal(walk_entry(fx, 1, NULL)->attr.size, 3);
}

static void walk_stops_at_symlinks_and_gives_their_text(void **state)
{
	struct fixture *fx = *state;
	const char *text;

	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	host_file(fx, "d/f", "");
	assert_int_equal(symlinkat("d", fx->dir_fd, "link"), 0);
	assert_int_equal(do_walk(fx, 0, "link/f", 1), 0);
	assert_int_equal(walk_reply(fx)->reached, 1);
	assert_int_equal(walk_reply(fx)->error, 0);
	assert_true(S_ISLNK(walk_entry(fx, 0, &text)->attr.mode));
	assert_int_equal(walk_entry(fx, 0, NULL)->link_size, 1);
	assert_int_equal(text[0], 'd');
	assert_int_equal(do_walk(fx, 1, "f", 9), -ENOTDIR);
}

static void walk_recognises_known_inodes(void **state)
{
	struct fixture *fx = *state;
	struct gofer_walk q = { .count = 1 };
	struct gofer_walk_name n = { 7, 1, 1 };

	host_file(fx, "f", "1");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	msg_start(fx, GOFER_REQ_WALK, &q, sizeof(q));
	msg_add(fx, &n, sizeof(n));
	msg_add(fx, "f", 1);
	msg_send(fx);
	assert_int_equal(msg_reply(fx), 0);
	assert_int_equal(walk_entry(fx, 0, NULL)->same, 1);
	assert_int_equal(do_getattr(fx, 7), -EBADF);

	host_file(fx, "g", "22");
	assert_int_equal(renameat(fx->dir_fd, "g", fx->dir_fd, "f"), 0);
	msg_start(fx, GOFER_REQ_WALK, &q, sizeof(q));
	msg_add(fx, &n, sizeof(n));
	msg_add(fx, "f", 1);
	msg_send(fx);
	assert_int_equal(msg_reply(fx), 0);
	assert_int_equal(walk_entry(fx, 0, NULL)->same, 0);
	assert_int_equal(walk_entry(fx, 0, NULL)->attr.size, 2);
	assert_int_equal(do_getattr(fx, 7), 0);
}

static void bad_names_are_refused_everywhere(void **state)
{
	static const struct {
		const char *name;
		size_t size;
		int error;
	} bad[] = {
		{ "..", 2, -EINVAL },    { ".", 1, -EINVAL },        { "", 0, -EINVAL },
		{ "/etc", 4, -EINVAL },  { "a/b", 3, -EINVAL },      { "a/", 2, -EINVAL },
		{ "a\0b", 3, -EINVAL },  { "../../etc", 9, -EINVAL },
	};
	struct fixture *fx = *state;
	char longest[256];

	memset(longest, 'x', sizeof(longest));
	assert_int_equal(mkdirat(fx->dir_fd, "a", 0755), 0);
	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		const char *name = i < ARRAY_SIZE(bad) ? bad[i].name : longest;
		uint32_t size = i < ARRAY_SIZE(bad) ? (uint32_t)bad[i].size : 256;
		int error = i < ARRAY_SIZE(bad) ? bad[i].error : -ENAMETOOLONG;
		struct gofer_make m = { .dir = 0, .fid = 9, .mode = 0644, .name_size = size };
		struct gofer_link l = { 0, 0, size, 0 };
		struct gofer_unlink u = { 0, 0, size, GOFER_NOFID };
		struct gofer_rename rn = { .new_size = 1, .old_size = size, .fid = GOFER_NOFID };
		struct gofer_walk q = { .count = 1 };
		struct gofer_walk_name n = { 9, GOFER_NOFID, size };
		char two[260];

		msg_start(fx, GOFER_REQ_WALK, &q, sizeof(q));
		msg_add(fx, &n, sizeof(n));
		msg_add(fx, name, size);
		msg_send(fx);
		assert_int_equal(msg_reply(fx), error);
		assert_int_equal(call_rest(fx, GOFER_REQ_CREATE, &m, sizeof(m), name, size), error);
		assert_int_equal(call_rest(fx, GOFER_REQ_MKDIR, &m, sizeof(m), name, size), error);
		m.mode |= S_IFIFO;
		assert_int_equal(call_rest(fx, GOFER_REQ_MKNOD, &m, sizeof(m), name, size), error);
		m.mode = 0;
		assert_int_equal(call_rest(fx, GOFER_REQ_SYMLINK, &m, sizeof(m), name, size), error);
		m.flags = SOCK_STREAM;
		assert_int_equal(call_rest(fx, GOFER_REQ_BIND, &m, sizeof(m), name, size), error);
		assert_int_equal(call_rest(fx, GOFER_REQ_LINK, &l, sizeof(l), name, size), error);
		assert_int_equal(call_rest(fx, GOFER_REQ_UNLINK, &u, sizeof(u), name, size), error);
		memcpy(two, name, size);
		two[size] = 'z';
		assert_int_equal(call_rest(fx, GOFER_REQ_RENAME, &rn, sizeof(rn), two, size + 1), error);
		two[0] = 'z';
		memcpy(two + 1, name, size);
		rn.old_size = 1;
		rn.new_size = size;
		assert_int_equal(call_rest(fx, GOFER_REQ_RENAME, &rn, sizeof(rn), two, size + 1), error);
	}
	assert_int_equal(do_getattr(fx, 9), -EBADF);
}

static void a_swapped_symlink_leads_nowhere(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	assert_int_equal(do_walk(fx, 0, "d", 1), 0);
	/* Somebody on the host replaces the directory by a way out. */
	assert_int_equal(unlinkat(fx->dir_fd, "d", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("/etc", fx->dir_fd, "d"), 0);
	assert_int_equal(do_walk(fx, 0, "d/passwd", 2), 0);
	assert_int_equal(walk_reply(fx)->reached, 1);
	assert_true(S_ISLNK(walk_entry(fx, 0, NULL)->attr.mode));
	assert_int_equal(do_getattr(fx, 3), -EBADF);
	/* The old fid is still the removed directory, and nothing can be made in it. */
	assert_int_equal(do_walk(fx, 1, "passwd", 4), 0);
	assert_int_equal(walk_reply(fx)->error, -ENOENT);
	assert_int_equal(do_make(fx, GOFER_REQ_MKDIR,
				 (struct gofer_make){ .dir = 1, .fid = 5, .mode = 0755 }, "x"),
			 -ENOENT);
	/* Nor through the link: a symlink is no directory, and last components are not followed. */
	assert_int_equal(do_make(fx, GOFER_REQ_MKDIR,
				 (struct gofer_make){ .dir = 2, .fid = 5, .mode = 0755 }, "x"),
			 -ENOTDIR);
	assert_int_equal(do_make(fx, GOFER_REQ_CREATE,
				 (struct gofer_make){ .dir = 0, .fid = 5, .mode = 0644 }, "d"),
			 -EEXIST);
	struct gofer_open op = { 2, O_RDONLY };
	assert_int_equal(CALL(fx, GOFER_REQ_OPEN, op), -ELOOP);
}

static void create_gives_owner_mode_and_a_descriptor(void **state)
{
	struct fixture *fx = *state;
	struct gofer_make m = { .dir = 0, .fid = 1, .flags = O_RDWR, .mode = 04751, .uid = 1234,
				.gid = 567 };
	struct stat st;

	assert_int_equal(do_make(fx, GOFER_REQ_CREATE, m, "f"), 0);
	assert_true(fx->fd >= 0);
	assert_int_equal(made_attr(fx)->mode, S_IFREG | 04751);
	assert_change(fx, sizeof(struct gofer_attr_reply), ".");
	assert_int_equal(write(fx->fd, "abc", 3), 3);
	st = host_stat(fx, "f");
	assert_int_equal(st.st_mode, S_IFREG | 04751);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 567);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(do_getattr(fx, 1), 0);
	assert_int_equal(reply_attr(fx)->ino, st.st_ino);
	m.fid = 2;
	assert_int_equal(do_make(fx, GOFER_REQ_CREATE, m, "f"), -EEXIST);
	m.fid = 1;
	assert_int_equal(do_make(fx, GOFER_REQ_CREATE, m, "g"), -EEXIST);
	assert_false(host_has(fx, "g"));
}

static void tmpfile_has_no_name_until_it_is_linked(void **state)
{
	struct fixture *fx = *state;
	struct gofer_make m = { .dir = 0, .fid = 1, .flags = O_RDWR, .mode = 0640, .uid = 7 };
	struct gofer_link l = { .fid = 1, .dir = 0, .name_size = 5 };

	assert_int_equal(CALL(fx, GOFER_REQ_TMPFILE, m), 0);
	assert_int_equal(reply_attr(fx)->nlink, 0);
	assert_int_equal(write(fx->fd, "abc", 3), 3);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_LINK, "named", l), 0);
	assert_int_equal(made_attr(fx)->nlink, 1);
	assert_int_equal(host_stat(fx, "named").st_size, 3);
	assert_int_equal(host_stat(fx, "named").st_uid, 7);
}

static void mkdir_mknod_and_symlink_make_what_they_say(void **state)
{
	struct fixture *fx = *state;
	struct gofer_make m = { .dir = 0, .fid = 1, .mode = 01777, .uid = 5, .gid = 6 };
	struct gofer_make s = { .dir = 0, .fid = GOFER_NOFID, .uid = 8, .gid = 9, .name_size = 1,
				.text_size = 7 };
	char text[16] = "";
	struct stat st;

	assert_int_equal(do_make(fx, GOFER_REQ_MKDIR, m, "d"), 0);
	st = host_stat(fx, "d");
	assert_int_equal(st.st_mode, S_IFDIR | 01777);
	assert_int_equal(st.st_gid, 6);
	m = (struct gofer_make){ .dir = 1, .fid = 2, .mode = S_IFIFO | 0622, .uid = 1 };
	assert_int_equal(do_make(fx, GOFER_REQ_MKNOD, m, "fifo"), 0);
	assert_int_equal(host_stat(fx, "d/fifo").st_mode, S_IFIFO | 0622);
	m = (struct gofer_make){ .dir = 1, .fid = 3, .mode = S_IFSOCK | 0777 };
	assert_int_equal(do_make(fx, GOFER_REQ_MKNOD, m, "sock"), 0);
	assert_int_equal(host_stat(fx, "d/sock").st_mode, S_IFSOCK | 0777);
	m = (struct gofer_make){ .dir = 1, .fid = 4, .mode = S_IFCHR };
	assert_int_equal(do_make(fx, GOFER_REQ_MKNOD, m, "whiteout"), 0);
	assert_int_equal(host_stat(fx, "d/whiteout").st_rdev, 0);
	m = (struct gofer_make){ .dir = 1, .fid = 5, .mode = S_IFCHR | 0666, .rdev_major = 1,
				 .rdev_minor = 3 };
	assert_int_equal(do_make(fx, GOFER_REQ_MKNOD, m, "null"), 0);
	assert_int_equal(made_attr(fx)->rdev, makedev(1, 3));
	assert_change(fx, sizeof(struct gofer_attr_reply), "d");
	assert_int_equal(call_rest(fx, GOFER_REQ_SYMLINK, &s, sizeof(s), "l/etc/..", 8), 0);
	assert_int_equal(readlinkat(fx->dir_fd, "l", text, sizeof(text)), 7);
	assert_string_equal(text, "/etc/..");
	assert_int_equal(host_stat(fx, "l").st_uid, 8);
}

static void devices_and_sockets_need_permission(void **state)
{
	struct fixture *fx = *state;
	struct gofer_make m = { .dir = 1, .fid = 5, .mode = S_IFBLK | 0666, .rdev_major = 8 };

	assert_int_equal(do_attach(fx, PLAIN, 1), 0);
	assert_int_equal(do_make(fx, GOFER_REQ_MKNOD, m, "sda"), -EPERM);
	m = (struct gofer_make){ .dir = 1, .fid = 5, .mode = S_IFCHR };
	assert_int_equal(do_make(fx, GOFER_REQ_MKNOD, m, "whiteout"), 0);
	m = (struct gofer_make){ .dir = 1, .fid = 6, .flags = SOCK_STREAM, .mode = 0777 };
	assert_int_equal(do_make(fx, GOFER_REQ_BIND, m, "sock"), -EPERM);
}

static void link_unlink_and_rename_change_names(void **state)
{
	struct fixture *fx = *state;
	struct gofer_link l = { .fid = 1, .dir = 2, .name_size = 2 };
	struct gofer_rename rn = { .old_dir = 0, .new_dir = 2, .old_size = 1, .new_size = 1, .fid = GOFER_NOFID };
	struct gofer_unlink u = { .dir = 2, .flags = 0, .name_size = 2, .fid = GOFER_NOFID };

	host_file(fx, "f", "x");
	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	assert_int_equal(do_walk(fx, 0, "d", 2), 0);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_LINK, "f2", l), 0);
	assert_int_equal(made_attr(fx)->nlink, 2);
	assert_change(fx, sizeof(struct gofer_attr_reply), "d");
	l.fid = 2;
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_LINK, "f3", l), -EPERM);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_RENAME, "fg", rn), 0);
	assert_int_equal(fx->size, 2 * sizeof(struct gofer_change));
	assert_change(fx, 0, ".");
	assert_change(fx, sizeof(struct gofer_change), "d");
	assert_false(host_has(fx, "f"));
	assert_true(host_has(fx, "d/g"));
	assert_int_equal(do_getattr(fx, 1), 0); /* the fid goes along */
	assert_int_equal(reply_attr(fx)->nlink, 2);
	rn = (struct gofer_rename){ .old_dir = 2, .new_dir = 2, .old_size = 1, .new_size = 2,
				    .flags = RENAME_NOREPLACE, .fid = GOFER_NOFID };
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_RENAME, "gf2", rn), -EEXIST);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_UNLINK, "f2", u), 0);
	assert_int_equal(fx->size, sizeof(struct gofer_change));
	assert_change(fx, 0, "d");
	assert_false(host_has(fx, "d/f2"));
	u = (struct gofer_unlink){ .dir = 0, .flags = AT_REMOVEDIR, .name_size = 1, .fid = GOFER_NOFID };
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_UNLINK, "d", u), -ENOTEMPTY);
	u.flags = 0;
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_UNLINK, "d", u), -EISDIR);
	u.fid = 1; /* is let go of, also when the rest fails */
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_UNLINK, "d", u), -EISDIR);
	assert_int_equal(do_getattr(fx, 1), -EBADF);
}

static void symlinks_can_be_hard_linked(void **state)
{
	struct fixture *fx = *state;
	struct gofer_link l = { .fid = 1, .dir = 0, .name_size = 2 };

	assert_int_equal(symlinkat("/etc/passwd", fx->dir_fd, "l"), 0);
	assert_int_equal(do_walk(fx, 0, "l", 1), 0);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_LINK, "l2", l), 0);
	assert_true(S_ISLNK(host_stat(fx, "l2").st_mode));
}

static void attachments_do_not_mix(void **state)
{
	struct fixture *fx = *state;
	struct gofer_rename rn = { .old_dir = 0, .new_dir = 1, .old_size = 1, .new_size = 1, .fid = GOFER_NOFID };
	struct gofer_link l = { .fid = 2, .dir = 1, .name_size = 1 };

	host_file(fx, "f", "");
	assert_int_equal(do_attach(fx, PLAIN, 1), 0);
	assert_int_equal(do_walk(fx, 0, "f", 2), 0);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_RENAME, "fg", rn), -EXDEV);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_LINK, "g", l), -EXDEV);
}

static void read_only_attachments_refuse_every_change(void **state)
{
	struct fixture *fx = *state;
	struct gofer_make m = { .dir = 1, .fid = 9, .mode = 0644 };
	struct gofer_unlink u = { .dir = 1, .name_size = 1, .fid = GOFER_NOFID };
	struct gofer_rename rn = { .old_dir = 1, .new_dir = 1, .old_size = 1, .new_size = 1, .fid = GOFER_NOFID };
	struct gofer_rename into = { .old_dir = 0, .new_dir = 1, .old_size = 1, .new_size = 1, .fid = GOFER_NOFID };
	struct gofer_link l = { .fid = 2, .dir = 1, .name_size = 1 };
	struct gofer_setattr sa = { .fid = 2, .mask = GOFER_SET_MODE, .mode = 0600 };
	struct gofer_open o = { 2, O_WRONLY };
	struct gofer_xattr x = { .fid = 2, .name_size = 6, .value_size = 1 };

	host_file(fx, "f", "");
	assert_int_equal(do_attach(fx, RO, 1), 0);
	assert_int_equal(((const struct gofer_attach_reply *)(const void *)fx->reply)->flags,
			 GOFER_ATTACH_RDONLY);
	assert_int_equal(do_walk(fx, 1, "f", 2), 0);
	assert_int_equal(do_make(fx, GOFER_REQ_CREATE, m, "x"), -EROFS);
	assert_int_equal(do_make(fx, GOFER_REQ_MKDIR, m, "x"), -EROFS);
	m.mode |= S_IFIFO;
	assert_int_equal(do_make(fx, GOFER_REQ_MKNOD, m, "x"), -EROFS);
	m.mode = 0;
	m.text_size = 1;
	m.name_size = 1;
	assert_int_equal(call_rest(fx, GOFER_REQ_SYMLINK, &m, sizeof(m), "xy", 2), -EROFS);
	m = (struct gofer_make){ .dir = 1, .fid = 9, .flags = O_RDWR };
	assert_int_equal(CALL(fx, GOFER_REQ_TMPFILE, m), -EROFS);
	m.flags = SOCK_STREAM;
	assert_int_equal(do_make(fx, GOFER_REQ_BIND, m, "x"), -EROFS);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_UNLINK, "f", u), -EROFS);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_RENAME, "fg", rn), -EROFS);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_RENAME, "fg", into), -EROFS);
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_LINK, "g", l), -EROFS);
	assert_int_equal(CALL(fx, GOFER_REQ_SETATTR, sa), -EROFS);
	assert_int_equal(CALL(fx, GOFER_REQ_OPEN, o), -EROFS);
	assert_int_equal(call_rest(fx, GOFER_REQ_SETXATTR, &x, sizeof(x), "user.xv", 7), -EROFS);
	x.value_size = 0;
	assert_int_equal(CALL_NAME(fx, GOFER_REQ_REMOVEXATTR, "user.x", x), -EROFS);
	o.flags = O_RDONLY;
	assert_int_equal(CALL(fx, GOFER_REQ_OPEN, o), 0);
	assert_int_equal(write(fx->fd, "x", 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GOFER_TEST(walk_reaches_many_names_in_one_request),
		GOFER_TEST(walk_stops_where_names_end),
		GOFER_TEST(walk_without_fids_gives_attributes),
		GOFER_TEST(walk_stops_at_symlinks_and_gives_their_text),
		GOFER_TEST(walk_recognises_known_inodes),
		GOFER_TEST(bad_names_are_refused_everywhere),
		GOFER_TEST(a_swapped_symlink_leads_nowhere),
		GOFER_TEST(create_gives_owner_mode_and_a_descriptor),
		GOFER_TEST(tmpfile_has_no_name_until_it_is_linked),
		GOFER_TEST(mkdir_mknod_and_symlink_make_what_they_say),
		GOFER_TEST(devices_and_sockets_need_permission),
		GOFER_TEST(link_unlink_and_rename_change_names),
		GOFER_TEST(symlinks_can_be_hard_linked),
		GOFER_TEST(attachments_do_not_mix),
		GOFER_TEST(read_only_attachments_refuse_every_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
