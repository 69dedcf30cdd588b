/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqueue.c: POSIX message queues: a file system with one directory whose files are queues.
 *
 *     ipc_ns ──▶ super ──▶ mqueue_fs ──▶ entries ──▶ mq_inode (queue) ◀── file
 *
 * Each ipc namespace has one super, mounted where somebody mounts "mqueue" and, for mq_open(2) itself,
 * internally.  The mqueue_fs belongs to the super and outlives the namespace as long as it is mounted.
 *
 * A queue keeps its messages by priority, oldest first.  All of it is under the queue's lock
 * (LOCK_PIPE); the directory's entries are under the root inode's lock, as the vfs holds it.
 *
 * Attributes for a new queue come with mq_open(2) but reach create() through vfs_open(): they wait in
 * fs->pending, found by the opener's vfs_ctx.
 *
 * Linux: ipc/mqueue.c.
 */
#include "sentry/ipc/mqueue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/ipc/ipc.h"
#include "sentry/socket/netlink.h"
#include "sentry/task/pid.h"
#include "sentry/task/task.h"
#include "sentry/time/clock.h"
#include "vfs/user_ns.h"
#include "vfs/vfs_impl.h"

#define MQUEUE_MAGIC      0x19800202
#define MQ_PRIORITY_MAX   32768
#define MQ_HARD_MESSAGES  65536
#define MQ_HARD_SIZE      (16 * 1024 * 1024)
#define MQ_FILE_SIZE      80 /* what ls shows */
#define MQ_BYTES_MAX      (64ull << 20) /* of messages in one namespace: it is our memory */

struct mq_message {
	struct list node; /* in the queue: by priority, then age */
	unsigned int priority;
	size_t size;
	char *text; /* owned */
};

/* (q) lock */
struct mq_inode {
	struct inode i;
	struct mqueue_fs *fs; /* (c) borrowed: the super's */
	struct mutex lock;    /* LOCK_PIPE */
	struct list messages; /* (q) */
	long count, max_count, max_size; /* (q), (c), (c) */
	uint64_t bytes;       /* (q) */
	unsigned int receivers; /* (q) asleep */
	struct wq readable, writable;
	uint32_t uid;         /* (c) whose RLIMIT_MSGQUEUE it counts against … */
	uint64_t charged;     /* (c) … and with how much */
	/* (q) mq_notify: */
	struct pid *notify_pid; /* counted; NULL: nobody */
	struct process *notify_process; /* counted */
	struct user_ns *notify_user_ns; /* counted */
	struct sigevent event;
	struct file *notify_sock; /* counted; SIGEV_THREAD */
	char cookie[MQ_COOKIE_SIZE];
};

struct mq_entry {
	struct list node;
	int64_t cookie;
	struct inode *inode; /* counted */
	char name[NAME_LEN_MAX + 1];
};

struct mq_pending {
	struct list node;
	const struct vfs_ctx *opener;
	const struct mq_attr *attr;
};

struct mq_user {
	struct list node;
	uint32_t uid;
	uint64_t bytes;
};

struct mqueue_fs {
	struct mqueue_limits limits;
	struct list entries; /* (root's i->lock) */
	int64_t next_cookie; /* (root's i->lock) */
	atomic_ulong next_ino;
	atomic_int queues;
	atomic_uint_least64_t bytes; /* of messages */
	atomic_bool ended;   /* its namespace has gone */
	struct latch latch;
	struct list pending; /* (latch) */
	struct list users;   /* (latch) struct mq_user */
	struct mount *mnt;   /* (c) until ended: owned */
};

static const struct inode_ops mq_inode_ops, mq_dir_ops;
static const struct file_ops mq_fops, mq_dir_fops;
static struct fs_type mqueue_type;

static struct mqueue_fs *fs_of(const struct super *sb)
{
	return sb->priv;
}

static struct mq_inode *mq_of(struct inode *i)
{
	return container_of(i, struct mq_inode, i);
}

bool file_is_mqueue(const struct file *f)
{
	return f->ops == &mq_fops;
}

