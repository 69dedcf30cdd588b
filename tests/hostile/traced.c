/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ptrace platform's text and its scratch page, from inside: unmapped, jumped to, scribbled over while
 * descriptors are being handed over.
 */
#include "h.h"

#define SCRATCH STUB_CONST

static bool have_text(void)
{
	int p[2];
	bool yes;

	if (pipe(p) < 0)
		return false;
	yes = write(p[1], (const void *)STUB_TEXT, 4) == 4 &&
	      *(const uint32_t *)STUB_TEXT == STUB_TRACED_MAGIC;
	close(p[0]);
	close(p[1]);
	return yes;
}

/* ---- the address space's calls spare them ---- */

static void polite(void)
{
	static const uint64_t places[] = { STUB_TEXT, SCRATCH, STUB_BASE, STUB_END - 4096 };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		void *p = (void *)places[i];

		CHECK(munmap(p, 4096) < 0);
		CHECK(mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) < 0);
		CHECK(mremap(p, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED);
		CHECK(madvise(p, 4096, MADV_DONTNEED) < 0);
		CHECK(mmap(p, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
		CHECK(mmap(p, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != p);
	}
	CHECK(munmap((void *)(STUB_BASE - 4096), STUB_END - STUB_BASE + 8192) < 0);
	CHECK(getsid(0) >= 0);
}

/* ---- jumps: a call from there is one like any other, and the int3 behind it a fault ---- */

static void *resume_at;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig, (void)info;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)resume_at;
}

/* The instruction at STUB_TEXT + offset; back by on_trap(). */
static long call_from(unsigned int offset, long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("lea 1f(%%rip), %%rcx\n\tmov %%rcx, %[resume]\n\tjmp *%[at]\n\t1:"
			 : "=a"(ret), [resume] "=m"(resume_at)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10),
			   [at] "r"((uint64_t)STUB_TEXT + offset)
			 : "rcx", "r8", "r9", "r11", "memory");
	return ret;
}

static void jumps(void)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };
	uint32_t word = 5;
	int p[2];

	sigaction(SIGTRAP, &sa, NULL);
	CHECK(call_from(16, SYS_getpid, 0, 0, 0, 0) == getpid());
	CHECK(call_from(16, SYS_pipe, (long)p, 0, 0, 0) == 0);
	CHECK(write(p[1], "x", 1) == 1);
	CHECK(call_from(16, SYS_dup, p[0], 0, 0, 0) > p[1]);
	/* what the filter would let through for the Sentry: ours alone */
	CHECK(call_from(16, SYS_recvmsg, 0, (long)SCRATCH, STUB_TRACED_RECV_FLAGS, 0) < 0);
	CHECK(call_from(16, SYS_close, 1000, 0, 0, 0) == -EBADF);
	CHECK(call_from(16, SYS_munmap, STUB_TEXT, 65536, 0, 0) < 0);
	/* lock cmpxchg %edx, (%rdi) */
	CHECK(call_from(32, 5, (long)&word, 0, 7, 0) == 5);
	CHECK(word == 7);
	_exit(failures != 0);
}

/* ---- noise where the header of a message is written ---- */

static volatile bool stop;

static void *scribble(void *arg)
{
	volatile uint64_t *p = (volatile uint64_t *)SCRATCH;

	(void)arg;
	while (!stop) {
		for (unsigned int i = 0; i < 512 && !stop; i++)
			p[i] = ((uint64_t)rnd() << 32) ^ rnd();
	}
	return NULL;
}

static void noise(void)
{
	pthread_t t[2];
	int fd = open("/proc/self/exe", O_RDONLY);
	double end = now() + 2;

	CHECK(fd >= 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, scribble, NULL);
	while (now() < end) {
		void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

		if (p != MAP_FAILED)
			munmap(p, 4096);
	}
	stop = true;
	_exit(0);
}

/* While another process does that, ours go on as ever. */
static void noise_beside(void)
{
	pid_t pid = fork();
	int fd = open("/proc/self/exe", O_RDONLY);
	unsigned char *p;

	if (pid == 0)
		noise();
	CHECK(fd >= 0);
	for (int i = 0; i < 300; i++) {
		p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		CHECK(p != MAP_FAILED && memcmp(p, "\177ELF", 4) == 0);
		if (p != MAP_FAILED)
			munmap(p, 4096);
	}
	CHECK(end_of(pid, 10) != -1);
	_exit(failures != 0);
}

/* In a child, which must end well. */
static void must_hold(const char *name, void (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		fn();
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	printf("%s: status %#x\n", name, (unsigned int)status);
}

int main(void)
{
	if (!have_text()) {
		puts("not traced here");
		return 77;
	}
	polite();
	must_hold("jumps", jumps);
	attack("noise", noise, 20);
	must_hold("noise beside", noise_beside);
	return failures != 0;
}
