/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounter.c: binds that the host shall see.
 *
 * Below an attachment with GOFER_ATTACH_MOUNT (config.json: shared, rshared) a bind that is made inside the sandbox is to
 * appear on the host too.  The attachment's tree is in the Gofer's mount namespace as a peer of the host's, so it is
 * enough to mount there: propagation does the rest.  Mounting takes CAP_SYS_ADMIN, which the Gofer does not keep; a child
 * of it does, the mounter, which in turn can do nothing else: it knows no names, and gets each time a descriptor of what is
 * to be bound and one of the place, both from below the Gofer's attachments.  So the most that a sandbox in an attacker's
 * hands gets out of it is to cover directories below such an attachment with others of its own.
 *
 * Life: forked before the Gofer gives up its rights; the Gofer is its pid namespace's init, so it takes the mounter along.
 */
#include <linux/mount.h>

#include "gofer/gofer_impl.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "platform/host_filter.h"

/* sys/mount.h and linux/mount.h can't both be included. */
#define DETACH   2
#define NOFOLLOW 8

/* With it come the source and the target, or the root of a mount. */
struct order {
	enum { ORDER_BIND = 1, ORDER_UNMOUNT } kind;
	bool recursive;
	bool readonly; /* and all below */
};

/* ---- the mounter ---------------------------------------------------------------------------- */

static int bind_tree(const struct order *o, int source, int target, int *tree)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int err = 0;

	*tree = (int)host_call(SYS_open_tree, source, "", flags | (o->recursive ? AT_RECURSIVE : 0));
	if (*tree < 0)
		return *tree;
	if (o->readonly)
		err = (int)host_call6(SYS_mount_setattr, *tree, (long)"", AT_EMPTY_PATH | AT_RECURSIVE,
				      (long)&attr, sizeof(attr), 0);
	if (err == 0)
		err = (int)host_call6(SYS_move_mount, *tree, (long)"", target, (long)"",
				      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH, 0);
	if (err < 0)
		host_close_fd(tree);
	return err;
}

static int unmount(int root)
{
	int err = host_fchdir(root);

	return err < 0 ? err : (int)host_call(SYS_umount2, ".", DETACH | NOFOLLOW, 0);
}

static void obey(int sock, const struct order *o, const int *fds, size_t count)
{
	int32_t err = -EINVAL;
	struct iovec answer = { &err, sizeof(err) };
	int tree = -1;

	if (o->kind == ORDER_BIND && count == 2)
		err = bind_tree(o, fds[0], fds[1], &tree);
	else if (o->kind == ORDER_UNMOUNT && count == 1)
		err = unmount(fds[0]);
	host_send_fds(sock, &answer, 1, &tree, tree >= 0 ? 1 : 0);
	host_close_fd(&tree);
}

static int keep_only_admin(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	d[0].permitted = d[0].effective = 1u << CAP_SYS_ADMIN;
	return (int)host_call(SYS_capset, &h, d, 0);
}

_Noreturn static void mounter_main(int sock, const struct gofer_config *c)
{
	static const struct host_rule rules[] = {
#include "platform/host_mounter.tbl"
	};
	int err = keep_only_admin();

	if (c->log_fd >= 0)
		host_filter_explain("mounter", c->log_fd);
	if (err == 0 && !(c->flags & GOFER_NO_FILTER))
		err = host_filter_install(rules, ARRAY_SIZE(rules), 0);
	while (err == 0) {
		int fds[2] = { -1, -1 };
		size_t count = 2;
		struct order o;
		ssize_t n = host_recv_fds(sock, &o, sizeof(o), fds, &count, 0);

		if (n == -EINTR)
			continue;
		if (n != sizeof(o))
			break;
		obey(sock, &o, fds, count);
		for (size_t i = 0; i < count; i++)
			host_close(fds[i]);
	}
	_exit(0);
}

