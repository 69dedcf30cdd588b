/* SPDX-License-Identifier: Apache-2.0 */
/* test_oci_spec.c: config.json is taken as the specification has it, and every breach names its path. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "runsc-c/default_spec.h"
#include "runsc-c/jsonw.h"
#include "runsc-c/oci_spec.h"

/* Replace "path.to[2].member" in a document; value NULL removes it. */
static void change(json_t *doc, const char *path, const char *value)
{
	json_t *o = doc;
	char name[64];

	for (;;) {
		size_t n = strcspn(path, ".[]");

		memcpy(name, path, n);
		name[n] = '\0';
		path += n;
		while (*path == ']')
			path++;
		if (*path == '\0')
			break;
		o = json_is_array(o) ? json_array_get(o, (size_t)atoi(name)) : json_object_get(o, name);
		path++;
		assert_non_null(o);
	}
	if (json_is_array(o))
		json_array_set_new(o, (size_t)atoi(name), json_loads(value, JSON_DECODE_ANY, NULL));
	else if (value == NULL)
		json_object_del(o, name);
	else
		json_object_set_new(o, name, json_loads(value, JSON_DECODE_ANY, NULL));
}

static struct oci_spec *parse(json_t *doc, struct err *e)
{
	struct oci_spec *s = NULL;

	err_clear(e);
	if (oci_spec_parse(doc, "config.json", "/bundle", "id", OCI_SPEC_NO_FILES, &s, e) < 0)
		assert_null(s);
	return s;
}

