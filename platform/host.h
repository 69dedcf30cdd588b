/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h: the host's system calls, one thin wrapper each.  All return what the kernel returns: a
 * result, or a negative errno.  Nothing retries on EINTR and nothing reads or sets errno, so they
 * are safe on fibers (no thread-local storage).  Descriptors are always close-on-exec: where a call
 * has a flag for it, the wrapper adds it.
 *
 * Whether the process may make a call is its filter's business: platform/host_<process>.tbl.  A new
 * wrapper is not a permission.
 *
 * The sanitizers do not see through these calls (they intercept libc's): TSan learns of no
 * happens-before from a pipe or socket, so threads that meet only there need an atomic as well.
 */
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include "lib/util.h"
#include "platform/arch/x86_64/host_call.h"

#define HOST_ARG_(x) ((long)(x))
#define host_call(nr, a, b, c) \
	host_call3((nr), HOST_ARG_(a), HOST_ARG_(b), HOST_ARG_(c))

/* ---- descriptors --------------------------------------------------------------------------- */

/* Errors are not to be acted on: Linux frees the descriptor in any case. */
static inline void host_close(int fd)
{
	(void)host_call(SYS_close, fd, 0, 0);
}

/* Close *fd if it is one, and forget it (for cleanup attributes and teardown ladders). */
static inline void host_close_fd(int *fd)
{
	if (*fd >= 0)
		host_close(*fd);
	*fd = -1;
}

static inline int host_dup(int fd)
{
	return (int)host_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

static inline int host_dup3(int fd, int to, int flags)
{
	return (int)host_call(SYS_dup3, fd, to, flags);
}

static inline int host_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return (int)host_call(SYS_close_range, first, last, flags);
}

static inline long host_fcntl(int fd, int cmd, long arg)
{
	return host_call(SYS_fcntl, fd, cmd, arg);
}

static inline long host_ioctl(int fd, unsigned long cmd, void *arg)
{
	return host_call(SYS_ioctl, fd, cmd, arg);
}

static inline ssize_t host_read(int fd, void *buf, size_t size)
{
	return host_call(SYS_read, fd, buf, size);
}

static inline ssize_t host_write(int fd, const void *buf, size_t size)
{
	return host_call(SYS_write, fd, buf, size);
}

static inline ssize_t host_readv(int fd, const struct iovec *iov, int count)
{
	return host_call(SYS_readv, fd, iov, count);
}

static inline ssize_t host_writev(int fd, const struct iovec *iov, int count)
{
	return host_call(SYS_writev, fd, iov, count);
}

/* off -1: the file's own position (preadv2(2)).  The kernel takes the offset in two halves. */
static inline ssize_t host_preadv2(int fd, const struct iovec *iov, int count, int64_t off, int flags)
{
	return host_call6(SYS_preadv2, fd, HOST_ARG_(iov), count, off, 0, flags);
}

static inline ssize_t host_pwritev2(int fd, const struct iovec *iov, int count, int64_t off,
				    int flags)
{
	return host_call6(SYS_pwritev2, fd, HOST_ARG_(iov), count, off, 0, flags);
}

/* By preadv2 and pwritev2: two calls fewer in the Sentry's list. */
static inline ssize_t host_pread(int fd, void *buf, size_t size, int64_t off)
{
	struct iovec iov = { buf, size };

	return host_preadv2(fd, &iov, 1, off, 0);
}

static inline ssize_t host_pwrite(int fd, const void *buf, size_t size, int64_t off)
{
	struct iovec iov = { (void *)(uintptr_t)buf, size };

	return host_pwritev2(fd, &iov, 1, off, 0);
}

static inline int64_t host_lseek(int fd, int64_t off, int whence)
{
	return host_call(SYS_lseek, fd, off, whence);
}

static inline ssize_t host_copy_file_range(int in, int64_t *in_off, int out, int64_t *out_off,
					   size_t size)
{
	return host_call6(SYS_copy_file_range, in, HOST_ARG_(in_off), out, HOST_ARG_(out_off),
			  HOST_ARG_(size), 0);
}

static inline int host_pipe(int fds[2], int flags)
{
	return (int)host_call(SYS_pipe2, fds, flags | O_CLOEXEC, 0);
}

/* ---- files --------------------------------------------------------------------------------- */

static inline int host_openat(int dir, const char *path, int flags, uint32_t mode)
{
	return (int)host_call4(SYS_openat, dir, HOST_ARG_(path), flags | O_CLOEXEC, mode);
}

static inline int host_openat2(int dir, const char *path, uint64_t flags, uint32_t mode,
			       uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };

	return (int)host_call4(SYS_openat2, dir, HOST_ARG_(path), HOST_ARG_(&how), sizeof(how));
}

