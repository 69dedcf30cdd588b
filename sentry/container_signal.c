/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_signal.c: signals from outside, processes that the host killed, and waiting for ends.
 */
#include "sentry/container_impl.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"

#define LOOK_NS  (5 * NSEC_PER_MSEC)
#define LOOKS    5u
#define READY_NS (200 * NSEC_PER_MSEC)

static int process_signal_outside(struct process *p, int sig)
{
	if (SIG_BIT(sig) & SIG_UNBLOCKABLE)
		return sig_send_process_forced(p, sig);
	return sig_send_process(p, sig, NULL);
}

static int container_signal_all(struct container *k, int sig)
{
	int32_t nr = 1;
	int err = -ESRCH;

	for (;; nr++) {
		struct process *p = process_next(k->pid_ns, nr, &nr);

		if (!p)
			return err;
		if (p->container == k && p->state == PROCESS_ALIVE)
			err = process_signal_outside(p, sig);
		process_put(p);
	}
}

/* Whether one of its tasks has lost its host thread: then it can't go on (a process dies as a whole). */
static bool process_is_lost(struct process *p, struct pid_ns *ns)
{
	int32_t nr = 1;

	for (;; nr++) {
		struct task *t = process_next_task(p, ns, nr, &nr);
		struct plat_thread *pt;
		bool dead;

		if (!t)
			return false;
		pt = task_pt_pin(t);
		dead = pt && plat_thread_is_dead(pt);
		if (pt)
			task_pt_unpin(t);
		task_put(t);
		if (dead)
			return true;
	}
}

static void container_kill_lost(struct container *k)
{
	int32_t nr = 1;

	for (;; nr++) {
		struct process *p = process_next(k->pid_ns, nr, &nr);

		if (!p)
			return;
		if (p->container == k && p->state == PROCESS_ALIVE && process_is_lost(p, k->pid_ns)) {
			log_info("container %s: the host killed process %d", k->id, nr);
			(void)sig_send_process_forced(p, SIGKILL);
		}
		process_put(p);
	}
}

void containers_kill_lost(void *unused)
{
	struct container *k;

	(void)unused;
	mutex_lock(&containers.lock);
	list_for_each_entry(k, &containers.list, node)
		container_kill_lost(k);
	mutex_unlock(&containers.lock);
}

void containers_look_for_lost(void)
{
	work_queue(&containers.lost);
}

static int container_signal_group(struct container *k, int pid, int sig)
{
	struct process *p;
	struct pid *id;
	int err = -ESRCH;

	mutex_lock(&tasklist.lock);
	id = pid_peek_locked(k->pid_ns, pid ? pid : 1);
	if (id && id->process && id->process->pgrp) {
		list_for_each_entry(p, &id->process->pgrp->members, pgrp_node)
			err = process_signal_outside(p, sig);
	}
	mutex_unlock(&tasklist.lock);
	return err;
}

/*
 * Whether sig would be lost at p, which is init of its container: what has the default action does nothing to that
 * (pid_namespaces(7)).
 */
static bool init_loses(struct process *p, int sig)
{
	bool lost;

	latch_lock(&p->siglock);
	lost = (p->flags & PROCESS_SIG_UNKILLABLE) && sig_action_locked(p, sig).handler == SIG_HANDLER_DFL &&
	       p->leader && !(task_blocked(p->leader) & SIG_BIT(sig));
	latch_unlock(&p->siglock);
	return lost;
}

static bool init_sleeps(struct process *p)
{
	struct task *t;
	bool asleep;

	mutex_lock(&tasklist.lock);
	t = p->leader ? task_get(p->leader) : NULL;
	mutex_unlock(&tasklist.lock);
	asleep = t && waiter_is_asleep(&t->waiter);
	task_put(t);
	return asleep;
}

static void take_a_moment(void)
{
	struct waiter w;

	waiter_init(&w, fiber_self());
	waiter_prepare(&w);
	(void)waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + LOOK_NS);
}

/*
 * A client that starts a container and at once sends it a signal means a program that is ready for it: runc's `start`
 * and `kill` take longer than most programs to set up their handlers.  Ours don't, so a signal that would do nothing waits until
 * init has gone to sleep (seen several times in a row), or has a handler.  With one it waits for that sleep too, but not
 * for long: of a shell that has just come to its trap and not yet to its wait, the signal may go unnoticed until that wait is over.
 * Only in the first CONTAINER_SETTLES_NS.  No lock is held: the container may be deleted meanwhile.
 */
