/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_install.c: `runsc-c install` and `uninstall`: tell Docker, containerd and podman of this runtime.
 *
 *   docker      /etc/docker/daemon.json         "runtimes": {"runsc-c": {"path": …, "runtimeArgs": […]}}
 *   containerd  /etc/containerd/config.toml     a table between two marker lines, at the end; names as
 *                                               config versions 1, 2 and 3 want them
 *   podman      …/containers.conf.d/NAME.conf   a file of its own
 *
 * The new text of every file is made first; only then is anything written, each file through a
 * temporary one and rename, after a copy FILE.before-runsc-c was made (once).  Doing it twice changes
 * nothing.  containerd and podman can't pass flags to a runtime: with flags they are told of a small
 * script beside it.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/mem.h"
#include "lib/util.h"
#include "runsc-c/runsc.h"

#define BACKUP_SUFFIX ".before-runsc-c"
#define FILE_MAX      (4u << 20)

struct install_flags {
	const char *name, *path;
	const char *docker_file, *containerd_file, *podman_dir;
	bool docker, containerd, podman, dry_run;
};

static struct install_flags f = {
	.name = "runsc-c",
	.docker_file = "/etc/docker/daemon.json",
	.containerd_file = "/etc/containerd/config.toml",
	.podman_dir = "/etc/containers/containers.conf.d",
};

/* One file to be changed. */
struct edit {
	char path[PATH_MAX];
	char *old;  /* NULL: there is none */
	char *text; /* as it shall be; NULL: none */
	mode_t mode;
};

struct install {
	bool remove;
	char exe[PATH_MAX];    /* the runtime */
	char script[PATH_MAX]; /* what passes the flags; the same as exe without any */
	char **args;           /* NULL-terminated flags */
	struct edit edits[4];
	size_t count;
};

/* ---- files ---------------------------------------------------------------------------------- */

static int read_old(struct edit *d, struct err *e)
{
	int fd = open(d->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	d->mode = 0644;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, errno, "\"%s\"", d->path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		err_set(e, EINVAL, "\"%s\" is no file of configuration", d->path);
	} else {
		d->mode = st.st_mode & 0777;
		d->old = mem_calloc((size_t)st.st_size + 1, 1);
		n = d->old ? read(fd, d->old, (size_t)st.st_size) : -1;
		if (n != st.st_size || strlen(d->old) != (size_t)n)
			err_set(e, EINVAL, "\"%s\" can't be read as text", d->path);
	}
	close(fd);
	return e->error;
}

static int write_text(const char *path, const char *text, mode_t mode, struct err *e)
{
	char temporary[PATH_MAX + 32];
	size_t size = strlen(text);
	int fd;

	snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, getpid());
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, errno, "\"%s\"", path);
	if (write(fd, text, size) != (ssize_t)size || fchmod(fd, mode) < 0 || fsync(fd) < 0 ||
	    rename(temporary, path) < 0) {
		err_errno(e, errno, "\"%s\"", path);
		unlink(temporary);
	}
	close(fd);
	return e->error;
}

static void make_parent(const char *path)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", path);
	for (char *p = dir + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		mkdir(dir, 0755);
		*p = '/';
	}
}

static bool is_unchanged(const struct edit *d)
{
	if (d->old == NULL || d->text == NULL)
		return d->old == d->text;
	return strcmp(d->old, d->text) == 0;
}

static int commit_edit(const struct edit *d, struct err *e)
{
	char backup[PATH_MAX + 32];

	if (is_unchanged(d)) {
		printf("%s: unchanged\n", d->path);
		return 0;
	}
	snprintf(backup, sizeof(backup), "%s" BACKUP_SUFFIX, d->path);
	if (d->old != NULL && d->text != NULL && access(backup, F_OK) < 0 &&
	    write_text(backup, d->old, d->mode, e) < 0)
		return e->error;
	if (d->text == NULL) {
		if (unlink(d->path) < 0)
			return err_errno(e, errno, "\"%s\"", d->path);
		printf("%s: removed\n", d->path);
		return 0;
	}
	make_parent(d->path);
	if (write_text(d->path, d->text, d->mode, e) == 0)
		printf("%s: written\n", d->path);
	return e->error;
}

