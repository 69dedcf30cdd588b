/* SPDX-License-Identifier: Apache-2.0 */
/* sysfs(2) and ustat(2). */
#include "t.h"

#include <sys/sysmacros.h>

T_MAIN
{
	char name[64] = "", u[64];
	struct stat st;
	int count = (int)syscall(SYS_sysfs, 3);
	unsigned int dev;

	CHECK(count > 3);
	EQUAL(syscall(SYS_sysfs, 2, 0, name), 0);
	EQUAL(syscall(SYS_sysfs, 1, name), 0);
	EQUAL(syscall(SYS_sysfs, 2, count - 1, name), 0);
	EQUAL(syscall(SYS_sysfs, 1, name), count - 1);
	FAILS(EINVAL, syscall(SYS_sysfs, 2, count + 1000, name));
	FAILS(EINVAL, syscall(SYS_sysfs, 1, "no such thing"));
	FAILS(EFAULT, syscall(SYS_sysfs, 1, BAD_PTR));
	FAILS(EINVAL, syscall(SYS_sysfs, 9));
	CHECK(stat("/dev", &st) == 0);
	dev = minor(st.st_dev) % 256 | major(st.st_dev) << 8 | minor(st.st_dev) / 256 << 20;
	EQUAL(syscall(SYS_ustat, dev, u), 0);
	FAILS(EFAULT, syscall(SYS_ustat, dev, BAD_PTR));
	FAILS(EINVAL, syscall(SYS_ustat, 0xfffff, u));
}
