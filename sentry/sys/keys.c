/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.c: add_key(2), request_key(2), keyctl(2).  Strings and payloads are copied before keys.lock is
 * taken, results after it was given back.
 */
#include "sentry/keys/keys.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/task/task_impl.h"
#include "sys_calls.h"

#define TYPE_LEN_MAX 32
#define NAME_LEN_MAX_KEY 4096
#define PAYLOAD_MAX  ((1u << 20) - 1)
#define NEGATIVE_NS  (60 * NSEC_PER_SEC)

#define PERM_RING     (KEY_PERM_POS(0x3f) | KEY_PERM_USER(KEY_NEED_VIEW))
#define PERM_SESSION  (PERM_RING | KEY_PERM_USER(KEY_NEED_READ))

/* ---- finding ------------------------------------------------------------------------------------------ */

static int ring_make(struct task *t, struct key **slot, const char *name, uint32_t perm)
{
	return *slot ? 0 : key_new(t, key_type_find("keyring"), name, perm, NULL, 0, slot);
}

/* A task's or user's keyring by its special number; borrowed. */
static int special_ring(struct task *t, int id, bool create, struct key **out)
{
	int err = 0;

	*out = NULL;
	switch (id) {
	case KEY_SPEC_THREAD_KEYRING:
		if (create)
			err = ring_make(t, &t->keys.thread, "_tid", PERM_RING);
		*out = t->keys.thread;
		break;
	case KEY_SPEC_PROCESS_KEYRING:
		if (create)
			err = ring_make(t, &t->keys.process, "_pid", PERM_RING);
		*out = t->keys.process;
		break;
	case KEY_SPEC_SESSION_KEYRING:
		if (!t->keys.session && create)
			err = ring_make(t, &t->keys.session, "_ses", PERM_SESSION);
		*out = t->keys.session ? t->keys.session : user_keyring(t, true);
		break;
	case KEY_SPEC_USER_KEYRING:
		*out = user_keyring(t, false);
		break;
	case KEY_SPEC_USER_SESSION_KEYRING:
		*out = user_keyring(t, true);
		break;
	case KEY_SPEC_GROUP_KEYRING:
		return -EINVAL;
	default:
		return id < 0 && id >= KEY_SPEC_REQUESTOR_KEYRING ? -ENOKEY : -EINVAL;
	}
	return err ? err : *out ? 0 : -ENOKEY;
}

enum { CREATE = 1, ANY_STATE = 2 };

/* lookup_user_key(): a reference, and whether t possesses it. */
static int key_lookup(struct task *t, int id, unsigned int flags, unsigned int need, struct key **out,
		      bool *possessed)
{
	struct key *k;
	int err;

	*possessed = true;
	if (id > 0) {
		k = key_by_serial(id);
		if (!k)
			return -ENOKEY;
		*possessed = key_possessed(t, k);
	} else {
		err = special_ring(t, id, flags & CREATE, &k);
		if (err)
			return err;
	}
	err = flags & ANY_STATE ? 0 : key_state(k);
	if (!err && !(flags & ANY_STATE) && k->negative)
		err = -ENOKEY;
	if (!err && need)
		err = key_permit(t, k, *possessed, need);
	if (!err)
		*out = key_get(k);
	return err;
}

static int ring_lookup(struct task *t, int id, unsigned int flags, unsigned int need, struct key **out)
{
	bool possessed;
	int err = key_lookup(t, id, flags, need, out, &possessed);

	if (!err && !(*out)->type->keyring) {
		key_put(*out);
		return -ENOTDIR;
	}
	return err;
}

/* ---- arguments ------------------------------------------------------------------------------------------ */

static int get_type(struct task *t, uaddr_t at, char name[TYPE_LEN_MAX])
{
	ssize_t n = uaccess_get_string(t, name, at, TYPE_LEN_MAX);

	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : (int)n;
	if (n == 0)
		return -EINVAL;
	return name[0] == '.' ? -EPERM : 0;
}

