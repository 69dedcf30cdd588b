/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_state.c: `runsc-c state`: a container's state as JSON, as the OCI specification has it. */
#include <errno.h>
#include <stdio.h>

#include "runsc-c/runsc.h"
#include "runsc-c/state.h"

int cmd_state(const struct globals *g, int argc, char **argv, struct err *e)
{
	static const struct flag flags[] = { { NULL, FLAG_BOOL, NULL, NULL } };
	struct state *s;
	json_t *o;
	bool done;
	int first = cmd_parse("state", flags, argc, argv, 1, 1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (state_open(g->root, argv[first], &s, e) < 0)
		return e->error;
	o = state_to_oci(s, state_status(s));
	if (o == NULL || json_dumpf(o, stdout, JSON_INDENT(2)) < 0 || printf("\n") < 0)
		err_set(e, ENOMEM, "can't print the state");
	json_decref(o);
	state_free(s);
	return e->error;
}