static void default_spec_is_accepted(void **state)
{
	struct err e = ERR_INIT;
	json_t *doc = default_spec();
	struct oci_spec *s = parse(doc, &e);

	(void)state;
	assert_string_equal(e.text, "");
	assert_non_null(s);
	assert_string_equal(s->container->process->args[0], "sh");
	assert_int_equal(s->container->process->cap_bounding, 1u << 29 | 1u << 5 | 1u << 10);
	assert_int_equal(s->container->process->rlimits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(s->container->process->rlimits[0].soft, 1024);
	assert_true(s->container->process->no_new_privs);
	assert_true(s->container->root_readonly);
	assert_int_equal(s->container->mount_count, 7);
	assert_string_equal(s->container->mounts[1].destination, "/dev");
	assert_int_equal(s->container->mounts[1].flags, MS_NOSUID | MS_STRICTATIME);
	assert_string_equal(s->container->mounts[1].data, "mode=755,size=65536k");
	assert_int_equal(s->container->ns[NS_PID], NS_NEW);
	assert_int_equal(s->container->ns[NS_USER], NS_SANDBOX);
	assert_true(s->namespaces[OCI_NS_NETWORK].present);
	assert_int_equal(s->resources.memory_limit, OCI_UNSET);
	oci_spec_free(s);
	json_decref(doc);
}

static const struct {
	const char *path, *value, *error;
} bad[] = {
	{ "ociVersion", NULL, "ociVersion: missing" },
	{ "ociVersion", "null", "ociVersion: missing" },
	{ "ociVersion", "1", "ociVersion: expected a string" },
	{ "ociVersion", "\"3.0.0\"", "ociVersion: unknown version \"3.0.0\"" },
	{ "ociVersion", "\"1.0\"", "ociVersion: \"1.0\" is no version" },
	{ "ociVersion", "\"1.0.0x\"", "ociVersion: \"1.0.0x\" is no version" },
	{ "process", NULL, "process: missing" },
	{ "process", "7", "process: expected an object" },
	{ "process.args", "{}", "process.args: expected an array" },
	{ "process.args", "[\"\"]", "process.args[0]: empty" },
	{ "process.args", "[\"a\",\"b\",null]", "process.args[2]: expected a string" },
	{ "process.env", "[\"A=1\",\"=x\"]", "process.env[1]: expected \"NAME=value\"" },
	{ "process.cwd", "\"\"", "process.cwd: \"\" is not an absolute path" },
	{ "process.user.uid", "4294967295", "process.user.uid: 4294967295 is out of range" },
	{ "process.user.gid", "1.5", "process.user.gid: expected a whole number" },
	{ "process.user.additionalGids", "[1,\"x\"]", "process.user.additionalGids[1]: expected a whole" },
	{ "process.rlimits", "[1]", "process.rlimits[0]: expected an object" },
	{ "process.rlimits[0].soft", NULL, "process.rlimits[0].soft: missing" },
	{ "process.rlimits[0].hard", "-1", "process.rlimits[0].hard: -1 is out of range" },
	{ "process.capabilities", "[]", "process.capabilities: expected an object" },
	{ "process.capabilities.ambient", "[2]", "process.capabilities.ambient[0]: expected a string" },
	{ "process.noNewPrivileges", "0", "process.noNewPrivileges: expected true or false" },
	{ "process.consoleSize", "{\"height\":70000}", "process.consoleSize.height: 70000 is out of" },
	{ "process.apparmorProfile", "1", "process.apparmorProfile: expected a string" },
	{ "root", "[]", "root: expected an object" },
	{ "root.path", "\"\"", "root.path: empty" },
	{ "root.readonly", "\"yes\"", "root.readonly: expected true or false" },
	{ "hostname", "[]", "hostname: expected a string" },
	{ "hostname", "\"0123456789012345678901234567890123456789012345678901234567890123x\"",
	  "hostname: longer than 64 bytes" },
	{ "mounts", "\"x\"", "mounts: expected an array" },
	{ "mounts[0].destination", "\"/..\"", "mounts[0].destination: the root can't be mounted over" },
	{ "mounts[0].type", NULL, "mounts[0].type: missing" },
	{ "mounts[0].options", "{}", "mounts[0].options: expected an array" },
	{ "mounts[0].options", "[\"idmap=x\"]", "mounts[0].options[0]: expected \"uids=" },
	{ "mounts[0].options", "[\"idmap=uids=1-2\"]", "mounts[0].options[0]: expected \"uids=" },
	{ "mounts[0].uidMappings", "[]", "mounts[0].gidMappings: missing" },
	{ "process.scheduler", "{\"policy\":\"X\"}", "process.scheduler.policy: unknown policy" },
	{ "process.ioPriority", "{\"class\":\"X\"}", "process.ioPriority.class: unknown class" },
	{ "linux.timeOffsets", "{\"x\":{}}", "linux.timeOffsets.x: unknown clock" },
	{ "linux", "0", "linux: expected an object" },
	{ "linux.namespaces", "{}", "linux.namespaces: expected an array" },
	{ "linux.namespaces[2].type", NULL, "linux.namespaces[2].type: missing" },
	{ "linux.namespaces[2].path", "\"x\"", "linux.namespaces[2].path: \"x\" is not an absolute" },
	{ "linux.namespaces[0].path", "\"proc/1/ns/pid\"",
	  "linux.namespaces[0].path: \"proc/1/ns/pid\" is not an absolute path" },
	{ "linux.uidMappings", "[{\"containerID\":-1}]", "linux.uidMappings[0].containerID: -1 is out" },
	{ "linux.uidMappings", "[{\"containerID\":0}]", "linux.uidMappings[0].size: missing" },
	{ "linux.devices", "[{\"path\":\"/dev/a\",\"type\":\"c\",\"major\":99999}]",
	  "linux.devices[0].major: 99999 is out of range" },
	{ "linux.sysctl", "{\"a\":1}", "linux.sysctl.a: expected a string" },
	{ "linux.sysctl", "{\"../a\":\"1\"}", "linux.sysctl.../a: no name" },
	{ "linux.readonlyPaths", "[1]", "linux.readonlyPaths[0]: expected a string" },
	{ "linux.cgroupsPath", "1", "linux.cgroupsPath: expected a string" },
	{ "linux.resources.pids", "{\"limit\":1.5}", "linux.resources.pids.limit: expected a whole" },
	{ "linux.resources.cpu", "{\"cpus\":\"3-1\"}", "linux.resources.cpu.cpus: \"3-1\" is no list" },
	{ "linux.resources.cpu", "{\"period\":-5}", "linux.resources.cpu.period: -5 is out of range" },
	{ "linux.resources.memory", "{\"swappiness\":900}", "linux.resources.memory.swappiness: 900" },
	{ "linux.resources.hugepageLimits", "[{\"pageSize\":\"../x\"}]",
	  "linux.resources.hugepageLimits[0].pageSize: \"../x\" is no size" },
	{ "linux.resources.unified", "{\"../a.b\":\"1\"}", "linux.resources.unified.../a.b: no name" },
	{ "linux.resources.blockIO", "{\"throttleReadBpsDevice\":[{\"major\":\"8\"}]}",
	  "linux.resources.blockIO.throttleReadBpsDevice[0].major: expected a whole" },
	{ "linux.resources.devices[0].access", "\"rwx\"",
	  "linux.resources.devices[0].access: \"rwx\" has letters" },
	{ "linux.personality", "{\"domain\":\"X\"}", "linux.personality.domain: unknown domain" },
	{ "linux.seccomp", "{}", "linux.seccomp.defaultAction: missing" },
	{ "hooks", "{\"poststop\":[{\"path\":\"/x\",\"timeout\":\"1\"}]}",
	  "hooks.poststop[0].timeout: expected a whole number" },
	{ "hooks", "{\"prestart\":{}}", "hooks.prestart: expected an array" },
	{ "annotations", "[]", "annotations: expected an object" },
};

static void each_breach_names_its_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = ERR_INIT;
		json_t *doc = default_spec();
		char expected[256];

		change(doc, bad[i].path, bad[i].value);
		snprintf(expected, sizeof(expected), "config.json: %s", bad[i].error);
		assert_null(parse(doc, &e));
		if (strncmp(e.text, expected, strlen(expected)) != 0)
			fail_msg("got \"%s\", expected \"%s\"", e.text, expected);
		json_decref(doc);
	}
}

