/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numa.c: memory policies (set_mempolicy(2), mbind(2) and kin) of a machine with one node, 0.
 *
 * Where pages lie is the host's business, so a policy changes nothing; what was set is checked as Linux
 * does, kept, inherited and told.  mbind's ranges are kept apart from the host's mappings: what is
 * unmapped keeps its policy until something else is said of it.
 *
 * Linux: mm/mempolicy.c, mm/migrate.c (move_pages).
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#ifndef MPOL_PREFERRED_MANY
#define MPOL_PREFERRED_MANY 5
#endif
#define MPOL_WEIGHTED_INTERLEAVE_ 6
#define MODE_COUNT                7
#define MODE_FLAGS    (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | (1 << 13) /* NUMA_BALANCING */)
#define NODES_MAX     1024 /* bits of a node mask, as Debian's kernel has them */
#define POLICIES_MAX  4096
#define MOVE_CHUNK    128
#define CAP_SYS_NICE_ 23

/* ---- masks and modes --------------------------------------------------------------------------- */

/* A node mask of the application's: whether node 0, and whether any other is in it. */
struct nodes {
	bool zero, others;
};

static int nodes_get(struct task *t, uaddr_t mask, unsigned long maxnode, struct nodes *out)
{
	uint64_t words[NODES_MAX / 64] = { 0 };
	unsigned long bits = maxnode - 1, at = 0;

	*out = (struct nodes){ 0 };
	if (!maxnode || !bits || !mask.addr)
		return 0;
	if (bits > PAGE_SIZE * 8)
		return -EINVAL;
	/* What lies beyond our nodes must be zero. */
	for (; at < bits; at += 64) {
		uint64_t word, keep = bits - at >= 64 ? ~0ull : (1ull << (bits - at)) - 1;

		if (uaccess_get(t, &word, uaddr_add(mask, at / 8), sizeof(word)))
			return -EFAULT;
		word &= keep;
		if (at < NODES_MAX)
			words[at / 64] = word;
		else if (word)
			return -EINVAL;
	}
	out->zero = words[0] & 1;
	out->others = words[0] & ~1ull;
	for (unsigned int i = 1; i < ARRAY_SIZE(words); i++)
		out->others |= words[i] != 0;
	return 0;
}

/* Copy out a mask of node 0, or of none. */
static int nodes_put(struct task *t, uaddr_t mask, unsigned long maxnode, bool zero)
{
	unsigned long bytes = ALIGN_UP(maxnode - 1, 64) / 8;
	uint64_t word = zero;

	if (!maxnode)
		return -EINVAL;
	if (bytes > NODES_MAX / 8) {
		if (bytes > PAGE_SIZE)
			return -EINVAL;
		if (uaccess_zero(t, uaddr_add(mask, NODES_MAX / 8), bytes - NODES_MAX / 8))
			return -EFAULT;
		bytes = NODES_MAX / 8;
	}
	if (bytes > sizeof(word) && uaccess_zero(t, uaddr_add(mask, sizeof(word)), bytes - sizeof(word)))
		return -EFAULT;
	return uaccess_put(t, mask, &word, MIN(bytes, sizeof(word)));
}

/* The policy that mode (flags included) and nodes make; -EINVAL. */
static int policy_make(unsigned long mode, const struct nodes *n, unsigned int *out)
{
	unsigned int flags = (unsigned int)mode & MODE_FLAGS, kind = (unsigned int)mode & ~MODE_FLAGS;
	bool empty = !n->zero && !n->others;

	if (mode > UINT32_MAX || kind >= MODE_COUNT)
		return -EINVAL;
	if ((flags & MPOL_F_STATIC_NODES) && (flags & MPOL_F_RELATIVE_NODES))
		return -EINVAL;
	if ((flags & (1 << 13)) && kind != MPOL_BIND && kind != MPOL_PREFERRED_MANY)
		return -EINVAL;
	if (kind == MPOL_DEFAULT) {
		*out = MPOL_DEFAULT;
		return empty ? 0 : -EINVAL;
	}
	if (kind == MPOL_PREFERRED && empty) {
		*out = MPOL_LOCAL;
		return flags ? -EINVAL : 0;
	}
	*out = (unsigned int)mode;
	if (kind == MPOL_LOCAL)
		return empty && !flags ? 0 : -EINVAL;
	/* Relative nodes are folded onto those that there are. */
	return n->zero || (n->others && (flags & MPOL_F_RELATIVE_NODES)) ? 0 : -EINVAL;
}

static bool policy_has_node(unsigned int mode)
{
	unsigned int kind = mode & ~MODE_FLAGS;

	return kind != MPOL_DEFAULT && kind != MPOL_LOCAL;
}

/* ---- a task's ----------------------------------------------------------------------------------- */

