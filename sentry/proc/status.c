/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.c: /proc/PID/stat, statm and status.
 *
 * The same rows serve /proc/PID, about the whole process, and /proc/PID/task/TID, about one thread;
 * the inode's key tells (PROC_KEY_TID).  Numbers of other processes are those of the instance's pid
 * namespace, ids those of the reader's user namespace.  Addresses are shown only to who may look
 * into the process.
 *
 * A snapshot is taken field by field: tasklist.lock for the tree, siglock for signals, the task's
 * latch for its pointers; they are not held together.
 *
 * Linux: fs/proc/array.c, fs/proc/task_mmu.c.
 */
#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "sentry/kernel.h"
#include "sentry/proc/proc_impl.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/signal/signal_impl.h"

#define NS_PER_TICK (NSEC_PER_SEC / 100)

/* ---- gathering -------------------------------------------------------------------------------- */

struct proc_usage {
	int64_t utime_ns, stime_ns;
	uint64_t min_faults, maj_faults;
};

/* What the tree says.  Numbers are 0 where the instance can't see them. */
struct proc_tree {
	int32_t tgid, tid, ppid, pgid, sid, tty_pgid, tracer;
	uint32_t tty_nr;
	unsigned int threads;
	int exit_signal, exit_code;
	int64_t start_ns;
	struct proc_usage self, children;
};

static proc_tty_fn *tty_hook;

void proc_tty_register(proc_tty_fn *fn)
{
	tty_hook = fn;
}

static void tree_gather(const struct pfs_req *r, bool whole, struct proc_tree *out)
{
	struct pid_ns *ns = proc_pid_ns(r);
	struct task *t = r->target, *o;
	struct process *p = t->process;
	struct pid *fg = NULL;
	struct plat_usage used;

	memset(out, 0, sizeof(*out));
	mutex_lock(&tasklist.lock);
	out->tgid = process_nr_in(p, ns);
	out->tid = task_tid_in(t, ns);
	out->tracer = t->ptrace.tracer ? task_tid_in(t->ptrace.tracer, ns) : 0;
	out->ppid = p->parent ? process_nr_in(p->parent, ns) : 0;
	if (p->pgrp) {
		out->pgid = pid_nr_in(p->pgrp->pid, ns);
		out->sid = pid_nr_in(p->pgrp->session->pid, ns);
		if (p->pgrp->session->tty && tty_hook)
			tty_hook(p->pgrp->session, &out->tty_nr, &fg);
	}
	out->tty_pgid = fg ? pid_nr_in(fg, ns) : -1;
	out->exit_signal = whole ? p->exit_signal : -1;
	out->exit_code = whole ? p->wait_status : t->exit_status;
	out->start_ns = whole ? p->start_ns : t->start_ns;
	list_for_each_entry(o, &p->tasks, process_node)
		out->threads++;
	if (whole)
		process_usage_locked(p, &used);
	else
		task_usage(t, &used);
	out->self = (struct proc_usage){ used.utime_ns, used.stime_ns, used.min_faults, used.maj_faults };
	out->children = (struct proc_usage){ p->child_utime_ns, p->child_stime_ns, p->child_min_faults,
					     p->child_maj_faults };
	mutex_unlock(&tasklist.lock);
}

struct proc_signals {
	sig_set_t pending, shared, blocked, ignored, caught;
	unsigned int queued;
};

static void signals_gather(struct task *t, struct proc_signals *s)
{
	struct process *p = t->process;

	memset(s, 0, sizeof(*s));
	latch_lock(&p->siglock);
	s->pending = t->pending.set;
	s->shared = p->pending.set;
	s->blocked = task_blocked(t);
	s->queued = p->queued_count;
	for (int sig = 1; sig <= SIG_COUNT; sig++) {
		uint64_t h = sig_action_locked(p, sig).handler;

		if (h == 1)
			s->ignored |= SIG_BIT(sig);
		else if (h != 0)
			s->caught |= SIG_BIT(sig);
	}
	latch_unlock(&p->siglock);
}

