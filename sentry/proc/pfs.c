/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pfs.c: inodes, directories and text files of file systems that are made up.  See pfs.h.
 *
 * An inode holds its pid, which keeps the struct alive but not the task: each operation looks the
 * task up again.  So an open file or a working directory in /proc/PID keeps no process around, and
 * a reused number is another struct pid: the old names are dropped by revalidation.
 *
 * Who owns a file about a task is computed at each permission check and stat (credentials change);
 * the inode's own uid and gid are only a copy from when it was made.
 *
 * Linux: fs/proc/base.c (proc_pid_make_inode, task_dump_owner), fs/proc/generic.c.
 */
#include "sentry/proc/pfs.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"
#include "sentry/task/task.h"
#include "vfs/poll.h"
#include "vfs/user_ns.h"

#define PFS_ROOT_INO 1
#define PFS_TEXT_MAX (64u << 20) /* no file is longer: a hostile process can't make us eat more */
#define PFS_KEPT_MAX (64u << 20) /* texts that open files keep, in all */
/* Directory positions: "." and "..", then the table's rows, then what dir->next gives. */
#define PFS_POS_TABLE 2
#define PFS_POS_NEXT  0x1000

static const struct inode_ops pfs_dir_inode_ops, pfs_file_inode_ops, pfs_link_inode_ops,
	pfs_magic_inode_ops;
static const struct file_ops pfs_dir_fops, pfs_text_fops, pfs_task_fops;

struct pfs_inode *pfs_inode_of(struct inode *i)
{
	return container_of(i, struct pfs_inode, inode);
}

/* ---- requests --------------------------------------------------------------------------------- */

/* The task that pid names, dead leaders of living processes and zombies included. */
static struct task *pfs_task_of(struct pid *pid)
{
	struct task *t;

	mutex_lock(&tasklist.lock);
	t = pid->task;
	if (!t && pid->process)
		t = pid->process->leader;
	if (t)
		task_get(t);
	mutex_unlock(&tasklist.lock);
	return t;
}

int pfs_req_init(struct pfs_req *r, struct vfs_ctx *c, struct inode *i)
{
	r->c = c;
	r->i = pfs_inode_of(i);
	r->reader = ctx_task(c);
	r->target = NULL;
	r->priv = NULL;
	r->opener = c->cred;
	if (r->i->pid) {
		r->target = pfs_task_of(r->i->pid);
		if (!r->target)
			return -ESRCH;
	}
	return 0;
}

void pfs_req_fini(struct pfs_req *r)
{
	task_put(r->target);
}

/* ---- attributes and permissions --------------------------------------------------------------- */

/*
 * The owner of a file about a task: its effective ids; of what is not readable by all, root's when
 * the task may not be dumped or has no memory any more.
 */
static void pfs_task_owner(struct task *t, uint32_t mode, uint32_t *uid, uint32_t *gid)
{
	const struct cred *cred = task_cred_get(t);
	struct mm *mm;

	*uid = cred->euid;
	*gid = cred->egid;
	cred_put(cred);
	if (mode == (S_IFDIR | 0555))
		return;
	mm = task_mm_get(t);
	if (!mm) {
		*uid = *gid = 0;
	} else if (mm->dumpable != 1) {
		*uid = user_ns_to_kernel(mm->user_ns, ID_UID, 0);
		*gid = user_ns_to_kernel(mm->user_ns, ID_GID, 0);
		if (*uid == ID_INVALID)
			*uid = 0;
		if (*gid == ID_INVALID)
			*gid = 0;
	}
	mm_put(mm);
}

static void pfs_owner(const struct pfs_req *r, uint32_t *uid, uint32_t *gid)
{
	*uid = r->i->inode.uid;
	*gid = r->i->inode.gid;
	if (r->target)
		pfs_task_owner(r->target, r->i->inode.mode, uid, gid);
}

