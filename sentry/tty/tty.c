/* SPDX-License-Identifier: Apache-2.0 */
/* tty.c: controlling terminals.  See tty.h. */
#include "sentry/tty/tty.h"

#include "sentry/task/task.h"

void tty_set_controlling(struct task *t, struct tty *tty)
{
	mutex_lock(&tasklist.lock);
	t->process->pgrp->session->tty = tty;
	mutex_unlock(&tasklist.lock);
}

void tty_session_leader_exit_locked(struct process *p)
{
	p->pgrp->session->tty = NULL;
}
