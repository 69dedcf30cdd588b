/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd2.c: eventfd2(2). */
#include "t.h"

#include <sys/eventfd.h>

T_MAIN
{
	uint64_t v = 7;
	int e = eventfd(2, EFD_NONBLOCK | EFD_CLOEXEC);
	struct pollfd p = { e, POLLIN | POLLOUT, 0 };

	EQUAL(fcntl(e, F_GETFD), FD_CLOEXEC);
	EQUAL(write(e, &v, 8), 8);
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN | POLLOUT);
	FAILS(EINVAL, read(e, &v, 7));
	EQUAL(read(e, &v, 8), 8);
	EQUAL(v, 9);
	FAILS(EAGAIN, read(e, &v, 8));
	v = UINT64_MAX;
	FAILS(EINVAL, write(e, &v, 8));
	FAILS(EFAULT, write(e, BAD_PTR, 8));
	FAILS(EINVAL, eventfd(0, 8));
	e = eventfd(2, EFD_SEMAPHORE);
	EQUAL(read(e, &v, 8), 8);
	EQUAL(v, 1);
	if (fork() == 0) {
		t_sleep_ms(30);
		v = 1;
		_exit(write(e, &v, 8) != 8);
	}
	EQUAL(read(e, &v, 8), 8);
	EQUAL(read(e, &v, 8), 8);
}
