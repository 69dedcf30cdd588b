/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs_file.c: content of regular files of tmpfs.
 *
 * A file starts as a few bytes in our heap.  When it outgrows TMPFS_SMALL_MAX, or is mapped, or
 * holes are asked for, its content moves into a memfd of the host, for good; from then on the host
 * keeps size, holes and pages, and applications map it.
 *
 *     small (heap) ──(grow, mmap, fallocate)──▶ memfd
 *
 * When the Sentry is out of descriptors, files grow on in the heap, within reason.
 *
 * Invariants under i->lock: with a memfd, its size is i->size; without, content is
 * small[0..i->size) and what lies between size and capacity is zero.
 *
 * Space: pages are charged to the super.  Without holes that is arithmetic; a file that may have
 * holes (sparse) asks the host after each change.  Pages that an application makes by touching a
 * mapped hole are charged at the next change.
 *
 * Descriptors handed to applications' mappings are opened with the rights they need: a mapping that
 * may not write gets a read-only one, so a hostile process can't turn it into a writable one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/overflow.h"
#include "platform/host.h"
#include "vfs/file.h"
#include "vfs/poll.h"
#include "vfs/tmpfs/tmpfs_impl.h"

#define BOUNCE_SIZE (64u * 1024)
#define IOV_BATCH   16
#define FALLOCATE_STEP (32 << 20)

static int host_proc_fd = -1;
/*
 * Memfds that merely hold content have numbers below this: the rest is for what can't do without
 * (mappings, stubs, connections).
 */
static int fd_budget = INT_MAX;

void tmpfs_set_fd_budget(int budget)
{
	fd_budget = budget;
}

void tmpfs_set_proc(int proc_fd)
{
	host_proc_fd = proc_fd;
}

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

static int reg_fd(const struct tmpfs_inode *t)
{
	return atomic_load_explicit(&t->reg.fd, memory_order_acquire); /* reg_make_memfd */
}

void tmpfs_reg_init(struct tmpfs_inode *t)
{
	atomic_init(&t->reg.fd, -1);
	t->reg.ro_fd = -1;
	t->reg.seals = F_SEAL_SEAL;
}

void tmpfs_reg_fini(struct tmpfs_inode *t)
{
	int fd = reg_fd(t);

	host_close_fd(&fd);
	host_close_fd(&t->reg.ro_fd);
	mem_free(t->reg.small);
	tmpfs_uncharge(t, t->reg.pages);
}

/* ---- accounting ------------------------------------------------------------------------------- */

/* Bring what is charged in line with what is used; can't fail: the pages are there. */
static void reg_settle(struct tmpfs_inode *t)
{
	uint64_t used = pages_of(t->i.size);
	struct stat st;

	if (t->reg.sparse && host_fstat(reg_fd(t), &st) == 0)
		used = (uint64_t)st.st_blocks * 512 / PAGE_SIZE;
	if (used > t->reg.pages) {
		atomic_fetch_add_explicit(&tmpfs_sb(t->i.sb)->used_pages, used - t->reg.pages,
					  memory_order_relaxed);
		t->reg.pages = used;
	} else {
		tmpfs_uncharge(t, t->reg.pages - used);
		t->reg.pages = used;
	}
	t->i.blocks = used * (PAGE_SIZE / 512);
}

/*
 * How far a write at pos of size bytes may go for want of space: size, less, or 0.  In a file with
 * holes every page is taken to be new.
 */
static size_t reg_fits(struct tmpfs_inode *t, uint64_t pos, size_t size)
{
	uint64_t room = tmpfs_room(t), first = pos / PAGE_SIZE, last = pages_of(pos + size), have;

	if (room == UINT64_MAX)
		return size;
	if (t->reg.sparse)
		have = first; /* nothing of the range is known to be there */
	else
		have = pages_of(t->i.size) > first ? pages_of(t->i.size) : first;
	if (last <= have || last - have <= room)
		return size;
	if ((have + room) * PAGE_SIZE <= pos)
		return 0;
	return (size_t)((have + room) * PAGE_SIZE - pos);
}

