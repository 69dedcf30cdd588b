/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace.c: ptrace(2), the tracer's side.  The mechanism is in sentry/ptrace/.
 *
 * All requests but TRACEME, ATTACH and SEIZE are for a tracee of the calling thread, and all of them
 * but KILL and INTERRUPT for one that is in a ptrace stop; else ESRCH.
 */
#include <asm/ptrace-abi.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <string.h>
#include <sys/user.h>

#include "lib/mem.h"
#include "sentry/ptrace/access.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#define OPTIONS_KNOWN (0xffu | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP)
#define DEBUGREG_AT   offsetof(struct user, u_debugreg)
#define CAP_SYS_ADMIN 21

/* ---- memory and registers ------------------------------------------------------------------------- */

static long peek_data(struct task *t, struct task *x, uint64_t addr, uaddr_t out)
{
	struct mm *mm = task_mm_get(x);
	uint64_t word;
	ssize_t n = mm ? plat_mm_read(mm->plat, addr, &word, sizeof(word), true) : -ESRCH;

	mm_put(mm);
	return n == sizeof(word) ? uaccess_put(t, out, &word, sizeof(word)) : -EIO;
}

static long poke_data(struct task *t, struct task *x, uint64_t addr, uint64_t word)
{
	struct mm *mm = task_mm_get(x);
	ssize_t n = mm ? ptrace_write(t, mm, addr, &word, sizeof(word)) : -ESRCH;

	mm_put(mm);
	return n == sizeof(word) ? 0 : -EIO;
}

/* A word of struct user: registers, and debug registers. */
static long peek_user(struct task *t, struct task *x, uint64_t addr, uaddr_t out)
{
	struct user_regs_struct regs;
	uint64_t word = 0;
	long err;

	if ((addr & 7) || addr >= sizeof(struct user))
		return -EIO;
	if (addr < sizeof(regs)) {
		err = ptrace_regs_get(x, &regs);
		if (err)
			return err;
		memcpy(&word, (const char *)&regs + addr, sizeof(word));
	} else if (addr >= DEBUGREG_AT && addr < DEBUGREG_AT + 8 * sizeof(word)) {
		word = x->ptrace.dr[(addr - DEBUGREG_AT) / sizeof(word)];
	}
	return uaccess_put(t, out, &word, sizeof(word));
}

static long poke_user(struct task *x, uint64_t addr, uint64_t word)
{
	struct user_regs_struct regs;
	long err;

	if ((addr & 7) || addr >= sizeof(struct user))
		return -EIO;
	if (addr >= sizeof(regs)) {
		if (addr >= DEBUGREG_AT && addr < DEBUGREG_AT + 8 * sizeof(word))
			return ptrace_debugreg_set(x, (unsigned int)((addr - DEBUGREG_AT) / sizeof(word)),
						   word);
		return -EIO;
	}
	err = ptrace_regs_get(x, &regs);
	if (err)
		return err;
	memcpy((char *)&regs + addr, &word, sizeof(word));
	return ptrace_regs_set(x, &regs);
}

static long get_regs(struct task *t, struct task *x, uaddr_t out, size_t size)
{
	struct user_regs_struct regs;
	long err = ptrace_regs_get(x, &regs);

	return err ? err : uaccess_put(t, out, &regs, MIN(size, sizeof(regs)));
}

static long set_regs(struct task *t, struct task *x, uaddr_t in, size_t size)
{
	struct user_regs_struct regs;
	long err = ptrace_regs_get(x, &regs);

	if (!err)
		err = uaccess_get(t, &regs, in, MIN(size, sizeof(regs)));
	return err ? err : ptrace_regs_set(x, &regs);
}

/* size: of the buffer; the image's own size in *done. */
static long get_fpregs(struct task *t, struct task *x, uaddr_t out, size_t size, bool legacy,
		       size_t *done)
{
	void *buf = mem_alloc(PTRACE_FPSTATE_MAX);
	ssize_t n = buf ? ptrace_fpstate_get(x, buf, legacy) : -ENOMEM;
	long err = n < 0 ? n : 0;

	if (!err) {
		*done = MIN(size, (size_t)n);
		err = uaccess_put(t, out, buf, *done);
	}
	mem_free(buf);
	return err;
}

