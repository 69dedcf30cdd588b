/* SPDX-License-Identifier: Apache-2.0 */
/* trace_table.h: the types of the generated sys_trace.c, which describes calls for the trace. */
#pragma once

#include <stdint.h>

#include "syscall-tables/marshal.h"

/* The kinds of calls.def that look different in a line. */
enum trace_kind {
	TRACE_INT,
	TRACE_UINT,
	TRACE_LONG,
	TRACE_ULONG,
	TRACE_HEX,
	TRACE_MODE,
	TRACE_DEV,
	TRACE_DIRFD,
	TRACE_SIG,
	TRACE_SET32, /* one of trace_sets, 32 bits of the register */
	TRACE_SET64,
	TRACE_PTR,
	TRACE_STRV,
	TRACE_STRING,
	TRACE_TEXT,     /* bytes shown as text */
	TRACE_SOCKADDR,
	TRACE_STRUCT,   /* one or more of a kind that show.c may know */
};

enum trace_result {
	TRACE_RESULT_INT,
	TRACE_RESULT_SIZE,  /* bytes moved: so much of a TRACE_TEXT that is sized by an argument */
	TRACE_RESULT_COUNT, /* elements: so many of an array that is sized by an argument */
	TRACE_RESULT_ADDR,
	TRACE_RESULT_MODE,
	TRACE_RESULT_NONE,  /* does not return */
};

struct trace_value {
	const char *name;
	uint32_t value;
};

struct trace_set {
	const struct trace_value *values;
	uint32_t count;
	uint32_t mask; /* bits that hold one value; all others are flags */
};

struct trace_arg {
	const char *name;
	const struct trace_set *set; /* TRACE_SET32, TRACE_SET64 */
	const char *element;         /* TRACE_STRUCT: as in structs.def */
	uint8_t kind;
	uint8_t direction;           /* MARSHAL_IN, MARSHAL_OUT, MARSHAL_INOUT, or 0 */
	uint16_t element_size;
	struct marshal_arg extent;
};

struct trace_desc {
	const struct trace_arg *args;
	uint8_t count;
	uint8_t result;
};

extern const struct trace_desc trace_descs[]; /* by number; sys_name_count of them */

/* Sets that are not an argument's own. */
extern const struct trace_set trace_set_clockid;
extern const struct trace_set trace_set_epoll;
extern const struct trace_set trace_set_poll;
extern const struct trace_set trace_set_sa;
extern const struct trace_set trace_set_msg;
