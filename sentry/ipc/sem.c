/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sem.c: System V semaphores (semop(2), semctl(2)), SEM_UNDO included.
 *
 * A semop that can't be done now stands in its set's list of sleepers, oldest first.  Whoever changes
 * a value does for the sleepers what has become possible, in order, until nothing more is: so a
 * sleeper that is woken has its result already, and no newcomer can overtake it.
 *
 * An undo list belongs to the tasks that share it (CLONE_SYSVSEM: threads); it has one record of
 * adjustments for each set, which is also in the set's own list.  The last task to leave applies
 * them.  The list's array of records is under its own lock (leaf within ipc_ns.lock): sets of several
 * namespaces can be in it.
 *
 * Linux: ipc/sem.c.
 */
#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/ipc/ipc.h"
#include "sentry/proc/proc.h"
#include "sentry/task/pid.h"
#include "sentry/task/task.h"

#define SEM_VALUE_MAX 32767
#define SEM_TOTAL_MAX (1u << 20) /* what one sandbox's memory bears; Linux has no such bound */

struct sem {
	int value;
	struct pid *pid; /* counted, or NULL: who changed it last */
};

/* All (n) ipc_ns.lock. */
struct sem_set {
	struct ipc_obj obj;
	struct ipc_ns *ns; /* (c) borrowed: users' tasks and undo records hold it */
	unsigned int count; /* (c) */
	int64_t otime;
	struct list sleepers; /* struct sem_sleeper, oldest first */
	struct list undos;    /* struct sem_undo by set_node */
	struct sem sems[];
};

struct sem_undo {
	struct list set_node;  /* (n) */
	struct list list_node; /* (list's lock) */
	struct sem_undo_list *list; /* (c) borrowed */
	struct sem_set *set;   /* (c) counted */
	struct ipc_ns *ns;     /* (c) counted */
	int16_t adjust[];      /* (n) */
};

struct sem_undo_list {
	struct ref ref;
	struct mutex lock;   /* LOCK_IPC_UNDO */
	struct list records; /* (lock) struct sem_undo by list_node; changed with (n) held as well */
};

struct sem_sleeper {
	struct list node; /* (n) empty when done */
	struct task *task;
	struct sembuf *ops;
	unsigned int count;
	const struct sembuf *blocking; /* the operation that can't be done */
	struct sem_undo *undo;
	int result;       /* (n) once it is off the list */
	struct wq wq;
};

static struct sem_set *sem_set_of(struct ipc_obj *o)
{
	return container_of(o, struct sem_set, obj);
}

/* ---- sets ------------------------------------------------------------------------------------- */

void sem_free(struct ipc_obj *o)
{
	struct sem_set *s = sem_set_of(o);

	for (unsigned int i = 0; i < s->count; i++)
		pid_put(s->sems[i].pid);
	mem_free(s);
}

static int sem_make(struct task *t, struct ipc_ns *ns, const struct ipc_get *g, struct ipc_obj **out)
{
	unsigned int count = (unsigned int)g->size;
	struct sem_set *s;

	(void)t;
	if (!count)
		return -EINVAL;
	if (ns->ids[IPC_KIND_SEM].in_use >= (unsigned int)ns->sem_mni ||
	    ns->sem_total + count > (unsigned int)ns->sem_mns || ns->sem_total + count > SEM_TOTAL_MAX)
		return -ENOSPC;
	s = mem_zalloc(sizeof(*s) + count * sizeof(s->sems[0]));
	if (!s)
		return -ENOMEM;
	ref_init(&s->obj.ref);
	s->ns = ns;
	s->count = count;
	list_init(&s->sleepers);
	list_init(&s->undos);
	ns->sem_total += count;
	*out = &s->obj;
	return 0;
}

static int sem_fits(const struct ipc_obj *o, const struct ipc_get *g)
{
	return g->size > container_of(o, const struct sem_set, obj)->count ? -EINVAL : 0;
}

long sem_get(struct task *t, int key, int count, int flags)
{
	struct ipc_get g = { .kind = IPC_KIND_SEM, .key = key, .flags = flags, .size = (unsigned int)count,
			     .make = sem_make, .fits = sem_fits };

	if (count < 0 || count > task_ipc_ns(t)->sem_msl)
		return -EINVAL;
	return ipc_get(t, &g);
}

