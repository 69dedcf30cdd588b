/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll.c: poll(2), ppoll(2), select(2), pselect6(2).
 *
 * All four become one array of slots (vfs/poll.h).  Files are referenced for the whole call, so a
 * close(2) by another thread does not end the wait, as on Linux.
 *
 * Results go out also when the wait was interrupted: poll then writes zeros, and ppoll, select and
 * pselect6 write what is left of the timeout.  Interrupted calls restart only when no handler runs
 * (ERESTARTNOHAND); poll goes on with its original deadline by restart_syscall(2).
 */
#include <errno.h>
#include <string.h>
#include <sys/personality.h>

#include "lib/mem.h"
#include "sentry/task/task.h"
#include "sentry/time/timespec.h"
#include "sys_calls.h"
#include "vfs/poll.h"

_Static_assert(sizeof(struct pollfd) == 8, "x86-64 ABI");

#define FAST_SLOTS 32

static void slots_put(struct poll_slot *slots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		file_put(slots[i].file);
}

/* ---- poll -------------------------------------------------------------------------------------- */

/* Room for a poll: on the stack of the call while it is small. */
struct poll_work {
	struct pollfd *fds;
	struct poll_slot *slots;
	struct pollfd fast_fds[FAST_SLOTS];
	struct poll_slot fast_slots[FAST_SLOTS];
};

static int poll_work_init(struct poll_work *w, size_t count)
{
	w->fds = w->fast_fds;
	w->slots = w->fast_slots;
	if (count <= FAST_SLOTS)
		return 0;
	w->fds = mem_calloc(count, sizeof(*w->fds));
	w->slots = mem_calloc(count, sizeof(*w->slots));
	if (w->fds && w->slots)
		return 0;
	mem_free(w->fds);
	mem_free(w->slots);
	return -ENOMEM;
}

static void poll_work_fini(struct poll_work *w)
{
	if (w->fds == w->fast_fds)
		return;
	mem_free(w->fds);
	mem_free(w->slots);
}

static void poll_fill_slots(struct task *t, struct poll_work *w, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct poll_slot *s = &w->slots[i];

		s->events = (uint16_t)w->fds[i].events | POLL_ALWAYS;
		s->revents = 0;
		s->file = w->fds[i].fd < 0 ? NULL : fdt_file_nopath(t->fdt, w->fds[i].fd);
		if (w->fds[i].fd >= 0 && !s->file)
			s->revents = POLLNVAL;
	}
}

static long poll_common(struct task *t, uaddr_t fds, unsigned int nfds, int64_t deadline_ns)
{
	size_t size = (size_t)nfds * sizeof(struct pollfd);
	struct poll_work w;
	long ret;
	int err;

	if (nfds > task_rlimit(t, RLIMIT_NOFILE))
		return -EINVAL;
	ret = poll_work_init(&w, nfds);
	if (ret < 0)
		return ret;
	ret = nfds ? uaccess_get(t, w.fds, fds, size) : 0;
	if (ret < 0)
		goto free_work;
	poll_fill_slots(t, &w, nfds);
	ret = poll_wait(task_vfs(t), w.slots, nfds, deadline_ns);
	slots_put(w.slots, nfds);
	for (size_t i = 0; i < nfds; i++)
		w.fds[i].revents = (short)w.slots[i].revents;
	err = nfds ? uaccess_put(t, fds, w.fds, size) : 0;
	if (err < 0)
		ret = err;
free_work:
	poll_work_fini(&w);
	return ret;
}

static long poll_restart(struct task *t)
{
	long ret = poll_common(t, uaddr(t->restart.args[0]), (unsigned int)t->restart.args[1],
			       (int64_t)t->restart.args[2]);

	if (ret != -ERESTARTNOHAND)
		return ret;
	t->restart.fn = poll_restart;
	return -ERESTART_RESTARTBLOCK;
}

long sys_poll(struct task *t, uaddr_t fds, unsigned int nfds, int timeout_ms)
{
	int64_t deadline_ns = timeout_ms < 0 ? INT64_MAX : deadline_after(timeout_ms * NSEC_PER_MSEC);
	long ret = poll_common(t, fds, nfds, deadline_ns);

	if (ret != -ERESTARTNOHAND)
		return ret;
	t->restart.fn = poll_restart;
	t->restart.args[0] = fds.addr;
	t->restart.args[1] = nfds;
	t->restart.args[2] = (uint64_t)deadline_ns;
	return -ERESTART_RESTARTBLOCK;
}

