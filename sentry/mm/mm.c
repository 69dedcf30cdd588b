/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm.c: mapping files and the program break; names for /proc/PID/maps.  See mm.h.
 *
 * The host has the mappings.  A file's mapping is made by the stub on a descriptor that the file
 * system lends for that one call (vfs file_mmap), opened with no more rights than it needs.
 */
#include "sentry/mm/mm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/overflow.h"
#include "platform/host.h"
#include "sentry/aio/aio.h"
#include "sentry/ipc/ipc.h"
#include "sentry/task/task.h"
#include "vfs/file.h"
#include "vfs/tmpfs/tmpfs.h"

int mm_new(struct mm **out)
{
	struct mm *mm = mem_new(struct mm);
	int err;

	if (!mm)
		return -ENOMEM;
	err = hash_init(&mm->names, 8);
	if (err)
		goto free_mm;
	err = plat_mm_new(&mm->plat);
	if (err)
		goto fini_names;
	ref_init(&mm->ref);
	mutex_init(&mm->lock, LOCK_MM);
	latch_init(&mm->identity_latch);
	atomic_init(&mm->processes, 1);
	list_init(&mm->shm);
	list_init(&mm->aio);
	mm->dumpable = 1;
	mm->user_ns = user_ns_get(user_ns_init);
	*out = mm;
	return 0;

fini_names:
	hash_fini(&mm->names);
free_mm:
	mem_free(mm);
	return err;
}

int mm_dup(struct mm *from, struct plat_mm *plat, struct mm **out)
{
	struct mm *mm = mem_new(struct mm);
	int err;

	if (!mm)
		return -ENOMEM;
	err = hash_init(&mm->names, 8);
	if (err) {
		mem_free(mm);
		return err;
	}
	ref_init(&mm->ref);
	mutex_init(&mm->lock, LOCK_MM);
	atomic_init(&mm->processes, 1);
	list_init(&mm->shm);
	list_init(&mm->aio);
	plat_mm_get(plat);
	mm->plat = plat;
	mm->user_ns = user_ns_get(from->user_ns);

	mutex_lock(&from->lock);
	mm->brk_start = from->brk_start, mm->brk = from->brk;
	mm->arg_start = from->arg_start, mm->arg_end = from->arg_end;
	mm->env_start = from->env_start, mm->env_end = from->env_end;
	mm->stack_top = from->stack_top;
	mm->code_start = from->code_start, mm->code_end = from->code_end;
	mm->data_start = from->data_start, mm->data_end = from->data_end;
	mm->exe = from->exe ? file_get(from->exe) : NULL;
	memcpy(mm->auxv, from->auxv, sizeof(mm->auxv));
	mm->auxv_size = from->auxv_size;
	mm->dumpable = from->dumpable;
	err = mm_names_dup_locked(from, mm);
	if (!err && from->seal_count) {
		mm->seals = mem_dup(from->seals, from->seal_count * sizeof(*mm->seals));
		if (mm->seals)
			mm->seal_count = from->seal_count;
		else
			err = -ENOMEM;
	}
	if (!err && from->growing_count) {
		mm->growing = mem_dup(from->growing, from->growing_count * sizeof(*mm->growing));
		mm->growing_count = mm->growing ? from->growing_count : 0;
	}
	if (!err && from->policy_count) {
		mm->policies = mem_dup(from->policies, from->policy_count * sizeof(*mm->policies));
		mm->policy_count = mm->policies ? from->policy_count : 0;
	}
	mutex_unlock(&from->lock);
	if (!err)
		err = shm_mm_fork(from, mm);
	if (err) {
		mm_put(mm);
		return err;
	}
	*out = mm;
	return 0;
}

struct mm *mm_get(struct mm *mm)
{
	ref_get(&mm->ref);
	return mm;
}

void mm_put(struct mm *mm)
{
	if (!mm || !ref_put(&mm->ref))
		return;
	shm_mm_exit(mm);
	aio_mm_exit(mm);
	mem_free(mm->locked);
	mem_free(mm->policies);
	mem_free(mm->growing);
	mem_free(mm->seals);
	mm_names_clear_locked(mm);
	hash_fini(&mm->names);
	file_put(mm->exe);
	plat_mm_put(mm->plat);
	user_ns_put(mm->user_ns);
	mem_free(mm);
}

int mm_reset(struct mm *mm)
{
	shm_mm_exit(mm);
	aio_mm_exit(mm);
	mm_unlock_all(mm);
	mutex_lock(&mm->lock);
	mm_names_clear_locked(mm);
	mm->brk_start = mm->brk = 0;
	mm->policy_count = 0;
	mm->seal_count = 0;
	mm->growing_count = 0;
	mutex_unlock(&mm->lock);
	return 0;
}

/* One host call in t's address space: its result, or -errno. */
static int64_t mm_hostcall(struct task *t, struct plat_hostcall *c)
{
	int n = plat_hostcalls(t->pt, c, 1);

	return n < 0 ? n : c->result;
}

