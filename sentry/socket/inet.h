/* SPDX-License-Identifier: Apache-2.0 */
/* inet.h: the AF_INET and AF_INET6 families (ip(7), ipv6(7)), as the socket layer sees them. */
#pragma once

/* Registers both families.  The stack itself starts with the first socket. */
void inet_init(void);
