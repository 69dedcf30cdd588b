/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h: headers as they are on the wire.  All fields are in network byte order; the structs are
 * packed, so they may lie at any address.
 */
#pragma once

#include <stdint.h>

#define PACKED __attribute__((packed))

#define ETH_ALEN       6
#define ETH_HLEN       14
#define ETHERTYPE_IP4  0x0800
#define ETHERTYPE_ARP  0x0806
#define ETHERTYPE_IP6  0x86dd
#define ETHERTYPE_ALL  0x0003
#define ETHERTYPE_VLAN 0x8100 /* 802.1Q */
#define ETHERTYPE_QINQ 0x88a8 /* 802.1ad */
#define ETHERTYPE_LOOP 0x0060
#define VLAN_HLEN      4
#define VLAN_VID       0x0fff /* of a tag's TCI */

struct eth_hdr {
	uint8_t dst[ETH_ALEN];
	uint8_t src[ETH_ALEN];
	uint16_t type;
} PACKED;

struct arp_hdr {
	uint16_t htype, ptype;
	uint8_t hlen, plen;
	uint16_t op;
	uint8_t sha[ETH_ALEN];
	uint32_t spa;
	uint8_t tha[ETH_ALEN];
	uint32_t tpa;
} PACKED;

#define IP4_HLEN    20
#define IP4_DF      0x4000
#define IP4_MF      0x2000
#define IP4_OFFMASK 0x1fff

struct ip4_hdr {
	uint8_t ver_ihl, tos;
	uint16_t len, id, frag;
	uint8_t ttl, proto;
	uint16_t csum;
	uint32_t src, dst;
} PACKED;

#define IP6_HLEN 40

struct ip6_hdr {
	uint32_t ver_tc_flow;
	uint16_t plen;
	uint8_t next, hops;
	uint8_t src[16], dst[16];
} PACKED;

struct ip6_frag {
	uint8_t next, reserved;
	uint16_t off_flags; /* offset in the upper 13 bits, M in the lowest */
	uint32_t id;
} PACKED;

enum {
	PROTO_HOPOPTS = 0,
	PROTO_ICMP = 1,
	PROTO_IGMP = 2,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_IPV6 = 41,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_ESP = 50,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_NONE = 59,
	PROTO_DSTOPTS = 60,
	PROTO_UDPLITE = 136,
	PROTO_RAW = 255,
};

struct icmp_hdr {
	uint8_t type, code;
	uint16_t csum;
	union {
		struct {
			uint16_t id, seq;
		} PACKED echo;
		struct {
			uint16_t unused, mtu;
		} PACKED frag;
		uint32_t word;
	} PACKED;
} PACKED;

enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACH = 3,
	ICMP4_QUENCH = 4,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAM = 12,
	ICMP4_TSTAMP = 13,
	ICMP4_TSTAMP_REPLY = 14,
};

enum { UNREACH_NET, UNREACH_HOST, UNREACH_PROTO, UNREACH_PORT, UNREACH_FRAG, UNREACH_ADMIN = 13 };

enum {
	ICMP6_UNREACH = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAM = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD_REPORT = 131,
	ICMP6_MLD_DONE = 132,
	ICMP6_ROUTER_SOLICIT = 133,
	ICMP6_ROUTER_ADVERT = 134,
	ICMP6_NEIGH_SOLICIT = 135,
	ICMP6_NEIGH_ADVERT = 136,
	ICMP6_REDIRECT = 137,
	ICMP6_MLD2_REPORT = 143,
};

struct udp_hdr {
	uint16_t sport, dport, len, csum;
} PACKED;

#define TCP_HLEN 20

struct tcp_hdr {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t off; /* data offset in the upper four bits */
	uint8_t flags;
	uint16_t window, csum, urg;
} PACKED;

enum {
	TH_FIN = 0x01,
	TH_SYN = 0x02,
	TH_RST = 0x04,
	TH_PSH = 0x08,
	TH_ACK = 0x10,
	TH_URG = 0x20,
	TH_ECE = 0x40,
	TH_CWR = 0x80,
};

enum {
	TCPO_EOL = 0,
	TCPO_NOP = 1,
	TCPO_MSS = 2,
	TCPO_WSCALE = 3,
	TCPO_SACK_OK = 4,
	TCPO_SACK = 5,
	TCPO_TS = 8,
};

static inline uint16_t rd16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t rd32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void wr16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void wr32(void *p, uint32_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 24);
	b[1] = (uint8_t)(v >> 16);
	b[2] = (uint8_t)(v >> 8);
	b[3] = (uint8_t)v;
}
