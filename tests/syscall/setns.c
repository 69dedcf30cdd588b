/* SPDX-License-Identifier: Apache-2.0 */
/* setns.c: setns(2), by files of /proc/self/ns and by pidfds.  Needs CAP_SYS_ADMIN. */
#include "t.h"

#include <sched.h>

static ino_t inode_of(const char *name)
{
	struct stat st;

	EQUAL(stat(name, &st), 0);
	return st.st_ino;
}

T_MAIN
{
	char name[64], other[64];
	int fd, self, status, pidfd;
	ino_t before;
	pid_t child;

	FAILS(EBADF, setns(0x7fff, 0));
	self = open("/proc/self/status", O_RDONLY);
	CHECK(self >= 0);
	FAILS(EINVAL, setns(self, 0));

	if (unshare(CLONE_NEWUTS))
		exit(77);
	before = inode_of("/proc/self/ns/uts");
	EQUAL(sethostname("before", 6), 0);
	fd = open("/proc/self/ns/uts", O_RDONLY);
	CHECK(fd >= 0);
	EQUAL(unshare(CLONE_NEWUTS), 0);
	CHECK(inode_of("/proc/self/ns/uts") != before);
	EQUAL(sethostname("after", 5), 0);
	FAILS(EINVAL, setns(fd, CLONE_NEWIPC));
	EQUAL(setns(fd, CLONE_NEWUTS), 0);
	CHECK(inode_of("/proc/self/ns/uts") == before);
	EQUAL(gethostname(name, sizeof(name)), 0);
	EQUAL(strcmp(name, "before"), 0);

	/* The child's new namespace, by its pidfd. */
	child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWUTS) || sethostname("child", 5))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	EQUAL(waitpid(child, &status, WUNTRACED), child);
	CHECK(WIFSTOPPED(status));
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	CHECK(pidfd >= 0);
	FAILS(EINVAL, setns(pidfd, 0));
	EQUAL(setns(pidfd, CLONE_NEWUTS), 0);
	EQUAL(gethostname(other, sizeof(other)), 0);
	EQUAL(strcmp(other, "child"), 0);
	kill(child, SIGCONT);
	EQUAL(waitpid(child, &status, 0), child);
	FAILS(ESRCH, setns(pidfd, CLONE_NEWUTS));
	/* One's own user namespace can't be joined. */
	fd = open("/proc/self/ns/user", O_RDONLY);
	CHECK(fd >= 0);
	FAILS(EINVAL, setns(fd, 0));
	/* A mount namespace takes root and working directory along. */
	fd = open("/proc/self/ns/mnt", O_RDONLY);
	CHECK(fd >= 0);
	EQUAL(unshare(CLONE_NEWNS), 0);
	EQUAL(chdir("/proc"), 0);
	EQUAL(setns(fd, CLONE_NEWNS), 0);
	CHECK(getcwd(name, sizeof(name)) != NULL);
	EQUAL(strcmp(name, "/"), 0);
}
