/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.c: the event worker: a host thread that sleeps until the nearest deadline or until a
 * watched descriptor is ready.  It sleeps in ppoll(2) on an epoll instance, because that takes
 * nanoseconds on every kernel (epoll_pwait2(2) is one more host call to allow, and from 5.11 only).
 *
 * Others change the timers and descriptors under events.latch.  Its sleep must be cut short only
 * when a deadline comes nearer than the one that it sleeps for (wake_at); a cancelled timer just
 * makes it look once for nothing.  wake_at is INT64_MIN while it is awake: it looks again before
 * it sleeps, so nobody needs to wake it then.
 *
 * Callbacks run without the latch, one at a time; events.running says whose, so that the _sync and
 * _fini functions can wait for it.  After a callback its object may be gone: only the address is
 * compared from then on.
 *
 * Descriptors are registered under a number that is never used again, and looked up by it: events
 * that were fetched before hostfd_fini() find nothing.  They are one-shot, level-triggered (or edges, when
 * EPOLLET was asked for: of these every one comes until hostfd_watch() asks for something else), so the
 * kernel itself disarms them; EPOLLHUP and EPOLLERR, which can't be masked, come once at most to a
 * descriptor that nobody watches.
 *
 * Lock order: events.latch is a leaf.  It is held over epoll_ctl(2), which doesn't block.
 */
#include "lib/timer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/host_impl.h"
#include "lib/latch.h"
#include "lib/sanitizer_impl.h"

enum { EVENTS_BATCH = 32, EVENTS_STACK = 128 * 1024 };

static int timer_cmp(const struct tree_node *a, const struct tree_node *b);
static int hostfd_cmp(const struct tree_node *a, const struct tree_node *b);

static struct {
	struct latch latch;
	struct tree timers;   /* (latch) struct timer by deadline */
	struct tree hostfds;  /* (latch) struct hostfd by id */
	uint64_t last_id;     /* (latch) */
	const void *running;  /* (latch) timer or hostfd whose callback runs */
	unsigned int waiting; /* (latch) threads that wait for a callback to return */
	atomic_uint done;     /* futex: callbacks that have returned */
	int64_t wake_at;      /* (latch) */
	bool stopping;        /* (latch) */
	bool started;         /* (latch) */
	int epfd;             /* (c) while started */
	int wakefd;           /* (c) likewise */
	pthread_t thread;
} events = {
	.timers = TREE_INIT(timer_cmp),
	.hostfds = TREE_INIT(hostfd_cmp),
	.wake_at = INT64_MIN,
	.epfd = -1,
	.wakefd = -1,
};

static int timer_cmp(const struct tree_node *a, const struct tree_node *b)
{
	int64_t x = container_of(a, struct timer, node)->deadline_ns;
	int64_t y = container_of(b, struct timer, node)->deadline_ns;

	return x < y ? -1 : x > y;
}

static int hostfd_cmp(const struct tree_node *a, const struct tree_node *b)
{
	uint64_t x = container_of(a, struct hostfd, node)->id;
	uint64_t y = container_of(b, struct hostfd, node)->id;

	return x < y ? -1 : x > y;
}

static int hostfd_key(const void *key, const struct tree_node *n)
{
	uint64_t x = *(const uint64_t *)key;
	uint64_t y = container_of(n, struct hostfd, node)->id;

	return x < y ? -1 : x > y;
}

static void events_wake(void)
{
	uint64_t one = 1;

	lib_write_all(events.wakefd, &one, sizeof(one));
}

static bool events_is_self(void)
{
	return events.started && pthread_equal(pthread_self(), events.thread);
}

/* Wait until the callback of p, if it runs, has returned.  May drop and retake the latch. */
static void events_sync_locked(const void *p) REQUIRES(events.latch)
{
	while (events.running == p) {
		unsigned int seen = atomic_load_explicit(&events.done, memory_order_relaxed);

		events.waiting++;
		latch_unlock(&events.latch);
		(void)lib_futex_wait(&events.done, seen, INT64_MAX);
		latch_lock(&events.latch);
		events.waiting--;
	}
}

