/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's restartable sequences against the stub: sections that lie over its text, its trampolines and everything,
 * so that the host sends threads out of the stub in the midst of it; areas in the channel, behind the stub's back,
 * unmapped, and kept over fork, threads' ends and execve.
 */
#include "h.h"

#include <linux/rseq.h>
#include <sys/rseq.h>

#define SIG     0x53053053
#define THREADS 4

static struct rseq areas[THREADS] __attribute__((aligned(4096)));
static struct rseq_cs section __attribute__((aligned(32)));
static volatile int aborts;
__attribute__((used)) char stacks[THREADS][65536] __attribute__((aligned(16)));

extern char abort_ip[];

/* Where the host sends a thread, whose rsp is anywhere: it takes the next of our stacks. */
__asm__(".text\n"
	".byte 0x0f, 0xb9, 0x3d\n"
	".long 0x53053053\n"
	"abort_ip:\n"
	"cld\n"
	"movl $1, %ecx\n"
	"lock xaddl %ecx, turn(%rip)\n"
	"andl $3, %ecx\n"
	"incl %ecx\n"
	"shll $16, %ecx\n"
	"leaq stacks(%rip), %rsp\n"
	"addq %rcx, %rsp\n"
	"call aborted\n"
	"hlt\n"
	".bss\n.balign 4\n"
	"turn: .skip 4\n"
	".text\n");

static long rseq(void *at, int flags)
{
	return syscall(SYS_rseq, at, sizeof(struct rseq), flags, SIG);
}

/* Ours instead of the C library's. */
static bool take(struct rseq *r)
{
	char *libc = (char *)__builtin_thread_pointer() + __rseq_offset;

	for (unsigned int size = 32; size <= 256; size += 4)
		if (syscall(SYS_rseq, libc, size, RSEQ_FLAG_UNREGISTER, SIG) == 0)
			break;
	return rseq(r, 0) == 0;
}

static void some_calls(void)
{
	char buf[512];

	(void)raw(SYS_uname, (long)buf, 0, 0, 0, 0, 0);
	(void)raw(SYS_readlink, (long)"/proc/self/exe", (long)buf, 64, 0, 0, 0);
	(void)raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	(void)raw(SYS_munmap, raw(SYS_mmap, 0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8192, 0, 0, 0, 0);
	(void)raw(SYS_poll, 0, 0, 1, 0, 0, 0);
}

__attribute__((used)) void aborted(void)
{
	aborts++;
	for (;;)
		some_calls();
}

static void *busy(void *arg)
{
	if (!take(arg))
		_exit(9);
	for (;;)
		some_calls();
}

static void on_signal(int sig) { (void)sig; }

/* A thread arms the others' sections over [start, end) again and again, and sends signals. */
static void redirect(uint64_t start, uint64_t end)
{
	pthread_t t[THREADS];
	double limit = now() + 1;

	section = (struct rseq_cs){ .start_ip = start, .post_commit_offset = end - start, .abort_ip = (uintptr_t)abort_ip };
	signal(SIGUSR1, on_signal);
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, busy, &areas[i]))
			_exit(8);
	while (now() < limit) {
		for (int i = 1; i < THREADS; i++)
			*(volatile uint64_t *)&areas[i].rseq_cs = (uintptr_t)&section;
		if (rnd() % 64 == 0)
			(void)syscall(SYS_tgkill, getpid(), getpid() + 1 + (int)(rnd() % THREADS), SIGUSR1);
	}
	printf("%d aborts\n", aborts);
}

static void over_text(void) { redirect(STUB_TEXT, STUB_TEXT + STUB_TEXT_MAX); }
static void over_all(void) { redirect(STUB_BASE, STUB_END); }
static void over_ends(void) { redirect(0x10000, STUB_USER_END - 1); }

/* A program in the same process, or the end: not one that runs with the old one's area. */
static void exec_again(void)
{
	execl("/proc/self/exe", "rseq", "alive", NULL);
	_exit(7);
}

