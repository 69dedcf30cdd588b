/* SPDX-License-Identifier: Apache-2.0 */
/* fallocate(2) in memory: RLIMIT_FSIZE holds for what is kept behind the end too, and a signal ends what takes long. */
#include "t.h"

#include <sys/resource.h>

static void on_alarm(int sig)
{
	(void)sig;
}

static int limited(void)
{
	struct rlimit l = { 1 << 20, 1 << 20 };
	int fd = memfd_create("x", 0);
	struct stat st;

	signal(SIGXFSZ, SIG_IGN);
	EQUAL(setrlimit(RLIMIT_FSIZE, &l), 0);
	EQUAL(fallocate(fd, 0, 0, 1 << 20), 0);
	FAILS(EFBIG, fallocate(fd, 0, 0, 2 << 20));
	FAILS(EFBIG, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 << 20));
	EQUAL(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 2 << 20), 0);
	EQUAL(fstat(fd, &st), 0);
	EQUAL(st.st_size, 1 << 20);
	return 0;
}

static int interrupted(void)
{
	struct sigaction a = { .sa_handler = on_alarm };
	int fd = memfd_create("x", 0);

	EQUAL(sigaction(SIGALRM, &a, NULL), 0);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 1000 }, { 0, 1000 } }, NULL);
	FAILS(EINTR, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1l << 30));
	return 0;
}

T_MAIN
{
	EQUAL(t_wait(t_fork(limited)), 0);
	EQUAL(t_wait(t_fork(interrupted)), 0);
}
