/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memdev.c: /dev/null, zero, full, random, urandom (null(4), zero(4), full(4), random(4)).
 *
 * Linux: drivers/char/mem.c, drivers/char/random.c.
 */
#include "vfs/memdev.h"

#include <errno.h>
#include <linux/random.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "vfs/chrdev.h"
#include "vfs/file.h"
#include "vfs/vfs_impl.h"

#define MEM_MAJOR    1
#define RANDOM_CHUNK 256 /* getrandom(2) gives that many without interruption */
#define ENTROPY_BITS 256 /* what Linux says since 5.18, once it has enough */

static ssize_t null_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	(void)c;
	(void)f;
	(void)dst;
	(void)pos;
	(void)rwf;
	return 0;
}

/* Nothing is looked at, so a bad address is as good as any. */
static ssize_t null_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	size_t n = uio_left(src);

	(void)c;
	(void)f;
	(void)pos;
	(void)rwf;
	uio_advance(src, n);
	return (ssize_t)n;
}

static int64_t null_llseek(struct vfs_ctx *c, struct file *f, int64_t off, int whence)
{
	(void)c;
	(void)f;
	(void)off;
	(void)whence;
	return 0;
}

static ssize_t zero_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	(void)c;
	(void)f;
	(void)pos;
	(void)rwf;
	return uio_zero(dst, uio_left(dst));
}

static int zero_mmap(struct vfs_ctx *c, struct file *f, struct mmap_request *r)
{
	(void)c;
	(void)f;
	r->anonymous = true;
	r->host_fd = -1;
	return 0;
}

static ssize_t full_write(struct vfs_ctx *c, struct file *f, struct uio *src, int64_t *pos, int rwf)
{
	(void)c;
	(void)f;
	(void)pos;
	(void)rwf;
	return uio_left(src) ? -ENOSPC : 0;
}

static ssize_t random_read(struct vfs_ctx *c, struct file *f, struct uio *dst, int64_t *pos, int rwf)
{
	uint8_t chunk[RANDOM_CHUNK];
	ssize_t done = 0;

	(void)c;
	(void)f;
	(void)pos;
	(void)rwf;
	while (uio_left(dst) > 0) {
		ssize_t n = host_getrandom(chunk, MIN(uio_left(dst), sizeof(chunk)), 0);

		if (n > 0)
			n = uio_put(dst, chunk, (size_t)n);
		if (n <= 0)
			return done ? done : n;
		done += n;
	}
	return done;
}

static long random_ioctl(struct vfs_ctx *c, struct file *f, unsigned int cmd, uint64_t arg)
{
	int bits = ENTROPY_BITS;

	(void)f;
	switch (cmd) {
	case RNDGETENTCNT:
		return vfs_copy_out(c, arg, &bits, sizeof(bits));
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDZAPENTCNT:
	case RNDCLEARPOOL:
	case RNDRESEEDCRNG:
		return -EPERM; /* the host's pool is not this sandbox's */
	default:
		return -EINVAL;
	}
}

static const struct file_ops null_fops = {
	.read = null_read,
	.write = null_write,
	.llseek = null_llseek,
};

static const struct file_ops zero_fops = {
	.read = zero_read,
	.write = null_write,
	.llseek = null_llseek,
	.mmap = zero_mmap,
};

static const struct file_ops full_fops = {
	.read = zero_read,
	.write = full_write,
	.llseek = null_llseek,
};

static const struct file_ops random_fops = {
	.read = random_read,
	.write = null_write,
	.ioctl = random_ioctl,
	.llseek = null_llseek,
};

static const struct file_ops *const mem_fops[] = {
	[3] = &null_fops,   [5] = &zero_fops,	[7] = &full_fops,
	[8] = &random_fops, [9] = &random_fops,
};

static int mem_open(struct vfs_ctx *c, struct inode *i, struct file *f)
{
	unsigned int minor = (unsigned int)(i->rdev & 0xff);

	(void)c;
	if (minor >= ARRAY_SIZE(mem_fops) || !mem_fops[minor])
		return -ENXIO;
	f->ops = mem_fops[minor];
	return 0;
}

static struct chrdev mem_devices[] = {
	{ MEM_MAJOR, 3, 1, "mem", "null", 0666, mem_open, { NULL, NULL } },
	{ MEM_MAJOR, 5, 1, "mem", "zero", 0666, mem_open, { NULL, NULL } },
	{ MEM_MAJOR, 7, 1, "mem", "full", 0666, mem_open, { NULL, NULL } },
	{ MEM_MAJOR, 8, 1, "mem", "random", 0666, mem_open, { NULL, NULL } },
	{ MEM_MAJOR, 9, 1, "mem", "urandom", 0666, mem_open, { NULL, NULL } },
};

void memdev_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mem_devices); i++)
		chrdev_register(&mem_devices[i]);
}
