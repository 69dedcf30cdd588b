/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket_msg.c: sendto(2), recvfrom(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2).
 *
 * A msghdr is copied once; the copies of address, iovec and control data are what is used.
 * Received files get their numbers reserved, the numbers go to the application, and only then do
 * they become visible: a bad pointer leaks no descriptor (it loses the files, as on Linux).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/sys/socket_util.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"
#include "vfs/user_ns.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif
#define CONTROL_SEND_MAX 20480 /* net.core.optmem_max */
#define CONTROL_RECV_MAX 8192  /* more than all control messages together can be */
#define VLEN_MAX         1024  /* UIO_MAXIOV */

struct user_msghdr {
	uint64_t name;
	int32_t name_size;
	uint32_t pad;
	uint64_t iov, iov_count;
	uint64_t control, control_size;
	uint32_t flags;
	uint32_t pad2;
};
_Static_assert(sizeof(struct user_msghdr) == 56, "x86-64 ABI");

#define MMSGHDR_SIZE   64
#define MMSGHDR_LENGTH 56 /* offset of msg_len */

/* ---- plain ------------------------------------------------------------------------------------- */

long sys_sendto(struct task *t, int fd, uaddr_t buf, size_t size, unsigned int flags, uaddr_t addr,
		int addrlen)
{
	struct sock_msg m = { .flags = flags };
	struct socket *s;
	struct file *f;
	struct uio u;
	long n;

	n = socket_from_fd(t, fd, &f, &s);
	if (n < 0)
		return n;
	if (addr.addr)
		n = sock_addr_get(t, addr, addrlen, &m.addr);
	if (n == 0) {
		uaccess_uio(t, &u, buf, size);
		m.data = &u;
		n = socket_send(task_vfs(t), s, &m);
		scm_fini(&m.scm);
	}
	file_put(f);
	return n;
}

long sys_recvfrom(struct task *t, int fd, uaddr_t buf, size_t size, unsigned int flags, uaddr_t addr,
		  uaddr_t addrlen)
{
	struct sock_msg m = { .flags = flags };
	struct socket *s;
	struct file *f;
	struct uio u;
	long n;

	n = socket_from_fd(t, fd, &f, &s);
	if (n < 0)
		return n;
	uaccess_uio(t, &u, buf, size);
	m.data = &u;
	n = socket_recv(task_vfs(t), s, &m);
	scm_fini(&m.scm);
	file_put(f);
	if (n >= 0 && addr.addr) {
		int err = sock_addr_put(t, &m.addr, addr, addrlen);

		if (err < 0)
			return err;
	}
	return n;
}

/* ---- headers ----------------------------------------------------------------------------------- */

static int msghdr_get(struct task *t, uaddr_t src, struct user_msghdr *h)
{
	int err = uaccess_get(t, h, src, sizeof(*h));

	if (err < 0)
		return err;
	if (!h->name)
		h->name_size = 0;
	if (h->name_size < 0)
		return -EINVAL;
	h->name_size = MIN(h->name_size, (int)sizeof(struct sockaddr_storage));
	return h->iov_count > IOV_MAX ? -EMSGSIZE : 0;
}

/* ---- sending ----------------------------------------------------------------------------------- */

static int control_get(struct task *t, const struct socket *s, const struct user_msghdr *h, struct sock_msg *m)
{
	void *control;
	int err;

	if (!h->control_size)
		return 0;
	if (h->control_size > CONTROL_SEND_MAX)
		return -ENOBUFS;
	control = mem_alloc(h->control_size);
	if (!control)
		return -ENOBUFS;
	m->control = control;
	m->control_size = h->control_size;
	err = uaccess_get(t, control, uaddr(h->control), h->control_size);
	return err < 0 ? err : scm_parse(task_vfs(t), s, m);
}

static ssize_t send_one(struct task *t, struct socket *s, uaddr_t msg, unsigned int flags)
{
	struct sock_msg m = { .flags = flags };
	struct user_msghdr h;
	struct uaccess_iov v;
	ssize_t n;

	n = msghdr_get(t, msg, &h);
	if (n < 0)
		return n;
	n = sock_addr_get(t, uaddr(h.name), h.name_size, &m.addr);
	if (n < 0)
		return n;
	n = uaccess_iov_init(t, &v, uaddr(h.iov), h.iov_count);
	if (n < 0)
		return n;
	m.data = &v.uio;
	n = control_get(t, s, &h, &m);
	if (n == 0)
		n = socket_send(task_vfs(t), s, &m);
	scm_fini(&m.scm);
	mem_free((void *)(uintptr_t)m.control);
	uaccess_iov_fini(&v);
	return n;
}

