/* SPDX-License-Identifier: Apache-2.0 */
/* attach.c: the host directories of a container, as descriptors.  See attach.h. */
#include <linux/mount.h>

#include "runsc-c/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gofer/protocol.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/spawn.h"

#define MS_RDONLY_ 1UL
#define MS_SLAVE_  (1UL << 19)
#define MS_SHARED_ (1UL << 20)

static int clone_tree(const char *path, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	int fd = (int)host_call(SYS_open_tree, AT_FDCWD, path, flags | (recursive ? AT_RECURSIVE : 0));

	/* In a user namespace a tree comes only with the mounts that cover parts of it. */
	if (fd == -EINVAL && !recursive)
		fd = (int)host_call(SYS_open_tree, AT_FDCWD, path, flags | AT_RECURSIVE);
	return fd;
}

/* Have the host refuse writes too.  Not on kernels before 5.12: there the Gofer's flag stands alone. */
static void make_readonly(int fd)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	host_call6(SYS_mount_setattr, fd, (long)"", AT_EMPTY_PATH, (long)&attr, sizeof(attr), 0);
}

/* No device node below can be opened by anybody who comes this way; false: the host can't do that. */
static bool make_nodev(int fd)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV };

	return host_call6(SYS_mount_setattr, fd, (long)"", AT_EMPTY_PATH | AT_RECURSIVE, (long)&attr,
			  sizeof(attr), 0) == 0;
}

/* Whether linux.devices has nodes for other places than a file system of the Sentry's, such as /dev. */
static bool devices_on_host(const struct oci_spec *spec)
{
	const struct container_config *c = spec->container;

	for (size_t i = 0; i < c->device_count; i++) {
		bool covered = false;

		for (size_t k = 0; k < c->mount_count && !covered; k++) {
			size_t n = strlen(c->mounts[k].destination);

			covered = strcmp(c->mounts[k].type, "bind") != 0 &&
				  strncmp(c->devices[i].path, c->mounts[k].destination, n) == 0 &&
				  c->devices[i].path[n] == '/';
		}
		if (!covered)
			return true;
	}
	return false;
}

/*
 * A container with CAP_MKNOD in its bounding set makes device nodes, as under other runtimes; what they
 * stand for inside is the Sentry's business.  The Gofer itself can't open one.
 */
static uint32_t flags_writable(const struct oci_spec *spec, int fd)
{
	const struct process_config *p = spec->container->process;
	uint32_t flags = GOFER_ATTACH_CONNECT | GOFER_ATTACH_BIND;

	if (make_nodev(fd) && ((p && (p->cap_bounding >> CAP_MKNOD & 1)) || devices_on_host(spec)))
		flags |= GOFER_ATTACH_DEVICES;
	return flags;
}

/* ---- id-mapped mounts ----------------------------------------------------------------------- */

/* What the container's own user namespace calls id, outside; id itself where there is none. */
static uint32_t map_out(const struct id_map_config *map, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (id >= map[i].container_id && id - map[i].container_id < map[i].size)
			return map[i].host_id + (id - map[i].container_id);
	return id;
}

