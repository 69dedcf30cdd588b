/* SPDX-License-Identifier: Apache-2.0 */
/* test_walk.c: path resolution over a tmpfs. */
#include "tests/unit/vfs/fixture.h"

FIBER_TEST(a_path_is_walked_to_its_end)
{
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "/a", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "/a/b/", 0755), 0);
	assert_int_equal(fx_touch(&x, "a//b/./f"), 0);
	assert_int_equal(fx_walk(&x, "/a/b/../b/f", 0), 0);
	assert_int_equal(fx_walk(&x, "/../../a", 0), 0);
	assert_int_equal(fx_walk(&x, "/a/b/f/", 0), -ENOTDIR);
	assert_int_equal(fx_walk(&x, "/a/b/f/g", 0), -ENOTDIR);
	assert_int_equal(fx_walk(&x, "/a/b/f/..", 0), -ENOTDIR);
	assert_int_equal(fx_walk(&x, "/a/x/y", 0), -ENOENT);
	assert_int_equal(fx_walk(&x, "", 0), -ENOENT);
	assert_int_equal(fx_walk(&x, "", WALK_EMPTY), 0);
	assert_int_equal(fx_walk(&x, "/a/b/f", WALK_DIRECTORY), -ENOTDIR);
	fx_fini(&x);
}

FIBER_TEST(long_names_are_refused)
{
	char name[PATH_LEN_MAX + 2];
	struct fx x;
	(void)state;

	fx_init(&x);
	memset(name, 'n', sizeof(name));
	name[NAME_LEN_MAX] = '\0';
	assert_int_equal(fx_touch(&x, name), 0);
	assert_int_equal(fx_walk(&x, name, 0), 0);
	name[NAME_LEN_MAX] = 'n';
	name[NAME_LEN_MAX + 1] = '\0';
	assert_int_equal(fx_touch(&x, name), -ENAMETOOLONG);
	memset(name, '/', sizeof(name));
	name[PATH_LEN_MAX - 1] = '\0';
	assert_int_equal(fx_walk(&x, name, 0), 0);
	name[PATH_LEN_MAX - 1] = '/';
	name[PATH_LEN_MAX] = '\0';
	assert_int_equal(fx_walk(&x, name, 0), -ENAMETOOLONG);
	fx_fini(&x);
}

FIBER_TEST(symlinks_are_followed)
{
	struct attr a;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d", 0755), 0);
	assert_int_equal(fx_put(&x, "d/f", "text"), 0);
	assert_int_equal(vfs_symlink(&x.c, "d/f", NULL, "l1"), 0);
	assert_int_equal(vfs_symlink(&x.c, "/d/", NULL, "l2"), 0);
	assert_int_equal(vfs_symlink(&x.c, "../l2", NULL, "d/l3"), 0);
	fx_expect(&x, "l1", "text");
	fx_expect(&x, "l2/f", "text");
	fx_expect(&x, "d/l3/l3/l3/f", "text");
	assert_int_equal(fx_stat(&x, "l2", 0, &a), 0);
	assert_true(S_ISLNK(a.mode));
	assert_int_equal(a.size, 3);
	assert_int_equal(fx_stat(&x, "l2/", 0, &a), 0);
	assert_true(S_ISDIR(a.mode));
	assert_int_equal(fx_walk(&x, "l1/", 0), -ENOTDIR);
	assert_int_equal(fx_try(&x, "l1", O_RDONLY | O_NOFOLLOW), -ELOOP);
	assert_int_equal(fx_try(&x, "l1", O_PATH | O_NOFOLLOW), 0);
	assert_int_equal(fx_try(&x, "l2", O_DIRECTORY | O_NOFOLLOW), -ENOTDIR);
	/* O_CREAT goes through a dangling link, O_EXCL does not. */
	assert_int_equal(vfs_symlink(&x.c, "d/new", NULL, "dangling"), 0);
	assert_int_equal(fx_try(&x, "dangling", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
	assert_int_equal(fx_try(&x, "dangling", O_RDONLY), -ENOENT);
	assert_int_equal(fx_touch(&x, "dangling"), 0);
	assert_int_equal(fx_walk(&x, "d/new", 0), 0);
	assert_int_equal(vfs_symlink(&x.c, "", NULL, "empty"), -ENOENT);
	fx_fini(&x);
}

FIBER_TEST(forty_links_are_followed_and_no_more)
{
	char from[16], to[16];
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(fx_touch(&x, "l0"), 0);
	for (int i = 1; i <= 41; i++) {
		snprintf(to, sizeof(to), "l%d", i - 1);
		snprintf(from, sizeof(from), "l%d", i);
		assert_int_equal(vfs_symlink(&x.c, to, NULL, from), 0);
	}
	assert_int_equal(fx_walk(&x, "l40", WALK_FOLLOW), 0);
	assert_int_equal(fx_walk(&x, "l41", WALK_FOLLOW), -ELOOP);
	assert_int_equal(vfs_symlink(&x.c, "self", NULL, "self"), 0);
	assert_int_equal(fx_walk(&x, "self", WALK_FOLLOW), -ELOOP);
	assert_int_equal(fx_walk(&x, "self/x", 0), -ELOOP);
	fx_fini(&x);
}

FIBER_TEST(permissions_are_those_of_each_directory)
{
	struct cred *u;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "closed", 0700), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "open", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "tmp", 0777 | S_ISVTX), 0);
	x.c.umask = 0;
	assert_int_equal(vfs_mkdir(&x.c, NULL, "sticky", 0777 | S_ISVTX), 0);
	assert_int_equal(fx_touch(&x, "closed/f"), 0);
	assert_int_equal(fx_touch(&x, "sticky/roots"), 0);
	u = fx_user(&x, 1000);
	assert_int_equal(fx_walk(&x, "closed", 0), 0);
	assert_int_equal(fx_walk(&x, "closed/f", 0), -EACCES);
	assert_int_equal(fx_walk(&x, "closed/none", 0), -EACCES);
	assert_int_equal(fx_touch(&x, "open/new"), -EACCES);
	assert_int_equal(fx_touch(&x, "sticky/mine"), 0);
	assert_int_equal(vfs_unlink(&x.c, NULL, "sticky/roots"), -EPERM);
	assert_int_equal(vfs_rename(&x.c, NULL, "sticky/roots", NULL, "sticky/x", 0), -EPERM);
	assert_int_equal(vfs_unlink(&x.c, NULL, "sticky/mine"), 0);
	fx_root(&x, u);
	fx_fini(&x);
}

