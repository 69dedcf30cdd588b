/* SPDX-License-Identifier: Apache-2.0 */
/* test_marshal.c: the stub's table as the stub reads it. */
#include "tests/unit/unit.h"

#include <sys/syscall.h>

#include "stub_marshal.h"

static const struct marshal_arg *arg(unsigned int nr, unsigned int k)
{
	assert_true(k < marshal_calls[nr].count);
	return &marshal_args[marshal_calls[nr].first + k];
}

static void sizes_follow_the_register(void **state)
{
	(void)state;
	assert_int_equal(marshal_size(arg(SYS_read, 0), 100), 100);
	assert_int_equal(marshal_size(arg(SYS_read, 0), UINT64_MAX), UINT64_MAX);
	assert_int_equal(marshal_size(arg(SYS_fstat, 0), 5), 144);
	assert_int_equal(marshal_size(arg(SYS_poll, 0), 3), 24);
	assert_int_equal(marshal_size(arg(SYS_readv, 0), 2), 32);
}

static void size_that_overflows_is_the_largest(void **state)
{
	(void)state;
	assert_int_equal(marshal_size(arg(SYS_readv, 0), UINT64_MAX / 8), UINT64_MAX);
}

static void counts_of_32_bits_ignore_the_upper_half(void **state)
{
	(void)state;
	assert_int_equal(marshal_size(arg(SYS_poll, 0), 0xdead00000003), 24);
	/* A negative int is a huge count, which no channel has room for. */
	assert_int_equal(marshal_size(arg(SYS_getgroups, 0), (uint64_t)-1), 4 * 0xffffffffUL);
}

static void fd_sets_are_whole_words(void **state)
{
	static const struct { uint64_t bits, size; } cases[] = { { 0, 0 }, { 1, 8 }, { 64, 8 }, { 65, 16 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(marshal_size(arg(SYS_select, 0), cases[i].bits), cases[i].size);
}

static void address_length_comes_before_the_address(void **state)
{
	const struct marshal_arg *length = arg(SYS_accept, 0), *addr = arg(SYS_accept, 1);

	(void)state;
	assert_int_equal(length->index, 2);
	assert_int_equal(length->kind, MARSHAL_INOUT);
	assert_int_equal(addr->index, 1);
	assert_int_equal(addr->kind, MARSHAL_OUT);
	assert_int_equal(addr->from, 2 | MARSHAL_DEREF);
	assert_int_equal(marshal_size(addr, 16), 16);
}

static void every_entry_is_well_formed(void **state)
{
	(void)state;
	for (unsigned int nr = 0; nr < MARSHAL_CALLS; nr++) {
		const struct marshal_call *c = &marshal_calls[nr];

		assert_true(c->count <= 6 && c->first + c->count <= ARRAY_SIZE(marshal_args));
		for (unsigned int k = 0; k < c->count; k++) {
			const struct marshal_arg *a = arg(nr, k);

			assert_true(a->index < 6 && a->unit > 0 && a->kind >= MARSHAL_IN &&
				    a->kind <= MARSHAL_STRING);
			assert_true(a->from == MARSHAL_CONST || (a->from & MARSHAL_ARG) < 6);
			assert_true(a->kind != MARSHAL_STRING || a->from == MARSHAL_CONST);
		}
	}
}

static void classes_are_those_of_the_rows(void **state)
{
	(void)state;
	assert_int_equal(marshal_calls[SYS_read].klass, MARSHAL_SENTRY);
	assert_int_equal(marshal_calls[SYS_mmap].klass, MARSHAL_NATIVE);
	assert_int_equal(marshal_calls[SYS_futex].klass, MARSHAL_NATIVE);
	assert_int_equal(marshal_calls[SYS_getpid].klass, MARSHAL_LOCAL);
	assert_int_equal(marshal_calls[SYS_clone].klass, MARSHAL_REGS);
	assert_int_equal(marshal_calls[SYS_reboot].count, 0);
}

UNIT_MAIN(UNIT(sizes_follow_the_register), UNIT(size_that_overflows_is_the_largest),
	  UNIT(counts_of_32_bits_ignore_the_upper_half), UNIT(fd_sets_are_whole_words),
	  UNIT(address_length_comes_before_the_address), UNIT(every_entry_is_well_formed),
	  UNIT(classes_are_those_of_the_rows))
