/* SPDX-License-Identifier: Apache-2.0 */
/* futex.c: futex(2): PI locks, requeueing, robust lists of processes that are killed, futex_waitv(2). */
#include "t.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct waitv { /* struct futex_waitv */
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static long futex(void *addr, int op, unsigned int val, const void *timeout, void *addr2, unsigned int v3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, v3);
}

static atomic_uint word, word2;
static atomic_int inside, worst, sum;

static void *pi_worker(void *arg)
{
	unsigned int tid = (unsigned int)syscall(SYS_gettid), zero;

	(void)arg;
	for (int i = 0; i < 300; i++) {
		zero = 0;
		if (!atomic_compare_exchange_strong(&word, &zero, tid) &&
		    futex(&word, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0)) {
			worst = 100;
			break;
		}
		if (++inside > 1)
			worst = inside;
		sum++;
		if (i % 16 == 0)
			usleep(1);
		inside--;
		if (!atomic_compare_exchange_strong(&word, &tid, 0)) {
			tid = (unsigned int)syscall(SYS_gettid);
			if (futex(&word, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0))
				worst = 200;
		}
	}
	return NULL;
}

static void *requeue_waiter(void *arg)
{
	(void)arg;
	return (void *)futex(&word2, FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG, 5, NULL, &word, 0);
}

static void *waitv_waiter(void *arg)
{
	(void)arg;
	while (futex(&word2, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0) == 0)
		t_sleep_ms(1);
	return NULL;
}

/* After handlers have run. */
static void *waitv_late_waker(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	AWAIT(t_signals >= 3);
	return waitv_waiter(arg);
}

