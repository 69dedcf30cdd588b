/* SPDX-License-Identifier: Apache-2.0 */
/* inet_states.c: what calls on AF_INET and AF_INET6 sockets say in states that are not the usual ones. */
#include "t.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>

static struct sockaddr_in at(const char *text, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = inet_addr(text) };

	return a;
}

static struct sockaddr_in name(int s)
{
	struct sockaddr_in a = { 0 };
	socklen_t size = sizeof(a);

	EQUAL(getsockname(s, (void *)&a, &size), 0);
	return a;
}

static int bound(int type)
{
	int s = socket(AF_INET, type, 0);
	struct sockaddr_in a = at("127.0.0.1", 0);

	CHECK(bind(s, (void *)&a, sizeof(a)) == 0);
	return s;
}

static int reader_fd;

static void *reader(void *arg)
{
	char c;

	*(ssize_t *)arg = recv(reader_fd, &c, 1, 0);
	return NULL;
}

/* What programs do to get another thread out of recvfrom(). */
static void shutdown_wakes(void)
{
	struct pollfd p = { .events = POLLIN | POLLRDHUP };
	struct sockaddr_in a;
	ssize_t got = -2;
	pthread_t t;
	char c;

	reader_fd = p.fd = bound(SOCK_DGRAM);
	a = name(reader_fd);
	EQUAL(pthread_create(&t, NULL, reader, &got), 0);
	t_sleep_ms(20); /* it reads, most likely; the result is the same if not */
	FAILS(ENOTCONN, shutdown(reader_fd, SHUT_RDWR));
	EQUAL(pthread_join(t, NULL), 0);
	EQUAL(got, 0);
	FAILS(EAGAIN, recv(reader_fd, &c, 1, MSG_DONTWAIT));
	EQUAL(poll(&p, 1, 0), 1);
	EQUAL(p.revents, POLLIN | POLLRDHUP | POLLHUP);
	FAILS(EPIPE, sendto(reader_fd, "x", 1, MSG_NOSIGNAL, (void *)&a, sizeof(a)));
	close(reader_fd);
	reader_fd = bound(SOCK_DGRAM); /* datagrams go on coming */
	a = name(reader_fd);
	FAILS(ENOTCONN, shutdown(reader_fd, SHUT_RD));
	EQUAL(sendto(reader_fd, "x", 1, 0, (void *)&a, sizeof(a)), 1);
	EQUAL(recv(reader_fd, &c, 1, MSG_DONTWAIT), 1);
	close(reader_fd);
}

static void datagrams(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), to = bound(SOCK_DGRAM);
	struct sockaddr_in a = at("127.1.2.3", 9), peer;
	socklen_t size = sizeof(peer);
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_controllen = 16 };
	char c;

	FAILS(EDESTADDRREQ, send(s, "x", 1, MSG_MORE));
	FAILS(EAGAIN, recv(to, &c, 1, MSG_OOB | MSG_DONTWAIT));
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	EQUAL(name(s).sin_addr.s_addr, htonl(INADDR_LOOPBACK)); /* the source of the route to 127.0.0.0/8 */
	a = at("240.0.0.1", 9);
	if (connect(s, (void *)&a, sizeof(a)) < 0) { /* no route there: connected as before */
		EQUAL(getpeername(s, (void *)&peer, &size), 0);
		EQUAL(peer.sin_addr.s_addr, inet_addr("127.1.2.3"));
		EQUAL(name(s).sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	}
	a = at("127.0.0.1", 0);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	FAILS(ENOTCONN, getpeername(s, (void *)&peer, &size));
	a = name(to);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	FAILS(EFAULT, sendmsg(s, &m, 0));
	close(s);
	close(to);
}

/* A priority and IP options of one message. */
static void control_out(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), to = bound(SOCK_DGRAM), on = 1;
	struct sockaddr_in a = name(to);
	struct iovec iov = { "x", 1 };
	union {
		struct cmsghdr h;
		char bytes[64];
	} u = { .h = { .cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SO_PRIORITY } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = CMSG_SPACE(4),
			    .msg_name = &a, .msg_namelen = sizeof(a) };
	char c;

	EQUAL(sendmsg(s, &m, 0), 1);
	EQUAL(recv(to, &c, 1, 0), 1);
	EQUAL(setsockopt(to, IPPROTO_IP, IP_RECVOPTS, &on, sizeof(on)), 0);
	u.h.cmsg_level = IPPROTO_IP;
	u.h.cmsg_type = IP_RETOPTS;
	memcpy(CMSG_DATA(&u.h), "\x94\x04\0\0", 4); /* router alert */
	EQUAL(sendmsg(s, &m, 0), 1);
	iov.iov_base = &c;
	m.msg_controllen = sizeof(u);
	EQUAL(recvmsg(to, &m, 0), 1);
	CHECK(m.msg_controllen > 0 && u.h.cmsg_level == IPPROTO_IP && u.h.cmsg_type == IP_RECVOPTS);
	EQUAL(memcmp(CMSG_DATA(&u.h), "\x94\x04\0\0", 4), 0);
	close(s);
	close(to);
}

