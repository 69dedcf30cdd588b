/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_network_options.h: what platform/host_network.tbl and platform/host_network_options.tbl need to be included:
 * names of socket options, some newer than the C library's headers.
 */
#pragma once

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <stddef.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPV6_ADDR_PREFERENCES
#define IPV6_ADDR_PREFERENCES 72
#endif
#ifndef IPV6_UNICAST_IF
#define IPV6_UNICAST_IF 76
#endif
#ifndef UDP_NO_CHECK6_TX
#define UDP_NO_CHECK6_TX 101
#define UDP_NO_CHECK6_RX 102
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO     104
#endif

/* The third member of a row: may be set, may be read. */
enum host_option_access { HOST_OPTION_SET = 1, HOST_OPTION_GET = 2 };

struct host_option {
	int level, name;
	unsigned int access; /* enum host_option_access */
};

/* The options that the Sentry's filter lets through with --network=host, and that the sandbox may therefore use. */
extern const struct host_option host_options[];
extern const size_t host_option_count;
