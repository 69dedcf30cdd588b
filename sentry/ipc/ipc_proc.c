/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipc_proc.c: /proc/sysvipc, the limits in /proc/sys/kernel, /proc/PID/ns/ipc.
 *
 * All show and change the namespace of whoever reads or writes.  Linux: ipc/util.c (seq_file),
 * ipc/ipc_sysctl.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/ipc/ipc.h"
#include "sentry/ipc/mqueue.h"
#include "sentry/proc/proc.h"
#include "sentry/task/task.h"
#include "sentry/task/task_impl.h"

/* The reader's namespace, kept by *set (ns_set_put). */
static struct ipc_ns *ipc_of_req(const struct pfs_req *r, struct ns_set **set)
{
	*set = r->reader ? task_ns_get(r->reader) : proc_ns_get(r);
	return *set ? (*set)->ipc : NULL;
}

/* ---- /proc/sysvipc ---------------------------------------------------------------------------- */

static void show_rows(const struct pfs_req *r, struct ipc_ns *ns, enum ipc_kind kind, struct buf *b)
{
	const struct ipc_ids *ids = &ns->ids[kind];

	mutex_lock(&ns->lock);
	for (unsigned int i = 0; i < ids->slot_count; i++) {
		if (ids->slots[i] && kind == IPC_KIND_SEM)
			sem_show_locked(r, ids->slots[i], b);
		else if (ids->slots[i])
			msg_show_locked(r, ids->slots[i], b);
	}
	mutex_unlock(&ns->lock);
}

static int show_kind(const struct pfs_req *r, enum ipc_kind kind, const char *head, struct buf *b)
{
	struct ns_set *set;
	struct ipc_ns *ns = ipc_of_req(r, &set);

	buf_puts(b, head);
	if (ns && kind == IPC_KIND_SHM)
		shm_show(r, ns, b);
	else if (ns)
		show_rows(r, ns, kind, b);
	ns_set_put(set);
	return 0;
}

static int show_msg(const struct pfs_req *r, struct buf *b)
{
	return show_kind(r, IPC_KIND_MSG,
			 "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid"
			 "  cgid      stime      rtime      ctime\n", b);
}

static int show_sem(const struct pfs_req *r, struct buf *b)
{
	return show_kind(r, IPC_KIND_SEM,
			 "       key      semid perms      nsems   uid   gid  cuid  cgid      otime"
			 "      ctime\n", b);
}

static int show_shm(const struct pfs_req *r, struct buf *b)
{
	return show_kind(r, IPC_KIND_SHM,
			 "       key      shmid perms                  size  cpid  lpid nattch   uid   gid"
			 "  cuid  cgid      atime      dtime      ctime                   rss"
			 "                  swap\n", b);
}

/* ---- /proc/sys/kernel ------------------------------------------------------------------------- */

/* Where a row's numbers lie: size bytes each (4 or 8), count of them. */
struct ipc_var {
	size_t at;
	unsigned int size, count;
};

static const struct ipc_var vars[] = {
#define VAR(member, count_) \
	{ offsetof(struct ipc_ns, member), sizeof(((struct ipc_ns *)0)->member), count_ }
	VAR(shm_max, 1), VAR(shm_all, 1), VAR(shm_mni, 1), VAR(shm_rmid_forced, 1),
	VAR(sem_msl, 4), VAR(msg_max, 1), VAR(msg_mnb, 1), VAR(msg_mni, 1),
	VAR(ids[IPC_KIND_MSG].next_id, 1), VAR(ids[IPC_KIND_SEM].next_id, 1),
	VAR(ids[IPC_KIND_SHM].next_id, 1),
};
enum { V_SHMMAX, V_SHMALL, V_SHMMNI, V_RMID_FORCED, V_SEM, V_MSGMAX, V_MSGMNB, V_MSGMNI, V_MSG_NEXT,
       V_SEM_NEXT, V_SHM_NEXT };

_Static_assert(offsetof(struct ipc_ns, sem_mni) == offsetof(struct ipc_ns, sem_msl) + 12,
	       "kernel.sem shows four in a row");

