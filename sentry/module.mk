# SPDX-License-Identifier: Apache-2.0
SRCS += sentry/sys/dispatch.c
SRCS += sentry/trace/show.c
SRCS += sentry/trace/task_trace.c
SRCS += sentry/trace/trace.c

SRCS += sentry/control/codec.c
SRCS += sentry/control/server.c
SRCS += sentry/control/wire.c

UNIT_TESTS += tests/unit/sentry/test_dispatch.c
UNIT_TESTS += tests/unit/sentry/test_trace.c
SRCS += sentry/sys/epoll.c
SRCS += sentry/sys/eventfd.c
SRCS += sentry/sys/pipe.c
SRCS += sentry/sys/poll.c
SRCS += sentry/sys/timerfd.c
SRCS += sentry/time/timespec.c
