/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs_dir.c: directories of tmpfs.
 *
 * A directory keeps its entries twice: in a hash by name for lookups, in a tree by cookie for
 * readdir.  A cookie is given at creation and never used again, so a reader that comes back finds
 * its place whatever was created or removed meanwhile.  Cookies 0 and 1 are "." and "..".
 *
 * Entries hold their inodes: an inode lives as long as it has a name, an open file or a dentry.
 * All slots run with the directory's lock held by the vfs; readdir takes it itself.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "lib/mem.h"
#include "vfs/tmpfs/tmpfs_impl.h"

#define COOKIE_FIRST 2

static int order_cmp(const struct tree_node *a, const struct tree_node *b)
{
	int64_t x = container_of(a, struct tmpfs_dirent, order)->cookie;
	int64_t y = container_of(b, struct tmpfs_dirent, order)->cookie;

	return x < y ? -1 : x > y;
}

static int order_key(const void *key, const struct tree_node *n)
{
	int64_t x = *(const int64_t *)key, y = container_of(n, struct tmpfs_dirent, order)->cookie;

	return x < y ? -1 : x > y;
}

void tmpfs_dir_init(struct tmpfs_inode *t)
{
	t->i.size = 2 * TMPFS_DIRENT_SIZE; /* "." and ".." */
	tree_init(&t->dir.order, order_cmp);
	t->dir.next_cookie = COOKIE_FIRST;
	t->i.nlink = 2;
}

static void dirent_free(struct tmpfs_dirent *e)
{
	inode_put(e->inode);
	mem_free(e);
}

static uint64_t name_hash(const char *name, size_t len)
{
	return hash_bytes(0, name, len);
}

static struct tmpfs_dirent *dir_find(struct tmpfs_inode *t, const char *name, size_t len)
{
	struct hash_node *n;

	for (n = hash_first(&t->dir.names, name_hash(name, len)); n; n = hash_next(n)) {
		struct tmpfs_dirent *e = container_of(n, struct tmpfs_dirent, hash);

		if (e->len == len && !memcmp(e->name, name, len))
			return e;
	}
	return NULL;
}

