/* SPDX-License-Identifier: Apache-2.0 */
/* create.c: what create, run, start and do share.  See create.h. */
#include "runsc-c/create.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/control_client.h"
#include "runsc-c/hooks.h"
#include "runsc-c/network.h"

#define PRESERVE_MAX 190 /* below CONTROL_MAX_FDS, with room for what we add */

int write_pid_file(const char *path, pid_t pid, struct err *e)
{
	char temporary[PATH_MAX], text[16];
	int fd, err = 0;

	snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, getpid());
	snprintf(text, sizeof(text), "%d", pid);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno(e, errno, "--pid-file: \"%s\"", path);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || rename(temporary, path) < 0) {
		err = err_errno(e, errno, "--pid-file: \"%s\"", path);
		unlink(temporary);
	}
	close(fd);
	return err;
}

/* What runc checks about terminals, in its words. */
static int check_console(const struct create_flags *f, bool terminal, bool attached, struct err *e)
{
	if (terminal && !attached && f->console_socket == NULL)
		return err_set(e, EINVAL,
			       "cannot allocate tty if runsc-c will detach without setting console socket "
			       "(process.terminal is true; use --console-socket)");
	if (f->console_socket != NULL && (!terminal || attached))
		return err_set(e, EINVAL, "cannot use console socket if runsc-c will not detach or "
			       "allocate tty (process.terminal)");
	return 0;
}

int process_set_env(struct process_config *p, const char *text)
{
	size_t count = 0, name = strcspn(text, "=") + 1;
	char **env;

	for (; p->env != NULL && p->env[count] != NULL; count++)
		if (strncmp(p->env[count], text, name) == 0) {
			mem_free(p->env[count]);
			p->env[count] = mem_strdup(text);
			return p->env[count] != NULL ? 0 : -ENOMEM;
		}
	env = mem_realloc(p->env, count + 2, sizeof(char *));
	if (env == NULL)
		return -ENOMEM;
	p->env = env;
	env[count] = mem_strdup(text);
	env[count + 1] = NULL;
	return env[count] != NULL ? 0 : -ENOMEM;
}

int creation_preserve(int preserve_fds, struct process_config *p, struct err *e)
{
	const char *listen = getenv("LISTEN_FDS");
	int count = listen != NULL ? atoi(listen) : 0;
	char text[32];

	if (preserve_fds > PRESERVE_MAX)
		return err_set(e, EINVAL, "--preserve-fds: at most %d", PRESERVE_MAX);
	if (count <= 0 || count > PRESERVE_MAX)
		return preserve_fds;
	snprintf(text, sizeof(text), "LISTEN_FDS=%d", count);
	if (process_set_env(p, text) < 0 || process_set_env(p, "LISTEN_PID=1") < 0)
		return err_set(e, ENOMEM, "out of memory");
	return MAX(preserve_fds, count);
}

int creation_collect_fds(struct process_config *p, int slave, int preserve, int **out, size_t *count,
			 struct err *e)
{
	size_t all = 3 + (size_t)preserve, n = 0;

	*count = 0;
	*out = mem_calloc(all, sizeof(int));
	mem_free(p->fd_numbers);
	p->fd_numbers = mem_calloc(all, sizeof(uint32_t));
	if (*out == NULL || p->fd_numbers == NULL)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < all; i++) {
		/* One that is not open is a gap inside too. */
		if (i >= 3 && fcntl((int)i, F_GETFD) < 0)
			continue;
		p->fd_numbers[n] = (uint32_t)i;
		(*out)[n++] = i < 3 && slave >= 0 ? slave : (int)i;
	}
	p->fd_number_count = *count = n;
	return 0;
}

int creation_make(struct creation *c, const struct globals *g, const struct create_flags *f,
		  struct oci_spec *spec, bool attached, struct err *e)
{
	struct process_config *p = spec->container->process;
	int preserve;

	memset(c, 0, sizeof(*c));
	c->console.master = c->console.slave = -1;
	c->launch.g = g;
	c->launch.spec = spec;
	c->launch.collect = attached && !f->keep;
	c->launch.starts = f->starts;
	preserve = creation_preserve(f->preserve_fds, p, e);
	if (preserve < 0)
		return preserve;
	console_block_signals();
	if (network_choose(g, spec, &c->launch.host_network, e) < 0 || check_console(f, p->terminal, attached, e) < 0 ||
	    (p->terminal && console_open(&c->console, p->rows, p->columns, e) < 0) ||
	    creation_collect_fds(p, c->console.slave, preserve, &c->fds, &c->launch.fd_count, e) < 0)
		goto fini;
	c->launch.fds = c->fds;
	if (launch_create(&c->launch, e) < 0)
		goto fini;
	host_close_fd(&c->console.slave);
	if (f->console_socket != NULL) {
		console_send(&c->console, f->console_socket, e);
		host_close_fd(&c->console.master);
	}
	if (!err_is(e) && f->pid_file != NULL)
		write_pid_file(f->pid_file, c->launch.monitor, e);
	if (!err_is(e))
		return 0;
	launch_abort(&c->launch);
fini:
	creation_fini(c);
	return e->error;
}

void creation_fini(struct creation *c)
{
	console_close(&c->console);
	mem_free(c->fds);
	c->fds = NULL;
}

int creation_start(struct creation *c, struct err *e)
{
	struct launch *l = &c->launch;

	if (hooks_run_inside(l->state, e) == 0 &&
	    (l->starts || network_look(l->g, l->state, &l->network, e) == 0)) {
		network_start(l->state, l->control, l->network, e);
		l->network = NULL;
	}
	if (!err_is(e)) {
		l->state->status = CTR_RUNNING;
		state_save(l->state, e);
	}
	if (!err_is(e))
		hooks_run_kept(l->state, "poststart", CTR_RUNNING, e);
	if (err_is(e))
		launch_abort(l);
	return e->error;
}

/* ---- attached ------------------------------------------------------------------------------- */

int creation_run_attached(struct creation *c, struct err *e)
{
	struct launch *l = &c->launch;
	int pidfd = host_pidfd_open(l->monitor, 0), master = c->console.master;

	if (pidfd < 0) {
		err_errno(e, pidfd, "the container's monitor process");
		launch_abort(l);
		return e->error;
	}
	/* Our copies of the terminal's or a pipe's other end must not keep it open. */
	if (launch_attach(l, e) == 0)
		console_attend(master, pidfd, l->monitor);
	close(pidfd);
	return err_is(e) ? e->error : launch_wait(l);
}
