/* SPDX-License-Identifier: Apache-2.0 */
/* flags.c: command-line flags.  See flags.h. */
#include "runsc-c/flags.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static bool name_in(const char *names, const char *name, size_t size)
{
	while (*names != '\0') {
		size_t n = strcspn(names, ",");

		if (n == size && memcmp(names, name, n) == 0)
			return true;
		names += n + (names[n] == ',');
	}
	return false;
}

static const struct flag *flag_find(const struct flag *table, const char *name, size_t size)
{
	for (; table->names != NULL; table++)
		if (name_in(table->names, name, size))
			return table;
	return NULL;
}

static int parse_bool(const char *value, bool *out)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = { { "true", true }, { "1", true }, { "t", true }, { "false", false },
		      { "0", false }, { "f", false } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(value, words[i].text) == 0) {
			*out = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_int(const char *value, int *out)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(value, &end, 10);
	if (*value == '\0' || *end != '\0' || errno != 0 || v < 0 || v > INT_MAX)
		return -EINVAL;
	*out = (int)v;
	return 0;
}

static int list_add(struct flag_list *l, const char *value)
{
	const char **v = mem_realloc(l->values, l->count + 1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	l->values = v;
	l->values[l->count++] = value;
	return 0;
}

static int flag_store(const struct flag *f, const char *value)
{
	bool ignored;

	switch (f->kind) {
	case FLAG_BOOL: return parse_bool(value, f->target);
	case FLAG_INT: return parse_int(value, f->target);
	case FLAG_LIST: return list_add(f->target, value);
	case FLAG_STRING: *(const char **)f->target = value; return 0;
	case FLAG_IGNORED_BOOL: return parse_bool(value, &ignored);
	case FLAG_IGNORED_STRING: return 0;
	}
	return -EINVAL;
}

static bool takes_value(const struct flag *f)
{
	return f->kind != FLAG_BOOL && f->kind != FLAG_IGNORED_BOOL;
}

int flags_parse(const struct flag *table, int argc, char **argv, bool *help, struct err *e)
{
	int i;

	for (i = 1; i < argc; i++) {
		const char *name = argv[i], *value;
		const struct flag *f;
		size_t size;

		if (name[0] != '-' || name[1] == '\0')
			break;
		if (strcmp(name, "--") == 0)
			return i + 1;
		name += name[1] == '-' ? 2 : 1;
		size = strcspn(name, "=");
		f = flag_find(table, name, size);
		if (f == NULL && (name_in("help,h", name, size))) {
			*help = true;
			return i;
		}
		if (f == NULL)
			return err_set(e, EINVAL, "flag provided but not defined: -%.*s", (int)size,
				       name);
		value = name[size] == '=' ? name + size + 1 : NULL;
		if (value == NULL && !takes_value(f))
			value = "true";
		if (value == NULL && ++i == argc)
			return err_set(e, EINVAL, "flag needs an argument: -%s", name);
		if (value == NULL)
			value = argv[i];
		if (flag_store(f, value) < 0)
			return err_set(e, EINVAL, "invalid value \"%s\" for flag -%.*s", value,
				       (int)size, name);
	}
	return i;
}

void flags_print(const struct flag *table)
{
	for (; table->names != NULL; table++) {
		const char *n = table->names;

		if (table->help == NULL)
			continue;
		printf("   --");
		for (; *n != '\0' && *n != ','; n++)
			putchar(*n);
		if (*n == ',')
			printf(", -%s", n + 1);
		printf("%s\n        %s\n", takes_value(table) ? " VALUE" : "", table->help);
	}
}
