/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pid.c: the directories /proc/PID and /proc/PID/task/TID: the table of their files, and the short
 * ones of these.
 *
 * To add a file: a row in pid_rows, and a function.  Rows without a flag are in both directories.
 *
 * Linux: fs/proc/base.c (tgid_base_stuff, tid_base_stuff).
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/time/time_ns.h"
#include "sentry/kernel.h"
#include "sentry/proc/proc_impl.h"
#include "sentry/task/cgrp.h"
#include "vfs/user_ns.h"

/* ---- short files ------------------------------------------------------------------------------ */

static int show_comm(const struct pfs_req *r, struct buf *b)
{
	proc_put_comm(r->target, b, "");
	buf_putc(b, '\n');
	return 0;
}

/* Threads of one process may name each other. */
static int write_comm(const struct pfs_req *r, char *text, size_t size)
{
	(void)size;
	if (!r->reader || r->reader->process != r->target->process)
		return -EINVAL;
	task_set_comm(r->target, text);
	return 0;
}

static int show_limits(const struct pfs_req *r, struct buf *b)
{
	static const struct { const char *name, *unit; } names[] = {
		{ "Max cpu time", "seconds" },      { "Max file size", "bytes" },
		{ "Max data size", "bytes" },       { "Max stack size", "bytes" },
		{ "Max core file size", "bytes" },  { "Max resident set", "bytes" },
		{ "Max processes", "processes" },   { "Max open files", "files" },
		{ "Max locked memory", "bytes" },   { "Max address space", "bytes" },
		{ "Max file locks", "locks" },      { "Max pending signals", "signals" },
		{ "Max msgqueue size", "bytes" },   { "Max nice priority", "" },
		{ "Max realtime priority", "" },    { "Max realtime timeout", "us" },
	};
	struct process *p = r->target->process;
	struct rlimit limits[ARRAY_SIZE(names)];

	latch_lock(&p->rlimit_latch);
	memcpy(limits, p->rlimits, sizeof(limits));
	latch_unlock(&p->rlimit_latch);
	buf_printf(b, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		buf_printf(b, "%-25s ", names[i].name);
		if (limits[i].rlim_cur == RLIM_INFINITY)
			buf_printf(b, "%-20s ", "unlimited");
		else
			buf_printf(b, "%-20llu ", (unsigned long long)limits[i].rlim_cur);
		if (limits[i].rlim_max == RLIM_INFINITY)
			buf_printf(b, "%-20s ", "unlimited");
		else
			buf_printf(b, "%-20llu ", (unsigned long long)limits[i].rlim_max);
		buf_printf(b, "%-10s\n", names[i].unit);
	}
	return 0;
}

/* ---- OOM -------------------------------------------------------------------------------------- */

static int adj_of(const struct process *p)
{
	return __atomic_load_n(&p->oom_score_adj, __ATOMIC_RELAXED);
}

/* mm/oom_kill.c: oom_badness(), fs/proc/base.c: proc_oom_score(). */
static int show_oom_score(const struct pfs_req *r, struct buf *b)
{
	struct kernel_memory m;
	struct plat_mem_usage u;
	struct mm *mm = task_mm_get(r->target);
	int64_t total, points = 0;

	kernel_memory(r->target->process->container, &m);
	total = (int64_t)MAX(m.total / PAGE_SIZE, (uint64_t)1);
	if (mm && adj_of(r->target->process) != -1000 && plat_mm_usage(mm->plat, &u) == 0) {
		points = (int64_t)(u.rss_bytes / PAGE_SIZE) +
			 adj_of(r->target->process) * total / 1000;
		points = (1000 + points * 1000 / total) * 2 / 3;
	}
	mm_put(mm);
	buf_printf(b, "%lld\n", (long long)MAX(points, (int64_t)0));
	return 0;
}

static int show_oom_score_adj(const struct pfs_req *r, struct buf *b)
{
	buf_printf(b, "%d\n", adj_of(r->target->process));
	return 0;
}

static int set_adj(const struct pfs_req *r, int adj)
{
	struct process *p = r->target->process;

	if (adj < adj_of(p) && r->reader && !task_capable(r->reader, CAP_SYS_RESOURCE))
		return -EACCES;
	__atomic_store_n(&p->oom_score_adj, adj, __ATOMIC_RELAXED);
	return 0;
}

