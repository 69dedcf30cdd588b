/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c: red-black trees.
 *
 * Invariants: a red node has no red child; every way from a node down to a missing child passes
 * the same number of black nodes; the root is black; a walk in order never goes back by cmp.
 * Missing children count as black and are NULL, so the repair after a removal is told the parent
 * of the hole separately.
 */
#include "lib/tree.h"

enum { TREE_BLACK, TREE_RED };

void tree_init(struct tree *t, tree_cmp_fn *cmp)
{
	*t = (struct tree)TREE_INIT(cmp);
}

static bool tree_red(const struct tree_node *n)
{
	return n && n->color == TREE_RED;
}

/* Put new (may be NULL) where old hangs below its parent. */
static void tree_replace(struct tree *t, struct tree_node *old, struct tree_node *new)
{
	struct tree_node *p = old->parent;

	if (!p)
		t->root = new;
	else if (p->left == old)
		p->left = new;
	else
		p->right = new;
	if (new)
		new->parent = p;
}

static void tree_rotate_left(struct tree *t, struct tree_node *n)
{
	struct tree_node *up = n->right;

	n->right = up->left;
	if (n->right)
		n->right->parent = n;
	tree_replace(t, n, up);
	up->left = n;
	n->parent = up;
}

static void tree_rotate_right(struct tree *t, struct tree_node *n)
{
	struct tree_node *up = n->left;

	n->left = up->right;
	if (n->left)
		n->left->parent = n;
	tree_replace(t, n, up);
	up->right = n;
	n->parent = up;
}

/* n is red; its parent may be too. */
static void tree_insert_repair(struct tree *t, struct tree_node *n)
{
	struct tree_node *p, *g, *uncle;

	while (tree_red(p = n->parent)) {
		g = p->parent; /* a red node is never the root */
		uncle = p == g->left ? g->right : g->left;
		if (tree_red(uncle)) {
			p->color = uncle->color = TREE_BLACK;
			g->color = TREE_RED;
			n = g;
			continue;
		}
		if (p == g->left) {
			if (n == p->right) {
				tree_rotate_left(t, p);
				p = n;
			}
			tree_rotate_right(t, g);
		} else {
			if (n == p->left) {
				tree_rotate_right(t, p);
				p = n;
			}
			tree_rotate_left(t, g);
		}
		p->color = TREE_BLACK;
		g->color = TREE_RED;
		break;
	}
	t->root->color = TREE_BLACK;
}

void tree_insert(struct tree *t, struct tree_node *n)
{
	struct tree_node **link = &t->root;
	struct tree_node *parent = NULL;

	while (*link) {
		parent = *link;
		link = t->cmp(n, parent) < 0 ? &parent->left : &parent->right;
	}
	*n = (struct tree_node){ .parent = parent, .color = TREE_RED };
	*link = n;
	t->count++;
	tree_insert_repair(t, n);
}

/* The ways through n (maybe missing, below p) are one black node short. */
static void tree_remove_repair(struct tree *t, struct tree_node *n, struct tree_node *p)
{
	struct tree_node *s;

	while (p && !tree_red(n)) {
		bool left = n == p->left;

		s = left ? p->right : p->left; /* exists: its side has a black node more */
		if (tree_red(s)) {
			s->color = TREE_BLACK;
			p->color = TREE_RED;
			if (left)
				tree_rotate_left(t, p);
			else
				tree_rotate_right(t, p);
			s = left ? p->right : p->left;
		}
		if (!tree_red(s->left) && !tree_red(s->right)) {
			s->color = TREE_RED;
			n = p;
			p = n->parent;
			continue;
		}
		if (left && !tree_red(s->right)) {
			s->left->color = TREE_BLACK;
			s->color = TREE_RED;
			tree_rotate_right(t, s);
			s = p->right;
		} else if (!left && !tree_red(s->left)) {
			s->right->color = TREE_BLACK;
			s->color = TREE_RED;
			tree_rotate_left(t, s);
			s = p->left;
		}
		s->color = p->color;
		p->color = TREE_BLACK;
		if (left) {
			s->right->color = TREE_BLACK;
			tree_rotate_left(t, p);
		} else {
			s->left->color = TREE_BLACK;
			tree_rotate_right(t, p);
		}
		return;
	}
	if (n)
		n->color = TREE_BLACK;
}

void tree_remove(struct tree *t, struct tree_node *n)
{
	struct tree_node *child, *hole_parent;
	int color = n->color;

	if (n->left && n->right) {
		/* The successor has no left child; it takes n's place and colour. */
		struct tree_node *next = tree_next(n);

		color = next->color;
		child = next->right;
		hole_parent = next->parent == n ? next : next->parent;
		if (next->parent != n) {
			tree_replace(t, next, child);
			next->right = n->right;
			next->right->parent = next;
		}
		tree_replace(t, n, next);
		next->left = n->left;
		next->left->parent = next;
		next->color = n->color;
	} else {
		child = n->left ? n->left : n->right;
		hole_parent = n->parent;
		tree_replace(t, n, child);
	}
	*n = (struct tree_node){ 0 };
	t->count--;
	if (color == TREE_BLACK)
		tree_remove_repair(t, child, hole_parent);
}

struct tree_node *tree_first(const struct tree *t)
{
	struct tree_node *n = t->root;

	while (n && n->left)
		n = n->left;
	return n;
}

struct tree_node *tree_last(const struct tree *t)
{
	struct tree_node *n = t->root;

	while (n && n->right)
		n = n->right;
	return n;
}

struct tree_node *tree_next(const struct tree_node *n)
{
	struct tree_node *p;

	if (n->right) {
		p = n->right;
		while (p->left)
			p = p->left;
		return p;
	}
	for (p = n->parent; p && n == p->right; p = p->parent)
		n = p;
	return p;
}

struct tree_node *tree_prev(const struct tree_node *n)
{
	struct tree_node *p;

	if (n->left) {
		p = n->left;
		while (p->right)
			p = p->right;
		return p;
	}
	for (p = n->parent; p && n == p->left; p = p->parent)
		n = p;
	return p;
}

struct tree_node *tree_find(const struct tree *t, const void *key, tree_key_fn *key_fn)
{
	struct tree_node *n = tree_lower(t, key, key_fn);

	return n && key_fn(key, n) == 0 ? n : NULL;
}

struct tree_node *tree_lower(const struct tree *t, const void *key, tree_key_fn *key_fn)
{
	struct tree_node *n = t->root, *best = NULL;

	while (n) {
		if (key_fn(key, n) <= 0) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct tree_node *tree_floor(const struct tree *t, const void *key, tree_key_fn *key_fn)
{
	struct tree_node *n = t->root, *best = NULL;

	while (n) {
		if (key_fn(key, n) >= 0) {
			best = n;
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return best;
}
