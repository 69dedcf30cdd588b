/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm.c: 8 threads trap, fault, take signals and get their call sites patched, all at once.
 *
 *     storm SECONDS [SEED [ACTIONS]]      ACTIONS: a list like trap,step; default all
 *
 * The program runs epochs of about half a second, each in a process of its own: a process whose text
 * changes 64 times is left alone by call-site patching, and forks and the ends of processes belong to the
 * storm.  In an epoch each thread picks one action after the other at random; every action checks its
 * own result, and signal handlers check the registers of what they interrupt.  Counters at the
 * end say how much of each happened: an action that never happened is a failure.
 *
 * Static, and needs nothing but /dev/null, /dev/zero and /tmp: it is run by tests/kernel/minirun too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef THREADS
#define THREADS  8
#endif
#define EPOCH_NS 500000000ll
#define MARK     0x1122334455667788ull

enum {
	DID_TRAP, DID_FAULT, DID_SIGNAL, DID_SITE, DID_FORK, DID_FUTEX, DID_SLEEP, DID_MASK, DID_THREAD,
	DID_HANDLER, DID_IN_SITE, DID_STEP, DID_COUNT,
};
static const char *const names[DID_COUNT] = {
	"traps", "faults", "signals", "sites", "forks", "futexes", "sleeps", "masks", "threads",
	"handled", "at-a-site", "steps",
};

/* Shared by all epochs. */
static struct shared {
	atomic_ulong did[DID_COUNT];
	atomic_uint failures;
} *shared;

struct thread {
	pthread_t handle;
	_Atomic(pid_t) tid;
	uint64_t random;
	sigjmp_buf jump;
	volatile sig_atomic_t jumping;
	int pipe[2];
};
static struct thread threads[THREADS];
static __thread struct thread *self;
static atomic_uint word; /* of the futexes */
static int64_t deadline;
static pid_t parent, process;