static int parse_int(char *text, long *out)
{
	return sysctl_parse_longs(text, out, 1, INT32_MIN, INT32_MAX) == 1 ? 0 : -EINVAL;
}

static int write_oom_score_adj(const struct pfs_req *r, char *text, size_t size)
{
	long v;

	(void)size;
	if (parse_int(text, &v) || v < -1000 || v > 1000)
		return -EINVAL;
	return set_adj(r, (int)v);
}

/* The old scale: -17 (never) to 15. */
static int show_oom_adj(const struct pfs_req *r, struct buf *b)
{
	int adj = adj_of(r->target->process);

	buf_printf(b, "%d\n", adj == 1000 ? 15 : adj * 17 / 1000);
	return 0;
}

static int write_oom_adj(const struct pfs_req *r, char *text, size_t size)
{
	long v;

	(void)size;
	if (parse_int(text, &v) || v < -17 || v > 15)
		return -EINVAL;
	return set_adj(r, v == 15 ? 1000 : (int)v * 1000 / 17);
}

/* ---- odds and ends ---------------------------------------------------------------------------- */

/* One v2 hierarchy; paths are those of the reader's cgroup namespace. */
static int show_cgroup(const struct pfs_req *r, struct buf *b)
{
	struct ns_set *ns = r->reader ? task_ns_get(r->reader) : NULL;
	const struct cgrp *cg;

	buf_puts(b, "0::");
	mutex_lock(&tasklist.lock);
	cg = r->target->process->cgroup;
	if (cg)
		cgrp_path_locked(cg, ns && ns->cgroup ? ns->cgroup->root : NULL, b);
	else
		buf_puts(b, "/");
	mutex_unlock(&tasklist.lock);
	buf_puts(b, "\n");
	ns_set_put(ns);
	return 0;
}

static int show_cpuset(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	buf_puts(b, "/\n");
	return 0;
}

static int show_loginuid(const struct pfs_req *r, struct buf *b)
{
	const struct task *t = r->target;
	const struct cred *c = r->opener ? r->opener : r->c->cred;

	buf_printf(b, "%u", t->login_session ? user_ns_from_kernel_munged(c->user_ns, ID_UID, t->login_uid) :
					       UINT32_MAX);
	return 0;
}

static int show_sessionid(const struct pfs_req *r, struct buf *b)
{
	buf_printf(b, "%u", r->target->login_session ? r->target->login_session : UINT32_MAX);
	return 0;
}

/*
 * pam_loginuid says who logs in; nothing else comes of it, as there is no audit.  The first time needs
 * no capability (kernel/auditsc.c: audit_set_loginuid_perm).
 */
static int write_loginuid(const struct pfs_req *r, char *text, size_t size)
{
	static atomic_uint sessions;
	const struct cred *c = r->opener ? r->opener : r->c->cred;
	struct task *t = r->target;
	unsigned long id;
	uint32_t uid;
	char *end;

	(void)size;
	if (r->reader != t)
		return -EPERM;
	errno = 0;
	id = strtoul(text, &end, 10);
	if (end == text || errno || id > UINT32_MAX || end[strspn(end, "\n")])
		return -EINVAL;
	uid = id == UINT32_MAX ? ID_INVALID : user_ns_to_kernel(c->user_ns, ID_UID, (uint32_t)id);
	if (uid == ID_INVALID && id != UINT32_MAX)
		return -EINVAL;
	if (t->login_session && !task_capable(t, CAP_AUDIT_CONTROL))
		return -EPERM;
	t->login_uid = uid;
	t->login_session = uid == ID_INVALID ? 0 : 1 + atomic_fetch_add_explicit(&sessions, 1, memory_order_relaxed);
	return 0;
}

static int may_attach(const struct pfs_req *r)
{
	return proc_may_access(r, PTRACE_ATTACH_) ? 0 : -EPERM;
}

static int show_personality(const struct pfs_req *r, struct buf *b)
{
	if (may_attach(r))
		return -EPERM;
	buf_printf(b, "%08x\n", r->target->personality);
	return 0;
}

