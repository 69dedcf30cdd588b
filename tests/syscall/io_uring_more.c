/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring_more.c: io_uring's set-ups, multishot reads, updated timeouts, messages between rings, further operations. */
#include "uring.h"

#include <linux/time_types.h>
#include <sys/xattr.h>

#define BUFFER_OF(flags) ((flags) >> IORING_CQE_BUFFER_SHIFT)
#define MULTI_RECV (1u << 1)
#define OP_READ_MULTISHOT 49
#define OP_FTRUNCATE 55
#define OP_BIND 56
#define OP_LISTEN 57
#define DEFER_TASKRUN (1u << 13)

static int once(struct io_uring_sqe *e)
{
	uint64_t data = e->user_data;

	EQUAL(enter(1), 1);
	return result(data);
}

static bool has(struct io_uring_probe *probe, int op)
{
	return op < probe->ops_len && (probe->ops[op].flags & IO_URING_OP_SUPPORTED);
}

static void refused(unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };

	FAILS(EINVAL, syscall(SYS_io_uring_setup, 4, &p));
}

static void set_ups(void)
{
	char text[8] = "polled";
	int p[2];

	refused(IORING_SETUP_SQ_AFF);
	refused(IORING_SETUP_SQPOLL | IORING_SETUP_COOP_TASKRUN);
	refused(IORING_SETUP_TASKRUN_FLAG);
	refused(DEFER_TASKRUN);

	ring_open(4, IORING_SETUP_SQPOLL);
	CHECK(r.p.features & IORING_FEAT_SQPOLL_NONFIXED);
	EQUAL(pipe(p), 0);
	for (int i = 0; i < 20; i++) { /* more than the ring has entries, and than what the poller sleeps for */
		EQUAL(once(sqe(IORING_OP_WRITE, p[1], text, 6, (uint64_t)-1, 1)), 6);
		EQUAL(once(sqe(IORING_OP_READ, p[0], text, 6, (uint64_t)-1, 2)), 6);
		if (i == 10)
			t_sleep_ms(50);
	}
	sqe(IORING_OP_READ, p[0], text, 6, (uint64_t)-1, 3);
	EQUAL(enter(0), 1);
	EQUAL(write(p[1], "later", 5), 5);
	EQUAL(result(3), 5);
	close(p[0]);
	close(p[1]);
	close(r.fd);

	ring_open(4, SETUP_NO_SQARRAY);
	EQUAL(r.p.sq_off.array, 0);
	for (int i = 0; i < 9; i++)
		EQUAL(once(sqe(IORING_OP_NOP, -1, NULL, 0, 0, 10 + (uint64_t)i)), 0);
	close(r.fd);
}

static void provide(void *mem, int count, unsigned int size, unsigned short group)
{
	struct io_uring_sqe *e = sqe(IORING_OP_PROVIDE_BUFFERS, count, mem, size, 0, 1000);

	e->buf_group = group;
	EQUAL(once(e), 0);
}

static struct io_uring_sqe *take(int op, int fd, const void *addr, unsigned int len, unsigned short group, uint64_t data)
{
	struct io_uring_sqe *e = sqe(op, fd, addr, len, op == IORING_OP_READV ? (uint64_t)-1 : 0, data);

	e->flags = IOSQE_BUFFER_SELECT;
	e->buf_group = group;
	return e;
}

struct recvmsg_out {
	uint32_t namelen, controllen, payloadlen, flags;
};

