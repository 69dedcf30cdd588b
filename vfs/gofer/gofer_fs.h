/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer_fs.h: the file system type "gofer": files of the host, through the container's Gofer.
 *
 *     struct gconn *g;                 // vfs/gofer/conn.h: one per container
 *     struct gofer_mount_args a = { g, index, GOFER_FS_EXCLUSIVE };
 *     vfs_mount_internal(c, gofer_fs_type(), "none", &path, flags, NULL, &a);
 */
#pragma once

#include <stdint.h>

#include "vfs/gofer/conn.h"

struct fs_type;
struct inode;

enum gofer_fs_flags {
	/*
	 * Nobody else changes these files while the sandbox lives (the container's own root) but
	 * perhaps a tool on the host now and then: names, also those that do not exist, and attributes
	 * are cached until we change them, and changes of names on the host show after 0.1 s.  Without
	 * it names are looked up again on each use and attributes asked for again.
	 */
	GOFER_FS_EXCLUSIVE = 1 << 0,
	/*
	 * Mounts that the host makes below it arrive (rslave, rshared).  What nobody uses is let go of
	 * within seconds, since the Gofer's descriptors keep the host from unmounting.
	 */
	GOFER_FS_FOLLOWS = 1 << 1,
};

/* fs_data of a mount.  conn is borrowed: the super takes a reference of its own. */
struct gofer_mount_args {
	struct gconn *conn;
	uint32_t index; /* of the Gofer's attachment */
	uint32_t flags; /* enum gofer_fs_flags */
};

/* Not to be mounted by applications: a mount without fs_data is -EPERM. */
const struct fs_type *gofer_fs_type(void);

/*
 * A host socket connected to the AF_UNIX socket that i is, if it is one on this file system; type
 * SOCK_STREAM, ….  The new descriptor (nonblocking), or a negative errno: -ECONNREFUSED when it is
 * no such socket or the attachment does not allow it.  Sleeps.
 */
int gofer_fs_connect(struct inode *i, int type);
/*
 * The socket that bind(2) made on the host with i, listening there unless it is a datagram socket: the caller's
 * (nonblocking), once.  -EINVAL: there is none, or it was given before.  Sleeps.
 */
int gofer_fs_listen(struct inode *i);
