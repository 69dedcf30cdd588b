/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receive.c: the receiver: answers the doorbell.
 *
 * Each notification is one of
 *   - a thread that we know rings: its slot holds a request, and its fiber is run on the spot;
 *   - a new thread says hello, with the cookie that its creator was given;
 *   - a clone that we ordered, to be let through.
 *
 * No thread is kept waiting in the doorbell for long: when its fiber has run and not answered (it
 * sleeps, or has gone on to wait for something else) the doorbell is answered without a reply in the
 * slot, which parks the stub.  A ring for a request that is being worked on already (a signal undid
 * the first one) is answered the same way.  The kernel may find an answer too late (ENOENT): the stub
 * then rings again and finds the reply in its slot.
 *
 * A notification names the thread by its host tid; that can't be forged, the rest can.
 */
#include "platform/notify/poll_impl.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/worker_poll.h"
#include "lib/worker_source.h"
#include "platform/arch/x86_64/abortable.h"
#include "platform/host.h"

#define KICK_SIGNAL SIGURG

/* How the receiver is told to leave: the flag, and a signal to whoever is in RECV. */
atomic_uint notify_abort_wanted;
static atomic_int receiver_tid;

long notify_listener_sync(bool on)
{
	return host_ioctl(notify.listener, SECCOMP_IOW(4, uint64_t) /* SET_FLAGS */,
			  (void *)(uintptr_t)on /* SYNC_WAKE_UP */);
}

/* ---- answering -------------------------------------------------------------------------------- */

