/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_do.c: `runsc-c do`: run a program of this machine in a sandbox, over the machine's own root: it
 * sees the host's files, and what it writes stays in memory and is gone at the end.  Works for
 * ordinary users too; in the sandbox the program is root either way, with what that is worth there.
 *
 * Its network is loopback, unless --netns names one, --net=user or, as root, --net=nat makes one (user_net.h, nat.h) or the
 * global flag --network=host leaves it in the caller's.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "runsc-c/create.h"
#include "runsc-c/default_spec.h"
#include "runsc-c/nat.h"
#include "runsc-c/resolv_conf.h"
#include "runsc-c/user_net.h"

struct do_flags {
	const char *root, *cwd, *user, *netns, *net;
	struct flag_list env, volumes;
	bool quiet;
};

static struct do_flags f;
extern char **environ;

static json_t *environment(void)
{
	json_t *a = json_array();

	for (char **v = environ; *v != NULL; v++) {
		json_t *s = strchr(*v, '=') != NULL && **v != '=' ? json_string(*v) : NULL;

		if (s == NULL)
			log_warn("do: a variable of the environment is not UTF-8 and left out");
		else
			json_array_append_new(a, s);
	}
	for (size_t i = 0; i < f.env.count; i++)
		json_array_append_new(a, json_string(f.env.values[i]));
	return a;
}

static json_t *all_capabilities(void)
{
	json_t *a = json_array();

	for (int i = 0; oci_cap_name(i) != NULL; i++)
		json_array_append_new(a, json_string(oci_cap_name(i)));
	return a;
}

static json_t *arguments(char **args, struct err *e)
{
	json_t *a = json_array();

	for (; *args != NULL; args++)
		if (json_array_append_new(a, json_string(*args)) < 0)
			err_set(e, EILSEQ, "do: an argument is not UTF-8: \"%s\"", *args);
	return a;
}

static json_t *process(char **args, struct err *e)
{
	json_t *caps = json_object();
	char cwd[PATH_MAX];
	unsigned int uid = 0, gid = 0;

	if (f.user != NULL && sscanf(f.user, "%u:%u", &uid, &gid) < 1)
		err_set(e, EINVAL, "--user: \"%s\" is not UID[:GID] in numbers", f.user);
	if (getcwd(cwd, sizeof(cwd)) == NULL || cwd[0] != '/' || f.root != NULL)
		strcpy(cwd, "/");
	json_object_set_new(caps, "bounding", all_capabilities());
	if (uid == 0) {
		json_object_set_new(caps, "effective", all_capabilities());
		json_object_set_new(caps, "permitted", all_capabilities());
	}
	return json_pack("{s:b,s:{s:i,s:i},s:o,s:o,s:s,s:o}", "terminal",
			 isatty(0) && isatty(1), "user", "uid", (int)uid, "gid", (int)gid, "args",
			 arguments(args, e), "env", environment(), "cwd", f.cwd ? f.cwd : cwd,
			 "capabilities", caps);
}

/* "SRC[:DST[:ro]]" */
static void add_volumes(json_t *mounts, struct err *e)
{
	for (size_t i = 0; i < f.volumes.count; i++) {
		char *copy = strdup(f.volumes.values[i]), *save = NULL;
		char *source = copy ? strtok_r(copy, ":", &save) : NULL;
		char *destination = source ? strtok_r(NULL, ":", &save) : NULL;
		char *mode = destination ? strtok_r(NULL, ":", &save) : NULL;

		if (source == NULL || source[0] != '/')
			err_set(e, EINVAL, "--volume: expected /SRC[:/DST[:ro]], got \"%s\"",
				f.volumes.values[i]);
		else
			json_array_append_new(mounts, json_pack(
				"{s:s,s:s,s:s,s:[s,s]}", "destination", destination ? destination : source,
				"type", "bind", "source", source, "options", "rbind",
				mode && strcmp(mode, "ro") == 0 ? "ro" : "rw"));
		free(copy);
	}
}

