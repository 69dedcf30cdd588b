/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uio.c: walking the segments of a transfer.
 *
 * Invariants: offset <= segs[0].size while count > 0; left is at most what the segments still hold
 * (less after uio_truncate()).  Finished and empty segments are stepped over only when the next
 * byte is wanted.
 */
#include "lib/uio.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/overflow.h"

/* Never written; not const, so that it is in .bss and costs neither file nor memory. */
static char uio_zeros[64 * 1024];

void uio_init_segs(struct uio *u, const struct uio_space *space, const struct uio_seg *segs,
		   size_t count)
{
	*u = (struct uio){ .space = space, .segs = segs, .count = count };
	for (size_t i = 0; i < count; i++) {
		bool over = add_overflow(u->left, segs[i].size, &u->left);

		ASSERT(!over && u->left <= SSIZE_MAX);
	}
}

void uio_init_user(struct uio *u, const struct uio_space *space, uint64_t addr, size_t size)
{
	*u = (struct uio){ .space = space, .count = 1, .left = size };
	u->one = (struct uio_seg){ .addr = addr, .size = size };
	u->segs = &u->one;
}

void uio_init_kernel(struct uio *u, void *p, size_t size)
{
	uio_init_user(u, NULL, (uintptr_t)p, size);
}

/* The next contiguous piece, cut to max: its size (0 at the end) and address. */
static size_t uio_piece(struct uio *u, size_t max, uint64_t *addr)
{
	max = MIN(max, u->left);
	if (max == 0)
		return 0;
	while (u->offset == u->segs->size) {
		u->segs++;
		u->count--;
		u->offset = 0;
		ASSERT(u->count > 0); /* left says that there is more */
	}
	*addr = u->segs->addr + u->offset;
	return MIN(max, u->segs->size - u->offset);
}

static void uio_step(struct uio *u, size_t size)
{
	u->offset += size;
	u->left -= size;
}

static ssize_t uio_move(const struct uio_space *s, uint64_t addr, void *dst, const void *src,
			size_t size)
{
	ssize_t n;

	if (!s) {
		void *p = (void *)(uintptr_t)addr;

		if (dst)
			memcpy(dst, p, size);
		else
			memcpy(p, src, size);
		return (ssize_t)size;
	}
	n = dst ? s->read(s, addr, dst, size) : s->write(s, addr, src, size);
	ASSERT(n <= (ssize_t)size);
	return n;
}

/*
 * Either dst or src is given.  piece_max below SIZE_MAX: src is that many bytes, used again and again.
 */
static ssize_t uio_copy(struct uio *u, void *dst, const void *src, size_t size, size_t piece_max)
{
	size_t done = 0, piece;
	uint64_t addr;

	while ((piece = uio_piece(u, MIN(size - done, piece_max), &addr)) > 0) {
		const char *from = src && piece_max == SIZE_MAX ? (const char *)src + done : src;
		ssize_t n = uio_move(u->space, addr, dst ? (char *)dst + done : NULL, from, piece);

		if (n <= 0)
			return done ? (ssize_t)done : -EFAULT;
		uio_step(u, (size_t)n);
		done += (size_t)n;
		if ((size_t)n < piece)
			break;
	}
	return (ssize_t)done;
}

ssize_t uio_put(struct uio *u, const void *src, size_t size)
{
	return uio_copy(u, NULL, src, size, SIZE_MAX);
}

ssize_t uio_putv(struct uio *u, const struct iovec *iov, size_t count)
{
	size_t size = 0, done = 0;
	uint64_t addr;
	ssize_t n;

	ASSERT(count <= UIO_GATHER_MAX);
	for (size_t i = 0; i < count; i++)
		size += iov[i].iov_len;
	if (u->space && u->space->writev && count > 1 && size > 0 && uio_piece(u, size, &addr) == size) {
		n = u->space->writev(u->space, addr, iov, count);
		if (n <= 0)
			return -EFAULT;
		ASSERT((size_t)n <= size);
		uio_step(u, (size_t)n);
		return n;
	}
	for (size_t i = 0; i < count; i++) {
		n = uio_put(u, iov[i].iov_base, iov[i].iov_len);
		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return (ssize_t)done;
}

ssize_t uio_get(struct uio *u, void *dst, size_t size)
{
	return uio_copy(u, dst, NULL, size, SIZE_MAX);
}

ssize_t uio_zero(struct uio *u, size_t size)
{
	return uio_copy(u, NULL, uio_zeros, size, sizeof(uio_zeros));
}

void uio_advance(struct uio *u, size_t size)
{
	size_t piece;
	uint64_t addr;

	ASSERT(size <= u->left);
	while ((piece = uio_piece(u, size, &addr)) > 0) {
		uio_step(u, piece);
		size -= piece;
	}
}

void uio_filled(struct uio *u, size_t size)
{
	size_t piece;
	uint64_t addr;

	ASSERT(size <= u->left);
	while ((piece = uio_piece(u, size, &addr)) > 0) {
		if (u->space && u->space->filled)
			u->space->filled(u->space, addr, piece);
		uio_step(u, piece);
		size -= piece;
	}
}

ssize_t uio_peek(const struct uio *u, void *dst, size_t size)
{
	struct uio copy = *u; /* its segs may point to u->one, which stays */

	return uio_get(&copy, dst, size);
}

size_t uio_truncate(struct uio *u, size_t size)
{
	size_t cut = u->left > size ? u->left - size : 0;

	u->left -= cut;
	return cut;
}

void uio_extend(struct uio *u, size_t cut)
{
	u->left += cut;
}

int uio_host_iovec(const struct uio *u, struct iovec *iov, int max, bool write)
{
	struct uio walk = *u;
	uint64_t addr;
	size_t piece;
	int n = 0;

	while (n < max && (piece = uio_piece(&walk, SIZE_MAX, &addr)) > 0) {
		void *p = (void *)(uintptr_t)addr;

		if (walk.space) {
			size_t whole = piece;

			p = walk.space->window ?
				    walk.space->window(walk.space, addr, &piece, write) :
				    NULL;
			if (!p || piece == 0)
				break;
			ASSERT(piece <= whole);
		}
		iov[n++] = (struct iovec){ .iov_base = p, .iov_len = piece };
		uio_step(&walk, piece);
	}
	return n;
}

uint64_t uio_alignment(const struct uio *u)
{
	uint64_t bits = 0;
	size_t skip = u->offset;

	for (size_t i = 0; i < u->count; i++) {
		bits |= (u->segs[i].addr + skip) | (u->segs[i].size - skip);
		skip = 0;
	}
	return bits;
}
