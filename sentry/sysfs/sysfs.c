/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysfs.c: /sys as a sandbox has it: the CPUs and the memory node that the container sees, what
 * tools look for before they go on, and directories that are empty because there are no devices.
 *
 * It is read-only but for what others register.  CPU directories follow the container's count: they
 * are made up by functions, not rows.
 *
 * Linux: Documentation/ABI/stable/sysfs-devices-system-cpu, …-node, testing/sysfs-kernel-mm-*.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "sentry/container.h"
#include "sentry/kernel.h"
#include "sentry/sysfs/sysfs_impl.h"
#include "sentry/task/task.h"

#define SYSFS_MAGIC 0x62656572

static struct pfs_node sys_root = PFS_NODE_ROOT(sys_root, 0555);

int sysfs_add(const char *path, const struct pfs_entry *e)
{
	return pfs_node_add(&sys_root, path, e);
}

/* ---- supers that know a container ------------------------------------------------------------- */

static void view_show_options(struct pfs_super *pfs, struct buf *b)
{
	buf_puts(b, container_of(pfs, struct view_super, pfs)->options);
}

static int view_reconfigure(struct pfs_super *pfs, const char *data)
{
	(void)pfs, (void)data;
	return 0; /* only flags of the mount change */
}

int view_super_new(struct vfs_ctx *c, const struct fs_type *t, uint64_t magic, const char *options,
		   const struct pfs_entry *root, void *fs_data, struct super **out)
{
	struct view_super *s = mem_new(struct view_super);

	if (!s)
		return -ENOMEM;
	s->pfs.magic = magic;
	s->pfs.show_options = view_show_options;
	s->pfs.reconfigure = view_reconfigure;
	s->container = ctx_task(c) ? ctx_task(c)->process->container : fs_data;
	s->options = options;
	return pfs_super_new(t, &s->pfs, root, out); /* consumes s */
}

const struct container *view_container(const struct pfs_req *r)
{
	if (r->reader)
		return r->reader->process->container;
	return container_of(pfs_super_of(r), struct view_super, pfs)->container;
}

/* ---- CPUs ------------------------------------------------------------------------------------- */

static unsigned int cpu_count(const struct pfs_req *r)
{
	return kernel_cpu_count(view_container(r));
}

static void put_range(struct buf *b, unsigned int count)
{
	if (count > 1)
		buf_printf(b, "0-%u\n", count - 1);
	else
		buf_puts(b, "0\n");
}

static int show_cpus(const struct pfs_req *r, struct buf *b)
{
	put_range(b, cpu_count(r));
	return 0;
}

/* As a bitmap: words of 32 bits, highest first. */
static int show_cpu_map(const struct pfs_req *r, struct buf *b)
{
	unsigned int count = MIN(cpu_count(r), 1024u), words = (count + 31) / 32;

	for (unsigned int w = words; w-- > 0;) {
		unsigned int bits = w == words - 1 ? (count - 1) % 32 + 1 : 32;
		uint32_t v = bits == 32 ? 0xffffffffu : (1u << bits) - 1;

		buf_printf(b, "%0*x%s", (int)((bits + 3) / 4), v, w ? "," : "\n");
	}
	return 0;
}

static int show_kernel_max(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	buf_puts(b, "1023\n");
	return 0;
}

/* Lists and masks of one CPU; the directory's key is its number. */
static int show_self_list(const struct pfs_req *r, struct buf *b)
{
	buf_printf(b, "%lld\n", (long long)r->i->key);
	return 0;
}

static int show_self_map(const struct pfs_req *r, struct buf *b)
{
	unsigned int cpu = (unsigned int)r->i->key;

	buf_printf(b, "%x", 1u << cpu % 32);
	for (unsigned int w = cpu / 32; w > 0; w--)
		buf_puts(b, ",00000000");
	buf_putc(b, '\n');
	return 0;
}

static int show_text(const struct pfs_req *r, struct buf *b)
{
	buf_puts(b, r->i->entry->arg);
	return 0;
}

