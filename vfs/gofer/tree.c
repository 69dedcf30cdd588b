/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c: names in directories of the gofer file system.
 *
 * dir->lock is held over the request in every slot that has it: this is what keeps a lookup's answer
 * and a change of the same directory in order.  walk_ahead has no lock; its answers count only if no
 * name of the super has changed since it asked (dcache_snapshot()).
 */
#include "vfs/gofer/gofer_fs_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define GFS_SHRINK 1024 /* names given up when the Gofer has no more descriptors */

/* ---- helpers ------------------------------------------------------------------------------- */

/* There is, or may be, a name in dir that we know nothing of. */
static void dir_has_others(struct inode *dir)
{
	atomic_store_explicit(&gfs_inode(dir)->complete_ns, 0, memory_order_relaxed);
}

static bool time_equal(const struct timespec *t, int64_t sec, uint32_t nsec)
{
	return t->tv_sec == sec && t->tv_nsec == (long)nsec;
}

/* So recent that another change might not show in the times: they have the grain of a host's tick. */
bool gfs_time_is_recent(int64_t sec, uint32_t nsec)
{
	struct timespec now = vfs_now();

	return (now.tv_sec - sec) * NSEC_PER_SEC + (now.tv_nsec - (long)nsec) < GFS_TICK_NS;
}

/* Somebody else has changed the names of gi, whose times the host has just given, or may have; fd_lock held. */
static void names_compare_locked(struct gfs_inode *gi, int64_t mtime_sec, uint32_t mtime_nsec, int64_t ctime_sec,
				 uint32_t ctime_nsec)
{
	if (gi->names_recent || !time_equal(&gi->names_mtime, mtime_sec, mtime_nsec) ||
	    !time_equal(&gi->names_ctime, ctime_sec, ctime_nsec))
		atomic_fetch_add_explicit(&gi->names_gen, 1, memory_order_relaxed);
}

/*
 * Names changed in dir, through us: times, size, and maybe nlink.  Its times from right before say whether somebody else
 * was there, too, and those from after are what the next ones are compared with.  (What comes between the two, some
 * microseconds, goes unnoticed until the next change; and before Linux 6.13, whose times are coarser, what comes in
 * the same tick after ours.)
 */
static void dir_changed(struct inode *dir, const struct gofer_change *c)
{
	struct gfs_inode *gi = gfs_inode(dir);

	dir->mtime = dir->ctime = vfs_now();
	atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
	if (!gi->gs->exclusive)
		return;
	mutex_lock(&gi->fd_lock);
	names_compare_locked(gi, c->before_mtime_sec, c->before_mtime_nsec, c->before_ctime_sec, c->before_ctime_nsec);
	gi->names_recent = false;
	gi->names_mtime = (struct timespec){ c->after_mtime_sec, c->after_mtime_nsec };
	gi->names_ctime = (struct timespec){ c->after_ctime_sec, c->after_ctime_nsec };
	gfs_names_seen(gi);
	mutex_unlock(&gi->fd_lock);
}

void gfs_names_check(struct gfs_inode *gi, const struct gofer_attr *a)
{
	if (!gi->gs->exclusive || !S_ISDIR(gi->vi.mode))
		return;
	mutex_lock(&gi->fd_lock);
	names_compare_locked(gi, a->mtime_sec, a->mtime_nsec, a->ctime_sec, a->ctime_nsec);
	gi->names_recent = gfs_time_is_recent(a->ctime_sec, a->ctime_nsec);
	gi->names_mtime = (struct timespec){ a->mtime_sec, a->mtime_nsec };
	gi->names_ctime = (struct timespec){ a->ctime_sec, a->ctime_nsec };
	gfs_names_seen(gi);
	mutex_unlock(&gi->fd_lock);
}