FIBER_TEST(openat2_restrictions_hold)
{
	struct path d;
	struct path out;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d/e", 0755), 0);
	assert_int_equal(fx_touch(&x, "f"), 0);
	assert_int_equal(fx_touch(&x, "d/f"), 0);
	assert_int_equal(vfs_symlink(&x.c, "/f", NULL, "d/abs"), 0);
	assert_int_equal(vfs_symlink(&x.c, "../f", NULL, "d/up"), 0);
	assert_int_equal(vfs_walk(&x.c, NULL, "d", 0, &d), 0);
	assert_int_equal(vfs_walk(&x.c, &d, "e/../f", WALK_BENEATH, &out), 0);
	path_put(&out);
	assert_int_equal(vfs_walk(&x.c, &d, "../f", WALK_BENEATH, &out), -EXDEV);
	assert_int_equal(vfs_walk(&x.c, &d, "/f", WALK_BENEATH, &out), -EXDEV);
	assert_int_equal(vfs_walk(&x.c, &d, "abs", WALK_BENEATH | WALK_FOLLOW, &out), -EXDEV);
	assert_int_equal(vfs_walk(&x.c, &d, "abs", WALK_IN_ROOT | WALK_FOLLOW, &out), 0);
	path_put(&out);
	assert_int_equal(vfs_walk(&x.c, &d, "../../f", WALK_IN_ROOT, &out), 0);
	path_put(&out);
	assert_int_equal(vfs_walk(&x.c, &d, "up", WALK_NO_SYMLINKS | WALK_FOLLOW, &out), -ELOOP);
	path_put(&d);
	fx_fini(&x);
}

FIBER_TEST(the_text_of_a_path_follows_renames)
{
	struct path p;
	struct buf b;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "a", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "b", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "a/c", 0755), 0);
	assert_int_equal(vfs_walk(&x.c, NULL, "a/c", 0, &p), 0);
	assert_int_equal(vfs_rename(&x.c, NULL, "a/c", NULL, "b/a-longer-name-than-fits-inline-in-a-dentry",
				    0), 0);
	buf_init(&b);
	assert_int_equal(vfs_path_text(&x.c.root, &p, &b), 0);
	assert_string_equal(b.data, "/b/a-longer-name-than-fits-inline-in-a-dentry");
	buf_fini(&b);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "b/a-longer-name-than-fits-inline-in-a-dentry"), 0);
	buf_init(&b);
	assert_int_equal(vfs_path_text(&x.c.root, &p, &b), 0);
	assert_string_equal(b.data, "/b/a-longer-name-than-fits-inline-in-a-dentry (deleted)");
	buf_fini(&b);
	path_put(&p);
	fx_fini(&x);
}

UNIT_MAIN(UNIT(a_path_is_walked_to_its_end), UNIT(long_names_are_refused),
	  UNIT(symlinks_are_followed), UNIT(forty_links_are_followed_and_no_more),
	  UNIT(permissions_are_those_of_each_directory), UNIT(openat2_restrictions_hold),
	  UNIT(the_text_of_a_path_follows_renames))
