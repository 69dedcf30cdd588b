/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_impl.h: the host calls that lib/ makes itself, with negative errno.  Out of line on
 * purpose: errno is thread-local, and a fiber may change threads, so its address must not be
 * computed in a function that can switch.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Sleep while *word == expected, until a wake, a signal or deadline_ns (CLOCK_MONOTONIC; INT64_MAX:
 * none).  0, -EAGAIN (other value), -EINTR, -ETIMEDOUT.
 */
int lib_futex_wait(atomic_uint *word, unsigned int expected, int64_t deadline_ns);
void lib_futex_wake(atomic_uint *word, int count);

/* write(2) until everything is out or an error that is not EINTR; errors are dropped. */
void lib_write_all(int fd, const void *p, size_t size);