/* Ask the host about dir, and in the same request about others that will be asked for soon. */
static int names_look(struct gfs_inode *dir)
{
	struct gfs_inode *batch[GFS_NAMES_BATCH];
	struct gofer_attr attr[GFS_NAMES_BATCH];
	uint32_t fid[GFS_NAMES_BATCH];
	unsigned int n;
	int err = gfs_fid(dir, &fid[0]);

	if (err < 0)
		return err;
	n = gfs_names_batch(dir, batch, GFS_NAMES_BATCH); /* references */
	for (unsigned int k = 1; k < n; k++)
		fid[k] = atomic_load_explicit(&batch[k]->fid, memory_order_acquire); /* fid_set_locked */
	err = grpc_getattrs(dir->gs->conn, fid, n, attr);
	for (unsigned int k = 0; k < n; k++) {
		if (err == 0 && attr[k].mode)
			gfs_names_check(batch[k], &attr[k]);
		inode_put(&batch[k]->vi);
	}
	return err == 0 && !attr[0].mode ? -ESTALE : err;
}

/* The names of dir were true not long ago, or the host is asked now. */
static int names_validate(struct gfs_inode *dir)
{
	int64_t then = atomic_load_explicit(&dir->names_ns, memory_order_relaxed);

	if (clock_mono_ns() - then >= GFS_NAMES_NS)
		return names_look(dir);
	if (!atomic_load_explicit(&dir->names_used, memory_order_relaxed))
		atomic_store_explicit(&dir->names_used, true, memory_order_relaxed);
	return 0;
}

/* What the cache has not got of d, a directory of this file system, doesn't exist.  Or an error. */
static int is_complete(struct dentry *d)
{
	struct gfs_inode *gi = gfs_inode(dentry_inode(d));
	int err;

	if (!gi->gs->exclusive || !dentry_is_complete(d) ||
	    clock_mono_ns() > atomic_load_explicit(&gi->complete_ns, memory_order_relaxed))
		return 0;
	err = names_validate(gi);
	if (err < 0)
		return err;
	return gi->complete_gen == atomic_load_explicit(&gi->names_gen, memory_order_relaxed);
}

/*
 * A dentry remembers (as a number in its private pointer) in an exclusive super the generation of the
 * directory's names that it belongs to, or that it is not there because the directory is complete; in a shared
 * one when it was last known to be true, in us.
 */
#define MARK_COMPLETE (UINT64_C(1) << 32)

void gfs_dentry_fresh(struct gfs_inode *dir, struct dentry *d)
{
	uint64_t mark = dir->gs->exclusive ?
				atomic_load_explicit(&dir->names_gen, memory_order_relaxed) :
				(uint64_t)(clock_mono_ns() / NSEC_PER_USEC);

	dentry_set_priv(d, (void *)(uintptr_t)mark);
}

/* 1: d, in parent, is true without asking; 0: the name must be looked up; or an error. */
static int dentry_is_fresh(struct dentry *parent, const struct dentry *d)
{
	struct gfs_inode *dir = gfs_inode(dentry_inode(parent));
	uint64_t mark = (uintptr_t)dentry_priv(d);
	int err;

	if (!dir->gs->exclusive)
		return clock_mono_ns() / NSEC_PER_USEC - (int64_t)mark < GFS_FRESH_NS / NSEC_PER_USEC;
	if (mark == MARK_COMPLETE)
		return is_complete(parent);
	err = names_validate(dir);
	if (err < 0)
		return err;
	return mark == atomic_load_explicit(&dir->names_gen, memory_order_relaxed);
}

/* The Gofer is out of descriptors: give some back.  True when it is worth trying again. */
bool gfs_relieve(struct gfs_super *gs, int err)
{
	if (err != -EMFILE && err != -ENFILE)
		return false;
	if (dcache_shrink(gs->sb, GFS_SHRINK) == 0)
		return false;
	gconn_clunk_flush(gs->conn);
	return true;
}

/* ---- lookup -------------------------------------------------------------------------------- */

int gfs_walk_one(struct gfs_super *gs, uint32_t dir_fid, const char *name, size_t len, uint32_t known,
		 enum gofer_walk_open open, uint32_t *fid, struct grpc_walk *out)
{
	struct grpc_name n = { name, (uint32_t)len, GOFER_NOFID, known };
	int err;

