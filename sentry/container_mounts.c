/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_mounts.c: a container's file systems, from its config: root, mounts, devices, masked and
 * read-only paths.
 *
 * Paths in the config come from outside and are resolved inside the container's root, whose symlinks
 * the image chose: the walk starts at the root and can't leave it.  What is missing on the way to a
 * mount point is made, as runc does.
 */
#include "sentry/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sentry/proc/proc.h"
#include "sentry/task/task_impl.h"
#include "vfs/devtmpfs.h"
#include "vfs/gofer/gofer_fs.h"
#include "vfs/overlay/overlay.h"

static int mounts_error(char why[static 256], int err, const char *what, const char *path)
{
	snprintf(why, 256, "%s \"%s\": %s", what, path, strerror(-err));
	return err;
}

/*
 * A symbolic link that leads nowhere, as path or on the way to it: what path is with the link's text in
 * its place.  -ENOENT: there is none.
 */
static int mounts_follow(struct vfs_ctx *c, const char *path, char out[static PATH_LEN_MAX])
{
	char part[PATH_LEN_MAX], *text;
	struct path p;
	int err = -ENOENT;

	for (const char *end = path; *end;) {
		bool link;
		int n;

		end += 1 + strcspn(end + 1, "/");
		snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
		if (vfs_walk(c, NULL, part, WALK_FOLLOW, &p) == 0) {
			path_put(&p);
			continue;
		}
		err = vfs_walk(c, NULL, part, 0, &p);
		if (err)
			return err;
		link = S_ISLNK(dentry_inode(p.dentry)->mode);
		err = link ? vfs_readlink(c, &p, &text) : -ENOENT;
		path_put(&p);
		if (err < 0)
			return err;
		n = *text == '/' ? snprintf(out, PATH_LEN_MAX, "%s%s", text, end)
				 : snprintf(out, PATH_LEN_MAX, "%.*s/%s%s",
					    (int)(strrchr(part, '/') - part), part, text, end);
		mem_free(text);
		return n < PATH_LEN_MAX ? 0 : -ENAMETOOLONG;
	}
	return err;
}

/*
 * Make sure that path exists, as a directory or an empty file; what is there stays.  Links that lead
 * nowhere get what they point at, inside the root, as with runc.
 */
static int mounts_ensure(struct vfs_ctx *c, const char *path, bool is_dir)
{
	char part[PATH_LEN_MAX], real[2][PATH_LEN_MAX];
	struct path p;
	int err;

	err = vfs_walk(c, NULL, path, WALK_FOLLOW, &p);
	if (!err)
		path_put(&p);
	if (err != -ENOENT)
		return err;
	for (int links = 0; mounts_follow(c, path, real[links & 1]) == 0; links++) {
		if (links == 40)
			return -ELOOP;
		path = real[links & 1];
	}
	for (const char *end = path + 1; end; ) {
		bool last;

		end = strchr(end, '/');
		last = !end;
		snprintf(part, sizeof(part), "%.*s", last ? (int)strlen(path) : (int)(end - path), path);
		if (last && !is_dir)
			err = vfs_mknod(c, NULL, part, S_IFREG | 0644, 0);
		else
			err = vfs_mkdir(c, NULL, part, 0755);
		if (err && err != -EEXIST)
			return err;
		if (end)
			end++;
	}
	return 0;
}

/* Attach points of one gofer connection. */
struct mounts_source {
	struct container *container;
	struct gconn *conn;
	bool root_exclusive;
};

static int mounts_root(struct container *k, struct vfs_ctx *c, struct mounts_source *s,
		       const struct container_config *config, char why[static 256])
{
	struct gofer_mount_args args = { .conn = s->conn, .index = 0, .flags = GOFER_FS_EXCLUSIVE };
	const struct fs_type *t = gofer_fs_type();
	struct super *lower, *sb;
	int err;

	err = t->mount(c, t, "none", NULL, &args, &lower);
	if (err)
		return mounts_error(why, err, "root.path: can't serve", "/");
	sb = lower;
	if (config->root_overlay == OVERLAY_MEMORY) {
		err = overlay_in_memory(c, lower, NULL, &sb);
		super_put(lower); /* the overlay has its own */
		if (err)
			return mounts_error(why, err, "root: can't make a memory overlay over", "/");
	}
	err = mnt_ns_new(c, sb, MS_RELATIME, &k->ns->mnt, &k->root);
	super_put(sb);
	if (err)
		return mounts_error(why, err, "root: can't mount", "/");
	c->mnt_ns = k->ns->mnt;
	c->root = c->cwd = k->root;
	return 0;
}