static bool pfs_capable(struct vfs_ctx *c, uint32_t uid, uint32_t gid, int cap)
{
	const struct user_ns *ns = c->cred->user_ns;

	return user_ns_from_kernel(ns, ID_UID, uid) != ID_INVALID &&
	       user_ns_from_kernel(ns, ID_GID, gid) != ID_INVALID && cred_capable_ns(c->cred, ns, cap);
}

/* Mode bits and capabilities, as generic_permission() with the computed owner. */
int pfs_mode_permission(const struct pfs_req *r, unsigned int may)
{
	const struct cred *cred = r->c->cred;
	uint32_t mode = r->i->inode.mode, uid, gid;
	bool search_cap;

	pfs_owner(r, &uid, &gid);
	if (cred->fsuid == uid)
		mode >>= 6;
	else if (cred_in_fsgroup(cred, gid))
		mode >>= 3;
	if ((may & ~mode & 7) == 0)
		return 0;
	mode = r->i->inode.mode;
	if ((may & MAY_EXEC) && !S_ISDIR(mode) && !(mode & 0111))
		return -EACCES;
	search_cap = S_ISDIR(mode) ? !(may & MAY_WRITE) : may == MAY_READ;
	if (search_cap && pfs_capable(r->c, uid, gid, CAP_DAC_READ_SEARCH))
		return 0;
	return pfs_capable(r->c, uid, gid, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
}

static int pfs_permission(struct vfs_ctx *c, struct inode *i, unsigned int may)
{
	const struct pfs_entry *e = pfs_inode_of(i)->entry;
	struct pfs_req r;
	int err = pfs_req_init(&r, c, i);

	if (err)
		return err;
	if (e->permission_only) {
		err = e->permission_only(&r, may);
	} else {
		err = pfs_mode_permission(&r, may);
		if (!err && e->permission)
			err = e->permission(&r, may);
	}
	pfs_req_fini(&r);
	return err;
}

static int pfs_getattr(struct vfs_ctx *c, struct inode *i, uint32_t query, struct attr *out)
{
	const struct pfs_entry *e = pfs_inode_of(i)->entry;
	struct pfs_req r;
	int err = pfs_req_init(&r, c, i);

	(void)query;
	if (err)
		return err == -ESRCH ? -ENOENT : err;
	inode_fill_attr(i, out);
	pfs_owner(&r, &out->uid, &out->gid);
	if (e->attr)
		e->attr(&r, out);
	pfs_req_fini(&r);
	return 0;
}

static int pfs_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a)
{
	const struct pfs_entry *e = pfs_inode_of(i)->entry;
	struct setattr rest = *a;

	if (a->mask & (SETATTR_MODE | SETATTR_UID | SETATTR_GID)) {
		struct pfs_req r;
		int err = e->setattr ? pfs_req_init(&r, c, i) : -EPERM;

		if (err)
			return err;
		err = e->setattr(&r, a);
		pfs_req_fini(&r);
		if (err)
			return err;
	}
	rest.mask &= ~(uint32_t)SETATTR_SIZE; /* O_TRUNC: there is nothing to cut */
	inode_apply_setattr(i, &rest);
	return 0;
}

/* ---- inodes ----------------------------------------------------------------------------------- */

static uint64_t pfs_ino(const struct inode *dir, const char *name)
{
	/* 32 bits, for programs that were built with a 32-bit ino_t; never the root's. */
	return (hash_bytes(dir->ino, name, strlen(name)) & 0x7fffffff) | 0x80000000u;
}

