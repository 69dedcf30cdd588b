# SPDX-License-Identifier: Apache-2.0

SRCS += lib/bitmap.c
SRCS += lib/buf.c
SRCS += lib/clock.c
SRCS += lib/fiber.c
SRCS += lib/hash.c
SRCS += lib/host.c
SRCS += lib/latch.c
SRCS += lib/log.c
SRCS += lib/mem.c
SRCS += lib/mutex.c
SRCS += lib/timer.c
SRCS += lib/tree.c
SRCS += lib/uio.c
SRCS += lib/util.c
SRCS += lib/worker.c
SRCS += lib/worker_self.c
SRCS += lib/wq.c
SRCS += lib/x86_64/fiber_switch.S

UNIT_TESTS += tests/unit/lib/test_fiber.c
