/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actions.c: what a process does at each signal (sigaction(2)).
 *
 * A table is one process's, or several's that were cloned with CLONE_SIGHAND but without CLONE_THREAD.  Its latch
 * guards it; it is taken below a siglock, and which table is a process's is guarded by that process's siglock
 * (execve(2) gives it one of its own).
 *
 * The stub of a process's only thread may keep what rt_sigaction(2) did to signals that have the default action
 * (plat_sigplain_offer()): it is collected before anybody looks at flags or restorers.  Not where the table has other
 * users: they would not be told.
 */
#include <errno.h>
#include <linux/sched.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/signal/signal_impl.h"

struct sig_table *sig_table_new(void)
{
	struct sig_table *s = mem_new(struct sig_table);

	if (!s)
		return NULL;
	ref_init(&s->ref);
	latch_init(&s->latch);
	return s;
}

void sig_table_put(struct sig_table *s)
{
	if (s && ref_put(&s->ref))
		mem_free(s);
}

static bool is_shared(const struct sig_table *s)
{
	return atomic_load_explicit(&s->ref.count, memory_order_acquire) > 1;
}

struct sig_action sig_action_locked(const struct process *p, int sig)
{
	struct sig_table *s = p->actions;
	struct sig_action a;

	latch_lock(&s->latch);
	a = s->action[sig - 1];
	latch_unlock(&s->latch);
	return a;
}

struct sig_action sig_action_of(struct process *p, int sig)
{
	struct sig_action a;

	latch_lock(&p->siglock);
	a = sig_action_locked(p, sig);
	latch_unlock(&p->siglock);
	return a;
}

void sig_action_set_locked(struct process *p, int sig, const struct sig_action *a)
{
	struct sig_table *s = p->actions;

	latch_lock(&s->latch);
	s->action[sig - 1] = *a;
	latch_unlock(&s->latch);
}

struct sig_action sig_action_take_locked(struct process *p, int sig)
{
	struct sig_table *s = p->actions;
	struct sig_action a, *at = &s->action[sig - 1];

	latch_lock(&s->latch);
	a = *at;
	if (a.handler != SIG_HANDLER_DFL && a.handler != SIG_HANDLER_IGN && (a.flags & SA_RESETHAND))
		at->handler = SIG_HANDLER_DFL;
	latch_unlock(&s->latch);
	return a;
}

/* Copy from one to the other: all, or of caught signals the default only. */
static void copy_to(struct sig_table *from, struct sig_table *to, bool clear)
{
	latch_lock(&from->latch);
	memcpy(to->action, from->action, sizeof(to->action));
	latch_unlock(&from->latch);
	for (int i = 0; clear && i < SIG_COUNT; i++) {
		uint64_t h = to->action[i].handler == SIG_HANDLER_IGN ? SIG_HANDLER_IGN : SIG_HANDLER_DFL;

		to->action[i] = (struct sig_action){ .handler = h };
	}
}

void sig_actions_inherit(struct process *p, struct process *from, uint64_t flags)
{
	latch_lock(&from->siglock);
	if (flags & CLONE_SIGHAND) {
		sig_table_put(p->actions);
		ref_get(&from->actions->ref);
		p->actions = from->actions;
	} else {
		copy_to(from->actions, p->actions, flags & CLONE_CLEAR_SIGHAND);
	}
	latch_unlock(&from->siglock);
}

bool sig_actions_shared(struct process *p)
{
	bool shared;

	latch_lock(&p->siglock);
	shared = is_shared(p->actions);
	latch_unlock(&p->siglock);
	return shared;
}

int sig_actions_exec(struct process *p)
{
	struct sig_table *old, *new = sig_table_new();

	if (!new)
		return -ENOMEM;
	latch_lock(&p->siglock);
	old = p->actions;
	copy_to(old, new, true);
	p->actions = new;
	latch_unlock(&p->siglock);
	sig_table_put(old);
	return 0;
}

/* ---- what the stub keeps ------------------------------------------------------------------------ */

static bool action_is_plain(const struct sig_action *a)
{
	return a->handler == SIG_HANDLER_DFL && !a->flags && !a->restorer && !a->mask;
}

static sig_set_t plain_locked(const struct process *p)
{
	sig_set_t set = 0;

	if (is_shared(p->actions))
		return 0;
	for (int i = 0; i < SIG_COUNT; i++) {
		if (action_is_plain(&p->actions->action[i]))
			set |= SIG_BIT(i + 1);
	}
	return set;
}

void sig_actions_collect(struct task *t)
{
	struct process *p = t->process;
	struct plat_sigreset r;

	plat_sigplain_withdraw(t->pt, &r);
	if (!r.set)
		return;
	latch_lock(&p->siglock);
	r.set &= plain_locked(p) & ~SIG_UNBLOCKABLE; /* what it says of others is a lie */
	for (int i = 0; i < SIG_COUNT; i++) {
		if (r.set & SIG_BIT(i + 1)) {
			p->actions->action[i].flags = r.flags;
			p->actions->action[i].restorer = r.restorer;
		}
	}
	latch_unlock(&p->siglock);
}

void sig_actions_offer(struct task *t)
{
	struct process *p = t->process;
	sig_set_t plain = 0;

	latch_lock(&p->siglock);
	if (p->task_count == 1)
		plain = plain_locked(p);
	latch_unlock(&p->siglock);
	plat_sigplain_offer(t->pt, plain);
}

void sig_actions_offer_child(struct process *p, struct plat_thread *pt)
{
	plat_sigplain_offer(pt, plain_locked(p));
}
