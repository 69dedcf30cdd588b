/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_exec.c: `runsc-c exec`: a further process in a container.
 *
 * Like a container an exec has a host pid of its own: a child of ours (the agent) that joins the
 * container's cgroup and namespaces, asks the Sentry for the process on a connection that stands for
 * it (kill_on_close), hands signals on, and exits with the process's status.  We wait for the agent,
 * or leave it alone (--detach).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/cgroup.h"
#include "runsc-c/control_client.h"
#include "runsc-c/create.h"
#include "runsc-c/jsonw.h"
#include "runsc-c/oci_spec_impl.h"
#include "runsc-c/spawn.h"
#include "sentry/control/control.h"

struct exec_flags {
	const char *process, *cwd, *user, *pid_file, *console_socket;
	struct flag_list env, gids, caps;
	int preserve_fds;
	bool tty, detach, no_new_privs, ignore_paused;
};

static struct exec_flags f;

/* ---- which process -------------------------------------------------------------------------- */

static int parse_number(const char *text, uint32_t *out)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno != 0 || v > 0xfffffffeUL)
		return -EINVAL;
	*out = (uint32_t)v;
	return *end == '\0' ? 0 : *end;
}

static int apply_user(struct process_config *p, struct err *e)
{
	const char *colon = strchr(f.user, ':');
	int ret = parse_number(f.user, &p->uid);

	if (ret == ':')
		ret = parse_number(colon + 1, &p->gid);
	if (ret != 0)
		return err_set(e, EINVAL, "--user: \"%s\" is not UID[:GID] in numbers", f.user);
	mem_free(p->groups);
	p->groups = NULL;
	p->group_count = 0;
	return 0;
}

static int apply_gids(struct process_config *p, struct err *e)
{
	gid_t *g = mem_realloc(p->groups, p->group_count + f.gids.count, sizeof(gid_t));

	if (g == NULL)
		return err_set(e, ENOMEM, "out of memory");
	p->groups = g;
	for (size_t i = 0; i < f.gids.count; i++)
		if (parse_number(f.gids.values[i], &g[p->group_count++]) != 0)
			return err_set(e, EINVAL, "--additional-gids: \"%s\" is no number",
				       f.gids.values[i]);
	return 0;
}

/* In the place of one of that name, or at the end. */
static void put_env(char **env, size_t *count, const char *v)
{
	size_t len = strcspn(v, "=") + 1;

	for (size_t i = 0; i < *count; i++) {
		if (strncmp(env[i], v, len) != 0)
			continue;
		mem_free(env[i]);
		env[i] = mem_strdup(v);
		return;
	}
	env[(*count)++] = mem_strdup(v);
}

static int apply_env(struct process_config *p, struct err *e)
{
	size_t count = 0;
	char **env;

	while (p->env != NULL && p->env[count] != NULL)
		count++;
	env = mem_realloc(p->env, count + f.env.count + 1, sizeof(char *));
	if (env == NULL)
		return err_set(e, ENOMEM, "out of memory");
	p->env = env;
	for (size_t i = 0; i < f.env.count; i++) {
		const char *v = f.env.values[i];

		env[count] = NULL;
		if (strchr(v, '=') == NULL || v[0] == '=')
			return err_set(e, EINVAL, "--env: expected NAME=value, got \"%s\"", v);
		put_env(env, &count, v);
	}
	env[count] = NULL;
	return 0;
}

static void apply_caps(struct process_config *p)
{
	for (size_t i = 0; i < f.caps.count; i++) {
		int cap = oci_cap_number(f.caps.values[i]);

		/* As in config.json: one that is not known is left out. */
		if (cap < 0)
			continue;
		p->cap_bounding |= UINT64_C(1) << cap;
		p->cap_permitted |= UINT64_C(1) << cap;
		p->cap_effective |= UINT64_C(1) << cap;
	}
}

/* The container's own process with another command and what the flags change. */
static int process_from_flags(const struct state *s, char **args, struct process_config **out,
			      struct err *e)
{
	struct process_config *p;
	struct oci_spec *spec;
	size_t count = 0;

