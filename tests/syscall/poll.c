/* SPDX-License-Identifier: Apache-2.0 */
/* poll.c: poll(2). */
#include "t.h"

/* Not from the beginning again: that would be 300 ms. */
static int polls_on(void)
{
	int64_t start = t_now_ms();

	if (poll(NULL, 0, 200) != 0 || t_now_ms() - start < 200)
		return 2;
	return t_now_ms() - start < 290 ? 0 : 1;
}

T_MAIN
{
	struct pollfd p[3];
	struct rlimit rl;
	int64_t start;
	int fd[2];
	pid_t pid;

	EQUAL(pipe(fd), 0);
	p[0] = (struct pollfd){ fd[0], POLLIN, 99 };
	p[1] = (struct pollfd){ fd[1], POLLOUT, 99 };
	p[2] = (struct pollfd){ -1, POLLIN, 99 };
	EQUAL(poll(p, 3, 0), 1);
	EQUAL(p[0].revents, 0);
	EQUAL(p[1].revents, POLLOUT);
	EQUAL(p[2].revents, 0);
	p[2].fd = 999;
	EQUAL(poll(p, 3, -1), 2);
	EQUAL(p[2].revents, POLLNVAL);
	start = t_now_ms();
	EQUAL(poll(p, 1, 50), 0);
	CHECK(t_now_ms() - start >= 50);
	FAILS(EFAULT, poll(BAD_PTR, 1, 0));
	EQUAL(poll(NULL, 0, 10), 0);
	getrlimit(RLIMIT_NOFILE, &rl);
	FAILS(EINVAL, syscall(SYS_poll, p, (unsigned int)rl.rlim_cur + 1, 0));

	pid = fork();
	if (pid == 0) {
		t_sleep_ms(30);
		_exit(write(fd[1], "x", 1) != 1);
	}
	EQUAL(poll(p, 1, -1), 1);
	EQUAL(p[0].revents, POLLIN);
	EQUAL(t_wait(pid), 0);
	close(fd[1]);
	EQUAL(poll(p, 1, -1), 1);
	EQUAL(p[0].revents, POLLIN | POLLHUP);
	(void)!read(fd[0], p, 1);
	EQUAL(poll(p, 1, -1), 1);

	t_handle(SIGALRM, SA_RESTART); /* poll is never restarted after a handler */
	INTERRUPTED(poll(NULL, 0, -1));
	/* Stopped and continued, it goes on with what was left. */
	t_stopped_on_the_way(polls_on);
}
