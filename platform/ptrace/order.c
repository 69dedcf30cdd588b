/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order.c: what a fiber has its thread do: host calls, clones, a new start.  One piece of text at a
 * time; the fiber sleeps meanwhile, so the tracer is free for others.
 *
 * Descriptors of files to be mapped come over a Unix socket whose receiving end is descriptor 0 of
 * every stub, in one message before the calls, and are closed after them.  The header of that message
 * lies in a page that the application can write: what it does to it concerns its own process only, since
 * nothing is read back, and numbers are those that an empty table gives.
 */
#include "platform/ptrace/ptrace_impl.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/log.h"

/* The page behind the text. */
#define SCRATCH STUB_CONST

struct scratch {
	struct msghdr header;
	struct iovec iov;
	char byte;
	char control[CMSG_SPACE(sizeof(int) * HOST_FDS_MAX)] __attribute__((aligned(8)));
};

/* ---- one piece -------------------------------------------------------------------------------- */

static void order_commit(void *arg)
{
	struct plat_thread *pt = arg;

	if (traced_is_dead(pt)) {
		fiber_resume(pt->fiber);
		return;
	}
	pt->order_fault = false;
	pt->suspended = true;
	traced_inject(pt, TRACED_ORDER, &pt->order_regs);
}

/* The registers at its end are in pt->now.  Leaves the fiber on the tracer unless it fails. */
static int order(struct plat_thread *pt)
{
	tracer_enter();
	if (traced_is_dead(pt))
		return -ESRCH;
	fiber_suspend(order_commit, pt);
	return traced_is_dead(pt) ? -ESRCH : 0;
}

int traced_order_call(struct plat_thread *pt, uint64_t nr, const uint64_t args[6], long *result)
{
	int err;

	pt->order_regs = (plat_regs_t){
		.rip = traced_text_at(traced_text_syscall),
		.rax = nr,
		.rdi = args[0],
		.rsi = args[1],
		.rdx = args[2],
		.r10 = args[3],
		.r8 = args[4],
		.r9 = args[5],
	};
	err = order(pt);
	if (err == 0)
		*result = pt->order_fault ? -EFAULT : (long)pt->now.rax;
	return err;
}

int traced_order_cmpxchg(struct plat_thread *pt, uint64_t addr, uint32_t *old, uint32_t value)
{
	int err;

	pt->order_regs = (plat_regs_t){
		.rip = traced_text_at(traced_text_cmpxchg),
		.rax = *old,
		.rdi = addr,
		.rdx = value,
	};
	err = order(pt);
	if (err < 0)
		return err;
	if (pt->order_fault)
		return -EFAULT;
	*old = (uint32_t)pt->now.rax;
	return 0;
}

/* ---- descriptors ------------------------------------------------------------------------------ */

/* Descriptors in the stub: what host_fd has which number there. */
struct lent {
	int fds[HOST_FDS_MAX];
	size_t count;
};

static int lent_number(const struct lent *l, int fd)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->fds[i] == fd)
			return TRACED_FDS_FIRST + (int)i;
	}
	return -1;
}

static bool needs_fd(const struct plat_hostcall *c)
{
	return c->nr == SYS_mmap && c->host_fd >= 0;
}

/* Nobody took the message: it must not be the next one's. */
static void drain(void)
{
	int fds[HOST_FDS_MAX];
	size_t count;
	char byte;

	for (;;) {
		count = HOST_FDS_MAX;
		if (host_recv_fds(tracer.drain_fd, &byte, 1, fds, &count, MSG_DONTWAIT) < 0)
			return;
		while (count > 0)
			host_close(fds[--count]);
	}
}

static int lend(struct plat_thread *pt, const struct lent *l)
{
	char byte = 0;
	const struct iovec iov = { &byte, 1 };
	struct scratch s = {
		.header = {
			.msg_iov = (struct iovec *)(SCRATCH + offsetof(struct scratch, iov)),
			.msg_iovlen = 1,
			.msg_control = (void *)(SCRATCH + offsetof(struct scratch, control)),
			.msg_controllen = CMSG_SPACE(sizeof(int) * l->count),
		},
		.iov = { (void *)(SCRATCH + offsetof(struct scratch, byte)), 1 },
	};
	const uint64_t args[6] = { 0, SCRATCH, STUB_TRACED_RECV_FLAGS };
	ssize_t n;
	long r = -EIO;
	int err = 0;

	n = plat_mm_write(pt->mm, SCRATCH, &s, sizeof(s), false);
	if (n != sizeof(s))
		return n < 0 ? (int)n : -EFAULT;
	n = host_send_fds(tracer.send_fd, &iov, 1, l->fds, l->count);
	if (n < 0)
		return (int)n;
	err = traced_order_call(pt, SYS_recvmsg, args, &r);
	if (err == 0 && r == 1)
		return 0;
	drain();
	return err < 0 ? err : r < 0 ? (int)r : -EIO;
}

static void take_back(struct plat_thread *pt, struct lent *l)
{
	uint64_t args[6] = { 0 };
	long r;

	for (size_t i = 0; i < l->count; i++) {
		args[0] = TRACED_FDS_FIRST + i;
		if (traced_order_call(pt, SYS_close, args, &r) < 0)
			break;
	}
	l->count = 0;
}

/* Those that calls need from here on, as many as can be lent at once. */
static int lend_next(struct plat_thread *pt, struct lent *l, const struct plat_hostcall *calls,
		     size_t count)
{
	int err;

	take_back(pt, l);
	for (size_t i = 0; i < count && l->count < HOST_FDS_MAX; i++) {
		if (needs_fd(&calls[i]) && lent_number(l, calls[i].host_fd) < 0)
			l->fds[l->count++] = calls[i].host_fd;
	}
	err = lend(pt, l);
	if (err < 0)
		take_back(pt, l);
	return err;
}

