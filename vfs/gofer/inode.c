/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode.c: attributes and extended attributes of the gofer file system.
 *
 * POSIX ACLs are refused (-EOPNOTSUPP) rather than stored, as the permission check would not know
 * of them without a request for each inode.
 */
#include "vfs/gofer/gofer_fs_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

/* ---- fids ---------------------------------------------------------------------------------- */

/* Take fid for gi, which has none; what it was seen as is not needed any more.  fd_lock held. */
static struct inode *fid_set_locked(struct gfs_inode *gi, uint32_t fid)
{
	struct inode *parent = gi->parent;

	gi->parent = NULL;
	mem_free(gi->name);
	gi->name = NULL;
	atomic_store_explicit(&gi->fid, fid, memory_order_release); /* gfs_fid */
	return parent;
}

void gfs_fid_offer(struct gfs_inode *gi, uint32_t fid)
{
	struct inode *parent = NULL;

	mutex_lock(&gi->fd_lock);
	if (atomic_load_explicit(&gi->fid, memory_order_relaxed) == GOFER_NOFID && fid != GOFER_NOFID) {
		parent = fid_set_locked(gi, fid); /* consumes fid */
		fid = GOFER_NOFID;
	}
	mutex_unlock(&gi->fd_lock);
	inode_put(parent);
	gconn_fid_clunk(gi->gs->conn, fid);
}

uint32_t gfs_fid_give_up(struct gfs_inode *gi, struct inode *dir, const char *name)
{
	int ro = -1, rw = -1;
	uint32_t fid;

	gfs_idle_remove(gi);
	mutex_lock(&gi->fd_lock);
	fid = atomic_load_explicit(&gi->fid, memory_order_relaxed);
	/* The one reference is that of the dentry; other users of the dentry see it removed. */
	if (fid != GOFER_NOFID && gi->open_count == 0 && ref_count(&gi->vi.ref) == 1)
		gi->name = mem_strdup(name);
	if (gi->name && !gi->parent) {
		gi->parent = inode_get(dir);
		atomic_store_explicit(&gi->fid, GOFER_NOFID, memory_order_release); /* gfs_fid */
		ro = atomic_exchange_explicit(&gi->ro_fd, -1, memory_order_relaxed);
		rw = atomic_exchange_explicit(&gi->rw_fd, -1, memory_order_relaxed);
	} else {
		fid = GOFER_NOFID;
	}
	mutex_unlock(&gi->fd_lock);
	host_close_fd(&ro);
	host_close_fd(&rw);
	return fid;
}

void gfs_fid_gone(struct gfs_inode *gi)
{
	struct inode *parent;

	mutex_lock(&gi->fd_lock);
	parent = gi->parent;
	gi->parent = NULL;
	mem_free(gi->name);
	gi->name = NULL;
	mutex_unlock(&gi->fd_lock);
	inode_put(parent);
}

/* Walk from the directory, whose fid is dir_fid.  *parent: to be put once fd_lock is free; *fd: as in grpc_walk(). */
static int fid_walk_locked(struct gfs_inode *gi, uint32_t dir_fid, enum gofer_walk_open open, int *fd,
			   struct inode **parent)
{
	struct grpc_walk w;
	uint32_t fid;
	int err;

	err = gfs_walk_one(gi->gs, dir_fid, gi->name, strlen(gi->name), GOFER_NOFID, open, &fid, &w);
	if (err < 0)
		return err;
	mem_free(w.link);
	if (!gfs_same_file(gi, &w.at[0].attr)) {
		host_close_fd(&w.fd);
		gconn_fid_clunk(gi->gs->conn, fid);
		return -ESTALE;
	}
	*parent = fid_set_locked(gi, fid);
	*fd = w.fd;
	return 0;
}

void gfs_fid_open_locked(struct gfs_inode *gi, enum gofer_walk_open open, atomic_int *slot, struct inode **parent)
{
	uint32_t dir_fid;
	int fd;

	if (!gi->parent)
		return;
	dir_fid = atomic_load_explicit(&gfs_inode(gi->parent)->fid, memory_order_acquire);
	if (dir_fid != GOFER_NOFID && fid_walk_locked(gi, dir_fid, open, &fd, parent) == 0)
		atomic_store_explicit(slot, fd, memory_order_release); /* fd_of() */
}

