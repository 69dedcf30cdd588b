/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gofer_reply.c: what the client makes of replies.  The first byte says which request is made;
 * the rest is its reply's body, or, with the top bit set, the whole message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"
#include "vfs/gofer/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void queue(int fd, uint16_t type, uint32_t tag, const void *body, size_t size)
{
	char msg[8192];
	struct gofer_hdr h = { .size = (uint32_t)(sizeof(h) + size), .type = type, .tag = tag };

	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), body, size);
	if (write(fd, msg, h.size) < 0)
		abort();
}

static void try_walk(struct gconn *g)
{
	struct grpc_name names[2] = { { "a", 1, 1, 7 }, { "bc", 2, 2, GOFER_NOFID } };
	struct grpc_walk w;

	if (grpc_walk(g, 0, names, 2, GOFER_WALK_READ, &w) == 0) {
		mem_free(w.link);
		host_close_fd(&w.fd);
	}
}

static void try_readdir(struct gconn *g)
{
	const struct gofer_attr *attr;
	struct grpc_dir d;
	const char *name;
	unsigned int sum = 0;

	if (grpc_readdir(g, 0, 0, 0, 4096, &d) < 0)
		return;
	while (grpc_dirent_next(&d, &name, &attr))
		sum += (unsigned char)name[0] + (attr ? attr->mode : 0);
	if (sum == 1)
		abort(); /* no name is empty */
	gconn_reply_put(g, &d.call);
}

static void try_data(struct gconn *g)
{
	char buf[100], *text;

	if (grpc_getxattr(g, 0, "user.x", buf, sizeof(buf)) > (ssize_t)sizeof(buf))
		abort();
	if (grpc_readlink(g, 0, &text) == 0)
		mem_free(text);
}

static void try_attr(struct gconn *g)
{
	struct gofer_attach_reply r;
	struct gofer_statfs st;
	struct gofer_attr attr;
	int fd;

	(void)grpc_getattr(g, 0, &attr);
	(void)grpc_attach(g, 0, 0, &r);
	(void)grpc_statfs(g, 0, &st);
	(void)grpc_fsync(g, 0, 0);
	if (grpc_open(g, 0, 0, &attr, &fd) == 0)
		close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct gconn *) = { try_walk, try_readdir, try_data, try_attr };
	static const uint16_t types[] = { GOFER_REQ_WALK, GOFER_REQ_READDIR, GOFER_REQ_GETXATTR,
					  GOFER_REQ_GETATTR };
	struct gofer_version v = { GOFER_MAGIC, GOFER_VERSION, GOFER_MSG_MAX, 1 };
	struct gconn *g;
	unsigned int k;
	int fds[2];

	if (size < 1 || size > 8000)
		return 0;
	k = data[0] % 4;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	queue(fds[1], GOFER_REQ_VERSION, 0, &v, sizeof(v));
	if (gconn_new(fds[0], &g) < 0)
		abort();
	if (!(data[0] & 0x80))
		queue(fds[1], types[k], 1, data + 1, size - 1);
	else if (size > 1 && write(fds[1], data + 1, size - 1) < 0)
		abort();
	/* Nothing more will come: what still waits gets EIO. */
	shutdown(fds[1], SHUT_WR);
	tries[k](g);
	gconn_put(g);
	close(fds[1]);
	return 0;
}
