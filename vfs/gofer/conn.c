/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c: see conn.h. */
#include "vfs/gofer/conn.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "gofer/ring.h"
#include "lib/fiber.h"
#include "lib/latch.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/ref.h"
#include "platform/jail.h"

_Static_assert(GOFER_BELL == JAIL_BELL, "the Sentry's filter knows the bell");

enum {
	BUFFERS_MAX = 4,  /* kept; each as large as a message, touched as far as it was used */
	CLUNKS_MAX = 256, /* sent together */
	RING_AFTER = 300, /* calls: a container that has just been set up and idles has made fewer */
};

enum call_state { CALL_SENDING, CALL_SENT, CALL_LEADS, CALL_DONE };

/* One fiber's call in flight; on its stack. */
struct flight {
	struct list node; /* (latch) in conn->flights */
	struct waiter waiter;
	uint32_t tag;     /* (c) */
	enum call_state state; /* (latch) */
	int error;        /* (latch) */
	struct gconn_call *call;
};

/* (c) constant, (l) latch */
struct gconn {
	struct ref ref;
	struct gofer_transport transport;
	uint32_t attach_count; /* (c) */
	struct latch latch;
	bool dead;             /* (l) */
	bool led;              /* (l) somebody reads */
	uint32_t next_tag;     /* (l) */
	struct list flights;   /* (l) oldest first */
	char *buffers[BUFFERS_MAX]; /* (l) */
	unsigned int buffer_count;  /* (l) */
	uint32_t *free_fids;   /* (l) a stack; room for all there can be */
	uint32_t free_count;   /* (l) */
	uint32_t next_fid;     /* (l) never used so far from here on */
	uint32_t clunks[CLUNKS_MAX]; /* (l) to be sent */
	uint32_t clunk_count;        /* (l) */
	char *_Atomic ring;          /* (a) set once, by gconn_use_ring() */
	bool ring_tried;             /* (l) */
	uint32_t ring_busy;          /* (l) a bit for each slot */
	uint32_t ring_seq[GOFER_RING_SLOTS]; /* (l) or whoever has the slot */
};

/* ---- buffers ------------------------------------------------------------------------------- */

static char *buffer_get(struct gconn *g)
{
	char *b = NULL;

	latch_lock(&g->latch);
	if (g->buffer_count > 0)
		b = g->buffers[--g->buffer_count];
	latch_unlock(&g->latch);
	return b ? b : mem_alloc(GOFER_MSG_MAX);
}

static void buffer_put(struct gconn *g, char *b)
{
	if (!b)
		return;
	latch_lock(&g->latch);
	if (g->buffer_count < BUFFERS_MAX) {
		g->buffers[g->buffer_count++] = b;
		b = NULL;
	}
	latch_unlock(&g->latch);
	mem_free(b);
}

void gconn_reply_put(struct gconn *g, struct gconn_call *c)
{
	buffer_put(g, c->buffer);
	c->buffer = NULL;
	host_close_fd(&c->fd);
}

const void *gconn_reply(const struct gconn_call *c, size_t size)
{
	return c->reply_size >= size ? c->reply : NULL;
}

/* ---- flights ------------------------------------------------------------------------------- */

static void flight_done_locked(struct flight *f, int error)
{
	list_remove(&f->node);
	f->error = error;
	f->state = CALL_DONE;
	waiter_wake(&f->waiter);
}

static void conn_die(struct gconn *g)
{
	struct flight *f;

	latch_lock(&g->latch);
	g->dead = true;
	while ((f = list_first(&g->flights, struct flight, node)))
		flight_done_locked(f, -EIO);
	latch_unlock(&g->latch);
}

int gconn_broken(struct gconn *g, const char *what)
{
	log_error("gofer: bad reply (%s); its files are lost", what);
	conn_die(g);
	return -EIO;
}

static struct flight *flight_find_locked(struct gconn *g, uint32_t tag)
{
	struct flight *f;

	list_for_each_entry(f, &g->flights, node)
		if (f->tag == tag)
			return f;
	return NULL;
}

