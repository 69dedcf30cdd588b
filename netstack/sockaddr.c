/* SPDX-License-Identifier: Apache-2.0 */
/* sockaddr.c: Linux's socket addresses and control messages (sockaddr.h). */
#include "netstack/sockaddr.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/time.h>

#include "netstack/ip6_ext.h"
#include "netstack/pkt.h"

#define SIN6_LEN_RFC2133 24U
#define TCP_CM_INQ_      36

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* ---- addresses ---- */

static int from_ll(const void *sa, size_t size, struct net_addr *out)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };

	if (size < offsetof(struct sockaddr_ll, sll_addr))
		return -EINVAL;
	memcpy(&ll, sa, MIN(size, sizeof(ll)));
	if (ll.sll_halen > sizeof(ll.sll_addr) ||
	    size < offsetof(struct sockaddr_ll, sll_addr) + ll.sll_halen)
		return -EINVAL;
	out->family = AF_PACKET;
	out->ethertype = ntohs(ll.sll_protocol);
	out->scope = (uint32_t)ll.sll_ifindex;
	out->hatype = ll.sll_hatype;
	out->pkttype = ll.sll_pkttype;
	out->halen = ll.sll_halen;
	memcpy(out->hwaddr, ll.sll_addr, sizeof(out->hwaddr));
	return 0;
}

int net_addr_from_sockaddr(int family, const void *sa, size_t size, struct net_addr *out)
{
	struct sockaddr_in6 in6 = { .sin6_family = 0 };
	struct sockaddr_in in;
	sa_family_t f;

	memset(out, 0, sizeof(*out));
	if (size < sizeof(f))
		return -EINVAL;
	memcpy(&f, sa, sizeof(f));
	switch (f) {
	case AF_UNSPEC:
		out->family = AF_UNSPEC;
		/* bind(2) of IPv4 takes it for INADDR_ANY when the rest says so. */
		out->ip = ipa_v6(&in6addr_loopback);
		if (family == AF_INET && size >= sizeof(in)) {
			memcpy(&in, sa, sizeof(in));
			out->ip = ipa_v4(in.sin_addr.s_addr);
			out->port = ntohs(in.sin_port);
		}
		return 0;
	case AF_INET:
		if (family != AF_INET && family != AF_INET6)
			return -EAFNOSUPPORT;
		if (size < sizeof(in))
			return -EINVAL;
		memcpy(&in, sa, sizeof(in));
		out->family = AF_INET;
		out->port = ntohs(in.sin_port);
		out->ip = ipa_v4(in.sin_addr.s_addr);
		return 0;
	case AF_INET6:
		if (family != AF_INET6)
			return -EAFNOSUPPORT;
		if (size < SIN6_LEN_RFC2133)
			return -EINVAL;
		memcpy(&in6, sa, MIN(size, sizeof(in6)));
		out->family = AF_INET6;
		out->port = ntohs(in6.sin6_port);
		out->flow = in6.sin6_flowinfo;
		out->ip = ipa_v6(&in6.sin6_addr);
		out->scope = in6.sin6_scope_id;
		return 0;
	case AF_PACKET:
		return family == AF_PACKET ? from_ll(sa, size, out) : -EAFNOSUPPORT;
	default:
		return family == AF_PACKET ? -EINVAL : -EAFNOSUPPORT;
	}
}

size_t net_addr_to_sockaddr(const struct net_addr *a, void *out)
{
	switch (a->family) {
	case AF_INET: {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };

		in.sin_addr.s_addr = a->ip.w[3];
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	case AF_INET6: {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port),
					    .sin6_flowinfo = a->flow, .sin6_scope_id = a->scope };

		memcpy(&in6.sin6_addr, a->ip.b, 16);
		memcpy(out, &in6, sizeof(in6));
		return sizeof(in6);
	}
	case AF_PACKET: {
		struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(a->ethertype),
					  .sll_ifindex = (int)a->scope, .sll_hatype = a->hatype,
					  .sll_pkttype = a->pkttype, .sll_halen = a->halen };

		memcpy(ll.sll_addr, a->hwaddr, sizeof(ll.sll_addr));
		memcpy(out, &ll, sizeof(ll));
		/* As Linux: no shorter than the fixed part with an eight-byte address. */
		return sizeof(ll);
	}
	default: {
		sa_family_t f = a->family;

		memcpy(out, &f, sizeof(f));
		return sizeof(f);
	}
	}
}

/* ---- sending ---- */

bool ip_options_ok(const uint8_t *o, size_t size)
{
	size_t len;

	for (size_t i = 0; i < size && o[i] != IPOPT_END; i += len) {
		len = 1;
		if (o[i] == IPOPT_NOOP)
			continue;
		if (size - i < 2 || o[i + 1] < 2 || o[i + 1] > size - i)
			return false;
		len = o[i + 1];
		if ((o[i] == IPOPT_RR || o[i] == IPOPT_LSRR || o[i] == IPOPT_SSRR) && (len < 3 || o[i + 2] < 4))
			return false;
		if (o[i] == IPOPT_TS && (len < 4 || o[i + 2] < 5))
			return false;
	}
	return true;
}

