/* SPDX-License-Identifier: Apache-2.0 */
/* test_trace.c: lines of --strace.  The application's memory is ours, bounded by an array. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "sentry/sys/names.h"
#include "sentry/trace/trace.h"

static struct {
	char line[TRACE_LINE_MAX + 1];
	char start[TRACE_LINE_MAX + 1];
	char memory[8192];
	unsigned int lines;
} fx;

/* Addresses are offsets into fx.memory from this one. */
#define BASE 0x10000UL
#define AT(offset) (BASE + (offset))

static ssize_t read_memory(struct task *t, uint64_t addr, void *dst, size_t size)
{
	(void)t;
	if (addr < BASE || addr >= BASE + sizeof(fx.memory))
		return -EFAULT;
	size = MIN(size, BASE + sizeof(fx.memory) - addr);
	memcpy(dst, fx.memory + (addr - BASE), size);
	return (ssize_t)size;
}

static int tid(struct task *t)
{
	(void)t;
	return 7;
}

static void keep_line(struct task *t, const char *text, size_t size)
{
	(void)t;
	assert_true(size <= TRACE_LINE_MAX);
	assert_int_equal(text[size - 1], '\n');
	memcpy(fx.start, fx.line, sizeof(fx.start));
	memcpy(fx.line, text, size - 1);
	fx.line[size - 1] = '\0';
	fx.lines++;
}

static const struct trace_env env = { .read = read_memory, .tid = tid, .line = keep_line };

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	trace_set(&env);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	trace_set(NULL);
	return 0;
}

static void put(uint64_t addr, const void *p, size_t size)
{
	memcpy(fx.memory + (addr - BASE), p, size);
}

static void call(uint64_t nr, const uint64_t args[6], long result)
{
	struct trace_call c;

	trace_enter(&c, NULL, nr, args);
	trace_exit(&c, NULL, result);
}

#define CALL(result, nr, ...) call(nr, (const uint64_t[6]){ __VA_ARGS__ }, result)

static void open_shows_path_flags_and_error_name(void **state)
{
	(void)state;
	put(AT(0), "/etc/pass\twd", 13);
	CALL(3, SYS_openat, (uint32_t)AT_FDCWD, AT(0), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_string_equal(fx.line, "[    7] openat(AT_FDCWD, \"/etc/pass\\twd\", "
				     "O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 3");
	CALL(-ENOENT, SYS_open, AT(0), 0, 0);
	assert_string_equal(fx.line, "[    7] open(\"/etc/pass\\twd\", O_RDONLY, 0) = -1 ENOENT");
	CALL(-512, SYS_openat, 5, AT(0), O_TMPFILE | O_WRONLY, 0);
	assert_string_equal(fx.line, "[    7] openat(5, \"/etc/pass\\twd\", O_WRONLY|O_TMPFILE, 0) "
				     "= ? ERESTARTSYS");
}

static void bad_path_is_shown_as_its_address(void **state)
{
	(void)state;
	CALL(-EFAULT, SYS_chdir, 0x123);
	assert_string_equal(fx.line, "[    7] chdir(0x123) = -1 EFAULT");
	CALL(-EFAULT, SYS_chdir, 0);
	assert_string_equal(fx.line, "[    7] chdir(NULL) = -1 EFAULT");
	memset(fx.memory + sizeof(fx.memory) - 3, 'x', 3); /* no NUL before the fault */
	CALL(-EFAULT, SYS_chdir, AT(sizeof(fx.memory) - 3));
	assert_string_equal(fx.line, "[    7] chdir(0x11ffd) = -1 EFAULT");
}

static void long_path_is_cut(void **state)
{
	(void)state;
	memset(fx.memory, 'a', 1000);
	CALL(0, SYS_rmdir, AT(0));
	assert_int_equal(strlen(fx.line), strlen("[    7] rmdir(\"\"...) = 0") + 128);
}

static void read_shows_as_much_text_as_was_read(void **state)
{
	(void)state;
	put(AT(0), "hello\nworld\001" "7", 13);
	CALL(6, SYS_read, 3, AT(0), 100);
	assert_string_equal(fx.line, "[    7] read(3, \"hello\\n\", 100) = 6");
	CALL(13, SYS_read, 3, AT(0), 100);
	assert_string_equal(fx.line, "[    7] read(3, \"hello\\nworld\\0017\", 100) = 13");
	CALL(0, SYS_read, 3, AT(0), 100);
	assert_string_equal(fx.line, "[    7] read(3, \"\", 100) = 0");
	CALL(-EAGAIN, SYS_read, (uint32_t)-1, AT(0), 100);
	assert_string_equal(fx.line, "[    7] read(-1, 0x10000, 100) = -1 EAGAIN");
}

static void write_shows_what_was_there_when_it_began(void **state)
{
	struct trace_call c;

	(void)state;
	put(AT(0), "before", 6);
	trace_enter(&c, NULL, SYS_write, (const uint64_t[6]){ 1, AT(0), 6 });
	put(AT(0), "after!", 6);
	trace_exit(&c, NULL, 6);
	assert_string_equal(fx.line, "[    7] write(1, \"before\", 6) = 6");
}

static void wide_registers_are_narrowed_as_for_the_handler(void **state)
{
	(void)state;
	CALL(0, SYS_close, 0xdead00000003);
	assert_string_equal(fx.line, "[    7] close(3) = 0");
	CALL(-EINVAL, SYS_fchmod, 3, 0xfff0644);
	assert_string_equal(fx.line, "[    7] fchmod(3, 03104) = -1 EINVAL");
}

static void structs_are_shown_by_their_fields(void **state)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = 12, .st_ino = 5 };
	struct timespec ts = { 1, 500 };

	(void)state;
	put(AT(0), &st, sizeof(st));
	CALL(0, SYS_fstat, 4, AT(0));
	assert_string_equal(fx.line, "[    7] fstat(4, {ino=5, mode=0100644, uid=0, gid=0, size=12}) "
				     "= 0");
	CALL(-EBADF, SYS_fstat, 4, AT(0));
	assert_string_equal(fx.line, "[    7] fstat(4, 0x10000) = -1 EBADF");
	put(AT(0), &ts, sizeof(ts));
	CALL(0, SYS_clock_nanosleep, CLOCK_MONOTONIC, 1, AT(0), 0);
	assert_string_equal(fx.line, "[    7] clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, "
				     "{sec=1, nsec=500}, NULL) = 0");
}

