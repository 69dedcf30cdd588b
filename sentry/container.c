/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.c: what the CLI asks of the Sentry (control.h): containers and the processes in them.
 *
 * The control thread may not sleep, so each request becomes a job on a fiber of its own.  A
 * container is put into the table before its root is made, so that two requests for one id meet.
 */
#include "lib/annotations.h"
#include "sentry/container_impl.h"
#include "sentry/debug.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/mem.h"
#include "lib/timer.h"
#include "platform/host.h"
#include "platform/platform.h"
#include "sentry/proc/proc.h"
#include "sentry/socket/net_ns.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"

struct containers containers;

/*
 * Some time after a program was started most of our code will not run again soon.  (Right away would be
 * early: the program's own start uses much of it.)
 */
#define SETTLED_NS (500 * NSEC_PER_MSEC)

static struct timer settled;

static void on_settled(struct timer *t)
{
	(void)t;
	mem_drop_text();
}

static void program_started(void)
{
	timer_arm(&settled, clock_mono_ns() + SETTLED_NS);
}

void containers_init(void)
{
	timer_init(&settled, on_settled);
	mutex_init(&containers.lock, LOCK_CONTROL);
	list_init(&containers.list);
	work_init(&containers.lost, containers_kill_lost, NULL);
}

/* ---- jobs ------------------------------------------------------------------------------------------ */

static void job_main(void *arg)
{
	struct job *j = arg;

	j->fn(j);
	mem_free(j->id);
	container_config_free(j->container);
	process_config_free(j->process);
	network_config_free(j->network);
	mem_free(j);
}

struct job *job_new(void (*fn)(struct job *), struct control_request *req, const char *id)
{
	struct job *j = mem_new(struct job);

	if (j)
		j->id = mem_strdup(id);
	if (!j || !j->id) {
		mem_free(j);
		control_reply_error(req, -ENOMEM, "out of memory in the sandbox");
		return NULL;
	}
	j->fn = fn;
	j->req = req;
	return j;
}

void job_start(struct job *j)
{
	struct control_request *req = j->req;
	struct fiber *f = fiber_new(job_main, j);

	if (f) {
		fiber_start(f);
		return;
	}
	container_config_free(j->container);
	process_config_free(j->process);
	network_config_free(j->network);
	mem_free(j->id);
	mem_free(j);
	control_reply_error(req, -ENOMEM, "out of memory in the sandbox");
}

/* ---- the table --------------------------------------------------------------------------------------- */

struct container *container_peek_locked(const char *id)
{
	struct container *k;

	list_for_each_entry(k, &containers.list, node)
		if (!strcmp(k->id, id))
			return k;
	return NULL;
}

NO_TSA struct container *container_lock(struct job *j)
{
	struct container *k;

	mutex_lock(&containers.lock);
	k = container_peek_locked(j->id);
	if (k)
		return k;
	mutex_unlock(&containers.lock);
	control_reply_error(j->req, -ENOENT, "container \"%s\" does not exist in this sandbox", j->id);
	return NULL;
}

/*
 * What it held is dropped; the struct itself (about a kilobyte) stays: a zombie in a shared pid
 * namespace or an open file of its /proc may still point at it.
 */
static void container_bury(struct container *k)
{
	struct owned_process *o, *tmp;

	list_for_each_entry_safe(o, tmp, &k->owned, node) {
		list_remove(&o->node);
		process_put(o->process);
		mem_free(o);
	}
	plat_template_free(k->template);
	k->template = NULL;
	k->init_owned = NULL;
	path_put(&k->root);
	ns_set_put(k->ns);
	k->ns = NULL;
	if (k->pid_ns)
		pid_ns_put(k->pid_ns);
	k->pid_ns = NULL;
}

static void container_drop_sysctls(struct container *k)
{
	for (size_t i = 0; i < k->late_sysctl_count; i++) {
		mem_free(k->late_sysctls[i].name);
		mem_free(k->late_sysctls[i].value);
	}
	mem_free(k->late_sysctls);
	k->late_sysctls = NULL;
	k->late_sysctl_count = 0;
}

