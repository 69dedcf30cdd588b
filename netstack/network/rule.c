/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule.c: policy rules: which routing tables are asked, in which order, for whom (stack.h, `ip rule`).
 *
 * As long as a family has the rules that Linux begins with and no others, route.c asks its tables without looking
 * here (stack->ruled).  Linux: net/core/fib_rules.c, net/ipv4/fib_rules.c, net/ipv6/fib6_rules.c.
 *
 * Selectors: prefixes, interfaces, TOS, mark, protocol, ports, user, inverted.  Not there: l3mdev, tunnel ids, flow
 * labels (rtnetlink refuses them).  A source or port that was not chosen yet matches no prefix or range.
 *
 * "goto" goes on with the first rule of just that priority, a higher value than its own; while there is none, it says nothing.
 * Changes look for it, not lookups: a lookup takes as many steps as there are rules at most.
 *
 * All under stack->tables.  Events are told after it has been dropped.
 */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netstack/stack_impl.h"

struct rule {
	struct list node;
	struct rule_info i;
	struct rule *target; /* of a "goto": where it goes on; NULL: nowhere yet */
};

static unsigned int family_index(uint8_t family)
{
	return family == AF_INET6;
}

/* Of the 128-bit form. */
static unsigned int rule_plen(const struct rule_info *i, uint8_t plen)
{
	return i->family == AF_INET ? plen + IPA_V4_PREFIX_LEN : plen;
}

/* The rules that a namespace begins with: `ip rule` shows them on a fresh Linux. */
static bool rule_is_default(const struct rule_info *i, uint32_t priority, uint32_t table)
{
	const struct rule_info plain = { .family = i->family, .action = FR_ACT_TO_TBL, .protocol = i->protocol,
					 .priority = priority, .table = table, .suppress_plen = -1 };

	return i->priority == priority && i->table == table && i->action == plain.action && !i->src_len &&
	       !i->dst_len && !i->tos && !i->mask && !i->invert && !i->iif[0] && !i->oif[0] && !i->ip_proto &&
	       !i->sport.from && !i->dport.from && !i->by_uid && i->suppress_plen == plain.suppress_plen;
}

static void rules_judge_locked(struct stack *s, unsigned int f)
{
	static const struct { uint32_t priority, table; } usual[] = {
		{ 0, RT_TABLE_LOCAL }, { 32766, RT_TABLE_MAIN }, { 32767, RT_TABLE_DEFAULT },
	};
	const unsigned int count = f ? 2 : 3;
	unsigned int n = 0;
	bool plain = true, ported = false;
	struct rule *r;

	list_for_each_entry(r, &s->rules[f], node) {
		plain = plain && n < count && rule_is_default(&r->i, usual[n].priority, usual[n].table);
		ported |= r->i.ip_proto || r->i.sport.from || r->i.dport.from;
		n++;
	}
	s->ruled[f] = !plain || n != count;
	atomic_store_explicit(&s->ported[f], ported, memory_order_relaxed);
}

/* The first of a priority behind r. */
static struct rule *rule_behind(struct stack *s, struct rule *r, uint32_t priority)
{
	struct list *l = &s->rules[family_index(r->i.family)];

	for (struct list *n = r->node.next; n != l; n = n->next)
		if (list_entry(n, struct rule, node)->i.priority == priority)
			return list_entry(n, struct rule, node);
	return NULL;
}

/* Those that go on with `from` go on with `to`; from NULL: those that want its priority and have none yet. */
static void rules_retarget(struct stack *s, struct rule *from, struct rule *to, const struct rule_info *i)
{
	struct rule *r;

	list_for_each_entry(r, &s->rules[family_index(i->family)], node)
		if (r->i.action == FR_ACT_GOTO && r->i.target == i->priority && r->target == from)
			r->target = to;
}

