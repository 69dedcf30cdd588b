/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.c: what the host's kernel tells of an application's process: its memory (process_vm_*), and
 * its files in the sandbox's own procfs.  For all platforms; processes are named by a thread of them.
 */
#include "platform/platform_impl.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/worker_later.h"
#include "platform/host.h"
#include "platform/stub/abi.h"

/* Of memfds that only the platform makes (notify/patch.c). */
#define PROC_HIDDEN_NAME "/memfd:runsc-c-patch"

#define COPY_LONG        65536 /* from some 10 us on */

static int proc_fd = -1;

void proc_init(int fd)
{
	proc_fd = fd;
}

/* ---- memory ----------------------------------------------------------------------------------- */

/* What takes long is not to hold up what this worker has put off. */
static void copying(size_t size)
{
	if (size >= COPY_LONG)
		worker_do_later();
}

/*
 * One remote range.  The kernel copies page by page and stops at the first bad one, so a short count
 * is what lies before it.
 */
ssize_t proc_vm_read(pid_t tid, uint64_t addr, void *dst, size_t size)
{
	struct iovec local = { dst, size }, remote = { (void *)addr, size };

	copying(size);
	return size == 0 ? 0 : host_process_vm_readv(tid, &local, 1, &remote, 1);
}

ssize_t proc_vm_write(pid_t tid, uint64_t addr, const void *src, size_t size)
{
	struct iovec local = { (void *)(uintptr_t)src, size }, remote = { (void *)addr, size };

	copying(size);
	return size == 0 ? 0 : host_process_vm_writev(tid, &local, 1, &remote, 1);
}

ssize_t proc_vm_writev(pid_t tid, uint64_t addr, const struct iovec *iov, size_t count)
{
	struct iovec remote = { (void *)addr, 0 };

	for (size_t i = 0; i < count; i++)
		remote.iov_len += iov[i].iov_len;
	copying(remote.iov_len);
	return remote.iov_len == 0 ? 0 : host_process_vm_writev(tid, iov, count, &remote, 1);
}

static int proc_open(pid_t tid, const char *file)
{
	char path[128];

	if (proc_fd < 0)
		return -ENOENT;
	(void)snprintf(path, sizeof(path), "%d/%s", tid, file);
	return host_openat(proc_fd, path, O_RDONLY, 0);
}

/* Past protection bits: what a debugger sees. */
ssize_t proc_mem_read(pid_t tid, uint64_t addr, void *dst, size_t size)
{
	int fd = proc_open(tid, "mem");
	ssize_t n;

	if (fd < 0)
		return fd;
	n = host_pread(fd, dst, size, (int64_t)addr);
	host_close(fd);
	return n == -EIO ? -EFAULT : n;
}

/* ---- maps, smaps ------------------------------------------------------------------------------ */

/* A file read in pieces, handed out line by line. */
struct lines {
	int fd;
	size_t have, at;
	char buf[16384];
};

/* The next line without its newline, valid until the next call; NULL at the end. */
static char *lines_next(struct lines *l)
{
	char *nl, *line;
	ssize_t n;

	for (;;) {
		line = l->buf + l->at;
		nl = memchr(line, '\n', l->have - l->at);
		if (nl) {
			*nl = 0;
			l->at = (size_t)(nl + 1 - l->buf);
			return line;
		}
		memmove(l->buf, line, l->have - l->at);
		l->have -= l->at;
		l->at = 0;
		if (l->have == sizeof(l->buf))
			return NULL;
		n = host_read(l->fd, l->buf + l->have, sizeof(l->buf) - l->have);
		if (n <= 0)
			return NULL;
		l->have += (size_t)n;
	}
}

/* "from-to perms offset maj:min inode      name" */
static bool map_parse(char *line, struct plat_map *m)
{
	char *p = line;

	m->start = strtoull(p, &p, 16);
	if (*p != '-')
		return false;
	m->end = strtoull(p + 1, &p, 16);
	if (*p != ' ' || strlen(p) < 6)
		return false;
	memcpy(m->prot, p + 1, 4);
	m->prot[4] = 0;
	m->offset = strtoull(p + 5, &p, 16);
	m->dev_major = (uint32_t)strtoul(p, &p, 16);
	if (*p != ':')
		return false;
	m->dev_minor = (uint32_t)strtoul(p + 1, &p, 16);
	m->ino = strtoull(p, &p, 10);
	while (*p == ' ')
		p++;
	m->name = p;
	m->detail = NULL;
	return true;
}

static bool map_is_hidden(const struct plat_map *m)
{
	return (m->start >= STUB_BASE && m->start < STUB_END) || strcmp(m->name, "[vsyscall]") == 0 ||
	       strncmp(m->name, PROC_HIDDEN_NAME, sizeof(PROC_HIDDEN_NAME) - 1) == 0;
}

