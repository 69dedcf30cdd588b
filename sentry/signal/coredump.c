/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coredump.c: core files (core(5)): what a fatal signal with the action "core" leaves behind.
 *
 * An ELF file with notes (registers of the thread that took the signal, process, signal, auxiliary
 * vector, mapped files) and a segment for each mapping.  Written are anonymous and shared anonymous
 * memory, writable file mappings, and the first page of others when it is an ELF header: about what
 * coredump_filter's default 0x33 means on Linux.  Pages of zeros become holes.
 *
 * It is written by the dying task with its own credentials, before its process is told to leave; the
 * other threads go on meanwhile (Linux stops them first) and their registers are not in the file.
 *
 * Linux: fs/coredump.c, fs/binfmt_elf.c.
 */
#include "sentry/signal/coredump.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "sentry/ptrace/access.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/task_impl.h"
#include "vfs/file.h"

#define SEGMENTS_MAX 65000 /* e_phnum has 16 bits */
#define CHUNK        (256u << 10)

struct segment {
	uint64_t start, end, offset;
	uint64_t file_size; /* how much of it is in the core file */
	uint32_t flags;     /* PF_* */
	bool file;          /* mapped from a file with a name */
};

struct core {
	struct task *t;
	struct mm *mm;
	struct file *out;
	uint64_t limit, written; /* holes don't count */
	int64_t pos;
	struct buf segments; /* struct segment */
	struct buf files;    /* NT_FILE: ranges … */
	struct buf names;    /* … and names */
	uint64_t file_count;
	struct buf notes;
};

/* ---- what there is to write ----------------------------------------------------------------------- */

static bool has_elf_header(struct core *c, uint64_t at)
{
	char magic[SELFMAG];

	return plat_mm_read(c->mm->plat, at, magic, sizeof(magic), true) == sizeof(magic) &&
	       !memcmp(magic, ELFMAG, SELFMAG);
}

static bool note_file(struct core *c, const struct plat_map *m)
{
	uint64_t range[3] = { m->start, m->end, m->offset / PAGE_SIZE };
	struct buf text = BUF_INIT;
	struct path path;
	bool named;

	if (!mm_map_path(c->mm, m, &path))
		return false;
	named = vfs_path_text(&c->t->vfs.root, &path, &text) == 0;
	path_put(&path);
	if (named) {
		buf_put(&c->files, range, sizeof(range));
		buf_put(&c->names, text.data, text.size + 1);
		c->file_count++;
	}
	buf_fini(&text);
	return true;
}

static int add_segment(void *arg, const struct plat_map *m)
{
	struct core *c = arg;
	struct segment s = { .start = m->start, .end = m->end, .offset = m->offset };
	bool readable = m->prot[0] == 'r', writable = m->prot[1] == 'w';

	if (c->segments.size / sizeof(s) >= SEGMENTS_MAX)
		return 0;
	if (readable)
		s.flags |= PF_R;
	if (writable)
		s.flags |= PF_W;
	if (m->prot[2] == 'x')
		s.flags |= PF_X;
	s.file = note_file(c, m);
	if (m->name[0] == '[' && m->name[1] == 'v' && m->name[2] == 'v')
		s.file_size = 0; /* [vvar] */
	else if (readable && (!s.file || (writable && m->prot[3] == 'p')))
		s.file_size = s.end - s.start;
	else if (readable && m->offset == 0 && has_elf_header(c, s.start))
		s.file_size = PAGE_SIZE;
	buf_put(&c->segments, &s, sizeof(s));
	return buf_error(&c->segments);
}

/* ---- notes ------------------------------------------------------------------------------------------ */

static void note(struct buf *b, const char *name, uint32_t type, const void *data, size_t size)
{
	Elf64_Nhdr h = { .n_namesz = (uint32_t)strlen(name) + 1, .n_descsz = (uint32_t)size,
			 .n_type = type };
	static const char zero[8];

	buf_put(b, &h, sizeof(h));
	buf_put(b, name, h.n_namesz);
	buf_put(b, zero, -b->size & 3);
	buf_put(b, data, size);
	buf_put(b, zero, -b->size & 3);
}

