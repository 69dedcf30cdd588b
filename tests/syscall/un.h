/* SPDX-License-Identifier: Apache-2.0 */
/* un.h: short forms for AF_UNIX tests. */
#pragma once

#include "t.h"

static struct sockaddr_un un_sa;
static socklen_t un_len;

/* "@x" is abstract. */
static inline struct sockaddr *un(const char *name)
{
	memset(&un_sa, 0, sizeof(un_sa));
	un_sa.sun_family = AF_UNIX;
	strcpy(un_sa.sun_path, name);
	un_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	if (name[0] == '@')
		un_sa.sun_path[0] = '\0';
	else
		un_len++;
	return (struct sockaddr *)&un_sa;
}

/* The two arguments of a call, in order. */
#define UN(name) un(name), ((socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + ((name)[0] != '@')))

static inline int un_bind(int s, const char *name)
{
	struct sockaddr *a = un(name);

	return bind(s, a, un_len);
}

static inline int un_connect(int s, const char *name)
{
	struct sockaddr *a = un(name);

	return connect(s, a, un_len);
}

static inline int un_listener(const char *name, int type, int backlog)
{
	int s = socket(AF_UNIX, type, 0);

	if (un_bind(s, name) < 0 || listen(s, backlog) < 0)
		return -1;
	return s;
}
