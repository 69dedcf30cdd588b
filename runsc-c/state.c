/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: the state directory.  See state.h. */
#include "runsc-c/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/jsonw.h"
#include "runsc-c/notify.h"
#include "runsc-c/oci_spec.h"

#define LOCK_TIMEOUT_MS 20000

static const char *const status_names[] = { "creating", "created", "running", "paused", "stopped" };

const char *ctr_status_name(enum ctr_status status)
{
	return status_names[status];
}

/* ---- processes ------------------------------------------------------------------------------ */

/* Field 22 of /proc/PID/stat; the name in field 2 may hold anything. *state is field 3. */
static uint64_t start_time(pid_t pid, char *state)
{
	char path[64], text[1024], *p;
	uint64_t start = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	p = strrchr(text, ')');
	if (p == NULL || p[1] == '\0')
		return 0;
	*state = p[2];
	for (int field = 3; p != NULL && field < 22; field++) {
		p = strchr(p + 2, ' ');
		if (p != NULL)
			p--;
	}
	if (p != NULL)
		start = strtoull(p + 2, NULL, 10);
	return start;
}

struct proc_id proc_id_of(pid_t pid)
{
	char state;

	return (struct proc_id){ pid, start_time(pid, &state) };
}

bool proc_alive(const struct proc_id *p)
{
	char state = '?';
	uint64_t start = p->pid > 0 ? start_time(p->pid, &state) : 0;

	return start != 0 && (p->start == 0 || start == p->start) && state != 'Z' && state != 'X';
}

/* A pidfd of that very process, or a negative errno. */
static int proc_open(const struct proc_id *p)
{
	int fd = p->pid > 0 ? host_pidfd_open(p->pid, 0) : -ESRCH;

	if (fd >= 0 && !proc_alive(p)) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

int proc_kill(const struct proc_id *p, int sig)
{
	int fd = proc_open(p), err;

	if (fd < 0)
		return fd;
	err = host_pidfd_send_signal(fd, sig);
	close(fd);
	return err;
}

bool proc_wait_gone(const struct proc_id *p, int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * NSEC_PER_MSEC };
	struct pollfd pfd = { .fd = proc_open(p), .events = POLLIN };
	int n;

	if (pfd.fd < 0)
		return true;
	do {
		n = host_ppoll(&pfd, 1, &ts);
	} while (n == -EINTR);
	close(pfd.fd);
	return n == 1;
}

/* ---- state.json ----------------------------------------------------------------------------- */

static json_t *proc_to_json(const struct proc_id *p)
{
	return json_pack("{s:i,s:I}", "pid", p->pid, "start", (json_int_t)p->start);
}

static struct proc_id proc_from_json(struct jsonw *w, const json_t *doc, const char *name)
{
	const json_t *o = jsonw_object(w, doc, name, OPTIONAL);

	return (struct proc_id){ (pid_t)jsonw_int(w, o, "pid", 0, INT_MAX, 0),
				 (uint64_t)jsonw_int(w, o, "start", 0, INT64_MAX, 0) };
}

static json_t *state_to_json(const struct state *s)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b}", "id", s->id, "bundle",
			      s->bundle ? s->bundle : "", "rootfs", s->rootfs ? s->rootfs : "",
			      "created", s->created, "owner", s->owner, "ociVersion",
			      s->version ? s->version : "", "status", status_names[s->status],
			      "rootless", s->rootless);

	json_object_set_new(o, "monitor", proc_to_json(&s->monitor));
	json_object_set_new(o, "sentry", proc_to_json(&s->sentry));
	json_object_set_new(o, "gofer", proc_to_json(&s->gofer));
	json_object_set_new(o, "attached", proc_to_json(&s->attached));
	json_object_set_new(o, "pid_ns", json_integer((json_int_t)s->pid_ns));
	json_object_set_new(o, "shares_net", json_boolean(s->shares_net));
	json_object_set_new(o, "host_network", json_boolean(s->host_network));
	json_object_set(o, "cgroup", s->cgroup);
	json_object_set(o, "annotations", s->annotations);
	if (s->net_path != NULL) {
		json_object_set_new(o, "net_path", json_string(s->net_path));
		json_object_set_new(o, "net_inode", json_integer((json_int_t)s->net_inode));
	}
	if (s->nat != NULL)
		json_object_set(o, "nat", s->nat);
	if (s->sandbox != NULL)
		json_object_set_new(o, "sandbox", json_string(s->sandbox));
	if (s->hooks != NULL)
		json_object_set(o, "hooks", s->hooks);
	if (s->hook_process != NULL)
		json_object_set(o, "hookProcess", s->hook_process);
	return o;
}

