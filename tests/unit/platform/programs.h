/* SPDX-License-Identifier: Apache-2.0 */
/* programs.h: what programs.c (applications) and the test kernel agree on. */
#pragma once

#define PROGRAMS_BASE 0x400000
#define PROGRAMS_TEXT_SIZE 0x10000

#define PROG_PID 4242

#define PROG_FILE_AT    0x20000000
#define PROG_FILE_COUNT 30

enum program {
	PROG_HELLO = 1, PROG_REGISTERS, PROG_MEMORY, PROG_FORKS, PROG_MANY_FORKS, PROG_THREADS,
	PROG_FORK_THREADS, PROG_KICK_LOOP, PROG_KICK_FUTEX, PROG_KICK_IGNORED, PROG_KICK_STORM,
	PROG_FAULTS, PROG_COMPAT, PROG_EXEC, PROG_EXECED, PROG_DIE, PROG_HOSTILE_CALLS,
	PROG_HOSTILE_KILL, PROG_HOSTILE_SCRIBBLE, PROG_ROBUST, PROG_IDENTITY, PROG_BENCH_TRAP,
	PROG_BENCH_MMAP, PROG_BENCH_FORK, PROG_BENCH_THREAD, PROG_BENCH_IDENTITY,
	PROG_MAP_FILE, PROG_FPU, PROG_VANISH, PROG_OFF, PROG_WINDOWS, PROG_BENCH_WRITE,
	PROG_KICK_RESTART, PROG_STOPPED, PROG_LOOK, PROG_STRESS, PROG_TRACED_TEXT,
};

/* The test kernel's own calls. */
enum {
	PROG_SYS_KICK_ME = 900, /* (flag): a kick soon; at PLAT_KICKED it sets *flag */
	PROG_SYS_KICK_IGNORED,  /* a kick soon, that is ignored */
	PROG_SYS_KICK_STORM,    /* (flag): 2000 kicks, then *flag is set */
	PROG_SYS_KILL_ME,       /* (ms): SIGKILL from the host then */
	PROG_SYS_IDENTITY,      /* fill in the identity page */
	PROG_SYS_MAP_FILE,      /* (yields): file mappings of a page each, from PROG_FILE_AT on */
	PROG_SYS_KICK_RESTART,  /* a kick soon; the interrupted wait is made again, as by a signal */
	PROG_SYS_STOP,          /* soon the host stops the process, and lets it go on */
	PROG_SYS_LOOK,          /* what the host says of the process */
	PROG_SYS_KICK_ALWAYS,   /* kicks in the background, to the end of the process */
	PROG_SYS_FPU,           /* xmm5 is 5; make it 6 */
	PROG_SYS_NATIVE_OFF,    /* then mmap gives 0x777 */
};
