/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp.c: seccomp(2) and prctl(PR_SET_SECCOMP): every action, precedence, TSYNC, notification. */
#include "t.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <ucontext.h>

#define NR   offsetof(struct seccomp_data, nr)
#define ARG0 offsetof(struct seccomp_data, args[0])

static int seccomp(unsigned int op, unsigned int flags, void *arg)
{
	return (int)syscall(SYS_seccomp, op, flags, arg);
}

/* A filter that answers `answer` to call nr, and allows the rest. */
static int install(int nr, uint32_t answer, unsigned int flags)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { 4, f };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return seccomp(SECCOMP_SET_MODE_FILTER, flags, &p);
}

static int load(struct sock_filter *f, int n)
{
	struct sock_fprog p = { (unsigned short)n, f };

	return seccomp(SECCOMP_SET_MODE_FILTER, 0, &p);
}

static int status_of(const char *key)
{
	char line[256];
	int v = -1;
	FILE *s = fopen("/proc/self/status", "r");

	while (s && fgets(line, sizeof(line), s))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			v = atoi(line + strlen(key) + 1);
	if (s)
		fclose(s);
	return v;
}

/* Each part runs in a child, as filters stay. */
static int run(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		t_failures = 0;
		fn();
		_exit(t_failures ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void bad_programs(void)
{
	struct sock_filter no_ret[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR) };
	struct sock_filter unaligned[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),
					   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_filter beyond[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64),
					BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_filter half[] = { BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
				      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_filter jump[] = { BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0),
				      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_filter div0[] = { BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
				      BPF_STMT(BPF_RET | BPF_A, 0) };
	struct sock_filter uninit[] = { BPF_STMT(BPF_LD | BPF_MEM, 3),
					BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_filter ret_x[] = { BPF_STMT(BPF_RET | BPF_X, 0) };
	struct sock_filter mod[] = { BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3),
				     BPF_STMT(BPF_RET | BPF_A, 0) };
	struct sock_fprog empty = { 0, no_ret };
	struct sock_fprog bad = { 1, BAD_PTR };
	uint32_t action = SECCOMP_RET_TRAP;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	FAILS(EINVAL, load(no_ret, 1));
	FAILS(EINVAL, load(unaligned, 2));
	FAILS(EINVAL, load(beyond, 2));
	FAILS(EINVAL, load(half, 2));
	FAILS(EINVAL, load(jump, 2));
	FAILS(EINVAL, load(div0, 2));
	FAILS(EINVAL, load(uninit, 2));
	FAILS(EINVAL, load(ret_x, 1));
	FAILS(EINVAL, load(mod, 2));
	FAILS(EINVAL, seccomp(SECCOMP_SET_MODE_FILTER, 0, &empty));
	FAILS(EFAULT, seccomp(SECCOMP_SET_MODE_FILTER, 0, &bad));
	FAILS(EFAULT, seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL));
	FAILS(EINVAL, seccomp(SECCOMP_SET_MODE_FILTER, 1 << 20, &bad));
	FAILS(EINVAL, seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &bad));
	FAILS(EINVAL, seccomp(77, 0, NULL));
	FAILS(EINVAL, seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL));
	FAILS(EINVAL, seccomp(SECCOMP_SET_MODE_STRICT, 0, &bad));
	FAILS(EINVAL, prctl(PR_SET_SECCOMP, 7, 0));
	EQUAL(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
	action = 0x12340000;
	FAILS(EOPNOTSUPP, seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action));
	FAILS(EFAULT, seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL));
	EQUAL(prctl(PR_GET_SECCOMP), 0);
}

