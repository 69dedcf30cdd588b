/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat.c: a veth pair and masquerading for `do`.  See nat.h.
 *
 *     host:       runsc-nN  198.19.x.y/30 ── veth ── eth0  in the container's network namespace
 *     iptables:   nat POSTROUTING     from the /30, not to runsc-nN: MASQUERADE
 *                 filter FORWARD      to runsc-nN: answers only; from it: anywhere but to others like it
 *
 * iptables(8), as Docker uses it, and not a table of nftables of our own: where Docker is, its FORWARD chain
 * drops by default, and an "accept" of another table does not outvote that.
 *
 * ip_forward stays as it is.  Where it is off, forwarding is turned on for our end of the veth and for the interfaces
 * of the default routes, with a rule that drops what others would have forwarded there; the last `do` that ends turns it
 * off again, unless somebody has turned on ip_forward meanwhile.
 *
 * The name of the interface says which /30 it has: the kernel sees to it that there is one of a name.  198.19.0.0/16 is
 * for benchmarks between devices (RFC 2544): no network's own, and the host's routes are looked at.
 *
 * What a program inside could do to the host by that interface is closed before it is up: router advertisements,
 * spoofed sources (rp_filter), IPv6 where none is given.
 *
 * Life: all changes are made under flock(2) of LOCK_FILE.  The record (state.json, "nat") is written before anything is
 * made.  Undone by launch_destroy(): of `do` at its end, of the guard when `do` has died (a child that waits
 * for that on a pidfd), of any later command that calls launch_collect().  The veth goes with its namespace by itself.
 */
#include "runsc-c/nat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/jsonw.h"
#include "runsc-c/launch.h"
#include "runsc-c/rtnl_impl.h"

#define LOCK_FILE    "/run/runsc-c.nat.lock"
#define LINK_PREFIX  "runsc-n"
#define INSIDE_NAME  "eth0"
#define POOL         0xc6130000u /* 198.19.0.0/16, by /30 */
#define POOL_COUNT   (1u << 14)
#define TRIES        64
#define UPLINKS_MAX  4
#define ULA_ROOM     40
#define MTU_MIN      1280u
#define MTU_ETHERNET 1500u
#define RULE_WORDS   24
#define RULES_ROOM   (1u << 20) /* for the text of a chain */
#define COMMENT      "runsc-c do --net=nat"
/*
 * A route to so much is a default route in parts, as VPNs have it (OpenVPN's def1: 0.0.0.0/1 and 128.0.0.0/1), and not
 * a network's that has our addresses.
 */
#define WIDE         8
#define MULTICAST    0xe0000000u

/* What there is to undo, as recorded. */
struct plan {
	unsigned int index;                /* of the /30 in POOL, and in the link's name */
	char link[IFNAMSIZ];
	char uplinks[UPLINKS_MAX][IFNAMSIZ]; /* whose forwarding was turned on for us, or for one like us */
	unsigned int uplink_count;
	char ula[ULA_ROOM];                /* "fd12:3456:789a::"; "": no IPv6 */
	uint64_t netns;                    /* inode of the host's side */
};

static uint32_t subnet_of(unsigned int index)
{
	return POOL + index * 4;
}

/* ---- record --------------------------------------------------------------------------------- */

static uint64_t own_netns(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
}

static json_t *plan_to_json(const struct plan *p)
{
	json_t *o = json_pack("{s:i,s:s,s:I}", "index", (int)p->index, "ula", p->ula, "netns", (json_int_t)p->netns);
	json_t *a = json_array();

	for (unsigned int i = 0; i < p->uplink_count; i++)
		json_array_append_new(a, json_string(p->uplinks[i]));
	json_object_set_new(o, "uplinks", a);
	return o;
}

/* A name that may stand in a path and in a rule. */
static bool is_link_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < IFNAMSIZ && strpbrk(name, "/ %") == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       name[0] != '-' && name[0] != '!' && name[n - 1] != '+';
}

static void plan_name(struct plan *p, unsigned int index)
{
	p->index = index;
	snprintf(p->link, sizeof(p->link), LINK_PREFIX "%u", index % POOL_COUNT);
}

