/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_create.c: epoll_create(2). */
#include "t.h"

#include <sys/epoll.h>

T_MAIN
{
	CHECK(epoll_create(1) >= 0);
	FAILS(EINVAL, epoll_create(0));
	FAILS(EINVAL, epoll_create(-1));
}