/* Of the Gofer's descriptors it keeps the log and its own. */
static void leave_alone(const struct gofer_config *c, int sock)
{
	int keep = c->log_fd;

	for (unsigned int fd = 0; fd < 1024; fd++)
		if ((int)fd != sock && (int)fd != keep)
			host_close((int)fd);
	host_close_range(1024, ~0u, 0);
}

int gofer_mounter_start(const struct gofer_config *c)
{
	bool wanted = false;
	int pair[2], err;
	long pid;

	for (uint32_t i = 0; i < c->attachment_count; i++)
		wanted = wanted || (c->attachments[i].flags & GOFER_ATTACH_MOUNT);
	if (!wanted)
		return -1;
	err = host_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	if (err < 0)
		return err;
	pid = host_call6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
	if (pid == 0) {
		leave_alone(c, pair[1]);
		mounter_main(pair[1], c);
	}
	host_close(pair[1]);
	if (pid < 0) {
		host_close(pair[0]);
		return (int)pid;
	}
	return pair[0];
}

/* ---- the Gofer's side ----------------------------------------------------------------------- */

/* tree: of ORDER_BIND, the new mount's root. */
static int give_order(struct gofer_server *s, const struct order *o, const int *fds, size_t count,
		      int *tree)
{
	struct iovec piece = { (void *)(uintptr_t)o, sizeof(*o) };
	size_t got = tree ? 1 : 0;
	int32_t err;
	ssize_t n;

	if (s->mounter < 0)
		return -EPERM;
	n = host_send_fds(s->mounter, &piece, 1, fds, count);
	if (n >= 0)
		do
			n = host_recv_fds(s->mounter, &err, sizeof(err), tree, &got, 0);
		while (n == -EINTR);
	if (n != sizeof(err)) {
		host_close_fd(&s->mounter);
		return -EIO;
	}
	return err == 0 && tree && got == 0 ? -EIO : err;
}

int gofer_req_mount(struct gofer_request *r)
{
	const struct gofer_mount *q = (const void *)r->body;
	struct order o = { ORDER_BIND, q->recursive, false };
	struct gofer_node *source, *target;
	struct statx sx;
	int err, tree = -1;

	if (q->recursive > 1)
		return GOFER_MALFORMED;
	err = gofer_node_reserve(r->s, q->fid);
	if (err < 0)
		return err;
	source = gofer_node_peek(r->s, q->source);
	target = gofer_node_peek(r->s, q->target);
	if (!source || !target || q->fid == GOFER_NOFID)
		return -EBADF;
	if (!(gofer_node_flags(r->s, target) & GOFER_ATTACH_MOUNT))
		return -EPERM;
	if ((source->type == S_IFDIR) != (target->type == S_IFDIR) || source->type == S_IFLNK)
		return -ENOTDIR;
	/* The new mount is reached by target's rights. */
	o.readonly = gofer_node_flags(r->s, source) & GOFER_ATTACH_RDONLY;
	err = give_order(r->s, &o, (int[]){ source->fd, target->fd }, 2, &tree);
	if (err == 0)
		err = gofer_stat(tree, &sx);
	if (err < 0) {
		host_close_fd(&tree);
		return err;
	}
	gofer_node_bind(r->s, q->fid, tree, target->attachment, &sx); /* consumes tree */
	gofer_node_peek(r->s, q->fid)->mounted = true;
	return 0;
}

int gofer_req_unmount(struct gofer_request *r)
{
	const struct gofer_fid *q = (const void *)r->body;
	const struct gofer_node *n = gofer_node_peek(r->s, q->fid);
	struct order o = { ORDER_UNMOUNT, false, false };
	int err;

	if (!n)
		return -EBADF;
	/* Not the host's own mounts below the attachment, whose end would reach the host as well. */
	if (!n->mounted)
		return -EPERM;
	err = give_order(r->s, &o, &n->fd, 1, NULL);
	gofer_node_clunk(r->s, q->fid);
	return err;
}
