# SPDX-License-Identifier: Apache-2.0
SRCS += sentry/sys/dispatch.c

SRCS += sentry/control/codec.c
SRCS += sentry/control/server.c
SRCS += sentry/control/wire.c
