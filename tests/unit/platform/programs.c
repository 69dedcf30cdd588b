/* SPDX-License-Identifier: Apache-2.0 */
/*
 * programs.c: the applications of the platform's tests: freestanding, linked as one flat image at
 * PROGRAMS_BASE, entered with the program's number in rdi and an argument in rsi.  They exit with 0
 * or the number of the check that failed.
 */
#include "platform/stub/abi.h"
#include "tests/unit/platform/programs.h"

typedef unsigned long u64;
typedef unsigned int u32;

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
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
#define sys(nr, a, b, c) sys6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)

#define CHECK(n, cond)                   \
	do {                             \
		if (!(cond))             \
			return (n);      \
	} while (0)

static int hello(void)
{
	static const char text[] = "hello\n";

	CHECK(1, sys(1, 1, text, 6) == 6);
	return 0;
}

/* Every register but rax, rcx and r11 survives a trap; so do the red zone and vector registers. */
static int registers(void)
{
	u64 in[2] = { 0x1122334455667788, 0x99aabbccddeeff00 }, out[2] = { 0, 0 };
	u64 ok;

	__asm__ volatile("movups %[in], %%xmm7\n\t"
			 "mov $0x1234567, %%rbx\n\t"
			 "mov $0x2345678, %%r12\n\t"
			 "mov $0x3456789, %%r15\n\t"
			 "movq $0x4567, -64(%%rsp)\n\t"
			 "mov $39, %%eax\n\t"
			 "syscall\n\t"
			 "movups %%xmm7, %[out]\n\t"
			 "xor %[ok], %[ok]\n\t"
			 "cmp $0x1234567, %%rbx\n\tjne 1f\n\t"
			 "cmp $0x2345678, %%r12\n\tjne 1f\n\t"
			 "cmp $0x3456789, %%r15\n\tjne 1f\n\t"
			 "cmpq $0x4567, -64(%%rsp)\n\tjne 1f\n\t"
			 "mov $1, %[ok]\n\t"
			 "1:"
			 : [ok] "=&d"(ok), [out] "=m"(out)
			 : [in] "m"(in)
			 : "rax", "rbx", "rcx", "r11", "r12", "r15", "memory");
	CHECK(1, ok == 1);
	CHECK(2, out[0] == in[0] && out[1] == in[1]);
	return 0;
}

static int memory(void)
{
	long p = sys6(9, 0, 0x10000, 3, 0x22, -1, 0), q;
	volatile char *c = (volatile char *)p;

	CHECK(1, p > 0);
	c[0] = 1;
	c[0xffff] = 2;
	CHECK(2, sys(10, p, 0x1000, 1) == 0);
	CHECK(3, c[0] == 1);
	CHECK(13, sys(10, p, 0x1000, 3) == 0);
	CHECK(4, sys(28, p + 0x1000, 0x1000, 4) == 0);
	q = sys6(25, p, 0x10000, 0x20000, 1, 0, 0);
	CHECK(5, q > 0 && ((volatile char *)q)[0xffff] == 2);
	CHECK(6, sys(11, q, 0x20000, 0) == 0);
	/* The stub is out of reach, and so are odd flags. */
	CHECK(7, sys(11, STUB_TEXT, 0x1000, 0) == -22);
	CHECK(8, sys(10, STUB_BASE - 0x1000, 0x2000, 7) == -12);
	CHECK(9, sys6(9, STUB_TEXT, 0x1000, 3, 0x32, -1, 0) == -12);
	CHECK(10, sys6(9, STUB_TEXT, 0x1000, 3, 0x22, -1, 0) != STUB_TEXT);
	/* GROWSDOWN isn't native: the test kernel says ENOSYS. */
	CHECK(11, sys6(9, 0, 0x1000, 3, 0x122, -1, 0) == -38);
	/* A shared anonymous mapping. */
	p = sys6(9, 0, 0x1000, 3, 0x21, -1, 0);
	CHECK(12, p > 0);
	return 0;
}

static int do_fork(void)
{
	return (int)sys6(56, 17, 0, 0, 0, 0, 0);
}

static int wait_for(int pid, int *status)
{
	return (int)sys(61, pid, status, 0);
}

