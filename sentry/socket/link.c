/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c: interfaces over packet(7) sockets of the host.
 *
 *     transmit: sendmsg(vnet header, packet)        on the fiber of whoever sends; small ones of a worker that polls
 *                                                   when nobody asks that (lib/worker_later.h)
 *     receive:  a fiber of its own, whose worker sleeps in ppoll(2) and reads, by recvmmsg(2), until there is no more
 *
 * With PACKET_VNET_HDR a segment of up to 64 KB crosses the host in one call, both ways, and
 * checksums are left to whoever needs them (nobody, between two containers).
 *
 * The receiving fiber keeps a worker: so a packet costs one wake-up, not two (the event worker's and
 * then a worker's).  Before it sleeps again it lets the fibers run that it has woken: they are on
 * this CPU already.  While the platform's receiver polls, that looks at the socket instead, and runs the fiber: no worker
 * is woken (lib/worker_source.h).
 *
 * Before it sends an acknowledgement it lets those run that it has woken, too: the host delivers that to the peer here and now, who may
 * then have this CPU for long, while theirs are idle.
 *
 * With bulk traffic it does less.  Inwards it leaves packets outside while readers have enough (link_hold()).
 * Outwards it rests while those who send take the acknowledgements in after what they have sent
 * (link_rest(), link_flush()).
 *
 * The host's kernel takes a VLAN's tag off before a packet socket sees the frame, and says what it was in a control
 * message (PACKET_AUXDATA): it is put in again, so that the stack gives the frame to the VLAN (netstack/link/upper.c) or to
 * nobody.  What is sent has its tag in the frame, also segments that the host's kernel is to cut.
 *
 * Everything received is hostile: the kernel has written the vnet header, but a peer on the link
 * chooses what is in it.  Sizes are checked here, headers by the netstack.
 *
 * Order: a socket's packets come here one after the other (netstack/transport/ep.c).  Those that are left are sent by one at a time, and who
 * sends directly waits until there are none.
 *
 * Locks: the namespace's lists; link->sending, over those; its latch; and link->receiving, which is never waited for while the link lives.  Who
 * sends may come to one that is just being removed: so it stays until its namespace ends, and its descriptor until
 * `senders` is 0.
 */
#include "sentry/socket/link.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/mutex.h"
#include "lib/worker_later.h"
#include "lib/worker_poll.h"
#include "lib/worker_source.h"
#include "lib/wq.h"
#include "netstack/pkt.h"
#include "netstack/stack.h"
#include "netstack/wire.h"
#include "platform/host.h"
#include "sentry/socket/net_ns.h"

#define RX_LINEAR   2048          /* of a received packet: all headers, all of an ordinary frame */
#define RX_TAIL     (65536 + 128) /* the rest of a large segment */
#define RX_COPY     16384         /* a tail up to this is copied rather than keep 64 KB for it */
#define RX_SMALL    512           /* a packet up to this is copied rather than keep 2 KB for it */
#define RX_AT_ONCE  4             /* packets that one host call takes */
#define RX_BATCH    16            /* packets, and bytes, that go to the stack together */
#define RX_BYTES    524288
#define RX_TURN     4             /* batches before others may run */
#define RX_IDLE     NSEC_PER_SEC  /* then memory of the last burst is given back */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define TX_WAIT_MS  50            /* for room in the socket's buffer; then the packet is lost */

#define LEFT_MAX    32            /* packets, small ones, that are left to be sent later */

#define HOLD_BYTES  32768         /* of a batch, or half of it, for readers that are far behind: packets wait outside */
#define HOLD_NS     (300 * NSEC_PER_USEC)
#define HOLD_VAIN   200           /* so many in a row in which nothing was read: nobody will */

/* From so many bytes sent in so much time on, who sends takes the answers in, and nobody is woken for each. */
#define REST_NS     (500 * NSEC_PER_USEC)
#define REST_BYTES  262144
#define REST_PACKET 4096 /* smaller ones aren't counted */

/* (c) constant, (a) atomic */
struct link {
	struct list node;      /* net_ns->lock */
	struct net_ns *ns;     /* (c) borrowed */
	struct stack *stack;   /* (c) */
	uint32_t ifindex;      /* (c) */
	uint32_t host_index;   /* (c) the same, unless that was taken inside */
	struct fiber *fiber;   /* (c) the receiver; an address only */
	int fd, wake_fd;       /* (c) owned */
	bool vnet;             /* (c) */
	atomic_bool stopped, ended; /* (a) asked to end; the fiber has ended */
	atomic_uint senders;   /* (a) in link_transmit() */
	struct worker_later later; /* link_later() */
	struct work push;      /* link_push() */
	struct mutex sending;  /* who sends what was left */
	struct latch left_latch;
	struct list left;      /* (left_latch) packets to be sent */
	atomic_uint left_count; /* (a) of these, and of those that are just being sent */
	atomic_bool receiving; /* (a) a lock: what is the receiver's, and the order of packets */
	struct worker_source source;   /* fd's: who polls looks for us */
	struct pkt *pkt[RX_AT_ONCE];   /* the receiver's: empty, for the next packets */
	struct pbuf *tail[RX_AT_ONCE]; /* the receiver's */
	struct wq_entry room_entry; /* at stack_rx_room() */
	atomic_uint room;      /* (a) how often there was room; link_hold() waits for a change */
	atomic_bool holding;   /* (a) somebody waits there */
	unsigned int vain;     /* the fiber's: holds in a row in which nothing was read, */
	unsigned int reads;    /* and what stack_rx_reads() said at the last one's end */
	atomic_ullong sent;    /* (a) bytes of large packets */
	unsigned long long sent_seen; /* the fiber's: at seen_ns */
	int64_t seen_ns;       /* the fiber's */
	bool rests;            /* the fiber's: much was sent before that */
	atomic_bool resting;   /* (a) the fiber sleeps without looking at packets */
};

/* ---- out --------------------------------------------------------------------------------------- */

static void link_vnet_header(const struct pkt *p, struct virtio_net_hdr *h)
{
	memset(h, 0, sizeof(*h));
	if (p->flags & PKT_CSUM_PARTIAL) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = (uint16_t)(p->trans - p->data);
		h->csum_offset = p->csum_off;
	}
	if (!p->gso_size)
		return;
	h->gso_type = p->gso_type == GSO_TCP4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	h->gso_size = p->gso_size;
	h->hdr_len = (uint16_t)(p->trans - p->data + (p->trans[12] >> 4) * 4);
}

