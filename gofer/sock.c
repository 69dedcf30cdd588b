/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock.c: AF_UNIX sockets of the host below an attachment that allows them.  Sockets between
 * programs of one sandbox are the Sentry's own and never come here.
 */
#include "gofer/gofer_impl.h"

#include <errno.h>
#include <string.h>

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

/* The directory is made current for the call, as the address has no room for a path in front. */
static int bind_in(const struct gofer_server *s, int fd, int dir, const char *name, size_t len)
{
	struct sockaddr_un addr;
	socklen_t size = fill_address(&addr, name, len);
	int err;

	err = host_fchdir(dir);
	if (err < 0)
		return err;
	err = host_bind(fd, &addr, size);
	ASSERT(host_fchdir(s->config->proc_fd) == 0); /* it worked at start */
	return err;
}

int gofer_req_bind(struct gofer_request *r)
{
	const struct gofer_make *m = (const void *)r->body;
	char name[GOFER_NAME_MAX + 1];
	struct gofer_node *dir;
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
	if (m->name_size >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	fd = host_socket(AF_UNIX, (int)m->flags | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	err = bind_in(r->s, fd, dir->fd, name, m->name_size);
	if (err == 0)
		err = gofer_finish_make(r, m, m->dir, name, S_IFSOCK);
	if (err < 0) {
		host_close(fd);
		return err;
	}
	r->fd = fd;
	return 0;
}
