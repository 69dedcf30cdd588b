/* SPDX-License-Identifier: Apache-2.0 */
/* mqueue.h: POSIX message queues (mq_overview(7)) and their file system. */
#pragma once

#include <mqueue.h>
#include <stdatomic.h>
#include <stdint.h>

#include "lib/uio.h"

struct file;
struct ipc_ns;
struct super;
struct task;

/* The limits of a namespace: /proc/sys/fs/mqueue. */
struct mqueue_limits {
	atomic_int queues_max, msg_max, msgsize_max, msg_default, msgsize_default;
};

/* Register "mqueue"; after vfs_init(). */
void mqueue_module_init(void);
/* A namespace's queues: its file system, with a reference and a pin; NULL: no memory. */
struct super *mqueue_super_new(void) must_check;
/* The namespace ends: mounts may live on, and find no more room for queues. */
void mqueue_super_put(struct super *sb);
struct mqueue_limits *mqueue_limits(struct super *sb);

/* attr may be NULL: the defaults.  -errno, or 0 and an open file. */
int mqueue_open(struct task *t, const char *name, int flags, uint32_t mode, const struct mq_attr *attr,
		struct file **out);
int mqueue_unlink(struct task *t, const char *name);
/* text: size bytes, mem_alloc()ed, consumed.  deadline_ns is of CLOCK_REALTIME; INT64_MAX: none. */
long mqueue_send(struct task *t, struct file *f, char *text, size_t size, unsigned int priority,
		 int64_t deadline_ns);
/* On success *text (mem_free) and *priority are set. */
long mqueue_receive(struct task *t, struct file *f, size_t size, char **text, unsigned int *priority,
		    int64_t deadline_ns);
bool file_is_mqueue(const struct file *f);
size_t mqueue_msgsize(const struct file *f);
void mqueue_get_attr(struct file *f, struct mq_attr *out);
/*
 * event: sigevent(7), or NULL: take back.  SIGEV_THREAD: sock is a netlink socket that is sent cookie,
 * whose last byte then says why (the C library has a thread that waits there).
 */
#define MQ_COOKIE_SIZE 32
int mqueue_notify(struct task *t, struct file *f, const struct sigevent *event, struct file *sock,
		  const char cookie[static MQ_COOKIE_SIZE]);
