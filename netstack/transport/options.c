/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c: the socket options of SOL_SOCKET, IPPROTO_IP and IPPROTO_IPV6.
 *
 * Options that are an int kept in struct ep are rows of a table; the rest have a function each.
 * Options of the socket layer alone (SO_PEERCRED, timeouts' struct formats, SO_ATTACH_BPF…) are
 * refused here with ENOPROTOOPT, so the socket layer handles its own first.
 */
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>

#include "netstack/sockaddr.h"
#include "netstack/transport/ep_impl.h"

/* Newer than this machine's headers may be. */
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif

#define IP6_MTU_MIN 1280 /* RFC 8200 5 */
#define ECN_BITS 3 /* of the type of service: TCP's own */

enum opt_kind {
	OPT_BOOL,  /* stored as 0 or 1 */
	OPT_INT,   /* between lo and hi, else EINVAL */
	OPT_BYTE,  /* as OPT_INT, and may be given as one byte (IPPROTO_IP); boolean with lo INT_MIN, then without bytes as well: 0 */
	OPT_GET,   /* read only: ENOPROTOOPT on set */
	OPT_IGNORE /* accepted, remembered, without effect */
};

struct opt_row {
	int level, name;
	enum opt_kind kind;
	uint16_t off;
	int lo, hi;
};

#define O(level, name, kind, member, lo, hi) \
	{ level, name, kind, offsetof(struct ep, member), lo, hi }

static const struct opt_row opt_rows[] = {
	O(SOL_SOCKET, SO_DEBUG, OPT_BOOL, debug, 0, 1),
	O(SOL_SOCKET, SO_REUSEADDR, OPT_BOOL, reuse, 0, 1),
	O(SOL_SOCKET, SO_REUSEPORT, OPT_BOOL, reuseport, 0, 1),
	O(SOL_SOCKET, SO_BROADCAST, OPT_BOOL, broadcast, 0, 1),
	O(SOL_SOCKET, SO_KEEPALIVE, OPT_BOOL, keepalive, 0, 1),
	O(SOL_SOCKET, SO_DONTROUTE, OPT_BOOL, dontroute, 0, 1),
	O(SOL_SOCKET, SO_OOBINLINE, OPT_BOOL, oobinline, 0, 1),
	O(SOL_SOCKET, SO_PRIORITY, OPT_INT, priority, INT_MIN, INT_MAX),
	O(SOL_SOCKET, SO_MARK, OPT_INT, mark, INT_MIN, INT_MAX),
	O(SOL_SOCKET, SO_NO_CHECK, OPT_BOOL, no_check, 0, 1),
	O(SOL_SOCKET, SO_RXQ_OVFL, OPT_BOOL, rxq_ovfl, 0, 1),
	O(SOL_SOCKET, SO_RCVMARK, OPT_BOOL, recvmark, 0, 1),
	O(SOL_SOCKET, SO_BUSY_POLL, OPT_INT, busy_poll, 0, INT_MAX),
	O(SOL_SOCKET, SO_INCOMING_CPU, OPT_INT, incoming_cpu, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_MULTICAST_LOOP, OPT_BYTE, mc_loop, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_MULTICAST_ALL, OPT_BYTE, mc_all, 0, 1),
	O(IPPROTO_IP, IP_MTU_DISCOVER, OPT_BYTE, mtu_discover, 0, 5),
	O(IPPROTO_IP, IP_RECVERR, OPT_BYTE, recverr, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_FREEBIND, OPT_BYTE, freebind, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_TRANSPARENT, OPT_BYTE, transparent, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_RECVTTL, OPT_BYTE, recvttl, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_RECVTOS, OPT_BYTE, recvtos, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_RECVOPTS, OPT_BYTE, recvopts, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_RETOPTS, OPT_BYTE, retopts, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_PKTINFO, OPT_BYTE, pktinfo, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_RECVORIGDSTADDR, OPT_BYTE, recvorigdst, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, OPT_BYTE, bind_no_port, INT_MIN, INT_MAX),
	O(IPPROTO_IP, IP_PASSSEC, OPT_BYTE, passsec, INT_MIN, INT_MAX), /* without labels there are no messages */
	O(IPPROTO_IP, IP_MINTTL, OPT_BYTE, minttl, 0, 255),
	O(IPPROTO_IPV6, IPV6_UNICAST_HOPS, OPT_INT, hops, -1, 255),
	O(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, OPT_INT, mc_hops, -1, 255),
	O(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, OPT_INT, mc_loop6, 0, 1),
	O(IPPROTO_IPV6, IPV6_MULTICAST_ALL, OPT_BOOL, mc_all6, 0, 1),
	O(IPPROTO_IPV6, IPV6_TCLASS, OPT_INT, tclass, -1, 255),
	O(IPPROTO_IPV6, IPV6_MTU_DISCOVER, OPT_INT, mtu_discover6, 0, 5),
	O(IPPROTO_IPV6, IPV6_RECVERR, OPT_BOOL, recverr6, 0, 1),
	O(IPPROTO_IPV6, IPV6_DONTFRAG, OPT_BOOL, dontfrag, 0, 1),
	O(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, OPT_BOOL, recvhops, 0, 1),
	O(IPPROTO_IPV6, IPV6_RECVTCLASS, OPT_BOOL, recvtclass, 0, 1),
	O(IPPROTO_IPV6, IPV6_RECVPKTINFO, OPT_BOOL, recvpktinfo6, 0, 1),
	O(IPPROTO_IPV6, IPV6_RECVPATHMTU, OPT_BOOL, recvpathmtu, 0, 1),
	O(IPPROTO_IPV6, IPV6_FLOWINFO, OPT_BOOL, flowinfo, 0, 1),
	O(IPPROTO_IPV6, IPV6_FLOWINFO_SEND, OPT_BOOL, flowinfo_send, 0, 1),
	O(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, OPT_BOOL, autoflow, 0, 1),
	O(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, OPT_BOOL, recvorigdst6, 0, 1),
	O(IPPROTO_IPV6, IPV6_FREEBIND, OPT_BOOL, freebind, 0, 1),
	O(IPPROTO_IPV6, IPV6_TRANSPARENT, OPT_BOOL, transparent, 0, 1),
	O(IPPROTO_IPV6, IPV6_2292PKTINFO, OPT_BOOL, oldpktinfo, 0, 1),
	O(IPPROTO_IPV6, IPV6_2292HOPLIMIT, OPT_BOOL, oldhops, 0, 1),
	O(IPPROTO_IPV6, IPV6_RECVHOPOPTS, OPT_BOOL, hopopts, 0, 1),
	O(IPPROTO_IPV6, IPV6_RECVRTHDR, OPT_BOOL, rthdr, 0, 1),
	O(IPPROTO_IPV6, IPV6_RECVDSTOPTS, OPT_BOOL, dstopts, 0, 1),
	O(IPPROTO_IPV6, IPV6_2292HOPOPTS, OPT_BOOL, oldhopopts, 0, 1),
	O(IPPROTO_IPV6, IPV6_2292RTHDR, OPT_BOOL, oldrthdr, 0, 1),
	O(IPPROTO_IPV6, IPV6_2292DSTOPTS, OPT_BOOL, olddstopts, 0, 1),
	O(IPPROTO_IPV6, IPV6_MINHOPCOUNT, OPT_INT, minhops, 0, 255),
};

static const struct opt_row *opt_find(int level, int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(opt_rows); i++)
		if (opt_rows[i].level == level && opt_rows[i].name == name)
			return &opt_rows[i];
	return NULL;
}

