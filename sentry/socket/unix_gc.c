/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_gc.c: AF_UNIX sockets in flight (SCM_RIGHTS), and those that nobody can reach any more.
 *
 * A file in a queue is referenced by its message.  When the only references to some sockets are
 * messages in those very sockets' queues, no close(2) will ever release them.  The collector finds
 * such sets (as net/unix/garbage.c did before 6.10):
 *
 *   1. Candidates are sockets in flight whose file has no other references than those in flight.
 *   2. For each candidate count, in gc_count, the references in flight that do *not* come from a
 *      candidate's queue.
 *   3. Candidates with gc_count > 0 are reachable, and so is what their queues hold, and so on.
 *   4. What is left is garbage: its messages that carry files are dropped.
 *
 * Why nothing changes below the collector's feet: files become in flight, and cease to be, under
 * gc.lock.  Who receives a socket out of a queue must unix_not_inflight() it before it can use it,
 * so a candidate's queue can't be read while we look (MSG_PEEK: unix_gc_barrier()).  A message
 * taken out of a reachable queue but not yet accounted leaves its files with gc_count > 0: alive.
 * A message not yet in a queue likewise.
 *
 * Dropped files go through unix_defer_files(): a socket's release drops its queue, which may release
 * sockets that have queues …; a chain of any length is so freed in a loop, not by recursion.
 *
 * gc.lock is a mutex (LOCK_LEAF): a reader holds its read_lock when it takes it; queues' latches are
 * below it.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include "lib/mem.h"
#include "sentry/socket/unix_impl.h"
#include "sentry/task/task.h"

static struct {
	struct mutex lock;
	struct list inflight;   /* (lock) struct unix_sock by gc_node */
	atomic_uint total;      /* (a) files in flight, of any kind; written under lock */
	struct work collect;

	struct latch drop_latch;
	struct list drops;      /* (drop_latch) struct drop */
	struct work drop;
} gc;

struct drop {
	struct list node;
	struct scm_files *files;
};

static struct unix_sock *file_unix(const struct file *f)
{
	struct socket *s = file_socket(f);

	return s && s->family == AF_UNIX ? unix_sk(s) : NULL;
}

/* ---- counting ---------------------------------------------------------------------------------- */

static bool may_have_more(struct vfs_ctx *c)
{
	struct task *t = ctx_task(c);

	if (!t || cred_capable(c->cred, CAP_SYS_RESOURCE) || cred_capable(c->cred, CAP_SYS_ADMIN))
		return true;
	/* Linux counts by user; all of the sandbox is the stricter rule. */
	return unix_load(&gc.total) <= task_rlimit(t, RLIMIT_NOFILE);
}

int unix_inflight(struct vfs_ctx *c, struct scm_files *f)
{
	if (!may_have_more(c))
		return -ETOOMANYREFS;
	mutex_lock(&gc.lock);
	unix_store(&gc.total, unix_load(&gc.total) + f->count);
	for (unsigned int i = 0; i < f->count; i++) {
		struct unix_sock *u = file_unix(f->file[i]);

		if (u && u->inflight++ == 0)
			list_append(&gc.inflight, &u->gc_node);
	}
	mutex_unlock(&gc.lock);
	return 0;
}

void unix_not_inflight(struct scm_files *f)
{
	mutex_lock(&gc.lock);
	unix_store(&gc.total, unix_load(&gc.total) - f->count);
	for (unsigned int i = 0; i < f->count; i++) {
		struct unix_sock *u = file_unix(f->file[i]);

		if (u && --u->inflight == 0)
			list_remove(&u->gc_node);
	}
	mutex_unlock(&gc.lock);
}

void unix_gc_barrier(void)
{
	mutex_lock(&gc.lock);
	mutex_unlock(&gc.lock);
}

void unix_gc_hint(void)
{
	if (unix_load(&gc.total) > 0)
		work_queue(&gc.collect);
}

/* ---- dropping ---------------------------------------------------------------------------------- */

void unix_defer_files(struct scm_files *f)
{
	struct drop *d = mem_new(struct drop);

	if (!d) {
		scm_files_put(f);
		return;
	}
	d->files = f;
	latch_lock(&gc.drop_latch);
	list_append(&gc.drops, &d->node);
	latch_unlock(&gc.drop_latch);
	work_queue(&gc.drop);
}

static void drop_run(void *arg)
{
	struct list *n;

	(void)arg;
	do {
		latch_lock(&gc.drop_latch);
		n = list_shift(&gc.drops);
		latch_unlock(&gc.drop_latch);
		if (n) {
			struct drop *d = list_entry(n, struct drop, node);

			scm_files_put(d->files);
			mem_free(d);
		}
	} while (n);
}

