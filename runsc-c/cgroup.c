/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.c: finding, making, joining, freezing and removing the container's cgroups.  See cgroup.h. */
#include "runsc-c/cgroup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "runsc-c/cgroup_impl.h"

static void nap(long ms)
{
	nanosleep(&(struct timespec){ 0, ms * NSEC_PER_MSEC }, NULL);
}

/* ---- files ---------------------------------------------------------------------------------- */

int cgroup_write(const char *dir, const char *file, const char *value)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	if (n < 0)
		err = -errno;
	close(fd);
	return err;
}

ssize_t cgroup_read(const char *dir, const char *file, char *text, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

const char *cgroup_dir(const struct cgroup *c, const char *controller)
{
	size_t len = strlen(controller);

	if (c->v2)
		return c->count > 0 ? c->dirs[0].path : NULL;
	for (size_t i = 0; i < c->count; i++) {
		const char *p = c->dirs[i].controllers;

		while (p != NULL && *p != '\0') {
			size_t n = strcspn(p, ",");

			if (n == len && memcmp(p, controller, n) == 0)
				return c->dirs[i].path;
			p += n + (p[n] == ',');
		}
	}
	return NULL;
}

/* ---- planning ------------------------------------------------------------------------------- */

/* /proc/PID/cgroup: a line "number:controllers:path" for each hierarchy; mem_free().  0: our own. */
static char *memberships(pid_t pid)
{
	char name[32], *text = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	f = fopen(pid ? name : "/proc/self/cgroup", "re"); /* /proc may be of another pid namespace than ours */
	if (f == NULL || getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = NULL;
	}
	if (f != NULL)
		fclose(f);
	return text;
}

/* The path in the hierarchy with these controllers ("" is v2) of who has these memberships. */
static int path_in(const char *text, const char *controllers, char *out, size_t size)
{
	size_t len = strlen(controllers);

	for (const char *line = text; line != NULL && *line != '\0';) {
		const char *list = strchr(line, ':'), *end = strchrnul(line, '\n');

		if (list != NULL && strncmp(list + 1, controllers, len) == 0 && list[1 + len] == ':') {
			snprintf(out, size, "%.*s", (int)(end - (list + len + 2)), list + len + 2);
			return 0;
		}
		line = *end ? end + 1 : NULL;
	}
	return -ENOENT;
}

/* "a-b.slice" is the directory "a.slice/a-b.slice". */
static void expand_slice(const char *slice, char *out, size_t size)
{
	const char *end = strstr(slice, ".slice");
	size_t len = end ? (size_t)(end - slice) : 0, n = 0;

	out[0] = '\0';
	for (size_t i = 1; i <= len; i++)
		if (i == len || slice[i] == '-')
			n += (size_t)snprintf(out + MIN(n, size), n < size ? size - n : 0, "/%.*s.slice",
					      (int)i, slice);
}

/* The path below the mount point; an absolute cgroupsPath starts at the root of the hierarchy. */
static int relative_path(const char *spec, const char *id, bool systemd_style, char *out,
			 size_t size, struct err *e)
{
	const char *c1 = strchr(spec, ':'), *c2 = c1 ? strchr(c1 + 1, ':') : NULL;
	char slice[PATH_MAX];

	if (systemd_style && c2 != NULL) {
		snprintf(slice, sizeof(slice), "%.*s", (int)(c1 - spec), spec);
		expand_slice(c1 == spec ? "system.slice" : slice, out, size);
		snprintf(out + strlen(out), size - strlen(out), "/%.*s%s%s.scope", (int)(c2 - c1 - 1),
			 c1 + 1, c2 - c1 > 1 ? "-" : "", c2 + 1);
	} else {
		snprintf(out, size, "%s", spec[0] != '\0' ? spec : id);
	}
	if (strlen(out) >= size - 1 || strlen(out) > 2048)
		return err_set(e, ENAMETOOLONG, "config.json: linux.cgroupsPath: too long");
	for (const char *p = out; *p != '\0'; p += strcspn(p, "/"), p += *p == '/')
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
			return err_set(e, EINVAL, "config.json: linux.cgroupsPath: \"%s\" has a \"..\"",
				       spec);
	return 0;
}

/* own: our memberships, where path is relative. */
static void add_dir(struct cgroup *c, const char *controllers, const char *mount, const char *path, const char *own_text)
{
	char own[PATH_MAX] = "", whole[2 * PATH_MAX];
	struct cgroup_dir *d = &c->dirs[c->count];

	if (c->count == CGROUP_MAX_DIRS)
		return;
	if (path[0] != '/' && path_in(own_text, controllers, own, sizeof(own)) < 0)
		return;
	snprintf(whole, sizeof(whole), "%s%s/%s", mount, strcmp(own, "/") == 0 ? "" : own,
		 path[0] == '/' ? path + 1 : path);
	d->controllers = mem_strdup(controllers);
	d->path = mem_strdup(whole);
	/* Recorded before it is made, so that a crash in between leaves it known as ours. */
	d->made = access(whole, F_OK) < 0;
	if (d->controllers != NULL && d->path != NULL)
		c->count++;
}

/*
 * The controllers of a v1 mount are its super block options, in the order that /proc/self/cgroup
 * shows; path_in() must find them, so take that file's list when one of its names matches.
 */
static void v1_controllers(const char *options, char *out, size_t size)
{
	static const char *const known[] = { "cpuset", "cpu", "cpuacct", "blkio", "memory", "devices",
					     "freezer", "net_cls", "perf_event", "net_prio", "hugetlb",
					     "pids", "rdma", "misc" };
	size_t n = 0;

	out[0] = '\0';
	while (*options != '\0') {
		size_t len = strcspn(options, ",\n");
		bool take = strncmp(options, "name=", 5) == 0;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			take = take || (strlen(known[i]) == len && memcmp(known[i], options, len) == 0);
		if (take && n + len + 2 < size)
			n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? "," : "", (int)len,
					      options);
		options += len + (options[len] != '\0');
	}
}

