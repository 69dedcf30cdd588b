/* SPDX-License-Identifier: Apache-2.0 */
/* timerfd.c: timerfd_create(2), timerfd_settime(2), timerfd_gettime(2). */
#include <errno.h>
#include <fcntl.h>
#include <sys/timerfd.h>

#include "sentry/task/task.h"
#include "sentry/time/clock.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"
#include "vfs/timerfd.h"

long sys_timerfd_create(struct task *t, int clock, int flags)
{
	struct file *f;
	int err = timerfd_new(task_vfs(t), clock, flags, &f);

	if (err < 0)
		return err;
	return fdt_add(t->fdt, f, flags & O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

/* What t's time namespace adds to f's clock. */
static int64_t timer_offset(struct task *t, const struct file *f)
{
	struct clock_ref c;
	int64_t offset;

	if (timerfd_clock(f) < 0 || clock_ref_get(t, timerfd_clock(f), &c) < 0)
		return 0;
	offset = c.offset_ns;
	clock_ref_put(&c);
	return offset;
}

long sys_timerfd_settime(struct task *t, int fd, int flags, uaddr_t value, uaddr_t old)
{
	struct timerfd_spec spec, before;
	struct file *f;
	int err;

	err = itimerspec_get_user(t, value, &spec.value_ns, &spec.interval_ns);
	if (err < 0)
		return err;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	if ((flags & TFD_TIMER_ABSTIME) && spec.value_ns)
		spec.value_ns -= timer_offset(t, f);
	err = timerfd_set(f, flags, &spec, &before);
	file_put(f);
	/* The old setting goes out although the clock was set, but not on other errors. */
	if ((err == 0 || err == -ECANCELED) && old.addr) {
		int put = itimerspec_put_user(t, old, before.value_ns, before.interval_ns);

		return put < 0 ? put : err;
	}
	return err;
}

long sys_timerfd_gettime(struct task *t, int fd, uaddr_t value)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	struct timerfd_spec spec;
	int err;

	if (!f)
		return -EBADF;
	err = timerfd_get(f, &spec);
	file_put(f);
	return err < 0 ? err : itimerspec_put_user(t, value, spec.value_ns, spec.interval_ns);
}
