/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.h: epoll(7) instances. */
#pragma once

#include <stdint.h>
#include <sys/epoll.h>

#include "lib/uio.h"
#include "lib/util.h"

struct file;
struct vfs_ctx;

int epoll_new(struct vfs_ctx *c, struct file **out) must_check;

/*
 * epoll_ctl(2) on epf, which must be an epoll file (-EINVAL).  fd is the number under which target
 * was found: files are watched per (file, number).  ev is NULL for EPOLL_CTL_DEL.  -EEXIST,
 * -ENOENT, -ELOOP, -EPERM, -EINVAL, -ENOMEM.
 */
int epoll_control(struct file *epf, int op, int fd, struct file *target, const struct epoll_event *ev);

/*
 * epoll_wait(2): up to max events into dst as struct epoll_event.  deadline_ns: CLOCK_MONOTONIC, 0
 * only looks, INT64_MAX waits for ever.  Count, 0 at the deadline, -EINTR, -EFAULT, -EINVAL.
 */
int epoll_wait_events(struct vfs_ctx *c, struct file *epf, struct uio *dst, int max,
		      int64_t deadline_ns);

/*
 * The last reference to f has gone: forget it in every instance that watches it.  file_put() calls
 * this before the release slot, when f->epolls is not empty.  Takes LOCK_EPOLL.
 */
void epoll_forget_file(struct file *f);

/* Is it an epoll file? */
bool file_is_epoll(const struct file *f);
