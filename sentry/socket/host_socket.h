/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_socket.h: AF_INET and AF_INET6 sockets that are sockets of the host (--network=host), in a network namespace
 * with net_ns->host set.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/util.h"

struct buf;
struct net_link_config;
struct net_ns;
struct sock_msg;
struct socket;
struct vfs_ctx;

/* As socket_family.create: family is AF_INET or AF_INET6. */
int host_socket_create(struct vfs_ctx *c, struct net_ns *net, int family, int type, int protocol,
		       struct socket **out) must_check;

/* ---- host_options.c ---------------------------------------------------------------------------- */

/* As the slots of struct socket_ops, on the host's descriptor fd. */
int host_option_set(int fd, const struct socket *s, int level, int name, const void *value, size_t size);
int host_option_get(int fd, const struct socket *s, int level, int name, void *value, size_t *size);
/* socket_ops.option_refused: what the host would take a capability for. */
int host_option_refused(const struct socket *s, int name, int value);
/* A generic option of s has a new value: tell the host, and read back what it made of it. */
void host_option_changed(int fd, struct socket *s, int name);
/* What the host gave the socket's buffers, for s. */
void host_option_buffers(int fd, struct socket *s);
/*
 * The control messages of m that may go to the host, laid out in *out (owned by the caller, may be NULL).
 * The size, or a negative errno.
 */
ssize_t host_control_build(const struct socket *s, const struct sock_msg *m, void **out);

/* ---- host_view.c ------------------------------------------------------------------------------- */

/* An interface of the host's network namespace, for showing: packets that it is given are dropped. */
int host_view_link(struct net_ns *ns, const struct net_link_config *c, uint32_t *ifindex);
/* The text of a file of the host's own /proc: "self/net/tcp". */
int host_view_file(const char *path, struct buf *b);
