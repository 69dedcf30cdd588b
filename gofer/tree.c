/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c: requests that read and change names.
 *
 * Every name is resolved by openat2(2) with RESOLVE_BENEATH, _NO_SYMLINKS and _NO_MAGICLINKS, one
 * component at a time from a descriptor we hold; names in changing calls are last components, which
 * Linux never follows.  So no swap of names on the host leads out of the attachment.
 *
 * Making an object other than a regular file takes two steps: make the name, then open what is there
 * to give it its owner.  Somebody else with access to the same host directory can swap the name
 * between them; what we then open is still below the attachment and must be of the same type, and
 * the outcome is one that this somebody could have had by asking for it.
 */
#include "gofer/gofer_impl.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/sysmacros.h>

#define RESOLVE_SAFE (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

/* What name in directory dir is, itself if a symlink: an O_PATH descriptor. */
int gofer_open_name(int dir, const char *name)
{
	return host_openat2(dir, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_SAFE);
}

/* ---- walk ---------------------------------------------------------------------------------- */

struct walk_name {
	uint32_t fid, known;
	char name[GOFER_NAME_MAX + 1];
};

/* Where a walk stands.  fd is owned when temporary is set, else a fid's. */
struct walk {
	int fd;
	bool temporary;
	uint32_t type;
	uint32_t attachment;
};

static void walk_step(struct walk *w, int fd, bool temporary, uint32_t type)
{
	if (w->temporary)
		host_close(w->fd);
	w->fd = fd;
	w->temporary = temporary;
	w->type = type;
}

/* All names are checked before the first is used.  Rewinds the request. */
static int check_names(struct gofer_request *r, uint32_t count)
{
	const char *start = r->next;
	size_t left = r->left;
	struct gofer_walk_name h;
	char name[GOFER_NAME_MAX + 1];
	int err, refused = 0;

	if (count == 0 || count > GOFER_WALK_MAX)
		return GOFER_MALFORMED;
	for (uint32_t i = 0; i < count; i++) {
		const char *p = gofer_take(r, sizeof(h));

		if (!p)
			return GOFER_MALFORMED;
		memcpy(&h, p, sizeof(h));
		err = gofer_take_name(r, h.size, name);
		if (err == GOFER_MALFORMED)
			return err;
		if (err < 0 && refused == 0)
			refused = err;
	}
	if (r->left != 0)
		return GOFER_MALFORMED;
	r->next = start;
	r->left = left;
	return refused;
}

static int next_name(struct gofer_request *r, struct walk_name *n)
{
	struct gofer_walk_name h;

	memcpy(&h, gofer_take(r, sizeof(h)), sizeof(h));
	n->fid = h.fid;
	n->known = h.known;
	return gofer_take_name(r, h.size, n->name);
}

/* Is the component still the inode of n->known?  Then step there: 1.  0: no; or an error. */
static int walk_known(struct gofer_server *s, struct walk *w, const struct walk_name *n,
		      struct statx *sx)
{
	const struct gofer_node *known = gofer_node_peek(s, n->known);
	int err;

	if (!known || known->attachment != w->attachment)
		return 0;
	err = host_statx(w->fd, n->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, GOFER_STATX_MASK, sx);
	if (err < 0)
		return err;
	if (!gofer_node_is(known, sx))
		return 0;
	walk_step(w, known->fd, false, known->type);
	return 1;
}

static int walk_open(struct gofer_server *s, struct walk *w, const struct walk_name *n,
		     struct statx *sx)
{
	int err, fd;

	err = gofer_node_reserve(s, n->fid);
	if (err < 0)
		return err;
	fd = gofer_open_name(w->fd, n->name);
	if (fd < 0)
		return fd;
	err = gofer_stat(fd, sx);
	if (err < 0) {
		host_close(fd);
		return err;
	}
	walk_step(w, fd, n->fid == GOFER_NOFID, sx->stx_mode & S_IFMT);
	if (n->fid != GOFER_NOFID)
		gofer_node_bind(s, n->fid, fd, w->attachment, sx); /* consumes fd */
	return 0;
}

