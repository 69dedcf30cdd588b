/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pagemap.c: /proc/PID/pagemap, and PROCMAP_QUERY on /proc/PID/maps.
 *
 * Of a page pagemap tells whether it is there; frame numbers are zero, as for who has no CAP_SYS_ADMIN,
 * and what the host has swapped out counts as present.
 *
 * PROCMAP_QUERY looks into the very text that a read of maps gives, so the two never disagree.
 *
 * Linux: fs/proc/task_mmu.c (pagemap_read, do_procmap_query).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/mem.h"
#include "sentry/proc/proc_impl.h"
#include "vfs/file.h"

#define PRESENT     (1ull << 63)
#define CHUNK_PAGES 512u

/* ---- pagemap ----------------------------------------------------------------------------------- */

static ssize_t pagemap_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct mm *mm = pfs_file_priv(f);
	uint64_t entry[CHUNK_PAGES], page = (uint64_t)*pos / 8;
	const uint64_t end = plat_layout()->user_max / PAGE_SIZE;
	uint8_t there[CHUNK_PAGES];
	ssize_t n, done = 0;

	(void)c, (void)rwf;
	if (!mm || atomic_load_explicit(&mm->processes, memory_order_relaxed) == 0)
		return 0;
	if (*pos % 8 || uio_left(dst) % 8)
		return -EINVAL;
	while (uio_left(dst) && page < end) {
		size_t pages = MIN(MIN(uio_left(dst) / 8, (size_t)CHUNK_PAGES), (size_t)(end - page));

		if (plat_mm_resident(mm->plat, page * PAGE_SIZE, pages, there))
			memset(there, 0, sizeof(there));
		for (size_t i = 0; i < pages; i++)
			entry[i] = there[i] ? PRESENT : 0;
		n = uio_put(dst, entry, pages * 8);
		if (n <= 0)
			return done ? done : n;
		done += n;
		*pos += n;
		page += pages;
		if ((size_t)n < pages * 8)
			break;
	}
	return done;
}

static int64_t pagemap_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	(void)c;
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return off < 0 ? -EINVAL : off;
}

const struct file_ops proc_pagemap_fops = {
	.read = pagemap_read,
	.llseek = pagemap_llseek,
	.release = pfs_file_release,
};

/* ---- PROCMAP_QUERY ----------------------------------------------------------------------------- */

struct procmap_query_ { /* linux/fs.h */
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
_Static_assert(sizeof(struct procmap_query_) == 104, "linux/fs.h");
#define PROCMAP_QUERY_ _IOWR('f', 17, struct procmap_query_)
#define QUERY_PERMS       0x0full /* readable, writable, executable, shared: as vma_flags */
#define QUERY_OR_NEXT     0x10ull
#define QUERY_FILE_BACKED 0x20ull

/* One line of maps; name points into it. */
static bool line_parse(char *line, struct procmap_query_ *v, const char **name)
{
	char perms[8];
	int at = 0;

	if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %n", &v->vma_start, &v->vma_end, perms,
		   &v->vma_offset, &v->dev_major, &v->dev_minor, &v->inode, &at) < 7)
		return false;
	v->vma_flags = (perms[0] == 'r' ? 1 : 0) | (perms[1] == 'w' ? 2 : 0) | (perms[2] == 'x' ? 4 : 0) |
		       (perms[3] == 's' ? 8 : 0);
	v->vma_page_size = PAGE_SIZE;
	*name = line + at;
	return true;
}

/* Find what q asks for in text, and fill q.  The name, or NULL: nothing matches. */
static const char *query_text(char *text, struct procmap_query_ *q)
{
	struct procmap_query_ v = { 0 };
	const char *name;

	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (!line_parse(line, &v, &name) || v.vma_end <= q->query_addr)
			continue;
		if (!(q->query_flags & QUERY_OR_NEXT) && v.vma_start > q->query_addr)
			return NULL;
		if ((q->query_flags & QUERY_PERMS & ~v.vma_flags) ||
		    ((q->query_flags & QUERY_FILE_BACKED) && !v.inode)) {
			if (!(q->query_flags & QUERY_OR_NEXT))
				return NULL;
			continue;
		}
		q->vma_start = v.vma_start, q->vma_end = v.vma_end;
		q->vma_flags = v.vma_flags, q->vma_page_size = v.vma_page_size;
		q->vma_offset = v.vma_offset, q->inode = v.inode;
		q->dev_major = v.dev_major, q->dev_minor = v.dev_minor;
		return name;
	}
	return NULL;
}

static int query_check(const struct procmap_query_ *q)
{
	if (q->size < offsetof(struct procmap_query_, query_addr) + 8)
		return -EINVAL;
	if (q->size > PAGE_SIZE)
		return -E2BIG;
	if (q->query_flags & ~(QUERY_PERMS | QUERY_OR_NEXT | QUERY_FILE_BACKED))
		return -EINVAL;
	if (!q->vma_name_size != !q->vma_name_addr || !q->build_id_size != !q->build_id_addr)
		return -EINVAL;
	return 0;
}

long proc_maps_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct mm *mm = pfs_file_priv(f);
	struct procmap_query_ q = { 0 };
	struct buf text = BUF_INIT;
	const char *name;
	long r;

	if (cmd != PROCMAP_QUERY_)
		return -ENOTTY;
	if (vfs_copy_in(c, &q.size, arg, sizeof(q.size)))
		return -EFAULT;
	if (q.size >= sizeof(q.size) && q.size <= PAGE_SIZE &&
	    vfs_copy_in(c, &q, arg, MIN((size_t)q.size, sizeof(q))))
		return -EFAULT;
	r = query_check(&q);
	if (r)
		return r;
	if (!mm || atomic_load_explicit(&mm->processes, memory_order_relaxed) == 0)
		return -ESRCH;
	r = mm_show_maps(mm, &c->root, false, &text);
	if (r)
		goto out;
	name = query_text(text.data, &q);
	r = name ? 0 : -ENOENT;
	if (!r && q.vma_name_size) {
		size_t n = *name ? strlen(name) + 1 : 0;

		if (n > q.vma_name_size)
			r = -ENAMETOOLONG;
		else if (n && vfs_copy_out(c, q.vma_name_addr, name, n))
			r = -EFAULT;
		q.vma_name_size = (uint32_t)n;
	}
	q.build_id_size = 0; /* not looked for */
	if (!r && vfs_copy_out(c, arg, &q, MIN((size_t)q.size, sizeof(q))))
		r = -EFAULT;
out:
	buf_fini(&text);
	return r;
}
