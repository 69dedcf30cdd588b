/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform_impl.h: what platform.h's functions dispatch to.  One platform a process, chosen by
 * plat_init().  Each slot's contract is that of the function of the same name in platform.h; a slot
 * without one there says so here.
 */
#pragma once

#include "platform/platform.h"

struct worker_hooks;

struct platform_ops {
	const char *name;
	/* -ENOTSUP: this host can't (the next platform may be tried). */
	int (*init)(const struct plat_config *c);
	const struct worker_hooks *(*worker_hooks)(void);

	int (*mm_new)(struct plat_mm **out);
	void (*mm_get)(struct plat_mm *mm);
	void (*mm_put)(struct plat_mm *mm);
	void (*mm_kill)(struct plat_mm *mm);
	int (*mm_reset)(struct plat_thread *pt);
	void (*mm_set_identity)(struct plat_mm *mm, const struct plat_identity *id);
	void (*mm_set_native)(struct plat_mm *mm, bool on);
	void (*mm_set_populate)(struct plat_mm *mm, bool on); /* empty: none */
	void (*pollers_off)(void); /* empty: there are none */
	void (*mm_set_clocks)(struct plat_mm *mm, bool on); /* empty: clocks are the Sentry's anyway */
	/*
	 * A live thread of mm by which the host finds its memory (process_vm_readv, /proc).  Sleeps until
	 * a process that was just cloned has arrived.  -ESRCH: none.
	 */
	pid_t (*mm_tid)(struct plat_mm *mm);
	const struct uio_space *(*mm_space)(struct plat_mm *mm);
	/* May be empty.  buf was read from addr: undo what the platform has changed in the application's text. */
	void (*mm_original)(struct plat_mm *mm, uint64_t addr, void *buf, size_t size);
	int (*mm_sites)(struct plat_mm *mm, plat_site_fn *fn, void *arg); /* may be empty */
	/* Size of the mappings that are the platform's own. */
	uint64_t (*mm_hidden_bytes)(struct plat_mm *mm);

	int (*thread_new)(struct plat_mm *mm, struct fiber *fiber, struct plat_thread **out);
	void (*thread_free)(struct plat_thread *pt);
	struct plat_mm *(*thread_mm)(struct plat_thread *pt);
	pid_t (*thread_host_tid)(struct plat_thread *pt);
	bool (*thread_is_dead)(struct plat_thread *pt);
	const struct uio_space *(*thread_space)(struct plat_thread *pt);

	int (*start)(struct plat_thread *pt);
	/* Empty: no templates, plat_template_new() gives -ENOTSUP. */
	int (*start_from)(struct plat_thread *tmpl, struct plat_thread *pt);
	int (*clone)(struct plat_thread *parent, struct plat_thread *child, unsigned int flags,
		     const struct plat_start *start);
	void (*run)(struct plat_thread *pt, struct plat_event *ev);
	/* What the stub may keep for pt, where it is now; hostile memory.  Valid while pt is. */
	struct stub_own *(*own)(const struct plat_thread *pt);
	void (*kick)(struct plat_thread *pt);
	void (*thread_exit)(struct plat_thread *pt, pid_t tid);
	void (*walk_robust)(struct plat_thread *pt, pid_t tid);
	void (*set_tid)(struct plat_thread *pt, pid_t tid); /* empty: no PI futexes */
	int (*hostcalls)(struct plat_thread *pt, struct plat_hostcall *calls, size_t count);

	const plat_regs_t *(*regs)(struct plat_thread *pt);
	plat_regs_t *(*regs_mut)(struct plat_thread *pt);
	void (*set_result)(struct plat_thread *pt, long result);
	void (*native_call)(struct plat_thread *pt, uint64_t nr, bool report);
	size_t (*fpstate_size)(void);
	ssize_t (*fpstate_get)(struct plat_thread *pt, void *buf, size_t size);
	int (*fpstate_set)(struct plat_thread *pt, const void *buf, size_t size);
	/* Empty: by way of the two above. */
	int (*fpstate_save_at)(struct plat_thread *pt, uint64_t addr);
	int (*fpstate_load_at)(struct plat_thread *pt, uint64_t addr);
	/* Where pt runs is (not) its application's choice.  Empty: nobody else chooses. */
	void (*placed)(struct plat_thread *pt, bool by_application);
};

extern const struct platform_ops notify_ops, ptrace_ops;

/* platform.c: the layout of the host's address spaces, found once by layout_init(). */
int layout_init(int proc_fd) must_check;
/* The vDSO's mappings [min, max), data included; equal: none. */
void layout_vdso(uint64_t *min, uint64_t *max);
/* Whether [addr, addr+size) meets what is not the application's (stub, vDSO). */
bool layout_is_reserved(uint64_t addr, uint64_t size);

/* Whether plat_hostcalls() may have the stub make this call. */
bool plat_hostcall_is_allowed(const struct plat_hostcall *c);
/* The calls that unmap all but the stub and the vDSO; their count. */
#define PLAT_RESET_CALLS 3
size_t plat_reset_calls(struct plat_hostcall calls[PLAT_RESET_CALLS]);

/* proc.c */
void proc_init(int proc_fd);
ssize_t proc_vm_read(pid_t tid, uint64_t addr, void *dst, size_t size);
ssize_t proc_vm_write(pid_t tid, uint64_t addr, const void *src, size_t size);
ssize_t proc_vm_writev(pid_t tid, uint64_t addr, const struct iovec *iov, size_t count);
ssize_t proc_mem_read(pid_t tid, uint64_t addr, void *dst, size_t size);
int proc_maps(pid_t tid, bool smaps, plat_map_fn *fn, void *arg);
int proc_maps_in(pid_t tid, uint64_t start, uint64_t end, plat_map_fn *fn, void *arg);
int proc_resident(pid_t tid, uint64_t addr, size_t pages, uint8_t *vec);
/* fn for each child of thread tid, the numbers read as they are now. */
int proc_children(pid_t tid, void (*fn)(void *arg, pid_t pid), void *arg);
int proc_thread_usage(pid_t tid, struct plat_usage *out);
/* Of the process of tid, any thread of it: all threads', also those that have ended. */
int proc_process_usage(pid_t tid, struct plat_usage *out);
int proc_mem_usage(pid_t tid, uint64_t hidden_bytes, struct plat_mem_usage *out);
