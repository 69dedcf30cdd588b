/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_view.c: what a container with the host's network sees of it.  See host_socket.h.
 *
 * Files of /proc/net are those of the Sentry's own procfs, in whose network namespace the sockets are: true at every
 * read.  Interfaces, addresses, routes and neighbours (rtnetlink, SIOCGIF…, /sys/class/net) come from a stack that
 * carries nothing, filled when the container starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "netstack/pkt.h"
#include "netstack/stack.h"
#include "platform/host.h"
#include "sentry/control/boot.h"
#include "sentry/socket/host_socket.h"
#include "sentry/socket/net_ns.h"

#define READ_SIZE 16384
#define FILE_MAX  (32u << 20) /* of a table of sockets: more is cut */

static void host_view_drop(void *ctx, struct txq *q, struct pkt *p)
{
	(void)ctx;
	(void)q;
	pkt_free(p);
}

static const struct link_ops host_view_ops = { .transmit = host_view_drop };

int host_view_link(struct net_ns *ns, const struct net_link_config *c, uint32_t *ifindex)
{
	struct nic_config n = { .type = LINK_IP, .mtu = MIN(c->mtu, 65535u), .ifindex = c->ifindex,
				.ops = &host_view_ops };
	struct stack *s = net_ns_stack(ns);
	unsigned int m[6];

	if (strlen(c->name) >= sizeof(n.name))
		return -EINVAL;
	strcpy(n.name, c->name);
	if (c->mac) {
		if (sscanf(c->mac, "%2x:%2x:%2x:%2x:%2x:%2x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
			return -EINVAL;
		n.type = LINK_ETHERNET;
		for (unsigned int i = 0; i < 6; i++)
			n.mac[i] = (uint8_t)m[i];
	}
	return s ? nic_add(s, &n, ifindex) : -ENOMEM;
}

int host_view_file(const char *path, struct buf *b)
{
	int fd = host_openat(SENTRY_FD_PROC, path, O_RDONLY, 0);
	char *piece = fd < 0 ? NULL : mem_alloc(READ_SIZE);
	ssize_t n = piece ? 0 : -ENOMEM;

	if (fd < 0)
		return fd;
	while (piece && b->size < FILE_MAX && (n = host_read(fd, piece, READ_SIZE)) > 0)
		buf_put(b, piece, (size_t)n);
	mem_free(piece);
	host_close(fd);
	return n < 0 ? (int)n : 0;
}
