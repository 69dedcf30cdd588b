/* SPDX-License-Identifier: Apache-2.0 */
/* packet_tx.c: PACKET_TX_RING (versions 1 and 2) and PACKET_VNET_HDR of AF_PACKET sockets (packet(7)), over a veth pair. */
#include "rtnl.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>

#define BLOCK  16384
#define BLOCKS 2
#define FRAME  2048
#define FRAMES (BLOCKS * BLOCK / FRAME)

static int udp, port;
static unsigned char mac[6]; /* of d0, where it arrives */
static struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };

/* One UDP packet of count bytes for `udp` behind an Ethernet header, without a checksum of UDP's; its length. */
static int build(char *at, int count, char fill)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tot_len = htons(28 + count),
			    .saddr = htonl(0x0a010002), .daddr = htonl(0x0a010001) };
	struct udphdr u = { .source = htons(9), .dest = htons(port), .len = htons(8 + count) };
	uint32_t sum = 0;
	uint16_t w[10];

	memcpy(w, &ip, 20);
	for (int i = 0; i < 10; i++)
		sum += w[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip.check = ~((sum & 0xffff) + (sum >> 16));
	memcpy(at, mac, 6);
	memcpy(at + 6, mac, 6);
	at[11] ^= 1;
	at[13] = 0;
	at[12] = 8;
	memcpy(at + 14, &ip, 20);
	memcpy(at + 34, &u, 8);
	memset(at + 42, fill, count);
	return 42 + count;
}

/* What virtio has a checksum be that is still to be made: the pseudo header's sum. */
static void pseudo(char *at, int count)
{
	uint32_t sum = 0x0a01 + 1 + 0x0a01 + 2 + IPPROTO_UDP + 8 + count;
	uint16_t v = htons((sum & 0xffff) + (sum >> 16));

	memcpy(at + 40, &v, 2);
}

static void arrives(int count, char fill)
{
	char got[4000];
	struct pollfd p = { .fd = udp, .events = POLLIN };

	EQUAL(poll(&p, 1, 5000), 1);
	EQUAL(recv(udp, got, sizeof(got), MSG_DONTWAIT), count);
	CHECK(got[0] == fill && got[count - 1] == fill);
}

static void nothing_arrives(void)
{
	char c;

	FAILS(EAGAIN, recv(udp, &c, 1, MSG_DONTWAIT));
}

static int packet_socket(int type, int version)
{
	int s = socket(AF_PACKET, type, 0);

	EQUAL(setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), 0);
	return s;
}

static void ask(char *frame, int version, int off, unsigned int len)
{
	if (version == TPACKET_V1) {
		struct tpacket_hdr *h = (void *)frame;

		h->tp_len = len;
		h->tp_mac = off;
		__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	} else {
		struct tpacket2_hdr *h = (void *)frame;

		h->tp_len = len;
		h->tp_mac = off;
		__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	}
}

static unsigned int status(char *frame)
{
	return __atomic_load_n((uint32_t *)frame, __ATOMIC_ACQUIRE);
}

