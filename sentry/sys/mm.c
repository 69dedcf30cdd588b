/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm.c: memory calls.
 *
 * Anonymous mappings, munmap, mprotect, mremap and most of madvise never come here: the stub makes
 * the host call itself.  What comes is what it can't judge (files), what the host filter does not
 * let through, and everything for processes whose native calls are turned off: those with limits on
 * their memory (RLIMIT_AS, RLIMIT_DATA), which are checked here.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/mem.h"
#include "sentry/ipc/ipc.h"
#include "sentry/mm/mm.h"
#include "sentry/task/pidfd.h"
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
#define MADV_GUARD_INSTALL_ 102 /* Linux 6.13; an older host says EINVAL */
#define MADV_GUARD_REMOVE_  103
#define CAP_IPC_LOCK_  14
#define CAP_SYS_ADMIN_ 21
#define CAP_SYS_NICE_  23

#define PROT_SEM_       0x8ul
#define PROT_GROWSDOWN_ 0x01000000ul
#define PROT_GROWSUP_   0x02000000ul

/* mseal(2): -EPERM if any of the range is sealed. */
static int check_seals(struct task *t, uint64_t addr, uint64_t size)
{
	if (size > UINT64_MAX - PAGE_SIZE - addr)
		return 0; /* the host refuses it */
	return mm_range_is_sealed(t->mm, addr, addr + ALIGN_UP(size, PAGE_SIZE)) ? -EPERM : 0;
}

/* ---- mmap ------------------------------------------------------------------------------------- */

/* RLIMIT_AS and RLIMIT_DATA; what a fixed mapping replaces does not count. */
static int mmap_may_expand(struct task *t, uint64_t addr, uint64_t size, unsigned long prot,
			   unsigned long flags)
{
	bool data = (flags & MAP_TYPE) == MAP_PRIVATE && (prot & PROT_WRITE);

	if (!mm_limited(t->process))
		return 0;
	if (size > UINT64_MAX - PAGE_SIZE)
		return -ENOMEM;
	size = ALIGN_UP(size, PAGE_SIZE);
	if (flags & MAP_FIXED)
		size -= MIN(size, mm_mapped_bytes(t->mm, addr, addr + size));
	return mm_may_expand(t, size, data);
}

/* MAP_LOCKED: -EPERM, -EAGAIN. */
static int mmap_may_lock(struct task *t, uint64_t size, unsigned long flags)
{
	uint64_t limit = task_rlimit(t, RLIMIT_MEMLOCK);

	if (!(flags & MAP_LOCKED) || task_capable(t, CAP_IPC_LOCK_))
		return 0;
	if (!limit)
		return -EPERM;
	return mm_locked_bytes(t->mm) + size > limit ? -EAGAIN : 0;
}

static long mmap_file(struct task *t, uaddr_t addr, unsigned long size, unsigned long prot,
		      unsigned long flags, int fd, unsigned long offset)
{
	int keep = (int)(flags & MAP_KNOWN), type = (int)(flags & MAP_TYPE);
	struct file *f = fdt_file_nopath(t->fdt, fd);
	long r;

	if (!f)
		return -EBADF;
	if (type == MAP_SHARED_VALIDATE &&
	    (flags & ~(unsigned long)(MAP_KNOWN | MAP_HINTS | MAP_LOCKED | MAP_GROWSDOWN)))
		r = -EOPNOTSUPP;
	else if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		r = -EINVAL;
	else
		r = mm_map_file(t, f, addr.addr, size, (int)prot,
				type == MAP_SHARED_VALIDATE ? (keep & ~MAP_TYPE) | MAP_SHARED : keep,
				offset);
	file_put(f);
	return r;
}

/* personality(2)'s READ_IMPLIES_EXEC.  (Native calls are off then.) */
static unsigned long mm_exec_implied(const struct task *t, unsigned long prot)
{
	return (prot & PROT_READ) && (t->personality & 0x0400000) ? prot | PROT_EXEC : prot;
}

