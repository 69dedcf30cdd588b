/* SPDX-License-Identifier: Apache-2.0 */
/* cachestat(2): written pages of a memfd are all there. */
#include "t.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

T_MAIN
{
	struct {
		uint64_t off, len;
	} range = { 0, 0 };
	uint64_t s[5];
	char page[4096] = "x";
	int fd = memfd_create("x", 0), p[2];

	if (syscall(SYS_cachestat, fd, &range, s, 0) < 0 && errno == ENOSYS)
		exit(77);
	for (int i = 0; i < 8; i++)
		EQUAL(write(fd, page, sizeof(page)), sizeof(page));
	EQUAL(syscall(SYS_cachestat, fd, &range, s, 0), 0);
	EQUAL(s[0] + s[3], 8);
	range.off = 4096, range.len = 2 * 4096;
	EQUAL(syscall(SYS_cachestat, fd, &range, s, 0), 0);
	EQUAL(s[0] + s[3], 2);
	range.off = 1 << 20;
	EQUAL(syscall(SYS_cachestat, fd, &range, s, 0), 0);
	EQUAL(s[0] + s[3], 0);
	FAILS(EINVAL, syscall(SYS_cachestat, fd, &range, s, 1));
	FAILS(EBADF, syscall(SYS_cachestat, -1, &range, s, 0));
	FAILS(EFAULT, syscall(SYS_cachestat, fd, t_bad, s, 0));
	FAILS(EFAULT, syscall(SYS_cachestat, fd, &range, t_bad, 0));
	CHECK(pipe(p) == 0);
}
