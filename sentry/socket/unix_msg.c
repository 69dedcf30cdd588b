/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_msg.c: messages in AF_UNIX queues, and what they cost their sender.
 *
 * As on Linux a message is charged to the sender with what it takes up in memory, not only its
 * bytes, so that many small messages also fill the buffer.  A sender sleeps while the charge is at
 * or above SO_SNDBUF, and is writable for poll(2) (and woken) when it is at most a quarter of it
 * (net/unix/af_unix.c: unix_writable).
 */
#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/socket/unix_impl.h"
#include "sentry/task/task.h"

#define MSG_OVERHEAD 512 /* about what Linux' sk_buff and its head cost */

bool unix_writable(const struct unix_sock *u)
{
	int64_t charged = atomic_load_explicit(&u->charged, memory_order_acquire);

	return unix_load(&u->state) != UNIX_LISTEN &&
	       charged * 4 <= atomic_load_explicit(&u->s.sndbuf, memory_order_relaxed);
}

static bool unix_send_ready(void *arg)
{
	struct unix_sock *u = arg;

	return atomic_load_explicit(&u->error, memory_order_relaxed) != 0 ||
	       (unix_load(&u->shut) & UNIX_SHUT_SND) ||
	       atomic_load_explicit(&u->charged, memory_order_acquire) <
		       atomic_load_explicit(&u->s.sndbuf, memory_order_relaxed);
}

int unix_wait_sndbuf(struct vfs_ctx *c, struct unix_sock *u, int64_t deadline_ns)
{
	int err = socket_wait(c, &u->s.wq, POLL_WRITABLE | POLLERR | POLLHUP, false, unix_send_ready, u,
			      deadline_ns);

	if (err < 0)
		return err;
	err = unix_take_error(u);
	if (err < 0)
		return err;
	return unix_load(&u->shut) & UNIX_SHUT_SND ? -EPIPE : 0;
}

int unix_msg_new(struct unix_sock *u, struct uio *src, size_t size, struct unix_msg **out)
{
	struct unix_msg *m = mem_alloc(sizeof(*m) + size);
	ssize_t n;

	if (!m)
		return -ENOMEM;
	n = size ? uio_get(src, m->data, size) : 0;
	if (n != (ssize_t)size) {
		mem_free(m);
		return -EFAULT;
	}
	list_init(&m->node);
	m->size = size;
	m->taken = 0;
	m->charge = (int)(size + MSG_OVERHEAD);
	m->from = unix_get(u);
	scm_init(&m->scm);
	atomic_fetch_add_explicit(&u->charged, m->charge, memory_order_relaxed);
	*out = m;
	return 0;
}

void unix_msg_free(struct unix_msg *m)
{
	struct unix_sock *from = m->from;

	if (m->scm.files) {
		unix_not_inflight(m->scm.files);
		unix_defer_files(m->scm.files);
		m->scm.files = NULL;
	}
	scm_fini(&m->scm);
	/* release: pairs with the acquire of a sender that waits */
	atomic_fetch_sub_explicit(&from->charged, m->charge, memory_order_release);
	if (unix_writable(from))
		wq_wake(&from->s.wq, POLL_WRITABLE);
	mem_free(m);
	unix_put(from);
}

void unix_msg_queue_locked(struct unix_sock *to, struct unix_msg *m)
{
	list_append(&to->queue, &m->node);
	to->queued_bytes += m->size;
	atomic_fetch_add_explicit(&to->queued, 1, memory_order_seq_cst);
}

void unix_msg_unqueue_locked(struct unix_sock *u, struct unix_msg *m)
{
	list_remove(&m->node);
	u->queued_bytes -= m->size - m->taken;
	atomic_fetch_sub_explicit(&u->queued, 1, memory_order_seq_cst);
}

struct unix_msg *unix_first_msg(struct unix_sock *u)
{
	struct unix_msg *m;

	latch_lock(&u->latch);
	m = list_first(&u->queue, struct unix_msg, node);
	latch_unlock(&u->latch);
	return m;
}

int unix_msg_attach(struct vfs_ctx *c, struct unix_msg *m, struct scm *scm, struct unix_sock *to)
{
	const unsigned int wants = SOCK_OPT_PASSCRED | SOCK_OPT_PASSPIDFD;
	int err;

	/* Those of an embryo's owner are not known yet (maybe_add_creds). */
	if (!scm->has_creds && (socket_has(&m->from->s, wants) || socket_has(&to->s, wants) ||
				!to->s.file))
		scm_set_creds_self(c, scm);
	if (scm->files) {
		err = unix_inflight(c, scm->files);
		if (err < 0)
			return err;
	}
	m->scm = *scm;
	if (scm->pid)
		pid_get(scm->pid); /* the next message of this call carries them too */
	scm->files = NULL;
	return 0;
}

int unix_msg_detach(struct unix_msg *m, struct scm *out, bool peek)
{
	if (m->scm.files && peek) {
		out->files = scm_files_dup(m->scm.files);
		if (!out->files)
			return -ENOMEM;
		unix_gc_barrier();
	} else if (m->scm.files) {
		unix_not_inflight(m->scm.files);
		out->files = m->scm.files;
		m->scm.files = NULL;
	}
	if (!out->has_creds) {
		out->has_creds = m->scm.has_creds;
		out->pid = m->scm.pid ? pid_get(m->scm.pid) : NULL;
		out->pid_nr = m->scm.pid_nr;
		out->uid = m->scm.uid;
		out->gid = m->scm.gid;
	}
	return 0;
}
