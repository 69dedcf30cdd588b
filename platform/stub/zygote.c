/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote.c: the first process with a stub, from which all others are made.  It starts as a copy of
 * the Sentry; its first trapped call brings it here, on the altstack of its area 0, with a real
 * frame that its children inherit.  It hands over the listener, drops everything that is the
 * Sentry's, and then only clones.
 */
#include "platform/stub/stub.h"

static void unmap(uint64_t from, uint64_t to)
{
	if (from < to && stub_call(NR_munmap, from, to - from, 0) != 0)
		stub_die(1);
}

void stub_zygote(struct stub_thread *t, struct stub_ucontext *uc)
{
	const struct stub_const *c = stub_const();
	volatile struct stub_zygote *z = (volatile struct stub_zygote *)(STUB_CHANNEL + STUB_ZYGOTE);
	uint32_t *state = (uint32_t *)(uintptr_t)&z->state;
	volatile struct stub_slot *s = stub_slot(t->index);

	s->fpstate = uc->fpstate;
	/* While we hold the listener ourselves, a doorbell would never learn of the Sentry's end. */
	__atomic_store_n(state, STUB_ZYGOTE_FD, __ATOMIC_RELEASE);
	(void)stub_call(NR_futex, state, 1, 1);
	while (__atomic_load_n(state, __ATOMIC_ACQUIRE) == STUB_ZYGOTE_FD)
		(void)stub_call6(NR_futex, (long)state, 0, STUB_ZYGOTE_FD, 0, 0, 0);
	(void)stub_call(NR_close, z->fd, 0, 0);
	(void)stub_call(NR_close, 2, 0, 0);

	if (c->vdso_min < c->vdso_max && c->vdso_min < STUB_BASE) {
		unmap(0, c->vdso_min);
		unmap(c->vdso_max, STUB_BASE);
		unmap(STUB_END, STUB_USER_END);
	} else if (c->vdso_min < c->vdso_max) {
		unmap(0, STUB_BASE);
		unmap(STUB_END, c->vdso_min);
		unmap(c->vdso_max, STUB_USER_END);
	} else {
		unmap(0, STUB_BASE);
		unmap(STUB_END, STUB_USER_END);
	}
	t->seq = 1;
	s->sleeps = 1;
	__atomic_store_n(state, STUB_ZYGOTE_READY, __ATOMIC_RELEASE);
	(void)stub_call(NR_futex, state, 1, 1);
	/* Parked as if request 1 were under way: the Sentry's first order is its answer. */
	while (__atomic_load_n((uint32_t *)(uintptr_t)&s->reply_seq, __ATOMIC_ACQUIRE) != t->seq)
		(void)stub_call6(NR_futex, (long)&s->reply_seq, 0, 0, 0, 0, 0);
}
