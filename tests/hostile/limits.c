/* SPDX-License-Identifier: Apache-2.0 */
/* Using up what the limits give: descriptors of all kinds, argv, symlinks, rights that hold rights. */
#include "h.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static int kind;

static void fill(void)
{
	int fds[2], n = 0, r;

	for (;;) {
		switch (kind) {
		case 0: r = pipe(fds); if (r == 0) (void)!write(fds[1], "x", 1); break;
		case 1: r = socketpair(AF_UNIX, SOCK_STREAM, 0, fds); break;
		case 2: r = socket(AF_INET, SOCK_STREAM, 0); break;
		case 3: r = epoll_create1(0); break;
		case 4: r = eventfd(0, 0); break;
		case 5: r = timerfd_create(CLOCK_MONOTONIC, 0); break;
		case 6: r = inotify_init(); break;
		case 7: r = open("/tmp", O_TMPFILE | O_RDWR, 0600); break;
		case 8: r = open("/proc/self/maps", O_RDONLY); break;
		case 9: r = open("/dev/ptmx", O_RDWR); break;
		case 10: r = (int)syscall(SYS_memfd_create, "x", 0); break;
		default: r = socket(AF_INET6, SOCK_DGRAM, 0); break;
		}
		if (r < 0)
			break;
		n++;
	}
	CHECK(errno == EMFILE || errno == ENOSYS || errno == EINVAL || errno == ENFILE || errno == ENOSPC ||
	      errno == EOPNOTSUPP || errno == EIO || errno == EAFNOSUPPORT);
	CHECK(n > 50 || errno != EMFILE);
}

/* Sockets that carry each other. */
static int send_fd(int via, int fd)
{
	char c = 'x', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	return (int)sendmsg(via, &m, MSG_DONTWAIT);
}

static void rights(void)
{
	int a[2], b[2];

	for (int i = 0; i < 3000; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, a) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, b) < 0) {
			CHECK(false);
			return;
		}
		(void)send_fd(a[0], a[1]);
		(void)send_fd(a[0], a[0]);
		(void)send_fd(b[0], b[1]);
		(void)send_fd(b[0], a[1]);
		(void)send_fd(a[0], b[1]);
		close(a[0]);
		close(a[1]);
		close(b[0]);
		close(b[1]);
	}
	/* A chain: each holds the one before. */
	int last = -1;
	for (int i = 0; i < 5000; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) < 0)
			break;
		if (last >= 0)
			(void)send_fd(a[0], last);
		close(last);
		close(a[0]);
		last = a[1];
	}
	close(last);
}

/* Epolls in epolls: as deep as it goes, and in circles. */
static void epolls(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int prev = epoll_create1(0), first = prev, fd, n;

	for (n = 0; n < 20; n++) {
		fd = epoll_create1(0);
		if (epoll_ctl(fd, EPOLL_CTL_ADD, prev, &e) < 0)
			break;
		prev = fd;
	}
	CHECK(n < 10);
	CHECK(epoll_ctl(first, EPOLL_CTL_ADD, prev, &e) < 0);
	CHECK(epoll_ctl(first, EPOLL_CTL_ADD, first, &e) < 0 && errno == EINVAL);
}

static void argv_huge(void)
{
	size_t n = 100000;
	char **argv = calloc(n + 1, sizeof(char *)), *big = malloc(3 << 20);
	char *two[] = { "x", big, NULL }, *none[] = { NULL };

	memset(big, 'a', (3 << 20) - 1);
	big[(3 << 20) - 1] = 0;
	for (size_t i = 0; i < n; i++)
		argv[i] = (char *)"a string of some length that is repeated very often";
	CHECK(execve("/proc/self/exe", argv, none) < 0 && errno == E2BIG);
	CHECK(execve("/proc/self/exe", two, none) < 0 && errno == E2BIG);
	CHECK(execve("/proc/self/exe", (char **)8, none) < 0 && errno == EFAULT);
	argv[3] = (char *)16;
	argv[5] = NULL;
	CHECK(execve("/proc/self/exe", argv, none) < 0 && errno == EFAULT);
	CHECK(execve((char *)1, none, none) < 0 && errno == EFAULT);
	memset(big, '/', 5000);
	big[5000] = 0;
	CHECK(open(big, O_RDONLY) < 0 && errno == ENAMETOOLONG);
}

static void symlinks(void)
{
	char a[64], b[64];

	mkdir("/tmp/l", 0700);
	CHECK(chdir("/tmp/l") == 0);
	CHECK(symlink("b", "a") == 0 && symlink("a", "b") == 0);
	CHECK(open("a", O_RDONLY) < 0 && errno == ELOOP);
	CHECK(symlink("self/self/self/self/self/self/self/self", "self") == 0);
	CHECK(open("self", O_RDONLY) < 0 && errno == ELOOP);
	for (int i = 0; i < 60; i++) {
		snprintf(a, sizeof(a), "n%d", i);
		snprintf(b, sizeof(b), "n%d", i + 1);
		CHECK(symlink(b, a) == 0);
	}
	CHECK(open("n0", O_RDONLY) < 0 && errno == ELOOP);
	for (int i = 0; i < 60; i++) {
		snprintf(a, sizeof(a), "n%d", i);
		unlink(a);
	}
	unlink("a");
	unlink("b");
	unlink("self");
	CHECK(chdir("/") == 0 && rmdir("/tmp/l") == 0);
}