#define FAIL(...) fail(__LINE__, __VA_ARGS__)
__attribute__((format(printf, 2, 3))) static void fail(int line, const char *f, ...)
{
	char buf[300];
	va_list ap;
	int n = snprintf(buf, sizeof(buf), "storm.c:%d: ", line);

	va_start(ap, f);
	n += vsnprintf(buf + n, sizeof(buf) - (size_t)n - 2, f, ap);
	va_end(ap);
	buf[n++] = '\n';
	if (atomic_fetch_add(&shared->failures, 1) < 20)
		(void)!write(2, buf, (size_t)n);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static uint32_t pick(uint32_t n)
{
	self->random = self->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(self->random >> 33) % n;
}

static void count(int what)
{
	atomic_fetch_add_explicit(&shared->did[what], 1, memory_order_relaxed);
}

/* ---- call sites ------------------------------------------------------------------------------- */

/*
 * Shapes of code around a `syscall`; copied to fresh pages, so that each copy is a site of its own.  Called
 * with the number in rdi; rbx, r12 … r15 hold marks while they run, and the last line of each checks
 * them.  Returns rax.
 */
__asm__(".section .rodata\n.balign 16\n"
	"shape_0: push %rbx\n	movabs $0x1122334455667788, %rbx\n	mov %edi, %eax\n	syscall\n"
	"	cmp $-4096, %rax\n	ja 1f\n1:	pop %rbx\n	ret\n"
	"shape_1: push %rbx\n	movabs $0x1122334455667788, %rbx\n	mov %edi, %eax\n	syscall\n"
	"	pop %rbx\n	ret\n	.fill 8, 1, 0xcc\n"
	"shape_2: push %rbx\n	push %r12\n	movabs $0x1122334455667788, %rbx\n	lea 1(%rbx), %r12\n"
	"	mov %edi, %eax\n	std\n	syscall\n	cld\n	sub %rbx, %r12\n	dec %r12\n	jnz 1f\n"
	"	pop %r12\n	pop %rbx\n	ret\n1:	ud2\n"
	"shape_3: push %rbx\n	movabs $0x1122334455667788, %rbx\n	push %rdi\n	mov $3, %edi\n"
	"	xchg %rdi, (%rsp)\n	lea 2f(%rip), %rcx\n	jmp 2f\n1:	mov %edi, %eax\n	syscall\n2:	decl (%rsp)\n	jnz 1b\n"
	"	add $8, %rsp\n	pop %rbx\n	ret\n"
	"shape_end:\n	.text\n");
extern const char shape_0[], shape_1[], shape_2[], shape_3[], shape_end[];
static const char *const shapes[] = { shape_0, shape_1, shape_2, shape_3, shape_end };

static long at_site(const void *code, long nr)
{
	long (*call)(long) = (long (*)(long))(uintptr_t)code;

	return call(nr);
}

/*
 * Pages of new sites, called until they are patched and more often, by this thread and by whoever finds
 * them in `common`; then they are written over, made another site, or unmapped.
 */
static _Atomic(char *) common;
static atomic_int common_users;

static char *site_page(uint32_t shape, size_t copies)
{
	size_t size = (size_t)(shapes[shape + 1] - shapes[shape]);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	memset(p, 0xcc, 4096);
	for (size_t i = 0; i < copies; i++)
		memcpy(p + i * 128, shapes[shape], size);
	if (mprotect(p, 4096, PROT_READ | PROT_EXEC)) {
		munmap(p, 4096);
		return NULL;
	}
	return p;
}

static void call_sites(const char *p, size_t copies)
{
	size_t n = 1 + pick(12);

	for (size_t i = 0; i < n; i++) {
		const char *at = p + pick((uint32_t)copies) * 128;
		long r;

		r = at_site(at, SYS_getppid);
		if (r != parent)
			FAIL("getppid at a site: %ld, not %d", r, parent);
		r = at_site(at, SYS_gettid);
		if (r != self->tid)
			FAIL("gettid at a site: %ld, not %d", r, self->tid);
		count(DID_SITE);
	}
}

static void act_own_site(void)
{
	uint32_t shape = pick(4), copies = 1 + pick(4);
	char *p = site_page(shape, copies);

	if (!p)
		return;
	for (int i = 0; i < 4; i++)
		call_sites(p, copies);
	if (pick(2)) {
		/* Other code at the same place. */
		if (mprotect(p, 4096, PROT_READ | PROT_WRITE))
			FAIL("mprotect: %d", errno);
		shape = (shape + 1) % 4;
		for (size_t i = 0; i < copies; i++)
			memcpy(p + i * 128, shapes[shape], (size_t)(shapes[shape + 1] - shapes[shape]));
		if (mprotect(p, 4096, PROT_READ | PROT_EXEC))
			FAIL("mprotect: %d", errno);
		call_sites(p, copies);
	}
	if (munmap(p, 4096))
		FAIL("munmap: %d", errno);
}

/* A page that threads share: all execute its sites while they are patched. */
static void act_common_site(void)
{
	char *p;

	atomic_fetch_add(&common_users, 1);
	p = atomic_load(&common);
	if (p)
		for (int i = 0; i < 4; i++)
			call_sites(p, 4);
	atomic_fetch_sub(&common_users, 1);
	if (pick(8) == 0) {
		char *fresh = site_page(pick(4), 4);

		p = atomic_exchange(&common, fresh);
		while (p && atomic_load(&common_users) > 0 && now_ns() < deadline)
			sched_yield();
		/* Users that came after the exchange hold the new one. */
		if (p && now_ns() < deadline)
			munmap(p, 4096);
	}
}

/* ---- traps ------------------------------------------------------------------------------------ */

static void act_trap(void)
{
	static __thread int null = -1, zero = -1;
	char buf[8192], small[16];
	struct iovec v[2] = { { buf, 5000 }, { small, 16 } };
	struct stat st;
	mode_t m;
	long n;

	if (null < 0)
		null = open("/dev/null", O_RDWR);
	if (zero < 0)
		zero = open("/dev/zero", O_RDONLY);
	for (int i = 0; i < 8; i++) {
		switch (pick(7)) {
		case 0:
			m = umask(022);
			if (m != 022)
				FAIL("umask %o", m);
			break;
		case 1:
			memset(buf, 1, sizeof(buf));
			n = read(zero, buf, sizeof(buf));
			/* A signal may end it early. */
			if ((n <= 0 && errno != EINTR) || (n > 0 && (buf[0] || buf[n - 1])))
				FAIL("read: %ld", n);
			break;
		case 2:
			n = writev(null, v, 2);
			if (n != 5016)
				FAIL("writev: %ld", n);
			break;
		case 3:
			if (fstat(null, &st) || !S_ISCHR(st.st_mode))
				FAIL("fstat: %d", errno);
			break;
		case 4:
			if (stat("/dev/null/x", &st) != -1 || errno != ENOTDIR)
				FAIL("stat: %d", errno);
			break;
		case 5:
			if (write(self->pipe[1], "0123456", 7) != 7 || read(self->pipe[0], small, 16) != 7 ||
			    memcmp(small, "0123456", 7))
				FAIL("pipe");
			break;
		case 6:
			n = syscall(SYS_read, null, (void *)16, 16);
			if (n != 0)
				FAIL("read of nothing: %ld", n);
			n = syscall(SYS_write, self->pipe[1], (void *)16, 16);
			if (n != -1 || errno != EFAULT)
				FAIL("write from a bad address: %ld %d", n, errno);
			break;
		}
		count(DID_TRAP);
	}
}

/* ---- faults ----------------------------------------------------------------------------------- */

/* What a handler may do with a fault: jump out, or (SIGSEGV at the guarded page) open the page. */
static __thread char *guarded;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	count(DID_FAULT);
	if (guarded && info->si_addr == guarded) {
		if (mprotect(guarded, 4096, PROT_READ | PROT_WRITE))
			FAIL("mprotect in a handler: %d", errno);
		return;
	}
	if (self && self->jumping)
		siglongjmp(self->jump, 1);
	FAIL("signal %d code %d trap %d error %llx at %llx flags %llx, address %p", sig, info->si_code,
	     (int)uc->uc_mcontext.gregs[REG_TRAPNO], (unsigned long long)uc->uc_mcontext.gregs[REG_ERR],
	     (unsigned long long)uc->uc_mcontext.gregs[REG_RIP],
	     (unsigned long long)uc->uc_mcontext.gregs[REG_EFL], info->si_addr);
	_exit(9);
}

