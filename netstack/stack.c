/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c: a stack's life, its timers, counters and output queue (stack.h).
 *
 * Timers are a tree by deadline under one latch.  stack_run_timers() takes those that are due out
 * one at a time and calls them without locks; each may arm itself again.  The owner is told of a
 * new earliest deadline, never of a later one: an early wake-up finds nothing to do and announces
 * the next.
 */
#include "netstack/stack_impl.h"

#include "lib/hash.h"

static atomic_bool single_threaded;

void net_single_threaded(void)
{
	atomic_store_explicit(&single_threaded, true, memory_order_relaxed);
}

bool net_is_single_threaded(void)
{
	return atomic_load_explicit(&single_threaded, memory_order_relaxed);
}

static int ntimer_cmp(const struct tree_node *a, const struct tree_node *b)
{
	int64_t x = container_of(a, struct ntimer, node)->deadline_ns;
	int64_t y = container_of(b, struct ntimer, node)->deadline_ns;

	return (x > y) - (x < y);
}

static void conf_defaults(struct net_conf *c)
{
#define X(member, name, def, lo, hi) atomic_init(&c->member, def);
	NET_CONF(X)
#undef X
}

struct stack *stack_new(const struct stack_ops *ops, void *ctx)
{
	struct nic_config lo = { .name = "lo", .type = LINK_LOOPBACK, .mtu = 65536,
				 .ifindex = LO_IFINDEX };
	struct stack *s = mem_new(struct stack);
	uint32_t index;

	if (!s)
		return NULL;
	ref_init(&s->ref);
	s->ops = ops;
	s->ctx = ctx;
	nlock_init(&s->conf_lock, LOCK_NET_STACK);
	nrwlock_init(&s->tables, LOCK_LEAF);
	nrwlock_init(&s->taps_lock, LOCK_LEAF);
	list_init(&s->taps);
	list_init(&s->fanouts);
	latch_init(&s->timer_latch);
	wq_init(&s->rx_room);
	latch_init(&s->icmp_bucket.latch);
	latch_init(&s->rst_bucket.latch);
	latch_init(&s->martian_bucket.latch);
	tree_init(&s->timers, ntimer_cmp);
	s->announced_ns = INT64_MAX;
	s->next_ifindex = LO_IFINDEX;
	stack_random(s, s->secret, sizeof(s->secret));
	atomic_init(&s->ip_id, stack_random32(s));
	atomic_init(&s->gen, 1);
	atomic_init(&s->mem_limit, 512ULL << 20);
	conf_defaults(&s->conf);
	nic_conf_init(s);
	addr_init(s);
	frag_init(s);
	pmtu_init(s);
	if (rules_init(s) < 0 || transport_init(s) < 0)
		goto free_stack;
	if (nic_add(s, &lo, &index) < 0)
		goto fini_transport;
	return s;

fini_transport:
	transport_fini(s);
free_stack:
	rules_fini(s);
	mem_free(s);
	return NULL;
}

void stack_get(struct stack *s)
{
	ref_get(&s->ref);
}

bool stack_is_idle(struct stack *s)
{
	return ref_count(&s->ref) == 1;
}

void stack_put(struct stack *s)
{
	if (!s || !ref_put(&s->ref))
		return;
	transport_fini(s);
	addr_fini(s);
	rules_fini(s);
	frag_fini(s);
	pmtu_fini(s);
	for (unsigned int i = 0; i < atomic_load(&s->nic_count); i++) {
		neigh_fini(atomic_load(&s->nics[i]));
		mem_free(atomic_load(&atomic_load(&s->nics[i])->bridge));
		mem_free(atomic_load(&s->nics[i]));
	}
	while (s->buried) {
		struct nic *n = s->buried;

		s->buried = n->below;
		neigh_fini(n);
		mem_free(atomic_load(&n->bridge));
		mem_free(n);
	}
	mem_free(s);
}

/* ---- timers ---- */

void ntimer_init(struct ntimer *t, ntimer_fn *fn)
{
	t->fn = fn;
	t->armed = false;
}

static bool ntimer_set_locked(struct stack *s, struct ntimer *t, int64_t deadline_ns, bool *tell)
{
	bool was = t->armed;

	if (was)
		tree_remove(&s->timers, &t->node);
	t->deadline_ns = deadline_ns;
	t->armed = true;
	tree_insert(&s->timers, &t->node);
	*tell = deadline_ns < s->announced_ns;
	if (*tell)
		s->announced_ns = deadline_ns;
	return !was;
}

bool ntimer_arm(struct stack *s, struct ntimer *t, int64_t deadline_ns)
{
	bool tell, idle;

	latch_lock(&s->timer_latch);
	idle = ntimer_set_locked(s, t, deadline_ns, &tell);
	latch_unlock(&s->timer_latch);
	if (tell && s->ops->deadline)
		s->ops->deadline(s->ctx, deadline_ns);
	return idle;
}

bool ntimer_arm_before(struct stack *s, struct ntimer *t, int64_t deadline_ns)
{
	bool tell = false, idle = false;

	latch_lock(&s->timer_latch);
	if (!t->armed || t->deadline_ns > deadline_ns)
		idle = ntimer_set_locked(s, t, deadline_ns, &tell);
	latch_unlock(&s->timer_latch);
	if (tell && s->ops->deadline)
		s->ops->deadline(s->ctx, deadline_ns);
	return idle;
}

