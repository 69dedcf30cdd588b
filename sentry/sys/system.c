/* SPDX-License-Identifier: Apache-2.0 */
/* system.c: names, limits, prctl, and what else asks about the system. */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "sentry/time/timers.h"
#include "sentry/mm/mm.h"
#include "sentry/container.h"
#include "sentry/cred/caps.h"
#include "sentry/kernel.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/sys/prctl.h"
#include "sentry/task/task_impl.h"
#include "sentry/time/time_ns.h"
#include "sys_calls.h"

/* ---- names ---------------------------------------------------------------------------------------- */

long sys_uname(struct task *t, uaddr_t buf)
{
	struct uts_ns *ns = t->ns->uts;
	struct utsname u;

	memset(&u, 0, sizeof(u));
	strcpy(u.sysname, "Linux");
	strcpy(u.release, KERNEL_RELEASE);
	strcpy(u.version, KERNEL_VERSION);
	strcpy(u.machine, (t->personality & 0xff) == 0x08 /* PER_LINUX32 */ ? "i686" : "x86_64");
	latch_lock(&ns->latch);
	memcpy(u.nodename, ns->nodename, sizeof(u.nodename));
	memcpy(u.domainname, ns->domainname, sizeof(u.domainname));
	latch_unlock(&ns->latch);
	if (t->personality & 0x0020000 /* UNAME26 */)
		strcpy(u.release, "2.6.66");
	return uaccess_put(t, buf, &u, sizeof(u));
}

static long set_name(struct task *t, uaddr_t name, int size, bool host)
{
	struct uts_ns *ns = t->ns->uts;
	char text[65] = { 0 };

	if (!cred_capable_ns(t->cred, ns->user_ns, CAP_SYS_ADMIN))
		return -EPERM;
	if (size < 0 || size > 64)
		return -EINVAL;
	if (uaccess_get(t, text, name, (size_t)size))
		return -EFAULT;
	latch_lock(&ns->latch);
	memcpy(host ? ns->nodename : ns->domainname, text, sizeof(text));
	latch_unlock(&ns->latch);
	return 0;
}

long sys_sethostname(struct task *t, uaddr_t name, int size)
{
	return set_name(t, name, size, true);
}

long sys_setdomainname(struct task *t, uaddr_t name, int size)
{
	return set_name(t, name, size, false);
}

long sys_sysinfo(struct task *t, uaddr_t info)
{
	struct kernel_memory m;
	struct sysinfo s;

	memset(&s, 0, sizeof(s));
	kernel_memory(t->process->container, &m);
	s.uptime = (long)((kernel_uptime_ns() + time_ns_offset(t->ns->time, CLOCK_KIND_BOOT)) /
			  NSEC_PER_SEC);
	s.totalram = m.total;
	s.freeram = m.free;
	s.procs = (unsigned short)MIN(tasklist.task_count, 65535u);
	s.mem_unit = 1;
	return uaccess_put(t, info, &s, sizeof(s));
}

long sys_getcpu(struct task *t, uaddr_t cpu, uaddr_t node, uaddr_t cache)
{
	unsigned int zero = 0, first = 0;

	(void)cache;
	for (size_t i = 0; i < ARRAY_SIZE(t->cpu_mask); i++)
		if (t->cpu_mask[i]) {
			first = (unsigned int)(i * 64) + (unsigned int)__builtin_ctzll(t->cpu_mask[i]);
			break;
		}
	if ((cpu.addr && uaccess_put(t, cpu, &first, sizeof(first))) ||
	    (node.addr && uaccess_put(t, node, &zero, sizeof(zero))))
		return -EFAULT;
	return 0;
}

long sys_getrandom(struct task *t, uaddr_t buf, size_t size, unsigned int flags)
{
	uint8_t chunk[256];
	size_t done = 0;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & GRND_RANDOM) && (flags & GRND_INSECURE))
		return -EINVAL;
	size = MIN(size, (size_t)INT32_MAX);
	while (done < size) {
		size_t n = MIN(size - done, sizeof(chunk));

		if (getrandom(chunk, n, 0) != (ssize_t)n)
			return done ? (long)done : -EAGAIN;
		if (uaccess_put(t, uaddr_add(buf, done), chunk, n))
			return done ? (long)done : -EFAULT;
		done += n;
		if (sig_pending(t) && done)
			break;
	}
	return (long)done;
}

