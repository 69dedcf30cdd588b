/* SPDX-License-Identifier: Apache-2.0 */
/* packet_mmap.c: receive rings of AF_PACKET sockets (packet(7)): versions 1 to 3, over loopback. */
#include "t.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>

#define BLOCK  16384
#define BLOCKS 4
#define FRAME  2048
#define FRAMES (BLOCKS * BLOCK / FRAME)

static int udp;
static struct sockaddr_in to;

static void send_bytes(int count)
{
	char data[1000];

	memset(data, 'x', sizeof(data));
	EQUAL(sendto(udp, data, (size_t)count, 0, (struct sockaddr *)&to, sizeof(to)), count);
}

static int packet_socket(int type, int version)
{
	int s = socket(AF_PACKET, type, 0);

	EQUAL(setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	return s;
}

static void start(int s)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = 1 };

	EQUAL(bind(s, (struct sockaddr *)&ll, sizeof(ll)), 0);
}

static int readable(int s, int ms)
{
	struct pollfd p = { .fd = s, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

static void refused(void)
{
	struct tpacket_req q = { BLOCK, BLOCKS, FRAME, FRAMES }, bad;
	int s = packet_socket(SOCK_RAW, TPACKET_V2), v;
	socklen_t len = sizeof(v);

	v = 7;
	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, sizeof(v)));
	v = TPACKET_V3;
	EQUAL(getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &v, &len), 0);
	EQUAL(v, sizeof(struct tpacket3_hdr));
	v = TPACKET_V1;
	EQUAL(getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &v, &len), 0);
	EQUAL(v, sizeof(struct tpacket_hdr));
	v = 9;
	FAILS(EINVAL, getsockopt(s, SOL_PACKET, PACKET_HDRLEN, &v, &len));
	bad = q, bad.tp_block_size = 1000;
	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_RX_RING, &bad, sizeof(bad)));
	bad = q, bad.tp_frame_size = 2040;
	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_RX_RING, &bad, sizeof(bad)));
	bad = q, bad.tp_frame_size = 32;
	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_RX_RING, &bad, sizeof(bad)));
	bad = q, bad.tp_frame_nr = 1;
	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_RX_RING, &bad, sizeof(bad)));
	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, 8));
	FAILS(EINVAL, (long)mmap(NULL, BLOCK * BLOCKS, PROT_READ, MAP_SHARED, s, 0));
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)), 0);
	FAILS(EBUSY, setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)));
	v = TPACKET_V1;
	FAILS(EBUSY, setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, sizeof(v)));
	FAILS(EBUSY, setsockopt(s, SOL_PACKET, PACKET_RESERVE, &v, sizeof(v)));
	FAILS(EINVAL, (long)mmap(NULL, BLOCK, PROT_READ, MAP_SHARED, s, 0));
	FAILS(EINVAL, (long)mmap(NULL, BLOCK * BLOCKS, PROT_READ, MAP_SHARED, s, 4096));
	memset(&q, 0, sizeof(q));
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)), 0);
	FAILS(EINVAL, (long)mmap(NULL, BLOCK * BLOCKS, PROT_READ, MAP_SHARED, s, 0));
	v = TPACKET_V1;
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_VERSION, &v, sizeof(v)), 0);
	close(s);
}

/* One UDP packet of 28 + count bytes behind an Ethernet header (raw) or without one. */
static void check_packet(const char *frame, unsigned int mac, unsigned int net, unsigned int len,
			 unsigned int snap, const struct sockaddr_ll *ll, int raw, unsigned int count)
{
	EQUAL(net - mac, raw ? ETH_HLEN : 0);
	EQUAL(len, count + 28 + (raw ? ETH_HLEN : 0));
	EQUAL(snap, len);
	EQUAL(frame[net], 0x45);
	EQUAL(frame[net + 28], 'x');
	EQUAL(frame[mac + snap - 1], 'x');
	EQUAL(ll->sll_family, AF_PACKET);
	EQUAL(ll->sll_protocol, htons(ETH_P_IP));
	EQUAL(ll->sll_ifindex, 1);
	EQUAL(ll->sll_hatype, 772);
	EQUAL(ll->sll_pkttype, PACKET_HOST);
}

/* The next packet is in the ring, at once or soon. */
static int filled(const volatile void *status)
{
	AWAIT(__atomic_load_n((const volatile uint32_t *)status, __ATOMIC_ACQUIRE) & TP_STATUS_USER);
	return 1;
}

static void frames(int version, int type)
{
	struct tpacket_req q = { BLOCK, BLOCKS, FRAME, FRAMES };
	struct tpacket_stats st;
	socklen_t len = sizeof(st);
	int s = packet_socket(type, version);
	unsigned int drops = 0;
	char *ring;

	EQUAL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)), 0);
	ring = mmap(NULL, BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK(ring != MAP_FAILED);
	if (ring == MAP_FAILED)
		return;
	start(s);
	EQUAL(readable(s, 0), 0);
	for (int i = 0; i < FRAMES + 3; i++) /* three more than there is room for */
		send_bytes(100 + i);
	EQUAL(readable(s, T_GUARD_MS), 1);
	for (int i = 0; i < FRAMES; i++) {
		char *f = ring + i * FRAME;

		if (version == TPACKET_V1) {
			struct tpacket_hdr *h = (void *)f;

			filled(&h->tp_status);
			check_packet(f, h->tp_mac, h->tp_net, h->tp_len, h->tp_snaplen,
				     (void *)(f + TPACKET_ALIGN(sizeof(*h))), type == SOCK_RAW, 100 + i);
			CHECK(h->tp_sec > 1000000000 && h->tp_usec < 1000000);
			__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		} else {
			struct tpacket2_hdr *h = (void *)f;

			filled(&h->tp_status);
			check_packet(f, h->tp_mac, h->tp_net, h->tp_len, h->tp_snaplen,
				     (void *)(f + TPACKET_ALIGN(sizeof(*h))), type == SOCK_RAW, 100 + i);
			CHECK(h->tp_sec > 1000000000 && h->tp_nsec < 1000000000);
			EQUAL(h->tp_vlan_tci, 0);
			__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		}
	}
	for (unsigned int all = 0; all < FRAMES + 3; all += st.tp_packets, drops += st.tp_drops) {
		EQUAL(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &len), 0);
		EQUAL(len, sizeof(st));
	}
	EQUAL(drops, 3);
	EQUAL(readable(s, 0), 0);
	send_bytes(55); /* goes to the first again */
	EQUAL(readable(s, T_GUARD_MS), 1);
	filled(ring);
	EQUAL(recv(s, ring, 10, MSG_DONTWAIT), -1); /* none of it is in the queue */
	munmap(ring, BLOCK * BLOCKS);
	close(s);
}

