/* SPDX-License-Identifier: Apache-2.0 */
/* accept.c: accept(2): the descriptor is there before the connection is taken. */
#include "un.h"

T_MAIN
{
	int l = un_listener("@t-accept1", SOCK_SEQPACKET, 5), c = socket(AF_UNIX, SOCK_SEQPACKET, 0), a;
	struct rlimit rl, few = { 5, 5 };
	char buf[8];

	EQUAL(un_connect(c, "@t-accept1"), 0);
	EQUAL(send(c, "early", 5, 0), 5);
	getrlimit(RLIMIT_NOFILE, &rl);
	few.rlim_cur = (rlim_t)c + 1;
	few.rlim_max = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	FAILS(EMFILE, accept(l, NULL, NULL));
	setrlimit(RLIMIT_NOFILE, &rl);
	a = accept(l, NULL, NULL);
	EQUAL(recv(a, buf, 8, 0), 5);
	t_handle(SIGALRM, 0);
	INTERRUPTED(accept(l, NULL, NULL));
}
