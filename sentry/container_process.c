/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_process.c: a process that the CLI asks for, from its config: credentials, limits, descriptors,
 * terminal, program, filter.
 */
#include "sentry/container_impl.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/sort.h"
#include "platform/host.h"
#include "sentry/hostfile.h"
#include "sentry/kernel.h"
#include "sentry/seccomp/seccomp.h"
#include "sentry/socket/net_ns.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sentry/tty/tty.h"

/* On the last task's fiber.  Once the lock is free, o may be gone (container_bury()); its container's struct stays. */
static void owned_on_exit(struct process *p, void *arg)
{
	struct owned_process *o = arg;
	struct container *k = o->container;
	struct control_request *waiting;
	bool init = k->init_owned == o;
	int status = p->wait_status;

	/* With init's status the sandbox ends, and its network stack with it. */
	if (init)
		net_ns_drain(k->ns->net);
	log_debug("container %s: process %d ended, status %#x", k->id, o->nr, status);
	mutex_lock(&containers.lock);
	o->ended = true;
	o->wait_status = status;
	if (init)
		k->status = CONTROL_STOPPED;
	waiting = o->waiting;
	o->waiting = NULL;
	mutex_unlock(&containers.lock);
	if (waiting)
		control_reply_status(waiting, status);
	if (init)
		container_network_ready(k, -ESRCH);
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
		sort(c->groups, p->group_count, sizeof(uint32_t), sort_u32);
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
	const char *name = p->exe ? p->exe : p->args[0];
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
		err = vfs_walk(c, NULL, out, WALK_FOLLOW | WALK_WILL_READ, &found);
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

/* What is set on a task that has not been started. */
static int process_attributes(struct task *t, const struct process_config *p, char why[static 256])
{
	const struct scheduler_config *s = p->scheduler;
	int err = process_filter(t, p);

	if (err)
		snprintf(why, 256, "linux.seccomp: %s", strerror(-err));
	t->nice = kernel_nice();
	if (!err && s) {
		err = sched_boot(t, &(struct sched_boot){ s->policy, s->priority, s->nice, s->flags,
				     s->runtime_ns, s->deadline_ns, s->period_ns });
		if (err)
			snprintf(why, 256, "process.scheduler: %s", strerror(-err));
	}
	t->ioprio = p->io_priority;
	t->personality = p->personality;
	return err;
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
int container_new_process(struct container *k, struct process_config *p, struct task **task,
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
	err = process_attributes(*task, p, why);
	if (err) {
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