/* patiently: wait for room, on a fiber; else -EAGAIN, and p stays the caller's. */
static long link_send(struct link *l, struct pkt *p, bool patiently)
{
	struct virtio_net_hdr h;
	struct iovec iov[PKT_FRAGS + 2] = { { &h, sizeof(h) } };
	struct msghdr m = { .msg_iov = l->vnet ? iov : iov + 1 };
	struct pollfd room = { .fd = l->fd, .events = POLLOUT };
	struct timespec patience = { 0, TX_WAIT_MS * NSEC_PER_MSEC };
	ssize_t n;

	if (l->vnet)
		link_vnet_header(p, &h);
	m.msg_iovlen = (size_t)pkt_iovec(p, iov + 1) + l->vnet;
	n = host_sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	worker_poll_woke();
	if (n == -EAGAIN && !patiently)
		return n;
	if (n == -EAGAIN) {
		worker_block_begin();
		(void)host_ppoll(&room, 1, &patience);
		worker_block_end();
		n = host_sendmsg(l->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (n < 0)
		nic_tx_failed(l->stack, l->ifindex);
	pkt_free(p);
	return 0;
}

static struct pkt *left_take(struct link *l)
{
	struct list *n;

	latch_lock(&l->left_latch);
	n = list_shift(&l->left);
	latch_unlock(&l->left_latch);
	return n ? list_entry(n, struct pkt, node) : NULL;
}

static void left_put_back(struct link *l, struct pkt *p)
{
	latch_lock(&l->left_latch);
	list_push(&l->left, &p->node);
	latch_unlock(&l->left_latch);
}

static void left_sent(struct link *l)
{
	atomic_fetch_sub_explicit(&l->left_count, 1, memory_order_release);
}

/* What was left is sent, by whoever: what is sent next comes after it.  On a fiber. */
static void link_send_left(struct link *l)
{
	struct pkt *p;

	/* acquire: who finds nothing sends after who sent that */
	if (atomic_load_explicit(&l->left_count, memory_order_acquire) == 0)
		return;
	mutex_lock(&l->sending);
	while ((p = left_take(l))) {
		(void)link_send(l, p, true);
		left_sent(l);
	}
	mutex_unlock(&l->sending);
}

static void link_push(void *arg)
{
	link_send_left(arg);
}

/* The same on any stack.  What finds no room, or somebody else at it, is for a fiber that can wait. */
static void link_later(struct worker_later *later)
{
	struct link *l = container_of(later, struct link, later);
	struct pkt *p;

	if (!mutex_trylock(&l->sending)) {
		work_queue(&l->push);
		return;
	}
	while ((p = left_take(l))) {
		if (link_send(l, p, false) == -EAGAIN) {
			left_put_back(l, p);
			work_queue(&l->push);
			break;
		}
		left_sent(l);
	}
	mutex_unlock(&l->sending);
}

/* p is sent when nobody asks this worker, if it polls. */
static bool link_leave(struct link *l, struct pkt *p)
{
	bool left;

	if (p->len >= REST_PACKET || !worker_later(&l->later))
		return false;
	latch_lock(&l->left_latch);
	left = atomic_load_explicit(&l->left_count, memory_order_relaxed) < LEFT_MAX;
	if (left) {
		list_append(&l->left, &p->node);
		atomic_fetch_add_explicit(&l->left_count, 1, memory_order_relaxed);
	}
	latch_unlock(&l->left_latch);
	return left;
}

static void link_transmit(void *ctx, struct txq *q, struct pkt *p)
{
	struct link *l = ctx;

	(void)q;
	/* Both sequentially consistent, as in link_end(): either it sees us, or we see it. */
	atomic_fetch_add(&l->senders, 1);
	if (atomic_load(&l->stopped)) {
		pkt_free(p);
	} else if (!link_leave(l, p)) {
		if (p->len >= REST_PACKET)
			atomic_fetch_add_explicit(&l->sent, p->len, memory_order_relaxed);
		if (fiber_self() == l->fiber && worker_is_wanted())
			fiber_yield(); /* who has just been given something to read goes first */
		link_send_left(l); /* these come first */
		(void)link_send(l, p, true);
	}
	atomic_fetch_sub(&l->senders, 1);
}

/* ---- in ---------------------------------------------------------------------------------------- */

/* The packet of n bytes that lies in l->pkt[i] and l->tail[i], made whole; NULL: no memory. */
static struct pkt *link_take(struct link *l, unsigned int i, size_t n)
{
	struct pkt *p = l->pkt[i];
	size_t tail = n > RX_LINEAR ? n - RX_LINEAR : 0;
	struct pbuf *b;

	if (n <= RX_SMALL) {
		p = pkt_new(PKT_HEADROOM, n);
		if (p)
			memcpy(pkt_append(p, n), l->pkt[i]->data, n);
		return p;
	}
	l->pkt[i] = NULL;
	(void)pkt_append(p, n - tail);
	if (tail > RX_COPY) {
		if (!pkt_add_frag(p, l->tail[i], 0, (uint32_t)tail))
			goto fail;
		pbuf_put(l->tail[i]);
		l->tail[i] = NULL;
	} else if (tail) {
		b = pbuf_new(tail);
		if (!b)
			goto fail;
		memcpy(b->bytes, l->tail[i]->bytes, tail);
		(void)pkt_add_frag(p, b, 0, (uint32_t)tail);
		pbuf_put(b);
	}
	return p;

fail:
	pkt_free(p);
	return NULL;
}

/* shift: so much longer is p by a tag that was put in. */
static void link_apply_vnet(struct pkt *p, const struct virtio_net_hdr *h, size_t shift)
{
	if (h->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID))
		p->flags |= PKT_CSUM_OK;
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) /* packet sockets and bridges must know: it is not there yet */
		(void)pkt_partial_csum(p, h->csum_start + shift, h->csum_offset);
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		p->gso_type = GSO_TCP4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		p->gso_type = GSO_TCP6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		p->gso_type = GSO_UDP;
		break;
	default:
		return;
	}
	p->gso_size = h->gso_size;
}

