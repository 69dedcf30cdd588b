/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl(2): leases, owners and signal-driven I/O, the order of F_GETLK. */
#include "t.h"

#ifndef F_SETSIG
#define F_SETSIG 10
#endif

static char name[] = "/tmp/fcntl.XXXXXX";

static volatile int got_fd = -1, got_code;

static void on_signal(int sig, siginfo_t *si, void *u)
{
	(void)sig, (void)u;
	got_fd = si->si_fd;
	got_code = si->si_code;
	t_signals++;
}

static void leases(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	int rd = open(name, O_RDONLY), fd;

	EQUAL(fcntl(rd, F_GETLEASE), F_UNLCK);
	FAILS(EINVAL, fcntl(rd, F_SETLEASE, 7));
	FAILS(EAGAIN, fcntl(rd, F_SETLEASE, F_UNLCK));
	EQUAL(fcntl(rd, F_SETLEASE, F_RDLCK), 0);
	EQUAL(fcntl(rd, F_GETLEASE), F_RDLCK);
	sigaction(SIGUSR1, &sa, NULL);
	EQUAL(fcntl(rd, F_SETSIG, SIGUSR1), 0);
	t_signals = 0;
	FAILS(EWOULDBLOCK, open(name, O_WRONLY | O_NONBLOCK));
	EQUAL(t_signals, 1);
	EQUAL(got_fd, rd);
	EQUAL(got_code, POLL_MSG);
	EQUAL(fcntl(rd, F_GETLEASE), F_UNLCK); /* what it shall become */
	EQUAL(fcntl(rd, F_SETLEASE, F_UNLCK), 0);
	fd = open(name, O_WRONLY | O_NONBLOCK);
	CHECK(fd >= 0);
	FAILS(EAGAIN, fcntl(rd, F_SETLEASE, F_RDLCK)); /* open for writing */
	close(fd);
	EQUAL(fcntl(rd, F_SETLEASE, F_WRLCK), 0);
	EQUAL(fcntl(rd, F_GETSIG), 0); /* went with the first lease */
	EQUAL(fcntl(rd, F_SETSIG, SIGUSR1), 0);
	FAILS(EWOULDBLOCK, open(name, O_RDONLY | O_NONBLOCK));
	EQUAL(fcntl(rd, F_GETLEASE), F_RDLCK);
	close(rd); /* the lease goes with the file */
	fd = open(name, O_RDWR | O_NONBLOCK);
	CHECK(fd >= 0);
	FAILS(EAGAIN, fcntl(fd, F_SETLEASE, F_RDLCK));
	close(fd);
	rd = open("/", O_RDONLY);
	FAILS(EINVAL, fcntl(rd, F_SETLEASE, F_RDLCK));
	close(rd);
}

static void owners(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct f_owner_ex x = { .type = F_OWNER_PGRP, .pid = getpgrp() };
	int fd[2], s[2], flags;

	CHECK(pipe(fd) == 0);
	EQUAL(fcntl(fd[0], F_GETOWN), 0);
	FAILS(ESRCH, fcntl(fd[0], F_SETOWN, 4000000));
	EQUAL(fcntl(fd[0], F_SETOWN_EX, &x), 0);
	EQUAL(fcntl(fd[0], F_GETOWN), -getpgrp());
	x.type = 9;
	FAILS(EINVAL, fcntl(fd[0], F_SETOWN_EX, &x));
	EQUAL(fcntl(fd[0], F_GETOWN_EX, &x), 0);
	EQUAL(x.type, F_OWNER_PGRP);
	FAILS(EINVAL, fcntl(fd[0], F_SETSIG, 65));
	EQUAL(fcntl(fd[0], F_SETOWN, getpid()), 0);
	EQUAL(fcntl(fd[0], F_GETOWN), getpid());
	sigaction(SIGRTMIN, &sa, NULL);
	EQUAL(fcntl(fd[0], F_SETSIG, SIGRTMIN), 0);
	EQUAL(fcntl(fd[0], F_GETSIG), SIGRTMIN);
	EQUAL(fcntl(fd[0], F_SETFL, O_ASYNC), 0);
	t_signals = 0;
	EQUAL(write(fd[1], "x", 1), 1);
	AWAIT(t_signals);
	EQUAL(t_signals, 1);
	EQUAL(got_fd, fd[0]);
	EQUAL(got_code, POLL_IN);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	t_handle(SIGIO, 0);
	EQUAL(fcntl(s[0], F_SETOWN, getpid()), 0);
	EQUAL(fcntl(s[0], F_SETFL, O_ASYNC), 0);
	t_signals = 0;
	EQUAL(write(s[1], "x", 1), 1);
	AWAIT(t_signals);
	CHECK(t_signals > 0);
	close(fd[0]);
	close(s[0]);
	fd[0] = open(name, O_RDONLY);
	EQUAL(fcntl(fd[0], F_SETFL, O_ASYNC), 0);
	flags = fcntl(fd[0], F_GETFL);
	EQUAL(flags & O_ASYNC, 0); /* means nothing for a file */
	close(fd[0]);
}

/* F_GETLK tells of the first lock by position, in whatever order they were made. */
static int lock_order_child(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_len = 0 };
	int fd = open(name, O_RDWR);

	EQUAL(fcntl(fd, F_GETLK, &l), 0);
	EQUAL(l.l_start, 10);
	EQUAL(l.l_len, 5);
	EQUAL(l.l_type, F_RDLCK);
	return t_failures;
}

static void lock_order(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = 30, .l_len = 5 };
	int fd = open(name, O_RDWR);

	EQUAL(fcntl(fd, F_SETLK, &l), 0);
	l.l_start = 10;
	l.l_type = F_RDLCK;
	EQUAL(fcntl(fd, F_SETLK, &l), 0);
	l.l_start = 20;
	l.l_type = F_WRLCK;
	EQUAL(fcntl(fd, F_SETLK, &l), 0);
	EQUAL(t_wait(t_fork(lock_order_child)), 0);
	close(fd);
}

static void directory(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	char dir[] = "/tmp/fcntl.dir.XXXXXX", file[64];
	int fd;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(file, sizeof(file), "%s/file", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	sigaction(SIGRTMIN, &sa, NULL);
	EQUAL(fcntl(fd, F_SETSIG, SIGRTMIN), 0);
	EQUAL(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT), 0);
	t_signals = 0;
	close(creat(file, 0600));
	EQUAL(t_signals, 1);
	EQUAL(got_fd, fd);
	EQUAL(fcntl(fd, F_NOTIFY, 0), 0);
	EQUAL(fcntl(fd, F_NOTIFY, DN_DELETE), 0); /* once */
	unlink(file);
	EQUAL(t_signals, 2);
	close(creat(file, 0600));
	EQUAL(t_signals, 2);
	unlink(file);
	close(fd);
	rmdir(dir);
	fd = open(name, O_RDONLY);
	FAILS(ENOTDIR, fcntl(fd, F_NOTIFY, DN_CREATE));
	close(fd);
}

T_MAIN
{
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	close(fd);
	leases();
	owners();
	lock_order();
	directory();
	unlink(name);
}
