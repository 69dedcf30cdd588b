/* SPDX-License-Identifier: Apache-2.0 */
/* super.c: mounting the gofer file system, and its table of inodes. */
#include "vfs/gofer/gofer_fs_impl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"

/* ---- inodes -------------------------------------------------------------------------------- */

static uint64_t key_hash(uint64_t dev, uint64_t ino)
{
	return hash_u64(dev, ino);
}

/*
 * A fid keeps the host's inode and so its number alive.  Without one the number may have been used
 * again, which the birth time tells; with one it is no evidence: overlayfs changes it when it copies
 * a file or directory to its upper layer.
 */
bool gfs_same_file(const struct gfs_inode *gi, const struct gofer_attr *a)
{
	if (gi->host_ino != a->ino || gi->host_dev != a->dev ||
	    (gi->vi.mode & S_IFMT) != (a->mode & S_IFMT))
		return false;
	/* acquire: pairs with fid_set_locked() */
	return atomic_load_explicit(&gi->fid, memory_order_acquire) != GOFER_NOFID ||
	       (gi->vi.btime.tv_sec == a->btime_sec && gi->vi.btime.tv_nsec == (long)a->btime_nsec);
}

/* The inode of attr with a reference, or NULL. */
static struct gfs_inode *find_locked(struct gfs_super *gs, const struct gofer_attr *a)
{
	struct hash_node *n;

	for (n = hash_first(&gs->inodes, key_hash(a->dev, a->ino)); n; n = hash_next(n)) {
		struct gfs_inode *gi = container_of(n, struct gfs_inode, node);

		if (gfs_same_file(gi, a) && ref_try_get(&gi->vi.ref))
			return gi;
	}
	return NULL;
}

struct gfs_inode *gfs_inode_alloc(struct gfs_super *gs)
{
	struct gfs_inode *gi = mem_new(struct gfs_inode);

	if (gi) {
		gi->gs = gs;
		gi->sock_fid = GOFER_NOFID;
	}
	return gi;
}

void gfs_inode_discard(struct gfs_inode *gi)
{
	mem_free(gi);
}

static const struct inode_ops *ops_of(uint32_t mode)
{
	return S_ISDIR(mode)   ? &gfs_dir_inode_ops
	       : S_ISLNK(mode) ? &gfs_link_inode_ops
			       : &gfs_file_inode_ops;
}

static void inode_set_up(struct gfs_inode *gi, const struct gofer_attr *a, uint32_t fid, char *link)
{
	struct gfs_super *gs = gi->gs;

	inode_init(&gi->vi, gs->sb, ops_of(a->mode), a->mode);
	gi->vi.fops = S_ISDIR(a->mode) ? &gfs_dir_ops : &gfs_file_ops;
	gi->vi.blksize = a->blksize;
	gi->vi.rdev = a->rdev;
	gi->vi.ino = a->ino;
	gi->host_dev = a->dev;
	gi->host_ino = a->ino;
	atomic_init(&gi->fid, fid);
	gi->link = link;
	mutex_init(&gi->fd_lock, LOCK_GOFER_CONN);
	atomic_init(&gi->ro_fd, -1);
	atomic_init(&gi->rw_fd, -1);
	list_init(&gi->idle);
	list_init(&gi->named);
	gfs_attr_apply(gi, a);
	gfs_attr_fresh(gi);
	gi->names_mtime = gi->vi.mtime;
	gi->names_ctime = gi->vi.ctime;
	gi->names_recent = gfs_time_is_recent(a->ctime_sec, a->ctime_nsec);
	if (S_ISDIR(a->mode) && gs->exclusive)
		atomic_init(&gi->names_ns, clock_mono_ns());
}

/*
 * Where the host's mounts arrive: the names of what nobody uses are dropped, and with them the
 * Gofer's descriptors, which would make the host's umount(2) say EBUSY.  Ends when all have gone.
 */
