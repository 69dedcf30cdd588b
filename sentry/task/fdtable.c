/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fdtable.c: descriptor tables.  See fdtable.h.
 *
 * slots[fd].file is the counted file; a reserved number has its bit in `used` and no file.  The
 * latch is held for a few instructions; growing allocates first and copies under the latch.
 *
 * A view (fdt_view_new()) has a base and nothing else but the files lent to it; it is its fiber's alone.  Every
 * function goes on with the base, those that look up or reserve a number look at the view first.
 */
#include "lib/annotations.h"
#include "sentry/task/fdtable.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/bitmap.h"
#include "lib/latch.h"
#include "lib/mem.h"
#include "lib/ref.h"
#include "vfs/lock.h"
#include "vfs/vfs.h"

#define FDT_MIN 64u
#define FDT_MAX (1u << 20) /* Linux's fs.nr_open */

struct fdtable {
	struct ref ref;
	struct latch latch;
	struct file **files;   /* (latch) capacity of them */
	size_t capacity;       /* (latch) */
	struct bitmap used;    /* (latch) reserved or installed */
	struct bitmap cloexec; /* (latch) */
	size_t next;           /* (latch) no free number below */
	struct fdt_view *view; /* (c) owned; NULL: an ordinary table */
};

/* (f) the fiber's that it was made for */
struct fdt_view {
	struct fdtable *base;  /* (c) counted */
	struct file *lent[2];  /* (f) owned */
	struct file *caught;   /* (f) owned */
	bool catches;          /* (f) */
};

static struct fdtable *fdt_base(struct fdtable *t)
{
	return t->view ? t->view->base : t;
}

static bool fdt_catches(const struct fdtable *t)
{
	return t->view && t->view->catches;
}

struct fdtable *fdt_new(void)
{
	struct fdtable *t = mem_new(struct fdtable);

	if (!t)
		return NULL;
	ref_init(&t->ref);
	latch_init(&t->latch);
	bitmap_init(&t->used);
	bitmap_init(&t->cloexec);
	return t;
}

struct fdtable *fdt_get(struct fdtable *t)
{
	ref_get(&t->ref);
	return t;
}

bool fdt_shared(struct fdtable *t)
{
	t = fdt_base(t);
	return ref_count(&t->ref) > 1;
}

/*
 * Make room for numbers below count.  Called with the latch held; drops and retakes it to
 * allocate.  Another thread may have grown the table meanwhile.
 */
NO_TSA static int fdt_grow_locked(struct fdtable *t, size_t count)
{
	struct bitmap used, cloexec;
	struct file **files;
	size_t want = t->capacity ? t->capacity : FDT_MIN;

	while (want < count)
		want *= 2;
	while (t->capacity < count) {
		latch_unlock(&t->latch);
		files = mem_calloc(want, sizeof(*files));
		bitmap_init(&used);
		bitmap_init(&cloexec);
		if (!files || bitmap_grow(&used, want) || bitmap_grow(&cloexec, want)) {
			mem_free(files);
			bitmap_fini(&used);
			bitmap_fini(&cloexec);
			latch_lock(&t->latch);
			return -ENOMEM;
		}
		latch_lock(&t->latch);
		if (t->capacity < want) {
			struct file **old = t->files;
			struct bitmap old_used = t->used, old_cloexec = t->cloexec;

			if (t->capacity) {
				memcpy(files, old, t->capacity * sizeof(*files));
				memcpy(used.words, old_used.words, t->capacity / 8);
				memcpy(cloexec.words, old_cloexec.words, t->capacity / 8);
			}
			t->files = files;
			t->used = used;
			t->cloexec = cloexec;
			t->capacity = want;
			files = old;
			used = old_used;
			cloexec = old_cloexec;
		}
		latch_unlock(&t->latch);
		mem_free(files);
		bitmap_fini(&used);
		bitmap_fini(&cloexec);
		latch_lock(&t->latch);
	}
	return 0;
}

