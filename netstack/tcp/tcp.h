/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp.h: what TCP's files share (RFC 9293 and Linux's choices).
 *
 *     api.c      calls of the socket layer      listen.c   SYN queue, cookies, accept queue
 *     input.c    segments by state              tw.c       TIME_WAIT
 *     ack.c      acknowledgements, SACK, undo   conn.c     life, connection table, RST, ICMP
 *     output.c   building and sending segments  timer.c    all timers
 *     recv.c     receive queues, reassembly, windows, delayed ACKs
 *     rack.c     RACK-TLP                       cong.c     PRR, Reno; cubic.c
 *     options.c  IPPROTO_TCP, TCP_INFO          splice.c   both ends in this stack
 *
 * A connection is found in the table of tcp_nodes by its four addresses.  Nodes are of three
 * kinds: a full endpoint, a SYN_RCVD request of a listener (small), a TIME_WAIT (small).
 *
 * Locks: struct tcp by ep.lock; a request by its listener's ep.lock; a TIME_WAIT by its own latch.
 * A listener's lock is taken before a child's; the two ends of a spliced connection by address.
 *
 * References to an endpoint: the socket's, the table's (while hashed), the timer's (while armed).
 */
#pragma once

#include "lib/tree.h"
#include "netstack/transport/ports_impl.h"

enum tcp_state {
	TCPS_ESTABLISHED = 1, /* the numbers of <netinet/tcp.h>, seen in /proc and TCP_INFO */
	TCPS_SYN_SENT,
	TCPS_SYN_RECV,
	TCPS_FIN_WAIT1,
	TCPS_FIN_WAIT2,
	TCPS_TIME_WAIT,
	TCPS_CLOSE,
	TCPS_CLOSE_WAIT,
	TCPS_LAST_ACK,
	TCPS_LISTEN,
	TCPS_CLOSING,
};

#define TCPS_BIT(s)     (1U << (s))
#define TCP_MSS_DEFAULT 536U
#define TCP_INIT_CWND   10U
#define TCP_MAX_WSCALE  14
#define TCP_RTO_MAX     (120 * NSEC_PER_SEC)
#define TCP_RTO_INIT    NSEC_PER_SEC
#define TCP_DELACK_MIN  (40 * NSEC_PER_MSEC)
#define TCP_DELACK_MAX  (200 * NSEC_PER_MSEC)
#define TCP_TIMEWAIT_NS (60 * NSEC_PER_SEC)
#define TCP_PAWS_24DAYS (24 * 86400 * NSEC_PER_SEC)
#define TCP_MAX_WINDOW  65535U

/* A receive queue beyond this has left the CPU's cache before it is read, of many queues one of a quarter; at half of it more may come. */
#define TCP_QUEUE_LONG  (192U << 10)
#define TCP_QUEUES_MANY (1U << 20) /* of memory of all endpoints */

enum ca_state { CA_OPEN, CA_DISORDER, CA_CWR, CA_RECOVERY, CA_LOSS };

static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}
#define seq_after(a, b) seq_before((b), (a))
/* b <= a <= c */
static inline bool seq_between(uint32_t a, uint32_t b, uint32_t c)
{
	return c - b >= a - b;
}

enum tcp_node_kind { NODE_CONN, NODE_REQ, NODE_TW };

struct tcp_node {
	struct hash_node hn;
	struct ref *ref; /* of the object around */
	struct ipa laddr, raddr;
	uint16_t lport, rport;
	uint8_t kind;
	bool hashed; /* (shard latch) */
};

enum seg_marks {
	SEG_SACKED = 1,
	SEG_LOST = 2,
	SEG_RETRANS = 4, /* a retransmission is in flight */
	SEG_EVER_RETRANS = 8,
};

