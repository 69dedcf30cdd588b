/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_name.c: the names of AF_UNIX sockets (unix(7), "Address format"), and the list of all.
 *
 * Abstract names live in a table, by network namespace, type and bytes (Linux hashes the type in as
 * well, so sockets of different types may share a name).  The table holds no references: a
 * released socket takes itself out, and a lookup takes its reference under the module latch.
 * A path's inode holds the socket bound there (inode->bound), and the socket holds the path, so the
 * name works for as long as the socket lives; afterwards connecting gives ECONNREFUSED.
 *
 * A name is set once.  u->binding keeps a second bind(2) out while the first makes the inode.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/socket/unix_impl.h"
#include "vfs/landlock.h"
#include "vfs/gofer/gofer_fs.h"

static struct {
	struct latch latch;
	struct hash names;      /* (latch) abstract names: struct unix_sock by name_node */
	struct list all;        /* (latch) struct unix_sock by all_node */
	unsigned int next_name; /* (latch) autobind */
} module;

int unix_name_init(void)
{
	latch_init(&module.latch);
	list_init(&module.all);
	return hash_init(&module.names, 256);
}

void unix_module_lock(void)
{
	latch_lock(&module.latch);
}

void unix_module_unlock(void)
{
	latch_unlock(&module.latch);
}

void unix_name_register(struct unix_sock *u)
{
	latch_lock(&module.latch);
	list_append(&module.all, &u->all_node);
	latch_unlock(&module.latch);
}

static bool addr_is_abstract(const struct unix_addr *a)
{
	return a->size > UNIX_PATH_OFFSET && a->un.sun_path[0] == '\0';
}

/* An accepted socket shows the listener's abstract name but is not found by it. */
static bool name_is_hashed(const struct unix_sock *u)
{
	return u->name_node.hash != 0;
}

void unix_name_forget(struct unix_sock *u)
{
	latch_lock(&module.latch);
	list_remove(&u->all_node);
	if (name_is_hashed(u))
		hash_remove(&module.names, &u->name_node);
	u->name_node.hash = 0;
	latch_unlock(&module.latch);
}

/* ---- addresses --------------------------------------------------------------------------------- */

int unix_check_addr(const struct sock_addr *a)
{
	if (a->size <= UNIX_PATH_OFFSET || a->size > sizeof(struct sockaddr_un) ||
	    a->un.sun_family != AF_UNIX)
		return -EINVAL;
	return 0;
}

void unix_copy_addr(const struct unix_sock *u, struct sock_addr *out)
{
	const struct unix_addr *a = unix_addr(u);

	if (!a) {
		out->size = 0;
		return;
	}
	memcpy(&out->un, &a->un, a->size);
	out->size = a->size;
}

static uint64_t name_hash(const struct net_ns *net, int type, const struct unix_addr *a)
{
	uint64_t h = hash_u64((uintptr_t)net, (uint64_t)type);

	return hash_bytes(h, &a->un, a->size) | 1; /* never 0 */
}

static struct unix_sock *name_peek_locked(const struct net_ns *net, int type,
					  const struct unix_addr *a)
{
	for (struct hash_node *n = hash_first(&module.names, a->hash); n; n = hash_next(n)) {
		struct unix_sock *u = container_of(n, struct unix_sock, name_node);
		const struct unix_addr *b = unix_addr(u);

		if (u->s.net == net && u->s.type == type && b->size == a->size &&
		    memcmp(&b->un, &a->un, a->size) == 0)
			return u;
	}
	return NULL;
}

/* Make a its name.  a is consumed on success.  -EADDRINUSE. */
static int name_set_abstract(struct unix_sock *u, struct unix_addr *a)
{
	int err = 0;

	a->hash = name_hash(u->s.net, u->s.type, a);
	latch_lock(&module.latch);
	if (name_peek_locked(u->s.net, u->s.type, a)) {
		err = -EADDRINUSE;
	} else {
		/* release: pairs with unix_addr() */
		atomic_store_explicit(&u->addr, a, memory_order_release);
		hash_insert(&module.names, &u->name_node, a->hash);
	}
	latch_unlock(&module.latch);
	return err;
}

int unix_name_inherit(struct unix_sock *child, struct unix_sock *listener)
{
	const struct unix_addr *a = unix_addr(listener);
	struct unix_addr *copy;

	if (!a)
		return 0;
	copy = mem_dup(a, sizeof(*a));
	if (!copy)
		return -ENOMEM;
	atomic_store_explicit(&child->addr, copy, memory_order_release);
	return 0;
}

/* ---- binding ----------------------------------------------------------------------------------- */

/* -EINVAL when it has a name or is getting one. */
static int bind_begin(struct unix_sock *u)
{
	int err = 0;

	latch_lock(&u->latch);
	if (u->binding || unix_addr(u))
		err = -EINVAL;
	else
		u->binding = true;
	latch_unlock(&u->latch);
	return err;
}

