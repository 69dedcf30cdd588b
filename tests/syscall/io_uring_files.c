/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring_files.c: io_uring's registered files and direct descriptors. */
#include "uring.h"

#define ALLOC IORING_FILE_INDEX_ALLOC
#define FIXED IOSQE_FIXED_FILE
#define OP_FIXED_FD_INSTALL 54

static int once(struct io_uring_sqe *e)
{
	uint64_t data = e->user_data;

	EQUAL(enter(1), 1);
	return result(data);
}

static struct io_uring_sqe *open_direct(const char *name, int flags, unsigned int index, uint64_t data)
{
	struct io_uring_sqe *e = sqe(IORING_OP_OPENAT, AT_FDCWD, name, 0600, 0, data);

	e->open_flags = (unsigned int)flags;
	e->file_index = index;
	return e;
}

static struct io_uring_sqe *close_direct(unsigned int index, uint64_t data)
{
	struct io_uring_sqe *e = sqe(IORING_OP_CLOSE, 0, NULL, 0, 0, data);

	e->file_index = index;
	return e;
}

static struct io_uring_sqe *fixed(struct io_uring_sqe *e)
{
	e->flags |= FIXED;
	return e;
}

static int descriptors(void)
{
	int n = 0;

	for (int i = 0; i < 64; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void registering(void)
{
	struct io_uring_rsrc_register reg = { .nr = 4, .flags = IORING_RSRC_REGISTER_SPARSE };
	struct io_uring_rsrc_update2 up = { .nr = 1 };
	struct { uint32_t off, len; uint64_t resv; } range = { 2, 3, 0 };
	int fds[2] = { 0, -1 };

	FAILS(ENXIO, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES_UPDATE2, &up, sizeof(up)));
	FAILS(EINVAL, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES2, &reg, 8));
	reg.data = (uintptr_t)fds;
	FAILS(EINVAL, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES2, &reg, sizeof(reg)));
	reg.data = 0;
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES2, &reg, sizeof(reg)), 0);
	FAILS(EBUSY, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES2, &reg, sizeof(reg)));
	up.data = (uintptr_t)fds;
	up.offset = 4;
	FAILS(EINVAL, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES_UPDATE2, &up, sizeof(up)));
	up.offset = 1;
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES_UPDATE2, &up, sizeof(up)), 1);
	up.data = (uintptr_t)(fds + 1);
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES_UPDATE2, &up, sizeof(up)), 1);
	FAILS(EINVAL, syscall(SYS_io_uring_register, r.fd, 25, &range, 1));
	range.off = 2;
	range.len = 9;
	FAILS(EINVAL, syscall(SYS_io_uring_register, r.fd, 25, &range, 0));
	range.len = 2;
	EQUAL(syscall(SYS_io_uring_register, r.fd, 25, &range, 0), 0);
}

static void opening(const char *name)
{
	int before = descriptors(), fd;
	char buf[16] = "";

	EQUAL(once(open_direct(name, O_RDWR | O_CREAT, 1, 1)), 0);
	EQUAL(once(fixed(sqe(IORING_OP_WRITE, 0, "direct", 6, 0, 2))), 6);
	EQUAL(once(open_direct(name, O_RDONLY, ALLOC, 3)), 2); /* the range's first */
	EQUAL(once(open_direct(name, O_RDONLY, ALLOC, 4)), 3);
	EQUAL(once(open_direct(name, O_RDONLY, ALLOC, 5)), -ENFILE);
	EQUAL(once(open_direct(name, O_RDONLY, 5, 6)), -EINVAL);
	EQUAL(once(open_direct(name, O_RDONLY | O_CLOEXEC, 2, 7)), -EINVAL);
	EQUAL(once(open_direct("/nothing/there", O_RDONLY, 2, 8)), -ENOENT);
	EQUAL(once(fixed(sqe(IORING_OP_READ, 3, buf, 16, 0, 9))), 6);
	CHECK(!strcmp(buf, "direct"));
	EQUAL(once(fixed(sqe(IORING_OP_READ, 1, buf, 16, 0, 10))), -EBADF);
	EQUAL(once(fixed(sqe(IORING_OP_READ, 99, buf, 16, 0, 11))), -EBADF);
	EQUAL(once(fixed(sqe(IORING_OP_CLOSE, 0, NULL, 0, 0, 12))), -EBADF);
	EQUAL(once(close_direct(3, 13)), 0);
	EQUAL(once(close_direct(3, 14)), -EBADF);
	EQUAL(once(close_direct(4, 19)), 0);
	EQUAL(once(close_direct(50, 15)), -EINVAL);
	EQUAL(once(fixed(sqe(IORING_OP_NOP, 50, NULL, 0, 0, 16))), 0); /* takes no file */
	EQUAL(descriptors(), before);

	fd = once(fixed(sqe(OP_FIXED_FD_INSTALL, 0, NULL, 0, 0, 17)));
	if (fd != -EINVAL) { /* Linux 6.8 */
		EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
		EQUAL(pread(fd, buf, 6, 0), 6);
		EQUAL(descriptors(), before + 1);
		close(fd);
		EQUAL(once(sqe(OP_FIXED_FD_INSTALL, 0, NULL, 0, 0, 18)), -EBADF);
	}
}

