/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro.c: what single operations cost, in microseconds: run on the host and inside a sandbox.
 *
 *     micro [NAME…]      prints "name median min" a line
 *
 * Each figure is the median of ROUNDS batches; a batch is sized to take about 5 ms.  What has a thread or a process
 * of its own leaves it idle, not gone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS      11
#define ROUNDS_SLOW 3 /* of what takes longer than a batch should */

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int fd_zero, fd_file, fd_tmpfs, fd_pipe[2], fd_pair[2], fd_epoll;
static char *buf;
static char *big;

static void op_getpid(void)
{
	syscall(SYS_getpid);
}

/* As little as a call can be that nobody but the kernel can answer: the trap itself. */
static void op_trap(void)
{
	syscall(SYS_umask, 022);
}

static void op_clock_gettime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
}

static void op_fstat(void)
{
	struct stat st;

	fstat(fd_file, &st);
}

static void op_read1(void)
{
	if (read(fd_zero, buf, 1) != 1)
		abort();
}

static void op_read64k(void)
{
	if (read(fd_zero, buf, 65536) != 65536)
		abort();
}

static void op_stat(void)
{
	struct stat st;

	if (stat("/etc/passwd", &st))
		abort();
}

static void op_open_close(void)
{
	int fd = open("/etc/passwd", O_RDONLY);

	if (fd < 0)
		abort();
	close(fd);
}

static void op_pread4k(void)
{
	if (pread(fd_file, buf, 4096, 0) != 4096)
		abort();
}

static void op_pwrite4k(void)
{
	if (pwrite(fd_file, buf, 4096, 0) != 4096)
		abort();
}

static void op_pread4k_tmpfs(void)
{
	if (pread(fd_tmpfs, buf, 4096, 0) != 4096)
		abort();
}

static void op_pwrite4k_tmpfs(void)
{
	if (pwrite(fd_tmpfs, buf, 4096, 0) != 4096)
		abort();
}

static void create_unlink(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0600);

	if (fd < 0)
		abort();
	close(fd);
	unlink(name);
}

static void op_create_unlink(void)
{
	create_unlink("bench.tmp");
}

static void op_create_unlink_tmpfs(void)
{
	create_unlink("/dev/shm/bench.tmp");
}

static void op_pipe_self(void)
{
	if (write(fd_pipe[1], buf, 1) != 1 || read(fd_pipe[0], buf, 1) != 1)
		abort();
}

static void op_socketpair_self(void)
{
	if (write(fd_pair[1], buf, 1) != 1 || read(fd_pair[0], buf, 1) != 1)
		abort();
}

static void op_epoll_wait(void)
{
	struct epoll_event ev[8];

	epoll_wait(fd_epoll, ev, 8, 0);
}

static void op_mmap_munmap(void)
{
	void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	munmap(p, 65536);
}

static void op_mmap_touch(void)
{
	char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 16; i++)
		p[i * 4096] = 1;
	munmap(p, 65536);
}

static void setup_64m(void)
{
	if (big)
		return;
	big = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(big, 1, 64 << 20);
}

static void op_page_fault(void)
{
	static char *p;
	static size_t at;

	if (!p || at == 4096) {
		if (p)
			munmap(p, 4096ul * 4096);
		p = mmap(NULL, 4096ul * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(p, 4096ul * 4096, MADV_NOHUGEPAGE);
		at = 0;
	}
	p[at++ * 4096] = 1;
}

static void op_fork_wait(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
}

/* The child writes to 256 pages: each is copied. */
static void op_fork_64m_256(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (size_t i = 0; i < 256; i++)
			big[i * 262144] = 2;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void shell(const char *command)
{
	char *const argv[] = { (char *)"bash", (char *)"-c", (char *)command, NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execv("/bin/bash", argv);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		abort();
}

static void op_subshells(void)
{
	shell("for ((i = 0; i < 300; i++)); do (:); done");
}

static void op_xargs(void)
{
	shell("seq 300 | xargs -P4 -n1 true");
}

static void op_fork_exec(void)
{
	char *const argv[] = { (char *)"true", NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execv("/bin/true", argv);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void op_posix_spawn(void)
{
	char *const argv[] = { (char *)"true", NULL };
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL))
		abort();
	waitpid(pid, NULL, 0);
}

static void *thread_main(void *arg)
{
	return arg;
}

static void op_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, thread_main, NULL))
		abort();
	pthread_join(t, NULL);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void op_signal_self(void)
{
	raise(SIGUSR1);
}

static sigjmp_buf jump;

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(jump, 1);
}

static void op_segv(void)
{
	if (!sigsetjmp(jump, 1))
		*(volatile char *)8 = 0;
}

/* Ping-pong: the other end echoes bytes until end of file. */
static int pp_to[2], pp_from[2];

static void *echo(void *arg)
{
	char c;

	while (read(pp_to[0], &c, 1) == 1 && write(pp_from[1], &c, 1) == 1)
		;
	return arg;
}

static void op_pingpong(void)
{
	if (write(pp_to[1], buf, 1) != 1 || read(pp_from[0], buf, 1) != 1)
		abort();
}

/* By futexes alone: whose turn it is, and who waits for it. */
static uint32_t turn;

static void turn_wait(uint32_t mine)
{
	uint32_t now;

	while ((now = __atomic_load_n(&turn, __ATOMIC_ACQUIRE)) != mine)
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void turn_give(uint32_t other)
{
	__atomic_store_n(&turn, other, __ATOMIC_RELEASE);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *turn_other(void *arg)
{
	(void)arg;
	for (;;) {
		turn_wait(1);
		turn_give(0);
	}
	return NULL;
}

static void op_futex(void)
{
	turn_give(1);
	turn_wait(0);
}

static void setup_futex(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, turn_other, NULL))
		abort();
}

