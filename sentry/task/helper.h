/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper.h: system calls on behalf of a task, on fibers of their own (io_uring's and aio's requests).
 *
 * A helper has a struct task that stands for its creator: the same credentials, descriptors, memory and
 * namespaces, but no host thread, no number of its own and no place in the process: handlers that only
 * copy and sleep can be called with it.  What needs the host thread (mmap, signals' frames) can't.
 *
 * Helpers end with the process at the latest: helpers_stop().
 */
#pragma once

#include <stdbool.h>

#include "lib/list.h"

struct fdtable;
struct process;
struct task;

/* Embedded in a request.  (l) the module's lock. */
struct helper {
	struct list node;        /* (l) */
	struct process *process; /* (c) counted */
	struct task *task;       /* (l) NULL: over, or not begun */
	bool cancelled;          /* (l) */
	void (*run)(struct helper *h, struct task *t); /* on the helper's fiber */
	void (*done)(struct helper *h);                /* after it; may free h */
};

void helpers_init(void);
/*
 * Start h (run and done filled by the caller) for of, on of's fiber.  fdt: other descriptors than of's
 * (borrowed), or NULL.  -ENOMEM; -EAGAIN: of's process has too many.  h is zeroed, and may have been cancelled since.
 */
int helper_start(struct helper *h, struct task *of, struct fdtable *fdt) must_check;
/* Interrupt its sleeps: they give -ERESTARTSYS or -EINTR.  h must not be gone. */
void helper_cancel(struct helper *h);
bool helper_cancelled(struct helper *h);
/* Cancel all of p's and wait until they are gone: exit and execve. */
void helpers_stop(struct process *p);
