/* SPDX-License-Identifier: Apache-2.0 */
/* so_timestamping.c: SO_TIMESTAMPING in software: of what was received, and of what was sent, by the error queue. */
#include "t.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

static struct got {
	ssize_t n;
	int flags, stamps, fresh, others, newer;
	struct sock_extended_err err;
} got;

static void take(int s, int flags)
{
	char data[500], control[500];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = s, .events = flags ? 0 : POLLIN };

	memset(&got, 0, sizeof(got));
	EQUAL(poll(&p, 1, T_GUARD_MS), 1);
	got.n = recvmsg(s, &m, flags);
	got.flags = m.msg_flags;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct timespec ts[3];

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING) {
			memcpy(ts, CMSG_DATA(c), sizeof(ts));
			got.stamps++;
			got.fresh = labs(ts[0].tv_sec - time(NULL)) < 10 && ts[1].tv_sec == 0 && ts[2].tv_sec == 0;
			EQUAL(c->cmsg_len, CMSG_LEN(sizeof(ts)));
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			got.others++;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == 64) {
			got.newer++;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
			memcpy(&got.err, CMSG_DATA(c), sizeof(got.err));
		}
	}
}

static void stamping(int s, int flags)
{
	EQUAL(setsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)), 0);
}

static void test_streams(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), s, one = 1;
	int all = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED |
		  SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
	socklen_t size = sizeof(a);
	unsigned int seen = 0;
	char data[10000] = { 0 };

	EQUAL(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(listen(l, 1), 0);
	EQUAL(getsockname(l, (struct sockaddr *)&a, &size), 0);
	FAILS(EINVAL, setsockopt(c, SOL_SOCKET, SO_TIMESTAMPING, &all, sizeof(all))); /* OPT_ID: no bytes to count yet */
	EQUAL(connect(c, (struct sockaddr *)&a, sizeof(a)), 0);
	s = accept(l, NULL, NULL);
	CHECK(s >= 0);

	stamping(s, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
	do {
		EQUAL(send(c, "one", 3, 0), 3);
		take(s, 0);
		EQUAL(got.n, 3);
	} while (!got.stamps && !t_failures);
	EQUAL(got.stamps, 1);
	EQUAL(got.fresh, 1);

	/* Each send's last byte: given to the link, and acknowledged. */
	stamping(c, all);
	for (unsigned int i = 0; i < 2; i++) {
		EQUAL(send(c, data, i ? sizeof(data) : 5, 0), i ? (ssize_t)sizeof(data) : 5);
		for (size_t n = 0; n < (i ? sizeof(data) : 5); n += (size_t)got.n)
			take(s, 0);
		for (seen = 0; seen != 7 && !t_failures;) {
			take(c, MSG_ERRQUEUE);
			EQUAL(got.n, 0);
			EQUAL(got.stamps, 1);
			EQUAL(got.fresh, 1);
			EQUAL(got.err.ee_errno, ENOMSG);
			EQUAL(got.err.ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
			EQUAL(got.err.ee_data, i ? 5 + sizeof(data) - 1 : 4);
			CHECK(got.err.ee_info <= SCM_TSTAMP_ACK);
			seen |= 1U << (got.err.ee_info & 3); /* SND 0, SCHED 1, ACK 2 */
		}
	}

	/* SO_TIMESTAMPNS of streams: with what is read. */
	stamping(s, 0);
	EQUAL(setsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)), 0);
	EQUAL(send(c, "two", 3, 0), 3);
	take(s, 0);
	EQUAL(got.n, 3);
	EQUAL(got.stamps, 0);
	EQUAL(got.others, 1);
	/* The forms for 64-bit times: messages have their numbers. */
	EQUAL(setsockopt(s, SOL_SOCKET, 64, &one, sizeof(one)), 0);
	size = sizeof(one);
	EQUAL(getsockopt(s, SOL_SOCKET, SO_TIMESTAMPNS, &one, &size), 0);
	EQUAL(one, 0);
	EQUAL(getsockopt(s, SOL_SOCKET, 64, &one, &size), 0);
	EQUAL(one, 1);
	EQUAL(send(c, "new", 3, 0), 3);
	take(s, 0);
	EQUAL(got.stamps + got.others, 0);
	EQUAL(got.newer, 1);
	close(s);
	close(c);
	close(l);
}

T_MAIN
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int r = socket(AF_INET, SOCK_DGRAM, 0), s = socket(AF_INET, SOCK_DGRAM, 0), v[2] = { 0, 9 };
	socklen_t size = sizeof(a);

	EQUAL(bind(r, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(getsockname(r, (struct sockaddr *)&a, &size), 0);
	EQUAL(connect(s, (struct sockaddr *)&a, sizeof(a)), 0);
	stamping(r, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
	size = sizeof(v);
	EQUAL(getsockopt(r, SOL_SOCKET, SO_TIMESTAMPING, v, &size), 0);
	EQUAL(size, 8);
	EQUAL(v[0], SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE);
	EQUAL(v[1], 0);
	/* Linux turns stamps on a moment after they were first asked for. */
	do {
		EQUAL(send(s, "one", 3, 0), 3);
		take(r, 0);
		EQUAL(got.n, 3);
	} while (!got.stamps && !t_failures);
	EQUAL(got.stamps, 1);
	EQUAL(got.fresh, 1);

	stamping(s, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_ID);
	EQUAL(send(s, "two", 3, 0), 3);
	EQUAL(send(s, "three", 5, 0), 5);
	for (unsigned int i = 0; i < 2; i++) {
		take(s, MSG_ERRQUEUE);
		EQUAL(got.n, 14 + 20 + 8 + (i ? 5 : 3)); /* as it went, headers and all */
		EQUAL(got.stamps, 1);
		EQUAL(got.fresh, 1);
		EQUAL(got.flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
		EQUAL(got.err.ee_errno, ENOMSG);
		EQUAL(got.err.ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
		EQUAL(got.err.ee_info, SCM_TSTAMP_SND);
		EQUAL(got.err.ee_data, i);
	}
	size = sizeof(v[0]);
	EQUAL(getsockopt(s, SOL_SOCKET, SO_ERROR, v, &size), 0);
	EQUAL(v[0], 0);
	stamping(s, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY);
	EQUAL(send(s, "four", 4, 0), 4);
	take(s, MSG_ERRQUEUE);
	EQUAL(got.n, 0);
	EQUAL(got.stamps, 1);
	v[0] = 1 << 30;
	FAILS(EINVAL, setsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, v, 4));
	v[0] = SOF_TIMESTAMPING_OPT_STATS;
	FAILS(EINVAL, setsockopt(s, SOL_SOCKET, SO_TIMESTAMPING, v, 4));
	test_streams();
}