/* A piece of the stream that was sent and not acknowledged. */
struct tcp_seg {
	struct list node;  /* t->rtx, by sequence */
	struct list tnode; /* t->tsorted, by time of last transmission; alone when lost */
	uint32_t seq, end_seq; /* SYN and FIN count */
	uint32_t len;      /* payload */
	uint16_t pcount;   /* segments on the wire */
	uint8_t flags;     /* TH_SYN, TH_FIN, TH_PSH */
	uint8_t marks;
	uint8_t nfrags;
	int64_t sent_ns;
	struct pkt_frag frags[];
};

/* Unsent bytes. */
/* What holds the sender up (TCP_INFO).  IDLE: nothing to send. */
enum tcp_chrono { CHRONO_BUSY, CHRONO_RWND, CHRONO_SNDBUF, CHRONO_IDLE };

struct tcp_chunk {
	struct list node;
	struct pbuf *buf;
	uint32_t off, len;
	bool eor; /* MSG_EOR: no segment holds bytes from here and from what comes after */
};

struct tcp_opts {
	bool ts, sack_ok, wscale_ok;
	uint8_t wscale;
	uint16_t mss; /* 0: none */
	uint32_t tsval, tsecr;
	uint8_t nsacks;
	struct {
		uint32_t start, end;
	} sacks[4];
};

struct tcp_range {
	uint32_t start, end;
};

struct tcp;

struct cong_ops {
	const char *name;
	void (*init)(struct tcp *t);
	uint32_t (*ssthresh)(struct tcp *t);
	void (*acked)(struct tcp *t, uint32_t acked); /* grow, in Open */
	void (*rtt)(struct tcp *t, int64_t rtt_ns);
	void (*loss)(struct tcp *t);                  /* RTO */
	void (*restart)(struct tcp *t, int64_t idle_ns);
	void (*undo)(struct tcp *t);
};
extern const struct cong_ops cong_reno, cong_cubic;
const struct cong_ops *cong_find(const char *name);
const struct cong_ops *cong_default(struct stack *s);

enum retx_kind { RETX_NONE, RETX_RTO, RETX_PROBE0, RETX_TLP, RETX_REO };

struct cubic {
	uint32_t cnt, last_max, last_cwnd, origin, tcp_cwnd, k_ms, ack_cnt;
	int64_t epoch_ns, last_ns;
	/* HyStart */
	uint32_t end_seq, sample_cnt;
	int64_t round_ns, curr_rtt, delay_min;
	bool found;
};

/* A SYN that waits for its ACK.  Under the listener's lock. */
struct tcp_req {
	struct tcp_node node;
	struct ref ref;
	struct list link;      /* listener's reqs */
	struct tcp *listener;  /* a reference to its ep */
	struct ntimer timer;
	uint32_t irs, iss, ts_recent, rcv_wnd, ts_off;
	uint32_t flow;
	uint16_t mss;
	uint8_t wscale, rcv_wscale;
	bool wscale_ok, sack_ok, ts_ok, ecn_ok, acked, dead;
	uint8_t sent;          /* SYN-ACKs */
	uint32_t ifindex;
	uint8_t tos;
	int64_t sent_ns;
	struct tcp_syn *syn;   /* TCP_SAVE_SYN; owned; NULL: not saved */
};

/* The headers of a SYN, from the link's or the network's on. */
struct tcp_syn {
	uint16_t size;
	uint8_t bytes[];
};

struct tcp_tw {
	struct tcp_node node;
	struct ref ref;
	struct stack *stack;
	struct latch latch;
	struct ntimer timer;
	struct port_claim claim;
	uint32_t snd_nxt, rcv_nxt, rcv_wnd, ts_recent, ts_off;
	int64_t ts_recent_ns, last_ack_ns;
	uint32_t ifindex, uid;
	uint8_t rcv_wscale, tos;
	bool ts_ok;
};

