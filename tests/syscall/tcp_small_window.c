/* SPDX-License-Identifier: Apache-2.0 */
/* TCP over loopback into a small receive buffer keeps flowing: no waiting for window probes. */
#include "t.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#define TOTAL (256 * 1024 + 1)

static char data[TOTAL];

/* Milliseconds that it took. */
static int64_t transfer(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), s, v = 4096;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	size_t sent = 0, got = 0;
	int64_t start;
	struct tcp_info info;

	if (l < 0)
		exit(77);
	EQUAL(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(listen(l, 5), 0);
	EQUAL(setsockopt(l, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)), 0);
	EQUAL(getsockname(l, (struct sockaddr *)&a, &len), 0);
	if (connect(c, (struct sockaddr *)&a, sizeof(a)))
		CHECK(errno == EINPROGRESS);
	s = accept(l, NULL, NULL);
	CHECK(s >= 0);
	EQUAL(setsockopt(c, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)), 0);
	len = sizeof(info);
	EQUAL(getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	CHECK(info.tcpi_snd_mss <= 4096); /* half of the largest window */
	start = t_now_ms();
	while (got < TOTAL) {
		struct pollfd p[2] = { { .fd = s, .events = POLLIN },
				       { .fd = c, .events = sent < TOTAL ? POLLOUT : 0 } };
		ssize_t n;

		if (poll(p, 2, T_GUARD_MS) <= 0)
			break;
		if (p[1].revents & POLLOUT && (n = send(c, data + sent, TOTAL - sent, MSG_DONTWAIT)) > 0)
			sent += (size_t)n;
		if (p[0].revents & POLLIN && (n = recv(s, data, sizeof(data), MSG_DONTWAIT)) > 0)
			got += (size_t)n;
	}
	EQUAL(got, TOTAL);
	close(c);
	close(s);
	close(l);
	return t_now_ms() - start;
}

T_MAIN
{
	/* With probes it takes some 20 s, always; without them only a loaded machine takes long, and not always. */
	for (int i = 0; i < 10; i++)
		if (transfer() < 3000)
			return;
	CHECK(!"in time");
}
