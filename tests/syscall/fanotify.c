/* SPDX-License-Identifier: Apache-2.0 */
/* fanotify.c: fanotify_init(2), fanotify_mark(2): arguments, marks, events, ids, permission. */
#include "t.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/fanotify.h>

static char dir[] = "/tmp/fanotify-XXXXXX";
static char events[65536];
static ssize_t left;
static struct fanotify_event_metadata *at;

static int init(unsigned int flags, unsigned int event_flags)
{
	return (int)syscall(SYS_fanotify_init, flags, event_flags);
}

static int mark(int fd, unsigned int flags, uint64_t mask, const char *name)
{
	return (int)syscall(SYS_fanotify_mark, fd, flags, mask, AT_FDCWD, name);
}

static void make(const char *name)
{
	close(open(name, O_CREAT | O_WRONLY, 0600));
}

static void look(const char *name)
{
	close(open(name, O_RDONLY));
}

/* The next event's mask, 0: there is none. */
static uint64_t next(int fd)
{
	if (left <= 0) {
		left = read(fd, events, sizeof(events));
		at = (void *)events;
	} else {
		at = (void *)((char *)at + at->event_len);
	}
	if (left <= 0)
		return 0;
	left -= at->event_len;
	CHECK(at->vers == FANOTIFY_METADATA_VERSION && at->metadata_len == sizeof(*at));
	return at->mask;
}

static void expect_file(int fd, uint64_t mask, const char *name)
{
	char link[64], path[128] = "", want[128];
	ssize_t n;

	EQUAL(next(fd), mask);
	if (left < 0)
		return;
	EQUAL(at->pid, getpid());
	snprintf(link, sizeof(link), "/proc/self/fd/%d", at->fd);
	n = readlink(link, path, sizeof(path) - 1);
	CHECK(n > 0);
	snprintf(want, sizeof(want), "%s%s%s", dir, *name ? "/" : "", name);
	if (strcmp(path, want))
		printf("%s, not %s\n", path, want), t_failures++;
	close(at->fd);
}

static void arguments(void)
{
	int fd;

	FAILS(EINVAL, init(0x80000000, 0));
	FAILS(EINVAL, init(0, 3));
	FAILS(EINVAL, init(FAN_CLASS_CONTENT | FAN_REPORT_FID, 0));
	FAILS(EINVAL, init(FAN_REPORT_NAME, 0));
	FAILS(EINVAL, init(FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT, 0));
	fd = init(FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY);
	CHECK(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	FAILS(EINVAL, mark(fd, FAN_MARK_ADD, 0, dir));
	FAILS(EINVAL, mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM, dir));
	FAILS(EINVAL, mark(fd, FAN_MARK_ADD, FAN_CREATE, dir));
	FAILS(EINVAL, mark(fd, FAN_MARK_ADD | FAN_MARK_REMOVE, FAN_OPEN, dir));
	FAILS(EINVAL, mark(fd, FAN_MARK_ADD, 1ull << 40, dir));
	FAILS(EINVAL, mark(0, FAN_MARK_ADD, FAN_OPEN, dir));
	FAILS(EBADF, mark(-1, FAN_MARK_ADD, FAN_OPEN, dir));
	FAILS(ENOENT, mark(fd, FAN_MARK_ADD, FAN_OPEN, "/tmp/no such thing"));
	FAILS(ENOENT, mark(fd, FAN_MARK_REMOVE, FAN_OPEN, dir));
	FAILS(EFAULT, mark(fd, FAN_MARK_ADD, FAN_OPEN, BAD_PTR));
	FAILS(EAGAIN, read(fd, events, sizeof(events)));
	FAILS(EINVAL, write(fd, events, 8));
	close(fd);
}

static void with_files(void)
{
	int fd = init(FAN_NONBLOCK, O_RDONLY), f;
	char c;

	make("file");
	CHECK(mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_MODIFY | FAN_ACCESS | FAN_CLOSE | FAN_EVENT_ON_CHILD, ".") == 0);
	f = open("file", O_RDWR);
	expect_file(fd, FAN_OPEN, "file");
	CHECK(write(f, "xy", 2) == 2);
	CHECK(pread(f, &c, 1, 0) == 1);
	close(f);
	FAILS(EINVAL, read(fd, events, 8));
	expect_file(fd, FAN_MODIFY | FAN_ACCESS | FAN_CLOSE_WRITE, "file"); /* merged */
	EQUAL(next(fd), 0);
	look("file");
	expect_file(fd, FAN_OPEN | FAN_CLOSE_NOWRITE, "file");
	closedir(opendir(".")); /* no FAN_ONDIR */
	EQUAL(next(fd), 0);
	CHECK(mark(fd, FAN_MARK_ADD, FAN_ONDIR, ".") == 0);
	closedir(opendir("."));
	expect_file(fd, FAN_OPEN | FAN_CLOSE_NOWRITE, "");
	/* Ignoring, until it changes. */
	CHECK(mark(fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN | FAN_CLOSE, "file") == 0);
	look("file");
	EQUAL(next(fd), 0);
	f = open("file", O_WRONLY);
	CHECK(write(f, "z", 1) == 1);
	close(f);
	expect_file(fd, FAN_MODIFY | FAN_CLOSE_WRITE, "file");
	look("file");
	expect_file(fd, FAN_OPEN | FAN_CLOSE_NOWRITE, "file");
	CHECK(mark(fd, FAN_MARK_FLUSH, 0, ".") == 0);
	look("file");
	EQUAL(next(fd), 0);
	/* Two marks, one event; a mark on the mount. */
	CHECK(mark(fd, FAN_MARK_ADD, FAN_OPEN, "file") == 0);
	CHECK(mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CLOSE_WRITE, ".") == 0);
	f = open("file", O_WRONLY);
	close(f);
	expect_file(fd, FAN_OPEN | FAN_CLOSE_WRITE, "file");
	unlink("file");
	close(fd);
}

