/* SPDX-License-Identifier: Apache-2.0 */
/* semop.c: semget(2), semop(2), semtimedop(2), semctl(2), SEM_UNDO. */
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int id;

static int op(int num, int v, int flags)
{
	struct sembuf o = { (unsigned short)num, (short)v, (short)flags };

	return semop(id, &o, 1);
}

static int val(int num)
{
	return semctl(id, num, GETVAL);
}

static int take_two(void)
{
	struct sembuf o[2] = { { 0, -1, 0 }, { 1, -1, 0 } };

	return semop(id, o, 2) == 0 ? 0 : errno;
}

static int wait_zero(void)
{
	return op(2, 0, 0) == 0 ? 0 : errno;
}

static int undo_three(void)
{
	if (op(0, 3, SEM_UNDO) || op(0, -1, SEM_UNDO) || op(1, 1, 0))
		return 1;
	return val(0) == 2 ? 0 : 2;
}

static void *thread_undo(void *arg)
{
	(void)arg;
	op(3, 5, SEM_UNDO);
	return NULL;
}

static int undo_of_thread(void)
{
	pthread_t th;

	pthread_create(&th, NULL, thread_undo, NULL);
	pthread_join(th, NULL);
	return val(3) == 5 ? 0 : 1; /* the list is the process's, not the thread's */
}

static int wait_removed(void)
{
	return op(0, -100, 0) == -1 && errno == EIDRM ? 0 : 1;
}

static void wait_for(int num, int cmd, int count)
{
	AWAIT(semctl(id, num, cmd) == count);
}

T_MAIN
{
	unsigned short values[4] = { 0 }, big[4] = { 0, 40000, 0, 0 };
	struct sembuf two[2] = { { 0, 1, 0 }, { 9, 1, 0 } };
	struct sembuf both[2] = { { 0, 1, 0 }, { 1, -1, IPC_NOWAIT } };
	struct timespec ts = { 0, 30000000 };
	struct seminfo info;
	struct semid_ds d;
	union semun u;
	int64_t start;
	pid_t p, q;
	int max, found = 0;

	(void)unshare(CLONE_NEWIPC); /* on the host: what others have comes and goes */
	FAILS(EINVAL, semget(IPC_PRIVATE, 0, 0600));
	FAILS(EINVAL, semget(IPC_PRIVATE, -1, 0600));
	FAILS(EINVAL, semget(IPC_PRIVATE, 32001, 0600));
	id = semget(IPC_PRIVATE, 4, 0600);
	CHECK(id >= 0);
	u.buf = &d;
	EQUAL(semctl(id, 0, IPC_STAT, u), 0);
	EQUAL(d.sem_nsems, 4);
	EQUAL(d.sem_otime, 0);

	EQUAL(op(0, 2, 0), 0);
	EQUAL(val(0), 2);
	EQUAL(semctl(id, 0, GETPID), getpid());
	FAILS(EAGAIN, op(0, -3, IPC_NOWAIT));
	FAILS(EAGAIN, op(0, 0, IPC_NOWAIT));
	FAILS(EFBIG, semop(id, two, 2));
	FAILS(EAGAIN, semop(id, both, 2));
	EQUAL(val(0), 2); /* all or nothing */
	FAILS(EINVAL, semop(id, two, 0));
	FAILS(E2BIG, semop(id, two, 501));
	FAILS(EFAULT, semop(id, BAD_PTR, 1));
	FAILS(ERANGE, op(0, 32767, 0));
	start = t_now_ms();
	FAILS(EAGAIN, semtimedop(id, &(struct sembuf){ 0, -9, 0 }, 1, &ts));
	CHECK(t_now_ms() - start >= 29);
	ts.tv_nsec = 1000000000;
	FAILS(EINVAL, semtimedop(id, &(struct sembuf){ 0, -9, 0 }, 1, &ts));

	u.val = 32768;
	FAILS(ERANGE, semctl(id, 0, SETVAL, u));
	u.val = 0;
	EQUAL(semctl(id, 0, SETVAL, u), 0);
	FAILS(EINVAL, semctl(id, 4, SETVAL, u));
	FAILS(EINVAL, semctl(id, 4, GETVAL));
	u.array = big;
	FAILS(ERANGE, semctl(id, 0, SETALL, u));

	/* Two operations at once, woken when both can be done. */
	p = t_fork(take_two);
	wait_for(0, GETNCNT, 1);
	EQUAL(semctl(id, 1, GETNCNT), 0);
	EQUAL(op(0, 1, 0), 0);
	wait_for(1, GETNCNT, 1);
	EQUAL(val(0), 1);
	EQUAL(op(1, 1, 0), 0);
	EQUAL(t_wait(p), 0);
	EQUAL(val(0), 0);

	/* Waiting for zero. */
	EQUAL(op(2, 2, 0), 0);
	p = t_fork(wait_zero);
	q = t_fork(wait_zero);
	wait_for(2, GETZCNT, 2);
	u.array = values;
	values[0] = 1;
	EQUAL(semctl(id, 0, SETALL, u), 0);
	EQUAL(t_wait(p), 0);
	EQUAL(t_wait(q), 0);
	values[0] = 9;
	EQUAL(semctl(id, 0, GETALL, u), 0);
	EQUAL(values[0], 1);
	EQUAL(op(0, -1, 0), 0);

	/* Undo. */
	EQUAL(t_wait(t_fork(undo_three)), 0);
	EQUAL(val(0), 0);
	EQUAL(val(1), 1);
	EQUAL(t_wait(t_fork(undo_of_thread)), 0);
	EQUAL(val(3), 0);

	/* Interrupted: never restarted. */
	t_handle(SIGALRM, SA_RESTART);
	INTERRUPTED(op(0, -100, 0));

	u.info = &info;
	max = semctl(0, 0, SEM_INFO, u);
	CHECK(max >= 0 && info.semusz >= 1 && info.semaem >= 4 && info.semvmx == 32767);
	CHECK(semctl(0, 0, IPC_INFO, u) == max && info.semopm > 0);
	u.buf = &d;
	for (int i = 0; i <= max; i++)
		if (semctl(i, 0, SEM_STAT, u) == id)
			found++;
	EQUAL(found, 1);
	d.sem_perm.mode = 0400;
	d.sem_perm.uid = geteuid();
	d.sem_perm.gid = getegid();
	EQUAL(semctl(id, 0, IPC_SET, u), 0);
	EQUAL(semctl(id, 0, IPC_STAT, u), 0);
	EQUAL(d.sem_perm.mode, 0400);
	CHECK(d.sem_otime != 0);

	p = t_fork(wait_removed);
	wait_for(0, GETNCNT, 1);
	EQUAL(semctl(id, 0, IPC_RMID), 0);
	EQUAL(t_wait(p), 0);
	errno = 0;
	CHECK(semctl(id, 0, GETVAL) == -1 && (errno == EINVAL || errno == EIDRM));
}
