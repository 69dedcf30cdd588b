/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path_text.c: the name of a path, for getcwd(2), /proc and logs.
 *
 * The text is built from its end: names are collected going up, mount by mount, until the root that
 * was asked for, or the top.  A rename on the way is noticed by dcache_rename_seq() and the walk
 * starts again.
 *
 * Linux: fs/d_path.c.
 */
#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "vfs/mount_impl.h"

#define PATH_TEXT_MAX     (2 * PATH_LEN_MAX) /* built; the caller's limit is checked at the end */
#define PATH_TEXT_RETRIES 8

struct path_text {
	char *bytes;   /* PATH_TEXT_MAX of them, filled from the end */
	size_t start;
	bool reached;  /* ended at the root asked for */
	bool absolute; /* names have a slash in front (not "pipe:[1]") */
};

static int text_prepend(struct path_text *t, const char *s, size_t len)
{
	if (len > t->start)
		return -ENAMETOOLONG;
	t->start -= len;
	memcpy(t->bytes + t->start, s, len);
	return 0;
}

/* One step up from p (references swapped); *done at the end. */
static int text_step(struct path_text *t, const struct path *root, struct path *p, bool *done)
{
	char name[NAME_LEN_MAX + 1];
	struct dentry *parent;
	size_t len;
	int err;

	*done = true;
	if (root->mnt && path_equal(p, root)) {
		t->reached = true;
		return 0;
	}
	if (p->dentry == p->mnt->root) {
		*done = !mount_up(p);
		return 0;
	}
	len = dentry_snapshot(p->dentry, name, &parent);
	if (!parent) {
		/* A root without a mount: an anonymous file. */
		if (len == 1 && name[0] == '/')
			return 0;
		t->absolute = false;
		return text_prepend(t, name, len);
	}
	err = text_prepend(t, name, len);
	if (err == 0)
		err = text_prepend(t, "/", 1);
	dentry_put(p->dentry);
	p->dentry = parent;
	*done = false;
	return err;
}

static int text_build(struct path_text *t, const struct path *root, const struct path *from)
{
	struct path p = *from;
	bool done = false;
	int err = 0;

	t->start = PATH_TEXT_MAX;
	t->reached = false;
	t->absolute = true;
	path_get(&p);
	while (!done && err == 0)
		err = text_step(t, root, &p, &done);
	path_put(&p);
	if (err == 0 && t->absolute && t->start == PATH_TEXT_MAX)
		err = text_prepend(t, "/", 1);
	return err;
}

static int path_text(const struct path *root, const struct path *p, struct buf *b,
		     const char *unreachable)
{
	struct path_text t = { .bytes = mem_alloc(PATH_TEXT_MAX) };
	int err = 0;

	if (!t.bytes)
		return -ENOMEM;
	for (int i = 0; i < PATH_TEXT_RETRIES; i++) {
		unsigned int seq = dcache_rename_seq();

		err = text_build(&t, root, p);
		if (seq == dcache_rename_seq() && !(seq & 1))
			break;
	}
	if (err == 0) {
		if (!t.reached && t.absolute)
			buf_puts(b, unreachable);
		buf_put(b, t.bytes + t.start, PATH_TEXT_MAX - t.start);
		if (dentry_unlinked(p->dentry))
			buf_puts(b, " (deleted)");
		err = buf_error(b);
	}
	mem_free(t.bytes);
	return err;
}

int vfs_path_text(const struct path *root, const struct path *p, struct buf *b)
{
	return path_text(root, p, b, "(unreachable)");
}

int vfs_path_link_text(const struct path *root, const struct path *p, struct buf *b)
{
	return path_text(root, p, b, "");
}

int path_text_below(const struct path *root, const struct path *p, struct buf *b)
{
	struct path_text t = { .bytes = mem_alloc(PATH_TEXT_MAX) };
	int err;

	if (!t.bytes)
		return -ENOMEM;
	err = text_build(&t, root, p);
	if (err == 0 && !t.reached)
		err = -ENOENT;
	if (err == 0) {
		buf_put(b, t.bytes + t.start, PATH_TEXT_MAX - t.start);
		err = buf_error(b);
	}
	mem_free(t.bytes);
	return err;
}

int path_text_in_super(const struct path *top, const struct path *p, struct buf *b)
{
	/* A mount stops the climb at its root; here only dentries count. */
	struct path_text t = { .bytes = mem_alloc(PATH_TEXT_MAX), .start = PATH_TEXT_MAX };
	struct dentry *d = dentry_get(p->dentry);
	int err = 0;

	if (!t.bytes)
		err = -ENOMEM;
	while (err == 0 && d != top->dentry) {
		char name[NAME_LEN_MAX + 1];
		struct dentry *up;
		size_t len = dentry_snapshot(d, name, &up);

		if (!up)
			break;
		err = text_prepend(&t, name, len);
		if (err == 0)
			err = text_prepend(&t, "/", 1);
		dentry_put(d);
		d = up;
	}
	dentry_put(d);
	if (err == 0) {
		buf_put(b, t.bytes + t.start, PATH_TEXT_MAX - t.start);
		err = buf_error(b);
	}
	mem_free(t.bytes);
	return err;
}