	if (oci_spec_load(s->bundle, NULL, s->id, &spec, e) < 0)
		return e->error;
	p = spec->container->process;
	spec->container->process = NULL;
	oci_spec_free(spec);
	oci_strings_free(p->args);
	while (args[count] != NULL)
		count++;
	p->args = mem_calloc(count + 1, sizeof(char *));
	for (size_t i = 0; p->args != NULL && i < count; i++)
		p->args[i] = mem_strdup(args[i]);
	p->terminal = f.tty;
	p->no_new_privs = p->no_new_privs || f.no_new_privs;
	if (f.cwd != NULL) {
		mem_free(p->cwd);
		p->cwd = mem_strdup(f.cwd);
		if (f.cwd[0] != '/')
			err_set(e, EINVAL, "--cwd: \"%s\" is not an absolute path", f.cwd);
	}
	if (p->args == NULL || p->cwd == NULL)
		err_set(e, ENOMEM, "out of memory");
	if (!err_is(e) && (f.user == NULL || apply_user(p, e) == 0) && apply_gids(p, e) == 0 &&
	    apply_env(p, e) == 0) {
		apply_caps(p);
		*out = p;
		return 0;
	}
	process_config_free(p);
	return e->error;
}

/* A process.json has no filter: it is the container's. */
static int take_seccomp(const struct state *s, struct process_config *p, struct err *e)
{
	struct oci_spec *spec;

	if (oci_spec_load(s->bundle, NULL, s->id, &spec, e) < 0)
		return e->error;
	if (spec->container->process != NULL) {
		p->seccomp = spec->container->process->seccomp;
		spec->container->process->seccomp = NULL;
	}
	oci_spec_free(spec);
	return 0;
}

static int process_from_file(const struct state *s, struct process_config **out, struct err *e)
{
	json_t *doc = jsonw_load_file(AT_FDCWD, f.process, f.process, e);
	int err = doc ? oci_process_parse(doc, f.process, out, e) : e->error;

	json_decref(doc);
	if (err == 0) {
		err = take_seccomp(s, *out, e);
		if (err != 0) {
			process_config_free(*out);
			return err;
		}
	}
	if (err == 0 && f.tty)
		(*out)->terminal = true;
	return err;
}

/* ---- the agent ------------------------------------------------------------------------------ */

struct agent {
	struct state *s;
	int sync, control, pid; /* pid: as the container sees it */
	json_t *request;
	int *fds;
	size_t fd_count;
	bool terminal; /* fds[0] is a pty made for it */
};