static void bind_end(struct unix_sock *u)
{
	latch_lock(&u->latch);
	u->binding = false;
	latch_unlock(&u->latch);
}

static int bind_auto(struct unix_sock *u)
{
	struct unix_addr *a = mem_new(struct unix_addr);
	char name[8];
	int err = -EADDRINUSE;

	if (!a)
		return -ENOMEM;
	a->un.sun_family = AF_UNIX;
	a->size = UNIX_PATH_OFFSET + 6;
	for (unsigned int tries = 0; tries < 1u << 20 && err == -EADDRINUSE; tries++) {
		latch_lock(&module.latch);
		snprintf(name, sizeof(name), "%05x", module.next_name++ & 0xfffff);
		latch_unlock(&module.latch);
		memcpy(a->un.sun_path + 1, name, 5);
		err = name_set_abstract(u, a);
	}
	if (err < 0)
		mem_free(a);
	return err == -EADDRINUSE ? -ENOSPC : err;
}

int unix_autobind(struct vfs_ctx *c, struct unix_sock *u)
{
	int err;

	(void)c;
	if (unix_addr(u))
		return 0;
	err = bind_begin(u);
	if (err < 0)
		return 0; /* somebody else is giving it one */
	err = bind_auto(u);
	bind_end(u);
	return err;
}

static void unix_bound_put(void *bound)
{
	unix_put(bound);
}

/* sun_path as a string of our own. */
static void addr_path(const struct sock_addr *a, char path[static sizeof(a->un.sun_path) + 1])
{
	size_t max = a->size - UNIX_PATH_OFFSET;

	memcpy(path, a->un.sun_path, max);
	path[max] = '\0';
}

static int bind_path(struct vfs_ctx *c, struct unix_sock *u, const struct sock_addr *from)
{
	char path[sizeof(from->un.sun_path) + 1];
	struct unix_addr *a = mem_new(struct unix_addr);
	int err;

	if (!a)
		return -ENOMEM;
	addr_path(from, path);
	a->un.sun_family = AF_UNIX;
	a->size = UNIX_PATH_OFFSET + (uint32_t)strlen(path) + 1;
	if (a->size > sizeof(a->un)) /* 108 bytes without a NUL: not shown either */
		a->size = sizeof(a->un);
	memcpy(a->un.sun_path, path, a->size - UNIX_PATH_OFFSET);
	unix_get(u); /* for the inode */
	err = vfs_bind_socket(c, path, S_IFSOCK | 0777, u->s.type, u, unix_bound_put, &u->path);
	if (err < 0) {
		unix_put(u);
		mem_free(a);
		return err == -EEXIST ? -EADDRINUSE : err;
	}
	/* release: pairs with unix_addr() */
	atomic_store_explicit(&u->addr, a, memory_order_release);
	return 0;
}

static int bind_abstract(struct unix_sock *u, const struct sock_addr *from)
{
	struct unix_addr *a = mem_new(struct unix_addr);
	int err;

	if (!a)
		return -ENOMEM;
	a->size = from->size;
	memcpy(&a->un, &from->un, from->size);
	err = name_set_abstract(u, a);
	if (err < 0)
		mem_free(a);
	return err;
}

int unix_bind(struct vfs_ctx *c, struct socket *s, const struct sock_addr *a)
{
	struct unix_sock *u = unix_sk(s);
	int err;

	if (a->size == UNIX_PATH_OFFSET && a->un.sun_family == AF_UNIX)
		return unix_autobind(c, u);
	err = unix_check_addr(a);
	if (err < 0)
		return err;
	err = bind_begin(u);
	if (err < 0)
		return err;
	err = a->un.sun_path[0] ? bind_path(c, u, a) : bind_abstract(u, a);
	bind_end(u);
	if (err == 0 && !unix_connection_based(u))
		unix_outside_open(u);
	return err;
}

/* ---- finding ----------------------------------------------------------------------------------- */

/* The inode outlives who was bound to it. */
static bool unix_is_dead(struct unix_sock *u)
{
	bool dead;

	latch_lock(&u->latch);
	dead = u->dead;
	latch_unlock(&u->latch);
	return dead;
}

