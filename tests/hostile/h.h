/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h.h: for programs that attack their own stub, its filter and the Sentry from inside a sandbox.
 *
 * Each attack runs in a child of its own, which may do what it likes: end well, or die.  What must
 * hold is that it does end when killed, that the parent learns it, and that the parent and what it
 * makes afterwards work as ever: attack() checks all three.  A program exits with 0 when all held.
 */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "platform/stub/abi.h"

static int failures;

/* Seconds for what has to end by itself: a guard against hanging, not a limit that is tested. */
#define GUARD 120

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			printf("%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno); \
			fflush(stdout); \
			failures++; \
		} \
	} while (0)

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void nap(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	nanosleep(&t, NULL);
}

/* rax from a `syscall` at address at (0: our own), all six arguments given. */
static inline long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static uint32_t random_state = 12345;
static inline uint32_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

/* The status of child pid, killed if it has not ended after seconds; -1: it did not even then. */
static inline int end_of(pid_t pid, double seconds)
{
	double limit = now() + seconds;
	bool killed = false;
	int status;
	pid_t r;

	for (;;) {
		r = waitpid(pid, &status, WNOHANG);
		if (r == pid)
			return status;
		if (r < 0)
			return -1;
		if (now() > limit) {
			if (killed)
				return -1;
			kill(pid, SIGKILL);
			killed = true;
			limit = now() + GUARD;
		}
		nap(0.002);
	}
}

/* fork, memory, a pipe, a thread and a file still work. */
static inline void *sane_thread(void *arg)
{
	*(int *)arg = 42;
	return NULL;
}

static inline void sane(const char *after)
{
	char buf[8] = "", *m;
	pthread_t t;
	int p[2], status, got = 0, fd;
	pid_t pid;

	if (pipe(p) < 0) {
		printf("after %s: pipe: %d\n", after, errno);
		failures++;
		return;
	}
	pid = fork();
	if (pid == 0) {
		m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (m == MAP_FAILED)
			_exit(2);
		memset(m, 'x', 65536);
		if (pthread_create(&t, NULL, sane_thread, &got) || pthread_join(t, NULL) || got != 42)
			_exit(3);
		fd = open("/proc/self/stat", O_RDONLY);
		if (fd < 0 || read(fd, m, 100) <= 0)
			_exit(4);
		_exit(write(p[1], "alive", 5) == 5 ? 7 : 5);
	}
	close(p[1]);
	if (pid > 0 && read(p[0], buf, 5) == 5 && !memcmp(buf, "alive", 5)) {
		status = end_of(pid, GUARD);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 7)
			pid = 0;
	} else if (pid > 0) {
		status = end_of(pid, 5);
		printf("status %#x ", (unsigned int)status);
	}
	close(p[0]);
	if (pid != 0) {
		printf("after %s: a fresh child does not work (pid %d, errno %d)\n", after, pid, errno);
		failures++;
	}
	fflush(stdout);
}

/* fn in a child; its wait status. */
static inline int attack(const char *name, void (*fn)(void), double seconds)
{
	int status;
	double start;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		failures = 0;
		fn();
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	if (pid < 0) {
		printf("%s: fork: %d\n", name, errno);
		failures++;
		return -1;
	}
	start = now();
	status = end_of(pid, seconds);
	printf("%s: %.1f s\n", name, now() - start);
	if (now() - start > seconds)
		printf("%s: killed after %.0f s\n", name, seconds);
	if (status == -1) {
		printf("%s: cannot be killed\n", name);
		failures++;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 1) {
		printf("%s: failed\n", name);
		failures++;
	}
	sane(name);
	return status;
}

/*
 * A program's arguments are [FIRST [COUNT [SECONDS]]]: fn once for each seed, in a child that ends by itself after *seconds.
 */