struct fdtable *fdt_dup(struct fdtable *t, unsigned int limit_from)
{
	struct fdtable *n = fdt_new();
	size_t capacity;

	t = fdt_base(t);
	if (!n)
		return NULL;
	latch_lock(&n->latch);
	for (;;) {
		latch_lock(&t->latch);
		capacity = t->capacity;
		if (capacity <= n->capacity)
			break;
		latch_unlock(&t->latch);
		if (fdt_grow_locked(n, capacity)) {
			latch_unlock(&n->latch);
			fdt_put(NULL, n);
			return NULL;
		}
	}
	for (size_t fd = bitmap_next_set(&t->used, 0, capacity); fd < capacity && fd < limit_from;
	     fd = bitmap_next_set(&t->used, fd + 1, capacity)) {
		if (!t->files[fd])
			continue; /* reserved by a call in progress: not for the copy */
		n->files[fd] = file_get(t->files[fd]);
		bitmap_set(&n->used, fd);
		if (bitmap_test(&t->cloexec, fd))
			bitmap_set(&n->cloexec, fd);
	}
	latch_unlock(&t->latch);
	latch_unlock(&n->latch);
	return n;
}

/* What close(2) does to the file, beyond forgetting the number. */
static int fdt_release(struct vfs_ctx *c, struct fdtable *t, struct file *f)
{
	int err = 0;

	if (c) {
		err = file_flush(c, f);
		vfs_lock_remove_posix(f, t);
	}
	file_put(f);
	return err;
}

static void fdt_view_free(struct vfs_ctx *c, struct fdt_view *v)
{
	if (!v)
		return;
	file_put(v->lent[0]);
	file_put(v->lent[1]);
	file_put(v->caught);
	fdt_put(c, v->base);
	mem_free(v);
}

void fdt_put(struct vfs_ctx *c, struct fdtable *t)
{
	if (!t || !ref_put(&t->ref))
		return;
	fdt_view_free(c, t->view);
	for (size_t fd = 0; fd < t->capacity; fd++)
		if (t->files[fd])
			fdt_release(c, t, t->files[fd]);
	mem_free(t->files);
	bitmap_fini(&t->used);
	bitmap_fini(&t->cloexec);
	mem_free(t);
}

/* The lowest free number >= from and < limit, marked used; the latch is held. */
static int fdt_reserve_locked(struct fdtable *t, size_t from, uint64_t limit)
{
	size_t fd;
	int err;

	limit = MIN(limit, (uint64_t)FDT_MAX);
	for (;;) {
		fd = bitmap_next_clear(&t->used, MAX(from, t->next), limit);
		if (fd >= limit)
			return -EMFILE;
		if (fd < t->capacity)
			break;
		err = fdt_grow_locked(t, fd + 1);
		if (err)
			return err;
	}
	bitmap_set(&t->used, fd);
	bitmap_clear(&t->cloexec, fd);
	if (from <= t->next)
		t->next = fd + 1;
	return (int)fd;
}

static void fdt_unreserve_locked(struct fdtable *t, int fd)
{
	bitmap_clear(&t->used, fd);
	bitmap_clear(&t->cloexec, fd);
	t->next = MIN(t->next, (size_t)fd);
}

int fdt_reserve(struct fdtable *t, int count, int *fds, uint64_t limit)
{
	int fd = 0;

	if (fdt_catches(t) && count == 1) {
		fds[0] = FDT_CAUGHT;
		return 0;
	}
	t = fdt_base(t);
	latch_lock(&t->latch);
	for (int i = 0; i < count; i++) {
		fd = fdt_reserve_locked(t, 0, limit);
		if (fd < 0) {
			while (i-- > 0)
				fdt_unreserve_locked(t, fds[i]);
			break;
		}
		fds[i] = fd;
	}
	latch_unlock(&t->latch);
	return fd < 0 ? fd : 0;
}

