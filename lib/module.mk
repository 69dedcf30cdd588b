# SPDX-License-Identifier: Apache-2.0

SRCS += lib/bitmap.c
SRCS += lib/buf.c
SRCS += lib/clock.c
SRCS += lib/hash.c
SRCS += lib/host.c
SRCS += lib/latch.c
SRCS += lib/log.c
SRCS += lib/mem.c
SRCS += lib/tree.c
SRCS += lib/uio.c
SRCS += lib/util.c
