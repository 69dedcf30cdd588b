/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door.h: the monitor's part of sentry/socket/doors.h: sockets that listen in the container's network namespace where
 * programs inside do, so that programs of the host in that namespace reach them.
 *
 * The Sentry asks, by an address; it may ask for any of this namespace, which is the container's.
 */
#pragma once

#define DOOR_TYPE (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

/* Answer one request on fd.  -EPIPE: there will be none any more. */
int door_serve(int fd);