long sys_mmap(struct task *t, uaddr_t addr, unsigned long size, unsigned long prot,
	      unsigned long flags, int fd, unsigned long offset)
{
	int type = (int)(flags & MAP_TYPE);
	long r;

	if (offset & (PAGE_SIZE - 1))
		return -EINVAL;
	prot = mm_exec_implied(t, prot & ~PROT_SEM_);
	r = mmap_may_lock(t, size, flags);
	if (!r && (flags & MAP_FIXED))
		r = check_seals(t, addr.addr, size);
	if (!r)
		r = mmap_may_expand(t, addr.addr, size, prot, flags);
	if (r)
		return r;
	if (!(flags & MAP_ANONYMOUS)) {
		r = mmap_file(t, addr, size, prot, flags, fd, offset);
	} else {
		if (type != MAP_SHARED && type != MAP_PRIVATE)
			return -EINVAL;
		if (flags & MAP_HUGETLB)
			return -ENOMEM; /* a sandbox has no huge pages reserved */
		if (size == 0)
			return -EINVAL;
		r = mm_map_anon(t, addr.addr, size, (int)prot, (int)(flags & MAP_KNOWN));
		if (r > 0 && (flags & MAP_GROWSDOWN) && type == MAP_PRIVATE)
			mm_grows_down(t->mm, (uint64_t)r, (uint64_t)r + ALIGN_UP(size, PAGE_SIZE));
	}
	if (r > 0 && ((flags & MAP_LOCKED) || t->mm->lock_future))
		(void)mm_lock_range(t, (uint64_t)r, (uint64_t)r + ALIGN_UP(size, PAGE_SIZE), false);
	return r;
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
	int err = check_seals(t, addr.addr, size);

	return err ? err : hostcall(t, SYS_munmap, addr.addr, size, 0, 0, 0);
}

static int find_start(void *arg, const struct plat_map *m)
{
	uint64_t *at = arg; /* [0] the address, [1] the start of its mapping */

	if (at[0] >= m->start && at[0] < m->end)
		at[1] = m->start;
	return 0;
}

/* PROT_GROWSDOWN: from the start of the stack on.  Only the main stack is one that grows. */
static int protect_from_start(struct task *t, uint64_t *addr, size_t *size)
{
	uint64_t at[2] = { *addr, 0 }, end = *addr + *size;
	int err = plat_mm_maps(t->mm->plat, false, find_start, at);

	if (err)
		return err;
	if (!at[1])
		return -ENOMEM;
	if (*addr >= t->mm->stack_top || t->mm->stack_top - at[1] > task_rlimit(t, RLIMIT_STACK) + (1ul << 24))
		return -EINVAL;
	*addr = at[1];
	*size = end - at[1];
	return 0;
}

long sys_mprotect(struct task *t, uaddr_t addr, size_t size, unsigned long prot)
{
	unsigned long grows = prot & (PROT_GROWSDOWN_ | PROT_GROWSUP_);
	int err;

	if (grows == (PROT_GROWSDOWN_ | PROT_GROWSUP_))
		return -EINVAL;
	if (addr.addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!size)
		return 0;
	size = ALIGN_UP(size, PAGE_SIZE);
	if (addr.addr + size <= addr.addr)
		return -ENOMEM;
	prot = mm_exec_implied(t, prot & ~grows);
	if (prot & ~(unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM_))
		return -EINVAL;
	if (grows & PROT_GROWSUP_)
		return -EINVAL; /* no mapping grows upwards on this CPU */
	if (grows) {
		err = protect_from_start(t, &addr.addr, &size);
		if (err)
			return err;
	}
	err = check_seals(t, addr.addr, size);
	return err ? err : hostcall(t, SYS_mprotect, addr.addr, size, prot & ~PROT_SEM_, 0, 0);
}

/* ---- protection keys: as on a CPU without them ------------------------------------------------- */

long sys_pkey_alloc(struct task *t, unsigned long flags, unsigned long rights)
{
	(void)t;
	return flags || (rights & ~3ul) ? -EINVAL : -ENOSPC;
}

