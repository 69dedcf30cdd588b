/* SPDX-License-Identifier: Apache-2.0 */
/* oci_devices.c: linux.devices and linux.resources.devices.  The Sentry makes the nodes and keeps the rules. */
#include <limits.h>
#include <string.h>

#include "lib/mem.h"
#include "runsc-c/oci_spec_impl.h"

/* ---- nodes ---------------------------------------------------------------------------------- */

static void parse_device(struct jsonw *w, const json_t *o, struct device_config *d)
{
	const char *path = jsonw_string(w, o, "path", REQUIRED);
	const char *type = jsonw_string(w, o, "type", REQUIRED);

	if (path != NULL && path[0] != '/')
		jsonw_error(w, "path", "\"%s\" is not an absolute path", path);
	if (type != NULL && (strlen(type) != 1 || strchr("cubp", type[0]) == NULL))
		jsonw_error(w, "type", "\"%s\" is none of c, u, b, p", type);
	d->path = oci_dup(w, path ? path : "");
	d->type = type == NULL ? 'c' : type[0] == 'u' ? 'c' : type[0];
	d->major = (unsigned int)jsonw_int(w, o, "major", 0, 0xfff, 0);
	d->minor = (unsigned int)jsonw_int(w, o, "minor", 0, 0xfffff, 0);
	/* Some clients send the whole st_mode. */
	d->mode = (mode_t)jsonw_int(w, o, "fileMode", 0, UINT32_MAX, 0666) & 07777;
	d->uid = (uid_t)jsonw_int(w, o, "uid", 0, UINT32_MAX, 0);
	d->gid = (gid_t)jsonw_int(w, o, "gid", 0, UINT32_MAX, 0);
}

void oci_parse_devices(struct jsonw *w, const json_t *linux_, struct container_config *c)
{
	const json_t *a = jsonw_array(w, linux_, "devices", OPTIONAL);

	c->devices = oci_alloc(w, json_array_size(a), sizeof(*c->devices));
	for (size_t i = 0; c->devices != NULL && i < json_array_size(a); i++) {
		const json_t *o = jsonw_object_at(w, a, "devices", i);
		size_t mark = jsonw_enter_index(w, "devices", i);

		parse_device(w, o, &c->devices[i]);
		c->device_count = i + 1;
		jsonw_leave(w, mark);
	}
}

/* ---- rules ---------------------------------------------------------------------------------- */

/* What runc puts behind config.json's: making every node, opening the default devices. */
static const struct device_rule_config defaults[] = {
	{ true, 'c', -1, -1, DEVICE_MKNOD }, { true, 'b', -1, -1, DEVICE_MKNOD },
	{ true, 'c', 1, 3, 7 }, /* null */   { true, 'c', 1, 5, 7 }, /* zero */
	{ true, 'c', 1, 7, 7 }, /* full */   { true, 'c', 1, 8, 7 }, /* random */
	{ true, 'c', 1, 9, 7 }, /* urandom */ { true, 'c', 5, 0, 7 }, /* tty */
	{ true, 'c', 5, 1, 7 }, /* console */ { true, 'c', 5, 2, 7 }, /* ptmx */
	{ true, 'c', 136, -1, 7 }, /* pts */
};

static void parse_rule(struct jsonw *w, const json_t *o, struct device_rule_config *r)
{
	const char *type = jsonw_string(w, o, "type", OPTIONAL);
	const char *access = jsonw_string(w, o, "access", OPTIONAL);

	r->allow = jsonw_bool(w, o, "allow", false);
	if (type != NULL && type[0] != '\0' && (strlen(type) != 1 || strchr("abc", type[0]) == NULL))
		jsonw_error(w, "type", "\"%s\" is none of a, b, c", type);
	if (access != NULL && strspn(access, "rwm") != strlen(access))
		jsonw_error(w, "access", "\"%s\" has letters other than r, w, m", access);
	r->type = type == NULL || type[0] == '\0' ? 'a' : type[0];
	r->major = jsonw_int(w, o, "major", -1, UINT32_MAX, -1);
	r->minor = jsonw_int(w, o, "minor", -1, UINT32_MAX, -1);
	for (const char *p = access; p != NULL && *p != '\0'; p++)
		r->access |= *p == 'r' ? DEVICE_READ : *p == 'w' ? DEVICE_WRITE : DEVICE_MKNOD;
	/* "a" is everything, whatever else stands there, as in the v1 controller. */
	if (r->type == 'a')
		*r = (struct device_rule_config){ r->allow, 'a', -1, -1, 7 };
}

/* The array's entries into r, which has room for them. */
static void parse_rules(struct jsonw *w, const json_t *a, struct device_rule_config *r)
{
	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_t *o = jsonw_object_at(w, a, "devices", i);
		size_t mark = jsonw_enter_index(w, "devices", i);

		parse_rule(w, o, &r[i]);
		jsonw_leave(w, mark);
	}
}

void oci_parse_device_rules(struct jsonw *w, const json_t *resources, struct container_config *c)
{
	size_t mark = jsonw_enter(w, "resources"), count;
	const json_t *a = jsonw_array(w, resources, "devices", OPTIONAL);

	count = json_array_size(a);
	c->device_rules = oci_alloc(w, count + ARRAY_SIZE(defaults), sizeof(*c->device_rules));
	if (c->device_rules != NULL) {
		parse_rules(w, a, c->device_rules);
		memcpy(c->device_rules + count, defaults, sizeof(defaults));
		c->device_rule_count = count + ARRAY_SIZE(defaults);
	}
	jsonw_leave(w, mark);
}