	err = gconn_fid_alloc(gs->conn, &n.fid);
	if (err < 0)
		return err;
	err = grpc_walk(gs->conn, dir_fid, &n, 1, open, out);
	if (err < 0 || out->reached == 0 || out->at[0].same)
		gconn_fid_free(gs->conn, n.fid);
	if (err == 0 && out->reached == 0)
		err = out->error < 0 ? out->error : -EIO;
	*fid = n.fid;
	return err;
}

static int gfs_lookup(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	struct gfs_super *gs = gfs_super(dir->sb);
	struct dentry *parent = dentry_parent(d);
	struct grpc_walk w;
	uint32_t dir_fid, fid;
	struct inode *i;
	int err;

	(void)c;
	err = is_complete(parent);
	dentry_put(parent);
	if (err > 0)
		dentry_set_priv(d, (void *)(uintptr_t)MARK_COMPLETE);
	if (err != 0)
		return err < 0 ? err : 0;
	gfs_dentry_fresh(gfs_inode(dir), d);
	err = gfs_fid(gfs_inode(dir), &dir_fid);
	if (err < 0)
		return err;
	do
		err = gfs_walk_one(gs, dir_fid, dentry_name(d), dentry_name_len(d), GOFER_NOFID,
				   GOFER_WALK_LOOK, &fid, &w);
	while (err < 0 && gfs_relieve(gs, err));
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	i = gfs_inode_lookup(gs, &w.at[0].attr, fid, w.link); /* consumes fid, link */
	if (!i)
		return -ENOMEM;
	dentry_set_inode(d, i); /* consumes i */
	return 0;
}

/* The components of rest that can be looked up together. */
static uint32_t split(const char *rest, struct grpc_name *names)
{
	uint32_t count = 0;

	while (count < GRPC_WALK_MAX) {
		size_t len;

		rest += strspn(rest, "/");
		len = strcspn(rest, "/");
		if (len == 0 || len > NAME_LEN_MAX || (len == 1 && rest[0] == '.') ||
		    (len == 2 && rest[0] == '.' && rest[1] == '.'))
			break;
		names[count++] = (struct grpc_name){ rest, (uint32_t)len, GOFER_NOFID, GOFER_NOFID };
		rest += len;
	}
	return count;
}

/* Did split() leave nothing? */
static bool is_all(const struct grpc_name *names, uint32_t count)
{
	return count > 0 && names[count - 1].name[names[count - 1].len] == '\0';
}

/* Cache name below at (consumed) as i (consumed; NULL: negative).  The dentry if positive, or NULL. */
static struct dentry *cache_name(struct dentry *at, const struct grpc_name *n, struct inode *i,
				 uint64_t snapshot)
{
	char name[NAME_LEN_MAX + 1];
	struct dentry *d;

	memcpy(name, n->name, n->len);
	name[n->len] = '\0';
	d = dcache_add_since(at, name, i, snapshot); /* consumes i */
	if (d)
		gfs_dentry_fresh(gfs_inode(dentry_inode(at)), d);
	dentry_put(at);
	if (!d || dentry_inode(d))
		return d;
	dentry_put(d);
	return NULL;
}

/* Put what a walk found into the cache.  Consumes all fids and the link text. */
static void cache_walk(struct gfs_super *gs, struct dentry *dir, const struct grpc_name *names,
		       uint32_t count, struct grpc_walk *w, uint64_t snapshot)
{
	struct dentry *at = dentry_get(dir);
	struct inode *i;

	for (uint32_t k = 0; k < w->reached; k++) {
		char *link = k + 1 == w->reached ? w->link : NULL;

		i = gfs_inode_lookup(gs, &w->at[k].attr, names[k].fid, link); /* consumes both */
		if (i && k + 1 == count && w->fd >= 0) {
			gfs_offer_read_fd(gfs_inode(i), w->fd); /* consumes fd */
			w->fd = -1;
		}
		if (at && i) {
			at = cache_name(at, &names[k], i, snapshot); /* consumes at, i */
			continue;
		}
		inode_put(i);
		dentry_put(at);
		at = NULL;
	}
	host_close_fd(&w->fd);
	for (uint32_t k = w->reached; k < count; k++)
		gconn_fid_free(gs->conn, names[k].fid);
	if (at && w->reached < count && w->error == -ENOENT && gs->exclusive)
		at = cache_name(at, &names[w->reached], NULL, snapshot); /* consumes at */
	dentry_put(at);
}

