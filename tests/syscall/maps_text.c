/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self/maps: a program's text is one mapping, whatever it has called; files have their names. */
#include "t.h"

T_MAIN
{
	char exe[256], line[512], path[64] = "/tmp/maps_text.XXXXXX";
	int texts = 0, named = 0, fd;
	struct stat st;
	FILE *f;
	void *p;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		exit(77); /* minirun without /proc */
	exe[n] = '\0';
	for (int i = 0; i < 3000; i++) { /* often enough to be worth a patch */
		getppid();
		umask(022);
		stat("/", &st);
		getpriority(PRIO_PROCESS, 0);
	}
	fd = mkstemp(path);
	EQUAL(write(fd, path, sizeof(path)), sizeof(path));
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), f)) {
		texts += strstr(line, " r-xp ") && strstr(line, exe);
		named += strtoul(line, NULL, 16) == (unsigned long)p && strstr(line, path) && strstr(line, " r--p ");
	}
	fclose(f);
	EQUAL(texts, 1);
	EQUAL(named, 1);
	unlink(path);
}
