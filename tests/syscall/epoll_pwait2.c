/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_pwait2.c: epoll_pwait2(2). */
#include "t.h"

#include <sys/epoll.h>

T_MAIN
{
	struct timespec ts = { 0, 15000000 }, bad = { 0, -1 };
	struct epoll_event got;
	int e = epoll_create1(0);
	int64_t start = t_now_ms();

	EQUAL(syscall(SYS_epoll_pwait2, e, &got, 1, &ts, NULL, 8), 0);
	CHECK(t_now_ms() - start >= 14);
	FAILS(EINVAL, syscall(SYS_epoll_pwait2, e, &got, 1, &bad, NULL, 8));
	FAILS(EFAULT, syscall(SYS_epoll_pwait2, e, &got, 1, BAD_PTR, NULL, 8));
}
