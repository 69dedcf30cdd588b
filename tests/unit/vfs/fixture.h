/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture.h: a namespace whose root is a fresh tmpfs, and short forms of calls in it.  On fibers
 * only.  fx_init() first, fx_fini() last.
 */
#pragma once

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "vfs/tmpfs/tmpfs.h"
#include "vfs/vfs.h"

struct fx {
	struct vfs_ctx c;
	struct cred *root;
	struct mnt_ns *ns;
	struct path root_path;
};

static inline void fx_init(struct fx *x)
{
	struct super *sb;

	memset(x, 0, sizeof(*x));
	assert_int_equal(vfs_init(), 0);
	assert_int_equal(tmpfs_init(), 0);
	x->root = cred_new_root();
	assert_non_null(x->root);
	x->c.cred = x->root;
	x->c.umask = 022;
	x->c.fsize_limit = UINT64_MAX;
	assert_int_equal(tmpfs_type.mount(&x->c, &tmpfs_type, "root", "mode=755", NULL, &sb), 0);
	assert_int_equal(mnt_ns_new(&x->c, sb, MS_RELATIME, &x->ns, &x->root_path), 0);
	super_put(sb);
	x->c.mnt_ns = x->ns;
	x->c.root = x->c.cwd = x->root_path;
}

static inline void fx_fini(struct fx *x)
{
	path_put(&x->root_path);
	mnt_ns_put(x->ns);
	cred_put(x->root);
}

/* Become uid (gid the same, no capabilities); the caller gives it to cred_put(). */
static inline struct cred *fx_user(struct fx *x, uint32_t uid)
{
	struct cred *u = cred_dup(x->root);

	assert_non_null(u);
	u->uid = u->euid = u->suid = u->fsuid = uid;
	u->gid = u->egid = u->sgid = u->fsgid = uid;
	u->permitted = u->effective = 0;
	x->c.cred = u;
	return u;
}

static inline void fx_root(struct fx *x, struct cred *u)
{
	x->c.cred = x->root;
	cred_put(u);
}

static inline int fx_open(struct fx *x, const char *name, int flags, struct file **f)
{
	struct open_how_args how = { .flags = flags, .mode = 0666 };

	return vfs_open(&x->c, NULL, name, &how, f);
}

/* open and close again. */
static inline int fx_try(struct fx *x, const char *name, int flags)
{
	struct file *f;
	int err = fx_open(x, name, flags, &f);

	if (err == 0)
		file_put(f);
	return err;
}

static inline int fx_touch(struct fx *x, const char *name)
{
	return fx_try(x, name, O_CREAT | O_WRONLY);
}

static inline ssize_t fx_write(struct fx *x, struct file *f, const char *s, size_t size)
{
	struct uio u;

	uio_init_kernel(&u, (char *)(uintptr_t)s, size);
	return file_write(&x->c, f, &u);
}

static inline ssize_t fx_pread(struct fx *x, struct file *f, char *s, size_t size, int64_t pos)
{
	struct uio u;

	uio_init_kernel(&u, s, size);
	return file_pread(&x->c, f, &u, &pos, 0);
}

static inline int fx_put(struct fx *x, const char *name, const char *text)
{
	struct file *f;
	int err = fx_open(x, name, O_CREAT | O_TRUNC | O_WRONLY, &f);

	if (err < 0)
		return err;
	assert_int_equal(fx_write(x, f, text, strlen(text)), strlen(text));
	file_put(f);
	return 0;
}

/* The content equals text. */
static inline void fx_expect(struct fx *x, const char *name, const char *text)
{
	char got[256] = "";
	struct file *f;
	ssize_t n;

	assert_int_equal(fx_open(x, name, O_RDONLY, &f), 0);
	n = fx_pread(x, f, got, sizeof(got) - 1, 0);
	assert_int_equal(n, strlen(text));
	assert_string_equal(got, text);
	file_put(f);
}

static inline int fx_stat(struct fx *x, const char *name, unsigned int flags, struct attr *a)
{
	struct path p;
	int err = vfs_walk(&x->c, NULL, name, flags, &p);

	if (err < 0)
		return err;
	err = vfs_getattr(&x->c, &p, STATX_BASIC_STATS, a);
	path_put(&p);
	return err;
}

static inline int fx_walk(struct fx *x, const char *name, unsigned int flags)
{
	struct attr a;

	return fx_stat(x, name, flags, &a);
}

/* All names of a directory, in readdir's order, each followed by a space. */
struct fx_names {
	struct dir_emit emit;
	char text[512];
	size_t max; /* entries per call */
	size_t count;
};

static inline bool fx_names_add(struct dir_emit *e, const char *name, size_t len, uint64_t ino,
				unsigned int type, int64_t next)
{
	struct fx_names *n = container_of(e, struct fx_names, emit);

	(void)ino;
	(void)type;
	(void)next;
	if (n->count == n->max)
		return false;
	n->count++;
	strncat(n->text, name, len);
	strcat(n->text, " ");
	return true;
}

static inline void fx_list(struct fx *x, const char *dir, struct fx_names *n, size_t max)
{
	struct file *f;

	memset(n, 0, sizeof(*n));
	n->emit.fn = fx_names_add;
	n->max = max;
	assert_int_equal(fx_open(x, dir, O_RDONLY | O_DIRECTORY, &f), 0);
	do {
		n->count = 0;
		assert_int_equal(file_readdir(&x->c, f, &n->emit), 0);
	} while (n->count > 0);
	file_put(f);
}
