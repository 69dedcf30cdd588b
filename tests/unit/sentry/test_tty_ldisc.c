/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tty_ldisc.c: the line discipline as a state machine: bytes in, readable bytes, output and
 * signals out.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <string.h>
#include <termios.h>

#include "sentry/tty/ldisc.h"

#ifndef EXTPROC
#define EXTPROC 0200000
#endif

static int setup(void **state)
{
	struct ldisc *ld = malloc(sizeof(*ld));

	*state = ld;
	return ldisc_init(ld);
}

static int finish(void **state)
{
	ldisc_fini(*state);
	free(*state);
	return 0;
}

static void type(struct ldisc *ld, const char *s)
{
	assert_int_equal(ldisc_receive(ld, (const uint8_t *)s, strlen(s)), strlen(s));
}

static void expect_out(struct ldisc *ld, const char *s)
{
	char got[8192];
	size_t n = byteq_take(&ld->out, got, sizeof(got) - 1);

	got[n] = '\0';
	assert_string_equal(got, s);
	ldisc_output_taken(ld);
}

static void expect_read(struct ldisc *ld, const char *s)
{
	char got[LDISC_SIZE + 1];
	size_t n;

	assert_true(ldisc_readable(ld, false));
	n = ldisc_read(ld, got, sizeof(got) - 1);
	got[n] = '\0';
	assert_string_equal(got, s);
}

static void change(struct ldisc *ld, uint32_t ion, uint32_t ioff, uint32_t oon, uint32_t ooff,
		   uint32_t lon, uint32_t loff)
{
	struct ktermios t = ld->termios;

	t.iflag = (t.iflag & ~ioff) | ion;
	t.oflag = (t.oflag & ~ooff) | oon;
	t.lflag = (t.lflag & ~loff) | lon;
	ldisc_set_termios(ld, &t);
}

static void put(struct ldisc *ld, const char *s)
{
	assert_int_equal(ldisc_write(ld, (const uint8_t *)s, strlen(s)), strlen(s));
}

/* ---- canonical input -------------------------------------------------------------------------------- */

static void a_line_is_readable_after_its_newline(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "ab");
	assert_false(ldisc_readable(ld, false));
	type(ld, "c\r");
	expect_read(ld, "abc\n");
	expect_out(ld, "abc\r\n");
	assert_false(ldisc_readable(ld, false));
}

static void reads_end_with_the_line(void **state)
{
	struct ldisc *ld = *state;
	char buf[8];

	type(ld, "one\ntwo\n");
	assert_int_equal(ldisc_input_count(ld), 8);
	assert_int_equal(ldisc_read(ld, buf, 2), 2);
	expect_read(ld, "e\n");
	expect_read(ld, "two\n");
}

static void eof_ends_a_line_and_is_not_read(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "abc\4");
	expect_read(ld, "abc");
	type(ld, "\4");
	expect_read(ld, "");
	assert_false(ldisc_readable(ld, false));
	expect_out(ld, "abc");
}

static void eof_goes_along_with_an_exact_read(void **state)
{
	struct ldisc *ld = *state;
	char buf[3];

	type(ld, "abc\4");
	assert_int_equal(ldisc_read(ld, buf, 3), 3);
	assert_false(ldisc_readable(ld, false));
}

static void erase_wipes_characters_off_the_screen(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "ab\1\177\177\n");
	expect_out(ld, "ab^A\b \b\b \b\b \b\r\n");
	expect_read(ld, "a\n");
	type(ld, "\177\n");
	expect_out(ld, "\r\n");
	expect_read(ld, "\n");
}

static void erase_goes_back_over_tabs_to_where_they_began(void **state)
{
	struct ldisc *ld = *state;

	put(ld, "$ ");
	expect_out(ld, "$ ");
	type(ld, "ab\t\177");
	expect_out(ld, "ab\t\b\b\b\b");
	type(ld, "\t\t\177\n");
	expect_out(ld, "\t\t\b\b\b\b\b\b\b\b\r\n");
	expect_read(ld, "ab\t\n");
}

static void erase_takes_whole_utf8_characters(void **state)
{
	struct ldisc *ld = *state;

	change(ld, IUTF8, 0, 0, 0, 0, 0);
	type(ld, "x\xc3\xa4\177\n");
	expect_out(ld, "x\xc3\xa4\b \b\r\n");
	expect_read(ld, "x\n");
}