static void gfs_walk_ahead(struct vfs_ctx *c, struct dentry *dir, const char *rest, bool will_read)
{
	struct gfs_inode *gi = gfs_inode(dentry_inode(dir));
	struct gfs_super *gs = gi->gs;
	struct grpc_name names[GRPC_WALK_MAX];
	uint32_t count = split(rest, names), got, fid;
	struct grpc_walk w;
	uint64_t snapshot;

	(void)c;
	will_read = will_read && is_all(names, count);
	/* In a shared super a name that is not there would be asked for twice: that is not remembered. */
	if (count < (will_read && gs->exclusive ? 1 : 2) || is_complete(dir) != 0 || gfs_fid(gi, &fid) < 0)
		return;
	for (got = 0; got < count; got++)
		if (gconn_fid_alloc(gs->conn, &names[got].fid) < 0)
			break;
	snapshot = dcache_snapshot(gs->sb);
	if (got == count &&
	    grpc_walk(gs->conn, fid, names, count, will_read ? GOFER_WALK_READ : GOFER_WALK_LOOK, &w) == 0) {
		cache_walk(gs, dir, names, count, &w, snapshot);
		return;
	}
	while (got > 0)
		gconn_fid_free(gs->conn, names[--got].fid);
}

/* Look d's name up again: 1 if it is what d says, 0 if not, or an error. */
static int name_check(struct gfs_inode *dir, struct dentry *d)
{
	struct gfs_inode *gi = dentry_inode(d) ? gfs_inode(dentry_inode(d)) : NULL;
	struct gfs_super *gs = dir->gs;
	uint32_t dir_fid, fid, known = GOFER_NOFID;
	struct grpc_walk w;
	int err;

	err = gfs_fid(dir, &dir_fid);
	if (err < 0)
		return err;
	if (gi)
		known = atomic_load_explicit(&gi->fid, memory_order_acquire); /* fid_set_locked */
	err = gfs_walk_one(gs, dir_fid, dentry_name(d), dentry_name_len(d), known, GOFER_WALK_LOOK, &fid, &w);
	if (err == -ENOENT || err == -ENOTDIR || err == -ESTALE)
		return !gi;
	if (err < 0)
		return err;
	mem_free(w.link);
	if (!gi || !gfs_same_file(gi, &w.at[0].attr)) {
		if (!w.at[0].same)
			gconn_fid_clunk(gs->conn, fid);
		return 0;
	}
	if (!w.at[0].same)
		gfs_fid_offer(gi, fid); /* consumes fid */
	gfs_names_check(gi, &w.at[0].attr);
	/* rename looks a name up with the inode that it stands for locked: don't wait for ourselves. */
	if (mutex_trylock(&gi->vi.lock)) {
		gfs_attr_apply(gi, &w.at[0].attr);
		gfs_attr_fresh(gi);
		mutex_unlock(&gi->vi.lock);
	}
	return 1;
}

static int gfs_revalidate(struct vfs_ctx *c, struct dentry *d)
{
	struct dentry *parent = dentry_parent(d);
	struct gfs_inode *dir = gfs_inode(dentry_inode(parent));
	int r = dentry_is_fresh(parent, d);

	(void)c;
	if (r == 0) {
		uint32_t gen = atomic_load_explicit(&dir->names_gen, memory_order_relaxed);

		r = name_check(dir, d);
		if (r == 1 && gen == atomic_load_explicit(&dir->names_gen, memory_order_relaxed))
			gfs_dentry_fresh(dir, d);
	}
	dentry_put(parent);
	return r;
}

