/* SPDX-License-Identifier: Apache-2.0 */
/* rpc.c: see rpc.h. */
#include "vfs/gofer/rpc.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mem.h"

/* ---- replies ------------------------------------------------------------------------------- */

bool grpc_attr_ok(const struct gofer_attr *a)
{
	switch (a->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		return false;
	}
	return !(a->mode & ~(uint32_t)(S_IFMT | 07777)) && a->size <= INT64_MAX &&
	       a->atime_nsec < NSEC_PER_SEC && a->mtime_nsec < NSEC_PER_SEC &&
	       a->ctime_nsec < NSEC_PER_SEC && a->btime_nsec < NSEC_PER_SEC;
}

/* A descriptor that should have come (or not) with c moves to *fd; -1: there was no room for it here. */
static int take_fd(struct gconn *g, struct gconn_call *c, int *fd)
{
	if (c->fd >= 0 ? fd == NULL : fd != NULL && !gofer_done_without_fd(c->type))
		return gconn_broken(g, "descriptor");
	if (fd) {
		*fd = c->fd;
		c->fd = -1;
	}
	return 0;
}

/* Requests whose reply is empty. */
static int call_empty(struct gconn *g, struct gconn_call *c, int *fd)
{
	int err = gconn_call(g, c);

	if (err < 0)
		return err;
	err = c->reply_size == 0 ? take_fd(g, c, fd) : gconn_broken(g, "size");
	gconn_reply_put(g, c);
	return err;
}

/* Requests whose reply is attributes. */
static int call_attr(struct gconn *g, struct gconn_call *c, struct gofer_attr *attr, int *fd)
{
	const struct gofer_attr_reply *a;
	int err = gconn_call(g, c);

	if (err < 0)
		return err;
	a = gconn_reply(c, sizeof(*a));
	if (!a || c->reply_size != sizeof(*a) || !grpc_attr_ok(&a->attr)) {
		err = gconn_broken(g, "attributes");
	} else {
		err = take_fd(g, c, fd);
		if (err == 0)
			*attr = a->attr;
	}
	gconn_reply_put(g, c);
	return err;
}

/* Requests that change names: a gofer_change for each directory, after attributes where attr is given. */
static int call_change(struct gconn *g, struct gconn_call *c, struct gofer_attr *attr, struct gofer_change *change,
		       uint32_t count, int *fd)
{
	size_t front = attr ? sizeof(struct gofer_attr_reply) : 0;
	int err = gconn_call(g, c);

	if (err < 0)
		return err;
	if (c->reply_size != front + count * sizeof(*change)) {
		err = gconn_broken(g, "change");
	} else {
		if (attr)
			memcpy(attr, c->reply, sizeof(*attr));
		memcpy(change, c->reply + front, count * sizeof(*change));
		err = attr && !grpc_attr_ok(attr) ? gconn_broken(g, "attributes") : take_fd(g, c, fd);
	}
	gconn_reply_put(g, c);
	return err;
}

#define CALL(t, q) { .type = (t), .body = &(q), .body_size = sizeof(q) }

static void add_rest(struct gconn_call *c, unsigned int i, const void *p, size_t size)
{
	c->rest[i] = p;
	c->rest_size[i] = size;
}

/* ---- attach, walk -------------------------------------------------------------------------- */

int grpc_attach(struct gconn *g, uint32_t index, uint32_t fid, struct gofer_attach_reply *out)
{
	struct gofer_attach q = { index, fid };
	struct gconn_call c = CALL(GOFER_REQ_ATTACH, q);
	const struct gofer_attach_reply *a;
	int err = gconn_call(g, &c);

	if (err < 0)
		return err;
	a = gconn_reply(&c, sizeof(*a));
	if (!a || !grpc_attr_ok(&a->attr))
		err = gconn_broken(g, "attach");
	else
		*out = *a;
	gconn_reply_put(g, &c);
	return err;
}

