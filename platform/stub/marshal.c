/* SPDX-License-Identifier: Apache-2.0 */
/*
 * marshal.c: carry a call's small memory arguments in the channel; syscall-tables/marshal.h says what a
 * window is and that it is only an offer.
 */
#include "platform/stub/stub.h"

#include "stub_marshal.h"

/*
 * 64 KB by the channel are two copies of 2.2 us, of which file systems save one, and by the Sentry's process_vm call 6
 * (docs/decisions.md).  It would go on so for larger ones, but a slot's memory stays.  128 KB are what programs that
 * move bulk data ask for most (iperf3, cp, cat), if they ask for more than 64.
 */
#define WINDOW_MAX 131072u

struct marshal {
	volatile struct stub_slot *slot;
	uint64_t args[6];
	uint32_t count, used; /* windows; bytes of data */
	uint32_t room;        /* for data */
};

static bool probe(uint64_t addr, uint64_t size)
{
	uint64_t last = addr + size - 1, page;

	for (page = addr; page <= last; page = (page | 4095) + 1) {
		if (stub_probe(page))
			return false;
	}
	return true;
}

/* The number that the window's size comes from. */
static bool number(const struct marshal *m, const struct marshal_arg *a, uint64_t *n)
{
	uint64_t v = m->args[a->from & MARSHAL_ARG];
	uint32_t value;

	if (a->from == MARSHAL_CONST) {
		*n = 0;
		return true;
	}
	if (a->from & MARSHAL_DEREF) {
		if (!v || stub_load32(&value, v))
			return false;
		v = value;
	}
	*n = v;
	return true;
}

/* For the size bytes of addr that are in the slot's data already, or will be there afterwards; there is room for both. */
static void add_window(struct marshal *m, unsigned int arg, uint64_t addr, uint32_t size, uint32_t flags)
{
	volatile struct stub_window *w = &m->slot->windows[m->count];

	w->arg = arg;
	w->size = size;
	w->offset = m->used;
	w->flags = flags;
	w->addr = addr;
	m->count++;
	m->used += (size + 15) & ~15u;
	if (m->used > m->room)
		m->used = m->room;
}

static void add(struct marshal *m, const struct marshal_arg *a)
{
	uint8_t *data = (uint8_t *)(uintptr_t)m->slot->data + m->used;
	uint64_t addr = m->args[a->index], size, n;
	uint32_t flags = 0;

	if (!addr || m->count == STUB_WINDOWS_MAX || !number(m, a, &n))
		return;
	size = marshal_size(a, n);
	if (a->kind == MARSHAL_STRING) {
		size = a->unit;
		if (size > m->room - m->used)
			size = m->room - m->used;
		size = (uint64_t)stub_copy_string((char *)data, addr, size);
		flags = STUB_WINDOW_IN | STUB_WINDOW_STRING;
	}
	if (size == 0 || size > WINDOW_MAX || size > m->room - m->used || addr + size < addr)
		return;
	if (a->kind & MARSHAL_OUT) {
		if (!probe(addr, size))
			return;
		flags |= STUB_WINDOW_OUT;
	}
	if (a->kind & MARSHAL_IN) {
		if (stub_copy(data, (const void *)addr, size))
			return;
		flags |= STUB_WINDOW_IN;
	}
	add_window(m, a->index, addr, (uint32_t)size, flags);
}

/* Input that a vector or a header in memory leads to; no argument points to it. */
static void add_piece(struct marshal *m, uint64_t addr, uint64_t size)
{
	uint8_t *data = (uint8_t *)(uintptr_t)m->slot->data + m->used;

	if (!addr || size == 0 || m->count == STUB_WINDOWS_MAX || size > WINDOW_MAX ||
	    size > m->room - m->used || addr + size < addr || stub_copy(data, (const void *)addr, size))
		return;
	add_window(m, 6 /* none of them */, addr, (uint32_t)size, STUB_WINDOW_IN);
}

/* The bytes that a vector for writing names: one copy here is less than a process_vm_readv for each. */
static void add_vector(struct marshal *m, uint64_t iov, uint64_t count)
{
	struct {
		uint64_t base, len;
	} v;

	if (count > STUB_WINDOWS_MAX)
		return;
	for (uint64_t i = 0; i < count; i++) {
		if (stub_copy(&v, (const void *)(iov + i * sizeof(v)), sizeof(v)))
			return;
		add_piece(m, v.base, v.len);
	}
}

/* What sendmsg(2)'s header, itself a window, leads to. */
static void add_message(struct marshal *m, uint64_t msg)
{
	struct {
		uint64_t name, name_len, iov, iov_count, control, control_len, flags;
	} h;

	if (stub_copy(&h, (const void *)msg, sizeof(h)) || h.iov_count > STUB_WINDOWS_MAX)
		return;
	add_piece(m, h.iov, h.iov_count * 16);
	add_piece(m, h.name, (uint32_t)h.name_len);
	add_piece(m, h.control, h.control_len);
	add_vector(m, h.iov, h.iov_count);
}

/* What rt_sigreturn(2) reads is no argument: the frame's beginning, up to the siginfo. */
#define SIGFRAME_SIZE 312

static void add_sigframe(struct marshal *m, uint64_t addr)
{
	volatile struct stub_window *w = &m->slot->windows[0];

	if (stub_copy((uint8_t *)(uintptr_t)m->slot->data, (const void *)addr, SIGFRAME_SIZE))
		return;
	w->arg = 6; /* none of them */
	w->size = SIGFRAME_SIZE;
	w->offset = 0;
	w->flags = STUB_WINDOW_IN;
	w->addr = addr;
	m->count = 1;
}

void stub_marshal(const struct stub_ucontext *uc, uint64_t nr, volatile struct stub_slot *s)
{
	struct marshal m = {
		.slot = s,
		.room = STUB_DATA_SIZE((uint64_t)(uintptr_t)s - STUB_CHANNEL),
		.args = { uc->rdi, uc->rsi, uc->rdx, uc->r10, uc->r8, uc->r9 },
	};
	const struct marshal_call *c;

	if (nr == NR_rt_sigreturn) {
		add_sigframe(&m, uc->rsp - 8);
	} else if (nr < MARSHAL_CALLS) {
		c = &marshal_calls[nr];
		for (uint32_t i = 0; i < c->count; i++)
			add(&m, &marshal_args[c->first + i]);
		if (nr == NR_writev || nr == NR_pwritev || nr == NR_pwritev2)
			add_vector(&m, m.args[1], m.args[2]);
		else if (nr == NR_sendmsg)
			add_message(&m, m.args[1]);
	}
	s->window_count = m.count;
}

/* What the Sentry has put into the windows, once; they were probed, so a fault now is the application's doing. */
void stub_unmarshal(volatile struct stub_slot *s)
{
	uint32_t count = s->window_count, said = s->out_count;

	if (count == 0)
		return;
	s->window_count = 0;
	for (uint32_t i = 0; i < count && i < said && i < STUB_WINDOWS_MAX; i++) {
		uint32_t size = s->out_size[i], room = s->windows[i].size;
		const uint8_t *from = (const uint8_t *)(uintptr_t)s->data + s->windows[i].offset;

		if (i == 0 && room <= STUB_SMALL)
			from = (const uint8_t *)(uintptr_t)s->small;
		if (size && size <= room)
			(void)stub_copy((void *)s->windows[i].addr, from, size);
	}
}
