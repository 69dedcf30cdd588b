/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring_ops.c: what a submission queue entry means: mostly a system call's handler with the entry's
 * fields as arguments.  io_uring_enter(2) lists them.  Entries are copies: nothing changes under us.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "sentry/aio/uring_impl.h"
#include "sentry/task/task.h"
#include "sys_calls.h"
#include "vfs/pipe.h"
#include "vfs/poll.h"

#define FD_INSTALL_NO_CLOEXEC 1u /* IORING_FIXED_FD_NO_CLOEXEC */

typedef const struct io_uring_sqe sqe_t_;

static uaddr_t addr_of(uint64_t a)
{
	return (uaddr_t){ a };
}

static bool is_stream(struct task *t, int fd)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);
	bool stream = f && (f->kind & FILE_STREAM);

	file_put(f);
	return stream;
}

static long op_nop(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)t, (void)e, (void)nowait;
	return 0;
}

/* ---- reading and writing ---------------------------------------------------------------------- */

/* The offset, or -1 for the file's own position. */
static uint64_t offset_of(struct task *t, sqe_t_ *e)
{
	return is_stream(t, e->fd) ? UINT64_MAX : e->off;
}

static long op_readv(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_preadv2(t, e->fd, addr_of(e->addr), e->len, offset_of(t, e), 0, e->rw_flags);
}

static long op_writev(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_pwritev2(t, e->fd, addr_of(e->addr), e->len, offset_of(t, e), 0, e->rw_flags);
}

static long op_read(struct task *t, sqe_t_ *e, bool nowait)
{
	uint64_t off = offset_of(t, e);

	(void)nowait;
	if (off == UINT64_MAX)
		return sys_read(t, e->fd, addr_of(e->addr), e->len);
	return sys_pread64(t, e->fd, addr_of(e->addr), e->len, (int64_t)off);
}

static long op_write(struct task *t, sqe_t_ *e, bool nowait)
{
	uint64_t off = offset_of(t, e);

	(void)nowait;
	if (off == UINT64_MAX)
		return sys_write(t, e->fd, addr_of(e->addr), e->len);
	return sys_pwrite64(t, e->fd, addr_of(e->addr), e->len, (int64_t)off);
}

static long op_fsync(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	if (e->fsync_flags & ~IORING_FSYNC_DATASYNC)
		return -EINVAL;
	return e->fsync_flags ? sys_fdatasync(t, e->fd) : sys_fsync(t, e->fd);
}

static long op_sync_range(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_sync_file_range(t, e->fd, (int64_t)e->off, e->len, e->sync_range_flags);
}

static long op_fallocate(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_fallocate(t, e->fd, (int)e->len, (int64_t)e->off, (int64_t)e->addr);
}

static long op_fadvise(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_fadvise64(t, e->fd, (int64_t)e->off, e->len, (int)e->fadvise_advice);
}

/* Needs the caller's own host thread. */
static long op_madvise(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return t->pt ? sys_madvise(t, addr_of(e->addr), e->len, (int)e->fadvise_advice) : -EINVAL;
}

static long op_splice(struct task *t, sqe_t_ *e, bool nowait)
{
	int64_t in_off = (int64_t)e->splice_off_in, out_off = (int64_t)e->off;
	struct file *in, *out;
	long n = -EBADF;

	(void)nowait;
	if (e->splice_flags & ~(uint32_t)(SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE))
		return -EINVAL;
	in = fdt_file_nopath(t->fdt, e->splice_fd_in);
	out = fdt_file_nopath(t->fdt, e->fd);
	if (in && out)
		n = pipe_splice(task_vfs(t), in, in_off == -1 ? NULL : &in_off, out,
				out_off == -1 ? NULL : &out_off, e->len, e->splice_flags);
	file_put(in);
	file_put(out);
	return n;
}

static long op_tee(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_tee(t, e->splice_fd_in, e->fd, e->len, e->splice_flags);
}

/* ---- names ------------------------------------------------------------------------------------ */

static long op_openat(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	if (e->file_index && (e->open_flags & O_CLOEXEC))
		return -EINVAL;
	return sys_openat(t, e->fd, addr_of(e->addr), (int)e->open_flags, e->len);
}

static long op_openat2(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_openat2(t, e->fd, addr_of(e->addr), addr_of(e->off), e->len);
}

static long op_close(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return e->flags & IOSQE_FIXED_FILE ? -EBADF : sys_close(t, e->fd);
}

static long op_statx(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_statx(t, e->fd, addr_of(e->addr), e->statx_flags, e->len, addr_of(e->off));
}

static long op_renameat(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_renameat2(t, e->fd, addr_of(e->addr), (int)e->len, addr_of(e->addr2),
			     e->rename_flags);
}

