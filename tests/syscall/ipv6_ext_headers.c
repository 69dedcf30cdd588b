/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipv6_ext_headers.c: IPv6's extension headers (RFC 3542): for all messages of a socket, for one, and as they are told to readers;
 * what then is on the wire, as a packet socket of lo sees it.  In a network of its own.
 */
#include "t.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in6.h>
#include <net/if.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>

#define HOP     IPV6_HOPOPTS
#define DST     IPV6_DSTOPTS
#define DST0    IPV6_RTHDRDSTOPTS
#define RT      IPV6_RTHDR

/* An option that everybody passes over (type 0x1e, 4 bytes), and such a header of 8, of 16, of 256 bytes. */
static const unsigned char opts8[8] = { 0, 0, 0x1e, 4, 'a', 'b', 'c', 'd' };
static const unsigned char opts16[16] = { 0, 1, 0x1e, 12, 'x' };
static unsigned char opts256[256] = { 0, 31, 0x1e, 252 };
/* Type 4 with one segment, which is replaced by where it goes to; nothing is left of it. */
static const unsigned char srh[24] = { 0, 2, 4, 0, 0, 0, 0, 0, [23] = 1 };
static const unsigned char rt2[24] = { 0, 2, 2, 1, 0, 0, 0, 0, [23] = 1 };
static const unsigned char rt0[24] = { 0, 2, 0, 1, 0, 0, 0, 0, [23] = 1 };

static int tap; /* what passes over lo */

static int set(int s, int name, const void *value, size_t size)
{
	return setsockopt(s, IPPROTO_IPV6, name, value, (socklen_t)size);
}

static int set_int(int s, int name, int value)
{
	return set(s, name, &value, sizeof(value));
}

/* How many bytes an option has, when there is room for so many. */
static int get(int s, int name, void *buf, socklen_t room)
{
	socklen_t size = room;

	return getsockopt(s, IPPROTO_IPV6, name, buf, &size) < 0 ? -1 : (int)size;
}

static void set_capable(bool on)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	EQUAL(syscall(SYS_capget, &h, d), 0);
	if (on)
		d[0].effective |= 1U << CAP_NET_RAW;
	else
		d[0].effective &= ~(1U << CAP_NET_RAW);
	EQUAL(syscall(SYS_capset, &h, d), 0);
}

static void set_mtu(int mtu)
{
	struct ifreq r = { .ifr_name = "lo" };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	r.ifr_mtu = mtu;
	EQUAL(ioctl(s, SIOCSIFMTU, &r), 0);
	close(s);
}

static void lo_up(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	EQUAL(ioctl(s, SIOCSIFFLAGS, &r), 0);
	close(s);
}

/* ---- messages with control data ---- */

struct ctl {
	struct msghdr h;
	struct iovec v;
	_Alignas(struct cmsghdr) char buf[6000];
	char data[65536];
};

static struct ctl *message(size_t size, const struct sockaddr_in6 *to)
{
	static struct ctl c;

	memset(&c, 0, sizeof(c));
	c.v = (struct iovec){ c.data, size };
	c.h.msg_iov = &c.v;
	c.h.msg_iovlen = 1;
	c.h.msg_control = c.buf;
	c.h.msg_name = (void *)(uintptr_t)to;
	c.h.msg_namelen = to ? sizeof(*to) : 0;
	return &c;
}

static void add_sized(struct ctl *c, int type, const void *data, size_t size, size_t cmsg_len)
{
	struct cmsghdr *h = (void *)(c->buf + c->h.msg_controllen);

	h->cmsg_level = IPPROTO_IPV6;
	h->cmsg_type = type;
	h->cmsg_len = cmsg_len;
	memcpy(CMSG_DATA(h), data, size);
	c->h.msg_controllen += CMSG_SPACE(size);
}

static void add(struct ctl *c, int type, const void *data, size_t size)
{
	add_sized(c, type, data, size, CMSG_LEN(size));
}

static ssize_t send_with(int s, const struct sockaddr_in6 *to, int type, const void *data, size_t size)
{
	struct ctl *c = message(4, to);

	add(c, type, data, size);
	return sendmsg(s, &c->h, 0);
}

/* The control messages of the next datagram, "type:size " each. */
static const char *told(int s)
{
	static char text[300];
	struct ctl *c = message(sizeof(c->data), NULL);
	size_t at = 0;

	c->h.msg_controllen = sizeof(c->buf);
	text[0] = 0;
	if (recvmsg(s, &c->h, MSG_DONTWAIT) < 0)
		return strcpy(text, errno == EAGAIN ? "nothing" : "error");
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&c->h); h; h = CMSG_NXTHDR(&c->h, h))
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%d:%zu ", h->cmsg_type, h->cmsg_len - CMSG_LEN(0));
	return text;
}

