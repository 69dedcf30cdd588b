/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyring.c: keys, keyrings, who may do what with them, and searches.
 *
 * A search goes down at most SEARCH_DEPTH keyrings; links that would close a circle are refused, so
 * it ends.  What is found first in breadth is taken; a key that is revoked, expired or forbidden is
 * remembered as the reason when nothing better turns up.  A keyring can be reached in many ways:
 * walks give up after STEPS_MAX visits.
 *
 * Quotas (kernel.keys.maxkeys, maxbytes) are per user, as on Linux: root's are large.
 *
 * Linux: security/keys/key.c, keyring.c, permission.c, process_keys.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/keys/keys.h"
#include "sentry/task/task_impl.h"
#include "vfs/user_ns.h"

#define SEARCH_DEPTH 6
#define STEPS_MAX    50000
#define RING_MAX     65536 /* links of a keyring */
#define KEYS_HARD    100000 /* in a sandbox, whoever owns them */

/* One for each uid in a user namespace that has keys; kept. */
struct key_user {
	struct list node;
	struct user_ns *user_ns;
	uint32_t uid;
	size_t key_count, bytes;
	struct key *ring, *session;
};

struct keys keys = { .users = LIST_INIT(keys.users) };

static const struct key_type types[] = {
	{ .name = "keyring", .keyring = true, .readable = true },
	{ .name = "user", .readable = true, .updatable = true, .size_max = 32767 },
	{ .name = "logon", .updatable = true, .wants_prefix = true, .size_max = 32767 },
	{ .name = "big_key", .readable = true, .updatable = true, .size_max = (1 << 20) - 1 },
};

void keys_lock(void)
{
	static struct latch once;

	if (!__atomic_load_n(&keys.ready, __ATOMIC_ACQUIRE)) { /* pairs with the store below */
		latch_lock(&once);
		if (!keys.ready) {
			mutex_init(&keys.lock, LOCK_LEAF);
			__atomic_store_n(&keys.ready, true, __ATOMIC_RELEASE);
		}
		latch_unlock(&once);
	}
	mutex_lock(&keys.lock);
}

void keys_unlock(void)
{
	mutex_unlock(&keys.lock);
}

const struct key_type *key_type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(types[i].name, name))
			return &types[i];
	return NULL;
}

/* ---- users and quotas ------------------------------------------------------------------------------ */

static struct key_user *user_find(struct user_ns *ns, uint32_t uid)
{
	struct key_user *u;

	list_for_each_entry(u, &keys.users, node)
		if (u->user_ns == ns && u->uid == uid)
			return u;
	return NULL;
}

static struct key_user *user_of(struct user_ns *ns, uint32_t uid)
{
	struct key_user *u = user_find(ns, uid);

	if (u)
		return u;
	u = mem_new(struct key_user);
	if (!u)
		return NULL;
	u->user_ns = user_ns_get(ns);
	u->uid = uid;
	list_append(&keys.users, &u->node);
	return u;
}

static int charge(struct key_user *u, size_t key_count, size_t bytes)
{
	size_t keys_max = u->uid ? 200 : 1000000, bytes_max = u->uid ? 20000 : 25000000;

	if (u->key_count + key_count > keys_max || u->bytes + bytes > bytes_max)
		return -EDQUOT;
	u->key_count += key_count;
	u->bytes += bytes;
	return 0;
}

static void uncharge(struct key *k, size_t key_count, size_t bytes)
{
	struct key_user *u = user_find(k->user_ns, k->charged_uid);

	if (u) {
		u->key_count -= MIN(u->key_count, key_count);
		u->bytes -= MIN(u->bytes, bytes);
	}
}

/* ---- keys --------------------------------------------------------------------------------------------- */

static int32_t serial_new(void)
{
	static uint64_t last;
	int32_t serial;

	do
		serial = (int32_t)(hash_u64(7, ++last) & 0x7fffffff);
	while (serial < 3 || key_by_serial(serial));
	return serial;
}