/* A segment, for IPV6_2292PKTOPTIONS (pktopts.c). */
struct tcp_seen {
	struct pbuf *ext;       /* extension headers that are wanted, the first of protocol ext_first; owned; NULL: none */
	uint8_t ext_first, hops, tclass;
	uint32_t ifindex, end_seq;
	struct ipa dst;
};

/* Everything under ep.lock. */
struct tcp {
	struct ep ep;
	struct tcp_node node;
	struct ntimer timer;
	uint8_t state;          /* enum tcp_state */
	bool orphan;            /* the socket is gone */
	bool passive;           /* it was accepted */
	bool attempted;         /* connect(2) has begun and its end was not told yet */

	/* listener */
	unsigned int backlog;
	struct list reqs, acceptq; /* struct tcp_req; struct tcp by .accept_node */
	unsigned int nreqs, nyoung, nacceptq;
	int64_t overflow_ns;    /* last time that the SYN queue was full */
	struct list accept_node;
	struct tcp *listener;   /* while in its accept queue: borrowed */
	int defer_accept;

	/* sender */
	uint32_t iss, snd_una, snd_nxt, snd_wnd, snd_wl1, write_seq, snd_sml;
	uint32_t max_window, snd_up;
	bool urg_out, fin_queued, fin_sent;
	struct list unsent;     /* struct tcp_chunk */
	uint32_t unsent_bytes;
	uint32_t push_seq;      /* PSH on the segment that ends here: the end of a send without MSG_MORE */
	struct list rtx, tsorted;
	uint32_t charged;       /* bytes charged to the stack for sending */
	uint32_t mss, peer_mss, user_mss, advmss; /* mss: of a full segment's payload */
	uint32_t pmtu, probe_mss; /* pmtu: last seen in dst; probe_mss: black hole's cap, 0 none */
	uint8_t snd_wscale, rcv_wscale;
	bool wscale_ok, sack_ok, ts_ok;
	int64_t last_send_ns, last_recv_ns, last_ack_ns;

	/* loss recovery; counts are segments on the wire */
	uint32_t packets_out, sacked_out, lost_out, retrans_out;
	uint32_t cwnd, ssthresh, cwnd_cnt, prior_cwnd, prior_ssthresh, cwnd_used, max_packets_out;
	int64_t cwnd_stamp;
	bool cwnd_limited;
	uint32_t high_seq, undo_marker, prr_delivered, prr_out;
	int32_t undo_retrans;
	uint32_t reordering, delivered, total_retrans, highest_sack;
	uint8_t ca;             /* enum ca_state */
	uint8_t retransmits, backoff, probes;
	bool frto, reord_seen, dsack_round, syn_data;
	int64_t retrans_stamp;  /* first retransmission of this episode: time, 0 none */
	uint32_t retrans_ts;    /* the same, as a time stamp value */
	int64_t srtt, mdev, rttvar, rto, mdev_max, min_rtt, rttmin_ns;
	uint32_t rtt_seq;
	int64_t rack_sent_ns, rack_rtt;
	uint32_t rack_end_seq, rack_last_delivered, rack_high_seq;
	uint8_t rack_steps, rack_persist;
	bool rack_dsack, rack_advanced;
	uint32_t tlp_high_seq;
	bool tlp_retrans;
	struct tcp_range recv_sacks[4]; /* last blocks seen */
	const struct cong_ops *cong;
	struct cubic cubic;

	/* ECN */
	bool ecn_ok, ecn_demand_cwr, ecn_queue_cwr, ecn_seen;

