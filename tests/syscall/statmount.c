/* SPDX-License-Identifier: Apache-2.0 */
/* statmount.c: statmount(2), listmount(2), STATX_MNT_ID_UNIQUE.  Needs CAP_SYS_ADMIN and Linux 6.8. */
#include "t.h"


#define SYS_STATMOUNT 457
#define SYS_LISTMOUNT 458
#define LSMT_ALL      0xffffffffffffffffull
#define UNIQUE        0x4000u

struct req {
	uint32_t size, fd;
	uint64_t mnt_id, param, ns;
};

struct sm {
	uint32_t size, opts;
	uint64_t mask;
	uint32_t major, minor;
	uint64_t magic;
	uint32_t sb_flags, fs_type;
	uint64_t id, parent;
	uint32_t id_old, parent_old;
	uint64_t attr, propagation, group, master, from;
	uint32_t root, point;
	uint64_t ns;
	char rest[512 - 120];
	char str[512];
};

static uint64_t unique_of(const char *path)
{
	struct statx sx;

	EQUAL(statx(AT_FDCWD, path, 0, UNIQUE, &sx), 0);
	CHECK(sx.stx_mask & UNIQUE);
	return sx.stx_mnt_id;
}

static long sm(uint64_t id, uint64_t mask, struct sm *out, size_t size)
{
	struct req r = { .size = 24, .mnt_id = id, .param = mask };

	return syscall(SYS_STATMOUNT, &r, out, size, 0);
}

static long lm(uint64_t id, uint64_t last, uint64_t *ids, size_t count, unsigned int flags)
{
	struct req r = { .size = 24, .mnt_id = id, .param = last };

	return syscall(SYS_LISTMOUNT, &r, ids, count, flags);
}

T_MAIN
{
	struct req r = { .size = 8 };
	static uint64_t ids[65536];
	uint64_t a, b;
	struct sm s;
	struct statx sx;
	long n;

	if (syscall(SYS_STATMOUNT, NULL, NULL, 0, 1) == -1 && errno == ENOSYS)
		exit(77);
	t_own_tmp();
	EQUAL(mkdir("/tmp/s", 0755), 0);
	EQUAL(mount("dev one", "/tmp/s", "tmpfs", MS_NOSUID, "size=1m"), 0);
	EQUAL(mount(NULL, "/tmp/s", NULL, MS_SHARED, NULL), 0);
	EQUAL(mkdir("/tmp/s/sub", 0755), 0);
	EQUAL(mount("two", "/tmp/s/sub", "tmpfs", MS_RDONLY | MS_NOATIME, ""), 0);
	a = unique_of("/tmp/s");
	b = unique_of("/tmp/s/sub");
	CHECK(a > 1ull << 31 && b > a);
	EQUAL(statx(AT_FDCWD, "/tmp/s", 0, STATX_MNT_ID, &sx), 0);

	FAILS(EINVAL, syscall(SYS_STATMOUNT, &r, &s, sizeof(s), 0));
	FAILS(EINVAL, sm(5, 2, &s, sizeof(s)));
	FAILS(ENOENT, sm(a + 1000000, 2, &s, sizeof(s)));
	memset(&s, 0, sizeof(s));
	EQUAL(sm(a, 3, &s, sizeof(s)), 0);
	EQUAL(s.mask, 3);
	EQUAL(s.size, 512);
	EQUAL(s.id, a);
	EQUAL(s.id_old, sx.stx_mnt_id);
	EQUAL(s.magic, 0x01021994);
	EQUAL(s.major, sx.stx_dev_major);
	EQUAL(s.minor, sx.stx_dev_minor);
	EQUAL(s.attr, MOUNT_ATTR_NOSUID);
	EQUAL(s.propagation, MS_SHARED);
	CHECK(s.group != 0);
	EQUAL(sm(b, 3, &s, sizeof(s)), 0);
	EQUAL(s.parent, a);
	EQUAL(s.attr, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
	EQUAL(s.sb_flags, MS_RDONLY);
	EQUAL(sm(a, 0x38, &s, sizeof(s)), 0);
	EQUAL(s.mask, 0x38);
	EQUAL(strcmp(s.str + s.root, "/"), 0);
	EQUAL(strcmp(s.str + s.point, "/tmp/s"), 0);
	EQUAL(strcmp(s.str + s.fs_type, "tmpfs"), 0);
	FAILS(EOVERFLOW, sm(a, 0x10, &s, 512));
	FAILS(EOVERFLOW, sm(a, 0x10, &s, 515));
	FAILS(EFAULT, sm(a, 2, (struct sm *)BAD_PTR, sizeof(s)));

	FAILS(EINVAL, lm(a, 0, ids, 65536, 8));
	FAILS(EINVAL, lm(a, 7, ids, 65536, 0));
	FAILS(EOVERFLOW, lm(a, 0, ids, 1000001, 0));
	FAILS(ENOENT, lm(a + 1000000, 0, ids, 65536, 0));
	EQUAL(lm(a, 0, ids, 65536, 0), 1);
	EQUAL(ids[0], b);
	EQUAL(lm(b, 0, ids, 65536, 0), 0);
	n = lm(LSMT_ALL, 0, ids, 65536, 0);
	CHECK(n >= 3);
	for (long i = 1; i < n; i++)
		CHECK(ids[i] > ids[i - 1]);
	EQUAL(ids[n - 1], b);
	EQUAL(lm(LSMT_ALL, a, ids, 65536, 0), 1);
	EQUAL(lm(LSMT_ALL, 0, ids, 1, 0), 1);
	EQUAL(umount("/tmp/s/sub"), 0);
	FAILS(ENOENT, sm(b, 2, &s, sizeof(s)));
	umount("/tmp/s");
	rmdir("/tmp/s");
}
