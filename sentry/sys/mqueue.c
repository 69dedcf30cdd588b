/* SPDX-License-Identifier: Apache-2.0 */
/* mqueue.c: mq_open(2) and kin; the queues are in sentry/ipc/mqueue.c. */
#include "sentry/ipc/mqueue.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/mem.h"
#include "sentry/socket/netlink.h"
#include "sentry/task/task.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"
#include "vfs/vfs.h"

#define MQ_PRIORITY_MAX 32768

long sys_mq_open(struct task *t, uaddr_t name, int flags, uint32_t mode, uaddr_t uattr)
{
	struct mq_attr attr;
	struct file *f;
	char *text;
	int err;

	if (uattr.addr && uaccess_get(t, &attr, uattr, sizeof(attr)))
		return -EFAULT;
	err = uaccess_dup_string(t, name, UACCESS_PATH_MAX, &text);
	if (err)
		return err;
	err = mqueue_open(t, text, flags, mode, uattr.addr ? &attr : NULL, &f);
	mem_free(text);
	if (err)
		return err;
	return fdt_add(t->fdt, f, O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

long sys_mq_unlink(struct task *t, uaddr_t name)
{
	char *text;
	int err = uaccess_dup_string(t, name, UACCESS_PATH_MAX, &text);

	if (err)
		return err;
	err = mqueue_unlink(t, text);
	mem_free(text);
	return err;
}

/* -EBADF unless it is a queue and kind (FILE_READ, FILE_WRITE, or 0) allows the call. */
static int mq_file(struct task *t, int fd, unsigned int kind, struct file **out)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);

	if (!f)
		return -EBADF;
	if (!file_is_mqueue(f) || (f->kind & kind) != kind) {
		file_put(f);
		return -EBADF;
	}
	*out = f;
	return 0;
}

static int mq_deadline(struct task *t, uaddr_t timeout, int64_t *ns)
{
	*ns = INT64_MAX;
	return timeout.addr ? timespec_get_user(t, timeout, ns) : 0;
}

long sys_mq_timedsend(struct task *t, int fd, uaddr_t msg, size_t size, unsigned int prio,
		      uaddr_t timeout)
{
	int64_t deadline_ns;
	struct file *f;
	char *text;
	long r = mq_deadline(t, timeout, &deadline_ns);

	if (!r && prio >= MQ_PRIORITY_MAX)
		r = -EINVAL;
	if (!r)
		r = mq_file(t, fd, FILE_WRITE, &f);
	if (r)
		return r;
	r = -EMSGSIZE;
	if (size > mqueue_msgsize(f))
		goto put_file;
	text = mem_alloc(MAX(size, (size_t)1));
	r = -ENOMEM;
	if (!text)
		goto put_file;
	r = -EFAULT;
	if (uaccess_get(t, text, msg, size))
		mem_free(text);
	else
		r = mqueue_send(t, f, text, size, prio, deadline_ns); /* consumes text */
put_file:
	file_put(f);
	return r;
}

long sys_mq_timedreceive(struct task *t, int fd, uaddr_t msg, size_t size, uaddr_t uprio,
			 uaddr_t timeout)
{
	unsigned int prio;
	int64_t deadline_ns;
	struct file *f;
	char *text;
	long n = mq_deadline(t, timeout, &deadline_ns);

	if (!n)
		n = mq_file(t, fd, FILE_READ, &f);
	if (n)
		return n;
	n = mqueue_receive(t, f, size, &text, &prio, deadline_ns);
	file_put(f);
	if (n < 0)
		return n;
	if ((uprio.addr && uaccess_put(t, uprio, &prio, sizeof(prio))) ||
	    uaccess_put(t, msg, text, (size_t)n))
		n = -EFAULT;
	mem_free(text);
	return n;
}

/* The C library's socket is in sigev_signo, what to send to it at sigev_value. */
static int notify_sock(struct task *t, const struct sigevent *event, char cookie[static MQ_COOKIE_SIZE],
		       struct file **out)
{
	struct file *f;
	int err;

	if (uaccess_get(t, cookie, (uaddr_t){ (uint64_t)event->sigev_value.sival_ptr }, MQ_COOKIE_SIZE))
		return -EFAULT;
	f = fdt_file_nopath(t->fdt, event->sigev_signo);
	if (!f)
		return -EBADF;
	err = netlink_file_queue(f, NULL, 0);
	if (err)
		file_put(f);
	else
		*out = f;
	return err;
}

long sys_mq_notify(struct task *t, int fd, uaddr_t uevent)
{
	char cookie[MQ_COOKIE_SIZE] = "";
	struct file *f, *sock = NULL;
	struct sigevent event;
	int err;

	if (uevent.addr) {
		if (uaccess_get(t, &event, uevent, sizeof(event)))
			return -EFAULT;
		if (event.sigev_notify != SIGEV_NONE && event.sigev_notify != SIGEV_SIGNAL &&
		    event.sigev_notify != SIGEV_THREAD)
			return -EINVAL;
		if (event.sigev_notify == SIGEV_SIGNAL &&
		    (event.sigev_signo < 0 || event.sigev_signo > SIG_COUNT))
			return -EINVAL;
		if (event.sigev_notify == SIGEV_THREAD) {
			err = notify_sock(t, &event, cookie, &sock);
			if (err)
				return err;
		}
	}
	err = mq_file(t, fd, 0, &f);
	if (!err) {
		err = mqueue_notify(t, f, uevent.addr ? &event : NULL, sock, cookie);
		file_put(f);
	}
	file_put(sock);
	return err;
}

long sys_mq_getsetattr(struct task *t, int fd, uaddr_t unew, uaddr_t uold)
{
	struct mq_attr new, old;
	struct file *f;
	int err;

	if (unew.addr) {
		if (uaccess_get(t, &new, unew, sizeof(new)))
			return -EFAULT;
		if (new.mq_flags & ~(long)O_NONBLOCK)
			return -EINVAL;
	}
	err = mq_file(t, fd, 0, &f);
	if (err)
		return err;
	mqueue_get_attr(f, &old);
	if (unew.addr)
		err = file_set_flags(task_vfs(t), f,
				     (int)((atomic_load(&f->flags) & ~O_NONBLOCK) | new.mq_flags));
	file_put(f);
	if (!err && uold.addr && uaccess_put(t, uold, &old, sizeof(old)))
		err = -EFAULT;
	return err;
}
