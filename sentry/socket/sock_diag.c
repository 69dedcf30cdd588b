/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_diag.c: sock_diag(7) for AF_INET and AF_INET6: what `ss` and its kin ask.  AF_UNIX: unix_diag.c, AF_PACKET: packet_diag.c.
 *
 * Filters in byte code (INET_DIAG_REQ_BYTECODE) are not run: those who send them check again.  Other
 * families are refused with ENOENT, which makes ss read /proc/net instead.
 *
 * Linux: net/core/sock_diag.c, net/ipv4/inet_diag.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

#include "netstack/ep.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/netlink.h"

#define TCP_STATE_CLOSE  7
#define TCP_STATE_LISTEN 10

struct diag {
	struct nl_reply *reply;
	struct inet_diag_req_v2 req;
	bool single, found;
};

static void diag_ip(__be32 out[4], struct ipa a)
{
	memset(out, 0, 16);
	if (ipa_is4(a))
		memcpy(out, &a.b[12], 4);
	else
		memcpy(out, a.b, 16);
}

/* As the socket's own family shows it: an AF_INET6 socket's IPv4 address is a mapped one. */
static void diag_addr(__be32 out[4], const struct ep_info *i, struct ipa a)
{
	if (i->family == AF_INET6)
		memcpy(out, a.b, 16);
	else
		diag_ip(out, a);
}

static bool diag_type_ok(const struct diag *d, const struct ep_info *i)
{
	if (i->family != d->req.sdiag_family)
		return false;
	switch (d->req.sdiag_protocol) {
	case IPPROTO_TCP:
		return i->type == SOCK_STREAM && i->state != TCP_STATE_CLOSE; /* only bound */
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return i->type == SOCK_DGRAM;
	default:
		return i->type == SOCK_RAW || i->type == SOCK_DGRAM;
	}
}

static bool diag_wanted(const struct diag *d, const struct inet_diag_sockid *id, const struct ep_info *i)
{
	if (!diag_type_ok(d, i))
		return false;
	if (d->single)
		return d->req.id.idiag_sport == id->idiag_sport && d->req.id.idiag_dport == id->idiag_dport &&
		       !memcmp(d->req.id.idiag_src, id->idiag_src, 16) &&
		       !memcmp(d->req.id.idiag_dst, id->idiag_dst, 16);
	return (d->req.idiag_states & (1u << i->state)) &&
	       (!d->req.id.idiag_sport || d->req.id.idiag_sport == id->idiag_sport) &&
	       (!d->req.id.idiag_dport || d->req.id.idiag_dport == id->idiag_dport);
}

static bool diag_asked(const struct diag *d, int extension)
{
	return d->req.idiag_ext & (1 << (extension - 1));
}

/* What Linux gives, in its order; the first three unasked. */
static void diag_extensions(struct diag *d, const struct ep_info *i)
{
	nl_attr_u8(d->reply, INET_DIAG_SHUTDOWN, i->shut);
	if (diag_asked(d, INET_DIAG_TOS))
		nl_attr_u8(d->reply, INET_DIAG_TOS, i->tos);
	if (i->family == AF_INET6) {
		if (diag_asked(d, INET_DIAG_TCLASS))
			nl_attr_u8(d->reply, INET_DIAG_TCLASS, i->tclass);
		if (i->state == TCP_STATE_LISTEN || i->state == TCP_STATE_CLOSE)
			nl_attr_u8(d->reply, INET_DIAG_SKV6ONLY, i->v6only);
	}
	if (diag_asked(d, INET_DIAG_MEMINFO)) {
		struct inet_diag_meminfo mem = { .idiag_rmem = i->rcv_mem, .idiag_wmem = i->snd_mem };

		nl_attr(d->reply, INET_DIAG_MEMINFO, &mem, sizeof(mem));
	}
	if (diag_asked(d, INET_DIAG_SKMEMINFO)) {
		uint32_t mem[SK_MEMINFO_VARS] = {
			[SK_MEMINFO_RMEM_ALLOC] = i->rcv_mem, [SK_MEMINFO_RCVBUF] = i->rcvbuf,
			[SK_MEMINFO_WMEM_QUEUED] = i->snd_mem, [SK_MEMINFO_SNDBUF] = i->sndbuf,
			[SK_MEMINFO_DROPS] = i->drops,
		};

		nl_attr(d->reply, INET_DIAG_SKMEMINFO, mem, sizeof(mem));
	}
	if (diag_asked(d, INET_DIAG_INFO) && i->tcp_info_size)
		nl_attr(d->reply, INET_DIAG_INFO, i->tcp_info, i->tcp_info_size);
	if (diag_asked(d, INET_DIAG_CONG) && i->cong[0])
		nl_attr_str(d->reply, INET_DIAG_CONG, i->cong);
}

static int diag_one(void *arg, const struct ep_info *i)
{
	struct diag *d = arg;
	struct inet_diag_msg m = {
		.idiag_family = (uint8_t)i->family, .idiag_state = i->state,
		.idiag_timer = (uint8_t)i->timer, .idiag_retrans = (uint8_t)(i->timer == 4 ? i->probes : i->retrans),
		.idiag_expires = i->timer_ms, .idiag_rqueue = i->rqueue, .idiag_wqueue = i->wqueue,
		.idiag_uid = i->uid, .idiag_inode = (uint32_t)i->inode,
		.id = { .idiag_sport = htons(i->local.port), .idiag_dport = htons(i->remote.port),
			.idiag_if = i->local.scope,
			.idiag_cookie = { (uint32_t)i->cookie, (uint32_t)(i->cookie >> 32) } },
	};

	diag_addr(m.id.idiag_src, i, i->local.ip);
	diag_addr(m.id.idiag_dst, i, i->remote.ip);
	if (!diag_wanted(d, &m.id, i) || (d->single && d->found))
		return 0;
	d->found = true;
	nl_begin(d->reply, SOCK_DIAG_BY_FAMILY, 0, &m, sizeof(m));
	diag_extensions(d, i);
	nl_end(d->reply);
	return 0;
}

int sock_diag_request(struct nl_request *q)
{
	struct diag d = { .reply = q->reply };
	int err, protocol;

	if (q->h->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -EOPNOTSUPP; /* SOCK_DESTROY, and the interface before 3.3 */
	if (q->h->nlmsg_len < NLMSG_LENGTH(sizeof(struct sock_diag_req)))
		return -EINVAL;
	memcpy(&d.req, nl_body(q->h), MIN(sizeof(d.req), q->h->nlmsg_len - NLMSG_HDRLEN));
	if (d.req.sdiag_family == AF_UNIX)
		return unix_diag_request(q);
	if (d.req.sdiag_family != AF_INET && d.req.sdiag_family != AF_INET6 && d.req.sdiag_family != AF_PACKET)
		return -ENOENT;
	if (q->net && q->net->host)
		return -ENOENT; /* as without inet_diag: ss looks at /proc/net then, which is the host's */
	if (d.req.sdiag_family == AF_PACKET)
		return packet_diag_request(q);
	if (q->h->nlmsg_len < NLMSG_LENGTH(sizeof(d.req)))
		return -EINVAL;
	protocol = d.req.sdiag_protocol;
	if (protocol == IPPROTO_RAW)
		protocol = EP_PROTO_ANY;
	else if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE)
		return -ENOENT;
	d.single = (q->h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP;
	if (!d.single)
		q->reply->flags |= NLM_F_MULTI;
	err = ep_for_each(q->stack, protocol, diag_one, &d);
	return err == 0 && d.single && !d.found ? -ENOENT : err;
}
