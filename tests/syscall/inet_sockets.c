/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inet_sockets.c: TCP and UDP sockets over loopback: connecting, waiting, interruption, flags, errors, readiness.
 * The same on Linux, on the sandbox's own stack and, with --network=host, on sockets of the host.
 */
#include "t.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>

static const struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr = { 0x0100007f } };
static struct sockaddr_in at;
static int listener;

static struct sockaddr_in name_of(int s)
{
	struct sockaddr_in a;
	socklen_t size = sizeof(a);

	EQUAL(getsockname(s, (struct sockaddr *)&a, &size), 0);
	EQUAL(size, sizeof(a));
	return a;
}

static int bound(int type)
{
	int s = socket(AF_INET, type, 0);

	EQUAL(bind(s, (const struct sockaddr *)&loopback, sizeof(loopback)), 0);
	return s;
}

static int connect_to(int s, const struct sockaddr_in *a)
{
	return connect(s, (const struct sockaddr *)a, sizeof(*a));
}

static void pair(int s[2])
{
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	EQUAL(connect_to(s[0], &at), 0);
	s[1] = accept(listener, NULL, NULL);
	CHECK(s[1] >= 0);
}

static void unpair(int s[2])
{
	close(s[0]);
	close(s[1]);
}

static void reset_by(int s)
{
	struct linger l = { 1, 0 };

	EQUAL(setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	close(s);
}

static int events_of(int s, int events)
{
	struct pollfd p = { s, (short)events, 0 };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

static void await_events(int s, int events)
{
	struct pollfd p = { s, (short)events, 0 };

	EQUAL(poll(&p, 1, T_GUARD_MS), 1);
}

/* ---- connecting ---- */

static void connecting(void)
{
	struct sockaddr_in a, nobody = loopback;
	struct sockaddr_storage big;
	int s, t, v = 1, tmp;
	socklen_t size;

	s = bound(SOCK_STREAM); /* a port where nobody listens */
	nobody = name_of(s);
	t = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(ECONNREFUSED, connect_to(t, &nobody));
	FAILS(ENOTCONN, getpeername(t, (struct sockaddr *)&a, &(socklen_t){ sizeof(a) }));
	FAILS(EINVAL, connect(t, (const struct sockaddr *)&at, 3));
	EQUAL(connect_to(t, &at), 0); /* once more, elsewhere */
	FAILS(EISCONN, connect_to(t, &at));
	size = sizeof(big);
	EQUAL(getpeername(t, (struct sockaddr *)&big, &size), 0);
	EQUAL(size, sizeof(a));
	size = 4; /* cut, but told */
	memset(&a, 0xff, sizeof(a));
	EQUAL(getpeername(t, (struct sockaddr *)&a, &size), 0);
	EQUAL(size, sizeof(a));
	EQUAL(a.sin_port, at.sin_port);
	EQUAL(a.sin_addr.s_addr, 0xffffffff);
	tmp = accept4(listener, (struct sockaddr *)&a, &(socklen_t){ sizeof(a) }, SOCK_NONBLOCK | SOCK_CLOEXEC);
	EQUAL(a.sin_port, name_of(t).sin_port);
	EQUAL(fcntl(tmp, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	EQUAL(fcntl(tmp, F_GETFD), FD_CLOEXEC);
	close(tmp);
	close(t);
	FAILS(EINVAL, bind(s, (const struct sockaddr *)&loopback, sizeof(loopback))); /* twice */
	FAILS(EINVAL, accept(s, NULL, NULL));
	FAILS(EADDRINUSE, bind(t = socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&nobody, sizeof(nobody)));
	EQUAL(events_of(t, POLLIN | POLLOUT), POLLOUT | POLLHUP); /* not connected */
	FAILS(ENOTCONN, recv(t, &v, 1, 0));
	FAILS(ENOTCONN, shutdown(t, SHUT_WR));
	FAILS(EPIPE, send(t, &v, 1, MSG_NOSIGNAL));
	close(t);
	close(s);
	a = loopback;
	a.sin_addr.s_addr = htonl(0x08080808);
	FAILS(EADDRNOTAVAIL, bind(s = socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a)));
	close(s);
}

static void connecting_nonblocking(void)
{
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), full = bound(SOCK_STREAM), v, many[8];
	struct sockaddr_in nobody = name_of(full);
	socklen_t size = sizeof(v);

	errno = 0;
	CHECK(connect_to(s, &at) == 0 || errno == EINPROGRESS);
	await_events(s, POLLOUT);
	EQUAL(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &size), 0);
	EQUAL(v, 0);
	CHECK(connect_to(s, &at) == 0 || errno == EISCONN);
	FAILS(EISCONN, connect_to(s, &at));
	close(accept(listener, NULL, NULL));
	close(s);

	s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	errno = 0;
	if (connect_to(s, &nobody) < 0 && errno == EINPROGRESS) {
		await_events(s, POLLOUT);
		CHECK((events_of(s, POLLOUT) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
		EQUAL(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &size), 0);
		EQUAL(v, ECONNREFUSED);
		EQUAL(getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &size), 0);
		EQUAL(v, 0);
	} else {
		EQUAL(errno, ECONNREFUSED);
	}
	close(s);
	/* A queue that is full: the handshake goes on and on. */
	EQUAL(listen(full, 0), 0);
	for (int i = 0; i < 8; i++) {
		many[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect_to(many[i], &nobody);
	}
	FAILS(EALREADY, connect_to(many[7], &nobody));
	EQUAL(events_of(many[7], POLLIN | POLLOUT), 0);
	s = socket(AF_INET, SOCK_STREAM, 0);
	t_handle(SIGALRM, 0);
	INTERRUPTED(connect_to(s, &nobody));
	EQUAL(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ 0, 30000 }, sizeof(struct timeval)), 0);
	errno = 0;
	CHECK(connect_to(s, &nobody) < 0 && (errno == EINPROGRESS || errno == EALREADY));
	close(s);
	for (int i = 0; i < 8; i++)
		close(many[i]);
	close(full);
}

