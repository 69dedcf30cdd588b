/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readdir.c: merged directories.
 *
 * When a reader starts (position 0) the names of all layers are collected, upper first; a name seen
 * before, a whiteout included, hides later ones.  Positions are indices into that list, so a
 * reader sees one consistent listing however the directory changes; rewinding takes a new one.
 *
 * A directory without an upper part can't change, so its listing (if short) is kept with the inode
 * for later readers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/mem.h"
#include "vfs/file.h"
#include "vfs/overlay/overlay_impl.h"

struct ovl_name {
	struct list node;
	struct hash_node hash;
	uint64_t ino;
	uint8_t type; /* DT_*; DT_WHT: hides, is not shown */
	uint8_t len;
	bool in_upper;
	char text[];
};

#define NAMES_KEEP_MAX 1024

/* A collected listing: constant once it is complete. */
struct ovl_names {
	struct ref ref;
	struct hash hash;
	struct list list;        /* in the order found */
	size_t count;
};

/* An open directory. */
struct ovl_dir {
	struct ovl_names *names; /* counted; NULL: none yet */
	struct list *cursor;     /* next to emit */
	int64_t cursor_pos;      /* its position; 2 is the first name's */
};

/* Collecting one layer. */
struct collect {
	struct dir_emit emit;
	struct ovl_names *names;
	struct ovl_super *s;
	struct vfs_ctx *c;
	struct dentry *dir;      /* of the layer */
	unsigned int layer;
	bool upper;
	int err;
	size_t count;            /* taken in this round */
};

void ovl_names_put(struct ovl_names *n)
{
	struct list *l;

	if (!n || !ref_put(&n->ref))
		return;
	while ((l = list_shift(&n->list)))
		mem_free(list_entry(l, struct ovl_name, node));
	hash_fini(&n->hash);
	mem_free(n);
}

static struct ovl_name *names_find(struct ovl_names *n, const char *text, size_t len)
{
	struct hash_node *h;

	for (h = hash_first(&n->hash, hash_bytes(0, text, len)); h; h = hash_next(h)) {
		struct ovl_name *e = container_of(h, struct ovl_name, hash);

		if (e->len == len && !memcmp(e->text, text, len))
			return e;
	}
	return NULL;
}

/* Number and, for character devices, whether it is a whiteout: the dentry has to be looked at. */
static int name_resolve(struct collect *k, struct ovl_name *e)
{
	struct ovl_part part = { .layer = k->layer };
	int err;

	if (!k->upper && e->type != DT_CHR) {
		e->ino ^= (uint64_t)k->layer << OVL_LAYER_SHIFT;
		return 0;
	}
	err = walk_lookup(k->c, k->dir, e->text, e->len, false, &part.dentry);
	if (err < 0)
		return err;
	if (!dentry_inode(part.dentry) || ovl_is_whiteout(part.dentry))
		e->type = DT_WHT;
	else if (k->upper)
		e->ino = ovl_ino(k->s, k->c, part.dentry, NULL);
	dentry_put(part.dentry);
	return 0;
}

static bool collect_one(struct dir_emit *em, const char *name, size_t len, uint64_t ino,
			unsigned int type, int64_t next)
{
	struct collect *k = container_of(em, struct collect, emit);
	struct ovl_name *e;

	(void)next;
	k->count++;
	if (len > NAME_LEN_MAX || (len == 1 && name[0] == '.') ||
	    (len == 2 && name[0] == '.' && name[1] == '.') || names_find(k->names, name, len))
		return true;
	e = mem_alloc(sizeof(*e) + len + 1);
	if (!e) {
		k->err = -ENOMEM;
		return false;
	}
	e->ino = ino;
	e->type = (uint8_t)type;
	e->len = (uint8_t)len;
	e->in_upper = k->upper;
	memcpy(e->text, name, len);
	e->text[len] = '\0';
	hash_insert(&k->names->hash, &e->hash, hash_bytes(0, name, len));
	list_append(&k->names->list, &e->node);
	k->names->count++;
	return true;
}

static int collect_layer(struct collect *k, const struct path *p)
{
	struct list *before = k->names->list.prev, *pos;
	struct vfs_ctx layer;
	struct file *f;
	int err;

	k->dir = p->dentry;
	ovl_ctx(k->s, k->c, p, &layer);
	err = file_open_path(&layer, p, O_RDONLY | O_DIRECTORY, 0, &f);
	if (err < 0)
		return err;
	/* The slot itself: nobody shares f, and its pos_lock ranks before ours. */
	do {
		k->count = 0;
		err = f->ops->readdir ? f->ops->readdir(&layer, f, &k->emit) : -ENOTDIR;
	} while (err == 0 && k->err == 0 && k->count > 0);
	file_put(f);
	if (err == 0)
		err = k->err;
	/* What was found may be looked up now that no directory is being read. */
	for (pos = before->next; err == 0 && pos != &k->names->list; pos = pos->next)
		err = name_resolve(k, list_entry(pos, struct ovl_name, node));
	return err;
}

