/* SPDX-License-Identifier: Apache-2.0 */
/* uaccess.c: copies between a system call and its task's memory.  See uaccess.h. */
#include "sentry/task/uaccess.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/overflow.h"
#include "platform/platform.h"
#include "sentry/task/task.h"

#define MAX_RW_COUNT 0x7ffff000ul /* include/linux/fs.h: INT_MAX & PAGE_MASK */

int uaccess_get(struct task *t, void *dst, uaddr_t src, size_t size)
{
	const struct uio_space *s = task_space(t);

	if (size == 0)
		return 0;
	return s->read(s, src.addr, dst, size) == (ssize_t)size ? 0 : -EFAULT;
}

int uaccess_put(struct task *t, uaddr_t dst, const void *src, size_t size)
{
	const struct uio_space *s = task_space(t);

	if (size == 0)
		return 0;
	return s->write(s, dst.addr, src, size) == (ssize_t)size ? 0 : -EFAULT;
}

int uaccess_zero(struct task *t, uaddr_t dst, size_t size)
{
	struct uio u;

	uaccess_uio(t, &u, dst, size);
	return uio_zero(&u, size) == (ssize_t)size ? 0 : -EFAULT;
}

/*
 * Strings are read in steps that end at page borders: what follows the NUL may be unmapped.
 */
ssize_t uaccess_get_string(struct task *t, char *dst, uaddr_t src, size_t max)
{
	const struct uio_space *s = task_space(t);
	size_t done = 0;

	while (done < max) {
		uint64_t addr = src.addr + done;
		size_t step = MIN(MIN(max - done, (size_t)256), PAGE_SIZE - (addr & (PAGE_SIZE - 1)));
		ssize_t n = s->read(s, addr, dst + done, step);
		const char *nul;

		if (n <= 0)
			return -EFAULT;
		nul = memchr(dst + done, '\0', (size_t)n);
		if (nul)
			return nul - dst;
		done += (size_t)n;
	}
	return -ENAMETOOLONG;
}

int uaccess_dup_string(struct task *t, uaddr_t src, size_t max, char **out)
{
	size_t capacity = MIN(max, (size_t)256);
	char *s = NULL;
	ssize_t n;

	for (;;) {
		char *bigger = mem_realloc(s, capacity, 1);

		if (!bigger) {
			mem_free(s);
			return -ENOMEM;
		}
		s = bigger;
		n = uaccess_get_string(t, s, src, capacity);
		if (n != -ENAMETOOLONG || capacity == max)
			break;
		capacity = MIN(max, capacity * 4);
	}
	if (n < 0) {
		mem_free(s);
		return (int)n;
	}
	*out = s;
	return 0;
}

int uaccess_get_struct(struct task *t, void *dst, size_t known, uaddr_t src, size_t size)
{
	uint8_t excess[64];
	int err;

	err = uaccess_get(t, dst, src, MIN(size, known));
	if (err)
		return err;
	if (size < known)
		memset((uint8_t *)dst + size, 0, known - size);
	for (size_t at = known; at < size; at += sizeof(excess)) {
		size_t step = MIN(sizeof(excess), size - at);

		err = uaccess_get(t, excess, uaddr_add(src, at), step);
		if (err)
			return err;
		for (size_t i = 0; i < step; i++)
			if (excess[i])
				return -E2BIG;
	}
	return 0;
}

int uaccess_iov_init(struct task *t, struct uaccess_iov *v, uaddr_t iov, uint64_t count)
{
	size_t total = 0;
	int err;

	if (count > IOV_MAX)
		return -EINVAL;
	v->segs = v->fast;
	if (count > ARRAY_SIZE(v->fast)) {
		v->segs = mem_calloc(count, sizeof(*v->segs));
		if (!v->segs)
			return -ENOMEM;
	}
	_Static_assert(sizeof(struct uio_seg) == sizeof(struct iovec), "read as the ABI has it");
	err = uaccess_get(t, v->segs, iov, count * sizeof(*v->segs));
	if (err)
		goto fini;
	for (size_t i = 0; i < count; i++) {
		if ((ssize_t)v->segs[i].size < 0) {
			err = -EINVAL;
			goto fini;
		}
		v->segs[i].size = MIN(v->segs[i].size, MAX_RW_COUNT - total);
		total += v->segs[i].size;
	}
	uio_init_segs(&v->uio, task_space(t), v->segs, count);
	return 0;

fini:
	uaccess_iov_fini(v);
	return err;
}

void uaccess_iov_fini(struct uaccess_iov *v)
{
	if (v->segs != v->fast)
		mem_free(v->segs);
}

void uaccess_uio(struct task *t, struct uio *u, uaddr_t addr, size_t size)
{
	uio_init_user(u, task_space(t), addr.addr, MIN(size, MAX_RW_COUNT));
}
