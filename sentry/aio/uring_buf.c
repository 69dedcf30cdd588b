/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_buf.c: provided buffers (IOSQE_BUFFER_SELECT): groups of buffers of which a request takes one when its data
 * is there.
 *
 * A group holds what IORING_OP_PROVIDE_BUFFERS has given it (oldest first), or is a ring in the application's memory
 * that it fills itself (IORING_REGISTER_PBUF_RING): then what requests have given back unused comes first.  The ring's
 * tail and entries are hostile: read once, at one place.
 */
#include <errno.h>

#include "lib/mem.h"
#include "sentry/aio/uring_impl.h"
#include "sentry/task/task.h"

#define GROUPS_MAX  1024
#define BIDS_MAX    65536u
#define RING_MAX    32768u
#define TAIL_AT     14 /* of the ring's first entry: struct io_uring_buf_ring */

struct uring_buf_group {
	struct list node;
	uint16_t id;
	bool ring;
	uint64_t addr;           /* of the ring */
	uint32_t entries;
	uint16_t head;           /* the ring's, ours */
	struct uring_buf *bufs;  /* owned: at, then count of them */
	size_t at, count, room;
};

void uring_bufs_init(struct uring_bufs *b)
{
	mutex_init(&b->lock, LOCK_PIPE);
	list_init(&b->groups);
	b->count = 0;
}

static void group_free(struct uring_buf_group *g)
{
	mem_free(g->bufs);
	mem_free(g);
}

void uring_bufs_fini(struct uring_bufs *b)
{
	struct uring_buf_group *g;

	while ((g = list_first(&b->groups, struct uring_buf_group, node)) != NULL) {
		list_remove(&g->node);
		group_free(g);
	}
}

static struct uring_buf_group *group_find_locked(struct uring_bufs *b, uint16_t id)
{
	struct uring_buf_group *g;

	list_for_each_entry(g, &b->groups, node)
		if (g->id == id)
			return g;
	return NULL;
}

static int group_new_locked(struct uring_bufs *b, uint16_t id, struct uring_buf_group **out)
{
	struct uring_buf_group *g = b->count < GROUPS_MAX ? mem_new(struct uring_buf_group) : NULL;

	if (!g)
		return -ENOMEM;
	g->id = id;
	list_append(&b->groups, &g->node);
	b->count++;
	*out = g;
	return 0;
}

static int group_put_locked(struct uring_bufs *b, struct uring_buf_group *g, const struct uring_buf *buf)
{
	if (b->total >= BIDS_MAX)
		return -ENOMEM;
	if (g->at + g->count == g->room) {
		size_t room = 2 * g->room + 16;
		struct uring_buf *grown;

		if (g->at) { /* make room at the end first */
			for (size_t i = 0; i < g->count; i++)
				g->bufs[i] = g->bufs[g->at + i];
			g->at = 0;
		}
		if (g->count == g->room) {
			grown = g->room < BIDS_MAX ? mem_realloc(g->bufs, room, sizeof(*grown)) : NULL;
			if (!grown)
				return -ENOMEM;
			g->bufs = grown;
			g->room = room;
		}
	}
	g->bufs[g->at + g->count++] = *buf;
	b->total++;
	return 0;
}

static int ring_take_locked(struct task *t, struct uring_buf_group *g, struct uring_buf *out)
{
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t bid, resv;
	} e;
	uint16_t tail;

	if (uaccess_get(t, &tail, (uaddr_t){ g->addr + TAIL_AT }, sizeof(tail)))
		return -EFAULT;
	if (tail == g->head)
		return -ENOBUFS;
	if (uaccess_get(t, &e, (uaddr_t){ g->addr + (g->head & (g->entries - 1)) * sizeof(e) }, sizeof(e)))
		return -EFAULT;
	g->head++;
	*out = (struct uring_buf){ .addr = e.addr, .len = e.len, .bid = e.bid };
	return 0;
}

int uring_buf_take(struct task *t, struct uring_bufs *b, uint16_t group, struct uring_buf *out)
{
	struct uring_buf_group *g;
	int err = -ENOBUFS;

	mutex_lock(&b->lock);
	g = group_find_locked(b, group);
	if (g && g->count) {
		*out = g->bufs[g->at++];
		g->count--;
		b->total--;
		err = 0;
	} else if (g && g->ring) {
		err = ring_take_locked(t, g, out);
	}
	mutex_unlock(&b->lock);
	return err;
}

