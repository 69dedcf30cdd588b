/* SPDX-License-Identifier: Apache-2.0 */
/* control_client.c: the CLI's end of the control protocol.  See control_client.h. */
#include "runsc-c/control_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/host.h"
#include "sentry/control/control.h"

/* By way of the open directory: state directories may be deeper than a socket address is long. */
static void address(const struct state *s, struct sockaddr_un *a)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/control.sock", s->dir);
}

int control_listen(const struct state *s, struct err *e)
{
	int fd = host_socket(AF_UNIX, SOCK_STREAM, 0), err;
	struct sockaddr_un a;

	if (fd < 0)
		return err_errno(e, fd, "control socket");
	address(s, &a);
	err = host_bind(fd, &a, sizeof(a));
	if (err == 0)
		err = host_listen(fd, 64);
	if (err == 0)
		return fd;
	close(fd);
	return err_errno(e, err, "%s/control.sock", s->path);
}

int control_connect(const struct state *s, struct err *e)
{
	int fd = host_socket(AF_UNIX, SOCK_STREAM, 0), err;
	struct sockaddr_un a;

	if (fd < 0)
		return err_errno(e, fd, "control socket");
	address(s, &a);
	err = host_connect(fd, &a, sizeof(a));
	if (err == 0)
		return fd;
	close(fd);
	if (err == -ECONNREFUSED || err == -ENOENT)
		return err_set(e, ESRCH, "container not running: \"%s\"", s->id);
	return err_errno(e, err, "%s/control.sock", s->path);
}

static int connection_failed(int err, struct err *e)
{
	if (err == -EPIPE)
		return err_set(e, EPIPE, "container not running: its sandbox has ended (--debug-log FILE tells why)");
	if (err == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT, "the sandbox does not answer");
	return err_errno(e, err, "control connection");
}

int control_ask(int fd, json_t *request, const int *fds, size_t fd_count, struct err *e)
{
	int err = request ? control_send(fd, request, fds, fd_count) : -ENOMEM;

	json_decref(request);
	return err < 0 ? connection_failed(err, e) : 0;
}

int control_hear(int fd, int timeout_ms, json_t **reply, struct err *e)
{
	json_t *r = NULL;
	int err = control_recv(fd, &r, NULL, 0, NULL, timeout_ms);

	if (err < 0)
		return connection_failed(err, e);
	if (!json_is_true(json_object_get(r, "ok"))) {
		const char *text = json_string_value(json_object_get(r, "error"));
		json_int_t number = json_integer_value(json_object_get(r, "errno"));

		err_set(e, number > 0 && number < 4096 ? (int)number : EIO, "%s",
			text ? text : "the sandbox refused");
		json_decref(r);
		return e->error;
	}
	if (reply != NULL)
		*reply = r;
	else
		json_decref(r);
	return 0;
}

int control_call(int fd, json_t *request, const int *fds, size_t fd_count, int timeout_ms,
		 json_t **reply, struct err *e)
{
	return control_ask(fd, request, fds, fd_count, e) < 0 ? e->error : control_hear(fd, timeout_ms, reply, e);
}

int control_once(const struct state *s, json_t *request, int timeout_ms, json_t **reply,
		 struct err *e)
{
	int fd = control_connect(s, e), err;

	if (fd < 0) {
		json_decref(request);
		return fd;
	}
	json_object_set_new(request, "id", json_string(s->id));
	err = control_call(fd, request, NULL, 0, timeout_ms, reply, e);
	close(fd);
	return err;
}
