/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostcall.c: host calls that the stub makes for the Sentry (mmap, munmap, madvise …), in batches that an
 * order carries; descriptors for them are put into the stub while it waits in the doorbell, and closed after.
 *
 * The slot is hostile memory: what a call is to be stands in the Sentry's copy, and results are read once.
 */
#include "platform/notify/notify_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/mutex.h"
#include "platform/host.h"

static bool has_file(const struct plat_hostcall *c)
{
	return c->nr == SYS_mmap && c->host_fd >= 0;
}

/* Whether calls[at] has the descriptor of an earlier call: a program's segments are one file's. */
static bool is_same_file(const struct plat_hostcall *calls, size_t at, size_t *earlier)
{
	for (size_t i = 0; i < at; i++) {
		if (has_file(&calls[i]) && calls[i].host_fd == calls[at].host_fd) {
			*earlier = i;
			return true;
		}
	}
	return false;
}

/*
 * Put calls' descriptors into the stub, as numbers 0, 1, …  Needs a doorbell that it waits in;
 * -ENOENT when there is none (parked, or interrupted meanwhile).
 */
static int hand_over(struct plat_thread *pt, struct plat_hostcall *calls, size_t count, uint32_t *mask)
{
	struct seccomp_notif_addfd add = { .flags = SECCOMP_ADDFD_FLAG_SETFD };
	uint32_t numbers[STUB_CALLS_MAX];
	size_t earlier;
	long r;

	latch_lock(&pt->latch);
	add.id = pt->notif_id;
	latch_unlock(&pt->latch);
	*mask = 0;
	for (size_t i = 0; i < count; i++) {
		if (!has_file(&calls[i]))
			continue;
		if (add.id == 0)
			return -ENOENT;
		if (is_same_file(calls, i, &earlier)) {
			numbers[i] = numbers[earlier];
			pt->slot->calls[i].args[4] = numbers[i];
			continue;
		}
		add.srcfd = (uint32_t)calls[i].host_fd;
		add.newfd_flags = O_CLOEXEC;
		r = host_ioctl(notify.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		if (r < 0)
			return (int)r;
		numbers[i] = (uint32_t)r;
		pt->slot->calls[i].args[4] = (uint64_t)r;
		*mask |= 1u << r;
		add.newfd++;
	}
	return 0;
}

/*
 * The fiber may run on another worker than the receiver, which then would park the stub as soon as it
 * has rung: it must not while hold is set.
 */
static void hold_doorbell(struct plat_thread *pt, bool hold)
{
	latch_lock(&pt->latch);
	pt->hold_doorbell = hold;
	latch_unlock(&pt->latch);
}

static int hostcalls_batch_locked(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	struct stub_slot *s = pt->slot;
	int64_t done;
	uint32_t mask;
	int err;

	for (int tries = 0;; tries++) {
		for (size_t i = 0; i < count; i++) {
			s->calls[i].nr = (uint64_t)calls[i].nr;
			memcpy(s->calls[i].args, calls[i].args, sizeof(s->calls[i].args));
			if (calls[i].nr == SYS_mmap)
				s->calls[i].args[4] = (uint64_t)-1;
		}
		err = hand_over(pt, calls, count, &mask);
		if (err == 0)
			break;
		if (err != -ENOENT || tries == 16) {
			hold_doorbell(pt, false);
			return err == -ENOENT ? -ESRCH : err;
		}
		/* Nothing to do, but come back and ring: an empty batch. */
		s->count = 0;
		s->fd_mask = mask;
		hold_doorbell(pt, true);
		err = notify_order(pt, STUB_CALLS);
		if (err < 0) {
			hold_doorbell(pt, false);
			return err;
		}
	}
	hold_doorbell(pt, false);
	s->count = (uint32_t)count;
	s->fd_mask = mask;
	err = notify_order(pt, STUB_CALLS);
	if (err < 0)
		return err;
	done = pt->request.done;
	if (done < 0 || done > (int64_t)count)
		done = 0;
	for (size_t i = 0; i < count; i++) {
		if ((int64_t)i <= done)
			calls[i].result = *(volatile int64_t *)&s->calls[i].result;
	}
	return (int)done;
}

/*
 * At most STUB_CALLS_MAX calls, STUB_FDS_MAX of them with a descriptor.  Threads of a process have one
 * table of descriptors, and the numbers are the same for all: from handing over to closing they are
 * one thread's.
 */
static int hostcalls_batch(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	bool files = false;
	int r;

	for (size_t i = 0; i < count; i++)
		files |= has_file(&calls[i]);
	if (!files)
		return hostcalls_batch_locked(pt, calls, count);
	mutex_lock(&pt->mm->fds_mutex);
	r = hostcalls_batch_locked(pt, calls, count);
	mutex_unlock(&pt->mm->fds_mutex);
	return r;
}

int notify_hostcalls_raw(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	return notify_is_dead(pt) ? -ESRCH : hostcalls_batch(pt, calls, count);
}

int notify_hostcalls(struct plat_thread *pt, struct plat_hostcall *calls, size_t count)
{
	size_t total = 0, n, fds;
	int done;

	for (size_t i = 0; i < count; i++)
		calls[i].result = -ECANCELED;
	while (total < count) {
		for (n = 0, fds = 0; total + n < count && n < STUB_CALLS_MAX; n++) {
			struct plat_hostcall *c = &calls[total + n];

			if (!plat_hostcall_is_allowed(c))
				break;
			if (has_file(c) && ++fds > STUB_FDS_MAX)
				break;
		}
		if (n == 0) {
			calls[total].result = calls[total].nr == SYS_mmap ? -ENOMEM : -EINVAL;
			break;
		}
		notify_patch_before(pt, calls + total, n);
		if (notify_is_dead(pt))
			return -ESRCH;
		done = hostcalls_batch(pt, calls + total, n);
		if (done < 0)
			return done;
		total += (size_t)done;
		if ((size_t)done < n)
			break;
	}
	return (int)total;
}
