/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.c: /proc files about the machine, as the reader's container sees it: CPUs, memory, load,
 * times.
 *
 * CPU time is that of the processes of the instance's pid namespace and of all that they have
 * reaped, spread evenly over the CPUs: which host CPU ran them is nobody's business.  The rest of
 * the uptime is idle.  Processes that nobody waits for take their times along.
 *
 * The load averages are computed when they are read, from the samples that readings give: an idle
 * sandbox has no timer for them.
 *
 * Linux: fs/proc/{stat,meminfo,uptime,loadavg,vmstat}.c, kernel/sched/loadavg.c.
 */
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "sentry/time/time_ns.h"
#include "sentry/kernel.h"
#include "sentry/proc/proc_impl.h"

#define USER_HZ        100
#define NS_PER_TICK    (NSEC_PER_SEC / USER_HZ)
#define LOAD_PERIOD_NS (5 * NSEC_PER_SEC + 10 * NSEC_PER_MSEC)
#define LOAD_BITS      11
#define LOAD_ONE       (1ul << LOAD_BITS)
#define LOAD_PERIODS_MAX 2000 /* by then nothing is left of the past */

/* Under latch. */
static struct {
	struct latch latch;
	int64_t load_at_ns;      /* of the last sample */
	unsigned long loads[3];  /* fixed point, LOAD_BITS */
} machine;

/* ---- processes of an instance ----------------------------------------------------------------- */

struct machine_times {
	int64_t user_ns, system_ns;
	unsigned int running, blocked, threads;
	int32_t last_pid;
};

/* One question to the host for each thread: they take most of the time. */
static void add_threads(const struct pfs_req *r, struct process *p, struct machine_times *m)
{
	struct pid_ns *ns = proc_pid_ns(r);
	int32_t nr = 0;
	struct task *t;

	while ((t = process_next_task(p, ns, nr + 1, &nr)) != NULL) {
		char state = __atomic_load_n(&t->state, __ATOMIC_RELAXED);
		struct plat_usage u;

		m->threads++;
		if (state != 'Z' && state != 'X') {
			task_usage(t, &u);
			m->running += state == 'R' && (u.state == 'R' || t == r->reader);
			m->blocked += state == 'R' && u.state == 'D' && t != r->reader;
		}
		task_put(t);
	}
}

static void machine_times(const struct pfs_req *r, struct machine_times *m)
{
	struct pid_ns *ns = proc_pid_ns(r);
	struct plat_usage used;
	struct process *p;
	int32_t nr = 0;

	*m = (struct machine_times){ 0 };
	while ((p = process_next(ns, nr + 1, &nr)) != NULL) {
		mutex_lock(&tasklist.lock);
		process_usage_locked(p, &used);
		m->user_ns += used.utime_ns + p->child_utime_ns;
		m->system_ns += used.stime_ns + p->child_stime_ns;
		mutex_unlock(&tasklist.lock);
		add_threads(r, p, m);
		process_put(p);
	}
	mutex_lock(&tasklist.lock);
	m->last_pid = ns->last;
	mutex_unlock(&tasklist.lock);
}

/* ---- stat and uptime -------------------------------------------------------------------------- */

static void put_cpu(struct buf *b, int64_t user, int64_t system, int64_t idle)
{
	buf_printf(b, " %lld 0 %lld %lld 0 0 0 0 0 0\n", (long long)(user / NS_PER_TICK),
		   (long long)(system / NS_PER_TICK), (long long)(MAX(idle, (int64_t)0) / NS_PER_TICK));
}

