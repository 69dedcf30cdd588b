/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.c: what all socket families share: their registry, socket files, and the common half of
 * each call.
 *
 * A socket file is a stream for the vfs; read(2) and write(2) on it are recv and send without
 * flags (net/socket.c: sock_read_iter, sock_write_iter).
 */
#include "sentry/socket/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/clock.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/unix.h"
#include "sentry/task/task.h"
#include "vfs/poll.h"
#include "vfs/vfs.h"

#define FAMILIES_MAX 46 /* AF_MAX of Linux 6.6 */
#define SOCK_TYPE_MASK 0xf
#define SOCK_MAX_TYPE  11

static struct {
	const struct socket_family *family[FAMILIES_MAX]; /* (c) after start-up */
	atomic_ullong next_cookie;
} sockets;

void socket_family_register(const struct socket_family *f)
{
	ASSERT(f->family > 0 && f->family < FAMILIES_MAX && !sockets.family[f->family]);
	sockets.family[f->family] = f;
}

int socket_module_init(void)
{
	return sockets.family[AF_UNIX] ? 0 : unix_init();
}

/* ---- life -------------------------------------------------------------------------------------- */

static void socket_init_atomics(struct socket *s)
{
	wq_init(&s->wq);
	s->cookie = 1 + atomic_fetch_add_explicit(&sockets.next_cookie, 1, memory_order_relaxed);
	atomic_init(&s->options, 0);
	atomic_init(&s->sndbuf, SOCK_BUF_DEFAULT);
	atomic_init(&s->rcvbuf, SOCK_BUF_DEFAULT);
	atomic_init(&s->rcvlowat, 1);
	atomic_init(&s->incoming_cpu, -1);
	atomic_init(&s->peek_off, -1);
	atomic_init(&s->rcvtimeo_ns, INT64_MAX);
	atomic_init(&s->sndtimeo_ns, INT64_MAX);
	atomic_init(&s->max_pacing_rate, UINT64_MAX);
}

void socket_init(struct socket *s, const struct socket_ops *ops, int family, int type, int protocol,
		 struct vfs_ctx *c, struct net_ns *net)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	s->net = net_ns_get(net);
	s->uid = c->cred->fsuid;
	socket_init_atomics(s);
}

void socket_init_child(struct socket *s, const struct socket *parent)
{
	memset(s, 0, sizeof(*s));
	s->ops = parent->ops;
	s->family = parent->family;
	s->type = parent->type;
	s->protocol = parent->protocol;
	s->net = net_ns_get(parent->net);
	s->uid = parent->uid;
	socket_init_atomics(s);
#define INHERIT(member) \
	atomic_init(&s->member, atomic_load_explicit(&parent->member, memory_order_relaxed))
	INHERIT(options);
	INHERIT(sndbuf);
	INHERIT(rcvbuf);
	INHERIT(rcvlowat);
	INHERIT(linger_s);
	INHERIT(priority);
	INHERIT(mark);
	INHERIT(rcvtimeo_ns);
	INHERIT(sndtimeo_ns);
	INHERIT(max_pacing_rate);
#undef INHERIT
}

void socket_fini(struct socket *s)
{
	net_ns_put(s->net);
}

struct net_ns *socket_current_net(struct vfs_ctx *c)
{
	const struct task *t = ctx_task(c);

	return t && t->ns ? t->ns->net : NULL;
}

int socket_create(struct vfs_ctx *c, int family, int type, int protocol, struct socket **out)
{
	const struct socket_family *f;

	if (family < 0 || family >= FAMILIES_MAX)
		return -EAFNOSUPPORT;
	if ((type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK)) ||
	    (type & SOCK_TYPE_MASK) >= SOCK_MAX_TYPE)
		return -EINVAL;
	f = sockets.family[family];
	if (!f)
		return -EAFNOSUPPORT;
	return f->create(c, socket_current_net(c), type & SOCK_TYPE_MASK, protocol, out);
}

void socket_release(struct socket *s)
{
	s->ops->release(s);
}

/* ---- waiting ----------------------------------------------------------------------------------- */

static int64_t socket_deadline(int64_t timeout_ns, bool nonblock)
{
	int64_t deadline;

	if (nonblock)
		return 0;
	if (timeout_ns == INT64_MAX ||
	    __builtin_add_overflow(clock_mono_ns(), timeout_ns, &deadline))
		return INT64_MAX;
	return deadline;
}

