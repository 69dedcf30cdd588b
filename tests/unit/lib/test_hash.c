/* SPDX-License-Identifier: Apache-2.0 */
/* test_hash.c: hash tables and the keyed hash (lib/hash.c). */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

enum { COUNT = 5000 };

struct item {
	struct hash_node node;
	uint64_t key;
};

static struct item *item_peek(const struct hash *h, uint64_t key)
{
	struct hash_node *n;

	for (n = hash_first(h, hash_u64(1, key)); n; n = hash_next(n))
		if (container_of(n, struct item, node)->key == key)
			return container_of(n, struct item, node);
	return NULL;
}

static struct item *items_insert(struct hash *h)
{
	struct item *items = mem_calloc(COUNT, sizeof(*items));

	assert_non_null(items);
	for (uint64_t i = 0; i < COUNT; i++) {
		items[i].key = i;
		hash_insert(h, &items[i].node, hash_u64(1, i));
	}
	return items;
}

static void every_entry_is_found_after_growing(void **state)
{
	struct item *items;
	struct hash h;

	(void)state;
	assert_int_equal(hash_init(&h, 1), 0);
	items = items_insert(&h);
	assert_int_equal(h.count, COUNT);
	assert_true(h.mask + 1 >= COUNT);
	for (uint64_t i = 0; i < COUNT; i++)
		assert_ptr_equal(item_peek(&h, i), &items[i]);
	assert_null(item_peek(&h, COUNT));
	for (uint64_t i = 0; i < COUNT; i += 2)
		hash_remove(&h, &items[i].node);
	for (uint64_t i = 0; i < COUNT; i++)
		assert_ptr_equal(item_peek(&h, i), i % 2 ? &items[i] : NULL);
	hash_fini(&h);
	mem_free(items);
}

static void table_that_cannot_grow_still_takes_entries(void **state)
{
	struct item *items = mem_calloc(100, sizeof(*items));
	struct hash h;

	(void)state;
	assert_int_equal(hash_init(&h, 4), 0);
	mem_fail_after(0);
	for (uint64_t i = 0; i < 100; i++) {
		items[i].key = i;
		hash_insert(&h, &items[i].node, hash_u64(1, i));
	}
	mem_fail_after(SIZE_MAX);
	assert_int_equal(h.mask, 3);
	for (uint64_t i = 0; i < 100; i++)
		assert_ptr_equal(item_peek(&h, i), &items[i]);
	hash_fini(&h);
	mem_free(items);
}

static void walk_sees_each_entry_once_and_may_remove_it(void **state)
{
	struct hash_node *pos, *tmp;
	struct item *items;
	struct hash h;
	size_t i, seen = 0;
	uint64_t sum = 0;

	(void)state;
	assert_int_equal(hash_init(&h, 16), 0);
	items = items_insert(&h);
	hash_for_each(&h, i, pos, tmp) {
		sum += container_of(pos, struct item, node)->key;
		hash_remove(&h, pos);
		seen++;
	}
	assert_int_equal(seen, COUNT);
	assert_int_equal(sum, (uint64_t)COUNT * (COUNT - 1) / 2);
	assert_int_equal(h.count, 0);
	hash_fini(&h);
	mem_free(items);
}

static void entries_of_one_hash_are_told_apart_by_the_caller(void **state)
{
	struct item a = { .key = 1 }, b = { .key = 2 };
	struct hash_node *n;
	struct hash h;

	(void)state;
	assert_int_equal(hash_init(&h, 1), 0);
	hash_insert(&h, &a.node, 7);
	hash_insert(&h, &b.node, 7);
	n = hash_first(&h, 7);
	assert_non_null(n);
	assert_non_null(hash_next(n));
	assert_null(hash_next(hash_next(n)));
	assert_null(hash_first(&h, 8));
	hash_fini(&h);
}

static void init_without_memory_fails(void **state)
{
	struct hash h;

	(void)state;
	mem_fail_after(0);
	assert_int_equal(hash_init(&h, 8), -ENOMEM);
	mem_fail_after(SIZE_MAX);
}

static void hash_depends_on_every_byte_the_length_and_the_seed(void **state)
{
	unsigned char p[40] = { 0 };
	uint64_t plain;

	(void)state;
	for (size_t size = 0; size <= sizeof(p); size++) {
		plain = hash_bytes(0, p, size);
		assert_int_equal(plain, hash_bytes(0, p, size));
		assert_int_not_equal(plain, hash_bytes(1, p, size));
		if (size < sizeof(p))
			assert_int_not_equal(plain, hash_bytes(0, p, size + 1));
		for (size_t i = 0; i < size; i++) {
			p[i] = 1;
			assert_int_not_equal(plain, hash_bytes(0, p, size));
			p[i] = 0;
		}
	}
}

static void number_hashes_as_its_bytes(void **state)
{
	uint64_t v = 0x1122334455667788;

	(void)state;
	assert_int_equal(hash_u64(3, v), hash_bytes(3, &v, sizeof(v)));
}

UNIT_MAIN(UNIT(every_entry_is_found_after_growing),
	  UNIT(table_that_cannot_grow_still_takes_entries),
	  UNIT(walk_sees_each_entry_once_and_may_remove_it),
	  UNIT(entries_of_one_hash_are_told_apart_by_the_caller),
	  UNIT(init_without_memory_fails),
	  UNIT(hash_depends_on_every_byte_the_length_and_the_seed),
	  UNIT(number_hashes_as_its_bytes))