int64_t mm_map_anon(struct task *t, uint64_t addr, uint64_t size, int prot, int flags)
{
	struct plat_hostcall c = {
		.nr = SYS_mmap,
		.args = { addr, size, (uint64_t)prot, (uint64_t)(flags | MAP_ANONYMOUS), ~0ull, 0 },
		.host_fd = -1,
	};

	return mm_hostcall(t, &c);
}

/* mmap(2)'s checks of the descriptor against what is asked. */
static int mm_check_file(struct file *f, int prot, int flags)
{
	if (!(f->kind & FILE_READ))
		return -EACCES;
	if ((flags & MAP_TYPE) != MAP_PRIVATE && (prot & PROT_WRITE) && !(f->kind & FILE_WRITE))
		return -EACCES;
	if ((prot & PROT_EXEC) && f->path.mnt && (mount_flags(f->path.mnt) & 8 /* MS_NOEXEC */))
		return -EPERM;
	return 0;
}

/*
 * A shared mapping of /dev/zero by who may not write it: memory of the host's own could be made writable, so it is a
 * file without a name, as Linux has it for each such mapping.
 */
static int64_t map_zeroes(struct task *t, uint64_t addr, uint64_t size, int prot, int flags)
{
	struct vfs_ctx c = *task_vfs(t);
	struct file *whole, *f;
	int64_t r;

	c.fsize_limit = UINT64_MAX;
	r = tmpfs_new_unlinked(&c, "dev/zero", 0666, 0, &whole);
	if (r)
		return r;
	r = file_truncate(&c, whole, (int64_t)size);
	if (!r)
		r = file_new(&whole->path, whole->ops, O_RDONLY, t->cred, &f);
	if (!r) {
		r = mm_map_file(t, f, addr, size, prot, flags, 0);
		file_put(f);
	}
	file_put(whole);
	return r;
}

int64_t mm_map_file(struct task *t, struct file *f, uint64_t addr, uint64_t size, int prot, int flags,
		    uint64_t offset)
{
	struct mmap_request r = { .offset = offset, .prot = prot, .flags = flags, .host_fd = -1 };
	struct plat_hostcall c;
	int64_t address;
	uint64_t end;
	int err;

	if (size == 0 || (offset & (PAGE_SIZE - 1)))
		return -EINVAL;
	if (size > INT64_MAX - PAGE_SIZE)
		return -ENOMEM;
	size = ALIGN_UP(size, PAGE_SIZE);
	if (add_overflow(offset, size, &end) || end > INT64_MAX)
		return -EOVERFLOW;
	err = mm_check_file(f, prot, flags);
	if (err)
		return err;
	r.size = size;
	err = file_mmap(task_vfs(t), f, &r);
	if (err)
		return err;
	if (r.anonymous && (flags & MAP_TYPE) != MAP_PRIVATE && !(f->kind & FILE_WRITE))
		return map_zeroes(t, addr, size, prot, flags);
	if (r.anonymous)
		return mm_map_anon(t, addr, size, prot, flags);
	c = (struct plat_hostcall){
		.nr = SYS_mmap,
		.args = { addr, size, (uint64_t)prot, (uint64_t)flags, 0, r.host_offset },
		.host_fd = r.host_fd,
	};
	err = mm_name_file(t->mm, r.host_fd, f);
	if (err)
		return err;
	address = mm_hostcall(t, &c);
	mm_name_settle(t->mm);
	return address;
}

int mm_unmap(struct task *t, uint64_t addr, uint64_t size)
{
	struct plat_hostcall c = { .nr = SYS_munmap, .args = { addr, size }, .host_fd = -1 };

	return (int)mm_hostcall(t, &c);
}

int64_t mm_brk(struct task *t, uint64_t brk)
{
	struct mm *mm = t->mm;
	uint64_t old, from, to;
	int64_t r = 0;

	mutex_lock(&mm->lock);
	old = mm->brk;
	mutex_unlock(&mm->lock);
	if (brk < mm->brk_start || brk > plat_layout()->user_max ||
	    brk - mm->brk_start > task_rlimit(t, RLIMIT_DATA))
		return (int64_t)old;
	from = ALIGN_UP(old, PAGE_SIZE);
	to = ALIGN_UP(brk, PAGE_SIZE);
	if (to > from && mm_may_expand(t, to - from, true))
		return (int64_t)old;
	if (to > from)
		r = mm_map_anon(t, from, to - from, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_FIXED_NOREPLACE);
	else if (to < from)
		r = mm_unmap(t, to, from - to);
	if (r < 0)
		return (int64_t)old;
	mutex_lock(&mm->lock);
	mm->brk = brk;
	mutex_unlock(&mm->lock);
	return (int64_t)brk;
}

ssize_t mm_read(struct mm *mm, uint64_t addr, void *dst, size_t size)
{
	return plat_mm_read(mm->plat, addr, dst, size, false);
}

ssize_t mm_write(struct mm *mm, uint64_t addr, const void *src, size_t size)
{
	return plat_mm_write(mm->plat, addr, src, size, false);
}

/* ---- /proc/PID/maps --------------------------------------------------------------------------- */

struct mm_show {
	struct mm *mm;
	const struct path *root;
	struct buf *out;
	struct plat_map text; /* not shown yet: what follows may continue it; end 0: none */
	char name[32];        /* the beginning of text's */
};

