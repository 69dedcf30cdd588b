/* SPDX-License-Identifier: Apache-2.0 */
/* add_key(2), request_key(2), keyctl(2). */
#include "t.h"

#include <linux/keyctl.h>

#define ADD(type, name, data, size, ring) syscall(SYS_add_key, type, name, data, size, ring)
#define CTL(...) syscall(SYS_keyctl, __VA_ARGS__)

static long ring, key;

static void errors(void)
{
	FAILS(EFAULT, ADD(BAD_PTR, "a", "x", 1, ring));
	FAILS(EFAULT, ADD("user", "a", BAD_PTR, 1, ring));
	FAILS(ENODEV, ADD("no such", "a", "x", 1, ring));
	FAILS(EPERM, ADD(".user", "a", "x", 1, ring));
	FAILS(EPERM, ADD("keyring", ".a", NULL, 0, ring));
	FAILS(EINVAL, ADD("user", "a", "x", 0, ring));
	FAILS(EINVAL, ADD("user", "", "x", 1, ring));
	FAILS(EINVAL, ADD("keyring", "a", "x", 1, ring));
	FAILS(EINVAL, ADD("logon", "no prefix", "x", 1, ring));
	FAILS(EINVAL, ADD("user", "a", "x", 1, 0));
	FAILS(ENOKEY, CTL(KEYCTL_READ, 0x7ffffff0, NULL, 0));
	FAILS(EOPNOTSUPP, CTL(999));
	FAILS(ENOTDIR, ADD("user", "a", "x", 1, key));
}

static void contents(void)
{
	char text[128] = "";
	int32_t ids[4];
	long other;

	EQUAL(CTL(KEYCTL_READ, key, text, sizeof(text)), 3);
	CHECK(!memcmp(text, "abc", 3));
	EQUAL(CTL(KEYCTL_READ, key, NULL, 0), 3);
	EQUAL(CTL(KEYCTL_UPDATE, key, "longer", 6), 0);
	EQUAL(CTL(KEYCTL_READ, key, text, sizeof(text)), 6);
	EQUAL(ADD("user", "t:one", "again", 5, ring), key); /* the same key, a new payload */
	CHECK(CTL(KEYCTL_DESCRIBE, key, text, sizeof(text)) > 0);
	CHECK(!strncmp(text, "user;", 5) && strstr(text, ";3f010000;t:one"));
	EQUAL(CTL(KEYCTL_READ, ring, ids, sizeof(ids)), 4);
	EQUAL(ids[0], key);
	other = ADD("logon", "t:two", "x", 1, ring);
	CHECK(other > 0);
	FAILS(EOPNOTSUPP, CTL(KEYCTL_READ, other, text, sizeof(text)));
	EQUAL(CTL(KEYCTL_READ, ring, ids, 4), 8); /* all that there is, as much as fits */
	EQUAL(CTL(KEYCTL_UNLINK, other, ring), 0);
}

static void searches(void)
{
	long sub = ADD("keyring", "below", NULL, 0, ring), deep;

	CHECK(sub > 0);
	deep = ADD("user", "deep", "x", 1, sub);
	EQUAL(CTL(KEYCTL_SEARCH, ring, "user", "deep", 0), deep);
	FAILS(ENOKEY, CTL(KEYCTL_SEARCH, ring, "user", "nowhere", 0));
	FAILS(EDEADLK, CTL(KEYCTL_LINK, ring, sub));
	EQUAL(syscall(SYS_request_key, "user", "deep", NULL, 0), deep);
	FAILS(ENOKEY, syscall(SYS_request_key, "user", "nowhere", NULL, 0));
	EQUAL(CTL(KEYCTL_SETPERM, deep, 0x3f3f0000), 0);
	FAILS(EINVAL, CTL(KEYCTL_SETPERM, deep, 0xffffffff));
	EQUAL(CTL(KEYCTL_REVOKE, deep), 0);
	FAILS(EKEYREVOKED, CTL(KEYCTL_READ, deep, NULL, 0));
	FAILS(EKEYREVOKED, CTL(KEYCTL_SEARCH, ring, "user", "deep", 0));
	EQUAL(CTL(KEYCTL_CLEAR, ring), 0);
	EQUAL(CTL(KEYCTL_READ, ring, NULL, 0), 0);
}

/* A child has the session keyring, but neither process nor thread keyring. */
static int child(void)
{
	EQUAL(CTL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0), ring);
	FAILS(ENOKEY, CTL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0));
	return t_failures;
}

T_MAIN
{
	ring = CTL(KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (ring < 0)
		exit(77); /* Linux built without, or kept from us */
	EQUAL(CTL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0), ring);
	FAILS(EPERM, CTL(KEYCTL_JOIN_SESSION_KEYRING, ".x"));
	key = ADD("user", "t:one", "abc", 3, ring);
	CHECK(key > 0);
	errors();
	contents();
	searches();
	CHECK(CTL(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1) > 0);
	EQUAL(t_wait(t_fork(child)), 0);
}
