/* SPDX-License-Identifier: Apache-2.0 */
/* sentry.h: the Sentry process: `runsc-c sentry`, started by the CLI in its namespaces. */
#pragma once

/* Boot message and descriptors: sentry/control/boot.h.  Returns the exit status of the process. */
int sentry_main(int argc, char **argv);