/* The tag that the host's kernel has taken off; 0 as its protocol: there was none. */
struct link_tag {
	uint16_t proto, tci;
};

static struct link_tag link_tag(struct msghdr *m)
{
	struct link_tag none = { .proto = 0 };
	struct tpacket_auxdata aux;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA || c->cmsg_len < CMSG_LEN(sizeof(aux)))
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			return (struct link_tag){ aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETHERTYPE_VLAN,
						  aux.tp_vlan_tci };
	}
	return none;
}

/*
 * Is it for a program of the host in this namespace?  That asks DNS servers from SENTRY_HOST_PORT and above; the
 * filter at the interface's ingress (runsc-c/rtnl.c) leaves the same packets to the host's kernel.
 */
static bool link_is_hosts(const struct link *l, const uint8_t *p, size_t n)
{
	size_t ip = 14, ports;

	if (!atomic_load_explicit(&l->ns->shares_dns, memory_order_relaxed))
		return false;
	if (n < ip + 20 || p[12] != 8 || p[13] != 0 || (p[ip + 9] != IPPROTO_UDP && p[ip + 9] != IPPROTO_TCP) ||
	    ((p[ip + 6] & 0x1f) | p[ip + 7]) != 0)
		return false;
	ports = ip + (p[ip] & 15) * 4u;
	return n >= ports + 4 && (p[ports] << 8 | p[ports + 1]) == 53 &&
	       (p[ports + 2] << 8 | p[ports + 3]) >= SENTRY_HOST_PORT;
}

