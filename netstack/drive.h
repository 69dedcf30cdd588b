/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive.h: a stack in real time: lib's clocks, its timers run by lib/timer.h on a service fiber.
 *
 * The stack's timers need fibers (they take mutexes); lib's timers fire on the event worker, which
 * is none.  So the one queues work for the other.
 */
#pragma once

#include "lib/fiber.h"
#include "lib/latch.h"
#include "lib/timer.h"
#include "netstack/stack.h"

struct stack_drive {
	struct timer timer;
	struct work work;
	struct latch latch;
	struct stack *stack;
	void (*random)(void *p, size_t size);
	bool stopped; /* (latch) */
};

/* A stack driven by d, which must outlive it.  NULL: no memory.  The events worker must run. */
struct stack *stack_drive_start(struct stack_drive *d, void (*random)(void *p, size_t size)) must_check;
/* No timer runs any more.  Drops the stack's reference.  On a fiber. */
void stack_drive_stop(struct stack_drive *d);