/*
 * The kernel's half is ours: stopped, dead, and asleep when its fiber is.  Otherwise the host thread tells: when
 * that sleeps but in a native futex wait, it waits for the Sentry, which is at work for it or soon will be.
 */
char proc_task_state(const struct pfs_req *r, struct task *t)
{
	char s = __atomic_load_n(&t->state, __ATOMIC_RELAXED);
	struct plat_usage u;

	if (s != 'R' || t == r->reader)
		return s;
	if (waiter_is_asleep(&t->waiter))
		return 'S';
	task_usage(t, &u);
	return u.state == 'D' ? 'D' : u.state != 'R' && task_waits_natively(t) ? 'S' : 'R';
}

void proc_put_comm(struct task *t, struct buf *b, const char *special)
{
	char comm[TASK_COMM_LEN];

	task_get_comm(t, comm);
	comm[TASK_COMM_LEN - 1] = '\0';
	for (const char *s = comm; *s; s++) {
		if (*s == '\n' && strchr(special, '\n'))
			buf_puts(b, "\\n");
		else if (*s == '\\' && strchr(special, '\\'))
			buf_puts(b, "\\\\");
		else
			buf_putc(b, *s);
	}
}

static bool is_whole(const struct pfs_req *r)
{
	return r->i->key != PROC_KEY_TID;
}

/* Since boot, in ticks. */
static unsigned long long start_ticks(int64_t start_ns)
{
	int64_t since = start_ns - (clock_boot_ns() - kernel_uptime_ns());

	return (unsigned long long)(MAX(since, (int64_t)0) / NS_PER_TICK);
}

/* ---- stat ------------------------------------------------------------------------------------- */

static int stat_priority(const struct task *t)
{
	return t->sched_policy == 1 || t->sched_policy == 2 ? -1 - t->sched_priority : 20 + t->nice;
}

/* Fields 26 to 30 and 45 to 51: addresses. */
struct stat_layout {
	uint64_t code_start, code_end, stack_start, data_start, data_end, brk_start, arg_start, arg_end,
		env_start, env_end;
};

static void layout_gather(const struct pfs_req *r, struct mm *mm, struct stat_layout *l)
{
	memset(l, 0, sizeof(*l));
	if (!mm)
		return;
	if (!proc_may_access(r, PTRACE_READ)) {
		l->code_start = l->code_end = 1;
		return;
	}
	mutex_lock(&mm->lock);
	*l = (struct stat_layout){ mm->code_start, mm->code_end,  mm->stack_top, mm->data_start,
				   mm->data_end,   mm->brk_start, mm->arg_start, mm->arg_end,
				   mm->env_start,  mm->env_end };
	mutex_unlock(&mm->lock);
}

static void put_field(struct buf *b, long long v)
{
	buf_printf(b, " %lld", v);
}

static void put_ufield(struct buf *b, uint64_t v)
{
	buf_printf(b, " %llu", (unsigned long long)v);
}

static void stat_put_times(struct buf *b, const struct proc_tree *t)
{
	put_ufield(b, t->self.min_faults);
	put_ufield(b, t->children.min_faults);
	put_ufield(b, t->self.maj_faults);
	put_ufield(b, t->children.maj_faults);
	put_field(b, t->self.utime_ns / NS_PER_TICK);
	put_field(b, t->self.stime_ns / NS_PER_TICK);
	put_field(b, t->children.utime_ns / NS_PER_TICK);
	put_field(b, t->children.stime_ns / NS_PER_TICK);
}

