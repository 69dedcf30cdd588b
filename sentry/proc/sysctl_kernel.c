/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysctl_kernel.c: /proc/sys/{kernel,fs,vm}.
 *
 * What belongs to a namespace can be written and takes effect (names; IPC limits once the IPC code
 * has registered its own rows).  The rest says how this kernel is, and is read-only: in a container
 * nobody may change the machine.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "sentry/aio/aio.h"
#include "sentry/kernel.h"
#include "sentry/proc/proc_impl.h"
#include "vfs/protected.h"
#include "vfs/user_count.h"
#include "vfs/user_ns.h"

/* ---- names ------------------------------------------------------------------------------------ */

static int uts_get_name(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	struct ns_set *set = proc_ns_get(r);
	char name[65] = "(none)";

	if (set && set->uts) {
		latch_lock(&set->uts->latch);
		memcpy(name, s->count ? set->uts->domainname : set->uts->nodename, sizeof(name));
		latch_unlock(&set->uts->latch);
	}
	ns_set_put(set);
	name[64] = '\0';
	buf_printf(b, "%s\n", name);
	return 0;
}

/* A first line of at most 64 bytes; the rest is cut. */
static int uts_set_name(const struct pfs_req *r, const struct sysctl *s, char *text, size_t size)
{
	struct ns_set *set = proc_ns_get(r);
	char name[65] = { 0 };
	int err = 0;

	(void)size;
	memcpy(name, text, MIN(strcspn(text, "\n"), sizeof(name) - 1));
	if (!set || !set->uts) {
		err = -ESRCH;
	} else if (!cred_capable_ns(r->c->cred, set->uts->user_ns, CAP_SYS_ADMIN)) {
		err = -EPERM;
	} else {
		latch_lock(&set->uts->latch);
		memcpy(s->count ? set->uts->domainname : set->uts->nodename, name, sizeof(name));
		latch_unlock(&set->uts->latch);
	}
	ns_set_put(set);
	return err;
}

/* ---- texts ------------------------------------------------------------------------------------ */

static int get_text(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	(void)r;
	buf_printf(b, "%s\n", (const char *)s->value);
	return 0;
}

/* s->min is the value. */
static int get_number(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	(void)r;
	buf_printf(b, "%ld\n", s->min);
	return 0;
}

static int get_threads_max(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	struct kernel_memory m;

	(void)s;
	kernel_memory(NULL, &m);
	(void)r;
	buf_printf(b, "%llu\n",
		   (unsigned long long)MIN(MAX(m.total / (128 << 10), (uint64_t)128),
					   (uint64_t)PID_MAX_LIMIT));
	return 0;
}

/* ---- random ----------------------------------------------------------------------------------- */