/* Linux's struct procmap_query (6.11), which older headers lack. */
struct procmap_query_ {
	uint64_t size, query_flags, query_addr;
	uint64_t start, end, flags, page_size, offset, ino;
	uint32_t dev_major, dev_minor;
	uint32_t name_size, build_id_size;
	uint64_t name_addr, build_id_addr;
};
_Static_assert(sizeof(struct procmap_query_) == 104, "linux/fs.h, and what PROCMAP_QUERY_ says");
#define PROCMAP_QUERY_           0xc0686611u /* _IOWR('f', 17, struct procmap_query) */
#define PROCMAP_COVERING_OR_NEXT 0x10u
#define PROCMAP_SHARED           0x08u

/* One mapping being put together from a header line and smaps' details. */
struct map_now {
	struct plat_map map;
	char name[4096];
	char *detail;
	size_t detail_size, detail_room;
	bool valid;
};

static int map_now_add(struct map_now *now, const char *line)
{
	size_t n = strlen(line);
	char *p;

	if (now->detail_size + n + 2 > now->detail_room) {
		p = mem_realloc(now->detail, now->detail_room * 2 + n + 1024, 1);
		if (!p)
			return -ENOMEM;
		now->detail = p;
		now->detail_room = now->detail_room * 2 + n + 1024;
	}
	memcpy(now->detail + now->detail_size, line, n);
	now->detail_size += n;
	now->detail[now->detail_size++] = '\n';
	now->detail[now->detail_size] = 0;
	return 0;
}

static int map_now_flush(struct map_now *now, bool smaps, plat_map_fn *fn, void *arg)
{
	if (!now->valid)
		return 0;
	now->valid = false;
	now->map.detail = smaps && now->detail ? now->detail : NULL;
	return fn(arg, &now->map);
}

static bool is_header(const char *line)
{
	return (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
}

static int maps_walk(struct lines *l, struct map_now *now, bool smaps, plat_map_fn *fn, void *arg)
{
	char *line;
	int err;

	while ((line = lines_next(l))) {
		if (!is_header(line)) {
			err = now->valid ? map_now_add(now, line) : 0;
			if (err != 0)
				return err;
			continue;
		}
		err = map_now_flush(now, smaps, fn, arg);
		if (err != 0)
			return err;
		now->detail_size = 0;
		if (!map_parse(line, &now->map) || map_is_hidden(&now->map))
			continue;
		(void)snprintf(now->name, sizeof(now->name), "%s", now->map.name);
		now->map.name = now->name;
		now->valid = true;
	}
	return map_now_flush(now, smaps, fn, arg);
}

int proc_maps(pid_t tid, bool smaps, plat_map_fn *fn, void *arg)
{
	struct lines *l = mem_new(struct lines);
	struct map_now *now = mem_new(struct map_now);
	int err = -ENOMEM;

	if (l && now) {
		l->fd = proc_open(tid, smaps ? "smaps" : "maps");
		err = l->fd;
		if (err >= 0) {
			err = maps_walk(l, now, smaps, fn, arg);
			host_close(l->fd);
		}
	}
	if (now)
		mem_free(now->detail);
	mem_free(now);
	mem_free(l);
	return err;
}

/* The mapping at addr or the next above it.  False: there is none.  -ENOTTY: before Linux 6.11. */
static int map_query(int fd, uint64_t addr, struct map_now *now)
{
	struct procmap_query_ q = {
		.size = sizeof(q),
		.query_flags = PROCMAP_COVERING_OR_NEXT,
		.query_addr = addr,
		.name_size = sizeof(now->name),
		.name_addr = (uintptr_t)now->name,
	};
	struct plat_map *m = &now->map;
	long err = host_ioctl(fd, PROCMAP_QUERY_, &q);

	if (err)
		return (int)err;
	if (!q.name_size)
		now->name[0] = 0;
	*m = (struct plat_map){
		.start = q.start, .end = q.end, .offset = q.offset, .ino = q.ino,
		.dev_major = q.dev_major, .dev_minor = q.dev_minor, .name = now->name,
	};
	for (unsigned int i = 0; i < 3; i++)
		m->prot[i] = q.flags & 1u << i ? "rwx"[i] : '-';
	m->prot[3] = q.flags & PROCMAP_SHARED ? 's' : 'p';
	return 0;
}

static int maps_in(int fd, struct map_now *now, uint64_t start, uint64_t end, plat_map_fn *fn, void *arg)
{
	int err = 0;

	while (start < end && !err) {
		err = map_query(fd, start, now);
		if (err)
			return err == -ENOENT ? 0 : err;
		if (now->map.start >= end || now->map.end <= start)
			break;
		start = now->map.end;
		if (!map_is_hidden(&now->map))
			err = fn(arg, &now->map);
	}
	return err;
}

int proc_maps_in(pid_t tid, uint64_t start, uint64_t end, plat_map_fn *fn, void *arg)
{
	static atomic_bool absent; /* the host's kernel has no such query */
	struct map_now *now;
	int fd, err;

	if (atomic_load_explicit(&absent, memory_order_relaxed))
		return proc_maps(tid, false, fn, arg);
	now = mem_new(struct map_now);
	if (!now)
		return -ENOMEM;
	fd = proc_open(tid, "maps");
	err = fd < 0 ? fd : maps_in(fd, now, start, end, fn, arg);
	if (fd >= 0)
		host_close(fd);
	mem_free(now);
	if (err != -ENOTTY)
		return err;
	atomic_store_explicit(&absent, true, memory_order_relaxed);
	return proc_maps(tid, false, fn, arg);
}

/* Bits 63 (present) and 62 (swapped) of /proc/PID/pagemap's words. */
int proc_resident(pid_t tid, uint64_t addr, size_t pages, uint8_t *vec)
{
	int fd = proc_open(tid, "pagemap");
	uint64_t words[128];
	size_t done = 0;
	int err = 0;

	if (fd < 0)
		return fd;
	while (done < pages) {
		size_t n = MIN(pages - done, ARRAY_SIZE(words));

		if (host_pread(fd, words, n * 8, (int64_t)((addr / PAGE_SIZE + done) * 8)) !=
		    (ssize_t)(n * 8)) {
			err = -EIO;
			break;
		}
		for (size_t i = 0; i < n; i++)
			vec[done + i] = words[i] >> 62 != 0;
		done += n;
	}
	host_close(fd);
	return err;
}

/* ---- usage ------------------------------------------------------------------------------------ */

static ssize_t proc_read(pid_t tid, const char *file, char *buf, size_t size)
{
	int fd = proc_open(tid, file);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = host_read(fd, buf, size - 1);
	host_close(fd);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* Numbers, each with a blank behind it (CONFIG_PROC_CHILDREN). */
int proc_children(pid_t tid, void (*fn)(void *arg, pid_t pid), void *arg)
{
	char file[64], buf[4096];
	pid_t pid = 0;
	ssize_t n;
	int fd;

	(void)snprintf(file, sizeof(file), "task/%d/children", tid);
	fd = proc_open(tid, file);
	if (fd < 0)
		return fd;
	while ((n = host_read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
			} else if (pid) {
				fn(arg, pid);
				pid = 0;
			}
		}
	}
	host_close(fd);
	return n < 0 ? (int)n : 0;
}

/*
 * utime and stime of a stat file are in ticks; sum is exact (0: unknown).  It is divided in the ticks'
 * ratio, as the kernel itself does.
 */
static int stat_usage(pid_t tid, const char *file, uint64_t sum, struct plat_usage *out)
{
	unsigned long long minflt = 0, majflt = 0, utime = 0, stime = 0;
	char buf[1024], *p;
	ssize_t n;

	n = proc_read(tid, file, buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %llu %*u %llu %*u %llu %llu", &out->state,
			 &minflt, &majflt, &utime, &stime) != 5)
		return -EIO;
	out->min_faults = minflt;
	out->maj_faults = majflt;
	if (sum == 0)
		sum = (utime + stime) * 10000000ull;
	out->stime_ns = utime + stime == 0 ? 0 : (int64_t)((double)sum * (double)stime / (double)(utime + stime));
	out->utime_ns = (int64_t)sum - out->stime_ns;
	return 0;
}