#define SHOW(name_, fn_)   { .name = name_, .mode = S_IFREG | 0444, .show = (fn_) }
#define TEXT(name_, text_) \
	{ .name = name_, .mode = S_IFREG | 0444, .show = show_text, .arg = (text_) }
#define END                { .name = NULL }

static const struct pfs_entry topology_rows[] = {
	SHOW("core_id", show_self_list),
	SHOW("core_cpus", show_self_map),
	SHOW("core_cpus_list", show_self_list),
	SHOW("core_siblings", show_cpu_map),
	SHOW("core_siblings_list", show_cpus),
	SHOW("die_cpus", show_cpu_map),
	SHOW("die_cpus_list", show_cpus),
	TEXT("die_id", "0\n"),
	SHOW("package_cpus", show_cpu_map),
	SHOW("package_cpus_list", show_cpus),
	TEXT("physical_package_id", "0\n"),
	SHOW("thread_siblings", show_self_map),
	SHOW("thread_siblings_list", show_self_list),
	END,
};
static const struct pfs_dir topology_dir = { .entries = topology_rows };

static const struct pfs_entry cpu_rows[] = {
	{ .name = "topology", .mode = S_IFDIR | 0555, .dir = &topology_dir },
	TEXT("online", "1\n"),
	END,
};
static const struct pfs_dir cpu_dir = { .entries = cpu_rows };
static const struct pfs_entry cpu_entry = {
	.name = "cpu", .mode = S_IFDIR | 0555, .dir = &cpu_dir,
};

/* A name that is word and a number below limit, or -1. */
static int numbered(const char *name, const char *word, unsigned int limit)
{
	size_t len = strlen(word);
	unsigned long n;
	char *end;

	if (strncmp(name, word, len) || name[len] < '0' || name[len] > '9' ||
	    (name[len] == '0' && name[len + 1]))
		return -1;
	n = strtoul(name + len, &end, 10);
	return *end || n >= limit ? -1 : (int)n;
}

static int cpus_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	int cpu = numbered(name, "cpu", cpu_count(r));

	if (cpu < 0)
		return -ENOENT;
	out->entry = &cpu_entry;
	out->key = cpu;
	return 0;
}

static int cpus_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	if (from >= (int64_t)cpu_count(r))
		return 0;
	out->entry = &cpu_entry;
	out->cookie = from;
	snprintf(out->name, sizeof(out->name), "cpu%d", (int)from);
	return 1;
}

static const struct pfs_entry cpus_rows[] = {
	SHOW("online", show_cpus),
	SHOW("possible", show_cpus),
	SHOW("present", show_cpus),
	TEXT("offline", "\n"),
	TEXT("isolated", "\n"),
	TEXT("nohz_full", "\n"),
	SHOW("kernel_max", show_kernel_max),
	END,
};
static const struct pfs_dir cpus_dir = {
	.entries = cpus_rows, .lookup = cpus_lookup, .next = cpus_next,
};

/* ---- the one memory node ---------------------------------------------------------------------- */

static int show_node_meminfo(const struct pfs_req *r, struct buf *b)
{
	struct kernel_memory m;

	kernel_memory(view_container(r), &m);
	buf_printf(b, "Node 0 MemTotal:       %llu kB\nNode 0 MemFree:        %llu kB\n"
		      "Node 0 MemUsed:        %llu kB\n",
		   (unsigned long long)(m.total / 1024), (unsigned long long)(m.free / 1024),
		   (unsigned long long)(m.used / 1024));
	return 0;
}

static int cpu_link_text(const struct pfs_req *r, struct buf *b)
{
	buf_printf(b, "../../cpu/cpu%lld", (long long)r->i->key);
	return 0;
}

static const struct pfs_entry node_cpu_entry = {
	.name = "cpu", .mode = S_IFLNK | 0777, .readlink = cpu_link_text,
};

