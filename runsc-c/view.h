/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h: the monitor's mount namespace: what a client finds behind /proc/PID/ns/mnt and
 * /proc/PID/root of the container's pid (podman cp, nsenter, agents that look into volumes).
 *
 * It is the container's root with its bind mounts, on the host, and nothing else of the host: what the
 * Sentry keeps to itself (tmpfs, sys, dev) is empty there; /proc is that of the monitor's pid namespace, where the container has
 * one.  Nothing of ours looks into it.
 */
#pragma once

#include "runsc-c/oci_spec.h"

/*
 * Put the calling process into it, for good; at is a directory to build it on (of the host, any).
 * Without the privilege, or on a host that can't, the process stays where it is and the log says so.
 */
void view_enter(const struct oci_spec *spec, const char *at);