static void requests(void)
{
	int s = bound(SOCK_DGRAM), p[2], who = getpid();
	struct sockaddr_in a = name(s);
	struct timespec then, ts = { 0, 0 };
	struct timeval tv;
	char c;

	EQUAL(ioctl(s, SIOCSPGRP, &who), 0);
	EQUAL(fcntl(s, F_GETOWN), who);
	who = -getpgrp();
	EQUAL(ioctl(s, FIOSETOWN, &who), 0);
	who = 0;
	EQUAL(ioctl(s, SIOCGPGRP, &who), 0);
	EQUAL(who, -getpgrp());
	FAILS(EFAULT, ioctl(s, FIOGETOWN, BAD_PTR));
	who = -99999999;
	FAILS(ESRCH, ioctl(s, SIOCSPGRP, &who));
	EQUAL(pipe(p), 0);
	FAILS(ENOTTY, ioctl(p[0], SIOCGPGRP, &who));
	FAILS(ENOENT, ioctl(s, SIOCGSTAMP, &tv));
	clock_gettime(CLOCK_REALTIME, &then);
	EQUAL(sendto(s, "x", 1, 0, (void *)&a, sizeof(a)), 1);
	EQUAL(recv(s, &c, 1, 0), 1);
	EQUAL(ioctl(s, SIOCGSTAMPNS, &ts), 0);
	CHECK(ts.tv_sec == then.tv_sec || ts.tv_sec == then.tv_sec + 1);
	EQUAL(ioctl(s, SIOCGSTAMP, &tv), 0);
	EQUAL(tv.tv_sec, ts.tv_sec);
	EQUAL(tv.tv_usec, ts.tv_nsec / 1000);
	close(s);
	close(p[0]);
	close(p[1]);
}

static void streams(void)
{
	int l = bound(SOCK_STREAM), s = socket(AF_INET, SOCK_STREAM, 0), got, err;
	struct sockaddr_in a = name(l), group = at("239.1.2.3", 0);
	struct sockaddr_storage strange = { .ss_family = AF_UNIX }, none = { .ss_family = AF_UNSPEC };
	socklen_t size = sizeof(err);
	char c;

	FAILS(ENOTCONN, recv(s, &c, 0, MSG_DONTWAIT));
	EQUAL(listen(l, 5), 0);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	FAILS(EISCONN, connect(s, (void *)&strange, sizeof(strange)));
	got = accept(l, NULL, NULL);
	FAILS(EAGAIN, recv(s, &c, 0, MSG_DONTWAIT));
	EQUAL(read(s, &c, 0), 0);
	EQUAL(send(got, "x", 1, MSG_ZEROCOPY), 1); /* without SO_ZEROCOPY: no word about it */
	EQUAL(recv(s, &c, 0, 0), 0);
	EQUAL(recv(s, &c, 1, 0), 1);
	EQUAL(connect(s, (void *)&none, sizeof(none)), 0);
	EQUAL(getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &size), 0);
	EQUAL(err, ECONNRESET);
	close(got);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	EQUAL(connect(s, (void *)&none, sizeof(none)), 0);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0); /* which forgets the error */
	EQUAL(send(s, "y", 1, MSG_NOSIGNAL), 1);
	close(s);
	close(l);
	s = socket(AF_INET, SOCK_STREAM, 0);
	EQUAL(bind(s, (void *)&group, sizeof(group)), 0);
	close(s);
}

static int peek_off(int s)
{
	socklen_t size = sizeof(int);
	int v;

	return getsockopt(s, SOL_SOCKET, SO_PEEK_OFF, &v, &size) < 0 ? -errno : v;
}

