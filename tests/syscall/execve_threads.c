/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve_threads.c: execve(2) of a process with threads.  What a thread's end writes to memory (the word of
 * set_tid_address(2)) it writes before the new program is there: this one is not position-independent, so the words
 * of the old image stand where those of the new one do.
 */
#include "t.h"

#include <pthread.h>

#define THREADS 8
#define ROUNDS  25
#define VALUE   0x12345678

static volatile int words[THREADS] = { VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE };
static pthread_barrier_t ready;
static int never[2], rounds;

static void exec_next(void)
{
	char left[32];

	snprintf(left, sizeof(left), "LEFT=%d", rounds - 1);
	execle("/proc/self/exe", "execve_threads", (char *)NULL, (char *[]){ left, NULL });
	_exit(3);
}

static void *thread(void *arg)
{
	int i = (int)(intptr_t)arg;
	char c;

	syscall(SYS_set_tid_address, &words[i]);
	pthread_barrier_wait(&ready);
	if (i == 0 && rounds % 2)
		exec_next(); /* not by the first thread */
	switch (i % 4) {
	case 0:
		(void)!read(never[0], &c, 1);
		break;
	case 1:
		for (;;)
			(void)getppid();
	case 2:
		for (int k = 0; k < rounds * 300; k++)
			__asm__ volatile("pause");
		break; /* ends by itself, at about that time */
	default:
		for (;;)
			__asm__ volatile("pause");
	}
	syscall(SYS_exit, 0);
	return NULL;
}

static void words_stay(void)
{
	for (int k = 0; k < 20; k++) {
		for (int i = 0; i < THREADS; i++)
			if (words[i] != VALUE)
				_exit(4);
		usleep(100);
	}
}

T_MAIN
{
	pthread_t t;
	const char *left = getenv("LEFT");
	int status;
	pid_t pid;

	if (!left) {
		pid = fork();
		if (pid == 0) {
			rounds = ROUNDS;
			exec_next();
		}
		EQUAL(waitpid(pid, &status, 0), pid);
		EQUAL(status, 0);
	} else {
		words_stay();
		rounds = atoi(left);
		if (rounds == 0)
			_exit(0);
		if (pipe(never) < 0 || pthread_barrier_init(&ready, NULL, THREADS + 1))
			_exit(5);
		for (int i = 0; i < THREADS; i++)
			if (pthread_create(&t, NULL, thread, (void *)(intptr_t)i))
				_exit(6);
		pthread_barrier_wait(&ready);
		if (rounds % 2 == 0)
			exec_next();
		for (;;)
			pause();
	}
}
