/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_dir.c: the directories of cgroup2 that applications make, and moving processes between them.
 *
 * A directory's inode has its group's id as key, its files inherit it.  A group that was removed is
 * ENODEV for who still has files of it open.  Inodes of cgroup.events are on a list, by which inotify
 * hears that a group became empty or populated.  Owners and modes are the group's (delegation).
 *
 * No controller can be enabled below a container's root: limits are the host's matter.
 *
 * Linux: Documentation/admin-guide/cgroup-v2.rst; kernel/cgroup/cgroup.c (cgroup_procs_write_permission).
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>

#include "sentry/container.h"
#include "sentry/proc/proc_impl.h"
#include "sentry/signal/signal.h"
#include "sentry/sysfs/sysfs_impl.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/fdtable.h"
#include "sentry/task/task.h"
#include "vfs/notify.h"

static struct latch events_latch = LATCH_INIT;
static struct list events = LIST_INIT(events); /* (events_latch) struct pfs_inode by extra */

/* The group that r's file is about, with a reference. */
static int group_of(const struct pfs_req *r, struct cgrp **out)
{
	*out = cgrp_find(r->i->key);
	return *out ? 0 : -ENODEV;
}

/* ---- inodes ----------------------------------------------------------------------------------- */

static int file_of(const struct pfs_entry *e)
{
	return S_ISDIR(e->mode) ? CGROUP_DIR : (int)e->flags;
}

void cgroup_inode_made(struct pfs_inode *i)
{
	int file = file_of(i->entry);
	struct cgrp *cg = file < CGROUP_FILES ? cgrp_find(i->key) : NULL;

	if (!cg)
		return;
	mutex_lock(&tasklist.lock);
	if (cg->attrs[file].set) {
		i->inode.mode = (i->inode.mode & S_IFMT) | cg->attrs[file].mode;
		i->inode.uid = cg->attrs[file].uid;
		i->inode.gid = cg->attrs[file].gid;
	}
	mutex_unlock(&tasklist.lock);
	cgrp_put(cg);
}

int cgroup_inode_setattr(const struct pfs_req *r, const struct setattr *a)
{
	int file = file_of(r->i->entry);
	struct cgrp_attr *attr;
	struct cgrp *cg;
	int err = file < CGROUP_FILES ? group_of(r, &cg) : -EPERM;

	if (err)
		return err;
	attr = &cg->attrs[file];
	mutex_lock(&tasklist.lock);
	if (!attr->set) {
		attr->mode = r->i->inode.mode & 07777;
		attr->uid = r->i->inode.uid;
		attr->gid = r->i->inode.gid;
	}
	attr->set = true;
	if (a->mask & SETATTR_MODE)
		attr->mode = a->mode & 07777;
	if (a->mask & SETATTR_UID)
		attr->uid = a->uid;
	if (a->mask & SETATTR_GID)
		attr->gid = a->gid;
	mutex_unlock(&tasklist.lock);
	cgrp_put(cg);
	return 0;
}

static void events_made(struct pfs_inode *i)
{
	latch_lock(&events_latch);
	list_append(&events, &i->extra);
	latch_unlock(&events_latch);
}

static void events_gone(struct pfs_inode *i)
{
	latch_lock(&events_latch);
	list_remove(&i->extra);
	latch_unlock(&events_latch);
}

/* The next inode of that group's cgroup.events after the first *skip, referenced. */
static struct inode *events_find(int64_t id, unsigned int skip)
{
	struct pfs_inode *i;
	struct inode *found = NULL;

	latch_lock(&events_latch);
	list_for_each_entry(i, &events, extra) {
		if (i->key != id || skip-- > 0)
			continue;
		if (ref_try_get(&i->inode.ref))
			found = &i->inode;
		break;
	}
	latch_unlock(&events_latch);
	return found;
}

void cgroupfs_changed(int64_t id)
{
	struct inode *i;

	for (unsigned int n = 0; (i = events_find(id, n)) != NULL; n++) {
		fsnotify_inode(i, IN_MODIFY);
		inode_put(i);
	}
}

/* ---- directories ------------------------------------------------------------------------------ */