/* The headers of the next packet on the wire, "number/size " each, and how long it is. */
static const char *wire(void)
{
	static char text[300];
	static unsigned char p[70000];
	ssize_t n;
	size_t off = 40, at = 0;
	unsigned char next;

	do {
		struct sockaddr_ll from;
		socklen_t size = sizeof(from);

		n = recvfrom(tap, p, sizeof(p), MSG_DONTWAIT, (void *)&from, &size);
		if (n > 0 && from.sll_pkttype == PACKET_OUTGOING)
			n = 0;
	} while (n == 0);
	if (n < 0)
		return strcpy(text, "nothing");
	next = p[6];
	while (next == 0 || next == 43 || next == 44 || next == 60) {
		size_t len = next == 44 ? 8 : (p[off + 1] + 1U) * 8U;

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%d/%zu ", next, len);
		next = p[off];
		off += len;
	}
	snprintf(text + at, sizeof(text) - at, "%d %zd", next, n);
	return text;
}

#define SAME(a, b) EQUAL_TEXT(__LINE__, a, b)
static void EQUAL_TEXT(int line, const char *got, const char *want)
{
	if (strcmp(got, want) == 0)
		return;
	printf("%d: '%s', not '%s'\n", line, got, want);
	t_failures++;
}

static void drain(void)
{
	while (strcmp(wire(), "nothing") != 0)
		;
}

static int udp(struct sockaddr_in6 *at)
{
	int s = socket(AF_INET6, SOCK_DGRAM, 0);
	socklen_t size = sizeof(*at);

	*at = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	EQUAL(bind(s, (void *)at, sizeof(*at)), 0);
	EQUAL(getsockname(s, (void *)at, &size), 0);
	return s;
}

/* ---- options ---- */

static void options_are_kept_as_they_are_and_taken_back(void)
{
	static const int types[] = { HOP, DST0, DST };
	unsigned char buf[3000], big[2048] = { 0, 255 }, bad[24];
	struct sockaddr_in6 at;
	int s = udp(&at);

	for (size_t i = 0; i < 3; i++) {
		EQUAL(get(s, types[i], buf, sizeof(buf)), 0);
		EQUAL(set(s, types[i], opts8, 8), 0);
		EQUAL(get(s, types[i], buf, sizeof(buf)), 8);
		EQUAL(memcmp(buf, opts8, 8), 0);
		EQUAL(get(s, types[i], buf, 3), 3);
		FAILS(EINVAL, set(s, types[i], opts8, 1));
		FAILS(EINVAL, set(s, types[i], opts8, 7));
		FAILS(EINVAL, set(s, types[i], opts16, 12));
		FAILS(EINVAL, set(s, types[i], opts16, 8)); /* says that it is longer */
		FAILS(EINVAL, set(s, types[i], big, 2048));
		big[1] = 254;
		EQUAL(set(s, types[i], big, 2040), 0);
		EQUAL(get(s, types[i], buf, sizeof(buf)), 2040);
		big[1] = 0; /* what is behind it does not count */
		EQUAL(set(s, types[i], big, 24), 0);
		EQUAL(get(s, types[i], buf, sizeof(buf)), 8);
		big[1] = 255;
		EQUAL(set(s, types[i], opts16, 16), 0);
	}
	EQUAL(set(s, HOP, NULL, 0), 0);
	EQUAL(get(s, HOP, buf, sizeof(buf)), 0);
	EQUAL(get(s, DST, buf, sizeof(buf)), 16);
	EQUAL(set(s, RT, srh, 24), 0);
	EQUAL(get(s, RT, buf, sizeof(buf)), 24);
	EQUAL(memcmp(buf, srh, 24), 0);
	FAILS(EINVAL, set(s, RT, rt0, 24));
	FAILS(EINVAL, set(s, RT, rt2, 24)); /* without CONFIG_IPV6_MIP6 */
	memcpy(bad, srh, 24);
	bad[3] = 1; /* more left than there are */
	FAILS(EINVAL, set(s, RT, bad, 24));
	bad[3] = 0;
	bad[4] = 1; /* the last is beyond the end */
	FAILS(EINVAL, set(s, RT, bad, 24));
	EQUAL(get(s, RT, buf, sizeof(buf)), 24);
	EQUAL(set(s, RT, NULL, 0), 0);
	EQUAL(get(s, RT, buf, sizeof(buf)), 0);
	FAILS(ENOPROTOOPT, get(s, IPV6_2292PKTOPTIONS, buf, sizeof(buf)));
	close(s);
}

static void routing_headers_of_type_4_are_checked(void)
{
	unsigned char h[64] = { 0, 4, 4, 0, 1 };
	struct sockaddr_in6 at;
	int s = udp(&at);

	EQUAL(set(s, RT, h, 40), 0); /* two segments */
	FAILS(EINVAL, set(s, RT, h, 48)); /* its length is another */
	h[3] = 1;
	EQUAL(set(s, RT, h, 40), 0);
	h[3] = 2;
	FAILS(EINVAL, set(s, RT, h, 40));
	h[3] = 0;
	h[4] = 0; /* one segment, and 16 bytes of what may follow it */
	EQUAL(set(s, RT, h, 40), 0); /* of length 0 each: eight of them */
	h[24] = 4;
	h[25] = 14;
	EQUAL(set(s, RT, h, 40), 0);
	h[25] = 15;
	FAILS(EINVAL, set(s, RT, h, 40));
	h[25] = 13;
	FAILS(EINVAL, set(s, RT, h, 40)); /* one byte is left */
	h[1] = 0;
	h[4] = 0;
	FAILS(EINVAL, set(s, RT, h, 8));
	h[1] = 1;
	FAILS(EINVAL, set(s, RT, h, 16));
	close(s);
}