/* An entry for i (reference taken), not in any directory yet. */
static struct tmpfs_dirent *dirent_new(const struct dentry *d, struct inode *i)
{
	size_t len = dentry_name_len(d);
	struct tmpfs_dirent *e = mem_alloc(sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	e->inode = inode_get(i);
	e->len = (uint8_t)len;
	memcpy(e->name, dentry_name(d), len + 1);
	return e;
}

static void dir_touch(struct inode *dir)
{
	dir->mtime = dir->ctime = vfs_now();
}

static void dir_insert(struct tmpfs_inode *t, struct tmpfs_dirent *e)
{
	e->cookie = t->dir.next_cookie++;
	hash_insert(&t->dir.names, &e->hash, name_hash(e->name, e->len));
	tree_insert(&t->dir.order, &e->order);
	t->i.size += TMPFS_DIRENT_SIZE;
	if (S_ISDIR(e->inode->mode))
		t->i.nlink++;
	dir_touch(&t->i);
}

/* Take e out; the caller frees it. */
static void dir_remove(struct tmpfs_inode *t, struct tmpfs_dirent *e)
{
	hash_remove(&t->dir.names, &e->hash);
	tree_remove(&t->dir.order, &e->order);
	t->i.size -= TMPFS_DIRENT_SIZE;
	if (S_ISDIR(e->inode->mode))
		t->i.nlink--;
	dir_touch(&t->i);
}

/* Take all entries out of t and chain them (by hash.next) in front of *chain. */
static void dir_drain(struct tmpfs_inode *t, struct hash_node **chain)
{
	struct tree_node *n;

	while ((n = tree_first(&t->dir.order))) {
		struct tmpfs_dirent *e = container_of(n, struct tmpfs_dirent, order);

		hash_remove(&t->dir.names, &e->hash);
		tree_remove(&t->dir.order, n);
		e->hash.next = *chain;
		*chain = &e->hash;
	}
}

/*
 * Only the end of a whole file system comes here with entries.  A directory that dies with its
 * entry is emptied first, so that the depth of the tree does not become depth of the stack.
 */
void tmpfs_dir_fini(struct tmpfs_inode *t)
{
	struct hash_node *chain = NULL;

	dir_drain(t, &chain);
	while (chain) {
		struct tmpfs_dirent *e = container_of(chain, struct tmpfs_dirent, hash);

		chain = chain->next;
		if (S_ISDIR(e->inode->mode) && ref_count(&e->inode->ref) == 1)
			dir_drain(tmpfs_i(e->inode), &chain);
		dirent_free(e);
	}
	hash_fini(&t->dir.names);
}

static int dir_lookup(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	const struct tmpfs_dirent *e = dir_find(tmpfs_i(dir), dentry_name(d), dentry_name_len(d));

	(void)c;
	dentry_set_inode(d, e ? inode_get(e->inode) : NULL);
	return 0;
}

/* ---- making ----------------------------------------------------------------------------------- */

/* The table of names is made with the first name. */
static int dir_ready(struct tmpfs_inode *t)
{
	return t->dir.names.buckets ? 0 : hash_init(&t->dir.names, 4);
}

/* Give t (its one reference is consumed) the name d. */
static int dir_add_new(struct inode *dir, struct dentry *d, struct tmpfs_inode *t)
{
	struct tmpfs_dirent *e;
	int err = dir_ready(tmpfs_i(dir));

	e = err < 0 ? NULL : dirent_new(d, &t->i);
	if (!e) {
		inode_put(&t->i);
		return -ENOMEM;
	}
	if (S_ISDIR(t->i.mode))
		t->dir.parent_ino = dir->ino;
	dir_insert(tmpfs_i(dir), e);
	dentry_set_inode(d, &t->i); /* consumes the reference */
	return 0;
}

static int dir_create(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		      const struct inode_attr_new *a)
{
	struct tmpfs_inode *t;
	int err = tmpfs_inode_new(dir->sb, a, &t);

	(void)c;
	return err < 0 ? err : dir_add_new(dir, d, t);
}

static int dir_symlink(struct vfs_ctx *c, struct inode *dir, struct dentry *d, const char *target,
		       const struct inode_attr_new *a)
{
	struct tmpfs_inode *t;
	int err = tmpfs_inode_new(dir->sb, a, &t);

	(void)c;
	if (err < 0)
		return err;
	t->target = mem_strdup(target);
	if (!t->target) {
		inode_put(&t->i);
		return -ENOMEM;
	}
	t->i.size = strlen(target);
	return dir_add_new(dir, d, t);
}

static int dir_link(struct vfs_ctx *c, struct inode *dir, struct dentry *d, struct inode *target)
{
	struct tmpfs_dirent *e;

	(void)c;
	if (dir_ready(tmpfs_i(dir)) < 0)
		return -ENOMEM;
	e = dirent_new(d, target);
	if (!e)
		return -ENOMEM;
	dir_insert(tmpfs_i(dir), e);
	target->nlink++;
	target->ctime = vfs_now();
	dentry_set_inode(d, inode_get(target));
	return 0;
}

static int dir_tmpfile(struct vfs_ctx *c, struct inode *dir, const struct inode_attr_new *a,
		       struct inode **out)
{
	struct tmpfs_inode *t;
	int err = tmpfs_inode_new(dir->sb, a, &t);

	(void)c;
	if (err < 0)
		return err;
	t->i.nlink = 0;
	*out = &t->i;
	return 0;
}

/* ---- removing --------------------------------------------------------------------------------- */

static int dir_unlink(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	struct tmpfs_dirent *e = dir_find(tmpfs_i(dir), dentry_name(d), dentry_name_len(d));

	(void)c;
	if (!e)
		return -ENOENT;
	dir_remove(tmpfs_i(dir), e);
	e->inode->nlink--;
	e->inode->ctime = dir->ctime;
	dirent_free(e); /* d still holds the inode */
	return 0;
}

static bool dir_is_empty(const struct inode *i)
{
	return tmpfs_i(i)->dir.order.count == 0;
}

static int dir_rmdir(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	struct tmpfs_dirent *e = dir_find(tmpfs_i(dir), dentry_name(d), dentry_name_len(d));

	(void)c;
	if (!e)
		return -ENOENT;
	if (!dir_is_empty(e->inode))
		return -ENOTEMPTY;
	dir_remove(tmpfs_i(dir), e);
	e->inode->nlink = 0;
	e->inode->ctime = dir->ctime;
	dirent_free(e);
	return 0;
}

/* ---- renaming --------------------------------------------------------------------------------- */

/* The two entries trade inodes. */
static void dir_exchange(struct tmpfs_inode *old_dir, struct tmpfs_dirent *oe,
			 struct tmpfs_inode *new_dir, struct tmpfs_dirent *ne)
{
	struct inode *oi = oe->inode, *ni = ne->inode;
	bool od = S_ISDIR(oi->mode), nd = S_ISDIR(ni->mode);