/* One try.  *dir (new reference) when that directory needs a fid first; else left alone. */
static int fid_try(struct gfs_inode *gi, struct inode **dir)
{
	struct inode *parent = NULL;
	uint32_t dir_fid;
	int err = 0, none;

	mutex_lock(&gi->fd_lock);
	if (!gi->parent) {
		if (atomic_load_explicit(&gi->fid, memory_order_relaxed) == GOFER_NOFID)
			err = -ENOENT; /* removed */
	} else {
		dir_fid = atomic_load_explicit(&gfs_inode(gi->parent)->fid, memory_order_acquire);
		if (dir_fid == GOFER_NOFID) {
			*dir = inode_get(gi->parent);
		} else {
			err = fid_walk_locked(gi, dir_fid, GOFER_WALK_LOOK, &none, &parent);
		}
	}
	mutex_unlock(&gi->fd_lock);
	inode_put(parent);
	return err;
}

int gfs_fid(struct gfs_inode *gi, uint32_t *fid)
{
	struct inode *dir;
	uint32_t dir_fid;
	int err;

	for (;;) {
		dir = NULL;
		*fid = atomic_load_explicit(&gi->fid, memory_order_acquire); /* fid_set_locked */
		if (*fid != GOFER_NOFID)
			return 0;
		err = fid_try(gi, &dir);
		if (dir) {
			err = gfs_fid(gfs_inode(dir), &dir_fid);
			inode_put(dir);
		}
		if (err < 0 && !gfs_relieve(gi->gs, err))
			return err;
	}
}

/* ---- caching ------------------------------------------------------------------------------- */

void gfs_attr_apply(struct gfs_inode *gi, const struct gofer_attr *a)
{
	struct inode *i = &gi->vi;

	i->mode = (i->mode & S_IFMT) | (a->mode & 07777);
	i->uid = a->uid;
	i->gid = a->gid;
	i->nlink = a->nlink;
	i->size = a->size;
	i->blocks = a->blocks;
	i->atime = (struct timespec){ a->atime_sec, a->atime_nsec };
	i->mtime = (struct timespec){ a->mtime_sec, a->mtime_nsec };
	i->ctime = (struct timespec){ a->ctime_sec, a->ctime_nsec };
	i->btime = (struct timespec){ a->btime_sec, a->btime_nsec };
}

void gfs_attr_fresh(struct gfs_inode *gi)
{
	atomic_store_explicit(&gi->stale, false, memory_order_relaxed);
	atomic_store_explicit(&gi->fresh_ns, clock_mono_ns(), memory_order_relaxed);
}

bool gfs_attr_is_fresh(const struct gfs_inode *gi)
{
	if (atomic_load_explicit(&gi->stale, memory_order_relaxed))
		return false;
	if (gi->gs->exclusive)
		return !atomic_load_explicit(&gi->mapped, memory_order_relaxed);
	return clock_mono_ns() - atomic_load_explicit(&gi->fresh_ns, memory_order_relaxed) <
	       GFS_FRESH_NS;
}

/* From a donated descriptor, without asking the Gofer.  False: there is none. */
static bool refresh_by_fd(struct gfs_inode *gi)
{
	struct inode *i = &gi->vi;
	struct stat st;
	int err = -EBADF;

	/* An idle descriptor could be closed meanwhile. */
	mutex_lock(&gi->fd_lock);
	for (int k = 0; k < 2 && err < 0; k++) {
		int fd = atomic_load_explicit(k ? &gi->ro_fd : &gi->rw_fd, memory_order_relaxed);

		if (fd >= 0)
			err = host_fstat(fd, &st);
	}
	mutex_unlock(&gi->fd_lock);
	if (err < 0)
		return false;
	i->mode = (i->mode & S_IFMT) | (st.st_mode & 07777);
	/* Owner and group as we know them: our user namespace does not map the host's ids. */
	i->nlink = (uint32_t)st.st_nlink;
	i->size = (uint64_t)st.st_size;
	i->blocks = (uint64_t)st.st_blocks;
	i->atime = st.st_atim;
	i->mtime = st.st_mtim;
	i->ctime = st.st_ctim;
	return true;
}

