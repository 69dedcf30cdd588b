/* SPDX-License-Identifier: Apache-2.0 */
/* getrusage.c: getrusage(2): what ended threads used stays with the process, and goes to its parent. */
#include "t.h"

#include <pthread.h>

enum { PAGES = 512 };

static long ms(const struct timeval *tv)
{
	return (long)tv->tv_sec * 1000 + tv->tv_usec / 1000;
}

static long cpu_ms(int who, long *faults)
{
	struct rusage r;

	EQUAL(getrusage(who, &r), 0);
	if (faults)
		*faults = r.ru_minflt;
	return ms(&r.ru_utime) + ms(&r.ru_stime);
}

static long process_clock_ms(void)
{
	struct timespec ts;

	EQUAL(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	return (long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void *burn(void *arg)
{
	char *p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
	for (int i = 0; i < PAGES; i++)
		p[i * 4096] = 1;
	munmap(p, PAGES * 4096);
	while (cpu_ms(RUSAGE_THREAD, NULL) < 60)
		;
	return arg;
}

static int burns(void)
{
	pthread_t t[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, burn, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static pid_t vfork_burn(void)
{
	struct rusage r;
	pid_t pid = vfork();

	if (pid == 0) {
		do
			getrusage(RUSAGE_SELF, &r);
		while (ms(&r.ru_utime) + ms(&r.ru_stime) < 110);
		_exit(0);
	}
	return pid;
}

T_MAIN
{
	long faults, before_faults, before = cpu_ms(RUSAGE_SELF, &before_faults), clock = process_clock_ms(), now;
	pthread_t t;

	EQUAL(pthread_create(&t, NULL, burn, NULL), 0);
	EQUAL(pthread_join(t, NULL), 0);
	CHECK(cpu_ms(RUSAGE_SELF, &faults) - before >= 50);
	CHECK(faults - before_faults >= PAGES);
	now = process_clock_ms();
	CHECK(now - clock >= 50);
	for (int i = 0; i < 3; i++) {
		clock = now;
		EQUAL(pthread_create(&t, NULL, burn, NULL) == 0 ? pthread_join(t, NULL) : -1, 0);
		now = process_clock_ms();
		CHECK(now >= clock + 50);
	}
	EQUAL(cpu_ms(RUSAGE_CHILDREN, NULL), 0);
	EQUAL(t_wait(t_fork(burns)), 0);
	CHECK(cpu_ms(RUSAGE_CHILDREN, &faults) >= 100);
	CHECK(faults >= 2 * PAGES);

	/* What a vfork child used is its own, though it lived in this memory. */
	before = cpu_ms(RUSAGE_SELF, NULL);
	now = cpu_ms(RUSAGE_CHILDREN, NULL);
	EQUAL(t_wait(vfork_burn()), 0);
	CHECK(cpu_ms(RUSAGE_CHILDREN, NULL) - now >= 100);
	CHECK(cpu_ms(RUSAGE_SELF, NULL) - before < 90);
	FAILS(EINVAL, getrusage(77, NULL));
	FAILS(EFAULT, getrusage(RUSAGE_SELF, t_bad));
}
