/* SPDX-License-Identifier: Apache-2.0 */
/* test_acl.c: POSIX ACLs on tmpfs. */
#include "tests/unit/vfs/fixture.h"

struct acl_value {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[5];
};

/* u::rw-, u:1000:r--, g::---, m::r--, o::--- */
static const struct acl_value reader = {
	2, { { 1, 6, ~0u }, { 2, 4, 1000 }, { 4, 0, ~0u }, { 0x10, 4, ~0u }, { 0x20, 0, ~0u } }
};

static int set_acl(struct fx *x, const char *name, const char *which, const void *v, size_t size)
{
	struct path p;
	int err;

	assert_int_equal(vfs_walk(&x->c, NULL, name, 0, &p), 0);
	err = vfs_setxattr(&x->c, &p, which, v, size, 0);
	path_put(&p);
	return err;
}

FIBER_TEST(a_named_user_gets_what_the_mask_lets_through)
{
	struct setattr s = { .mask = SETATTR_MODE, .mode = 0600 };
	struct cred *u;
	struct path p;
	struct attr a;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(fx_put(&x, "f", "x"), 0);
	assert_int_equal(set_acl(&x, "f", "system.posix_acl_access", &reader, sizeof(reader)), 0);
	assert_int_equal(fx_stat(&x, "f", 0, &a), 0);
	assert_int_equal(a.mode & 0777, 0640); /* the mask shows as the group's bits */
	u = fx_user(&x, 1000);
	assert_int_equal(fx_try(&x, "f", O_RDONLY), 0);
	assert_int_equal(fx_try(&x, "f", O_WRONLY), -EACCES);
	fx_root(&x, u);
	u = fx_user(&x, 1001);
	assert_int_equal(fx_try(&x, "f", O_RDONLY), -EACCES);
	fx_root(&x, u);
	assert_int_equal(vfs_walk(&x.c, NULL, "f", 0, &p), 0);
	assert_int_equal(vfs_setattr(&x.c, &p, &s), 0);
	path_put(&p);
	u = fx_user(&x, 1000);
	assert_int_equal(fx_try(&x, "f", O_RDONLY), -EACCES);
	fx_root(&x, u);
	fx_fini(&x);
}

FIBER_TEST(default_acls_are_inherited_and_bad_ones_refused)
{
	struct acl_value bad = reader;
	struct cred *u;
	struct attr a;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d", 0755), 0);
	assert_int_equal(set_acl(&x, "d", "system.posix_acl_default", &reader, sizeof(reader)), 0);
	assert_int_equal(fx_put(&x, "d/f", "x"), 0);
	assert_int_equal(fx_stat(&x, "d/f", 0, &a), 0);
	assert_int_equal(a.mode & 0777, 0640);
	u = fx_user(&x, 1000);
	assert_int_equal(fx_try(&x, "d/f", O_RDONLY), 0);
	fx_root(&x, u);
	bad.e[3].tag = 0x40;
	assert_int_equal(set_acl(&x, "d", "system.posix_acl_access", &bad, sizeof(bad)), -EINVAL);
	assert_int_equal(set_acl(&x, "d", "system.posix_acl_access", &reader, 7), -EINVAL);
	assert_int_equal(set_acl(&x, "d/f", "system.posix_acl_default", &reader, sizeof(reader)),
			 -EACCES);
	fx_fini(&x);
}

UNIT_MAIN(UNIT(a_named_user_gets_what_the_mask_lets_through),
	  UNIT(default_acls_are_inherited_and_bad_ones_refused))
