/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_create1.c: epoll_create1(2). */
#include "t.h"

#include <sys/epoll.h>

T_MAIN
{
	int e = epoll_create1(EPOLL_CLOEXEC);
	char c;

	EQUAL(fcntl(e, F_GETFD), FD_CLOEXEC);
	FAILS(EINVAL, epoll_create1(1));
	FAILS(EINVAL, read(e, &c, 1));
}