/* False: there is none, or none that we could have written. */
static bool plan_from_json(const json_t *o, struct plan *p)
{
	struct err e = ERR_INIT;
	struct in6_addr ula;
	struct jsonw w;
	const char *text;
	json_t *a;

	memset(p, 0, sizeof(*p));
	if (o == NULL)
		return false;
	jsonw_init(&w, "state.json", &e);
	plan_name(p, (unsigned int)jsonw_int(&w, o, "index", 0, POOL_COUNT - 1, 0));
	p->netns = (uint64_t)jsonw_int(&w, o, "netns", 0, INT64_MAX, 0);
	text = jsonw_string(&w, o, "ula", REQUIRED);
	if (text != NULL && strlen(text) < sizeof(p->ula) && (text[0] == '\0' || inet_pton(AF_INET6, text, &ula) == 1))
		strcpy(p->ula, text);
	a = jsonw_array(&w, o, "uplinks", OPTIONAL);
	for (size_t i = 0; i < json_array_size(a) && p->uplink_count < UPLINKS_MAX; i++) {
		text = jsonw_string_at(&w, a, "uplinks", i);
		if (text != NULL && is_link_name(text))
			strcpy(p->uplinks[p->uplink_count++], text);
	}
	return !err_is(&e);
}

bool nat_is_elsewhere(const struct state *s)
{
	struct plan p;

	return plan_from_json(s->nat, &p) && p.netns != own_netns();
}

/* ---- settings of the host's side ------------------------------------------------------------ */

static int sysctl_path(char path[static PATH_MAX], const char *family, const char *link, const char *name)
{
	return snprintf(path, PATH_MAX, "/proc/sys/net/%s/conf/%s/%s", family, link, name);
}

/* '0', '1' …; 0: it can't be read. */
static char sysctl_get(const char *family, const char *link, const char *name)
{
	char path[PATH_MAX], value = '\0';
	int fd;

	sysctl_path(path, family, link, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &value, 1) != 1)
		value = '\0';
	host_close_fd(&fd);
	return value;
}

static int sysctl_set(const char *family, const char *link, const char *name, char value)
{
	char path[PATH_MAX];
	int fd, err = 0;

	sysctl_path(path, family, link, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &value, 1) != 1)
		err = -errno;
	host_close_fd(&fd);
	return err;
}

static bool forwards(const char *family)
{
	return sysctl_get(family, "all", "forwarding") == '1';
}

/* ---- iptables ------------------------------------------------------------------------------- */

/* "iptables -w 5 …" with output to log.  In the child. */
static void tool_main(const char *const *args, int log)
{
	static const char *const folders[] = { "/usr/sbin", "/sbin" };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char path[64];

	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(126);
	execvp(args[0], (char *const *)(uintptr_t)args);
	/* sudo's and services' PATH may lack them. */
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], args[0]);
		execv(path, (char *const *)(uintptr_t)args);
	}
	_exit(127);
}

