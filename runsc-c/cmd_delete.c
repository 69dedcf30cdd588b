/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_delete.c: `runsc-c delete`: remove a container, whatever became of its processes. */
#include <errno.h>

#include "runsc-c/launch.h"

int cmd_delete(const struct globals *g, int argc, char **argv, struct err *e)
{
	static bool force;
	static const struct flag flags[] = {
		{ "force,f", FLAG_BOOL, &force, "kill it if it runs; no error if there is none" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	enum ctr_status status;
	struct state *s;
	bool done;
	int first = cmd_parse("delete", flags, argc, argv, 1, 1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (state_open_locked(g->root, argv[first], &s, e) < 0) {
		if (force && e->error == -ENOENT)
			err_clear(e);
		return e->error;
	}
	status = state_status(s);
	if (!force && (status == CTR_RUNNING || status == CTR_PAUSED)) {
		err_set(e, EBUSY, "cannot delete container %s that is not stopped: %s", s->id,
			ctr_status_name(status));
		state_free(s);
		return e->error;
	}
	return launch_destroy(g->root, s, e);
}