static int get_name(struct task *t, uaddr_t at, char **out)
{
	int err = uaccess_dup_string(t, at, NAME_LEN_MAX_KEY, out);

	return err == -ENAMETOOLONG ? -EINVAL : err;
}

static int get_payload(struct task *t, uaddr_t at, size_t size, void **out)
{
	int err;

	*out = NULL;
	if (size > PAYLOAD_MAX)
		return -EINVAL;
	if (!size)
		return 0;
	*out = mem_alloc(size);
	if (!*out)
		return -ENOMEM;
	err = uaccess_get(t, *out, at, size);
	if (err) {
		mem_free(*out);
		*out = NULL;
	}
	return err;
}

static int payload_ok(const struct key_type *type, const void *payload, size_t size)
{
	if (!type->size_max)
		return size ? -EINVAL : 0;
	return !payload || !size || size > type->size_max ? -EINVAL : 0;
}

/* ---- add_key ---------------------------------------------------------------------------------------------- */

static uint32_t default_perm(const struct key_type *type)
{
	unsigned int own = KEY_NEED_VIEW | KEY_NEED_SEARCH | KEY_NEED_LINK | KEY_NEED_SETATTR;

	if (type->readable)
		own |= KEY_NEED_READ;
	if (type->keyring || type->updatable)
		own |= KEY_NEED_WRITE;
	return KEY_PERM_POS(own) | KEY_PERM_USER(KEY_NEED_VIEW);
}

/* key_create_or_update() in ring; *payload is NULL afterwards if it was used. */
static long add_locked(struct task *t, struct key *ring, const struct key_type *type, const char *name,
		       void **payload, size_t size)
{
	struct key *k = type->updatable ? key_in_ring(ring, type, name) : NULL;
	long r;
	int err;

	if (k && !key_state(k)) {
		err = key_permit(t, k, true, KEY_NEED_WRITE);
		if (!err)
			err = key_update(k, *payload, size);
		if (!err)
			*payload = NULL;
		return err ? err : k->serial;
	}
	err = key_new(t, type, name, default_perm(type), *payload, size, &k);
	if (err)
		return err;
	*payload = NULL;
	err = key_link(ring, k);
	r = err ? err : k->serial;
	key_put(k);
	return r;
}

long sys_add_key(struct task *t, uaddr_t utype, uaddr_t udesc, uaddr_t upayload, size_t size, int ring_id)
{
	const struct key_type *type;
	char type_name[TYPE_LEN_MAX], *name = NULL;
	struct key *ring;
	void *payload = NULL;
	long r;

	if (size > PAYLOAD_MAX)
		return -EINVAL;
	r = get_type(t, utype, type_name);
	if (!r && udesc.addr)
		r = get_name(t, udesc, &name);
	if (!r && name && name[0] == '.' && !strcmp(type_name, "keyring"))
		r = -EPERM;
	if (!r)
		r = get_payload(t, upayload, size, &payload);
	if (r)
		goto out;
	keys_lock();
	r = ring_lookup(t, ring_id, CREATE, KEY_NEED_WRITE, &ring);
	if (!r) {
		type = key_type_find(type_name);
		if (!type)
			r = -ENODEV;
		else
			r = payload_ok(type, payload, size);
		if (!r && (!name || !*name || (type->wants_prefix && (!strchr(name, ':') || *name == ':'))))
			r = -EINVAL;
		if (!r)
			r = add_locked(t, ring, type, name, &payload, size);
		key_put(ring);
	}
	keys_unlock();
out:
	mem_free(name);
	mem_free(payload);
	return r;
}

/* ---- request_key ------------------------------------------------------------------------------------------ */

