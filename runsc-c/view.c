/* SPDX-License-Identifier: Apache-2.0 */
/* view.c: the monitor's mount namespace.  See view.h. */
#include <linux/mount.h>
#include <linux/openat2.h>

#include "runsc-c/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/attach.h"

/* sys/mount.h and linux/mount.h can't both be included. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
int umount2(const char *target, int flags);
#define MS_REC_   16384UL
#define MS_SLAVE_ (1UL << 19)
#define DETACH_   2
#define PROC_     0xe /* MS_NOSUID | MS_NODEV | MS_NOEXEC */

static int move_to(int tree, int dir, const char *path)
{
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	return (int)host_call6(SYS_move_mount, tree, (long)"", dir, (long)path, flags, 0);
}

/* Where the container sees destination; the image's links are followed inside of it only. */
static int open_target(int root, const char *destination)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	return (int)host_call4(SYS_openat2, root, (long)destination, (long)&how, sizeof(how));
}

/* The name at path, whose parent dir is: made if it is missing (the Sentry would a moment later). */
static void make_target(int dir, const char *name, bool is_dir)
{
	int fd;

	if (is_dir) {
		mkdirat(dir, name, 0755);
		return;
	}
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
}

/* open_target(), with what is missing of the path made, as runc does for mount points. */
static int ensure_target(int root, const char *destination, bool is_dir)
{
	char path[PATH_MAX];
	int fd = open_target(root, destination);

	if (fd != -ENOENT || strlen(destination) >= sizeof(path))
		return fd;
	strcpy(path, destination);
	for (char *name = path + 1, *slash; *name != '\0'; name = slash + 1) {
		int dir;
		char was;

		slash = strchrnul(name, '/');
		was = *slash;
		name[-1] = '\0';
		dir = open_target(root, *path != '\0' ? path : "/");
		name[-1] = '/';
		*slash = '\0';
		if (dir >= 0) {
			make_target(dir, name, was != '\0' || is_dir);
			close(dir);
		}
		*slash = was;
		if (was == '\0')
			break;
	}
	return open_target(root, destination);
}

/* Below a file system that only the Sentry has (/dev/shm in a tmpfs on /dev): not made on the host. */
static bool is_covered(const struct container_config *c, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		const char *over = c->mounts[k].destination;
		size_t n = strlen(over);

		if (c->mounts[k].attach < 0 && strncmp(c->mounts[i].destination, over, n) == 0 &&
		    c->mounts[i].destination[n] == '/')
			return true;
	}
	return false;
}

static void bind_all(const struct container_config *c, const struct attach *a)
{
	for (size_t i = 0, n = 1; i < c->mount_count; i++) {
		int target;

		if (c->mounts[i].attach < 0)
			continue;
		target = is_covered(c, i) ? open_target(a[0].fd, c->mounts[i].destination)
			 : ensure_target(a[0].fd, c->mounts[i].destination, c->mounts[i].is_dir);
		if (target >= 0) {
			move_to(a[n].fd, target, "");
			close(target);
		}
		n++;
	}
}

/*
 * Of the pid namespace that the monitor is init of: who looks for the container's processes there (podman top) finds them,
 * under the host's numbers and beside our own.  While the host's /proc is in sight, else a user namespace may not.
 */
static void mount_proc(const struct container_config *c, int root)
{
	char path[32];
	int target;

	for (size_t i = 0; i < c->mount_count; i++) {
		if (strcmp(c->mounts[i].destination, "/proc") != 0 || c->mounts[i].attach >= 0 || getpid() != 1)
			continue;
		target = open_target(root, "/proc");
		snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
		if (target >= 0 && mount("proc", path, "proc", PROC_, NULL) < 0)
			log_info("no /proc for the container's pid: %s", err_reason(errno));
		if (target >= 0)
			close(target);
	}
}

static int build(const struct oci_spec *spec, const char *at, const struct attach *a)
{
	int err = move_to(a[0].fd, AT_FDCWD, at);

	if (err < 0)
		return err;
	bind_all(spec->container, a);
	mount_proc(spec->container, a[0].fd);
	if (fchdir(a[0].fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", DETACH_) < 0 ||
	    chdir("/") < 0)
		return -errno;
	return 0;
}

void view_enter(const struct oci_spec *spec, const char *at)
{
	struct err e = ERR_INIT;
	struct attach *a;
	size_t count;
	int err = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC_ | MS_SLAVE_, NULL) < 0) {
		log_info("no mount namespace for the container's pid: %s", err_reason(errno));
		return;
	}
	if (attach_open(spec, OVERLAY_NONE, HOST_UDS_NONE, &a, &count, &e) < 0) {
		log_info("no mount namespace for the container's pid: %s", e.text);
		return;
	}
	err = build(spec, at, a);
	if (err < 0)
		log_info("no mount namespace for the container's pid: %s", err_reason(err));
	while (count > 0)
		host_close_fd(&a[--count].fd);
	mem_free(a);
}