static int forks(long depth)
{
	static volatile long value = -1;
	int status = -1, pid;

	value = depth;
	pid = do_fork();
	if (pid == 0) {
		CHECK(20, value == depth);
		value = 99;
		if (depth > 0) {
			int r = forks(depth - 1);

			CHECK(21, r == 0);
		}
		sys(231, 33, 0, 0);
	}
	CHECK(1, pid > 0);
	CHECK(2, wait_for(pid, &status) == pid);
	CHECK(3, status == 33);
	CHECK(4, value == depth);
	return 0;
}

/* ---- threads ---- */

static char stacks[8][8192];
static volatile u32 tids[8], counter, flag;

static int futex(volatile u32 *w, int op, u32 v, const void *timeout)
{
	return (int)sys6(202, (long)w, op, v, (long)timeout, 0, 0);
}

/* clone with the thread's function and argument on its new stack. */
static long spawn(int i, void (*fn)(long), long arg)
{
	u64 *sp = (u64 *)(stacks[i] + sizeof(stacks[i]));
	long ret;
	register long r10 __asm__("r10") = (long)&tids[i];

	*--sp = 0;
	*--sp = (u64)arg;
	*--sp = (u64)fn;
	tids[i] = 1;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "pop %%rax\n\t"
			 "pop %%rdi\n\t"
			 "call *%%rax\n\t"
			 "mov $60, %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "syscall\n\t"
			 "1:"
			 : "=a"(ret)
			 : "a"(56), "D"(0x250f00), "S"(sp), "d"(0), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static void join(int i)
{
	u32 v;

	while ((v = tids[i]) != 0)
		futex(&tids[i], 0, v, 0);
}

static void count_up(long n)
{
	for (long i = 0; i < n; i++) {
		__sync_fetch_and_add(&counter, 1);
		if (i % 8 == 0)
			sys(39, 0, 0, 0);
	}
}

static int threads(void)
{
	for (int round = 0; round < 3; round++) {
		counter = 0;
		for (int i = 0; i < 8; i++)
			CHECK(1, spawn(i, count_up, 100) > 0);
		for (int i = 0; i < 8; i++)
			join(i);
		CHECK(2, counter == 800);
	}
	return 0;
}

/* Spin until the kernel, at a kick, writes flag. */
static int kick_loop(void)
{
	flag = 0;
	sys(PROG_SYS_KICK_ME, &flag, 0, 0);
	while (!flag)
		;
	return 0;
}

/* The same from a futex wait without and with a (relative) timeout. */
static int kick_futex(long timed)
{
	static const long hour[2] = { 3600, 0 };
	int r;

	flag = 0;
	sys(PROG_SYS_KICK_ME, &flag, 0, 0);
	r = futex(&flag, 128, 0, timed ? hour : 0);
	CHECK(1, r == -4 || r == -11);
	CHECK(2, flag == 1);
	return 0;
}

/* A kick that the kernel ignores doesn't end the wait; the timeout does. */
static int kick_ignored(void)
{
	static const long ms50[2] = { 0, 50000000 };

	flag = 0;
	sys(PROG_SYS_KICK_IGNORED, 0, 0, 0);
	CHECK(1, futex(&flag, 128, 0, ms50) == -110);
	return 0;
}

/* Many quick kicks against many quick traps and waits: none may hang. */
static int kick_storm(void)
{
	static const long us10[2] = { 0, 10000 };

	flag = 0;
	sys(PROG_SYS_KICK_STORM, &flag, 0, 0);
	while (!flag) {
		sys(39, 0, 0, 0);
		futex(&counter, 128, counter, us10);
	}
	return 0;
}

/* A timed wait that is interrupted and "restarted", or stopped from outside, ends when it should. */
static int wait_through(int how)
{
	static const long ms300[2] = { 0, 300000000 };

	flag = 0;
	sys(how, 200, 0, 0);
	CHECK(1, futex(&flag, 128, 0, ms300) == -110);
	return 0;
}

static void stress_thread(long n)
{
	static const long us[2] = { 0, 20000 };
	int status;

	for (long i = 0; i < n; i++) {
		sys(39, 0, 0, 0);
		if (i % 4 == 0)
			futex(&counter, 128, counter, us);
		if (i % 16 == 3) {
			int pid = do_fork();

			if (pid == 0)
				sys(231, (long)i & 63, 0, 0);
			if (pid < 0 || wait_for(pid, &status) != pid || status != (i & 63))
				sys(PROG_SYS_KILL_ME, 0, 0, 0);
		}
		if (i % 8 == 5) {
			long p = sys6(9, 0, 0x3000, 3, 0x22, -1, 0);

			*(volatile char *)p = 1;
			sys(11, p, 0x3000, 0);
		}
	}
}

/* Threads that trap, wait, fork and map, under kicks all the time. */
static int stress(long n)
{
	sys(PROG_SYS_KICK_ALWAYS, 0, 0, 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			CHECK(1, spawn(i, stress_thread, n) > 0);
		for (int i = 0; i < 4; i++)
			join(i);
	}
	return 0;
}

static int faults(void)
{
	/* The kernel looks at each fault, and steps over the instruction (its length is in rdi). */
	__asm__ volatile("mov $3, %%edi\n\tmov $0x1000, %%esi\n\tmov (%%rsi), %%rax" ::: "rax", "rdi", "rsi");
	__asm__ volatile("mov $2, %%edi\n\tud2" ::: "rdi");
	__asm__ volatile("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tmov $1, %%eax\n\tmov $2, %%edi\n\tdiv %%ecx"
			 ::: "rax", "rcx", "rdx", "rdi");
	__asm__ volatile("mov $0, %%edi\n\tint3" ::: "rdi");
	/* A non-canonical address. */
	__asm__ volatile("mov $3, %%edi\n\tmov $0x8000000000000000, %%rsi\n\tmov (%%rsi), %%rax" ::: "rax", "rdi", "rsi");
	return 0;
}

static int compat(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory"); /* i386's getpid */
	CHECK(1, r == -38);
	CHECK(2, sys(0x40000000 + 39, 0, 0, 0) == -38);
	return 0;
}

/* The program's own registers are replaced: the kernel "executes" it again with another number. */
static int exec(void)
{
	long p = sys6(9, 0x10000000, 0x1000, 3, 0x32, -1, 0);

	CHECK(1, p == 0x10000000);
	sys(59, PROG_EXECED, 0, 0);
	return 2;
}

static int execed(void)
{
	/* What was mapped is gone: the kernel sees the fault and lets us exit with 0. */
	u32 mxcsr;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	CHECK(1, mxcsr == 0x1f80);
	__asm__ volatile("mov $3, %%edi\n\tmov $0x10000000, %%esi\n\tmov (%%rsi), %%rax" ::: "rax", "rdi", "rsi");
	return 0;
}

static _Noreturn int die(void)
{
	sys(PROG_SYS_KILL_ME, 20, 0, 0);
	for (;;)
		;
}

/* ---- hostile ---- */

/* Find a `syscall; ret`-like place in the stub's text and call the host from there. */
static long stub_syscall(long nr, long a, long b, long c, long d)
{
	/* stub_futex_wait's: "syscall; pop %rbx; ret" */
	const unsigned char *p = (const unsigned char *)STUB_TEXT;
	register long r10 __asm__("r10") = d;
	long ret;

	while (!(p[0] == 0x0f && p[1] == 0x05 && p[2] == 0x5b && p[3] == 0xc3))
		p++;
	__asm__ volatile("sub $128, %%rsp\n\tlea 1f(%%rip), %%rcx\n\tpush %%rcx\n\tpush %%rbx\n\tjmp *%[p]\n\t1: add $128, %%rsp"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), [p] "r"(p)
			 : "rcx", "r8", "r9", "r11", "memory");
	return ret;
}

