/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h: terminals of containers: a pty of the host whose slave becomes the process's stdio and
 * whose master goes to whoever talks to the user: over --console-socket, or to our own relay.
 */
#pragma once

#include <jansson.h>
#include <sys/signalfd.h>

#include <sys/types.h>

#include "runsc-c/err.h"

struct console {
	int master, slave; /* -1: none */
};

/* Make a pty; rows and columns 0: those of our own terminal, if we have one. */
int console_open(struct console *c, unsigned short rows, unsigned short columns, struct err *e);
/* Send the master to the Unix socket at path. */
int console_send(const struct console *c, const char *path, struct err *e);
void console_close(struct console *c);

/*
 * Hold back the signals that a container's attached command passes on, from before the container is
 * made: one that came earlier would end us and leave it half made.
 */
void console_block_signals(void);
/*
 * Wait until done_fd (a pidfd) becomes readable, passing the signals held back on to process pid.  With
 * a master (else -1) copy between our stdin/stdout and it; our terminal is raw meanwhile and its size
 * follows.
 */
void console_attend(int master, int done_fd, pid_t pid);


/*
 * Become, as a session leader without a terminal, the one that hears of the pty's changes of size:
 * the Sentry, which holds the slave, is in no session that could.  Nothing if that fails.
 */
void console_adopt(int slave);
/*
 * The request that passes a signal of ours on to process pid (0: init) of container id; NULL: none.
 * What the pty's own kernel sends becomes "resize", or is known to the Sentry already (hang-ups).
 */
json_t *console_forward(const struct signalfd_siginfo *info, const char *id, int pid);