static void with_ids(void)
{
	struct fanotify_event_info_fid *info;
	int fd = init(FAN_NONBLOCK | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, O_RDONLY);
	struct { struct file_handle h; char bytes[128]; } h = { .h.handle_bytes = 128 };
	struct file_handle *got;
	int id;

	CHECK(fd >= 0);
	if (mark(fd, FAN_MARK_ADD, FAN_CREATE | FAN_DELETE | FAN_MOVE | FAN_ATTRIB | FAN_EVENT_ON_CHILD | FAN_ONDIR,
		 ".") < 0 && (errno == ENODEV || errno == EOPNOTSUPP)) {
		close(fd);
		return; /* a file system without ids */
	}
	make("a");
	EQUAL(next(fd), FAN_CREATE);
	EQUAL(at->fd, FAN_NOFD);
	info = (void *)(at + 1);
	EQUAL(info->hdr.info_type, FAN_EVENT_INFO_TYPE_DFID_NAME);
	EQUAL(info->hdr.len + sizeof(*at), at->event_len);
	got = (void *)info->handle;
	CHECK(!strcmp((char *)got->f_handle + got->handle_bytes, "a"));
	if (name_to_handle_at(AT_FDCWD, ".", &h.h, &id, 0) == 0) {
		EQUAL(got->handle_bytes, h.h.handle_bytes);
		EQUAL(got->handle_type, h.h.handle_type);
		CHECK(!memcmp(got->f_handle, h.h.f_handle, h.h.handle_bytes));
	}
	CHECK(chmod("a", 0644) == 0);
	EQUAL(next(fd), FAN_ATTRIB);
	CHECK(rename("a", "b") == 0);
	EQUAL(next(fd), FAN_MOVED_FROM);
	EQUAL(next(fd), FAN_MOVED_TO);
	CHECK(mkdir("d", 0700) == 0);
	EQUAL(next(fd), FAN_CREATE | FAN_ONDIR);
	CHECK(rmdir("d") == 0);
	EQUAL(next(fd), FAN_DELETE | FAN_ONDIR);
	CHECK(unlink("b") == 0);
	while (next(fd))
		if (at->mask & FAN_DELETE)
			break;
	EQUAL(at->mask & FAN_DELETE, FAN_DELETE);
	close(fd);
	left = 0;
}

static int opened[2];

static void *opener(void *arg)
{
	(void)arg;
	for (int n = 0; n < 2; n++) {
		int f = open("file", O_RDONLY);

		opened[n] = f < 0 ? errno : 0;
		close(f);
	}
	return NULL;
}

static void permission(void)
{
	int fd = init(FAN_CLASS_CONTENT, O_RDONLY);
	struct fanotify_response r;
	pthread_t t;

	make("file");
	if (mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM, "file") < 0) {
		close(fd);
		return;
	}
	CHECK(pthread_create(&t, NULL, opener, NULL) == 0);
	for (int n = 0; n < 2; n++) {
		EQUAL(next(fd), FAN_OPEN_PERM);
		r = (struct fanotify_response){ .fd = at->fd, .response = n ? FAN_DENY : FAN_ALLOW };
		if (n == 0) {
			struct fanotify_response bad = { .fd = at->fd, .response = 77 };

			FAILS(EINVAL, write(fd, &bad, sizeof(bad)));
			bad = (struct fanotify_response){ .fd = 999, .response = FAN_ALLOW };
			FAILS(ENOENT, write(fd, &bad, sizeof(bad)));
		}
		EQUAL(write(fd, &r, sizeof(r)), sizeof(r));
		close(r.fd);
	}
	pthread_join(t, NULL);
	EQUAL(opened[0], 0);
	EQUAL(opened[1], EPERM);
	/* Who waits when the group goes may go on. */
	CHECK(pthread_create(&t, NULL, opener, NULL) == 0);
	t_sleep_ms(50);
	close(fd);
	pthread_join(t, NULL);
	EQUAL(opened[0], 0);
	EQUAL(opened[1], 0);
	unlink("file");
}

static int without_rights(void)
{
	int fd;

	CHECK(setresuid(1, 1, 1) == 0);
	FAILS(EPERM, init(0, 0));
	FAILS(EPERM, init(FAN_REPORT_FID | FAN_UNLIMITED_QUEUE, 0));
	fd = init(FAN_REPORT_FID | FAN_NONBLOCK, 0);
	CHECK(fd >= 0);
	FAILS(EPERM, mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, "/"));
	return t_failures != 0;
}

T_MAIN
{
	if (init(0, 0) < 0)
		exit(77); /* no rights, or a kernel without it */
	CHECK(mkdtemp(dir) != NULL && chdir(dir) == 0);
	arguments();
	with_files();
	with_ids();
	permission();
	EQUAL(t_wait(t_fork(without_rights)), 0);
	CHECK(rmdir(dir) == 0);
}