bool ntimer_cancel(struct stack *s, struct ntimer *t)
{
	bool was;

	latch_lock(&s->timer_latch);
	was = t->armed;
	if (was)
		tree_remove(&s->timers, &t->node);
	t->armed = false;
	latch_unlock(&s->timer_latch);
	return was;
}

static int64_t ntimer_first_locked(struct stack *s)
{
	struct tree_node *n = tree_first(&s->timers);

	return n ? container_of(n, struct ntimer, node)->deadline_ns : INT64_MAX;
}

int64_t stack_next_deadline(struct stack *s)
{
	int64_t d;

	latch_lock(&s->timer_latch);
	d = ntimer_first_locked(s);
	latch_unlock(&s->timer_latch);
	return d;
}

static struct ntimer *ntimer_take_due(struct stack *s, int64_t now)
{
	struct ntimer *t = NULL;
	struct tree_node *n;

	latch_lock(&s->timer_latch);
	n = tree_first(&s->timers);
	if (n && container_of(n, struct ntimer, node)->deadline_ns <= now) {
		t = container_of(n, struct ntimer, node);
		tree_remove(&s->timers, n);
		t->armed = false;
	}
	latch_unlock(&s->timer_latch);
	return t;
}

void stack_run_timers(struct stack *s)
{
	int64_t now = stack_now(s), next;
	struct ntimer *t;
	struct txq q;

	stack_get(s);
	txq_init(&q, s);
	while ((t = ntimer_take_due(s, now)) != NULL) {
		t->fn(t, &q);
		txq_flush(&q);
	}
	latch_lock(&s->timer_latch);
	next = s->announced_ns = ntimer_first_locked(s);
	latch_unlock(&s->timer_latch);
	if (next != INT64_MAX && s->ops->deadline)
		s->ops->deadline(s->ctx, next);
	stack_put(s);
}

/* ---- output ---- */

void txq_flush(struct txq *q)
{
	struct nic *last = NULL;
	struct list *n;

	while ((n = list_shift(&q->pkts)) != NULL) {
		struct pkt *p = list_entry(n, struct pkt, node);
		const struct link_ops *ops = last ? atomic_load(&last->ops) : NULL;

		if (last != p->nic && ops && ops->flush)
			ops->flush(last->ctx);
		last = p->nic;
		link_output(q, p);
	}
	if (last) {
		const struct link_ops *ops = atomic_load(&last->ops);

		if (ops && ops->flush)
			ops->flush(last->ctx);
	}
}

/* ---- counters, memory, rates ---- */

bool stack_mem_charge(struct stack *s, size_t bytes)
{
	uint64_t limit = atomic_load_explicit(&s->mem_limit, memory_order_relaxed);

	if (atomic_fetch_add_explicit(&s->mem, bytes, memory_order_relaxed) + bytes > limit) {
		atomic_fetch_sub_explicit(&s->mem, bytes, memory_order_relaxed);
		NET_INC(s, TCPMemoryPressures);
		return false;
	}
	return true;
}

void stack_mem_force(struct stack *s, size_t bytes)
{
	atomic_fetch_add_explicit(&s->mem, bytes, memory_order_relaxed);
}

void stack_mem_uncharge(struct stack *s, size_t bytes)
{
	atomic_fetch_sub_explicit(&s->mem, bytes, memory_order_relaxed);
}

struct wq *stack_rx_room(struct stack *s)
{
	return &s->rx_room;
}

unsigned int stack_rx_reads(struct stack *s)
{
	return atomic_load_explicit(&s->rx_reads, memory_order_relaxed);
}

uint64_t stack_memory(struct stack *s)
{
	return atomic_load_explicit(&s->mem, memory_order_relaxed);
}

void stack_set_memory_limit(struct stack *s, uint64_t bytes)
{
	atomic_store_explicit(&s->mem_limit, bytes, memory_order_relaxed);
}

uint64_t stack_stat(struct stack *s, enum net_stat which)
{
	return atomic_load_explicit(&s->stats[which], memory_order_relaxed);
}

const char *stack_stat_name(enum net_stat which)
{
	static const char *const names[] = {
#define X(name) #name,
		NET_STATS(X)
#undef X
	};

	return names[which];
}

bool token_take(struct token_bucket *b, int64_t now_ns, unsigned int rate, unsigned int burst)
{
	int64_t cost, cap;
	bool ok;

	if (rate == 0)
		return true;
	cost = NSEC_PER_SEC / rate;
	cap = cost * MAX(burst, 1U);
	latch_lock(&b->latch);
	if (b->last_ns == 0)
		b->tokens_ns = cap;
	else
		b->tokens_ns = MIN(cap, b->tokens_ns + (now_ns - b->last_ns));
	b->last_ns = now_ns;
	ok = b->tokens_ns >= cost;
	if (ok)
		b->tokens_ns -= cost;
	latch_unlock(&b->latch);
	return ok;
}

void stack_set_event_fn(struct stack *s, stack_event_fn *fn, void *arg)
{
	s->event_arg = arg;
	s->event_fn = fn;
}

void stack_event(struct stack *s, enum stack_event what, const void *info)
{
	if (s->event_fn)
		s->event_fn(s->event_arg, what, info);
}

void stack_bump(struct stack *s)
{
	atomic_fetch_add_explicit(&s->gen, 1, memory_order_release); /* pairs with dst_ok */
}
