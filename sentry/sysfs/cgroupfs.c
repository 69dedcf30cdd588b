/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroupfs.c: "cgroup2", and "cgroup" for one v1 controller: the container's own group.
 *
 * What is shown are the limits that the container was given and what it uses, so that runtimes
 * (JVM, Go, .NET, Node) size themselves right.  The container's group is the root of what it sees, as in
 * a cgroup namespace; unlike a real root it has the files with limits.  Below it, in version 2, groups
 * without controllers can be made where the mount is writable (cgroup_dir.c).
 *
 * A v1 mount names its controllers in the mount options ("memory", "cpu,cpuacct"); "name=systemd" and
 * unknown ones give a hierarchy without controllers.  A container's own mount without options is v2.
 *
 * Linux: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/.
 */
#include <errno.h>
#include <string.h>

#include "sentry/container.h"
#include "sentry/kernel.h"
#include "sentry/sysfs/sysfs_impl.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/task.h"

#define CGROUP2_MAGIC   0x63677270
#define CGROUP_MAGIC    0x27e0eb
#define V1_UNLIMITED    0x7ffffffffffff000ull
#define V1_PERIOD_US    100000u

/* ---- limits and use --------------------------------------------------------------------------- */

static uint64_t memory_limit(const struct container *k)
{
	return k ? __atomic_load_n(&k->memory_limit, __ATOMIC_RELAXED) : 0;
}

static uint64_t memory_used(const struct container *k)
{
	struct kernel_memory m;

	kernel_memory(k, &m);
	return m.used;
}

static uint32_t pids_limit(const struct container *k)
{
	return k ? __atomic_load_n(&k->pids_limit, __ATOMIC_RELAXED) : 0;
}

static unsigned int pids_used(const struct container *k)
{
	return k ? atomic_load_explicit(&k->task_count, memory_order_relaxed) : 0;
}

/* CPU time of the container's processes and of those they have reaped. */
static void cpu_used(const struct container *k, int64_t *user_ns, int64_t *system_ns)
{
	struct process *p;
	int32_t nr = 0;

	*user_ns = *system_ns = 0;
	while (k && k->pid_ns && (p = process_next(k->pid_ns, nr + 1, &nr)) != NULL) {
		int64_t u, s;

		process_cpu_time(p, &u, &s);
		mutex_lock(&tasklist.lock);
		u += p->child_utime_ns;
		s += p->child_stime_ns;
		mutex_unlock(&tasklist.lock);
		*user_ns += u;
		*system_ns += s;
		process_put(p);
	}
}

/* Is the container given fewer CPUs than the sandbox has?  Then a quota is what limits it. */
static bool cpu_limited(const struct container *k)
{
	return k && kernel_cpu_count(k) < kernel_cpu_count(NULL);
}

/* ---- v2 --------------------------------------------------------------------------------------- */

static void put_max(struct buf *b, uint64_t v)
{
	if (v)
		buf_printf(b, "%llu\n", (unsigned long long)v);
	else
		buf_puts(b, "max\n");
}

static int show_text(const struct pfs_req *r, struct buf *b)
{
	buf_puts(b, r->i->entry->arg);
	return 0;
}

static int show_memory_max(const struct pfs_req *r, struct buf *b)
{
	put_max(b, memory_limit(view_container(r)));
	return 0;
}

static int show_memory_current(const struct pfs_req *r, struct buf *b)
{
	buf_printf(b, "%llu\n", (unsigned long long)memory_used(view_container(r)));
	return 0;
}