size_t mqueue_msgsize(const struct file *f)
{
	return (size_t)mq_of(f->inode)->max_size;
}

struct mqueue_limits *mqueue_limits(struct super *sb)
{
	return &fs_of(sb)->limits;
}

/* ---- accounting ------------------------------------------------------------------------------- */

static struct mq_user *mq_user_peek(struct mqueue_fs *fs, uint32_t uid)
{
	struct mq_user *u;

	list_for_each_entry(u, &fs->users, node)
		if (u->uid == uid)
			return u;
	return NULL;
}

/* RLIMIT_MSGQUEUE: -EMFILE. */
static int mq_charge(struct mqueue_fs *fs, uint32_t uid, uint64_t bytes, uint64_t limit)
{
	struct mq_user *new = mem_new(struct mq_user), *u;
	int err = -EMFILE;

	if (!new)
		return -ENOMEM;
	latch_lock(&fs->latch);
	u = mq_user_peek(fs, uid);
	if ((u ? u->bytes : 0) + bytes <= limit) {
		if (!u) {
			u = new;
			u->uid = uid;
			list_append(&fs->users, &u->node);
			new = NULL;
		}
		u->bytes += bytes;
		err = 0;
	}
	latch_unlock(&fs->latch);
	mem_free(new);
	return err;
}

static void mq_uncharge(struct mqueue_fs *fs, uint32_t uid, uint64_t bytes)
{
	struct mq_user *u;

	latch_lock(&fs->latch);
	u = mq_user_peek(fs, uid);
	if (u) {
		u->bytes -= bytes;
		if (u->bytes)
			u = NULL;
		else
			list_remove(&u->node);
	}
	latch_unlock(&fs->latch);
	mem_free(u);
}

/* Linux's sizes of struct msg_msg and posix_msg_tree_node. */
static uint64_t mq_charge_of(long messages, long size)
{
	uint64_t n = (uint64_t)messages;

	return n * 48 + MIN(n, (uint64_t)MQ_PRIORITY_MAX) * 48 + n * (uint64_t)size;
}

/* ---- queues ----------------------------------------------------------------------------------- */

static void mq_message_free(struct mq_message *m)
{
	mem_free(m->text);
	mem_free(m);
}

static void mq_unlink_message(struct mq_inode *q, struct mq_message *m)
{
	list_remove(&m->node);
	q->count--;
	q->bytes -= m->size;
	atomic_fetch_sub_explicit(&q->fs->bytes, m->size, memory_order_relaxed);
}

#define NOTIFY_WOKENUP 1
#define NOTIFY_REMOVED 2

static void mq_notify_thread(struct mq_inode *q, char why)
{
	if (!q->notify_pid || q->event.sigev_notify != SIGEV_THREAD)
		return;
	q->cookie[MQ_COOKIE_SIZE - 1] = why;
	(void)netlink_file_queue(q->notify_sock, q->cookie, sizeof(q->cookie));
}

static void mq_notify_clear(struct mq_inode *q)
{
	file_put(q->notify_sock);
	q->notify_sock = NULL;
	pid_put(q->notify_pid);
	process_put(q->notify_process);
	user_ns_put(q->notify_user_ns);
	q->notify_pid = NULL;
	q->notify_process = NULL;
	q->notify_user_ns = NULL;
}

static void mq_inode_free(struct inode *i)
{
	struct mq_inode *q;
	struct mq_message *m;

	if (S_ISDIR(i->mode)) {
		mem_free(i);
		return;
	}
	q = mq_of(i);
	while ((m = list_first(&q->messages, struct mq_message, node)) != NULL) {
		mq_unlink_message(q, m);
		mq_message_free(m);
	}
	mq_notify_clear(q);
	if (q->charged) {
		mq_uncharge(q->fs, q->uid, q->charged);
		atomic_fetch_sub_explicit(&q->fs->queues, 1, memory_order_relaxed);
	}
	mem_free(q);
}

