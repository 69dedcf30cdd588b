// SPDX-License-Identifier: Apache-2.0
/* landlock.c: rulesets, what a domain allows below a directory, inheritance, layers, ports, scopes. */
#include "t.h"

#include <arpa/inet.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#define OK(expr) EQUAL(expr, 0)

#define EXECUTE (1ull << 0)
#define WRITE_FILE (1ull << 1)
#define READ_FILE (1ull << 2)
#define READ_DIR (1ull << 3)
#define REMOVE_DIR (1ull << 4)
#define REMOVE_FILE (1ull << 5)
#define MAKE_DIR (1ull << 7)
#define MAKE_REG (1ull << 8)
#define MAKE_FIFO (1ull << 10)
#define MAKE_SYM (1ull << 12)
#define REFER (1ull << 13)
#define TRUNCATE (1ull << 14)
#define IOCTL_DEV (1ull << 15)
#define BIND_TCP 1ull
#define CONNECT_TCP 2ull

struct attr { uint64_t fs, net, scoped; };
struct path_rule { uint64_t access; int32_t fd; } __attribute__((packed));
struct port_rule { uint64_t access, port; };

static char base[] = "/tmp/landlock-XXXXXX";

static int create(const struct attr *a, size_t size, unsigned int flags)
{
	return (int)syscall(444, a, size, flags);
}

static int ruleset(uint64_t fs, uint64_t net, uint64_t scoped)
{
	struct attr a = { fs, net, scoped };

	return create(&a, sizeof(a), 0);
}

static int add_path(int rs, const char *path, uint64_t access)
{
	struct path_rule r = { access, open(path, O_PATH | O_CLOEXEC) };
	int err = (int)syscall(445, rs, 1, &r, 0);

	close(r.fd);
	return err;
}

static int add_port(int rs, uint64_t port, uint64_t access)
{
	struct port_rule r = { access, port };

	return (int)syscall(445, rs, 2, &r, 0);
}

static int restrict_self(int rs)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(446, rs, 0);
}

static const char *at(const char *name)
{
	static char buf[4][128];
	static int n;

	n = (n + 1) % 4;
	snprintf(buf[n], sizeof(buf[n]), "%s/%s", base, name);
	return buf[n];
}

/* Run fn in a child; its failed checks count here. */
static void in_child(void (*fn)(void))
{
	int status = -1;
	pid_t p = fork();

	if (p == 0) {
		fn();
		fflush(stdout);
		_exit(t_failures ? 1 : 0);
	}
	CHECK(waitpid(p, &status, 0) == p && status == 0);
}

