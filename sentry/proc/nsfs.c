/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nsfs.c: namespaces as files: /proc/PID/ns, and what setns(2) and bind mounts hold.
 *
 * Following a link makes an inode of an internal file system that holds a reference to the
 * namespace; its number is the namespace's id, so two files of one namespace compare equal by
 * (st_dev, st_ino), though they may be two inodes.
 *
 * The kinds that other folders own (ipc, net, cgroup, time) are one for all until their owners
 * register them, after procfs_init().
 *
 * Linux: fs/nsfs.c, fs/proc/namespaces.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/proc/proc_impl.h"
#include "sentry/task/task_impl.h"
#include "sentry/time/time_ns.h"
#include "vfs/file.h"
#include "vfs/user_ns.h"
#include "vfs/vfs_impl.h"

#define NSFS_MAGIC 0x6e736673

struct ns_inode {
	struct inode inode;
	enum ns_type type; /* (c) */
	void *ns;          /* (c) counted */
};

static struct {
	const struct ns_type_ops *ops[NS_TYPE_COUNT];
	struct super *sb;
	struct mount *mnt;
} nsfs;

static const struct inode_ops nsfs_inode_ops;
static const struct file_ops nsfs_fops;

void proc_ns_register(enum ns_type type, const struct ns_type_ops *ops)
{
	nsfs.ops[type] = ops;
}

/* ---- the kinds that live in tasks ------------------------------------------------------------- */

static void *mnt_of(struct task *t)
{
	struct ns_set *set = task_ns_get(t);
	void *ns = set && set->mnt ? mnt_ns_get(set->mnt) : NULL;

	ns_set_put(set);
	return ns;
}

static void *mnt_get(void *ns) { return mnt_ns_get(ns); }
static void mnt_put(void *ns) { mnt_ns_put(ns); }
static uint64_t mnt_id(const void *ns) { return mnt_ns_id(ns); }
static struct user_ns *mnt_owner(const void *ns) { return mnt_ns_user_ns(ns); }

static void *uts_of(struct task *t)
{
	struct ns_set *set = task_ns_get(t);
	void *ns = set && set->uts ? uts_ns_get(set->uts) : NULL;

	ns_set_put(set);
	return ns;
}

static void *uts_get(void *ns) { return uts_ns_get(ns); }
static void uts_put(void *ns) { uts_ns_put(ns); }
static uint64_t uts_id(const void *ns) { return ((const struct uts_ns *)ns)->id; }
static struct user_ns *uts_owner(const void *ns) { return ((const struct uts_ns *)ns)->user_ns; }

static void *pid_of(struct task *t)
{
	return t->state == 'X' ? NULL : pid_ns_get(task_pid_ns(t));
}

static void *pid_children_of(struct task *t)
{
	struct ns_set *set = task_ns_get(t);
	void *ns = set && set->pid_for_children ? pid_ns_get(set->pid_for_children) : NULL;

	ns_set_put(set);
	return ns;
}

static void *pidns_get(void *ns) { return pid_ns_get(ns); }
static void pidns_put(void *ns) { pid_ns_put(ns); }
static uint64_t pidns_id(const void *ns) { return ((const struct pid_ns *)ns)->id; }
static struct user_ns *pidns_owner(const void *ns) { return ((const struct pid_ns *)ns)->user_ns; }
static void *pidns_parent(const void *ns) { return ((const struct pid_ns *)ns)->parent; }

static void *user_of(struct task *t)
{
	const struct cred *c = task_cred_get(t);
	void *ns = user_ns_get(c->user_ns);

	cred_put(c);
	return ns;
}

static void *userns_get(void *ns) { return user_ns_get(ns); }
static void userns_put(void *ns) { user_ns_put(ns); }
static uint64_t userns_id(const void *ns) { return ((const struct user_ns *)ns)->id; }
static void *userns_parent(const void *ns) { return ((const struct user_ns *)ns)->parent; }
static struct user_ns *userns_owner(const void *ns) { return ((const struct user_ns *)ns)->parent; }

