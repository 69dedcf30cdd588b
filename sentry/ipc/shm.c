/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm.c: System V shared memory (shmop(2), shmctl(2)).
 *
 * A segment is a file of the internal tmpfs; attaching it is mapping that file.  Mappings are the
 * host's, and the application may unmap them without us (munmap is native).  So how often a segment
 * is attached is not counted here but asked: of the address spaces that have attached it once
 * (struct shm_attach) the host's maps tell what there is now.  Those that have nothing left are
 * forgotten on that occasion, at shmdt(2), execve(2) or exit.  Consequence: a segment marked for
 * removal whose last mapping went by munmap(2) is freed at the next of these.
 *
 * Locks: attachments are under attach_lock (LOCK_IPC_UNDO), taken inside ipc_ns.lock, and never over
 * a look at the host's maps.
 *
 * Linux: ipc/shm.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "sentry/ipc/ipc.h"
#include "sentry/mm/mm.h"
#include "sentry/proc/proc.h"
#include "sentry/task/pid.h"
#include "sentry/task/task.h"
#include "vfs/tmpfs/tmpfs.h"

#define SHM_SIZE_MAX (1ull << 46) /* what an address space holds */

/* (n) ipc_ns.lock, (c) constant, (t) attach_lock */
struct shm {
	struct ipc_obj obj;
	struct ipc_ns *ns;  /* (c) borrowed: attachments and callers hold it */
	struct file *file;  /* (c) owned */
	uint64_t size;      /* (c) bytes, as asked for */
	uint64_t dev, ino;  /* (t) of the host's file; 0 until first attached */
	int64_t atime, dtime; /* (n) */
	struct pid *cpid, *lpid; /* (n) counted; lpid may be NULL */
	struct list attaches; /* (t) struct shm_attach by shm_node */
};

struct shm_attach {
	struct list shm_node, mm_node; /* (t) */
	struct shm *shm;       /* (c) counted */
	struct ipc_ns *ns;     /* (c) counted */
	struct mm *mm;         /* (c) borrowed: it takes us along at its end */
	unsigned int pins;     /* (t) shmat(2) calls under way */
};

static struct mutex attach_lock;

static struct shm *shm_of(struct ipc_obj *o)
{
	return container_of(o, struct shm, obj);
}

static uint64_t shm_pages(const struct shm *s)
{
	return ALIGN_UP(s->size, PAGE_SIZE) / PAGE_SIZE;
}

void shm_module_init(void)
{
	mutex_init(&attach_lock, LOCK_IPC_UNDO);
}

/* ---- segments --------------------------------------------------------------------------------- */

void shm_free(struct ipc_obj *o)
{
	struct shm *s = shm_of(o);

	file_put(s->file);
	pid_put(s->cpid);
	pid_put(s->lpid);
	mem_free(s);
}

void shm_removed_locked(struct ipc_obj *o)
{
	struct shm *s = shm_of(o);

	s->ns->shm_pages -= shm_pages(s);
}

static int shm_make_file(struct task *t, const struct ipc_get *g, struct file **out)
{
	struct vfs_ctx c = *task_vfs(t);
	char name[16];
	int err;

	c.fsize_limit = UINT64_MAX;
	snprintf(name, sizeof(name), "SYSV%08x", (unsigned int)g->key);
	err = tmpfs_new_unlinked(&c, name, (uint32_t)g->flags & 0777, 0, out);
	if (err)
		return err;
	err = file_truncate(&c, *out, (int64_t)ALIGN_UP(g->size, PAGE_SIZE));
	if (err) {
		file_put(*out);
		return err == -EFBIG ? -ENOMEM : err;
	}
	return 0;
}

static int shm_make(struct task *t, struct ipc_ns *ns, const struct ipc_get *g, struct ipc_obj **out)
{
	uint64_t pages = ALIGN_UP(g->size, PAGE_SIZE) / PAGE_SIZE;
	struct shm *s;
	int err;

	if (g->size < 1 || g->size > ns->shm_max)
		return -EINVAL;
	if (ns->ids[IPC_KIND_SHM].in_use >= (unsigned int)ns->shm_mni ||
	    ns->shm_pages + pages > ns->shm_all)
		return -ENOSPC;
	if (g->size > SHM_SIZE_MAX || (g->flags & SHM_HUGETLB))
		return -ENOMEM; /* a sandbox has no huge pages reserved */
	s = mem_new(struct shm);
	if (!s)
		return -ENOMEM;
	err = shm_make_file(t, g, &s->file);
	if (err) {
		mem_free(s);
		return err;
	}
	ref_init(&s->obj.ref);
	s->ns = ns;
	s->size = g->size;
	s->cpid = pid_get(t->process->pid);
	list_init(&s->attaches);
	ns->shm_pages += pages;
	*out = &s->obj;
	return 0;
}