int cgroup_dir_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	struct cgrp *cg, *c;
	int err = group_of(r, &cg);

	if (err)
		return -ENOENT;
	err = -ENOENT;
	mutex_lock(&tasklist.lock);
	list_for_each_entry(c, &cg->children, sibling) {
		if (!strcmp(c->name, name)) {
			out->entry = &cgroup_group;
			out->key = c->id;
			err = 0;
			break;
		}
	}
	mutex_unlock(&tasklist.lock);
	cgrp_put(cg);
	return err;
}

int cgroup_dir_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	struct cgrp *cg, *c;
	int found = 0;

	if (group_of(r, &cg))
		return 0;
	mutex_lock(&tasklist.lock);
	list_for_each_entry(c, &cg->children, sibling) {
		if (c->id >= from) {
			out->entry = &cgroup_group;
			out->key = out->cookie = c->id;
			snprintf(out->name, sizeof(out->name), "%s", c->name);
			found = 1;
			break;
		}
	}
	mutex_unlock(&tasklist.lock);
	cgrp_put(cg);
	return found;
}

int cgroup_dir_mkdir(const struct pfs_req *r, const char *name, const struct inode_attr_new *a)
{
	struct cgrp *cg;
	int err;

	if (strchr(name, '\n'))
		return -EINVAL;
	err = group_of(r, &cg);
	if (err)
		return err;
	err = cgrp_make(cg, name, a->mode, a->uid, a->gid);
	cgrp_put(cg);
	return err;
}

int cgroup_dir_rmdir(const struct pfs_req *r, struct pfs_inode *child)
{
	struct cgrp *cg = cgrp_find(child->key);
	int err;

	(void)r;
	if (!cg)
		return -ENOENT;
	err = cgrp_remove(cg);
	cgrp_put(cg);
	return err;
}

static bool group_alive(const struct pfs_req *r)
{
	struct cgrp *cg;

	if (group_of(r, &cg))
		return false;
	cgrp_put(cg);
	return true;
}

/* ---- members ---------------------------------------------------------------------------------- */

static bool is_member(struct process *p, const struct cgrp *cg, bool below)
{
	bool yes;

	mutex_lock(&tasklist.lock);
	yes = p->state == PROCESS_ALIVE && (below ? cgrp_below_locked(p->cgroup, cg) : p->cgroup == cg);
	mutex_unlock(&tasklist.lock);
	return yes;
}

static struct pid_ns *reader_pid_ns(const struct pfs_req *r)
{
	const struct container *k = view_container(r);

	return r->reader ? task_pid_ns(r->reader) : k ? k->pid_ns : NULL;
}

static int show_members(const struct pfs_req *r, struct buf *b, bool threads)
{
	struct pid_ns *ns = reader_pid_ns(r);
	struct process *p;
	struct cgrp *cg;
	int32_t nr = 0;
	int err = group_of(r, &cg);

	if (err)
		return err;
	while (ns && (p = process_next(ns, nr + 1, &nr)) != NULL) {
		bool in = is_member(p, cg, false);
		struct task *t;
		int32_t tid = 0;

		if (in && !threads)
			buf_printf(b, "%d\n", nr);
		while (in && threads && (t = process_next_task(p, ns, tid + 1, &tid)) != NULL) {
			buf_printf(b, "%d\n", tid);
			task_put(t);
		}
		process_put(p);
	}
	cgrp_put(cg);
	return 0;
}

int cgroup_show_procs(const struct pfs_req *r, struct buf *b)
{
	return show_members(r, b, false);
}

int cgroup_show_threads(const struct pfs_req *r, struct buf *b)
{
	return show_members(r, b, true);
}

/* May cred write cg's cgroup.procs?  tasklist.lock held. */
static bool may_write_locked(const struct cgrp *cg, const struct cred *cred, const struct user_ns *ns)
{
	const struct cgrp_attr *a = &cg->attrs[CGROUP_PROCS];
	uint32_t mode = a->set ? a->mode : 0644, uid = a->set ? a->uid : 0, gid = a->set ? a->gid : 0;

	if (cred->fsuid == uid)
		mode >>= 6;
	else if (cred_in_fsgroup(cred, gid))
		mode >>= 3;
	return (mode & 2) || cred_capable_ns(cred, ns, CAP_DAC_OVERRIDE);
}

