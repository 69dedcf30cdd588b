/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.c: chained hash tables, and the keyed hash that goes with them.
 *
 * Invariants: mask + 1 is the number of buckets, a power of two; a node is in bucket hash & mask;
 * count is the number of nodes.  The table doubles when it holds more nodes than buckets and never
 * shrinks, so removing while walking is safe.
 *
 * Keys come from applications (names, addresses), so the hash is keyed: SipHash with one round a
 * word and three at the end, over the seed and then the bytes.
 */
#include "lib/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

#include "lib/mem.h"

int hash_init(struct hash *h, size_t buckets)
{
	size_t n = 1;

	while (n < buckets && n <= SIZE_MAX / 4)
		n *= 2;
	*h = (struct hash){ .mask = n - 1 };
	h->buckets = mem_calloc(n, sizeof(h->buckets[0]));
	return h->buckets ? 0 : -ENOMEM;
}

void hash_fini(struct hash *h)
{
	mem_free(h->buckets);
	*h = (struct hash){ 0 };
}

static void hash_grow(struct hash *h)
{
	size_t n = (h->mask + 1) * 2;
	struct hash_node **buckets = mem_calloc(n, sizeof(buckets[0]));

	if (!buckets)
		return;
	for (size_t i = 0; i <= h->mask; i++) {
		struct hash_node *node, *next;

		for (node = h->buckets[i]; node; node = next) {
			struct hash_node **to = &buckets[node->hash & (n - 1)];

			next = node->next;
			node->next = *to;
			*to = node;
		}
	}
	mem_free(h->buckets);
	h->buckets = buckets;
	h->mask = n - 1;
}

void hash_insert(struct hash *h, struct hash_node *n, uint64_t hash)
{
	struct hash_node **to;

	ASSERT(h->buckets);
	if (h->count > h->mask)
		hash_grow(h);
	to = &h->buckets[hash & h->mask];
	n->hash = hash;
	n->next = *to;
	*to = n;
	h->count++;
}

void hash_remove(struct hash *h, struct hash_node *n)
{
	struct hash_node **at = &h->buckets[n->hash & h->mask];

	while (*at != n) {
		ASSERT(*at);
		at = &(*at)->next;
	}
	*at = n->next;
	n->next = NULL;
	h->count--;
}

static struct hash_node *hash_skip(struct hash_node *n, uint64_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct hash_node *hash_first(const struct hash *h, uint64_t hash)
{
	return h->buckets ? hash_skip(h->buckets[hash & h->mask], hash) : NULL;
}

struct hash_node *hash_next(const struct hash_node *n)
{
	return hash_skip(n->next, n->hash);
}

/* ---- SipHash-1-3 ---- */

/* Drawn once before main: the jail need not allow getrandom(2) for it. */
static uint64_t hash_key[2];

__attribute__((constructor(101))) static void hash_draw_key(void)
{
	const void *seed;

	if (getrandom(hash_key, sizeof(hash_key), GRND_NONBLOCK) == sizeof(hash_key))
		return;
	/* Early boot: the 16 bytes that execve(2) left us, which are as good. */
	seed = (const void *)getauxval(AT_RANDOM);
	if (seed)
		memcpy(hash_key, seed, sizeof(hash_key));
}

static inline uint64_t rotl64(uint64_t x, int by)
{
	return (x << by) | (x >> (64 - by));
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl64(v[1], 13) ^ v[0];
	v[3] = rotl64(v[3], 16) ^ v[2];
	v[0] = rotl64(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl64(v[1], 17) ^ v[2];
	v[3] = rotl64(v[3], 21) ^ v[0];
	v[2] = rotl64(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

static inline void sip_begin(uint64_t v[4], uint64_t seed)
{
	v[0] = hash_key[0] ^ 0x736f6d6570736575ULL;
	v[1] = hash_key[1] ^ 0x646f72616e646f6dULL;
	v[2] = hash_key[0] ^ 0x6c7967656e657261ULL;
	v[3] = hash_key[1] ^ 0x7465646279746573ULL;
	sip_word(v, seed);
}

static inline uint64_t sip_end(uint64_t v[4])
{
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_bytes(uint64_t seed, const void *p, size_t size)
{
	const unsigned char *at = p;
	uint64_t v[4], word;
	size_t left = size;

	sip_begin(v, seed);
	for (; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		sip_word(v, word);
	}
	word = 0;
	if (left)
		memcpy(&word, at, left);
	sip_word(v, word | ((uint64_t)(size + 8) << 56));
	return sip_end(v);
}

uint64_t hash_u64(uint64_t seed, uint64_t value)
{
	uint64_t v[4];

	sip_begin(v, seed);
	sip_word(v, value);
	sip_word(v, 16ULL << 56);
	return sip_end(v);
}