static int take_int(const void *data, size_t size, int lo, int hi, int *out)
{
	int v;

	if (size != sizeof(v))
		return -EINVAL;
	memcpy(&v, data, sizeof(v));
	if (v < lo || v > hi)
		return -EINVAL;
	*out = v;
	return 0;
}

static int parse_ip(struct ep_ctl *c, int type, const void *data, size_t size)
{
	struct in_pktinfo pi;
	int v = 0;

	switch (type) {
	case IP_PKTINFO:
		if (size != sizeof(pi))
			return -EINVAL;
		memcpy(&pi, data, sizeof(pi));
		c->mask |= EP_CTL_PKTINFO;
		c->ifindex = (uint32_t)pi.ipi_ifindex;
		c->spec_dst = ipa_v4(pi.ipi_spec_dst.s_addr);
		return 0;
	case IP_TTL:
		if (take_int(data, size, 1, 255, &c->ttl) < 0)
			return -EINVAL;
		c->mask |= EP_CTL_TTL;
		return 0;
	case IP_TOS:
		if (size == 1)
			v = *(const unsigned char *)data;
		else if (take_int(data, size, 0, 255, &v) < 0)
			return -EINVAL;
		c->tos = v;
		c->mask |= EP_CTL_TOS;
		return 0;
	case IP_RETOPTS: /* cut to what can be; checked as IP_OPTIONS are */
		size = MIN(size, sizeof(c->opts));
		if (!ip_options_ok(data, size))
			return -EINVAL;
		memset(c->opts, 0, sizeof(c->opts));
		memcpy(c->opts, data, size);
		c->opts_len = (uint8_t)ALIGN_UP(size, (size_t)4);
		c->mask |= EP_CTL_OPTS;
		return 0;
	default:
		return -EINVAL;
	}
}

/*
 * An extension header of one message (ip6_datagram_send_ctl()).  Routing headers are none of type 4 here, and of type 2 only where
 * Linux has CONFIG_IPV6_MIP6.  Of two of one kind the later counts, but where RFC 2292's forms forbid it.
 */
static int parse_ext(struct ep_ctl *c, int type, const uint8_t *data, size_t size)
{
	bool hop = type == IPV6_HOPOPTS || type == IPV6_2292HOPOPTS;
	enum ip6_ext_kind kind = hop ? IP6_EXT_HOP : type == IPV6_RTHDRDSTOPTS ? IP6_EXT_DST0 : IP6_EXT_DST1;
	struct ip6_ext *x;
	int err;

	if (hop && ip6_ext_header(c->ext, kind))
		return -EINVAL;
	if (size < 2 || ip6_ext_size(data) > size)
		return -EINVAL;
	if (!c->net_raw)
		return -EPERM;
	if (type == IPV6_2292DSTOPTS && ip6_ext_header(c->ext, kind))
		return -EINVAL;
	err = ip6_ext_with(c->ext, kind, data, &x);
	if (err < 0)
		return err;
	ip6_ext_put(c->ext);
	c->ext = x;
	return 0;
}

static int parse_ip6(struct ep_ctl *c, int type, const void *data, size_t size)
{
	struct in6_pktinfo pi;
	int v;

	switch (type) {
	case IPV6_2292PKTINFO:
	case IPV6_PKTINFO:
		if (size < sizeof(pi))
			return -EINVAL;
		memcpy(&pi, data, sizeof(pi));
		c->mask |= EP_CTL_PKTINFO;
		c->ifindex = pi.ipi6_ifindex;
		c->spec_dst = ipa_v6(&pi.ipi6_addr);
		return 0;
	case IPV6_2292HOPLIMIT:
	case IPV6_HOPLIMIT:
		if (take_int(data, size, -1, 255, &c->ttl) < 0)
			return -EINVAL;
		c->mask |= EP_CTL_TTL;
		return 0;
	case IPV6_TCLASS:
		if (take_int(data, size, -1, 255, &c->tos) < 0)
			return -EINVAL;
		c->mask |= EP_CTL_TOS;
		return 0;
	case IPV6_DONTFRAG:
		if (take_int(data, size, 0, 1, &v) < 0)
			return -EINVAL;
		if (v)
			c->mask |= EP_CTL_DONTFRAG;
		return 0;
	case IPV6_HOPOPTS:
	case IPV6_2292HOPOPTS:
	case IPV6_RTHDRDSTOPTS:
	case IPV6_DSTOPTS:
	case IPV6_2292DSTOPTS:
		return parse_ext(c, type, data, size);
	default:
		return -EINVAL;
	}
}