static int *opt_at(struct ep *e, const struct opt_row *r)
{
	return (int *)(void *)((char *)e + r->off);
}

int ep_get_int(const void *val, size_t size, int *out)
{
	if (size < sizeof(int))
		return -EINVAL;
	memcpy(out, val, sizeof(int));
	return 0;
}

/* IPPROTO_IP: an int, or one byte. */
static int get_int_or_byte(const void *val, size_t size, int *out)
{
	if (size >= sizeof(int))
		return ep_get_int(val, size, out);
	if (size >= 1) {
		*out = *(const unsigned char *)val;
		return 0;
	}
	return -EINVAL;
}

int ep_put_bytes(void *val, size_t *size, const void *p, size_t n)
{
	if (*size < n)
		n = *size;
	memcpy(val, p, n);
	*size = n;
	return 0;
}

int ep_put_int(void *val, size_t *size, int v)
{
	return ep_put_bytes(val, size, &v, sizeof(v));
}

/* do_ip_setsockopt() takes no bytes for 0 but where it looks at the size. */
static bool opt_takes_nothing(const struct opt_row *r)
{
	if (r->level == IPPROTO_IPV6)
		return r->name == IPV6_DONTFRAG || r->name == IPV6_AUTOFLOWLABEL;
	return r->level == IPPROTO_IP && r->kind == OPT_BYTE && r->name != IP_MULTICAST_LOOP && r->name != IP_MULTICAST_ALL &&
	       r->name != IP_FREEBIND && r->name != IP_TRANSPARENT && r->name != IP_MINTTL;
}

static int opt_set_row(struct ep *e, const struct opt_row *r, const void *val, size_t size)
{
	int v, err;

	if (r->kind == OPT_GET)
		return -ENOPROTOOPT;
	err = r->kind == OPT_BYTE ? get_int_or_byte(val, size, &v) : ep_get_int(val, size, &v);
	if (err < 0 && (size == 0 || r->level == IPPROTO_IPV6) && opt_takes_nothing(r))
		v = err = 0;
	if (err < 0)
		return err;
	if (r->kind == OPT_BOOL || (r->kind == OPT_BYTE && r->lo == INT_MIN))
		v = v != 0;
	else if (v < r->lo || v > r->hi)
		return -EINVAL;
	*opt_at(e, r) = v;
	if (r->level == IPPROTO_IPV6)
		e->rx6 = ext_wanted(e) || e->recvpktinfo6 || e->recvhops || e->recvtclass || e->flowinfo || e->oldpktinfo || e->oldhops;
	if (r->level == SOL_SOCKET && r->name == SO_MARK)
		e->dst.valid = false; /* rules may look at it */
	return 0;
}