static void sweep_main(void *arg)
{
	struct gfs_super *gs = arg;
	int64_t pause = GFS_SWEEP_MS * (int64_t)NSEC_PER_MSEC;
	struct waiter w;
	bool more;

	do {
		waiter_init(&w, fiber_self());
		waiter_prepare(&w);
		(void)waiter_sleep(&w, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + pause);
		if (pause < 16 * GFS_SWEEP_MS * (int64_t)NSEC_PER_MSEC)
			pause *= 2;
		dcache_shrink(gs->sb, UINT_MAX);
		gconn_clunk_flush(gs->conn);
		latch_lock(&gs->latch);
		more = gs->inodes.count > 1; /* the root */
		gs->sweeping = more;
		latch_unlock(&gs->latch);
	} while (more);
	super_put(gs->sb);
}

static void sweep_later(struct gfs_super *gs)
{
	struct fiber *f;
	bool begin;

	latch_lock(&gs->latch);
	begin = !gs->sweeping && gs->sb->root;
	gs->sweeping = gs->sweeping || begin;
	latch_unlock(&gs->latch);
	f = begin ? fiber_new(sweep_main, gs) : NULL;
	if (f) {
		super_get(gs->sb);
		fiber_start(f);
	} else if (begin) {
		latch_lock(&gs->latch);
		gs->sweeping = false;
		latch_unlock(&gs->latch);
	}
}

/* gi, not published, was to be what old is by now: that has a fid of its own, and the bound socket is gi's. */
static void sock_fid_move(struct gfs_inode *gi, struct gfs_inode *old)
{
	uint32_t fid = atomic_exchange_explicit(&gi->fid, GOFER_NOFID, memory_order_relaxed), before;

	mutex_lock(&old->fd_lock);
	before = old->sock_fid;
	old->sock_fid = fid;
	mutex_unlock(&old->fd_lock);
	gconn_fid_clunk(gi->gs->conn, before);
}

struct inode *gfs_inode_commit(struct gfs_inode *gi, const struct gofer_attr *attr, uint32_t fid,
			       char *link)
{
	struct gfs_super *gs = gi->gs;
	struct gfs_inode *old;
	bool bound = gi->sock_fid != GOFER_NOFID;

	inode_set_up(gi, attr, fid, link);
	gi->sock_fid = GOFER_NOFID; /* it is with fid */
	latch_lock(&gs->latch);
	old = find_locked(gs, attr);
	if (!old) {
		hash_insert(&gs->inodes, &gi->node, key_hash(attr->dev, attr->ino));
		gi->hashed = true;
	}
	latch_unlock(&gs->latch);
	if (gs->follows)
		sweep_later(gs);
	if (!old)
		return &gi->vi;
	if (bound)
		sock_fid_move(gi, old);
	inode_put(&gi->vi); /* clunks fid, frees link */
	return &old->vi;
}

struct inode *gfs_inode_lookup(struct gfs_super *gs, const struct gofer_attr *attr, uint32_t fid,
			       char *link)
{
	struct gfs_inode *gi;

	latch_lock(&gs->latch);
	gi = find_locked(gs, attr);
	latch_unlock(&gs->latch);
	if (gi) {
		gfs_fid_offer(gi, fid); /* consumes fid */
		gfs_names_check(gi, attr);
		mem_free(link);
		return &gi->vi;
	}
	gi = gfs_inode_alloc(gs);
	if (!gi) {
		gconn_fid_clunk(gs->conn, fid);
		mem_free(link);
		return NULL;
	}
	return gfs_inode_commit(gi, attr, fid, link); /* consumes fid, link */
}

struct inode *gfs_inode_seen(struct gfs_super *gs, const struct gofer_attr *attr, struct inode *parent,
			     const char *name, char *link)
{
	struct gfs_inode *gi;

	latch_lock(&gs->latch);
	gi = find_locked(gs, attr);
	latch_unlock(&gs->latch);
	if (gi) {
		mem_free(link);
		return &gi->vi;
	}
	gi = gfs_inode_alloc(gs);
	if (gi)
		gi->name = mem_strdup(name);
	if (!gi || !gi->name) {
		mem_free(gi);
		mem_free(link);
		return NULL;
	}
	gi->parent = inode_get(parent);
	return gfs_inode_commit(gi, attr, GOFER_NOFID, link); /* consumes link */
}