static int mq_attr_check(struct task *t, const struct mqueue_limits *l, const struct mq_attr *a)
{
	bool may = cred_capable(t->cred, CAP_SYS_RESOURCE);

	if (a->mq_maxmsg <= 0 || a->mq_msgsize <= 0)
		return -EINVAL;
	if (may && (a->mq_maxmsg > MQ_HARD_MESSAGES || a->mq_msgsize > MQ_HARD_SIZE))
		return -EINVAL;
	if (!may && (a->mq_maxmsg > atomic_load(&l->msg_max) ||
		     a->mq_msgsize > atomic_load(&l->msgsize_max)))
		return -EINVAL;
	return 0;
}

/* What mq_open(2) asked for, or the defaults (also for open(2) through a mount). */
static void mq_attr_for(struct mqueue_fs *fs, const struct vfs_ctx *c, struct mq_attr *out)
{
	struct mqueue_limits *l = &fs->limits;
	struct mq_pending *p;

	out->mq_maxmsg = MIN(atomic_load(&l->msg_max), atomic_load(&l->msg_default));
	out->mq_msgsize = MIN(atomic_load(&l->msgsize_max), atomic_load(&l->msgsize_default));
	latch_lock(&fs->latch);
	list_for_each_entry(p, &fs->pending, node)
		if (p->opener == c && p->attr)
			*out = *p->attr;
	latch_unlock(&fs->latch);
}

static int mq_inode_new(struct vfs_ctx *c, struct super *sb, const struct inode_attr_new *a,
			struct inode **out)
{
	struct mqueue_fs *fs = fs_of(sb);
	struct task *t = ctx_task(c);
	struct mq_attr attr;
	struct mq_inode *q;
	int err;

	mq_attr_for(fs, c, &attr);
	err = t ? mq_attr_check(t, &fs->limits, &attr) : 0;
	if (err)
		return err;
	q = mem_new(struct mq_inode);
	if (!q)
		return -ENOMEM;
	inode_init(&q->i, sb, &mq_inode_ops, a->mode);
	q->i.fops = &mq_fops;
	q->i.ino = atomic_fetch_add(&fs->next_ino, 1);
	q->i.uid = a->uid;
	q->i.gid = a->gid;
	q->i.nlink = 1;
	q->i.size = MQ_FILE_SIZE;
	q->fs = fs;
	mutex_init(&q->lock, LOCK_PIPE);
	list_init(&q->messages);
	wq_init(&q->readable);
	wq_init(&q->writable);
	q->max_count = attr.mq_maxmsg;
	q->max_size = attr.mq_msgsize;
	q->uid = c->cred->uid;
	err = mq_charge(fs, q->uid, mq_charge_of(q->max_count, q->max_size),
			t ? task_rlimit(t, RLIMIT_MSGQUEUE) : UINT64_MAX);
	if (err) {
		inode_put(&q->i);
		return err;
	}
	q->charged = mq_charge_of(q->max_count, q->max_size);
	atomic_fetch_add_explicit(&fs->queues, 1, memory_order_relaxed);
	*out = &q->i;
	return 0;
}

/* ---- sending and receiving -------------------------------------------------------------------- */

static struct mq_message *mq_message_new(char *text, size_t size, unsigned int priority)
{
	struct mq_message *m = mem_new(struct mq_message);

	if (!m) {
		mem_free(text);
		return NULL;
	}
	list_init(&m->node);
	m->text = text;
	m->size = size;
	m->priority = priority;
	return m;
}

/* A message came to an empty queue, and nobody waits for it. */
static void mq_notify_locked(struct mq_inode *q, struct task *sender)
{
	siginfo_t info;

	if (!q->notify_pid)
		return;
	if (q->event.sigev_notify == SIGEV_SIGNAL) {
		memset(&info, 0, sizeof(info));
		info.si_signo = q->event.sigev_signo;
		info.si_code = SI_MESGQ;
		info.si_value = q->event.sigev_value;
		info.si_pid = process_nr_in(sender->process, q->notify_process->pid_ns);
		info.si_uid = user_ns_from_kernel_munged(q->notify_user_ns, ID_UID, sender->cred->uid);
		sig_send_process(q->notify_process, info.si_signo, &info);
	}
	mq_notify_thread(q, NOTIFY_WOKENUP);
	mq_notify_clear(q);
}

