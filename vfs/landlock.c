/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock.c: rulesets, domains, and what they allow.
 *
 * A layer is a frozen ruleset; a domain is a layer and those it was put on (parent), at most 16, and
 * never changes.  Rules about files are found by inode: the file itself and every directory above it,
 * through mountpoints up to the real root, are asked, and each may grant rights.  A layer is
 * satisfied when all rights asked for that it handles have been granted on the way; the access is
 * allowed when all layers are.  What is still missing is kept as a table: for each right, the layers
 * that have not granted it (struct missing).
 *
 * To link or move a file to another directory (REFER) needs more: every layer has to allow it at both
 * ends, and the new place must not grant more than the old one, or a sandboxed program could widen
 * its rights by moving files.  That is compared with the same tables, from the two directories up to
 * the root of their mount, and then on to the root: it may turn out allowed before the end.
 *
 * A rule holds its dentry, hence its inode: an inode that went and came back would be another one.
 * Unlike on Linux the file system is kept when it is unmounted, until the domain ends.
 *
 * Kept as on Linux, where it may surprise: opening is what is checked, not use; a right to truncate
 * and to ioctl a device is remembered by the open file; anonymous files (pipes, memfds, namespaces)
 * are always allowed.
 *
 * Locks: a ruleset's own (LOCK_LEAF); domains need none.  Linux: security/landlock/.
 */
#include "vfs/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/mem.h"
#include "vfs/file.h"
#include "vfs/mount_impl.h"

#define LAYERS_MAX 16
#define RULES_MAX  (1u << 20) /* of all rulesets and layers: the memory is the Sentry's */
#define FS_RIGHTS  16

#define FS_MASK  ((1ULL << FS_RIGHTS) - 1)
#define NET_MASK 3ULL
#define SCOPES   3ULL
/* Rights that make sense for what is no directory. */
#define FS_OF_FILES (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
		     LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_REFER     ((uint64_t)LANDLOCK_ACCESS_FS_REFER)
#define FS_TRUNCATE  ((uint64_t)LANDLOCK_TRUNCATE)
#define FS_IOCTL_DEV (1ULL << 15)

struct fs_rule {
	const struct inode *inode;
	struct dentry *dentry; /* counted: keeps the inode */
	uint64_t access;
};

struct port_rule {
	uint16_t port;
	uint8_t access;
};

struct rules {
	struct fs_rule *fs;     /* by the inode's address */
	struct port_rule *port; /* by port */
	unsigned int fs_count, fs_room, port_count, port_room;
	uint64_t handled_fs, handled_net, scoped; /* (c) */
};

struct landlock_ruleset {
	struct mutex lock; /* LOCK_LEAF */
	struct rules r;    /* (lock) */
};

/* All (c). */
struct landlock {
	struct ref ref;
	struct landlock *parent; /* counted */
	unsigned int level;      /* 0: the outermost */
	struct rules r;
	uint64_t any_fs, any_net; /* handled by it or a parent */
};

static atomic_uint rules_alive;

/* ---- rules ------------------------------------------------------------------------------------ */