static void note_status(struct core *c, int sig)
{
	struct task *t = c->t;
	struct elf_prstatus st;

	memset(&st, 0, sizeof(st));
	st.pr_info.si_signo = sig;
	st.pr_cursig = (short)sig;
	st.pr_sigpend = t->pending.set;
	st.pr_sighold = task_blocked(t);
	st.pr_pid = task_tid(t);
	st.pr_fpvalid = 1;
	_Static_assert(sizeof(st.pr_reg) == sizeof(plat_regs_t), "user_regs_struct");
	memcpy(&st.pr_reg, plat_regs(t->pt), sizeof(st.pr_reg));
	note(&c->notes, "CORE", NT_PRSTATUS, &st, sizeof(st));
}

static void note_process(struct core *c)
{
	struct task *t = c->t;
	struct elf_prpsinfo ps;
	size_t size;

	memset(&ps, 0, sizeof(ps));
	ps.pr_sname = 'R';
	ps.pr_nice = (char)t->nice;
	ps.pr_uid = t->cred->uid;
	ps.pr_gid = t->cred->gid;
	ps.pr_pid = task_tgid(t);
	task_get_comm(t, ps.pr_fname);
	mutex_lock(&c->mm->lock);
	size = MIN((size_t)(c->mm->arg_end - c->mm->arg_start), sizeof(ps.pr_psargs) - 1);
	mutex_unlock(&c->mm->lock);
	if (mm_read(c->mm, c->mm->arg_start, ps.pr_psargs, size) == (ssize_t)size)
		for (size_t i = 0; i + 1 < size; i++)
			if (!ps.pr_psargs[i])
				ps.pr_psargs[i] = ' ';
	note(&c->notes, "CORE", NT_PRPSINFO, &ps, sizeof(ps));
}

/* As PTRACE_GETREGSET gives them: a signal frame's image is another, and gdb takes no core with that. */
static void note_fpu(struct core *c)
{
	void *state = mem_alloc(PTRACE_FPSTATE_MAX);
	ssize_t n;

	if (!state)
		return;
	if (ptrace_fpstate_own(c->t, state, true) >= (ssize_t)sizeof(struct user_fpregs_struct))
		note(&c->notes, "CORE", NT_PRFPREG, state, sizeof(struct user_fpregs_struct));
	n = ptrace_fpstate_own(c->t, state, false);
	if (n > 0)
		note(&c->notes, "LINUX", NT_X86_XSTATE, state, (size_t)n);
	mem_free(state);
}

