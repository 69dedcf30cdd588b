/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone.c: new host threads and processes: the parent's stub is ordered to make them, and the receiver lets
 * through just that clone (receive.c).
 *
 * A child is published under its cookie before the order, and arrives by its first doorbell, or (a thread
 * that was given its start) by its creator's report; what a stub reports is a claim, checked against the host.
 */
#include "platform/notify/notify_impl.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "lib/mutex.h"
#include "platform/host.h"

/* Only one fiber at a time can have the zygote clone. */
static struct mutex zygote_mutex;

struct plat_mm *notify_pending_peek(pid_t pid)
{
	struct hash_node *n, *tmp;
	struct plat_thread *pt;
	size_t i;

	hash_for_each(&notify.by_cookie, i, n, tmp) {
		pt = container_of(n, struct plat_thread, by_cookie);
		if (pt->mm->pid == 0 && pt->mm->pid_hint == pid)
			return pt->mm;
	}
	return NULL;
}

void notify_zygote_arrived(pid_t pid)
{
	struct plat_thread *z = notify.zygote;

	mutex_init(&zygote_mutex, LOCK_PLATFORM);
	z->tid = pid;
	latch_lock(&notify.tables);
	hash_insert(&notify.by_tid, &z->by_tid, hash_u64(0, (uint64_t)pid));
	z->in_by_tid = true;
	latch_unlock(&notify.tables);
	latch_lock(&z->mm->latch);
	list_append(&z->mm->threads, &z->in_mm);
	latch_unlock(&z->mm->latch);
	ASSERT(notify_mm_arrived(z->mm, pid));
}

/* It goes to live in the slot; back, before the slot may be another thread's. */
static void own_lend(struct plat_thread *pt)
{
	pt->slot->own = pt->own_here;
	atomic_store_explicit(&pt->own, &pt->slot->own, memory_order_release);
}

void notify_own_take_back(struct plat_thread *pt)
{
	pt->own_here.sig_blocked = plat_sigmask(pt);
	pt->own_here.robust_list = plat_robust_list(pt);
	pt->own_here.clear_tid = plat_clear_tid(pt);
	atomic_store_explicit(&pt->own, &pt->own_here, memory_order_release);
}

static int child_prepare(struct plat_thread *parent, struct plat_thread *child, bool thread,
			 uint32_t *flags)
{
	bool mapped = false;
	int r;

	if (thread) {
		r = notify_slot_alloc(child->mm, &mapped);
		if (r < 0)
			return r;
		child->index = (uint32_t)r;
		*flags = STUB_CLONE_THREAD | (mapped ? STUB_CLONE_MAPPED : 0);
	} else {
		r = notify_mm_open(child->mm, parent->index);
		if (r < 0)
			return r;
		child->index = parent->index;
		latch_lock(&parent->mm->latch);
		*flags = parent->mm->slot_count == 1 ? STUB_CLONE_ALONE : 0;
		latch_unlock(&parent->mm->latch);
	}
	do {
		(void)host_getrandom(&child->cookie, sizeof(child->cookie), 0);
	} while (child->cookie == 0);
	child->slot = notify_slot_at(child->mm, child->index);
	/* Atomically: a poller may still look there for a thread that has died. */
	__atomic_store_n(&child->slot->request_seq, 1, __ATOMIC_RELAXED);
	child->slot->reply_seq = child->slot->parked_seq = child->slot->spin = 0;
	child->slot->live = 1;
	if (!thread) { /* as the host does it: fork keeps the registration */
		child->own_here.rseq = parent->slot->own.rseq;
		child->own_here.rseq_size = parent->slot->own.rseq_size;
		child->own_here.rseq_sig = parent->slot->own.rseq_sig;
		if (parent->mm->channel)
			notify_mm_told(child->mm)->sync_core = notify_mm_told(parent->mm)->sync_core;
	}
	own_lend(child);
	child->placed = parent->placed;
	child->seq = 1;
	child->first_of_process = !thread;
	child->registers = *notify_regs_here(parent);
	child->fpstate = 0;
	if (parent->fpstate)
		child->fpstate = parent->fpstate + ((uint64_t)child->index - parent->index) * STUB_AREA_SIZE;
	return 0;
}

void notify_tid_publish(struct plat_thread *pt, pid_t tid)
{
	pt->slot->tid = (uint32_t)tid;
	if (pt->index < STUB_TIDS_MAX)
		pt->mm->process->tids[pt->index] = tid;
}

/* It goes on without its fiber. */
static void child_set_start(struct plat_thread *parent, struct plat_thread *child,
			    const struct plat_start *start)
{
	child->registers.rax = 0;
	child->registers.rsp = start->stack;
	child->registers.fs_base = start->tls;
	notify_tid_publish(child, start->tid);
	child->started = true;
	memcpy(&parent->slot->regs, &child->registers, sizeof(parent->slot->regs));
}

uint32_t notify_threads_add_locked(struct plat_mm *mm, int n)
{
	mm->live_threads += (uint32_t)n;
	if (mm->process)
		__atomic_store_n(&mm->process->threads, mm->live_threads, __ATOMIC_RELAXED);
	return mm->live_threads;
}

