/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.c: the epoll_* calls. */
#include "vfs/epoll.h"

#include <errno.h>
#include <fcntl.h>

#include "sentry/task/task.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"

_Static_assert(sizeof(struct epoll_event) == 12, "x86-64 ABI");

long sys_epoll_create1(struct task *t, int flags)
{
	struct file *f;
	int err;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	err = epoll_new(task_vfs(t), &f);
	if (err < 0)
		return err;
	return fdt_add(t->fdt, f, flags & O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

long sys_epoll_create(struct task *t, int size)
{
	return size <= 0 ? -EINVAL : sys_epoll_create1(t, 0);
}

long sys_epoll_ctl(struct task *t, int epfd, int op, int fd, uaddr_t event)
{
	struct epoll_event ev = { 0 };
	struct file *epf, *target;
	long err = 0;

	if (op != EPOLL_CTL_DEL)
		err = uaccess_get(t, &ev, event, sizeof(ev));
	if (err < 0)
		return err;
	epf = fdt_file_nopath(t->fdt, epfd);
	if (!epf)
		return -EBADF;
	target = fdt_file_nopath(t->fdt, fd);
	err = target ? epoll_control(epf, op, fd, target, &ev) : -EBADF;
	file_put(target);
	file_put(epf);
	return err;
}

static long epoll_wait_common(struct task *t, int epfd, uaddr_t events, int max, int64_t deadline_ns)
{
	struct file *f;
	struct uio dst;
	long n;

	if (max <= 0 || (size_t)max > INT32_MAX / sizeof(struct epoll_event))
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, epfd);
	if (!f)
		return -EBADF;
	uaccess_uio(t, &dst, events, (size_t)max * sizeof(struct epoll_event));
	n = epoll_wait_events(task_vfs(t), f, &dst, max, deadline_ns);
	file_put(f);
	return n;
}

static int64_t deadline_of_ms(int timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : deadline_after(timeout_ms * NSEC_PER_MSEC);
}

long sys_epoll_wait(struct task *t, int epfd, uaddr_t events, int maxevents, int timeout_ms)
{
	return epoll_wait_common(t, epfd, events, maxevents, deadline_of_ms(timeout_ms));
}

static long epoll_wait_masked(struct task *t, int epfd, uaddr_t events, int max, int64_t deadline_ns,
			      uaddr_t set, size_t size)
{
	long ret = sig_mask_from_user(t, set, size);

	if (ret < 0)
		return ret;
	ret = epoll_wait_common(t, epfd, events, max, deadline_ns);
	/* An interrupted wait leaves the mask to the delivery of the signal. */
	if (set.addr && ret != -EINTR)
		sig_mask_restore(t);
	return ret;
}

long sys_epoll_pwait(struct task *t, int epfd, uaddr_t events, int maxevents, int timeout_ms,
		     uaddr_t set, size_t sigsetsize)
{
	return epoll_wait_masked(t, epfd, events, maxevents, deadline_of_ms(timeout_ms), set,
				 sigsetsize);
}

long sys_epoll_pwait2(struct task *t, int epfd, uaddr_t events, int maxevents, uaddr_t timeout,
		      uaddr_t set, size_t sigsetsize)
{
	int64_t deadline_ns = INT64_MAX, timeout_ns;

	if (timeout.addr) {
		int err = timespec_get_user(t, timeout, &timeout_ns);

		if (err < 0)
			return err;
		deadline_ns = deadline_after(timeout_ns);
	}
	return epoll_wait_masked(t, epfd, events, maxevents, deadline_ns, set, sigsetsize);
}