static const char *mm_special_name(const struct mm *mm, const struct plat_map *m)
{
	if (m->name[0] == '[' && (m->name[1] == 'v'))
		return m->name; /* [vdso], [vvar]: the same page for everybody */
	if (mm->stack_top > m->start && mm->stack_top <= m->end)
		return "[stack]";
	if (mm->brk > mm->brk_start && m->start < mm->brk && m->end > mm->brk_start)
		return "[heap]";
	return NULL;
}

/* smaps' lines as the host has them, but for what is locked: that is the Sentry's. */
static void mm_show_detail(struct mm *mm, const struct plat_map *m, struct buf *out)
{
	static const char locked[] = "\nLocked:", pss[] = "\nPss:";
	const char *at = strstr(m->detail, locked), *sum = strstr(m->detail, pss), *rest;
	uint64_t kb = mm_range_locked_bytes(mm, m->start, m->end) / 1024;

	rest = at && kb ? strchr(at + 1, '\n') : NULL;
	if (!rest) {
		buf_puts(out, m->detail);
		return;
	}
	if (sum)
		kb = MIN(kb, strtoull(sum + sizeof(pss) - 1, NULL, 10));
	buf_put(out, m->detail, (size_t)(at - m->detail));
	buf_printf(out, "\nLocked:         %8lu kB", kb);
	buf_puts(out, rest);
}

static int mm_show_one(void *arg, const struct plat_map *m)
{
	struct mm_show *s = arg;
	struct buf text = BUF_INIT;
	const char *name = NULL;
	uint64_t ino = 0;
	struct path path;
	struct attr a;
	size_t at = s->out->size;

	memset(&a, 0, sizeof(a));
	if (mm_map_path(s->mm, m, &path)) {
		struct inode *i = dentry_inode(path.dentry);

		if (i)
			inode_fill_attr(i, &a);
		if (vfs_path_text(s->root, &path, &text) == 0)
			name = text.data;
		ino = a.ino;
		path_put(&path);
	} else if (!m->ino) {
		name = mm_special_name(s->mm, m);
	} else {
		name = "/dev/zero (deleted)"; /* shared anonymous memory */
		ino = m->ino;
	}
	buf_printf(s->out, "%08lx-%08lx %s %08lx %02x:%02x %lu ", m->start, m->end, m->prot,
		   ino ? m->offset : 0, ino ? major(a.dev) : 0, ino ? minor(a.dev) : 0, ino);
	if (name) {
		while (s->out->size - at < 73)
			buf_putc(s->out, ' ');
		buf_puts(s->out, name);
	}
	buf_putc(s->out, '\n');
	if (m->detail)
		mm_show_detail(s->mm, m, s->out);
	buf_fini(&text);
	return buf_error(s->out);
}

/* Mappings end where their memory policy does, as far as maps shows. */
static int mm_show_parts(void *arg, const struct plat_map *m)
{
	struct mm_show *s = arg;
	struct plat_map part = *m;
	int err = 0;

	if (m->detail || !s->mm->policy_count)
		return mm_show_one(arg, m);
	for (uint64_t at = m->start; at < m->end && !err; at = part.end) {
		uint64_t next = m->end;
		unsigned int mode;

		part.start = at;
		mutex_lock(&s->mm->lock);
		mode = mm_policy_at_locked(s->mm, at, &next);
		for (part.end = next; next < m->end; part.end = next) {
			next = m->end;
			if (mm_policy_at_locked(s->mm, part.end, &next) != mode)
				break;
		}
		mutex_unlock(&s->mm->lock);
		part.offset = m->offset + (at - m->start);
		err = mm_show_one(arg, &part);
	}
	return err;
}

static int mm_show_text(struct mm_show *s)
{
	int err = s->text.end ? mm_show_parts(s, &s->text) : 0;

	s->text.end = 0;
	return err;
}

/*
 * Patched call sites divide a program's text on the host (pages that were written are a mapping of
 * their own), where the application made one mapping: show it as one.  Profilers look for that.
 */
static int mm_show_joined(void *arg, const struct plat_map *m)
{
	struct mm_show *s = arg;
	const struct plat_map *t = &s->text;
	int err;

	if (t->end && t->end == m->start && t->ino == m->ino && t->dev_major == m->dev_major &&
	    t->dev_minor == m->dev_minor && t->offset + (t->end - t->start) == m->offset &&
	    !strcmp(t->prot, m->prot)) {
		s->text.end = m->end;
		return 0;
	}
	err = mm_show_text(s);
	if (err || !m->ino || m->detail || strcmp(m->prot, "r-xp"))
		return err ? err : mm_show_parts(s, m);
	s->text = *m;
	snprintf(s->name, sizeof(s->name), "%s", m->name);
	s->text.name = s->name;
	return 0;
}

int mm_show_maps(struct mm *mm, const struct path *root, bool smaps, struct buf *b)
{
	struct mm_show s = { .mm = mm, .root = root, .out = b };
	int err = plat_mm_maps(mm->plat, smaps, mm_show_joined, &s);

	return err ? err : mm_show_text(&s);
}