static int shm_fits(const struct ipc_obj *o, const struct ipc_get *g)
{
	return g->size > container_of(o, const struct shm, obj)->size ? -EINVAL : 0;
}

long shm_get(struct task *t, int key, size_t size, int flags)
{
	struct ipc_get g = { .kind = IPC_KIND_SHM, .key = key, .flags = flags, .size = size,
			     .make = shm_make, .fits = shm_fits };

	return ipc_get(t, &g);
}

/* ---- attachments ------------------------------------------------------------------------------ */

static void attach_free(struct shm_attach *a)
{
	if (!a)
		return;
	ipc_obj_put(&a->shm->obj);
	ipc_ns_put(a->ns);
	mem_free(a);
}

static void attach_unlink_locked(struct shm_attach *a)
{
	list_remove(&a->shm_node);
	list_remove(&a->mm_node);
}

static struct shm_attach *attach_peek_locked(struct mm *mm, const struct shm *s)
{
	struct shm_attach *a;

	list_for_each_entry(a, &mm->shm, mm_node)
		if (a->shm == s)
			return a;
	return NULL;
}

static struct shm_attach *attach_new(struct mm *mm, struct shm *s)
{
	struct shm_attach *a = mem_new(struct shm_attach);

	if (!a)
		return NULL;
	a->shm = s;
	ipc_obj_get(&s->obj);
	a->ns = ipc_ns_get(s->ns);
	a->mm = mm;
	list_init(&a->shm_node);
	list_init(&a->mm_node);
	return a;
}

static void attach_link_locked(struct shm_attach *a)
{
	list_append(&a->shm->attaches, &a->shm_node);
	list_append(&a->mm->shm, &a->mm_node);
}

/* mm has s attached, or is about to: pins the record. */
static int attach_pin(struct mm *mm, struct shm *s)
{
	struct shm_attach *new = attach_new(mm, s), *a;

	if (!new)
		return -ENOMEM;
	mutex_lock(&attach_lock);
	a = attach_peek_locked(mm, s);
	if (!a) {
		attach_link_locked(new);
		a = new;
		new = NULL;
	}
	a->pins++;
	mutex_unlock(&attach_lock);
	attach_free(new);
	return 0;
}

static void attach_unpin(struct mm *mm, struct shm *s)
{
	struct shm_attach *a;

	mutex_lock(&attach_lock);
	a = attach_peek_locked(mm, s);
	if (a)
		a->pins--;
	mutex_unlock(&attach_lock);
}

/* How many mappings of one file an address space has. */
struct map_count {
	uint64_t dev, ino;
	unsigned int count;
};

static int map_count_one(void *arg, const struct plat_map *m)
{
	struct map_count *c = arg;

	if (m->ino == c->ino && makedev(m->dev_major, m->dev_minor) == c->dev)
		c->count++;
	return 0;
}

static bool shm_seen(struct shm *s, struct map_count *c)
{
	mutex_lock(&attach_lock);
	*c = (struct map_count){ s->dev, s->ino, 0 };
	mutex_unlock(&attach_lock);
	return c->ino;
}

/*
 * How often mm has s mapped; when it has not (any more), the record goes.  mm is held by the caller.
 */
static unsigned int attach_check(struct mm *mm, struct shm *s)
{
	struct shm_attach *a = NULL;
	struct map_count c;

	if (shm_seen(s, &c) && plat_mm_maps(mm->plat, false, map_count_one, &c))
		return 0; /* its host process has ended; the task will clean up */
	if (c.count)
		return c.count;
	mutex_lock(&attach_lock);
	a = attach_peek_locked(mm, s);
	if (a && a->pins)
		a = NULL;
	if (a)
		attach_unlink_locked(a);
	mutex_unlock(&attach_lock);
	if (a && c.ino)
		mm_forget_file(mm, c.dev, c.ino);
	attach_free(a);
	return 0;
}

