/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rseq.c: rseq(2): registration, the CPU's number, critical sections that signals, preemption and
 * other threads abort; fork, threads, execve.
 */
#include "t.h"

#include <linux/membarrier.h>
#include <linux/rseq.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>
#include <stdbool.h>

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

#define SIG 0x53053053

static __thread struct rseq area __attribute__((aligned(32)));
static struct rseq *libc_area;
static unsigned int libc_size;

static long reg(void *at, unsigned int size, int flags, unsigned int sig)
{
	return syscall(SYS_rseq, at, size, flags, sig);
}

/* The C library has registered this thread. */
static bool drop_libc(void)
{
	libc_area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	for (libc_size = 32; libc_size <= 256; libc_size += 4) {
		if (reg(libc_area, libc_size, RSEQ_FLAG_UNREGISTER, SIG) == 0)
			return true;
		if (errno == ENOSYS)
			return false;
	}
	return true; /* it had not */
}

/*
 * Counts up while *go is not 0, in one critical section; returns how it ended: 0 by itself, 1 aborted.
 * The section's last instruction is the store to *done.
 */
static int section(struct rseq *r, volatile uint64_t *count, volatile int *done, volatile int *go)
{
	int aborted = 0;

	__asm__ volatile(".pushsection .data.rel.ro, \"aw\"\n"
			 ".balign 32\n"
			 "9: .long 0, 0\n"
			 ".quad 1f, 2f - 1f, 4f\n"
			 ".popsection\n"
			 "leaq 9b(%%rip), %%rax\n"
			 "movq %%rax, %[cs]\n"
			 "1:\n"
			 "5: incq %[count]\n"
			 "pause\n"
			 "cmpl $0, %[go]\n"
			 "jne 5b\n"
			 "movl $1, %[done]\n"
			 "2:\n"
			 "jmp 3f\n"
			 ".byte 0x0f, 0xb9, 0x3d\n"
			 ".long 0x53053053\n"
			 "4: movl $1, %[aborted]\n"
			 "3:\n"
			 : [count] "+m"(*count), [done] "+m"(*done), [aborted] "+m"(aborted), [cs] "=m"(r->rseq_cs)
			 : [go] "m"(*go)
			 : "rax", "cc", "memory");
	return aborted;
}

static void errors(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	FAILS(EINVAL, reg(&area, 32, 2, SIG));
	FAILS(EINVAL, reg((char *)&area + 4, 32, 0, SIG));
	FAILS(EINVAL, reg(&area, 16, 0, SIG));
	FAILS(EINVAL, reg(&area, 32, RSEQ_FLAG_UNREGISTER, SIG)); /* none is */
	FAILS(EFAULT, reg((void *)0xffff800000000000, 32, 0, SIG));
	area.cpu_id = 12345;
	EQUAL(reg(&area, 32, 0, SIG), 0);
	FAILS(EBUSY, reg(&area, 32, 0, SIG));
	FAILS(EPERM, reg(&area, 32, 0, SIG + 1));
	FAILS(EINVAL, reg(page, 32, 0, SIG));
	FAILS(EPERM, reg(&area, 32, RSEQ_FLAG_UNREGISTER, SIG + 1));
	FAILS(EINVAL, reg(page, 32, RSEQ_FLAG_UNREGISTER, SIG));
	CHECK(area.cpu_id < CPU_SETSIZE);
	EQUAL(area.cpu_id_start, area.cpu_id);
	EQUAL(reg(&area, 32, RSEQ_FLAG_UNREGISTER, SIG), 0);
	EQUAL((int)area.cpu_id, RSEQ_CPU_ID_UNINITIALIZED);
	munmap(page, 4096);
}

static void cpu_numbers(void)
{
	int same = 0, cpu;
	cpu_set_t set;

	EQUAL(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < 1000; i++) {
		cpu = sched_getcpu();
		same += cpu == (int)area.cpu_id; /* may be moved in between */
		CHECK(CPU_ISSET((int)area.cpu_id, &set));
	}
	CHECK(same > 500);
}

