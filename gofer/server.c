/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c: the Gofer's set-up, its loop, and the checking and dispatching of requests.
 *
 * The other side, the Sentry, may be in the hands of an attacker.  What it sends is checked in three
 * steps: here, by the request's row (state, sizes, reserved fields), so that no handler sees a
 * message whose parts do not add up; in gofer_take_name(), the only way from bytes to a file name;
 * and in fid.c, the only way from a number to a descriptor.  Handlers check flags and ranges.
 */
#include "gofer/gofer_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/overflow.h"

/* ---- reading requests, building replies ---------------------------------------------------- */

const char *gofer_take(struct gofer_request *r, size_t size)
{
	const char *p = r->next;

	if (size > r->left)
		return NULL;
	r->next += size;
	r->left -= size;
	return p;
}

int gofer_take_name(struct gofer_request *r, size_t size, char name[static GOFER_NAME_MAX + 1])
{
	const char *p = gofer_take(r, size);

	if (!p)
		return GOFER_MALFORMED;
	if (size > GOFER_NAME_MAX)
		return -ENAMETOOLONG;
	if (size == 0 || memchr(p, '/', size) || memchr(p, '\0', size))
		return -EINVAL;
	if (p[0] == '.' && (size == 1 || (size == 2 && p[1] == '.')))
		return -EINVAL;
	memcpy(name, p, size);
	name[size] = '\0';
	return 0;
}

void *gofer_room(struct gofer_request *r, size_t size)
{
	char *p = r->reply + r->reply_size;

	if (size > r->reply_room - r->reply_size)
		return NULL;
	r->reply_size += size;
	return p;
}

void *gofer_put(struct gofer_request *r, size_t size)
{
	void *p = gofer_room(r, size);

	ASSERT(p);
	return p;
}

void gofer_pad(struct gofer_request *r)
{
	size_t pad = ALIGN_UP(r->reply_size, 8) - r->reply_size;

	if (pad > 0)
		memset(gofer_put(r, pad), 0, pad);
}

/* ---- requests about the connection itself -------------------------------------------------- */

static int req_version(struct gofer_request *r)
{
	const struct gofer_version *q = (const void *)r->body;
	struct gofer_server *s = r->s;
	struct gofer_version *a;

	if (q->magic != GOFER_MAGIC || q->version < GOFER_VERSION || q->attach_count != 0)
		return GOFER_MALFORMED;
	if (q->msg_max < GOFER_MSG_MIN || q->msg_max > GOFER_MSG_MAX)
		return GOFER_MALFORMED;
	s->state = GOFER_READY;
	s->reply_max = s->reply_now = ALIGN_DOWN(q->msg_max, 8);
	a = gofer_put(r, sizeof(*a));
	*a = (struct gofer_version){ .magic = GOFER_MAGIC,
				     .version = GOFER_VERSION,
				     .msg_max = s->reply_max,
				     .attach_count = s->config->attachment_count };
	return 0;
}

static int req_attach(struct gofer_request *r)
{
	const struct gofer_attach *q = (const void *)r->body;
	const struct gofer_attachment *at;
	struct gofer_attach_reply *a;
	struct gofer_server *s = r->s;
	struct statx sx;
	int err, fd;

	if (q->index >= s->config->attachment_count)
		return -ENOENT;
	at = &s->config->attachments[q->index];
	err = gofer_node_reserve(s, q->fid);
	if (err < 0)
		return err;
	err = gofer_stat(at->fd, &sx);
	if (err < 0)
		return err;
	fd = host_dup(at->fd);
	if (fd < 0)
		return fd;
	gofer_node_bind(s, q->fid, fd, q->index, &sx); /* consumes fd */
	a = gofer_put(r, sizeof(*a));
	a->flags = at->flags;
	a->reserved = 0;
	gofer_attr_fill(&a->attr, &sx);
	return 0;
}

