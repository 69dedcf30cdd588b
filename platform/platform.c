/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform.c: the choice between the platforms, and what they share: where the host leaves room in
 * an address space.
 */
#include "platform/platform_impl.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "platform/stub/abi.h"

static struct {
	const struct platform_ops *ops;
	struct plat_layout layout;
	uint64_t vdso_min, vdso_max;
} plat;

static const struct platform_ops *const platforms[] = { &notify_ops, &ptrace_ops };

/* ---- layout ----------------------------------------------------------------------------------- */

static bool is_vdso_name(const char *name)
{
	return name[0] == '[' && name[1] == 'v' && strncmp(name, "[vsyscall]", 10) != 0;
}

/* One line of /proc/self/maps: "from-to perms offset dev ino   name". */
static void layout_line(char *line)
{
	char *end, *name;
	uint64_t from = strtoull(line, &end, 16), to;

	if (*end != '-')
		return;
	to = strtoull(end + 1, NULL, 16);
	name = strchr(line, '[');
	if (!name || !is_vdso_name(name))
		return;
	if (plat.vdso_min == plat.vdso_max) {
		plat.vdso_min = from;
		plat.vdso_max = to;
	}
	plat.vdso_min = MIN(plat.vdso_min, from);
	plat.vdso_max = MAX(plat.vdso_max, to);
}

/* In the jail the only procfs is the one that was handed over; elsewhere (tests) there may be none. */
static int layout_read_maps(int proc_fd)
{
	char buf[8192], *line, *nl;
	size_t have = 0;
	ssize_t n;
	int fd = proc_fd >= 0 ? host_openat(proc_fd, "self/maps", O_RDONLY, 0)
			      : host_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY, 0);

	if (fd < 0)
		return fd;
	while ((n = host_read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		have += (size_t)n;
		buf[have] = 0;
		for (line = buf; (nl = strchr(line, '\n')); line = nl + 1) {
			*nl = 0;
			layout_line(line);
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
	}
	host_close(fd);
	return n < 0 ? (int)n : 0;
}

int layout_init(int proc_fd)
{
	struct rlimit stack;
	int err = layout_read_maps(proc_fd);

	if (err < 0)
		return err;
	if (plat.vdso_max - plat.vdso_min > 64 * PAGE_SIZE) {
		log_warn("vDSO's parts lie far apart: leaving it out");
		plat.vdso_min = plat.vdso_max = 0;
	}
	err = host_prlimit(0, RLIMIT_STACK, NULL, &stack);
	if (err < 0)
		return err;
	plat.layout = (struct plat_layout){
		.user_min = 0x10000,
		.user_max = STUB_USER_END,
		.stub_min = STUB_BASE,
		.stub_max = STUB_END,
		/* The host's mmap_base at the highest; randomised downwards from here. */
		.mmap_top = STUB_BASE - 0x200000,
		.vdso = plat.vdso_max ? getauxval(AT_SYSINFO_EHDR) : 0,
	};
	return 0;
}

void layout_vdso(uint64_t *min, uint64_t *max)
{
	*min = plat.vdso_min;
	*max = plat.vdso_max;
}

static bool meets(uint64_t addr, uint64_t size, uint64_t min, uint64_t max)
{
	uint64_t end = addr + MAX(size, 1ul);

	if (end < addr)
		end = UINT64_MAX;
	return addr < max && end > min;
}

bool layout_is_reserved(uint64_t addr, uint64_t size)
{
	return meets(addr, size, STUB_BASE, STUB_END) ||
	       meets(addr, size, plat.vdso_min, plat.vdso_max);
}

bool plat_hostcall_is_allowed(const struct plat_hostcall *c)
{
	switch (c->nr) {
	case SYS_mmap:
		/* Without FIXED the address is a hint, which the host takes if it is free: ours never is. */
		return !layout_is_reserved(c->args[0], c->args[1]) &&
		       !(c->args[2] & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC)) &&
		       !(c->args[3] & ~(uint64_t)STUB_MMAP_FLAGS);
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_madvise:
		return !layout_is_reserved(c->args[0], c->args[1]);
	case SYS_mremap:
		return !layout_is_reserved(c->args[0], c->args[1]) &&
		       (!(c->args[3] & MREMAP_FIXED) || !layout_is_reserved(c->args[4], c->args[2]));
	case SYS_prctl:
		return c->args[0] == PR_SET_NAME || (c->args[0] == PR_SET_MM && c->args[1] == PR_SET_MM_MAP);
	default:
		return false;
	}
}

