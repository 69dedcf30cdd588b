/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_sentry.c: a sentry_main() for tests of the command line: it answers the control protocol and
 * pretends to run these programs, as threads:
 *
 *     exit N         end with status N
 *     die N          end by signal N
 *     echo TEXT…     write to descriptor 1, end with 0
 *     cat            copy descriptor 0 to 1
 *     sleep          until a signal ends it (any but 10 and 0; 10 writes "usr1" to descriptor 1)
 *     hang           as sleep, but signals other than 9 do nothing
 * Anything else is "not found", as an execve would say.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/host.h"
#include "platform/jail.h"
#include "sentry/control/control.h"
#include "sentry/sentry.h"

#define MAX_PROCS 64

struct proc {
	bool used, started, ended, sleeping;
	int status;
	struct process_config *p;
	struct control_request *waiter;
};

static struct {
	pthread_mutex_t lock;
	struct container_config *c;
	struct proc procs[MAX_PROCS]; /* index = pid */
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void end_locked(struct proc *q, int status)
{
	if (q->ended)
		return;
	q->ended = true;
	q->status = status;
	for (size_t i = 0; i < q->p->fd_count; i++) {
		close(q->p->fds[i]);
		q->p->fds[i] = -1;
	}
	if (q->waiter != NULL)
		control_reply_status(q->waiter, status);
	q->waiter = NULL;
}

static void put(int fd, const char *s)
{
	if (write(fd, s, strlen(s)) < 0)
		return;
}

static void *run(void *arg)
{
	struct proc *q = arg;
	char **a = q->p->args, buffer[4096];
	int status = 0;
	ssize_t n;

	if (strcmp(a[0], "sleep") == 0 || strcmp(a[0], "hang") == 0)
		return NULL;
	if (strcmp(a[0], "exit") == 0)
		status = atoi(a[1] ? a[1] : "0") << 8;
	if (strcmp(a[0], "die") == 0)
		status = atoi(a[1]);
	for (size_t i = 1; strcmp(a[0], "echo") == 0 && a[i] != NULL; i++) {
		put(q->p->fds[1], a[i]);
		put(q->p->fds[1], a[i + 1] ? " " : "\n");
	}
	while (strcmp(a[0], "cat") == 0 && (n = read(q->p->fds[0], buffer, sizeof(buffer))) > 0)
		if (write(q->p->fds[1], buffer, (size_t)n) < 0)
			break;
	pthread_mutex_lock(&fake.lock);
	end_locked(q, status);
	pthread_mutex_unlock(&fake.lock);
	return NULL;
}

static void start_locked(struct proc *q)
{
	pthread_t t;

	q->started = true;
	pthread_create(&t, NULL, run, q);
	pthread_detach(t);
}

static bool known(const char *name)
{
	static const char *const names[] = { "exit", "die", "echo", "cat", "sleep", "hang" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void op_create(void *k, struct control_request *req, struct container_config *c)
{
	(void)k;
	if (fake.c != NULL || !known(c->process->args[0])) {
		control_reply_error(req, fake.c ? -EEXIST : -ENOENT,
				    "process.args[0]: \"%s\": executable file not found in $PATH",
				    c->process->args[0]);
		container_config_free(c);
		return;
	}
	fake.c = c;
	fake.procs[1].used = true;
	fake.procs[1].p = c->process;
	control_reply_ok(req);
}

static void op_start(void *k, struct control_request *req, const char *id, struct network_config *n)
{
	(void)k;
	(void)id;
	network_config_free(n);
	pthread_mutex_lock(&fake.lock);
	if (fake.procs[1].started) {
		control_reply_error(req, -EALREADY, "already running");
	} else {
		start_locked(&fake.procs[1]);
		control_reply_ok(req);
	}
	pthread_mutex_unlock(&fake.lock);
}

static void op_exec(void *k, struct control_request *req, const char *id, struct process_config *p)
{
	int pid = 2;

	(void)k;
	(void)id;
	pthread_mutex_lock(&fake.lock);
	while (pid < MAX_PROCS && fake.procs[pid].used)
		pid++;
	if (pid == MAX_PROCS || !known(p->args[0])) {
		control_reply_error(req, -ENOENT, "exec: \"%s\": executable file not found in $PATH",
				    p->args[0]);
		process_config_free(p);
	} else {
		fake.procs[pid].used = true;
		fake.procs[pid].p = p;
		start_locked(&fake.procs[pid]);
		control_reply_pid(req, pid);
	}
	pthread_mutex_unlock(&fake.lock);
}

static void op_signal(void *k, struct control_request *req, const char *id, int pid, int sig,
		      bool group, bool all)
{
	struct proc *q = &fake.procs[pid == 0 || all ? 1 : pid % MAX_PROCS];

	(void)k;
	(void)id;
	(void)group;
	pthread_mutex_lock(&fake.lock);
	if (!q->used || q->ended) {
		control_reply_error(req, -ESRCH, "process already finished");
	} else {
		if (sig == SIGUSR1)
			put(q->p->fds[1], "usr1\n");
		else if (sig != 0 && (sig == SIGKILL || strcmp(q->p->args[0], "hang") != 0))
			end_locked(q, sig);
		control_reply_ok(req);
	}
	pthread_mutex_unlock(&fake.lock);
}

static void op_wait(void *k, struct control_request *req, const char *id, int pid)
{
	struct proc *q = &fake.procs[pid == 0 ? 1 : pid % MAX_PROCS];

	(void)k;
	(void)id;
	pthread_mutex_lock(&fake.lock);
	if (!q->used)
		control_reply_error(req, -ECHILD, "no such process");
	else if (q->ended)
		control_reply_status(req, q->status);
	else
		q->waiter = req;
	pthread_mutex_unlock(&fake.lock);
}

static void op_ps(void *k, struct control_request *req, const char *id)
{
	struct control_process list[MAX_PROCS];
	size_t n = 0;

	(void)k;
	(void)id;
	pthread_mutex_lock(&fake.lock);
	for (int pid = 1; pid < MAX_PROCS; pid++)
		if (fake.procs[pid].used && !fake.procs[pid].ended)
			list[n++] = (struct control_process){ .pid = pid, .command =
								      fake.procs[pid].p->args[0] };
	control_reply_ps(req, list, n);
	pthread_mutex_unlock(&fake.lock);
}

static const struct control_ops ops = {
	.create = op_create, .start = op_start, .exec = op_exec, .signal = op_signal,
	.wait = op_wait, .ps = op_ps,
};

int sentry_main(int argc, char **argv)
{
	struct control_server *s;
	struct boot_config *b;
	const char *why;

	(void)argc;
	(void)argv;
	if (boot_receive(SENTRY_FD_CONTROL, &b, &why) < 0) {
		boot_failed(SENTRY_FD_CONTROL, -EINVAL, why);
		return 1;
	}
	boot_config_free(b);
	if (control_server_start(&ops, NULL, SENTRY_FD_CONTROL, SENTRY_FD_LISTEN, &s) < 0 ||
	    jail_sentry_filter(SENTRY_FD_PROC, SENTRY_FD_LOG, 0) < 0) {
		boot_failed(SENTRY_FD_CONTROL, -EIO, "fake sentry");
		return 1;
	}
	boot_done(SENTRY_FD_CONTROL);
	for (;;)
		host_ppoll(NULL, 0, NULL);
}