static void rule_insert(struct stack *s, struct rule *r)
{
	struct list *l = &s->rules[family_index(r->i.family)], *pos;

	/* Behind those of the same priority, as on Linux: who goes on with these does so still. */
	list_for_each(pos, l)
		if (list_entry(pos, struct rule, node)->i.priority > r->i.priority)
			break;
	list_insert_between(&r->node, pos->prev, pos);
	s->nrules++;
	if (r->i.action == FR_ACT_GOTO)
		r->target = rule_behind(s, r, r->i.target);
	rules_retarget(s, NULL, r, &r->i);
}

static void rule_take_out(struct stack *s, struct rule *r)
{
	rules_retarget(s, r, rule_behind(s, r, r->i.priority), &r->i);
	list_remove(&r->node);
	s->nrules--;
}

int rules_init(struct stack *s)
{
	static const struct { uint8_t family; uint32_t priority, table; } first[] = {
		{ AF_INET, 0, RT_TABLE_LOCAL },	 { AF_INET, 32766, RT_TABLE_MAIN }, { AF_INET, 32767, RT_TABLE_DEFAULT },
		{ AF_INET6, 0, RT_TABLE_LOCAL }, { AF_INET6, 32766, RT_TABLE_MAIN },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(first); i++) {
		struct rule *r = mem_new(struct rule);

		if (!r)
			return -ENOMEM;
		r->i = (struct rule_info){ .family = first[i].family, .priority = first[i].priority, .table = first[i].table,
					   .action = FR_ACT_TO_TBL, .suppress_plen = -1, .protocol = RTPROT_KERNEL };
		rule_insert(s, r);
	}
	return 0;
}

void rules_fini(struct stack *s)
{
	struct rule *r, *tmp;

	for (unsigned int f = 0; f < 2; f++)
		list_for_each_entry_safe(r, tmp, &s->rules[f], node)
			mem_free(r);
}

/* ---- changes ----------------------------------------------------------------------------------- */

static bool range_equal(struct port_range a, struct port_range b)
{
	return a.from == b.from && a.to == b.to;
}

static bool uids_equal(const struct rule_info *a, const struct rule_info *b)
{
	return a->by_uid == b->by_uid && a->uid_from == b->uid_from && a->uid_to == b->uid_to;
}

static bool rule_equal(const struct rule_info *a, const struct rule_info *b)
{
	return a->action == b->action && a->table == b->table && a->priority == b->priority && a->tos == b->tos &&
	       a->mark == b->mark && a->mask == b->mask && a->suppress_plen == b->suppress_plen && a->invert == b->invert &&
	       a->src_len == b->src_len && a->dst_len == b->dst_len && ipa_eq(a->src, b->src) && ipa_eq(a->dst, b->dst) &&
	       a->ip_proto == b->ip_proto && range_equal(a->sport, b->sport) && range_equal(a->dport, b->dport) &&
	       uids_equal(a, b) && strcmp(a->iif, b->iif) == 0 && strcmp(a->oif, b->oif) == 0;
}

/* One less than the second rule's, as on Linux: before everything but table local. */
static uint32_t rule_free_priority(struct stack *s, unsigned int f)
{
	struct list *second = s->rules[f].next->next;

	if (list_empty(&s->rules[f]) || second == &s->rules[f])
		return 0;
	return MAX(list_entry(second, struct rule, node)->i.priority, 1u) - 1;
}

static bool range_is_wrong(struct port_range r)
{
	return (r.from || r.to) && (!r.from || r.to == UINT16_MAX || r.from > r.to);
}

static int rule_check(const struct rule_info *i)
{
	uint8_t max = i->family == AF_INET ? 32 : 128;

	if (i->family != AF_INET && i->family != AF_INET6)
		return -EAFNOSUPPORT;
	if (i->src_len > max || i->dst_len > max)
		return -EINVAL;
	if ((i->src_len && ipa_is4(i->src) != (i->family == AF_INET)) ||
	    (i->dst_len && ipa_is4(i->dst) != (i->family == AF_INET)))
		return -EINVAL;
	if (range_is_wrong(i->sport) || range_is_wrong(i->dport) || (i->by_uid && i->uid_from > i->uid_to))
		return -EINVAL;
	if ((i->action == FR_ACT_GOTO) != (i->target != 0))
		return -EINVAL;
	switch (i->action) {
	case FR_ACT_TO_TBL:
		return i->table ? 0 : -EINVAL;
	case FR_ACT_GOTO:
	case FR_ACT_NOP:
	case FR_ACT_BLACKHOLE:
	case FR_ACT_UNREACHABLE:
	case FR_ACT_PROHIBIT:
		return 0;
	default:
		return -EINVAL;
	}
}

