/* SPDX-License-Identifier: Apache-2.0 */
/* sendmsg.c: sendmsg(2): descriptors and credentials. */
#include "un.h"

static union { char data[256]; struct cmsghdr align; } control;

static ssize_t send_fds(int s, int count, const int *fds)
{
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	struct cmsghdr *h = &control.align;

	m.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
	h->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(h), fds, (size_t)count * sizeof(int));
	return sendmsg(s, &m, 0);
}

static ssize_t send_creds(int s, pid_t pid, uid_t uid)
{
	struct ucred cred = { pid, uid, getgid() };
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	struct cmsghdr *h = &control.align;

	m.msg_controllen = CMSG_SPACE(sizeof(cred));
	h->cmsg_len = CMSG_LEN(sizeof(cred));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDENTIALS;
	memcpy(CMSG_DATA(h), &cred, sizeof(cred));
	return sendmsg(s, &m, 0);
}

static ssize_t receive(int s, struct msghdr *m, int flags)
{
	static char buf[16];
	static struct iovec iov = { buf, 16 };

	memset(m, 0, sizeof(*m));
	memset(&control, 0, sizeof(control));
	m->msg_iov = &iov;
	m->msg_iovlen = 1;
	m->msg_control = &control;
	m->msg_controllen = sizeof(control);
	return recvmsg(s, m, flags);
}

T_MAIN
{
	int s[2], p[2], got[2], on = 1;
	struct cmsghdr *h = &control.align;
	struct msghdr m;
	struct ucred cred;
	char c;

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	EQUAL(pipe(p), 0);
	EQUAL(send_fds(s[0], 2, p), 1);
	EQUAL(receive(s[1], &m, MSG_CMSG_CLOEXEC), 1);
	EQUAL(m.msg_controllen, CMSG_SPACE(8));
	EQUAL(h->cmsg_len, CMSG_LEN(8));
	EQUAL(h->cmsg_type, SCM_RIGHTS);
	EQUAL(m.msg_flags & ~MSG_CMSG_CLOEXEC, 0);
	memcpy(got, CMSG_DATA(h), 8);
	EQUAL(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	EQUAL(write(got[1], "q", 1), 1);
	EQUAL(read(p[0], &c, 1), 1);
	/* No room for both. */
	EQUAL(send_fds(s[0], 2, p), 1);
	memset(&m, 0, sizeof(m));
	struct iovec iov = { &c, 1 };
	m = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = CMSG_LEN(4) };
	EQUAL(recvmsg(s[1], &m, 0), 1);
	EQUAL(m.msg_flags, MSG_CTRUNC);
	EQUAL(h->cmsg_len, CMSG_LEN(4));
	/* No buffer at all: they are closed. */
	EQUAL(send_fds(s[0], 2, p), 1);
	m = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	EQUAL(recvmsg(s[1], &m, 0), 1);
	EQUAL(m.msg_flags, MSG_CTRUNC);
	got[0] = 999;
	FAILS(EBADF, send_fds(s[0], 1, got));

	EQUAL(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	EQUAL(send(s[0], "x", 1, 0), 1);
	EQUAL(receive(s[1], &m, 0), 1);
	EQUAL(h->cmsg_type, SCM_CREDENTIALS);
	memcpy(&cred, CMSG_DATA(h), sizeof(cred));
	EQUAL(cred.pid, getpid());
	EQUAL(cred.uid, getuid());
	if (getuid() == 0) {
		EQUAL(send_creds(s[0], getpid(), 1234), 1);
		EQUAL(receive(s[1], &m, 0), 1);
		memcpy(&cred, CMSG_DATA(h), sizeof(cred));
		EQUAL(cred.uid, 1234);
		FAILS(ESRCH, send_creds(s[0], 4000000, 0));
		if (fork() == 0) {
			EQUAL(setuid(1000), 0);
			FAILS(EPERM, send_creds(s[0], getpid(), 0));
			FAILS(EPERM, send_creds(s[0], getppid(), 1000));
			_exit(t_failures != 0);
		}
		int status;
		wait(&status);
		EQUAL(status, 0);
	}
	h->cmsg_len = 5;
	m = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = 32 };
	FAILS(EINVAL, sendmsg(s[0], &m, 0));
	FAILS(EFAULT, sendmsg(s[0], BAD_PTR, 0));
	m = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 2000 };
	FAILS(EMSGSIZE, sendmsg(s[0], &m, 0));
	m = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = (size_t)1 << 40 };
	FAILS(ENOBUFS, sendmsg(s[0], &m, 0));
}
