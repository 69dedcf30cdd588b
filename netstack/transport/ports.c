/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.c: who has which local port, and finding the endpoint that a packet is for.
 *
 * A claim says: this endpoint (or TIME_WAIT) holds this port at this address.  Claims are kept in
 * buckets by port, each with its own lock (LOCK_LEAF); explicit claims (bind, listen, datagram
 * sockets) apart from those of connections, so that finding a listener does not walk its children.
 *
 * Conflicts are Linux's: two claims collide when ports, interfaces and addresses overlap, unless
 * both have SO_REUSEADDR (and, for TCP, neither listens), or both have SO_REUSEPORT and one owner.
 */
#include "netstack/transport/ep_impl.h"
#include "netstack/transport/ports_impl.h"

static struct port_bucket *port_bucket(struct stack *s, unsigned int t, uint16_t port)
{
	return &s->eps->ports[t != PORTS_TCP][port % PORT_BUCKETS];
}

static void ep_lists_init(struct ep_table *t)
{
	nrwlock_init(&t->raw_lock, LOCK_LEAF);
	list_init(&t->raw);
	nlock_init(&t->all_lock, LOCK_LEAF);
	list_init(&t->all);
}

int transport_init(struct stack *s)
{
	struct ep_table *t = mem_new(struct ep_table);

	if (!t)
		return -ENOMEM;
	for (unsigned int k = 0; k < ARRAY_SIZE(t->ports); k++)
		for (unsigned int i = 0; i < PORT_BUCKETS; i++) {
			nlock_init(&t->ports[k][i].lock, LOCK_LEAF);
			list_init(&t->ports[k][i].explicit);
			list_init(&t->ports[k][i].conns);
		}
	for (unsigned int i = 0; i < CONN_SHARDS; i++) {
		latch_init(&t->conns[i].latch);
		if (hash_init(&t->conns[i].hash, CONN_BITS) < 0)
			t->conns[i].hash.buckets = NULL;
	}
	for (unsigned int i = 0; i < CONN_SHARDS; i++)
		if (!t->conns[i].hash.buckets)
			goto fail;
	ep_lists_init(t);
	s->eps = t;
	return 0;
fail:
	for (unsigned int i = 0; i < CONN_SHARDS; i++)
		hash_fini(&t->conns[i].hash);
	mem_free(t);
	return -ENOMEM;
}

void transport_fini(struct stack *s)
{
	tcp_table_fini(s);
	for (unsigned int i = 0; i < CONN_SHARDS; i++)
		hash_fini(&s->eps->conns[i].hash);
	mem_free(s->eps);
}

void ep_table_link(struct ep *e)
{
	struct ep_table *t = e->stack->eps;

	nlock_lock(&t->all_lock);
	list_append(&t->all, &e->all);
	e->cookie = ++t->next_cookie;
	nlock_unlock(&t->all_lock);
}

void ep_table_unlink(struct ep *e)
{
	struct ep_table *t = e->stack->eps;

	nlock_lock(&t->all_lock);
	list_remove(&e->all);
	nlock_unlock(&t->all_lock);
}

int ep_for_each(struct stack *s, int proto, int (*fn)(void *arg, const struct ep_info *i), void *arg)
{
	struct ep_table *t = s->eps;
	struct ep **list, *e;
	size_t count = 0, max = 0;
	int err = 0;

	nlock_lock(&t->all_lock);
	list_for_each_entry(e, &t->all, all)
		max++;
	list = mem_calloc(max ? max : 1, sizeof(*list));
	if (list)
		list_for_each_entry(e, &t->all, all)
			if ((proto == EP_PROTO_ANY || e->proto == proto) && ref_try_get(&e->ref))
				list[count++] = e;
	nlock_unlock(&t->all_lock);
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct ep_info info = { 0 };

		e = list[i];
		if (err == 0) {
			nlock_lock(&e->lock);
			info.family = e->family;
			info.type = e->type;
			info.proto = e->proto;
			info.cookie = e->cookie;
			info.uid = e->uid;
			info.inode = e->closed ? 0 : e->inode;
			info.refs = (uint32_t)ref_count(&e->ref);
			info.shut = e->shut;
			info.tos = (uint8_t)e->tos;
			info.tclass = (uint8_t)MAX(e->tclass, 0);
			info.v6only = e->v6only;
			info.rcvbuf = (uint32_t)e->rcvbuf;
			info.sndbuf = (uint32_t)e->sndbuf;
			ep_fill_addr(e, &info.local, e->laddr, e->lport, (uint32_t)e->bound_if);
			ep_fill_addr(e, &info.remote, e->raddr, e->rport, e->raddr_scope);
			if (e->ops->info)
				e->ops->info(e, &info);
			nlock_unlock(&e->lock);
			err = fn(arg, &info);
		}
		ep_put(e);
	}
	if (err == 0 && (proto == EP_PROTO_ANY || proto == IPPROTO_TCP))
		err = tcp_for_each_mini(s, fn, arg);
	mem_free(list);
	return err;
}

/* ---- claims ---- */

