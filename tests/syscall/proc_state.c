/* SPDX-License-Identifier: Apache-2.0 */
/* proc_state.c: the state in /proc/PID/stat: S is who sleeps, R who computes or is at work in a call. */
#include "t.h"

#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

static volatile int *shared;

static int calls(void)
{
	char buf[16];
	int fd = open("/proc/self/stat", O_RDONLY);

	while (shared[0] >= 0) {
		umask(022);
		close(dup(0));
		(void)!pread(fd, buf, sizeof(buf), 0);
		shared[0]++;
	}
	return 0;
}

static int computes(void)
{
	while (shared[0] >= 0)
		shared[0] = (shared[0] + 1) & 0xffff;
	return 0;
}

static int reads(void)
{
	int p[2];
	char c;

	return pipe(p) < 0 || read(p[0], &c, 1) != 1;
}

static int futex_waits(void)
{
	return syscall(SYS_futex, &shared[1], FUTEX_WAIT, 0, NULL, NULL, 0) != 0;
}

static int polls(void)
{
	return poll(NULL, 0, -1);
}

static int epolls(void)
{
	struct epoll_event ev;

	int fd = epoll_create1(0);

	while (epoll_wait(fd, &ev, 1, -1) < 0 && errno == EINTR)
		; /* a stop ends it */
	return 1;
}

static int pauses(void)
{
	return pause();
}

static int naps(void)
{
	return (int)sleep(1000);
}

static int waits(void)
{
	pid_t self = getpid();

	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == self) /* it may have gone before */
			pause();
		_exit(0);
	}
	return wait(NULL) < 0;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	t_wait(pid);
}

/* All of the time. */
static void never_asleep(int (*fn)(void))
{
	int seen = 0, other = 0;
	pid_t pid;

	shared[0] = 0;
	pid = t_fork(fn);
	AWAIT(shared[0] > 0);
	for (int i = 0; i < 2000; i++) {
		char s = t_state(pid);

		seen += s == 'R';
		other += s != 'R' && s != 'D';
	}
	CHECK(seen > 0);
	EQUAL(other, 0);
	end(pid);
}

static void falls_asleep(int (*fn)(void))
{
	pid_t pid = t_fork(fn);

	AWAIT(t_state(pid) == 'S');
	t_sleep_ms(5);
	EQUAL(t_state(pid), 'S');
	kill(pid, SIGSTOP);
	AWAIT(t_state(pid) == 'T');
	kill(pid, SIGCONT);
	AWAIT(t_state(pid) == 'S');
	end(pid);
}

T_MAIN
{
	int (*const sleepers[])(void) = { reads, futex_waits, polls, epolls, pauses, naps, waits };
	pid_t pid;

	if (!t_state(getpid()))
		exit(77);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EQUAL(t_state(getpid()), 'R');
	never_asleep(computes);
	never_asleep(calls);
	for (size_t i = 0; i < sizeof(sleepers) / sizeof(*sleepers); i++)
		falls_asleep(sleepers[i]);
	pid = fork();
	if (pid == 0)
		_exit(0);
	AWAIT(t_state(pid) == 'Z');
	t_wait(pid);
}
