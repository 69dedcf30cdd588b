/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach.h: the host directories that a container's Gofer may see, as descriptors.
 *
 * Attach point 0 is the root file system, the others are the bind mounts in the order of
 * config.json.  Each is a private copy of the mount tree (open_tree(2)) that is mounted nowhere: the
 * Gofer's own root stays empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runsc-c/err.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/spawn.h"

/* --host-uds, as bits: what of AF_UNIX sockets is the host's, below binds. */
enum host_uds { HOST_UDS_NONE, HOST_UDS_OPEN = 1, HOST_UDS_CREATE = 2, HOST_UDS_ALL = 3 };

struct attach {
	int fd;
	uint32_t flags; /* enum gofer_attach_flags */
	enum spawn_tree tree; /* in the Gofer's mount namespace: the host's later mounts are seen, or both ways */
};

/* Tell the Sentry's description which mount has which attach point (mounts[i].attach, is_dir). */
int attach_describe(struct oci_spec *spec, struct err *e);
/*
 * Open all of them, in the calling process's mount namespace (which must be its own, in a user
 * namespace of its own, when it is not root).  *out has *count entries.
 */
int attach_open(const struct oci_spec *spec, enum overlay_choice overlay, enum host_uds uds,
		struct attach **out, size_t *count, struct err *e);
