/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.c: running OCI hooks.  See hooks.h. */
#include "runsc-c/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/control_client.h"
#include "runsc-c/oci_spec_impl.h"
#include "runsc-c/spawn.h"

#define OUTPUT_MAX 512 /* bytes of a failing hook's output in the error */

struct run {
	pid_t pid;
	int output; /* the hook's stdout and stderr */
};

/* The state goes through a file without a name: no deadlock with a hook that does not read it. */
static int state_fd(const json_t *state)
{
	int fd = host_memfd_create("state", 0);

	if (fd >= 0 && (json_dumpfd(state, fd, JSON_COMPACT) < 0 || lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/* crun's annotations run.oci.hooks.stdout and .stderr: files that get what hooks say. */
static void redirect(const json_t *state, const char *name, int fd)
{
	const json_t *annotations = json_object_get(state, "annotations");
	const char *path = json_string_value(json_object_get(annotations, name));
	int file = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0700) : -1;

	if (path != NULL && file < 0) {
		dprintf(fd, "%s: \"%s\": %s", name, path, err_reason(errno));
		_exit(127);
	}
	if (file >= 0)
		dup2(file, fd);
}

/* As runc's and crun's: in the bundle's directory. */
_Noreturn static void hook_child(const struct oci_hook *h, const json_t *state, int namespaces, int in,
				 int out)
{
	const char *bundle = json_string_value(json_object_get(state, "bundle"));
	char *const plain[] = { h->path, NULL };

	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	redirect(state, "run.oci.hooks.stdout", 1);
	redirect(state, "run.oci.hooks.stderr", 2);
	if (namespaces >= 0 && setns(namespaces, CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0) {
		dprintf(2, "the container's namespaces: %s", err_reason(errno));
		_exit(127);
	}
	spawn_sanitize(0);
	if ((bundle == NULL || chdir(bundle) < 0) && chdir("/") < 0)
		_exit(127);
	execve(h->path, h->args && h->args[0] ? h->args : plain, h->env ? h->env : environ);
	dprintf(2, "%s", err_reason(errno));
	_exit(127);
}

static int start(const struct oci_hook *h, const json_t *state, int namespaces, struct run *r)
{
	int in = state_fd(state), out[2], err;

	if (in < 0)
		return in;
	err = host_pipe(out, 0);
	if (err < 0) {
		close(in);
		return err;
	}
	r->pid = fork();
	if (r->pid == 0)
		hook_child(h, state, namespaces, in, out[1]);
	close(in);
	close(out[1]);
	r->output = out[0];
	return r->pid < 0 ? -errno : 0;
}

/* Collect output until the hook has ended; its wait status, or -ETIMEDOUT after killing it. */
static int finish(const struct oci_hook *h, struct run *r, char *text, size_t size)
{
	int64_t deadline = h->timeout > 0 ? clock_mono_ns() + h->timeout * NSEC_PER_SEC : INT64_MAX;
	int pidfd = host_pidfd_open(r->pid, 0), status = 0;
	bool late = false;
	size_t n = 0;

	for (;;) {
		struct pollfd p[2] = { { pidfd, POLLIN, 0 }, { r->output, POLLIN, 0 } };
		int64_t left = deadline == INT64_MAX ? NSEC_PER_SEC : deadline - clock_mono_ns();
		struct timespec ts = { MAX(left, 0) / NSEC_PER_SEC, MAX(left, 0) % NSEC_PER_SEC };
		char drop[256];

		late = left <= 0;
		if (late)
			kill(-r->pid, SIGKILL);
		if (late || (host_ppoll(p, 2, &ts) > 0 && p[0].revents != 0))
			break;
		if (p[1].revents != 0) {
			ssize_t got = read(r->output, n < size - 1 ? text + n : drop,
					   n < size - 1 ? size - 1 - n : sizeof(drop));

			if (got > 0 && n < size - 1)
				n += (size_t)got;
			else if (got == 0)
				break; /* its end follows */
		}
	}
	/* What it said last, with its end. */
	fcntl(r->output, F_SETFL, O_NONBLOCK);
	while (n < size - 1) {
		ssize_t got = read(r->output, text + n, size - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
	waitpid(r->pid, &status, 0);
	close(pidfd);
	close(r->output);
	return late ? -ETIMEDOUT : status;
}

static int run_one(const struct oci_hook *h, const char *phase, size_t i, const json_t *state,
		   int namespaces, struct err *e)
{
	char text[OUTPUT_MAX] = "";
	struct run r;
	int ret = start(h, state, namespaces, &r);

	if (ret < 0)
		return err_errno(e, ret, "hooks.%s[%zu] \"%s\"", phase, i, h->path);
	ret = finish(h, &r, text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	if (ret == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT, "hooks.%s[%zu] \"%s\": not done after %d seconds", phase,
			       i, h->path, h->timeout);
	if (WIFSIGNALED(ret))
		return err_set(e, EIO, "hooks.%s[%zu] \"%s\": killed by signal %d: %s", phase, i,
			       h->path, WTERMSIG(ret), text);
	if (WEXITSTATUS(ret) != 0)
		return err_set(e, EIO, "hooks.%s[%zu] \"%s\": exit status %d: %s", phase, i, h->path,
			       WEXITSTATUS(ret), text);
	return 0;
}

int hooks_run(const struct oci_hooks *h, const char *phase, const json_t *state, int namespaces,
	      struct err *e)
{
	for (size_t i = 0; i < h->count; i++)
		if (run_one(&h->hooks[i], phase, i, state, namespaces, e) < 0)
			return e->error;
	return 0;
}

/* ---- inside --------------------------------------------------------------------------------- */

static json_t *strings_to_json(char *const *v)
{
	json_t *a = v != NULL ? json_array() : json_null();

	for (size_t i = 0; v != NULL && v[i] != NULL; i++)
		json_array_append_new(a, json_string(v[i]));
	return a;
}

/* The exec request for a hook: the container's process with another program. */
static json_t *inside_request(const char *id, const json_t *process, const struct oci_hook *h)
{
	json_t *p = json_copy((json_t *)(uintptr_t)process), *args = strings_to_json(h->args);

	if (h->args == NULL || h->args[0] == NULL) {
		json_decref(args);
		args = json_pack("[s]", h->path);
	}
	json_object_set_new(p, "args", args);
	json_object_set_new(p, "exe", json_string(h->path));
	if (h->env != NULL)
		json_object_set_new(p, "env", strings_to_json(h->env));
	json_object_set_new(p, "cwd", json_string("/"));
	json_object_set_new(p, "terminal", json_false());
	json_object_set_new(p, "seccomp", json_null());
	json_object_set_new(p, "fd_numbers", json_array());
	return json_pack("{s:s,s:s,s:o,s:b}", "op", "exec", "id", id, "process", p, "kill_on_close", 1);
}

static int inside_wait(int control, const char *id, int pid, const struct oci_hook *h, int *status,
		       struct err *e)
{
	json_t *reply = NULL;
	json_t *ask = json_pack("{s:s,s:s,s:i}", "op", "wait", "id", id, "pid", pid);

	if (control_call(control, ask, NULL, 0, h->timeout > 0 ? h->timeout * 1000 : -1, &reply, e) < 0)
		return e->error;
	*status = (int)json_integer_value(json_object_get(reply, "status"));
	json_decref(reply);
	return 0;
}

/* out: the reading end of its output. */
static int inside_finish(int out, const char *where, const struct oci_hook *h, int status, struct err *e)
{
	char text[OUTPUT_MAX] = "";
	ssize_t n;

	fcntl(out, F_SETFL, O_NONBLOCK);
	n = read(out, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (WIFSIGNALED(status))
		return err_set(e, EIO, "%s \"%s\": killed by signal %d: %s", where, h->path,
			       WTERMSIG(status), text);
	if (WEXITSTATUS(status) != 0)
		return err_set(e, EIO, "%s \"%s\": exit status %d: %s", where, h->path,
			       WEXITSTATUS(status), text);
	return 0;
}

/* Its own connection: when that closes, a hook that is late gets SIGKILL. */
static int run_inside(const struct state *s, const struct oci_hook *h, const char *where,
		      const json_t *oci_state, struct err *e)
{
	int in = state_fd(oci_state), out[2] = { -1, -1 }, control = -1, status = 0;
	json_t *reply = NULL;

	if (in < 0 || host_pipe(out, 0) < 0) {
		err_set(e, EMFILE, "%s: no descriptors", where);
	} else {
		const int fds[3] = { in, out[1], out[1] };

		control = control_connect(s, e);
		if (control >= 0)
			control_call(control, inside_request(s->id, s->hook_process, h), fds, 3,
				     CONTROL_TIMEOUT_MS, &reply, e);
		host_close_fd(&out[1]);
		if (!err_is(e))
			inside_wait(control, s->id, (int)json_integer_value(json_object_get(reply, "pid")), h,
				    &status, e);
		if (!err_is(e)) {
			inside_finish(out[0], where, h, status, e);
		} else {
			struct err why = *e;

			err_clear(e);
			if (why.error == -ETIMEDOUT)
				err_set(e, ETIMEDOUT, "%s \"%s\": not done after %d seconds", where, h->path,
					h->timeout);
			else
				err_set(e, -why.error, "%s \"%s\": %s", where, h->path, why.text);
		}
	}
	json_decref(reply);
	host_close_fd(&control);
	host_close_fd(&in);
	host_close_fd(&out[0]);
	host_close_fd(&out[1]);
	return e->error;
}

int hooks_run_inside(const struct state *s, struct err *e)
{
	json_t *o, *list = json_object_get(s->hooks, "startContainer");
	struct oci_hooks h;
	char where[64];

	if (json_array_size(list) == 0)
		return 0;
	if (hooks_from_json(list, &h) < 0)
		return err_set(e, EINVAL, "state.json: hooks.startContainer: not readable");
	o = state_to_oci(s, CTR_CREATED);
	json_object_set_new(o, "pid", json_integer(1)); /* as it is seen in there */
	for (size_t i = 0; i < h.count && !err_is(e); i++) {
		snprintf(where, sizeof(where), "hooks.startContainer[%zu]", i);
		run_inside(s, &h.hooks[i], where, o, e);
	}
	json_decref(o);
	hooks_fini(&h);
	return e->error;
}

/* ---- kept for delete ------------------------------------------------------------------------ */

json_t *hooks_to_json(const struct oci_hooks *h)
{
	json_t *a = json_array();

	for (size_t i = 0; i < h->count; i++)
		json_array_append_new(a, json_pack("{s:s,s:o,s:o,s:i}", "path", h->hooks[i].path, "args",
						   strings_to_json(h->hooks[i].args), "env",
						   strings_to_json(h->hooks[i].env), "timeout",
						   h->hooks[i].timeout));
	return a;
}

int hooks_from_json(const json_t *a, struct oci_hooks *out)
{
	struct err e = ERR_INIT;
	struct jsonw w;

	jsonw_init(&w, "state.json", &e);
	out->count = 0;
	out->hooks = oci_alloc(&w, json_array_size(a), sizeof(*out->hooks));
	for (size_t i = 0; out->hooks != NULL && i < json_array_size(a); i++) {
		const json_t *o = jsonw_object_at(&w, a, "poststop", i);
		struct oci_hook *h = &out->hooks[out->count++];

		h->path = oci_dup(&w, jsonw_string(&w, o, "path", REQUIRED));
		if (jsonw_has(o, "args"))
			h->args = jsonw_strings(&w, o, "args", OPTIONAL);
		if (jsonw_has(o, "env"))
			h->env = jsonw_strings(&w, o, "env", OPTIONAL);
		h->timeout = (int)jsonw_int(&w, o, "timeout", 0, INT32_MAX, 0);
	}
	if (err_is(&e))
		hooks_fini(out);
	return e.error;
}

int hooks_run_kept(const struct state *s, const char *phase, enum ctr_status status, struct err *e)
{
	json_t *o, *list = json_object_get(s->hooks, phase);
	struct oci_hooks h;

	if (json_array_size(list) == 0)
		return 0;
	if (hooks_from_json(list, &h) < 0)
		return err_set(e, EINVAL, "state.json: hooks.%s: not readable", phase);
	o = state_to_oci(s, status);
	hooks_run(&h, phase, o, -1, e);
	json_decref(o);
	hooks_fini(&h);
	return e->error;
}

void hooks_run_poststop(const struct state *s)
{
	json_t *o, *list = json_object_get(s->hooks, "poststop");
	struct oci_hooks h;

	if (json_array_size(list) == 0 || hooks_from_json(list, &h) < 0)
		return;
	o = state_to_oci(s, CTR_STOPPED);
	for (size_t i = 0; i < h.count; i++) {
		struct err e = ERR_INIT;

		if (run_one(&h.hooks[i], "poststop", i, o, -1, &e) < 0)
			log_warn("%s", e.text);
	}
	json_decref(o);
	hooks_fini(&h);
}

void hooks_fini(struct oci_hooks *h)
{
	for (size_t i = 0; i < h->count; i++) {
		mem_free(h->hooks[i].path);
		oci_strings_free(h->hooks[i].args);
		oci_strings_free(h->hooks[i].env);
	}
	mem_free(h->hooks);
	h->hooks = NULL;
	h->count = 0;
}