static const struct ns_type_ops mnt_ops = {
	"mnt", "mnt", CLONE_NEWNS, mnt_of, mnt_get, mnt_put, mnt_id, mnt_owner, NULL,
};
static const struct ns_type_ops uts_ops = {
	"uts", "uts", CLONE_NEWUTS, uts_of, uts_get, uts_put, uts_id, uts_owner, NULL,
};
static const struct ns_type_ops pid_ops = {
	"pid", "pid", CLONE_NEWPID, pid_of, pidns_get, pidns_put, pidns_id, pidns_owner, pidns_parent,
};
static const struct ns_type_ops pid_children_ops = {
	"pid_for_children", "pid", CLONE_NEWPID, pid_children_of, pidns_get, pidns_put, pidns_id,
	pidns_owner, pidns_parent,
};
static const struct ns_type_ops user_ops = {
	"user", "user", CLONE_NEWUSER, user_of, userns_get, userns_put, userns_id, userns_owner,
	userns_parent,
};

/*
 * Kinds of which there is one for the whole sandbox until somebody registers better: they can be
 * compared and shown, and hold nothing.
 */
struct only_ns {
	uint64_t id;
};

static struct only_ns only_ipc = { 4026531839u }, only_cgroup = { 4026531835u },
		      only_time = { 4026531834u }, only_net = { 4026531833u };

static void *only_get(void *ns) { return ns; }
static void only_put(void *ns) { (void)ns; }
static uint64_t only_id(const void *ns) { return ((const struct only_ns *)ns)->id; }
static struct user_ns *only_owner(const void *ns)
{
	(void)ns;
	return user_ns_init;
}

static void *only_of(struct task *t, struct only_ns *ns)
{
	return t->state == 'Z' || t->state == 'X' ? NULL : ns;
}

static void *ipc_of(struct task *t) { return only_of(t, &only_ipc); }
static void *net_of(struct task *t) { return only_of(t, &only_net); }

#define ONLY(name_, text_, flag_, of_) \
	{ name_, text_, flag_, of_, only_get, only_put, only_id, only_owner, NULL }
static const struct ns_type_ops ipc_ops = ONLY("ipc", "ipc", CLONE_NEWIPC, ipc_of);
static const struct ns_type_ops net_ops = ONLY("net", "net", CLONE_NEWNET, net_of);

/* ---- the kinds whose first namespace is NULL: it is only_cgroup, only_time here ----------------- */

struct cgroup_ns *nsfs_cgroup_ns(void *ns) { return ns == &only_cgroup ? NULL : ns; }
struct time_ns *nsfs_time_ns(void *ns) { return ns == &only_time ? NULL : ns; }

static void *cgroup_of(struct task *t)
{
	struct ns_set *set = task_ns_get(t);
	void *ns = set ? cgroup_ns_get(set->cgroup) : NULL;

	if (set && !ns)
		ns = &only_cgroup;
	ns_set_put(set);
	return ns;
}

static void *time_of_set(struct task *t, bool children)
{
	struct ns_set *set = task_ns_get(t);
	void *ns = set ? time_ns_get(children ? set->time_for_children : set->time) : NULL;

	if (set && !ns)
		ns = &only_time;
	ns_set_put(set);
	return ns;
}

static void *time_of(struct task *t) { return time_of_set(t, false); }
static void *time_children_of(struct task *t) { return time_of_set(t, true); }

static void *cgroup_get(void *ns)
{
	cgroup_ns_get(nsfs_cgroup_ns(ns));
	return ns;
}

static void cgroup_put(void *ns) { cgroup_ns_put(nsfs_cgroup_ns(ns)); }

static uint64_t cgroup_id(const void *ns)
{
	return ns == &only_cgroup ? only_cgroup.id : ((const struct cgroup_ns *)ns)->id;
}

static struct user_ns *cgroup_owner(const void *ns)
{
	return ns == &only_cgroup ? user_ns_init : ((const struct cgroup_ns *)ns)->user_ns;
}

static void *time_get(void *ns)
{
	time_ns_get(nsfs_time_ns(ns));
	return ns;
}

static void time_put(void *ns) { time_ns_put(nsfs_time_ns(ns)); }

static uint64_t time_id(const void *ns)
{
	return ns == &only_time ? only_time.id : ((const struct time_ns *)ns)->id;
}

static struct user_ns *time_owner(const void *ns)
{
	return ns == &only_time ? user_ns_init : ((const struct time_ns *)ns)->user_ns;
}

static const struct ns_type_ops cgroup_ops = {
	"cgroup", "cgroup", CLONE_NEWCGROUP, cgroup_of, cgroup_get, cgroup_put, cgroup_id, cgroup_owner,
	NULL,
};
static const struct ns_type_ops time_ops = {
	"time", "time", CLONE_NEWTIME, time_of, time_get, time_put, time_id, time_owner, NULL,
};
static const struct ns_type_ops time_children_ops = {
	"time_for_children", "time", CLONE_NEWTIME, time_children_of, time_get, time_put, time_id,
	time_owner, NULL,
};

