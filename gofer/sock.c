/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock.c: AF_UNIX sockets of the host below an attachment that allows them: those that programs of the
 * host listen at, and those that programs inside make, for the host's programs to connect to.  Sockets between
 * programs of one sandbox are the Sentry's own; of them only the names come here.
 */
#include "gofer/gofer_impl.h"

#include <errno.h>
#include <string.h>

#define BACKLOG 128 /* of connections that the Sentry has not taken yet */

static bool bad_type(uint32_t type)
{
	return type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET;
}

/* size: without the NUL. */
static socklen_t fill_address(struct sockaddr_un *a, const char *path, size_t size)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(a->sun_path, path, size);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
}

int gofer_req_connect(struct gofer_request *r)
{
	const struct gofer_connect *q = (const void *)r->body;
	const struct gofer_node *n;
	struct gofer_fd_name name;
	struct sockaddr_un addr;
	socklen_t size;
	int err, fd;

	if (bad_type(q->type))
		return GOFER_MALFORMED;
	n = gofer_node_peek(r->s, q->fid);
	if (!n)
		return -EBADF;
	if (n->type != S_IFSOCK || !(gofer_node_flags(r->s, n) & GOFER_ATTACH_CONNECT))
		return -ECONNREFUSED;
	fd = host_socket(AF_UNIX, (int)q->type | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	name = gofer_fd_name(n->fd);
	size = fill_address(&addr, name.text, strlen(name.text));
	err = host_connect(fd, &addr, size);
	if (err < 0) {
		host_close(fd);
		return err;
	}
	r->fd = fd;
	return 0;
}

/* By the directory's magic link, as connect's: the address has no room for a long path. */
static int bind_in(int fd, int dir, const char *name, size_t len)
{
	struct gofer_fd_name at = gofer_fd_name(dir);
	size_t front = strlen(at.text);
	struct sockaddr_un addr;
	socklen_t size;

	if (front + 1 + len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	size = fill_address(&addr, at.text, front);
	addr.sun_path[front] = '/';
	memcpy(addr.sun_path + front + 1, name, len);
	return host_bind(fd, &addr, size + 1 + (socklen_t)len);
}

int gofer_req_bind(struct gofer_request *r)
{
	const struct gofer_make *m = (const void *)r->body;
	char name[GOFER_NAME_MAX + 1];
	struct gofer_node *dir, *n;
	struct gofer_watch w;
	int err, fd;

	if (bad_type(m->flags) || m->mode & ~07777u || m->uid == UINT32_MAX || m->gid == UINT32_MAX ||
	    m->rdev_major || m->rdev_minor)
		return GOFER_MALFORMED;
	err = gofer_take_name(r, m->name_size, name);
	if (err == 0)
		err = gofer_node_reserve(r->s, m->fid);
	if (err == 0)
		err = gofer_node_change_dir(r->s, m->dir, &dir);
	if (err < 0)
		return err;
	if (!(gofer_node_flags(r->s, dir) & GOFER_ATTACH_BIND))
		return -EPERM;
	fd = host_socket(AF_UNIX, (int)m->flags | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	gofer_change_begin(&w, dir->fd);
	err = bind_in(fd, dir->fd, name, m->name_size);
	if (err == 0)
		err = gofer_finish_make(r, m, &w, name, S_IFSOCK);
	if (err < 0) {
		host_close(fd);
		return err;
	}
	n = gofer_node_peek(r->s, m->fid);
	if (n) {
		n->sock_fd = fd;
		n->sock_type = m->flags;
	} else {
		host_close(fd);
	}
	return 0;
}

int gofer_req_listen(struct gofer_request *r)
{
	const struct gofer_fid *q = (const void *)r->body;
	struct gofer_node *n = gofer_node_peek(r->s, q->fid);
	int err = 0;

	if (!n)
		return -EBADF;
	if (n->sock_fd < 0)
		return -EINVAL;
	if (n->sock_type != SOCK_DGRAM)
		err = host_listen(n->sock_fd, BACKLOG);
	if (err < 0)
		return err;
	r->fd = n->sock_fd; /* moves */
	n->sock_fd = -1;
	return 0;
}
