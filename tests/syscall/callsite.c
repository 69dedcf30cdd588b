/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls from many shapes of code, often enough that a platform may patch them: nothing but
 * rax, rcx and r11 changes, wherever signals, jumps and forks come, and the text reads as in the file.
 */
#include "t.h"

#include <asm/prctl.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>

#define TIMES 300

/* Shapes: long shape(void), getppid. */
__asm__(".text\n"
	".globl text_begin\n text_begin:\n"
	/* what libraries have */
	"plain:	mov $110, %eax\n	syscall\n	cmp $-4096, %rax\n	ja 1f\n	ret\n1:	ud2\n"
	/* nothing behind it but another function's first byte */
	"	.balign 16\n"
	"tight:	push %rbx\n	mov $0x1234, %ebx\n	mov $110, %eax\n	syscall\n	pop %rbx\n	ret\n"
	"tight2: mov $110, %eax\n	syscall\n	ret\n"
	"tight3: xor %eax, %eax\n	mov $110, %al\n	syscall\n	ret\n	ud2\n	.balign 16, 0xcc\n"
	/* an operand relative to rip right behind it */
	"near:	mov $110, %eax\n	syscall\n	sub datum(%rip), %rax\n	add datum(%rip), %rax\n	ret\n"
	/* jumps to the call and behind it */
	"loop:	push %rbx\n	mov $20, %ebx\n	jmp 2f\n"
	"1:	mov $110, %eax\n	syscall\n2:	dec %ebx\n	jnz 1b\n	pop %rbx\n	ret\n"
	/* short jumps that are moved along */
	"jumps:	mov $110, %eax\n	syscall\n	test %eax, %eax\n	js 1f\n	jmp 2f\n1:	ud2\n2:	ret\n"
	/* the red zone, flags, and every register */
	"	.balign 16\n"
	"strict: push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	movabs $0x1122334455667788, %rbx\n	lea 1(%rbx), %rbp\n	lea 2(%rbx), %r12\n"
	"	lea 3(%rbx), %r13\n	lea 4(%rbx), %r14\n	lea 5(%rbx), %r15\n	lea 6(%rbx), %rdi\n"
	"	lea 7(%rbx), %rsi\n	lea 8(%rbx), %rdx\n	lea 9(%rbx), %r8\n	lea 10(%rbx), %r9\n"
	"	lea 11(%rbx), %r10\n	mov %rbx, -8(%rsp)\n	mov %rbp, -128(%rsp)\n"
	"	movq %rbx, %xmm0\n	movq %rbp, %xmm15\n"
	"	mov $110, %eax\n	std\n	stc\n	syscall\n"
	"strict_after: jnc 9f\n	mov %rcx, %r11\n	lea strict_after(%rip), %rcx\n"
	"	pushf\n	cld\n	cmp %r11, %rcx\n	jne 8f\n	popf\n"
	"	pushf\n	pop %rcx\n	cld\n	test $0x400, %ecx\n	jz 9f\n"
	"	movabs $0x1122334455667788, %rcx\n	cmp %rcx, %rbx\n	jne 9f\n"
	"	inc %rcx\n	cmp %rcx, %rbp\n	jne 9f\n	inc %rcx\n	cmp %rcx, %r12\n	jne 9f\n"
	"	inc %rcx\n	cmp %rcx, %r13\n	jne 9f\n	inc %rcx\n	cmp %rcx, %r14\n	jne 9f\n"
	"	inc %rcx\n	cmp %rcx, %r15\n	jne 9f\n	inc %rcx\n	cmp %rcx, %rdi\n	jne 9f\n"
	"	inc %rcx\n	cmp %rcx, %rsi\n	jne 9f\n	inc %rcx\n	cmp %rcx, %rdx\n	jne 9f\n"
	"	inc %rcx\n	cmp %rcx, %r8\n	jne 9f\n	inc %rcx\n	cmp %rcx, %r9\n	jne 9f\n"
	"	inc %rcx\n	cmp %rcx, %r10\n	jne 9f\n	movq %xmm0, %rcx\n	cmp %rcx, %rbx\n	jne 9f\n"
	"	movq %xmm15, %rcx\n	cmp %rcx, %rbp\n	jne 9f\n	cmp %rbp, -128(%rsp)\n	jne 9f\n"
	"7:	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n	ret\n"
	"8:	popf\n	cld\n9:	cld\n	mov $-1, %rax\n	jmp 7b\n"
	".globl text_end\n text_end:\n");