/* One line of mountinfo: "… root mountpoint options … - fstype source superoptions". */
static void plan_mount(struct cgroup *c, char *line, const char *path, const char *own, char *v2_mount)
{
	char *dash = strstr(line, " - "), *save, *mount, list[512], type[32], options[1024];

	if (dash == NULL || sscanf(dash, " - %31s %*s %1023s", type, options) != 2)
		return;
	*dash = '\0';
	strtok_r(line, " ", &save);
	strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save);
	mount = strtok_r(NULL, " ", &save);
	if (mount == NULL || strchr(mount, '\\') != NULL)
		return;
	if (strcmp(type, "cgroup2") == 0 && v2_mount[0] == '\0')
		snprintf(v2_mount, PATH_MAX, "%s", mount);
	if (strcmp(type, "cgroup") != 0)
		return;
	v1_controllers(options, list, sizeof(list));
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->dirs[i].controllers, list) == 0)
			return; /* mounted twice */
	if (list[0] != '\0')
		add_dir(c, list, mount, path, own);
}

int cgroup_plan(const char *cgroups_path, const char *id, bool systemd_style, struct cgroup *out,
		struct err *e)
{
	char path[PATH_MAX], v2_mount[PATH_MAX] = "", line[3 * PATH_MAX], *own;
	FILE *f;

	memset(out, 0, sizeof(*out));
	if (relative_path(cgroups_path ? cgroups_path : "", id, systemd_style, path, sizeof(path), e) < 0)
		return e->error;
	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL)
		return err_errno(e, errno, "/proc/self/mountinfo");
	own = memberships(0);
	while (fgets(line, sizeof(line), f) != NULL)
		plan_mount(out, line, path, own, v2_mount);
	fclose(f);
	if (out->count == 0 && v2_mount[0] != '\0') {
		out->v2 = true;
		add_dir(out, "", v2_mount, path, own);
	} else if (v2_mount[0] != '\0') {
		out->unified = mem_strdup(v2_mount);
	}
	free(own);
	return 0;
}

/* As planned, or systemd (in a mode of its own) does not use it. */
static int follow_unified(struct cgroup *c, const char *real, const char *planned)
{
	size_t count = c->count;

	if (strcmp(real, planned) != 0)
		return 0;
	add_dir(c, "", c->unified, real, NULL);
	if (c->count == count)
		return -ENOMEM;
	c->dirs[count].made = true; /* for us */
	return 0;
}

