# SPDX-License-Identifier: Apache-2.0
SRCS += sentry/sys/dispatch.c
