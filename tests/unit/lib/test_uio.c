/* SPDX-License-Identifier: Apache-2.0 */
/* test_uio.c: transfers over segments, with faults (lib/uio.c). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "lib/uio.h"

/* Memory of 256 bytes at BASE, of which [bad, bad_end) faults. */
#define BASE 0x10000

struct memory {
	struct uio_space space;
	char bytes[256];
	size_t bad, bad_end;
	size_t window_max;
	uint64_t filled, filled_size; /* what was said last */
};

/* How much of [addr, addr + size) can be reached. */
static ssize_t memory_reach(const struct memory *m, uint64_t addr, size_t size)
{
	uint64_t at = addr - BASE;

	if (at >= sizeof(m->bytes) || (at >= m->bad && at < m->bad_end))
		return -EFAULT;
	size = MIN(size, sizeof(m->bytes) - at);
	if (at < m->bad && at + size > m->bad)
		size = m->bad - at;
	return (ssize_t)size;
}

static ssize_t memory_read(const struct uio_space *s, uint64_t addr, void *dst, size_t size)
{
	const struct memory *m = container_of(s, struct memory, space);
	ssize_t n = memory_reach(m, addr, size);

	if (n > 0)
		memcpy(dst, m->bytes + (addr - BASE), (size_t)n);
	return n;
}

static ssize_t memory_write(const struct uio_space *s, uint64_t addr, const void *src, size_t size)
{
	struct memory *m = container_of(s, struct memory, space);
	ssize_t n = memory_reach(m, addr, size);

	if (n > 0)
		memcpy(m->bytes + (addr - BASE), src, (size_t)n);
	return n;
}

static void memory_filled(const struct uio_space *s, uint64_t addr, size_t size)
{
	struct memory *m = container_of(s, struct memory, space);

	m->filled = addr;
	m->filled_size = size;
}

static void *memory_window(const struct uio_space *s, uint64_t addr, size_t *size, bool write)
{
	struct memory *m = container_of(s, struct memory, space);
	ssize_t n = memory_reach(m, addr, *size);

	(void)write;
	if (n <= 0)
		return NULL;
	*size = MIN((size_t)n, m->window_max);
	return m->bytes + (addr - BASE);
}

static void memory_init(struct memory *m)
{
	*m = (struct memory){ .space = { .read = memory_read, .write = memory_write, .window = memory_window },
			      .window_max = SIZE_MAX };
	for (size_t i = 0; i < sizeof(m->bytes); i++)
		m->bytes[i] = (char)i;
}

static const struct uio_seg three_segs[] = { { BASE + 10, 3 }, { BASE, 0 }, { BASE + 20, 4 } };

static void kernel_memory_is_copied_in_pieces(void **state)
{
	char mem[8] = "abcdefg", out[8] = "";
	struct uio u;

	(void)state;
	uio_init_kernel(&u, mem, 7);
	assert_int_equal(uio_get(&u, out, 3), 3);
	assert_int_equal(uio_left(&u), 4);
	assert_int_equal(uio_get(&u, out + 3, 100), 4);
	assert_string_equal(out, "abcdefg");
	assert_int_equal(uio_get(&u, out, 1), 0);
}

static void segments_are_walked_in_order_and_empty_ones_skipped(void **state)
{
	struct memory m;
	struct uio u;
	char out[16];

	(void)state;
	memory_init(&m);
	uio_init_segs(&u, &m.space, three_segs, 3);
	assert_int_equal(uio_left(&u), 7);
	assert_int_equal(uio_get(&u, out, 2), 2);
	assert_int_equal(uio_get(&u, out + 2, 9), 5);
	assert_memory_equal(out, "\x0a\x0b\x0c\x14\x15\x16\x17", 7);
	uio_init_segs(&u, &m.space, three_segs, 3);
	assert_int_equal(uio_put(&u, "ABCDEFG", 7), 7);
	assert_memory_equal(m.bytes + 10, "ABC\x0d", 4);
	assert_memory_equal(m.bytes + 20, "DEFG\x18", 5);
}

