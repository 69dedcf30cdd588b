/* SPDX-License-Identifier: Apache-2.0 */
/* test_overlay.c: an overlay of tmpfs directories, mounted at /m from /low1:/low2 and /up. */
#include "tests/unit/vfs/fixture.h"

#include <linux/fs.h>

static void make(struct fx *x)
{
	fx_init(x);
	for (const char *const *d = (const char *const[]){ "low1", "low2", "up", "work", "m",
							  "low1/dir", "low1/dir/sub", "low2/dir",
							  "low2/only2", "low1/empty", NULL };
	     *d; d++)
		assert_int_equal(vfs_mkdir(&x->c, NULL, *d, 0755), 0);
	assert_int_equal(fx_put(x, "low1/f", "lower"), 0);
	assert_int_equal(fx_put(x, "low1/dir/a", "a1"), 0);
	assert_int_equal(fx_put(x, "low2/dir/a", "a2"), 0);
	assert_int_equal(fx_put(x, "low2/dir/b", "b2"), 0);
	assert_int_equal(fx_put(x, "low1/dir/sub/deep", "deep"), 0);
	assert_int_equal(vfs_symlink(&x->c, "f", NULL, "low1/link"), 0);
	assert_int_equal(vfs_mount(&x->c, "overlay", "m", "overlay", 0,
				   "lowerdir=low1:low2,upperdir=up,workdir=work"), 0);
}

FIBER_TEST(layers_merge)
{
	struct fx_names n;
	struct fx x;
	(void)state;

	make(&x);
	fx_expect(&x, "m/f", "lower");
	fx_expect(&x, "m/link", "lower");
	fx_expect(&x, "m/dir/a", "a1");
	fx_expect(&x, "m/dir/b", "b2");
	fx_expect(&x, "m/dir/sub/deep", "deep");
	fx_list(&x, "m/dir", &n, 2);
	assert_string_equal(n.text, ". .. sub a b ");
	fx_list(&x, "m", &n, 100);
	assert_string_equal(n.text, ". .. dir empty f link only2 ");
	fx_fini(&x);
}

FIBER_TEST(writing_copies_up)
{
	struct attr before, after, low;
	struct setattr s = { .mask = SETATTR_MODE, .mode = 0640 };
	struct file *f, *r;
	struct path p;
	char v[8];
	struct fx x;
	(void)state;

	make(&x);
	assert_int_equal(vfs_walk(&x.c, NULL, "low1/f", 0, &p), 0);
	assert_int_equal(vfs_setxattr(&x.c, &p, "user.k", "val", 3, 0), 0);
	path_put(&p);
	assert_int_equal(fx_stat(&x, "m/f", 0, &before), 0);
	assert_int_equal(fx_open(&x, "m/f", O_RDONLY, &r), 0);
	assert_int_equal(fx_open(&x, "m/f", O_WRONLY | O_APPEND, &f), 0);
	assert_int_equal(fx_write(&x, f, "+up", 3), 3);
	assert_int_equal(fx_pread(&x, r, v, 8, 0), 8);
	assert_memory_equal(v, "lower+up", 8);
	file_put(f);
	file_put(r);
	fx_expect(&x, "m/f", "lower+up");
	fx_expect(&x, "low1/f", "lower");
	fx_expect(&x, "up/f", "lower+up");
	assert_int_equal(fx_stat(&x, "m/f", 0, &after), 0);
	assert_int_equal(after.ino, before.ino);
	assert_int_equal(after.dev, before.dev);
	assert_int_equal(after.size, 8);
	/* An attribute, deep down: ancestors come along, content, times and xattrs too. */
	assert_int_equal(vfs_walk(&x.c, NULL, "m/dir/sub/deep", 0, &p), 0);
	assert_int_equal(vfs_setattr(&x.c, &p, &s), 0);
	path_put(&p);
	assert_int_equal(fx_stat(&x, "low1/dir/sub/deep", 0, &low), 0);
	assert_int_equal(fx_stat(&x, "m/dir/sub/deep", 0, &after), 0);
	assert_int_equal(after.mode & 07777, 0640);
	assert_int_equal(after.mtime.tv_nsec, low.mtime.tv_nsec);
	fx_expect(&x, "up/dir/sub/deep", "deep");
	assert_int_equal(vfs_walk(&x.c, NULL, "m/f", 0, &p), 0);
	assert_int_equal(vfs_getxattr(&x.c, &p, "user.k", v, sizeof(v)), 3);
	assert_int_equal(vfs_listxattr(&x.c, &p, NULL, 0), 7);
	path_put(&p);
	fx_fini(&x);
}

