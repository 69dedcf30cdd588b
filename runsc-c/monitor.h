/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.h: the process whose pid is the container's.  See launch.h. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runsc-c/cgroup.h"
#include "runsc-c/net_watch.h"
#include "runsc-c/notify.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/runsc.h"

/*
 * Messages on the sync socket (SOCK_SEQPACKET).  A packet that starts with a printable character is
 * the sentence of an error, from the monitor or from one of its children before its exec.
 */
enum sync_kind {
	SYNC_MAPS = 1,   /* monitor → creator: write my uid_map and gid_map */
	SYNC_READY = 2,  /* monitor → creator, with pidfds of the Gofer and, if it is ours, the Sentry */
	SYNC_GO = 3,     /* creator → monitor: the maps are written */
	SYNC_COMMIT = 4, /* creator → monitor: live by yourself */
	SYNC_ATTACH = 5, /* creator → monitor: live as long as I do (the socket stays open) */
};
struct monitor {
	const struct globals *g;
	const struct oci_spec *spec;
	const struct cgroup *cgroup;
	const char *state_path; /* the container's directory */
	int state_dir;          /* the creator's, to connect by */
	int signals;            /* control connection for signals; monitor_main() makes it */
	struct net_watch net;   /* what changes in the network namespace; monitor_main() makes it */
	int dial, dialer;       /* both ends: the Sentry asks on dialer for TCP to Docker's DNS server, or for bind(2) */
	int door, door_peer;    /* both ends: on the peer it asks for sockets that listen (door.h) */
	int console;            /* the slave of process.terminal's pty, or -1 */
	int sync, control, sentry_control, listen, gofer_conn, log, exe;
	struct notify notify;   /* sd_notify(3) from inside; -1, -1: nobody asked */
	struct attach *attached; /* filled by monitor_main(): what the Gofer serves */
	size_t attached_count;
	bool host_network;      /* the Sentry's sockets are those of our network namespace */
	bool joined;            /* its Sentry is another container's: none is started (pod.h) */
};

/* In the forked child: never returns. */
_Noreturn void monitor_main(struct monitor *m);
