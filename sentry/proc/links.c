/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links.c: /proc/PID/{exe,cwd,root}: links that lead to the thing itself, whatever its name is now.
 * Who follows or reads them must be allowed to look into the process (EACCES).
 *
 * Linux: fs/proc/base.c (proc_pid_get_link, proc_exe_link).
 */
#include <errno.h>

#include "sentry/proc/proc_impl.h"

static int exe_path(const struct pfs_req *r, struct path *out)
{
	struct mm *mm;
	int err = -ENOENT;

	if (!proc_may_access(r, PTRACE_READ))
		return -EACCES;
	mm = task_mm_get(r->target);
	if (!mm)
		return -ENOENT;
	mutex_lock(&mm->lock);
	if (mm->exe) {
		*out = mm->exe->path;
		path_get(out);
		err = 0;
	}
	mutex_unlock(&mm->lock);
	mm_put(mm);
	return err;
}

static int fs_path(const struct pfs_req *r, bool root, struct path *out)
{
	struct fs_state *fs;

	if (!proc_may_access(r, PTRACE_READ))
		return -EACCES;
	fs = task_fs_get(r->target);
	if (!fs)
		return -ENOENT;
	mutex_lock(&fs->lock);
	*out = root ? fs->root : fs->cwd;
	path_get(out);
	mutex_unlock(&fs->lock);
	fs_state_put(fs);
	return 0;
}

/* Consumes p. */
static int put_path(const struct pfs_req *r, struct path *p, struct buf *b)
{
	int err = vfs_path_link_text(&r->c->root, p, b);

	path_put(p);
	return err;
}

int proc_follow_exe(const struct pfs_req *r, struct path *out)
{
	return exe_path(r, out);
}

int proc_follow_cwd(const struct pfs_req *r, struct path *out)
{
	return fs_path(r, false, out);
}

int proc_follow_root(const struct pfs_req *r, struct path *out)
{
	return fs_path(r, true, out);
}

int proc_readlink_exe(const struct pfs_req *r, struct buf *b)
{
	struct path p;
	int err = exe_path(r, &p);

	return err ? err : put_path(r, &p, b);
}

int proc_readlink_cwd(const struct pfs_req *r, struct buf *b)
{
	struct path p;
	int err = fs_path(r, false, &p);

	return err ? err : put_path(r, &p, b);
}

int proc_readlink_root(const struct pfs_req *r, struct buf *b)
{
	struct path p;
	int err = fs_path(r, true, &p);

	return err ? err : put_path(r, &p, b);
}
