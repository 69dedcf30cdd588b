/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caps.h: how credentials change (capabilities(7), credentials(7)): in execve, and when a process
 * sets its ids.
 */
#pragma once

#include <linux/securebits.h>
#include <stdbool.h>
#include <stdint.h>

struct cred;
struct file;
struct task;

/* Every flag of securebits.h, and those that lock one. */
#define SECBITS_ALL   0xffu
#define SECBITS_LOCKS 0xaau

/*
 * The credentials that executing f gives t: set-user-ID and set-group-ID bits, file capabilities,
 * root's rule, ambient set.  *out is new and owned by the caller; *secure is AT_SECURE.
 */
int exec_cred(struct task *t, struct file *f, const struct cred **out, bool *secure);
/*
 * After new's ids were changed from old's: move the capability sets as cap_emulate_setxuid does.
 */
void cred_fix_setuid(struct cred *new, const struct cred *old);
/* As above when only fsuid changed. */
void cred_fix_setfsuid(struct cred *new, const struct cred *old);
