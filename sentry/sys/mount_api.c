/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount_api.c: the mount calls on descriptors: fsopen(2), fspick(2), fsconfig(2), fsmount(2),
 * open_tree(2), move_mount(2), mount_setattr(2); statmount(2) and listmount(2).  The work is in
 * vfs/fs_context.c, mount_tree.c and mount_stat.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/sys/path_in.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"
#include "vfs/mount_api.h"

#define FS_NAME_MAX 4096
#define KEY_MAX     256
#ifndef FSCONFIG_CMD_CREATE_EXCL
#define FSCONFIG_CMD_CREATE_EXCL 8
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#define MOVE_MASK 0x377

/* A descriptor for f (consumed when err is 0). */
static long fd_for(struct task *t, int err, struct file *f, bool cloexec)
{
	return err ? err : fdt_add(t->fdt, f, cloexec ? O_CLOEXEC : 0, task_rlimit(t, RLIMIT_NOFILE));
}

long sys_fsopen(struct task *t, uaddr_t fstype, unsigned int flags)
{
	struct file *f;
	char *name;
	int err;

	if (!may_mount(task_vfs(t)))
		return -EPERM;
	if (flags & ~FSOPEN_CLOEXEC)
		return -EINVAL;
	err = uaccess_dup_string(t, fstype, FS_NAME_MAX, &name);
	if (err)
		return err == -ENAMETOOLONG ? -EINVAL : err;
	err = fs_context_open(task_vfs(t), name, &f);
	mem_free(name);
	return fd_for(t, err, f, flags & FSOPEN_CLOEXEC);
}

long sys_fspick(struct task *t, int dirfd, uaddr_t path, unsigned int flags)
{
	struct file *f;
	struct path p;
	int err;

	if (!may_mount(task_vfs(t)))
		return -EPERM;
	if (flags & ~(unsigned int)(FSPICK_CLOEXEC | FSPICK_SYMLINK_NOFOLLOW | FSPICK_NO_AUTOMOUNT |
				    FSPICK_EMPTY_PATH))
		return -EINVAL;
	err = path_in_walk(t, dirfd, path, flags & FSPICK_EMPTY_PATH ? AT_EMPTY_PATH : 0,
			   flags & FSPICK_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW, &p);
	if (err)
		return err;
	err = fs_context_pick(task_vfs(t), &p, &f);
	path_put(&p);
	return fd_for(t, err, f, flags & FSPICK_CLOEXEC);
}

/* Which arguments a command wants. */
static int fsconfig_check(unsigned int cmd, uaddr_t key, uaddr_t value, int aux)
{
	bool k = key.addr != 0, v = value.addr != 0, bad;

	switch (cmd) {
	case FSCONFIG_SET_FLAG:
		bad = !k || v || aux;
		break;
	case FSCONFIG_SET_STRING:
		bad = !k || !v || aux;
		break;
	case FSCONFIG_SET_BINARY:
		bad = !k || !v || aux <= 0 || aux > 1024 * 1024;
		break;
	case FSCONFIG_SET_PATH:
	case FSCONFIG_SET_PATH_EMPTY:
		bad = !k || !v || (aux != AT_FDCWD && aux < 0);
		break;
	case FSCONFIG_SET_FD:
		bad = !k || v || aux < 0;
		break;
	case FSCONFIG_CMD_CREATE:
	case FSCONFIG_CMD_CREATE_EXCL:
	case FSCONFIG_CMD_RECONFIGURE:
		bad = k || v || aux;
		break;
	default:
		return -EOPNOTSUPP;
	}
	return bad ? -EINVAL : 0;
}

static long fsconfig_set(struct task *t, struct file *f, unsigned int cmd, uaddr_t key, uaddr_t value)
{
	char *k, *v = NULL;
	long err = uaccess_dup_string(t, key, KEY_MAX, &k);

	if (err)
		return err == -ENAMETOOLONG ? -EINVAL : err;
	if (cmd == FSCONFIG_SET_STRING)
		err = uaccess_dup_string(t, value, KEY_MAX, &v);
	if (!err)
		err = fs_context_set(f, k, v);
	mem_free(v);
	mem_free(k);
	return err == -ENAMETOOLONG ? -EINVAL : err;
}

