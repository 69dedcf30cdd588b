/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h: a growable byte buffer with printf.  A failed allocation sticks: later writes do nothing
 * and buf_error() gives -ENOMEM, so a producer checks once, at its end.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "lib/util.h"

struct buf {
	char *data; /* NUL-terminated beyond size whenever not NULL */
	size_t size;
	size_t capacity;
	int error;
};

#define BUF_INIT { NULL, 0, 0, 0 }

void buf_init(struct buf *b);
void buf_fini(struct buf *b);
void buf_put(struct buf *b, const void *p, size_t size);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) printf_like(2, 0);
/* Bytes reserved at the end for the caller to fill (size grows by that much), or NULL. */
void *buf_reserve(struct buf *b, size_t size);
int buf_error(const struct buf *b);
/*
 * Move the data out: the caller frees it with mem_free(); the buffer is empty again.  An empty
 * string when nothing was written, NULL after an error (which is then forgotten).
 */
char *buf_take(struct buf *b);
