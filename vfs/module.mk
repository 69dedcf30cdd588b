# SPDX-License-Identifier: Apache-2.0

SRCS += vfs/poll.c
SRCS += vfs/pipe.c
SRCS += vfs/splice.c
SRCS += vfs/epoll.c
SRCS += vfs/eventfd.c
SRCS += vfs/timerfd.c
