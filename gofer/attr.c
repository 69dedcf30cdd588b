/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attr.c: requests about what is known of an inode: attributes, extended attributes, statfs.
 */
#include "gofer/gofer_impl.h"

#include <errno.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/sysmacros.h>

/* ---- attributes ---------------------------------------------------------------------------- */

int gofer_stat(int fd, struct statx *sx)
{
	return host_statx(fd, "", AT_EMPTY_PATH, GOFER_STATX_MASK, sx);
}

void gofer_attr_fill(struct gofer_attr *a, const struct statx *sx)
{
	*a = (struct gofer_attr){
		.ino = sx->stx_ino,
		.dev = makedev(sx->stx_dev_major, sx->stx_dev_minor),
		.rdev = makedev(sx->stx_rdev_major, sx->stx_rdev_minor),
		.size = sx->stx_size,
		.blocks = sx->stx_blocks,
		.attributes = sx->stx_attributes,
		.attributes_mask = (uint32_t)sx->stx_attributes_mask,
		.atime_sec = sx->stx_atime.tv_sec,
		.mtime_sec = sx->stx_mtime.tv_sec,
		.ctime_sec = sx->stx_ctime.tv_sec,
		.atime_nsec = sx->stx_atime.tv_nsec,
		.mtime_nsec = sx->stx_mtime.tv_nsec,
		.ctime_nsec = sx->stx_ctime.tv_nsec,
		.mode = sx->stx_mode,
		.nlink = sx->stx_nlink,
		.uid = sx->stx_uid,
		.gid = sx->stx_gid,
		.blksize = sx->stx_blksize,
	};
	if (sx->stx_mask & STATX_BTIME) {
		a->btime_sec = sx->stx_btime.tv_sec;
		a->btime_nsec = sx->stx_btime.tv_nsec;
	}
	if (sx->stx_mask & STATX_MNT_ID)
		a->mnt_id = sx->stx_mnt_id;
}

void gofer_put_attr(struct gofer_request *r, const struct statx *sx)
{
	struct gofer_attr_reply *a = gofer_put(r, sizeof(*a));

	gofer_attr_fill(&a->attr, sx);
}

/* Zeros where the host does not tell: others than those known. */
static bool dir_times(int fd, struct statx *sx)
{
	return host_statx(fd, "", AT_EMPTY_PATH, STATX_MTIME | STATX_CTIME, sx) == 0;
}

void gofer_change_begin(struct gofer_watch *w, int fd)
{
	struct statx sx;

	*w = (struct gofer_watch){ .fd = fd };
	if (!dir_times(fd, &sx))
		return;
	w->c.before_mtime_sec = sx.stx_mtime.tv_sec;
	w->c.before_ctime_sec = sx.stx_ctime.tv_sec;
	w->c.before_mtime_nsec = sx.stx_mtime.tv_nsec;
	w->c.before_ctime_nsec = sx.stx_ctime.tv_nsec;
}

void gofer_change_end(struct gofer_request *r, struct gofer_watch *w)
{
	struct statx sx;

	if (dir_times(w->fd, &sx)) {
		w->c.after_mtime_sec = sx.stx_mtime.tv_sec;
		w->c.after_ctime_sec = sx.stx_ctime.tv_sec;
		w->c.after_mtime_nsec = sx.stx_mtime.tv_nsec;
		w->c.after_ctime_nsec = sx.stx_ctime.tv_nsec;
	}
	memcpy(gofer_put(r, sizeof(w->c)), &w->c, sizeof(w->c));
}

/* chmod of any descriptor; by its magic link, as fchmodat2(2) is younger than what we support. */
static int chmod_fd(int fd, uint32_t mode)
{
	struct gofer_fd_name name = gofer_fd_name(fd);

	return host_fchmodat(AT_FDCWD, name.text, mode);
}

int gofer_set_owner_mode(int fd, uint32_t uid, uint32_t gid, uint32_t mode, struct statx *sx)
{
	int err = 0;

	if (sx->stx_uid != uid || sx->stx_gid != gid) {
		err = host_fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
		if (err == 0)
			err = gofer_stat(fd, sx);
	}
	if (err < 0)
		return err;
	/* An inherited ACL or a setgid directory may have changed what was asked for. */
	if (S_ISLNK(sx->stx_mode) || (sx->stx_mode & 07777) == (mode & 07777))
		return 0;
	err = chmod_fd(fd, mode & 07777);
	if (err < 0)
		return err;
	return gofer_stat(fd, sx);
}

static int answer_attr(struct gofer_request *r, int fd)
{
	struct statx sx;
	int err = gofer_stat(fd, &sx);

	if (err == 0)
		gofer_put_attr(r, &sx);
	return err;
}

int gofer_req_getattr(struct gofer_request *r)
{
	const struct gofer_fid *q = (const void *)r->body;
	const struct gofer_node *n = gofer_node_peek(r->s, q->fid);

	return n ? answer_attr(r, n->fd) : -EBADF;
}

