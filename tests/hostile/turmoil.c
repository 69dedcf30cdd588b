/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once in one process: memory that comes and goes under long vectors, signals at every
 * moment, code that is made, called (and so patched), moved and unmapped, execs of one thread while the
 * others do all that.  No result is asked for but that it ends, and harms nobody.
 */
#include "h.h"
#include <sys/uio.h>

#define REGION ((uint8_t *)0x4000000000)
#define PAGES  64

static volatile bool stop;
static int fd, p[2];

static void *shifting(void *arg)
{
	uint32_t r = (uint32_t)(uintptr_t)arg * 2654435761u + 1;

	while (!stop) {
		uint8_t *at;
		size_t size;

		r = r * 1664525u + 1013904223u;
		at = REGION + (r >> 8) % PAGES * 4096;
		size = ((r >> 16) % 8 + 1) * 4096;
		switch (r >> 29) {
		case 0:
			(void)munmap(at, size);
			break;
		case 1:
			(void)mprotect(at, size, (int)(r >> 3) & 7);
			break;
		case 2:
			(void)mmap(at, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
			break;
		case 3:
			(void)mremap(at, size, size + 4096, MREMAP_MAYMOVE | MREMAP_FIXED,
				     REGION + (r >> 4) % PAGES * 4096);
			break;
		case 4:
			(void)madvise(at, size, MADV_DONTNEED);
			break;
		default:
			(void)mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		}
	}
	return NULL;
}

static void *vectors(void *arg)
{
	struct iovec v[512];
	uint32_t r = 7;

	while (!stop) {
		for (size_t i = 0; i < 512; i++) {
			r = r * 1664525u + 1013904223u;
			v[i] = (struct iovec){ REGION + (r >> 8) % (PAGES * 4096), (r >> 4) % 9000 };
		}
		(void)!preadv(fd, v, 512, 0);
		(void)!writev(p[1], v, 512);
		(void)!readv(p[0], v, 512);
		(void)!readv(p[0], (struct iovec *)(REGION + (r >> 8) % (PAGES * 4096)), 300);
		(void)raw(SYS_process_vm_readv, getpid(), (long)v, 256, (long)(v + 256), 256, 0);
		(void)raw(SYS_vmsplice, p[1], (long)v, 512, 1, 0, 0);
		(void)raw(SYS_poll, (long)(REGION + r % 4096), 1000, 0, 0, 0, 0);
		(void)raw(SYS_execve, (long)(REGION + r % 9000), (long)(REGION + 8), (long)(REGION + 4096), 0, 0, 0);
	}
	return arg;
}

/* Code made just now: called until its site is patched, and taken away while another calls it. */
static volatile uintptr_t code;

static void *coder(void *arg)
{
	static const uint8_t text[] = { 0xb8, 0x6e, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3 };

	while (!stop) {
		uint8_t *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		void *to;

		if (m == MAP_FAILED)
			continue;
		memcpy(m + 4096 - 6, text, sizeof(text)); /* the site lies across two pages */
		memcpy(m, text, sizeof(text));
		for (int i = 0; i < 200; i++) {
			((long (*)(void))(m + 4096 - 6))();
			((long (*)(void))m)();
		}
		code = (uintptr_t)m;
		sched_yield();
		to = mremap(m, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, REGION - 65536);
		if (to != MAP_FAILED)
			((long (*)(void))to)();
		code = 0;
		(void)munmap(REGION - 65536, 8192);
	}
	return arg;
}

static void *caller(void *arg)
{
	while (!stop) {
		uintptr_t c = code;

		if (c)
			((long (*)(void))c)(); /* a SIGSEGV now and then: on_fault leaves */
	}
	return arg;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)info, (void)context;
	(void)raw(SYS_exit, 0, 0, 0, 0, 0, 0); /* that thread alone */
}

static void on_tick(int sig)
{
	(void)sig;
}

static void turmoil(void)
{
	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction tick = { .sa_handler = on_tick };
	pthread_t t;

	freopen("/dev/null", "w", stdout);
	fd = open("/proc/self/exe", O_RDONLY);
	(void)!pipe2(p, O_NONBLOCK);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGILL, &fault, NULL);
	sigaction(SIGTRAP, &fault, NULL);
	sigaction(SIGALRM, &tick, NULL);
	signal(SIGPIPE, SIG_IGN);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 700 }, { 0, 700 } }, NULL);
	pthread_create(&t, NULL, shifting, (void *)1);
	pthread_create(&t, NULL, shifting, (void *)2);
	pthread_create(&t, NULL, vectors, NULL);
	pthread_create(&t, NULL, coder, NULL);
	pthread_create(&t, NULL, caller, NULL);
	for (double end = now() + 0.6; now() < end;) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
	}
	if (getpid() & 1)
		execl("/proc/self/exe", "turmoil", "after", (char *)NULL);
	stop = true;
	_exit(0);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0;
	for (int i = 0; i < 8; i++)
		attack("turmoil", turmoil, 8);
	return failures != 0;
}