/* ---- files ------------------------------------------------------------------------------------ */

static struct ns_inode *ns_inode_of(struct inode *i)
{
	return container_of(i, struct ns_inode, inode);
}

static void nsfs_inode_free(struct inode *i)
{
	struct ns_inode *n = ns_inode_of(i);

	if (n->ns)
		nsfs.ops[n->type]->put(n->ns);
	mem_free(n);
}

static int nsfs_statfs(struct super *sb, struct statfs_info *out)
{
	(void)sb;
	memset(out, 0, sizeof(*out));
	out->type = NSFS_MAGIC;
	out->bsize = out->frsize = PAGE_SIZE;
	out->namelen = NAME_LEN_MAX;
	return 0;
}

static const struct super_ops nsfs_super_ops = {
	.inode_free = nsfs_inode_free,
	.statfs = nsfs_statfs,
};

static struct fs_type nsfs_type = { .name = "nsfs", .flags = FS_NODEV };

/* A path to ns (consumed). */
static int nsfs_path(enum ns_type type, void *ns, struct path *out)
{
	const struct ns_type_ops *ops = nsfs.ops[type];
	struct ns_inode *n = mem_new(struct ns_inode);
	char text[64];

	if (!n) {
		ops->put(ns);
		return -ENOMEM;
	}
	inode_init(&n->inode, nsfs.sb, &nsfs_inode_ops, S_IFREG | 0444);
	n->inode.fops = &nsfs_fops;
	n->inode.ino = ops->id(ns);
	n->type = type;
	n->ns = ns;
	snprintf(text, sizeof(text), "%s:[%llu]", ops->text, (unsigned long long)n->inode.ino);
	out->dentry = dentry_new_named_root(nsfs.sb, &n->inode, text);
	if (!out->dentry)
		return -ENOMEM;
	out->mnt = mount_get(nsfs.mnt);
	return 0;
}

void *nsfs_file_ns(const struct file *f, enum ns_type *type)
{
	if (f->inode->sb != nsfs.sb || !ns_inode_of(f->inode)->ns)
		return NULL;
	*type = ns_inode_of(f->inode)->type;
	return ns_inode_of(f->inode)->ns;
}

/* A descriptor to ns (consumed; NULL: not visible, EPERM). */
static long nsfs_open_fd(struct vfs_ctx *c, enum ns_type type, void *ns)
{
	struct task *t = ctx_task(c);
	struct path p;
	struct file *f;
	int err;

	if (!t) {
		nsfs.ops[type]->put(ns);
		return -EINVAL;
	}
	err = nsfs_path(type, ns, &p);
	if (err)
		return err;
	err = file_new(&p, &nsfs_fops, O_RDONLY, c->cred, &f);
	path_put(&p);
	return err ? err : fdt_add(t->fdt, f, O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE));
}

/* Only what the caller is in, or what lies below that, is shown. */
static bool parent_visible(struct vfs_ctx *c, enum ns_type type, void *up)
{
	struct pid_ns *p = up, *active;

	if (type == NS_TYPE_USER)
		return user_ns_is_below(up, c->cred->user_ns);
	if (!ctx_task(c))
		return false;
	active = task_pid_ns(ctx_task(c));
	while (p && p != active)
		p = p->parent;
	return p;
}

/* ioctl_ns(2) */
static long nsfs_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	struct ns_inode *n = ns_inode_of(f->inode);
	const struct ns_type_ops *ops = nsfs.ops[n->type];
	struct user_ns *owner;
	uint32_t uid;
	void *up;

	switch (cmd) {
	case NS_GET_USERNS:
		owner = ops->owner(n->ns);
		if (!owner || !user_ns_is_below(owner, c->cred->user_ns))
			return -EPERM;
		return nsfs_open_fd(c, NS_TYPE_USER, user_ns_get(owner));
	case NS_GET_PARENT:
		if (!ops->parent)
			return -EINVAL;
		up = ops->parent(n->ns);
		if (!up || !parent_visible(c, n->type, up))
			return -EPERM;
		return nsfs_open_fd(c, n->type, ops->get(up));
	case NS_GET_NSTYPE:
		return ops->clone_flag;
	case NS_GET_OWNER_UID:
		if (n->type != NS_TYPE_USER)
			return -EINVAL;
		uid = user_ns_from_kernel_munged(c->cred->user_ns, ID_UID,
						 ((struct user_ns *)n->ns)->owner);
		return vfs_copy_out(c, arg, &uid, sizeof(uid));
	default:
		return -ENOTTY;
	}
}