void gfs_inode_unhash(struct gfs_inode *gi)
{
	struct gfs_super *gs = gi->gs;

	latch_lock(&gs->latch);
	if (gi->hashed)
		hash_remove(&gs->inodes, &gi->node);
	gi->hashed = false;
	latch_unlock(&gs->latch);
}

/* ---- whose names are looked at ------------------------------------------------------------- */

static void names_forget(struct gfs_inode *gi)
{
	latch_lock(&gi->gs->latch);
	if (list_linked(&gi->named))
		list_remove(&gi->named);
	latch_unlock(&gi->gs->latch);
}

void gfs_names_seen(struct gfs_inode *gi)
{
	struct gfs_super *gs = gi->gs;

	atomic_store_explicit(&gi->names_ns, clock_mono_ns(), memory_order_relaxed);
	latch_lock(&gs->latch);
	if (list_linked(&gi->named))
		list_remove(&gi->named);
	list_append(&gs->named, &gi->named);
	latch_unlock(&gs->latch);
}

unsigned int gfs_names_batch(struct gfs_inode *dir, struct gfs_inode **out, unsigned int max)
{
	const int64_t due = clock_mono_ns() - GFS_NAMES_NS / 2;
	struct gfs_super *gs = dir->gs;
	struct gfs_inode *gi, *tmp;
	unsigned int n = 0;

	inode_get(&dir->vi);
	out[n++] = dir;
	latch_lock(&gs->latch);
	list_for_each_entry_safe(gi, tmp, &gs->named, named) {
		if (n == max || atomic_load_explicit(&gi->names_ns, memory_order_relaxed) > due)
			break;
		list_remove(&gi->named); /* those that were not used have to ask for themselves */
		if (gi != dir && atomic_exchange_explicit(&gi->names_used, false, memory_order_relaxed) &&
		    ref_try_get(&gi->vi.ref))
			out[n++] = gi;
	}
	latch_unlock(&gs->latch);
	return n;
}

static void gfs_inode_free(struct inode *i)
{
	struct gfs_inode *gi = gfs_inode(i);
	struct gconn *conn = gi->gs->conn;
	uint32_t fid = atomic_load_explicit(&gi->fid, memory_order_relaxed);
	int fd;

	gfs_inode_unhash(gi);
	gfs_idle_remove(gi);
	names_forget(gi);
	fd = atomic_load_explicit(&gi->ro_fd, memory_order_relaxed);
	host_close_fd(&fd);
	fd = atomic_load_explicit(&gi->rw_fd, memory_order_relaxed);
	host_close_fd(&fd);
	gconn_fid_clunk(conn, fid);
	gconn_fid_clunk(conn, gi->sock_fid);
	/* The Gofer's descriptor is what still keeps the blocks of a file without names on the disk. */
	if (i->nlink == 0 && fid != GOFER_NOFID)
		gconn_clunk_flush(conn);
	inode_put(gi->parent);
	mem_free(gi->name);
	mem_free(gi->link);
	mem_free(gi);
}

uint64_t gfs_dev(struct gfs_inode *gi)
{
	struct gfs_super *gs = gi->gs;
	unsigned int k;

	if (gi->host_dev == gs->root_dev)
		return gs->sb->dev;
	latch_lock(&gs->latch);
	for (k = 0; k < gs->dev_count && gs->devs[k] != gi->host_dev; k++)
		;
	if (k == gs->dev_count && k < GFS_DEVS_MAX)
		gs->devs[gs->dev_count++] = gi->host_dev;
	latch_unlock(&gs->latch);
	/* Minor numbers have 20 bits, and supers count up from 20. */
	return makedev(0, ((k + 1) << 14) + (minor(gs->sb->dev) & 0x3fff));
}

/* ---- idle descriptors ---------------------------------------------------------------------- */

void gfs_idle_remove(struct gfs_inode *gi)
{
	struct gfs_super *gs = gi->gs;

	latch_lock(&gs->latch);
	if (list_linked(&gi->idle)) {
		list_remove(&gi->idle);
		gs->idle_count--;
	}
	latch_unlock(&gs->latch);
}