/* Hand the message of size bytes in *buffer to whom it is for; NULL: nobody.  Takes both if it is. */
static const char *dispatch(struct gconn *g, char **buffer, size_t size, int *fd)
{
	struct gofer_hdr h;
	struct gconn_call *c;
	struct flight *f;

	if (size < sizeof(h))
		return "short";
	memcpy(&h, *buffer, sizeof(h));
	if (h.size != size || h.flags != 0 || h.error > 0 || h.error < -4095)
		return "header";
	latch_lock(&g->latch);
	f = flight_find_locked(g, h.tag);
	if (!f || f->call->type != h.type) {
		latch_unlock(&g->latch);
		return "tag";
	}
	c = f->call;
	if (*fd < -1) { /* we have no room for it */
		h.error = h.error == 0 && !gofer_done_without_fd(h.type) ? *fd : h.error;
		*fd = -1;
	}
	if (h.error == 0) {
		c->buffer = *buffer;
		c->reply = *buffer + sizeof(h);
		c->reply_size = size - sizeof(h);
		c->fd = *fd;
		*buffer = NULL;
		*fd = -1;
	}
	flight_done_locked(f, h.error);
	latch_unlock(&g->latch);
	return NULL;
}

/* Read one message and dispatch it. */
static void lead_once(struct gconn *g)
{
	char *buffer = buffer_get(g);
	const char *bad;
	ssize_t n;
	int fd = -1;

	if (!buffer) {
		/* The reply can't be taken in, and later ones could not be told from it. */
		(void)gconn_broken(g, "no memory");
		return;
	}
	worker_block_lazy_begin();
	n = gofer_transport_recv(&g->transport, buffer, GOFER_MSG_MAX, &fd);
	worker_block_lazy_end();
	if (n <= 0) {
		if (n < 0)
			log_error("gofer: receive failed: %zd", n);
		conn_die(g);
	} else {
		bad = dispatch(g, &buffer, (size_t)n, &fd);
		if (bad)
			(void)gconn_broken(g, bad);
	}
	host_close_fd(&fd);
	buffer_put(g, buffer);
}

/* After our own reply: somebody else who waits must read. */
static void lead_pass_locked(struct gconn *g)
{
	struct flight *f;

	g->led = false;
	list_for_each_entry(f, &g->flights, node) {
		if (f->state != CALL_SENT)
			continue; /* will lead by itself once it has sent */
		f->state = CALL_LEADS;
		g->led = true;
		waiter_wake(&f->waiter);
		return;
	}
}

static enum call_state flight_state(struct gconn *g, struct flight *f)
{
	enum call_state state;

	latch_lock(&g->latch);
	state = f->state;
	latch_unlock(&g->latch);
	return state;
}

/* Until the reply is there; leads while nobody else does. */
static void flight_wait(struct gconn *g, struct flight *f)
{
	bool led = false;

	latch_lock(&g->latch);
	if (f->state == CALL_SENDING) {
		f->state = g->led ? CALL_SENT : CALL_LEADS;
		g->led = true;
	}
	latch_unlock(&g->latch);
	for (;;) {
		enum call_state state;

		waiter_prepare(&f->waiter);
		state = flight_state(g, f);
		if (state == CALL_SENT) {
			(void)waiter_sleep(&f->waiter, WAITER_UNINTERRUPTIBLE, INT64_MAX);
			continue;
		}
		waiter_cancel(&f->waiter);
		if (state == CALL_DONE)
			break;
		led = true;
		lead_once(g);
	}
	if (led) {
		latch_lock(&g->latch);
		lead_pass_locked(g);
		latch_unlock(&g->latch);
	}
}

/* ---- sending ------------------------------------------------------------------------------- */

static int conn_send(struct gconn *g, struct iovec *pieces, size_t count)
{
	int err = gofer_transport_try_send(&g->transport, pieces, count);

	if (err == -EAGAIN) {
		worker_block_begin();
		err = gofer_transport_send(&g->transport, pieces, count, -1);
		worker_block_end();
	}
	return err;
}

static int send_call(struct gconn *g, const struct gconn_call *c, uint32_t tag)
{
	struct gofer_hdr h = { .type = c->type, .tag = tag };
	struct iovec pieces[4] = {
		{ &h, sizeof(h) },
		/* Sending does not write through these. */
		{ (void *)(uintptr_t)c->body, c->body_size },
		{ (void *)(uintptr_t)c->rest[0], c->rest_size[0] },
		{ (void *)(uintptr_t)c->rest[1], c->rest_size[1] },
	};
	size_t size = sizeof(h) + c->body_size + c->rest_size[0] + c->rest_size[1];

	ASSERT(size <= GOFER_MSG_MAX);
	h.size = (uint32_t)size;
	if (c->give)
		return gofer_transport_send(&g->transport, pieces, ARRAY_SIZE(pieces), *c->give);
	return conn_send(g, pieces, ARRAY_SIZE(pieces));
}