/* As it is shown.  nic_peek()'s names are under stack->tables too. */
static struct rule_info rule_show(struct stack *s, struct rule *r)
{
	struct rule_info i = r->i;

	i.state = (i.action == FR_ACT_GOTO && !r->target ? FIB_RULE_UNRESOLVED : 0) |
		  (i.iif[0] && !nic_named(s, i.iif) ? FIB_RULE_IIF_DETACHED : 0) |
		  (i.oif[0] && !nic_named(s, i.oif) ? FIB_RULE_OIF_DETACHED : 0);
	return i;
}

int rule_add(struct stack *s, const struct rule_info *i, unsigned int given, bool excl)
{
	int err = rule_check(i);
	struct rule *r, *old;
	struct rule_info told;
	unsigned int f;

	if (err < 0)
		return err;
	r = mem_new(struct rule);
	if (!r)
		return -ENOMEM;
	r->i = *i;
	f = family_index(i->family);
	nrwlock_write(&s->tables);
	if (!(given & RULE_PRIORITY))
		r->i.priority = rule_free_priority(s, f);
	if (i->action == FR_ACT_GOTO && i->target <= r->i.priority) /* so that it ends */
		err = -EINVAL;
	if (excl && err == 0)
		list_for_each_entry(old, &s->rules[f], node)
			if (rule_equal(&old->i, &r->i))
				err = -EEXIST;
	if (err == 0 && s->nrules >= RULE_MAX)
		err = -ENOSPC;
	if (err == 0) {
		rule_insert(s, r);
		rules_judge_locked(s, f);
		told = rule_show(s, r);
	}
	nrwlock_write_unlock(&s->tables);
	if (err < 0) {
		mem_free(r);
		return err;
	}
	stack_bump(s);
	stack_event(s, STACK_RULE_NEW, &told);
	return 0;
}

/* What the request names is the same; the rest does not matter. */
static bool rule_is_meant(const struct rule_info *i, const struct rule_info *want, unsigned int given)
{
	return (!want->action || i->action == want->action) && (!want->table || i->table == want->table) &&
	       (!(given & RULE_PRIORITY) || i->priority == want->priority) &&
	       (!(given & RULE_MARK) || i->mark == want->mark) && (!(given & RULE_MASK) || i->mask == want->mask) &&
	       (!(given & RULE_SUPPRESS) || i->suppress_plen == want->suppress_plen) &&
	       (!want->iif[0] || strcmp(i->iif, want->iif) == 0) && (!want->oif[0] || strcmp(i->oif, want->oif) == 0) &&
	       (!want->tos || i->tos == want->tos) && (!want->invert || i->invert) &&
	       (!want->ip_proto || i->ip_proto == want->ip_proto) && (!want->by_uid || uids_equal(i, want)) &&
	       (!want->sport.from || range_equal(i->sport, want->sport)) &&
	       (!want->dport.from || range_equal(i->dport, want->dport)) &&
	       (!want->src_len || (i->src_len == want->src_len && ipa_eq(i->src, want->src))) &&
	       (!want->dst_len || (i->dst_len == want->dst_len && ipa_eq(i->dst, want->dst)));
}