static unsigned int fs_rule_place(const struct rules *r, const struct inode *i)
{
	unsigned int lo = 0, hi = r->fs_count;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if ((uintptr_t)r->fs[mid].inode < (uintptr_t)i)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint64_t fs_rule_access(const struct rules *r, const struct inode *i)
{
	unsigned int n = fs_rule_place(r, i);

	return n < r->fs_count && r->fs[n].inode == i ? r->fs[n].access : 0;
}

static unsigned int port_rule_place(const struct rules *r, uint16_t port)
{
	unsigned int lo = 0, hi = r->port_count;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (r->port[mid].port < port)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint64_t port_rule_access(const struct rules *r, uint16_t port)
{
	unsigned int n = port_rule_place(r, port);

	return n < r->port_count && r->port[n].port == port ? r->port[n].access : 0;
}

static bool rules_charge(unsigned int count)
{
	unsigned int was = atomic_fetch_add_explicit(&rules_alive, count, memory_order_relaxed);

	if (count <= RULES_MAX && was <= RULES_MAX - count)
		return true;
	atomic_fetch_sub_explicit(&rules_alive, count, memory_order_relaxed);
	return false;
}

static void rules_fini(struct rules *r)
{
	for (unsigned int n = 0; n < r->fs_count; n++)
		dentry_put(r->fs[n].dentry);
	atomic_fetch_sub_explicit(&rules_alive, r->fs_count + r->port_count, memory_order_relaxed);
	mem_free(r->fs);
	mem_free(r->port);
}

/* Room for one more in an array of count out of *room. */
static int rules_grow(void **array, size_t size, unsigned int count, unsigned int *room)
{
	unsigned int more = *room ? *room * 2 : 8;
	void *p;

	if (count < *room)
		return 0;
	p = mem_realloc(*array, more, size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = more;
	return 0;
}

static int fs_rule_add_locked(struct rules *r, struct dentry *d, uint64_t access)
{
	const struct inode *i = dentry_inode(d);
	unsigned int n = fs_rule_place(r, i);
	void *array = r->fs;
	int err;

	if (n < r->fs_count && r->fs[n].inode == i) {
		r->fs[n].access |= access;
		return 0;
	}
	err = rules_grow(&array, sizeof(*r->fs), r->fs_count, &r->fs_room);
	r->fs = array;
	if (err < 0)
		return err;
	if (!rules_charge(1))
		return -ENOMEM;
	memmove(&r->fs[n + 1], &r->fs[n], (r->fs_count - n) * sizeof(*r->fs));
	r->fs[n] = (struct fs_rule){ .inode = i, .dentry = dentry_get(d), .access = access };
	r->fs_count++;
	return 0;
}

static int port_rule_add_locked(struct rules *r, uint16_t port, uint64_t access)
{
	unsigned int n = port_rule_place(r, port);
	void *array = r->port;
	int err;

	if (n < r->port_count && r->port[n].port == port) {
		r->port[n].access |= (uint8_t)access;
		return 0;
	}
	err = rules_grow(&array, sizeof(*r->port), r->port_count, &r->port_room);
	r->port = array;
	if (err < 0)
		return err;
	if (!rules_charge(1))
		return -ENOMEM;
	memmove(&r->port[n + 1], &r->port[n], (r->port_count - n) * sizeof(*r->port));
	r->port[n] = (struct port_rule){ .port = port, .access = (uint8_t)access };
	r->port_count++;
	return 0;
}

/* A copy that shares nothing but counted dentries. */
static int rules_copy_locked(struct rules *to, const struct rules *from)
{
	struct rules r = *from;

	r.fs = NULL;
	r.port = NULL;
	if (!rules_charge(from->fs_count + from->port_count))
		return -ENOMEM;
	if (from->fs_count)
		r.fs = mem_dup(from->fs, from->fs_count * sizeof(*r.fs));
	if (from->port_count)
		r.port = mem_dup(from->port, from->port_count * sizeof(*r.port));
	if ((from->fs_count && !r.fs) || (from->port_count && !r.port)) {
		r.fs_count = 0;
		mem_free(r.fs);
		mem_free(r.port);
		atomic_fetch_sub_explicit(&rules_alive, from->fs_count + from->port_count,
					  memory_order_relaxed);
		return -ENOMEM;
	}
	r.fs_room = r.fs_count;
	r.port_room = r.port_count;
	for (unsigned int n = 0; n < r.fs_count; n++)
		dentry_get(r.fs[n].dentry);
	*to = r;
	return 0;
}

/* ---- rulesets --------------------------------------------------------------------------------- */

static void ruleset_release(struct file *f)
{
	struct landlock_ruleset *s = file_priv(f);

	rules_fini(&s->r);
	mem_free(s);
}

static const struct file_ops ruleset_ops = { .release = ruleset_release };

bool file_is_landlock(const struct file *f)
{
	return f->ops == &ruleset_ops;
}

int landlock_ruleset_new(uint64_t fs, uint64_t net, uint64_t scoped, const struct cred *cred,
			 struct file **out)
{
	struct landlock_ruleset *s;
	int err;

	if ((fs & ~FS_MASK) || (net & ~NET_MASK) || (scoped & ~SCOPES))
		return -EINVAL;
	if (!fs && !net && !scoped)
		return -ENOMSG;
	s = mem_new(struct landlock_ruleset);
	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock, LOCK_LEAF);
	s->r.handled_fs = fs;
	s->r.handled_net = net;
	s->r.scoped = scoped;
	err = file_new_anon("landlock-ruleset", &ruleset_ops, s, O_RDWR, FILE_READ | FILE_WRITE, cred,
			    out);
	if (err < 0)
		mem_free(s);
	return err;
}

static int rights_check(uint64_t access, uint64_t handled)
{
	if (!access)
		return -ENOMSG;
	return access & ~handled ? -EINVAL : 0;
}

int landlock_check_path_rights(struct file *ruleset, uint64_t access)
{
	const struct landlock_ruleset *s = file_priv(ruleset);

	return rights_check(access, s->r.handled_fs);
}

int landlock_add_path(struct file *ruleset, const struct path *p, uint64_t access)
{
	struct landlock_ruleset *s = file_priv(ruleset);
	int err = rights_check(access, s->r.handled_fs);

	if (err < 0)
		return err;
	if (!inode_is_dir(dentry_inode(p->dentry)) && (access & ~FS_OF_FILES))
		return -EINVAL;
	mutex_lock(&s->lock);
	err = fs_rule_add_locked(&s->r, p->dentry, access);
	mutex_unlock(&s->lock);
	return err;
}

int landlock_add_port(struct file *ruleset, uint64_t port, uint64_t access)
{
	struct landlock_ruleset *s = file_priv(ruleset);
	int err = rights_check(access, s->r.handled_net);

	if (err < 0)
		return err;
	if (port > UINT16_MAX)
		return -EINVAL;
	mutex_lock(&s->lock);
	err = port_rule_add_locked(&s->r, (uint16_t)port, access);
	mutex_unlock(&s->lock);
	return err;
}

/* ---- domains ---------------------------------------------------------------------------------- */

struct landlock *landlock_get(struct landlock *d)
{
	if (d)
		ref_get(&d->ref);
	return d;
}

void landlock_put(struct landlock *d)
{
	while (d && ref_put(&d->ref)) {
		struct landlock *parent = d->parent;

		rules_fini(&d->r);
		mem_free(d);
		d = parent;
	}
}

int landlock_restrict(struct landlock *parent, struct file *ruleset, struct landlock **out)
{
	struct landlock_ruleset *s = file_priv(ruleset);
	struct landlock *d;
	int err;

	if (parent && parent->level + 1 >= LAYERS_MAX)
		return -E2BIG;
	d = mem_new(struct landlock);
	if (!d)
		return -ENOMEM;
	mutex_lock(&s->lock);
	err = rules_copy_locked(&d->r, &s->r);
	mutex_unlock(&s->lock);
	if (err < 0) {
		mem_free(d);
		return err;
	}
	ref_init(&d->ref);
	/* REFER is denied by every layer about files, whether it knows of the right or not. */
	if (d->r.handled_fs)
		d->r.handled_fs |= FS_REFER;
	d->parent = landlock_get(parent);
	d->level = parent ? parent->level + 1 : 0;
	d->any_fs = d->r.handled_fs | (parent ? parent->any_fs : 0);
	d->any_net = d->r.handled_net | (parent ? parent->any_net : 0);
	*out = d;
	return 0;
}

/* The caller's domain if it has to do with files. */
static const struct landlock *fs_domain(const struct vfs_ctx *c)
{
	const struct landlock *d = c->cred->landlock;

	return d && d->any_fs ? d : NULL;
}

/* ---- what is missing -------------------------------------------------------------------------- */

/* For each right, the layers (bits) that have not granted it. */
struct missing {
	uint16_t by_right[FS_RIGHTS];
};

static void missing_init(struct missing *m, const struct landlock *d, uint64_t access)
{
	memset(m, 0, sizeof(*m));
	for (; d; d = d->parent)
		for (unsigned int n = 0; n < FS_RIGHTS; n++)
			if (access & d->r.handled_fs & (1ULL << n))
				m->by_right[n] |= (uint16_t)(1u << d->level);
}

/* Rights out of access that some layer has not granted. */
static uint64_t missing_rights(const struct missing *m, uint64_t access)
{
	uint64_t rights = 0;

	for (unsigned int n = 0; n < FS_RIGHTS; n++)
		if ((access & (1ULL << n)) && m->by_right[n])
			rights |= 1ULL << n;
	return rights;
}

/* The rules about i grant what they grant. */
static void missing_grant(struct missing *m, const struct landlock *d, const struct inode *i)
{
	for (; d; d = d->parent) {
		uint64_t access = fs_rule_access(&d->r, i);

		for (unsigned int n = 0; access && n < FS_RIGHTS; n++)
			if (access & (1ULL << n))
				m->by_right[n] &= (uint16_t)~(1u << d->level);
	}
}

/* Up by one name, through mountpoints (references swapped).  False: that was the top. */
static bool climb(struct path *p)
{
	struct dentry *parent;

	while (p->dentry == p->mnt->root)
		if (!mount_up(p))
			return false;
	parent = dentry_parent(p->dentry);
	if (!parent)
		return false;
	dentry_put(p->dentry);
	p->dentry = parent;
	return true;
}

bool landlock_path_is_nameable(const struct path *p)
{
	return !p->mnt->internal;
}

int landlock_path(struct vfs_ctx *c, const struct path *where, uint64_t access)
{
	const struct landlock *d = fs_domain(c);
	struct path p = *where;
	struct missing m;
	bool more = true;

	if (!d || !landlock_path_is_nameable(where))
		return 0;
	missing_init(&m, d, access);
	path_get(&p);
	while (missing_rights(&m, access) && more) {
		missing_grant(&m, d, dentry_inode(p.dentry));
		more = climb(&p);
	}
	path_put(&p);
	return missing_rights(&m, access) ? -EACCES : 0;
}

static uint64_t right_to_make(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK:
		return LANDLOCK_ACCESS_FS_MAKE_SYM;
	case S_IFDIR:
		return LANDLOCK_ACCESS_FS_MAKE_DIR;
	case S_IFCHR:
		return LANDLOCK_ACCESS_FS_MAKE_CHAR;
	case S_IFBLK:
		return LANDLOCK_ACCESS_FS_MAKE_BLOCK;
	case S_IFIFO:
		return LANDLOCK_ACCESS_FS_MAKE_FIFO;
	case S_IFSOCK:
		return LANDLOCK_ACCESS_FS_MAKE_SOCK;
	default:
		return LANDLOCK_ACCESS_FS_MAKE_REG;
	}
}

static uint64_t right_to_remove(bool is_dir)
{
	return is_dir ? LANDLOCK_ACCESS_FS_REMOVE_DIR : LANDLOCK_ACCESS_FS_REMOVE_FILE;
}

int landlock_make(struct vfs_ctx *c, const struct path *dir, uint32_t mode)
{
	return landlock_path(c, dir, right_to_make(mode));
}

int landlock_remove(struct vfs_ctx *c, const struct path *dir, bool is_dir)
{
	return landlock_path(c, dir, right_to_remove(is_dir));
}

int landlock_mount(struct vfs_ctx *c)
{
	return fs_domain(c) ? -EPERM : 0;
}

/* ---- open files ------------------------------------------------------------------------------- */

static uint64_t rights_to_open(const struct file *f)
{
	uint64_t access = 0;

	if (f->kind & FILE_READ) {
		if (inode_is_dir(f->inode))
			return LANDLOCK_ACCESS_FS_READ_DIR;
		access = LANDLOCK_ACCESS_FS_READ_FILE;
	}
	if (f->kind & FILE_WRITE)
		access |= LANDLOCK_ACCESS_FS_WRITE_FILE;
	if (f->kind & FILE_EXEC)
		access |= LANDLOCK_ACCESS_FS_EXECUTE;
	return access;
}

int landlock_open(struct vfs_ctx *c, struct file *f)
{
	int err;

	if (!fs_domain(c))
		return 0;
	err = landlock_path(c, &f->path, rights_to_open(f));
	if (err < 0)
		return err;
	if (landlock_path(c, &f->path, FS_TRUNCATE) < 0)
		f->kind |= FILE_NOTRUNCATE;
	if ((f->kind & FILE_TRUNC) && (f->kind & FILE_NOTRUNCATE))
		return -EACCES;
	if ((S_ISCHR(f->inode->mode) || S_ISBLK(f->inode->mode)) &&
	    landlock_path(c, &f->path, FS_IOCTL_DEV) < 0)
		f->kind |= FILE_NOIOCTL;
	return 0;
}

bool landlock_ioctl_is_harmless(unsigned int cmd)
{
	static const unsigned int harmless[] = {
		FIOCLEX, FIONCLEX, FIONBIO, FIOASYNC, FIOQSIZE, FIFREEZE, FITHAW, FIGETBSZ,
		FS_IOC_FIEMAP, FICLONE, FICLONERANGE, FIDEDUPERANGE,
		0x80111500 /* FS_IOC_GETFSUUID */, 0x80811501 /* FS_IOC_GETFSSYSFSPATH */,
	};

	for (size_t n = 0; n < ARRAY_SIZE(harmless); n++)
		if (harmless[n] == cmd)
			return true;
	return false;
}

/* ---- link and rename -------------------------------------------------------------------------- */

/* One end of a move: a directory, what it asks for, and what is missing above it and for the child. */
struct refer_end {
	uint64_t request;
	struct missing dir;
	struct missing child;
	bool child_counts, child_is_dir;
};

/* What the rules on the way from dir up to the root of its mount do not grant. */
static void refer_collect(struct refer_end *e, const struct landlock *d, const struct path *dir)
{
	struct dentry *at = dentry_get(dir->dentry);

	missing_init(&e->dir, d, FS_MASK);
	for (;;) {
		struct dentry *parent;

		missing_grant(&e->dir, d, dentry_inode(at));
		parent = at == dir->mnt->root ? NULL : dentry_parent(at);
		dentry_put(at);
		if (!parent)
			return;
		at = parent;
	}
}

static void refer_child(struct refer_end *e, const struct landlock *d, struct dentry *child)
{
	e->child_counts = true;
	e->child_is_dir = inode_is_dir(dentry_inode(child));
	missing_init(&e->child, d, FS_MASK);
	missing_grant(&e->child, d, dentry_inode(child));
}

/* What is denied to from's child is denied in to as well. */
static bool refer_no_more(const struct refer_end *from, const struct refer_end *to)
{
	if (!from->child_counts)
		return true;
	for (unsigned int n = 0; n < FS_RIGHTS; n++) {
		uint16_t denied = from->dir.by_right[n] & from->child.by_right[n];

		if (!from->child_is_dir && !((1ULL << n) & FS_OF_FILES))
			continue;
		if (denied & ~to->dir.by_right[n])
			return false;
	}
	return true;
}

/*
 * From the root of the common mount upwards.  First until the new place is seen to grant no more
 * than the old one, for good: rules further up grant the same to both.  Then only what was asked for
 * counts.
 */
static bool refer_allowed(const struct landlock *d, const struct path *top, struct refer_end *a,
			  struct refer_end *b)
{
	struct path p = { top->mnt, top->mnt->root };
	bool safe = false, more = true;

	path_get(&p);
	for (;;) {
		if (!safe)
			safe = refer_no_more(a, b) && refer_no_more(b, a);
		if (safe && !missing_rights(&a->dir, a->request) &&
		    !missing_rights(&b->dir, b->request))
			break;
		if (!more)
			break;
		missing_grant(&a->dir, d, dentry_inode(p.dentry));
		missing_grant(&b->dir, d, dentry_inode(p.dentry));
		more = climb(&p);
	}
	path_put(&p);
	return safe && !missing_rights(&a->dir, a->request) && !missing_rights(&b->dir, b->request);
}

int landlock_refer(struct vfs_ctx *c, const struct landlock_refer *r)
{
	const struct landlock *d = fs_domain(c);
	const struct inode *oi = dentry_inode(r->old), *ni = dentry_inode(r->new);
	struct refer_end from = { .request = 0 }, to = { .request = 0 };

	if (!d)
		return 0;
	if (r->exchange)
		from.request = right_to_make(ni->mode);
	to.request = right_to_make(oi->mode);
	if (r->removes) {
		from.request |= right_to_remove(inode_is_dir(oi));
		if (ni)
			to.request |= right_to_remove(inode_is_dir(ni));
	}
	if (r->old_dir->dentry == r->new_dir->dentry)
		return landlock_path(c, r->new_dir, from.request | to.request);
	from.request |= FS_REFER;
	to.request |= FS_REFER;
	refer_collect(&from, d, r->old_dir);
	refer_collect(&to, d, r->new_dir);
	refer_child(&from, d, r->old);
	if (r->exchange)
		refer_child(&to, d, r->new);
	if (refer_allowed(d, r->old_dir, &from, &to))
		return 0;
	if (missing_rights(&from.dir, from.request & ~FS_REFER) ||
	    missing_rights(&to.dir, to.request & ~FS_REFER))
		return -EACCES;
	return -EXDEV;
}

/* ---- ports, tracing, scopes ------------------------------------------------------------------- */

bool landlock_handles_net(const struct cred *cred)
{
	return cred->landlock && cred->landlock->any_net;
}

int landlock_port(const struct cred *cred, uint16_t port, uint64_t access)
{
	for (const struct landlock *d = cred->landlock; d; d = d->parent)
		if (access & d->r.handled_net & ~port_rule_access(&d->r, port))
			return -EACCES;
	return 0;
}

bool landlock_may_trace(const struct landlock *from, const struct landlock *to)
{
	if (!from)
		return true;
	while (to && to->level > from->level)
		to = to->parent;
	return to == from;
}

bool landlock_scoped(const struct landlock *from, const struct landlock *to, enum landlock_scope s)
{
	for (; from; from = from->parent)
		if ((from->r.scoped & s) && !landlock_may_trace(from, to))
			return true;
	return false;
}
