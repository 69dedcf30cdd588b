/* SPDX-License-Identifier: Apache-2.0 */
/* fsinfo.c: the old questions about file systems: sysfs(2) and ustat(2). */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/mem.h"
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