/* The entry of the component that w stands at. */
static void put_entry(struct gofer_request *r, const struct walk *w, const struct statx *sx, bool same)
{
	struct gofer_walk_entry *e = gofer_put(r, sizeof(*e));
	ssize_t n = 0;

	gofer_attr_fill(&e->attr, sx);
	e->same = same;
	if (w->type == S_IFLNK) {
		n = host_readlinkat(w->fd, "", r->reply + r->reply_size, GOFER_LINK_MAX + 1);
		if (n < 0 || n > (ssize_t)GOFER_LINK_MAX)
			n = 0;
	}
	e->link_size = (uint32_t)n;
	(void)gofer_put(r, (size_t)n);
	gofer_pad(r);
}

/* Whoever walks to a file mostly opens it: that request is saved.  What goes wrong here OPEN will say. */
static void open_end(struct gofer_request *r, const struct walk *w, uint32_t open)
{
	int fd;

	if (open == GOFER_WALK_LOOK || w->type != S_IFREG)
		return;
	if (open == GOFER_WALK_READ_WRITE && r->s->config->attachments[w->attachment].flags & GOFER_ATTACH_RDONLY)
		return;
	fd = gofer_reopen(r->s, w->fd, open == GOFER_WALK_READ ? O_RDONLY : O_RDWR);
	if (fd >= 0)
		r->fd = fd;
}

int gofer_req_walk(struct gofer_request *r)
{
	const struct gofer_walk *q = (const void *)r->body;
	struct gofer_server *s = r->s;
	struct gofer_walk_reply *a;
	struct gofer_node *from;
	struct walk_name n;
	struct statx sx;
	struct walk w;
	int err;

	if (q->open > GOFER_WALK_READ_WRITE)
		return GOFER_MALFORMED;
	err = check_names(r, q->count);
	if (err < 0)
		return err;
	from = gofer_node_peek(s, q->fid);
	if (!from)
		return -EBADF;
	if (from->type == S_IFLNK)
		return -ENOTDIR;
	w = (struct walk){ from->fd, false, from->type, from->attachment };
	a = gofer_put(r, sizeof(*a));
	for (a->reached = 0; a->reached < q->count && w.type != S_IFLNK; a->reached++) {
		err = w.type == S_IFDIR ? next_name(r, &n) : -ENOTDIR;
		if (err < 0)
			break;
		err = walk_known(s, &w, &n, &sx);
		if (err == 0)
			err = walk_open(s, &w, &n, &sx);
		if (err < 0)
			break;
		put_entry(r, &w, &sx, err == 1);
	}
	a->error = err < 0 ? err : 0;
	if (err >= 0 && a->reached == q->count)
		open_end(r, &w, q->open);
	walk_step(&w, -1, false, 0);
	return 0;
}

/* ---- make ---------------------------------------------------------------------------------- */

/*
 * The checks that all makers share; m->mode beyond mode_mask is malformed.  Reserves the fid, and
 * gives the name and the directory (borrowed), watched.
 */
static int begin_make(struct gofer_request *r, uint32_t mode_mask, char name[static GOFER_NAME_MAX + 1],
		      struct gofer_node **dir, struct gofer_watch *w)
{
	const struct gofer_make *m = (const void *)r->body;
	int err;

	if ((m->mode & ~mode_mask) || m->uid == UINT32_MAX || m->gid == UINT32_MAX)
		return GOFER_MALFORMED;
	if (!(mode_mask & S_IFMT) && (m->rdev_major || m->rdev_minor))
		return GOFER_MALFORMED;
	err = gofer_take_name(r, m->name_size, name);
	if (err < 0)
		return err;
	err = gofer_node_reserve(r->s, m->fid);
	if (err < 0)
		return err;
	err = gofer_node_change_dir(r->s, m->dir, dir);
	if (err == 0)
		gofer_change_begin(w, (*dir)->fd);
	return err;
}

