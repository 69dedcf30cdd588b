/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c: files of /proc/PID that look into an address space: cmdline, environ, auxv, maps, smaps,
 * mem.
 *
 * All that is read here was written by the application and is passed on as it is; where it lies
 * (arg_start …) may have been set by prctl(PR_SET_MM), so lengths are checked and cut.
 *
 * environ, auxv, maps and mem keep the memory that the process had when the file was opened, with
 * the permission checked then: after an execve of a setuid program an old descriptor shows the old
 * memory, not the new one.
 *
 * Linux: fs/proc/base.c (get_mm_cmdline, environ_read, mem_rw), fs/proc/task_mmu.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/proc/proc_impl.h"
#include "sentry/ptrace/access.h"

#define ARGS_MAX  (8u << 20) /* more than any execve lets through */
#define MEM_CHUNK (64u << 10)

/* ---- whose memory ----------------------------------------------------------------------------- */

static int open_mm(const struct pfs_req *r, unsigned int mode, void **priv)
{
	struct mm *mm;

	if (r->target == r->reader) {
		*priv = task_mm_get(r->target);
		return 0;
	}
	if (!proc_may_access(r, mode))
		return -EACCES;
	mm = task_mm_get(r->target);
	/* Again, now that it is held: an execve in between may have changed what may be seen. */
	if (!proc_may_access(r, mode)) {
		mm_put(mm);
		return -EACCES;
	}
	*priv = mm; /* NULL: it has none any more; reads give nothing */
	return 0;
}

int proc_open_mm_read(const struct pfs_req *r, struct file *f, void **priv)
{
	(void)f;
	return open_mm(r, PTRACE_READ, priv);
}

int proc_open_mm_attach(const struct pfs_req *r, struct file *f, void **priv)
{
	(void)f;
	return open_mm(r, PTRACE_ATTACH_, priv);
}

void proc_release_mm(void *priv)
{
	mm_put(priv);
}

/* ---- arguments and environment ---------------------------------------------------------------- */

/* Append [start, end) of mm, until the first byte that can't be read. */
static int read_range(struct mm *mm, uint64_t start, uint64_t end, struct buf *b)
{
	if (end <= start)
		return 0;
	end = MIN(end, start + ARGS_MAX);
	while (start < end) {
		size_t size = MIN((size_t)(end - start), (size_t)MEM_CHUNK), at = b->size;
		char *p = buf_reserve(b, size);
		ssize_t n;

		if (!p)
			return -ENOMEM;
		n = plat_mm_read(mm->plat, start, p, size, true);
		b->size = at + (size_t)MAX(n, (ssize_t)0);
		b->data[b->size] = '\0';
		if (n < (ssize_t)size)
			break;
		start += size;
	}
	return 0;
}

struct mm_args {
	uint64_t arg_start, arg_end, env_start, env_end;
};

static void args_of(struct mm *mm, struct mm_args *a)
{
	mutex_lock(&mm->lock);
	*a = (struct mm_args){ mm->arg_start, mm->arg_end, mm->env_start, mm->env_end };
	mutex_unlock(&mm->lock);
}

/*
 * A process that has overwritten the NUL behind its arguments (setproctitle) means one string, up
 * to the first NUL, and that may reach into the environment.
 */
static int cmdline_read(struct mm *mm, struct buf *b)
{
	struct mm_args a;
	size_t len;
	int err;

	args_of(mm, &a);
	if (a.arg_end <= a.arg_start)
		return 0;
	err = read_range(mm, a.arg_start, a.arg_end, b);
	if (err || b->size < a.arg_end - a.arg_start || b->data[b->size - 1] == '\0')
		return err;
	if (a.env_start == a.arg_end)
		err = read_range(mm, a.env_start, MIN(a.env_end, a.env_start + PAGE_SIZE), b);
	if (!err) {
		len = strnlen(b->data, b->size);
		if (len < b->size)
			b->size = len + 1; /* its NUL included */
	}
	return err;
}

int proc_show_cmdline(const struct pfs_req *r, struct buf *b)
{
	struct mm *mm = task_mm_get(r->target);
	int err = 0;

	if (mm)
		err = cmdline_read(mm, b);
	mm_put(mm);
	return err;
}

int proc_show_environ(const struct pfs_req *r, struct buf *b)
{
	struct mm *mm = r->priv;
	struct mm_args a;

	if (!mm)
		return 0;
	args_of(mm, &a);
	return read_range(mm, a.env_start, a.env_end, b);
}

int proc_show_auxv(const struct pfs_req *r, struct buf *b)
{
	struct mm *mm = r->priv;

	if (mm)
		buf_put(b, mm->auxv, MIN(mm->auxv_size, sizeof(mm->auxv)));
	return 0;
}

/* ---- maps ------------------------------------------------------------------------------------- */

static int show_maps(const struct pfs_req *r, bool smaps, struct buf *b)
{
	struct mm *mm = r->priv;
	int err;

	if (!mm)
		return 0;
	err = mm_show_maps(mm, &r->c->root, smaps, b);
	return err == -ESRCH ? 0 : err; /* it ended meanwhile: nothing is mapped */
}