static void actions(void)
{
	struct seccomp_notif_sizes sizes;

	EQUAL(install(SYS_getppid, SECCOMP_RET_ERRNO | 77, 0), 0);
	FAILS(77, syscall(SYS_getppid));
	EQUAL(prctl(PR_GET_SECCOMP), 2);
	EQUAL(status_of("Seccomp"), 2);
	CHECK(status_of("Seccomp_filters") == 1);
	EQUAL(status_of("NoNewPrivs"), 1);
	/* The newest of two ERRNOs counts, and ERRNO before LOG and ALLOW. */
	EQUAL(install(SYS_getppid, SECCOMP_RET_ERRNO | 78, 0), 0);
	FAILS(78, syscall(SYS_getppid));
	EQUAL(install(SYS_getppid, SECCOMP_RET_LOG, 0), 0);
	FAILS(78, syscall(SYS_getppid));
	EQUAL(install(SYS_getpgid, SECCOMP_RET_ERRNO | 0, SECCOMP_FILTER_FLAG_LOG), 0);
	EQUAL(syscall(SYS_getpgid, 0), 0);
	EQUAL(install(SYS_getsid, SECCOMP_RET_ERRNO | 0xffff, 0), 0);
	FAILS(4095, syscall(SYS_getsid, 0));
	EQUAL(install(SYS_getuid, SECCOMP_RET_TRACE | 5, 0), 0);
	FAILS(ENOSYS, syscall(SYS_getuid));
	EQUAL(install(SYS_getgid, SECCOMP_RET_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW), 0);
	CHECK(syscall(SYS_getgid) >= 0);
	FAILS(EINVAL, prctl(PR_SET_SECCOMP, 1));
	EQUAL(seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes), 0);
	EQUAL(sizes.seccomp_notif, 80);
	EQUAL(sizes.seccomp_notif_resp, 24);
	EQUAL(sizes.seccomp_data, 64);
	/* Memory and futex calls are seen too. */
	EQUAL(install(SYS_mmap, SECCOMP_RET_ERRNO | 99, 0), 0);
	FAILS(99, syscall(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	EQUAL(install(SYS_futex, SECCOMP_RET_ERRNO | 98, 0), 0);
	FAILS(98, syscall(SYS_futex, &sizes, FUTEX_WAKE, 1, 0, 0, 0));
	/* Inherited by fork and kept over exec. */
	if (fork() == 0) {
		FAILS(78, syscall(SYS_getppid));
		_exit(t_failures ? 1 : 0);
	}
	int status;

	wait(&status);
	EQUAL(status, 0);
}

static siginfo_t trap_info;
static volatile long trap_rax;

static void on_sys(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	trap_info = *info;
	trap_rax = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX];
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX] = 4321;
}

static void trap(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };
	unsigned char insn[2];
	int fd;

	sigaction(SIGSYS, &sa, NULL);
	EQUAL(install(SYS_getppid, SECCOMP_RET_TRAP | 1234, 0), 0);
	EQUAL(syscall(SYS_getppid), 4321);
	EQUAL(trap_info.si_signo, SIGSYS);
	EQUAL(trap_info.si_code, 1);
	EQUAL(trap_info.si_errno, 1234);
	EQUAL(trap_info.si_syscall, SYS_getppid);
	EQUAL(trap_info.si_arch, AUDIT_ARCH_X86_64);
	EQUAL(trap_rax, SYS_getppid);
	/* Not read directly: a platform may have put a jump there (docs/patching.md). */
	fd = open("/proc/self/mem", O_RDONLY);
	if (fd >= 0) {
		EQUAL(pread(fd, insn, 2, (off_t)(uintptr_t)trap_info.si_call_addr - 2), 2);
		CHECK(insn[0] == 0x0f && insn[1] == 0x05);
		close(fd);
	}
}

static void trap_unhandled(void)
{
	install(SYS_getppid, SECCOMP_RET_TRAP, 0);
	syscall(SYS_getppid);
}

static void kill_process(void)
{
	signal(SIGSYS, SIG_IGN);
	install(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0);
	syscall(SYS_getppid);
}

static void unknown_action(void)
{
	install(SYS_getppid, 0x00020000, 0); /* between KILL_THREAD and TRAP */
	syscall(SYS_getppid);
}