int ep_ctl_parse(struct ep_ctl *c, int family, int level, int type, const void *data, size_t size)
{
	uint16_t gso;

	switch (level) {
	case IPPROTO_IP:
		/* Also on an IPv6 socket, for an IPv4 destination. */
		return parse_ip(c, type, data, size);
	case IPPROTO_IPV6:
		return family == AF_INET6 ? parse_ip6(c, type, data, size) : 0;
	case IPPROTO_UDP:
		if (type != UDP_SEGMENT || size != sizeof(gso))
			return -EINVAL;
		memcpy(&gso, data, sizeof(gso));
		c->gso_size = gso;
		c->mask |= EP_CTL_GSO;
		return 0;
	default:
		return 0;
	}
}

/* ---- receiving ---- */

static void build_common(const struct ep_ctl *c, ep_ctl_put_fn *put, void *arg)
{
	if (c->mask & EP_CTL_TSTAMP) {
		if (c->tstamp_in_ns) {
			struct timespec ts = { c->tstamp_ns / NSEC_PER_SEC, c->tstamp_ns % NSEC_PER_SEC };

			put(arg, SOL_SOCKET, c->tstamp_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS, &ts, sizeof(ts));
		} else {
			struct timeval tv = { c->tstamp_ns / NSEC_PER_SEC,
					      c->tstamp_ns % NSEC_PER_SEC / NSEC_PER_USEC };

			put(arg, SOL_SOCKET, c->tstamp_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP, &tv, sizeof(tv));
		}
	}
	if (c->mask & EP_CTL_TSTAMPING) {
		struct timespec ts[3] = { { c->stamp_ns / NSEC_PER_SEC, c->stamp_ns % NSEC_PER_SEC } };

		/* software, -, hardware */
		put(arg, SOL_SOCKET, c->tstamp_new ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING, ts, sizeof(ts));
	}
	if (c->mask & EP_CTL_OVFL)
		put(arg, SOL_SOCKET, SO_RXQ_OVFL, &c->drops, sizeof(c->drops));
	if (c->mask & EP_CTL_MARK)
		put(arg, SOL_SOCKET, SO_MARK, &c->mark, sizeof(c->mark));
	if (c->mask & EP_CTL_GSO) {
		int v = c->gso_size;

		put(arg, IPPROTO_UDP, UDP_GRO, &v, sizeof(v));
	}
	if (c->mask & EP_CTL_INQ) {
		int v = (int)c->inq;

		put(arg, IPPROTO_TCP, TCP_CM_INQ_, &v, sizeof(v));
	}
	if (c->mask & EP_CTL_AUXDATA) {
		struct tpacket_auxdata aux = { .tp_status = c->aux_status, .tp_len = c->aux_len,
					       .tp_snaplen = c->aux_len, .tp_net = (uint16_t)c->aux_net };

		put(arg, SOL_PACKET, PACKET_AUXDATA, &aux, sizeof(aux));
	}
}

static void build_v4(const struct ep_ctl *c, ep_ctl_put_fn *put, void *arg)
{
	if (c->mask & EP_CTL_PKTINFO) {
		struct in_pktinfo pi = { .ipi_ifindex = (int)c->ifindex };

		pi.ipi_spec_dst.s_addr = c->spec_dst.w[3];
		pi.ipi_addr.s_addr = c->dst.w[3];
		put(arg, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	}
	if (c->mask & EP_CTL_TTL)
		put(arg, IPPROTO_IP, IP_TTL, &c->ttl, sizeof(c->ttl));
	if (c->mask & EP_CTL_TOS) {
		uint8_t tos = (uint8_t)c->tos;

		put(arg, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	}
	if (c->mask & EP_CTL_OPTS)
		put(arg, IPPROTO_IP, IP_RECVOPTS, c->opts, c->opts_len);
	if (c->mask & EP_CTL_ORIGDST) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(c->dst_port) };

		in.sin_addr.s_addr = c->dst.w[3];
		put(arg, IPPROTO_IP, IP_ORIGDSTADDR, &in, sizeof(in));
	}
}

/* The headers that a packet came with, in their order; the hop-by-hop ones can only be the first. */
static void build_ext(const struct ep_ctl *c, ep_ctl_put_fn *put, void *arg)
{
	struct ip6_walk w = { c->ext_in->bytes, c->ext_in->bytes + c->ext_in->size, c->ext_first };
	const uint8_t *h;
	uint8_t proto;
	size_t size;

	while ((h = ip6_walk_next(&w, &proto, &size))) {
		if (proto == IPPROTO_HOPOPTS && (c->mask & EP_CTL_HOPOPTS))
			put(arg, IPPROTO_IPV6, IPV6_HOPOPTS, h, size);
		if (proto == IPPROTO_ROUTING && (c->mask & EP_CTL_RTHDR))
			put(arg, IPPROTO_IPV6, IPV6_RTHDR, h, size);
		if (proto == IPPROTO_DSTOPTS && (c->mask & EP_CTL_DSTOPTS))
			put(arg, IPPROTO_IPV6, IPV6_DSTOPTS, h, size);
	}
}