int gofer_finish_make(struct gofer_request *r, const struct gofer_make *m, struct gofer_watch *w,
		      const char *name, uint32_t type)
{
	const struct gofer_node *d = gofer_node_peek(r->s, m->dir);
	struct statx sx;
	int err, fd;

	fd = gofer_open_name(d->fd, name);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM) /* the Sentry makes room, and asks again */
		(void)host_unlinkat(d->fd, name, type == S_IFDIR ? AT_REMOVEDIR : 0);
	if (fd < 0)
		return fd;
	err = gofer_stat(fd, &sx);
	if (err == 0 && (sx.stx_mode & S_IFMT) != type) {
		host_close(fd);
		return -ESTALE; /* swapped: not ours to remove */
	}
	if (err == 0)
		err = gofer_set_owner_mode(fd, m->uid, m->gid, m->mode, &sx);
	if (err < 0) {
		host_close(fd);
		(void)host_unlinkat(d->fd, name, type == S_IFDIR ? AT_REMOVEDIR : 0);
		return err;
	}
	gofer_node_bind(r->s, m->fid, fd, d->attachment, &sx); /* consumes fd */
	gofer_put_attr(r, &sx);
	gofer_change_end(r, w);
	return 0;
}

/* An O_PATH descriptor of the file that fd is of: by its name in dir, as that is cheaper, if it has one. */
static int path_of(struct gofer_server *s, int fd, const struct statx *sx, int dir, const char *name)
{
	struct statx named;
	int path_fd;

	path_fd = name ? gofer_open_name(dir, name) : -ENOENT;
	if (path_fd >= 0 && gofer_stat(path_fd, &named) == 0 && named.stx_ino == sx->stx_ino &&
	    named.stx_dev_major == sx->stx_dev_major && named.stx_dev_minor == sx->stx_dev_minor)
		return path_fd;
	host_close_fd(&path_fd); /* swapped */
	return gofer_reopen(s, fd, O_PATH);
}

/* fd: the new regular file, opened as asked; consumed.  Answers with it.  name, w: NULL: it has none. */
static int finish_file(struct gofer_request *r, const struct gofer_make *m, const char *name, int fd,
		       struct gofer_watch *w)
{
	const struct gofer_node *d = gofer_node_peek(r->s, m->dir);
	struct statx sx;
	int err, path_fd = -1;

	err = gofer_stat(fd, &sx);
	if (err == 0)
		err = gofer_set_owner_mode(fd, m->uid, m->gid, m->mode, &sx);
	if (err == 0 && m->fid != GOFER_NOFID)
		err = path_fd = path_of(r->s, fd, &sx, d->fd, name);
	if (err < 0) {
		host_close(fd);
		return err;
	}
	if (path_fd >= 0)
		gofer_node_bind(r->s, m->fid, path_fd, d->attachment, &sx); /* consumes path_fd */
	gofer_put_attr(r, &sx);
	if (w)
		gofer_change_end(r, w);
	r->fd = fd;
	return 0;
}

int gofer_req_create(struct gofer_request *r)
{
	const struct gofer_make *m = (const void *)r->body;
	char name[GOFER_NAME_MAX + 1];
	struct gofer_node *dir;
	struct gofer_watch w;
	int err, fd;

	if (m->flags & ~(uint32_t)O_ACCMODE || m->flags == O_ACCMODE)
		return GOFER_MALFORMED;
	err = begin_make(r, 07777, name, &dir, &w);
	if (err < 0)
		return err;
	fd = host_openat2(dir->fd, name, O_CREAT | O_EXCL | O_NOFOLLOW | m->flags, m->mode & 0777,
			  RESOLVE_SAFE);
	if (fd < 0)
		return fd;
	err = finish_file(r, m, name, fd, &w); /* consumes fd */
	if (err < 0)
		(void)host_unlinkat(dir->fd, name, 0);
	return err;
}

