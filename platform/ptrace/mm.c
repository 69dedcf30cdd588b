/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm.c: address spaces of the ptrace platform: a process each, known from the moment in which the host
 * reports its clone.  The tracer reaps it; see ptrace_impl.h for the two counts.
 */
#include "platform/ptrace/ptrace_impl.h"

#include <errno.h>

#include "lib/mem.h"

static ssize_t mm_space_read(const struct uio_space *s, uint64_t addr, void *dst, size_t size)
{
	return plat_mm_read(container_of(s, struct plat_mm, space), addr, dst, size, false);
}

static ssize_t mm_space_write(const struct uio_space *s, uint64_t addr, const void *src, size_t size)
{
	return plat_mm_write(container_of(s, struct plat_mm, space), addr, src, size, false);
}

static ssize_t mm_space_writev(const struct uio_space *s, uint64_t addr, const struct iovec *iov,
			       size_t count)
{
	return plat_mm_writev(container_of(s, struct plat_mm, space), addr, iov, count);
}

int traced_mm_new(struct plat_mm **out)
{
	struct plat_mm *mm = mem_new(struct plat_mm);

	if (!mm)
		return -ENOMEM;
	ref_init(&mm->refs);
	ref_init(&mm->users);
	latch_init(&mm->latch);
	list_init(&mm->threads);
	mm->space.read = mm_space_read;
	mm->space.write = mm_space_write;
	mm->space.writev = mm_space_writev;
	mm->native = true;
	*out = mm;
	return 0;
}

void traced_mm_get(struct plat_mm *mm)
{
	ref_get(&mm->users);
}

void traced_mm_unref(struct plat_mm *mm)
{
	if (ref_put(&mm->refs))
		mem_free(mm);
}

void traced_mm_put(struct plat_mm *mm)
{
	if (!ref_put(&mm->users))
		return;
	traced_mm_kill(mm);
	traced_mm_unref(mm);
}

void traced_mm_kill(struct plat_mm *mm)
{
	pid_t pid;

	latch_lock(&mm->latch);
	mm->killed = true; /* one that is just being cloned is killed when it is adopted */
	pid = mm->dead ? 0 : mm->pid;
	latch_unlock(&mm->latch);
	if (pid)
		(void)host_kill(pid, SIGKILL);
}

void traced_mm_died(struct plat_mm *mm, int wait_status)
{
	latch_lock(&mm->latch);
	mm->dead = true;
	mm->wait_status = wait_status;
	latch_unlock(&mm->latch);
}

pid_t traced_mm_tid(struct plat_mm *mm)
{
	struct plat_thread *pt;
	pid_t tid = 0;

	latch_lock(&mm->latch);
	/* Not the process's pid: its first thread may have ended, and has no memory then. */
	list_for_each_entry(pt, &mm->threads, in_mm) {
		tid = __atomic_load_n(&pt->tid, __ATOMIC_RELAXED);
		if (tid)
			break;
	}
	latch_unlock(&mm->latch);
	return tid ? tid : -ESRCH;
}

uint64_t traced_mm_hidden_bytes(struct plat_mm *mm)
{
	(void)mm;
	return STUB_TEXT_MAX + PAGE_SIZE;
}