static long set_fpregs(struct task *t, struct task *x, uaddr_t in, size_t size, bool legacy)
{
	void *buf = mem_zalloc(PTRACE_FPSTATE_MAX);
	long err = buf ? 0 : -ENOMEM;

	if (!err && size > PTRACE_FPSTATE_MAX)
		err = -EFAULT;
	if (!err)
		err = uaccess_get(t, buf, in, size);
	if (!err)
		err = ptrace_fpstate_set(x, buf, size, legacy);
	mem_free(buf);
	return err;
}

static long regset(struct task *t, struct task *x, unsigned int type, uaddr_t arg, bool set)
{
	struct { uint64_t base, size; } iov;
	uaddr_t at;
	size_t size;
	long err;

	if (uaccess_get(t, &iov, arg, sizeof(iov)))
		return -EFAULT;
	at = uaddr(iov.base);
	size = iov.size;
	switch (type) {
	case NT_PRSTATUS:
		if (size % 8)
			return -EINVAL;
		size = MIN(size, sizeof(struct user_regs_struct));
		err = set ? set_regs(t, x, at, size) : get_regs(t, x, at, size);
		break;
	case NT_PRFPREG:
		if (size % 8)
			return -EINVAL;
		size = MIN(size, (size_t)512);
		err = set ? set_fpregs(t, x, at, size, true) : get_fpregs(t, x, at, size, true, &size);
		break;
	case NT_X86_XSTATE:
		if (size % 8)
			return -EINVAL;
		err = set ? set_fpregs(t, x, at, size, false) : get_fpregs(t, x, at, size, false, &size);
		break;
	default:
		return -EINVAL;
	}
	iov.size = size;
	return err ? err : uaccess_put(t, arg, &iov, sizeof(iov));
}

static long thread_base(struct task *t, struct task *x, uint64_t code, uint64_t addr)
{
	struct user_regs_struct regs;
	long err = ptrace_regs_get(x, &regs);

	if (err)
		return err;
	switch (code) {
	case 0x1001: /* ARCH_SET_GS */
		regs.gs_base = addr;
		return ptrace_regs_set(x, &regs) ? -EPERM : 0;
	case 0x1002: /* ARCH_SET_FS */
		regs.fs_base = addr;
		return ptrace_regs_set(x, &regs) ? -EPERM : 0;
	case 0x1003: /* ARCH_GET_FS */
		return uaccess_put(t, uaddr(addr), &regs.fs_base, 8);
	case 0x1004: /* ARCH_GET_GS */
		return uaccess_put(t, uaddr(addr), &regs.gs_base, 8);
	default:
		return -EINVAL;
	}
}

/* ---- signals --------------------------------------------------------------------------------------- */

static long get_siginfo(struct task *t, struct task *x, uaddr_t out)
{
	siginfo_t info;
	bool has;

	latch_lock(&x->process->siglock);
	has = x->ptrace.has_info;
	info = x->ptrace.info;
	latch_unlock(&x->process->siglock);
	return has ? uaccess_put(t, out, &info, sizeof(info)) : -EINVAL;
}

static long set_siginfo(struct task *t, struct task *x, uaddr_t in)
{
	siginfo_t info;
	bool has;

	if (uaccess_get(t, &info, in, sizeof(info)))
		return -EFAULT;
	latch_lock(&x->process->siglock);
	has = x->ptrace.has_info;
	if (has)
		x->ptrace.info = info;
	latch_unlock(&x->process->siglock);
	return has ? 0 : -EINVAL;
}

/* The n-th pending signal's info. */
static bool pending_nth(struct task *x, bool shared, uint64_t n, siginfo_t *info)
{
	struct sig_pending *pending = shared ? &x->process->pending : &x->pending;
	struct sig_queued *q;
	bool found = false;

	latch_lock(&x->process->siglock);
	list_for_each_entry(q, &pending->queue, node) {
		if (n-- == 0) {
			*info = q->info;
			found = true;
			break;
		}
	}
	latch_unlock(&x->process->siglock);
	return found;
}