int gfs_refresh_locked(struct gfs_inode *gi)
{
	struct gofer_attr attr;
	uint32_t fid;
	int err;

	if (gfs_attr_is_fresh(gi))
		return 0;
	if (!refresh_by_fd(gi)) {
		err = gfs_fid(gi, &fid);
		if (err < 0 && gi->vi.nlink == 0)
			return 0; /* it is gone; what we know is all that there is */
		if (err == 0)
			err = grpc_getattr(gi->gs->conn, fid, &attr);
		if (err < 0)
			return err;
		gfs_attr_apply(gi, &attr);
	}
	gfs_attr_fresh(gi);
	return 0;
}

int gfs_refresh_old(struct gfs_inode *gi)
{
	int err;

	if (clock_mono_ns() - atomic_load_explicit(&gi->fresh_ns, memory_order_relaxed) < GFS_NAMES_NS)
		return 0;
	mutex_lock(&gi->vi.lock);
	atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
	err = gfs_refresh_locked(gi);
	mutex_unlock(&gi->vi.lock);
	return err;
}

int gfs_getattr(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out)
{
	struct gfs_inode *gi = gfs_inode(i);
	int err = 0;

	(void)c;
	(void)query;
	if (!gfs_attr_is_fresh(gi)) {
		mutex_lock(&i->lock);
		err = gfs_refresh_locked(gi);
		mutex_unlock(&i->lock);
	}
	if (err < 0)
		return err;
	inode_fill_attr(i, out);
	out->dev = gfs_dev(gi);
	return 0;
}

/* ---- changing ------------------------------------------------------------------------------ */

static uint32_t wire_mask(uint32_t mask)
{
	static const struct {
		uint32_t vfs, wire;
	} map[] = {
		{ SETATTR_MODE, GOFER_SET_MODE },           { SETATTR_UID, GOFER_SET_UID },
		{ SETATTR_GID, GOFER_SET_GID },             { SETATTR_SIZE, GOFER_SET_SIZE },
		{ SETATTR_ATIME, GOFER_SET_ATIME },         { SETATTR_MTIME, GOFER_SET_MTIME },
		{ SETATTR_ATIME_NOW, GOFER_SET_ATIME_NOW }, { SETATTR_MTIME_NOW, GOFER_SET_MTIME_NOW },
	};
	uint32_t wire = 0;

	for (size_t k = 0; k < ARRAY_SIZE(map); k++)
		if (mask & map[k].vfs)
			wire |= map[k].wire;
	return wire;
}

/*
 * Truncation alone, on a donated descriptor: no request.  False: do it the other way.  Not with setuid
 * bits, which the host would take away because it is the Sentry that truncates.
 */
static bool truncate_by_fd(struct gfs_inode *gi, const struct setattr *a, int *err)
{
	const uint32_t others = SETATTR_MODE | SETATTR_UID | SETATTR_GID | SETATTR_ATIME |
				SETATTR_MTIME | SETATTR_ATIME_NOW;
	bool done = false;
	int fd;

	if (!(a->mask & SETATTR_SIZE) || a->mask & others || a->size > INT64_MAX ||
	    gi->vi.mode & (S_ISUID | S_ISGID))
		return false;
	mutex_lock(&gi->fd_lock);
	fd = gfs_peek_rw_fd(gi);
	if (fd >= 0) {
		*err = host_ftruncate(fd, (int64_t)a->size);
		done = true;
	}
	mutex_unlock(&gi->fd_lock);
	if (done && *err == 0) {
		gi->vi.size = a->size;
		atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
	}
	return done;
}

/*
 * An owner and mode that the file has already, set on one that changed less than a tick ago: even its
 * change time would stay (tar and SQLite chown what they have just made).  Not with what chown(2) takes
 * away: setuid bits, capabilities.
 */
static bool changes_nothing(const struct gfs_inode *gi, const struct setattr *a)
{
	const struct inode *i = &gi->vi;
	struct timespec now;

	if (!gi->gs->exclusive || a->mask & ~(SETATTR_MODE | SETATTR_UID | SETATTR_GID | SETATTR_CTIME_NOW) ||
	    i->mode & (S_ISUID | S_ISGID) ||
	    !(atomic_load_explicit(&gi->xattr_none, memory_order_relaxed) & GFS_NO_CAPABILITY) ||
	    (a->mask & SETATTR_MODE && (a->mode & 07777) != (i->mode & 07777)) ||
	    (a->mask & SETATTR_UID && a->uid != i->uid) || (a->mask & SETATTR_GID && a->gid != i->gid))
		return false;
	now = vfs_now();
	return now.tv_sec == i->ctime.tv_sec && now.tv_nsec - i->ctime.tv_nsec < GFS_SAME_TICK_NS;
}