static void sem_set_pid(struct sem *s, struct task *t)
{
	struct pid *old = s->pid;

	s->pid = pid_get(t->process->pid);
	pid_put(old);
}

/* ---- operations ------------------------------------------------------------------------------- */

/*
 * All of ops, or none: 0 done; 1 must wait (*blocking says for which); -errno.  Undo records are
 * adjusted with it.
 */
static int sem_try_locked(struct sem_set *s, struct task *t, const struct sembuf *ops,
			  unsigned int count, struct sem_undo *undo, const struct sembuf **blocking)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < count && !r; i++) {
		struct sem *sem = &s->sems[ops[i].sem_num];
		int op = ops[i].sem_op, next = sem->value + op;

		if ((op == 0 && sem->value) || next < 0)
			r = (ops[i].sem_flg & IPC_NOWAIT) ? -EAGAIN : 1;
		else if (next > SEM_VALUE_MAX)
			r = -ERANGE;
		if (!r && (ops[i].sem_flg & SEM_UNDO)) {
			int adjust = undo->adjust[ops[i].sem_num] - op;

			if (adjust < -SEM_VALUE_MAX - 1 || adjust > SEM_VALUE_MAX)
				r = -ERANGE;
			else
				undo->adjust[ops[i].sem_num] = (int16_t)adjust;
		}
		if (r)
			*blocking = &ops[i];
		else
			sem->value = next;
	}
	if (!r) {
		for (i = 0; i < count; i++)
			sem_set_pid(&s->sems[ops[i].sem_num], t);
		return 0;
	}
	for (i--; i-- > 0;) {
		s->sems[ops[i].sem_num].value -= ops[i].sem_op;
		if (ops[i].sem_flg & SEM_UNDO)
			undo->adjust[ops[i].sem_num] =
				(int16_t)(undo->adjust[ops[i].sem_num] + ops[i].sem_op);
	}
	return r;
}

static bool sem_ops_alter(const struct sembuf *ops, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (ops[i].sem_op)
			return true;
	return false;
}

static void sem_sleeper_done(struct sem_sleeper *w, int result)
{
	list_remove(&w->node);
	w->result = result;
	wq_wake(&w->wq, 0); /* it can't go on before we drop the lock */
}

/* A value has changed: do for the sleepers what can be done now. */
static void sem_update_locked(struct sem_set *s)
{
	struct sem_sleeper *w, *tmp;
	bool again = true;

	while (again) {
		again = false;
		list_for_each_entry_safe(w, tmp, &s->sleepers, node) {
			int r = sem_try_locked(s, w->task, w->ops, w->count, w->undo, &w->blocking);

			if (r > 0)
				continue;
			if (r == 0) {
				s->otime = ipc_now();
				again = sem_ops_alter(w->ops, w->count);
			}
			sem_sleeper_done(w, r);
			if (again)
				break;
		}
	}
}

static void sem_wake_all_locked(struct sem_set *s, int result)
{
	struct sem_sleeper *w, *tmp;

	list_for_each_entry_safe(w, tmp, &s->sleepers, node)
		sem_sleeper_done(w, result);
}

/* ---- undo ------------------------------------------------------------------------------------- */

static struct sem_undo_list *sem_undo_list_new(void)
{
	struct sem_undo_list *l = mem_new(struct sem_undo_list);

	if (l) {
		ref_init(&l->ref);
		mutex_init(&l->lock, LOCK_IPC_UNDO);
		list_init(&l->records);
	}
	return l;
}

int sem_undo_share(struct task *parent, struct task *t)
{
	if (!parent->sem_undo) {
		parent->sem_undo = sem_undo_list_new();
		if (!parent->sem_undo)
			return -ENOMEM;
	}
	ref_get(&parent->sem_undo->ref);
	t->sem_undo = parent->sem_undo;
	return 0;
}

