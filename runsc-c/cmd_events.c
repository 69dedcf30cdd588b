/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_events.c: `runsc-c events`: a container's use of resources, once or again and again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runsc-c/cgroup_impl.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

static int print_line(json_t *o)
{
	int err = o == NULL || json_dumpf(o, stdout, JSON_COMPACT) < 0 || printf("\n") < 0 ||
		  fflush(stdout) != 0;

	json_decref(o);
	return err ? -EPIPE : 0;
}

/* "5s", "500ms", "2m", as Go writes durations. */
static int parse_interval(const char *text, struct timespec *out)
{
	char *end;
	double v = strtod(text, &end);
	double unit = strcmp(end, "ms") == 0 ? 1e-3 : strcmp(end, "s") == 0 ? 1 :
		      strcmp(end, "m") == 0 ? 60 : strcmp(end, "h") == 0 ? 3600 : 0;

	if (end == text || unit == 0 || !(v * unit >= 0.01 && v * unit < 1e7))
		return -EINVAL;
	out->tv_sec = (time_t)(v * unit);
	out->tv_nsec = (long)((v * unit - (double)out->tv_sec) * 1e9);
	return 0;
}

static long long oom_kills(const struct cgroup *c)
{
	const char *dir = cgroup_dir(c, "memory");
	const char *file = c->v2 ? "memory.events" : "memory.oom_control";
	char text[512], *p;

	if (dir == NULL || cgroup_read(dir, file, text, sizeof(text)) <= 0)
		return 0;
	p = strstr(text, "oom_kill ");
	return p ? atoll(p + 9) : 0;
}

static void stream(const struct state *s, const struct cgroup *c, const struct timespec *interval)
{
	long long kills = oom_kills(c);

	while (state_status(s) != CTR_STOPPED) {
		if (print_line(json_pack("{s:s,s:s,s:o}", "type", "stats", "id", s->id, "data",
					 cgroup_stats(c))) < 0)
			return;
		nanosleep(interval, NULL);
		if (oom_kills(c) > kills) {
			kills = oom_kills(c);
			print_line(json_pack("{s:s,s:s}", "type", "oom", "id", s->id));
		}
	}
}

int cmd_events(const struct globals *g, int argc, char **argv, struct err *e)
{
	static const char *interval = "5s";
	static bool stats;
	static const struct flag flags[] = {
		{ "stats", FLAG_BOOL, &stats, "once, then exit" },
		{ "interval", FLAG_STRING, &interval, "time between two lines (5s)" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	struct timespec ts;
	struct cgroup c;
	struct state *s;
	bool done;
	int first = cmd_parse("events", flags, argc, argv, 1, 1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (parse_interval(interval, &ts) < 0)
		return err_set(e, EINVAL, "--interval: \"%s\" is no duration such as \"5s\"", interval);
	if (state_open(g->root, argv[first], &s, e) < 0)
		return e->error;
	cgroup_from_json(s->cgroup, &c);
	if (state_status(s) == CTR_STOPPED)
		err_set(e, ESRCH, "container not running: \"%s\"", s->id);
	else if (stats)
		print_line(json_pack("{s:s,s:s,s:o}", "type", "stats", "id", s->id, "data",
				     cgroup_stats(&c)));
	else
		stream(s, &c, &ts);
	cgroup_fini(&c);
	state_free(s);
	return e->error;
}
