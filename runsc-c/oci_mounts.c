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

/* ---- id-mapped mounts ----------------------------------------------------------------------- */

static bool is_idmap(const char *option)
{
	size_t n = strncmp(option, "ridmap", 6) == 0 ? 6 : strncmp(option, "idmap", 5) == 0 ? 5 : 0;

	return n > 0 && (option[n] == '\0' || option[n] == '=');
}

#define MAX_ID_MAPS 340 /* the kernel's UID_GID_MAP_MAX_EXTENTS */

/* crun's "0-1-10#20-30-1": container id, host id, count.  '@': host ids are the container's. */
static void parse_triplets(struct jsonw *w, const char *s, size_t size, struct id_map_config **out,
			   size_t *count)
{
	struct id_map_config *m = oci_alloc(w, MAX_ID_MAPS, sizeof(*m));

	mem_free(*out);
	*out = m;
	*count = 0;
	for (const char *end = s + size; m != NULL && s < end;) {
		struct id_map_config *one = &m[*count];
		int used = 0;

		one->relative = *s == '@' || *s == '+';
		s += one->relative;
		if (*count == MAX_ID_MAPS ||
		    sscanf(s, "%u-%u-%u%n", &one->container_id, &one->host_id, &one->size, &used) != 3 ||
		    one->size == 0 || (s + used < end && s[used] != '#')) {
			jsonw_error(w, NULL, "expected \"uids=0-1000-10#…;gids=…\"");
			return;
		}
		(*count)++;
		s += used + (s[used] == '#');
	}
}

static void parse_idmap(struct jsonw *w, const char *option, struct oci_bind *b)
{
	const char *s = strchr(option, '=');

	b->id_mapped = true;
	b->id_mapped_recursive = option[0] == 'r';
	for (s = s != NULL ? s + 1 : ""; *s != '\0' && !err_is(w->e);) {
		size_t n = strcspn(s, ";");

		if (strncmp(s, "uids=", 5) == 0)
			parse_triplets(w, s + 5, n - 5, &b->uid_map, &b->uid_map_count);
		else if (strncmp(s, "gids=", 5) == 0)
			parse_triplets(w, s + 5, n - 5, &b->gid_map, &b->gid_map_count);
		else
			jsonw_error(w, NULL, "expected \"uids=…\" or \"gids=…\", got \"%.*s\"", (int)n, s);
		s += n + (s[n] == ';');
	}
}

/* mounts[].uidMappings and gidMappings, which make it one too. */
static void parse_mappings(struct jsonw *w, const json_t *o, struct oci_bind *b)
{
	bool uids = jsonw_has(o, "uidMappings"), gids = jsonw_has(o, "gidMappings");

	if (uids != gids)
		jsonw_error(w, uids ? "gidMappings" : "uidMappings", "missing: an id-mapped mount needs both");
	if (!uids || !gids)
		return;
	b->id_mapped = true;
	oci_parse_id_map(w, o, "uidMappings", &b->uid_map, &b->uid_map_count);
	oci_parse_id_map(w, o, "gidMappings", &b->gid_map, &b->gid_map_count);
}

/* ---- mounts --------------------------------------------------------------------------------- */

/* Sorts options into flags and the file system's data. */
static void parse_options(struct jsonw *w, const json_t *o, struct oci_mount_flags *flags,
			  struct mount_config *m, struct oci_bind *b)
{
	const json_t *a = jsonw_array(w, o, "options", OPTIONAL);
	struct buf data = BUF_INIT;

	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *s = jsonw_string_at(w, a, "options", i);

		if (s == NULL || s[0] == '\0' || oci_mount_option(s, flags))
			continue;
		if (is_idmap(s)) {
			size_t mark = jsonw_enter_index(w, "options", i);

			parse_idmap(w, s, b);
			jsonw_leave(w, mark);
			continue;
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
	struct oci_bind *b = &s->binds[i];

	if (destination != NULL && destination[0] == '\0')
		jsonw_error(w, "destination", "empty");
	m->destination = clean_path(w, destination ? destination : "/");
	if (m->destination != NULL && strcmp(m->destination, "/") == 0)
		jsonw_error(w, "destination", "the root can't be mounted over; use root.path");
	parse_options(w, o, &flags, m, b);
	m->attach = -1;
	if (flags.bind || (type != NULL && strcmp(type, "bind") == 0)) {
		m->type = oci_dup(w, "bind");
		m->source = bind_source(w, source, s->bundle);
		b->recursive = flags.recursive;
	} else {
		if (type == NULL || type[0] == '\0')
			jsonw_error(w, "type", "missing, and the options have no \"bind\"");
		else if (!oci_mount_type_known(type))
			jsonw_error(w, "type", "unknown file system type \"%s\"", type);
		m->type = oci_dup(w, type ? type : "");
		m->source = oci_dup(w, source ? source : m->type);
	}
	parse_mappings(w, o, b);
	if (b->id_mapped && (m->type == NULL || strcmp(m->type, "bind") != 0))
		jsonw_error(w, NULL, "only bind mounts can be id-mapped");
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
	s->binds = oci_alloc(w, count, sizeof(struct oci_bind));
	if (s->container->mounts == NULL || s->binds == NULL)
		return;
	s->container->mount_count = s->bind_count = count;
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