int gofer_req_tmpfile(struct gofer_request *r)
{
	const struct gofer_make *m = (const void *)r->body;
	struct gofer_node *dir;
	int err, fd;

	if ((m->flags != O_WRONLY && m->flags != O_RDWR) || (m->mode & ~07777u) || m->name_size != 0 ||
	    m->uid == UINT32_MAX || m->gid == UINT32_MAX || m->rdev_major || m->rdev_minor)
		return GOFER_MALFORMED;
	err = gofer_node_reserve(r->s, m->fid);
	if (err < 0)
		return err;
	err = gofer_node_change_dir(r->s, m->dir, &dir);
	if (err < 0)
		return err;
	fd = host_openat2(dir->fd, ".", O_TMPFILE | m->flags, m->mode & 0777, RESOLVE_SAFE);
	if (fd < 0)
		return fd;
	return finish_file(r, m, NULL, fd, NULL); /* consumes fd */
}

int gofer_req_mkdir(struct gofer_request *r)
{
	const struct gofer_make *m = (const void *)r->body;
	char name[GOFER_NAME_MAX + 1];
	struct gofer_node *dir;
	struct gofer_watch w;
	int err;

	if (m->flags)
		return GOFER_MALFORMED;
	err = begin_make(r, 07777, name, &dir, &w);
	if (err < 0)
		return err;
	err = host_mkdirat(dir->fd, name, m->mode & 0777);
	if (err < 0)
		return err;
	return gofer_finish_make(r, m, &w, name, S_IFDIR);
}

/* The device types that may be made here. */
static int check_device(const struct gofer_server *s, const struct gofer_node *dir,
			const struct gofer_make *m)
{
	bool whiteout = S_ISCHR(m->mode) && m->rdev_major == 0 && m->rdev_minor == 0;

	if (m->rdev_major >= 1u << 12 || m->rdev_minor >= 1u << 20)
		return -EINVAL;
	if (!whiteout && !(gofer_node_flags(s, dir) & GOFER_ATTACH_DEVICES))
		return -EPERM;
	return 0;
}

int gofer_req_mknod(struct gofer_request *r)
{
	const struct gofer_make *m = (const void *)r->body;
	uint32_t type = m->mode & S_IFMT;
	char name[GOFER_NAME_MAX + 1];
	struct gofer_node *dir;
	struct gofer_watch w;
	int err;

	if (m->flags)
		return GOFER_MALFORMED;
	if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR &&
	    type != S_IFBLK)
		return GOFER_MALFORMED;
	err = begin_make(r, 07777 | S_IFMT, name, &dir, &w);
	if (err < 0)
		return err;
	if (type == S_IFCHR || type == S_IFBLK)
		err = check_device(r->s, dir, m);
	if (err < 0)
		return err;
	err = host_mknodat(dir->fd, name, type | (m->mode & 0777),
			   makedev(m->rdev_major, m->rdev_minor));
	if (err < 0)
		return err;
	return gofer_finish_make(r, m, &w, name, type);
}

int gofer_req_symlink(struct gofer_request *r)
{
	const struct gofer_make *m = (const void *)r->body;
	char name[GOFER_NAME_MAX + 1], text[GOFER_LINK_MAX + 1];
	struct gofer_node *dir;
	const char *p;
	struct gofer_watch w;
	int err;

	if (m->flags)
		return GOFER_MALFORMED;
	err = begin_make(r, 0, name, &dir, &w);
	if (err < 0)
		return err;
	p = gofer_take(r, m->text_size);
	if (!p || m->text_size > GOFER_LINK_MAX)
		return GOFER_MALFORMED;
	if (m->text_size == 0)
		return -ENOENT; /* symlink(2) */
	if (memchr(p, '\0', m->text_size))
		return -EINVAL;
	memcpy(text, p, m->text_size);
	text[m->text_size] = '\0';
	err = host_symlinkat(text, dir->fd, name);
	if (err < 0)
		return err;
	return gofer_finish_make(r, m, &w, name, S_IFLNK);
}