static inline int host_statx(int dir, const char *path, int flags, unsigned int mask,
			     struct statx *out)
{
	return (int)host_call6(SYS_statx, dir, HOST_ARG_(path), flags, mask, HOST_ARG_(out), 0);
}

static inline int host_fstat(int fd, struct stat *out)
{
	return (int)host_call(SYS_fstat, fd, out, 0);
}

static inline int host_fstatfs(int fd, struct statfs *out)
{
	return (int)host_call(SYS_fstatfs, fd, out, 0);
}

static inline ssize_t host_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	return host_call4(SYS_readlinkat, dir, HOST_ARG_(path), HOST_ARG_(buf), HOST_ARG_(size));
}

/* Raw struct linux_dirent64 records; the number of bytes, 0 at the end. */
static inline ssize_t host_getdents64(int fd, void *buf, size_t size)
{
	return host_call(SYS_getdents64, fd, buf, size);
}

static inline int host_mkdirat(int dir, const char *path, uint32_t mode)
{
	return (int)host_call(SYS_mkdirat, dir, path, mode);
}

/* dev as makedev(3); only 32 bits of it reach the kernel. */
static inline int host_mknodat(int dir, const char *path, uint32_t mode, uint64_t dev)
{
	return (int)host_call4(SYS_mknodat, dir, HOST_ARG_(path), mode, HOST_ARG_(dev));
}

static inline int host_symlinkat(const char *target, int dir, const char *path)
{
	return (int)host_call(SYS_symlinkat, target, dir, path);
}

static inline int host_linkat(int old_dir, const char *old_path, int new_dir, const char *new_path,
			      int flags)
{
	return (int)host_call6(SYS_linkat, old_dir, HOST_ARG_(old_path), new_dir,
			       HOST_ARG_(new_path), flags, 0);
}

static inline int host_unlinkat(int dir, const char *path, int flags)
{
	return (int)host_call(SYS_unlinkat, dir, path, flags);
}

static inline int host_renameat2(int old_dir, const char *old_path, int new_dir,
				 const char *new_path, unsigned int flags)
{
	return (int)host_call6(SYS_renameat2, old_dir, HOST_ARG_(old_path), new_dir,
			       HOST_ARG_(new_path), flags, 0);
}

/* Follows symlinks (the call has no flags): for descriptors' magic links and own files. */
static inline int host_fchmodat(int dir, const char *path, uint32_t mode)
{
	return (int)host_call(SYS_fchmodat, dir, path, mode);
}

static inline int host_fchmod(int fd, uint32_t mode)
{
	return (int)host_call(SYS_fchmod, fd, mode, 0);
}

static inline int host_fchownat(int dir, const char *path, uint32_t uid, uint32_t gid, int flags)
{
	return (int)host_call6(SYS_fchownat, dir, HOST_ARG_(path), uid, gid, flags, 0);
}

static inline int host_fchown(int fd, uint32_t uid, uint32_t gid)
{
	return (int)host_call(SYS_fchown, fd, uid, gid);
}

static inline int host_utimensat(int dir, const char *path, const struct timespec ts[2], int flags)
{
	return (int)host_call4(SYS_utimensat, dir, HOST_ARG_(path), HOST_ARG_(ts), flags);
}

static inline int host_futimens(int fd, const struct timespec ts[2])
{
	return (int)host_call4(SYS_utimensat, fd, 0, HOST_ARG_(ts), 0);
}

