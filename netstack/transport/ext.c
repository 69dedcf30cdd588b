/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext.c: IPv6's extension headers of sockets (ipv6(7), RFC 3542): IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR and IPV6_DSTOPTS, which
 * all that a socket sends has; those of one message, which take the place of all of them; and what readers are told
 * (IPV6_RECVHOPOPTS …, and RFC 2292's forms).
 *
 * As Linux without CONFIG_IPV6_MIP6: of routing headers an option may set type 4 alone, a message none.  What a header says beyond its
 * length is the application's business.  Linux: net/ipv6/ipv6_sockglue.c, datagram.c, exthdrs.c.
 */
#include "netstack/transport/ep_impl.h"

static const struct {
	int name;
	enum ip6_ext_kind kind;
} ext_options[] = {
	{ IPV6_HOPOPTS, IP6_EXT_HOP },
	{ IPV6_RTHDRDSTOPTS, IP6_EXT_DST0 },
	{ IPV6_RTHDR, IP6_EXT_ROUTING },
	{ IPV6_DSTOPTS, IP6_EXT_DST1 },
};

static int ext_kind(int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ext_options); i++)
		if (ext_options[i].name == name)
			return (int)ext_options[i].kind;
	return -ENOPROTOOPT;
}

/* Consumes ext. */
static void ext_set_locked(struct ep *e, struct ip6_ext *ext)
{
	struct ip6_ext *old = e->ext;

	e->ext = ext;
	e->dst.valid = false; /* a routing header leads elsewhere */
	if (e->ops->ext_changed)
		e->ops->ext_changed(e);
	ip6_ext_put(old);
}

void ep_set_ext(struct ep *e, struct ip6_ext *ext)
{
	nlock_lock(&e->lock);
	ext_set_locked(e, ip6_ext_get(ext));
	nlock_unlock(&e->lock);
}

int ext_set(struct ep *e, int name, const void *val, size_t size)
{
	int kind = ext_kind(name), err;
	struct ip6_ext *x;

	if (kind < 0)
		return kind;
	if (size && (size < 8 || size % 8 || size > IP6_EXT_MAX || ip6_ext_size(val) > size))
		return -EINVAL;
	if (size && kind == IP6_EXT_ROUTING && !ip6_ext_routing_ok(val, size))
		return -EINVAL;
	err = ip6_ext_with(e->ext, (enum ip6_ext_kind)kind, size ? val : NULL, &x);
	if (err == 0)
		ext_set_locked(e, x);
	return err;
}

int ext_get(struct ep *e, int name, void *val, size_t *size)
{
	int kind = ext_kind(name);
	const uint8_t *h;

	if (kind < 0)
		return kind;
	h = ip6_ext_header(e->ext, (enum ip6_ext_kind)kind);
	return ep_put_bytes(val, size, h ? h : (const uint8_t *)"", h ? ip6_ext_size(h) : 0);
}

const struct ip6_ext *ep_ext(const struct ep *e, const struct ep_msg *m, struct ipa dst)
{
	if (ipa_is4(dst))
		return NULL;
	return m && m->ctl.ext ? m->ctl.ext : e->ext;
}

uint32_t ext_wanted(const struct ep *e)
{
	return (e->hopopts ? EP_CTL_HOPOPTS : 0U) | (e->rthdr ? EP_CTL_RTHDR : 0U) | (e->dstopts ? EP_CTL_DSTOPTS : 0U) |
	       (e->oldhopopts ? EP_CTL_OLDHOPOPTS : 0U) | (e->oldrthdr ? EP_CTL_OLDRTHDR : 0U) |
	       (e->olddstopts ? EP_CTL_OLDDSTOPTS : 0U);
}

void ep_ext_in(const struct ep *e, const struct pkt *p, struct ep_ctl *c)
{
	uint32_t wanted = ext_wanted(e);
	struct ip6_walk w;
	uint8_t proto;
	size_t size;

	if (!wanted || ipa_is4(p->dst) || p->trans - p->net <= IP6_HLEN)
		return;
	w = (struct ip6_walk){ p->net + IP6_HLEN, p->trans, p->net[offsetof(struct ip6_hdr, next)] };
	c->ext_first = w.next;
	while (ip6_walk_next(&w, &proto, &size))
		;
	size = (size_t)(w.at - p->net) - IP6_HLEN;
	if (size == 0 || !(c->ext_in = pbuf_new(size)))
		return; /* without memory it is not told */
	memcpy(c->ext_in->bytes, p->net + IP6_HLEN, size);
	c->mask |= wanted;
}

void ep_msg_fini(struct ep_msg *m)
{
	ip6_ext_put(m->ctl.ext);
	pbuf_put(m->ctl.ext_in);
	m->ctl.ext = NULL;
	m->ctl.ext_in = NULL;
}