/* Message queues and cgroups belong to containers that last. */
static void drop_mounts(json_t *mounts)
{
	for (size_t i = json_array_size(mounts); i-- > 0;) {
		const char *type = json_string_value(json_object_get(json_array_get(mounts, i), "type"));

		if (strcmp(type, "mqueue") == 0 || strcmp(type, "cgroup") == 0)
			json_array_remove(mounts, i);
	}
}

/* Take over the interfaces of this namespace: a name of `ip netns`, or a path. */
static void join_netns(json_t *namespaces, struct err *e)
{
	char path[PATH_MAX];
	size_t i;
	json_t *n;

	if (f.netns[0] == '/')
		snprintf(path, sizeof(path), "%s", f.netns);
	else
		snprintf(path, sizeof(path), "/run/netns/%s", f.netns);
	if (access(path, F_OK) < 0)
		err_errno(e, errno, "do: --netns: %s", path);
	json_array_foreach(namespaces, i, n)
		if (strcmp(json_string_value(json_object_get(n, "type")), "network") == 0)
			json_object_set_new(n, "path", json_string(path));
}

/* To who sits at the terminal, and the log. */
static void tell(const char *text)
{
	if (!f.quiet)
		dprintf(2, "runsc-c: %s\n", text);
	log_warn("do: %s", text);
}

static bool net_is(const char *kind)
{
	return f.net != NULL && strcmp(f.net, kind) == 0;
}

