/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c: the Sentry's start: `runsc-c sentry`.
 *
 *     boot message ─▶ platform (zygote) ─▶ kernel tables ─▶ control thread ─▶ filter ─▶ workers
 *
 * The CLI has put this process into its namespaces, with an empty root and no capabilities
 * (runsc-c/launch.c).  The filter comes last, before the first byte of any container's data; what
 * runs afterwards is fibers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/timer.h"
#include "platform/host.h"
#include "platform/jail.h"
#include "platform/platform.h"
#include "sentry/container.h"
#include "sentry/control/boot.h"
#include "sentry/control/control.h"
#include "sentry/fs.h"
#include "sentry/kernel.h"
#include "sentry/sentry.h"
#include "sentry/signal/signal.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/socket.h"
#include "sentry/task/task_impl.h"
#include "sentry/trace/trace.h"
#include "vfs/tmpfs/tmpfs.h"

#define WORKERS_MAX (16 + NET_NS_LINKS) /* each link keeps one in a host call */

/* One line to the CLI and the log, and the exit status. */
static int boot_fail(const char *what, int err)
{
	char line[256];

	snprintf(line, sizeof(line), "sandbox: %s: %s", what, strerror(-err));
	log_error("%s", line);
	boot_failed(SENTRY_FD_CONTROL, err, line);
	return 1;
}

#define OOM_MARGIN 500 /* between us and the applications where nothing may be lowered */

static int oom_get(void)
{
	int fd = host_openat(SENTRY_FD_PROC, "self/oom_score_adj", O_RDONLY, 0);
	char text[16] = "";

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return atoi(text);
}

/* Lowering below the value at our start is refused: then it stays. */
static void oom_set(int value)
{
	int fd = host_openat(SENTRY_FD_PROC, "self/oom_score_adj", O_WRONLY, 0);
	char text[16];

	if (fd < 0)
		return;
	(void)!write(fd, text, (size_t)snprintf(text, sizeof(text), "%d", value));
	close(fd);
}

/*
 * The applications' processes are forks of ours and inherit how ready the host is to kill them: so we
 * have their value while the platform makes the first of them, and then our own again, a lower one.
 */
static int oom_raise(int stubs)
{
	int own = oom_get();

	oom_set(stubs > own ? stubs : MIN(own + OOM_MARGIN, 1000));
	return own;
}

/* *choice: in, what was asked for; out, what it is. */
static int boot_platform(const struct boot_config *b, enum platform_choice *choice)
{
	struct plat_config c = {
		.name = b->platform == PLATFORM_PTRACE ? "ptrace" : "notify",
		.proc_fd = SENTRY_FD_PROC,
		.huge_pages = true,
		.patch = b->patch,
		.patch_after = b->patch_after,
		.nice = b->nice,
		.pollers = b->pollers,
		.lost = containers_look_for_lost,
	};
	int err, own;

	/* Credentials do not change any more: stubs, which inherit it, must be readable by us. */
	if (prctl(PR_SET_DUMPABLE, 1))
		return -errno;
	*choice = b->platform;
	own = oom_raise(b->oom_score_adj);
	err = plat_init(&c);
	oom_set(own);
	if (err != -ENOTSUP || b->platform != PLATFORM_NOTIFY || b->platform_forced)
		return err;
	log_warn("no seccomp user-notification here: going on with the slower platform ptrace");
	*choice = PLATFORM_PTRACE;
	c.name = "ptrace";
	own = oom_raise(b->oom_score_adj);
	err = plat_init(&c);
	oom_set(own);
	return err;
}

static int boot_kernel(const struct boot_config *b)
{
	int err;

	task_init();
	containers_init();
	tmpfs_set_total_memory(b->memory_size);
	tmpfs_set_host_proc(SENTRY_FD_PROC);
	err = vfs_init();
	if (!err)
		err = kernel_machine_init(b->cpu_count, b->host_cpus, b->memory_size, b->nice);
	if (!err)
		err = sentry_fs_init();
	if (!err)
		err = socket_module_init();
	if (err)
		return err;
	vfs_set_hooks(&sentry_vfs_hooks);
	if (b->strace)
		trace_tasks(true);
	return events_start();
}

int sentry_main(int argc, char **argv)
{
	struct control_server *server;
	enum platform_choice platform = PLATFORM_NOTIFY;
	struct boot_config *b;
	const char *why = "";
	unsigned int jail;
	int err;

	(void)argc, (void)argv;
	signal(SIGPIPE, SIG_IGN);
	err = boot_receive(SENTRY_FD_CONTROL, &b, &why);
	if (err)
		return boot_fail(why, err);
	log_open(SENTRY_FD_LOG, "sentry", b->log_level, b->log_format);

	err = boot_platform(b, &platform);
	if (err)
		return boot_fail("the platform can't start", err);
	err = boot_kernel(b);
	if (err)
		return boot_fail("the kernel can't start", err);
	err = control_server_start(&container_control_ops, NULL, SENTRY_FD_CONTROL, SENTRY_FD_LISTEN,
				   &server);
	if (err)
		return boot_fail("the control server can't start", err);
	jail = (platform == PLATFORM_PTRACE ? JAIL_PTRACE : 0) | (b->network == NETWORK_HOST ? JAIL_HOST_NETWORK : 0);
	err = jail_sentry_filter(SENTRY_FD_PROC, SENTRY_FD_LOG, jail);
	if (err)
		return boot_fail("the system call filter can't be installed", err);
	err = boot_done(SENTRY_FD_CONTROL);
	if (err)
		return 1; /* the CLI has gone: nobody will ever need us */
	boot_config_free(b);

	workers_start(plat_worker_hooks(), WORKERS_MAX);
	return 0;
}
