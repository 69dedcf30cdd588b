/* SPDX-License-Identifier: Apache-2.0 */
/* prof_thread.c: SIGPROF of ITIMER_PROF comes to the thread that uses the CPU, not to one that sleeps. */
#include "t.h"

#include <pthread.h>

static volatile int busy, others;
static volatile int stop;
static pthread_t hog;

static void on_prof(int sig)
{
	(void)sig;
	if (pthread_equal(pthread_self(), hog))
		busy++;
	else
		others++;
}

static void *burn(void *arg)
{
	volatile unsigned int x = 1;

	(void)arg;
	while (!stop)
		x = x * 5 + 1;
	return NULL;
}

T_MAIN
{
	struct sigaction sa = { .sa_handler = on_prof, .sa_flags = SA_RESTART };
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, off = { 0 };
	int64_t start = t_now_ms();

	sigaction(SIGPROF, &sa, NULL);
	CHECK(pthread_create(&hog, NULL, burn, NULL) == 0);
	CHECK(setitimer(ITIMER_PROF, &it, NULL) == 0);
	while (busy < 10 && t_now_ms() - start < T_GUARD_MS)
		t_sleep_ms(20);
	setitimer(ITIMER_PROF, &off, NULL);
	stop = 1;
	pthread_join(hog, NULL);
	CHECK(busy >= 10);
	CHECK(others <= busy / 2); /* sleeping takes some time too */
}