int cgroup_follow(struct cgroup *c, pid_t pid, const char *cgroups_path)
{
	char planned[PATH_MAX], real[PATH_MAX], whole[2 * PATH_MAX];
	struct err ignored = ERR_INIT;
	size_t n, m, d;
	char *path, *text;
	bool known;

	if (c->count == 0 || (!c->v2 && c->unified == NULL))
		return 0;
	text = memberships(pid);
	known = relative_path(cgroups_path, "", true, planned, sizeof(planned), &ignored) == 0 &&
		path_in(text, "", real, sizeof(real)) == 0;
	free(text);
	if (!known)
		return c->v2 ? -ENOENT : 0;
	if (!c->v2)
		return follow_unified(c, real, planned);
	n = strlen(planned);
	m = strlen(real);
	d = strlen(c->dirs[0].path);
	if (m < n || d < n || strcmp(real + m - n, planned) != 0)
		return -EINVAL;
	snprintf(whole, sizeof(whole), "%.*s%s", (int)(d - n), c->dirs[0].path, real);
	path = mem_strdup(whole);
	if (path == NULL)
		return -ENOMEM;
	mem_free(c->dirs[0].path);
	c->dirs[0].path = path;
	return 0;
}

/* ---- making --------------------------------------------------------------------------------- */

static bool may_drop(int err)
{
	return err == -EACCES || err == -EPERM || err == -EROFS;
}

/* v1 cpuset groups start empty, and nothing can join one without CPUs and memory nodes. */
static void inherit_cpuset(const char *dir, const char *file)
{
	char text[4096], parent[PATH_MAX];
	char *slash;

	if (cgroup_read(dir, file, text, sizeof(text)) < 0 || text[strspn(text, "\n")] != '\0')
		return;
	snprintf(parent, sizeof(parent), "%s", dir);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		return;
	*slash = '\0';
	if (cgroup_read(parent, file, text, sizeof(text)) > 0)
		cgroup_write(dir, file, text);
}

/* v2: a parent must pass its controllers on. */
static void enable_controllers(const char *parent)
{
	char text[1024], one[128], *save = NULL;

	if (cgroup_read(parent, "cgroup.controllers", text, sizeof(text)) < 0)
		return;
	for (char *p = strtok_r(text, " \n", &save); p != NULL; p = strtok_r(NULL, " \n", &save)) {
		snprintf(one, sizeof(one), "+%s", p);
		cgroup_write(parent, "cgroup.subtree_control", one);
	}
}

/* mkdir -p, preparing each new level. */
static int make_dir(const struct cgroup *c, struct cgroup_dir *d)
{
	bool cpuset = strstr(d->controllers, "cpuset") != NULL;
	char path[2 * PATH_MAX], *last;
	int err = -ENOENT;
	bool there;

	snprintf(path, sizeof(path), "%s", d->path);
	last = strrchr(path, '/');
	*last = '\0';
	there = access(path, F_OK) == 0;
	*last = '/';
	for (char *p = there ? last + 1 : path + 1;; p++) {
		char ch = *p;

		if (ch != '/' && ch != '\0')
			continue;
		*p = '\0';
		err = mkdir(path, 0755) < 0 ? -errno : 0;
		if (err == 0 && cpuset) {
			inherit_cpuset(path, "cpuset.cpus");
			inherit_cpuset(path, "cpuset.mems");
		}
		*p = ch;
		if (ch == '\0' || (err < 0 && err != -EEXIST))
			break;
		if (err == 0 && c->v2) {
			*p = '\0';
			enable_controllers(path);
			*p = ch;
		}
	}
	return err == -EEXIST ? 0 : err;
}

int cgroup_make(struct cgroup *c, bool optional, struct err *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->count; i++) {
		struct cgroup_dir d = c->dirs[i];
		int err = make_dir(c, &d);

		c->dirs[i] = (struct cgroup_dir){ NULL, NULL, false };
		if (err == 0) {
			c->dirs[kept++] = d;
			continue;
		}
		if (!optional || !may_drop(err))
			err_errno(e, err, "can't make cgroup \"%s\"", d.path);
		else
			log_warn("no cgroup \"%s\": %s; going on without", d.path, err_reason(err));
		mem_free(d.controllers);
		mem_free(d.path);
	}
	c->count = kept;
	return e->error;
}

int cgroup_move(const struct cgroup *c, pid_t pid, bool optional, struct err *e)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	for (size_t i = 0; i < c->count; i++) {
		int err = cgroup_write(c->dirs[i].path, "cgroup.procs", text);

		if (err < 0 && err != -ESRCH && (!optional || !may_drop(err)))
			return err_errno(e, err, "can't move a process to cgroup \"%s\"", c->dirs[i].path);
	}
	return 0;
}