/* Packet i of n bytes onto the list, or dropped. */
static void link_packet(struct link *l, unsigned int i, size_t n, struct msghdr *m, const struct virtio_net_hdr *h,
			struct list *pkts)
{
	struct link_tag tag = link_tag(m);
	struct pkt *p;

	if (n == 0 || n > RX_LINEAR + RX_TAIL || (m->msg_flags & MSG_TRUNC) ||
	    (!tag.proto && link_is_hosts(l, l->pkt[i]->data, MIN(n, (size_t)RX_LINEAR))))
		return;
	p = link_take(l, i, n);
	if (p && tag.proto && !pkt_push_tag(p, tag.proto, tag.tci)) {
		pkt_free(p);
		return;
	}
	if (!p)
		return;
	if (l->vnet)
		link_apply_vnet(p, h, tag.proto ? VLAN_HLEN : 0);
	list_append(pkts, &p->node);
}

/*
 * The next packets onto the list: how many there were, fewer than RX_AT_ONCE when that was all, or a negative errno.
 * bytes and cost (a small one costs more than its bytes) grow.
 */
static long link_receive(struct link *l, struct list *pkts, size_t *bytes, size_t *cost)
{
	struct virtio_net_hdr h[RX_AT_ONCE];
	struct iovec iov[RX_AT_ONCE][3];
	_Alignas(struct cmsghdr) char control[RX_AT_ONCE][CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct mmsghdr m[RX_AT_ONCE];
	long count;

	for (unsigned int i = 0; i < RX_AT_ONCE; i++) {
		if (!l->pkt[i])
			l->pkt[i] = pkt_new(PKT_HEADROOM, RX_LINEAR);
		if (!l->tail[i])
			l->tail[i] = pbuf_new(RX_TAIL);
		if (!l->pkt[i] || !l->tail[i])
			return -ENOMEM;
		iov[i][0] = (struct iovec){ &h[i], sizeof(h[i]) };
		iov[i][1] = (struct iovec){ l->pkt[i]->data, RX_LINEAR };
		iov[i][2] = (struct iovec){ l->tail[i]->bytes, RX_TAIL };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = l->vnet ? iov[i] : iov[i] + 1,
						      .msg_iovlen = l->vnet ? 3 : 2,
						      .msg_control = control[i], .msg_controllen = sizeof(control[i]) } };
	}
	count = host_recvmmsg_raw(l->fd, m, RX_AT_ONCE, MSG_DONTWAIT);
	for (long i = 0; i < count; i++) {
		size_t n = m[i].msg_len, head = l->vnet ? sizeof(h[i]) : 0;

		n = n > head ? n - head : 0;
		*bytes += n;
		*cost += MAX(n, (size_t)RX_LONG_MIN);
		link_packet(l, (unsigned int)i, n, &m[i].msg_hdr, &h[i], pkts);
	}
	return count;
}