FIBER_TEST(removal_leaves_whiteouts)
{
	struct fx_names n;
	struct attr a;
	struct fx x;
	(void)state;

	make(&x);
	assert_int_equal(vfs_unlink(&x.c, NULL, "m/f"), 0);
	assert_int_equal(fx_walk(&x, "m/f", 0), -ENOENT);
	assert_int_equal(fx_walk(&x, "low1/f", 0), 0);
	assert_int_equal(fx_stat(&x, "up/f", 0, &a), 0);
	assert_int_equal(a.mode, S_IFCHR);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "m/dir"), -ENOTEMPTY);
	assert_int_equal(vfs_unlink(&x.c, NULL, "m/dir/a"), 0);
	assert_int_equal(fx_walk(&x, "m/dir/a", 0), -ENOENT); /* not low2's */
	assert_int_equal(vfs_unlink(&x.c, NULL, "m/dir/b"), 0);
	assert_int_equal(vfs_unlink(&x.c, NULL, "m/dir/sub/deep"), 0);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "m/dir/sub"), 0);
	fx_list(&x, "m/dir", &n, 100);
	assert_string_equal(n.text, ". .. ");
	assert_int_equal(vfs_rmdir(&x.c, NULL, "m/dir"), 0);
	assert_int_equal(fx_walk(&x, "m/dir", 0), -ENOENT);
	/* Made again: opaque. */
	assert_int_equal(vfs_mkdir(&x.c, NULL, "m/dir", 0700), 0);
	fx_list(&x, "m/dir", &n, 100);
	assert_string_equal(n.text, ". .. ");
	assert_int_equal(fx_put(&x, "m/f", "again"), 0);
	fx_expect(&x, "m/f", "again");
	assert_int_equal(fx_stat(&x, "m/dir", 0, &a), 0);
	assert_int_equal(a.mode & 07777, 0700);
	fx_fini(&x);
}

FIBER_TEST(renames_move_and_cover)
{
	struct fx x;
	(void)state;

	make(&x);
	assert_int_equal(vfs_rename(&x.c, NULL, "m/f", NULL, "m/g", 0), 0);
	fx_expect(&x, "m/g", "lower");
	assert_int_equal(fx_walk(&x, "m/f", 0), -ENOENT);
	assert_int_equal(vfs_rename(&x.c, NULL, "m/dir", NULL, "m/dir2", 0), -EXDEV);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "m/new", 0755), 0);
	assert_int_equal(fx_put(&x, "m/new/in", "in"), 0);
	assert_int_equal(vfs_rename(&x.c, NULL, "m/new", NULL, "m/empty", 0), 0);
	fx_expect(&x, "m/empty/in", "in");
	assert_int_equal(vfs_rename(&x.c, NULL, "m/empty", NULL, "m/only2/moved", 0), 0);
	fx_expect(&x, "m/only2/moved/in", "in");
	assert_int_equal(fx_walk(&x, "m/empty", 0), -ENOENT);
	/* Over a file that is below, and exchange. */
	assert_int_equal(vfs_rename(&x.c, NULL, "m/g", NULL, "m/dir/a", 0), 0);
	fx_expect(&x, "m/dir/a", "lower");
	assert_int_equal(vfs_rename(&x.c, NULL, "m/dir/a", NULL, "m/dir/b", RENAME_EXCHANGE), 0);
	fx_expect(&x, "m/dir/a", "b2");
	fx_expect(&x, "m/dir/b", "lower");
	/* Back over its own whiteout. */
	assert_int_equal(vfs_rename(&x.c, NULL, "m/dir/b", NULL, "m/f", 0), 0);
	fx_expect(&x, "m/f", "lower");
	assert_int_equal(fx_walk(&x, "m/dir/b", 0), -ENOENT);
	fx_fini(&x);
}

FIBER_TEST(links_and_unnamed_files_work_above)
{
	struct open_how_args how = { .flags = O_TMPFILE | O_RDWR, .mode = 0600 };
	struct attr a, b;
	struct file *f;
	struct fx x;
	(void)state;

	make(&x);
	assert_int_equal(vfs_link(&x.c, NULL, "m/f", NULL, "m/h", 0), 0);
	assert_int_equal(fx_stat(&x, "m/f", 0, &a), 0);
	assert_int_equal(fx_stat(&x, "m/h", 0, &b), 0);
	assert_int_equal(a.ino, b.ino);
	assert_int_equal(a.nlink, 2);
	assert_int_equal(fx_put(&x, "m/h", "both"), 0);
	fx_expect(&x, "m/f", "both");
	assert_int_equal(vfs_unlink(&x.c, NULL, "m/f"), 0);
	fx_expect(&x, "m/h", "both");
	assert_int_equal(vfs_open(&x.c, NULL, "m/dir", &how, &f), 0);
	assert_int_equal(fx_write(&x, f, "t", 1), 1);
	assert_int_equal(vfs_link(&x.c, &f->path, "", NULL, "m/dir/t", AT_EMPTY_PATH), 0);
	file_put(f);
	fx_expect(&x, "m/dir/t", "t");
	assert_int_equal(vfs_mknod(&x.c, NULL, "m/c", S_IFCHR, 0), -EPERM);
	assert_int_equal(vfs_umount(&x.c, "m", 0), 0);
	fx_fini(&x);
}

FIBER_TEST(owners_and_permissions_show_through)
{
	struct cred *u;
	struct attr a;
	struct fx x;
	(void)state;

	make(&x);
	x.c.umask = 0;
	assert_int_equal(vfs_mkdir(&x.c, NULL, "m/pub", 0777), 0);
	u = fx_user(&x, 1000);
	assert_int_equal(fx_try(&x, "m/f", O_WRONLY), -EACCES);
	assert_int_equal(vfs_unlink(&x.c, NULL, "m/f"), -EACCES);
	assert_int_equal(fx_touch(&x, "m/pub/mine"), 0);
	assert_int_equal(fx_stat(&x, "m/pub/mine", 0, &a), 0);
	assert_int_equal(a.uid, 1000);
	assert_int_equal(a.mode & 07777, 0666);
	fx_root(&x, u);
	fx_fini(&x);
}

UNIT_MAIN(UNIT(layers_merge), UNIT(writing_copies_up), UNIT(removal_leaves_whiteouts),
	  UNIT(renames_move_and_cover), UNIT(links_and_unnamed_files_work_above),
	  UNIT(owners_and_permissions_show_through))