static int show_syscall(const struct pfs_req *r, struct buf *b)
{
	struct task *t = r->target;
	uint64_t nr = __atomic_load_n(&t->syscall_nr, __ATOMIC_RELAXED);
	struct plat_thread *pt;

	if (may_attach(r))
		return -EPERM;
	pt = proc_task_state(r, t) == 'R' ? NULL : task_pt_pin(t);
	if (!pt) {
		buf_puts(b, "running\n");
		return 0;
	}
	if (nr == ~0ull) {
		/* Asleep in application code: a native wait, whose registers we do not have. */
		task_pt_unpin(t);
		buf_puts(b, "-1 0x0 0x0\n");
		return 0;
	}
	buf_printf(b, "%llu", (unsigned long long)nr);
	for (int i = 0; i < 6; i++)
		buf_printf(b, " 0x%llx",
			   (unsigned long long)__atomic_load_n(&t->syscall_args[i], __ATOMIC_RELAXED));
	buf_printf(b, " 0x%llx 0x%llx\n", (unsigned long long)plat_regs(pt)->rsp,
		   (unsigned long long)plat_regs(pt)->rip);
	task_pt_unpin(t);
	return 0;
}

static int show_wchan(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	buf_putc(b, '0');
	return 0;
}

/* Kernel stacks are the Sentry's own business: as on Linux for who has no CAP_SYS_ADMIN. */
static int show_stack(const struct pfs_req *r, struct buf *b)
{
	(void)r, (void)b;
	return -EACCES;
}

static int show_attr(const struct pfs_req *r, struct buf *b)
{
	(void)r, (void)b;
	return -EINVAL; /* no security module */
}

static int write_attr(const struct pfs_req *r, char *text, size_t size)
{
	(void)r, (void)text, (void)size;
	return -EINVAL;
}

static bool may_see_slack(const struct pfs_req *r)
{
	return r->target == r->reader || !r->reader || task_capable(r->reader, CAP_SYS_NICE);
}

static int show_timerslack(const struct pfs_req *r, struct buf *b)
{
	if (!may_see_slack(r))
		return -EPERM;
	buf_printf(b, "%llu\n",
		   (unsigned long long)__atomic_load_n(&r->target->timer_slack_ns, __ATOMIC_RELAXED));
	return 0;
}

static int write_timerslack(const struct pfs_req *r, char *text, size_t size)
{
	long v;

	(void)size;
	if (sysctl_parse_longs(text, &v, 1, 0, INT64_MAX) != 1)
		return -EINVAL;
	if (!may_see_slack(r))
		return -EPERM;
	__atomic_store_n(&r->target->timer_slack_ns, v ? (uint64_t)v : r->target->timer_slack_default_ns,
			 __ATOMIC_RELAXED);
	return 0;
}

static int show_schedstat(const struct pfs_req *r, struct buf *b)
{
	int64_t u, s;

	task_cpu_time(r->target, &u, &s);
	buf_printf(b, "%lld 0 %llu\n", (long long)(u + s),
		   (unsigned long long)(r->target->nvcsw + r->target->nivcsw));
	return 0;
}

static struct time_ns *timens_of(struct task *t)
{
	struct ns_set *set = task_ns_get(t);
	struct time_ns *ns = set ? time_ns_get(set->time_for_children) : NULL;

	ns_set_put(set);
	return ns;
}

static void put_offset(struct buf *b, const char *name, int64_t ns)
{
	int64_t sec = ns / NSEC_PER_SEC, nsec = ns % NSEC_PER_SEC;

	if (nsec < 0) {
		nsec += NSEC_PER_SEC;
		sec--;
	}
	buf_printf(b, "%-10s %10lld %9lld\n", name, (long long)sec, (long long)nsec);
}

static int show_timens_offsets(const struct pfs_req *r, struct buf *b)
{
	struct time_ns *ns = timens_of(r->target);

	put_offset(b, "monotonic", time_ns_offset(ns, CLOCK_KIND_MONO));
	put_offset(b, "boottime", time_ns_offset(ns, CLOCK_KIND_BOOT));
	time_ns_put(ns);
	return 0;
}

