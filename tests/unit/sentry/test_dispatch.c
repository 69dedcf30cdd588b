/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dispatch.c: numbers to handlers, registers to parameters.  The wrappers of a few calls are
 * compiled here against handlers of ours, and the dispatch table is ours too: the real one needs
 * the whole kernel.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "sentry/sys/dispatch.h"
#include "sentry/sys/names.h"

#define sys_openat     test_openat
#define sys_lseek      test_lseek
#define sys_mkdir      test_mkdir
#define sys_setuid     test_setuid
#define sys_mmap       test_mmap
#define sys_sync       test_sync
#include "sys_wrappers.h"

#define HIGH 0xabcdef0000000000UL

static struct {
	struct task *t;
	uint64_t v[6];
} got;

long sys_openat(struct task *t, int dirfd, uaddr_t path, int flags, uint32_t mode)
{
	got.t = t;
	got.v[0] = (uint64_t)dirfd;
	got.v[1] = path.addr;
	got.v[2] = (uint64_t)flags;
	got.v[3] = mode;
	return 3;
}

long sys_lseek(struct task *t, int fd, int64_t offset, unsigned int whence)
{
	got.t = t;
	got.v[0] = (uint64_t)fd;
	got.v[1] = (uint64_t)offset;
	got.v[2] = whence;
	return 0;
}

long sys_mkdir(struct task *t, uaddr_t path, uint32_t mode)
{
	(void)t;
	got.v[0] = path.addr;
	got.v[1] = mode;
	return 0;
}

long sys_setuid(struct task *t, uint32_t uid)
{
	(void)t;
	got.v[0] = uid;
	return 0;
}

long sys_mmap(struct task *t, uaddr_t addr, unsigned long size, unsigned long prot,
	      unsigned long flags, int fd, unsigned long offset)
{
	(void)t;
	got.v[0] = addr.addr;
	got.v[1] = size;
	got.v[2] = prot;
	got.v[3] = flags;
	got.v[4] = (uint64_t)fd;
	got.v[5] = offset;
	return 0;
}

long sys_sync(struct task *t)
{
	got.t = t;
	return 0;
}

const struct sys_entry sys_entries[] = {
	[SYS_lseek] = { .call = call_lseek },
	[SYS_reboot] = { .refused = EPERM },
	[SYS_sync] = { .call = call_sync },
	[SYS_perf_event_open] = { .refused = EACCES },
	[469] = { 0 },
};
const unsigned int sys_entry_count = ARRAY_SIZE(sys_entries);

static void calls_reach_their_handlers_with_task_and_arguments(void **state)
{
	struct task *t = (struct task *)0x2000;

	(void)state;
	assert_int_equal(syscall_dispatch(t, SYS_lseek, (uint64_t[6]){ 3, 4, 5 }), 0);
	assert_ptr_equal(got.t, t);
	assert_int_equal(got.v[1], 4);
	assert_int_equal(syscall_dispatch(NULL, SYS_sync, (uint64_t[6]){ 0 }), 0);
	assert_ptr_equal(got.t, NULL);
}

static void upper_halves_are_dropped_where_linux_drops_them(void **state)
{
	struct task *t = (struct task *)0x1000;

	(void)state;
	assert_int_equal(call_openat(t, (uint64_t[6]){ HIGH | 0xffffff9c, HIGH, HIGH | 1, HIGH | 0xff644 }),
			 3);
	assert_ptr_equal(got.t, t);
	assert_int_equal(got.v[0], -100); /* int, sign-extended */
	assert_int_equal(got.v[1], HIGH); /* pointers keep all bits */
	assert_int_equal(got.v[2], 1);
	assert_int_equal(got.v[3], 0xf644); /* umode_t has 16 bits */

	call_lseek(t, (uint64_t[6]){ HIGH | 4, UINT64_MAX, HIGH | 0x80000000 });
	assert_int_equal(got.v[0], 4);
	assert_int_equal(got.v[1], -1);
	assert_int_equal(got.v[2], 0x80000000); /* unsigned int */

	call_mkdir(t, (uint64_t[6]){ 1, UINT64_MAX });
	assert_int_equal(got.v[1], 0xffff);

	call_setuid(t, (uint64_t[6]){ UINT64_MAX });
	assert_int_equal(got.v[0], 0xffffffff);

	call_mmap(t, (uint64_t[6]){ HIGH, HIGH | 1, HIGH | 2, HIGH | 3, HIGH | 0xffffffff, HIGH | 5 });
	assert_int_equal(got.v[3], HIGH | 3);
	assert_int_equal(got.v[4], -1);
	assert_int_equal(got.v[5], HIGH | 5);
}

static void refused_calls_give_their_errno(void **state)
{
	const uint64_t a[6] = { 0 };

	(void)state;
	assert_int_equal(syscall_dispatch(NULL, SYS_reboot, a), -EPERM);
	assert_int_equal(syscall_dispatch(NULL, SYS_perf_event_open, a), -EACCES);
}

static void numbers_without_a_call_give_enosys(void **state)
{
	static const uint64_t none[] = { 176 + 1, 400, 470, 1023, 1024, 0x40000000, 0x40000001,
					 UINT32_MAX, INT32_MAX, 0x80000000, 0xffffffff00000000 + 400 };
	const uint64_t a[6] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		for (int again = 0; again < 3; again++)
			assert_int_equal(syscall_dispatch(NULL, none[i], a), -ENOSYS);
	for (uint64_t nr = 100000; nr < 101000; nr++)
		assert_int_equal(syscall_dispatch(NULL, nr, a), -ENOSYS);
}

static void upper_half_of_the_number_is_ignored_as_on_linux(void **state)
{
	const uint64_t a[6] = { 0 };

	(void)state;
	assert_int_equal(syscall_dispatch(NULL, HIGH | SYS_reboot, a), -EPERM);
}

static void names_are_those_of_the_tables(void **state)
{
	(void)state;
	assert_string_equal(syscall_name(SYS_read), "read");
	assert_string_equal(syscall_name(SYS_newfstatat), "newfstatat");
	assert_string_equal(syscall_name(469), "file_setattr");
	assert_null(syscall_name(400));
	assert_null(syscall_name(UINT64_MAX));
}

UNIT_MAIN(UNIT(calls_reach_their_handlers_with_task_and_arguments),
	  UNIT(upper_halves_are_dropped_where_linux_drops_them),
	  UNIT(refused_calls_give_their_errno),
	  UNIT(numbers_without_a_call_give_enosys),
	  UNIT(upper_half_of_the_number_is_ignored_as_on_linux), UNIT(names_are_those_of_the_tables))
