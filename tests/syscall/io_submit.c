/* SPDX-License-Identifier: Apache-2.0 */
/* io_submit.c: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2). */
#include "t.h"

#include <linux/aio_abi.h>
#include <sys/eventfd.h>

static aio_context_t ctx;

static long submit(long n, struct iocb **v)
{
	return syscall(SYS_io_submit, ctx, n, v);
}

static long events(long min, long n, struct io_event *e, const struct timespec *ts)
{
	return syscall(SYS_io_getevents, ctx, min, n, e, ts);
}

T_MAIN
{
	struct timespec ts = { 0, 20000000 }, none = { 0, 0 };
	struct iocb a = { 0 }, b = { 0 }, *v[2] = { &a, &b };
	struct io_event e[4];
	char buf[100] = "hello, aio", in[100] = "";
	int fd = memfd_create("x", 0), ev = eventfd(0, EFD_NONBLOCK), p[2];
	aio_context_t bad = 1;
	uint64_t count;
	int64_t start;

	FAILS(EINVAL, syscall(SYS_io_setup, 0, &ctx));
	FAILS(EINVAL, syscall(SYS_io_setup, 8, &bad));
	FAILS(EFAULT, syscall(SYS_io_setup, 8, BAD_PTR));
	EQUAL(syscall(SYS_io_setup, 8, &ctx), 0);
	CHECK(ctx != 0);
	FAILS(EINVAL, syscall(SYS_io_getevents, 0, 0, 1, e, NULL));

	a.aio_fildes = b.aio_fildes = (unsigned int)fd;
	a.aio_lio_opcode = IOCB_CMD_PWRITE;
	a.aio_buf = (uintptr_t)buf;
	a.aio_nbytes = 10;
	a.aio_offset = 5;
	a.aio_data = 77;
	a.aio_flags = IOCB_FLAG_RESFD;
	a.aio_resfd = (unsigned int)ev;
	b.aio_lio_opcode = IOCB_CMD_PREAD;
	b.aio_buf = (uintptr_t)in;
	b.aio_nbytes = sizeof(in);
	b.aio_data = 78;
	EQUAL(submit(1, v), 1);
	EQUAL(events(1, 4, e, NULL), 1);
	CHECK(e[0].data == 77 && e[0].obj == (uintptr_t)&a && e[0].res == 10);
	EQUAL(read(ev, &count, 8), 8);
	EQUAL(count, 1);
	EQUAL(submit(1, v + 1), 1);
	EQUAL(events(1, 4, e, NULL), 1);
	CHECK(e[0].data == 78 && e[0].res == 15 && !memcmp(in + 5, buf, 10));
	EQUAL(events(0, 4, e, NULL), 0);
	start = t_now_ms();
	EQUAL(events(1, 4, e, &ts), 0);
	CHECK(t_now_ms() - start >= 19);
	FAILS(EINVAL, events(2, 1, e, NULL));

	a.aio_fildes = 999;
	FAILS(EBADF, submit(1, v));
	a.aio_fildes = (unsigned int)fd;
	a.aio_lio_opcode = 99;
	FAILS(EINVAL, submit(1, v));
	FAILS(EINVAL, submit(-1, v));
	EQUAL(submit(0, v), 0);
	v[0] = BAD_PTR;
	FAILS(EFAULT, submit(1, v));
	v[0] = &a;
	FAILS(EINVAL, syscall(SYS_io_cancel, ctx, &b, e));

	/* A poll that becomes true later, and one that never does. */
	EQUAL(pipe(p), 0);
	memset(&a, 0, sizeof(a));
	a.aio_lio_opcode = IOCB_CMD_POLL;
	a.aio_fildes = (unsigned int)p[0];
	a.aio_buf = POLLIN;
	EQUAL(submit(1, v), 1);
	EQUAL(events(1, 1, e, &none), 0);
	EQUAL(write(p[1], "x", 1), 1);
	EQUAL(events(1, 1, e, NULL), 1);
	CHECK(e[0].res & POLLIN);
	EQUAL(read(p[0], buf, 1), 1);
	EQUAL(submit(1, v), 1);

	EQUAL(syscall(SYS_io_destroy, ctx), 0);
	FAILS(EINVAL, syscall(SYS_io_destroy, ctx));
	FAILS(EINVAL, submit(1, v));
}
