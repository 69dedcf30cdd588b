/* SPDX-License-Identifier: Apache-2.0 */
/* jsonw.c: walking a JSON document that a user wrote.  See jsonw.h. */
#include "runsc-c/jsonw.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

#define MAX_FILE (32u << 20)

void jsonw_init(struct jsonw *w, const char *file, struct err *e)
{
	w->file = file;
	w->e = e;
	w->path[0] = '\0';
	w->size = 0;
}

static void append(struct jsonw *w, const char *text)
{
	size_t n = strlen(text);

	n = MIN(n, sizeof(w->path) - 1 - w->size);
	memcpy(w->path + w->size, text, n);
	w->size += n;
	w->path[w->size] = '\0';
}

size_t jsonw_enter(struct jsonw *w, const char *name)
{
	size_t mark = w->size;

	if (mark > 0)
		append(w, ".");
	append(w, name);
	return mark;
}

size_t jsonw_enter_index(struct jsonw *w, const char *name, size_t i)
{
	size_t mark = jsonw_enter(w, name);
	char index[24];

	snprintf(index, sizeof(index), "[%zu]", i);
	append(w, index);
	return mark;
}

void jsonw_leave(struct jsonw *w, size_t mark)
{
	w->size = mark;
	w->path[mark] = '\0';
}

int jsonw_error(struct jsonw *w, const char *name, const char *fmt, ...)
{
	size_t mark = name ? jsonw_enter(w, name) : w->size;
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (w->path[0] == '\0')
		err_set(w->e, EINVAL, "%s: %s", w->file, what);
	else
		err_set(w->e, EINVAL, "%s: %s: %s", w->file, w->path, what);
	jsonw_leave(w, mark);
	return w->e->error;
}

/* ---- members -------------------------------------------------------------------------------- */

bool jsonw_has(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return v != NULL && !json_is_null(v);
}

static json_t *get(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need)
{
	json_t *v = json_object_get(o, name);

	if (v != NULL && !json_is_null(v))
		return v;
	if (need == REQUIRED)
		jsonw_error(w, name, "missing");
	return NULL;
}

static const char *check_string(struct jsonw *w, const json_t *v, const char *name)
{
	if (json_is_string(v))
		return json_string_value(v);
	jsonw_error(w, name, "expected a string");
	return NULL;
}

static int64_t check_int(struct jsonw *w, const json_t *v, const char *name, int64_t min, int64_t max)
{
	if (!json_is_integer(v))
		jsonw_error(w, name, "expected a whole number");
	else if (json_integer_value(v) < min || json_integer_value(v) > max)
		jsonw_error(w, name, "%lld is out of range (%lld to %lld)",
			    (long long)json_integer_value(v), (long long)min, (long long)max);
	else
		return json_integer_value(v);
	return min;
}

json_t *jsonw_object(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need)
{
	json_t *v = get(w, o, name, need);

	if (v == NULL || json_is_object(v))
		return v;
	jsonw_error(w, name, "expected an object");
	return NULL;
}

json_t *jsonw_array(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need)
{
	json_t *v = get(w, o, name, need);

	if (v == NULL || json_is_array(v))
		return v;
	jsonw_error(w, name, "expected an array");
	return NULL;
}

const char *jsonw_string(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need)
{
	const json_t *v = get(w, o, name, need);

	return v ? check_string(w, v, name) : NULL;
}

bool jsonw_bool(struct jsonw *w, const json_t *o, const char *name, bool absent)
{
	const json_t *v = get(w, o, name, OPTIONAL);

	if (v == NULL)
		return absent;
	if (!json_is_boolean(v))
		jsonw_error(w, name, "expected true or false");
	return json_is_true(v);
}

int64_t jsonw_int(struct jsonw *w, const json_t *o, const char *name, int64_t min, int64_t max,
		  int64_t absent)
{
	const json_t *v = get(w, o, name, OPTIONAL);

	return v ? check_int(w, v, name, min, max) : absent;
}

uint64_t jsonw_u64(struct jsonw *w, const json_t *o, const char *name, uint64_t absent)
{
	const json_t *v = get(w, o, name, OPTIONAL);

	if (v == NULL)
		return absent;
	/* What jsonw_load() makes of 2^63 to 2^64-1. */
	if (json_is_real(v) && json_real_value(v) >= 0x1p63 && json_real_value(v) <= 0x1p64)
		return json_real_value(v) >= 0x1p64 ? UINT64_MAX : (uint64_t)json_real_value(v);
	return (uint64_t)check_int(w, v, name, 0, INT64_MAX);
}

const char *jsonw_string_at(struct jsonw *w, const json_t *a, const char *name, size_t i)
{
	size_t mark = jsonw_enter_index(w, name, i);
	const char *s = check_string(w, json_array_get(a, i), NULL);

	jsonw_leave(w, mark);
	return s;
}

json_t *jsonw_object_at(struct jsonw *w, const json_t *a, const char *name, size_t i)
{
	json_t *v = json_array_get(a, i);
	size_t mark;

	if (json_is_object(v))
		return v;
	mark = jsonw_enter_index(w, name, i);
	jsonw_error(w, NULL, "expected an object");
	jsonw_leave(w, mark);
	return NULL;
}

