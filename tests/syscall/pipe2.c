/* SPDX-License-Identifier: Apache-2.0 */
/* pipe2.c: pipe2(2): flags, capacity, packets, SIGPIPE, blocking. */
#include "t.h"

static int fd[2], handled[2];

static void on_alarm(int sig)
{
	(void)sig;
	(void)!write(handled[1], "h", 1);
}

static int write_much(void)
{
	static char buf[200000];

	close(fd[0]);
	return write(fd[1], buf, sizeof(buf)) == sizeof(buf) ? 0 : 1;
}

static int write_to_nobody(void)
{
	signal(SIGPIPE, SIG_DFL);
	(void)!write(fd[1], "x", 1);
	return 0;
}

T_MAIN
{
	static char buf[100000];
	struct stat st;
	size_t got = 0;
	ssize_t n;
	pid_t pid;
	int v;

	FAILS(EINVAL, pipe2(fd, O_APPEND));
	FAILS(EFAULT, pipe2(BAD_PTR, 0));
	EQUAL(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
	EQUAL(fcntl(fd[0], F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(fd[0], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
	EQUAL(fcntl(fd[1], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
	EQUAL(fstat(fd[0], &st), 0);
	CHECK(S_ISFIFO(st.st_mode));
	FAILS(ESPIPE, lseek(fd[0], 0, SEEK_CUR));
	FAILS(EAGAIN, read(fd[0], buf, 1));
	FAILS(EBADF, write(fd[0], buf, 1));
	FAILS(EBADF, read(fd[1], buf, 1));
	FAILS(EFAULT, write(fd[1], BAD_PTR, 10));
	EQUAL(fcntl(fd[0], F_GETPIPE_SZ), 65536);
	EQUAL(write(fd[1], buf, sizeof(buf)), 65536);
	FAILS(EAGAIN, write(fd[1], buf, 1));
	EQUAL(ioctl(fd[0], FIONREAD, &v), 0);
	EQUAL(v, 65536);
	EQUAL(fcntl(fd[0], F_SETPIPE_SZ, 100000), 131072);
	FAILS(EBUSY, fcntl(fd[0], F_SETPIPE_SZ, 4096));
	EQUAL(write(fd[1], buf, 10), 10);
	EQUAL(read(fd[0], buf, sizeof(buf)), 65546);
	close(fd[0]);
	close(fd[1]);

	EQUAL(pipe2(fd, O_DIRECT | O_NONBLOCK), 0);
	EQUAL(write(fd[1], "abc", 3), 3);
	EQUAL(write(fd[1], "de", 2), 2);
	EQUAL(read(fd[0], buf, 2), 2);
	EQUAL(read(fd[0], buf, 10), 2);
	close(fd[0]);
	close(fd[1]);

	EQUAL(pipe2(fd, 0), 0);
	pid = t_fork(write_much);
	close(fd[1]);
	while ((n = read(fd[0], buf, 1000)) > 0)
		got += (size_t)n;
	EQUAL(got, 200000);
	EQUAL(n, 0);
	EQUAL(t_wait(pid), 0);
	close(fd[0]);

	EQUAL(pipe2(fd, 0), 0);
	close(fd[0]);
	pid = t_fork(write_to_nobody);
	EQUAL(t_wait(pid), 128 + SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	FAILS(EPIPE, write(fd[1], "x", 1));
	close(fd[1]);

	/* A read that a handler interrupts. */
	EQUAL(pipe2(fd, 0), 0);
	t_handle(SIGALRM, 0);
	INTERRUPTED(read(fd[0], buf, 1));
	CHECK(t_signals >= 1);
	/* And one that goes on: the writer waits for the handler. */
	EQUAL(pipe2(handled, 0), 0);
	pid = fork();
	if (pid == 0)
		_exit(read(handled[0], buf, 1) == 1 && write(fd[1], "z", 1) == 1 ? 0 : 1);
	signal(SIGALRM, on_alarm); /* SA_RESTART */
	t_alarm_ms(20);
	EQUAL(read(fd[0], buf, 1), 1);
	t_alarm_ms(0);
	EQUAL(buf[0], 'z');
	EQUAL(t_wait(pid), 0);
}