static void what_is_told_is_switched_by_ints(void)
{
	static const int types[] = { IPV6_RECVHOPOPTS, IPV6_RECVRTHDR, IPV6_RECVDSTOPTS, IPV6_2292HOPOPTS, IPV6_2292RTHDR,
				     IPV6_2292DSTOPTS };
	struct sockaddr_in6 at;
	int s = udp(&at), v;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		FAILS(EINVAL, set(s, types[i], &v, 3));
		EQUAL(set_int(s, types[i], 7), 0);
		EQUAL(get(s, types[i], &v, 4), 4);
		EQUAL(v, 1);
		EQUAL(set_int(s, types[i], 0), 0);
		EQUAL(get(s, types[i], &v, 4), 4);
		EQUAL(v, 0);
	}
	close(s);
}

static void options_take_the_right_to_raw_sockets(void)
{
	struct sockaddr_in6 at;
	int s = udp(&at);

	EQUAL(set(s, HOP, opts8, 8), 0);
	set_capable(false);
	FAILS(EPERM, set(s, HOP, opts8, 8));
	FAILS(EPERM, set(s, HOP, NULL, 0));
	FAILS(EPERM, set(s, HOP, opts8, 7));
	FAILS(EPERM, set(s, DST0, opts8, 8));
	FAILS(EPERM, set(s, DST, opts8, 8));
	EQUAL(set(s, RT, srh, 24), 0);
	EQUAL(set(s, RT, NULL, 0), 0);
	FAILS(EPERM, send_with(s, &at, HOP, opts8, 8));
	FAILS(EPERM, send_with(s, &at, IPV6_2292HOPOPTS, opts8, 8));
	FAILS(EPERM, send_with(s, &at, DST0, opts8, 8));
	FAILS(EPERM, send_with(s, &at, DST, opts8, 8));
	FAILS(EPERM, send_with(s, &at, IPV6_2292DSTOPTS, opts8, 8));
	FAILS(EINVAL, send_with(s, &at, HOP, opts16, 8));
	EQUAL(send(s, "", 0, 0) < 0 && errno == EDESTADDRREQ, 1);
	EQUAL(sendto(s, "1", 1, 0, (void *)&at, sizeof(at)), 1); /* with what was set before */
	set_capable(true);
	SAME(told(s), "");
	drain();
	close(s);
}

/* ---- sending ---- */

static void headers_are_on_the_wire_in_their_order(void)
{
	struct sockaddr_in6 at;
	int s = udp(&at);

	set_int(s, IPV6_RECVHOPOPTS, 1);
	set_int(s, IPV6_RECVDSTOPTS, 1);
	EQUAL(set(s, DST, opts8, 8), 0);
	EQUAL(set(s, HOP, opts16, 16), 0);
	EQUAL(sendto(s, "1234", 4, 0, (void *)&at, sizeof(at)), 4);
	SAME(wire(), "0/16 60/8 17 76");
	SAME(told(s), "54:16 59:8 ");
	EQUAL(set(s, DST0, opts8, 8), 0); /* nothing without a routing header */
	EQUAL(sendto(s, "1234", 4, 0, (void *)&at, sizeof(at)), 4);
	SAME(wire(), "0/16 60/8 17 76");
	SAME(told(s), "54:16 59:8 ");
	EQUAL(set(s, RT, srh, 24), 0);
	EQUAL(sendto(s, "1234", 4, 0, (void *)&at, sizeof(at)), 4);
	SAME(wire(), "0/16 60/8 43/24 60/8 17 108");
	SAME(told(s), "nothing"); /* seg6_enabled is 0 */
	/* What comes with one message takes the place of all that */
	EQUAL(send_with(s, &at, DST, opts16, 16), 4);
	SAME(wire(), "60/16 17 68");
	SAME(told(s), "59:16 ");
	EQUAL(send_with(s, &at, HOP, opts8, 8), 4);
	SAME(wire(), "0/8 17 60");
	SAME(told(s), "54:8 ");
	EQUAL(send_with(s, &at, IPV6_2292HOPOPTS, opts8, 8), 4);
	SAME(wire(), "0/8 17 60");
	SAME(told(s), "54:8 ");
	EQUAL(send_with(s, &at, IPV6_2292DSTOPTS, opts8, 8), 4);
	SAME(wire(), "60/8 17 60");
	SAME(told(s), "59:8 ");
	EQUAL(send_with(s, &at, DST0, opts8, 8), 4); /* that one is not sent: nor are the socket's own */
	SAME(wire(), "17 52");
	SAME(told(s), "");
	EQUAL(send_with(s, &at, IPV6_TCLASS, &(int){ 4 }, 4), 4);
	SAME(wire(), "0/16 60/8 43/24 60/8 17 108");
	close(s);
}

