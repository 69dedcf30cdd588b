/* SPDX-License-Identifier: Apache-2.0 */
/* lsm_list_modules(2) */
#include "t.h"

#include <stdbool.h>

#define NR 461

T_MAIN
{
	uint64_t ids[64] = { 0 };
	uint32_t size = sizeof(ids), small = 0;
	bool found = false;
	long n;

	if (syscall(NR, ids, &size, 0) < 0 && errno == ENOSYS)
		exit(77);
	size = sizeof(ids);
	n = syscall(NR, ids, &size, 0);
	CHECK(n >= 1);
	EQUAL(size, n * 8);
	for (long i = 0; i < n; i++)
		found |= ids[i] == 100; /* capabilities */
	CHECK(found);
	FAILS(E2BIG, syscall(NR, ids, &small, 0));
	EQUAL(small, n * 8);
	size = sizeof(ids);
	FAILS(EINVAL, syscall(NR, ids, &size, 1));
	FAILS(EFAULT, syscall(NR, BAD_PTR, &size, 0));
	FAILS(EFAULT, syscall(NR, ids, BAD_PTR, 0));
}