int fdt_reserve_from(struct fdtable *t, int min, uint64_t limit)
{
	int fd;

	if (min < 0 || (uint64_t)min >= limit)
		return -EINVAL;
	if (fdt_catches(t))
		return FDT_CAUGHT;
	t = fdt_base(t);
	latch_lock(&t->latch);
	fd = fdt_reserve_locked(t, min, limit);
	latch_unlock(&t->latch);
	return fd;
}

void fdt_unreserve(struct fdtable *t, int count, const int *fds)
{
	if (count == 1 && fds[0] == FDT_CAUGHT)
		return;
	t = fdt_base(t);
	latch_lock(&t->latch);
	for (int i = 0; i < count; i++)
		fdt_unreserve_locked(t, fds[i]);
	latch_unlock(&t->latch);
}

void fdt_install(struct fdtable *t, int fd, struct file *f, int flags)
{
	if (fdt_catches(t) && fd == FDT_CAUGHT) {
		file_put(t->view->caught);
		t->view->caught = f;
		return;
	}
	t = fdt_base(t);
	latch_lock(&t->latch);
	ASSERT((size_t)fd < t->capacity && !t->files[fd]);
	t->files[fd] = f;
	if (flags & O_CLOEXEC)
		bitmap_set(&t->cloexec, fd);
	latch_unlock(&t->latch);
}

int fdt_add(struct fdtable *t, struct file *f, int flags, uint64_t limit)
{
	int fd;
	int err = fdt_reserve(t, 1, &fd, limit);

	if (err) {
		file_put(f);
		return err;
	}
	fdt_install(t, fd, f, flags);
	return fd;
}

struct file *fdt_file(struct fdtable *t, int fd)
{
	struct file *f = NULL;

	if (t->view) {
		if (fd == FDT_LENT || fd == FDT_LENT + 1)
			return t->view->lent[fd - FDT_LENT] ? file_get(t->view->lent[fd - FDT_LENT]) : NULL;
		t = t->view->base;
	}
	latch_lock(&t->latch);
	if (fd >= 0 && (size_t)fd < t->capacity && t->files[fd])
		f = file_get(t->files[fd]);
	latch_unlock(&t->latch);
	return f;
}

struct file *fdt_file_nopath(struct fdtable *t, int fd)
{
	struct file *f = fdt_file(t, fd);