struct key *key_by_serial(int32_t serial)
{
	struct hash_node *n = keys.table.buckets ? hash_first(&keys.table, hash_u64(0, (uint32_t)serial))
						 : NULL;

	for (; n; n = hash_next(n)) {
		struct key *k = container_of(n, struct key, node);

		if (k->serial == serial)
			return k;
	}
	return NULL;
}

int key_new(struct task *t, const struct key_type *type, const char *description, uint32_t perm,
	    void *payload, size_t size, struct key **out)
{
	struct key_user *u = user_of(t->cred->user_ns, t->cred->fsuid);
	size_t len = strlen(description) + 1;
	struct key *k;
	int err;

	if (!u || (!keys.table.buckets && hash_init(&keys.table, 64)))
		return -ENOMEM;
	if (keys.table.count >= KEYS_HARD)
		return -EDQUOT;
	err = charge(u, 1, len + size);
	if (err)
		return err;
	k = mem_new(struct key);
	if (k)
		k->description = mem_strdup(description);
	if (!k || !k->description) {
		u->key_count--;
		u->bytes -= len + size;
		mem_free(k);
		return -ENOMEM;
	}
	k->refs = 1;
	k->serial = serial_new();
	k->type = type;
	k->user_ns = user_ns_get(t->cred->user_ns);
	k->uid = k->charged_uid = t->cred->fsuid;
	k->gid = t->cred->fsgid;
	k->perm = perm;
	k->payload = payload;
	k->size = size;
	hash_insert(&keys.table, &k->node, hash_u64(0, (uint32_t)k->serial));
	*out = k;
	return 0;
}

struct key *key_get(struct key *k)
{
	k->refs++;
	return k;
}

static void key_free(struct key *k)
{
	uncharge(k, 1, strlen(k->description) + 1 + k->size);
	hash_remove(&keys.table, &k->node);
	user_ns_put(k->user_ns);
	mem_free(k->description);
	mem_free(k->payload);
	mem_free(k->links);
	mem_free(k);
}

/* A keyring takes its links with it, without recursion: chains may be long. */
void key_put(struct key *k)
{
	struct key *dead = NULL;

	if (!k || --k->refs)
		return;
	k->dead_next = NULL;
	dead = k;
	while ((k = dead)) {
		dead = k->dead_next;
		for (size_t i = 0; i < k->link_count; i++) {
			struct key *l = k->links[i];

			if (--l->refs == 0) {
				l->dead_next = dead;
				dead = l;
			}
		}
		key_free(k);
	}
}

int key_state(const struct key *k)
{
	if (k->invalid)
		return -ENOKEY;
	if (k->revoked)
		return -EKEYREVOKED;
	if (k->expires_ns && k->expires_ns <= clock_real_ns())
		return -EKEYEXPIRED;
	return 0;
}

int key_permit(struct task *t, const struct key *k, bool possessed, unsigned int need)
{
	const struct cred *c = t->cred;
	uint32_t perm;

	if (k->uid == c->fsuid)
		perm = k->perm >> 16;
	else if (k->gid != (uint32_t)-1 && cred_in_fsgroup(c, k->gid))
		perm = k->perm >> 8;
	else
		perm = k->perm;
	if (possessed)
		perm |= k->perm >> 24;
	return (perm & need) == need ? 0 : -EACCES;
}

int key_update(struct key *k, void *payload, size_t size)
{
	struct key_user *u = user_find(k->user_ns, k->charged_uid);
	int err;

	if (u && size > k->size) {
		err = charge(u, 0, size - k->size);
		if (err)
			return err;
	} else {
		uncharge(k, 0, k->size - size);
	}
	mem_free(k->payload);
	k->payload = payload;
	k->size = size;
	k->negative = false;
	k->expires_ns = 0;
	return 0;
}

/* ---- keyrings ------------------------------------------------------------------------------------------- */

void key_clear(struct key *ring)
{
	struct key **links = ring->links;
	size_t count = ring->link_count;

	ring->links = NULL;
	ring->link_count = ring->link_room = 0;
	for (size_t i = 0; i < count; i++)
		key_put(links[i]);
	mem_free(links);
}

