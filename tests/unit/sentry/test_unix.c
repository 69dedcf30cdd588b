/* SPDX-License-Identifier: Apache-2.0 */
/* test_unix.c: the socket layer and AF_UNIX. */
#include "tests/unit/vfs/side.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "sentry/socket/socket.h"

#define NB SOCK_NONBLOCK

static void un_init(struct fx *x)
{
	fx_init(x);
	x->c.pid = 42;
	assert_int_equal(socket_module_init(), 0);
}

static struct file *un_socket(struct fx *x, int type)
{
	struct socket *s;
	struct file *f;

	assert_int_equal(socket_create(&x->c, AF_UNIX, type, 0, &s), 0);
	assert_int_equal(socket_file_new(&x->c, s, type & O_NONBLOCK, &f), 0);
	return f;
}

static void un_pair(struct fx *x, int type, struct file *f[2])
{
	assert_int_equal(socket_pair(&x->c, AF_UNIX, type, 0, f), 0);
}

static struct sock_addr un_addr(const char *name)
{
	struct sock_addr a = { .un.sun_family = AF_UNIX };

	/* "@name" is an abstract name */
	a.size = offsetof(struct sockaddr_un, sun_path) + (uint32_t)strlen(name) + (name[0] != '@');
	strcpy(a.un.sun_path, name);
	if (name[0] == '@')
		a.un.sun_path[0] = '\0';
	return a;
}

static int un_bind(struct fx *x, struct file *f, const char *name)
{
	struct sock_addr a = un_addr(name);

	return socket_bind(&x->c, file_socket(f), &a);
}

static int un_connect_c(struct vfs_ctx *c, struct file *f, const char *name)
{
	struct sock_addr a = un_addr(name);

	return socket_connect(c, file_socket(f), &a);
}

static int un_connect(struct fx *x, struct file *f, const char *name)
{
	return un_connect_c(&x->c, f, name);
}

static struct file *un_accept(struct fx *x, struct file *f)
{
	struct file *child;

	return socket_accept(&x->c, file_socket(f), 0, NULL, &child) == 0 ? child : NULL;
}

static ssize_t un_send(struct vfs_ctx *c, struct file *f, const void *p, size_t size, unsigned int flags)
{
	struct sock_msg m = { .flags = flags };
	struct uio u;
	ssize_t n;

	uio_init_kernel(&u, (void *)(uintptr_t)p, size);
	m.data = &u;
	n = socket_send(c, file_socket(f), &m);
	scm_fini(&m.scm);
	return n;
}

static ssize_t un_sendto(struct fx *x, struct file *f, const char *to, const void *p, size_t size)
{
	struct sock_msg m = { .addr = un_addr(to) };
	struct uio u;
	ssize_t n;

	uio_init_kernel(&u, (void *)(uintptr_t)p, size);
	m.data = &u;
	n = socket_send(&x->c, file_socket(f), &m);
	scm_fini(&m.scm);
	return n;
}

static ssize_t un_recv(struct vfs_ctx *c, struct file *f, void *p, size_t size, unsigned int flags)
{
	struct sock_msg m = { .flags = flags };
	struct uio u;
	ssize_t n;

	uio_init_kernel(&u, p, size);
	m.data = &u;
	n = socket_recv(c, file_socket(f), &m);
	scm_fini(&m.scm);
	return n;
}

/* A byte with a file (consumed). */
static ssize_t un_send_file(struct fx *x, struct file *f, struct file *passed)
{
	struct sock_msg m = { .flags = MSG_DONTWAIT };
	struct uio u;
	char byte = 'f';
	ssize_t n;

	m.scm.files = malloc(sizeof(*m.scm.files) + sizeof(passed));
	m.scm.files->count = 1;
	m.scm.files->file[0] = passed;
	uio_init_kernel(&u, &byte, 1);
	m.data = &u;
	n = socket_send(&x->c, file_socket(f), &m);
	scm_fini(&m.scm);
	return n;
}

static struct file *un_recv_file(struct fx *x, struct file *f, unsigned int flags, ssize_t expect)
{
	struct sock_msg m = { .flags = flags | MSG_DONTWAIT };
	struct file *got = NULL;
	struct uio u;
	char buf[16];

	uio_init_kernel(&u, buf, sizeof(buf));
	m.data = &u;
	assert_int_equal(socket_recv(&x->c, file_socket(f), &m), expect);
	if (m.scm.files) {
		assert_int_equal(m.scm.files->count, 1);
		got = file_get(m.scm.files->file[0]);
	}
	scm_fini(&m.scm);
	return got;
}

