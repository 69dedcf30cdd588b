/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sched.c: policies, priorities, affinity and I/O priorities (sched(7), ioprio_set(2)).
 *
 * All of it is kept and told, and inherited as on Linux; where and when threads run is decided by the
 * host.  Who may set what: kernel/sched/syscalls.c, block/ioprio.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/mem.h"
#include "sentry/container.h"
#include "sentry/kernel.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#define SCHED_POLICY_DEADLINE 6
#define RESET_ON_FORK         0x40000000 /* SCHED_RESET_ON_FORK */
#define RT_PRIORITY_MAX       99

/* ---- scheduling: policies and priorities are kept, the host schedules --------------------------------- */

/* The task asked about, referenced; 0 is the caller.  For the calls on affinity any number is one. */
static int sched_find(struct task *t, int pid, struct task **out)
{
	if (!pid)
		*out = task_get(t);
	else
		*out = pid > 0 ? task_lookup(task_pid_ns(t), pid) : NULL;
	return *out ? 0 : -ESRCH;
}

static int sched_target(struct task *t, int pid, struct task **out)
{
	return pid < 0 ? -EINVAL : sched_find(t, pid, out);
}

/* As check_same_owner() or CAP_SYS_NICE. */
static bool sched_may(struct task *t, struct task *o)
{
	const struct cred *c = task_cred_get(o);
	bool ok = t->cred->euid == c->euid || t->cred->euid == c->uid ||
		  cred_capable_ns(t->cred, c->user_ns, CAP_SYS_NICE);

	cred_put(c);
	return ok;
}

long sys_sched_yield(struct task *t)
{
	(void)t;
	fiber_yield();
	return 0;
}

static bool policy_valid(int policy)
{
	return policy >= 0 && policy <= SCHED_POLICY_DEADLINE && policy != 4;
}

static bool policy_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

long sys_sched_get_priority_max(struct task *t, int policy)
{
	(void)t;
	if (policy_rt(policy))
		return RT_PRIORITY_MAX;
	return policy_valid(policy) ? 0 : -EINVAL;
}

long sys_sched_get_priority_min(struct task *t, int policy)
{
	(void)t;
	if (policy_rt(policy))
		return 1;
	return policy_valid(policy) ? 0 : -EINVAL;
}

long sys_sched_getscheduler(struct task *t, int pid)
{
	struct task *o;
	long r = sched_target(t, pid, &o);

	if (r)
		return r;
	r = o->sched_policy | (o->sched_reset_on_fork ? RESET_ON_FORK : 0);
	task_put(o);
	return r;
}

long sys_sched_getparam(struct task *t, int pid, uaddr_t param)
{
	struct task *o;
	int err, priority;

	if (!param.addr)
		return -EINVAL;
	err = sched_target(t, pid, &o);
	if (err)
		return err;
	priority = o->sched_priority;
	task_put(o);
	return uaccess_put(t, param, &priority, sizeof(priority));
}

/* struct sched_attr of <linux/sched/types.h>. */
struct sched_attr_abi {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};
#define SCHED_ATTR_VER0 48
#define SCHED_ATTR_VER1 56
_Static_assert(sizeof(struct sched_attr_abi) == SCHED_ATTR_VER1, "Linux ABI");

enum {
	ATTR_RESET_ON_FORK = 0x01,
	ATTR_RECLAIM = 0x02,
	ATTR_DL_OVERRUN = 0x04,
	ATTR_KEEP_POLICY = 0x08,
	ATTR_KEEP_PARAMS = 0x10,
	ATTR_UTIL_MIN = 0x20,
	ATTR_UTIL_MAX = 0x40,
	ATTR_ALL = 0x7f,
};

/* __checkparam_dl(), with sysctl_sched_dl_period_min and _max as they come. */
static bool deadline_valid(const struct sched_attr_abi *a)
{
	uint64_t period = a->period ? a->period : a->deadline;

	if (a->deadline == 0 || a->runtime < 1024 || (a->deadline | a->period) >> 63)
		return false;
	if (period < a->deadline || a->deadline < a->runtime)
		return false;
	return period >= 100 * 1000 && period <= (1ull << 22) * 1000;
}

