/* SPDX-License-Identifier: Apache-2.0 */
/* timer_create.c: timer_create(2): whom it signals. */
#include "t.h"

static volatile sig_atomic_t code, value, signo;

static void on_info(int sig, siginfo_t *info, void *ctx)
{
	(void)ctx;
	signo = sig;
	code = info->si_code;
	value = info->si_value.sival_int;
}

/* Many of them, each found by its own id. */
static void many(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	static int ids[3000];
	int n = 0;

	while (n < 3000 && syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &ids[n]) == 0)
		n++;
	CHECK(n == 3000 || errno == EAGAIN); /* RLIMIT_SIGPENDING */
	for (int i = 1; i < n; i += 2)
		EQUAL(syscall(SYS_timer_delete, ids[i]), 0);
	for (int i = 0; i < n; i++) {
		struct itimerspec left;

		EQUAL(syscall(SYS_timer_gettime, ids[i], &left), i % 2 ? -1 : 0);
	}
	for (int i = 0; i < n; i += 2)
		EQUAL(syscall(SYS_timer_delete, ids[i]), 0);
	if (n)
		FAILS(EINVAL, syscall(SYS_timer_delete, ids[0]));
}

T_MAIN
{
	many();
	struct sigaction sa = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec its = { { 0, 0 }, { 0, 10000000 } };
	int id = -1, id2 = -1;

	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	e.sigev_value.sival_int = 4711;
	EQUAL(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), 0);
	EQUAL(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	AWAIT(signo);
	EQUAL(signo, SIGRTMIN);
	EQUAL(code, SI_TIMER);
	EQUAL(value, 4711);
	EQUAL(syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &id2), 0);
	CHECK(id2 != id);
	signo = 0;
	EQUAL(syscall(SYS_timer_settime, id2, 0, &its, NULL), 0);
	AWAIT(signo);
	EQUAL(signo, SIGALRM);
	EQUAL(value, id2);
	e.sigev_notify = 4; /* SIGEV_THREAD_ID */
	((int *)&e)[4] = (int)syscall(SYS_gettid);
	EQUAL(syscall(SYS_timer_create, CLOCK_BOOTTIME, &e, &id), 0);
	signo = 0;
	EQUAL(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	AWAIT(signo);
	EQUAL(signo, SIGRTMIN);
	((int *)&e)[4] = 1 << 20;
	FAILS(EINVAL, syscall(SYS_timer_create, CLOCK_BOOTTIME, &e, &id));
	e.sigev_notify = SIGEV_SIGNAL;
	e.sigev_signo = 77;
	FAILS(EINVAL, syscall(SYS_timer_create, CLOCK_BOOTTIME, &e, &id));
	FAILS(EINVAL, syscall(SYS_timer_create, 99, NULL, &id));
	FAILS(EOPNOTSUPP, syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, NULL, &id));
	FAILS(EFAULT, syscall(SYS_timer_create, CLOCK_MONOTONIC, BAD_PTR, &id));
	FAILS(EFAULT, syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, BAD_PTR));
	/* On CPU time. */
	signo = 0;
	EQUAL(syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, NULL, &id), 0);
	EQUAL(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	for (int64_t start = t_now_ms(); !signo && t_now_ms() - start < T_GUARD_MS;)
		;
	EQUAL(signo, SIGALRM);
}