size_t plat_reset_calls(struct plat_hostcall calls[PLAT_RESET_CALLS])
{
	uint64_t edges[PLAT_RESET_CALLS][2] = { { 0, STUB_BASE }, { STUB_END, STUB_USER_END } };
	size_t n = 0;

	if (plat.vdso_min < plat.vdso_max) {
		size_t e = plat.vdso_min < STUB_BASE ? 0 : 1;

		edges[2][0] = plat.vdso_max;
		edges[2][1] = edges[e][1];
		edges[e][1] = plat.vdso_min;
	}
	for (size_t i = 0; i < PLAT_RESET_CALLS; i++) {
		if (edges[i][0] < edges[i][1])
			calls[n++] = (struct plat_hostcall){
				.nr = SYS_munmap,
				.args = { edges[i][0], edges[i][1] - edges[i][0] },
				.host_fd = -1,
			};
	}
	return n;
}

const struct plat_layout *plat_layout(void)
{
	return &plat.layout;
}

/* ---- dispatch --------------------------------------------------------------------------------- */

int plat_init(const struct plat_config *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++) {
		if (strcmp(platforms[i]->name, c->name) == 0) {
			int err = layout_init(c->proc_fd);

			if (err < 0)
				return err;
			proc_init(c->proc_fd);
			plat.ops = platforms[i];
			return plat.ops->init(c);
		}
	}
	return -EINVAL;
}

const struct worker_hooks *plat_worker_hooks(void)
{
	return plat.ops->worker_hooks();
}

int plat_mm_new(struct plat_mm **out)
{
	return plat.ops->mm_new(out);
}

void plat_mm_get(struct plat_mm *mm)
{
	plat.ops->mm_get(mm);
}

void plat_mm_put(struct plat_mm *mm)
{
	if (mm)
		plat.ops->mm_put(mm);
}

int plat_thread_new(struct plat_mm *mm, struct fiber *fiber, struct plat_thread **out)
{
	return plat.ops->thread_new(mm, fiber, out);
}

void plat_thread_free(struct plat_thread *pt)
{
	if (pt)
		plat.ops->thread_free(pt);
}

struct plat_mm *plat_thread_mm(struct plat_thread *pt)
{
	return plat.ops->thread_mm(pt);
}

bool plat_thread_is_dead(struct plat_thread *pt)
{
	return plat.ops->thread_is_dead(pt);
}

void plat_thread_place(struct plat_thread *pt, const void *mask, size_t size, bool any)
{
	pid_t tid = plat_thread_host_tid(pt);

	if (tid <= 0)
		return;
	if (plat.ops->placed)
		plat.ops->placed(pt, !any);
	(void)host_sched_setaffinity(tid, size, mask);
}

pid_t plat_thread_host_tid(struct plat_thread *pt)
{
	return plat.ops->thread_host_tid(pt);
}

int plat_start(struct plat_thread *pt)
{
	return plat.ops->start(pt);
}

int plat_start_from(struct plat_thread *tmpl, struct plat_thread *pt)
{
	return tmpl ? plat.ops->start_from(tmpl, pt) : plat.ops->start(pt);
}

int plat_template_new(struct plat_thread **out)
{
	struct plat_thread *pt;
	struct plat_mm *mm;
	int err;

	if (!plat.ops->start_from)
		return -ENOTSUP;
	err = plat_mm_new(&mm);
	if (err)
		return err;
	err = plat_thread_new(mm, fiber_self(), &pt);
	if (!err) {
		err = plat_start(pt);
		/* Until it has arrived it has no number by which anybody could move it. */
		if (!err && plat.ops->mm_tid(mm) <= 0)
			err = -ESRCH;
		if (err) {
			plat_mm_kill(mm);
			plat_thread_free(pt);
		}
	}
	plat_mm_put(mm); /* pt holds it */
	if (!err)
		*out = pt;
	return err;
}

void plat_template_free(struct plat_thread *tmpl)
{
	if (!tmpl)
		return;
	plat_mm_kill(plat_thread_mm(tmpl));
	plat_thread_free(tmpl);
}

int plat_clone(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
	       const struct plat_start *start)
{
	return plat.ops->clone(parent, child, flags, start);
}

void plat_run(struct plat_thread *pt, struct plat_event *ev)
{
	plat.ops->run(pt, ev);
}

/* Pairs with the stub's sigprocmask(): each side writes its word, then reads the other's. */
uint64_t plat_sigmask(const struct plat_thread *pt)
{
	return __atomic_load_n(&plat.ops->own(pt)->sig_blocked, __ATOMIC_SEQ_CST);
}

void plat_sigmask_set(struct plat_thread *pt, uint64_t mask)
{
	__atomic_store_n(&plat.ops->own(pt)->sig_blocked, mask, __ATOMIC_SEQ_CST);
}

void plat_sigmask_watch(struct plat_thread *pt, uint64_t watched)
{
	__atomic_store_n(&plat.ops->own(pt)->sig_watched, watched, __ATOMIC_SEQ_CST);
}

