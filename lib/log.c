/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c: lines of text or JSON on one descriptor, one write(2) each.
 *
 * A message may quote an application (names, paths), so whatever could forge a line is escaped.
 * The time is worked out here: gmtime_r(3) may open /etc/localtime, which a jail answers with a
 * kill.  Lines are built in heap memory of plain malloc: the stack of a fiber is small, and tests
 * that count allocations must not count these.  Without memory a line is cut, not lost.
 */
#include "lib/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/host_impl.h"

enum { LOG_SHORT = 200, LOG_ESCAPE_MAX = 6, LOG_PREFIX_MAX = 160 };

/* Written by log_open(), as a rule once at start; read without order. */
static struct {
	atomic_int fd;
	atomic_int max;
	atomic_int format;
	atomic_int pid; /* no host call per line */
	_Atomic(const char *) name;
} log_state = { STDERR_FILENO, LOG_ERROR, LOG_TEXT, 0, NULL };

static const char *const log_words[] = { "error", "warning", "info", "debug" };

void log_open(int fd, const char *name, enum log_level max, enum log_format format)
{
	atomic_store_explicit(&log_state.fd, fd, memory_order_relaxed);
	atomic_store_explicit(&log_state.name, name, memory_order_relaxed);
	atomic_store_explicit(&log_state.pid, getpid(), memory_order_relaxed);
	atomic_store_explicit(&log_state.format, (int)format, memory_order_relaxed);
	atomic_store_explicit(&log_state.max, (int)max, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_state.max, memory_order_relaxed);
}

/* Year, month, day of a day number (1970-01-01 is 0), Gregorian; years start in March here. */
static void log_date(int64_t day, int *year, int *month, int *mday)
{
	int64_t d = day + 719468; /* days since 0000-03-01 */
	int64_t era = d / 146097, doe = d % 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*mday = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

/* RFC 3339 in UTC. */
static int log_time(char *to, size_t size)
{
	int64_t ns = clock_real_ns(), sec = ns / NSEC_PER_SEC;
	int year, month, mday;

	log_date(sec / 86400, &year, &month, &mday);
	sec %= 86400;
	return snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", year, month, mday,
			(int)(sec / 3600), (int)(sec / 60 % 60), (int)(sec % 60),
			(int)(ns % NSEC_PER_SEC / 1000));
}

/* Length of the valid UTF-8 sequence at s, or 0. */
static size_t utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, low, high; /* first byte; range of the second */
		size_t len;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (s[1] < forms[i].low || s[1] > forms[i].high)
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

/* Append msg to to (room for LOG_ESCAPE_MAX times its length); returns the end. */
static char *log_escape(char *to, const char *msg, bool json)
{
	const unsigned char *s = (const unsigned char *)msg;
	size_t n;

	while (*s) {
		if (json && (*s == '"' || *s == '\\')) {
			*to++ = '\\';
			*to++ = (char)*s++;
		} else if (*s >= 0x20 && *s < 0x7f) {
			*to++ = (char)*s++;
		} else if ((n = utf8_len(s)) != 0) {
			memcpy(to, s, n);
			to += n;
			s += n;
		} else if (json) {
			to += sprintf(to, "\\u%04x", *s < 0x80 ? *s : 0xfffdU);
			s++;
		} else {
			to += sprintf(to, "\\x%02x", *s++);
		}
	}
	return to;
}

/* The whole line of msg into line, which has room; returns its length. */
static size_t log_format_line(char *line, enum log_level level, const char *msg)
{
	const char *name = atomic_load_explicit(&log_state.name, memory_order_relaxed);
	char when[64];
	char *at = line;

	log_time(when, sizeof(when));
	if (atomic_load_explicit(&log_state.format, memory_order_relaxed) == LOG_JSON) {
		at += sprintf(at, "{\"level\":\"%s\",\"msg\":\"", log_words[level]);
		at = log_escape(at, msg, true);
		at += sprintf(at, "\",\"time\":\"%s\"}\n", when);
	} else {
		int pid = atomic_load_explicit(&log_state.pid, memory_order_relaxed);

		at += sprintf(at, "%s %.32s", when, name ? name : "runsc-c");
		at += pid ? sprintf(at, "[%d]", pid) : 0;
		at += sprintf(at, " %s: ", log_words[level]);
		at = log_escape(at, msg, false);
		*at++ = '\n';
	}
	return (size_t)(at - line);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char msg_short[LOG_SHORT], line_short[LOG_SHORT * LOG_ESCAPE_MAX + LOG_PREFIX_MAX];
	char *msg = msg_short, *line = line_short;
	va_list ap;
	size_t size;
	int n;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(msg_short, sizeof(msg_short), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	size = (size_t)n + 1;
	if (size > sizeof(msg_short)) {
		/* One block: the message, then room for the line. */
		char *p = malloc(size * (1 + LOG_ESCAPE_MAX) + LOG_PREFIX_MAX);

		if (p) {
			va_start(ap, fmt);
			(void)vsnprintf(p, size, fmt, ap);
			va_end(ap);
			msg = p;
			line = p + size;
		}
	}
	size = log_format_line(line, level, msg);
	lib_write_all(atomic_load_explicit(&log_state.fd, memory_order_relaxed), line, size);
	if (msg != msg_short)
		free(msg);
}