/* Consumes pid.  NULL: no memory. */
static struct inode *pfs_inode_new(struct super *sb, const struct pfs_entry *e, struct pid *pid,
				   int64_t key, uint64_t ino)
{
	struct pfs_inode *i = mem_alloc(sizeof(*i));
	const struct inode_ops *ops = &pfs_file_inode_ops;

	if (!i) {
		pid_put(pid);
		return NULL;
	}
	if (S_ISDIR(e->mode))
		ops = &pfs_dir_inode_ops;
	else if (S_ISLNK(e->mode))
		ops = e->follow ? &pfs_magic_inode_ops : &pfs_link_inode_ops;
	inode_init(&i->inode, sb, ops, e->mode);
	i->inode.fops = S_ISDIR(e->mode) ? &pfs_dir_fops : e->fops ? e->fops
			: pid && !e->poll ? &pfs_task_fops : &pfs_text_fops;
	i->inode.ino = ino;
	i->inode.nlink = S_ISDIR(e->mode) ? 2 : 1;
	i->entry = e;
	i->pid = pid;
	i->key = key;
	list_init(&i->extra);
	if (e->made)
		e->made(i);
	return &i->inode;
}

static void pfs_inode_free(struct inode *i)
{
	struct pfs_inode *pi = pfs_inode_of(i);

	if (pi->entry->gone)
		pi->entry->gone(pi);
	pid_put(pi->pid);
	mem_free(pi);
}

/* ---- directories ------------------------------------------------------------------------------ */

static const struct pfs_entry *pfs_table_find(const struct pfs_req *r, const struct pfs_dir *dir,
					      const char *name)
{
	for (const struct pfs_entry *e = dir->entries; e && e->name; e++)
		if (!strcmp(e->name, name) && (!dir->filter || dir->filter(r, e)))
			return e;
	return NULL;
}

static int pfs_lookup(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	const struct pfs_dir *ops = pfs_inode_of(dir)->entry->dir;
	const char *name = dentry_name(d);
	struct pfs_child child = { .key = pfs_inode_of(dir)->key };
	struct pfs_req r;
	struct inode *i;
	int err = pfs_req_init(&r, c, dir);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	child.entry = pfs_table_find(&r, ops, name);
	if (!child.entry)
		err = ops->lookup ? ops->lookup(&r, name, &child) : -ENOENT;
	if (!err) {
		if (!child.pid && r.i->pid)
			child.pid = pid_get(r.i->pid);
		i = pfs_inode_new(dir->sb, child.entry, child.pid, child.key, pfs_ino(dir, name));
		if (i)
			dentry_set_inode(d, i);
		else
			err = -ENOMEM;
	}
	pfs_req_fini(&r);
	return err == -ENOENT ? 0 : err; /* stays negative */
}

static int pfs_mkdir(struct vfs_ctx *c, struct inode *dir, struct dentry *d, const struct inode_attr_new *a)
{
	const struct pfs_dir *ops = pfs_inode_of(dir)->entry->dir;
	struct pfs_req r;
	int err;

	if (!ops->mkdir)
		return -EPERM;
	err = pfs_req_init(&r, c, dir);
	if (err)
		return err == -ESRCH ? -ENOENT : err;
	err = ops->mkdir(&r, dentry_name(d), a);
	pfs_req_fini(&r);
	return err ? err : pfs_lookup(c, dir, d);
}

static int pfs_rmdir(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	const struct pfs_dir *ops = pfs_inode_of(dir)->entry->dir;
	struct pfs_req r;
	int err;

	if (!ops->rmdir)
		return -EPERM;
	err = pfs_req_init(&r, c, dir);
	if (err)
		return err == -ESRCH ? -ENOENT : err;
	err = ops->rmdir(&r, pfs_inode_of(dentry_inode(d)));
	pfs_req_fini(&r);
	return err;
}

static int pfs_revalidate(struct vfs_ctx *c, struct dentry *d)
{
	struct inode *i = dentry_inode(d);
	const struct pfs_entry *e;
	struct pfs_req r;
	int ok = 1;

	if (!i)
		return 0;
	e = pfs_inode_of(i)->entry;
	if (!pfs_inode_of(i)->pid && !e->alive)
		return 1;
	if (pfs_req_init(&r, c, i))
		return 0;
	if (e->alive)
		ok = e->alive(&r);
	pfs_req_fini(&r);
	return ok;
}