	/* receiver */
	uint32_t irs, rcv_nxt, rcv_wup, rcv_wnd, copied_seq, rcv_mss, window_clamp, rcv_ssthresh;
	struct list rcvq;       /* struct pkt by sequence */
	struct list stamps;         /* struct tcp_stamp, by end: stamp.c */
	unsigned int nstamps;
	int64_t read_stamp_ns;      /* when what was read last had come; 0: unknown */
	struct tree ofo;        /* struct pkt */
	uint32_t rcv_mem;       /* truesize of both */
	struct tcp_range sacks[4]; /* what we report, most recent first */
	uint8_t nsacks;
	bool dsack;
	struct tcp_range dsack_range;
	uint32_t urg_seq;
	bool urg_valid, urg_seen, urg_read; /* a mark at urg_seq; its byte is here; was read */
	uint8_t urg_byte;
	bool fin_rcvd;
	uint32_t rx_long;       /* the queue was long: at this length somebody is told that it is not any more; 0: not */
	uint32_t fin_seq;
	uint32_t ts_recent, ts_off, ts_ecr_last;
	int64_t ts_recent_ns;
	/* delayed acknowledgements */
	uint8_t quick, ack_now, pingpong;
	bool ack_sched;
	uint32_t last_ack_sent;
	int64_t ato;
	/* buffer tuning */
	uint32_t rcvq_space, rcvq_seq, rcv_rtt_seq;
	int64_t rcvq_ns, rcv_rtt, rcv_rtt_ns;

	/* timers: 0 means off */
	uint8_t retx_kind;      /* enum retx_kind */
	int64_t retx_ns, delack_ns, keep_ns, pace_ns;
	int64_t probe_since_ns, pace_next_ns;
	bool more;              /* the send under way says MSG_MORE */
	bool push_now;          /* TCP_NODELAY was set: what is queued goes, corks or not */
	/* options */
	int nodelay, cork, quickack_opt, keepidle, keepintvl, keepcnt, syncnt, linger2, thin_lto;
	int notsent_lowat, inq, save_syn;
	struct tcp_syn *syn;        /* TCP_SAVED_SYN; owned */
	uint32_t user_timeout_ms;
	bool nospace; /* somebody waits for room in the send buffer */
	bool rwnd_limited;      /* the last push stopped at the peer's window */
	uint8_t chrono;         /* enum tcp_chrono, since chrono_since_ns */
	int64_t chrono_since_ns, chrono_ns[3];
	uint32_t total_rto, rto_recoveries, received_ce;
	int64_t rto_since_ns, rto_ns; /* since_ns 0: no RTO is under repair */
	int64_t challenge_ns, oow_ns;
	uint32_t challenge_count;
	/* statistics for TCP_INFO */
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	uint32_t segs_out, segs_in, data_segs_in, data_segs_out, dsack_dups, reord_count, delivered_ce,
		rcv_ooopack;
	/* IPV6_2292PKTOPTIONS: of the last segment all, if seen_whole, or these, as far as they were wanted; 0: not seen */
	struct tcp_seen seen;
	bool seen_whole;
	uint8_t seen_hops, seen_tclass;
	uint32_t seen_ifindex;
	/* loopback splice */
	struct tcp *peer;       /* reference */
	bool peer_sought;
};

static inline struct tcp *tcp_of(struct ep *e)
{
	return container_of(e, struct tcp, ep);
}

static inline struct stack *tcp_stack(struct tcp *t)
{
	return t->ep.stack;
}

static inline uint32_t tcp_ts_at(int64_t ns, uint32_t off)
{
	return (uint32_t)(ns / NSEC_PER_MSEC) + off;
}

static inline uint32_t tcp_in_flight(const struct tcp *t)
{
	uint32_t gone = t->sacked_out + t->lost_out;

	return t->packets_out + t->retrans_out - MIN(gone, t->packets_out + t->retrans_out);
}

static inline uint32_t tcp_wnd_end(const struct tcp *t)
{
	return t->snd_una + t->snd_wnd;
}

static inline bool tcp_state_in(const struct tcp *t, unsigned int bits)
{
	return TCPS_BIT(t->state) & bits;
}

