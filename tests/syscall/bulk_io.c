/* SPDX-License-Identifier: Apache-2.0 */
/* bulk_io.c: read(2) and write(2) of sizes about those that go through a window (platform/stub/marshal.c), on files and streams. */
#include "t.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define MOST 400000u

static const size_t sizes[] = { 65535, 65536, 65537, 69632, 69633, 131071, 131072, 131073, 135168, 135169, 262144, MOST };
static unsigned char out[MOST + 64], in[MOST + 64];

static void fill(unsigned int seed)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)((seed = seed * 1103515245u + 12345u) >> 16);
	memset(in, 0xa5, sizeof(in));
}

static void file_both_ways(int fd, size_t size, size_t shift)
{
	EQUAL(pwrite(fd, out + shift, size, 0), (ssize_t)size);
	EQUAL(pread(fd, in + shift, size, 0), (ssize_t)size);
	CHECK(memcmp(in + shift, out + shift, size) == 0);
	EQUAL(in[shift + size], 0xa5);
}

static void stream_both_ways(const int s[2], size_t size, size_t shift)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (size_t done = 0; done < size;) {
			ssize_t n = write(s[0], out + shift + done, size - done);

			if (n <= 0)
				_exit(1);
			done += (size_t)n;
		}
		_exit(0);
	}
	EQUAL(recv(s[1], in + shift, size, MSG_WAITALL), (ssize_t)size);
	CHECK(memcmp(in + shift, out + shift, size) == 0);
	EQUAL(in[shift + size], 0xa5);
	EQUAL(waitpid(pid, NULL, 0), pid);
}

static void tcp_pair(int s[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	EQUAL(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	EQUAL(listen(l, 1), 0);
	EQUAL(getsockname(l, (struct sockaddr *)&a, &len), 0);
	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	EQUAL(connect(s[0], (struct sockaddr *)&a, sizeof(a)), 0);
	s[1] = accept(l, NULL, NULL);
	CHECK(s[1] >= 0);
	close(l);
}

T_MAIN
{
	size_t page = 4096, whole = 131072;
	int fd = (int)syscall(SYS_memfd_create, "bulk", 0), u[2], s[2];
	unsigned char *end = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(fd >= 0 && end != MAP_FAILED);
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, u), 0);
	tcp_pair(s);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t shift = 0; shift < 2; shift++) {
			fill((unsigned int)(3 * i + shift));
			file_both_ways(fd, sizes[i], shift);
			fill((unsigned int)(1000 + i));
			stream_both_ways(u, sizes[i], shift);
			fill((unsigned int)(2000 + i));
			stream_both_ways(s, sizes[i], shift);
		}
	}
	/* The last page is not there. */
	fill(1);
	memcpy(end, out, whole);
	EQUAL(mprotect(end + whole - page, page, PROT_NONE), 0);
	EQUAL(ftruncate(fd, 0), 0);
	EQUAL(pwrite(fd, end, whole, 0), (ssize_t)(whole - page));
	EQUAL(pwrite(fd, out, whole, 0), (ssize_t)whole);
	memset(end, 0, whole - page);
	EQUAL(pread(fd, end, whole, 0), (ssize_t)(whole - page));
	CHECK(memcmp(end, out, whole - page) == 0);
	FAILS(EFAULT, pread(fd, end + whole - page, page, 0));
	FAILS(EFAULT, pwrite(fd, end + whole - page, page, 0));
}
