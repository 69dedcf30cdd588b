/* SPDX-License-Identifier: Apache-2.0 */
/* process_vm.c: process_vm_readv(2) and process_vm_writev(2), and kcmp(2). */
#include <errno.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/mm/mm.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#define CHUNK (64u << 10)

/* The other process's memory, if the caller may attach to it. */
static int mm_of(struct task *t, int pid, struct mm **out)
{
	struct task *x = task_lookup(task_pid_ns(t), pid);
	int err = 0;

	if (!x)
		return -ESRCH;
	if (!task_may_access(t, x, PTRACE_ATTACH_ | PTRACE_REALCREDS))
		err = -EPERM;
	else if (!(*out = task_mm_get(x)))
		err = -ESRCH;
	task_put(x);
	return err;
}

/* Move what is in both; stops at the first fault on either side. */
static ssize_t vm_move(struct uio *local, struct uio *remote, bool write)
{
	struct uio *from = write ? local : remote, *to = write ? remote : local;
	ssize_t done = 0, n = 0, m;
	char *buf;

	if (!uio_left(local) || !uio_left(remote))
		return 0;
	buf = mem_alloc(CHUNK);
	if (!buf)
		return -ENOMEM;
	for (;;) {
		size_t size = MIN(MIN(uio_left(from), uio_left(to)), (size_t)CHUNK);

		if (size == 0)
			break;
		n = uio_get(from, buf, size);
		if (n <= 0)
			break;
		m = uio_put(to, buf, (size_t)n);
		if (m > 0)
			done += m;
		if (m < n || (size_t)n < size) {
			n = m;
			break;
		}
	}
	mem_free(buf);
	return done ? done : n < 0 ? n : -EFAULT;
}

static long process_vm(struct task *t, int pid, uaddr_t local, unsigned long local_count, uaddr_t remote,
		       unsigned long remote_count, unsigned long flags, bool write)
{
	struct uaccess_iov l, r;
	struct mm *mm = NULL;
	long err;

	if (flags)
		return -EINVAL;
	err = uaccess_iov_init(t, &l, local, local_count);
	if (err)
		return err;
	if (!uio_left(&l.uio)) {
		uaccess_iov_fini(&l);
		return remote_count > IOV_MAX ? -EINVAL : 0;
	}
	err = uaccess_iov_init(t, &r, remote, remote_count);
	if (err)
		goto fini_local;
	err = mm_of(t, pid, &mm);
	if (err)
		goto fini_remote;
	r.uio.space = plat_mm_space(mm->plat);
	err = vm_move(&l.uio, &r.uio, write);
	mm_put(mm);
fini_remote:
	uaccess_iov_fini(&r);
fini_local:
	uaccess_iov_fini(&l);
	return err;
}

long sys_process_vm_readv(struct task *t, int pid, uaddr_t local, unsigned long local_count,
			  uaddr_t remote, unsigned long remote_count, unsigned long flags)
{
	return process_vm(t, pid, local, local_count, remote, remote_count, flags, false);
}

long sys_process_vm_writev(struct task *t, int pid, uaddr_t local, unsigned long local_count,
			   uaddr_t remote, unsigned long remote_count, unsigned long flags)
{
	return process_vm(t, pid, local, local_count, remote, remote_count, flags, true);
}

/* ---- kcmp ------------------------------------------------------------------------------------------ */

/* 0, 1 or 2 as kcmp(2); an order, but not that of addresses. */
static long compare(const void *a, const void *b)
{
	static const uint64_t key = 0x9e3779b97f4a7c15ull;
	uint64_t x = (uint64_t)(uintptr_t)a * key, y = (uint64_t)(uintptr_t)b * key;

	return x < y ? 1 : x > y ? 2 : 0;
}

static struct file *file_of(struct task *t, struct task *x, unsigned long fd)
{
	struct fdtable *fdt = fd <= INT_MAX ? task_fdt_get(x) : NULL;
	struct file *f = fdt ? fdt_file(fdt, (int)fd) : NULL;

	if (fdt)
		fdt_put(task_vfs(t), fdt);
	return f;
}

static long compare_files(struct task *t, struct task *a, struct task *b, unsigned long fd1,
			  unsigned long fd2)
{
	struct file *f1 = file_of(t, a, fd1), *f2 = file_of(t, b, fd2);
	long r = f1 && f2 ? compare(f1, f2) : -EBADF;

	file_put(f1);
	file_put(f2);
	return r;
}

/* What a task refers to, without a reference: only to be compared. */
enum held { HELD_MM, HELD_FDT, HELD_FS };

static const void *held_by(struct task *x, enum held which)
{
	const void *p;

	latch_lock(&x->latch);
	p = which == HELD_MM ? (const void *)x->mm : which == HELD_FDT ? (const void *)x->fdt : (const void *)x->fs;
	latch_unlock(&x->latch);
	return p;
}

static const void *actions_of(struct process *p)
{
	const void *a;

	latch_lock(&p->siglock);
	a = p->actions;
	latch_unlock(&p->siglock);
	return a;
}

static long compare_tasks(struct task *t, struct task *a, struct task *b, int type, unsigned long fd1,
			  unsigned long fd2)
{
	switch (type) {
	case KCMP_FILE:
		return compare_files(t, a, b, fd1, fd2);
	case KCMP_VM:
		return compare(held_by(a, HELD_MM), held_by(b, HELD_MM));
	case KCMP_FILES:
		return compare(held_by(a, HELD_FDT), held_by(b, HELD_FDT));
	case KCMP_FS:
		return compare(held_by(a, HELD_FS), held_by(b, HELD_FS));
	case KCMP_SIGHAND:
		return compare(actions_of(a->process), actions_of(b->process));
	case KCMP_IO: /* nobody has an I/O context */
		return 0;
	case KCMP_SYSVSEM: /* the lists of SEM_UNDO; none is like none */
		return compare(__atomic_load_n(&a->sem_undo, __ATOMIC_RELAXED),
			       __atomic_load_n(&b->sem_undo, __ATOMIC_RELAXED));
	default: /* KCMP_EPOLL_TFD as well */
		return -EINVAL;
	}
}

long sys_kcmp(struct task *t, int pid1, int pid2, int type, unsigned long idx1, unsigned long idx2)
{
	struct task *a = task_lookup(task_pid_ns(t), pid1), *b = task_lookup(task_pid_ns(t), pid2);
	long r = -ESRCH;

	if (a && b) {
		if (!task_may_access(t, a, PTRACE_READ | PTRACE_REALCREDS) ||
		    !task_may_access(t, b, PTRACE_READ | PTRACE_REALCREDS))
			r = -EPERM;
		else
			r = compare_tasks(t, a, b, type, idx1, idx2);
	}
	task_put(a);
	task_put(b);
	return r;
}