/*
 * The end of ppoll, select and pselect6: the mask comes back unless a signal is about to use it,
 * and the remaining time is written.  When that fails an interrupted call must not restart, as it
 * would wait for the full time again.
 */
static long finish_timed(struct task *t, bool masked, uaddr_t timeout, bool timeval, int64_t deadline_ns,
			 long ret)
{
	int err;

	if (masked && ret != -ERESTARTNOHAND)
		sig_mask_restore(t);
	if (!timeout.addr || deadline_ns == 0 || (t->personality & STICKY_TIMEOUTS))
		return ret; /* (poll_select_finish() turns the latter's restart into EINTR) */
	if (timeval) {
		struct timeval left = timeval_from_ns(deadline_left(deadline_ns));

		err = uaccess_put(t, timeout, &left, sizeof(left));
	} else {
		err = timespec_put_user(t, timeout, deadline_left(deadline_ns));
	}
	return err < 0 && ret == -ERESTARTNOHAND ? -EINTR : ret;
}

long sys_ppoll(struct task *t, uaddr_t fds, unsigned int nfds, uaddr_t timeout, uaddr_t set,
	       size_t sigsetsize)
{
	int64_t deadline_ns = INT64_MAX, timeout_ns;
	long ret;

	if (timeout.addr) {
		ret = timespec_get_user(t, timeout, &timeout_ns);
		if (ret < 0)
			return ret;
		deadline_ns = deadline_after(timeout_ns);
	}
	ret = sig_mask_from_user(t, set, sigsetsize);
	if (ret < 0)
		return ret;
	ret = poll_common(t, fds, nfds, deadline_ns);
	return finish_timed(t, set.addr, timeout, false, deadline_ns, ret);
}

/* ---- select ------------------------------------------------------------------------------------ */

enum { SEL_IN, SEL_OUT, SEL_EX, SEL_SETS };

/* fs/select.c: POLLIN_SET, POLLOUT_SET, POLLEX_SET. */
static const uint32_t select_events[SEL_SETS] = {
	[SEL_IN] = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR,
	[SEL_OUT] = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR,
	[SEL_EX] = POLLPRI,
};

#define WORD_BITS  64
#define FAST_WORDS 4 /* 256 descriptors without the heap */

struct select_work {
	unsigned int nfds;  /* cut to the table's capacity */
	size_t words;       /* a set */
	uint64_t *set[SEL_SETS];
	uint64_t fast[SEL_SETS * FAST_WORDS];
	struct poll_slot *slots;
	size_t count;       /* slots in use: descriptors in at least one set */
	int *fds;           /* of each slot */
};

static bool set_has(const uint64_t *set, unsigned int fd)
{
	return set[fd / WORD_BITS] >> (fd % WORD_BITS) & 1;
}

/* Room for the sets, and their copies. */
static int select_get_sets(struct task *t, struct select_work *w, const uaddr_t sets[SEL_SETS])
{
	uint64_t *words = w->fast;

	w->words = (w->nfds + WORD_BITS - 1) / WORD_BITS;
	if (w->words > FAST_WORDS) {
		words = mem_calloc(SEL_SETS * w->words, sizeof(*words));
		if (!words)
			return -ENOMEM;
	} else {
		memset(w->fast, 0, sizeof(w->fast));
	}
	for (int s = 0; s < SEL_SETS; s++) {
		w->set[s] = words + (size_t)s * w->words;
		if (sets[s].addr && w->words) {
			int err = uaccess_get(t, w->set[s], sets[s], w->words * sizeof(*words));

			if (err < 0)
				return err;
		}
	}
	return 0;
}

/* A slot for each descriptor that is in a set.  -EBADF when one is not open. */
static int select_fill_slots(struct task *t, struct select_work *w)
{
	size_t wanted = 0;

	for (size_t i = 0; i < w->words; i++) {
		uint64_t any = w->set[SEL_IN][i] | w->set[SEL_OUT][i] | w->set[SEL_EX][i];

		wanted += (size_t)__builtin_popcountll(any);
	}
	if (wanted == 0)
		return 0;
	w->slots = mem_calloc(wanted, sizeof(*w->slots));
	w->fds = mem_calloc(wanted, sizeof(*w->fds));
	if (!w->slots || !w->fds)
		return -ENOMEM;
	for (unsigned int fd = 0; fd < w->nfds && w->count < wanted; fd++) {
		struct poll_slot *s = &w->slots[w->count];

		for (int k = 0; k < SEL_SETS; k++)
			if (set_has(w->set[k], fd))
				s->events |= select_events[k];
		if (!s->events)
			continue;
		s->file = fdt_file_nopath(t->fdt, (int)fd);
		if (!s->file)
			return -EBADF;
		w->fds[w->count++] = (int)fd;
	}
	return 0;
}

