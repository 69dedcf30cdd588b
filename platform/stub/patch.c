/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch.c: rewriting code for the Sentry, which has decided and decoded; docs/patching.md.
 *
 * Other threads may be anywhere in these bytes.  Every byte at which an instruction begins becomes
 * int3 first, then the others are changed, then the first ones: after each step every thread of the
 * process has to have fetched anew (membarrier SYNC_CORE), so what runs is at any time an old
 * instruction, an int3, or a new one.
 */
#include "platform/stub/stub.h"

#define INT3 0xcc
#define SYNC_CORE          32
#define SYNC_CORE_REGISTER 64

bool stub_is_watched(uint64_t addr, uint64_t size)
{
	volatile struct stub_process *p = stub_process();
	uint32_t *seq = (uint32_t *)(uintptr_t)&p->watch_seq;
	uint32_t before = __atomic_load_n(seq, __ATOMIC_ACQUIRE);
	uint32_t count = p->watch_count;
	uint64_t end = addr + size;

	if (end < addr)
		end = UINT64_MAX;
	for (uint32_t i = 0; i < count && i < STUB_WATCH_MAX; i++) {
		if (addr < p->watch[i].end && end > p->watch[i].start)
			return true;
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* It changes just now: the Sentry will look. */
	return (before & 1) || __atomic_load_n(seq, __ATOMIC_RELAXED) != before;
}

static bool poke(uint64_t addr, uint8_t byte)
{
	return stub_copy((void *)addr, &byte, 1) == 0;
}

static long sync_others(uint32_t sync)
{
	if (!(sync & STUB_SYNC_THREADS))
		return 0;
	return stub_call(NR_membarrier, SYNC_CORE, 0, 0);
}

static bool is_begin(const struct stub_patch *p, uint32_t n)
{
	return n == 0 || (p->traps & (1u << n));
}

static long rewrite(const struct stub_patch *p)
{
	uint8_t now[8];

	if (stub_copy(now, (const void *)p->addr, p->size))
		return -EFAULT_;
	for (uint32_t n = 0; n < p->size; n++) {
		if (now[n] != p->old[n])
			return -EAGAIN_;
	}
	for (uint32_t n = 0; n < p->size; n++) {
		if (is_begin(p, n) && !poke(p->addr + n, INT3))
			return -EFAULT_;
	}
	(void)sync_others(p->sync);
	for (uint32_t n = 0; n < p->size; n++) {
		if (!is_begin(p, n))
			(void)poke(p->addr + n, p->fresh[n]);
	}
	(void)sync_others(p->sync);
	for (uint32_t n = p->size; n-- > 0;) {
		if (is_begin(p, n))
			(void)poke(p->addr + n, p->fresh[n]);
	}
	(void)sync_others(p->sync);
	return 0;
}

long stub_patch(volatile struct stub_slot *s, struct stub_ucontext *uc)
{
	struct stub_patch p;
	uint64_t first, size;
	long r;

	memcpy(&p, (const void *)(uintptr_t)&s->patch, sizeof(p));
	if (p.size > sizeof(p.old))
		return -EINVAL_;
	first = p.addr & ~4095ull;
	size = ((p.addr + p.size + 4095) & ~4095ull) - first;
	if (p.sync & STUB_SYNC_REGISTER) {
		r = stub_call(NR_membarrier, SYNC_CORE_REGISTER, 0, 0);
		if (r < 0)
			return r;
	}
	r = stub_call(NR_mprotect, first, size, 7);
	if (r < 0)
		return r;
	r = rewrite(&p);
	(void)stub_call(NR_mprotect, first, size, 5);
	if (r == 0 && p.resume && uc->rip == p.ip)
		uc->rip = p.resume;
	return r;
}