/* Its exit status, 127: it is not there; what it says in text. */
static int run_tool(const char *const *args, char *text, size_t size)
{
	int log = memfd_create("iptables-log", MFD_CLOEXEC), status = 126 << 8;
	pid_t pid = fork();
	ssize_t n;

	if (pid == 0)
		tool_main(args, log);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	n = log >= 0 ? pread(log, text, size - 1, 0) : 0;
	text[n > 0 ? n : 0] = '\0';
	host_close_fd(&log);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

static void keep_last_line(char *text)
{
	size_t n = strlen(text);
	char *last;

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	last = strrchr(text, '\n');
	if (last != NULL)
		memmove(text, last + 1, strlen(last + 1) + 1);
}

/* The words of one rule; what follows table and chain is the same when it is made, looked for and removed. */
struct rule {
	const char *table, *chain;
	bool first; /* before all others of the chain */
	const char *match[RULE_WORDS];
};

#define CHECK  "-C"
#define REMOVE "-D"

/* how: CHECK, REMOVE, or NULL: make it.  The last line that it says in text. */
static int run_rule(const char *tool, const struct rule *r, const char *how, char *text, size_t size)
{
	const char *args[RULE_WORDS + 16] = { tool, "-w", "5", "-t", r->table, how ? how : r->first ? "-I" : "-A", r->chain };
	size_t n = 7;
	int status;

	for (size_t i = 0; r->match[i] != NULL; i++)
		args[n++] = r->match[i];
	args[n++] = "-m";
	args[n++] = "comment";
	args[n++] = "--comment";
	args[n++] = COMMENT;
	args[n] = NULL;
	status = run_tool(args, text, size);
	keep_last_line(text);
	return status;
}

static int add_rule(const char *tool, const struct rule *r, struct err *e)
{
	char text[1000];
	int status = run_rule(tool, r, NULL, text, sizeof(text));

	if (status == 127)
		return err_set(e, ENOENT, "--net=nat: %s is not installed (Debian's package iptables)", tool);
	if (status != 0)
		return err_set(e, EIO, "--net=nat: %s, table %s: %s", tool, r->table, text[0] ? text : "it failed");
	return 0;
}

/* As often as it is there. */
static void remove_rule(const char *tool, const struct rule *r)
{
	char text[1000];

	for (int i = 0; i < 8 && run_rule(tool, r, REMOVE, text, sizeof(text)) == 0; i++)
		;
}

#define NAT_RULES 4

/* Those of one `do`, in the order in which they are made: of those that go first, the last is seen first. */
static void fill_rules(const struct plan *p, const char *net, struct rule rules[static NAT_RULES])
{
	const struct rule all[NAT_RULES] = {
		{ "nat", "POSTROUTING", false, { "-s", net, "!", "-o", p->link, "-j", "MASQUERADE" } },
		{ "filter", "FORWARD", true, { "-i", p->link, "!", "-o", LINK_PREFIX "+", "-j", "ACCEPT" } },
		{ "filter", "FORWARD", true, { "-o", p->link, "-j", "DROP" } },
		{ "filter", "FORWARD", true, { "-o", p->link, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED",
					       "-j", "ACCEPT" } },
	};

	memcpy(rules, all, sizeof(all));
}

static void net4_text(const struct plan *p, char *text, size_t size)
{
	struct in_addr a = { htonl(subnet_of(p->index)) };
	char plain[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &a, plain, sizeof(plain));
	snprintf(text, size, "%s/30", plain);
}

static int add_rules(const char *tool, const struct plan *p, const char *net, struct err *e)
{
	struct rule rules[NAT_RULES];

	fill_rules(p, net, rules);
	for (size_t i = 0; i < NAT_RULES; i++)
		if (add_rule(tool, &rules[i], e) < 0)
			return e->error;
	return 0;
}

static void remove_rules(const char *tool, const struct plan *p, const char *net)
{
	struct rule rules[NAT_RULES];

	fill_rules(p, net, rules);
	for (size_t i = NAT_RULES; i-- > 0;)
		remove_rule(tool, &rules[i]);
}

/* What an interface that forwards for us alone shall not forward for others.  One for all `do`. */
static struct rule closed_rule(const char *uplink)
{
	return (struct rule){ "filter", "FORWARD", false, { "-i", uplink, "!", "-o", LINK_PREFIX "+", "-j", "DROP" } };
}

/* ---- choosing ------------------------------------------------------------------------------- */

struct look {
	struct rtnl r;
	/* on_route() */
	uint32_t subnet;     /* is there a route to (some of) this /30? */
	bool taken;
	unsigned int defaults[UPLINKS_MAX]; /* interfaces of default routes, and of WIDE ones, over IPv4 */
	unsigned int default_count;
	bool default6;
	/* on_link() */
	unsigned int others; /* interfaces of our prefix */
};

static struct look *look_of(struct rtnl *r)
{
	return container_of(r, struct look, r);
}

static void add_default(struct look *l, unsigned int ifindex)
{
	for (unsigned int i = 0; i < l->default_count; i++)
		if (l->defaults[i] == ifindex)
			return;
	if (ifindex != 0 && l->default_count < UPLINKS_MAX)
		l->defaults[l->default_count++] = ifindex;
}

static void add_hops(struct look *l, struct rtattr *a)
{
	size_t left = RTA_PAYLOAD(a);

	for (struct rtnexthop *h = RTA_DATA(a); left >= sizeof(*h) && h->rtnh_len >= sizeof(*h) && h->rtnh_len <= left;) {
		size_t size = MIN((size_t)RTNH_ALIGN(h->rtnh_len), left);

		add_default(l, (unsigned int)h->rtnh_ifindex);
		left -= size;
		h = (void *)((char *)h + size);
	}
}

static int on_route(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[RTA_MAX + 1];
	const struct rtmsg *m = rtnl_parse(h, sizeof(*m), tb, RTA_MAX);
	struct look *l = look_of(r);
	uint32_t dst, mask;

	if (m == NULL || h->nlmsg_type != RTM_NEWROUTE || (m->rtm_flags & RTM_F_CLONED))
		return 0;
	/* fc00::/7 alone leads to no public address. */
	if (m->rtm_dst_len < 7 && m->rtm_type == RTN_UNICAST && m->rtm_family == AF_INET6)
		l->default6 = true;
	if (m->rtm_family != AF_INET || m->rtm_dst_len > 32)
		return 0;
	dst = ntohl(rtnl_u32(tb[RTA_DST]));
	if (m->rtm_dst_len < WIDE) {
		bool leads_out = m->rtm_type == RTN_UNICAST && dst < MULTICAST;

		if (leads_out)
			add_default(l, rtnl_u32(tb[RTA_OIF]));
		if (leads_out && tb[RTA_MULTIPATH] != NULL)
			add_hops(l, tb[RTA_MULTIPATH]);
		return 0;
	}
	mask = UINT32_MAX << (32 - MIN((unsigned int)m->rtm_dst_len, 30u));
	l->taken |= ((dst ^ l->subnet) & mask) == 0;
	return 0;
}

static int look_routes(struct look *l, uint32_t subnet)
{
	const struct rtmsg any = { .rtm_family = AF_UNSPEC };
	struct rtnl_request q;

	l->subnet = subnet;
	l->taken = l->default6 = false;
	l->default_count = 0;
	rtnl_request_init(&q, RTM_GETROUTE, NLM_F_DUMP, &any, sizeof(any));
	return rtnl_call(&l->r, &q, on_route);
}

static int on_link(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *i = rtnl_parse(h, sizeof(*i), tb, IFLA_MAX);

	if (i != NULL && h->nlmsg_type == RTM_NEWLINK && tb[IFLA_IFNAME] != NULL &&
	    strncmp(RTA_DATA(tb[IFLA_IFNAME]), LINK_PREFIX, strlen(LINK_PREFIX)) == 0)
		look_of(r)->others++;
	return 0;
}

/* How many `do` like us there are. */
static unsigned int count_others(struct look *l)
{
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };
	struct rtnl_request q;

	l->others = 0;
	rtnl_request_init(&q, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	return rtnl_call(&l->r, &q, on_link) < 0 ? 1 : l->others; /* unknown: nothing is turned off */
}

static int choose_subnet(struct plan *p, struct look *l, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t random;
		int err;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return err_errno(e, errno, "--net=nat: getrandom");
		plan_name(p, random % POOL_COUNT);
		if (if_nametoindex(p->link) != 0)
			continue;
		err = look_routes(l, subnet_of(p->index));
		if (err < 0)
			return err_errno(e, err, "--net=nat: the host's routes");
		if (!l->taken)
			return 0;
	}
	return err_set(e, EADDRNOTAVAIL, "--net=nat: no free /30 in 198.19.0.0/16: the host has a route there");
}

