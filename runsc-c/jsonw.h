/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonw.h: walking a JSON document that a user wrote, with errors that name the place.
 *
 * A walker knows the file and the path of the value it stands in ("process.rlimits[2]").  Getters
 * look up a member, check its type and range, and on a breach set the error
 *     config.json: process.args[1]: expected a string
 * and return a harmless value; as the first error sticks, callers check once, at the end.
 * null counts as absent, and unknown members are ignored, as the OCI specification wants.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "runsc-c/err.h"

struct jsonw {
	const char *file;
	struct err *e;
	char path[512];
	size_t size; /* of path */
};

enum jsonw_need { OPTIONAL, REQUIRED };

void jsonw_init(struct jsonw *w, const char *file, struct err *e);
/* Set the error "file: path.name: …"; name may be NULL. */
int jsonw_error(struct jsonw *w, const char *name, const char *fmt, ...) printf_like(3, 4);

/*
 * Step into a member, or an element, for what follows; the result goes to jsonw_leave().
 */
size_t jsonw_enter(struct jsonw *w, const char *name);
size_t jsonw_enter_index(struct jsonw *w, const char *name, size_t i);
void jsonw_leave(struct jsonw *w, size_t mark);

/* Members of o (may be NULL: everything is absent).  Borrowed; NULL when absent or wrong. */
json_t *jsonw_object(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need);
json_t *jsonw_array(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need);
const char *jsonw_string(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need);
bool jsonw_bool(struct jsonw *w, const json_t *o, const char *name, bool absent);
int64_t jsonw_int(struct jsonw *w, const json_t *o, const char *name, int64_t min, int64_t max,
		  int64_t absent);
/* 0 to 2^64-1: JSON integers above 2^63-1 (RLIM_INFINITY) come as text from jsonw_load(). */
uint64_t jsonw_u64(struct jsonw *w, const json_t *o, const char *name, uint64_t absent);
/* Whether it is there at all. */
bool jsonw_has(const json_t *o, const char *name);

/* As the getters, for element i of the array that is member name of the current place. */
const char *jsonw_string_at(struct jsonw *w, const json_t *a, const char *name, size_t i);
json_t *jsonw_object_at(struct jsonw *w, const json_t *a, const char *name, size_t i);
int64_t jsonw_int_at(struct jsonw *w, const json_t *a, const char *name, size_t i, int64_t min,
		     int64_t max);

/* An array of strings as a new NULL-terminated vector (never NULL but without memory). */
char **jsonw_strings(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need);

/*
 * Parse a document of at most 32 MB, which must be an object.  Integers beyond 2^63-1, which jansson refuses,
 * are handled (see jsonw_u64).  NULL with e set.  The caller owns the result.
 */
json_t *jsonw_load(const char *text, size_t size, const char *file, struct err *e);
json_t *jsonw_load_file(int dir, const char *path, const char *shown, struct err *e);