/* Whom text names may go to cg, as far as its writer is concerned: who opened the file must be able to
 * write the group's where the ways of old and new meet. */
static int move_locked(const struct pfs_req *r, struct process *p, struct cgrp *to)
{
	const struct cgrp *common = to;

	if (!p->cgroup)
		return -ESRCH;
	while (common && !cgrp_below_locked(p->cgroup, common))
		common = common->parent;
	if (!common)
		return -ENOENT; /* another container's */
	if (!may_write_locked(common, r->opener, r->i->inode.sb->user_ns))
		return -EACCES;
	return cgrp_move_locked(p, to);
}

int cgroup_write_procs(const struct pfs_req *r, char *text, size_t size)
{
	struct cgrp *to, *from = NULL;
	struct task *t;
	long nr;
	int err;

	(void)size;
	if (sysctl_parse_longs(text, &nr, 1, 0, INT32_MAX) != 1)
		return -EINVAL;
	if (!r->reader)
		return -EINVAL;
	err = group_of(r, &to);
	if (err)
		return err;
	t = nr ? task_lookup(task_pid_ns(r->reader), (int32_t)nr) : task_get(r->reader);
	err = -ESRCH;
	if (t) {
		mutex_lock(&tasklist.lock);
		from = cgrp_get(t->process->cgroup);
		err = move_locked(r, t->process, to);
		mutex_unlock(&tasklist.lock);
		task_put(t);
	}
	cgrp_tell(from);
	cgrp_tell(to);
	cgrp_put(from);
	cgrp_put(to);
	return err;
}

/* Threads of a process can't be apart: there are no threaded groups. */
int cgroup_write_threads(const struct pfs_req *r, char *text, size_t size)
{
	(void)r, (void)text, (void)size;
	return -EOPNOTSUPP;
}

int cgroup_write_subtree(const struct pfs_req *r, char *text, size_t size)
{
	static const char *const known[] = { "cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc" };
	char *next;

	(void)r, (void)size;
	for (char *w = strtok_r(text, " \n", &next); w; w = strtok_r(NULL, " \n", &next)) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			is_known |= !strcmp(w + 1, known[i]);
		if ((*w != '+' && *w != '-') || !is_known)
			return -EINVAL;
		if (*w == '+')
			return -ENOENT;
	}
	return 0;
}

static int write_kill(const struct pfs_req *r, char *text, size_t size)
{
	struct pid_ns *ns = reader_pid_ns(r);
	struct process *p;
	struct cgrp *cg;
	int32_t nr = 0;
	long v;
	int err;

	(void)size;
	if (sysctl_parse_longs(text, &v, 1, INT32_MIN, INT32_MAX) != 1)
		return -EINVAL;
	if (v != 1)
		return -ERANGE;
	err = group_of(r, &cg);
	if (err)
		return err;
	while (ns && (p = process_next(ns, nr + 1, &nr)) != NULL) {
		if (is_member(p, cg, true))
			(void)!sig_send_process(p, SIGKILL, NULL);
		process_put(p);
	}
	cgrp_put(cg);
	return 0;
}

/* ---- what is shown ---------------------------------------------------------------------------- */

static int show_text(const struct pfs_req *r, struct buf *b)
{
	buf_puts(b, r->i->entry->arg);
	return 0;
}

static int count_group(const struct pfs_req *r, bool *populated, unsigned int *descendants)
{
	struct cgrp *cg;
	int err = group_of(r, &cg);

	if (err)
		return err;
	mutex_lock(&tasklist.lock);
	*populated = cgrp_populated_locked(cg);
	*descendants = cgrp_descendants_locked(cg);
	mutex_unlock(&tasklist.lock);
	cgrp_put(cg);
	return 0;
}

static int show_events(const struct pfs_req *r, struct buf *b)
{
	unsigned int below;
	bool populated;
	int err = count_group(r, &populated, &below);

	if (err == 0)
		buf_printf(b, "populated %d\nfrozen 0\n", populated);
	return err;
}

int cgroup_show_stat(const struct pfs_req *r, struct buf *b)
{
	unsigned int below;
	bool populated;
	int err = count_group(r, &populated, &below);

	if (err == 0)
		buf_printf(b, "nr_descendants %u\nnr_dying_descendants 0\n", below);
	return err;
}