static void ring(int version, int type, int with_rx)
{
	struct tpacket_req q = { BLOCK, BLOCKS, FRAME, FRAMES };
	int head = version == TPACKET_V1 ? TPACKET_ALIGN(sizeof(struct tpacket_hdr)) : TPACKET_ALIGN(sizeof(struct tpacket2_hdr));
	int skip = type == SOCK_RAW ? 0 : 14, one = 1, total = 0, s = packet_socket(type, version);
	size_t all = BLOCK * BLOCKS * (with_rx + 1);
	char *m, *tx, packet[FRAME];

	if (with_rx)
		EQUAL(setsockopt(s, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)), 0);
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, sizeof(q)), 0);
	FAILS(EBUSY, setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, sizeof(q)));
	FAILS(EBUSY, setsockopt(s, SOL_PACKET, PACKET_LOSS, &one, sizeof(one)));
	FAILS(EBUSY, setsockopt(s, SOL_PACKET, PACKET_VERSION, &(int){ 0 }, sizeof(int)));
	FAILS(EINVAL, (long)mmap(NULL, all + 4096, PROT_READ, MAP_SHARED, s, 0));
	m = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK(m != MAP_FAILED);
	tx = m + (with_rx ? BLOCK * BLOCKS : 0);
	EQUAL(sendto(s, NULL, 0, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)), 0); /* nothing asked for */

	/* Around the ring, and a bit. */
	for (int i = 0; i < FRAMES + 3; i++) {
		char *f = tx + i % FRAMES * FRAME;
		int n = build(packet, 100 + i, 'a' + i);

		AWAIT(status(f) == TP_STATUS_AVAILABLE);
		memcpy(f + head, packet + skip, n - skip);
		ask(f, version, 0, n - skip);
		total += n - skip;
		if (i % 3 != 2)
			continue;
		EQUAL(sendto(s, NULL, 0, 0, (struct sockaddr *)&to, sizeof(to)), total);
		total = 0;
		for (int k = i - 2; k <= i; k++)
			arrives(100 + k, 'a' + k);
	}
	EQUAL(sendto(s, NULL, 0, 0, (struct sockaddr *)&to, sizeof(to)), total);
	if (total)
		arrives(100 + FRAMES + 2, 'a' + FRAMES + 2);

	/* One that can't be sent stays where it is. */
	tx += (FRAMES + 3) % FRAMES * FRAME;
	AWAIT(status(tx) == TP_STATUS_AVAILABLE);
	ask(tx, version, 0, FRAME);
	FAILS(EMSGSIZE, sendto(s, NULL, 0, 0, (struct sockaddr *)&to, sizeof(to)));
	EQUAL(status(tx), TP_STATUS_WRONG_FORMAT);
	ask(tx, version, 0, 0x7ffffff0);
	FAILS(EMSGSIZE, sendto(s, NULL, 0, 0, (struct sockaddr *)&to, sizeof(to)));
	nothing_arrives();
	FAILS(ENXIO, sendto(s, NULL, 0, 0, (struct sockaddr *)&(struct sockaddr_ll){ .sll_family = AF_PACKET, .sll_ifindex = 999,
										       .sll_halen = 6 }, sizeof(to)));
	munmap(m, all);
	close(s);
}

static void loss_and_offsets(void)
{
	struct tpacket_req q = { BLOCK, BLOCKS, FRAME, FRAMES };
	int one = 1, n, s = packet_socket(SOCK_RAW, TPACKET_V2);
	char *m;

	EQUAL(setsockopt(s, SOL_PACKET, PACKET_LOSS, &one, sizeof(one)), 0);
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_TX_HAS_OFF, &one, sizeof(one)), 0);
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_TX_RING, &q, sizeof(q)), 0);
	m = mmap(NULL, BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK(m != MAP_FAILED);
	ask(m, TPACKET_V2, 300, FRAME); /* too long: dropped */
	ask(m + FRAME, TPACKET_V2, 8, 60); /* over the header */
	ask(m + 2 * FRAME, TPACKET_V2, FRAME - 30, 60); /* over the end */
	n = build(m + 3 * FRAME + 300, 50, 'o');
	ask(m + 3 * FRAME, TPACKET_V2, 300, n);
	EQUAL(sendto(s, NULL, 0, 0, (struct sockaddr *)&to, sizeof(to)), n);
	arrives(50, 'o');
	for (int i = 0; i < 4; i++)
		AWAIT(status(m + i * FRAME) == TP_STATUS_AVAILABLE);
	nothing_arrives();
	munmap(m, BLOCK * BLOCKS);
	close(s);
}

static ssize_t with_header(int s, const struct virtio_net_hdr *h, const char *packet, int n)
{
	struct iovec v[2] = { { (void *)(uintptr_t)h, sizeof(*h) }, { (void *)(uintptr_t)packet, n } };
	struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = v, .msg_iovlen = 2 };

	return sendmsg(s, &m, 0);
}

