/* SPDX-License-Identifier: Apache-2.0 */
/* quotactl.c: quotactl(2), quotactl_fd(2) where no file system has quotas; process_mrelease(2). */
#include "t.h"

#include <sys/prctl.h>

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#define CMD(c, type) ((unsigned int)(c) << 8 | (type))
#define SYNC         0x800001
#define GETFMT       0x800004

static void quotas(void)
{
	int fd;

	FAILS(EINVAL, syscall(SYS_quotactl, CMD(SYNC, 3), NULL, 0, NULL));
	EQUAL(syscall(SYS_quotactl, CMD(SYNC, 0), NULL, 0, NULL), 0);
	FAILS(ENODEV, syscall(SYS_quotactl, CMD(GETFMT, 0), NULL, 0, NULL));
	FAILS(ENOENT, syscall(SYS_quotactl, CMD(GETFMT, 0), "/nonexistent", 0, NULL));
	FAILS(ENOTBLK, syscall(SYS_quotactl, CMD(GETFMT, 0), "/dev/null", 0, NULL));
	FAILS(EFAULT, syscall(SYS_quotactl, CMD(GETFMT, 0), BAD_PTR, 0, NULL));
	FAILS(EBADF, syscall(SYS_quotactl_fd, -1, CMD(GETFMT, 0), 0, NULL));
	fd = open("/proc", O_RDONLY);
	FAILS(EINVAL, syscall(SYS_quotactl_fd, fd, CMD(GETFMT, 7), 0, NULL));
	FAILS(ENOSYS, syscall(SYS_quotactl_fd, fd, CMD(GETFMT, 0), 0, &fd));
	FAILS(ENOSYS, syscall(SYS_quotactl_fd, fd, CMD(SYNC, 0), 0, NULL));
	close(fd);
	fd = open("/proc", O_PATH);
	FAILS(ENOSYS, syscall(SYS_quotactl_fd, fd, CMD(GETFMT, 0), 0, &fd));
	close(fd);
}

static int sleeper(void)
{
	for (;;)
		pause();
	return 0;
}

static void memory(void)
{
	pid_t pid = t_fork(sleeper);
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	long r;

	FAILS(EINVAL, syscall(SYS_process_mrelease, fd, 1));
	FAILS(EBADF, syscall(SYS_process_mrelease, 0, 0));
	FAILS(EINVAL, syscall(SYS_process_mrelease, fd, 0)); /* it lives */
	kill(pid, SIGKILL);
	r = syscall(SYS_process_mrelease, fd, 0);
	CHECK(r == 0 || errno == ESRCH || errno == EAGAIN || errno == EINTR);
	t_wait(pid);
	FAILS(ESRCH, syscall(SYS_process_mrelease, fd, 0));
	close(fd);
}

T_MAIN
{
	quotas();
	memory();
}
