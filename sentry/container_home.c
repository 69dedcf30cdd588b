/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_home.c: HOME of a process whose configuration names none.
 *
 * As runc does it: the home directory that the container's own /etc/passwd gives the uid, else "/".
 * The file is the image's and may be anything: a bounded part of it is read once and parsed as bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mem.h"
#include "sentry/container.h"

#define PASSWD_MAX (256u << 10)

/* Field number n (from 0) of a line of length len: its length and, in *at, its start; or -1. */
static int passwd_field(const char *line, size_t len, unsigned int n, const char **at)
{
	const char *end = line + len, *colon;

	for (;; n--) {
		colon = memchr(line, ':', (size_t)(end - line));
		if (n == 0) {
			*at = line;
			return (int)((colon ? colon : end) - line);
		}
		if (!colon)
			return -1;
		line = colon + 1;
	}
}

/* The home directory of uid in text, as "HOME=…", or NULL. */
static char *passwd_home(const char *text, size_t size, uid_t uid)
{
	char want[16];
	int want_len = snprintf(want, sizeof(want), "%u", uid);

	for (const char *end = text + size; text < end;) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((newline ? newline : end) - text);
		const char *at = text;
		int n = passwd_field(text, len, 2, &at);

		if (n == want_len && memcmp(at, want, (size_t)n) == 0) {
			char home[4096];

			n = passwd_field(text, len, 5, &at);
			if (n <= 0 || n > 4000 || at[0] != '/' || memchr(at, '\0', (size_t)n))
				return NULL;
			snprintf(home, sizeof(home), "HOME=%.*s", n, at);
			return mem_strdup(home);
		}
		text += len + 1;
	}
	return NULL;
}

static char *container_home(struct vfs_ctx *c, uid_t uid)
{
	struct open_how_args how = { .flags = O_RDONLY | O_NONBLOCK };
	char *text, *home = NULL;
	struct file *f;
	ssize_t n;

	if (vfs_open(c, NULL, "/etc/passwd", &how, &f) < 0)
		return NULL;
	text = S_ISREG(dentry_inode(f->path.dentry)->mode) ? mem_alloc(PASSWD_MAX) : NULL;
	n = text ? file_read_kernel(c, f, text, PASSWD_MAX, 0) : 0;
	if (n > 0)
		home = passwd_home(text, (size_t)n, uid);
	mem_free(text);
	file_put(f);
	return home;
}

int container_set_home(struct vfs_ctx *c, struct process_config *p)
{
	size_t count = 0;
	char **env, *home;

	for (; p->env && p->env[count]; count++)
		if (strncmp(p->env[count], "HOME=", 5) == 0 && p->env[count][5])
			return 0;
	home = container_home(c, p->uid);
	if (!home)
		home = mem_strdup("HOME=/");
	env = home ? mem_realloc(p->env, count + 2, sizeof(char *)) : NULL;
	if (!env) {
		mem_free(home);
		return -ENOMEM;
	}
	env[count] = home;
	env[count + 1] = NULL;
	p->env = env;
	return 0;
}
