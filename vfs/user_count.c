/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_count.c: see user_count.h.  An entry for each user who has anything; its latch is a leaf.  As in Linux
 * (struct user_struct) containers whose users have the same number share its limits.
 */
#include "vfs/user_count.h"

#include <errno.h>

#include "lib/latch.h"
#include "lib/list.h"
#include "lib/mem.h"

#define BUCKETS 64

struct user_counts {
	struct list node;
	uint32_t uid;
	long have[USER_COUNTS];
};

static struct {
	struct latch latch;
	struct list buckets[BUCKETS]; /* (latch) empty until used */
} users = { .latch = LATCH_INIT };

static struct list *bucket_of_locked(uint32_t uid) REQUIRES(users.latch)
{
	struct list *b = &users.buckets[uid % BUCKETS];

	if (!b->next)
		list_init(b);
	return b;
}

static struct user_counts *find_locked(uint32_t uid) REQUIRES(users.latch)
{
	struct user_counts *u;

	list_for_each_entry(u, bucket_of_locked(uid), node)
		if (u->uid == uid)
			return u;
	return NULL;
}

static bool is_empty(const struct user_counts *u)
{
	for (unsigned int i = 0; i < USER_COUNTS; i++)
		if (u->have[i])
			return false;
	return true;
}

long user_count_add(uint32_t uid, enum user_count what, long n)
{
	struct user_counts *fresh = n > 0 ? mem_new(struct user_counts) : NULL, *u;
	long have;

	latch_lock(&users.latch);
	u = find_locked(uid);
	if (!u && fresh) {
		fresh->uid = uid;
		list_append(bucket_of_locked(uid), &fresh->node);
		u = fresh;
		fresh = NULL;
	}
	have = u ? u->have[what] += n : n > 0 ? -ENOMEM : 0;
	if (u && is_empty(u))
		list_remove(&u->node);
	else
		u = NULL;
	latch_unlock(&users.latch);
	mem_free(u);
	mem_free(fresh);
	return have;
}
