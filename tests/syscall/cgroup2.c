/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups, version 2: making, moving, inheritance, cgroup.events with inotify, cgroup.kill, removal. */
#include "t.h"

#include <linux/sched.h>
#include <dirent.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>

static char top[64];

static char *in(const char *group, const char *file)
{
	static char path[4][512];
	static int n;

	n = (n + 1) % 4;
	snprintf(path[n], sizeof(path[n]), "%s/%s%s%s", top, group, *file ? "/" : "", file);
	return path[n];
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static char *text(const char *path)
{
	static char buf[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

/* The path of pid's group in the version 2 hierarchy. */
static char *group_of(const char *pid)
{
	char file[64], *s;

	snprintf(file, sizeof(file), "/proc/%s/cgroup", pid);
	s = strstr(text(file), "0::/");
	if (!s)
		return NULL;
	s[strcspn(s, "\n")] = '\0';
	return s + 3;
}

static int ends(const char *s, const char *end)
{
	return s && strlen(s) >= strlen(end) && !strcmp(s + strlen(s) - strlen(end), end);
}

static void members(const char *name)
{
	char pid[16], b[64], end[96], ev[4096];
	int go[2], status, watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct pollfd p = { .fd = watch, .events = POLLIN };
	pid_t child;

	snprintf(b, sizeof(b), "%s/b", name);
	snprintf(end, sizeof(end), "%s", strrchr(name, '/') ? strrchr(name, '/') : name);
	EQUAL(mkdir(in(b, ""), 0755), 0);
	FAILS(EEXIST, mkdir(in(b, ""), 0755));
	FAILS(EBUSY, rmdir(in(name, "")));
	CHECK(strstr(text(in(b, "cgroup.events")), "populated 0\n"));
	CHECK(!strcmp(text(in(b, "cgroup.procs")), ""));
	CHECK(!strcmp(text(in(b, "cgroup.type")), "domain\n"));
	CHECK(inotify_add_watch(watch, in(b, "cgroup.events"), IN_MODIFY) > 0);
	EQUAL(pipe(go), 0);
	child = fork();
	if (!child) {
		if (put(in(b, "cgroup.procs"), "0"))
			_exit(1);
		if (!fork()) { /* inherits */
			for (;;)
				pause();
		}
		_exit(write(go[1], "x", 1) == 1 ? 0 : 2);
	}
	EQUAL(read(go[0], pid, 1), 1);
	EQUAL(waitpid(child, &status, 0), child);
	EQUAL(status, 0);
	EQUAL(poll(&p, 1, T_GUARD_MS), 1);
	CHECK(read(watch, ev, sizeof(ev)) > 0);
	EQUAL(((struct inotify_event *)ev)->mask, IN_MODIFY);
	CHECK(strstr(text(in(b, "cgroup.events")), "populated 1\n"));
	CHECK(strstr(text(in(name, "cgroup.events")), "populated 1\n"));
	CHECK(!strcmp(text(in(name, "cgroup.procs")), ""));
	snprintf(pid, sizeof(pid), "%d", atoi(text(in(b, "cgroup.procs"))));
	CHECK(atoi(pid) > 0);
	CHECK(ends(group_of(pid), "/b"));
	FAILS(EBUSY, rmdir(in(b, "")));
	EQUAL(put(in(name, "cgroup.procs"), pid), 0);
	CHECK(ends(group_of(pid), end));
	CHECK(strstr(text(in(b, "cgroup.events")), "populated 0\n"));
	EQUAL(put(in(b, "cgroup.procs"), pid), 0);
	FAILS(ESRCH, put(in(b, "cgroup.procs"), "4000000"));
	FAILS(EINVAL, put(in(b, "cgroup.procs"), "x"));
	while (read(watch, ev, sizeof(ev)) > 0)
		;
	FAILS(ERANGE, put(in(name, "cgroup.kill"), "2"));
	EQUAL(put(in(name, "cgroup.kill"), "1"), 0);
	EQUAL(poll(&p, 1, T_GUARD_MS), 1);
	AWAIT(strstr(text(in(b, "cgroup.events")), "populated 0\n"));
	EQUAL(rmdir(in(b, "")), 0);
	FAILS(ENOENT, open(in(b, "cgroup.procs"), O_RDONLY));
}

static void into(const char *name)
{
	struct clone_args a = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	int dir = open(in(name, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
	char end[64];
	pid_t child;

	snprintf(end, sizeof(end), "/%s", name);
	a.cgroup = (uint64_t)dir;
	child = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (!child)
		_exit(ends(group_of("self"), end) ? 0 : 1);
	CHECK(child > 0);
	EQUAL(waitpid(child, &status, 0), child);
	EQUAL(status, 0);
	a.cgroup = 1000;
	FAILS(EBADF, syscall(SYS_clone3, &a, sizeof(a)));
	a.cgroup = (uint64_t)open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FAILS(EBADF, syscall(SYS_clone3, &a, sizeof(a)));
	a.cgroup = 1ull << 31;
	FAILS(EINVAL, syscall(SYS_clone3, &a, sizeof(a)));
	a.cgroup = (uint64_t)dir;
	FAILS(EINVAL, syscall(SYS_clone3, &a, 64 /* the first version */));
	close(dir);
}

/* A long name is listed whole, and can be removed. */
static void names(const char *name)
{
	char b[64 + 200], l[201];
	struct dirent *e;
	int found = 0;
	DIR *d;

	memset(l, 'n', 200);
	l[200] = '\0';
	snprintf(b, sizeof(b), "%s/%s", name, l);
	EQUAL(mkdir(in(b, ""), 0755), 0);
	d = opendir(in(name, ""));
	while ((e = readdir(d)))
		found += !strcmp(e->d_name, l) && e->d_type == DT_DIR;
	closedir(d);
	EQUAL(found, 1);
	EQUAL(rmdir(in(b, "")), 0);
}

static void owners(const char *name)
{
	struct stat st;

	EQUAL(stat(in(name, ""), &st), 0);
	EQUAL(st.st_mode, S_IFDIR | 0755);
	EQUAL(chown(in(name, ""), 1000, 1000), 0);
	EQUAL(chown(in(name, "cgroup.procs"), 1000, 1000), 0);
	EQUAL(chmod(in(name, "cgroup.procs"), 0664), 0);
	EQUAL(stat(in(name, "cgroup.procs"), &st), 0);
	EQUAL(st.st_mode, S_IFREG | 0664);
	EQUAL(st.st_uid, 1000);
	FAILS(EPERM, open(in(name, "file"), O_CREAT | O_WRONLY, 0644) < 0 && errno == EACCES ? (errno = EPERM, -1) : -1);
	FAILS(EINVAL, put(in(name, "cgroup.subtree_control"), "nonsense"));
	FAILS(EINVAL, mkdir(in(name, "a\nb"), 0755));
}

T_MAIN
{
	char name[32];

	strcpy(top, "/tmp/cgroup2.XXXXXX");
	CHECK(mkdtemp(top) != NULL);
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", top, "cgroup2", 0, NULL)) {
		rmdir(top);
		exit(77);
	}
	if (!group_of("self")) {
		umount2(top, MNT_DETACH);
		rmdir(top);
		exit(77); /* minirun: no container, no groups */
	}
	snprintf(name, sizeof(name), "test-%.6s", top + sizeof("/tmp/cgroup2"));
	if (mkdir(in(name, ""), 0755)) {
		CHECK(errno == EROFS);
		exit(77);
	}
	into(name); /* before cgroup.kill: Linux 6.18 kills what clone3 then puts there */
	names(name);
	members(name);
	owners(name);
	EQUAL(rmdir(in(name, "")), 0);
	EQUAL(umount2(top, MNT_DETACH), 0);
	EQUAL(rmdir(top), 0);
}