long sys_pkey_free(struct task *t, int pkey)
{
	(void)t, (void)pkey;
	return -EINVAL;
}

long sys_pkey_mprotect(struct task *t, uaddr_t addr, size_t size, unsigned long prot, int pkey)
{
	return pkey == -1 ? sys_mprotect(t, addr, size, prot) : -EINVAL;
}

long sys_mremap(struct task *t, uaddr_t addr, unsigned long old_size, unsigned long new_size,
		unsigned long flags, uaddr_t new_addr)
{
	int err = check_seals(t, addr.addr, MAX(old_size, 1ul));

	if (!err && (flags & MREMAP_FIXED))
		err = check_seals(t, new_addr.addr, new_size);
	if (!err && new_size > old_size && mm_limited(t->process))
		err = mm_may_expand(t, new_size - old_size, true);
	if (err)
		return err;
	return hostcall(t, SYS_mremap, addr.addr, old_size, new_size, flags, new_addr.addr);
}

/* ---- madvise ---------------------------------------------------------------------------------- */

/* A range of the application's: start aligned, size rounded up.  -EINVAL; 1: nothing to do. */
static int advice_range(uint64_t start, size_t size, uint64_t *end)
{
	if (start & (PAGE_SIZE - 1))
		return -EINVAL;
	if (size > UINT64_MAX - PAGE_SIZE)
		return -EINVAL;
	*end = start + ALIGN_UP(size, PAGE_SIZE);
	if (*end < start)
		return -EINVAL;
	return *end == start;
}

/* Mappings of a range, copied out of the walk; of the name is left whether it is a file's. */
struct parts {
	struct plat_map part[32];
	unsigned int count;
};

static int parts_add(void *arg, const struct plat_map *m)
{
	struct parts *p = arg;

	if (p->count == ARRAY_SIZE(p->part))
		return -E2BIG;
	p->part[p->count] = *m;
	p->part[p->count].name = mm_map_is_memory(m) ? "" : "/";
	p->part[p->count].detail = NULL;
	p->count++;
	return 0;
}

/* What is mapped there, opened (flags: O_*): for what is done to the file instead of the memory. */
static int open_mapped(struct task *t, const struct plat_map *m, int flags, struct file **out)
{
	struct path path;
	int err;

	if (!mm_map_path(t->mm, m, &path))
		return -ENODEV;
	err = vfs_open_path(task_vfs(t), &path, flags, out);
	path_put(&path);
	return err;
}

/* MADV_REMOVE: a hole in a shared file; in shared anonymous memory, zeros. */
static int remove_part(struct task *t, const struct plat_map *m)
{
	uint64_t size = m->end - m->start;
	struct file *f;
	int err;

	if (m->prot[3] != 's' || m->prot[1] != 'w')
		return m->ino ? -EACCES : -EINVAL;
	err = open_mapped(t, m, O_RDWR, &f);
	if (err == -ENODEV)
		return uaccess_zero(t, (uaddr_t){ m->start }, size);
	if (err)
		return err;
	err = file_fallocate(task_vfs(t), f, 3 /* PUNCH_HOLE | KEEP_SIZE */, (int64_t)m->offset,
			     (int64_t)size);
	file_put(f);
	return err;
}

static int madvise_remove(struct task *t, uint64_t start, uint64_t end)
{
	struct parts *p = mem_new(struct parts);
	int err, r = 0;

	if (!p)
		return -ENOMEM;
	err = mm_for_range(t->mm, start, end, parts_add, p);
	for (unsigned int i = 0; i < p->count && !r; i++)
		r = remove_part(t, &p->part[i]);
	mem_free(p);
	return r ? r : err;
}

/* Discarding what is sealed is refused where it could not be written either. */
static int discard_one(void *arg, const struct plat_map *m)
{
	struct task *t = arg;

	return m->prot[1] != 'w' && m->prot[3] == 'p' && !m->ino &&
	       mm_range_is_sealed(t->mm, m->start, m->end) ? -EPERM : 0;
}