static void selected_messages(void)
{
	static char mem[8][128];
	struct msghdr m = { .msg_namelen = 0 };
	struct iovec iov = { NULL, 3 };
	struct recvmsg_out *o;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	int sv[2], a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), buf;

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	provide(mem, 8, 128, 1);

	/* READV: one vector, of which the length counts. */
	EQUAL(write(sv[0], "abcdef", 6), 6);
	EQUAL(once(take(IORING_OP_READV, sv[1], &iov, 1, 1, 1)), 3);
	CHECK(flags_seen & IORING_CQE_F_BUFFER);
	CHECK(!memcmp(mem[BUFFER_OF(flags_seen)], "abc", 3));
	EQUAL(once(take(IORING_OP_READV, sv[1], &iov, 2, 1, 2)), -EINVAL);

	/* RECVMSG once. */
	m.msg_iov = &iov;
	m.msg_iovlen = 1;
	m.msg_flags = -1;
	iov.iov_len = 100;
	EQUAL(once(take(IORING_OP_RECVMSG, sv[1], &m, 1, 1, 3)), 3);
	CHECK(!memcmp(mem[BUFFER_OF(flags_seen)], "def", 3));
	EQUAL(m.msg_flags, 0);

	/* And again and again, each with its header, sender and control data before it. */
	EQUAL(bind(a, (struct sockaddr *)&sun, len), 0);
	EQUAL(bind(b, (struct sockaddr *)&sun, len), 0);
	len = sizeof(sun);
	EQUAL(getsockname(a, (struct sockaddr *)&sun, &len), 0);
	EQUAL(connect(b, (struct sockaddr *)&sun, len), 0);
	len = sizeof(sun);
	EQUAL(getsockname(b, (struct sockaddr *)&sun, &len), 0);
	m = (struct msghdr){ .msg_namelen = 32, .msg_controllen = 16 };
	sqe(IORING_OP_RECVMSG, a, &m, 1, 0, 4)->ioprio = MULTI_RECV;
	EQUAL(enter(1), 1);
	EQUAL(result(4), -EINVAL); /* without buffers */
	take(IORING_OP_RECVMSG, a, &m, 1, 1, 5)->ioprio = MULTI_RECV;
	EQUAL(enter(0), 1);
	for (int i = 0; i < 2; i++) {
		EQUAL(write(b, i ? "second" : "first", i ? 6 : 5), i ? 6 : 5);
		EQUAL(result(5), (int)sizeof(*o) + 32 + 16 + (i ? 6 : 5));
		CHECK((flags_seen & IORING_CQE_F_BUFFER) && (flags_seen & IORING_CQE_F_MORE));
		buf = (int)BUFFER_OF(flags_seen);
		o = (void *)mem[buf];
		EQUAL(o->namelen, len);
		EQUAL(o->controllen, 0);
		EQUAL(o->payloadlen, i ? 6 : 5);
		CHECK(!memcmp(mem[buf] + sizeof(*o), &sun, len));
		CHECK(!memcmp(mem[buf] + sizeof(*o) + 48, i ? "second" : "first", 5));
	}
	EQUAL(once(sqe(IORING_OP_ASYNC_CANCEL, -1, (void *)5, 0, 0, 6)), 0);
	EQUAL(result(5), -ECANCELED);
	m.msg_namelen = 120; /* more than a buffer holds */
	take(IORING_OP_RECVMSG, a, &m, 1, 1, 7)->ioprio = MULTI_RECV;
	EQUAL(write(b, "x", 1), 1);
	EQUAL(enter(1), 1);
	EQUAL(result(7), -EFAULT);
	close(a);
	close(b);
	close(sv[0]);
	close(sv[1]);
}

static void reads_again(void)
{
	static char mem[4][16];
	int p[2], fd = memfd_create("m", 0);

	provide(mem, 4, 16, 2);
	EQUAL(pipe(p), 0);
	EQUAL(once(sqe(OP_READ_MULTISHOT, p[0], NULL, 0, 0, 20)), -EINVAL);
	EQUAL(once(take(OP_READ_MULTISHOT, fd, NULL, 0, 2, 21)), -EBADFD);
	take(OP_READ_MULTISHOT, p[0], NULL, 0, 2, 22);
	EQUAL(enter(0), 1);
	for (int i = 0; i < 3; i++) {
		EQUAL(write(p[1], "read", 4), 4);
		EQUAL(result(22), 4);
		CHECK((flags_seen & IORING_CQE_F_BUFFER) && (flags_seen & IORING_CQE_F_MORE));
		CHECK(!memcmp(mem[BUFFER_OF(flags_seen)], "read", 4));
	}
	close(p[1]);
	EQUAL(result(22), 0);
	EQUAL(flags_seen & IORING_CQE_F_MORE, 0);
	close(p[0]);
	close(fd);
}

