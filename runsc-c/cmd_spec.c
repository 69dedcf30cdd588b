/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_spec.c: `runsc-c spec`: write a config.json to start from, the same as runc's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runsc-c/default_spec.h"
#include "runsc-c/runsc.h"

/* As `runc spec --rootless`: one's own id, and no network or cgroup of one's own. */
static void make_rootless(json_t *o)
{
	json_t *l = json_object_get(o, "linux"), *ns = json_object_get(l, "namespaces");

	json_array_remove(ns, 1); /* network */
	json_array_append_new(ns, json_pack("{s:s}", "type", "user"));
	json_object_set_new(l, "uidMappings", json_pack("[{s:i,s:i,s:i}]", "containerID", 0, "hostID",
							(int)geteuid(), "size", 1));
	json_object_set_new(l, "gidMappings", json_pack("[{s:i,s:i,s:i}]", "containerID", 0, "hostID",
							(int)getegid(), "size", 1));
	json_object_del(l, "resources");
}

int cmd_spec(const struct globals *g, int argc, char **argv, struct err *e)
{
	static const char *bundle = ".";
	static bool rootless;
	static const struct flag flags[] = {
		{ "bundle,b", FLAG_STRING, &bundle, "directory to write it to (the current one)" },
		{ "rootless", FLAG_BOOL, &rootless, "for an ordinary user" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	char path[4096];
	json_t *o;
	bool done;
	int first = cmd_parse("spec", flags, argc, argv, 0, 0, &done, e), fd;

	(void)g;
	if (first < 0 || done)
		return first < 0 ? first : 0;
	snprintf(path, sizeof(path), "%s/config.json", bundle);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_errno(e, errno, "%s", path);
	o = default_spec();
	if (rootless && o != NULL)
		make_rootless(o);
	if (o == NULL || json_dumpfd(o, fd, JSON_INDENT(8)) < 0 || write(fd, "\n", 1) != 1)
		err_errno(e, errno, "%s", path);
	close(fd);
	json_decref(o);
	return e->error;
}
