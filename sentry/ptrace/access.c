/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access.c: registers, FPU state and memory of a stopped tracee; see access.h.
 *
 * Text is written by a detour: the Sentry can write only what the application could, so the page is
 * made writable for a moment, by a host call of the tracee's own (ptrace_borrow), which gives a
 * private copy of it, as on Linux.  It stays executable meanwhile: other threads may be in it.
 *
 * The XSAVE image: a signal frame, which is what the platform has, and NT_X86_XSTATE differ in the 48
 * bytes at 464: there the frame's magic numbers and sizes, here XCR0.
 */
#include "sentry/ptrace/access.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/mem.h"
#include "sentry/mm/mm.h"
#include "sentry/task/task_impl.h"

/* CF PF AF ZF SF TF DF OF NT RF AC: what a debugger may change (FLAG_MASK). */
#define FLAGS_USER 0x54dd5ull

#define FP_LEGACY  512
#define FP_SW      464
#define FP_SW_SIZE 48

/* The start of a frame's software bytes. */
struct fp_sw {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size;
};

/* ---- registers ---------------------------------------------------------------------------------- */

long ptrace_regs_get(struct task *x, struct user_regs_struct *out)
{
	struct plat_thread *pt = task_pt_pin(x);

	if (!pt)
		return -ESRCH;
	*out = *plat_regs(pt);
	task_pt_unpin(x);
	out->cs = 0x33;
	out->ss = 0x2b;
	return 0;
}

long ptrace_regs_set(struct task *x, const struct user_regs_struct *in)
{
	uint64_t max = plat_layout()->user_max;
	struct plat_thread *pt;
	plat_regs_t *r;
	uint64_t flags;

	if (in->fs_base >= max || in->gs_base >= max || (in->cs & 3) != 3 || (in->ss & 3) != 3)
		return -EIO;
	pt = task_pt_pin(x);
	if (!pt)
		return -ESRCH;
	r = plat_regs_mut(pt);
	flags = (r->eflags & ~FLAGS_USER) | (in->eflags & FLAGS_USER);
	*r = *in;
	r->eflags = flags;
	r->cs = 0x33;
	r->ss = 0x2b;
	task_pt_unpin(x);
	return 0;
}

/* The frame's image is got by the tracee's own fiber: the platform may have to make it first. */
struct fp_access {
	uint8_t *buf; /* PTRACE_FPSTATE_MAX */
	size_t size;  /* in: of what is set; out: of what was got */
	bool legacy;
};

static ssize_t fpstate_frame(struct plat_thread *pt, uint8_t *buf, struct fp_sw *sw)
{
	size_t size = plat_fpstate_size();
	ssize_t n;

	if (size > PTRACE_FPSTATE_MAX)
		return -EIO;
	n = plat_fpstate_get(pt, buf, size);
	if (n < FP_LEGACY)
		return n < 0 ? n : -EIO;
	memcpy(sw, buf + FP_SW, sizeof(*sw));
	return n;
}

static long fpstate_get(struct task *x, void *arg)
{
	struct fp_access *a = arg;
	struct fp_sw sw;
	ssize_t n = fpstate_frame(x->pt, a->buf, &sw);

	if (n < 0)
		return n;
	memset(a->buf + FP_SW, 0, FP_SW_SIZE);
	if (a->legacy)
		return FP_LEGACY;
	if (n == FP_LEGACY || sw.xstate_size > (size_t)n)
		return -ENODEV;
	memcpy(a->buf + FP_SW, &sw.xfeatures, sizeof(sw.xfeatures));
	return (long)sw.xstate_size;
}

static long fpstate_set(struct task *x, void *arg)
{
	const struct fp_access *a = arg;
	uint8_t *frame = mem_alloc(PTRACE_FPSTATE_MAX);
	uint64_t present;
	struct fp_sw sw;
	long err = -ENOMEM;
	ssize_t n;

	if (!frame)
		return err;
	n = fpstate_frame(x->pt, frame, &sw);
	err = n < 0 ? n : 0;
	if (!err && (a->legacy ? a->size < FP_LEGACY : a->size != sw.xstate_size))
		err = -EFAULT;
	if (err)
		goto out;
	memcpy(frame, a->buf, FP_SW);
	if (a->legacy && n > FP_LEGACY + 64) { /* what it sets is there, whatever was before */
		memcpy(&present, frame + FP_LEGACY, sizeof(present));
		present |= 3;
		memcpy(frame + FP_LEGACY, &present, sizeof(present));
	} else if (!a->legacy) {
		memcpy(frame + FP_LEGACY, a->buf + FP_LEGACY, a->size - FP_LEGACY);
	}
	err = plat_fpstate_set(x->pt, frame, (size_t)n);
out:
	mem_free(frame);
	return err;
}

