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

#include "lib/mem.h"

#define DIR_FIRST 2            /* position of the host's cookie 0 */
#define DIR_REPLY (32u * 1024) /* bytes asked for at once */

/* All under f->pos_lock. */
struct gfs_dir {
	bool loaded;        /* reply holds entries that follow position at */
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

static int dir_load(struct gfs_inode *gi, struct gfs_dir *dir, int64_t pos)
{
	int err;

	dir_unload(gi->gs, dir);
	err = grpc_readdir(gi->gs->conn, gi->fid, cookie_of(pos), 0, DIR_REPLY, &dir->reply);
	if (err < 0)
		return err;
	dir->loaded = true;
	dir->at = pos;
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
			err = dir_load(gi, dir, f->pos);
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

	(void)c;
	return grpc_fsync(gi->gs->conn, gi->fid, datasync ? GOFER_FSYNC_DATA : 0);
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
