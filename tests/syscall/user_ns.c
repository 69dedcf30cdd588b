/* SPDX-License-Identifier: Apache-2.0 */
/* user_ns.c: user namespaces (user_namespaces(7)): maps, capabilities, owners, nesting.  As root. */
#include "t.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static int put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);
	ssize_t n;
	int e;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	e = errno;
	close(fd);
	errno = e;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static void get(const char *file, char *buf, size_t size)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	close(fd);
}

static uint64_t effective(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return 0;
	return d[0].effective | (uint64_t)d[1].effective << 32;
}

/* As user 1000: one's own id is all that may be mapped, and setgroups is off first. */
static int unprivileged(void)
{
	char text[256];
	gid_t groups[8];
	struct stat st;

	EQUAL(setgroups(0, NULL), 0);
	EQUAL(setresgid(1000, 1000, 1000), 0);
	EQUAL(setresuid(1000, 1000, 1000), 0);
	EQUAL(prctl(PR_SET_DUMPABLE, 1), 0);
	FAILS(EPERM, unshare(CLONE_NEWNS));
	EQUAL(unshare(CLONE_NEWUSER), 0);
	CHECK(effective() != 0);
	EQUAL(getuid(), 65534);
	EQUAL(getegid(), 65534);
	get("/proc/self/uid_map", text, sizeof(text));
	EQUAL(strlen(text), 0);
	FAILS(EINVAL, setuid(0)); /* not mapped */
	FAILS(EPERM, setgroups(0, NULL));
	FAILS(EPERM, put("/proc/self/uid_map", "0 0 1\n"));
	FAILS(EPERM, put("/proc/self/gid_map", "0 1000 1\n"));
	get("/proc/self/setgroups", text, sizeof(text));
	EQUAL(strcmp(text, "allow\n"), 0);
	EQUAL(put("/proc/self/setgroups", "deny"), 0);
	FAILS(EINVAL, put("/proc/self/uid_map", "0 1000\n"));
	FAILS(EPERM, put("/proc/self/uid_map", "0 1000 2\n"));
	EQUAL(put("/proc/self/uid_map", "0 1000 1\n"), 0);
	FAILS(EPERM, put("/proc/self/uid_map", "0 1000 1\n"));
	EQUAL(put("/proc/self/gid_map", "0 1000 1\n"), 0);
	FAILS(EPERM, put("/proc/self/setgroups", "allow"));
	get("/proc/self/uid_map", text, sizeof(text));
	EQUAL(strcmp(text, "         0       1000          1\n"), 0);
	EQUAL(getuid(), 0);
	EQUAL(getgid(), 0);
	EQUAL(getgroups(8, groups), 0);
	FAILS(EPERM, setgroups(0, NULL));
	FAILS(EINVAL, setuid(1));
	EQUAL(stat("/", &st), 0);
	EQUAL(st.st_uid, 65534); /* root outside is nobody here */
	FAILS(EINVAL, chown("/tmp", 1, -1));
	FAILS(EPERM, chown("/tmp", 0, -1));
	FAILS(EPERM, mknod("/tmp/user_ns.dev", S_IFCHR | 0600, 0x103));

	/* Capabilities count over what the namespace owns. */
	FAILS(EPERM, sethostname("x", 1));
	EQUAL(unshare(CLONE_NEWUTS | CLONE_NEWNS), 0);
	EQUAL(sethostname("inside", 6), 0);
	EQUAL(mount("t", "/tmp", "tmpfs", 0, "mode=700"), 0);
	EQUAL(stat("/tmp", &st), 0);
	EQUAL(st.st_uid, 0);
	FAILS(EINVAL, mount("t", "/tmp", "tmpfs", 0, "uid=7"));
	EQUAL(mknod("/tmp/fifo", S_IFIFO | 0600, 0), 0);
	EQUAL(umount("/tmp"), 0);
	return t_failures;
}

static int in_maps(void)
{
	char text[256], c;
	int up[2], down[2];
	pid_t child;

	EQUAL(pipe(up), 0);
	EQUAL(pipe(down), 0);
	child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWUSER))
			_exit(1);
		EQUAL(write(up[1], "x", 1), 1);
		EQUAL(read(down[0], &c, 1), 1);
		EQUAL(getuid(), 0);
		EQUAL(setgroups(1, (gid_t[]){ 5 }), 0);
		FAILS(EINVAL, setgroups(1, (gid_t[]){ 200000 }));
		EQUAL(setresgid(7, 7, 7), 0);
		EQUAL(setresuid(10, 10, 10), 0);
		EQUAL(effective(), 0);
		EQUAL(getuid(), 10);
		FAILS(EPERM, setuid(0));
		_exit(t_failures ? 1 : 0);
	}
	EQUAL(read(up[0], &c, 1), 1);
	snprintf(text, sizeof(text), "/proc/%d/uid_map", child);
	FAILS(EINVAL, put(text, "0 100000 10\n5 200000 10\n")); /* overlap */
	FAILS(EINVAL, put(text, "0 100000 0\n"));
	EQUAL(put(text, "0 0 1\n1 100000 65536\n"), 0);
	snprintf(text, sizeof(text), "/proc/%d/gid_map", child);
	EQUAL(put(text, "0 0 1\n1 100000 65536\n"), 0);
	EQUAL(write(down[1], "x", 1), 1);
	EQUAL(t_wait(child), 0);
	return t_failures;
}