/* A random ULA prefix (RFC 4193); "" where the host forwards no IPv6. */
static int choose_ula(struct plan *p, const struct look *l, struct err *e)
{
	struct in6_addr a = { .s6_addr = { 0xfd } };

	if (!forwards("ipv6") || !l->default6)
		return 0;
	if (getrandom(&a.s6_addr[1], 5, 0) != 5)
		return err_errno(e, errno, "--net=nat: getrandom");
	inet_ntop(AF_INET6, &a, p->ula, sizeof(p->ula));
	return 0;
}

/*
 * Without ip_forward those of the default routes are turned on for us.  One that forwards already does so since its owner
 * wants that, or for another `do`, as the rule says; then the last of us turns it off.
 */
static void choose_uplinks(struct nat *n, struct plan *p, const struct look *l)
{
	char text[1000], name[IFNAMSIZ];

	if (l->default_count == 0)
		snprintf(n->said, sizeof(n->said), "--net=nat: the host has no default route");
	for (unsigned int i = 0; i < l->default_count && !forwards("ipv4"); i++) {
		struct rule closed;

		if (if_indextoname(l->defaults[i], name) == NULL || !is_link_name(name))
			continue;
		closed = closed_rule(name);
		if (sysctl_get("ipv4", name, "forwarding") == '0' ||
		    run_rule("iptables", &closed, CHECK, text, sizeof(text)) == 0)
			strcpy(p->uplinks[p->uplink_count++], name);
	}
}

