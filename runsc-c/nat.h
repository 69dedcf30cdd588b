/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nat.h: a way out for a container's own network namespace by the host's kernel (`do --net=nat`, root): a veth
 * pair with a /30 of its own (and a ULA /126 where the host forwards IPv6), forwarding for it, masquerading by iptables(8).
 *
 * What is made is recorded in the state directory first, so whoever destroys the container (launch_destroy(), also that of
 * launch_collect() after a kill -9) undoes it; a guard process does so at once when its creator dies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "runsc-c/err.h"
#include "runsc-c/state.h"

struct nat {
	pid_t guard;     /* our child; 0: none */
	char said[256];  /* what the user should know; "": nothing */
};

/*
 * Make all that for the network namespace of s->monitor.  s is saved.  On failure what was made is undone by
 * nat_release(), as at the end.
 */
int nat_start(struct nat *n, const char *root, struct state *s, struct err *e);
/* End the guard: the caller has undone everything, or what it would undo is not there. */
void nat_stop(struct nat *n);

/* Undo what s says was made.  Never fails; what is gone already is passed over. */
void nat_release(const struct state *s);
/* Was it made in another network namespace than ours, so that it can't be undone here? */
bool nat_is_elsewhere(const struct state *s);
