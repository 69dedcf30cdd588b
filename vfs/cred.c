/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cred.c: credentials and user namespaces.
 *
 * Published credentials never change, so nothing here locks but the writing of id maps.  Linux:
 * kernel/cred.c, kernel/user_namespace.c, security/commoncap.c.
 */
#include "vfs/cred.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/overflow.h"
#include "vfs/landlock.h"
#include "vfs/user_ns.h"

static struct id_extent identity = { 0, 0, 0xffffffffu };

static struct user_ns first_ns = {
	.ref = { 1 },
	.maps = { { 1, &identity }, { 1, &identity } },
	.id = 4026531837u, /* PROC_USER_INIT_INO */
};
struct user_ns *const user_ns_init = &first_ns;

uint64_t ns_ino_new(void)
{
	static atomic_uint_least64_t next = 4026532000u;

	return atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
}

/* ---- user namespaces -------------------------------------------------------------------------- */

static atomic_uint user_ns_count;

struct user_ns *user_ns_get(struct user_ns *ns)
{
	ref_get(&ns->ref);
	return ns;
}

void user_ns_put(struct user_ns *ns)
{
	while (ns && ns != &first_ns && ref_put(&ns->ref)) {
		struct user_ns *parent = ns->parent;

		atomic_fetch_sub_explicit(&user_ns_count, 1, memory_order_relaxed);
		mem_free(ns->maps[ID_UID].extents);
		mem_free(ns->maps[ID_GID].extents);
		mem_free(ns);
		ns = parent;
	}
	if (ns == &first_ns)
		(void)ref_put(&ns->ref);
}

int user_ns_new(const struct cred *c, struct user_ns **out)
{
	struct user_ns *parent = c->user_ns;
	struct user_ns *ns;

	if (parent->level > USER_NS_DEPTH_MAX)
		return -ENOSPC;
	if (user_ns_from_kernel(parent, ID_UID, c->euid) == ID_INVALID ||
	    user_ns_from_kernel(parent, ID_GID, c->egid) == ID_INVALID)
		return -EPERM;
	if (atomic_fetch_add_explicit(&user_ns_count, 1, memory_order_relaxed) >= USER_NS_COUNT_MAX) {
		atomic_fetch_sub_explicit(&user_ns_count, 1, memory_order_relaxed);
		return -ENOSPC;
	}
	ns = mem_new(struct user_ns);
	if (!ns) {
		atomic_fetch_sub_explicit(&user_ns_count, 1, memory_order_relaxed);
		return -ENOMEM;
	}
	ref_init(&ns->ref);
	latch_init(&ns->latch);
	ns->parent = user_ns_get(parent);
	ns->level = parent->level + 1;
	ns->owner = c->euid;
	ns->group = c->egid;
	atomic_init(&ns->setgroups_denied,
		    atomic_load_explicit(&parent->setgroups_denied, memory_order_relaxed));
	ns->parent_could_setfcap = (c->effective & CAP_BIT(31 /* CAP_SETFCAP */)) != 0;
	ns->id = ns_ino_new();
	*out = ns;
	return 0;
}

void cred_enter_user_ns(struct cred *c, struct user_ns *ns)
{
	c->securebits = 0;
	c->inheritable = c->ambient = 0;
	c->permitted = c->effective = c->bounding = CAP_FULL;
	user_ns_put(c->user_ns);
	c->user_ns = ns;
}

bool user_ns_is_below(const struct user_ns *ns, const struct user_ns *anc)
{
	while (ns->level > anc->level)
		ns = ns->parent;
	return ns == anc;
}

uint32_t user_ns_to_kernel(const struct user_ns *ns, enum id_kind k, uint32_t id)
{
	const struct id_map *m = &ns->maps[k];
	unsigned int n = atomic_load_explicit(&m->count, memory_order_acquire); /* user_ns_set_map */

	if (id == ID_INVALID)
		return ID_INVALID;
	for (unsigned int i = 0; i < n; i++) {
		const struct id_extent *e = &m->extents[i];

		if (id >= e->first && id - e->first < e->count)
			return e->lower + (id - e->first);
	}
	return ID_INVALID;
}

uint32_t user_ns_from_kernel(const struct user_ns *ns, enum id_kind k, uint32_t id)
{
	const struct id_map *m = &ns->maps[k];
	unsigned int n = atomic_load_explicit(&m->count, memory_order_acquire); /* user_ns_set_map */

	if (id == ID_INVALID)
		return ID_INVALID;
	for (unsigned int i = 0; i < n; i++) {
		const struct id_extent *e = &m->extents[i];

		if (id >= e->lower && id - e->lower < e->count)
			return e->first + (id - e->lower);
	}
	return ID_INVALID;
}

