/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring.c: io_uring_setup(2), io_uring_enter(2), io_uring_register(2). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/aio/uring.h"
#include "sentry/task/task.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"

/* Flags that change nothing here: completions are never delivered by interrupting the application. */
#define SETUP_HINTS \
	(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SINGLE_ISSUER | (1u << 13))
#define SETUP_KNOWN                                                                                              \
	(IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL | SETUP_SQPOLL | \
	 (1u << 16) | SETUP_HINTS)
#define SETUP_SQPOLL (IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF) /* which CPU the poller sleeps on is all the same */
#define SETUP_DEFER  (1u << 13)                                  /* IORING_SETUP_DEFER_TASKRUN */
#define ENTER_KNOWN \
	(IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP | IORING_ENTER_SQ_WAIT | IORING_ENTER_EXT_ARG)

/* What Linux does not take together (io_uring_create(), io_uring_sanitise_params()). */
static bool setup_flags_ok(uint32_t flags)
{
	uint32_t deferred = IORING_SETUP_COOP_TASKRUN | SETUP_DEFER;

	if (flags & ~SETUP_KNOWN)
		return false;
	if ((flags & IORING_SETUP_SQPOLL) && (flags & (deferred | IORING_SETUP_TASKRUN_FLAG)))
		return false;
	if ((flags & IORING_SETUP_SQ_AFF) && !(flags & IORING_SETUP_SQPOLL))
		return false;
	if ((flags & IORING_SETUP_TASKRUN_FLAG) && !(flags & deferred))
		return false;
	return !(flags & SETUP_DEFER) || (flags & IORING_SETUP_SINGLE_ISSUER);
}