static int node_lookup(const struct pfs_req *r, const char *name, struct pfs_child *out)
{
	int err = cpus_lookup(r, name, out);

	out->entry = &node_cpu_entry;
	return err;
}

static int node_next(const struct pfs_req *r, int64_t from, struct pfs_child *out)
{
	int n = cpus_next(r, from, out);

	out->entry = &node_cpu_entry;
	return n;
}

static const struct pfs_entry node_rows[] = {
	SHOW("cpulist", show_cpus),
	SHOW("cpumap", show_cpu_map),
	TEXT("distance", "10\n"),
	SHOW("meminfo", show_node_meminfo),
	END,
};
static const struct pfs_dir node_dir = {
	.entries = node_rows, .lookup = node_lookup, .next = node_next,
};

/* ---- rows ------------------------------------------------------------------------------------- */

#define DIR_(path_) { path_, { .mode = S_IFDIR | 0555 } }
#define FILE_(path_, fn_) { path_, { .mode = S_IFREG | 0444, .show = (fn_) } }
#define FILE_TEXT(path_, text_) \
	{ path_, { .mode = S_IFREG | 0444, .show = show_text, .arg = (text_) } }

static const struct {
	const char *path;
	struct pfs_entry entry;
} rows[] = {
	DIR_("block"),
	DIR_("bus"),
	DIR_("class/block"),
	DIR_("class/mem"),
	DIR_("class/misc"),
	DIR_("class/net"),
	DIR_("class/tty"),
	DIR_("dev/block"),
	DIR_("dev/char"),
	{ "devices/system/cpu", { .mode = S_IFDIR | 0555, .dir = &cpus_dir } },
	{ "devices/system/node/node0", { .mode = S_IFDIR | 0555, .dir = &node_dir } },
	FILE_TEXT("devices/system/node/online", "0\n"),
	FILE_TEXT("devices/system/node/possible", "0\n"),
	FILE_TEXT("devices/system/node/has_cpu", "0\n"),
	FILE_TEXT("devices/system/node/has_memory", "0\n"),
	FILE_TEXT("devices/system/node/has_normal_memory", "0\n"),
	DIR_("devices/virtual"),
	DIR_("firmware"),
	DIR_("fs/cgroup"),
	DIR_("fs/bpf"),
	DIR_("hypervisor"),
	FILE_TEXT("kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
	FILE_TEXT("kernel/mm/transparent_hugepage/defrag",
		  "always defer defer+madvise [madvise] never\n"),
	FILE_TEXT("kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n"),
	FILE_TEXT("kernel/mm/transparent_hugepage/shmem_enabled",
		  "always within_size advise [never] deny force\n"),
	FILE_TEXT("kernel/mm/transparent_hugepage/use_zero_page", "1\n"),
	DIR_("kernel/mm/hugepages"),
	FILE_TEXT("kernel/uevent_seqnum", "0\n"),
	FILE_TEXT("kernel/fscaps", "1\n"),
	FILE_TEXT("kernel/kexec_loaded", "0\n"),
	FILE_TEXT("kernel/profiling", "0\n"),
	FILE_TEXT("kernel/cgroup/delegate", ""),
	FILE_TEXT("kernel/cgroup/features", ""),
	DIR_("module"),
	DIR_("power"),
};

static int sysfs_mount(struct vfs_ctx *c, const struct fs_type *t, const char *source,
		       const char *data, void *fs_data, struct super **out)
{
	(void)source, (void)data; /* options are ignored, as on Linux */
	return view_super_new(c, t, SYSFS_MAGIC, "", &sys_root.entry, fs_data, out);
}

static struct fs_type sysfs_type = {
	.name = "sysfs",
	.flags = FS_NODEV | FS_USERNS_MOUNT | FS_USERNS_VISIBLE | FS_OF_CONTAINER,
	.mount = sysfs_mount,
};

int sysfs_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = sysfs_add(rows[i].path, &rows[i].entry);

		if (err)
			return err;
	}
	fs_type_register(&sysfs_type);
	return cgroupfs_init();
}