/* user_check_sched_setscheduler(): what needs CAP_SYS_NICE (of those who may touch o at all). */
static bool sched_privileged(struct task *t, struct task *o, int policy, const struct sched_attr_abi *a)
{
	uint64_t rt_limit = process_rlimit(o->process, RLIMIT_RTPRIO);
	bool may_nice = (uint64_t)(20 - a->nice) <= process_rlimit(o->process, RLIMIT_NICE);

	if ((policy == SCHED_OTHER || policy == SCHED_BATCH) && a->nice < o->nice && !may_nice)
		return true;
	if (policy_rt(policy)) {
		if (policy != o->sched_policy && !rt_limit)
			return true;
		if ((int)a->priority > o->sched_priority && a->priority > rt_limit)
			return true;
	}
	if (policy == SCHED_POLICY_DEADLINE)
		return true;
	if (o->sched_policy == SCHED_IDLE && policy != SCHED_IDLE && !may_nice)
		return true;
	if (o->sched_reset_on_fork && !(a->flags & ATTR_RESET_ON_FORK))
		return true;
	(void)t;
	return false;
}

static bool sched_valid(int policy, const struct sched_attr_abi *a)
{
	return policy_valid(policy) && !(a->flags & ~(uint64_t)ATTR_ALL) &&
	       a->priority <= RT_PRIORITY_MAX && policy_rt(policy) == (a->priority != 0) &&
	       (policy != SCHED_POLICY_DEADLINE || deadline_valid(a));
}

static void sched_apply(struct task *o, int policy, const struct sched_attr_abi *a)
{
	o->sched_reset_on_fork = a->flags & ATTR_RESET_ON_FORK;
	if (a->flags & ATTR_KEEP_PARAMS)
		return;
	o->sched_policy = policy;
	o->sched_priority = (int)a->priority;
	if (policy == SCHED_OTHER || policy == SCHED_BATCH)
		o->nice = a->nice;
	if (policy == SCHED_POLICY_DEADLINE) {
		o->sched_runtime_ns = a->runtime;
		o->sched_deadline_ns = a->deadline;
		o->sched_period_ns = a->period ? a->period : a->deadline;
	}
}

/* policy < 0: as it is. */
static int sched_set_locked(struct task *t, struct task *o, int policy, struct sched_attr_abi *a)
{
	if (policy < 0) {
		policy = o->sched_policy;
		if (o->sched_reset_on_fork)
			a->flags |= ATTR_RESET_ON_FORK;
	}
	if (!sched_valid(policy, a))
		return -EINVAL;
	if (!sched_may(t, o) || (sched_privileged(t, o, policy, a) && !task_capable(t, CAP_SYS_NICE)))
		return -EPERM;
	sched_apply(o, policy, a);
	return 0;
}

int sched_boot(struct task *t, const struct sched_boot *b)
{
	struct sched_attr_abi a = {
		.flags = b->flags, .nice = b->nice, .priority = b->priority, .runtime = b->runtime_ns,
		.deadline = b->deadline_ns, .period = b->period_ns,
	};
	int policy = (int)b->policy;

	if (!sched_valid(policy, &a))
		return -EINVAL;
	sched_apply(t, policy, &a);
	return 0;
}

static int sched_set(struct task *t, int pid, int policy, int priority)
{
	struct sched_attr_abi a = { .priority = (uint32_t)priority };
	struct task *o;
	int err;

	err = sched_target(t, pid, &o);
	if (err)
		return err;
	a.nice = o->nice;
	if (policy >= 0 && policy & RESET_ON_FORK) {
		a.flags = ATTR_RESET_ON_FORK;
		policy &= ~RESET_ON_FORK;
	}
	err = sched_set_locked(t, o, policy, &a);
	task_put(o);
	return err;
}

