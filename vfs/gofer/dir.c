/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir.c: readdir of the gofer file system.
 *
 * Positions: 0 is ".", 1 is "..", and 2 + n what the host calls n.  An open directory keeps the last
 * reply and goes on in it; another position makes it ask again from there.
 */
#include "vfs/gofer/gofer_fs_impl.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

#define DIR_FIRST    2               /* position of the host's cookie 0 */
#define DIR_REPLY    (64u * 1024)    /* bytes asked for at once */
#define DIR_SEEN_MAX 16384u          /* entries of one directory that are put into the cache */
#define DIR_SEEN_NS  (2 * NSEC_PER_SEC) /* not again that soon */

/* All under f->pos_lock. */
struct gfs_dir {
	bool loaded;        /* reply holds entries that follow position at */
	bool fill;          /* put what is read into the cache */
	unsigned int seen;  /* put there so far */
	struct grpc_dir reply;
	int64_t at;         /* position of the next entry in reply */
};

static int64_t pos_of(uint64_t cookie)
{
	return cookie > INT64_MAX - DIR_FIRST ? INT64_MAX : (int64_t)cookie + DIR_FIRST;
}

static uint64_t cookie_of(int64_t pos)
{
	return pos == INT64_MAX ? INT64_MAX : (uint64_t)(pos - DIR_FIRST);
}

static void dir_unload(struct gfs_super *gs, struct gfs_dir *dir)
{
	if (dir->loaded)
		gconn_reply_put(gs->conn, &dir->reply.call);
	dir->loaded = false;
}

/* One entry with attributes into the cache, below d, unless its name is there already. */
static void cache_entry(struct gfs_super *gs, struct dentry *d, const struct gofer_dirent *ent,
			const char *name, const struct gofer_attr *attr, uint64_t snapshot)
{
	struct dentry *child = dcache_lookup(d, name, ent->name_size);
	char text[NAME_LEN_MAX + 1], *link = NULL;
	struct inode *i;

	if (child) {
		dentry_put(child);
		return;
	}
	memcpy(text, name, ent->name_size);
	text[ent->name_size] = '\0';
	if (ent->link_size > 0)
		link = mem_strndup(name + ent->name_size, ent->link_size);
	i = gfs_inode_seen(gs, attr, dentry_inode(d), text, link); /* consumes link */
	if (!i)
		return;
	child = dcache_add_since(d, text, i, snapshot); /* consumes i */
	if (child)
		gfs_dentry_fresh(gfs_inode(dentry_inode(d)), child);
	dentry_put(child);
}

/*
 * A program that reads a directory mostly looks at what is in it next.  So have the attributes sent
 * along, and know all names without asking for each.
 */
static void dir_cache(struct gfs_super *gs, struct gfs_dir *dir, struct dentry *d, uint64_t snapshot)
{
	struct grpc_dir reply = dir->reply;
	const struct gofer_dirent *ent;
	const struct gofer_attr *attr;
	const char *name;

	while ((ent = grpc_dirent_next(&reply, &name, &attr)) && dir->seen < DIR_SEEN_MAX) {
		dir->seen++;
		if (attr)
			cache_entry(gs, d, ent, name, attr, snapshot);
	}
}

/* At the beginning: worth filling the cache this time? */
static void dir_start(struct gfs_inode *gi, struct gfs_dir *dir)
{
	int64_t now = clock_mono_ns();
	int64_t then = atomic_load_explicit(&gi->seen_ns, memory_order_relaxed);

	dir->seen = 0;
	dir->fill = gi->gs->exclusive && (then == 0 || now - then > DIR_SEEN_NS);
	if (dir->fill)
		atomic_store_explicit(&gi->seen_ns, now, memory_order_relaxed);
}