static int hostile_calls(void)
{
	/* clone that nobody ordered, of the right and of wrong flags */
	CHECK(1, stub_syscall(56, 0x208011, 0, 0, 0) == -1);
	CHECK(2, stub_syscall(56, 17, 0, 0, 0) == -1);
	/* flags that are not let through */
	CHECK(3, stub_syscall(9, 0, 4096, 3, 0x40022) == -1);  /* HUGETLB */
	CHECK(4, stub_syscall(9, 0, 4096, 3, 0x122) == -1);    /* GROWSDOWN */
	CHECK(5, stub_syscall(28, 0x400000, 4096, 100, 0) == -1); /* HWPOISON */
	CHECK(6, stub_syscall(202, 0, 6, 0, 0) == -1);         /* FUTEX_LOCK_PI */
	/* doorbells out of turn */
	CHECK(7, stub_syscall(1003, 1, 0, 0, 0) == 0);
	CHECK(8, stub_syscall(1003, 2, 12345, 0, 0) == -22);
	CHECK(9, stub_syscall(1003, 77, 0, 0, 0) == -22);
	return 0;
}

/*
 * The `ptrace` platform's text, at STUB_TEXT + 16: "syscall; int3".  The fault's handler adds rdi to the
 * instruction pointer.
 */
static long traced_syscall(long nr)
{
	long ret;

	__asm__ volatile("lea 1f(%%rip), %%rdi\n\tlea 3(%[text]), %%rdx\n\tsub %%rdx, %%rdi\n\t"
			 "jmp *%[text]\n\t1:"
			 : "=a"(ret)
			 : "a"(nr), [text] "r"(STUB_TEXT + 16)
			 : "rcx", "rdx", "rdi", "r11", "memory");
	return ret;
}

