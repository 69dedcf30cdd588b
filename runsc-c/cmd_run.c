/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run.c: `runsc-c run`: create and start, and unless detached wait and remove. */
#include <errno.h>

#include "runsc-c/create.h"

static int run(const struct globals *g, const struct create_flags *f, struct oci_spec *spec,
	       struct err *e)
{
	struct err removing = ERR_INIT;
	struct creation c;
	struct state *s;
	int status = 0;

	launch_collect(g->root);
	if (creation_make(&c, g, f, spec, !f->detach, e) < 0)
		return e->error;
	if (creation_start(&c, e) == 0) {
		if (f->detach)
			launch_commit(&c.launch, e);
		else
			status = creation_run_attached(&c, e);
	}
	creation_fini(&c);
	if (!f->detach && !f->keep && !err_is(e) &&
	    state_open_locked(g->root, spec->container->id, &s, &removing) == 0)
		launch_destroy(g->root, s, &removing);
	/* Another command may have deleted it first. */
	if (err_is(&removing) && removing.error != -ENOENT)
		*e = removing;
	return err_is(e) ? e->error : status;
}

int cmd_run(const struct globals *g, int argc, char **argv, struct err *e)
{
	static struct create_flags f = { .starts = true };
	static const struct flag flags[] = {
		CREATE_FLAGS(f),
		{ "detach,d", FLAG_BOOL, &f.detach, "return when the container runs" },
		{ "keep", FLAG_BOOL, &f.keep, "do not delete the container when it has ended" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	struct oci_spec *spec;
	bool done;
	int first = cmd_parse("run", flags, argc, argv, 1, 1, &done, e), status;

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (oci_check_id(argv[first], e) < 0 ||
	    oci_spec_load(f.bundle ? f.bundle : ".", f.config, argv[first], &spec, e) < 0)
		return e->error;
	status = run(g, &f, spec, e);
	oci_spec_free(spec);
	return status;
}
