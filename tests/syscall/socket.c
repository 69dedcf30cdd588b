/* SPDX-License-Identifier: Apache-2.0 */
/* socket.c: socket(2) of AF_UNIX. */
#include "t.h"

T_MAIN
{
	struct stat st;
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char link[32], path[64] = "";

	EQUAL(fcntl(s, F_GETFD), FD_CLOEXEC);
	EQUAL(fcntl(s, F_GETFL), O_RDWR | O_NONBLOCK);
	EQUAL(fstat(s, &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	FAILS(ESPIPE, lseek(s, 0, SEEK_SET));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", s);
	if (readlink(link, path, sizeof(path) - 1) > 0)
		CHECK(!strncmp(path, "socket:[", 8));
	CHECK(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
	CHECK(socket(AF_UNIX, SOCK_SEQPACKET, PF_UNIX) >= 0);
	CHECK(socket(AF_UNIX, SOCK_RAW, 0) >= 0);
	FAILS(ESOCKTNOSUPPORT, socket(AF_UNIX, SOCK_RDM, 0));
	FAILS(EPROTONOSUPPORT, socket(AF_UNIX, SOCK_STREAM, 17));
	FAILS(EAFNOSUPPORT, socket(200, SOCK_STREAM, 0));
	FAILS(EINVAL, socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	FAILS(EINVAL, socket(AF_UNIX, 12, 0));
}
