/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_features.c: `runsc-c features`: the OCI features structure (Docker 25, containerd 2 read it). */
#include <stdio.h>

#include "runsc-c/oci_spec.h"
#include "runsc-c/runsc.h"

static json_t *strings(const char *const *v)
{
	json_t *a = json_array();

	for (; *v != NULL; v++)
		json_array_append_new(a, json_string(*v));
	return a;
}

static json_t *capabilities(void)
{
	json_t *a = json_array();

	for (int i = 0; oci_cap_name(i) != NULL; i++)
		json_array_append_new(a, json_string(oci_cap_name(i)));
	return a;
}

static json_t *linux_features(void)
{
	static const char *const namespaces[] = { "cgroup", "ipc", "mount", "network", "pid", "time",
						  "user", "uts", NULL };
	static const char *const actions[] = {
		"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
		"SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP", NULL,
	};
	static const char *const operators[] = { "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
						 "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
						 "SCMP_CMP_NE", NULL };
	static const char *const archs[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
					     NULL };
	json_t *cgroup = json_pack("{s:b,s:b,s:b,s:b,s:b}", "v1", 1, "v2", 1, "systemd", 1,
				   "systemdUser", 1, "rdma", 0);
	json_t *seccomp = json_pack("{s:b,s:o,s:o,s:o}", "enabled", 1, "actions", strings(actions),
				    "operators", strings(operators), "archs", strings(archs));

	return json_pack("{s:o,s:o,s:o,s:o,s:{s:b},s:{s:b},s:{s:{s:b}}}", "namespaces",
			 strings(namespaces), "capabilities", capabilities(), "cgroup", cgroup,
			 "seccomp", seccomp, "apparmor", "enabled", 0, "selinux", "enabled", 0,
			 "mountExtensions", "idmap", "enabled", 0);
}

int cmd_features(const struct globals *g, int argc, char **argv, struct err *e)
{
	static const char *const hooks[] = { "prestart", "createRuntime", "createContainer",
					     "startContainer", "poststart", "poststop", NULL };
	static const char *const options[] = {
		"async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "iversion",
		"lazytime", "mand", "noatime", "nodev", "nodiratime", "noexec", "nosuid", "private",
		"ratime", "rbind", "relatime", "ro", "rprivate", "rshared", "rslave", "rw", "shared",
		"slave", "strictatime", "suid", "sync", "unbindable", NULL,
	};
	static const struct flag flags[] = { { NULL, FLAG_BOOL, NULL, NULL } };
	json_t *o;
	bool done;
	int first = cmd_parse("features", flags, argc, argv, 0, 0, &done, e);

	(void)g;
	if (first < 0 || done)
		return first < 0 ? first : 0;
	o = json_pack("{s:s,s:s,s:o,s:o,s:o,s:{s:s}}", "ociVersionMin", "1.0.0", "ociVersionMax",
		      RUNSC_SPEC, "hooks", strings(hooks), "mountOptions", strings(options), "linux",
		      linux_features(), "annotations", "io.runsc-c.version", RUNSC_VERSION);
	json_dumpf(o, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(o);
	return 0;
}