static inline int host_truncate(const char *path, int64_t size)
{
	return (int)host_call(SYS_truncate, path, size, 0);
}

static inline int host_ftruncate(int fd, int64_t size)
{
	return (int)host_call(SYS_ftruncate, fd, size, 0);
}

static inline int host_fallocate(int fd, int mode, int64_t off, int64_t size)
{
	return (int)host_call4(SYS_fallocate, fd, mode, off, size);
}

static inline int host_fadvise(int fd, int64_t off, int64_t size, int advice)
{
	return (int)host_call4(SYS_fadvise64, fd, off, size, advice);
}

static inline int host_fsync(int fd)
{
	return (int)host_call(SYS_fsync, fd, 0, 0);
}

static inline int host_fdatasync(int fd)
{
	return (int)host_call(SYS_fdatasync, fd, 0, 0);
}

static inline int host_syncfs(int fd)
{
	return (int)host_call(SYS_syncfs, fd, 0, 0);
}

static inline int host_flock(int fd, int op)
{
	return (int)host_call(SYS_flock, fd, op, 0);
}

static inline int host_fchdir(int fd)
{
	return (int)host_call(SYS_fchdir, fd, 0, 0);
}

/* The path forms follow a final symlink; see gofer/server.c for why it needs just these. */
static inline ssize_t host_getxattr(const char *path, const char *name, void *value, size_t size)
{
	return host_call4(SYS_getxattr, HOST_ARG_(path), HOST_ARG_(name), HOST_ARG_(value),
			  HOST_ARG_(size));
}

static inline int host_setxattr(const char *path, const char *name, const void *value, size_t size,
				int flags)
{
	return (int)host_call6(SYS_setxattr, HOST_ARG_(path), HOST_ARG_(name), HOST_ARG_(value),
			       HOST_ARG_(size), flags, 0);
}

static inline ssize_t host_listxattr(const char *path, char *list, size_t size)
{
	return host_call(SYS_listxattr, path, list, size);
}

static inline int host_removexattr(const char *path, const char *name)
{
	return (int)host_call(SYS_removexattr, path, name, 0);
}

static inline ssize_t host_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	return host_call4(SYS_fgetxattr, fd, HOST_ARG_(name), HOST_ARG_(value), HOST_ARG_(size));
}

static inline int host_memfd_create(const char *name, unsigned int flags)
{
	return (int)host_call(SYS_memfd_create, name, flags | MFD_CLOEXEC, 0);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* The address, or a negative errno: test with host_is_error(). */
static inline void *host_mmap(void *addr, size_t size, int prot, int flags, int fd, int64_t off)
{
	return (void *)host_call6(SYS_mmap, HOST_ARG_(addr), HOST_ARG_(size), prot, flags, fd, off);
}

static inline bool host_is_error(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)-4095;
}

static inline int host_munmap(void *addr, size_t size)
{
	return (int)host_call(SYS_munmap, addr, size, 0);
}

static inline int host_mprotect(void *addr, size_t size, int prot)
{
	return (int)host_call(SYS_mprotect, addr, size, prot);
}

static inline int host_madvise(void *addr, size_t size, int advice)
{
	return (int)host_call(SYS_madvise, addr, size, advice);
}

static inline ssize_t host_process_vm_readv(pid_t pid, const struct iovec *local, size_t local_count,
					    const struct iovec *remote, size_t remote_count)
{
	return host_call6(SYS_process_vm_readv, pid, HOST_ARG_(local), HOST_ARG_(local_count),
			  HOST_ARG_(remote), HOST_ARG_(remote_count), 0);
}

static inline ssize_t host_process_vm_writev(pid_t pid, const struct iovec *local,
					     size_t local_count, const struct iovec *remote,
					     size_t remote_count)
{
	return host_call6(SYS_process_vm_writev, pid, HOST_ARG_(local), HOST_ARG_(local_count),
			  HOST_ARG_(remote), HOST_ARG_(remote_count), 0);
}

/* ---- sockets ------------------------------------------------------------------------------- */

static inline int host_socket(int family, int type, int protocol)
{
	return (int)host_call(SYS_socket, family, type | SOCK_CLOEXEC, protocol);
}

