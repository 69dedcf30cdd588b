/* SPDX-License-Identifier: Apache-2.0 */
/* test_mount.c: mount, umount, bind, propagation, pivot_root, namespaces, mountinfo. */
#include "tests/unit/vfs/fixture.h"

static int mnt(struct fx *x, const char *at)
{
	return vfs_mount(&x->c, "none", at, "tmpfs", 0, NULL);
}

static int type(struct fx *x, const char *at, unsigned long flags)
{
	return vfs_mount(&x->c, NULL, at, NULL, flags, NULL);
}

static int bind(struct fx *x, const char *from, const char *to, unsigned long flags)
{
	return vfs_mount(&x->c, from, to, NULL, MS_BIND | flags, NULL);
}

static void dirs(struct fx *x, const char *names)
{
	char one[64];

	for (const char *p = names; *p;) {
		size_t n = strcspn(p, " ");

		memcpy(one, p, n);
		one[n] = '\0';
		assert_int_equal(vfs_mkdir(&x->c, NULL, one, 0755), 0);
		p += n + (p[n] == ' ');
	}
}

static size_t lines(struct fx *x)
{
	struct buf b;
	size_t n = 0;

	buf_init(&b);
	assert_int_equal(mnt_ns_show(x->ns, &x->c.root, MOUNTS_INFO, &b), 0);
	for (size_t i = 0; i < b.size; i++)
		n += b.data[i] == '\n';
	buf_fini(&b);
	return n;
}

/* The mountinfo line of mountpoint at, from its third column on; "" when there is none. */
static const char *info(struct fx *x, const char *at)
{
	static char line[512];
	char want[80];
	struct buf b;
	const char *p;

	snprintf(want, sizeof(want), " %s ", at);
	line[0] = '\0';
	buf_init(&b);
	assert_int_equal(mnt_ns_show(x->ns, &x->c.root, MOUNTS_INFO, &b), 0);
	p = b.data ? strstr(b.data, want) : NULL;
	if (p)
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(p + 1, "\n"), p + 1);
	buf_fini(&b);
	return line;
}

FIBER_TEST(a_mount_covers_and_uncovers)
{
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "m");
	assert_int_equal(fx_touch(&x, "m/below"), 0);
	assert_int_equal(mnt(&x, "m"), 0);
	assert_int_equal(fx_walk(&x, "m/below", 0), -ENOENT);
	assert_int_equal(fx_touch(&x, "m/above"), 0);
	assert_int_equal(fx_walk(&x, "m/..", 0), 0);
	assert_int_equal(mnt(&x, "m"), 0); /* once more, on top */
	assert_int_equal(fx_walk(&x, "m/above", 0), -ENOENT);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "m"), -EBUSY);
	assert_int_equal(vfs_rename(&x.c, NULL, "m", NULL, "n", 0), -EBUSY);
	assert_int_equal(fx_touch(&x, "f"), 0);
	assert_int_equal(vfs_rename(&x.c, NULL, "f", NULL, "m/f", 0), -EXDEV);
	assert_int_equal(vfs_link(&x.c, NULL, "f", NULL, "m/f", 0), -EXDEV);
	assert_int_equal(vfs_umount(&x.c, "m", 0), 0);
	assert_int_equal(fx_walk(&x, "m/above", 0), 0);
	assert_int_equal(vfs_umount(&x.c, "m", 0), 0);
	assert_int_equal(fx_walk(&x, "m/below", 0), 0);
	assert_int_equal(vfs_umount(&x.c, "m", 0), -EINVAL);
	assert_int_equal(vfs_mount(&x.c, "none", "m", "nofs", 0, NULL), -ENODEV);
	assert_int_equal(vfs_mount(&x.c, "none", "f", "tmpfs", 0, NULL), -ENOTDIR);
	assert_int_equal(vfs_mount(&x.c, "none", "m", "tmpfs", 0, "bogus=1"), -EINVAL);
	fx_fini(&x);
}