static int show_stat(const struct pfs_req *r, struct buf *b)
{
	unsigned int cpus = kernel_cpu_count(proc_container(r));
	int64_t up = kernel_uptime_ns();
	struct machine_times m;

	machine_times(r, &m);
	buf_puts(b, "cpu ");
	put_cpu(b, m.user_ns, m.system_ns, up * cpus - m.user_ns - m.system_ns);
	for (unsigned int i = 0; i < cpus; i++) {
		buf_printf(b, "cpu%u", i);
		put_cpu(b, m.user_ns / cpus, m.system_ns / cpus,
			up - (m.user_ns + m.system_ns) / cpus);
	}
	buf_printf(b,
		   "intr 0\nctxt 0\nbtime %lld\nprocesses %d\nprocs_running %u\nprocs_blocked %u\n"
		   "softirq 0 0 0 0 0 0 0 0 0 0 0\n",
		   (long long)(kernel_boot_real_ns() / NSEC_PER_SEC), m.last_pid, MAX(m.running, 1u),
		   m.blocked);
	return 0;
}

static int show_uptime(const struct pfs_req *r, struct buf *b)
{
	unsigned int cpus = kernel_cpu_count(proc_container(r));
	int64_t shift = r->reader ? time_ns_offset(r->reader->ns->time, CLOCK_KIND_BOOT) : 0;
	int64_t up = (kernel_uptime_ns() + shift) / (10 * NSEC_PER_MSEC), idle;
	struct machine_times m;

	machine_times(r, &m);
	idle = (kernel_uptime_ns() * cpus - m.user_ns - m.system_ns) / (10 * NSEC_PER_MSEC);
	idle = MAX(idle, (int64_t)0);
	buf_printf(b, "%lld.%02lld %lld.%02lld\n", (long long)(up / 100), (long long)(up % 100),
		   (long long)(idle / 100), (long long)(idle % 100));
	return 0;
}

/* ---- loadavg ---------------------------------------------------------------------------------- */

/* One period: old decays by exp, and active takes its place. */
static unsigned long load_step(unsigned long old, unsigned long exp, unsigned long active)
{
	unsigned long n = old * exp + active * (LOAD_ONE - exp);

	if (active >= old)
		n += LOAD_ONE - 1;
	return n / LOAD_ONE;
}

static void load_sample(unsigned int active, unsigned long out[3])
{
	static const unsigned long decay[3] = { 1884, 2014, 2037 }; /* 5 s in 1, 5, 15 minutes */
	int64_t now = clock_mono_ns(), periods;

	latch_lock(&machine.latch);
	periods = (now - machine.load_at_ns) / LOAD_PERIOD_NS;
	machine.load_at_ns += periods * LOAD_PERIOD_NS;
	for (int64_t n = MIN(periods, (int64_t)LOAD_PERIODS_MAX); n > 0; n--)
		for (int i = 0; i < 3; i++)
			machine.loads[i] = load_step(machine.loads[i], decay[i], active * LOAD_ONE);
	for (int i = 0; i < 3; i++)
		out[i] = machine.loads[i];
	latch_unlock(&machine.latch);
}

static int show_loadavg(const struct pfs_req *r, struct buf *b)
{
	struct machine_times m;
	unsigned long loads[3];

	machine_times(r, &m);
	/* The reader itself does not count: it only runs because we are asked. */
	load_sample(m.running + m.blocked - (m.running > 0), loads);
	for (int i = 0; i < 3; i++) {
		unsigned long l = loads[i] + LOAD_ONE / 200;

		buf_printf(b, "%lu.%02lu ", l >> LOAD_BITS, ((l & (LOAD_ONE - 1)) * 100) >> LOAD_BITS);
	}
	buf_printf(b, "%u/%u %d\n", MAX(m.running, 1u), m.threads, m.last_pid);
	return 0;
}

/* ---- memory ----------------------------------------------------------------------------------- */

static void put_kb(struct buf *b, const char *name, uint64_t bytes)
{
	int pad = 16 - (int)strlen(name) - 1;

	buf_printf(b, "%s:%*llu kB\n", name, MAX(pad, 0) + 8, (unsigned long long)(bytes / 1024));
}

