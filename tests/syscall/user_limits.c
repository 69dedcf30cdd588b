/* SPDX-License-Identifier: Apache-2.0 */
/* What a user may have of pipes' memory (pipe(7)) and of inotify instances (inotify(7)), who may not have any amount. */
#include "t.h"

#include <sys/inotify.h>
#include <sys/resource.h>

#define OTHER_USER 54321 /* who has nothing else on this machine */

static int few_large_pipes(void)
{
	static char data[65536];
	struct rlimit l = { 4096, 4096 };
	long most = 0, after, size;
	int p[2], n;

	EQUAL(setrlimit(RLIMIT_NOFILE, &l), 0);
	EQUAL(setresgid(OTHER_USER, OTHER_USER, OTHER_USER), 0);
	EQUAL(setresuid(OTHER_USER, OTHER_USER, OTHER_USER), 0);
	for (n = 0; n < 200; n++) {
		EQUAL(pipe(p), 0);
		if (fcntl(p[1], F_SETPIPE_SZ, 1 << 20) < 0)
			break;
		most += fcntl(p[1], F_GETPIPE_SZ);
	}
	EQUAL(errno, EPERM);
	CHECK(most <= 64l << 20 && most > 32l << 20);
	/* The next ones are small, and can't grow, when all of it is used. */
	for (int i = 0; i < 20; i++)
		EQUAL(pipe(p), 0);
	size = fcntl(p[1], F_GETPIPE_SZ);
	EQUAL(size, 8192);
	FAILS(EPERM, fcntl(p[1], F_SETPIPE_SZ, 65536));
	EQUAL(fcntl(p[1], F_SETPIPE_SZ, 4096), 4096);
	/* One that can't shrink, as there is data in it, gives nothing back. */
	EQUAL(write(4, data, sizeof(data)), sizeof(data));
	FAILS(EBUSY, fcntl(4, F_SETPIPE_SZ, 4096));
	EQUAL(pipe(p), 0);
	size = fcntl(p[1], F_GETPIPE_SZ);
	EQUAL(size, 8192);
	/* What is closed is given back. */
	for (int i = 3; i < 3 + 2 * n; i++)
		close(i);
	EQUAL(pipe(p), 0);
	after = fcntl(p[1], F_GETPIPE_SZ);
	EQUAL(after, 65536);
	return t_failures != 0;
}

static int few_instances(void)
{
	int n, last = -1, fd;

	EQUAL(setresuid(OTHER_USER + 1, OTHER_USER + 1, OTHER_USER + 1), 0);
	for (n = 0; n < 200000; n++) {
		fd = inotify_init();
		if (fd < 0)
			break;
		last = fd;
	}
	EQUAL(errno, EMFILE);
	close(last);
	fd = inotify_init();
	CHECK(fd >= 0);
	FAILS(EMFILE, inotify_init());
	return t_failures != 0;
}

T_MAIN
{
	if (geteuid() != 0)
		exit(77);
	EQUAL(t_wait(t_fork(few_large_pipes)), 0);
	EQUAL(t_wait(t_fork(few_instances)), 0);
}
