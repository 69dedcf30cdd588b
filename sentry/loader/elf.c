/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.c: reading ELF headers and mapping segments.
 *
 * Every number in the file is hostile.  Segments must lie in the application's part of the address
 * space once biased, in ascending order without overlap of their sum with 64 bits; then each is one
 * file mapping, plus anonymous memory for what exceeds the file, plus zeros up to the page's end.
 * All mappings of an image go to the stub as one batch.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/mem.h"
#include "lib/overflow.h"
#include "sentry/loader/loader.h"

#define ELF_PHDRS_MAX (65536 / sizeof(Elf64_Phdr))

static uint64_t page_down(uint64_t v)
{
	return ALIGN_DOWN(v, PAGE_SIZE);
}

static uint64_t page_up(uint64_t v)
{
	return ALIGN_UP(v, PAGE_SIZE);
}

static int elf_check_header(const Elf64_Ehdr *h)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_machine != EM_X86_64 || (h->e_type != ET_EXEC && h->e_type != ET_DYN) ||
	    h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > ELF_PHDRS_MAX)
		return -ENOEXEC;
	return 0;
}

static int elf_check_segments(struct elf_image *e)
{
	uint64_t high, prev = 0;

	e->low = UINT64_MAX;
	e->high = 0;
	e->stack_exec = false;
	for (unsigned int i = 0; i < e->ehdr.e_phnum; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];

		if (p->p_type == PT_GNU_STACK)
			e->stack_exec = p->p_flags & PF_X;
		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		if (p->p_filesz > p->p_memsz || add_overflow(p->p_vaddr, p->p_memsz, &high) ||
		    high > plat_layout()->user_max || p->p_offset > INT64_MAX ||
		    p->p_filesz > INT64_MAX - p->p_offset ||
		    (p->p_offset ^ p->p_vaddr) & (PAGE_SIZE - 1))
			return -ENOEXEC;
		if (p->p_vaddr < prev)
			return -ENOEXEC;
		prev = p->p_vaddr;
		e->low = MIN(e->low, page_down(p->p_vaddr));
		e->high = MAX(e->high, page_up(high));
	}
	return e->low < e->high ? 0 : -ENOEXEC;
}

int elf_read(struct task *t, struct file *f, struct elf_image *e)
{
	struct vfs_ctx *c = task_vfs(t);
	size_t size;
	ssize_t n;
	int err;

	n = file_read_kernel(c, f, &e->ehdr, sizeof(e->ehdr), 0);
	if (n != (ssize_t)sizeof(e->ehdr))
		return n < 0 ? (int)n : -ENOEXEC;
	err = elf_check_header(&e->ehdr);
	if (err)
		return err;
	size = e->ehdr.e_phnum * sizeof(Elf64_Phdr);
	e->phdrs = mem_alloc(size);
	if (!e->phdrs)
		return -ENOMEM;
	if (e->ehdr.e_phoff > INT64_MAX - size)
		return -ENOEXEC;
	n = file_read_kernel(c, f, e->phdrs, size, (int64_t)e->ehdr.e_phoff);
	if (n != (ssize_t)size)
		return n < 0 ? (int)n : -ENOEXEC;
	err = elf_check_segments(e);
	if (err)
		return err;
	e->file = file_get(f);
	return 0;
}

void elf_fini(struct elf_image *e)
{
	file_put(e->file);
	mem_free(e->phdrs);
	e->file = NULL;
	e->phdrs = NULL;
}

int elf_interp_name(struct task *t, const struct elf_image *e, char **out)
{
	const Elf64_Phdr *p = NULL;
	char *name;
	ssize_t n;

	*out = NULL;
	for (unsigned int i = 0; i < e->ehdr.e_phnum && !p; i++)
		if (e->phdrs[i].p_type == PT_INTERP)
			p = &e->phdrs[i];
	if (!p)
		return 0;
	if (p->p_filesz < 2 || p->p_filesz > PATH_LEN_MAX || p->p_offset > INT64_MAX)
		return -ENOEXEC;
	name = mem_alloc(p->p_filesz);
	if (!name)
		return -ENOMEM;
	n = file_read_kernel(task_vfs(t), e->file, name, p->p_filesz, (int64_t)p->p_offset);
	if (n != (ssize_t)p->p_filesz || name[n - 1] != '\0') {
		mem_free(name);
		return n < 0 ? (int)n : -ENOEXEC;
	}
	*out = name;
	return 0;
}

