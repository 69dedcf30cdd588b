/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock.c: landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2).
 *
 * What is enforced is in vfs/landlock.c.  Nothing is logged (there is no audit), so the flags of
 * landlock_restrict_self() about logs are checked and have nothing to act on.
 *
 * Order of errors as in Linux's security/landlock/syscalls.c.
 */
#include "vfs/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>

#include "sentry/task/task_impl.h"
#include "sys_calls.h"
#include "vfs/file.h"

#define RULESET_SIZE_MIN 8 /* handled_access_fs */
#define CREATE_VERSION   1u
#define CREATE_ERRATA    2u
#define RULE_PATH        1
#define RULE_PORT        2
#define LOG_FLAGS        7u
#define LOG_SUBDOMAINS_OFF 4u

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_attr {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

struct port_attr {
	uint64_t access, port;
};

long sys_landlock_create_ruleset(struct task *t, uaddr_t attr, size_t size, unsigned int flags)
{
	struct ruleset_attr a = { 0 };
	struct file *f;
	int err;

	if (flags) {
		if (attr.addr || size || (flags != CREATE_VERSION && flags != CREATE_ERRATA))
			return -EINVAL;
		/* The three errata that there are: none applies here. */
		return flags == CREATE_VERSION ? LANDLOCK_ABI : 7;
	}
	if (!attr.addr)
		return -EFAULT;
	if (size < RULESET_SIZE_MIN)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = uaccess_get_struct(t, &a, sizeof(a), attr, size);
	if (err == 0)
		err = landlock_ruleset_new(a.fs, a.net, a.scoped, t->cred, &f);
	if (err < 0)
		return err;
	return fdt_add(t->fdt, f, O_CLOEXEC, task_rlimit(t, RLIMIT_NOFILE)); /* consumes f */
}

static int ruleset_from_fd(struct task *t, int fd, struct file **out)
{
	struct file *f = fdt_file_nopath(t->fdt, fd);

	if (!f)
		return -EBADF;
	if (!file_is_landlock(f)) {
		file_put(f);
		return -EBADFD;
	}
	*out = f;
	return 0;
}

static int add_path_rule(struct task *t, struct file *ruleset, uaddr_t attr)
{
	struct path_attr a;
	struct file *f;
	int err = uaccess_get(t, &a, attr, sizeof(a));

	if (err == 0)
		err = landlock_check_path_rights(ruleset, a.access);
	if (err < 0)
		return err;
	f = fdt_file(t->fdt, a.fd);
	if (!f)
		return -EBADF;
	err = landlock_path_is_nameable(&f->path) ? landlock_add_path(ruleset, &f->path, a.access) :
						     -EBADFD;
	file_put(f);
	return err;
}

static int add_port_rule(struct task *t, struct file *ruleset, uaddr_t attr)
{
	struct port_attr a;
	int err = uaccess_get(t, &a, attr, sizeof(a));

	return err < 0 ? err : landlock_add_port(ruleset, a.port, a.access);
}

long sys_landlock_add_rule(struct task *t, int fd, int type, uaddr_t attr, unsigned int flags)
{
	struct file *ruleset;
	int err;

	if (flags)
		return -EINVAL;
	err = ruleset_from_fd(t, fd, &ruleset);
	if (err < 0)
		return err;
	err = -EINVAL;
	if (type == RULE_PATH)
		err = add_path_rule(t, ruleset, attr);
	else if (type == RULE_PORT)
		err = add_port_rule(t, ruleset, attr);
	file_put(ruleset);
	return err;
}

long sys_landlock_restrict_self(struct task *t, int fd, unsigned int flags)
{
	struct file *ruleset;
	struct landlock *d;
	struct cred *c;
	int err;

	if (!t->no_new_privs && !task_ns_capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & ~LOG_FLAGS)
		return -EINVAL;
	if (fd == -1 && flags == LOG_SUBDOMAINS_OFF)
		return 0;
	err = ruleset_from_fd(t, fd, &ruleset);
	if (err < 0)
		return err;
	c = cred_dup(t->cred);
	err = c ? landlock_restrict(c->landlock, ruleset, &d) : -ENOMEM;
	file_put(ruleset);
	if (err < 0) {
		cred_put(c);
		return err;
	}
	landlock_put(c->landlock);
	c->landlock = d;
	task_set_cred(t, c); /* consumes c */
	return 0;
}