/* A ring of blocks that are handed over after ms at the latest. */
static char *block_ring(int s, unsigned int ms)
{
	struct tpacket_req3 q = { BLOCK, BLOCKS, FRAME, FRAMES, ms, 64, 0 };
	char *ring;

	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof(struct tpacket_req)));
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)), 0);
	ring = mmap(NULL, BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK(ring != MAP_FAILED);
	start(s);
	return ring;
}

/* Three packets, in one block; in more when the time was up between them. */
static void blocks_in_time(void)
{
	int s = packet_socket(SOCK_RAW, TPACKET_V3), packets = 0;
	char *ring = block_ring(s, 30);
	struct tpacket_block_desc *b;
	struct tpacket3_hdr *h;

	for (int i = 0; i < 3; i++)
		send_bytes(10 + i);
	EQUAL(readable(s, T_GUARD_MS), 1);
	for (int n = 0; n < 3 && packets < 3; n++) {
		b = (void *)(ring + n * BLOCK);
		filled(&b->hdr.bh1.block_status);
		CHECK(b->hdr.bh1.block_status & TP_STATUS_BLK_TMO);
		EQUAL(b->version, TPACKET_V3);
		CHECK(b->hdr.bh1.num_pkts >= 1);
		EQUAL(b->hdr.bh1.seq_num, 1 + n);
		EQUAL(b->offset_to_priv, sizeof(*b));
		EQUAL(b->hdr.bh1.offset_to_first_pkt, sizeof(*b) + 64);
		h = (void *)((char *)b + b->hdr.bh1.offset_to_first_pkt);
		for (unsigned int i = 0; i < b->hdr.bh1.num_pkts && packets < 3; i++, packets++) {
			check_packet((char *)h, h->tp_mac, h->tp_net, h->tp_len, h->tp_snaplen,
				     (void *)((char *)h + TPACKET_ALIGN(sizeof(*h))), 1, 10 + (unsigned int)packets);
			EQUAL(h->tp_next_offset != 0, i + 1 < b->hdr.bh1.num_pkts);
			h = (void *)((char *)h + h->tp_next_offset);
		}
		__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
	EQUAL(packets, 3);
	munmap(ring, BLOCK * BLOCKS);
	close(s);
}

/* More than fit, and no time-out: each block is full, the rest is dropped. */
static void blocks_full(void)
{
	struct tpacket_stats_v3 st;
	socklen_t len = sizeof(st);
	int s = packet_socket(SOCK_RAW, TPACKET_V3), packets = 0, drops = 0, all = 0;
	char *ring = block_ring(s, 10 * T_GUARD_MS);
	struct tpacket_block_desc *b;

	for (int i = 0; i < 100; i++)
		send_bytes(1000);
	for (int i = 0; i < BLOCKS; i++) {
		b = (void *)(ring + i * BLOCK);
		filled(&b->hdr.bh1.block_status);
		packets += b->hdr.bh1.num_pkts;
		EQUAL(b->hdr.bh1.seq_num, 1 + i);
		CHECK(!(b->hdr.bh1.block_status & TP_STATUS_BLK_TMO));
		CHECK(b->hdr.bh1.blk_len <= BLOCK);
	}
	EQUAL(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &len), 0);
	EQUAL(len, sizeof(st));
	CHECK(st.tp_freeze_q_cnt >= 1);
	for (;;) { /* the counters begin anew with each look */
		all += st.tp_packets, drops += st.tp_drops;
		if (all >= 100)
			break;
		t_sleep_ms(1);
		EQUAL(getsockopt(s, SOL_PACKET, PACKET_STATISTICS, &st, &len), 0);
	}
	EQUAL(all, 100);
	EQUAL(drops, 100 - packets);
	CHECK(packets > 30 && packets < 70);
	munmap(ring, BLOCK * BLOCKS);
	close(s);
}

T_MAIN
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int s;

	if (unshare(CLONE_NEWNET) < 0) /* on the host: nothing of others must be in our rings */
		exit(77);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	EQUAL(ioctl(udp, SIOCSIFFLAGS, &lo), 0);
	s = socket(AF_INET, SOCK_DGRAM, 0); /* somebody listens: no ICMP */
	to.sin_family = AF_INET;
	to.sin_port = htons(5555);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EQUAL(bind(s, (struct sockaddr *)&to, sizeof(to)), 0);
	refused();
	frames(TPACKET_V1, SOCK_RAW);
	frames(TPACKET_V2, SOCK_RAW);
	frames(TPACKET_V2, SOCK_DGRAM);
	blocks_in_time();
	blocks_full();
}
