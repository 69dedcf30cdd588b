/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgrp.c: groups, their members, and who hears when a group becomes empty.  See cgrp.h.
 *
 * Linux: kernel/cgroup/cgroup.c (cgroup_update_populated, cgroup_path_ns).
 */
#include "sentry/task/cgrp.h"

#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/sysfs/sysfs.h"
#include "sentry/task/task.h"

static struct hash cgrps;     /* (t) by id; not in a table: no memory for one */
static int64_t cgrp_last_id;  /* (t) */

static struct cgrp *cgrp_alloc(const char *name)
{
	struct cgrp *cg = mem_new(struct cgrp);

	if (!cg)
		return NULL;
	if (name) {
		cg->name = mem_strdup(name);
		if (!cg->name) {
			mem_free(cg);
			return NULL;
		}
	}
	ref_init(&cg->ref);
	list_init(&cg->children);
	list_init(&cg->sibling);
	return cg;
}

static int cgrp_insert_locked(struct cgrp *cg)
{
	if (!cgrps.buckets && hash_init(&cgrps, 64))
		return -ENOMEM;
	cg->id = ++cgrp_last_id;
	hash_insert(&cgrps, &cg->node, hash_u64(0, (uint64_t)cg->id));
	return 0;
}

struct cgrp *cgrp_new_root(void)
{
	struct cgrp *cg = cgrp_alloc(NULL);
	int err;

	if (!cg)
		return NULL;
	mutex_lock(&tasklist.lock);
	err = cgrp_insert_locked(cg);
	mutex_unlock(&tasklist.lock);
	if (err) {
		cgrp_put(cg);
		return NULL;
	}
	return cg;
}

void cgrp_drop_root(struct cgrp *cg)
{
	if (!cg)
		return;
	mutex_lock(&tasklist.lock);
	cg->removed = true;
	hash_remove(&cgrps, &cg->node);
	mutex_unlock(&tasklist.lock);
	cgrp_put(cg);
}

struct cgrp *cgrp_get(struct cgrp *cg)
{
	if (cg)
		ref_get(&cg->ref);
	return cg;
}

void cgrp_put(struct cgrp *cg)
{
	while (cg && ref_put(&cg->ref)) {
		struct cgrp *parent = cg->parent;

		mem_free(cg->name);
		mem_free(cg);
		cg = parent;
	}
}

struct cgrp *cgrp_find(int64_t id)
{
	struct hash_node *n;
	struct cgrp *cg = NULL;

	mutex_lock(&tasklist.lock);
	n = cgrps.buckets ? hash_first(&cgrps, hash_u64(0, (uint64_t)id)) : NULL;
	for (; n && !cg; n = hash_next(n))
		if (container_of(n, struct cgrp, node)->id == id)
			cg = cgrp_get(container_of(n, struct cgrp, node));
	mutex_unlock(&tasklist.lock);
	return cg;
}

int cgrp_make(struct cgrp *parent, const char *name, uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct cgrp *cg = cgrp_alloc(name);
	int err = 0;

	if (!cg)
		return -ENOMEM;
	for (size_t i = 0; i < CGROUP_FILES; i++) {
		cg->attrs[i].set = true;
		cg->attrs[i].mode = i == CGROUP_DIR ? mode & 07777 : 0644;
		cg->attrs[i].uid = uid;
		cg->attrs[i].gid = gid;
	}
	mutex_lock(&tasklist.lock);
	if (parent->removed)
		err = -ENODEV;
	else if (cgrps.count >= CGROUP_MAX || parent->depth >= CGROUP_DEPTH_MAX)
		err = -EAGAIN;
	else
		err = cgrp_insert_locked(cg);
	if (!err) {
		cg->parent = cgrp_get(parent);
		cg->depth = parent->depth + 1;
		list_append(&parent->children, &cg->sibling); /* with the reference */
	}
	mutex_unlock(&tasklist.lock);
	if (err)
		cgrp_put(cg);
	return err;
}