/* ---- --dry-run ------------------------------------------------------------------------------ */

static size_t line_length(const char *s)
{
	const char *end = strchr(s, '\n');

	return end ? (size_t)(end - s) + 1 : strlen(s);
}

static void print_lines(char sign, const char *from, const char *to)
{
	while (from < to) {
		size_t n = line_length(from);

		printf("%c%.*s%s", sign, (int)n, from, n > 0 && from[n - 1] == '\n' ? "" : "\n");
		from += n;
	}
}

/* Our edits are in one place: what is the same before and after it is left out, but for one line. */
static void print_diff(const struct edit *d)
{
	const char *a = d->old ? d->old : "", *b = d->text ? d->text : "";
	const char *end_a = a + strlen(a), *end_b = b + strlen(b), *context = NULL;

	if (is_unchanged(d)) {
		printf("%s: unchanged\n", d->path);
		return;
	}
	printf("--- %s\n+++ %s\n", d->old ? d->path : "/dev/null", d->text ? d->path : "/dev/null");
	while (*a != '\0' && *b != '\0') {
		size_t n = line_length(a);

		if (n != line_length(b) || memcmp(a, b, n) != 0)
			break;
		context = a;
		a += n;
		b += n;
	}
	while (end_a > a && end_b > b && end_a[-1] == end_b[-1]) {
		end_a--;
		end_b--;
	}
	/* Back to whole lines. */
	while ((end_a > a && end_a[-1] != '\n') || (end_b > b && end_b[-1] != '\n')) {
		if (*end_a == '\0' || *end_b == '\0')
			break;
		end_a++;
		end_b++;
	}
	if (context != NULL)
		print_lines(' ', context, a);
	print_lines('-', a, end_a);
	print_lines('+', b, end_b);
	if (*end_a != '\0')
		print_lines(' ', end_a, end_a + line_length(end_a));
}

/* ---- docker --------------------------------------------------------------------------------- */

static json_t *docker_runtime(const struct install *in)
{
	json_t *o = json_pack("{s:s}", "path", in->exe), *args = json_array();

	for (size_t i = 0; in->args[i] != NULL; i++)
		json_array_append_new(args, json_string(in->args[i]));
	if (json_array_size(args) > 0)
		json_object_set(o, "runtimeArgs", args);
	json_decref(args);
	return o;
}