/* ---- conn.c ---- */
extern struct tcp_node *tcp_node_lookup(struct stack *s, const struct flow *f);
/* -EADDRNOTAVAIL: the four addresses are taken; *tw gets a TIME_WAIT that is (a reference). */
int tcp_node_insert(struct stack *s, struct tcp_node *n, struct tcp_tw **tw);
/* False: it was not in the table.  The caller then owns the table's reference. */
bool tcp_node_remove(struct stack *s, struct tcp_node *n);
/* Put `new` where `old` was, as one step. */
bool tcp_node_replace(struct stack *s, struct tcp_node *old, struct tcp_node *new);
void tcp_node_init(struct tcp_node *n, enum tcp_node_kind kind, struct ref *ref, const struct flow *f);
void tcp_node_put(struct tcp_node *n);
/* Set up, or back to, an unconnected endpoint's values. */
void tcp_init(struct tcp *t, struct stack *s);
struct tcp *tcp_alloc(struct stack *s, int family);
uint32_t tcp_new_iss(struct stack *s, const struct flow *f);
uint32_t tcp_new_ts_off(struct stack *s, const struct flow *f);
/* The end of a connection: out of the tables, timers off, waiters woken. */
void tcp_done(struct tcp *t);
/* The same with an error for the application. */
void tcp_fail(struct tcp *t, int error);
void tcp_set_state(struct tcp *t, enum tcp_state state);
/* Answer p, which belongs to nobody, with RST. */
void tcp_send_rst_reply(struct txq *q, struct nic *n, struct pkt *p);
bool tcp_parse_opts(const struct pkt *p, struct tcp_opts *o);
void tcp_purge(struct tcp *t);
/* Drop what is in order and unread. */
void tcp_purge_rcvq(struct tcp *t);
void tcp_free_chunks(struct tcp *t);

/*
 * Around copying from or to the application with the endpoint locked: segments that arrive meanwhile
 * wait for the end of it rather than for the lock.  The end may close the connection.
 */
void tcp_copy_begin(struct tcp *t);
void tcp_copy_end(struct txq *q, struct tcp *t);

/* ---- listen.c ---- */
void tcp_listen_input(struct txq *q, struct nic *n, struct tcp *l, struct pkt *p, uint32_t iss_hint);
void tcp_req_input(struct txq *q, struct nic *n, struct tcp_req *r, struct pkt *p);
void tcp_listen_stop(struct tcp *l, struct txq *q);
void tcp_req_kill(struct tcp_req *r);
void tcp_req_free(struct tcp_req *r);
void tcp_req_icmp(struct tcp_req *r, const struct icmp_err *i, uint32_t seq);

/* ---- tw.c ---- */
/* t becomes a TIME_WAIT; false: there is no room or memory, just done. */
void tcp_time_wait(struct tcp *t);
/* True: p is a SYN that may open a new connection with *iss as its first number; not consumed. */
bool tcp_tw_input(struct txq *q, struct nic *n, struct tcp_tw *w, struct pkt *p, uint32_t *iss);
void tcp_tw_free(struct tcp_tw *w);
void tcp_tw_kill(struct tcp_tw *w);

/* ---- options.c ---- */
/* TCP_INFO and kin for struct ep_info. */
void tcp_fill_info(struct tcp *t, struct ep_info *out);

/* ---- input.c ---- */
void tcp_rcv(struct txq *q, struct tcp *t, struct pkt *p, const struct tcp_opts *o);
void tcp_established(struct tcp *t);

/* ---- ack.c ---- */
enum ack_result { ACK_OK, ACK_BAD, ACK_OLD };
enum ack_result tcp_ack(struct txq *q, struct tcp *t, struct pkt *p, const struct tcp_opts *o);
void tcp_mark_lost(struct tcp *t, struct tcp_seg *s);
void tcp_enter_loss(struct tcp *t);
void tcp_enter_cwr(struct tcp *t);
void tcp_enter_recovery(struct tcp *t, bool ece);
void tcp_rtt_sample(struct tcp *t, int64_t rtt_ns);
void tcp_rearm_rto(struct tcp *t);
void tcp_init_metrics(struct tcp *t);

