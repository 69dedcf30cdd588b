/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.c: /proc/PID/net: what the protocols register (proc_net_add), shown for the network namespace
 * of the process whose directory it is.
 *
 * Linux: fs/proc/proc_net.c.
 */
#include <errno.h>

#include "sentry/proc/proc_impl.h"
#include "sentry/socket/socket.h"

static struct pfs_node net_root = PFS_NODE_ROOT(net_root, 0555);

int proc_net_add(const char *path, const struct pfs_entry *e)
{
	return pfs_node_add(&net_root, path, e);
}

static int net_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	(void)r;
	return pfs_node_lookup_in(&net_root, name, out);
}

static int net_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	(void)r;
	return pfs_node_next_in(&net_root, from, out);
}

const struct pfs_dir proc_net_dir = { .lookup = net_lookup, .next = net_next };

static int show_unix(const struct pfs_req *r, struct buf *b)
{
	struct ns_set *set = proc_ns_get(r);

	if (!set)
		return -EINVAL;
	unix_show(set->net, b);
	ns_set_put(set);
	return 0;
}

int proc_net_init(void)
{
	static const struct pfs_entry unix_entry = { .mode = S_IFREG | 0444, .show = show_unix };

	return proc_net_add("unix", &unix_entry);
}
