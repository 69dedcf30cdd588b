/* SPDX-License-Identifier: Apache-2.0 */
/* What splice(2) turns away at once, though the pipe is empty; and kcmp(2) of SEM_UNDO lists. */
#include "t.h"

#include <linux/kcmp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

T_MAIN
{
	int p[2], ev = eventfd(0, 0), ep = epoll_create1(0), tm = timerfd_create(CLOCK_MONOTONIC, 0), dir = open("/", O_RDONLY);
	pid_t child;
	int status;

	EQUAL(pipe(p), 0);
	FAILS(EINVAL, splice(p[0], NULL, ev, NULL, 1, 0));
	FAILS(EINVAL, splice(p[0], NULL, ep, NULL, 1, 0));
	FAILS(EINVAL, splice(p[0], NULL, tm, NULL, 1, 0));
	FAILS(EINVAL, splice(ev, NULL, p[1], NULL, 1, 0));
	FAILS(EINVAL, splice(tm, NULL, p[1], NULL, 1, 0));
	FAILS(EINVAL, splice(dir, NULL, p[1], NULL, 1, 0));
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	EQUAL(syscall(SYS_kcmp, getpid(), child, KCMP_SYSVSEM, 0, 0), 0);
	CHECK(syscall(SYS_kcmp, getpid(), child, KCMP_VM, 0, 0) > 0);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}