/* ---- rack.c ---- */
void rack_advance(struct tcp *t, const struct tcp_seg *s);
void rack_update_reo_wnd(struct tcp *t, bool dsack);
/* Mark what is lost by now; true: something was. */
bool rack_mark_lost(struct tcp *t);
void rack_reo_timeout(struct txq *q, struct tcp *t);
bool tlp_schedule(struct tcp *t);
void tlp_fire(struct txq *q, struct tcp *t);
void tlp_ack(struct tcp *t, uint32_t ack, bool dsack, bool advanced);

/* ---- cong.c ---- */
void tcp_cwnd_reduction_begin(struct tcp *t);
void tcp_cwnd_reduce(struct tcp *t, uint32_t acked_sacked, uint32_t newly_lost, bool advanced);
void tcp_cwnd_reduction_end(struct tcp *t);
/* Is it a pause longer than RTO since data was sent?  Then the window is a new one. */
void tcp_slow_start_after_idle(struct tcp *t);
void tcp_cwnd_validate(struct tcp *t, bool limited);
/* May the window grow?  Not where it is not used. */
bool tcp_cwnd_is_limited(const struct tcp *t);
uint32_t tcp_slow_start(struct tcp *t, uint32_t acked);
void tcp_cong_avoid_ai(struct tcp *t, uint32_t w, uint32_t acked);

/* ---- output.c ---- */
/* Send what may be sent. */
/* Note what holds the sender up from now on. */
void tcp_chrono(struct tcp *t);
void tcp_push(struct txq *q, struct tcp *t);
void tcp_push_one(struct txq *q, struct tcp *t); /* one segment despite the window (TLP) */
void tcp_send_ack(struct txq *q, struct tcp *t);
void tcp_send_syn(struct txq *q, struct tcp *t);
void tcp_send_fin(struct txq *q, struct tcp *t);
void tcp_send_reset(struct txq *q, struct tcp *t);
/* A zero-window or keepalive probe. */
void tcp_send_probe(struct txq *q, struct tcp *t, bool urgent);
void tcp_probe_window(struct txq *q, struct tcp *t);
/* Bytes a second that the window and the round-trip time stand for, with some to grow. */
uint64_t tcp_flow_rate(const struct tcp *t);
/* The MSS to ask peer for, by the MTU of the route to it. */
uint32_t tcp_adv_mss(const struct tcp *t, uint32_t mtu, struct ipa peer);
/* Once more what is on t->rtx, at most max_segs packets of it; false: not now.  The second form is for what is lost or timed out. */
bool tcp_send_again(struct txq *q, struct tcp *t, struct tcp_seg *s, uint32_t max_segs);
bool tcp_retransmit(struct txq *q, struct tcp *t, struct tcp_seg *s, uint32_t max_segs);
void tcp_retransmit_lost(struct txq *q, struct tcp *t);
void tcp_seg_free(struct tcp_seg *s);
/* Cut s at len payload bytes; the rest becomes the next of the queue.  false: no memory. */
bool tcp_seg_split(struct tcp *t, struct tcp_seg *s, uint32_t len);
void tcp_sync_mss(struct tcp *t);
/* The peer offered that window: the largest bounds the segment size. */
void tcp_window_seen(struct tcp *t, uint32_t window);
void tcp_check_probe0(struct tcp *t);
uint32_t tcp_queue_long(struct tcp *t);
uint32_t tcp_select_window(struct tcp *t);
/* A segment without an endpoint: RST, SYN-ACK of a request, ACK of a TIME_WAIT. */
struct tcp_bare {
	struct ipa src, dst;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	const uint8_t *opts;
	uint8_t opts_len;
	uint32_t ifindex;
	uint8_t tos, ttl;
	uint32_t mark, uid;
	const struct ip6_ext *ext; /* IPv6's extension headers; NULL: none */
};
void tcp_send_bare(struct txq *q, const struct tcp_bare *b);
int tcp_route(struct tcp *t);