/*
 * A few packets, which the stack gets together.  0, or a negative errno: there are no more.
 * *hold: many of them went to readers that are far behind.
 */
static ssize_t link_receive_batch(struct link *l, bool *hold)
{
	struct list pkts;
	size_t bytes = 0, all = 0, behind;
	long n = RX_AT_ONCE;

	list_init(&pkts);
	for (unsigned int i = 0; i < RX_BATCH && bytes < RX_BYTES && n == RX_AT_ONCE; i += RX_AT_ONCE)
		n = link_receive(l, &pkts, &bytes, &all);
	behind = list_empty(&pkts) ? 0 : nic_input_list(l->stack, l->ifindex, &pkts);
	*hold = behind >= HOLD_BYTES || (behind && behind >= all / 2);
	if (n >= 0 && n < RX_AT_ONCE)
		return -EAGAIN; /* or an error, which the next call will tell */
	return n < 0 ? n : 0;
}

/* The same if nobody else is at it: else -EBUSY, and who is takes what is there. */
static ssize_t link_try_receive(struct link *l, bool *hold)
{
	ssize_t n;

	/* acquire and release: the receiver's things */
	if (atomic_exchange_explicit(&l->receiving, true, memory_order_acquire))
		return -EBUSY;
	n = link_receive_batch(l, hold);
	atomic_store_explicit(&l->receiving, false, memory_order_release);
	return n;
}

/* Who has sent much takes in what has been acknowledged: mostly it is there already. */
static void link_flush(void *ctx)
{
	struct link *l = ctx;
	bool hold;

	if (atomic_load_explicit(&l->resting, memory_order_relaxed))
		(void)link_try_receive(l, &hold);
}

static const struct link_ops link_ops = { .transmit = link_transmit, .flush = link_flush };

/* ---- readers that are far behind --------------------------------------------------------------- */

/* A reader has caught up.  Under the queue's latch. */
static void link_room(struct wq_entry *e, uint32_t events)
{
	struct link *l = container_of(e, struct link, room_entry);

	(void)events;
	/* seq_cst, here and in link_hold(): either it sees the new count or we see it waiting */
	atomic_fetch_add(&l->room, 1);
	if (atomic_load(&l->holding))
		(void)host_futex(&l->room, FUTEX_WAKE_PRIVATE, 1, NULL, 0);
}

/*
 * What has come goes to readers that have more than enough to read.  More would only lie in memory until
 * it has left the cache; outside it is where the sender has left it.  So wait until one of them has caught up.
 * What comes for others waits too, therefore not for long, and not for readers that never come (a socket that is
 * flooded and forgotten).  seen: l->room before these packets were taken.
 */
static void link_hold(struct link *l, unsigned int seen)
{
	struct timespec patience = { 0, HOLD_NS };
	unsigned int reads = stack_rx_reads(l->stack);

	if (l->reads != reads)
		l->vain = 0;
	l->reads = reads;
	if (l->vain >= HOLD_VAIN)
		return;
	worker_block_begin();
	atomic_store(&l->holding, true);
	if (atomic_load(&l->room) == seen)
		(void)host_futex(&l->room, FUTEX_WAIT_PRIVATE, seen, &patience, 0);
	atomic_store(&l->holding, false);
	worker_block_end();
	l->vain++; /* unless something has been read meanwhile: the next one sees to that */
}

/* Is so much being sent that those who send can take in the answers? */
static bool link_may_rest(struct link *l)
{
	unsigned long long sent = atomic_load_explicit(&l->sent, memory_order_relaxed);
	int64_t now = clock_mono_ns(), since = now - l->seen_ns;

	if (since < REST_NS)
		return l->rests;
	l->rests = sent - l->sent_seen >= REST_BYTES && since < 4 * REST_NS;
	l->sent_seen = sent;
	l->seen_ns = now;
	return l->rests;
}

