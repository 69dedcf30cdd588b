/* SPDX-License-Identifier: Apache-2.0 */
/* test_tmpfs.c: names, content and limits of tmpfs. */
#include "tests/unit/vfs/fixture.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/mman.h>

FIBER_TEST(content_survives_the_move_to_a_memfd)
{
	char block[1000], got[1000];
	struct file *f;
	struct attr a;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(fx_open(&x, "f", O_CREAT | O_RDWR, &f), 0);
	for (int i = 0; i < 20; i++) {
		memset(block, 'a' + i, sizeof(block));
		assert_int_equal(fx_write(&x, f, block, sizeof(block)), sizeof(block));
	}
	for (int i = 0; i < 20; i++) {
		memset(block, 'a' + i, sizeof(block));
		assert_int_equal(fx_pread(&x, f, got, sizeof(got), i * 1000), sizeof(got));
		assert_memory_equal(got, block, sizeof(got));
	}
	assert_int_equal(fx_pread(&x, f, got, sizeof(got), 20000), 0);
	assert_int_equal(fx_stat(&x, "f", 0, &a), 0);
	assert_int_equal(a.size, 20000);
	assert_int_equal(a.blocks, 40);
	file_put(f);
	fx_fini(&x);
}

FIBER_TEST(truncate_makes_zeros_and_holes)
{
	char got[8];
	struct file *f;
	struct attr a;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(fx_open(&x, "f", O_CREAT | O_RDWR, &f), 0);
	assert_int_equal(fx_write(&x, f, "abcdef", 6), 6);
	assert_int_equal(file_truncate(&x.c, f, 3), 0);
	assert_int_equal(file_truncate(&x.c, f, 6), 0);
	assert_int_equal(fx_pread(&x, f, got, 8, 0), 6);
	assert_memory_equal(got, "abc\0\0\0", 6);
	assert_int_equal(file_truncate(&x.c, f, 1 << 30), 0);
	assert_int_equal(fx_stat(&x, "f", 0, &a), 0);
	assert_int_equal(a.size, 1 << 30);
	assert_true(a.blocks <= 8);
	assert_int_equal(file_llseek(&x.c, f, 0, SEEK_DATA), 0);
	assert_int_equal(file_llseek(&x.c, f, 0, SEEK_HOLE), 4096);
	assert_int_equal(file_llseek(&x.c, f, 8192, SEEK_DATA), -ENXIO);
	assert_int_equal(file_fallocate(&x.c, f, 0, 1 << 20, 8192), 0);
	assert_int_equal(file_llseek(&x.c, f, 1 << 20, SEEK_SET), 1 << 20);
	assert_int_equal(fx_write(&x, f, "data", 4), 4);
	assert_int_equal(file_llseek(&x.c, f, 8192, SEEK_DATA), 1 << 20);
	assert_int_equal(
		file_fallocate(&x.c, f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	assert_int_equal(fx_pread(&x, f, got, 3, 0), 3);
	assert_memory_equal(got, "\0\0\0", 3);
	assert_int_equal(file_fallocate(&x.c, f, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EOPNOTSUPP);
	file_put(f);
	fx_fini(&x);
}

FIBER_TEST(append_and_positions)
{
	struct file *f;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(fx_put(&x, "f", "one"), 0);
	assert_int_equal(fx_open(&x, "f", O_WRONLY | O_APPEND, &f), 0);
	assert_int_equal(file_llseek(&x.c, f, 0, SEEK_SET), 0);
	assert_int_equal(fx_write(&x, f, "two", 3), 3);
	assert_int_equal(file_llseek(&x.c, f, 0, SEEK_CUR), 6);
	file_put(f);
	fx_expect(&x, "f", "onetwo");
	assert_int_equal(fx_open(&x, "f", O_RDONLY, &f), 0);
	assert_int_equal(fx_write(&x, f, "x", 1), -EBADF);
	assert_int_equal(file_llseek(&x.c, f, -1, SEEK_SET), -EINVAL);
	assert_int_equal(file_llseek(&x.c, f, -1, SEEK_END), 5);
	file_put(f);
	fx_fini(&x);
}

FIBER_TEST(readdir_finds_its_place_again)
{
	struct fx_names n;
	char name[16];
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d", 0755), 0);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		assert_int_equal(fx_touch(&x, name), 0);
	}
	assert_int_equal(vfs_unlink(&x.c, NULL, "d/4"), 0);
	fx_list(&x, "d", &n, 3);
	assert_string_equal(n.text, ". .. 0 1 2 3 5 6 7 8 9 ");
	fx_list(&x, "d", &n, 1000);
	assert_string_equal(n.text, ". .. 0 1 2 3 5 6 7 8 9 ");
	fx_fini(&x);
}

FIBER_TEST(names_come_and_go)
{
	struct attr a, b;
	struct file *f;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(fx_put(&x, "f", "1"), 0);
	assert_int_equal(fx_touch(&x, "f"), 0);
	assert_int_equal(fx_try(&x, "f", O_CREAT | O_EXCL), -EEXIST);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "f", 0755), -EEXIST);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d/e", 0755), 0);
	assert_int_equal(fx_stat(&x, "d", 0, &a), 0);
	assert_int_equal(a.nlink, 3);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "d"), -ENOTEMPTY);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "f"), -ENOTDIR);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "d/."), -EINVAL);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "d/.."), -ENOTEMPTY);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "/"), -EBUSY);
	assert_int_equal(vfs_unlink(&x.c, NULL, "d"), -EISDIR);
	assert_int_equal(vfs_unlink(&x.c, NULL, "f/"), -ENOTDIR);
	assert_int_equal(vfs_unlink(&x.c, NULL, "none"), -ENOENT);
	assert_int_equal(vfs_link(&x.c, NULL, "f", NULL, "d/g", 0), 0);
	assert_int_equal(fx_stat(&x, "d/g", 0, &a), 0);
	assert_int_equal(fx_stat(&x, "f", 0, &b), 0);
	assert_int_equal(a.ino, b.ino);
	assert_int_equal(a.nlink, 2);
	assert_int_equal(vfs_link(&x.c, NULL, "d", NULL, "d2", 0), -EPERM);
	assert_int_equal(fx_open(&x, "f", O_RDONLY, &f), 0);
	assert_int_equal(vfs_unlink(&x.c, NULL, "f"), 0);
	assert_int_equal(vfs_unlink(&x.c, NULL, "d/g"), 0);
	assert_int_equal(file_getattr(&x.c, f, 0, &a), 0);
	assert_int_equal(a.nlink, 0);
	file_put(f);
	assert_int_equal(vfs_mknod(&x.c, NULL, "p", S_IFIFO | 0600, 0), 0);
	assert_int_equal(vfs_mknod(&x.c, NULL, "s", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(fx_try(&x, "s", O_RDONLY), -ENXIO);
	assert_int_equal(vfs_mknod(&x.c, NULL, "x/", S_IFIFO | 0600, 0), -ENOENT);
	fx_fini(&x);
}

FIBER_TEST(rename_replaces_exchanges_and_whites_out)
{
	struct attr a;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d/sub", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "e", 0755), 0);
	assert_int_equal(fx_put(&x, "a", "A"), 0);
	assert_int_equal(fx_put(&x, "b", "B"), 0);
	assert_int_equal(vfs_rename(&x.c, NULL, "a", NULL, "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(vfs_rename(&x.c, NULL, "a", NULL, "e/b", RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(vfs_rename(&x.c, NULL, "a", NULL, "b", RENAME_EXCHANGE), 0);
	fx_expect(&x, "a", "B");
	fx_expect(&x, "b", "A");
	assert_int_equal(vfs_rename(&x.c, NULL, "a", NULL, "b", 0), 0);
	fx_expect(&x, "b", "B");
	assert_int_equal(fx_walk(&x, "a", 0), -ENOENT);
	assert_int_equal(vfs_rename(&x.c, NULL, "d", NULL, "d/sub/x", 0), -EINVAL);
	assert_int_equal(vfs_rename(&x.c, NULL, "d/sub", NULL, "d", 0), -ENOTEMPTY);
	assert_int_equal(vfs_rename(&x.c, NULL, "b", NULL, "d", 0), -EISDIR);
	assert_int_equal(vfs_rename(&x.c, NULL, "d", NULL, "b", 0), -ENOTDIR);
	assert_int_equal(vfs_rename(&x.c, NULL, "e", NULL, "d", 0), -ENOTEMPTY);
	assert_int_equal(vfs_rename(&x.c, NULL, "d", NULL, "e", 0), 0);
	assert_int_equal(fx_walk(&x, "e/sub/../sub", 0), 0);
	assert_int_equal(vfs_rename(&x.c, NULL, "e/sub", NULL, "b", RENAME_EXCHANGE), 0);
	assert_int_equal(fx_stat(&x, "e", 0, &a), 0);
	assert_int_equal(a.nlink, 2);
	fx_expect(&x, "e/sub", "B");
	assert_int_equal(vfs_rename(&x.c, NULL, "e/sub", NULL, "w", RENAME_WHITEOUT), 0);
	assert_int_equal(fx_stat(&x, "e/sub", 0, &a), 0);
	assert_int_equal(a.mode, S_IFCHR);
	assert_int_equal(a.rdev, 0);
	fx_fini(&x);
}

FIBER_TEST(unnamed_files_can_get_a_name)
{
	struct open_how_args how = { .flags = O_TMPFILE | O_RDWR, .mode = 0600 };
	struct file *f;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_open(&x.c, NULL, "/", &how, &f), 0);
	assert_int_equal(fx_write(&x, f, "secret", 6), 6);
	assert_int_equal(vfs_link(&x.c, &f->path, "", NULL, "named", AT_EMPTY_PATH), 0);
	file_put(f);
	fx_expect(&x, "named", "secret");
	how.flags |= O_EXCL;
	assert_int_equal(vfs_open(&x.c, NULL, "/", &how, &f), 0);
	assert_int_equal(vfs_link(&x.c, &f->path, "", NULL, "other", AT_EMPTY_PATH), -ENOENT);
	file_put(f);
	how.flags = O_TMPFILE | O_RDONLY;
	assert_int_equal(vfs_open(&x.c, NULL, "/", &how, &f), -EINVAL);
	fx_fini(&x);
}

FIBER_TEST(size_and_inode_limits_hold)
{
	static char big[64 * 1024];
	struct statfs_info s;
	struct path p;
	struct file *f;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "m", 0755), 0);
	assert_int_equal(vfs_mount(&x.c, "none", "m", "tmpfs", 0, "size=32k,nr_inodes=3,mode=700"), 0);
	assert_int_equal(fx_open(&x, "m/f", O_CREAT | O_WRONLY, &f), 0);
	assert_int_equal(fx_write(&x, f, big, sizeof(big)), 32 * 1024);
	assert_int_equal(fx_write(&x, f, big, 1), -ENOSPC);
	assert_int_equal(file_truncate(&x.c, f, 4096), 0);
	assert_int_equal(fx_touch(&x, "m/g"), 0);
	assert_int_equal(fx_touch(&x, "m/h"), -ENOSPC);
	assert_int_equal(vfs_walk(&x.c, NULL, "m", 0, &p), 0);
	assert_int_equal(vfs_statfs(&x.c, &p, &s), 0);
	assert_int_equal(s.blocks, 8);
	assert_int_equal(s.bfree, 7);
	assert_int_equal(s.ffree, 0);
	path_put(&p);
	assert_int_equal(vfs_umount(&x.c, "m", 0), -EBUSY);
	file_put(f);
	assert_int_equal(vfs_umount(&x.c, "m", 0), 0);
	fx_fini(&x);
}

