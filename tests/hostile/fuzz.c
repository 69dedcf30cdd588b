/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random calls with arguments that are nearly right: descriptors of every kind, pointers to good, bad
 * and half good memory that is full of small numbers, paths.  Deterministic: a seed a child.
 */
#include "h.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <netinet/in.h>

static int seed;
static int fds[32];
static uint8_t *mem;
#define MEM 65536

static void open_all(void)
{
	int n = 0, p[2];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (pipe(p) == 0) { fds[n++] = p[0]; fds[n++] = p[1]; }
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0) { fds[n++] = p[0]; fds[n++] = p[1]; }
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0) { fds[n++] = p[0]; fds[n++] = p[1]; }
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p) == 0) { fds[n++] = p[0]; fds[n++] = p[1]; }
	fds[n++] = socket(AF_INET, SOCK_STREAM, 0);
	fds[n++] = socket(AF_INET, SOCK_DGRAM, 0);
	fds[n++] = socket(AF_INET6, SOCK_STREAM, 0);
	fds[n++] = socket(AF_NETLINK, SOCK_RAW, 0);
	fds[n++] = epoll_create1(0);
	fds[n++] = eventfd(3, 0);
	fds[n++] = timerfd_create(CLOCK_MONOTONIC, 0);
	fds[n++] = signalfd(-1, &set, 0);
	fds[n++] = inotify_init();
	fds[n++] = open("/tmp/fz/f", O_CREAT | O_RDWR, 0600);
	fds[n++] = open("/fz", O_CREAT | O_RDWR, 0600);
	fds[n++] = open("/tmp/fz", O_RDONLY);
	fds[n++] = open("/", O_PATH);
	fds[n++] = open("/proc/self/maps", O_RDONLY);
	fds[n++] = open("/proc/self", O_RDONLY);
	fds[n++] = open("/dev/ptmx", O_RDWR);
	fds[n++] = open("/dev/null", O_RDWR);
	fds[n++] = open("/dev/zero", O_RDWR);
	fds[n++] = open("/proc/self/mem", O_RDWR);
	fds[n++] = (int)syscall(SYS_memfd_create, "m", 2);
	fds[n++] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	while (n < 32)
		fds[n++] = -100;
	for (int i = 0; i < 32; i++)
		if (fds[i] > 2)
			fcntl(fds[i], F_SETFL, O_NONBLOCK);
}

static const char *const paths[] = { "/tmp/fz/f", "/tmp/fz/g", "/tmp/fz", "/tmp/fz/d", "/fz", "", ".", "/proc/self/fd",
	"/proc/self/status", "/tmp/fz/f/x", "/dev/null", "/tmp/fz/l" };

static long argument(void)
{
	uint32_t r = rnd();

	switch (r % 12) {
	case 0: case 1: case 2:
		return fds[(r >> 8) % 32];
	case 3: case 4:
		return (long)(mem + (r >> 8) % MEM);
	case 5:
		return (long)(mem + MEM - (r >> 8) % 64); /* into the hole behind */
	case 6:
		return (long)(mem + ((r >> 8) % 16) * 4096);
	case 7:
		return (long)paths[(r >> 8) % (sizeof(paths) / sizeof(*paths))];
	case 8:
		return (r >> 8) % 64;
	case 9:
		return 1l << ((r >> 8) % 64);
	case 10:
		return (r >> 8) & 1 ? -1 : (long)((r >> 9) % 100000);
	default:
		return (r >> 8) & 1 ? 0 : -100;
	}
}

static void scramble(void)
{
	for (int i = 0; i < 200; i++) {
		uint32_t at = rnd() % (MEM - 8) & ~7u;
		long v = argument();

		memcpy(mem + at, &v, 8);
	}
}

static void calls(void)
{
	struct rlimit lim = { 64 << 20, 64 << 20 };

	random_state = 0x9e3779b9u * (uint32_t)(seed + 1) | 1;
	mkdir("/tmp/fz", 0777);
	setrlimit(RLIMIT_FSIZE, &lim);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	freopen("/dev/null", "w", stdout);
	mem = mmap(NULL, MEM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(mem + MEM, 4096);
	open_all();
	for (int i = 0; i < 4000; i++) {
		long nr = rnd() % 462;

		switch (nr) {
		case SYS_exit: case SYS_exit_group: case SYS_pause: case SYS_rt_sigreturn: case SYS_rt_sigsuspend:
		case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3: case SYS_execve: case SYS_execveat:
		case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo:
		case SYS_pidfd_send_signal: case SYS_reboot: case SYS_munmap: case SYS_mremap: case SYS_mprotect:
		case SYS_mmap: case SYS_brk: case SYS_nanosleep: case SYS_clock_nanosleep: case SYS_rt_sigtimedwait:
		case SYS_futex: case SYS_seccomp: case SYS_arch_prctl: case SYS_prctl: case SYS_alarm:
		case SYS_setitimer: case SYS_rt_sigprocmask: case SYS_shmat: case SYS_process_vm_writev:
		case SYS_madvise: case SYS_sigaltstack: case SYS_set_robust_list: case SYS_rseq:
			continue;
		case SYS_write: case SYS_pwrite64: case SYS_writev: /* not into /proc/self/mem at random */
			break;
		}
		if (i % 16 == 0)
			scramble();
		if (i % 200 == 0)
			setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 20000 }, { 0, 20000 } }, NULL);
		(void)raw(nr, argument(), argument(), argument(), argument(), argument(), argument());
	}
	_exit(0);
}

static void on_alarm(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction a = { .sa_handler = on_alarm };
	int from = argc > 1 ? atoi(argv[1]) : 0, count = argc > 2 ? atoi(argv[2]) : 40;

	sigaction(SIGALRM, &a, NULL);
	for (seed = from; seed < from + count; seed++)
		attack("random calls", calls, 3);
	end_orphans(); /* one that asked init to trace it has stopped for good, as on Linux */
	return failures != 0;
}
