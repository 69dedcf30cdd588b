/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_ns.h: time namespaces (time_namespaces(7)): offsets of CLOCK_MONOTONIC and CLOCK_BOOTTIME.
 *
 * The first namespace is NULL: no offsets.  A task keeps the one it is in; unshare(2) makes one for
 * its children.  Offsets may be written until the first task is in it.
 *
 * The vDSO shows the host's clocks: a program that starts in a namespace with offsets gets none
 * (no AT_SYSINFO_EHDR), so that its C library asks the Sentry.  A child that does not execve(2) keeps
 * its parent's vDSO, and sees the host's clocks through it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/latch.h"
#include "lib/ref.h"
#include "lib/util.h"
#include "sentry/time/clock.h"

struct user_ns;

struct time_ns {
	struct ref ref;
	uint64_t id;             /* (c) */
	struct user_ns *user_ns; /* (c) counted */
	struct latch latch;
	bool frozen;             /* (latch) somebody is in it: the offsets stay */
	atomic_int_least64_t mono_ns, boot_ns; /* (latch) to write */
};

/* With from's offsets (from may be NULL).  NULL: no memory. */
struct time_ns *time_ns_new(const struct time_ns *from, struct user_ns *owner) must_check;
struct time_ns *time_ns_get(struct time_ns *ns); /* accepts NULL, and returns it */
void time_ns_put(struct time_ns *ns);            /* accepts NULL */
/* A task enters ns (may be NULL). */
void time_ns_freeze(struct time_ns *ns);
/* What ns's clock shows minus what the host's does; 0 for other clocks, and for NULL. */
int64_t time_ns_offset(const struct time_ns *ns, enum clock_kind kind);
/* -EACCES: frozen; -ERANGE: the clock would be negative or too far ahead. */
int time_ns_set_offsets(struct time_ns *ns, const int64_t *mono_ns, const int64_t *boot_ns) must_check;
