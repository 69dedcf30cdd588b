/* SPDX-License-Identifier: Apache-2.0 */
/* byteq.c: queues of bytes.  See byteq.h. */
#include "sentry/tty/byteq.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

int byteq_init(struct byteq *q)
{
	memset(q, 0, sizeof(*q));
	q->data = mem_alloc(BYTEQ_FIRST);
	if (!q->data)
		return -ENOMEM;
	q->capacity = BYTEQ_FIRST;
	return 0;
}

void byteq_fini(struct byteq *q)
{
	mem_free(q->data);
	memset(q, 0, sizeof(*q));
}

/* Twice the room until size more bytes fit, or as much as there is memory for. */
static void byteq_grow(struct byteq *q, size_t size)
{
	while (q->capacity - q->count < size) {
		uint8_t *bigger = mem_alloc(q->capacity * 2);
		size_t count = q->count;

		if (!bigger)
			return;
		byteq_take(q, bigger, count);
		mem_free(q->data);
		q->data = bigger;
		q->capacity *= 2;
		q->start = 0;
		q->count = count;
	}
}

size_t byteq_put(struct byteq *q, const void *p, size_t size, size_t limit)
{
	const uint8_t *from = p;
	size_t at, first;

	size = MIN(size, limit > q->count ? limit - q->count : 0);
	if (q->capacity - q->count < size)
		byteq_grow(q, size);
	size = MIN(size, q->capacity - q->count);
	at = (q->start + q->count) & (q->capacity - 1);
	first = MIN(size, q->capacity - at);
	memcpy(q->data + at, from, first);
	memcpy(q->data, from + first, size - first);
	q->count += size;
	return size;
}

bool byteq_put_all(struct byteq *q, const void *p, size_t size, size_t limit)
{
	if (q->count + size > limit)
		return false;
	if (q->capacity - q->count < size)
		byteq_grow(q, size);
	if (q->capacity - q->count < size)
		return false;
	byteq_put(q, p, size, limit);
	return true;
}

const uint8_t *byteq_front(const struct byteq *q, size_t *size)
{
	*size = MIN(q->count, q->capacity - q->start);
	return q->data + q->start;
}

void byteq_drop(struct byteq *q, size_t size)
{
	q->start = (q->start + size) & (q->capacity - 1);
	q->count -= size;
	if (q->count == 0)
		q->start = 0;
}

size_t byteq_take(struct byteq *q, void *dst, size_t size)
{
	uint8_t *to = dst;
	size_t done = 0;

	while (done < size && q->count > 0) {
		size_t n;
		const uint8_t *from = byteq_front(q, &n);

		n = MIN(n, size - done);
		memcpy(to + done, from, n);
		byteq_drop(q, n);
		done += n;
	}
	return done;
}

/* Gives back what it has grown by. */
void byteq_clear(struct byteq *q)
{
	if (q->capacity > BYTEQ_FIRST) {
		uint8_t *smaller = mem_alloc(BYTEQ_FIRST);

		if (smaller) {
			mem_free(q->data);
			q->data = smaller;
			q->capacity = BYTEQ_FIRST;
		}
	}
	q->start = q->count = 0;
}