static struct io_uring_sqe *update(uint64_t which, struct __kernel_timespec *to, unsigned int flags, uint64_t data)
{
	struct io_uring_sqe *e = sqe(IORING_OP_TIMEOUT_REMOVE, -1, (void *)(uintptr_t)which, 0, (uintptr_t)to, data);

	e->timeout_flags = IORING_TIMEOUT_UPDATE | flags;
	return e;
}

static void timeouts(void)
{
	struct __kernel_timespec late = { 1000, 0 }, soon = { 0, 20000000 };
	struct io_uring_sqe *e;
	char ch;
	int p[2];

	sqe(IORING_OP_TIMEOUT, -1, &late, 1, 0, 30);
	EQUAL(enter(0), 1);
	EQUAL(once(update(30, &soon, 0, 31)), 0);
	EQUAL(result(30), -ETIME);
	EQUAL(once(update(30, &soon, 0, 32)), -ENOENT);
	EQUAL(once(update(30, &soon, 1u << 15, 33)), -EINVAL);

	EQUAL(pipe(p), 0);
	sqe(IORING_OP_READ, p[0], &ch, 1, (uint64_t)-1, 34)->flags = IOSQE_IO_LINK;
	sqe(IORING_OP_LINK_TIMEOUT, -1, &late, 1, 0, 35);
	EQUAL(enter(0), 2);
	do
		e = update(35, &soon, IORING_LINK_TIMEOUT_UPDATE, 36);
	while (once(e) == -ENOENT); /* the read has not begun */
	EQUAL(result(35), -ETIME);
	(void)result(34);

	e = sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 3, 37);
	e->timeout_flags = 1u << 6; /* IORING_TIMEOUT_MULTISHOT */
	EQUAL(enter(0), 1);
	EQUAL(result(37), -ETIME);
	EQUAL(flags_seen, IORING_CQE_F_MORE);
	EQUAL(result(37), -ETIME);
	EQUAL(flags_seen, IORING_CQE_F_MORE);
	EQUAL(result(37), -ETIME);
	EQUAL(flags_seen, 0);
	e = sqe(IORING_OP_TIMEOUT, -1, &soon, 1, 3, 38);
	e->timeout_flags = 1u << 6 | IORING_TIMEOUT_ABS;
	EQUAL(once(e), -EINVAL);
	close(p[0]);
	close(p[1]);
}

