/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_fib.c: /proc/net/fib_trie: the IPv4 routes of each table by destination.  Scripts take a container's addresses
 * from its "/32 host LOCAL" lines.  As fib_trie_seq_show() of net/ipv4/fib_trie.c with a trie of one node: routes
 * here lie in no trie, and its nodes mean nothing to a reader.
 */
#include <linux/rtnetlink.h>
#include <netinet/in.h>

#include "lib/buf.h"
#include "lib/sort.h"
#include "netstack/stack.h"
#include "sentry/socket/proc_net.h"

struct leaf {
	uint32_t table, dst; /* dst: host byte order */
	uint8_t plen, scope, type, tos;
};

static int leaf_compare(const void *pa, const void *pb)
{
	const struct leaf *a = pa, *b = pb;

	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->dst != b->dst)
		return a->dst < b->dst ? -1 : 1;
	return (int)b->plen - (int)a->plen; /* the longest prefix first, as aliases lie in a leaf */
}

static int leaf_add(void *arg, const struct route_info *i)
{
	struct leaf l = { .table = i->table, .dst = ntohl(i->dst.w[3]), .plen = i->plen, .scope = i->scope,
			  .type = i->type, .tos = i->tos };

	if (i->family == AF_INET)
		buf_put(arg, &l, sizeof(l));
	return buf_error(arg);
}

static void put_scope(struct buf *b, uint8_t scope)
{
	switch (scope) {
	case RT_SCOPE_UNIVERSE: buf_puts(b, "universe"); break;
	case RT_SCOPE_SITE: buf_puts(b, "site"); break;
	case RT_SCOPE_LINK: buf_puts(b, "link"); break;
	case RT_SCOPE_HOST: buf_puts(b, "host"); break;
	case RT_SCOPE_NOWHERE: buf_puts(b, "nowhere"); break;
	default: buf_printf(b, "scope=%u", scope);
	}
}

static const char *type_name(uint8_t type)
{
	static const char *const names[] = { "UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST",
					     "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW" };

	return type < ARRAY_SIZE(names) ? names[type] : "type";
}

static void put_table(struct buf *b, uint32_t table)
{
	if (table == RT_TABLE_LOCAL)
		buf_puts(b, "Local:\n");
	else if (table == RT_TABLE_MAIN)
		buf_puts(b, "Main:\n");
	else
		buf_printf(b, "Id %u:\n", table);
}

int proc_fib_show(struct stack *s, struct buf *b)
{
	struct buf all;
	const struct leaf *l;
	size_t count;
	int err;

	buf_init(&all);
	err = route_for_each(s, leaf_add, &all);
	count = err ? 0 : all.size / sizeof(*l);
	if (count)
		sort(all.data, count, sizeof(*l), leaf_compare);
	l = (const struct leaf *)all.data;
	for (size_t i = 0; i < count; i++) {
		bool first = i == 0 || l[i].table != l[i - 1].table;

		if (first) {
			put_table(b, l[i].table);
			buf_puts(b, "  +-- 0.0.0.0/0 0 0 0\n");
		}
		if (first || l[i].dst != l[i - 1].dst)
			buf_printf(b, "     |-- %u.%u.%u.%u\n", l[i].dst >> 24, l[i].dst >> 16 & 255,
				   l[i].dst >> 8 & 255, l[i].dst & 255);
		buf_printf(b, "        /%u ", l[i].plen);
		put_scope(b, l[i].scope);
		buf_printf(b, " %s", type_name(l[i].type));
		if (l[i].tos)
			buf_printf(b, " tos=%u", l[i].tos);
		buf_putc(b, '\n');
	}
	buf_fini(&all);
	return err;
}
