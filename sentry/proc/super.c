/* SPDX-License-Identifier: Apache-2.0 */
/*
 * super.c: mounting proc, and its root directory: registered files and processes.
 *
 * Each mount is an instance of its own with its own options, as on Linux since 5.8, and shows the
 * pid namespace of whoever mounted it.
 *
 * Linux: fs/proc/root.c, fs/proc/base.c (has_pid_permissions, proc_pid_lookup, proc_pid_readdir).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/container.h"
#include "sentry/proc/proc_impl.h"
#include "vfs/user_ns.h"

#define PROC_SUPER_MAGIC 0x9fa0

/* The registered files; its directory functions are the root's tree part. */
struct pfs_node proc_root_node = PFS_NODE_ROOT(proc_root_node, 0555);

int proc_add(const char *path, const struct pfs_entry *e)
{
	return pfs_node_add(&proc_root_node, path, e);
}

/* ---- whose view ------------------------------------------------------------------------------- */

struct pid_ns *proc_pid_ns(const struct pfs_req *r)
{
	return proc_super_of(r)->ns;
}

const struct container *proc_container(const struct pfs_req *r)
{
	if (r->reader)
		return r->reader->process->container;
	return proc_super_of(r)->container;
}

struct ns_set *proc_ns_get(const struct pfs_req *r)
{
	const struct container *k;

	if (r->target)
		return task_ns_get(r->target);
	if (r->reader)
		return task_ns_get(r->reader);
	k = proc_super_of(r)->container;
	return k && k->ns ? ns_set_get(k->ns) : NULL;
}

uint32_t proc_uid(const struct pfs_req *r, uint32_t uid)
{
	return user_ns_from_kernel_munged(r->c->cred->user_ns, ID_UID, uid);
}

uint32_t proc_gid(const struct pfs_req *r, uint32_t gid)
{
	return user_ns_from_kernel_munged(r->c->cred->user_ns, ID_GID, gid);
}

bool proc_may_access(const struct pfs_req *r, unsigned int mode)
{
	return !r->reader || !r->target || task_may_access(r->reader, r->target, mode | PTRACE_FSCREDS);
}

bool proc_may_see(const struct pfs_req *r, struct task *t, enum hide_pid min)
{
	const struct proc_super *s = proc_super_of(r);

	if (!r->reader)
		return true;
	if (s->hide == HIDE_PID_PTRACEABLE)
		return task_may_access(r->reader, t, PTRACE_READ | PTRACE_FSCREDS);
	if (s->hide < min || cred_in_fsgroup(r->c->cred, s->gid))
		return true;
	return task_may_access(r->reader, t, PTRACE_READ | PTRACE_FSCREDS);
}

/* ---- the root directory ----------------------------------------------------------------------- */

/* A name that is a process's number and nothing else; -1: it isn't. */
static int32_t pid_of_name(const char *name)
{
	int32_t n = 0;

	if (*name < '1' || *name > '9')
		return -1;
	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return -1;
		n = n * 10 + (*name - '0');
		if (n >= PID_MAX_LIMIT)
			return -1;
	}
	return n;
}

/* Threads other than leaders are found too, though they are not listed (proc(5)). */
static int root_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	int32_t nr = pid_of_name(name);
	struct task *t;
	struct pid *pid;

	if (nr < 0) {
		if (proc_super_of(r)->subset_pid && strcmp(name, "self") && strcmp(name, "thread-self"))
			return -ENOENT;
		return pfs_node_lookup_in(&proc_root_node, name, out);
	}
	pid = pid_lookup(proc_pid_ns(r), nr);
	if (!pid)
		return -ENOENT;
	t = NULL;
	mutex_lock(&tasklist.lock);
	if (pid->task)
		t = task_get(pid->task);
	else if (pid->process && pid->process->leader)
		t = task_get(pid->process->leader);
	mutex_unlock(&tasklist.lock);
	if (!t || (proc_super_of(r)->hide == HIDE_PID_PTRACEABLE &&
		   !proc_may_see(r, t, HIDE_PID_PTRACEABLE))) {
		task_put(t);
		pid_put(pid);
		return -ENOENT;
	}
	task_put(t);
	out->entry = &proc_tgid_entry;
	out->pid = pid;
	return 0;
}

#define ROOT_COOKIE_PIDS 4096 /* registered names come before */

static int root_next_node(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	int n;

	while ((n = pfs_node_next_in(&proc_root_node, from, out)) == 1) {
		if (!proc_super_of(r)->subset_pid || S_ISLNK(out->entry->mode))
			return 1;
		from = out->cookie + 1;
	}
	return n;
}

static int root_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	struct pid_ns *ns = proc_pid_ns(r);
	struct process *p;
	int32_t nr;

	if (from < ROOT_COOKIE_PIDS) {
		if (root_next_node(r, from, out))
			return 1;
		from = ROOT_COOKIE_PIDS;
	}
	if (from - ROOT_COOKIE_PIDS > PID_MAX_LIMIT)
		return 0;
	nr = (int32_t)MAX(from - ROOT_COOKIE_PIDS, (int64_t)1);
	while ((p = process_next(ns, nr, &nr)) != NULL) {
		struct task *t;
		bool see;

		mutex_lock(&tasklist.lock);
		t = p->leader ? task_get(p->leader) : NULL;
		mutex_unlock(&tasklist.lock);
		see = t && proc_may_see(r, t, HIDE_PID_INVISIBLE);
		task_put(t);
		process_put(p);
		if (see) {
			out->entry = &proc_tgid_entry;
			out->cookie = ROOT_COOKIE_PIDS + nr;
			snprintf(out->name, sizeof(out->name), "%d", nr);
			return 1;
		}
		nr++;
	}
	return 0;
}