static unsigned int pfs_dtype(const struct pfs_entry *e)
{
	return (e->mode & S_IFMT) >> 12;
}

static bool pfs_emit(struct file *f, struct dir_emit *e, const char *name,
		     const struct pfs_entry *entry, int64_t next)
{
	if (!dir_emit(e, name, strlen(name), pfs_ino(f->inode, name), pfs_dtype(entry), next))
		return false;
	f->pos = next;
	return true;
}

static bool pfs_emit_dots(struct file *f, struct dir_emit *e)
{
	if (f->pos == 0) {
		if (!dir_emit(e, ".", 1, f->inode->ino, S_IFDIR >> 12, 1))
			return false;
		f->pos = 1;
	}
	if (f->pos == 1) {
		struct dentry *up = dentry_parent(f->path.dentry);
		bool ok = dir_emit(e, "..", 2, dentry_inode(up)->ino, S_IFDIR >> 12, PFS_POS_TABLE);

		dentry_put(up);
		if (!ok)
			return false;
		f->pos = PFS_POS_TABLE;
	}
	return true;
}

static bool pfs_emit_table(const struct pfs_req *r, struct file *f, struct dir_emit *e)
{
	const struct pfs_dir *dir = r->i->entry->dir;
	int64_t pos = PFS_POS_TABLE;

	for (const struct pfs_entry *row = dir->entries; row && row->name; row++, pos++) {
		if (pos < f->pos || (dir->filter && !dir->filter(r, row)))
			continue;
		if (!pfs_emit(f, e, row->name, row, pos + 1))
			return false;
	}
	return true;
}

static int pfs_emit_next(const struct pfs_req *r, struct file *f, struct dir_emit *e)
{
	const struct pfs_dir *dir = r->i->entry->dir;

	if (f->pos < PFS_POS_NEXT)
		f->pos = PFS_POS_NEXT;
	for (;;) {
		struct pfs_child child = { .entry = NULL };
		int n = dir->next(r, f->pos - PFS_POS_NEXT, &child);
		bool ok;

		if (n <= 0)
			return n;
		ok = pfs_emit(f, e, child.name[0] ? child.name : child.entry->name, child.entry,
			      PFS_POS_NEXT + child.cookie + 1);
		pid_put(child.pid);
		if (!ok)
			return 0;
	}
}

static int pfs_readdir(struct vfs_ctx *c, struct file *f, struct dir_emit *e)
{
	struct pfs_req r;
	int err = pfs_req_init(&r, c, f->inode);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	if (f->pos < 0)
		err = -EINVAL;
	else if (pfs_emit_dots(f, e) && (f->pos >= PFS_POS_NEXT || pfs_emit_table(&r, f, e)) &&
		 r.i->entry->dir->next)
		err = pfs_emit_next(&r, f, e);
	pfs_req_fini(&r);
	return err;
}

/* Directory positions are cookies: only going back to the start, or to where one was, makes sense. */
static int64_t pfs_dir_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	(void)c;
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return off < 0 ? -EINVAL : off;
}

/* ---- links ------------------------------------------------------------------------------------ */

static int pfs_readlink(struct vfs_ctx *c, struct inode *i, char **out)
{
	const struct pfs_entry *e = pfs_inode_of(i)->entry;
	struct buf b = BUF_INIT;
	struct pfs_req r;
	int err = pfs_req_init(&r, c, i);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	err = e->readlink ? e->readlink(&r, &b) : -EINVAL;
	pfs_req_fini(&r);
	if (!err)
		err = buf_error(&b);
	if (err) {
		buf_fini(&b);
		return err;
	}
	*out = buf_take(&b);
	return *out ? 0 : -ENOMEM;
}