/* As runc: a tmpfs whose options have no mode gets that of the directory it covers. */
static const char *mounts_data(const struct mount_config *m, const struct path *at, char text[static 4096])
{
	if (strcmp(m->type, "tmpfs") != 0 || strncmp(m->data, "mode=", 5) == 0 || strstr(m->data, ",mode="))
		return m->data;
	if (snprintf(text, 4096, "%s%smode=%o", m->data, *m->data ? "," : "",
		     dentry_inode(at->dentry)->mode & 07777) >= 4096)
		return m->data;
	return text;
}

/* Remount flags of a bind apply to the bind alone; propagation is a call of its own. */
static int mounts_one(struct vfs_ctx *c, struct mounts_source *s, const struct mount_config *m)
{
	struct gofer_mount_args args = { .conn = s->conn };
	const struct fs_type *t;
	unsigned long flags = m->flags & ~(unsigned long)(MS_BIND | MS_REC);
	char own_mode[4096];
	struct path at;
	bool there = vfs_walk(c, NULL, m->destination, WALK_FOLLOW, &at) == 0;
	int err;

	if (there)
		path_put(&at);
	err = mounts_ensure(c, m->destination, m->attach < 0 || m->is_dir);
	if (err)
		return err;
	err = vfs_walk(c, NULL, m->destination, WALK_FOLLOW, &at);
	if (err)
		return err;
	if (m->attach >= 0) {
		args.index = (uint32_t)m->attach;
		if (m->is_dir && (m->propagation & (MS_SLAVE | MS_SHARED)))
			args.flags = GOFER_FS_FOLLOWS;
		/* Not the source: the host's path is nobody's business in there. */
		err = vfs_mount_internal(c, gofer_fs_type(), "none", &at, flags, NULL, &args);
	} else {
		const char *data = there ? mounts_data(m, &at, own_mode) : m->data;

		t = fs_type_find(m->type);
		err = t ? vfs_mount_internal(c, t, m->source, &at, flags, data,
					     t->flags & FS_OF_CONTAINER ? (void *)s->container
					     : strcmp(m->type, "mqueue") == 0 ? s->container->ns->ipc : NULL)
			: -ENODEV;
	}
	path_put(&at);
	if (!err && m->propagation)
		err = vfs_mount(c, NULL, m->destination, NULL, m->propagation, NULL);
	return err;
}

/* /dev/null and the others that every container has (runtime-spec, "Default Devices"). */
static int mounts_default_devices(struct vfs_ctx *c)
{
	struct path dev;
	int err = vfs_walk(c, NULL, "/dev", WALK_FOLLOW | WALK_DIRECTORY, &dev);

	if (err)
		return 0; /* an image without /dev, read-only */
	err = devtmpfs_populate(c, &dev);
	path_put(&dev);
	if (err)
		log_warn("can't make the default devices: %s", strerror(-err));
	return 0;
}

static int mounts_devices(struct vfs_ctx *c, const struct container_config *config, char why[static 256])
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
		{ "pts/ptmx", "/dev/ptmx" },
	};
	int err;

	for (size_t i = 0; i < config->device_count; i++) {
		const struct device_config *d = &config->devices[i];
		uint32_t type = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
		struct setattr own = { .mask = SETATTR_UID | SETATTR_GID | SETATTR_MODE,
				       .uid = d->uid, .gid = d->gid, .mode = d->mode };
		char parent[PATH_LEN_MAX];
		struct path p;

		snprintf(parent, sizeof(parent), "%s", d->path);
		*strrchr(parent, '/') = '\0';
		if (*parent)
			mounts_ensure(c, parent, true);
		err = vfs_mknod(c, NULL, d->path, type | d->mode, makedev(d->major, d->minor));
		if (err == -EEXIST)
			continue; /* the image's own, or the host's in `do` */
		if (!err)
			err = vfs_walk(c, NULL, d->path, 0, &p);
		if (err)
			return mounts_error(why, err, "linux.devices: can't make", d->path);
		err = vfs_setattr(c, &p, &own);
		path_put(&p);
		if (err)
			return mounts_error(why, err, "linux.devices: can't set the owner of", d->path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		err = vfs_symlink(c, links[i][0], NULL, links[i][1]);
		if (err && err != -EEXIST && err != -ENOENT)
			log_warn("can't make %s: %s", links[i][1], strerror(-err));
	}
	return mounts_default_devices(c);
}

static int mounts_mask(struct vfs_ctx *c, const char *path)
{
	struct path p;
	bool is_dir;
	int err = vfs_walk(c, NULL, path, WALK_FOLLOW, &p);

	if (err == -ENOENT || err == -ENOTDIR)
		return 0;
	if (err)
		return err;
	is_dir = S_ISDIR(dentry_inode(p.dentry)->mode);
	path_put(&p);
	if (is_dir)
		return vfs_mount(c, "tmpfs", path, "tmpfs", MS_RDONLY, "size=0k");
	return vfs_mount(c, "/dev/null", path, NULL, MS_BIND, NULL);
}

