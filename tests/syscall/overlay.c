/* SPDX-License-Identifier: Apache-2.0 */
/* overlay.c: mount -t overlay: what shows, copy-up, whiteouts, opaque directories, renames.  As root. */
#include "t.h"

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define M "/tmp/ovl/m/"
#define U "/tmp/ovl/up/"
#define L1 "/tmp/ovl/low1/"
#define L2 "/tmp/ovl/low2/"

static void put(const char *file, const char *text, int flags)
{
	int fd = open(file, O_WRONLY | O_CREAT | flags, 0644);

	CHECK(fd >= 0);
	EQUAL(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const char *get(const char *file)
{
	static char buf[64];
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = '\0';
	close(fd);
	return buf;
}

#define IS(file, text) EQUAL(strcmp(get(file), text), 0)

static mode_t kind(const char *file)
{
	struct stat st;

	return lstat(file, &st) ? 0 : st.st_mode & S_IFMT;
}

static int is_whiteout(const char *file)
{
	struct stat st;

	return lstat(file, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static int count(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static int ren2(const char *from, const char *to, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void lower_layers(void)
{
	mkdir(L1 "d", 0755);
	mkdir(L2 "d", 0755);
	mkdir(L1 "one", 0755);
	mkdir(L1 "one/sub", 0755);
	put(L1 "a", "1", 0);
	put(L2 "a", "2", 0);
	put(L2 "b", "b2", 0);
	put(L1 "d/x", "x1", 0);
	put(L2 "d/y", "y2", 0);
	EQUAL(chown(L1 "a", 7, 8), 0);
	EQUAL(chmod(L1 "a", 04751), 0);
	EQUAL(setxattr(L1 "a", "user.k", "v", 1, 0), 0);
	EQUAL(mknod(L1 "gone", S_IFCHR, makedev(0, 0)), 0);
	put(L2 "gone", "hidden", 0);
	EQUAL(symlink("a", L1 "s"), 0);
	EQUAL(mkfifo(L1 "f", 0640), 0);
}

static void shows(void)
{
	IS(M "a", "1");
	IS(M "b", "b2");
	IS(M "s", "1");
	FAILS(ENOENT, access(M "gone", F_OK));
	EQUAL(count(M "d"), 2);
	EQUAL(count(M), 6);
}

static void copy_up(void)
{
	struct stat st, low;
	char v[8];
	int fd;

	EQUAL(stat(M "a", &low), 0);
	fd = open(M "a", O_RDONLY);
	put(M "a", "+", O_APPEND);
	IS(M "a", "1+");
	IS(L1 "a", "1");
	IS(U "a", "1+");
	EQUAL(read(fd, v, sizeof(v)), 2); /* opened before: goes on with the copy */
	close(fd);
	EQUAL(stat(M "a", &st), 0);
	EQUAL(st.st_ino, low.st_ino);
	EQUAL(st.st_uid, 7);
	EQUAL(st.st_gid, 8);
	EQUAL(getxattr(U "a", "user.k", v, sizeof(v)), 1);
	EQUAL(chmod(M "f", 0600), 0);
	EQUAL(kind(U "f"), S_IFIFO);
	EQUAL(lchown(M "s", 5, 6), 0);
	EQUAL(kind(U "s"), S_IFLNK);
	EQUAL(truncate(M "d/x", 1), 0);
	IS(U "d/x", "x");
	EQUAL(link(M "d/y", M "y"), 0);
	EQUAL(stat(M "y", &st), 0);
	EQUAL(st.st_nlink, 2);
}

static void removal(void)
{
	char v[8];

	EQUAL(unlink(M "b"), 0);
	CHECK(is_whiteout(U "b"));
	FAILS(ENOENT, access(M "b", F_OK));
	put(M "b", "new", O_EXCL);
	EQUAL(kind(U "b"), S_IFREG);
	FAILS(ENOTEMPTY, rmdir(M "d"));
	EQUAL(unlink(M "d/x"), 0);
	EQUAL(unlink(M "d/y"), 0);
	EQUAL(rmdir(M "d"), 0);
	CHECK(is_whiteout(U "d"));
	EQUAL(mkdir(M "d", 0755), 0);
	EQUAL(count(M "d"), 0);
	EQUAL(getxattr(U "d", "trusted.overlay.opaque", v, sizeof(v)), 1);
	FAILS(ENODATA, getxattr(M "d", "trusted.overlay.opaque", v, sizeof(v)));
}

static void renames(void)
{
	int fd;

	EQUAL(mkdir(M "n", 0755), 0);
	put(M "n/q", "q", 0);
	EQUAL(rename(M "n", M "n2"), 0);
	IS(M "n2/q", "q");
	EQUAL(rename(M "b", M "gone"), 0);
	IS(M "gone", "new");
	CHECK(is_whiteout(U "b"));
	FAILS(EINVAL, ren2(M "gone", M "z", 4)); /* RENAME_WHITEOUT */
	FAILS(EEXIST, ren2(M "gone", M "a", 1)); /* RENAME_NOREPLACE */
	EQUAL(ren2(M "gone", M "a", 2), 0);      /* RENAME_EXCHANGE */
	IS(M "a", "new");
	IS(M "gone", "1+");
	fd = open(M, O_TMPFILE | O_RDWR, 0600);
	if (fd >= 0) {
		EQUAL(write(fd, "t", 1), 1);
		EQUAL(linkat(fd, "", AT_FDCWD, M "t", AT_EMPTY_PATH), 0);
		IS(M "t", "t");
		close(fd);
	}
}

T_MAIN
{
	t_own_tmp();
	EQUAL(mkdir("/tmp/ovl", 0755), 0);
	EQUAL(mount("t", "/tmp/ovl", "tmpfs", 0, ""), 0);
	mkdir("/tmp/ovl/low1", 0755);
	mkdir("/tmp/ovl/low2", 0755);
	mkdir("/tmp/ovl/up", 0755);
	mkdir("/tmp/ovl/work", 0755);
	mkdir("/tmp/ovl/m", 0755);
	lower_layers();
	FAILS(EINVAL, mount("o", "/tmp/ovl/m", "overlay", 0, "lowerdir=/tmp/ovl/low1"));
	FAILS(ENOENT, mount("o", "/tmp/ovl/m", "overlay", 0, "lowerdir=/tmp/ovl/low1:/tmp/ovl/no"));
	FAILS(EINVAL, mount("o", "/tmp/ovl/m", "overlay", 0,
			    "lowerdir=/tmp/ovl/low1,upperdir=/tmp/ovl/up"));
	EQUAL(mount("o", "/tmp/ovl/m", "overlay", 0,
		    "lowerdir=/tmp/ovl/low1:/tmp/ovl/low2,upperdir=/tmp/ovl/up,workdir=/tmp/ovl/work"), 0);
	shows();
	copy_up();
	removal();
	renames();
	EQUAL(umount("/tmp/ovl/m"), 0);
	EQUAL(mount("o", "/tmp/ovl/m", "overlay", 0,
		    "lowerdir=/tmp/ovl/up:/tmp/ovl/low1:/tmp/ovl/low2"), 0);
	IS(M "a", "new");
	EQUAL(count(M "d"), 0);
	FAILS(EROFS, mkdir(M "x", 0755));
	EQUAL(umount("/tmp/ovl/m"), 0);
	umount("/tmp/ovl");
	rmdir("/tmp/ovl");
}
