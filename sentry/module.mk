# SPDX-License-Identifier: Apache-2.0
SRCS += sentry/sys/dispatch.c
SRCS += sentry/trace/show.c
SRCS += sentry/trace/trace.c

SRCS += sentry/control/codec.c
SRCS += sentry/control/server.c
SRCS += sentry/control/wire.c

UNIT_TESTS += tests/unit/sentry/test_dispatch.c
UNIT_TESTS += tests/unit/sentry/test_trace.c