long sys_sendmsg(struct task *t, int fd, uaddr_t msg, unsigned int flags)
{
	struct socket *s;
	struct file *f;
	long n = socket_from_fd(t, fd, &f, &s);

	if (n < 0)
		return n;
	n = send_one(t, s, msg, flags);
	file_put(f);
	return n;
}

/* msg_len of the i-th mmsghdr. */
static int mmsg_put_len(struct task *t, uaddr_t msg, ssize_t n)
{
	unsigned int len = (unsigned int)n;

	return uaccess_put(t, uaddr_add(msg, MMSGHDR_LENGTH), &len, sizeof(len));
}

long sys_sendmmsg(struct task *t, int fd, uaddr_t msgs, unsigned int count, unsigned int flags)
{
	unsigned int done = 0;
	struct socket *s;
	struct file *f;
	long n = socket_from_fd(t, fd, &f, &s);

	if (n < 0)
		return n;
	count = MIN(count, (unsigned int)VLEN_MAX);
	while (done < count) {
		uaddr_t msg = uaddr_add(msgs, (uint64_t)done * MMSGHDR_SIZE);

		n = send_one(t, s, msg, flags);
		if (n >= 0)
			n = mmsg_put_len(t, msg, n);
		if (n < 0)
			break;
		done++;
	}
	file_put(f);
	return done ? (long)done : n;
}

/* ---- receiving --------------------------------------------------------------------------------- */

/* Descriptors that a receive is going to hand out. */
struct received_fds {
	unsigned int count;
	int fd[SCM_FILES_MAX + 1];
	struct file *file[SCM_FILES_MAX + 1]; /* owned */
	int flags; /* of the file at the same place: all O_CLOEXEC or none, but for a pidfd */
	bool pidfd; /* the last one is: always O_CLOEXEC */
};

static void received_put_creds(struct task *t, struct sock_msg *m)
{
	const struct cred *cred = task_vfs(t)->cred;
	struct ucred u = { 0, ID_OVERFLOW, ID_OVERFLOW };

	if (m->scm.has_creds) {
		u.pid = m->scm.pid ? pid_nr_in(m->scm.pid, task_pid_ns(t)) : 0;
		u.uid = user_ns_from_kernel_munged(cred->user_ns, ID_UID, m->scm.uid);
		u.gid = user_ns_from_kernel_munged(cred->user_ns, ID_GID, m->scm.gid);
	}
	sock_msg_put_control(m, SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof(u));
}

/* SCM_RIGHTS: as many as there is room and numbers for (scm_detach_fds). */
static void received_put_files(struct task *t, struct sock_msg *m, struct received_fds *r)
{
	struct scm_files *files = m->scm.files;
	size_t room = m->cmsg.capacity - m->cmsg.used, max = 0;

	if (!files)
		return;
	if (m->cmsg.data && room > sizeof(struct cmsghdr))
		max = (room - sizeof(struct cmsghdr)) / sizeof(int);
	while (r->count < files->count && r->count < max) {
		if (fdt_reserve(t->fdt, 1, &r->fd[r->count], task_rlimit(t, RLIMIT_NOFILE)) < 0)
			break;
		r->file[r->count] = file_get(files->file[r->count]);
		r->count++;
	}
	if (r->count > 0)
		sock_msg_put_control(m, SOL_SOCKET, SCM_RIGHTS, r->fd, r->count * sizeof(int));
	if (r->count < files->count)
		m->out_flags |= MSG_CTRUNC;
}

static void received_put_pidfd(struct task *t, struct sock_msg *m, struct received_fds *r)
{
	struct file *f = NULL;
	int fd = -1, value;

	if (!m->scm.pid)
		return;
	value = pidfd_new(m->scm.pid, 0, task_vfs(t)->cred, &f);
	if (value == 0) {
		value = fdt_reserve(t->fdt, 1, &fd, task_rlimit(t, RLIMIT_NOFILE));
		if (value == 0)
			value = fd;
	}
	if (m->cmsg.capacity - m->cmsg.used < CMSG_LEN(sizeof(value)) || value < 0) {
		if (fd >= 0)
			fdt_unreserve(t->fdt, 1, &fd);
		file_put(f);
		value = value < 0 ? value : -1;
	} else {
		r->fd[r->count] = fd;
		r->file[r->count++] = f;
		r->pidfd = true;
	}
	sock_msg_put_control(m, SOL_SOCKET, SCM_PIDFD, &value, sizeof(value));
}