/* ---- SOL_SOCKET ---- */

static int set_buf(struct ep *e, int name, int v)
{
	struct stack *s = e->stack;
	bool force = name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE;

	if (name == SO_SNDBUF || name == SO_SNDBUFFORCE) {
		if (!force)
			v = MIN((unsigned int)v, (unsigned int)s->conf.wmem_max) & INT_MAX;
		v = MAX(v, 0);
		e->sndbuf = MAX(v > INT_MAX / 2 ? INT_MAX : v * 2, 4608);
		e->sndbuf_locked = true;
		ep_wake(e, POLLOUT);
	} else {
		if (!force)
			v = MIN((unsigned int)v, (unsigned int)s->conf.rmem_max) & INT_MAX;
		v = MAX(v, 0);
		e->rcvbuf = MAX(v > INT_MAX / 2 ? INT_MAX : v * 2, 2304);
		e->rcvbuf_locked = true;
	}
	return 0;
}

static int set_device(struct ep *e, const char *val, size_t size)
{
	char name[IFNAMSIZ] = { 0 };
	uint32_t index = 0;

	memcpy(name, val, MIN(size, sizeof(name) - 1));
	if (name[0]) {
		index = nic_by_name(e->stack, name);
		if (!index)
			return -ENODEV;
	}
	e->bound_if = (int)index;
	e->dst.valid = false;
	if (e->claim.port)
		ports_update(e, e->claim.addr, e->claim.listening);
	return 0;
}

#define TS_FLAGS    ((1U << 15) - 1) /* to OPT_TX_SWHW: those of Linux 5.4; no clocks of network cards */

/*
 * sock_set_timestamping().  Messages of datagram and raw sockets and bytes of streams are stamped in software; a card's clock
 * is never there, nor what OPT_STATS would add for streams.
 */
static int set_timestamping(struct ep *e, uint32_t flags)
{
	if ((flags & ~TS_FLAGS) || ((flags & SOF_TIMESTAMPING_OPT_STATS) && !(flags & SOF_TIMESTAMPING_OPT_TSONLY)))
		return -EINVAL;
	if (e->type == SOCK_STREAM && (flags & SOF_TIMESTAMPING_OPT_STATS))
		return -EOPNOTSUPP;
	if ((flags & SOF_TIMESTAMPING_OPT_ID) && !(e->ts_flags & SOF_TIMESTAMPING_OPT_ID)) {
		int err = 0;

		e->ts_key = 0;
		if (e->ops->number_bytes)
			err = e->ops->number_bytes(e);
		if (err < 0)
			return err;
	}
	e->ts_flags = flags;
	return 0;
}

/* Raw and packet sockets have no such operation; ping sockets have it, and take no heed. */
static bool opt_peek_off(const struct ep *e)
{
	return e->family != AF_PACKET && e->type != SOCK_RAW;
}