static int dir_load(struct file *f, struct gfs_dir *dir)
{
	struct gfs_inode *gi = gfs_inode(f->inode);
	struct gfs_super *gs = gi->gs;
	uint64_t snapshot = dcache_snapshot(gs->sb);
	uint32_t fid, flags;
	int err;

	dir_unload(gs, dir);
	if (f->pos == DIR_FIRST)
		dir_start(gi, dir);
	err = gfs_fid(gi, &fid);
	if (err < 0)
		return err;
	flags = dir->fill && dir->seen < DIR_SEEN_MAX ? GOFER_READDIR_ATTR : 0;
	err = grpc_readdir(gs->conn, fid, cookie_of(f->pos), flags, DIR_REPLY, &dir->reply);
	if (err < 0)
		return err;
	dir->loaded = true;
	dir->at = f->pos;
	if (flags)
		dir_cache(gs, dir, f->path.dentry, snapshot);
	return 0;
}

/* "." and "..".  False: the sink is full. */
static bool emit_dots(struct file *f, struct dir_emit *e)
{
	struct dentry *parent;
	uint64_t ino;

	if (f->pos == 0) {
		if (!dir_emit(e, ".", 1, f->inode->ino, DT_DIR, 1))
			return false;
		f->pos = 1;
	}
	if (f->pos == 1) {
		parent = dentry_parent(f->path.dentry);
		ino = dentry_inode(parent)->ino;
		dentry_put(parent);
		if (!dir_emit(e, "..", 2, ino, DT_DIR, DIR_FIRST))
			return false;
		f->pos = DIR_FIRST;
	}
	return true;
}

/* What is left of the reply.  False: the sink is full. */
static bool emit_reply(struct file *f, struct gfs_dir *dir, struct dir_emit *e)
{
	const struct gofer_attr *attr;
	const struct gofer_dirent *ent;
	const char *name;

	for (;;) {
		struct grpc_dir before = dir->reply;

		ent = grpc_dirent_next(&dir->reply, &name, &attr);
		if (!ent)
			return true;
		if (!dir_emit(e, name, ent->name_size, ent->ino, ent->type, pos_of(ent->next))) {
			dir->reply = before;
			return false;
		}
		f->pos = dir->at = pos_of(ent->next);
	}
}

static int gfs_readdir(struct vfs_ctx *c, struct file *f, struct dir_emit *e)
{
	struct gfs_inode *gi = gfs_inode(f->inode);
	struct gfs_dir *dir = file_priv(f);
	int err;

	(void)c;
	if (f->pos < DIR_FIRST)
		dir_unload(gi->gs, dir); /* rewound: what is there now */
	if (!emit_dots(f, e))
		return 0;
	while (f->pos != INT64_MAX) { /* ext4 names the end so, and refuses to go there */
		if (!dir->loaded || dir->at != f->pos) {
			err = dir_load(f, dir);
			if (err < 0)
				return err;
		}
		if (!emit_reply(f, dir, e))
			return 0;
		if (dir->reply.eof)
			return 0;
		dir_unload(gi->gs, dir);
	}
	return 0;
}

/* Any position can be gone to; where it leads is up to the host, as on Linux. */
static int64_t gfs_dir_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	int64_t pos;

	(void)c;
	if (whence == SEEK_SET)
		pos = off;
	else if (whence == SEEK_CUR)
		pos = f->pos + off;
	else
		return -EINVAL;
	return pos < 0 ? -EINVAL : pos;
}

static int gfs_dir_fsync(struct vfs_ctx *c, struct file *f, bool datasync)
{
	struct gfs_inode *gi = gfs_inode(f->inode);
	uint32_t fid;
	int err;

	(void)c;
	err = gfs_fid(gi, &fid);
	return err < 0 ? err : grpc_fsync(gi->gs->conn, fid, datasync ? GOFER_FSYNC_DATA : 0);
}

static void gfs_dir_release(struct file *f)
{
	struct gfs_dir *dir = file_priv(f);

	dir_unload(gfs_inode(f->inode)->gs, dir);
	mem_free(dir);
}

int gfs_dir_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	(void)c;
	(void)i;
	f->priv = mem_new(struct gfs_dir);
	return f->priv ? 0 : -ENOMEM;
}

const struct file_ops gfs_dir_ops = {
	.readdir = gfs_readdir,
	.llseek = gfs_dir_llseek,
	.fsync = gfs_dir_fsync,
	.release = gfs_dir_release,
};
