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
 *
 * Settings of interfaces (netstack/nic_conf.h) are in directories that follow the interfaces of that namespace: a
 * directory's key (pfs.h) is the interface's number and a hash of its name, so that a name of before a change, or of
 * another namespace, is looked up again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/hash.h"
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

static long net_value(struct stack *stack, int index)
{
	return stack ? net_conf_get(stack, (size_t)index) : atomic_load_explicit(&net.kept[index], memory_order_relaxed);
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
		values[i] = net_value(stack, row->index[i]);
	ns_set_put(set);
	sysctl_show_longs(b, values, s->count);
	return 0;
}

/* ipv4_local_port_range(): the highest, written or as it is, is not below the lowest. */
static bool net_is_upside_down(struct stack *stack, const struct net_row *row, const long *values, int n)
{
	if (strcmp(row->path, "net/ipv4/ip_local_port_range") != 0)
		return false;
	return (n > 1 ? values[1] : net_value(stack, row->index[1])) < values[0];
}

static int net_set(const struct pfs_req *r, const struct sysctl *s, char *text, size_t size)
{
	const struct net_row *row = row_of(s);
	long values[NET_ROW_MAX];
	struct ns_set *set;
	struct stack *stack;
	int n = sysctl_parse_longs(text, values, s->count, INT32_MIN, INT32_MAX), err;

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
	err = net_is_upside_down(stack, row, values, n) ? -EINVAL : 0;
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

/* ---- interfaces ------------------------------------------------------------------------------- */

static const char *const group_paths[NIC_CONF_GROUPS] = { "net/ipv4/conf", "net/ipv6/conf", "net/ipv4/neigh",
							  "net/ipv6/neigh" };

static struct {
	struct pfs_node *groups[NIC_CONF_GROUPS];
	struct pfs_entry dirs[NIC_CONF_GROUPS];                   /* one for the interfaces of each group */
	struct pfs_dir ops[NIC_CONF_GROUPS];
	struct pfs_entry files[NIC_CONF_COUNT + NIC_CONF_GROUPS]; /* behind each group's one without a name */
} nics;

static int64_t nic_key(uint32_t ifindex, const char *name)
{
	return (int64_t)((hash_bytes(1, name, strlen(name)) & INT32_MAX) << 32 | ifindex);
}

static uint32_t nic_of(const struct pfs_req *r)
{
	return (uint32_t)r->i->key;
}

static enum nic_conf_group group_of(const struct pfs_req *r)
{
	return (enum nic_conf_group)((const char *const *)r->i->entry->arg - group_paths);
}

/* The key that a file is about. */
static unsigned int conf_key_of(const struct pfs_req *r)
{
	return (unsigned int)((const struct nic_conf_entry *)r->i->entry->arg - nic_conf_entries);
}

struct nth {
	int64_t left;
	uint32_t ifindex;
	char *name;
};

static int nth_one(void *arg, const struct nic_info *i)
{
	struct nth *n = arg;

	if (n->left-- > 0)
		return 0;
	n->ifindex = i->ifindex;
	memcpy(n->name, i->name, IFNAMSIZ);
	return 1;
}

/* "all" and "default", then the interfaces by their place.  0: the end. */
static uint32_t nic_nth(struct stack *s, enum nic_conf_group group, int64_t at, char name[static IFNAMSIZ])
{
	struct nth n = { .left = at, .name = name };

	if (group <= NIC_CONF_IP6) {
		if (at < 2) {
			strcpy(name, at ? "default" : "all");
			return at ? NIC_CONF_DEFAULT : NIC_CONF_ALL;
		}
		n.left -= 2;
	}
	if (s)
		(void)nic_for_each(s, nth_one, &n);
	return n.ifindex;
}

static uint32_t nic_find(struct stack *s, enum nic_conf_group group, const char *name)
{
	if (group <= NIC_CONF_IP6 && strcmp(name, "all") == 0)
		return NIC_CONF_ALL;
	if (group <= NIC_CONF_IP6 && strcmp(name, "default") == 0)
		return NIC_CONF_DEFAULT;
	return s && strlen(name) < IFNAMSIZ ? nic_by_name(s, name) : 0;
}

static int nics_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	enum nic_conf_group group = group_of(r);
	struct ns_set *set;
	uint32_t ifindex = nic_find(stack_of(r, &set), group, name);

	ns_set_put(set);
	if (!ifindex)
		return pfs_node_lookup_in(nics.groups[group], name, out);
	out->entry = &nics.dirs[group];
	out->key = nic_key(ifindex, name);
	return 0;
}