static const struct ipc_var *var_of(const struct sysctl *s)
{
	return s->value;
}

static int var_show(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	const struct ipc_var *v = var_of(s);
	struct ns_set *set;
	struct ipc_ns *ns = ipc_of_req(r, &set);

	if (!ns) {
		ns_set_put(set);
		return -ESRCH;
	}
	mutex_lock(&ns->lock);
	for (unsigned int i = 0; i < v->count; i++) {
		const char *p = (const char *)ns + v->at + i * v->size;

		buf_puts(b, i ? "\t" : "");
		if (v->size == 8)
			buf_printf(b, "%lu", *(const uint64_t *)(const void *)p);
		else
			buf_printf(b, "%d", *(const int *)(const void *)p);
	}
	mutex_unlock(&ns->lock);
	buf_putc(b, '\n');
	ns_set_put(set);
	return 0;
}

/* Numbers above INT64_MAX: only shmmax and shmall, one number each. */
static int var_parse_u64(const char *text, uint64_t *v)
{
	char *end;

	text += strspn(text, " \t\n");
	errno = 0;
	*v = strtoull(text, &end, 0);
	return end == text || errno || *text == '-' || !strchr(" \t\n", *end) ? -EINVAL : 0;
}

static int var_store(const struct sysctl *s, struct ipc_ns *ns, char *text)
{
	const struct ipc_var *v = var_of(s);
	char *at = (char *)ns + v->at;
	long values[4];
	uint64_t big;
	int n;

	if (v->size == 8) {
		n = var_parse_u64(text, &big);
		if (n)
			return n;
		mutex_lock(&ns->lock);
		*(uint64_t *)(void *)at = big;
		mutex_unlock(&ns->lock);
		return 0;
	}
	n = sysctl_parse_longs(text, values, v->count, s->min, s->max);
	if (n < 0)
		return n;
	if (v == &vars[V_SEM] && ((n > 0 && values[0] > 65536) || (n > 3 && values[3] > IPC_IDX_MAX)))
		return n > 3 && values[3] > IPC_IDX_MAX ? -ERANGE : -EINVAL;
	mutex_lock(&ns->lock);
	for (int i = 0; i < n; i++)
		((int *)(void *)at)[i] = (int)values[i];
	mutex_unlock(&ns->lock);
	return 0;
}

static int var_set(const struct pfs_req *r, const struct sysctl *s, char *text, size_t size)
{
	struct ns_set *set;
	struct ipc_ns *ns = ipc_of_req(r, &set);
	bool next_id = var_of(s) >= &vars[V_MSG_NEXT];
	int err = -ESRCH;

	(void)size;
	if (!ns)
		goto out;
	err = next_id && !cred_capable_ns(r->c->cred, ns->user_ns, CAP_CHECKPOINT_RESTORE) &&
			      !cred_capable_ns(r->c->cred, ns->user_ns, CAP_SYS_ADMIN)
		      ? -EPERM
		      : var_store(s, ns, text);
	if (!err && var_of(s) == &vars[V_RMID_FORCED] && ns->shm_rmid_forced)
		shm_destroy_orphans(ns);
out:
	ns_set_put(set);
	return err;
}

#define ROW(path_, var, min_, max_) \
	{ .path = "kernel/" path_, .mode = 0644, .get = var_show, .set = var_set, \
	  .value = (void *)(uintptr_t)&vars[var], .min = min_, .max = max_ }
static const struct sysctl rows[] = {
	ROW("shmmax", V_SHMMAX, 0, 0),
	ROW("shmall", V_SHMALL, 0, 0),
	ROW("shmmni", V_SHMMNI, 0, IPC_IDX_MAX),
	ROW("shm_rmid_forced", V_RMID_FORCED, 0, 1),
	ROW("sem", V_SEM, 0, INT32_MAX),
	ROW("msgmax", V_MSGMAX, 0, INT32_MAX),
	ROW("msgmnb", V_MSGMNB, 0, INT32_MAX),
	ROW("msgmni", V_MSGMNI, 0, IPC_IDX_MAX),
	ROW("msg_next_id", V_MSG_NEXT, 0, INT32_MAX),
	ROW("sem_next_id", V_SEM_NEXT, 0, INT32_MAX),
	ROW("shm_next_id", V_SHM_NEXT, 0, INT32_MAX),
	{ .path = NULL },
};