static int advice_check_seals(struct task *t, uint64_t addr, size_t size, int advice)
{
	uint64_t end;

	if (t->mm->seal_count == 0 || advice_range(addr, size, &end))
		return 0;
	switch (advice) {
	case MADV_FREE:
	case MADV_DONTNEED:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_WIPEONFORK:
	case 24 /* MADV_DONTNEED_LOCKED */:
	case MADV_GUARD_INSTALL_:
		return mm_for_range(t->mm, addr, end, discard_one, t) == -EPERM ? -EPERM : 0;
	default:
		return 0;
	}
}

long sys_mseal(struct task *t, unsigned long addr, size_t size, unsigned long flags)
{
	uint64_t end;
	int r;

	if (flags)
		return -EINVAL;
	r = advice_range(addr, size, &end);
	if (!r)
		r = mm_seal_range(t->mm, addr, end);
	if (!r)
		plat_mm_set_native(t->mm->plat, false); /* of all threads: each call is checked here now */
	return MIN(r, 0);
}

long sys_madvise(struct task *t, uaddr_t addr, size_t size, int advice)
{
	uint64_t end;
	int r = advice_check_seals(t, addr.addr, size, advice);

	if (r)
		return r;
	switch (advice) {
	case 100 /* MADV_HWPOISON */:
	case 101 /* MADV_SOFT_OFFLINE */:
		return task_capable(t, CAP_SYS_ADMIN_) ? -EINVAL : -EPERM;
	case MADV_MERGEABLE: /* these as a kernel built without them */
	case MADV_UNMERGEABLE:
		return -EINVAL;
	case MADV_REMOVE:
	case 24 /* MADV_DONTNEED_LOCKED */:
		break;
	default:
		if ((advice < 0 || advice > 25) && advice != MADV_GUARD_INSTALL_ &&
		    advice != MADV_GUARD_REMOVE_)
			return -EINVAL;
		return hostcall(t, SYS_madvise, addr.addr, size, (uint64_t)advice, 0, 0);
	}
	r = advice_range(addr.addr, size, &end);
	if (r)
		return MIN(r, 0);
	if (advice == MADV_REMOVE)
		return mm_range_is_locked(t->mm, addr.addr, end) ? -EINVAL
								 : madvise_remove(t, addr.addr, end);
	return hostcall(t, SYS_madvise, addr.addr, size, MADV_DONTNEED, 0, 0);
}

/* Of others' memory: hints that change nothing that can be seen. */
long sys_process_madvise(struct task *t, int pidfd, uaddr_t iov, size_t iovcnt, int advice,
			 unsigned int flags)
{
	struct uaccess_iov v;
	struct task *target;
	struct mm *mm = NULL;
	long done = 0, err;

	if (flags)
		return -EINVAL;
	err = uaccess_iov_init(t, &v, iov, iovcnt);
	if (err)
		return err;
	err = pidfd_leader(t, pidfd, &target);
	if (err)
		goto fini;
	mm = task_mm_get(target);
	err = !mm ? -ESRCH : !task_may_access(t, target, PTRACE_READ | PTRACE_FSCREDS) ? -EPERM : 0;
	if (!err && mm != t->mm && !task_capable(t, CAP_SYS_NICE_))
		err = -EPERM;
	if (!err && mm != t->mm && advice != MADV_COLD && advice != MADV_PAGEOUT && advice != MADV_WILLNEED &&
	    advice != 25)
		err = -EINVAL;
	for (size_t i = 0; i < iovcnt && !err; i++) {
		uint64_t start = v.segs[i].addr, end;

		err = advice_range(start, v.segs[i].size, &end);
		if (!err && mm == t->mm)
			err = sys_madvise(t, (uaddr_t){ start }, v.segs[i].size, advice);
		else if (!err)
			err = mm_for_range(mm, start, end, NULL, NULL);
		err = MIN(err, 0);
		if (!err)
			done += (long)v.segs[i].size;
	}
	mm_put(mm);
	task_put(target);
fini:
	uaccess_iov_fini(&v);
	return done ? done : err;
}