static long peek_siginfo(struct task *t, struct task *x, uaddr_t arg, uaddr_t out)
{
	struct { uint64_t off; uint32_t flags; int32_t nr; } a;
	siginfo_t info;
	int32_t i;

	if (uaccess_get(t, &a, arg, sizeof(a)))
		return -EFAULT;
	if ((a.flags & ~PTRACE_PEEKSIGINFO_SHARED) || a.nr < 0)
		return -EINVAL;
	for (i = 0; i < a.nr; i++) {
		if (!pending_nth(x, a.flags & PTRACE_PEEKSIGINFO_SHARED, a.off + (uint64_t)i, &info))
			break;
		if (uaccess_put(t, uaddr_add(out, (size_t)i * sizeof(info)), &info, sizeof(info)))
			return i ? i : -EFAULT;
		if (sig_pending(t))
			return i + 1;
	}
	return i;
}

static long signal_mask(struct task *t, struct task *x, uint64_t size, uaddr_t at, bool set)
{
	sig_set_t mask;

	if (size != sizeof(mask))
		return -EINVAL;
	if (!set) {
		latch_lock(&x->process->siglock);
		mask = atomic_load_explicit(&x->flags, memory_order_relaxed) & TASK_RESTORE_MASK
			       ? x->saved_mask : task_blocked(x);
		latch_unlock(&x->process->siglock);
		return uaccess_put(t, at, &mask, sizeof(mask));
	}
	if (uaccess_get(t, &mask, at, sizeof(mask)))
		return -EFAULT;
	latch_lock(&x->process->siglock);
	task_set_blocked_locked(x, mask & ~SIG_UNBLOCKABLE);
	atomic_fetch_and_explicit(&x->flags, ~(unsigned int)TASK_RESTORE_MASK, memory_order_relaxed);
	sig_recalc_locked(x);
	latch_unlock(&x->process->siglock);
	return 0;
}

/* ---- what it stopped for ----------------------------------------------------------------------------- */

static long syscall_info(struct task *t, struct task *x, uint64_t room, uaddr_t out)
{
	struct ptrace_syscall_info info = { 0 };
	size_t size = offsetof(struct ptrace_syscall_info, entry);
	struct user_regs_struct r;
	long err = ptrace_regs_get(x, &r);
	uint64_t args[6];

	if (err)
		return err;
	info.arch = AUDIT_ARCH_X86_64;
	info.instruction_pointer = r.rip;
	info.stack_pointer = r.rsp;
	memcpy(args, (const uint64_t[]){ r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9 }, sizeof(args));
	switch (x->ptrace.op) {
	case PTRACE_OP_ENTRY:
		info.op = PTRACE_SYSCALL_INFO_ENTRY;
		info.entry.nr = r.orig_rax;
		memcpy(info.entry.args, args, sizeof(args));
		size = offsetof(struct ptrace_syscall_info, entry.args) + sizeof(args);
		break;
	case PTRACE_OP_EXIT:
		info.op = PTRACE_SYSCALL_INFO_EXIT;
		info.exit.rval = (int64_t)r.rax;
		info.exit.is_error = r.rax >= (uint64_t)-4095;
		size = offsetof(struct ptrace_syscall_info, exit.is_error) + 1;
		break;
	case PTRACE_OP_SECCOMP:
		info.op = PTRACE_SYSCALL_INFO_SECCOMP;
		info.seccomp.nr = r.orig_rax;
		memcpy(info.seccomp.args, args, sizeof(args));
		info.seccomp.ret_data = x->ptrace.seccomp_data;
		size = offsetof(struct ptrace_syscall_info, seccomp.ret_data) + 4;
		break;
	default:
		break;
	}
	err = uaccess_put(t, out, &info, MIN(size, (size_t)room));
	return err ? err : (long)size;
}

/* Of x's rseq area. */
static long rseq_configuration(struct task *t, struct task *x, uint64_t room, uaddr_t out)
{
	struct ptrace_rseq_configuration c = { 0 };
	struct plat_rseq area;
	long err;

	if (!x->pt)
		return -EIO;
	plat_rseq(x->pt, &area);
	c.rseq_abi_pointer = area.addr;
	c.rseq_abi_size = area.addr ? area.size : 0;
	c.signature = area.addr ? area.sig : 0;
	err = uaccess_put(t, out, &c, MIN(sizeof(c), (size_t)room));
	return err ? err : (long)sizeof(c);
}

