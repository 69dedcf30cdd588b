/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_internal.c: what processes started by spawn_jailed() do: `runsc-c sentry`, our executable again, and the Gofer, a
 * copy of its monitor.  They may write to descriptor 2 only, which is the debug log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "gofer/gofer.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "runsc-c/runsc.h"
#include "sentry/sentry.h"

/* As monitor.c lays them out. */
enum gofer_fd { GOFER_FD_LOG = 2, GOFER_FD_CONN, GOFER_FD_PROC, GOFER_FD_FIRST_ATTACH };

int cmd_sentry(const struct globals *g, int argc, char **argv, struct err *e)
{
	(void)g;
	(void)e;
	/* An executable that nobody may not read would have made us undumpable. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return sentry_main(argc, argv);
}

/* "0,3,1": the flags of each attach point. */
static int parse_attachments(const char *list, struct gofer_attachment **out, uint32_t *count)
{
	struct gofer_attachment *a = mem_calloc(strlen(list) + 1, sizeof(*a));
	uint32_t n = 0;

	if (a == NULL)
		return -ENOMEM;
	for (;;) {
		char *end;

		a[n].fd = GOFER_FD_FIRST_ATTACH + (int)n;
		a[n++].flags = (uint32_t)strtoul(list, &end, 10);
		if (*end != ',')
			break;
		list = end + 1;
	}
	*out = a;
	*count = n;
	return 0;
}

int run_gofer(int argc, const char *const *argv)
{
	struct gofer_config c = { .conn_fd = GOFER_FD_CONN, .log_fd = GOFER_FD_LOG };
	struct gofer_attachment *a;
	int ret;

	prctl(PR_SET_NAME, "runsc-gofer");
	if (argc != 2 || fcntl(GOFER_FD_CONN, F_GETFD) < 0)
		return 126;
	log_open(GOFER_FD_LOG, "gofer", LOG_INFO, LOG_TEXT);
	if (parse_attachments(argv[1], &a, &c.attachment_count) < 0)
		return 126;
	c.attachments = a;
	c.proc_fd = openat(GOFER_FD_PROC, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c.proc_fd < 0) {
		log_error("no procfs: %s", err_reason(errno));
		return 126;
	}
	close(GOFER_FD_PROC);
	ret = gofer_main(&c);
	if (ret < 0)
		log_info("ended: %s", err_reason(ret));
	return ret >= 0 ? ret : ret == -EPIPE ? 0 : 125;
}
