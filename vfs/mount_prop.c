/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_prop.c: shared subtrees (mount_namespaces(7)): peer groups, slaves, and propagation.
 *
 * Peers form a ring; each peer group, and each private mount, may have a master (one mount of the
 * group that it receives from).  What is mounted in a member of a group is mounted in all members,
 * and goes on to slaves of any member, to their peers, and so on down:
 *
 *     A ══ B (peers)      mounting x in A: copies in B (peer of x), C (slave of x),
 *          │ slave        D (peer of C's copy), E (slave of C's copy)
 *          C ══ D
 *               │ slave
 *               E
 *
 * The walk over that graph is by worklist, never recursive: applications decide how deep it is.
 * All under mounts.lock.  Linux: fs/pnode.c, Documentation/filesystems/sharedsubtree.rst.
 */
#include <errno.h>
#include <sys/mount.h>

#include "vfs/mount_impl.h"

static atomic_uint next_group = 1;

bool mount_shared(const struct mount *m)
{
	return m->group != 0;
}

void mount_share(struct mount *m)
{
	if (m->group == 0)
		m->group = atomic_fetch_add_explicit(&next_group, 1, memory_order_relaxed);
	if (m->sb->outside_group == 0 && m->sb->ops->bind_outside)
		m->sb->outside_group = m->group;
	m->unbindable = false;
}

static struct mount *next_peer(struct mount *m)
{
	return list_entry(m->peers.next, struct mount, peers);
}

/* A peer to take over m's slaves, best one that shows the same directory. */
static struct mount *heir(struct mount *m)
{
	if (list_empty(&m->peers))
		return NULL;
	for (struct mount *p = next_peer(m); p != m; p = next_peer(p))
		if (p->root == m->root)
			return p;
	return next_peer(m);
}

/* Out of its peer group; its slaves, and m itself, get the heir or m's own master. */
static void make_slave(struct mount *m)
{
	struct mount *master = heir(m), *s;

	if (!master)
		master = m->master;
	list_remove(&m->peers);
	m->group = 0;
	list_for_each_entry(s, &m->slaves, slave_node)
		s->master = master;
	list_remove(&m->slave_node);
	if (master) {
		list_splice(&master->slaves, &m->slaves);
		list_append(&master->slaves, &m->slave_node);
	} else {
		while (list_shift(&m->slaves))
			;
	}
	m->master = master;
}

void mount_set_type(struct mount *m, unsigned long type)
{
	if (type == MS_SHARED) {
		mount_share(m);
		return;
	}
	make_slave(m);
	if (type == MS_SLAVE)
		return;
	list_remove(&m->slave_node);
	m->master = NULL;
	m->unbindable = type == MS_UNBINDABLE;
}

void mount_join_group(struct mount *m, struct mount *with)
{
	if (with->master) {
		m->master = with->master;
		list_push(&with->slave_node, &m->slave_node);
	}
	if (mount_shared(with)) {
		m->group = with->group;
		list_push(&with->peers, &m->peers);
		m->unbindable = false;
	}
}

/* ---- who receives ----------------------------------------------------------------------------- */

static void visit_push(struct list *todo, struct mount *member, struct mount *source)
{
	if (member->seen)
		return;
	/* One entry a group: mark all its members. */
	for (struct mount *p = next_peer(member);; p = next_peer(p)) {
		p->seen = true;
		if (p == member)
			break;
	}
	member->source = source;
	list_append(todo, &member->visit);
}

static void visit_slaves(struct list *todo, struct mount *member, struct mount *source)
{
	for (struct mount *p = next_peer(member);; p = next_peer(p)) {
		struct mount *s;

		list_for_each_entry(s, &p->slaves, slave_node)
			visit_push(todo, s, source);
		if (p == member)
			break;
	}
}

/* Clear the marks of everything that can be reached from m. */
static void visit_clear(struct list *todo, struct mount *m)
{
	struct list *n;

	list_append(todo, &m->visit);
	while ((n = list_shift(todo))) {
		struct mount *member = list_entry(n, struct mount, visit);

		for (struct mount *p = next_peer(member);; p = next_peer(p)) {
			struct mount *s;

			p->seen = false;
			list_for_each_entry(s, &p->slaves, slave_node)
				if (s->seen && !list_linked(&s->visit))
					list_append(todo, &s->visit);
			if (p == member)
				break;
		}
	}
}

/* ---- mounting --------------------------------------------------------------------------------- */

/* Those made by this very propagation are in no namespace yet. */
static bool receives(const struct mount *q, struct dentry *at)
{
	return q->ns && q->sb == at->sb && dentry_is_below(at, q->root);
}

static int copy_onto(struct mount *q, struct mount *source, unsigned int flags,
		     struct list *copies, struct mount **out)
{
	struct mount *c;

	if (q->ns && q->ns->count + mount_tree_count(source) > MOUNTS_MAX)
		return -ENOSPC;
	c = mount_copy_tree(source, source->root, flags);
	if (!c)
		return -ENOMEM;
	c->onto = q;
	list_append(copies, &c->work);
	*out = c;
	return 0;
}