static void segments_replace_the_address(void)
{
	unsigned char h[40] = { 0, 4, 4, 1, 1, [8] = 0x20, [24 + 15] = 1 };
	unsigned char p[200] = { 0 };
	struct sockaddr_in6 at;
	int s = udp(&at);

	EQUAL(set(s, RT, h, sizeof(h)), 0);
	EQUAL(set(s, DST0, opts8, 8), 0);
	drain();
	EQUAL(sendto(s, "1234", 4, 0, (void *)&at, sizeof(at)), 4);
	EQUAL(recv(tap, p, sizeof(p), MSG_DONTWAIT), 40 + 8 + 40 + 12);
	EQUAL(memcmp(p + 24, h + 24, 16), 0); /* to the segment that is left */
	EQUAL(memcmp(p + 48 + 8, &at.sin6_addr, 16), 0); /* the last is where it is for */
	EQUAL(memcmp(p + 48 + 24, h + 24, 16), 0);
	drain();
	h[24] = 0x30; /* where no route leads */
	EQUAL(set(s, RT, h, sizeof(h)), 0);
	FAILS(ENETUNREACH, sendto(s, "1234", 4, 0, (void *)&at, sizeof(at)));
	close(s);
}

static void wrong_messages_are_refused(void)
{
	unsigned char h[24];
	struct sockaddr_in6 at;
	struct ctl *c;
	int s = udp(&at);

	FAILS(EINVAL, send_with(s, &at, HOP, opts8, 1));
	FAILS(EINVAL, send_with(s, &at, HOP, opts8, 7));
	FAILS(EINVAL, send_with(s, &at, HOP, opts16, 8));
	FAILS(EINVAL, send_with(s, &at, DST, opts16, 8));
	FAILS(EINVAL, send_with(s, &at, IPV6_2292DSTOPTS, opts16, 8));
	FAILS(EINVAL, send_with(s, &at, DST0, opts16, 8));
	FAILS(EINVAL, send_with(s, &at, RT, srh, 24)); /* of type 4 only as an option */
	FAILS(EINVAL, send_with(s, &at, RT, rt0, 24));
	FAILS(EINVAL, send_with(s, &at, RT, rt2, 24));
	FAILS(EINVAL, send_with(s, &at, IPV6_2292RTHDR, rt2, 24));
	FAILS(EINVAL, send_with(s, &at, IPV6_RECVHOPOPTS, opts8, 8));
	EQUAL(send_with(s, &at, HOP, opts16, 16), 4);
	memcpy(h, opts16, 16);
	memset(h + 16, 0xff, 8);
	EQUAL(send_with(s, &at, HOP, h, 24), 4); /* what is behind it does not count */
	c = message(4, &at);
	add(c, HOP, opts8, 8);
	add(c, IPV6_2292HOPOPTS, opts8, 8);
	FAILS(EINVAL, sendmsg(s, &c->h, 0)); /* two of them */
	c = message(4, &at);
	add(c, IPV6_2292DSTOPTS, opts8, 8);
	add(c, IPV6_2292DSTOPTS, opts8, 8);
	FAILS(EINVAL, sendmsg(s, &c->h, 0));
	drain();
	c = message(4, &at);
	add(c, DST, opts8, 8);
	add(c, HOP, opts8, 8);
	EQUAL(sendmsg(s, &c->h, 0), 4);
	SAME(wire(), "0/8 60/8 17 68");
	close(s);
}

static void what_readers_asked_for_they_are_told(void)
{
	struct sockaddr_in6 at;
	int s = udp(&at);

	EQUAL(set(s, DST, opts8, 8), 0);
	EQUAL(set(s, HOP, opts16, 16), 0);
	set_int(s, IPV6_2292HOPOPTS, 1);
	set_int(s, IPV6_2292DSTOPTS, 1);
	set_int(s, IPV6_2292RTHDR, 1);
	set_int(s, IPV6_RECVRTHDR, 1);
	EQUAL(sendto(s, "1", 1, 0, (void *)&at, sizeof(at)), 1);
	SAME(told(s), "3:16 4:8 ");
	set_int(s, IPV6_RECVPKTINFO, 1);
	set_int(s, IPV6_2292PKTINFO, 1);
	set_int(s, IPV6_2292HOPLIMIT, 1);
	set_int(s, IPV6_RECVHOPLIMIT, 1);
	set_int(s, IPV6_RECVTCLASS, 1);
	set_int(s, IPV6_RECVHOPOPTS, 1);
	set_int(s, IPV6_RECVDSTOPTS, 1);
	EQUAL(sendto(s, "1", 1, 0, (void *)&at, sizeof(at)), 1);
	SAME(told(s), "50:20 52:4 67:4 54:16 59:8 2:20 8:4 3:16 4:8 ");
	drain();
	close(s);
}

/* ---- sizes ---- */

