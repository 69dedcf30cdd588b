/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c: the host calls that lib/ makes itself; lib/README.md lists them for the seccomp tables.
 */
#include "lib/host_impl.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"

int lib_futex_wait(atomic_uint *word, unsigned int expected, int64_t deadline_ns)
{
	struct timespec ts;
	struct timespec *timeout = NULL;
	long r;

	if (deadline_ns != INT64_MAX) {
		if (deadline_ns < 0)
			deadline_ns = 0;
		ts.tv_sec = deadline_ns / NSEC_PER_SEC;
		ts.tv_nsec = deadline_ns % NSEC_PER_SEC;
		timeout = &ts;
	}
	/* BITSET takes an absolute CLOCK_MONOTONIC time where plain WAIT takes a relative one. */
	r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, timeout, NULL,
		    FUTEX_BITSET_MATCH_ANY);
	return r < 0 ? -errno : 0;
}

void lib_futex_wake(atomic_uint *word, int count)
{
	/* EFAULT is possible, and harmless, when the word's owner has gone meanwhile. */
	(void)syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
}

void lib_write_all(int fd, const void *p, size_t size)
{
	const char *at = p;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		at += n;
		size -= (size_t)n;
	}
}
