/* SPDX-License-Identifier: Apache-2.0 */
/* util.h: the few macros and types that every folder uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define container_of(ptr, type, member)                                  \
	({                                                               \
		const typeof(((type *)0)->member) *member_ptr_ = (ptr);  \
		(type *)((uintptr_t)member_ptr_ - offsetof(type, member)); \
	})

#define ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))
/* Each argument is evaluated once; the counter keeps nested uses from shadowing one another. */
#define UTIL_CAT_(a, b)   a##b
#define UTIL_CAT(a, b)    UTIL_CAT_(a, b)
#define UTIL_CMP(a, b, x, y, op) ({ typeof(a) x = (a); typeof(b) y = (b); x op y ? x : y; })
#define UTIL_PICK(a, b, n, op) UTIL_CMP(a, b, UTIL_CAT(a_, n), UTIL_CAT(b_, n), op)
#define MIN(a, b)         UTIL_PICK(a, b, __COUNTER__, <)
#define MAX(a, b)         UTIL_PICK(a, b, __COUNTER__, >)
#define SWAP(a, b)        do { typeof(a) swap_ = (a); (a) = (b); (b) = swap_; } while (0)
#define ALIGN_DOWN(x, a)  ((x) & ~((typeof(x))(a) - 1))
#define ALIGN_UP(x, a)    ALIGN_DOWN((x) + ((typeof(x))(a) - 1), a)
#undef PAGE_SIZE /* <sys/user.h> has the same */
#define PAGE_SIZE         4096UL
#define NSEC_PER_SEC      1000000000LL
#define NSEC_PER_MSEC     1000000LL
#define NSEC_PER_USEC     1000LL

#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)
#define fall_through      __attribute__((fallthrough))
#define must_check        __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

/* An address in the application's memory.  A struct, so that it can't be dereferenced by mistake. */
typedef struct {
	uint64_t addr;
} uaddr_t;

#define UADDR_NULL ((uaddr_t){ 0 })

static inline uaddr_t uaddr(uint64_t addr)
{
	return (uaddr_t){ addr };
}

static inline uaddr_t uaddr_add(uaddr_t a, uint64_t size)
{
	return (uaddr_t){ a.addr + size };
}

/*
 * What our own code promises, checked in every build: prints the place and aborts.  Never for
 * input (guest memory, packets, gofer replies, spec files): that gets an error.
 */
#define ASSERT(cond) (likely(cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void assert_failed(const char *cond, const char *file, int line);
