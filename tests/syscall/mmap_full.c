/* SPDX-License-Identifier: Apache-2.0 */
/* An address space that is filled to the last page: what mmap gave can be unmapped and had again. */
#include "t.h"

static size_t largest(size_t *start)
{
	size_t n = *start;
	void *p;

	for (size_t i = n; i >= 4096; i /= 2) {
		p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED) {
			n -= i / 2;
		} else {
			EQUAL(munmap(p, n), 0);
			if (n == i)
				*start = n;
			n += i / 2;
		}
	}
	return n & -4096ul;
}

T_MAIN
{
	size_t start = SIZE_MAX / 2 + 1, n;
	void *p;
	int i;

	for (i = 0; i < 1000 && (n = largest(&start)); i++) {
		p = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED && i == 0)
			continue; /* the patcher's trampolines came in between */
		CHECK(p != MAP_FAILED);
		if (p == MAP_FAILED)
			return;
	}
	FAILS(ENOMEM, mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
}