static void headers_count_as_part_of_the_packet(void)
{
	unsigned char big[1224] = { 0 };
	static char data[65536];
	struct sockaddr_in6 at;
	int s = udp(&at);

	set_mtu(1280);
	set_int(s, IPV6_RECVHOPOPTS, 1);
	set_int(s, IPV6_RECVDSTOPTS, 1);
	EQUAL(set(s, DST, opts8, 8), 0);
	EQUAL(set(s, HOP, opts256, 256), 0);
	drain();
	EQUAL(sendto(s, data, 1280 - 40 - 264 - 8, 0, (void *)&at, sizeof(at)), 1280 - 40 - 264 - 8);
	SAME(wire(), "0/256 60/8 17 1280");
	SAME(wire(), "nothing");
	SAME(told(s), "54:256 59:8 ");
	EQUAL(sendto(s, data, 1280 - 40 - 264 - 7, 0, (void *)&at, sizeof(at)), 1280 - 40 - 264 - 7);
	SAME(wire(), "0/256 60/8 44/8 17 1280");
	SAME(wire(), "0/256 60/8 44/8 17 321");
	SAME(wire(), "nothing");
	SAME(told(s), "54:256 59:8 ");
	/* After a routing header options are part of what is cut. */
	EQUAL(set(s, RT, srh, 24), 0);
	EQUAL(sendto(s, data, 1280, 0, (void *)&at, sizeof(at)), 1280);
	SAME(wire(), "0/256 43/24 44/8 60/8 17 1280");
	drain();
	EQUAL(set(s, RT, NULL, 0), 0);
	/* Linux counts options before the transport header twice, where it asks whether all fits. */
	set_int(s, IPV6_DONTFRAG, 1);
	EQUAL(sendto(s, data, 1280 - 40 - 264 - 16, 0, (void *)&at, sizeof(at)), 1280 - 40 - 264 - 16);
	FAILS(EMSGSIZE, sendto(s, data, 1280 - 40 - 264 - 15, 0, (void *)&at, sizeof(at)));
	set_int(s, IPV6_DONTFRAG, 0);
	EQUAL(sendto(s, data, 65535 - 264 - 16, 0, (void *)&at, sizeof(at)), 65535 - 264 - 16);
	FAILS(EMSGSIZE, sendto(s, data, 65535 - 264 - 15, 0, (void *)&at, sizeof(at)));
	drain();
	/* All headers are to be in the first fragment (RFC 7112). */
	big[1] = 1216 / 8;
	EQUAL(set(s, HOP, big, 1224), 0);
	FAILS(EMSGSIZE, sendto(s, data, 1, 0, (void *)&at, sizeof(at)));
	big[1] = 1216 / 8 - 1;
	EQUAL(set(s, HOP, big, 1216), 0);
	EQUAL(sendto(s, data, 100, 0, (void *)&at, sizeof(at)), 100);
	SAME(wire(), "0/1216 60/8 44/8 17 1280");
	drain();
	set_mtu(65536);
	close(s);
}

/* ---- what receivers take ---- */

static void set_sysctl(const char *name, const char *value)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/%s", name);
	fd = open(path, O_WRONLY);
	EQUAL(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	close(fd);
}

/* Does a datagram with these options arrive? */
static bool arrives(int type, const unsigned char *header, size_t size)
{
	struct sockaddr_in6 at;
	int s = udp(&at);
	char c;
	bool there;

	EQUAL(set(s, type, header, size), 0);
	EQUAL(sendto(s, "1", 1, 0, (void *)&at, sizeof(at)), 1);
	there = recv(s, &c, 1, MSG_DONTWAIT) == 1;
	close(s);
	drain();
	return there;
}

static void receivers_are_strict(void)
{
	static const int types[] = { HOP, DST };
	static const unsigned char pads[8] = { 0 }, nine_pads[16] = { 0, 1 }, padn[8] = { 0, 0, 1, 4 }, padn_not_zero[8] = { 0, 0, 1, 4, 1 },
				   padn_long[16] = { 0, 1, 1, 12 }, beyond[8] = { 0, 0, 0x1e, 5 }, at_end[8] = { 0, 0, 0, 0, 0, 0, 0, 0x1e },
				   discard[8] = { 0, 0, 0x5e, 4 }, report[8] = { 0, 0, 0x9e, 4 }, report_not_group[8] = { 0, 0, 0xde, 4 },
				   alert[8] = { 0, 0, 5, 2, 0, 0, 1, 0 }, alert_long[8] = { 0, 0, 5, 4 };
	unsigned char many[24] = { 0, 2 };

	for (size_t i = 0; i < 2; i++) {
		EQUAL(arrives(types[i], opts8, 8), true);
		EQUAL(arrives(types[i], pads, 8), true);
		EQUAL(arrives(types[i], nine_pads, 16), false);
		EQUAL(arrives(types[i], padn, 8), true);
		EQUAL(arrives(types[i], padn_not_zero, 8), false);
		EQUAL(arrives(types[i], padn_long, 16), false);
		EQUAL(arrives(types[i], beyond, 8), false);
		EQUAL(arrives(types[i], at_end, 8), false);
		EQUAL(arrives(types[i], discard, 8), false);
		EQUAL(arrives(types[i], report, 8), false);
		EQUAL(arrives(types[i], report_not_group, 8), false);
		EQUAL(arrives(types[i], alert, 8), true);
		EQUAL(arrives(types[i], alert_long, 8), types[i] == DST);
		for (int k = 0; k < 8; k++)
			many[2 + 2 * k] = 0x1e;
		memcpy(many + 18, (unsigned char[]){ 1, 4, 0, 0, 0, 0 }, 6);
		EQUAL(arrives(types[i], many, 24), true);
		memcpy(many + 18, (unsigned char[]){ 0x1e, 0, 1, 2, 0, 0 }, 6);
		EQUAL(arrives(types[i], many, 24), false); /* nine options */
		set_sysctl(types[i] == HOP ? "max_hbh_opts_number" : "max_dst_opts_number", "9");
		EQUAL(arrives(types[i], many, 24), true);
		set_sysctl(types[i] == HOP ? "max_hbh_opts_number" : "max_dst_opts_number", "-9");
		EQUAL(arrives(types[i], many, 24), false); /* none of them is known */
		EQUAL(arrives(types[i], padn, 8), true);
		set_sysctl(types[i] == HOP ? "max_hbh_opts_number" : "max_dst_opts_number", "8");
		set_sysctl(types[i] == HOP ? "max_hbh_length" : "max_dst_opts_length", "8");
		EQUAL(arrives(types[i], opts8, 8), true);
		EQUAL(arrives(types[i], opts16, 16), false);
		set_sysctl(types[i] == HOP ? "max_hbh_length" : "max_dst_opts_length", "2147483647");
		EQUAL(arrives(types[i], opts16, 16), true);
	}
}