static int find_path(struct vfs_ctx *c, const struct sock_addr *a, int type, struct unix_sock **out)
{
	char path[sizeof(a->un.sun_path) + 1];
	struct unix_sock *u = NULL;
	struct path p;
	struct inode *i;
	int err;

	addr_path(a, path);
	err = vfs_walk(c, NULL, path, WALK_FOLLOW, &p);
	if (err < 0)
		return err;
	i = dentry_inode(p.dentry);
	err = inode_permission(c, i, MAY_WRITE);
	if (err < 0)
		goto put_path;
	err = -ECONNREFUSED;
	if (!S_ISSOCK(i->mode))
		goto put_path;
	mutex_lock(&i->lock);
	if (i->bound && i->bound_put == unix_bound_put)
		u = unix_get(i->bound);
	mutex_unlock(&i->lock);
	if (!u)
		goto put_path;
	if (!unix_is_dead(u))
		err = u->s.type == type ? 0 : -EPROTOTYPE;
	if (err < 0)
		unix_put(u);
	else
		*out = u;
put_path:
	path_put(&p);
	return err;
}

int unix_find_host(struct vfs_ctx *c, const struct sock_addr *a, int type, int *fd)
{
	char path[sizeof(a->un.sun_path) + 1];
	struct path p;
	int err;

	if (!a->un.sun_path[0])
		return -ECONNREFUSED;
	addr_path(a, path);
	err = vfs_walk(c, NULL, path, WALK_FOLLOW, &p);
	if (err < 0)
		return err;
	err = inode_permission(c, dentry_inode(p.dentry), MAY_WRITE);
	if (err == 0) {
		err = gofer_fs_connect(dentry_inode(p.dentry), type);
		if (err >= 0)
			*fd = err;
	}
	path_put(&p);
	return err < 0 ? err : 0;
}

int unix_find(struct vfs_ctx *c, struct net_ns *net, const struct sock_addr *a, int type,
	      struct unix_sock **out)
{
	struct unix_addr key = { .size = a->size };
	struct unix_sock *u;

	if (a->un.sun_path[0])
		return find_path(c, a, type, out);
	memcpy(&key.un, &a->un, a->size);
	key.hash = name_hash(net, type, &key);
	latch_lock(&module.latch);
	u = name_peek_locked(net, type, &key);
	if (u && !ref_try_get(&u->ref))
		u = NULL;
	latch_unlock(&module.latch);
	if (!u)
		return -ECONNREFUSED;
	if (landlock_scoped(c->cred->landlock, u->landlock, LANDLOCK_SCOPED_UNIX)) {
		unix_put(u);
		return -EPERM;
	}
	*out = u;
	return 0;
}

/* ---- /proc/net/unix ---------------------------------------------------------------------------- */

static void show_one_locked(const struct unix_sock *u, struct buf *b)
{
	const struct unix_addr *a = unix_addr(u);
	unsigned int state = unix_load(&u->state);
	bool established = state == UNIX_ESTABLISHED;
	unsigned int shown = u->s.file ? (established ? 3 : 1) : (established ? 2 : 4);

	buf_printf(b, "%016x: %08X %08X %08X %04X %02X %5llu", 0,
		   (unsigned int)atomic_load_explicit(&u->ref.count, memory_order_relaxed), 0u,
		   state == UNIX_LISTEN ? 0x10000u : 0u, (unsigned int)u->s.type, shown,
		   u->s.file ? (unsigned long long)u->s.file->inode->ino : 0ULL);
	if (a) {
		size_t size = a->size - UNIX_PATH_OFFSET;

		buf_putc(b, ' ');
		if (!addr_is_abstract(a))
			size = strnlen(a->un.sun_path, size);
		for (size_t i = 0; i < size; i++)
			buf_putc(b, a->un.sun_path[i] ? a->un.sun_path[i] : '@');
	}
	buf_putc(b, '\n');
}

ssize_t unix_snapshot(struct net_ns *net, struct unix_sock ***out)
{
	size_t count = 0, max = 0;
	struct unix_sock *u;

	/* More may come while we have no latch: those are not shown. */
	latch_lock(&module.latch);
	list_for_each_entry(u, &module.all, all_node)
		max++;
	latch_unlock(&module.latch);
	*out = mem_calloc(max ? max : 1, sizeof(struct unix_sock *));
	if (!*out)
		return -ENOMEM;
	latch_lock(&module.latch);
	list_for_each_entry(u, &module.all, all_node)
		if (count < max && u->s.net == net && ref_try_get(&u->ref))
			(*out)[count++] = u;
	latch_unlock(&module.latch);
	return (ssize_t)count;
}

uint64_t unix_inode(const struct unix_sock *u)
{
	uint64_t inode = 0;

	latch_lock(&module.latch); /* a file outlives its socket's place in the list */
	if (list_linked(&u->all_node) && u->s.file)
		inode = u->s.file->inode->ino;
	latch_unlock(&module.latch);
	return inode;
}

void unix_show(struct net_ns *net, struct buf *b)
{
	struct unix_sock *u;

	buf_puts(b, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	latch_lock(&module.latch);
	list_for_each_entry(u, &module.all, all_node)
		if (u->s.net == net)
			show_one_locked(u, b);
	latch_unlock(&module.latch);
}