/* The fiber is to look at what has changed. */
static void link_wake(struct link *l)
{
	uint64_t one = 1;

	(void)host_write(l->wake_fd, &one, sizeof(one));
}

static void link_call(struct worker_source *s)
{
	link_wake(container_of(s, struct link, source));
}

static void link_woken(struct link *l)
{
	uint64_t count;

	(void)host_read(l->wake_fd, &count, sizeof(count));
}

static void link_rest(struct link *l)
{
	struct pollfd p = { .fd = l->wake_fd, .events = POLLIN };
	struct timespec a_while = { 0, REST_NS };

	worker_block_begin();
	atomic_store_explicit(&l->resting, true, memory_order_relaxed);
	if (host_ppoll(&p, 1, &a_while) > 0)
		link_woken(l);
	atomic_store_explicit(&l->resting, false, memory_order_relaxed);
	worker_block_end();
}

/* Until there is a packet; for a while after an error, of whatever kind: it must not spin. */
static void link_sleep(struct link *l, ssize_t why)
{
	struct pollfd p[2] = { { .fd = l->fd, .events = POLLIN }, { .fd = l->wake_fd, .events = POLLIN } };
	struct timespec pause = { 0, 100 * NSEC_PER_MSEC }, idle = { RX_IDLE / NSEC_PER_SEC, 0 };
	bool warm = pkt_memory_is_warm();

	worker_block_begin();
	if (why == -EAGAIN && host_ppoll(p, 2, warm ? &idle : NULL) == 0)
		pkt_memory_trim();
	if (why != -EAGAIN || (p[0].revents & (POLLERR | POLLHUP | POLLNVAL)))
		(void)host_ppoll(p + 1, 1, &pause);
	if (p[1].revents)
		link_woken(l);
	worker_block_end();
}

static void link_main(void *arg)
{
	struct link *l = arg;
	unsigned int turn = 0;

	while (!atomic_load_explicit(&l->stopped, memory_order_acquire)) {
		unsigned int room = atomic_load(&l->room);
		bool hold = false, rest;
		ssize_t n = link_try_receive(l, &hold);

		if (n >= 0 && !hold && ++turn < RX_TURN)
			continue;
		turn = 0;
		rest = !hold && (n == -EBUSY || (n == -EAGAIN && link_may_rest(l)));
		if (n == -EAGAIN && !hold && !rest && worker_source_wait(&l->source))
			continue;
		fiber_yield();
		if (hold)
			link_hold(l, room);
		else if (rest)
			link_rest(l);
		else if (n < 0)
			link_sleep(l, n);
	}
	wq_remove(&l->room_entry);
	/* A sender may still be taking packets in; once we have the lock nobody gets it any more. */
	while (atomic_exchange_explicit(&l->receiving, true, memory_order_acquire))
		fiber_yield();
	for (unsigned int i = 0; i < RX_AT_ONCE; i++) {
		pkt_free(l->pkt[i]);
		pbuf_put(l->tail[i]);
	}
	/* release: pairs with links_stop(); l is not ours any more */
	atomic_store_explicit(&l->ended, true, memory_order_release);
}

/* ---- life -------------------------------------------------------------------------------------- */

static bool link_parse_mac(const char *text, uint8_t mac[6])
{
	unsigned int v[6];

	if (!text || sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]) != 6)
		return false;
	for (unsigned int i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return true;
}

static int link_add_nic(struct link *l, const struct net_link_config *c)
{
	struct nic_config nc = { .type = LINK_IP, .mtu = MIN(c->mtu, 65535u), .ifindex = c->ifindex,
				 .ops = &link_ops, .ctx = l };

	if (strlen(c->name) >= sizeof(nc.name))
		return -EINVAL;
	strcpy(nc.name, c->name);
	if (c->mac) {
		nc.type = LINK_ETHERNET;
		if (!link_parse_mac(c->mac, nc.mac))
			return -EINVAL;
	}
	if (l->vnet)
		nc.features = LINK_TX_CSUM | LINK_TX_TSO4 | LINK_TX_TSO6;
	if (nic_exists(l->stack, c->ifindex))
		nc.ifindex = 0;
	return nic_add(l->stack, &nc, &l->ifindex);
}