static inline int host_socketpair(int family, int type, int protocol, int fds[2])
{
	return (int)host_call4(SYS_socketpair, family, type | SOCK_CLOEXEC, protocol, HOST_ARG_(fds));
}

static inline int host_connect(int fd, const void *addr, socklen_t size)
{
	return (int)host_call(SYS_connect, fd, addr, size);
}

static inline int host_bind(int fd, const void *addr, socklen_t size)
{
	return (int)host_call(SYS_bind, fd, addr, size);
}

static inline int host_getsockname(int fd, void *addr, socklen_t *size)
{
	return (int)host_call(SYS_getsockname, fd, addr, size);
}

static inline int host_getpeername(int fd, void *addr, socklen_t *size)
{
	return (int)host_call(SYS_getpeername, fd, addr, size);
}

static inline int host_listen(int fd, int backlog)
{
	return (int)host_call(SYS_listen, fd, backlog, 0);
}

static inline int host_accept4(int fd, void *addr, socklen_t *size, int flags)
{
	return (int)host_call4(SYS_accept4, fd, HOST_ARG_(addr), HOST_ARG_(size),
			       flags | SOCK_CLOEXEC);
}

static inline int host_shutdown(int fd, int how)
{
	return (int)host_call(SYS_shutdown, fd, how, 0);
}

static inline int host_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	return (int)host_call6(SYS_getsockopt, fd, level, name, HOST_ARG_(value), HOST_ARG_(size), 0);
}

static inline int host_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return (int)host_call6(SYS_setsockopt, fd, level, name, HOST_ARG_(value), HOST_ARG_(size), 0);
}

static inline ssize_t host_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return host_call(SYS_sendmsg, fd, m, flags | MSG_NOSIGNAL);
}

static inline ssize_t host_recvmsg(int fd, struct msghdr *m, int flags)
{
	return host_call(SYS_recvmsg, fd, m, flags | MSG_CMSG_CLOEXEC);
}

/* Up to count messages.  Without MSG_CMSG_CLOEXEC, which packet sockets refuse; they carry no descriptors. */
static inline long host_recvmmsg_raw(int fd, struct mmsghdr *m, unsigned int count, int flags)
{
	return host_call6(SYS_recvmmsg, fd, HOST_ARG_(m), count, flags, 0, 0);
}

/*
 * One message with up to HOST_FDS_MAX descriptors beside it (SCM_RIGHTS).  fds stay the caller's.
 * In host.c.
 */
#define HOST_FDS_MAX 8
ssize_t host_send_fds(int sock, const struct iovec *iov, size_t iov_count, const int *fds,
		      size_t fd_count);
/*
 * *fd_count: in, room in fds; out, how many came (the caller's to close; more than there is room
 * for are closed by the kernel and give -EMSGSIZE, as does data that did not fit).
 */
ssize_t host_recv_fds(int sock, void *buf, size_t size, int *fds, size_t *fd_count, int flags);
/*
 * One message with one descriptor or none beside it: *fd is the caller's, or -1, or -EMFILE when one came that this process has
 * no room for; the message is whole then.
 */
ssize_t host_recv_fd(int sock, void *buf, size_t size, int *fd);

/* ---- waiting ------------------------------------------------------------------------------- */

/* timeout NULL: for ever. */
static inline int host_ppoll(struct pollfd *p, unsigned int count, const struct timespec *timeout)
{
	return (int)host_call6(SYS_ppoll, HOST_ARG_(p), count, HOST_ARG_(timeout), 0, 0, 0);
}

static inline int host_epoll_create(void)
{
	return (int)host_call(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0);
}

static inline int host_epoll_ctl(int ep, int op, int fd, struct epoll_event *e)
{
	return (int)host_call4(SYS_epoll_ctl, ep, op, fd, HOST_ARG_(e));
}

static inline int host_epoll_wait(int ep, struct epoll_event *e, int max, int timeout_ms)
{
	return (int)host_call6(SYS_epoll_pwait, ep, HOST_ARG_(e), max, timeout_ms, 0, 0);
}

