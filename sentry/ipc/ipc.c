/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipc.c: ipc namespaces, and what shared memory, semaphores and message queues have in common: keys,
 * identifiers, permissions.
 *
 * An identifier is seq * 32768 + index.  Indexes are given cyclically, within about half as many
 * again as are in use; seq grows each time they start over, so that an old identifier is EIDRM
 * rather than somebody else's object.
 *
 * Linux: ipc/util.c, ipc/namespace.c.
 */
#include "sentry/ipc/ipc.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <time.h>

#include "lib/mem.h"
#include "sentry/ipc/mqueue.h"
#include "sentry/task/pid.h"
#include "sentry/task/task.h"
#include "sentry/time/clock.h"
#include "vfs/user_ns.h"

/* ---- namespaces ------------------------------------------------------------------------------- */

static struct latch id_latch = LATCH_INIT;
static bool first_given; /* (id_latch) */

/* The first one has the number that Linux gives its own. */
static uint64_t ipc_ns_number(void)
{
	bool first;

	latch_lock(&id_latch);
	first = !first_given;
	first_given = true;
	latch_unlock(&id_latch);
	return first ? 4026531839u : ns_ino_new();
}

struct ipc_ns *ipc_ns_new(struct user_ns *u)
{
	struct ipc_ns *ns = mem_new(struct ipc_ns);

	if (!ns)
		return NULL;
	ns->mqueue = mqueue_super_new();
	if (!ns->mqueue) {
		mem_free(ns);
		return NULL;
	}
	ref_init(&ns->ref);
	mutex_init(&ns->lock, LOCK_IPC);
	ns->user_ns = user_ns_get(u);
	ns->id = ipc_ns_number();
	for (int i = 0; i < IPC_KIND_COUNT; i++)
		ns->ids[i].last_idx = ns->ids[i].next_id = -1;
	ns->shm_max = ns->shm_all = UINT64_MAX - (1ul << 24);
	ns->shm_mni = 4096;
	ns->sem_msl = 32000;
	ns->sem_mns = 1024000000;
	ns->sem_opm = 500;
	ns->sem_mni = 32000;
	ns->msg_max = 8192;
	ns->msg_mnb = 16384;
	ns->msg_mni = 32000;
	return ns;
}

struct ipc_ns *ipc_ns_get(struct ipc_ns *ns)
{
	ref_get(&ns->ref);
	return ns;
}

void ipc_ns_put(struct ipc_ns *ns)
{
	if (!ns || !ref_put(&ns->ref))
		return;
	for (int k = 0; k < IPC_KIND_COUNT; k++) {
		struct ipc_ids *ids = &ns->ids[k];

		for (unsigned int i = 0; i < ids->slot_count; i++) {
			struct ipc_obj *o = ids->slots[i];

			if (!o)
				continue;
			mutex_lock(&ns->lock);
			ipc_remove_locked(ns, o);
			mutex_unlock(&ns->lock);
			ipc_obj_put(o);
		}
		mem_free(ids->slots);
	}
	mqueue_super_put(ns->mqueue);
	user_ns_put(ns->user_ns);
	mem_free(ns);
}

struct ipc_ns *task_ipc_ns(struct task *t)
{
	return t->ns->ipc;
}

int64_t ipc_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

int32_t ipc_pid_nr(struct task *t, const struct pid *pid)
{
	return pid ? pid_nr_in(pid, task_pid_ns(t)) : 0;
}

/* ---- objects ---------------------------------------------------------------------------------- */

void ipc_obj_get(struct ipc_obj *o)
{
	ref_get(&o->ref);
}

void ipc_obj_put(struct ipc_obj *o)
{
	static void (*const free_fn[])(struct ipc_obj *) = {
		[IPC_KIND_SEM] = sem_free, [IPC_KIND_MSG] = msg_free, [IPC_KIND_SHM] = shm_free,
	};

	if (ref_put(&o->ref))
		free_fn[o->kind](o);
}

static void (*const removed_fn[])(struct ipc_obj *) = {
	[IPC_KIND_SEM] = sem_removed_locked,
	[IPC_KIND_MSG] = msg_removed_locked,
	[IPC_KIND_SHM] = shm_removed_locked,
};

