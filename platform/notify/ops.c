/* SPDX-License-Identifier: Apache-2.0 */
/* ops.c: the platform's table, and the plainest of what is in it. */
#include "platform/notify/notify_impl.h"

static struct stub_own *notify_own(const struct plat_thread *pt)
{
	return atomic_load_explicit(&pt->own, memory_order_acquire);
}

static struct plat_mm *notify_thread_mm(struct plat_thread *pt)
{
	return pt->mm;
}

static pid_t notify_thread_host_tid(struct plat_thread *pt)
{
	pid_t tid;

	latch_lock(&pt->latch);
	tid = pt->tid;
	latch_unlock(&pt->latch);
	return tid;
}

static const struct uio_space *notify_thread_space(struct plat_thread *pt)
{
	return &pt->space;
}

static const struct uio_space *notify_mm_space(struct plat_mm *mm)
{
	return &mm->space;
}

static const struct worker_hooks *notify_hooks(void)
{
	return &notify_worker_hooks;
}

const struct platform_ops notify_ops = {
	.name = "notify",
	.init = notify_init,
	.worker_hooks = notify_hooks,
	.mm_new = notify_mm_new,
	.mm_get = notify_mm_get,
	.mm_put = notify_mm_put,
	.mm_kill = notify_mm_kill,
	.mm_reset = notify_mm_reset,
	.mm_set_identity = notify_mm_set_identity,
	.mm_set_native = notify_mm_set_native,
	.mm_set_clocks = notify_mm_set_clocks,
	.mm_set_populate = notify_mm_set_populate,
	.pollers_off = notify_poll_off,
	.mm_tid = notify_mm_tid,
	.mm_space = notify_mm_space,
	.mm_original = notify_patch_original,
	.mm_sites = notify_patch_sites,
	.mm_hidden_bytes = notify_mm_hidden_bytes,
	.thread_new = notify_thread_new,
	.thread_free = notify_thread_free,
	.thread_mm = notify_thread_mm,
	.thread_host_tid = notify_thread_host_tid,
	.thread_is_dead = notify_is_dead,
	.thread_space = notify_thread_space,
	.start = notify_start,
	.start_from = notify_start_from,
	.clone = notify_clone_checked,
	.run = notify_run,
	.own = notify_own,
	.kick = notify_kick,
	.thread_exit = notify_thread_exit,
	.walk_robust = notify_walk_robust,
	.set_tid = notify_set_tid,
	.hostcalls = notify_hostcalls,
	.regs = notify_regs,
	.regs_mut = notify_regs_mut,
	.set_result = notify_set_result,
	.native_call = notify_native_call,
	.fpstate_size = notify_fpstate_size,
	.fpstate_get = notify_fpstate_get,
	.fpstate_set = notify_fpstate_set,
	.fpstate_save_at = notify_fpstate_save_at,
	.fpstate_load_at = notify_fpstate_load_at,
	.placed = notify_poll_placed,
};