long sys_fsconfig(struct task *t, int fd, unsigned int cmd, uaddr_t key, uaddr_t value, int aux)
{
	struct file *f;
	long err;

	if (fd < 0)
		return -EINVAL;
	err = fsconfig_check(cmd, key, value, aux);
	if (err)
		return err;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	if (!file_is_fs_context(f))
		err = -EINVAL;
	else if (cmd == FSCONFIG_SET_FLAG || cmd == FSCONFIG_SET_STRING)
		err = fsconfig_set(t, f, cmd, key, value);
	else if (cmd >= FSCONFIG_CMD_CREATE)
		err = fs_context_command(task_vfs(t), f, cmd);
	else
		err = -EINVAL; /* no file system here has such parameters */
	file_put(f);
	return err;
}

long sys_fsmount(struct task *t, int fd, unsigned int flags, unsigned int attr)
{
	const unsigned int valid = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				   MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME |
				   0x200000 /* NOSYMFOLLOW */;
	unsigned int atime = attr & MOUNT_ATTR__ATIME;
	struct file *context, *f = NULL;
	int err;

	if (!may_mount(task_vfs(t)))
		return -EPERM;
	if ((flags & ~FSMOUNT_CLOEXEC) || (attr & ~valid) ||
	    (atime && atime != MOUNT_ATTR_NOATIME && atime != MOUNT_ATTR_STRICTATIME))
		return -EINVAL;
	context = fdt_file_nopath(t->fdt, fd);
	if (!context)
		return -EBADF;
	err = file_is_fs_context(context) ? fs_context_mount(task_vfs(t), context, attr, &f) : -EINVAL;
	file_put(context);
	return fd_for(t, err, f, flags & FSMOUNT_CLOEXEC);
}

long sys_open_tree(struct task *t, int dirfd, uaddr_t path, unsigned int flags)
{
	unsigned int walk = flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;
	struct file *f;
	struct path p;
	int err;

	if (flags & ~(unsigned int)(AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW |
				    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC))
		return -EINVAL;
	if ((flags & (AT_RECURSIVE | OPEN_TREE_CLONE)) == AT_RECURSIVE)
		return -EINVAL;
	if ((flags & OPEN_TREE_CLONE) && !may_mount(task_vfs(t)))
		return -EPERM;
	err = path_in_walk(t, dirfd, path, (int)flags & AT_EMPTY_PATH, walk, &p);
	if (err)
		return err;
	if (flags & OPEN_TREE_CLONE)
		err = mount_open_tree(task_vfs(t), &p, flags & AT_RECURSIVE, &f);
	else
		err = vfs_open_path(task_vfs(t), &p, O_PATH, &f);
	path_put(&p);
	return fd_for(t, err, f, flags & OPEN_TREE_CLOEXEC);
}

long sys_move_mount(struct task *t, int from_dirfd, uaddr_t from, int to_dirfd, uaddr_t to,
		    unsigned int flags)
{
	struct path a, b;
	int err;

	if (!may_mount(task_vfs(t)))
		return -EPERM;
	if ((flags & ~MOVE_MASK) || (flags & 0x300) == 0x300 /* SET_GROUP and BENEATH */)
		return -EINVAL;
	err = path_in_walk(t, from_dirfd, from, flags & MOVE_MOUNT_F_EMPTY_PATH ? AT_EMPTY_PATH : 0,
			   flags & MOVE_MOUNT_F_SYMLINKS ? WALK_FOLLOW : 0, &a);
	if (err)
		return err;
	err = path_in_walk(t, to_dirfd, to, flags & MOVE_MOUNT_T_EMPTY_PATH ? AT_EMPTY_PATH : 0,
			   flags & MOVE_MOUNT_T_SYMLINKS ? WALK_FOLLOW : 0, &b);
	if (!err) {
		err = mount_move(task_vfs(t), &a, &b, flags & 0x300);
		path_put(&b);
	}
	path_put(&a);
	return err;
}