/* t's record for s, made on first use. */
static int sem_undo_find_locked(struct task *t, struct sem_set *s, struct sem_undo **out)
{
	struct sem_undo *u;

	if (!t->sem_undo)
		t->sem_undo = sem_undo_list_new();
	if (!t->sem_undo)
		return -ENOMEM;
	list_for_each_entry(u, &s->undos, set_node) {
		if (u->list == t->sem_undo) {
			*out = u;
			return 0;
		}
	}
	u = mem_zalloc(sizeof(*u) + s->count * sizeof(u->adjust[0]));
	if (!u)
		return -ENOMEM;
	u->list = t->sem_undo;
	u->set = s;
	ipc_obj_get(&s->obj);
	u->ns = ipc_ns_get(s->ns);
	list_append(&s->undos, &u->set_node);
	mutex_lock(&u->list->lock);
	list_append(&u->list->records, &u->list_node);
	mutex_unlock(&u->list->lock);
	*out = u;
	return 0;
}

/* Not the last reference to the namespace: the caller has one. */
static void sem_undo_free_locked(struct sem_undo *u)
{
	mutex_lock(&u->list->lock);
	list_remove(&u->list_node);
	mutex_unlock(&u->list->lock);
	list_remove(&u->set_node);
	ipc_obj_put(&u->set->obj);
	ipc_ns_put(u->ns);
	mem_free(u);
}

static void sem_undo_apply_locked(struct sem_undo *u, struct task *t)
{
	struct sem_set *s = u->set;
	bool changed = false;

	for (unsigned int i = 0; i < s->count; i++) {
		if (!u->adjust[i])
			continue;
		s->sems[i].value = MIN(MAX(s->sems[i].value + u->adjust[i], 0), SEM_VALUE_MAX);
		sem_set_pid(&s->sems[i], t);
		changed = true;
	}
	if (changed) {
		s->otime = ipc_now();
		sem_update_locked(s);
	}
}

void sem_undo_exit(struct task *t)
{
	struct sem_undo_list *l = t->sem_undo;
	struct sem_undo *u;

	t->sem_undo = NULL;
	if (!l || !ref_put(&l->ref))
		return;
	for (;;) {
		struct ipc_ns *ns;

		mutex_lock(&l->lock);
		u = list_first(&l->records, struct sem_undo, list_node);
		ns = u ? ipc_ns_get(u->ns) : NULL;
		mutex_unlock(&l->lock);
		if (!u)
			break;
		/* Its set may be removed in between, and the record with it. */
		mutex_lock(&ns->lock);
		mutex_lock(&l->lock);
		u = list_first(&l->records, struct sem_undo, list_node);
		mutex_unlock(&l->lock);
		if (u && u->ns == ns) {
			sem_undo_apply_locked(u, t);
			sem_undo_free_locked(u);
		}
		mutex_unlock(&ns->lock);
		ipc_ns_put(ns);
	}
	mem_free(l);
}

static void sem_forget_undos_locked(struct sem_set *s, unsigned int first, unsigned int count)
{
	struct sem_undo *u;

	list_for_each_entry(u, &s->undos, set_node)
		memset(u->adjust + first, 0, count * sizeof(u->adjust[0]));
}

/* ---- semop ------------------------------------------------------------------------------------ */