static inline int for_seeds(int argc, char **argv, const char *name, void (*fn)(void), unsigned int *seed, double *seconds)
{
	unsigned int from = argc > 1 ? (unsigned int)atol(argv[1]) : 0, count = argc > 2 ? (unsigned int)atol(argv[2]) : 3;

	*seconds = argc > 3 ? atof(argv[3]) : 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (*seed = from; *seed < from + count; ++*seed) {
		int status;
		pid_t p = fork();

		if (p == 0)
			fn();
		status = end_of(p, GUARD);
		if (status)
			printf("seed %u: status %#x\n", *seed, status);
		failures += status != 0;
		sane(name);
	}
	return failures != 0;
}

/* What an attack's children have made and left: all but init and us. */
static inline void end_orphans(void)
{
	(void)kill(-1, SIGKILL);
}

/* ---- the stub, from inside ------------------------------------------------------------------------ */

static inline volatile struct stub_slot *slot_at(unsigned int index)
{
	return (volatile struct stub_slot *)(STUB_CHANNEL + STUB_SLOT(index));
}

static inline uint32_t text_size(void)
{
	return ((const struct stub_head *)STUB_TEXT)->size;
}

/* In a sandbox of the notify platform: does the text of the stub stand where abi.h says? */
static inline bool have_stub(void)
{
	int p[2];
	bool yes;

	if (pipe(p) < 0)
		return false;
	yes = write(p[1], (const void *)STUB_TEXT, 4) == 4 && *(const uint32_t *)STUB_TEXT == STUB_MAGIC;
	close(p[0]);
	close(p[1]);
	return yes;
}

#define NEED_STUB() \
	do { \
		if (!have_stub()) { \
			puts("no stub here"); \
			return 77; \
		} \
	} while (0)

/* A `syscall; ret` in the stub's text, or the n-th `syscall` (0, 1, …); 0: no such. */
static inline uint64_t stub_syscall(unsigned int n)
{
	const uint8_t *t = (const uint8_t *)STUB_TEXT;

	for (uint32_t i = 0; i + 1 < text_size(); i++) {
		if (t[i] == 0x0f && t[i + 1] == 0x05 && n-- == 0)
			return STUB_TEXT + i;
	}
	return 0;
}

/*
 * Make a host call from the stub's own text: the instruction at `at` is stepped into with all
 * registers chosen.  What follows it there is the stub's business, so we come back by a signal if at
 * all: better, by a page of ours.  The text can be made writable (the filter allows mprotect): the
 * first native() does that by jumping to the stub's futex call's neighbour, and from then on a
 * `syscall; ret` of ours stands at the text's end.
 */
static uint64_t native_at;

static inline long native(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("sub $128, %%rsp\n\tcall *%[at]\n\tadd $128, %%rsp"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9),
			   [at] "r"(native_at)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

/*
 * Find a way to make native calls: a `syscall` that is followed by a `ret` (maybe after pops, which
 * the words on our stack satisfy).
 */
static inline bool native_find(void)
{
	const uint8_t *t = (const uint8_t *)STUB_TEXT;

	for (uint32_t i = 0; i + 2 < text_size(); i++) {
		if (t[i] == 0x0f && t[i + 1] == 0x05 && t[i + 2] == 0xc3) {
			native_at = STUB_TEXT + i;
			return true;
		}
	}
	/* stub_clone_thread: syscall; test rax,rax; jz; ret.  Good for results other than 0. */
	for (uint32_t i = 0; i + 8 < text_size(); i++) {
		if (!memcmp(t + i, "\x0f\x05\x48\x85\xc0\x74", 6) && t[i + 7] == 0xc3) {
			native_at = STUB_TEXT + i;
			break;
		}
	}
	if (!native_at)
		return false;
	/*
	 * Its own page made writable: mprotect's result is 0, which would run the child's part.  mmap
	 * gives an address: put a page of ours over the text's last one.
	 */
	uint64_t page = (STUB_TEXT + text_size() + 4095) & ~4095ull;
	if (page >= STUB_TEXT + STUB_TEXT_MAX)
		return false;
	if (native(SYS_mmap, (long)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (long)page)
		return false;
	memcpy((void *)page, "\x0f\x05\xc3", 3);
	native_at = page;
	return true;
}
