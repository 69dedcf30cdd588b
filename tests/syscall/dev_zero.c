/* SPDX-License-Identifier: Apache-2.0 */
/* dev_zero.c: mmap(2) of /dev/zero: private and shared memory, and what a read-only descriptor allows. */
#include "t.h"

T_MAIN
{
	int ro = open("/dev/zero", O_RDONLY), rw = open("/dev/zero", O_RDWR);
	char *p;
	pid_t pid;

	if (ro < 0 || rw < 0)
		exit(77);
	p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, ro, 0);
	CHECK(p != MAP_FAILED);
	EQUAL(p[5000], 0);
	FAILS(EACCES, mprotect(p, 8192, PROT_READ | PROT_WRITE));
	FAILS(EACCES, mprotect(p + 4096, 4096, PROT_WRITE));
	EQUAL(mprotect(p, 8192, PROT_NONE), 0);
	EQUAL(munmap(p, 8192), 0);
	FAILS(EACCES, mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, ro, 0));

	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, ro, 0);
	CHECK(p != MAP_FAILED);
	EQUAL(mprotect(p, 4096, PROT_READ | PROT_WRITE), 0);
	p[0] = 1;
	munmap(p, 4096);

	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, rw, 0);
	EQUAL(mprotect(p, 4096, PROT_READ | PROT_WRITE), 0);
	pid = fork();
	if (pid == 0) {
		p[9] = 7;
		_exit(0);
	}
	t_wait(pid);
	EQUAL(p[9], 7);
	munmap(p, 4096);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, rw, 0); /* another one */
	EQUAL(p[9], 0);
}