/* ---- making --------------------------------------------------------------------------------- */

static unsigned int mtu_of(struct look *l)
{
	struct ifreq f;
	unsigned int mtu = MTU_ETHERNET;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (unsigned int i = 0; fd >= 0 && i < l->default_count; i++)
		if (if_indextoname(l->defaults[i], f.ifr_name) != NULL && host_ioctl(fd, SIOCGIFMTU, &f) == 0 &&
		    f.ifr_mtu >= (int)MTU_MIN)
			mtu = MIN(mtu, (unsigned int)f.ifr_mtu);
	host_close_fd(&fd);
	return mtu;
}

static int make_veth(struct look *l, const struct plan *p, int inside, struct err *e)
{
	const struct ifinfomsg none = { .ifi_family = AF_UNSPEC };
	uint32_t mtu = mtu_of(l), ns = (uint32_t)inside;
	struct rtattr *info, *data, *peer;
	struct rtnl_request q;
	int err;

	rtnl_request_init(&q, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &none, sizeof(none));
	rtnl_request_add(&q, IFLA_IFNAME, p->link, strlen(p->link) + 1);
	rtnl_request_add(&q, IFLA_MTU, &mtu, sizeof(mtu));
	info = rtnl_request_add(&q, IFLA_LINKINFO, NULL, 0);
	rtnl_request_add(&q, IFLA_INFO_KIND, "veth", 4);
	data = rtnl_request_add(&q, IFLA_INFO_DATA, NULL, 0);
	peer = rtnl_request_add(&q, VETH_INFO_PEER, &none, sizeof(none));
	rtnl_request_add(&q, IFLA_IFNAME, INSIDE_NAME, sizeof(INSIDE_NAME));
	rtnl_request_add(&q, IFLA_MTU, &mtu, sizeof(mtu));
	rtnl_request_add(&q, IFLA_NET_NS_FD, &ns, sizeof(ns));
	rtnl_request_close(&q, peer);
	rtnl_request_close(&q, data);
	rtnl_request_close(&q, info);
	err = rtnl_call(&l->r, &q, NULL);
	return err < 0 ? err_errno(e, err, "--net=nat: can't make a veth pair") : 0;
}

static int add_addr(struct rtnl *r, int family, unsigned int ifindex, const void *addr, unsigned int plen)
{
	struct ifaddrmsg i = { .ifa_family = (uint8_t)family, .ifa_prefixlen = (uint8_t)plen, .ifa_index = ifindex,
			       .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0 };
	size_t size = family == AF_INET ? 4 : 16;
	struct rtnl_request q;

	rtnl_request_init(&q, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	rtnl_request_add(&q, IFA_LOCAL, addr, size);
	rtnl_request_add(&q, IFA_ADDRESS, addr, size);
	return rtnl_call(r, &q, NULL);
}

static int set_up(struct rtnl *r, unsigned int ifindex)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct rtnl_request q;

	rtnl_request_init(&q, RTM_NEWLINK, NLM_F_ACK, &i, sizeof(i));
	return rtnl_call(r, &q, NULL);
}