int rule_del(struct stack *s, const struct rule_info *want, unsigned int given)
{
	struct rule *r, *found = NULL;
	unsigned int f = family_index(want->family);
	struct rule_info told;

	if (want->family != AF_INET && want->family != AF_INET6)
		return -EAFNOSUPPORT;
	nrwlock_write(&s->tables);
	list_for_each_entry(r, &s->rules[f], node)
		if (!found && rule_is_meant(&r->i, want, given))
			found = r;
	if (found) {
		told = rule_show(s, found);
		rule_take_out(s, found);
		rules_judge_locked(s, f);
	}
	nrwlock_write_unlock(&s->tables);
	if (!found)
		return -ENOENT;
	stack_bump(s);
	stack_event(s, STACK_RULE_DEL, &told);
	mem_free(found);
	return 0;
}

int rule_for_each(struct stack *s, uint8_t family, int (*fn)(void *arg, const struct rule_info *i), void *arg)
{
	struct rule_info *copy;
	unsigned int count = 0, max;
	struct rule *r;
	int err = 0;

	/* fn may sleep or call back: give it a copy. */
	nrwlock_read(&s->tables);
	max = s->nrules;
	copy = mem_calloc(max ? max : 1, sizeof(*copy));
	if (copy)
		list_for_each_entry(r, &s->rules[family_index(family)], node)
			copy[count++] = rule_show(s, r);
	nrwlock_read_unlock(&s->tables);
	if (!copy)
		return -ENOMEM;
	for (unsigned int i = 0; i < count && err == 0; i++)
		err = fn(arg, &copy[i]);
	mem_free(copy);
	return err;
}

/* ---- lookup ------------------------------------------------------------------------------------ */

/* name is that of interface ifindex.  Names are under stack->tables too. */
static bool is_named(struct stack *s, uint32_t ifindex, const char *name)
{
	const struct nic *n = ifindex ? nic_peek(s, ifindex) : NULL;

	return n && strncmp(n->name, name, IFNAMSIZ) == 0;
}

static bool in_range(struct port_range r, uint16_t port)
{
	return !r.from || (port >= r.from && port <= r.to);
}

static bool rule_matches(struct stack *s, const struct rule_info *i, const struct route_key *k)
{
	bool ok = (!i->iif[0] || is_named(s, k->iif ? k->iif : LO_IFINDEX, i->iif)) &&
		  (!i->oif[0] || is_named(s, k->ifindex, i->oif)) && ((i->mark ^ k->mark) & i->mask) == 0 &&
		  (!i->src_len || (!ipa_is_any(k->src) && ipa_match(k->src, i->src, rule_plen(i, i->src_len)))) &&
		  (!i->dst_len || ipa_match(k->dst, i->dst, rule_plen(i, i->dst_len))) && (!i->tos || i->tos == k->tos) &&
		  (!i->ip_proto || i->ip_proto == k->proto) && in_range(i->sport, k->sport) && in_range(i->dport, k->dport) &&
		  (!i->by_uid || (k->uid >= i->uid_from && k->uid <= i->uid_to));

	return ok != i->invert;
}

int rules_walk_locked(struct stack *s, const struct route_key *k, int64_t now, struct route **out)
{
	unsigned int f = !ipa_is4(k->dst);
	struct list *n;

	*out = NULL;
	for (n = s->rules[f].next; n != &s->rules[f]; n = n->next) {
		struct rule *r = list_entry(n, struct rule, node);
		struct route *found;

		if (!rule_matches(s, &r->i, k))
			continue;
		switch (r->i.action) {
		case FR_ACT_BLACKHOLE:
			return -EINVAL;
		case FR_ACT_UNREACHABLE:
			return -ENETUNREACH;
		case FR_ACT_PROHIBIT:
			return -EACCES;
		case FR_ACT_TO_TBL:
			found = route_find_locked(s, f ? AF_INET6 : AF_INET, r->i.table, k, now);
			if (found && (r->i.suppress_plen < 0 || found->i.plen > r->i.suppress_plen)) {
				*out = found;
				return 0;
			}
			break;
		case FR_ACT_GOTO:
			if (r->target)
				n = r->target->node.prev; /* the next one is it */
			break;
		default:
			break;
		}
	}
	return -ENETUNREACH;
}
