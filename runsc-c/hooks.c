/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.c: running OCI hooks.  See hooks.h. */
#include "runsc-c/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "platform/host.h"
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

_Noreturn static void hook_child(const struct oci_hook *h, int in, int out)
{
	char *const plain[] = { h->path, NULL };

	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	spawn_sanitize(0);
	if (chdir("/") < 0)
		_exit(127);
	execve(h->path, h->args && h->args[0] ? h->args : plain, h->env ? h->env : environ);
	dprintf(2, "%s", err_reason(errno));
	_exit(127);
}

static int start(const struct oci_hook *h, const json_t *state, struct run *r)
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
		hook_child(h, in, out[1]);
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
		   struct err *e)
{
	char text[OUTPUT_MAX] = "";
	struct run r;
	int ret = start(h, state, &r);

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

int hooks_run(const struct oci_hooks *h, const char *phase, const json_t *state, struct err *e)
{
	for (size_t i = 0; i < h->count; i++)
		if (run_one(&h->hooks[i], phase, i, state, e) < 0)
			return e->error;
	return 0;
}

/* ---- kept for delete ------------------------------------------------------------------------ */

static json_t *strings_to_json(char *const *v)
{
	json_t *a = v != NULL ? json_array() : json_null();

	for (size_t i = 0; v != NULL && v[i] != NULL; i++)
		json_array_append_new(a, json_string(v[i]));
	return a;
}

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
