/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ldisc.h: the line discipline N_TTY (termios(3)): a state machine without locks, sleeps or tasks.
 *
 *     hardware ──ldisc_receive()──▶ line buffer ──ldisc_read()──▶ application
 *         ▲             │ echo                                         │
 *         └───── out ◀──┴───────────────────ldisc_write()◀─────────────┘
 *
 * Bytes go in; readable bytes, output, signals and events come out.  The owner (struct tty) holds
 * its lock, sends the signals, wakes sleepers, and moves ld->out to the hardware.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sentry/tty/byteq.h"

/* The kernel's struct termios2; its first 36 bytes are struct termios. */
#define KTERMIOS_CC   19
#define KTERMIOS_SIZE 36
struct ktermios {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[KTERMIOS_CC];
	uint32_t ispeed, ospeed;
};
_Static_assert(sizeof(struct ktermios) == 44, "x86-64 ABI");

#define LDISC_SIZE       4096  /* the line buffer: a line has at most 4095 bytes and its newline */
#define LDISC_OUT_LIMIT  65536 /* writers wait beyond this */
#define LDISC_ECHO_LIMIT 4096  /* echo may be that much ahead of a stopped or full output */

enum ldisc_event {
	LDISC_STOPPED = 1 << 0,   /* output was stopped (^S, TCOOFF) */
	LDISC_STARTED = 1 << 1,   /* … and goes on */
	LDISC_FLUSHED_OUT = 1 << 2,
	LDISC_FLUSHED_IN = 1 << 3,
	LDISC_READABLE = 1 << 4,  /* there may be more to read than before */
	LDISC_OUTPUT = 1 << 5,    /* bytes were added to out */
};

struct ldisc {
	struct ktermios termios;

	/* Positions count bytes ever received: tail <= canon <= head <= tail + LDISC_SIZE. */
	size_t tail;  /* the next byte for the application */
	size_t canon; /* canonical: the end of the last whole line */
	size_t head;
	uint8_t bytes[LDISC_SIZE];
	uint8_t kinds[LDISC_SIZE]; /* enum byte_kind */
	bool lnext;   /* the last byte was VLNEXT */
	bool erasing; /* between the \ and the / of ECHOPRT */

	struct byteq out;
	struct byteq echo;         /* echo that waits because output is stopped or full */
	unsigned int column;       /* where the cursor is */
	unsigned int canon_column; /* where it was when the line began */
	bool stopped;              /* by VSTOP or TCOOFF */
	bool tco_stopped;          /* by TCOOFF: only TCOON starts it again */

	uint64_t signals; /* out: bit n-1 for the foreground group's signal n; the owner clears it */
	unsigned int events; /* out: enum ldisc_event; the owner clears it */
};

/* With a terminal's first modes (stty sane).  -ENOMEM, or 0. */
int ldisc_init(struct ldisc *ld) must_check;
void ldisc_fini(struct ldisc *ld);

/* Input.  The count that was taken; less than size when the buffer is full. */
size_t ldisc_receive(struct ldisc *ld, const uint8_t *p, size_t size);
/*
 * Is there something for read(2)?  for_poll: as poll(2) means it, where VMIN without VTIME counts.
 */
bool ldisc_readable(const struct ldisc *ld, bool for_poll);
/* Canonical reads end with the line. */
bool ldisc_canonical(const struct ldisc *ld);
/* Move what one look gives: at most a line, at most size bytes.  0 also for an end-of-file mark. */
size_t ldisc_read(struct ldisc *ld, void *dst, size_t size);
/* FIONREAD. */
size_t ldisc_input_count(const struct ldisc *ld);
void ldisc_flush_input(struct ldisc *ld);

/* Output with post-processing.  The count of bytes of p that are done with. */
size_t ldisc_write(struct ldisc *ld, const uint8_t *p, size_t size);
bool ldisc_writable(const struct ldisc *ld);
/* The hardware took bytes off ld->out: echo that waited may follow. */
void ldisc_output_taken(struct ldisc *ld);
void ldisc_flush_output(struct ldisc *ld);
void ldisc_stop(struct ldisc *ld);
void ldisc_start(struct ldisc *ld);

void ldisc_set_termios(struct ldisc *ld, const struct ktermios *t);
/* Set the speeds from cflag (tty_termios_encode_baud_rate's inverse). */
void ktermios_set_speeds(struct ktermios *t);
