/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pid.c: pid namespaces and the numbers in them (pid_namespaces(7)).
 *
 * A struct pid has a number in its own namespace and in each ancestor.  It stays in the tables while
 * it names a task, a process, a group or a session; references alone (pidfds) keep the struct, not
 * the number.  Everything here is under tasklist.lock.
 */
#include "sentry/task/pid.h"

#include <errno.h>

#include "lib/mem.h"

#define PID_RESERVED 300 /* after a wrap, numbers below are left to the early processes */

static atomic_uint_fast64_t ns_next_id = 0xF0000000u; /* as proc_ns inode numbers */

uint64_t ns_new_id(void)
{
	return atomic_fetch_add_explicit(&ns_next_id, 1, memory_order_relaxed);
}

struct pid_ns *pid_ns_new(struct pid_ns *parent, struct user_ns *u)
{
	struct pid_ns *ns;

	if (parent && parent->level + 1 >= PID_NS_DEPTH_MAX)
		return NULL;
	ns = mem_new(struct pid_ns);
	if (!ns)
		return NULL;
	if (hash_init(&ns->pids, 16)) {
		mem_free(ns);
		return NULL;
	}
	ref_init(&ns->ref);
	ns->parent = parent ? pid_ns_get(parent) : NULL;
	ns->level = parent ? parent->level + 1 : 0;
	ns->container = parent ? parent->container : NULL;
	ns->user_ns = user_ns_get(u);
	ns->id = ns_new_id();
	return ns;
}

struct pid_ns *pid_ns_get(struct pid_ns *ns)
{
	ref_get(&ns->ref);
	return ns;
}

void pid_ns_put(struct pid_ns *ns)
{
	while (ns && ref_put(&ns->ref)) {
		struct pid_ns *parent = ns->parent;

		ASSERT(ns->pids.count == 0);
		hash_fini(&ns->pids);
		user_ns_put(ns->user_ns);
		mem_free(ns);
		ns = parent;
	}
}

int32_t pid_nr_in(const struct pid *pid, const struct pid_ns *ns)
{
	if (!pid || ns->level > pid->level || pid->numbers[ns->level].ns != ns)
		return 0;
	return pid->numbers[ns->level].nr;
}

struct pid *pid_get(struct pid *pid)
{
	ref_get(&pid->ref);
	return pid;
}

void pid_put(struct pid *pid)
{
	if (!pid || !ref_put(&pid->ref))
		return;
	for (unsigned int i = 0; i <= pid->level; i++)
		pid_ns_put(pid->numbers[i].ns);
	mem_free(pid);
}

static uint64_t pid_hash(int32_t nr)
{
	return hash_u64(0, (uint32_t)nr);
}

/* hash_node sits at a different offset in each element of numbers[]: find the element, then the pid. */
struct pid *pid_of_hash_node(struct hash_node *n, unsigned int level)
{
	char *number = (char *)n - offsetof(typeof(((struct pid *)0)->numbers[0]), node);

	return (struct pid *)(void *)(number - level * sizeof(((struct pid *)0)->numbers[0]) -
				      offsetof(struct pid, numbers));
}

struct pid *pid_peek_locked(struct pid_ns *ns, int32_t nr)
{
	struct hash_node *n;

	for (n = hash_first(&ns->pids, pid_hash(nr)); n; n = hash_next(n)) {
		struct pid *pid = pid_of_hash_node(n, ns->level);

		if (pid->numbers[ns->level].nr == nr)
			return pid;
	}
	return NULL;
}

struct pid *pid_lookup(struct pid_ns *ns, int32_t nr)
{
	struct pid *pid;

	mutex_lock(&tasklist.lock);
	pid = pid_peek_locked(ns, nr);
	if (pid)
		pid_get(pid);
	mutex_unlock(&tasklist.lock);
	return pid;
}

static int pid_alloc_number_locked(struct pid_ns *ns, int32_t want)
{
	int32_t nr = ns->last;

	if (want)
		return pid_peek_locked(ns, want) ? -EEXIST : want;
	for (int32_t tries = 0; tries < PID_MAX_LIMIT; tries++) {
		nr++;
		if (nr >= PID_MAX_LIMIT)
			nr = PID_RESERVED;
		if (!pid_peek_locked(ns, nr)) {
			ns->last = nr;
			return nr;
		}
	}
	return -EAGAIN;
}

int pid_new_locked(struct pid_ns *ns, const int32_t *set_tid, size_t set_tid_count, struct pid **out)
{
	struct pid *pid;
	unsigned int level = ns->level;
	struct pid_ns *at = ns;
	int err;

	if (ns->dying)
		return -ENOMEM; /* clone(2): the namespace's init has ended */
	if (set_tid_count > level + 1)
		return -EINVAL;
	pid = mem_zalloc(sizeof(*pid) + (level + 1) * sizeof(pid->numbers[0]));
	if (!pid)
		return -ENOMEM;
	ref_init(&pid->ref);
	pid->level = level;
	wq_init(&pid->wq);

	for (unsigned int i = 0; i <= level; i++, at = at->parent) {
		int32_t want = i < set_tid_count ? set_tid[i] : 0;
		int nr = pid_alloc_number_locked(at, want);

		if (nr < 0) {
			err = nr;
			goto remove;
		}
		pid->numbers[level - i].ns = pid_ns_get(at);
		pid->numbers[level - i].nr = nr;
		hash_insert(&at->pids, &pid->numbers[level - i].node, pid_hash(nr));
		at->count++;
	}
	*out = pid;
	return 0;

remove:
	for (unsigned int i = 0; i <= level; i++) {
		struct pid_ns *n = pid->numbers[i].ns;

		if (!n)
			continue;
		hash_remove(&n->pids, &pid->numbers[i].node);
		n->count--;
		pid_ns_put(n);
	}
	mem_free(pid);
	return err;
}

void pid_release_locked(struct pid *pid)
{
	if (pid->task || pid->process)
		return;
	if (!pid->left) {
		pid->left = true;
		for (unsigned int i = 0; i <= pid->level; i++) {
			struct pid_ns *ns = pid->numbers[i].ns;

			ns->count--;
			if (ns->dying && ns->init) /* pid_ns_zap() waits for the count */
				wq_wake(&ns->init->child_wq, 0);
		}
	}
	if (pid->pgrp || pid->session || pid->released)
		return;
	pid->released = true;
	for (unsigned int i = 0; i <= pid->level; i++)
		hash_remove(&pid->numbers[i].ns->pids, &pid->numbers[i].node);
	pid_put(pid); /* the table's reference */
}

struct pid *pid_next_locked(struct pid_ns *ns, int32_t from)
{
	struct hash_node *n, *tmp;
	struct pid *best = NULL;
	size_t i;

	hash_for_each(&ns->pids, i, n, tmp) {
		struct pid *pid = pid_of_hash_node(n, ns->level);
		int32_t nr = pid->numbers[ns->level].nr;

		if (nr >= from && (!best || nr < best->numbers[ns->level].nr))
			best = pid;
	}
	return best;
}