static int add_default_route(struct rtnl *r, int family, unsigned int ifindex, const void *gateway)
{
	struct rtmsg m = { .rtm_family = (uint8_t)family, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
			   .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST };
	uint32_t oif = ifindex;
	struct rtnl_request q;

	rtnl_request_init(&q, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_request_add(&q, RTA_GATEWAY, gateway, family == AF_INET ? 4 : 16);
	rtnl_request_add(&q, RTA_OIF, &oif, sizeof(oif));
	return rtnl_call(r, &q, NULL);
}

/* The addresses of both ends: that of the host is the first. */
static void fill_addrs(const struct plan *p, struct in_addr v4[static 2], struct in6_addr v6[static 2])
{
	for (unsigned int i = 0; i < 2; i++) {
		v4[i].s_addr = htonl(subnet_of(p->index) + 1 + i);
		memset(&v6[i], 0, sizeof(v6[i]));
		if (p->ula[0] != '\0')
			inet_pton(AF_INET6, p->ula, &v6[i]);
		v6[i].s6_addr[15] = (uint8_t)(1 + i);
	}
}

static int set_up_host_side(struct look *l, const struct plan *p, struct err *e)
{
	unsigned int ifindex = if_nametoindex(p->link);
	struct in_addr v4[2];
	struct in6_addr v6[2];
	int err;

	fill_addrs(p, v4, v6);
	/* Before it is up.  Without IPv6 in the kernel there is nothing to close. */
	(void)sysctl_set("ipv6", p->link, "accept_ra", '0');
	(void)sysctl_set("ipv6", p->link, "disable_ipv6", p->ula[0] ? '0' : '1');
	if (sysctl_get("ipv6", "all", "disable_ipv6") != '\0' && sysctl_get("ipv6", p->link, "accept_ra") != '0')
		return err_set(e, EIO, "--net=nat: %s: accept_ra can't be turned off", p->link);
	err = sysctl_set("ipv4", p->link, "rp_filter", '1');
	if (err == 0)
		err = sysctl_set("ipv4", p->link, "forwarding", '1');
	if (err < 0)
		return err_errno(e, err, "--net=nat: /proc/sys/net/ipv4/conf/%s", p->link);
	err = add_addr(&l->r, AF_INET, ifindex, &v4[0], 30);
	if (err == 0)
		err = set_up(&l->r, ifindex);
	if (err == 0 && p->ula[0])
		err = add_addr(&l->r, AF_INET6, ifindex, &v6[0], 126);
	return err < 0 ? err_errno(e, err, "--net=nat: interface %s", p->link) : 0;
}

/* A netlink socket that stays in that namespace.  We are one thread, and of the same user namespace. */
static int open_inside(struct rtnl *r, int inside, struct err *e)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (own < 0 || setns(inside, CLONE_NEWNET) < 0)
		return err_errno(e, errno, "--net=nat: the container's network namespace");
	rtnl_open(r, e);
	if (setns(own, CLONE_NEWNET) < 0)
		abort(); /* whatever came next would be done to the wrong namespace */
	close(own);
	return e->error;
}

static int on_inside(struct rtnl *r, struct nlmsghdr *h)
{
	struct rtattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *i = rtnl_parse(h, sizeof(*i), tb, IFLA_MAX);

	if (i != NULL && h->nlmsg_type == RTM_NEWLINK && tb[IFLA_IFNAME] != NULL &&
	    strcmp(RTA_DATA(tb[IFLA_IFNAME]), INSIDE_NAME) == 0)
		look_of(r)->others = (unsigned int)i->ifi_index;
	return 0;
}

static int set_up_inside(struct look *in, const struct plan *p, struct err *e)
{
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };
	struct rtnl_request q;
	struct in_addr v4[2];
	struct in6_addr v6[2];
	unsigned int ifindex;
	int err;

	fill_addrs(p, v4, v6);
	rtnl_request_init(&q, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all));
	in->others = 0;
	err = rtnl_call(&in->r, &q, on_inside);
	ifindex = in->others;
	if (err == 0)
		err = add_addr(&in->r, AF_INET, ifindex, &v4[1], 30);
	if (err == 0)
		err = set_up(&in->r, ifindex);
	if (err == 0)
		err = add_default_route(&in->r, AF_INET, ifindex, &v4[0]);
	if (err == 0 && p->ula[0])
		err = add_addr(&in->r, AF_INET6, ifindex, &v6[1], 126);
	if (err == 0 && p->ula[0])
		err = add_default_route(&in->r, AF_INET6, ifindex, &v6[0]);
	return err < 0 ? err_errno(e, err, "--net=nat: interface %s of the container", INSIDE_NAME) : 0;
}

