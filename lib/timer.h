/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.h: one-shot timers on CLOCK_MONOTONIC, and readiness of host descriptors.  Both are served
 * by one host thread, the "event worker", which sleeps in the host until the nearest deadline; an
 * idle sandbox makes no host call at all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/tree.h"
#include "lib/util.h"

struct timer;
/* Runs on the event worker, not on a fiber: it may take latches, wake waiters, queue work. */
typedef void timer_fn(struct timer *t);

struct timer {
	struct tree_node node;
	int64_t deadline_ns;
	timer_fn *fn;
	bool armed; /* (the timer module's latch) */
};

void timer_init(struct timer *t, timer_fn *fn);
/* (Re)arm for an absolute time; one in the past fires soon. */
void timer_arm(struct timer *t, int64_t deadline_ns);
/* Disarm.  True when it was armed and will not fire; false when it fired, is just firing or never was. */
bool timer_cancel(struct timer *t);
/* As timer_cancel, and waits (host) until a running fn has returned.  Not from fn. */
bool timer_cancel_sync(struct timer *t);

struct hostfd;
/* Level-triggered EPOLL* events seen by the event worker; same rules as timer_fn. */
typedef void hostfd_fn(struct hostfd *h, uint32_t events);

struct hostfd {
	struct tree_node node; /* (the module's latch) */
	uint64_t id;           /* (the module's latch) 0 from hostfd_fini() on */
	int fd;                /* (c) */
	uint32_t events;       /* (the module's latch) currently asked for; 0 means not watched */
	hostfd_fn *fn;         /* (c) */
};

/*
 * Borrow fd (the caller closes it after hostfd_fini).  -errno when epoll can't watch it (EPERM:
 * files; EEXIST: there is a hostfd for it already; EBADF also before events_start()).
 */
int hostfd_init(struct hostfd *h, int fd, hostfd_fn *fn) must_check;
/*
 * Ask for events once, instead of what was asked for before: after fn was called with some of them
 * all must be asked for again.  With EPOLLET they are asked for until further notice, and come at each
 * change (at once, if true already).  EPOLLERR and EPOLLHUP are always included; 0 asks for nothing.
 * From any thread, from fn and under latches too.
 */
void hostfd_watch(struct hostfd *h, uint32_t events);
/* Afterwards fn is not running (unless this is fn) and will not be called; may wait for it (host). */
void hostfd_fini(struct hostfd *h);

/* Start the event worker (a thread of its own), before the jail closes.  0 or -errno. */
int events_start(void) must_check;
void events_stop(void);
