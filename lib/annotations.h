/* SPDX-License-Identifier: Apache-2.0 */
/* annotations.h: Clang's thread-safety attributes (make lint); nothing under GCC. */
#pragma once

#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif

#define CAPABILITY(name)       TSA(capability(name))
#define REQUIRES(...)          TSA(requires_capability(__VA_ARGS__))
#define ACQUIRES(...)          TSA(acquire_capability(__VA_ARGS__))
#define ACQUIRES_SHARED(...)   TSA(acquire_shared_capability(__VA_ARGS__))
#define RELEASES(...)          TSA(release_capability(__VA_ARGS__))
#define RELEASES_SHARED(...)   TSA(release_shared_capability(__VA_ARGS__))
#define TRY_ACQUIRES(ret, ...) TSA(try_acquire_capability(ret, __VA_ARGS__))
#define ASSERT_HELD(...)       TSA(assert_capability(__VA_ARGS__))
#define NO_TSA                 TSA(no_thread_safety_analysis)