static int set_socket(struct ep *e, int name, const void *val, size_t size)
{
	struct linger l;
	uint64_t rate;
	int v = 0;

	switch (name) {
	case SO_BINDTODEVICE:
		return set_device(e, val, size);
	case SO_DETACH_FILTER:
		return filter_detach(e);
	case SO_LINGER:
		if (size < sizeof(l))
			return -EINVAL;
		memcpy(&l, val, sizeof(l));
		e->linger_on = l.l_onoff != 0;
		if (l.l_onoff)
			e->linger_s = l.l_linger < 0 ? INT_MAX / 1000 : MIN(l.l_linger, INT_MAX / 1000);
		return 0;
	case SO_MAX_PACING_RATE:
		if (size >= sizeof(rate)) {
			memcpy(&rate, val, sizeof(rate));
		} else {
			if (ep_get_int(val, size, &v) < 0)
				return -EINVAL;
			rate = (uint32_t)v == UINT32_MAX ? UINT64_MAX : (uint32_t)v;
		}
		e->pacing_rate = rate;
		return 0;
	case SO_ZEROCOPY: /* no: the data are copied in any case */
		if (ep_get_int(val, size, &v) < 0)
			return -EINVAL;
		if (e->family == AF_PACKET || e->type == SOCK_RAW || (e->proto != IPPROTO_TCP && e->proto != IPPROTO_UDP))
			return -EOPNOTSUPP;
		return v < 0 || v > 1 ? -EINVAL : v ? -EOPNOTSUPP : 0;
	default:
		break;
	}
	if (ep_get_int(val, size, &v) < 0)
		return -EINVAL;
	switch (name) {
	case SO_TIMESTAMPING:
	case SO_TIMESTAMPING_NEW:
		v = set_timestamping(e, (uint32_t)v);
		if (v == 0)
			e->tstamp_new = name == SO_TIMESTAMPING_NEW;
		return v;
	case SO_SNDBUF:
	case SO_RCVBUF:
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		return set_buf(e, name, v);
	case SO_BUF_LOCK:
		e->sndbuf_locked = v & 1;
		e->rcvbuf_locked = v & 2;
		return 0;
	case SO_PEEK_OFF:
		if (!opt_peek_off(e))
			return -EOPNOTSUPP;
		e->peek_off = v;
		return 0;
	case SO_LOCK_FILTER: /* for good */
		if (e->lock_filter && !v)
			return -EPERM;
		e->lock_filter = v != 0;
		return 0;
	case SO_RCVLOWAT:
		e->rcvlowat = v < 0 ? INT_MAX : v ? v : 1;
		if (e->type == SOCK_STREAM) /* more than half of the buffer might never be there (tcp_set_rcvlowat()) */
			e->rcvlowat = MIN(e->rcvlowat, (e->rcvbuf_locked ? e->rcvbuf : e->stack->conf.tcp_rmem_max) / 2);
		ep_wake(e, POLLIN);
		return 0;
	case SO_BINDTOIFINDEX:
		if (v < 0)
			return -EINVAL;
		e->bound_if = v; /* there or not: it may come */
		e->dst.valid = false;
		if (e->claim.port)
			ports_update(e, e->claim.addr, e->claim.listening);
		return 0;
	case SO_TIMESTAMP:
	case SO_TIMESTAMPNS:
	case SO_TIMESTAMP_NEW:
	case SO_TIMESTAMPNS_NEW:
		e->tstamp = v != 0;
		e->tstampns = v != 0 && (name == SO_TIMESTAMPNS || name == SO_TIMESTAMPNS_NEW);
		e->tstamp_new = v != 0 && (name == SO_TIMESTAMP_NEW || name == SO_TIMESTAMPNS_NEW);
		return 0;
	case SO_TYPE:
	case SO_PROTOCOL:
	case SO_DOMAIN:
	case SO_ERROR:
	case SO_ACCEPTCONN:
	default:
		return -ENOPROTOOPT;
	}
}

/* SO_MEMINFO.  What Linux keeps as allocations ahead, in the backlog and for options we have not. */
static int get_meminfo(struct ep *e, void *val, size_t *size)
{
	uint32_t v[SK_MEMINFO_VARS] = { 0 };
	struct ep_info i = { 0 };

	if (e->ops->info)
		e->ops->info(e, &i);
	v[SK_MEMINFO_RMEM_ALLOC] = i.rqueue;
	v[SK_MEMINFO_RCVBUF] = (uint32_t)e->rcvbuf;
	v[SK_MEMINFO_SNDBUF] = (uint32_t)e->sndbuf;
	v[SK_MEMINFO_WMEM_QUEUED] = i.wqueue;
	v[SK_MEMINFO_DROPS] = i.drops;
	return ep_put_bytes(val, size, v, sizeof(v));
}