static int un_option(struct fx *x, struct file *f, int name)
{
	int v = -1;
	size_t size = sizeof(v);

	assert_int_equal(socket_getsockopt(&x->c, file_socket(f), SOL_SOCKET, name, &v, &size), 0);
	return v;
}

static void un_set(struct fx *x, struct file *f, int name, int v)
{
	assert_int_equal(socket_setsockopt(&x->c, file_socket(f), SOL_SOCKET, name, &v, sizeof(v)), 0);
}

static int un_ioctl(struct fx *x, struct file *f, unsigned int cmd)
{
	int v = -1;

	assert_int_equal(file_ioctl(&x->c, f, cmd, (uint64_t)(uintptr_t)&v), 0);
	return v;
}

/* ---- streams ----------------------------------------------------------------------------------- */

FIBER_TEST(streams_ignore_message_bounds)
{
	struct file *f[2];
	char got[16];
	struct fx x;
	(void)state;

	un_init(&x);
	un_pair(&x, SOCK_STREAM | NB, f);
	assert_int_equal(un_recv(&x.c, f[0], got, 16, 0), -EAGAIN);
	assert_int_equal(un_send(&x.c, f[0], "abc", 3, 0), 3);
	assert_int_equal(fx_write_buf(&x.c, f[0], "de", 2), 2);
	assert_int_equal(un_ioctl(&x, f[1], SIOCINQ), 5);
	assert_int_equal(un_recv(&x.c, f[1], got, 16, MSG_PEEK), 5);
	assert_int_equal(un_recv(&x.c, f[1], got, 4, 0), 4);
	assert_memory_equal(got, "abcd", 4);
	assert_true(un_ioctl(&x, f[0], SIOCOUTQ) > 0);
	assert_int_equal(fx_read(&x.c, f[1], got, 4), 1);
	assert_int_equal(un_ioctl(&x, f[0], SIOCOUTQ), 0);
	assert_int_equal(un_send(&x.c, f[0], "x", 1, MSG_OOB), -EOPNOTSUPP);
	assert_int_equal(un_sendto(&x, f[0], "@x", "x", 1), -EISCONN);
	file_put(f[0]);
	file_put(f[1]);
	fx_fini(&x);
}

