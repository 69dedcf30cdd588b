/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipc.h: System V IPC (sysvipc(7)) and the ipc namespace (ipc_namespaces(7)).
 *
 *     ns_set ──▶ ipc_ns ──▶ ids[kind] ──▶ ipc_obj (shm, sem set, msg queue)
 *     mm ──▶ shm_attach ──▶ shm              task ──▶ sem_undo_list ──▶ sem_undo ──▶ sem set
 *
 * One lock a namespace (ipc_ns.lock, LOCK_IPC) guards its tables and every object in them; sleepers
 * (semop, msgsnd, msgrcv) sleep with it dropped.  Nothing is copied from or to the application under
 * it.  Attachments of shared memory are under shm.c's own lock, taken inside ipc_ns.lock.
 *
 * References: a namespace is held by ns_sets and by nsfs files.  Objects live in their namespace's
 * table; a segment lives on while it is attached, a set or queue while somebody sleeps in it.
 */
#pragma once

#include <stdint.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "lib/list.h"
#include "lib/mutex.h"
#include "lib/ref.h"
#include "lib/uio.h"
#include "lib/wq.h"

struct cred;
struct mm;
struct pid;
struct super;
struct task;
struct user_ns;

enum ipc_kind { IPC_KIND_SEM, IPC_KIND_MSG, IPC_KIND_SHM, IPC_KIND_COUNT };

#define IPC_IDX_BITS 15
#define IPC_IDX_MAX  (1 << IPC_IDX_BITS) /* objects of a kind in a namespace */

/* (n) ipc_ns.lock, (c) constant after creation */
struct ipc_obj {
	struct ref ref;
	enum ipc_kind kind; /* (c) */
	bool removed;       /* (n) IPC_RMID: no longer in the table */
	int id;             /* (c) */
	unsigned int seq;   /* (c) */
	int32_t key;        /* (n) */
	uint32_t uid, gid, cuid, cgid; /* (n) kernel ids */
	uint32_t mode;      /* (n) permissions and SHM_* flags */
	int64_t ctime;      /* (n) seconds */
};

struct ipc_ids {
	struct ipc_obj **slots; /* (n) slot_count of them, NULL where free */
	unsigned int slot_count, in_use;
	int last_idx;           /* (n) -1: none yet */
	unsigned int seq;       /* (n) */
	int next_id;            /* (n) /proc/sys/kernel/…_next_id; -1: as it comes */
};

struct ipc_ns {
	struct ref ref;
	struct user_ns *user_ns; /* (c) counted */
	uint64_t id;             /* (c) inode number of /proc/PID/ns/ipc */
	struct mutex lock;       /* LOCK_IPC */
	struct ipc_ids ids[IPC_KIND_COUNT]; /* (n) */

	/* /proc/sys/kernel; (n) */
	uint64_t shm_max, shm_all;
	int shm_mni, shm_rmid_forced;
	int sem_msl, sem_mns, sem_opm, sem_mni;
	int msg_max, msg_mnb, msg_mni;

	uint64_t shm_pages; /* (n) of all segments */
	unsigned int sem_total; /* (n) semaphores */
	uint64_t msg_bytes; /* (n) in all queues */
	uint64_t msg_count;

	struct super *mqueue; /* (c) owned: POSIX message queues */
};

/* A namespace with one reference; NULL: no memory. */
struct ipc_ns *ipc_ns_new(struct user_ns *u) must_check;
struct ipc_ns *ipc_ns_get(struct ipc_ns *ns);
void ipc_ns_put(struct ipc_ns *ns); /* accepts NULL */
/* The caller's own. */
struct ipc_ns *task_ipc_ns(struct task *t);
/* /proc/sysvipc, /proc/sys/kernel/{shm*,sem,msg*}, /proc/PID/ns/ipc: after procfs_init(). */
int ipc_init(void) must_check;

/* ---- what the three kinds share (ipc.c); ns->lock held ------------------------------------------- */

struct ipc_get {
	enum ipc_kind kind;
	int32_t key;
	int flags; /* IPC_CREAT, IPC_EXCL and mode */
	uint64_t size; /* bytes; semaphores */
	/* Make an object that is not in the table yet: *out with one reference. */
	int (*make)(struct task *t, struct ipc_ns *ns, const struct ipc_get *g, struct ipc_obj **out);
	/* May an existing one be returned?  0 or -EINVAL. */
	int (*fits)(const struct ipc_obj *o, const struct ipc_get *g);
};
/* shmget, semget, msgget: the id or -errno.  Takes ns->lock. */
long ipc_get(struct task *t, const struct ipc_get *g);
/* By identifier: borrowed under the lock.  -EINVAL; -EIDRM when it was another one's. */
int ipc_find_locked(struct ipc_ns *ns, enum ipc_kind kind, int id, struct ipc_obj **out) must_check;
/* By index, as SHM_STAT and kin take it. */
int ipc_find_index_locked(struct ipc_ns *ns, enum ipc_kind kind, int idx,
			  struct ipc_obj **out) must_check;
