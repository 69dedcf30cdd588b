/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c: lines of the debug log (lib/log.c). */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

static int log_pipe[2];
static char line[8192];

static int setup(void **state)
{
	(void)state;
	return pipe2(log_pipe, O_NONBLOCK | O_CLOEXEC);
}

static int teardown(void **state)
{
	(void)state;
	log_open(STDERR_FILENO, NULL, LOG_ERROR, LOG_TEXT);
	close(log_pipe[0]);
	close(log_pipe[1]);
	return 0;
}

static const char *read_log(void)
{
	ssize_t n = read(log_pipe[0], line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

static void text_lines_cannot_be_forged(void **state)
{
	(void)state;
	log_open(log_pipe[1], "unit", LOG_INFO, LOG_TEXT);
	log_info("name %s", "a\nb\x1b[1m \xc3\xa4 \xff");
	assert_non_null(strstr(read_log(), " unit["));
	assert_non_null(strstr(line, "] info: name a\\x0ab\\x1b[1m \xc3\xa4 \\xff\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[26], 'Z');
}

static void json_lines_are_as_runc_writes_them(void **state)
{
	static const char expected[] = "{\"level\":\"warning\",\"msg\":\"say \\\"x\\\\\\u000a"
				       "\xe2\x82\xac\\ufffd\\\"\",\"time\":\"2";

	(void)state;
	log_open(log_pipe[1], "unit", LOG_DEBUG, LOG_JSON);
	log_warn("say \"%s\"", "x\\\n\xe2\x82\xac\xc0");
	assert_ptr_equal(strstr(read_log(), expected), line);
	assert_string_equal(line + strlen(line) - 4, "Z\"}\n");
}

static void levels_above_the_limit_are_dropped(void **state)
{
	(void)state;
	log_open(log_pipe[1], "unit", LOG_WARN, LOG_TEXT);
	assert_true(log_enabled(LOG_WARN));
	assert_false(log_enabled(LOG_INFO));
	log_info("no");
	log_write(LOG_DEBUG, "no");
	assert_string_equal(read_log(), "");
}

static void long_messages_are_whole(void **state)
{
	char big[2000];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_open(log_pipe[1], "unit", LOG_INFO, LOG_TEXT);
	log_info("%s end", big);
	assert_non_null(strstr(read_log(), "xxx end\n"));
	assert_true(strlen(line) > 2000);
}

static void once_is_once(void **state)
{
	(void)state;
	log_open(log_pipe[1], "unit", LOG_INFO, LOG_TEXT);
	for (int i = 0; i < 3; i++)
		log_once(LOG_INFO, "turn %d", i);
	assert_non_null(strstr(read_log(), "turn 0\n"));
	assert_null(strstr(line, "turn 1"));
}

UNIT_MAIN(UNIT_FIXTURE(text_lines_cannot_be_forged, setup, teardown),
	  UNIT_FIXTURE(json_lines_are_as_runc_writes_them, setup, teardown),
	  UNIT_FIXTURE(levels_above_the_limit_are_dropped, setup, teardown),
	  UNIT_FIXTURE(long_messages_are_whole, setup, teardown),
	  UNIT_FIXTURE(once_is_once, setup, teardown))