/*
 * The members of one group get copies of source: the first one as its peer (or, in a slave group,
 * as a slave in a new group), the others as peers of the first.  *source becomes what slaves of
 * this group are slaves of.
 */
static int propagate_group(struct mount *member, const struct mount *origin, struct dentry *at,
			   bool slave, struct mount **source, struct list *copies)
{
	unsigned int flags = slave ? COPY_SLAVE : COPY_MAKE_SHARED;
	struct mount *p = member;

	if (slave && mount_shared(member))
		flags |= COPY_MAKE_SHARED;
	do {
		if (p != origin && receives(p, at)) {
			struct mount *c;
			int err = copy_onto(p, *source, flags, copies, &c);

			if (err < 0)
				return err;
			if (slave) {
				*source = c;
				flags = COPY_MAKE_SHARED;
				slave = false;
			}
		}
		p = next_peer(p);
	} while (p != member);
	return 0;
}

int mount_propagate(struct mount *parent, struct dentry *at, struct mount *top,
		    struct list *copies)
{
	struct list todo = LIST_INIT(todo);
	struct list *n;
	int err = 0;

	if (!mount_shared(parent))
		return 0;
	visit_push(&todo, parent, top);
	while ((n = list_shift(&todo))) {
		struct mount *member = list_entry(n, struct mount, visit);
		struct mount *source = member->source;

		if (err < 0)
			continue; /* only take them off the list */
		err = propagate_group(member, parent, at, member != parent, &source, copies);
		if (err == 0)
			visit_slaves(&todo, member, source);
	}
	visit_clear(&todo, parent);
	return err;
}

/* ---- unmounting ------------------------------------------------------------------------------- */

/* Call fn for each mount that shows, at the same place as m, what was propagated with m. */
static bool for_each_propagated(struct mount *m, bool (*fn)(struct mount *child, void *arg),
				void *arg)
{
	struct list todo = LIST_INIT(todo);
	struct mount *parent = m->parent;
	bool stop = false;
	struct list *n;

	if (!parent || (!mount_shared(parent) && list_empty(&parent->slaves)))
		return false;
	visit_push(&todo, parent, NULL);
	while ((n = list_shift(&todo))) {
		struct mount *member = list_entry(n, struct mount, visit), *p = member;

		do {
			struct mount *child = p == parent ? NULL : mount_peek(p, m->mountpoint);

			if (!stop && child)
				stop = fn(child, arg);
			p = next_peer(p);
		} while (p != member);
		visit_slaves(&todo, member, NULL);
	}
	visit_clear(&todo, parent);
	return stop;
}

static bool child_busy(struct mount *child, void *arg)
{
	(void)arg;
	return list_empty(&child->children) && ref_count(&child->ref) > 1;
}

bool mount_propagated_busy(struct mount *m)
{
	return for_each_propagated(m, child_busy, NULL);
}

/* Linked by ->copy, marked by ->onto. */
struct going {
	struct mount *first;
};

static bool child_collect(struct mount *child, void *arg)
{
	struct going *g = arg;

	if (child->onto != child) {
		child->onto = child; /* mark */
		child->copy = g->first;
		g->first = child;
	}
	return false;
}

/*
 * All of child's own children are going as well, but for one that covers it whole: that one was there
 * before child was put under it, and takes its place (find_topper()).
 */
static bool only_going_below(const struct mount *child)
{
	struct mount *c;

	list_for_each_entry(c, &child->children, child_node)
		if (!list_linked(&c->work) && c->mountpoint != child->root)
			return false;
	return true;
}

void mount_propagate_umount(struct list *going)
{
	struct list *pos;

	/*
	 * From the last (deepest) to the first, so that a propagated mount's children have been
	 * collected before itself.  What is added goes in front: it is not visited again.
	 */
	for (pos = going->prev; pos != going; pos = pos->prev) {
		struct mount *m = list_entry(pos, struct mount, work);
		struct going g = { NULL };
		struct mount *c, *next;

		for_each_propagated(m, child_collect, &g);
		for (c = g.first; c; c = next) {
			next = c->copy;
			c->onto = NULL;
			c->copy = NULL;
			if (!list_linked(&c->work) && only_going_below(c))
				list_append(going, &c->work);
		}
	}
}

/* ---- looking ---------------------------------------------------------------------------------- */

bool mount_reachable(struct mount *m, struct dentry *d, const struct path *root)
{
	while (m != root->mnt && m->parent) {
		d = m->mountpoint;
		m = m->parent;
	}
	return m == root->mnt && dentry_is_below(d, root->dentry);
}

static bool group_reachable(struct mount *m, const struct path *root)
{
	for (struct mount *p = next_peer(m);; p = next_peer(p)) {
		if (p->ns == root->mnt->ns && mount_reachable(p, p->root, root))
			return true;
		if (p == m)
			return false;
	}
}

unsigned int mount_dominating_group(const struct mount *m, const struct path *root)
{
	for (struct mount *d = m->master; d; d = d->master)
		if (group_reachable(d, root))
			return d->group;
	return 0;
}