int link_start(struct net_ns *ns, struct net_link_config *c)
{
	struct link *l = mem_new(struct link);
	struct fiber *f = l ? fiber_new(link_main, l) : NULL;
	int err = -ENOMEM;

	if (!f)
		goto free_link;
	l->ns = ns;
	l->fiber = f;
	l->stack = net_ns_stack(ns);
	l->host_index = c->ifindex;
	l->vnet = c->vnet;
	l->fd = c->fd;
	err = l->wake_fd = host_eventfd(0, 0);
	if (err < 0)
		goto free_fiber;
	err = l->stack ? link_add_nic(l, c) : -ENOMEM;
	if (err < 0)
		goto close_stop;
	c->fd = -1;
	worker_source_init(&l->source, l->fd, link_call);
	worker_later_init(&l->later, link_later);
	work_init(&l->push, link_push, l);
	mutex_init(&l->sending, LOCK_LEAF);
	latch_init(&l->left_latch);
	list_init(&l->left);
	wq_entry_init(&l->room_entry, link_room, 0);
	wq_add(stack_rx_room(l->stack), &l->room_entry);
	mutex_lock(&ns->lock);
	list_append(&ns->links, &l->node);
	mutex_unlock(&ns->lock);
	fiber_start(f);
	return 0;

close_stop:
	host_close(l->wake_fd);
free_fiber:
	fiber_free(f);
free_link:
	mem_free(l);
	return err;
}

static struct link *link_find_locked(struct net_ns *ns, uint32_t host_index)
{
	struct link *l;

	list_for_each_entry(l, &ns->links, node)
		if (l->host_index == host_index)
			return l;
	return NULL;
}

uint32_t link_index(struct net_ns *ns, uint32_t host_index)
{
	struct link *l;
	uint32_t index = host_index <= 1 || ns->host ? host_index : 0;

	mutex_lock(&ns->lock);
	l = link_find_locked(ns, host_index);
	if (l)
		index = l->ifindex;
	mutex_unlock(&ns->lock);
	return index;
}

size_t net_ns_links(struct net_ns *ns, uint32_t index[NET_NS_LINKS])
{
	struct link *l;
	size_t count = 0;

	mutex_lock(&ns->lock);
	list_for_each_entry(l, &ns->links, node)
		if (count < NET_NS_LINKS)
			index[count++] = l->host_index;
	mutex_unlock(&ns->lock);
	return count;
}

void links_send_left(struct net_ns *ns)
{
	struct link *l;

	mutex_lock(&ns->lock);
	list_for_each_entry(l, &ns->links, node)
		link_send_left(l);
	mutex_unlock(&ns->lock);
}

/* No packet moves any more; the struct stays. */
static void link_end(struct link *l)
{
	nic_detach(l->stack, l->ifindex);
	atomic_store(&l->stopped, true);
	worker_source_end(&l->source);
	link_wake(l);
	/* acquire: pairs with the release in link_main() */
	while (!atomic_load_explicit(&l->ended, memory_order_acquire) || atomic_load(&l->senders))
		fiber_yield();
	worker_later_end(&l->later);
	work_wait(&l->push);
	link_send_left(l);
	host_close(l->wake_fd);
	host_close(l->fd);
}

void link_remove(struct net_ns *ns, uint32_t host_index)
{
	struct link *l;

	mutex_lock(&ns->lock);
	l = link_find_locked(ns, host_index);
	if (l)
		list_remove(&l->node);
	mutex_unlock(&ns->lock);
	if (!l)
		return;
	link_end(l);
	(void)nic_remove(l->stack, l->ifindex);
	mutex_lock(&ns->lock);
	list_append(&ns->gone_links, &l->node);
	mutex_unlock(&ns->lock);
}

void links_stop(struct net_ns *ns)
{
	struct list *n;

	while ((n = list_shift(&ns->links))) {
		link_end(list_entry(n, struct link, node));
		list_append(&ns->gone_links, n);
	}
}

void links_free(struct net_ns *ns)
{
	struct list *n;

	while ((n = list_shift(&ns->gone_links)))
		mem_free(list_entry(n, struct link, node));
}
