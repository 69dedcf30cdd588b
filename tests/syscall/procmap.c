/* SPDX-License-Identifier: Apache-2.0 */
/* PROCMAP_QUERY on /proc/self/maps; /proc/self/pagemap. */
#include "t.h"

struct query {
	uint64_t size, flags, addr, start, end, vma_flags, page_size, offset, inode;
	uint32_t dev_major, dev_minor, name_size, build_id_size;
	uint64_t name_addr, build_id_addr;
};
#define QUERY _IOWR('f', 17, struct query)

T_MAIN
{
	char *p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), name[256];
	struct query q = { .size = sizeof(q) };
	int fd = open("/proc/self/maps", O_RDONLY), pm = open("/proc/self/pagemap", O_RDONLY), exe;
	uint64_t entry[2];
	struct stat st;

	CHECK(fd >= 0 && pm >= 0);
	mprotect(p + 2 * 4096, 4096, PROT_READ);
	munmap(p + 3 * 4096, 4096);
	p[4096] = 1;
	EQUAL(pread(pm, entry, sizeof(entry), (off_t)((uintptr_t)p / 4096 * 8)), sizeof(entry));
	EQUAL(entry[0] >> 63, 0);
	EQUAL(entry[1] >> 63, 1);
	FAILS(EINVAL, pread(pm, entry, 4, 0));

	q.addr = (uintptr_t)p + 2 * 4096 + 5;
	if (ioctl(fd, QUERY, &q) < 0 && errno == ENOTTY)
		exit(77);
	EQUAL(q.start, (uintptr_t)p + 2 * 4096);
	EQUAL(q.end, (uintptr_t)p + 3 * 4096);
	EQUAL(q.vma_flags, 1);
	EQUAL(q.page_size, 4096);
	q.addr = (uintptr_t)p + 3 * 4096;
	FAILS(ENOENT, ioctl(fd, QUERY, &q));
	q.flags = 0x10;
	EQUAL(ioctl(fd, QUERY, &q), 0);
	CHECK(q.start >= (uintptr_t)p + 4 * 4096);
	q.flags = 0x12;
	q.addr = (uintptr_t)p + 2 * 4096;
	EQUAL(ioctl(fd, QUERY, &q), 0);
	CHECK(q.start > (uintptr_t)p + 3 * 4096);
	q.flags = 1 << 10;
	FAILS(EINVAL, ioctl(fd, QUERY, &q));
	q.flags = 0;
	q.name_size = 5;
	FAILS(EINVAL, ioctl(fd, QUERY, &q));
	exe = open("/proc/self/exe", O_RDONLY);
	fstat(exe, &st);
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, exe, 0);
	q.addr = q.addr ? (uintptr_t)p : 0;
	q.name_size = sizeof(name);
	q.name_addr = (uintptr_t)name;
	EQUAL(ioctl(fd, QUERY, &q), 0);
	EQUAL(q.inode, st.st_ino);
	EQUAL(q.name_size, strlen(name) + 1);
	q.name_size = 2;
	FAILS(ENAMETOOLONG, ioctl(fd, QUERY, &q));
}
