/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.c: what the CLI asks of the Sentry (control.h): containers and the processes in them.
 *
 * The control thread may not sleep, so each request becomes a job on a fiber of its own.  A
 * container is put into the table before its root is made, so that two requests for one id meet.
 */
#include "lib/annotations.h"
#include "sentry/container.h"
#include "sentry/debug.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "sentry/hostfile.h"
#include "sentry/ipc/ipc.h"
#include "sentry/kernel.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/socket/net_ns.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sentry/tty/tty.h"

static struct {
	struct mutex lock; /* LOCK_CONTROL */
	struct list list;  /* (lock) */
	struct work lost;  /* kill_lost() */
} containers;

static void kill_lost(void *arg);

void containers_init(void)
{
	mutex_init(&containers.lock, LOCK_CONTROL);
	list_init(&containers.list);
	work_init(&containers.lost, kill_lost, NULL);
}

/* ---- jobs ------------------------------------------------------------------------------------------ */

struct job {
	void (*fn)(struct job *j);
	struct control_request *req;
	char *id;
	struct container_config *container;
	struct process_config *process;
	int pid, sig;
	bool group, all;
	unsigned short rows, columns;
	struct control_limits limits;
	struct network_config *network;
};

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

/* A job for req with a copy of id, or NULL after answering ENOMEM. */
static struct job *job_new(void (*fn)(struct job *), struct control_request *req, const char *id)
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

static void job_start(struct job *j)
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

static struct container *container_peek_locked(const char *id)
{
	struct container *k;

	list_for_each_entry(k, &containers.list, node)
		if (!strcmp(k->id, id))
			return k;
	return NULL;
}

/* Found and locked, or answered ENOENT. */
NO_TSA static struct container *container_lock(struct job *j)
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

/* One of which no process was ever seen. */
static void container_free(struct container *k)
{
	container_bury(k);
	mem_free(k->cgroups_path);
	mem_free(k);
}

/* ---- processes --------------------------------------------------------------------------------------- */

/* On the last task's fiber. */
static void owned_on_exit(struct process *p, void *arg)
{
	struct owned_process *o = arg;
	struct control_request *waiting;

	mutex_lock(&containers.lock);
	o->ended = true;
	o->wait_status = p->wait_status;
	if (o->container->init_owned == o)
		o->container->status = CONTROL_STOPPED;
	waiting = o->waiting;
	o->waiting = NULL;
	mutex_unlock(&containers.lock);
	log_debug("container %s: process %d ended, status %#x", o->container->id, o->nr,
		  p->wait_status);
	if (waiting)
		control_reply_status(waiting, o->wait_status);
}

static void process_rlimits(const struct process_config *p, struct rlimit out[RLIM_NLIMITS])
{
	static const struct rlimit defaults[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = { RLIM_INFINITY, RLIM_INFINITY },
		[RLIMIT_FSIZE] = { RLIM_INFINITY, RLIM_INFINITY },
		[RLIMIT_DATA] = { RLIM_INFINITY, RLIM_INFINITY },
		[RLIMIT_STACK] = { 8 << 20, RLIM_INFINITY },
		[RLIMIT_CORE] = { 0, RLIM_INFINITY },
		[RLIMIT_RSS] = { RLIM_INFINITY, RLIM_INFINITY },
		[RLIMIT_NPROC] = { RLIM_INFINITY, RLIM_INFINITY },
		[RLIMIT_NOFILE] = { 1024, 1 << 20 },
		[RLIMIT_MEMLOCK] = { 8 << 20, 8 << 20 },
		[RLIMIT_AS] = { RLIM_INFINITY, RLIM_INFINITY },
		[RLIMIT_LOCKS] = { RLIM_INFINITY, RLIM_INFINITY },
		[RLIMIT_SIGPENDING] = { 31000, 31000 },
		[RLIMIT_MSGQUEUE] = { 819200, 819200 },
		[RLIMIT_RTTIME] = { RLIM_INFINITY, RLIM_INFINITY },
	};

	memcpy(out, defaults, sizeof(defaults));
	for (size_t i = 0; i < p->rlimit_count; i++) {
		const struct rlimit_config *r = &p->rlimits[i];

		if (r->resource >= 0 && r->resource < RLIM_NLIMITS)
			out[r->resource] = (struct rlimit){ r->soft, r->hard };
	}
}