long sys_brk(struct task *t, uaddr_t addr)
{
	return mm_brk(t, addr.addr);
}

/* ---- msync, remap_file_pages ------------------------------------------------------------------ */

/* The host's page cache is what both sides see; MS_SYNC is for the disk. */
static int sync_part(struct task *t, const struct plat_map *m)
{
	struct file *f;
	int err;

	if (!m->ino || m->prot[3] != 's' || open_mapped(t, m, O_RDONLY, &f))
		return 0;
	err = file_fsync(task_vfs(t), f, true);
	file_put(f);
	return err == -EINVAL ? 0 : err;
}

long sys_msync(struct task *t, uaddr_t addr, size_t size, int flags)
{
	struct parts *p;
	uint64_t end;
	int err, r = 0;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (addr.addr & (PAGE_SIZE - 1)) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (size > UINT64_MAX - PAGE_SIZE)
		return -ENOMEM;
	end = addr.addr + ALIGN_UP(size, PAGE_SIZE);
	if (end < addr.addr)
		return -ENOMEM;
	if (end == addr.addr)
		return 0;
	if ((flags & MS_INVALIDATE) && mm_range_is_locked(t->mm, addr.addr, end))
		return -EBUSY;
	if (!(flags & MS_SYNC))
		return mm_for_range(t->mm, addr.addr, end, NULL, NULL);
	p = mem_new(struct parts);
	if (!p)
		return -ENOMEM;
	err = mm_for_range(t->mm, addr.addr, end, parts_add, p);
	for (unsigned int i = 0; i < p->count && !r; i++)
		r = sync_part(t, &p->part[i]);
	mem_free(p);
	return r ? r : err == -E2BIG ? 0 : err;
}

/* As Linux does since 4.0: another mapping in the same place. */
long sys_remap_file_pages(struct task *t, uaddr_t addr, unsigned long size, unsigned long prot,
			  unsigned long pgoff, unsigned long flags)
{
	uint64_t start = ALIGN_DOWN(addr.addr, PAGE_SIZE);
	const struct plat_map *m;
	struct parts *p;
	struct file *f;
	int as = 0;
	long r;

	size = ALIGN_DOWN(size, PAGE_SIZE);
	if (prot || start + size <= start || pgoff + (size >> 12) < pgoff)
		return -EINVAL;
	p = mem_new(struct parts);
	if (!p)
		return -ENOMEM;
	r = mm_for_range(t->mm, start, start + size, parts_add, p);
	m = &p->part[0];
	if (r || !p->count || m->prot[3] != 's') {
		r = -EINVAL;
		goto out;
	}
	for (unsigned int i = 1; i < p->count; i++) {
		if (p->part[i].ino != m->ino) {
			r = -EINVAL;
			goto out;
		}
	}
	as = (m->prot[0] == 'r' ? PROT_READ : 0) | (m->prot[1] == 'w' ? PROT_WRITE : 0) |
	     (m->prot[2] == 'x' ? PROT_EXEC : 0);
	r = open_mapped(t, m, as & PROT_WRITE ? O_RDWR : O_RDONLY, &f);
	if (r) {
		r = -EINVAL;
		goto out;
	}
	if (shm_ends_with(t, m, start, size)) {
		file_put(f);
		r = -EIDRM;
		goto out;
	}
	r = mm_map_file(t, f, start, size, as,
			MAP_SHARED | MAP_FIXED | (flags & MAP_NONBLOCK ? 0 : MAP_POPULATE), pgoff << 12);
	file_put(f);
	r = MIN(r, 0);
out:
	mem_free(p);
	return r;
}

/* ---- mincore ---------------------------------------------------------------------------------- */

struct mincore {
	struct mm *mm;
	uint64_t start;
	uint8_t *vec;
	int err;
};

