/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_gofer.c: the Gofer's requests.  The input is a sequence of messages: a type byte and a length
 * byte (times 4) with that many bytes: the fixed part, as much as the type has, then the rest.  By the
 * type's upper bits: 0: the sizes in the fixed part are made to fit the rest, and the reserved word is
 * cleared; 0x40: the body is sent as it is; 0x80: the bytes are the whole message, header included.
 * The server works on a fresh directory in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gofer/gofer_impl.h"

static struct gofer_attachment attachments[2];
static struct gofer_config config = {
	.conn_fd = -1, .log_fd = -1, .attachments = attachments, .attachment_count = 2,
};
static char dir[] = "/dev/shm/fuzz_gofer.XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	return ftw->level == 0 ? 0 : remove(path);
}

static void remove_all(void)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (!mkdtemp(dir))
		abort();
	atexit(remove_all);
	attachments[0].fd = open(dir, O_PATH | O_DIRECTORY);
	attachments[1].fd = attachments[0].fd;
	attachments[1].flags = GOFER_ATTACH_RDONLY;
	config.proc_fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	umask(0);
	return 0;
}

static void request(struct gofer_server *s, size_t size)
{
	int fd;

	(void)gofer_server_handle(s, size, &fd);
	if (fd >= 0)
		close(fd);
}

static void start(struct gofer_server *s)
{
	struct {
		struct gofer_hdr h;
		struct gofer_version q;
	} v = { { sizeof(v), GOFER_REQ_VERSION, 0, 0, 0 }, { GOFER_MAGIC, 1, GOFER_MSG_MAX, 0 } };
	struct {
		struct gofer_hdr h;
		struct gofer_attach q;
	} a = { { sizeof(a), GOFER_REQ_ATTACH, 0, 0, 0 }, { 0, 0 } };

	memcpy(s->in, &v, sizeof(v));
	request(s, sizeof(v));
	for (uint32_t k = 0; k < 2; k++) {
		a.q = (struct gofer_attach){ k, k };
		memcpy(s->in, &a, sizeof(a));
		request(s, sizeof(a));
	}
}

/* Make the sizes in body of type add up to len; the second part gets the odd share. */
static void fit(unsigned int type, char *body, size_t len)
{
	uint16_t sizes[2], reserved;
	uint32_t fixed = gofer_request_shape(type, sizes, &reserved), n;

	if (fixed == 0 || len < fixed)
		return;
	n = (uint32_t)(len - fixed);
	if (sizes[0] && sizes[1]) {
		uint32_t second = n / 2;

		memcpy(body + sizes[1] - 1, &second, sizeof(second));
		n -= second;
	}
	if (sizes[0])
		memcpy(body + sizes[0] - 1, &n, sizeof(n));
	if (reserved)
		memset(body + reserved - 1, 0, sizeof(uint32_t));
}

static void one_message(struct gofer_server *s, uint8_t kind, const uint8_t *bytes, size_t len)
{
	struct gofer_hdr h = { .size = (uint32_t)(sizeof(h) + len), .type = kind & 0x3f };

	if (kind & 0x80) {
		memcpy(s->in, bytes, len);
		request(s, len);
		return;
	}
	memcpy(s->in, &h, sizeof(h));
	memcpy(s->in + sizeof(h), bytes, len);
	if (!(kind & 0x40))
		fit(h.type, s->in + sizeof(h), len);
	request(s, h.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int runs;
	struct gofer_server s;

	if (fchdir(config.proc_fd) < 0 || gofer_server_init(&s, &config) < 0)
		abort();
	start(&s);
	while (size >= 2) {
		size_t len = (size_t)data[1] * 4;

		if (len > size - 2)
			len = size - 2;
		one_message(&s, data[0], data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	gofer_server_fini(&s);
	if (++runs % 64 == 0)
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return 0;
}