static int open_uplinks(struct nat *n, const struct plan *p, struct err *e)
{
	char text[1000];

	for (unsigned int i = 0; i < p->uplink_count; i++) {
		struct rule closed = closed_rule(p->uplinks[i]);
		int err;

		/* Closed to others first. */
		if (run_rule("iptables", &closed, CHECK, text, sizeof(text)) != 0 && add_rule("iptables", &closed, e) < 0)
			return e->error;
		if (sysctl_get("ipv4", p->uplinks[i], "forwarding") == '1')
			continue;
		err = sysctl_set("ipv4", p->uplinks[i], "forwarding", '1');
		if (err < 0)
			return err_errno(e, err, "--net=nat: /proc/sys/net/ipv4/conf/%s/forwarding", p->uplinks[i]);
		snprintf(n->said, sizeof(n->said),
			 "--net=nat: ip_forward is off: %s forwards for sandboxes, until the last of them ends", p->uplinks[i]);
	}
	return 0;
}

/* Everything that plan says, the record being written. */
static int make_all(struct nat *n, struct look *l, const struct plan *p, int inside, struct err *e)
{
	struct look in = { .r = { .fd = -1, .udp = -1, .range = -1, .buffer = l->r.buffer } };
	char net[ULA_ROOM + 8];

	net4_text(p, net, sizeof(net));
	if (add_rules("iptables", p, net, e) < 0)
		return e->error;
	snprintf(net, sizeof(net), "%s/126", p->ula);
	if (p->ula[0] && add_rules("ip6tables", p, net, e) < 0)
		return e->error;
	if (make_veth(l, p, inside, e) == 0 && set_up_host_side(l, p, e) == 0 && open_inside(&in.r, inside, e) == 0 &&
	    set_up_inside(&in, p, e) == 0)
		open_uplinks(n, p, e);
	rtnl_close(&in.r);
	return e->error;
}

/* ---- undoing -------------------------------------------------------------------------------- */

/* Gone with its namespace, unless somebody holds that. */
static void remove_link(struct look *l, const struct plan *p)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(p->link) };
	struct rtnl_request q;

	if (i.ifi_index == 0)
		return;
	rtnl_request_init(&q, RTM_DELLINK, NLM_F_ACK, &i, sizeof(i));
	(void)rtnl_call(&l->r, &q, NULL);
}

static void close_uplink(const char *name)
{
	struct rule closed = closed_rule(name);

	/* Whoever turned on ip_forward meanwhile wants it everywhere. */
	if (!forwards("ipv4"))
		(void)sysctl_set("ipv4", name, "forwarding", '0');
	remove_rule("iptables", &closed);
}

/*
 * As the last one.  Not only those of the own record: the default route may have moved since others of us began, who
 * left theirs to us.  The rules say which those are: there is one wherever forwarding was turned on.
 */
static void close_uplinks(struct look *l, const struct plan *p)
{
	static const char *const list[] = { "iptables", "-w", "5", "-S", "FORWARD", NULL };
	char name[IFNAMSIZ], *text, *rest, *line;

	if (count_others(l) > 0)
		return;
	for (unsigned int i = 0; i < p->uplink_count; i++)
		close_uplink(p->uplinks[i]);
	text = mem_alloc(RULES_ROOM);
	if (text == NULL)
		return;
	if (run_tool(list, text, RULES_ROOM) == 0)
		for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
			if (sscanf(line, "-A FORWARD -i %15s ! -o", name) == 1 && is_link_name(name) &&
			    strstr(line, " ! -o " LINK_PREFIX "+ ") != NULL && strstr(line, "\"" COMMENT "\"") != NULL)
				close_uplink(name);
	mem_free(text);
}