/* ---- the ring ------------------------------------------------------------------------------ */

static char *ring_of(const struct gconn *g)
{
	return atomic_load_explicit(&g->ring, memory_order_acquire);
}

static bool slot_take(struct gconn *g, const struct gconn_call *c, uint32_t *slot)
{
	uint32_t free_slots;

	if (!ring_of(g) || c->give ||
	    sizeof(struct gofer_hdr) + c->body_size + c->rest_size[0] + c->rest_size[1] >
		    GOFER_RING_REQUEST)
		return false;
	latch_lock(&g->latch);
	free_slots = g->dead ? 0 : ~g->ring_busy & ((1u << GOFER_RING_SLOTS) - 1);
	if (free_slots) {
		*slot = (uint32_t)__builtin_ctz(free_slots);
		g->ring_busy |= 1u << *slot;
		g->ring_seq[*slot]++;
	}
	latch_unlock(&g->latch);
	return free_slots != 0;
}

static void slot_free(struct gconn *g, uint32_t slot)
{
	latch_lock(&g->latch);
	g->ring_busy &= ~(1u << slot);
	latch_unlock(&g->latch);
}

/* The reply in the slot; fd came with it if its header says so. */
static const char *slot_reply(struct gconn *g, struct gconn_call *c, uint32_t slot, int *fd, int *error)
{
	const char *from = gofer_ring_reply(ring_of(g), slot);
	struct gofer_hdr h;

	memcpy(&h, from, sizeof(h));
	if (h.flags != GOFER_HDR_FD)
		*fd = -1;
	if ((h.flags == GOFER_HDR_FD && *fd <= 0) || h.size < sizeof(h) || h.size > GOFER_RING_REPLY || h.flags & ~GOFER_HDR_FD || h.error > 0 ||
	    h.error < -4095 || (h.error && (h.flags || h.size != sizeof(h))))
		return "header";
	if (h.type != c->type || h.tag != g->ring_seq[slot])
		return "tag";
	*error = h.error;
	if (h.error)
		return NULL;
	c->buffer = buffer_get(g);
	if (!c->buffer)
		return "no memory";
	memcpy(c->buffer, from, h.size);
	c->reply = c->buffer + sizeof(h);
	c->reply_size = h.size - sizeof(h);
	c->fd = *fd;
	*fd = -1;
	return NULL;
}

static bool slot_has_fd(struct gconn *g, uint32_t slot)
{
	struct gofer_hdr h;

	memcpy(&h, gofer_ring_reply(ring_of(g), slot), sizeof(h));
	return h.flags == GOFER_HDR_FD;
}

static void put_piece(char **to, const void *piece, size_t size)
{
	if (size > 0)
		memcpy(*to, piece, size);
	*to += size;
}

static int ring_call(struct gconn *g, struct gconn_call *c, uint32_t slot)
{
	struct gofer_hdr h = { .type = c->type, .tag = g->ring_seq[slot] };
	char *to = gofer_ring_request(ring_of(g), slot);
	int fd = -1, error = -EIO;
	const char *bad;
	long ret;

	h.size = (uint32_t)(sizeof(h) + c->body_size + c->rest_size[0] + c->rest_size[1]);
	put_piece(&to, &h, sizeof(h));
	put_piece(&to, c->body, c->body_size);
	put_piece(&to, c->rest[0], c->rest_size[0]);
	put_piece(&to, c->rest[1], c->rest_size[1]);
	worker_block_lazy_begin();
	worker_tarry_begin();
	do
		ret = host_call(GOFER_BELL, slot, h.tag, 0);
	while (ret == -EINTR || /* the freezer, a kick for somebody else: it knows what it has done */
	       (ret == 0 && slot_has_fd(g, slot))); /* or the Gofer was interrupted as it gave it to us */
	worker_tarry_end();
	worker_block_lazy_end();
	if (ret < 0) {
		log_once(LOG_WARN, "gofer: nobody hears the bell (%ld); its files are lost", ret);
		conn_die(g);
	} else {
		fd = (int)ret;
		bad = slot_reply(g, c, slot, &fd, &error);
		host_close_fd(&fd);
		if (bad)
			error = gconn_broken(g, bad);
	}
	slot_free(g, slot);
	return error;
}

