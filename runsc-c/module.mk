# SPDX-License-Identifier: Apache-2.0

MAIN_SRCS += runsc-c/main.c

# What `--version` says: the commit of a git tree ("-dirty": with changes), else what COMMIT says.
GEN_HDRS += $(GEN)/commit.h
COMMIT ?= $(shell git rev-parse --short=12 HEAD 2> /dev/null && { git diff --quiet HEAD 2> /dev/null || echo -dirty; })
.PHONY: commit
$(GEN)/commit.h: commit
	@mkdir -p $(GEN)
	@echo '#define RUNSC_COMMIT "$(or $(subst $() ,,$(COMMIT)),unknown)"' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

SRCS += runsc-c/attach.c
SRCS += runsc-c/cgroup.c
SRCS += runsc-c/cgroup_limits.c
SRCS += runsc-c/cgroup_stats.c
SRCS += runsc-c/cmd_create.c
SRCS += runsc-c/cmd_debug.c
SRCS += runsc-c/cmd_delete.c
SRCS += runsc-c/cmd_do.c
SRCS += runsc-c/cmd_events.c
SRCS += runsc-c/cmd_exec.c
SRCS += runsc-c/cmd_features.c
SRCS += runsc-c/cmd_install.c
SRCS += runsc-c/cmd_internal.c
SRCS += runsc-c/cmd_kill.c
SRCS += runsc-c/cmd_list.c
SRCS += runsc-c/cmd_pause.c
SRCS += runsc-c/cmd_ps.c
SRCS += runsc-c/cmd_run.c
SRCS += runsc-c/cmd_spec.c
SRCS += runsc-c/cmd_start.c
SRCS += runsc-c/cmd_state.c
SRCS += runsc-c/cmd_update.c
SRCS += runsc-c/console.c
SRCS += runsc-c/control_client.c
SRCS += runsc-c/create.c
SRCS += runsc-c/default_spec.c
SRCS += runsc-c/door.c
SRCS += runsc-c/err.c
SRCS += runsc-c/flags.c
SRCS += runsc-c/hooks.c
SRCS += runsc-c/jsonw.c
SRCS += runsc-c/launch.c
SRCS += runsc-c/monitor.c
SRCS += runsc-c/nat.c
SRCS += runsc-c/net_watch.c
SRCS += runsc-c/network.c
SRCS += runsc-c/notify.c
SRCS += runsc-c/oci_devices.c
SRCS += runsc-c/oci_mounts.c
SRCS += runsc-c/oci_names.c
SRCS += runsc-c/oci_process.c
SRCS += runsc-c/oci_resources.c
SRCS += runsc-c/oci_sched.c
SRCS += runsc-c/oci_seccomp.c
SRCS += runsc-c/oci_spec.c
SRCS += runsc-c/oci_sysctl.c
SRCS += runsc-c/pod.c
SRCS += runsc-c/resolv_conf.c
SRCS += runsc-c/rtnl.c
SRCS += runsc-c/spawn.c
SRCS += runsc-c/state.c
SRCS += runsc-c/stubs.c
SRCS += runsc-c/systemd.c
SRCS += runsc-c/user_net.c
SRCS += runsc-c/view.c

# Until sentry/main.c is there.
ifeq ($(filter sentry/main.c,$(SRCS)),)
SRCS += runsc-c/no_sentry.c
endif

UNIT_TESTS += tests/unit/runsc-c/test_flags.c
UNIT_TESTS += tests/unit/runsc-c/test_nat.c
UNIT_TESTS += tests/unit/runsc-c/test_resolv_conf.c
UNIT_TESTS += tests/unit/runsc-c/test_oci_spec.c
UNIT_TESTS += tests/unit/runsc-c/test_state.c
FUZZ_TESTS += tests/fuzz/fuzz_config.c