/* x's filters, to who could look into any process and has none himself. */
static ssize_t filter_copy(struct task *t, struct task *x, uint64_t nth, struct sock_filter **insns, bool *logs)
{
	if (!task_capable(t, CAP_SYS_ADMIN) || t->seccomp_mode != SECCOMP_NONE)
		return -EACCES;
	return seccomp_filter_copy(x, nth, insns, logs);
}

/* Its length in instructions, and they themselves unless out is NULL. */
static long seccomp_get_filter(struct task *t, struct task *x, uint64_t nth, uaddr_t out)
{
	struct sock_filter *insns = NULL;
	bool logs;
	ssize_t n = filter_copy(t, x, nth, &insns, &logs);

	if (n > 0 && out.addr && uaccess_put(t, out, insns, (size_t)n * sizeof(*insns)))
		n = -EFAULT;
	mem_free(insns);
	return n;
}

static long seccomp_get_metadata(struct task *t, struct task *x, uint64_t room, uaddr_t at)
{
	struct seccomp_metadata m = { 0 };
	struct sock_filter *insns = NULL;
	bool logs = false;
	ssize_t n;

	if (!task_capable(t, CAP_SYS_ADMIN) || t->seccomp_mode != SECCOMP_NONE)
		return -EACCES;
	room = MIN(room, (uint64_t)sizeof(m));
	if (room < sizeof(m.filter_off))
		return -EINVAL;
	if (uaccess_get(t, &m.filter_off, at, sizeof(m.filter_off)))
		return -EFAULT;
	n = filter_copy(t, x, m.filter_off, &insns, &logs);
	mem_free(insns);
	if (n < 0)
		return n;
	m.flags = logs ? SECCOMP_FILTER_FLAG_LOG : 0;
	return uaccess_put(t, at, &m, room) ? -EFAULT : (long)room;
}

