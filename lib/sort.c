/* SPDX-License-Identifier: Apache-2.0 */
/* sort.c: heap sort.  See sort.h. */
#include "lib/sort.h"

#include <stdint.h>

static void swap(char *a, char *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char c = a[i];

		a[i] = b[i];
		b[i] = c;
	}
}

/* Everything below root is a heap, the largest first: make it one with root. */
static void sift_down(char *base, size_t root, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (compare(base + root * size, base + child * size) >= 0)
			return;
		swap(base + root * size, base + child * size, size);
	}
}

void sort(void *base, size_t count, size_t size, int (*compare)(const void *a, const void *b))
{
	char *p = base;

	for (size_t root = count / 2; root > 0; root--)
		sift_down(p, root - 1, count, size, compare);
	for (size_t end = count; end > 1; end--) {
		swap(p, p + (end - 1) * size, size);
		sift_down(p, 0, end - 1, size, compare);
	}
}

int sort_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int sort_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}
