/* SPDX-License-Identifier: Apache-2.0 */
/* udplite.c: UDP-Lite (udplite(7)): its ports are its own, its checksum covers what was asked for; SO_MARK of a message. */
#include "t.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#define SEND_CSCOV 10
#define RECV_CSCOV 11

static union {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
} to;
static socklen_t to_size;

static int cov(int s, int name)
{
	socklen_t size = sizeof(int);
	int v = -1;

	EQUAL(getsockopt(s, IPPROTO_UDPLITE, name, &v, &size), 0);
	return v;
}

static void set_cov(int s, int name, int v)
{
	EQUAL(setsockopt(s, IPPROTO_UDPLITE, name, &v, sizeof(v)), 0);
}

static int arrives(int r, int ms)
{
	struct pollfd p = { .fd = r, .events = POLLIN };
	char data[100];

	return poll(&p, 1, ms) == 1 ? (int)recv(r, data, sizeof(data), 0) : -1;
}

static void family(int af)
{
	int r = socket(af, SOCK_DGRAM, IPPROTO_UDPLITE), s = socket(af, SOCK_DGRAM, IPPROTO_UDPLITE), u;
	char data[60] = "coverage";
	int v = 8;

	memset(&to, 0, sizeof(to));
	to_size = af == AF_INET ? sizeof(to.in) : sizeof(to.in6);
	to.any.sa_family = (sa_family_t)af;
	if (af == AF_INET)
		to.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		to.in6.sin6_addr = in6addr_loopback;
	EQUAL(bind(r, &to.any, to_size), 0);
	EQUAL(getsockname(r, &to.any, &to_size), 0);
	/* The port is UDP-Lite's: UDP's is free. */
	u = socket(af, SOCK_DGRAM, 0);
	EQUAL(bind(u, &to.any, to_size), 0);
	FAILS(ENOPROTOOPT, setsockopt(u, IPPROTO_UDPLITE, SEND_CSCOV, &v, sizeof(v)));
	EQUAL(connect(s, &to.any, to_size), 0);

	EQUAL(send(s, data, 60, 0), 60);
	EQUAL(arrives(r, T_GUARD_MS), 60);
	EQUAL(arrives(u, 0), -1);
	set_cov(s, SEND_CSCOV, 20);
	EQUAL(cov(s, SEND_CSCOV), 20);
	EQUAL(send(s, data, 60, 0), 60);
	EQUAL(arrives(r, T_GUARD_MS), 60);
	/* A receiver that wants more covered does not get it. */
	set_cov(r, RECV_CSCOV, 30);
	EQUAL(send(s, data, 60, 0), 60);
	set_cov(s, SEND_CSCOV, 30);
	EQUAL(send(s, data, 50, 0), 50);
	EQUAL(arrives(r, T_GUARD_MS), 50);
	set_cov(r, RECV_CSCOV, 0); /* all of it */
	EQUAL(send(s, data, 60, 0), 60);
	set_cov(s, SEND_CSCOV, 0);
	EQUAL(send(s, data, 40, 0), 40);
	EQUAL(arrives(r, T_GUARD_MS), 40);
	set_cov(s, SEND_CSCOV, 3); /* the header always is */
	EQUAL(cov(s, SEND_CSCOV), 8);
	close(u);
	close(r);
	close(s);
}

static void mark(void)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(8)];
	} control = { .h = { .cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SO_MARK } };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = CMSG_SPACE(4), .msg_name = &to, .msg_namelen = sizeof(to.in) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	memset(&to, 0, sizeof(to));
	to.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	to_size = sizeof(to.in);
	EQUAL(bind(s, &to.any, to_size), 0);
	EQUAL(getsockname(s, &to.any, &to_size), 0);
	EQUAL(sendmsg(s, &m, 0), 1);
	EQUAL(arrives(s, T_GUARD_MS), 1);
	control.h.cmsg_len = CMSG_LEN(2);
	FAILS(EINVAL, sendmsg(s, &m, 0));
	control.h.cmsg_len = CMSG_LEN(4);
	control.h.cmsg_type = 9999;
	FAILS(EINVAL, sendmsg(s, &m, 0));
	close(s);
	s = socket(AF_UNIX, SOCK_DGRAM, 0);
	control.h.cmsg_type = SO_MARK;
	m.msg_name = NULL;
	m.msg_namelen = 0;
	FAILS(EINVAL, sendmsg(s, &m, 0));
	close(s);
}

T_MAIN
{
	family(AF_INET);
	family(AF_INET6);
	mark();
}
