/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet_diag.c: sock_diag(7) for AF_PACKET: what `ss -0` asks.
 *
 * Rings, fanout and filters are not shown (PACKET_SHOW_RING_CFG, _FANOUT, _FILTER), nor are memberships: ss does without.
 * One socket alone can't be asked for, as on Linux.
 *
 * Linux: net/packet/diag.c.
 */
#include <errno.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "netstack/ep.h"
#include "sentry/socket/netlink.h"

struct packet_look {
	struct nl_reply *reply;
	uint32_t show;
};

static void put_memory(struct nl_reply *r, const struct ep_info *i)
{
	uint32_t m[SK_MEMINFO_VARS] = {
		[SK_MEMINFO_RMEM_ALLOC] = i->rqueue, [SK_MEMINFO_RCVBUF] = i->rcvbuf, [SK_MEMINFO_SNDBUF] = i->sndbuf,
		[SK_MEMINFO_DROPS] = i->drops,
	};

	nl_attr(r, PACKET_DIAG_MEMINFO, m, sizeof(m));
}

static int put_one(void *arg, const struct ep_info *i)
{
	struct packet_look *l = arg;
	struct packet_diag_msg m = { .pdiag_family = AF_PACKET, .pdiag_type = (uint8_t)i->type,
				     .pdiag_num = i->local.ethertype, .pdiag_ino = (uint32_t)i->inode,
				     .pdiag_cookie = { (uint32_t)i->cookie, (uint32_t)(i->cookie >> 32) } };
	struct packet_diag_info info = { .pdi_index = i->local.scope, .pdi_version = (uint32_t)i->packet.version,
					 .pdi_reserve = i->packet.reserve };

	if (i->family != AF_PACKET)
		return 0;
	info.pdi_flags = (i->packet.running ? PDI_RUNNING : 0) | (i->packet.auxdata ? PDI_AUXDATA : 0) |
			 (i->packet.origdev ? PDI_ORIGDEV : 0);
	nl_begin(l->reply, SOCK_DIAG_BY_FAMILY, 0, &m, sizeof(m));
	if (l->show & PACKET_SHOW_INFO) {
		nl_attr(l->reply, PACKET_DIAG_INFO, &info, sizeof(info));
		nl_attr_u32(l->reply, PACKET_DIAG_UID, i->uid);
	}
	if (l->show & PACKET_SHOW_MEMINFO)
		put_memory(l->reply, i);
	nl_end(l->reply);
	return 0;
}

int packet_diag_request(struct nl_request *q)
{
	struct packet_look l = { .reply = q->reply };
	struct packet_diag_req req;

	if (q->h->nlmsg_len < NLMSG_LENGTH(sizeof(req)))
		return -EINVAL;
	memcpy(&req, nl_body(q->h), sizeof(req));
	if (req.sdiag_protocol)
		return -EINVAL;
	if ((q->h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		return -EOPNOTSUPP;
	l.show = req.pdiag_show;
	q->reply->flags |= NLM_F_MULTI;
	return ep_for_each(q->stack, EP_PROTO_ANY, put_one, &l);
}
