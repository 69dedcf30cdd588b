/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.c: the socket calls but for sending and receiving (socket_msg.c): socket(2) and kin.
 *
 * The descriptor of an accepted connection is reserved before anything is taken from the queue, so
 * a full table loses no connection.
 */
#include "sentry/socket/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/sys/socket_util.h"
#include "sentry/task/task.h"
#include "sys_calls.h"
#include "vfs/landlock.h"

#define OPTION_SIZE_MAX  (1 << 20) /* longest value of setsockopt(2) that is read */
#define OPTION_FAST_SIZE 128

int socket_from_fd(struct task *t, int fd, struct file **f, struct socket **s)
{
	*f = fdt_file_nopath(t->fdt, fd);
	if (!*f)
		return -EBADF;
	*s = file_socket(*f);
	if (*s)
		return 0;
	file_put(*f);
	return -ENOTSOCK;
}

int sock_addr_get(struct task *t, uaddr_t src, int size, struct sock_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (size < 0 || (size_t)size > sizeof(out->storage))
		return -EINVAL;
	out->size = (uint32_t)size;
	return size ? uaccess_get(t, &out->storage, src, (size_t)size) : 0;
}

int sock_addr_put(struct task *t, const struct sock_addr *a, uaddr_t dst, uaddr_t dst_size)
{
	int size, err;

	err = uaccess_get(t, &size, dst_size, sizeof(size));
	if (err < 0)
		return err;
	if (size < 0)
		return -EINVAL;
	size = (int)MIN((uint32_t)size, a->size);
	err = size ? uaccess_put(t, dst, &a->storage, (size_t)size) : 0;
	return err < 0 ? err : uaccess_put(t, dst_size, &a->size, sizeof(a->size));
}

/* ---- making ------------------------------------------------------------------------------------ */