static void child_publish(struct plat_thread *child)
{
	latch_lock(&notify.tables);
	hash_insert(&notify.by_cookie, &child->by_cookie, hash_u64(0, child->cookie));
	child->in_by_cookie = true;
	latch_unlock(&notify.tables);
	latch_lock(&child->latch);
	notify_state_set(child, child->started ? NOTIFY_STARTED : NOTIFY_KERNEL);
	child->tid = 0;
	latch_unlock(&child->latch);
	latch_lock(&child->mm->latch);
	list_append(&child->mm->threads, &child->in_mm);
	(void)notify_threads_add_locked(child->mm, 1);
	latch_unlock(&child->mm->latch);
}

static void child_undo(struct plat_thread *child, bool thread, bool mapped)
{
	struct plat_mm *mm = child->mm;

	notify_own_take_back(child);
	notify_thread_unhash(child);
	latch_lock(&child->latch);
	notify_state_set(child, NOTIFY_NEW);
	child->tid = 0;
	latch_unlock(&child->latch);
	latch_lock(&mm->latch);
	list_remove(&child->in_mm);
	(void)notify_threads_add_locked(mm, -1);
	if (thread) {
		mm->slots[child->index] = mapped ? NOTIFY_SLOT_DYING : NOTIFY_SLOT_NONE;
		child->slot->live = 0;
	}
	latch_unlock(&mm->latch);
	if (!thread)
		notify_mm_undo(mm);
}

/* The parent's stub made pid (or says so). */
static void child_hint(struct plat_thread *child, pid_t pid)
{
	bool gone;

	latch_lock(&notify.tables);
	latch_lock(&child->mm->latch);
	child->mm->pid_hint = pid;
	gone = child->mm->pid == 0;
	latch_unlock(&child->mm->latch);
	latch_unlock(&notify.tables);
	/* It may have died, and been reaped, before we knew its number. */
	if (gone && host_kill(pid, 0) == -ESRCH)
		notify_mm_died(child->mm, SIGKILL);
}

static int clone_ordered(struct plat_thread *parent, struct plat_thread *child, bool thread,
			 const struct plat_start *start)
{
	bool cloned;
	uint32_t stub_flags;
	int err;

	err = child_prepare(parent, child, thread, &stub_flags);
	if (err < 0)
		return err;
	if (!thread) {
		err = notify_patch_fork(parent->mm, child->mm);
		if (err < 0)
			return err;
	}
	if (start)
		child_set_start(parent, child, start);
	child_publish(child);
	parent->answer.flags = stub_flags | (start ? STUB_CLONE_START : 0);
	parent->slot->index = child->index;
	parent->slot->cookie = child->cookie;
	latch_lock(&parent->latch);
	parent->clone_flags = thread ? STUB_CLONE_THREAD_FLAGS : STUB_CLONE_FORK_FLAGS;
	parent->cloned = false;
	latch_unlock(&parent->latch);
	notify_poll_forget(parent); /* the child would inherit where it runs */
	err = notify_order(parent, STUB_CLONE);
	latch_lock(&parent->latch);
	parent->clone_flags = 0;
	cloned = parent->cloned;
	latch_unlock(&parent->latch);
	/* A stub that never made the call has no child, whatever number it gives. */
	if (err == 0 && !cloned)
		err = -EAGAIN;
	if (err == 0 && parent->request.done <= 0)
		err = parent->request.done == -ENOMEM ? -ENOMEM : -EAGAIN;
	if (err < 0) {
		child_undo(child, thread, stub_flags & STUB_CLONE_MAPPED);
		if (cloned)
			notify_census_want(); /* the host had no room, or the stub is lying */
		return err;
	}
	if (start)
		/* False: it has asked for something already. */
		(void)notify_thread_arrived(child, (pid_t)parent->request.done);
	else
		child->regs_set = true;
	if (!thread)
		child_hint(child, (pid_t)parent->request.done);
	return 0;
}

int notify_clone(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
		 const struct plat_start *start)
{
	bool thread = flags & PLAT_CLONE_VM;
	int err = start ? 0 : notify_promote(parent);

	if (err < 0)
		return err;
	if (thread)
		return clone_ordered(parent, child, thread, start);
	/* The copied text and the copied tables are of the same moment. */
	mutex_lock(&parent->mm->patch_mutex);
	err = clone_ordered(parent, child, thread, NULL);
	mutex_unlock(&parent->mm->patch_mutex);
	return err;
}

int notify_start_from(struct plat_thread *z, struct plat_thread *pt)
{
	int err;

	mutex_lock(&zygote_mutex);
	if (notify_is_dead(z)) {
		mutex_unlock(&zygote_mutex);
		return -ESRCH;
	}
	z->fiber = fiber_self();
	latch_lock(&pt->mm->latch);
	pt->mm->from_zygote = true;
	latch_unlock(&pt->mm->latch);
	__atomic_store_n(&z->late, false, __ATOMIC_RELAXED);
	memset(&z->registers, 0, sizeof(z->registers));
	err = notify_clone(z, pt, 0, NULL);
	mutex_unlock(&zygote_mutex);
	pt->fpu_init = true;
	return err;
}

int notify_start(struct plat_thread *pt)
{
	return notify_start_from(notify.zygote, pt);
}

int notify_clone_checked(struct plat_thread *parent, struct plat_thread *child,
				unsigned int flags, const struct plat_start *start)
{
	if (notify_is_dead(parent))
		return -ESRCH;
	return notify_clone(parent, child, flags, start);
}