long sys_sched_setparam(struct task *t, int pid, uaddr_t param)
{
	int priority;

	if (!param.addr || pid < 0)
		return -EINVAL;
	if (uaccess_get(t, &priority, param, sizeof(priority)))
		return -EFAULT;
	return sched_set(t, pid, -1, priority);
}

long sys_sched_setscheduler(struct task *t, int pid, int policy, uaddr_t param)
{
	int priority;

	if (policy < 0 || !param.addr || pid < 0)
		return -EINVAL;
	if (uaccess_get(t, &priority, param, sizeof(priority)))
		return -EFAULT;
	return sched_set(t, pid, policy, priority);
}

/* sched_copy_attr() */
static int attr_get(struct task *t, uaddr_t at, struct sched_attr_abi *a)
{
	uint32_t size, own = sizeof(*a);
	int err;

	if (uaccess_get(t, &size, at, sizeof(size)))
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_VER0;
	err = size < SCHED_ATTR_VER0 || size > PAGE_SIZE ? -E2BIG
							 : uaccess_get_struct(t, a, own, at, size);
	if (err == -E2BIG)
		return uaccess_put(t, at, &own, sizeof(own)) ? -EFAULT : -E2BIG;
	if (err)
		return err;
	if ((a->flags & (ATTR_UTIL_MIN | ATTR_UTIL_MAX)) && size < SCHED_ATTR_VER1)
		return -EINVAL;
	a->nice = MAX(-20, MIN(a->nice, 19));
	return 0;
}

long sys_sched_setattr(struct task *t, int pid, uaddr_t attr, unsigned int flags)
{
	struct sched_attr_abi a;
	struct task *o;
	int err;

	if (!attr.addr || pid < 0 || flags)
		return -EINVAL;
	err = attr_get(t, attr, &a);
	if (err)
		return err;
	if ((int)a.policy < 0)
		return -EINVAL;
	err = sched_target(t, pid, &o);
	if (err)
		return err;
	if (a.flags & ATTR_KEEP_PARAMS) {
		a.nice = o->nice;
		a.priority = (uint32_t)o->sched_priority;
		a.runtime = o->sched_runtime_ns;
		a.deadline = o->sched_deadline_ns;
		a.period = o->sched_period_ns;
	}
	err = sched_set_locked(t, o, a.flags & ATTR_KEEP_POLICY ? -1 : (int)a.policy, &a);
	task_put(o);
	return err;
}

long sys_sched_getattr(struct task *t, int pid, uaddr_t attr, unsigned int size, unsigned int flags)
{
	struct sched_attr_abi a = { .util_max = 1024 };
	struct task *o;
	int err;

	if (!attr.addr || pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_VER0 || flags)
		return -EINVAL;
	err = sched_target(t, pid, &o);
	if (err)
		return err;
	a.size = (uint32_t)MIN((size_t)size, sizeof(a));
	a.policy = (uint32_t)o->sched_policy;
	a.flags = o->sched_reset_on_fork ? ATTR_RESET_ON_FORK : 0;
	if (o->sched_policy == SCHED_POLICY_DEADLINE) {
		a.runtime = o->sched_runtime_ns;
		a.deadline = o->sched_deadline_ns;
		a.period = o->sched_period_ns;
	} else if (policy_rt(o->sched_policy)) {
		a.priority = (uint32_t)o->sched_priority;
	} else {
		a.nice = o->nice;
	}
	task_put(o);
	return uaccess_put(t, attr, &a, a.size);
}

int sched_inherit(struct task *child, const struct task *parent)
{
	bool reset = parent->sched_reset_on_fork;

	child->nice = parent->nice;
	child->ioprio = parent->ioprio;
	memcpy(child->cpu_mask, parent->cpu_mask, sizeof(child->cpu_mask));
	if (!reset) {
		if (parent->sched_policy == SCHED_POLICY_DEADLINE)
			return -EAGAIN;
		child->sched_policy = parent->sched_policy;
		child->sched_priority = parent->sched_priority;
	} else if (!policy_rt(parent->sched_policy) && parent->sched_policy != SCHED_POLICY_DEADLINE) {
		child->sched_policy = parent->sched_policy;
		child->nice = MAX(parent->nice, 0);
	} else {
		child->nice = 0;
	}
	return 0;
}