static int sem_sleep_locked(struct sem_set *s, struct sem_sleeper *w, int64_t deadline_ns)
{
	int err = 0;

	wq_init(&w->wq);
	list_append(&s->sleepers, &w->node);
	while (list_linked(&w->node) && !err)
		err = wq_wait_until(&w->wq, &s->ns->lock, &w->task->waiter, deadline_ns);
	if (!list_linked(&w->node))
		return w->result;
	list_remove(&w->node);
	return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

static int sem_op_locked(struct task *t, struct sem_set *s, struct sembuf *ops, unsigned int count,
			 int64_t deadline_ns)
{
	struct sem_sleeper w = { .task = t, .ops = ops, .count = count };
	bool alter = sem_ops_alter(ops, count), undo = false;
	int r;

	for (unsigned int i = 0; i < count; i++) {
		if (ops[i].sem_num >= s->count)
			return -EFBIG;
		undo |= ops[i].sem_op && (ops[i].sem_flg & SEM_UNDO);
		if (!ops[i].sem_op)
			ops[i].sem_flg &= (short)~SEM_UNDO;
	}
	r = ipc_permission(t, s->ns, &s->obj, alter ? 0222 : 0444);
	if (!r && undo)
		r = sem_undo_find_locked(t, s, &w.undo);
	if (!r)
		r = sem_try_locked(s, t, ops, count, w.undo, &w.blocking);
	if (r == 0) {
		s->otime = ipc_now();
		if (alter)
			sem_update_locked(s);
	}
	return r > 0 ? sem_sleep_locked(s, &w, deadline_ns) : r;
}

long sem_op(struct task *t, int id, struct sembuf *ops, unsigned int count, int64_t deadline_ns)
{
	struct ipc_ns *ns = ipc_ns_get(task_ipc_ns(t));
	struct ipc_obj *o;
	long r;

	mutex_lock(&ns->lock);
	r = ipc_find_locked(ns, IPC_KIND_SEM, id, &o);
	if (!r) {
		ipc_obj_get(o);
		r = sem_op_locked(t, sem_set_of(o), ops, count, deadline_ns);
		mutex_unlock(&ns->lock);
		ipc_obj_put(o);
	} else {
		mutex_unlock(&ns->lock);
	}
	ipc_ns_put(ns);
	return r;
}

/* ---- control ---------------------------------------------------------------------------------- */

static struct sem_set *sem_find_locked(struct task *t, int id, int mode, long *err)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;

	*err = ipc_find_locked(ns, IPC_KIND_SEM, id, &o);
	if (!*err && mode)
		*err = ipc_permission(t, ns, o, mode);
	return *err ? NULL : sem_set_of(o);
}

long sem_stat(struct task *t, int id, int cmd, struct semid_ds *out)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;
	long err;

	mutex_lock(&ns->lock);
	err = cmd == IPC_STAT ? ipc_find_locked(ns, IPC_KIND_SEM, id, &o)
			      : ipc_find_index_locked(ns, IPC_KIND_SEM, id, &o);
	if (!err && cmd != SEM_STAT_ANY)
		err = ipc_permission(t, ns, o, 0444);
	if (!err) {
		memset(out, 0, sizeof(*out));
		ipc_fill_perm(t, o, &out->sem_perm);
		out->sem_otime = sem_set_of(o)->otime;
		out->sem_ctime = o->ctime;
		out->sem_nsems = sem_set_of(o)->count;
		err = cmd == IPC_STAT ? 0 : o->id;
	}
	mutex_unlock(&ns->lock);
	return err;
}

long sem_info(struct task *t, int cmd, struct seminfo *out)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	long max;

	memset(out, 0, sizeof(*out));
	mutex_lock(&ns->lock);
	out->semmap = ns->sem_mns;
	out->semmni = ns->sem_mni;
	out->semmns = ns->sem_mns;
	out->semmnu = ns->sem_mns;
	out->semmsl = ns->sem_msl;
	out->semopm = ns->sem_opm;
	out->semume = ns->sem_opm;
	out->semvmx = SEM_VALUE_MAX;
	out->semusz = cmd == SEM_INFO ? (int)ns->ids[IPC_KIND_SEM].in_use : 20;
	out->semaem = cmd == SEM_INFO ? (int)ns->sem_total : SEM_VALUE_MAX;
	max = ipc_max_index_locked(ns, IPC_KIND_SEM);
	mutex_unlock(&ns->lock);
	return max;
}

long sem_set(struct task *t, int id, const struct semid_ds *in)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct sem_set *s;
	long err;

	mutex_lock(&ns->lock);
	s = sem_find_locked(t, id, 0, &err);
	if (s)
		err = ipc_may_change(t, ns, &s->obj);
	if (!err)
		err = ipc_set_perm(t, &s->obj, &in->sem_perm);
	if (!err)
		s->obj.ctime = ipc_now();
	mutex_unlock(&ns->lock);
	return err;
}

void sem_removed_locked(struct ipc_obj *o)
{
	struct sem_set *s = sem_set_of(o);
	struct sem_undo *u, *tmp;

	s->ns->sem_total -= s->count;
	sem_wake_all_locked(s, -EIDRM);
	list_for_each_entry_safe(u, tmp, &s->undos, set_node)
		sem_undo_free_locked(u);
}

