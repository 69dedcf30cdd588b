/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_vnet.c: PACKET_VNET_HDR (packet(7)): a struct virtio_net_hdr before each packet of a SOCK_RAW socket: a checksum that is
 * still to be made, and a large segment that is still to be cut.
 *
 * A header from the application is hostile: a packet that is to be cut must be TCP or UDP right behind an IP header, at the
 * place that the header names, with all of its headers there.  gso_segment() relies on that.
 *
 * Linux: virtio_net_hdr_to_skb(), virtio_net_hdr_from_skb(); packet_snd_vnet_parse() and packet_rcv_vnet() in net/packet/af_packet.c.
 * There more is let through: segments without NEEDS_CSUM, behind tunnels and VLAN tags, in any number (here 2,048, of UDP
 * UDP_MAX_SEGMENTS), UFO.
 */
#include <linux/virtio_net.h>

#include "lib/uio.h"
#include "netstack/transport/ep_impl.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif
#define TCP_MAX_SEGMENTS 2048

struct shape {
	uint8_t proto;
	size_t ip, transport; /* sizes of the headers */
};

/* The headers of an IP packet at net, of which room bytes are there.  false: not the ones that are wanted. */
static bool find_headers(const uint8_t *net, size_t room, bool v6, uint8_t proto, struct shape *out)
{
	const uint8_t *trans;

	out->proto = proto;
	if (room < (v6 ? IP6_HLEN : IP4_HLEN) || net[0] >> 4 != (v6 ? 6 : 4) || net[v6 ? 6 : 9] != proto)
		return false;
	out->ip = v6 ? IP6_HLEN : (net[0] & 15U) * 4U;
	if (!v6 && (out->ip < IP4_HLEN || (net[6] & 0x3f) | net[7])) /* a fragment */
		return false;
	out->transport = proto == PROTO_TCP ? 20 : 8;
	if (room < out->ip + out->transport)
		return false;
	trans = net + out->ip;
	if (proto == PROTO_TCP)
		out->transport = (trans[12] >> 4) * 4U;
	return out->transport >= 8 && (proto != PROTO_TCP || out->transport >= 20) && room >= out->ip + out->transport;
}

static int apply_gso(struct nic *n, struct pkt *p, const struct virtio_net_hdr *h)
{
	uint16_t ethertype = p->len >= ETH_HLEN ? rd16(p->data + 12) : 0;
	bool v6 = ethertype == ETHERTYPE_IP6;
	uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN, proto = PROTO_TCP;
	struct shape f;
	size_t payload;

	if (type == VIRTIO_NET_HDR_GSO_UDP_L4)
		proto = PROTO_UDP;
	else if (type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6)
		return -EINVAL;
	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || h->gso_size == 0 || n->hlen != ETH_HLEN || p->len <= ETH_HLEN ||
	    (!v6 && ethertype != ETHERTYPE_IP4) || (type == VIRTIO_NET_HDR_GSO_TCPV4 && v6) ||
	    (type == VIRTIO_NET_HDR_GSO_TCPV6 && !v6) ||
	    !find_headers(p->data + ETH_HLEN, p->len - ETH_HLEN, v6, proto, &f))
		return -EINVAL;
	if (h->csum_start != ETH_HLEN + f.ip || h->csum_offset != (proto == PROTO_TCP ? 16 : 6))
		return -EINVAL;
	payload = p->len - ETH_HLEN - f.ip - f.transport;
	if (payload > (size_t)h->gso_size * (proto == PROTO_TCP ? TCP_MAX_SEGMENTS : UDP_MAX_SEGMENTS))
		return -EINVAL;
	p->proto = proto;
	p->net = p->data + ETH_HLEN;
	p->ethertype = ethertype;
	/* for the checksums of the pieces */
	p->src = v6 ? ipa_v6(p->net + 8) : ipa_v4(htonl(rd32(p->net + 12)));
	p->dst = v6 ? ipa_v6(p->net + 24) : ipa_v4(htonl(rd32(p->net + 16)));
	if (payload <= h->gso_size) { /* not really one */
		pkt_finish_csum(p);
		return 0;
	}
	p->gso_size = h->gso_size;
	p->gso_type = proto == PROTO_UDP ? GSO_UDP : v6 ? GSO_TCP6 : GSO_TCP4;
	return 0;
}

int packet_vnet_apply(struct nic *n, struct pkt *p, const struct virtio_net_hdr *h)
{
	bool sum = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, gso = h->gso_type != VIRTIO_NET_HDR_GSO_NONE;

	if (h->hdr_len > p->len || p->nfrags || (sum && !pkt_partial_csum(p, h->csum_start, h->csum_offset)))
		return -EINVAL;
	if (sum && !gso)
		pkt_finish_csum(p);
	return gso ? apply_gso(n, p, h) : 0;
}

void packet_vnet_describe(const struct pkt *p, struct virtio_net_hdr *h)
{
	memset(h, 0, sizeof(*h));
	if (p->gso_size) {
		h->gso_type = p->gso_type == GSO_TCP4 ? VIRTIO_NET_HDR_GSO_TCPV4 :
			      p->gso_type == GSO_TCP6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_UDP_L4;
		h->gso_size = p->gso_size;
		h->hdr_len = (uint16_t)MIN(MIN(p->head_len, p->len), (uint32_t)UINT16_MAX);
	}
	if ((p->flags & PKT_CSUM_PARTIAL) && p->trans >= p->data && p->trans <= p->data + p->head_len) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = (uint16_t)(p->trans - p->data);
		h->csum_offset = p->csum_off;
	} else if (p->flags & PKT_CSUM_OK) {
		h->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
}

int packet_vnet_put(const struct dgram *d, const struct pkt *p, struct uio *u)
{
	struct {
		struct virtio_net_hdr h;
		uint16_t buffers; /* of struct virtio_net_hdr_mrg_rxbuf */
	} v = { .buffers = 0 };

	packet_vnet_describe(p, &v.h);
	return uio_put(u, &v, (size_t)d->vnet) == d->vnet ? 0 : -EFAULT;
}

