/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_delete.c: `runsc-c delete`: remove a container, whatever became of its processes. */
#include <errno.h>
#include <regex.h>

#include "runsc-c/launch.h"
#include "runsc-c/oci_spec_impl.h"

static int delete_one(const struct globals *g, const char *id, bool force, struct err *e)
{
	enum ctr_status status;
	struct state *s;

	if (state_open_locked(g->root, id, &s, e) < 0) {
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

/* crun's --regex: every container whose id has a match; the first error is kept, the others go on. */
static int delete_matching(const struct globals *g, const char *pattern, bool force, struct err *e)
{
	char text[128], **ids;
	regex_t r;
	int ret = regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB);

	if (ret != 0) {
		regerror(ret, &r, text, sizeof(text));
		return err_set(e, EINVAL, "--regex: \"%s\": %s", pattern, text);
	}
	if (state_list(g->root, &ids, e) == 0) {
		for (size_t i = 0; ids[i] != NULL; i++) {
			struct err one = ERR_INIT;

			if (regexec(&r, ids[i], 0, NULL, 0) == 0 && delete_one(g, ids[i], force, &one) < 0 &&
			    !err_is(e))
				*e = one;
		}
		oci_strings_free(ids);
	}
	regfree(&r);
	return e->error;
}

int cmd_delete(const struct globals *g, int argc, char **argv, struct err *e)
{
	static bool force, regex;
	static const struct flag flags[] = {
		{ "force,f", FLAG_BOOL, &force, "kill it if it runs; no error if there is none" },
		{ "regex,r", FLAG_BOOL, &regex, "ID is a regular expression: all containers that match" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	bool done;
	int first = cmd_parse("delete", flags, argc, argv, 1, 1, &done, e);

	if (first < 0 || done)
		return first < 0 ? first : 0;
	return regex ? delete_matching(g, argv[first], force, e) : delete_one(g, argv[first], force, e);
}