/* Where a key goes that was asked for without naming a keyring (construct_get_dest_keyring). */
static int default_dest(struct task *t, struct key **out)
{
	static const int ids[] = {
		[KEY_REQKEY_DEFL_THREAD_KEYRING] = KEY_SPEC_THREAD_KEYRING,
		[KEY_REQKEY_DEFL_PROCESS_KEYRING] = KEY_SPEC_PROCESS_KEYRING,
		[KEY_REQKEY_DEFL_SESSION_KEYRING] = KEY_SPEC_SESSION_KEYRING,
		[KEY_REQKEY_DEFL_USER_KEYRING] = KEY_SPEC_USER_KEYRING,
		[KEY_REQKEY_DEFL_USER_SESSION_KEYRING] = KEY_SPEC_USER_SESSION_KEYRING,
	};
	int id = t->keys.request_ring;

	if (id > 0 && (size_t)id < ARRAY_SIZE(ids))
		id = ids[id];
	else
		id = t->keys.thread ? KEY_SPEC_THREAD_KEYRING
		     : t->keys.process ? KEY_SPEC_PROCESS_KEYRING : KEY_SPEC_SESSION_KEYRING;
	return ring_lookup(t, id, 0, KEY_NEED_WRITE, out);
}

/* Nobody can make the key: remember that for a minute. */
static int request_negative(struct task *t, struct key *dest, const struct key_type *type,
			    const char *name)
{
	struct key *k = key_in_ring(dest, type, name);
	int err;

	if (k && !key_state(k))
		return -ENOKEY;
	err = key_new(t, type, name, default_perm(type), NULL, 0, &k);
	if (err)
		return err;
	k->negative = true;
	k->expires_ns = clock_real_ns() + NEGATIVE_NS;
	err = key_link(dest, k);
	key_put(k);
	return err ? err : -ENOKEY;
}

static long request_locked(struct task *t, const struct key_type *type, const char *name, bool construct,
			   struct key *dest)
{
	struct key *k, *own = NULL;
	long r = keys_search(t, type, name, &k);

	if (!r) {
		r = dest ? key_link(dest, k) : 0;
		return r ? r : k->serial;
	}
	if (r != -ENOKEY || !construct)
		return r;
	if (!dest) {
		r = default_dest(t, &own);
		if (r)
			return r;
		dest = own;
	}
	r = request_negative(t, dest, type, name);
	key_put(own);
	return r;
}

long sys_request_key(struct task *t, uaddr_t utype, uaddr_t udesc, uaddr_t ucallout, int ring_id)
{
	char type_name[TYPE_LEN_MAX], *name = NULL, *callout = NULL;
	const struct key_type *type;
	struct key *dest = NULL;
	long r;

	r = get_type(t, utype, type_name);
	if (!r)
		r = get_name(t, udesc, &name);
	if (!r && ucallout.addr)
		r = get_name(t, ucallout, &callout);
	if (r)
		goto out;
	keys_lock();
	if (ring_id)
		r = ring_lookup(t, ring_id, CREATE, KEY_NEED_WRITE, &dest);
	if (!r) {
		type = key_type_find(type_name);
		r = type ? request_locked(t, type, name, callout != NULL, dest) : -ENOKEY;
		key_put(dest);
	}
	keys_unlock();
out:
	mem_free(name);
	mem_free(callout);
	return r;
}

/* ---- keyctl ------------------------------------------------------------------------------------------------ */

static long get_keyring_id(struct task *t, int id, bool create)
{
	struct key *k;
	bool possessed;
	long r = key_lookup(t, id, create ? CREATE : 0, KEY_NEED_SEARCH, &k, &possessed);

	if (!r) {
		r = k->serial;
		key_put(k);
	}
	return r;
}

