/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msg.c: System V message queues (msgop(2), msgctl(2)).
 *
 * A queue is a list of messages with their sizes summed up.  Senders sleep while it is full, receivers
 * while nothing matches; both are woken by every change that may concern them and look again.
 * Messages lie in the Sentry's memory, so all queues together are bounded (MSG_BYTES_MAX): beyond it
 * msgsnd is ENOMEM, as on a Linux whose memory is spent.
 *
 * Linux: ipc/msg.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/ipc/ipc.h"
#include "sentry/proc/proc.h"
#include "sentry/task/pid.h"
#include "sentry/task/task.h"

#define MSG_BYTES_MAX (64ull << 20)
#define MSG_COUNT_MAX (1u << 20)

struct msg {
	struct list node;
	long type;
	size_t size;
	char *text; /* owned */
};

/* All (n) ipc_ns.lock. */
struct msg_queue {
	struct ipc_obj obj;
	struct ipc_ns *ns; /* (c) borrowed: sleepers' tasks hold it */
	struct list messages;
	uint64_t bytes, max_bytes;
	unsigned long count;
	int64_t stime, rtime;
	struct pid *lspid, *lrpid; /* counted, or NULL */
	struct wq senders, receivers;
};

static struct msg_queue *msg_queue_of(struct ipc_obj *o)
{
	return container_of(o, struct msg_queue, obj);
}

static void msg_drop(struct msg_queue *q, struct msg *m)
{
	list_remove(&m->node);
	q->bytes -= m->size;
	q->count--;
	q->ns->msg_bytes -= m->size;
	q->ns->msg_count--;
}

static void msg_delete(struct msg *m)
{
	mem_free(m->text);
	mem_free(m);
}

void msg_free(struct ipc_obj *o)
{
	struct msg_queue *q = msg_queue_of(o);

	ASSERT(list_empty(&q->messages));
	pid_put(q->lspid);
	pid_put(q->lrpid);
	mem_free(q);
}

static int msg_make(struct task *t, struct ipc_ns *ns, const struct ipc_get *g, struct ipc_obj **out)
{
	struct msg_queue *q;

	(void)t, (void)g;
	if (ns->ids[IPC_KIND_MSG].in_use >= (unsigned int)ns->msg_mni)
		return -ENOSPC;
	q = mem_new(struct msg_queue);
	if (!q)
		return -ENOMEM;
	ref_init(&q->obj.ref);
	q->ns = ns;
	q->max_bytes = (uint64_t)ns->msg_mnb;
	list_init(&q->messages);
	wq_init(&q->senders);
	wq_init(&q->receivers);
	*out = &q->obj;
	return 0;
}

long msg_get(struct task *t, int key, int flags)
{
	struct ipc_get g = { .kind = IPC_KIND_MSG, .key = key, .flags = flags, .make = msg_make };

	return ipc_get(t, &g);
}

/* ---- send and receive ------------------------------------------------------------------------- */

static void msg_set_pid(struct pid **slot, struct task *t)
{
	struct pid *old = *slot;

	*slot = pid_get(t->process->pid);
	pid_put(old);
}

static int msg_enqueue_locked(struct task *t, struct msg_queue *q, struct msg *m)
{
	if (q->ns->msg_bytes + m->size > MSG_BYTES_MAX || q->ns->msg_count >= MSG_COUNT_MAX)
		return -ENOMEM;
	list_append(&q->messages, &m->node);
	q->bytes += m->size;
	q->count++;
	q->ns->msg_bytes += m->size;
	q->ns->msg_count++;
	q->stime = ipc_now();
	msg_set_pid(&q->lspid, t);
	wq_wake(&q->receivers, 0);
	return 0;
}

static int msg_send_locked(struct task *t, struct msg_queue *q, struct msg *m, int flags)
{
	for (;;) {
		int err;

		if (q->obj.removed)
			return -EIDRM;
		err = ipc_permission(t, q->ns, &q->obj, 0222);
		if (err)
			return err;
		if (q->bytes + m->size <= q->max_bytes && q->count + 1 <= q->max_bytes)
			return msg_enqueue_locked(t, q, m);
		if (flags & IPC_NOWAIT)
			return -EAGAIN;
		err = wq_wait(&q->senders, &q->ns->lock, &t->waiter);
		if (err)
			return q->obj.removed ? -EIDRM : -ERESTARTNOHAND;
	}
}