static volatile int go;

static void stop(int sig)
{
	(void)sig;
	go = 0;
}

static int aborted_by_signal(void)
{
	volatile uint64_t count = 0;
	volatile int done = 0;
	int aborted;

	go = 1;
	t_alarm_ms(20);
	aborted = section(&area, &count, &done, &go);
	t_alarm_ms(0);
	CHECK(aborted && !done); /* by preemption maybe, before it has counted */
	EQUAL(area.rseq_cs, 0);
	go = 0;
	EQUAL(section(&area, &count, &done, &go), 0);
	EQUAL(done, 1);
	return 0;
}

/* A fault in a critical section: its handler sees the abort handler's address. */
static volatile uint64_t fault_ip;
static int *unwritable;

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	(void)sig, (void)info;
	fault_ip = (uint64_t)((ucontext_t *)uc)->uc_mcontext.gregs[16]; /* REG_RIP */
	mprotect(unwritable, 4096, PROT_READ | PROT_WRITE);
}

static void aborted_by_fault(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	volatile uint64_t count = 0;
	int none = 0;

	unwritable = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &sa, NULL);
	fault_ip = 0;
	EQUAL(section(&area, &count, (volatile int *)unwritable, &none), 1);
	CHECK(fault_ip != 0);
	EQUAL(*unwritable, 0);
	signal(SIGSEGV, SIG_DFL);
	munmap(unwritable, 4096);
}

/* A thread has no area of its creator's; its own ends with it, before who joins it may unmap it. */
static void *thread_main(void *arg)
{
	struct rseq *mine = arg;

	(void)drop_libc();
	EQUAL(reg(mine, 32, 0, SIG), 0);
	CHECK(mine->cpu_id < CPU_SETSIZE);
	sched_yield();
	return NULL;
}

static void threads(void)
{
	pthread_t th;
	char *page;

	for (int i = 0; i < 200; i++) {
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pthread_create(&th, NULL, thread_main, page) != 0) {
			CHECK(!"pthread_create");
			break;
		}
		pthread_join(th, NULL);
		munmap(page, 4096);
	}
}

/* Preempted by a busy neighbour, and moved. */
static volatile int busy;

static void *neighbour(void *arg)
{
	(void)arg;
	while (busy)
		;
	return NULL;
}

static void aborted_by_preemption(void)
{
	pthread_t th[4];
	volatile uint64_t count = 0;
	volatile int done = 0;

	busy = go = 1;
	for (int i = 0; i < 4; i++)
		pthread_create(&th[i], NULL, neighbour, NULL);
	/* Nobody sets go to 0. */
	EQUAL(section(&area, &count, &done, &go), 1);
	busy = 0;
	for (int i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
}

static volatile int in_section;

static void *in_section_main(void *arg)
{
	static struct rseq mine __attribute__((aligned(32)));
	volatile uint64_t *count = arg;
	volatile int done = 0;

	(void)drop_libc();
	EQUAL(reg(&mine, 32, 0, SIG), 0);
	in_section = 1;
	while (go)
		section(&mine, count, &done, &go);
	return NULL;
}

/* After the barrier no thread is where it was in a critical section. */
static void barrier(void)
{
	volatile uint64_t count = 0;
	pthread_t th;

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0) != 0) {
		CHECK(errno == EINVAL);
		return;
	}
	go = 1;
	in_section = 0;
	pthread_create(&th, NULL, in_section_main, (void *)(uintptr_t)&count);
	AWAIT(in_section);
	EQUAL(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0), 0);
	EQUAL(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 0), 0);
	FAILS(EINVAL, syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 2, 0));
	FAILS(EINVAL, syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 1, 0));
	go = 0;
	pthread_join(th, NULL);
}