/* The area where the host writes behind the stub's back: in its own slot, its thread's words, its text. */
static void area_at(uint64_t at, bool exec)
{
	(void)take(&areas[0]); /* the first goes by the Sentry */
	(void)rseq(&areas[0], RSEQ_FLAG_UNREGISTER);
	if (native(SYS_rseq, (long)at, 32, 0, SIG, 0, 0) != 0)
		return;
	for (int i = 0; i < 200; i++)
		some_calls();
	if (fork() == 0)
		exec_again();
	if (exec)
		exec_again();
}

static uint64_t place;
static bool then_exec;
static void area_somewhere(void) { area_at(place, then_exec); }

static void *end_thread(void *arg)
{
	void *p = mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (take(p) && arg)
		munmap(p, 4096);
	return NULL;
}

/* Its memory goes first. */
static void unmapped(void)
{
	pthread_t t;
	struct rseq *p;

	for (int i = 0; i < 20; i++)
		if (pthread_create(&t, NULL, end_thread, (void *)(uintptr_t)(i & 1)) == 0)
			pthread_join(t, NULL);
	p = mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!take(p))
		return;
	munmap(p, 4096);
	if (fork() == 0)
		exec_again();
	exec_again();
}

/* What the slot says of it is a lie: of a thread that has another, that has none. */
static void lies(void)
{
	volatile struct stub_own *own = &slot_at(0)->own;

	(void)take(&areas[0]);
	own->rseq = rnd() & 1 ? 0 : STUB_TEXT + rnd() % 65536;
	own->rseq_size = rnd();
	own->rseq_sig = rnd();
	for (int i = 0; i < 5; i++)
		if (fork() == 0)
			exec_again();
	exec_again();
}

/* A section lies in wait for the new program, in an area that the stub does not know of. */
static void armed(void)
{
	struct rseq *r = (void *)(STUB_AREAS + 0x2000); /* of our private stack: stays */

	(void)take(&areas[0]);
	(void)rseq(&areas[0], RSEQ_FLAG_UNREGISTER);
	section = (struct rseq_cs){ .start_ip = 0x10000, .post_commit_offset = STUB_BASE - 0x20000, .abort_ip = STUB_END };
	if (native(SYS_rseq, (long)r, 32, 0, SIG, 0, 0) != 0)
		return;
	memcpy(r + 1, &section, sizeof(section));
	*(volatile uint64_t *)&r->rseq_cs = (uintptr_t)(r + 1);
	exec_again();
}

int main(int argc, char **argv)
{
	const uint64_t places[] = {
		STUB_CHANNEL + STUB_SLOT(0), STUB_CHANNEL + STUB_SLOT(0) + 64, STUB_CHANNEL + STUB_SLOT(0) + 4096 + 32,
		STUB_AREAS + STUB_THREAD, STUB_AREAS + 0x4f80, STUB_TEXT, STUB_PROCESS, STUB_CHANNEL + STUB_ZYGOTE,
	};

	if (argc > 1 && !strcmp(argv[1], "alive")) {
		sane("execve");
		return 0;
	}
	NEED_STUB();
	if (!take(&areas[0])) {
		puts("no rseq here");
		return 77;
	}
	(void)rseq(&areas[0], RSEQ_FLAG_UNREGISTER);
	for (int i = 0; i < 6; i++) { /* mostly killed soon: it breaks the protocol */
		attack("sections over the text", over_text, 20);
		attack("sections over the stub", over_all, 20);
	}
	attack("sections over everything", over_ends, 20);
	attack("unmapped areas", unmapped, 20);
	for (int i = 0; i < 6; i++) {
		(void)rnd();
		attack("lies", lies, 20);
	}
	if (native_find())
		for (unsigned int i = 0; i < 2 * sizeof(places) / sizeof(*places); i++) {
			place = places[i / 2];
			then_exec = i & 1;
			attack("areas in the stub", area_somewhere, 20);
		}
	attack("armed at execve", armed, 20);
	end_orphans();
	return failures != 0;
}
