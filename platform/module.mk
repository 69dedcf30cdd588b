# SPDX-License-Identifier: Apache-2.0
SRCS += platform/host.c