static long join_session(struct task *t, uaddr_t uname)
{
	char *name = NULL;
	struct key *k = NULL;
	long r = 0;

	if (uname.addr) {
		r = get_name(t, uname, &name);
		if (!r && name[0] == '.')
			r = -EPERM;
		if (r)
			goto out;
	}
	keys_lock();
	if (name)
		k = keyring_by_name(t, name);
	if (k)
		key_get(k);
	else
		r = key_new(t, key_type_find("keyring"), name ? name : "_ses",
			    name ? PERM_SESSION | KEY_PERM_USER(KEY_NEED_LINK) : PERM_SESSION, NULL, 0, &k);
	if (!r) {
		key_put(t->keys.session);
		t->keys.session = k;
		r = k->serial;
	}
	keys_unlock();
out:
	mem_free(name);
	return r;
}

static long update(struct task *t, int id, uaddr_t at, size_t size)
{
	struct key *k;
	bool possessed;
	void *payload;
	long r;

	if (size > PAGE_SIZE)
		return -EINVAL;
	r = get_payload(t, at, size, &payload);
	if (r)
		return r;
	keys_lock();
	r = key_lookup(t, id, 0, KEY_NEED_WRITE, &k, &possessed);
	if (!r) {
		r = k->type->updatable ? payload_ok(k->type, payload, size) : -EOPNOTSUPP;
		if (!r)
			r = key_update(k, payload, size);
		if (!r)
			payload = NULL;
		key_put(k);
	}
	keys_unlock();
	mem_free(payload);
	return r;
}

static long revoke_key(struct task *t, int id, bool invalidate)
{
	struct key *k;
	bool possessed;
	long r = key_lookup(t, id, 0, invalidate ? KEY_NEED_SEARCH : KEY_NEED_WRITE, &k, &possessed);

	if (r == -EACCES && !invalidate)
		r = key_lookup(t, id, 0, KEY_NEED_SETATTR, &k, &possessed);
	if (r)
		return r;
	if (invalidate)
		k->invalid = true;
	else
		k->revoked = true;
	if (k->type->keyring)
		key_clear(k);
	key_put(k);
	return 0;
}

static bool may_administer(struct task *t, const struct key *k)
{
	return k->uid == t->cred->fsuid || task_capable(t, CAP_SYS_ADMIN);
}

static long set_owner(struct task *t, int id, uint32_t uid, uint32_t gid)
{
	struct key *k;
	bool possessed;
	long r;

	if (uid == (uint32_t)-1 && gid == (uint32_t)-1)
		return 0;
	r = key_lookup(t, id, CREATE | ANY_STATE, KEY_NEED_SETATTR, &k, &possessed);
	if (r)
		return r;
	if (!task_capable(t, CAP_SYS_ADMIN) &&
	    ((uid != (uint32_t)-1 && uid != k->uid) ||
	     (gid != (uint32_t)-1 && gid != k->gid && !cred_in_fsgroup(t->cred, gid))))
		r = -EACCES;
	if (!r && uid != (uint32_t)-1)
		k->uid = uid;
	if (!r && gid != (uint32_t)-1)
		k->gid = gid;
	key_put(k);
	return r;
}

static long set_attribute(struct task *t, int id, int cmd, uint32_t value)
{
	struct key *k;
	bool possessed;
	long r;

	if (cmd == KEYCTL_SETPERM && (value & ~KEY_PERM_ALL))
		return -EINVAL;
	r = key_lookup(t, id, CREATE | ANY_STATE, KEY_NEED_SETATTR, &k, &possessed);
	if (r)
		return r;
	if (cmd == KEYCTL_SET_TIMEOUT)
		k->expires_ns = value ? clock_real_ns() + (int64_t)value * NSEC_PER_SEC : 0;
	else if (may_administer(t, k))
		k->perm = value;
	else
		r = -EACCES;
	key_put(k);
	return r;
}

/* The text or payload goes out in full or not at all, but keyrings as far as they fit. */
static long put_result(struct task *t, uaddr_t at, size_t room, const void *data, size_t size, bool cut)
{
	size_t n = cut ? MIN(room, size) : room >= size ? size : 0;

	if (at.addr && n && uaccess_put(t, at, data, n))
		return -EFAULT;
	return (long)size;
}