long sys_mount_setattr(struct task *t, int dirfd, uaddr_t path, unsigned int flags, uaddr_t uattr,
		       size_t size)
{
	struct mount_attr attr;
	struct path p;
	int err;

	if (flags & ~(unsigned int)(AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < MOUNT_ATTR_SIZE_VER0)
		return -EINVAL;
	if (!may_mount(task_vfs(t)))
		return -EPERM;
	err = uaccess_get_struct(t, &attr, sizeof(attr), uattr, size);
	if (err)
		return err;
	if (!attr.attr_set && !attr.attr_clr && !attr.propagation)
		return 0;
	err = mount_setattr_check(&attr);
	if (err)
		return err;
	err = path_in_walk(t, dirfd, path, (int)flags & AT_EMPTY_PATH,
			   flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW, &p);
	if (err)
		return err;
	err = mount_setattr_at(task_vfs(t), &p, &attr, flags & AT_RECURSIVE);
	path_put(&p);
	return err;
}

/* ---- statmount, listmount --------------------------------------------------------------------- */

#define LIST_MAX 1000000
#define LISTMOUNT_REVERSE_ 1u

/* struct mnt_id_req */
struct mnt_id_request {
	uint32_t size, mnt_ns_fd;
	uint64_t mnt_id, param, mnt_ns_id;
};

static int request_get(struct task *t, uaddr_t from, struct mnt_id_request *r)
{
	uint32_t size;
	int err = uaccess_get(t, &size, from, sizeof(size));

	if (err)
		return err;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < 24)
		return -EINVAL;
	err = uaccess_get_struct(t, r, sizeof(*r), from, size);
	if (err)
		return err;
	/* Namespaces by descriptor, and other ones than the caller's, are not to be had. */
	if (r->mnt_ns_fd || r->mnt_id <= MOUNT_ID_UNIQUE_FIRST)
		return -EINVAL;
	return r->mnt_ns_id && r->mnt_ns_id != mnt_ns_id(t->ns->mnt) ? -ENOENT : 0;
}

static int statmount_put(struct task *t, uaddr_t buf, size_t size, struct statmount_abi *sm,
			 const struct buf *strings)
{
	size_t head = MIN(size, sizeof(*sm));

	if (strings->size && sizeof(*sm) + strings->size > size)
		return -EOVERFLOW;
	sm->size = (uint32_t)(head + strings->size);
	if (strings->size && uaccess_put(t, uaddr_add(buf, sizeof(*sm)), strings->data, strings->size))
		return -EFAULT;
	return uaccess_put(t, buf, sm, head);
}

long sys_statmount(struct task *t, uaddr_t req, uaddr_t buf, size_t size, unsigned int flags)
{
	struct statmount_abi sm = { 0 };
	struct mnt_id_request r = { 0 };
	struct buf strings = BUF_INIT;
	int err;

	if (flags)
		return -EINVAL;
	err = request_get(t, req, &r);
	if (!err && (r.param & STATMOUNT_STRINGS_) && size == sizeof(sm))
		err = -EOVERFLOW;
	if (!err)
		err = mount_stat(task_vfs(t), r.mnt_id, r.param, &sm, &strings);
	if (!err)
		err = statmount_put(t, buf, size, &sm, &strings);
	buf_fini(&strings);
	return err;
}

long sys_listmount(struct task *t, uaddr_t req, uaddr_t ids, size_t count, unsigned int flags)
{
	struct mnt_id_request r = { 0 };
	uint64_t *list;
	ssize_t n;
	int err;

	if (flags & ~LISTMOUNT_REVERSE_)
		return -EINVAL;
	if (count > LIST_MAX)
		return -EOVERFLOW;
	err = request_get(t, req, &r);
	if (err)
		return err;
	if (r.param && r.param <= MOUNT_ID_UNIQUE_FIRST)
		return -EINVAL;
	list = mem_calloc(count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = mount_list(task_vfs(t), r.mnt_id, r.param, flags & LISTMOUNT_REVERSE_, list, count);
	if (n > 0 && uaccess_put(t, ids, list, (size_t)n * sizeof(*list)))
		n = -EFAULT;
	mem_free(list);
	return n;
}