int gofer_req_getattrs(struct gofer_request *r)
{
	const struct gofer_getattrs *q = (const void *)r->body;
	uint32_t fid;

	if (q->count == 0 || q->count > GOFER_GETATTRS_MAX || r->left != q->count * sizeof(fid))
		return GOFER_MALFORMED;
	for (uint32_t i = 0; i < q->count; i++) {
		struct gofer_attr *a = gofer_put(r, sizeof(*a));
		const struct gofer_node *n;
		struct statx sx;

		memcpy(&fid, gofer_take(r, sizeof(fid)), sizeof(fid));
		n = gofer_node_peek(r->s, fid);
		if (n && gofer_stat(n->fd, &sx) == 0)
			gofer_attr_fill(a, &sx);
		else
			*a = (struct gofer_attr){ .mode = 0 };
	}
	return 0;
}

static bool bad_setattr(const struct gofer_setattr *q)
{
	if (q->mask & ~(uint32_t)GOFER_SET_ALL || q->mode & ~07777u)
		return true;
	if (q->atime_nsec >= NSEC_PER_SEC || q->mtime_nsec >= NSEC_PER_SEC)
		return true;
	if ((q->mask & GOFER_SET_UID && q->uid == UINT32_MAX) ||
	    (q->mask & GOFER_SET_GID && q->gid == UINT32_MAX))
		return true;
	return q->size > INT64_MAX;
}

static int set_size(const struct gofer_node *n, uint64_t size)
{
	struct gofer_fd_name name = gofer_fd_name(n->fd);

	if (n->type != S_IFREG)
		return n->type == S_IFDIR ? -EISDIR : -EINVAL;
	return host_truncate(name.text, (int64_t)size);
}

static struct timespec new_time(uint32_t mask, uint32_t set, uint32_t now, int64_t sec, uint32_t nsec)
{
	if (mask & now)
		return (struct timespec){ 0, UTIME_NOW };
	if (mask & set)
		return (struct timespec){ sec, nsec };
	return (struct timespec){ 0, UTIME_OMIT };
}

static int set_times(const struct gofer_node *n, const struct gofer_setattr *q)
{
	struct timespec ts[2] = {
		new_time(q->mask, GOFER_SET_ATIME, GOFER_SET_ATIME_NOW, q->atime_sec, q->atime_nsec),
		new_time(q->mask, GOFER_SET_MTIME, GOFER_SET_MTIME_NOW, q->mtime_sec, q->mtime_nsec),
	};

	if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	return host_utimensat(n->fd, "", ts, AT_EMPTY_PATH);
}

int gofer_req_setattr(struct gofer_request *r)
{
	const struct gofer_setattr *q = (const void *)r->body;
	uint32_t uid = q->mask & GOFER_SET_UID ? q->uid : UINT32_MAX;
	uint32_t gid = q->mask & GOFER_SET_GID ? q->gid : UINT32_MAX;
	struct gofer_node *n;
	int err;

	if (bad_setattr(q))
		return GOFER_MALFORMED;
	err = gofer_node_change(r->s, q->fid, &n);
	if (err < 0)
		return err;
	if (uid != UINT32_MAX || gid != UINT32_MAX)
		err = host_fchownat(n->fd, "", uid, gid, AT_EMPTY_PATH);
	if (err == 0 && q->mask & GOFER_SET_MODE)
		err = n->type == S_IFLNK ? -EOPNOTSUPP : chmod_fd(n->fd, q->mode);
	if (err == 0 && q->mask & GOFER_SET_SIZE)
		err = set_size(n, q->size);
	if (err == 0)
		err = set_times(n, q);
	if (err == 0)
		err = answer_attr(r, n->fd);
	return err;
}

int gofer_req_statfs(struct gofer_request *r)
{
	const struct gofer_fid *q = (const void *)r->body;
	const struct gofer_node *n = gofer_node_peek(r->s, q->fid);
	struct gofer_statfs *a;
	struct statfs st;
	int err;

	if (!n)
		return -EBADF;
	err = host_fstatfs(n->fd, &st);
	if (err < 0)
		return err;
	a = gofer_put(r, sizeof(*a));
	*a = (struct gofer_statfs){
		.type = (uint64_t)st.f_type,
		.bsize = (uint64_t)st.f_bsize,
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.namelen = (uint64_t)st.f_namelen,
		.frsize = (uint64_t)st.f_frsize,
		.flags = (uint64_t)st.f_flags,
	};
	memcpy(a->fsid, &st.f_fsid, sizeof(a->fsid));
	return 0;
}

/* ---- extended attributes ------------------------------------------------------------------- */

/*
 * What a container may see and set.  trusted.* needs a capability that we do not have; security.*
 * but file capabilities is the host's policy.
 */
