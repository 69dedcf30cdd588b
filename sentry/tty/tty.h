/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty.h: terminals, as far as processes and sessions need to know (tty(4), credentials(7)).
 */
#pragma once

struct process;
struct task;
struct tty;

/*
 * Make tty the controlling terminal of t's session, whose leader t is, and its group the foreground
 * group.  Takes a reference to tty.
 */
void tty_set_controlling(struct task *t, struct tty *tty);
/*
 * The leader of a session ends: SIGHUP and SIGCONT to the foreground group, and the session loses
 * its terminal.  tasklist.lock held.
 */
void tty_session_leader_exit_locked(struct process *p);
