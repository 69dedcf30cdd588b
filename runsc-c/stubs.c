/* SPDX-License-Identifier: Apache-2.0 */
/* stubs.c: the host processes in which a Sentry runs applications.  See stubs.h. */
#include "runsc-c/stubs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* The pid in the innermost pid namespace, and the parent, of a host process; 0: no such. */
static int inner_pid(int host_pid, int *parent)
{
	char path[64], line[512];
	int inner = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", host_pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		sscanf(line, "PPid: %d", parent);
		if (strncmp(line, "NSpid:", 6) == 0) {
			char *last = strrchr(line, '\t');

			inner = last && last != strchr(line, '\t') ? atoi(last + 1) : 0;
			break;
		}
	}
	if (f != NULL)
		fclose(f);
	return inner;
}

struct stub_pid *stub_pids(pid_t sentry, size_t *count)
{
	struct stub_pid *v = NULL;
	DIR *d = opendir("/proc");
	struct dirent *de;

	*count = 0;
	while (d != NULL && (de = readdir(d)) != NULL) {
		int host = atoi(de->d_name), parent = 0, inner = host > 0 ? inner_pid(host, &parent) : 0;
		struct stub_pid *grown;

		if (inner == 0 || parent != sentry)
			continue;
		grown = mem_realloc(v, *count + 1, sizeof(*v));
		if (grown == NULL)
			break;
		v = grown;
		v[(*count)++] = (struct stub_pid){ host, inner };
	}
	if (d != NULL)
		closedir(d);
	return v;
}