extern char text_begin[], text_end[];
extern long plain(void), tight(void), tight2(void), tight3(void), near(void), loop(void), jumps(void);
extern long strict(void);
long datum __attribute__((visibility("hidden"))) = 5;

static long (*const shapes[])(void) = { plain, tight, tight2, tight3, near, loop, jumps, strict };
#define SHAPES (sizeof(shapes) / sizeof(*shapes))

static int bad(int times)
{
	pid_t want = getppid();
	int wrong = 0;

	for (int i = 0; i < times; i++) {
		for (size_t n = 0; n < SHAPES; n++)
			wrong += shapes[n]() != want;
	}
	return wrong;
}

/* ---- signals: what they interrupt is the application's code ------------------------------------ */

extern char __executable_start[], etext[];
static volatile int signals, strange;
static int handled[2] = { -1, -1 };
static int vdso(uint64_t ip)
{
	return ip >= 0x7f0000000000; /* the vDSO's or a vsyscall's; the program is static */
}

static void on_alarm(int sig, siginfo_t *info, void *context)
{
	uint64_t ip = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	signals++;
	if (handled[1] >= 0)
		(void)!write(handled[1], "h", 1);
	if ((ip < (uint64_t)__executable_start || ip > (uint64_t)etext) && !vdso(ip))
		strange++;
}

