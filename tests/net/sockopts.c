/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockopts.c: every number of every level of socket options on every kind of socket, got and set with defaults, valid
 * values, ones out of range, and lengths that are too short or too long; one line a try.  tests/net/sockopts runs it on
 * Linux and in a sandbox and compares.
 *
 *     sockopts [KIND…]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM     512

enum state { FRESH, BOUND, CONNECTED, LISTENING };

static const struct kind {
	const char *name;
	int family, type, protocol;
	enum state state;
} kinds[] = {
	{ "tcp4", AF_INET, SOCK_STREAM, 0, FRESH },
	{ "tcp4-connected", AF_INET, SOCK_STREAM, 0, CONNECTED },
	{ "tcp4-listening", AF_INET, SOCK_STREAM, 0, LISTENING },
	{ "tcp6", AF_INET6, SOCK_STREAM, 0, FRESH },
	{ "tcp6-connected", AF_INET6, SOCK_STREAM, 0, CONNECTED },
	{ "udp4", AF_INET, SOCK_DGRAM, 0, FRESH },
	{ "udp4-connected", AF_INET, SOCK_DGRAM, 0, CONNECTED },
	{ "udp6", AF_INET6, SOCK_DGRAM, 0, FRESH },
	{ "udp6-bound", AF_INET6, SOCK_DGRAM, 0, BOUND },
	{ "udp6-connected", AF_INET6, SOCK_DGRAM, 0, CONNECTED },
	{ "udplite4", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, FRESH },
	{ "raw4-icmp", AF_INET, SOCK_RAW, IPPROTO_ICMP, FRESH },
	{ "raw4-raw", AF_INET, SOCK_RAW, IPPROTO_RAW, FRESH },
	{ "raw6-udp", AF_INET6, SOCK_RAW, IPPROTO_UDP, FRESH },
	{ "raw6-icmp", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, FRESH },
	{ "ping4", AF_INET, SOCK_DGRAM, IPPROTO_ICMP, FRESH },
	{ "ping6", AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, FRESH },
	{ "packet-raw", AF_PACKET, SOCK_RAW, 0, FRESH },
	{ "packet-dgram", AF_PACKET, SOCK_DGRAM, 0, FRESH },
	{ "unix-stream", AF_UNIX, SOCK_STREAM, 0, FRESH },
	{ "unix-dgram", AF_UNIX, SOCK_DGRAM, 0, FRESH },
	{ "netlink", AF_NETLINK, SOCK_RAW, 0, FRESH },
};

static const struct level {
	const char *name;
	int level, first, last;
} levels[] = {
	{ "SOCKET", SOL_SOCKET, 0, 90 },
	{ "IP", IPPROTO_IP, 0, 60 },
	{ "ICMP", IPPROTO_ICMP, 0, 3 },
	{ "TCP", IPPROTO_TCP, 0, 50 },
	{ "UDP", IPPROTO_UDP, 0, 4 },
	{ "UDP", IPPROTO_UDP, 99, 106 },
	{ "UDPLITE", IPPROTO_UDPLITE, 9, 12 },
	{ "IPV6", IPPROTO_IPV6, 0, 63 },
	{ "IPV6", IPPROTO_IPV6, 70, 79 },
	{ "ICMPV6", IPPROTO_ICMPV6, 0, 3 },
	{ "RAW", 255, 0, 8 },
	{ "PACKET", 263, 0, 28 },
	{ "NETLINK", 270, 0, 14 },
	{ "none", 9999, 1, 2 },
};

/* What differs from one run to the next. */
static bool changes(int level, int name)
{
	if ((level == IPPROTO_TCP && (name == TCP_INFO || name == TCP_CONGESTION)) || (level == IPPROTO_IP && name == 52 /* IP_PROTOCOL */))
		return true;
	return level == SOL_SOCKET && (name == 49 /* SO_INCOMING_CPU */ || name == 57 /* SO_COOKIE */ || name == 28 /* SO_PEERNAME */ ||
				       name == 55 /* SO_MEMINFO */ || name == 56 /* SO_INCOMING_NAPI_ID */);
}

static int loopback(const struct kind *k, struct sockaddr_storage *ss)
{
	struct sockaddr_in *a4 = (void *)ss;
	struct sockaddr_in6 *a6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)k->family;
	if (k->family == AF_INET) {
		a4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*a4);
	}
	a6->sin6_addr = in6addr_loopback;
	return sizeof(*a6);
}