/* Marked for removal and attached nowhere: it goes.  No locks held; s is held by the caller. */
static void shm_destroy_if_unused(struct shm *s)
{
	struct ipc_ns *ns = s->ns;
	bool unused;

	mutex_lock(&ns->lock);
	mutex_lock(&attach_lock);
	unused = list_empty(&s->attaches);
	mutex_unlock(&attach_lock);
	unused = unused && !s->obj.removed && ((s->obj.mode & SHM_DEST) || ns->shm_rmid_forced);
	if (unused)
		ipc_remove_locked(ns, &s->obj);
	mutex_unlock(&ns->lock);
	if (unused)
		ipc_obj_put(&s->obj);
}

/* How often s is attached: asked of all that have it in their lists.  No locks held. */
static unsigned long shm_attach_count(struct shm *s)
{
	unsigned int max = 0, n = 0;
	unsigned long sum = 0;
	struct shm_attach *a;
	struct mm **mms;

	mutex_lock(&attach_lock);
	list_for_each_entry(a, &s->attaches, shm_node)
		max++;
	mutex_unlock(&attach_lock);
	mms = max ? mem_calloc(max, sizeof(struct mm *)) : NULL;
	if (!mms)
		return max;
	mutex_lock(&attach_lock);
	list_for_each_entry(a, &s->attaches, shm_node)
		if (n < max && ref_try_get(&a->mm->ref))
			mms[n++] = a->mm;
	mutex_unlock(&attach_lock);
	for (unsigned int i = 0; i < n; i++) {
		sum += attach_check(mms[i], s);
		mm_put(mms[i]);
	}
	mem_free(mms);
	return sum;
}

int shm_mm_fork(struct mm *from, struct mm *to)
{
	struct shm_attach *a;
	int err = 0;

	mutex_lock(&attach_lock);
	list_for_each_entry(a, &from->shm, mm_node) {
		struct shm_attach *copy = attach_new(to, a->shm);

		if (!copy) {
			err = -ENOMEM; /* what is linked already goes with to */
			break;
		}
		attach_link_locked(copy);
	}
	mutex_unlock(&attach_lock);
	return err;
}

static void shm_detached(struct shm *s, struct pid *pid)
{
	struct pid *old = NULL;

	mutex_lock(&s->ns->lock);
	s->dtime = ipc_now();
	if (pid) {
		old = s->lpid;
		s->lpid = pid_get(pid);
	}
	mutex_unlock(&s->ns->lock);
	pid_put(old);
	shm_destroy_if_unused(s);
}

void shm_mm_exit(struct mm *mm)
{
	struct shm_attach *a;

	for (;;) {
		mutex_lock(&attach_lock);
		a = list_first(&mm->shm, struct shm_attach, mm_node);
		if (a)
			attach_unlink_locked(a);
		mutex_unlock(&attach_lock);
		if (!a)
			return;
		shm_detached(a->shm, NULL);
		attach_free(a);
	}
}

/* ---- shmat, shmdt ----------------------------------------------------------------------------- */

/* The file that an attachment maps: without writing, one that can't be made writable later. */
static int shm_file(struct task *t, struct shm *s, int flags, struct file **out)
{
	if (!(flags & SHM_RDONLY)) {
		*out = file_get(s->file);
		return 0;
	}
	return file_new(&s->file->path, s->file->ops, O_RDONLY, t->cred, out);
}

/* What the host shows for s in its maps. */
static int shm_learn_ino(struct task *t, struct shm *s)
{
	struct mmap_request r = { .size = PAGE_SIZE, .prot = PROT_READ, .flags = MAP_SHARED, .host_fd = -1 };
	struct stat st;
	int err;

	if (s->ino)
		return 0;
	err = file_mmap(task_vfs(t), s->file, &r);
	if (!err)
		err = host_fstat(r.host_fd, &st);
	if (err)
		return err;
	mutex_lock(&attach_lock);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	mutex_unlock(&attach_lock);
	return 0;
}