static void vnet(void)
{
	struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6 }, bad;
	struct sockaddr_ll in = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = if_nametoindex("d0") };
	int s = socket(AF_PACKET, SOCK_RAW, 0), d = socket(AF_PACKET, SOCK_DGRAM, 0), one = 1, n, v = 7;
	socklen_t len = sizeof(v);
	char packet[4000], got[4000];

	FAILS(EINVAL, setsockopt(d, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)));
	FAILS(EINVAL, setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one, 2));
	EQUAL(getsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &v, &len), 0);
	EQUAL(v, 0);
	EQUAL(setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	EQUAL(getsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &v, &len), 0);
	EQUAL(v, 1);
	close(d);

	n = build(packet, 100, 'c');
	pseudo(packet, 100);
	EQUAL(with_header(s, &h, packet, n), n + 10);
	arrives(100, 'c');
	FAILS(EINVAL, sendto(s, packet, 9, 0, (struct sockaddr *)&to, sizeof(to)));
	bad = h, bad.csum_start = n - 4;
	FAILS(EINVAL, with_header(s, &bad, packet, n));
	bad = h, bad.hdr_len = n + 1;
	FAILS(EINVAL, with_header(s, &bad, packet, n));
	bad = h, bad.gso_type = 77, bad.gso_size = 100;
	FAILS(EINVAL, with_header(s, &bad, packet, n));
	bad = h, bad.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, bad.gso_size = 0;
	FAILS(EINVAL, with_header(s, &bad, packet, n));
	bad = h, bad.csum_start = 65535;
	FAILS(EINVAL, with_header(s, &bad, packet, n));

	/* Three datagrams in one, if this Linux knows that way. */
	h.gso_type = 5; /* VIRTIO_NET_HDR_GSO_UDP_L4 */
	h.gso_size = 1000;
	h.hdr_len = 42;
	n = build(packet, 2500, 'g');
	pseudo(packet, 2500);
	if (with_header(s, &h, packet, n) == n + 10) {
		arrives(1000, 'g');
		arrives(1000, 'g');
		arrives(500, 'g');
	}
	nothing_arrives();

	/* What comes has a header before it. */
	EQUAL(bind(s, (struct sockaddr *)&in, sizeof(in)), 0);
	h = (struct virtio_net_hdr){ 0 };
	n = build(packet, 77, 'i');
	EQUAL(with_header(s, &h, packet, n), n + 10);
	arrives(77, 'i');
	EQUAL(recv(s, got, sizeof(got), 0), n + 10);
	CHECK(((struct virtio_net_hdr *)(void *)got)->gso_type == VIRTIO_NET_HDR_GSO_NONE);
	EQUAL(memcmp(got + 10, packet, n), 0);
	EQUAL(with_header(s, &h, packet, n), n + 10);
	arrives(77, 'i');
	FAILS(EINVAL, recv(s, got, 5, 0));
	close(s);
}

static int one_ring;
static size_t mapped_size;

static void *map_it(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		void *m = mmap(NULL, mapped_size, PROT_READ, MAP_SHARED, one_ring, 0);

		if (m != MAP_FAILED)
			return m;
	}
	return NULL;
}

/* Either the one ring is mapped, or the other one joins it. */
static void map_while_a_ring_is_made(void)
{
	struct tpacket_req q = { BLOCK, 64, FRAME, 64 * BLOCK / FRAME };

	mapped_size = 64 * BLOCK;
	for (int i = 0; i < 200; i++) {
		pthread_t t;
		void *m;
		int made;

		one_ring = packet_socket(SOCK_RAW, TPACKET_V2);
		EQUAL(setsockopt(one_ring, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)), 0);
		EQUAL(pthread_create(&t, NULL, map_it, NULL), 0);
		for (int k = 0; k < i % 20; k++)
			sched_yield();
		made = setsockopt(one_ring, SOL_PACKET, PACKET_TX_RING, &q, sizeof(q)) == 0;
		pthread_join(t, &m);
		CHECK(!made || !m);
		if (m)
			munmap(m, mapped_size);
		close(one_ring);
	}
}

T_MAIN
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a010001) };
	struct ifreq d0 = { .ifr_name = "d0" }, p0 = { .ifr_name = "p0" };
	socklen_t size = sizeof(a);

	if (unshare(CLONE_NEWNET) < 0 || make_veth("d0", "p0"))
		exit(77);
	to.sll_protocol = htons(ETH_P_IP);
	to.sll_ifindex = if_nametoindex("p0");
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	memcpy(&d0.ifr_addr, &a, sizeof(a));
	EQUAL(ioctl(udp, SIOCSIFADDR, &d0), 0);
	d0.ifr_flags = p0.ifr_flags = IFF_UP;
	EQUAL(ioctl(udp, SIOCSIFFLAGS, &d0), 0);
	EQUAL(ioctl(udp, SIOCSIFFLAGS, &p0), 0);
	EQUAL(ioctl(udp, SIOCGIFHWADDR, &d0), 0);
	memcpy(mac, d0.ifr_hwaddr.sa_data, 6);
	memcpy(to.sll_addr, mac, 6);
	EQUAL(bind(udp, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(getsockname(udp, (struct sockaddr *)&a, &size), 0);
	port = ntohs(a.sin_port);
	for (int i = 0; i < 4; i++) {
		ring(i % 2 ? TPACKET_V2 : TPACKET_V1, SOCK_RAW, i / 2);
		ring(i % 2 ? TPACKET_V2 : TPACKET_V1, SOCK_DGRAM, i / 2);
	}
	loss_and_offsets();
	vnet();
	map_while_a_ring_is_made();
}