long sys_sched_rr_get_interval(struct task *t, int pid, uaddr_t interval)
{
	struct timespec ts = { 0 };
	struct task *o;
	int err = sched_target(t, pid, &o);

	if (err)
		return err;
	if (o->sched_policy == SCHED_RR)
		ts.tv_nsec = 100 * NSEC_PER_MSEC;
	else if (o->sched_policy != SCHED_FIFO)
		ts.tv_nsec = 4 * NSEC_PER_MSEC;
	task_put(o);
	return uaccess_put(t, interval, &ts, sizeof(ts));
}

/* Affinity: a mask of the CPUs that the container has, kept per task; sched_place() tells the host. */
long sys_sched_getaffinity(struct task *t, int pid, unsigned int size, uaddr_t mask)
{
	uint64_t m[16];
	struct task *o;
	size_t bytes;
	int err;

	if (size & 7 || size * 8 < kernel_cpu_count(t->process->container))
		return -EINVAL;
	err = sched_find(t, pid, &o);
	if (err)
		return err;
	memset(m, 0, sizeof(m));
	kernel_cpu_mask(o->process->container, o->cpu_mask, m, ARRAY_SIZE(m));
	task_put(o);
	bytes = MIN((size_t)size, ALIGN_UP(kernel_cpu_count(t->process->container), 64u) / 8);
	if (uaccess_put(t, mask, m, bytes))
		return -EFAULT;
	return (long)bytes;
}

/*
 * Where the container is shown all of the host's CPUs a mask means what it says; else it is only told and kept, as the
 * numbers are not the host's.
 */
void sched_place(struct task *t)
{
	uint64_t m[16] = { 0 };
	struct plat_thread *pt;
	bool any = true;

	if (!kernel_has_host_cpus(t->process->container))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		any &= !t->cpu_mask[i];
	kernel_cpu_mask(t->process->container, t->cpu_mask, m, ARRAY_SIZE(m));
	pt = task_pt_pin(t);
	if (!pt)
		return;
	plat_thread_place(pt, m, sizeof(m), any);
	task_pt_unpin(t);
}

long sys_sched_setaffinity(struct task *t, int pid, unsigned int size, uaddr_t mask)
{
	uint64_t m[16] = { 0 }, allowed[16] = { 0 };
	struct task *o;
	int err;

	if (uaccess_get(t, m, mask, MIN((size_t)size, sizeof(m))))
		return -EFAULT;
	err = sched_find(t, pid, &o);
	if (err)
		return err;
	err = sched_may(t, o) ? 0 : -EPERM;
	kernel_cpu_mask(o->process->container, NULL, allowed, ARRAY_SIZE(allowed));
	for (size_t i = 0, any = 0; i < ARRAY_SIZE(m); i++) {
		m[i] &= allowed[i];
		any |= m[i] != 0;
		if (i == ARRAY_SIZE(m) - 1 && !any && !err)
			err = -EINVAL;
	}
	if (!err) {
		memcpy(o->cpu_mask, m, sizeof(o->cpu_mask));
		sched_place(o);
	}
	task_put(o);
	return err;
}

