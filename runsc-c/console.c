/* SPDX-License-Identifier: Apache-2.0 */
/* console.c: terminals of containers.  See console.h. */
#include "runsc-c/console.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "platform/host.h"

static void copy_size(int from, int to)
{
	struct winsize ws;

	if (ioctl(from, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0)
		ioctl(to, TIOCSWINSZ, &ws);
}

int console_open(struct console *c, unsigned short rows, unsigned short columns, struct err *e)
{
	struct winsize ws = { .ws_row = rows, .ws_col = columns };
	int unlock = 0;

	c->slave = -1;
	c->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->master < 0)
		return err_errno(e, errno, "process.terminal: /dev/ptmx");
	if (ioctl(c->master, TIOCSPTLCK, &unlock) == 0)
		c->slave = ioctl(c->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0) {
		err_errno(e, errno, "process.terminal: can't open the pty's slave");
		console_close(c);
		return e->error;
	}
	if (rows > 0 && columns > 0)
		ioctl(c->master, TIOCSWINSZ, &ws);
	else
		copy_size(0, c->master);
	return 0;
}

void console_close(struct console *c)
{
	host_close_fd(&c->master);
	host_close_fd(&c->slave);
}

int console_send(const struct console *c, const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct iovec name = { strdupa("/dev/ptmx"), 9 };
	int s, err;

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(e, ENAMETOOLONG, "--console-socket: \"%s\" is longer than %zu bytes",
			       path, sizeof(a.sun_path) - 1);
	memcpy(a.sun_path, path, strlen(path));
	s = host_socket(AF_UNIX, SOCK_STREAM, 0);
	err = s < 0 ? s : host_connect(s, &a, sizeof(a));
	if (err == 0) {
		ssize_t n = host_send_fds(s, &name, 1, &c->master, 1);

		err = n < 0 ? (int)n : 0;
	}
	if (s >= 0)
		close(s);
	return err < 0 ? err_errno(e, err, "--console-socket: \"%s\"", path) : 0;
}

/* ---- signals -------------------------------------------------------------------------------- */

void console_adopt(int slave)
{
	(void)ioctl(slave, TIOCSCTTY, 0);
}

json_t *console_forward(const struct signalfd_siginfo *info, const char *id, int pid)
{
	if (info->ssi_code != SI_KERNEL)
		return json_pack("{s:s,s:s,s:i,s:i}", "op", "signal", "id", id, "pid", pid, "signal",
				 (int)info->ssi_signo);
	if (info->ssi_signo != SIGWINCH)
		return NULL; /* hang-ups: the Sentry sees them itself */
	return json_pack("{s:s,s:s,s:i,s:i,s:i}", "op", "resize", "id", id, "pid", pid, "rows", 0,
			 "columns", 0);
}

/* ---- relay ---------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *p, size_t size)
{
	while (size > 0) {
		ssize_t n = host_write(fd, p, size);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN) {
			struct pollfd w = { .fd = fd, .events = POLLOUT };

			host_ppoll(&w, 1, NULL);
			continue;
		}
		if (n < 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

/* false: nothing more will come. */
static bool copy_some(int from, int to)
{
	char buffer[16384];
	ssize_t n = host_read(from, buffer, sizeof(buffer));

	if (n == -EINTR || n == -EAGAIN)
		return true;
	return n > 0 && write_all(to, buffer, (size_t)n);
}

/*
 * What the terminal still holds after its process has ended.  The master gives EIO when its last user
 * has gone, which may be a moment later; never, if something in the container keeps it open.
 */
static void drain(int master)
{
	struct pollfd p = { .fd = master, .events = POLLIN };
	struct timespec patience = { 0, 200000000 };

	while (host_ppoll(&p, 1, &patience) > 0 && copy_some(master, 1))
		;
}

/* Not those that stop us, or that say that we are broken. */
static void passed_on(sigset_t *set)
{
	static const int kept[] = { SIGCHLD, SIGTTIN, SIGTTOU, SIGTSTP, SIGPIPE, SIGSEGV, SIGBUS,
				    SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };

	sigfillset(set);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		sigdelset(set, kept[i]);
}

void console_block_signals(void)
{
	sigset_t set;

	passed_on(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void on_signal(int signals, int master, pid_t pid)
{
	struct signalfd_siginfo info;

	if (host_read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH && master >= 0)
		copy_size(0, master);
	else
		kill(pid, (int)info.ssi_signo);
}

/* One round; false when it is over. */
static bool attend_once(int *master, bool *input, int signals, int done_fd, pid_t pid)
{
	struct pollfd p[4] = { { *master, POLLIN, 0 },
			       { *input ? 0 : -1, POLLIN, 0 },
			       { signals, POLLIN, 0 },
			       { done_fd, POLLIN, 0 } };
	char eof = 4; /* ^D */

	if (host_ppoll(p, 4, NULL) <= 0)
		return true;
	if (p[2].revents != 0)
		on_signal(signals, *master, pid);
	if (p[1].revents != 0 && !copy_some(0, *master)) {
		*input = false;
		write_all(*master, &eof, 1);
	}
	/* Nobody has the slave open any more: the end is near. */
	if (p[0].revents != 0 && !copy_some(*master, 1)) {
		*master = -1;
		*input = false;
	}
	return p[3].revents == 0;
}

void console_attend(int master, int done_fd, pid_t pid)
{
	bool tty = master >= 0 && isatty(0), input = master >= 0;
	struct termios saved, raw;
	int signals, open_master = master;
	sigset_t set;

	if (tty && tcgetattr(0, &saved) == 0) {
		raw = saved;
		cfmakeraw(&raw);
		tcsetattr(0, TCSANOW, &raw);
	}
	console_block_signals();
	passed_on(&set);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	while (attend_once(&open_master, &input, signals, done_fd, pid))
		;
	if (open_master >= 0)
		drain(open_master);
	close(signals);
	if (tty)
		tcsetattr(0, TCSANOW, &saved);
}
