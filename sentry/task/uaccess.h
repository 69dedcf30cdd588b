/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uaccess.h: application memory as the current system call sees it (see plat_thread_space()).
 * Each byte is copied once into Sentry memory and checked there.  All give -EFAULT at a bad address.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/uio.h"
#include "lib/util.h"

struct task;

int uaccess_get(struct task *t, void *dst, uaddr_t src, size_t size) must_check;
int uaccess_put(struct task *t, uaddr_t dst, const void *src, size_t size) must_check;
int uaccess_zero(struct task *t, uaddr_t dst, size_t size) must_check;

/*
 * A NUL-terminated string into dst (max bytes, the NUL included).  Its length, or -EFAULT, or
 * -ENAMETOOLONG when there is no NUL within max.
 */
ssize_t uaccess_get_string(struct task *t, char *dst, uaddr_t src, size_t max) must_check;
/* The same into new memory (mem_free). */
int uaccess_dup_string(struct task *t, uaddr_t src, size_t max, char **out) must_check;
/* A path: at most PATH_LEN_MAX.  Empty strings are accepted; the walk judges them. */
#define UACCESS_PATH_MAX 4096
struct path_buf {
	char text[UACCESS_PATH_MAX];
};

/*
 * copy_struct_from_user: size bytes given by the application for a struct that is known bytes
 * long here.  Shorter: the rest is zero.  Longer: the excess must be zero, else -E2BIG.
 */
int uaccess_get_struct(struct task *t, void *dst, size_t known, uaddr_t src, size_t size) must_check;

/*
 * A uio over an iovec array of the application: count <= IOV_MAX (else -EINVAL), lengths checked
 * (-EINVAL when one or the sum exceeds SSIZE_MAX; as Linux, the sum is cut at MAX_RW_COUNT).
 */
struct uaccess_iov {
	struct uio uio;
	struct uio_seg *segs; /* fast, or heap */
	struct uio_seg fast[8];
};
int uaccess_iov_init(struct task *t, struct uaccess_iov *v, uaddr_t iov, uint64_t count) must_check;
void uaccess_iov_fini(struct uaccess_iov *v);
/* One buffer; size is cut at MAX_RW_COUNT (0x7ffff000). */
void uaccess_uio(struct task *t, struct uio *u, uaddr_t addr, size_t size);
