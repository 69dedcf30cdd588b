/* SPDX-License-Identifier: Apache-2.0 */
/* PIDFD_GET_INFO: of a living process, a zombie and one that is reaped. */
#include "t.h"

struct info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define GET _IOWR(0xff, 11, struct info)

T_MAIN
{
	struct info i = { .mask = 8 };
	int go[2], fd, status;
	pid_t child;
	char c;

	_Static_assert(sizeof(struct info) == 64, "version 0");
	CHECK(pipe(go) == 0);
	child = fork();
	if (!child) {
		(void)!read(go[0], &c, 1);
		_exit(7);
	}
	fd = (int)syscall(SYS_pidfd_open, child, 0);
	if (ioctl(fd, GET, &i) < 0 && (errno == ENOTTY || errno == EINVAL))
		exit(77);
	CHECK((i.mask & 3) == 3);
	CHECK(!(i.mask & 8));
	EQUAL(i.pid, child);
	EQUAL(i.tgid, child);
	EQUAL(i.ppid, getpid());
	EQUAL(i.euid, geteuid());
	FAILS(EINVAL, ioctl(fd, GET, NULL));
	FAILS(EFAULT, ioctl(fd, GET, t_bad));
	CHECK(ioctl(fd, _IOWR(0xff, 11, int), &i) < 0 && (errno == ENOTTY || errno == EINVAL));
	EQUAL(write(go[1], "x", 1), 1);
	EQUAL(waitpid(child, &status, 0), child);
	memset(&i, 0, sizeof(i));
	FAILS(ESRCH, ioctl(fd, GET, &i));
	i.mask = 8;
	if (ioctl(fd, GET, &i) == 0) { /* Linux 6.15 */
		CHECK(i.mask & 8);
		EQUAL(i.exit_code, status);
	}
}