static int64_t shm_map(struct task *t, struct shm *s, uint64_t addr, int flags)
{
	int prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	int how = MAP_SHARED | (!addr ? 0 : flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE);
	struct file *f;
	int64_t r = shm_learn_ino(t, s);

	if (r)
		return r;
	r = shm_file(t, s, flags, &f);
	if (r)
		return r;
	r = mm_map_file(t, f, addr, s->size, prot, how, 0);
	file_put(f);
	return r == -EEXIST ? -EINVAL : r;
}

/* Where to attach, or -EINVAL. */
static int64_t shm_address(uint64_t addr, int flags)
{
	if (addr & (PAGE_SIZE - 1)) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		addr = ALIGN_DOWN(addr, PAGE_SIZE); /* SHMLBA is a page */
	}
	if (!addr && (flags & SHM_REMAP))
		return -EINVAL;
	return (int64_t)addr;
}

static int shm_open_locked(struct task *t, struct ipc_ns *ns, int id, int flags, struct shm **out)
{
	int want = 0444 | (flags & SHM_RDONLY ? 0 : 0222) | (flags & SHM_EXEC ? 0111 : 0);
	struct ipc_obj *o;
	int err = id < 0 ? -EINVAL : ipc_find_locked(ns, IPC_KIND_SHM, id, &o);

	if (!err)
		err = ipc_permission(t, ns, o, want);
	if (err)
		return err;
	*out = shm_of(o);
	ipc_obj_get(o);
	return 0;
}

int64_t shm_attach(struct task *t, int id, uint64_t addr, int flags)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	int64_t r = shm_address(addr, flags);
	struct pid *old = NULL;
	struct shm *s;
	int err;

	if (r < 0)
		return r;
	addr = (uint64_t)r;
	mutex_lock(&ns->lock);
	err = shm_open_locked(t, ns, id, flags, &s);
	mutex_unlock(&ns->lock);
	if (err)
		return err;
	r = attach_pin(t->mm, s);
	if (r)
		goto put_shm;
	r = shm_map(t, s, addr, flags);
	attach_unpin(t->mm, s);
	if (r < 0) {
		(void)attach_check(t->mm, s);
		shm_destroy_if_unused(s);
		goto put_shm;
	}
	mutex_lock(&ns->lock);
	s->atime = ipc_now();
	old = s->lpid;
	s->lpid = pid_get(t->process->pid);
	mutex_unlock(&ns->lock);
	pid_put(old);
put_shm:
	ipc_obj_put(&s->obj);
	return r;
}

/* Which segment begins at addr, and where its mappings are: those that lie as if all were there. */
#define DETACH_RANGES_MAX 64
struct detach {
	struct mm *mm;
	uint64_t addr;
	struct shm *shm; /* found; counted */
	uint64_t start[DETACH_RANGES_MAX], size[DETACH_RANGES_MAX];
	unsigned int count;
};

static struct shm *detach_shm_of(struct detach *d, uint64_t dev, uint64_t ino)
{
	struct shm_attach *a;
	struct shm *s = NULL;

	mutex_lock(&attach_lock);
	list_for_each_entry(a, &d->mm->shm, mm_node) {
		if (a->shm->ino == ino && a->shm->dev == dev) {
			s = a->shm;
			ipc_obj_get(&s->obj);
			break;
		}
	}
	mutex_unlock(&attach_lock);
	return s;
}

static int detach_one(void *arg, const struct plat_map *m)
{
	uint64_t dev = makedev(m->dev_major, m->dev_minor);
	struct detach *d = arg;
	struct shm *s;

	if (!m->ino || m->start - m->offset != d->addr || d->count == DETACH_RANGES_MAX)
		return 0;
	s = detach_shm_of(d, dev, m->ino);
	if (!s || (d->shm && d->shm != s)) {
		if (s)
			ipc_obj_put(&s->obj);
		return 0;
	}
	if (d->shm)
		ipc_obj_put(&s->obj);
	d->shm = s;
	d->start[d->count] = m->start;
	d->size[d->count++] = m->end - m->start;
	return 0;
}