int proc_thread_usage(pid_t tid, struct plat_usage *out)
{
	char buf[128], file[64];
	ssize_t n;

	(void)snprintf(file, sizeof(file), "task/%d/schedstat", tid);
	n = proc_read(tid, file, buf, sizeof(buf));
	(void)snprintf(file, sizeof(file), "task/%d/stat", tid);
	return stat_usage(tid, file, n > 0 ? strtoull(buf, NULL, 10) : 0, out);
}

int proc_process_usage(pid_t tid, struct plat_usage *out)
{
	int64_t sum = host_process_cpu_ns(tid);

	return stat_usage(tid, "stat", sum > 0 ? (uint64_t)sum : 0, out);
}

int proc_mem_usage(pid_t tid, uint64_t hidden_bytes, struct plat_mem_usage *out)
{
	static const struct { const char *name; size_t at; } fields[] = {
		{ "VmPeak:", offsetof(struct plat_mem_usage, vm_peak) },
		{ "VmSize:", offsetof(struct plat_mem_usage, vm_bytes) },
		{ "VmHWM:", offsetof(struct plat_mem_usage, rss_peak) },
		{ "VmRSS:", offsetof(struct plat_mem_usage, rss_bytes) },
		{ "RssAnon:", offsetof(struct plat_mem_usage, rss_anon) },
		{ "RssFile:", offsetof(struct plat_mem_usage, rss_file) },
		{ "RssShmem:", offsetof(struct plat_mem_usage, rss_shmem) },
		{ "VmData:", offsetof(struct plat_mem_usage, data_bytes) },
		{ "VmStk:", offsetof(struct plat_mem_usage, stack_bytes) },
	};
	char buf[4096], *p;
	ssize_t n = proc_read(tid, "status", buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		p = strstr(buf, fields[i].name);
		if (p)
			*(uint64_t *)((char *)out + fields[i].at) =
				strtoull(p + strlen(fields[i].name), NULL, 10) * 1024;
	}
	/* Address space of the stub's own, most of it never touched. */
	out->vm_bytes -= MIN(out->vm_bytes, hidden_bytes);
	out->vm_peak -= MIN(out->vm_peak, hidden_bytes);
	return 0;
}