static int mq_enqueue_locked(struct mq_inode *q, struct task *t, struct mq_message *m)
{
	struct list *at;

	if (atomic_fetch_add_explicit(&q->fs->bytes, m->size, memory_order_relaxed) + m->size >
	    MQ_BYTES_MAX) {
		atomic_fetch_sub_explicit(&q->fs->bytes, m->size, memory_order_relaxed);
		return -ENOMEM;
	}
	/* From the end: most messages have the same priority. */
	for (at = q->messages.prev; at != &q->messages; at = at->prev)
		if (list_entry(at, struct mq_message, node)->priority >= m->priority)
			break;
	list_push(at, &m->node);
	q->count++;
	q->bytes += m->size;
	if (q->count == 1 && !q->receivers)
		mq_notify_locked(q, t);
	q->i.mtime = q->i.ctime = vfs_now();
	wq_wake(&q->readable, POLLIN | POLLRDNORM);
	return 0;
}

static int mq_wait_locked(struct mq_inode *q, struct wq *wq, struct task *t, int64_t deadline_ns)
{
	int64_t until = deadline_ns == INT64_MAX ? INT64_MAX
						 : clock_kind_deadline(CLOCK_KIND_REAL, deadline_ns);

	return wq_wait_until(wq, &q->lock, &t->waiter, until);
}

long mqueue_send(struct task *t, struct file *f, char *text, size_t size, unsigned int priority,
		 int64_t deadline_ns)
{
	struct mq_message *m = mq_message_new(text, size, priority);
	struct mq_inode *q = mq_of(f->inode);
	int err = 0;

	if (!m)
		return -ENOMEM;
	mutex_lock(&q->lock);
	while (q->count >= q->max_count && !err)
		err = atomic_load(&f->flags) & O_NONBLOCK
			      ? -EAGAIN : mq_wait_locked(q, &q->writable, t, deadline_ns);
	if (!err)
		err = mq_enqueue_locked(q, t, m);
	mutex_unlock(&q->lock);
	if (err)
		mq_message_free(m);
	return err;
}

long mqueue_receive(struct task *t, struct file *f, size_t size, char **text, unsigned int *priority,
		    int64_t deadline_ns)
{
	struct mq_inode *q = mq_of(f->inode);
	struct mq_message *m = NULL;
	long err = 0;

	if (size < (size_t)q->max_size)
		return -EMSGSIZE;
	mutex_lock(&q->lock);
	while (!q->count && !err) {
		q->receivers++;
		err = atomic_load(&f->flags) & O_NONBLOCK
			      ? -EAGAIN : mq_wait_locked(q, &q->readable, t, deadline_ns);
		q->receivers--;
	}
	if (!err) {
		m = list_first(&q->messages, struct mq_message, node);
		mq_unlink_message(q, m);
		q->i.atime = vfs_now();
		wq_wake(&q->writable, POLLOUT | POLLWRNORM);
	}
	mutex_unlock(&q->lock);
	if (err)
		return err;
	*text = m->text;
	*priority = m->priority;
	err = (long)m->size;
	mem_free(m);
	return err;
}

void mqueue_get_attr(struct file *f, struct mq_attr *out)
{
	struct mq_inode *q = mq_of(f->inode);

	memset(out, 0, sizeof(*out));
	mutex_lock(&q->lock);
	out->mq_flags = atomic_load(&f->flags) & O_NONBLOCK;
	out->mq_maxmsg = q->max_count;
	out->mq_msgsize = q->max_size;
	out->mq_curmsgs = q->count;
	mutex_unlock(&q->lock);
}