/* ---- collecting -------------------------------------------------------------------------------- */

typedef void gc_visit_fn(struct unix_sock *child, struct list *arg);

/* Call fn for each candidate whose file a message in u's queue carries. */
static void gc_visit_queue(struct unix_sock *u, gc_visit_fn *fn, struct list *arg)
{
	struct unix_msg *m;

	latch_lock(&u->latch);
	list_for_each_entry(m, &u->queue, node) {
		for (unsigned int i = 0; m->scm.files && i < m->scm.files->count; i++) {
			struct unix_sock *child = file_unix(m->scm.files->file[i]);

			if (child && child->gc_candidate)
				fn(child, arg);
		}
	}
	latch_unlock(&u->latch);
}

/* Also the queues of connections that wait in u to be accepted: no file stands for them. */
static void gc_visit(struct unix_sock *u, gc_visit_fn *fn, struct list *arg)
{
	struct list waiting = LIST_INIT(waiting);
	struct unix_sock *embryo;

	gc_visit_queue(u, fn, arg);
	if (unix_load(&u->embryo_count) == 0)
		return;
	/* Candidates have no accept(2) at work; the list only grows at its end. */
	latch_lock(&u->latch);
	embryo = list_first(&u->embryos, struct unix_sock, embryo_node);
	latch_unlock(&u->latch);
	while (embryo) {
		struct list *next;

		gc_visit_queue(embryo, fn, arg);
		latch_lock(&u->latch);
		next = embryo->embryo_node.next;
		embryo = next == &u->embryos ? NULL : list_entry(next, struct unix_sock, embryo_node);
		latch_unlock(&u->latch);
	}
}

static void gc_uncount(struct unix_sock *child, struct list *arg)
{
	(void)arg;
	child->gc_count--;
}

static void gc_mark_live(struct unix_sock *child, struct list *work)
{
	if (child->gc_live)
		return;
	child->gc_live = true;
	list_append(work, &child->gc_work);
}

/* Take the messages with files out of u's queue. */
static void gc_take_messages(struct unix_sock *u, struct list *out)
{
	struct unix_msg *m, *tmp;

	latch_lock(&u->latch);
	list_for_each_entry_safe(m, tmp, &u->queue, node) {
		if (!m->scm.files)
			continue;
		unix_msg_unqueue_locked(u, m);
		list_append(out, &m->node);
	}
	latch_unlock(&u->latch);
}

static void gc_take_all(struct unix_sock *u, struct list *out)
{
	struct unix_sock *embryo;

	gc_take_messages(u, out);
	list_for_each_entry(embryo, &u->embryos, embryo_node)
		gc_take_messages(embryo, out);
}

static void gc_find_candidates(void)
{
	struct unix_sock *u;

	list_for_each_entry(u, &gc.inflight, gc_node) {
		u->gc_count = u->inflight;
		u->gc_live = false;
		u->gc_candidate = u->s.file &&
				  (unsigned int)ref_count(&u->s.file->ref) == u->inflight;
	}
}

static void gc_run(void *arg)
{
	struct list work = LIST_INIT(work), garbage = LIST_INIT(garbage), *n;
	struct unix_sock *u;

	(void)arg;
	mutex_lock(&gc.lock);
	gc_find_candidates();
	list_for_each_entry(u, &gc.inflight, gc_node)
		if (u->gc_candidate)
			gc_visit(u, gc_uncount, NULL);
	list_for_each_entry(u, &gc.inflight, gc_node)
		if (u->gc_candidate && u->gc_count > 0)
			gc_mark_live(u, &work);
	while ((n = list_shift(&work)))
		gc_visit(list_entry(n, struct unix_sock, gc_work), gc_mark_live, &work);
	list_for_each_entry(u, &gc.inflight, gc_node) {
		if (u->gc_candidate && !u->gc_live)
			gc_take_all(u, &garbage);
		u->gc_candidate = false;
	}
	mutex_unlock(&gc.lock);
	while ((n = list_shift(&garbage)))
		unix_msg_free(list_entry(n, struct unix_msg, node));
}

void unix_gc_init(void)
{
	mutex_init(&gc.lock, LOCK_LEAF);
	list_init(&gc.inflight);
	work_init(&gc.collect, gc_run, NULL);
	latch_init(&gc.drop_latch);
	list_init(&gc.drops);
	work_init(&gc.drop, drop_run, NULL);
}