static void container_await_init(const char *id, struct process *p, int sig, int64_t settles_ns)
{
	int64_t ready_ns = clock_mono_ns() + READY_NS;
	struct container *k;
	unsigned int asleep = 0;

	while (asleep < LOOKS && p->state == PROCESS_ALIVE && clock_mono_ns() < settles_ns &&
	       (init_loses(p, sig) || clock_mono_ns() < ready_ns)) {
		asleep = init_sleeps(p) ? asleep + 1 : 0;
		take_a_moment();
	}
	if (asleep < LOOKS)
		return;
	mutex_lock(&containers.lock);
	k = container_peek_locked(id);
	if (k)
		k->settles_ns = 0;
	mutex_unlock(&containers.lock);
}

static int container_signal_one(struct container *k, const char *id, int pid, int sig)
{
	struct process *p = NULL;
	int64_t settles_ns;
	int err = -ESRCH;

	mutex_lock(&containers.lock);
	if (!pid && k->init_owned)
		p = process_get(k->init_owned->process);
	settles_ns = k->settles_ns;
	mutex_unlock(&containers.lock);
	if (pid)
		p = process_lookup(k->pid_ns, pid);
	if (p && !pid && !(SIG_BIT(sig) & (SIG_UNBLOCKABLE | SIG_SET_IGNORE)))
		container_await_init(id, p, sig, settles_ns);
	if (p && p->state == PROCESS_ALIVE)
		err = process_signal_outside(p, sig);
	process_put(p);
	return err;
}

/* A container that was never started: its init must run to die. */
static void container_let_die(struct container *k)
{
	struct task *init = NULL;

	mutex_lock(&containers.lock);
	if (k->status == CONTROL_CREATED) {
		k->status = CONTROL_RUNNING;
		init = k->init;
		k->init = NULL;
	}
	mutex_unlock(&containers.lock);
	if (init)
		task_start(init);
}

NO_TSA static void job_signal(struct job *j)
{
	struct container *k = container_lock(j);
	int err;

	if (!k)
		return;
	mutex_unlock(&containers.lock);
	if (j->sig < 1 || j->sig > SIG_COUNT)
		err = j->sig ? -EINVAL : 0;
	else if (j->all)
		err = container_signal_all(k, j->sig);
	else if (j->group)
		err = container_signal_group(k, j->pid, j->sig);
	else
		err = container_signal_one(k, j->id, j->pid, j->sig);
	if (!err && j->sig == SIGKILL && (!j->pid || j->all))
		container_let_die(k);
	if (err)
		control_reply_error(j->req, err, err == -ESRCH ? "container not running"
							       : "bad signal number");
	else
		control_reply_ok(j->req);
}

void control_signal(void *kernel, struct control_request *req, const char *id, int pid, int sig,
			   bool group, bool all)
{
	struct job *j = job_new(job_signal, req, id);

	(void)kernel;
	if (!j)
		return;
	j->pid = pid;
	j->sig = sig;
	j->group = group;
	j->all = all;
	job_start(j);
}

NO_TSA static void job_wait(struct job *j)
{
	struct container *k = container_lock(j);
	struct owned_process *o, *found = NULL;
	int status = 0;
	bool ended = false;

	if (!k)
		return;
	list_for_each_entry(o, &k->owned, node)
		if (j->pid ? o->nr == j->pid : o == k->init_owned)
			found = o;
	if (found && found->ended) {
		ended = true;
		status = found->wait_status;
		if (found != k->init_owned) {
			list_remove(&found->node);
			process_put(found->process);
			mem_free(found);
		}
	} else if (found && !found->waiting) {
		found->waiting = j->req;
		j->req = NULL;
	}
	mutex_unlock(&containers.lock);
	if (ended)
		control_reply_status(j->req, status);
	else if (j->req)
		control_reply_error(j->req, found ? -EBUSY : -ECHILD,
				    found ? "somebody waits for this process already"
					  : "no such process was made in the container");
}

void control_wait(void *kernel, struct control_request *req, const char *id, int pid)
{
	struct job *j = job_new(job_wait, req, id);

	(void)kernel;
	if (!j)
		return;
	j->pid = pid;
	job_start(j);
}
