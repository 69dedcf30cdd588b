/* SPDX-License-Identifier: Apache-2.0 */
/* host_network_options.c: platform/host_network_options.tbl as an array. */
#include "platform/host_network_options.h"

#include "lib/util.h"

#define S HOST_OPTION_SET
#define G HOST_OPTION_GET
const struct host_option host_options[] = {
#define HOST_OPTION(level, name, access) { level, name, access },
#include "platform/host_network_options.tbl"
#undef HOST_OPTION
};
#undef S
#undef G

const size_t host_option_count = ARRAY_SIZE(host_options);