FIBER_TEST(xattrs_are_kept_and_guarded)
{
	struct cred *u;
	struct path p;
	char v[16];
	struct fx x;
	(void)state;

	fx_init(&x);
	x.c.umask = 0;
	assert_int_equal(fx_touch(&x, "f"), 0);
	assert_int_equal(vfs_walk(&x.c, NULL, "f", 0, &p), 0);
	assert_int_equal(vfs_setxattr(&x.c, &p, "user.a", "1", 1, 0), 0);
	assert_int_equal(vfs_setxattr(&x.c, &p, "user.a", "1", 1, 1), -EEXIST);
	assert_int_equal(vfs_setxattr(&x.c, &p, "user.b", "1", 1, 2), -ENODATA);
	assert_int_equal(vfs_setxattr(&x.c, &p, "trusted.t", "22", 2, 0), 0);
	assert_int_equal(vfs_setxattr(&x.c, &p, "nonsense", "1", 1, 0), -EOPNOTSUPP);
	assert_int_equal(vfs_getxattr(&x.c, &p, "trusted.t", NULL, 0), 2);
	assert_int_equal(vfs_getxattr(&x.c, &p, "trusted.t", v, 1), -ERANGE);
	assert_int_equal(vfs_listxattr(&x.c, &p, NULL, 0), 17);
	u = fx_user(&x, 1000);
	assert_int_equal(vfs_getxattr(&x.c, &p, "trusted.t", v, sizeof(v)), -ENODATA);
	assert_int_equal(vfs_setxattr(&x.c, &p, "trusted.t", v, 1, 0), -EPERM);
	assert_int_equal(vfs_setxattr(&x.c, &p, "security.capability", v, 1, 0), -EPERM);
	assert_int_equal(vfs_listxattr(&x.c, &p, NULL, 0), 7);
	fx_root(&x, u);
	assert_int_equal(vfs_removexattr(&x.c, &p, "user.a"), 0);
	assert_int_equal(vfs_removexattr(&x.c, &p, "user.a"), -ENODATA);
	path_put(&p);
	fx_fini(&x);
}