int cgroup_join_self(const struct cgroup *c, bool optional, struct err *e)
{
	for (size_t i = 0; !c->v2 && i < c->count; i++) {
		bool is_v1 = c->dirs[i].controllers[0] != '\0';
		int err = cgroup_write(c->dirs[i].path, is_v1 ? "tasks" : "cgroup.procs", "0");

		if (err < 0 && (!optional || !may_drop(err)))
			return err_errno(e, err, "can't join cgroup \"%s\"", c->dirs[i].path);
	}
	return 0;
}

int cgroup_clone_fd(const struct cgroup *c)
{
	if (!c->v2 || c->count == 0)
		return -1;
	return open(c->dirs[0].path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* ---- freezing, killing, removing ------------------------------------------------------------ */

static bool frozen_now(const struct cgroup *c, const char *dir)
{
	char text[256];

	if (c->v2)
		return cgroup_read(dir, "cgroup.events", text, sizeof(text)) > 0 &&
		       strstr(text, "frozen 1") != NULL;
	return cgroup_read(dir, "freezer.state", text, sizeof(text)) > 0 &&
	       strcmp(text, "FROZEN\n") == 0;
}

bool cgroup_divides_cpu(const struct cgroup *c)
{
	const char *dir = cgroup_dir(c, "cpu");
	char text[16];

	/* v2: a directory has it if its parent passes it on. */
	return dir != NULL && (!c->v2 || cgroup_read(dir, "cpu.weight", text, sizeof(text)) > 0);
}

bool cgroup_is_frozen(const struct cgroup *c)
{
	const char *dir = cgroup_dir(c, "freezer");

	return dir != NULL && frozen_now(c, dir);
}

int cgroup_freeze(const struct cgroup *c, bool frozen, struct err *e)
{
	const char *dir = cgroup_dir(c, "freezer");
	const char *file = c->v2 ? "cgroup.freeze" : "freezer.state";
	int err = -ENOENT;

	if (dir == NULL)
		return err_set(e, ENOENT, "there is no freezer cgroup here");
	for (int tries = 0; tries < 1000; tries++) {
		/*
		 * v1 may have to be asked again while tasks come and go.  And a stub whose call the Sentry has
		 * taken can't be frozen before it is answered, which a frozen Sentry does not do: let it.
		 */
		if (frozen && tries > 0 && tries % 25 == 0) {
			err = cgroup_write(dir, file, c->v2 ? "0" : "THAWED");
			nap(2);
		}
		if (tries % 25 == 0)
			err = cgroup_write(dir, file, c->v2 ? (frozen ? "1" : "0")
							    : (frozen ? "FROZEN" : "THAWED"));
		if (err < 0)
			return err_errno(e, err, "%s/%s", dir, file);
		if (frozen_now(c, dir) == frozen)
			return 0;
		nap(2);
	}
	cgroup_write(dir, file, c->v2 ? "0" : "THAWED");
	return err_set(e, ETIMEDOUT, "%s: the processes don't freeze", dir);
}

pid_t *cgroup_pids(const struct cgroup *c)
{
	const char *dir = cgroup_dir(c, "freezer");
	char path[PATH_MAX];
	pid_t *pids = mem_calloc(1, sizeof(pid_t));
	size_t count = 0;
	FILE *f;
	int pid;

	if (dir == NULL && c->count > 0)
		dir = c->dirs[0].path;
	if (dir == NULL || pids == NULL)
		return pids;
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f != NULL && fscanf(f, "%d", &pid) == 1) {
		pid_t *grown = mem_realloc(pids, count + 2, sizeof(pid_t));

		if (grown == NULL)
			break;
		pids = grown;
		if (pid > 0 && pid != getpid())
			pids[count++] = pid;
		pids[count] = 0;
	}
	if (f != NULL)
		fclose(f);
	return pids;
}

void cgroup_thaw_process(pid_t pid)
{
	char path[64], line[PATH_MAX + 64], dir[PATH_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	f = pid > 0 ? fopen(path, "re") : NULL;
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *name = strstr(line, ":freezer:");

		line[strcspn(line, "\n")] = '\0';
		if (name == NULL || strcmp(name + 9, "/") == 0)
			continue;
		snprintf(dir, sizeof(dir), "/sys/fs/cgroup/freezer%.*s", PATH_MAX, name + 9);
		cgroup_write(dir, "freezer.state", "THAWED");
	}
	if (f != NULL)
		fclose(f);
}

bool cgroup_kill(const struct cgroup *c, int timeout_ms)
{
	/* In a group that was there before us may be processes of others. */
	for (size_t i = 0; i < c->count; i++)
		if (!c->dirs[i].made)
			return true;
	for (int waited = 0;; waited += 5) {
		pid_t *pids = cgroup_pids(c);
		bool empty = pids == NULL || pids[0] == 0;

		for (size_t i = 0; !empty && pids[i] != 0; i++)
			kill(pids[i], SIGKILL);
		mem_free(pids);
		if (empty || waited >= timeout_ms)
			return empty;
		/* Frozen tasks die only when they thaw. */
		if (waited == 0 && cgroup_dir(c, "freezer") != NULL)
			cgroup_write(cgroup_dir(c, "freezer"),
				     c->v2 ? "cgroup.freeze" : "freezer.state", c->v2 ? "0" : "THAWED");
		nap(5);
	}
}

/* Groups below it too: somebody may have made some. */
static int remove_tree(const char *path, int depth)
{
	char child[PATH_MAX];
	struct dirent *de;
	DIR *d;
	int err;

	err = rmdir(path) < 0 ? -errno : 0;
	if (err == 0 || err == -ENOENT || depth == 0)
		return err == -ENOENT ? 0 : err;
	d = opendir(path);
	while (d != NULL && (de = readdir(d)) != NULL) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, de->d_name);
		remove_tree(child, depth - 1);
	}
	if (d != NULL)
		closedir(d);
	err = rmdir(path) < 0 ? -errno : 0;
	return err == -ENOENT ? 0 : err;
}

