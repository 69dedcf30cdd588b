/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h: intrusive balanced binary search trees (red-black).  The caller's compare orders two
 * nodes; equal ones are kept in order of insertion.  No locks, no allocation.
 */
#pragma once

#include <stddef.h>

#include "lib/util.h"

struct tree_node {
	struct tree_node *parent, *left, *right;
	int color;
};

/* <0, 0, >0 as a sorts before, like, after b. */
typedef int tree_cmp_fn(const struct tree_node *a, const struct tree_node *b);
/* <0, 0, >0 as key sorts before, like, after n. */
typedef int tree_key_fn(const void *key, const struct tree_node *n);

struct tree {
	struct tree_node *root;
	tree_cmp_fn *cmp;
	size_t count;
};

#define TREE_INIT(cmp_) { NULL, (cmp_), 0 }

void tree_init(struct tree *t, tree_cmp_fn *cmp);
void tree_insert(struct tree *t, struct tree_node *n);
void tree_remove(struct tree *t, struct tree_node *n);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_last(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n);
struct tree_node *tree_prev(const struct tree_node *n);
/* A node for which key_fn gives 0, or NULL. */
struct tree_node *tree_find(const struct tree *t, const void *key, tree_key_fn *key_fn);
/* The first node not before key, and the last node not after key; NULL when there is none. */
struct tree_node *tree_lower(const struct tree *t, const void *key, tree_key_fn *key_fn);
struct tree_node *tree_floor(const struct tree *t, const void *key, tree_key_fn *key_fn);
