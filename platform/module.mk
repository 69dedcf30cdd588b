# SPDX-License-Identifier: Apache-2.0
SRCS += platform/host.c
SRCS += platform/host_filter.c
SRCS += platform/jail.c

UNIT_TESTS += tests/unit/platform/test_host_filter.c