long msg_send(struct task *t, int id, long type, char *text, size_t size, int flags)
{
	struct ipc_ns *ns = ipc_ns_get(task_ipc_ns(t));
	struct msg *m = mem_new(struct msg);
	struct ipc_obj *o;
	long err = -ENOMEM;

	if (!m) {
		mem_free(text);
		goto put_ns;
	}
	m->type = type;
	m->size = size;
	m->text = text;
	list_init(&m->node);
	mutex_lock(&ns->lock);
	err = size > (size_t)ns->msg_max ? -EINVAL : ipc_find_locked(ns, IPC_KIND_MSG, id, &o);
	if (!err) {
		ipc_obj_get(o);
		err = msg_send_locked(t, msg_queue_of(o), m, flags);
		mutex_unlock(&ns->lock);
		ipc_obj_put(o);
	} else {
		mutex_unlock(&ns->lock);
	}
	if (err)
		msg_delete(m);
put_ns:
	ipc_ns_put(ns);
	return err;
}

/* msgop(2)'s rules for msgtyp. */
static struct msg *msg_pick(struct msg_queue *q, long want, int flags)
{
	struct msg *m, *best = NULL;
	long n = 0;

	list_for_each_entry(m, &q->messages, node) {
		if (flags & MSG_COPY) {
			if (n++ == want)
				return m;
		} else if (want == 0) {
			return m;
		} else if (want > 0) {
			if ((flags & MSG_EXCEPT) ? m->type != want : m->type == want)
				return m;
		} else {
			long limit = want == INT64_MIN ? INT64_MAX : -want;

			if (m->type <= limit && (!best || m->type < best->type))
				best = m;
		}
	}
	return best;
}

/* Takes a message that fits, or a copy of it. */
static int msg_take_locked(struct task *t, struct msg_queue *q, struct msg *m, size_t size, int flags,
			   struct msg **out)
{
	struct msg *copy;

	if (size < m->size && !(flags & MSG_NOERROR))
		return -E2BIG;
	if (flags & MSG_COPY) {
		copy = mem_dup(m, sizeof(*m));
		if (copy)
			copy->text = mem_dup(m->text, MAX(m->size, (size_t)1));
		if (!copy || !copy->text) {
			mem_free(copy);
			return -ENOMEM;
		}
		*out = copy;
		return 0;
	}
	msg_drop(q, m);
	q->rtime = ipc_now();
	msg_set_pid(&q->lrpid, t);
	wq_wake(&q->senders, 0);
	*out = m;
	return 0;
}

static int msg_receive_locked(struct task *t, struct msg_queue *q, size_t size, long want, int flags,
			      struct msg **out)
{
	for (;;) {
		struct msg *m;
		int err;

		if (q->obj.removed)
			return -EIDRM;
		err = ipc_permission(t, q->ns, &q->obj, 0444);
		if (err)
			return err;
		m = msg_pick(q, want, flags);
		if (m)
			return msg_take_locked(t, q, m, size, flags, out);
		if (flags & IPC_NOWAIT)
			return -ENOMSG;
		err = wq_wait(&q->receivers, &q->ns->lock, &t->waiter);
		if (err)
			return q->obj.removed ? -EIDRM : -ERESTARTNOHAND;
	}
}

long msg_receive(struct task *t, int id, size_t size, long want, int flags, long *type, char **text)
{
	struct ipc_ns *ns = ipc_ns_get(task_ipc_ns(t));
	struct msg *m = NULL;
	struct ipc_obj *o;
	long r;

	if ((flags & MSG_COPY) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT))) {
		ipc_ns_put(ns);
		return -EINVAL;
	}
	mutex_lock(&ns->lock);
	r = ipc_find_locked(ns, IPC_KIND_MSG, id, &o);
	if (!r) {
		ipc_obj_get(o);
		r = msg_receive_locked(t, msg_queue_of(o), size, want, flags, &m);
		mutex_unlock(&ns->lock);
		ipc_obj_put(o);
	} else {
		mutex_unlock(&ns->lock);
	}
	ipc_ns_put(ns);
	if (r)
		return r;
	*type = m->type;
	*text = m->text;
	r = (long)MIN(size, m->size);
	mem_free(m);
	return r;
}

/* ---- control ---------------------------------------------------------------------------------- */

static void msg_fill(struct task *t, struct msg_queue *q, struct msqid_ds *d)
{
	memset(d, 0, sizeof(*d));
	ipc_fill_perm(t, &q->obj, &d->msg_perm);
	d->msg_stime = q->stime;
	d->msg_rtime = q->rtime;
	d->msg_ctime = q->obj.ctime;
	d->__msg_cbytes = q->bytes;
	d->msg_qnum = q->count;
	d->msg_qbytes = q->max_bytes;
	d->msg_lspid = ipc_pid_nr(t, q->lspid);
	d->msg_lrpid = ipc_pid_nr(t, q->lrpid);
}