static int get_socket(struct ep *e, int name, void *val, size_t *size)
{
	struct linger l;
	struct nic_info info;

	switch (name) {
	case SO_TYPE:
		return ep_put_int(val, size, e->type);
	case SO_PROTOCOL:
		return ep_put_int(val, size, e->proto);
	case SO_DOMAIN:
		return ep_put_int(val, size, e->family);
	case SO_ERROR: {
		int err = ep_take_error(e);

		if (!err) {
			err = e->err_soft;
			e->err_soft = 0;
		}
		return ep_put_int(val, size, err);
	}
	case SO_ACCEPTCONN:
		return ep_put_int(val, size, e->claim.listening);
	case SO_PEEK_OFF:
		return opt_peek_off(e) ? ep_put_int(val, size, e->peek_off) : -EOPNOTSUPP;
	case SO_LOCK_FILTER:
		return ep_put_int(val, size, e->lock_filter);
	case SO_SNDBUF:
		return ep_put_int(val, size, e->sndbuf);
	case SO_RCVBUF:
		return ep_put_int(val, size, e->rcvbuf);
	case SO_RCVLOWAT:
		return ep_put_int(val, size, e->rcvlowat);
	case SO_SNDLOWAT:
		return ep_put_int(val, size, 1);
	case SO_LINGER:
		l.l_onoff = e->linger_on;
		l.l_linger = e->linger_s;
		return ep_put_bytes(val, size, &l, sizeof(l));
	case SO_TIMESTAMP:
		return ep_put_int(val, size, e->tstamp && !e->tstampns && !e->tstamp_new);
	case SO_TIMESTAMPNS:
		return ep_put_int(val, size, e->tstampns && !e->tstamp_new);
	case SO_TIMESTAMP_NEW:
		return ep_put_int(val, size, e->tstamp && e->tstamp_new);
	case SO_TIMESTAMPNS_NEW:
		return ep_put_int(val, size, e->tstampns && e->tstamp_new);
	case SO_TIMESTAMPING_NEW:
	case SO_TIMESTAMPING: {
		bool shown = name == SO_TIMESTAMPING || e->tstamp_new;
		uint32_t t[2] = { shown ? e->ts_flags : 0, 0 }; /* struct so_timestamping; no hardware clock */

		return ep_put_bytes(val, size, t, sizeof(t));
	}
	case SO_ZEROCOPY:
		return ep_put_int(val, size, 0);
	case SO_BINDTOIFINDEX:
		return ep_put_int(val, size, e->bound_if);
	case SO_BINDTODEVICE:
		if (!e->bound_if || nic_info(e->stack, (uint32_t)e->bound_if, &info) < 0) {
			*size = 0;
			return 0;
		}
		return ep_put_bytes(val, size, info.name, strnlen(info.name, IFNAMSIZ - 1) + 1);
	case SO_MAX_PACING_RATE:
		if (*size >= sizeof(uint64_t))
			return ep_put_bytes(val, size, &e->pacing_rate, sizeof(e->pacing_rate));
		return ep_put_int(val, size, (int)(uint32_t)MIN(e->pacing_rate, (uint64_t)UINT32_MAX));
	case SO_MEMINFO:
		return get_meminfo(e, val, size);
	case SO_COOKIE:
		if (*size < sizeof(uint64_t))
			return -EINVAL;
		return ep_put_bytes(val, size, &e->cookie, sizeof(e->cookie));
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- IPPROTO_IP ---- */

static int set_mc_if4(struct ep *e, const void *val, size_t size)
{
	struct ip_mreqn m = { { 0 }, { 0 }, 0 };
	struct nic *n;

	if (e->type == SOCK_STREAM)
		return -EINVAL;
	if (size >= sizeof(m))
		memcpy(&m, val, sizeof(m));
	else if (size >= sizeof(struct ip_mreq))
		memcpy(&m, val, sizeof(struct ip_mreq));
	else if (size >= sizeof(struct in_addr))
		memcpy(&m.imr_address, val, sizeof(struct in_addr));
	else
		return -EINVAL;
	if (!m.imr_ifindex && m.imr_address.s_addr == 0) {
		e->mc_if = 0;
		e->mc_addr = ipa_any4();
		return 0;
	}
	n = group_find_nic(e, (uint32_t)m.imr_ifindex, ipa_v4(m.imr_address.s_addr), ipa_any4());
	if (!n)
		return -EADDRNOTAVAIL;
	e->mc_if = n->ifindex;
	e->mc_addr = ipa_v4(m.imr_address.s_addr);
	return 0;
}

/* __ip_sock_set_tos(): the priority follows; a stream's ECN bits are TCP's. */
static int set_tos(struct ep *e, const void *val, size_t size)
{
	static const uint8_t prio[16] = { 0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4 }; /* ip_tos2prio */
	int v = 0;

	(void)get_int_or_byte(val, size, &v);
	v &= 255;
	if (e->type == SOCK_STREAM)
		v = (v & ~ECN_BITS) | (e->tos & ECN_BITS);
	if (v != e->tos) {
		e->tos = v;
		e->priority = prio[(v & 0x1e) >> 1];
		e->dst.valid = false;
	}
	return 0;
}

/* IP_UNICAST_IF and IPV6_UNICAST_IF: the index in network order. */
static int set_unicast_if(struct ep *e, uint32_t *to, const void *val, size_t size)
{
	uint32_t v;

	if (size != sizeof(v))
		return -EINVAL;
	memcpy(&v, val, sizeof(v));
	v = ntohl(v);
	if (v && !nic_peek(e->stack, v))
		return -EADDRNOTAVAIL;
	if (v && e->bound_if && v != (uint32_t)e->bound_if)
		return -EINVAL;
	*to = v;
	e->dst.valid = false;
	return 0;
}

/* The lowest port in the lower half, the highest in the upper one; 0: net.ipv4.ip_local_port_range's. */
static int set_port_range(struct ep *e, const void *val, size_t size)
{
	uint32_t v;

	if (size != sizeof(v))
		return -EINVAL;
	memcpy(&v, val, sizeof(v));
	if ((v & 0xffff) && v >> 16 && (v & 0xffff) > v >> 16)
		return -EINVAL;
	e->port_range = v;
	return 0;
}

static int set_ip(struct ep *e, struct txq *q, int name, const void *val, size_t size)
{
	int v = 0, err;

	switch (name) {
	case IP_ADD_MEMBERSHIP:
	case IP_DROP_MEMBERSHIP:
		if (e->type == SOCK_STREAM)
			return -EPROTO;
		return group_set_ip(e, q, name, val, size);
	case IP_ADD_SOURCE_MEMBERSHIP:
	case IP_DROP_SOURCE_MEMBERSHIP:
	case IP_BLOCK_SOURCE:
	case IP_UNBLOCK_SOURCE:
		return group_set_ip_source(e, q, name, val, size);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
		return group_set_req(e, q, IPPROTO_IP, name, val, size);
	case MCAST_JOIN_SOURCE_GROUP:
	case MCAST_LEAVE_SOURCE_GROUP:
	case MCAST_BLOCK_SOURCE:
	case MCAST_UNBLOCK_SOURCE:
		return group_set_source_req(e, q, IPPROTO_IP, name, val, size);
	case IP_MULTICAST_IF:
		return set_mc_if4(e, val, size);
	case IP_OPTIONS:
		if (size > sizeof(e->ip_opts) || !ip_options_ok(val, size))
			return -EINVAL;
		memset(e->ip_opts, 0, sizeof(e->ip_opts));
		memcpy(e->ip_opts, val, size);
		e->ip_opts_len = (uint8_t)ALIGN_UP(size, (size_t)4);
		return 0;
	case IP_TOS:
		return set_tos(e, val, size);
	case IP_UNICAST_IF:
		return set_unicast_if(e, &e->unicast_if, val, size);
	case IP_LOCAL_PORT_RANGE:
		return set_port_range(e, val, size);
	case IP_NODEFRAG: /* nothing is put together for the sake of connection tracking */
	case IP_HDRINCL:
		if (e->type != SOCK_RAW)
			return -ENOPROTOOPT;
		(void)get_int_or_byte(val, size, &v);
		*(name == IP_HDRINCL ? &dgram_of(e)->hdrincl : &e->nodefrag) = v != 0;
		return 0;
	case IP_TTL:
	case IP_MULTICAST_TTL:
		break;
	default:
		return -ENOPROTOOPT;
	}
	err = get_int_or_byte(val, size, &v);
	if (err < 0)
		return err;
	switch (name) {
	case IP_TTL:
		if (v != -1 && (v < 1 || v > 255))
			return -EINVAL;
		e->ttl = v;
		return 0;
	case IP_MULTICAST_TTL:
		if (e->type == SOCK_STREAM)
			return -EINVAL;
		if (v == -1)
			v = 1;
		if (v < 0 || v > 255)
			return -EINVAL;
		e->mc_ttl = v;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_mtu(struct ep *e, void *val, size_t *size)
{
	struct route_key k = { .dst = e->raddr, .src = e->laddr, .ifindex = (uint32_t)e->bound_if,
			       .mark = (uint32_t)e->mark, .tos = ep_route_tos(e), .proto = (uint8_t)e->proto,
			       .sport = e->lport, .dport = e->rport, .uid = e->uid };
	struct dst d;

	if (!e->connected || route_lookup(e->stack, &k, &d) < 0)
		return -ENOTCONN;
	return ep_put_int(val, size, (int)d.mtu);
}

/* IPPROTO_IP answers in one byte when there is not room for an int and the value fits. */
static int put_int_or_byte(void *val, size_t *size, int v)
{
	if (*size > 0 && *size < sizeof(int) && v >= 0 && v <= 255) {
		*(unsigned char *)val = (unsigned char)v;
		*size = 1;
		return 0;
	}
	return ep_put_int(val, size, v);
}

static int get_ip(struct ep *e, int name, void *val, size_t *size)
{
	uint32_t a;

	switch (name) {
	case IP_TTL:
		return put_int_or_byte(val, size, e->ttl < 0 ? e->stack->conf.ip_default_ttl : e->ttl);
	case IP_MULTICAST_TTL:
		return put_int_or_byte(val, size, e->mc_ttl);
	case IP_TOS:
		return put_int_or_byte(val, size, e->tos);
	case IP_UNICAST_IF:
		return put_int_or_byte(val, size, (int)htonl(e->unicast_if));
	case IP_LOCAL_PORT_RANGE:
		return put_int_or_byte(val, size, (int)e->port_range);
	case IP_PROTOCOL: /* inet_num: a raw socket's protocol */
		return put_int_or_byte(val, size, e->type == SOCK_RAW ? e->proto : e->lport);
	case IP_HDRINCL:
		return put_int_or_byte(val, size, e->type == SOCK_RAW && dgram_of(e)->hdrincl);
	case IP_NODEFRAG:
		return put_int_or_byte(val, size, e->nodefrag);
	case IP_MULTICAST_IF:
		a = e->mc_addr.w[3];
		return ep_put_bytes(val, size, &a, sizeof(a));
	case IP_OPTIONS:
		return ep_put_bytes(val, size, e->ip_opts, e->ip_opts_len);
	case IP_MTU:
		return get_mtu(e, val, size);
	default:
		return -ENOPROTOOPT;
	}
}

/* ---- IPPROTO_IPV6 ---- */

/* struct ip6_mtuinfo of a connected socket. */
static int get_path_mtu(struct ep *e, void *val, size_t *size)
{
	struct ip6_mtuinfo i = { { 0 }, 0 };
	size_t four = sizeof(int);
	int mtu, err;

	if (*size < sizeof(i))
		return -EINVAL;
	err = get_mtu(e, &mtu, &four);
	if (err < 0)
		return err;
	i.ip6m_addr.sin6_family = AF_INET6;
	i.ip6m_addr.sin6_port = htons(e->rport);
	i.ip6m_addr.sin6_scope_id = e->raddr_scope;
	memcpy(&i.ip6m_addr.sin6_addr, e->raddr.b, sizeof(i.ip6m_addr.sin6_addr));
	i.ip6m_mtu = (uint32_t)mtu;
	return ep_put_bytes(val, size, &i, sizeof(i));
}

/* RFC 5014; the headers of the C library have them not. */
#define IPV6_PREFER_SRC_TMP            0x0001
#define IPV6_PREFER_SRC_PUBLIC         0x0002
#define IPV6_PREFER_SRC_PUBTMP_DEFAULT 0x0100
#define IPV6_PREFER_SRC_COA            0x0004
#define IPV6_PREFER_SRC_HOME           0x0400
#define IPV6_PREFER_SRC_CGA            0x0008
#define IPV6_PREFER_SRC_NONCGA         0x0800

/* ip6_sock_set_addr_preferences(): one of each pair, or none; pairs that are not named stay as they are. */
static int set_addr_prefs(struct ep *e, int v)
{
	int which = v & (IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_PUBTMP_DEFAULT);
	int home = v & (IPV6_PREFER_SRC_HOME | IPV6_PREFER_SRC_COA), cga = v & (IPV6_PREFER_SRC_CGA | IPV6_PREFER_SRC_NONCGA);

	if ((which & (which - 1)) || (home & (home - 1)) || (cga & (cga - 1)))
		return -EINVAL;
	if (which)
		e->addr_prefs &= ~(IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP);
	if (home)
		e->addr_prefs &= ~IPV6_PREFER_SRC_COA;
	e->addr_prefs |= (which & ~IPV6_PREFER_SRC_PUBTMP_DEFAULT) | (home & ~IPV6_PREFER_SRC_HOME);
	e->dst.valid = false;
	return 0;
}

static int get_addr_prefs(const struct ep *e)
{
	int v = e->addr_prefs;

	if (!(v & (IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_TMP)))
		v |= IPV6_PREFER_SRC_PUBTMP_DEFAULT;
	return v & IPV6_PREFER_SRC_COA ? v : v | IPV6_PREFER_SRC_HOME;
}

/* Of it the interface counts; the source is for bind(2) to say (Linux looks at no other part either). */
static int set_sticky_pktinfo(struct ep *e, const void *val, size_t size)
{
	struct in6_pktinfo pi;

	if (size < sizeof(pi))
		return -EINVAL;
	memcpy(&pi, val, sizeof(pi));
	if (e->bound_if && pi.ipi6_ifindex && pi.ipi6_ifindex != (uint32_t)e->bound_if)
		return -EINVAL;
	e->sticky_if6 = pi.ipi6_ifindex;
	e->dst.valid = false;
	return 0;
}

static int set_ip6(struct ep *e, struct txq *q, int name, const void *val, size_t size)
{
	struct ipv6_mreq m;
	int v;

	switch (name) {
	case IPV6_ADD_MEMBERSHIP:
	case IPV6_DROP_MEMBERSHIP:
		if (size < sizeof(m))
			return -EINVAL;
		if (e->type == SOCK_STREAM)
			return -EPROTO;
		memcpy(&m, val, sizeof(m));
		if (ipa_is4(ipa_v6(&m.ipv6mr_multiaddr)))
			return -EINVAL;
		return group_change(e, q, (uint32_t)m.ipv6mr_interface, ipa_any6(), ipa_v6(&m.ipv6mr_multiaddr),
				    name == IPV6_ADD_MEMBERSHIP);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
		return group_set_req(e, q, IPPROTO_IPV6, name, val, size);
	case MCAST_JOIN_SOURCE_GROUP:
	case MCAST_LEAVE_SOURCE_GROUP:
	case MCAST_BLOCK_SOURCE:
	case MCAST_UNBLOCK_SOURCE:
		return group_set_source_req(e, q, IPPROTO_IPV6, name, val, size);
	case IPV6_UNICAST_IF:
		return set_unicast_if(e, &e->unicast_if6, val, size);
	case IPV6_PKTINFO:
		return set_sticky_pktinfo(e, val, size);
	default:
		break;
	}
	if (name != IPV6_V6ONLY && name != IPV6_MULTICAST_IF && name != IPV6_MTU && name != IPV6_ADDR_PREFERENCES)
		return ext_set(e, name, val, size);
	if (ep_get_int(val, size, &v) < 0)
		return name == IPV6_MULTICAST_IF && e->type == SOCK_STREAM ? -ENOPROTOOPT : -EINVAL;
	switch (name) {
	case IPV6_ADDR_PREFERENCES:
		return set_addr_prefs(e, v);
	case IPV6_V6ONLY:
		if (e->lport || e->claim.port || e->type == SOCK_RAW)
			return -EINVAL;
		e->v6only = v != 0;
		return 0;
	case IPV6_MULTICAST_IF:
		if (e->type == SOCK_STREAM)
			return -ENOPROTOOPT;
		if (v < 0 || (v && !nic_peek(e->stack, (uint32_t)v)))
			return -ENODEV;
		e->mc_if6 = (uint32_t)v;
		return 0;
	case IPV6_MTU:
		if (v && v < IP6_MTU_MIN)
			return -EINVAL;
		e->frag_size6 = (uint32_t)v;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_ip6(struct ep *e, int name, void *val, size_t *size)
{
	switch (name) {
	case IPV6_V6ONLY:
		return ep_put_int(val, size, e->v6only);
	case IPV6_MULTICAST_IF:
		return ep_put_int(val, size, (int)e->mc_if6);
	case IPV6_MTU:
		return get_mtu(e, val, size);
	case IPV6_UNICAST_IF:
		return ep_put_int(val, size, (int)htonl(e->unicast_if6));
	case IPV6_ADDR_PREFERENCES:
		return ep_put_int(val, size, get_addr_prefs(e));
	case IPV6_PATHMTU:
		return get_path_mtu(e, val, size);
	default:
		return ext_get(e, name, val, size);
	}
}

/* ---- entry ---- */

/* Options whose stored -1 is shown as the default in force. */
static int opt_shown(struct ep *e, const struct opt_row *r)
{
	int v = *opt_at(e, r);

	if (r->level == IPPROTO_IPV6 && v == -1) {
		if (r->name == IPV6_UNICAST_HOPS)
			return e->dst.valid ? nic_conf(e->dst.nic, IP6_hop_limit) : nic_conf_all(e->stack, IP6_hop_limit);
		if (r->name == IPV6_MULTICAST_HOPS)
			return 1;
		if (r->name == IPV6_TCLASS)
			return 0;
	}
	return v;
}

/* IPPROTO_IP is known to sockets of IPv6 but raw ones (ipv6_setsockopt()). */
static bool opt_level_known(const struct ep *e, int level)
{
	if (level == IPPROTO_IPV6)
		return ep_is6(e);
	return level != IPPROTO_IP || (e->family != AF_PACKET && !(ep_is6(e) && e->type == SOCK_RAW));
}

int ep_common_setopt(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size)
{
	const struct opt_row *r;

	if (!opt_level_known(e, level))
		return -ENOPROTOOPT;
	r = opt_find(level, name);
	if (r && level == IPPROTO_IPV6 && name == IPV6_MULTICAST_HOPS && e->type == SOCK_STREAM)
		return -ENOPROTOOPT;
	if (r) {
		int err = opt_set_row(e, r, val, size);

		if (err == 0 && r->off == offsetof(struct ep, tclass) && e->tclass < 0)
			e->tclass = 0;
		if (err == 0 && r->off == offsetof(struct ep, mc_hops) && e->mc_hops < 0)
			e->mc_hops = 1;
		return err;
	}
	switch (level) {
	case SOL_SOCKET:
		return set_socket(e, name, val, size);
	case IPPROTO_IP:
		return set_ip(e, q, name, val, size);
	case IPPROTO_IPV6:
		return set_ip6(e, q, name, val, size);
	default:
		return -ENOPROTOOPT;
	}
}

int ep_common_getopt(struct ep *e, int level, int name, void *val, size_t *size)
{
	const struct opt_row *r;

	if (!opt_level_known(e, level))
		return -ENOPROTOOPT;
	r = opt_find(level, name);
	if (r) {
		int v = opt_shown(e, r);

		return level == IPPROTO_IP ? put_int_or_byte(val, size, v) : ep_put_int(val, size, v);
	}
	switch (level) {
	case SOL_SOCKET:
		return get_socket(e, name, val, size);
	case IPPROTO_IP:
		return get_ip(e, name, val, size);
	case IPPROTO_IPV6:
		return get_ip6(e, name, val, size);
	default:
		return -ENOPROTOOPT;
	}
}

int ep_setopt(struct ep *e, int level, int name, const void *val, size_t size)
{
	int err = -ENOPROTOOPT;
	struct txq q;

	/* A filter program comes as its instructions (the caller has copied them in). */
	if (level == SOL_SOCKET && name == SO_ATTACH_FILTER)
		return filter_attach(e, val, size / sizeof(struct sock_filter));
	txq_init(&q, e->stack);
	nlock_lock(&e->lock);
	if (e->ops->setopt)
		err = e->ops->setopt(e, &q, level, name, val, size);
	if (err == -ENOPROTOOPT)
		err = ep_common_setopt(e, &q, level, name, val, size);
	nlock_unlock(&e->lock);
	txq_flush(&q);
	return err;
}

int ep_getopt(struct ep *e, int level, int name, void *val, size_t *size)
{
	int err = -ENOPROTOOPT;

	nlock_lock(&e->lock);
	if (e->ops->getopt)
		err = e->ops->getopt(e, level, name, val, size);
	if (err == -ENOPROTOOPT)
		err = ep_common_getopt(e, level, name, val, size);
	nlock_unlock(&e->lock);
	return err;
}