/* The one security module that there is: capabilities. */
long sys_lsm_list_modules(struct task *t, uaddr_t ids, uaddr_t usize, unsigned int flags)
{
	const uint64_t list[] = { 100 /* LSM_ID_CAPABILITY */, 110 /* LSM_ID_LANDLOCK */ };
	uint32_t size, all = sizeof(list);

	if (flags)
		return -EINVAL;
	if (uaccess_get(t, &size, usize, sizeof(size)) || uaccess_put(t, usize, &all, sizeof(all)))
		return -EFAULT;
	if (size < all)
		return -E2BIG;
	if (uaccess_put(t, ids, list, sizeof(list)))
		return -EFAULT;
	return (long)ARRAY_SIZE(list);
}

long sys_personality(struct task *t, unsigned int persona)
{
	uint32_t old = t->personality;

	if (persona != 0xffffffffu)
		t->personality = persona;
	if (t->personality & 0x0400000 /* READ_IMPLIES_EXEC: mmap and mprotect are not the stub's */)
		plat_mm_set_native(t->mm->plat, false);
	return old;
}

/* ---- limits ----------------------------------------------------------------------------------------- */

/* Those that somebody must watch over from now on. */
static void rlimit_changed(struct process *p, unsigned int resource)
{
	struct task *t = NULL;
	struct mm *mm;

	if (resource == RLIMIT_CPU)
		process_cpu_limit(p);
	if ((resource != RLIMIT_AS && resource != RLIMIT_DATA) || !mm_limited(p))
		return;
	mutex_lock(&tasklist.lock);
	if (p->leader)
		t = task_get(p->leader);
	mutex_unlock(&tasklist.lock);
	mm = t ? task_mm_get(t) : NULL;
	if (mm)
		plat_mm_set_native(mm->plat, false);
	mm_put(mm);
	task_put(t);
}

static int rlimit_do(struct task *t, struct process *p, unsigned int resource,
		     const struct rlimit *new, struct rlimit *old)
{
	bool capable = task_capable(t, CAP_SYS_RESOURCE);
	int err = 0;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	if (new && new->rlim_cur > new->rlim_max)
		return -EINVAL;
	latch_lock(&p->rlimit_latch);
	*old = p->rlimits[resource];
	if (new) {
		if (new->rlim_max > old->rlim_max && !capable)
			err = -EPERM;
		else if (resource == RLIMIT_NOFILE && new->rlim_max > 1u << 20)
			err = -EPERM; /* fs.nr_open */
		else
			p->rlimits[resource] = *new;
	}
	latch_unlock(&p->rlimit_latch);
	if (new && !err)
		rlimit_changed(p, resource);
	return err;
}

long sys_getrlimit(struct task *t, unsigned int resource, uaddr_t limit)
{
	struct rlimit old;
	int err = rlimit_do(t, t->process, resource, NULL, &old);

	return err ? err : uaccess_put(t, limit, &old, sizeof(old));
}

long sys_setrlimit(struct task *t, unsigned int resource, uaddr_t limit)
{
	struct rlimit new, old;

	if (uaccess_get(t, &new, limit, sizeof(new)))
		return -EFAULT;
	return rlimit_do(t, t->process, resource, &new, &old);
}

long sys_prlimit64(struct task *t, int pid, unsigned int resource, uaddr_t unew, uaddr_t uold)
{
	struct rlimit new, old;
	const struct cred *c;
	struct task *o;
	int err = 0;

	if (unew.addr && uaccess_get(t, &new, unew, sizeof(new)))
		return -EFAULT;
	o = pid ? task_lookup(task_pid_ns(t), pid) : task_get(t);
	if (!o)
		return -ESRCH;
	c = task_cred_get(o);
	if (o->process != t->process &&
	    !(t->cred->uid == c->euid && t->cred->uid == c->suid && t->cred->uid == c->uid &&
	      t->cred->gid == c->egid && t->cred->gid == c->sgid && t->cred->gid == c->gid) &&
	    !cred_capable_ns(t->cred, c->user_ns, CAP_SYS_RESOURCE))
		err = -EPERM;
	cred_put(c);
	if (!err)
		err = rlimit_do(t, o->process, resource, unew.addr ? &new : NULL, &old);
	task_put(o);
	if (!err && uold.addr)
		err = uaccess_put(t, uold, &old, sizeof(old));
	return err;
}

static void usage_set(struct rusage *u, int64_t utime, int64_t stime)
{
	u->ru_utime.tv_sec = utime / NSEC_PER_SEC;
	u->ru_utime.tv_usec = utime % NSEC_PER_SEC / 1000;
	u->ru_stime.tv_sec = stime / NSEC_PER_SEC;
	u->ru_stime.tv_usec = stime % NSEC_PER_SEC / 1000;
}