static bool addrs_overlap(struct ipa a, bool a_v6only, struct ipa b, bool b_v6only)
{
	bool any_a = ipa_is_any(a), any_b = ipa_is_any(b);
	bool a4 = ipa_is4(a), b4 = ipa_is4(b);

	if (any_a && !a4)
		return b4 ? !a_v6only : true;
	if (any_b && !b4)
		return a4 ? !b_v6only : true;
	if (a4 != b4)
		return false;
	return any_a || any_b || ipa_eq(a, b);
}

/* May a be claimed while b is there? */
static bool claims_conflict(const struct port_claim *a, const struct port_claim *b)
{
	if (a == b || a->port != b->port || a->table != b->table)
		return false;
	if (a->ep && a->ep == b->ep)
		return false;
	if (a->bound_if && b->bound_if && a->bound_if != b->bound_if)
		return false;
	if (!addrs_overlap(a->addr, a->v6only, b->addr, b->v6only))
		return false;
	if (a->reuse && b->reuse && (a->table != PORTS_TCP || !b->listening))
		return false;
	if (a->reuseport && b->reuseport && (!a->ep || !b->ep || a->ep->uid == b->ep->uid))
		return false;
	return true;
}

static bool bucket_conflict(struct port_bucket *b, const struct port_claim *c)
{
	struct port_claim *o;

	list_for_each_entry(o, &b->explicit, node)
		if (claims_conflict(c, o))
			return true;
	list_for_each_entry(o, &b->conns, node)
		if (claims_conflict(c, o))
			return true;
	return false;
}

static int claim_try(struct stack *s, struct port_claim *c)
{
	struct port_bucket *b = port_bucket(s, c->table, c->port);
	int err = 0;

	nlock_lock(&b->lock);
	if (bucket_conflict(b, c))
		err = -EADDRINUSE;
	else
		list_append(c->explicit ? &b->explicit : &b->conns, &c->node);
	nlock_unlock(&b->lock);
	return err;
}

uint16_t ports_random_start(const struct ep *e, unsigned int *range, unsigned int *low)
{
	struct stack *s = e->stack;
	int lo = s->conf.port_min, hi = s->conf.port_max;
	int own_lo = (int)(e->port_range & 0xffff), own_hi = (int)(e->port_range >> 16);

	/* inet_sk_get_local_port_range(): the socket's own may narrow it. */
	if (own_lo >= lo && own_lo <= hi)
		lo = own_lo;
	if (own_hi >= lo && own_hi <= hi)
		hi = own_hi;
	if (hi < lo)
		hi = lo;
	*low = (unsigned int)lo;
	*range = (unsigned int)(hi - lo) + 1;
	return (uint16_t)(lo + (int)(stack_random32(s) % *range));
}

int ports_claim(struct ep *e, enum port_table t, struct ipa addr, uint16_t port)
{
	struct port_claim *c = &e->claim;
	unsigned int range, low, start;
	int err;

	ASSERT(c->port == 0);
	c->ep = e;
	c->addr = addr;
	c->bound_if = (uint32_t)e->bound_if;
	c->table = (uint8_t)t;
	c->explicit = true;
	c->reuse = e->reuse;
	c->reuseport = e->reuseport;
	c->v6only = e->v6only;
	c->listening = false;
	list_init(&c->node);
	if (port) {
		c->port = port;
		err = claim_try(e->stack, c);
		if (err < 0)
			c->port = 0;
		return err;
	}
	start = ports_random_start(e, &range, &low);
	/* A port chosen by us is nobody else's: reuse does not count (Linux prefers that too). */
	c->reuse = c->reuseport = false;
	for (unsigned int i = 0; i < range; i++) {
		unsigned int k = low + (start - low + i) % range;

		c->port = (uint16_t)k;
		if (claim_try(e->stack, c) == 0) {
			c->reuse = e->reuse;
			c->reuseport = e->reuseport;
			return 0;
		}
	}
	c->port = 0;
	return -EADDRINUSE;
}

void ports_inherit(struct stack *s, struct port_claim *c, enum port_table t, struct ep *e,
		   struct ipa addr, uint16_t port)
{
	struct port_bucket *b = port_bucket(s, t, port);

	c->ep = e;
	c->addr = addr;
	c->port = port;
	c->table = (uint8_t)t;
	c->explicit = false;
	c->listening = false;
	if (e) {
		c->reuse = e->reuse;
		c->reuseport = e->reuseport;
		c->v6only = e->v6only;
		c->bound_if = (uint32_t)e->bound_if;
	}
	nlock_lock(&b->lock);
	list_append(&b->conns, &c->node);
	nlock_unlock(&b->lock);
}

void ports_release(struct stack *s, struct port_claim *c)
{
	struct port_bucket *b;

	if (c->port == 0)
		return;
	b = port_bucket(s, c->table, c->port);
	nlock_lock(&b->lock);
	list_remove(&c->node);
	c->port = 0;
	nlock_unlock(&b->lock);
}