/* ---- others than UDP ---- */

static void raw_and_ping_sockets_send_them_too(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback }, at;
	unsigned char echo[12] = { 128 };
	int s = socket(AF_INET6, SOCK_RAW, 200), ping = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), lite, v = 1;
	socklen_t size = sizeof(at);

	EQUAL(set(s, DST, opts8, 8), 0);
	EQUAL(set(s, HOP, opts16, 16), 0);
	set_int(s, IPV6_RECVHOPOPTS, 1);
	set_int(s, IPV6_RECVDSTOPTS, 1);
	EQUAL(sendto(s, "1234", 4, 0, (void *)&to, sizeof(to)), 4);
	SAME(wire(), "0/16 60/8 200 68");
	SAME(told(s), "54:16 59:8 ");
	EQUAL(send_with(s, &to, DST, opts16, 16), 4);
	SAME(wire(), "60/16 200 60");
	SAME(told(s), "59:16 ");
	close(s);
	EQUAL(set(ping, DST, opts8, 8), 0);
	EQUAL(sendto(ping, echo, sizeof(echo), 0, (void *)&to, sizeof(to)), sizeof(echo));
	SAME(wire(), "60/8 58 60");
	SAME(wire(), "58 52"); /* the answer has none */
	close(ping);
	s = udp(&at);
	lite = socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
	EQUAL(set(lite, DST, opts8, 8), 0);
	setsockopt(lite, IPPROTO_UDP, 1 /* UDP_CORK */, &v, sizeof(v));
	EQUAL(sendto(lite, "12", 2, 0, (void *)&at, sizeof(at)), 2);
	EQUAL(set(lite, DST, NULL, 0), 0); /* what is begun has its headers */
	EQUAL(sendto(lite, "34", 2, 0, (void *)&at, sizeof(at)), 2);
	v = 0;
	setsockopt(lite, IPPROTO_UDP, 1, &v, sizeof(v));
	SAME(wire(), "60/8 17 60");
	EQUAL(getsockname(lite, (void *)&at, &size), 0);
	close(lite);
	close(s);
	/* To an address of IPv4 they say nothing. */
	s = socket(AF_INET6, SOCK_DGRAM, 0);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
	EQUAL(bind(s, (void *)&to, sizeof(to)), 0);
	EQUAL(getsockname(s, (void *)&to, &size), 0);
	EQUAL(set(s, DST, opts8, 8), 0);
	EQUAL(sendto(s, "12", 2, 0, (void *)&to, sizeof(to)), 2);
	SAME(told(s), "");
	close(s);
}

/* ---- TCP ---- */

static int mss(int s)
{
	int v = 0;
	socklen_t size = sizeof(v);

	EQUAL(getsockopt(s, IPPROTO_TCP, TCP_MAXSEG, &v, &size), 0);
	return v;
}

/* The headers of the next segment, without its size. */
static const char *segment(void)
{
	char *text = (char *)(uintptr_t)wire(), *space = strrchr(text, ' ');

	if (space)
		*space = 0;
	return text;
}

static int tcp_listener(struct sockaddr_in6 *at)
{
	int s = socket(AF_INET6, SOCK_STREAM, 0);
	socklen_t size = sizeof(*at);

	*at = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	EQUAL(bind(s, (void *)at, sizeof(*at)), 0);
	EQUAL(listen(s, 5), 0);
	EQUAL(getsockname(s, (void *)at, &size), 0);
	return s;
}

