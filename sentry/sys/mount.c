/* SPDX-License-Identifier: Apache-2.0 */
/* mount.c: mount(2), umount2(2), pivot_root(2). */
#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/sys/path_in.h"
#include "sys_calls.h"

#define MOUNT_STRING_MAX 4096

/* An optional string; too long is -EINVAL (copy_mount_string()). */
static int string_get(struct task *t, uaddr_t s, char **out)
{
	int err;

	*out = NULL;
	if (!s.addr)
		return 0;
	err = uaccess_dup_string(t, s, MOUNT_STRING_MAX, out);
	return err == -ENAMETOOLONG ? -EINVAL : err;
}

/* Options: up to a page, however much of it can be read, with a NUL put at its end. */
static int options_get(struct task *t, uaddr_t data, char **out)
{
	ssize_t n;

	*out = NULL;
	if (!data.addr)
		return 0;
	*out = mem_zalloc(MOUNT_STRING_MAX);
	if (!*out)
		return -ENOMEM;
	n = uaccess_get_string(t, *out, data, MOUNT_STRING_MAX);
	if (n == -ENAMETOOLONG)
		(*out)[MOUNT_STRING_MAX - 1] = '\0';
	else if (n < 0) {
		mem_free(*out);
		*out = NULL;
		return -EFAULT;
	}
	return 0;
}

long sys_mount(struct task *t, uaddr_t source, uaddr_t target, uaddr_t fstype, unsigned long flags,
	       uaddr_t data)
{
	char *type = NULL, *device = NULL, *options = NULL;
	struct path_buf at;
	ssize_t n;
	long r;

	r = string_get(t, fstype, &type);
	if (r == 0)
		r = string_get(t, source, &device);
	if (r == 0)
		r = options_get(t, data, &options);
	if (r == 0) {
		n = uaccess_get_string(t, at.text, target, sizeof(at.text));
		r = n < 0 ? n : vfs_mount(task_vfs(t), device, at.text, type, flags, options);
	}
	mem_free(options);
	mem_free(device);
	mem_free(type);
	return r;
}

/* Files that are mapped no more keep their mount in use until somebody looks (sentry/mm/names.c). */
static void forget_unmapped(struct task *t)
{
	struct pid_ns *ns = task_pid_ns(t);
	struct process *p;
	int32_t nr = 0;

	while (ns->parent)
		ns = ns->parent;
	while ((p = process_next(ns, nr + 1, &nr))) {
		struct task *leader;
		struct mm *mm = NULL;

		mutex_lock(&tasklist.lock);
		leader = p->leader ? task_get(p->leader) : NULL;
		mutex_unlock(&tasklist.lock);
		if (leader)
			mm = task_mm_get(leader);
		if (mm)
			mm_names_prune(mm);
		mm_put(mm);
		task_put(leader);
		process_put(p);
	}
}

long sys_umount2(struct task *t, uaddr_t path, int flags)
{
	struct path_buf at;
	ssize_t n = uaccess_get_string(t, at.text, path, sizeof(at.text));
	int err;

	if (n < 0)
		return n;
	err = vfs_umount(task_vfs(t), at.text, flags);
	if (err != -EBUSY)
		return err;
	forget_unmapped(t);
	return vfs_umount(task_vfs(t), at.text, flags);
}

long sys_pivot_root(struct task *t, uaddr_t new_root, uaddr_t put_old)
{
	struct path_buf new, old;
	ssize_t n = uaccess_get_string(t, new.text, new_root, sizeof(new.text));

	if (n >= 0)
		n = uaccess_get_string(t, old.text, put_old, sizeof(old.text));
	return n < 0 ? n : vfs_pivot_root(task_vfs(t), new.text, old.text);
}