int gfs_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a)
{
	struct gfs_inode *gi = gfs_inode(i);
	struct gofer_setattr q = {
		.mask = wire_mask(a->mask),
		.mode = a->mode & 07777,
		.uid = a->uid,
		.gid = a->gid,
		.size = a->size,
		.atime_sec = a->atime.tv_sec,
		.mtime_sec = a->mtime.tv_sec,
		.atime_nsec = (uint32_t)a->atime.tv_nsec,
		.mtime_nsec = (uint32_t)a->mtime.tv_nsec,
	};
	struct gofer_attr attr;
	int err;

	(void)c;
	if (q.mask == 0) { /* only the change time: the host's is as good */
		atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
		return 0;
	}
	if (changes_nothing(gi, a))
		return 0;
	if (truncate_by_fd(gi, a, &err))
		return err;
	if (!(q.mask & GOFER_SET_ATIME))
		q.atime_nsec = 0;
	if (!(q.mask & GOFER_SET_MTIME))
		q.mtime_nsec = 0;
	if (!(q.mask & GOFER_SET_SIZE))
		q.size = 0;
	if ((q.mask & GOFER_SET_UID && q.uid == UINT32_MAX) ||
	    (q.mask & GOFER_SET_GID && q.gid == UINT32_MAX) || q.size > INT64_MAX ||
	    q.atime_nsec >= NSEC_PER_SEC || q.mtime_nsec >= NSEC_PER_SEC)
		return -EINVAL;
	err = gfs_fid(gi, &q.fid);
	if (err == 0)
		err = grpc_setattr(gi->gs->conn, &q, &attr);
	if (err < 0) {
		/* The owner may have changed before the rest failed. */
		atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
		return err;
	}
	if (q.mask & (GOFER_SET_UID | GOFER_SET_GID))
		atomic_store_explicit(&gi->xattr_none, 0, memory_order_relaxed);
	gfs_attr_apply(gi, &attr);
	gfs_attr_fresh(gi);
	return 0;
}

/* ---- extended attributes ------------------------------------------------------------------- */

static bool is_capability(const char *name)
{
	return strcmp(name, "security.capability") == 0;
}

/*
 * security.* and trusted.* can't be set on the host without its capabilities, and mean nothing to it:
 * they are kept as user.runsc-c.security.* and user.runsc-c.trusted.*, which the container doesn't
 * see under those names.  (The host takes user.* on files and directories only: EPERM on others.)
 * The host's name is name itself or in buf; NULL: not supported; -ERANGE's cases are left to the Gofer.
 */
#define HIDDEN     "user.runsc-c."
#define HIDDEN_LEN (sizeof(HIDDEN) - 1)

static const char *xattr_host_name(const char *name, char buf[static NAME_LEN_MAX + 1])
{
	if (is_capability(name))
		return name;
	if (strncmp(name, "user.", 5) == 0)
		return strncmp(name, HIDDEN, HIDDEN_LEN) == 0 ? NULL : name;
	if (strncmp(name, "security.", 9) != 0 && strncmp(name, "trusted.", 8) != 0)
		return NULL;
	if (snprintf(buf, NAME_LEN_MAX + 1, HIDDEN "%s", name) > NAME_LEN_MAX)
		return NULL;
	return buf;
}

/* The container's name for one of the host's; NULL: it has none. */
static const char *xattr_own_name(const char *name)
{
	if (strncmp(name, HIDDEN, HIDDEN_LEN) == 0)
		return name + HIDDEN_LEN;
	return is_capability(name) || strncmp(name, "user.", 5) == 0 ? name : NULL;
}

ssize_t gfs_getxattr(struct vfs_ctx *c, struct inode *i, const char *name, void *buf, size_t size)
{
	struct gfs_inode *gi = gfs_inode(i);
	char host_name[NAME_LEN_MAX + 1];
	bool cap = is_capability(name);
	uint32_t fid;
	ssize_t n;

	(void)c;
	name = xattr_host_name(name, host_name);
	if (!name)
		return -EOPNOTSUPP;
	if (cap && atomic_load_explicit(&gi->xattr_none, memory_order_relaxed) & GFS_NO_CAPABILITY)
		return -ENODATA;
	n = gfs_fid(gi, &fid);
	if (n == 0)
		n = grpc_getxattr(gi->gs->conn, fid, name, buf, size);
	if (n == -ENODATA && cap && gi->gs->exclusive)
		atomic_fetch_or_explicit(&gi->xattr_none, GFS_NO_CAPABILITY, memory_order_relaxed);
	return n;
}

