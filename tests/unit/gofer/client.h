/* SPDX-License-Identifier: Apache-2.0 */
/* client.h: a Gofer (fixture.h) with the gofer file system on top, mounted as the root. */
#pragma once

#include "tests/unit/gofer/fixture.h"

#include "lib/mem.h"
#include "vfs/gofer/gofer_fs.h"
#include "vfs/vfs.h"

struct client {
	struct fixture fx;
	struct gconn *conn;
	struct super *sb;
	struct vfs_ctx c;
	struct cred *cred;
};

static MAYBE_UNUSED int client_start(void **state, uint32_t index, uint32_t flags)
{
	struct client *cl = calloc(1, sizeof(*cl));
	struct fixture *fx = &cl->fx;
	struct gofer_mount_args a = { .index = index, .flags = flags };

	*state = cl;
	strcpy(fx->dir, "/tmp/test_gofer.XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	assert_int_equal(chmod(fx->dir, 0755), 0);
	fx->dir_fd = open(fx->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	host_file(fx, "bound", "bound\n");
	fixture_start(fx);
	assert_int_equal(vfs_init(), 0);
	assert_int_equal(gconn_new(fx->t.fd, &cl->conn), 0);
	fx->t.fd = -1;
	a.conn = cl->conn;
	cl->cred = cred_new_root();
	cl->c = (struct vfs_ctx){ .cred = cl->cred, .umask = 022, .fsize_limit = UINT64_MAX };
	assert_int_equal(gofer_fs_type()->mount(&cl->c, gofer_fs_type(), "none", NULL, &a, &cl->sb), 0);
	assert_int_equal(mnt_ns_new(&cl->c, cl->sb, 0, &cl->c.mnt_ns, &cl->c.root), 0);
	cl->c.cwd = cl->c.root;
	path_get(&cl->c.cwd);
	return 0;
}

static MAYBE_UNUSED int client_end(void **state)
{
	struct client *cl = *state;

	path_put(&cl->c.cwd);
	path_put(&cl->c.root);
	mnt_ns_put(cl->c.mnt_ns);
	super_put(cl->sb);
	gconn_put(cl->conn);
	cred_put(cl->cred);
	assert_int_equal(fixture_end(&cl->fx), 200);
	close(cl->fx.dir_fd);
	remove_dir(&cl->fx);
	free(cl);
	return 0;
}

static MAYBE_UNUSED int exclusive(void **state)
{
	return client_start(state, RW, GOFER_FS_EXCLUSIVE);
}

static MAYBE_UNUSED int shared(void **state)
{
	return client_start(state, RW, 0);
}

/* ---- system calls, roughly ----------------------------------------------------------------- */

static MAYBE_UNUSED int v_open(struct client *cl, const char *name, int flags, uint32_t mode,
			       struct file **out)
{
	struct open_how_args how = { .flags = flags, .mode = mode };

	return vfs_open(&cl->c, NULL, name, &how, out);
}

static MAYBE_UNUSED int v_stat(struct client *cl, const char *name, struct attr *out)
{
	struct path p;
	int err = vfs_walk(&cl->c, NULL, name, 0, &p);

	if (err < 0)
		return err;
	err = vfs_getattr(&cl->c, &p, STATX_BASIC_STATS, out);
	path_put(&p);
	return err;
}

static MAYBE_UNUSED int v_setattr(struct client *cl, const char *name, struct setattr a)
{
	struct path p;
	int err = vfs_walk(&cl->c, NULL, name, 0, &p);

	if (err < 0)
		return err;
	err = vfs_setattr(&cl->c, &p, &a);
	path_put(&p);
	return err;
}

static MAYBE_UNUSED ssize_t v_write(struct client *cl, struct file *f, const void *p, size_t size)
{
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)p, size);
	return file_write(&cl->c, f, &u);
}

static MAYBE_UNUSED ssize_t v_read(struct client *cl, struct file *f, void *p, size_t size)
{
	struct uio u;

	uio_init_kernel(&u, p, size);
	return file_read(&cl->c, f, &u);
}

static MAYBE_UNUSED void v_create(struct client *cl, const char *name, const char *text)
{
	struct file *f;

	assert_int_equal(v_open(cl, name, O_CREAT | O_EXCL | O_WRONLY, 0644, &f), 0);
	assert_int_equal(v_write(cl, f, text, strlen(text)), strlen(text));
	file_put(f);
}