static void arrays_show_their_elements(void **state)
{
	struct pollfd p[] = { { .fd = 3, .events = POLLIN, .revents = POLLIN | POLLHUP },
			      { .fd = 4, .events = POLLOUT } };
	struct epoll_event e[2] = { { .events = EPOLLIN | EPOLLET, .data.u64 = 9 } };
	int fds[2] = { 5, 6 };

	(void)state;
	put(AT(0), p, sizeof(p));
	CALL(1, SYS_poll, AT(0), 2, (uint32_t)-1);
	assert_string_equal(fx.line,
			    "[    7] poll([{fd=3, events=POLLIN, revents=POLLIN|POLLHUP}, "
			    "{fd=4, events=POLLOUT, revents=0}], 2, -1) = 1");
	put(AT(0), e, sizeof(e));
	CALL(1, SYS_epoll_wait, 3, AT(0), 2, 0);
	assert_string_equal(fx.line,
			    "[    7] epoll_wait(3, [{events=EPOLLIN|EPOLLET, data=0x9}], 2, 0) = 1");
	put(AT(0), fds, sizeof(fds));
	CALL(0, SYS_pipe2, AT(0), O_DIRECT);
	assert_string_equal(fx.line, "[    7] pipe2([5, 6], O_DIRECT) = 0");
}

static void array_beyond_memory_ends_in_dots(void **state)
{
	struct iovec v = { (void *)8, 4 };

	(void)state;
	put(AT(sizeof(fx.memory) - 16), &v, 16);
	CALL(-EFAULT, SYS_writev, 1, AT(sizeof(fx.memory) - 16), 2);
	assert_string_equal(fx.line, "[    7] writev(1, [{base=0x8, len=4}, ...], 2) = -1 EFAULT");
	CALL(-EINVAL, SYS_writev, 1, AT(0), UINT64_MAX);
	assert_non_null(strstr(fx.line, ", ...], 18446744073709551615) = -1 EINVAL"));
}

static void socket_addresses_are_decoded(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80),
				  .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t size = sizeof(in);

	(void)state;
	put(AT(0), &in, sizeof(in));
	put(AT(100), &size, sizeof(size));
	CALL(0, SYS_connect, 3, AT(0), sizeof(in));
	assert_string_equal(fx.line, "[    7] connect(3, {AF_INET, 127.0.0.1:80}, 16) = 0");
	CALL(4, SYS_accept4, 3, AT(0), AT(100), SOCK_CLOEXEC);
	assert_string_equal(fx.line,
			    "[    7] accept4(3, {AF_INET, 127.0.0.1:80}, 16, O_CLOEXEC) = 4");
	put(AT(0), "\1\0\0name", 7);
	CALL(0, SYS_bind, 3, AT(0), 7);
	assert_string_equal(fx.line, "[    7] bind(3, {AF_UNIX, sun_path=@\"name\"}, 7) = 0");
	CALL(-EINVAL, SYS_bind, 3, AT(0), 1);
	assert_string_equal(fx.line, "[    7] bind(3, {}, 1) = -1 EINVAL");
	CALL(-EINVAL, SYS_bind, 3, AT(0), (uint32_t)-1);
	assert_non_null(strstr(fx.line, "}, -1) = -1 EINVAL"));
}