FIBER_TEST(owner_mode_and_times_change_by_the_rules)
{
	struct setattr a = { .mask = SETATTR_MODE, .mode = 06755 };
	struct attr st;
	struct cred *u;
	struct path p;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(fx_touch(&x, "f"), 0);
	assert_int_equal(vfs_walk(&x.c, NULL, "f", 0, &p), 0);
	assert_int_equal(vfs_setattr(&x.c, &p, &a), 0);
	a = (struct setattr){ .mask = SETATTR_UID, .uid = 1000 };
	assert_int_equal(vfs_setattr(&x.c, &p, &a), 0);
	assert_int_equal(fx_stat(&x, "f", 0, &st), 0);
	assert_int_equal(st.mode & 07777, 0755); /* chown takes setuid and setgid */
	u = fx_user(&x, 1000);
	a = (struct setattr){ .mask = SETATTR_GID, .gid = 7 };
	assert_int_equal(vfs_setattr(&x.c, &p, &a), -EPERM);
	a = (struct setattr){ .mask = SETATTR_GID, .gid = 1000 };
	assert_int_equal(vfs_setattr(&x.c, &p, &a), 0);
	a = (struct setattr){ .mask = SETATTR_MODE, .mode = 0600 };
	assert_int_equal(vfs_setattr(&x.c, &p, &a), 0);
	cred_put(u);
	u = fx_user(&x, 1001);
	assert_int_equal(vfs_setattr(&x.c, &p, &a), -EPERM);
	a = (struct setattr){ .mask = SETATTR_ATIME_NOW | SETATTR_MTIME_NOW };
	assert_int_equal(vfs_setattr(&x.c, &p, &a), -EACCES);
	a = (struct setattr){ .mask = SETATTR_SIZE, .size = 1 };
	assert_int_equal(vfs_setattr(&x.c, &p, &a), -EACCES);
	assert_int_equal(vfs_access(&x.c, &p, MAY_READ), -EACCES);
	fx_root(&x, u);
	assert_int_equal(vfs_access(&x.c, &p, MAY_EXEC), -EACCES);
	assert_int_equal(vfs_access(&x.c, &p, MAY_READ | MAY_WRITE), 0);
	path_put(&p);
	fx_fini(&x);
}