/* ---- making -------------------------------------------------------------------------------- */

/* Make an object in dir; d (NULL for TMPFILE) gets its inode, else *out.  fd: CREATE and TMPFILE. */
static int make(struct inode *dir, uint16_t type, struct gofer_make *m, struct dentry *d,
		const char *text, struct inode **out)
{
	struct gfs_super *gs = gfs_super(dir->sb);
	bool donated = type == GOFER_REQ_CREATE || type == GOFER_REQ_TMPFILE;
	struct gfs_inode *gi = gfs_inode_alloc(gs);
	struct gofer_change change;
	struct gofer_attr attr;
	char *link = NULL;
	struct inode *i;
	int err, fd = -1;

	if (!gi)
		return -ENOMEM;
	err = -ENOMEM;
	if (text) {
		link = mem_strdup(text);
		if (!link)
			goto discard;
	}
	err = gfs_fid(gfs_inode(dir), &m->dir);
	if (err < 0)
		goto discard;
	do {
		err = gconn_fid_alloc(gs->conn, &m->fid);
		if (err < 0)
			continue;
		err = grpc_make(gs->conn, type, m, d ? dentry_name(d) : NULL, text, &attr, &change,
				donated ? &fd : NULL);
		if (err < 0) /* made and bound, maybe */
			gconn_fid_clunk(gs->conn, m->fid);
	} while (err < 0 && gfs_relieve(gs, err));
	if (err < 0) { /* it may have been made all the same */
		dir_has_others(dir);
		goto discard;
	}

	if (type == GOFER_REQ_BIND)
		gi->sock_fid = m->fid;
	i = gfs_inode_commit(gi, &attr, m->fid, link); /* consumes gi, fid, link */
	if (gs->exclusive) /* it is new: nobody has given it capabilities */
		atomic_fetch_or_explicit(&gfs_inode(i)->xattr_none, GFS_NO_CAPABILITY, memory_order_relaxed);
	if (type == GOFER_REQ_MKDIR) { /* and nobody has named anything in it */
		mutex_lock(&gfs_inode(i)->fd_lock);
		gfs_inode(i)->names_recent = false;
		mutex_unlock(&gfs_inode(i)->fd_lock);
	}
	if (fd >= 0) {
		/* Not published yet, or (the same number again) not open. */
		mutex_lock(&gfs_inode(i)->fd_lock);
		if (atomic_load_explicit(&gfs_inode(i)->rw_fd, memory_order_relaxed) < 0) {
			atomic_store_explicit(&gfs_inode(i)->rw_fd, fd, memory_order_release);
			fd = -1;
		}
		mutex_unlock(&gfs_inode(i)->fd_lock);
		host_close_fd(&fd);
	}
	if (d) {
		dir_changed(dir, &change);
		gfs_dentry_fresh(gfs_inode(dir), d);
		dentry_set_inode(d, i); /* consumes i */
	} else {
		*out = i;
	}
	return 0;

discard:
	mem_free(link);
	gfs_inode_discard(gi);
	return err;
}

static struct gofer_make make_of(const struct inode_attr_new *a)
{
	return (struct gofer_make){ .mode = a->mode & 07777, .uid = a->uid, .gid = a->gid };
}

static int gfs_create(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		      const struct inode_attr_new *a)
{
	struct gofer_make m = make_of(a);

	(void)c;
	m.flags = O_RDWR;
	return make(dir, GOFER_REQ_CREATE, &m, d, NULL, NULL);
}

static int gfs_tmpfile(struct vfs_ctx *c, struct inode *dir, const struct inode_attr_new *a,
		       struct inode **out)
{
	struct gofer_make m = make_of(a);

	(void)c;
	m.flags = O_RDWR;
	return make(dir, GOFER_REQ_TMPFILE, &m, NULL, NULL, out);
}