/* 64 KB to a process that does nothing but read. */
static int fd_stream;

static void op_unix_64k(void)
{
	for (size_t done = 0; done < 65536;) {
		ssize_t n = write(fd_stream, buf, 65536 - done);

		if (n <= 0)
			abort();
		done += (size_t)n;
	}
}

static void setup_stream(void)
{
	int a[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, a))
		abort();
	fd_stream = a[0];
	if (fork() == 0) {
		close(a[0]);
		while (read(a[1], buf, 65536) > 0)
			;
		_exit(0);
	}
	close(a[1]);
}

static void setup_threads(void)
{
	pthread_t t;

	if (pipe(pp_to) || pipe(pp_from) || pthread_create(&t, NULL, echo, NULL))
		abort();
}

static void setup_processes(void)
{
	if (pipe(pp_to) || pipe(pp_from))
		abort();
	if (fork() == 0) {
		close(pp_to[1]);
		echo(NULL);
		_exit(0);
	}
}

static void setup_unix(void)
{
	int a[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, a))
		abort();
	pp_to[1] = pp_from[0] = a[0];
	pp_to[0] = pp_from[1] = a[1];
	if (fork() == 0) {
		close(a[0]);
		echo(NULL);
		_exit(0);
	}
}

static const struct op {
	const char *name;
	void (*fn)(void);
	void (*setup)(void);
} ops[] = {
	{ "getpid", op_getpid, NULL },
	{ "trap", op_trap, NULL },
	{ "clock_gettime", op_clock_gettime, NULL },
	{ "fstat", op_fstat, NULL },
	{ "read-1", op_read1, NULL },
	{ "read-64k", op_read64k, NULL },
	{ "stat", op_stat, NULL },
	{ "open+close", op_open_close, NULL },
	{ "pread-4k", op_pread4k, NULL },
	{ "pwrite-4k", op_pwrite4k, NULL },
	{ "pread-4k-tmpfs", op_pread4k_tmpfs, NULL },
	{ "pwrite-4k-tmpfs", op_pwrite4k_tmpfs, NULL },
	{ "create+unlink", op_create_unlink, NULL },
	{ "create+unlink-tmpfs", op_create_unlink_tmpfs, NULL },
	{ "pipe-self", op_pipe_self, NULL },
	{ "socketpair-self", op_socketpair_self, NULL },
	{ "epoll-1000", op_epoll_wait, NULL },
	{ "pingpong-threads", op_pingpong, setup_threads },
	{ "pingpong-processes", op_pingpong, setup_processes },
	{ "pingpong-unix", op_pingpong, setup_unix },
	{ "unix-64k", op_unix_64k, setup_stream },
	{ "pingpong-futex", op_futex, setup_futex },
	{ "mmap+munmap", op_mmap_munmap, NULL },
	{ "mmap+touch16", op_mmap_touch, NULL },
	{ "page-fault", op_page_fault, NULL },
	{ "fork+wait", op_fork_wait, NULL },
	{ "fork+exec", op_fork_exec, NULL },
	{ "posix_spawn", op_posix_spawn, NULL },
	{ "thread", op_thread, NULL },
	{ "signal-self", op_signal_self, NULL },
	{ "segv-handler", op_segv, NULL },
	{ "subshells-300", op_subshells, NULL },
	{ "xargs-P4-300", op_xargs, NULL },
	{ "fork+wait-64m", op_fork_wait, setup_64m },
	{ "fork+wait-64m-256", op_fork_64m_256, setup_64m },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct op *o)
{
	double t[ROUNDS], start;
	long batch = 1;
	int rounds;

	if (o->setup)
		o->setup();
	for (;;) { /* warm up, and find a batch of about 5 ms */
		start = now_us();
		for (long i = 0; i < batch; i++)
			o->fn();
		if (now_us() - start > 2500 || batch > 1 << 20)
			break;
		batch *= 2;
	}
	rounds = batch == 1 ? ROUNDS_SLOW : ROUNDS;
	for (int r = 0; r < rounds; r++) {
		start = now_us();
		for (long i = 0; i < batch; i++)
			o->fn();
		t[r] = (now_us() - start) / (double)batch;
	}
	qsort(t, (size_t)rounds, sizeof(t[0]), compare);
	printf("%s %.3f %.3f\n", o->name, t[rounds / 2], t[0]);
	fflush(stdout);
}

static void setup(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	buf = malloc(65536);
	memset(buf, 1, 65536);
	fd_zero = open("/dev/zero", O_RDONLY);
	fd_file = open("bench.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd_file < 0 || write(fd_file, buf, 65536) != 65536 || pipe(fd_pipe) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, fd_pair))
		abort();
	fd_tmpfs = open("/dev/shm/bench.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd_tmpfs < 0 || write(fd_tmpfs, buf, 4096) != 4096)
		abort();
	unlink("/dev/shm/bench.file");
	fd_epoll = epoll_create1(0);
	for (int i = 0; i < 1000; i++)
		epoll_ctl(fd_epoll, EPOLL_CTL_ADD, eventfd(0, 0), &ev);
	signal(SIGUSR1, on_signal);
	signal(SIGSEGV, on_segv);
}

int main(int argc, char **argv)
{
	setup();
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		int wanted = argc == 1;

		for (int a = 1; a < argc; a++)
			wanted |= !strcmp(argv[a], ops[i].name);
		if (wanted)
			measure(&ops[i]);
	}
	unlink("bench.file");
	return 0;
}