/* ---- waiting ---- */

static int peer;

static void *write_later(void *arg)
{
	t_sleep_ms(50);
	EQUAL(write(peer, arg, strlen(arg)), (ssize_t)strlen(arg));
	return NULL;
}

static void *connect_later(void *arg)
{
	static int s;

	(void)arg;
	t_sleep_ms(50);
	s = socket(AF_INET, SOCK_STREAM, 0);
	EQUAL(connect_to(s, &at), 0);
	return &s;
}

/* Until nothing more goes in: what lies in the sender's buffer moves on for a while. */
static void fill(int s)
{
	static const char b[100];

	for (int quiet = 0; quiet < 10; t_sleep_ms(10))
		for (quiet++; send(s, b, sizeof(b), MSG_DONTWAIT) > 0;)
			quiet = 0;
	EQUAL(errno, EAGAIN);
}

static void waiting(void)
{
	struct timeval soon = { 0, 50000 };
	pthread_t t;
	char b[100];
	int s[2], *c, fd;
	int64_t start;

	pair(s);
	FAILS(EAGAIN, recv(s[0], b, 1, MSG_DONTWAIT));
	FAILS(EAGAIN, accept(fcntl(listener, F_SETFL, O_NONBLOCK) == 0 ? listener : -1, NULL, NULL));
	EQUAL(fcntl(listener, F_SETFL, 0), 0);
	t_handle(SIGALRM, 0);
	INTERRUPTED(recv(s[0], b, 1, 0));
	INTERRUPTED(accept(listener, NULL, NULL));
	t_handle(SIGALRM, SA_RESTART);
	peer = s[1];
	t_signals = 0;
	t_alarm_ms(10);
	EQUAL(pthread_create(&t, NULL, write_later, "abc"), 0);
	EQUAL(recv(s[0], b, sizeof(b), 0), 3);
	t_alarm_ms(0);
	pthread_join(t, NULL);
	EQUAL(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	start = t_now_ms();
	FAILS(EAGAIN, recv(s[0], b, 1, 0));
	CHECK(t_now_ms() - start >= 49);
	t_handle(SIGALRM, SA_RESTART); /* with a time-out it is EINTR all the same */
	EQUAL(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 60, 0 }, sizeof(soon)), 0);
	INTERRUPTED(recv(s[0], b, 1, 0));
	EQUAL(pthread_create(&t, NULL, connect_later, NULL), 0);
	fd = accept(listener, NULL, NULL);
	CHECK(fd >= 0);
	pthread_join(t, (void **)&c);
	close(*c);
	close(fd);
	/* All of it, in pieces. */
	EQUAL(write(s[1], "12345", 5), 5);
	EQUAL(pthread_create(&t, NULL, write_later, "67890"), 0);
	EQUAL(recv(s[0], b, 10, MSG_WAITALL), 10);
	EQUAL(memcmp(b, "1234567890", 10), 0);
	pthread_join(t, NULL);
	/* A full buffer. */
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	while (write(s[0], b, sizeof(b)) > 0)
		;
	EQUAL(errno, EAGAIN);
	fcntl(s[0], F_SETFL, 0);
	fill(s[0]);
	EQUAL(events_of(s[0], POLLOUT), 0);
	t_handle(SIGALRM, 0);
	t_alarm_ms(20);
	while (send(s[0], b, sizeof(b), 0) > 0)
		;
	EQUAL(errno, EINTR);
	t_alarm_ms(0);
	EQUAL(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)), 0);
	while (send(s[0], b, sizeof(b), 0) > 0)
		;
	EQUAL(errno, EAGAIN);
	unpair(s);
}