void uring_buf_give_back(struct uring_bufs *b, uint16_t group, const struct uring_buf *buf)
{
	struct uring_buf_group *g;

	mutex_lock(&b->lock);
	g = group_find_locked(b, group);
	if (g)
		(void)!group_put_locked(b, g, buf); /* without memory it is lost */
	mutex_unlock(&b->lock);
}

long uring_bufs_provide(struct uring_bufs *b, const struct io_uring_sqe *e)
{
	struct uring_buf_group *g;
	long err = 0;

	if (e->fd <= 0 || (uint32_t)e->fd > BIDS_MAX || e->off > UINT16_MAX)
		return -E2BIG;
	if (!e->len || e->off + (uint32_t)e->fd > BIDS_MAX || e->rw_flags || e->splice_fd_in)
		return -EINVAL;
	mutex_lock(&b->lock);
	g = group_find_locked(b, e->buf_group);
	if (!g)
		err = group_new_locked(b, e->buf_group, &g);
	if (!err && g->ring)
		err = -EINVAL;
	for (uint32_t i = 0; !err && i < (uint32_t)e->fd; i++) {
		struct uring_buf buf = {
			.addr = e->addr + (uint64_t)i * e->len, .len = e->len, .bid = (uint16_t)(e->off + i),
		};

		err = group_put_locked(b, g, &buf);
	}
	mutex_unlock(&b->lock);
	return err;
}

long uring_bufs_remove(struct uring_bufs *b, const struct io_uring_sqe *e)
{
	struct uring_buf_group *g;
	long n = -ENOENT;

	if (e->fd <= 0 || (uint32_t)e->fd > BIDS_MAX || e->rw_flags || e->addr || e->len || e->off || e->splice_fd_in)
		return -EINVAL;
	mutex_lock(&b->lock);
	g = group_find_locked(b, e->buf_group);
	if (g && g->ring) {
		n = -EINVAL;
	} else if (g) {
		n = MIN((long)g->count, (long)e->fd);
		g->at += (size_t)n;
		g->count -= (size_t)n;
		b->total -= (size_t)n;
	}
	mutex_unlock(&b->lock);
	return n;
}

/* struct io_uring_buf_reg, which older headers lack. */
struct buf_reg {
	uint64_t ring_addr;
	uint32_t ring_entries;
	uint16_t bgid, flags;
	uint64_t resv[3];
};

int uring_bufs_register_ring(struct task *t, struct uring_bufs *b, uaddr_t arg)
{
	struct uring_buf_group *g;
	struct buf_reg r;
	int err;

	if (uaccess_get(t, &r, arg, sizeof(r)))
		return -EFAULT;
	if (r.flags || r.resv[0] || r.resv[1] || r.resv[2])
		return -EINVAL; /* IOU_PBUF_RING_MMAP, IOU_PBUF_RING_INC */
	if (!r.ring_addr)
		return -EFAULT;
	if ((r.ring_addr & (PAGE_SIZE - 1)) || !r.ring_entries || (r.ring_entries & (r.ring_entries - 1)) ||
	    r.ring_entries > RING_MAX)
		return -EINVAL;
	mutex_lock(&b->lock);
	g = group_find_locked(b, r.bgid);
	if (g && (g->ring || g->count))
		err = -EEXIST;
	else
		err = g ? 0 : group_new_locked(b, r.bgid, &g);
	if (!err) {
		g->ring = true;
		g->addr = r.ring_addr;
		g->entries = r.ring_entries;
		g->head = 0;
	}
	mutex_unlock(&b->lock);
	return err;
}

int uring_bufs_unregister_ring(struct task *t, struct uring_bufs *b, uaddr_t arg)
{
	struct uring_buf_group *g;
	struct buf_reg r;
	int err = 0;

	if (uaccess_get(t, &r, arg, sizeof(r)))
		return -EFAULT;
	if (r.flags || r.resv[0] || r.resv[1] || r.resv[2])
		return -EINVAL;
	mutex_lock(&b->lock);
	g = group_find_locked(b, r.bgid);
	if (!g) {
		err = -ENOENT;
	} else if (!g->ring) {
		err = -EINVAL;
	} else {
		list_remove(&g->node);
		b->count--;
		b->total -= g->count;
	}
	mutex_unlock(&b->lock);
	if (!err)
		group_free(g);
	return err;
}
