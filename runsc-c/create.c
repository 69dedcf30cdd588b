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

static int collect_fds(struct creation *c, const struct create_flags *f, bool terminal, struct err *e)
{
	size_t count = 3 + (size_t)f->preserve_fds;

	c->fds = mem_calloc(count, sizeof(int));
	if (c->fds == NULL)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		c->fds[i] = i < 3 && terminal ? c->console.slave : (int)i;
		if (fcntl(c->fds[i], F_GETFD) < 0)
			return err_errno(e, errno, "--preserve-fds %d: descriptor %zu", f->preserve_fds, i);
	}
	c->launch.fds = c->fds;
	c->launch.fd_count = count;
	return 0;
}

int creation_make(struct creation *c, const struct globals *g, const struct create_flags *f,
		  struct oci_spec *spec, bool attached, struct err *e)
{
	const struct process_config *p = spec->container->process;

	memset(c, 0, sizeof(*c));
	c->console.master = c->console.slave = -1;
	c->launch.g = g;
	c->launch.spec = spec;
	c->launch.collect = attached && !f->keep;
	if (f->preserve_fds > 190)
		return err_set(e, EINVAL, "--preserve-fds: at most 190");
	console_block_signals();
	if (check_console(f, p->terminal, attached, e) < 0 ||
	    (p->terminal && console_open(&c->console, p->rows, p->columns, e) < 0) ||
	    collect_fds(c, f, p->terminal, e) < 0 || launch_create(&c->launch, e) < 0)
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
	const struct oci_hooks *h = &l->spec->hooks[OCI_HOOK_POSTSTART];
	json_t *state;

	if (network_start(l->g, l->state, l->control, e) == 0) {
		l->state->status = CTR_RUNNING;
		state_save(l->state, e);
	}
	if (!err_is(e) && h->count > 0) {
		state = state_to_oci(l->state, CTR_RUNNING);
		hooks_run(h, "poststart", state, e);
		json_decref(state);
	}
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