FIBER_TEST(a_deep_tree_goes_at_once)
{
	struct path at;
	struct fx x;
	(void)state;

	fx_init(&x);
	at = x.c.cwd;
	path_get(&at);
	for (int i = 0; i < 5000; i++) {
		struct path next;

		assert_int_equal(vfs_mkdir(&x.c, &at, "d", 0755), 0);
		assert_int_equal(vfs_walk(&x.c, &at, "d", 0, &next), 0);
		path_put(&at);
		at = next;
	}
	path_put(&at);
	fx_fini(&x);
}

FIBER_TEST(memfds_can_be_sealed)
{
	struct mmap_request r = { .size = 4096, .prot = PROT_READ, .flags = MAP_SHARED };
	struct file *f;
	struct buf b;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(tmpfs_new_unlinked(&x.c, "memfd:m", 0777, 0, &f), 0);
	buf_init(&b);
	assert_int_equal(file_path_text(&x.c, f, &b), 0);
	assert_string_equal(b.data, "/memfd:m (deleted)");
	buf_fini(&b);
	assert_int_equal(fx_write(&x, f, "abc", 3), 3);
	assert_int_equal(tmpfs_add_seals(&x.c, f, F_SEAL_GROW | F_SEAL_SHRINK), 0);
	assert_int_equal(file_truncate(&x.c, f, 1), -EPERM);
	assert_int_equal(file_truncate(&x.c, f, 9), -EPERM);
	assert_int_equal(tmpfs_add_seals(&x.c, f, F_SEAL_WRITE), 0);
	assert_int_equal(fx_write(&x, f, "abc", 3), -EPERM);
	assert_int_equal(file_mmap(&x.c, f, &r), 0);
	assert_true(r.host_fd >= 0);
	r.prot |= PROT_WRITE;
	assert_int_equal(file_mmap(&x.c, f, &r), -EPERM);
	file_put(f);
	fx_fini(&x);
}

UNIT_MAIN(UNIT(content_survives_the_move_to_a_memfd), UNIT(truncate_makes_zeros_and_holes),
	  UNIT(append_and_positions), UNIT(readdir_finds_its_place_again), UNIT(names_come_and_go),
	  UNIT(rename_replaces_exchanges_and_whites_out), UNIT(unnamed_files_can_get_a_name),
	  UNIT(size_and_inode_limits_hold), UNIT(xattrs_are_kept_and_guarded),
	  UNIT(owner_mode_and_times_change_by_the_rules), UNIT(a_deep_tree_goes_at_once),
	  UNIT(memfds_can_be_sealed))
