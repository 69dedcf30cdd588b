/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ip4.c: IPv4 input: checks, fragments, and delivery to the transports, or forwarding (forward.c).
 *
 * The host model is Linux's weak one: an address of ours is accepted on any interface, except that
 * loopback addresses don't come from a wire (route_localnet), and what comes from an address of ours (accept_local)
 * or would be answered by another interface (rp_filter) is dropped: fib_validate_source().
 */
#include <arpa/inet.h>

#include "lib/log.h"
#include "netstack/stack_impl.h"

/* Addresses that no packet from a wire may carry: ip_route_input_slow(). */
static bool ip4_martian(const struct nic *n, const struct pkt *p)
{
	if (p->flags & PKT_LOOPED)
		return false;
	if (ipa_is_multicast(p->src) || ipa_is_limited_broadcast(p->src))
		return true;
	return (ipa_is_loopback(p->src) || ipa_is_loopback(p->dst)) && !nic_conf_or(n, IP4_route_localnet);
}

int ip4_source_error(struct nic *n, struct ipa src, struct ipa dst)
{
	struct stack *s = n->stack;
	uint64_t known = (uint64_t)atomic_load_explicit(&s->gen, memory_order_acquire) << 32 | src.w[3];
	atomic_ullong *at = &n->valid_src[(src.b[12] ^ src.b[13] ^ src.b[14] ^ src.b[15]) % VALID_SRC];
	int filter, err = 0;

	if (atomic_load_explicit(at, memory_order_relaxed) == known)
		return 0;
	filter = nic_conf_max(n, IP4_rp_filter);
	if (filter > 0)
		err = route_check_source(s, n, src, dst, filter == 1);
	else if (!nic_conf_or(n, IP4_accept_local) && addr_state(s, NULL, src) >= 0)
		err = -EINVAL;
	/* Without rules nothing but the table and the settings counts, and gen changes with these. */
	if (err == 0 && !(filter > 0 && s->ruled[0]))
		atomic_store_explicit(at, known, memory_order_relaxed);
	return err;
}

/* A packet that can't have come this way.  It goes. */
static void ip4_drop_martian(struct nic *n, struct pkt *p, int err)
{
	struct stack *s = n->stack;
	char src[INET_ADDRSTRLEN], dst[INET_ADDRSTRLEN];
	struct nic_info info;

	NET_INC(s, InMartianSrc);
	net_add(s, err == -EXDEV ? NS_IPReversePathFilter : NS_IpInAddrErrors, 1);
	if (nic_conf_or(n, IP4_log_martians) && log_enabled(LOG_INFO) && token_take(&s->martian_bucket, stack_now(s), 2, 10)) {
		nic_get_info(n, &info);
		log_info("network: martian source %s from %s, on dev %s", inet_ntop(AF_INET, &p->dst.b[12], dst, sizeof(dst)),
			 inet_ntop(AF_INET, &p->src.b[12], src, sizeof(src)), info.name);
	}
	pkt_free(p);
}

static bool ip4_for_us(struct stack *s, struct nic *n, struct pkt *p)
{
	switch (addr_type(s, p->dst, n->ifindex)) {
	case ROUTE_LOCAL:
		return !(p->flags & (PKT_BROADCAST | PKT_MULTICAST));
	case ROUTE_BROADCAST:
		p->flags |= PKT_BROADCAST;
		NET_INC(s, InBcastPkts);
		return true;
	case ROUTE_MULTICAST:
		p->flags |= PKT_MULTICAST;
		NET_INC(s, InMcastPkts);
		return mcast_member(n, p->dst);
	default:
		return false;
	}
}

/* Length fields and checksum; trims what the link padded. */
static bool ip4_check(struct pkt *p)
{
	const struct ip4_hdr *ip = (const void *)p->data;
	size_t hlen, len;

	if (!pkt_linear(p, IP4_HLEN) || ip->ver_ihl >> 4 != 4)
		return false;
	hlen = (ip->ver_ihl & 15U) * 4U;
	len = ntohs(ip->len);
	if (hlen < IP4_HLEN || len < hlen || !pkt_linear(p, hlen) || len > p->len)
		return false;
	if (!(p->flags & PKT_LOOPED) && csum_fold(csum_add(0, ip, hlen, 0)) != 0)
		return false;
	pkt_trim(p, len);
	return true;
}