static ssize_t memory_writev(const struct uio_space *s, uint64_t addr, const struct iovec *iov, size_t count)
{
	ssize_t done = 0;

	for (size_t i = 0; i < count; i++) {
		ssize_t n = memory_write(s, addr + (uint64_t)done, iov[i].iov_base, iov[i].iov_len);

		if (n < 0)
			return done ? done : n;
		done += n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return done;
}

static void pieces_are_gathered(void **state)
{
	char a[] = "AB", b[] = "CDE";
	const struct iovec iov[] = { { a, 2 }, { b, 0 }, { b, 3 } };
	struct memory m;
	struct uio u;

	(void)state;
	for (int gather = 0; gather < 2; gather++) {
		memory_init(&m);
		m.space.writev = gather ? memory_writev : NULL;
		uio_init_segs(&u, &m.space, three_segs, 3); /* 3 and 4 bytes: piece by piece */
		assert_int_equal(uio_putv(&u, iov, 3), 5);
		assert_memory_equal(m.bytes + 10, "ABC\x0d", 4);
		assert_memory_equal(m.bytes + 20, "DE\x16", 3);
		assert_int_equal(uio_left(&u), 2);
		uio_init_user(&u, &m.space, BASE + 30, 9);
		assert_int_equal(uio_putv(&u, iov, 3), 5);
		assert_memory_equal(m.bytes + 30, "ABCDE\x23", 6);
		assert_int_equal(uio_left(&u), 4);
		m.bad = 43;
		m.bad_end = 50;
		uio_init_user(&u, &m.space, BASE + 40, 9);
		assert_int_equal(uio_putv(&u, iov, 3), 3);
		assert_int_equal(uio_left(&u), 6);
		assert_int_equal(uio_putv(&u, iov, 3), -EFAULT);
	}
}

static void copy_stops_at_the_first_bad_byte(void **state)
{
	struct memory m;
	struct uio u;
	char out[16];

	(void)state;
	memory_init(&m);
	m.bad = 21;
	m.bad_end = 30;
	uio_init_segs(&u, &m.space, three_segs, 3);
	assert_int_equal(uio_get(&u, out, 7), 4);
	assert_int_equal(uio_left(&u), 3);
	assert_int_equal(uio_get(&u, out, 3), -EFAULT);
	assert_int_equal(uio_put(&u, "x", 1), -EFAULT);
	assert_int_equal(uio_zero(&u, 1), -EFAULT);
	assert_int_equal(uio_left(&u), 3);
}

static void zeros_fill_across_segments_and_long_runs(void **state)
{
	static char big[5000];
	struct memory m;
	struct uio u;

	(void)state;
	memory_init(&m);
	uio_init_segs(&u, &m.space, three_segs, 3);
	assert_int_equal(uio_zero(&u, 5), 5);
	assert_memory_equal(m.bytes + 10, "\0\0\0\x0d", 4);
	assert_memory_equal(m.bytes + 20, "\0\0\x16", 3);
	memset(big, 1, sizeof(big));
	uio_init_kernel(&u, big, sizeof(big));
	assert_int_equal(uio_zero(&u, sizeof(big) - 1), sizeof(big) - 1);
	assert_int_equal(big[0], 0);
	assert_int_equal(big[sizeof(big) - 2], 0);
	assert_int_equal(big[sizeof(big) - 1], 1);
}

static void peek_does_not_advance(void **state)
{
	struct memory m;
	struct uio u;
	char a[4], b[4];

	(void)state;
	memory_init(&m);
	uio_init_user(&u, &m.space, BASE + 5, 4);
	assert_int_equal(uio_peek(&u, a, 4), 4);
	assert_int_equal(uio_get(&u, b, 4), 4);
	assert_memory_equal(a, b, 4);
}

static void truncated_rest_comes_back(void **state)
{
	struct memory m;
	struct uio u;
	char out[8];
	size_t cut;

	(void)state;
	memory_init(&m);
	uio_init_segs(&u, &m.space, three_segs, 3);
	cut = uio_truncate(&u, 3);
	assert_int_equal(cut, 4);
	assert_int_equal(uio_truncate(&u, 3), 0);
	assert_int_equal(uio_get(&u, out, 8), 3);
	uio_extend(&u, cut);
	assert_int_equal(uio_get(&u, out, 8), 4);
	assert_int_equal(out[0], 20);
}

static void advance_crosses_segments(void **state)
{
	struct memory m;
	struct uio u;
	char out[8];

	(void)state;
	memory_init(&m);
	uio_init_segs(&u, &m.space, three_segs, 3);
	uio_advance(&u, 4);
	assert_int_equal(uio_get(&u, out, 1), 1);
	assert_int_equal(out[0], 21);
	uio_advance(&u, 2);
	assert_int_equal(uio_left(&u), 0);
}

static void host_iovecs_cover_what_windows_reach(void **state)
{
	struct iovec iov[4];
	struct memory m;
	struct uio u;

	(void)state;
	memory_init(&m);
	uio_init_segs(&u, &m.space, three_segs, 3);
	uio_advance(&u, 1);
	assert_int_equal(uio_host_iovec(&u, iov, 4, true), 2);
	assert_ptr_equal(iov[0].iov_base, m.bytes + 11);
	assert_int_equal(iov[0].iov_len, 2);
	assert_ptr_equal(iov[1].iov_base, m.bytes + 20);
	assert_int_equal(iov[1].iov_len, 4);
	assert_int_equal(uio_host_iovec(&u, iov, 1, true), 1);

	m.window_max = 1;
	assert_int_equal(uio_host_iovec(&u, iov, 4, false), 4);
	m.window_max = SIZE_MAX;
	m.bad = 20;
	m.bad_end = 21;
	assert_int_equal(uio_host_iovec(&u, iov, 4, false), 1);
	m.space.window = NULL;
	assert_int_equal(uio_host_iovec(&u, iov, 4, false), 0);
	uio_truncate(&u, 0);
	assert_int_equal(uio_host_iovec(&u, iov, 4, false), 0);
}

static void what_a_host_call_filled_is_told_piece_by_piece(void **state)
{
	struct memory m;
	struct uio u;

	(void)state;
	memory_init(&m);
	m.space.filled = memory_filled;
	uio_init_segs(&u, &m.space, three_segs, 3);
	uio_filled(&u, 2);
	assert_int_equal(m.filled, BASE + 10);
	assert_int_equal(m.filled_size, 2);
	uio_filled(&u, 3);
	assert_int_equal(m.filled, BASE + 20);
	assert_int_equal(m.filled_size, 2);
	assert_int_equal(uio_left(&u), 2);
	m.space.filled = NULL;
	uio_filled(&u, 2);
	assert_int_equal(uio_left(&u), 0);
}

UNIT_MAIN(UNIT(what_a_host_call_filled_is_told_piece_by_piece),
	  UNIT(kernel_memory_is_copied_in_pieces),
	  UNIT(segments_are_walked_in_order_and_empty_ones_skipped),
		cmocka_unit_test(pieces_are_gathered),
	  UNIT(copy_stops_at_the_first_bad_byte),
	  UNIT(zeros_fill_across_segments_and_long_runs),
	  UNIT(peek_does_not_advance),
	  UNIT(truncated_rest_comes_back),
	  UNIT(advance_crosses_segments),
	  UNIT(host_iovecs_cover_what_windows_reach))