int mqueue_notify(struct task *t, struct file *f, const struct sigevent *event, struct file *sock,
		  const char cookie[static MQ_COOKIE_SIZE])
{
	struct mq_inode *q = mq_of(f->inode);
	int err = 0;

	mutex_lock(&q->lock);
	if (!event) {
		if (q->notify_pid == t->process->pid) {
			mq_notify_thread(q, NOTIFY_REMOVED);
			mq_notify_clear(q);
		}
	} else if (q->notify_pid) {
		err = -EBUSY;
	} else {
		q->event = *event;
		q->notify_sock = sock ? file_get(sock) : NULL;
		memcpy(q->cookie, cookie, sizeof(q->cookie));
		q->notify_pid = pid_get(t->process->pid);
		q->notify_process = process_get(t->process);
		q->notify_user_ns = user_ns_get(t->cred->user_ns);
	}
	mutex_unlock(&q->lock);
	return err;
}

/* ---- files ------------------------------------------------------------------------------------ */

static ssize_t mq_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	struct mq_inode *q = mq_of(f->inode);
	char text[MQ_FILE_SIZE];
	int n, signo;
	int32_t pid;

	(void)rwf;
	mutex_lock(&q->lock);
	pid = q->notify_pid && ctx_task(c) ? pid_nr_in(q->notify_pid, task_pid_ns(ctx_task(c))) : 0;
	signo = q->notify_pid && q->event.sigev_notify == SIGEV_SIGNAL ? q->event.sigev_signo : 0;
	n = snprintf(text, sizeof(text), "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
		     (unsigned long)q->bytes, q->notify_pid ? q->event.sigev_notify : 0, signo, pid);
	mutex_unlock(&q->lock);
	n = MIN(n, (int)sizeof(text) - 1);
	if (*pos >= n)
		return 0;
	n = (int)uio_put(dst, text + *pos, (size_t)(n - *pos));
	if (n > 0)
		*pos += n;
	return n;
}

static uint32_t mq_poll(struct file *f, struct poller *p)
{
	struct mq_inode *q = mq_of(f->inode);
	uint32_t events = 0;
	long count;

	poller_add(p, &q->readable);
	poller_add(p, &q->writable);
	count = __atomic_load_n(&q->count, __ATOMIC_RELAXED);
	if (count > 0)
		events |= POLLIN | POLLRDNORM;
	if (count < q->max_count)
		events |= POLLOUT | POLLWRNORM;
	return events;
}

/* Closing a descriptor takes the process's notification back. */
static int mq_flush(struct vfs_ctx *c, struct file *f)
{
	struct mq_inode *q = mq_of(f->inode);
	struct task *t = ctx_task(c);

	mutex_lock(&q->lock);
	if (t && q->notify_pid == t->process->pid) {
		mq_notify_thread(q, NOTIFY_REMOVED);
		mq_notify_clear(q);
	}
	mutex_unlock(&q->lock);
	return 0;
}

static const struct file_ops mq_fops = { .read = mq_read, .poll = mq_poll, .flush = mq_flush };

static int mq_inode_setattr(struct vfs_ctx *c, struct inode *i, const struct setattr *a)
{
	(void)c;
	if (a->mask & SETATTR_SIZE)
		return a->size == 0 ? 0 : -EINVAL; /* O_TRUNC has no effect */
	inode_apply_setattr(i, a);
	return 0;
}

static const struct inode_ops mq_inode_ops = { .setattr = mq_inode_setattr };

/* ---- the directory ---------------------------------------------------------------------------- */

static struct mq_entry *mq_find(struct mqueue_fs *fs, const char *name)
{
	struct mq_entry *e;

