/* SPDX-License-Identifier: Apache-2.0 */
/* sysvipc.c: the system calls of System V IPC; the work is done in sentry/ipc/. */
#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/ipc/ipc.h"
#include "sentry/task/task.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"

/* Results of a command that fills a struct: the struct first, then the number. */
static long put_result(struct task *t, uaddr_t dst, const void *src, size_t size, long r)
{
	if (r < 0)
		return r;
	return uaccess_put(t, dst, src, size) ? -EFAULT : r;
}

/* ---- shared memory ---------------------------------------------------------------------------- */

long sys_shmget(struct task *t, int key, size_t size, int flags)
{
	return shm_get(t, key, size, flags);
}

long sys_shmat(struct task *t, int id, uaddr_t addr, int flags)
{
	return shm_attach(t, id, addr.addr, flags);
}

long sys_shmdt(struct task *t, uaddr_t addr)
{
	return shm_detach(t, addr.addr);
}

long sys_shmctl(struct task *t, int id, int cmd, uaddr_t buf)
{
	union {
		struct shmid_ds ds;
		struct shminfo limits;
		struct shm_info info;
	} u;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
		return put_result(t, buf, &u, sizeof(u.limits), shm_limits(t, &u.limits));
	case SHM_INFO:
		return put_result(t, buf, &u, sizeof(u.info), shm_info(t, &u.info));
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return put_result(t, buf, &u, sizeof(u.ds), shm_stat(t, id, cmd, &u.ds));
	case IPC_SET:
		return uaccess_get(t, &u.ds, buf, sizeof(u.ds)) ? -EFAULT : shm_set(t, id, &u.ds);
	case IPC_RMID:
		return shm_remove(t, id);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_lock(t, id, cmd == SHM_LOCK);
	default:
		return -EINVAL;
	}
}

/* ---- semaphores ------------------------------------------------------------------------------- */

long sys_semget(struct task *t, int key, int nsems, int flags)
{
	return sem_get(t, key, nsems, flags);
}

static long do_semop(struct task *t, int id, uaddr_t uops, unsigned int count, int64_t deadline_ns)
{
	struct sembuf fast[16], *ops = fast;
	long r;

	if (count < 1 || id < 0)
		return -EINVAL;
	if (count > (unsigned int)task_ipc_ns(t)->sem_opm)
		return -E2BIG;
	if (count > ARRAY_SIZE(fast)) {
		ops = mem_calloc(count, sizeof(*ops));
		if (!ops)
			return -ENOMEM;
	}
	r = uaccess_get(t, ops, uops, count * sizeof(*ops)) ? -EFAULT
							    : sem_op(t, id, ops, count, deadline_ns);
	if (ops != fast)
		mem_free(ops);
	return r;
}

long sys_semop(struct task *t, int id, uaddr_t ops, unsigned int nops)
{
	return do_semop(t, id, ops, nops, INT64_MAX);
}

long sys_semtimedop(struct task *t, int id, uaddr_t ops, unsigned int nops, uaddr_t timeout)
{
	int64_t ns;
	int err;

	if (!timeout.addr)
		return do_semop(t, id, ops, nops, INT64_MAX);
	err = timespec_get_user(t, timeout, &ns);
	return err ? err : do_semop(t, id, ops, nops, deadline_after(ns));
}

static long semctl_all(struct task *t, int id, int cmd, uint64_t arg)
{
	long r = sem_count(t, id, cmd == GETALL ? 0444 : 0222);
	unsigned int count = (unsigned int)r;
	uint16_t *values;

	if (r < 0)
		return r;
	values = mem_calloc(count, sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (cmd == GETALL)
		r = put_result(t, (uaddr_t){ arg }, values, count * sizeof(*values),
			       sem_get_all(t, id, values, count));
	else
		r = uaccess_get(t, values, (uaddr_t){ arg }, count * sizeof(*values))
			    ? -EFAULT : sem_set_all(t, id, values, count);
	mem_free(values);
	return r;
}

long sys_semctl(struct task *t, int id, int num, int cmd, unsigned long arg)
{
	uaddr_t buf = { arg };
	union {
		struct semid_ds ds;
		struct seminfo info;
	} u;

	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return put_result(t, buf, &u, sizeof(u.info), sem_info(t, cmd, &u.info));
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		return put_result(t, buf, &u, sizeof(u.ds), sem_stat(t, id, cmd, &u.ds));
	case GETALL:
	case SETALL:
		return semctl_all(t, id, cmd, arg);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
		return sem_get_one(t, id, num, cmd);
	case SETVAL:
		return sem_set_one(t, id, num, (int)arg);
	case IPC_SET:
		return uaccess_get(t, &u.ds, buf, sizeof(u.ds)) ? -EFAULT : sem_set(t, id, &u.ds);
	case IPC_RMID:
		return sem_remove(t, id);
	default:
		return -EINVAL;
	}
}

/* ---- messages --------------------------------------------------------------------------------- */

long sys_msgget(struct task *t, int key, int flags)
{
	return msg_get(t, key, flags);
}

long sys_msgsnd(struct task *t, int id, uaddr_t msg, size_t size, int flags)
{
	char *text;
	long type;

	if (uaccess_get(t, &type, msg, sizeof(type)))
		return -EFAULT;
	if (size > (size_t)task_ipc_ns(t)->msg_max || id < 0 || type < 1)
		return -EINVAL;
	text = mem_alloc(MAX(size, (size_t)1));
	if (!text)
		return -ENOMEM;
	if (uaccess_get(t, text, (uaddr_t){ msg.addr + sizeof(type) }, size)) {
		mem_free(text);
		return -EFAULT;
	}
	return msg_send(t, id, type, text, size, flags); /* consumes text */
}

long sys_msgrcv(struct task *t, int id, uaddr_t msg, size_t size, long want, int flags)
{
	char *text = NULL;
	long type, n;

	if (id < 0 || (ssize_t)size < 0)
		return -EINVAL;
	n = msg_receive(t, id, size, want, flags, &type, &text);
	if (n < 0)
		return n;
	/* As on Linux a message is gone though its buffer was bad. */
	if (uaccess_put(t, msg, &type, sizeof(type)) ||
	    uaccess_put(t, (uaddr_t){ msg.addr + sizeof(type) }, text, (size_t)n))
		n = -EFAULT;
	mem_free(text);
	return n;
}

long sys_msgctl(struct task *t, int id, int cmd, uaddr_t buf)
{
	union {
		struct msqid_ds ds;
		struct msginfo info;
	} u;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case MSG_INFO:
		return put_result(t, buf, &u, sizeof(u.info), msg_info(t, cmd, &u.info));
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		return put_result(t, buf, &u, sizeof(u.ds), msg_stat(t, id, cmd, &u.ds));
	case IPC_SET:
		return uaccess_get(t, &u.ds, buf, sizeof(u.ds)) ? -EFAULT : msg_set(t, id, &u.ds);
	case IPC_RMID:
		return msg_remove(t, id);
	default:
		return -EINVAL;
	}
}