static const struct inode_ops nsfs_inode_ops = { .lookup = NULL };
static const struct file_ops nsfs_fops = { .ioctl = nsfs_ioctl };

/* ---- /proc/PID/ns ----------------------------------------------------------------------------- */

static int link_ns(const struct pfs_req *r, enum ns_type *type, void **ns)
{
	if (!proc_may_access(r, PTRACE_READ))
		return -EACCES;
	*type = (enum ns_type)r->i->key;
	*ns = nsfs.ops[*type]->of_task(r->target);
	return *ns ? 0 : -ENOENT;
}

static int ns_readlink(const struct pfs_req *r, struct buf *b)
{
	enum ns_type type;
	void *ns;
	int err = link_ns(r, &type, &ns);

	if (err)
		return err;
	buf_printf(b, "%s:[%llu]", nsfs.ops[type]->text, (unsigned long long)nsfs.ops[type]->id(ns));
	nsfs.ops[type]->put(ns);
	return 0;
}

static int ns_follow(const struct pfs_req *r, struct path *out)
{
	enum ns_type type;
	void *ns;
	int err = link_ns(r, &type, &ns);

	return err ? err : nsfs_path(type, ns, out);
}

static const struct pfs_entry ns_link_entry = {
	.name = "ns",
	.mode = S_IFLNK | 0777,
	.readlink = ns_readlink,
	.follow = ns_follow,
};

static int ns_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	(void)r;
	for (int i = 0; i < NS_TYPE_COUNT; i++) {
		if (nsfs.ops[i] && !strcmp(nsfs.ops[i]->name, name)) {
			out->entry = &ns_link_entry;
			out->key = i;
			return 0;
		}
	}
	return -ENOENT;
}

static int ns_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	(void)r;
	for (int64_t i = from; i < NS_TYPE_COUNT; i++) {
		if (nsfs.ops[i]) {
			out->entry = &ns_link_entry;
			out->cookie = i;
			snprintf(out->name, sizeof(out->name), "%s", nsfs.ops[i]->name);
			return 1;
		}
	}
	return 0;
}

const struct pfs_dir proc_ns_dir = { .lookup = ns_lookup, .next = ns_next };

/* ---- start ------------------------------------------------------------------------------------ */

static struct ns_inode *nsfs_root_inode(void)
{
	struct ns_inode *n = mem_new(struct ns_inode);

	if (n) {
		inode_init(&n->inode, nsfs.sb, &nsfs_inode_ops, S_IFDIR | 0555);
		n->inode.fops = &nsfs_fops;
		n->inode.ino = 1;
	}
	return n;
}

int nsfs_init(void)
{
	struct ns_inode *root;

	if (nsfs.sb)
		return 0;
	proc_ns_register(NS_TYPE_MNT, &mnt_ops);
	proc_ns_register(NS_TYPE_UTS, &uts_ops);
	proc_ns_register(NS_TYPE_PID, &pid_ops);
	proc_ns_register(NS_TYPE_PID_CHILDREN, &pid_children_ops);
	proc_ns_register(NS_TYPE_USER, &user_ops);
	proc_ns_register(NS_TYPE_IPC, &ipc_ops);
	proc_ns_register(NS_TYPE_NET, &net_ops);
	proc_ns_register(NS_TYPE_CGROUP, &cgroup_ops);
	proc_ns_register(NS_TYPE_TIME, &time_ops);
	proc_ns_register(NS_TYPE_TIME_CHILDREN, &time_children_ops);
	nsfs.sb = super_new(&nsfs_type, &nsfs_super_ops, NULL);
	if (!nsfs.sb)
		return -ENOMEM;
	nsfs.sb->flags = SUPER_NOATIME;
	root = nsfs_root_inode();
	if (!root)
		return -ENOMEM;
	nsfs.sb->root = dentry_new_root(nsfs.sb, &root->inode);
	if (!nsfs.sb->root)
		return -ENOMEM;
	nsfs.mnt = mount_new_internal(nsfs.sb);
	return nsfs.mnt ? 0 : -ENOMEM;
}
