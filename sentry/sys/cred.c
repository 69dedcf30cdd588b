/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cred.c: ids, groups and capabilities (setuid(2) and kin, capset(2)).
 *
 * A change copies the credentials, checks and alters the copy, and swaps it in.  Ids of (uint32)-1
 * mean "leave" where the man-pages say so.  Applications' ids are those of the caller's user
 * namespace; inside, all are kernel ids.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/sort.h"
#include "sentry/cred/caps.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"
#include "vfs/user_ns.h"

#define KEEP (~0u)
#define GROUPS_MAX 65536

static uint32_t id_out(const struct task *t, enum id_kind k, uint32_t id)
{
	return user_ns_from_kernel_munged(t->cred->user_ns, k, id);
}

/* An id from the application, KEEP or mapped; -EINVAL: it has no meaning in the namespace. */
static int id_in(const struct task *t, enum id_kind k, uint32_t *id)
{
	if (*id == KEEP)
		return 0;
	*id = user_ns_to_kernel(t->cred->user_ns, k, *id);
	return *id == ID_INVALID ? -EINVAL : 0;
}

long sys_getuid(struct task *t)
{
	task_identity_offer(t);
	return id_out(t, ID_UID, t->cred->uid);
}

long sys_geteuid(struct task *t)
{
	task_identity_offer(t);
	return id_out(t, ID_UID, t->cred->euid);
}

long sys_getgid(struct task *t)
{
	task_identity_offer(t);
	return id_out(t, ID_GID, t->cred->gid);
}

long sys_getegid(struct task *t)
{
	task_identity_offer(t);
	return id_out(t, ID_GID, t->cred->egid);
}

static long put_three(struct task *t, const uint32_t v[3], uaddr_t a, uaddr_t b, uaddr_t c)
{
	if (uaccess_put(t, a, &v[0], 4) || uaccess_put(t, b, &v[1], 4) || uaccess_put(t, c, &v[2], 4))
		return -EFAULT;
	return 0;
}

long sys_getresuid(struct task *t, uaddr_t r, uaddr_t e, uaddr_t s)
{
	const struct cred *cr = t->cred;
	uint32_t v[3] = { id_out(t, ID_UID, cr->uid), id_out(t, ID_UID, cr->euid),
			  id_out(t, ID_UID, cr->suid) };

	return put_three(t, v, r, e, s);
}

long sys_getresgid(struct task *t, uaddr_t r, uaddr_t e, uaddr_t s)
{
	const struct cred *cr = t->cred;
	uint32_t v[3] = { id_out(t, ID_GID, cr->gid), id_out(t, ID_GID, cr->egid),
			  id_out(t, ID_GID, cr->sgid) };

	return put_three(t, v, r, e, s);
}

/* What changes of ids entail: capabilities, and a program that did so can't be looked into. */
static void cred_commit(struct task *t, struct cred *c)
{
	const struct cred *old = t->cred;

	if (c->euid != old->euid || c->egid != old->egid || c->fsuid != old->fsuid ||
	    c->fsgid != old->fsgid || (c->permitted & ~old->permitted)) {
		t->mm->dumpable = 0;
		t->pdeath_signal = 0;
	}
	task_set_cred(t, c); /* consumes c */
}

static long cred_commit_uid(struct task *t, struct cred *c)
{
	cred_fix_setuid(c, t->cred);
	cred_commit(t, c);
	return 0;
}

static long cred_refuse(struct cred *c)
{
	cred_put(c);
	return -EPERM;
}

long sys_setuid(struct task *t, uint32_t uid)
{
	struct cred *c;

	if (uid == KEEP || id_in(t, ID_UID, &uid))
		return -EINVAL;
	c = cred_dup(t->cred);
	if (!c)
		return -ENOMEM;
	if (task_ns_capable(t, CAP_SETUID))
		c->uid = c->suid = uid;
	else if (uid != c->uid && uid != c->suid)
		return cred_refuse(c);
	c->euid = c->fsuid = uid;
	return cred_commit_uid(t, c);
}

long sys_setgid(struct task *t, uint32_t gid)
{
	struct cred *c;

	if (gid == KEEP || id_in(t, ID_GID, &gid))
		return -EINVAL;
	c = cred_dup(t->cred);
	if (!c)
		return -ENOMEM;
	if (task_ns_capable(t, CAP_SETGID))
		c->gid = c->sgid = gid;
	else if (gid != c->gid && gid != c->sgid)
		return cred_refuse(c);
	c->egid = c->fsgid = gid;
	cred_commit(t, c);
	return 0;
}

