/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simple_xattr.c: a short list of names and values.  Values are replaced as a whole; the latch keeps
 * readers from seeing one that is being freed.
 */
#include "vfs/simple_xattr.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

#define XATTR_CREATE_    1
#define XATTR_REPLACE_   2
#define XATTRS_BYTES_MAX (128 * 1024) /* of one inode: a bound on what applications can pin */

struct simple_xattr {
	struct list node;
	size_t size;
	char *name;    /* behind value */
	char value[];
};

void simple_xattrs_init(struct simple_xattrs *x)
{
	list_init(&x->list);
	latch_init(&x->latch);
	x->bytes = 0;
}

void simple_xattrs_fini(struct simple_xattrs *x)
{
	struct list *n;

	while ((n = list_shift(&x->list)))
		mem_free(list_entry(n, struct simple_xattr, node));
}

static struct simple_xattr *xattr_find(struct simple_xattrs *x, const char *name)
{
	struct simple_xattr *a;

	list_for_each_entry(a, &x->list, node)
		if (!strcmp(a->name, name))
			return a;
	return NULL;
}

ssize_t simple_xattr_get(struct simple_xattrs *x, const char *name, void *buf, size_t size)
{
	const struct simple_xattr *a;
	ssize_t n = -ENODATA;

	latch_lock(&x->latch);
	a = xattr_find(x, name);
	if (a) {
		n = (ssize_t)a->size;
		if (size > 0 && size < a->size)
			n = -ERANGE;
		else if (size > 0)
			memcpy(buf, a->value, a->size);
	}
	latch_unlock(&x->latch);
	return n;
}

static size_t xattr_bytes(const struct simple_xattr *a)
{
	return a->size + strlen(a->name) + 1;
}

int simple_xattr_set(struct simple_xattrs *x, const char *name, const void *value, size_t size,
		     int flags)
{
	struct simple_xattr *old, *a = mem_alloc(sizeof(*a) + size + strlen(name) + 1);
	int err = 0;

	if (!a)
		return -ENOMEM;
	a->size = size;
	a->name = a->value + size;
	memcpy(a->value, value, size);
	memcpy(a->name, name, strlen(name) + 1);
	list_init(&a->node);

	latch_lock(&x->latch);
	old = xattr_find(x, name);
	if (old && (flags & XATTR_CREATE_))
		err = -EEXIST;
	else if (!old && (flags & XATTR_REPLACE_))
		err = -ENODATA;
	else if (x->bytes - (old ? xattr_bytes(old) : 0) + xattr_bytes(a) > XATTRS_BYTES_MAX)
		err = -ENOSPC;
	if (err == 0) {
		x->bytes += xattr_bytes(a);
		if (old) {
			x->bytes -= xattr_bytes(old);
			list_remove(&old->node);
		}
		list_append(&x->list, &a->node);
	}
	latch_unlock(&x->latch);
	mem_free(err == 0 ? old : a);
	return err;
}

int simple_xattr_remove(struct simple_xattrs *x, const char *name)
{
	struct simple_xattr *old;

	latch_lock(&x->latch);
	old = xattr_find(x, name);
	if (old) {
		x->bytes -= xattr_bytes(old);
		list_remove(&old->node);
	}
	latch_unlock(&x->latch);
	if (!old)
		return -ENODATA;
	mem_free(old);
	return 0;
}

ssize_t simple_xattr_list(struct simple_xattrs *x, char *buf, size_t size)
{
	const struct simple_xattr *a;
	ssize_t total = 0;

	latch_lock(&x->latch);
	list_for_each_entry(a, &x->list, node) {
		size_t len = strlen(a->name) + 1;

		if (size > 0 && total >= 0) {
			if ((size_t)total + len > size) {
				total = -ERANGE;
				break;
			}
			memcpy(buf + total, a->name, len);
		}
		total += (ssize_t)len;
	}
	latch_unlock(&x->latch);
	return total;
}