static char *dup_member(struct jsonw *w, const json_t *doc, const char *name)
{
	const char *v = jsonw_string(w, doc, name, OPTIONAL);

	return mem_strdup(v ? v : "");
}

static enum ctr_status parse_status(const char *name)
{
	for (size_t i = 0; name != NULL && i < ARRAY_SIZE(status_names); i++)
		if (strcmp(name, status_names[i]) == 0)
			return (enum ctr_status)i;
	return CTR_CREATING;
}

static void clear_members(struct state *s)
{
	mem_free(s->bundle);
	mem_free(s->rootfs);
	mem_free(s->created);
	mem_free(s->owner);
	mem_free(s->version);
	mem_free(s->sandbox);
	mem_free(s->net_path);
	json_decref(s->annotations);
	json_decref(s->cgroup);
	json_decref(s->hooks);
	json_decref(s->hook_process);
	json_decref(s->nat);
}

/*
 * Fill s from its directory.  A file that can't be understood (a disk that was full, a hand that
 * edited it) makes an empty state, so that the container can be deleted.
 */
static void read_state(struct state *s)
{
	struct err ignored = ERR_INIT;
	struct jsonw w;
	json_t *doc;

	jsonw_init(&w, "state.json", &ignored);
	doc = jsonw_load_file(s->dir, "state.json", "state.json", &ignored);
	s->bundle = dup_member(&w, doc, "bundle");
	s->rootfs = dup_member(&w, doc, "rootfs");
	s->created = dup_member(&w, doc, "created");
	s->owner = dup_member(&w, doc, "owner");
	s->version = dup_member(&w, doc, "ociVersion");
	s->status = parse_status(jsonw_string(&w, doc, "status", OPTIONAL));
	s->rootless = jsonw_bool(&w, doc, "rootless", false);
	s->shares_net = jsonw_bool(&w, doc, "shares_net", false);
	s->host_network = jsonw_bool(&w, doc, "host_network", false);
	s->monitor = proc_from_json(&w, doc, "monitor");
	s->sentry = proc_from_json(&w, doc, "sentry");
	s->gofer = proc_from_json(&w, doc, "gofer");
	s->attached = proc_from_json(&w, doc, "attached");
	s->pid_ns = (uint64_t)jsonw_int(&w, doc, "pid_ns", 0, INT64_MAX, 0);
	s->sandbox = doc && json_is_string(json_object_get(doc, "sandbox"))
			     ? dup_member(&w, doc, "sandbox") : NULL;
	s->net_path = doc && json_is_string(json_object_get(doc, "net_path"))
			      ? dup_member(&w, doc, "net_path") : NULL;
	s->net_inode = (uint64_t)jsonw_int(&w, doc, "net_inode", 0, INT64_MAX, 0);
	s->cgroup = json_incref(jsonw_object(&w, doc, "cgroup", OPTIONAL));
	s->annotations = json_incref(jsonw_object(&w, doc, "annotations", OPTIONAL));
	s->nat = json_incref(jsonw_object(&w, doc, "nat", OPTIONAL));
	s->hooks = json_incref(jsonw_object(&w, doc, "hooks", OPTIONAL));
	s->hook_process = json_incref(jsonw_object(&w, doc, "hookProcess", OPTIONAL));
	if (s->cgroup == NULL)
		s->cgroup = json_object();
	if (s->annotations == NULL)
		s->annotations = json_object();
	json_decref(doc);
}

int state_save(struct state *s, struct err *e)
{
	json_t *o = state_to_json(s);
	char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	int fd = -1, err = 0;

	json_decref(o);
	if (text == NULL)
		return err_set(e, ENOMEM, "out of memory");
	/* Not synced to disk: after a crash of the machine there is no container either. */
	fd = openat(s->dir, "state.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    renameat(s->dir, "state.json.new", s->dir, "state.json") < 0)
		err = err_errno(e, errno, "%s/state.json", s->path);
	if (fd >= 0)
		close(fd);
	free(text); /* jansson's */
	return err;
}

/* ---- directories ---------------------------------------------------------------------------- */

int state_make_root(const char *root, struct err *e)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s", root) >= sizeof(path) || path[0] != '/')
		return err_set(e, EINVAL, "--root: \"%s\" is not an absolute path", root);
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0711) < 0 && errno != EEXIST)
			return err_errno(e, errno, "--root: can't make \"%s\"", path);
		*p = c;
		if (c == '\0')
			return 0;
	}
}

static struct state *state_alloc(const char *root, const char *id)
{
	struct state *s = mem_new(struct state);

