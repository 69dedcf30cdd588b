/* SPDX-License-Identifier: Apache-2.0 */
/* protected.c: fs.protected_symlinks, _hardlinks, _fifos, _regular in sticky directories. */
#include "t.h"

static char dir[] = "/tmp/protected-XXXXXX";
static int symlinks, hardlinks, fifos, regular;

static int variable(const char *name)
{
	char path[64], c = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/fs/protected_%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, &c, 1) != 1)
		exit(77);
	close(fd);
	return c - '0';
}

static int try(const char *name, int flags)
{
	int fd = openat(AT_FDCWD, name, flags, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* In a directory of uid 1 with things of uid 2, what may uid 3 (and 0 without capabilities of files) do? */
static int as_other(void)
{
	CHECK(chdir(dir) == 0);
	CHECK(setresgid(3, 3, 3) == 0 && setresuid(3, 3, 3) == 0);
	EQUAL(try("link", O_RDONLY), symlinks ? EACCES : 0);
	EQUAL(try("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	EQUAL(try("link", O_RDWR | O_CREAT), symlinks ? EACCES : regular ? EACCES : 0);
	EQUAL(try("ownlink", O_RDONLY), 0);      /* the directory's owner made it */
	EQUAL(try("sub/../file", O_RDONLY), 0);
	EQUAL(try("dirlink/x", O_RDONLY), 0);    /* not the last component */
	EQUAL(try("file", O_RDWR), 0);
	EQUAL(try("file", O_RDWR | O_CREAT), regular ? EACCES : 0);
	EQUAL(try("file", O_RDWR | O_CREAT | O_EXCL), EEXIST);
	EQUAL(try("ownfile", O_RDWR | O_CREAT), 0);
	EQUAL(try("new", O_RDWR | O_CREAT), 0);
	EQUAL(try("new", O_RDWR | O_CREAT), 0);
	EQUAL(try("fifo", O_RDWR | O_NONBLOCK | O_CREAT), fifos ? EACCES : 0);
	EQUAL(try("fifo", O_RDWR | O_NONBLOCK), 0);
	EQUAL(link("readable", "hard") ? errno : 0, hardlinks ? EPERM : 0);
	EQUAL(link("file", "hard2") ? errno : 0, 0);
	return t_failures != 0;
}

static int as_group(void)
{
	CHECK(chdir(dir) == 0);
	CHECK(setresgid(3, 3, 3) == 0 && setresuid(3, 3, 3) == 0);
	EQUAL(try("file", O_RDWR | O_CREAT), regular >= 2 ? EACCES : 0);
	EQUAL(try("fifo", O_RDWR | O_NONBLOCK | O_CREAT), fifos >= 2 ? EACCES : 0);
	EQUAL(try("link", O_RDONLY), 0);
	return t_failures != 0;
}

T_MAIN
{
	static const char *const all[] = { "file", "ownfile", "readable", "fifo", "link", "ownlink", "dirlink",
					   "sub/x", "sub", "new", "hard", "hard2" };

	if (geteuid() != 0)
		exit(77);
	symlinks = variable("symlinks"), hardlinks = variable("hardlinks");
	fifos = variable("fifos"), regular = variable("regular");
	umask(0);
	CHECK(mkdtemp(dir) != NULL);
	CHECK(chdir(dir) == 0);
	for (int n = 0; n < 3; n++) {
		int fd = open(all[n], O_CREAT | O_WRONLY, n == 2 ? 0644 : 0666);

		close(fd);
		CHECK(chown(all[n], n == 1 ? 1 : 2, 2) == 0);
	}
	CHECK(mkfifo("fifo", 0666) == 0 && chown("fifo", 2, 2) == 0);
	CHECK(symlink("file", "link") == 0 && lchown("link", 2, 2) == 0);
	CHECK(symlink("file", "ownlink") == 0 && lchown("ownlink", 1, 1) == 0);
	CHECK(mkdir("sub", 0777) == 0);
	close(open("sub/x", O_CREAT | O_WRONLY, 0666));
	CHECK(symlink("sub", "dirlink") == 0 && lchown("dirlink", 2, 2) == 0);
	CHECK(chown(dir, 1, 1) == 0 && chmod(dir, 01777) == 0);
	EQUAL(t_wait(t_fork(as_other)), 0);
	CHECK(chown(dir, 1, 3) == 0 && chmod(dir, 01775) == 0);
	EQUAL(t_wait(t_fork(as_group)), 0);
	for (size_t n = 0; n < sizeof(all) / sizeof(*all); n++)
		(void)remove(all[n]);
	CHECK(rmdir(dir) == 0);
}