/* The callback of events.running is over. */
static void events_ran_locked(void) REQUIRES(events.latch)
{
	events.running = NULL;
	if (events.waiting == 0)
		return;
	atomic_fetch_add_explicit(&events.done, 1, memory_order_relaxed);
	lib_futex_wake(&events.done, INT32_MAX);
}

/* ---- timers ---- */

void timer_init(struct timer *t, timer_fn *fn)
{
	*t = (struct timer){ .fn = fn };
}

void timer_arm(struct timer *t, int64_t deadline_ns)
{
	bool wake;

	latch_lock(&events.latch);
	if (t->armed)
		tree_remove(&events.timers, &t->node);
	t->armed = true;
	t->deadline_ns = deadline_ns;
	tree_insert(&events.timers, &t->node);
	wake = deadline_ns < events.wake_at;
	if (wake)
		events.wake_at = INT64_MIN; /* one wake is enough */
	latch_unlock(&events.latch);
	if (wake)
		events_wake();
}

static bool timer_disarm_locked(struct timer *t) REQUIRES(events.latch)
{
	if (!t->armed)
		return false;
	tree_remove(&events.timers, &t->node);
	t->armed = false;
	return true;
}

bool timer_cancel(struct timer *t)
{
	bool was;

	latch_lock(&events.latch);
	was = timer_disarm_locked(t);
	latch_unlock(&events.latch);
	return was;
}

bool timer_cancel_sync(struct timer *t)
{
	bool was;

	latch_lock(&events.latch);
	was = timer_disarm_locked(t);
	if (events.running == t) {
		ASSERT(!events_is_self());
		events_sync_locked(t);
		was |= timer_disarm_locked(t); /* fn may have armed it again */
	}
	latch_unlock(&events.latch);
	return was;
}

/* Run what is due; returns the next deadline. */
static int64_t timers_run_locked(void) REQUIRES(events.latch)
{
	struct tree_node *first;
	int64_t now = clock_mono_ns();

	while ((first = tree_first(&events.timers)) && !events.stopping) {
		struct timer *t = container_of(first, struct timer, node);

		if (t->deadline_ns > now)
			return t->deadline_ns;
		timer_disarm_locked(t);
		events.running = t;
		latch_unlock(&events.latch);
		t->fn(t);
		latch_lock(&events.latch);
		events_ran_locked();
	}
	return INT64_MAX;
}

/* ---- descriptors ---- */

static int hostfd_ctl(const struct hostfd *h, int op, uint32_t mask)
{
	uint32_t once = mask & EPOLLET ? 0 : (uint32_t)EPOLLONESHOT;
	struct epoll_event ev = { .events = mask | once, .data.u64 = h->id };

	return epoll_ctl(events.epfd, op, h->fd, &ev) < 0 ? -errno : 0;
}

int hostfd_init(struct hostfd *h, int fd, hostfd_fn *fn)
{
	int err;

	*h = (struct hostfd){ .fd = fd, .fn = fn };
	latch_lock(&events.latch);
	h->id = ++events.last_id;
	err = hostfd_ctl(h, EPOLL_CTL_ADD, 0);
	if (err == 0)
		tree_insert(&events.hostfds, &h->node);
	latch_unlock(&events.latch);
	return err;
}

void hostfd_watch(struct hostfd *h, uint32_t mask)
{
	int err = 0;

	latch_lock(&events.latch);
	if (h->id != 0) { /* a callback may ask again while hostfd_fini() waits for it */
		h->events = mask;
		err = hostfd_ctl(h, EPOLL_CTL_MOD, mask);
	}
	latch_unlock(&events.latch);
	ASSERT(err == 0); /* it is registered, and nothing is allocated */
}

void hostfd_fini(struct hostfd *h)
{
	latch_lock(&events.latch);
	tree_remove(&events.hostfds, &h->node);
	h->id = 0;
	h->events = 0;
	(void)hostfd_ctl(h, EPOLL_CTL_DEL, 0);
	if (!events_is_self())
		events_sync_locked(h);
	latch_unlock(&events.latch);
}