static int req_clunk(struct gofer_request *r)
{
	const struct gofer_clunk *q = (const void *)r->body;
	uint32_t fid;

	if (q->count > GOFER_CLUNK_MAX || r->left != q->count * sizeof(fid))
		return GOFER_MALFORMED;
	for (uint32_t i = 0; i < q->count; i++) {
		memcpy(&fid, gofer_take(r, sizeof(fid)), sizeof(fid));
		gofer_node_clunk(r->s, fid);
	}
	return 0;
}

static int req_end(struct gofer_request *r)
{
	const struct gofer_end *q = (const void *)r->body;

	if (q->status > 255)
		return GOFER_MALFORMED;
	r->s->end_status = (int)q->status;
	return 0;
}

/* ---- the table of requests ----------------------------------------------------------------- */

/*
 * sizes: the u32 members of the fixed part that must add up to the size of the rest; reserved: the
 * u32 member that must be 0.  Both as offset + 1, 0 for none.  A row with rest_max and no sizes
 * checks its rest itself, before it acts.
 */
struct row {
	const char *name;
	int (*handle)(struct gofer_request *r);
	uint32_t states; /* enum gofer_state, in which it is allowed */
	uint32_t fixed;
	uint32_t rest_max;
	uint16_t sizes[2];
	uint16_t reserved;
	bool one_way;
};

#define AT(type, member) (offsetof(struct type, member) + 1)
#define NAME1            (GOFER_NAME_MAX + 1) /* one too long still gets its -ENAMETOOLONG */