/* ---- link, unlink, rename ------------------------------------------------------------------ */

int gofer_req_link(struct gofer_request *r)
{
	const struct gofer_link *q = (const void *)r->body;
	struct gofer_server *s = r->s;
	struct gofer_node *n, *dir;
	char name[GOFER_NAME_MAX + 1];
	struct gofer_fd_name fd_name;
	struct statx sx;
	struct gofer_watch w;
	int err;

	err = gofer_take_name(r, q->name_size, name);
	if (err < 0)
		return err;
	err = gofer_node_change(s, q->fid, &n);
	if (err < 0)
		return err;
	err = gofer_node_change_dir(s, q->dir, &dir);
	if (err < 0)
		return err;
	if (n->type == S_IFDIR)
		return -EPERM;
	if (n->attachment != dir->attachment)
		return -EXDEV;
	gofer_change_begin(&w, dir->fd);
	err = host_linkat(n->fd, "", dir->fd, name, AT_EMPTY_PATH);
	if (err == -ENOENT) {
		/* Without CAP_DAC_READ_SEARCH older kernels say so; by the magic link it is allowed. */
		fd_name = gofer_fd_name(n->fd);
		err = host_linkat(s->config->proc_fd, fd_name.text, dir->fd, name,
				  AT_SYMLINK_FOLLOW);
	}
	if (err < 0)
		return err;
	err = gofer_stat(n->fd, &sx);
	if (err < 0)
		return err;
	gofer_put_attr(r, &sx);
	gofer_change_end(r, &w);
	return 0;
}

int gofer_req_unlink(struct gofer_request *r)
{
	const struct gofer_unlink *q = (const void *)r->body;
	char name[GOFER_NAME_MAX + 1];
	struct gofer_node *dir;
	struct gofer_watch w;
	int err;

	if (q->flags & ~(uint32_t)AT_REMOVEDIR)
		return GOFER_MALFORMED;
	gofer_node_clunk(r->s, q->fid);
	err = gofer_take_name(r, q->name_size, name);
	if (err < 0)
		return err;
	err = gofer_node_change_dir(r->s, q->dir, &dir);
	if (err < 0)
		return err;
	gofer_change_begin(&w, dir->fd);
	err = host_unlinkat(dir->fd, name, (int)q->flags);
	if (err == 0)
		gofer_change_end(r, &w);
	return err;
}

int gofer_req_rename(struct gofer_request *r)
{
	const struct gofer_rename *q = (const void *)r->body;
	char old_name[GOFER_NAME_MAX + 1], new_name[GOFER_NAME_MAX + 1];
	struct gofer_watch old_watch, new_watch;
	struct gofer_node *old_dir, *new_dir;
	int err, err2;

	if (q->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return GOFER_MALFORMED;
	gofer_node_clunk(r->s, q->fid);
	err = gofer_take_name(r, q->old_size, old_name);
	if (err == GOFER_MALFORMED)
		return err;
	err2 = gofer_take_name(r, q->new_size, new_name);
	if (err < 0 || err2 < 0)
		return err < 0 ? err : err2;
	err = gofer_node_change_dir(r->s, q->old_dir, &old_dir);
	if (err < 0)
		return err;
	err = gofer_node_change_dir(r->s, q->new_dir, &new_dir);
	if (err < 0)
		return err;
	if (old_dir->attachment != new_dir->attachment)
		return -EXDEV;
	gofer_change_begin(&old_watch, old_dir->fd);
	gofer_change_begin(&new_watch, new_dir->fd);
	err = host_renameat2(old_dir->fd, old_name, new_dir->fd, new_name, q->flags);
	if (err < 0)
		return err;
	gofer_change_end(r, &old_watch);
	gofer_change_end(r, &new_watch);
	return 0;
}
