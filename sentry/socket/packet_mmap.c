/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_mmap.c: memory of AF_PACKET receive rings, which the application maps (packet(7)).
 *
 * A ring is a memfd, sealed against changes of its size, mapped here and by the application; the
 * netstack writes into it (netstack/transport/packet_ring.c).
 *
 * A mapping that is being made borrows the descriptor without a lock, so a ring that was taken down is
 * kept until the socket goes; RING_TOTAL_MAX bounds what a socket can hold that way.  Linux bounds a
 * ring by what the machine has.
 *
 * Locks: p->latch, alone.
 */
#include "sentry/socket/packet_mmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include "lib/mem.h"
#include "netstack/ep.h"
#include "platform/host.h"
#include "vfs/vfs.h"

#define RING_TOTAL_MAX (128UL << 20)

struct packet_mem {
	struct packet_mem *older; /* (c) taken down before */
	int fd;                   /* (c) owned */
	size_t size;              /* (c) */
	void *mem;                /* (c) owned mapping */
};

void packet_rings_init(struct packet_rings *p)
{
	latch_init(&p->latch);
}

static void packet_mem_free(struct packet_mem *m)
{
	host_munmap(m->mem, m->size);
	host_close(m->fd);
	mem_free(m);
}

void packet_rings_fini(struct packet_rings *p)
{
	struct packet_mem *m, *older;

	for (m = p->now; m; m = older) {
		older = m->older;
		packet_mem_free(m);
	}
}

static int packet_mem_new(size_t size, struct packet_mem **out)
{
	struct packet_mem *m = mem_new(struct packet_mem);
	int err;

	if (!m)
		return -ENOMEM;
	m->size = size;
	err = m->fd = host_memfd_create("runsc-packet-ring", MFD_ALLOW_SEALING);
	if (err < 0)
		goto free_mem;
	err = host_ftruncate(m->fd, (int64_t)size);
	if (!err)
		err = (int)host_fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (err < 0)
		goto close_fd;
	m->mem = host_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if ((unsigned long)m->mem >= (unsigned long)-4095) {
		err = (int)(long)m->mem;
		goto close_fd;
	}
	*out = m;
	return 0;

close_fd:
	host_close(m->fd);
free_mem:
	mem_free(m);
	return err;
}

static void packet_rings_down(struct packet_rings *p, struct ep *e, const struct ep_ring_config *c)
{
	(void)ep_ring_set(e, c, NULL); /* can't fail */
	latch_lock(&p->latch);
	p->down = true;
	latch_unlock(&p->latch);
}

int packet_rings_set(struct packet_rings *p, struct ep *e, const void *value, size_t size)
{
	struct ep_ring_config c;
	struct packet_mem *m = NULL;
	size_t bytes;
	bool room;
	int err = ep_ring_config(e, value, size, &c);

	if (err < 0)
		return err;
	if (c.block_nr == 0) {
		packet_rings_down(p, e, &c);
		return 0;
	}
	bytes = (size_t)c.block_size * c.block_nr;
	latch_lock(&p->latch);
	room = bytes <= RING_TOTAL_MAX - p->total;
	p->total += room ? bytes : 0;
	latch_unlock(&p->latch);
	if (!room)
		return -ENOMEM;
	err = packet_mem_new(bytes, &m);
	if (err < 0)
		goto give_back;
	err = ep_ring_set(e, &c, m->mem);
	if (err < 0) {
		packet_mem_free(m);
		goto give_back;
	}
	latch_lock(&p->latch);
	m->older = p->now;
	p->now = m;
	p->down = false;
	latch_unlock(&p->latch);
	return 0;

give_back:
	latch_lock(&p->latch);
	p->total -= bytes;
	latch_unlock(&p->latch);
	return err;
}

int packet_rings_mmap(struct packet_rings *p, struct mmap_request *r)
{
	struct packet_mem *m;
	int err = -EINVAL;

	latch_lock(&p->latch);
	m = p->down ? NULL : p->now;
	if (m && r->offset == 0 && r->size == ALIGN_UP(m->size, (size_t)4096)) {
		r->host_fd = m->fd;
		r->host_offset = 0;
		r->anonymous = false;
		err = 0;
	}
	latch_unlock(&p->latch);
	return err;
}
