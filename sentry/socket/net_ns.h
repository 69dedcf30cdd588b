/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_ns.h: network namespaces (network_namespaces(7)): each has a stack of its own (netstack/).
 *
 * References: every ns_set, socket and nsfs file of a namespace holds one.  When the last is gone its
 * links are detached at once and the stack ends as soon as its last endpoint has (a TCP connection
 * that still says good-bye on loopback, at most a minute).
 *
 * The stack starts with the first use: it takes mutexes, which only fibers may, and a sandbox that
 * never touches the network does not pay for it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/fiber.h"
#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "lib/timer.h"
#include "netstack/drive.h"

struct cred;
struct doors;
struct network_config;
struct resolver;
struct stack;
struct user_ns;

/* (c) constant, (a) atomic, (l) lock */
struct net_ns {
	struct ref ref;
	uint64_t id;                 /* (c) inode number of /proc/PID/ns/net */
	struct user_ns *user_ns;     /* (c) counted: who owns it */
	bool loopback_up;            /* (c) lo comes up with its addresses, as a container's does */
	/*
	 * (c) --network=host: the Sentry's own network namespace on the host.  Sockets are the host's (host_socket.h);
	 * the stack shows interfaces, addresses, routes as they were when the container started, and carries nothing.
	 */
	bool host;
	struct mutex lock;           /* LOCK_SOCKET */
	struct stack *_Atomic stack; /* (a) set once, under lock */
	struct stack_drive drive;    /* (l) */
	struct list links;           /* (l) struct link of sentry/socket/link.h */
	struct list gone_links;      /* (l) were removed: somebody may still look at one */
	struct network_config *outside; /* what the CLI or the monitor told last; owned by whoever configures */
	atomic_bool shares_dns;      /* (a) host programs get answers of DNS servers on the links, too */
	struct list virtual_links;   /* virtual_link.c's */
	struct resolver *resolver;   /* (l) or NULL */
	struct doors *_Atomic doors; /* (a) set once, under lock; or NULL */
	int dialer_fd;               /* (l) owned: TCP to Docker's DNS server (resolver.h), net_ns_bind(); -1: none */
	bool dialer_given_up;        /* (l) net_ns_bind() has waited for one in vain */
	uint32_t bind_seq;           /* (l) of net_ns_bind()'s last request */
	int guard_fd;                /* (l) owned: see network_config; -1: none */
	struct latch netlink_latch;
	struct list netlinks;        /* (netlink_latch) AF_NETLINK sockets */
	struct {
		uint32_t ifindex;    /* 0: free */
		char name[IFNAMSIZ];
	} announced[64];             /* (netlink_latch) interfaces that uevents told of (uevent.c); those beyond go unsaid */
	struct work end;
	struct timer linger;
};

/* A namespace as unshare(2) makes it: lo alone, down.  NULL: no memory. */
struct net_ns *net_ns_new(struct user_ns *owner) must_check;
/* Accepts NULL, and returns it. */
struct net_ns *net_ns_get(struct net_ns *ns);
/* Accepts NULL.  From any thread, under latches too. */
void net_ns_put(struct net_ns *ns);

/*
 * The namespace's stack, started if need be: borrowed from ns.  On a fiber; may sleep.  NULL: no
 * memory, or ns is NULL.
 */
struct stack *net_ns_stack(struct net_ns *ns);
/* The same, NULL when it was not started: for those who only look. */
struct stack *net_ns_stack_peek(const struct net_ns *ns);

/*
 * What the CLI found in the container's network namespace becomes ns's: links over their packet
 * sockets, addresses, routes, neighbours.  What does not fit is logged and left out.  Consumes n, which may
 * be NULL.  On a fiber.
 */
void net_ns_configure(struct net_ns *ns, struct network_config *n);
/*
 * It has changed outside: what is different from what was told before is done in ns.  Consumes n, in
 * which new links have descriptors.  On a fiber; the caller sees to it that there is one at a time, after
 * net_ns_configure().
 */
void net_ns_update(struct net_ns *ns, struct network_config *n);

#define NET_NS_LINKS 32
/* The host's numbers of its links; a count.  On a fiber. */
size_t net_ns_links(struct net_ns *ns, uint32_t index[NET_NS_LINKS]);
/* On a fiber.  Accepts NULL. */
bool net_ns_has_resolver(struct net_ns *ns);

/*
 * Wait until what closed TCP connections still have to send has gone out over the links, and what waits for its next hop's
 * address or was put off, but not for long: on Linux the host's kernel would go on with it when the container has ended.
 * On a fiber.
 */
void net_ns_drain(struct net_ns *ns);

/* Takes both over (doors: -1 for none); a namespace has one of each, the first that comes. */
void net_ns_set_dialer(struct net_ns *ns, int fd, int doors);
/* Somebody listens at a TCP address, or does no more (doors.h). */
void net_ns_listening(struct net_ns *ns);

/*
 * bind(2) of a host socket to a port that takes CAP_NET_BIND_SERVICE, by the container's monitor; the caller has been
 * found to have it.  -EACCES: nobody does it for this container.  On a fiber; may sleep.
 */
int net_ns_bind(struct net_ns *ns, int fd, const void *addr, uint32_t size);
/* Changing what a namespace's stack shows: 0, or -EPERM, without CAP_NET_ADMIN and in a host's namespace. */
int net_ns_may_change(const struct net_ns *ns, const struct cred *cred);

/* Registers the kind with nsfs, after procfs_init(). */
void net_ns_init(void);