static int traced_text(void)
{
	CHECK(1, traced_syscall(39) == PROG_PID);
	CHECK(2, traced_syscall(57) == -38);  /* fork */
	CHECK(3, traced_syscall(110) == -38); /* getppid */
	return 0;
}

/* A call that is not in the list ends the process. */
static int hostile_kill(void)
{
	stub_syscall(39, 0, 0, 0, 0);
	return 1;
}

static void scribble(long rounds)
{
	volatile u32 *slots = (volatile u32 *)(STUB_TEXT - 0x21000);
	u32 x = 12345;

	for (long i = 0; i < rounds && !flag; i++) {
		x = x * 1664525 + 1013904223;
		slots[(x >> 8) % (0x21000 / 4)] = x;
	}
}

/* One thread fills the channel with noise while another traps.  It may die of it; we may not. */
static int hostile_scribble(void)
{
	flag = 0;
	sys(PROG_SYS_KILL_ME, 1000, 0, 0); /* it may well hang itself */
	spawn(0, scribble, 100000000);
	for (int i = 0; i < 20000; i++)
		sys(39, i, 0, 0);
	flag = 1;
	return 0;
}

/* ---- exits ---- */

static struct {
	u64 next;
	long offset;
	u64 pending;
} robust_head;
static struct {
	u64 next;
	volatile u32 word;
} robust_lock;

static void die_with_lock(long arg)
{
	(void)arg;
	robust_head.next = (u64)&robust_lock;
	robust_head.offset = 8;
	robust_head.pending = 0;
	robust_lock.next = (u64)&robust_head;
	robust_lock.word = (u32)sys(186, 0, 0, 0) | 0x80000000u;
	sys(273, &robust_head, 24, 0);
}

static int robust(void)
{
	CHECK(1, spawn(0, die_with_lock, 0) > 0);
	join(0);
	CHECK(2, robust_lock.word == (0x40000000u | 0x80000000u));
	return 0;
}

static int identity(void)
{
	CHECK(1, sys(39, 0, 0, 0) == PROG_PID);
	sys(PROG_SYS_IDENTITY, 0, 0, 0);
	CHECK(2, sys(39, 0, 0, 0) == 77);
	CHECK(3, sys(102, 0, 0, 0) == 1001);
	CHECK(4, sys(110, 0, 0, 0) == 76);
	return 0;
}

static int map_file(long yields)
{
	CHECK(1, sys(PROG_SYS_MAP_FILE, yields, 0, 0) == PROG_FILE_COUNT);
	for (int i = 0; i < PROG_FILE_COUNT; i++)
		CHECK(2, *(volatile int *)(PROG_FILE_AT + i * 8192L) == 1000 + i);
	return 0;
}

static u64 xmm5(void)
{
	u64 v;

	__asm__ volatile("movq %%xmm5, %0" : "=r"(v));
	return v;
}

static volatile u64 seen;

