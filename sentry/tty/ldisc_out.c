/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ldisc_out.c: the line discipline's output half: post-processing with column tracking, echo, and
 * stopping.
 *
 * Writes and echo both end in ld->out, in order.  Writes stop at LDISC_OUT_LIMIT; echo may go
 * LDISC_ECHO_LIMIT beyond, because its cause, the user's typing, must not wait for a slow reader.
 * While output is stopped echo waits in ld->echo, already processed, and goes first afterwards; what
 * does not fit there is lost, as on Linux.
 */
#include <string.h>

#include "sentry/tty/ldisc_impl.h"

/* One output byte's meaning: at most 8 bytes (a tab as spaces).  Moves the column. */
static size_t output_byte(struct ldisc *ld, uint8_t c, uint8_t text[static 8])
{
	unsigned int spaces;

	text[0] = c;
	if (!ldisc_o(ld, OPOST))
		return 1;
	switch (c) {
	case '\n':
		if (ldisc_o(ld, ONLCR)) {
			ld->column = ld->canon_column = 0;
			memcpy(text, "\r\n", 2);
			return 2;
		}
		if (ldisc_o(ld, ONLRET))
			ld->column = 0;
		ld->canon_column = ld->column;
		return 1;
	case '\r':
		if (ldisc_o(ld, ONOCR) && ld->column == 0)
			return 0;
		if (ldisc_o(ld, OCRNL)) {
			text[0] = '\n';
			if (!ldisc_o(ld, ONLRET))
				return 1;
		}
		ld->column = ld->canon_column = 0;
		return 1;
	case '\t':
		spaces = 8 - (ld->column & 7);
		ld->column += spaces;
		if ((ld->termios.oflag & TABDLY) != XTABS)
			return 1;
		memset(text, ' ', spaces);
		return spaces;
	case '\b':
		if (ld->column > 0)
			ld->column--;
		return 1;
	default:
		if (byte_is_control(c))
			return 1;
		if (ldisc_o(ld, OLCUC) && c >= 'a' && c <= 'z')
			text[0] = (uint8_t)(c - 'a' + 'A');
		if (!ldisc_continuation(ld, c))
			ld->column++;
		return 1;
	}
}

/* ---- echo ----------------------------------------------------------------------------------------- */

static void echo_put(struct ldisc *ld, const uint8_t *p, size_t size)
{
	if (size == 0)
		return;
	if (!ld->stopped && ld->echo.count == 0 &&
	    byteq_put_all(&ld->out, p, size, LDISC_OUT_LIMIT + LDISC_ECHO_LIMIT)) {
		ld->events |= LDISC_OUTPUT;
		return;
	}
	(void)byteq_put_all(&ld->echo, p, size, LDISC_ECHO_LIMIT);
}

void ldisc_echo_byte(struct ldisc *ld, uint8_t c)
{
	uint8_t text[8];

	echo_put(ld, text, output_byte(ld, c, text));
}

void ldisc_echo_plain(struct ldisc *ld, uint8_t c)
{
	echo_put(ld, &c, 1);
}

void ldisc_echo_char(struct ldisc *ld, uint8_t c)
{
	if (ldisc_l(ld, ECHOCTL) && byte_is_control(c) && c != '\t') {
		uint8_t text[2] = { '^', c ^ 0100 };

		ld->column += 2;
		echo_put(ld, text, sizeof(text));
		return;
	}
	ldisc_echo_byte(ld, c);
}

/* Echo that waited goes in front of everything else. */
static void echo_catch_up(struct ldisc *ld)
{
	while (!ld->stopped && ld->echo.count > 0) {
		size_t n;
		const uint8_t *p = byteq_front(&ld->echo, &n);

		n = byteq_put(&ld->out, p, n, LDISC_OUT_LIMIT + LDISC_ECHO_LIMIT);
		if (n == 0)
			return;
		byteq_drop(&ld->echo, n);
		ld->events |= LDISC_OUTPUT;
	}
}

/* ---- writes --------------------------------------------------------------------------------------- */

size_t ldisc_write(struct ldisc *ld, const uint8_t *p, size_t size)
{
	size_t done = 0;

	echo_catch_up(ld);
	if (ld->stopped || ld->echo.count > 0)
		return 0;
	if (!ldisc_o(ld, OPOST)) {
		done = byteq_put(&ld->out, p, size, LDISC_OUT_LIMIT);
	} else {
		for (; done < size; done++) {
			unsigned int column = ld->column, canon_column = ld->canon_column;
			uint8_t text[8];
			size_t n = output_byte(ld, p[done], text);

			if (byteq_put_all(&ld->out, text, n, LDISC_OUT_LIMIT))
				continue;
			ld->column = column;
			ld->canon_column = canon_column;
			break;
		}
	}
	if (done > 0)
		ld->events |= LDISC_OUTPUT;
	return done;
}

bool ldisc_writable(const struct ldisc *ld)
{
	return !ld->stopped && ld->echo.count == 0 && ld->out.count + 8 <= LDISC_OUT_LIMIT;
}

void ldisc_output_taken(struct ldisc *ld)
{
	echo_catch_up(ld);
}

void ldisc_flush_output(struct ldisc *ld)
{
	byteq_clear(&ld->out);
	byteq_clear(&ld->echo);
	ld->events |= LDISC_FLUSHED_OUT;
}

void ldisc_stop(struct ldisc *ld)
{
	if (ld->stopped)
		return;
	ld->stopped = true;
	ld->events |= LDISC_STOPPED;
}

void ldisc_start(struct ldisc *ld)
{
	if (!ld->stopped || ld->tco_stopped)
		return;
	ld->stopped = false;
	ld->events |= LDISC_STARTED;
	echo_catch_up(ld);
}