int cgroup_remove(const struct cgroup *c, struct err *e)
{
	for (size_t i = 0; i < c->count; i++) {
		int err = -EBUSY;

		/* A process that has just been reaped still keeps it busy for a moment. */
		for (int tries = 0; c->dirs[i].made && err == -EBUSY && tries < 200; tries++) {
			err = remove_tree(c->dirs[i].path, 8);
			if (err == -EBUSY)
				nap(5);
		}
		if (c->dirs[i].made && err < 0)
			err_errno(e, err, "can't remove cgroup \"%s\"", c->dirs[i].path);
	}
	return e->error;
}

void cgroup_fini(struct cgroup *c)
{
	for (size_t i = 0; i < c->count; i++) {
		mem_free(c->dirs[i].controllers);
		mem_free(c->dirs[i].path);
	}
	c->count = 0;
	mem_free(c->unit);
	mem_free(c->unified);
	c->unit = c->unified = NULL;
}

json_t *cgroup_to_json(const struct cgroup *c)
{
	json_t *a = json_array(), *o;

	for (size_t i = 0; i < c->count; i++)
		json_array_append_new(a, json_pack("{s:s,s:s,s:b}", "controllers",
						   c->dirs[i].controllers, "path", c->dirs[i].path,
						   "made", c->dirs[i].made));
	o = json_pack("{s:b,s:o}", "v2", c->v2, "dirs", a);
	if (c->unit != NULL)
		json_object_set_new(o, "unit", json_string(c->unit));
	return o;
}

int cgroup_from_json(const json_t *o, struct cgroup *out)
{
	const json_t *a = json_object_get(o, "dirs");
	const char *unit = json_string_value(json_object_get(o, "unit"));

	memset(out, 0, sizeof(*out));
	out->unit = unit ? mem_strdup(unit) : NULL;
	out->v2 = json_is_true(json_object_get(o, "v2"));
	for (size_t i = 0; i < json_array_size(a) && out->count < CGROUP_MAX_DIRS; i++) {
		const json_t *d = json_array_get(a, i);
		const char *path = json_string_value(json_object_get(d, "path"));
		const char *list = json_string_value(json_object_get(d, "controllers"));
		struct cgroup_dir *to = &out->dirs[out->count];

		if (path == NULL || path[0] != '/' || list == NULL)
			continue;
		to->path = mem_strdup(path);
		to->controllers = mem_strdup(list);
		to->made = json_is_true(json_object_get(d, "made"));
		if (to->path == NULL || to->controllers == NULL)
			return -ENOMEM;
		out->count++;
	}
	return 0;
}