static void note_files(struct core *c)
{
	uint64_t head[2] = { c->file_count, PAGE_SIZE };
	struct buf b = BUF_INIT;

	if (!c->file_count)
		return;
	buf_put(&b, head, sizeof(head));
	buf_put(&b, c->files.data, c->files.size);
	buf_put(&b, c->names.data, c->names.size);
	if (!buf_error(&b))
		note(&c->notes, "CORE", NT_FILE, b.data, b.size);
	buf_fini(&b);
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static bool core_write(struct core *c, const void *data, size_t size)
{
	struct uio u;
	ssize_t n;

	if (c->written + size > c->limit || task_exiting(c->t))
		return false;
	c->written += size;
	uio_init_kernel(&u, (void *)(uintptr_t)data, size);
	n = file_pwrite(task_vfs(c->t), c->out, &u, &c->pos, 0);
	return n == (ssize_t)size;
}

static bool all_zero(const char *p, size_t size)
{
	return p[0] == 0 && !memcmp(p, p + 1, size - 1);
}

/* What can't be read stays a hole, as do pages of zeros. */
static bool write_segment(struct core *c, const struct segment *s, char *chunk)
{
	int64_t end = c->pos + (int64_t)s->file_size;

	for (uint64_t at = s->start; at < s->start + s->file_size;) {
		size_t size = MIN((size_t)(s->start + s->file_size - at), (size_t)CHUNK);
		ssize_t n = plat_mm_read(c->mm->plat, at, chunk, size, true);

		if (n < (ssize_t)PAGE_SIZE) {
			n = PAGE_SIZE;
			c->pos += n;
		} else {
			n &= ~(ssize_t)(PAGE_SIZE - 1);
			for (ssize_t i = 0; i < n; i += PAGE_SIZE) {
				if (all_zero(chunk + i, PAGE_SIZE))
					c->pos += PAGE_SIZE;
				else if (!core_write(c, chunk + i, PAGE_SIZE))
					return false;
			}
		}
		at += (uint64_t)n;
	}
	c->pos = end;
	return true;
}

static bool write_headers(struct core *c)
{
	size_t count = c->segments.size / sizeof(struct segment);
	const struct segment *s = (const struct segment *)(const void *)c->segments.data;
	Elf64_Ehdr e = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(e),
		.e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (uint16_t)(count + 1),
	};
	Elf64_Phdr p = { .p_type = PT_NOTE, .p_offset = sizeof(e) + (count + 1) * sizeof(p),
			 .p_filesz = c->notes.size, .p_align = 4 };
	struct buf b = BUF_INIT;
	uint64_t at = ALIGN_UP(p.p_offset + p.p_filesz, (uint64_t)PAGE_SIZE);
	bool ok;

	buf_put(&b, &e, sizeof(e));
	buf_put(&b, &p, sizeof(p));
	for (size_t i = 0; i < count; i++) {
		p = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = s[i].flags, .p_offset = at,
				  .p_vaddr = s[i].start, .p_filesz = s[i].file_size,
				  .p_memsz = s[i].end - s[i].start, .p_align = PAGE_SIZE };
		buf_put(&b, &p, sizeof(p));
		at += s[i].file_size;
	}
	buf_put(&b, c->notes.data, c->notes.size);
	ok = !buf_error(&b) && core_write(c, b.data, b.size);
	buf_fini(&b);
	c->pos = ALIGN_UP(c->pos, (int64_t)PAGE_SIZE);
	return ok;
}

static void write_core(struct core *c)
{
	const struct segment *s = (const struct segment *)(const void *)c->segments.data;
	char *chunk = mem_alloc(CHUNK);
	bool ok = chunk && write_headers(c);

	for (size_t i = 0; ok && i < c->segments.size / sizeof(*s); i++)
		ok = write_segment(c, &s[i], chunk);
	mem_free(chunk);
	if (ok) /* a hole at the end counts too */
		(void)file_truncate(task_vfs(c->t), c->out, c->pos);
}

/* "core" in the working directory, replacing an old one, with the task's own rights. */
static struct file *core_create(struct task *t)
{
	struct open_how_args how = {
		.flags = O_CREAT | O_RDWR | O_NOFOLLOW | O_EXCL,
		.mode = 0600,
	};
	struct vfs_ctx *c = task_vfs(t);
	struct file *f;

	(void)vfs_unlink(c, NULL, "core");
	if (vfs_open(c, NULL, "core", &how, &f) < 0)
		return NULL;
	if (S_ISREG(f->inode->mode) && f->inode->uid == c->cred->fsuid)
		return f;
	file_put(f);
	return NULL;
}

bool core_dump(struct task *t, int sig, const siginfo_t *info)
{
	struct core c = { .t = t, .mm = t->mm, .limit = task_rlimit(t, RLIMIT_CORE) };
	bool done = false;

	if (t->mm->dumpable != 1 || c.limit < PAGE_SIZE)
		return false;
	c.out = core_create(t);
	if (!c.out)
		return false;
	if (plat_mm_maps(c.mm->plat, false, add_segment, &c) == 0) {
		note_status(&c, sig);
		note_process(&c);
		note(&c.notes, "CORE", NT_SIGINFO, info, sizeof(*info));
		note(&c.notes, "CORE", NT_AUXV, c.mm->auxv, c.mm->auxv_size);
		note_files(&c);
		note_fpu(&c);
		done = !buf_error(&c.notes); /* cut off at the limit it still counts, as on Linux */
		if (done)
			write_core(&c);
	}
	file_put(c.out);
	buf_fini(&c.segments);
	buf_fini(&c.files);
	buf_fini(&c.names);
	buf_fini(&c.notes);
	return done;
}