/* Much more than buffers hold, from one thread to another, of which each waits for the other. */
static void *drain(void *arg)
{
	static char b[70001];
	long sum = 0;
	ssize_t n;

	while ((n = read(*(int *)arg, b, sizeof(b))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum += (unsigned char)b[i];
	return (void *)sum;
}

static void much(void)
{
	static char b[300000];
	struct iovec iov[3] = { { b, 100 }, { b + 100, 150000 }, { b + 150100, sizeof(b) - 150100 } };
	long want = 0;
	int s[2], file = memfd_create("x", 0);
	off_t off = 0;
	pthread_t t;
	void *got;

	pair(s);
	for (size_t i = 0; i < sizeof(b); i++) {
		b[i] = (char)(i * 7 + i / 251);
		want += (unsigned char)b[i];
	}
	EQUAL(pthread_create(&t, NULL, drain, &s[1]), 0);
	for (int i = 0; i < 20; i++) {
		EQUAL(writev(s[0], iov, 3), sizeof(b));
		EQUAL(send(s[0], b, sizeof(b), MSG_MORE), sizeof(b));
	}
	EQUAL(write(file, b, sizeof(b)), sizeof(b));
	EQUAL(sendfile(s[0], file, &off, sizeof(b)), sizeof(b));
	EQUAL(shutdown(s[0], SHUT_WR), 0);
	pthread_join(t, &got);
	EQUAL((long)got, want * 41);
	close(file);
	unpair(s);
}

/* ---- flags, marks, ends ---- */

static void flags(void)
{
	char b[100];
	int s[2], v = -1;
	pthread_t t;

	pair(s);
	EQUAL(write(s[1], "abcdef", 6), 6);
	await_events(s[0], POLLIN);
	EQUAL(recv(s[0], b, 3, MSG_PEEK), 3);
	EQUAL(recv(s[0], b, 100, MSG_PEEK), 6);
	EQUAL(ioctl(s[0], FIONREAD, &v), 0);
	EQUAL(v, 6);
	memset(b, 'x', sizeof(b));
	EQUAL(recv(s[0], b, 2, MSG_TRUNC), 2); /* TCP: thrown away */
	EQUAL(b[0], 'x');
	EQUAL(recv(s[0], b, 100, 0), 4);
	EQUAL(memcmp(b, "cdef", 4), 0);
	FAILS(EFAULT, recv(s[1], BAD_PTR, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN ? (errno = EFAULT, -1) : -1);
	FAILS(EFAULT, send(s[1], BAD_PTR, 10, 0));
	/* Urgent data. */
	EQUAL(events_of(s[0], POLLPRI), 0);
	EQUAL(send(s[1], "12", 2, 0), 2);
	EQUAL(send(s[1], "!", 1, MSG_OOB), 1);
	EQUAL(send(s[1], "34", 2, 0), 2);
	await_events(s[0], POLLPRI);
	AWAIT(ioctl(s[0], FIONREAD, &v) == 0 && v >= 2);
	EQUAL(ioctl(s[0], SIOCATMARK, &v), 0);
	EQUAL(v, 0);
	EQUAL(recv(s[0], b, 100, 0), 2);
	EQUAL(ioctl(s[0], SIOCATMARK, &v), 0);
	EQUAL(v, 1);
	EQUAL(recv(s[0], b, 1, MSG_OOB), 1);
	EQUAL(b[0], '!');
	FAILS(EINVAL, recv(s[0], b, 1, MSG_OOB));
	AWAIT(recv(s[0], b, 100, MSG_PEEK) == 2);
	EQUAL(recv(s[0], b, 100, 0), 2);
	/* Who wants all gets what is before the mark, and then what is behind it. */
	EQUAL(send(s[1], "12", 2, 0), 2);
	EQUAL(send(s[1], "!", 1, MSG_OOB), 1);
	EQUAL(send(s[1], "34", 2, 0), 2);
	await_events(s[0], POLLPRI);
	EQUAL(recv(s[0], b, 4, MSG_WAITALL), 2);
	EQUAL(recv(s[0], b, 2, MSG_WAITALL), 2);
	EQUAL(memcmp(b, "34", 2), 0);
	/* Who looks at all waits for it. */
	peer = s[1];
	EQUAL(write(s[1], "123", 3), 3);
	EQUAL(pthread_create(&t, NULL, write_later, "456"), 0);
	EQUAL(recv(s[0], b, 6, MSG_PEEK | MSG_WAITALL), 6);
	EQUAL(recv(s[0], b, 6, MSG_WAITALL), 6);
	EQUAL(memcmp(b, "123456", 6), 0);
	pthread_join(t, NULL);
	/* What is not acknowledged yet will be. */
	AWAIT(ioctl(s[1], SIOCOUTQ, &v) == 0 && v == 0);
	unpair(s);
}

static void *reset_later(void *arg)
{
	usleep(20000);
	reset_by(*(int *)arg);
	return NULL;
}

/* What ends a transfer of which a part is done is told afterwards. */
static void broken_off(void)
{
	static char b[16 << 20];
	socklen_t size = sizeof(int);
	int s[2], v = 0;
	pthread_t t;
	ssize_t n;

	pair(s);
	EQUAL(pthread_create(&t, NULL, reset_later, &s[1]), 0);
	n = send(s[0], b, sizeof(b), MSG_NOSIGNAL);
	CHECK(n > 0 && n < (ssize_t)sizeof(b));
	pthread_join(t, NULL);
	CHECK(events_of(s[0], POLLIN) & POLLERR);
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &size), 0);
	EQUAL(v, ECONNRESET);
	FAILS(EPIPE, send(s[0], b, 1, MSG_NOSIGNAL));
	EQUAL(recv(s[0], b, 1, 0), 0);
	close(s[0]);
	pair(s);
	EQUAL(write(s[1], "abc", 3), 3);
	await_events(s[0], POLLIN);
	EQUAL(pthread_create(&t, NULL, reset_later, &s[1]), 0);
	EQUAL(recv(s[0], b, 10, MSG_WAITALL), 3);
	pthread_join(t, NULL);
	FAILS(ECONNRESET, recv(s[0], b, 10, MSG_WAITALL));
	EQUAL(recv(s[0], b, 10, MSG_WAITALL), 0);
	close(s[0]);
}

static void ends(void)
{
	char b[100];
	int s[2], v;
	socklen_t size = sizeof(v);

	signal(SIGPIPE, SIG_IGN);
	pair(s);
	EQUAL(write(s[1], "x", 1), 1);
	EQUAL(shutdown(s[1], SHUT_WR), 0);
	FAILS(EPIPE, write(s[1], "x", 1));
	await_events(s[0], POLLRDHUP);
	EQUAL(events_of(s[0], POLLIN | POLLRDHUP | POLLOUT), POLLIN | POLLRDHUP | POLLOUT);
	EQUAL(read(s[0], b, 100), 1);
	EQUAL(read(s[0], b, 100), 0);
	EQUAL(read(s[0], b, 100), 0);
	EQUAL(write(s[0], "back", 4), 4);
	EQUAL(read(s[1], b, 100), 4);
	EQUAL(shutdown(s[0], SHUT_WR), 0);
	await_events(s[1], POLLHUP);
	FAILS(EINVAL, shutdown(s[1], 7));
	unpair(s);

	pair(s); /* one that goes away with data unread: a reset */
	EQUAL(write(s[0], "x", 1), 1);
	await_events(s[1], POLLIN);
	close(s[1]);
	await_events(s[0], POLLHUP);
	FAILS(ECONNRESET, read(s[0], b, 1));
	EQUAL(read(s[0], b, 1), 0);
	t_handle(SIGPIPE, 0);
	t_signals = 0;
	FAILS(EPIPE, write(s[0], "x", 1));
	EQUAL(t_signals, 1);
	FAILS(EPIPE, send(s[0], "x", 1, MSG_NOSIGNAL));
	EQUAL(t_signals, 1);
	close(s[0]);

	pair(s);
	reset_by(s[1]);
	await_events(s[0], POLLERR);
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &size), 0);
	EQUAL(v, ECONNRESET);
	EQUAL(read(s[0], b, 1), 0);
	close(s[0]);

	pair(s); /* a listener that ends takes those with it that nobody accepted */
	unpair(s);
	v = bound(SOCK_STREAM);
	EQUAL(listen(v, 5), 0);
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = name_of(v);
	EQUAL(connect_to(s[0], &a), 0);
	close(v);
	await_events(s[0], POLLERR | POLLHUP);
	FAILS(ECONNRESET, read(s[0], b, 1));
	close(s[0]);

	/* close(2) waits until the peer has it. */
	pair(s);
	EQUAL(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 20 }, sizeof(struct linger)), 0);
	EQUAL(write(s[0], "last", 4), 4);
	EQUAL(close(s[0]), 0);
	EQUAL(recv(s[1], b, 4, MSG_DONTWAIT), 4);
	EQUAL(read(s[1], b, 4), 0);
	close(s[1]);
}