int64_t socket_rcv_deadline(const struct socket *s, bool nonblock)
{
	return socket_deadline(atomic_load_explicit(&s->rcvtimeo_ns, memory_order_relaxed), nonblock);
}

int64_t socket_snd_deadline(const struct socket *s, bool nonblock)
{
	return socket_deadline(atomic_load_explicit(&s->sndtimeo_ns, memory_order_relaxed), nonblock);
}

int socket_wait(struct vfs_ctx *c, struct wq *q, uint32_t events, bool exclusive,
		bool (*ready)(void *arg), void *arg, int64_t deadline_ns)
{
	int err;

	if (deadline_ns == 0)
		return ready(arg) ? 0 : -EAGAIN;
	err = vfs_wait_ready(c, q, events, exclusive, ready, arg, deadline_ns);
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	if (err == -ERESTARTSYS && deadline_ns != INT64_MAX)
		return -EINTR; /* it would wait for the whole time again */
	return err;
}

bool socket_keeps_error(ssize_t err)
{
	switch (err) {
	case -EAGAIN:
	case -EFAULT:
	case -EINTR:
	case -ENOBUFS:
	case -ENOMEM:
	case -EPIPE:
		return false;
	default:
		return err < 0 && err > -ERESTARTSYS;
	}
}

/* ---- the calls --------------------------------------------------------------------------------- */

int socket_bind(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a)
{
	return s->ops->bind ? s->ops->bind(c, s, a) : -EOPNOTSUPP;
}

static bool socket_nonblock(const struct socket *s)
{
	return s->file && (atomic_load_explicit(&s->file->flags, memory_order_relaxed) & O_NONBLOCK);
}

int socket_connect(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a)
{
	if (!s->ops->connect)
		return -EOPNOTSUPP;
	return s->ops->connect(c, s, a, socket_nonblock(s));
}

int socket_listen(struct vfs_ctx *c, struct socket *s, int backlog)
{
	if (!s->ops->listen)
		return -EOPNOTSUPP;
	if ((unsigned int)backlog > SOCK_SOMAXCONN)
		backlog = SOCK_SOMAXCONN;
	return s->ops->listen(c, s, backlog);
}

int socket_getname(struct vfs_ctx *c, struct socket *s, struct sock_addr *out, bool peer)
{
	memset(out, 0, sizeof(*out));
	return s->ops->getname ? s->ops->getname(c, s, out, peer) : -EOPNOTSUPP;
}

int socket_accept(struct vfs_ctx *c, struct socket *s, int flags, struct sock_addr *addr,
		  struct file **out)
{
	struct socket *child;
	struct file *f;
	int err;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (!s->ops->accept)
		return -EOPNOTSUPP;
	err = s->ops->accept(c, s, socket_nonblock(s), &child, addr);
	if (err < 0)
		return err;
	err = socket_file_new(c, child, flags & O_NONBLOCK, &f);
	if (err < 0) {
		socket_release(child);
		return err;
	}
	*out = f;
	return 0;
}

int socket_shutdown(struct vfs_ctx *c, struct socket *s, int how)
{
	if (!s->ops->shutdown)
		return -EOPNOTSUPP;
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	return s->ops->shutdown(c, s, how);
}

ssize_t socket_send(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	ssize_t n;

	if (!s->ops->send)
		return -EOPNOTSUPP;
	if (socket_nonblock(s))
		m->flags |= MSG_DONTWAIT;
	n = s->ops->send(c, s, m);
	if (n == -EPIPE && s->type == SOCK_STREAM && !(m->flags & MSG_NOSIGNAL))
		vfs_raise(c, SIGPIPE);
	return n;
}

ssize_t socket_recv(struct vfs_ctx *c, struct socket *s, struct sock_msg *m)
{
	if (!s->ops->recv)
		return -EOPNOTSUPP;
	if (socket_nonblock(s))
		m->flags |= MSG_DONTWAIT;
	return s->ops->recv(c, s, m);
}

/* ---- files ------------------------------------------------------------------------------------- */

static ssize_t socket_file_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos,
				int rwf)
{
	struct sock_msg m = { .data = dst };
	ssize_t n;

	(void)pos;
	if (uio_left(dst) == 0)
		return 0; /* even with an empty datagram waiting */
	if (rwf & O_NONBLOCK)
		m.flags |= MSG_DONTWAIT;
	n = socket_recv(c, file_priv(f), &m);
	scm_fini(&m.scm);
	return n;
}