	if (s == NULL)
		return NULL;
	s->dir = -1;
	s->id = mem_strdup(id);
	s->path = mem_alloc(strlen(root) + strlen(id) + 2);
	if (s->id == NULL || s->path == NULL) {
		state_free(s);
		return NULL;
	}
	sprintf(s->path, "%s/%s", root, id);
	return s;
}

void state_free(struct state *s)
{
	if (s == NULL)
		return;
	clear_members(s);
	if (s->dir >= 0)
		close(s->dir);
	mem_free(s->id);
	mem_free(s->path);
	mem_free(s);
}

static char *user_name(uid_t uid)
{
	char number[16];

	/* No getpwuid(): in a static program it loads libc's modules. */
	if (uid == 0)
		return mem_strdup("root");
	snprintf(number, sizeof(number), "%u", uid);
	return mem_strdup(number);
}

/* RFC 3339 with nanoseconds, as runc prints it. */
static char *time_now(void)
{
	char text[64];
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%09ldZ", ts.tv_nsec);
	return mem_strdup(text);
}

static void remove_files(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 &&
		    strcmp(de->d_name, "state.json") != 0)
			unlinkat(dir, de->d_name, 0);
	if (d != NULL)
		closedir(d);
	unlinkat(dir, NOTIFY_DIR "/notify", 0);
	unlinkat(dir, NOTIFY_DIR, AT_REMOVEDIR);
	unlinkat(dir, "state.json", 0);
}

uint64_t state_pid_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

/*
 * ",tmp.4026531836.123" belongs to process 123 of that pid namespace; between its mkdir and its flock only the name says
 * so.  What a process of another namespace has left is swept there.
 */
static void temporary_name(char *name, size_t size)
{
	snprintf(name, size, ",tmp.%llu.%d", (unsigned long long)state_pid_ns(), getpid());
}

static bool temporary_is_stale(const char *name)
{
	unsigned long long ns;
	int pid;

	return sscanf(name, ",tmp.%llu.%d", &ns, &pid) == 2 && ns == state_pid_ns() && kill(pid, 0) < 0 &&
	       errno == ESRCH;
}

/* Prepared and half-removed directories whose process died. */
static void sweep(int root_fd)
{
	int copy = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		int fd;

		if (!temporary_is_stale(de->d_name))
			continue;
		fd = openat(root_fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
			remove_files(fd);
			unlinkat(root_fd, de->d_name, AT_REMOVEDIR);
		}
		if (fd >= 0)
			close(fd);
	}
	if (d != NULL)
		closedir(d);
}

/* A locked directory under a name that no container can have. */
static int make_temporary(int root_fd, char *name, size_t size)
{
	int fd;

	temporary_name(name, size);
	if (mkdirat(root_fd, name, 0700) < 0)
		return -errno;
	fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

int state_create(const char *root, const char *id, struct proc_id attached, struct state **out,
		 struct err *e)
{
	struct state *s;
	char name[48];
	int root_fd, err;

	if (oci_check_id(id, e) < 0 || state_make_root(root, e) < 0)
		return e->error;
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_errno(e, errno, "--root: \"%s\"", root);
	sweep(root_fd);
	s = state_alloc(root, id);
	if (s == NULL) {
		close(root_fd);
		return err_set(e, ENOMEM, "out of memory");
	}
	s->attached = attached;
	s->pid_ns = state_pid_ns();
	s->created = time_now();
	s->owner = user_name(getuid());
	s->annotations = json_object();
	s->cgroup = json_object();
	s->dir = make_temporary(root_fd, name, sizeof(name));
	if (s->dir < 0) {
		err_errno(e, s->dir, "can't make a directory in \"%s\"", root);
		goto free_state;
	}
	if (state_save(s, e) < 0)
		goto remove;
	err = host_renameat2(root_fd, name, root_fd, id, RENAME_NOREPLACE);
	if (err == -EEXIST || err == -ENOTEMPTY)
		err_set(e, EEXIST, "container with given ID already exists: \"%s\"", id);
	else if (err < 0)
		err_errno(e, err, "can't make \"%s\"", s->path);
	if (err < 0)
		goto remove;
	s->locked = true;
	close(root_fd);
	*out = s;
	return 0;

remove:
	remove_files(s->dir);
	unlinkat(root_fd, name, AT_REMOVEDIR);
free_state:
	close(root_fd);
	state_free(s);
	return e->error;
}

int state_open(const char *root, const char *id, struct state **out, struct err *e)
{
	struct state *s;

	if (oci_check_id(id, e) < 0)
		return e->error;
	s = state_alloc(root, id);
	if (s == NULL)
		return err_set(e, ENOMEM, "out of memory");
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->dir < 0) {
		int error = errno;

		state_free(s);
		if (error == ENOENT || error == ENOTDIR)
			return err_set(e, ENOENT, "container does not exist: \"%s\"", id);
		return err_errno(e, error, "%s/%s", root, id);
	}
	read_state(s);
	*out = s;
	return 0;
}

