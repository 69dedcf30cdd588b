/* SPDX-License-Identifier: Apache-2.0 */
/* attach.c: the host directories of a container, as descriptors.  See attach.h. */
#include <linux/mount.h>

#include "runsc-c/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gofer/protocol.h"
#include "lib/mem.h"
#include "platform/host.h"

#define MS_RDONLY_ 1UL

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

	a->fd = clone_tree(m->source, spec->bind_recursive[i]);
	if (a->fd < 0)
		return err_errno(e, a->fd, "config.json: mounts[%zu].source: \"%s\"", i, m->source);
	a->flags = flags_writable(spec, a->fd);
	if (m->flags & MS_RDONLY_) {
		a->flags = GOFER_ATTACH_RDONLY | GOFER_ATTACH_CONNECT;
		make_readonly(a->fd);
	}
	return 0;
}

int attach_describe(struct oci_spec *spec, struct err *e)
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

int attach_open(const struct oci_spec *spec, enum overlay_choice overlay, struct attach **out,
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
