/* SPDX-License-Identifier: Apache-2.0 */
/* MAP_GROWSDOWN: grows by faults, not into what lies below; lo has its address once it is up. */
#include "t.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>

#define PAGE 4096l

static void loopback(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ifreq r = { .ifr_name = "lo" };
	int fd, v;
	socklen_t n = sizeof(v);

	if (unshare(CLONE_NEWNET))
		return;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	FAILS(EOPNOTSUPP, getsockopt(fd, 500, 1, &v, &n));
	r.ifr_flags = IFF_UP;
	EQUAL(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	EQUAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

static int touch(volatile char *p)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		*p = 1;
		_exit(*p == 1 ? 0 : 1);
	}
	return t_wait(pid);
}

T_MAIN
{
	char *p = mmap(NULL, 1024 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *stack;

	munmap(p, 1024 * PAGE);
	stack = mmap(p + 1020 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	CHECK(stack == p + 1020 * PAGE);
	EQUAL(touch(stack), 0);
	EQUAL(touch(stack - PAGE), 0);
	EQUAL(touch(stack - 100 * PAGE), 0);
	for (volatile char *at = stack; at > stack - 300 * PAGE; at -= PAGE / 2)
		*at = 2;
	mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	EQUAL(touch(p + 300 * PAGE), 0);
	EQUAL(touch(p + 200 * PAGE), 128 + SIGSEGV); /* too near to what lies below */
	loopback();
}
