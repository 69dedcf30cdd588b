/* SPDX-License-Identifier: Apache-2.0 */
/* recvfrom.c: recvfrom(2). */
#include "un.h"

T_MAIN
{
	int r = socket(AF_UNIX, SOCK_DGRAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), s[2];
	struct sockaddr_un sa;
	socklen_t len = sizeof(sa);
	struct timeval tv = { 0, 20000 };
	char buf[16] = "";
	pid_t pid;

	EQUAL(un_bind(r, "@t-rf"), 0);
	EQUAL(un_bind(d, "@t-rf2"), 0);
	EQUAL(sendto(d, "abcdef", 6, 0, UN("@t-rf")), 6);
	EQUAL(recvfrom(r, buf, 2, MSG_PEEK | MSG_TRUNC, (struct sockaddr *)&sa, &len), 6);
	EQUAL(len, 8);
	CHECK(!memcmp(sa.sun_path, "\0t-rf2", 6));
	EQUAL(recvfrom(r, buf, 16, 0, NULL, NULL), 6);
	FAILS(EAGAIN, recv(r, buf, 16, MSG_DONTWAIT));
	FAILS(EOPNOTSUPP, recv(r, buf, 16, MSG_OOB));
	EQUAL(setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	FAILS(EAGAIN, recv(r, buf, 16, 0));
	FAILS(EINVAL, recv(socket(AF_UNIX, SOCK_STREAM, 0), buf, 1, 0));
	FAILS(ENOTCONN, recv(socket(AF_UNIX, SOCK_SEQPACKET, 0), buf, 1, 0));
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	pid = fork();
	if (pid == 0) {
		(void)!write(s[1], "abc", 3);
		t_sleep_ms(30);
		_exit(write(s[1], "defgh", 5) != 5);
	}
	EQUAL(recv(s[0], buf, 8, MSG_WAITALL), 8);
	EQUAL(t_wait(pid), 0);
	EQUAL(write(s[1], "zz", 2), 2); /* into s[0] */
	close(s[0]); /* unread data: the peer sees a reset */
	FAILS(ECONNRESET, recv(s[1], buf, 8, 0));
	EQUAL(recv(s[1], buf, 8, 0), 0);
}