int proc_show_stat(const struct pfs_req *r, struct buf *b)
{
	struct task *t = r->target;
	struct mm *mm = task_mm_get(t);
	struct plat_mem_usage mem;
	struct stat_layout l;
	struct proc_signals s;
	struct proc_tree tree;
	bool see = proc_may_access(r, PTRACE_READ);
	char state = proc_task_state(r, t);

	memset(&mem, 0, sizeof(mem));
	if (mm)
		(void)plat_mm_usage(mm->plat, &mem);
	layout_gather(r, mm, &l);
	tree_gather(r, is_whole(r), &tree);
	signals_gather(t, &s);

	buf_printf(b, "%d (", is_whole(r) ? tree.tgid ? tree.tgid : tree.tid : tree.tid);
	proc_put_comm(t, b, "");
	buf_printf(b, ") %c %d %d %d %u %d", state, tree.ppid, tree.pgid, tree.sid,
		   tree.tty_nr, tree.tty_pgid);
	put_ufield(b, mm ? 0x400000 : 0x40000c); /* flags: PF_RANDOMIZE; PF_EXITING */
	stat_put_times(b, &tree);
	put_field(b, stat_priority(t));
	put_field(b, t->nice);
	put_ufield(b, tree.threads);
	put_field(b, 0); /* itrealvalue */
	put_ufield(b, start_ticks(tree.start_ns));
	put_ufield(b, mem.vm_bytes);
	put_ufield(b, mem.rss_bytes / PAGE_SIZE);
	put_ufield(b, process_rlimit(t->process, RLIMIT_RSS));
	put_ufield(b, l.code_start);
	put_ufield(b, l.code_end);
	put_ufield(b, l.stack_start);
	buf_puts(b, " 0 0"); /* kstkesp, kstkeip: only of exiting tasks */
	put_ufield(b, s.pending & 0x7fffffff);
	put_ufield(b, s.blocked & 0x7fffffff);
	put_ufield(b, s.ignored & 0x7fffffff);
	put_ufield(b, s.caught & 0x7fffffff);
	buf_puts(b, see && mm && state != 'R' ? " 1" : " 0"); /* wchan */
	buf_puts(b, " 0 0");                                                /* nswap, cnswap */
	put_field(b, tree.exit_signal);
	put_field(b, 0); /* processor */
	put_field(b, t->sched_priority);
	put_field(b, t->sched_policy);
	buf_puts(b, " 0 0 0"); /* delayacct_blkio_ticks, guest_time, cguest_time */
	put_ufield(b, l.data_start);
	put_ufield(b, l.data_end);
	put_ufield(b, l.brk_start);
	put_ufield(b, l.arg_start);
	put_ufield(b, l.arg_end);
	put_ufield(b, l.env_start);
	put_ufield(b, l.env_end);
	put_field(b, see ? tree.exit_code : 0);
	buf_putc(b, '\n');
	mm_put(mm);
	return 0;
}

int proc_show_statm(const struct pfs_req *r, struct buf *b)
{
	struct mm *mm = task_mm_get(r->target);
	struct plat_mem_usage m;

	memset(&m, 0, sizeof(m));
	if (mm) {
		(void)plat_mm_usage(mm->plat, &m);
		buf_printf(b, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)(m.vm_bytes / PAGE_SIZE),
			   (unsigned long long)(m.rss_bytes / PAGE_SIZE),
			   (unsigned long long)((m.rss_file + m.rss_shmem) / PAGE_SIZE),
			   (unsigned long long)((mm->code_end - mm->code_start + PAGE_SIZE - 1) / PAGE_SIZE),
			   (unsigned long long)((m.data_bytes + m.stack_bytes) / PAGE_SIZE));
	} else {
		buf_puts(b, "0 0 0 0 0 0 0\n");
	}
	mm_put(mm);
	return 0;
}

/* ---- status ----------------------------------------------------------------------------------- */