static void root_attr(const struct pfs_req *r, struct attr *a)
{
	a->nlink = 2 + proc_pid_ns(r)->count;
}

static const struct pfs_dir root_dir = { .lookup = root_lookup, .next = root_next };

static const struct pfs_entry root_entry = {
	.name = "/",
	.mode = S_IFDIR | 0555,
	.dir = &root_dir,
	.attr = root_attr,
};

/* ---- mounting --------------------------------------------------------------------------------- */

static int parse_hide(const char *v, enum hide_pid *out)
{
	static const struct { const char *name; enum hide_pid hide; } names[] = {
		{ "0", HIDE_PID_OFF }, { "1", HIDE_PID_NO_ACCESS }, { "2", HIDE_PID_INVISIBLE },
		{ "4", HIDE_PID_PTRACEABLE }, { "off", HIDE_PID_OFF },
		{ "noaccess", HIDE_PID_NO_ACCESS }, { "invisible", HIDE_PID_INVISIBLE },
		{ "ptraceable", HIDE_PID_PTRACEABLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(v, names[i].name)) {
			*out = names[i].hide;
			return 0;
		}
	}
	return -EINVAL;
}

struct proc_options {
	struct proc_super *s;
	struct vfs_ctx *c; /* NULL: only to be checked */
};

static int parse_option(void *arg, char *key, char *value)
{
	struct proc_options *o = arg;
	struct proc_super *s = o->s;
	unsigned long n;
	char *end;

	if (!value)
		return -EINVAL;
	if (!strcmp(key, "hidepid"))
		return parse_hide(value, &s->hide);
	if (!strcmp(key, "subset") && !strcmp(value, "pid")) {
		s->subset_pid = true;
		return 0;
	}
	if (!strcmp(key, "gid")) {
		n = strtoul(value, &end, 0);
		if (end == value || *end || n >= UINT32_MAX)
			return -EINVAL;
		s->gid = o->c ? user_ns_to_kernel(o->c->cred->user_ns, ID_GID, (uint32_t)n) : (uint32_t)n;
		return s->gid == ID_INVALID ? -EINVAL : 0;
	}
	return -EINVAL;
}

static int parse_options(struct proc_super *s, struct vfs_ctx *c, const char *data)
{
	return fs_options_each(data, parse_option, &(struct proc_options){ s, c });
}

static void proc_super_free(struct pfs_super *pfs)
{
	struct proc_super *s = container_of(pfs, struct proc_super, pfs);

	pid_ns_put(s->ns);
	mem_free(s);
}

static void proc_show_options(struct pfs_super *pfs, struct buf *b)
{
	static const char *const names[] = { "off", "noaccess", "invisible", "", "ptraceable" };
	const struct proc_super *s = container_of(pfs, struct proc_super, pfs);

	if (s->gid)
		buf_printf(b, ",gid=%u", s->gid);
	if (s->hide != HIDE_PID_OFF)
		buf_printf(b, ",hidepid=%s", names[s->hide]);
	if (s->subset_pid)
		buf_puts(b, ",subset=pid");
}

static int proc_reconfigure(struct pfs_super *pfs, const char *data)
{
	struct proc_super *s = container_of(pfs, struct proc_super, pfs);
	struct proc_super next = *s;
	int err = parse_options(&next, NULL, data);

	if (err)
		return err;
	s->hide = next.hide;
	s->gid = next.gid;
	s->subset_pid = next.subset_pid;
	return 0;
}

/* fs_data: the container that is being set up, where there is no task yet. */
static int proc_mount(struct vfs_ctx *c, const struct fs_type *t, const char *source, const char *data,
		      void *fs_data, struct super **out)
{
	struct container *k = fs_data;
	struct pid_ns *ns = ctx_task(c) ? task_pid_ns(ctx_task(c)) : k ? k->pid_ns : NULL;
	struct proc_super *s;
	int err;

	(void)source;
	if (!ns)
		return -EINVAL;
	s = mem_new(struct proc_super);
	if (!s)
		return -ENOMEM;
	s->pfs.magic = PROC_SUPER_MAGIC;
	s->pfs.free = proc_super_free;
	s->pfs.show_options = proc_show_options;
	s->pfs.reconfigure = proc_reconfigure;
	s->container = ctx_task(c) ? NULL : k;
	s->ns = pid_ns_get(ns);
	err = parse_options(s, c, data);
	if (err) {
		proc_super_free(&s->pfs);
		return err;
	}
	return pfs_super_new(t, &s->pfs, &root_entry, out); /* consumes s */
}

static struct user_ns *proc_owner(struct vfs_ctx *c)
{
	return ctx_task(c) ? task_pid_ns(ctx_task(c))->user_ns : c->cred->user_ns;
}

static int proc_check_options(const char *data)
{
	struct proc_super s = { .hide = HIDE_PID_OFF };

	return parse_options(&s, NULL, data);
}

static struct fs_type proc_type = {
	.name = "proc",
	.flags = FS_NODEV | FS_USERNS_MOUNT | FS_USERNS_VISIBLE | FS_OF_CONTAINER,
	.owner = proc_owner,
	.mount = proc_mount,
	.check_options = proc_check_options,
};

int procfs_init(void)
{
	int err = proc_root_init();

	if (!err)
		err = proc_machine_init();
	if (!err)
		err = proc_net_init();
	if (!err)
		err = proc_sysctl_init();
	if (!err)
		err = nsfs_init();
	if (!err)
		fs_type_register(&proc_type);
	return err;
}