/* s has "abc" and "defg" to read, as a stream or as two datagrams. */
static void peeking(int s, int whole)
{
	int v = 1;
	char b[8];

	EQUAL(peek_off(s), -1);
	EQUAL(setsockopt(s, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof(v)), 0);
	EQUAL(recv(s, b, 1, MSG_PEEK), 1);
	EQUAL(b[0], 'b');
	EQUAL(peek_off(s), 2);
	EQUAL(recv(s, b, sizeof(b), MSG_PEEK), whole ? 5 : 1);
	EQUAL(b[0], 'c');
	if (!whole) {
		EQUAL(recv(s, b, 2, MSG_PEEK), 2);
		EQUAL(memcmp(b, "de", 2), 0);
		EQUAL(recv(s, b, 3, MSG_PEEK | MSG_TRUNC), 4); /* all of it, though from "fg" on */
		EQUAL(memcmp(b, "fg", 2), 0);
	}
	EQUAL(peek_off(s), whole ? 7 : 9); /* by what was returned */
	FAILS(EAGAIN, recv(s, b, 1, MSG_PEEK | MSG_DONTWAIT));
	EQUAL(recv(s, b, 3, 0), 3); /* takes from the front */
	EQUAL(memcmp(b, "abc", 3), 0);
	EQUAL(peek_off(s), whole ? 4 : 6);
	v = 1;
	EQUAL(setsockopt(s, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof(v)), 0);
	EQUAL(recv(s, b, 1, MSG_PEEK), 1);
	EQUAL(b[0], 'e');
	v = -1;
	EQUAL(setsockopt(s, SOL_SOCKET, SO_PEEK_OFF, &v, sizeof(v)), 0);
	EQUAL(recv(s, b, 1, MSG_PEEK), 1);
	EQUAL(b[0], 'd');
}

static void peek_offsets(void)
{
	int s = bound(SOCK_DGRAM), l = bound(SOCK_STREAM), c = socket(AF_INET, SOCK_STREAM, 0), raw = socket(AF_INET, SOCK_RAW, 17);
	struct sockaddr_in a = name(s);

	EQUAL(sendto(s, "abc", 3, 0, (void *)&a, sizeof(a)), 3);
	EQUAL(sendto(s, "defg", 4, 0, (void *)&a, sizeof(a)), 4);
	peeking(s, 0);
	close(s);
	a = name(l);
	EQUAL(listen(l, 5), 0);
	EQUAL(connect(c, (void *)&a, sizeof(a)), 0);
	s = accept(l, NULL, NULL);
	EQUAL(send(c, "abc", 3, 0), 3);
	EQUAL(send(c, "defg", 4, 0), 4);
	if (peek_off(s) == -1) /* Linux 6.9 */
		peeking(s, 1);
	close(s);
	close(c);
	close(l);
	if (raw >= 0)
		EQUAL(peek_off(raw), -EOPNOTSUPP);
	close(raw);
}

static void version6(void)
{
	int s = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct in6_addr loopback;
	socklen_t size = sizeof(a);

	if (s < 0)
		return;
	inet_pton(AF_INET6, "ff02::1", &a.sin6_addr);
	FAILS(EINVAL, connect(s, (void *)&a, sizeof(a)));
	inet_pton(AF_INET6, "fe80::1", &a.sin6_addr);
	FAILS(EINVAL, connect(s, (void *)&a, sizeof(a)));
	inet_pton(AF_INET6, "::ffff:0.0.0.0", &a.sin6_addr);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &loopback);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	EQUAL(getpeername(s, (void *)&a, &size), 0);
	EQUAL(memcmp(&a.sin6_addr, &loopback, 16), 0);
	a.sin6_family = AF_UNIX;
	FAILS(EINVAL, sendto(s, "x", 1, 0, (void *)&a, sizeof(a)));
	close(s);
}

/* A raw socket's port is its protocol. */
static void raw(void)
{
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	struct sockaddr_in a = at("127.0.0.1", 0);

	if (s < 0)
		return;
	EQUAL(ntohs(name(s).sin_port), IPPROTO_UDP);
	EQUAL(connect(s, (void *)&a, sizeof(a)), 0);
	FAILS(EINVAL, bind(s, (void *)&a, sizeof(a)));
	close(s);
}

static void packet(void)
{
	int s = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll a = { .sll_family = AF_PACKET };
	socklen_t size = sizeof(a);
	char c;

	if (s < 0)
		return;
	EQUAL(getsockname(s, (void *)&a, &size), 0);
	EQUAL(size, 12);
	FAILS(EINVAL, recv(s, &c, 1, MSG_WAITALL | MSG_DONTWAIT));
	FAILS(EINVAL, recv(s, &c, 1, MSG_OOB | MSG_DONTWAIT));
	FAILS(EAGAIN, recv(s, &c, 1, MSG_TRUNC | MSG_DONTWAIT));
	FAILS(EOPNOTSUPP, connect(s, (void *)&a, 1));
	a.sll_ifindex = (int)if_nametoindex("lo");
	EQUAL(bind(s, (void *)&a, sizeof(a)), 0);
	size = sizeof(a);
	EQUAL(getsockname(s, (void *)&a, &size), 0);
	EQUAL(size, 18);
	close(s);
}

T_MAIN
{
	shutdown_wakes();
	datagrams();
	control_out();
	requests();
	streams();
	peek_offsets();
	version6();
	raw();
	packet();
}