long sys_socket(struct task *t, int family, int type, int protocol)
{
	struct vfs_ctx *c = task_vfs(t);
	struct socket *s;
	struct file *f;
	int err;

	err = socket_create(c, family, type, protocol, &s);
	if (err < 0)
		return err;
	err = socket_file_new(c, s, type & O_NONBLOCK, &f);
	if (err < 0) {
		socket_release(s);
		return err;
	}
	return fdt_add(t->fdt, f, type & O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

long sys_socketpair(struct task *t, int family, int type, int protocol, uaddr_t fds)
{
	struct file *f[2];
	int fd[2];
	int err;

	err = socket_pair(task_vfs(t), family, type, protocol, f);
	if (err < 0)
		return err;
	err = fdt_reserve(t->fdt, 2, fd, task_rlimit(t, RLIMIT_NOFILE));
	if (err < 0)
		goto put_files;
	err = uaccess_put(t, fds, fd, sizeof(fd));
	if (err < 0)
		goto unreserve;
	fdt_install(t->fdt, fd[0], f[0], type & O_CLOEXEC); /* consumes f[0] */
	fdt_install(t->fdt, fd[1], f[1], type & O_CLOEXEC); /* consumes f[1] */
	return 0;

unreserve:
	fdt_unreserve(t->fdt, 2, fd);
put_files:
	file_put(f[0]);
	file_put(f[1]);
	return err;
}

/* ---- connecting -------------------------------------------------------------------------------- */

/*
 * landlock(7): may a TCP socket have that port?  Addresses that bind(2) or connect(2) would refuse are
 * refused here, with the same errno, before the port counts.
 */
static int port_may(struct task *t, const struct socket *s, const struct sock_addr *a, uint64_t right)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->storage;
	bool tcp = (s->family == AF_INET || s->family == AF_INET6) && s->type == SOCK_STREAM &&
		   (s->protocol == 0 || s->protocol == IPPROTO_TCP);

	if (!tcp || !landlock_handles_net(t->cred))
		return 0;
	if (a->size < sizeof(a->sa.sa_family))
		return -EINVAL;
	switch (a->sa.sa_family) {
	case AF_UNSPEC:
	case AF_INET:
		if (a->size < sizeof(*in))
			return -EINVAL;
		break;
	case AF_INET6:
		if (a->size < 24) /* SIN6_LEN_RFC2133 */
			return -EINVAL;
		break;
	default:
		return 0;
	}
	if (a->sa.sa_family == AF_UNSPEC) {
		if (right == LANDLOCK_NET_CONNECT)
			return 0;
		if (in->sin_addr.s_addr != htonl(INADDR_ANY))
			return -EAFNOSUPPORT;
	} else if (a->sa.sa_family != s->family) {
		return -EINVAL;
	}
	return landlock_port(t->cred, ntohs(in->sin_port), right);
}

long sys_bind(struct task *t, int fd, uaddr_t addr, int addrlen)
{
	struct sock_addr a;
	struct socket *s;
	struct file *f;
	int err = socket_from_fd(t, fd, &f, &s);

	if (err < 0)
		return err;
	err = sock_addr_get(t, addr, addrlen, &a);
	if (err == 0)
		err = port_may(t, s, &a, LANDLOCK_NET_BIND);
	if (err == 0)
		err = socket_bind(task_vfs(t), s, &a);
	file_put(f);
	return err;
}

long sys_connect(struct task *t, int fd, uaddr_t addr, int addrlen)
{
	struct sock_addr a;
	struct socket *s;
	struct file *f;
	int err = socket_from_fd(t, fd, &f, &s);

	if (err < 0)
		return err;
	err = sock_addr_get(t, addr, addrlen, &a);
	if (err == 0)
		err = port_may(t, s, &a, LANDLOCK_NET_CONNECT);
	if (err == 0)
		err = socket_connect(task_vfs(t), s, &a);
	file_put(f);
	return err;
}

long sys_listen(struct task *t, int fd, int backlog)
{
	struct socket *s;
	struct file *f;
	int err = socket_from_fd(t, fd, &f, &s);

	if (err < 0)
		return err;
	err = socket_listen(task_vfs(t), s, backlog);
	file_put(f);
	return err;
}

/* The number of the new connection, which is not installed unless all went well. */
static long accept_reserved(struct task *t, struct socket *s, uaddr_t addr, uaddr_t addrlen, int flags,
			    int newfd)
{
	struct sock_addr a;
	struct file *child;
	int err;

	err = socket_accept(task_vfs(t), s, flags, addr.addr ? &a : NULL, &child);
	if (err < 0)
		return err;
	err = addr.addr ? sock_addr_put(t, &a, addr, addrlen) : 0;
	if (err < 0) {
		file_put(child);
		return err;
	}
	fdt_install(t->fdt, newfd, child, flags & O_CLOEXEC); /* consumes child */
	return newfd;
}

long sys_accept4(struct task *t, int fd, uaddr_t addr, uaddr_t addrlen, int flags)
{
	struct socket *s;
	struct file *f;
	int newfd;
	long ret;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	ret = socket_from_fd(t, fd, &f, &s);
	if (ret < 0)
		return ret;
	ret = fdt_reserve(t->fdt, 1, &newfd, task_rlimit(t, RLIMIT_NOFILE));
	if (ret == 0) {
		ret = accept_reserved(t, s, addr, addrlen, flags, newfd);
		if (ret < 0)
			fdt_unreserve(t->fdt, 1, &newfd);
	}
	file_put(f);
	return ret;
}

long sys_accept(struct task *t, int fd, uaddr_t addr, uaddr_t addrlen)
{
	return sys_accept4(t, fd, addr, addrlen, 0);
}

static long socket_name(struct task *t, int fd, uaddr_t addr, uaddr_t addrlen, bool peer)
{
	struct sock_addr a;
	struct socket *s;
	struct file *f;
	int err = socket_from_fd(t, fd, &f, &s);

	if (err < 0)
		return err;
	err = socket_getname(task_vfs(t), s, &a, peer);
	if (err == 0)
		err = sock_addr_put(t, &a, addr, addrlen);
	file_put(f);
	return err;
}

long sys_getsockname(struct task *t, int fd, uaddr_t addr, uaddr_t addrlen)
{
	return socket_name(t, fd, addr, addrlen, false);
}

long sys_getpeername(struct task *t, int fd, uaddr_t addr, uaddr_t addrlen)
{
	return socket_name(t, fd, addr, addrlen, true);
}

long sys_shutdown(struct task *t, int fd, int how)
{
	struct socket *s;
	struct file *f;
	int err = socket_from_fd(t, fd, &f, &s);

	if (err < 0)
		return err;
	err = socket_shutdown(task_vfs(t), s, how);
	file_put(f);
	return err;
}

/* ---- options ----------------------------------------------------------------------------------- */

/* A kernel copy of an option's value: fast, or on the heap. */
struct option_value {
	void *data;
	_Alignas(16) char fast[OPTION_FAST_SIZE];
};

static int option_value_init(struct option_value *v, size_t size)
{
	v->data = v->fast;
	if (size > sizeof(v->fast))
		v->data = mem_zalloc(size);
	else
		memset(v->fast, 0, sizeof(v->fast));
	return v->data ? 0 : -ENOMEM;
}

static void option_value_fini(struct option_value *v)
{
	if (v->data != v->fast)
		mem_free(v->data);
}

long sys_setsockopt(struct task *t, int fd, int level, int name, uaddr_t value, int optlen)
{
	struct option_value v;
	struct socket *s;
	struct file *f;
	int err;

	if (optlen < 0)
		return -EINVAL;
	err = socket_from_fd(t, fd, &f, &s);
	if (err < 0)
		return err;
	err = optlen > OPTION_SIZE_MAX ? -ENOMEM : option_value_init(&v, (size_t)optlen);
	if (err < 0)
		goto put_file;
	err = optlen ? uaccess_get(t, v.data, value, (size_t)optlen) : 0;
	if (err == 0)
		err = socket_setsockopt(task_vfs(t), s, level, name, v.data, (size_t)optlen);
	option_value_fini(&v);
put_file:
	file_put(f);
	return err;
}

static int option_put(struct task *t, uaddr_t value, uaddr_t optlen, const void *data, size_t size)
{
	int len = (int)size;
	int err = size ? uaccess_put(t, value, data, size) : 0;

	return err < 0 ? err : uaccess_put(t, optlen, &len, sizeof(len));
}

long sys_getsockopt(struct task *t, int fd, int level, int name, uaddr_t value, uaddr_t optlen)
{
	struct option_value v;
	struct socket *s;
	struct file *f;
	size_t size;
	int len, err;

	err = socket_from_fd(t, fd, &f, &s);
	if (err < 0)
		return err;
	err = uaccess_get(t, &len, optlen, sizeof(len));
	if (err == 0 && len < 0)
		err = -EINVAL;
	if (err < 0)
		goto put_file;
	size = MIN((size_t)len, (size_t)OPTION_SIZE_MAX);
	err = option_value_init(&v, size);
	if (err < 0)
		goto put_file;
	/* The one option that reads the buffer first. */
	if (level == SOL_PACKET && name == PACKET_HDRLEN && size)
		err = uaccess_get(t, v.data, value, size);
	if (err == 0)
		err = socket_getsockopt(task_vfs(t), s, level, name, v.data, &size);
	if (err == 0) {
		err = option_put(t, value, optlen, v.data, size);
	} else if (err == -ERANGE) { /* the size that it needs */
		len = (int)size;
		if (uaccess_put(t, optlen, &len, sizeof(len)) < 0)
			err = -EFAULT;
	}
	option_value_fini(&v);
put_file:
	file_put(f);
	return err;
}
