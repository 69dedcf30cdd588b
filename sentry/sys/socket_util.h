/* SPDX-License-Identifier: Apache-2.0 */
/* socket_util.h: what the socket calls of socket.c and socket_msg.c share. */
#pragma once

#include "lib/util.h"
#include "sentry/socket/socket.h"

struct task;

/* The socket of a descriptor; *f is referenced.  -EBADF, -ENOTSOCK. */
int socket_from_fd(struct task *t, int fd, struct file **f, struct socket **s) must_check;
/* An address of the application's.  -EINVAL: its size; -EFAULT. */
int sock_addr_get(struct task *t, uaddr_t src, int size, struct sock_addr *out) must_check;
/* Cut to what *dst_size says; *dst_size becomes the full size.  -EINVAL, -EFAULT. */
int sock_addr_put(struct task *t, const struct sock_addr *a, uaddr_t dst, uaddr_t dst_size) must_check;

/*
 * recvmsg(2) with the data at buf: io_uring's provided buffers.  The header at msg is read, not more than one buffer
 * of it counts.  framed: buf begins with a struct io_uring_recvmsg_out, then room for name and control data as the
 * header says; else these go where the header says.  The bytes of buf used, or -errno.
 */
long recvmsg_into(struct task *t, int fd, uaddr_t msg, uaddr_t buf, size_t size, unsigned int flags, bool framed);