/* One line: clock (name or number), seconds, nanoseconds. */
static int parse_offset(const char *line, int64_t *mono, int64_t *boot, int64_t **which)
{
	char clock[16];
	long long sec, nsec, ns;

	if (sscanf(line, "%15s %lld %lld", clock, &sec, &nsec) != 3 || nsec < 0 || nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (!strcmp(clock, "monotonic") || !strcmp(clock, "1"))
		*which = mono;
	else if (!strcmp(clock, "boottime") || !strcmp(clock, "7"))
		*which = boot;
	else
		return -EINVAL;
	if (__builtin_mul_overflow(sec, NSEC_PER_SEC, &ns) || __builtin_add_overflow(ns, nsec, &ns))
		return -ERANGE;
	**which = ns;
	return 0;
}

static int write_timens_offsets(const struct pfs_req *r, char *text, size_t size)
{
	struct time_ns *ns = timens_of(r->target);
	int64_t mono = 0, boot = 0, *which = NULL;
	bool set_mono = false, set_boot = false;
	char *at = text, *line;
	int err = 0;

	(void)size;
	if (!cred_capable_ns(r->opener, ns ? ns->user_ns : user_ns_init, 25 /* CAP_SYS_TIME */))
		err = -EPERM;
	while (!err && (line = strsep(&at, "\n")) != NULL) {
		if (!*line)
			continue;
		err = parse_offset(line, &mono, &boot, &which);
		set_mono = set_mono || (!err && which == &mono);
		set_boot = set_boot || (!err && which == &boot);
	}
	if (!err && !set_mono && !set_boot)
		err = -EINVAL;
	if (!err)
		err = ns ? time_ns_set_offsets(ns, set_mono ? &mono : NULL, set_boot ? &boot : NULL) :
			   -EACCES;
	time_ns_put(ns);
	return err;
}

static int show_io(const struct pfs_req *r, struct buf *b)
{
	struct process *p = r->target->process;
	struct task_io io = { 0 };
	struct task *t;

	if (!proc_may_access(r, PTRACE_READ))
		return -EACCES;
	mutex_lock(&tasklist.lock);
	if (r->i->key == PROC_KEY_TID) {
		task_io_add(&io, &r->target->io);
	} else {
		task_io_add(&io, &p->io);
		list_for_each_entry(t, &p->tasks, process_node)
			if (t->state != 'Z' && t->state != 'X') /* those were added at their end */
				task_io_add(&io, &t->io);
	}
	mutex_unlock(&tasklist.lock);
	/* What of it reaches a disk only the host knows. */
	buf_printf(b,
		   "rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\nread_bytes: 0\n"
		   "write_bytes: 0\ncancelled_write_bytes: 0\n",
		   (unsigned long long)io.rchar, (unsigned long long)io.wchar,
		   (unsigned long long)io.syscr, (unsigned long long)io.syscw);
	return 0;
}

static int show_children(const struct pfs_req *r, struct buf *b)
{
	struct process *p = r->target->process, *c;

	mutex_lock(&tasklist.lock);
	list_for_each_entry(c, &p->children, sibling_node) {
		int32_t nr = process_nr_in(c, proc_pid_ns(r));

		if (nr && r->target == p->leader)
			buf_printf(b, "%d ", nr);
	}
	mutex_unlock(&tasklist.lock);
	return 0;
}

static int show_coredump_filter(const struct pfs_req *r, struct buf *b)
{
	struct mm *mm = task_mm_get(r->target);

	if (mm)
		buf_puts(b, "00000033\n");
	mm_put(mm);
	return 0;
}

/* ---- permissions of directories --------------------------------------------------------------- */

/* hidepid=1: the directory is there but shut; 2: as if it were not there. */
static int pid_permission(const struct pfs_req *r, unsigned int may)
{
	(void)may;
	if (proc_may_see(r, r->target, HIDE_PID_NO_ACCESS))
		return 0;
	return proc_super_of(r)->hide >= HIDE_PID_INVISIBLE ? -ENOENT : -EPERM;
}

/* Threads of the process itself always may; their files are shared anyhow. */
static int fd_permission(const struct pfs_req *r, unsigned int may)
{
	int err = pfs_mode_permission(r, may);

	return !r->reader || r->reader->process == r->target->process ? 0 : err;
}

static int fdinfo_permission(const struct pfs_req *r, unsigned int may)
{
	(void)may;
	return proc_may_access(r, PTRACE_READ) ? 0 : -EACCES;
}

static void fd_dir_attr(const struct pfs_req *r, struct attr *a)
{
	struct fdtable *fdt = task_fdt_get(r->target);
	struct file *f;

	for (int fd = fdt ? fdt_next(fdt, 0, &f) : -1; fd >= 0; fd = fdt_next(fdt, fd + 1, &f)) {
		a->size++;
		file_put(f);
	}
	fdt_put(r->c, fdt);
}

/* ---- task/ ------------------------------------------------------------------------------------ */

static int task_dir_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	struct pid *pid;
	bool ours;
	char *end;
	long nr = strtol(name, &end, 10);

	if (*name < '1' || *name > '9' || *end || nr > PID_MAX_LIMIT)
		return -ENOENT;
	pid = pid_lookup(proc_pid_ns(r), (int32_t)nr);
	if (!pid)
		return -ENOENT;
	mutex_lock(&tasklist.lock);
	ours = pid->task && pid->task->process == r->target->process;
	mutex_unlock(&tasklist.lock);
	if (!ours) {
		pid_put(pid);
		return -ENOENT;
	}
	out->entry = &proc_tid_entry;
	out->pid = pid;
	out->key = PROC_KEY_TID;
	return 0;
}

