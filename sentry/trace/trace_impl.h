/* SPDX-License-Identifier: Apache-2.0 */
/* trace_impl.h: what trace.c and show.c share: bounded text, and values as text. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"
#include "sentry/trace/trace_table.h"

/* Text that is cut when full; never NUL-terminated. */
struct text {
	char *data;
	size_t used;
	size_t capacity;
};

void text_puts(struct text *t, const char *s);
void text_putc(struct text *t, char c);
void text_printf(struct text *t, const char *fmt, ...) printf_like(2, 3);
/* Bytes between quotes, with C's escapes; dots behind when there is more than what is shown. */
void text_quote(struct text *t, const char *p, size_t size, bool more);

/* A value by its set: flags joined by |, the rest in hex. */
void show_set(struct text *t, const struct trace_set *set, uint64_t value);
void show_signal(struct text *t, uint32_t sig);
/* "-1 ENOENT", "? ERESTARTSYS", … */
void show_error(struct text *t, long error);
/* size bytes of a copied struct sockaddr. */
void show_sockaddr(struct text *t, const void *p, size_t size);

#define SHOW_ELEMENT_MAX 512 /* bytes of the longest struct that is shown */
struct layout;
/* How to show an element of structs.def, or NULL: not known. */
const struct layout *show_layout(const char *element);
/* p holds a whole one, copied. */
void show_struct(struct text *t, const struct layout *l, const void *p);