static int ipc_grow_locked(struct ipc_ids *ids, unsigned int count)
{
	struct ipc_obj **slots;
	unsigned int n = MAX(ids->slot_count, 16u);

	while (n < count)
		n *= 2;
	if (n == ids->slot_count)
		return 0;
	slots = mem_realloc(ids->slots, n, sizeof(struct ipc_obj *));
	if (!slots)
		return -ENOMEM;
	memset(slots + ids->slot_count, 0, (n - ids->slot_count) * sizeof(struct ipc_obj *));
	ids->slots = slots;
	ids->slot_count = n;
	return 0;
}

/* A free index: after the last one given, or from the start again.  -ENOSPC. */
static int ipc_index_locked(struct ipc_ids *ids)
{
	int max = MIN(MAX((int)ids->in_use * 3 / 2, 64), IPC_IDX_MAX);

	for (int n = 0, i = ids->last_idx + 1; n <= max; n++, i++) {
		if (i >= max)
			i = 0;
		if ((unsigned int)i >= ids->slot_count || !ids->slots[i])
			return i;
	}
	return -ENOSPC;
}

/* Into the table, which takes the reference.  The id. */
static int ipc_add_locked(struct ipc_ns *ns, struct ipc_obj *o)
{
	struct ipc_ids *ids = &ns->ids[o->kind];
	int idx = ids->next_id >= 0 ? ids->next_id % IPC_IDX_MAX : ipc_index_locked(ids);
	int err;

	if (idx < 0)
		return idx;
	if (ids->next_id >= 0 && (unsigned int)idx < ids->slot_count && ids->slots[idx])
		idx = ipc_index_locked(ids);
	else if (ids->next_id >= 0)
		ids->seq = (unsigned int)ids->next_id / IPC_IDX_MAX;
	if (idx < 0)
		return idx;
	err = ipc_grow_locked(ids, (unsigned int)idx + 1);
	if (err)
		return err;
	if (ids->next_id < 0 && idx <= ids->last_idx)
		ids->seq = (ids->seq + 1) % (INT32_MAX / IPC_IDX_MAX);
	ids->next_id = -1;
	ids->last_idx = idx;
	o->seq = ids->seq;
	o->id = (int)(ids->seq * IPC_IDX_MAX) + idx;
	ids->slots[idx] = o;
	ids->in_use++;
	return o->id;
}

void ipc_remove_locked(struct ipc_ns *ns, struct ipc_obj *o)
{
	struct ipc_ids *ids = &ns->ids[o->kind];

	ids->slots[o->id % IPC_IDX_MAX] = NULL;
	ids->in_use--;
	o->removed = true;
	removed_fn[o->kind](o);
}

int ipc_find_index_locked(struct ipc_ns *ns, enum ipc_kind kind, int idx, struct ipc_obj **out)
{
	struct ipc_ids *ids = &ns->ids[kind];

	if (idx < 0)
		return -EINVAL;
	idx %= IPC_IDX_MAX;
	if ((unsigned int)idx >= ids->slot_count || !ids->slots[idx])
		return -EINVAL;
	*out = ids->slots[idx];
	return 0;
}

int ipc_find_locked(struct ipc_ns *ns, enum ipc_kind kind, int id, struct ipc_obj **out)
{
	struct ipc_obj *o;
	int err = ipc_find_index_locked(ns, kind, id, &o);

	if (err)
		return err;
	if (o->id != id)
		return -EIDRM;
	*out = o;
	return 0;
}

int ipc_max_index_locked(const struct ipc_ns *ns, enum ipc_kind kind)
{
	const struct ipc_ids *ids = &ns->ids[kind];

	for (unsigned int i = ids->slot_count; i-- > 0;)
		if (ids->slots[i])
			return (int)i;
	return 0;
}

/* ---- permissions ------------------------------------------------------------------------------ */