/* ---- readiness ---- */

static void edges(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = 7 };
	int s[2], ep = epoll_create1(0);
	char b[100];

	pair(s);
	EQUAL(epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &e), 0);
	EQUAL(epoll_wait(ep, &e, 1, T_GUARD_MS), 1);
	EQUAL(e.events, EPOLLOUT);
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	for (int i = 0; i < 3; i++) { /* each arrival is told, read or not */
		EQUAL(write(s[1], "abc", 3), 3);
		EQUAL(epoll_wait(ep, &e, 1, T_GUARD_MS), 1);
		EQUAL(e.events, EPOLLIN | EPOLLOUT);
		EQUAL(e.data.u32, 7);
		EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	}
	EQUAL(read(s[0], b, 4), 4); /* what is left is no news */
	EQUAL(epoll_wait(ep, &e, 1, 20), 0);
	EQUAL(read(s[0], b, 100), 5);
	EQUAL(write(s[1], "x", 1), 1);
	EQUAL(epoll_wait(ep, &e, 1, T_GUARD_MS), 1);
	EQUAL(shutdown(s[1], SHUT_WR), 0);
	EQUAL(epoll_wait(ep, &e, 1, T_GUARD_MS), 1);
	EQUAL(e.events, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	unpair(s);

	pair(s); /* level-triggered, once */
	e.events = EPOLLIN | EPOLLONESHOT;
	EQUAL(epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &e), 0);
	EQUAL(write(s[1], "a", 1), 1);
	EQUAL(epoll_wait(ep, &e, 1, T_GUARD_MS), 1);
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	e.events = EPOLLIN;
	EQUAL(epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &e), 0);
	for (int i = 0; i < 3; i++)
		EQUAL(epoll_wait(ep, &e, 1, 0), 1);
	EQUAL(read(s[0], b, 100), 1);
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	e.events = EPOLLIN;
	EQUAL(epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e), 0);
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	int c = socket(AF_INET, SOCK_STREAM, 0);
	EQUAL(connect_to(c, &at), 0);
	EQUAL(epoll_wait(ep, &e, 1, T_GUARD_MS), 1);
	close(accept(listener, NULL, NULL));
	EQUAL(epoll_wait(ep, &e, 1, 0), 0);
	close(c);
	unpair(s);
	close(ep);
}

