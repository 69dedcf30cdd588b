/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parting.c: asks 10.9.7.1:7400 if it is there, makes many calls, sends it 4 datagrams, and ends at once (tests/net/run).
 * A static program, the first of its container, so that what was sent and the container's end are as close as can be.
 */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7400) };
	char data[100] = "";
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, "10.9.7.1", &a.sin_addr);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || send(fd, "there?", 6, 0) != 6 || recv(fd, data, 9, 0) < 0)
		return 1;
	for (int i = 0; i < 20000; i++)
		(void)syscall(SYS_getppid);
	for (int i = 0; i < 4; i++) {
		if (send(fd, data, sizeof(data), 0) < 0)
			return 1;
	}
	_exit(0);
}