static int show_memory_stat(const struct pfs_req *r, struct buf *b)
{
	struct kernel_memory_detail d;

	kernel_memory_detail(view_container(r), &d);
	buf_printf(b,
		   "anon %llu\nfile %llu\nkernel 0\nkernel_stack 0\npagetables 0\nsock 0\nshmem %llu\n"
		   "file_mapped %llu\nfile_dirty 0\nfile_writeback 0\nswapcached 0\nanon_thp 0\n"
		   "inactive_anon 0\nactive_anon %llu\ninactive_file 0\nactive_file %llu\n"
		   "unevictable 0\nslab_reclaimable 0\nslab_unreclaimable 0\nslab 0\npgfault 0\n"
		   "pgmajfault 0\n",
		   (unsigned long long)d.anon, (unsigned long long)(d.file + d.shmem),
		   (unsigned long long)d.shmem, (unsigned long long)(d.file + d.shmem),
		   (unsigned long long)(d.anon + d.shmem), (unsigned long long)d.file);
	return 0;
}

static int show_cpu_max(const struct pfs_req *r, struct buf *b)
{
	const struct container *k = view_container(r);
	unsigned long long quota = k ? atomic_load_explicit(&k->cpu_quota_us, memory_order_relaxed) : 0;
	unsigned long long period = k ? atomic_load_explicit(&k->cpu_period_us, memory_order_relaxed) : 0;

	if (quota > 0)
		buf_printf(b, "%llu %llu\n", quota, period > 0 ? period : V1_PERIOD_US);
	else if (cpu_limited(k))
		buf_printf(b, "%u %u\n", kernel_cpu_count(k) * V1_PERIOD_US, V1_PERIOD_US);
	else
		buf_printf(b, "max %u\n", V1_PERIOD_US);
	return 0;
}

static int show_cpu_stat(const struct pfs_req *r, struct buf *b)
{
	int64_t u, s;

	cpu_used(view_container(r), &u, &s);
	buf_printf(b,
		   "usage_usec %lld\nuser_usec %lld\nsystem_usec %lld\nnr_periods 0\n"
		   "nr_throttled 0\nthrottled_usec 0\n",
		   (long long)((u + s) / 1000), (long long)(u / 1000), (long long)(s / 1000));
	return 0;
}

static int show_cpus(const struct pfs_req *r, struct buf *b)
{
	unsigned int n = kernel_cpu_count(view_container(r));

	if (n > 1)
		buf_printf(b, "0-%u\n", n - 1);
	else
		buf_puts(b, "0\n");
	return 0;
}

static int show_pids_max(const struct pfs_req *r, struct buf *b)
{
	put_max(b, pids_limit(view_container(r)));
	return 0;
}

static int show_pids_current(const struct pfs_req *r, struct buf *b)
{
	buf_printf(b, "%u\n", pids_used(view_container(r)));
	return 0;
}

static struct pid_ns *reader_pid_ns(const struct pfs_req *r)
{
	const struct container *k = view_container(r);

	return r->reader ? task_pid_ns(r->reader) : k ? k->pid_ns : NULL;
}

static int show_procs(const struct pfs_req *r, struct buf *b)
{
	struct pid_ns *ns = reader_pid_ns(r);
	struct process *p;
	int32_t nr = 0;

	while (ns && (p = process_next(ns, nr + 1, &nr)) != NULL) {
		if (p->container == view_container(r))
			buf_printf(b, "%d\n", nr);
		process_put(p);
	}
	return 0;
}

static int show_threads(const struct pfs_req *r, struct buf *b)
{
	struct pid_ns *ns = reader_pid_ns(r);
	struct process *p;
	int32_t nr = 0;

	while (ns && (p = process_next(ns, nr + 1, &nr)) != NULL) {
		struct task *t;
		int32_t tid = 0;

		while (p->container == view_container(r) &&
		       (t = process_next_task(p, ns, tid + 1, &tid)) != NULL) {
			buf_printf(b, "%d\n", tid);
			task_put(t);
		}
		process_put(p);
	}
	return 0;
}

static int show_nothing(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	buf_puts(b, "\n");
	return 0;
}

#define SHOW(name_, fn_)   { .name = name_, .mode = S_IFREG | 0444, .show = (fn_) }
#define TEXT(name_, text_) \
	{ .name = name_, .mode = S_IFREG | 0444, .show = show_text, .arg = (text_) }