FIBER_TEST(closing_a_stream_is_seen_by_its_peer)
{
	struct file *f[2];
	char got[16];
	struct fx x;
	(void)state;

	un_init(&x);
	un_pair(&x, SOCK_STREAM | NB, f);
	assert_int_equal(fx_poll(f[1]), POLLOUT);
	assert_int_equal(un_send(&x.c, f[0], "abc", 3, 0), 3);
	file_put(f[0]);
	assert_int_equal(fx_poll(f[1]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	assert_int_equal(un_recv(&x.c, f[1], got, 16, 0), 3);
	assert_int_equal(un_recv(&x.c, f[1], got, 16, 0), 0);
	assert_int_equal(un_send(&x.c, f[1], "abc", 3, 0), -EPIPE);
	file_put(f[1]);

	/* What the peer did not read makes it a reset. */
	un_pair(&x, SOCK_STREAM | NB, f);
	assert_int_equal(un_send(&x.c, f[1], "abc", 3, 0), 3);
	file_put(f[0]);
	assert_true(fx_poll(f[1]) & POLLERR);
	assert_int_equal(un_recv(&x.c, f[1], got, 16, 0), -ECONNRESET);
	assert_int_equal(un_recv(&x.c, f[1], got, 16, 0), 0);
	file_put(f[1]);
	fx_fini(&x);
}

FIBER_TEST(halves_are_shut_down_apart)
{
	struct file *f[2];
	char got[16];
	struct fx x;
	(void)state;

	un_init(&x);
	un_pair(&x, SOCK_STREAM | NB, f);
	assert_int_equal(un_send(&x.c, f[0], "a", 1, 0), 1);
	assert_int_equal(socket_shutdown(&x.c, file_socket(f[0]), 3), -EINVAL);
	assert_int_equal(socket_shutdown(&x.c, file_socket(f[0]), SHUT_WR), 0);
	assert_int_equal(un_send(&x.c, f[0], "b", 1, 0), -EPIPE);
	assert_int_equal(fx_poll(f[1]), POLLIN | POLLOUT | POLLRDHUP);
	assert_int_equal(un_recv(&x.c, f[1], got, 16, 0), 1);
	assert_int_equal(un_recv(&x.c, f[1], got, 16, 0), 0);
	assert_int_equal(un_send(&x.c, f[1], "c", 1, 0), 1);
	assert_int_equal(un_recv(&x.c, f[0], got, 16, 0), 1);
	assert_int_equal(socket_shutdown(&x.c, file_socket(f[0]), SHUT_RD), 0);
	assert_int_equal(un_send(&x.c, f[1], "d", 1, 0), -EPIPE);
	file_put(f[0]);
	file_put(f[1]);
	fx_fini(&x);
}

static char big[400000];

static long send_big(struct side *s)
{
	return un_send(&s->c, s->f, big, sizeof(big), 0);
}

static long recv_all(struct side *s)
{
	return un_recv(&s->c, s->f, big, 100, MSG_WAITALL);
}

FIBER_TEST(senders_sleep_when_the_buffer_is_full)
{
	static char buf[50000];
	struct file *f[2];
	struct side a;
	size_t got = 0;
	ssize_t n;
	struct fx x;
	(void)state;

	un_init(&x);
	un_pair(&x, SOCK_STREAM, f);
	side_start(&a, &x, send_big, f[0]);
	side_expect_asleep(&a);
	assert_int_equal(fx_poll(f[0]) & POLLOUT, 0);
	assert_int_equal(un_send(&x.c, f[0], "x", 1, MSG_DONTWAIT), -EAGAIN);
	while (got < sizeof(big) && (n = un_recv(&x.c, f[1], buf, sizeof(buf), 0)) > 0)
		got += (size_t)n;
	assert_int_equal(got, sizeof(big));
	assert_int_equal(side_join(&a), sizeof(big));
	file_put(f[0]);
	file_put(f[1]);
	fx_fini(&x);
}

FIBER_TEST(receivers_wait_as_told)
{
	struct timeval tv = { 0, 10000 };
	struct file *f[2];
	struct side a;
	struct fx x;
	char got[4];
	(void)state;

	un_init(&x);
	un_pair(&x, SOCK_STREAM, f);
	side_start(&a, &x, recv_all, f[1]);
	assert_int_equal(un_send(&x.c, f[0], big, 60, 0), 60);
	side_expect_asleep(&a);
	assert_int_equal(un_send(&x.c, f[0], big, 60, 0), 60);
	assert_int_equal(side_join(&a), 100);
	assert_int_equal(un_recv(&x.c, f[1], big, 100, 0), 20);

	side_start(&a, &x, recv_all, f[1]);
	side_expect_asleep(&a);
	waiter_interrupt(&a.waiter);
	assert_int_equal(side_join(&a), -ERESTARTSYS);

	assert_int_equal(socket_setsockopt(&x.c, file_socket(f[1]), SOL_SOCKET, SO_RCVTIMEO, &tv,
					   sizeof(tv)), 0);
	assert_int_equal(un_recv(&x.c, f[1], got, 4, 0), -EAGAIN);
	file_put(f[0]);
	file_put(f[1]);
	fx_fini(&x);
}

/* ---- connections ------------------------------------------------------------------------------- */

FIBER_TEST(connections_are_made_by_path)
{
	struct file *l, *c1, *c2, *s1;
	struct sock_addr a;
	struct attr at;
	char got[4];
	struct fx x;
	(void)state;

	un_init(&x);
	l = un_socket(&x, SOCK_STREAM | NB);
	c1 = un_socket(&x, SOCK_STREAM | NB);
	assert_int_equal(fx_poll(c1), POLLHUP | POLLOUT);
	assert_int_equal(un_connect(&x, c1, "/s"), -ENOENT);
	assert_int_equal(socket_listen(&x.c, file_socket(l), 0), -EINVAL);
	assert_int_equal(un_bind(&x, l, "/s"), 0);
	assert_int_equal(un_bind(&x, l, "/t"), -EINVAL);
	assert_int_equal(fx_stat(&x, "/s", 0, &at), 0);
	assert_int_equal(at.mode, S_IFSOCK | 0755);
	assert_int_equal(un_connect(&x, c1, "/s"), -ECONNREFUSED);
	assert_int_equal(socket_listen(&x.c, file_socket(l), 0), 0);
	assert_int_equal(un_option(&x, l, SO_ACCEPTCONN), 1);
	assert_null(un_accept(&x, l));
	assert_int_equal(un_connect(&x, c1, "/s"), 0);
	c2 = un_socket(&x, SOCK_STREAM | NB);
	assert_int_equal(un_connect(&x, c2, "/s"), -EAGAIN); /* backlog 0: one */
	assert_int_equal(un_send(&x.c, c1, "hi", 2, 0), 2);  /* before accept */
	assert_int_equal(fx_poll(l) & POLLIN, POLLIN);
	s1 = un_accept(&x, l);
	assert_non_null(s1);
	assert_int_equal(un_connect(&x, c1, "/s"), -EISCONN);
	assert_int_equal(un_recv(&x.c, s1, got, 4, MSG_DONTWAIT), 2);
	assert_int_equal(socket_getname(&x.c, file_socket(c1), &a, true), 0);
	assert_string_equal(a.un.sun_path, "/s");
	assert_int_equal(a.size, 5);
	assert_int_equal(socket_getname(&x.c, file_socket(s1), &a, true), 0);
	assert_int_equal(a.size, 2);
	assert_int_equal(un_connect(&x, c2, "/s"), 0);
	file_put(l); /* c2 was not accepted */
	assert_int_equal(un_recv(&x.c, c2, got, 4, 0), -ECONNRESET);
	file_put(c2);
	c2 = un_socket(&x, SOCK_DGRAM | NB);
	assert_int_equal(un_connect(&x, c2, "/s"), -ECONNREFUSED);
	assert_int_equal(un_bind(&x, c2, "/s"), -EADDRINUSE);
	file_put(c1);
	file_put(c2);
	file_put(s1);
	assert_int_equal(vfs_unlink(&x.c, NULL, "/s"), 0);
	fx_fini(&x);
}

static long connect_abstract(struct side *s)
{
	return un_connect_c(&s->c, s->f, "@name");
}

static long accept_one(struct side *s)
{
	return socket_accept(&s->c, file_socket(s->f), 0, NULL, (struct file **)&s->arg);
}

FIBER_TEST(abstract_names_are_looked_up_by_type)
{
	struct file *l, *c[3], *d;
	struct side a;
	struct sock_addr addr;
	struct buf b = BUF_INIT;
	struct fx x;
	(void)state;

	un_init(&x);
	l = un_socket(&x, SOCK_STREAM);
	d = un_socket(&x, SOCK_DGRAM | NB);
	assert_int_equal(un_bind(&x, l, "@name"), 0);
	assert_int_equal(un_connect(&x, d, "@name"), -ECONNREFUSED);
	assert_int_equal(un_bind(&x, d, "@name"), 0);
	assert_int_equal(socket_listen(&x.c, file_socket(l), 1), 0);
	for (int i = 0; i < 3; i++)
		c[i] = un_socket(&x, SOCK_STREAM);
	assert_int_equal(un_bind(&x, c[0], "@name"), -EADDRINUSE);
	side_start(&a, &x, accept_one, l);
	side_expect_asleep(&a);
	assert_int_equal(un_connect(&x, c[0], "@name"), 0);
	assert_int_equal(side_join(&a), 0);
	file_put(a.arg);
	file_put(c[0]);
	c[0] = un_socket(&x, SOCK_STREAM);
	assert_int_equal(un_connect(&x, c[0], "@name"), 0);
	assert_int_equal(un_connect(&x, c[1], "@name"), 0);
	side_start(&a, &x, connect_abstract, c[2]); /* the backlog is full */
	side_expect_asleep(&a);
	unix_show(NULL, &b);
	assert_non_null(strstr(b.data, " @name\n"));
	buf_fini(&b);
	d = (file_put(d), un_accept(&x, l));
	assert_non_null(d);
	assert_int_equal(side_join(&a), 0);
	for (int i = 0; i < 3; i++)
		file_put(c[i]);
	file_put(d);
	file_put(l);

	/* Autobind. */
	d = un_socket(&x, SOCK_DGRAM);
	addr = (struct sock_addr){ .un.sun_family = AF_UNIX, .size = 2 };
	assert_int_equal(socket_bind(&x.c, file_socket(d), &addr), 0);
	assert_int_equal(socket_getname(&x.c, file_socket(d), &addr, false), 0);
	assert_int_equal(addr.size, 8);
	file_put(d);
	fx_fini(&x);
}

/* ---- datagrams --------------------------------------------------------------------------------- */

static long recv_dgram(struct side *s)
{
	return un_recv(&s->c, s->f, big, 100, 0);
}

FIBER_TEST(datagrams_keep_their_bounds)
{
	struct sock_msg m = { .flags = 0 };
	struct file *r, *s;
	struct uio u;
	struct side a;
	char got[8];
	struct fx x;
	(void)state;

	un_init(&x);
	r = un_socket(&x, SOCK_DGRAM);
	s = un_socket(&x, SOCK_DGRAM);
	assert_int_equal(un_bind(&x, r, "@r"), 0);
	assert_int_equal(un_bind(&x, s, "@s"), 0);
	assert_int_equal(un_send(&x.c, s, "x", 1, 0), -ENOTCONN);
	side_start(&a, &x, recv_dgram, r);
	side_expect_asleep(&a);
	assert_int_equal(un_sendto(&x, s, "@r", "abcdef", 6), 6);
	assert_int_equal(side_join(&a), 6);
	assert_int_equal(un_sendto(&x, s, "@r", "", 0), 0);
	assert_int_equal(un_sendto(&x, s, "@r", "abcdef", 6), 6);
	assert_int_equal(un_recv(&x.c, r, got, 8, 0), 0); /* the empty one */
	assert_int_equal(un_ioctl(&x, r, SIOCINQ), 6);
	uio_init_kernel(&u, got, 4);
	m.data = &u;
	m.flags = MSG_TRUNC | MSG_PEEK;
	assert_int_equal(socket_recv(&x.c, file_socket(r), &m), 6);
	assert_int_equal(m.out_flags, MSG_TRUNC);
	assert_int_equal(m.addr.size, 4);
	assert_memory_equal(m.addr.un.sun_path, "\0s", 2);
	assert_int_equal(un_recv(&x.c, r, got, 4, 0), 4);
	assert_int_equal(un_recv(&x.c, r, got, 4, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(un_sendto(&x, s, "@r", big, 300000), -EMSGSIZE);
	assert_int_equal(un_sendto(&x, s, "@none", "x", 1), -ECONNREFUSED);
	scm_fini(&m.scm);
	file_put(r);
	file_put(s);
	fx_fini(&x);
}

static long send_dgram(struct side *s)
{
	return un_send(&s->c, s->f, "late", 4, 0);
}

FIBER_TEST(a_full_datagram_queue_makes_senders_wait)
{
	struct sock_addr none = { .sa.sa_family = AF_UNSPEC, .size = 2 };
	struct poll_slot slot;
	struct file *r, *s;
	struct side a;
	char got[8];
	int n = 0;
	struct fx x;
	(void)state;

	un_init(&x);
	r = un_socket(&x, SOCK_DGRAM);
	s = un_socket(&x, SOCK_DGRAM);
	assert_int_equal(un_bind(&x, r, "@r"), 0);
	assert_int_equal(un_connect(&x, s, "@r"), 0);
	while (un_send(&x.c, s, "x", 1, MSG_DONTWAIT) == 1)
		n++;
	assert_int_equal(n, 11);
	assert_int_equal(fx_poll(s), 0);
	side_start(&a, &x, send_dgram, s);
	side_expect_asleep(&a);
	assert_int_equal(un_recv(&x.c, r, got, 8, 0), 1);
	assert_int_equal(side_join(&a), 4);
	/* A poller is woken too. */
	slot = (struct poll_slot){ .file = s, .events = POLLOUT };
	assert_int_equal(poll_wait(&x.c, &slot, 1, clock_mono_ns() + NSEC_PER_MSEC), 0);
	assert_int_equal(un_recv(&x.c, r, got, 8, 0), 1);
	assert_int_equal(poll_wait(&x.c, &slot, 1, INT64_MAX), 1);
	/* Only a peer of its own choice may write to a connected one. */
	assert_int_equal(un_bind(&x, s, "@s"), 0);
	assert_int_equal(un_connect(&x, r, "@s"), 0);
	file_put(r);
	assert_int_equal(un_send(&x.c, s, "x", 1, 0), -ECONNREFUSED);
	assert_int_equal(un_send(&x.c, s, "x", 1, 0), -ENOTCONN);
	assert_int_equal(socket_connect(&x.c, file_socket(s), &none), 0);
	file_put(s);
	fx_fini(&x);
}

FIBER_TEST(sequenced_packets_are_connected_datagrams)
{
	struct file *f[2], *s;
	char got[8];
	struct fx x;
	(void)state;

	un_init(&x);
	s = un_socket(&x, SOCK_SEQPACKET | NB);
	assert_int_equal(un_send(&x.c, s, "x", 1, 0), -ENOTCONN);
	assert_int_equal(un_recv(&x.c, s, got, 8, 0), -ENOTCONN);
	file_put(s);
	un_pair(&x, SOCK_SEQPACKET | NB, f);
	assert_int_equal(un_send(&x.c, f[0], "abc", 3, 0), 3);
	assert_int_equal(un_send(&x.c, f[0], "de", 2, 0), 2);
	assert_int_equal(un_recv(&x.c, f[1], got, 8, 0), 3);
	file_put(f[0]);
	assert_int_equal(un_recv(&x.c, f[1], got, 8, 0), 2);
	assert_int_equal(un_recv(&x.c, f[1], got, 8, 0), 0);
	assert_int_equal(un_send(&x.c, f[1], "x", 1, 0), -EPIPE);
	file_put(f[1]);
	fx_fini(&x);
}

/* ---- files and credentials --------------------------------------------------------------------- */

FIBER_TEST(files_travel_with_their_bytes)
{
	struct file *f[2], *g, *got;
	struct fx x;
	(void)state;

	un_init(&x);
	un_pair(&x, SOCK_STREAM | NB, f);
	assert_int_equal(fx_put(&x, "file", "text"), 0);
	assert_int_equal(fx_open(&x, "file", O_RDONLY, &g), 0);
	assert_int_equal(un_send(&x.c, f[0], "ab", 2, 0), 2);
	assert_int_equal(un_send_file(&x, f[0], file_get(g)), 1);
	assert_int_equal(un_send(&x.c, f[0], "cd", 2, 0), 2);
	assert_int_equal(ref_count(&g->ref), 2);
	got = un_recv_file(&x, f[1], MSG_PEEK, 3);
	assert_ptr_equal(got, g);
	file_put(got);
	got = un_recv_file(&x, f[1], 0, 3); /* a read stops behind files */
	assert_ptr_equal(got, g);
	file_put(got);
	assert_null(un_recv_file(&x, f[1], 0, 2));
	/* Unread ones go with the socket. */
	assert_int_equal(un_send_file(&x, f[0], file_get(g)), 1);
	file_put(f[0]);
	file_put(f[1]);
	side_pause(10);
	assert_int_equal(ref_count(&g->ref), 1);
	file_put(g);
	fx_fini(&x);
}

FIBER_TEST(sockets_that_hold_each_other_are_collected)
{
	struct file *f[2], *h[2], *g, *watch;
	struct fx x;
	(void)state;

	un_init(&x);
	assert_int_equal(fx_put(&x, "file", "text"), 0);
	assert_int_equal(fx_open(&x, "file", O_RDONLY, &g), 0);

	/* f[1]'s queue holds f[1] itself and g: nobody can ever read it. */
	un_pair(&x, SOCK_DGRAM | NB, f);
	assert_int_equal(un_send_file(&x, f[0], file_get(f[1])), 1);
	assert_int_equal(un_send_file(&x, f[0], file_get(g)), 1);
	file_put(f[1]);
	file_put(f[0]);
	side_pause(20);
	assert_int_equal(ref_count(&g->ref), 1);

	/* Two pairs, crosswise; first one end is still held by us. */
	un_pair(&x, SOCK_STREAM | NB, f);
	un_pair(&x, SOCK_STREAM | NB, h);
	watch = file_get(h[1]);
	assert_int_equal(un_send_file(&x, f[0], file_get(h[1])), 1); /* into f[1] */
	assert_int_equal(un_send_file(&x, h[0], file_get(f[1])), 1); /* into h[1] */
	assert_int_equal(un_send_file(&x, h[0], file_get(g)), 1);
	for (int i = 0; i < 2; i++) {
		file_put(f[i]);
		file_put(h[i]);
	}
	side_pause(20);
	assert_int_equal(ref_count(&g->ref), 2);
	f[1] = un_recv_file(&x, watch, 0, 1);
	assert_non_null(f[1]);
	file_put(f[1]);
	file_put(watch);
	side_pause(20);
	assert_int_equal(ref_count(&g->ref), 1);
	file_put(g);
	fx_fini(&x);
}

FIBER_TEST(a_long_chain_of_sockets_is_released)
{
	struct file *f[2], *last = NULL;
	struct fx x;
	(void)state;

	un_init(&x);
	for (int i = 0; i < 3000; i++) {
		un_pair(&x, SOCK_DGRAM | NB, f);
		if (last)
			assert_int_equal(un_send_file(&x, f[0], last), 1);
		file_put(f[0]);
		last = f[1];
	}
	file_put(last);
	side_pause(30);
	fx_fini(&x);
}

FIBER_TEST(credentials_come_when_asked_for)
{
	struct ucred cred;
	size_t size = sizeof(cred);
	struct file *f[2];
	struct cred *user;
	struct sock_msg m = { .flags = 0 };
	struct uio u;
	char got[8];
	struct fx x;
	(void)state;

	un_init(&x);
	un_pair(&x, SOCK_STREAM | NB, f);
	assert_int_equal(socket_getsockopt(&x.c, file_socket(f[0]), SOL_SOCKET, SO_PEERCRED, &cred,
					   &size), 0);
	assert_int_equal(cred.pid, 42);
	assert_int_equal(cred.uid, 0);
	un_set(&x, f[1], SO_PASSCRED, 1);
	assert_int_equal(un_send(&x.c, f[0], "a", 1, 0), 1);
	user = fx_user(&x, 1000);
	assert_int_equal(un_send(&x.c, f[0], "b", 1, 0), 1);
	fx_root(&x, user);
	/* Two senders' bytes are not mixed. */
	uio_init_kernel(&u, got, sizeof(got));
	m.data = &u;
	assert_int_equal(socket_recv(&x.c, file_socket(f[1]), &m), 1);
	assert_true(m.scm.has_creds);
	assert_int_equal(m.scm.uid, 0);
	scm_fini(&m.scm);
	assert_int_equal(socket_recv(&x.c, file_socket(f[1]), &m), 1);
	assert_int_equal(m.scm.uid, 1000);
	assert_int_equal(m.scm.pid_nr, 42);
	scm_fini(&m.scm);
	file_put(f[0]);
	file_put(f[1]);
	fx_fini(&x);
}

FIBER_TEST(control_messages_are_checked)
{
	_Alignas(8) char control[64] = { 0 };
	struct cmsghdr *h = (struct cmsghdr *)(void *)control;
	struct ucred cred = { 42, 0, 0 };
	struct sock_msg m = { .control = control, .control_size = CMSG_SPACE(sizeof(cred)) };
	struct cred *user;
	struct file *f[2];
	struct fx x;
	(void)state;

	un_init(&x);
	un_pair(&x, SOCK_STREAM | NB, f);
	h->cmsg_len = CMSG_LEN(sizeof(cred));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDENTIALS;
	memcpy(h + 1, &cred, sizeof(cred));
	assert_int_equal(scm_parse(&x.c, file_socket(f[0]), &m), 0);
	assert_int_equal(m.scm.pid_nr, 42);
	h->cmsg_len = 1000;
	assert_int_equal(scm_parse(&x.c, file_socket(f[0]), &m), -EINVAL);
	h->cmsg_len = 3;
	assert_int_equal(scm_parse(&x.c, file_socket(f[0]), &m), -EINVAL);
	h->cmsg_len = CMSG_LEN(4);
	assert_int_equal(scm_parse(&x.c, file_socket(f[0]), &m), -EINVAL);
	h->cmsg_type = SCM_RIGHTS;
	assert_int_equal(scm_parse(&x.c, file_socket(f[0]), &m), -EBADF);
	h->cmsg_type = 77;
	assert_int_equal(scm_parse(&x.c, file_socket(f[0]), &m), -EINVAL);
	user = fx_user(&x, 1000);
	h->cmsg_type = SCM_CREDENTIALS;
	h->cmsg_len = CMSG_LEN(sizeof(cred));
	assert_int_equal(scm_parse(&x.c, file_socket(f[0]), &m), -EPERM); /* uid 0 is not ours */
	fx_root(&x, user);
	scm_fini(&m.scm);
	file_put(f[0]);
	file_put(f[1]);
	fx_fini(&x);
}

FIBER_TEST(options_have_the_values_of_the_manual)
{
	struct linger l = { 1, 7 };
	struct file *f;
	size_t size = sizeof(l);
	struct fx x;
	(void)state;

	un_init(&x);
	f = un_socket(&x, SOCK_STREAM);
	assert_int_equal(un_option(&x, f, SO_TYPE), SOCK_STREAM);
	assert_int_equal(un_option(&x, f, SO_DOMAIN), AF_UNIX);
	assert_int_equal(un_option(&x, f, SO_SNDBUF), 212992);
	un_set(&x, f, SO_SNDBUF, 10000);
	assert_int_equal(un_option(&x, f, SO_SNDBUF), 20000);
	un_set(&x, f, SO_SNDBUF, 1);
	assert_int_equal(un_option(&x, f, SO_SNDBUF), 4608);
	un_set(&x, f, SO_SNDBUF, 1 << 30);
	assert_int_equal(un_option(&x, f, SO_SNDBUF), 425984);
	assert_int_equal(un_option(&x, f, SO_ERROR), 0);
	assert_int_equal(socket_setsockopt(&x.c, file_socket(f), SOL_SOCKET, SO_TYPE, &l, 8), -ENOPROTOOPT);
	assert_int_equal(socket_setsockopt(&x.c, file_socket(f), SOL_SOCKET, SO_LINGER, &l, 8), 0);
	l.l_linger = 0;
	assert_int_equal(socket_getsockopt(&x.c, file_socket(f), SOL_SOCKET, SO_LINGER, &l, &size), 0);
	assert_int_equal(l.l_linger, 7);
	assert_int_equal(socket_setsockopt(&x.c, file_socket(f), SOL_SOCKET, 9999, &l, 8), -ENOPROTOOPT);
	file_put(f);
	assert_int_equal(socket_create(&x.c, 45, SOCK_STREAM, 0, &(struct socket *){ NULL }), -EAFNOSUPPORT);
	assert_int_equal(socket_create(&x.c, AF_UNIX, SOCK_RDM, 0, &(struct socket *){ NULL }), -ESOCKTNOSUPPORT);
	assert_int_equal(socket_create(&x.c, AF_UNIX, SOCK_STREAM, 9, &(struct socket *){ NULL }), -EPROTONOSUPPORT);
	fx_fini(&x);
}

/* ---- many at once ------------------------------------------------------------------------------ */

enum { STRESS_PAIRS = 4, STRESS_BYTES = 300000 };

static long stress_send(struct side *s)
{
	unsigned char buf[700];
	size_t sent = 0;

	while (sent < STRESS_BYTES) {
		size_t size = MIN(1 + sent % sizeof(buf), STRESS_BYTES - sent);
		ssize_t n;

		for (size_t i = 0; i < size; i++)
			buf[i] = (unsigned char)(sent + i);
		n = un_send(&s->c, s->f, buf, size, 0);
		if (n <= 0)
			return -1;
		sent += (size_t)n;
	}
	return (long)sent;
}

static long stress_recv(struct side *s)
{
	unsigned char buf[900];
	size_t got = 0;

	while (got < STRESS_BYTES) {
		struct poll_slot slot = { .file = s->f, .events = POLLIN | POLL_ALWAYS };
		ssize_t n;

		if (got % 3 == 0 && poll_wait(&s->c, &slot, 1, INT64_MAX) != 1)
			return -1;
		n = un_recv(&s->c, s->f, buf, sizeof(buf), 0);
		if (n <= 0)
			return -1;
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != (unsigned char)(got + (size_t)i))
				return -2;
		got += (size_t)n;
	}
	return (long)got;
}

/* Sockets go around between pairs, some into themselves, while others come and go. */
static long stress_pass(struct side *s)
{
	struct fx *x = s->arg;
	struct file *f[2], *g[2];

	for (int i = 0; i < 150; i++) {
		un_pair(x, SOCK_STREAM | NB, f);
		un_pair(x, SOCK_DGRAM | NB, g);
		(void)un_send_file(x, f[0], file_get(g[i % 2]));
		(void)un_send_file(x, g[0], file_get(f[1]));
		if (i % 3 == 0)
			file_put(un_recv_file(x, f[1], i % 2 ? MSG_PEEK : 0, 1));
		for (int k = 0; k < 2; k++) {
			file_put(f[k]);
			file_put(g[k]);
		}
	}
	return 0;
}

FIBER_TEST(many_fibers_talk_at_once)
{
	static struct side sides[STRESS_PAIRS * 2 + 2];
	struct file *f[STRESS_PAIRS][2], *g;
	struct fx x;
	(void)state;

	un_init(&x);
	assert_int_equal(fx_put(&x, "file", "text"), 0);
	assert_int_equal(fx_open(&x, "file", O_RDONLY, &g), 0);
	for (int i = 0; i < STRESS_PAIRS; i++) {
		un_pair(&x, SOCK_STREAM, f[i]);
		side_start(&sides[2 * i], &x, stress_send, f[i][0]);
		side_start(&sides[2 * i + 1], &x, stress_recv, f[i][1]);
	}
	for (int i = STRESS_PAIRS * 2; i < STRESS_PAIRS * 2 + 2; i++)
		side_start_arg(&sides[i], &x, stress_pass, &x);
	for (int i = 0; i < STRESS_PAIRS * 2; i++)
		assert_int_equal(side_join(&sides[i]), STRESS_BYTES);
	for (int i = STRESS_PAIRS * 2; i < STRESS_PAIRS * 2 + 2; i++)
		assert_int_equal(side_join(&sides[i]), 0);
	for (int i = 0; i < STRESS_PAIRS; i++) {
		file_put(f[i][0]);
		file_put(f[i][1]);
	}
	file_put(g);
	/* Once more with nothing else going on: all garbage is found, or LeakSanitizer tells. */
	un_pair(&x, SOCK_STREAM, f[0]);
	file_put(f[0][0]);
	file_put(f[0][1]);
	side_pause(50);
	fx_fini(&x);
}

UNIT_MAIN(UNIT(many_fibers_talk_at_once), UNIT(streams_ignore_message_bounds), UNIT(closing_a_stream_is_seen_by_its_peer),
	  UNIT(halves_are_shut_down_apart), UNIT(senders_sleep_when_the_buffer_is_full),
	  UNIT(receivers_wait_as_told), UNIT(connections_are_made_by_path),
	  UNIT(abstract_names_are_looked_up_by_type), UNIT(datagrams_keep_their_bounds),
	  UNIT(a_full_datagram_queue_makes_senders_wait),
	  UNIT(sequenced_packets_are_connected_datagrams), UNIT(files_travel_with_their_bytes),
	  UNIT(sockets_that_hold_each_other_are_collected),
	  UNIT(a_long_chain_of_sockets_is_released), UNIT(credentials_come_when_asked_for),
	  UNIT(control_messages_are_checked), UNIT(options_have_the_values_of_the_manual))
