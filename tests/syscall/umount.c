/* SPDX-License-Identifier: Apache-2.0 */
/* A file that was mapped and is no more does not keep its file system mounted. */
#include "t.h"

#include <sched.h>
#include <sys/mount.h>

T_MAIN
{
	char dir[] = "/tmp/umount.XXXXXX", file[64];
	char *p;
	int fd;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		printf("no mounts here\n");
		exit(77);
	}
	CHECK(mkdtemp(dir) != NULL);
	EQUAL(mount("x", dir, "tmpfs", 0, NULL), 0);
	snprintf(file, sizeof(file), "%s/f", dir);
	fd = open(file, O_RDWR | O_CREAT, 0600);
	EQUAL(ftruncate(fd, 4096), 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	close(fd);
	FAILS(EBUSY, umount(dir));
	munmap(p, 4096);
	EQUAL(umount(dir), 0);
	rmdir(dir);
}