	oe->inode = ni;
	ne->inode = oi;
	if (od && !nd) {
		old_dir->i.nlink--;
		new_dir->i.nlink++;
	} else if (!od && nd) {
		old_dir->i.nlink++;
		new_dir->i.nlink--;
	}
	if (od)
		tmpfs_i(oi)->dir.parent_ino = new_dir->i.ino;
	if (nd)
		tmpfs_i(ni)->dir.parent_ino = old_dir->i.ino;
	oi->ctime = ni->ctime = vfs_now();
	dir_touch(&old_dir->i);
	dir_touch(&new_dir->i);
}

/* An entry that is a whiteout (0:0 character device) in oe's place, not inserted. */
static int whiteout_new(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
			struct tmpfs_dirent **out)
{
	struct inode_attr_new a = { .mode = S_IFCHR, .uid = c->cred->fsuid,
				    .gid = c->cred->fsgid };
	struct tmpfs_inode *t;
	int err = tmpfs_inode_new(dir->sb, &a, &t);

	if (err < 0)
		return err;
	*out = dirent_new(d, &t->i);
	inode_put(&t->i);
	return *out ? 0 : -ENOMEM;
}

static int dir_rename(struct vfs_ctx *c, struct inode *old_dir, struct dentry *old_d,
		      struct inode *new_dir, struct dentry *new_d, unsigned int flags)
{
	struct tmpfs_inode *od = tmpfs_i(old_dir), *nd = tmpfs_i(new_dir);
	struct tmpfs_dirent *oe = dir_find(od, dentry_name(old_d), dentry_name_len(old_d));
	struct tmpfs_dirent *ne = dir_find(nd, dentry_name(new_d), dentry_name_len(new_d));
	struct tmpfs_dirent *moved, *white = NULL;
	int err;

