/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper.c: see helper.h.
 *
 * Lock: helpers.lock (LOCK_LEAF) guards the list of all helpers and their fields; it is held while one
 * is interrupted, so that its task does not go away meanwhile.
 */
#include "sentry/task/helper.h"

#include <errno.h>

#include "lib/mem.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"

#define HELPERS_MAX 4096 /* of one process: each has a stack */

static struct {
	struct mutex lock; /* LOCK_LEAF, once made */
	struct list all;   /* (lock) */
	struct wq idle;    /* one has gone */
} helpers;

void helpers_init(void)
{
	mutex_init(&helpers.lock, LOCK_LEAF);
	list_init(&helpers.all);
	wq_init(&helpers.idle);
}

static void helper_task_free(struct task *t)
{
	path_put(&t->held_root);
	path_put(&t->held_cwd);
	sig_flush(t);
	task_put(t);
}

/* of's double; fiber is the one it will run on. */
static struct task *helper_task_new(struct task *of, struct fdtable *fdt, struct fiber *fiber)
{
	struct task *t = mem_new(struct task);

	if (!t)
		return NULL;
	ref_init(&t->ref);
	latch_init(&t->latch);
	list_init(&t->process_node);
	list_init(&t->pending.queue);
	t->syscall_nr = ~0ull;
	t->state = 'S';
	t->timer_slack_ns = of->timer_slack_ns;
	t->fiber = fiber;
	waiter_init(&t->waiter, fiber);
	t->unbound_mask = ~(sig_set_t)0;
	t->pid = pid_get(of->pid);
	t->process = process_get(of->process);
	t->cred = cred_get(of->cred);
	t->mm = mm_get(of->mm);
	t->fdt = fdt_get(fdt ? fdt : of->fdt);
	t->fs = fs_state_get(of->fs);
	t->ns = ns_set_get(of->ns);
	t->no_new_privs = of->no_new_privs;
	t->personality = of->personality;
	return t;
}

static void helper_main(void *arg)
{
	struct helper *h = arg;
	struct process *p = h->process;
	struct task *t = h->task;

	h->run(h, t);
	mutex_lock(&helpers.lock);
	h->task = NULL;
	mutex_unlock(&helpers.lock);
	helper_task_free(t);
	mutex_lock(&helpers.lock);
	list_remove(&h->node);
	atomic_fetch_sub_explicit(&p->helpers, 1, memory_order_relaxed);
	mutex_unlock(&helpers.lock);
	wq_wake(&helpers.idle, 0);
	h->done(h);
	process_put(p);
}

int helper_start(struct helper *h, struct task *of, struct fdtable *fdt)
{
	struct process *p = of->process;
	struct fiber *fiber;
	struct task *t;

	if (atomic_load_explicit(&p->helpers, memory_order_relaxed) >= HELPERS_MAX)
		return -EAGAIN;
	fiber = fiber_new(helper_main, h);
	if (!fiber)
		return -ENOMEM;
	t = helper_task_new(of, fdt, fiber);
	if (!t) {
		fiber_free(fiber);
		return -ENOMEM;
	}
	atomic_fetch_add_explicit(&p->helpers, 1, memory_order_relaxed);
	mutex_lock(&helpers.lock);
	h->task = t;
	h->process = process_get(p);
	list_append(&helpers.all, &h->node);
	if (h->cancelled) /* who knows of h has cancelled it already */
		waiter_interrupt(&t->waiter);
	mutex_unlock(&helpers.lock);
	fiber_start(fiber);
	return 0;
}

static void helper_cancel_locked(struct helper *h)
{
	h->cancelled = true;
	if (h->task)
		waiter_interrupt(&h->task->waiter);
}

void helper_cancel(struct helper *h)
{
	mutex_lock(&helpers.lock);
	helper_cancel_locked(h);
	mutex_unlock(&helpers.lock);
}

bool helper_cancelled(struct helper *h)
{
	bool yes;

	mutex_lock(&helpers.lock);
	yes = h->cancelled;
	mutex_unlock(&helpers.lock);
	return yes;
}

void helpers_stop(struct process *p)
{
	struct helper *h;

	if (!atomic_load_explicit(&p->helpers, memory_order_relaxed))
		return;
	mutex_lock(&helpers.lock);
	for (;;) {
		bool any = false;

		list_for_each_entry(h, &helpers.all, node) {
			if (h->process == p) {
				any = true;
				helper_cancel_locked(h);
			}
		}
		if (!any)
			break;
		wq_wait_until(&helpers.idle, &helpers.lock, NULL, INT64_MAX);
	}
	mutex_unlock(&helpers.lock);
}