static void pi(void)
{
	unsigned int tid = (unsigned int)syscall(SYS_gettid);
	struct timespec ts;
	pthread_t th[3];
	void *ret;
	long n;

	EQUAL(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
	EQUAL(word, tid);
	FAILS(EDEADLK, futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	FAILS(EDEADLK, futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	EQUAL(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
	EQUAL(word, 0);
	FAILS(EPERM, futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	word = FUTEX_OWNER_DIED;
	EQUAL(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), 0);
	EQUAL(word, tid | FUTEX_OWNER_DIED);
	word = getppid();
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	if (getppid() > 0)
		FAILS(ETIMEDOUT, futex(&word, FUTEX_LOCK_PI, 0, &ts, NULL, 0));
	ts.tv_nsec = -1;
	word = 0;
	FAILS(EINVAL, futex(&word, FUTEX_LOCK_PI, 0, &ts, NULL, 0));
	FAILS(EFAULT, futex(BAD_PTR, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	FAILS(ENOSYS, futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
	FAILS(ENOSYS, futex(&word, 99, 0, NULL, NULL, 0));

	for (int i = 0; i < 3; i++)
		pthread_create(&th[i], NULL, pi_worker, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
	EQUAL(worst, 0);
	EQUAL(sum, 900);
	EQUAL(word, 0);

	word2 = 5;
	pthread_create(&th[0], NULL, requeue_waiter, NULL);
	while ((n = futex(&word2, FUTEX_CMP_REQUEUE_PI | FUTEX_PRIVATE_FLAG, 1, (void *)5, &word, 5)) == 0)
		t_sleep_ms(1); /* it does not wait yet */
	EQUAL(n, 1);
	pthread_join(th[0], &ret);
	EQUAL((long)ret, 0);
	CHECK((word & FUTEX_TID_MASK) != 0);
	word = 0;
	FAILS(EINVAL, futex(&word2, FUTEX_CMP_REQUEUE_PI, 2, (void *)5, &word, 5));
	FAILS(EAGAIN, futex(&word2, FUTEX_CMP_REQUEUE_PI, 1, (void *)5, &word, 6));
}

static void waitv(void)
{
	struct waitv w[2] = { { 0, (uintptr_t)&word, 2 | FUTEX_PRIVATE_FLAG, 0 },
			      { 5, (uintptr_t)&word2, 2 | FUTEX_PRIVATE_FLAG, 0 } };
	struct timespec ts;
	pthread_t th;

	word = 0;
	word2 = 5;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	FAILS(ETIMEDOUT, syscall(SYS_futex_waitv, w, 2, 0, &ts, CLOCK_MONOTONIC));
	w[0].val = 1;
	FAILS(EAGAIN, syscall(SYS_futex_waitv, w, 2, 0, NULL, 0));
	w[0].val = 0;
	FAILS(EINVAL, syscall(SYS_futex_waitv, w, 2, 1, NULL, 0));
	FAILS(EINVAL, syscall(SYS_futex_waitv, w, 129, 0, NULL, 0));
	pthread_create(&th, NULL, waitv_waiter, NULL);
	EQUAL(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0), 1);
	pthread_join(th, NULL);
	t_handle(SIGALRM, SA_RESTART);
	t_alarm_ms(5);
	t_signals = 0;
	pthread_create(&th, NULL, waitv_late_waker, NULL);
	EQUAL(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0), 1);
	t_alarm_ms(0);
	pthread_join(th, NULL);
	t_handle(SIGALRM, 0);
	INTERRUPTED(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0));
	CHECK(t_signals >= 1);
}

/* Linux 6.7's calls of their own. */
#ifndef SYS_futex_wake
#define SYS_futex_wake    454
#define SYS_futex_wait    455
#define SYS_futex_requeue 456
#endif
#define F2_U32     2
#define F2_PRIVATE 128

static long wake2(void *addr, unsigned long mask, int nr, unsigned int flags)
{
	return syscall(SYS_futex_wake, addr, mask, nr, flags);
}

static long wait2(void *addr, unsigned long val, unsigned long mask, unsigned int flags, const void *ts, int clock)
{
	return syscall(SYS_futex_wait, addr, val, mask, flags, ts, clock);
}

static void *wait2_thread(void *arg)
{
	return (void *)wait2(&word, 7, (unsigned long)(uintptr_t)arg, F2_U32 | F2_PRIVATE, NULL, 0);
}

static void *wake2_thread(void *arg)
{
	sigset_t set;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	AWAIT(t_signals >= 3);
	while (wake2(&word, ~0u, 1, F2_U32 | F2_PRIVATE) == 0)
		t_sleep_ms(1);
	return NULL;
}

static struct timespec in_20_ms(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	return ts;
}

static void futex2_waits(void)
{
	struct timespec ts = in_20_ms(CLOCK_MONOTONIC);
	pthread_t th[3];
	void *ret;
	int n;

	word = 7;
	FAILS(ETIMEDOUT, wait2(&word, 7, ~0u, F2_U32, &ts, CLOCK_MONOTONIC));
	ts = in_20_ms(CLOCK_REALTIME);
	FAILS(ETIMEDOUT, wait2(&word, 7, 1, F2_U32 | F2_PRIVATE, &ts, CLOCK_REALTIME));
	FAILS(EINVAL, wait2(&word, 7, ~0u, F2_U32, &ts, CLOCK_BOOTTIME));
	FAILS(EFAULT, wait2(&word, 7, ~0u, F2_U32, BAD_PTR, CLOCK_REALTIME));
	ts.tv_nsec = -1;
	FAILS(EINVAL, wait2(&word, 7, ~0u, F2_U32, &ts, CLOCK_REALTIME));
	FAILS(EAGAIN, wait2(&word, 8, ~0u, F2_U32, NULL, 0));
	FAILS(EAGAIN, wait2(&word, 8, ~0u, F2_U32, NULL, 99)); /* the clock counts with a timeout only */
	FAILS(EINVAL, wait2(&word, 7, 0, F2_U32, NULL, 0));
	FAILS(EINVAL, wait2(&word, 1ul << 32, ~0u, F2_U32, NULL, 0));
	FAILS(EINVAL, wait2(&word, 7, 1ul << 32, F2_U32, NULL, 0));
	FAILS(EINVAL, wait2(&word, 7, ~0u, 0, NULL, 0));
	FAILS(EINVAL, wait2(&word, 7, ~0u, F2_U32 | 0x100, NULL, 0));
	FAILS(EINVAL, wait2((char *)&word + 1, 7, ~0u, F2_U32, NULL, 0));
	FAILS(EFAULT, wait2(BAD_PTR, 7, ~0u, F2_U32, NULL, 0));

	EQUAL(wake2(&word, ~0u, 1, F2_U32), 0);
	FAILS(EINVAL, wake2(&word, 0, 1, F2_U32));
	FAILS(EINVAL, wake2(&word, 1ul << 32, 1, F2_U32));
	FAILS(EINVAL, wake2(&word, ~0u, 1, 1));
	FAILS(EINVAL, wake2((char *)&word + 2, ~0u, 0, F2_U32));
	FAILS(EFAULT, wake2(BAD_PTR, ~0u, 0, F2_U32));

	/* The mask chooses; to wake none wakes none. */
	pthread_create(&th[0], NULL, wait2_thread, (void *)2);
	do {
		EQUAL(wake2(&word, 1, 9, F2_U32 | F2_PRIVATE), 0);
		EQUAL(wake2(&word, 2, 0, F2_U32 | F2_PRIVATE), 0);
		t_sleep_ms(1);
	} while ((n = (int)wake2(&word, 6, 9, F2_U32 | F2_PRIVATE)) == 0);
	EQUAL(n, 1);
	pthread_join(th[0], &ret);
	EQUAL((long)ret, 0);

	/* The two kinds of calls share their futexes, interrupted or not. */
	t_handle(SIGALRM, SA_RESTART);
	pthread_create(&th[0], NULL, wait2_thread, (void *)1);
	while (futex(&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0) == 0)
		t_sleep_ms(1);
	pthread_join(th[0], &ret);
	EQUAL((long)ret, 0);
	t_handle(SIGALRM, 0);
	INTERRUPTED(wait2(&word, 7, ~0u, F2_U32, NULL, 0));
	ts = in_20_ms(CLOCK_MONOTONIC);
	ts.tv_sec += 1000;
	INTERRUPTED(wait2(&word, 7, ~0u, F2_U32 | F2_PRIVATE, &ts, CLOCK_MONOTONIC));
	t_handle(SIGALRM, SA_RESTART);
	t_alarm_ms(5);
	t_signals = 0;
	pthread_create(&th[0], NULL, wake2_thread, NULL);
	EQUAL(wait2(&word, 7, ~0u, F2_U32 | F2_PRIVATE, &ts, CLOCK_MONOTONIC), 0);
	t_alarm_ms(0);
	pthread_join(th[0], NULL);
}

static void futex2_requeue(void)
{
	struct waitv w[2] = { { 7, (uintptr_t)&word, F2_U32 | F2_PRIVATE, 0 },
			      { 0, (uintptr_t)&word2, F2_U32 | F2_PRIVATE, 0 } };
	pthread_t th[3];
	void *ret;
	int n = 0;

	word = 7;
	EQUAL(syscall(SYS_futex_requeue, w, 0, 1, 1), 0);
	FAILS(EINVAL, syscall(SYS_futex_requeue, w, 1, 1, 1));
	FAILS(EINVAL, syscall(SYS_futex_requeue, NULL, 0, 1, 1));
	FAILS(EFAULT, syscall(SYS_futex_requeue, BAD_PTR, 0, 1, 1));
	FAILS(EINVAL, syscall(SYS_futex_requeue, w, 0, -1, 1));
	FAILS(EINVAL, syscall(SYS_futex_requeue, w, 0, 1, -1));
	w[0].val = 8;
	FAILS(EAGAIN, syscall(SYS_futex_requeue, w, 0, 1, 1));
	w[0].val = 1ull << 32;
	FAILS(EINVAL, syscall(SYS_futex_requeue, w, 0, 1, 1));
	w[0].val = 7;
	w[1].reserved = 1;
	FAILS(EINVAL, syscall(SYS_futex_requeue, w, 0, 1, 1));
	w[1].reserved = 0;
	w[1].flags = F2_PRIVATE;
	FAILS(EINVAL, syscall(SYS_futex_requeue, w, 0, 1, 1));
	w[1].flags = F2_U32 | F2_PRIVATE;

	for (int i = 0; i < 3; i++)
		pthread_create(&th[i], NULL, wait2_thread, (void *)1);
	while (n < 3) { /* none woken, all moved */
		n += (int)syscall(SYS_futex_requeue, w, 0, 0, 3);
		t_sleep_ms(1);
	}
	EQUAL(n, 3);
	EQUAL(wake2(&word, ~0u, 9, F2_U32 | F2_PRIVATE), 0);
	EQUAL(wake2(&word2, ~0u, 9, F2_U32 | F2_PRIVATE), 3);
	for (int i = 0; i < 3; i++) {
		pthread_join(th[i], &ret);
		EQUAL((long)ret, 0);
	}
}

static void futex2(void)
{
	if (wake2(&word, ~0u, 1, F2_U32) < 0 && errno == ENOSYS)
		return; /* a host before 6.7 */
	futex2_waits();
	futex2_requeue();
}

/* Robust mutexes in shared memory, and how their owner ends. */
static pthread_mutex_t *m;

static void *hold(void *arg)
{
	pthread_mutex_lock(&m[1]);
	if (arg)
		for (;;)
			pause();
	return NULL;
}

static int dies_with_exit_group(void)
{
	pthread_t th;

	pthread_create(&th, NULL, hold, NULL);
	pthread_join(th, NULL);
	pthread_mutex_lock(&m[0]);
	_exit(0);
}

static int is_killed(void)
{
	pthread_t th;

	pthread_create(&th, NULL, hold, &word);
	pthread_mutex_lock(&m[0]);
	for (;;)
		pause();
	return 0;
}

static int execs(void)
{
	pthread_mutex_lock(&m[0]);
	execl("/proc/self/exe", "x", "exec", NULL);
	return 1;
}

static void take_over(int i)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += T_GUARD_MS / 1000;
	EQUAL(pthread_mutex_timedlock(&m[i], &ts), EOWNERDEAD);
	EQUAL(pthread_mutex_consistent(&m[i]), 0);
	EQUAL(pthread_mutex_unlock(&m[i]), 0);
}

static int waits_for_it(void)
{
	return pthread_mutex_lock(&m[0]) == EOWNERDEAD ? 0 : 1;
}

static void robust(int protocol)
{
	pthread_mutexattr_t a;
	pid_t pid, waiter;

	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setprotocol(&a, protocol);
	pthread_mutex_init(&m[0], &a);
	pthread_mutex_init(&m[1], &a);

	EQUAL(t_wait(t_fork(dies_with_exit_group)), 0);
	take_over(0);
	take_over(1);

	pid = t_fork(is_killed);
	while (pthread_mutex_trylock(&m[0]) == 0)
		pthread_mutex_unlock(&m[0]);
	while (pthread_mutex_trylock(&m[1]) == 0)
		pthread_mutex_unlock(&m[1]);
	waiter = t_fork(waits_for_it);
	t_await_sleep(waiter);
	kill(pid, SIGKILL);
	EQUAL(t_wait(pid), 128 + SIGKILL);
	EQUAL(t_wait(waiter), 0);
	take_over(0);
	take_over(1);

	EQUAL(t_wait(t_fork(execs)), 0);
	take_over(0);
}

T_MAIN
{
	char args[64] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY);

	if (read(fd, args, sizeof(args) - 1) > 5 && !strcmp(args, "x") && !strcmp(args + 2, "exec"))
		return;
	pi();
	waitv();
	futex2();
	robust(PTHREAD_PRIO_NONE);
	robust(PTHREAD_PRIO_INHERIT);
}
