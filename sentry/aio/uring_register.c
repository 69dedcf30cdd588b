/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_register.c: what io_uring_register(2) gives a ring (buffers, files, an eventfd), and requests that use
 * registered files or make them (direct descriptors).
 *
 * Registered files are a descriptor table of the ring's.  A request that names one runs on a view of its submitter's
 * table (fdt_view_new()), in which the file is lent as FDT_LENT: so the numbers that its data names, those of
 * SCM_RIGHTS say, stay the process's.  What makes a direct descriptor runs with the view's catch on, and its file goes
 * from there to its slot.
 * Buffers are addresses only: nothing is pinned.
 */
#include "sentry/aio/uring_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include "lib/mem.h"
#include "sentry/task/task.h"
#include "vfs/eventfd.h"

#define FILES_MAX   32768
#define BUFFERS_MAX 16384

/* ---- buffers ------------------------------------------------------------------------------------ */

int uring_check_fixed_buffer(struct uring *u, const struct io_uring_sqe *e)
{
	const struct iovec *b;
	int err = -EFAULT;

	if (e->opcode != IORING_OP_READ_FIXED && e->opcode != IORING_OP_WRITE_FIXED)
		return 0;
	mutex_lock(&u->lock);
	b = e->buf_index < u->buffer_count ? &u->buffers[e->buf_index] : NULL;
	if (b && e->addr >= (uint64_t)b->iov_base &&
	    e->addr - (uint64_t)b->iov_base <= b->iov_len &&
	    e->len <= b->iov_len - (e->addr - (uint64_t)b->iov_base))
		err = 0;
	mutex_unlock(&u->lock);
	return err;
}

static int check_buffer(const struct iovec *b)
{
	return (!b->iov_base && b->iov_len) || b->iov_len > 1ul << 30 ? -EFAULT : 0;
}

int uring_register_buffers(struct task *t, struct uring *u, uaddr_t iov, unsigned int count)
{
	struct iovec *b;
	int err = 0;

	if (!count || count > BUFFERS_MAX)
		return -EINVAL;
	b = mem_calloc(count, sizeof(*b));
	if (!b)
		return -ENOMEM;
	if (iov.addr && uaccess_get(t, b, iov, count * sizeof(*b)))
		err = -EFAULT;
	for (unsigned int i = 0; i < count && !err; i++)
		err = check_buffer(&b[i]);
	mutex_lock(&u->lock);
	if (!err && u->buffers)
		err = -EBUSY;
	if (!err) {
		u->buffers = b;
		u->buffer_count = count;
	}
	mutex_unlock(&u->lock);
	if (err)
		mem_free(b);
	return err;
}

int uring_unregister_buffers(struct uring *u)
{
	struct iovec *b;

	mutex_lock(&u->lock);
	b = u->buffers;
	u->buffers = NULL;
	u->buffer_count = 0;
	mutex_unlock(&u->lock);
	mem_free(b);
	return b ? 0 : -ENXIO;
}

int uring_update_buffers(struct task *t, struct uring *u, unsigned int at, uaddr_t iov, unsigned int count)
{
	struct iovec b;
	int err = 0;

	for (unsigned int i = 0; i < count; i++) {
		err = uaccess_get(t, &b, uaddr_add(iov, i * sizeof(b)), sizeof(b)) ? -EFAULT : check_buffer(&b);
		mutex_lock(&u->lock);
		if (!u->buffers)
			err = -ENXIO;
		else if (at >= u->buffer_count || i >= u->buffer_count - at)
			err = -EINVAL;
		else if (!err)
			u->buffers[at + i] = b;
		mutex_unlock(&u->lock);
		if (err)
			return i ? (int)i : err;
	}
	return (int)count;
}

/* ---- files -------------------------------------------------------------------------------------- */

