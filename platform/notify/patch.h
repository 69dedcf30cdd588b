/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch.h: call-site patching of one address space; docs/patching.md.
 *
 * A call site that has trapped often becomes a jump into a trampoline (platform/arch/x86_64/callsite.h).
 * Trampolines lie in arenas: memfds that the Sentry writes and processes can only read and run; a
 * forked process shares its parent's, at the same addresses.
 *
 * mm->patch_mutex is held over every change: to text, to the tables, and over a fork (so that a child
 * is born with tables that are those of its text).  Tables are read under mm->latch, and written under
 * both.  Order: patch_mutex (rank LOCK_PATCH), then latches.
 *
 * The tables are never a matter of safety: a process can change its own text under us as it likes,
 * and then runs what it has made of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

#include "platform/platform.h"

struct patch;

void notify_patch_init(bool on, uint32_t after);
bool notify_patch_is_on(void);
/* Of the calls that the stub answers alone, every how manyeth is to be reported; 0: patching is off. */
uint32_t notify_patch_interval(void);

/*
 * Look at an event before the Sentry does: registers become those that the application would have
 * without patches.  True: it was about a patch only; let the thread go on.  On pt's fiber; may sleep.
 */
bool notify_patch_event(struct plat_thread *pt, struct plat_event *ev) must_check;
/* STUB_SITE: pt's registers are behind a call that the stub has answered. */
void notify_patch_site(struct plat_thread *pt);
/* Where a thread that is to go on at ip goes on in truth. */
uint64_t notify_patch_target(struct plat_mm *mm, uint64_t ip);
/* Host calls are about to be made in pt's address space: undo what they would cut through. */
void notify_patch_before(struct plat_thread *pt, const struct plat_hostcall *calls, size_t count);
/* REQUIRES parent->patch_mutex.  child has its channel, and no process yet.  0 or -ENOMEM. */
int notify_patch_fork(struct plat_mm *parent, struct plat_mm *child) must_check;
/* Everything is (about to be) unmapped. */
void notify_patch_reset(struct plat_mm *mm);
/* The last reference to mm is gone. */
void notify_patch_free(struct plat_mm *mm);
/* buf is what lies at addr: put in what the application's text says without patches. */
void notify_patch_original(struct plat_mm *mm, uint64_t addr, void *buf, size_t size);
/* plat_mm_sites() */
int notify_patch_sites(struct plat_mm *mm, plat_site_fn *fn, void *arg);
/* Bytes of mappings that are ours. */
uint64_t notify_patch_hidden_bytes(struct plat_mm *mm);
