/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix.c: AF_UNIX sockets: their life, connections, options (unix(7), net/unix/af_unix.c).
 *
 *     CLOSE ──listen──▶ LISTEN
 *       └───connect, socketpair──▶ ESTABLISHED      (and back, for datagram sockets)
 *
 * connect(2) of a stream or seqpacket socket makes the other end at once, an embryo in the
 * listener's queue: both sides can send before accept(2), which only gives the embryo a file.
 *
 * Structures, references and lock order: unix_impl.h.
 */
#include "sentry/socket/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/socket/unix_impl.h"
#include "sentry/task/pidfd.h"
#include "sentry/task/task.h"
#include "vfs/file.h"
#include "vfs/landlock.h"
#include "vfs/user_ns.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* ---- references -------------------------------------------------------------------------------- */

struct unix_sock *unix_get(struct unix_sock *u)
{
	ref_get(&u->ref);
	return u;
}

void unix_put(struct unix_sock *u)
{
	if (!u || !ref_put(&u->ref))
		return;
	ASSERT(list_empty(&u->queue) && list_empty(&u->embryos) && !u->peer);
	mem_free(atomic_load_explicit(&u->addr, memory_order_relaxed));
	if (u->peer_pid)
		pid_put(u->peer_pid);
	cred_put(u->peer_cred);
	landlock_put(u->landlock);
	socket_fini(&u->s);
	mem_free(u);
}

struct unix_sock *unix_peer_get(struct unix_sock *u)
{
	struct unix_sock *peer;

	latch_lock(&u->latch);
	peer = u->peer ? unix_get(u->peer) : NULL;
	latch_unlock(&u->latch);
	return peer;
}

void unix_latch_pair(struct unix_sock *a, struct unix_sock *b)
{
	struct unix_sock *first = (uintptr_t)a < (uintptr_t)b ? a : b;

	latch_lock(&first->latch);
	if (a != b)
		latch_lock(first == a ? &b->latch : &a->latch);
}

void unix_unlatch_pair(struct unix_sock *a, struct unix_sock *b)
{
	latch_unlock(&a->latch);
	if (a != b)
		latch_unlock(&b->latch);
}

