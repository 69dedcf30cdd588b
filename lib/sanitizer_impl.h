/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sanitizer_impl.h: tells ASan, LSan and TSan about stacks that change.  Empty without them.
 *
 * ASan wants to know the stack that is left for which, before and after each switch; TSan has an
 * object a fiber and one a worker; LSan must be told to look for pointers on fiber stacks.
 */
#pragma once

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define LIB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LIB_ASAN 1
#endif
#endif
#ifndef LIB_ASAN
#define LIB_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define LIB_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LIB_TSAN 1
#endif
#endif
#ifndef LIB_TSAN
#define LIB_TSAN 0
#endif

/* One stack, a fiber's or a worker's. */
struct san_stack {
#if LIB_ASAN
	const void *bottom;
	size_t size;
	void *fake;
#endif
#if LIB_TSAN
	void *tsan;
#endif
	char none; /* C has no empty structs */
};

#if LIB_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if LIB_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* A fiber's stack is about to be used first, and will not be used again. */
static inline void san_fiber_init(struct san_stack *s, void *bottom, size_t size)
{
	(void)s, (void)bottom, (void)size;
#if LIB_ASAN
	s->bottom = bottom;
	s->size = size;
	s->fake = NULL;
	__asan_unpoison_memory_region(bottom, size); /* what its last user left */
	__lsan_register_root_region(bottom, size);
#endif
#if LIB_TSAN
	s->tsan = __tsan_create_fiber(0);
#endif
}

static inline void san_fiber_fini(struct san_stack *s)
{
	(void)s;
#if LIB_ASAN
	__lsan_unregister_root_region(s->bottom, s->size);
	__asan_unpoison_memory_region(s->bottom, s->size);
#endif
#if LIB_TSAN
	__tsan_destroy_fiber(s->tsan);
#endif
}

/* On the worker's thread; its bounds are learnt at the first switch away from it. */
static inline void san_worker_init(struct san_stack *s)
{
	(void)s;
#if LIB_TSAN
	s->tsan = __tsan_get_current_fiber();
#endif
}

/* Right before switching from one stack to the other; last: from is never entered again. */
static inline void san_leave(struct san_stack *from, struct san_stack *to, int last)
{
	(void)from, (void)to, (void)last;
#if LIB_ASAN
	__sanitizer_start_switch_fiber(last ? NULL : &from->fake, to->bottom, to->size);
#endif
#if LIB_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* Right after arriving on self, having left from. */
static inline void san_arrive(struct san_stack *self, struct san_stack *from)
{
	(void)self, (void)from;
#if LIB_ASAN
	__sanitizer_finish_switch_fiber(self->fake, from ? &from->bottom : NULL,
					from ? &from->size : NULL);
#endif
}
