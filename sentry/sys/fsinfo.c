/* SPDX-License-Identifier: Apache-2.0 */
/* fsinfo.c: sysfs(2), ustat(2), quotactl(2): the old questions about file systems; cachestat(2): what is cached. */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/mem.h"
#include "sentry/sys/path_in.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

long sys_sysfs(struct task *t, int option, unsigned long arg1, unsigned long arg2)
{
	char *name = NULL;
	const char *type;
	int r;

	switch (option) {
	case 1: /* the index of a name */
		r = uaccess_dup_string(t, uaddr(arg1), PATH_LEN_MAX, &name);
		if (r)
			return r;
		r = fs_type_index(name);
		mem_free(name);
		return r;
	case 2: /* the name at an index */
		type = fs_type_name(arg1);
		return type ? uaccess_put(t, uaddr(arg2), type, strlen(type) + 1) : -EINVAL;
	case 3:
		return fs_type_count();
	default:
		return -EINVAL;
	}
}

/* struct ustat of 64-bit machines. */
struct ustat_abi {
	int32_t free_blocks;
	uint32_t pad;
	uint64_t free_inodes;
	char name[6], pack[6];
	uint32_t pad2;
};
_Static_assert(sizeof(struct ustat_abi) == 32, "Linux ABI");

long sys_ustat(struct task *t, unsigned int dev, uaddr_t buf)
{
	struct ustat_abi u = { 0 };
	struct statfs_info st;
	int err = vfs_statfs_dev(task_vfs(t), makedev(dev >> 8 & 0xfff, (dev & 0xff) | (dev >> 12 & 0xfff00)),
				 &st);

	if (err)
		return err;
	u.free_blocks = (int32_t)st.bfree;
	u.free_inodes = st.ffree;
	return uaccess_put(t, buf, &u, sizeof(u));
}

/* ---- cachestat ---------------------------------------------------------------------------------- */

struct cachestat_range_ {
	uint64_t off, len;
};
struct cachestat_ {
	uint64_t cache, dirty, writeback, evicted, recently_evicted;
};

/*
 * Pages of [off, end) that hold data: what the host has of them in memory is its secret, as for
 * mincore(2).
 */
static uint64_t pages_with_data(struct vfs_ctx *c, struct file *f, uint64_t off, uint64_t end)
{
	uint64_t pages = 0;

	while (off < end) {
		int64_t data = f->ops->llseek ? f->ops->llseek(c, f, (int64_t)off, SEEK_DATA) : (int64_t)off;
		int64_t hole;

		if (data < 0 || (uint64_t)data >= end)
			break;
		hole = f->ops->llseek ? f->ops->llseek(c, f, data, SEEK_HOLE) : (int64_t)end;
		if (hole <= data)
			break;
		hole = MIN(hole, (int64_t)end);
		pages += ((uint64_t)hole + PAGE_SIZE - 1) / PAGE_SIZE - (uint64_t)data / PAGE_SIZE;
		off = ALIGN_UP((uint64_t)hole, PAGE_SIZE);
	}
	return pages;
}

long sys_cachestat(struct task *t, unsigned int fd, uaddr_t urange, uaddr_t out, unsigned int flags)
{
	struct cachestat_range_ range;
	struct cachestat_ s = { 0 };
	struct attr a = { 0 };
	struct file *f;
	uint64_t end;
	int err = 0;

	f = fdt_file(t->fdt, (int)fd);
	if (!f)
		return -EBADF;
	if (uaccess_get(t, &range, urange, sizeof(range)))
		err = -EFAULT;
	else if (flags)
		err = -EINVAL;
	else if (!S_ISREG(f->inode->mode))
		err = S_ISDIR(f->inode->mode) || S_ISCHR(f->inode->mode) ? 0 : -EOPNOTSUPP;
	else {
		inode_fill_attr(f->inode, &a);
		end = range.len && range.len < UINT64_MAX - range.off ? range.off + range.len : UINT64_MAX;
		end = MIN(end, (uint64_t)a.size);
		if (range.off < end)
			s.cache = pages_with_data(task_vfs(t), f, range.off, end);
	}
	file_put(f);
	return err ? err : uaccess_put(t, out, &s, sizeof(s));
}

/* ---- quotas: no file system here has any --------------------------------------------------------------------- */

#define QUOTA_TYPES 3 /* user, group, project */
#define Q_SYNC      0x800001u

static uint32_t quota_command(unsigned int cmd)
{
	return cmd >> 8;
}

long sys_quotactl(struct task *t, unsigned int cmd, uaddr_t special, unsigned int id, uaddr_t addr)
{
	struct path dev;
	mode_t mode;
	int err;

	(void)id, (void)addr;
	if ((cmd & 0xff) >= QUOTA_TYPES)
		return -EINVAL;
	if (!special.addr)
		return quota_command(cmd) == Q_SYNC ? 0 : -ENODEV;
	err = path_in_walk(t, AT_FDCWD, special, 0, WALK_FOLLOW, &dev);
	if (err)
		return err;
	mode = dentry_inode(dev.dentry)->mode;
	path_put(&dev);
	if (!S_ISBLK(mode))
		return -ENOTBLK;
	return -ENODEV; /* no mount is of a block device */
}

long sys_quotactl_fd(struct task *t, int fd, unsigned int cmd, unsigned int id, uaddr_t addr)
{
	struct file *f = fdt_file(t->fdt, fd);

	(void)id, (void)addr;
	if (!f)
		return -EBADF;
	file_put(f);
	return (cmd & 0xff) >= QUOTA_TYPES ? -EINVAL : -ENOSYS; /* Q_SYNC, too: do_quotactl() */
}