/* Only a regular file, the one that the attributes are of, is a donation. */
static int check_donated(struct gconn *g, int err, const struct gofer_attr *attr, int *fd)
{
	struct stat st;

	if (err < 0)
		return err;
	if (host_fstat(*fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == attr->ino)
		return 0;
	host_close_fd(fd);
	return gconn_broken(g, "donated descriptor");
}

/* The reply of a walk of count names, from p on, size bytes. */
static const char *walk_decode(const char *p, size_t size, const struct grpc_name *names,
			       uint32_t count, struct grpc_walk *out)
{
	struct gofer_walk_reply r;
	struct gofer_walk_entry e;

	if (size < sizeof(r))
		return "walk size";
	memcpy(&r, p, sizeof(r));
	p += sizeof(r);
	size -= sizeof(r);
	if (r.reached > count || r.error > 0 || r.error < -4095)
		return "walk";
	for (uint32_t i = 0; i < r.reached; i++) {
		size_t padded;

		if (size < sizeof(e))
			return "walk entry size";
		memcpy(&e, p, sizeof(e));
		p += sizeof(e);
		size -= sizeof(e);
		padded = ALIGN_UP((size_t)e.link_size, 8);
		if (!grpc_attr_ok(&e.attr) || e.link_size > GOFER_LINK_MAX || padded > size ||
		    (e.same && names[i].known == GOFER_NOFID))
			return "walk entry";
		out->at[i].attr = e.attr;
		out->at[i].same = e.same;
		if (e.link_size > 0) {
			if (!S_ISLNK(e.attr.mode) || i + 1 != r.reached ||
			    memchr(p, '\0', e.link_size))
				return "walk link";
			out->link = mem_strndup(p, e.link_size);
		}
		p += padded;
		size -= padded;
	}
	out->reached = r.reached;
	out->error = r.error;
	return NULL;
}

/* A descriptor comes if one was asked for, not always; then it is the last name's. */
static int walk_take_fd(struct gconn *g, struct gconn_call *c, uint32_t count, enum gofer_walk_open open,
			struct grpc_walk *out)
{
	if (c->fd < 0)
		return 0;
	if (open == GOFER_WALK_LOOK || out->reached != count || !S_ISREG(out->at[count - 1].attr.mode))
		return gconn_broken(g, "descriptor");
	out->fd = c->fd;
	c->fd = -1;
	return check_donated(g, 0, &out->at[count - 1].attr, &out->fd);
}

int grpc_walk(struct gconn *g, uint32_t fid, const struct grpc_name *names, uint32_t count,
	      enum gofer_walk_open open, struct grpc_walk *out)
{
	struct gofer_walk q = { .fid = fid, .count = count, .open = open };
	struct gconn_call c = CALL(GOFER_REQ_WALK, q);
	char rest[GRPC_WALK_MAX * (sizeof(struct gofer_walk_name) + GOFER_NAME_MAX)], *p = rest;
	const char *bad;
	int err;

	ASSERT(count > 0 && count <= GRPC_WALK_MAX);
	for (uint32_t i = 0; i < count; i++) {
		struct gofer_walk_name n = { names[i].fid, names[i].known, names[i].len };

		ASSERT(n.size <= GOFER_NAME_MAX);
		memcpy(p, &n, sizeof(n));
		memcpy(p + sizeof(n), names[i].name, n.size);
		p += sizeof(n) + n.size;
	}
	add_rest(&c, 0, rest, (size_t)(p - rest));
	err = gconn_call(g, &c);
	if (err < 0)
		return err;
	out->link = NULL;
	out->fd = -1;
	bad = walk_decode(c.reply, c.reply_size, names, count, out);
	err = bad ? gconn_broken(g, bad) : walk_take_fd(g, &c, count, open, out);
	if (err < 0)
		mem_free(out->link);
	gconn_reply_put(g, &c);
	return err;
}

/* ---- open, make, names --------------------------------------------------------------------- */

int grpc_open(struct gconn *g, uint32_t fid, uint32_t flags, struct gofer_attr *attr, int *fd)
{
	struct gofer_open q = { fid, flags };
	struct gconn_call c = CALL(GOFER_REQ_OPEN, q);

	return check_donated(g, call_attr(g, &c, attr, fd), attr, fd);
}

int grpc_make(struct gconn *g, uint16_t type, const struct gofer_make *make, const char *name,
	      const char *text, struct gofer_attr *attr, struct gofer_change *change, int *fd)
{
	struct gofer_make q = *make;
	struct gconn_call c = CALL(type, q);
	int err;

	q.name_size = name ? (uint32_t)strlen(name) : 0;
	q.text_size = text ? (uint32_t)strlen(text) : 0;
	add_rest(&c, 0, name, q.name_size);
	add_rest(&c, 1, text, q.text_size);
	err = call_change(g, &c, attr, change, type == GOFER_REQ_TMPFILE ? 0 : 1, fd);
	if (err == 0 && fd && *fd >= 0) /* none: we have no room for it */
		err = check_donated(g, err, attr, fd);
	return err;
}

int grpc_link(struct gconn *g, uint32_t fid, uint32_t dir, const char *name, struct gofer_attr *attr,
	      struct gofer_change *change)
{
	struct gofer_link q = { .fid = fid, .dir = dir, .name_size = (uint32_t)strlen(name) };
	struct gconn_call c = CALL(GOFER_REQ_LINK, q);

	add_rest(&c, 0, name, q.name_size);
	return call_change(g, &c, attr, change, 1, NULL);
}

/* The server has let go of it. */
static void victim_free(struct gconn *g, uint32_t victim)
{
	if (victim != GOFER_NOFID)
		gconn_fid_free(g, victim);
}

int grpc_unlink(struct gconn *g, uint32_t dir, const char *name, uint32_t flags, uint32_t victim,
		struct gofer_change *change)
{
	struct gofer_unlink q = {
		.dir = dir, .flags = flags, .name_size = (uint32_t)strlen(name), .fid = victim
	};
	struct gconn_call c = CALL(GOFER_REQ_UNLINK, q);
	int err;

	add_rest(&c, 0, name, q.name_size);
	err = call_change(g, &c, NULL, change, 1, NULL);
	victim_free(g, victim);
	return err;
}

int grpc_rename(struct gconn *g, uint32_t old_dir, const char *old_name, uint32_t new_dir,
		const char *new_name, uint32_t flags, uint32_t victim, struct gofer_change change[2])
{
	struct gofer_rename q = {
		.old_dir = old_dir,
		.new_dir = new_dir,
		.flags = flags,
		.old_size = (uint32_t)strlen(old_name),
		.new_size = (uint32_t)strlen(new_name),
		.fid = victim,
	};
	struct gconn_call c = CALL(GOFER_REQ_RENAME, q);
	int err;

	add_rest(&c, 0, old_name, q.old_size);
	add_rest(&c, 1, new_name, q.new_size);
	err = call_change(g, &c, NULL, change, 2, NULL);
	victim_free(g, victim);
	return err;
}

/* ---- attributes ---------------------------------------------------------------------------- */

int grpc_getattr(struct gconn *g, uint32_t fid, struct gofer_attr *attr)
{
	struct gofer_fid q = { fid, 0 };
	struct gconn_call c = CALL(GOFER_REQ_GETATTR, q);

	return call_attr(g, &c, attr, NULL);
}

int grpc_getattrs(struct gconn *g, const uint32_t *fid, uint32_t count, struct gofer_attr *attr)
{
	struct gofer_getattrs q = { .count = count };
	struct gconn_call c = CALL(GOFER_REQ_GETATTRS, q);
	int err;

	add_rest(&c, 0, fid, count * sizeof(*fid));
	err = gconn_call(g, &c);
	if (err < 0)
		return err;
	if (c.reply_size != count * sizeof(*attr)) {
		err = gconn_broken(g, "attributes");
	} else {
		memcpy(attr, c.reply, count * sizeof(*attr));
		for (uint32_t i = 0; i < count && err == 0; i++)
			if (attr[i].mode != 0 && !grpc_attr_ok(&attr[i]))
				err = gconn_broken(g, "attributes");
	}
	gconn_reply_put(g, &c);
	return err;
}

int grpc_setattr(struct gconn *g, const struct gofer_setattr *q, struct gofer_attr *attr)
{
	struct gconn_call c = CALL(GOFER_REQ_SETATTR, *q);

	return call_attr(g, &c, attr, NULL);
}

/* Requests whose reply is bytes: moved to buf, which has room for size (0: only how many). */
static ssize_t call_data(struct gconn *g, struct gconn_call *c, void *buf, size_t size)
{
	const struct gofer_data *d;
	ssize_t n = gconn_call(g, c);

	if (n < 0)
		return n;
	d = gconn_reply(c, sizeof(*d));
	if (!d || d->size > GOFER_XATTR_MAX)
		n = gconn_broken(g, "data");
	else if (size == 0)
		n = d->size;
	else if (d->size > size || c->reply_size - sizeof(*d) != d->size)
		n = gconn_broken(g, "data size");
	else {
		memcpy(buf, d + 1, d->size);
		n = d->size;
	}
	gconn_reply_put(g, c);
	return n;
}

int grpc_readlink(struct gconn *g, uint32_t fid, char **text)
{
	struct gofer_fid q = { fid, 0 };
	struct gconn_call c = CALL(GOFER_REQ_READLINK, q);
	char buf[GOFER_LINK_MAX];
	ssize_t n = call_data(g, &c, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	if (memchr(buf, '\0', (size_t)n))
		return gconn_broken(g, "link");
	*text = mem_strndup(buf, (size_t)n);
	return *text ? 0 : -ENOMEM;
}

int grpc_statfs(struct gconn *g, uint32_t fid, struct gofer_statfs *out)
{
	struct gofer_fid q = { fid, 0 };
	struct gconn_call c = CALL(GOFER_REQ_STATFS, q);
	const struct gofer_statfs *a;
	int err = gconn_call(g, &c);

	if (err < 0)
		return err;
	a = gconn_reply(&c, sizeof(*a));
	if (a)
		*out = *a;
	else
		err = gconn_broken(g, "statfs");
	gconn_reply_put(g, &c);
	return err;
}

int grpc_fsync(struct gconn *g, uint32_t fid, uint32_t flags)
{
	struct gofer_fsync q = { fid, flags };
	struct gconn_call c = CALL(GOFER_REQ_FSYNC, q);

	return call_empty(g, &c, NULL);
}

int grpc_mount(struct gconn *g, uint32_t source, uint32_t target, uint32_t fid, bool recursive)
{
	struct gofer_mount q = { source, target, fid, recursive };
	struct gconn_call c = CALL(GOFER_REQ_MOUNT, q);

	return call_empty(g, &c, NULL);
}

int grpc_unmount(struct gconn *g, uint32_t fid)
{
	struct gofer_fid q = { fid, 0 };
	struct gconn_call c = CALL(GOFER_REQ_UNMOUNT, q);

	return call_empty(g, &c, NULL);
}

int grpc_connect(struct gconn *g, uint32_t fid, uint32_t type, int *fd)
{
	struct gofer_connect q = { fid, type };
	struct gconn_call c = CALL(GOFER_REQ_CONNECT, q);

	return call_empty(g, &c, fd);
}

int grpc_listen(struct gconn *g, uint32_t fid, int *fd)
{
	struct gofer_fid q = { fid, 0 };
	struct gconn_call c = CALL(GOFER_REQ_LISTEN, q);

	return call_empty(g, &c, fd);
}

/* ---- extended attributes ------------------------------------------------------------------- */

static struct gofer_xattr xattr_of(uint32_t fid, const char *name, size_t size)
{
	return (struct gofer_xattr){ .fid = fid,
				     .name_size = (uint32_t)strlen(name),
				     .value_size = (uint32_t)MIN(size, (size_t)GOFER_XATTR_MAX) };
}

ssize_t grpc_getxattr(struct gconn *g, uint32_t fid, const char *name, void *buf, size_t size)
{
	struct gofer_xattr q = xattr_of(fid, name, size);
	struct gconn_call c = CALL(GOFER_REQ_GETXATTR, q);

	add_rest(&c, 0, name, q.name_size);
	return call_data(g, &c, buf, size);
}

ssize_t grpc_listxattr(struct gconn *g, uint32_t fid, char *buf, size_t size)
{
	struct gofer_xattr q = xattr_of(fid, "", size);
	struct gconn_call c = CALL(GOFER_REQ_LISTXATTR, q);

	return call_data(g, &c, buf, size);
}

int grpc_setxattr(struct gconn *g, uint32_t fid, const char *name, const void *value, size_t size,
		  uint32_t flags)
{
	struct gofer_xattr q = xattr_of(fid, name, size);
	struct gconn_call c = CALL(GOFER_REQ_SETXATTR, q);

	if (size > GOFER_XATTR_MAX)
		return -E2BIG;
	q.flags = flags;
	add_rest(&c, 0, name, q.name_size);
	add_rest(&c, 1, value, size);
	return call_empty(g, &c, NULL);
}

int grpc_removexattr(struct gconn *g, uint32_t fid, const char *name)
{
	struct gofer_xattr q = xattr_of(fid, name, 0);
	struct gconn_call c = CALL(GOFER_REQ_REMOVEXATTR, q);

	add_rest(&c, 0, name, q.name_size);
	return call_empty(g, &c, NULL);
}

/* ---- readdir ------------------------------------------------------------------------------- */

static size_t dirent_size(const struct gofer_dirent *e)
{
	return sizeof(*e) + (e->has_attr ? sizeof(struct gofer_attr) : 0) +
	       ALIGN_UP((size_t)e->name_size + e->link_size, 8);
}

static bool dirent_ok(const struct gofer_dirent *e, size_t left)
{
	const struct gofer_attr *a = (const void *)(e + 1);
	const char *name = (const char *)(e->has_attr ? (const void *)(a + 1) : (const void *)a);

	if (e->has_attr > 1 || e->next > INT64_MAX || e->name_size == 0 ||
	    e->name_size > GOFER_NAME_MAX || e->link_size > GOFER_LINK_MAX || dirent_size(e) > left)
		return false;
	if (e->link_size > 0 && (!e->has_attr || !S_ISLNK(a->mode) ||
				 memchr(name + e->name_size, '\0', e->link_size)))
		return false;
	if (memchr(name, '/', e->name_size) || memchr(name, '\0', e->name_size) ||
	    (name[0] == '.' && (e->name_size == 1 || (e->name_size == 2 && name[1] == '.'))))
		return false;
	return !e->has_attr || grpc_attr_ok(a);
}

static bool readdir_ok(const struct gconn_call *c)
{
	const struct gofer_readdir_reply *r = gconn_reply(c, sizeof(*r));
	const char *p;
	size_t left;

	if (!r || (r->count == 0 && !r->eof))
		return false;
	p = (const char *)(r + 1);
	left = c->reply_size - sizeof(*r);
	for (uint32_t i = 0; i < r->count; i++) {
		const struct gofer_dirent *e = (const void *)p;
		size_t size;

		if (left < sizeof(*e) || !dirent_ok(e, left))
			return false;
		size = dirent_size(e);
		p += size;
		left -= size;
	}
	return left == 0;
}

int grpc_readdir(struct gconn *g, uint32_t fid, uint64_t cookie, uint32_t flags, uint32_t max_size,
		 struct grpc_dir *out)
{
	struct gofer_readdir q = {
		.fid = fid, .flags = flags, .max_size = max_size, .cookie = cookie
	};
	const struct gofer_readdir_reply *r;
	int err;

	out->call = (struct gconn_call)CALL(GOFER_REQ_READDIR, q);
	err = gconn_call(g, &out->call);
	out->call.body = NULL; /* was on our stack */
	if (err < 0)
		return err;
	if (!readdir_ok(&out->call)) {
		gconn_reply_put(g, &out->call);
		return gconn_broken(g, "directory entries");
	}
	r = gconn_reply(&out->call, sizeof(*r));
	out->next = (const char *)(r + 1);
	out->left = r->count;
	out->eof = r->eof;
	return 0;
}

const struct gofer_dirent *grpc_dirent_next(struct grpc_dir *d, const char **name,
					    const struct gofer_attr **attr)
{
	const struct gofer_dirent *e = (const void *)d->next;
	const char *p = (const char *)(e + 1);

	if (d->left == 0)
		return NULL;
	d->left--;
	d->next += dirent_size(e);
	*attr = NULL;
	if (e->has_attr) {
		*attr = (const void *)p;
		p += sizeof(struct gofer_attr);
	}
	*name = p;
	return e;
}
