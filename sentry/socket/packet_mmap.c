/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_mmap.c: memory of AF_PACKET's receive and transmit rings, which the application maps (packet(7)).
 *
 * It is a memfd, sealed against changes of its size, mapped here and by the application, with one ring or both, the receive
 * ring first; the netstack reads and writes it (netstack/transport/packet_ring.c, packet_tx.c).  A ring that joins another, which nobody has
 * mapped yet, moves that one into a memory of both.
 *
 * A mapping that is being made borrows the descriptor without a lock, so a ring that was taken down is
 * kept until the socket goes; RING_TOTAL_MAX bounds what a socket can hold that way.  Linux bounds a
 * ring by what the machine has.
 *
 * Locks: p->latch, alone.  Who has set `setting` changes the rest, and nobody maps it meanwhile: as if that came afterwards.
 */
#include "sentry/socket/packet_mmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
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

static int ring_set(struct ep *e, bool tx, const struct ep_ring_config *c, void *mem)
{
	return tx ? ep_tx_ring_set(e, c, mem) : ep_ring_set(e, c, mem);
}

/* The ring is there, in a memory of its own or, with the other one, in a new one of both. */
static int packet_rings_make(struct packet_rings *p, struct ep *e, bool tx, const struct ep_ring_config *c, size_t bytes)
{
	struct packet_ring_place now[2] = { p->place[0], p->place[1] };
	const struct packet_ring_place *other = &p->place[!tx];
	struct packet_mem *m = NULL;
	bool room;
	int err;

	if (p->place[tx].size || (other->size && p->mapped))
		return -EBUSY;
	now[tx].c = *c;
	now[tx].size = bytes;
	now[0].at = 0;
	now[1].at = now[0].size;
	bytes += other->size;
	latch_lock(&p->latch);
	room = bytes <= RING_TOTAL_MAX - p->total;
	p->total += room ? bytes : 0;
	latch_unlock(&p->latch);
	if (!room)
		return -ENOMEM;
	err = packet_mem_new(bytes, &m);
	if (err == 0) {
		err = ring_set(e, tx, c, (char *)m->mem + now[tx].at);
		if (err < 0)
			packet_mem_free(m);
	}
	if (err < 0) {
		latch_lock(&p->latch);
		p->total -= bytes;
		latch_unlock(&p->latch);
		return err;
	}
	if (other->size) { /* what has come meanwhile is lost: nobody has it mapped */
		(void)ring_set(e, !tx, &other->c, NULL);
		err = ring_set(e, !tx, &other->c, (char *)m->mem + now[!tx].at);
		ASSERT(err == 0); /* there is none, and its version can't have changed */
	}
	latch_lock(&p->latch);
	m->older = p->now;
	p->now = m;
	p->mapped = false;
	p->place[0] = now[0];
	p->place[1] = now[1];
	latch_unlock(&p->latch);
	return 0;
}

static void packet_rings_down(struct packet_rings *p, struct ep *e, bool tx, const struct ep_ring_config *c)
{
	(void)ring_set(e, tx, c, NULL); /* can't fail */
	latch_lock(&p->latch);
	p->place[tx].size = 0;
	latch_unlock(&p->latch);
}

int packet_rings_set(struct packet_rings *p, struct ep *e, bool tx, const void *value, size_t size)
{
	struct ep_ring_config c;
	bool busy;
	int err = ep_ring_config(e, value, size, &c);

	if (err == 0 && tx && c.version == TPACKET_V3)
		err = -EINVAL;
	if (err < 0)
		return err;
	latch_lock(&p->latch);
	busy = p->setting;
	p->setting = true;
	latch_unlock(&p->latch);
	if (busy)
		return -EBUSY;
	if (c.block_nr == 0)
		packet_rings_down(p, e, tx, &c);
	else
		err = packet_rings_make(p, e, tx, &c, (size_t)c.block_size * c.block_nr);
	latch_lock(&p->latch);
	p->setting = false;
	latch_unlock(&p->latch);
	return err;
}

int packet_rings_mmap(struct packet_rings *p, struct mmap_request *r)
{
	size_t size;
	int err = -EINVAL;

	latch_lock(&p->latch);
	size = p->place[0].size + p->place[1].size;
	if (!p->setting && size && r->offset == 0 && r->size == ALIGN_UP(size, (size_t)4096)) {
		p->mapped = true;
		r->host_fd = p->now->fd;
		r->host_offset = p->place[0].size ? 0 : p->place[1].at;
		r->anonymous = false;
		err = 0;
	}
	latch_unlock(&p->latch);
	return err;
}
