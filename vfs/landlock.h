/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock.h: domains that processes put themselves into (landlock(7)).
 *
 * A ruleset is written through a descriptor; landlock_restrict() freezes a copy of it as a layer on
 * top of the caller's domain.  A domain is a chain of immutable layers that hangs at credentials, so
 * it is inherited as they are; what is asked for must be granted by every layer that handles it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"
#include "vfs/cred.h"

struct file;
struct landlock;
struct landlock_ruleset;
struct path;
struct vfs_ctx;

#define LANDLOCK_ABI 7

/* What the running kernel's headers may not have yet. */
enum landlock_scope { LANDLOCK_SCOPED_UNIX = 1, LANDLOCK_SCOPED_SIGNAL = 2 };
enum { LANDLOCK_NET_BIND = 1, LANDLOCK_NET_CONNECT = 2 };
#define LANDLOCK_TRUNCATE (1ULL << 14) /* LANDLOCK_ACCESS_FS_TRUNCATE */

/* ---- rulesets --------------------------------------------------------------------------------- */

/* -EINVAL: unknown bits; -ENOMSG: nothing handled; -ENOMEM. */
int landlock_ruleset_new(uint64_t fs, uint64_t net, uint64_t scoped, const struct cred *cred,
			 struct file **out) must_check;
bool file_is_landlock(const struct file *f);
/* -EINVAL: rights that the ruleset does not handle, or that make no sense for a file; -ENOMEM. */
int landlock_add_path(struct file *ruleset, const struct path *p, uint64_t access) must_check;
int landlock_add_port(struct file *ruleset, uint64_t port, uint64_t access) must_check;
/* Rights that no rule can name: -EINVAL; none: -ENOMSG.  To be asked before the path is looked at. */
int landlock_check_path_rights(struct file *ruleset, uint64_t access) must_check;
/* A file that a rule may be about: in a file system that can be mounted. */
bool landlock_path_is_nameable(const struct path *p);
/* A new domain (owned by the caller) that adds ruleset to parent (NULL: none).  -E2BIG: 16 layers. */
int landlock_restrict(struct landlock *parent, struct file *ruleset, struct landlock **out) must_check;

struct landlock *landlock_get(struct landlock *d); /* accepts NULL */
void landlock_put(struct landlock *d);             /* accepts NULL */

/* ---- questions -------------------------------------------------------------------------------- */

/* All answer 0 at once for who is in no domain.  Locks: none needed; directories' may be held. */

/* access: LANDLOCK_ACCESS_FS_* on p or below it.  -EACCES. */
int landlock_path(struct vfs_ctx *c, const struct path *p, uint64_t access) must_check;
/* To make something of this mode in dir; mode 0 is a regular file. */
int landlock_make(struct vfs_ctx *c, const struct path *dir, uint32_t mode) must_check;
/* To take a directory or something else out of dir. */
int landlock_remove(struct vfs_ctx *c, const struct path *dir, bool is_dir) must_check;
/* f is being opened; notes in f->kind what may not be done with it later. */
int landlock_open(struct vfs_ctx *c, struct file *f) must_check;
/* An ioctl on a device that was opened without the right to. */
bool landlock_ioctl_is_harmless(unsigned int cmd);

struct dentry;
/*
 * link(2) and rename(2) of old (in old_dir) to become new in new_dir, both below one mount.  new may be
 * negative.  -EACCES, or -EXDEV when the new place would grant more than the old.
 */
struct landlock_refer {
	const struct path *old_dir, *new_dir;
	struct dentry *old, *new;
	bool removes;  /* rename, not link */
	bool exchange;
};
int landlock_refer(struct vfs_ctx *c, const struct landlock_refer *r) must_check;
/* Changes of the mount tree.  -EPERM in a domain that handles files. */
int landlock_mount(struct vfs_ctx *c) must_check;

/* LANDLOCK_NET_BIND or _CONNECT of a TCP port.  -EACCES. */
int landlock_port(const struct cred *cred, uint16_t port, uint64_t access) must_check;
bool landlock_handles_net(const struct cred *cred);
/* May one in domain from trace one in domain to: to is the same or below. */
bool landlock_may_trace(const struct landlock *from, const struct landlock *to);
/* A scope of from forbids to reach to. */
bool landlock_scoped(const struct landlock *from, const struct landlock *to, enum landlock_scope s);