long sys_setreuid(struct task *t, uint32_t ruid, uint32_t euid)
{
	const struct cred *old = t->cred;
	bool capable = task_ns_capable(t, CAP_SETUID);
	struct cred *c;

	if (id_in(t, ID_UID, &ruid) || id_in(t, ID_UID, &euid))
		return -EINVAL;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (ruid != KEEP) {
		if (!capable && ruid != old->uid && ruid != old->euid)
			return cred_refuse(c);
		c->uid = ruid;
	}
	if (euid != KEEP) {
		if (!capable && euid != old->uid && euid != old->euid && euid != old->suid)
			return cred_refuse(c);
		c->euid = euid;
	}
	if (ruid != KEEP || (euid != KEEP && euid != old->uid))
		c->suid = c->euid;
	c->fsuid = c->euid;
	return cred_commit_uid(t, c);
}

long sys_setregid(struct task *t, uint32_t rgid, uint32_t egid)
{
	const struct cred *old = t->cred;
	bool capable = task_ns_capable(t, CAP_SETGID);
	struct cred *c;

	if (id_in(t, ID_GID, &rgid) || id_in(t, ID_GID, &egid))
		return -EINVAL;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (rgid != KEEP) {
		if (!capable && rgid != old->gid && rgid != old->egid)
			return cred_refuse(c);
		c->gid = rgid;
	}
	if (egid != KEEP) {
		if (!capable && egid != old->gid && egid != old->egid && egid != old->sgid)
			return cred_refuse(c);
		c->egid = egid;
	}
	if (rgid != KEEP || (egid != KEEP && egid != old->gid))
		c->sgid = c->egid;
	c->fsgid = c->egid;
	cred_commit(t, c);
	return 0;
}

static bool id_among(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
	return id == KEEP || id == a || id == b || id == c;
}

long sys_setresuid(struct task *t, uint32_t r, uint32_t e, uint32_t s)
{
	const struct cred *old = t->cred;
	struct cred *c;

	if (id_in(t, ID_UID, &r) || id_in(t, ID_UID, &e) || id_in(t, ID_UID, &s))
		return -EINVAL;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (!task_ns_capable(t, CAP_SETUID) &&
	    !(id_among(r, old->uid, old->euid, old->suid) &&
	      id_among(e, old->uid, old->euid, old->suid) &&
	      id_among(s, old->uid, old->euid, old->suid)))
		return cred_refuse(c);
	c->uid = r != KEEP ? r : c->uid;
	c->euid = e != KEEP ? e : c->euid;
	c->suid = s != KEEP ? s : c->suid;
	c->fsuid = c->euid;
	return cred_commit_uid(t, c);
}

long sys_setresgid(struct task *t, uint32_t r, uint32_t e, uint32_t s)
{
	const struct cred *old = t->cred;
	struct cred *c;

	if (id_in(t, ID_GID, &r) || id_in(t, ID_GID, &e) || id_in(t, ID_GID, &s))
		return -EINVAL;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (!task_ns_capable(t, CAP_SETGID) &&
	    !(id_among(r, old->gid, old->egid, old->sgid) &&
	      id_among(e, old->gid, old->egid, old->sgid) &&
	      id_among(s, old->gid, old->egid, old->sgid)))
		return cred_refuse(c);
	c->gid = r != KEEP ? r : c->gid;
	c->egid = e != KEEP ? e : c->egid;
	c->sgid = s != KEEP ? s : c->sgid;
	c->fsgid = c->egid;
	cred_commit(t, c);
	return 0;
}

/* setfsuid(2): gives the old value whether or not it worked. */
long sys_setfsuid(struct task *t, uint32_t uid)
{
	const struct cred *old = t->cred;
	uint32_t before = id_out(t, ID_UID, old->fsuid);
	struct cred *c;

	if (uid == KEEP || id_in(t, ID_UID, &uid))
		return before;
	if (!(task_ns_capable(t, CAP_SETUID) || uid == old->uid || uid == old->euid ||
			     uid == old->suid || uid == old->fsuid))
		return before;
	c = cred_dup(old);
	if (c) {
		c->fsuid = uid;
		cred_fix_setfsuid(c, old);
		cred_commit(t, c);
	}
	return before;
}

long sys_setfsgid(struct task *t, uint32_t gid)
{
	const struct cred *old = t->cred;
	uint32_t before = id_out(t, ID_GID, old->fsgid);
	struct cred *c;

	if (gid == KEEP || id_in(t, ID_GID, &gid))
		return before;
	if (!(task_ns_capable(t, CAP_SETGID) || gid == old->gid || gid == old->egid ||
			     gid == old->sgid || gid == old->fsgid))
		return before;
	c = cred_dup(old);
	if (c) {
		c->fsgid = gid;
		cred_commit(t, c);
	}
	return before;
}

