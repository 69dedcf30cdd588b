/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.h: keys and keyrings (keyrings(7)): payloads with a name, an owner and permissions, held by
 * keyrings, which are keys themselves.
 *
 * Everything is under keys.lock (a leaf: payloads are copied from and to the application outside of
 * it).  A key lives as long as somebody refers to it: a keyring's link, a task, a user's entry, or a
 * call that is at work.
 *
 * Types: keyring, user, logon, big_key.  There is no /sbin/request-key to call: a request for a key
 * that nobody has leaves a negative key for a minute, as when that program refuses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/hash.h"
#include "lib/list.h"
#include "lib/mutex.h"

struct cred;
struct task;
struct user_ns;

enum key_need {
	KEY_NEED_VIEW = 0x01,
	KEY_NEED_READ = 0x02,
	KEY_NEED_WRITE = 0x04,
	KEY_NEED_SEARCH = 0x08,
	KEY_NEED_LINK = 0x10,
	KEY_NEED_SETATTR = 0x20,
};
#define KEY_PERM_ALL     0x3f3f3f3fu
#define KEY_PERM_POS(n)  ((uint32_t)(n) << 24)
#define KEY_PERM_USER(n) ((uint32_t)(n) << 16)

struct key_type {
	const char *name;
	bool keyring, readable, updatable;
	bool wants_prefix; /* the name must be "something:rest" */
	size_t size_max;   /* of a payload; 0: must be empty */
};

/* (c) constant, (k) keys.lock */
struct key {
	unsigned int refs;            /* (k) */
	struct hash_node node;        /* (k) by serial */
	int32_t serial;               /* (c) */
	const struct key_type *type;  /* (c) */
	char *description;            /* (c) */
	struct user_ns *user_ns;      /* (c) counted; named session keyrings are looked for in one */
	uint32_t uid, gid, perm;      /* (k) */
	uint32_t charged_uid;         /* (k) whose quota it counts in */
	int64_t expires_ns;           /* (k) CLOCK_REALTIME; 0: never */
	bool revoked, invalid, negative; /* (k) */
	void *payload;                /* (k) */
	size_t size;                  /* (k) */
	struct key **links;           /* (k) counted; a keyring's */
	size_t link_count, link_room; /* (k) */
	struct key *dead_next;        /* (k) while it is freed */
};

extern struct keys {
	struct mutex lock; /* LOCK_LEAF */
	struct hash table; /* (k) all keys by serial */
	struct list users; /* (k) struct key_user */
	unsigned int steps; /* (k) of the walk that is going on */
	bool ready;
} keys;

/* What a task has of its own.  (k) */
struct task_keys {
	struct key *thread, *process, *session;
	int request_ring; /* KEY_REQKEY_DEFL_* */
};

/* For a new task: the session keyring is shared; a thread shares its process's too. */
void keys_inherit(struct task *child, struct task *parent, bool thread);
/* execve(2): thread and process keyrings go. */
void keys_exec(struct task *t);
void keys_drop(struct task *t);

/* ---- keys.lock held; keys are borrowed unless said ----------------------------------------------- */

void keys_lock(void) ACQUIRES(keys.lock);
void keys_unlock(void) RELEASES(keys.lock);
const struct key_type *key_type_find(const char *name);
/*
 * A new key, with one reference; payload (may be NULL) becomes its own on success.  -EDQUOT, -ENOMEM.
 */
int key_new(struct task *t, const struct key_type *type, const char *description, uint32_t perm,
	    void *payload, size_t size, struct key **out) must_check;
struct key *key_get(struct key *k);
void key_put(struct key *k);
/* -ENOKEY invalidated, -EKEYREVOKED, -EKEYEXPIRED. */
int key_state(const struct key *k);
/* 0 or -EACCES: t's rights by owner, group, others, and possession. */
int key_permit(struct task *t, const struct key *k, bool possessed, unsigned int need);
/* Replace the payload (consumed on success).  -EDQUOT. */
int key_update(struct key *k, void *payload, size_t size);
void key_clear(struct key *ring);
/* Replaces a link to a key of the same type and name.  -EDEADLK would close a circle, -ELOOP, -ENOMEM. */
int key_link(struct key *ring, struct key *k);
int key_unlink(struct key *ring, struct key *k);
struct key *key_in_ring(struct key *ring, const struct key_type *type, const char *description);
struct key *key_by_serial(int32_t serial);
/* A keyring by name that t may search, in its user namespace. */
struct key *keyring_by_name(struct task *t, const char *name);
/* Below ring, ring itself not meant.  0 and *out, or -ENOKEY, -EACCES, -EKEYREVOKED, -EKEYEXPIRED. */
int keyring_search(struct task *t, struct key *ring, bool possessed, const struct key_type *type,
		   const char *description, struct key **out);
/* Among what t possesses. */
int keys_search(struct task *t, const struct key_type *type, const char *description,
		struct key **out);
bool key_possessed(struct task *t, const struct key *k);
/* The user's keyring, or his session keyring; made on first use.  NULL: no memory. */
struct key *user_keyring(struct task *t, bool session);