static int names_collect(struct vfs_ctx *c, struct ovl_inode *o, struct ovl_names **out)
{
	struct ovl_names *n = mem_new(struct ovl_names);
	struct collect k = { .emit = { collect_one }, .names = n, .s = ovl_sb(o->i.sb), .c = c };
	int err;

	if (!n)
		return -ENOMEM;
	ref_init(&n->ref);
	list_init(&n->list);
	err = hash_init(&n->hash, 16);
	if (err == 0 && ovl_upper(o)) {
		struct path p = ovl_upper_path(o);

		k.upper = true;
		err = collect_layer(&k, &p);
	}
	k.upper = false;
	for (unsigned int i = 0; err == 0 && i < o->lower_count; i++) {
		struct path p = ovl_part_path(k.s, &o->lower[i]);

		k.layer = o->lower[i].layer;
		err = collect_layer(&k, &p);
	}
	if (err < 0) {
		ovl_names_put(n);
		return err;
	}
	*out = n;
	return 0;
}

/* The listing as it is now, with a reference. */
static int names_get(struct vfs_ctx *c, struct ovl_inode *o, struct ovl_names **out)
{
	struct ovl_super *s = ovl_sb(o->i.sb);
	bool constant = !ovl_upper(o);
	int err;

	*out = NULL;
	latch_lock(&s->latch);
	if (constant && o->names) {
		*out = o->names;
		ref_get(&o->names->ref);
	}
	latch_unlock(&s->latch);
	if (*out)
		return 0;
	err = names_collect(c, o, out);
	if (err < 0 || !constant || (*out)->count > NAMES_KEEP_MAX)
		return err;
	latch_lock(&s->latch);
	if (!o->names) {
		o->names = *out;
		ref_get(&o->names->ref);
	}
	latch_unlock(&s->latch);
	return 0;
}

/* Move the cursor to position pos (2: the first name); NULL: at the end. */
static const struct ovl_name *dir_seek(struct ovl_dir *d, int64_t pos)
{
	if (pos < d->cursor_pos) {
		d->cursor = d->names->list.next;
		d->cursor_pos = 2;
	}
	while (d->cursor_pos < pos && d->cursor != &d->names->list) {
		d->cursor = d->cursor->next;
		d->cursor_pos++;
	}
	return d->cursor == &d->names->list ? NULL :
					      list_entry(d->cursor, struct ovl_name, node);
}

static int dir_load(struct vfs_ctx *c, struct ovl_inode *o, struct ovl_dir *d)
{
	ovl_names_put(d->names);
	d->names = NULL;
	d->cursor_pos = INT64_MAX; /* dir_seek() starts at the front */
	return names_get(c, o, &d->names);
}

static int dir_readdir(struct vfs_ctx *c, struct file *f, struct dir_emit *e)
{
	struct ovl_inode *o = ovl_i(f->inode);
	struct ovl_dir *d = file_priv(f);
	uint64_t up = o->parent ? o->parent->ino : o->i.ino;
	const struct ovl_name *n;
	int err;

	if (f->pos == 0 || !d->names) {
		err = dir_load(c, o, d);
		if (err < 0)
			return err;
	}
	if (f->pos == 0 && dir_emit(e, ".", 1, o->i.ino, DT_DIR, 1))
		f->pos = 1;
	if (f->pos == 1 && dir_emit(e, "..", 2, up, DT_DIR, 2))
		f->pos = 2;
	if (f->pos < 2)
		return 0;
	while ((n = dir_seek(d, f->pos))) {
		if (n->type != DT_WHT &&
		    !dir_emit(e, n->text, n->len, n->ino, n->type, f->pos + 1))
			break;
		f->pos++;
	}
	return 0;
}

int ovl_dir_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	(void)c;
	(void)i;
	f->priv = mem_new(struct ovl_dir);
	return f->priv ? 0 : -ENOMEM;
}

static int64_t dir_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	(void)c;
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return off < 0 ? -EINVAL : off;
}

static void dir_release(struct file *f)
{
	struct ovl_dir *d = file_priv(f);

	ovl_names_put(d->names);
	mem_free(d);
}

static int dir_fsync(struct vfs_ctx *c, struct file *f, bool datasync)
{
	(void)c;
	(void)f;
	(void)datasync;
	return 0;
}

const struct file_ops ovl_dir_fops = {
	.readdir = dir_readdir,
	.llseek = dir_llseek,
	.fsync = dir_fsync,
	.release = dir_release,
};

/* ---- for removal ------------------------------------------------------------------------------ */

int ovl_dir_check_empty(struct vfs_ctx *c, struct ovl_inode *o)
{
	struct ovl_names *n;
	struct ovl_name *e;
	int err = names_collect(c, o, &n);

	if (err < 0)
		return err;
	list_for_each_entry(e, &n->list, node)
		if (e->type != DT_WHT)
			err = -ENOTEMPTY;
	ovl_names_put(n);
	return err;
}

int ovl_dir_clear_whiteouts(struct vfs_ctx *c, struct ovl_inode *o)
{
	struct path p = ovl_upper_path(o);
	struct vfs_ctx layer;
	struct ovl_names *n;
	struct ovl_name *e;
	int err;

	if (!p.dentry)
		return 0;
	err = names_collect(c, o, &n);
	if (err < 0)
		return err;
	ovl_ctx(ovl_sb(o->i.sb), c, &p, &layer);
	list_for_each_entry(e, &n->list, node)
		if (e->type == DT_WHT && e->in_upper && err == 0)
			err = vfs_unlink(&layer, &p, e->text);
	ovl_names_put(n);
	return err;
}