static const char *state_name(char s)
{
	static const struct { char c; const char *name; } names[] = {
		{ 'R', "R (running)" }, { 'S', "S (sleeping)" }, { 'D', "D (disk sleep)" },
		{ 'T', "T (stopped)" }, { 't', "t (tracing stop)" }, { 'X', "X (dead)" },
		{ 'Z', "Z (zombie)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].c == s)
			return names[i].name;
	return "S (sleeping)";
}

/* pid's numbers from the instance's namespace down to its own. */
static void put_ns_numbers(struct buf *b, const char *name, const struct pid *pid,
			   const struct pid_ns *ns)
{
	buf_puts(b, name);
	for (unsigned int i = ns->level; pid && pid_nr_in(pid, ns) && i <= pid->level; i++)
		buf_printf(b, "\t%d", pid->numbers[i].nr);
	buf_putc(b, '\n');
}

static void status_put_pids(const struct pfs_req *r, struct buf *b)
{
	struct process *p = r->target->process;
	struct pid_ns *ns = proc_pid_ns(r);

	mutex_lock(&tasklist.lock);
	put_ns_numbers(b, "NStgid:", p->pid, ns);
	put_ns_numbers(b, "NSpid:", r->target->pid, ns);
	put_ns_numbers(b, "NSpgid:", p->pgrp ? p->pgrp->pid : NULL, ns);
	put_ns_numbers(b, "NSsid:", p->pgrp ? p->pgrp->session->pid : NULL, ns);
	mutex_unlock(&tasklist.lock);
}

static void status_put_ids(const struct pfs_req *r, struct buf *b, const struct cred *c)
{
	struct fdtable *fdt = task_fdt_get(r->target);

	buf_printf(b, "Uid:\t%u\t%u\t%u\t%u\n", proc_uid(r, c->uid), proc_uid(r, c->euid),
		   proc_uid(r, c->suid), proc_uid(r, c->fsuid));
	buf_printf(b, "Gid:\t%u\t%u\t%u\t%u\n", proc_gid(r, c->gid), proc_gid(r, c->egid),
		   proc_gid(r, c->sgid), proc_gid(r, c->fsgid));
	buf_printf(b, "FDSize:\t%u\nGroups:\t", fdt ? fdt_capacity(fdt) : 0);
	for (uint32_t i = 0; i < c->group_count; i++)
		buf_printf(b, "%s%u", i ? " " : "", proc_gid(r, c->groups[i]));
	buf_puts(b, " \n");
	fdt_put(r->c, fdt);
}

static void status_put_memory(const struct pfs_req *r, struct buf *b)
{
	struct mm *mm = task_mm_get(r->target);
	struct plat_mem_usage m;

	if (!mm)
		return;
	memset(&m, 0, sizeof(m));
	(void)plat_mm_usage(mm->plat, &m);
	{
		const struct { const char *name; uint64_t bytes; } rows[] = {
			{ "VmPeak", m.vm_peak },    { "VmSize", m.vm_bytes },
			{ "VmLck", mm_locked_bytes(mm) },           { "VmPin", 0 },
			{ "VmHWM", m.rss_peak },    { "VmRSS", m.rss_bytes },
			{ "RssAnon", m.rss_anon },  { "RssFile", m.rss_file },
			{ "RssShmem", m.rss_shmem }, { "VmData", m.data_bytes },
			{ "VmStk", m.stack_bytes }, { "VmExe", mm->code_end - mm->code_start },
			{ "VmLib", 0 },             { "VmPTE", 0 },
			{ "VmSwap", 0 },            { "HugetlbPages", 0 },
		};

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			buf_printf(b, "%s:\t%8llu kB\n", rows[i].name,
				   (unsigned long long)(rows[i].bytes / 1024));
	}
	buf_puts(b, "CoreDumping:\t0\nTHP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\n");
	mm_put(mm);
}

static void status_put_signals(const struct pfs_req *r, struct buf *b)
{
	struct proc_signals s;

	signals_gather(r->target, &s);
	buf_printf(b, "SigQ:\t%u/%llu\n", s.queued,
		   (unsigned long long)process_rlimit(r->target->process, RLIMIT_SIGPENDING));
	buf_printf(b, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\n",
		   (unsigned long long)s.pending, (unsigned long long)s.shared,
		   (unsigned long long)s.blocked);
	buf_printf(b, "SigIgn:\t%016llx\nSigCgt:\t%016llx\n", (unsigned long long)s.ignored,
		   (unsigned long long)s.caught);
}

static void status_put_caps(struct buf *b, const struct cred *c)
{
	const struct { const char *name; cap_set_t caps; } rows[] = {
		{ "CapInh", c->inheritable }, { "CapPrm", c->permitted }, { "CapEff", c->effective },
		{ "CapBnd", c->bounding },    { "CapAmb", c->ambient },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		buf_printf(b, "%s:\t%016llx\n", rows[i].name, (unsigned long long)rows[i].caps);
}

/* As the kernel prints bitmaps: words of 32 bits, highest first; then as a list of ranges. */
static void status_put_cpus(const struct pfs_req *r, struct buf *b)
{
	const struct container *k = r->target->process->container;
	unsigned int count = kernel_cpu_count(k), words = (count + 31) / 32;
	uint64_t mask[16];
	bool first = true;

	kernel_cpu_mask(k, r->target->cpu_mask, mask, ARRAY_SIZE(mask));
	words = MIN(words, 32u);
	count = MIN(count, 1024u);
	buf_puts(b, "Cpus_allowed:\t");
	for (unsigned int w = words; w-- > 0;) {
		uint32_t v = (uint32_t)(mask[w / 2] >> (w % 2 * 32));
		unsigned int digits = w == words - 1 ? ((count - 1) % 32) / 4 + 1 : 8;

		buf_printf(b, "%0*x%s", (int)digits, v, w ? "," : "\n");
	}
	buf_puts(b, "Cpus_allowed_list:\t");
	for (unsigned int i = 0; i < count; i++) {
		unsigned int end = i;

		if (!(mask[i / 64] >> (i % 64) & 1))
			continue;
		while (end + 1 < count && (mask[(end + 1) / 64] >> ((end + 1) % 64) & 1))
			end++;
		buf_printf(b, "%s%u", first ? "" : ",", i);
		if (end > i)
			buf_printf(b, "-%u", end);
		first = false;
		i = end;
	}
	buf_puts(b, "\nMems_allowed:\t00000000,00000001\nMems_allowed_list:\t0\n");
}

int proc_show_status(const struct pfs_req *r, struct buf *b)
{
	struct task *t = r->target;
	const struct cred *c = task_cred_get(t);
	struct fs_state *fs = task_fs_get(t);
	struct proc_tree tree;
	int mode, filters;

	tree_gather(r, is_whole(r), &tree);
	buf_puts(b, "Name:\t");
	proc_put_comm(t, b, "\n\\");
	buf_putc(b, '\n');
	if (fs)
		buf_printf(b, "Umask:\t%#04o\n", fs->umask);
	buf_printf(b, "State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
		   state_name(proc_task_state(r, t)), tree.tgid, tree.tid, tree.ppid,
		   tree.tracer);
	status_put_ids(r, b, c);
	status_put_pids(r, b);
	status_put_memory(r, b);
	buf_printf(b, "Threads:\t%u\n", tree.threads);
	status_put_signals(r, b);
	status_put_caps(b, c);
	seccomp_show(t, &mode, &filters);
	buf_printf(b, "NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%d\n", t->no_new_privs, mode,
		   filters);
	buf_puts(b, "Speculation_Store_Bypass:\tunknown\nSpeculationIndirectBranch:\tunknown\n");
	status_put_cpus(r, b);
	buf_printf(b, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
		   (unsigned long long)t->nvcsw, (unsigned long long)t->nivcsw);
	fs_state_put(fs);
	cred_put(c);
	return 0;
}
