/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_net.c: pasta(1) or slirp4netns(1) for a container's network namespace.  See user_net.h.
 *
 * Both stay in the foreground, as our children, and die with us.  That they are ready is seen in the
 * namespace: /proc/PID/net/route has a default route.  The last that they say is shown when they fail.
 *
 * pasta gives its capabilities up before it looks at the namespace, so it can only join one that belongs to a
 * user namespace of the caller's (Debian 12's): root takes slirp4netns first.
 */
#include "runsc-c/user_net.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"

#define READY_MS 10000
#define STEP_MS  10
#define ARGS_MAX 16

static bool installed(const char *name)
{
	const char *path = getenv("PATH");
	char file[512];

	for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
		size_t n = strcspn(p, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)n, p, name);
		if (access(file, X_OK) == 0)
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}

/* Is target's user namespace another one than ours? */
static bool other_user_ns(pid_t target)
{
	char path[64], theirs[64] = "", ours[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/user", target);
	return readlink(path, theirs, sizeof(theirs) - 1) > 0 && readlink("/proc/self/ns/user", ours, sizeof(ours) - 1) > 0 &&
	       strcmp(theirs, ours) != 0;
}

static void add(const char **args, const char *arg)
{
	size_t n = 0;

	while (args[n])
		n++;
	if (n + 1 < ARGS_MAX)
		args[n + 1] = NULL, args[n] = arg;
}

static void run_program(pid_t target, pid_t parent, int log)
{
	char user[64], net[64], pid[16];
	const char *args[ARGS_MAX] = { NULL };
	bool other = other_user_ns(target);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(user, sizeof(user), "/proc/%d/ns/user", target);
	snprintf(net, sizeof(net), "/proc/%d/ns/net", target);
	snprintf(pid, sizeof(pid), "%d", target);
	if (installed("pasta") && (other || !installed("slirp4netns"))) {
		add(args, "pasta");
		add(args, "--config-net");
		add(args, "--foreground");
		add(args, "--no-map-gw"); /* the host's loopback is the host's */
		add(args, "--dns-forward");
		add(args, USER_NET_DNS);
		add(args, "--ns-ifname");
		add(args, "tap0");
		if (other) {
			add(args, "--userns");
			add(args, user);
		} else {
			add(args, "--netns-only");
		}
		add(args, "--netns");
		add(args, net);
	} else {
		add(args, "slirp4netns");
		add(args, "--configure");
		add(args, "--mtu=65520");
		add(args, "--disable-host-loopback");
		if (other) {
			add(args, "--userns-path");
			add(args, user);
		}
		add(args, pid);
		add(args, "tap0");
	}
	/* Its own group: a terminal's Ctrl-C is the program's. */
	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || null < 0 || log < 0 ||
	    dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(127);
	execvp(args[0], (char *const *)(uintptr_t)args);
	_exit(127);
}

static bool has_default_route(pid_t target)
{
	unsigned long destination, gateway;
	char path[64], line[256], name[32];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/net/route", target);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%31s %lx %lx", name, &destination, &gateway) == 3 && destination == 0 && gateway != 0;
	if (f)
		fclose(f);
	return found;
}

static int failed(int log, const char *what, struct err *e)
{
	char text[2000] = "", *last;
	ssize_t n = pread(log, text, sizeof(text) - 1, 0);

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = 0;
	last = strrchr(text, '\n');
	last = last ? last + 1 : text;
	return err_set(e, ENETUNREACH, "--net=user: %s%s%s", what, last[0] ? ": " : "", last);
}

int user_net_start(struct user_net *u, pid_t target, struct err *e)
{
	const struct timespec step = { 0, STEP_MS * NSEC_PER_MSEC };
	pid_t self = getpid();
	int log, status;

	u->pid = 0;
	if (!installed("pasta") && !installed("slirp4netns"))
		return err_set(e, ENOENT, "--net=user: neither pasta (Debian's package passt) nor slirp4netns is installed");
	log = memfd_create("user-net-log", MFD_CLOEXEC);
	u->pid = fork();
	if (u->pid < 0) {
		u->pid = 0;
		close(log);
		return err_errno(e, errno, "--net=user: fork");
	}
	if (u->pid == 0)
		run_program(target, self, log);
	for (unsigned int i = 0; i < READY_MS / STEP_MS && !has_default_route(target); i++) {
		if (waitpid(u->pid, &status, WNOHANG) == u->pid) {
			u->pid = 0;
			failed(log, "the network program has ended", e);
			break;
		}
		nanosleep(&step, NULL);
	}
	if (!err_is(e) && !has_default_route(target)) {
		failed(log, "no default route came", e);
		user_net_stop(u);
	}
	close(log);
	return e->error;
}

void user_net_stop(struct user_net *u)
{
	int status;

	if (u->pid <= 0)
		return;
	kill(u->pid, SIGKILL);
	while (waitpid(u->pid, &status, 0) < 0 && errno == EINTR)
		;
	u->pid = 0;
}
