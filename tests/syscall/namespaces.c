/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces.c: ipc, net, cgroup and time namespaces by clone3(2), unshare(2) and setns(2).  As root. */
#include "t.h"

#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sysinfo.h>

static ino_t inode_of(const char *kind)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "/proc/self/ns/%s", kind);
	return stat(name, &st) ? 0 : st.st_ino;
}

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

static void kind(const char *name, int flag)
{
	char file[64];
	ino_t before = inode_of(name);
	int fd, other;

	snprintf(file, sizeof(file), "/proc/self/ns/%s", name);
	fd = open(file, O_RDONLY);
	CHECK(fd >= 0);
	EQUAL(ioctl(fd, NS_GET_NSTYPE), flag);
	EQUAL(unshare(flag), 0);
	CHECK(inode_of(name) != before);
	other = open(file, O_RDONLY);
	FAILS(EINVAL, setns(fd, flag == CLONE_NEWNET ? CLONE_NEWUTS : CLONE_NEWNET));
	EQUAL(setns(fd, flag), 0);
	EQUAL(inode_of(name), before);
	EQUAL(setns(other, 0), 0);
	CHECK(inode_of(name) != before);
	close(fd);
	close(other);
}

static int ipc(void)
{
	int id = msgget(0x4e53, IPC_CREAT | 0600);
	ino_t before = inode_of("ipc");
	int old = open("/proc/self/ns/ipc", O_RDONLY);

	CHECK(id >= 0);
	EQUAL(unshare(CLONE_NEWIPC), 0);
	CHECK(inode_of("ipc") != before);
	FAILS(ENOENT, msgget(0x4e53, 0));
	EQUAL(setns(old, CLONE_NEWIPC), 0);
	EQUAL(msgget(0x4e53, 0), id);
	EQUAL(msgctl(id, IPC_RMID, NULL), 0);
	kind("ipc", CLONE_NEWIPC);
	return t_failures;
}

static int net_and_cgroup(void)
{
	kind("net", CLONE_NEWNET);
	kind("cgroup", CLONE_NEWCGROUP);
	return t_failures;
}

static int64_t raw_mono(void)
{
	struct timespec ts;

	if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts))
		return 0;
	return ts.tv_sec;
}

static int time_shifted(void)
{
	ino_t mine = inode_of("time"), children;
	struct sysinfo before, after;
	struct timespec until;
	int64_t now;
	int fd;
	pid_t child;

	sysinfo(&before);
	FAILS(EACCES, put("/proc/self/timens_offsets", "monotonic 1 0\n"));
	EQUAL(unshare(CLONE_NEWTIME), 0);
	EQUAL(inode_of("time"), mine);
	children = inode_of("time_for_children");
	CHECK(children != mine);
	FAILS(EINVAL, put("/proc/self/timens_offsets", "monotonic 1\n"));
	FAILS(EINVAL, put("/proc/self/timens_offsets", "realtime 1 0\n"));
	FAILS(EINVAL, put("/proc/self/timens_offsets", "monotonic 1 1000000000\n"));
	FAILS(ERANGE, put("/proc/self/timens_offsets", "monotonic -1000000000 0\n"));
	EQUAL(put("/proc/self/timens_offsets", "monotonic 86400 0\nboottime 864000 0\n"), 0);
	EQUAL(put("/proc/self/timens_offsets", "1 864000 5\n"), 0);
	now = raw_mono();
	child = fork();
	if (child == 0) {
		EQUAL(inode_of("time"), children);
		EQUAL(inode_of("time_for_children"), children);
		CHECK(raw_mono() >= now + 864000 && raw_mono() < now + 864100);
		sysinfo(&after);
		CHECK(after.uptime >= before.uptime + 864000);
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &until);
		until.tv_nsec += 20 * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		alarm(T_GUARD_MS / 1000);
		EQUAL(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
		FAILS(EACCES, put("/proc/self/timens_offsets", "monotonic 1 0\n"));
		_exit(t_failures ? 1 : 0);
	}
	EQUAL(t_wait(child), 0);
	FAILS(EACCES, put("/proc/self/timens_offsets", "monotonic 1 0\n")); /* somebody was in it */
	CHECK(raw_mono() < now + 1000);
	fd = open("/proc/self/ns/time_for_children", O_RDONLY);
	EQUAL(setns(fd, CLONE_NEWTIME), 0);
	EQUAL(inode_of("time"), children);
	CHECK(raw_mono() >= now + 864000);
	return t_failures;
}

static int by_clone3(void)
{
	struct clone_args a = { .flags = CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWTIME | CLONE_NEWNET,
				.exit_signal = SIGCHLD };
	ino_t i = inode_of("ipc"), t = inode_of("time"), c = inode_of("cgroup"), n = inode_of("net");
	pid_t child;

	a.flags = CLONE_NEWIPC | CLONE_SYSVSEM;
	FAILS(EINVAL, syscall(SYS_clone3, &a, sizeof(a)));
	a.flags = CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWTIME | CLONE_NEWNET;
	child = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (child == 0)
		_exit(inode_of("ipc") != i && inode_of("time") != t && inode_of("cgroup") != c &&
		      inode_of("net") != n ? 0 : 1);
	CHECK(child > 0);
	EQUAL(t_wait(child), 0);
	return t_failures;
}

T_MAIN
{
	if (geteuid() != 0)
		exit(77);
	EQUAL(t_wait(t_fork(ipc)), 0);
	EQUAL(t_wait(t_fork(net_and_cgroup)), 0);
	EQUAL(t_wait(t_fork(time_shifted)), 0);
	EQUAL(t_wait(t_fork(by_clone3)), 0);
}