uint32_t user_ns_from_kernel_munged(const struct user_ns *ns, enum id_kind k, uint32_t id)
{
	uint32_t r = user_ns_from_kernel(ns, k, id);

	return r == ID_INVALID ? ID_OVERFLOW : r;
}

/* Two ranges of count a and b overlap. */
static bool ranges_overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
	return a < (uint64_t)b + b_count && b < (uint64_t)a + a_count;
}

static int extents_check(const struct id_extent *e, unsigned int count)
{
	uint32_t end;

	if (count == 0 || count > ID_EXTENTS_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < count; i++) {
		if (e[i].count == 0 || add_overflow(e[i].first, e[i].count, &end) ||
		    add_overflow(e[i].lower, e[i].count, &end))
			return -EINVAL;
		for (unsigned int j = 0; j < i; j++)
			if (ranges_overlap(e[i].first, e[i].count, e[j].first, e[j].count) ||
			    ranges_overlap(e[i].lower, e[i].count, e[j].lower, e[j].count))
				return -EINVAL;
	}
	return 0;
}

/* The whole range [lower, lower+count) of parent ids lies in one extent of the parent's map. */
static uint32_t range_to_kernel(const struct user_ns *parent, enum id_kind k,
				const struct id_extent *e)
{
	uint32_t first = user_ns_to_kernel(parent, k, e->lower);
	uint32_t last = user_ns_to_kernel(parent, k, e->lower + e->count - 1);

	if (first == ID_INVALID || last == ID_INVALID || last - first != e->count - 1)
		return ID_INVALID;
	return first;
}

int user_ns_set_map(struct user_ns *ns, enum id_kind k, const struct id_extent *extents,
		    unsigned int count)
{
	struct id_map *m = &ns->maps[k];
	struct id_extent *copy;
	int err;

	err = extents_check(extents, count);
	if (err < 0)
		return err;
	copy = mem_dup(extents, count * sizeof(*extents));
	if (!copy)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		copy[i].lower = range_to_kernel(ns->parent, k, &extents[i]);
		if (copy[i].lower == ID_INVALID) {
			err = -EPERM;
			goto free_copy;
		}
	}
	latch_lock(&ns->latch);
	if (m->extents) {
		err = -EPERM;
	} else {
		m->extents = copy;
		/* Pairs with the readers' acquire. */
		atomic_store_explicit(&m->count, count, memory_order_release);
		copy = NULL;
	}
	latch_unlock(&ns->latch);
free_copy:
	mem_free(copy);
	return err;
}

/* ---- credentials ------------------------------------------------------------------------------ */

struct cred *cred_new_root(void)
{
	struct cred *c = mem_new(struct cred);

	if (!c)
		return NULL;
	ref_init(&c->ref);
	c->permitted = c->effective = c->bounding = CAP_FULL;
	c->user_ns = user_ns_get(user_ns_init);
	return c;
}

struct cred *cred_dup(const struct cred *c)
{
	struct cred *n = mem_dup(c, sizeof(*c));

	if (!n)
		return NULL;
	ref_init(&n->ref);
	if (c->group_count) {
		n->groups = mem_dup(c->groups, c->group_count * sizeof(*c->groups));
		if (!n->groups) {
			mem_free(n);
			return NULL;
		}
	} else {
		n->groups = NULL;
	}
	n->user_ns = user_ns_get(c->user_ns);
	landlock_get(n->landlock);
	return n;
}

/* The count is the one member of published credentials that changes. */
static struct ref *cred_ref(const struct cred *c)
{
	return (struct ref *)((uintptr_t)c + offsetof(struct cred, ref));
}

const struct cred *cred_get(const struct cred *c)
{
	ref_get(cred_ref(c));
	return c;
}

void cred_put(const struct cred *c)
{
	if (!c || !ref_put(cred_ref(c)))
		return;
	user_ns_put(c->user_ns);
	landlock_put(c->landlock);
	mem_free(c->groups);
	mem_free((void *)(uintptr_t)c);
}

bool cred_capable_ns(const struct cred *c, const struct user_ns *ns, int cap)
{
	for (;; ns = ns->parent) {
		if (ns == c->user_ns)
			return (c->effective & CAP_BIT(cap)) != 0;
		if (ns->level <= c->user_ns->level)
			return false;
		/* The owner of a namespace has all capabilities in it. */
		if (ns->parent == c->user_ns && ns->owner == c->euid)
			return true;
	}
}

static bool cred_has_group(const struct cred *c, uint32_t gid)
{
	uint32_t lo = 0, hi = c->group_count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (c->groups[mid] == gid)
			return true;
		if (c->groups[mid] < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

bool cred_in_fsgroup(const struct cred *c, uint32_t gid)
{
	return gid == c->fsgid || cred_has_group(c, gid);
}

bool cred_in_egroup(const struct cred *c, uint32_t gid)
{
	return gid == c->egid || cred_has_group(c, gid);
}