void gfs_idle_add(struct gfs_inode *gi)
{
	struct gfs_super *gs = gi->gs;
	struct gfs_inode *victim = NULL;

	latch_lock(&gs->latch);
	if (!list_linked(&gi->idle)) {
		list_append(&gs->idle, &gi->idle);
		gs->idle_count++;
	}
	while (gs->idle_count > GFS_IDLE_MAX && !victim) {
		victim = list_first(&gs->idle, struct gfs_inode, idle);
		list_remove(&victim->idle);
		gs->idle_count--;
		if (!ref_try_get(&victim->vi.ref))
			victim = NULL; /* being freed */
	}
	latch_unlock(&gs->latch);
	if (victim) {
		gfs_close_idle(victim);
		inode_put(&victim->vi);
	}
}

/* ---- super --------------------------------------------------------------------------------- */

static void gfs_free(struct super *sb)
{
	struct gfs_super *gs = gfs_super(sb);

	hash_fini(&gs->inodes);
	gconn_put(gs->conn);
	mem_free(gs);
}

static int gfs_statfs(struct super *sb, struct statfs_info *out)
{
	struct gfs_super *gs = gfs_super(sb);
	struct gofer_statfs st;
	int err = grpc_statfs(gs->conn, gs->root_fid, &st);

	if (err < 0)
		return err;
	*out = (struct statfs_info){
		.type = st.type,
		.bsize = st.bsize,
		.blocks = st.blocks,
		.bfree = st.bfree,
		.bavail = st.bavail,
		.files = st.files,
		.ffree = st.ffree,
		.namelen = MIN(st.namelen, (uint64_t)NAME_LEN_MAX),
		.frsize = st.frsize,
		.flags = st.flags,
		.fsid = { st.fsid[0], st.fsid[1] },
	};
	return 0;
}

static int gfs_sync(struct super *sb)
{
	struct gfs_super *gs = gfs_super(sb);

	if (gs->attach_flags & GOFER_ATTACH_RDONLY)
		return 0;
	return grpc_fsync(gs->conn, gs->root_fid, GOFER_FSYNC_FS);
}

/* Only what the same Gofer serves can be bound on the host. */
static int gfs_bind_outside(struct super *sb, struct inode *at, struct inode *source, bool recursive,
			    uint32_t *handle)
{
	struct gfs_super *gs = gfs_super(sb);
	uint32_t from, to, fid;
	int err;

	if (!(gs->attach_flags & GOFER_ATTACH_MOUNT))
		return -EPERM;
	if (source->sb->type != sb->type || gfs_super(source->sb)->conn != gs->conn)
		return -EXDEV;
	err = gfs_fid(gfs_inode(source), &from);
	if (err == 0)
		err = gfs_fid(gfs_inode(at), &to);
	if (err == 0)
		err = gconn_fid_alloc(gs->conn, &fid);
	if (err < 0)
		return err;
	err = grpc_mount(gs->conn, from, to, fid, recursive);
	if (err < 0)
		gconn_fid_free(gs->conn, fid);
	else
		*handle = fid + 1;
	return err;
}

static void gfs_unbind_outside(struct super *sb, uint32_t handle)
{
	struct gfs_super *gs = gfs_super(sb);

	(void)grpc_unmount(gs->conn, handle - 1);
	gconn_fid_free(gs->conn, handle - 1);
}

static void gfs_show_options(struct super *sb, struct buf *b)
{
	buf_puts(b, gfs_super(sb)->exclusive ? ",cache=exclusive" : ",cache=shared");
}

static const struct super_ops gfs_super_ops = {
	.free = gfs_free,
	.statfs = gfs_statfs,
	.sync = gfs_sync,
	.inode_free = gfs_inode_free,
	.show_options = gfs_show_options,
	.bind_outside = gfs_bind_outside,
	.unbind_outside = gfs_unbind_outside,
};

