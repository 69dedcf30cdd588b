/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scm.c: control messages (cmsg(3)) and what SOL_SOCKET's carry: files and credentials.
 *
 * What the application wrote is copied once by the system call and is hostile: every length is
 * checked against what is left.  As in net/core/scm.c unknown SOL_SOCKET types are EINVAL, other
 * levels are left to the family.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/aio/uring.h"
#include "sentry/socket/socket.h"
#include "sentry/task/task.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

_Static_assert(sizeof(struct cmsghdr) == 16, "x86-64 ABI");

#define CMSG_ALIGN_UP(size) ALIGN_UP((size_t)(size), sizeof(uint64_t))

/* ---- life -------------------------------------------------------------------------------------- */

void scm_init(struct scm *scm)
{
	memset(scm, 0, sizeof(*scm));
}

void scm_files_put(struct scm_files *f)
{
	if (!f)
		return;
	for (unsigned int i = 0; i < f->count; i++)
		file_put(f->file[i]);
	mem_free(f);
}

struct scm_files *scm_files_dup(const struct scm_files *f)
{
	struct scm_files *d = mem_alloc(sizeof(*d) + f->count * sizeof(d->file[0]));

	if (!d)
		return NULL;
	d->count = f->count;
	for (unsigned int i = 0; i < f->count; i++)
		d->file[i] = file_get(f->file[i]);
	return d;
}

void scm_fini(struct scm *scm)
{
	scm_files_put(scm->files);
	if (scm->pid)
		pid_put(scm->pid);
	scm_init(scm);
}

void scm_set_creds_self(struct vfs_ctx *c, struct scm *scm)
{
	const struct task *t = ctx_task(c);

	if (t && !scm->pid)
		scm->pid = pid_get(t->process->pid);
	scm->pid_nr = c->pid;
	scm->uid = c->cred->uid;
	scm->gid = c->cred->gid;
	scm->has_creds = true;
}

bool scm_same_creds(const struct scm *a, const struct scm *b)
{
	return a->has_creds == b->has_creds && a->pid == b->pid && a->pid_nr == b->pid_nr &&
	       a->uid == b->uid && a->gid == b->gid;
}

/* ---- what the application sends ---------------------------------------------------------------- */

const struct cmsghdr *sock_msg_next_control(const struct sock_msg *m, const struct cmsghdr *prev,
					    const void **data, size_t *size)
{
	const char *base = m->control;
	size_t at = 0;
	const struct cmsghdr *h;

	if (prev)
		at = (size_t)((const char *)prev - base) + CMSG_ALIGN_UP(prev->cmsg_len);
	if (m->control_size < sizeof(*h) || at > m->control_size - sizeof(*h))
		return NULL;
	h = (const struct cmsghdr *)(const void *)(base + at);
	if (h->cmsg_len < sizeof(*h) || h->cmsg_len > m->control_size - at)
		return NULL;
	*data = h + 1;
	*size = h->cmsg_len - sizeof(*h);
	return h;
}

bool sock_msg_control_ok(const struct sock_msg *m)
{
	size_t at = 0;

	while (m->control_size >= sizeof(struct cmsghdr) &&
	       at <= m->control_size - sizeof(struct cmsghdr)) {
		struct cmsghdr h;

		memcpy(&h, (const char *)m->control + at, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > m->control_size - at)
			return false;
		at += CMSG_ALIGN_UP(h.cmsg_len);
	}
	return true;
}

