/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h: a connection to a Gofer: requests in flight, fids, who reads replies.
 *
 * Nobody is set aside to read replies: of the fibers that wait for one, one is the *leader*.  It
 * reads messages, hands each to the fiber whose tag it carries, and when its own has come passes the
 * lead on.  So a lone request is one send and one receive on the same host thread, without a switch,
 * and many requests share one reader.
 *
 *     sending ──▶ sent, asleep ──(its reply was read by the leader)──▶ done
 *        │           │
 *   (nobody leads)   │ (made leader)
 *        ▼           ▼
 *        leading, reads ──(its own reply)──▶ done, passes the lead on
 *
 * The leader waits in place, since a Gofer answers in tens of microseconds; when it takes longer another
 * worker takes its worker's seat (worker_block_lazy_begin).  Nothing spins.
 *
 * That is the way through the socket.  With a ring (gofer/ring.h) each call has a slot of its own and
 * waits in the bell for its own reply; the socket has what does not fit, and what comes when all slots are
 * taken.
 *
 * Replies are input.  One that does not fit its request is the end of the connection: every request,
 * in flight and later, is -EIO.
 *
 * Lock: conn->latch (a leaf) guards everything that changes.  A sleeping fiber's call lives on its
 * stack: it is woken under the latch, and takes the latch before it goes away.
 */
#pragma once

#include "gofer/protocol.h"
#include "gofer/transport.h"
#include "lib/list.h"
#include "lib/util.h"

struct gconn;

/* A request and its reply.  The caller fills the first part; gconn_reply_put() when it succeeded. */
struct gconn_call {
	uint16_t type;            /* enum gofer_type */
	const void *body;         /* fixed part */
	size_t body_size;
	const void *rest[2];      /* up to two pieces of the variable part */
	size_t rest_size[2];
	const int *give;          /* NULL, or a descriptor that goes with it; borrowed */

	const char *reply;        /* after the header; aligned to 8 */
	size_t reply_size;
	int fd;                   /* the descriptor that came, the caller's; or -1 */
	char *buffer;             /* owned until gconn_reply_put() */
};

/* fd, a connected SOCK_SEQPACKET socket, is consumed on success.  Agrees on the version. */
int gconn_new(int fd, struct gconn **out) must_check;
/*
 * From now on use a ring (gofer/ring.h) with this bell (consumed; -1: nothing happens).  Where that can't
 * be, the socket goes on.  A connection does this by itself once it is busy; there is one bell, and of a
 * pod's containers the first that works with files gets it, not the first that was made.
 */
void gconn_use_ring(struct gconn *g, int bell);
bool gconn_has_ring(const struct gconn *g);
struct gconn *gconn_get(struct gconn *g);
void gconn_put(struct gconn *g); /* accepts NULL */
uint32_t gconn_attach_count(const struct gconn *g);

/*
 * Send and wait.  0 with the reply, the server's negative errno, or -EIO when the connection is
 * over.  Sleeps uninterruptibly; any locks may be held but latches.  Several fibers at once.
 */
int gconn_call(struct gconn *g, struct gconn_call *c) must_check;
/* Release what a successful call returned: the buffer, and the descriptor unless fd was set to -1. */
void gconn_reply_put(struct gconn *g, struct gconn_call *c);
/* The fixed part of a reply, or NULL when it is shorter than size. */
const void *gconn_reply(const struct gconn_call *c, size_t size);
/* A reply that makes no sense: end the connection.  Returns -EIO. */
int gconn_broken(struct gconn *g, const char *what);

/*
 * Fid numbers.  -ENFILE when there are none left.  A fid that was allocated and never bound goes back
 * with _free; one that is bound is clunked, some time later, and then free.
 */
int gconn_fid_alloc(struct gconn *g, uint32_t *fid) must_check;
void gconn_fid_free(struct gconn *g, uint32_t fid);
void gconn_fid_clunk(struct gconn *g, uint32_t fid); /* GOFER_NOFID: nothing */
/* How many calls were made so far (tests, statistics). */
uint32_t gconn_call_count(const struct gconn *g);
/* Send those that wait to be clunked. */
void gconn_clunk_flush(struct gconn *g);
/* How many are bound or waiting to be clunked (a hint). */
uint32_t gconn_fid_count(const struct gconn *g);

/* Tell the Gofer to end with status (0 to 255).  Best effort. */
void gconn_end(struct gconn *g, unsigned int status);
