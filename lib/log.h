/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h: the debug log of a process.  Lines of one write(2) each, so they don't interleave.
 * Before log_open() everything but LOG_ERROR is dropped; errors go to stderr.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "lib/util.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON }; /* JSON: {level,msg,time} as runc's --log-format=json */

/*
 * Log to fd from now on; name ("sentry", "gofer", …; borrowed for good) and the pid of the caller go
 * in front of each text line.  Again after a fork.
 */
void log_open(int fd, const char *name, enum log_level max, enum log_format format);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  do { if (log_enabled(LOG_INFO)) log_write(LOG_INFO, __VA_ARGS__); } while (0)
#define log_debug(...) do { if (log_enabled(LOG_DEBUG)) log_write(LOG_DEBUG, __VA_ARGS__); } while (0)

/* At most once per call site in the life of the process. */
#define log_once(level, ...)                                                        \
	do {                                                                        \
		static atomic_flag said_ = ATOMIC_FLAG_INIT;                        \
		if (!atomic_flag_test_and_set_explicit(&said_, memory_order_relaxed)) \
			log_write(level, __VA_ARGS__);                              \
	} while (0)
