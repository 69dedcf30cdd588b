/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring_enter.c: io_uring_setup(2), io_uring_enter(2), io_uring_register(2). */
#include "t.h"

#include "uring.h"

#include <linux/time_types.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/sysmacros.h>

#define BUFFER_OF(flags) ((flags) >> IORING_CQE_BUFFER_SHIFT)
#define MULTI_RECV (1u << 1) /* IORING_RECV_MULTISHOT */
#define MULTI_ACCEPT 1u
#define MULTI_POLL 1u

static struct io_uring_sqe *take(int op, int fd, unsigned short group, unsigned int len, uint64_t data)
{
	struct io_uring_sqe *e = sqe(op, fd, NULL, len, op == IORING_OP_READ ? (uint64_t)-1 : 0, data);

	e->flags = IOSQE_BUFFER_SELECT;
	e->buf_group = group;
	return e;
}

/* IORING_OP_PROVIDE_BUFFERS: requests choose a buffer when their data is there. */
static void provided_buffers(void)
{
	static char mem[4][16];
	struct io_uring_sqe *e;
	int sv[2];

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	take(IORING_OP_RECV, sv[1], 3, 0, 1);
	EQUAL(write(sv[0], "ab", 2), 2);
	EQUAL(enter(1), 1);
	EQUAL(result(1), -ENOBUFS);
	sqe(IORING_OP_PROVIDE_BUFFERS, 2, mem, 16, 7, 2)->buf_group = 3;
	EQUAL(enter(1), 1);
	EQUAL(result(2), 0);
	take(IORING_OP_RECV, sv[1], 3, 0, 3);
	EQUAL(enter(1), 1);
	EQUAL(result(3), 2);
	CHECK(flags_seen & IORING_CQE_F_BUFFER);
	EQUAL(BUFFER_OF(flags_seen), 7);
	CHECK(!memcmp(mem[0], "ab", 2));
	take(IORING_OP_READ, sv[1], 3, 3, 4); /* less than the buffer has */
	EQUAL(enter(0), 1);
	EQUAL(write(sv[0], "cdefg", 5), 5);
	EQUAL(result(4), 3);
	EQUAL(BUFFER_OF(flags_seen), 8);
	CHECK(!memcmp(mem[1], "cde", 4)); /* and a zero */
	take(IORING_OP_RECV, sv[1], 3, 0, 5);
	EQUAL(enter(1), 1);
	EQUAL(result(5), -ENOBUFS);
	EQUAL(flags_seen, 0);

	sqe(IORING_OP_PROVIDE_BUFFERS, 4, mem, 16, 0, 6)->buf_group = 3;
	EQUAL(enter(1), 1);
	EQUAL(result(6), 0);
	sqe(IORING_OP_REMOVE_BUFFERS, 3, NULL, 0, 0, 7)->buf_group = 3;
	EQUAL(enter(1), 1);
	EQUAL(result(7), 3);
	sqe(IORING_OP_REMOVE_BUFFERS, 3, NULL, 0, 0, 8)->buf_group = 3;
	EQUAL(enter(1), 1);
	EQUAL(result(8), 1);
	sqe(IORING_OP_REMOVE_BUFFERS, 1, NULL, 0, 0, 9)->buf_group = 99;
	EQUAL(enter(1), 1);
	EQUAL(result(9), -ENOENT);
	sqe(IORING_OP_PROVIDE_BUFFERS, 0, mem, 16, 0, 10)->buf_group = 3;
	EQUAL(enter(1), 1);
	EQUAL(result(10), -E2BIG);
	sqe(IORING_OP_PROVIDE_BUFFERS, 2, mem, 16, 65535, 11)->buf_group = 3;
	EQUAL(enter(1), 1);
	EQUAL(result(11), -EINVAL);
	e = take(IORING_OP_NOP, -1, 3, 0, 12);
	e->off = 0;
	EQUAL(enter(1), 1);
	EQUAL(result(12), -EOPNOTSUPP);
	close(sv[0]);
	close(sv[1]);
}