ssize_t ptrace_fpstate_get(struct task *x, void *buf, bool legacy)
{
	struct fp_access a = { .buf = buf, .legacy = legacy };

	return ptrace_borrow(x, fpstate_get, &a);
}

ssize_t ptrace_fpstate_own(struct task *t, void *buf, bool legacy)
{
	struct fp_access a = { .buf = buf, .legacy = legacy };

	return fpstate_get(t, &a);
}

long ptrace_fpstate_set(struct task *x, void *buf, size_t size, bool legacy)
{
	struct fp_access a = { .buf = buf, .size = size, .legacy = legacy };

	return ptrace_borrow(x, fpstate_set, &a);
}

/* ---- memory ------------------------------------------------------------------------------------- */

struct forced_write {
	struct mm *mm;
	uint64_t addr;
	const void *src;
	size_t size;
};

struct find_map {
	uint64_t addr;
	bool found, private;
	int prot;
};

static int find_map_one(void *arg, const struct plat_map *m)
{
	struct find_map *f = arg;

	if (f->addr < m->start || f->addr >= m->end)
		return 0;
	f->found = true;
	f->private = m->prot[3] == 'p';
	f->prot = (m->prot[0] == 'r' ? PROT_READ : 0) | (m->prot[1] == 'w' ? PROT_WRITE : 0) |
		  (m->prot[2] == 'x' ? PROT_EXEC : 0);
	return 1;
}

static bool page_protect(struct task *t, uint64_t page, int prot)
{
	struct plat_hostcall c = { .nr = SYS_mprotect, .args = { page, PAGE_SIZE, (uint64_t)prot },
				   .host_fd = -1 };

	return plat_hostcalls(t->pt, &c, 1) == 1;
}

/* Within one page, on t's own fiber. */
static ssize_t page_write(struct task *t, struct plat_mm *mm, uint64_t addr, const void *src,
			  size_t size)
{
	struct find_map f = { .addr = addr };
	uint64_t page = ALIGN_DOWN(addr, PAGE_SIZE);
	ssize_t n = plat_mm_write(mm, addr, src, size, false);

	if (n == (ssize_t)size)
		return n;
	(void)plat_mm_maps(mm, false, find_map_one, &f);
	if (!f.found || !f.private || (f.prot & PROT_WRITE) ||
	    !page_protect(t, page, f.prot | PROT_READ | PROT_WRITE))
		return -EFAULT;
	n = plat_mm_write(mm, addr, src, size, false);
	(void)page_protect(t, page, f.prot);
	return n;
}

static long forced_write(struct task *t, void *arg)
{
	struct forced_write *w = arg;
	size_t done = 0, size;
	ssize_t n = 0;

	while (done < w->size) {
		size = MIN(w->size - done, (size_t)(PAGE_SIZE - (w->addr + done) % PAGE_SIZE));
		n = page_write(t, w->mm->plat, w->addr + done, (const uint8_t *)w->src + done, size);
		if (n != (ssize_t)size)
			break;
		done += size;
	}
	return done ? (long)done : n < 0 ? n : -EFAULT;
}

ssize_t ptrace_write(struct task *t, struct mm *mm, uint64_t addr, const void *src, size_t size)
{
	struct forced_write w = { mm, addr, src, size };
	ssize_t n = plat_mm_write(mm->plat, addr, src, size, false);
	struct task *x;
	long r;

	if (n == (ssize_t)size)
		return n;
	if (t->mm == mm)
		return forced_write(t, &w);
	x = ptrace_stopped_in(t, mm);
	r = x ? ptrace_borrow(x, forced_write, &w) : -ESRCH;
	task_put(x);
	if (r < 0)
		return n > 0 ? n : -EFAULT;
	return r;
}