/* 33 levels below the first. */
static int nesting(void)
{
	int n = 0;

	while (n < 40 && unshare(CLONE_NEWUSER) == 0) {
		if (put("/proc/self/setgroups", "deny") || put("/proc/self/uid_map", "0 0 1\n") ||
		    put("/proc/self/gid_map", "0 0 1\n"))
			break;
		n++;
	}
	EQUAL(errno, ENOSPC);
	CHECK(n >= 31 && n <= 33);
	return t_failures;
}

static int by_setns(void)
{
	int fd, owner, parent, status, self;
	uid_t uid = 77;
	struct stat a, b;
	char name[64];
	pid_t child = fork();

	if (child == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWUTS))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	EQUAL(waitpid(child, &status, WUNTRACED), child);
	snprintf(name, sizeof(name), "/proc/%d/ns/user", child);
	fd = open(name, O_RDONLY);
	CHECK(fd >= 0);
	EQUAL(ioctl(fd, NS_GET_NSTYPE), CLONE_NEWUSER);
	EQUAL(ioctl(fd, NS_GET_OWNER_UID, &uid), 0);
	EQUAL(uid, 0);
	parent = ioctl(fd, NS_GET_PARENT);
	CHECK(parent >= 0);
	EQUAL(fstat(parent, &a), 0);
	EQUAL(stat("/proc/self/ns/user", &b), 0);
	EQUAL(a.st_ino, b.st_ino);
	FAILS(EPERM, ioctl(parent, NS_GET_PARENT));
	snprintf(name, sizeof(name), "/proc/%d/ns/uts", child);
	self = open(name, O_RDONLY);
	owner = ioctl(self, NS_GET_USERNS);
	CHECK(owner >= 0);
	EQUAL(fstat(owner, &a), 0);
	EQUAL(fstat(fd, &b), 0);
	EQUAL(a.st_ino, b.st_ino);
	FAILS(EINVAL, ioctl(self, NS_GET_PARENT));
	FAILS(EINVAL, ioctl(self, NS_GET_OWNER_UID, &uid));
	FAILS(EINVAL, setns(fd, CLONE_NEWNS));
	EQUAL(setns(fd, CLONE_NEWUSER), 0);
	CHECK(effective() != 0);
	EQUAL(getuid(), 65534);
	FAILS(EINVAL, setns(fd, CLONE_NEWUSER)); /* is there already */
	FAILS(EPERM, setns(parent, CLONE_NEWUSER)); /* no way back */
	FAILS(EPERM, sethostname("x", 1));
	EQUAL(setns(self, CLONE_NEWUTS), 0);
	EQUAL(sethostname("x", 1), 0);
	kill(child, SIGCONT);
	return t_failures;
}

/* Both at once by a pidfd: the user namespace counts for the others. */
static int by_pidfd(void)
{
	int status, fd, err;
	pid_t child = fork();

	if (child == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	EQUAL(waitpid(child, &status, WUNTRACED), child);
	fd = (int)syscall(SYS_pidfd_open, child, 0);
	CHECK(fd >= 0);
	err = setns(fd, CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS);
	EQUAL(err, 0);
	EQUAL(sethostname("y", 1), 0);
	kill(child, SIGCONT);
	return t_failures;
}

static int thread(void *arg)
{
	(void)arg;
	pause();
	return 0;
}

static char stack[16384] __attribute__((aligned(16)));

static int with_threads(void)
{
	FAILS(EINVAL, clone(thread, stack + sizeof(stack), CLONE_NEWUSER | CLONE_FS | SIGCHLD, NULL));
	FAILS(EINVAL, clone(thread, stack + sizeof(stack),
			    CLONE_NEWUSER | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL));
	if (clone(thread, stack + sizeof(stack), CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL) < 0)
		return 1;
	FAILS(EINVAL, unshare(CLONE_NEWUSER));
	return t_failures;
}

/* Creation gives all capabilities; a fork by clone does as well. */
static int child_of_clone(void *arg)
{
	(void)arg;
	return effective() != 0 && getuid() == 65534 && getpid() == 1 ? 0 : 1;
}

static int by_clone(void)
{
	pid_t child = clone(child_of_clone, stack + sizeof(stack),
			    CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, NULL);

	CHECK(child > 0);
	EQUAL(t_wait(child), 0);
	return t_failures;
}

static int in_chroot(void)
{
	EQUAL(chroot("/proc"), 0);
	FAILS(EPERM, unshare(CLONE_NEWUSER));
	return t_failures;
}

static int twice(void)
{
	EQUAL(unshare(CLONE_NEWPID), 0);
	FAILS(EINVAL, unshare(CLONE_NEWPID));
	return t_failures;
}

T_MAIN
{
	if (geteuid() != 0)
		exit(77);
	EQUAL(t_wait(t_fork(unprivileged)), 0);
	EQUAL(t_wait(t_fork(in_maps)), 0);
	EQUAL(t_wait(t_fork(nesting)), 0);
	EQUAL(t_wait(t_fork(by_setns)), 0);
	EQUAL(t_wait(t_fork(by_pidfd)), 0);
	EQUAL(t_wait(t_fork(with_threads)), 0);
	EQUAL(t_wait(t_fork(by_clone)), 0);
	EQUAL(t_wait(t_fork(in_chroot)), 0);
	EQUAL(t_wait(t_fork(twice)), 0);
	FAILS(EINVAL, unshare(0x80000000ul));
}
