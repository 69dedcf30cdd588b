/* SPDX-License-Identifier: Apache-2.0 */
/* Memory policies of node 0, which every machine has: what is checked, kept and told. */
#include "t.h"

#include <linux/mempolicy.h>

#define PAGE 4096ul

static long set(int mode, unsigned long *mask, unsigned long max)
{
	return syscall(SYS_set_mempolicy, mode, mask, max);
}

static long get(int *mode, unsigned long *mask, unsigned long max, void *addr, unsigned long flags)
{
	return syscall(SYS_get_mempolicy, mode, mask, max, addr, flags);
}

static long mbind_(void *addr, unsigned long size, unsigned long mode, unsigned long *mask, unsigned int flags)
{
	return syscall(SYS_mbind, addr, size, mode, mask, 64ul, flags);
}

static void task_policy(void)
{
	unsigned long mask[1024 / 64] = { 1 }, none = 0, back[1024 / 64];
	int mode = -1;

	EQUAL(get(&mode, NULL, 0, NULL, 0), 0);
	EQUAL(mode, MPOL_DEFAULT);
	FAILS(EINVAL, set(99, NULL, 0));
	FAILS(EINVAL, set(MPOL_BIND, &none, 64));
	FAILS(EINVAL, set(MPOL_DEFAULT, mask, 64));
	FAILS(EFAULT, set(MPOL_BIND, t_bad, 64));
	EQUAL(set(MPOL_BIND, mask, 1024), 0);
	EQUAL(get(&mode, back, 1024, NULL, 0), 0);
	EQUAL(mode, MPOL_BIND);
	EQUAL(back[0], 1);
	EQUAL(back[15], 0);
	if (fork() == 0)
		_exit(get(&mode, NULL, 0, NULL, 0) || mode != MPOL_BIND);
	EQUAL(wait(&mode) > 0 && mode == 0, 1);
	FAILS(EINVAL, get(&mode, NULL, 0, NULL, 1 << 3));
	FAILS(EINVAL, get(&mode, NULL, 0, mask, 0));
	FAILS(EINVAL, get(&mode, NULL, 0, NULL, MPOL_F_NODE));
	EQUAL(get(NULL, back, 1024, NULL, MPOL_F_MEMS_ALLOWED), 0);
	EQUAL(back[0] & 1, 1);
	EQUAL(set(MPOL_PREFERRED, NULL, 0), 0);
	EQUAL(set(MPOL_DEFAULT, NULL, 0), 0);
}

static void range_policy(void)
{
	unsigned long mask = 1;
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int mode = -1;

	CHECK(p != MAP_FAILED);
	FAILS(EINVAL, mbind_(p + 1, PAGE, MPOL_BIND, &mask, 0));
	FAILS(EINVAL, mbind_(p, PAGE, MPOL_BIND, &mask, 1 << 7));
	EQUAL(mbind_(p + PAGE, 2 * PAGE, MPOL_BIND, &mask, 0), 0);
	EQUAL(get(&mode, NULL, 0, p, MPOL_F_ADDR), 0);
	EQUAL(mode, MPOL_DEFAULT);
	EQUAL(get(&mode, NULL, 0, p + PAGE, MPOL_F_ADDR), 0);
	EQUAL(mode, MPOL_BIND);
	EQUAL(mbind_(p + 2 * PAGE, PAGE, MPOL_DEFAULT, NULL, 0), 0);
	EQUAL(get(&mode, NULL, 0, p + 2 * PAGE, MPOL_F_ADDR), 0);
	EQUAL(mode, MPOL_DEFAULT);
	munmap(p + 3 * PAGE, PAGE);
	FAILS(EFAULT, mbind_(p, 4 * PAGE, MPOL_BIND, &mask, 0));
	FAILS(EFAULT, get(&mode, NULL, 0, p + 3 * PAGE, MPOL_F_ADDR));
	munmap(p, 3 * PAGE);
}

static void pages(void)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *at[3] = { p, p + PAGE, NULL };
	int status[3] = { 9, 9, 9 }, bad[1] = { 1000 };

	*p = 1;
	EQUAL(syscall(SYS_move_pages, 0, 3ul, at, NULL, status, 0), 0);
	EQUAL(status[0], 0);
	EQUAL(status[1], -ENOENT);
	EQUAL(status[2], -EFAULT);
	FAILS(ENODEV, syscall(SYS_move_pages, 0, 1ul, at, bad, status, MPOL_MF_MOVE));
	FAILS(EINVAL, syscall(SYS_move_pages, 0, 1ul, at, NULL, status, 1 << 9));
	FAILS(ESRCH, syscall(SYS_move_pages, 1 << 30, 1ul, at, NULL, status, 0));
	munmap(p, 2 * PAGE);
}

T_MAIN
{
	int mode;

	if (get(&mode, NULL, 0, NULL, 0) < 0 && errno == ENOSYS)
		exit(77);
	task_policy();
	range_policy();
	pages();
}
