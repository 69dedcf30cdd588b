/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h: intrusive chained hash tables that grow.  The caller computes the hash, compares the keys
 * and holds the lock that guards the table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/util.h"

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash {
	struct hash_node **buckets;
	size_t mask;  /* number of buckets - 1; a power of two less one */
	size_t count; /* entries */
};

/* -ENOMEM, or 0.  buckets is rounded up to a power of two. */
int hash_init(struct hash *h, size_t buckets) must_check;
/* Frees the buckets; the entries are the caller's. */
void hash_fini(struct hash *h);
/* Never fails: a table that can't grow gets longer chains. */
void hash_insert(struct hash *h, struct hash_node *n, uint64_t hash);
/* The node must be in the table. */
void hash_remove(struct hash *h, struct hash_node *n);
/* First node with exactly this hash, and the next one after n; NULL when there is none. */
struct hash_node *hash_first(const struct hash *h, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *n);

/* SipHash-1-3 under a key drawn at start: safe against chosen keys.  seed chains several parts. */
uint64_t hash_bytes(uint64_t seed, const void *p, size_t size);
uint64_t hash_u64(uint64_t seed, uint64_t v);

/* Every node; the table must not be changed meanwhile (removing pos alone is fine). */
#define hash_for_each(h, i, pos, tmp)                                              \
	for ((i) = 0; (h)->buckets && (i) <= (h)->mask; (i)++)                     \
		for ((pos) = (h)->buckets[i]; (pos) && ((tmp) = (pos)->next, 1); (pos) = (tmp))