int64_t jsonw_int_at(struct jsonw *w, const json_t *a, const char *name, size_t i, int64_t min,
		     int64_t max)
{
	size_t mark = jsonw_enter_index(w, name, i);
	int64_t v = check_int(w, json_array_get(a, i), NULL, min, max);

	jsonw_leave(w, mark);
	return v;
}

char **jsonw_strings(struct jsonw *w, const json_t *o, const char *name, enum jsonw_need need)
{
	const json_t *a = jsonw_array(w, o, name, need);
	char **v = mem_calloc(json_array_size(a) + 1, sizeof(char *));

	if (v == NULL) {
		err_set(w->e, ENOMEM, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *s = jsonw_string_at(w, a, name, i);

		v[i] = mem_strdup(s ? s : "");
		if (v[i] == NULL)
			err_set(w->e, ENOMEM, "out of memory");
	}
	return v;
}

/* ---- loading -------------------------------------------------------------------------------- */

static bool is_wide(const char *p, size_t digits)
{
	return digits > 19 || (digits == 19 && memcmp(p, "9223372036854775807", 19) > 0);
}

/*
 * jansson refuses integers beyond 2^63-1, but RLIM_INFINITY (2^64-1) is common in specs.  Give those
 * an exponent, so that they arrive as reals: "18446744073709551615" becomes "18446744073709551615e0",
 * in a copy.  Outside of strings only.
 */
static char *widen_integers(const char *text, size_t size, size_t *out_size)
{
	/* Each change adds 2 bytes to at least 19. */
	char *out = mem_alloc(size + size / 8 + 16);
	bool in_string = false;
	size_t n = 0;

	for (size_t i = 0; out != NULL && i < size;) {
		size_t digits = 0;

		while (!in_string && i + digits < size && isdigit((unsigned char)text[i + digits]))
			digits++;
		if (digits > 0) {
			char next = i + digits < size ? text[i + digits] : '\0';
			bool start = i == 0 || strchr("+-.eE", text[i - 1]) == NULL || text[i - 1] == '\0';

			memcpy(out + n, text + i, digits);
			n += digits;
			i += digits;
			if (is_wide(out + n - digits, digits) && start &&
			    (next == '\0' || strchr(".eE", next) == NULL)) {
				out[n++] = 'e';
				out[n++] = '0';
			}
			continue;
		}
		if (in_string && text[i] == '\\' && i + 1 < size)
			out[n++] = text[i++];
		else if (text[i] == '"')
			in_string = !in_string;
		out[n++] = text[i++];
	}
	*out_size = n;
	return out;
}

static bool has_wide_integer(const char *text, size_t size)
{
	size_t run = 0;

	for (size_t i = 0; i < size; i++) {
		run = isdigit((unsigned char)text[i]) ? run + 1 : 0;
		if (run >= 19)
			return true;
	}
	return false;
}

json_t *jsonw_load(const char *text, size_t size, const char *file, struct err *e)
{
	char *wide = NULL;
	json_error_t je;
	json_t *o;

	if (has_wide_integer(text, size)) {
		wide = widen_integers(text, size, &size);
		if (wide == NULL) {
			err_set(e, ENOMEM, "out of memory");
			return NULL;
		}
		text = wide;
	}
	o = json_loadb(text, size, 0, &je);
	mem_free(wide);
	if (o == NULL)
		err_set(e, EINVAL, "%s: line %d, column %d: not valid JSON: %s", file, je.line,
			je.column, je.text);
	else if (!json_is_object(o))
		err_set(e, EINVAL, "%s: expected a JSON object", file);
	if (!err_is(e))
		return o;
	json_decref(o);
	return NULL;
}

static char *read_all(int fd, size_t *size, const char *shown, struct err *e)
{
	size_t capacity = 65536, n = 0;
	char *text = mem_alloc(capacity);
	ssize_t got = 1;

	while (text != NULL && got > 0) {
		if (n == capacity) {
			char *grown = capacity < MAX_FILE ? mem_realloc(text, capacity *= 2, 1) : NULL;

			if (grown == NULL)
				break;
			text = grown;
		}
		got = read(fd, text + n, capacity - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t)got;
	}
	*size = n;
	if (text != NULL && got == 0)
		return text;
	if (got < 0)
		err_errno(e, errno, "%s", shown);
	else
		err_set(e, EFBIG, "%s: larger than %u MB", shown, MAX_FILE >> 20);
	mem_free(text);
	return NULL;
}

json_t *jsonw_load_file(int dir, const char *path, const char *shown, struct err *e)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	json_t *o = NULL;
	struct stat st;
	size_t size;
	char *text;

	if (fd < 0) {
		err_errno(e, errno, "%s", shown);
		return NULL;
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		err_set(e, EISDIR, "%s: is a directory", shown);
		close(fd);
		return NULL;
	}
	fcntl(fd, F_SETFL, 0);
	text = read_all(fd, &size, shown, e);
	close(fd);
	if (text != NULL)
		o = jsonw_load(text, size, shown, e);
	mem_free(text);
	return o;
}
