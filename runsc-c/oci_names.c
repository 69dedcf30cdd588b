/* SPDX-License-Identifier: Apache-2.0 */
/* oci_names.c: the names in config.json and on the command line, and their numbers. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "runsc-c/oci_spec_impl.h"

struct name {
	const char *name;
	int number;
};

/* include/uapi/linux/capability.h, by number. */
static const char *const capabilities[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
	"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};

static const struct name rlimits[] = {
	{ "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE }, { "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA }, { "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS }, { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE }, { "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS }, { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME }, { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

int oci_cap_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		if (strcasecmp(name, capabilities[i]) == 0 || strcasecmp(name, capabilities[i] + 4) == 0)
			return (int)i;
	return -EINVAL;
}

const char *oci_cap_name(int number)
{
	return number >= 0 && (size_t)number < ARRAY_SIZE(capabilities) ? capabilities[number] : NULL;
}

int oci_rlimit_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimits); i++)
		if (strcmp(name, rlimits[i].name) == 0)
			return rlimits[i].number;
	return -EINVAL;
}

/* A decimal number up to max at the end of a text; -EINVAL. */
static int number_up_to(const char *text, int max)
{
	char *end;
	long v = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : -1;

	return v < 0 || *end != '\0' || v > max ? -EINVAL : (int)v;
}

int oci_signal_number(const char *name)
{
	int n = number_up_to(name, 64);

	if (n > 0)
		return n;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	if (strncasecmp(name, "RTMIN", 5) == 0) {
		n = name[5] == '\0' ? 0 : name[5] == '+' ? number_up_to(name + 6, 30) : -EINVAL;
		return n < 0 ? n : 34 + n;
	}
	if (strncasecmp(name, "RTMAX", 5) == 0) {
		n = name[5] == '\0' ? 0 : name[5] == '-' ? number_up_to(name + 6, 30) : -EINVAL;
		return n < 0 ? n : 64 - n;
	}
	for (int i = 1; i < 32; i++)
		if (sigabbrev_np(i) != NULL && strcasecmp(name, sigabbrev_np(i)) == 0)
			return i;
	return strcasecmp(name, "IOT") == 0 ? SIGABRT : strcasecmp(name, "CLD") == 0 ? SIGCHLD
								     : -EINVAL;
}

int oci_cpu_list_count(const char *list)
{
	int count = 0;

	while (*list != '\0') {
		char *end;
		long first = isdigit((unsigned char)*list) ? strtol(list, &end, 10) : -1, last = first;

		if (first < 0 || first > 65535)
			return -EINVAL;
		if (*end == '-')
			last = isdigit((unsigned char)end[1]) ? strtol(end + 1, &end, 10) : -1;
		if (last < first || last > 65535)
			return -EINVAL;
		count += (int)(last - first + 1);
		if (*end != '\0' && (*end != ',' || end[1] == '\0'))
			return -EINVAL;
		list = end + (*end == ',');
	}
	return count > 0 ? count : -EINVAL;
}