static void word_erase_takes_blanks_and_a_word(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "one two_2  \027\n");
	expect_read(ld, "one \n");
}

static void kill_wipes_the_line_or_starts_a_new_one(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "abc\025");
	expect_out(ld, "abc\b \b\b \b\b \b");
	change(ld, 0, 0, 0, 0, 0, ECHOKE);
	type(ld, "abc\025x\n");
	expect_out(ld, "abc^U\r\nx\r\n");
	expect_read(ld, "x\n");
}

static void echoprt_prints_what_is_erased_between_slashes(void **state)
{
	struct ldisc *ld = *state;

	change(ld, 0, 0, 0, 0, ECHOPRT, 0);
	type(ld, "abc\177\177x\n");
	expect_out(ld, "abc\\cb/x\r\n");
	expect_read(ld, "ax\n");
}

static void literal_next_takes_special_characters_as_they_are(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "a\026\3\n");
	expect_out(ld, "a^\b^C\r\n");
	expect_read(ld, "a\3\n");
	assert_int_equal(ld->signals, 0);
}

static void reprint_shows_the_line_again(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "ab\022");
	expect_out(ld, "ab^R\r\nab");
}

static void eol_characters_end_lines_and_stay(void **state)
{
	struct ldisc *ld = *state;
	struct ktermios t = ld->termios;

	t.cc[VEOL] = ';';
	t.cc[VEOL2] = '!';
	ldisc_set_termios(ld, &t);
	type(ld, "a;b!");
	expect_read(ld, "a;");
	expect_read(ld, "b!");
}

static void an_overlong_line_keeps_its_newline(void **state)
{
	struct ldisc *ld = *state;
	char buf[LDISC_SIZE];

	for (int i = 0; i < 5000; i++)
		type(ld, "x");
	assert_false(ldisc_readable(ld, false));
	type(ld, "\n");
	assert_int_equal(ldisc_read(ld, buf, sizeof(buf)), LDISC_SIZE);
	assert_int_equal(buf[LDISC_SIZE - 1], '\n');
}

static void a_full_buffer_with_a_whole_line_takes_no_more(void **state)
{
	struct ldisc *ld = *state;
	uint8_t many[5000];

	type(ld, "line\n");
	memset(many, 'x', sizeof(many));
	assert_int_equal(ldisc_receive(ld, many, sizeof(many)), LDISC_SIZE - 1 - 5);
	expect_read(ld, "line\n");
	assert_true(ldisc_receive(ld, many, 5) == 5);
}

/* ---- input modes ---------------------------------------------------------------------------------------- */

static void cr_and_nl_are_mapped_as_asked(void **state)
{
	struct ldisc *ld = *state;

	change(ld, INLCR, ICRNL, 0, 0, 0, ICANON | ECHO);
	type(ld, "a\rb\n");
	expect_read(ld, "a\rb\r");
	change(ld, IGNCR, 0, 0, 0, 0, 0);
	type(ld, "a\rb");
	expect_read(ld, "ab");
}

static void bytes_are_stripped_and_lowered_as_asked(void **state)
{
	struct ldisc *ld = *state;

	change(ld, ISTRIP | IUCLC, 0, 0, 0, 0, ECHO);
	type(ld, "\xc1""B\n");
	expect_read(ld, "ab\n");
}

static void parmrk_doubles_377(void **state)
{
	struct ldisc *ld = *state;

	change(ld, PARMRK, 0, 0, 0, 0, ECHO);
	type(ld, "\377\n");
	expect_read(ld, "\377\377\n");
}

static void extproc_leaves_everything_to_somebody_else(void **state)
{
	struct ldisc *ld = *state;

	change(ld, 0, 0, 0, 0, EXTPROC, 0);
	type(ld, "a\3\r");
	expect_read(ld, "a\3\r");
	expect_out(ld, "");
	assert_int_equal(ld->signals, 0);
}

/* ---- raw input -------------------------------------------------------------------------------------------- */

static void raw_bytes_are_readable_at_once(void **state)
{
	struct ldisc *ld = *state;

	change(ld, 0, ICRNL | IXON, 0, OPOST, 0, ICANON | ECHO | ISIG | IEXTEN);
	type(ld, "a\3\177\21\r");
	expect_read(ld, "a\3\177\21\r");
	expect_out(ld, "");
}