static int pfs_follow(struct vfs_ctx *c, struct inode *i, struct path *out)
{
	struct pfs_req r;
	int err = pfs_req_init(&r, c, i);

	if (err)
		return err == -ESRCH ? -ENOENT : err;
	err = pfs_inode_of(i)->entry->follow(&r, out);
	pfs_req_fini(&r);
	return err;
}

/* ---- text files ------------------------------------------------------------------------------- */

/*
 * A text is kept by its open file for the reads that follow, within PFS_KEPT_MAX for all files; what
 * is not kept is made again by each read: slower, and not one moment's picture, but an application
 * can't fill the Sentry's memory by opening files.  At the end of the file it is let go.
 */
static atomic_size_t pfs_kept;

struct pfs_text {
	struct ref ref;
	bool kept; /* counted in pfs_kept */
	size_t size;
	char *data; /* owned */
};

struct pfs_open {
	struct latch latch;
	struct pfs_text *text; /* (latch) counted; NULL: not read yet */
	void *priv;            /* (c) entry->open's */
};

static void pfs_text_put(struct pfs_text *t)
{
	if (!t || !ref_put(&t->ref))
		return;
	if (t->kept)
		atomic_fetch_sub_explicit(&pfs_kept, t->size, memory_order_relaxed);
	mem_free(t->data);
	mem_free(t);
}

/* May t be kept?  Then it is counted until it is freed. */
static bool pfs_text_keep(struct pfs_text *t)
{
	size_t before = atomic_fetch_add_explicit(&pfs_kept, t->size, memory_order_relaxed);

	t->kept = before + t->size <= PFS_KEPT_MAX;
	if (!t->kept)
		atomic_fetch_sub_explicit(&pfs_kept, t->size, memory_order_relaxed);
	return t->kept;
}

/* Put t (may be NULL; consumed) in the place of what o keeps. */
static void pfs_open_keep(struct pfs_open *o, struct pfs_text *t)
{
	struct pfs_text *old;

	latch_lock(&o->latch);
	old = o->text;
	o->text = t;
	latch_unlock(&o->latch);
	pfs_text_put(old);
}

void *pfs_file_priv(struct file *f)
{
	struct pfs_open *o = file_priv(f);

	return o->priv;
}

static int pfs_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	const struct pfs_entry *e = pfs_inode_of(i)->entry;
	struct pfs_open *o;
	struct pfs_req r;
	int err;

	if (S_ISDIR(i->mode))
		return 0;
	/* What can't be written has no business being open for it, whatever root may do. */
	if ((f->kind & FILE_WRITE) && !e->fops && !e->write && !(i->mode & 0222))
		return -EACCES;
	o = mem_new(struct pfs_open);
	if (!o)
		return -ENOMEM;
	latch_init(&o->latch);
	err = pfs_req_init(&r, c, i);
	if (!err) {
		if (e->open)
			err = e->open(&r, f, &o->priv);
		pfs_req_fini(&r);
	}
	if (err) {
		mem_free(o);
		return err;
	}
	f->priv = o;
	return 0;
}

void pfs_file_release(struct file *f)
{
	const struct pfs_entry *e = pfs_inode_of(f->inode)->entry;
	struct pfs_open *o = file_priv(f);

	if (e->release && o->priv)
		e->release(o->priv);
	pfs_text_put(o->text);
	mem_free(o);
}