/* Directories in directories: deep, then removed from inside. */
static void deep(void)
{
	int n;

	CHECK(chdir("/tmp") == 0);
	for (n = 0; n < 3000; n++) {
		if (mkdir("d", 0700) < 0 || chdir("d") < 0)
			break;
	}
	char buf[4096];
	(void)!getcwd(buf, sizeof(buf));
	while (n-- > 0) {
		CHECK(chdir("..") == 0);
		CHECK(rmdir("d") == 0);
	}
}

/* Vectors with lengths that overflow, counts that are too high. */
static void vectors(void)
{
	struct iovec v[1024];
	char c = 0;
	int p[2];

	CHECK(pipe(p) == 0);
	for (int i = 0; i < 1024; i++)
		v[i] = (struct iovec){ &c, SIZE_MAX };
	CHECK(writev(p[1], v, 1024) < 0 && errno == EINVAL);
	CHECK(writev(p[1], v, 1025) < 0 && errno == EINVAL);
	CHECK(writev(p[1], v, -1) < 0 && errno == EINVAL);
	CHECK(writev(p[1], (struct iovec *)8, 3) < 0 && errno == EFAULT);
	for (int i = 0; i < 1024; i++)
		v[i] = (struct iovec){ (void *)8, 10 };
	CHECK(writev(p[1], v, 1024) < 0 && errno == EFAULT);
	CHECK(write(p[1], (void *)-4096, 10) < 0 && errno == EFAULT);
	CHECK(write(p[1], "x", 1) == 1);
	CHECK(read(p[0], (void *)8, 1) < 0 && errno == EFAULT);
	CHECK(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
	CHECK(read(p[0], &c, 1) == 1); /* a bad pointer consumes nothing */
}

/* A file sized to the end of the world, written at its end. */
static void offsets(void)
{
	int fd = open("/tmp/o", O_CREAT | O_RDWR, 0600);

	CHECK(ftruncate(fd, -1) < 0 && errno == EINVAL);
	(void)!ftruncate(fd, INT64_MAX);
	CHECK(pwrite(fd, "x", 1, -1) < 0 && errno == EINVAL);
	(void)!pwrite(fd, "xy", 2, INT64_MAX - 1);
	(void)!lseek(fd, INT64_MAX, SEEK_SET);
	(void)!write(fd, "xy", 2);
	CHECK(lseek(fd, -5, SEEK_SET) < 0);
	(void)fallocate(fd, 0, INT64_MAX - 10, 10);
	(void)fallocate(fd, 3, 0, INT64_MAX);
	CHECK(mmap(NULL, SIZE_MAX & ~4095ul, 1, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK(mmap(NULL, 4096, 1, MAP_SHARED, fd, (off_t)0x7ffffffffffff000) == MAP_FAILED || true);
	close(fd);
	unlink("/tmp/o");
}

/* Locks on what is no file, and locks that are got while the descriptor is closed. */
static void *lock_waiter(void *arg)
{
	struct flock l = { .l_type = F_WRLCK };

	(void)fcntl(*(int *)arg, F_SETLKW, &l);
	return NULL;
}

static void locks(void)
{
	struct flock l = { .l_type = F_WRLCK };
	int p[2], sv[2], e = eventfd(0, 0), ep = epoll_create1(0), fd;
	pthread_t t;
	pid_t pid;

	CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	(void)flock(p[0], LOCK_EX);
	(void)flock(p[1], LOCK_SH | LOCK_NB);
	(void)flock(sv[0], LOCK_EX | LOCK_NB);
	(void)flock(e, LOCK_EX | LOCK_NB);
	(void)flock(ep, LOCK_EX | LOCK_NB);
	(void)fcntl(p[1], F_SETLK, &l);
	(void)fcntl(sv[0], F_SETLK, &l);
	(void)fcntl(e, 37, &l); /* F_OFD_SETLK */
	(void)fcntl(ep, 37, &l);
	for (int i = 3; i < 30; i++)
		close(i);
	for (int i = 0; i < 20; i++) {
		fd = open("/tmp/lock", O_CREAT | O_RDWR, 0600);
		pid = fork();
		if (pid == 0) {
			CHECK(fcntl(fd, F_SETLK, &l) == 0);
			nap(0.01);
			_exit(0);
		}
		nap(0.003);
		CHECK(pthread_create(&t, NULL, lock_waiter, &fd) == 0);
		nap(0.002);
		unlink("/tmp/lock");
		close(fd);
		CHECK(end_of(pid, GUARD) == 0);
		pthread_join(t, NULL);
	}
}

int main(void)
{
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1000, 1000 });
	for (kind = 0; kind < 12; kind++)
		attack("filling the table", fill, 20);
	CHECK(WIFEXITED(attack("rights in rights", rights, GUARD)));
	CHECK(attack("epolls in epolls", epolls, GUARD) == 0);
	CHECK(attack("huge argv", argv_huge, GUARD) == 0);
	CHECK(attack("symlinks", symlinks, GUARD) == 0);
	CHECK(attack("deep directories", deep, GUARD) == 0);
	CHECK(attack("vectors", vectors, GUARD) == 0);
	CHECK(attack("locks", locks, GUARD) == 0);
	CHECK(attack("offsets", offsets, GUARD) == 0);
	return failures != 0;
}
