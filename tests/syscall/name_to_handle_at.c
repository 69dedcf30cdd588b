/* SPDX-License-Identifier: Apache-2.0 */
/* name_to_handle_at.c: name_to_handle_at(2), open_by_handle_at(2), on a tmpfs.  As root. */
#include "t.h"


struct fh {
	unsigned int bytes;
	int type;
	unsigned char data[128];
};

#define FH(h) ((struct file_handle *)(void *)(h))

T_MAIN
{
	struct fh h = { .bytes = 128 }, d = { .bytes = 128 }, small = { .bytes = 0 };
	char buf[8] = { 0 };
	struct statx sx;
	struct stat a, b;
	int fd, at, id = -1;

	t_own_tmp();
	EQUAL(mkdir("/tmp/h", 0755), 0);
	EQUAL(mount("t", "/tmp/h", "tmpfs", 0, ""), 0);
	EQUAL(mkdir("/tmp/h/d", 0755), 0);
	EQUAL(mkdir("/tmp/h/d/e", 0755), 0);
	fd = open("/tmp/h/d/e/f", O_CREAT | O_RDWR, 0600);
	EQUAL(write(fd, "hello", 5), 5);
	close(fd);

	FAILS(EOVERFLOW, name_to_handle_at(AT_FDCWD, "/tmp/h/d/e/f", FH(&small), &id, 0));
	CHECK(small.bytes > 0 && small.bytes <= 128);
	EQUAL(statx(AT_FDCWD, "/tmp/h", 0, STATX_MNT_ID, &sx), 0);
	EQUAL(id, sx.stx_mnt_id);
	EQUAL(name_to_handle_at(AT_FDCWD, "/tmp/h/d/e/f", FH(&h), &id, 0), 0);
	EQUAL(h.bytes, small.bytes);
	EQUAL(name_to_handle_at(AT_FDCWD, "/tmp/h/d", FH(&d), &id, 0), 0);
	small.bytes = 129;
	FAILS(EINVAL, name_to_handle_at(AT_FDCWD, "/tmp/h/d", FH(&small), &id, 0));
	FAILS(EINVAL, name_to_handle_at(AT_FDCWD, "/tmp/h/d", FH(&h), &id, 0x40000000));
	FAILS(ENOENT, name_to_handle_at(AT_FDCWD, "", FH(&h), &id, 0));
	FAILS(EFAULT, name_to_handle_at(AT_FDCWD, "/tmp/h/d", BAD_PTR, &id, 0));
	FAILS(EFAULT, name_to_handle_at(AT_FDCWD, "/tmp/h/d", FH(&d), BAD_PTR, 0));
	d.bytes = 128;
	EQUAL(name_to_handle_at(AT_FDCWD, "/tmp/h/d", FH(&d), &id, 0), 0);

	at = open("/tmp/h", O_RDONLY | O_DIRECTORY);
	fd = open_by_handle_at(at, FH(&h), O_RDONLY);
	if (fd < 0 && errno == EPERM)
		exit(t_failures ? 1 : 0); /* containers have no CAP_DAC_READ_SEARCH */
	CHECK(fd >= 0);
	EQUAL(read(fd, buf, 8), 5);
	EQUAL(strcmp(buf, "hello"), 0);
	close(fd);
	fd = open_by_handle_at(at, FH(&d), O_RDONLY | O_DIRECTORY);
	EQUAL(fstat(fd, &a), 0);
	EQUAL(stat("/tmp/h/d", &b), 0);
	EQUAL(a.st_ino, b.st_ino);
	EQUAL(faccessat(fd, "e/f", R_OK, 0), 0);
	close(fd);
	EQUAL(rename("/tmp/h/d/e/f", "/tmp/h/g"), 0);
	fd = open_by_handle_at(at, FH(&h), O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	EQUAL(unlink("/tmp/h/g"), 0);
	FAILS(ESTALE, open_by_handle_at(at, FH(&h), O_RDONLY));
	FAILS(EBADF, open_by_handle_at(999, FH(&d), O_RDONLY));
	d.bytes = 0;
	FAILS(EINVAL, open_by_handle_at(at, FH(&d), O_RDONLY));
	close(at);
	umount("/tmp/h");
	rmdir("/tmp/h");
}