static long describe(struct task *t, int id, uaddr_t at, size_t room)
{
	struct buf text = BUF_INIT;
	struct key *k;
	bool possessed;
	long r;

	keys_lock();
	r = key_lookup(t, id, ANY_STATE, KEY_NEED_VIEW, &k, &possessed);
	if (!r) {
		buf_printf(&text, "%s;%d;%d;%08x;%s", k->type->name, (int)k->uid, (int)k->gid, k->perm,
			   k->description);
		key_put(k);
	}
	keys_unlock();
	if (!r)
		r = buf_error(&text);
	if (!r)
		r = put_result(t, at, room, text.data, text.size + 1, false);
	buf_fini(&text);
	return r;
}

/* A copy of what k holds; 0 and *data, *size. */
static int copy_contents(struct key *k, void **data, size_t *size)
{
	int32_t *serials;

	*size = k->type->keyring ? k->link_count * sizeof(*serials) : k->size;
	*data = mem_alloc(*size + 1);
	if (!*data)
		return -ENOMEM;
	if (!k->type->keyring) {
		memcpy(*data, k->payload, *size);
		return 0;
	}
	serials = *data;
	for (size_t i = 0; i < k->link_count; i++)
		serials[i] = k->links[i]->serial;
	return 0;
}

static long read_key(struct task *t, int id, uaddr_t at, size_t room)
{
	bool possessed, ring = false;
	void *data = NULL;
	size_t size = 0;
	struct key *k;
	long r;

	keys_lock();
	r = key_lookup(t, id, 0, 0, &k, &possessed);
	if (!r) {
		/* Readable by permission, or because it can be found by searching. */
		r = key_permit(t, k, possessed, KEY_NEED_READ);
		if (r && possessed)
			r = key_permit(t, k, true, KEY_NEED_SEARCH);
		if (!r && !k->type->readable)
			r = -EOPNOTSUPP;
		if (!r)
			r = copy_contents(k, &data, &size);
		ring = k->type->keyring;
		key_put(k);
	}
	keys_unlock();
	if (!r)
		r = put_result(t, at, room, data, size, ring);
	mem_free(data);
	return r;
}

static long link_key(struct task *t, int id, int ring_id, bool link)
{
	struct key *ring, *k;
	bool possessed;
	long r = ring_lookup(t, ring_id, link ? CREATE : 0, KEY_NEED_WRITE, &ring);

	if (r)
		return r;
	r = key_lookup(t, id, link ? CREATE : ANY_STATE, link ? KEY_NEED_LINK : 0, &k, &possessed);
	if (!r) {
		r = link ? key_link(ring, k) : key_unlink(ring, k);
		key_put(k);
	}
	key_put(ring);
	return r;
}

static long clear(struct task *t, int id)
{
	struct key *ring;
	long r = ring_lookup(t, id, CREATE, KEY_NEED_WRITE, &ring);

	if (!r) {
		key_clear(ring);
		key_put(ring);
	}
	return r;
}

static long search(struct task *t, int ring_id, uaddr_t utype, uaddr_t uname, int dest_id)
{
	char type_name[TYPE_LEN_MAX], *name = NULL;
	struct key *ring = NULL, *dest = NULL, *k;
	const struct key_type *type;
	bool possessed;
	long r;

	r = get_type(t, utype, type_name);
	if (!r)
		r = get_name(t, uname, &name);
	if (r)
		goto out;
	keys_lock();
	r = key_lookup(t, ring_id, 0, KEY_NEED_SEARCH, &ring, &possessed);
	if (!r && dest_id)
		r = ring_lookup(t, dest_id, CREATE, KEY_NEED_WRITE, &dest);
	type = key_type_find(type_name);
	if (!r && !type)
		r = -ENOKEY;
	if (!r && !ring->type->keyring)
		r = -ENOTDIR;
	if (!r)
		r = keyring_search(t, ring, possessed, type, name, &k);
	if (!r && dest) {
		r = key_permit(t, k, possessed, KEY_NEED_LINK);
		if (!r)
			r = key_link(dest, k);
	}
	if (!r)
		r = k->serial;
	key_put(ring);
	key_put(dest);
	keys_unlock();
out:
	mem_free(name);
	return r;
}

