/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c: the table of settings (conf.h) by name. */
#include "netstack/stack_impl.h"

const struct net_conf_entry net_conf_entries[] = {
#define X(member, name, def, lo, hi) { name, lo, hi, offsetof(struct net_conf, member) },
	NET_CONF(X)
#undef X
};
const size_t net_conf_count = ARRAY_SIZE(net_conf_entries);

static atomic_int *net_conf_at(struct stack *s, size_t index)
{
	ASSERT(index < net_conf_count);
	return (atomic_int *)(void *)((char *)&s->conf + net_conf_entries[index].off);
}

int net_conf_get(struct stack *s, size_t index)
{
	return atomic_load_explicit(net_conf_at(s, index), memory_order_relaxed);
}

int net_conf_set(struct stack *s, size_t index, int value)
{
	const struct net_conf_entry *e = &net_conf_entries[index];
	atomic_int *at = net_conf_at(s, index);

	if (value < e->min || value > e->max)
		return -EINVAL;
	if (at == &s->conf.ip_forward) /* two names of one switch: devinet_sysctl_forward() */
		return nic_conf_set(s, NIC_CONF_ALL, IP4_forwarding, value);
	atomic_store_explicit(at, value, memory_order_relaxed);
	return 0;
}

int net_conf_find(const char *name)
{
	for (size_t i = 0; i < net_conf_count; i++)
		if (strcmp(net_conf_entries[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}