static void hostfd_run_locked(uint64_t id, uint32_t got) REQUIRES(events.latch)
{
	struct tree_node *n = tree_find(&events.hostfds, &id, hostfd_key);
	struct hostfd *h;

	if (!n)
		return;
	h = container_of(n, struct hostfd, node);
	got &= h->events | EPOLLERR | EPOLLHUP;
	if (!h->events || !got)
		return;
	if (!(h->events & EPOLLET))
		h->events = 0;
	events.running = h;
	latch_unlock(&events.latch);
	h->fn(h, got);
	latch_lock(&events.latch);
	events_ran_locked();
}

/* ---- the event worker ---- */

static void events_drain_wakefd(void)
{
	uint64_t count;

	if (read(events.wakefd, &count, sizeof(count)) < 0)
		ASSERT(errno == EAGAIN || errno == EINTR);
}

/* Sleep; returns how many events of descriptors there are. */
static int events_wait(struct epoll_event *ev, int64_t deadline_ns)
{
	struct pollfd fds[] = {
		{ .fd = events.epfd, .events = POLLIN },
		{ .fd = events.wakefd, .events = POLLIN },
	};
	struct timespec ts;
	int n;

	if (deadline_ns != INT64_MAX) {
		int64_t now = clock_mono_ns();
		int64_t timeout_ns = deadline_ns > now ? deadline_ns - now : 0;

		ts.tv_sec = timeout_ns / NSEC_PER_SEC;
		ts.tv_nsec = timeout_ns % NSEC_PER_SEC;
	}
	if (ppoll(fds, ARRAY_SIZE(fds), deadline_ns == INT64_MAX ? NULL : &ts, NULL) <= 0)
		return 0;
	if (fds[1].revents)
		events_drain_wakefd();
	if (!fds[0].revents)
		return 0;
	n = epoll_pwait(events.epfd, ev, EVENTS_BATCH, 0, NULL);
	return n > 0 ? n : 0;
}

static void *events_main(void *arg)
{
	struct epoll_event ev[EVENTS_BATCH];

	(void)arg;
	latch_lock(&events.latch);
	for (;;) {
		int64_t next = timers_run_locked();
		int n;

		if (events.stopping)
			break;
		events.wake_at = next;
		latch_unlock(&events.latch);
		n = events_wait(ev, next);
		latch_lock(&events.latch);
		events.wake_at = INT64_MIN;
		for (int i = 0; i < n && !events.stopping; i++)
			hostfd_run_locked(ev[i].data.u64, ev[i].events);
	}
	latch_unlock(&events.latch);
	return NULL;
}

static void events_close(void)
{
	if (events.epfd >= 0)
		close(events.epfd);
	if (events.wakefd >= 0)
		close(events.wakefd);
	events.epfd = events.wakefd = -1;
}

/* The thread takes no signals: they are for those that know what to do with them. */
static int events_spawn(void)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int err;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGSYS);
	pthread_attr_init(&attr);
	if (!LIB_ASAN && !LIB_TSAN)
		pthread_attr_setstacksize(&attr, EVENTS_STACK);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	latch_lock(&events.latch); /* events.thread is set before the thread gets going */
	err = pthread_create(&events.thread, &attr, events_main, NULL);
	events.started = err == 0;
	latch_unlock(&events.latch);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int events_start(void)
{
	int err;

	ASSERT(!events.started);
	events.stopping = false;
	events.epfd = epoll_create1(EPOLL_CLOEXEC);
	events.wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (events.epfd < 0 || events.wakefd < 0) {
		err = -errno;
		events_close();
		return err;
	}
	err = events_spawn();
	if (err < 0)
		events_close();
	return err;
}

void events_stop(void)
{
	if (!events.started)
		return;
	latch_lock(&events.latch);
	events.stopping = true;
	latch_unlock(&events.latch);
	events_wake();
	pthread_join(events.thread, NULL);
	events.started = false;
	events_close();
}