int ports_update(struct ep *e, struct ipa addr, bool listening)
{
	struct port_claim *c = &e->claim, probe;
	struct port_bucket *b;
	int err = 0;

	if (c->port == 0)
		return 0;
	b = port_bucket(e->stack, c->table, c->port);
	nlock_lock(&b->lock);
	probe = *c;
	probe.listening = listening;
	probe.reuse = e->reuse;
	probe.reuseport = e->reuseport;
	if (listening && !c->listening && bucket_conflict(b, &probe)) {
		err = -EADDRINUSE;
	} else {
		c->addr = addr;
		c->listening = listening;
		c->bound_if = (uint32_t)e->bound_if;
		c->v6only = e->v6only;
		c->reuse = e->reuse;
		c->reuseport = e->reuseport;
	}
	nlock_unlock(&b->lock);
	return err;
}

void ports_set_peer(struct ep *e, struct ipa laddr, struct ipa raddr, uint16_t rport,
		    bool connected)
{
	struct port_claim *c = &e->claim;
	struct port_bucket *b = port_bucket(e->stack, c->table, c->port);

	nlock_lock(&b->lock);
	e->laddr = laddr;
	e->raddr = raddr;
	e->rport = rport;
	e->connected = connected;
	c->addr = laddr;
	nlock_unlock(&b->lock);
}

bool ports_free_for_connect(struct stack *s, enum port_table t, uint16_t port)
{
	struct port_bucket *b = port_bucket(s, t, port);
	struct port_claim *c;
	bool ok = true;

	nlock_lock(&b->lock);
	list_for_each_entry(c, &b->explicit, node)
		if (c->port == port) {
			ok = false;
			break;
		}
	nlock_unlock(&b->lock);
	return ok;
}

/* ---- finding ---- */

/* How well e fits a packet; -1: not at all. */
static int ep_score(const struct ep *e, const struct port_claim *c, const struct flow *f)
{
	int score = 0;

	if (c->port != f->lport)
		return -1;
	if (ipa_is_any(c->addr)) {
		if (ipa_is4(c->addr) != ipa_is4(f->laddr) && (ipa_is4(c->addr) || c->v6only))
			return -1;
		score += ipa_is4(c->addr); /* the v4 socket wins over the dual one */
	} else {
		if (!ipa_eq(c->addr, f->laddr))
			return -1;
		score += 4;
	}
	if (c->bound_if) {
		if (c->bound_if != f->ifindex)
			return -1;
		score += 4;
	}
	if (e->connected) {
		if (!ipa_eq(e->raddr, f->raddr) || (e->rport && e->rport != f->rport))
			return -1;
		score += 8;
	}
	return score;
}

static struct ep *ports_best(struct port_bucket *b, enum port_table t, const struct flow *f, bool listener)
{
	struct ep *best = NULL;
	struct port_claim *c;
	unsigned int equals = 0;
	int top = -1;

	list_for_each_entry(c, &b->explicit, node) {
		int score;

		if (!c->ep || c->table != t || (listener && !c->listening))
			continue;
		score = ep_score(c->ep, c, f);
		if (score > top) {
			top = score;
			best = c->ep;
			equals = 1;
		} else if (score >= 0 && score == top && c->reuseport) {
			equals++;
		}
	}
	if (best && equals > 1 && best->reuseport) {
		/* SO_REUSEPORT: the flow's hash picks, so a flow stays with its endpoint. */
		uint64_t h = hash_bytes(f->lport, f->raddr.b, 16);
		unsigned int pick = (unsigned int)(hash_u64(h, f->rport) % equals), i = 0;

		list_for_each_entry(c, &b->explicit, node)
			if (c->ep && c->table == t && (!listener || c->listening) && c->reuseport &&
			    ep_score(c->ep, c, f) == top && i++ == pick) {
				best = c->ep;
				break;
			}
	}
	return best && ref_try_get(&best->ref) ? best : NULL;
}

struct ep *ports_lookup(struct stack *s, enum port_table t, const struct flow *f)
{
	struct port_bucket *b = port_bucket(s, t, f->lport);
	struct ep *e;

	nlock_lock(&b->lock);
	e = ports_best(b, t, f, false);
	nlock_unlock(&b->lock);
	return e;
}

struct ep *ports_lookup_listener(struct stack *s, const struct flow *f)
{
	struct port_bucket *b = port_bucket(s, PORTS_TCP, f->lport);
	struct ep *e;

	nlock_lock(&b->lock);
	e = ports_best(b, PORTS_TCP, f, true);
	nlock_unlock(&b->lock);
	return e;
}

unsigned int ports_lookup_all(struct stack *s, enum port_table t, const struct flow *f,
			      struct ep **out, unsigned int max)
{
	struct port_bucket *b = port_bucket(s, t, f->lport);
	struct port_claim *c;
	unsigned int n = 0;

	nlock_lock(&b->lock);
	list_for_each_entry(c, &b->explicit, node)
		if (n < max && c->ep && c->table == t && ep_score(c->ep, c, f) >= 0 && ref_try_get(&c->ep->ref))
			out[n++] = c->ep;
	nlock_unlock(&b->lock);
	return n;
}
