/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.c: path resolution (path_resolution(7), openat2(2)).
 *
 * A walk goes from component to component.  What is still to do is a stack of texts: the caller's
 * name at the bottom, above it the symlinks being followed.  A frame other than the bottom one is
 * dropped as soon as nothing but slashes is left of it, so "the last component" is simply one after
 * which neither its own frame nor the bottom one has anything left.
 *
 * In parent mode the walk stops before the last component (w->last…), for calls that create, remove
 * or rename; open(2) with O_CREAT goes on from there when that turns out to be a symlink.
 *
 * Order of checks for each component, as Linux (link_path_walk): the directory is one (ENOTDIR), it
 * may be searched (EACCES), the name is short enough (ENAMETOOLONG), it exists (ENOENT).
 *
 * A walk holds a reference to where it is, and no lock between components.  A name that is not in
 * the cache is looked up under its directory's lock, also over a round trip to a gofer: two tasks
 * that want the same name must not ask twice and get two dentries.
 *
 * Linux: fs/namei.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/mem.h"
#include "vfs/mount_impl.h"
#include "vfs/protected.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

#define WALK_SCOPED (WALK_BENEATH | WALK_IN_ROOT)

void path_get(const struct path *p)
{
	if (p->mnt)
		mount_get(p->mnt);
	if (p->dentry)
		dentry_get(p->dentry);
}

void path_put(const struct path *p)
{
	dentry_put(p->dentry);
	mount_put(p->mnt);
}

bool path_equal(const struct path *a, const struct path *b)
{
	return a->mnt == b->mnt && a->dentry == b->dentry;
}

/* ---- one name --------------------------------------------------------------------------------- */

int walk_may_search(struct vfs_ctx *c, struct dentry *d)
{
	struct inode *i = dentry_inode(d);

	if (!i || !S_ISDIR(i->mode))
		return -ENOTDIR;
	return inode_permission(c, i, MAY_EXEC);
}

/* A cached child that is still true, or NULL in *out. */
static int lookup_cached(struct vfs_ctx *c, struct dentry *dir, const char *name, size_t len,
			 struct dentry **out)
{
	struct dentry *d = dcache_lookup(dir, name, len);
	const struct inode_ops *ops;
	int r;

	*out = d;
	if (!d || !(dir->sb->flags & SUPER_REVALIDATE))
		return 0;
	ops = dentry_inode(dir)->ops;
	if (!ops->revalidate)
		return 0;
	r = ops->revalidate(c, d);
	if (r > 0)
		return 0;
	if (r == 0 && atomic_load_explicit(&d->mounted, memory_order_relaxed) > 0)
		return 0; /* mountpoints stay until they are unmounted */
	if (r == 0)
		dentry_drop(d);
	dentry_put(d);
	*out = NULL;
	return r;
}

static int lookup_slow(struct vfs_ctx *c, struct dentry *dir, const char *name, size_t len,
		       struct dentry **out)
{
	struct inode *i = dentry_inode(dir);
	struct dentry *d;
	int err;

	if (dentry_unlinked(dir))
		return -ENOENT;
	err = lookup_cached(c, dir, name, len, out);
	if (err < 0 || *out)
		return err;
	if (!i->ops->lookup)
		return -ENOTDIR;
	d = dentry_new(dir, name, len);
	if (!d)
		return -ENOMEM;
	err = i->ops->lookup(c, i, d);
	if (err < 0) {
		dentry_put(d);
		return err;
	}
	if (dentry_inode(d) || !(dir->sb->flags & SUPER_NOCACHE_NEG))
		dentry_hash(d);
	*out = d;
	return 0;
}

int walk_lookup(struct vfs_ctx *c, struct dentry *dir, const char *name, size_t len, bool locked,
		struct dentry **out)
{
	struct inode *i = dentry_inode(dir);
	int err;