long shm_detach(struct task *t, uint64_t addr)
{
	struct detach *d;
	int err;

	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	d = mem_new(struct detach);
	if (!d)
		return -ENOMEM;
	d->mm = t->mm;
	d->addr = addr;
	err = list_empty(&t->mm->shm) ? 0 : plat_mm_maps(t->mm->plat, false, detach_one, d);
	for (unsigned int i = 0; i < d->count && !err; i++)
		err = mm_unmap(t, d->start[i], d->size[i]);
	if (d->shm) {
		(void)attach_check(t->mm, d->shm);
		shm_detached(d->shm, t->process->pid);
		ipc_obj_put(&d->shm->obj);
	}
	if (!err && !d->count)
		err = -EINVAL;
	mem_free(d);
	return err;
}

bool shm_ends_with(struct task *t, const struct plat_map *m, uint64_t start, uint64_t size)
{
	struct detach d = { .mm = t->mm };
	struct shm *s = list_empty(&t->mm->shm) ? NULL :
		detach_shm_of(&d, makedev(m->dev_major, m->dev_minor), m->ino);
	bool ends = false;

	if (!s)
		return false;
	if (s->obj.mode & SHM_DEST) { /* the mode's bits only ever get more of it */
		(void)!mm_unmap(t, start, size);
		ends = shm_attach_count(s) == 0;
		if (ends)
			shm_detached(s, t->process->pid);
	}
	ipc_obj_put(&s->obj);
	return ends;
}

/* ---- control ---------------------------------------------------------------------------------- */

long shm_stat(struct task *t, int id, int cmd, struct shmid_ds *out)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	unsigned long attached;
	struct ipc_obj *o;
	struct shm *s;
	long r;

	mutex_lock(&ns->lock);
	r = cmd == IPC_STAT ? ipc_find_locked(ns, IPC_KIND_SHM, id, &o)
			    : ipc_find_index_locked(ns, IPC_KIND_SHM, id, &o);
	if (!r && cmd != SHM_STAT_ANY)
		r = ipc_permission(t, ns, o, 0444);
	if (!r)
		ipc_obj_get(o);
	mutex_unlock(&ns->lock);
	if (r)
		return r;
	s = shm_of(o);
	attached = shm_attach_count(s);
	mutex_lock(&ns->lock);
	memset(out, 0, sizeof(*out));
	ipc_fill_perm(t, o, &out->shm_perm);
	out->shm_segsz = s->size;
	out->shm_atime = s->atime;
	out->shm_dtime = s->dtime;
	out->shm_ctime = o->ctime;
	out->shm_cpid = ipc_pid_nr(t, s->cpid);
	out->shm_lpid = ipc_pid_nr(t, s->lpid);
	out->shm_nattch = attached;
	r = cmd == IPC_STAT ? 0 : o->id;
	mutex_unlock(&ns->lock);
	shm_destroy_if_unused(s);
	ipc_obj_put(o);
	return r;
}

static uint64_t shm_resident_pages(struct shm *s)
{
	struct vfs_ctx c = { .cred = s->file->cred, .fsize_limit = UINT64_MAX };
	struct attr a;

	if (file_getattr(&c, s->file, STATX_BLOCKS, &a))
		return 0;
	return MIN(a.blocks * 512 / PAGE_SIZE, shm_pages(s));
}

long shm_info(struct task *t, struct shm_info *out)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_ids *ids = &ns->ids[IPC_KIND_SHM];
	long max;

	memset(out, 0, sizeof(*out));
	mutex_lock(&ns->lock);
	out->used_ids = (int)ids->in_use;
	out->shm_tot = ns->shm_pages;
	for (unsigned int i = 0; i < ids->slot_count; i++)
		if (ids->slots[i])
			out->shm_rss += shm_resident_pages(shm_of(ids->slots[i]));
	max = ipc_max_index_locked(ns, IPC_KIND_SHM);
	mutex_unlock(&ns->lock);
	return max;
}

long shm_limits(struct task *t, struct shminfo *out)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	long max;

	memset(out, 0, sizeof(*out));
	mutex_lock(&ns->lock);
	out->shmmax = ns->shm_max;
	out->shmmin = 1;
	out->shmmni = out->shmseg = (unsigned long)ns->shm_mni;
	out->shmall = ns->shm_all;
	max = ipc_max_index_locked(ns, IPC_KIND_SHM);
	mutex_unlock(&ns->lock);
	return max;
}

