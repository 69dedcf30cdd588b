/* SPDX-License-Identifier: Apache-2.0 */
/* memfds: seals against mappings that come and go, and the flags of huge pages. */
#include "t.h"

#define PAGE 4096ul

T_MAIN
{
	int fd = memfd_create("x", MFD_ALLOW_SEALING);
	char *p;

	CHECK(fd >= 0);
	EQUAL(ftruncate(fd, 4 * PAGE), 0);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	FAILS(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EQUAL(fcntl(fd, F_GET_SEALS), 0);
	munmap(p, PAGE);
	EQUAL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	EQUAL(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE);
	FAILS(EPERM, write(fd, "x", 1));
	FAILS(EPERM, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	EQUAL(ftruncate(fd, 2 * PAGE), 0);
	close(fd);
	FAILS(EINVAL, memfd_create("x", 0x100));
	FAILS(EINVAL, memfd_create("x", 0x100 | 4 /* MFD_HUGETLB */));
	FAILS(ENODEV, memfd_create("x", 4 | 13 << 26)); /* there are no huge pages of 8 KB */
}
