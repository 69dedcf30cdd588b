/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pollgrid.c: system calls that the Sentry answers, a second, from N threads that compute for C us between two
 * of them; tests/bench/pollers runs it with and without pollers.
 *
 *     pollgrid MILLISECONDS [THREADS COMPUTING]     one cell, or all: lines "threads computing calls-a-second"
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double per_us; /* turns of spin() a microsecond */
static long turns;
static atomic_bool stop;
static atomic_long calls;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void spin(long n)
{
	for (long i = 0; i < n; i++)
		__asm__ volatile("" ::: "memory");
}

static void calibrate(void)
{
	double t, best = 1e9;

	for (int i = 0; i < 50; i++) {
		t = now_us();
		spin(100000);
		t = now_us() - t;
		if (t < best)
			best = t;
	}
	per_us = 100000 / best;
}

static void *work(void *arg)
{
	long n = 0;

	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		spin(turns);
		umask(022);
		n++;
	}
	atomic_fetch_add(&calls, n);
	return NULL;
}

static void cell(int threads, int computing, int ms)
{
	pthread_t t[64];
	double start;

	turns = (long)(computing * per_us);
	atomic_store(&stop, false);
	atomic_store(&calls, 0);
	start = now_us();
	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, work, NULL);
	usleep((useconds_t)ms * 1000);
	atomic_store(&stop, true);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("%d %d %.0f\n", threads, computing, (double)atomic_load(&calls) / (now_us() - start) * 1e6);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const int threads[] = { 1, 2, 4, 16, 64 }, computing[] = { 0, 1, 3, 10, 30, 100, 1000 };
	int ms = argc > 1 ? atoi(argv[1]) : 200;

	calibrate();
	if (argc > 3) {
		cell(atoi(argv[2]), atoi(argv[3]), ms);
		return 0;
	}
	for (size_t i = 0; i < sizeof(threads) / sizeof(int); i++)
		for (size_t j = 0; j < sizeof(computing) / sizeof(int); j++)
			cell(threads[i], computing[j], ms);
	return 0;
}
