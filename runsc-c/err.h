/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h: the sentence for the user.
 *
 * The last parameter of everything in runsc-c/ that can fail.  One line: what, where (file, field,
 * id), what to do.  The first error stays; later ones are consequences and are dropped.  Nothing but
 * main() prints it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/util.h"

struct err {
	int error; /* negative errno of the first error, 0: none */
	char text[1024];
};

#define ERR_INIT { 0, "" }

static inline bool err_is(const struct err *e)
{
	return e->error != 0;
}

/*
 * Set it unless it is set.  error may be a positive or negative errno, or 0 for EINVAL.  Returns the
 * negative errno that e has then, so that `return err_set(…)` works.  Control characters in the
 * arguments are shown as '?', so that the sentence stays one line.
 */
int err_set(struct err *e, int error, const char *fmt, ...) printf_like(3, 4);
/* As err_set with ": No such file or directory" (what errno says) at the end. */
int err_errno(struct err *e, int error, const char *fmt, ...) printf_like(3, 4);
/* Put "prefix: " before the sentence, if there is one. */
void err_prefix(struct err *e, const char *fmt, ...) printf_like(2, 3);
void err_clear(struct err *e);
/* "no such file or directory", in the words that clients look for (lower case first letter). */
const char *err_reason(int error);
