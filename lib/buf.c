/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c: growable byte buffers.
 *
 * Invariants: data is NULL and capacity 0, or size < capacity and data[size] is NUL.  Once error
 * is set nothing is appended any more; what was written before stays readable.
 */
#include "lib/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/overflow.h"

enum { BUF_FIRST = 256 };

void buf_init(struct buf *b)
{
	*b = (struct buf)BUF_INIT;
}

void buf_fini(struct buf *b)
{
	mem_free(b->data);
	buf_init(b);
}

/* Make room for extra bytes and the NUL. */
static bool buf_grow(struct buf *b, size_t extra)
{
	size_t need, capacity;
	char *data;

	if (b->error)
		return false;
	if (add_overflow(b->size, extra, &need) || add_overflow(need, (size_t)1, &need))
		goto fail;
	if (need <= b->capacity)
		return true;
	capacity = MAX(need, b->capacity + b->capacity / 2);
	capacity = MAX(capacity, (size_t)BUF_FIRST);
	data = mem_realloc(b->data, capacity, 1);
	if (!data)
		goto fail;
	b->data = data;
	b->capacity = capacity;
	return true;
fail:
	b->error = -ENOMEM;
	return false;
}

void *buf_reserve(struct buf *b, size_t size)
{
	char *at;

	if (!buf_grow(b, size))
		return NULL;
	at = b->data + b->size;
	b->size += size;
	b->data[b->size] = '\0';
	return at;
}

void buf_put(struct buf *b, const void *p, size_t size)
{
	void *at = buf_reserve(b, size);

	if (at && size)
		memcpy(at, p, size);
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	if (b->error)
		return;
	va_copy(again, ap);
	n = vsnprintf(b->data ? b->data + b->size : NULL, b->capacity - b->size, fmt, ap);
	if (n < 0)
		b->error = -ENOMEM; /* only a result beyond INT_MAX gets here */
	else if ((size_t)n >= b->capacity - b->size && buf_grow(b, (size_t)n))
		(void)vsnprintf(b->data + b->size, (size_t)n + 1, fmt, again);
	va_end(again);
	if (!b->error)
		b->size += (size_t)n;
	else if (b->data)
		b->data[b->size] = '\0';
}

int buf_error(const struct buf *b)
{
	return b->error;
}

char *buf_take(struct buf *b)
{
	char *data = NULL;

	if (buf_grow(b, 0)) {
		data = b->data;
		data[b->size] = '\0';
		b->data = NULL;
	}
	buf_fini(b);
	return data;
}