static const struct pfs_entry v2_rows[] = {
	CGROUP_FILE("cgroup.procs", CGROUP_PROCS, cgroup_show_procs, cgroup_write_procs),
	CGROUP_FILE("cgroup.threads", CGROUP_THREADS, cgroup_show_threads, cgroup_write_threads),
	CGROUP_FILE("cgroup.subtree_control", CGROUP_SUBTREE, show_nothing, cgroup_write_subtree),
	TEXT("cgroup.controllers", "cpuset cpu memory pids\n"),
	TEXT("cgroup.type", "domain\n"),
	TEXT("cgroup.events", "populated 1\nfrozen 0\n"),
	TEXT("cgroup.freeze", "0\n"),
	TEXT("cgroup.max.depth", "max\n"),
	TEXT("cgroup.max.descendants", "max\n"),
	SHOW("cgroup.stat", cgroup_show_stat),
	SHOW("cpu.max", show_cpu_max),
	TEXT("cpu.max.burst", "0\n"),
	SHOW("cpu.stat", show_cpu_stat),
	TEXT("cpu.weight", "100\n"),
	TEXT("cpu.weight.nice", "0\n"),
	SHOW("cpuset.cpus", show_cpus),
	SHOW("cpuset.cpus.effective", show_cpus),
	TEXT("cpuset.mems", "0\n"),
	TEXT("cpuset.mems.effective", "0\n"),
	SHOW("memory.current", show_memory_current),
	SHOW("memory.max", show_memory_max),
	TEXT("memory.high", "max\n"),
	TEXT("memory.low", "0\n"),
	TEXT("memory.min", "0\n"),
	TEXT("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"),
	TEXT("memory.events.local", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"),
	TEXT("memory.oom.group", "0\n"),
	SHOW("memory.stat", show_memory_stat),
	TEXT("memory.swap.current", "0\n"),
	TEXT("memory.swap.max", "0\n"),
	SHOW("pids.current", show_pids_current),
	SHOW("pids.max", show_pids_max),
	TEXT("pids.events", "max 0\n"),
	{ .name = NULL },
};
static const struct pfs_dir v2_dir = { .entries = v2_rows, CGROUP_DIR_SLOTS };
static const struct pfs_entry v2_root = {
	.name = "/", .mode = S_IFDIR | 0755, .dir = &v2_dir, .setattr = cgroup_inode_setattr,
};

/* ---- v1 --------------------------------------------------------------------------------------- */

static int show_v1_memory_limit(const struct pfs_req *r, struct buf *b)
{
	uint64_t limit = memory_limit(view_container(r));

	buf_printf(b, "%llu\n", (unsigned long long)(limit ? limit : V1_UNLIMITED));
	return 0;
}

static int show_v1_memory_stat(const struct pfs_req *r, struct buf *b)
{
	struct kernel_memory_detail d;
	uint64_t limit = memory_limit(view_container(r));

	kernel_memory_detail(view_container(r), &d);
	buf_printf(b,
		   "cache %llu\nrss %llu\nrss_huge 0\nshmem %llu\nmapped_file %llu\nswap 0\n"
		   "inactive_anon 0\nactive_anon %llu\ninactive_file 0\nactive_file %llu\nunevictable 0\n"
		   "hierarchical_memory_limit %llu\ntotal_cache %llu\ntotal_rss %llu\ntotal_shmem %llu\n"
		   "total_inactive_file 0\ntotal_active_file %llu\n",
		   (unsigned long long)(d.file + d.shmem), (unsigned long long)d.anon,
		   (unsigned long long)d.shmem, (unsigned long long)(d.file + d.shmem),
		   (unsigned long long)(d.anon + d.shmem), (unsigned long long)d.file,
		   (unsigned long long)(limit ? limit : V1_UNLIMITED),
		   (unsigned long long)(d.file + d.shmem), (unsigned long long)d.anon,
		   (unsigned long long)d.shmem, (unsigned long long)d.file);
	return 0;
}

static int show_v1_quota(const struct pfs_req *r, struct buf *b)
{
	const struct container *k = view_container(r);

	unsigned long long quota = k ? atomic_load_explicit(&k->cpu_quota_us, memory_order_relaxed) : 0;

	if (quota > 0)
		buf_printf(b, "%llu\n", quota);
	else
		buf_printf(b, "%d\n", cpu_limited(k) ? (int)(kernel_cpu_count(k) * V1_PERIOD_US) : -1);
	return 0;
}

static int show_v1_usage(const struct pfs_req *r, struct buf *b)
{
	int64_t u, s;

	cpu_used(view_container(r), &u, &s);
	buf_printf(b, "%lld\n", (long long)(u + s));
	return 0;
}

static int show_v1_cpuacct_stat(const struct pfs_req *r, struct buf *b)
{
	int64_t u, s;

	cpu_used(view_container(r), &u, &s);
	buf_printf(b, "user %lld\nsystem %lld\n", (long long)(u / 10000000), (long long)(s / 10000000));
	return 0;
}

enum v1_controller {
	V1_ANY = 0, /* in every hierarchy */
	V1_MEMORY = 1 << 0,
	V1_CPU = 1 << 1,
	V1_CPUACCT = 1 << 2,
	V1_CPUSET = 1 << 3,
	V1_PIDS = 1 << 4,
};

#define V1_SHOW(of_, name_, fn_) \
	{ .name = name_, .mode = S_IFREG | 0444, .flags = (of_), .show = (fn_) }
#define V1_TEXT(of_, name_, text_) \
	{ .name = name_, .mode = S_IFREG | 0444, .flags = (of_), .show = show_text, .arg = (text_) }

static const struct pfs_entry v1_rows[] = {
	V1_SHOW(V1_ANY, "cgroup.procs", show_procs),
	V1_SHOW(V1_ANY, "tasks", show_threads),
	V1_TEXT(V1_ANY, "cgroup.clone_children", "0\n"),
	V1_TEXT(V1_ANY, "notify_on_release", "0\n"),
	V1_SHOW(V1_MEMORY, "memory.limit_in_bytes", show_v1_memory_limit),
	V1_SHOW(V1_MEMORY, "memory.memsw.limit_in_bytes", show_v1_memory_limit),
	V1_SHOW(V1_MEMORY, "memory.usage_in_bytes", show_memory_current),
	V1_SHOW(V1_MEMORY, "memory.memsw.usage_in_bytes", show_memory_current),
	V1_TEXT(V1_MEMORY, "memory.soft_limit_in_bytes", "9223372036854771712\n"),
	V1_TEXT(V1_MEMORY, "memory.failcnt", "0\n"),
	V1_TEXT(V1_MEMORY, "memory.use_hierarchy", "1\n"),
	V1_TEXT(V1_MEMORY, "memory.swappiness", "60\n"),
	V1_TEXT(V1_MEMORY, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n"),
	V1_SHOW(V1_MEMORY, "memory.stat", show_v1_memory_stat),
	V1_TEXT(V1_CPU, "cpu.cfs_period_us", "100000\n"),
	V1_SHOW(V1_CPU, "cpu.cfs_quota_us", show_v1_quota),
	V1_TEXT(V1_CPU, "cpu.shares", "1024\n"),
	V1_TEXT(V1_CPU, "cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"),
	V1_SHOW(V1_CPUACCT, "cpuacct.usage", show_v1_usage),
	V1_SHOW(V1_CPUACCT, "cpuacct.stat", show_v1_cpuacct_stat),
	V1_SHOW(V1_CPUSET, "cpuset.cpus", show_cpus),
	V1_SHOW(V1_CPUSET, "cpuset.effective_cpus", show_cpus),
	V1_TEXT(V1_CPUSET, "cpuset.mems", "0\n"),
	V1_TEXT(V1_CPUSET, "cpuset.effective_mems", "0\n"),
	V1_SHOW(V1_PIDS, "pids.max", show_pids_max),
	V1_SHOW(V1_PIDS, "pids.current", show_pids_current),
	{ .name = NULL },
};

/* The root row's flags are the controllers of its hierarchy. */
static bool v1_filter(const struct pfs_req *r, const struct pfs_entry *e)
{
	return e->flags == V1_ANY || (e->flags & r->i->entry->flags);
}

static const struct pfs_dir v1_dir = { .entries = v1_rows, .filter = v1_filter };

#define V1_ROOT(of_) { .name = "/", .mode = S_IFDIR | 0555, .flags = (of_), .dir = &v1_dir }
static const struct {
	const char *names, *options;
	struct pfs_entry root;
} v1_hierarchies[] = {
	{ "memory", ",memory", V1_ROOT(V1_MEMORY) },
	{ "cpu,cpuacct", ",cpu,cpuacct", V1_ROOT(V1_CPU | V1_CPUACCT) },
	{ "cpuacct,cpu", ",cpu,cpuacct", V1_ROOT(V1_CPU | V1_CPUACCT) },
	{ "cpu", ",cpu", V1_ROOT(V1_CPU) },
	{ "cpuacct", ",cpuacct", V1_ROOT(V1_CPUACCT) },
	{ "cpuset", ",cpuset", V1_ROOT(V1_CPUSET) },
	{ "pids", ",pids", V1_ROOT(V1_PIDS) },
	{ "", "", V1_ROOT(V1_ANY) },
};

/* ---- mounting --------------------------------------------------------------------------------- */

static int cgroup2_mount(struct vfs_ctx *c, const struct fs_type *t, const char *source,
			 const char *data, void *fs_data, struct super **out)
{
	struct task *task = ctx_task(c);
	const struct container *k = task ? task->process->container : fs_data;
	const struct cgrp *root = k ? k->cgroup : NULL;
	bool top = true;
	int err;

	(void)source, (void)data;
	if (task && task->ns->cgroup && task->ns->cgroup->root) {
		root = task->ns->cgroup->root;
		top = !root->parent;
	}
	err = view_super_new(c, t, CGROUP2_MAGIC, "", top ? &v2_root : &cgroup_group, fs_data, out);
	if (!err && root) {
		struct pfs_inode *i = pfs_inode_of(dentry_inode((*out)->root));

		i->key = root->id; /* nobody has seen it yet */
		cgroup_inode_made(i);
	}
	return err;
}

struct fs_type cgroup2_type = {
	.name = "cgroup2",
	.flags = FS_NODEV | FS_USERNS_MOUNT | FS_OF_CONTAINER,
	.mount = cgroup2_mount,
};

static int cgroup_mount(struct vfs_ctx *c, const struct fs_type *t, const char *source,
			const char *data, void *fs_data, struct super **out)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(v1_hierarchies) - 1; i++)
		if (data && !strcmp(data, v1_hierarchies[i].names))
			break;
	/* A container's config says just "cgroup": what /proc/self/cgroup speaks of, the one v2 group. */
	if (!ctx_task(c) && i == ARRAY_SIZE(v1_hierarchies) - 1)
		return cgroup2_mount(c, &cgroup2_type, source, data, fs_data, out);
	return view_super_new(c, t, CGROUP_MAGIC, v1_hierarchies[i].options, &v1_hierarchies[i].root,
			      fs_data, out);
}

static struct fs_type cgroup_type = {
	.name = "cgroup",
	.flags = FS_NODEV | FS_USERNS_MOUNT | FS_OF_CONTAINER,
	.mount = cgroup_mount,
};

int cgroupfs_init(void)
{
	fs_type_register(&cgroup_type);
	fs_type_register(&cgroup2_type);
	return 0;
}