static int gfs_mkdir(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		     const struct inode_attr_new *a)
{
	struct gofer_make m = make_of(a);
	struct gfs_inode *gi;
	int err;

	(void)c;
	err = make(dir, GOFER_REQ_MKDIR, &m, d, NULL, NULL);
	if (err < 0)
		return err;
	dir->nlink++;
	gi = gfs_inode(dentry_inode(d));
	gi->complete_gen = atomic_load_explicit(&gi->names_gen, memory_order_relaxed);
	atomic_store_explicit(&gi->complete_ns, clock_mono_ns() + GFS_COMPLETE_NS, memory_order_relaxed);
	dentry_set_complete(d);
	return 0;
}

static int gfs_mknod(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
		     const struct inode_attr_new *a)
{
	struct gofer_make m = make_of(a);
	int err;

	(void)c;
	if (a->sock_type && (gfs_super(dir->sb)->attach_flags & GOFER_ATTACH_BIND)) {
		/* A socket of the host's: gofer_fs_listen().  What can't have one gets a mere name. */
		m.flags = (uint32_t)a->sock_type;
		err = make(dir, GOFER_REQ_BIND, &m, d, NULL, NULL);
		if (err != -ENAMETOOLONG && err != -EMFILE && err != -ENFILE && err != -ENOBUFS && err != -ENOMEM)
			return err == -EADDRINUSE ? -EEXIST : err;
		m = make_of(a);
	}
	m.mode |= a->mode & S_IFMT;
	m.rdev_major = major(a->rdev);
	m.rdev_minor = minor(a->rdev);
	return make(dir, GOFER_REQ_MKNOD, &m, d, NULL, NULL);
}

static int gfs_symlink(struct vfs_ctx *c, struct inode *dir, struct dentry *d, const char *target,
		       const struct inode_attr_new *a)
{
	struct gofer_make m = make_of(a);

	(void)c;
	m.mode = 0;
	return make(dir, GOFER_REQ_SYMLINK, &m, d, target, NULL);
}

/* ---- link, unlink, rename ------------------------------------------------------------------ */

static int gfs_link(struct vfs_ctx *c, struct inode *dir, struct dentry *d, struct inode *target)
{
	struct gfs_inode *gi = gfs_inode(target);
	struct gofer_change change;
	struct gofer_attr attr;
	uint32_t fid, dir_fid;
	int err;

	(void)c;
	err = gfs_fid(gi, &fid);
	if (err == 0)
		err = gfs_fid(gfs_inode(dir), &dir_fid);
	if (err == 0)
		err = grpc_link(gi->gs->conn, fid, dir_fid, dentry_name(d), &attr, &change);
	if (err < 0) {
		dir_has_others(dir);
		return err;
	}
	gfs_attr_apply(gi, &attr);
	gfs_attr_fresh(gi);
	dir_changed(dir, &change);
	gfs_dentry_fresh(gfs_inode(dir), d);
	dentry_set_inode(d, inode_get(target)); /* consumes the reference */
	return 0;
}

/*
 * d's name will go away.  If its inode has others, it must not be known by this one alone; if not,
 * nobody should hold the inode.  *fid: to be clunked with it.
 */
static int before_name_lost(struct inode *dir, struct dentry *d, uint32_t *fid)
{
	struct gfs_inode *gi = gfs_inode(dentry_inode(d));
	uint32_t own;

	*fid = GOFER_NOFID;
	if (!S_ISDIR(gi->vi.mode) && gi->vi.nlink > 1)
		return gfs_fid(gi, &own);
	*fid = gfs_fid_give_up(gi, dir, dentry_name(d));
	return 0;
}

/* A name of i went away. */
static void name_lost(struct inode *i)
{
	if (S_ISDIR(i->mode))
		i->nlink = 0;
	else if (i->nlink > 0)
		i->nlink--;
	i->ctime = vfs_now();
	atomic_store_explicit(&gfs_inode(i)->stale, true, memory_order_relaxed);
	if (i->nlink == 0) {
		gfs_inode_unhash(gfs_inode(i));
		gfs_fid_gone(gfs_inode(i));
	}
}