/* ---- storage ---------------------------------------------------------------------------------- */

/* Room for size bytes in the heap. */
static int small_reserve(struct tmpfs_inode *t, uint64_t size)
{
	size_t want = 64;
	char *p;

	if (size <= t->reg.capacity)
		return 0;
	while (want < size)
		want *= 2;
	p = mem_realloc(t->reg.small, want, 1);
	if (!p)
		return -ENOMEM;
	memset(p + t->reg.capacity, 0, want - t->reg.capacity);
	t->reg.small = p;
	t->reg.capacity = want;
	return 0;
}

/* -EMFILE: the number would not be below budget. */
static int reg_make_memfd(struct tmpfs_inode *t, int budget)
{
	size_t size = t->i.size;
	int fd;

	if (reg_fd(t) >= 0)
		return 0;
	fd = host_memfd_create("runsc-tmpfs", MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	if (fd >= budget) {
		host_close(fd);
		return -EMFILE;
	}
	if (size > 0 && host_pwrite(fd, t->reg.small, size, 0) != (ssize_t)size) {
		host_close(fd);
		return -ENOSPC;
	}
	mem_free(t->reg.small);
	t->reg.small = NULL;
	t->reg.capacity = 0;
	/* Pairs with reg_fd(). */
	atomic_store_explicit(&t->reg.fd, fd, memory_order_release);
	return 0;
}

/* As above, where there is no way around it. */
static int reg_need_memfd(struct tmpfs_inode *t)
{
	int err = reg_make_memfd(t, INT_MAX);

	return err == -EMFILE || err == -ENFILE ? -ENOSPC : err;
}

/* Make room for size bytes of content: 0, with a memfd or (reg_fd() < 0) in the heap. */
static int reg_reserve(struct tmpfs_inode *t, uint64_t size)
{
	int err;

	if (reg_fd(t) >= 0)
		return 0;
	if (size <= TMPFS_SMALL_MAX)
		return small_reserve(t, size);
	err = reg_make_memfd(t, fd_budget);
	if ((err == -EMFILE || err == -ENFILE) && size <= TMPFS_HEAP_MAX)
		return small_reserve(t, size);
	return err == -EMFILE || err == -ENFILE ? -ENOSPC : err;
}

/* i->lock held. */
int tmpfs_resize(struct tmpfs_inode *t, uint64_t size)
{
	int err;

	if (size > INT64_MAX)
		return -EFBIG;
	if ((size < t->i.size && (t->reg.seals & F_SEAL_SHRINK)) ||
	    (size > t->i.size && (t->reg.seals & F_SEAL_GROW)))
		return -EPERM;
	err = reg_reserve(t, size);
	if (err < 0)
		return err;
	if (reg_fd(t) < 0) {
		if (size < t->i.size)
			memset(t->reg.small + size, 0, t->i.size - size);
	} else {
		err = host_ftruncate(reg_fd(t), (int64_t)size);
		if (err < 0)
			return err;
		if (size > t->i.size)
			t->reg.sparse = true;
	}
	t->i.size = size;
	reg_settle(t);
	return 0;
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* Straight from the memfd to memory that we can reach. */
static ssize_t memfd_read_direct(int fd, struct uio *dst, int64_t pos)
{
	struct iovec iov[IOV_BATCH];
	int n = uio_host_iovec(dst, iov, IOV_BATCH, true);
	ssize_t r;

	if (n <= 0)
		return -EOPNOTSUPP;
	r = host_preadv2(fd, iov, n, pos, 0);
	if (r > 0)
		uio_filled(dst, (size_t)r);
	return r;
}

static ssize_t memfd_read_bounced(int fd, struct uio *dst, int64_t pos)
{
	size_t want = MIN(uio_left(dst), (size_t)BOUNCE_SIZE), done = 0;
	char *bounce = mem_alloc(want);
	ssize_t n = 0;

	if (!bounce)
		return -ENOMEM;
	while (uio_left(dst) > 0) {
		ssize_t put;

		n = host_pread(fd, bounce, MIN(uio_left(dst), want), pos + (int64_t)done);
		if (n <= 0)
			break;
		put = uio_put(dst, bounce, (size_t)n);
		if (put < 0) {
			n = put;
			break;
		}
		done += (size_t)put;
		if (put < n)
			break;
	}
	mem_free(bounce);
	return done ? (ssize_t)done : n;
}

static ssize_t memfd_read(int fd, struct uio *dst, int64_t pos)
{
	size_t done = 0;

	while (uio_left(dst) > 0) {
		ssize_t n = memfd_read_direct(fd, dst, pos + (int64_t)done);

		if (n == -EOPNOTSUPP)
			n = memfd_read_bounced(fd, dst, pos + (int64_t)done);
		if (n <= 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static ssize_t small_read(struct tmpfs_inode *t, struct uio *dst, int64_t pos)
{
	ssize_t n = 0;

	mutex_lock(&t->i.lock);
	if (reg_fd(t) >= 0)
		n = -EAGAIN; /* has just grown */
	else if ((uint64_t)pos < t->i.size)
		n = uio_put(dst, t->reg.small + pos,
			    MIN(uio_left(dst), (size_t)(t->i.size - (uint64_t)pos)));
	mutex_unlock(&t->i.lock);
	return n;
}

static ssize_t reg_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct tmpfs_inode *t = tmpfs_i(f->inode);
	ssize_t n = -EAGAIN;

	(void)c;
	(void)rwf;
	if (uio_left(dst) == 0)
		return 0;
	if (reg_fd(t) < 0)
		n = small_read(t, dst, *pos);
	if (n == -EAGAIN)
		n = memfd_read(reg_fd(t), dst, *pos);
	if (n > 0)
		*pos += n;
	if (n >= 0 && !(atomic_load_explicit(&f->flags, memory_order_relaxed) & O_NOATIME))
		inode_touch_atime(&t->i, f->path.mnt);
	return n;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static ssize_t memfd_write(int fd, struct uio *src, int64_t pos)
{
	struct iovec iov[IOV_BATCH];
	size_t done = 0, want = MIN(uio_left(src), (size_t)BOUNCE_SIZE);
	char *bounce = NULL;
	ssize_t n = 0;

	while (uio_left(src) > 0) {
		int count = uio_host_iovec(src, iov, IOV_BATCH, false);

		if (count > 0) {
			n = host_pwritev2(fd, iov, count, pos + (int64_t)done, 0);
			if (n > 0)
				uio_advance(src, (size_t)n);
		} else {
			if (!bounce)
				bounce = mem_alloc(want);
			n = bounce ? uio_get(src, bounce, MIN(uio_left(src), want)) : -ENOMEM;
			if (n > 0)
				n = host_pwrite(fd, bounce, (size_t)n, pos + (int64_t)done);
		}
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	mem_free(bounce);
	return done ? (ssize_t)done : n;
}

/* There is room.  A copy that ends at a fault leaves zeros behind the end, as the invariant says. */
static ssize_t small_write(struct tmpfs_inode *t, struct uio *src, int64_t pos)
{
	uint64_t end = (uint64_t)pos + uio_left(src), keep;
	ssize_t n = uio_get(src, t->reg.small + pos, uio_left(src));

	keep = MAX(t->i.size, (uint64_t)pos + (n > 0 ? (uint64_t)n : 0));
	if (end > keep)
		memset(t->reg.small + keep, 0, end - keep);
	return n;
}

static ssize_t write_locked(struct tmpfs_inode *t, struct uio *src, int64_t pos)
{
	uint64_t end = (uint64_t)pos + uio_left(src);
	ssize_t n;
	int err;

	if (t->reg.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (end > t->i.size && (t->reg.seals & F_SEAL_GROW))
		return -EPERM;
	err = reg_reserve(t, end);
	if (err < 0)
		return err;
	if (reg_fd(t) < 0) {
		n = small_write(t, src, pos);
	} else {
		if ((uint64_t)pos > ALIGN_UP(t->i.size, PAGE_SIZE))
			t->reg.sparse = true;
		n = memfd_write(reg_fd(t), src, pos);
	}
	if (n <= 0)
		return n;
	if ((uint64_t)(pos + n) > t->i.size)
		t->i.size = (uint64_t)(pos + n);
	reg_settle(t);
	t->i.mtime = t->i.ctime = vfs_now();
	return n;
}

static ssize_t reg_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	struct tmpfs_inode *t = tmpfs_i(f->inode);
	size_t fits, cut = 0;
	ssize_t n;

	(void)c;
	if (uio_left(src) == 0)
		return 0;
	mutex_lock(&t->i.lock);
	if (rwf & RWF_APPEND)
		*pos = (int64_t)t->i.size;
	n = -EFBIG;
	if (*pos > INT64_MAX - (int64_t)uio_left(src))
		goto out;
	n = -ENOSPC;
	fits = reg_fits(t, (uint64_t)*pos, uio_left(src));
	if (fits == 0)
		goto out;
	if (fits < uio_left(src))
		cut = uio_truncate(src, fits);
	n = write_locked(t, src, *pos);
	if (n > 0)
		*pos += n;
out:
	mutex_unlock(&t->i.lock);
	if (cut)
		uio_extend(src, cut);
	return n;
}

/* ---- holes ------------------------------------------------------------------------------------ */

static int64_t reg_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	struct tmpfs_inode *t = tmpfs_i(f->inode);
	int64_t pos;

	(void)c;
	if ((whence != SEEK_DATA && whence != SEEK_HOLE) || reg_fd(t) < 0)
		return file_llseek_size(f, off, whence, (int64_t)t->i.size);
	if (off < 0)
		return -ENXIO;
	mutex_lock(&t->i.lock); /* the host descriptor's own position is nobody's */
	pos = host_lseek(reg_fd(t), off, whence);
	mutex_unlock(&t->i.lock);
	return pos;
}

/* In steps: who asks for more than there is must be killable while the host looks for it (shmem_fallocate()). */
static int fallocate_host(struct vfs_ctx *c, int fd, int mode, int64_t off, int64_t len)
{
	int64_t step;
	int err = 0;

	if (mode & FALLOC_FL_PUNCH_HOLE)
		return host_fallocate(fd, mode, off, len);
	for (; len > 0 && err >= 0; off += step, len -= step) {
		if (vfs_interrupted(c))
			return -ERESTARTSYS;
		step = MIN(len, (int64_t)FALLOCATE_STEP);
		err = host_fallocate(fd, mode, off, step);
	}
	return err;
}

static int fallocate_locked(struct vfs_ctx *c, struct tmpfs_inode *t, int mode, int64_t off, int64_t len)
{
	uint64_t end = (uint64_t)off + (uint64_t)len;
	int err;

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (t->reg.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			return -EPERM;
	} else {
		/* KEEP_SIZE too, unlike file systems on disks (inode_newsize_ok()). */
		if (end > c->fsize_limit && end > t->i.size) {
			vfs_raise(c, SIGXFSZ);
			return -EFBIG;
		}
		if (end > t->i.size && (t->reg.seals & F_SEAL_GROW))
			return -EPERM;
		if (reg_fits(t, (uint64_t)off, (size_t)len) < (size_t)len)
			return -ENOSPC;
	}
	err = reg_need_memfd(t);
	if (err < 0)
		return err;
	err = fallocate_host(c, reg_fd(t), mode, off, len);
	t->reg.sparse = true; /* holes, or pages behind the end */
	if (err < 0) {
		reg_settle(t); /* of what has come */
		return err;
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > t->i.size)
		t->i.size = end;
	reg_settle(t);
	t->i.mtime = t->i.ctime = vfs_now();
	return 0;
}

static int reg_fallocate(struct vfs_ctx *c, struct file *f, int mode, int64_t off, int64_t len)
{
	struct tmpfs_inode *t = tmpfs_i(f->inode);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	mutex_lock(&t->i.lock);
	err = fallocate_locked(c, t, mode, off, len);
	mutex_unlock(&t->i.lock);
	return err;
}

/* ---- mapping ---------------------------------------------------------------------------------- */

/* A read-only descriptor of the memfd; the writable one when there is no procfs to get it from. */
static int reg_ro_fd(struct tmpfs_inode *t)
{
	char name[32];
	int fd;

	if (t->reg.ro_fd >= 0 || host_proc_fd < 0)
		return t->reg.ro_fd >= 0 ? t->reg.ro_fd : reg_fd(t);
	snprintf(name, sizeof(name), "self/fd/%d", reg_fd(t));
	fd = host_openat(host_proc_fd, name, O_RDONLY, 0);
	if (fd >= 0)
		t->reg.ro_fd = fd;
	return fd;
}

static int reg_mmap(struct vfs_ctx *c, struct file *f, struct mmap_request *r)
{
	struct tmpfs_inode *t = tmpfs_i(f->inode);
	bool shared = (r->flags & MAP_TYPE) != MAP_PRIVATE;
	bool writable = shared && (f->kind & FILE_WRITE);
	int err;

	(void)c;
	mutex_lock(&t->i.lock);
	if (t->reg.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
		err = shared && (r->prot & PROT_WRITE) ? -EPERM : 0;
		writable = false;
		if (err < 0)
			goto out;
	}
	err = reg_need_memfd(t);
	if (err < 0)
		goto out;
	r->host_fd = writable ? reg_fd(t) : reg_ro_fd(t);
	r->host_offset = r->offset;
	r->anonymous = false;
	err = r->host_fd < 0 ? r->host_fd : 0;
	if (err == 0 && writable) {
		/* mprotect(2) goes to the host alone, so a writable mapping is one for good. */
		atomic_store_explicit(&t->reg.shared_writable, 1, memory_order_relaxed);
		t->reg.sparse = true;
	}
out:
	mutex_unlock(&t->i.lock);
	return err;
}

const struct file_ops tmpfs_reg_fops = {
	.read = reg_read,
	.write = reg_write,
	.llseek = reg_llseek,
	.fallocate = reg_fallocate,
	.mmap = reg_mmap,
};

/* ---- seals ------------------------------------------------------------------------------------ */

int tmpfs_get_seals(struct file *f)
{
	if (f->ops != &tmpfs_reg_fops)
		return -EINVAL;
	return (int)tmpfs_i(f->inode)->reg.seals;
}

/*
 * Whether nobody can write through a mapping any more.  Mappings go without our seeing it, so the host
 * is asked, which seals its memfd for good then.
 */
static bool reg_unmapped_locked(struct tmpfs_inode *t)
{
	if (!atomic_load_explicit(&t->reg.shared_writable, memory_order_relaxed))
		return true;
	return host_fcntl(reg_fd(t), F_ADD_SEALS, F_SEAL_WRITE) == 0;
}

int tmpfs_add_seals(struct vfs_ctx *c, struct file *f, unsigned int seals)
{
	const unsigned int known = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
				   F_SEAL_FUTURE_WRITE | 0x20 /* F_SEAL_EXEC */;
	struct tmpfs_inode *t;
	int err = 0;

	(void)c;
	if (f->ops != &tmpfs_reg_fops)
		return -EINVAL;
	if (!(f->kind & FILE_WRITE))
		return -EPERM;
	if (seals & ~known)
		return -EINVAL;
	t = tmpfs_i(f->inode);
	mutex_lock(&t->i.lock);
	if (t->reg.seals & F_SEAL_SEAL)
		err = -EPERM;
	else if ((seals & F_SEAL_WRITE) && !(t->reg.seals & F_SEAL_WRITE) && !reg_unmapped_locked(t))
		err = -EBUSY;
	else
		t->reg.seals |= seals;
	mutex_unlock(&t->i.lock);
	return err;
}