static void signals_sets_and_masks_have_names(void **state)
{
	uint64_t set = 1UL << (SIGINT - 1) | 1UL << (SIGCHLD - 1);

	(void)state;
	put(AT(0), &set, sizeof(set));
	CALL(0, SYS_rt_sigprocmask, SIG_BLOCK, AT(0), 0, 8);
	assert_string_equal(fx.line, "[    7] rt_sigprocmask(SIG_BLOCK, [SIGINT SIGCHLD], NULL, 8) = 0");
	set = ~set;
	put(AT(0), &set, sizeof(set));
	CALL(0, SYS_rt_sigprocmask, SIG_SETMASK, AT(0), 0, 8);
	assert_string_equal(fx.line,
			    "[    7] rt_sigprocmask(SIG_SETMASK, ~[SIGINT SIGCHLD], NULL, 8) = 0");
	CALL(0, SYS_kill, (uint32_t)-5, 34);
	assert_string_equal(fx.line, "[    7] kill(-5, SIGRT_2) = 0");
	CALL(0, SYS_kill, 1, 0);
	assert_string_equal(fx.line, "[    7] kill(1, 0) = 0");
}

static void unknown_flags_stay_numbers(void **state)
{
	(void)state;
	CALL(0x7000, SYS_mmap, 0, 4096, PROT_READ | 0x100, MAP_PRIVATE | MAP_ANONYMOUS | 0x40000000,
	     (uint32_t)-1, 0);
	assert_string_equal(fx.line, "[    7] mmap(NULL, 4096, PROT_READ|0x100, "
				     "MAP_PRIVATE|MAP_ANONYMOUS|0x40000000, -1, 0) = 0x7000");
	CALL(-EINVAL, SYS_lseek, 3, 5, 77);
	assert_string_equal(fx.line, "[    7] lseek(3, 5, 0x4d) = -1 EINVAL");
	CALL(0, SYS_lseek, 3, (uint64_t)-5, SEEK_SET);
	assert_string_equal(fx.line, "[    7] lseek(3, -5, SEEK_SET) = 0");
	CALL(0, SYS_access, AT(0), 0);
	assert_string_equal(fx.line, "[    7] access(\"\", F_OK) = 0");
	CALL(0, SYS_futex, AT(0), 128 | 1, 1, 0, 0, 0);
	assert_string_equal(fx.line,
			    "[    7] futex(0x10000, FUTEX_WAKE|FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0) "
			    "= 0");
}

static void exec_shows_argument_vector(void **state)
{
	uint64_t argv[] = { AT(0), AT(4), 0 };

	(void)state;
	put(AT(0), "/sh\0-c", 7);
	put(AT(64), argv, sizeof(argv));
	CALL(0, SYS_execve, AT(0), AT(64), 0);
	assert_string_equal(fx.line, "[    7] execve(\"/sh\", [\"/sh\", \"-c\"], []) = 0");
}

static void exit_has_its_line_when_it_begins(void **state)
{
	struct trace_call c;

	(void)state;
	trace_enter(&c, NULL, SYS_exit_group, (const uint64_t[6]){ 3 });
	assert_string_equal(fx.line, "[    7] exit_group(3) = ?");
	assert_int_equal(fx.lines, 1);
}

static void starts_are_shown_on_request(void **state)
{
	static const struct trace_env with_starts = { .read = read_memory, .tid = tid,
						      .line = keep_line, .starts = true };

	(void)state;
	trace_set(&with_starts);
	CALL(-EINTR, SYS_pause);
	assert_string_equal(fx.start, "[    7] pause(...");
	assert_string_equal(fx.line, "[    7] pause() = -1 EINTR");
}

static void unknown_call_is_a_number(void **state)
{
	(void)state;
	CALL(-ENOSYS, 0x40000001);
	assert_string_equal(fx.line, "[    7] syscall_0x40000001() = -1 ENOSYS");
	CALL(-ENOSYS, 400);
	assert_string_equal(fx.line, "[    7] syscall_0x190() = -1 ENOSYS");
}

/* Whatever the registers are: no crash, one line each. */
static void every_call_takes_any_arguments(void **state)
{
	static const uint64_t values[] = { 0, 1, AT(0), AT(8190), UINT64_MAX, 0x8000000000000000, 100 };

	(void)state;
	memset(fx.memory, 0xff, 4096);
	for (uint64_t nr = 0; nr < sys_name_count + 2; nr++)
		for (size_t i = 0; i < 49; i++) {
			uint64_t a = values[i % 7], b = values[i / 7];

			CALL((long)b, nr, a, b, b, a, b, a);
			CALL((long)a, nr, a, a, a, b, b, b);
		}
	assert_true(fx.lines >= 2 * 49 * sys_name_count);
}

#define TEST(name) UNIT_FIXTURE(name, setup, finish)
UNIT_MAIN(TEST(open_shows_path_flags_and_error_name), TEST(bad_path_is_shown_as_its_address),
	  TEST(long_path_is_cut), TEST(read_shows_as_much_text_as_was_read),
	  TEST(write_shows_what_was_there_when_it_began),
	  TEST(wide_registers_are_narrowed_as_for_the_handler),
	  TEST(structs_are_shown_by_their_fields), TEST(arrays_show_their_elements),
	  TEST(array_beyond_memory_ends_in_dots), TEST(socket_addresses_are_decoded),
	  TEST(signals_sets_and_masks_have_names), TEST(unknown_flags_stay_numbers),
	  TEST(exec_shows_argument_vector), TEST(exit_has_its_line_when_it_begins),
	  TEST(starts_are_shown_on_request), TEST(unknown_call_is_a_number),
	  TEST(every_call_takes_any_arguments))