long shm_set(struct task *t, int id, const struct shmid_ds *in)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;
	long err;

	mutex_lock(&ns->lock);
	err = ipc_find_locked(ns, IPC_KIND_SHM, id, &o);
	if (!err)
		err = ipc_may_change(t, ns, o);
	if (!err)
		err = ipc_set_perm(t, o, &in->shm_perm);
	if (!err)
		o->ctime = ipc_now();
	mutex_unlock(&ns->lock);
	return err;
}

long shm_remove(struct task *t, int id)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;
	long err;

	mutex_lock(&ns->lock);
	err = ipc_find_locked(ns, IPC_KIND_SHM, id, &o);
	if (!err)
		err = ipc_may_change(t, ns, o);
	if (!err) {
		ipc_obj_get(o);
		o->mode |= SHM_DEST;
		o->key = IPC_PRIVATE; /* nobody finds it by key any more */
	}
	mutex_unlock(&ns->lock);
	if (err)
		return err;
	(void)shm_attach_count(shm_of(o)); /* forgets those that have unmapped it */
	shm_destroy_if_unused(shm_of(o));
	ipc_obj_put(o);
	return 0;
}

/* Memory can't be pinned in a sandbox: the flag is kept, for those who look. */
long shm_lock(struct task *t, int id, bool lock)
{
	struct ipc_ns *ns = task_ipc_ns(t);
	struct ipc_obj *o;
	long err;

	mutex_lock(&ns->lock);
	err = ipc_find_locked(ns, IPC_KIND_SHM, id, &o);
	if (!err && !cred_capable_ns(t->cred, ns->user_ns, CAP_IPC_LOCK)) {
		if (t->cred->euid != o->uid && t->cred->euid != o->cuid)
			err = -EPERM;
		else if (lock && !task_rlimit(t, RLIMIT_MEMLOCK))
			err = -EPERM;
		else if (lock && shm_of(o)->size > task_rlimit(t, RLIMIT_MEMLOCK))
			err = -ENOMEM;
	}
	if (!err)
		o->mode = lock ? o->mode | SHM_LOCKED : o->mode & ~(uint32_t)SHM_LOCKED;
	mutex_unlock(&ns->lock);
	return err;
}

/* Segments from index *from on, with a reference; NULL at the end. */
static struct shm *shm_next(struct ipc_ns *ns, unsigned int *from)
{
	struct ipc_ids *ids = &ns->ids[IPC_KIND_SHM];
	struct shm *s = NULL;

	mutex_lock(&ns->lock);
	while (!s && *from < ids->slot_count) {
		struct ipc_obj *o = ids->slots[(*from)++];

		if (o) {
			s = shm_of(o);
			ipc_obj_get(o);
		}
	}
	mutex_unlock(&ns->lock);
	return s;
}

void shm_destroy_orphans(struct ipc_ns *ns)
{
	unsigned int at = 0;
	struct shm *s;

	while ((s = shm_next(ns, &at)) != NULL) {
		(void)shm_attach_count(s);
		shm_destroy_if_unused(s);
		ipc_obj_put(&s->obj);
	}
}

void shm_show(const struct pfs_req *r, struct ipc_ns *ns, struct buf *b)
{
	struct pid_ns *p = proc_pid_ns(r);
	unsigned int at = 0;
	struct shm *s;

	while ((s = shm_next(ns, &at)) != NULL) {
		unsigned long attached = shm_attach_count(s);
		struct ipc_obj *o = &s->obj;

		mutex_lock(&ns->lock);
		buf_printf(b, "%10d %10d  %4o %21lu %5d %5d  %5lu %5u %5u %5u %5u %10lld %10lld %10lld %21lu %21lu\n",
			   o->key, o->id, o->mode, (unsigned long)s->size, pid_nr_in(s->cpid, p),
			   s->lpid ? pid_nr_in(s->lpid, p) : 0, attached, proc_uid(r, o->uid),
			   proc_gid(r, o->gid), proc_uid(r, o->cuid), proc_gid(r, o->cgid),
			   (long long)s->atime, (long long)s->dtime, (long long)o->ctime,
			   (unsigned long)(shm_resident_pages(s) * PAGE_SIZE), 0ul);
		mutex_unlock(&ns->lock);
		ipc_obj_put(o);
	}
}
