/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci_sysctl.c: linux.sysctl.  As with runc only what belongs to a namespace of the container's own may
 * be set, and not what config.json has a member of its own for.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mem.h"
#include "runsc-c/oci_spec_impl.h"

static bool starts(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool of_ipc(const char *name)
{
	static const char *const names[] = { "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",
					     "kernel.sem", "kernel.shmall", "kernel.shmmax",
					     "kernel.shmmni", "kernel.shm_rmid_forced" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return starts(name, "fs.mqueue.");
}

/* Whether path is the namespace that we are in. */
static bool is_ours(const char *path, const char *own)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void check_namespace(struct jsonw *w, const char *name, const struct oci_namespace *ns,
			    const char *kind, const char *own)
{
	if (!ns->present)
		jsonw_error(w, name, "needs a private %s namespace", kind);
	else if (ns->path != NULL && is_ours(ns->path, own))
		jsonw_error(w, name, "not allowed in the host's %s namespace", kind);
}

/* name has dots between its parts. */
static void check_one(struct jsonw *w, const char *name, const char *value, const struct oci_spec *s)
{
	const char *domain = s->container->domainname;

	if (of_ipc(name))
		check_namespace(w, name, &s->namespaces[OCI_NS_IPC], "ipc", "/proc/self/ns/ipc");
	else if (starts(name, "net."))
		check_namespace(w, name, &s->namespaces[OCI_NS_NETWORK], "network", "/proc/self/ns/net");
	else if (strcmp(name, "kernel.domainname") == 0 && domain != NULL && strcmp(domain, value) != 0)
		jsonw_error(w, name, "\"%s\" contradicts domainname \"%s\"", value, domain);
	else if (strcmp(name, "kernel.domainname") == 0)
		check_namespace(w, name, &s->namespaces[OCI_NS_UTS], "uts", "/proc/self/ns/uts");
	else if (strcmp(name, "kernel.hostname") == 0)
		jsonw_error(w, name, "use hostname instead");
	else
		jsonw_error(w, name, "belongs to no namespace: it would be the host's");
}

/*
 * "net/ipv4/conf/eth0.1/forwarding" → "net.ipv4.conf.eth0/1.forwarding", as sysctl(8) has it: a name
 * whose first separator is a slash has the two exchanged.
 */
static void normalise(char *name)
{
	const char *first = name + strcspn(name, "./");

	if (*first != '/')
		return;
	for (; *name != '\0'; name++)
		*name = *name == '/' ? '.' : *name == '.' ? '/' : *name;
}

void oci_parse_sysctl(struct jsonw *w, const json_t *linux_, struct oci_spec *s)
{
	json_t *o = jsonw_object(w, linux_, "sysctl", OPTIONAL), *v;
	size_t mark = jsonw_enter(w, "sysctl");
	struct container_config *c = s->container;
	const char *name;

	c->sysctls = oci_alloc(w, json_object_size(o), sizeof(*c->sysctls));
	json_object_foreach(o, name, v) {
		struct sysctl_config *k = &c->sysctls[c->sysctl_count];

		if (c->sysctls == NULL)
			break;
		if (!json_is_string(v))
			jsonw_error(w, name, "expected a string");
		if (name[0] == '\0' || strstr(name, "..") != NULL || name[0] == '/')
			jsonw_error(w, name, "no name such as \"net.ipv4.ip_forward\"");
		k->name = oci_dup(w, name);
		k->value = oci_dup(w, json_is_string(v) ? json_string_value(v) : "");
		c->sysctl_count++;
		if (k->name == NULL || k->value == NULL)
			break;
		normalise(k->name);
		check_one(w, k->name, k->value, s);
	}
	jsonw_leave(w, mark);
}
