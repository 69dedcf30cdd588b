/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.c: /proc/PID/fd and fdinfo: a process's descriptors.
 *
 * Names are descriptor numbers, looked up anew each time: a link that was looked up before its
 * descriptor was closed is dropped (alive), one whose number was given to another file leads there.
 *
 * Linux: fs/proc/fd.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "sentry/proc/proc_impl.h"
#include "vfs/vfs.h"

/* A decimal number as Linux writes it, or -1. */
static int fd_of_name(const char *name)
{
	long n = 0;

	if (name[0] == '0' && name[1])
		return -1;
	for (const char *s = name; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		n = n * 10 + (*s - '0');
		if (n > INT32_MAX)
			return -1;
	}
	return *name ? (int)n : -1;
}

static struct file *fd_file(const struct pfs_req *r, int fd)
{
	struct fdtable *fdt = task_fdt_get(r->target);
	struct file *f = fdt ? fdt_file(fdt, fd) : NULL;

	fdt_put(r->c, fdt);
	return f;
}

static bool fd_alive(const struct pfs_req *r)
{
	struct file *f = fd_file(r, (int)r->i->key);

	file_put(f);
	return f;
}

static int fd_lookup(const struct pfs_req *r, const char *name, const struct pfs_entry *e,
		     struct pfs_child *out)
{
	int fd = fd_of_name(name);
	struct file *f = fd >= 0 ? fd_file(r, fd) : NULL;

	if (!f)
		return -ENOENT;
	file_put(f);
	out->entry = e;
	out->key = fd;
	return 0;
}

static int fd_next(const struct pfs_req *r, int64_t from, const struct pfs_entry *e,
		   struct pfs_child *out)
{
	struct fdtable *fdt;
	struct file *f = NULL;
	int fd = -1;

	if (from > INT32_MAX)
		return 0;
	fdt = task_fdt_get(r->target);
	if (fdt)
		fd = fdt_next(fdt, (int)from, &f);
	fdt_put(r->c, fdt);
	if (fd < 0)
		return 0;
	file_put(f);
	out->entry = e;
	out->key = out->cookie = fd;
	snprintf(out->name, sizeof(out->name), "%d", fd);
	return 1;
}

/* ---- fd --------------------------------------------------------------------------------------- */

static int link_file(const struct pfs_req *r, struct file **out)
{
	if (!proc_may_access(r, PTRACE_READ))
		return -EACCES;
	*out = fd_file(r, (int)r->i->key);
	return *out ? 0 : -ENOENT;
}

static int link_readlink(const struct pfs_req *r, struct buf *b)
{
	struct file *f;
	int err = link_file(r, &f);

	if (err)
		return err;
	err = file_path_text(r->c, f, b);
	file_put(f);
	return err;
}

static int link_follow(const struct pfs_req *r, struct path *out)
{
	struct file *f;
	int err = link_file(r, &f);

	if (err)
		return err;
	*out = f->path;
	path_get(out);
	file_put(f);
	return 0;
}

/* The mode tells how the descriptor was opened. */
static void link_attr(const struct pfs_req *r, struct attr *a)
{
	struct file *f = fd_file(r, (int)r->i->key);

	a->mode = S_IFLNK;
	a->size = 64;
	if (!f)
		return;
	if (f->kind & FILE_READ)
		a->mode |= S_IRUSR | S_IXUSR;
	if (f->kind & FILE_WRITE)
		a->mode |= S_IWUSR | S_IXUSR;
	file_put(f);
}

static const struct pfs_entry fd_link_entry = {
	.name = "fd",
	.mode = S_IFLNK | 0700,
	.readlink = link_readlink,
	.follow = link_follow,
	.alive = fd_alive,
	.attr = link_attr,
};

static int fd_dir_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	return fd_lookup(r, name, &fd_link_entry, out);
}

static int fd_dir_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	return fd_next(r, from, &fd_link_entry, out);
}

const struct pfs_dir proc_fd_dir = { .lookup = fd_dir_lookup, .next = fd_dir_next };

/* ---- fdinfo ----------------------------------------------------------------------------------- */

static int show_fdinfo(const struct pfs_req *r, struct buf *b)
{
	struct fdtable *fdt = task_fdt_get(r->target);
	int fd = (int)r->i->key, flags;
	struct file *f = fdt ? fdt_file(fdt, fd) : NULL;

	if (!f) {
		fdt_put(r->c, fdt);
		return -ENOENT;
	}
	flags = atomic_load_explicit(&f->flags, memory_order_relaxed);
	if (fdt_cloexec_get(fdt, fd) == 1)
		flags |= O_CLOEXEC;
	buf_printf(b, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%llu\nino:\t%llu\n",
		   (long long)__atomic_load_n(&f->pos, __ATOMIC_RELAXED), flags,
		   (unsigned long long)(f->path.mnt ? mount_id(f->path.mnt) : 0),
		   (unsigned long long)f->inode->ino);
	file_show_fdinfo(f, b);
	file_put(f);
	fdt_put(r->c, fdt);
	return 0;
}

static const struct pfs_entry fdinfo_entry = {
	.name = "fdinfo",
	.mode = S_IFREG | 0444,
	.show = show_fdinfo,
	.alive = fd_alive,
};

static int fdinfo_dir_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	return fd_lookup(r, name, &fdinfo_entry, out);
}

static int fdinfo_dir_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	return fd_next(r, from, &fdinfo_entry, out);
}

const struct pfs_dir proc_fdinfo_dir = { .lookup = fdinfo_dir_lookup, .next = fdinfo_dir_next };