/* Turn slots into the three result sets; returns how many bits are set. */
static long select_results(struct select_work *w)
{
	long bits = 0;

	for (size_t i = 0; i < w->count; i++) {
		unsigned int fd = (unsigned int)w->fds[i];

		for (int k = 0; k < SEL_SETS; k++) {
			uint64_t bit = 1ULL << (fd % WORD_BITS);

			if (!(w->set[k][fd / WORD_BITS] & bit))
				continue;
			if (w->slots[i].revents & select_events[k])
				bits++;
			else
				w->set[k][fd / WORD_BITS] &= ~bit;
		}
	}
	return bits;
}

static int select_put_sets(struct task *t, const struct select_work *w, const uaddr_t sets[SEL_SETS])
{
	for (int s = 0; s < SEL_SETS; s++) {
		if (sets[s].addr && w->words) {
			int err = uaccess_put(t, sets[s], w->set[s], w->words * sizeof(uint64_t));

			if (err < 0)
				return err;
		}
	}
	return 0;
}

/* Bits from nfds on in the last word are not looked at and come back as zero. */
static void select_trim(struct select_work *w)
{
	unsigned int used = w->nfds % WORD_BITS;

	if (used == 0)
		return;
	for (int s = 0; s < SEL_SETS; s++)
		w->set[s][w->words - 1] &= (1ULL << used) - 1;
}

static long select_common(struct task *t, int nfds, const uaddr_t sets[SEL_SETS], int64_t deadline_ns)
{
	struct select_work w = { 0 };
	long ret;

	if (nfds < 0)
		return -EINVAL;
	w.nfds = MIN((unsigned int)nfds, fdt_capacity(t->fdt));
	ret = select_get_sets(t, &w, sets);
	if (ret < 0)
		goto free_work;
	select_trim(&w);
	ret = select_fill_slots(t, &w);
	if (ret == 0)
		ret = poll_wait(task_vfs(t), w.slots, w.count, deadline_ns);
	if (ret >= 0) {
		int err;

		ret = select_results(&w);
		err = select_put_sets(t, &w, sets);
		if (err < 0)
			ret = err;
	}
	slots_put(w.slots, w.count);
free_work:
	if (w.set[0] != w.fast)
		mem_free(w.set[0]);
	mem_free(w.slots);
	mem_free(w.fds);
	return ret;
}

long sys_select(struct task *t, int nfds, uaddr_t rfds, uaddr_t wfds, uaddr_t efds, uaddr_t timeout)
{
	const uaddr_t sets[SEL_SETS] = { rfds, wfds, efds };
	int64_t deadline_ns = INT64_MAX;
	long ret;

	if (timeout.addr) {
		struct timespec ts;
		struct timeval tv;

		ret = uaccess_get(t, &tv, timeout, sizeof(tv));
		if (ret < 0)
			return ret;
		/* More than a second of microseconds is taken over, as in kern_select(). */
		if (__builtin_add_overflow(tv.tv_sec, tv.tv_usec / 1000000, &ts.tv_sec))
			return -EINVAL;
		ts.tv_nsec = tv.tv_usec % 1000000 * NSEC_PER_USEC;
		if (!timespec_valid(&ts))
			return -EINVAL;
		deadline_ns = deadline_after(timespec_to_ns(&ts));
	}
	ret = select_common(t, nfds, sets, deadline_ns);
	return finish_timed(t, false, timeout, true, deadline_ns, ret);
}

long sys_pselect6(struct task *t, int nfds, uaddr_t rfds, uaddr_t wfds, uaddr_t efds, uaddr_t timeout,
		  uaddr_t sig)
{
	const uaddr_t sets[SEL_SETS] = { rfds, wfds, efds };
	struct { uint64_t set, size; } arg = { 0, 0 };
	int64_t deadline_ns = INT64_MAX, timeout_ns;
	long ret;

	if (sig.addr) {
		ret = uaccess_get(t, &arg, sig, sizeof(arg));
		if (ret < 0)
			return ret;
	}
	if (timeout.addr) {
		ret = timespec_get_user(t, timeout, &timeout_ns);
		if (ret < 0)
			return ret;
		deadline_ns = deadline_after(timeout_ns);
	}
	ret = sig_mask_from_user(t, uaddr(arg.set), arg.size);
	if (ret < 0)
		return ret;
	ret = select_common(t, nfds, sets, deadline_ns);
	return finish_timed(t, arg.set != 0, timeout, false, deadline_ns, ret);
}
