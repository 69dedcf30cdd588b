/* SPDX-License-Identifier: Apache-2.0 */
/* inet.h: the AF_INET and AF_INET6 families (ip(7), ipv6(7)), as the socket layer sees them. */
#pragma once

#include <stdint.h>

struct net_ns;
struct vfs_ctx;

/* Requests about interfaces and routes, of any socket (socket_family.device_ioctl). */
long inet_device_ioctl(struct vfs_ctx *c, struct net_ns *net, unsigned int cmd, uint64_t arg);
/* Registers both families.  The stack itself starts with the first socket. */
void inet_init(void);