static inline int host_eventfd(unsigned int value, int flags)
{
	return (int)host_call(SYS_eventfd2, value, flags | O_CLOEXEC, 0);
}

/* Nanoseconds of CPU time that process pid's threads, dead ones included, have used. */
static inline int64_t host_process_cpu_ns(pid_t pid)
{
	struct timespec ts;
	/* clock_getcpuclockid(3): the process clock (2: CPUCLOCK_SCHED) of a pid. */
	long err = host_call(SYS_clock_gettime, (int)(~(unsigned int)pid << 3 | 2), &ts, 0);

	return err < 0 ? err : (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int host_timerfd_create(int clock, int flags)
{
	return (int)host_call(SYS_timerfd_create, clock, flags | TFD_CLOEXEC, 0);
}

static inline int host_timerfd_settime(int fd, int flags, const struct itimerspec *t)
{
	return (int)host_call4(SYS_timerfd_settime, fd, flags, HOST_ARG_(t), 0);
}

/* op as futex(2); timeout NULL: none. */
static inline long host_futex(void *word, int op, uint32_t value, const struct timespec *timeout,
			      uint32_t value3)
{
	return host_call6(SYS_futex, HOST_ARG_(word), op, value, HOST_ARG_(timeout), 0, value3);
}

/* ---- processes ----------------------------------------------------------------------------- */

static inline pid_t host_getpid(void)
{
	return (pid_t)host_call(SYS_getpid, 0, 0, 0);
}

static inline pid_t host_gettid(void)
{
	return (pid_t)host_call(SYS_gettid, 0, 0, 0);
}

static inline int host_kill(pid_t pid, int sig)
{
	return (int)host_call(SYS_kill, pid, sig, 0);
}

static inline int host_tgkill(pid_t pid, pid_t tid, int sig)
{
	return (int)host_call(SYS_tgkill, pid, tid, sig);
}

static inline int host_pidfd_open(pid_t pid, unsigned int flags)
{
	return (int)host_call(SYS_pidfd_open, pid, flags, 0);
}

static inline int host_pidfd_getfd(int pidfd, int fd)
{
	return (int)host_call(SYS_pidfd_getfd, pidfd, fd, 0);
}

static inline int host_pidfd_send_signal(int pidfd, int sig)
{
	return (int)host_call4(SYS_pidfd_send_signal, pidfd, sig, 0, 0);
}

static inline pid_t host_wait4(pid_t pid, int *status, int options, struct rusage *ru)
{
	return (pid_t)host_call4(SYS_wait4, pid, HOST_ARG_(status), options, HOST_ARG_(ru));
}

static inline int host_waitid(int type, int id, siginfo_t *info, int options)
{
	return (int)host_call6(SYS_waitid, type, id, HOST_ARG_(info), options, 0, 0);
}

static inline int host_prctl(int op, unsigned long a, unsigned long b)
{
	return (int)host_call6(SYS_prctl, op, HOST_ARG_(a), HOST_ARG_(b), 0, 0, 0);
}

static inline int host_prlimit(pid_t pid, int resource, const struct rlimit *set, struct rlimit *old)
{
	return (int)host_call4(SYS_prlimit64, pid, resource, HOST_ARG_(set), HOST_ARG_(old));
}

/* mask: size bytes of CPU bits.  get returns the number of bytes written. */
static inline int host_sched_setaffinity(pid_t tid, size_t size, const void *mask)
{
	return (int)host_call(SYS_sched_setaffinity, tid, size, mask);
}

static inline int host_sched_getaffinity(pid_t tid, size_t size, void *mask)
{
	return (int)host_call(SYS_sched_getaffinity, tid, size, mask);
}

static inline void host_sched_yield(void)
{
	(void)host_call(SYS_sched_yield, 0, 0, 0);
}

static inline ssize_t host_getrandom(void *buf, size_t size, unsigned int flags)
{
	return host_call(SYS_getrandom, buf, size, flags);
}

_Noreturn static inline void host_exit_group(int status)
{
	for (;;)
		(void)host_call(SYS_exit_group, status, 0, 0);
}