/* Open, read and close as one chain: the file is there when its turn comes. */
static void chained(const char *name)
{
	char buf[16] = "";
	struct io_uring_sqe *e = open_direct(name, O_RDONLY, 2, 30);

	e->flags |= IOSQE_IO_LINK;
	fixed(sqe(IORING_OP_READ, 1, buf, 6, 0, 31))->flags |= IOSQE_IO_LINK;
	close_direct(2, 32);
	EQUAL(enter(3), 3);
	EQUAL(result(30), 0);
	EQUAL(result(31), 6);
	EQUAL(result(32), 0);
	CHECK(!memcmp(buf, "direct", 6));
}

/* Descriptors that data names are the process's, whatever file carries it. */
static void passing(void)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c = { 0 };
	struct iovec iov = { (char[]){ 'x' }, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	struct io_uring_files_update up = { .offset = 0 };
	int sv[2], fd = memfd_create("passed", 0), got = -1;
	struct stat a, b;

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	up.fds = (uintptr_t)sv;
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES_UPDATE, &up, 2), 2);
	close(sv[0]);
	close(sv[1]);
	c.h.cmsg_len = CMSG_LEN(sizeof(int));
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	EQUAL(once(fixed(sqe(IORING_OP_SENDMSG, 0, &m, 1, 0, 40))), 1);
	memset(&c, 0, sizeof(c));
	EQUAL(once(fixed(sqe(IORING_OP_RECVMSG, 1, &m, 1, 0, 41))), 1);
	memcpy(&got, CMSG_DATA(&c.h), sizeof(got));
	EQUAL(fstat(fd, &a), 0);
	EQUAL(fstat(got, &b), 0);
	EQUAL(a.st_ino, b.st_ino);
	CHECK(got != fd);
	close(got);
	close(fd);
	EQUAL(once(close_direct(1, 42)), 0);
	EQUAL(once(close_direct(2, 43)), 0);
}