long sys_set_mempolicy(struct task *t, int mode, uaddr_t mask, unsigned long maxnode)
{
	unsigned int policy;
	struct nodes n;
	int err;

	/* As Linux, which looks at the mode before the mask. */
	if (((unsigned int)mode & ~MODE_FLAGS) >= MODE_COUNT)
		return -EINVAL;
	err = nodes_get(t, mask, maxnode, &n);
	if (!err)
		err = policy_make((unsigned int)mode, &n, &policy);
	if (!err)
		t->mempolicy = policy;
	return err;
}

unsigned int mm_policy_at_locked(const struct mm *mm, uint64_t addr, uint64_t *end)
{
	unsigned int mode = MPOL_DEFAULT;

	for (size_t i = 0; i < mm->policy_count; i++) {
		const struct mm_policy *p = &mm->policies[i];

		if (addr >= p->start && addr < p->end) {
			mode = p->mode;
			*end = MIN(*end, p->end);
		} else if (p->start > addr) {
			*end = MIN(*end, p->start);
		}
	}
	return mode;
}

/* The policy of the range that addr lies in; the default where none was set. */
static unsigned int policy_at(struct task *t, uint64_t addr)
{
	uint64_t end = UINT64_MAX;
	unsigned int mode;

	mutex_lock(&t->mm->lock);
	mode = mm_policy_at_locked(t->mm, addr, &end);
	mutex_unlock(&t->mm->lock);
	return mode;
}