static void segments_have_headers_and_are_shorter(void)
{
	static char data[200000];
	struct sockaddr_in6 at;
	int l, c, a;
	size_t got = 0;

	set_mtu(1500);
	drain();
	l = tcp_listener(&at);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	EQUAL(set(l, DST, opts8, 8), 0);
	EQUAL(set(c, HOP, opts16, 16), 0);
	EQUAL(connect(c, (void *)&at, sizeof(at)), 0);
	a = accept(l, NULL, NULL);
	SAME(segment(), "0/16 6");
	SAME(segment(), "60/8 6");
	SAME(segment(), "0/16 6");
	EQUAL(get(a, DST, data, sizeof(data)), 8); /* the listener's */
	EQUAL(mss(c), 1500 - 40 - 20 - 12 - 16);
	EQUAL(mss(a), 1500 - 40 - 20 - 12 - 8);
	EQUAL(send(a, "x", 1, 0), 1);
	SAME(segment(), "60/8 6");
	EQUAL(recv(c, data, 1, 0), 1);
	drain();
	EQUAL(set(c, HOP, opts256, 256), 0);
	EQUAL(mss(c), 1500 - 40 - 20 - 12 - 256);
	/* Many segments, by way of whatever cuts them. */
	while (got < sizeof(data)) {
		ssize_t n = send(c, data, sizeof(data) - got < 30000 ? sizeof(data) - got : 30000, 0);

		CHECK(n > 0);
		if (n <= 0)
			break;
		for (ssize_t in = 0, k; in < n; in += k) {
			k = recv(a, data, sizeof(data), 0);
			CHECK(k > 0);
			if (k <= 0)
				break;
		}
		got += (size_t)n;
	}
	SAME(segment(), "0/256 6");
	drain();
	EQUAL(set(c, HOP, NULL, 0), 0);
	EQUAL(set(a, DST, NULL, 0), 0);
	EQUAL(send(c, "x", 1, 0), 1);
	SAME(segment(), "6");
	close(c);
	close(a);
	close(l);
	set_mtu(65536);
	drain();
}

/* ---- IPV6_2292PKTOPTIONS ---- */

/* What it says, as told() has it, with the value of what is four bytes long. */
static const char *pktoptions(int s, socklen_t room)
{
	static char text[300];
	_Alignas(struct cmsghdr) static char buf[4096];
	struct msghdr m = { .msg_control = buf };
	int n = get(s, IPV6_2292PKTOPTIONS, buf, room), at = 0, v;

	if (n < 0)
		return strcpy(text, "error");
	m.msg_controllen = (size_t)n;
	text[0] = 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		size_t size = h->cmsg_len - CMSG_LEN(0);

		at += snprintf(text + at, sizeof(text) - (size_t)at, "%d:%zu", h->cmsg_type, size);
		memcpy(&v, CMSG_DATA(h), sizeof(v));
		at += size == 4 ? snprintf(text + at, sizeof(text) - (size_t)at, "=%d ", v) :
				  snprintf(text + at, sizeof(text) - (size_t)at, " ");
	}
	snprintf(text + at, sizeof(text) - (size_t)at, "(%d)", n);
	return text;
}

static void all_options_are_set_at_once(int type)
{
	int s = socket(AF_INET6, type, 0);
	struct ctl *c = message(0, NULL);
	char h[64];

	add(c, HOP, opts8, 8);
	add(c, DST, opts16, 16);
	add(c, IPV6_TCLASS, &(int){ 4 }, 4);
	EQUAL(set(s, IPV6_2292PKTOPTIONS, c->buf, c->h.msg_controllen), 0);
	EQUAL(get(s, HOP, h, sizeof(h)), 8);
	EQUAL(get(s, DST, h, sizeof(h)), 16);
	EQUAL(get(s, IPV6_TCLASS, h, sizeof(h)), 4);
	EQUAL(h[0], 0); /* nothing but headers is kept */
	c = message(0, NULL);
	add(c, DST0, opts8, 8);
	EQUAL(set(s, IPV6_2292PKTOPTIONS, c->buf, c->h.msg_controllen), 0);
	EQUAL(get(s, HOP, h, sizeof(h)), 0); /* it is all that there is */
	EQUAL(get(s, DST0, h, sizeof(h)), 8);
	add_sized(c, HOP, opts8, 8, 8);
	FAILS(EINVAL, set(s, IPV6_2292PKTOPTIONS, c->buf, c->h.msg_controllen));
	c = message(0, NULL);
	add_sized(c, HOP, opts8, 8, 1000);
	FAILS(EINVAL, set(s, IPV6_2292PKTOPTIONS, c->buf, c->h.msg_controllen));
	c = message(0, NULL);
	add(c, RT, srh, 24);
	FAILS(EINVAL, set(s, IPV6_2292PKTOPTIONS, c->buf, c->h.msg_controllen));
	EQUAL(get(s, DST0, h, sizeof(h)), 8);
	c = message(0, NULL);
	add(c, HOP, opts8, 8);
	set_capable(false);
	FAILS(EPERM, set(s, IPV6_2292PKTOPTIONS, c->buf, c->h.msg_controllen));
	EQUAL(set(s, IPV6_2292PKTOPTIONS, NULL, 0), 0);
	set_capable(true);
	EQUAL(get(s, DST0, h, sizeof(h)), 0);
	EQUAL(set(s, IPV6_2292PKTOPTIONS, c->buf, 1), 0); /* no message */
	FAILS(EINVAL, set(s, IPV6_2292PKTOPTIONS, c->data, 65537));
	close(s);
}

