/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnotify.c: F_NOTIFY of fcntl(2): a signal to the owner of an open directory when something in it
 * changes.  inotify(7) has replaced it; marks are few, so they stand on one list under one latch.
 *
 * A mark belongs to an open file, which takes it along when it goes.  Signals are sent without the
 * latch, with a reference to the file.
 *
 * Linux: fs/notify/dnotify/dnotify.c.
 */
#include "vfs/dnotify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "lib/mem.h"
#include "vfs/vfs_impl.h"

struct dn_mark {
	struct list node;  /* (l) dnotify.latch */
	struct file *file; /* (c) borrowed, see above */
	uint32_t what;     /* (l) IN_* and DNOTIFY_RENAME */
	bool once;         /* (l) */
	uint64_t told;     /* (l) stamp of the last event that it was told of */
};

static struct {
	struct latch latch;
	struct list marks;
	uint64_t stamp;
	atomic_uint count;
} dnotify = { .marks = LIST_INIT(dnotify.marks) };

static uint32_t what_of(uint32_t mask)
{
	static const struct { uint32_t dn, in; } map[] = {
		{ DN_ACCESS, IN_ACCESS },
		{ DN_MODIFY, IN_MODIFY },
		{ DN_CREATE, IN_CREATE | IN_MOVED_TO },
		{ DN_DELETE, IN_DELETE | IN_MOVED_FROM },
		{ DN_RENAME, DNOTIFY_RENAME },
		{ DN_ATTRIB, IN_ATTRIB },
	};
	uint32_t what = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (mask & map[i].dn)
			what |= map[i].in;
	return what;
}

static struct dn_mark *mark_of(const struct file *f)
{
	struct dn_mark *m;

	list_for_each_entry(m, &dnotify.marks, node)
		if (m->file == f)
			return m;
	return NULL;
}

static void mark_unlink(struct dn_mark *m)
{
	list_remove(&m->node);
	atomic_fetch_sub_explicit(&dnotify.count, 1, memory_order_relaxed);
}

bool dnotify_used(void)
{
	return atomic_load_explicit(&dnotify.count, memory_order_relaxed);
}

void dnotify_file_gone(struct file *f)
{
	struct dn_mark *m;

	if (!dnotify_used())
		return;
	latch_lock(&dnotify.latch);
	m = mark_of(f);
	if (m)
		mark_unlink(m);
	latch_unlock(&dnotify.latch);
	mem_free(m);
}

int dnotify_set(struct file *f, uint32_t mask)
{
	struct dn_mark *m, *made;

	if ((mask & ~(uint32_t)DN_MULTISHOT) == 0) {
		dnotify_file_gone(f);
		return 0;
	}
	if (!S_ISDIR(f->inode->mode))
		return -ENOTDIR;
	made = mem_new(struct dn_mark);
	if (!made)
		return -ENOMEM;
	latch_lock(&dnotify.latch);
	m = mark_of(f);
	if (!m) {
		m = made;
		made = NULL;
		m->file = f;
		m->once = true;
		list_append(&dnotify.marks, &m->node);
		atomic_fetch_add_explicit(&dnotify.count, 1, memory_order_relaxed);
	}
	m->what |= what_of(mask);
	m->once &= !(mask & (uint32_t)DN_MULTISHOT);
	latch_unlock(&dnotify.latch);
	mem_free(made);
	return 0;
}

/* The next mark to be told, taken off the list if that was all it wanted (*spent: to be freed). */
static struct file *event_next(const struct inode *i, uint32_t what, uint64_t stamp,
			       struct dn_mark **spent)
{
	struct dn_mark *m;

	*spent = NULL;
	list_for_each_entry(m, &dnotify.marks, node) {
		if (m->file->inode != i || !(m->what & what) || m->told == stamp ||
		    !ref_try_get(&m->file->ref))
			continue;
		m->told = stamp;
		if (m->once) {
			mark_unlink(m);
			*spent = m;
		}
		return m->file;
	}
	return NULL;
}

void dnotify_event(struct inode *i, uint32_t what)
{
	struct dn_mark *spent;
	struct file *f;
	uint64_t stamp;

	if (!i || !dnotify_used())
		return;
	latch_lock(&dnotify.latch);
	stamp = ++dnotify.stamp;
	latch_unlock(&dnotify.latch);
	do {
		latch_lock(&dnotify.latch);
		f = event_next(i, what, stamp, &spent);
		latch_unlock(&dnotify.latch);
		if (f) {
			vfs_sigio(f, POLLIN | POLLRDNORM | POLLMSG, POLL_MSG);
			file_put(f);
		}
		mem_free(spent);
	} while (f);
}