long sem_remove(struct task *t, int id)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct sem_set *s;
	long err;

	mutex_lock(&ns->lock);
	s = sem_find_locked(t, id, 0, &err);
	if (s)
		err = ipc_may_change(t, ns, &s->obj);
	if (!err)
		ipc_remove_locked(ns, &s->obj);
	mutex_unlock(&ns->lock);
	if (!err)
		ipc_obj_put(&s->obj);
	return err;
}

/* Sleepers whose blocking operation is on num, and waits for zero (or for more). */
static int sem_waiting_locked(const struct sem_set *s, unsigned int num, bool zero)
{
	struct sem_sleeper *w;
	int n = 0;

	list_for_each_entry(w, &s->sleepers, node)
		if (w->blocking->sem_num == num && (w->blocking->sem_op == 0) == zero)
			n++;
	return n;
}

long sem_get_one(struct task *t, int id, int num, int cmd)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct sem_set *s;
	long r;

	mutex_lock(&ns->lock);
	s = sem_find_locked(t, id, 0444, &r);
	if (s && (num < 0 || (unsigned int)num >= s->count))
		r = -EINVAL;
	else if (s && cmd == GETVAL)
		r = s->sems[num].value;
	else if (s && cmd == GETPID)
		r = ipc_pid_nr(t, s->sems[num].pid);
	else if (s)
		r = sem_waiting_locked(s, (unsigned int)num, cmd == GETZCNT);
	mutex_unlock(&ns->lock);
	return r;
}

long sem_set_one(struct task *t, int id, int num, int value)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct sem_set *s;
	long r;

	if (value < 0 || value > SEM_VALUE_MAX)
		return -ERANGE;
	mutex_lock(&ns->lock);
	s = sem_find_locked(t, id, 0, &r);
	if (s && (num < 0 || (unsigned int)num >= s->count))
		r = -EINVAL;
	else if (s)
		r = ipc_permission(t, ns, &s->obj, 0222);
	if (!r) {
		sem_forget_undos_locked(s, (unsigned int)num, 1);
		s->sems[num].value = value;
		sem_set_pid(&s->sems[num], t);
		s->obj.ctime = ipc_now();
		sem_update_locked(s);
	}
	mutex_unlock(&ns->lock);
	return r;
}

long sem_count(struct task *t, int id, int need_mode)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct sem_set *s;
	long r;

	mutex_lock(&ns->lock);
	s = sem_find_locked(t, id, need_mode, &r);
	if (s)
		r = s->count;
	mutex_unlock(&ns->lock);
	return r;
}

long sem_get_all(struct task *t, int id, uint16_t *values, unsigned int count)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct sem_set *s;
	long r;

	mutex_lock(&ns->lock);
	s = sem_find_locked(t, id, 0444, &r);
	if (s && s->count != count)
		r = -EIDRM; /* another set by now */
	for (unsigned int i = 0; !r && i < count; i++)
		values[i] = (uint16_t)s->sems[i].value;
	mutex_unlock(&ns->lock);
	return r;
}

long sem_set_all(struct task *t, int id, const uint16_t *values, unsigned int count)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct sem_set *s;
	long r;

	for (unsigned int i = 0; i < count; i++)
		if (values[i] > SEM_VALUE_MAX)
			return -ERANGE;
	mutex_lock(&ns->lock);
	s = sem_find_locked(t, id, 0222, &r);
	if (s && s->count != count)
		r = -EIDRM;
	if (!r) {
		for (unsigned int i = 0; i < count; i++) {
			s->sems[i].value = values[i];
			sem_set_pid(&s->sems[i], t);
		}
		sem_forget_undos_locked(s, 0, count);
		s->obj.ctime = ipc_now();
		sem_update_locked(s);
	}
	mutex_unlock(&ns->lock);
	return r;
}

void sem_show_locked(const struct pfs_req *r, const struct ipc_obj *o, struct buf *b)
{
	const struct sem_set *s = container_of(o, const struct sem_set, obj);

	buf_printf(b, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lld %10lld\n", o->key, o->id,
		   o->mode & 0777, s->count, proc_uid(r, o->uid), proc_gid(r, o->gid),
		   proc_uid(r, o->cuid), proc_gid(r, o->cgid), (long long)s->otime,
		   (long long)o->ctime);
}