struct key *key_in_ring(struct key *ring, const struct key_type *type, const char *description)
{
	for (size_t i = 0; i < ring->link_count; i++) {
		struct key *k = ring->links[i];

		if (k->type == type && !strcmp(k->description, description))
			return k;
	}
	return NULL;
}

/* How deep ring's keyrings go; -1: k is among them. */
static int depth_without(const struct key *ring, const struct key *k, int level)
{
	int depth = 1;

	if (ring == k)
		return -1;
	if (level > SEARCH_DEPTH || ++keys.steps > STEPS_MAX)
		return SEARCH_DEPTH + 1;
	for (size_t i = 0; i < ring->link_count; i++) {
		int below;

		if (!ring->links[i]->type->keyring)
			continue;
		below = depth_without(ring->links[i], k, level + 1);
		if (below < 0)
			return -1;
		depth = MAX(depth, below + 1);
	}
	return depth;
}

int key_link(struct key *ring, struct key *k)
{
	struct key *old;

	if (k->type->keyring) {
		int depth;

		keys.steps = 0;
		depth = depth_without(k, ring, 0);
		if (depth < 0)
			return -EDEADLK;
		if (depth > SEARCH_DEPTH)
			return -ELOOP;
	}
	for (size_t i = 0; i < ring->link_count; i++) {
		old = ring->links[i];
		if (old == k)
			return 0;
		if (old->type == k->type && !strcmp(old->description, k->description)) {
			ring->links[i] = key_get(k);
			key_put(old);
			return 0;
		}
	}
	if (ring->link_count == ring->link_room) {
		size_t room = ring->link_room ? ring->link_room * 2 : 8;
		struct key **bigger;

		if (room > RING_MAX)
			return -ENFILE;
		bigger = mem_realloc(ring->links, room, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		ring->links = bigger;
		ring->link_room = room;
	}
	ring->links[ring->link_count++] = key_get(k);
	return 0;
}

int key_unlink(struct key *ring, struct key *k)
{
	for (size_t i = 0; i < ring->link_count; i++)
		if (ring->links[i] == k) {
			memmove(&ring->links[i], &ring->links[i + 1],
				(--ring->link_count - i) * sizeof(struct key *));
			key_put(k);
			return 0;
		}
	return -ENOENT;
}

struct key *keyring_by_name(struct task *t, const char *name)
{
	struct hash_node *n, *tmp;
	size_t i;

	hash_for_each(&keys.table, i, n, tmp) {
		struct key *k = container_of(n, struct key, node);

		if (k->type->keyring && !key_state(k) && k->user_ns == t->cred->user_ns &&
		    !strcmp(k->description, name) && !key_permit(t, k, false, KEY_NEED_SEARCH))
			return k;
	}
	return NULL;
}

struct key *user_keyring(struct task *t, bool session)
{
	struct key_user *u = user_of(t->cred->user_ns, t->cred->uid);
	const uint32_t perm = KEY_PERM_POS(0x1f) | KEY_PERM_USER(0x3f);
	struct key **slot;
	char name[32];

	if (!u)
		return NULL;
	slot = session ? &u->session : &u->ring;
	if (*slot)
		return *slot;
	snprintf(name, sizeof(name), session ? "_uid_ses.%u" : "_uid.%u", u->uid);
	if (key_new(t, &types[0], name, perm, NULL, 0, slot))
		return NULL;
	(*slot)->uid = u->uid;
	(*slot)->gid = (uint32_t)-1;
	if (session && user_keyring(t, false) && key_link(*slot, u->ring))
		return NULL;
	return *slot;
}

/* ---- searches -------------------------------------------------------------------------------------------- */

struct search {
	struct task *t;
	bool possessed;
	const struct key_type *type;
	const char *description;
	int err; /* the best reason so far */
};

/* The reasons in the order in which Linux prefers them. */
static void search_failed(struct search *s, int err)
{
	if (s->err == -ENOKEY || s->err == -EACCES)
		s->err = err;
}

static struct key *search_ring(struct search *s, struct key *ring, int level)
{
	struct key *k, *found;
	int err = key_state(ring);

	if (!err)
		err = key_permit(s->t, ring, s->possessed, KEY_NEED_SEARCH);
	if (err) {
		if (level == 0)
			search_failed(s, err);
		return NULL;
	}
	k = key_in_ring(ring, s->type, s->description);
	if (k) {
		err = key_state(k);
		if (!err)
			err = key_permit(s->t, k, s->possessed, KEY_NEED_SEARCH);
		if (!err && k->negative)
			err = -ENOKEY;
		if (!err)
			return k;
		search_failed(s, err);
	}
	for (size_t i = 0; level < SEARCH_DEPTH && i < ring->link_count; i++) {
		if (!ring->links[i]->type->keyring)
			continue;
		if (++keys.steps > STEPS_MAX)
			return NULL;
		found = search_ring(s, ring->links[i], level + 1);
		if (found)
			return found;
	}
	return NULL;
}

int keyring_search(struct task *t, struct key *ring, bool possessed, const struct key_type *type,
		   const char *description, struct key **out)
{
	struct search s = { t, possessed, type, description, -ENOKEY };

	keys.steps = 0;
	*out = search_ring(&s, ring, 0);
	return *out ? 0 : s.err;
}

/* The keyrings that a task possesses. */
static size_t own_rings(struct task *t, struct key *out[3])
{
	size_t n = 0;

	if (t->keys.thread)
		out[n++] = t->keys.thread;
	if (t->keys.process)
		out[n++] = t->keys.process;
	out[n] = t->keys.session ? t->keys.session : user_keyring(t, true);
	return out[n] ? n + 1 : n;
}

int keys_search(struct task *t, const struct key_type *type, const char *description,
		struct key **out)
{
	struct search s = { t, true, type, description, -ENOKEY };
	struct key *rings[3];
	size_t n = own_rings(t, rings);

	keys.steps = 0;
	*out = NULL;
	for (size_t i = 0; i < n && !*out; i++)
		*out = search_ring(&s, rings[i], 0);
	return *out ? 0 : s.err;
}

static bool contains(const struct key *ring, const struct key *k, int level)
{
	if (ring == k)
		return true;
	if (!ring->type->keyring || level > SEARCH_DEPTH || key_state(ring) ||
	    ++keys.steps > STEPS_MAX)
		return false;
	for (size_t i = 0; i < ring->link_count; i++)
		if (contains(ring->links[i], k, level + 1))
			return true;
	return false;
}

bool key_possessed(struct task *t, const struct key *k)
{
	struct key *rings[3];
	size_t n = own_rings(t, rings);

	keys.steps = 0;
	for (size_t i = 0; i < n; i++)
		if (contains(rings[i], k, 0))
			return true;
	return false;
}

/* ---- tasks ------------------------------------------------------------------------------------------------ */

static struct key *share(struct key *k)
{
	return k ? key_get(k) : NULL;
}

void keys_inherit(struct task *child, struct task *parent, bool thread)
{
	const struct task_keys *k = &parent->keys;

	if (!k->thread && !k->process && !k->session && !k->request_ring)
		return;
	keys_lock();
	child->keys.session = share(k->session);
	child->keys.process = thread ? share(k->process) : NULL;
	child->keys.request_ring = k->request_ring;
	keys_unlock();
}

void keys_exec(struct task *t)
{
	if (!t->keys.thread && !t->keys.process)
		return;
	keys_lock();
	key_put(t->keys.thread);
	key_put(t->keys.process);
	t->keys.thread = t->keys.process = NULL;
	keys_unlock();
}

void keys_drop(struct task *t)
{
	if (!t->keys.thread && !t->keys.process && !t->keys.session)
		return;
	keys_exec(t);
	keys_lock();
	key_put(t->keys.session);
	t->keys.session = NULL;
	keys_unlock();
}
