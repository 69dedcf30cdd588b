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
	t_handle(SIGALRM, 0);
	INTERRUPTED(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0));
	CHECK(t_signals >= 1);
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
	robust(PTHREAD_PRIO_NONE);
	robust(PTHREAD_PRIO_INHERIT);
}
