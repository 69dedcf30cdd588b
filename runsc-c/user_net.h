/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_net.h: a way out for a container's own network namespace that changes nothing on the host: pasta (of
 * passt), else slirp4netns, puts an interface into it and makes the other end's connections as an ordinary
 * program of the caller's.  For root and ordinary users alike; no addresses, routes or rules on the host.
 */
#pragma once

#include <sys/types.h>

#include "runsc-c/err.h"

/* Where queries are answered from with the host's resolver. */
#define USER_NET_DNS "10.0.2.3"

struct user_net {
	pid_t pid; /* our child; 0: none */
};

/*
 * Start it for the namespaces of process `target`, and wait until there is a default route.  It ends with us.
 * -ENOENT: neither program is installed.
 */
int user_net_start(struct user_net *u, pid_t target, struct err *e);
void user_net_stop(struct user_net *u);
