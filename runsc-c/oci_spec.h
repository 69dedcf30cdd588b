/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci_spec.h: config.json, read and checked.
 *
 * What the Sentry needs of it goes straight into the Sentry's own structs (sentry/control/boot.h);
 * the rest, which the CLI carries out on the host, is here.  Every member of the runtime
 * specification that is known is checked for type, range and value; an error names its path.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "runsc-c/err.h"
#include "sentry/control/boot.h"

/* linux.namespaces; the mount namespace is always new. */
struct oci_namespace {
	bool present;
	char *path; /* NULL: a new one */
};

enum oci_namespace_kind {
	OCI_NS_PID, OCI_NS_NETWORK, OCI_NS_MOUNT, OCI_NS_IPC, OCI_NS_UTS, OCI_NS_USER, OCI_NS_CGROUP,
	OCI_NS_TIME, OCI_NS_COUNT,
};

/* Numbers that were not given are OCI_UNSET. */
#define OCI_UNSET INT64_MIN
struct oci_hugepage_limit {
	char *page_size;
	uint64_t limit;
};

struct oci_resources {
	int64_t memory_limit, memory_reservation, memory_swap; /* bytes, -1: unlimited */
	int64_t memory_kernel, memory_kernel_tcp, memory_swappiness;
	bool memory_disable_oom_killer;
	int64_t cpu_shares, cpu_quota, cpu_period, cpu_rt_runtime, cpu_rt_period, cpu_burst, cpu_idle;
	char *cpuset_cpus, *cpuset_mems;
	int64_t pids_limit; /* -1, 0: unlimited */
	int64_t blkio_weight, blkio_leaf_weight;
	struct oci_hugepage_limit *hugepages;
	size_t hugepage_count;
	json_t *block_io; /* linux.resources.blockIO, checked; NULL if absent */
	json_t *unified;  /* names and values of cgroup v2 files, checked; NULL if absent */
};

struct oci_hook {
	char *path;
	char **args; /* args[0] is argv[0], not the path; NULL: {path} */
	char **env;  /* NULL: that of runsc-c */
	int timeout; /* seconds, 0: none */
};

enum oci_hook_phase {
	OCI_HOOK_PRESTART, OCI_HOOK_CREATE_RUNTIME, OCI_HOOK_CREATE_CONTAINER,
	OCI_HOOK_START_CONTAINER, OCI_HOOK_POSTSTART, OCI_HOOK_POSTSTOP, OCI_HOOK_PHASES,
};

struct oci_hooks {
	struct oci_hook *hooks;
	size_t count;
};

/* What the host does for a bind mount; the Sentry's part is in struct mount_config. */
struct oci_bind {
	bool recursive;                         /* "rbind" */
	bool id_mapped, id_mapped_recursive;    /* "idmap", "ridmap" */
	struct id_map_config *uid_map, *gid_map; /* NULL: those of the container's user namespace */
	size_t uid_map_count, gid_map_count;
};

struct oci_spec {
	char *version;
	char *bundle; /* absolute */
	char *rootfs; /* absolute, exists, a directory */
	/*
	 * The Sentry's part.  Of each bind mount, container->mounts[i].source is made absolute;
	 * attach numbers are given (1, 2, …), descriptors are not.
	 */
	struct container_config *container;
	struct oci_bind *binds; /* for each mount */
	size_t bind_count;
	struct oci_namespace namespaces[OCI_NS_COUNT];
	struct oci_resources resources;
	struct oci_hooks hooks[OCI_HOOK_PHASES];
	char *cgroups_path; /* NULL: not given */
	json_t *annotations; /* object of strings */
};

enum oci_read_flags {
	OCI_SPEC_NO_FILES = 1 << 0, /* do not look at the file system: tests, fuzzing */
};

/*
 * Read BUNDLE/config.json.  config: another file in its place, or NULL.  0 and *out, or a negative
 * errno and e.
 */
int oci_spec_load(const char *bundle, const char *config, const char *id, struct oci_spec **out,
		  struct err *e);
/* The same from a parsed document. */
int oci_spec_parse(const json_t *doc, const char *file, const char *bundle, const char *id,
		   unsigned int flags, struct oci_spec **out, struct err *e);
void oci_spec_free(struct oci_spec *s);

/* A process object (exec --process FILE); file is what errors call it. */
int oci_process_parse(const json_t *doc, const char *file, struct process_config **out,
		      struct err *e);
/* A linux.resources object (update); fields that are absent are OCI_UNSET. */
int oci_resources_parse(const json_t *doc, const char *file, struct oci_resources *out,
			struct err *e);
void oci_resources_init(struct oci_resources *r);
void oci_resources_fini(struct oci_resources *r);

/* Whether runc would accept it as a container's id; e says what is wrong. */
int oci_check_id(const char *id, struct err *e);

/* "CAP_CHOWN" or "chown" → 0; -EINVAL.  The highest known is 40. */
int oci_cap_number(const char *name);
const char *oci_cap_name(int number);
/* "RLIMIT_NOFILE" → RLIMIT_NOFILE; -EINVAL. */
int oci_rlimit_number(const char *name);
/* "15", "TERM", "SIGTERM", "SIGRTMIN+3" → 15; -EINVAL. */
int oci_signal_number(const char *name);
/* CPUs in a list such as "0-3,7"; -EINVAL. */
int oci_cpu_list_count(const char *list);
