/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.h: execve's program formats: `#!` scripts and ELF (execve(2), elf(5)).
 *
 * task_exec() opens the file, asks the loader to look at it (nothing of the old program is touched:
 * errors go back to the caller), passes the point of no return, and has the loader map it.
 */
#pragma once

#include <elf.h>
#include <stdint.h>

#include "sentry/task/task.h"

#define EXEC_ARG_STRINGS_MAX 0x7fffffff
#define EXEC_ARG_LEN_MAX     (32 * PAGE_SIZE) /* MAX_ARG_STRLEN */
#define EXEC_SCRIPT_DEPTH    5

/* One ELF file, headers read and checked. */
struct elf_image {
	struct file *file; /* owned */
	Elf64_Ehdr ehdr;
	Elf64_Phdr *phdrs; /* owned; ehdr.e_phnum of them */
	uint64_t low, high; /* extent of its PT_LOAD segments, page aligned, before the bias */
	uint64_t bias;      /* what was added */
	bool stack_exec;
};

/* Strings for the new stack, one after the other, NUL-terminated. */
struct exec_strings {
	char *data;
	size_t size, count;
};

struct exec {
	struct task *task;
	struct file *file;      /* owned: the file being looked at */
	char head[256];
	size_t head_size;
	char *filename;         /* owned: AT_EXECFN, argv[0]-independent */
	char *interp_path;      /* owned: the script being run, as its interpreter sees it */
	struct exec_strings argv, envp; /* owned */
	struct elf_image main, interp;
	const struct cred *cred; /* owned: the new credentials */
	bool secure;            /* AT_SECURE */
	bool nondumpable;       /* the file can't be read by its runner */
	uint64_t phdr_addr;     /* AT_PHDR */
};

int exec_strings_add(struct exec_strings *s, const char *text) must_check;
/* Put text in front. */
int exec_strings_push(struct exec_strings *s, const char *text) must_check;

/* Recognise x->file and read what is needed of it; follows `#!`.  -ENOEXEC, -ELOOP, … */
int exec_look(struct exec *x) must_check;
/* Open a program by name with all of execve's checks. */
int exec_open(struct task *t, const struct path *at, const char *name, int at_flags, struct file **out);
/* The address space is empty: map, fill the stack, set registers.  A failure is fatal to the task. */
int exec_map(struct exec *x) must_check;

int elf_read(struct task *t, struct file *f, struct elf_image *e) must_check;
void elf_fini(struct elf_image *e);
/* Where PT_INTERP points: a new string, or NULL in *out. */
int elf_interp_name(struct task *t, const struct elf_image *e, char **out) must_check;
/*
 * Host calls that make a program's address space, to be made in one go.  Files that they map are named
 * until calls_fini().
 */
struct exec_calls {
	struct plat_hostcall *calls; /* owned */
	size_t count, room;
};

int calls_add(struct exec_calls *c, const struct plat_hostcall *call) must_check;
int calls_make(struct task *t, struct exec_calls *c) must_check;
void calls_fini(struct task *t, struct exec_calls *c);

/* Plan e's segments at bias. */
int elf_plan(struct task *t, struct elf_image *e, uint64_t bias, struct exec_calls *c,
	     uint64_t *end_of_data) must_check;
/* They are mapped: what follows the file's bytes is to be zero. */
int elf_zero_tails(struct task *t, const struct elf_image *e) must_check;
/* First registers of a program. */
void exec_set_registers(struct task *t, uint64_t entry, uint64_t sp);