static ssize_t socket_file_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos,
				 int rwf)
{
	struct socket *s = file_priv(f);
	struct sock_msg m = { .data = src };
	ssize_t n;

	(void)pos;
	if (rwf & O_NONBLOCK)
		m.flags |= MSG_DONTWAIT;
	if (s->type == SOCK_SEQPACKET)
		m.flags |= MSG_EOR;
	n = socket_send(c, s, &m);
	scm_fini(&m.scm);
	return n;
}

static uint32_t socket_file_poll(struct file *f, struct poller *p)
{
	struct socket *s = file_priv(f);

	return s->ops->poll(s, p);
}

static long socket_file_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct socket *s = file_priv(f);
	long ret = s->ops->ioctl ? s->ops->ioctl(c, s, cmd, arg) : -ENOTTY;

	for (int i = 0; ret == -ENOTTY && i < FAMILIES_MAX; i++)
		if (sockets.family[i] && sockets.family[i]->device_ioctl)
			ret = sockets.family[i]->device_ioctl(c, s->net, cmd, arg);
	return ret;
}

/* A process that ends does not linger (inet_release(): PF_EXITING). */
static int socket_file_flush(struct vfs_ctx *c, struct file *f)
{
	struct socket *s = file_priv(f);
	const struct task *t = ctx_task(c);
	int seconds = atomic_load_explicit(&s->linger_s, memory_order_relaxed);

	if (!s->ops->linger || !socket_has(s, SOCK_OPT_LINGER) || seconds <= 0 || ref_count(&f->ref) > 1)
		return 0;
	if (t && !(atomic_load_explicit(&t->flags, memory_order_relaxed) & TASK_EXIT))
		s->ops->linger(c, s, (int64_t)seconds * NSEC_PER_SEC);
	return 0;
}

static void socket_file_release(struct file *f)
{
	struct socket *s = file_priv(f);

	s->ops->release(s);
}

static void socket_file_show_fdinfo(struct file *f, struct buf *b)
{
	struct socket *s = file_priv(f);

	if (s->ops->show_fdinfo)
		s->ops->show_fdinfo(s, b);
}

static int socket_file_mmap(struct vfs_ctx *c, struct file *f, struct mmap_request *r)
{
	struct socket *s = file_priv(f);

	(void)c;
	return s->ops->mmap ? s->ops->mmap(s, r) : -ENODEV;
}

static const struct file_ops socket_file_ops = {
	.read = socket_file_read,
	.write = socket_file_write,
	.poll = socket_file_poll,
	.ioctl = socket_file_ioctl,
	.mmap = socket_file_mmap,
	.flush = socket_file_flush,
	.release = socket_file_release,
	.show_fdinfo = socket_file_show_fdinfo,
};

struct socket *file_socket(const struct file *f)
{
	return f->ops == &socket_file_ops ? f->priv : NULL;
}

int socket_file_new(struct vfs_ctx *c, struct socket *s, int flags, struct file **out)
{
	uint64_t ino = s->ops->inode_number ? s->ops->inode_number(s) : 0;
	int err = file_new_anon_ino("socket", ino, &socket_file_ops, s, O_RDWR | (flags & O_NONBLOCK),
				    FILE_READ | FILE_WRITE | FILE_STREAM, c->cred, out);

	if (err < 0)
		return err;
	s->file = *out;
	if (s->ops->file_made)
		s->ops->file_made(s);
	return 0;
}

int socket_pair(struct vfs_ctx *c, int family, int type, int protocol, struct file *out[2])
{
	struct socket *a, *b;
	struct file *fa, *fb;
	int err;

	err = socket_create(c, family, type, protocol, &a);
	if (err < 0)
		return err;
	err = socket_create(c, family, type, protocol, &b);
	if (err < 0)
		goto release_a;
	err = a->ops->pair ? a->ops->pair(c, a, b) : -EOPNOTSUPP;
	if (err < 0)
		goto release_b;
	err = socket_file_new(c, a, type & O_NONBLOCK, &fa);
	if (err < 0)
		goto release_b;
	err = socket_file_new(c, b, type & O_NONBLOCK, &fb);
	if (err < 0) {
		file_put(fa); /* releases a */
		socket_release(b);
		return err;
	}
	out[0] = fa;
	out[1] = fb;
	return 0;

release_b:
	socket_release(b);
release_a:
	socket_release(a);
	return err;
}
