/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm.h: an application's address space, as far as the Sentry knows it.
 *
 * The host kernel keeps the mappings (design §1); anonymous ones come and go without us.  Here are
 * kept: the platform's address space, the program break, where arguments and environment lie, the
 * executable, and the names of mapped files, by host device and inode, for /proc/PID/maps.
 */
#pragma once

#include <stdint.h>

#include "lib/hash.h"
#include "lib/latch.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "platform/platform.h"
#include "vfs/vfs.h"

struct process;
struct task;

struct mm_locked {
	uint64_t start, end;
};

struct mm_policy {
	uint64_t start, end;
	unsigned int mode; /* with its flags */
};

/* (c) constant after exec, (m) lock */
struct mm {
	struct ref ref; /* tasks' processes that use it, and short-time users */
	atomic_int processes; /* processes that run in it; 0: torn down */
	struct plat_mm *plat; /* (c) owned */
	struct mutex lock;    /* LOCK_MM */
	uint64_t brk_start, brk; /* (m) */
	uint64_t arg_start, arg_end, env_start, env_end, stack_top; /* (m) PR_SET_MM may change */
	uint64_t code_start, code_end, data_start, data_end;        /* (m) */
	struct file *exe;     /* (m) owned: /proc/PID/exe */
	struct hash names;    /* (m) mapped files by host dev:ino; names.c */
	unsigned int name_count, names_many; /* (m) so many; look through from so many on */
	unsigned int naming;  /* (m) files named that are just being mapped */
	bool names_pruned;    /* (m) somebody looks through */
	uint8_t auxv[512];    /* (c) */
	size_t auxv_size;
	int dumpable;         /* (a) 0, 1, 2 */
	struct user_ns *user_ns;
	struct mm_locked *seals; /* (m) owned: mseal(2)ed ranges; range.c */
	atomic_uint seal_count;  /* (m) to change */
	struct mm_locked *locked; /* (m) owned: mlock(2)ed ranges, in no order, apart */
	size_t locked_count;  /* (m) */
	bool lock_future;     /* (m) MCL_FUTURE */
	struct mm_locked *growing; /* (m) owned: MAP_GROWSDOWN mappings, where they were made */
	atomic_uint growing_count; /* (m) to change */
	struct mm_policy *policies; /* (m) owned: mbind(2)ed ranges, apart; sentry/sys/numa.c */
	size_t policy_count;  /* (m) */
	struct list aio;      /* contexts; sentry/aio/aio.c */
	struct latch identity_latch;
	uint32_t identity_gen; /* (identity_latch) sentry/task/identity.c */
	struct list shm;      /* attached segments; sentry/ipc/shm.c */
	/*
	 * (tasklist.lock) What ended threads of host_shared processes have used here: the host counts it as
	 * the owner's, we as theirs.
	 */
	struct plat_usage guests;
};

/* An mm around a fresh plat_mm. */
int mm_new(struct mm **out) must_check;
/* For fork, on the parent's fiber, after plat_clone made plat a copy of mm's. */
int mm_dup(struct mm *mm, struct plat_mm *plat, struct mm **out) must_check;
/* Process ids or credentials of who runs in mm have changed; from any thread, under any lock. */
void mm_identity_forget(struct mm *mm);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm); /* accepts NULL */

/* execve in place: forget names and break; the platform emptied the rest. */
int mm_reset(struct mm *mm);

/*
 * Map len bytes of f at addr in t's address space (mmap(2) semantics; flags MAP_*).  The address
 * or -errno.
 */
int64_t mm_map_file(struct task *t, struct file *f, uint64_t addr, uint64_t size, int prot, int flags,
		    uint64_t offset);
int64_t mm_map_anon(struct task *t, uint64_t addr, uint64_t size, int prot, int flags);
int mm_unmap(struct task *t, uint64_t addr, uint64_t size);
int64_t mm_brk(struct task *t, uint64_t brk);
/*
 * Remember f's name for what the host shows as host_fd's dev:ino; when it is mapped (or that has
 * failed), and only if 0 was returned, mm_name_settle().
 */
int mm_name_file(struct mm *mm, int host_fd, struct file *f);
void mm_name_settle(struct mm *mm);
/* Let go of the files that are no longer mapped.  Sleeps. */
void mm_names_prune(struct mm *mm);
void mm_names_clear_locked(struct mm *mm);
int mm_names_dup_locked(struct mm *from, struct mm *mm);
/* What the host shows as dev:ino is no longer mapped: lets the file go. */
void mm_forget_file(struct mm *mm, uint64_t dev, uint64_t ino);
/* /proc/PID/maps and smaps text with names translated. */
int mm_show_maps(struct mm *mm, const struct path *root, bool smaps, struct buf *b);
/* Argument and environment areas, hostile: the application may have overwritten them. */
ssize_t mm_read(struct mm *mm, uint64_t addr, void *dst, size_t size);
ssize_t mm_write(struct mm *mm, uint64_t addr, const void *src, size_t size);

/* ---- what is mapped (range.c) ------------------------------------------------------------------- */

/*
 * fn for each mapping in [start, end), cut to that; may be NULL.  Its negative result ends the walk and
 * is returned.  -ENOMEM: not all of the range is mapped (fn has seen what is).
 */
int mm_for_range(struct mm *mm, uint64_t start, uint64_t end, plat_map_fn *fn, void *arg);
uint64_t mm_mapped_bytes(struct mm *mm, uint64_t start, uint64_t end);
/* By the host's name: memory of the host's, of which another file may have the number. */
bool mm_map_is_memory(const struct plat_map *m);
/* The path of the file that a mapping shows, with references; false: none that we know. */
bool mm_map_path(struct mm *mm, const struct plat_map *m, struct path *out);

/* mlock(2) and munlock(2) of whole pages, on the task's fiber; limits are the caller's business. */
int mm_lock_range(struct task *t, uint64_t start, uint64_t end, bool on_fault);
int mm_unlock_range(struct task *t, uint64_t start, uint64_t end);
int mm_lock_all(struct task *t, bool on_fault);
void mm_unlock_all(struct mm *mm);
uint64_t mm_locked_bytes(struct mm *mm); /* of those that are still mapped */
uint64_t mm_range_locked_bytes(struct mm *mm, uint64_t start, uint64_t end); /* mapped or not */
bool mm_range_is_locked(struct mm *mm, uint64_t start, uint64_t end); /* any of it */

/* [start, end) was mapped with MAP_GROWSDOWN. */
void mm_grows_down(struct mm *mm, uint64_t start, uint64_t end);
/* A fault on nothing at addr: true if a mapping above has grown down to it.  On t's fiber. */
bool mm_grow_to(struct task *t, uint64_t addr);

/* mseal(2) of whole pages, all mapped.  -ENOMEM. */
int mm_seal_range(struct mm *mm, uint64_t start, uint64_t end);
/* Any of it is sealed.  (Native memory calls are off where anything is.) */
bool mm_range_is_sealed(struct mm *mm, uint64_t start, uint64_t end);

/* mbind(2)'s mode at addr (numa.c); *end is lowered to where that may change.  mm->lock held. */
unsigned int mm_policy_at_locked(const struct mm *mm, uint64_t addr, uint64_t *end);

/* RLIMIT_AS or RLIMIT_DATA is set: then all memory calls must come to the Sentry. */
bool mm_limited(struct process *p);
/* bytes more, private and writable if data: 0 or -ENOMEM. */
int mm_may_expand(struct task *t, uint64_t bytes, bool data);