FIBER_TEST(read_only_mounts_refuse)
{
	struct file *f;
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "m b");
	assert_int_equal(mnt(&x, "m"), 0);
	assert_int_equal(fx_put(&x, "m/f", "x"), 0);
	assert_int_equal(bind(&x, "m", "b", 0), 0);
	assert_int_equal(vfs_mount(&x.c, NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
	assert_int_equal(fx_try(&x, "b/f", O_RDONLY), 0);
	assert_int_equal(fx_try(&x, "b/f", O_WRONLY), -EROFS);
	assert_int_equal(fx_try(&x, "b/f", O_RDONLY | O_CREAT), 0);
	assert_int_equal(fx_touch(&x, "b/new"), -EROFS);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "b/d", 0755), -EROFS);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "b/f", 0755), -EEXIST);
	assert_int_equal(vfs_unlink(&x.c, NULL, "b/f"), -EROFS);
	assert_int_equal(fx_touch(&x, "m/new"), 0);
	assert_int_equal(fx_open(&x, "m/f", O_WRONLY, &f), 0);
	assert_int_equal(vfs_mount(&x.c, NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), -EBUSY);
	file_put(f);
	assert_int_equal(vfs_mount(&x.c, NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(fx_touch(&x, "m/more"), -EROFS);
	fx_fini(&x);
}

FIBER_TEST(bind_shows_a_subtree)
{
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "a a/b a/b/c t r");
	assert_int_equal(mnt(&x, "a/b/c"), 0);
	assert_int_equal(fx_touch(&x, "a/b/c/deep"), 0);
	assert_int_equal(fx_touch(&x, "a/b/f"), 0);
	assert_int_equal(bind(&x, "a/b", "t", 0), 0);
	assert_int_equal(fx_walk(&x, "t/f", 0), 0);
	assert_int_equal(fx_walk(&x, "t/c/deep", 0), -ENOENT);
	assert_int_equal(fx_walk(&x, "t/../r", 0), 0);
	assert_int_equal(bind(&x, "a/b", "r", MS_REC), 0);
	assert_int_equal(fx_walk(&x, "r/c/deep", 0), 0);
	assert_int_equal(vfs_umount(&x.c, "r", 0), -EBUSY);
	assert_int_equal(vfs_umount(&x.c, "r", MNT_DETACH), 0);
	assert_int_equal(fx_touch(&x, "file"), 0);
	assert_int_equal(bind(&x, "file", "r", 0), -ENOTDIR);
	assert_int_equal(fx_touch(&x, "over"), 0);
	assert_int_equal(fx_put(&x, "file", "bound"), 0);
	assert_int_equal(bind(&x, "file", "over", 0), 0);
	fx_expect(&x, "over", "bound");
	assert_int_equal(vfs_unlink(&x.c, NULL, "over"), -EBUSY);
	fx_fini(&x);
}

FIBER_TEST(move_takes_the_tree_along)
{
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "a b");
	assert_int_equal(mnt(&x, "a"), 0);
	dirs(&x, "a/in");
	assert_int_equal(mnt(&x, "a/in"), 0);
	assert_int_equal(fx_touch(&x, "a/in/f"), 0);
	assert_int_equal(vfs_mount(&x.c, "a", "b", NULL, MS_MOVE, NULL), 0);
	assert_int_equal(fx_walk(&x, "b/in/f", 0), 0);
	assert_int_equal(fx_walk(&x, "a/in", 0), -ENOENT);
	assert_int_equal(vfs_mount(&x.c, "b", "b/in", NULL, MS_MOVE, NULL), -ELOOP);
	assert_int_equal(vfs_mount(&x.c, "a", "b", NULL, MS_MOVE, NULL), -EINVAL);
	fx_fini(&x);
}

FIBER_TEST(mounts_propagate_to_peers_and_slaves)
{
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "a peer slave");
	assert_int_equal(mnt(&x, "a"), 0);
	dirs(&x, "a/x a/y");
	assert_int_equal(type(&x, "a", MS_SHARED), 0);
	assert_int_equal(bind(&x, "a", "peer", 0), 0);
	assert_int_equal(bind(&x, "a", "slave", 0), 0);
	assert_int_equal(type(&x, "slave", MS_SLAVE), 0);
	assert_int_equal(lines(&x), 4);
	assert_int_equal(mnt(&x, "a/x"), 0);
	assert_int_equal(lines(&x), 7);
	assert_int_equal(fx_touch(&x, "a/x/f"), 0);
	assert_int_equal(fx_walk(&x, "peer/x/f", 0), 0);
	assert_int_equal(fx_walk(&x, "slave/x/f", 0), 0);
	/* Not upwards. */
	assert_int_equal(mnt(&x, "slave/y"), 0);
	assert_int_equal(lines(&x), 8);
	assert_non_null(strstr(info(&x, "/peer/x"), " shared:"));
	assert_non_null(strstr(info(&x, "/slave/x"), " master:"));
	assert_null(strstr(info(&x, "/slave/x"), " shared:"));
	assert_int_equal(vfs_umount(&x.c, "peer/x", 0), 0);
	assert_int_equal(fx_walk(&x, "a/x/f", 0), -ENOENT);
	assert_int_equal(fx_walk(&x, "slave/x/f", 0), -ENOENT);
	assert_int_equal(lines(&x), 5);
	/* A shared mount can't be moved out of. */
	assert_int_equal(mnt(&x, "a/x"), 0);
	assert_int_equal(vfs_mount(&x.c, "a/x", "a/y", NULL, MS_MOVE, NULL), -EINVAL);
	/* Unbindable. */
	assert_int_equal(type(&x, "slave/y", MS_UNBINDABLE), 0);
	assert_int_equal(bind(&x, "slave/y", "a/y", 0), -EINVAL);
	fx_fini(&x);
}