static void cancelling(void)
{
	int p[2], q[2];
	char ch[3];
	struct io_uring_sqe *e;

	EQUAL(pipe(p), 0);
	EQUAL(pipe(q), 0);
	sqe(IORING_OP_READ, p[0], &ch[0], 1, (uint64_t)-1, 40);
	sqe(IORING_OP_POLL_ADD, p[0], NULL, 0, 0, 41)->poll32_events = POLLIN;
	sqe(IORING_OP_READ, q[0], &ch[1], 1, (uint64_t)-1, 42);
	EQUAL(enter(0), 3);
	EQUAL(once(sqe(IORING_OP_POLL_REMOVE, -1, (void *)42, 0, 0, 43)), -ENOENT); /* no poll */
	e = sqe(IORING_OP_ASYNC_CANCEL, p[0], NULL, 0, 0, 44);
	e->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
	EQUAL(once(e), 2);
	EQUAL(result(40), -ECANCELED);
	EQUAL(result(41), -ECANCELED);
	e = sqe(IORING_OP_ASYNC_CANCEL, -1, NULL, IORING_OP_RECV, 0, 45);
	e->cancel_flags = 1u << 5 | IORING_ASYNC_CANCEL_ALL; /* IORING_ASYNC_CANCEL_OP */
	EQUAL(once(e), 0);
	e = sqe(IORING_OP_ASYNC_CANCEL, -1, NULL, IORING_OP_READ, 0, 46);
	e->cancel_flags = 1u << 5 | IORING_ASYNC_CANCEL_ALL;
	EQUAL(once(e), 1);
	EQUAL(result(42), -ECANCELED);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

/* A completion in another ring; one that is no ring's. */
static void messages(void)
{
	struct io_uring_params p = { 0 };
	int other = (int)syscall(SYS_io_uring_setup, 4, &p);
	struct pollfd pfd = { .fd = other, .events = POLLIN };

	EQUAL(once(sqe(IORING_OP_MSG_RING, other, NULL, 7, 99, 50)), 0);
	EQUAL(poll(&pfd, 1, T_GUARD_MS), 1);
	EQUAL(once(sqe(IORING_OP_MSG_RING, 0, NULL, 7, 99, 51)), -EBADFD);
	EQUAL(once(sqe(IORING_OP_MSG_RING, 77, NULL, 7, 99, 52)), -EBADF);
	EQUAL(once(sqe(IORING_OP_MSG_RING, r.fd, NULL, 8, 1234, 53)), 0);
	EQUAL(result(1234), 8);
	close(other);
}

static void zero_copy(void)
{
	struct sockaddr_in { unsigned short family, port; unsigned int addr; char zero[8]; } sin = { AF_INET, 0, 0x0100007f, "" };
	socklen_t len = sizeof(sin);
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[8] = "";

	EQUAL(bind(a, (struct sockaddr *)&sin, len), 0);
	EQUAL(getsockname(a, (struct sockaddr *)&sin, &len), 0);
	EQUAL(connect(b, (struct sockaddr *)&sin, len), 0);
	EQUAL(once(sqe(IORING_OP_SEND_ZC, b, "zero", 4, 0, 60)), 4);
	EQUAL(flags_seen, IORING_CQE_F_MORE);
	EQUAL(read(a, buf, 8), 4);
	EQUAL(result(60), 0);
	EQUAL(flags_seen, IORING_CQE_F_NOTIF);
	CHECK(!strcmp(buf, "zero"));
	close(a);
	close(b);
}

static void operations(void)
{
	struct io_uring_probe *probe = calloc(1, sizeof(*probe) + 256 * sizeof(struct io_uring_probe_op));
	char name[] = "/tmp/io_uring_more.XXXXXX", value[8] = "";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = mkstemp(name), s = socket(AF_UNIX, SOCK_STREAM, 0), on;
	socklen_t len = sizeof(on);
	struct io_uring_sqe *e;
	struct stat st;

	EQUAL(syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_PROBE, probe, 256), 0);
	e = sqe(IORING_OP_FSETXATTR, fd, "user.a", 1, (uintptr_t)"1", 70);
	on = once(e);
	if (on != -EOPNOTSUPP) {
		EQUAL(on, 0);
		e = sqe(IORING_OP_SETXATTR, 0, "user.b", 2, (uintptr_t)"22", 71);
		e->addr3 = (uintptr_t)name;
		EQUAL(once(e), 0);
		EQUAL(once(sqe(IORING_OP_FGETXATTR, fd, "user.b", 8, (uintptr_t)value, 72)), 2);
		CHECK(!strcmp(value, "22"));
		e = sqe(IORING_OP_GETXATTR, 0, "user.a", 8, (uintptr_t)value, 73);
		e->addr3 = (uintptr_t)name;
		EQUAL(once(e), 1);
	}
	if (has(probe, OP_FTRUNCATE)) {
		EQUAL(once(sqe(OP_FTRUNCATE, fd, NULL, 0, 12345, 74)), 0);
		EQUAL(fstat(fd, &st), 0);
		EQUAL(st.st_size, 12345);
	}
	if (has(probe, OP_LISTEN)) {
		EQUAL(once(sqe(OP_BIND, s, &sun, 0, sizeof(sa_family_t), 75)), 0);
		EQUAL(once(sqe(OP_LISTEN, s, NULL, 5, 0, 76)), 0);
		EQUAL(getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &on, &len), 0);
		EQUAL(on, 1);
	}
	close(s);
	close(fd);
	unlink(name);
	free(probe);
}

T_MAIN
{
	set_ups();
	ring_open(8, 0);
	selected_messages();
	reads_again();
	timeouts();
	cancelling();
	messages();
	zero_copy();
	operations();
}
