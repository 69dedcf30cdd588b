/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_ns.h: user namespaces (user_namespaces(7)): id maps and ownership.
 *
 * "Kernel ids" are ids of the sandbox's first namespace, whose map is the identity.  A map is
 * written once; until then nothing is mapped.  References: a namespace holds its parent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/latch.h"
#include "lib/ref.h"
#include "lib/util.h"
#include "vfs/cred.h"

#define USER_NS_DEPTH_MAX 32
#define USER_NS_COUNT_MAX 16384 /* alive in the sandbox: as /proc/sys/user/max_user_namespaces */
#define ID_EXTENTS_MAX    340
#define ID_INVALID        0xffffffffu
#define ID_OVERFLOW       65534u

struct id_extent {
	uint32_t first, lower, count; /* inside, in kernel ids, how many */
};

/* Members: (n) written once under ns->latch, then constant; count is set last (release). */
struct id_map {
	atomic_uint count;         /* (n) */
	struct id_extent *extents; /* (n) owned; NULL until written */
};

enum id_kind { ID_UID, ID_GID };

struct user_ns {
	struct ref ref;
	struct user_ns *parent; /* (c) counted; NULL: the first */
	unsigned int level;     /* (c) */
	uint32_t owner, group;  /* (c) kernel ids of the creator */
	struct latch latch;
	struct id_map maps[2];  /* by enum id_kind */
	atomic_bool setgroups_denied;
	bool parent_could_setfcap; /* (c) the creator had CAP_SETFCAP: may map the parent's root */
	uint64_t id;            /* (c) inode number of /proc/PID/ns/user */
};

/*
 * A child of c's namespace, owned by c's euid and egid.  -ENOSPC: nested too deep, or too many;
 * -EPERM: the parent has no name for these ids.
 */
int user_ns_new(const struct cred *c, struct user_ns **out) must_check;
/*
 * c, which nobody else sees yet, enters ns (reference consumed): all capabilities there, none kept
 * from outside.
 */
void cred_enter_user_ns(struct cred *c, struct user_ns *ns);
/* True when ns is anc or lies below it. */
bool user_ns_is_below(const struct user_ns *ns, const struct user_ns *anc);

/* Inside → kernel; ID_INVALID when not mapped. */
uint32_t user_ns_to_kernel(const struct user_ns *ns, enum id_kind k, uint32_t id);
/* Kernel → inside; ID_INVALID when not mapped. */
uint32_t user_ns_from_kernel(const struct user_ns *ns, enum id_kind k, uint32_t id);
/* As above, with the overflow id 65534 for what is not mapped (stat and kin). */
uint32_t user_ns_from_kernel_munged(const struct user_ns *ns, enum id_kind k, uint32_t id);
/*
 * Set the map; extents (count of them, first/lower/count with lower in the parent's ids) are
 * copied.  -EPERM: written before, or lower ids not mapped in the parent; -EINVAL: overlaps,
 * overflow, none; -ENOMEM.  The permission rules are the writer's (/proc/PID/uid_map).
 */
int user_ns_set_map(struct user_ns *ns, enum id_kind k, const struct id_extent *extents,
		    unsigned int count) must_check;

/* A fresh number for a namespace's inode (/proc/PID/ns); all kinds share the range. */
uint64_t ns_ino_new(void);