/* SCM_RIGHTS: more files for scm. */
static int scm_parse_rights(struct vfs_ctx *c, struct scm *scm, const void *data, size_t size)
{
	struct task *t = ctx_task(c);
	unsigned int more = (unsigned int)(size / sizeof(int)), had = scm->files ? scm->files->count : 0;
	struct scm_files *f;

	if (more == 0)
		return 0;
	if (size / sizeof(int) > SCM_FILES_MAX || had + more > SCM_FILES_MAX)
		return -EINVAL;
	f = mem_realloc(scm->files, 1, sizeof(*f) + (had + more) * sizeof(f->file[0]));
	if (!f)
		return -ENOMEM;
	f->count = had;
	scm->files = f;
	for (unsigned int i = 0; i < more; i++) {
		struct file *file;
		int fd;

		memcpy(&fd, (const char *)data + i * sizeof(fd), sizeof(fd));
		file = t ? fdt_file(t->fdt, fd) : NULL;
		if (!file)
			return -EBADF;
		if (file_uring(file)) { /* its registered files could hold the socket that holds it (__scm_send) */
			file_put(file);
			return -EINVAL;
		}
		f->file[f->count++] = file;
	}
	return 0;
}

/* SCM_CREDENTIALS: nobody may claim what is not theirs (scm_check_creds). */
static int scm_parse_creds(struct vfs_ctx *c, struct scm *scm, const void *data, size_t size)
{
	const struct cred *cred = c->cred;
	struct task *t = ctx_task(c);
	struct ucred u;

	if (size != sizeof(u))
		return -EINVAL;
	memcpy(&u, data, sizeof(u));
	u.uid = user_ns_to_kernel(cred->user_ns, ID_UID, u.uid);
	u.gid = user_ns_to_kernel(cred->user_ns, ID_GID, u.gid);
	if (u.uid == ID_INVALID || u.gid == ID_INVALID)
		return -EINVAL;
	if (u.pid != c->pid &&
	    !cred_capable_ns(cred, t ? task_pid_ns(t)->user_ns : user_ns_init, CAP_SYS_ADMIN))
		return -EPERM;
	if (u.uid != cred->uid && u.uid != cred->euid && u.uid != cred->suid &&
	    !cred_capable_ns(cred, cred->user_ns, CAP_SETUID))
		return -EPERM;
	if (u.gid != cred->gid && u.gid != cred->egid && u.gid != cred->sgid &&
	    !cred_capable_ns(cred, cred->user_ns, CAP_SETGID))
		return -EPERM;
	if (t) {
		struct pid *pid = u.pid == c->pid ? pid_get(t->process->pid) :
						    pid_lookup(task_pid_ns(t), u.pid);

		if (!pid)
			return -ESRCH;
		if (scm->pid)
			pid_put(scm->pid);
		scm->pid = pid;
	}
	scm->pid_nr = u.pid;
	scm->uid = u.uid;
	scm->gid = u.gid;
	scm->has_creds = true;
	return 0;
}

int scm_parse(struct vfs_ctx *c, const struct socket *s, struct sock_msg *m)
{
	const struct cmsghdr *h = NULL;
	const void *data;
	size_t size;

	if (!sock_msg_control_ok(m))
		return -EINVAL;
	if (s->family != AF_UNIX && s->family != AF_NETLINK)
		return 0;
	while ((h = sock_msg_next_control(m, h, &data, &size))) {
		int err;

		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_RIGHTS)
			err = scm_parse_rights(c, &m->scm, data, size);
		else if (h->cmsg_type == SCM_CREDENTIALS)
			err = scm_parse_creds(c, &m->scm, data, size);
		else
			err = -EINVAL;
		if (err < 0)
			return err;
	}
	return 0;
}

/* ---- what the application receives ------------------------------------------------------------- */

void sock_msg_put_control(struct sock_msg *m, int level, int type, const void *data, size_t size)
{
	struct cmsg_out *out = &m->cmsg;
	struct cmsghdr h = { .cmsg_len = sizeof(h) + size, .cmsg_level = level, .cmsg_type = type };
	size_t room = out->capacity - out->used;
	char *at;

	if (!out->data || room < sizeof(h)) {
		m->out_flags |= MSG_CTRUNC;
		return;
	}
	if (room < h.cmsg_len) {
		m->out_flags |= MSG_CTRUNC;
		h.cmsg_len = room;
	}
	at = out->data + out->used;
	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), data, h.cmsg_len - sizeof(h));
	out->used += MIN(CMSG_ALIGN_UP(h.cmsg_len), room);
}