/* *path is the file to remove once it is mounted. */
static void add_resolv_conf(json_t *mounts, const char *text, char path[static PATH_MAX], struct err *e)
{
	ssize_t size = (ssize_t)strlen(text);
	int fd;

	snprintf(path, PATH_MAX, "%s/etc/resolv.conf", f.root ? f.root : "");
	if (access(path, F_OK) < 0) {
		path[0] = 0;
		return;
	}
	snprintf(path, PATH_MAX, "/tmp/runsc-c-resolv.XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)size) != size || fchmod(fd, 0644) < 0)
		err_errno(e, errno, "do: %s", path);
	if (fd >= 0)
		close(fd);
	json_array_append_new(mounts, json_pack("{s:s,s:s,s:s,s:[s,s]}", "destination", "/etc/resolv.conf", "type",
						"bind", "source", path, "options", "rbind", "ro"));
}

/* Stay in the caller's network namespace. */
static void leave_netns(json_t *namespaces)
{
	for (size_t i = json_array_size(namespaces); i-- > 0;)
		if (strcmp(json_string_value(json_object_get(json_array_get(namespaces, i), "type")), "network") == 0)
			json_array_remove(namespaces, i);
}

static json_t *make_config(char **args, bool host_network, char resolv_conf[static PATH_MAX], struct err *e)
{
	json_t *o = default_spec(), *l = json_object_get(o, "linux");
	char host[65] = "sandbox", text[4096];

	gethostname(host, sizeof(host) - 1);
	json_object_set_new(o, "process", process(args, e));
	json_object_set_new(o, "root", json_pack("{s:s,s:b}", "path", f.root ? f.root : "/",
						 "readonly", 0));
	json_object_set_new(o, "hostname", json_string(host));
	drop_mounts(json_object_get(o, "mounts"));
	add_volumes(json_object_get(o, "mounts"), e);
	resolv_conf[0] = 0;
	if (net_is("user")) {
		add_resolv_conf(json_object_get(o, "mounts"), "nameserver " USER_NET_DNS "\n", resolv_conf, e);
	} else if (net_is("nat")) {
		if (resolv_conf_outside(resolv_conf_files, ARRAY_SIZE(resolv_conf_files), text, sizeof(text)) == 0)
			tell("--net=nat: the host has no name server but at its loopback, where the sandbox can't ask it");
		add_resolv_conf(json_object_get(o, "mounts"), text, resolv_conf, e);
	}
	if (host_network && f.netns == NULL)
		leave_netns(json_object_get(l, "namespaces"));
	if (f.netns != NULL)
		join_netns(json_object_get(l, "namespaces"), e);
	json_object_del(l, "maskedPaths");
	json_object_del(l, "readonlyPaths");
	json_object_del(l, "resources");
	return o;
}

int cmd_do(const struct globals *g, int argc, char **argv, struct err *e)
{
	static const struct flag flags[] = {
		{ "root", FLAG_STRING, &f.root, "another root directory than the machine's" },
		{ "cwd", FLAG_STRING, &f.cwd, "working directory" },
		{ "user,u", FLAG_STRING, &f.user, "UID[:GID]" },
		{ "env,e", FLAG_LIST, &f.env, "NAME=value, may be repeated" },
		{ "volume,v", FLAG_LIST, &f.volumes, "/SRC[:/DST[:ro]]: writes there do reach the host" },
		{ "netns", FLAG_STRING, &f.netns, "NAME or /PATH: the network namespace whose interfaces it gets; "
		  "without, it has loopback only" },
		{ "net", FLAG_STRING, &f.net, "none (default): loopback; user: a way out through pasta or slirp4netns, "
		  "as programs of the caller's; nothing is changed on the host; nat (root): a veth pair and rules of iptables, "
		  "removed at the end" },
		{ "quiet,q", FLAG_BOOL, &f.quiet, "nothing is said about --net=nat" },
		{ NULL, FLAG_BOOL, NULL, NULL },
	};
	struct create_flags create = { 0 };
	struct globals mine = *g;
	struct oci_spec *spec = NULL;
	struct creation c;
	struct err removing = ERR_INIT;
	struct state *s;
	struct user_net net = { .pid = 0 };
	struct nat nat = { .guard = 0 };
	char id[64], resolv_conf[PATH_MAX];
	json_t *doc;
	bool done;
	int first = cmd_parse("do", flags, argc, argv, 1, -1, &done, e), status = 0;

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (f.net != NULL && !net_is("user") && !net_is("none") && !net_is("nat"))
		return err_set(e, EINVAL, "--net: \"%s\" is none of none, user and nat", f.net);
	if (net_is("nat") && geteuid() != 0)
		return err_set(e, EPERM, "--net=nat: only root may make it; --net=user works for everybody");
	if (net_is("nat") && g->network != NETWORK_SANDBOX)
		return err_set(e, EINVAL, "--net=nat and --network exclude each other");
	if (f.net != NULL && f.netns != NULL)
		return err_set(e, EINVAL, "--net and --netns exclude each other");
	mine.overlay = OVERLAY_MEMORY;
	create.starts = f.net == NULL;
	snprintf(id, sizeof(id), "do-%d-%lx", getpid(), (unsigned long)time(NULL) & 0xffffff);
	doc = make_config(argv + first, g->network == NETWORK_HOST, resolv_conf, e);
	if (!err_is(e))
		oci_spec_parse(doc, "do", "/", id, 0, &spec, e);
	json_decref(doc);
	if (err_is(e)) {
		if (resolv_conf[0])
			unlink(resolv_conf);
		return e->error;
	}
	launch_collect(mine.root);
	if (creation_make(&c, &mine, &create, spec, true, e) == 0) {
		bool ready = net_is("user") ? user_net_start(&net, c.launch.monitor, e) == 0 :
			     net_is("nat") ? nat_start(&nat, mine.root, c.launch.state, e) == 0 : true;

		if (nat.said[0] != '\0')
			tell(nat.said);
		if (!ready)
			launch_abort(&c.launch);
		else if (creation_start(&c, e) == 0)
			status = creation_run_attached(&c, e);
		user_net_stop(&net);
		creation_fini(&c);
	}
	if (resolv_conf[0])
		unlink(resolv_conf);
	if (!err_is(e) && state_open_locked(mine.root, id, &s, &removing) == 0)
		launch_destroy(mine.root, s, &removing);
	if (err_is(&removing))
		*e = removing;
	nat_stop(&nat);
	oci_spec_free(spec);
	return err_is(e) ? e->error : status;
}
