/* SPDX-License-Identifier: Apache-2.0 */
/* timers.c: the life of a process's timers.  See timers.h. */
#include "sentry/time/timers.h"

#include "lib/mem.h"
#include "sentry/task/task.h"

void process_timers_stop(struct process *p)
{
	ASSERT(!p->timers); /* no system call makes one yet */
}

void process_timers_exec(struct process *p)
{
	ASSERT(!p->timers);
}

void process_timers_free(struct process_timers *timers)
{
	mem_free(timers);
}