int gfs_setxattr(struct vfs_ctx *c, struct inode *i, const char *name, const void *value, size_t size,
		 int flags)
{
	struct gfs_inode *gi = gfs_inode(i);
	char host_name[NAME_LEN_MAX + 1];
	uint32_t fid;
	int err;

	(void)c;
	name = xattr_host_name(name, host_name);
	if (!name)
		return -EOPNOTSUPP;
	err = gfs_fid(gi, &fid);
	if (err == 0)
		err = grpc_setxattr(gi->gs->conn, fid, name, value, size, (uint32_t)flags);
	if (err == 0) {
		atomic_store_explicit(&gi->xattr_none, 0, memory_order_relaxed);
		atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
	}
	return err;
}

ssize_t gfs_listxattr(struct vfs_ctx *c, struct inode *i, char *buf, size_t size)
{
	struct gfs_inode *gi = gfs_inode(i);
	ssize_t n, kept = 0, len;
	uint32_t fid;
	char *list;

	(void)c;
	list = mem_alloc(GOFER_XATTR_MAX);
	if (!list)
		return -ENOMEM;
	n = gfs_fid(gi, &fid);
	if (n == 0)
		n = grpc_listxattr(gi->gs->conn, fid, list, GOFER_XATTR_MAX);
	/* Only names that can be asked for, as the container knows them: never longer than the host's. */
	for (ssize_t at = 0; at < n; at += len) {
		const char *own;
		size_t own_len;

		len = (ssize_t)strnlen(list + at, (size_t)(n - at)) + 1;
		if (at + len > n)
			break;
		own = xattr_own_name(list + at);
		if (!own)
			continue;
		own_len = strlen(own) + 1;
		memmove(list + kept, own, own_len);
		kept += (ssize_t)own_len;
	}
	if (n >= 0 && size > 0 && (size_t)kept > size)
		n = -ERANGE;
	if (n >= 0 && size > 0)
		memcpy(buf, list, (size_t)kept);
	mem_free(list);
	return n < 0 ? n : kept;
}

int gfs_removexattr(struct vfs_ctx *c, struct inode *i, const char *name)
{
	struct gfs_inode *gi = gfs_inode(i);
	char host_name[NAME_LEN_MAX + 1];
	uint32_t fid;
	int err;

	(void)c;
	name = xattr_host_name(name, host_name);
	if (!name)
		return -EOPNOTSUPP;
	err = gfs_fid(gi, &fid);
	if (err == 0)
		err = grpc_removexattr(gi->gs->conn, fid, name);
	if (err == 0)
		atomic_store_explicit(&gi->stale, true, memory_order_relaxed);
	return err;
}

/* ---- the tables of what is no directory ---------------------------------------------------- */

static int gfs_readlink(struct vfs_ctx *c, struct inode *i, char **out)
{
	struct gfs_inode *gi = gfs_inode(i);
	uint32_t fid;
	int err;

	(void)c;
	if (!gi->link) {
		err = gfs_fid(gi, &fid);
		return err < 0 ? err : grpc_readlink(gi->gs->conn, fid, out);
	}
	*out = mem_strdup(gi->link);
	return *out ? 0 : -ENOMEM;
}

const struct inode_ops gfs_file_inode_ops = {
	.getattr = gfs_getattr,
	.setattr = gfs_setattr,
	.getxattr = gfs_getxattr,
	.setxattr = gfs_setxattr,
	.listxattr = gfs_listxattr,
	.removexattr = gfs_removexattr,
	.open = gfs_file_open,
};

const struct inode_ops gfs_link_inode_ops = {
	.readlink = gfs_readlink,
	.getattr = gfs_getattr,
	.setattr = gfs_setattr,
	.getxattr = gfs_getxattr,
	.setxattr = gfs_setxattr,
	.listxattr = gfs_listxattr,
	.removexattr = gfs_removexattr,
};
