/* SPDX-License-Identifier: Apache-2.0 */
/* default_spec.h: the config.json that `spec` writes and `do` starts from. */
#pragma once

#include <jansson.h>

/* A new document, NULL without memory. */
json_t *default_spec(void);