int cgrp_remove(struct cgrp *cg)
{
	int err = 0;

	mutex_lock(&tasklist.lock);
	if (cg->removed) {
		err = -ENODEV;
	} else if (!cg->parent || cg->members || !list_empty(&cg->children)) {
		err = -EBUSY;
	} else {
		cg->removed = true;
		list_remove(&cg->sibling);
		hash_remove(&cgrps, &cg->node);
	}
	mutex_unlock(&tasklist.lock);
	if (!err)
		cgrp_put(cg); /* the tree's */
	return err;
}

unsigned int cgrp_descendants_locked(const struct cgrp *top)
{
	const struct cgrp *cg = top;
	unsigned int n = 0;

	/* Down first, then to the next sibling, up where there is none: depth is the application's. */
	for (;;) {
		if (!list_empty(&cg->children)) {
			cg = list_entry(cg->children.next, struct cgrp, sibling);
		} else {
			while (cg != top && cg->sibling.next == &cg->parent->children)
				cg = cg->parent;
			if (cg == top)
				return n;
			cg = list_entry(cg->sibling.next, struct cgrp, sibling);
		}
		n++;
	}
}

bool cgrp_below_locked(const struct cgrp *cg, const struct cgrp *above)
{
	while (cg && cg != above)
		cg = cg->parent;
	return cg != NULL;
}

/* ---- members ---------------------------------------------------------------------------------- */

static void cgrp_count_locked(struct cgrp *cg, int by)
{
	bool before = cgrp_populated_locked(cg);

	cg->members += (unsigned int)by;
	while (before != cgrp_populated_locked(cg)) {
		atomic_store_explicit(&cg->changed, true, memory_order_relaxed);
		cg = cg->parent;
		if (!cg)
			return;
		before = cgrp_populated_locked(cg);
		cg->populated += (unsigned int)by;
	}
}

void cgrp_enter_locked(struct process *p, struct cgrp *cg)
{
	if (!cg)
		return;
	p->cgroup = cgrp_get(cg);
	cgrp_count_locked(cg, 1);
}

void cgrp_leave_locked(struct process *p)
{
	if (!p->cgroup)
		return;
	cgrp_count_locked(p->cgroup, -1);
	for (struct cgrp *cg = p->cgroup; cg; cg = cg->parent) {
		cg->user_ns += p->utime_ns;
		cg->system_ns += p->stime_ns;
	}
}

int cgrp_move_locked(struct process *p, struct cgrp *to)
{
	struct cgrp *from = p->cgroup;

	if (p->state != PROCESS_ALIVE || !from)
		return -ESRCH;
	if (to->removed)
		return -ENODEV;
	if (from == to)
		return 0;
	p->cgroup = cgrp_get(to);
	cgrp_count_locked(to, 1);
	cgrp_count_locked(from, -1);
	cgrp_put(from);
	return 0;
}

void cgrp_tell(struct cgrp *cg)
{
	for (; cg && atomic_exchange_explicit(&cg->changed, false, memory_order_relaxed); cg = cg->parent)
		cgroupfs_changed(cg->id);
}

/* ---- names ------------------------------------------------------------------------------------ */

static void cgrp_put_names(const struct cgrp *cg, const struct cgrp *above, struct buf *b)
{
	const struct cgrp *way[CGROUP_DEPTH_MAX];
	size_t n = 0;

	for (; cg != above && cg->parent; cg = cg->parent)
		way[n++] = cg;
	while (n-- > 0) {
		buf_puts(b, "/");
		buf_puts(b, way[n]->name);
	}
}

void cgrp_path_locked(const struct cgrp *cg, const struct cgrp *root, struct buf *b)
{
	const struct cgrp *common = root;
	size_t start = b->size;

	while (common && !cgrp_below_locked(cg, common)) {
		buf_puts(b, "/..");
		common = common->parent;
	}
	cgrp_put_names(cg, common, b);
	if (b->size == start)
		buf_puts(b, "/");
	if (cg->removed)
		buf_puts(b, " (deleted)");
}
