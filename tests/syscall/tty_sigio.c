/* SPDX-License-Identifier: Apache-2.0 */
/* tty_sigio.c: signal-driven input and output of terminals (O_ASYNC, F_SETOWN, F_SETSIG). */
#include "t.h"

#include <termios.h>

static volatile sig_atomic_t signals, code, band, fd_of;

static void on_signal(int signo, siginfo_t *si, void *context)
{
	(void)signo, (void)context;
	code = si->si_code;
	band = (int)si->si_band;
	fd_of = si->si_fd;
	signals++;
}

static void await(int count)
{
	for (int i = 0; i < T_GUARD_MS && signals < count; i++)
		t_sleep_ms(1);
	CHECK(signals >= count);
}

T_MAIN
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), s, zero = 0;
	struct termios tio;
	char name[32], buf[16];
	unsigned int nr;

	CHECK(m >= 0);
	EQUAL(ioctl(m, TIOCSPTLCK, &zero), 0);
	EQUAL(ioctl(m, TIOCGPTN, &nr), 0);
	snprintf(name, sizeof(name), "/dev/pts/%u", nr);
	s = open(name, O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
	tcgetattr(s, &tio);
	cfmakeraw(&tio);
	EQUAL(tcsetattr(s, TCSANOW, &tio), 0);
	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);

	/* Input at the terminal: whoever asked for it is the owner when nobody was named. */
	EQUAL(fcntl(s, F_SETFL, O_RDWR | O_ASYNC), 0);
	EQUAL(fcntl(s, F_GETOWN), getpid());
	EQUAL(write(m, "a", 1), 1);
	await(1);
	EQUAL(read(s, buf, 16), 1);

	/* With a signal of its own: what happened, and where. */
	EQUAL(fcntl(s, F_SETSIG, SIGRTMIN), 0);
	signals = 0;
	EQUAL(write(m, "b", 1), 1);
	await(1);
	EQUAL(code, POLL_IN);
	CHECK(band & POLLIN);
	EQUAL(fd_of, s);
	EQUAL(read(s, buf, 16), 1);
	EQUAL(fcntl(s, F_SETFL, O_RDWR), 0);
	signals = 0;
	EQUAL(write(m, "c", 1), 1);
	t_sleep_ms(20);
	EQUAL(signals, 0);
	EQUAL(read(s, buf, 16), 1);

	/* The master's side: what the terminal's programs write. */
	EQUAL(fcntl(m, F_SETOWN, getpid()), 0);
	EQUAL(fcntl(m, F_SETFL, O_RDWR | O_ASYNC), 0);
	signals = 0;
	EQUAL(write(s, "d", 1), 1);
	await(1);
	EQUAL(read(m, buf, 16), 1);
	close(s);
	close(m);
}