int unix_take_error(struct unix_sock *u)
{
	if (atomic_load_explicit(&u->error, memory_order_relaxed) == 0)
		return 0;
	return -atomic_exchange_explicit(&u->error, 0, memory_order_relaxed);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void unix_setup(struct unix_sock *u)
{
	ref_init(&u->ref);
	mutex_init(&u->read_lock, LOCK_SOCKET);
	latch_init(&u->latch);
	list_init(&u->queue);
	list_init(&u->embryos);
	list_init(&u->embryo_node);
	list_init(&u->all_node);
	list_init(&u->stalled);
	list_init(&u->stalled_node);
	list_init(&u->gc_node);
	list_init(&u->gc_work);
	atomic_init(&u->backlog, UNIX_DGRAM_BACKLOG);
	wq_init(&u->room);
}

static const struct socket_ops unix_stream_ops, unix_dgram_ops, unix_seqpacket_ops;

static int unix_create(struct vfs_ctx *c, struct net_ns *net, int type, int protocol,
		       struct socket **out)
{
	const struct socket_ops *ops;
	struct unix_sock *u;

	if (protocol && protocol != PF_UNIX)
		return -EPROTONOSUPPORT;
	switch (type) {
	case SOCK_STREAM:
		ops = &unix_stream_ops;
		break;
	case SOCK_RAW: /* as BSD: a datagram socket */
		type = SOCK_DGRAM;
		ops = &unix_dgram_ops;
		break;
	case SOCK_DGRAM:
		ops = &unix_dgram_ops;
		break;
	case SOCK_SEQPACKET:
		ops = &unix_seqpacket_ops;
		break;
	default:
		return -ESOCKTNOSUPPORT;
	}
	u = mem_new(struct unix_sock);
	if (!u)
		return -ENOMEM;
	unix_setup(u);
	socket_init(&u->s, ops, AF_UNIX, type, protocol, c, net);
	u->landlock = landlock_get(c->cred->landlock);
	unix_name_register(u);
	*out = &u->s;
	return 0;
}

/* Tell the peer of a socket that is closed, or of an embryo that will never be accepted. */
static void unix_release_peer(struct unix_sock *u, struct unix_sock *peer, bool unread)
{
	if (unix_connection_based(u)) {
		latch_lock(&peer->latch);
		unix_store(&peer->shut, UNIX_SHUT_ALL);
		if (unread)
			atomic_store_explicit(&peer->error, ECONNRESET, memory_order_relaxed);
		latch_unlock(&peer->latch);
		wq_wake(&peer->s.wq, POLL_ALL);
	}
	unix_put(peer);
}

static void unix_close(struct unix_sock *u, bool embryo)
{
	struct list queue = LIST_INIT(queue), embryos = LIST_INIT(embryos), *n;
	struct unix_sock *peer;

	unix_name_forget(u);
	latch_lock(&u->latch);
	u->dead = true;
	unix_store(&u->state, UNIX_CLOSE);
	unix_store(&u->shut, UNIX_SHUT_ALL);
	u->s.file = NULL;
	peer = u->peer;
	u->peer = NULL;
	list_splice(&queue, &u->queue);
	atomic_store_explicit(&u->queued, 0, memory_order_seq_cst);
	u->queued_bytes = 0;
	list_splice(&embryos, &u->embryos);
	unix_store(&u->embryo_count, 0);
	latch_unlock(&u->latch);

	/* The inode holds us: the path has to go before we can. */
	path_put(&u->path);
	u->path = (struct path){ NULL, NULL };

	wq_wake(&u->room, 0);
	wq_wake(&u->s.wq, POLL_ALL);
	unix_dgram_wake_stalled(u);
	if (peer)
		unix_release_peer(u, peer, embryo || !list_empty(&queue));
	while ((n = list_shift(&queue)))
		unix_msg_free(list_entry(n, struct unix_msg, node));
	/* An embryo has none of its own: this does not nest further. */
	while ((n = list_shift(&embryos)))
		unix_close(list_entry(n, struct unix_sock, embryo_node), true);
	unix_put(u);
}

static void unix_release(struct socket *s)
{
	unix_close(unix_sk(s), false);
	unix_gc_hint();
}

/* ---- who is at the other end ------------------------------------------------------------------- */

/* SO_PEERCRED of what will be connected to u: the caller. */
struct peer_id {
	struct pid *pid;
	const struct cred *cred;
	int32_t nr;
};

static struct peer_id peer_id_self(struct vfs_ctx *c)
{
	const struct task *t = ctx_task(c);

	return (struct peer_id){ t ? pid_get(t->process->pid) : NULL, cred_get(c->cred), c->pid };
}

static struct peer_id peer_id_dup_locked(const struct unix_sock *u)
{
	return (struct peer_id){ u->peer_pid ? pid_get(u->peer_pid) : NULL,
				 u->peer_cred ? cred_get(u->peer_cred) : NULL, u->peer_pid_nr };
}

static void peer_id_put(struct peer_id *id)
{
	if (id->pid)
		pid_put(id->pid);
	cred_put(id->cred);
}

/* Swap in new; the old comes back, to be dropped without the latch. */
static void peer_id_swap_locked(struct unix_sock *u, struct peer_id *id)
{
	struct peer_id old = { u->peer_pid, u->peer_cred, u->peer_pid_nr };

	u->peer_pid = id->pid;
	u->peer_cred = id->cred;
	u->peer_pid_nr = id->nr;
	*id = old;
}

/* ---- connections ------------------------------------------------------------------------------- */

static int unix_pair(struct vfs_ctx *c, struct socket *sa, struct socket *sb)
{
	struct unix_sock *a = unix_sk(sa), *b = unix_sk(sb);
	struct peer_id ida = peer_id_self(c), idb = peer_id_self(c);

	a->peer = unix_get(b);
	b->peer = unix_get(a);
	peer_id_swap_locked(a, &ida); /* nobody else knows them yet */
	peer_id_swap_locked(b, &idb);
	unix_store(&a->state, UNIX_ESTABLISHED);
	unix_store(&b->state, UNIX_ESTABLISHED);
	return 0;
}

static int unix_listen(struct vfs_ctx *c, struct socket *s, int backlog)
{
	struct unix_sock *u = unix_sk(s);
	struct peer_id id;
	int err = 0;

	if (!unix_addr(u))
		return -EINVAL;
	id = peer_id_self(c);
	latch_lock(&u->latch);
	if (unix_load(&u->state) == UNIX_ESTABLISHED) {
		err = -EINVAL;
	} else {
		unix_store(&u->backlog, (unsigned int)backlog);
		unix_store(&u->state, UNIX_LISTEN);
		peer_id_swap_locked(u, &id);
	}
	latch_unlock(&u->latch);
	peer_id_put(&id);
	wq_wake(&u->room, 0); /* the backlog may have grown */
	if (err == 0)
		unix_outside_open(u);
	return err;
}

bool unix_backlog_full(const struct unix_sock *l)
{
	return unix_load(&l->embryo_count) > unix_load(&l->backlog);
}

static bool unix_listener_ready(void *arg)
{
	struct unix_sock *l = arg;

	return unix_load(&l->state) != UNIX_LISTEN || (unix_load(&l->shut) & UNIX_SHUT_RCV) ||
	       !unix_backlog_full(l);
}

static int unix_connect_check_locked(struct unix_sock *u, struct unix_sock *l)
{
	if (l->dead || unix_load(&l->state) != UNIX_LISTEN || (unix_load(&l->shut) & UNIX_SHUT_RCV))
		return -ECONNREFUSED;
	if (unix_backlog_full(l))
		return -EAGAIN;
	switch (unix_load(&u->state)) {
	case UNIX_CLOSE:
		return 0;
	case UNIX_ESTABLISHED:
		return -EISCONN;
	default:
		return -EINVAL;
	}
}

/* Join u, which is self's (consumed), and l by embryo e, which is consumed on success. */
static int unix_join(struct peer_id self, struct unix_sock *u, struct unix_sock *l, struct unix_sock *e)
{
	struct peer_id theirs = { 0 };
	int err;

	unix_latch_pair(u, l);
	err = unix_connect_check_locked(u, l);
	if (err == 0) {
		theirs = peer_id_dup_locked(l);
		peer_id_swap_locked(u, &theirs);
		peer_id_swap_locked(e, &self);
		e->peer = unix_get(u);
		u->peer = unix_get(e);
		unix_store(&e->state, UNIX_ESTABLISHED);
		unix_store(&u->state, UNIX_ESTABLISHED);
		list_append(&l->embryos, &e->embryo_node); /* consumes e */
		unix_store(&l->embryo_count, unix_load(&l->embryo_count) + 1);
	}
	unix_unlatch_pair(u, l);
	peer_id_put(&self);
	peer_id_put(&theirs);
	return err;
}

/* What l will accept; NULL: no memory. */
static struct unix_sock *unix_embryo_new(struct unix_sock *l)
{
	struct unix_sock *e = mem_new(struct unix_sock);

	if (!e)
		return NULL;
	unix_setup(e);
	socket_init_child(&e->s, &l->s);
	if (unix_name_inherit(e, l) < 0) {
		unix_put(e);
		return NULL;
	}
	unix_name_register(e);
	return e;
}

/* One try at the listener that is bound to a now. */
static int unix_connect_to(struct vfs_ctx *c, struct unix_sock *u, struct unix_sock *l,
			   int64_t deadline_ns)
{
	struct unix_sock *e = unix_embryo_new(l);
	int err;

	if (!e)
		return -ENOMEM;
	while ((err = unix_join(peer_id_self(c), u, l, e)) == -EAGAIN) {
		err = socket_wait(c, &l->room, 0, true, unix_listener_ready, l, deadline_ns);
		if (err < 0)
			break;
	}
	if (err < 0)
		unix_close(e, false);
	else
		wq_wake_count(&l->s.wq, POLLIN | POLLRDNORM, 1);
	return err;
}

int unix_connect_outside(struct unix_sock *l, struct unix_sock **out)
{
	struct unix_sock *u = unix_new_peer(l, NULL), *e = u ? unix_embryo_new(l) : NULL;
	int err = e ? unix_join((struct peer_id){ 0 }, u, l, e) : -ENOMEM;

	if (err < 0) {
		if (e)
			unix_close(e, false);
		if (u)
			unix_close(u, false);
		return err;
	}
	wq_wake_count(&l->s.wq, POLLIN | POLLRDNORM, 1);
	*out = u;
	return 0;
}

struct unix_sock *unix_new_peer(struct unix_sock *u, const struct sock_addr *a)
{
	struct unix_addr *name = a ? mem_new(struct unix_addr) : NULL;
	struct unix_sock *e = name || !a ? mem_new(struct unix_sock) : NULL;

	if (!e) {
		mem_free(name);
		return NULL;
	}
	if (a) {
		name->size = a->size;
		memcpy(&name->un, &a->un, MIN(a->size, (uint32_t)sizeof(name->un)));
	}
	unix_setup(e);
	socket_init_child(&e->s, &u->s);
	atomic_store_explicit(&e->addr, name, memory_order_release);
	unix_name_register(e);
	return e;
}

void unix_abandon(struct unix_sock *e)
{
	unix_close(e, false);
}

static int unix_connect(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a, bool nonblock)
{
	int64_t deadline_ns = socket_snd_deadline(s, nonblock);
	struct unix_sock *u = unix_sk(s), *l;
	int err = unix_check_addr(a);

	if (err == 0 && socket_has(s, SOCK_OPT_PASSCRED | SOCK_OPT_PASSPIDFD))
		err = unix_autobind(c, u);
	if (err < 0)
		return err;
	err = unix_find(c, s->net, a, s->type, &l);
	if (err == -ECONNREFUSED)
		return unix_host_connect(c, u, a, deadline_ns);
	if (err < 0)
		return err;
	err = unix_connect_to(c, u, l, deadline_ns);
	unix_put(l);
	return err;
}

static int unix_getname(struct vfs_ctx *c, struct socket *s, struct sock_addr *out, bool peer)
{
	struct unix_sock *u = unix_sk(s), *p = NULL;

	(void)c;
	if (peer) {
		p = unix_peer_get(u);
		if (!p)
			return -ENOTCONN;
		u = p;
	}
	unix_copy_addr(u, out);
	if (out->size == 0) {
		out->sa.sa_family = AF_UNIX;
		out->size = UNIX_PATH_OFFSET;
	}
	unix_put(p);
	return 0;
}

static bool unix_accept_ready(void *arg)
{
	struct unix_sock *u = arg;

	return unix_load(&u->embryo_count) > 0 || (unix_load(&u->shut) & UNIX_SHUT_RCV);
}

static int unix_accept(struct vfs_ctx *c, struct socket *s, bool nonblock, struct socket **out,
		       struct sock_addr *peer)
{
	int64_t deadline_ns = socket_rcv_deadline(s, nonblock);
	struct unix_sock *u = unix_sk(s), *e;
	struct list *n;

	if (unix_load(&u->state) != UNIX_LISTEN)
		return -EINVAL;
	for (;;) {
		int err;

		latch_lock(&u->latch);
		n = list_shift(&u->embryos);
		if (n)
			unix_store(&u->embryo_count, unix_load(&u->embryo_count) - 1);
		latch_unlock(&u->latch);
		if (n)
			break;
		if (unix_load(&u->shut) & UNIX_SHUT_RCV)
			return -EINVAL;
		err = socket_wait(c, &s->wq, POLL_READABLE | POLLHUP | POLLRDHUP, true,
				  unix_accept_ready, u, deadline_ns);
		if (err < 0)
			return err;
	}
	wq_wake_count(&u->room, 0, 1);
	e = list_entry(n, struct unix_sock, embryo_node);
	if (peer) {
		peer->size = 0;
		(void)unix_getname(c, &e->s, peer, true); /* gone already: none */
	}
	*out = &e->s;
	return 0;
}

static int unix_shutdown(struct vfs_ctx *c, struct socket *s, int how)
{
	struct unix_sock *u = unix_sk(s), *peer;
	unsigned int mode = (unsigned int)how + 1; /* SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2 */
	unsigned int peer_mode = (mode & UNIX_SHUT_RCV ? UNIX_SHUT_SND : 0) |
				 (mode & UNIX_SHUT_SND ? UNIX_SHUT_RCV : 0);

	(void)c;
	latch_lock(&u->latch);
	unix_store(&u->shut, unix_load(&u->shut) | mode);
	peer = u->peer && unix_connection_based(u) ? unix_get(u->peer) : NULL;
	latch_unlock(&u->latch);
	if (peer) {
		latch_lock(&peer->latch);
		unix_store(&peer->shut, unix_load(&peer->shut) | peer_mode);
		latch_unlock(&peer->latch);
		wq_wake(&peer->s.wq, POLL_ALL);
		unix_put(peer);
	}
	wq_wake(&s->wq, POLL_ALL);
	wq_wake(&u->room, 0);
	return 0;
}

/* ---- options and requests ---------------------------------------------------------------------- */

static struct peer_id unix_peer_id(struct unix_sock *u)
{
	struct peer_id id;

	latch_lock(&u->latch);
	id = peer_id_dup_locked(u);
	latch_unlock(&u->latch);
	return id;
}

static int unix_get_peercred(struct vfs_ctx *c, struct unix_sock *u, void *value, size_t *size)
{
	const struct user_ns *ns = c->cred->user_ns;
	struct peer_id id = unix_peer_id(u);
	struct ucred cred = { .pid = 0, .uid = UINT32_MAX, .gid = UINT32_MAX };

	if (id.cred) {
		cred.uid = user_ns_from_kernel_munged(ns, ID_UID, id.cred->euid);
		cred.gid = user_ns_from_kernel_munged(ns, ID_GID, id.cred->egid);
	}
	if (id.pid && ctx_task(c))
		cred.pid = pid_nr_in(id.pid, task_pid_ns(ctx_task(c)));
	else
		cred.pid = id.nr;
	peer_id_put(&id);
	*size = MIN(*size, sizeof(cred));
	memcpy(value, &cred, *size);
	return 0;
}

static int unix_get_peergroups(struct vfs_ctx *c, struct unix_sock *u, void *value, size_t *size)
{
	struct peer_id id = unix_peer_id(u);
	uint32_t *out = value;
	int err = 0;

	if (!id.cred) {
		err = -ENODATA;
	} else if (*size < id.cred->group_count * sizeof(uint32_t)) {
		err = -ERANGE;
	} else {
		for (uint32_t i = 0; i < id.cred->group_count; i++)
			out[i] = user_ns_from_kernel_munged(c->cred->user_ns, ID_GID,
							    id.cred->groups[i]);
	}
	if (err == 0 || err == -ERANGE)
		*size = id.cred->group_count * sizeof(uint32_t);
	peer_id_put(&id);
	return err;
}

static int unix_get_peerpidfd(struct vfs_ctx *c, struct unix_sock *u, void *value, size_t *size)
{
	struct peer_id id = unix_peer_id(u);
	struct task *t = ctx_task(c);
	struct file *f;
	int fd, err;

	if (!id.pid || !t) {
		err = -ENODATA;
		goto put_id;
	}
	err = pidfd_new(id.pid, 0, c->cred, &f);
	if (err < 0)
		goto put_id;
	fd = fdt_add(t->fdt, f, O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
	err = MIN(fd, 0);
	if (fd >= 0) {
		*size = MIN(*size, sizeof(fd));
		memcpy(value, &fd, *size);
	}
put_id:
	peer_id_put(&id);
	return err;
}

static int unix_getsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, void *value,
			   size_t *size)
{
	struct unix_sock *u = unix_sk(s);

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP; /* sock_no_getsockopt */
	switch (name) {
	case SO_PEERCRED:
		return unix_get_peercred(c, u, value, size);
	case SO_PEERGROUPS:
		return unix_get_peergroups(c, u, value, size);
	case SO_PEERPIDFD:
		return unix_get_peerpidfd(c, u, value, size);
	default:
		return -ENOPROTOOPT;
	}
}

static int unix_setsockopt(struct vfs_ctx *c, struct socket *s, int level, int name, const void *value,
			   size_t size)
{
	(void)c, (void)s, (void)name, (void)value, (void)size;
	return level != SOL_SOCKET ? -EOPNOTSUPP : -ENOPROTOOPT;
}

static int unix_ops_take_error(struct socket *s)
{
	return -unix_take_error(unix_sk(s));
}

static bool unix_listening(struct socket *s)
{
	return unix_load(&unix_sk(s)->state) == UNIX_LISTEN;
}

static long unix_ioctl(struct vfs_ctx *c, struct socket *s, unsigned int cmd, uint64_t arg)
{
	struct unix_sock *u = unix_sk(s);
	int value;

	switch (cmd) {
	case SIOCOUTQ:
		value = atomic_load_explicit(&u->charged, memory_order_relaxed);
		break;
	case SIOCINQ:
		if (unix_load(&u->state) == UNIX_LISTEN)
			return -EINVAL;
		latch_lock(&u->latch);
		value = (int)u->queued_bytes;
		if (s->type == SOCK_DGRAM) {
			struct unix_msg *m = list_first(&u->queue, struct unix_msg, node);

			value = m ? (int)m->size : 0;
		}
		latch_unlock(&u->latch);
		break;
	default:
		return -ENOTTY;
	}
	return vfs_copy_out(c, arg, &value, sizeof(value));
}

static void unix_show_fdinfo(struct socket *s, struct buf *b)
{
	struct unix_sock *u = unix_sk(s);
	unsigned int fds = 0;
	struct unix_msg *m;

	latch_lock(&u->latch);
	list_for_each_entry(m, &u->queue, node)
		fds += m->scm.files ? m->scm.files->count : 0;
	latch_unlock(&u->latch);
	buf_printf(b, "scm_fds: %u\n", fds);
}

/* ---- the tables -------------------------------------------------------------------------------- */

static const struct socket_ops unix_stream_ops = {
	.release = unix_release,
	.bind = unix_bind,
	.connect = unix_connect,
	.pair = unix_pair,
	.listen = unix_listen,
	.accept = unix_accept,
	.getname = unix_getname,
	.shutdown = unix_shutdown,
	.send = unix_stream_send,
	.recv = unix_stream_recv,
	.poll = unix_stream_poll,
	.ioctl = unix_ioctl,
	.setsockopt = unix_setsockopt,
	.getsockopt = unix_getsockopt,
	.take_error = unix_ops_take_error,
	.listening = unix_listening,
	.show_fdinfo = unix_show_fdinfo,
};

static const struct socket_ops unix_dgram_ops = {
	.release = unix_release,
	.bind = unix_bind,
	.connect = unix_dgram_connect,
	.pair = unix_pair,
	.getname = unix_getname,
	.shutdown = unix_shutdown,
	.send = unix_dgram_send,
	.recv = unix_dgram_recv,
	.poll = unix_dgram_poll,
	.ioctl = unix_ioctl,
	.setsockopt = unix_setsockopt,
	.getsockopt = unix_getsockopt,
	.take_error = unix_ops_take_error,
	.show_fdinfo = unix_show_fdinfo,
};

static const struct socket_ops unix_seqpacket_ops = {
	.release = unix_release,
	.bind = unix_bind,
	.connect = unix_connect,
	.pair = unix_pair,
	.listen = unix_listen,
	.accept = unix_accept,
	.getname = unix_getname,
	.shutdown = unix_shutdown,
	.send = unix_seqpacket_send,
	.recv = unix_seqpacket_recv,
	.poll = unix_dgram_poll,
	.ioctl = unix_ioctl,
	.setsockopt = unix_setsockopt,
	.getsockopt = unix_getsockopt,
	.take_error = unix_ops_take_error,
	.listening = unix_listening,
	.show_fdinfo = unix_show_fdinfo,
};

static const struct socket_family unix_family = {
	.family = AF_UNIX,
	.create = unix_create,
};

int unix_init(void)
{
	int err = unix_name_init();

	if (err < 0)
		return err;
	unix_gc_init();
	socket_family_register(&unix_family);
	return 0;
}