/* ---- datagrams ---- */

static void datagrams(void)
{
	static char big[70000];
	int r = bound(SOCK_DGRAM), s = bound(SOCK_DGRAM), t, v = 1;
	struct sockaddr_in a = name_of(r), b = name_of(s), from, nobody;
	socklen_t size = sizeof(from);
	char control[200], data[100];
	struct iovec iov[2] = { { data, 2 }, { data + 2, 98 } };
	struct msghdr m = { &from, sizeof(from), iov, 2, control, sizeof(control), 0 };
	int seen = 0;

	FAILS(EAGAIN, recv(r, data, 1, MSG_DONTWAIT));
	FAILS(EDESTADDRREQ, send(s, "x", 1, 0));
	EQUAL(sendto(s, "hello", 5, 0, (struct sockaddr *)&a, sizeof(a)), 5);
	EQUAL(recvfrom(r, data, 2, MSG_PEEK | MSG_TRUNC, (struct sockaddr *)&from, &size), 5);
	EQUAL(from.sin_port, b.sin_port);
	EQUAL(ioctl(r, FIONREAD, &v), 0);
	EQUAL(v, 5);
	EQUAL(recv(r, data, 2, 0), 2); /* the rest is gone */
	FAILS(EAGAIN, recv(r, data, 1, MSG_DONTWAIT));
	EQUAL(connect_to(s, &a), 0);
	EQUAL(send(s, "", 0, 0), 0);
	await_events(r, POLLIN);
	EQUAL(recv(r, data, 100, 0), 0);
	FAILS(EMSGSIZE, send(s, big, sizeof(big), 0));
	EQUAL(send(s, big, 60000, 0), 60000);
	EQUAL(recv(r, big, sizeof(big), 0), 60000);
	/* What comes along. */
	v = 1;
	EQUAL(setsockopt(r, IPPROTO_IP, IP_PKTINFO, &v, sizeof(v)), 0);
	EQUAL(setsockopt(r, IPPROTO_IP, IP_RECVTTL, &v, sizeof(v)), 0);
	EQUAL(setsockopt(r, IPPROTO_IP, IP_RECVTOS, &v, sizeof(v)), 0);
	v = 33;
	EQUAL(setsockopt(s, IPPROTO_IP, IP_TTL, &v, sizeof(v)), 0);
	v = 0x10;
	EQUAL(setsockopt(s, IPPROTO_IP, IP_TOS, &v, sizeof(v)), 0);
	EQUAL(send(s, "hello", 5, 0), 5);
	EQUAL(recvmsg(r, &m, 0), 5);
	EQUAL(m.msg_namelen, sizeof(from));
	EQUAL(m.msg_flags, 0);
	EQUAL(memcmp(data, "hello", 5), 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != IPPROTO_IP)
			continue;
		memcpy(&v, CMSG_DATA(c), sizeof(v));
		if (c->cmsg_type == IP_TTL)
			seen += v == 33 ? 1 : 100;
		else if (c->cmsg_type == IP_TOS)
			seen += (unsigned char)v == 0x10 ? 10 : 100;
		else if (c->cmsg_type == IP_PKTINFO)
			seen += ((struct in_pktinfo *)CMSG_DATA(c))->ipi_addr.s_addr == loopback.sin_addr.s_addr ? 20 : 100;
	}
	EQUAL(seen, 31);
	m.msg_controllen = 20; /* too small */
	EQUAL(send(s, "hello, world", 12, 0), 12);
	m.msg_iovlen = 1;
	EQUAL(recvmsg(r, &m, 0), 2);
	EQUAL(m.msg_flags, MSG_TRUNC | MSG_CTRUNC);
	/* With a TTL of its own. */
	struct {
		struct cmsghdr h;
		int v;
	} own = { { CMSG_LEN(sizeof(int)), IPPROTO_IP, IP_TTL }, 44 };
	struct msghdr out = { .msg_iov = iov, .msg_iovlen = 1, .msg_control = &own, .msg_controllen = sizeof(own) };
	EQUAL(sendmsg(s, &out, 0), 2);
	m.msg_controllen = sizeof(control);
	EQUAL(recvmsg(r, &m, 0), 2);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == IP_TTL)
			EQUAL(*(int *)CMSG_DATA(c), 44);
	own.h.cmsg_type = 99;
	FAILS(EINVAL, sendmsg(s, &out, 0));
	/* Nobody there: told at the next call, and by the error queue. */
	t = bound(SOCK_DGRAM);
	nobody = name_of(t);
	close(t);
	EQUAL(connect_to(s, &nobody), 0);
	EQUAL(send(s, "x", 1, 0), 1);
	await_events(s, POLLERR);
	FAILS(ECONNREFUSED, recv(s, data, 1, 0));
	v = 1;
	EQUAL(setsockopt(s, IPPROTO_IP, IP_RECVERR, &v, sizeof(v)), 0);
	EQUAL(send(s, "y", 1, 0), 1);
	await_events(s, POLLERR);
	m.msg_controllen = sizeof(control);
	EQUAL(recvmsg(s, &m, MSG_ERRQUEUE), 1);
	CHECK(m.msg_flags & MSG_ERRQUEUE);
	struct sock_extended_err *ee = (void *)CMSG_DATA(CMSG_FIRSTHDR(&m));
	EQUAL(ee->ee_errno, ECONNREFUSED);
	EQUAL(ee->ee_origin, SO_EE_ORIGIN_ICMP);
	FAILS(EAGAIN, recvmsg(s, &m, MSG_ERRQUEUE));
	/* From nobody in particular again. */
	from.sin_family = AF_UNSPEC;
	EQUAL(connect(s, (struct sockaddr *)&from, sizeof(from)), 0);
	FAILS(ENOTCONN, getpeername(s, (struct sockaddr *)&from, &size));
	FAILS(EOPNOTSUPP, listen(s, 1));
	FAILS(EOPNOTSUPP, accept(s, NULL, NULL));
	close(r);
	close(s);
}