static int write_id_map(pid_t pid, const char *file, const struct id_map_config *map, size_t count,
			const struct id_map_config *own, size_t own_count)
{
	char path[64], text[4096];
	size_t n = 0;
	int fd, err;

	for (size_t i = 0; i < count && n < sizeof(text) - 48; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u %u %u\n", map[i].container_id,
				      map[i].relative ? map_out(own, own_count, map[i].host_id)
						      : map[i].host_id, map[i].size);
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write(fd, text, n) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* A user namespace with the mount's mappings: of a child that does nothing else. */
static int mapping_namespace(const struct container_config *c, const struct oci_bind *b)
{
	const struct id_map_config *uids = b->uid_map ? b->uid_map : c->uid_map;
	const struct id_map_config *gids = b->gid_map ? b->gid_map : c->gid_map;
	size_t uid_count = b->uid_map ? b->uid_map_count : c->uid_map_count;
	size_t gid_count = b->gid_map ? b->gid_map_count : c->gid_map_count;
	int pidfd = -1, fd, err;
	pid_t pid = spawn_fork(-1, CLONE_NEWUSER | CLONE_PIDFD, &pidfd);
	pid_t outside; /* as /proc has it: ours is perhaps not that of our pid namespace */
	char path[64];

	if (pid == 0) {
		/* Blocked signals, as the monitor has: only the kill below ends it, or our own end. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0)
		return pid;
	outside = spawn_pid_of(pidfd);
	close(pidfd);
	err = write_id_map(outside, "uid_map", uids, uid_count, c->uid_map, c->uid_map_count);
	if (err == 0)
		err = write_id_map(outside, "gid_map", gids, gid_count, c->gid_map, c->gid_map_count);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", outside);
	fd = err < 0 ? err : host_openat(AT_FDCWD, path, O_RDONLY, 0);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

/* The host's kernel maps the ids of whoever comes this way. */
static int map_ids(const struct oci_spec *spec, size_t i, int fd, struct err *e)
{
	const struct oci_bind *b = &spec->binds[i];
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	long err;
	int ns;

	if (!b->uid_map && spec->container->uid_map_count == 0)
		return err_set(e, EINVAL, "config.json: mounts[%zu].options: id-mapped, but there are no "
			       "mappings", i);
	ns = mapping_namespace(spec->container, b);
	if (ns < 0)
		return err_errno(e, ns, "config.json: mounts[%zu].uidMappings", i);
	attr.userns_fd = (uint64_t)ns;
	err = host_call6(SYS_mount_setattr, fd, (long)"",
			 AT_EMPTY_PATH | (b->id_mapped_recursive ? AT_RECURSIVE : 0), (long)&attr,
			 sizeof(attr), 0);
	close(ns);
	return err < 0 ? err_errno(e, (int)err, "config.json: mounts[%zu]: can't map ids of \"%s\"", i,
				   spec->container->mounts[i].source) : 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int open_root(const struct oci_spec *spec, enum overlay_choice overlay, struct attach *a,
		     struct err *e)
{
	a->fd = clone_tree(spec->rootfs, true);
	if (a->fd < 0)
		return err_errno(e, a->fd, "config.json: root.path: \"%s\"", spec->rootfs);
	a->flags = flags_writable(spec, a->fd);
	if (overlay == OVERLAY_MEMORY) {
		/* The host's sockets are not the sandbox's business when writes stay inside. */
		a->flags = GOFER_ATTACH_RDONLY;
		make_readonly(a->fd);
	}
	return 0;
}

static int open_bind(const struct oci_spec *spec, size_t i, struct attach *a, struct err *e)
{
	const struct mount_config *m = &spec->container->mounts[i];

	a->fd = clone_tree(m->source, spec->binds[i].recursive);
	if (a->fd < 0)
		return err_errno(e, a->fd, "config.json: mounts[%zu].source: \"%s\"", i, m->source);
	if (spec->binds[i].id_mapped && map_ids(spec, i, a->fd, e) < 0) {
		host_close_fd(&a->fd);
		return e->error;
	}
	a->flags = flags_writable(spec, a->fd);
	if (m->flags & MS_RDONLY_) {
		a->flags = GOFER_ATTACH_RDONLY | GOFER_ATTACH_CONNECT;
		make_readonly(a->fd);
	}
	if (m->is_dir && (m->propagation & MS_SLAVE_))
		a->tree = SPAWN_TREE_SLAVE;
	if (m->is_dir && (m->propagation & MS_SHARED_)) {
		a->tree = SPAWN_TREE_PEER;
		if (!(a->flags & GOFER_ATTACH_RDONLY))
			a->flags |= GOFER_ATTACH_MOUNT;
	}
	return 0;
}

/*
 * linux.namespaces' mount namespace by path: paths of the host are looked up in there.  -1: there is
 * none, else what attach_leave() takes.
 */
static int enter_mount_namespace(const struct oci_spec *spec, struct err *e)
{
	const char *path = spec->namespaces[OCI_NS_MOUNT].path;
	int own, fd;

	if (path == NULL)
		return -1;
	own = host_openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY, 0);
	fd = host_openat(AT_FDCWD, path, O_RDONLY, 0);
	if (own < 0 || fd < 0 || setns(fd, CLONE_NEWNS) < 0)
		err_errno(e, own < 0 ? own : fd < 0 ? fd : errno,
			  "config.json: linux.namespaces: mount namespace \"%s\"", path);
	host_close_fd(&fd);
	if (err_is(e))
		host_close_fd(&own);
	return own;
}

static void leave_mount_namespace(int own, struct err *e)
{
	if (own < 0)
		return;
	if (setns(own, CLONE_NEWNS) < 0)
		err_errno(e, errno, "can't return to the own mount namespace");
	close(own);
}

static int describe_binds(struct oci_spec *spec, struct err *e)
{
	struct container_config *c = spec->container;
	int next = 1;

	for (size_t i = 0; i < c->mount_count; i++) {
		struct mount_config *m = &c->mounts[i];
		struct stat st;

		if (strcmp(m->type, "bind") != 0)
			continue;
		if (stat(m->source, &st) < 0)
			return err_errno(e, errno, "config.json: mounts[%zu].source: \"%s\"", i,
					 m->source);
		m->is_dir = S_ISDIR(st.st_mode);
		m->attach = next++;
	}
	return 0;
}

int attach_describe(struct oci_spec *spec, struct err *e)
{
	int own = enter_mount_namespace(spec, e);

	if (!err_is(e))
		describe_binds(spec, e);
	leave_mount_namespace(own, e);
	return e->error;
}

/* What is bound on a peer of the host's must be in the same mount namespace, or Linux refuses. */
static void place_sources(const struct container_config *c, struct attach *a, size_t count)
{
	bool peers = false;

	for (size_t i = 0; i < count; i++)
		peers = peers || a[i].tree == SPAWN_TREE_PEER;
	if (!peers)
		return;
	a[0].tree = SPAWN_TREE_PRIVATE;
	for (size_t i = 0; i < c->mount_count; i++) {
		struct attach *at = c->mounts[i].attach > 0 ? &a[c->mounts[i].attach] : NULL;

		if (at != NULL && c->mounts[i].is_dir && at->tree == SPAWN_TREE_NONE)
			at->tree = SPAWN_TREE_PRIVATE;
	}
}

static int open_all(const struct oci_spec *spec, enum overlay_choice overlay, struct attach **out,
		    size_t *count, struct err *e)
{
	const struct container_config *c = spec->container;
	struct attach *a = mem_calloc(c->mount_count + 1, sizeof(*a));
	size_t n = 0;

	if (a == NULL)
		return err_set(e, ENOMEM, "out of memory");
	if (open_root(spec, overlay, &a[n++], e) < 0)
		goto free_array;
	for (size_t i = 0; i < c->mount_count; i++) {
		if (strcmp(c->mounts[i].type, "bind") != 0)
			continue;
		if (open_bind(spec, i, &a[n], e) < 0)
			goto close_all;
		n++;
	}
	place_sources(c, a, n);
	*out = a;
	*count = n;
	return 0;

close_all:
	while (n > 0)
		host_close_fd(&a[--n].fd);
free_array:
	mem_free(a);
	return e->error;
}

/* The root has none that are made inside: they are this container's own business. */
static void limit_sockets(struct attach *a, size_t count, enum host_uds uds)
{
	for (size_t i = 0; i < count; i++) {
		if (!(uds & HOST_UDS_OPEN))
			a[i].flags &= ~(uint32_t)GOFER_ATTACH_CONNECT;
		if (i == 0 || !(uds & HOST_UDS_CREATE))
			a[i].flags &= ~(uint32_t)GOFER_ATTACH_BIND;
	}
}

int attach_open(const struct oci_spec *spec, enum overlay_choice overlay, enum host_uds uds,
		struct attach **out, size_t *count, struct err *e)
{
	int own = enter_mount_namespace(spec, e);

	if (!err_is(e) && open_all(spec, overlay, out, count, e) == 0)
		limit_sockets(*out, *count, uds);
	leave_mount_namespace(own, e);
	return e->error;
}