/* One of which no process was ever seen. */
static void container_free(struct container *k)
{
	container_bury(k);
	cgrp_drop_root(k->cgroup);
	container_drop_sysctls(k);
	mem_free(k->cgroups_path);
	mem_free(k->device_rules);
	mem_free(k->uid_map);
	mem_free(k->gid_map);
	mem_free(k);
}

/* ---- create, start, exec ---------------------------------------------------------------------------- */

static struct container *container_new(struct container_config *config)
{
	struct container *k = mem_new(struct container);

	if (!k)
		return NULL;
	list_init(&k->node);
	list_init(&k->owned);
	snprintf(k->id, sizeof(k->id), "%s", config->id);
	k->pids_limit = (uint32_t)MIN(config->pids_limit, (uint64_t)UINT32_MAX);
	k->memory_limit = config->memory_limit;
	k->cpu_count = config->cpu_count;
	atomic_init(&k->cpu_quota_us, config->cpu_quota_us);
	if (config->cpu_quota_us)
		plat_pollers_off(); /* a pod's */
	atomic_init(&k->cpu_period_us, config->cpu_period_us);
	k->cgroups_path = mem_strdup(config->cgroups_path ? config->cgroups_path : "/");
	k->ns = mem_new(struct ns_set);
	k->cgroup = cgrp_new_root();
	if (!k->cgroups_path || !k->ns || !k->cgroup) {
		cgrp_drop_root(k->cgroup);
		mem_free(k->cgroups_path);
		mem_free(k->ns);
		mem_free(k);
		return NULL;
	}
	ref_init(&k->ns->ref);
	k->device_rules = config->device_rules; /* taken over */
	k->device_rule_count = config->device_rule_count;
	k->uid_map = config->uid_map;
	k->gid_map = config->gid_map;
	k->uid_map_count = config->uid_map_count;
	k->gid_map_count = config->gid_map_count;
	config->device_rules = NULL;
	config->uid_map = config->gid_map = NULL;
	config->device_rule_count = config->uid_map_count = config->gid_map_count = 0;
	return k;
}

/* Into the table, with its namespaces; *why when that fails. */
static int container_enter(struct container *k, const struct container_config *config,
			   char why[static 256])
{
	int err = 0;

	mutex_lock(&containers.lock);
	if (container_peek_locked(k->id)) {
		err = -EEXIST;
		snprintf(why, 256, "container \"%.180s\" already exists in this sandbox", k->id);
	} else {
		err = container_namespaces_locked(k, config);
		if (err)
			snprintf(why, 256, "namespaces of \"%.150s\": %s", k->id,
				 err == -ENOENT ? "the container that they belong to is gone"
						: strerror(-err));
	}
	if (!err)
		list_append(&containers.list, &k->node);
	mutex_unlock(&containers.lock);
	return err;
}

/* The host processes that the CLI may have to move into the container's cgroup. */
static json_t *container_stubs(struct container *k)
{
	json_t *a = json_array();
	struct plat_thread *pt;

	if (!k->template)
		return a;
	json_array_append_new(a, json_integer(plat_thread_host_tid(k->template)));
	pt = k->init ? task_pt_pin(k->init) : NULL;
	if (pt) {
		json_array_append_new(a, json_integer(plat_thread_host_tid(pt)));
		task_pt_unpin(k->init);
	}
	return a;
}

static int container_make(struct container *k, struct vfs_ctx *c, struct container_config *config,
			  struct owned_process **o, char why[static 256])
{
	int err = 0;

	if (config->own_template) {
		err = plat_template_new(&k->template);
		if (err == -ENOTSUP) {
			log_info("container %s: this platform has no templates: its processes stay in "
				 "the sandbox's cgroup", k->id);
			err = 0;
		}
		if (err)
			snprintf(why, 256, "can't make a process: %s", strerror(-err));
	}
	if (!err)
		err = container_mount_all(k, c, config, why);
	if (!err && config->process)
		err = container_new_process(k, config->process, &k->init, o, why);
	return err;
}