/* IORING_REGISTER_PBUF_RING, and a RECV that goes on. */
static void buffer_ring(void)
{
	struct io_uring_buf_ring *ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_buf *bufs = (struct io_uring_buf *)ring;
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)ring, .ring_entries = 4, .bgid = 5 };
	static char mem[4][8];
	int sv[2];

	reg.ring_entries = 3;
	FAILS(EINVAL, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_PBUF_RING, &reg, 1));
	reg.ring_entries = 4;
	reg.ring_addr += 8;
	FAILS(EINVAL, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_PBUF_RING, &reg, 1));
	reg.ring_addr -= 8;
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_PBUF_RING, &reg, 1), 0);
	FAILS(EEXIST, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_PBUF_RING, &reg, 1));
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	for (unsigned int i = 0; i < 3; i++) {
		bufs[i].addr = (uintptr_t)mem[i];
		bufs[i].len = 8;
		bufs[i].bid = (unsigned short)(40 + i);
	}
	__atomic_store_n(&ring->tail, 3, __ATOMIC_RELEASE);
	take(IORING_OP_RECV, sv[1], 5, 0, 20)->ioprio = MULTI_RECV;
	EQUAL(enter(0), 1);
	for (unsigned int i = 0; i < 2; i++) {
		EQUAL(write(sv[0], i ? "two" : "one", 3), 3);
		EQUAL(result(20), 3);
		EQUAL(flags_seen, IORING_CQE_F_BUFFER | IORING_CQE_F_MORE | (40 + i) << IORING_CQE_BUFFER_SHIFT);
		CHECK(!memcmp(mem[i], i ? "two" : "one", 3));
	}
	EQUAL(write(sv[0], "and a lot more", 14), 14); /* than the last one holds */
	EQUAL(result(20), 8);
	EQUAL(BUFFER_OF(flags_seen), 42);
	EQUAL(result(20), -ENOBUFS);
	EQUAL(flags_seen & IORING_CQE_F_MORE, 0);
	bufs[3].addr = (uintptr_t)mem[3];
	bufs[3].len = 8;
	bufs[3].bid = 1;
	__atomic_store_n(&ring->tail, 4, __ATOMIC_RELEASE);
	take(IORING_OP_RECV, sv[1], 5, 0, 21)->ioprio = MULTI_RECV;
	EQUAL(enter(0), 1);
	EQUAL(result(21), 6);
	EQUAL(flags_seen & 0xffff, IORING_CQE_F_BUFFER | IORING_CQE_F_MORE);
	EQUAL(BUFFER_OF(flags_seen), 1);
	__atomic_store_n(&ring->tail, 5, __ATOMIC_RELEASE); /* the first again */
	close(sv[0]);
	EQUAL(result(21), 0);
	EQUAL(flags_seen & IORING_CQE_F_MORE, 0);
	close(sv[1]);

	/* One that waits is cancelled. */
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	take(IORING_OP_RECV, sv[1], 5, 0, 22)->ioprio = MULTI_RECV;
	EQUAL(enter(0), 1);
	sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)22, 0, 0, 23);
	EQUAL(enter(1), 1);
	EQUAL(result(23), 0);
	EQUAL(result(22), -ECANCELED);
	EQUAL(flags_seen, 0);
	close(sv[0]);
	close(sv[1]);
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_UNREGISTER_PBUF_RING, &reg, 1), 0);
	FAILS(ENOENT, syscall(SYS_io_uring_register, r.fd, IORING_UNREGISTER_PBUF_RING, &reg, 1));
}

/* One ACCEPT for many connections, one POLL_ADD for many events. */
static void multishot(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c[3], p[2], got;
	char ch;

	EQUAL(bind(l, (struct sockaddr *)&sun, len), 0); /* a name of the kernel's choice */
	len = sizeof(sun);
	EQUAL(getsockname(l, (struct sockaddr *)&sun, &len), 0);
	EQUAL(listen(l, 5), 0);
	sqe(IORING_OP_ACCEPT, l, NULL, 0, 0, 30)->ioprio = MULTI_ACCEPT;
	EQUAL(enter(0), 1);
	for (int i = 0; i < 3; i++) {
		c[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		EQUAL(connect(c[i], (struct sockaddr *)&sun, len), 0);
		got = result(30);
		CHECK(got >= 0);
		EQUAL(flags_seen, IORING_CQE_F_MORE);
		EQUAL(write(c[i], "x", 1), 1);
		EQUAL(read(got, &ch, 1), 1);
		close(got);
		close(c[i]);
	}
	sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)30, 0, 0, 31);
	EQUAL(enter(1), 1);
	EQUAL(result(31), 0);
	EQUAL(result(30), -ECANCELED);
	EQUAL(flags_seen, 0);
	close(l);

	EQUAL(pipe(p), 0);
	sqe(IORING_OP_POLL_ADD, p[0], NULL, MULTI_POLL, 0, 32)->poll32_events = POLLIN;
	EQUAL(enter(0), 1);
	for (int i = 0; i < 3; i++) {
		EQUAL(write(p[1], "x", 1), 1);
		EQUAL(result(32), POLLIN);
		EQUAL(flags_seen, IORING_CQE_F_MORE);
		EQUAL(read(p[0], &ch, 1), 1);
	}
	close(p[1]);
	got = result(32); /* a look may come between the two */
	CHECK(got & POLLHUP);
	sqe(IORING_OP_POLL_REMOVE, -1, (void *)32, 0, 0, 33);
	EQUAL(enter(1), 1);
	EQUAL(result(33), 0);
	do
		got = result(32);
	while (got > 0);
	EQUAL(got, -ECANCELED);
	EQUAL(flags_seen, 0);
	close(p[0]);
}