long sys_getgroups(struct task *t, int count, uaddr_t list)
{
	const struct cred *c = t->cred;

	if (count < 0)
		return -EINVAL;
	if (count == 0)
		return c->group_count;
	if ((unsigned int)count < c->group_count)
		return -EINVAL;
	for (uint32_t i = 0; i < c->group_count; i++) {
		uint32_t gid = id_out(t, ID_GID, c->groups[i]);

		if (uaccess_put(t, uaddr_add(list, i * sizeof(gid)), &gid, sizeof(gid)))
			return -EFAULT;
	}
	return c->group_count;
}

/* Before gid_map is written, and after "deny", nobody sets groups (userns_may_setgroups()). */
static bool may_setgroups(struct task *t)
{
	const struct user_ns *ns = t->cred->user_ns;

	return task_ns_capable(t, CAP_SETGID) && atomic_load(&ns->maps[ID_GID].count) &&
	       !atomic_load(&ns->setgroups_denied);
}

long sys_setgroups(struct task *t, int count, uaddr_t list)
{
	uint32_t *groups = NULL;
	struct cred *c;

	if (!may_setgroups(t))
		return -EPERM;
	if (count < 0 || count > GROUPS_MAX)
		return -EINVAL;
	if (count) {
		groups = mem_calloc((size_t)count, sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		if (uaccess_get(t, groups, list, (size_t)count * sizeof(*groups))) {
			mem_free(groups);
			return -EFAULT;
		}
		for (int i = 0; i < count; i++) {
			if (groups[i] == KEEP || id_in(t, ID_GID, &groups[i])) {
				mem_free(groups);
				return -EINVAL;
			}
		}
		sort(groups, (size_t)count, sizeof(*groups), sort_u32);
	}
	c = cred_dup(t->cred);
	if (!c) {
		mem_free(groups);
		return -ENOMEM;
	}
	mem_free(c->groups);
	c->groups = groups;
	c->group_count = (uint32_t)count;
	task_set_cred(t, c);
	return 0;
}

/* ---- capabilities ------------------------------------------------------------------------------------- */

/* Number of 32-bit words for the header's version; 0: unknown (the preferred one was written back). */
static int cap_header(struct task *t, uaddr_t header, struct __user_cap_header_struct *h, int *words)
{
	uint32_t preferred = _LINUX_CAPABILITY_VERSION_3;

	if (uaccess_get(t, h, header, sizeof(*h)))
		return -EFAULT;
	switch (h->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		*words = 1;
		return 0;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		*words = 2;
		return 0;
	default:
		if (uaccess_put(t, header, &preferred, sizeof(preferred)))
			return -EFAULT;
		return -EINVAL;
	}
}

long sys_capget(struct task *t, uaddr_t header, uaddr_t data)
{
	struct __user_cap_data_struct d[2];
	struct __user_cap_header_struct h;
	const struct cred *c;
	struct task *o;
	int words, err;

	err = cap_header(t, header, &h, &words);
	if (err)
		return err == -EINVAL && !data.addr ? 0 : err;
	if (h.pid < 0)
		return -EINVAL;
	o = h.pid ? task_lookup(task_pid_ns(t), h.pid) : task_get(t);
	if (!o)
		return -ESRCH;
	c = task_cred_get(o);
	task_put(o);
	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(c->effective >> (32 * i));
		d[i].permitted = (uint32_t)(c->permitted >> (32 * i));
		d[i].inheritable = (uint32_t)(c->inheritable >> (32 * i));
	}
	cred_put(c);
	return data.addr ? uaccess_put(t, data, d, (size_t)words * sizeof(d[0])) : 0;
}

long sys_capset(struct task *t, uaddr_t header, uaddr_t data)
{
	struct __user_cap_data_struct d[2] = { 0 };
	struct __user_cap_header_struct h;
	const struct cred *old = t->cred;
	cap_set_t e, p, i;
	struct cred *c;
	int words, err;

	err = cap_header(t, header, &h, &words);
	if (err)
		return err;
	if (h.pid != 0 && h.pid != task_tid(t))
		return -EPERM;
	if (uaccess_get(t, d, data, (size_t)words * sizeof(d[0])))
		return -EFAULT;
	e = (d[0].effective | (cap_set_t)d[1].effective << 32) & CAP_FULL;
	p = (d[0].permitted | (cap_set_t)d[1].permitted << 32) & CAP_FULL;
	i = (d[0].inheritable | (cap_set_t)d[1].inheritable << 32) & CAP_FULL;

	if (!task_ns_capable(t, CAP_SETPCAP) && (i & ~(old->inheritable | old->permitted)))
		return -EPERM;
	if ((i & ~(old->inheritable | old->bounding)) || (p & ~old->permitted) || (e & ~p))
		return -EPERM;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	c->effective = e;
	c->permitted = p;
	c->inheritable = i;
	c->ambient &= p & i;
	task_set_cred(t, c);
	return 0;
}