static int show_meminfo(const struct pfs_req *r, struct buf *b)
{
	const struct container *k = proc_container(r);
	struct kernel_memory_detail d;
	struct kernel_memory m;
	struct { const char *name; uint64_t bytes; } rows[] = {
		{ "MemTotal", 0 }, { "MemFree", 0 }, { "MemAvailable", 0 }, { "Buffers", 0 },
		{ "Cached", 0 }, { "SwapCached", 0 }, { "Active", 0 }, { "Inactive", 0 },
		{ "Active(anon)", 0 }, { "Inactive(anon)", 0 }, { "Active(file)", 0 },
		{ "Inactive(file)", 0 }, { "Unevictable", 0 }, { "Mlocked", 0 }, { "SwapTotal", 0 },
		{ "SwapFree", 0 }, { "Dirty", 0 }, { "Writeback", 0 }, { "AnonPages", 0 },
		{ "Mapped", 0 }, { "Shmem", 0 }, { "KReclaimable", 0 }, { "Slab", 0 },
		{ "SReclaimable", 0 }, { "SUnreclaim", 0 }, { "KernelStack", 0 }, { "PageTables", 0 },
		{ "NFS_Unstable", 0 }, { "Bounce", 0 }, { "WritebackTmp", 0 }, { "CommitLimit", 0 },
		{ "Committed_AS", 0 }, { "VmallocTotal", 0x1fffffffffffull }, { "VmallocUsed", 0 },
		{ "VmallocChunk", 0 }, { "Percpu", 0 }, { "AnonHugePages", 0 },
	};

	kernel_memory(k, &m);
	kernel_memory_detail(k, &d);
	rows[0].bytes = m.total;
	rows[1].bytes = rows[2].bytes = m.free;
	rows[4].bytes = d.file + d.shmem;
	rows[6].bytes = d.anon + d.file + d.shmem;
	rows[8].bytes = d.anon + d.shmem;
	rows[10].bytes = d.file;
	rows[18].bytes = d.anon;
	rows[19].bytes = d.file + d.shmem;
	rows[20].bytes = d.shmem;
	rows[30].bytes = m.total;
	rows[31].bytes = d.anon + d.shmem;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		put_kb(b, rows[i].name, rows[i].bytes);
	buf_puts(b, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n"
		    "HugePages_Surp:        0\n");
	put_kb(b, "Hugepagesize", 2 << 20);
	put_kb(b, "Hugetlb", 0);
	return 0;
}

static int show_vmstat(const struct pfs_req *r, struct buf *b)
{
	const struct container *k = proc_container(r);
	struct kernel_memory_detail d;
	struct kernel_memory m;

	kernel_memory(k, &m);
	kernel_memory_detail(k, &d);
	buf_printf(b,
		   "nr_free_pages %llu\nnr_anon_pages %llu\nnr_mapped %llu\nnr_file_pages %llu\n"
		   "nr_shmem %llu\nnr_dirty 0\nnr_writeback 0\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n"
		   "pgfault 0\npgmajfault 0\noom_kill 0\n",
		   (unsigned long long)(m.free / PAGE_SIZE), (unsigned long long)(d.anon / PAGE_SIZE),
		   (unsigned long long)((d.file + d.shmem) / PAGE_SIZE),
		   (unsigned long long)((d.file + d.shmem) / PAGE_SIZE),
		   (unsigned long long)(d.shmem / PAGE_SIZE));
	return 0;
}

static int show_cpuinfo(const struct pfs_req *r, struct buf *b)
{
	cpuinfo_show(b, kernel_cpu_count(proc_container(r)));
	return 0;
}

#define FILE_(path_, fn_) { path_, { .mode = S_IFREG | 0444, .show = (fn_) } }

static const struct {
	const char *path;
	struct pfs_entry entry;
} rows_machine[] = {
	FILE_("cpuinfo", show_cpuinfo), FILE_("loadavg", show_loadavg), FILE_("meminfo", show_meminfo),
	FILE_("stat", show_stat),       FILE_("uptime", show_uptime),   FILE_("vmstat", show_vmstat),
};

int proc_machine_init(void)
{
	latch_init(&machine.latch);
	machine.load_at_ns = clock_mono_ns();
	cpuinfo_init();
	for (size_t i = 0; i < ARRAY_SIZE(rows_machine); i++) {
		int err = proc_add(rows_machine[i].path, &rows_machine[i].entry);

		if (err)
			return err;
	}
	return 0;
}