static long set_request_ring(struct task *t, int which)
{
	int old = t->keys.request_ring;
	long r = 0;

	switch (which) {
	case KEY_REQKEY_DEFL_THREAD_KEYRING:
		r = ring_make(t, &t->keys.thread, "_tid", PERM_RING);
		break;
	case KEY_REQKEY_DEFL_PROCESS_KEYRING:
		r = ring_make(t, &t->keys.process, "_pid", PERM_RING);
		break;
	case KEY_REQKEY_DEFL_DEFAULT:
	case KEY_REQKEY_DEFL_SESSION_KEYRING:
	case KEY_REQKEY_DEFL_USER_KEYRING:
	case KEY_REQKEY_DEFL_USER_SESSION_KEYRING:
		break;
	case KEY_REQKEY_DEFL_NO_CHANGE:
		return old;
	default:
		return -EINVAL;
	}
	if (!r)
		t->keys.request_ring = which;
	return r ? r : old;
}

/* Those that need nothing of the application's memory. */
static long keyctl_locked(struct task *t, int cmd, unsigned long arg2, unsigned long arg3,
			  unsigned long arg4)
{
	int id = (int)arg2;

	switch (cmd) {
	case KEYCTL_GET_KEYRING_ID:
		return get_keyring_id(t, id, arg3);
	case KEYCTL_REVOKE:
	case KEYCTL_INVALIDATE:
		return revoke_key(t, id, cmd == KEYCTL_INVALIDATE);
	case KEYCTL_CHOWN:
		return set_owner(t, id, (uint32_t)arg3, (uint32_t)arg4);
	case KEYCTL_SETPERM:
	case KEYCTL_SET_TIMEOUT:
		return set_attribute(t, id, cmd, (uint32_t)arg3);
	case KEYCTL_CLEAR:
		return clear(t, id);
	case KEYCTL_LINK:
	case KEYCTL_UNLINK:
		return link_key(t, id, (int)arg3, cmd == KEYCTL_LINK);
	case KEYCTL_SET_REQKEY_KEYRING:
		return set_request_ring(t, id);
	case KEYCTL_ASSUME_AUTHORITY:
		return id < 0 ? -EINVAL : id ? -ENOKEY : 0;
	case KEYCTL_INSTANTIATE:
	case KEYCTL_INSTANTIATE_IOV:
	case KEYCTL_NEGATE:
	case KEYCTL_REJECT:
		return -EPERM; /* nobody has authority over a key under construction */
	default:
		return -EOPNOTSUPP;
	}
}

long sys_keyctl(struct task *t, int cmd, unsigned long arg2, unsigned long arg3, unsigned long arg4,
		unsigned long arg5)
{
	long r;

	switch (cmd) {
	case KEYCTL_JOIN_SESSION_KEYRING:
		return join_session(t, uaddr(arg2));
	case KEYCTL_UPDATE:
		return update(t, (int)arg2, uaddr(arg3), arg4);
	case KEYCTL_DESCRIBE:
		return describe(t, (int)arg2, uaddr(arg3), arg4);
	case KEYCTL_READ:
		return read_key(t, (int)arg2, uaddr(arg3), arg4);
	case KEYCTL_SEARCH:
		return search(t, (int)arg2, uaddr(arg3), uaddr(arg4), (int)arg5);
	default:
		break;
	}
	keys_lock();
	r = keyctl_locked(t, cmd, arg2, arg3, arg4);
	keys_unlock();
	return r;
}
