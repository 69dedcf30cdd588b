/* SPDX-License-Identifier: Apache-2.0 */
/* Jumps into the stub's text, at every few bytes, with registers of all kinds. */
#include "h.h"

static void jump(uint64_t at, uint64_t a, uint64_t nr)
{
	__asm__ volatile("mov %1, %%rax\n\tmov %2, %%rdi\n\tmov %2, %%rsi\n\tmov %2, %%rdx\n\t"
			 "mov %2, %%r10\n\tmov %2, %%r8\n\tmov %2, %%r9\n\tmov %2, %%rbx\n\t"
			 "mov %2, %%r12\n\tjmp *%0"
			 :
			 : "r"(at), "m"(nr), "m"(a)
			 : "rax", "rdi", "rsi", "rdx", "r10", "r8", "r9", "rbx", "r12", "memory");
}

static const uint64_t values[] = { 0, 1, ~0ull, STUB_AREAS, STUB_AREAS + STUB_THREAD,
	STUB_CHANNEL + STUB_SLOT(0), STUB_AREAS + 0x6000, STUB_TEXT };

static uint64_t first, step, value;

static void some(void)
{
	pid_t pids[4];
	unsigned int n = 0;

	for (uint64_t at = STUB_TEXT + first; at < STUB_TEXT + text_size(); at += step) {
		pids[n] = fork();
		if (pids[n] == 0) {
			jump(at, value, (rnd() & 1) ? STUB_DOORBELL : SYS_clone);
			_exit(0);
		}
		CHECK(pids[n] > 0);
		if (++n == 4) {
			while (n > 0)
				CHECK(end_of(pids[--n], 0.3) != -1);
		}
	}
	while (n > 0)
		CHECK(end_of(pids[--n], 0.3) != -1);
}

int main(void)
{
	NEED_STUB();
	for (unsigned int i = 0; i < sizeof(values) / sizeof(*values); i++) {
		first = 16 + i;
		step = 61;
		value = values[i];
		attack("jumps", some, 60);
	}
	return failures != 0;
}
