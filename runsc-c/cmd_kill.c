/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_kill.c: `runsc-c kill`: a signal to a container's init, or to all of its processes. */
#include <errno.h>
#include <signal.h>

#include "runsc-c/control_client.h"
#include "runsc-c/oci_spec.h"
#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

/*
 * The clients take "container not running", "process already finished" and "no such process" for
 * success in ending it; any other text and they never remove the container.
 */
static int send(struct state *s, int sig, bool all, struct err *e)
{
	enum ctr_status status = state_status(s);
	json_t *o;

	if (status == CTR_STOPPED)
		return all ? 0 : err_set(e, ESRCH, "container not running: \"%s\"", s->id);
	if (status == CTR_PAUSED) {
		/* Everything is frozen, the Sentry too: the monitor passes it on when it thaws. */
		int err = proc_kill(&s->monitor, sig);

		return err < 0 ? err_set(e, err, "container not running: \"%s\"", s->id) : 0;
	}
	o = json_pack("{s:s,s:i,s:i,s:b}", "op", "signal", "pid", 0, "signal", sig, "all", all);
	if (control_once(s, o, CONTROL_TIMEOUT_MS, NULL, e) == 0)
		return 0;
	/* The signal has ended the container, and the sandbox was gone before it could say so. */
	if (e->error == -EPIPE) {
		err_clear(e);
		return 0;
	}
	if (e->error == -ESRCH || e->error == -ENOENT) {
		err_clear(e);
		return all ? 0 : err_set(e, ESRCH, "container not running: \"%s\"", s->id);
	}
	/* A Sentry that does not answer must not keep the container alive. */
	if (e->error == -ETIMEDOUT && sig == SIGKILL && proc_kill(&s->monitor, SIGKILL) == 0)
		err_clear(e);
	return e->error;
}

int cmd_kill(const struct globals *g, int argc, char **argv, struct err *e)
{
	static bool all;
	static const struct flag flags[] = {
		{ "all,a", FLAG_BOOL, &all, "to all processes of the container" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	struct state *s;
	bool done;
	int first = cmd_parse("kill", flags, argc, argv, 1, 2, &done, e), sig;

	if (first < 0 || done)
		return first < 0 ? first : 0;
	sig = first + 1 < argc ? oci_signal_number(argv[first + 1]) : SIGTERM;
	if (sig < 0)
		return err_set(e, EINVAL, "unknown signal \"%s\"", argv[first + 1]);
	if (state_open(g->root, argv[first], &s, e) < 0)
		return e->error;
	send(s, sig, all, e);
	state_free(s);
	return e->error;
}
