/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h: the Sentry's heap.  Thin wrappers over malloc, so that unit tests can make the n-th
 * allocation fail.  All return NULL when there is no memory; the caller turns that into ENOMEM.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

/* Uninitialised, zeroed, and zeroed array (overflow-checked).  Freed by mem_free(). */
void *mem_alloc(size_t size) must_check;
void *mem_zalloc(size_t size) must_check;
void *mem_calloc(size_t count, size_t size) must_check;
/* As realloc(3) for count elements of size bytes; on failure the old block is unchanged. */
void *mem_realloc(void *p, size_t count, size_t size) must_check;
char *mem_strdup(const char *s) must_check;
char *mem_strndup(const char *s, size_t max) must_check;
void *mem_dup(const void *p, size_t size) must_check;
/* Accepts NULL. */
void mem_free(void *p);

/*
 * Start-up code and relocations need not stay mapped: several hundred KB of each process's PSS.  What is
 * used again is mapped again from the host's page cache; nobody writes to these pages.
 */
void mem_drop_text(void);

#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

/*
 * Unit tests only: the allocation that many calls from now, and every later one, fails until
 * the next call; SIZE_MAX turns it off.
 */
void mem_fail_after(size_t calls);