static void unknown_members_are_ignored(void **state)
{
	struct err e = ERR_INIT;
	json_t *doc = default_spec();
	struct oci_spec *s;

	(void)state;
	change(doc, "process.futureField", "{\"a\":[1,2]}");
	change(doc, "linux.alsoNew", "1");
	change(doc, "windows", "[]");
	s = parse(doc, &e);
	assert_string_equal(e.text, "");
	oci_spec_free(s);
	json_decref(doc);
}

static void unlimited_rlimits_of_2_64_are_understood(void **state)
{
	static const char text[] = "{\"args\":[\"18446744073709551615\"],\"cwd\":\"/\",\"rlimits\":["
				   "{\"type\":\"RLIMIT_CORE\",\"soft\":18446744073709551615,"
				   "\"hard\":18446744073709551615}]}";
	struct err e = ERR_INIT;
	json_t *doc = jsonw_load(text, strlen(text), "p", &e);
	struct process_config *p;

	(void)state;
	assert_non_null(doc);
	assert_int_equal(oci_process_parse(doc, "p", &p, &e), 0);
	assert_true(p->rlimits[0].soft == UINT64_MAX && p->rlimits[0].hard == UINT64_MAX);
	assert_string_equal(p->args[0], "18446744073709551615");
	process_config_free(p);
	json_decref(doc);
}

static void bind_sources_are_relative_to_the_bundle(void **state)
{
	struct err e = ERR_INIT;
	json_t *doc = default_spec();
	struct oci_spec *s;

	(void)state;
	change(doc, "mounts", "[{\"destination\":\"data/./x/../y//\",\"source\":\"data\","
	       "\"options\":[\"rbind\",\"ro\",\"rslave\"]}]");
	s = parse(doc, &e);
	assert_string_equal(e.text, "");
	assert_string_equal(s->container->mounts[0].destination, "/data/y");
	assert_string_equal(s->container->mounts[0].source, "/bundle/data");
	assert_string_equal(s->container->mounts[0].type, "bind");
	assert_int_equal(s->container->mounts[0].propagation, MS_SLAVE | MS_REC);
	assert_true(s->container->mounts[0].flags & MS_RDONLY);
	assert_true(s->binds[0].recursive);
	oci_spec_free(s);
	json_decref(doc);
}

static void cpu_count_follows_the_quota(void **state)
{
	struct err e = ERR_INIT;
	json_t *doc = default_spec();
	struct oci_spec *s;

	(void)state;
	change(doc, "linux.resources.cpu", "{\"quota\":50000,\"period\":100000}");
	s = parse(doc, &e);
	assert_int_equal(s->container->cpu_count, 1);
	oci_spec_free(s);
	json_decref(doc);
}

static void ids_are_those_that_runc_takes(void **state)
{
	static const char *const good[] = { "a", "A-1_b+c.d", "..a", "0" };
	static const char *const wrong[] = { "", ".", "..", "a/b", "a b", "\xc3\xa4", "a\n", "a:b" };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(oci_check_id(good[i], &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		err_clear(&e);
		assert_true(oci_check_id(wrong[i], &e) < 0);
		assert_null(strchr(e.text, '\n'));
	}
}

static void signals_are_known_by_number_and_name(void **state)
{
	(void)state;
	assert_int_equal(oci_signal_number("9"), 9);
	assert_int_equal(oci_signal_number("KILL"), SIGKILL);
	assert_int_equal(oci_signal_number("sigterm"), SIGTERM);
	assert_int_equal(oci_signal_number("SIGRTMIN+3"), 37);
	assert_int_equal(oci_signal_number("RTMAX-1"), 63);
	assert_int_equal(oci_signal_number("64"), 64);
	assert_int_equal(oci_signal_number("65"), -EINVAL);
	assert_int_equal(oci_signal_number("-1"), -EINVAL);
	assert_int_equal(oci_signal_number("SIGNOPE"), -EINVAL);
	assert_int_equal(oci_signal_number(""), -EINVAL);
	assert_int_equal(oci_signal_number("9x"), -EINVAL);
}

static void cpu_lists_are_counted(void **state)
{
	(void)state;
	assert_int_equal(oci_cpu_list_count("0"), 1);
	assert_int_equal(oci_cpu_list_count("0-3,7"), 5);
	assert_int_equal(oci_cpu_list_count(""), -EINVAL);
	assert_int_equal(oci_cpu_list_count("0-"), -EINVAL);
	assert_int_equal(oci_cpu_list_count("0,"), -EINVAL);
	assert_int_equal(oci_cpu_list_count(",1"), -EINVAL);
	assert_int_equal(oci_cpu_list_count("3-1"), -EINVAL);
}

UNIT_MAIN(UNIT(default_spec_is_accepted), UNIT(each_breach_names_its_path),
	  UNIT(unknown_members_are_ignored), UNIT(unlimited_rlimits_of_2_64_are_understood),
	  UNIT(bind_sources_are_relative_to_the_bundle), UNIT(cpu_count_follows_the_quota),
	  UNIT(ids_are_those_that_runc_takes), UNIT(signals_are_known_by_number_and_name),
	  UNIT(cpu_lists_are_counted))