long sys_getrusage(struct task *t, int who, uaddr_t usage)
{
	struct process *p = t->process;
	struct plat_mem_usage m;
	struct plat_usage pu;
	struct rusage r;

	memset(&r, 0, sizeof(r));
	switch (who) {
	case RUSAGE_SELF:
		mutex_lock(&tasklist.lock);
		process_usage_locked(p, &pu);
		mutex_unlock(&tasklist.lock);
		if (plat_mm_usage(t->mm->plat, &m) == 0)
			r.ru_maxrss = (long)MAX(m.rss_peak / 1024, p->maxrss);
		break;
	case RUSAGE_THREAD:
		task_usage(t, &pu);
		break;
	case RUSAGE_CHILDREN:
		mutex_lock(&tasklist.lock);
		pu = (struct plat_usage){
			.utime_ns = p->child_utime_ns,
			.stime_ns = p->child_stime_ns,
			.min_faults = p->child_min_faults,
			.maj_faults = p->child_maj_faults,
		};
		r.ru_maxrss = (long)p->child_maxrss;
		mutex_unlock(&tasklist.lock);
		break;
	default:
		return -EINVAL;
	}
	r.ru_minflt = (long)pu.min_faults;
	r.ru_majflt = (long)pu.maj_faults;
	usage_set(&r, pu.utime_ns, pu.stime_ns);
	return uaccess_put(t, usage, &r, sizeof(r));
}

/* ---- prctl ------------------------------------------------------------------------------------------ */

static long prctl_cap_ambient(struct task *t, unsigned long op, unsigned long cap)
{
	const struct cred *old = t->cred;
	struct cred *c;

	if (op == PR_CAP_AMBIENT_CLEAR_ALL) {
		if (cap)
			return -EINVAL;
	} else if (cap > CAP_LAST_CAP) {
		return -EINVAL;
	}
	switch (op) {
	case PR_CAP_AMBIENT_IS_SET:
		return !!(old->ambient & CAP_BIT(cap));
	case PR_CAP_AMBIENT_RAISE:
		if (!(old->permitted & old->inheritable & CAP_BIT(cap)) ||
		    (old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE))
			return -EPERM;
		break;
	case PR_CAP_AMBIENT_LOWER:
	case PR_CAP_AMBIENT_CLEAR_ALL:
		break;
	default:
		return -EINVAL;
	}
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	if (op == PR_CAP_AMBIENT_RAISE)
		c->ambient |= CAP_BIT(cap);
	else if (op == PR_CAP_AMBIENT_LOWER)
		c->ambient &= ~CAP_BIT(cap);
	else
		c->ambient = 0;
	task_set_cred(t, c);
	return 0;
}

