/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chrdev.c: the table of character devices.
 *
 * The list only grows, under its latch; entries are constant once on it.
 */
#include "vfs/chrdev.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/buf.h"
#include "vfs/vfs_impl.h"

static struct {
	struct latch latch;
	struct list devices; /* (latch) by major, then minor */
} chrdevs = { .devices = LIST_INIT(chrdevs.devices) };

static bool chrdev_before(const struct chrdev *a, const struct chrdev *b)
{
	return a->major != b->major ? a->major < b->major : a->minor < b->minor;
}

void chrdev_register(struct chrdev *d)
{
	struct chrdev *pos;

	latch_lock(&chrdevs.latch);
	list_for_each_entry(pos, &chrdevs.devices, list)
		if (chrdev_before(d, pos))
			break;
	list_append(&pos->list, &d->list); /* before pos; pos is the head when d is the last */
	latch_unlock(&chrdevs.latch);
}

static const struct chrdev *chrdev_find(uint64_t rdev)
{
	const struct chrdev *found = NULL;
	unsigned int maj = major(rdev), min = minor(rdev);
	struct chrdev *d;

	latch_lock(&chrdevs.latch);
	list_for_each_entry(d, &chrdevs.devices, list) {
		if (d->major == maj && min >= d->minor && min - d->minor < d->count) {
			found = d;
			break;
		}
	}
	latch_unlock(&chrdevs.latch);
	return found;
}

int chrdev_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	const struct chrdev *d = chrdev_find(i->rdev);

	return d ? d->open(c, i, f) : -ENXIO;
}

int chrdev_for_each_node(int (*fn)(const struct chrdev *d, void *arg), void *arg)
{
	struct list *pos;
	int err = 0;

	/* Entries stay and their order does too, so the latch is needed only for each step. */
	for (pos = &chrdevs.devices; err == 0;) {
		latch_lock(&chrdevs.latch);
		pos = pos->next;
		latch_unlock(&chrdevs.latch);
		if (pos == &chrdevs.devices)
			break;
		if (list_entry(pos, struct chrdev, list)->node)
			err = fn(list_entry(pos, struct chrdev, list), arg);
	}
	return err;
}

void chrdev_show(struct buf *b)
{
	const struct chrdev *d, *last = NULL;

	buf_puts(b, "Character devices:\n");
	list_for_each_entry(d, &chrdevs.devices, list) {
		if (!last || d->major != last->major || strcmp(d->name, last->name) != 0)
			buf_printf(b, "%3u %s\n", d->major, d->name);
		last = d;
	}
}