/* fd (of the task's) into the table at i; -1 empties, -2 leaves it. */
static int files_put_one(struct task *t, struct fdtable *files, unsigned int i, int fd)
{
	struct file *f;
	int at;

	if (fd == -2)
		return 0;
	(void)fdt_close(task_vfs(t), files, (int)i);
	if (fd == -1)
		return 0;
	f = fdt_file_nopath(t->fdt, fd);
	if (!f)
		return -EBADF;
	if (file_uring(f)) {
		file_put(f);
		return -EBADF;
	}
	at = fdt_reserve_from(files, (int)i, FILES_MAX);
	if (at != (int)i) {
		if (at >= 0)
			fdt_unreserve(files, 1, &at);
		file_put(f);
		return at < 0 ? at : -EBUSY;
	}
	fdt_install(files, at, f, 0); /* consumes f */
	return 0;
}

static int files_put(struct task *t, struct fdtable *files, unsigned int at, uaddr_t ufds,
		     unsigned int count)
{
	int err = 0, fd;

	for (unsigned int i = 0; i < count; i++) {
		if (uaccess_get(t, &fd, uaddr_add(ufds, i * sizeof(fd)), sizeof(fd)))
			err = -EFAULT;
		else
			err = files_put_one(t, files, at + i, fd);
		if (err)
			return i ? (int)i : err;
	}
	return (int)count;
}

int uring_register_files(struct task *t, struct uring *u, uaddr_t fds, unsigned int count)
{
	struct fdtable *files;
	int err = 0;

	if (!count)
		return -EINVAL;
	if (count > FILES_MAX || count > task_rlimit(t, RLIMIT_NOFILE))
		return -EMFILE;
	files = fdt_new();
	if (!files)
		return -ENOMEM;
	if (fds.addr)
		err = files_put(t, files, 0, fds, count);
	if (err >= 0)
		err = !fds.addr || err == (int)count ? 0 : -EBADF;
	mutex_lock(&u->lock);
	if (!err && u->files)
		err = -EBUSY;
	if (!err) {
		u->files = files;
		u->file_count = count;
		u->alloc_from = 0;
		u->alloc_end = count;
	}
	mutex_unlock(&u->lock);
	if (err)
		fdt_put(task_vfs(t), files);
	return err;
}

int uring_unregister_files(struct uring *u)
{
	struct fdtable *files;

	mutex_lock(&u->lock);
	files = u->files;
	u->files = NULL;
	mutex_unlock(&u->lock);
	if (!files)
		return -ENXIO;
	fdt_put(NULL, files);
	return 0;
}

int uring_update_files(struct task *t, struct uring *u, unsigned int at, uaddr_t fds, unsigned int count)
{
	struct fdtable *files;
	unsigned int room;
	int n;

	mutex_lock(&u->lock);
	files = u->files ? fdt_get(u->files) : NULL;
	room = u->file_count;
	mutex_unlock(&u->lock);
	if (!files)
		return -ENXIO;
	n = at > room || count > room - at ? -EINVAL : files_put(t, files, at, fds, count);
	fdt_put(NULL, files);
	return n;
}

/* ---- direct descriptors ------------------------------------------------------------------------ */

int uring_register_alloc_range(struct uring *u, unsigned int from, unsigned int count)
{
	int err = 0;

	mutex_lock(&u->lock);
	if (!u->files)
		err = -ENXIO;
	else if (from > u->file_count || count > u->file_count - from)
		err = -EINVAL;
	if (!err) {
		u->alloc_from = from;
		u->alloc_end = from + count;
	}
	mutex_unlock(&u->lock);
	return err;
}

static bool makes_descriptor(const struct io_uring_sqe *e)
{
	return e->opcode == IORING_OP_OPENAT || e->opcode == IORING_OP_OPENAT2 || e->opcode == IORING_OP_ACCEPT ||
	       e->opcode == IORING_OP_SOCKET;
}