static void poll_counts_vmin_unless_there_is_vtime(void **state)
{
	struct ldisc *ld = *state;
	struct ktermios t = ld->termios;

	t.lflag &= ~(uint32_t)(ICANON | ECHO);
	t.cc[VMIN] = 3;
	ldisc_set_termios(ld, &t);
	type(ld, "ab");
	assert_true(ldisc_readable(ld, false));
	assert_false(ldisc_readable(ld, true));
	t.cc[VTIME] = 1;
	ldisc_set_termios(ld, &t);
	assert_true(ldisc_readable(ld, true));
}

static void what_was_typed_survives_changes_of_mode(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "par");
	change(ld, 0, 0, 0, 0, 0, ICANON);
	type(ld, "tial");
	change(ld, 0, 0, 0, 0, ICANON, 0);
	expect_read(ld, "partial");
}

/* ---- signals and flow ---------------------------------------------------------------------------------------- */

static void signal_characters_flush_and_are_echoed(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "abc\3");
	assert_int_equal(ld->signals, 1ULL << (SIGINT - 1));
	assert_true(ld->events & LDISC_FLUSHED_IN);
	expect_out(ld, "^C");
	type(ld, "\n");
	expect_read(ld, "\n");
	ld->signals = 0;
	type(ld, "\34\32");
	assert_int_equal(ld->signals, 1ULL << (SIGQUIT - 1) | 1ULL << (SIGTSTP - 1));
}

static void noflsh_keeps_the_line(void **state)
{
	struct ldisc *ld = *state;

	change(ld, 0, 0, 0, 0, NOFLSH, 0);
	type(ld, "abc\3d\n");
	assert_int_equal(ld->signals, 1ULL << (SIGINT - 1));
	expect_read(ld, "abcd\n");
}

static void stop_and_start_hold_output_and_echo(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "\23");
	assert_true(ld->stopped);
	assert_int_equal(ldisc_write(ld, (const uint8_t *)"x", 1), 0);
	assert_false(ldisc_writable(ld));
	type(ld, "ab");
	expect_out(ld, "");
	type(ld, "\21");
	expect_out(ld, "ab");
	put(ld, "x");
	expect_out(ld, "x");
}

static void ixany_starts_with_any_byte(void **state)
{
	struct ldisc *ld = *state;

	change(ld, IXANY, 0, 0, 0, 0, 0);
	type(ld, "\23a");
	assert_false(ld->stopped);
	expect_out(ld, "a");
}