static void put_header(ep_ctl_put_fn *put, void *arg, int type, const uint8_t *header)
{
	if (header)
		put(arg, IPPROTO_IPV6, type, header, ip6_ext_size(header));
}

/* RFC 2292's forms tell one of a kind: the last routing header, the last options before it and after it. */
static void build_old_ext(const struct ep_ctl *c, ep_ctl_put_fn *put, void *arg)
{
	struct ip6_walk w = { c->ext_in->bytes, c->ext_in->bytes + c->ext_in->size, c->ext_first };
	const uint8_t *h, *hop = NULL, *before = NULL, *routing = NULL, *after = NULL;
	uint8_t proto;
	size_t size;

	while ((h = ip6_walk_next(&w, &proto, &size))) {
		if (proto == IPPROTO_HOPOPTS) {
			hop = h;
		} else if (proto == IPPROTO_DSTOPTS) {
			after = h;
		} else {
			routing = h;
			before = after;
			after = NULL;
		}
	}
	if (c->mask & EP_CTL_OLDHOPOPTS)
		put_header(put, arg, IPV6_2292HOPOPTS, hop);
	if (c->mask & EP_CTL_OLDDSTOPTS)
		put_header(put, arg, IPV6_2292DSTOPTS, before);
	if (c->mask & EP_CTL_OLDRTHDR)
		put_header(put, arg, IPV6_2292RTHDR, routing);
	if (c->mask & EP_CTL_OLDDSTOPTS)
		put_header(put, arg, IPV6_2292DSTOPTS, after);
}

/* In the order of ip6_datagram_recv_ctl(). */
static void build_v6(const struct ep_ctl *c, ep_ctl_put_fn *put, void *arg)
{
	struct in6_pktinfo pi = { .ipi6_ifindex = c->ifindex };

	memcpy(&pi.ipi6_addr, c->dst.b, 16);
	if (c->mask & EP_CTL_PKTINFO)
		put(arg, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	if (c->mask & EP_CTL_TTL)
		put(arg, IPPROTO_IPV6, IPV6_HOPLIMIT, &c->ttl, sizeof(c->ttl));
	if (c->mask & EP_CTL_TOS)
		put(arg, IPPROTO_IPV6, IPV6_TCLASS, &c->tos, sizeof(c->tos));
	if (c->ext_in)
		build_ext(c, put, arg);
	if (c->mask & EP_CTL_OLDPKTINFO)
		put(arg, IPPROTO_IPV6, IPV6_2292PKTINFO, &pi, sizeof(pi));
	if (c->mask & EP_CTL_OLDHOPS)
		put(arg, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &c->ttl, sizeof(c->ttl));
	if (c->ext_in)
		build_old_ext(c, put, arg);
	if (c->mask & EP_CTL_ORIGDST) {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(c->dst_port) };

		memcpy(&in6.sin6_addr, c->dst.b, 16);
		put(arg, IPPROTO_IPV6, 74 /* IPV6_ORIGDSTADDR */, &in6, sizeof(in6));
	}
}

/* struct sock_extended_err, and behind it the address of who sent the error. */
static void build_err(const struct ep_ctl *c, ep_ctl_put_fn *put, void *arg)
{
	struct {
		struct sock_extended_err err;
		struct sockaddr_in6 offender;
	} e = { .err = c->err };
	bool v6 = c->err.ee_origin == SO_EE_ORIGIN_ICMP6 || c->v6;
	size_t size = sizeof(e.err);
	struct net_addr a = c->offender;

	if (c->err.ee_origin == SO_EE_ORIGIN_ICMP || c->err.ee_origin == SO_EE_ORIGIN_ICMP6) {
		a.family = v6 ? AF_INET6 : AF_INET;
		size += net_addr_to_sockaddr(&a, &e.offender);
	} else {
		size += v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in); /* AF_UNSPEC */
	}
	if (v6)
		put(arg, IPPROTO_IPV6, IPV6_RECVERR, &e, size);
	else
		put(arg, IPPROTO_IP, IP_RECVERR, &e, size);
}

void ep_ctl_build(const struct ep_msg *m, ep_ctl_put_fn *put, void *arg)
{
	const struct ep_ctl *c = &m->ctl;

	if (!c->mask)
		return;
	build_common(c, put, arg);
	if (c->v6)
		build_v6(c, put, arg);
	else
		build_v4(c, put, arg);
	if (c->mask & EP_CTL_ERR)
		build_err(c, put, arg);
}
