/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.h: what a Sentry is given: the descriptors at its start, the boot message of the sandbox, and
 * the description of each container and process that it is asked to make.
 *
 * The CLI has read and checked config.json, made cgroups, namespaces and the gofer; what arrives
 * here is the Sentry's part of it, in Sentry terms.  It travels as JSON (control.h) and is decoded
 * here into the structs below, each field checked for type and range again.  The structs own all
 * they point at, descriptors included: *_free() closes those that nobody took.
 *
 * Life of a sandbox:
 *
 *   runsc-c create                       runsc-c sentry (jailed: namespaces, empty root, no caps)
 *     socketpair, listening socket  ──▶  fd 3 and fd 4, inherited over exec
 *     "boot"                        ──▶  boot_receive(): struct boot_config
 *                                        platform up, jail_sentry_filter(), workers up
 *                                   ◀──  reply (boot_done() or boot_failed())
 *     "create" + gofer, stdio fds   ──▶  control_ops.create: mounts, loader; init is made, not run
 *                                   ◀──  reply; the first thing that fails is told here
 *   runsc-c start  (fd 4's path)
 *     "start"                       ──▶  control_ops.start: init runs
 *   monitor process
 *     "wait"                        ──▶  answered when init has ended
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "lib/log.h"

/*
 * Descriptors that a Sentry starts with; 0 and 1 are /dev/null, everything else is closed.
 * SENTRY_FD_PROC is a directory: the root of a procfs of the Sentry's own pid namespace (the only
 * file system it can name: its root directory is empty and read-only).
 */
enum sentry_fd {
	SENTRY_FD_LOG = 2,     /* debug log, or /dev/null */
	SENTRY_FD_CONTROL = 3, /* connected Unix stream; the boot message comes first */
	SENTRY_FD_LISTEN = 4,  /* listening Unix stream for later control connections */
	SENTRY_FD_PROC = 5,
	SENTRY_FD_FIRST_FREE = 6,
};

enum platform_choice { PLATFORM_NOTIFY, PLATFORM_PTRACE };
enum network_choice { NETWORK_SANDBOX, NETWORK_HOST, NETWORK_NONE };

/* The sandbox as a whole: the boot message. */
struct boot_config {
	char *sandbox_id;
	enum platform_choice platform;
	bool platform_forced; /* --platform was given: do not fall back to another */
	bool patch;           /* call-site patching */
	unsigned int patch_after; /* plat_config.patch_after */
	unsigned int pollers; /* plat_config.pollers */
	enum network_choice network;
	bool strace;          /* log every system call */
	bool rootless;        /* made by an ordinary user */
	enum log_level log_level;
	enum log_format log_format;
	unsigned int cpu_count;  /* CPUs that applications see: cpuset and quota, at least 1 */
	unsigned int host_cpus;  /* above the highest number of the host's CPUs; 0: unknown */
	uint64_t memory_size;    /* bytes of memory that applications see */
	int oom_score_adj;       /* of applications' host processes */
	int nice;                /* likewise; ours may be better */
};

/* One resource limit; resource is RLIMIT_*. */
struct rlimit_config {
	int resource;
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

/* process.scheduler: struct sched_attr of sched_setattr(2), checked by the Sentry.  What is 0 is default. */
struct scheduler_config {
	uint32_t policy, priority;
	int nice;
	uint64_t flags, runtime_ns, deadline_ns, period_ns;
};

/* A process: a container's init, or an exec. */
struct process_config {
	char **args; /* NULL-terminated, at least one; args[0] is looked up in PATH if it has no '/' */
	char **env;  /* NULL-terminated */
	char *exe;   /* the program, whatever args[0] says; NULL: args[0] */
	char *cwd;   /* absolute */
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t group_count;
	mode_t umask;
	/* Capability sets as bit masks. */
	uint64_t cap_bounding, cap_effective, cap_permitted, cap_inheritable, cap_ambient;
	bool no_new_privs;
	bool has_oom_score_adj;
	int oom_score_adj;
	struct rlimit_config *rlimits;
	size_t rlimit_count;
	struct scheduler_config *scheduler; /* NULL: as usual */
	int io_priority;      /* ioprio_set(2)'s value, 0: none */
	uint32_t personality; /* personality(2) */
	/*
	 * terminal: fds[0..2] are the same host pty slave; the process becomes a session leader with
	 * a terminal of its own (rows × columns, 0: as the host's pty says).
	 */
	bool terminal;
	unsigned short rows, columns;
	/* Host descriptors that become 0, 1, 2, …; at least 3, more with --preserve-fds. */
	int *fds;
	size_t fd_count;
	/* Their numbers inside, ascending, when there are gaps among them; count 0: 0, 1, 2, … */
	uint32_t *fd_numbers;
	size_t fd_number_count;
	/*
	 * linux.seccomp, compiled: flags of seccomp(2) in hex, ':', and the BPF program, each instruction
	 * as 16 hex digits (code, jt, jf, k).  NULL: none.
	 */
	char *seccomp;
};

/* Bits of mount_config.flags: MS_* of mount(2), as the application asked for them. */
struct mount_config {
	char *destination; /* absolute, no "." or ".." left; symlinks not resolved */
	char *type;        /* "proc", "tmpfs", "bind", …; unknown types were refused by the CLI */
	char *source;      /* what /proc/mounts shows */
	char *data;        /* file system options: "size=64k,mode=755", or "" */
	unsigned long flags;
	unsigned long propagation; /* MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE, |MS_REC; or 0 */
	int attach;        /* bind: index of the gofer's attach point, else -1 */
	bool is_dir;       /* bind: the attach point is a directory */
};

/* A device node to make in the container's /dev. */
struct device_config {
	char *path;
	char type; /* 'c', 'b', 'p' (fifo) */
	unsigned int major, minor;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/*
 * linux.resources.devices: who may open or make which device.  The last rule that fits decides; none: no.
 * major, minor -1: every.
 */
struct device_rule_config {
	bool allow;
	char type;           /* 'a' (every), 'c', 'b' */
	int64_t major, minor;
	uint32_t access;     /* DEVICE_READ … */
};
enum { DEVICE_READ = 1, DEVICE_WRITE = 2, DEVICE_MKNOD = 4 };

struct id_map_config {
	uint32_t container_id, host_id, size;
	bool relative; /* the CLI's only: host_id is one of the container's user namespace */
};

struct sysctl_config {
	char *name, *value;
};

/* Which namespace a container's processes live in. */
enum ns_kind { NS_PID, NS_IPC, NS_UTS, NS_NET, NS_USER, NS_CGROUP, NS_TIME, NS_KIND_COUNT };
enum ns_choice {
	NS_NEW,     /* its own */
	NS_JOIN,    /* that of container ns_join[kind] in this sandbox */
	NS_SANDBOX, /* config.json names none: the sandbox's first one */
};

/*
 * The container's network as "start" finds it: what the CLI read by rtnetlink in the container's
 * network namespace.  Addresses are text (inet_pton(3)).
 */
#define SENTRY_HOST_PORT 61000 /* programs of the host there that ask a DNS server use ports from here on */

struct net_addr_config {
	char *addr, *peer, *broadcast, *label; /* peer to label may be NULL */
	uint32_t plen, scope, flags;           /* IFA_F_* */
};

struct net_link_config {
	char *name, *mac;        /* mac: "02:42:ac:11:00:02", NULL: no link addresses */
	uint32_t ifindex, mtu, flags; /* IFF_* */
	bool loopback;
	bool vnet;               /* the packet socket has PACKET_VNET_HDR */
	bool has_fd;             /* a bound packet(7) socket comes with the message, in order */
	uint32_t *conf;          /* settings that are not as the stack's are: enum nic_conf_key, value, … */
	size_t conf_count;       /* of numbers: even */
	struct net_addr_config *addrs;
	size_t addr_count;
	int fd;                  /* -1: none */
};

struct net_hop_config {
	uint32_t ifindex, flags, weight;
	char *gateway; /* NULL: on link */
};

struct net_route_config {
	uint32_t family, plen, type, protocol, scope, tos, table, metric, ifindex, mtu, flags;
	char *dst, *gateway, *prefsrc; /* NULL: none */
	struct net_hop_config *hops;   /* if there are some: instead of ifindex and gateway */
	size_t hop_count;
};

struct net_neigh_config {
	uint32_t ifindex, state, flags;
	char *addr, *mac;
};

struct network_config {
	bool ipv6_disabled; /* disable_ipv6 on every interface, or no IPv6 at all */
	bool addrs_taken;   /* addresses were taken off on the host: that they are gone says nothing */
	/* A UDP socket that is connected to Docker's DNS server comes after those of the links. */
	bool has_resolver;
	int resolver_fd;    /* -1: none */
	/* The last: to be kept open; it tells others that a sandbox answers in this namespace. */
	bool has_guard;
	int guard_fd;       /* -1: none */
	struct net_link_config *links;
	size_t link_count;
	struct net_route_config *routes;
	size_t route_count;
	struct net_neigh_config *neighs;
	size_t neigh_count;
};

/*
 * --network=host: what the Sentry asks of the monitor over "dialer", with the socket beside it (SCM_RIGHTS): a
 * bind(2) for which it has no capability; and the answer.
 */
struct net_bind_request {
	uint32_t seq, size;
	unsigned char addr[28]; /* struct sockaddr_in or sockaddr_in6 */
};
struct net_bind_reply {
	uint32_t seq;
	int error; /* 0 or a negative errno */
};

/*
 * Else, over "dialer"'s second socket (sentry/socket/doors.h): a TCP socket that listens at this address in the container's
 * network namespace; and the answer, with it beside it (SCM_RIGHTS) if there is one.
 */
struct net_door_request {
	uint32_t seq, v6only, size;
	unsigned char addr[28];
};
struct net_door_reply {
	uint32_t seq;
	int error;
};

enum overlay_choice { OVERLAY_NONE, OVERLAY_MEMORY };

struct container_config {
	char *id;
	struct process_config *process; /* init; may be NULL: only a root and namespaces (pod sandbox) */
	char *hostname;   /* NULL: the host's */
	char *domainname; /* NULL: none */
	bool root_readonly;
	enum overlay_choice root_overlay; /* memory: writes to the root stay in the Sentry */
	unsigned long root_propagation;   /* MS_*, 0: default (slave) */
	struct mount_config *mounts;      /* in order; the root (attach point 0) is not among them */
	size_t mount_count;
	struct device_config *devices;
	size_t device_count;
	struct device_rule_config *device_rules;
	size_t device_rule_count;
	int64_t mono_offset_ns, boot_offset_ns; /* linux.timeOffsets, for a new time namespace */
	char **masked_paths, **readonly_paths; /* NULL-terminated */
	bool host_network; /* its sockets are the host's, where the Sentry is (NETWORK_HOST) */
	struct sysctl_config *sysctls;
	size_t sysctl_count;
	enum ns_choice ns[NS_KIND_COUNT];
	char *ns_join[NS_KIND_COUNT]; /* container ids */
	struct id_map_config *uid_map, *gid_map;
	size_t uid_map_count, gid_map_count;
	char *cgroups_path; /* what the container's cgroup is called: "/docker/ID" */
	uint64_t memory_limit;  /* bytes, 0: none */
	uint64_t pids_limit;    /* tasks, 0: none.  Enforced by the Sentry, not by the host */
	unsigned int cpu_count; /* at least 1 */
	uint64_t cpu_quota_us, cpu_period_us; /* what cgroup files show; quota 0: none */
	bool has_oom_score_adj;
	int oom_score_adj;
	/*
	 * Its processes start from a template of its own, which the CLI moves into the container's host
	 * cgroup: set for those that share another's Sentry.
	 */
	bool own_template;
	int gofer_fd; /* connection to the container's gofer (gofer/protocol.h) */
};

/*
 * Reads the boot message from fd, blocking.  0, or a negative errno with a line in *why (static
 * text; answer boot_failed() with it).
 */
int boot_receive(int fd, struct boot_config **out, const char **why);
/* The one reply to it: ready for "create", or why not (one sentence, no newline). */
int boot_done(int fd);
void boot_failed(int fd, int error, const char *sentence);

/* Each accepts NULL. */
void boot_config_free(struct boot_config *b);
void process_config_free(struct process_config *p);
void container_config_free(struct container_config *c);
void network_config_free(struct network_config *n);
