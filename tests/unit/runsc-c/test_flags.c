/* SPDX-License-Identifier: Apache-2.0 */
/* test_flags.c: flags are taken in every form that the clients use. */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/mem.h"
#include "runsc-c/flags.h"

static struct {
	bool b;
	int i;
	const char *s;
	struct flag_list l;
} v;

static const struct flag table[] = {
	{ "bool,b", FLAG_BOOL, &v.b, "" },
	{ "int", FLAG_INT, &v.i, "" },
	{ "string,s", FLAG_STRING, &v.s, "" },
	{ "list,l", FLAG_LIST, &v.l, "" },
	{ "no-op", FLAG_IGNORED_BOOL, NULL, NULL },
	{ NULL, FLAG_BOOL, NULL, NULL },
};

static int parse(struct err *e, const char *line)
{
	static char text[256];
	static char *argv[32];
	int argc = 0;
	bool help = false;

	mem_free(v.l.values);
	memset(&v, 0, sizeof(v));
	err_clear(e);
	strcpy(text, line);
	for (char *p = strtok(text, " "); p != NULL; p = strtok(NULL, " "))
		argv[argc++] = p;
	argv[argc] = NULL;
	return flags_parse(table, argc, argv, &help, e);
}

static void values_come_separate_or_with_an_equals_sign(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse(&e, "x --string a --int=5 -s=b ID"), 5);
	assert_string_equal(v.s, "b");
	assert_int_equal(v.i, 5);
	assert_int_equal(parse(&e, "x -string a --s= ID"), 4);
	assert_string_equal(v.s, "");
}

static void booleans_take_no_separate_value(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse(&e, "x -b true"), 2);
	assert_true(v.b);
	assert_int_equal(parse(&e, "x --bool=false -no-op y"), 3);
	assert_false(v.b);
}

static void lists_collect(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse(&e, "x -l a --list=b --list c"), 6);
	assert_int_equal(v.l.count, 3);
	assert_string_equal(v.l.values[1], "b");
}

static void flags_end_at_the_first_argument(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse(&e, "x ID --bool"), 1);
	assert_false(v.b);
	assert_int_equal(parse(&e, "x -- --bool"), 2);
	assert_false(v.b);
	assert_int_equal(parse(&e, "x - y"), 1);
}

static void breaches_are_told_in_the_words_of_go(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_true(parse(&e, "x --nope=1") < 0);
	assert_string_equal(e.text, "flag provided but not defined: -nope");
	assert_true(parse(&e, "x --string") < 0);
	assert_string_equal(e.text, "flag needs an argument: -string");
	assert_true(parse(&e, "x --int=-1") < 0);
	assert_true(parse(&e, "x --int=1x") < 0);
	assert_true(parse(&e, "x --bool=maybe") < 0);
	mem_free(v.l.values);
}

UNIT_MAIN(UNIT(values_come_separate_or_with_an_equals_sign), UNIT(booleans_take_no_separate_value),
	  UNIT(lists_collect), UNIT(flags_end_at_the_first_argument),
	  UNIT(breaches_are_told_in_the_words_of_go))
