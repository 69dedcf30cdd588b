/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctl.c: /proc/sys: rows of variables (proc.h, struct sysctl) as files.
 *
 * Permission is by mode bits alone: the mode's owner part for uid 0 of the sandbox, no capability
 * helps.  So what is 0444 nobody can write, root included: those are the sandbox's, not the
 * container's, as with runc, where /proc/sys is mounted read-only.
 *
 * Linux: fs/proc/proc_sysctl.c (test_perm), kernel/sysctl.c (do_proc_dointvec, proc_dostring).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/proc/proc_impl.h"

static const struct sysctl *sysctl_of(const struct pfs_req *r)
{
	return r->i->entry->arg;
}

int proc_sysctl_permission(const struct pfs_req *r, unsigned int may)
{
	const struct cred *c = r->c->cred;
	uint32_t mode = r->i->inode.mode;

	if (c->euid == 0)
		mode >>= 6;
	else if (cred_in_egroup(c, 0))
		mode >>= 3;
	return may & ~mode & 7 ? -EACCES : 0;
}

/* ---- numbers ---------------------------------------------------------------------------------- */

void sysctl_show_longs(struct buf *b, const long *values, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		buf_printf(b, "%s%ld", i ? "\t" : "", values[i]);
	buf_putc(b, '\n');
}

int sysctl_parse_longs(char *text, long *values, unsigned int count, long min, long max)
{
	unsigned int n = 0;

	while (n < count) {
		char *end;
		long v;

		text += strspn(text, " \t\n");
		if (!*text)
			break;
		errno = 0;
		v = strtol(text, &end, 0);
		if (end == text || errno || !strchr(" \t\n", *end) || v < min || v > max)
			return -EINVAL;
		values[n++] = v;
		text = end;
	}
	return n ? (int)n : -EINVAL;
}

#define SYSCTL_COUNT_MAX 8

static long value_at(const struct sysctl *s, unsigned int i)
{
	if (s->type == SYSCTL_INT)
		return atomic_load_explicit((atomic_int *)s->value + i, memory_order_relaxed);
	return atomic_load_explicit((atomic_long *)s->value + i, memory_order_relaxed);
}

static void value_put(const struct sysctl *s, unsigned int i, long v)
{
	if (s->type == SYSCTL_INT)
		atomic_store_explicit((atomic_int *)s->value + i, (int)v, memory_order_relaxed);
	else
		atomic_store_explicit((atomic_long *)s->value + i, v, memory_order_relaxed);
}

static int sysctl_show(const struct pfs_req *r, struct buf *b)
{
	const struct sysctl *s = sysctl_of(r);
	long values[SYSCTL_COUNT_MAX];
	unsigned int count = s->count ? s->count : 1;

	if (s->get)
		return s->get(r, s, b);
	for (unsigned int i = 0; i < count; i++)
		values[i] = value_at(s, i);
	sysctl_show_longs(b, values, count);
	return 0;
}

static int sysctl_write(const struct pfs_req *r, char *text, size_t size)
{
	const struct sysctl *s = sysctl_of(r);
	long values[SYSCTL_COUNT_MAX], min = s->min, max = s->max;
	int n;

	if (s->set)
		return s->set(r, s, text, size);
	if (!s->value)
		return -EPERM;
	if (!min && !max) {
		min = s->type == SYSCTL_INT ? INT32_MIN : INT64_MIN;
		max = s->type == SYSCTL_INT ? INT32_MAX : INT64_MAX;
	}
	n = sysctl_parse_longs(text, values, s->count ? s->count : 1, min, max);
	for (int i = 0; i < n; i++)
		value_put(s, (unsigned int)i, values[i]);
	return MIN(n, 0);
}

/* ---- rows ------------------------------------------------------------------------------------- */

static struct pfs_node *sysctl_root(void)
{
	return pfs_node_find(&proc_root_node, "sys");
}

int proc_sysctl_add_one(const struct sysctl *s)
{
	struct pfs_entry e = {
		.mode = S_IFREG | s->mode,
		.show = sysctl_show,
		.write = s->mode & 0222 ? sysctl_write : NULL,
		.permission_only = proc_sysctl_permission,
		.arg = s,
	};

	ASSERT(s->count <= SYSCTL_COUNT_MAX);
	return pfs_node_add(sysctl_root(), s->path, &e);
}

struct pfs_node *proc_sysctl_add_dir(const char *path, const struct pfs_entry *e)
{
	return pfs_node_add(sysctl_root(), path, e) < 0 ? NULL : pfs_node_find(sysctl_root(), path);
}

int proc_sysctl_add(const struct sysctl *rows)
{
	int err = 0;

	for (const struct sysctl *s = rows; s->path && !err; s++)
		err = proc_sysctl_add_one(s);
	return err;
}

int proc_sysctl_init(void)
{
	struct pfs_entry dir = { .mode = S_IFDIR | 0555 };
	int err = proc_add("sys", &dir);

	if (!err)
		err = sysctl_kernel_init();
	if (!err)
		err = sysctl_net_init();
	return err;
}
