/* SPDX-License-Identifier: Apache-2.0 */
/* test_tree.c: red-black trees against a sorted array (lib/tree.c). */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/tree.h"

enum { COUNT = 300, STEPS = 6000 };

struct item {
	struct tree_node node;
	int key;
	int order; /* of insertion */
	bool in;
};

static int item_cmp(const struct tree_node *a, const struct tree_node *b)
{
	int x = container_of(a, struct item, node)->key, y = container_of(b, struct item, node)->key;

	return (x > y) - (x < y);
}

static int item_key(const void *key, const struct tree_node *n)
{
	int x = *(const int *)key, y = container_of(n, struct item, node)->key;

	return (x > y) - (x < y);
}

/* Black height below n; every rule of the colours on the way. */
static int check_colors(const struct tree_node *n)
{
	int left, right;

	if (!n)
		return 1;
	for (int i = 0; i < 2; i++) {
		const struct tree_node *c = i ? n->left : n->right;

		if (c)
			assert_ptr_equal(c->parent, n);
		if (c && n->color == 1)
			assert_int_equal(c->color, 0);
	}
	left = check_colors(n->left);
	right = check_colors(n->right);
	assert_int_equal(left, right);
	return left + (n->color == 0);
}

/* Forwards and backwards, keys rise and equal ones are in order of insertion. */
static void check_order(const struct tree *t)
{
	struct tree_node *n, *last = NULL;
	size_t seen = 0;

	for (n = tree_first(t); n; last = n, n = tree_next(n), seen++) {
		struct item *i = container_of(n, struct item, node), *l;

		assert_ptr_equal(tree_prev(n), last);
		if (!last)
			continue;
		l = container_of(last, struct item, node);
		assert_true(l->key < i->key || (l->key == i->key && l->order < i->order));
	}
	assert_ptr_equal(tree_last(t), last);
	assert_int_equal(seen, t->count);
}

static void check_lookups(const struct tree *t, const struct item *items, int key)
{
	const struct item *low = NULL, *high = NULL;
	struct tree_node *n;

	for (int i = 0; i < COUNT; i++) {
		const struct item *it = &items[i];

		if (!it->in)
			continue;
		if (it->key >= key && (!low || it->key < low->key ||
				       (it->key == low->key && it->order < low->order)))
			low = it;
		if (it->key <= key && (!high || it->key > high->key ||
				       (it->key == high->key && it->order > high->order)))
			high = it;
	}
	n = tree_lower(t, &key, item_key);
	assert_ptr_equal(n, low ? &low->node : NULL);
	assert_ptr_equal(tree_floor(t, &key, item_key), high ? &high->node : NULL);
	assert_ptr_equal(tree_find(t, &key, item_key), low && low->key == key ? n : NULL);
}

static void invariants_hold_under_random_operations(void **state)
{
	static struct item items[COUNT];
	struct tree t;
	unsigned int seed = 12345;

	(void)state;
	tree_init(&t, item_cmp);
	for (int step = 0; step < STEPS; step++) {
		struct item *it = &items[(unsigned int)rand_r(&seed) % COUNT];

		if (it->in) {
			tree_remove(&t, &it->node);
		} else {
			it->key = rand_r(&seed) % 100; /* many equal ones */
			it->order = step;
			tree_insert(&t, &it->node);
		}
		it->in = !it->in;
		if (t.root)
			assert_int_equal(t.root->color, 0);
		check_colors(t.root);
		if (step % 16 == 0) {
			check_order(&t);
			check_lookups(&t, items, rand_r(&seed) % 102 - 1);
		}
	}
	while (t.root) {
		tree_remove(&t, t.root);
		check_colors(t.root);
	}
	assert_int_equal(t.count, 0);
}

static void empty_tree_has_nothing(void **state)
{
	struct tree t = TREE_INIT(item_cmp);
	int key = 1;

	(void)state;
	assert_null(tree_first(&t));
	assert_null(tree_last(&t));
	assert_null(tree_find(&t, &key, item_key));
	assert_null(tree_lower(&t, &key, item_key));
	assert_null(tree_floor(&t, &key, item_key));
}

static void height_is_logarithmic_for_sorted_input(void **state)
{
	static struct item items[4096];
	struct tree t = TREE_INIT(item_cmp);
	int height = 0;

	(void)state;
	for (int i = 0; i < 4096; i++) {
		items[i].key = i;
		tree_insert(&t, &items[i].node);
	}
	for (struct tree_node *n = t.root; n; n = n->right)
		height++;
	assert_true(height <= 24);
}

UNIT_MAIN(UNIT(invariants_hold_under_random_operations),
	  UNIT(empty_tree_has_nothing),
	  UNIT(height_is_logarithmic_for_sorted_input))
