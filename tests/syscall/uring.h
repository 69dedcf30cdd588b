/* SPDX-License-Identifier: Apache-2.0 */
/* uring.h: a ring without a library, for the tests of io_uring. */
#pragma once

#include "t.h"

#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdbool.h>

#define SETUP_NO_SQARRAY (1u << 16)

static struct {
	int fd;
	struct io_uring_params p;
	_Atomic unsigned int *sq_head, *sq_tail, *cq_head, *cq_tail, *sq_flags;
	unsigned int *array, sq_mask, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned int queued;
} r;

static void __attribute__((unused)) ring_open(unsigned int entries, unsigned int flags)
{
	size_t size;
	char *m;

	memset(&r, 0, sizeof(r));
	r.p.flags = flags;
	r.fd = (int)syscall(SYS_io_uring_setup, entries, &r.p);
	if (r.fd < 0 && (errno == ENOSYS || errno == EPERM)) /* switched off on this machine */
		exit(77);
	CHECK(r.fd >= 0);
	CHECK(r.p.features & IORING_FEAT_SINGLE_MMAP);
	size = r.p.sq_off.array + r.p.sq_entries * 4;
	if (r.p.cq_off.cqes + r.p.cq_entries * sizeof(struct io_uring_cqe) > size)
		size = r.p.cq_off.cqes + r.p.cq_entries * sizeof(struct io_uring_cqe);
	m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, IORING_OFF_SQ_RING);
	r.sqes = mmap(NULL, r.p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED,
		      r.fd, IORING_OFF_SQES);
	CHECK(m != MAP_FAILED && r.sqes != MAP_FAILED);
	r.sq_head = (void *)(m + r.p.sq_off.head);
	r.sq_tail = (void *)(m + r.p.sq_off.tail);
	r.sq_flags = (void *)(m + r.p.sq_off.flags);
	r.sq_mask = *(unsigned int *)(void *)(m + r.p.sq_off.ring_mask);
	r.array = flags & SETUP_NO_SQARRAY ? NULL : (void *)(m + r.p.sq_off.array);
	r.cq_head = (void *)(m + r.p.cq_off.head);
	r.cq_tail = (void *)(m + r.p.cq_off.tail);
	r.cq_mask = *(unsigned int *)(void *)(m + r.p.cq_off.ring_mask);
	r.cqes = (void *)(m + r.p.cq_off.cqes);
}

static struct io_uring_sqe *sqe(int op, int fd, const void *addr, unsigned int len, uint64_t off,
				uint64_t data)
{
	unsigned int tail = *r.sq_tail, i = tail & r.sq_mask;
	struct io_uring_sqe *e = &r.sqes[i];

	memset(e, 0, sizeof(*e));
	e->opcode = (unsigned char)op;
	e->fd = fd;
	e->addr = (uintptr_t)addr;
	e->len = len;
	e->off = off;
	e->user_data = data;
	if (r.array)
		r.array[i] = i;
	atomic_store(r.sq_tail, tail + 1);
	r.queued++;
	return e;
}

static long __attribute__((unused)) enter(unsigned int min)
{
	unsigned int n = r.queued, flags = min ? IORING_ENTER_GETEVENTS : 0;

	r.queued = 0;
	if (r.p.flags & IORING_SETUP_SQPOLL) {
		atomic_thread_fence(memory_order_seq_cst);
		if (atomic_load(r.sq_flags) & IORING_SQ_NEED_WAKEUP)
			flags |= IORING_ENTER_SQ_WAKEUP;
	}
	return syscall(SYS_io_uring_enter, r.fd, n, min, flags, NULL, 8);
}

static unsigned int flags_seen; /* of the completion that result() found last */

/* The result of the completion with that data; the queue is searched and emptied up to count. */
static int __attribute__((unused)) result(uint64_t data)
{
	static struct io_uring_cqe seen[64];
	static int n;

	for (int tries = 0; tries < 200; tries++) {
		for (int i = 0; i < n; i++) {
			if (seen[i].user_data == data) {
				struct io_uring_cqe found = seen[i];

				for (n--; i < n; i++) /* in their order: a request may have several */
					seen[i] = seen[i + 1];
				flags_seen = found.flags;
				return found.res;
			}
		}
		if (*r.cq_head == *r.cq_tail)
			syscall(SYS_io_uring_enter, r.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 8);
		while (*r.cq_head != *r.cq_tail && n < 64) {
			seen[n++] = r.cqes[*r.cq_head & r.cq_mask];
			atomic_fetch_add(r.cq_head, 1);
		}
	}
	return -9999;
}
