/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.h: the "proc" file system (proc(5)): what others register in it.
 *
 * Registration is for start-up, after procfs_init() and before the first mount; what is registered
 * later is seen too, but may only add names, not replace them.  Paths have no leading slash.
 */
#pragma once

#include "sentry/proc/pfs.h"

struct container;
struct net_ns;
struct session;
struct stack;
struct ns_set;
struct task;
struct user_ns;

/* Register the file system and its own files.  0 or -ENOMEM. */
int procfs_init(void) must_check;

/* A file (or directory) of /proc itself: "sysvipc/shm", "locks".  Replaces ours of that name. */
int proc_add(const char *path, const struct pfs_entry *e) must_check;
/*
 * A file of /proc/PID/net: "tcp", "stat/arp_cache".  show finds the network namespace with
 * proc_ns_get(r)->net: that of the process whose directory it is.
 */
int proc_net_add(const char *path, const struct pfs_entry *e) must_check;

/*
 * How to ask a session's controlling terminal: its device number as /proc/PID/stat shows it, and
 * the foreground group's pid (borrowed, may be NULL).  Called with tasklist.lock held.
 */
typedef void proc_tty_fn(struct session *s, uint32_t *dev, struct pid **foreground);
void proc_tty_register(proc_tty_fn *fn);

/* The process whose /proc/PID is open as f, with a reference; NULL: f is something else. */
struct pid *proc_file_pid(const struct file *f);

/* ---- whose view ------------------------------------------------------------------------------- */

/*
 * The namespaces that r is about: its target's, else the reader's, else those of the container that
 * is being set up.  Counted (ns_set_put), or NULL (the task has ended).
 */
struct ns_set *proc_ns_get(const struct pfs_req *r);
/* Of the container that r's reader is in; NULL: none (tests). */
const struct container *proc_container(const struct pfs_req *r);
/* Of the instance: numbers in its files are as this one sees them. */
struct pid_ns *proc_pid_ns(const struct pfs_req *r);
/* The reader's view of a kernel id: 65534 when not mapped. */
uint32_t proc_uid(const struct pfs_req *r, uint32_t uid);
uint32_t proc_gid(const struct pfs_req *r, uint32_t gid);

/* ---- /proc/sys -------------------------------------------------------------------------------- */

enum sysctl_type {
	SYSCTL_INT,    /* value: atomic_int */
	SYSCTL_LONG,   /* value: atomic_long */
	SYSCTL_STRING, /* get and set only */
};

/*
 * One variable.  Its text is get()'s where there is one, else *value.  Numbers that are written are
 * checked against min and max (-EINVAL); both 0: no bounds.  count > 1: value is an array, shown on
 * one line.
 */
struct sysctl {
	const char *path;   /* "kernel/hostname" */
	uint32_t mode;      /* 0644, 0444 … */
	enum sysctl_type type;
	unsigned int count; /* 0 means 1 */
	void *value;
	long min, max;
	/* Instead of *value; e.g. for what belongs to a namespace (proc_ns_get()). */
	int (*get)(const struct pfs_req *r, const struct sysctl *s, struct buf *b);
	int (*set)(const struct pfs_req *r, const struct sysctl *s, char *text, size_t size);
};

/* Rows up to one whose path is NULL; they must live on.  Replaces rows of the same path. */
int proc_sysctl_add(const struct sysctl *rows) must_check;
/* How to find the stack of a network namespace (borrowed from it), for /proc/sys/net. */
void proc_net_stack_register(struct stack *(*stack_of)(struct net_ns *ns));
/*
 * Set a variable of an interface by its name: "net.ipv4.conf.eth0.rp_filter"; a dot in the interface's is a slash.  On a
 * fiber.  -ENOENT: no such variable; -ENODEV: ns has no such interface; -EINVAL.
 */
int proc_sysctl_set_nic(struct net_ns *ns, const char *name, const char *value) must_check;
/* For get and set of rows that keep numbers elsewhere: the same text rules, on values[count]. */
void sysctl_show_longs(struct buf *b, const long *values, unsigned int count);
/* Up to count numbers; how many there were, or -EINVAL (also when out of bounds). */
int sysctl_parse_longs(char *text, long *values, unsigned int count, long min, long max);

/* ---- /proc/PID/ns ----------------------------------------------------------------------------- */

enum ns_type { NS_TYPE_MNT, NS_TYPE_UTS, NS_TYPE_PID, NS_TYPE_PID_CHILDREN, NS_TYPE_USER, NS_TYPE_IPC,
	       NS_TYPE_NET, NS_TYPE_CGROUP, NS_TYPE_TIME, NS_TYPE_TIME_CHILDREN, NS_TYPE_COUNT };

/* How nsfs deals with one kind of namespace. */
struct ns_type_ops {
	const char *name;  /* in /proc/PID/ns: "pid_for_children" */
	const char *text;  /* in the link: "pid" for "pid:[4026531836]" */
	int clone_flag;    /* CLONE_NEWPID …: NS_GET_NSTYPE */
	/* t's namespace of this kind, counted; NULL: none (ended, or not supported). */
	void *(*of_task)(struct task *t);
	void *(*get)(void *ns);
	void (*put)(void *ns);
	uint64_t (*id)(const void *ns);
	struct user_ns *(*owner)(const void *ns); /* borrowed; the parent for user namespaces */
	void *(*parent)(const void *ns);          /* borrowed; empty: NS_GET_PARENT is EINVAL */
};
/* For kinds whose owners live elsewhere (ipc, net, …).  ops must live on. */
void proc_ns_register(enum ns_type type, const struct ns_type_ops *ops);
/* The namespace an open file (of /proc/PID/ns, or a bind mount of one) stands for: borrowed while f
 * is held, *type filled; NULL: f is no such file.  For setns(2). */
void *nsfs_file_ns(const struct file *f, enum ns_type *type);
/* Of the kinds whose first namespace is NULL: what nsfs_file_ns() gave, as a pointer of theirs. */
struct cgroup_ns *nsfs_cgroup_ns(void *ns);
struct time_ns *nsfs_time_ns(void *ns);
