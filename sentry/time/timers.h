/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timers.h: a process's interval timers and POSIX timers (setitimer(2), timer_create(2)), as far as
 * the life of processes needs to know.  struct process_timers is made on first use.
 */
#pragma once

struct process;
struct process_timers;

/* The last task is leaving: nothing fires any more.  May sleep. */
void process_timers_stop(struct process *p);
/* execve: POSIX timers go, interval timers stay. */
void process_timers_exec(struct process *p);
/* Last reference to the process; accepts NULL. */
void process_timers_free(struct process_timers *timers);