/* What the family left in m->scm becomes control messages (scm_recv). */
static void received_put_scm(struct task *t, struct socket *s, struct sock_msg *m, struct received_fds *r)
{
	if (!m->cmsg.data) {
		if (m->scm.files || socket_has(s, SOCK_OPT_PASSCRED | SOCK_OPT_PASSPIDFD))
			m->out_flags |= MSG_CTRUNC;
		return;
	}
	if (s->family != AF_UNIX && s->family != AF_NETLINK)
		return;
	if (socket_has(s, SOCK_OPT_PASSCRED))
		received_put_creds(t, m);
	received_put_files(t, m, r);
	if (socket_has(s, SOCK_OPT_PASSPIDFD))
		received_put_pidfd(t, m, r);
}

static void received_finish(struct task *t, struct received_fds *r, bool install)
{
	for (unsigned int i = 0; i < r->count; i++) {
		int flags = r->pidfd && i == r->count - 1 ? O_CLOEXEC : r->flags;

		if (install) {
			fdt_install(t->fdt, r->fd[i], r->file[i], flags); /* consumes the file */
		} else {
			fdt_unreserve(t->fdt, 1, &r->fd[i]);
			file_put(r->file[i]);
		}
	}
}

/* Name, control data and header (where there is one) back to the application. */
static int received_copy_out(struct task *t, uaddr_t msg, struct user_msghdr *h, const struct sock_msg *m)
{
	int err = 0;

	if (h->name) {
		size_t size = MIN((size_t)h->name_size, (size_t)m->addr.size);

		err = size ? uaccess_put(t, uaddr(h->name), &m->addr.storage, size) : 0;
		h->name_size = (int32_t)m->addr.size;
	}
	if (err == 0 && m->cmsg.used)
		err = uaccess_put(t, uaddr(h->control), m->cmsg.data, m->cmsg.used);
	h->control_size = m->cmsg.used;
	h->flags = m->out_flags;
	return err < 0 || !msg.addr ? err : uaccess_put(t, msg, h, sizeof(*h));
}

static ssize_t recv_into(struct task *t, struct socket *s, uaddr_t msg, struct user_msghdr *h,
			 struct sock_msg *m)
{
	struct received_fds r;
	ssize_t n;
	int err;

	n = socket_recv(task_vfs(t), s, m);
	if (n < 0)
		return n;
	r.count = 0;
	r.pidfd = false;
	r.flags = m->flags & MSG_CMSG_CLOEXEC ? O_CLOEXEC : 0;
	received_put_scm(t, s, m, &r);
	err = received_copy_out(t, msg, h, m);
	received_finish(t, &r, err == 0);
	return err < 0 ? err : n;
}

static ssize_t recv_one(struct task *t, struct socket *s, uaddr_t msg, unsigned int flags)
{
	struct sock_msg m = { .flags = flags, .out_flags = flags & MSG_CMSG_CLOEXEC };
	struct user_msghdr h;
	struct uaccess_iov v;
	ssize_t n;

	n = msghdr_get(t, msg, &h);
	if (n < 0)
		return n;
	n = uaccess_iov_init(t, &v, uaddr(h.iov), h.iov_count);
	if (n < 0)
		return n;
	m.data = &v.uio;
	if (h.control && h.control_size) {
		m.cmsg.capacity = MIN(h.control_size, (uint64_t)CONTROL_RECV_MAX);
		m.cmsg.data = mem_zalloc(m.cmsg.capacity);
		n = m.cmsg.data ? 0 : -ENOMEM;
	}
	if (n == 0)
		n = recv_into(t, s, msg, &h, &m);
	scm_fini(&m.scm);
	mem_free(m.cmsg.data);
	uaccess_iov_fini(&v);
	return n;
}

long sys_recvmsg(struct task *t, int fd, uaddr_t msg, unsigned int flags)
{
	struct socket *s;
	struct file *f;
	long n = socket_from_fd(t, fd, &f, &s);

	if (n < 0)
		return n;
	n = recv_one(t, s, msg, flags);
	file_put(f);
	return n;
}

/* ---- receiving into a provided buffer ------------------------------------------------------------ */

/* struct io_uring_recvmsg_out */
struct framed {
	uint32_t name_size, control_size, payload_size, flags;
};

