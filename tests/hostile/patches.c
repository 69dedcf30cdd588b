/* SPDX-License-Identifier: Apache-2.0 */
/* Patched call sites: jumps into trampolines, writing and unmapping them, lies in their descriptors. */
#include "h.h"
#include <asm/prctl.h>

/* A call site of our own, and what a trampoline says of it. */
__asm__(".text\n.globl site\nsite: mov $110, %eax\nsite_call: syscall\n	cmp $-4096, %rax\n	ja 1f\n	ret\n1: ret\n");
extern char site_call[];
long site(void);

static unsigned char *trampoline;

/* Calls until the platform has patched the site; false: it does not patch. */
static bool find(void)
{
	int32_t d;

	for (int i = 0; i < 2000 && (unsigned char)site_call[0] != 0xe9; i++)
		(void)site();
	if ((unsigned char)site_call[0] != 0xe9)
		return false;
	memcpy(&d, site_call + 1, 4);
	trampoline = (unsigned char *)site_call + 5 + d;
	return true;
}

static long jump(const void *at, long nr, uint64_t a)
{
	long ret;

	__asm__ volatile("lea 1f(%%rip), %%rbx\n\tpush %%rbx\n\tmov %2, %%rdi\n\tmov %2, %%rsi\n\tmov %2, %%rdx\n\t"
			 "mov %2, %%r10\n\tmov %2, %%r11\n\tmov %2, %%rcx\n\tjmp *%1\n1:"
			 : "=a"(ret)
			 : "r"(at), "m"(a), "a"(nr)
			 : "rdi", "rsi", "rdx", "r10", "r11", "rcx", "rbx", "memory");
	return ret;
}

static uint64_t value;
static long number;
static const uint64_t values[] = { 0, ~0ull, STUB_AREAS, STUB_TEXT, STUB_CHANNEL + STUB_SLOT(0) };

static void into(void)
{
	pid_t pid;

	for (int at = 0; at < 160; at++) {
		pid = fork();
		if (pid == 0) {
			(void)jump(trampoline + at, number, value);
			_exit(0);
		}
		CHECK(end_of(pid, 0.3) != -1);
	}
}

/* Its own syscall instruction is outside the stub's text: what the filter forbids stays forbidden. */
static void through(void)
{
	for (int at = 0; at < 100; at++) {
		if (trampoline[at] != 0x0f || trampoline[at + 1] != 0x05)
			continue;
		CHECK(jump(trampoline + at, SYS_getpid, 0) == getpid() || 1);
		CHECK(jump(trampoline + at, 999, 0) == -ENOSYS);
		CHECK(jump(trampoline + at, SYS_reboot, 0) < 0);
		return;
	}
	CHECK(!"a syscall instruction");
}

static void written(void)
{
	unsigned char *page = (unsigned char *)((uint64_t)trampoline & ~4095ul);
	pid_t parent = getppid(), pid;

	/* Nobody but the Sentry writes there: other processes run it too. */
	CHECK(raw(SYS_mprotect, (long)page, 4096, PROT_READ | PROT_WRITE, 0, 0, 0) < 0);
	CHECK(raw(SYS_mprotect, (long)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0, 0) < 0);
	pid = fork();
	if (pid == 0)
		*(volatile unsigned char *)trampoline = 0xcc;
	CHECK(end_of(pid, 5) != 0);
	CHECK(site() == parent);
}

static void unmapped(void)
{
	unsigned char *page = (unsigned char *)((uint64_t)trampoline & ~4095ul);
	pid_t parent = getppid();

	CHECK(munmap(page, 4096) == 0);
	for (int i = 0; i < 500; i++)
		CHECK(site() == parent);
	CHECK(find());
	page = (unsigned char *)((uint64_t)trampoline & ~4095ul);
	CHECK(mmap(page, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	for (int i = 0; i < 500; i++)
		CHECK(site() == parent);
	CHECK(find());
	page = (unsigned char *)((uint64_t)trampoline & ~4095ul);
	CHECK(mprotect(page, 4096, PROT_NONE) == 0);
	for (int i = 0; i < 500; i++)
		CHECK(site() == parent);
}

/* GS made to look like a thread of the stub's, and is none. */
static void wrong_gs(void)
{
	static const uint64_t bases[] = { STUB_AREAS + STUB_THREAD + STUB_AREA_SIZE * 7, STUB_AREAS,
					  STUB_TEXT, STUB_CHANNEL, 0x7ffbffff0000 };
	pid_t pid;

	for (unsigned int i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		pid = fork();
		if (pid == 0) {
			__asm__ volatile("wrgsbase %0" : : "r"(bases[i]));
			(void)site();
			_exit(0);
		}
		CHECK(end_of(pid, 1) != -1);
	}
}

/* Text that the program itself scribbles on, while it is patched. */
static void *caller(void *arg)
{
	for (int i = 0; i < 3000; i++)
		(void)site();
	return arg;
}

static void scribbled(void)
{
	unsigned char *page = (unsigned char *)((uint64_t)site_call & ~4095ul);
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, caller, NULL) == 0);
	for (int i = 0; i < 200; i++) {
		(void)mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
		if (i % 7 == 0)
			site_call[2] = (char)i;
		(void)mprotect(page, 8192, PROT_READ | PROT_EXEC);
		if (i % 5 == 0)
			(void)madvise(page, 8192, MADV_DONTNEED);
	}
	for (int i = 0; i < 4; i++)
		(void)pthread_join(t[i], NULL);
}

int main(void)
{
	NEED_STUB();
	if (!find()) {
		printf("nothing is patched here\n");
		return 77;
	}
	for (unsigned int i = 0; i < sizeof(values) / sizeof(*values); i++) {
		value = values[i];
		number = i % 2 ? SYS_clone : STUB_DOORBELL;
		attack("jumps into a trampoline", into, 60);
	}
	CHECK(attack("its syscall instruction", through, GUARD) == 0);
	CHECK(attack("writing trampolines", written, GUARD) == 0);
	CHECK(attack("unmapping trampolines", unmapped, GUARD) == 0);
	attack("another GS base", wrong_gs, 20);
	attack("scribbling on text", scribbled, 20);
	return failures != 0;
}
