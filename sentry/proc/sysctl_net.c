/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctl_net.c: /proc/sys/net: the settings of a network stack (netstack/conf.h) as files.
 *
 * A setting "ipv4.tcp_sack" is the file net/ipv4/tcp_sack.  Some settings make one file together:
 * "…_min" and "…_max" (ranges), or "…_min", "…_default" and "…_max".
 *
 * The stack is that of the reader's network namespace; proc_net_stack_register() says how to find it.
 * Without one (no network in this sandbox) values are kept here, so that what a container's spec
 * sets can be read back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "netstack/conf.h"
#include "netstack/stack.h"
#include "sentry/proc/proc_impl.h"
#include "sentry/socket/host_socket.h"
#include "sentry/socket/net_ns.h"
#include "sentry/task/task_impl.h"

#define NET_ROW_MAX 3

/* A file: its settings' indices in net_conf_entries. */
struct net_row {
	struct sysctl sysctl; /* count: how many settings */
	int index[NET_ROW_MAX];
	char path[96];
};

static const int net_defaults[] = {
#define X(member, name, def, lo, hi) (def),
	NET_CONF(X)
#undef X
};

static struct {
	struct stack *(*stack_of)(struct net_ns *ns);
	atomic_int kept[ARRAY_SIZE(net_defaults)]; /* where there is no stack */
	struct net_row rows[ARRAY_SIZE(net_defaults)];
} net;

void proc_net_stack_register(struct stack *(*stack_of)(struct net_ns *ns))
{
	net.stack_of = stack_of;
}

static const struct net_row *row_of(const struct sysctl *s)
{
	return container_of(s, struct net_row, sysctl);
}

/* The stack that r is about, and the set that keeps it alive (ns_set_put). */
static struct stack *stack_of(const struct pfs_req *r, struct ns_set **set)
{
	*set = proc_ns_get(r);
	return *set && (*set)->net && net.stack_of ? net.stack_of((*set)->net) : NULL;
}

/* Are r's sockets the host's (net_ns.h)?  Then its settings are, which can't be changed from here. */
static bool is_host(const struct pfs_req *r)
{
	struct ns_set *set = proc_ns_get(r);
	bool host = set && set->net && set->net->host;

	ns_set_put(set);
	return host;
}

static int net_get(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	const struct net_row *row = row_of(s);
	long values[NET_ROW_MAX];
	struct ns_set *set;
	struct stack *stack;
	char path[128];

	if (is_host(r)) {
		snprintf(path, sizeof(path), "sys/%s", s->path);
		return host_view_file(path, b);
	}
	stack = stack_of(r, &set);
	for (unsigned int i = 0; i < s->count; i++)
		values[i] = stack ? net_conf_get(stack, (size_t)row->index[i])
				  : atomic_load_explicit(&net.kept[row->index[i]], memory_order_relaxed);
	ns_set_put(set);
	sysctl_show_longs(b, values, s->count);
	return 0;
}

static int net_set(const struct pfs_req *r, const struct sysctl *s, char *text, size_t size)
{
	const struct net_row *row = row_of(s);
	long values[NET_ROW_MAX];
	struct ns_set *set;
	struct stack *stack;
	int n = sysctl_parse_longs(text, values, s->count, INT32_MIN, INT32_MAX), err = 0;

	(void)size;
	if (n < 0)
		return n;
	if (is_host(r))
		return -EPERM;
	for (int i = 0; i < n; i++) {
		const struct net_conf_entry *e = &net_conf_entries[row->index[i]];

		if (values[i] < e->min || values[i] > e->max)
			return -EINVAL;
	}
	stack = stack_of(r, &set);
	for (int i = 0; i < n && !err; i++) {
		if (stack)
			err = net_conf_set(stack, (size_t)row->index[i], (int)values[i]);
		else
			atomic_store_explicit(&net.kept[row->index[i]], (int)values[i],
					      memory_order_relaxed);
	}
	ns_set_put(set);
	return err;
}

/* Does name end in suffix?  Then how long it is without. */
static size_t stem(const char *name, const char *suffix)
{
	size_t len = strlen(name), cut = strlen(suffix);

	return len > cut && !strcmp(name + len - cut, suffix) ? len - cut : 0;
}

static int find_part(const char *name, size_t len, const char *suffix)
{
	char text[96];

	snprintf(text, sizeof(text), "%.*s%s", (int)len, name, suffix);
	return net_conf_find(text);
}

/* Fill row for entry i; false: it is part of another's row, or not for showing. */
static bool row_make(struct net_row *row, int i)
{
	const char *name = net_conf_entries[i].name;
	size_t len = stem(name, "_min");
	int def, max;

	if (stem(name, "_index"))
		return false;
	row->index[0] = i;
	row->sysctl.count = 1;
	max = len ? find_part(name, len, "_max") : -1;
	if (max >= 0) {
		def = find_part(name, len, "_default");
		if (def >= 0)
			row->index[row->sysctl.count++] = def;
		row->index[row->sysctl.count++] = max;
	} else {
		size_t other = stem(name, "_max");

		if (!other)
			other = stem(name, "_default");
		if (other && find_part(name, other, "_min") >= 0)
			return false;
		len = strlen(name);
	}
	snprintf(row->path, sizeof(row->path), "net/%.*s", (int)len, name);
	for (char *dot = row->path; (dot = strchr(dot, '.')) != NULL;)
		*dot = '/';
	row->sysctl.path = row->path;
	row->sysctl.mode = 0644;
	row->sysctl.get = net_get;
	row->sysctl.set = net_set;
	return true;
}

int sysctl_net_init(void)
{
	for (size_t i = 0; i < net_conf_count; i++) {
		struct net_row *row = &net.rows[i];
		int err;

		atomic_init(&net.kept[i], net_defaults[i]);
		if (!row_make(row, (int)i))
			continue;
		err = proc_sysctl_add_one(&row->sysctl);
		if (err)
			return err;
	}
	return 0;
}
