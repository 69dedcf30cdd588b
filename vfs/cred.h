/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cred.h: credentials (credentials(7), capabilities(7), user_namespaces(7)).
 *
 * A struct cred is immutable once published: a change makes a copy, changes that, and swaps the
 * task's pointer.  So anyone may keep a reference (open files do) and read it without a lock.
 * Ids are kernel ids: those of the sandbox's first user namespace.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/ref.h"
#include "lib/util.h"

/*
 * A user namespace.  Maps translate ids seen inside to kernel ids; the first namespace's map is the
 * identity over the whole range.
 */
struct user_ns;
struct landlock;

struct user_ns *user_ns_get(struct user_ns *ns);
void user_ns_put(struct user_ns *ns); /* accepts NULL */
extern struct user_ns *const user_ns_init; /* the sandbox's first one; never freed */

typedef uint64_t cap_set_t; /* bit n: capability n */
#define CAP_BIT(cap) (1ULL << (cap))
#define CAP_FULL     ((1ULL << 41) - 1) /* CAP_LAST_CAP is 40, CAP_CHECKPOINT_RESTORE */

struct cred {
	struct ref ref;
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	cap_set_t inheritable, permitted, effective, bounding, ambient;
	uint32_t securebits;
	struct user_ns *user_ns; /* owns a reference */
	uint32_t group_count;
	uint32_t *groups; /* sorted; owned */
	struct landlock *landlock; /* the domain (vfs/landlock.h), counted; NULL: none */
};

/* All ids 0, all capabilities, first user namespace. */
struct cred *cred_new_root(void) must_check;
struct cred *cred_dup(const struct cred *c) must_check;
/* References are kept through const pointers: counting is not a change. */
const struct cred *cred_get(const struct cred *c);
void cred_put(const struct cred *c); /* accepts NULL */

/* Effective capability cap over things owned by ns (security/commoncap.c: cap_capable). */
bool cred_capable_ns(const struct cred *c, const struct user_ns *ns, int cap);
static inline bool cred_capable(const struct cred *c, int cap)
{
	return cred_capable_ns(c, user_ns_init, cap);
}
/* fsgid or a supplementary group; egid or a supplementary group. */
bool cred_in_fsgroup(const struct cred *c, uint32_t gid);
bool cred_in_egroup(const struct cred *c, uint32_t gid);
