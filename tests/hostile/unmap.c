/* SPDX-License-Identifier: Apache-2.0 */
/* The stub's parts and the vDSO unmapped, moved, protected: by polite calls, and natively. */
#include "h.h"
#include <sys/auxv.h>

static const uint64_t places[] = { STUB_TEXT, STUB_CONST, STUB_CHANNEL, STUB_CHANNEL + STUB_SLOT(0),
	STUB_CHANNEL + STUB_ZYGOTE, STUB_PROCESS, STUB_AREAS, STUB_AREAS + 4096, STUB_AREAS + STUB_ALTSTACK,
	STUB_AREAS + STUB_AREA_SIZE - 4096 };
#define PLACES (sizeof(places) / sizeof(*places))

static void polite(void)
{
	for (size_t i = 0; i < PLACES; i++) {
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

/* What the stub believes of itself (ids, whether it may answer) can't be written, whoever asks for it. */
static void process_page(void)
{
	const long at = STUB_PROCESS, copy = 0x10000000;
	pid_t pid, self = getpid();
	int status;

	pid = fork();
	if (pid == 0) {
		*(volatile uint32_t *)at = 0;
		_exit(3);
	}
	status = end_of(pid, GUARD);
	CHECK(status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	CHECK(native(SYS_mprotect, at, 4096, PROT_READ | PROT_WRITE, 0, 0, 0) == -EACCES);
	if (native(SYS_mremap, at, 0, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, copy, 0) == copy)
		CHECK(native(SYS_mprotect, copy, 4096, PROT_READ | PROT_WRITE, 0, 0, 0) == -EACCES);
	CHECK(raw(SYS_getpid, 0, 0, 0, 0, 0, 0) == self && raw(SYS_gettid, 0, 0, 0, 0, 0, 0) == self);
}

static uint64_t place;
static int how;

static void rude(void)
{
	pid_t pid;
	int i;

	switch (how) {
	case 0:
		(void)native(SYS_munmap, (long)place, 4096, 0, 0, 0, 0);
		break;
	case 1:
		(void)native(SYS_mprotect, (long)place, 4096, PROT_NONE, 0, 0, 0);
		break;
	case 2:
		(void)native(SYS_mprotect, (long)place, 4096, PROT_READ, 0, 0, 0);
		break;
	case 3:
		(void)native(SYS_mremap, (long)place, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x10000000, 0);
		break;
	case 4:
		(void)native(SYS_mmap, (long)place, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 5:
		(void)native(SYS_madvise, (long)place, 4096, MADV_DONTNEED, 0, 0, 0);
		break;
	case 6: { /* no alternate stack */
		stack_t none = { .ss_flags = SS_DISABLE };

		(void)native(SYS_sigaltstack, (long)&none, 0, 0, 0, 0, 0);
		break;
	}
	case 7:
		(void)native(SYS_munmap, (long)STUB_BASE, (long)(STUB_END - STUB_BASE), 0, 0, 0, 0);
		break;
	}
	for (i = 0; i < 20; i++) {
		(void)raw(SYS_getsid, 0, 0, 0, 0, 0, 0);
		pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	_exit(0);
}

static void everything(void)
{
	(void)native(SYS_munmap, 0x1000, 0x7ffffffff000 - 0x1000 - 4096, 0, 0, 0, 0);
}

static void vdso(void)
{
	uint64_t v = getauxval(AT_SYSINFO_EHDR);

	if (!v)
		return;
	(void)native(SYS_munmap, (long)v, 8192, 0, 0, 0, 0);
	(void)raw(SYS_clock_gettime, 1, 0, 0, 0, 0, 0);
	now();
}

/* Stack pointers where only the stub's may be. */
static void stacks(void)
{
	static const uint64_t at[] = { STUB_AREAS + 4096, STUB_AREAS + 8192, STUB_AREAS + STUB_ALTSTACK + 64,
		STUB_AREAS + STUB_THREAD - 64, STUB_AREAS + STUB_AREA_SIZE, STUB_CHANNEL + STUB_SLOT(0) + 8192,
		0, 8, ~0ull, 0x8000000000000000, STUB_TEXT + 64 };

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		for (int k = 0; k < 3; k++) {
			pid_t pid = fork();

			if (pid == 0) {
				if (k == 0)
					__asm__ volatile("mov %0, %%rsp\n\tmov $124, %%eax\n\txor %%edi, %%edi\n\t"
							 "syscall\n\tmov $231, %%eax\n\tsyscall\n\thlt"
							 : : "r"(at[i]) : "memory");
				else if (k == 1)
					__asm__ volatile("mov %0, %%rsp\n\tpush %%rax\n\tud2" : : "r"(at[i]) : "memory");
				else
					__asm__ volatile("mov %0, %%rsp\n1:\tmov $56, %%eax\n\tmov $17, %%edi\n\t"
							 "xor %%esi, %%esi\n\tsyscall\n\tmov $231, %%eax\n\tsyscall\n\thlt"
							 : : "r"(at[i]) : "memory");
			}
			CHECK(pid > 0 && end_of(pid, 2) != -1);
		}
	}
}

int main(void)
{
	NEED_STUB();
	CHECK(native_find());
	CHECK(WIFEXITED(attack("polite calls", polite, GUARD)));
	CHECK(WIFEXITED(attack("the process page", process_page, GUARD)));
	for (how = 0; how < 6; how++) {
		for (size_t i = 0; i < PLACES; i++) {
			place = places[i];
			attack("rude calls", rude, 2);
		}
	}
	how = 6;
	attack("no alternate stack", rude, 2);
	how = 7;
	attack("no stub", rude, 2);
	attack("nothing at all", everything, 2);
	attack("no vDSO", vdso, 2);
	attack("stack pointers", stacks, 60);
	return failures != 0;
}
