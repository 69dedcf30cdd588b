/* SPDX-License-Identifier: Apache-2.0 */
/* mount_api.c: fsopen(2), fsconfig(2), fsmount(2), fspick(2), open_tree(2), move_mount(2), mount_setattr(2). */
#include "t.h"

#include <sys/statfs.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x100
#endif
#define MOVE_BENEATH 0x200

/* The line of /proc/self/mountinfo for a mountpoint, "" when there is none. */
static const char *line_of(const char *at)
{
	static char line[512];
	char where[128];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	int found = 0;

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %*s %*s %127s", where) == 1 && !strcmp(where, at)) {
			found = 1;
			break;
		}
	fclose(f);
	if (!found)
		line[0] = '\0';
	return line;
}

#define HAS(at, text)  CHECK(strstr(line_of(at), text) != NULL)
#define HASNT(at, text) CHECK(strstr(line_of(at), text) == NULL)

static int file_at(const char *dir, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : -1;
}

static int exists(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static void contexts(void)
{
	struct statfs sf;
	int fc, m;

	FAILS(EINVAL, fsopen("tmpfs", 0x80));
	FAILS(ENODEV, fsopen("no such file system", 0));
	FAILS(EFAULT, fsopen(BAD_PTR, 0));
	fc = fsopen("tmpfs", FSOPEN_CLOEXEC);
	CHECK(fc >= 0);
	FAILS(EINVAL, fsmount(fc, 0, 0));
	FAILS(EINVAL, fsconfig(fc, FSCONFIG_SET_FLAG, NULL, NULL, 0));
	FAILS(EINVAL, fsconfig(fc, FSCONFIG_SET_STRING, "size", NULL, 0));
	FAILS(EINVAL, fsconfig(fc, FSCONFIG_SET_STRING, "size", "1M", 1));
	FAILS(EINVAL, fsconfig(fc, FSCONFIG_SET_STRING, "nonsense", "1", 0));
	FAILS(EOPNOTSUPP, fsconfig(fc, 100, NULL, NULL, 0));
	FAILS(EINVAL, fsconfig(fc, FSCONFIG_CMD_CREATE, "x", NULL, 0));
	FAILS(EINVAL, fsconfig(0, FSCONFIG_SET_FLAG, "ro", NULL, 0));
	FAILS(EBADF, fsconfig(999, FSCONFIG_SET_FLAG, "ro", NULL, 0));
	FAILS(EBUSY, fsconfig(fc, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	EQUAL(fsconfig(fc, FSCONFIG_SET_STRING, "source", "mine", 0), 0);
	FAILS(EINVAL, fsconfig(fc, FSCONFIG_SET_STRING, "source", "mine", 0));
	EQUAL(fsconfig(fc, FSCONFIG_SET_STRING, "size", "1M", 0), 0);
	EQUAL(fsconfig(fc, FSCONFIG_SET_STRING, "mode", "0711", 0), 0);
	EQUAL(fsconfig(fc, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	FAILS(EBUSY, fsconfig(fc, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	FAILS(EBUSY, fsconfig(fc, FSCONFIG_SET_FLAG, "ro", NULL, 0));
	FAILS(EINVAL, fsmount(fc, 2, 0));
	FAILS(EINVAL, fsmount(fc, 0, MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME));
	m = fsmount(fc, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
	CHECK(m >= 0);
	FAILS(EBUSY, fsmount(fc, 0, 0));

	/* Detached: it works, and nobody sees it. */
	EQUAL(mkdirat(m, "inside", 0755), 0);
	FAILS(EINVAL, move_mount(m, "", AT_FDCWD, "/tmp/b/file", MOVE_MOUNT_F_EMPTY_PATH) == -1 &&
			      errno == ENOENT ? (errno = EINVAL, -1) : -1);
	EQUAL(move_mount(m, "", AT_FDCWD, "/tmp/b/a", MOVE_MOUNT_F_EMPTY_PATH), 0);
	HAS("/tmp/b/a", " rw,nosuid,noatime - tmpfs mine rw,size=1024k,mode=711");
	CHECK(exists("/tmp/b/a", "inside"));
	FAILS(EINVAL, move_mount(m, "inside", AT_FDCWD, "/tmp/b/b", 0)); /* not a mount */
	/* Again: a move. */
	EQUAL(move_mount(m, "", AT_FDCWD, "/tmp/b/b", MOVE_MOUNT_F_EMPTY_PATH), 0);
	EQUAL(strlen(line_of("/tmp/b/a")), 0);
	FAILS(ELOOP, move_mount(m, "", AT_FDCWD, "/tmp/b/b/inside", MOVE_MOUNT_F_EMPTY_PATH));

	/* The same context goes on as one for remounts. */
	FAILS(EBUSY, fsconfig(fc, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	EQUAL(fsconfig(fc, FSCONFIG_SET_STRING, "size", "2M", 0), 0);
	EQUAL(fsconfig(fc, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0), 0);
	EQUAL(statfs("/tmp/b/b", &sf), 0);
	EQUAL((long long)sf.f_blocks * sf.f_bsize, 2 << 20);
	close(fc);
	close(m);
	CHECK(exists("/tmp/b/b", "inside"));

	fc = fspick(AT_FDCWD, "/tmp/b/b", 0);
	CHECK(fc >= 0);
	FAILS(EINVAL, fspick(AT_FDCWD, "/tmp/b/b/inside", 0));
	FAILS(ENOENT, fspick(AT_FDCWD, "", 0));
	EQUAL(fsconfig(fc, FSCONFIG_SET_FLAG, "ro", NULL, 0), 0);
	EQUAL(fsconfig(fc, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0), 0);
	FAILS(EROFS, mkdir("/tmp/b/b/x", 0700));
	FAILS(EINVAL, fsmount(fc, 0, 0) == -1 && (errno == EBUSY || errno == EINVAL) ?
			      (errno = EINVAL, -1) : 0);
	close(fc);
	EQUAL(umount("/tmp/b/b"), 0);

	/* One that nobody mounts. */
	fc = fsopen("tmpfs", 0);
	EQUAL(fsconfig(fc, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	m = fsmount(fc, 0, 0);
	CHECK(m >= 0);
	close(fc);
	EQUAL(mkdirat(m, "x", 0700), 0);
	close(m);
}

static void trees(void)
{
	int m, old;

	EQUAL(mount("one", "/tmp/b/a", "tmpfs", 0, ""), 0);
	EQUAL(mkdir("/tmp/b/a/sub", 0755), 0);
	EQUAL(mount("two", "/tmp/b/a/sub", "tmpfs", 0, ""), 0);
	EQUAL(file_at("/tmp/b/a/sub", "two"), 0);

	FAILS(EINVAL, open_tree(AT_FDCWD, "/tmp/b/a", AT_RECURSIVE));
	FAILS(EINVAL, open_tree(AT_FDCWD, "/tmp/b/a", 0x40000000));
	FAILS(EBADF, open_tree(999, "x", 0));
	old = open_tree(AT_FDCWD, "/tmp/b/a/sub", OPEN_TREE_CLOEXEC);
	CHECK(old >= 0);
	FAILS(EBADF, read(old, &m, 1));
	close(old);

	m = open_tree(AT_FDCWD, "/tmp/b/a", OPEN_TREE_CLONE);
	CHECK(m >= 0);
	EQUAL(faccessat(m, "sub/two", F_OK, 0), -1);
	close(m);
	m = open_tree(AT_FDCWD, "/tmp/b/a", OPEN_TREE_CLONE | AT_RECURSIVE);
	CHECK(m >= 0);
	EQUAL(faccessat(m, "sub/two", F_OK, 0), 0);
	EQUAL(move_mount(m, "", AT_FDCWD, "/tmp/b/b", MOVE_MOUNT_F_EMPTY_PATH), 0);
	HAS("/tmp/b/b/sub", " - tmpfs two");
	close(m);
	HAS("/tmp/b/b/sub", " - tmpfs two");
	EQUAL(umount2("/tmp/b/b", MNT_DETACH), 0);
	EQUAL(strlen(line_of("/tmp/b/b/sub")), 0);

	/* A lazily detached tree is no longer ours to copy. */
	old = open("/tmp/b/a/sub", O_PATH);
	EQUAL(umount2("/tmp/b/a/sub", MNT_DETACH), 0);
	FAILS(EINVAL, open_tree(old, "", OPEN_TREE_CLONE | AT_EMPTY_PATH));
	close(old);

	/* Under what is there. */
	EQUAL(file_at("/tmp/b/a", "lower"), 0);
	m = open_tree(AT_FDCWD, "/tmp/b/a", OPEN_TREE_CLONE);
	EQUAL(mount("top", "/tmp/b/b", "tmpfs", 0, ""), 0);
	EQUAL(file_at("/tmp/b/b", "upper"), 0);
	if (move_mount(m, "", AT_FDCWD, "/tmp/b/b", MOVE_MOUNT_F_EMPTY_PATH | MOVE_BENEATH) == 0) {
		CHECK(exists("/tmp/b/b", "upper"));
		EQUAL(umount("/tmp/b/b"), 0);
		CHECK(exists("/tmp/b/b", "lower"));
	} else {
		EQUAL(errno, EINVAL);
	}
	close(m);
	EQUAL(umount("/tmp/b/b"), 0);
	EQUAL(umount("/tmp/b/a"), 0);
}

static void attributes(void)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY };
	int fd;

	EQUAL(mount("one", "/tmp/b/a", "tmpfs", 0, ""), 0);
	EQUAL(mkdir("/tmp/b/a/sub", 0755), 0);
	EQUAL(mount("two", "/tmp/b/a/sub", "tmpfs", MS_NOEXEC, ""), 0);
	FAILS(EINVAL, mount_setattr(AT_FDCWD, "/tmp/b/a", 0x40000000, &a, sizeof(a)));
	FAILS(EINVAL, mount_setattr(AT_FDCWD, "/tmp/b/a", 0, &a, 8));
	FAILS(E2BIG, mount_setattr(AT_FDCWD, "/tmp/b/a", 0, &a, 1 << 20));
	FAILS(EINVAL, mount_setattr(AT_FDCWD, "/tmp/b/b", 0, &a, sizeof(a)));
	EQUAL(mount_setattr(AT_FDCWD, "/tmp/b/a", AT_RECURSIVE, &a, sizeof(a)), 0);
	HAS("/tmp/b/a", " /tmp/b/a ro,relatime");
	HAS("/tmp/b/a/sub", " /tmp/b/a/sub ro,noexec,relatime");
	FAILS(EROFS, mkdir("/tmp/b/a/x", 0700));
	a = (struct mount_attr){ .attr_clr = MOUNT_ATTR_RDONLY };
	EQUAL(mount_setattr(AT_FDCWD, "/tmp/b/a", AT_RECURSIVE, &a, sizeof(a)), 0);
	HAS("/tmp/b/a/sub", " /tmp/b/a/sub rw,noexec,relatime");

	/* A writer in the way of one: none is changed. */
	fd = open("/tmp/b/a/sub/f", O_CREAT | O_RDWR, 0600);
	a = (struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY };
	FAILS(EBUSY, mount_setattr(AT_FDCWD, "/tmp/b/a", AT_RECURSIVE, &a, sizeof(a)));
	HAS("/tmp/b/a", " /tmp/b/a rw,");
	close(fd);

	a = (struct mount_attr){ .attr_set = MOUNT_ATTR_NOATIME };
	FAILS(EINVAL, mount_setattr(AT_FDCWD, "/tmp/b/a", 0, &a, sizeof(a)));
	a = (struct mount_attr){ .attr_clr = MOUNT_ATTR_NOATIME };
	FAILS(EINVAL, mount_setattr(AT_FDCWD, "/tmp/b/a", 0, &a, sizeof(a)));
	a = (struct mount_attr){ .attr_set = MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME };
	EQUAL(mount_setattr(AT_FDCWD, "/tmp/b/a", 0, &a, sizeof(a)), 0);
	HAS("/tmp/b/a", " rw,noatime ");
	a = (struct mount_attr){ .attr_set = MOUNT_ATTR_STRICTATIME, .attr_clr = MOUNT_ATTR__ATIME };
	EQUAL(mount_setattr(AT_FDCWD, "/tmp/b/a", 0, &a, sizeof(a)), 0);
	HASNT("/tmp/b/a", "atime");
	a = (struct mount_attr){ .propagation = MS_SHARED | MS_SLAVE };
	FAILS(EINVAL, mount_setattr(AT_FDCWD, "/tmp/b/a", 0, &a, sizeof(a)));
	a = (struct mount_attr){ .propagation = MS_SHARED };
	EQUAL(mount_setattr(AT_FDCWD, "/tmp/b/a", 0, &a, sizeof(a)), 0);
	HAS("/tmp/b/a", "shared:");
	HASNT("/tmp/b/a/sub", "shared:");

	/* A private copy joins the group. */
	fd = open_tree(AT_FDCWD, "/tmp/b/a", OPEN_TREE_CLONE);
	a = (struct mount_attr){ .propagation = MS_PRIVATE };
	EQUAL(mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)), 0);
	EQUAL(move_mount(fd, "", AT_FDCWD, "/tmp/b/b", MOVE_MOUNT_F_EMPTY_PATH), 0);
	HASNT("/tmp/b/b", "shared:");
	EQUAL(move_mount(AT_FDCWD, "/tmp/b/a", AT_FDCWD, "/tmp/b/b", MOVE_MOUNT_SET_GROUP), 0);
	HAS("/tmp/b/b", "shared:");
	FAILS(EINVAL, move_mount(AT_FDCWD, "/tmp/b/a", AT_FDCWD, "/tmp/b/b", MOVE_MOUNT_SET_GROUP));
	EQUAL(mkdir("/tmp/b/a/new", 0755), 0);
	EQUAL(mount("three", "/tmp/b/a/new", "tmpfs", 0, ""), 0);
	HAS("/tmp/b/b/new", " - tmpfs three");
	close(fd);
	EQUAL(umount2("/tmp/b/b", MNT_DETACH), 0);
	EQUAL(umount2("/tmp/b/a", MNT_DETACH), 0);
}

T_MAIN
{
	t_own_tmp();
	EQUAL(mkdir("/tmp/b", 0755), 0);
	EQUAL(mount("base", "/tmp/b", "tmpfs", 0, ""), 0);
	EQUAL(mount(NULL, "/tmp/b", NULL, MS_PRIVATE, NULL), 0);
	mkdir("/tmp/b/a", 0755);
	mkdir("/tmp/b/b", 0755);
	contexts();
	trees();
	attributes();
	umount("/tmp/b");
	rmdir("/tmp/b");
}
