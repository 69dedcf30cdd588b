/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debugreg.c: a tracee's debug registers (PTRACE_POKEUSER of u_debugreg): four hardware breakpoints and
 * watchpoints, made by single-stepping, since the CPU's own are not to be had from here.
 *
 * While one is on, the tracee runs with TF set and is looked at after each instruction: a breakpoint
 * on execution is hit when rip is there, a watchpoint when what it watches has changed.  So a write of
 * the same value and a read (R/W watchpoints) go unnoticed, as does what a system call writes, which
 * Linux does not report either.  gdb shows a watchpoint only when the value has changed.
 *
 * Linux: arch/x86/kernel/ptrace.c (ptrace_set_debugreg), hw_breakpoint.c.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "sentry/ptrace/ptrace.h"
#include "sentry/task/task_impl.h"

#define BREAKPOINTS  4u
#define DR_STATUS    6
#define DR_CONTROL   7
#define CONTROL_MASK 0xffff03ffull /* the bits that DR7 has: others read as 0 */
#define STATUS_FIXED 0xffff0ff0ull
#define STATUS_STEP  (1ull << 14)
#define TYPE_EXECUTE 0u
#define TYPE_IO      2u
#define TRAP_TRACE_   2
#define TRAP_HWBKPT_  4

static bool enabled(uint64_t control, unsigned int i)
{
	return control >> (2 * i) & 3;
}

static unsigned int type_of(uint64_t control, unsigned int i)
{
	return (unsigned int)(control >> (16 + 4 * i)) & 3;
}

static size_t size_of(uint64_t control, unsigned int i)
{
	static const size_t sizes[] = { 1, 2, 8, 4 };

	return sizes[control >> (18 + 4 * i) & 3];
}

/* -EINVAL: an address of the kernel's, unaligned, or a kind that there isn't. */
static int check(uint64_t control, unsigned int i, uint64_t addr)
{
	size_t size = enabled(control, i) ? size_of(control, i) : 1;

	if (addr >= plat_layout()->user_max || addr + size > plat_layout()->user_max)
		return -EINVAL;
	if (!enabled(control, i))
		return 0;
	if (type_of(control, i) == TYPE_IO || (type_of(control, i) == TYPE_EXECUTE && size != 1))
		return -EINVAL;
	return addr & (size - 1) ? -EINVAL : 0;
}

long ptrace_debugreg_set(struct task *x, unsigned int n, uint64_t word)
{
	uint64_t *dr = x->ptrace.dr;
	int err = 0;

	if (n < BREAKPOINTS) {
		err = check(dr[DR_CONTROL], n, word);
	} else if (n == DR_CONTROL) {
		word &= CONTROL_MASK;
		for (unsigned int i = 0; i < BREAKPOINTS && !err; i++)
			err = check(word, i, dr[i]);
	} else if (n == DR_STATUS) {
		word &= 0xffffffff;
	} else {
		err = -EIO;
	}
	if (!err)
		dr[n] = word;
	return err;
}

bool ptrace_debugreg_active(const struct task *t)
{
	return t->ptrace.dr[DR_CONTROL] & 0xff;
}

static uint64_t watched_value(struct task *t, unsigned int i)
{
	uint64_t value = 0;

	(void)plat_mm_read(t->mm->plat, t->ptrace.dr[i], &value, size_of(t->ptrace.dr[DR_CONTROL], i), true);
	return value;
}

void ptrace_debugreg_before_run(struct task *t)
{
	uint64_t control = t->ptrace.dr[DR_CONTROL];

	for (unsigned int i = 0; i < BREAKPOINTS; i++)
		if (enabled(control, i) && type_of(control, i) != TYPE_EXECUTE)
			t->ptrace.watched[i] = watched_value(t, i);
}

bool ptrace_debugreg_swallows(struct task *t, struct plat_event *ev)
{
	uint64_t control = t->ptrace.dr[DR_CONTROL], hits = 0;

	if (!ptrace_debugreg_active(t) || ev->fault.signo != SIGTRAP || ev->fault.code != TRAP_TRACE_)
		return false;
	for (unsigned int i = 0; i < BREAKPOINTS; i++) {
		if (!enabled(control, i))
			continue;
		if (type_of(control, i) == TYPE_EXECUTE ? plat_regs(t->pt)->rip == t->ptrace.dr[i]
							: t->ptrace.watched[i] != watched_value(t, i))
			hits |= 1ull << i;
	}
	if (!hits && !t->ptrace.step)
		return true;
	t->ptrace.dr[DR_STATUS] = (t->ptrace.dr[DR_STATUS] & ~0xfull) | hits |
				  (t->ptrace.step ? STATUS_STEP : 0);
	if (hits && !t->ptrace.step)
		ev->fault.code = TRAP_HWBKPT_;
	return false;
}