static void a_byte(int from, int to)
{
	char c;

	EQUAL(send(from, "x", 1, 0), 1);
	EQUAL(recv(to, &c, 1, 0), 1);
	drain();
}

static void streams_keep_what_came_last(void)
{
	struct sockaddr_in6 at;
	int s = socket(AF_INET6, SOCK_STREAM, 0), l, c, a;

	SAME(pktoptions(s, 4096), "(0)");
	set_int(s, IPV6_RECVDSTOPTS, 1);
	SAME(pktoptions(s, 4096), "(0)");
	set_int(s, IPV6_RECVPKTINFO, 1);
	set_int(s, IPV6_RECVHOPLIMIT, 1);
	set_int(s, IPV6_RECVTCLASS, 1);
	set_int(s, IPV6_2292PKTINFO, 1);
	set_int(s, IPV6_2292HOPLIMIT, 1);
	SAME(pktoptions(s, 4096), "50:20 52:4=1 67:4=0 2:20 8:4=1 (152)");
	SAME(pktoptions(s, 15), "(0)"); /* what there is no room for is cut */
	SAME(pktoptions(s, 17), "50:1 (17)");
	SAME(pktoptions(s, 36), "50:20 (36)");
	SAME(pktoptions(s, 50), "50:20 (40)");
	SAME(pktoptions(s, 60), "50:20 52:4=1 (60)");
	close(s);
	l = tcp_listener(&at);
	set_int(l, IPV6_RECVDSTOPTS, 1);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	set_int(c, IPV6_TCLASS, 8);
	set_int(c, IPV6_UNICAST_HOPS, 77);
	EQUAL(set(c, DST, opts16, 16), 0);
	EQUAL(set(c, HOP, opts8, 8), 0);
	EQUAL(connect(c, (void *)&at, sizeof(at)), 0);
	a = accept(l, NULL, NULL);
	SAME(pktoptions(a, 4096), "59:16 (32)"); /* of the SYN */
	SAME(pktoptions(c, 4096), "(0)");
	EQUAL(set(c, DST, opts8, 8), 0);
	a_byte(c, a);
	SAME(pktoptions(a, 4096), "59:8 (24)");
	set_int(a, IPV6_RECVHOPOPTS, 1);
	SAME(pktoptions(a, 4096), "54:8 59:8 (48)"); /* the packet is the same */
	set_int(a, IPV6_2292DSTOPTS, 1);
	set_int(a, IPV6_RECVPKTINFO, 1);
	set_int(a, IPV6_RECVHOPLIMIT, 1);
	set_int(a, IPV6_RECVTCLASS, 1);
	SAME(pktoptions(a, 4096), "50:20 52:4=77 67:4=8 54:8 59:8 4:8 (160)");
	EQUAL(set(c, DST, NULL, 0), 0);
	EQUAL(set(c, HOP, NULL, 0), 0);
	set_int(c, IPV6_UNICAST_HOPS, 78);
	a_byte(c, a);
	SAME(pktoptions(a, 4096), "50:20 52:4=78 67:4=8 (88)");
	set_int(a, IPV6_RECVPKTINFO, 0);
	set_int(a, IPV6_RECVHOPLIMIT, 0);
	set_int(a, IPV6_RECVTCLASS, 0);
	SAME(pktoptions(a, 4096), "(0)");
	close(c);
	close(a);
	set_int(l, IPV6_RECVDSTOPTS, 0);
	set_int(l, IPV6_RECVPKTINFO, 1);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	EQUAL(connect(c, (void *)&at, sizeof(at)), 0);
	a = accept(l, NULL, NULL);
	set_int(a, IPV6_RECVHOPLIMIT, 1);
	SAME(pktoptions(a, 4096), "50:20 52:4=64 (64)");
	SAME(pktoptions(l, 4096), "50:20 (40)");
	close(c);
	close(a);
	close(l);
	drain();
}

T_MAIN
{
	EQUAL(unshare(CLONE_NEWNET), 0);
	lo_up();
	tap = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IPV6));
	CHECK(tap >= 0);
	options_are_kept_as_they_are_and_taken_back();
	routing_headers_of_type_4_are_checked();
	what_is_told_is_switched_by_ints();
	options_take_the_right_to_raw_sockets();
	headers_are_on_the_wire_in_their_order();
	segments_replace_the_address();
	wrong_messages_are_refused();
	what_readers_asked_for_they_are_told();
	headers_count_as_part_of_the_packet();
	receivers_are_strict();
	raw_and_ping_sockets_send_them_too();
	segments_have_headers_and_are_shorter();
	all_options_are_set_at_once(SOCK_DGRAM);
	all_options_are_set_at_once(SOCK_STREAM);
	streams_keep_what_came_last();
}
