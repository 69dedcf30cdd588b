/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfd.c: signalfd(2), signalfd4(2), and vhangup(2).
 *
 * Reading takes pending signals of the reading task and its process, as sigtimedwait(2) does.  Linux
 * lets poll(2) look at whoever asks; a file's poll slot knows no task here, so it looks at the process
 * that made the descriptor, which differs only for a descriptor polled by another process.
 *
 * Members of struct signalfd: (c) constant, (a) atomic.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/task.h"
#include "sentry/tty/tty.h"
#include "sys_calls.h"
#include "vfs/poll.h"

#define CAP_SYS_TTY_CONFIG_ 26
#define READ_MAX 16 /* signals in one copy */

_Static_assert(sizeof(struct signalfd_siginfo) == 128, "ABI");

struct signalfd {
	struct process *process;    /* (c) counted: whose signals poll looks at */
	_Atomic sig_set_t set;      /* (a) */
};

/* A signal of set waits for p or one of its tasks.  Latches only. */
static bool process_has_pending(struct process *p, sig_set_t set)
{
	struct task *t;
	sig_set_t pending;

	latch_lock(&p->siglock);
	pending = p->pending.set;
	list_for_each_entry(t, &p->tasks, process_node)
		pending |= t->pending.set;
	latch_unlock(&p->siglock);
	return pending & set;
}

/* By the kind of the signal, as in Linux's signalfd_copyinfo(). */
static void info_convert(const siginfo_t *i, struct signalfd_siginfo *out)
{
	memset(out, 0, sizeof(*out));
	out->ssi_signo = (uint32_t)i->si_signo;
	out->ssi_errno = i->si_errno;
	out->ssi_code = i->si_code;
	if (i->si_code == SI_TIMER) {
		out->ssi_tid = (uint32_t)i->si_timerid;
		out->ssi_overrun = (uint32_t)i->si_overrun;
		out->ssi_ptr = (uint64_t)(uintptr_t)i->si_value.sival_ptr;
		out->ssi_int = i->si_value.sival_int;
	} else if (i->si_code > 0 && i->si_code < SI_KERNEL && i->si_signo == SIGCHLD) {
		out->ssi_pid = (uint32_t)i->si_pid;
		out->ssi_uid = i->si_uid;
		out->ssi_status = i->si_status;
		out->ssi_utime = (uint64_t)i->si_utime;
		out->ssi_stime = (uint64_t)i->si_stime;
	} else if (i->si_code > 0 && i->si_code < SI_KERNEL &&
		   (SIG_BIT(i->si_signo) & SIG_SET_SYNC)) {
		out->ssi_addr = (uint64_t)(uintptr_t)i->si_addr;
	} else if (i->si_signo == SIGIO && i->si_code > 0 && i->si_code < SI_KERNEL) {
		out->ssi_band = (uint32_t)i->si_band;
		out->ssi_fd = i->si_fd;
	} else {
		out->ssi_pid = (uint32_t)i->si_pid;
		out->ssi_uid = i->si_uid;
		if (i->si_code < 0) {
			out->ssi_ptr = (uint64_t)(uintptr_t)i->si_value.sival_ptr;
			out->ssi_int = i->si_value.sival_int;
		}
	}
}

struct signalfd_wait {
	struct process *process;
	sig_set_t set;
};

static bool signalfd_ready(void *arg)
{
	struct signalfd_wait *w = arg;

	return process_has_pending(w->process, w->set);
}

static ssize_t signalfd_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct signalfd *s = file_priv(f);
	struct signalfd_siginfo out[READ_MAX];
	struct task *t = ctx_task(c);
	size_t max = MIN(uio_left(dst) / sizeof(out[0]), (size_t)READ_MAX), n = 0;

	(void)pos;
	if (max == 0 || !t)
		return -EINVAL;
	for (;;) {
		sig_set_t set = atomic_load_explicit(&s->set, memory_order_relaxed);
		struct signalfd_wait w = { .process = t->process, .set = set };
		siginfo_t info;
		int err;

		while (n < max && sig_dequeue(t, set, &info))
			info_convert(&info, &out[n++]);
		if (n > 0)
			return uio_put(dst, out, n * sizeof(out[0]));
		if (rwf & O_NONBLOCK)
			return -EAGAIN;
		err = vfs_wait_ready(c, sig_wq(t->process), 0, false, signalfd_ready, &w, INT64_MAX);
		if (err)
			return err;
	}
}

static uint32_t signalfd_poll(struct file *f, struct poller *p)
{
	struct signalfd *s = file_priv(f);

	poller_add(p, sig_wq(s->process));
	return process_has_pending(s->process, atomic_load_explicit(&s->set, memory_order_relaxed))
		       ? POLLIN : 0;
}

static void signalfd_show_fdinfo(struct file *f, struct buf *b)
{
	struct signalfd *s = file_priv(f);

	buf_printf(b, "sigmask:\t%016llx\n",
		   (unsigned long long)atomic_load_explicit(&s->set, memory_order_relaxed));
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = file_priv(f);

	process_put(s->process);
	mem_free(s);
}

static const struct file_ops signalfd_ops = {
	.read = signalfd_read,
	.poll = signalfd_poll,
	.show_fdinfo = signalfd_show_fdinfo,
	.release = signalfd_release,
};

static long signalfd_change(struct task *t, int fd, sig_set_t set)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	struct signalfd *s;

	if (!f)
		return -EBADF;
	if (f->ops != &signalfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	s = file_priv(f);
	atomic_store_explicit(&s->set, set, memory_order_relaxed);
	wq_wake(sig_wq(s->process), 0); /* sleepers look again */
	file_put(f);
	return fd;
}

static long signalfd_make(struct task *t, sig_set_t set, int flags)
{
	struct signalfd *s = mem_new(struct signalfd);
	struct file *f;
	int err;

	if (!s)
		return -ENOMEM;
	s->process = process_get(t->process);
	atomic_init(&s->set, set);
	err = file_new_anon("signalfd", &signalfd_ops, s, O_RDWR | (flags & O_NONBLOCK),
			    FILE_READ | FILE_WRITE | FILE_STREAM | FILE_NOSPLICE, t->cred, &f);
	if (err) {
		process_put(s->process);
		mem_free(s);
		return err;
	}
	return fdt_add(t->fdt, f, flags & O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

long sys_signalfd4(struct task *t, int fd, uaddr_t uset, size_t size, int flags)
{
	sig_set_t set;
	int err;

	if (size != sizeof(set))
		return -EINVAL;
	err = uaccess_get(t, &set, uset, sizeof(set));
	if (err)
		return err;
	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	set &= ~SIG_UNBLOCKABLE;
	return fd == -1 ? signalfd_make(t, set, flags) : signalfd_change(t, fd, set);
}

long sys_signalfd(struct task *t, int fd, uaddr_t uset, size_t size)
{
	return sys_signalfd4(t, fd, uset, size, 0);
}

long sys_vhangup(struct task *t)
{
	if (!task_capable(t, CAP_SYS_TTY_CONFIG_))
		return -EPERM;
	tty_vhangup(t);
	return 0;
}