void plat_sigplain_offer(struct plat_thread *pt, uint64_t plain)
{
	volatile struct stub_own *own = plat.ops->own(pt);

	own->sig_reset = 0;
	own->sig_plain = plain;
}

void plat_sigreturn_offer(struct plat_thread *pt, uint64_t stack, uint64_t size, uint32_t flags)
{
	volatile struct stub_own *own = plat.ops->own(pt);

	own->return_stack = stack;
	own->return_stack_size = size;
	own->return_stack_flags = flags;
	own->return_on = 1;
}

void plat_sigreturn_withdraw(struct plat_thread *pt)
{
	plat.ops->own(pt)->return_on = 0;
}

void plat_sigplain_withdraw(struct plat_thread *pt, struct plat_sigreset *out)
{
	volatile struct stub_own *own = plat.ops->own(pt);

	out->set = own->sig_reset;
	out->flags = own->reset_flags & STUB_SA_RESTORER;
	out->restorer = own->reset_restorer;
	own->sig_plain = own->sig_reset = 0;
}

uint64_t plat_robust_list(const struct plat_thread *pt)
{
	return __atomic_load_n(&plat.ops->own(pt)->robust_list, __ATOMIC_RELAXED);
}

void plat_robust_list_set(struct plat_thread *pt, uint64_t head)
{
	__atomic_store_n(&plat.ops->own(pt)->robust_list, head, __ATOMIC_RELAXED);
}

uint64_t plat_clear_tid(const struct plat_thread *pt)
{
	return __atomic_load_n(&plat.ops->own(pt)->clear_tid, __ATOMIC_RELAXED);
}

void plat_clear_tid_set(struct plat_thread *pt, uint64_t word)
{
	__atomic_store_n(&plat.ops->own(pt)->clear_tid, word, __ATOMIC_RELAXED);
}

void plat_rseq(const struct plat_thread *pt, struct plat_rseq *out)
{
	const struct stub_own *own = plat.ops->own(pt);

	*out = (struct plat_rseq){
		.addr = __atomic_load_n(&own->rseq, __ATOMIC_RELAXED),
		.size = __atomic_load_n(&own->rseq_size, __ATOMIC_RELAXED),
		.sig = __atomic_load_n(&own->rseq_sig, __ATOMIC_RELAXED),
	};
}

bool plat_waits(const struct plat_thread *pt)
{
	return __atomic_load_n(&plat.ops->own(pt)->waits, __ATOMIC_RELAXED);
}

void plat_kick(struct plat_thread *pt)
{
	plat.ops->kick(pt);
}

void plat_thread_exit(struct plat_thread *pt, pid_t tid)
{
	plat.ops->thread_exit(pt, tid);
}

void plat_thread_walk_robust(struct plat_thread *pt, pid_t tid)
{
	if (plat.ops->walk_robust)
		plat.ops->walk_robust(pt, tid);
}

void plat_thread_set_tid(struct plat_thread *pt, pid_t tid)
{
	if (plat.ops->set_tid)
		plat.ops->set_tid(pt, tid);
}

void plat_mm_kill(struct plat_mm *mm)
{
	plat.ops->mm_kill(mm);
}

int plat_mm_reset(struct plat_thread *pt)
{
	return plat.ops->mm_reset(pt);
}

const plat_regs_t *plat_regs(struct plat_thread *pt)
{
	return plat.ops->regs(pt);
}

plat_regs_t *plat_regs_mut(struct plat_thread *pt)
{
	return plat.ops->regs_mut(pt);
}

void plat_set_result(struct plat_thread *pt, long result)
{
	plat.ops->set_result(pt, result);
}

void plat_native_call(struct plat_thread *pt, uint64_t nr, bool report)
{
	plat.ops->native_call(pt, nr, report);
}

size_t plat_fpstate_size(void)
{
	return plat.ops->fpstate_size();
}

ssize_t plat_fpstate_get(struct plat_thread *pt, void *buf, size_t size)
{
	return plat.ops->fpstate_get(pt, buf, size);
}

int plat_fpstate_set(struct plat_thread *pt, const void *buf, size_t size)
{
	return plat.ops->fpstate_set(pt, buf, size);
}

/* On platforms that see the state themselves. */
static int fpstate_move(struct plat_thread *pt, uint64_t addr, bool save)
{
	size_t size = plat.ops->fpstate_size();
	uint8_t *state = mem_zalloc(size);
	ssize_t n;
	int err;

	if (!state)
		return -ENOMEM;
	if (save) {
		n = plat.ops->fpstate_get(pt, state, size);
		if (n > 0)
			n = plat_mm_write(plat.ops->thread_mm(pt), addr, state, (size_t)n, false) == n ? n : -EFAULT;
		err = n <= 0 ? (int)n : plat.ops->fpstate_set(pt, NULL, 0);
	} else {
		n = plat_mm_read(plat.ops->thread_mm(pt), addr, state, size, false); /* may be a short, legacy one */
		err = n < 512 ? -EFAULT : plat.ops->fpstate_set(pt, state, (size_t)n);
	}
	mem_free(state);
	return err;
}

