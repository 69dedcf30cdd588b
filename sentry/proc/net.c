/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.c: /proc/PID/net: what the protocols register (proc_net_add), shown for the network namespace
 * of the process whose directory it is.
 *
 * Linux: fs/proc/proc_net.c.
 */
#include <errno.h>

#include "sentry/proc/proc_impl.h"

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

int proc_net_init(void)
{
	return 0;
}
