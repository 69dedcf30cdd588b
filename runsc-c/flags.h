/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flags.h: command-line flags as runc's clients write them: `--x v`, `--x=v`, `-x v`, `-x=v`, one or
 * two dashes alike, in front of the first argument that is no flag.  Booleans take no separate value
 * (`--x`, `--x=false`).  `--` ends the flags.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "runsc-c/err.h"

enum flag_kind {
	FLAG_BOOL,   /* bool */
	FLAG_STRING, /* const char *, into argv; the last one counts */
	FLAG_INT,    /* int, 0 to INT_MAX */
	FLAG_LIST,   /* struct flag_list, one value each time */
	FLAG_IGNORED_BOOL,   /* accepted for runc's sake */
	FLAG_IGNORED_STRING,
};

struct flag_list {
	const char **values; /* into argv */
	size_t count;
};

struct flag {
	const char *names; /* "tty,t": long and short forms */
	enum flag_kind kind;
	void *target;
	const char *help;
};

/*
 * Parse argv[1..]; a table ends with names == NULL.  Returns the index of the first argument that is
 * no flag, or a negative errno.  *help is set when --help or -h was there.
 */
int flags_parse(const struct flag *table, int argc, char **argv, bool *help, struct err *e);
/* The table as text on stdout. */
void flags_print(const struct flag *table);
