/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set-user-ID program must not run in an address space that its caller has prepared: pages left
 * in the stub's hole (where in-place exec does not look) are gone, and so is a changed stub text.
 */
#include "h.h"

#define MARK (STUB_TEXT - STUB_CHANNEL_SIZE - 0x100000)

static void prepared(void)
{
	CHECK(native_find());
	CHECK(native(SYS_mmap, (long)MARK, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      (long)MARK);
	*(volatile int *)MARK = 4711;
	CHECK(setgid(1000) == 0 && setuid(1000) == 0);
	execl("/tmp/setid", "setid", "look", (char *)NULL);
	CHECK(false);
}

int main(int argc, char **argv)
{
	char buf[65536];
	int from, to, p[2];
	ssize_t n;

	NEED_STUB();
	if (argc > 1 && !strcmp(argv[1], "look")) {
		CHECK(geteuid() == 0 && getuid() == 1000);
		/* Reading a page that is not there gives EFAULT. */
		CHECK(pipe(p) == 0 && write(p[1], (void *)MARK, 4) < 0 && errno == EFAULT);
		return failures ? 1 : 0;
	}
	from = open("/proc/self/exe", O_RDONLY);
	to = open("/tmp/setid", O_CREAT | O_WRONLY | O_TRUNC, 0755);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		CHECK(write(to, buf, (size_t)n) == n);
	CHECK(fchmod(to, 04755) == 0);
	close(to);
	CHECK(attack("a set-user-ID program", prepared, GUARD) == 0);
	unlink("/tmp/setid");
	return failures != 0;
}
