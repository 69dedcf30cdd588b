/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ovl_file.c: open files of an overlay: each stands before a file of a layer.
 *
 * Opening for writing copies up first.  A file that was opened for reading before somebody else
 * caused the copy-up goes on with the upper file from then on (but mappings stay), as on Linux.
 *
 * The layer's file has its own position, which is not used: positions are passed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"
#include "vfs/file.h"
#include "vfs/overlay/overlay_impl.h"

struct ovl_file {
	struct file *first;              /* (c) counted: what was there at open */
	struct file *_Atomic later;      /* counted: the upper one, once it was needed; set once */
};

#define OVL_REAL_FLAGS (O_ACCMODE | O_DIRECT | O_NOATIME | O_SYNC | O_DSYNC)

static int real_open(struct vfs_ctx *c, struct ovl_inode *o, int flags, struct file **out)
{
	struct path p = ovl_real_path(o);
	struct vfs_ctx layer;

	ovl_ctx(ovl_sb(o->i.sb), c, &p, &layer);
	return file_open_path(&layer, &p, flags, 0, out);
}

static int file_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	int flags = atomic_load_explicit(&f->flags, memory_order_relaxed);
	struct ovl_inode *o = ovl_i(i);
	struct ovl_file *of;
	int err = 0;

	if (f->kind & (FILE_WRITE | FILE_TRUNC))
		err = ovl_copy_up(c, o, f->kind & FILE_TRUNC ? OVL_COPY_NO_DATA : OVL_COPY_ALL);
	if (err < 0)
		return err;
	of = mem_new(struct ovl_file);
	if (!of)
		return -ENOMEM;
	err = real_open(c, o, flags & OVL_REAL_FLAGS, &of->first);
	if (err < 0) {
		mem_free(of);
		return err;
	}
	f->priv = of;
	return 0;
}

static void file_release(struct file *f)
{
	struct ovl_file *of = file_priv(f);

	file_put(of->first);
	file_put(atomic_load_explicit(&of->later, memory_order_acquire)); /* file_real */
	mem_free(of);
}

/* The layer's file to use now; borrowed from f. */
static int file_real(struct vfs_ctx *c, struct file *f, struct file **out)
{
	struct ovl_file *of = file_priv(f);
	struct ovl_inode *o = ovl_i(f->inode);
	struct dentry *upper = ovl_upper(o);
	struct file *later, *old = NULL;
	int err;

	*out = of->first;
	if (!upper || dentry_inode(upper) == of->first->inode)
		return 0;
	*out = atomic_load_explicit(&of->later, memory_order_acquire);
	if (*out)
		return 0;
	err = real_open(c, o, atomic_load_explicit(&f->flags, memory_order_relaxed) & OVL_REAL_FLAGS,
			&later);
	if (err < 0)
		return err;
	if (!atomic_compare_exchange_strong_explicit(&of->later, &old, later, memory_order_acq_rel,
						     memory_order_acquire)) {
		file_put(later);
		later = old;
	}
	*out = later;
	return 0;
}

/* Size and times as the layer has them now. */
static void file_mirror(struct ovl_inode *o, const struct inode *real)
{
	o->i.size = real->size;
	o->i.blocks = real->blocks;
	o->i.mtime = real->mtime;
	o->i.ctime = real->ctime;
}

static ssize_t file_op_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos,
			    int rwf)
{
	struct file *real;
	int err = file_real(c, f, &real);

	if (err < 0)
		return err;
	return real->ops->read ? real->ops->read(c, real, dst, pos, rwf) : -EINVAL;
}

static ssize_t file_op_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos,
			     int rwf)
{
	struct file *real;
	ssize_t n;
	int err = file_real(c, f, &real);

	if (err < 0)
		return err;
	if (!real->ops->write)
		return -EINVAL;
	n = real->ops->write(c, real, src, pos, rwf);
	file_mirror(ovl_i(f->inode), real->inode);
	return n;
}

static int64_t file_op_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	struct file *real;
	int err = file_real(c, f, &real);

	if (err < 0)
		return err;
	if ((whence == SEEK_DATA || whence == SEEK_HOLE) && real->ops->llseek)
		return real->ops->llseek(c, real, off, whence);
	return file_llseek_size(f, off, whence, (int64_t)real->inode->size);
}

static int file_op_mmap(struct vfs_ctx *c, struct file *f, struct mmap_request *r)
{
	struct file *real;
	int err = file_real(c, f, &real);

	if (err < 0)
		return err;
	return real->ops->mmap ? real->ops->mmap(c, real, r) : -ENODEV;
}

static int file_op_fsync(struct vfs_ctx *c, struct file *f, bool datasync)
{
	struct file *real;
	int err = file_real(c, f, &real);

	/* What is below only was not written through here. */
	if (err < 0 || !ovl_upper(ovl_i(f->inode)))
		return err;
	return file_fsync(c, real, datasync);
}

static int file_op_fallocate(struct vfs_ctx *c, struct file *f, int mode, int64_t off, int64_t len)
{
	struct file *real;
	int err = file_real(c, f, &real);

	if (err < 0)
		return err;
	if (!real->ops->fallocate)
		return -EOPNOTSUPP;
	err = real->ops->fallocate(c, real, mode, off, len);
	file_mirror(ovl_i(f->inode), real->inode);
	return err;
}

static long file_op_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct file *real;
	int err = file_real(c, f, &real);

	if (err < 0)
		return err;
	return real->ops->ioctl ? real->ops->ioctl(c, real, cmd, arg) : -ENOTTY;
}

static int file_op_flush(struct vfs_ctx *c, struct file *f)
{
	struct file *real;
	int err = file_real(c, f, &real);

	return err < 0 ? err : file_flush(c, real);
}

const struct file_ops ovl_file_fops = {
	.read = file_op_read,
	.write = file_op_write,
	.llseek = file_op_llseek,
	.mmap = file_op_mmap,
	.fsync = file_op_fsync,
	.fallocate = file_op_fallocate,
	.ioctl = file_op_ioctl,
	.flush = file_op_flush,
	.release = file_release,
};

const struct inode_ops ovl_file_iops = { OVL_COMMON_SLOTS, .open = file_open };
