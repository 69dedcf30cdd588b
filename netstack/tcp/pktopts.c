/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pktopts.c: IPV6_2292PKTOPTIONS of streams (RFC 2292 4.1): what readers of datagrams get with each (hop limit, traffic class,
 * extension headers …) a stream keeps of its last segment that was in order, for getsockopt(2).
 *
 * As Linux (tcp_v6_do_rcv(), do_ipv6_getsockopt()): all of a segment that has extension headers which are wanted; of others single
 * values, as far as they were wanted when it came.  A connection that was accepted begins with those of its handshake: here of the
 * last segment of it, on Linux of the first.
 *
 * ep.rx6 says that anything is wanted: without, nothing of this is looked at, and the loopback splice may go around it.
 */
#include "netstack/sockaddr.h"
#include "netstack/tcp/tcp.h"

void tcp_seen_take(const struct tcp *t, const struct pkt *p, struct tcp_seen *out)
{
	struct ep_ctl c = { .mask = 0 };

	ep_ext_in(&t->ep, p, &c);
	*out = (struct tcp_seen){ .ext = c.ext_in, .ext_first = c.ext_first, .hops = p->ttl, .tclass = p->tos,
				  .ifindex = p->nic->ifindex, .dst = p->dst, .end_seq = p->cb.tcp.end_seq };
}

void tcp_seen_free(struct tcp_seen *s)
{
	pbuf_put(s->ext);
	s->ext = NULL;
}

/* Is there among its headers one that is wanted (ipv6_opt_accepted())? */
static bool seen_has_wanted(const struct ep *e, const struct tcp_seen *s)
{
	struct ip6_walk w;
	uint8_t proto;
	size_t size;

	if (!s->ext)
		return false;
	w = (struct ip6_walk){ s->ext->bytes, s->ext->bytes + s->ext->size, s->ext_first };
	while (ip6_walk_next(&w, &proto, &size))
		if (proto == PROTO_HOPOPTS ? e->hopopts || e->oldhopopts :
		    proto == PROTO_ROUTING ? e->rthdr || e->oldrthdr : e->dstopts || e->olddstopts)
			return true;
	return false;
}

static void seen_whole(struct tcp *t, struct tcp_seen *s, bool whole)
{
	tcp_seen_free(&t->seen);
	t->seen_whole = whole;
	if (whole)
		t->seen = *s;
	else
		tcp_seen_free(s);
}

void tcp_seen_keep(struct tcp *t, struct tcp_seen *s)
{
	const struct ep *e = &t->ep;

	if (s->end_seq != t->rcv_nxt || tcp_state_in(t, TCPS_BIT(TCPS_CLOSE) | TCPS_BIT(TCPS_LISTEN))) {
		tcp_seen_free(s);
		return;
	}
	if (e->recvpktinfo6 || e->oldpktinfo)
		t->seen_ifindex = s->ifindex;
	if (e->recvhops || e->oldhops)
		t->seen_hops = s->hops;
	if (e->recvtclass || e->flowinfo)
		t->seen_tclass = s->tclass;
	seen_whole(t, s, seen_has_wanted(e, s));
}

void tcp_seen_begin(struct tcp *t, struct tcp_seen *s)
{
	const struct ep *e = &t->ep;

	t->seen_ifindex = s->ifindex;
	t->seen_hops = s->hops;
	t->seen_tclass = s->tclass;
	seen_whole(t, s, seen_has_wanted(e, s) || e->recvpktinfo6 || e->oldpktinfo || e->recvhops || e->oldhops);
}

/* put_cmsg() into size bytes at `at`. */
struct cmsg_room {
	char *at;
	size_t size;
};

static void seen_put(void *arg, int level, int type, const void *data, size_t size)
{
	struct cmsghdr h = { .cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type };
	struct cmsg_room *r = arg;
	size_t space = MIN((size_t)CMSG_SPACE(size), r->size);

	if (r->size < sizeof(h))
		return;
	h.cmsg_len = MIN(h.cmsg_len, r->size);
	memset(r->at, 0, space);
	memcpy(r->at, &h, sizeof(h));
	memcpy(r->at + sizeof(h), data, h.cmsg_len - sizeof(h));
	r->at += space;
	r->size -= space;
}

int tcp_seen_get(const struct tcp *t, void *val, size_t *size)
{
	const struct tcp_seen *s = &t->seen;
	const struct ep *e = &t->ep;
	struct ep_msg m = { .ctl.v6 = true };
	struct cmsg_room room = { val, *size };
	struct ep_ctl *c = &m.ctl;

	c->mask = (e->recvpktinfo6 ? EP_CTL_PKTINFO : 0U) | (e->recvhops ? EP_CTL_TTL : 0U) | (e->recvtclass ? EP_CTL_TOS : 0U) |
		  (e->oldpktinfo ? EP_CTL_OLDPKTINFO : 0U) | (e->oldhops ? EP_CTL_OLDHOPS : 0U);
	if (t->seen_whole) {
		c->mask |= ext_wanted(e);
		c->ext_in = s->ext; /* borrowed */
		c->ext_first = s->ext_first;
		c->ifindex = s->ifindex;
		c->dst = s->dst;
		c->ttl = s->hops;
		c->tos = s->tclass;
	} else {
		c->ifindex = t->seen_ifindex ? t->seen_ifindex : e->sticky_if6;
		c->dst = t->seen_ifindex ? e->raddr : ipa_any6();
		c->ttl = t->seen_hops ? t->seen_hops : 1; /* IPV6_DEFAULT_MCASTHOPS */
		c->tos = t->seen_tclass;
	}
	ep_ctl_build(&m, seen_put, &room);
	*size -= room.size;
	return 0;
}