static const struct row rows[GOFER_TYPE_COUNT] = {
	[GOFER_REQ_VERSION] = { "version", req_version, GOFER_NEW, sizeof(struct gofer_version), 0,
				{ 0 }, 0, false },
	[GOFER_REQ_ATTACH] = { "attach", req_attach, GOFER_READY, sizeof(struct gofer_attach), 0,
			       { 0 }, 0, false },
	[GOFER_REQ_WALK] = { "walk", gofer_req_walk, GOFER_READY, sizeof(struct gofer_walk),
			     GOFER_WALK_MAX * (sizeof(struct gofer_walk_name) + NAME1),
			     { 0 }, AT(gofer_walk, reserved), false },
	[GOFER_REQ_OPEN] = { "open", gofer_req_open, GOFER_READY, sizeof(struct gofer_open), 0,
			     { 0 }, 0, false },
	[GOFER_REQ_CREATE] = { "create", gofer_req_create, GOFER_READY, sizeof(struct gofer_make),
			       NAME1, { AT(gofer_make, name_size) }, AT(gofer_make, text_size),
			       false },
	[GOFER_REQ_TMPFILE] = { "tmpfile", gofer_req_tmpfile, GOFER_READY,
				sizeof(struct gofer_make), 0, { AT(gofer_make, name_size) },
				AT(gofer_make, text_size), false },
	[GOFER_REQ_MKDIR] = { "mkdir", gofer_req_mkdir, GOFER_READY, sizeof(struct gofer_make),
			      NAME1, { AT(gofer_make, name_size) }, AT(gofer_make, text_size),
			      false },
	[GOFER_REQ_MKNOD] = { "mknod", gofer_req_mknod, GOFER_READY, sizeof(struct gofer_make),
			      NAME1, { AT(gofer_make, name_size) }, AT(gofer_make, text_size),
			      false },
	[GOFER_REQ_SYMLINK] = { "symlink", gofer_req_symlink, GOFER_READY,
				sizeof(struct gofer_make), NAME1 + GOFER_LINK_MAX,
				{ AT(gofer_make, name_size), AT(gofer_make, text_size) }, 0, false },
	[GOFER_REQ_LINK] = { "link", gofer_req_link, GOFER_READY, sizeof(struct gofer_link), NAME1,
			     { AT(gofer_link, name_size) }, AT(gofer_link, reserved), false },
	[GOFER_REQ_UNLINK] = { "unlink", gofer_req_unlink, GOFER_READY, sizeof(struct gofer_unlink),
			       NAME1, { AT(gofer_unlink, name_size) }, 0,
			       false },
	[GOFER_REQ_RENAME] = { "rename", gofer_req_rename, GOFER_READY, sizeof(struct gofer_rename),
			       2 * NAME1, { AT(gofer_rename, old_size), AT(gofer_rename, new_size) },
			       0, false },
	[GOFER_REQ_GETATTR] = { "getattr", gofer_req_getattr, GOFER_READY, sizeof(struct gofer_fid),
				0, { 0 }, AT(gofer_fid, reserved), false },
	[GOFER_REQ_GETATTRS] = { "getattrs", gofer_req_getattrs, GOFER_READY,
				 sizeof(struct gofer_getattrs), GOFER_GETATTRS_MAX * sizeof(uint32_t),
				 { 0 }, AT(gofer_getattrs, reserved), false },
	[GOFER_REQ_SETATTR] = { "setattr", gofer_req_setattr, GOFER_READY,
				sizeof(struct gofer_setattr), 0, { 0 }, AT(gofer_setattr, reserved),
				false },
	[GOFER_REQ_READLINK] = { "readlink", gofer_req_readlink, GOFER_READY,
				 sizeof(struct gofer_fid), 0, { 0 }, AT(gofer_fid, reserved), false },
	[GOFER_REQ_READDIR] = { "readdir", gofer_req_readdir, GOFER_READY,
				sizeof(struct gofer_readdir), 0, { 0 }, AT(gofer_readdir, reserved),
				false },
	[GOFER_REQ_GETXATTR] = { "getxattr", gofer_req_getxattr, GOFER_READY,
				 sizeof(struct gofer_xattr), NAME1, { AT(gofer_xattr, name_size) },
				 AT(gofer_xattr, flags), false },
	[GOFER_REQ_SETXATTR] = { "setxattr", gofer_req_setxattr, GOFER_READY,
				 sizeof(struct gofer_xattr), NAME1 + GOFER_XATTR_MAX,
				 { AT(gofer_xattr, name_size), AT(gofer_xattr, value_size) }, 0,
				 false },
	[GOFER_REQ_LISTXATTR] = { "listxattr", gofer_req_listxattr, GOFER_READY,
				  sizeof(struct gofer_xattr), 0, { AT(gofer_xattr, name_size) },
				  AT(gofer_xattr, flags), false },
	[GOFER_REQ_REMOVEXATTR] = { "removexattr", gofer_req_removexattr, GOFER_READY,
				    sizeof(struct gofer_xattr), NAME1,
				    { AT(gofer_xattr, name_size) }, AT(gofer_xattr, flags), false },
	[GOFER_REQ_STATFS] = { "statfs", gofer_req_statfs, GOFER_READY, sizeof(struct gofer_fid), 0,
			       { 0 }, AT(gofer_fid, reserved), false },
	[GOFER_REQ_FSYNC] = { "fsync", gofer_req_fsync, GOFER_READY, sizeof(struct gofer_fsync), 0,
			      { 0 }, 0, false },
	[GOFER_REQ_CONNECT] = { "connect", gofer_req_connect, GOFER_READY,
				sizeof(struct gofer_connect), 0, { 0 }, 0, false },
	[GOFER_REQ_BIND] = { "bind", gofer_req_bind, GOFER_READY, sizeof(struct gofer_make), NAME1,
			     { AT(gofer_make, name_size) }, AT(gofer_make, text_size), false },
	[GOFER_REQ_LISTEN] = { "listen", gofer_req_listen, GOFER_READY, sizeof(struct gofer_fid), 0,
			       { 0 }, AT(gofer_fid, reserved), false },
	[GOFER_REQ_MOUNT] = { "mount", gofer_req_mount, GOFER_READY, sizeof(struct gofer_mount), 0,
			      { 0 }, 0, false },
	[GOFER_REQ_UNMOUNT] = { "unmount", gofer_req_unmount, GOFER_READY, sizeof(struct gofer_fid), 0,
				{ 0 }, AT(gofer_fid, reserved), false },
	[GOFER_REQ_CLUNK] = { "clunk", req_clunk, GOFER_READY, sizeof(struct gofer_clunk),
			      GOFER_CLUNK_MAX * sizeof(uint32_t), { 0 }, AT(gofer_clunk, reserved),
			      true },
	[GOFER_REQ_RING] = { "ring", gofer_req_ring, GOFER_READY, sizeof(struct gofer_ring_setup), 0,
			     { 0 }, AT(gofer_ring_setup, reserved), false },
	[GOFER_REQ_END] = { "end", req_end, GOFER_READY, sizeof(struct gofer_end), 0, { 0 },
			    AT(gofer_end, reserved), true },
};