/* Source routes are refused; other options must be well-formed. */
static bool ip4_options_ok(const uint8_t *o, size_t len)
{
	for (size_t i = 0; i < len && o[i] != 0;) {
		if (o[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= len || o[i + 1] < 2 || o[i + 1] > len - i)
			return false;
		if (o[i] == 131 || o[i] == 137)
			return false;
		i += o[i + 1];
	}
	return true;
}

void ip4_input(struct txq *q, struct nic *n, struct pkt *p)
{
	struct stack *s = q->stack;
	const struct ip4_hdr *ip;
	size_t hlen;
	bool for_us;
	int err;

	NET_INC(s, IpInReceives);
	if (!ip4_check(p)) {
		NET_INC(s, IpInHdrErrors);
		goto drop;
	}
	ip = (const void *)p->data;
	hlen = (ip->ver_ihl & 15U) * 4U;
	p->net = p->data;
	p->src = ipa_v4(ip->src);
	p->dst = ipa_v4(ip->dst);
	p->ttl = ip->ttl;
	p->tos = ip->tos;
	if (hlen > IP4_HLEN && !ip4_options_ok(p->data + IP4_HLEN, hlen - IP4_HLEN)) {
		NET_INC(s, IpInHdrErrors);
		goto drop;
	}
	if (ip4_martian(n, p)) {
		ip4_drop_martian(n, p, -EINVAL);
		return;
	}
	for_us = ip4_for_us(s, n, p);
	if (!for_us && !nic_conf(n, IP4_forwarding)) {
		NET_INC(s, IpInAddrErrors);
		goto drop;
	}
	err = (p->flags & PKT_LOOPED) || ipa_is_any(p->src) ? 0 : ip4_source_error(n, p->src, p->dst);
	if (err < 0) {
		ip4_drop_martian(n, p, err);
		return;
	}
	if (!for_us) {
		ip_forward(q, n, p);
		return;
	}
	if (ip->frag & htons(IP4_MF | IP4_OFFMASK)) {
		p = frag_input4(q, n, p);
		if (!p)
			return;
		ip = (const void *)p->data;
		hlen = (ip->ver_ihl & 15U) * 4U;
	}
	pkt_pull(p, hlen);
	p->trans = p->data;
	ip_deliver(q, n, p, ip->proto);
	return;
drop:
	pkt_free(p);
}

/* A protocol nobody speaks here. */
static void ip_unknown_proto(struct txq *q, struct nic *n, struct pkt *p, bool taken)
{
	if (taken)
		return;
	if (ipa_is4(p->dst)) {
		NET_INC(q->stack, IpInUnknownProtos);
		icmp_error(q, n, p, ICMP4_UNREACH, UNREACH_PROTO, 0);
	} else {
		NET_INC(q->stack, Ip6InUnknownProtos);
		icmp_error(q, n, p, ICMP6_PARAM, 1, (uint32_t)(p->trans - p->net) >= IP6_HLEN ? 6 : 6);
	}
}

void ip_deliver(struct txq *q, struct nic *n, struct pkt *p, uint8_t proto)
{
	bool v4 = ipa_is4(p->dst), taken;

	p->proto = proto;
	net_add(q->stack, v4 ? NS_IpInDelivers : NS_Ip6InDelivers, 1);
	taken = raw_deliver(n, p, proto);
	switch (proto) {
	case PROTO_TCP:
		tcp_input(q, n, p);
		return;
	case PROTO_UDP:
	case PROTO_UDPLITE:
		udp_input(q, n, p);
		return;
	case PROTO_ICMP:
		if (v4) {
			icmp4_input(q, n, p);
			return;
		}
		break;
	case PROTO_IGMP:
		if (v4) {
			igmp_input(q, n, p);
			return;
		}
		break;
	case PROTO_ICMP6:
		if (!v4) {
			icmp6_input(q, n, p);
			return;
		}
		break;
	default:
		break;
	}
	ip_unknown_proto(q, n, p, taken);
	pkt_free(p);
}