/* ---- /proc/PID/ns/ipc ------------------------------------------------------------------------- */

static void *ns_of_task(struct task *t)
{
	struct ns_set *set = task_ns_get(t);
	void *ns = set && set->ipc ? ipc_ns_get(set->ipc) : NULL;

	ns_set_put(set);
	return ns;
}

static void *ns_get_(void *ns) { return ipc_ns_get(ns); }
static void ns_put_(void *ns) { ipc_ns_put(ns); }
static uint64_t ns_id(const void *ns) { return ((const struct ipc_ns *)ns)->id; }
static struct user_ns *ns_owner(const void *ns) { return ((const struct ipc_ns *)ns)->user_ns; }

static const struct ns_type_ops ns_ops = {
	"ipc", "ipc", CLONE_NEWIPC, ns_of_task, ns_get_, ns_put_, ns_id, ns_owner, NULL,
};

/* ---- /proc/sys/fs/mqueue ---------------------------------------------------------------------- */

static const size_t mq_vars[] = {
	offsetof(struct mqueue_limits, queues_max), offsetof(struct mqueue_limits, msg_max),
	offsetof(struct mqueue_limits, msgsize_max), offsetof(struct mqueue_limits, msg_default),
	offsetof(struct mqueue_limits, msgsize_default),
};

static atomic_int *mq_var(struct ipc_ns *ns, const struct sysctl *s)
{
	return (atomic_int *)(void *)((char *)mqueue_limits(ns->mqueue) + *(const size_t *)s->value);
}

static int mq_show(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	struct ns_set *set;
	struct ipc_ns *ns = ipc_of_req(r, &set);

	buf_printf(b, "%d\n", ns ? atomic_load(mq_var(ns, s)) : 0);
	ns_set_put(set);
	return 0;
}

static int mq_set(const struct pfs_req *r, const struct sysctl *s, char *text, size_t size)
{
	struct ns_set *set;
	struct ipc_ns *ns = ipc_of_req(r, &set);
	long v;
	int n = sysctl_parse_longs(text, &v, 1, s->min, s->max);

	(void)size;
	if (ns && n > 0)
		atomic_store(mq_var(ns, s), (int)v);
	ns_set_put(set);
	return MIN(n, 0);
}

#define MQ_ROW(path_, var, min_, max_) \
	{ .path = "fs/mqueue/" path_, .mode = 0644, .get = mq_show, .set = mq_set, \
	  .value = (void *)(uintptr_t)&mq_vars[var], .min = min_, .max = max_ }
static const struct sysctl mq_rows[] = {
	MQ_ROW("queues_max", 0, 0, INT32_MAX),
	MQ_ROW("msg_max", 1, 1, 65536),
	MQ_ROW("msgsize_max", 2, 128, 16777216),
	MQ_ROW("msg_default", 3, 1, 65536),
	MQ_ROW("msgsize_default", 4, 128, 16777216),
	{ .path = NULL },
};

int ipc_init(void)
{
	static const struct {
		const char *path;
		struct pfs_entry entry;
	} files[] = {
		{ "sysvipc/msg", { .mode = S_IFREG | 0444, .show = show_msg } },
		{ "sysvipc/sem", { .mode = S_IFREG | 0444, .show = show_sem } },
		{ "sysvipc/shm", { .mode = S_IFREG | 0444, .show = show_shm } },
	};

	shm_module_init();
	mqueue_module_init();
	proc_ns_register(NS_TYPE_IPC, &ns_ops);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int err = proc_add(files[i].path, &files[i].entry);

		if (err)
			return err;
	}
	if (proc_sysctl_add(mq_rows))
		return -ENOMEM;
	return proc_sysctl_add(rows);
}
