/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts.c: /proc/PID/{mounts,mountinfo,mountstats}.
 *
 * Namespace and root are those of the process when the file was opened.  poll(2) reports POLLERR |
 * POLLPRI once after each change: an entry of ours stands first in the namespace's queue and notes
 * the change, before whoever polls is woken.
 *
 * Linux: fs/proc_namespace.c.
 */
#include <errno.h>

#include "lib/mem.h"
#include "sentry/proc/proc_impl.h"
#include "vfs/poll.h"

struct mounts_open {
	struct wq_entry entry;
	atomic_bool changed;
	struct mnt_ns *ns; /* (c) counted */
	struct path root;  /* (c) counted */
};

static void mounts_changed(struct wq_entry *e, uint32_t events)
{
	struct mounts_open *o = container_of(e, struct mounts_open, entry);

	(void)events;
	atomic_store_explicit(&o->changed, true, memory_order_release); /* proc_poll_mounts */
}

int proc_open_mounts(const struct pfs_req *r, struct file *f, void **priv)
{
	struct ns_set *ns = task_ns_get(r->target);
	struct fs_state *fs = task_fs_get(r->target);
	struct mounts_open *o = mem_new(struct mounts_open);
	int err = 0;

	(void)f;
	if (!ns || !ns->mnt)
		err = -EINVAL;
	else if (!fs)
		err = -ENOENT;
	else if (!o)
		err = -ENOMEM;
	if (!err) {
		o->ns = mnt_ns_get(ns->mnt);
		mutex_lock(&fs->lock);
		o->root = fs->root;
		path_get(&o->root);
		mutex_unlock(&fs->lock);
		wq_entry_init(&o->entry, mounts_changed, 0);
		wq_add(mnt_ns_wq(o->ns), &o->entry);
		*priv = o;
	} else {
		mem_free(o);
	}
	fs_state_put(fs);
	ns_set_put(ns);
	return err;
}

void proc_release_mounts(void *priv)
{
	struct mounts_open *o = priv;

	wq_remove(&o->entry);
	path_put(&o->root);
	mnt_ns_put(o->ns);
	mem_free(o);
}

uint32_t proc_poll_mounts(void *priv, struct poller *p)
{
	struct mounts_open *o = priv;
	uint32_t events = POLLIN | POLLRDNORM;

	poller_add(p, mnt_ns_wq(o->ns));
	if (atomic_exchange_explicit(&o->changed, false, memory_order_acquire)) /* mounts_changed */
		events |= POLLERR | POLLPRI;
	return events;
}

static int show(const struct pfs_req *r, enum mounts_view v, struct buf *b)
{
	struct mounts_open *o = r->priv;

	return mnt_ns_show(o->ns, &o->root, v, b);
}

int proc_show_mounts(const struct pfs_req *r, struct buf *b)
{
	return show(r, MOUNTS_MOUNTS, b);
}

int proc_show_mountinfo(const struct pfs_req *r, struct buf *b)
{
	return show(r, MOUNTS_INFO, b);
}

int proc_show_mountstats(const struct pfs_req *r, struct buf *b)
{
	return show(r, MOUNTS_STATS, b);
}