static int gid_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static struct cred *process_cred(const struct process_config *p)
{
	struct cred *c = cred_new_root();

	if (!c)
		return NULL;
	c->uid = c->euid = c->suid = c->fsuid = p->uid;
	c->gid = c->egid = c->sgid = c->fsgid = p->gid;
	c->bounding = p->cap_bounding & CAP_FULL;
	c->effective = p->cap_effective & CAP_FULL;
	c->permitted = p->cap_permitted & CAP_FULL;
	c->inheritable = p->cap_inheritable & CAP_FULL;
	c->ambient = p->cap_ambient & CAP_FULL;
	if (p->group_count) {
		c->groups = mem_dup(p->groups, p->group_count * sizeof(uint32_t));
		if (!c->groups) {
			cred_put(c);
			return NULL;
		}
		c->group_count = (uint32_t)p->group_count;
		qsort(c->groups, p->group_count, sizeof(uint32_t), gid_compare);
	}
	return c;
}

/* process.terminal: the first three descriptors, one pty of the host, become a terminal of ours. */
static int process_terminal(struct vfs_ctx *c, struct process_config *p, struct fdtable *fdt,
			    struct tty **tty)
{
	struct file *f;
	int err = console_new(c, p->fds[0], p->rows, p->columns, tty, &f);

	if (err)
		return err;
	p->fds[0] = -1; /* consumed */
	for (int i = 0; i < 3; i++) {
		host_close_fd(&p->fds[i]);
		if (err >= 0)
			err = fdt_add(fdt, file_get(f), 0, 1024);
	}
	file_put(f);
	return MIN(err, 0);
}

/* Under the number that it has outside; consumes f. */
static int process_file_add(const struct process_config *p, struct fdtable *fdt, size_t i, struct file *f)
{
	int fd;

	if (!p->fd_number_count)
		return MIN(fdt_add(fdt, f, 0, CONTROL_MAX_FD_NUMBER), 0);
	fd = fdt_reserve_from(fdt, (int)p->fd_numbers[i], CONTROL_MAX_FD_NUMBER);
	if (fd < 0)
		file_put(f);
	else
		fdt_install(fdt, fd, f, 0);
	return MIN(fd, 0);
}

/*
 * The standard streams and further descriptors: those of the host become files; taken out of the
 * config.  *tty: a terminal that was made for them, referenced, or NULL.
 */
static int process_files(struct vfs_ctx *c, struct process_config *p, struct fdtable **out,
			 struct tty **tty)
{
	struct fdtable *fdt = fdt_new();
	bool terminal = p->terminal && p->fd_count >= 3;
	int err = 0;

	*tty = NULL;
	if (!fdt)
		return -ENOMEM;
	if (terminal)
		err = process_terminal(c, p, fdt, tty);
	for (size_t i = terminal ? 3 : 0; i < p->fd_count && !err; i++) {
		struct file *f;

		err = hostfile_new(p->fds[i], c->cred, &f);
		if (!err) {
			p->fds[i] = -1;
			err = process_file_add(p, fdt, i, f);
		}
	}
	if (err) {
		fdt_put(NULL, fdt);
		tty_put(*tty);
		*tty = NULL;
		return err;
	}
	*out = fdt;
	return 0;
}

/* As runc: a container's own terminal is /dev/console too. */
static void container_bind_console(struct container *k, struct tty *tty)
{
	struct cred *root = cred_new_root();
	struct vfs_ctx c = { .cred = root, .mnt_ns = k->ns->mnt, .fsize_limit = UINT64_MAX,
			     .root = k->root, .cwd = k->root };
	int err = root ? console_bind(&c, tty) : -ENOMEM;

	if (err)
		log_warn("container %s: no /dev/console: %s", k->id, strerror(-err));
	cred_put(root);
}