static int lock(struct err *e)
{
	int fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(e, errno, "--net=nat: %s", LOCK_FILE);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR) {
			err_errno(e, errno, "--net=nat: %s", LOCK_FILE);
			close(fd);
			return e->error;
		}
	return fd;
}

static int look_init(struct look *l, struct err *e)
{
	*l = (struct look){ .r = { .fd = -1, .udp = -1, .range = -1, .buffer = mem_alloc(RTNL_BUFFER) } };
	if (l->r.buffer == NULL)
		return err_set(e, ENOMEM, "out of memory");
	return rtnl_open(&l->r, e);
}

static void look_fini(struct look *l)
{
	rtnl_close(&l->r);
	mem_free(l->r.buffer);
}

void nat_release(const struct state *s)
{
	struct err e = ERR_INIT;
	char net[ULA_ROOM + 8];
	struct plan p;
	struct look l;
	int fd;

	if (!plan_from_json(s->nat, &p) || p.netns != own_netns())
		return;
	fd = lock(&e);
	if (fd >= 0 && look_init(&l, &e) == 0) {
		remove_link(&l, &p);
		net4_text(&p, net, sizeof(net));
		remove_rules("iptables", &p, net);
		snprintf(net, sizeof(net), "%s/126", p.ula);
		if (p.ula[0])
			remove_rules("ip6tables", &p, net);
		close_uplinks(&l, &p);
	}
	if (fd >= 0)
		look_fini(&l);
	host_close_fd(&fd);
	if (err_is(&e))
		log_warn("%s", e.text);
}

/* ---- the guard ------------------------------------------------------------------------------ */

/* Wait for our creator's end, and remove what it left. */
static void guard_main(int creator, const char *root)
{
	struct pollfd p = { .fd = 3, .events = POLLIN };
	int null;

	/* Nothing of our creator's may be held open, its lock and its connection to the monitor least of all. */
	if (dup2(creator, 3) < 0 || host_close_range(4, UINT_MAX, 0) < 0)
		_exit(1);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	/* The log's descriptor is closed too: its number will be another file's. */
	log_open(null, "nat-guard", LOG_ERROR, LOG_TEXT);
	setsid();
	if (chdir("/") < 0)
		_exit(1);
	prctl(PR_SET_NAME, "runsc-nat-guard");
	while (host_ppoll(&p, 1, NULL) == -EINTR)
		;
	launch_collect(root);
	_exit(0);
}

static int start_guard(struct nat *n, const char *root, struct err *e)
{
	int self = host_pidfd_open(getpid(), 0);

	if (self < 0)
		return err_errno(e, self, "--net=nat: pidfd_open");
	n->guard = fork();
	if (n->guard == 0)
		guard_main(self, root);
	if (n->guard < 0)
		err_errno(e, errno, "--net=nat: fork");
	close(self);
	return e->error;
}

void nat_stop(struct nat *n)
{
	if (n->guard <= 0)
		return;
	kill(n->guard, SIGKILL);
	while (waitpid(n->guard, NULL, 0) < 0 && errno == EINTR)
		;
	n->guard = 0;
}

/* ---- all of it ------------------------------------------------------------------------------ */

int nat_start(struct nat *n, const char *root, struct state *s, struct err *e)
{
	struct plan p = { .netns = own_netns() };
	struct look l = { .r = { .fd = -1 } };
	char path[64];
	int inside, fd;

	n->guard = 0;
	n->said[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/ns/net", s->monitor.pid);
	inside = open(path, O_RDONLY | O_CLOEXEC);
	if (inside < 0)
		return err_errno(e, errno, "--net=nat: the container's network namespace");
	if (start_guard(n, root, e) < 0) {
		close(inside);
		return e->error;
	}
	fd = lock(e);
	if (fd >= 0 && look_init(&l, e) == 0 && choose_subnet(&p, &l, e) == 0 && choose_ula(&p, &l, e) == 0) {
		choose_uplinks(n, &p, &l);
		json_decref(s->nat);
		s->nat = plan_to_json(&p);
		if (state_save(s, e) == 0)
			make_all(n, &l, &p, inside, e);
	}
	if (fd >= 0)
		look_fini(&l);
	host_close_fd(&fd);
	close(inside);
	return e->error;
}