static int pfs_text_make(struct vfs_ctx *c, struct file *f, struct pfs_text **out)
{
	const struct pfs_entry *e = pfs_inode_of(f->inode)->entry;
	struct buf b = BUF_INIT;
	struct pfs_text *t;
	struct pfs_req r;
	int err;

	if (!e->show)
		return -EINVAL;
	err = pfs_req_init(&r, c, f->inode);
	if (err)
		return err;
	r.priv = pfs_file_priv(f);
	r.opener = f->cred;
	err = e->show(&r, &b);
	pfs_req_fini(&r);
	if (!err)
		err = buf_error(&b);
	if (!err && b.size > PFS_TEXT_MAX)
		err = -EFBIG;
	t = err ? NULL : mem_new(struct pfs_text);
	if (!t) {
		buf_fini(&b);
		return err ? err : -ENOMEM;
	}
	ref_init(&t->ref);
	t->size = b.size;
	t->data = buf_take(&b);
	if (!t->data) {
		mem_free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

/* The text to read from at pos, with a reference: a new one at the start. */
static int pfs_text_get(struct vfs_ctx *c, struct file *f, int64_t pos, struct pfs_text **out)
{
	struct pfs_open *o = file_priv(f);
	struct pfs_text *t = NULL;
	int err;

	if (pos > 0) {
		latch_lock(&o->latch);
		t = o->text;
		if (t)
			ref_get(&t->ref);
		latch_unlock(&o->latch);
	}
	if (!t) {
		err = pfs_text_make(c, f, &t);
		if (err)
			return err;
		if (pfs_text_keep(t)) {
			ref_get(&t->ref); /* the file's */
			pfs_open_keep(o, t);
		}
	}
	*out = t;
	return 0;
}

static ssize_t pfs_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct pfs_text *t;
	ssize_t n = 0;
	int err;

	(void)rwf;
	if (*pos < 0)
		return -EINVAL;
	err = pfs_text_get(c, f, *pos, &t);
	if (err)
		return err;
	if ((uint64_t)*pos < t->size)
		n = uio_put(dst, t->data + *pos, MIN(t->size - (size_t)*pos, uio_left(dst)));
	else if (*pos > 0)
		pfs_open_keep(file_priv(f), NULL);
	if (n > 0)
		*pos += n;
	pfs_text_put(t);
	return n;
}

static ssize_t pfs_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	const struct pfs_entry *e = pfs_inode_of(f->inode)->entry;
	size_t total = uio_left(src), size, max = PAGE_SIZE - 1;
	struct pfs_req r;
	char *text;
	ssize_t n;
	int err;

	(void)rwf;
	if (!e->write)
		return -EIO;
	if (e->write_max)
		max = (size_t)(e->write_max < 0 ? -e->write_max : e->write_max);
	if (e->write_max < 0 && (total > max || *pos != 0))
		return -EINVAL;
	size = MIN(total, max);
	text = mem_alloc(size + 1);
	if (!text)
		return -ENOMEM;
	n = uio_get(src, text, size);
	if (n < 0 || (size_t)n < size) {
		mem_free(text);
		return -EFAULT;
	}
	text[size] = '\0';
	err = pfs_req_init(&r, c, f->inode);
	if (!err) {
		r.priv = pfs_file_priv(f);
		r.opener = f->cred;
		err = e->write(&r, text, size);
		pfs_req_fini(&r);
	}
	mem_free(text);
	if (err < 0)
		return err;
	uio_advance(src, total - size);
	*pos += (int64_t)total;
	return (ssize_t)total;
}