/* What the error queue says beside the error: the time to live of the ICMP packet that told; errors of our own of echo requests. */
static void error_queue_messages(void)
{
	static char big[65530];
	char control[128];
	struct iovec iov = { big, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	int s = socket(AF_INET, SOCK_DGRAM, 0), t = bound(SOCK_DGRAM), v = 1, ttl = -1, refused = 0;
	struct sockaddr_in nobody = name_of(t);

	close(t);
	EQUAL(setsockopt(s, IPPROTO_IP, IP_RECVERR, &v, sizeof(v)), 0);
	EQUAL(setsockopt(s, IPPROTO_IP, IP_RECVTTL, &v, sizeof(v)), 0);
	EQUAL(connect_to(s, &nobody), 0);
	EQUAL(send(s, "x", 1, 0), 1);
	await_events(s, POLLERR);
	EQUAL(recvmsg(s, &m, MSG_ERRQUEUE), 1);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_type == IP_TTL)
			ttl = *(int *)CMSG_DATA(c);
		if (c->cmsg_type == IP_RECVERR)
			refused = ((struct sock_extended_err *)CMSG_DATA(c))->ee_errno == ECONNREFUSED;
	}
	EQUAL(ttl, 64);
	CHECK(refused);
	close(s);
	s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	CHECK(s >= 0);
	EQUAL(setsockopt(s, IPPROTO_IP, IP_RECVERR, &v, sizeof(v)), 0);
	v = IP_PMTUDISC_DO;
	EQUAL(setsockopt(s, IPPROTO_IP, IP_MTU_DISCOVER, &v, sizeof(v)), 0);
	big[0] = 8;
	FAILS(EMSGSIZE, sendto(s, big, sizeof(big), 0, (struct sockaddr *)&loopback, sizeof(loopback)));
	m.msg_controllen = sizeof(control);
	EQUAL(recvmsg(s, &m, MSG_ERRQUEUE), 0);
	struct sock_extended_err *ee = (void *)CMSG_DATA(CMSG_FIRSTHDR(&m));
	EQUAL(ee->ee_errno, EMSGSIZE);
	EQUAL(ee->ee_origin, SO_EE_ORIGIN_LOCAL);
	close(s);
}