/* A file's pages are taken to be cached: whether they are is the host's secret. */
static int mincore_part(void *arg, const struct plat_map *m)
{
	struct mincore *c = arg;
	uint8_t *vec = c->vec + (m->start - c->start) / PAGE_SIZE;
	size_t pages = (m->end - m->start) / PAGE_SIZE;
	struct path path;

	if (m->ino && mm_map_path(c->mm, m, &path)) {
		path_put(&path);
		memset(vec, 1, pages);
		return 0;
	}
	return plat_mm_resident(c->mm->plat, m->start, pages, vec);
}

long sys_mincore(struct task *t, uaddr_t addr, size_t size, uaddr_t uvec)
{
	uint64_t end = addr.addr + size, at = addr.addr;
	uint8_t *vec;
	int err = 0;

	if (at & (PAGE_SIZE - 1))
		return -EINVAL;
	if (end < at || end > plat_layout()->user_max || size > UINT64_MAX - PAGE_SIZE)
		return -ENOMEM;
	end = at + ALIGN_UP(size, PAGE_SIZE);
	vec = mem_alloc(PAGE_SIZE);
	if (!vec)
		return -ENOMEM;
	while (at < end && !err) {
		uint64_t stop = MIN(end, at + (uint64_t)PAGE_SIZE * PAGE_SIZE);
		struct mincore c = { .mm = t->mm, .start = at, .vec = vec };

		memset(vec, 0, PAGE_SIZE);
		err = mm_for_range(t->mm, at, stop, mincore_part, &c);
		if (!err && uaccess_put(t, uaddr_add(uvec, (at - addr.addr) / PAGE_SIZE), vec,
					(stop - at) / PAGE_SIZE))
			err = -EFAULT;
		at = stop;
	}
	mem_free(vec);
	return err;
}

/* ---- mlock ------------------------------------------------------------------------------------ */

static long do_mlock(struct task *t, uint64_t addr, size_t size, bool on_fault)
{
	uint64_t limit = task_rlimit(t, RLIMIT_MEMLOCK), start = ALIGN_DOWN(addr, PAGE_SIZE), end;
	bool may = task_capable(t, CAP_IPC_LOCK_);
	int err;

	if (!may && !limit)
		return -EPERM;
	size = ALIGN_UP(size + (addr - start), PAGE_SIZE);
	end = start + size;
	if (!may && size + mm_locked_bytes(t->mm) > limit &&
	    (size > limit || !mm_range_is_locked(t->mm, start, end)))
		return -ENOMEM;
	if (end < start)
		return -EINVAL;
	err = mm_lock_range(t, start, end, on_fault);
	return err == -EFAULT ? -ENOMEM : err;
}

long sys_mlock(struct task *t, uaddr_t addr, size_t size)
{
	return do_mlock(t, addr.addr, size, false);
}

long sys_mlock2(struct task *t, uaddr_t addr, size_t size, int flags)
{
	if (flags & ~1 /* MLOCK_ONFAULT */)
		return -EINVAL;
	return do_mlock(t, addr.addr, size, flags);
}

long sys_munlock(struct task *t, uaddr_t addr, size_t size)
{
	uint64_t start = ALIGN_DOWN(addr.addr, PAGE_SIZE);
	uint64_t end = start + ALIGN_UP(size + (addr.addr - start), PAGE_SIZE);

	return end < start ? -EINVAL : mm_unlock_range(t, start, end);
}

long sys_mlockall(struct task *t, int flags)
{
	uint64_t limit = task_rlimit(t, RLIMIT_MEMLOCK);
	struct plat_mem_usage u;

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return -EINVAL;
	if (!task_capable(t, CAP_IPC_LOCK_)) {
		if (!limit)
			return -EPERM;
		if ((flags & MCL_CURRENT) && plat_mm_usage(t->mm->plat, &u) == 0 && u.vm_bytes > limit)
			return -ENOMEM;
	}
	mutex_lock(&t->mm->lock);
	t->mm->lock_future = flags & MCL_FUTURE;
	mutex_unlock(&t->mm->lock);
	return flags & MCL_CURRENT ? mm_lock_all(t, flags & MCL_ONFAULT) : 0;
}

long sys_munlockall(struct task *t)
{
	mm_unlock_all(t->mm);
	return 0;
}
