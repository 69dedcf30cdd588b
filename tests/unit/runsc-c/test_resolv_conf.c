/* SPDX-License-Identifier: Apache-2.0 */
/* test_resolv_conf.c: the resolv.conf that `do --net=nat` gives (runsc-c/resolv_conf.h). */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runsc-c/resolv_conf.h"

static char names[2][32];

static void put(int i, const char *text)
{
	int fd;

	strcpy(names[i], "/tmp/test_resolv_conf.XXXXXX");
	fd = mkstemp(names[i]);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static size_t made(const char *first, const char *second, char *out, size_t size)
{
	const char *files[] = { names[0], names[1], "/tmp/there is no such file" };
	size_t n;

	put(0, first);
	put(1, second);
	n = resolv_conf_outside(files, 3, out, size);
	unlink(names[0]);
	unlink(names[1]);
	return n;
}

static void name_servers_at_loopback_are_left_out(void **state)
{
	char out[256];

	(void)state;
	assert_int_equal(made("# a comment\nnameserver 127.0.0.1\nsearch a.example b.example\n nameserver 192.0.2.1\n"
			      "nameserver ::1\noptions edns0\nsortlist 1\nnameserver 192.0.2.2", "", out, sizeof(out)), 2);
	assert_string_equal(out, "search a.example b.example\n nameserver 192.0.2.1\noptions edns0\nnameserver 192.0.2.2\n");
}

static void where_only_loopback_is_left_the_next_file_is_taken(void **state)
{
	char out[256];

	(void)state;
	assert_int_equal(made("nameserver 127.0.0.53\nsearch x\n", "nameserver 192.0.2.3\n", out, sizeof(out)), 1);
	assert_string_equal(out, "nameserver 192.0.2.3\n");
	assert_int_equal(made("nameserver 127.0.0.53\n", "nameserver 0.0.0.0\nnameserver fe80::1%eth0\n", out, sizeof(out)), 0);
}

static void what_is_too_long_is_cut_at_a_line(void **state)
{
	char out[32];

	(void)state;
	assert_int_equal(made("nameserver 192.0.2.1\nnameserver 192.0.2.2\n", "", out, sizeof(out)), 1);
	assert_string_equal(out, "nameserver 192.0.2.1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_servers_at_loopback_are_left_out),
		cmocka_unit_test(where_only_loopback_is_left_the_next_file_is_taken),
		cmocka_unit_test(what_is_too_long_is_cut_at_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