static void act_fault(void)
{
	volatile double x = 1.5;
	char *p;

	switch (pick(5)) {
	case 0: /* mended in the handler */
		p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return;
		guarded = p;
		*(volatile char *)p = 7;
		if (*(volatile char *)p != 7)
			FAIL("mended page");
		guarded = NULL;
		munmap(p, 4096);
		break;
	default:
		self->jumping = 1;
		if (sigsetjmp(self->jump, 1) == 0) {
			switch (pick(4)) {
			case 0:
				*(volatile int *)8 = 0;
				break;
			case 1:
				__asm__ volatile("ud2");
				break;
			case 2:
				__asm__ volatile("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tmov $1, %%eax\n\tdiv %%ecx"
						 : : : "rax", "rcx", "rdx");
				break;
			case 3:
				__asm__ volatile("int3");
				break;
			}
			FAIL("no fault");
		}
		self->jumping = 0;
	}
	if (x != 1.5)
		FAIL("a double changed");
}

/* ---- signals ---------------------------------------------------------------------------------- */

/* Whatever was interrupted: text of sites says what its registers must be. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	const greg_t *r = uc->uc_mcontext.gregs;
	const unsigned char *ip = (const unsigned char *)(uintptr_t)r[REG_RIP];
	int saved = errno;

	(void)sig, (void)info;
	count(DID_HANDLER);
	/* Right behind a `syscall` of a shape, with its bytes as they were. */
	if (((uintptr_t)ip & 4095) >= 2 && ((uintptr_t)ip & 4095) < 512 && r[REG_RBX] == (greg_t)MARK &&
	    ip[-2] == 0x0f && ip[-1] == 0x05) {
		count(DID_IN_SITE);
		if (r[REG_RCX] != r[REG_RIP])
			FAIL("rcx %llx behind a call at %p", (unsigned long long)r[REG_RCX], ip);
	}
	if (self && pick(4) == 0 && umask(022) != 022)
		FAIL("umask in a handler");
	errno = saved;
}

