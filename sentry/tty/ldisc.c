/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ldisc.c: the line discipline's input half: special characters, line editing, reading.
 *
 * The order in which a byte's meanings are tried is POSIX's, and where that is silent Linux's
 * (drivers/tty/n_tty.c): strip and case, literal next, flow control, signals, CR and NL, editing,
 * line ends.
 *
 * Canonical mode: the bytes from canon to head are the line being edited; a newline, VEOL, VEOL2 or
 * VEOF moves canon to head.  In a full buffer that holds no whole line each further byte replaces
 * the last one, so that a newline still gets in (what Linux does instead of ringing the bell).
 * Otherwise canon stays at tail and everything up to head may be read.
 */
#include "sentry/tty/ldisc.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "sentry/tty/ldisc_impl.h"

static const uint8_t default_cc[KTERMIOS_CC] = {
	[VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1,
	[VSTART] = 17, [VSTOP] = 19, [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15,
	[VWERASE] = 23, [VLNEXT] = 22,
};

int ldisc_init(struct ldisc *ld)
{
	memset(ld, 0, sizeof(*ld));
	ld->termios = (struct ktermios){
		.iflag = ICRNL | IXON,
		.oflag = OPOST | ONLCR,
		.cflag = B38400 | CS8 | CREAD,
		.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		.ispeed = 38400, .ospeed = 38400,
	};
	memcpy(ld->termios.cc, default_cc, sizeof(default_cc));
	if (byteq_init(&ld->out) < 0)
		return -ENOMEM;
	if (byteq_init(&ld->echo) < 0) {
		byteq_fini(&ld->out);
		return -ENOMEM;
	}
	return 0;
}

void ldisc_fini(struct ldisc *ld)
{
	byteq_fini(&ld->out);
	byteq_fini(&ld->echo);
}

/* ---- the line buffer ------------------------------------------------------------------------------- */

static uint8_t *byte_at(struct ldisc *ld, size_t pos)
{
	return &ld->bytes[pos % LDISC_SIZE];
}

/* The caller has seen to the room. */
static void buffer_put(struct ldisc *ld, uint8_t c, enum byte_kind kind)
{
	if (ld->head - ld->tail == LDISC_SIZE)
		return;
	ld->bytes[ld->head % LDISC_SIZE] = c;
	ld->kinds[ld->head % LDISC_SIZE] = (uint8_t)kind;
	ld->head++;
}

static void buffer_end_line(struct ldisc *ld, uint8_t c, enum byte_kind kind)
{
	buffer_put(ld, c, kind);
	ld->canon = ld->head;
	ld->events |= LDISC_READABLE;
}

void ldisc_flush_input(struct ldisc *ld)
{
	ld->tail = ld->canon = ld->head = 0;
	ld->lnext = ld->erasing = false;
	ld->events |= LDISC_FLUSHED_IN;
}

/* ---- erasing ---------------------------------------------------------------------------------------- */

static void erasing_finish(struct ldisc *ld)
{
	if (!ld->erasing)
		return;
	ld->erasing = false;
	ldisc_echo_byte(ld, '/');
}

static void echo_backspace(struct ldisc *ld)
{
	ldisc_echo_byte(ld, '\b');
	ldisc_echo_byte(ld, ' ');
	ldisc_echo_byte(ld, '\b');
}

/* Back over a tab that was at head: to the column where what precedes it ended. */
static void echo_erase_tab(struct ldisc *ld)
{
	unsigned int width = 0;
	size_t pos = ld->head;
	bool after_tab = false;

	while (pos != ld->canon && !after_tab) {
		uint8_t c = *byte_at(ld, --pos);

		if (c == '\t')
			after_tab = true;
		else if (byte_is_control(c))
			width += ldisc_l(ld, ECHOCTL) ? 2 : 0;
		else if (!ldisc_continuation(ld, c))
			width++;
	}
	/* A tab ends at a multiple of 8, so only what follows the last one counts. */
	if (!after_tab)
		width += ld->canon_column;
	for (unsigned int n = 8 - (width & 7); n > 0; n--) {
		ldisc_echo_plain(ld, '\b');
		if (ld->column > 0)
			ld->column--;
	}
}

/* Show that the size bytes from head on, a character that begins with c, are gone. */
static void echo_erased(struct ldisc *ld, uint8_t c, size_t size, uint8_t key)
{
	if (ldisc_l(ld, ECHOPRT)) {
		if (!ld->erasing) {
			ldisc_echo_byte(ld, '\\');
			ld->erasing = true;
		}
		ldisc_echo_char(ld, c);
		for (size_t i = 1; i < size; i++)
			ldisc_echo_plain(ld, *byte_at(ld, ld->head + i));
	} else if (key == VERASE && !ldisc_l(ld, ECHOE)) {
		ldisc_echo_char(ld, ld->termios.cc[VERASE]);
	} else if (c == '\t') {
		echo_erase_tab(ld);
	} else {
		if (byte_is_control(c) && ldisc_l(ld, ECHOCTL))
			echo_backspace(ld);
		if (!byte_is_control(c) || ldisc_l(ld, ECHOCTL))
			echo_backspace(ld);
	}
}

/* VKILL where the line is not to be wiped off the screen. */
static void kill_line(struct ldisc *ld)
{
	ld->head = ld->canon;
	erasing_finish(ld);
	ldisc_echo_char(ld, ld->termios.cc[VKILL]);
	if (ldisc_l(ld, ECHOK))
		ldisc_echo_byte(ld, '\n');
}

static bool byte_in_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Erase with one of VERASE, VWERASE, VKILL. */
static void erase(struct ldisc *ld, uint8_t key)
{
	bool in_word = false;

	if (ld->head == ld->canon)
		return;
	if (key == VKILL && !ldisc_l(ld, ECHO)) {
		ld->head = ld->canon;
		return;
	}
	if (key == VKILL && !(ldisc_l(ld, ECHOK) && ldisc_l(ld, ECHOKE) && ldisc_l(ld, ECHOE))) {
		kill_line(ld);
		return;
	}
	while (ld->head != ld->canon) {
		size_t pos = ld->head, size;
		uint8_t c;

		do {
			c = *byte_at(ld, --pos);
		} while (ldisc_continuation(ld, c) && pos != ld->canon);
		if (ldisc_continuation(ld, c))
			break; /* no character begins here: leave it */
		if (key == VWERASE) {
			if (byte_in_word(c))
				in_word = true;
			else if (in_word)
				break;
		}
		size = ld->head - pos;
		ld->head = pos;
		if (ldisc_l(ld, ECHO))
			echo_erased(ld, c, size, key);
		if (key == VERASE)
			break;
	}
	if (ld->head == ld->canon && ldisc_l(ld, ECHO))
		erasing_finish(ld);
}

/* VREPRINT: the line once more, on a line of its own. */
static void reprint(struct ldisc *ld, uint8_t c)
{
	erasing_finish(ld);
	ldisc_echo_char(ld, c);
	ldisc_echo_byte(ld, '\n');
	for (size_t pos = ld->canon; pos != ld->head; pos++)
		ldisc_echo_char(ld, *byte_at(ld, pos));
}

/* ---- receiving --------------------------------------------------------------------------------------- */

static bool is_cc(const struct ldisc *ld, uint8_t c, unsigned int which)
{
	return c != LDISC_VDISABLE && ld->termios.cc[which] == c;
}

static void receive_plain(struct ldisc *ld, uint8_t c)
{
	if (ldisc_l(ld, ECHO)) {
		erasing_finish(ld);
		if (c == '\n') {
			ldisc_echo_byte(ld, c);
		} else {
			if (ld->canon == ld->head)
				ld->canon_column = ld->column;
			ldisc_echo_char(ld, c);
		}
	}
	if (c == 0377 && ldisc_i(ld, PARMRK))
		buffer_put(ld, c, BYTE_PLAIN);
	buffer_put(ld, c, BYTE_PLAIN);
	if (!ldisc_canonical(ld))
		ld->events |= LDISC_READABLE;
}

static void receive_signal(struct ldisc *ld, uint8_t c, int sig)
{
	if (!ldisc_l(ld, NOFLSH)) {
		ldisc_flush_output(ld);
		ldisc_flush_input(ld);
	}
	ld->signals |= 1ULL << (sig - 1);
	if (ldisc_i(ld, IXON))
		ldisc_start(ld);
	if (ldisc_l(ld, ECHO))
		ldisc_echo_char(ld, c);
}

/* Flow control and signals.  True: the byte is dealt with. */
static bool receive_control(struct ldisc *ld, uint8_t c)
{
	if (ldisc_i(ld, IXON)) {
		if (is_cc(ld, c, VSTART)) {
			ldisc_start(ld);
			return true;
		}
		if (is_cc(ld, c, VSTOP)) {
			ldisc_stop(ld);
			return true;
		}
	}
	if (ldisc_l(ld, ISIG)) {
		int sig = is_cc(ld, c, VINTR) ? SIGINT : is_cc(ld, c, VQUIT) ? SIGQUIT
						       : is_cc(ld, c, VSUSP) ? SIGTSTP : 0;

		if (sig) {
			receive_signal(ld, c, sig);
			return true;
		}
	}
	if (ldisc_i(ld, IXON) && ldisc_i(ld, IXANY))
		ldisc_start(ld);
	return false;
}

/* Editing and line ends of canonical mode.  True: the byte is dealt with. */
static bool receive_canonical(struct ldisc *ld, uint8_t c)
{
	bool extended = ldisc_l(ld, IEXTEN);

	if (is_cc(ld, c, VERASE)) {
		erase(ld, VERASE);
	} else if (is_cc(ld, c, VKILL)) {
		erase(ld, VKILL);
	} else if (extended && is_cc(ld, c, VWERASE)) {
		erase(ld, VWERASE);
	} else if (extended && is_cc(ld, c, VLNEXT)) {
		ld->lnext = true;
		if (ldisc_l(ld, ECHO)) {
			erasing_finish(ld);
			if (ldisc_l(ld, ECHOCTL)) {
				ldisc_echo_byte(ld, '^');
				ldisc_echo_byte(ld, '\b');
			}
		}
	} else if (extended && ldisc_l(ld, ECHO) && is_cc(ld, c, VREPRINT)) {
		reprint(ld, c);
	} else if (c == '\n') {
		if (ldisc_l(ld, ECHO | ECHONL))
			ldisc_echo_byte(ld, c);
		buffer_end_line(ld, c, BYTE_EOL);
	} else if (is_cc(ld, c, VEOF)) {
		buffer_end_line(ld, LDISC_VDISABLE, BYTE_EOF);
	} else if (is_cc(ld, c, VEOL) || (extended && is_cc(ld, c, VEOL2))) {
		if (ldisc_l(ld, ECHO)) {
			if (ld->canon == ld->head)
				ld->canon_column = ld->column;
			ldisc_echo_char(ld, c);
		}
		if (c == 0377 && ldisc_i(ld, PARMRK))
			buffer_put(ld, c, BYTE_PLAIN);
		buffer_end_line(ld, c, BYTE_EOL);
	} else {
		return false;
	}
	return true;
}

static void receive_byte(struct ldisc *ld, uint8_t c)
{
	if (ldisc_i(ld, ISTRIP))
		c &= 0x7f;
	if (ldisc_i(ld, IUCLC) && ldisc_l(ld, IEXTEN) && c >= 'A' && c <= 'Z')
		c = (uint8_t)(c - 'A' + 'a');
	if (ldisc_l(ld, EXTPROC)) {
		/* Somebody else edits: bytes pass, but must still be readable. */
		buffer_put(ld, c, BYTE_PLAIN);
		ld->events |= LDISC_READABLE;
		return;
	}
	if (ld->lnext) {
		ld->lnext = false;
		receive_plain(ld, c);
		return;
	}
	if (receive_control(ld, c))
		return;
	if (c == '\r') {
		if (ldisc_i(ld, IGNCR))
			return;
		if (ldisc_i(ld, ICRNL))
			c = '\n';
	} else if (c == '\n' && ldisc_i(ld, INLCR)) {
		c = '\r';
	}
	if (ldisc_l(ld, ICANON) && receive_canonical(ld, c))
		return;
	receive_plain(ld, c);
}

/* Room for one more byte?  Makes it by dropping the last one of an overlong line. */
static bool receive_room(struct ldisc *ld)
{
	size_t used = ld->head - ld->tail, need = ldisc_i(ld, PARMRK) ? 3 : 1;

	if (used + need < LDISC_SIZE)
		return true;
	if (!ldisc_canonical(ld) || ld->canon != ld->tail)
		return false;
	while (ld->head - ld->tail + need > LDISC_SIZE)
		ld->head--;
	return true;
}

size_t ldisc_receive(struct ldisc *ld, const uint8_t *p, size_t size)
{
	size_t i;

	for (i = 0; i < size && receive_room(ld); i++)
		receive_byte(ld, p[i]);
	return i;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

bool ldisc_canonical(const struct ldisc *ld)
{
	return ldisc_l(ld, ICANON) && !ldisc_l(ld, EXTPROC);
}

bool ldisc_readable(const struct ldisc *ld, bool for_poll)
{
	size_t least = 1;

	if (ldisc_canonical(ld))
		return ld->canon != ld->tail;
	if (for_poll && ld->termios.cc[VTIME] == 0 && ld->termios.cc[VMIN] > 0)
		least = ld->termios.cc[VMIN];
	return ld->head - ld->tail >= least;
}

/* Up to size bytes of one line.  An end-of-file mark right behind them goes along with them. */
static size_t read_line(struct ldisc *ld, uint8_t *dst, size_t size)
{
	size_t n = 0;

	while (ld->tail != ld->canon) {
		uint8_t kind = ld->kinds[ld->tail % LDISC_SIZE];

		if (kind == BYTE_EOF) {
			ld->tail++;
			break;
		}
		if (n == size)
			break;
		dst[n++] = *byte_at(ld, ld->tail++);
		if (kind == BYTE_EOL)
			break;
	}
	return n;
}

size_t ldisc_read(struct ldisc *ld, void *dst, size_t size)
{
	size_t n = 0;

	if (ldisc_canonical(ld))
		return read_line(ld, dst, size);
	for (; n < size && ld->tail != ld->head; n++)
		((uint8_t *)dst)[n] = *byte_at(ld, ld->tail++);
	ld->canon = ld->tail;
	return n;
}

size_t ldisc_input_count(const struct ldisc *ld)
{
	size_t n = 0;

	if (!ldisc_canonical(ld))
		return ld->head - ld->tail;
	for (size_t pos = ld->tail; pos != ld->canon; pos++)
		n += ld->kinds[pos % LDISC_SIZE] != BYTE_EOF;
	return n;
}

/* ---- modes ------------------------------------------------------------------------------------------- */

void ktermios_set_speeds(struct ktermios *t)
{
	static const uint32_t speeds[] = { 0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800,
					   2400, 4800, 9600, 19200, 38400 };
	static const uint32_t fast[] = { 57600, 115200, 230400, 460800, 500000, 576000, 921600,
					 1000000, 1152000, 1500000, 2000000, 2500000, 3000000,
					 3500000, 4000000 };
	uint32_t code = t->cflag & CBAUD;

	if (code == 0010000) /* BOTHER: the members say it */
		return;
	if (code & 0010000)
		t->ospeed = fast[MIN((code & 017) - 1, (uint32_t)ARRAY_SIZE(fast) - 1)];
	else
		t->ospeed = speeds[code];
	t->ispeed = t->ospeed;
}

/* What was received in the old mode stays readable in the new one. */
static void change_canonical(struct ldisc *ld)
{
	memset(ld->kinds, BYTE_PLAIN, sizeof(ld->kinds));
	ld->erasing = ld->lnext = false;
	ld->canon = ld->tail;
	if (ldisc_l(ld, ICANON) && ld->head != ld->tail) {
		ld->kinds[(ld->head - 1) % LDISC_SIZE] = BYTE_EOL;
		ld->canon = ld->head;
	}
	ld->events |= LDISC_READABLE;
}

void ldisc_set_termios(struct ldisc *ld, const struct ktermios *t)
{
	struct ktermios old = ld->termios;

	ld->termios = *t;
	if ((old.lflag ^ t->lflag) & (ICANON | EXTPROC))
		change_canonical(ld);
	if ((old.iflag & IXON) && !(t->iflag & IXON))
		ldisc_start(ld);
	if (old.cc[VMIN] != t->cc[VMIN] || old.cc[VTIME] != t->cc[VTIME])
		ld->events |= LDISC_READABLE; /* sleepers look at their limits again */
}