static long op_unlinkat(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_unlinkat(t, e->fd, addr_of(e->addr), (int)e->unlink_flags);
}

static long op_mkdirat(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_mkdirat(t, e->fd, addr_of(e->addr), e->len);
}

static long op_symlinkat(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_symlinkat(t, addr_of(e->addr), e->fd, addr_of(e->addr2));
}

static long op_linkat(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_linkat(t, e->fd, addr_of(e->addr), (int)e->len, addr_of(e->addr2),
			  (int)e->hardlink_flags);
}

static long op_epoll_ctl(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_epoll_ctl(t, e->fd, (int)e->len, (int)e->off, addr_of(e->addr));
}

static long op_setxattr(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_setxattr(t, addr_of(e->addr3), addr_of(e->addr), addr_of(e->addr2), e->len, (int)e->xattr_flags);
}

static long op_fsetxattr(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_fsetxattr(t, e->fd, addr_of(e->addr), addr_of(e->addr2), e->len, (int)e->xattr_flags);
}

static long op_getxattr(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return e->xattr_flags ? -EINVAL : sys_getxattr(t, addr_of(e->addr3), addr_of(e->addr), addr_of(e->addr2), e->len);
}

static long op_fgetxattr(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return e->xattr_flags ? -EINVAL : sys_fgetxattr(t, e->fd, addr_of(e->addr), addr_of(e->addr2), e->len);
}

static long op_ftruncate(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_ftruncate(t, e->fd, (int64_t)e->off);
}