static void job_create(struct job *j)
{
	struct container_config *config = j->container;
	struct vfs_ctx c = { .fsize_limit = UINT64_MAX };
	struct owned_process *o = NULL;
	struct container *k;
	char why[256] = "";
	int err;

	k = container_new(config);
	c.cred = cred_new_root();
	if (!k || !c.cred) {
		control_reply_error(j->req, -ENOMEM, "out of memory in the sandbox");
		goto free;
	}
	err = container_enter(k, config, why);
	if (err) {
		control_reply_error(j->req, err, "%s", why);
		goto free;
	}
	err = container_make(k, &c, config, &o, why);
	mutex_lock(&containers.lock);
	if (err) {
		list_remove(&k->node);
	} else {
		k->status = CONTROL_CREATED;
		if (o) {
			k->init_owned = o;
			list_append(&k->owned, &o->node);
		}
	}
	mutex_unlock(&containers.lock);
	if (err) {
		control_reply_error(j->req, err, "%s", why);
		goto free;
	}
	cred_put(c.cred);
	control_reply_json(j->req, json_pack("{s:o}", "stubs", container_stubs(k)));
	return;

free:
	cred_put(c.cred);
	if (k)
		container_free(k);
}

static void control_create(void *kernel, struct control_request *req, struct container_config *config)
{
	struct job *j = job_new(job_create, req, config->id);

	(void)kernel;
	if (!j) {
		container_config_free(config);
		return;
	}
	j->container = config;
	job_start(j);
}

/* What linux.sysctl says of interfaces that are there by now.  false: answered with what is wrong. */
static bool container_set_sysctls(struct container *k, struct control_request *req)
{
	for (size_t i = 0; i < k->late_sysctl_count; i++) {
		const struct sysctl_config *s = &k->late_sysctls[i];
		int err = proc_sysctl_set_nic(k->ns->net, s->name, s->value);

		if (err) {
			control_reply_error(req, err, "linux.sysctl: can't set \"%s\": %s", s->name, strerror(-err));
			return false;
		}
	}
	container_drop_sysctls(k);
	return true;
}

NO_TSA static void job_start_container(struct job *j)
{
	struct container *k = container_lock(j);
	struct task *init = NULL;
	int err = 0;

	if (!k)
		return;
	if (k->status == CONTROL_STOPPED)
		err = -ESRCH;
	else if (k->status != CONTROL_CREATED)
		err = -EALREADY;
	else {
		k->status = CONTROL_RUNNING;
		k->settles_ns = clock_mono_ns() + CONTAINER_SETTLES_NS;
		init = k->init;
		k->init = NULL;
	}
	mutex_unlock(&containers.lock);
	if (err) {
		control_reply_error(j->req, err, err == -ESRCH
				    ? "cannot start a container that has stopped"
				    : "cannot start an already running container");
		return;
	}
	net_ns_configure(k->ns->net, j->network);
	j->network = NULL;
	container_network_ready(k, 0);
	if (!container_set_sysctls(k, j->req)) {
		mutex_lock(&containers.lock);
		k->status = CONTROL_CREATED;
		k->init = init;
		mutex_unlock(&containers.lock);
		return;
	}
	if (init)
		task_start(init);
	control_reply_ok(j->req);
	program_started();
}

static void control_start(void *kernel, struct control_request *req, const char *id,
			  struct network_config *n)
{
	(void)kernel;
	container_network_job(job_start_container, req, id, n);
}

