/* SPDX-License-Identifier: Apache-2.0 */
/* resolv_conf.h: a resolv.conf(5) for a sandbox that reaches the network by the host (`do --net=nat`). */
#pragma once

#include <stddef.h>

/*
 * The host's, without name servers at loopback addresses, which a sandbox does not reach; where no other is left, what such a
 * local server says it asks itself.  files are looked at in turn; the text in out, cut at a line if it is longer than size.  How
 * many name servers it has.
 */
size_t resolv_conf_outside(const char *const *files, size_t count, char *out, size_t size);
/* The files that resolv_conf_outside() shall look at. */
extern const char *const resolv_conf_files[3];
