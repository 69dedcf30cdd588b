/* SPDX-License-Identifier: Apache-2.0 */
/* exit_group.c: exit_group(2) ends threads that sleep, whichever of them is the last to go. */
#include "t.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void *sleeper(void *arg)
{
	t_sleep_ms(100000);
	return arg;
}

static void *ends_all(void *arg)
{
	(void)arg;
	usleep(1000);
	_exit(3);
}

/* A thread ends the process while the others are on their way out: who is first is open. */
static int ended_by_thread(void)
{
	pthread_t th;

	pthread_create(&th, NULL, ends_all, NULL);
	for (;;)
		pause();
	return 0;
}

T_MAIN
{
	pthread_t t;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < 4; i++)
			pthread_create(&t, NULL, sleeper, NULL);
		t_sleep_ms(20);
		syscall(SYS_exit_group, 9);
	}
	EQUAL(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	for (int n = 0; n < 50; n++)
		EQUAL(t_wait(t_fork(ended_by_thread)), 3);
	/* And in this process, which is init in a sandbox: hangs if init waits for its own thread. */
	pthread_create(&t, NULL, sleeper, NULL);
	t_sleep_ms(20);
	syscall(SYS_exit_group, t_failures ? 1 : 0);
}