static void look_at_xmm5(long arg)
{
	(void)arg;
	seen = xmm5();
}

static int fpu(void)
{
	int status = -1, pid;

	CHECK(1, xmm5() == 0);
	__asm__ volatile("movq %0, %%xmm5" ::"r"(5ul));
	CHECK(2, sys(PROG_SYS_FPU, 0, 0, 0) == 0);
	CHECK(3, xmm5() == 6);
	pid = do_fork();
	if (pid == 0)
		sys(231, (long)xmm5(), 0, 0);
	CHECK(4, wait_for(pid, &status) == pid && status == 6);
	CHECK(5, spawn(0, look_at_xmm5, 0) > 0);
	join(0);
	CHECK(6, seen == 6);
	return 0;
}

/* The host thread ends behind the Sentry's back. */
static void vanish(long arg)
{
	(void)arg;
	stub_syscall(60, 0, 0, 0, 0);
}

static int vanishing(void)
{
	spawn(0, vanish, 0);
	for (volatile int i = 0; i < 1000000; i++)
		;
	sys(39, 0, 0, 0);
	return 5;
}

static int native_off(void)
{
	CHECK(1, sys6(9, 0, 0x1000, 3, 0x22, -1, 0) > 0);
	sys(PROG_SYS_NATIVE_OFF, 0, 0, 0);
	CHECK(2, sys6(9, 0, 0x1000, 3, 0x22, -1, 0) == 0x777);
	return 0;
}

static int check_read(unsigned char *buf, long mode, long size)
{
	for (long i = 0; i < size; i++)
		buf[i] = 0xee;
	CHECK(1, sys(0, mode, buf, size) == (mode == 2 ? 2 : size));
	for (long i = 0; i < size; i++) {
		if (mode == 2 && i > 0 && i < size - 1)
			CHECK(2, buf[i] == 0xee);
		else
			CHECK(3, buf[i] == (unsigned char)(i + 1));
	}
	return 0;
}

static int windows(void)
{
	static unsigned char buf[20000];
	static const long sizes[] = { 1, 7, 300, 4096, 8192, 8193, 20000 };
	long p = sys6(9, 0, 0x2000, 3, 0x22, -1, 0);
	char *end = (char *)p + 0x1000;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (long mode = 0; mode < 3; mode++)
			if (mode == 0 || sizes[i] > 2)
				CHECK(10, check_read(buf + 3, mode, sizes[i] - 3 > 0 ? sizes[i] - 3 : 3) == 0);
	/* Buffers that reach into nothing: what lies before it is used, or none. */
	CHECK(11, sys(11, end, 0x1000, 0) == 0);
	CHECK(12, sys(0, 0, end - 10, 10) == 10);
	CHECK(13, sys(0, 0, end - 10, 11) == 10);
	CHECK(14, sys(0, 0, end, 1) == -14);
	CHECK(15, sys(0, 0, 0, 1) == -14);
	CHECK(16, sys(1, 1, end - 6, 6) == 6);
	CHECK(17, sys(1, 1, end - 6, 7) == 6);
	CHECK(18, sys(1, 1, 0x1000, 7) == -14);
	/* Read-only output */
	CHECK(19, sys(0, 0, sizes, 8) == 8 || 1);
	/* Strings: up to the NUL, also at the very end of what is mapped. */
	end[-1] = 0;
	end[-2] = 'b';
	end[-3] = 'a';
	CHECK(20, sys(2, end - 3, 0, 0) == 3);
	end[-1] = 'c';
	CHECK(21, sys(2, end - 3, 0, 0) == 3); /* no NUL: the bytes that there are */
	CHECK(22, sys(2, end, 0, 0) == -14);
	return 0;
}

static int bench_write(long n)
{
	char b[64];

	for (long i = 0; i < n; i++)
		sys(1, 1, b, sizeof(b));
	return 0;
}

static int bench_trap(long n)
{
	for (long i = 0; i < n; i++)
		sys(39, 0, 0, 0);
	return 0;
}

static int bench_identity(long n)
{
	sys(PROG_SYS_IDENTITY, 0, 0, 0);
	return bench_trap(n);
}

