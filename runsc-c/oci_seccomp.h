/* SPDX-License-Identifier: Apache-2.0 */
/* oci_seccomp.h: linux.seccomp as a BPF program; see oci_seccomp.c. */
#pragma once

#include "runsc-c/jsonw.h"

/*
 * o: linux.seccomp; the walker stands in it.  Text for process_config.seccomp (mem_free), or NULL with
 * w->e set.
 */
char *oci_seccomp_compile(struct jsonw *w, const json_t *o);
