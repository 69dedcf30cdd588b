/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gofer.h: the file server process, as its starter (runsc-c gofer) sees it.
 *
 * The starter makes the process, its namespaces and an empty root, and hands over descriptors; what
 * lies below the attachments is all that the Gofer can ever reach.  See gofer/README.md.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "gofer/protocol.h"

/* The root of one mount: an O_PATH descriptor of a directory, or of a file that is bound. */
struct gofer_attachment {
	int fd;
	uint32_t flags; /* enum gofer_attach_flags */
};

enum gofer_config_flags {
	GOFER_NO_FILTER = 1 << 0, /* no seccomp filter: sanitizers and debuggers */
	GOFER_KEEP_CAPS = 1 << 1, /* do not touch the capability sets */
};

struct gofer_config {
	int conn_fd;                               /* SOCK_SEQPACKET, to the Sentry */
	/*
	 * The directory /proc/self/fd of the calling process itself (opened by it: the link is
	 * resolved at open time).  O_PATH descriptors are opened, truncated, and their extended
	 * attributes reached, through it.  Any procfs will do, also a detached one.
	 */
	int proc_fd;
	int log_fd;                                /* where the filter's last word goes, or -1 */
	const struct gofer_attachment *attachments; /* index = gofer_attach.index; borrowed */
	uint32_t attachment_count;
	uint32_t flags;                            /* enum gofer_config_flags */
};

/*
 * Serve until the connection ends.  Changes the process: current directory (to proc_fd), umask (0),
 * soft RLIMIT_NOFILE (up to the hard one), capabilities (only CHOWN DAC_OVERRIDE DAC_READ_SEARCH
 * FOWNER FSETID MKNOD SETFCAP are kept), no_new_privs, and last the seccomp filter of
 * platform/host_gofer.tbl, before the first request is read.  Single-threaded.  The descriptors in c
 * stay open; close everything else before.  Where an attachment has GOFER_ATTACH_MOUNT a child, the
 * mounter, keeps CAP_SYS_ADMIN (mounter.c).
 *
 * Returns the exit status of the container's init (0 to 255) when the Sentry sent END; -EPIPE when
 * the connection closed without one; -EPROTO after a malformed request; another negative errno when
 * setting up failed.
 */
int gofer_main(const struct gofer_config *c);
