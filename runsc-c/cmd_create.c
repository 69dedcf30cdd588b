/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_create.c: `runsc-c create`: make a container of a bundle; it waits for `start`. */
#include "runsc-c/create.h"

int cmd_create(const struct globals *g, int argc, char **argv, struct err *e)
{
	static struct create_flags f;
	static const struct flag flags[] = {
		CREATE_FLAGS(f),
		{ "detach,d", FLAG_IGNORED_BOOL, NULL, NULL },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	struct oci_spec *spec;
	struct creation c;
	bool done;
	int first = cmd_parse("create", flags, argc, argv, 1, 1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (oci_check_id(argv[first], e) < 0 ||
	    oci_spec_load(f.bundle ? f.bundle : ".", f.config, argv[first], &spec, e) < 0)
		return e->error;
	if (creation_make(&c, g, &f, spec, false, e) == 0) {
		launch_commit(&c.launch, e);
		creation_fini(&c);
	}
	oci_spec_free(spec);
	return e->error;
}
