/* SPDX-License-Identifier: Apache-2.0 */
/* An ordinary program: a bit of everything, "ok" when all works.  "ps": what runs here, from /proc. */
#include "h.h"
#include <dirent.h>

static int ps(void)
{
	char path[300], buf[300];
	struct dirent *e;
	DIR *d = opendir("/proc");

	while (d && (e = readdir(d))) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		fd = e->d_name[0] >= '0' && e->d_name[0] <= '9' ? open(path, O_RDONLY) : -1;
		n = fd < 0 ? -1 : read(fd, buf, 60);
		if (n > 0)
			printf("%.*s\n", (int)n, buf);
		close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	char buf[64] = "";
	int sv[2], fd, status;
	pid_t pid;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 9;
	if (argc > 1 && !strcmp(argv[1], "ps"))
		return ps();
	sane("check");
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	CHECK(write(sv[0], "hello", 5) == 5 && read(sv[1], buf, 64) == 5);
	fd = open("/tmp/check", O_CREAT | O_RDWR | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, "data", 4) == 4 && pread(fd, buf, 64, 0) == 4);
	CHECK(unlink("/tmp/check") == 0);
	pid = vfork();
	if (pid == 0) {
		execl("/proc/self/exe", "check", "child", (char *)NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9);
	if (!failures)
		puts("ok");
	return failures != 0;
}