static void under_signals(void)
{
	struct sigaction a = { .sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval it = { { 0, 200 }, { 0, 200 } };

	sigaction(SIGALRM, &a, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	for (int i = 0; i < 3000 && signals < 200; i++)
		CHECK(bad(2) == 0);
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK(signals > 0);
	CHECK(strange == 0);
}

/* A read that a signal interrupts and restarts, and one that it ends. */
static void restarts(void)
{
	struct sigaction a = { .sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct itimerval it = { { 0, 3000 }, { 0, 3000 } }, off = { { 0, 0 }, { 0, 0 } };
	int p[2], status;
	char c = 0;
	pid_t pid;

	CHECK(pipe(p) == 0);
	for (int i = 0; i < TIMES; i++) { /* so often that read's site is patched */
		CHECK(write(p[1], "x", 1) == 1);
		CHECK(read(p[0], &c, 1) == 1);
	}
	for (int round = 0; round < 2; round++) {
		a.sa_flags = SA_SIGINFO | (round == 0 ? SA_RESTART : 0);
		sigaction(SIGALRM, &a, NULL);
		signals = 0;
		if (round == 1) {
			setitimer(ITIMER_REAL, &it, NULL);
			CHECK(read(p[0], &c, 1) == -1 && errno == EINTR);
			setitimer(ITIMER_REAL, &off, NULL);
			CHECK(signals >= 1);
			continue;
		}
		CHECK(pipe(handled) == 0);
		pid = fork();
		if (pid == 0) /* writes when the handler has run three times */
			_exit(!(read(handled[0], &c, 1) == 1 && read(handled[0], &c, 1) == 1 &&
				read(handled[0], &c, 1) == 1 && write(p[1], "y", 1) == 1));
		setitimer(ITIMER_REAL, &it, NULL);
		CHECK(read(p[0], &c, 1) == 1 && c == 'y');
		setitimer(ITIMER_REAL, &off, NULL);
		CHECK(signals >= 3);
		close(handled[1]);
		handled[1] = -1;
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
}

/* ---- what the text says ----------------------------------------------------------------------- */

static void reads_as_in_the_file(void)
{
	size_t size = (size_t)(text_end - text_begin);
	uint64_t at = (uint64_t)text_begin;
	char mem[1024], file[1024];
	struct iovec local = { mem, size }, remote = { text_begin, size };
	Elf64_Phdr ph;
	Elf64_Ehdr e;
	int fd;

	CHECK(size < sizeof(mem));
	fd = open("/proc/self/exe", O_RDONLY);
	CHECK(fd >= 0);
	CHECK(pread(fd, &e, sizeof(e), 0) == sizeof(e));
	for (int i = 0; i < e.e_phnum; i++) {
		CHECK(pread(fd, &ph, sizeof(ph), (off_t)(e.e_phoff + sizeof(ph) * (size_t)i)) == sizeof(ph));
		if (ph.p_type == PT_LOAD && at >= ph.p_vaddr && at < ph.p_vaddr + ph.p_filesz)
			CHECK(pread(fd, file, size, (off_t)(at - ph.p_vaddr + ph.p_offset)) == (ssize_t)size);
	}
	close(fd);
	fd = open("/proc/self/mem", O_RDONLY);
	CHECK(fd >= 0);
	CHECK(pread(fd, mem, size, (off_t)at) == (ssize_t)size);
	close(fd);
	CHECK(memcmp(mem, file, size) == 0);
	memset(mem, 0, sizeof(mem));
	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size)
		CHECK(memcmp(mem, file, size) == 0);
	/* Made writable it is what the program sees, too. */
	CHECK(mprotect((void *)(at & ~4095ul), 8192, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
	CHECK(memcmp(text_begin, file, size) == 0);
	CHECK(bad(20) == 0);
	CHECK(mprotect((void *)(at & ~4095ul), 8192, PROT_READ | PROT_EXEC) == 0);
	CHECK(bad(TIMES) == 0);
	CHECK(madvise((void *)(at & ~4095ul), 8192, MADV_DONTNEED) == 0);
	CHECK(bad(TIMES) == 0);
}

static int count_maps(int *odd)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	CHECK(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		n++;
		*odd += strstr(line, "memfd") != NULL || strstr(line, "r-xs") != NULL;
	}
	fclose(f);
	return n;
}

/* ---- code that comes and goes ----------------------------------------------------------------- */

static const unsigned char code[] = { 0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xc2, 0x48, 0x89, 0xd0, 0xc3 };

static void written_code(void)
{
	pid_t want = getppid();
	unsigned char *p;

	for (int round = 0; round < 5; round++) {
		p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(p != MAP_FAILED);
		memcpy(p + 100, code, sizeof(code));
		CHECK(mprotect(p, 8192, PROT_READ | PROT_EXEC) == 0);
		for (int i = 0; i < TIMES; i++)
			CHECK(((long (*)(void))(void *)(p + 100))() == want);
		/* Other code there; the old one must not shine through. */
		CHECK(mprotect(p, 8192, PROT_READ | PROT_WRITE) == 0);
		CHECK(memcmp(p + 100, code, sizeof(code)) == 0);
		p[101] = 39;
		CHECK(mprotect(p, 8192, PROT_READ | PROT_EXEC) == 0);
		for (int i = 0; i < TIMES; i++)
			CHECK(((long (*)(void))(void *)(p + 100))() == getpid());
		if (round % 2) {
			/* Moved: it works where it is now. */
			unsigned char *q = mremap(p, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED, p + 0x100000);

			if (q == MAP_FAILED)
				continue;
			p = q;
			for (int i = 0; i < TIMES; i++)
				CHECK(((long (*)(void))(void *)(p + 100))() == getpid());
		}
		CHECK(munmap(p, 8192) == 0);
	}
}

/*
 * Pages next to each other are one mapping of the host's: what becomes of one must not make the other's sites
 * forgotten.
 */
static void neighbours(void)
{
	pid_t want = getppid(), self = getpid();
	unsigned char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long (*call[3])(void);

	CHECK(p != MAP_FAILED);
	for (int i = 0; i < 3; i++) {
		memcpy(p + i * 4096 + 100, code, sizeof(code));
		call[i] = (long (*)(void))(void *)(p + i * 4096 + 100);
	}
	CHECK(mprotect(p, 3 * 4096, PROT_READ | PROT_EXEC) == 0);
	for (int i = 0; i < TIMES; i++)
		CHECK(call[0]() == want && call[1]() == want && call[2]() == want);
	CHECK(munmap(p + 4096, 4096) == 0);
	for (int n = 0; n < 3; n += 2) {
		CHECK(mprotect(p + n * 4096, 4096, PROT_READ | PROT_WRITE) == 0);
		CHECK(memcmp(p + n * 4096 + 100, code, sizeof(code)) == 0);
		p[n * 4096 + 101] = 39;
		CHECK(mprotect(p + n * 4096, 4096, PROT_READ | PROT_EXEC) == 0);
		for (int i = 0; i < TIMES; i++)
			CHECK(call[n]() == self);
		CHECK(call[2 - n]() == (n ? self : want));
	}
	CHECK(munmap(p, 3 * 4096) == 0);
}

/* ---- single steps ---------------------------------------------------------------------------- */

#define STEPS 200
static struct steps {
	uint64_t ip[STEPS];
	volatile int count;
} *steps;

static void on_step(int sig, siginfo_t *info, void *context)
{
	uint64_t ip = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)sig;
	(void)info;
	if (ip >= (uint64_t)text_begin && ip < (uint64_t)text_end && steps->count < STEPS)
		steps->ip[steps->count++] = ip;
}

static long step(long (*fn)(void), struct steps *out)
{
	long r;

	out->count = 0;
	steps = out;
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tcall *%1\n\t"
			 "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp"
			 : "=a"(r)
			 : "r"(fn)
			 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
	return r;
}

/* A program that steps itself sees the same instructions whether a site is patched or not. */
static void single_steps(void)
{
	static long (*const fns[])(void) = { plain, tight, tight2, tight3, near, loop, jumps };
	/* On Linux the instruction behind a system call goes unseen. */
	static const int want[] = { 4, 5, 2, 3, 4, 0, 5 };
	struct sigaction a = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO }, old;
	static struct steps cold, warm;
	pid_t parent = getppid();

	CHECK(parent > 0);
	CHECK(sigaction(SIGTRAP, &a, &old) == 0);
	for (size_t n = 0; n < sizeof(fns) / sizeof(*fns); n++) {
		CHECK(step(fns[n], &cold) == parent);
		if (want[n])
			EQUAL(cold.count, want[n]);
		for (int i = 0; i < TIMES; i++)
			CHECK(fns[n]() == parent);
		CHECK(step(fns[n], &warm) == parent);
		EQUAL(warm.count, cold.count);
		for (int i = 0; i < cold.count && i < warm.count; i++)
			EQUAL(warm.ip[i] - (uint64_t)text_begin, cold.ip[i] - (uint64_t)text_begin);
	}
	CHECK(sigaction(SIGTRAP, &old, NULL) == 0);
}

/* ---- GS ------------------------------------------------------------------------------------- */

static void own_gs(void)
{
	unsigned long v = 1;

	CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &v) == 0 && v == 0);
	CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123456) == 0);
	CHECK(bad(TIMES) == 0);
	CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &v) == 0 && v == 0x123456);
	CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0) == 0);
	CHECK(bad(TIMES) == 0);
	CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &v) == 0 && v == 0);
}

/* ---- threads and children ---------------------------------------------------------------------- */

static void *thread(void *arg)
{
	int *wrong = arg;
	int status;
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		__atomic_add_fetch(wrong, bad(20), __ATOMIC_RELAXED);
		pid = fork();
		if (pid == 0)
			_exit(bad(5) != 0); /* a child's parent is another: bad() asks afresh */
		__atomic_add_fetch(wrong, waitpid(pid, &status, 0) != pid || status != 0, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[8];
	int wrong = 0;

	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&t[i], NULL, thread, &wrong) == 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	CHECK(wrong == 0);
}

T_MAIN
{
	int odd = 0, before = count_maps(&odd);
	pid_t pid;
	int status;

	/* Before anything else has patched a site. */
	pid = fork();
	if (pid == 0) {
		single_steps();
		_exit(t_failures != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	/* All threads meet unpatched sites at once. */
	pid = fork();
	if (pid == 0) {
		threads();
		_exit(t_failures != 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(bad(TIMES) == 0);
	CHECK(count_maps(&odd) <= before + 1 && odd == 0);
	threads();
	under_signals();
	restarts();
	reads_as_in_the_file();
	written_code();
	neighbours();
	own_gs();
}
