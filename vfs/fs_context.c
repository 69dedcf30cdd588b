/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_context.c: file system contexts: fsopen(2), fspick(2), fsconfig(2), fsmount(2).
 *
 *     fsopen ─▶ PARAMS ─ CREATE ─▶ AWAIT_MOUNT ─ fsmount ─▶ AWAIT_RECONF ─ fsconfig ─▶ RECONF_PARAMS
 *                  └─ failed ─▶ FAILED             fspick ─▶ RECONF_PARAMS ─ RECONFIGURE ─▶ AWAIT_RECONF
 *
 * Parameters are gathered into the option string that mount(2) would be given; file systems that can
 * say so refuse a bad one at once (fs_type's check_options).  Values with commas can't be told apart
 * and are refused, as Linux does for file systems without parameter tables.  There is no message log:
 * reading gives ENODATA, as when Linux has nothing to say.
 *
 * Lock: fc->lock (LOCK_FILE), over the making of the super.  Linux: fs/fsopen.c, fs/fs_context.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/mem.h"
#include "vfs/file.h"
#include "vfs/mount_api.h"
#include "vfs/mount_impl.h"
#include "vfs/user_ns.h"

#define OPTIONS_MAX 4096

#ifndef FSCONFIG_CMD_CREATE_EXCL
#define FSCONFIG_CMD_CREATE_EXCL 8
#endif

enum phase { PARAMS, AWAIT_MOUNT, AWAIT_RECONF, RECONF_PARAMS, FAILED };

/* (l) lock */
struct fs_context {
	struct mutex lock;
	enum phase phase;          /* (l) */
	const struct fs_type *type;
	struct super *sb;          /* (l) pinned; NULL: not made yet */
	char *source;              /* (l) owned */
	char *options;             /* (l) owned; NULL: none */
	bool set_rdonly, rdonly;   /* (l) "ro" or "rw" was said */
};

static struct fs_context *context_of(const struct file *f)
{
	return file_priv(f);
}

/* Ready for another round of parameters. */
static void context_clean(struct fs_context *fc)
{
	mem_free(fc->source);
	mem_free(fc->options);
	fc->source = fc->options = NULL;
	fc->set_rdonly = fc->rdonly = false;
}

static void context_free(struct fs_context *fc)
{
	context_clean(fc);
	if (fc->sb)
		super_unpin(fc->sb);
	mem_free(fc);
}

static void context_release(struct file *f)
{
	context_free(context_of(f));
}

static ssize_t context_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	(void)c, (void)f, (void)dst, (void)pos, (void)rwf;
	return -ENODATA;
}

static const struct file_ops context_fops = { .read = context_read, .release = context_release };

bool file_is_fs_context(const struct file *f)
{
	return f->ops == &context_fops;
}

static int context_new(struct vfs_ctx *c, const struct fs_type *type, struct super *sb,
		       struct file **out)
{
	struct fs_context *fc = mem_new(struct fs_context);
	int err;

	if (!fc)
		return -ENOMEM;
	mutex_init(&fc->lock, LOCK_FILE);
	fc->type = type;
	fc->phase = sb ? RECONF_PARAMS : PARAMS;
	if (sb)
		super_pin(sb);
	fc->sb = sb;
	err = file_new_anon("fscontext", &context_fops, fc, O_RDWR,
			    FILE_READ | FILE_WRITE | FILE_STREAM | FILE_NOSPLICE, c->cred, out);
	if (err < 0)
		context_free(fc);
	return err;
}

int fs_context_open(struct vfs_ctx *c, const char *name, struct file **out)
{
	const struct fs_type *t = fs_type_find(name);

	return t ? context_new(c, t, NULL, out) : -ENODEV;
}

int fs_context_pick(struct vfs_ctx *c, const struct path *p, struct file **out)
{
	if (p->mnt->root != p->dentry)
		return -EINVAL;
	return context_new(c, p->mnt->sb->type, p->mnt->sb, out);
}

/* ---- parameters ------------------------------------------------------------------------------- */

