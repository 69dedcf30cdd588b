/* SPDX-License-Identifier: Apache-2.0 */
/* handle.c: name_to_handle_at(2), open_by_handle_at(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>

#include "sentry/sys/path_in.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"
#include "vfs/handle.h"
#include "vfs/mount_api.h"

#define HANDLE_MAX            128
#define HANDLE_FID            0x200 /* AT_HANDLE_FID */
#define HANDLE_MNT_ID_UNIQUE  0x001
#define HANDLE_CONNECTABLE    0x002

/* struct file_handle without its bytes. */
struct handle_head {
	uint32_t bytes;
	int32_t type;
};

static long put_mount_id(struct task *t, uaddr_t to, const struct path *p, unsigned int flags)
{
	uint64_t id = mount_id(p->mnt);
	int32_t old = (int32_t)id;

	if (!(flags & HANDLE_MNT_ID_UNIQUE))
		return uaccess_put(t, to, &old, sizeof(old));
	id = mount_unique_id(id);
	return uaccess_put(t, to, &id, sizeof(id));
}

static long handle_put(struct task *t, const struct path *p, uaddr_t to, uaddr_t mount, unsigned int flags)
{
	struct handle_head head;
	struct handle h;
	bool room;
	long err;

	err = handle_of(p, flags & HANDLE_FID, &h);
	if (err)
		return err;
	if (uaccess_get(t, &head, to, sizeof(head)))
		return -EFAULT;
	if (head.bytes > HANDLE_MAX)
		return -EINVAL;
	room = head.bytes >= HANDLE_SIZE;
	head.bytes = HANDLE_SIZE;
	head.type = room ? h.type : 0xff; /* FILEID_INVALID */
	err = put_mount_id(t, mount, p, flags);
	if (!err)
		err = uaccess_put(t, to, &head, sizeof(head));
	if (!err && room)
		err = uaccess_put(t, uaddr_add(to, sizeof(head)), h.bytes, HANDLE_SIZE);
	return err ? err : room ? 0 : -EOVERFLOW;
}

long sys_name_to_handle_at(struct task *t, int dirfd, uaddr_t path, uaddr_t handle, uaddr_t mount,
			   int flags)
{
	unsigned int f = (unsigned int)flags;
	struct path p;
	long err;

	if (f & ~(unsigned int)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | HANDLE_FID | HANDLE_MNT_ID_UNIQUE |
				HANDLE_CONNECTABLE))
		return -EINVAL;
	if ((f & HANDLE_CONNECTABLE) && (f & (HANDLE_FID | AT_EMPTY_PATH)))
		return -EINVAL;
	err = path_in_walk(t, dirfd, path, (int)f & AT_EMPTY_PATH,
			   f & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0, &p);
	if (err)
		return err;
	err = f & HANDLE_CONNECTABLE ? -EOPNOTSUPP : handle_put(t, &p, handle, mount, f);
	path_put(&p);
	return err;
}

static int handle_get(struct task *t, uaddr_t from, struct handle *h)
{
	struct handle_head head;

	if (uaccess_get(t, &head, from, sizeof(head)))
		return -EFAULT;
	if (head.bytes == 0 || head.bytes > HANDLE_MAX || head.type < 0)
		return -EINVAL;
	if (head.bytes != HANDLE_SIZE)
		return -ESTALE;
	h->type = head.type;
	return uaccess_get(t, h->bytes, uaddr_add(from, sizeof(head)), HANDLE_SIZE);
}

long sys_open_by_handle_at(struct task *t, int mount_fd, uaddr_t handle, int flags)
{
	struct file *at = NULL, *f;
	struct path where, p;
	struct handle h;
	long err;

	if (!task_capable(t, CAP_DAC_READ_SEARCH))
		return -EPERM;
	if (mount_fd == AT_FDCWD) {
		where = task_vfs(t)->cwd;
	} else {
		at = fdt_file(t->fdt, mount_fd);
		if (!at)
			return -EBADF;
		where = at->path;
	}
	err = handle_get(t, handle, &h);
	if (!err)
		err = handle_find(task_vfs(t), &where, &h, &p);
	file_put(at);
	if (err)
		return err;
	err = vfs_open_path(task_vfs(t), &p, flags & ~(O_CREAT | O_EXCL), &f);
	path_put(&p);
	return err ? err : fdt_add(t->fdt, f, flags & O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE));
}