static int ring_part(struct gconn *g, uint32_t what, int fd)
{
	struct gofer_ring_setup q = { .what = what };
	struct gconn_call c = {
		.type = GOFER_REQ_RING, .body = &q, .body_size = sizeof(q), .give = &fd
	};
	int err = gconn_call(g, &c);

	if (err == 0)
		gconn_reply_put(g, &c);
	return err;
}

void gconn_use_ring(struct gconn *g, int bell)
{
	char *mem = MAP_FAILED;
	int fd = -1, err;

	if (bell < 0)
		return;
	/* Without synchronous wake-ups it is no better than the socket: SECCOMP_IOCTL_NOTIF_SET_FLAGS. */
	err = (int)host_ioctl(bell, SECCOMP_IOW(4, uint64_t), (void *)1);
	if (err == 0)
		err = fd = host_memfd_create("runsc-c-gofer", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (err >= 0)
		err = host_ftruncate(fd, GOFER_RING_SIZE);
	if (err == 0)
		err = (int)host_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (err == 0) {
		mem = mmap(NULL, GOFER_RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		err = mem == MAP_FAILED ? -ENOMEM : 0;
	}
	if (err == 0)
		err = ring_part(g, GOFER_RING_MEMORY, fd);
	if (err == 0)
		err = ring_part(g, GOFER_RING_BELL, bell);
	if (err == 0) {
		atomic_store_explicit(&g->ring, mem, memory_order_release); /* ring_of() */
	} else {
		log_info("gofer: no ring (%d)", err);
		if (mem != MAP_FAILED)
			munmap(mem, GOFER_RING_SIZE);
	}
	host_close_fd(&fd);
	host_close_fd(&bell); /* the Gofer's alone: its end must end the calls */
}

/* Once. */
static bool ring_is_due(struct gconn *g)
{
	bool due;

	latch_lock(&g->latch);
	due = !g->ring_tried && g->next_tag >= RING_AFTER;
	g->ring_tried |= due;
	latch_unlock(&g->latch);
	return due;
}

bool gconn_has_ring(const struct gconn *g)
{
	return ring_of(g) != NULL;
}

int gconn_call(struct gconn *g, struct gconn_call *c)
{
	struct flight f = { .call = c, .state = CALL_SENDING };
	uint32_t slot;
	int err;

	c->fd = -1;
	c->buffer = NULL;
	c->reply_size = 0;
	if (slot_take(g, c, &slot))
		return ring_call(g, c, slot);
	if (ring_is_due(g)) {
		gconn_use_ring(g, jail_bell_take()); /* consumes the bell */
		return gconn_call(g, c);
	}
	waiter_init(&f.waiter, fiber_self());
	latch_lock(&g->latch);
	if (g->dead) {
		latch_unlock(&g->latch);
		return -EIO;
	}
	f.tag = g->next_tag++;
	list_append(&g->flights, &f.node);
	latch_unlock(&g->latch);

	err = send_call(g, c, f.tag);
	if (err < 0) {
		log_once(LOG_WARN, "gofer: can't send (%d); its files are lost", err);
		conn_die(g); /* ends this flight too */
	}
	flight_wait(g, &f);
	return f.error;
}

/* ---- fids ---------------------------------------------------------------------------------- */

int gconn_fid_alloc(struct gconn *g, uint32_t *fid)
{
	int err = 0;

	latch_lock(&g->latch);
	if (g->free_count > 0)
		*fid = g->free_fids[--g->free_count];
	else if (g->next_fid < GOFER_FID_MAX)
		*fid = g->next_fid++;
	else
		err = -ENFILE;
	latch_unlock(&g->latch);
	return err;
}

void gconn_fid_free(struct gconn *g, uint32_t fid)
{
	latch_lock(&g->latch);
	g->free_fids[g->free_count++] = fid;
	latch_unlock(&g->latch);
}

uint32_t gconn_call_count(const struct gconn *g)
{
	return g->next_tag;
}

uint32_t gconn_fid_count(const struct gconn *g)
{
	return g->next_fid - g->free_count;
}

/* Send what waits to be clunked if there are at least `least`. */
static void clunk_send(struct gconn *g, uint32_t least)
{
	struct {
		struct gofer_hdr h;
		struct gofer_clunk q;
		uint32_t fids[CLUNKS_MAX];
	} m;
	struct iovec piece = { &m, 0 };
	uint32_t count = 0;

	latch_lock(&g->latch);
	if (g->clunk_count >= least) {
		count = g->clunk_count;
		memcpy(m.fids, g->clunks, count * sizeof(m.fids[0]));
		g->clunk_count = 0;
	}
	latch_unlock(&g->latch);
	if (count == 0)
		return;
	piece.iov_len = sizeof(m.h) + sizeof(m.q) + count * sizeof(m.fids[0]);
	m.h = (struct gofer_hdr){ .size = (uint32_t)piece.iov_len, .type = GOFER_REQ_CLUNK };
	m.q = (struct gofer_clunk){ .count = count };
	(void)conn_send(g, &piece, 1); /* a dead connection shows at the next call */

	/* Only now can a later request bind them again. */
	latch_lock(&g->latch);
	memcpy(g->free_fids + g->free_count, m.fids, count * sizeof(m.fids[0]));
	g->free_count += count;
	latch_unlock(&g->latch);
}

void gconn_clunk_flush(struct gconn *g)
{
	clunk_send(g, 1);
}

void gconn_fid_clunk(struct gconn *g, uint32_t fid)
{
	bool full;

	if (fid == GOFER_NOFID)
		return;
	for (;;) {
		latch_lock(&g->latch);
		full = g->clunk_count == CLUNKS_MAX;
		if (!full)
			g->clunks[g->clunk_count++] = fid;
		latch_unlock(&g->latch);
		if (!full)
			break;
		clunk_send(g, CLUNKS_MAX);
	}
	clunk_send(g, CLUNKS_MAX);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void conn_free(struct gconn *g)
{
	host_close_fd(&g->transport.fd);
	while (g->buffer_count > 0)
		mem_free(g->buffers[--g->buffer_count]);
	if (ring_of(g))
		munmap(ring_of(g), GOFER_RING_SIZE);
	mem_free(g->free_fids);
	mem_free(g);
}

static int agree_version(struct gconn *g)
{
	struct gofer_version q = { GOFER_MAGIC, GOFER_VERSION, GOFER_MSG_MAX, 0 };
	struct gconn_call c = { .type = GOFER_REQ_VERSION, .body = &q, .body_size = sizeof(q) };
	const struct gofer_version *a;
	int err;

	err = gconn_call(g, &c);
	if (err < 0)
		return err;
	a = gconn_reply(&c, sizeof(*a));
	if (!a || a->magic != GOFER_MAGIC || a->version != GOFER_VERSION || a->msg_max != GOFER_MSG_MAX)
		err = gconn_broken(g, "version");
	else
		g->attach_count = a->attach_count;
	gconn_reply_put(g, &c);
	return err;
}

int gconn_new(int fd, struct gconn **out)
{
	struct gconn *g = mem_new(struct gconn);
	int err = -ENOMEM;

	if (!g)
		return err;
	ref_init(&g->ref);
	g->transport.fd = fd;
	list_init(&g->flights);
	latch_init(&g->latch);
	g->free_fids = mem_calloc(GOFER_FID_MAX, sizeof(*g->free_fids));
	if (g->free_fids)
		err = agree_version(g);
	if (err < 0) {
		g->transport.fd = -1; /* stays the caller's */
		conn_free(g);
		return err;
	}
	*out = g;
	return 0;
}

struct gconn *gconn_get(struct gconn *g)
{
	ref_get(&g->ref);
	return g;
}

void gconn_put(struct gconn *g)
{
	if (g && ref_put(&g->ref))
		conn_free(g);
}

uint32_t gconn_attach_count(const struct gconn *g)
{
	return g->attach_count;
}

void gconn_end(struct gconn *g, unsigned int status)
{
	struct {
		struct gofer_hdr h;
		struct gofer_end q;
	} m = {
		.h = { .size = sizeof(m), .type = GOFER_REQ_END },
		.q = { .status = status & 255 },
	};
	struct iovec piece = { &m, sizeof(m) };

	(void)conn_send(g, &piece, 1);
}
