/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_start.c: `runsc-c start`: let a created container's init run. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "runsc-c/control_client.h"
#include "runsc-c/hooks.h"
#include "runsc-c/network.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

static int start_sandbox(const struct globals *g, struct state *s, struct err *e)
{
	struct network_config *n;
	int control = control_connect(s, e);

	if (control < 0)
		return control;
	if (network_look(g, s, &n, e) == 0)
		network_start(s, control, n, e);
	close(control);
	return e->error;
}

static int start(const struct globals *g, struct state *s, struct err *e)
{
	switch (state_status(s)) {
	case CTR_CREATED:
		break;
	case CTR_STOPPED:
		return err_set(e, EINVAL, "cannot start a container that has stopped: \"%s\"", s->id);
	case CTR_CREATING:
	case CTR_RUNNING:
	case CTR_PAUSED:
		return err_set(e, EINVAL, "cannot start an already running container: \"%s\"", s->id);
	}
	if (hooks_run_inside(s, e) == 0 && start_sandbox(g, s, e) == 0) {
		s->status = CTR_RUNNING;
		if (state_save(s, e) == 0)
			hooks_run_kept(s, "poststart", CTR_RUNNING, e);
	} else if (e->error == -EALREADY) {
		/* A start that was killed before it could write that down. */
		s->status = CTR_RUNNING;
		state_save(s, e);
		return e->error;
	}
	/* A container that failed to start has no use, and nobody may ever ask for it again. */
	if (err_is(e))
		proc_kill(&s->monitor, SIGKILL);
	return e->error;
}

int cmd_start(const struct globals *g, int argc, char **argv, struct err *e)
{
	static const struct flag flags[] = { { NULL, FLAG_BOOL, NULL, NULL } };
	struct state *s;
	bool done;
	int first = cmd_parse("start", flags, argc, argv, 1, 1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (state_open_locked(g->root, argv[first], &s, e) < 0)
		return e->error;
	start(g, s, e);
	state_free(s);
	return e->error;
}