int ipc_permission(struct task *t, const struct ipc_ns *ns, const struct ipc_obj *o, int flags)
{
	const struct cred *c = t->cred;
	uint32_t want = ((uint32_t)flags >> 6) | ((uint32_t)flags >> 3) | (uint32_t)flags;
	uint32_t granted = o->mode;

	if (c->euid == o->cuid || c->euid == o->uid)
		granted >>= 6;
	else if (cred_in_egroup(c, o->cgid) || cred_in_egroup(c, o->gid))
		granted >>= 3;
	if ((want & ~granted & 7) && !cred_capable_ns(c, ns->user_ns, CAP_IPC_OWNER))
		return -EACCES;
	return 0;
}

int ipc_may_change(struct task *t, const struct ipc_ns *ns, const struct ipc_obj *o)
{
	const struct cred *c = t->cred;

	if (c->euid == o->cuid || c->euid == o->uid || cred_capable_ns(c, ns->user_ns, CAP_SYS_ADMIN))
		return 0;
	return -EPERM;
}

int ipc_set_perm(struct task *t, struct ipc_obj *o, const struct ipc_perm *p)
{
	uint32_t uid = user_ns_to_kernel(t->cred->user_ns, ID_UID, p->uid);
	uint32_t gid = user_ns_to_kernel(t->cred->user_ns, ID_GID, p->gid);

	if (uid == ID_INVALID || gid == ID_INVALID)
		return -EINVAL;
	o->uid = uid;
	o->gid = gid;
	o->mode = (o->mode & ~0777u) | (p->mode & 0777u);
	return 0;
}

void ipc_fill_perm(struct task *t, const struct ipc_obj *o, struct ipc_perm *p)
{
	struct user_ns *u = t->cred->user_ns;

	memset(p, 0, sizeof(*p));
	p->__key = o->key;
	p->uid = user_ns_from_kernel_munged(u, ID_UID, o->uid);
	p->gid = user_ns_from_kernel_munged(u, ID_GID, o->gid);
	p->cuid = user_ns_from_kernel_munged(u, ID_UID, o->cuid);
	p->cgid = user_ns_from_kernel_munged(u, ID_GID, o->cgid);
	p->mode = (__mode_t)o->mode;
	p->__seq = (unsigned short)o->seq;
}

/* ---- get -------------------------------------------------------------------------------------- */

static long ipc_make_locked(struct task *t, struct ipc_ns *ns, const struct ipc_get *g)
{
	struct ipc_obj *o;
	int err = g->make(t, ns, g, &o);

	if (err)
		return err;
	o->kind = g->kind;
	o->key = g->key;
	o->mode |= (uint32_t)g->flags & 0777;
	o->uid = o->cuid = t->cred->euid;
	o->gid = o->cgid = t->cred->egid;
	o->ctime = ipc_now();
	err = ipc_add_locked(ns, o);
	if (err < 0) {
		removed_fn[o->kind](o);
		ipc_obj_put(o); /* the only reference; nobody has seen it */
	}
	return err;
}

static struct ipc_obj *ipc_by_key_locked(struct ipc_ns *ns, const struct ipc_get *g)
{
	struct ipc_ids *ids = &ns->ids[g->kind];

	for (unsigned int i = 0; i < ids->slot_count; i++)
		if (ids->slots[i] && ids->slots[i]->key == g->key)
			return ids->slots[i];
	return NULL;
}

long ipc_get(struct task *t, const struct ipc_get *g)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;
	long r;

	mutex_lock(&ns->lock);
	o = g->key == IPC_PRIVATE ? NULL : ipc_by_key_locked(ns, g);
	if (g->key == IPC_PRIVATE || (!o && (g->flags & IPC_CREAT))) {
		r = ipc_make_locked(t, ns, g);
	} else if (!o) {
		r = -ENOENT;
	} else if ((g->flags & IPC_CREAT) && (g->flags & IPC_EXCL)) {
		r = -EEXIST;
	} else {
		r = g->fits ? g->fits(o, g) : 0;
		if (!r)
			r = ipc_permission(t, ns, o, g->flags);
		if (!r)
			r = o->id;
	}
	mutex_unlock(&ns->lock);
	return r;
}