static int task_dir_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	struct task *t;
	int32_t nr;

	if (from > PID_MAX_LIMIT)
		return 0;
	t = process_next_task(r->target->process, proc_pid_ns(r), (int32_t)MAX(from, (int64_t)1), &nr);
	if (!t)
		return 0;
	task_put(t);
	out->entry = &proc_tid_entry;
	out->cookie = nr;
	snprintf(out->name, sizeof(out->name), "%d", nr);
	return 1;
}

/* Two and one a thread: sandboxes ask here whether they have only one. */
static void task_dir_attr(const struct pfs_req *r, struct attr *a)
{
	struct list *n;

	mutex_lock(&tasklist.lock);
	list_for_each(n, &r->target->process->tasks)
		a->nlink++;
	mutex_unlock(&tasklist.lock);
}

static const struct pfs_dir task_dir = { .lookup = task_dir_lookup, .next = task_dir_next };

/* ---- the table -------------------------------------------------------------------------------- */

#define SHOW(name_, mode_, fn_) { .name = name_, .mode = S_IFREG | (mode_), .show = (fn_) }
#define RW(name_, mode_, show_, write_) \
	{ .name = name_, .mode = S_IFREG | (mode_), .show = (show_), .write = (write_) }
#define MM(name_, mode_, fn_)                                                        \
	{ .name = name_, .mode = S_IFREG | (mode_), .show = (fn_), .open = proc_open_mm_read, \
	  .release = proc_release_mm }
#define MOUNTS(name_, mode_, fn_)                                                       \
	{ .name = name_, .mode = S_IFREG | (mode_), .show = (fn_), .open = proc_open_mounts, \
	  .release = proc_release_mounts, .poll = proc_poll_mounts }
#define MAGIC(name_, readlink_, follow_) \
	{ .name = name_, .mode = S_IFLNK | 0777, .readlink = (readlink_), .follow = (follow_) }
#define DIR_(name_, mode_, dir_) { .name = name_, .mode = S_IFDIR | (mode_), .dir = (dir_) }
#define IDMAP(name_, show_, write_)                                                             \
	{ .name = name_, .mode = S_IFREG | 0644, .show = (show_), .write = (write_), \
	  .write_max = -(int)(PAGE_SIZE - 1) }

static const struct pfs_entry attr_rows[] = {
	RW("current", 0666, show_attr, write_attr),
	SHOW("prev", 0444, show_attr),
	RW("exec", 0666, show_attr, write_attr),
	RW("fscreate", 0666, show_attr, write_attr),
	RW("keycreate", 0666, show_attr, write_attr),
	RW("sockcreate", 0666, show_attr, write_attr),
	{ .name = NULL },
};
static const struct pfs_dir attr_dir = { .entries = attr_rows };

