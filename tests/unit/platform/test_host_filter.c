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
#include "platform/host_network_options.h"
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

	if (proc < 0 || jail_sentry_filter(proc, 2, 0) < 0)
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

	if (jail_sentry_filter(proc, open("/dev/null", O_WRONLY), 0) == 0)
		host_openat(proc, "comm", O_RDWR, 0);
}

static void open_elsewhere(void)
{
	if (jail_sentry_filter(5, open("/dev/null", O_WRONLY), 0) == 0)
		host_openat(AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
}

static void make_socket(void)
{
	if (jail_sentry_filter(5, open("/dev/null", O_WRONLY), 0) == 0)
		host_socket(AF_UNIX, SOCK_STREAM, 0);
}

static void inject_into_terminal(void)
{
	if (jail_sentry_filter(5, open("/dev/null", O_WRONLY), 0) == 0)
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

static size_t count_calls(const struct host_rule *rules, size_t count)
{
	size_t calls = 0;

	for (size_t i = 0; i < count; i++) {
		bool seen = rules[i].error != 0;

		for (size_t k = 0; k < i; k++)
			seen = seen || rules[k].nr == rules[i].nr;
		calls += !seen;
	}
	return calls;
}

static void sentry_table_has_at_most_50_calls(void **state)
{
	int proc_fd = 0;
	struct host_rule rules[] = {
#include "platform/host_sentry.tbl"
	};

	(void)state;
	assert_in_range(count_calls(rules, ARRAY_SIZE(rules)), 1, 50);
}

/* And setsockopt and getsockopt, whose rows come from the list of options. */
static void host_network_adds_8_calls(void **state)
{
	int proc_fd = 0;
	struct host_rule rules[] = {
#include "platform/host_sentry.tbl"
#include "platform/host_network.tbl"
	};

	(void)state;
	assert_int_equal(count_calls(rules, ARRAY_SIZE(rules)) + 2, 58);
}

static int network_call_args[4]; /* family, type, protocol; or 0, level, name, set */

static void host_network_call(void)
{
	int v[4] = { 0 }, log = open("/dev/null", O_WRONLY);
	socklen_t size = sizeof(v);

	if (jail_sentry_filter(5, log, JAIL_HOST_NETWORK) < 0)
		host_exit_group(99);
	if (network_call_args[0] > 0)
		host_call(SYS_socket, network_call_args[0], network_call_args[1], network_call_args[2]);
	else if (network_call_args[3])
		host_setsockopt(-1, network_call_args[1], network_call_args[2], v, size);
	else
		host_getsockopt(-1, network_call_args[1], network_call_args[2], v, &size);
}

#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

static const struct {
	int call[4];
	bool passes;
} network_calls[] = {
	{ { AF_INET, SOCK_STREAM | SOCKET_FLAGS, IPPROTO_TCP }, true },
	{ { AF_INET6, SOCK_STREAM | SOCKET_FLAGS, IPPROTO_TCP }, true },
	{ { AF_INET, SOCK_DGRAM | SOCKET_FLAGS, IPPROTO_UDP }, true },
	{ { AF_INET6, SOCK_DGRAM | SOCKET_FLAGS, IPPROTO_UDP }, true },
	{ { AF_INET, SOCK_DGRAM | SOCKET_FLAGS, IPPROTO_ICMP }, true },
	{ { AF_INET6, SOCK_DGRAM | SOCKET_FLAGS, IPPROTO_ICMPV6 }, true },
	{ { AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP }, false }, /* it would block */
	{ { AF_INET, SOCK_RAW | SOCKET_FLAGS, IPPROTO_ICMP }, false },
	{ { AF_INET, SOCK_RAW | SOCKET_FLAGS, IPPROTO_UDP }, false },
	{ { AF_INET, SOCK_DGRAM | SOCKET_FLAGS, IPPROTO_UDPLITE }, false },
	{ { AF_INET, SOCK_STREAM | SOCKET_FLAGS, 262 }, false }, /* MPTCP */
	{ { AF_INET, SOCK_SEQPACKET | SOCKET_FLAGS, 132 }, false }, /* SCTP */
	{ { AF_UNIX, SOCK_STREAM | SOCKET_FLAGS, 0 }, false },
	{ { AF_NETLINK, SOCK_RAW | SOCKET_FLAGS, 0 }, false },
	{ { AF_NETLINK, SOCK_DGRAM | SOCKET_FLAGS, IPPROTO_UDP }, false },
	{ { AF_PACKET, SOCK_RAW | SOCKET_FLAGS, 768 }, false },
	{ { 40 /* AF_VSOCK */, SOCK_STREAM | SOCKET_FLAGS, 0 }, false },
	{ { 38 /* AF_ALG */, SOCK_SEQPACKET | SOCKET_FLAGS, 0 }, false },
	{ { 0, SOL_SOCKET, SO_REUSEADDR, 1 }, true },
	{ { 0, IPPROTO_TCP, TCP_NODELAY, 1 }, true },
	{ { 0, IPPROTO_TCP, TCP_INFO, 0 }, true },
	{ { 0, SOL_SOCKET, SO_ATTACH_FILTER, 1 }, false },
	{ { 0, SOL_SOCKET, SO_ATTACH_BPF, 1 }, false },
	{ { 0, SOL_SOCKET, SO_RCVTIMEO, 1 }, false },
	{ { 0, SOL_SOCKET, SO_PEERCRED, 0 }, false },
	{ { 0, IPPROTO_TCP, TCP_ULP, 1 }, false },
	{ { 0, IPPROTO_TCP, TCP_REPAIR, 1 }, false },
	{ { 0, IPPROTO_TCP, TCP_INFO, 1 }, false },
	{ { 0, IPPROTO_IP, IP_OPTIONS, 1 }, false },
	{ { 0, IPPROTO_IP, 64 /* IPT_SO_SET_REPLACE */, 1 }, false },
	{ { 0, IPPROTO_IPV6, 64, 1 }, false },
	{ { 0, SOL_PACKET, 5 /* PACKET_RX_RING */, 1 }, false },
	{ { 0, SOL_UDP, 100 /* UDP_ENCAP */, 1 }, false },
};

static void host_network_allows_what_its_tables_list(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(network_calls); i++) {
		memcpy(network_call_args, network_calls[i].call, sizeof(network_call_args));
		assert_int_equal(WEXITSTATUS(run(host_network_call)),
				 network_calls[i].passes ? 0 : 128 + SIGSYS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed_calls_and_arguments_pass),
		cmocka_unit_test(everything_else_ends_the_process),
		cmocka_unit_test(sentry_opens_below_its_procfs),
		cmocka_unit_test(sentry_reaches_nothing_outside),
		cmocka_unit_test(sentry_table_has_at_most_50_calls),
		cmocka_unit_test(host_network_adds_8_calls),
		cmocka_unit_test(host_network_allows_what_its_tables_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