static void turning_ixon_off_starts_output(void **state)
{
	struct ldisc *ld = *state;

	type(ld, "\23");
	change(ld, 0, IXON, 0, 0, 0, 0);
	assert_false(ld->stopped);
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static void output_modes_map_newlines(void **state)
{
	struct ldisc *ld = *state;

	put(ld, "a\nb");
	expect_out(ld, "a\r\nb");
	change(ld, 0, 0, OCRNL, ONLCR, 0, 0);
	put(ld, "a\rb\n");
	expect_out(ld, "a\nb\n");
	change(ld, 0, 0, ONOCR, OCRNL, 0, 0);
	put(ld, "\r\r");
	expect_out(ld, "\r");
	change(ld, 0, 0, OLCUC, 0, 0, 0);
	put(ld, "ab");
	expect_out(ld, "AB");
	change(ld, 0, 0, 0, OPOST, 0, 0);
	put(ld, "ab\n");
	expect_out(ld, "ab\n");
}

static void tabs_become_spaces_up_to_the_next_stop(void **state)
{
	struct ldisc *ld = *state;

	change(ld, 0, 0, XTABS, 0, 0, 0);
	put(ld, "abc\td\b\t");
	expect_out(ld, "abc     d\b        ");
}

static void writes_stop_at_the_limit_and_echo_does_not(void **state)
{
	struct ldisc *ld = *state;
	static uint8_t many[LDISC_OUT_LIMIT + 10];

	memset(many, 'x', sizeof(many));
	assert_int_equal(ldisc_write(ld, many, sizeof(many)), LDISC_OUT_LIMIT);
	assert_false(ldisc_writable(ld));
	type(ld, "ab");
	assert_int_equal(ld->out.count, LDISC_OUT_LIMIT + 2);
}

static void echonl_echoes_newlines_alone(void **state)
{
	struct ldisc *ld = *state;

	change(ld, 0, 0, 0, 0, ECHONL, ECHO);
	type(ld, "secret\n");
	expect_out(ld, "\r\n");
	expect_read(ld, "secret\n");
}

/* ---- anything ------------------------------------------------------------------------------------------------- */

static void random_modes(struct ldisc *ld)
{
	struct ktermios t = ld->termios;
	uint32_t *flags[] = { &t.iflag, &t.oflag, &t.cflag, &t.lflag };

	*flags[rand() % 4] ^= 1u << (rand() % 18);
	if (rand() % 4 == 0)
		t.cc[rand() % KTERMIOS_CC] = (uint8_t)rand();
	ktermios_set_speeds(&t);
	ldisc_set_termios(ld, &t);
}

static void random_step(struct ldisc *ld, uint8_t *buf, size_t max)
{
	static const char special[] = "\3\4\21\23\25\26\27\177\t\n\r \xc3\xa4 ab\377\22\32";
	size_t n = (size_t)rand() % (rand() % 20 ? 40 : max);

	for (size_t i = 0; i < n; i++)
		buf[i] = rand() % 3 ? (uint8_t)special[(size_t)rand() % (sizeof(special) - 1)]
				    : (uint8_t)rand();
	switch (rand() % 12) {
	case 0 ... 4:
		assert_true(ldisc_receive(ld, buf, n) <= n);
		break;
	case 5 ... 6:
		assert_true(ldisc_read(ld, buf, n) <= n);
		break;
	case 7 ... 8:
		assert_true(ldisc_write(ld, buf, n) <= n);
		break;
	case 9:
		byteq_take(&ld->out, buf, n);
		ldisc_output_taken(ld);
		break;
	case 10:
		random_modes(ld);
		break;
	default:
		if (rand() % 2)
			ldisc_flush_input(ld);
		else
			ldisc_flush_output(ld);
	}
}

static void any_input_and_modes_keep_the_invariants(void **state)
{
	struct ldisc *ld = *state;
	static uint8_t buf[6000];

	srand(1);
	for (int i = 0; i < 20000; i++) {
		random_step(ld, buf, sizeof(buf));
		assert_true(ld->tail <= ld->canon && ld->canon <= ld->head);
		assert_true(ld->head - ld->tail <= LDISC_SIZE);
		assert_true(ld->out.count <= LDISC_OUT_LIMIT + LDISC_ECHO_LIMIT);
		assert_true(ld->echo.count <= LDISC_ECHO_LIMIT);
	}
}

#define T(name) UNIT_FIXTURE(name, setup, finish)

UNIT_MAIN(T(a_line_is_readable_after_its_newline), T(reads_end_with_the_line),
	  T(eof_ends_a_line_and_is_not_read), T(eof_goes_along_with_an_exact_read),
	  T(erase_wipes_characters_off_the_screen), T(erase_goes_back_over_tabs_to_where_they_began),
	  T(erase_takes_whole_utf8_characters), T(word_erase_takes_blanks_and_a_word),
	  T(kill_wipes_the_line_or_starts_a_new_one), T(echoprt_prints_what_is_erased_between_slashes),
	  T(literal_next_takes_special_characters_as_they_are), T(reprint_shows_the_line_again),
	  T(eol_characters_end_lines_and_stay), T(an_overlong_line_keeps_its_newline),
	  T(a_full_buffer_with_a_whole_line_takes_no_more), T(cr_and_nl_are_mapped_as_asked),
	  T(bytes_are_stripped_and_lowered_as_asked), T(parmrk_doubles_377),
	  T(extproc_leaves_everything_to_somebody_else), T(raw_bytes_are_readable_at_once),
	  T(poll_counts_vmin_unless_there_is_vtime), T(what_was_typed_survives_changes_of_mode),
	  T(signal_characters_flush_and_are_echoed), T(noflsh_keeps_the_line),
	  T(stop_and_start_hold_output_and_echo), T(ixany_starts_with_any_byte),
	  T(turning_ixon_off_starts_output), T(output_modes_map_newlines),
	  T(tabs_become_spaces_up_to_the_next_stop), T(writes_stop_at_the_limit_and_echo_does_not),
	  T(echonl_echoes_newlines_alone), T(any_input_and_modes_keep_the_invariants))