uint32_t gofer_request_shape(unsigned int type, uint16_t sizes[2], uint16_t *reserved)
{
	if (type >= GOFER_TYPE_COUNT || !rows[type].handle)
		return 0;
	memcpy(sizes, rows[type].sizes, sizeof(rows[type].sizes));
	*reserved = rows[type].reserved;
	return rows[type].fixed;
}

static uint32_t member(const char *body, uint16_t at)
{
	uint32_t v;

	memcpy(&v, body + at - 1, sizeof(v));
	return v;
}

/* The row of a well-formed request, or NULL. */
static const struct row *row_of(const struct gofer_server *s, const struct gofer_hdr *h, size_t size)
{
	const char *body = (const char *)(h + 1);
	const struct row *row;
	uint64_t rest, sum = 0;

	if (size < sizeof(*h) || h->size != size || h->flags != 0 || h->error != 0)
		return NULL;
	if (h->type >= GOFER_TYPE_COUNT || !rows[h->type].handle)
		return NULL;
	row = &rows[h->type];
	if (!(row->states & s->state) || size - sizeof(*h) < row->fixed)
		return NULL;
	rest = size - sizeof(*h) - row->fixed;
	if (rest > row->rest_max)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(row->sizes); i++)
		if (row->sizes[i])
			sum += member(body, row->sizes[i]);
	if ((row->sizes[0] || row->rest_max == 0) && sum != rest)
		return NULL;
	if (row->reserved && member(body, row->reserved) != 0)
		return NULL;
	return row;
}

ssize_t gofer_server_handle(struct gofer_server *s, size_t size, int *fd)
{
	const struct gofer_hdr *h = (const void *)s->in;
	struct gofer_hdr *rh = (void *)s->out;
	const struct row *row = row_of(s, h, size);
	struct gofer_request r;
	int err;

	*fd = -1;
	if (!row) {
		log_warn("malformed request of type %u, %zu bytes", size >= sizeof(*h) ? h->type : 0u,
			 size);
		return -EPROTO;
	}
	r = (struct gofer_request){
		.s = s,
		.body = s->in + sizeof(*h),
		.next = s->in + sizeof(*h) + row->fixed,
		.left = size - sizeof(*h) - row->fixed,
		.reply = s->out + sizeof(*rh),
		.reply_room = s->reply_now - sizeof(*rh),
		.fd = -1,
	};
	err = row->handle(&r);
	if (err < 0)
		host_close_fd(&r.fd);
	if (err == GOFER_MALFORMED) {
		log_warn("malformed %s request", row->name);
		return -EPROTO;
	}
	log_debug("%s: %d", row->name, err);
	if (row->one_way)
		return 0;
	*fd = r.fd;
	*rh = (struct gofer_hdr){ .size = (uint32_t)(sizeof(*rh) + (err < 0 ? 0 : r.reply_size)),
				  .type = h->type,
				  .tag = h->tag,
				  .error = err < 0 ? err : 0 };
	return rh->size;
}

/* ---- life ---------------------------------------------------------------------------------- */

int gofer_server_init(struct gofer_server *s, const struct gofer_config *c)
{
	*s = (struct gofer_server){ .transport = { c->conn_fd },
				    .config = c,
				    .state = GOFER_NEW,
				    .reply_max = GOFER_MSG_MIN,
				    .mounter = -1,
				    .reply_now = GOFER_MSG_MIN,
				    .given_fd = -1,
				    .end_status = -1 };
	gofer_ring_init(&s->ring);
	s->in = mem_alloc(GOFER_MSG_MAX);
	s->out = mem_alloc(GOFER_MSG_MAX);
	s->scratch = mem_alloc(GOFER_SCRATCH);
	if (s->in && s->out && s->scratch)
		return 0;
	gofer_server_fini(s);
	return -ENOMEM;
}

