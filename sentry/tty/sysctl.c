/* SPDX-License-Identifier: Apache-2.0 */
/* sysctl.c: terminals in /proc: /proc/sys/kernel/pty, /proc/sys/dev/tty, tty_nr in /proc/PID/stat. */
#include "lib/buf.h"
#include "sentry/proc/proc.h"
#include "sentry/tty/tty_impl.h"

/* s->min is the value. */
static int get_number(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	(void)r;
	buf_printf(b, "%ld\n", s->min);
	return 0;
}

static int get_pty_count(const struct pfs_req *r, const struct sysctl *s, struct buf *b)
{
	(void)r, (void)s;
	buf_printf(b, "%u\n", devpts_count());
	return 0;
}

static const struct sysctl rows[] = {
	{ .path = "kernel/pty/max", .mode = 0444, .get = get_number, .min = DEVPTS_TOTAL_MAX },
	{ .path = "kernel/pty/nr", .mode = 0444, .get = get_pty_count },
	{ .path = "kernel/pty/reserve", .mode = 0444, .get = get_number, .min = 0 },
	{ .path = "dev/tty/ldisc_autoload", .mode = 0444, .get = get_number, .min = 0 },
	{ .path = "dev/tty/legacy_tiocsti", .mode = 0444, .get = get_number, .min = 1 },
	{ .path = NULL },
};

int tty_proc_init(void)
{
	proc_tty_register(tty_show_session);
	return proc_sysctl_add(rows);
}