static void act_signal(void)
{
	const int sigs[] = { SIGUSR1, SIGUSR2, SIGALRM, SIGRTMIN + 1, SIGURG };
	struct thread *to = &threads[pick(THREADS)];
	int sig = sigs[pick(5)];
	pid_t tid = atomic_load(&to->tid);

	switch (pick(3)) {
	case 0:
		if (tid && syscall(SYS_tgkill, process, tid, sig) && errno != ESRCH && errno != EAGAIN)
			FAIL("tgkill: %d", errno);
		break;
	case 1:
		if (kill(process, sig) && errno != EAGAIN)
			FAIL("kill: %d", errno);
		break;
	case 2:
		if (syscall(SYS_tgkill, process, self->tid, sig) && errno != EAGAIN)
			FAIL("tgkill self: %d", errno);
		break;
	}
	count(DID_SIGNAL);
}

static void act_mask(void)
{
	volatile sig_atomic_t before;
	sigset_t set, old, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGALRM);
	if (pthread_sigmask(SIG_BLOCK, &set, &old))
		FAIL("block");
	syscall(SYS_tgkill, process, self->tid, SIGUSR1);
	before = 0;
	if (sigpending(&pending) || !sigismember(&pending, SIGUSR1))
		FAIL("a blocked signal to oneself isn't pending");
	(void)before;
	if (pick(2)) {
		struct timespec none = { 0, 0 };

		sigdelset(&set, SIGALRM);
		if (sigtimedwait(&set, NULL, &none) != SIGUSR1 && errno != EINTR)
			FAIL("sigtimedwait: %d", errno);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	count(DID_MASK);
}

/* Single steps over a site: nothing may be seen but the site's page and this program. */
static __thread volatile uint32_t steps;
static __thread const char *stepped;
extern const char __executable_start[], etext[];

static void on_trap(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	const char *ip = (const char *)(uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	if (!stepped) {
		on_fault(sig, info, context);
		return;
	}
	steps++;
	if ((ip < stepped || ip >= stepped + 4096) && (ip < __executable_start || ip >= etext))
		FAIL("a single step shows %p", (const void *)ip);
}

static void act_step(void)
{
	char *p = site_page(pick(4), 1);
	uint32_t before;
	long r;

	if (!p)
		return;
	call_sites(p, 1);
	before = steps;
	stepped = p;
	__asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tcall *%1\n\t"
			 "pushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq"
			 : "=a"(r)
			 : "r"(p), "D"((long)SYS_getppid)
			 : "rcx", "r11", "memory", "cc");
	stepped = NULL;
	if (r != parent)
		FAIL("getppid in single steps: %ld", r);
	if (steps - before < 8)
		FAIL("%u single steps", steps - before);
	munmap(p, 4096);
	count(DID_STEP);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static void act_futex(void)
{
	struct timespec t = { 0, (long)pick(300000) };
	unsigned int v = atomic_load(&word);

	if (pick(2)) {
		atomic_fetch_add(&word, 1);
		syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, pick(3), NULL, NULL, 0);
	} else if (syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, v, &t, NULL, 0) &&
		   errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT) {
		FAIL("futex: %d", errno);
	}
	count(DID_FUTEX);
}

static void act_sleep(void)
{
	struct timespec t = { 0, (long)pick(200000) };

	if (nanosleep(&t, NULL) && errno != EINTR)
		FAIL("nanosleep: %d", errno);
	count(DID_SLEEP);
}

static void *other(void *arg)
{
	self = arg;
	(void)umask(022);
	return NULL;
}

static void act_thread(void)
{
	struct thread t = { .random = pick(1u << 30), .tid = 0 };

	if (pthread_create(&t.handle, NULL, other, &t) == 0) {
		pthread_join(t.handle, NULL);
		count(DID_THREAD);
	}
}

static void act_fork(void)
{
	pid_t pid, r;
	int st;

	/* Not the handlers: the child has one thread, and its checks compare with the parent's ids. */
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = (pid_t)syscall(SYS_fork);
	if (pid == 0) {
		char *p = atomic_load(&common);

		if (p && at_site(p, SYS_getppid) != process)
			_exit(2);
		_exit(umask(022) == 022 ? 7 : 1);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return;
	do {
		r = waitpid(pid, &st, 0);
	} while (r < 0 && errno == EINTR);
	if (r != pid || !WIFEXITED(st) || WEXITSTATUS(st) != 7)
		FAIL("child %d: %d, status %x", pid, r, st);
	count(DID_FORK);
}

/* ---- epochs ----------------------------------------------------------------------------------- */

static struct action {
	void (*fn)(void);
	const char *name;
	uint32_t weight;
} actions[] = {
	{ act_trap, "trap", 30 },     { act_fault, "fault", 15 }, { act_signal, "signal", 20 },
	{ act_own_site, "own", 5 },   { act_common_site, "common", 10 }, { act_futex, "futex", 6 },
	{ act_sleep, "sleep", 6 },    { act_mask, "mask", 5 }, { act_thread, "thread", 1 },
	{ act_fork, "fork", 1 },      { act_step, "step", 1 },
};
static uint32_t total_weight;

/* list: what to do, or NULL for everything */
static void choose(const char *list)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (list && !strstr(list, actions[i].name))
			actions[i].weight = 0;
		total_weight += actions[i].weight;
	}
}

