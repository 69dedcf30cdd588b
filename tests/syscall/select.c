/* SPDX-License-Identifier: Apache-2.0 */
/* select.c: select(2). */
#include "t.h"

#include <sys/select.h>

T_MAIN
{
	struct timeval tv = { 0, 30000 };
	fd_set r, w, e;
	int fd[2];

	EQUAL(pipe(fd), 0);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(fd[0], &r);
	FD_SET(fd[1], &w);
	FD_SET(fd[0], &e);
	EQUAL(select(fd[1] + 1, &r, &w, &e, NULL), 1);
	CHECK(!FD_ISSET(fd[0], &r) && FD_ISSET(fd[1], &w) && !FD_ISSET(fd[0], &e));
	FD_SET(fd[0], &r);
	EQUAL(select(fd[1] + 1, &r, NULL, NULL, &tv), 0);
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 0 && !FD_ISSET(fd[0], &r));
	EQUAL(write(fd[1], "x", 1), 1);
	FD_SET(fd[0], &r);
	tv = (struct timeval){ 1000, 0 };
	EQUAL(select(fd[1] + 1, &r, &w, NULL, &tv), 2);
	CHECK(tv.tv_sec >= 900 && FD_ISSET(fd[0], &r) && FD_ISSET(fd[1], &w));
	FAILS(EINVAL, select(-1, NULL, NULL, NULL, NULL));
	tv = (struct timeval){ -1, 0 };
	FAILS(EINVAL, select(0, NULL, NULL, NULL, &tv));
	FD_SET(60, &r);
	FAILS(EBADF, select(61, &r, NULL, NULL, NULL));
	FAILS(EFAULT, select(1, BAD_PTR, NULL, NULL, NULL));
	close(fd[1]);
	FD_ZERO(&r);
	FD_SET(fd[0], &r);
	EQUAL(select(fd[0] + 1, &r, NULL, NULL, NULL), 1);
	t_handle(SIGALRM, SA_RESTART);
	INTERRUPTED(select(0, NULL, NULL, NULL, NULL));
}
