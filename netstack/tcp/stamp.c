/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stamp.c: SO_TIMESTAMPING of streams, in software: when the last byte of a send(2) was given to the link (SCHED and
 * SND: the same moment here), and when it was acknowledged (ACK).  They come by the error queue, with OPT_ID numbered by that
 * byte, counted from where the option was set.
 *
 * Without OPT_TSONLY Linux gives the packet back as well; here the message is empty.  Each send has stamps of its own, where Linux has
 * them for the last of those that share a packet.
 *
 * Lock: the endpoint's.
 */
#include <time.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "netstack/tcp/tcp.h"

#define STAMPS_MAX 256 /* sends whose stamps are not all told yet: then the newest have none */
#define STAMPS_TX  (SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK)

struct tcp_stamp {
	struct list node;
	uint32_t end;   /* behind its last byte */
	uint32_t flags; /* SOF_TIMESTAMPING_TX_*, not told yet */
};

int tcp_stamp_begin(struct tcp *t)
{
	if (tcp_state_in(t, TCPS_BIT(TCPS_CLOSE) | TCPS_BIT(TCPS_LISTEN)))
		return -EINVAL;
	t->ep.ts_key = t->snd_una;
	return 0;
}

void tcp_stamp_sent(struct tcp *t, const struct ep_msg *m)
{
	uint32_t flags = (m->ctl.mask & EP_CTL_TSTAMPING ? m->ctl.ts_flags : t->ep.ts_flags) & STAMPS_TX;
	struct tcp_stamp *st;

	if (!flags || t->nstamps >= STAMPS_MAX)
		return;
	st = mem_new(struct tcp_stamp);
	if (!st)
		return;
	st->end = t->write_seq;
	st->flags = flags;
	list_append(&t->stamps, &st->node);
	t->nstamps++;
}

static void tell(struct tcp *t, struct tcp_stamp *st, uint32_t flag, uint32_t kind)
{
	if (st->flags & flag)
		ep_stamp_add(&t->ep, kind, t->ep.ts_flags & SOF_TIMESTAMPING_OPT_ID ? st->end - 1 - t->ep.ts_key : 0);
	st->flags &= ~flag;
}

void tcp_stamps_tell(struct tcp *t)
{
	struct tcp_stamp *st, *tmp;

	list_for_each_entry_safe(st, tmp, &t->stamps, node) {
		if (seq_after(st->end, t->snd_nxt))
			break;
		tell(t, st, SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED);
		tell(t, st, SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND);
		if (!seq_after(st->end, t->snd_una))
			tell(t, st, SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK);
		if (st->flags)
			continue;
		list_remove(&st->node);
		t->nstamps--;
		mem_free(st);
	}
}

void tcp_stamps_purge(struct tcp *t)
{
	struct list *n;

	while ((n = list_shift(&t->stamps)))
		mem_free(list_entry(n, struct tcp_stamp, node));
	t->nstamps = 0;
}

void tcp_stamp_received(struct tcp *t, struct pkt *p)
{
	struct stack *s = tcp_stack(t);

	if ((t->ep.tstamp || (t->ep.ts_flags & SOF_TIMESTAMPING_RX_SOFTWARE)) && p->tstamp_ns == 0)
		p->tstamp_ns = s->ops->real_ns(s->ctx);
}

void tcp_stamp_read(const struct tcp *t, int64_t ns, struct ep_msg *m)
{
	const struct ep *e = &t->ep;

	if (!ns)
		return;
	m->ctl.tstamp_new = e->tstamp_new;
	if (e->tstamp) {
		m->ctl.mask |= EP_CTL_TSTAMP;
		m->ctl.tstamp_ns = ns;
		m->ctl.tstamp_in_ns = e->tstampns;
	}
	if ((e->ts_flags & SOF_TIMESTAMPING_SOFTWARE) && (e->ts_flags & SOF_TIMESTAMPING_RX_SOFTWARE)) {
		m->ctl.mask |= EP_CTL_TSTAMPING;
		m->ctl.stamp_ns = ns;
	}
}
