/* SPDX-License-Identifier: Apache-2.0 */
/*
 * byteq.h: a queue of bytes that grows up to a limit.  The first piece of memory is taken at once,
 * so that a queue without memory for more still moves data.  The owner's lock guards it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

#define BYTEQ_FIRST 1024

struct byteq {
	uint8_t *data;
	size_t capacity; /* a power of two */
	size_t start;    /* index of the first byte */
	size_t count;
};

int byteq_init(struct byteq *q) must_check; /* -ENOMEM, or 0 */
void byteq_fini(struct byteq *q);
/* Add what fits: the queue holds at most limit bytes.  The count added. */
size_t byteq_put(struct byteq *q, const void *p, size_t size, size_t limit);
/* All of it or nothing. */
bool byteq_put_all(struct byteq *q, const void *p, size_t size, size_t limit);
/* Take up to size bytes off the front. */
size_t byteq_take(struct byteq *q, void *dst, size_t size);
/* The contiguous bytes at the front, and how many; forget them with byteq_drop(). */
const uint8_t *byteq_front(const struct byteq *q, size_t *size);
void byteq_drop(struct byteq *q, size_t size);
void byteq_clear(struct byteq *q);
