/* SPDX-License-Identifier: Apache-2.0 */
/* proc_impl.h: what the files of sentry/proc/ share. */
#pragma once

#include "sentry/proc/proc.h"
#include "sentry/task/task.h"
#include "sentry/task/task_impl.h"

enum hide_pid { HIDE_PID_OFF, HIDE_PID_NO_ACCESS, HIDE_PID_INVISIBLE, HIDE_PID_PTRACEABLE = 4 };

struct proc_super {
	struct pfs_super pfs;
	struct pid_ns *ns;           /* (c) counted */
	struct container *container; /* (c) whose set-up mounted it; NULL: mounted by a task */
	enum hide_pid hide;          /* changed by remount; a torn view can't be */
	uint32_t gid;                /* whom hide does not concern */
	bool subset_pid;
};

static inline struct proc_super *proc_super_of(const struct pfs_req *r)
{
	return container_of(pfs_super_of(r), struct proc_super, pfs);
}

/* pfs_inode.key below /proc/PID/task/TID; 0 below /proc/PID. */
#define PROC_KEY_TID 1
/* Flags of rows in the tables of /proc/PID. */
enum { PROC_TGID_ONLY = 1 << 0, PROC_TID_ONLY = 1 << 1 };

/* ---- super.c ---- */
extern struct pfs_node proc_root_node;
/* May the reader see of t what hidepid=min would hide? */
bool proc_may_see(const struct pfs_req *r, struct task *t, enum hide_pid min);
/* ptrace_may_access by the reader with fs credentials; the Sentry itself may. */
bool proc_may_access(const struct pfs_req *r, unsigned int mode);

/* ---- tables ---- */
extern const struct pfs_entry proc_tgid_entry, proc_tid_entry; /* pid.c */
extern const struct pfs_dir proc_fd_dir, proc_fdinfo_dir;      /* fd.c */
extern const struct pfs_dir proc_ns_dir;                       /* nsfs.c */
extern const struct pfs_dir proc_net_dir;                      /* net.c */
int proc_root_init(void) must_check;
int proc_machine_init(void) must_check;
int proc_sysctl_init(void) must_check;
int proc_net_init(void) must_check;
int nsfs_init(void) must_check;
int sysctl_kernel_init(void) must_check;
int sysctl_net_init(void) must_check;
int proc_sysctl_add_one(const struct sysctl *s) must_check; /* s must live on */
/* A directory of its own making below /proc/sys; what is registered there already stays its children.  NULL: no memory. */
struct pfs_node *proc_sysctl_add_dir(const char *path, const struct pfs_entry *e) must_check;
int proc_sysctl_permission(const struct pfs_req *r, unsigned int may);

/* ---- status.c ---- */
int proc_show_stat(const struct pfs_req *r, struct buf *b);
int proc_show_statm(const struct pfs_req *r, struct buf *b);
int proc_show_status(const struct pfs_req *r, struct buf *b);
/* As stat and status show it: R S D T t Z X. */
char proc_task_state(const struct pfs_req *r, struct task *t);
/* t->comm with what would break lines escaped, into b. */
void proc_put_comm(struct task *t, struct buf *b, const char *special);

/* ---- mem.c ---- */
int proc_show_cmdline(const struct pfs_req *r, struct buf *b);
int proc_show_environ(const struct pfs_req *r, struct buf *b);
int proc_show_auxv(const struct pfs_req *r, struct buf *b);
int proc_show_maps(const struct pfs_req *r, struct buf *b);
int proc_show_smaps(const struct pfs_req *r, struct buf *b);
int proc_show_smaps_rollup(const struct pfs_req *r, struct buf *b);
/* r->priv is the struct mm of when the file was opened, or NULL. */
int proc_open_mm_read(const struct pfs_req *r, struct file *f, void **priv);
int proc_open_mm_attach(const struct pfs_req *r, struct file *f, void **priv);
void proc_release_mm(void *priv);
extern const struct file_ops proc_mem_fops;
/* ---- pagemap.c ---- */
extern const struct file_ops proc_pagemap_fops;
long proc_maps_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg);

/* ---- links.c ---- */
int proc_readlink_exe(const struct pfs_req *r, struct buf *b);
int proc_follow_exe(const struct pfs_req *r, struct path *out);
int proc_readlink_cwd(const struct pfs_req *r, struct buf *b);
int proc_follow_cwd(const struct pfs_req *r, struct path *out);
int proc_readlink_root(const struct pfs_req *r, struct buf *b);
int proc_follow_root(const struct pfs_req *r, struct path *out);

/* ---- mounts.c ---- */
int proc_open_mounts(const struct pfs_req *r, struct file *f, void **priv);
void proc_release_mounts(void *priv);
uint32_t proc_poll_mounts(void *priv, struct poller *p);
int proc_show_mounts(const struct pfs_req *r, struct buf *b);
int proc_show_mountinfo(const struct pfs_req *r, struct buf *b);
int proc_show_mountstats(const struct pfs_req *r, struct buf *b);

/* ---- idmap.c ---- */
int proc_show_uid_map(const struct pfs_req *r, struct buf *b);
int proc_write_uid_map(const struct pfs_req *r, char *text, size_t size);
int proc_show_gid_map(const struct pfs_req *r, struct buf *b);
int proc_write_gid_map(const struct pfs_req *r, char *text, size_t size);
int proc_show_setgroups(const struct pfs_req *r, struct buf *b);
int proc_write_setgroups(const struct pfs_req *r, char *text, size_t size);

/* x86_64/cpuinfo.c: the blocks of /proc/cpuinfo for count CPUs. */
void cpuinfo_init(void);
void cpuinfo_show(struct buf *b, unsigned int count);