	list_for_each_entry(e, &fs->entries, node)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

static int mq_dir_lookup(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	struct mq_entry *e = mq_find(fs_of(dir->sb), dentry_name(d));

	(void)c;
	dentry_set_inode(d, e ? inode_get(e->inode) : NULL);
	return 0;
}

static int mq_dir_create(struct vfs_ctx *c, struct inode *dir, struct dentry *d,
			 const struct inode_attr_new *a)
{
	struct mqueue_fs *fs = fs_of(dir->sb);
	struct mq_entry *e;
	struct inode *i;
	int err;

	if (atomic_load(&fs->ended))
		return -EACCES;
	if (atomic_load(&fs->queues) >= atomic_load(&fs->limits.queues_max) &&
	    !cred_capable(c->cred, CAP_SYS_RESOURCE))
		return -ENOSPC;
	e = mem_new(struct mq_entry);
	if (!e)
		return -ENOMEM;
	err = mq_inode_new(c, dir->sb, a, &i);
	if (err) {
		mem_free(e);
		return err;
	}
	memcpy(e->name, dentry_name(d), dentry_name_len(d) + 1);
	e->cookie = fs->next_cookie++;
	e->inode = i; /* its reference */
	list_append(&fs->entries, &e->node);
	dir->size += 20;
	dir->mtime = dir->ctime = vfs_now();
	dentry_set_inode(d, inode_get(i));
	return 0;
}

static int mq_dir_unlink(struct vfs_ctx *c, struct inode *dir, struct dentry *d)
{
	struct mq_entry *e = mq_find(fs_of(dir->sb), dentry_name(d));

	(void)c;
	if (!e)
		return -ENOENT;
	list_remove(&e->node);
	dir->size -= 20;
	dir->mtime = dir->ctime = e->inode->ctime = vfs_now();
	e->inode->nlink--;
	inode_put(e->inode);
	mem_free(e);
	return 0;
}

static int mq_dir_readdir(struct vfs_ctx *c, struct file *f, struct dir_emit *out)
{
	struct inode *dir = f->inode;
	struct mq_entry *e;

	(void)c;
	mutex_lock(&dir->lock);
	if (f->pos == 0 && dir_emit(out, ".", 1, dir->ino, DT_DIR, 1))
		f->pos = 1;
	if (f->pos == 1 && dir_emit(out, "..", 2, dir->ino, DT_DIR, 2))
		f->pos = 2;
	if (f->pos >= 2) {
		list_for_each_entry(e, &fs_of(dir->sb)->entries, node) {
			if (e->cookie < f->pos)
				continue;
			if (!dir_emit(out, e->name, strlen(e->name), e->inode->ino, DT_REG, e->cookie + 1))
				break;
			f->pos = e->cookie + 1;
		}
	}
	mutex_unlock(&dir->lock);
	return 0;
}

static const struct inode_ops mq_dir_ops = {
	.lookup = mq_dir_lookup,
	.create = mq_dir_create,
	.unlink = mq_dir_unlink,
	.setattr = mq_inode_setattr,
};
static const struct file_ops mq_dir_fops = { .readdir = mq_dir_readdir };

/* ---- supers ----------------------------------------------------------------------------------- */

static void mq_super_free(struct super *sb)
{
	struct mqueue_fs *fs = fs_of(sb);
	struct mq_user *u, *tmp;

	list_for_each_entry_safe(u, tmp, &fs->users, node)
		mem_free(u);
	mem_free(fs);
}

static int mq_statfs(struct super *sb, struct statfs_info *out)
{
	(void)sb;
	memset(out, 0, sizeof(*out));
	out->type = MQUEUE_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_LEN_MAX;
	return 0;
}

static const struct super_ops mq_super_ops = {
	.free = mq_super_free,
	.statfs = mq_statfs,
	.inode_free = mq_inode_free,
};

static struct mqueue_fs *mqueue_fs_new(void)
{
	struct mqueue_fs *fs = mem_new(struct mqueue_fs);

	if (!fs)
		return NULL;
	atomic_init(&fs->limits.queues_max, 256);
	atomic_init(&fs->limits.msg_max, 10);
	atomic_init(&fs->limits.msgsize_max, 8192);
	atomic_init(&fs->limits.msg_default, 10);
	atomic_init(&fs->limits.msgsize_default, 8192);
	atomic_init(&fs->next_ino, 2);
	fs->next_cookie = 2;
	list_init(&fs->entries);
	list_init(&fs->pending);
	list_init(&fs->users);
	latch_init(&fs->latch);
	return fs;
}

struct super *mqueue_super_new(void)
{
	struct mqueue_fs *fs = mqueue_fs_new();
	struct super *sb = fs ? super_new(&mqueue_type, &mq_super_ops, fs) : NULL;
	struct inode *root;