/* ---- IPv6, options ---- */

static void both_families(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 }, a;
	int s = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), v = 0, p;
	struct sockaddr_in four = loopback;
	socklen_t size = sizeof(a);

	if (s < 0)
		return;
	EQUAL(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &v, sizeof(v)), 0);
	EQUAL(bind(s, (struct sockaddr *)&any, sizeof(any)), 0);
	EQUAL(listen(s, 5), 0);
	EQUAL(getsockname(s, (struct sockaddr *)&a, &size), 0);
	four.sin_port = a.sin6_port;
	EQUAL(connect_to(c, &four), 0);
	p = accept(s, (struct sockaddr *)&a, &size);
	EQUAL(size, sizeof(a));
	CHECK(IN6_IS_ADDR_V4MAPPED(&a.sin6_addr));
	EQUAL(write(p, "x", 1), 1);
	EQUAL(read(c, &v, 1), 1);
	FAILS(EINVAL, setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &v, sizeof(v)));
	close(p);
	close(c);
	close(s);
}

static int option(int s, int level, int name)
{
	int v = -1;
	socklen_t size = sizeof(v);

	return getsockopt(s, level, name, &v, &size) < 0 ? -errno : v;
}

static int set(int s, int level, int name, int v)
{
	return setsockopt(s, level, name, &v, sizeof(v));
}

