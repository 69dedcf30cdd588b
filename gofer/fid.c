/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fid.c: the table of fids.  Each bound fid owns an O_PATH descriptor, so fids are bounded by
 * RLIMIT_NOFILE: -EMFILE tells the client to give some back.
 *
 * An O_PATH descriptor can be looked at, chowned, linked and timed directly (AT_EMPTY_PATH), but not
 * opened, truncated, chmoded on older kernels, or asked for extended attributes.  For these there is
 * the descriptor's magic link below /proc/self/fd, which is this process's current directory: the
 * link leads to the very inode, whatever its names are by now, and the name is one that we make
 * ourselves.  It is the only path that is ever resolved without RESOLVE_NO_MAGICLINKS.
 */
#include "gofer/gofer_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lib/mem.h"

struct gofer_node *gofer_node_peek(struct gofer_server *s, uint32_t fid)
{
	if (fid >= s->node_count || s->nodes[fid].fd < 0)
		return NULL;
	return &s->nodes[fid];
}

int gofer_node_dir(struct gofer_server *s, uint32_t fid, struct gofer_node **out)
{
	struct gofer_node *n = gofer_node_peek(s, fid);

	if (!n)
		return -EBADF;
	if (n->type != S_IFDIR)
		return -ENOTDIR;
	*out = n;
	return 0;
}

int gofer_node_change(struct gofer_server *s, uint32_t fid, struct gofer_node **out)
{
	struct gofer_node *n = gofer_node_peek(s, fid);

	if (!n)
		return -EBADF;
	if (gofer_node_flags(s, n) & GOFER_ATTACH_RDONLY)
		return -EROFS;
	*out = n;
	return 0;
}

int gofer_node_change_dir(struct gofer_server *s, uint32_t fid, struct gofer_node **out)
{
	struct gofer_node *n;
	int err = gofer_node_dir(s, fid, &n);

	if (err < 0)
		return err;
	return gofer_node_change(s, fid, out);
}

static int grow(struct gofer_server *s, uint32_t fid)
{
	uint32_t count = MAX(s->node_count, 64u);
	struct gofer_node *nodes;

	while (count <= fid)
		count *= 2;
	nodes = mem_realloc(s->nodes, count, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	for (uint32_t i = s->node_count; i < count; i++)
		nodes[i] = (struct gofer_node){ .fd = -1, .dir_fd = -1, .sock_fd = -1 };
	s->nodes = nodes;
	s->node_count = count;
	return 0;
}

int gofer_node_reserve(struct gofer_server *s, uint32_t fid)
{
	if (fid == GOFER_NOFID)
		return 0;
	if (fid >= GOFER_FID_MAX)
		return -EBADF;
	if (fid >= s->node_count)
		return grow(s, fid);
	return s->nodes[fid].fd >= 0 ? -EEXIST : 0;
}

void gofer_node_bind(struct gofer_server *s, uint32_t fid, int fd, uint32_t attachment,
		     const struct statx *sx)
{
	if (fid == GOFER_NOFID) {
		host_close(fd);
		return;
	}
	ASSERT(fid < s->node_count && s->nodes[fid].fd < 0);
	s->nodes[fid] = (struct gofer_node){
		.fd = fd,
		.dir_fd = -1,
		.sock_fd = -1,
		.dev = makedev(sx->stx_dev_major, sx->stx_dev_minor),
		.ino = sx->stx_ino,
		.type = sx->stx_mode & S_IFMT,
		.attachment = attachment,
	};
}

void gofer_node_clunk(struct gofer_server *s, uint32_t fid)
{
	struct gofer_node *n = gofer_node_peek(s, fid);

	if (!n)
		return;
	host_close_fd(&n->dir_fd);
	host_close_fd(&n->sock_fd);
	host_close_fd(&n->fd);
}

bool gofer_node_is(const struct gofer_node *n, const struct statx *sx)
{
	return n->ino == sx->stx_ino && n->dev == makedev(sx->stx_dev_major, sx->stx_dev_minor) &&
	       n->type == (sx->stx_mode & S_IFMT);
}

struct gofer_fd_name gofer_fd_name(int fd)
{
	struct gofer_fd_name name;
	char digits[12];
	size_t n = 0, i = 0;

	do {
		digits[n++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd > 0);
	while (n > 0)
		name.text[i++] = digits[--n];
	name.text[i] = '\0';
	return name;
}

int gofer_reopen(struct gofer_server *s, int fd, uint32_t flags)
{
	struct gofer_fd_name name = gofer_fd_name(fd);

	if (!(flags & O_PATH))
		flags |= O_NOCTTY | O_NONBLOCK; /* a lease must not hold us up */
	return host_openat2(s->config->proc_fd, name.text, flags, 0, 0);
}