static void *kill_me(void *arg)
{
	syscall(SYS_getppid);
	return arg;
}

static void kill_thread(void)
{
	pthread_t th;

	EQUAL(install(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0), 0);
	pthread_create(&th, NULL, kill_me, NULL);
	pthread_join(th, NULL); /* clear_child_tid wakes us although it was killed */
}

static void strict(void)
{
	EQUAL(prctl(PR_SET_SECCOMP, 1), 0);
	(void)!write(1, "", 0);
	syscall(SYS_exit, t_failures);
}

static void strict_killed(void)
{
	seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL);
	getpid();
	syscall(SYS_getpid);
}

static void unprivileged(void)
{
	struct sock_filter f[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

	if (setresuid(1000, 1000, 1000))
		_exit(0);
	FAILS(EACCES, load(f, 1));
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	EQUAL(load(f, 1), 0);
}

/* ---- many ways of computing ---------------------------------------------------------------------- */

static void machine(void)
{
	/* getpgid(x): ERRNO | ((x * 3 + 1) ^ 5) & 0xff, through memory, X and shifts */
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG0),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3),
		BPF_STMT(BPF_ST, 2),
		BPF_STMT(BPF_LDX | BPF_MEM, 2),
		BPF_STMT(BPF_LD | BPF_IMM, 1),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 5),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ERRNO >> 16),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	EQUAL(load(f, sizeof(f) / sizeof(f[0])), 0);
	FAILS((7 * 3 + 1) ^ 5, syscall(SYS_getpgid, 7));
	FAILS((20 * 3 + 1) ^ 5, syscall(SYS_getpgid, 20));
}

/* ---- TSYNC ---------------------------------------------------------------------------------------- */

static int pipe_fd[2], reply_fd[2];

static void *tsync_thread(void *arg)
{
	char c;

	if (arg)
		install(SYS_getsid, SECCOMP_RET_ERRNO | 5, 0);
	(void)!write(reply_fd[1], "r", 1);
	(void)!read(pipe_fd[0], &c, 1);
	errno = 0;
	syscall(SYS_getppid);
	return (void *)(long)errno;
}