static int make(const struct kind *k)
{
	struct sockaddr_storage ss;
	socklen_t size = sizeof(ss);
	int s = socket(k->family, k->type, k->protocol), to;

	if (s < 0 || k->state == FRESH)
		return s;
	to = k->state == CONNECTED ? socket(k->family, k->type, k->protocol) : s;
	if (bind(to, (void *)&ss, (socklen_t)loopback(k, &ss)) < 0)
		return -1;
	if (k->type == SOCK_STREAM)
		listen(to, 5);
	if (to == s)
		return s;
	getsockname(to, (void *)&ss, &size);
	if (connect(s, (void *)&ss, size) < 0)
		return -1;
	if (k->type == SOCK_STREAM)
		close(accept(to, NULL, NULL));
	close(to);
	return s;
}

static const char *error_name(void)
{
	const char *name = strerrorname_np(errno);

	return name ? name : "524"; /* ENOTSUPP */
}

static void print_bytes(const unsigned char *p, size_t n)
{
	size_t end = n;

	while (end > 0 && p[end - 1] == 0)
		end--;
	printf(" %zu:", n);
	for (size_t i = 0; i < end; i++)
		printf("%02x", p[i]);
	if (end < n)
		printf("..");
}

static void show_got(int s, int level, int name, socklen_t room)
{
	unsigned char buf[ROOM];
	socklen_t size = room;

	memset(buf, 0, sizeof(buf));
	if (getsockopt(s, level, name, buf, &size) < 0)
		printf(" %s", error_name());
	else if (changes(level, name))
		printf(" %u:…", size);
	else
		print_bytes(buf, size <= sizeof(buf) ? size : sizeof(buf));
}

static const struct kind *kind;
static const struct level *level;
static int option;

static void line(const char *what)
{
	printf("%s %s/%d %s", kind->name, level->name, option, what);
}

static int again(int s)
{
	if (kind->state == FRESH || kind->state == BOUND) {
		close(s);
		return make(kind);
	}
	return s;
}

static void try_get(int s)
{
	static const socklen_t rooms[] = { ROOM, 0, 1, 2, 3, 4, 7, 8, 12, 16, 28 };

	for (size_t i = 0; i < COUNT(rooms); i++) {
		char what[32];

		snprintf(what, sizeof(what), "get %d", (int)rooms[i]);
		line(what);
		show_got(s, level->level, option, rooms[i]);
		printf("\n");
	}
}

static int try_set(int s, const char *what, const void *value, socklen_t size)
{
	int err;

	s = again(s);
	line(what);
	err = setsockopt(s, level->level, option, value, size);
	printf(" %s", err < 0 ? error_name() : "0");
	if (err == 0) {
		printf(", then");
		show_got(s, level->level, option, ROOM);
	}
	printf("\n");
	return s;
}

static int try_sets(int s)
{
	static const int values[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 40, 64, 100, 127, 128, 255, 256, 257, 536, 1000, 1279, 1280, 1500,
				      4096, 32767, 32768, 65535, 65536, 1000000, INT_MAX, INT_MIN, -2, -1 };
	static const socklen_t sizes[] = { 0, 1, 2, 3, 5, 7, 8, 12, 16, 17, 20, 24, 28, 32, 40, 64, 128, 132, 136, 264, 300 };
	unsigned char bytes[ROOM];
	char what[64];

	for (size_t i = 0; i < COUNT(values); i++) {
		snprintf(what, sizeof(what), "set %d", values[i]);
		s = try_set(s, what, &values[i], sizeof(int));
	}
	for (size_t i = 0; i < COUNT(sizes); i++) {
		memset(bytes, 0, sizeof(bytes));
		snprintf(what, sizeof(what), "set %u zeros", sizes[i]);
		s = try_set(s, what, bytes, sizes[i]);
		bytes[0] = 1;
		snprintf(what, sizeof(what), "set %u bytes, a one", sizes[i]);
		s = try_set(s, what, bytes, sizes[i]);
		memset(bytes, 0xff, sizeof(bytes));
		snprintf(what, sizeof(what), "set %u ones", sizes[i]);
		s = try_set(s, what, bytes, sizes[i]);
	}
	return try_set(s, "set size -1", bytes, (socklen_t)-1);
}

static void walk(void)
{
	for (size_t l = 0; l < COUNT(levels); l++) {
		level = &levels[l];
		for (option = level->first; option <= level->last; option++) {
			int s = make(kind);

			if (s < 0) {
				line("no socket");
				printf(" %s\n", error_name());
				return;
			}
			try_get(s);
			close(try_sets(s));
		}
	}
}

int main(int argc, char **argv)
{
	static char out[1 << 16];

	setvbuf(stdout, out, _IOFBF, sizeof(out));
	for (size_t i = 0; i < COUNT(kinds); i++) {
		bool wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= strcmp(argv[a], kinds[i].name) == 0;
		kind = &kinds[i];
		if (wanted)
			walk();
	}
	return 0;
}