/* The highest index in use, or 0: what IPC_INFO returns. */
int ipc_max_index_locked(const struct ipc_ns *ns, enum ipc_kind kind);
/* flags: S_IRUGO and kin.  0 or -EACCES. */
int ipc_permission(struct task *t, const struct ipc_ns *ns, const struct ipc_obj *o, int flags);
/* IPC_SET, IPC_RMID: owner, creator, or CAP_SYS_ADMIN.  0 or -EPERM. */
int ipc_may_change(struct task *t, const struct ipc_ns *ns, const struct ipc_obj *o);
/* IPC_SET: owner, group, permissions as the caller's namespace sees them.  0 or -EINVAL. */
int ipc_set_perm(struct task *t, struct ipc_obj *o, const struct ipc_perm *p);
void ipc_fill_perm(struct task *t, const struct ipc_obj *o, struct ipc_perm *p);
/* Out of the table: id and key are free.  The table's reference passes to the caller. */
void ipc_remove_locked(struct ipc_ns *ns, struct ipc_obj *o);
void ipc_obj_get(struct ipc_obj *o);
void ipc_obj_put(struct ipc_obj *o); /* the last one frees it by kind */
int64_t ipc_now(void); /* seconds of the wall clock */
int32_t ipc_pid_nr(struct task *t, const struct pid *pid); /* pid may be NULL */

/* ---- shared memory (shm.c) ----------------------------------------------------------------------- */

struct shm;
void shm_module_init(void);
long shm_get(struct task *t, int key, size_t size, int flags);
/* The address, or -errno. */
int64_t shm_attach(struct task *t, int id, uint64_t addr, int flags);
long shm_detach(struct task *t, uint64_t addr);
/*
 * remap_file_pages(2) of m, which lies in [start, start+size): Linux unmaps the range before it maps it anew.  True: that
 * was the last attachment of a segment marked for removal, which is no more; the range is unmapped.
 */
struct plat_map;
bool shm_ends_with(struct task *t, const struct plat_map *m, uint64_t start, uint64_t size);
/* IPC_STAT, SHM_STAT, SHM_STAT_ANY: by id or index.  The result of the call. */
long shm_stat(struct task *t, int id, int cmd, struct shmid_ds *out);
long shm_info(struct task *t, struct shm_info *out);
long shm_limits(struct task *t, struct shminfo *out);
long shm_set(struct task *t, int id, const struct shmid_ds *in);
long shm_remove(struct task *t, int id);
long shm_lock(struct task *t, int id, bool lock);
/* Segments that nobody has attached go: /proc/sys/kernel/shm_rmid_forced was set. */
void shm_destroy_orphans(struct ipc_ns *ns);
/* Of every kind: it has just left the table, or will never be in it.  ns->lock held. */
void shm_removed_locked(struct ipc_obj *o);
void shm_free(struct ipc_obj *o);
/* Called by sentry/mm: a copy of from's attachments for to; all of mm's end. */
int shm_mm_fork(struct mm *from, struct mm *to) must_check;
void shm_mm_exit(struct mm *mm);

/* ---- semaphores (sem.c) -------------------------------------------------------------------------- */

struct sem_undo_list;
long sem_get(struct task *t, int key, int count, int flags);
/* deadline_ns: INT64_MAX: none.  ops is a copy, changed. */
long sem_op(struct task *t, int id, struct sembuf *ops, unsigned int count, int64_t deadline_ns);
long sem_stat(struct task *t, int id, int cmd, struct semid_ds *out);
long sem_info(struct task *t, int cmd, struct seminfo *out);
long sem_set(struct task *t, int id, const struct semid_ds *in);
long sem_remove(struct task *t, int id);
/* GETVAL, GETPID, GETNCNT, GETZCNT. */
long sem_get_one(struct task *t, int id, int num, int cmd);
long sem_set_one(struct task *t, int id, int num, int value);
/* How many: for the size of GETALL's and SETALL's arrays. */
long sem_count(struct task *t, int id, int need_mode);
long sem_get_all(struct task *t, int id, uint16_t *values, unsigned int count);
long sem_set_all(struct task *t, int id, const uint16_t *values, unsigned int count);
void sem_removed_locked(struct ipc_obj *o);
void sem_free(struct ipc_obj *o);
/* clone(2) with CLONE_SYSVSEM: t shares parent's list.  0 or -ENOMEM. */
int sem_undo_share(struct task *parent, struct task *t) must_check;
/* Exit, unshare(CLONE_SYSVSEM or CLONE_NEWIPC): the last user's adjustments are made. */
void sem_undo_exit(struct task *t);

/* ---- messages (msg.c) ---------------------------------------------------------------------------- */

long msg_get(struct task *t, int key, int flags);
/* text: size bytes, mem_alloc()ed; consumed in every case. */
long msg_send(struct task *t, int id, long type, char *text, size_t size, int flags);
/* On success *text is the caller's (mem_free), and *type is set. */
long msg_receive(struct task *t, int id, size_t size, long want, int flags, long *type, char **text);
long msg_stat(struct task *t, int id, int cmd, struct msqid_ds *out);
long msg_info(struct task *t, int cmd, struct msginfo *out);
long msg_set(struct task *t, int id, const struct msqid_ds *in);
long msg_remove(struct task *t, int id);
void msg_removed_locked(struct ipc_obj *o);
void msg_free(struct ipc_obj *o);

/* ---- /proc/sysvipc (ipc_proc.c shows the rows that these make) ------------------------------------ */

struct buf;
struct pfs_req;
void shm_show(const struct pfs_req *r, struct ipc_ns *ns, struct buf *b);
void sem_show_locked(const struct pfs_req *r, const struct ipc_obj *o, struct buf *b);
void msg_show_locked(const struct pfs_req *r, const struct ipc_obj *o, struct buf *b);
