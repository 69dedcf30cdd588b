/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h: intrusive doubly linked lists.
 *
 * A head is a node whose neighbours are the first and the last entry; an empty list points at
 * itself.  Nothing here allocates, locks or sleeps; the caller holds whatever lock guards the list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/util.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name) { &(name), &(name) }

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

/* Put node first. */
static inline void list_push(struct list *head, struct list *node)
{
	list_insert_between(node, head, head->next);
}

/* Put node last. */
static inline void list_append(struct list *head, struct list *node)
{
	list_insert_between(node, head->prev, head);
}

/* Take node out; it is then an empty list of its own, so a second removal does nothing. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Whether node is on a list; only for nodes that were initialised with list_init(). */
static inline bool list_linked(const struct list *node)
{
	return node->next != node;
}

/* Take the first node out, or NULL. */
static inline struct list *list_shift(struct list *head)
{
	struct list *n = head->next;

	if (n == head)
		return NULL;
	list_remove(n);
	return n;
}

/* Move all of src to the end of dst; src is then empty. */
static inline void list_splice(struct list *dst, struct list *src)
{
	if (list_empty(src))
		return;
	src->next->prev = dst->prev;
	src->prev->next = dst;
	dst->prev->next = src->next;
	dst->prev = src->prev;
	list_init(src);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) \
	(list_empty(head) ? NULL : list_entry((head)->next, type, member))

#define list_for_each(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

#define list_for_each_entry(pos, head, member)                                                     \
	for ((pos) = container_of((head)->next, typeof(*(pos)), member); &(pos)->member != (head); \
	     (pos) = container_of((pos)->member.next, typeof(*(pos)), member))

/* As above, but pos may be removed (and freed) in the body; tmp is of pos's type. */
#define list_for_each_entry_safe(pos, tmp, head, member)                              \
	for ((pos) = container_of((head)->next, typeof(*(pos)), member),              \
	    (tmp) = container_of((pos)->member.next, typeof(*(pos)), member);         \
	     &(pos)->member != (head);                                                \
	     (pos) = (tmp), (tmp) = container_of((tmp)->member.next, typeof(*(tmp)), member))