/* The flags that every file system has (vfs_parse_sb_flag()).  True: key is one. */
static bool set_common_flag(struct fs_context *fc, const char *key)
{
	static const char *const ignored[] = { "sync", "async", "dirsync", "lazytime", "nolazytime",
					       "mand", "nomand" };

	if (!strcmp(key, "ro") || !strcmp(key, "rw")) {
		fc->set_rdonly = true;
		fc->rdonly = key[1] == 'o';
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		if (!strcmp(key, ignored[i]))
			return true;
	return false;
}

static int append_option(struct fs_context *fc, const char *key, const char *value)
{
	size_t had = fc->options ? strlen(fc->options) : 0;
	size_t size = had + 1 + strlen(key) + 1 + (value ? strlen(value) : 0) + 1;
	char *next;

	if (strchr(key, ',') || strchr(key, '=') || (value && strchr(value, ',')) || size > OPTIONS_MAX)
		return -EINVAL;
	next = mem_alloc(size);
	if (!next)
		return -ENOMEM;
	snprintf(next, size, "%s%s%s%s%s", had ? fc->options : "", had ? "," : "", key,
		 value ? "=" : "", value ? value : "");
	mem_free(fc->options);
	fc->options = next;
	return 0;
}

static int set_locked(struct fs_context *fc, const char *key, const char *value)
{
	char one[600];

	if (fc->phase == AWAIT_RECONF)
		fc->phase = RECONF_PARAMS;
	if (fc->phase != PARAMS && fc->phase != RECONF_PARAMS)
		return -EBUSY;
	if (!*key)
		return -EINVAL;
	if (set_common_flag(fc, key))
		return 0;
	if (!strcmp(key, "source")) {
		if (!value || fc->source)
			return -EINVAL;
		fc->source = mem_strdup(value);
		return fc->source ? 0 : -ENOMEM;
	}
	if (fc->type->check_options) {
		snprintf(one, sizeof(one), "%s%s%s", key, value ? "=" : "", value ? value : "");
		if (fc->type->check_options(one) < 0)
			return -EINVAL;
	}
	return append_option(fc, key, value);
}

int fs_context_set(struct file *f, const char *key, const char *value)
{
	struct fs_context *fc = context_of(f);
	int err;

	mutex_lock(&fc->lock);
	err = set_locked(fc, key, value);
	mutex_unlock(&fc->lock);
	return err;
}

/* ---- commands --------------------------------------------------------------------------------- */

static int create_locked(struct vfs_ctx *c, struct fs_context *fc, bool exclusive)
{
	struct super *sb;
	int err;

	if (fc->phase != PARAMS)
		return -EBUSY;
	if (!may_mount_type(c, fc->type))
		return -EPERM;
	err = vfs_super_make(c, fc->type, fc->source, fc->options, NULL, &sb);
	if (err == 0 && exclusive && atomic_load(&sb->mounts) > 0) {
		super_put(sb);
		err = -EBUSY;
	}
	if (err < 0) {
		fc->phase = FAILED;
		return err;
	}
	/* One that is mounted elsewhere too (sysfs) keeps its own mind. */
	if (fc->rdonly && atomic_load(&sb->mounts) == 0)
		atomic_fetch_or(&sb->flags, SUPER_RDONLY);
	super_pin(sb);
	super_put(sb); /* the pin holds it */
	fc->sb = sb;
	fc->phase = AWAIT_MOUNT;
	return 0;
}

static int reconfigure_locked(struct vfs_ctx *c, struct fs_context *fc)
{
	int err;

	if (fc->phase == AWAIT_RECONF)
		fc->phase = RECONF_PARAMS;
	if (fc->phase != RECONF_PARAMS)
		return -EBUSY;
	if (!cred_capable_ns(c->cred, fc->sb->user_ns, CAP_SYS_ADMIN))
		return -EPERM;
	err = super_reconfigure(fc->sb, fc->options,
				fc->set_rdonly ? fc->rdonly : (fc->sb->flags & SUPER_RDONLY) != 0);
	context_clean(fc);
	fc->phase = err < 0 ? FAILED : AWAIT_RECONF;
	return err;
}

int fs_context_command(struct vfs_ctx *c, struct file *f, unsigned int cmd)
{
	struct fs_context *fc = context_of(f);
	int err;

	mutex_lock(&fc->lock);
	if (cmd == FSCONFIG_CMD_RECONFIGURE)
		err = reconfigure_locked(c, fc);
	else
		err = create_locked(c, fc, cmd == FSCONFIG_CMD_CREATE_EXCL);
	mutex_unlock(&fc->lock);
	return err;
}

/* ---- fsmount ---------------------------------------------------------------------------------- */

static int mount_locked(struct vfs_ctx *c, struct fs_context *fc, unsigned int attr,
			struct file **out)
{
	unsigned long flags = mount_flags_of_attr(attr), lock;
	struct mount *m;
	int err;

	if (!fc->sb)
		return -EINVAL;
	if (!may_reveal(c, fc->type, flags, &lock))
		return -EPERM;
	if (fc->phase != AWAIT_MOUNT)
		return -EBUSY;
	m = mount_new(fc->sb, fc->sb->root, flags, fc->source ? fc->source : NULL);
	if (!m)
		return -ENOMEM;
	m->locked_flags = lock;
	err = mount_detached_file(c, m, out); /* consumes m */
	if (err < 0)
		return err;
	context_clean(fc);
	fc->phase = AWAIT_RECONF;
	return 0;
}

int fs_context_mount(struct vfs_ctx *c, struct file *f, unsigned int attr, struct file **out)
{
	struct fs_context *fc = context_of(f);
	int err;

	mutex_lock(&fc->lock);
	err = mount_locked(c, fc, attr, out);
	mutex_unlock(&fc->lock);
	return err;
}