long msg_stat(struct task *t, int id, int cmd, struct msqid_ds *out)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;
	long err;

	mutex_lock(&ns->lock);
	err = cmd == IPC_STAT ? ipc_find_locked(ns, IPC_KIND_MSG, id, &o)
			      : ipc_find_index_locked(ns, IPC_KIND_MSG, id, &o);
	if (!err && cmd != MSG_STAT_ANY)
		err = ipc_permission(t, ns, o, 0444);
	if (!err) {
		msg_fill(t, msg_queue_of(o), out);
		err = cmd == IPC_STAT ? 0 : o->id;
	}
	mutex_unlock(&ns->lock);
	return err;
}

long msg_info(struct task *t, int cmd, struct msginfo *out)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	long max;

	memset(out, 0, sizeof(*out));
	mutex_lock(&ns->lock);
	out->msgmni = ns->msg_mni;
	out->msgmax = ns->msg_max;
	out->msgmnb = ns->msg_mnb;
	out->msgssz = 16;
	out->msgseg = 0xffff;
	if (cmd == MSG_INFO) {
		out->msgpool = (int)ns->ids[IPC_KIND_MSG].in_use;
		out->msgmap = (int)ns->msg_count;
		out->msgtql = (int)ns->msg_bytes;
	} else {
		out->msgmap = ns->msg_mnb;
		out->msgpool = (int)((long)ns->msg_mni * ns->msg_mnb / 1024);
		out->msgtql = ns->msg_mnb;
	}
	max = ipc_max_index_locked(ns, IPC_KIND_MSG);
	mutex_unlock(&ns->lock);
	return max;
}

long msg_set(struct task *t, int id, const struct msqid_ds *in)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;
	long err;

	mutex_lock(&ns->lock);
	err = ipc_find_locked(ns, IPC_KIND_MSG, id, &o);
	if (!err)
		err = ipc_may_change(t, ns, o);
	if (!err && in->msg_qbytes > (uint64_t)ns->msg_mnb &&
	    !cred_capable_ns(t->cred, ns->user_ns, CAP_SYS_RESOURCE))
		err = -EPERM;
	if (!err)
		err = ipc_set_perm(t, o, &in->msg_perm);
	if (!err) {
		struct msg_queue *q = msg_queue_of(o);

		q->max_bytes = in->msg_qbytes;
		o->ctime = ipc_now();
		/* Permissions and room may be others now: all look again. */
		wq_wake(&q->receivers, 0);
		wq_wake(&q->senders, 0);
	}
	mutex_unlock(&ns->lock);
	return err;
}

static void msg_clear_locked(struct msg_queue *q)
{
	struct msg *m, *tmp;

	list_for_each_entry_safe(m, tmp, &q->messages, node) {
		msg_drop(q, m);
		msg_delete(m);
	}
	wq_wake(&q->receivers, 0);
	wq_wake(&q->senders, 0);
}

void msg_removed_locked(struct ipc_obj *o)
{
	msg_clear_locked(msg_queue_of(o));
}

long msg_remove(struct task *t, int id)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;
	long err;

	mutex_lock(&ns->lock);
	err = ipc_find_locked(ns, IPC_KIND_MSG, id, &o);
	if (!err)
		err = ipc_may_change(t, ns, o);
	if (!err)
		ipc_remove_locked(ns, o);
	mutex_unlock(&ns->lock);
	if (!err)
		ipc_obj_put(o);
	return err;
}

void msg_show_locked(const struct pfs_req *r, const struct ipc_obj *o, struct buf *b)
{
	const struct msg_queue *q = container_of(o, const struct msg_queue, obj);
	struct pid_ns *p = proc_pid_ns(r);

	buf_printf(b, "%10d %10d  %4o  %10lu %10lu %5d %5d %5u %5u %5u %5u %10lld %10lld %10lld\n",
		   o->key, o->id, o->mode & 0777, (unsigned long)q->bytes, q->count,
		   q->lspid ? pid_nr_in(q->lspid, p) : 0, q->lrpid ? pid_nr_in(q->lrpid, p) : 0,
		   proc_uid(r, o->uid), proc_gid(r, o->gid), proc_uid(r, o->cuid), proc_gid(r, o->cgid),
		   (long long)q->stime, (long long)q->rtime, (long long)o->ctime);
}
