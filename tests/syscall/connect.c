/* SPDX-License-Identifier: Apache-2.0 */
/* connect.c: connect(2) of AF_UNIX sockets. */
#include "un.h"

T_MAIN
{
	int l = un_listener("@t-connect", SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), d, e;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	pid_t pid;
	char buf[4];

	FAILS(ECONNREFUSED, un_connect(c, "@t-nobody"));
	FAILS(ENOENT, un_connect(c, "/tmp/t-nobody"));
	FAILS(EINVAL, connect(c, un("@x"), 1));
	FAILS(EINVAL, connect(c, &none, sizeof(none)));
	EQUAL(un_connect(c, "@t-connect"), 0);
	pid = fork();
	if (pid == 0) { /* waits for room in the backlog */
		e = socket(AF_UNIX, SOCK_STREAM, 0);
		_exit(!(un_connect(e, "@t-connect") == 0 && read(e, buf, 4) == 2));
	}
	t_sleep_ms(30);
	d = accept(l, NULL, NULL);
	CHECK(d >= 0);
	e = accept(l, NULL, NULL);
	EQUAL(write(e, "hi", 2), 2);
	EQUAL(t_wait(pid), 0);
	FAILS(EISCONN, un_connect(c, "@t-connect"));
	FAILS(EINVAL, un_connect(l, "@t-connect"));

	unlink("/tmp/t-conn");
	d = socket(AF_UNIX, SOCK_DGRAM, 0);
	EQUAL(un_bind(d, "/tmp/t-conn"), 0);
	FAILS(EPROTOTYPE, un_connect(socket(AF_UNIX, SOCK_STREAM, 0), "/tmp/t-conn"));
	e = socket(AF_UNIX, SOCK_DGRAM, 0);
	EQUAL(un_connect(e, "/tmp/t-conn"), 0);
	EQUAL(connect(e, &none, sizeof(none)), 0);
	FAILS(ENOTCONN, send(e, "x", 1, 0));
	close(d);
	FAILS(ECONNREFUSED, un_connect(e, "/tmp/t-conn"));
	unlink("/tmp/t-conn");
	close(open("/tmp/t-conn", O_CREAT | O_WRONLY, 0600));
	FAILS(ECONNREFUSED, un_connect(e, "/tmp/t-conn"));
	unlink("/tmp/t-conn");
}