static int remove_name(struct inode *dir, struct dentry *d, uint32_t flags)
{
	struct gfs_super *gs = gfs_super(dir->sb);
	struct gofer_change change;
	uint32_t dir_fid, victim;
	int err;

	err = gfs_fid(gfs_inode(dir), &dir_fid);
	if (err == 0)
		err = before_name_lost(dir, d, &victim);
	if (err == 0)
		err = grpc_unlink(gs->conn, dir_fid, dentry_name(d), flags, victim, &change);
	if (err < 0)
		return err;
	name_lost(dentry_inode(d));
	dir_changed(dir, &change);
	return 0;
}

static int gfs_unlink(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	(void)c;
	return remove_name(dir, d, 0);
}

static int gfs_rmdir(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	int err;

	(void)c;
	err = remove_name(dir, d, AT_REMOVEDIR);
	if (err == 0 && dir->nlink > 2)
		dir->nlink--;
	return err;
}

static int gfs_rename(struct vfs_ctx *c, struct inode *old_dir, struct dentry *old_d,
		      struct inode *new_dir, struct dentry *new_d, unsigned int flags)
{
	struct gfs_super *gs = gfs_super(old_dir->sb);
	struct inode *moved = dentry_inode(old_d), *replaced = dentry_inode(new_d);
	struct gofer_change change[2];
	uint32_t old_fid, new_fid, fid, victim = GOFER_NOFID;
	int err;

	(void)c;
	err = gfs_fid(gfs_inode(moved), &fid); /* its name will be another one */
	if (err == 0)
		err = gfs_fid(gfs_inode(old_dir), &old_fid);
	if (err == 0)
		err = gfs_fid(gfs_inode(new_dir), &new_fid);
	if (err == 0 && replaced)
		err = flags & RENAME_EXCHANGE ? gfs_fid(gfs_inode(replaced), &fid)
					      : before_name_lost(new_dir, new_d, &victim);
	if (err == 0)
		err = grpc_rename(gs->conn, old_fid, dentry_name(old_d), new_fid, dentry_name(new_d),
				  flags, victim, change);
	if (err < 0) {
		dir_has_others(new_dir);
		return err;
	}
	if (flags & RENAME_WHITEOUT)
		dir_has_others(old_dir); /* the whiteout */
	atomic_store_explicit(&gfs_inode(moved)->stale, true, memory_order_relaxed);
	if (replaced && !(flags & RENAME_EXCHANGE))
		name_lost(replaced);
	else if (replaced)
		atomic_store_explicit(&gfs_inode(replaced)->stale, true, memory_order_relaxed);
	dir_changed(old_dir, &change[0]);
	if (new_dir != old_dir)
		dir_changed(new_dir, &change[1]);
	gfs_dentry_fresh(gfs_inode(new_dir), old_d); /* where the caller puts it now */
	if (flags & RENAME_EXCHANGE)
		gfs_dentry_fresh(gfs_inode(old_dir), new_d);
	return 0;
}

const struct inode_ops gfs_dir_inode_ops = {
	.lookup = gfs_lookup,
	.walk_ahead = gfs_walk_ahead,
	.revalidate = gfs_revalidate,
	.create = gfs_create,
	.mkdir = gfs_mkdir,
	.mknod = gfs_mknod,
	.symlink = gfs_symlink,
	.link = gfs_link,
	.unlink = gfs_unlink,
	.rmdir = gfs_rmdir,
	.rename = gfs_rename,
	.tmpfile = gfs_tmpfile,
	.getattr = gfs_getattr,
	.setattr = gfs_setattr,
	.getxattr = gfs_getxattr,
	.setxattr = gfs_setxattr,
	.listxattr = gfs_listxattr,
	.removexattr = gfs_removexattr,
	.open = gfs_dir_open,
};
