/* SPDX-License-Identifier: Apache-2.0 */
/* ports_impl.h: the tables of endpoints (ports.c), and TCP's table of connections (tcp/conn.c). */
#pragma once

#include "netstack/transport/ep_impl.h"

/* The fuzzer makes a stack for each input: it is built with small tables (Makefile). */
#ifndef PORT_BUCKETS
#define PORT_BUCKETS 256
#define CONN_SHARDS  64
#define CONN_BITS    8 /* of a shard's first buckets */
#endif

struct port_bucket {
	struct nlock lock; /* LOCK_LEAF */
	struct list explicit, conns;
};

struct conn_shard {
	struct latch latch;
	struct hash hash; /* struct tcp_node */
};

struct ep_table {
	struct port_bucket ports[2][PORT_BUCKETS]; /* TCP's; all others', told apart by their claims' table */
	struct conn_shard conns[CONN_SHARDS];
	struct nrwlock raw_lock; /* LOCK_LEAF */
	struct list raw;         /* struct dgram by its tap member */
	struct nlock all_lock;   /* LOCK_LEAF */
	struct list all;
	uint64_t next_cookie;
	atomic_uint tw_count, orphans, reqs;
};

/* Drop TIME_WAIT and SYN_RCVD entries of a stack that ends. */
void tcp_table_fini(struct stack *s);
int tcp_for_each_mini(struct stack *s, int (*fn)(void *arg, const struct ep_info *i), void *arg);