/* IOSQE_FIXED_FILE means something for these only; the others take a number of the process, or none. */
static bool takes_file(const struct io_uring_sqe *e)
{
	switch (e->opcode) {
	case IORING_OP_READV:
	case IORING_OP_WRITEV:
	case IORING_OP_READ:
	case IORING_OP_WRITE:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE_FIXED:
	case URING_OP_READ_MULTISHOT:
	case IORING_OP_FSYNC:
	case IORING_OP_SYNC_FILE_RANGE:
	case IORING_OP_FALLOCATE:
	case IORING_OP_FADVISE:
	case URING_OP_FTRUNCATE:
	case IORING_OP_POLL_ADD:
	case IORING_OP_SENDMSG:
	case IORING_OP_RECVMSG:
	case IORING_OP_SEND:
	case IORING_OP_RECV:
	case IORING_OP_SEND_ZC:
	case IORING_OP_SENDMSG_ZC:
	case IORING_OP_ACCEPT:
	case IORING_OP_CONNECT:
	case IORING_OP_SHUTDOWN:
	case URING_OP_BIND:
	case URING_OP_LISTEN:
	case IORING_OP_SPLICE:
	case IORING_OP_TEE:
	case IORING_OP_FGETXATTR:
	case IORING_OP_FSETXATTR:
	case IORING_OP_MSG_RING:
	case URING_OP_FIXED_FD_INSTALL:
		return true;
	default:
		return false;
	}
}

static bool splices_fixed(const struct io_uring_sqe *e)
{
	return (e->opcode == IORING_OP_SPLICE || e->opcode == IORING_OP_TEE) && (e->splice_flags & SPLICE_F_FD_IN_FIXED);
}

bool uring_uses_files(const struct io_uring_sqe *e)
{
	return ((e->flags & IOSQE_FIXED_FILE) && takes_file(e)) || (makes_descriptor(e) && e->file_index) ||
	       splices_fixed(e);
}

/* Registered file i, for the view's number n. */
static int lend_file(struct uring_chain *c, struct task *t, int i, int n)
{
	struct file *f = c->files ? fdt_file_nopath(c->files, i) : NULL;

	if (!f)
		return -EBADF;
	fdt_view_lend(t->fdt, n, f); /* consumes f */
	return FDT_LENT + n;
}

long uring_run_with_files(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e)
{
	bool direct = makes_descriptor(e) && e->file_index;
	struct io_uring_sqe one = *e;
	long r = 0;

	if ((e->flags & IOSQE_FIXED_FILE) && takes_file(e))
		r = one.fd = lend_file(c, t, e->fd, 0);
	if (r >= 0 && splices_fixed(e)) {
		r = one.splice_fd_in = lend_file(c, t, e->splice_fd_in, 1);
		one.splice_flags &= ~SPLICE_F_FD_IN_FIXED;
	}
	if (r >= 0) {
		fdt_view_catch(t->fdt, direct);
		r = uring_run_op(c, t, &one, false);
		fdt_view_catch(t->fdt, false);
		if (direct && !uring_is_multishot(e))
			r = uring_direct_place(c, t, e, r);
	}
	fdt_view_lend(t->fdt, 0, NULL);
	fdt_view_lend(t->fdt, 1, NULL);
	return r;
}

/* f (consumed) into files, at slot or at any free one of the range; what the completion says. */
static long file_place(struct task *t, struct uring *u, struct fdtable *files, uint32_t slot, struct file *f)
{
	bool any = slot == IORING_FILE_INDEX_ALLOC;
	unsigned int from, end;
	int at;

	mutex_lock(&u->lock);
	from = any ? u->alloc_from : slot - 1;
	end = any ? u->alloc_end : u->file_count;
	mutex_unlock(&u->lock);
	if (!any && from >= end) {
		file_put(f);
		return -EINVAL;
	}
	if (!any)
		(void)fdt_close(task_vfs(t), files, (int)from);
	at = from < end ? fdt_reserve_from(files, (int)from, end) : -EMFILE;
	if (at < 0 || (!any && at != (int)from)) {
		if (at >= 0)
			fdt_unreserve(files, 1, &at);
		file_put(f);
		return any ? -ENFILE : -EBUSY;
	}
	fdt_install(files, at, f, 0); /* consumes f */
	return any ? at : 0;
}