static int put_uuid(struct buf *b, const uint8_t u[16])
{
	for (int i = 0; i < 16; i++)
		buf_printf(b, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
	buf_putc(b, '\n');
	return 0;
}

static int uuid_make(uint8_t u[16])
{
	if (getrandom(u, 16, 0) != 16)
		return -EIO;
	u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
	return 0;
}

static int get_uuid(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	uint8_t u[16];
	int err = uuid_make(u);

	(void)r, (void)s;
	return err ? err : put_uuid(b, u);
}

static uint8_t boot_id[16]; /* (c) after sysctl_kernel_init() */

static int get_boot_id(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	(void)r, (void)s;
	return put_uuid(b, boot_id);
}

/* ---- pids and files --------------------------------------------------------------------------- */

static struct pid_ns *own_pid_ns(const struct pfs_req *r)
{
	return r->reader ? task_pid_ns(r->reader) : proc_pid_ns(r);
}

static int get_ns_last_pid(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	int32_t last;

	(void)s;
	mutex_lock(&tasklist.lock);
	last = own_pid_ns(r)->last;
	mutex_unlock(&tasklist.lock);
	buf_printf(b, "%d\n", last);
	return 0;
}

/* For checkpoint and restore: the next process gets this number and one. */
static int set_ns_last_pid(const struct pfs_req *r, const struct sysctl *s, char *text, size_t size)
{
	struct pid_ns *ns = own_pid_ns(r);
	long v;

	(void)s, (void)size;
	if (!cred_capable_ns(r->c->cred, ns->user_ns, CAP_CHECKPOINT_RESTORE) &&
	    !cred_capable_ns(r->c->cred, ns->user_ns, CAP_SYS_ADMIN))
		return -EPERM;
	if (sysctl_parse_longs(text, &v, 1, 0, PID_MAX_LIMIT - 1) != 1)
		return -EINVAL;
	mutex_lock(&tasklist.lock);
	ns->last = (int32_t)v;
	mutex_unlock(&tasklist.lock);
	return 0;
}

/* Descriptors in use in this pid namespace; shared tables count once a process. */
static int get_file_nr(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	struct process *p;
	unsigned long count = 0;
	int32_t nr = 0;

	(void)s;
	while ((p = process_next(proc_pid_ns(r), nr + 1, &nr)) != NULL) {
		struct task *t = process_next_task(p, proc_pid_ns(r), 1, &(int32_t){ 0 });
		struct fdtable *fdt = t ? task_fdt_get(t) : NULL;
		struct file *f;

		for (int fd = fdt ? fdt_next(fdt, 0, &f) : -1; fd >= 0; fd = fdt_next(fdt, fd + 1, &f)) {
			count++;
			file_put(f);
		}
		fdt_put(r->c, fdt);
		task_put(t);
		process_put(p);
	}
	buf_printf(b, "%lu\t0\t%ld\n", count, INT64_MAX);
	return 0;
}

static int get_aio_nr(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	(void)r, (void)s;
	buf_printf(b, "%u\n", aio_nr());
	return 0;
}

static int get_mmap_min_addr(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	(void)r, (void)s;
	buf_printf(b, "%llu\n", (unsigned long long)plat_layout()->user_min);
	return 0;
}

/* ---- rows ------------------------------------------------------------------------------------- */

#define NUMBER(path_, v_) { .path = path_, .mode = 0444, .get = get_number, .min = (v_) }
#define TEXT(path_, v_) \
	{ .path = path_, .mode = 0444, .get = get_text, .value = (void *)(uintptr_t)(v_) }
#define PROTECTED(path_, which_, max_)                                                        \
	{ .path = path_, .mode = 0600, .type = SYSCTL_INT, .count = 1, .max = (max_),         \
	  .value = &protected_names.which_ }
#define GET(path_, fn_) { .path = path_, .mode = 0444, .get = (fn_) }

static const struct sysctl rows[] = {
	{ .path = "kernel/hostname", .mode = 0644, .get = uts_get_name, .set = uts_set_name },
	{ .path = "kernel/domainname", .mode = 0644, .count = 1, .get = uts_get_name,
	  .set = uts_set_name },
	TEXT("kernel/ostype", "Linux"),
	TEXT("kernel/osrelease", KERNEL_RELEASE),
	TEXT("kernel/version", KERNEL_VERSION),
	TEXT("kernel/arch", "x86_64"),
	NUMBER("kernel/pid_max", PID_MAX_LIMIT),
	{ .path = "kernel/ns_last_pid", .mode = 0666, .get = get_ns_last_pid, .set = set_ns_last_pid },
	GET("kernel/threads-max", get_threads_max),
	NUMBER("kernel/ngroups_max", 65536),
	NUMBER("kernel/cap_last_cap", 40),
	NUMBER("kernel/overflowuid", 65534),
	NUMBER("kernel/overflowgid", 65534),
	GET("kernel/random/uuid", get_uuid),
	GET("kernel/random/boot_id", get_boot_id),
	NUMBER("kernel/random/entropy_avail", 256),
	NUMBER("kernel/random/poolsize", 256),
	NUMBER("kernel/random/write_wakeup_threshold", 256),
	NUMBER("kernel/random/urandom_min_reseed_secs", 60),
	NUMBER("kernel/auto_msgmni", 0),
	TEXT("kernel/core_pattern", "core"),
	NUMBER("kernel/core_uses_pid", 0),
	NUMBER("kernel/core_pipe_limit", 0),
	TEXT("kernel/seccomp/actions_avail",
	     "kill_process kill_thread trap errno user_notif trace log allow"),
	TEXT("kernel/seccomp/actions_logged",
	     "kill_process kill_thread trap errno user_notif trace log"),
	NUMBER("kernel/dmesg_restrict", 1),
	NUMBER("kernel/kptr_restrict", 2),
	NUMBER("kernel/randomize_va_space", 2),
	NUMBER("kernel/perf_event_paranoid", 4),
	NUMBER("kernel/unprivileged_bpf_disabled", 2),
	NUMBER("kernel/io_uring_disabled", 0),
	NUMBER("kernel/kexec_load_disabled", 1),
	NUMBER("kernel/modules_disabled", 1),
	NUMBER("kernel/sched_child_runs_first", 0),
	NUMBER("kernel/sched_rt_period_us", 1000000),
	NUMBER("kernel/sched_rt_runtime_us", 950000),
	NUMBER("kernel/sched_autogroup_enabled", 0),
	NUMBER("kernel/numa_balancing", 0),
	NUMBER("kernel/panic", 0),
	NUMBER("kernel/panic_on_oops", 0),
	NUMBER("kernel/sysrq", 0),
	NUMBER("kernel/tainted", 0),
	TEXT("kernel/printk", "4\t4\t1\t7"),
	TEXT("fs/file-max", "9223372036854775807"),
	GET("fs/file-nr", get_file_nr),
	NUMBER("fs/nr_open", 1048576),
	NUMBER("fs/pipe-max-size", 1048576),
	NUMBER("fs/pipe-user-pages-soft", USER_PIPE_PAGES_SOFT),
	NUMBER("fs/pipe-user-pages-hard", 0),
	NUMBER("fs/mount-max", 100000),
	NUMBER("fs/lease-break-time", 45),
	NUMBER("fs/leases-enable", 1),
	NUMBER("fs/overflowuid", 65534),
	NUMBER("fs/overflowgid", 65534),
	NUMBER("fs/fanotify/max_queued_events", 16384),
	NUMBER("fs/fanotify/max_user_groups", 128),
	NUMBER("fs/fanotify/max_user_marks", 65536),
	NUMBER("fs/inotify/max_queued_events", 16384),
	NUMBER("fs/inotify/max_user_instances", USER_INOTIFY_MAX),
	NUMBER("fs/inotify/max_user_watches", 65536),
	NUMBER("fs/epoll/max_user_watches", 1000000),
	PROTECTED("fs/protected_hardlinks", hardlinks, 1),
	PROTECTED("fs/protected_symlinks", symlinks, 1),
	PROTECTED("fs/protected_fifos", fifos, 2),
	PROTECTED("fs/protected_regular", regular, 2),
	NUMBER("fs/suid_dumpable", 0),
	GET("fs/aio-nr", get_aio_nr),
	NUMBER("fs/aio-max-nr", 65536),
	NUMBER("user/max_user_namespaces", USER_NS_COUNT_MAX),
	NUMBER("user/max_inotify_instances", 128),
	NUMBER("user/max_inotify_watches", 65536),
	NUMBER("vm/overcommit_memory", 0),
	NUMBER("vm/overcommit_ratio", 50),
	NUMBER("vm/overcommit_kbytes", 0),
	NUMBER("vm/max_map_count", 65530),
	NUMBER("vm/swappiness", 60),
	GET("vm/mmap_min_addr", get_mmap_min_addr),
	NUMBER("vm/dirty_ratio", 20),
	NUMBER("vm/dirty_background_ratio", 10),
	NUMBER("vm/vfs_cache_pressure", 100),
	NUMBER("vm/panic_on_oom", 0),
	NUMBER("vm/oom_kill_allocating_task", 0),
	NUMBER("vm/nr_hugepages", 0),
	NUMBER("vm/legacy_va_layout", 0),
	NUMBER("vm/unprivileged_userfaultfd", 0),
	{ .path = NULL },
};

int sysctl_kernel_init(void)
{
	int err = uuid_make(boot_id);

	return err ? err : proc_sysctl_add(rows);
}