static int can_open(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void arguments(void)
{
	struct attr a = { READ_FILE, 0, 0 };
	struct path_rule r = { READ_FILE, -1 };
	int rs, p[2];

	CHECK(create(NULL, 0, 1) >= 4);
	FAILS(EINVAL, create(&a, sizeof(a), 1));
	FAILS(EINVAL, create(NULL, 0, 0x80));
	FAILS(EFAULT, create(NULL, sizeof(a), 0));
	FAILS(EINVAL, create(&a, 4, 0));
	FAILS(E2BIG, create(&a, 8192, 0));
	FAILS(ENOMSG, ruleset(0, 0, 0));
	FAILS(EINVAL, ruleset(1ull << 40, 0, 0));
	FAILS(EINVAL, ruleset(0, 1ull << 40, 0));
	FAILS(EINVAL, ruleset(0, 0, 1ull << 40));
	rs = create(&a, 8, 0);
	CHECK(rs >= 0);
	CHECK((fcntl(rs, F_GETFD) & FD_CLOEXEC) == FD_CLOEXEC);
	FAILS(EINVAL, syscall(445, rs, 1, &r, 1));
	FAILS(EINVAL, syscall(445, rs, 3, &r, 0));
	FAILS(EFAULT, syscall(445, rs, 1, NULL, 0));
	FAILS(EBADF, syscall(445, -1, 1, &r, 0));
	FAILS(EBADFD, syscall(445, 0, 1, &r, 0));
	FAILS(EBADF, syscall(445, rs, 1, &r, 0));
	FAILS(ENOMSG, add_path(rs, base, 0));
	FAILS(EINVAL, add_path(rs, base, WRITE_FILE));
	OK(add_path(rs, base, READ_FILE));
	FAILS(EINVAL, add_port(rs, 80, BIND_TCP));
	OK(pipe(p));
	r.fd = p[0];
	FAILS(EBADFD, syscall(445, rs, 1, &r, 0));
	FAILS(EINVAL, syscall(446, rs, 0x80));
	FAILS(EBADFD, syscall(446, 0, 0));
	close(rs);
	rs = ruleset(READ_DIR, BIND_TCP, 0);
	FAILS(EINVAL, add_path(rs, at("a/file"), READ_DIR));
	FAILS(EINVAL, add_port(rs, 65536, BIND_TCP));
	FAILS(EINVAL, add_port(rs, 80, CONNECT_TCP));
	close(rs);
}

static void reading(void)
{
	int rs = ruleset(READ_FILE | WRITE_FILE | READ_DIR, 0, 0), old = open(at("b/file"), O_RDWR);
	char c;

	OK(add_path(rs, at("a"), READ_FILE | READ_DIR));
	OK(add_path(rs, at("b/w"), WRITE_FILE));
	OK(restrict_self(rs));
	CHECK(can_open(at("a/file"), O_RDONLY) == 0);
	CHECK(can_open(at("a/file"), O_WRONLY) == -EACCES);
	CHECK(can_open(at("a/file"), O_RDWR) == -EACCES);
	CHECK(can_open(at("a/file"), O_PATH) == 0);
	CHECK(can_open(at("a"), O_RDONLY) == 0);
	CHECK(can_open(at("b"), O_RDONLY) == -EACCES);
	CHECK(can_open(at("b/file"), O_RDONLY) == -EACCES);
	CHECK(can_open(at("b/w"), O_WRONLY) == 0);
	CHECK(can_open(at("b/w"), O_RDONLY) == -EACCES);
	CHECK(can_open(at("b/nothing"), O_RDONLY) == -ENOENT);
	CHECK(can_open("/", O_RDONLY) == -EACCES);
	CHECK(write(old, "x", 1) == 1 && pread(old, &c, 1, 0) == 1); /* what was open stays usable */
	CHECK(access(at("b/file"), R_OK) == 0); /* not handled */
	{
		char self[32];

		snprintf(self, sizeof(self), "/proc/self/fd/%d", old);
		CHECK(can_open(self, O_RDONLY) == -EACCES);
	}
	FAILS(EEXIST, mkdir(at("a/file"), 0700));
	OK(mkdir(at("b/made"), 0700)); /* not handled either */
	OK(rmdir(at("b/made")));
	if (fork() == 0)
		_exit(can_open(at("b/file"), O_RDONLY) == -EACCES ? 0 : 1);
	{
		int status = -1;

		wait(&status);
		CHECK(status == 0);
	}
	CHECK(memfd_create("x", 0) >= 0);
	{
		int m = memfd_create("m", 0);
		char self[32];

		snprintf(self, sizeof(self), "/proc/self/fd/%d", m);
		CHECK(m >= 0);
	}
}

static void making(void)
{
	int rs = ruleset(MAKE_DIR | MAKE_REG | MAKE_SYM | MAKE_FIFO | REMOVE_DIR | REMOVE_FILE, 0, 0);

	OK(add_path(rs, at("a"), MAKE_DIR | MAKE_REG | REMOVE_FILE));
	OK(restrict_self(rs));
	OK(mkdir(at("a/d"), 0700));
	FAILS(EACCES, rmdir(at("a/d")));
	FAILS(ENOENT, rmdir(at("a/none")));
	CHECK(can_open(at("a/d/new"), O_CREAT | O_EXCL | O_WRONLY) == 0);
	OK(unlink(at("a/d/new")));
	FAILS(EACCES, symlink("x", at("a/s")));
	FAILS(EACCES, mkfifo(at("a/f"), 0600));
	FAILS(EACCES, mkdir(at("b/d"), 0700));
	FAILS(EEXIST, mkdir(at("b"), 0700));
	CHECK(can_open(at("b/new"), O_CREAT | O_WRONLY) == -EACCES);
	CHECK(can_open(at("b/file"), O_CREAT | O_WRONLY) == 0);
	FAILS(EACCES, unlink(at("b/file")));
	FAILS(ENOENT, unlink(at("b/none")));
	/* Without REFER nothing moves to another directory. */
	OK(rename(at("a/file"), at("a/file2")));
	OK(rename(at("a/file2"), at("a/file")));
	FAILS(EXDEV, rename(at("a/file"), at("a/d/file")));
	FAILS(EACCES, rename(at("a/file"), at("b/file9")));
	FAILS(EXDEV, link(at("a/file"), at("a/d/file")));
	OK(link(at("a/file"), at("a/file2")));
	OK(unlink(at("a/file2")));
	FAILS(EACCES, rename(at("b/file"), at("b/file2")));
}

static void referring(void)
{
	uint64_t all = READ_FILE | MAKE_REG | REMOVE_FILE | REFER;
	int rs = ruleset(all | WRITE_FILE | EXECUTE, 0, 0);

	OK(add_path(rs, at("a"), all));
	OK(add_path(rs, at("b"), all | WRITE_FILE));
	OK(add_path(rs, at("c"), MAKE_REG | REFER));
	OK(restrict_self(rs));
	FAILS(EXDEV, rename(at("a/file"), at("b/moved")));  /* it could be written there */
	OK(rename(at("b/w"), at("a/moved")));
	FAILS(EXDEV, rename(at("a/moved"), at("b/w")));
	OK(link(at("a/moved"), at("c/moved")));           /* less there */
	FAILS(EACCES, rename(at("c/moved"), at("a/again"))); /* REMOVE_FILE */
	FAILS(EXDEV, link(at("c/moved"), at("a/again")));
	FAILS(EXDEV, syscall(SYS_renameat2, AT_FDCWD, at("a/moved"), AT_FDCWD, at("b/file"), RENAME_EXCHANGE));
	OK(link(at("a/moved"), at("a/again")));
}

static void truncating(void)
{
	int rs = ruleset(TRUNCATE | IOCTL_DEV, 0, 0), fd, zero, n;

	OK(add_path(rs, at("a"), TRUNCATE));
	fd = open(at("b/file"), O_RDWR);
	OK(restrict_self(rs));
	OK(truncate(at("a/file"), 3));
	FAILS(EACCES, truncate(at("b/file"), 3));
	OK(ftruncate(fd, 3));
	close(fd);
	CHECK(can_open(at("b/file"), O_WRONLY | O_TRUNC) == -EACCES);
	CHECK(can_open(at("a/file"), O_WRONLY | O_TRUNC) == 0);
	fd = open(at("b/file"), O_RDWR);
	CHECK(fd >= 0);
	FAILS(EACCES, ftruncate(fd, 1));
	CHECK(can_open(at("b/new"), O_CREAT | O_TRUNC | O_WRONLY) == 0);
	unlink(at("b/new"));
	zero = open("/dev/zero", O_RDWR);
	FAILS(EACCES, ioctl(zero, TIOCGWINSZ, &n));
	FAILS(EACCES, ioctl(zero, FIONREAD, &n));
	OK(ioctl(zero, FIOCLEX));
}

static void layers(void)
{
	int rs;

	rs = ruleset(READ_FILE, 0, 0);
	OK(add_path(rs, at("a"), READ_FILE));
	OK(add_path(rs, at("b"), READ_FILE));
	OK(restrict_self(rs));
	close(rs);
	CHECK(can_open(at("a/file"), O_RDONLY) == 0 && can_open(at("b/file"), O_RDONLY) == 0);
	rs = ruleset(READ_FILE, 0, 0);
	OK(add_path(rs, at("a"), READ_FILE));
	FAILS(EINVAL, add_path(rs, base, READ_DIR));
	OK(restrict_self(rs));
	/* A ruleset that changes after it was used changes nothing. */
	OK(add_path(rs, "/", READ_FILE));
	CHECK(can_open(at("a/file"), O_RDONLY) == 0);
	CHECK(can_open(at("b/file"), O_RDONLY) == -EACCES);
	OK(restrict_self(rs));
	CHECK(can_open(at("b/file"), O_RDONLY) == -EACCES);
	for (int n = 3; n < 16; n++)
		OK(restrict_self(rs));
	FAILS(E2BIG, restrict_self(rs));
}

static void executing(void)
{
	int rs = ruleset(EXECUTE, 0, 0), status = -1;
	char *argv[] = { (char *)"x", (char *)"again", NULL };
	pid_t p;

	OK(restrict_self(rs));
	p = fork();
	if (p == 0) {
		execv("/proc/self/exe", argv);
		_exit(errno == EACCES ? 7 : 8);
	}
	CHECK(waitpid(p, &status, 0) == p && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static int tcp(uint16_t port, int (*op)(int, const struct sockaddr *, socklen_t), int family)
{
	struct sockaddr_in in = { .sin_family = (sa_family_t)family, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	in.sin_addr.s_addr = htonl(family == AF_UNSPEC ? INADDR_ANY : INADDR_LOOPBACK);
	err = op(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static void ports(void)
{
	int rs = ruleset(0, BIND_TCP | CONNECT_TCP, 0), udp;
	struct sockaddr_in in = { .sin_family = AF_INET };

	OK(add_port(rs, 40991, BIND_TCP));
	OK(add_port(rs, 40992, CONNECT_TCP));
	OK(restrict_self(rs));
	CHECK(tcp(40991, bind, AF_INET) == 0);
	CHECK(tcp(40992, bind, AF_INET) == -EACCES);
	CHECK(tcp(0, bind, AF_INET) == -EACCES);
	CHECK(tcp(40991, connect, AF_INET) == -EACCES);
	CHECK(tcp(40992, connect, AF_INET) == -ECONNREFUSED);
	CHECK(tcp(40992, bind, AF_UNSPEC) == -EACCES);
	CHECK(tcp(40992, bind, AF_INET6) == -EINVAL);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	OK(bind(udp, (struct sockaddr *)&in, sizeof(in)));
	CHECK(can_open(at("b/file"), O_RDWR) == 0);
	OK(rename(at("b/file"), at("a/elsewhere"))); /* no layer about files */
	OK(rename(at("a/elsewhere"), at("b/file")));
}

static void scopes(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t size;
	int outside = socket(AF_UNIX, SOCK_STREAM, 0), inside, c, rs, status;
	pid_t parent = getppid(), p;

	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   snprintf(un.sun_path + 1, 60, "landlock-%d", getpid()));
	OK(bind(outside, (struct sockaddr *)&un, size));
	OK(listen(outside, 5));
	rs = ruleset(0, 0, 3);
	if (rs < 0)
		return; /* before ABI 6 */
	OK(restrict_self(rs));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	FAILS(EPERM, connect(c, (struct sockaddr *)&un, size));
	un.sun_path[1] = 'L';
	inside = socket(AF_UNIX, SOCK_STREAM, 0);
	OK(bind(inside, (struct sockaddr *)&un, size));
	OK(listen(inside, 5));
	OK(connect(c, (struct sockaddr *)&un, size));
	FAILS(EPERM, kill(parent, 0));
	OK(kill(getpid(), 0));
	p = fork();
	if (p == 0)
		_exit(kill(getppid(), 0) == 0 ? 0 : 1);
	CHECK(waitpid(p, &status, 0) == p && status == 0);
}

static void tracing(void)
{
	int rs = ruleset(READ_FILE, 0, 0), status;
	pid_t parent = getppid(), p;

	OK(restrict_self(rs));
	FAILS(EPERM, ptrace(PTRACE_ATTACH, parent, 0, 0));
	p = fork();
	if (p == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : 1);
	CHECK(waitpid(p, &status, 0) == p && status == 0);
}

static void traceme_of_outside(void)
{
	/* The parent is in no domain: it may trace. */
	int rs = ruleset(READ_FILE, 0, 0);

	OK(restrict_self(rs));
	OK(ptrace(PTRACE_TRACEME, 0, 0, 0));
}

static void files_again(void)
{
	static const char *const names[] = { "a/file", "b/file", "b/w", "c/file" };

	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
		int fd = open(at(names[n]), O_CREAT | O_TRUNC | O_WRONLY, 0600);

		CHECK(fd >= 0 && write(fd, "hello", 5) == 5);
		close(fd);
	}
}

T_MAIN
{
	static void (*const parts[])(void) = { arguments, reading, making, referring, truncating, layers,
					       executing, ports, scopes, tracing, traceme_of_outside };
	static const char *const left[] = { "a/file", "a/d", "a/moved", "a/again", "b/file", "b/w", "c/file",
					    "c/moved", "a", "b", "c" };

	if (create(NULL, 0, 1) < 4)
		exit(77); /* a kernel without it, or before 6.7 */
	CHECK(mkdtemp(base) != NULL);
	OK(mkdir(at("a"), 0700));
	OK(mkdir(at("b"), 0700));
	OK(mkdir(at("c"), 0700));
	for (size_t n = 0; n < sizeof(parts) / sizeof(*parts); n++) {
		files_again();
		in_child(parts[n]);
	}
	for (size_t n = 0; n < sizeof(left) / sizeof(*left); n++)
		(void)remove(at(left[n]));
	OK(rmdir(base));
}