	if (len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	if (locked)
		return lookup_slow(c, dir, name, len, out);
	err = lookup_cached(c, dir, name, len, out);
	if (err < 0 || *out)
		return err;
	mutex_lock(&i->lock);
	err = lookup_slow(c, dir, name, len, out);
	mutex_unlock(&i->lock);
	return err;
}

static bool name_is_cached(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d = dcache_lookup(dir, name, len);

	dentry_put(d);
	return d != NULL;
}

bool walk_may_be_unseen(struct dentry *dir, const char *name, size_t len)
{
	return dir->sb->flags & SUPER_CREATE_TELLS && len <= NAME_LEN_MAX &&
	       !name_is_cached(dir, name, len);
}

struct dentry *walk_unseen(struct vfs_ctx *c, struct dentry *dir, const char *name, size_t len)
{
	if (!walk_may_be_unseen(dir, name, len) || may_create(c, dir) < 0)
		return NULL;
	return dentry_new(dir, name, len);
}

static bool only_slashes(const char *s)
{
	return s[strspn(s, "/")] == '\0';
}

/* Nothing follows the text that the walk is in. */
static bool ends_here(const struct walk *w)
{
	return w->depth == 0 || (w->depth == 1 && only_slashes(w->frames[0].rest));
}

/* As walk_lookup for a walk: rest is the text from this component on. */
static int walk_child(struct walk *w, const char *name, size_t len, bool last, struct dentry **out)
{
	struct inode *dir = dentry_inode(w->cur.dentry);
	bool will_read;
	int err;

	if (len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	err = lookup_cached(w->c, w->cur.dentry, name, len, out);
	if (err < 0 || *out)
		return err;
	if (w->flags & WALK_CACHED)
		return -EAGAIN;
	will_read = w->flags & WALK_WILL_READ && ends_here(w);
	if ((!last || will_read) && dir->ops->walk_ahead)
		dir->ops->walk_ahead(w->c, w->cur.dentry, name, will_read);
	return walk_lookup(w->c, w->cur.dentry, name, len, false, out);
}

/* ---- moving ----------------------------------------------------------------------------------- */

static void walk_go(struct walk *w, const struct path *to)
{
	path_put(&w->cur);
	w->cur = *to; /* consumed */
}

static int walk_jump_root(struct walk *w)
{
	if (w->flags & WALK_BENEATH)
		return -EXDEV;
	if ((w->flags & WALK_NO_XDEV) && w->cur.mnt != w->root.mnt)
		return -EXDEV;
	path_get(&w->root);
	walk_go(w, &w->root);
	return 0;
}

/*
 * ".." inside the mount: the parent, unless a rename has moved us out of what a bind mount shows
 * (then there is no way up: ENOENT, as Linux's path_connected()).
 */
static int walk_up(struct walk *w)
{
	struct dentry *up = dentry_parent(w->cur.dentry);

	if (w->cur.mnt->root != w->cur.mnt->sb->root && !dentry_is_below(up, w->cur.mnt->root)) {
		dentry_put(up);
		return -ENOENT;
	}
	dentry_put(w->cur.dentry);
	w->cur.dentry = up;
	return 0;
}

static int walk_dotdot(struct walk *w)
{
	int err;

	for (;;) {
		if (path_equal(&w->cur, &w->root)) {
			if (w->flags & WALK_BENEATH)
				return -EXDEV;
			break;
		}
		if (w->cur.dentry != w->cur.mnt->root) {
			err = walk_up(w);
			if (err < 0)
				return err;
			break;
		}
		if (!mount_up(&w->cur))
			break;
		if (w->flags & WALK_NO_XDEV)
			return -EXDEV;
	}
	if (mount_follow(&w->cur) && (w->flags & WALK_NO_XDEV))
		return -EXDEV;
	return 0;
}

/* ---- symlinks --------------------------------------------------------------------------------- */

static int symlink_magic(struct walk *w, struct inode *i)
{
	struct path to;
	int err;

	if (w->flags & WALK_NO_MAGICLINKS)
		return -ELOOP;
	if (w->flags & WALK_SCOPED)
		return -EXDEV;
	if (w->flags & WALK_CACHED)
		return -EAGAIN;
	err = i->ops->follow(w->c, i, &to);
	if (err < 0)
		return err;
	if ((w->flags & WALK_NO_XDEV) && to.mnt != w->cur.mnt) {
		path_put(&to);
		return -EXDEV;
	}
	walk_go(w, &to);
	return 0;
}

static void walk_pop(struct walk *w)
{
	mem_free(w->frames[w->depth].text);
	w->depth--;
}

/* Push text (consumed). */
static int symlink_push(struct walk *w, char *text)
{
	int err = 0;

	if (text[0] == '\0')
		err = -ENOENT;
	else if (text[0] == '/')
		err = walk_jump_root(w);
	if (err < 0) {
		mem_free(text);
		return err;
	}
	if (w->depth > 0 && only_slashes(w->frames[w->depth].rest))
		walk_pop(w);
	w->depth++;
	w->frames[w->depth] = (struct walk_frame){ .text = text, .rest = text };
	return 0;
}

static int symlink_follow(struct walk *w, const struct path *p)
{
	struct inode *i = dentry_inode(p->dentry);
	char *text;
	int err;

	if (++w->links > SYMLINKS_MAX || (w->flags & WALK_NO_SYMLINKS) ||
	    (mount_flags(p->mnt) & MS_NOSYMFOLLOW))
		return -ELOOP;
	if (i->ops->follow)
		return symlink_magic(w, i);
	if (!i->ops->readlink)
		return -EINVAL;
	inode_touch_atime(i, p->mnt);
	err = i->ops->readlink(w->c, i, &text);
	if (err < 0)
		return err;
	return symlink_push(w, text);
}

int walk_symlink(struct walk *w, struct path *p)
{
	int err = symlink_follow(w, p);

	path_put(p);
	return err;
}

/* ---- the walk --------------------------------------------------------------------------------- */

int walk_init(struct walk *w, struct vfs_ctx *c, const struct path *at, const char *name,
	      unsigned int flags)
{
	const struct path *start = at ? at : &c->cwd;

	w->c = c;
	w->flags = flags;
	w->root = (struct path){ NULL, NULL };
	w->cur = (struct path){ NULL, NULL };
	w->links = 0;
	w->depth = 0;
	w->parent_mode = false;
	w->last_type = LAST_NORM;
	w->last = NULL;
	w->last_len = 0;
	w->trailing_slash = false;
	w->frames[0] = (struct walk_frame){ .text = NULL, .rest = name };

	if (name[0] == '\0' && !(flags & WALK_EMPTY))
		return -ENOENT;
	if (strnlen(name, PATH_LEN_MAX) == PATH_LEN_MAX)
		return -ENAMETOOLONG;
	if (name[0] == '/' && (flags & WALK_BENEATH))
		return -EXDEV;
	w->root = flags & WALK_SCOPED ? *start : c->root;
	path_get(&w->root);
	w->cur = name[0] == '/' ? w->root : *start;
	path_get(&w->cur);
	if (name[0] != '\0' && !inode_is_dir(dentry_inode(w->cur.dentry)))
		return -ENOTDIR;
	return 0;
}

void walk_fini(struct walk *w)
{
	while (w->depth > 0)
		walk_pop(w);
	path_put(&w->cur);
	path_put(&w->root);
	w->cur = w->root = (struct path){ NULL, NULL };
}

static int walk_finish(struct walk *w)
{
	if (((w->flags & WALK_DIRECTORY) || w->trailing_slash) &&
	    !inode_is_dir(dentry_inode(w->cur.dentry)))
		return -ENOTDIR;
	return 0;
}

static enum walk_last component_type(const char *s, size_t len)
{
	if (len == 1 && s[0] == '.')
		return LAST_DOT;
	if (len == 2 && s[0] == '.' && s[1] == '.')
		return LAST_DOTDOT;
	return LAST_NORM;
}

/*
 * Step into an ordinary name.  A symlink that is to be followed has been pushed (or jumped through)
 * afterwards.
 */
static int walk_step(struct walk *w, const char *name, size_t len, bool last)
{
	struct path next = { w->cur.mnt, NULL };
	struct inode *i;
	int err;

	err = walk_child(w, name, len, last, &next.dentry);
	if (err < 0)
		return err;
	if (!dentry_inode(next.dentry)) {
		dentry_put(next.dentry);
		return -ENOENT;
	}
	mount_get(next.mnt);
	if (mount_follow(&next) && (w->flags & WALK_NO_XDEV)) {
		path_put(&next);
		return -EXDEV;
	}
	i = dentry_inode(next.dentry);
	if (S_ISLNK(i->mode) && (!last || (w->flags & WALK_FOLLOW) || w->trailing_slash)) {
		err = last ? may_follow_link(w->c, dentry_inode(w->cur.dentry), i) : 0;
		if (err == 0)
			return walk_symlink(w, &next);
		path_put(&next);
		return err;
	}
	walk_go(w, &next);
	return 0;
}

int walk_run(struct walk *w)
{
	for (;;) {
		struct walk_frame *fr = &w->frames[w->depth];
		const char *name = fr->rest + strspn(fr->rest, "/");
		size_t len = strcspn(name, "/");
		enum walk_last type;
		bool last;
		int err;

		if (len == 0) {
			if (w->depth > 0) {
				walk_pop(w);
				continue;
			}
			w->last_type = LAST_ROOT;
			return w->parent_mode ? 0 : walk_finish(w);
		}
		err = walk_may_search(w->c, w->cur.dentry);
		if (err < 0)
			return err;
		fr->rest = name + len;
		type = component_type(name, len);
		last = only_slashes(fr->rest) && ends_here(w);
		if (last && (*fr->rest == '/' || *w->frames[0].rest == '/'))
			w->trailing_slash = true;
		if (last && w->parent_mode) {
			w->last_type = type;
			w->last = name;
			w->last_len = len;
			return 0;
		}
		if (type == LAST_NORM)
			err = walk_step(w, name, len, last);
		else if (type == LAST_DOTDOT)
			err = walk_dotdot(w);
		if (err < 0)
			return err;
	}
}

int walk_parent(struct walk *w, struct vfs_ctx *c, const struct path *at, const char *name)
{
	int err = walk_init(w, c, at, name, 0);

	if (err < 0)
		return err;
	w->parent_mode = true;
	return walk_run(w);
}

int vfs_walk(struct vfs_ctx *c, const struct path *at, const char *name, unsigned int flags,
	     struct path *out)
{
	struct walk w;
	int err = walk_init(&w, c, at, name, flags);

	if (err == 0)
		err = walk_run(&w);
	if (err == 0) {
		*out = w.cur;
		w.cur = (struct path){ NULL, NULL };
	}
	walk_fini(&w);
	return err;
}
