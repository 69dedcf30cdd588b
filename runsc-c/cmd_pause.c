/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_pause.c: `runsc-c pause` and `resume`: the freezer cgroup, which stops Sentry and stubs alike;
 * where there is none, the Sentry stops the container's tasks.
 */
#include <errno.h>

#include "runsc-c/cgroup.h"
#include "runsc-c/control_client.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

static int freeze(struct state *s, bool frozen, struct err *e)
{
	struct cgroup c;

	cgroup_from_json(s->cgroup, &c);
	cgroup_freeze(&c, frozen, e);
	cgroup_fini(&c);
	if (e->error != -ENOENT)
		return e->error;
	err_clear(e);
	return control_once(s, json_pack("{s:s}", "op", frozen ? "pause" : "resume"),
			    CONTROL_TIMEOUT_MS, NULL, e);
}

static int change(const struct globals *g, const char *id, bool pause, struct err *e)
{
	enum ctr_status status;
	struct state *s;

	if (state_open_locked(g->root, id, &s, e) < 0)
		return e->error;
	status = state_status(s);
	if (pause && status != CTR_RUNNING)
		err_set(e, EINVAL, "container not running: \"%s\" is %s", id, ctr_status_name(status));
	else if (!pause && status != CTR_PAUSED)
		err_set(e, EINVAL, "container not paused: \"%s\" is %s", id, ctr_status_name(status));
	else if (freeze(s, pause, e) == 0) {
		s->status = pause ? CTR_PAUSED : CTR_RUNNING;
		state_save(s, e);
	}
	state_free(s);
	return e->error;
}

static const struct flag no_flags[] = { { NULL, FLAG_BOOL, NULL, NULL } };

int cmd_pause(const struct globals *g, int argc, char **argv, struct err *e)
{
	bool done;
	int first = cmd_parse("pause", no_flags, argc, argv, 1, 1, &done, e);

	return first < 0 ? first : done ? 0 : change(g, argv[first], true, e);
}

int cmd_resume(const struct globals *g, int argc, char **argv, struct err *e)
{
	bool done;
	int first = cmd_parse("resume", no_flags, argc, argv, 1, 1, &done, e);

	return first < 0 ? first : done ? 0 : change(g, argv[first], false, e);
}