/* Its cgroup and namespaces are the container's, as far as they can be. */
static void join_container(const struct state *s)
{
	struct err ignored = ERR_INIT;
	struct cgroup c;
	int pidfd = host_pidfd_open(s->monitor.pid, 0);

	cgroup_from_json(s->cgroup, &c);
	cgroup_join_self(&c, true, &ignored);
	cgroup_fini(&c);
	if (pidfd >= 0 && proc_alive(&s->monitor))
		setns(pidfd, CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
	if (pidfd >= 0)
		close(pidfd);
}

static void agent_forward(struct agent *a, const struct signalfd_siginfo *info)
{
	struct err ignored = ERR_INIT;
	json_t *o = console_forward(info, a->s->id, a->pid);

	if (o != NULL)
		control_once(a->s, o, 2000, NULL, &ignored);
}

_Noreturn static void agent_exit(struct agent *a)
{
	json_t *reply = NULL, *status;
	int st = 0x7f00; /* the sandbox died: as if by SIGKILL */

	if (control_recv(a->control, &reply, NULL, 0, NULL, 5000) < 0)
		_exit(128 + SIGKILL);
	status = json_object_get(reply, "status");
	if (!json_is_integer(status))
		_exit(255);
	st = (int)json_integer_value(status);
	_exit(WIFSIGNALED(st) ? 128 + WTERMSIG(st) : WEXITSTATUS(st));
}

_Noreturn static void agent_wait(struct agent *a, int signals)
{
	json_t *ask = json_pack("{s:s,s:s,s:i}", "op", "wait", "id", a->s->id, "pid", a->pid);

	if (ask == NULL || control_send(a->control, ask, NULL, 0) < 0)
		_exit(128 + SIGKILL);
	for (;;) {
		struct pollfd p[3] = { { a->control, POLLIN, 0 },
				       { signals, POLLIN, 0 },
				       { a->sync, POLLIN, 0 } };
		struct signalfd_siginfo info;
		char kind = 0;

		if (host_ppoll(p, 3, NULL) <= 0)
			continue;
		if (p[0].revents != 0)
			agent_exit(a);
		if (p[2].revents != 0) {
			if (host_read(a->sync, &kind, 1) != 1)
				_exit(128 + SIGKILL); /* our starter gave up: so does the process */
			host_close_fd(&a->sync);
		}
		if (p[1].revents != 0 && host_read(signals, &info, sizeof(info)) == sizeof(info) &&
		    info.ssi_signo != SIGCHLD && info.ssi_signo < 32)
			agent_forward(a, &info);
	}
}

_Noreturn static void agent_main(struct agent *a)
{
	struct err e = ERR_INIT;
	json_t *reply = NULL;
	int null, signals;
	char ok = 1;
	sigset_t all;

	prctl(PR_SET_NAME, "runsc-exec");
	setsid();
	if (a->terminal)
		console_adopt(a->fds[0]);
	join_container(a->s);
	a->control = control_connect(a->s, &e);
	if (a->control < 0 || control_call(a->control, a->request, a->fds, a->fd_count,
					   CONTROL_TIMEOUT_MS, &reply, &e) < 0) {
		host_write(a->sync, e.text, strlen(e.text));
		_exit(255);
	}
	a->pid = (int)json_integer_value(json_object_get(reply, "pid"));
	json_decref(reply);
	/* The process has its descriptors; our copies would keep pipes open. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < a->fd_count; i++)
		if (i >= 3 || a->fds[i] > 2)
			close(a->fds[i]);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	host_write(a->sync, &ok, 1);
	agent_wait(a, signals);
}

/* Until the agent has the process running; its error otherwise. */
static int agent_ready(int sync, struct err *e)
{
	char packet[1024];
	ssize_t n = host_read(sync, packet, sizeof(packet) - 1);

	if (n == 1 && packet[0] == 1)
		return 0;
	if (n <= 0)
		return err_set(e, EPIPE, "the process that stands for the exec has died");
	packet[n] = '\0';
	return err_set(e, EIO, "%s", packet);
}

/* ---- ours ----------------------------------------------------------------------------------- */

static int wait_agent(pid_t agent)
{
	int status = 0;

	while (waitpid(agent, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int attend(pid_t agent, int master)
{
	int pidfd = host_pidfd_open(agent, 0);

	console_attend(master, pidfd, agent);
	close(pidfd);
	return wait_agent(agent);
}

static int start_agent(struct agent *a, struct console *c, pid_t *pid, struct err *e)
{
	int sync[2], into, err = host_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sync);
	struct cgroup cgroup;

	if (err < 0)
		return err_errno(e, err, "socketpair");
	cgroup_from_json(a->s->cgroup, &cgroup);
	into = cgroup_clone_fd(&cgroup);
	*pid = spawn_fork(into, 0, NULL);
	if (*pid == 0) {
		close(sync[0]);
		host_close_fd(&c->master);
		a->sync = sync[1];
		agent_main(a);
	}
	host_close_fd(&into);
	cgroup_fini(&cgroup);
	close(sync[1]);
	host_close_fd(&c->slave);
	a->sync = sync[0];
	if (*pid < 0)
		return err_errno(e, *pid, "can't start a process");
	return agent_ready(a->sync, e);
}

static int run_process(struct state *s, struct process_config *p, struct err *e)
{
	struct console c = { -1, -1 };
	struct agent a = { .s = s, .sync = -1, .control = -1, .terminal = p->terminal };
	pid_t pid = 0;
	char commit = 1;
	int status = 0, preserve;

	if (p->terminal && f.detach && f.console_socket == NULL)
		return err_set(e, EINVAL, "cannot allocate tty if runsc-c will detach without setting "
			       "console socket (--tty needs --console-socket)");
	preserve = creation_preserve(f.preserve_fds, p, e);
	if (preserve < 0)
		return preserve;
	if ((p->terminal && console_open(&c, p->rows, p->columns, e) < 0) ||
	    creation_collect_fds(p, c.slave, preserve, &a.fds, &a.fd_count, e) < 0)
		return e->error;
	a.request = control_encode_exec(s->id, p);
	json_object_set_new(a.request, "kill_on_close", json_true());
	start_agent(&a, &c, &pid, e);
	json_decref(a.request);
	if (!err_is(e) && f.console_socket != NULL && c.master >= 0) {
		console_send(&c, f.console_socket, e);
		host_close_fd(&c.master);
	}
	if (!err_is(e) && f.pid_file != NULL)
		write_pid_file(f.pid_file, pid, e);
	if (!err_is(e) && host_write(a.sync, &commit, 1) != 1)
		commit = 0; /* it has ended already */
	host_close_fd(&a.sync);
	if (err_is(e))
		wait_agent(pid);
	else if (!f.detach)
		status = attend(pid, c.master);
	console_close(&c);
	mem_free(a.fds);
	return err_is(e) ? e->error : status;
}

static int check_status(const struct state *s, struct err *e)
{
	switch (state_status(s)) {
	case CTR_STOPPED:
		return err_set(e, ESRCH, "cannot exec in a stopped container: \"%s\"", s->id);
	case CTR_PAUSED:
		if (!f.ignore_paused)
			return err_set(e, EBUSY, "cannot exec in a paused container (use "
				       "--ignore-paused to override): \"%s\"", s->id);
		return 0;
	case CTR_CREATING:
		return err_set(e, EBUSY, "container \"%s\" is being created", s->id);
	case CTR_CREATED:
	case CTR_RUNNING:
		return 0;
	}
	return 0;
}

static const struct flag flags[] = {
	{ "process,p", FLAG_STRING, &f.process, "file with the process object" },
	{ "cwd", FLAG_STRING, &f.cwd, "working directory" },
	{ "env,e", FLAG_LIST, &f.env, "NAME=value, may be repeated" },
	{ "user,u", FLAG_STRING, &f.user, "UID[:GID]" },
	{ "additional-gids,g", FLAG_LIST, &f.gids, "a further group, may be repeated" },
	{ "cap,c", FLAG_LIST, &f.caps, "add a capability, may be repeated" },
	{ "tty,t", FLAG_BOOL, &f.tty, "give it a terminal" },
	{ "detach,d", FLAG_BOOL, &f.detach, "return when it runs" },
	{ "pid-file", FLAG_STRING, &f.pid_file, "file to write its host pid to" },
	{ "console-socket", FLAG_STRING, &f.console_socket, "Unix socket that gets the terminal" },
	{ "preserve-fds", FLAG_INT, &f.preserve_fds, "descriptors to pass on after stdio" },
	{ "no-new-privs", FLAG_BOOL, &f.no_new_privs, "set no_new_privs" },
	{ "ignore-paused", FLAG_BOOL, &f.ignore_paused, "also in a paused container" },
	{ "process-label", FLAG_IGNORED_STRING, NULL, NULL },
	{ "apparmor", FLAG_IGNORED_STRING, NULL, NULL },
	{ "cgroup", FLAG_IGNORED_STRING, NULL, NULL },
	{ "no-subreaper", FLAG_IGNORED_BOOL, NULL, NULL },
	{ "pidfd-socket", FLAG_IGNORED_STRING, NULL, NULL },
	{ NULL, FLAG_BOOL, NULL, NULL },
};

int cmd_exec(const struct globals *g, int argc, char **argv, struct err *e)
{
	struct process_config *p;
	struct state *s;
	bool done;
	int first = cmd_parse("exec", flags, argc, argv, 1, -1, &done, e), status = 0;

	if (first < 0 || done)
		return first < 0 ? first : 0;
	if (f.process == NULL && argv[first + 1] == NULL)
		return err_set(e, EINVAL, "exec: which program is to run? Give a command or --process");
	if (state_open(g->root, argv[first], &s, e) < 0)
		return e->error;
	if (check_status(s, e) == 0 &&
	    (f.process ? process_from_file(s, &p, e)
		       : process_from_flags(s, argv + first + 1, &p, e)) == 0) {
		status = run_process(s, p, e);
		process_config_free(p);
	}
	state_free(s);
	return err_is(e) ? e->error : status;
}