static int show_cpu_stat(const struct pfs_req *r, struct buf *b)
{
	struct pid_ns *ns = reader_pid_ns(r);
	int64_t user, system, u, s;
	struct process *p;
	struct cgrp *cg;
	int32_t nr = 0;
	int err = group_of(r, &cg);

	if (err)
		return err;
	mutex_lock(&tasklist.lock);
	user = cg->user_ns;
	system = cg->system_ns;
	mutex_unlock(&tasklist.lock);
	while (ns && (p = process_next(ns, nr + 1, &nr)) != NULL) {
		if (is_member(p, cg, true)) {
			process_cpu_time(p, &u, &s);
			user += u;
			system += s;
		}
		process_put(p);
	}
	cgrp_put(cg);
	buf_printf(b, "usage_usec %lld\nuser_usec %lld\nsystem_usec %lld\n", (long long)(user + system) / 1000,
		   (long long)user / 1000, (long long)system / 1000);
	return 0;
}

#define TEXT(name_, text_)                                                                       \
	{ .name = name_, .mode = S_IFREG | 0444, .flags = CGROUP_FILES, .show = show_text, .arg = (text_) }
#define SHOW(name_, fn_) { .name = name_, .mode = S_IFREG | 0444, .flags = CGROUP_FILES, .show = (fn_) }

static const struct pfs_entry group_rows[] = {
	CGROUP_FILE("cgroup.procs", CGROUP_PROCS, cgroup_show_procs, cgroup_write_procs),
	CGROUP_FILE("cgroup.threads", CGROUP_THREADS, cgroup_show_threads, cgroup_write_threads),
	{ .name = "cgroup.subtree_control", .mode = S_IFREG | 0644, .flags = CGROUP_SUBTREE,
	  .show = show_text, .arg = "\n", .write = cgroup_write_subtree, .made = cgroup_inode_made,
	  .setattr = cgroup_inode_setattr },
	{ .name = "cgroup.events", .mode = S_IFREG | 0444, .flags = CGROUP_FILES, .show = show_events,
	  .made = events_made, .gone = events_gone },
	{ .name = "cgroup.kill", .mode = S_IFREG | 0200, .flags = CGROUP_FILES, .write = write_kill },
	TEXT("cgroup.controllers", "\n"),
	TEXT("cgroup.type", "domain\n"),
	TEXT("cgroup.max.depth", "max\n"),
	TEXT("cgroup.max.descendants", "max\n"),
	SHOW("cgroup.stat", cgroup_show_stat),
	SHOW("cpu.stat", show_cpu_stat),
	{ .name = NULL },
};
static const struct pfs_dir group_dir = {
	.entries = group_rows, CGROUP_DIR_SLOTS,
};
const struct pfs_entry cgroup_group = {
	.name = "group", .mode = S_IFDIR | 0755, .dir = &group_dir, .alive = group_alive,
	.made = cgroup_inode_made, .setattr = cgroup_inode_setattr,
};

/* ---- clone3(CLONE_INTO_CGROUP) ---------------------------------------------------------------- */

int cgroupfs_group_of(struct task *t, int fd, struct cgrp **out)
{
	const struct cgrp *common;
	struct file *f = fdt_file(t->fdt, fd);
	struct inode *i;
	int err = 0;

	*out = NULL;
	if (!f)
		return -EBADF;
	i = f->inode;
	if (S_ISDIR(i->mode) && i->sb->type == &cgroup2_type)
		*out = cgrp_find(pfs_inode_of(i)->key);
	else
		err = -EBADF;
	if (!err && !*out)
		err = -ENODEV;
	if (!err) {
		mutex_lock(&tasklist.lock);
		common = *out;
		while (common && !cgrp_below_locked(t->process->cgroup, common))
			common = common->parent;
		if (!common)
			err = -ENOENT;
		else if (!may_write_locked(common, t->cred, i->sb->user_ns) ||
			 !may_write_locked(*out, t->cred, i->sb->user_ns))
			err = -EACCES;
		mutex_unlock(&tasklist.lock);
	}
	file_put(f);
	return err;
}
