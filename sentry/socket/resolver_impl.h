/* SPDX-License-Identifier: Apache-2.0 */
/* resolver_impl.h: what resolver.c and resolver_tcp.c share. */
#pragma once

#include <stdbool.h>

#include "lib/util.h"

struct net_addr;
struct resolver_tcp;
struct stack;
struct work;

/*
 * Listen at a; dialer (borrowed) is the socket on which connections are asked for.  What happens
 * queues work, which is to call resolver_tcp_work().
 */
int resolver_tcp_new(struct stack *s, const struct net_addr *a, int dialer, struct work *work,
		     struct resolver_tcp **out) must_check;
/* Do what there is to do, in work; true: call again.  Accepts NULL. */
bool resolver_tcp_work(struct resolver_tcp *t);
/* Nothing queues work any more afterwards.  Accepts NULL. */
void resolver_tcp_quiet(struct resolver_tcp *t);
/* After resolver_tcp_quiet(), when work runs no more.  Accepts NULL. */
void resolver_tcp_free(struct resolver_tcp *t);
