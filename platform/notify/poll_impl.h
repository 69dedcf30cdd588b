/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll_impl.h: what poll.c (looking at slots) and pollers.c (who polls, where, for whom) share.
 *
 * A poller is a worker on a CPU of its own and a list of threads that are its to look at.  Each has a place: an element of
 * pollers.at, which is free, wanted (a worker has been asked for), held (a worker's), or on.  A worker that has lost its
 * place (on is false) holds it until it has noticed, so what is the owner's is touched by one worker at a time.
 */
#pragma once

#include <sched.h>
#include <stdint.h>

#include "lib/latch.h"
#include "lib/util.h"
#include "lib/x86_64/cpu.h"
#include "platform/notify/notify_impl.h"

enum {
	POLLERS_MAX = 8,
	HOT_MAX = 64,           /* threads of one poller */
	SPIN_US = 40,           /* a stub spins: what a thread that sleeps on an idle CPU takes to wake */
	EARN_US = 12,           /* what a call earns: a doorbell's two switches, and what they do to caches */
	CREDIT_MAX_US = 800,
	CREDIT_START_US = 400,
	GAP_US = 60,
	TARRY_US = 80,          /* a stub spins while its call waits for the Gofer */
};

/* (c) constant, (l) pollers.latch, (o) the owner's, (a) atomic */
struct poller {
	/* Lines that the owner writes all the time; others look now and then. */
	uint64_t seen_at __attribute__((aligned(128))); /* (a) when the owner looked last */
	int64_t credit;         /* (o) cycles */
	uint64_t last, listened; /* (o) */
	uint64_t quiet_at;      /* (o) since then no request, nor anything for a source; 0: a request is served */
	uint64_t later_at;      /* (o) since then something is put off; 0: not known */
	bool woke;              /* (o) somebody outside, since it came to its CPU */
	uint32_t moves;         /* (o) to go before it is tried if they are needed */
	unsigned int turn;      /* (o) requests found since others were thought of */
	uint32_t found;         /* (o), (a) */
	uint64_t window_at, window_end, window_idle; /* (o) the current window, its cycles without a request */
	uint32_t window_found;  /* (o) */
	uint32_t windows;       /* (o) so far */
	uint32_t low;           /* (o) … in which one poller less would have done, in a row */
	uint32_t rate, busy;    /* (a) of the last window: calls a ms; in thousandths */

	/* Lines that everybody reads, and that change rarely. */
	bool on __attribute__((aligned(128))); /* (l), (a) */
	bool wanted;            /* (l) a worker is on its way */
	bool held;              /* (l) a worker's */
	bool extra;             /* (l) beside the receiver: does not listen at the doorbell */
	uint32_t owner;         /* (l), (a) host tid; 0: none */
	int cpu;                /* (l), (a) -1: none of its own */
	uint32_t node;          /* (l) of the host's memory */
	uint32_t source;        /* (l) wanted: the place whose threads it gets half of */
	uint32_t rate_before;   /* (l) of all, before there was this one */
	uint64_t began;         /* (l) */
	uint32_t version;       /* (l), (a) of the list; never the same twice, never 0 */
	uint32_t count;         /* (l), (a) */
	struct plat_thread *hot[HOT_MAX]; /* (l) references */
};

struct pollers {
	bool enabled;           /* (a) */
	bool always;            /* (c) also where it does not pay */
	bool pins;              /* (c) there are CPUs enough that each may have its own */
	unsigned int patience;  /* (c) 1; more for pollers that have no CPUs of their own */
	unsigned int max;       /* (c) so many are on or wanted at most */
	cpu_set_t all;          /* (c) */
	uint64_t tsc0;          /* (c) */
	int64_t ns0;            /* (c) */
	uint64_t us;            /* (a) cycles; 0: not known yet */
	uint32_t kept;          /* (a) changes with the set of CPUs that polled threads are kept off */
	unsigned int on;        /* (l), (a) how many are on */
	struct latch latch __attribute__((aligned(128)));
	uint32_t versions;      /* (l) */
	uint64_t away_until, away_us; /* (a) no first one before */
	uint64_t grow_after, grow_us; /* (l), (a) nor a further one */
	uint64_t rings_at;      /* (a) since then, without a long silence, */
	uint32_t rings;         /* (a) so many doorbells; */
	uint32_t unseen;        /* (a) worker_sources_unseen() then: packets */
	uint32_t rate_before;   /* (a) of these a ms, before there was the first poller */
	struct poller at[POLLERS_MAX];
};
extern struct pollers pollers;

/* Why, and so for how long there is none. */
enum left {
	LEFT_IDLE,   /* few calls: not at all, if there had been many; else longer each time */
	LEFT_PUSHED, /* others ran on its CPU: a while */
	LEFT_HELD,   /* for long, by a quota or many others; or there is no CPU: longer each time */
	LEFT_NO_GAIN, /* one more has not been worth it: longer each time */
	LEFT_FEW,    /* one less can do it */
};

static inline uint64_t poll_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

static inline uint64_t poll_cycles_a_us(void)
{
	return __atomic_load_n(&pollers.us, __ATOMIC_RELAXED);
}

static inline bool poller_is_on(const struct poller *p)
{
	return __atomic_load_n(&p->on, __ATOMIC_ACQUIRE); /* pairs with poller_start() */
}

/* Still self's, and on. */
static inline bool poller_is_owner(const struct poller *p, pid_t self)
{
	return poller_is_on(p) && __atomic_load_n(&p->owner, __ATOMIC_RELAXED) == (uint32_t)self;
}

/* The place whose owner looks at pt; NULL: none does. */
static inline struct poller *poller_of(const struct plat_thread *pt)
{
	unsigned int n = __atomic_load_n(&pt->poller, __ATOMIC_RELAXED);

	return n ? &pollers.at[n - 1] : NULL;
}

/* By the receiver: pt has rung with a new request.  True: it is time for a first poller. */
bool poller_rang(struct plat_thread *pt);
/* By the receiver: what this worker has found at the doorbell, or why it is called away, is there still: it need not wait. */
bool notify_poll_heard(void);
/* By the receiver: it has waited for so many cycles. */
void poller_waited(uint64_t cycles);
/* The receiver, self, is to be a poller too.  Its place, which it holds; NULL: not now. */
struct poller *poller_enter(pid_t self);
/* The same for a worker that was sent to hooks->poll(). */
struct poller *poller_enter_extra(pid_t self);
/* From any worker: p polls no more; its threads ring. */
void poller_leave(struct poller *p, enum left why);
/* Its worker has noticed. */
void poller_let_go(struct poller *p);
/* By the owner: p goes to another CPU, if there is one: else it has left. */
void poller_move(struct poller *p, pid_t self);
/* By the owner, when p->window_end has come.  False: p has left. */
bool poller_window(struct poller *p, uint64_t now);
/* pt is some poller's from now on, if one has room. */
void poller_assign(struct plat_thread *pt);
/* By who runs pt's fiber (so not while it clones): put pt where polled threads are to be now. */
void poller_place_thread(struct plat_thread *pt);

/* By who runs pt's fiber, before pt's next reply: put it where polled threads are to be now.  An order may be to clone. */
static inline void poll_place(struct plat_thread *pt)
{
	if (unlikely(__atomic_load_n(&pt->kept, __ATOMIC_RELAXED) !=
		     __atomic_load_n(&pollers.kept, __ATOMIC_RELAXED)) &&
	    poller_of(pt) && !pt->ordering)
		poller_place_thread(pt);
}
