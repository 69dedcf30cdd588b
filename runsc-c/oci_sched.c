/* SPDX-License-Identifier: Apache-2.0 */
/* oci_sched.c: process.scheduler and process.ioPriority.  The Sentry keeps them; the host schedules. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>

#include "lib/mem.h"
#include "runsc-c/oci_spec_impl.h"

#define SCHED_DEADLINE_ 6

static const struct {
	const char *name;
	uint32_t policy;
} policies[] = {
	{ "SCHED_OTHER", SCHED_OTHER }, { "SCHED_FIFO", SCHED_FIFO }, { "SCHED_RR", SCHED_RR },
	{ "SCHED_BATCH", SCHED_BATCH }, { "SCHED_IDLE", SCHED_IDLE }, { "SCHED_DEADLINE", SCHED_DEADLINE_ },
};

/* SCHED_FLAG_* of <linux/sched.h>, by bit. */
static const char *const flag_names[] = {
	"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN",
	"SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
	"SCHED_FLAG_UTIL_CLAMP_MAX",
};

static uint32_t parse_policy(struct jsonw *w, const json_t *o)
{
	const char *s = jsonw_string(w, o, "policy", REQUIRED);

	for (size_t i = 0; s != NULL && i < ARRAY_SIZE(policies); i++)
		if (strcmp(s, policies[i].name) == 0)
			return policies[i].policy;
	if (s != NULL)
		jsonw_error(w, "policy", "unknown policy \"%s\"", s);
	return SCHED_OTHER;
}

static uint64_t parse_flags(struct jsonw *w, const json_t *o)
{
	const json_t *a = jsonw_array(w, o, "flags", OPTIONAL);
	uint64_t flags = 0;

	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *s = jsonw_string_at(w, a, "flags", i);
		size_t bit = 0;

		while (s != NULL && bit < ARRAY_SIZE(flag_names) && strcmp(s, flag_names[bit]) != 0)
			bit++;
		if (bit < ARRAY_SIZE(flag_names))
			flags |= UINT64_C(1) << bit;
		else if (s != NULL) {
			size_t mark = jsonw_enter_index(w, "flags", i);

			jsonw_error(w, NULL, "unknown flag \"%s\"", s);
			jsonw_leave(w, mark);
		}
	}
	return flags;
}

/* __checkparam_dl() of the kernel, member by member. */
static void check_deadline(struct jsonw *w, const struct scheduler_config *s)
{
	if (s->runtime_ns < 1024)
		jsonw_error(w, "runtime", "SCHED_DEADLINE needs at least 1024 ns");
	if (s->deadline_ns == 0)
		jsonw_error(w, "deadline", "missing: SCHED_DEADLINE needs it");
	if (s->deadline_ns < s->runtime_ns)
		jsonw_error(w, "runtime", "longer than the deadline");
	if (s->period_ns != 0 && s->period_ns < s->deadline_ns)
		jsonw_error(w, "deadline", "longer than the period");
}

static void check_scheduler(struct jsonw *w, const struct scheduler_config *s)
{
	bool real_time = s->policy == SCHED_FIFO || s->policy == SCHED_RR;

	if (s->nice != 0 && s->policy != SCHED_OTHER && s->policy != SCHED_BATCH)
		jsonw_error(w, "nice", "is for SCHED_OTHER and SCHED_BATCH only");
	if (real_time && s->priority == 0)
		jsonw_error(w, "priority", "SCHED_FIFO and SCHED_RR need one of 1 to 99");
	if (!real_time && s->priority != 0)
		jsonw_error(w, "priority", "is for SCHED_FIFO and SCHED_RR only");
	if (s->policy == SCHED_DEADLINE_)
		check_deadline(w, s);
	else if (s->runtime_ns != 0 || s->deadline_ns != 0 || s->period_ns != 0)
		jsonw_error(w, s->runtime_ns ? "runtime" : s->deadline_ns ? "deadline" : "period",
			    "is for SCHED_DEADLINE only");
}

struct scheduler_config *oci_parse_scheduler(struct jsonw *w, const json_t *process)
{
	const json_t *o = jsonw_object(w, process, "scheduler", OPTIONAL);
	size_t mark = jsonw_enter(w, "scheduler");
	struct scheduler_config *s = o != NULL ? oci_alloc(w, 1, sizeof(*s)) : NULL;

	if (s != NULL) {
		s->policy = parse_policy(w, o);
		s->nice = (int)jsonw_int(w, o, "nice", -20, 19, 0);
		s->priority = (uint32_t)jsonw_int(w, o, "priority", 0, 99, 0);
		s->flags = parse_flags(w, o);
		s->runtime_ns = jsonw_u64(w, o, "runtime", 0);
		s->deadline_ns = jsonw_u64(w, o, "deadline", 0);
		s->period_ns = jsonw_u64(w, o, "period", 0);
		check_scheduler(w, s);
	}
	jsonw_leave(w, mark);
	return s;
}

int oci_parse_io_priority(struct jsonw *w, const json_t *process)
{
	static const char *const classes[] = { "", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE" };
	const json_t *o = jsonw_object(w, process, "ioPriority", OPTIONAL);
	size_t mark = jsonw_enter(w, "ioPriority");
	const char *s = o != NULL ? jsonw_string(w, o, "class", REQUIRED) : NULL;
	int class = 1, level = (int)jsonw_int(w, o, "priority", 0, 7, 0);

	while (s != NULL && class < (int)ARRAY_SIZE(classes) && strcmp(s, classes[class]) != 0)
		class++;
	if (s != NULL && class == (int)ARRAY_SIZE(classes))
		jsonw_error(w, "class", "unknown class \"%s\"", s);
	jsonw_leave(w, mark);
	return s != NULL ? class << 13 | level : 0;
}
