/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prctl.c: options of prctl(2) beside those that system.c has: PR_SET_MM, speculation, and small
 * switches that are kept and reported.
 */
#include "sentry/sys/prctl.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <string.h>

#include "sentry/mm/mm.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif
#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif
#ifndef PR_GET_MEMORY_MERGE
#define PR_GET_MEMORY_MERGE 68
#endif

/* ---- PR_SET_MM ------------------------------------------------------------------------------------ */

/* Where each option's number lies in struct mm; brk and the stack's start are not to be moved. */
static const struct {
	unsigned long option;
	size_t at;
} mm_fields[] = {
	{ PR_SET_MM_START_CODE, offsetof(struct mm, code_start) },
	{ PR_SET_MM_END_CODE, offsetof(struct mm, code_end) },
	{ PR_SET_MM_START_DATA, offsetof(struct mm, data_start) },
	{ PR_SET_MM_END_DATA, offsetof(struct mm, data_end) },
	{ PR_SET_MM_ARG_START, offsetof(struct mm, arg_start) },
	{ PR_SET_MM_ARG_END, offsetof(struct mm, arg_end) },
	{ PR_SET_MM_ENV_START, offsetof(struct mm, env_start) },
	{ PR_SET_MM_ENV_END, offsetof(struct mm, env_end) },
};

static bool mm_is_mapped(struct task *t, uint64_t addr)
{
	char byte;

	return plat_mm_read(t->mm->plat, addr, &byte, 1, true) == 1;
}

static long set_mm_exe(struct task *t, unsigned long fd)
{
	struct file *f = fdt_file(t->fdt, (int)fd), *old;
	long err = 0;

	if (!f)
		return -EBADF;
	if (!S_ISREG(f->inode->mode) || (f->path.mnt && (mount_flags(f->path.mnt) & 8 /* MS_NOEXEC */)))
		err = -EACCES;
	else
		err = inode_permission(task_vfs(t), f->inode, MAY_EXEC);
	if (err) {
		file_put(f);
		return err;
	}
	mutex_lock(&t->mm->lock);
	old = t->mm->exe;
	t->mm->exe = f;
	mutex_unlock(&t->mm->lock);
	file_put(old);
	return 0;
}

static long set_mm_auxv(struct task *t, unsigned long addr, unsigned long size)
{
	uint64_t auxv[sizeof(t->mm->auxv) / 8] = { 0 };

	if (!addr || size > sizeof(auxv))
		return -EINVAL;
	if (uaccess_get(t, auxv, uaddr(addr), size))
		return -EFAULT;
	auxv[ARRAY_SIZE(auxv) - 2] = auxv[ARRAY_SIZE(auxv) - 1] = 0; /* AT_NULL */
	mutex_lock(&t->mm->lock);
	memcpy(t->mm->auxv, auxv, sizeof(auxv));
	t->mm->auxv_size = size;
	mutex_unlock(&t->mm->lock);
	return 0;
}

static long set_mm(struct task *t, unsigned long option, unsigned long addr, unsigned long arg4,
		   unsigned long arg5)
{
	unsigned int map_size = sizeof(struct prctl_mm_map);

	if (arg5 || (arg4 && option != PR_SET_MM_AUXV && option != PR_SET_MM_MAP &&
		     option != PR_SET_MM_MAP_SIZE))
		return -EINVAL;
	if (option == PR_SET_MM_MAP_SIZE)
		return uaccess_put(t, uaddr(addr), &map_size, sizeof(map_size));
	if (option == PR_SET_MM_MAP)
		return -EINVAL; /* as a kernel without CONFIG_CHECKPOINT_RESTORE */
	if (!task_capable(t, CAP_SYS_RESOURCE))
		return -EPERM;
	if (option == PR_SET_MM_EXE_FILE)
		return set_mm_exe(t, addr);
	if (option == PR_SET_MM_AUXV)
		return set_mm_auxv(t, addr, arg4);
	if (addr >= plat_layout()->user_max || addr < 4096)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(mm_fields); i++) {
		if (mm_fields[i].option != option)
			continue;
		if (!mm_is_mapped(t, addr))
			return -EINVAL;
		mutex_lock(&t->mm->lock);
		*(uint64_t *)((char *)t->mm + mm_fields[i].at) = addr;
		mutex_unlock(&t->mm->lock);
		return 0;
	}
	return -EINVAL;
}

/* ---- the rest ------------------------------------------------------------------------------------- */

/* What the CPU does is the host's affair: it is on, and not for a task to switch. */
static long speculation(bool set, unsigned long which)
{
	if (which > PR_SPEC_L1D_FLUSH)
		return -ENODEV;
	if (set)
		return -ENXIO;
	return which == PR_SPEC_L1D_FLUSH ? PR_SPEC_FORCE_DISABLE : PR_SPEC_ENABLE;
}

static long mce_kill(struct task *t, unsigned long what, unsigned long policy)
{
	switch (what) {
	case PR_MCE_KILL_CLEAR:
		if (policy)
			return -EINVAL;
		t->mce_kill = 0;
		return 0;
	case PR_MCE_KILL_SET:
		if (policy != PR_MCE_KILL_EARLY && policy != PR_MCE_KILL_LATE &&
		    policy != PR_MCE_KILL_DEFAULT)
			return -EINVAL;
		t->mce_kill = (unsigned char)(policy + 1);
		return 0;
	default:
		return -EINVAL;
	}
}

static long get_auxv(struct task *t, unsigned long addr, unsigned long size)
{
	size_t have = MIN(t->mm->auxv_size, sizeof(t->mm->auxv));

	if (uaccess_put(t, uaddr(addr), t->mm->auxv, MIN(have, (size_t)size)))
		return -EFAULT;
	return (long)have;
}

long prctl_more(struct task *t, int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
		unsigned long arg5)
{
	uint64_t v;

	switch (option) {
	case PR_SET_MM:
		return set_mm(t, arg2, arg3, arg4, arg5);
	case PR_GET_TID_ADDRESS:
		v = plat_clear_tid(t->pt);
		return uaccess_put(t, uaddr(arg2), &v, sizeof(v));
	case PR_SET_TSC:
		return arg2 == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_GET_SPECULATION_CTRL:
		return arg3 || arg4 || arg5 ? -EINVAL : speculation(false, arg2);
	case PR_SET_SPECULATION_CTRL:
		return arg4 || arg5 ? -EINVAL : speculation(true, arg2);
	case PR_MCE_KILL:
		return arg4 || arg5 ? -EINVAL : mce_kill(t, arg2, arg3);
	case PR_MCE_KILL_GET:
		return arg2 || arg3 || arg4 || arg5 ? -EINVAL
		       : t->mce_kill ? t->mce_kill - 1 : PR_MCE_KILL_DEFAULT;
	case PR_SET_THP_DISABLE:
		if (arg3 || arg4 || arg5)
			return -EINVAL;
		t->process->thp_disabled = arg2 != 0;
		return 0;
	case PR_GET_THP_DISABLE:
		return arg2 || arg3 || arg4 || arg5 ? -EINVAL : t->process->thp_disabled;
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
		return 0; /* there are none */
	case PR_GET_AUXV:
		return arg4 || arg5 ? -EINVAL : get_auxv(t, arg2, arg3);
	case PR_GET_MDWE:
	case PR_GET_MEMORY_MERGE:
		return arg2 || arg3 || arg4 || arg5 ? -EINVAL : 0;
	default: /* PR_SET_VMA: as a kernel without CONFIG_ANON_VMA_NAME */
		return -EINVAL;
	}
}
