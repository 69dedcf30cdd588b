/* SPDX-License-Identifier: Apache-2.0 */
/* mq_open.c: mq_open(3) and kin: order, limits, waiting, notification. */
#include "t.h"

#include <mqueue.h>

static char name[64];
static mqd_t q;
static siginfo_t got;

static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	(void)sig, (void)ctx;
	got = *info;
	t_signals++;
}

static volatile int told;

static void on_message(union sigval v)
{
	told = v.sival_int;
}

static int late_sender(void)
{
	t_sleep_ms(30);
	return mq_send(q, "late", 5, 0);
}

static int other_user(void)
{
	if (setgid(12345) || setuid(12345))
		return 1;
	if (mq_open(name, O_RDWR) != -1 || errno != EACCES)
		return 2;
	return mq_unlink(name) == -1 && errno == EACCES ? 0 : 3;
}

T_MAIN
{
	struct mq_attr a = { .mq_maxmsg = 3, .mq_msgsize = 64 }, b;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct timespec ts;
	struct pollfd p;
	unsigned int prio;
	char buf[200];
	mqd_t r;
	pid_t pid;

	snprintf(name, sizeof(name), "/t%d", getpid());
	FAILS(ENOENT, mq_open(name, O_RDWR));
	FAILS(ENOENT, mq_unlink(name));
	FAILS(EACCES, mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
	FAILS(EACCES, syscall(SYS_mq_open, ".", O_RDWR | O_CREAT, 0600, NULL));
	FAILS(ENOENT, syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, NULL));
	a.mq_maxmsg = 0;
	FAILS(EINVAL, mq_open(name, O_RDWR | O_CREAT, 0600, &a));
	a.mq_maxmsg = 3;
	a.mq_msgsize = 17 << 20;
	FAILS(EINVAL, mq_open(name, O_RDWR | O_CREAT, 0600, &a));
	a.mq_msgsize = 64;
	q = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	CHECK(q >= 0);
	FAILS(EEXIST, mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
	EQUAL(fcntl(q, F_GETFD), FD_CLOEXEC);
	EQUAL(mq_getattr(q, &b), 0);
	CHECK(b.mq_maxmsg == 3 && b.mq_msgsize == 64 && b.mq_curmsgs == 0 && b.mq_flags == 0);
	if (geteuid() == 0)
		EQUAL(t_wait(t_fork(other_user)), 0);

	EQUAL(mq_send(q, "low", 4, 1), 0);
	EQUAL(mq_send(q, "high", 5, 9), 0);
	EQUAL(mq_send(q, "low2", 5, 1), 0);
	p = (struct pollfd){ .fd = q, .events = POLLIN | POLLOUT };
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN);
	b.mq_flags = O_NONBLOCK;
	EQUAL(mq_setattr(q, &b, &a), 0);
	CHECK(a.mq_flags == 0 && a.mq_curmsgs == 3);
	FAILS(EAGAIN, mq_send(q, "x", 1, 0));
	FAILS(EMSGSIZE, mq_send(q, buf, 65, 0));
	FAILS(EINVAL, mq_send(q, "x", 1, 32768));
	FAILS(EMSGSIZE, mq_receive(q, buf, 63, NULL));
	EQUAL(read(q, buf, sizeof(buf)), 60);
	CHECK(!strncmp(buf, "QSIZE:14 ", 9));
	EQUAL(mq_receive(q, buf, sizeof(buf), &prio), 5);
	CHECK(prio == 9 && !strcmp(buf, "high"));
	EQUAL(mq_receive(q, buf, sizeof(buf), &prio), 4);
	CHECK(prio == 1 && !strcmp(buf, "low"));
	EQUAL(mq_receive(q, buf, sizeof(buf), NULL), 5);
	FAILS(EAGAIN, mq_receive(q, buf, sizeof(buf), NULL));
	b.mq_flags = 0;
	EQUAL(mq_setattr(q, &b, NULL), 0);
	b.mq_flags = O_APPEND;
	FAILS(EINVAL, mq_setattr(q, &b, NULL));

	r = mq_open(name, O_RDONLY);
	FAILS(EBADF, mq_send(r, "x", 1, 0));
	FAILS(EBADF, mq_receive(0, buf, sizeof(buf), NULL));
	EQUAL(mq_close(r), 0);

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 30000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	FAILS(ETIMEDOUT, mq_timedreceive(q, buf, sizeof(buf), NULL, &ts));
	ts.tv_nsec = -1;
	FAILS(EINVAL, mq_timedreceive(q, buf, sizeof(buf), NULL, &ts));
	pid = t_fork(late_sender);
	EQUAL(mq_receive(q, buf, sizeof(buf), NULL), 5);
	EQUAL(t_wait(pid), 0);
	t_handle(SIGALRM, 0);
	INTERRUPTED(mq_receive(q, buf, sizeof(buf), NULL));

	/* Told of a message in an empty queue, once. */
	t_signals = 0;
	sigaction(SIGUSR1, &sa, NULL);
	EQUAL(mq_notify(q, &ev), 0);
	FAILS(EBUSY, mq_notify(q, &ev));
	ev.sigev_value.sival_int = 77;
	EQUAL(mq_notify(q, NULL), 0);
	EQUAL(mq_notify(q, &ev), 0);
	EQUAL(mq_send(q, "a", 1, 0), 0);
	EQUAL(mq_send(q, "b", 1, 0), 0);
	AWAIT(t_signals);
	EQUAL(t_signals, 1);
	EQUAL(got.si_code, SI_MESGQ);
	EQUAL(got.si_pid, getpid());
	EQUAL(got.si_value.sival_int, 77);
	ev.sigev_notify = 99;
	FAILS(EINVAL, mq_notify(q, &ev));

	/* The same by a thread of the C library's. */
	while (mq_getattr(q, &b) == 0 && b.mq_curmsgs)
		mq_receive(q, buf, sizeof(buf), NULL);
	ev = (struct sigevent){ .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_message };
	ev.sigev_value.sival_int = 5;
	EQUAL(mq_notify(q, &ev), 0);
	EQUAL(mq_send(q, "c", 1, 0), 0);
	AWAIT(told);
	EQUAL(told, 5);

	EQUAL(mq_unlink(name), 0);
	FAILS(ENOENT, mq_open(name, O_RDWR));
	EQUAL(mq_receive(q, buf, sizeof(buf), NULL), 1);
	EQUAL(mq_close(q), 0);
}