static bool xattr_allowed(const char *name)
{
	static const char *const allowed[] = { "security.capability", "system.posix_acl_access",
					       "system.posix_acl_default" };

	if (strncmp(name, "user.", 5) == 0)
		return name[5] != '\0';
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (strcmp(name, allowed[i]) == 0)
			return true;
	return false;
}

static int take_xattr_name(struct gofer_request *r, char name[static GOFER_NAME_MAX + 1])
{
	const struct gofer_xattr *q = (const void *)r->body;
	const char *p = gofer_take(r, q->name_size);

	if (!p)
		return GOFER_MALFORMED;
	if (q->name_size == 0 || q->name_size > GOFER_NAME_MAX)
		return -ERANGE;
	if (memchr(p, '\0', q->name_size))
		return -EINVAL;
	memcpy(name, p, q->name_size);
	name[q->name_size] = '\0';
	return xattr_allowed(name) ? 0 : -EOPNOTSUPP;
}

/*
 * Room for the value or list that a request asks for, after a struct gofer_data.  The buffer is used
 * as far as the agreed message size goes; q->value_size beyond it is malformed.
 */
static int data_room(struct gofer_request *r, struct gofer_data **head, char **data)
{
	const struct gofer_xattr *q = (const void *)r->body;

	if (q->value_size > GOFER_XATTR_MAX)
		return GOFER_MALFORMED;
	*head = gofer_put(r, sizeof(**head));
	*data = r->reply + r->reply_size;
	return q->value_size > r->reply_room - r->reply_size ? GOFER_MALFORMED : 0;
}

static int answer_data(struct gofer_request *r, struct gofer_data *head, ssize_t n)
{
	const struct gofer_xattr *q = (const void *)r->body;

	if (n < 0)
		return (int)n;
	*head = (struct gofer_data){ .size = (uint32_t)n };
	if (q->value_size > 0)
		(void)gofer_put(r, (size_t)n);
	return 0;
}

int gofer_req_getxattr(struct gofer_request *r)
{
	const struct gofer_xattr *q = (const void *)r->body;
	const struct gofer_node *n;
	char name[GOFER_NAME_MAX + 1];
	struct gofer_data *head;
	char *data;
	int err;

	err = data_room(r, &head, &data);
	if (err == 0)
		err = take_xattr_name(r, name);
	if (err < 0)
		return err;
	n = gofer_node_peek(r->s, q->fid);
	if (!n)
		return -EBADF;
	return answer_data(r, head,
			   host_getxattr(gofer_fd_name(n->fd).text, name, data, q->value_size));
}

/* Leave out of a list of names those that may not be asked for; the new size. */
static ssize_t filter_names(char *list, ssize_t size)
{
	ssize_t kept = 0, len;

	for (ssize_t i = 0; i < size; i += len) {
		len = (ssize_t)strnlen(list + i, (size_t)(size - i)) + 1;
		if (i + len > size)
			break;
		if (!xattr_allowed(list + i))
			continue;
		memmove(list + kept, list + i, (size_t)len);
		kept += len;
	}
	return kept;
}

int gofer_req_listxattr(struct gofer_request *r)
{
	const struct gofer_xattr *q = (const void *)r->body;
	const struct gofer_node *n;
	struct gofer_data *head;
	ssize_t size;
	char *data;
	int err;

	err = data_room(r, &head, &data);
	if (err < 0)
		return err;
	n = gofer_node_peek(r->s, q->fid);
	if (!n)
		return -EBADF;
	size = host_listxattr(gofer_fd_name(n->fd).text, data, q->value_size);
	if (size > 0 && q->value_size > 0)
		size = filter_names(data, size);
	return answer_data(r, head, size);
}

int gofer_req_setxattr(struct gofer_request *r)
{
	const struct gofer_xattr *q = (const void *)r->body;
	struct gofer_node *n;
	char name[GOFER_NAME_MAX + 1];
	const char *value;
	int err;

	if (q->flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE) || q->value_size > GOFER_XATTR_MAX)
		return GOFER_MALFORMED;
	err = take_xattr_name(r, name);
	if (err < 0)
		return err;
	value = gofer_take(r, q->value_size);
	if (!value)
		return GOFER_MALFORMED;
	err = gofer_node_change(r->s, q->fid, &n);
	if (err < 0)
		return err;
	return host_setxattr(gofer_fd_name(n->fd).text, name, value, q->value_size, (int)q->flags);
}

int gofer_req_removexattr(struct gofer_request *r)
{
	const struct gofer_xattr *q = (const void *)r->body;
	struct gofer_node *n;
	char name[GOFER_NAME_MAX + 1];
	int err;

	if (q->value_size != 0)
		return GOFER_MALFORMED;
	err = take_xattr_name(r, name);
	if (err < 0)
		return err;
	err = gofer_node_change(r->s, q->fid, &n);
	if (err < 0)
		return err;
	return host_removexattr(gofer_fd_name(n->fd).text, name);
}