static long prctl_capbset_drop(struct task *t, unsigned long cap)
{
	struct cred *c;

	if (!task_ns_capable(t, CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	c = cred_dup(t->cred);
	if (!c)
		return -ENOMEM;
	c->bounding &= ~CAP_BIT(cap);
	task_set_cred(t, c);
	return 0;
}

static long prctl_securebits(struct task *t, unsigned long bits)
{
	const struct cred *old = t->cred;
	struct cred *c;

	if (((old->securebits & SECBITS_LOCKS) & ~bits) || (bits & ~(unsigned long)SECBITS_ALL) ||
	    ((old->securebits & SECBITS_LOCKS) >> 1 & (old->securebits ^ bits)) ||
	    !task_ns_capable(t, CAP_SETPCAP))
		return -EPERM;
	c = cred_dup(old);
	if (!c)
		return -ENOMEM;
	c->securebits = (uint32_t)bits;
	task_set_cred(t, c);
	return 0;
}

static long prctl_keepcaps(struct task *t, unsigned long on)
{
	struct cred *c;

	if (on > 1)
		return -EINVAL;
	if (t->cred->securebits & (1u << 5) /* SECBIT_KEEP_CAPS_LOCKED */)
		return -EPERM;
	c = cred_dup(t->cred);
	if (!c)
		return -ENOMEM;
	c->securebits = (c->securebits & ~SECBIT_KEEP_CAPS) | (on ? SECBIT_KEEP_CAPS : 0);
	task_set_cred(t, c);
	return 0;
}

static long prctl_name(struct task *t, uaddr_t at, bool set)
{
	/* The host's ps (`docker top`) shows it too; a helper (io_uring) has no host thread to name. */
	struct plat_hostcall h = { .nr = SYS_prctl, .args = { PR_SET_NAME, at.addr }, .host_fd = -1 };
	char comm[TASK_COMM_LEN] = { 0 };
	ssize_t n;

	if (set) {
		n = uaccess_get_string(t, comm, at, sizeof(comm) - 1);
		if (n == -EFAULT)
			return n;
		comm[TASK_COMM_LEN - 1] = '\0';
		task_set_comm(t, comm);
		if (t->pt)
			(void)plat_hostcalls(t->pt, &h, 1);
		return 0;
	}
	task_get_comm(t, comm);
	return uaccess_put(t, at, comm, sizeof(comm));
}

static long prctl_subreaper(struct task *t, bool on)
{
	latch_lock(&t->process->siglock);
	if (on)
		process_flags_change(t->process, PROCESS_SUBREAPER, 0);
	else
		process_flags_change(t->process, 0, PROCESS_SUBREAPER);
	latch_unlock(&t->process->siglock);
	return 0;
}

long sys_prctl(struct task *t, int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
	       unsigned long arg5)
{
	int v;

	switch (option) {
	case PR_SET_PDEATHSIG:
		if (arg2 > SIG_COUNT)
			return -EINVAL;
		t->pdeath_signal = (int)arg2;
		return 0;
	case PR_GET_PDEATHSIG:
		return uaccess_put(t, uaddr(arg2), &t->pdeath_signal, sizeof(t->pdeath_signal));
	case PR_GET_DUMPABLE:
		return t->mm->dumpable;
	case PR_SET_DUMPABLE:
		if (arg2 > 1)
			return -EINVAL;
		t->mm->dumpable = (int)arg2;
		return 0;
	case PR_SET_NAME:
		return prctl_name(t, uaddr(arg2), true);
	case PR_GET_NAME:
		return prctl_name(t, uaddr(arg2), false);
	case PR_GET_KEEPCAPS:
		return !!(t->cred->securebits & SECBIT_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		return prctl_keepcaps(t, arg2);
	case PR_CAPBSET_READ:
		return arg2 > CAP_LAST_CAP ? -EINVAL : !!(t->cred->bounding & CAP_BIT(arg2));
	case PR_CAPBSET_DROP:
		return prctl_capbset_drop(t, arg2);
	case PR_GET_SECUREBITS:
		return t->cred->securebits;
	case PR_SET_SECUREBITS:
		return prctl_securebits(t, arg2);
	case PR_CAP_AMBIENT:
		if (arg4 || arg5)
			return -EINVAL;
		return prctl_cap_ambient(t, arg2, arg3);
	case PR_SET_NO_NEW_PRIVS:
		if (arg2 != 1 || arg3 || arg4 || arg5)
			return -EINVAL;
		t->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		if (arg2 || arg3 || arg4 || arg5)
			return -EINVAL;
		return t->no_new_privs;
	case PR_SET_CHILD_SUBREAPER:
		return prctl_subreaper(t, arg2);
	case PR_GET_CHILD_SUBREAPER:
		v = !!(t->process->flags & PROCESS_SUBREAPER);
		return uaccess_put(t, uaddr(arg2), &v, sizeof(v));
	case PR_SET_TIMERSLACK:
		t->timer_slack_ns = arg2 ? arg2 : t->timer_slack_default_ns;
		return 0;
	case PR_GET_TIMERSLACK:
		return (long)t->timer_slack_ns;
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_SET_TIMING:
		return arg2 == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_GET_TSC:
		v = PR_TSC_ENABLE;
		return uaccess_put(t, uaddr(arg2), &v, sizeof(v));
	case PR_GET_SECCOMP:
		return t->seccomp_mode;
	case PR_SET_SECCOMP:
		return prctl_set_seccomp(t, arg2, uaddr(arg3));
	default:
		return prctl_more(t, option, arg2, arg3, arg4, arg5);
	}
}

long sys_arch_prctl(struct task *t, int option, unsigned long arg2)
{
	uint64_t v;

	switch (option) {
	case ARCH_SET_FS:
		if (arg2 >= plat_layout()->user_max)
			return -EPERM;
		plat_regs_mut(t->pt)->fs_base = arg2;
		return 0;
	case ARCH_SET_GS:
		if (arg2 >= plat_layout()->user_max)
			return -EPERM;
		plat_regs_mut(t->pt)->gs_base = arg2;
		return 0;
	case ARCH_GET_FS:
		v = plat_regs(t->pt)->fs_base;
		return uaccess_put(t, uaddr(arg2), &v, sizeof(v));
	case ARCH_GET_GS:
		v = plat_regs(t->pt)->gs_base;
		return uaccess_put(t, uaddr(arg2), &v, sizeof(v));
	case ARCH_GET_CPUID:
		return 1;
	case ARCH_SET_CPUID:
		return -ENODEV; /* as on a CPU that can't make CPUID fault */
	default:
		return -EINVAL;
	}
}