/* A registered file gets a number. */
static long op_fd_install(struct task *t, sqe_t_ *e, bool nowait)
{
	struct file *f;

	(void)nowait;
	if (!(e->flags & IOSQE_FIXED_FILE))
		return -EBADF;
	if (e->off || e->addr || e->len || e->buf_index || e->splice_fd_in || e->addr3 ||
	    (e->rw_flags & ~FD_INSTALL_NO_CLOEXEC))
		return -EINVAL;
	f = fdt_file(t->fdt, e->fd);
	if (!f)
		return -EBADF;
	return fdt_add(t->fdt, f, e->rw_flags ? 0 : O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

/* ---- sockets ---------------------------------------------------------------------------------- */

static unsigned int msg_flags(sqe_t_ *e, bool nowait)
{
	return e->msg_flags | MSG_NOSIGNAL | (nowait ? (unsigned int)MSG_DONTWAIT : 0);
}

static long op_sendmsg(struct task *t, sqe_t_ *e, bool nowait)
{
	return sys_sendmsg(t, e->fd, addr_of(e->addr), msg_flags(e, nowait));
}

static long op_recvmsg(struct task *t, sqe_t_ *e, bool nowait)
{
	return sys_recvmsg(t, e->fd, addr_of(e->addr), msg_flags(e, nowait) & ~(unsigned int)MSG_NOSIGNAL);
}

static long op_send(struct task *t, sqe_t_ *e, bool nowait)
{
	return sys_sendto(t, e->fd, addr_of(e->addr), e->len, msg_flags(e, nowait), addr_of(e->addr2),
			  e->addr2 ? e->addr_len : 0);
}

static long op_recv(struct task *t, sqe_t_ *e, bool nowait)
{
	return sys_recvfrom(t, e->fd, addr_of(e->addr), e->len,
			    msg_flags(e, nowait) & ~(unsigned int)MSG_NOSIGNAL, UADDR_NULL, UADDR_NULL);
}

static long op_accept(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	if (e->file_index && (e->accept_flags & SOCK_CLOEXEC))
		return -EINVAL;
	return sys_accept4(t, e->fd, addr_of(e->addr), addr_of(e->addr2), (int)e->accept_flags);
}

static long op_connect(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_connect(t, e->fd, addr_of(e->addr), (int)e->addr2);
}

static long op_shutdown(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_shutdown(t, e->fd, (int)e->len);
}

static long op_socket(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	if (e->file_index && (e->off & SOCK_CLOEXEC))
		return -EINVAL;
	return e->rw_flags ? -EINVAL : sys_socket(t, e->fd, (int)e->off, (int)e->len);
}

static long op_bind(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_bind(t, e->fd, addr_of(e->addr), (int)e->addr2);
}

static long op_listen(struct task *t, sqe_t_ *e, bool nowait)
{
	(void)nowait;
	return sys_listen(t, e->fd, (int)e->len);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static long op_poll(struct task *t, sqe_t_ *e, bool nowait)
{
	struct poll_slot s = { .events = (e->poll32_events & 0xffff) | POLL_ALWAYS };
	long n;

	(void)nowait;
	s.file = fdt_file_nopath(t->fdt, e->fd);
	if (!s.file)
		return -EBADF;
	n = poll_wait(task_vfs(t), &s, 1, INT64_MAX);
	file_put(s.file);
	return n < 0 ? n : (long)s.revents;
}

#define OP(number, kind_, fn_) [number] = { kind_, fn_ }
static const struct uring_op ops[] = {
	OP(IORING_OP_NOP, URING_INLINE, op_nop),
	OP(IORING_OP_READV, URING_IN, op_readv),
	OP(IORING_OP_WRITEV, URING_OUT, op_writev),
	OP(IORING_OP_FSYNC, URING_WAITS, op_fsync),
	OP(IORING_OP_READ_FIXED, URING_IN, op_read),
	OP(IORING_OP_WRITE_FIXED, URING_OUT, op_write),
	OP(IORING_OP_POLL_ADD, URING_WAITS, op_poll),
	OP(IORING_OP_POLL_REMOVE, URING_RING, NULL),
	OP(IORING_OP_SYNC_FILE_RANGE, URING_WAITS, op_sync_range),
	OP(IORING_OP_SENDMSG, URING_OUT, op_sendmsg),
	OP(IORING_OP_RECVMSG, URING_IN, op_recvmsg),
	OP(IORING_OP_TIMEOUT, URING_RING, NULL),
	OP(IORING_OP_TIMEOUT_REMOVE, URING_RING, NULL),
	OP(IORING_OP_ACCEPT, URING_WAITS, op_accept),
	OP(IORING_OP_ASYNC_CANCEL, URING_RING, NULL),
	OP(IORING_OP_LINK_TIMEOUT, URING_RING, NULL),
	OP(IORING_OP_CONNECT, URING_WAITS, op_connect),
	OP(IORING_OP_FALLOCATE, URING_WAITS, op_fallocate),
	OP(IORING_OP_OPENAT, URING_INLINE, op_openat),
	OP(IORING_OP_CLOSE, URING_INLINE, op_close),
	OP(IORING_OP_STATX, URING_INLINE, op_statx),
	OP(IORING_OP_READ, URING_IN, op_read),
	OP(IORING_OP_WRITE, URING_OUT, op_write),
	OP(IORING_OP_FADVISE, URING_INLINE, op_fadvise),
	OP(IORING_OP_MADVISE, URING_INLINE, op_madvise),
	OP(IORING_OP_SEND, URING_OUT, op_send),
	OP(IORING_OP_RECV, URING_IN, op_recv),
	OP(IORING_OP_PROVIDE_BUFFERS, URING_RING, NULL),
	OP(IORING_OP_REMOVE_BUFFERS, URING_RING, NULL),
	OP(IORING_OP_OPENAT2, URING_INLINE, op_openat2),
	OP(IORING_OP_EPOLL_CTL, URING_INLINE, op_epoll_ctl),
	OP(IORING_OP_SPLICE, URING_WAITS, op_splice),
	OP(IORING_OP_TEE, URING_WAITS, op_tee),
	OP(IORING_OP_SHUTDOWN, URING_INLINE, op_shutdown),
	OP(IORING_OP_RENAMEAT, URING_INLINE, op_renameat),
	OP(IORING_OP_UNLINKAT, URING_INLINE, op_unlinkat),
	OP(IORING_OP_MKDIRAT, URING_INLINE, op_mkdirat),
	OP(IORING_OP_SYMLINKAT, URING_INLINE, op_symlinkat),
	OP(IORING_OP_LINKAT, URING_INLINE, op_linkat),
	OP(IORING_OP_SOCKET, URING_INLINE, op_socket),
	OP(IORING_OP_FILES_UPDATE, URING_RING, NULL),
	OP(IORING_OP_MSG_RING, URING_RING, NULL),
	OP(IORING_OP_FSETXATTR, URING_INLINE, op_fsetxattr),
	OP(IORING_OP_SETXATTR, URING_INLINE, op_setxattr),
	OP(IORING_OP_FGETXATTR, URING_INLINE, op_fgetxattr),
	OP(IORING_OP_GETXATTR, URING_INLINE, op_getxattr),
	OP(IORING_OP_SEND_ZC, URING_OUT, op_send),
	OP(IORING_OP_SENDMSG_ZC, URING_OUT, op_sendmsg),
	OP(URING_OP_READ_MULTISHOT, URING_WAITS, NULL),
	OP(URING_OP_FIXED_FD_INSTALL, URING_INLINE, op_fd_install),
	OP(URING_OP_FTRUNCATE, URING_INLINE, op_ftruncate),
	OP(URING_OP_BIND, URING_INLINE, op_bind),
	OP(URING_OP_LISTEN, URING_INLINE, op_listen),
};

const struct uring_op *uring_op(unsigned int opcode)
{
	static const struct uring_op absent;

	return opcode < ARRAY_SIZE(ops) ? &ops[opcode] : &absent;
}