NO_TSA static void job_exec(struct job *j)
{
	struct container *k = container_lock(j);
	struct owned_process *o;
	struct task *t;
	char why[256];
	int err;

	if (!k)
		return;
	err = k->status == CONTROL_STOPPED ? -ESRCH : 0;
	mutex_unlock(&containers.lock);
	if (err) {
		control_reply_error(j->req, err, "cannot exec in a stopped container");
		return;
	}
	err = container_new_process(k, j->process, &t, &o, why);
	if (err) {
		control_reply_error(j->req, err, "%s", why);
		return;
	}
	mutex_lock(&containers.lock);
	list_append(&k->owned, &o->node);
	mutex_unlock(&containers.lock);
	control_reply_pid(j->req, o->nr);
	task_start(t);
	program_started();
}

static void control_exec(void *kernel, struct control_request *req, const char *id,
			 struct process_config *p)
{
	struct job *j = job_new(job_exec, req, id);

	(void)kernel;
	if (!j) {
		process_config_free(p);
		return;
	}
	j->process = p;
	job_start(j);
}

/* ---- update, destroy, debug -------------------------------------------------------------------------- */

NO_TSA static void job_update(struct job *j)
{
	struct container *k = container_lock(j);

	if (!k)
		return;
	if (j->limits.memory_limit)
		k->memory_limit = j->limits.memory_limit;
	if (j->limits.pids_limit)
		k->pids_limit = (uint32_t)MIN(j->limits.pids_limit, (uint64_t)UINT32_MAX);
	if (j->limits.cpu_count)
		k->cpu_count = j->limits.cpu_count;
	if (j->limits.cpu_quota_us) {
		plat_pollers_off();
		atomic_store_explicit(&k->cpu_quota_us, j->limits.cpu_quota_us, memory_order_relaxed);
	}
	if (j->limits.cpu_period_us)
		atomic_store_explicit(&k->cpu_period_us, j->limits.cpu_period_us, memory_order_relaxed);
	mutex_unlock(&containers.lock);
	control_reply_ok(j->req);
}

static void control_update(void *kernel, struct control_request *req, const char *id,
			   const struct control_limits *limits)
{
	struct job *j = job_new(job_update, req, id);

	(void)kernel;
	if (!j)
		return;
	j->limits = *limits;
	job_start(j);
}

NO_TSA static void job_destroy(struct job *j)
{
	struct container *k = container_lock(j);
	bool busy;

	if (!k)
		return;
	busy = k->status != CONTROL_STOPPED ||
	       atomic_load_explicit(&k->task_count, memory_order_relaxed);
	if (!busy)
		list_remove(&k->node);
	mutex_unlock(&containers.lock);
	if (busy) {
		control_reply_error(j->req, -EBUSY, "container \"%s\" has not stopped", j->id);
		return;
	}
	container_bury(k);
	control_reply_ok(j->req);
}

static void control_destroy(void *kernel, struct control_request *req, const char *id)
{
	struct job *j = job_new(job_destroy, req, id);

	(void)kernel;
	if (j)
		job_start(j);
}

NO_TSA static void job_debug(struct job *j)
{
	struct buf text = BUF_INIT;
	struct container *k;
	int err = -EINVAL;

	mutex_lock(&containers.lock);
	k = list_empty(&containers.list) ? NULL : list_first(&containers.list, struct container, node);
	mutex_unlock(&containers.lock);
	if (k && !strcmp(j->id, "patches"))
		err = debug_patches(k->pid_ns, &k->root, &text);
	if (err)
		control_reply_error(j->req, err, "debug: nothing is known of \"%s\"", j->id);
	else
		control_reply_text(j->req, text.data ? text.data : "", text.size);
	buf_fini(&text);
}

static void control_debug(void *kernel, struct control_request *req, const char *what)
{
	struct job *j = job_new(job_debug, req, what);

	(void)kernel;
	if (j)
		job_start(j);
}

const struct control_ops container_control_ops = {
	.create = control_create,
	.dialer = control_dialer,
	.start = control_start,
	.network = control_network,
	.exec = control_exec,
	.signal = control_signal,
	.wait = control_wait,
	.ps = control_ps,
	.state = control_state,
	.stats = control_stats,
	.resize = control_resize,
	.update = control_update,
	.destroy = control_destroy,
	.debug = control_debug,
};