static int edit_docker(const struct install *in, struct edit *d, struct err *e)
{
	json_error_t why;
	json_t *doc, *runtimes;
	char *text;

	snprintf(d->path, sizeof(d->path), "%s", f.docker_file);
	if (read_old(d, e) < 0)
		return e->error;
	if (d->old == NULL && in->remove)
		return 0;
	doc = d->old && strspn(d->old, " \t\r\n") != strlen(d->old) ? json_loads(d->old, 0, &why)
								      : json_object();
	if (!json_is_object(doc))
		return err_set(e, EINVAL, "\"%s\": line %d: %s", d->path, doc ? 1 : why.line,
			       doc ? "no object" : why.text);
	runtimes = json_object_get(doc, "runtimes");
	if (runtimes == NULL && !in->remove) {
		runtimes = json_object();
		json_object_set_new(doc, "runtimes", runtimes);
	}
	if (runtimes != NULL && !json_is_object(runtimes)) {
		json_decref(doc);
		return err_set(e, EINVAL, "\"%s\": runtimes: expected an object", d->path);
	}
	if (!in->remove)
		json_object_set_new(runtimes, f.name, docker_runtime(in));
	else if (runtimes != NULL && json_object_del(runtimes, f.name) == 0 &&
		 json_object_size(runtimes) == 0)
		json_object_del(doc, "runtimes");
	text = json_dumps(doc, JSON_INDENT(4));
	/* One that says the same already is not written anew for its layout's sake. */
	if (d->old != NULL && text != NULL) {
		json_t *old = json_loads(d->old, 0, NULL);

		if (json_equal(old, doc))
			d->text = mem_strdup(d->old);
		json_decref(old);
	}
	if (d->text == NULL && text != NULL) {
		d->text = mem_calloc(strlen(text) + 2, 1);
		if (d->text != NULL)
			sprintf(d->text, "%s\n", text);
	}
	free(text);
	json_decref(doc);
	return d->text ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* ---- containerd ----------------------------------------------------------------------------- */

/*
 * The version of a config.toml: a key of the top table.  Without one it is 1; a file that has only
 * comments may become what we like.
 */
static int toml_version(const char *text, bool *empty)
{
	bool top = true, in_string = false;

	*empty = true;
	for (const char *p = text; *p != '\0'; p += line_length(p)) {
		size_t blank = strspn(p, " \t\r\n");
		const char *s = p + blank;
		int version, quotes = 0;
		size_t n = line_length(p);

		/* Text over several lines: what looks like a key in it is none. */
		for (const char *q = p; q + 3 <= p + n; q++)
			if (memcmp(q, "\"\"\"", 3) == 0 || memcmp(q, "'''", 3) == 0) {
				quotes++;
				q += 2;
			}
		if (blank < n && *s != '#')
			*empty = false;
		if (!in_string && top && sscanf(s, "version = %d", &version) == 1)
			return version;
		if (!in_string && *s == '[')
			top = false;
		in_string = in_string != (quotes % 2 != 0);
	}
	return 1;
}

static const char *cri_table(int version)
{
	return version >= 3 ? "plugins.'io.containerd.cri.v1.runtime'"
	       : version == 2 ? "plugins.\"io.containerd.grpc.v1.cri\"" : "plugins.cri";
}

/* text without our block, as a new string; *had: there was one. */
static char *without_block(const char *text, const char *begin, const char *end, bool *had)
{
	const char *a = strstr(text, begin), *b = a ? strstr(a, end) : NULL;
	char *out = mem_calloc(strlen(text) + 1, 1);

	*had = b != NULL;
	if (out == NULL)
		return NULL;
	if (b == NULL) {
		strcpy(out, text);
		return out;
	}
	memcpy(out, text, (size_t)(a - text));
	b += strlen(end);
	strcat(out, *b == '\n' ? b + 1 : b);
	return out;
}

static int edit_containerd(const struct install *in, struct edit *d, struct err *e)
{
	char begin[128], end[128], *rest, table[256];
	bool had, empty;
	int version;

	snprintf(d->path, sizeof(d->path), "%s", f.containerd_file);
	snprintf(begin, sizeof(begin), "# >>> %s (made by runsc-c install)\n", f.name);
	snprintf(end, sizeof(end), "# <<< %s", f.name);
	if (read_old(d, e) < 0)
		return e->error;
	if (d->old == NULL && in->remove)
		return 0;
	rest = without_block(d->old ? d->old : "", begin, end, &had);
	if (rest == NULL)
		return err_set(e, ENOMEM, "out of memory");
	version = toml_version(rest, &empty);
	snprintf(table, sizeof(table), "%s.containerd.runtimes.%s", cri_table(empty ? 2 : version), f.name);
	if (in->remove) {
		d->text = rest;
		return 0;
	}
	if (strstr(rest, table) != NULL) {
		mem_free(rest);
		return err_set(e, EEXIST, "\"%s\" has a runtime \"%s\" that was not made by this command; "
			       "--runtime-name gives another name", d->path, f.name);
	}
	d->text = mem_calloc(strlen(rest) + 3 * PATH_MAX, 1);
	if (d->text != NULL)
		sprintf(d->text, "%s%s%s%s[%s]\n  runtime_type = \"io.containerd.runc.v2\"\n"
			"  [%s.options]\n    BinaryName = \"%s\"\n%s\n",
			empty && strstr(rest, "version") == NULL ? "version = 2\n" : "", rest,
			*rest != '\0' && rest[strlen(rest) - 1] != '\n' ? "\n" : "", begin, table, table,
			in->script, end);
	mem_free(rest);
	return d->text ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* ---- podman --------------------------------------------------------------------------------- */

static int edit_podman(const struct install *in, struct edit *d, struct err *e)
{
	snprintf(d->path, sizeof(d->path), "%s/%s.conf", f.podman_dir, f.name);
	if (read_old(d, e) < 0 || in->remove)
		return e->error;
	d->text = mem_calloc(2 * PATH_MAX, 1);
	if (d->text == NULL)
		return err_set(e, ENOMEM, "out of memory");
	sprintf(d->text, "# made by runsc-c install\n[engine]\nruntime_supports_json = [\"crun\", \"runc\", "
		"\"kata\", \"runsc\", \"youki\", \"krun\", \"%s\"]\n[engine.runtimes]\n\"%s\" = [\"%s\"]\n",
		f.name, f.name, in->script);
	return 0;
}

/* ---- the script that passes flags ----------------------------------------------------------- */

static void append_quoted(char *out, const char *word)
{
	out += strlen(out);
	*out++ = ' ';
	*out++ = '\'';
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			out += sprintf(out, "'\\'");
		*out++ = *word;
	}
	strcpy(out, "'");
}

static int edit_script(struct install *in, struct edit *d, struct err *e)
{
	size_t room = 2 * PATH_MAX;

	snprintf(d->path, sizeof(d->path), "%s", in->script);
	if (read_old(d, e) < 0 || in->remove)
		return e->error;
	for (size_t i = 0; in->args[i] != NULL; i++)
		room += 4 * strlen(in->args[i]) + 8;
	d->mode = 0755;
	d->text = mem_calloc(room, 1);
	if (d->text == NULL)
		return err_set(e, ENOMEM, "out of memory");
	strcpy(d->text, "#!/bin/sh\n# made by runsc-c install\nexec");
	append_quoted(d->text, in->exe);
	for (size_t i = 0; in->args[i] != NULL; i++)
		append_quoted(d->text, in->args[i]);
	strcat(d->text, " \"$@\"\n");
	return 0;
}

/* ---- the commands --------------------------------------------------------------------------- */

static bool is_name(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
			return false;
	return n > 0 && n <= 64;
}

static bool is_dir_of(const char *file)
{
	char dir[PATH_MAX];
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", file);
	*strrchr(dir, '/') = '\0';
	return stat(dir, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Without a flag that names a client: those that are here. */
static int choose_clients(struct err *e)
{
	if (!f.docker && !f.containerd && !f.podman) {
		f.docker = is_dir_of(f.docker_file);
		f.containerd = is_dir_of(f.containerd_file);
		f.podman = is_dir_of(f.podman_dir);
	}
	if (!f.docker && !f.containerd && !f.podman)
		return err_set(e, ENOENT, "none of docker, containerd and podman has its configuration here; "
			       "--docker, --containerd or --podman makes it anyway");
	return 0;
}

static int find_paths(struct install *in, struct err *e)
{
	ssize_t n;

	if (f.path != NULL) {
		if (realpath(f.path, in->exe) == NULL)
			return err_errno(e, errno, "--path: \"%s\"", f.path);
	} else {
		n = readlink("/proc/self/exe", in->exe, sizeof(in->exe) - 1);
		if (n < 0)
			return err_errno(e, errno, "/proc/self/exe");
		in->exe[n] = '\0';
	}
	if (strpbrk(in->exe, "\"\\\n") != NULL)
		return err_set(e, EINVAL, "\"%s\": a path that can't be written to a configuration", in->exe);
	if (in->args[0] == NULL && !in->remove) {
		strcpy(in->script, in->exe);
		return 0;
	}
	n = snprintf(in->script, sizeof(in->script), "%s", in->exe);
	if ((size_t)n + strlen(f.name) + 8 > sizeof(in->script))
		return err_set(e, ENAMETOOLONG, "\"%s\"", in->exe);
	sprintf(strrchr(in->script, '/'), "/%s-flags", f.name);
	return 0;
}

static int make_edits(struct install *in, struct err *e)
{
	bool script = strcmp(in->script, in->exe) != 0 && (f.containerd || f.podman);

	if (f.docker && edit_docker(in, &in->edits[in->count++], e) < 0)
		return e->error;
	if (f.containerd && edit_containerd(in, &in->edits[in->count++], e) < 0)
		return e->error;
	if (f.podman && edit_podman(in, &in->edits[in->count++], e) < 0)
		return e->error;
	if (script)
		edit_script(in, &in->edits[in->count++], e);
	return e->error;
}

static int run(bool remove, char **args, struct err *e)
{
	struct install *in = mem_new(struct install);

	if (in == NULL)
		return err_set(e, ENOMEM, "out of memory");
	in->remove = remove;
	in->args = args;
	if (!is_name(f.name))
		err_set(e, EINVAL, "--runtime-name: \"%s\": letters, digits, '-' and '_' only", f.name);
	if (!err_is(e) && choose_clients(e) == 0 && find_paths(in, e) == 0 && make_edits(in, e) == 0) {
		for (size_t i = 0; i < in->count && !err_is(e); i++) {
			if (f.dry_run)
				print_diff(&in->edits[i]);
			else
				commit_edit(&in->edits[i], e);
		}
		if (!err_is(e) && !f.dry_run && (f.docker || f.containerd))
			printf("restart %s%s%s for it to take effect\n", f.docker ? "dockerd" : "",
			       f.docker && f.containerd ? " and " : "", f.containerd ? "containerd" : "");
	}
	for (size_t i = 0; i < in->count; i++) {
		mem_free(in->edits[i].old);
		mem_free(in->edits[i].text);
	}
	mem_free(in);
	return e->error;
}

static const struct flag flags[] = {
	{ "runtime-name", FLAG_STRING, &f.name, "what the clients call it (runsc-c)" },
	{ "path", FLAG_STRING, &f.path, "the executable (this one)" },
	{ "docker", FLAG_BOOL, &f.docker, "tell Docker" },
	{ "containerd", FLAG_BOOL, &f.containerd, "tell containerd (CRI)" },
	{ "podman", FLAG_BOOL, &f.podman, "tell podman and buildah" },
	{ "docker-config", FLAG_STRING, &f.docker_file, "another file than /etc/docker/daemon.json" },
	{ "containerd-config", FLAG_STRING, &f.containerd_file,
	  "another file than /etc/containerd/config.toml" },
	{ "podman-config", FLAG_STRING, &f.podman_dir,
	  "another directory than /etc/containers/containers.conf.d" },
	{ "dry-run", FLAG_BOOL, &f.dry_run, "show what would change" },
	{ NULL, FLAG_BOOL, NULL, NULL },
};

int cmd_install(const struct globals *g, int argc, char **argv, struct err *e)
{
	bool done;
	int first = cmd_parse("install", flags, argc, argv, 0, -1, &done, e);

	(void)g;
	return first < 0 || done ? MIN(first, 0) : run(false, argv + first, e);
}

int cmd_uninstall(const struct globals *g, int argc, char **argv, struct err *e)
{
	bool done;
	int first = cmd_parse("uninstall", flags, argc, argv, 0, 0, &done, e);

	(void)g;
	return first < 0 || done ? MIN(first, 0) : run(true, argv + first, e);
}