int plat_fpstate_save_at(struct plat_thread *pt, uint64_t addr)
{
	return plat.ops->fpstate_save_at ? plat.ops->fpstate_save_at(pt, addr) : fpstate_move(pt, addr, true);
}

int plat_fpstate_load_at(struct plat_thread *pt, uint64_t addr)
{
	return plat.ops->fpstate_load_at ? plat.ops->fpstate_load_at(pt, addr) : fpstate_move(pt, addr, false);
}

const struct uio_space *plat_thread_space(struct plat_thread *pt)
{
	return plat.ops->thread_space(pt);
}

const struct uio_space *plat_mm_space(struct plat_mm *mm)
{
	return plat.ops->mm_space(mm);
}

int plat_hostcalls(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	return plat.ops->hostcalls(pt, calls, count);
}

void plat_mm_set_identity(struct plat_mm *mm, const struct plat_identity *id)
{
	plat.ops->mm_set_identity(mm, id);
}

void plat_mm_set_clocks(struct plat_mm *mm, bool on)
{
	if (plat.ops->mm_set_clocks)
		plat.ops->mm_set_clocks(mm, on);
}

void plat_pollers_off(void)
{
	if (plat.ops->pollers_off)
		plat.ops->pollers_off();
}

void plat_mm_set_populate(struct plat_mm *mm, bool on)
{
	if (plat.ops->mm_set_populate)
		plat.ops->mm_set_populate(mm, on);
}

void plat_mm_set_native(struct plat_mm *mm, bool on)
{
	plat.ops->mm_set_native(mm, on);
}

/* ---- what the host knows of a process --------------------------------------------------------- */

ssize_t plat_mm_read(struct plat_mm *mm, uint64_t addr, void *dst, size_t size, bool force)
{
	pid_t tid = plat.ops->mm_tid(mm);
	ssize_t n;

	if (tid < 0)
		return tid;
	n = force ? proc_mem_read(tid, addr, dst, size) : proc_vm_read(tid, addr, dst, size);
	if (n > 0 && plat.ops->mm_original)
		plat.ops->mm_original(mm, addr, dst, (size_t)n);
	return n;
}

ssize_t plat_mm_write(struct plat_mm *mm, uint64_t addr, const void *src, size_t size, bool force)
{
	pid_t tid = plat.ops->mm_tid(mm);

	if (tid < 0)
		return tid;
	(void)force; /* the jail has no writable /proc/PID/mem: what the application can't write stays */
	return proc_vm_write(tid, addr, src, size);
}

ssize_t plat_mm_writev(struct plat_mm *mm, uint64_t addr, const struct iovec *iov, size_t count)
{
	pid_t tid = plat.ops->mm_tid(mm);

	return tid < 0 ? tid : proc_vm_writev(tid, addr, iov, count);
}

int plat_mm_maps(struct plat_mm *mm, bool smaps, plat_map_fn *fn, void *arg)
{
	pid_t tid = plat.ops->mm_tid(mm);

	return tid < 0 ? (int)tid : proc_maps(tid, smaps, fn, arg);
}

int plat_mm_maps_in(struct plat_mm *mm, uint64_t start, uint64_t end, plat_map_fn *fn, void *arg)
{
	pid_t tid = plat.ops->mm_tid(mm);

	return tid < 0 ? (int)tid : proc_maps_in(tid, start, end, fn, arg);
}

int plat_mm_sites(struct plat_mm *mm, plat_site_fn *fn, void *arg)
{
	return plat.ops->mm_sites ? plat.ops->mm_sites(mm, fn, arg) : -EOPNOTSUPP;
}

int plat_thread_usage(struct plat_thread *pt, struct plat_usage *out)
{
	pid_t tid = plat.ops->thread_host_tid(pt);

	return tid == 0 ? -ESRCH : proc_thread_usage(tid, out);
}

int plat_process_usage(struct plat_thread *pt, struct plat_usage *out)
{
	pid_t tid = plat.ops->thread_host_tid(pt);

	return tid == 0 ? -ESRCH : proc_process_usage(tid, out);
}

int plat_mm_resident(struct plat_mm *mm, uint64_t addr, size_t pages, uint8_t *vec)
{
	pid_t tid = plat.ops->mm_tid(mm);

	return tid < 0 ? (int)tid : proc_resident(tid, addr, pages, vec);
}

int plat_mm_usage(struct plat_mm *mm, struct plat_mem_usage *out)
{
	pid_t tid = plat.ops->mm_tid(mm);

	return tid < 0 ? (int)tid : proc_mem_usage(tid, plat.ops->mm_hidden_bytes(mm), out);
}
