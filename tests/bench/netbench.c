/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netbench.c: the ends of the network benchmarks that no Debian program is (tests/bench/net).
 *
 *     netbench serve PORT               all servers, in one process each, until killed:
 *                                       PORT: echo; +1: accept and close; +2: UDP sink; +3: hold open
 *     netbench pingpong ADDR PORT N     one byte to and fro; prints the median in us
 *     netbench connect ADDR PORT MS     connect and close, one after the other; prints how many a second
 *     netbench udp ADDR PORT MS SIZE    datagrams as fast as they go; prints how many a second arrived
 *     netbench idle ADDR PORT N         opens N connections, prints "open", and waits for its stdin to end
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in address(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		fail(ip);
	return a;
}

static int bound(int type, int port)
{
	struct sockaddr_in a = address("0.0.0.0", port);
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || (type == SOCK_STREAM && listen(fd, 1024) < 0))
		fail("bind");
	return fd;
}

static int connected(const char *ip, int port)
{
	struct sockaddr_in a = address(ip, port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void all_files(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* ---- servers ------------------------------------------------------------------------------------ */

static void serve_echo(int port)
{
	int l = bound(SOCK_STREAM, port), one = 1;

	for (;;) {
		char buf[4096];
		ssize_t n;
		int fd = accept(l, NULL, NULL);

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			if (write(fd, buf, (size_t)n) != n)
				break;
		close(fd);
	}
}

static void serve_close(int port)
{
	int l = bound(SOCK_STREAM, port);

	for (;;)
		close(accept(l, NULL, NULL));
}

/* "?" is answered with how many others came since the last one. */
static void serve_udp(int port)
{
	int fd = bound(SOCK_DGRAM, port);
	uint64_t count = 0;

	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		char buf[2048];
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size);

		if (n != 1 || buf[0] != '?') {
			count++;
			continue;
		}
		sendto(fd, &count, sizeof(count), 0, (struct sockaddr *)&from, size);
		count = 0;
	}
}

/* Until the last one to come has gone: then they all have. */
static void serve_hold(int port)
{
	static int held[65536];
	int l = bound(SOCK_STREAM, port), count = 0;

	all_files();
	for (;;) {
		struct pollfd p[2] = { { .fd = l, .events = POLLIN },
				       { .fd = count ? held[count - 1] : -1, .events = POLLIN } };

		poll(p, 2, -1);
		if (p[1].revents)
			while (count > 0)
				close(held[--count]);
		else if ((held[count] = accept(l, NULL, NULL)) >= 0)
			count += count < 65535;
		else
			fail("accept");
	}
}

static void serve(int port)
{
	void (*servers[])(int port) = { serve_echo, serve_close, serve_udp, serve_hold };

	for (int i = 1; i < 4; i++)
		if (fork() == 0)
			servers[i](port + i);
	servers[0](port);
}

/* ---- clients ------------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void pingpong(const char *ip, int port, int count)
{
	int64_t *took = calloc((size_t)count, sizeof(*took));
	int fd = connected(ip, port);
	char c = 'x';

	for (int i = 0; i < count; i++) {
		int64_t start = now_ns();

		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
			fail("pingpong");
		took[i] = now_ns() - start;
	}
	qsort(took, (size_t)count, sizeof(*took), by_value);
	printf("%.2f\n", (double)took[count / 2] / 1e3);
}

static void connects(const char *ip, int port, int ms)
{
	int64_t start = now_ns(), end = start + ms * 1000000LL;
	struct linger hard = { 1, 0 };
	int count = 0;

	/* The server has closed, which leaves the TIME_WAIT with it or nowhere: no port runs out. */
	while (now_ns() < end) {
		int fd = connected(ip, port);
		char c;

		if (read(fd, &c, 1) < 0)
			fail("connect+close");
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
		count++;
	}
	printf("%.0f\n", count * 1e9 / (double)(now_ns() - start));
}

static void udp(const char *ip, int port, int ms, int size)
{
	struct sockaddr_in a = address(ip, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int64_t start, end;
	uint64_t count = 0;
	char buf[2048] = { 0 };
	double took;

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("connect");
	for (int round = 0; round < 2; round++) {
		start = now_ns();
		end = start + (round ? ms * 1000000LL : 1000000);
		while (now_ns() < end)
			for (int i = 0; i < 32; i++)
				(void)!send(fd, buf, (size_t)size, 0);
		took = (double)(now_ns() - start);
		/* The receiver empties its queue first; the question may be lost. */
		for (int i = 0; i < 50; i++) {
			struct pollfd p = { .fd = fd, .events = POLLIN };

			if (send(fd, "?", 1, 0) == 1 && poll(&p, 1, 100) == 1 && recv(fd, &count, sizeof(count), 0) > 0)
				break;
		}
	}
	printf("%.0f\n", (double)count * 1e9 / took);
}

static void idle(const char *ip, int port, int count)
{
	char c;

	all_files();
	for (int i = 0; i < count; i++)
		(void)connected(ip, port);
	puts("open");
	fflush(stdout);
	(void)!read(0, &c, 1);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	else if (argc == 5 && strcmp(argv[1], "pingpong") == 0)
		pingpong(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 5 && strcmp(argv[1], "connect") == 0)
		connects(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 6 && strcmp(argv[1], "udp") == 0)
		udp(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	else if (argc == 5 && strcmp(argv[1], "idle") == 0)
		idle(argv[2], atoi(argv[3]), atoi(argv[4]));
	else
		return 2;
	return 0;
}