static void options(void)
{
	int s[2], u = socket(AF_INET, SOCK_DGRAM, 0), v;
	struct linger l = { 1, 5 };
	struct tcp_info info;
	socklen_t size = sizeof(l);
	char name[16] = "";

	pair(s);
	EQUAL(option(s[0], SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	EQUAL(option(s[0], SOL_SOCKET, SO_DOMAIN), AF_INET);
	EQUAL(option(s[0], SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	EQUAL(option(u, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
	EQUAL(option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
	EQUAL(option(s[0], SOL_SOCKET, SO_ACCEPTCONN), 0);
	EQUAL(set(s[0], SOL_SOCKET, SO_KEEPALIVE, 1), 0);
	EQUAL(option(s[0], SOL_SOCKET, SO_KEEPALIVE), 1);
	EQUAL(set(s[0], SOL_SOCKET, SO_SNDBUF, 20000), 0);
	EQUAL(option(s[0], SOL_SOCKET, SO_SNDBUF), 40000);
	EQUAL(set(u, SOL_SOCKET, SO_RCVBUF, 30000), 0);
	EQUAL(option(u, SOL_SOCKET, SO_RCVBUF), 60000);
	EQUAL(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	memset(&l, 0, sizeof(l));
	EQUAL(getsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, &size), 0);
	EQUAL(l.l_linger, 5);
	l.l_onoff = 0;
	EQUAL(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	EQUAL(set(s[0], IPPROTO_TCP, TCP_NODELAY, 1), 0);
	EQUAL(option(s[0], IPPROTO_TCP, TCP_NODELAY), 1);
	EQUAL(set(s[0], IPPROTO_TCP, TCP_KEEPIDLE, 77), 0);
	EQUAL(option(s[0], IPPROTO_TCP, TCP_KEEPIDLE), 77);
	size = sizeof(name);
	EQUAL(getsockopt(s[0], IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
	CHECK(name[0]);
	size = sizeof(info);
	EQUAL(getsockopt(s[0], IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	EQUAL(info.tcpi_state, TCP_ESTABLISHED);
	EQUAL(option(s[0], IPPROTO_IP, IP_TTL), 64);
	EQUAL(option(u, IPPROTO_IP, IP_MULTICAST_TTL), 1);
	FAILS(ENOPROTOOPT, set(s[0], SOL_SOCKET, 9999, 1));
	FAILS(ENOPROTOOPT, set(s[0], IPPROTO_TCP, 9999, 1));
	FAILS(ENOPROTOOPT, set(u, IPPROTO_TCP, TCP_NODELAY, 1));
	FAILS(EINVAL, setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, &v, 2));
	FAILS(EFAULT, setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, BAD_PTR, 4));
	FAILS(EINVAL, set(s[0], IPPROTO_IP, IP_TTL, 300));
	EQUAL(set(s[0], SOL_SOCKET, SO_RCVLOWAT, 4), 0);
	EQUAL(write(s[1], "ab", 2), 2);
	AWAIT(ioctl(s[0], FIONREAD, &v) == 0 && v == 2);
	EQUAL(events_of(s[0], POLLIN), 0);
	EQUAL(write(s[1], "cd", 2), 2);
	await_events(s[0], POLLIN);
	FAILS(EAFNOSUPPORT, socket(AF_MAX - 1, SOCK_STREAM, 0));
	FAILS(EPROTONOSUPPORT, socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	FAILS(EPROTONOSUPPORT, socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
	FAILS(EINVAL, socket(AF_INET, SOCK_STREAM, 9999));
	FAILS(EINVAL, socket(AF_INET, 77, 0));
	close(u);
	unpair(s);
}

/* An AF_INET6 stream takes no AF_INET address; a datagram socket does, to send to. */
static void families(void)
{
	struct sockaddr_storage wide;
	int t = socket(AF_INET6, SOCK_STREAM, 0), u = socket(AF_INET6, SOCK_DGRAM, 0), to = bound(SOCK_DGRAM);
	struct sockaddr_in a = name_of(to);
	char c[4];

	memset(&wide, 0, sizeof(wide));
	memcpy(&wide, &at, sizeof(at));
	FAILS(EINVAL, connect_to(t, &at));
	FAILS(EAFNOSUPPORT, connect(t, (struct sockaddr *)&wide, sizeof(struct sockaddr_in6)));
	FAILS(EINVAL, bind(t, (struct sockaddr *)&a, sizeof(a)));
	FAILS(EAFNOSUPPORT, bind(t, (struct sockaddr *)&wide, sizeof(struct sockaddr_in6)));
	FAILS(EINVAL, bind(u, (struct sockaddr *)&a, sizeof(a)));
	EQUAL(sendto(u, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
	EQUAL(read(to, c, sizeof(c)), 1);
	EQUAL(connect_to(u, &a), 0);
	close(t);
	close(u);
	close(to);
}

/* A connection that has ended stays one for connect(2) until AF_UNSPEC; what it received is still there. */
static void connecting_again(void)
{
	struct linger l = { 1, 0 };
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int s[2], u = bound(SOCK_STREAM), n = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in nobody = name_of(u);
	char c[8];

	pair(s);
	EQUAL(write(s[0], "unread", 6), 6);
	EQUAL(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	close(s[0]);
	await_events(s[1], POLLHUP);
	FAILS(EISCONN, connect_to(s[1], &at));
	EQUAL(read(s[1], c, sizeof(c)), 6);
	FAILS(ECONNRESET, read(s[1], c, sizeof(c)));
	EQUAL(connect(s[1], &none, sizeof(none)), 0);
	EQUAL(connect_to(s[1], &at), 0);
	close(accept(listener, NULL, NULL));
	close(s[1]);

	FAILS(EINPROGRESS, connect_to(n, &nobody));
	await_events(n, POLLHUP);
	EQUAL(option(n, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	FAILS(ECONNABORTED, connect_to(n, &at));
	FAILS(EINPROGRESS, connect_to(n, &at));
	await_events(n, POLLOUT);
	EQUAL(connect_to(n, &at), 0);
	FAILS(EISCONN, connect_to(n, &at));
	close(accept(listener, NULL, NULL));
	close(n);
	close(u);
}

T_MAIN
{
	listener = bound(SOCK_STREAM);
	EQUAL(listen(listener, 16), 0);
	at = name_of(listener);
	connecting();
	connecting_nonblocking();
	waiting();
	much();
	flags();
	broken_off();
	connecting_again();
	families();
	ends();
	edges();
	datagrams();
	error_queue_messages();
	both_families();
	options();
}
