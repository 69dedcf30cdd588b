/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many wait for all CPUs (membarrier(2) GLOBAL), which blocks whoever does it for them in the host.  Others' calls go on
 * beside it; `run` looks from outside that never more than a few of the Sentry's threads are held by it.
 */
#include "h.h"

static void *barrier(void *arg)
{
	for (;;)
		CHECK(raw(SYS_membarrier, 1 /* GLOBAL */, 0, 0, 0, 0, 0) == 0);
	return arg;
}

int main(void)
{
	int p[2], n = 0;
	pthread_t t;
	pid_t pid;
	char c;

	if (raw(SYS_membarrier, 1, 0, 0, 0, 0, 0) != 0)
		return 77; /* a host without it (nohz_full) */
	CHECK(pipe(p) == 0);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 64; i++)
			CHECK(pthread_create(&t, NULL, barrier, NULL) == 0);
		pause();
	}
	for (double end = now() + 2; now() < end; n++) {
		CHECK(write(p[1], "x", 1) == 1 && read(p[0], &c, 1) == 1);
		nap(0.001);
	}
	printf("%d times two calls in 2 s\n", n);
	kill(pid, SIGKILL);
	CHECK(end_of(pid, GUARD) != -1);
	return failures != 0;
}
