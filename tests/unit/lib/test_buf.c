/* SPDX-License-Identifier: Apache-2.0 */
/* test_buf.c: byte buffers (lib/buf.c). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

static void what_was_put_is_there_in_order(void **state)
{
	struct buf b = BUF_INIT;
	char *s;

	(void)state;
	buf_puts(&b, "ab");
	buf_putc(&b, 'c');
	buf_put(&b, "de\0f", 4);
	buf_printf(&b, "%d-%s", 42, "x");
	memcpy(buf_reserve(&b, 2), "yz", 2);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.size, 13);
	assert_memory_equal(b.data, "abcde\0f42-xyz", 14);
	s = buf_take(&b);
	assert_int_equal(b.size, 0);
	assert_null(b.data);
	assert_memory_equal(s, "abcde\0f42-xyz", 14);
	mem_free(s);
}

static void it_grows_over_many_small_and_some_large_writes(void **state)
{
	struct buf b;
	char big[5000];

	(void)state;
	buf_init(&b);
	memset(big, 'B', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%04d\n", i);
	buf_printf(&b, "%s|%s", big, big);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.size, 5000 + 4999 + 1 + 4999);
	assert_memory_equal(b.data + 4995, "0999\n", 5);
	assert_int_equal(b.data[b.size], 0);
	buf_fini(&b);
}

static void failure_sticks_and_keeps_what_was_there(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_puts(&b, "kept");
	mem_fail_after(0);
	buf_printf(&b, "%500s", "x");
	mem_fail_after(SIZE_MAX);
	assert_int_equal(buf_error(&b), -ENOMEM);
	buf_puts(&b, "lost");
	assert_null(buf_reserve(&b, 1));
	assert_int_equal(b.size, 4);
	assert_string_equal(b.data, "kept");
	assert_null(buf_take(&b));
	assert_int_equal(buf_error(&b), 0);
}

static void sizes_do_not_wrap(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_putc(&b, 'x');
	assert_null(buf_reserve(&b, SIZE_MAX - 1));
	assert_int_equal(buf_error(&b), -ENOMEM);
	buf_fini(&b);
}

static void nothing_written_is_an_empty_string(void **state)
{
	struct buf b = BUF_INIT;
	char *s = buf_take(&b);

	(void)state;
	assert_string_equal(s, "");
	mem_free(s);
}

UNIT_MAIN(UNIT(what_was_put_is_there_in_order),
	  UNIT(it_grows_over_many_small_and_some_large_writes),
	  UNIT(failure_sticks_and_keeps_what_was_there),
	  UNIT(sizes_do_not_wrap),
	  UNIT(nothing_written_is_an_empty_string))