static int elf_prot(const Elf64_Phdr *p)
{
	return ((p->p_flags & PF_R) ? PROT_READ : 0) | ((p->p_flags & PF_W) ? PROT_WRITE : 0) |
	       ((p->p_flags & PF_X) ? PROT_EXEC : 0);
}

static struct plat_hostcall elf_call(uint64_t addr, uint64_t size, int prot, int flags, int fd,
				     uint64_t offset)
{
	return (struct plat_hostcall){
		.nr = SYS_mmap,
		.args = { addr, size, (uint64_t)prot, (uint64_t)flags, ~0ull, offset },
		.host_fd = fd,
	};
}

/* The calls for one segment, at most two, appended to calls. */
static int elf_segment_calls(struct task *t, struct elf_image *e, const Elf64_Phdr *p,
			     struct exec_calls *c)
{
	struct plat_hostcall call;
	uint64_t start = page_down(p->p_vaddr + e->bias);
	uint64_t file_end = page_up(p->p_vaddr + e->bias + p->p_filesz);
	uint64_t end = page_up(p->p_vaddr + e->bias + p->p_memsz);
	struct mmap_request r = {
		.offset = page_down(p->p_offset),
		.size = file_end - start,
		.prot = elf_prot(p),
		.flags = MAP_PRIVATE | MAP_FIXED,
		.host_fd = -1,
	};
	int err;

	if (p->p_filesz) {
		err = file_mmap(task_vfs(t), e->file, &r);
		if (err)
			return err;
		if (r.anonymous)
			return -ENOEXEC;
		call = elf_call(start, file_end - start, r.prot, r.flags, r.host_fd, r.host_offset);
		err = calls_add(c, &call);
		if (err)
			return err;
		err = mm_name_file(t->mm, r.host_fd, e->file);
		if (err) {
			c->count--;
			return err;
		}
	} else {
		file_end = start;
	}
	if (end <= file_end)
		return 0;
	call = elf_call(file_end, end - file_end, r.prot, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	return calls_add(c, &call);
}

/* What follows the file's bytes in a segment's last file page is zero (the start of .bss). */
static int elf_zero_tail(struct task *t, const struct elf_image *e, const Elf64_Phdr *p)
{
	static const char zeros[PAGE_SIZE];
	uint64_t from = p->p_vaddr + e->bias + p->p_filesz;
	uint64_t size = page_up(from) - from;

	if (p->p_memsz == p->p_filesz || !(p->p_flags & PF_W) || !size || !p->p_filesz)
		return 0;
	return mm_write(t->mm, from, zeros, size) == (ssize_t)size ? 0 : -EFAULT;
}

int calls_add(struct exec_calls *c, const struct plat_hostcall *call)
{
	if (c->count == c->room) {
		size_t room = 2 * c->room + 16;
		struct plat_hostcall *calls = mem_realloc(c->calls, room, sizeof(*calls));

		if (!calls)
			return -ENOMEM;
		c->calls = calls;
		c->room = room;
	}
	c->calls[c->count++] = *call;
	return 0;
}

int calls_make(struct task *t, struct exec_calls *c)
{
	int done = plat_hostcalls(t->pt, c->calls, c->count);

	if (done == (int)c->count)
		return 0;
	return done < 0 ? done : (int)c->calls[done].result;
}

void calls_fini(struct task *t, struct exec_calls *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->calls[i].host_fd >= 0)
			mm_name_settle(t->mm); /* named in elf_segment_calls() */
	mem_free(c->calls);
}

int elf_plan(struct task *t, struct elf_image *e, uint64_t bias, struct exec_calls *c, uint64_t *end_of_data)
{
	int err = 0;

	e->bias = bias;
	*end_of_data = 0;
	for (unsigned int i = 0; i < e->ehdr.e_phnum && !err; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];

		if (p->p_type == PT_LOAD && p->p_memsz) {
			err = elf_segment_calls(t, e, p, c);
			*end_of_data = MAX(*end_of_data, p->p_vaddr + p->p_memsz + bias);
		}
	}
	return err;
}

int elf_zero_tails(struct task *t, const struct elf_image *e)
{
	int err = 0;

	for (unsigned int i = 0; i < e->ehdr.e_phnum && !err; i++)
		if (e->phdrs[i].p_type == PT_LOAD)
			err = elf_zero_tail(t, e, &e->phdrs[i]);
	return err;
}
