/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c: the application's memory as a system call sees it: through the windows that the stub
 * marshalled (syscall-tables/marshal.h), else by process_vm_readv/writev.
 *
 * Input is copied out of the slot when the event arrives, so that it stays what was checked, but for
 * large windows: these are hostile memory like the application's own, and are copied when they are read.  Output
 * goes into the slot's data as long as it grows from the window's start without a gap, and the reply
 * says how much there is; what lies behind a gap goes to the application at once.  Host calls may read
 * and write there directly.
 */
#include "platform/notify/notify_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/mem.h"
#include "platform/host.h"

/* Input beyond this stays where it is until it is asked for. */
#define BULK_MIN 8193

/* Where the window's input is. */
static uint8_t *window_input(struct plat_thread *pt, const struct notify_window *w)
{
	return w->size < BULK_MIN ? pt->input + w->input : pt->slot->data + w->offset;
}

/* Where the window's output goes. */
static uint8_t *window_output(struct plat_thread *pt, const struct notify_window *w)
{
	if (w == &pt->windows[0] && w->size <= STUB_SMALL)
		return (uint8_t *)pt->answer.small;
	return pt->slot->data + w->offset;
}

/* Room for size bytes of input; false: no memory, the windows are left out. */
static bool input_reserve(struct plat_thread *pt, size_t size)
{
	void *p;

	if (size <= pt->input_room)
		return true;
	p = mem_realloc(pt->input, size, 1);
	if (!p)
		return false;
	pt->input = p;
	pt->input_room = size;
	return true;
}

/* One window, or one and an empty string, of a call from a patched site: what there is to know came with the arguments. */
static void window_take_one(struct plat_thread *pt, uint32_t said)
{
	struct notify_window *w = &pt->windows[0];
	unsigned int arg = STUB_WINDOW_ONE_ARG(said), empty = STUB_WINDOW_EMPTY_ARG(said);

	if (empty) {
		w->addr = empty <= 6 ? pt->request.args[empty - 1] : 0;
		w->size = 1;
		w->offset = 0;
		w->flags = STUB_WINDOW_IN | STUB_WINDOW_STRING;
		w++;
	}
	w->addr = arg < 6 ? pt->request.args[arg] : 0;
	w->size = STUB_WINDOW_ONE_SIZE(said);
	w->offset = empty ? STUB_WINDOW_EMPTY_ROOM : 0;
	w->flags = STUB_WINDOW_ONE_FLAGS(said);
	pt->window_count = empty ? 2 : 1;
}

static void windows_take_listed(struct plat_thread *pt)
{
	const volatile struct stub_slot *s = pt->slot;
	uint32_t count = s->window_count;

	for (uint32_t i = 0; i < count && i < STUB_WINDOWS_MAX; i++) {
		struct notify_window *w = &pt->windows[i];

		w->addr = s->windows[i].addr;
		w->size = s->windows[i].size;
		w->offset = s->windows[i].offset;
		w->flags = s->windows[i].flags;
		pt->window_count++;
	}
}

/* The poller writes what the stub has read last: the lines are asked for before the call is made. */
static void windows_expect(struct plat_thread *pt)
{
	const struct notify_window *w = &pt->windows[pt->window_count - 1];
	const uint8_t *p = pt->slot->data;
	uint32_t size = MIN(w->size, 4096u);

	if (!(w->flags & STUB_WINDOW_OUT) || size <= STUB_SMALL)
		return;
	for (uint32_t at = 0; at < size; at += 64)
		__builtin_prefetch(p + at, 1);
}

void notify_windows_take(struct plat_thread *pt)
{
	struct notify_window *w;
	uint32_t said = pt->request.window;
	size_t input = 0, room = STUB_DATA_SIZE(STUB_SLOT(pt->index));

	pt->window_count = 0;
	if (said == 0)
		return;
	if (said == STUB_WINDOW_SEE) {
		windows_take_listed(pt);
	} else {
		window_take_one(pt, said);
		windows_expect(pt);
	}
	for (uint32_t i = 0; i < pt->window_count; i++) {
		w = &pt->windows[i];
		w->filled = 0;
		w->input = input;
		if (w->size > room || w->offset > room - w->size ||
		    w->addr + w->size < w->addr)
			w->size = 0; /* no address is in it */
		if ((w->flags & STUB_WINDOW_IN) && w->size < BULK_MIN)
			input += w->size;
	}
	if (input == 0)
		return;
	if (input > room || !input_reserve(pt, input)) {
		pt->window_count = 0;
		return;
	}
	for (uint32_t i = 0; i < pt->window_count; i++) {
		w = &pt->windows[i];
		if (i == 0 && said != STUB_WINDOW_SEE && STUB_WINDOW_EMPTY_ARG(said))
			pt->input[w->input] = '\0';
		else if ((w->flags & STUB_WINDOW_IN) && w->size < BULK_MIN)
			memcpy(pt->input + w->input, pt->slot->data + w->offset, w->size);
	}
}

void notify_windows_reply(struct plat_thread *pt)
{
	for (uint32_t i = 0; i < pt->window_count; i++)
		pt->answer.out_size[i] = pt->windows[i].filled;
	pt->answer.out_count = (uint8_t)pt->window_count;
	pt->window_count = 0;
}

/* The window with this flag that [addr, addr+size) begins in. */
static struct notify_window *window_at(struct plat_thread *pt, uint64_t addr, uint32_t flag)
{
	for (uint32_t i = 0; i < pt->window_count; i++) {
		struct notify_window *w = &pt->windows[i];

		if ((w->flags & flag) && addr - w->addr < w->size)
			return w;
	}
	return NULL;
}