/* A tail far away, and an index that is none: no more is done than the queue has entries. */
static void a_queue_that_lies(void)
{
	for (unsigned int i = 0; i < 8; i++) {
		sqe(IORING_OP_NOP, -1, NULL, 0, 0, 200 + i);
		r.array[i] = i;
	}
	r.queued = 0;
	atomic_store(r.sq_tail, *r.sq_head + 2000000000u);
	EQUAL(syscall(SYS_io_uring_enter, r.fd, 2000000000u, 0, 0, NULL, 8), 8);
	for (unsigned int i = 0; i < 8; i++)
		r.array[i] = 1000;
	EQUAL(syscall(SYS_io_uring_enter, r.fd, 8, 0, 0, NULL, 8), 0);
	EQUAL(*r.sq_head, 9);
}

static void goes_through_no_socket(void)
{
	char control[CMSG_SPACE(sizeof(int))] = "", x = 'x';
	struct iovec v = { &x, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int sv[2];

	EQUAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &r.fd, sizeof(r.fd));
	FAILS(EINVAL, sendmsg(sv[0], &m, 0)); /* Linux 6.8 */
	close(sv[0]);
	close(sv[1]);
}

static int dies_with_requests(void)
{
	int p[2];
	char c;

	ring_open(8, 0);
	if (pipe(p))
		return 1;
	sqe(IORING_OP_READ, p[0], &c, 1, -1, 1);
	return enter(0) == 1 ? 0 : 2;
}