void gofer_server_fini(struct gofer_server *s)
{
	for (uint32_t fid = 0; fid < s->node_count; fid++)
		gofer_node_clunk(s, fid);
	host_close_fd(&s->mounter);
	gofer_ring_fini(&s->ring);
	host_close_fd(&s->given_fd);
	mem_free(s->nodes);
	mem_free(s->in);
	mem_free(s->out);
	mem_free(s->scratch);
	*s = (struct gofer_server){ 0 };
}

/* One message of the socket.  0, or why the connection is over. */
static int serve_socket(struct gofer_server *s)
{
	struct iovec piece;
	ssize_t n;
	int err, fd;

	n = gofer_transport_recv(&s->transport, s->in, GOFER_MSG_MAX, &s->given_fd);
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return n == -EMSGSIZE ? -EPROTO : (int)n;
	n = gofer_server_handle(s, (size_t)n, &fd);
	host_close_fd(&s->given_fd); /* unless the request has taken it */
	if (n <= 0)
		return (int)n;
	piece = (struct iovec){ s->out, (size_t)n };
	err = gofer_transport_send(&s->transport, &piece, 1, fd);
	host_close_fd(&fd);
	return err;
}

/*
 * When its start must be over, what only that needed is dropped (once): nothing came for so long, or so much came (each
 * wait with a timeout sets a timer, 1 to 2 us where the timer is a hypervisor's).
 */
#define SETTLED_NS       (300 * NSEC_PER_MSEC)
#define SETTLED_REQUESTS 2000u

/* -EPIPE when the connection is over, -EPROTO, or the END status. */
static int serve(struct gofer_server *s)
{
	const struct timespec while_starting = { 0, SETTLED_NS };
	const struct timespec *timeout = &while_starting;
	enum gofer_wake wake;
	unsigned int served = 0;
	int err = 0;

	while (err == 0 && s->end_status < 0) {
		wake = GOFER_WAKE_SOCKET;
		if (timeout || s->ring.bell >= 0)
			wake = gofer_ring_wait(s, timeout);
		if (wake == GOFER_WAKE_BELL)
			err = gofer_ring_serve(s);
		else if (wake == GOFER_WAKE_SOCKET)
			err = serve_socket(s);
		if (timeout && (wake == GOFER_WAKE_TIMEOUT || ++served == SETTLED_REQUESTS)) {
			timeout = NULL;
			mem_drop_text();
		}
	}
	return err < 0 ? err : s->end_status;
}

/* The process's own state that the handlers rely on. */
static int prepare(const struct gofer_config *c)
{
	struct rlimit lim;
	int err;

	err = host_fchdir(c->proc_fd);
	if (err < 0)
		return err;
	(void)umask(0);
	err = host_prlimit(0, RLIMIT_NOFILE, NULL, &lim);
	if (err < 0)
		return err;
	lim.rlim_cur = lim.rlim_max;
	err = host_prlimit(0, RLIMIT_NOFILE, &lim, NULL);
	if (err < 0)
		return err;
	if (!(c->flags & GOFER_KEEP_CAPS))
		err = gofer_drop_caps();
	return err;
}

int gofer_main(const struct gofer_config *c)
{
	int err, mounter = gofer_mounter_start(c);
	struct gofer_server s;

	if (mounter < -1)
		log_warn("no mounter: %s", strerrordesc_np(-mounter));
	err = prepare(c);
	if (err < 0)
		return err;
	err = gofer_server_init(&s, c);
	if (err < 0)
		return err;
	s.mounter = mounter < 0 ? -1 : mounter;
	if (!(c->flags & GOFER_NO_FILTER))
		err = gofer_filter_load(c);
	if (err == 0)
		err = serve(&s);
	gofer_server_fini(&s);
	return err;
}
