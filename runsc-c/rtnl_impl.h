/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnl_impl.h: requests and answers of rtnetlink(7), for what asks it (rtnl.c, nat.c).
 */
#pragma once

#include <stddef.h>

#include "runsc-c/rtnl.h"

struct rtnl_request {
	struct nlmsghdr h;
	char body[512];
};

/* A request whose header after nlmsghdr is body. */
void rtnl_request_init(struct rtnl_request *q, uint16_t type, uint16_t flags, const void *body, size_t size);
/* One more attribute; the caller keeps to the room there is. */
struct rtattr *rtnl_request_add(struct rtnl_request *q, uint16_t type, const void *data, size_t size);
/* Everything added since `open` becomes its payload. */
void rtnl_request_close(struct rtnl_request *q, struct rtattr *open);

/*
 * Send, and hand each answer to fn until the end (NLMSG_DONE) or the acknowledgement.  The kernel's
 * error, or one of fn's.
 */
int rtnl_call(struct rtnl *r, struct rtnl_request *q, int (*fn)(struct rtnl *r, struct nlmsghdr *h));

/* The attributes after a header of size bytes, by type; those above max are left out. */
const void *rtnl_parse(struct nlmsghdr *h, size_t size, struct rtattr **tb, unsigned int max);
/* 0 without the attribute. */
uint32_t rtnl_u32(struct rtattr *a);
