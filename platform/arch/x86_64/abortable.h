/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abortable.h (x86-64): a blocking host call that another thread can end, without a race between the
 * look at a flag and the call: the signal's handler moves an instruction pointer that lies between
 * the two to the end.
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>

#include "lib/util.h"

#define HOST_ABORT_SIGNAL SIGURG

/*
 * The call with four arguments unless *abort is set; -EINTR then, and when HOST_ABORT_SIGNAL comes.
 * Set *abort first, then send the signal (tgkill) to the thread.
 */
long host_call_abortable(atomic_uint *abort, long nr, long a, long b, long c, long d);

/* Install the signal's handler; once. */
int host_abortable_init(void) must_check;
