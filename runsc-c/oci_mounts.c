/* SPDX-License-Identifier: Apache-2.0 */
/* oci_mounts.c: the mounts of config.json. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "runsc-c/oci_spec_impl.h"

#define MAX_MOUNTS 4096

/* "/a/./b//../c" → "/a/c", without looking at the file system; ".." stops at the root. */
static char *clean_path(struct jsonw *w, const char *path)
{
	char *out = oci_alloc(w, strlen(path) + 2, 1);
	size_t n = 0;

	while (out != NULL && *path != '\0') {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (len > 0 && !(len == 1 && path[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		path += len + (path[len] == '/');
	}
	if (out != NULL) {
		if (n == 0)
			out[n++] = '/';
		out[n] = '\0';
	}
	return out;
}

/* Sorts options into flags and the file system's data. */
static void parse_options(struct jsonw *w, const json_t *o, struct oci_mount_flags *flags,
			  struct mount_config *m)
{
	const json_t *a = jsonw_array(w, o, "options", OPTIONAL);
	struct buf data = BUF_INIT;

	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *s = jsonw_string_at(w, a, "options", i);

		if (s == NULL || s[0] == '\0' || oci_mount_option(s, flags))
			continue;
		if (strncmp(s, "idmap", 5) == 0 || strncmp(s, "ridmap", 6) == 0) {
			size_t mark = jsonw_enter_index(w, "options", i);

			jsonw_error(w, NULL, "id-mapped mounts are not supported");
			jsonw_leave(w, mark);
		}
		if (data.size > 0)
			buf_putc(&data, ',');
		buf_puts(&data, s);
	}
	m->flags = flags->flags;
	m->propagation = flags->propagation;
	m->data = oci_dup(w, data.size > 0 ? data.data : "");
	buf_fini(&data);
}

/* The source of a bind mount: made absolute with the bundle. */
static char *bind_source(struct jsonw *w, const char *source, const char *bundle)
{
	char *path;

	if (source == NULL || source[0] == '\0') {
		jsonw_error(w, "source", "missing: what is to be bound?");
		return oci_dup(w, "");
	}
	if (source[0] == '/')
		return oci_dup(w, source);
	path = oci_alloc(w, strlen(bundle) + strlen(source) + 2, 1);
	if (path != NULL)
		sprintf(path, "%s/%s", bundle, source);
	return path;
}

static void parse_mount(struct jsonw *w, const json_t *o, struct oci_spec *s, size_t i)
{
	struct mount_config *m = &s->container->mounts[i];
	const char *destination = jsonw_string(w, o, "destination", REQUIRED);
	const char *type = jsonw_string(w, o, "type", OPTIONAL);
	const char *source = jsonw_string(w, o, "source", OPTIONAL);
	struct oci_mount_flags flags = { 0, 0, false, false };

	if (destination != NULL && destination[0] == '\0')
		jsonw_error(w, "destination", "empty");
	m->destination = clean_path(w, destination ? destination : "/");
	if (m->destination != NULL && strcmp(m->destination, "/") == 0)
		jsonw_error(w, "destination", "the root can't be mounted over; use root.path");
	parse_options(w, o, &flags, m);
	m->attach = -1;
	if (flags.bind || (type != NULL && strcmp(type, "bind") == 0)) {
		m->type = oci_dup(w, "bind");
		m->source = bind_source(w, source, s->bundle);
		s->bind_recursive[i] = flags.recursive;
	} else {
		if (type == NULL || type[0] == '\0')
			jsonw_error(w, "type", "missing, and the options have no \"bind\"");
		else if (!oci_mount_type_known(type))
			jsonw_error(w, "type", "unknown file system type \"%s\"", type);
		m->type = oci_dup(w, type ? type : "");
		m->source = oci_dup(w, source ? source : m->type);
	}
	if (jsonw_has(o, "uidMappings") || jsonw_has(o, "gidMappings"))
		jsonw_error(w, "uidMappings", "id-mapped mounts are not supported");
}

void oci_parse_mounts(struct jsonw *w, const json_t *doc, struct oci_spec *s)
{
	const json_t *a = jsonw_array(w, doc, "mounts", OPTIONAL);
	size_t count = json_array_size(a);

	if (count > MAX_MOUNTS) {
		jsonw_error(w, "mounts", "more than %d entries", MAX_MOUNTS);
		return;
	}
	s->container->mounts = oci_alloc(w, count, sizeof(struct mount_config));
	s->bind_recursive = oci_alloc(w, count, sizeof(bool));
	if (s->container->mounts == NULL || s->bind_recursive == NULL)
		return;
	s->container->mount_count = count;
	for (size_t i = 0; i < count; i++) {
		size_t mark = jsonw_enter_index(w, "mounts", i);
		const json_t *o = json_array_get(a, i);

		if (json_is_object(o))
			parse_mount(w, o, s, i);
		else
			jsonw_error(w, NULL, "expected an object");
		jsonw_leave(w, mark);
	}
}