/* Calls fn for each process that which and who name.  -ESRCH: none. */
static int priority_each(struct task *t, int which, int who, int (*fn)(struct task *, struct task *, int),
			 int arg)
{
	struct pid_ns *ns = task_pid_ns(t);
	int32_t nr = 1;
	int r = -ESRCH;

	if (which == PRIO_PROCESS) {
		struct task *o = who ? task_lookup(ns, who) : task_get(t);

		if (!o)
			return -ESRCH;
		r = fn(t, o, arg);
		task_put(o);
		return r;
	}
	for (;; nr++) {
		struct process *p = process_next(ns, nr, &nr);
		bool match;
		int v;

		if (!p)
			return r;
		mutex_lock(&tasklist.lock);
		if (which == PRIO_PGRP)
			match = p->pgrp && (who ? pid_nr_in(p->pgrp->pid, ns) == who
						: p->pgrp == t->process->pgrp);
		else
			match = p->leader && p->leader->cred->uid == (who ? (uint32_t)who
									  : t->cred->uid);
		if (match) {
			v = fn(t, p->leader, arg);
			r = r == -ESRCH || v < 0 ? v : MAX(r, v);
		}
		mutex_unlock(&tasklist.lock);
		process_put(p);
	}
}

static int priority_get(struct task *t, struct task *o, int arg)
{
	(void)t, (void)arg;
	return 20 - o->nice;
}

static int priority_set(struct task *t, struct task *o, int nice)
{
	const struct cred *c = task_cred_get(o);
	bool owner = t->cred->euid == c->uid || t->cred->euid == c->euid ||
		     cred_capable_ns(t->cred, c->user_ns, CAP_SYS_NICE);

	cred_put(c);
	if (!owner)
		return -EPERM;
	if (nice < o->nice && !task_capable(t, CAP_SYS_NICE) &&
	    (uint64_t)(20 - nice) > task_rlimit(t, RLIMIT_NICE))
		return -EACCES;
	o->nice = nice;
	return 0;
}

long sys_getpriority(struct task *t, int which, int who)
{
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	return priority_each(t, which, who, priority_get, 0);
}

long sys_setpriority(struct task *t, int which, int who, int nice)
{
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	return priority_each(t, which, who, priority_set, MAX(-20, MIN(nice, 19)));
}

/* ---- I/O priorities ----------------------------------------------------------------------------------- */

#define IOPRIO_CLASS(v) ((v) >> 13)
#define IOPRIO_END      0x10000 /* beyond every value */
enum { IOPRIO_NONE, IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE };

/* What counts when none was set: best effort, by the nice value. */
static int ioprio_effective(const struct task *o)
{
	if (IOPRIO_CLASS(o->ioprio) != IOPRIO_NONE)
		return o->ioprio;
	return (policy_rt(o->sched_policy) ? IOPRIO_RT : IOPRIO_BE) << 13 | (o->nice + 20) / 5;
}

static int ioprio_set_one(struct task *t, struct task *o, int value)
{
	const struct cred *c = task_cred_get(o);
	bool ok = c && (c->uid == t->cred->euid || c->uid == t->cred->uid);

	cred_put(c);
	if (!ok && !task_capable(t, CAP_SYS_NICE))
		return -EPERM;
	o->ioprio = value;
	return 0;
}

static int ioprio_get_one(struct task *t, struct task *o, int raw)
{
	(void)t;
	/* priority_each() keeps the greatest, and the best priority is the lowest number. */
	return IOPRIO_END - (raw ? o->ioprio : ioprio_effective(o));
}

long sys_ioprio_set(struct task *t, int which, int who, int value)
{
	switch (value >> 13 & 7) {
	case IOPRIO_RT:
		if (!task_capable(t, CAP_SYS_ADMIN) && !task_capable(t, CAP_SYS_NICE))
			return -EPERM;
		break;
	case IOPRIO_BE:
	case IOPRIO_IDLE:
		break;
	case IOPRIO_NONE:
		if (value & 7)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	value &= IOPRIO_END - 1;
	if (which < 1 || which > 3)
		return -EINVAL;
	return priority_each(t, which - 1, who, ioprio_set_one, value);
}

long sys_ioprio_get(struct task *t, int which, int who)
{
	int r;

	if (which < 1 || which > 3)
		return -EINVAL;
	r = priority_each(t, which - 1, who, ioprio_get_one, which == 1);
	return r < 0 ? r : IOPRIO_END - r;
}
