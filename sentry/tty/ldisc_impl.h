/* SPDX-License-Identifier: Apache-2.0 */
/* ldisc_impl.h: what the input and output halves of the line discipline share. */
#pragma once

#include <termios.h>

#include "sentry/tty/ldisc.h"

/* Bits that <termios.h> does not always show. */
#ifndef EXTPROC
#define EXTPROC 0200000
#endif

#define LDISC_VDISABLE 0 /* _POSIX_VDISABLE: a c_cc that no byte matches */

enum byte_kind {
	BYTE_PLAIN,
	BYTE_EOL, /* the last of its line */
	BYTE_EOF, /* an end-of-file mark: ends its line, is not part of it */
};

/* ASCII alone, as the kernel sees it; the C library's answers depend on the locale. */
static inline bool byte_is_control(uint8_t c)
{
	return c < 32 || c == 127;
}

static inline bool ldisc_i(const struct ldisc *ld, uint32_t bits)
{
	return ld->termios.iflag & bits;
}

static inline bool ldisc_o(const struct ldisc *ld, uint32_t bits)
{
	return ld->termios.oflag & bits;
}

static inline bool ldisc_l(const struct ldisc *ld, uint32_t bits)
{
	return ld->termios.lflag & bits;
}

/* A byte of UTF-8 that continues a character and so has no width of its own. */
static inline bool ldisc_continuation(const struct ldisc *ld, uint8_t c)
{
	return ldisc_i(ld, IUTF8) && (c & 0xc0) == 0x80;
}

/* Echo one byte through output processing. */
void ldisc_echo_byte(struct ldisc *ld, uint8_t c);
/* Echo it as ECHOCTL says: ^X for a control character. */
void ldisc_echo_char(struct ldisc *ld, uint8_t c);
/* Echo without output processing. */
void ldisc_echo_plain(struct ldisc *ld, uint8_t c);