void notify_send(uint64_t id, long value, int error)
{
	struct seccomp_notif_resp resp = { .id = id, .val = value, .error = error };

	/* ENOENT: interrupted or dead; it comes back if it lives. */
	(void)host_ioctl(notify.listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

/*
 * The synchronous wake-up would draw a thread that rang elsewhere, while we were busy, to our CPU; there it
 * waits for whoever runs next, and its own CPU is idle until a tick of the host's notices.
 */
void notify_send_to(uint64_t id, uint32_t cpu)
{
	unsigned int here = cpu;

	if (notify.rdtscp)
		(void)__builtin_ia32_rdtscp(&here);
	if (cpu == here) {
		notify_send(id, 0, 0);
		return;
	}
	notify_listener_sync(false);
	notify_send(id, 0, 0);
	notify_listener_sync(true);
}

/*
 * Farewells: answers to threads that are about to end.  The synchronous wake-up would have such a thread
 * die on our CPU (13 us) before whoever rings next is served.  Every receiver looks here before it
 * sleeps, so they wait for at most FAREWELL_AGE_MAX doorbells.
 */
#define FAREWELLS_MAX    8
#define FAREWELL_AGE_MAX 4

static struct {
	struct latch latch;
	uint64_t ids[FAREWELLS_MAX];
	unsigned int count; /* (latch); may be looked at without */
	unsigned int age;   /* (latch) */
} farewells = { .latch = LATCH_INIT };

void notify_farewells_send(void)
{
	uint64_t ids[FAREWELLS_MAX];
	unsigned int n;

	if (__atomic_load_n(&farewells.count, __ATOMIC_RELAXED) == 0)
		return;
	latch_lock(&farewells.latch);
	n = farewells.count;
	memcpy(ids, farewells.ids, n * sizeof(ids[0]));
	__atomic_store_n(&farewells.count, 0, __ATOMIC_RELAXED);
	farewells.age = 0;
	latch_unlock(&farewells.latch);
	for (unsigned int i = 0; i < n; i++)
		notify_send(ids[i], 0, 0);
}

void notify_send_later(uint64_t id)
{
	bool room;

	latch_lock(&farewells.latch);
	room = farewells.count < FAREWELLS_MAX;
	if (room) {
		farewells.ids[farewells.count] = id;
		__atomic_store_n(&farewells.count, farewells.count + 1, __ATOMIC_RELAXED);
	}
	latch_unlock(&farewells.latch);
	if (!room)
		notify_send(id, 0, 0);
	/* A receiver that has sat down since sees the list; one that sat before sleeps, or soon will. */
	else if (worker_others_receive())
		notify_farewells_send();
}

/* By the receiver, which alone receives: before it might sleep. */
static void farewells_look(void)
{
	struct pollfd p = { .fd = notify.listener, .events = POLLIN };
	const struct timespec now = { 0, 0 };
	bool old;

	if (__atomic_load_n(&farewells.count, __ATOMIC_RELAXED) == 0)
		return;
	latch_lock(&farewells.latch);
	old = ++farewells.age > FAREWELL_AGE_MAX;
	latch_unlock(&farewells.latch);
	if (old || host_ppoll(&p, 1, &now) != 1 || !(p.revents & POLLIN))
		notify_farewells_send();
}

static void send_continue(uint64_t id)
{
	struct seccomp_notif_resp resp = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	(void)host_ioctl(notify.listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

/* ---- requests --------------------------------------------------------------------------------- */

static struct plat_thread *thread_lookup(pid_t tid)
{
	struct plat_thread *pt = NULL;
	struct hash_node *n;

	latch_lock(&notify.tables);
	for (n = hash_first(&notify.by_tid, hash_u64(0, (uint64_t)tid)); n; n = hash_next(n)) {
		pt = container_of(n, struct plat_thread, by_tid);
		if (pt->tid == tid) {
			ref_get(&pt->refs);
			break;
		}
		pt = NULL;
	}
	latch_unlock(&notify.tables);
	return pt;
}

/* The slot's request, each word read once. */
static void request_copy(struct notify_request *q, const struct stub_slot *hostile)
{
	const volatile struct stub_slot *s = hostile;
	const volatile uint64_t *from = (const volatile uint64_t *)&s->regs;
	uint64_t *to = (uint64_t *)&q->regs;

	q->kind = s->request;
	q->brief = q->kind == STUB_SYSCALL && !s->more;
	q->nr = s->brief_nr;
	q->compat = false;
	q->window = s->window;
	for (unsigned int i = 0; i < 6; i++)
		q->args[i] = s->args[i];
	if (q->brief)
		return;
	q->nr = s->nr;
	q->compat = s->compat;
	q->sig = s->sig;
	q->code = s->code;
	q->fault_addr = s->fault_addr;
	q->trapno = s->trapno;
	q->error = s->error;
	q->fpstate = s->fpstate;
	q->done = s->done;
	for (size_t i = 0; i < sizeof(q->regs) / sizeof(uint64_t); i++)
		to[i] = from[i];
}

/* Answer the doorbell id if it is still unanswered: the stub parks. */
static void park(struct plat_thread *pt, uint64_t id)
{
	bool mine;

	latch_lock(&pt->latch);
	mine = pt->notif_id == id && !pt->hold_doorbell;
	if (mine)
		pt->notif_id = 0;
	latch_unlock(&pt->latch);
	if (mine)
		notify_send(id, 0, 0);
}

/* The request is copied; does the fiber wait for it by now? */
static bool request_hand_over(struct plat_thread *pt)
{
	bool waits;

	latch_lock(&pt->latch);
	waits = pt->state == NOTIFY_APP;
	if (waits || pt->state == NOTIFY_STARTED)
		notify_state_set(pt, NOTIFY_KERNEL);
	latch_unlock(&pt->latch);
	return waits;
}

enum taken { TAKEN, TAKEN_EARLY, TAKEN_NOT, TAKEN_DEAD };

/* Request seq of pt is found, by doorbell id or (0) in its slot: is it a new one? */
static enum taken request_take(struct plat_thread *pt, uint32_t seq, uint64_t id)
{
	enum taken r = TAKEN_NOT;

	latch_lock(&pt->latch);
	if (pt->state == NOTIFY_DEAD)
		r = TAKEN_DEAD;
	else if (id == 0 && pt->hold_doorbell)
		r = TAKEN_NOT; /* it is to ring, and will */
	else if (seq == pt->seq + 1 && pt->state == NOTIFY_APP)
		r = TAKEN;
	/* A thread that was started may ask before its fiber waits: then that finds the request there. */
	else if (seq == pt->seq + 1 && pt->state == NOTIFY_STARTED)
		r = TAKEN_EARLY;
	if (r == TAKEN || r == TAKEN_EARLY) {
		if (r == TAKEN)
			notify_state_set(pt, NOTIFY_KERNEL);
		__atomic_store_n(&pt->seq, seq, __ATOMIC_RELAXED);
		pt->notif_id = id;
		pt->polled = id == 0;
		if (!pt->ordering)
			__atomic_store_n(&pt->kicked, false, __ATOMIC_RELAXED);
	} else if (id) {
		pt->notif_id = 0; /* an earlier doorbell of this request was undone by a signal */
		pt->polled = false; /* or the stub has looked for long enough, and sleeps next */
	}
	latch_unlock(&pt->latch);
	return r;
}

static void request_run(struct plat_thread *pt, enum taken how)
{
	request_copy(&pt->request, pt->slot);
	if (pt->request.kind == STUB_SYSCALL)
		notify_windows_take(pt);
	if (how == TAKEN || request_hand_over(pt))
		(void)fiber_run(pt->fiber);
}

static void on_ring(struct plat_thread *pt, uint64_t id)
{
	uint32_t seq = __atomic_load_n(&pt->slot->request_seq, __ATOMIC_ACQUIRE);
	enum taken r = request_take(pt, seq, id);

	if (r == TAKEN_NOT || r == TAKEN_DEAD) {
		notify_send(id, 0, r == TAKEN_DEAD ? -ENOSYS : 0);
		return;
	}
	notify_poll_rang(pt);
	request_run(pt, r);
	park(pt, id);
}

/* Its fiber has run.  Unanswered: the stub need not spin.  (Answered since: it looks for that first.) */
static void park_polled(struct plat_thread *pt)
{
	uint32_t seq;
	bool waits;

	if (notify_state_peek(pt) != NOTIFY_KERNEL)
		return;
	latch_lock(&pt->latch);
	waits = pt->state == NOTIFY_KERNEL && pt->polled;
	pt->polled &= !waits;
	seq = pt->seq;
	latch_unlock(&pt->latch);
	if (waits)
		__atomic_store_n(&pt->slot->parked_seq, seq, __ATOMIC_RELEASE);
}

bool notify_found(struct plat_thread *pt)
{
	uint32_t seq = __atomic_load_n(&pt->slot->request_seq, __ATOMIC_ACQUIRE);
	enum taken r = request_take(pt, seq, 0);

	if (r == TAKEN_NOT || r == TAKEN_DEAD)
		return false;
	ref_get(&pt->refs); /* its fiber may end it, and have us look at a newer list meanwhile */
	request_copy(&pt->request, pt->slot);
	if (pt->request.kind == STUB_SYSCALL)
		notify_windows_take(pt);
	if (r == TAKEN || request_hand_over(pt))
		worker_poll_run(pt->fiber);
	park_polled(pt);
	notify_thread_put(pt);
	return true;
}

bool notify_found_inline(struct plat_thread *pt)
{
	uint32_t seq = __atomic_load_n(&pt->slot->request_seq, __ATOMIC_ACQUIRE);

	if (request_take(pt, seq, 0) != TAKEN)
		return false;
	request_copy(&pt->request, pt->slot);
	if (pt->request.kind == STUB_SYSCALL)
		notify_windows_take(pt);
	return true;
}

static void on_clone(struct plat_thread *pt, const struct seccomp_notif *n)
{
	bool granted, again;

	/* Idempotent: a signal makes the kernel ask again for the same clone.  Or it is a second one. */
	latch_lock(&pt->latch);
	again = pt->cloned;
	granted = pt->state == NOTIFY_APP && pt->clone_flags != 0 &&
		  pt->clone_flags == n->data.args[0];
	pt->cloned |= granted;
	latch_unlock(&pt->latch);
	if (granted && again)
		notify_census_want();
	if (granted)
		send_continue(n->id);
	else
		notify_send(n->id, 0, -EPERM);
}

/* ---- hello ------------------------------------------------------------------------------------ */

static struct plat_thread *cookie_lookup(uint64_t cookie)
{
	struct plat_thread *pt = NULL;
	struct hash_node *n;

	latch_lock(&notify.tables);
	for (n = hash_first(&notify.by_cookie, hash_u64(0, cookie)); n; n = hash_next(n)) {
		pt = container_of(n, struct plat_thread, by_cookie);
		if (pt->cookie == cookie) {
			ref_get(&pt->refs);
			break;
		}
		pt = NULL;
	}
	latch_unlock(&notify.tables);
	return pt;
}

static bool tid_is_hashed_locked(pid_t tid) REQUIRES(notify.tables)
{
	struct hash_node *n;

	for (n = hash_first(&notify.by_tid, hash_u64(0, (uint64_t)tid)); n; n = hash_next(n)) {
		if (container_of(n, struct plat_thread, by_tid)->tid == tid)
			return true;
	}
	return false;
}

/* The thread with this cookie is host thread tid, if that can be. */
bool notify_thread_arrived(struct plat_thread *pt, pid_t tid)
{
	pid_t pid;
	bool leader;

	latch_lock(&pt->mm->latch);
	pid = pt->mm->pid;
	latch_unlock(&pt->mm->latch);
	leader = pid == 0;
	/* A thread of that process, or the leader of a new one. */
	if (host_tgkill(leader ? tid : pid, tid, 0) < 0)
		return false;
	latch_lock(&notify.tables);
	/*
	 * A stub that names a sibling as its child lies (or one ended without a word: then the child rings).  And a
	 * process's first thread that was told to end, and stayed, is not another's: who of the two died could not be told.
	 */
	if (!pt->in_by_cookie || tid_is_hashed_locked(tid) || (leader && notify_mm_peek(tid))) {
		latch_unlock(&notify.tables);
		return false;
	}
	hash_remove(&notify.by_cookie, &pt->by_cookie);
	pt->in_by_cookie = false;
	latch_lock(&pt->latch);
	pt->tid = tid;
	latch_unlock(&pt->latch);
	hash_insert(&notify.by_tid, &pt->by_tid, hash_u64(0, (uint64_t)tid));
	pt->in_by_tid = true;
	latch_unlock(&notify.tables);
	return !leader || notify_mm_arrived(pt->mm, tid);
}

/* Answer hello: descriptors of channel and process page for the first thread of a process. */
static void hello_answer(struct plat_thread *pt, uint64_t id)
{
	struct seccomp_notif_addfd add = {
		.id = id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = (uint32_t)pt->mm->memfd,
		.newfd = 0,
		.newfd_flags = O_CLOEXEC,
	};
	struct seccomp_notif_addfd page = {
		.id = id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)pt->mm->process_fd,
		.newfd = STUB_PROCESS_FD,
		.newfd_flags = O_CLOEXEC,
	};

	long err;

	if (!pt->first_of_process) {
		notify_send(id, 0, 0);
		return;
	}
	err = host_ioctl(notify.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &page);
	if (err >= 0)
		err = host_ioctl(notify.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (err < 0 && err != -ENOENT)
		notify_send(id, 0, (int)err); /* it ends itself */
}

/*
 * Whoever rings and is not one of ours: a thread that has exited for us, or a process whose mm was
 * given up while it was being made.  Only stubs have the doorbell; a process is ended.
 */
static void send_away(const struct seccomp_notif *n)
{
	pid_t tid = (pid_t)n->pid;

	if (!notify_pid_is_known(tid) && host_tgkill(tid, tid, 0) == 0)
		(void)host_kill(tid, SIGKILL);
	notify_send(n->id, 0, -ENOSYS);
}

static void on_hello(const struct seccomp_notif *n)
{
	struct plat_thread *pt = cookie_lookup(n->data.args[1]);
	pid_t tid = (pid_t)n->pid;
	bool kick;

	if (!pt) {
		send_away(n);
		return;
	}
	if (!notify_thread_arrived(pt, tid)) {
		send_away(n);
		notify_thread_put(pt);
		return;
	}
	hello_answer(pt, n->id);
	latch_lock(&pt->latch);
	kick = pt->state == NOTIFY_APP && pt->kicked;
	latch_unlock(&pt->latch);
	if (kick)
		(void)host_tgkill(pt->mm->pid, tid, KICK_SIGNAL);
	notify_thread_put(pt);
}

/* ---- the receiver ------------------------------------------------------------------------------ */

/*
 * A new thread under the number of one that we know: that one has ended without a word.  (The leader's
 * number stays its own, so the question is about a thread's place in its process.)
 */
static bool was_replaced(struct plat_thread *pt, const struct seccomp_notif *n)
{
	pid_t pid;

	if (n->data.nr != STUB_DOORBELL || n->data.args[1] == pt->cookie)
		return false;
	latch_lock(&pt->mm->latch);
	pid = pt->mm->pid;
	latch_unlock(&pt->mm->latch);
	return host_tgkill(pid, (pid_t)n->pid, 0) == -ESRCH;
}

/* Whose first request this is: a thread that said no hello (STUB_CLONE_START). */
static struct plat_thread *first_request(const struct seccomp_notif *n)
{
	struct plat_thread *pt = cookie_lookup(n->data.args[1]);
	bool started = false;

	if (pt) {
		latch_lock(&pt->latch);
		started = pt->state == NOTIFY_STARTED || pt->state == NOTIFY_APP;
		latch_unlock(&pt->latch);
		if (started)
			(void)notify_thread_arrived(pt, (pid_t)n->pid);
		notify_thread_put(pt);
	}
	/* Its creator's report may have come between. */
	return thread_lookup((pid_t)n->pid);
}

static void dispatch(const struct seccomp_notif *n)
{
	struct plat_thread *pt = thread_lookup((pid_t)n->pid);

	if (pt && was_replaced(pt, n)) {
		notify_thread_unhash(pt);
		notify_mm_broken(pt->mm);
		notify_thread_put(pt);
		pt = NULL;
	}
	if (!pt && n->data.nr == STUB_DOORBELL && n->data.args[0] == STUB_RING && n->data.args[1])
		pt = first_request(n);
	if (!pt && n->data.nr == STUB_DOORBELL && n->data.args[0] == STUB_RING_HELLO) {
		on_hello(n);
		return;
	}
	if (!pt) {
		send_away(n);
		return;
	}
	if (n->data.nr != STUB_DOORBELL)
		on_clone(pt, n);
	else if (n->data.args[0] == STUB_RING)
		on_ring(pt, n->id);
	else if (n->data.args[0] == STUB_RING_HELLO && n->data.args[1] == pt->cookie && pt->seq == 1)
		hello_answer(pt, n->id); /* again: a signal undid the first one */
	else
		notify_send(n->id, 0, -EINVAL);
	notify_thread_put(pt);
}

static void notify_receive(void)
{
	/* Newer kernels may use more than our struct; RECV wants zeros. */
	union {
		struct seccomp_notif n;
		uint8_t room[512];
	} buf;
	uint64_t from;
	long err;

	/* On the worker's own stack, so its thread-local storage is safe to use. */
	static _Thread_local pid_t tid;

	if (tid == 0)
		tid = host_gettid();
	atomic_store_explicit(&receiver_tid, tid, memory_order_seq_cst);
	if (notify_poll(&notify_abort_wanted, tid))
		return;
	if (!notify_poll_heard())
		worker_sources_look(false); /* a poller may be on still, but held up elsewhere */
	do {
		farewells_look();
		memset(&buf, 0, sizeof(buf));
		from = poll_tsc();
		err = host_call_abortable(&notify_abort_wanted, SYS_ioctl, notify.listener,
					  (long)SECCOMP_IOCTL_NOTIF_RECV, (long)&buf, 0);
		if (err == -EINTR &&
		    atomic_exchange_explicit(&notify_abort_wanted, 0, memory_order_seq_cst))
			return;
		ASSERT(err >= 0 || err == -EINTR || err == -ENOENT); /* ENOENT: whoever rang is dead */
		if (err < 0)
			worker_sources_look(false);
	} while (err < 0);
	poller_waited(poll_tsc() - from);
	dispatch(&buf.n);
}

static void notify_receive_abort(void)
{
	int tid;

	atomic_store_explicit(&notify_abort_wanted, 1, memory_order_seq_cst);
	tid = atomic_load_explicit(&receiver_tid, memory_order_seq_cst);
	if (tid)
		(void)host_tgkill(notify.self, tid, HOST_ABORT_SIGNAL);
}

const struct worker_hooks notify_worker_hooks = {
	.receive = notify_receive,
	.receive_abort = notify_receive_abort,
	.parking = notify_poll_parking,
	.started = notify_poll_started,
	.tarry = notify_poll_tarry,
	.poll = notify_poll_extra,
};