static void sockets(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c, before;
	char ch = 0;
	struct io_uring_sqe *e;

	EQUAL(bind(l, (struct sockaddr *)&sun, len), 0);
	len = sizeof(sun);
	EQUAL(getsockname(l, (struct sockaddr *)&sun, &len), 0);
	EQUAL(listen(l, 5), 0);
	before = descriptors();
	e = sqe(IORING_OP_SOCKET, AF_UNIX, NULL, 0, SOCK_STREAM, 50);
	e->file_index = 1;
	EQUAL(once(e), 0);
	e = sqe(IORING_OP_SOCKET, AF_UNIX, NULL, 0, SOCK_STREAM | SOCK_CLOEXEC, 51);
	e->file_index = 1;
	EQUAL(once(e), -EINVAL);
	EQUAL(once(fixed(sqe(IORING_OP_CONNECT, 0, &sun, 0, len, 52))), 0);
	e = sqe(IORING_OP_ACCEPT, l, NULL, 0, 0, 53);
	e->file_index = ALLOC;
	c = once(e);
	CHECK(c == 2 || c == 3);
	EQUAL(once(fixed(sqe(IORING_OP_SEND, 0, "s", 1, 0, 54))), 1);
	EQUAL(once(fixed(sqe(IORING_OP_RECV, c, &ch, 1, 0, 55))), 1);
	EQUAL(ch, 's');
	EQUAL(once(close_direct((unsigned int)c + 1, 56)), 0);

	/* Many connections, each to a slot that is free. */
	e = sqe(IORING_OP_ACCEPT, l, NULL, 0, 0, 57);
	e->ioprio = IORING_ACCEPT_MULTISHOT;
	e->file_index = 3;
	EQUAL(once(e), -EINVAL);
	e = sqe(IORING_OP_ACCEPT, l, NULL, 0, 0, 58);
	e->ioprio = IORING_ACCEPT_MULTISHOT;
	e->file_index = ALLOC;
	EQUAL(enter(0), 1);
	for (int i = 0; i < 2; i++) {
		int s = socket(AF_UNIX, SOCK_STREAM, 0);

		EQUAL(connect(s, (struct sockaddr *)&sun, len), 0);
		EQUAL(result(58), 2 + i);
		EQUAL(flags_seen, IORING_CQE_F_MORE);
		close(s);
	}
	EQUAL(descriptors(), before);
	close(l);
	EQUAL(once(sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)58, 0, 0, 59)), 0);
	EQUAL(result(58), -ECANCELED);
	for (unsigned int i = 1; i <= 4; i++)
		(void)once(close_direct(i, 60 + i));
}

static void updating(void)
{
	int fds[3] = { -1, 0, 1 }, p[2];
	char ch = 0;

	EQUAL(once(sqe(IORING_OP_FILES_UPDATE, -1, fds + 1, 1, 0, 70)), 1);
	EQUAL(once(sqe(IORING_OP_FILES_UPDATE, -1, fds, 1, 0, 71)), 1);
	EQUAL(once(close_direct(1, 72)), -EBADF);
	EQUAL(once(sqe(IORING_OP_FILES_UPDATE, -1, fds, 1, 4, 73)), -EINVAL);
	EQUAL(pipe(p), 0);
	fds[0] = p[0];
	fds[1] = p[1];
	EQUAL(once(sqe(IORING_OP_FILES_UPDATE, -1, fds, 2, ALLOC, 74)), 2);
	EQUAL(fds[0], 2);
	EQUAL(fds[1], 3);
	EQUAL(once(fixed(sqe(IORING_OP_WRITE, 3, "u", 1, (uint64_t)-1, 75))), 1);
	EQUAL(once(fixed(sqe(IORING_OP_READ, 2, &ch, 1, (uint64_t)-1, 76))), 1);
	EQUAL(ch, 'u');
	close(p[0]);
	close(p[1]);
}

static void buffers(void)
{
	struct io_uring_rsrc_register reg = { .nr = 2, .flags = IORING_RSRC_REGISTER_SPARSE };
	static char mem[4096] __attribute__((aligned(4096)));
	struct iovec iov = { mem, sizeof(mem) };
	struct io_uring_rsrc_update2 up = { .nr = 1, .offset = 1, .data = (uintptr_t)&iov };
	int fd = memfd_create("b", 0);

	FAILS(ENXIO, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS_UPDATE, &up, sizeof(up)));
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS2, &reg, sizeof(reg)), 0);
	sqe(IORING_OP_WRITE_FIXED, fd, mem, 8, 0, 80)->buf_index = 1;
	EQUAL(enter(1), 1);
	EQUAL(result(80), -EFAULT);
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS_UPDATE, &up, sizeof(up)), 1);
	sqe(IORING_OP_WRITE_FIXED, fd, mem, 8, 0, 81)->buf_index = 1;
	EQUAL(enter(1), 1);
	EQUAL(result(81), 8);
	up.offset = 2;
	FAILS(EINVAL, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS_UPDATE, &up, sizeof(up)));
	close(fd);
}

T_MAIN
{
	char name[] = "/tmp/io_uring_files.XXXXXX";
	int fd = mkstemp(name);

	close(fd);
	ring_open(8, 0);
	EQUAL(once(open_direct(name, O_RDONLY, 1, 1)), -ENXIO);
	EQUAL(once(close_direct(1, 2)), -ENXIO);
	registering();
	opening(name);
	chained(name);
	passing();
	sockets();
	updating();
	buffers();
	unlink(name);
}
