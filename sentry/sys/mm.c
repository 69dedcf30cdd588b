/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm.c: memory calls.
 *
 * Anonymous mappings, munmap, mprotect, mremap and most of madvise never come here: the stub makes
 * the host call itself.  What comes is what it can't judge (files), what the host filter does not
 * let through, and, for processes whose native calls are turned off, everything.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/mem.h"
#include "sentry/mm/mm.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
/* Accepted and without effect, as most of them are on Linux too. */
#define MAP_HINTS (MAP_DENYWRITE | MAP_EXECUTABLE | MAP_STACK | MAP_POPULATE | MAP_NONBLOCK)
#define MAP_KNOWN                                                                             \
	(MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT | \
	 MAP_POPULATE)

long sys_mmap(struct task *t, uaddr_t addr, unsigned long size, unsigned long prot,
	      unsigned long flags, int fd, unsigned long offset)
{
	int keep = (int)(flags & MAP_KNOWN), type = (int)(flags & MAP_TYPE);
	struct file *f;
	long r;

	if (offset & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		f = fdt_file_nopath(t->fdt, fd);
		if (!f)
			return -EBADF;
		if (type == MAP_SHARED_VALIDATE && (flags & ~(unsigned long)(MAP_KNOWN | MAP_HINTS)))
			r = -EOPNOTSUPP;
		else if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
			r = -EINVAL;
		else
			r = mm_map_file(t, f, addr.addr, size, (int)prot,
					type == MAP_SHARED_VALIDATE ? (keep & ~MAP_TYPE) | MAP_SHARED
								    : keep, offset);
		file_put(f);
		return r;
	}
	if (type != MAP_SHARED && type != MAP_PRIVATE)
		return -EINVAL;
	if (flags & MAP_HUGETLB)
		return -ENOMEM; /* a sandbox has no huge pages reserved */
	if (size == 0)
		return -EINVAL;
	return mm_map_anon(t, addr.addr, size, (int)prot, keep);
}

static long hostcall(struct task *t, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		     uint64_t e)
{
	struct plat_hostcall h = { .nr = nr, .args = { a, b, c, d, e }, .host_fd = -1 };
	int n = plat_hostcalls(t->pt, &h, 1);

	return n < 0 ? n : h.result;
}

long sys_munmap(struct task *t, uaddr_t addr, size_t size)
{
	return hostcall(t, SYS_munmap, addr.addr, size, 0, 0, 0);
}

long sys_mprotect(struct task *t, uaddr_t addr, size_t size, unsigned long prot)
{
	return hostcall(t, SYS_mprotect, addr.addr, size, prot, 0, 0);
}

long sys_mremap(struct task *t, uaddr_t addr, unsigned long old_size, unsigned long new_size,
		unsigned long flags, uaddr_t new_addr)
{
	return hostcall(t, SYS_mremap, addr.addr, old_size, new_size, flags, new_addr.addr);
}

long sys_madvise(struct task *t, uaddr_t addr, size_t size, int advice)
{
	switch (advice) {
	case MADV_HWPOISON:
	case 101 /* MADV_SOFT_OFFLINE */:
		return -EPERM;
	default:
		return hostcall(t, SYS_madvise, addr.addr, size, (uint64_t)advice, 0, 0);
	}
}

long sys_brk(struct task *t, uaddr_t addr)
{
	return mm_brk(t, addr.addr);
}

/* Memory is not swapped behind the application's back by us; the host's limits are the host's. */
long sys_msync(struct task *t, uaddr_t addr, size_t size, int flags)
{
	char byte;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (addr.addr & (PAGE_SIZE - 1)) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	size = ALIGN_UP(size, PAGE_SIZE);
	for (uint64_t at = addr.addr; at < addr.addr + size; at += PAGE_SIZE)
		if (plat_mm_read(t->mm->plat, at, &byte, 1, true) != 1)
			return -ENOMEM;
	return 0; /* shared file mappings are the host's page cache itself: coherent */
}

/* mlock: counted against the limit by Linux; here memory can't be pinned, so only checked. */
static long mlock_check(struct task *t, uint64_t size)
{
	uint64_t limit = task_rlimit(t, RLIMIT_MEMLOCK);

	if (task_capable(t, 14 /* CAP_IPC_LOCK */))
		return 0;
	if (!limit)
		return -EPERM;
	return size > limit ? -ENOMEM : 0;
}

long sys_mlock(struct task *t, uaddr_t addr, size_t size)
{
	(void)addr;
	return mlock_check(t, size);
}

long sys_mlock2(struct task *t, uaddr_t addr, size_t size, int flags)
{
	if (flags & ~1 /* MLOCK_ONFAULT */)
		return -EINVAL;
	return sys_mlock(t, addr, size);
}

long sys_munlock(struct task *t, uaddr_t addr, size_t size)
{
	(void)t, (void)addr, (void)size;
	return 0;
}

long sys_mlockall(struct task *t, int flags)
{
	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	return mlock_check(t, 0);
}

long sys_munlockall(struct task *t)
{
	(void)t;
	return 0;
}