/* The header is the application's, with its places for name and control data moved into buf.  Bytes before the data. */
static ssize_t frame_place(struct user_msghdr *h, uaddr_t buf, size_t size)
{
	size_t before = sizeof(struct framed);

	if (h->name_size < 0)
		return -EINVAL;
	if (h->control_size > CONTROL_RECV_MAX)
		return -ENOBUFS;
	before += (size_t)h->name_size + h->control_size;
	if (before > size)
		return -EFAULT;
	h->name = h->name_size ? buf.addr + sizeof(struct framed) : 0;
	h->control = h->control_size ? buf.addr + sizeof(struct framed) + (size_t)h->name_size : 0;
	return (ssize_t)before;
}

static ssize_t frame_finish(struct task *t, const struct user_msghdr *h, uaddr_t buf, ssize_t before, size_t room,
			    ssize_t n)
{
	struct framed out = {
		.name_size = (uint32_t)h->name_size,
		.control_size = (uint32_t)h->control_size,
		.payload_size = (uint32_t)n,
		.flags = h->flags,
	};

	if (uaccess_put(t, buf, &out, sizeof(out)))
		return -EFAULT;
	return before + (ssize_t)MIN((size_t)n, room); /* n is more with MSG_TRUNC */
}

long recvmsg_into(struct task *t, int fd, uaddr_t msg, uaddr_t buf, size_t size, unsigned int flags, bool framed)
{
	struct sock_msg m = { .flags = flags, .out_flags = flags & MSG_CMSG_CLOEXEC };
	struct user_msghdr h;
	struct socket *s;
	struct file *f;
	struct uio u;
	ssize_t before = 0, n;

	n = framed ? uaccess_get(t, &h, msg, sizeof(h)) : msghdr_get(t, msg, &h);
	if (n == 0 && framed)
		n = before = frame_place(&h, buf, size);
	if (n >= 0)
		n = socket_from_fd(t, fd, &f, &s);
	if (n < 0)
		return n;
	size -= (size_t)before;
	uaccess_uio(t, &u, uaddr_add(buf, (uint64_t)before), size);
	m.data = &u;
	if (h.control && h.control_size) {
		m.cmsg.capacity = MIN(h.control_size, (uint64_t)CONTROL_RECV_MAX);
		m.cmsg.data = mem_zalloc(m.cmsg.capacity);
		n = m.cmsg.data ? 0 : -ENOMEM;
	}
	if (n == 0)
		n = recv_into(t, s, framed ? UADDR_NULL : msg, &h, &m);
	if (n >= 0 && framed)
		n = frame_finish(t, &h, buf, before, size, n);
	scm_fini(&m.scm);
	mem_free(m.cmsg.data);
	file_put(f);
	return n;
}

/* The timeout is looked at between messages only, as recvmmsg(2) admits under BUGS. */
static long recv_many(struct task *t, struct socket *s, uaddr_t msgs, unsigned int count,
		      unsigned int flags, int64_t deadline_ns)
{
	unsigned int done = 0;
	long n = 0;

	while (done < count) {
		uaddr_t msg = uaddr_add(msgs, (uint64_t)done * MMSGHDR_SIZE);

		n = recv_one(t, s, msg, flags & ~(unsigned int)MSG_WAITFORONE);
		if (n >= 0)
			n = mmsg_put_len(t, msg, n);
		if (n < 0)
			break;
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline_ns != INT64_MAX && clock_mono_ns() >= deadline_ns)
			break;
	}
	return done ? (long)done : n;
}

long sys_recvmmsg(struct task *t, int fd, uaddr_t msgs, unsigned int count, unsigned int flags,
		  uaddr_t timeout)
{
	int64_t deadline_ns = INT64_MAX, timeout_ns;
	struct socket *s;
	struct file *f;
	long n;

	if (timeout.addr) {
		int err = timespec_get_user(t, timeout, &timeout_ns);

		if (err < 0)
			return err;
		deadline_ns = ns_add(clock_mono_ns(), timeout_ns);
	}
	n = socket_from_fd(t, fd, &f, &s);
	if (n < 0)
		return n;
	n = recv_many(t, s, msgs, MIN(count, (unsigned int)VLEN_MAX), flags, deadline_ns);
	file_put(f);
	if (n > 0 && timeout.addr &&
	    timespec_put_user(t, timeout, deadline_left(deadline_ns)) < 0)
		return -EFAULT;
	return n;
}