T_MAIN
{
	struct __kernel_timespec soon = { 0, 30000000 }, late = { 100, 0 };
	struct io_uring_probe *probe = calloc(1, sizeof(*probe) + 256 * sizeof(struct io_uring_probe_op));
	struct io_uring_params bad = { .flags = 1u << 30 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct iovec iov[2];
	struct statx stx;
	struct pollfd pfd;
	char buf[64] = "", text[] = "io_uring";
	int fd = memfd_create("x", 0), p[2], sv[2], ev, l, s;
	uint64_t count;
	int64_t start;

	FAILS(EINVAL, syscall(SYS_io_uring_setup, 0, &r.p));
	if (errno == ENOSYS || errno == EPERM)
		exit(77);
	FAILS(EINVAL, syscall(SYS_io_uring_setup, 8, &bad));
	FAILS(EFAULT, syscall(SYS_io_uring_setup, 8, BAD_PTR));
	FAILS(EOPNOTSUPP, syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0));
	FAILS(EBADF, syscall(SYS_io_uring_enter, 99, 0, 0, 0, NULL, 0));
	ring_open(7, 0);
	EQUAL(r.p.sq_entries, 8);
	EQUAL(r.p.cq_entries, 16);

	/* One, several, unknown. */
	sqe(IORING_OP_NOP, -1, NULL, 0, 0, 1);
	EQUAL(enter(1), 1);
	EQUAL(result(1), 0);
	sqe(IORING_OP_WRITE, fd, text, 8, 0, 2);
	EQUAL(enter(1), 1);
	EQUAL(result(2), 8);
	iov[0] = (struct iovec){ buf, 3 };
	iov[1] = (struct iovec){ buf + 10, 20 };
	sqe(IORING_OP_READV, fd, iov, 2, 0, 3);
	sqe(IORING_OP_FSYNC, fd, NULL, 0, 0, 4);
	EQUAL(enter(2), 2);
	EQUAL(result(3), 8);
	EQUAL(result(4), 0);
	CHECK(!memcmp(buf, "io_", 3) && !memcmp(buf + 10, "uring", 5));
	sqe(250, fd, NULL, 0, 0, 5);
	EQUAL(enter(1), 1);
	EQUAL(result(5), -EINVAL);
	sqe(IORING_OP_READ, 99, buf, 1, 0, 6);
	EQUAL(enter(1), 1);
	EQUAL(result(6), -EBADF);

	/* Names. */
	sqe(IORING_OP_OPENAT, AT_FDCWD, "/dev/null", 0, 0, 7)->open_flags = O_WRONLY;
	sqe(IORING_OP_STATX, AT_FDCWD, "/dev/null", STATX_BASIC_STATS, (uintptr_t)&stx, 8);
	EQUAL(enter(2), 2);
	s = result(7);
	CHECK(s >= 0);
	EQUAL(result(8), 0);
	CHECK(S_ISCHR(stx.stx_mode) && stx.stx_rdev_minor == 3);
	sqe(IORING_OP_CLOSE, s, NULL, 0, 0, 9);
	EQUAL(enter(1), 1);
	EQUAL(result(9), 0);
	EQUAL(fcntl(s, F_GETFD), -1);

	/* A read that has to wait, and one that is cancelled. */
	EQUAL(pipe(p), 0);
	memset(buf, 0, sizeof(buf));
	sqe(IORING_OP_READ, p[0], buf, 10, -1, 10);
	EQUAL(enter(0), 1);
	t_sleep_ms(10);
	EQUAL(*r.cq_head, *r.cq_tail);
	EQUAL(write(p[1], "later", 5), 5);
	EQUAL(result(10), 5);
	CHECK(!strcmp(buf, "later"));
	sqe(IORING_OP_READ, p[0], buf, 10, -1, 11);
	EQUAL(enter(0), 1);
	sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)11, 0, 0, 12);
	sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)1234, 0, 0, 13);
	EQUAL(enter(2), 2);
	s = result(12);
	CHECK(s == 0 || s == -EALREADY);
	EQUAL(result(13), -ENOENT);
	s = result(11);
	CHECK(s == -ECANCELED || s == -EINTR);

	/* Poll, and its removal; the ring's own descriptor. */
	sqe(IORING_OP_POLL_ADD, p[0], NULL, 0, 0, 14)->poll32_events = POLLIN;
	sqe(IORING_OP_POLL_ADD, sv[0] = p[1], NULL, 0, 0, 15)->poll32_events = POLLOUT;
	EQUAL(enter(1), 2);
	EQUAL(result(15), POLLOUT);
	sqe(IORING_OP_POLL_REMOVE, -1, (void *)14, 0, 0, 16);
	EQUAL(enter(2), 1);
	EQUAL(result(16), 0);
	EQUAL(result(14), -ECANCELED);
	pfd = (struct pollfd){ .fd = r.fd, .events = POLLIN };
	EQUAL(poll(&pfd, 1, 0), 0);
	sqe(IORING_OP_NOP, -1, NULL, 0, 0, 17);
	EQUAL(enter(0), 1);
	EQUAL(poll(&pfd, 1, T_GUARD_MS), 1);
	EQUAL(result(17), 0);

	/* Timeouts. */
	start = t_now_ms();
	sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 0, 18);
	EQUAL(enter(1), 1);
	EQUAL(result(18), -ETIME);
	CHECK(t_now_ms() - start >= 29);
	sqe(IORING_OP_TIMEOUT, -1, &late, 1, 1, 19);
	EQUAL(enter(0), 1);
	t_sleep_ms(10);
	sqe(IORING_OP_NOP, -1, NULL, 0, 0, 20);
	EQUAL(enter(2), 1);
	EQUAL(result(20), 0);
	EQUAL(result(19), 0);
	sqe(IORING_OP_TIMEOUT, -1, &late, 1, 0, 21);
	EQUAL(enter(0), 1);
	t_sleep_ms(10);
	sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)21, 0, 0, 22);
	EQUAL(enter(2), 1);
	EQUAL(result(22), 0);
	EQUAL(result(21), -ECANCELED);

	/* Chains: in order, broken by an error, with a timeout. */
	memset(buf, 0, sizeof(buf));
	sqe(IORING_OP_WRITE, p[1], "chain", 5, -1, 23)->flags = IOSQE_IO_LINK;
	sqe(IORING_OP_READ, p[0], buf, 5, -1, 24);
	EQUAL(enter(2), 2);
	EQUAL(result(23), 5);
	EQUAL(result(24), 5);
	CHECK(!strcmp(buf, "chain"));
	sqe(IORING_OP_READ, 99, buf, 5, 0, 25)->flags = IOSQE_IO_LINK;
	sqe(IORING_OP_NOP, -1, NULL, 0, 0, 26);
	EQUAL(enter(2), 2);
	EQUAL(result(25), -EBADF);
	EQUAL(result(26), -ECANCELED);
	sqe(IORING_OP_READ, p[0], buf, 5, -1, 27)->flags = IOSQE_IO_LINK;
	sqe(IORING_OP_LINK_TIMEOUT, -1, &soon, 1, 0, 28);
	EQUAL(enter(2), 2);
	s = result(27);
	CHECK(s == -ECANCELED || s == -EINTR);
	EQUAL(result(28), -ETIME);
	sqe(IORING_OP_READ, p[0], buf, 5, -1, 29);
	sqe(IORING_OP_NOP, -1, NULL, 0, 0, 30)->flags = IOSQE_IO_DRAIN;
	EQUAL(enter(0), 2);
	t_sleep_ms(10);
	EQUAL(*r.cq_head, *r.cq_tail);
	EQUAL(write(p[1], "drain", 5), 5);
	EQUAL(result(29), 5);
	EQUAL(result(30), 0);

	/* Sockets. */
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	sqe(IORING_OP_RECV, sv[1], buf, 10, 0, 31);
	EQUAL(enter(0), 1);
	sqe(IORING_OP_SEND, sv[0], "hi", 2, 0, 32);
	EQUAL(enter(2), 1);
	EQUAL(result(32), 2);
	EQUAL(result(31), 2);
	l = socket(AF_INET, SOCK_STREAM, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	EQUAL(bind(l, (struct sockaddr *)&sin, sizeof(sin)), 0);
	EQUAL(listen(l, 1), 0);
	EQUAL(getsockname(l, (struct sockaddr *)&sin, &len), 0);
	s = socket(AF_INET, SOCK_STREAM, 0);
	sqe(IORING_OP_ACCEPT, l, NULL, 0, 0, 33);
	sqe(IORING_OP_CONNECT, s, &sin, 0, sizeof(sin), 34);
	EQUAL(enter(2), 2);
	EQUAL(result(34), 0);
	s = result(33);
	CHECK(s >= 0);

	/* Registered files, buffers, eventfd. */
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES, &fd, 1), 0);
	FAILS(EBUSY, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_FILES, &fd, 1));
	iov[0] = (struct iovec){ buf, sizeof(buf) };
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, iov, 1), 0);
	sqe(IORING_OP_READ_FIXED, 0, buf + 1, 8, 0, 35)->flags = IOSQE_FIXED_FILE;
	EQUAL(enter(1), 1);
	EQUAL(result(35), 8);
	CHECK(!memcmp(buf + 1, "io_uring", 8));
	sqe(IORING_OP_READ_FIXED, fd, text, 8, 0, 36);
	EQUAL(enter(1), 1);
	EQUAL(result(36), -EFAULT);
	sqe(IORING_OP_READ, 5, buf, 8, 0, 37)->flags = IOSQE_FIXED_FILE;
	EQUAL(enter(1), 1);
	EQUAL(result(37), -EBADF);
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_UNREGISTER_FILES, NULL, 0), 0);
	FAILS(ENXIO, syscall(SYS_io_uring_register, r.fd, IORING_UNREGISTER_FILES, NULL, 0));
	ev = eventfd(0, EFD_NONBLOCK);
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_EVENTFD, &ev, 1), 0);
	sqe(IORING_OP_NOP, -1, NULL, 0, 0, 38);
	EQUAL(enter(1), 1);
	EQUAL(result(38), 0);
	EQUAL(read(ev, &count, 8), 8);
	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_PROBE, probe, 256), 0);
	CHECK(probe->ops[IORING_OP_READ].flags & IO_URING_OP_SUPPORTED);

	/* More completions than there is room for: none is lost. */
	for (int i = 0; i < 20; i++) {
		sqe(IORING_OP_NOP, -1, NULL, 0, 0, 100 + (uint64_t)i);
		EQUAL(enter(0), 1);
	}
	for (int i = 0; i < 20; i++)
		EQUAL(result(100 + (uint64_t)i), 0);

	close(r.fd);
	ring_open(8, 0);
	provided_buffers();
	buffer_ring();
	multishot();
	goes_through_no_socket();
	close(r.fd);
	ring_open(8, 0);
	a_queue_that_lies();
	close(r.fd);
	EQUAL(t_wait(t_fork(dies_with_requests)), 0);
}