static int mounts_readonly(struct vfs_ctx *c, const char *path)
{
	unsigned long kept = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME;
	int err = vfs_mount(c, path, path, NULL, MS_BIND | MS_REC, NULL);
	struct path p;

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = vfs_walk(c, NULL, path, WALK_FOLLOW, &p);
	if (err)
		return err;
	kept &= mount_flags(p.mnt);
	path_put(&p);
	return vfs_mount(c, NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | kept, NULL);
}

static int mounts_sysctl(struct vfs_ctx *c, const struct sysctl_config *s)
{
	struct open_how_args how = { .flags = O_WRONLY | O_TRUNC };
	char path[PATH_LEN_MAX];
	struct file *f;
	struct uio u;
	ssize_t n;
	int err;

	snprintf(path, sizeof(path), "/proc/sys/%s", s->name);
	for (char *at = path + 10; *at; at++) /* sysctl(8): a dot of an interface's name is a slash */
		*at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
	err = vfs_open(c, NULL, path, &how, &f);
	if (err)
		return err;
	uio_init_kernel(&u, s->value, strlen(s->value));
	n = file_write(c, f, &u);
	file_put(f);
	return n < 0 ? (int)n : 0;
}

/* That of an interface which `start` brings: kept until then. */
static int mounts_sysctl_or_later(struct container *k, struct vfs_ctx *c, struct sysctl_config *s, size_t count)
{
	int err = mounts_sysctl(c, s);

	if (err == -ENOENT)
		err = proc_sysctl_set_nic(k->ns->net, s->name, s->value);
	if (err != -ENODEV)
		return err;
	if (!k->late_sysctls)
		k->late_sysctls = mem_calloc(count, sizeof(*k->late_sysctls));
	if (!k->late_sysctls)
		return -ENOMEM;
	k->late_sysctls[k->late_sysctl_count++] = *s;
	s->name = s->value = NULL;
	return 0;
}

static int mounts_all(struct container *k, struct vfs_ctx *c, struct mounts_source *s,
		      const struct container_config *config, char why[static 256])
{
	int err = mounts_root(k, c, s, config, why);

	if (err)
		return err;
	if (config->root_propagation) {
		err = vfs_mount(c, NULL, "/", NULL, config->root_propagation, NULL);
		if (err)
			return mounts_error(why, err, "linux.rootfsPropagation: can't set that of", "/");
	}
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct mount_config *m = &config->mounts[i];

		err = mounts_one(c, s, m);
		if (err) {
			bool options = err == -EINVAL && m->data && *m->data;

			snprintf(why, 256, "mounts[%zu]: can't mount %s on \"%s\"%s%s%s: %s", i, m->type,
				 m->destination, options ? " with options \"" : "", options ? m->data : "",
				 options ? "\"" : "", strerror(-err));
			return err;
		}
	}
	err = mounts_devices(c, config, why);
	if (err)
		return err;
	for (size_t i = 0; i < config->sysctl_count; i++) {
		err = mounts_sysctl_or_later(k, c, &config->sysctls[i], config->sysctl_count);
		if (err)
			return mounts_error(why, err, "linux.sysctl: can't set", config->sysctls[i].name);
	}
	for (size_t i = 0; config->masked_paths && config->masked_paths[i]; i++) {
		err = mounts_mask(c, config->masked_paths[i]);
		if (err)
			return mounts_error(why, err, "linux.maskedPaths: can't mask",
					    config->masked_paths[i]);
	}
	for (size_t i = 0; config->readonly_paths && config->readonly_paths[i]; i++) {
		err = mounts_readonly(c, config->readonly_paths[i]);
		if (err)
			return mounts_error(why, err, "linux.readonlyPaths: can't protect",
					    config->readonly_paths[i]);
	}
	/* As runc: a working directory that the image lacks is made. */
	if (config->process) {
		err = mounts_ensure(c, config->process->cwd, true);
		if (err)
			log_info("container %s: can't make \"%s\": %s", k->id, config->process->cwd,
				 strerror(-err));
	}
	if (config->root_readonly) {
		err = vfs_mount(c, NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
		if (err)
			return mounts_error(why, err, "root.readonly: can't remount", "/");
	}
	return 0;
}

int container_mount_all(struct container *k, struct vfs_ctx *c, struct container_config *config,
			char why[static 256])
{
	struct mounts_source s = { .container = k };
	int err = gconn_new(config->gofer_fd, &s.conn);

	if (err)
		return mounts_error(why, err, "gofer: no answer for", "/");
	config->gofer_fd = -1; /* consumed */
	err = mounts_all(k, c, &s, config, why);
	gconn_put(s.conn); /* the supers hold it */
	return err;
}