/* As execvp: a name without '/' is looked for in PATH of the process's own environment. */
static int process_find(struct vfs_ctx *c, const struct process_config *p, char out[static PATH_LEN_MAX])
{
	const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	const char *name = p->args[0];
	int first = -ENOENT;

	if (strchr(name, '/')) {
		snprintf(out, PATH_LEN_MAX, "%s", name);
		return 0;
	}
	for (size_t i = 0; p->env && p->env[i]; i++)
		if (!strncmp(p->env[i], "PATH=", 5))
			path = p->env[i] + 5;
	while (*path) {
		int len = (int)strcspn(path, ":");
		struct path found;
		int err;

		snprintf(out, PATH_LEN_MAX, "%.*s/%s", len ? len : 1, len ? path : ".", name);
		err = vfs_walk(c, NULL, out, WALK_FOLLOW, &found);
		if (!err) {
			struct inode *i = dentry_inode(found.dentry);

			err = S_ISREG(i->mode) ? inode_permission(c, i, MAY_EXEC) : -EACCES;
			path_put(&found);
			if (!err)
				return 0;
			first = -EACCES;
		}
		path += len + (path[len] == ':');
	}
	return first;
}

/* An unsigned number of so many hex digits. */
static bool hex_take(const char **at, int digits, uint32_t *out)
{
	uint32_t v = 0;

	for (int i = 0; i < digits; i++, (*at)++) {
		char c = **at;

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = v;
	return true;
}

/* linux.seccomp, as boot.h says.  On a task that has not been started. */
static int process_filter(struct task *t, const struct process_config *p)
{
	const char *at = p->seccomp ? strchr(p->seccomp, ':') : NULL;
	uint32_t flags, code, jt, jf, k;
	struct sock_filter *insns;
	size_t count = 0;
	long err = -EINVAL;

	if (!p->seccomp)
		return 0;
	if (!at || at - p->seccomp > 8)
		return -EINVAL;
	flags = (uint32_t)strtoul(p->seccomp, NULL, 16);
	if (flags & ~(uint32_t)(SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW))
		return -EINVAL;
	insns = mem_calloc(strlen(at) / 16 + 1, sizeof(*insns));
	if (!insns)
		return -ENOMEM;
	for (at++; *at; count++) {
		if (!hex_take(&at, 4, &code) || !hex_take(&at, 2, &jt) || !hex_take(&at, 2, &jf) ||
		    !hex_take(&at, 8, &k))
			goto out;
		insns[count] = (struct sock_filter){ (uint16_t)code, (uint8_t)jt, (uint8_t)jf, k };
	}
	err = seccomp_attach(t, insns, count, flags, true);
out:
	mem_free(insns);
	return (int)err;
}

static bool container_has(struct vfs_ctx *c, const char *name)
{
	struct path at;

	if (vfs_walk(c, NULL, name, WALK_FOLLOW, &at) < 0)
		return false;
	path_put(&at);
	return true;
}

/* Make a process in k, loaded and not yet running. */
static int container_new_process(struct container *k, struct process_config *p, struct task **task,
				 struct owned_process **owned, char why[static 256])
{
	char exe[PATH_LEN_MAX];
	struct rlimit rlimits[RLIM_NLIMITS];
	struct owned_process *o = mem_new(struct owned_process);
	struct cred *cred = process_cred(p);
	struct vfs_ctx c = { .cred = cred, .mnt_ns = k->ns->mnt, .fsize_limit = UINT64_MAX,
			     .root = k->root, .cwd = k->root };
	struct process_spec spec = {
		.container = k, .pid_ns = k->pid_ns, .on_exit = owned_on_exit, .on_exit_arg = o,
		.cred = cred, .ns = k->ns, .root = k->root, .umask = p->umask,
		.rlimits = rlimits, .exe = exe, .argv = p->args, .envp = p->env,
		.no_new_privs = p->no_new_privs, .oom_score_adj = p->oom_score_adj,
	};
	int err = -ENOMEM;

	snprintf(why, 256, "out of memory in the sandbox");
	if (!o || !cred)
		goto out;
	o->container = k;
	process_rlimits(p, rlimits);
	err = vfs_walk(&c, NULL, p->cwd, WALK_FOLLOW | WALK_DIRECTORY, &spec.cwd);
	if (err) {
		snprintf(why, 256, "process.cwd: chdir to \"%s\": %s", p->cwd, strerror(-err));
		goto out;
	}
	c.cwd = spec.cwd;
	err = process_find(&c, p, exe);
	if (err == -ENOENT)
		snprintf(why, 256, "exec: \"%s\": executable file not found in $PATH", p->args[0]);
	else if (err)
		snprintf(why, 256, "exec: \"%s\": permission denied", p->args[0]);
	if (err)
		goto put_cwd;
	err = container_set_home(&c, p);
	if (err)
		goto put_cwd;
	spec.envp = p->env;
	err = process_files(&c, p, &spec.fdt, &spec.tty);
	if (err) {
		snprintf(why, 256, "standard streams: %s", strerror(-err));
		goto put_cwd;
	}
	if (spec.tty && !k->init_owned)
		container_bind_console(k, spec.tty);
	err = task_new_init(&spec, task);
	if (err) {
		snprintf(why, 256, "exec: \"%s\": %s", p->args[0],
			 err == -ENOENT && container_has(&c, exe)
				 ? "the interpreter that it names (#! or ELF): no such file or directory" :
			 err == -ENOENT ? "no such file or directory" :
			 err == -EACCES ? "permission denied" :
			 err == -ENOEXEC ? "exec format error" : strerror(-err));
		fdt_put(NULL, spec.fdt);
		goto put_cwd;
	}
	err = process_filter(*task, p);
	if (err) {
		snprintf(why, 256, "linux.seccomp: %s", strerror(-err));
		(*task)->process->on_exit = NULL; /* it has not run: nobody is told */
		process_group_exit((*task)->process, SIGKILL);
		task_put(*task);
		goto put_cwd;
	}
	o->process = process_get((*task)->process);
	o->nr = process_nr_in(o->process, k->pid_ns);
	*owned = o;
	o = NULL;
put_cwd:
	tty_put(spec.tty); /* the session and the files hold it */
	path_put(&spec.cwd);
out:
	mem_free(o);
	cred_put(cred);
	return err;
}

/* ---- create, start, exec ---------------------------------------------------------------------------- */

/*
 * The container whose namespace of that kind k is to share: the named one, or, where config.json has
 * no such namespace, the sandbox's first; NULL: a new one.  *err: -ENOENT when it is not here.
 */
static struct container *namespace_source_locked(const struct container_config *config,
						 enum ns_kind kind, int *err)
{
	struct container *k;

	if (config->ns[kind] == NS_NEW || list_empty(&containers.list))
		return NULL;
	if (config->ns[kind] == NS_SANDBOX)
		return list_first(&containers.list, struct container, node);
	k = container_peek_locked(config->ns_join[kind] ? config->ns_join[kind] : "");
	if (!k)
		*err = -ENOENT;
	return k;
}

static int container_namespaces_locked(struct container *k, const struct container_config *config)
{
	struct container *pid, *uts, *net, *ipc;
	struct ns_set *ns = k->ns;
	int err = 0;

	pid = namespace_source_locked(config, NS_PID, &err);
	uts = namespace_source_locked(config, NS_UTS, &err);
	net = namespace_source_locked(config, NS_NET, &err);
	ipc = namespace_source_locked(config, NS_IPC, &err);
	if (err)
		return err;
	k->pid_ns = pid ? pid_ns_get(pid->pid_ns) : pid_ns_new(NULL, user_ns_init);
	ns->uts = uts ? uts_ns_get(uts->ns->uts) :
		  uts_ns_new(config->hostname ? config->hostname : "localhost",
			     config->domainname ? config->domainname : "(none)", user_ns_init);
	ns->net = net ? net_ns_get(net->ns->net) : net_ns_new(user_ns_init);
	ns->ipc = ipc ? ipc_ns_get(ipc->ns->ipc) : ipc_ns_new(user_ns_init);
	if (!k->pid_ns || !ns->uts || !ns->net || !ns->ipc)
		return -ENOMEM;
	if (!net)
		ns->net->loopback_up = true;
	if (!pid)
		k->pid_ns->container = k;
	ns->pid_for_children = pid_ns_get(k->pid_ns);
	return 0;
}

static struct container *container_new(const struct container_config *config)
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
	atomic_init(&k->cpu_period_us, config->cpu_period_us);
	k->cgroups_path = mem_strdup(config->cgroups_path ? config->cgroups_path : "/");
	k->ns = mem_new(struct ns_set);
	if (!k->cgroups_path || !k->ns) {
		mem_free(k->cgroups_path);
		mem_free(k->ns);
		mem_free(k);
		return NULL;
	}
	ref_init(&k->ns->ref);
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
	if (init)
		task_start(init);
	control_reply_ok(j->req);
}

