/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix_diag.c: sock_diag(7) for AF_UNIX: what `ss -x` asks.
 *
 * UNIX_DIAG_VFS and UNIX_DIAG_ICONS (which inode a name has, which sockets wait to be accepted) are not
 * there: ss does without.
 *
 * Locks: none of its own.  The sockets are collected with references under the module's latch; each is
 * looked at after that, since its latch comes before the module's.
 *
 * Linux: net/unix/diag.c.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/socket/netlink.h"
#include "sentry/socket/unix_impl.h"

#define TCP_STATE_ESTABLISHED 1
#define TCP_STATE_CLOSE       7
#define TCP_STATE_LISTEN      10

static uint8_t diag_state(const struct unix_sock *u)
{
	switch (unix_load(&u->state)) {
	case UNIX_LISTEN:
		return TCP_STATE_LISTEN;
	case UNIX_ESTABLISHED:
		return TCP_STATE_ESTABLISHED;
	default:
		return TCP_STATE_CLOSE;
	}
}

static void put_queues(struct nl_reply *r, struct unix_sock *u)
{
	struct unix_diag_rqlen q = { 0 };

	if (unix_load(&u->state) == UNIX_LISTEN) {
		q.udiag_rqueue = unix_load(&u->embryo_count);
		q.udiag_wqueue = unix_load(&u->backlog);
	} else {
		latch_lock(&u->latch);
		q.udiag_rqueue = (uint32_t)u->queued_bytes;
		latch_unlock(&u->latch);
		q.udiag_wqueue = (uint32_t)atomic_load_explicit(&u->charged, memory_order_relaxed);
	}
	nl_attr(r, UNIX_DIAG_RQLEN, &q, sizeof(q));
}

static void put_memory(struct nl_reply *r, struct unix_sock *u)
{
	uint32_t m[SK_MEMINFO_VARS] = {
		[SK_MEMINFO_RCVBUF] = (uint32_t)atomic_load_explicit(&u->s.rcvbuf, memory_order_relaxed),
		[SK_MEMINFO_SNDBUF] = (uint32_t)atomic_load_explicit(&u->s.sndbuf, memory_order_relaxed),
		[SK_MEMINFO_WMEM_ALLOC] = (uint32_t)atomic_load_explicit(&u->charged, memory_order_relaxed),
	};

	nl_attr(r, UNIX_DIAG_MEMINFO, m, sizeof(m));
}

static void put_one(struct nl_reply *r, const struct unix_diag_req *q, struct unix_sock *u, uint64_t inode)
{
	const struct unix_addr *a = unix_addr(u);
	struct unix_diag_msg m = { .udiag_family = AF_UNIX, .udiag_type = (uint8_t)u->s.type,
				   .udiag_state = diag_state(u), .udiag_ino = (uint32_t)inode,
				   .udiag_cookie = { (uint32_t)inode, (uint32_t)(inode >> 32) } };
	struct unix_sock *peer;

	nl_begin(r, SOCK_DIAG_BY_FAMILY, 0, &m, sizeof(m));
	if ((q->udiag_show & UDIAG_SHOW_NAME) && a && a->size > UNIX_PATH_OFFSET)
		nl_attr(r, UNIX_DIAG_NAME, a->un.sun_path, a->size - UNIX_PATH_OFFSET);
	if ((q->udiag_show & UDIAG_SHOW_PEER) && (peer = unix_peer_get(u)) != NULL) {
		nl_attr_u32(r, UNIX_DIAG_PEER, (uint32_t)unix_inode(peer));
		unix_put(peer);
	}
	if (q->udiag_show & UDIAG_SHOW_RQLEN)
		put_queues(r, u);
	if (q->udiag_show & UDIAG_SHOW_MEMINFO)
		put_memory(r, u);
	if (q->udiag_show & UDIAG_SHOW_UID)
		nl_attr_u32(r, UNIX_DIAG_UID, u->s.uid);
	nl_attr_u8(r, UNIX_DIAG_SHUTDOWN, (uint8_t)unix_load(&u->shut));
	nl_end(r);
}

int unix_diag_request(struct nl_request *q)
{
	bool single = (q->h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP, found = false;
	struct unix_diag_req req;
	struct unix_sock **all;
	ssize_t count;

	if (q->h->nlmsg_len < NLMSG_LENGTH(sizeof(req)))
		return -EINVAL;
	memcpy(&req, nl_body(q->h), sizeof(req));
	if (single && req.udiag_ino == 0)
		return -EINVAL;
	count = unix_snapshot(q->net, &all);
	if (count < 0)
		return (int)count;
	if (!single)
		q->reply->flags |= NLM_F_MULTI;
	for (ssize_t i = 0; i < count; i++) {
		uint64_t inode = unix_inode(all[i]);
		bool wanted = single ? (uint32_t)inode == req.udiag_ino && !found :
				       (req.udiag_states & (1u << diag_state(all[i]))) != 0;

		if (wanted)
			put_one(q->reply, &req, all[i], inode);
		found |= wanted;
		unix_put(all[i]);
	}
	mem_free(all);
	return single && !found ? -ENOENT : 0;
}