/* ---- mounts --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned long set, clear, propagation;
	bool bind, recursive;
} options[] = {
	{ "defaults", 0, 0, 0, false, false },
	{ "bind", MS_BIND, 0, 0, true, false },
	{ "rbind", MS_BIND | MS_REC, 0, 0, true, true },
	{ "ro", MS_RDONLY, 0, 0, false, false },
	{ "rro", MS_RDONLY, 0, 0, false, false },
	{ "rw", 0, MS_RDONLY, 0, false, false },
	{ "rrw", 0, MS_RDONLY, 0, false, false },
	{ "suid", 0, MS_NOSUID, 0, false, false },
	{ "rsuid", 0, MS_NOSUID, 0, false, false },
	{ "nosuid", MS_NOSUID, 0, 0, false, false },
	{ "rnosuid", MS_NOSUID, 0, 0, false, false },
	{ "dev", 0, MS_NODEV, 0, false, false },
	{ "rdev", 0, MS_NODEV, 0, false, false },
	{ "nodev", MS_NODEV, 0, 0, false, false },
	{ "rnodev", MS_NODEV, 0, 0, false, false },
	{ "exec", 0, MS_NOEXEC, 0, false, false },
	{ "rexec", 0, MS_NOEXEC, 0, false, false },
	{ "noexec", MS_NOEXEC, 0, 0, false, false },
	{ "rnoexec", MS_NOEXEC, 0, 0, false, false },
	{ "sync", MS_SYNCHRONOUS, 0, 0, false, false },
	{ "async", 0, MS_SYNCHRONOUS, 0, false, false },
	{ "dirsync", MS_DIRSYNC, 0, 0, false, false },
	{ "remount", MS_REMOUNT, 0, 0, false, false },
	{ "mand", MS_MANDLOCK, 0, 0, false, false },
	{ "nomand", 0, MS_MANDLOCK, 0, false, false },
	{ "atime", 0, MS_NOATIME, 0, false, false },
	{ "ratime", 0, MS_NOATIME, 0, false, false },
	{ "noatime", MS_NOATIME, 0, 0, false, false },
	{ "rnoatime", MS_NOATIME, 0, 0, false, false },
	{ "diratime", 0, MS_NODIRATIME, 0, false, false },
	{ "rdiratime", 0, MS_NODIRATIME, 0, false, false },
	{ "nodiratime", MS_NODIRATIME, 0, 0, false, false },
	{ "rnodiratime", MS_NODIRATIME, 0, 0, false, false },
	{ "relatime", MS_RELATIME, 0, 0, false, false },
	{ "rrelatime", MS_RELATIME, 0, 0, false, false },
	{ "norelatime", 0, MS_RELATIME, 0, false, false },
	{ "rnorelatime", 0, MS_RELATIME, 0, false, false },
	{ "strictatime", MS_STRICTATIME, 0, 0, false, false },
	{ "rstrictatime", MS_STRICTATIME, 0, 0, false, false },
	{ "nostrictatime", 0, MS_STRICTATIME, 0, false, false },
	{ "rnostrictatime", 0, MS_STRICTATIME, 0, false, false },
	{ "lazytime", MS_LAZYTIME, 0, 0, false, false },
	{ "nolazytime", 0, MS_LAZYTIME, 0, false, false },
	{ "iversion", MS_I_VERSION, 0, 0, false, false },
	{ "noiversion", 0, MS_I_VERSION, 0, false, false },
	{ "silent", MS_SILENT, 0, 0, false, false },
	{ "loud", 0, MS_SILENT, 0, false, false },
	{ "nosymfollow", 256 /* MS_NOSYMFOLLOW */, 0, 0, false, false },
	{ "symfollow", 0, 256, 0, false, false },
	{ "private", 0, 0, MS_PRIVATE, false, false },
	{ "rprivate", 0, 0, MS_PRIVATE | MS_REC, false, false },
	{ "slave", 0, 0, MS_SLAVE, false, false },
	{ "rslave", 0, 0, MS_SLAVE | MS_REC, false, false },
	{ "shared", 0, 0, MS_SHARED, false, false },
	{ "rshared", 0, 0, MS_SHARED | MS_REC, false, false },
	{ "unbindable", 0, 0, MS_UNBINDABLE, false, false },
	{ "runbindable", 0, 0, MS_UNBINDABLE | MS_REC, false, false },
	{ "tmpcopyup", 0, 0, 0, false, false },
};

bool oci_mount_option(const char *option, struct oci_mount_flags *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(option, options[i].name) != 0)
			continue;
		m->flags = (m->flags & ~options[i].clear) | options[i].set;
		if (options[i].propagation != 0)
			m->propagation = options[i].propagation;
		m->bind = m->bind || options[i].bind;
		m->recursive = m->recursive || options[i].recursive;
		return true;
	}
	return false;
}

bool oci_mount_type_known(const char *type)
{
	static const char *const types[] = { "bind", "proc", "sysfs", "tmpfs", "devpts", "mqueue",
					     "cgroup", "cgroup2", "devtmpfs", "overlay", "ramfs" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}