/* The root inode and dentry of a super whose members are set. */
static int root_attach(struct gfs_super *gs, uint32_t index)
{
	struct gofer_attach_reply a;
	struct inode *i;
	uint32_t fid;
	int err;

	err = gconn_fid_alloc(gs->conn, &fid);
	if (err < 0)
		return err;
	err = grpc_attach(gs->conn, index, fid, &a);
	if (err < 0) {
		gconn_fid_free(gs->conn, fid);
		return err;
	}
	gs->root_dev = a.attr.dev;
	gs->root_fid = fid;
	gs->attach_flags = a.flags;
	i = gfs_inode_lookup(gs, &a.attr, fid, NULL); /* consumes fid */
	if (!i)
		return -ENOMEM;
	gs->sb->root = dentry_new_root(gs->sb, i); /* consumes i */
	return gs->sb->root ? 0 : -ENOMEM;
}

static struct gfs_super *gfs_super_new(const struct gofer_mount_args *args)
{
	struct gfs_super *gs = mem_new(struct gfs_super);

	if (!gs)
		return NULL;
	if (hash_init(&gs->inodes, 64) < 0) {
		mem_free(gs);
		return NULL;
	}
	latch_init(&gs->latch);
	list_init(&gs->idle);
	gs->exclusive = args->flags & GOFER_FS_EXCLUSIVE;
	list_init(&gs->named);
	gs->follows = args->flags & GOFER_FS_FOLLOWS;
	gs->conn = gconn_get(args->conn);
	return gs;
}

static int gfs_mount(struct vfs_ctx *c, const struct fs_type *t, const char *source, const char *data,
		     void *fs_data, struct super **out)
{
	const struct gofer_mount_args *args = fs_data;
	struct gfs_super *gs;
	struct super *sb;
	int err;

	(void)c;
	(void)data;
	if (!args)
		return -EPERM;
	gs = gfs_super_new(args);
	if (!gs)
		return -ENOMEM;
	sb = super_new(t, &gfs_super_ops, gs);
	if (!sb) {
		hash_fini(&gs->inodes);
		gconn_put(gs->conn);
		mem_free(gs);
		return -ENOMEM;
	}
	gs->sb = sb;
	sb->flags |= SUPER_REVALIDATE | (gs->exclusive ? SUPER_CREATE_TELLS : SUPER_NOCACHE_NEG);
	sb->source = mem_strdup(source ? source : "none");
	err = sb->source ? root_attach(gs, args->index) : -ENOMEM;
	if (err == 0 && gs->attach_flags & GOFER_ATTACH_RDONLY)
		sb->flags |= SUPER_RDONLY;
	if (err < 0) {
		super_put(sb);
		return err;
	}
	*out = sb;
	return 0;
}

static const struct fs_type gofer_type = {
	.name = "gofer",
	.flags = FS_NODEV,
	.mount = gfs_mount,
};

const struct fs_type *gofer_fs_type(void)
{
	return &gofer_type;
}

int gofer_fs_connect(struct inode *i, int type)
{
	struct gfs_inode *gi;
	uint32_t fid;
	int err, fd;

	if (i->sb->type != &gofer_type || !S_ISSOCK(i->mode))
		return -ECONNREFUSED;
	gi = gfs_inode(i);
	err = gfs_fid(gi, &fid);
	if (err == 0)
		err = grpc_connect(gi->gs->conn, fid, (uint32_t)type, &fd);
	return err < 0 ? err : fd;
}

int gofer_fs_listen(struct inode *i)
{
	struct gfs_inode *gi;
	uint32_t fid;
	int err, fd;

	if (i->sb->type != &gofer_type || !S_ISSOCK(i->mode) ||
	    !(gfs_super(i->sb)->attach_flags & GOFER_ATTACH_BIND))
		return -EINVAL;
	gi = gfs_inode(i);
	err = gfs_fid(gi, &fid);
	mutex_lock(&gi->fd_lock);
	if (err == 0 && gi->sock_fid != GOFER_NOFID)
		fid = gi->sock_fid;
	mutex_unlock(&gi->fd_lock);
	if (err == 0)
		err = grpc_listen(gi->gs->conn, fid, &fd);
	return err < 0 ? err : fd;
}