#define NICS_FIRST 1000 /* positions before are those of what is registered: neigh/default */

static int nics_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	enum nic_conf_group group = group_of(r);
	struct ns_set *set;
	uint32_t ifindex;
	int err = from < NICS_FIRST ? pfs_node_next_in(nics.groups[group], from, out) : 0;

	if (err)
		return err;
	out->cookie = MAX(from, (int64_t)NICS_FIRST);
	ifindex = nic_nth(stack_of(r, &set), group, out->cookie - NICS_FIRST, out->name);
	ns_set_put(set);
	if (!ifindex)
		return 0;
	out->entry = &nics.dirs[group];
	out->key = nic_key(ifindex, out->name);
	return 1;
}

static const struct pfs_dir nics_dir = { .lookup = nics_lookup, .next = nics_next };

/* Is it still called so, in the reader's namespace? */
static bool nic_alive(const struct pfs_req *r)
{
	uint32_t ifindex = nic_of(r);
	struct nic_info info;
	struct ns_set *set;
	struct stack *s;
	bool same;

	if (ifindex == NIC_CONF_ALL || ifindex == NIC_CONF_DEFAULT)
		return true;
	s = stack_of(r, &set);
	same = s && nic_info(s, ifindex, &info) == 0 && nic_key(ifindex, info.name) == r->i->key;
	ns_set_put(set);
	return same;
}

/* The host's file of it. */
static int nic_host_show(const struct pfs_req *r, struct stack *s, struct buf *b)
{
	const struct nic_conf_entry *e = r->i->entry->arg;
	struct nic_info info = { .name = "default" };
	char path[160];

	if (nic_of(r) == NIC_CONF_ALL)
		strcpy(info.name, "all");
	else if (nic_of(r) != NIC_CONF_DEFAULT && (!s || nic_info(s, nic_of(r), &info) < 0))
		return -ENOENT;
	snprintf(path, sizeof(path), "sys/%s/%s/%s", group_paths[e->group], info.name, e->name);
	return host_view_file(path, b);
}

static int nic_show(const struct pfs_req *r, struct buf *b)
{
	struct ns_set *set;
	struct stack *s = stack_of(r, &set);
	int value, err;

	if (is_host(r)) {
		err = nic_host_show(r, s, b);
	} else {
		err = s ? nic_conf_get(s, nic_of(r), conf_key_of(r), &value) : -ENODEV;
		if (!err)
			buf_printf(b, "%d\n", value);
	}
	ns_set_put(set);
	return err;
}

static int nic_write(const struct pfs_req *r, char *text, size_t size)
{
	struct ns_set *set;
	struct stack *s;
	long value;
	int n = sysctl_parse_longs(text, &value, 1, INT32_MIN, INT32_MAX);

	(void)size;
	if (n < 0)
		return n;
	if (is_host(r))
		return -EPERM;
	s = stack_of(r, &set);
	n = s ? nic_conf_set(s, nic_of(r), conf_key_of(r), (int)value) : -ENODEV;
	ns_set_put(set);
	return n;
}

/* What is behind a group's path in name, and *group; NULL: it is not of these. */
static const char *nic_name_rest(const char *name, enum nic_conf_group *group)
{
	for (unsigned int g = 0; g < NIC_CONF_GROUPS; g++) {
		const char *a = group_paths[g], *b = name;

		for (; *a && (*a == *b || (*a == '/' && *b == '.')); a++)
			b++;
		*group = (enum nic_conf_group)g;
		if (!*a && *b == '.')
			return b + 1;
	}
	return NULL;
}

int proc_sysctl_set_nic(struct net_ns *ns, const char *name, const char *value)
{
	enum nic_conf_group group;
	const char *rest = nic_name_rest(name, &group), *last = rest ? strrchr(rest, '.') : NULL;
	struct stack *s = ns && net.stack_of ? net.stack_of(ns) : NULL;
	char nic[IFNAMSIZ] = { 0 }, text[32];
	long number;
	int key;

	if (!last || (key = nic_conf_find(group, last + 1)) < 0)
		return -ENOENT;
	if (!s || last - rest >= IFNAMSIZ)
		return -ENODEV;
	memcpy(nic, rest, (size_t)(last - rest));
	for (char *at = nic; *at; at++)
		*at = *at == '/' ? '.' : *at;
	if (strlen(value) >= sizeof(text) || sysctl_parse_longs(strcpy(text, value), &number, 1, INT32_MIN, INT32_MAX) < 0)
		return -EINVAL;
	return nic_conf_set(s, nic_find(s, group, nic), (unsigned int)key, (int)number);
}