static void control_start(void *kernel, struct control_request *req, const char *id,
			  struct network_config *n)
{
	struct job *j = job_new(job_start_container, req, id);

	(void)kernel;
	if (!j) {
		network_config_free(n);
		return;
	}
	j->network = n;
	job_start(j);
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

/* ---- signals and waits ------------------------------------------------------------------------------- */

static int process_signal_outside(struct process *p, int sig)
{
	if (SIG_BIT(sig) & SIG_UNBLOCKABLE)
		return sig_send_process_forced(p, sig);
	return sig_send_process(p, sig, NULL);
}

static int container_signal_all(struct container *k, int sig)
{
	int32_t nr = 1;
	int err = -ESRCH;

	for (;; nr++) {
		struct process *p = process_next(k->pid_ns, nr, &nr);

		if (!p)
			return err;
		if (p->container == k && p->state == PROCESS_ALIVE)
			err = process_signal_outside(p, sig);
		process_put(p);
	}
}

/* Whether one of its tasks has lost its host thread: then it can't go on (a process dies as a whole). */
static bool process_is_lost(struct process *p, struct pid_ns *ns)
{
	int32_t nr = 1;

	for (;; nr++) {
		struct task *t = process_next_task(p, ns, nr, &nr);
		struct plat_thread *pt;
		bool dead;

		if (!t)
			return false;
		pt = task_pt_pin(t);
		dead = pt && plat_thread_is_dead(pt);
		if (pt)
			task_pt_unpin(t);
		task_put(t);
		if (dead)
			return true;
	}
}

static void container_kill_lost(struct container *k)
{
	int32_t nr = 1;

	for (;; nr++) {
		struct process *p = process_next(k->pid_ns, nr, &nr);

		if (!p)
			return;
		if (p->container == k && p->state == PROCESS_ALIVE && process_is_lost(p, k->pid_ns)) {
			log_info("container %s: the host killed process %d", k->id, nr);
			(void)sig_send_process_forced(p, SIGKILL);
		}
		process_put(p);
	}
}

static void kill_lost(void *arg)
{
	struct container *k;

	(void)arg;
	mutex_lock(&containers.lock);
	list_for_each_entry(k, &containers.list, node)
		container_kill_lost(k);
	mutex_unlock(&containers.lock);
}

void containers_look_for_lost(void)
{
	work_queue(&containers.lost);
}

static int container_signal_group(struct container *k, int pid, int sig)
{
	struct process *p;
	struct pid *id;
	int err = -ESRCH;

	mutex_lock(&tasklist.lock);
	id = pid_peek_locked(k->pid_ns, pid ? pid : 1);
	if (id && id->process && id->process->pgrp) {
		list_for_each_entry(p, &id->process->pgrp->members, pgrp_node)
			err = process_signal_outside(p, sig);
	}
	mutex_unlock(&tasklist.lock);
	return err;
}

static int container_signal_one(struct container *k, int pid, int sig)
{
	struct process *p = NULL;
	int err = -ESRCH;

	mutex_lock(&containers.lock);
	if (!pid && k->init_owned)
		p = process_get(k->init_owned->process);
	mutex_unlock(&containers.lock);
	if (pid)
		p = process_lookup(k->pid_ns, pid);
	if (p && p->state == PROCESS_ALIVE)
		err = process_signal_outside(p, sig);
	process_put(p);
	return err;
}

/* A container that was never started: its init must run to die. */
static void container_let_die(struct container *k)
{
	struct task *init = NULL;

	mutex_lock(&containers.lock);
	if (k->status == CONTROL_CREATED) {
		k->status = CONTROL_RUNNING;
		init = k->init;
		k->init = NULL;
	}
	mutex_unlock(&containers.lock);
	if (init)
		task_start(init);
}

NO_TSA static void job_signal(struct job *j)
{
	struct container *k = container_lock(j);
	int err;

	if (!k)
		return;
	mutex_unlock(&containers.lock);
	if (j->sig < 1 || j->sig > SIG_COUNT)
		err = j->sig ? -EINVAL : 0;
	else if (j->all)
		err = container_signal_all(k, j->sig);
	else if (j->group)
		err = container_signal_group(k, j->pid, j->sig);
	else
		err = container_signal_one(k, j->pid, j->sig);
	if (!err && j->sig == SIGKILL && (!j->pid || j->all))
		container_let_die(k);
	if (err)
		control_reply_error(j->req, err, err == -ESRCH ? "container not running"
							       : "bad signal number");
	else
		control_reply_ok(j->req);
}

static void control_signal(void *kernel, struct control_request *req, const char *id, int pid, int sig,
			   bool group, bool all)
{
	struct job *j = job_new(job_signal, req, id);

	(void)kernel;
	if (!j)
		return;
	j->pid = pid;
	j->sig = sig;
	j->group = group;
	j->all = all;
	job_start(j);
}

NO_TSA static void job_wait(struct job *j)
{
	struct container *k = container_lock(j);
	struct owned_process *o, *found = NULL;
	int status = 0;
	bool ended = false;

	if (!k)
		return;
	list_for_each_entry(o, &k->owned, node)
		if (j->pid ? o->nr == j->pid : o == k->init_owned)
			found = o;
	if (found && found->ended) {
		ended = true;
		status = found->wait_status;
		if (found != k->init_owned) {
			list_remove(&found->node);
			process_put(found->process);
			mem_free(found);
		}
	} else if (found && !found->waiting) {
		found->waiting = j->req;
		j->req = NULL;
	}
	mutex_unlock(&containers.lock);
	if (ended)
		control_reply_status(j->req, status);
	else if (j->req)
		control_reply_error(j->req, found ? -EBUSY : -ECHILD,
				    found ? "somebody waits for this process already"
					  : "no such process was made in the container");
}

static void control_wait(void *kernel, struct control_request *req, const char *id, int pid)
{
	struct job *j = job_new(job_wait, req, id);

	(void)kernel;
	if (!j)
		return;
	j->pid = pid;
	job_start(j);
}

/* ---- looking ----------------------------------------------------------------------------------------- */

#define PS_MAX 4096

NO_TSA static void job_ps(struct job *j)
{
	struct container *k = container_lock(j);
	struct control_process *list;
	char (*names)[TASK_COMM_LEN];
	size_t count = 0;
	int32_t nr = 1;

	if (!k)
		return;
	mutex_unlock(&containers.lock);
	list = mem_calloc(PS_MAX, sizeof(*list));
	names = mem_calloc(PS_MAX, sizeof(*names));
	for (; list && names && count < PS_MAX; nr++) {
		struct process *p = process_next(k->pid_ns, nr, &nr);
		struct control_process *e = &list[count];
		int64_t u, s;

		if (!p)
			break;
		if (p->container == k) {
			struct plat_thread *pt;

			mutex_lock(&tasklist.lock);
			e->pid = nr;
			e->ppid = process_nr_in(p->parent, k->pid_ns);
			pt = task_pt_pin(p->leader);
			e->stub_pid = pt ? plat_thread_host_tid(pt) : 0;
			if (pt)
				task_pt_unpin(p->leader);
			e->uid = p->leader->cred->uid;
			task_get_comm(p->leader, names[count]);
			mutex_unlock(&tasklist.lock);
			process_cpu_time(p, &u, &s);
			e->cpu_ns = u + s;
			e->start_ns = p->start_ns - clock_boot_ns() + clock_real_ns();
			e->command = names[count];
			count++;
		}
		process_put(p);
	}
	if (list && names)
		control_reply_ps(j->req, list, count);
	else
		control_reply_error(j->req, -ENOMEM, "out of memory in the sandbox");
	mem_free(list);
	mem_free(names);
}

static void control_ps(void *kernel, struct control_request *req, const char *id)
{
	struct job *j = job_new(job_ps, req, id);

	(void)kernel;
	if (j)
		job_start(j);
}

static void job_state(struct job *j)
{
	struct control_container *list = NULL;
	struct container *k;
	size_t count = 0, n = 0;

	mutex_lock(&containers.lock);
	list_for_each_entry(k, &containers.list, node)
		count++;
	list = mem_calloc(count ? count : 1, sizeof(*list));
	if (list)
		list_for_each_entry(k, &containers.list, node) {
			if (*j->id && strcmp(j->id, k->id))
				continue;
			list[n++] = (struct control_container){
				.id = k->id,
				.status = k->status,
				.pid = k->init_owned ? k->init_owned->nr : 0,
			};
		}
	if (!list)
		control_reply_error(j->req, -ENOMEM, "out of memory in the sandbox");
	else if (*j->id && !n)
		control_reply_error(j->req, -ENOENT, "container \"%s\" does not exist in this sandbox",
				    j->id);
	else
		control_reply_state(j->req, list, n);
	mutex_unlock(&containers.lock);
	mem_free(list);
}

static void control_state(void *kernel, struct control_request *req, const char *id)
{
	struct job *j = job_new(job_state, req, id);

	(void)kernel;
	if (j)
		job_start(j);
}

NO_TSA static void job_stats(struct job *j)
{
	struct container *k = container_lock(j);
	int64_t total = 0, u, s;
	struct kernel_memory m;
	int32_t nr = 1;

	if (!k)
		return;
	mutex_unlock(&containers.lock);
	for (;; nr++) {
		struct process *p = process_next(k->pid_ns, nr, &nr);

		if (!p)
			break;
		process_cpu_time(p, &u, &s);
		total += u + s;
		process_put(p);
	}
	kernel_memory(k, &m);
	control_reply_json(j->req, json_pack("{s:I,s:I,s:I}", "tasks",
			   (json_int_t)atomic_load_explicit(&k->task_count, memory_order_relaxed),
			   "cpu_ns", (json_int_t)total, "memory", (json_int_t)m.used));
}

static void control_stats(void *kernel, struct control_request *req, const char *id)
{
	struct job *j = job_new(job_stats, req, id);

	(void)kernel;
	if (j)
		job_start(j);
}

NO_TSA static void job_resize(struct job *j)
{
	struct container *k = container_lock(j);
	struct process *p = NULL;
	int err = -ESRCH;

	if (!k)
		return;
	if (!j->pid && k->init_owned)
		p = process_get(k->init_owned->process);
	mutex_unlock(&containers.lock);
	if (j->pid)
		p = process_lookup(k->pid_ns, j->pid);
	if (p)
		err = console_resize(p, j->rows, j->columns);
	process_put(p);
	if (err)
		control_reply_error(j->req, err, err == -ENOTTY ? "the process has no terminal"
								: "container not running");
	else
		control_reply_ok(j->req);
}

static void control_resize(void *kernel, struct control_request *req, const char *id, int pid,
			   unsigned short rows, unsigned short columns)
{
	struct job *j = job_new(job_resize, req, id);

	(void)kernel;
	if (!j)
		return;
	j->pid = pid;
	j->rows = rows;
	j->columns = columns;
	job_start(j);
}

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
	if (j->limits.cpu_quota_us)
		atomic_store_explicit(&k->cpu_quota_us, j->limits.cpu_quota_us, memory_order_relaxed);
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
	.start = control_start,
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