long sys_get_mempolicy(struct task *t, uaddr_t out, uaddr_t mask, unsigned long maxnode, uaddr_t addr,
		       unsigned long flags)
{
	unsigned int mode = t->mempolicy;
	bool node = policy_has_node(mode);
	int value;

	if (mask.addr && maxnode < 1)
		return -EINVAL;
	if (flags & ~(unsigned long)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (flags & MPOL_F_MEMS_ALLOWED) {
		if (flags & (MPOL_F_NODE | MPOL_F_ADDR))
			return -EINVAL;
		value = 0;
		node = true;
		goto put;
	}
	if (flags & MPOL_F_ADDR) {
		uint64_t page = ALIGN_DOWN(addr.addr, PAGE_SIZE);

		if (mm_for_range(t->mm, page, page + PAGE_SIZE, NULL, NULL))
			return -EFAULT;
		mode = policy_at(t, addr.addr);
		node = policy_has_node(mode);
	} else if (addr.addr) {
		return -EINVAL;
	}
	if (!(flags & MPOL_F_NODE))
		value = (int)mode;
	else if ((flags & MPOL_F_ADDR) || (mode & ~MODE_FLAGS) == MPOL_INTERLEAVE ||
		 (mode & ~MODE_FLAGS) == MPOL_WEIGHTED_INTERLEAVE_)
		value = 0; /* the node */
	else
		return -EINVAL;
put:
	if (out.addr && uaccess_put(t, out, &value, sizeof(value)))
		return -EFAULT;
	return mask.addr ? nodes_put(t, mask, maxnode, node) : 0;
}

/* ---- ranges ------------------------------------------------------------------------------------- */

static int policies_room_locked(struct mm *mm, size_t more)
{
	struct mm_policy *grown;

	if (mm->policy_count + more > POLICIES_MAX)
		return -ENOMEM;
	grown = mem_realloc(mm->policies, mm->policy_count + more, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	mm->policies = grown;
	return 0;
}

/* [start, end) has mode from now on; the default: none of its own. */
static int policies_set_locked(struct mm *mm, uint64_t start, uint64_t end, unsigned int mode)
{
	size_t n = mm->policy_count;
	int err = policies_room_locked(mm, 2);

	if (err)
		return err;
	for (size_t i = 0; i < n;) {
		struct mm_policy *p = &mm->policies[i];

		if (p->end <= start || p->start >= end) {
			i++;
		} else if (p->start < start) {
			if (p->end > end) /* two pieces: at most one range contains this one */
				mm->policies[mm->policy_count++] = (struct mm_policy){ end, p->end, p->mode };
			p->end = start;
			i++;
		} else if (p->end > end) {
			p->start = end;
			i++;
		} else {
			*p = mm->policies[--n];
			mm->policies[n] = mm->policies[--mm->policy_count];
		}
	}
	if (mode != MPOL_DEFAULT)
		mm->policies[mm->policy_count++] = (struct mm_policy){ start, end, mode };
	return 0;
}

/* Whole pages from addr on: their end.  -EINVAL; 1: none. */
static int policy_range(uaddr_t addr, unsigned long size, uint64_t *end)
{
	if (addr.addr & (PAGE_SIZE - 1))
		return -EINVAL;
	*end = addr.addr + ALIGN_UP(size, PAGE_SIZE);
	if (*end < addr.addr)
		return -EINVAL;
	return *end == addr.addr;
}

long sys_mbind(struct task *t, uaddr_t addr, unsigned long size, unsigned long mode, uaddr_t mask,
	       unsigned long maxnode, unsigned int flags)
{
	unsigned int policy;
	struct nodes n;
	uint64_t end;
	int r;

	if (((unsigned int)mode & ~MODE_FLAGS) >= MODE_COUNT || mode > UINT32_MAX)
		return -EINVAL;
	r = nodes_get(t, mask, maxnode, &n);
	if (r)
		return r;
	if (flags & ~7u /* STRICT MOVE MOVE_ALL */)
		return -EINVAL;
	if ((flags & MPOL_MF_MOVE_ALL) && !task_capable(t, CAP_SYS_NICE_))
		return -EPERM;
	r = policy_range(addr, size, &end);
	if (r)
		return MIN(r, 0);
	r = policy_make(mode, &n, &policy);
	if (r)
		return r;
	if (mm_for_range(t->mm, addr.addr, end, NULL, NULL))
		return -EFAULT;
	mutex_lock(&t->mm->lock);
	r = policies_set_locked(t->mm, addr.addr, end, policy);
	mutex_unlock(&t->mm->lock);
	return r;
}

long sys_set_mempolicy_home_node(struct task *t, unsigned long start, unsigned long size,
				 unsigned long home_node, unsigned long flags)
{
	struct mm *mm = t->mm;
	uint64_t end;
	int r;

	if (flags || home_node)
		return -EINVAL;
	r = policy_range((uaddr_t){ start }, size, &end);
	if (r)
		return MIN(r, 0);
	r = -ENOENT;
	mutex_lock(&mm->lock);
	for (size_t i = 0; i < mm->policy_count && r != -EOPNOTSUPP; i++) {
		unsigned int kind = mm->policies[i].mode & ~MODE_FLAGS;

		if (mm->policies[i].start < end && mm->policies[i].end > start)
			r = kind == MPOL_BIND || kind == MPOL_PREFERRED_MANY ? 0 : -EOPNOTSUPP;
	}
	mutex_unlock(&mm->lock);
	return r;
}

/* ---- moving pages: there is nowhere to go ------------------------------------------------------- */

/* The task that pid means (0: the caller), with a reference, if its pages may be moved. */
static int move_target(struct task *t, int pid, struct task **out)
{
	*out = pid ? task_lookup(task_pid_ns(t), pid) : task_get(t);
	if (!*out)
		return -ESRCH;
	return task_may_access(t, *out, PTRACE_READ | PTRACE_REALCREDS) ? 0 : -EPERM;
}

long sys_migrate_pages(struct task *t, int pid, unsigned long maxnode, uaddr_t from, uaddr_t to)
{
	struct task *target = NULL;
	struct nodes old, new;
	int err = nodes_get(t, from, maxnode, &old);

	if (!err)
		err = nodes_get(t, to, maxnode, &new);
	if (!err)
		err = move_target(t, pid, &target);
	if (!err && new.others && !task_capable(t, CAP_SYS_NICE_))
		err = -EPERM;
	if (!err && !new.zero)
		err = -EINVAL;
	task_put(target);
	return err;
}

/* One page's status: its node, -ENOENT: not there yet, -EFAULT: nothing is mapped. */
static int page_status(struct mm *mm, uint64_t addr)
{
	uint64_t page = ALIGN_DOWN(addr, PAGE_SIZE);
	uint8_t there = 0;

	if (page >= plat_layout()->user_max || mm_for_range(mm, page, page + PAGE_SIZE, NULL, NULL))
		return -EFAULT;
	return plat_mm_resident(mm->plat, page, 1, &there) || !there ? -ENOENT : 0;
}

static int move_chunk(struct task *t, struct mm *mm, size_t n, uaddr_t pages, uaddr_t nodes, uaddr_t status)
{
	uint64_t page[MOVE_CHUNK];
	int32_t node[MOVE_CHUNK] = { 0 }, result[MOVE_CHUNK];

	if (uaccess_get(t, page, pages, n * sizeof(*page)) ||
	    (nodes.addr && uaccess_get(t, node, nodes, n * sizeof(*node))))
		return -EFAULT;
	for (size_t i = 0; i < n; i++) {
		if (node[i] != 0)
			return -ENODEV;
		result[i] = page_status(mm, page[i]);
	}
	return uaccess_put(t, status, result, n * sizeof(*result)) ? -EFAULT : 0;
}

long sys_move_pages(struct task *t, int pid, unsigned long count, uaddr_t pages, uaddr_t nodes,
		    uaddr_t status, int flags)
{
	struct task *target = NULL;
	struct mm *mm = NULL;
	int err;

	if (flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -EINVAL;
	if ((flags & MPOL_MF_MOVE_ALL) && !task_capable(t, CAP_SYS_NICE_))
		return -EPERM;
	err = move_target(t, pid, &target);
	if (!err) {
		mm = task_mm_get(target);
		err = mm ? 0 : -EINVAL;
	}
	for (unsigned long at = 0; at < count && !err; at += MOVE_CHUNK) {
		if (task_exiting(t))
			err = -EINTR;
		else
			err = move_chunk(t, mm, MIN(count - at, (unsigned long)MOVE_CHUNK),
					 uaddr_add(pages, at * 8),
					 nodes.addr ? uaddr_add(nodes, at * 4) : nodes,
					 uaddr_add(status, at * 4));
	}
	mm_put(mm);
	task_put(target);
	return err;
}