static uint32_t pfs_poll(struct file *f, struct poller *p)
{
	const struct pfs_entry *e = pfs_inode_of(f->inode)->entry;

	if (e->poll)
		return e->poll(pfs_file_priv(f), p);
	return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

/* ---- tables ----------------------------------------------------------------------------------- */

static const struct inode_ops pfs_dir_inode_ops = {
	.lookup = pfs_lookup,
	.mkdir = pfs_mkdir,
	.rmdir = pfs_rmdir,
	.revalidate = pfs_revalidate,
	.permission = pfs_permission,
	.getattr = pfs_getattr,
	.setattr = pfs_setattr,
	.open = pfs_open,
};

static const struct inode_ops pfs_file_inode_ops = {
	.permission = pfs_permission,
	.getattr = pfs_getattr,
	.setattr = pfs_setattr,
	.open = pfs_open,
};

static const struct inode_ops pfs_link_inode_ops = {
	.readlink = pfs_readlink,
	.permission = pfs_permission,
	.getattr = pfs_getattr,
	.setattr = pfs_setattr,
};

static const struct inode_ops pfs_magic_inode_ops = {
	.readlink = pfs_readlink,
	.follow = pfs_follow,
	.permission = pfs_permission,
	.getattr = pfs_getattr,
	.setattr = pfs_setattr,
};

static const struct file_ops pfs_dir_fops = {
	.readdir = pfs_readdir,
	.llseek = pfs_dir_llseek,
};

static const struct file_ops pfs_text_fops = {
	.read = pfs_read,
	.write = pfs_write,
	.poll = pfs_poll,
	.release = pfs_file_release,
};

struct pid *pfs_dir_pid(const struct file *f, const struct pfs_entry *e)
{
	struct pfs_inode *i;

	if (f->inode->ops != &pfs_dir_inode_ops)
		return NULL;
	i = pfs_inode_of(f->inode);
	return i->entry == e && i->pid ? pid_get(i->pid) : NULL;
}

/* Of tasks: no poll slot, so epoll refuses them, as on Linux. */
static long pfs_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	const struct pfs_entry *e = pfs_inode_of(f->inode)->entry;

	return e->ioctl ? e->ioctl(c, f, cmd, arg) : -ENOTTY;
}

static const struct file_ops pfs_task_fops = {
	.read = pfs_read,
	.write = pfs_write,
	.ioctl = pfs_ioctl,
	.release = pfs_file_release,
};

/* ---- supers ----------------------------------------------------------------------------------- */

static void pfs_super_drop(struct pfs_super *s)
{
	if (s->free)
		s->free(s);
	else
		mem_free(s);
}

static void pfs_super_free(struct super *sb)
{
	pfs_super_drop(sb->priv);
}

static int pfs_statfs(struct super *sb, struct statfs_info *out)
{
	struct pfs_super *s = sb->priv;

	memset(out, 0, sizeof(*out));
	out->type = s->magic;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_LEN_MAX;
	return 0;
}

static void pfs_show_options(struct super *sb, struct buf *b)
{
	struct pfs_super *s = sb->priv;

	if (s->show_options)
		s->show_options(s, b);
}

static int pfs_reconfigure(struct super *sb, const char *data)
{
	struct pfs_super *s = sb->priv;

	if (s->reconfigure)
		return s->reconfigure(s, data ? data : "");
	return data && *data ? -EINVAL : 0;
}

static const struct super_ops pfs_super_ops = {
	.free = pfs_super_free,
	.statfs = pfs_statfs,
	.inode_free = pfs_inode_free,
	.show_options = pfs_show_options,
	.reconfigure = pfs_reconfigure,
};

int pfs_super_new(const struct fs_type *t, struct pfs_super *s, const struct pfs_entry *root,
		  struct super **out)
{
	struct super *sb = super_new(t, &pfs_super_ops, s);
	struct inode *i;

	if (!sb) {
		pfs_super_drop(s);
		return -ENOMEM;
	}
	sb->flags = SUPER_REVALIDATE | SUPER_NOCACHE_NEG | SUPER_NOATIME;
	i = pfs_inode_new(sb, root, NULL, 0, PFS_ROOT_INO);
	sb->root = i ? dentry_new_root(sb, i) : NULL;
	if (!sb->root) {
		super_put(sb); /* frees s */
		return -ENOMEM;
	}
	*out = sb;
	return 0;
}

/* ---- registered rows -------------------------------------------------------------------------- */

static struct latch pfs_nodes_latch = LATCH_INIT;

static struct pfs_node *pfs_node_peek_locked(struct pfs_node *dir, const char *name, size_t len)
{
	struct pfs_node *n;

	list_for_each_entry(n, &dir->children, sibling)
		if (strlen(n->entry.name) == len && !memcmp(n->entry.name, name, len))
			return n;
	return NULL;
}