int proc_show_maps(const struct pfs_req *r, struct buf *b)
{
	return show_maps(r, false, b);
}

int proc_show_smaps(const struct pfs_req *r, struct buf *b)
{
	return show_maps(r, true, b);
}

/* Sums of smaps' lines, in the order in which they first come. */
#define ROLLUP_FIELDS 32
struct rollup {
	uint64_t start, end;
	unsigned int count;
	struct {
		char name[24];
		unsigned long long kb;
	} fields[ROLLUP_FIELDS];
};

static void rollup_add(struct rollup *s, const char *name, size_t len, unsigned long long kb)
{
	static const char *const not_summed[] = { "Size", "KernelPageSize", "MMUPageSize" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(not_summed); i++)
		if (strlen(not_summed[i]) == len && !memcmp(not_summed[i], name, len))
			return;
	for (i = 0; i < s->count; i++)
		if (strlen(s->fields[i].name) == len && !memcmp(s->fields[i].name, name, len))
			break;
	if (i == ROLLUP_FIELDS || len >= sizeof(s->fields[i].name))
		return;
	if (i == s->count) {
		memcpy(s->fields[i].name, name, len);
		s->count++;
	}
	s->fields[i].kb += kb;
}

static int rollup_one(void *arg, const struct plat_map *m)
{
	struct rollup *s = arg;
	const char *line = m->detail;

	if (!s->end)
		s->start = m->start;
	s->end = m->end;
	while (line && *line) {
		size_t len = strcspn(line, ":\n");
		char *unit;
		unsigned long long kb;

		if (line[len] == ':') {
			kb = strtoull(line + len + 1, &unit, 10);
			if (!strncmp(unit, " kB", 3))
				rollup_add(s, line, len, kb);
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return 0;
}

int proc_show_smaps_rollup(const struct pfs_req *r, struct buf *b)
{
	struct mm *mm = r->priv;
	struct rollup *s;
	size_t at = b->size;
	int err;

	if (!mm)
		return -ESRCH;
	s = mem_new(struct rollup);
	if (!s)
		return -ENOMEM;
	err = plat_mm_maps(mm->plat, true, rollup_one, s);
	if (!err) {
		buf_printf(b, "%08llx-%08llx ---p 00000000 00:00 0 ", (unsigned long long)s->start,
			   (unsigned long long)s->end);
		while (b->size - at < 73 && !buf_error(b))
			buf_putc(b, ' ');
		buf_puts(b, "[rollup]\n");
		for (unsigned int i = 0; i < s->count; i++)
			buf_printf(b, "%s:%*s%8llu kB\n", s->fields[i].name,
				   (int)(15 - MIN(strlen(s->fields[i].name), (size_t)15)), "",
				   s->fields[i].kb);
	}
	mem_free(s);
	return err;
}

/* ---- mem -------------------------------------------------------------------------------------- */

/* Page protection does not count (FOLL_FORCE): debuggers write breakpoints into text. */
static ssize_t mem_rw(struct vfs_ctx *c, struct file *f, struct uio *u, int64_t *pos, bool write)
{
	struct mm *mm = pfs_file_priv(f);
	size_t done = 0;
	char *chunk;
	ssize_t n = 0;

	if (!mm || atomic_load_explicit(&mm->processes, memory_order_relaxed) == 0)
		return 0;
	chunk = mem_alloc(MEM_CHUNK);
	if (!chunk)
		return -ENOMEM;
	while (uio_left(u) > 0) {
		size_t size = MIN(uio_left(u), (size_t)MEM_CHUNK);

		if (write) {
			n = uio_get(u, chunk, size);
			if (n > 0)
				n = ptrace_write(ctx_task(c), mm, (uint64_t)*pos, chunk, (size_t)n);
		} else {
			n = plat_mm_read(mm->plat, (uint64_t)*pos, chunk, size, true);
			if (n > 0)
				n = uio_put(u, chunk, (size_t)n);
		}
		if (n <= 0)
			break;
		*pos += n;
		done += (size_t)n;
		if ((size_t)n < size)
			break;
	}
	mem_free(chunk);
	if (done)
		return (ssize_t)done;
	return n < 0 && n != -EFAULT ? n : uio_left(u) ? -EIO : 0;
}

static ssize_t mem_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	(void)rwf;
	return mem_rw(c, f, dst, pos, false);
}

static ssize_t mem_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	(void)rwf;
	return mem_rw(c, f, src, pos, true);
}

static int64_t mem_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	(void)c;
	switch (whence) {
	case SEEK_SET:
		return off;
	case SEEK_CUR:
		return f->pos + off;
	default:
		return -EINVAL;
	}
}

const struct file_ops proc_mem_fops = {
	.read = mem_read,
	.write = mem_write,
	.llseek = mem_llseek,
	.release = pfs_file_release,
};