static int nics_init(void)
{
	struct pfs_entry *file = nics.files;

	for (unsigned int g = 0, key = 0; g < NIC_CONF_GROUPS; g++, file++) {
		struct pfs_entry top = { .mode = S_IFDIR | 0555, .dir = &nics_dir, .arg = &group_paths[g] };

		nics.ops[g].entries = file;
		for (; key < NIC_CONF_COUNT && nic_conf_entries[key].group == g; key++) {
			const struct nic_conf_entry *e = &nic_conf_entries[key];
			bool fixed = e->min > e->max;

			*file++ = (struct pfs_entry){ .name = e->name, .mode = S_IFREG | (fixed ? 0444 : 0644),
						      .show = nic_show, .write = fixed ? NULL : nic_write,
						      .permission_only = proc_sysctl_permission,
						      .alive = nic_alive, .arg = e };
		}
		nics.dirs[g] = (struct pfs_entry){ .mode = S_IFDIR | 0555, .dir = &nics.ops[g], .alive = nic_alive };
		nics.groups[g] = proc_sysctl_add_dir(group_paths[g], &top);
		if (!nics.groups[g])
			return -ENOMEM;
	}
	return 0;
}

/* ---- congestion control: a setting that is a number inside and a name outside ---- */

static int congestion_get(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	size_t index = (size_t)net_conf_find("ipv4.tcp_congestion_control_index");
	struct ns_set *set;
	struct stack *stack;
	int value;

	(void)s;
	if (is_host(r))
		return host_view_file("sys/net/ipv4/tcp_congestion_control", b);
	stack = stack_of(r, &set);
	value = stack ? net_conf_get(stack, index) : atomic_load_explicit(&net.kept[index], memory_order_relaxed);
	ns_set_put(set);
	buf_printf(b, "%s\n", net_congestion_name((unsigned int)value));
	return 0;
}

static int congestion_set(const struct pfs_req *r, const struct sysctl *s, char *text, size_t size)
{
	size_t index = (size_t)net_conf_find("ipv4.tcp_congestion_control_index");
	struct ns_set *set;
	struct stack *stack;
	const char *name;
	int value = 0, err = 0;

	(void)s, (void)size;
	if (is_host(r))
		return -EPERM;
	text[strcspn(text, " \t\n")] = 0;
	while ((name = net_congestion_name((unsigned int)value)) && strcmp(name, text) != 0)
		value++;
	if (!name)
		return -ENOENT;
	stack = stack_of(r, &set);
	if (stack)
		err = net_conf_set(stack, index, value);
	else
		atomic_store_explicit(&net.kept[index], value, memory_order_relaxed);
	ns_set_put(set);
	return err;
}

/* The names that there are; all are allowed to everybody. */
static int congestions_get(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	char path[64];

	if (is_host(r)) {
		snprintf(path, sizeof(path), "sys/%s", s->path);
		return host_view_file(path, b);
	}
	for (unsigned int i = 0; net_congestion_name(i); i++)
		buf_printf(b, "%s%s", i ? " " : "", net_congestion_name(i));
	buf_putc(b, '\n');
	return 0;
}

static const struct sysctl congestion_rows[] = {
	{ .path = "net/ipv4/tcp_congestion_control", .mode = 0644, .get = congestion_get, .set = congestion_set },
	{ .path = "net/ipv4/tcp_available_congestion_control", .mode = 0444, .get = congestions_get },
	{ .path = "net/ipv4/tcp_allowed_congestion_control", .mode = 0444, .get = congestions_get },
	{ .path = NULL },
};

int sysctl_net_init(void)
{
	int err = proc_sysctl_add(congestion_rows);

	if (err)
		return err;
	for (size_t i = 0; i < net_conf_count; i++) {
		struct net_row *row = &net.rows[i];

		atomic_init(&net.kept[i], net_defaults[i]);
		if (!row_make(row, (int)i))
			continue;
		err = proc_sysctl_add_one(&row->sysctl);
		if (err)
			return err;
	}
	return nics_init();
}