long uring_direct_place(struct uring_chain *c, struct task *t, const struct io_uring_sqe *e, long r)
{
	struct file *f = fdt_view_take_caught(t->fdt);

	if (r >= 0 && f && c->files)
		return file_place(t, c->u, c->files, e->file_index, f); /* consumes f */
	file_put(f);
	return r < 0 ? r : -ENXIO;
}

/* The table of u's registered files, counted; NULL: none. */
static struct fdtable *files_get(struct uring *u, unsigned int *count)
{
	struct fdtable *files;

	mutex_lock(&u->lock);
	files = u->files ? fdt_get(u->files) : NULL;
	*count = u->file_count;
	mutex_unlock(&u->lock);
	return files;
}

long uring_close_direct(struct task *t, struct uring *u, const struct io_uring_sqe *e)
{
	unsigned int count;
	struct fdtable *files;
	long r;

	if (e->fd)
		return -EINVAL;
	files = files_get(u, &count);
	if (!files)
		return -ENXIO;
	r = e->file_index > count ? -EINVAL : fdt_close(task_vfs(t), files, (int)e->file_index - 1);
	fdt_put(task_vfs(t), files);
	return r;
}

/* Each descriptor of the array gets a free slot, whose number takes its place there.  How many did. */
static long files_place_all(struct task *t, struct uring *u, struct fdtable *files, uaddr_t fds, unsigned int count)
{
	long r = 0;

	for (unsigned int i = 0; i < count; i++) {
		uaddr_t at = uaddr_add(fds, i * sizeof(int));
		struct file *f = NULL;
		int fd;

		r = uaccess_get(t, &fd, at, sizeof(fd)) ? -EFAULT : 0;
		if (!r) {
			f = fdt_file_nopath(t->fdt, fd);
			r = f && !file_uring(f) ? 0 : -EBADF;
		}
		if (r) {
			file_put(f);
			return i ? (long)i : r;
		}
		r = file_place(t, u, files, IORING_FILE_INDEX_ALLOC, f); /* consumes f */
		if (r < 0)
			return i ? (long)i : r;
		fd = (int)r;
		if (uaccess_put(t, at, &fd, sizeof(fd))) {
			(void)fdt_close(task_vfs(t), files, fd);
			return i ? (long)i : -EFAULT;
		}
	}
	return (long)count;
}

long uring_files_update_op(struct task *t, struct uring *u, const struct io_uring_sqe *e)
{
	struct fdtable *files;
	unsigned int count;
	long r;

	if ((e->flags & (IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT)) || e->rw_flags || e->splice_fd_in || !e->len)
		return -EINVAL;
	if ((uint32_t)e->off != IORING_FILE_INDEX_ALLOC)
		return uring_update_files(t, u, (uint32_t)e->off, (uaddr_t){ e->addr }, e->len);
	files = files_get(u, &count);
	if (!files)
		return -ENXIO;
	r = files_place_all(t, u, files, (uaddr_t){ e->addr }, e->len);
	fdt_put(task_vfs(t), files);
	return r;
}

/* ---- others ------------------------------------------------------------------------------------- */

int uring_register_eventfd(struct task *t, struct uring *u, int fd)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	int err;

	if (!f)
		return -EBADF;
	err = eventfd_signal(f, 0);
	mutex_lock(&u->lock);
	if (!err && u->eventfd)
		err = -EBUSY;
	if (!err)
		u->eventfd = file_get(f);
	mutex_unlock(&u->lock);
	file_put(f);
	return err;
}

int uring_register_buf_ring(struct task *t, struct uring *u, uaddr_t arg)
{
	return uring_bufs_register_ring(t, &u->bufs, arg);
}

int uring_unregister_buf_ring(struct task *t, struct uring *u, uaddr_t arg)
{
	return uring_bufs_unregister_ring(t, &u->bufs, arg);
}

int uring_unregister_eventfd(struct uring *u)
{
	struct file *f;

	mutex_lock(&u->lock);
	f = u->eventfd;
	u->eventfd = NULL;
	mutex_unlock(&u->lock);
	file_put(f);
	return f ? 0 : -ENXIO;
}
