/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content.c: requests about what is in a file: open, readdir, readlink, fsync.
 *
 * Only regular files are ever donated.  Opening a FIFO, socket or device has effects on the host or
 * blocks; the Sentry implements those itself.
 */
#include "gofer/gofer_impl.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

int gofer_req_open(struct gofer_request *r)
{
	const struct gofer_open *q = (const void *)r->body;
	uint32_t access = q->flags & O_ACCMODE;
	struct gofer_node *n;
	struct statx sx;
	int err, fd;

	if (q->flags & ~(uint32_t)(O_ACCMODE | O_TRUNC) || access == O_ACCMODE)
		return GOFER_MALFORMED;
	if (q->flags & O_TRUNC && access == O_RDONLY)
		return GOFER_MALFORMED;
	if (access == O_RDONLY) {
		n = gofer_node_peek(r->s, q->fid);
		if (!n)
			return -EBADF;
	} else {
		err = gofer_node_change(r->s, q->fid, &n);
		if (err < 0)
			return err;
	}
	if (n->type != S_IFREG)
		return n->type == S_IFDIR ? -EISDIR : n->type == S_IFLNK ? -ELOOP : -ENXIO;
	fd = gofer_reopen(r->s, n->fd, q->flags);
	if (fd < 0)
		return fd;
	err = gofer_stat(fd, &sx);
	if (err < 0) {
		host_close(fd);
		return err;
	}
	gofer_put_attr(r, &sx);
	r->fd = fd;
	return 0;
}

int gofer_req_readlink(struct gofer_request *r)
{
	const struct gofer_fid *q = (const void *)r->body;
	const struct gofer_node *n = gofer_node_peek(r->s, q->fid);
	struct gofer_data *head;
	ssize_t size;

	if (!n)
		return -EBADF;
	if (n->type != S_IFLNK)
		return -EINVAL;
	head = gofer_put(r, sizeof(*head));
	size = host_readlinkat(n->fd, "", r->reply + r->reply_size, GOFER_LINK_MAX + 1);
	if (size < 0)
		return (int)size;
	if (size > (ssize_t)GOFER_LINK_MAX)
		return -ENAMETOOLONG;
	(void)gofer_put(r, (size_t)size);
	*head = (struct gofer_data){ .size = (uint32_t)size };
	return 0;
}

/* ---- readdir ------------------------------------------------------------------------------- */

/* As getdents64(2) gives it. */
struct record {
	uint64_t ino;
	int64_t next;
	unsigned short size;
	unsigned char type;
	char name[];
};

static int dir_start(struct gofer_server *s, struct gofer_node *n, uint64_t cookie)
{
	int64_t err;

	if (n->dir_fd < 0) {
		n->dir_fd = gofer_reopen(s, n->fd, O_RDONLY | O_DIRECTORY);
		if (n->dir_fd < 0)
			return n->dir_fd;
		n->dir_cookie = 0;
	}
	if (n->dir_cookie != cookie) {
		err = host_lseek(n->dir_fd, (int64_t)cookie, SEEK_SET);
		if (err < 0)
			return (int)err;
		n->dir_cookie = cookie;
	}
	return 0;
}

/* One entry of the reply.  1: taken; 0: gone meanwhile; -ENOSPC: the reply is full. */
static int put_dirent(struct gofer_request *r, int dir, const struct record *rec, uint32_t flags)
{
	size_t len = strlen(rec->name), need;
	char link[GOFER_LINK_MAX + 1];
	struct gofer_dirent *e;
	ssize_t link_len = 0;
	struct statx sx;
	int err = -ENODATA;

	if (flags & GOFER_READDIR_ATTR)
		err = host_statx(dir, rec->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
				 GOFER_STATX_MASK, &sx);
	if (err == -ENOENT)
		return 0;
	if (err == 0 && S_ISLNK(sx.stx_mode))
		link_len = host_readlinkat(dir, rec->name, link, sizeof(link));
	if (link_len < 0 || link_len > (ssize_t)GOFER_LINK_MAX)
		link_len = 0;
	need = sizeof(struct gofer_dirent) + ALIGN_UP(len + (size_t)link_len, 8);
	if (flags & GOFER_READDIR_ATTR)
		need += sizeof(struct gofer_attr);
	if (need > r->reply_room - r->reply_size)
		return -ENOSPC;
	e = gofer_put(r, sizeof(*e));
	*e = (struct gofer_dirent){ .ino = err == 0 ? sx.stx_ino : rec->ino,
				    .next = (uint64_t)rec->next,
				    .name_size = (uint16_t)len,
				    .type = err == 0 ? (uint8_t)IFTODT(sx.stx_mode) : rec->type,
				    .has_attr = err == 0,
				    .link_size = (uint32_t)link_len };
	if (err == 0)
		gofer_attr_fill(gofer_put(r, sizeof(struct gofer_attr)), &sx);
	memcpy(gofer_put(r, len), rec->name, len);
	memcpy(gofer_put(r, (size_t)link_len), link, (size_t)link_len);
	gofer_pad(r);
	return 1;
}