static void tsync(void)
{
	void *result;
	pthread_t th;
	char c;

	EQUAL(pipe(pipe_fd), 0);
	EQUAL(pipe(reply_fd), 0);
	pthread_create(&th, NULL, tsync_thread, NULL);
	(void)!read(reply_fd[0], &c, 1);
	EQUAL(install(SYS_getppid, SECCOMP_RET_ERRNO | 55, SECCOMP_FILTER_FLAG_TSYNC), 0);
	(void)!write(pipe_fd[1], "x", 1);
	pthread_join(th, &result);
	EQUAL((long)result, 55);
	/* A thread with a filter of its own can't be synchronised: its tid is returned. */
	pthread_create(&th, NULL, tsync_thread, "");
	(void)!read(reply_fd[0], &c, 1);
	CHECK(install(SYS_getppid, SECCOMP_RET_ERRNO | 56, SECCOMP_FILTER_FLAG_TSYNC) > 0);
	FAILS(ESRCH, install(SYS_getppid, SECCOMP_RET_ERRNO | 56,
			     SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
	FAILS(55, syscall(SYS_getppid));
	(void)!write(pipe_fd[1], "x", 1);
	pthread_join(th, &result);
}

/* ---- futexes go on working under a filter --------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void *player(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != me)
			pthread_cond_wait(&cond, &mutex);
		turn = !me;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void futexes(void)
{
	struct timespec ts = { 0, 20000000 };
	pthread_t a, b;
	int word = 1;

	EQUAL(install(SYS_getppid, SECCOMP_RET_ERRNO | 1, 0), 0);
	pthread_create(&a, NULL, player, (void *)0L);
	pthread_create(&b, NULL, player, (void *)1L);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	FAILS(ETIMEDOUT, syscall(SYS_futex, &word, FUTEX_WAIT, 1, &ts, 0, 0));
	FAILS(EAGAIN, syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, 0, 0));
	t_handle(SIGALRM, 0);
	INTERRUPTED(syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, 0, 0));
	CHECK(t_signals >= 1);
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, 1 << 20);
	EQUAL(mprotect(p, 4096, PROT_READ), 0);
	EQUAL(madvise(p, 1 << 20, MADV_DONTNEED), 0);
	EQUAL(munmap(p, 1 << 20), 0);
}

/* ---- user notification ------------------------------------------------------------------------------ */

static int send_fd(int sock, int fd)
{
	char c = 'f', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	return sendmsg(sock, &m, 0) == 1 ? 0 : -1;
}

static int recv_fd(int sock)
{
	char c, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(sock, &m, 0) != 1)
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

static void supervised(int sock)
{
	char buf[4] = "";
	int l = install(SYS_getppid, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);

	CHECK(l >= 0);
	CHECK(fcntl(l, F_GETFD) & FD_CLOEXEC);
	FAILS(EBUSY, install(SYS_getppid, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER));
	CHECK(send_fd(sock, l) == 0);
	close(l);
	EQUAL(syscall(SYS_getppid, 11, 22), 4711);
	FAILS(EPERM, syscall(SYS_getppid));
	CHECK(syscall(SYS_getppid) > 0);
	long fd = syscall(SYS_getppid);

	CHECK(fd >= 0);
	EQUAL(pread((int)fd, buf, 3, 0), 3);
	CHECK(!strcmp(buf, "abc"));
	EQUAL(syscall(SYS_getppid), 200);
	EQUAL(pread(200, buf, 3, 0), 3);
	t_handle(SIGALRM, 0);
	FAILS(EINTR, syscall(SYS_getppid)); /* the supervisor sends a signal when it has the call */
}

static struct seccomp_notif req;

static void receive(int l)
{
	memset(&req, 0, sizeof(req));
	EQUAL(ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &req), 0);
	EQUAL(req.data.nr, SYS_getppid);
}

static void answer(int l, long val, int error, unsigned int flags)
{
	struct seccomp_notif_resp resp = { .id = req.id, .val = val, .error = error, .flags = flags };

	EQUAL(ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &resp), 0);
}

static void notification(void)
{
	struct seccomp_notif_addfd add = { 0 };
	struct seccomp_notif_resp resp = { 0 };
	int sock[2], l, status, file;
	struct pollfd p;
	uint64_t id;
	pid_t pid;

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	pid = fork();
	if (pid == 0) {
		supervised(sock[1]);
		_exit(t_failures ? 1 : 0);
	}
	l = recv_fd(sock[0]);
	CHECK(l >= 0);
	p = (struct pollfd){ l, POLLIN, 0 };
	EQUAL(poll(&p, 1, T_GUARD_MS), 1);
	EQUAL(p.revents, POLLIN);
	receive(l);
	EQUAL(req.pid, pid);
	EQUAL(req.data.args[0], 11);
	EQUAL(req.data.args[1], 22);
	EQUAL(req.data.arch, AUDIT_ARCH_X86_64);
	id = req.id;
	EQUAL(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), 0);
	id += 99;
	FAILS(ENOENT, ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
	p.events = POLLOUT;
	EQUAL(poll(&p, 1, 0), 1);
	resp.id = id;
	FAILS(ENOENT, ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &resp));
	resp.flags = 8;
	FAILS(EINVAL, ioctl(l, SECCOMP_IOCTL_NOTIF_SEND, &resp));
	req.flags = 1;
	FAILS(EINVAL, ioctl(l, SECCOMP_IOCTL_NOTIF_RECV, &req)); /* not zeroed */
	answer(l, 4711, 0, 0);
	receive(l);
	answer(l, 0, -EPERM, 0);
	receive(l);
	answer(l, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
	file = memfd_create("x", 0);
	(void)!write(file, "abc", 3);
	receive(l);
	add.id = req.id;
	add.srcfd = (uint32_t)file;
	add.newfd = 7;
	FAILS(EINVAL, ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
	add.newfd = 0;
	add.srcfd = 999;
	FAILS(EBADF, ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &add));
	add.srcfd = (uint32_t)file;
	add.flags = SECCOMP_ADDFD_FLAG_SEND;
	CHECK(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0);
	receive(l);
	add = (struct seccomp_notif_addfd){ .id = req.id, .srcfd = (uint32_t)file, .newfd = 200,
					    .flags = SECCOMP_ADDFD_FLAG_SETFD };
	EQUAL(ioctl(l, SECCOMP_IOCTL_NOTIF_ADDFD, &add), 200);
	answer(l, 200, 0, 0);
	receive(l);
	id = req.id;
	EQUAL(kill(pid, SIGALRM), 0);
	AWAIT(ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0);
	FAILS(ENOENT, ioctl(l, SECCOMP_IOCTL_NOTIF_ID_VALID, &id)); /* the signal took it back */
	EQUAL(waitpid(pid, &status, 0), pid);
	EQUAL(status, 0);
	p.events = POLLIN;
	EQUAL(poll(&p, 1, T_GUARD_MS), 1);
	CHECK(p.revents & POLLHUP);
	close(l);
}

