/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowd.c: crowd PORT: a server that keeps whoever comes, for as long as they like, and answers "content" to who says
 * something.  "count" says how many there are.  For doors.sh: busybox' httpd takes nine at once, and sends silent ones home.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX 400

static struct pollfd all[MAX];
static int count;

static void say(int i)
{
	char text[256] = "", answer[32];
	ssize_t n = read(all[i].fd, text, sizeof(text) - 1);

	if (n > 0 && strncmp(text, "count", 5) == 0)
		snprintf(answer, sizeof(answer), "%d\n", count - 1);
	else
		snprintf(answer, sizeof(answer), "content\n");
	if (n > 0 && write(all[i].fd, answer, strlen(answer)) < 0)
		perror("write");
	close(all[i].fd);
	all[i] = all[--count];
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0"));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, MAX) < 0)
		return 1;
	all[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (;;) {
		if (poll(all, (nfds_t)count, -1) < 0)
			return 1;
		for (int i = count - 1; i > 0; i--)
			if (all[i].revents)
				say(i);
		if (all[0].revents && count < MAX)
			all[count++] = (struct pollfd){ .fd = accept(fd, NULL, NULL), .events = POLLIN };
	}
}
