/* SPDX-License-Identifier: Apache-2.0 */
/* err.c: the sentence for the user.  See err.h. */
#include "runsc-c/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_reason(int error)
{
	static char text[128];
	const char *s = strerrordesc_np(error < 0 ? -error : error);

	snprintf(text, sizeof(text), "%s", s ? s : "unknown error");
	/* As Go programs say it: the clients match on "no such file or directory". */
	text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

static void one_line(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 32 || *s == 127)
			*s = '?';
}

static void printf_like(3, 0) set(struct err *e, int error, const char *fmt, va_list ap,
				  const char *reason)
{
	size_t n;

	e->error = error == 0 ? -EINVAL : error > 0 ? -error : error;
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	n = strlen(e->text);
	if (reason != NULL)
		snprintf(e->text + n, sizeof(e->text) - n, ": %s", reason);
	one_line(e->text);
}

int err_set(struct err *e, int error, const char *fmt, ...)
{
	va_list ap;

	if (!err_is(e)) {
		va_start(ap, fmt);
		set(e, error, fmt, ap, NULL);
		va_end(ap);
	}
	return e->error;
}

int err_errno(struct err *e, int error, const char *fmt, ...)
{
	va_list ap;

	if (!err_is(e)) {
		va_start(ap, fmt);
		set(e, error, fmt, ap, err_reason(error));
		va_end(ap);
	}
	return e->error;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->text)], prefix[256];
	va_list ap;

	if (!err_is(e))
		return;
	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	one_line(prefix);
	snprintf(e->text, sizeof(e->text), "%s: %.*s", prefix, (int)sizeof(old) - 300, old);
}

void err_clear(struct err *e)
{
	e->error = 0;
	e->text[0] = '\0';
}