/* fork keeps the registration. */
static int child(void)
{
	FAILS(EBUSY, reg(&area, 32, 0, SIG));
	aborted_by_signal();
	EQUAL(reg(&area, 32, RSEQ_FLAG_UNREGISTER, SIG), 0);
	return t_failures != 0;
}

/* execve ends it: the memory goes, and the new program is not killed for that. */
static int exec_child(void)
{
	char *const argv[] = { (char *)"spin", NULL };
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EQUAL(reg(&area, 32, RSEQ_FLAG_UNREGISTER, SIG), 0);
	EQUAL(reg(page, 32, 0, SIG), 0);
	if (vfork() == 0) { /* in this memory, without an area */
		if (reg(page, 32, RSEQ_FLAG_UNREGISTER, SIG) != -1 || errno != EINVAL)
			_exit(1);
		_exit(0);
	}
	execv("/proc/self/exe", argv);
	return 99;
}

/*
 * The area's memory goes before the execve (or the exit).  Who is preempted in between is killed: on Linux that
 * happens to few.
 */
static volatile int lose_how;

static int lose_child(void)
{
	char *const argv[] = { (char *)"quick", NULL };
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int how = lose_how;

	if (reg(&area, 32, RSEQ_FLAG_UNREGISTER, SIG) || reg(page, 32, 0, SIG))
		return 1;
	if (how == 0)
		munmap(page, 4096);
	else if (how == 1)
		mprotect(page, 8192, PROT_READ);
	else if (mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page + 4096) == MAP_FAILED)
		return 2;
	if (how != 2)
		execv("/proc/self/exe", argv);
	return 9;
}

static void loses_its_area(void)
{
	for (lose_how = 0; lose_how < 3; lose_how++) {
		int lived = 0;

		for (int i = 0; i < 200 && !lived; i++)
			lived = t_wait(t_fork(lose_child)) == 9;
		EQUAL(lived, 1);
	}
	/* What fails loses nothing. */
	EQUAL(munmap((char *)(((uintptr_t)&area & ~(uintptr_t)4095)) + 1, 4096), -1);
	EQUAL(reg(&area, 32, RSEQ_FLAG_UNREGISTER, SIG), 0);
	EQUAL(reg(&area, 32, 0, SIG), 0);
}

static void traced(void)
{
	struct {
		uint64_t pointer;
		uint32_t size, sig, flags, pad;
	} c;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	memset(&c, 0xff, sizeof(c));
	EQUAL(ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(c), &c), sizeof(c));
	EQUAL(c.pointer, (uint64_t)(uintptr_t)&area);
	EQUAL(c.size, 32);
	EQUAL(c.sig, SIG);
	EQUAL(c.flags, 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* After execve: long enough to be preempted and interrupted. */
static int spin(void)
{
	int64_t start = t_now_ms();

	signal(SIGALRM, stop);
	t_alarm_ms(5);
	while (t_now_ms() - start < 200)
		;
	t_alarm_ms(0);
	return drop_libc() ? 7 : 1;
}

static void all(void)
{
	signal(SIGALRM, stop);
	errors();
	EQUAL(reg(&area, 32, 0, SIG), 0);
	cpu_numbers();
	aborted_by_signal();
	aborted_by_fault();
	aborted_by_preemption();
	threads();
	barrier();
	EQUAL(t_wait(t_fork(child)), 0);
	EQUAL(t_wait(t_fork(exec_child)), 7);
	loses_its_area();
	traced();
	EQUAL(reg(&area, 32, RSEQ_FLAG_UNREGISTER, SIG), 0);
}

T_MAIN
{
	char name[16] = "";
	FILE *f = fopen("/proc/self/cmdline", "r");

	/* Who was executed anew has another argument. */
	if (f) {
		if (fgets(name, sizeof(name), f) && strcmp(name, "spin") == 0)
			exit(spin());
		if (strcmp(name, "quick") == 0)
			exit(9);
		fclose(f);
	}
	if (!drop_libc())
		exit(77);
	all();
}