/* The records in scratch.  Stands at n->dir_cookie afterwards.  -ENOSPC: not all were taken. */
static int put_records(struct gofer_request *r, struct gofer_node *n, size_t size, uint32_t flags,
		       struct gofer_readdir_reply *a)
{
	const struct record *rec;
	int err;

	for (size_t at = 0; at < size; at += rec->size) {
		rec = (const void *)(r->s->scratch + at);
		if (strcmp(rec->name, ".") != 0 && strcmp(rec->name, "..") != 0) {
			err = put_dirent(r, n->dir_fd, rec, flags);
			if (err < 0)
				return err;
			a->count += (uint32_t)err;
		}
		n->dir_cookie = (uint64_t)rec->next;
	}
	return 0;
}

int gofer_req_readdir(struct gofer_request *r)
{
	const struct gofer_readdir *q = (const void *)r->body;
	struct gofer_readdir_reply *a;
	struct gofer_node *n;
	ssize_t size;
	int err;

	if (q->flags & ~(uint32_t)GOFER_READDIR_ATTR || q->cookie > INT64_MAX ||
	    q->max_size < (q->flags & GOFER_READDIR_ATTR ? GOFER_MSG_MIN : 4096u) ||
	    q->max_size > r->s->reply_now)
		return GOFER_MALFORMED;
	err = gofer_node_dir(r->s, q->fid, &n);
	if (err < 0)
		return err;
	err = dir_start(r->s, n, q->cookie);
	if (err < 0)
		return err;
	r->reply_room = ALIGN_DOWN((size_t)q->max_size, 8) - sizeof(struct gofer_hdr);
	a = gofer_put(r, sizeof(*a));
	*a = (struct gofer_readdir_reply){ 0 };
	for (;;) {
		size = host_getdents64(n->dir_fd, r->s->scratch, GOFER_SCRATCH);
		if (size <= 0)
			break;
		err = put_records(r, n, (size_t)size, q->flags, a);
		if (err < 0) {
			/* Full: the kernel stands behind what we took. */
			(void)host_lseek(n->dir_fd, (int64_t)n->dir_cookie, SEEK_SET);
			return 0;
		}
	}
	if (size < 0)
		return (int)size;
	a->eof = 1;
	host_close_fd(&n->dir_fd);
	return 0;
}

/* ---- fsync --------------------------------------------------------------------------------- */

int gofer_req_fsync(struct gofer_request *r)
{
	const struct gofer_fsync *q = (const void *)r->body;
	const struct gofer_node *n;
	int err, fd;

	if (q->flags & ~(uint32_t)(GOFER_FSYNC_DATA | GOFER_FSYNC_FS) ||
	    q->flags == (GOFER_FSYNC_DATA | GOFER_FSYNC_FS))
		return GOFER_MALFORMED;
	n = gofer_node_peek(r->s, q->fid);
	if (!n)
		return -EBADF;
	if (n->type != S_IFREG && n->type != S_IFDIR)
		return -EINVAL;
	fd = gofer_reopen(r->s, n->fd, O_RDONLY);
	if (fd < 0)
		return fd;
	if (q->flags & GOFER_FSYNC_FS)
		err = host_syncfs(fd);
	else
		err = host_fsync(fd); /* DATA, too: for what has no donated descriptor */
	host_close(fd);
	return err;
}