static ssize_t window_space_read(const struct uio_space *s, uint64_t addr, void *dst, size_t size)
{
	struct plat_thread *pt = container_of(s, struct plat_thread, space);
	struct notify_window *w = window_at(pt, addr, STUB_WINDOW_IN);
	size_t left;

	if (w) {
		left = w->size - (size_t)(addr - w->addr);
		/* A string ends with its NUL: who asks for more finds it and stops. */
		if (size > left && (w->flags & STUB_WINDOW_STRING))
			size = left;
		if (size <= left) {
			memcpy(dst, window_input(pt, w) + (addr - w->addr), size);
			return (ssize_t)size;
		}
	}
	return plat_mm_read(pt->mm, addr, dst, size, false);
}

/* Later reads of what is input and output see what was written. */
static void input_update(struct plat_thread *pt, uint64_t addr, const void *src, size_t size)
{
	struct notify_window *w = window_at(pt, addr, STUB_WINDOW_IN);

	if (w)
		memcpy(window_input(pt, w) + (addr - w->addr), src,
		       MIN(size, w->size - (size_t)(addr - w->addr)));
}

/* Output goes on at addr without a gap. */
static bool window_continues(const struct notify_window *w, uint64_t addr)
{
	return addr - w->addr <= w->filled;
}

static void *window_space_window(const struct uio_space *s, uint64_t addr, size_t *size, bool write)
{
	struct plat_thread *pt = container_of(s, struct plat_thread, space);
	struct notify_window *w = window_at(pt, addr, write ? STUB_WINDOW_OUT : STUB_WINDOW_IN);
	size_t at;

	/* What is input too is brought up to date by window_space_write(). */
	if (!w || (write && ((w->flags & STUB_WINDOW_IN) || !window_continues(w, addr))))
		return NULL;
	at = (size_t)(addr - w->addr);
	if (*size > w->size - at)
		return NULL;
	return (write ? window_output(pt, w) : window_input(pt, w)) + at;
}

static void window_space_filled(const struct uio_space *s, uint64_t addr, size_t size)
{
	struct plat_thread *pt = container_of(s, struct plat_thread, space);
	struct notify_window *w = window_at(pt, addr, STUB_WINDOW_OUT);

	ASSERT(w && size <= w->size - (size_t)(addr - w->addr));
	w->filled = MAX(w->filled, (uint32_t)(addr - w->addr + size));
}

/*
 * Have the process fault in [addr, addr+size), unless that was done last time.  What can't be populated
 * is left to the copy, which knows the errors.  The caller may hold mutexes (a pipe's), and sleeps with
 * them until the stub has answered, as Linux does in a fault; a stub that never answers is ended by the
 * SIGKILL that ends its process.
 */
static void populate(struct plat_thread *pt, uint64_t addr, size_t size)
{
	uint64_t from = addr & ~(PAGE_SIZE - 1ull), to;
	struct plat_hostcall c = { .nr = SYS_madvise, .host_fd = -1 };

	if (!atomic_load_explicit(&pt->mm->populate, memory_order_relaxed) || size < PAGE_SIZE ||
	    fiber_self() != pt->fiber || __builtin_add_overflow(addr, size + PAGE_SIZE - 1, &to))
		return;
	to &= ~(PAGE_SIZE - 1ull);
	if (from >= pt->populated && to <= pt->populated_end)
		return;
	c.args[0] = from;
	c.args[1] = to - from;
	c.args[2] = MADV_POPULATE_WRITE;
	if (!plat_hostcall_is_allowed(&c) || notify_hostcalls_raw(pt, &c, 1) != 1)
		return;
	pt->populated = from;
	pt->populated_end = to;
}

static ssize_t window_space_write(const struct uio_space *s, uint64_t addr, const void *src,
				  size_t size)
{
	struct plat_thread *pt = container_of(s, struct plat_thread, space);
	struct notify_window *w = window_at(pt, addr, STUB_WINDOW_OUT);
	uint32_t at;

	input_update(pt, addr, src, size);
	if (w) {
		at = (uint32_t)(addr - w->addr);
		if (window_continues(w, addr) && size <= w->size - at) {
			memcpy(window_output(pt, w) + at, src, size);
			w->filled = MAX(w->filled, at + (uint32_t)size);
			return (ssize_t)size;
		}
	}
	populate(pt, addr, size);
	return plat_mm_write(pt->mm, addr, src, size, false);
}

static ssize_t window_space_writev(const struct uio_space *s, uint64_t addr, const struct iovec *iov,
				   size_t count)
{
	struct plat_thread *pt = container_of(s, struct plat_thread, space);
	ssize_t n, done = 0;
	size_t size = 0;

	if (pt->window_count == 0) {
		for (size_t i = 0; i < count; i++)
			size += iov[i].iov_len;
		populate(pt, addr, size);
		return plat_mm_writev(pt->mm, addr, iov, count);
	}
	for (size_t i = 0; i < count; i++) {
		n = window_space_write(s, addr + (uint64_t)done, iov[i].iov_base, iov[i].iov_len);
		if (n < 0)
			return done ? done : n;
		done += n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return done;
}

void notify_windows_init(struct plat_thread *pt)
{
	pt->space.read = window_space_read;
	pt->space.write = window_space_write;
	pt->space.writev = window_space_writev;
	pt->space.window = window_space_window;
	pt->space.filled = window_space_filled;
}