	if (f && (f->kind & FILE_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

/* Take the file out of a number, freeing the number; NULL when there is none. */
static struct file *fdt_take_locked(struct fdtable *t, size_t fd)
{
	struct file *f;

	if (fd >= t->capacity || !t->files[fd])
		return NULL;
	f = t->files[fd];
	t->files[fd] = NULL;
	fdt_unreserve_locked(t, (int)fd);
	return f;
}

int fdt_close(struct vfs_ctx *c, struct fdtable *t, int fd)
{
	struct file *f;

	if (fd < 0)
		return -EBADF;
	t = fdt_base(t);
	latch_lock(&t->latch);
	f = fdt_take_locked(t, fd);
	latch_unlock(&t->latch);
	return f ? fdt_release(c, t, f) : -EBADF;
}

int fdt_dup_to(struct vfs_ctx *c, struct fdtable *t, int oldfd, int newfd, int flags, uint64_t limit)
{
	struct file *f, *old;
	int err = 0;

	if (newfd < 0 || (uint64_t)newfd >= MIN(limit, (uint64_t)FDT_MAX))
		return -EBADF;
	f = fdt_file(t, oldfd);
	if (!f)
		return -EBADF;

	t = fdt_base(t);
	latch_lock(&t->latch);
	if ((size_t)newfd >= t->capacity)
		err = fdt_grow_locked(t, (size_t)newfd + 1);
	if (!err && bitmap_test(&t->used, newfd) && !t->files[newfd])
		err = -EBUSY; /* a call in another thread is about to fill it */
	if (err) {
		latch_unlock(&t->latch);
		file_put(f);
		return err;
	}
	old = t->files[newfd];
	t->files[newfd] = f;
	bitmap_set(&t->used, newfd);
	if (flags & O_CLOEXEC)
		bitmap_set(&t->cloexec, newfd);
	else
		bitmap_clear(&t->cloexec, newfd);
	latch_unlock(&t->latch);

	if (old)
		fdt_release(c, t, old);
	return newfd;
}

void fdt_close_range(struct vfs_ctx *c, struct fdtable *t, unsigned int first, unsigned int last,
		     bool cloexec)
{
	struct file *f;
	size_t fd = first;

	t = fdt_base(t);
	for (;;) {
		latch_lock(&t->latch);
		fd = bitmap_next_set(&t->used, fd, t->capacity);
		if (fd >= t->capacity || fd > last) {
			latch_unlock(&t->latch);
			return;
		}
		f = NULL;
		if (cloexec)
			bitmap_set(&t->cloexec, fd);
		else
			f = fdt_take_locked(t, fd);
		latch_unlock(&t->latch);
		if (f)
			fdt_release(c, t, f);
		fd++;
	}
}

void fdt_close_on_exec(struct vfs_ctx *c, struct fdtable *t)
{
	struct file *f;
	size_t fd = 0;

	t = fdt_base(t);
	for (;;) {
		latch_lock(&t->latch);
		fd = bitmap_next_set(&t->cloexec, fd, t->capacity);
		if (fd >= t->capacity) {
			latch_unlock(&t->latch);
			return;
		}
		f = fdt_take_locked(t, fd);
		latch_unlock(&t->latch);
		if (f)
			fdt_release(c, t, f);
		fd++;
	}
}

int fdt_cloexec_get(struct fdtable *t, int fd)
{
	int on = -EBADF;

	t = fdt_base(t);
	latch_lock(&t->latch);
	if (fd >= 0 && (size_t)fd < t->capacity && t->files[fd])
		on = bitmap_test(&t->cloexec, fd);
	latch_unlock(&t->latch);
	return on;
}

int fdt_cloexec_set(struct fdtable *t, int fd, bool on)
{
	int err = -EBADF;

	t = fdt_base(t);
	latch_lock(&t->latch);
	if (fd >= 0 && (size_t)fd < t->capacity && t->files[fd]) {
		err = 0;
		if (on)
			bitmap_set(&t->cloexec, fd);
		else
			bitmap_clear(&t->cloexec, fd);
	}
	latch_unlock(&t->latch);
	return err;
}

int fdt_next(struct fdtable *t, int from, struct file **out)
{
	size_t fd = MAX(from, 0);
	int found = -1;

	t = fdt_base(t);
	latch_lock(&t->latch);
	for (; fd < t->capacity; fd++) {
		if (t->files[fd]) {
			*out = file_get(t->files[fd]);
			found = (int)fd;
			break;
		}
	}
	latch_unlock(&t->latch);
	return found;
}

unsigned int fdt_capacity(struct fdtable *t)
{
	unsigned int n;

	t = fdt_base(t);
	latch_lock(&t->latch);
	n = (unsigned int)t->capacity;
	latch_unlock(&t->latch);
	return n;
}

/* ---- views ------------------------------------------------------------------------------------- */

struct fdtable *fdt_view_new(struct fdtable *base)
{
	struct fdtable *t = fdt_new();
	struct fdt_view *v = mem_new(struct fdt_view);

	if (!t || !v) {
		fdt_put(NULL, t);
		mem_free(v);
		return NULL;
	}
	v->base = fdt_get(fdt_base(base));
	t->view = v;
	return t;
}

void fdt_view_lend(struct fdtable *view, int i, struct file *f)
{
	struct file *old = view->view->lent[i];

	view->view->lent[i] = f;
	file_put(old);
}

void fdt_view_catch(struct fdtable *view, bool on)
{
	view->view->catches = on;
}

struct file *fdt_view_take_caught(struct fdtable *view)
{
	struct file *f = view->view->caught;

	view->view->caught = NULL;
	return f;
}