	if (!sb) {
		mem_free(fs);
		return NULL;
	}
	sb->flags = SUPER_NOCACHE_NEG;
	root = mem_new(struct inode);
	if (!root)
		goto put_sb;
	inode_init(root, sb, &mq_dir_ops, S_IFDIR | 01777);
	root->fops = &mq_dir_fops;
	root->ino = 1;
	root->nlink = 2;
	sb->root = dentry_new_root(sb, root); /* consumes root */
	if (!sb->root)
		goto put_sb;
	fs->mnt = mount_new_internal(sb);
	if (!fs->mnt) {
		super_discard(sb);
		goto put_sb;
	}
	return sb;

put_sb:
	super_put(sb);
	return NULL;
}

void mqueue_super_put(struct super *sb)
{
	struct mqueue_fs *fs = fs_of(sb);
	struct inode *root = dentry_inode(sb->root);
	struct mq_entry *e;

	atomic_store(&fs->ended, true);
	mutex_lock(&root->lock);
	while ((e = list_first(&fs->entries, struct mq_entry, node)) != NULL) {
		list_remove(&e->node);
		inode_put(e->inode);
		mem_free(e);
	}
	mutex_unlock(&root->lock);
	mount_put(fs->mnt);
	super_put(sb);
}

static int mqueue_mount(struct vfs_ctx *c, const struct fs_type *type, const char *source,
			const char *data, void *fs_data, struct super **out)
{
	struct task *t = ctx_task(c);
	struct ipc_ns *ns = fs_data ? fs_data : t ? task_ipc_ns(t) : NULL;

	(void)type, (void)source, (void)data;
	if (!ns)
		return -EINVAL;
	super_get(ns->mqueue);
	*out = ns->mqueue;
	return 0;
}

static struct user_ns *mqueue_owner(struct vfs_ctx *c)
{
	struct ipc_ns *ns = ctx_task(c) ? task_ipc_ns(ctx_task(c)) : NULL;

	return ns ? ns->user_ns : c->cred->user_ns;
}

static struct fs_type mqueue_type = {
	.name = "mqueue",
	.flags = FS_NODEV | FS_USERNS_MOUNT,
	.owner = mqueue_owner,
	.mount = mqueue_mount,
};

void mqueue_module_init(void)
{
	fs_type_register(&mqueue_type);
}

/* ---- open, unlink ----------------------------------------------------------------------------- */

/* The caller's context, at home in the directory of queues. */
static void mqueue_ctx(struct task *t, struct vfs_ctx *c)
{
	struct super *sb = task_ipc_ns(t)->mqueue;

	*c = *task_vfs(t);
	c->root = c->cwd = (struct path){ .mnt = fs_of(sb)->mnt, .dentry = sb->root };
}

static int mqueue_name_check(const char *name)
{
	if (!*name)
		return -ENOENT;
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EACCES;
	return strlen(name) > NAME_LEN_MAX ? -ENAMETOOLONG : 0;
}

int mqueue_open(struct task *t, const char *name, int flags, uint32_t mode, const struct mq_attr *attr,
		struct file **out)
{
	struct mqueue_fs *fs = fs_of(task_ipc_ns(t)->mqueue);
	struct open_how_args how = { .flags = flags & (O_ACCMODE | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC),
				     .mode = mode & 07777 };
	struct mq_pending p = { .attr = attr };
	struct vfs_ctx c;
	int err = mqueue_name_check(name);

	if (err)
		return err;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	mqueue_ctx(t, &c);
	p.opener = &c;
	latch_lock(&fs->latch);
	list_append(&fs->pending, &p.node);
	latch_unlock(&fs->latch);
	err = vfs_open(&c, NULL, name, &how, out);
	latch_lock(&fs->latch);
	list_remove(&p.node);
	latch_unlock(&fs->latch);
	return err;
}

int mqueue_unlink(struct task *t, const char *name)
{
	struct vfs_ctx c;
	int err = mqueue_name_check(name);

	if (err)
		return err;
	mqueue_ctx(t, &c);
	return vfs_unlink(&c, NULL, name);
}