/* ---- host calls ------------------------------------------------------------------------------- */

/* -ESRCH, or 0 and c->result. */
static int hostcall(struct plat_thread *pt, struct plat_hostcall *c, const struct lent *l)
{
	uint64_t args[6];

	memcpy(args, c->args, sizeof(args));
	if (c->nr == SYS_mmap)
		args[4] = (uint64_t)(needs_fd(c) ? lent_number(l, c->host_fd) : -1);
	return traced_order_call(pt, (uint64_t)c->nr, args, &c->result);
}

static int hostcalls_make(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	struct lent lent = { .count = 0 };
	size_t i;
	int err = 0;

	for (i = 0; i < count; i++) {
		struct plat_hostcall *c = &calls[i];

		if (!plat_hostcall_is_allowed(c)) {
			c->result = c->nr == SYS_mmap ? -ENOMEM : -EINVAL;
			break;
		}
		if (needs_fd(c) && lent_number(&lent, c->host_fd) < 0) {
			err = lend_next(pt, &lent, c, count - i);
			if (err < 0)
				break;
		}
		err = hostcall(pt, c, &lent);
		if (err < 0 || (uint64_t)c->result >= (uint64_t)-4095)
			break;
	}
	take_back(pt, &lent);
	return err < 0 ? err : (int)i;
}

int traced_hostcalls(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	bool files = false;
	int r;

	for (size_t i = 0; i < count; i++) {
		calls[i].result = -ECANCELED;
		files |= needs_fd(&calls[i]);
	}
	if (!files)
		return hostcalls_make(pt, calls, count);
	mutex_lock(&tracer.files);
	r = hostcalls_make(pt, calls, count);
	mutex_unlock(&tracer.files);
	return r;
}

int traced_mm_reset(struct plat_thread *pt)
{
	struct plat_hostcall calls[PLAT_RESET_CALLS];
	size_t n = plat_reset_calls(calls);
	int r = traced_hostcalls(pt, calls, n);

	if (r < 0)
		return r;
	if ((size_t)r != n)
		return (int)calls[r].result;
	memset(&pt->registers, 0, sizeof(pt->registers));
	pt->registers.orig_rax = (unsigned long)-1;
	pt->regs_set = pt->fpu_init = true;
	return 0;
}

/* ---- clone ------------------------------------------------------------------------------------ */

static void child_prepare(const struct plat_thread *parent, struct plat_thread *child)
{
	child->registers = parent->registers;
	child->registers.orig_rax = (unsigned long)-1;
	child->now = parent->now;
	child->fpu_init = parent->fpu_init;
}

static bool mm_is_fresh(struct plat_mm *mm)
{
	bool fresh;

	latch_lock(&mm->latch);
	fresh = mm->pid == 0 && !mm->killed;
	latch_unlock(&mm->latch);
	return fresh;
}

/* The clone failed, but there may be a child: the parent died before it knew. */
static void child_undo(struct plat_thread *child, bool thread)
{
	struct plat_mm *mm = child->mm;
	bool counted;

	if (!thread)
		traced_mm_kill(mm);
	latch_lock(&child->latch);
	counted = child->state != TRACED_NEW;
	if (counted)
		child->state = TRACED_DEAD;
	latch_unlock(&child->latch);
	latch_lock(&mm->latch);
	list_remove(&child->in_mm);
	if (counted)
		mm->live_threads--;
	latch_unlock(&mm->latch);
}

/* On the tracer. */
static void await_arrival(struct plat_thread *child)
{
	while (!child->arrived && !traced_is_dead(child)) {
		child->creator = fiber_self();
		fiber_suspend(NULL, NULL);
		tracer_enter();
	}
}

/* Of a process: with tracer.files held. */
static int clone_make(struct plat_thread *parent, struct plat_thread *child, bool thread)
{
	const uint64_t args[6] = { thread ? STUB_TRACED_THREAD_FLAGS : STUB_TRACED_FORK_FLAGS };
	long r = -EAGAIN;
	int err;

	tracer_enter();
	if (traced_is_dead(parent))
		return -ESRCH;
	if (!thread && !mm_is_fresh(child->mm))
		return -EAGAIN;
	child_prepare(parent, child);
	parent->child = child;
	tracer_clone_begin();
	err = traced_order_call(parent, SYS_clone, args, &r);
	tracer_enter();
	parent->child = NULL;
	if (err == 0 && (r <= 0 || child->tid == 0))
		err = r == -ENOMEM ? -ENOMEM : -EAGAIN;
	if (err == 0)
		await_arrival(child);
	tracer_clone_end();
	if (err < 0)
		child_undo(child, thread);
	return err;
}

int traced_clone(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
		 const struct plat_start *start)
{
	int err;

	if (flags & PLAT_CLONE_VM) {
		err = clone_make(parent, child, true);
		if (err == 0 && start) {
			child->registers.rax = 0;
			child->registers.rsp = start->stack;
			child->registers.fs_base = start->tls;
			child->regs_set = true;
			child->pi_tid = (uint32_t)start->tid & FUTEX_TID_MASK;
		}
		return err;
	}
	mutex_lock(&tracer.files);
	err = clone_make(parent, child, false);
	mutex_unlock(&tracer.files);
	return err;
}

int traced_start(struct plat_thread *pt)
{
	struct plat_thread *z = tracer.zygote;
	int err;

	mutex_lock(&tracer.files);
	z->fiber = fiber_self();
	memset(&z->registers, 0, sizeof(z->registers));
	tracer_enter();
	err = z->arrived ? clone_make(z, pt, false) : -ESRCH;
	mutex_unlock(&tracer.files);
	pt->fpu_init = true;
	return err;
}
