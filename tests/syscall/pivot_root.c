/* SPDX-License-Identifier: Apache-2.0 */
/* pivot_root(2) in a mount namespace of its own, below a chroot. */
#include "t.h"

#include <sched.h>
#include <sys/mount.h>

static char base[] = "/tmp/pivot_root.XXXXXX";

static int child(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0); /* the first call of a new process */
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", base, "tmpfs", 0, NULL) == 0);
	CHECK(chroot(base) == 0);
	CHECK(mkdir("/new", 0755) == 0);
	FAILS(EBUSY, syscall(SYS_pivot_root, "/new", "/new"));
	CHECK(mount("none", "/new", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("/new/old", 0755) == 0);
	CHECK(mkdir("/aside", 0755) == 0);
	CHECK(mount("none", "/aside", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("/aside/old", 0755) == 0);
	close(creat("/new/file", 0644));
	FAILS(EINVAL, syscall(SYS_pivot_root, "/new", "/aside/old"));
	FAILS(ENOTDIR, syscall(SYS_pivot_root, "/new", "/new/file"));
	FAILS(ENOENT, syscall(SYS_pivot_root, "/new", "/new/none"));
	CHECK(syscall(SYS_pivot_root, "/new", "/new/old") == 0);
	CHECK(access("/file", F_OK) == 0);
	CHECK(access("/old/aside/old", F_OK) == 0);
	CHECK(chdir("/") == 0);
	CHECK(umount2("/old", MNT_DETACH) == 0);
	CHECK(access("/old/aside", F_OK) == -1 && errno == ENOENT);
	return t_failures;
}

T_MAIN
{
	pid_t pid;

	if (geteuid() != 0 || !mkdtemp(base))
		exit(77);
	pid = t_fork(child);
	EQUAL(t_wait(pid), 0);
	rmdir(base);
}