static long set_options(struct task *t, struct task *x, uint64_t options)
{
	if (options & ~(uint64_t)OPTIONS_KNOWN)
		return -EINVAL;
	if (options & PTRACE_O_SUSPEND_SECCOMP)
		return task_capable(t, CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	latch_lock(&x->process->siglock);
	x->ptrace.options = (uint32_t)options;
	latch_unlock(&x->process->siglock);
	return 0;
}

/* ---- going on ---------------------------------------------------------------------------------------- */

static long resume(struct task *x, enum ptrace_mode_run run, bool step, uint64_t sig)
{
	if (sig > SIG_COUNT)
		return -EIO;
	latch_lock(&x->process->siglock);
	x->ptrace.run = run;
	x->ptrace.step = step;
	ptrace_resume_locked(x, (int)sig);
	latch_unlock(&x->process->siglock);
	return 0;
}

static long detach(struct task *x, uint64_t sig)
{
	if (sig > SIG_COUNT)
		return -EIO;
	mutex_lock(&tasklist.lock);
	ptrace_detach_locked(x, (int)sig);
	mutex_unlock(&tasklist.lock);
	return 0;
}

static long interrupt(struct task *x)
{
	long err = -EIO;

	latch_lock(&x->process->siglock);
	if (x->ptrace.seized) {
		ptrace_trap_locked(x);
		err = 0;
	}
	latch_unlock(&x->process->siglock);
	return err;
}

static long listen(struct task *x)
{
	struct ptrace_state *s = &x->ptrace;
	long err = -EIO;

	latch_lock(&x->process->siglock);
	if (s->seized && s->code >> 8 == PTRACE_EVENT_STOP) {
		err = 0;
		s->listening = true;
		if (s->retrap)
			ptrace_resume_locked(x, 0);
	}
	latch_unlock(&x->process->siglock);
	return err;
}

/* ---- the call ---------------------------------------------------------------------------------------- */

static long request_stopped(struct task *t, struct task *x, long request, uint64_t addr, uint64_t data)
{
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek_data(t, x, addr, uaddr(data));
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return poke_data(t, x, addr, data);
	case PTRACE_PEEKUSR:
		return peek_user(t, x, addr, uaddr(data));
	case PTRACE_POKEUSR:
		return poke_user(x, addr, data);
	case PTRACE_GETREGS:
		return get_regs(t, x, uaddr(data), sizeof(struct user_regs_struct));
	case PTRACE_SETREGS:
		return set_regs(t, x, uaddr(data), sizeof(struct user_regs_struct));
	case PTRACE_GETFPREGS:
		return get_fpregs(t, x, uaddr(data), 512, true, &(size_t){ 0 });
	case PTRACE_SETFPREGS:
		return set_fpregs(t, x, uaddr(data), 512, true);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return regset(t, x, (unsigned int)addr, uaddr(data), request == PTRACE_SETREGSET);
	case PTRACE_ARCH_PRCTL:
		return thread_base(t, x, data, addr);
	case PTRACE_GETSIGINFO:
		return get_siginfo(t, x, uaddr(data));
	case PTRACE_SETSIGINFO:
		return set_siginfo(t, x, uaddr(data));
	case PTRACE_PEEKSIGINFO:
		return peek_siginfo(t, x, uaddr(addr), uaddr(data));
	case PTRACE_GETSIGMASK:
	case PTRACE_SETSIGMASK:
		return signal_mask(t, x, addr, uaddr(data), request == PTRACE_SETSIGMASK);
	case PTRACE_OLDSETOPTIONS:
	case PTRACE_SETOPTIONS:
		return set_options(t, x, data);
	case PTRACE_GETEVENTMSG:
		return uaccess_put(t, uaddr(data), &x->ptrace.message, sizeof(x->ptrace.message));
	case PTRACE_GET_SYSCALL_INFO:
		return syscall_info(t, x, addr, uaddr(data));
	case PTRACE_SECCOMP_GET_FILTER:
		return seccomp_get_filter(t, x, addr, uaddr(data));
	case PTRACE_SECCOMP_GET_METADATA:
		return seccomp_get_metadata(t, x, addr, uaddr(data));
	case PTRACE_GET_RSEQ_CONFIGURATION:
		return rseq_configuration(t, x, addr, uaddr(data));
	case PTRACE_CONT:
		return resume(x, PTRACE_RUN, false, data);
	case PTRACE_SYSCALL:
		return resume(x, PTRACE_RUN_SYSCALL, false, data);
	case PTRACE_SYSEMU:
		return resume(x, PTRACE_RUN_SYSEMU, false, data);
	case PTRACE_SYSEMU_SINGLESTEP:
		return resume(x, PTRACE_RUN_SYSEMU, true, data);
	case PTRACE_SINGLESTEP:
		return resume(x, PTRACE_RUN, true, data);
	case PTRACE_DETACH:
		return detach(x, data);
	case PTRACE_LISTEN:
		return listen(x);
	default:
		return -EIO;
	}
}

/* x's tracer is t, and it is stopped for t's requests. */
static bool is_ready(struct task *t, struct task *x)
{
	bool ready;

	latch_lock(&x->process->siglock);
	ready = x->ptrace.tracer == t && !x->ptrace.listening &&
		atomic_load_explicit(&x->ptrace.stopped, memory_order_acquire);
	latch_unlock(&x->process->siglock);
	return ready;
}

static long attach(struct task *t, struct task *x, long request, uint64_t addr, uint64_t data)
{
	if (request == PTRACE_ATTACH)
		return ptrace_attach(t, x, false, 0);
	if (addr)
		return -EIO;
	if (data & ~(uint64_t)OPTIONS_KNOWN)
		return -EIO;
	if (data & PTRACE_O_SUSPEND_SECCOMP)
		return task_capable(t, CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	return ptrace_attach(t, x, true, (uint32_t)data);
}

long sys_ptrace(struct task *t, unsigned long ureq, long pid, unsigned long addr, unsigned long data)
{
	long request = (long)ureq, r = -ESRCH;
	struct task *x;

	if (request == PTRACE_TRACEME)
		return ptrace_traceme(t);
	x = task_lookup(task_pid_ns(t), (int32_t)pid);
	if (!x)
		return -ESRCH;
	if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
		r = attach(t, x, request, addr, data);
	else if (x->ptrace.tracer != t)
		r = -ESRCH;
	else if (request == PTRACE_KILL)
		r = sig_send_task(x, SIGKILL, NULL);
	else if (request == PTRACE_INTERRUPT)
		r = interrupt(x);
	else if (is_ready(t, x))
		r = request_stopped(t, x, request, addr, data);
	task_put(x);
	return r;
}