static const struct pfs_entry pid_rows[] = {
	{ .name = "task", .mode = S_IFDIR | 0555, .flags = PROC_TGID_ONLY, .dir = &task_dir,
	  .attr = task_dir_attr },
	{ .name = "fd", .mode = S_IFDIR | 0500, .dir = &proc_fd_dir, .permission_only = fd_permission,
	  .attr = fd_dir_attr },
	{ .name = "fdinfo", .mode = S_IFDIR | 0555, .dir = &proc_fdinfo_dir,
	  .permission = fdinfo_permission },
	DIR_("ns", 0511, &proc_ns_dir),
	DIR_("net", 0555, &proc_net_dir),
	DIR_("attr", 0555, &attr_dir),
	MAGIC("cwd", proc_readlink_cwd, proc_follow_cwd),
	MAGIC("root", proc_readlink_root, proc_follow_root),
	MAGIC("exe", proc_readlink_exe, proc_follow_exe),
	MM("environ", 0400, proc_show_environ),
	MM("auxv", 0400, proc_show_auxv),
	SHOW("status", 0444, proc_show_status),
	SHOW("personality", 0400, show_personality),
	SHOW("limits", 0444, show_limits),
	RW("comm", 0644, show_comm, write_comm),
	SHOW("syscall", 0400, show_syscall),
	SHOW("cmdline", 0444, proc_show_cmdline),
	SHOW("stat", 0444, proc_show_stat),
	SHOW("statm", 0444, proc_show_statm),
	{ .name = "maps", .mode = S_IFREG | 0444, .show = proc_show_maps, .open = proc_open_mm_read,
	  .release = proc_release_mm, .ioctl = proc_maps_ioctl },
	{ .name = "pagemap", .mode = S_IFREG | 0400, .open = proc_open_mm_read,
	  .release = proc_release_mm, .fops = &proc_pagemap_fops },
	MM("smaps", 0444, proc_show_smaps),
	MM("smaps_rollup", 0444, proc_show_smaps_rollup),
	{ .name = "mem", .mode = S_IFREG | 0600, .open = proc_open_mm_attach,
	  .release = proc_release_mm, .fops = &proc_mem_fops },
	MOUNTS("mounts", 0444, proc_show_mounts),
	MOUNTS("mountinfo", 0444, proc_show_mountinfo),
	{ .name = "mountstats", .mode = S_IFREG | 0400, .flags = PROC_TGID_ONLY,
	  .show = proc_show_mountstats, .open = proc_open_mounts, .release = proc_release_mounts },
	SHOW("wchan", 0444, show_wchan),
	SHOW("stack", 0400, show_stack),
	SHOW("schedstat", 0444, show_schedstat),
	SHOW("cpuset", 0444, show_cpuset),
	SHOW("cgroup", 0444, show_cgroup),
	SHOW("oom_score", 0444, show_oom_score),
	RW("oom_adj", 0644, show_oom_adj, write_oom_adj),
	RW("oom_score_adj", 0644, show_oom_score_adj, write_oom_score_adj),
	SHOW("io", 0400, show_io),
	RW("loginuid", 0644, show_loginuid, write_loginuid),
	SHOW("sessionid", 0444, show_sessionid),
	{ .name = "coredump_filter", .mode = S_IFREG | 0444, .flags = PROC_TGID_ONLY,
	  .show = show_coredump_filter },
	IDMAP("uid_map", proc_show_uid_map, proc_write_uid_map),
	IDMAP("gid_map", proc_show_gid_map, proc_write_gid_map),
	IDMAP("setgroups", proc_show_setgroups, proc_write_setgroups),
	{ .name = "timens_offsets", .mode = S_IFREG | 0644, .flags = PROC_TGID_ONLY,
	  .show = show_timens_offsets, .write = write_timens_offsets },
	{ .name = "timerslack_ns", .mode = S_IFREG | 0666, .flags = PROC_TGID_ONLY,
	  .show = show_timerslack, .write = write_timerslack },
	{ .name = "children", .mode = S_IFREG | 0444, .flags = PROC_TID_ONLY, .show = show_children },
	{ .name = NULL },
};

static bool tgid_filter(const struct pfs_req *r, const struct pfs_entry *e)
{
	(void)r;
	return !(e->flags & PROC_TID_ONLY);
}

static bool tid_filter(const struct pfs_req *r, const struct pfs_entry *e)
{
	(void)r;
	return !(e->flags & PROC_TGID_ONLY);
}

static const struct pfs_dir tgid_dir = { .entries = pid_rows, .filter = tgid_filter };
static const struct pfs_dir tid_dir = { .entries = pid_rows, .filter = tid_filter };

const struct pfs_entry proc_tgid_entry = {
	.name = "PID",
	.mode = S_IFDIR | 0555,
	.dir = &tgid_dir,
	.permission = pid_permission,
};

struct pid *proc_file_pid(const struct file *f)
{
	return pfs_dir_pid(f, &proc_tgid_entry);
}

const struct pfs_entry proc_tid_entry = {
	.name = "TID",
	.mode = S_IFDIR | 0555,
	.dir = &tid_dir,
};