static int bench_mmap(long n)
{
	for (long i = 0; i < n; i++) {
		long p = sys6(9, 0, 0x4000, 3, 0x22, -1, 0);

		*(volatile char *)p = 1;
		sys(11, p, 0x4000, 0);
	}
	return 0;
}

static int bench_fork(long n)
{
	int status;

	for (long i = 0; i < n; i++) {
		int pid = do_fork();

		if (pid == 0)
			sys(231, 0, 0, 0);
		wait_for(pid, &status);
	}
	return 0;
}

static void nothing(long arg)
{
	(void)arg;
}

static int bench_thread(long n)
{
	for (long i = 0; i < n; i++) {
		spawn(0, nothing, 0);
		join(0);
	}
	return 0;
}

static int many_forks(long n)
{
	int pids[16], status;

	for (long i = 0; i < n; i++) {
		for (int k = 0; k < 16; k++) {
			pids[k] = do_fork();
			if (pids[k] == 0) {
				sys(39, 0, 0, 0);
				sys(231, k, 0, 0);
			}
			CHECK(1, pids[k] > 0);
		}
		for (int k = 0; k < 16; k++) {
			CHECK(2, wait_for(pids[k], &status) == pids[k]);
			CHECK(3, status == k);
		}
	}
	return 0;
}

/* Fork from a process with threads, and threads in the child. */
static int fork_threads(void)
{
	int status = -1, pid;

	flag = 0;
	spawn(7, scribble, 0);
	join(7);
	CHECK(1, spawn(0, count_up, 50) > 0);
	pid = do_fork();
	if (pid == 0) {
		int r = threads();

		sys(231, r, 0, 0);
	}
	CHECK(2, pid > 0);
	CHECK(3, wait_for(pid, &status) == pid);
	CHECK(4, status == 0);
	join(0);
	return 0;
}

static int run(int program, long arg)
{
	switch (program) {
	case PROG_HELLO: return hello();
	case PROG_REGISTERS: return registers();
	case PROG_MEMORY: return memory();
	case PROG_FORKS: return forks(arg);
	case PROG_MANY_FORKS: return many_forks(arg);
	case PROG_THREADS: return threads();
	case PROG_FORK_THREADS: return fork_threads();
	case PROG_KICK_LOOP: return kick_loop();
	case PROG_KICK_FUTEX: return kick_futex(arg);
	case PROG_KICK_IGNORED: return kick_ignored();
	case PROG_KICK_STORM: return kick_storm();
	case PROG_FAULTS: return faults();
	case PROG_COMPAT: return compat();
	case PROG_EXEC: return exec();
	case PROG_EXECED: return execed();
	case PROG_DIE: die();
	case PROG_HOSTILE_CALLS: return hostile_calls();
	case PROG_HOSTILE_KILL: return hostile_kill();
	case PROG_HOSTILE_SCRIBBLE: return hostile_scribble();
	case PROG_ROBUST: return robust();
	case PROG_IDENTITY: return identity();
	case PROG_MAP_FILE: return map_file(arg);
	case PROG_FPU: return fpu();
	case PROG_VANISH: return vanishing();
	case PROG_WINDOWS: return windows();
	case PROG_BENCH_WRITE: return bench_write(arg);
	case PROG_KICK_RESTART: return wait_through(PROG_SYS_KICK_RESTART);
	case PROG_STOPPED: return wait_through(PROG_SYS_STOP);
	case PROG_LOOK: return (int)sys(PROG_SYS_LOOK, 0, 0, 0);
	case PROG_TRACED_TEXT: return traced_text();
	case PROG_STRESS: return stress(arg);
	case PROG_OFF: return native_off();
	case PROG_BENCH_TRAP: return bench_trap(arg);
	case PROG_BENCH_IDENTITY: return bench_identity(arg);
	case PROG_BENCH_MMAP: return bench_mmap(arg);
	case PROG_BENCH_FORK: return bench_fork(arg);
	case PROG_BENCH_THREAD: return bench_thread(arg);
	}
	return 99;
}

void _start(int program, long arg);

__attribute__((section(".text.start"))) void _start(int program, long arg)
{
	for (;;)
		sys(231, run(program, arg), 0, 0);
}
