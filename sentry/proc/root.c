/* SPDX-License-Identifier: Apache-2.0 */
/*
 * root.c: the files of /proc itself that say what there is: links to the reader's own directories,
 * file systems, devices, version, and tables that are empty in a sandbox (no modules, no swap, no
 * disks) but read by tools which give up without them.
 *
 * Not present, because a sandbox has nothing to say there: kmsg, kcore, kallsyms, keys, kpage*,
 * iomem, ioports, acpi, bus, driver, fs, irq, scsi.
 */
#include <errno.h>

#include "sentry/kernel.h"
#include "sentry/proc/proc_impl.h"
#include "vfs/chrdev.h"
#include "vfs/lock.h"

/* ---- links ------------------------------------------------------------------------------------ */

static int readlink_self(const struct pfs_req *r, struct buf *b)
{
	int32_t nr = r->reader ? process_nr_in(r->reader->process, proc_pid_ns(r)) : 0;

	if (!nr)
		return -ENOENT; /* not visible in this instance's pid namespace */
	buf_printf(b, "%d", nr);
	return 0;
}

static int readlink_thread_self(const struct pfs_req *r, struct buf *b)
{
	int32_t tid = r->reader ? task_tid_in(r->reader, proc_pid_ns(r)) : 0;
	int32_t tgid = r->reader ? process_nr_in(r->reader->process, proc_pid_ns(r)) : 0;

	if (!tid || !tgid)
		return -ENOENT;
	buf_printf(b, "%d/task/%d", tgid, tid);
	return 0;
}

/* A link whose text is entry->arg. */
static int readlink_text(const struct pfs_req *r, struct buf *b)
{
	buf_puts(b, r->i->entry->arg);
	return 0;
}

/* ---- texts ------------------------------------------------------------------------------------ */

static int show_text(const struct pfs_req *r, struct buf *b)
{
	buf_puts(b, r->i->entry->arg);
	return 0;
}

static int show_filesystems(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	fs_types_show(b);
	return 0;
}

static int show_devices(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	chrdev_show(b);
	buf_puts(b, "\nBlock devices:\n");
	return 0;
}

static int show_locks(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	locks_show(b);
	return 0;
}

static int show_version(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	buf_printf(b, "Linux version %s (root@runsc-c) (gcc %s) %s\n", KERNEL_RELEASE, __VERSION__,
		   KERNEL_VERSION);
	return 0;
}

/* Controllers of the v1 world; hierarchy 0 says that they are not mounted as v1. */
static int show_cgroups(const struct pfs_req *r, struct buf *b)
{
	static const char *const names[] = { "cpuset", "cpu", "cpuacct", "memory", "pids" };

	(void)r;
	buf_puts(b, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		buf_printf(b, "%s\t0\t1\t1\n", names[i]);
	return 0;
}

static int show_interrupts(const struct pfs_req *r, struct buf *b)
{
	unsigned int n = kernel_cpu_count(proc_container(r));

	buf_puts(b, "    ");
	for (unsigned int i = 0; i < n; i++)
		buf_printf(b, "       CPU%-*u", i < 10 ? 1 : 2, i);
	buf_putc(b, '\n');
	return 0;
}

static int show_consoles(const struct pfs_req *r, struct buf *b)
{
	(void)r, (void)b;
	return 0;
}

#define TEXT(path_, text_) { path_, { .mode = S_IFREG | 0444, .show = show_text, .arg = (text_) } }
#define LINK(path_, fn_)   { path_, { .mode = S_IFLNK | 0777, .readlink = (fn_) } }
#define LINK_TO(path_, text_) \
	{ path_, { .mode = S_IFLNK | 0777, .readlink = readlink_text, .arg = (text_) } }
#define FILE_(path_, fn_)  { path_, { .mode = S_IFREG | 0444, .show = (fn_) } }

static const struct {
	const char *path;
	struct pfs_entry entry;
} rows[] = {
	LINK("self", readlink_self),
	LINK("thread-self", readlink_thread_self),
	LINK_TO("mounts", "self/mounts"),
	LINK_TO("net", "self/net"),
	FILE_("cgroups", show_cgroups),
	TEXT("cmdline", "\n"),
	FILE_("consoles", show_consoles),
	TEXT("crypto", ""),
	FILE_("devices", show_devices),
	TEXT("diskstats", ""),
	TEXT("dma", ""),
	TEXT("execdomains", "0-0\tLinux           \t[kernel]\n"),
	FILE_("filesystems", show_filesystems),
	FILE_("interrupts", show_interrupts),
	FILE_("locks", show_locks),
	TEXT("misc", ""),
	TEXT("modules", ""),
	TEXT("partitions", "major minor  #blocks  name\n\n"),
	TEXT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
	TEXT("tty/drivers",
	     "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
	     "/dev/console         /dev/console    5       1 system:console\n"
	     "/dev/ptmx            /dev/ptmx       5       2 system\n"
	     "pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
	     "pty_master           /dev/ptm      128 0-1048575 pty:master\n"),
	FILE_("version", show_version),
};

int proc_root_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int err = proc_add(rows[i].path, &rows[i].entry);

		if (err)
			return err;
	}
	return 0;
}