	if (!oe)
		return -ENOENT;
	if (flags & RENAME_EXCHANGE) {
		if (!ne)
			return -ENOENT;
		dir_exchange(od, oe, nd, ne);
		return 0;
	}
	if (ne && S_ISDIR(ne->inode->mode) && !dir_is_empty(ne->inode))
		return -ENOTEMPTY;
	if (dir_ready(nd) < 0)
		return -ENOMEM;
	moved = dirent_new(new_d, oe->inode);
	if (!moved)
		return -ENOMEM;
	if (flags & RENAME_WHITEOUT) {
		err = whiteout_new(c, old_dir, old_d, &white);
		if (err < 0) {
			dirent_free(moved);
			return err;
		}
	}
	if (ne) {
		dir_remove(nd, ne);
		ne->inode->nlink = S_ISDIR(ne->inode->mode) ? 0 : ne->inode->nlink - 1;
		ne->inode->ctime = vfs_now();
		dirent_free(ne);
	}
	dir_remove(od, oe);
	dir_insert(nd, moved);
	if (white)
		dir_insert(od, white);
	if (S_ISDIR(moved->inode->mode))
		tmpfs_i(moved->inode)->dir.parent_ino = new_dir->ino;
	moved->inode->ctime = vfs_now();
	dirent_free(oe);
	return 0;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static int dir_readdir(struct vfs_ctx *c, struct file *f, struct dir_emit *e)
{
	struct tmpfs_inode *t = tmpfs_i(f->inode);
	struct tree_node *n;

	(void)c;
	mutex_lock(&t->i.lock);
	if (f->pos == 0 && dir_emit(e, ".", 1, t->i.ino, DT_DIR, 1))
		f->pos = 1;
	if (f->pos == 1 && dir_emit(e, "..", 2, t->dir.parent_ino, DT_DIR, COOKIE_FIRST))
		f->pos = COOKIE_FIRST;
	if (f->pos < COOKIE_FIRST)
		goto out;
	for (n = tree_lower(&t->dir.order, &f->pos, order_key); n; n = tree_next(n)) {
		const struct tmpfs_dirent *d = container_of(n, struct tmpfs_dirent, order);

		if (!dir_emit(e, d->name, d->len, d->inode->ino, (d->inode->mode & S_IFMT) >> 12,
			      d->cookie + 1))
			break;
		f->pos = d->cookie + 1;
	}
out:
	mutex_unlock(&t->i.lock);
	return 0;
}

static int64_t dir_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	(void)c;
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	if (whence == SEEK_CUR)
		off += f->pos;
	return off < 0 ? -EINVAL : off;
}

const struct file_ops tmpfs_dir_fops = {
	.readdir = dir_readdir,
	.llseek = dir_llseek,
};

const struct inode_ops tmpfs_dir_ops = {
	.lookup = dir_lookup,
	.create = dir_create,
	.mkdir = dir_create,
	.mknod = dir_create,
	.symlink = dir_symlink,
	.link = dir_link,
	.unlink = dir_unlink,
	.rmdir = dir_rmdir,
	.rename = dir_rename,
	.tmpfile = dir_tmpfile,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.removexattr = tmpfs_removexattr,
};

/* ---- file handles ----------------------------------------------------------------------------- */

/* A directory still to be looked through. */
struct find_node {
	struct list node;
	struct dentry *d; /* counted */
};

static int find_push(struct list *todo, struct dentry *d)
{
	struct find_node *n = mem_new(struct find_node);

	if (!n) {
		dentry_put(d);
		return -ENOMEM;
	}
	n->d = d;
	list_append(todo, &n->node);
	return 0;
}

/* The next entry of dir behind *cookie that is ino or a directory.  False: none. */
static bool find_entry(struct tmpfs_inode *dir, uint64_t ino, int64_t *cookie, char *name, size_t *len)
{
	struct tree_node *n;
	bool found = false;

	mutex_lock(&dir->i.lock);
	for (n = tree_first(&dir->dir.order); n && !found; n = tree_next(n)) {
		const struct tmpfs_dirent *e = container_of(n, struct tmpfs_dirent, order);

		if (e->cookie <= *cookie || (e->inode->ino != ino && !S_ISDIR(e->inode->mode)))
			continue;
		*cookie = e->cookie;
		*len = e->len;
		memcpy(name, e->name, e->len);
		name[e->len] = '\0';
		found = true;
	}
	mutex_unlock(&dir->i.lock);
	return found;
}

static int find_below(struct vfs_ctx *c, struct dentry *dir, uint64_t ino, struct list *todo,
		      struct dentry **out)
{
	char name[NAME_LEN_MAX + 1];
	int64_t cookie = -1;
	size_t len;

	while (find_entry(tmpfs_i(dentry_inode(dir)), ino, &cookie, name, &len)) {
		struct dentry *d;
		int err = walk_lookup(c, dir, name, len, false, &d);

		if (err < 0)
			return err;
		if (!dentry_inode(d)) { /* removed meanwhile */
			dentry_put(d);
			continue;
		}
		if (dentry_inode(d)->ino == ino) {
			*out = d;
			return 0;
		}
		err = find_push(todo, d); /* consumes d */
		if (err < 0)
			return err;
	}
	return -ESTALE;
}

int tmpfs_find_inode(struct vfs_ctx *c, struct super *sb, uint64_t ino, struct dentry **out)
{
	struct list todo = LIST_INIT(todo);
	struct list *l;
	int err;

	if (dentry_inode(sb->root)->ino == ino) {
		*out = dentry_get(sb->root);
		return 0;
	}
	err = find_push(&todo, dentry_get(sb->root));
	if (err == 0)
		err = -ESTALE;
	while ((l = list_shift(&todo))) {
		struct find_node *n = list_entry(l, struct find_node, node);

		if (err == -ESTALE)
			err = find_below(c, n->d, ino, &todo, out);
		dentry_put(n->d);
		mem_free(n);
	}
	return err;
}