FIBER_TEST(binding_a_shared_mount_below_itself_ends)
{
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "a");
	assert_int_equal(mnt(&x, "a"), 0);
	dirs(&x, "a/b");
	assert_int_equal(type(&x, "a", MS_SHARED), 0);
	assert_int_equal(bind(&x, "a", "a/b", 0), 0);
	assert_int_equal(lines(&x), 3);
	assert_int_equal(fx_walk(&x, "a/b/b", 0), 0);
	assert_int_equal(bind(&x, "a", "a/b", MS_REC), 0);
	fx_fini(&x);
}

FIBER_TEST(namespaces_are_copies)
{
	struct path root, cwd;
	struct mnt_ns *n;
	struct vfs_ctx other;
	struct path p;
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "m s");
	assert_int_equal(mnt(&x, "s"), 0);
	dirs(&x, "s/x");
	assert_int_equal(type(&x, "s", MS_SHARED), 0);
	root = cwd = x.c.root;
	path_get(&root);
	path_get(&cwd);
	assert_int_equal(mnt_ns_clone(&x.c, x.ns, &root, &cwd, &n), 0);
	other = x.c;
	other.mnt_ns = n;
	other.root = other.cwd = root;
	assert_true(root.mnt != x.c.root.mnt);
	assert_int_equal(vfs_mount(&other, "none", "/m", "tmpfs", 0, NULL), 0);
	assert_int_equal(fx_touch(&x, "m/here"), 0);
	assert_int_equal(vfs_walk(&other, NULL, "/m/here", 0, &p), -ENOENT);
	/* But shared ones pass mounts on. */
	assert_int_equal(vfs_mount(&other, "none", "/s/x", "tmpfs", 0, NULL), 0);
	assert_int_equal(vfs_mkdir(&other, NULL, "/s/x/d", 0755), 0);
	assert_int_equal(fx_walk(&x, "s/x/d", 0), 0);
	path_put(&root);
	path_put(&cwd);
	mnt_ns_put(n);
	assert_int_equal(fx_walk(&x, "s/x/d", 0), 0);
	fx_fini(&x);
}

FIBER_TEST(pivot_root_swaps)
{
	struct path new_root;
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "new");
	assert_int_equal(vfs_pivot_root(&x.c, "new", "new"), -EBUSY);
	assert_int_equal(mnt(&x, "new"), 0);
	dirs(&x, "new/old");
	assert_int_equal(vfs_walk(&x.c, NULL, "new", 0, &new_root), 0);
	assert_int_equal(vfs_pivot_root(&x.c, "new", "new/old"), 0);
	x.c.root = x.c.cwd = new_root;
	assert_int_equal(fx_walk(&x, "/old/new", 0), 0);
	assert_int_equal(fx_walk(&x, "/old/..", 0), 0);
	assert_int_equal(lines(&x), 2);
	path_put(&x.root_path);
	x.root_path = new_root;
	assert_int_equal(vfs_umount(&x.c, "/old", 0), 0);
	assert_int_equal(lines(&x), 1);
	fx_fini(&x);
}

FIBER_TEST(mountinfo_reads_as_on_linux)
{
	struct fx x;
	(void)state;

	fx_init(&x);
	dirs(&x, "m a a/sub");
	assert_int_equal(vfs_mount(&x.c, "dev ice", "m", "tmpfs",
				   MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "size=64k,mode=755"), 0);
	assert_string_equal(info(&x, "/m"), "/m ro,nosuid,nodev,noexec,relatime - tmpfs dev\\040ice "
					    "ro,size=64k,mode=755,inode64");
	assert_int_equal(vfs_mkdir(&x.c, NULL, "sp ace", 0755), 0);
	assert_int_equal(bind(&x, "a/sub", "sp ace", 0), 0);
	assert_string_equal(info(&x, "/sp\\040ace"),
			    "/sp\\040ace rw,relatime - tmpfs root rw,mode=755,inode64");
	assert_int_equal(vfs_mount(&x.c, "t", "m", "tmpfs", MS_NOATIME, NULL), 0);
	assert_non_null(strstr(info(&x, "/m"), "relatime"));
	fx_fini(&x);
}

UNIT_MAIN(UNIT(a_mount_covers_and_uncovers), UNIT(read_only_mounts_refuse),
	  UNIT(bind_shows_a_subtree), UNIT(move_takes_the_tree_along),
	  UNIT(mounts_propagate_to_peers_and_slaves),
	  UNIT(binding_a_shared_mount_below_itself_ends), UNIT(namespaces_are_copies),
	  UNIT(pivot_root_swaps), UNIT(mountinfo_reads_as_on_linux))
