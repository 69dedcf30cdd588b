/* SPDX-License-Identifier: Apache-2.0 */
/* test_host_filter.c: filters made of tables let through what they list, and nothing else. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/host.h"
#include "platform/host_filter.h"
#include "platform/jail.h"

static int run(void (*child)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		child();
		host_exit_group(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void install_small(void)
{
	static const struct host_rule rules[] = {
		HOST_CALL(exit_group, "")
		HOST_CALL(getpid, "")
		HOST_ERRNO(getuid, ENOSYS, "")
		HOST_CALL_IF(lseek, 2, ~0u, SEEK_SET, "")
		HOST_CALL_IF(lseek, 2, ~0u, SEEK_END, "")
		{ SYS_fcntl, 0, { { 1, 0xffffffffffu, F_GETFD }, { 2, 0xff, 7 } } },
		HOST_CALL(gettid, "")
	};

	if (host_filter_install(rules, ARRAY_SIZE(rules), 0) < 0)
		host_exit_group(99);
}

static void use_listed(void)
{
	install_small();
	if (host_call(SYS_getpid, 0, 0, 0) <= 0 || host_call(SYS_gettid, 0, 0, 0) <= 0)
		host_exit_group(1);
	if (host_call(SYS_getuid, 0, 0, 0) != -ENOSYS)
		host_exit_group(2);
	if (host_call(SYS_lseek, -1, 0, SEEK_SET) != -EBADF ||
	    host_call(SYS_lseek, -1, 0, SEEK_END) != -EBADF)
		host_exit_group(3);
	if (host_call(SYS_fcntl, -1, F_GETFD, 0x1107) != -EBADF)
		host_exit_group(4);
}

static void listed_calls_and_arguments_pass(void **state)
{
	(void)state;
	assert_int_equal(run(use_listed), 0);
}

static void use_unlisted(void)
{
	install_small();
	host_call(SYS_getppid, 0, 0, 0);
}

static void use_bad_argument(void)
{
	install_small();
	host_call(SYS_lseek, -1, 0, SEEK_CUR);
}

static void use_bad_high_half(void)
{
	install_small();
	host_call(SYS_fcntl, -1, (0x55L << 32) | F_GETFD, 7);
}

static void use_bad_second(void)
{
	install_small();
	host_call(SYS_fcntl, -1, F_GETFD, 8);
}

static void use_x32(void)
{
	install_small();
	host_call(0x40000000 | SYS_getpid, 0, 0, 0);
}

static void everything_else_ends_the_process(void **state)
{
	(void)state;
	assert_int_equal(WTERMSIG(run(use_unlisted)), SIGSYS);
	assert_int_equal(WTERMSIG(run(use_bad_argument)), SIGSYS);
	assert_int_equal(WTERMSIG(run(use_bad_high_half)), SIGSYS);
	assert_int_equal(WTERMSIG(run(use_bad_second)), SIGSYS);
	assert_int_equal(WTERMSIG(run(use_x32)), SIGSYS);
}

static void use_sentry_filter(void)
{
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0 || jail_sentry_filter(proc, 2, false) < 0)
		host_exit_group(99);
	if (host_openat(proc, "maps", O_RDONLY, 0) < 0)
		host_exit_group(1);
	if (host_ioctl(0, TIOCGWINSZ, NULL) == 0)
		host_exit_group(2);
}

static void sentry_opens_below_its_procfs(void **state)
{
	(void)state;
	assert_int_equal(run(use_sentry_filter), 0);
}

static void open_for_writing(void)
{
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (jail_sentry_filter(proc, open("/dev/null", O_WRONLY), false) == 0)
		host_openat(proc, "comm", O_RDWR, 0);
}

static void open_elsewhere(void)
{
	if (jail_sentry_filter(5, open("/dev/null", O_WRONLY), false) == 0)
		host_openat(AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}

static void make_socket(void)
{
	if (jail_sentry_filter(5, open("/dev/null", O_WRONLY), false) == 0)
		host_socket(AF_UNIX, SOCK_STREAM, 0);
}

static void inject_into_terminal(void)
{
	if (jail_sentry_filter(5, open("/dev/null", O_WRONLY), false) == 0)
		host_ioctl(0, TIOCSTI, NULL);
}

static void sentry_reaches_nothing_outside(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(run(open_for_writing)), 128 + SIGSYS);
	assert_int_equal(WEXITSTATUS(run(open_elsewhere)), 128 + SIGSYS);
	assert_int_equal(WEXITSTATUS(run(make_socket)), 128 + SIGSYS);
	assert_int_equal(WEXITSTATUS(run(inject_into_terminal)), 128 + SIGSYS);
}

static void sentry_table_has_at_most_50_calls(void **state)
{
	int proc_fd = 0;
	struct host_rule rules[] = {
#include "platform/host_sentry.tbl"
	};
	size_t calls = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		bool seen = rules[i].error != 0;

		for (size_t k = 0; k < i; k++)
			seen = seen || rules[k].nr == rules[i].nr;
		calls += !seen;
	}
	assert_in_range(calls, 1, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed_calls_and_arguments_pass),
		cmocka_unit_test(everything_else_ends_the_process),
		cmocka_unit_test(sentry_opens_below_its_procfs),
		cmocka_unit_test(sentry_reaches_nothing_outside),
		cmocka_unit_test(sentry_table_has_at_most_50_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
