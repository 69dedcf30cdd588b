/* SPDX-License-Identifier: Apache-2.0 */
/* mseal(2), and guard pages (MADV_GUARD_INSTALL). */
#include "t.h"

#define PAGE 4096ul
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static char *map(int prot)
{
	return mmap(NULL, 4 * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void guards(void)
{
	char *p = map(PROT_READ | PROT_WRITE);
	int status, fd[2];

	memset(p, 1, 4 * PAGE);
	if (madvise(p + PAGE, PAGE, 102) < 0 && errno == EINVAL)
		return; /* before Linux 6.13 */
	EQUAL(p[0], 1);
	EQUAL(p[2 * PAGE], 1);
	if (fork() == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(((volatile char *)p)[PAGE]);
	}
	wait(&status);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	EQUAL(pipe(fd), 0);
	FAILS(EFAULT, write(fd[1], p + PAGE, 1));
	EQUAL(madvise(p + PAGE, PAGE, 103), 0);
	EQUAL(p[PAGE], 0);
	munmap(p, 4 * PAGE);
}

T_MAIN
{
	char *p = map(PROT_READ | PROT_WRITE), *q = map(PROT_READ);
	int status;

	guards();
	FAILS(EINVAL, syscall(SYS_mseal, p, PAGE, 1ul) < 0 && errno == ENOSYS ? (exit(77), 0) : -1);
	FAILS(EINVAL, syscall(SYS_mseal, p + 1, PAGE, 0ul));
	FAILS(EINVAL, syscall(SYS_mseal, p, -PAGE + 2, 0ul));
	munmap(p + 3 * PAGE, PAGE);
	FAILS(ENOMEM, syscall(SYS_mseal, p + 2 * PAGE, 2 * PAGE, 0ul));
	EQUAL(syscall(SYS_mseal, p + PAGE, PAGE, 0ul), 0);
	EQUAL(syscall(SYS_mseal, q, PAGE, 0ul), 0);
	for (int i = 0; i < 2; i++) { /* again in a child */
		FAILS(EPERM, munmap(p, 3 * PAGE));
		FAILS(EPERM, mprotect(p + PAGE, PAGE, PROT_READ));
		EQUAL(mprotect(p, PAGE, PROT_READ), 0);
		EQUAL(mremap(p + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EPERM, 1);
		EQUAL(mmap(p, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
		      errno == EPERM, 1);
		FAILS(EPERM, madvise(q, PAGE, MADV_DONTNEED));
		EQUAL(madvise(p + PAGE, PAGE, MADV_DONTNEED), 0);
		if (i == 0 && fork()) {
			wait(&status);
			EQUAL(status, 0);
			break;
		}
	}
	EQUAL(munmap(q + PAGE, PAGE), 0);
}
