/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c: malloc with a countdown for tests.
 *
 * Zero bytes are a valid size everywhere: the result is a pointer to nothing, not NULL, so that
 * NULL always means "no memory".
 *
 * One arena: glibc would make one a thread, which costs memory in a process with few threads and
 * much idle time; the threads' own caches keep them apart well enough.
 */
#include "lib/mem.h"

#include <elf.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/overflow.h"
#include "lib/util.h"

/* Allocations still allowed; SIZE_MAX when tests don't count them. */
static atomic_size_t mem_allowed = SIZE_MAX;

__attribute__((constructor(101))) static void mem_setup(void)
{
	mallopt(M_ARENA_MAX, 1);
}

void mem_fail_after(size_t calls)
{
	atomic_store_explicit(&mem_allowed, calls, memory_order_relaxed);
}

/* Whether this allocation may go ahead. */
static bool mem_may(void)
{
	size_t left = atomic_load_explicit(&mem_allowed, memory_order_relaxed);

	if (likely(left == SIZE_MAX))
		return true;
	while (left > 0 && left != SIZE_MAX)
		if (atomic_compare_exchange_weak_explicit(&mem_allowed, &left, left - 1,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return left == SIZE_MAX;
}

void *mem_alloc(size_t size)
{
	return mem_may() ? malloc(size ? size : 1) : NULL;
}

void *mem_zalloc(size_t size)
{
	return mem_may() ? calloc(1, size ? size : 1) : NULL;
}

void *mem_calloc(size_t count, size_t size)
{
	size_t total;

	if (mul_overflow(count, size, &total))
		return NULL;
	return mem_zalloc(total);
}

void *mem_realloc(void *p, size_t count, size_t size)
{
	size_t total;

	if (mul_overflow(count, size, &total) || !mem_may())
		return NULL;
	return realloc(p, total ? total : 1); /* 0 would free the block */
}

char *mem_strdup(const char *s)
{
	return mem_dup(s, strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t max)
{
	size_t size = strnlen(s, max);
	char *copy = mem_alloc(size + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, size);
	copy[size] = '\0';
	return copy;
}

void *mem_dup(const void *p, size_t size)
{
	void *copy = mem_alloc(size);

	if (copy && size)
		memcpy(copy, p, size);
	return copy;
}

void mem_free(void *p)
{
	free(p);
}

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

void mem_drop_text(void)
{
	const Elf64_Ehdr *e = &__ehdr_start;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((uintptr_t)e + e->e_phoff);

	for (unsigned int i = 0; i < e->e_phnum; i++) {
		uintptr_t start = ((uintptr_t)e + ph[i].p_vaddr) & ~(PAGE_SIZE - 1ul);

		/* Not what is writable, or was: relocated pointers can't be read from the file again. */
		if (ph[i].p_type == PT_LOAD && !(ph[i].p_flags & PF_W))
			(void)madvise((void *)start, (uintptr_t)e + ph[i].p_vaddr + ph[i].p_filesz - start,
				      MADV_DONTNEED);
	}
}