long sys_io_uring_setup(struct task *t, unsigned int entries, uaddr_t uparams)
{
	struct io_uring_params p;
	struct file *f;
	int err;

	if (uaccess_get(t, &p, uparams, sizeof(p)))
		return -EFAULT;
	if (p.resv[0] || p.resv[1] || p.resv[2] || !setup_flags_ok(p.flags))
		return -EINVAL;
	err = uring_new(t, entries, &p, &f);
	if (err)
		return err;
	if (uaccess_put(t, uparams, &p, sizeof(p))) {
		file_put(f);
		return -EFAULT;
	}
	return fdt_add(t->fdt, f, O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

static int uring_from_fd(struct task *t, int fd, struct file **f, struct uring **u)
{
	*f = fdt_file_nopath(t->fdt, fd);
	if (!*f)
		return -EBADF;
	*u = file_uring(*f);
	if (*u)
		return 0;
	file_put(*f);
	return -EOPNOTSUPP;
}

/* The extra argument: a signal mask, or a struct with mask and timeout. */
static int enter_arg(struct task *t, unsigned int flags, uaddr_t arg, size_t size, uaddr_t *mask,
		     size_t *mask_size, int64_t *deadline_ns)
{
	struct io_uring_getevents_arg a;
	int64_t ns;
	int err;

	*deadline_ns = INT64_MAX;
	if (!(flags & IORING_ENTER_EXT_ARG)) {
		*mask = arg;
		*mask_size = size;
		return 0;
	}
	if (size != sizeof(a))
		return -EINVAL;
	if (uaccess_get(t, &a, arg, sizeof(a)))
		return -EFAULT;
	*mask = (uaddr_t){ a.sigmask };
	*mask_size = a.sigmask_sz;
	if (!a.ts)
		return 0;
	err = timespec_get_user(t, (uaddr_t){ a.ts }, &ns);
	if (!err)
		*deadline_ns = deadline_after(ns);
	return err;
}

static long enter_wait(struct task *t, struct uring *u, unsigned int min, unsigned int flags, uaddr_t arg,
		       size_t size)
{
	int64_t deadline_ns;
	size_t mask_size;
	uaddr_t mask;
	long err = enter_arg(t, flags, arg, size, &mask, &mask_size, &deadline_ns);

	if (!err && mask.addr)
		err = sig_mask_from_user(t, mask, mask_size);
	if (err)
		return err;
	err = uring_wait(t, u, min, deadline_ns);
	if (mask.addr && err != -EINTR)
		sig_mask_restore(t);
	return err;
}

long sys_io_uring_enter(struct task *t, int fd, unsigned int to_submit, unsigned int min_complete,
			unsigned int flags, uaddr_t arg, size_t size)
{
	struct file *f;
	struct uring *u;
	long done = 0, err;

	if (flags & ~(unsigned int)ENTER_KNOWN)
		return -EINVAL;
	err = uring_from_fd(t, fd, &f, &u);
	if (err)
		return err;
	if (uring_is_disabled(u)) {
		file_put(f);
		return -EBADFD;
	}
	if (uring_wakes(u)) {
		if (flags & (IORING_ENTER_SQ_WAKEUP | IORING_ENTER_SQ_WAIT))
			(void)uring_submit(t, u, URING_ENTRIES_MAX);
		done = to_submit;
	} else if (to_submit) {
		done = uring_submit(t, u, to_submit);
	}
	if (flags & IORING_ENTER_GETEVENTS)
		err = enter_wait(t, u, min_complete, flags, arg, size);
	file_put(f);
	return done ? done : err;
}

/* ---- register --------------------------------------------------------------------------------- */

static int probe(struct task *t, uaddr_t arg, unsigned int count)
{
	struct io_uring_probe *p;
	size_t size;
	int err = 0;

	count = MIN(count, 256u);
	size = sizeof(*p) + count * sizeof(p->ops[0]);
	p = mem_zalloc(size);
	if (!p)
		return -ENOMEM;
	p->last_op = URING_OPS - 1;
	p->ops_len = (uint8_t)MIN(count, (unsigned int)URING_OPS);
	for (unsigned int i = 0; i < p->ops_len; i++) {
		p->ops[i].op = (uint8_t)i;
		p->ops[i].flags = uring_op(i)->kind != URING_ABSENT ? IO_URING_OP_SUPPORTED : 0;
	}
	if (uaccess_put(t, arg, p, size))
		err = -EFAULT;
	mem_free(p);
	return err;
}

static int register_eventfd(struct task *t, struct uring *u, uaddr_t arg, unsigned int count)
{
	int fd;

	if (count != 1)
		return -EINVAL;
	return uaccess_get(t, &fd, arg, sizeof(fd)) ? -EFAULT : uring_register_eventfd(t, u, fd);
}

static int update_files(struct task *t, struct uring *u, uaddr_t arg, unsigned int count)
{
	struct io_uring_files_update up;

	if (uaccess_get(t, &up, arg, sizeof(up)))
		return -EFAULT;
	if (up.resv || !count)
		return -EINVAL;
	return uring_update_files(t, u, up.offset, (uaddr_t){ up.fds }, count);
}

/* The extended calls: arrays may be missing (sparse) and places may have tags, which we have not. */
static long register_sparse(struct task *t, struct uring *u, unsigned int op, uaddr_t arg, unsigned int size)
{
	struct io_uring_rsrc_register r;
	bool sparse;

	if (size != sizeof(r))
		return -EINVAL;
	if (uaccess_get(t, &r, arg, sizeof(r)))
		return -EFAULT;
	sparse = r.flags & IORING_RSRC_REGISTER_SPARSE;
	if (!r.nr || r.resv2 || r.tags || (r.flags & ~IORING_RSRC_REGISTER_SPARSE) || (sparse && r.data))
		return -EINVAL;
	if (!sparse && !r.data)
		return -EFAULT;
	return op == IORING_REGISTER_FILES2 ? uring_register_files(t, u, (uaddr_t){ r.data }, r.nr)
					    : uring_register_buffers(t, u, (uaddr_t){ r.data }, r.nr);
}

static long update_extended(struct task *t, struct uring *u, unsigned int op, uaddr_t arg, unsigned int size)
{
	struct io_uring_rsrc_update2 up;

	if (size != sizeof(up))
		return -EINVAL;
	if (uaccess_get(t, &up, arg, sizeof(up)))
		return -EFAULT;
	if (!up.nr || up.resv || up.resv2 || up.tags)
		return -EINVAL;
	return op == IORING_REGISTER_FILES_UPDATE2 ? uring_update_files(t, u, up.offset, (uaddr_t){ up.data }, up.nr)
						   : uring_update_buffers(t, u, up.offset, (uaddr_t){ up.data }, up.nr);
}

static long alloc_range(struct task *t, struct uring *u, uaddr_t arg, unsigned int count)
{
	struct {
		uint32_t off, len;
		uint64_t resv;
	} r;

	if (count)
		return -EINVAL;
	if (uaccess_get(t, &r, arg, sizeof(r)))
		return -EFAULT;
	return r.resv ? -EINVAL : uring_register_alloc_range(u, r.off, r.len);
}

static long do_register(struct task *t, struct uring *u, unsigned int op, uaddr_t arg, unsigned int count)
{
	switch (op) {
	case IORING_REGISTER_BUFFERS:
		return !arg.addr ? -EFAULT : uring_register_buffers(t, u, arg, count);
	case IORING_UNREGISTER_BUFFERS:
		return arg.addr || count ? -EINVAL : uring_unregister_buffers(u);
	case IORING_REGISTER_FILES:
		return !arg.addr ? -EFAULT : uring_register_files(t, u, arg, count);
	case IORING_UNREGISTER_FILES:
		return arg.addr || count ? -EINVAL : uring_unregister_files(u);
	case IORING_REGISTER_FILES_UPDATE:
		return update_files(t, u, arg, count);
	case IORING_REGISTER_FILES2:
	case IORING_REGISTER_BUFFERS2:
		return register_sparse(t, u, op, arg, count);
	case IORING_REGISTER_FILES_UPDATE2:
	case IORING_REGISTER_BUFFERS_UPDATE:
		return update_extended(t, u, op, arg, count);
	case 25: /* IORING_REGISTER_FILE_ALLOC_RANGE */
		return !arg.addr ? -EINVAL : alloc_range(t, u, arg, count);
	case IORING_REGISTER_EVENTFD:
	case IORING_REGISTER_EVENTFD_ASYNC:
		return register_eventfd(t, u, arg, count);
	case IORING_UNREGISTER_EVENTFD:
		return arg.addr || count ? -EINVAL : uring_unregister_eventfd(u);
	case 22: /* IORING_REGISTER_PBUF_RING */
		return count != 1 ? -EINVAL : uring_register_buf_ring(t, u, arg);
	case 23: /* IORING_UNREGISTER_PBUF_RING */
		return count != 1 ? -EINVAL : uring_unregister_buf_ring(t, u, arg);
	case IORING_REGISTER_PROBE:
		return !arg.addr || count > 256 ? -EINVAL : probe(t, arg, count);
	case IORING_REGISTER_ENABLE_RINGS:
		if (arg.addr || count)
			return -EINVAL;
		if (!uring_is_disabled(u))
			return -EBADFD;
		uring_enable(u);
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_io_uring_register(struct task *t, int fd, unsigned int op, uaddr_t arg, unsigned int count)
{
	struct file *f;
	struct uring *u;
	long r = uring_from_fd(t, fd, &f, &u);

	if (r)
		return r;
	r = do_register(t, u, op, arg, count);
	file_put(f);
	return r;
}
