/* SPDX-License-Identifier: Apache-2.0 */
/* test_content.c: open, readdir, readlink, fsync, and host sockets. */
#include "tests/unit/gofer/fixture.h"

#include <dirent.h>
#include <sys/socket.h>
#include <time.h>

static int do_open(struct fixture *fx, uint32_t fid, uint32_t flags)
{
	struct gofer_open q = { fid, flags };

	return CALL(fx, GOFER_REQ_OPEN, q);
}

static void open_donates_exactly_the_asked_rights(void **state)
{
	struct fixture *fx = *state;
	char c;

	host_file(fx, "f", "abc");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	assert_int_equal(do_open(fx, 1, O_RDONLY), 0);
	assert_int_equal(read(fx->fd, &c, 1), 1);
	assert_int_equal(write(fx->fd, "x", 1), -1);
	assert_int_equal(fcntl(fx->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(do_open(fx, 1, O_WRONLY), 0);
	assert_int_equal(read(fx->fd, &c, 1), -1);
	assert_int_equal(do_open(fx, 1, O_RDWR | O_TRUNC), 0);
	assert_int_equal(reply_attr(fx)->size, 0);
	assert_int_equal(write(fx->fd, "x", 1), 1);
}

static void only_regular_files_are_donated(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(mkfifoat(fx->dir_fd, "fifo", 0600), 0);
	assert_int_equal(mknodat(fx->dir_fd, "null", S_IFCHR | 0666, 0x103), 0);
	assert_int_equal(do_walk(fx, 0, "fifo", 1), 0);
	assert_int_equal(do_walk(fx, 0, "null", 2), 0);
	assert_int_equal(do_open(fx, 1, O_RDONLY), -ENXIO);
	assert_int_equal(do_open(fx, 2, O_RDWR), -ENXIO);
	assert_int_equal(do_open(fx, 0, O_RDONLY), -EISDIR);
	assert_int_equal(do_open(fx, 9, O_RDONLY), -EBADF);
}

static void an_attachment_may_be_a_file(void **state)
{
	struct fixture *fx = *state;
	char text[8] = "";

	assert_int_equal(do_attach(fx, BOUND, 1), 0);
	assert_int_equal(do_open(fx, 1, O_RDONLY), 0);
	assert_int_equal(read(fx->fd, text, sizeof(text)), 6);
	assert_string_equal(text, "bound\n");
	assert_int_equal(do_walk(fx, 1, "x", 2), 0);
	assert_int_equal(walk_reply(fx)->error, -ENOTDIR);
	assert_int_equal(do_attach(fx, ATTACHMENTS, 3), -ENOENT);
	assert_int_equal(do_attach(fx, RW, 1), -EEXIST);
}

static void readlink_gives_the_text(void **state)
{
	struct fixture *fx = *state;
	struct gofer_fid q = { 1, 0 };

	assert_int_equal(symlinkat("/some/where", fx->dir_fd, "l"), 0);
	assert_int_equal(do_walk(fx, 0, "l", 1), 0);
	assert_int_equal(CALL(fx, GOFER_REQ_READLINK, q), 0);
	assert_int_equal(((const struct gofer_data *)(const void *)fx->reply)->size, 11);
	assert_memory_equal(fx->reply + sizeof(struct gofer_data), "/some/where", 11);
	q.fid = 0;
	assert_int_equal(CALL(fx, GOFER_REQ_READLINK, q), -EINVAL);
}

static void a_walk_opens_what_it_leads_to(void **state)
{
	struct fixture *fx = *state;
	char text[8] = { 0 };

	host_file(fx, "f", "12345");
	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	host_file(fx, "d/g", "678");
	assert_int_equal(do_walk_open(fx, 0, "f", 5, GOFER_WALK_READ), 0);
	assert_int_equal(read(fx->fd, text, 8), 5);
	assert_string_equal(text, "12345");
	assert_int_equal(write(fx->fd, "x", 1), -1);
	assert_int_equal(do_walk_open(fx, 0, "d/g", 6, GOFER_WALK_READ_WRITE), 0);
	assert_int_equal(walk_reply(fx)->reached, 2);
	assert_int_equal(pwrite(fx->fd, "x", 1, 0), 1);
}

static void a_walk_opens_nothing_else(void **state)
{
	struct fixture *fx = *state;

	host_file(fx, "f", "12345");
	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	assert_int_equal(mkfifoat(fx->dir_fd, "fifo", 0644), 0);
	assert_int_equal(symlinkat("f", fx->dir_fd, "l"), 0);
	for (const char *const *name = (const char *const[]){ "d", "fifo", "l", "f/x", "none", "d/none", NULL }; *name; name++) {
		assert_int_equal(do_walk_open(fx, 0, *name, GOFER_NOFID, GOFER_WALK_READ), 0);
		assert_int_equal(fx->fd, -1);
	}
	assert_int_equal(do_walk(fx, 0, "f", 5), 0);
	assert_int_equal(fx->fd, -1);
	assert_int_equal(do_attach(fx, RO, 8), 0);
	assert_int_equal(do_walk_open(fx, 8, "f", 9, GOFER_WALK_READ_WRITE), 0);
	assert_int_equal(fx->fd, -1);
	assert_int_equal(do_walk_open(fx, 8, "f", 10, GOFER_WALK_READ), 0);
	assert_true(fx->fd >= 0);
}

/* Read directory fid to its end; every name "fNNNNN" once into seen.  Replies counted. */
static unsigned int read_all(struct fixture *fx, uint32_t fid, uint32_t max, uint32_t flags,
			     unsigned char *seen, unsigned int *others)
{
	struct gofer_readdir q = { .fid = fid, .flags = flags, .max_size = max };
	const struct gofer_readdir_reply *a = (const void *)fx->reply;
	unsigned int replies = 0;

	do {
		const char *p = fx->reply + sizeof(*a);

		assert_int_equal(CALL(fx, GOFER_REQ_READDIR, q), 0);
		assert_true(fx->size + sizeof(struct gofer_hdr) <= max);
		replies++;
		for (uint32_t i = 0; i < a->count; i++) {
			const struct gofer_dirent *e = (const void *)p;

			p += sizeof(*e) + (e->has_attr ? sizeof(struct gofer_attr) : 0);
			assert_int_equal(e->has_attr, flags & GOFER_READDIR_ATTR ? 1 : 0);
			if (p[0] == 'f')
				seen[atoi(p + 1)]++;
			else
				(*others)++;
			p += ALIGN_UP((size_t)e->name_size + e->link_size, 8);
			q.cookie = e->next;
		}
		assert_ptr_equal(p, fx->reply + fx->size);
		assert_true(a->eof || a->count > 0);
	} while (!a->eof);
	return replies;
}

static void readdir_gives_40000_files_with_attributes(void **state)
{
	enum { FILES = 40000 };
	struct fixture *fx = *state;
	unsigned char *seen = calloc(FILES, 1);
	unsigned int others = 0, replies;
	struct timespec a, b;
	char name[16];

	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "d/f%05d", i);
		assert_int_equal(mknodat(fx->dir_fd, name, S_IFREG | 0644, 0), 0);
	}
	assert_int_equal(do_walk(fx, 0, "d", 1), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	replies = read_all(fx, 1, GOFER_MSG_MAX, GOFER_READDIR_ATTR, seen, &others);
	clock_gettime(CLOCK_MONOTONIC, &b);
	for (int i = 0; i < FILES; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(others, 0);
	assert_true(replies < 80);
	print_message("40,000 entries with attributes: %ld ms, %u replies\n",
		      (long)((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000), replies);
	memset(seen, 0, FILES);
	read_all(fx, 1, 4096, 0, seen, &others);
	for (int i = 0; i < FILES; i++)
		assert_int_equal(seen[i], 1);
	free(seen);
}

static void readdir_gives_the_texts_of_symlinks(void **state)
{
	struct fixture *fx = *state;
	struct gofer_readdir q = { .fid = 1, .flags = GOFER_READDIR_ATTR, .max_size = GOFER_MSG_MIN };
	const struct gofer_dirent *e = (const void *)(fx->reply + sizeof(struct gofer_readdir_reply));

	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	assert_int_equal(symlinkat("/some/where", fx->dir_fd, "d/link"), 0);
	assert_int_equal(do_walk(fx, 0, "d", 1), 0);
	assert_int_equal(CALL(fx, GOFER_REQ_READDIR, q), 0);
	assert_int_equal(e->link_size, 11);
	assert_memory_equal((const char *)(e + 1) + sizeof(struct gofer_attr), "link/some/where", 15);
	q.max_size = 4096;
	assert_int_equal(CALL(fx, GOFER_REQ_READDIR, q), -EPIPE);
	assert_int_equal(fixture_end(fx), 201);
}

static void readdir_goes_on_from_any_cookie(void **state)
{
	struct fixture *fx = *state;
	struct gofer_readdir q = { .fid = 1, .max_size = 4096 };
	unsigned char seen[200] = { 0 };
	unsigned int others = 0;
	char name[16];
	uint64_t cookie;

	assert_int_equal(mkdirat(fx->dir_fd, "d", 0755), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "d/f%03d", i);
		assert_int_equal(mknodat(fx->dir_fd, name, S_IFREG | 0644, 0), 0);
	}
	assert_int_equal(do_walk(fx, 0, "d", 1), 0);
	assert_int_equal(CALL(fx, GOFER_REQ_READDIR, q), 0);
	cookie = ((const struct gofer_dirent *)(const void *)(fx->reply + 8))->next;
	read_all(fx, 1, 4096, 0, seen, &others);
	q.cookie = cookie;
	assert_int_equal(CALL(fx, GOFER_REQ_READDIR, q), 0);
	assert_true(((const struct gofer_readdir_reply *)(const void *)fx->reply)->count > 50);
	q.fid = 0;
	q.cookie = 0;
	assert_int_equal(CALL(fx, GOFER_REQ_READDIR, q), 0); /* "bound" and "d" */
	assert_int_equal(((const struct gofer_readdir_reply *)(const void *)fx->reply)->count, 2);
}

static void fsync_takes_files_and_directories(void **state)
{
	struct fixture *fx = *state;
	struct gofer_fsync q = { 0, 0 };

	assert_int_equal(CALL(fx, GOFER_REQ_FSYNC, q), 0);
	host_file(fx, "f", "abc");
	assert_int_equal(do_walk(fx, 0, "f", 1), 0);
	q = (struct gofer_fsync){ 1, GOFER_FSYNC_DATA };
	assert_int_equal(CALL(fx, GOFER_REQ_FSYNC, q), 0);
	assert_int_equal(mkfifoat(fx->dir_fd, "p", 0600), 0);
	assert_int_equal(do_walk(fx, 0, "p", 2), 0);
	q.fid = 2;
	assert_int_equal(CALL(fx, GOFER_REQ_FSYNC, q), -EINVAL);
}

static void bound_sockets_can_be_connected_to(void **state)
{
	struct fixture *fx = *state;
	struct gofer_make m = { .dir = 0, .fid = 1, .flags = SOCK_STREAM, .mode = 0660, .uid = 4 };
	struct gofer_connect q = { 1, SOCK_STREAM };
	struct gofer_fid f = { 1, 0 };
	int listener, peer;
	char c = 0;

	assert_int_equal(do_make(fx, GOFER_REQ_BIND, m, "sock"), 0);
	assert_int_equal(made_attr(fx)->mode, S_IFSOCK | 0660);
	assert_int_equal(host_stat(fx, "sock").st_uid, 4);
	assert_int_equal(CALL(fx, GOFER_REQ_CONNECT, q), -ECONNREFUSED);
	assert_int_equal(CALL(fx, GOFER_REQ_LISTEN, f), 0);
	listener = dup(fx->fd);
	assert_int_equal(CALL(fx, GOFER_REQ_LISTEN, f), -EINVAL); /* it was given away */
	f.fid = 0;
	assert_int_equal(CALL(fx, GOFER_REQ_LISTEN, f), -EINVAL);
	f.fid = 99;
	assert_int_equal(CALL(fx, GOFER_REQ_LISTEN, f), -EBADF);
	assert_int_equal(CALL(fx, GOFER_REQ_CONNECT, q), 0);
	assert_int_equal(write(fx->fd, "x", 1), 1);
	peer = accept(listener, NULL, NULL);
	assert_int_equal(read(peer, &c, 1), 1);
	assert_int_equal(c, 'x');
	/* The same socket seen through an attachment without the permission. */
	assert_int_equal(do_attach(fx, PLAIN, 5), 0);
	assert_int_equal(do_walk(fx, 5, "sock", 6), 0);
	q.fid = 6;
	assert_int_equal(CALL(fx, GOFER_REQ_CONNECT, q), -ECONNREFUSED);
	/* One that the address has no room for. */
	m.fid = 8;
	assert_int_equal(do_make(fx, GOFER_REQ_BIND, m, "a-name-of-more-bytes-0123456789-0123456789-0123456789-"
			 "0123456789-0123456789-0123456789-0123456789-0123456789"), -ENAMETOOLONG);
	/* A datagram socket does not listen, and is given all the same. */
	m.flags = SOCK_DGRAM;
	assert_int_equal(do_make(fx, GOFER_REQ_BIND, m, "dgram"), 0);
	f.fid = 8;
	assert_int_equal(CALL(fx, GOFER_REQ_LISTEN, f), 0);
	close(peer);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GOFER_TEST(open_donates_exactly_the_asked_rights),
		GOFER_TEST(only_regular_files_are_donated),
		GOFER_TEST(an_attachment_may_be_a_file),
		GOFER_TEST(readlink_gives_the_text),
		GOFER_TEST(a_walk_opens_what_it_leads_to),
		GOFER_TEST(a_walk_opens_nothing_else),
		GOFER_TEST(readdir_gives_40000_files_with_attributes),
		GOFER_TEST(readdir_gives_the_texts_of_symlinks),
		GOFER_TEST(readdir_goes_on_from_any_cookie),
		GOFER_TEST(fsync_takes_files_and_directories),
		GOFER_TEST(bound_sockets_can_be_connected_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
