/* SPDX-License-Identifier: Apache-2.0 */
/* util.c: where a broken promise ends. */
#include "lib/util.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/log.h"

#define FRAMES_MAX 16
#define FRAME_SPAN 65536 /* frames further apart than this are no frames */

extern const char __ehdr_start[] __attribute__((visibility("hidden"))); /* where the linker put our image */

/*
 * The callers, by frame pointers, as offsets for `addr2line -fe runsc-c`.  Nothing that allocates or
 * asks the host: this runs in a jail, on a fiber's small stack, after something has gone wrong.
 */
static void callers(char *text, size_t size)
{
	uintptr_t *frame = __builtin_frame_address(0);
	size_t at = 0;

	for (int i = 0; i < FRAMES_MAX && at < size; i++) {
		uintptr_t *next = (uintptr_t *)frame[0]; // NOLINT(performance-no-int-to-ptr)

		if (frame[1] != 0)
			at += (size_t)snprintf(text + at, size - at, " +%#zx",
					       (size_t)(frame[1] - (uintptr_t)__ehdr_start));
		if (next <= frame || (size_t)(next - frame) > FRAME_SPAN / sizeof(*frame) ||
		    ((uintptr_t)next & 7) != 0)
			return;
		frame = next;
	}
}

void assert_failed(const char *cond, const char *file, int line)
{
	char text[FRAMES_MAX * 16] = "";

	callers(text, sizeof(text));
	log_write(LOG_ERROR, "%s:%d: assertion failed: %s; callers:%s", file, line, cond, text);
	__builtin_trap(); /* abort() makes host calls that a jail need not allow */
}
