# SPDX-License-Identifier: Apache-2.0

SRCS += runsc-c/err.c
SRCS += runsc-c/flags.c
SRCS += runsc-c/jsonw.c
SRCS += runsc-c/oci_mounts.c
SRCS += runsc-c/oci_names.c
SRCS += runsc-c/oci_process.c
SRCS += runsc-c/oci_resources.c
SRCS += runsc-c/oci_spec.c
SRCS += runsc-c/cgroup.c
SRCS += runsc-c/cgroup_limits.c
SRCS += runsc-c/cgroup_stats.c
SRCS += runsc-c/state.c