/* ---- stamp.c ---- */
/* OPT_ID is set: bytes are counted from here.  -EINVAL: not connected. */
int tcp_stamp_begin(struct tcp *t);
/* A send that m describes has queued what ends at write_seq. */
void tcp_stamp_sent(struct tcp *t, const struct ep_msg *m);
/* snd_nxt or snd_una has moved, and t->stamps is not empty. */
void tcp_stamps_tell(struct tcp *t);
void tcp_stamps_purge(struct tcp *t);
/* p is new here, and was not received yet; a reader has it, received at ns (0: unknown). */
void tcp_stamp_received(struct tcp *t, struct pkt *p);
void tcp_stamp_read(const struct tcp *t, int64_t ns, struct ep_msg *m);

/* ---- recv.c ---- */
/* Payload and FIN of an acceptable segment; consumes p. */
void tcp_data(struct txq *q, struct tcp *t, struct pkt *p);
void tcp_ack_check(struct txq *q, struct tcp *t); /* now, later or not */
void tcp_schedule_delack(struct tcp *t);
void tcp_quickack(struct tcp *t, unsigned int count);
void tcp_init_rcv_space(struct tcp *t);
void tcp_measure_rcv_mss(struct tcp *t, const struct pkt *p);
void tcp_urgent(struct tcp *t, struct pkt *p);
ssize_t tcp_recv(struct ep *e, struct txq *q, struct uio *u, struct ep_msg *m);
uint32_t tcp_readable(struct tcp *t);
void tcp_dupack(struct txq *q, struct tcp *t, const struct pkt *p);
void tcp_rcv_rtt_ts(struct tcp *t, const struct tcp_opts *o, const struct pkt *p);
void tcp_ack_sent(struct tcp *t);
int tcp_ofo_cmp(const struct tree_node *a, const struct tree_node *b);
uint32_t tcp_rcv_space(struct tcp *t);

/* ---- pktopts.c ---- */
/* What p says, before it is received; out is given to one of the others, with t locked.  p->net to p->trans are p's headers. */
void tcp_seen_take(const struct tcp *t, const struct pkt *p, struct tcp_seen *out);
/* It was received: t keeps it, if it was in order.  Consumes. */
void tcp_seen_keep(struct tcp *t, struct tcp_seen *s);
/* t was accepted with it.  Consumes. */
void tcp_seen_begin(struct tcp *t, struct tcp_seen *s);
void tcp_seen_free(struct tcp_seen *s);
/* getsockopt(IPV6_2292PKTOPTIONS): control messages, as many as there is room for. */
int tcp_seen_get(const struct tcp *t, void *val, size_t *size);

/* ---- splice.c ---- */
/* Lock t and, when the other end is here and might be spliced to, that too; which is returned with a reference. */
struct tcp *tcp_splice_lock(struct tcp *t);
void tcp_splice_unlock(struct tcp *t, struct tcp *p);
/* The other end alone: t goes on by itself. */
void tcp_splice_unlock_peer(struct tcp *p);
/* Move what can be moved at once; 0: nothing, take the ordinary path. */
ssize_t tcp_splice_send(struct tcp *t, struct tcp *p, struct uio *u);

/* ---- options.c ---- */
int tcp_setopt(struct ep *e, struct txq *q, int level, int name, const void *val, size_t size);
int tcp_getopt(struct ep *e, int level, int name, void *val, size_t *size);

/* ---- timer.c ---- */
void tcp_timer_fn(struct ntimer *t, struct txq *q);
/* Arm the one timer for the earliest of the deadlines. */
void tcp_timer_update(struct tcp *t);
void tcp_retx_arm(struct tcp *t, enum retx_kind kind, int64_t after_ns);
void tcp_retx_off(struct tcp *t);
void tcp_keep_arm(struct tcp *t);
