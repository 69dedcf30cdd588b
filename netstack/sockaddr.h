/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockaddr.h: Linux's struct sockaddr and control messages to and from the netstack's own forms, for
 * the socket layer.  Pure functions; input is a kernel copy of what the application gave.
 */
#pragma once

#include <stddef.h>

#include "netstack/ep.h"

/*
 * An address given to bind, connect or sendto on a socket of family.  -EINVAL: too short;
 * -EAFNOSUPPORT: a family that socket can't take.  AF_UNSPEC gives family AF_UNSPEC.
 */
int net_addr_from_sockaddr(int family, const void *sa, size_t size, struct net_addr *out);
/* Writes at most sizeof(struct sockaddr_storage) bytes to out; returns how many. */
size_t net_addr_to_sockaddr(const struct net_addr *a, void *out);

/* What IPv4 options say of their lengths is so (ip_options_compile()). */
bool ip_options_ok(const uint8_t *options, size_t size);
/*
 * One control message of sendmsg(2) into c.  0, also for levels that are not the netstack's;
 * -EINVAL for one that is malformed or unknown at its level.
 */
int ep_ctl_parse(struct ep_ctl *c, int family, int level, int type, const void *data, size_t size);
/* The control messages that recvmsg(2) gives with m, one call of put each. */
typedef void ep_ctl_put_fn(void *arg, int level, int type, const void *data, size_t size);
void ep_ctl_build(const struct ep_msg *m, ep_ctl_put_fn *put, void *arg);