static struct pfs_node *pfs_node_new(const char *name, size_t len)
{
	struct pfs_node *n = mem_new(struct pfs_node);

	if (!n)
		return NULL;
	n->entry.name = mem_strndup(name, len);
	if (!n->entry.name) {
		mem_free(n);
		return NULL;
	}
	n->entry.mode = S_IFDIR | 0555;
	n->entry.dir = &pfs_node_dir;
	list_init(&n->children);
	list_init(&n->sibling);
	return n;
}

/* dir's child of that name, made if need be. */
static struct pfs_node *pfs_node_child(struct pfs_node *dir, const char *name, size_t len)
{
	struct pfs_node *fresh = pfs_node_new(name, len), *n;

	if (!fresh)
		return NULL;
	latch_lock(&pfs_nodes_latch);
	n = pfs_node_peek_locked(dir, name, len);
	if (!n) {
		n = fresh;
		fresh = NULL;
		n->index = list_empty(&dir->children)
				   ? 1
				   : list_entry(dir->children.prev, struct pfs_node, sibling)->index + 1;
		list_append(&dir->children, &n->sibling);
	}
	latch_unlock(&pfs_nodes_latch);
	if (fresh) {
		mem_free((void *)(uintptr_t)fresh->entry.name);
		mem_free(fresh);
	}
	return n;
}

int pfs_node_add(struct pfs_node *root, const char *path, const struct pfs_entry *e)
{
	struct pfs_node *n = root;
	const char *name;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (n->entry.dir != &pfs_node_dir)
			return -ENOTDIR;
		n = pfs_node_child(n, path, len);
		if (!n)
			return -ENOMEM;
		path += len;
		path += strspn(path, "/");
	}
	name = n->entry.name;
	latch_lock(&pfs_nodes_latch);
	n->entry = *e;
	n->entry.name = name;
	if (S_ISDIR(n->entry.mode) && !n->entry.dir)
		n->entry.dir = &pfs_node_dir;
	latch_unlock(&pfs_nodes_latch);
	return 0;
}

struct pfs_node *pfs_node_find(struct pfs_node *root, const char *path)
{
	struct pfs_node *n = root;

	latch_lock(&pfs_nodes_latch);
	while (n && *path) {
		size_t len = strcspn(path, "/");

		n = pfs_node_peek_locked(n, path, len);
		path += len;
		path += strspn(path, "/");
	}
	latch_unlock(&pfs_nodes_latch);
	return n;
}

static struct pfs_node *pfs_node_of(const struct pfs_req *r)
{
	const struct pfs_node *n = container_of(r->i->entry, struct pfs_node, entry);

	return (struct pfs_node *)(uintptr_t)n;
}

int pfs_node_lookup_in(struct pfs_node *dir, const char *name, struct pfs_child *out)
{
	struct pfs_node *n;

	latch_lock(&pfs_nodes_latch);
	n = pfs_node_peek_locked(dir, name, strlen(name));
	latch_unlock(&pfs_nodes_latch);
	if (!n)
		return -ENOENT;
	out->entry = &n->entry;
	return 0;
}

int pfs_node_next_in(struct pfs_node *dir, int64_t from, struct pfs_child *out)
{
	struct pfs_node *n;
	int found = 0;

	latch_lock(&pfs_nodes_latch);
	list_for_each_entry(n, &dir->children, sibling) {
		if (n->index >= from) {
			out->entry = &n->entry;
			out->cookie = n->index;
			found = 1;
			break;
		}
	}
	latch_unlock(&pfs_nodes_latch);
	return found;
}

static int pfs_node_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	return pfs_node_lookup_in(pfs_node_of(r), name, out);
}

static int pfs_node_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	return pfs_node_next_in(pfs_node_of(r), from, out);
}

const struct pfs_dir pfs_node_dir = {
	.lookup = pfs_node_lookup,
	.next = pfs_node_next,
};