/* A listener that is closed leaves the call ENOSYS. */
static void listener_gone(void)
{
	int l = install(SYS_getppid, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);

	close(l);
	FAILS(ENOSYS, syscall(SYS_getppid));
}

static void notif_without_listener(void)
{
	EQUAL(install(SYS_getppid, SECCOMP_RET_USER_NOTIF, 0), 0);
	FAILS(ENOSYS, syscall(SYS_getppid));
}

/* A tracer with CAP_SYS_ADMIN reads its tracee's filters: the oldest is the first. */
static void dumped(void)
{
	struct {
		uint64_t nth, flags;
	} meta = { 1, 99 };
	struct sock_filter f[8];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		install(SYS_getppid, SECCOMP_RET_ERRNO | 5, 0);
		install(SYS_getpgrp, SECCOMP_RET_ERRNO | 6, SECCOMP_FILTER_FLAG_LOG);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, NULL) == -1 && (errno == EACCES || errno == EINVAL || errno == EIO)) {
		/* no capability, or a kernel without it */
	} else {
		EQUAL(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, NULL), 4);
		EQUAL(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, f), 4);
		EQUAL(f[1].k, SYS_getppid);
		EQUAL(ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 1, f), 4);
		EQUAL(f[1].k, SYS_getpgrp);
		FAILS(ENOENT, ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 2, f));
		FAILS(EFAULT, ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, BAD_PTR));
		EQUAL(ptrace(PTRACE_SECCOMP_GET_METADATA, pid, sizeof(meta), &meta), sizeof(meta));
		EQUAL(meta.flags, SECCOMP_FILTER_FLAG_LOG);
		FAILS(EINVAL, ptrace(PTRACE_SECCOMP_GET_METADATA, pid, 4, &meta));
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

T_MAIN
{
	int status;

	EQUAL(run(bad_programs), 0);
	EQUAL(run(actions), 0);
	EQUAL(run(trap), 0);
	EQUAL(run(machine), 0);
	EQUAL(run(tsync), 0);
	EQUAL(run(kill_thread), 0);
	EQUAL(run(strict), 0);
	EQUAL(run(unprivileged), 0);
	EQUAL(run(futexes), 0);
	EQUAL(run(notification), 0);
	EQUAL(run(listener_gone), 0);
	EQUAL(run(notif_without_listener), 0);
	EQUAL(run(dumped), 0);
	status = run(trap_unhandled);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = run(kill_process);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = run(unknown_action);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = run(strict_killed);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