static int lock_with_deadline(int dir)
{
	for (int waited = 0; flock(dir, LOCK_EX | LOCK_NB) < 0; waited += 10) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= LOCK_TIMEOUT_MS)
			return -ETIMEDOUT;
		nanosleep(&(struct timespec){ 0, 10 * NSEC_PER_MSEC }, NULL);
	}
	return 0;
}

int state_open_locked(const char *root, const char *id, struct state **out, struct err *e)
{
	struct stat mine, named;
	struct state *s;
	int err;

	if (state_open(root, id, &s, e) < 0)
		return e->error;
	err = lock_with_deadline(s->dir);
	if (err < 0) {
		state_free(s);
		return err_errno(e, err, "container \"%s\" is locked by another command", id);
	}
	/* It may have been removed, and even made anew, while we waited. */
	if (fstat(s->dir, &mine) < 0 || lstat(s->path, &named) < 0 || mine.st_ino != named.st_ino) {
		state_free(s);
		return err_set(e, ENOENT, "container does not exist: \"%s\"", id);
	}
	clear_members(s);
	read_state(s);
	s->locked = true;
	*out = s;
	return 0;
}

int state_remove(const char *root, struct state *s, struct err *e)
{
	char name[48];
	int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (root_fd < 0)
		return err_errno(e, errno, "--root: \"%s\"", root);
	/* Out of the way first: what is left after a crash here is swept up by the next create. */
	temporary_name(name, sizeof(name));
	if (renameat(root_fd, s->id, root_fd, name) < 0) {
		err = err_errno(e, errno, "%s", s->path);
	} else {
		remove_files(s->dir);
		if (unlinkat(root_fd, name, AT_REMOVEDIR) < 0)
			err = err_errno(e, errno, "%s/%s", root, name);
	}
	close(root_fd);
	return err;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int state_list(const char *root, char ***ids, struct err *e)
{
	struct err ignored = ERR_INIT;
	DIR *d = opendir(root);
	char **v = mem_calloc(1, sizeof(char *));
	struct dirent *de;
	size_t count = 0;

	if (d == NULL && errno != ENOENT) {
		mem_free(v);
		return err_errno(e, errno, "--root: \"%s\"", root);
	}
	if (d != NULL)
		sweep(dirfd(d)); /* who lists to see that nothing is left is to be right */
	while (d != NULL && v != NULL && (de = readdir(d)) != NULL) {
		char **grown;

		err_clear(&ignored);
		if (oci_check_id(de->d_name, &ignored) < 0)
			continue;
		grown = mem_realloc(v, count + 2, sizeof(char *));
		if (grown == NULL)
			break;
		v = grown;
		v[count++] = mem_strdup(de->d_name);
		v[count] = NULL;
	}
	if (d != NULL)
		closedir(d);
	if (v == NULL)
		return err_set(e, ENOMEM, "out of memory");
	qsort(v, count, sizeof(char *), compare_names);
	*ids = v;
	return 0;
}

/* ---- status --------------------------------------------------------------------------------- */

enum ctr_status state_status(const struct state *s)
{
	/* Being made: whoever does that holds the lock. */
	if (s->status == CTR_CREATING) {
		if (s->locked)
			return CTR_STOPPED;
		if (flock(s->dir, LOCK_SH | LOCK_NB) < 0)
			return CTR_CREATING;
		flock(s->dir, LOCK_UN);
		return CTR_STOPPED;
	}
	return proc_alive(&s->monitor) ? s->status : CTR_STOPPED;
}

json_t *state_to_oci(const struct state *s, enum ctr_status status)
{
	json_t *o = json_pack("{s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:s}", "ociVersion",
			      s->version && s->version[0] ? s->version : "1.0.2", "id", s->id, "pid",
			      status == CTR_STOPPED ? 0 : s->monitor.pid, "status",
			      status_names[status], "bundle", s->bundle ? s->bundle : "", "rootfs",
			      s->rootfs ? s->rootfs : "", "created", s->created, "owner",
			      s->owner ? s->owner : "");

	if (s->annotations != NULL && json_object_size(s->annotations) > 0)
		json_object_set(o, "annotations", s->annotations);
	return o;
}