static void *thread_main(void *arg)
{
	const struct action *a;
	uint32_t n;

	self = arg;
	self->tid = (pid_t)syscall(SYS_gettid);
	if (pipe2(self->pipe, O_CLOEXEC))
		FAIL("pipe: %d", errno);
	while (now_ns() < deadline) {
		n = pick(total_weight);
		for (a = actions; n >= a->weight; a++)
			n -= a->weight;
		a->fn();
	}
	atomic_store(&self->tid, 0);
	return NULL;
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	if (sigaction(sig, &sa, NULL))
		FAIL("sigaction %d: %d", sig, errno);
}

static void epoch(uint64_t seed)
{
	struct itimerval every = { { 0, 3000 }, { 0, 3000 } };

	process = getpid();
	parent = getppid();
	handle(SIGUSR1, on_signal, SA_RESTART);
	handle(SIGUSR2, on_signal, 0);
	handle(SIGALRM, on_signal, SA_RESTART);
	handle(SIGURG, on_signal, SA_RESTART);
	handle(SIGRTMIN + 1, on_signal, 0);
	handle(SIGSEGV, on_fault, SA_NODEFER);
	handle(SIGILL, on_fault, 0);
	handle(SIGFPE, on_fault, 0);
	handle(SIGTRAP, on_trap, 0);
	deadline = now_ns() + EPOCH_NS;
	self = &threads[0];
	for (int i = 0; i < THREADS; i++)
		threads[i].random = (seed + 1) * 1000003 + (uint64_t)i * 7919;
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&threads[i].handle, NULL, thread_main, &threads[i]))
			FAIL("pthread_create");
	thread_main(&threads[0]);
	for (int i = 1; i < THREADS; i++)
		pthread_join(threads[i].handle, NULL);
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_REAL, &every, NULL);
	exit(0);
}

/* The first kind of thing that has not happened once, or -1.  (In a trampoline is luck.) */
static int missing(void)
{
	for (int i = 0; i < DID_COUNT; i++) {
		if (shared->did[i] == 0 && i != DID_IN_SITE)
			return i;
	}
	return -1;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 5;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)now_ns();
	const char *list = argc > 3 ? argv[3] : NULL;
	int64_t end = now_ns() + seconds * 1000000000ll;
	unsigned int epochs = 0;

	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	umask(022);
	choose(list);
	/* On a machine that has no time for us each kind takes longer to come. */
	while ((now_ns() < end || (!list && seconds >= 5 && missing() >= 0 && now_ns() < end + 300000000000ll)) &&
	       shared->failures == 0) {
		int64_t began = now_ns();
		pid_t pid = fork(), r = 0;
		int st = 0;

		if (pid == 0)
			epoch(seed + epochs);
		/* An epoch that hangs is a finding too. */
		while ((r = waitpid(pid, &st, WNOHANG)) == 0 && now_ns() < began + 300000000000ll)
			usleep(5000);
		if (r == 0) {
			FAIL("epoch %u hangs", epochs);
			kill(pid, SIGKILL);
			waitpid(pid, &st, 0);
		} else if (r != pid || st) {
			FAIL("epoch %u (seed %llu): status %x", epochs, (unsigned long long)seed, st);
		}
		epochs++;
	}
	printf("%u epochs:", epochs);
	for (int i = 0; i < DID_COUNT; i++)
		printf(" %lu %s", shared->did[i], names[i]);
	printf("\n");
	if (seconds >= 5 && !list && missing() >= 0)
		FAIL("no %s", names[missing()]);
	return shared->failures ? 1 : 0;
}
