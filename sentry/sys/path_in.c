/* SPDX-License-Identifier: Apache-2.0 */
/* path_in.c: names and directory descriptors of system calls. */
#include "sentry/sys/path_in.h"

#include <errno.h>

int path_in_get(struct task *t, struct path_in *p, int dirfd, uaddr_t name, int at_flags)
{
	ssize_t n = uaccess_get_string(t, p->name.text, name, sizeof(p->name.text));

	p->dir = NULL;
	p->at = NULL;
	if (n < 0)
		return (int)n;
	if (n == 0 && !(at_flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (dirfd == AT_FDCWD || (p->name.text[0] == '/' && !(at_flags & PATH_IN_SCOPED)))
		return 0;
	p->dir = fdt_file(t->fdt, dirfd);
	if (!p->dir)
		return -EBADF;
	p->at = &p->dir->path;
	return 0;
}

void path_in_put(struct path_in *p)
{
	file_put(p->dir);
	p->dir = NULL;
}

int path_in_walk(struct task *t, int dirfd, uaddr_t name, int at_flags, unsigned int walk,
		 struct path *out)
{
	struct path_in p;
	int err = path_in_get(t, &p, dirfd, name, at_flags);

	if (err < 0)
		return err;
	if (at_flags & AT_EMPTY_PATH)
		walk |= WALK_EMPTY;
	err = vfs_walk(task_vfs(t), p.at, p.name.text, walk, out);
	path_in_put(&p);
	return err;
}
