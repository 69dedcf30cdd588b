/* SPDX-License-Identifier: Apache-2.0 */
/* sched_setattr(2), sched_getattr(2), SCHED_RESET_ON_FORK, ioprio_set(2). */
#include "t.h"

#include <sched.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
	uint32_t more;
};

static int child(void)
{
	return sched_getscheduler(0);
}

static void attributes(void)
{
	struct attr a = { .size = 48, .policy = SCHED_BATCH, .nice = 3 };

	EQUAL(syscall(SYS_sched_setattr, 0, &a, 0), 0);
	memset(&a, 0xff, sizeof(a));
	EQUAL(syscall(SYS_sched_getattr, 0, &a, 48, 0), 0);
	EQUAL(a.size, 48);
	EQUAL(a.policy, SCHED_BATCH);
	EQUAL(a.nice, 3);
	EQUAL(a.priority, 0);
	EQUAL(getpriority(PRIO_PROCESS, 0), 3);
	FAILS(EINVAL, syscall(SYS_sched_getattr, 0, &a, 47, 0));
	FAILS(EINVAL, syscall(SYS_sched_getattr, 0, &a, 5000, 0));
	FAILS(EINVAL, syscall(SYS_sched_getattr, 0, &a, 48, 1));
	FAILS(ESRCH, syscall(SYS_sched_getattr, 4000000, &a, 48, 0));
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, NULL, 0));
	a.size = 48;
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, &a, 1));
	FAILS(ESRCH, syscall(SYS_sched_setattr, 4000000, &a, 0));
	a.policy = 17;
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, &a, 0));
	a.policy = SCHED_BATCH;
	a.priority = 1;
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, &a, 0));
	a.priority = 0;
	a.size = 4097;
	FAILS(E2BIG, syscall(SYS_sched_setattr, 0, &a, 0));
	CHECK(a.size >= 56); /* what is known */
	a.size = 47;
	FAILS(E2BIG, syscall(SYS_sched_setattr, 0, &a, 0));
	a = (struct attr){ .size = sizeof(a), .policy = SCHED_OTHER, .nice = 3, .more = 1 };
	FAILS(E2BIG, syscall(SYS_sched_setattr, 0, &a, 0));
	a.more = 0;
	EQUAL(syscall(SYS_sched_setattr, 0, &a, 0), 0);
	a.size = 48;
	a.policy = 6; /* SCHED_DEADLINE */
	a.runtime = 10;
	FAILS(EINVAL, syscall(SYS_sched_setattr, 0, &a, 0));
}

static void reset_on_fork(void)
{
	struct sched_param p = { 0 };

	EQUAL(sched_setscheduler(0, SCHED_BATCH | 0x40000000, &p), 0);
	EQUAL(sched_getscheduler(0), SCHED_BATCH | 0x40000000);
	EQUAL(t_wait(t_fork(child)), SCHED_BATCH);
	FAILS(EINVAL, sched_setscheduler(-1, SCHED_OTHER, &p));
	FAILS(EINVAL, sched_setscheduler(0, 99, &p));
}

static void io_priority(void)
{
	EQUAL(syscall(SYS_ioprio_get, 1, 0) >> 13 & ~2, 0); /* none, or best effort by nice */
	EQUAL(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 5), 0);
	EQUAL(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 5);
	EQUAL(syscall(SYS_ioprio_set, 1, 0, 3 << 13), 0);
	EQUAL(syscall(SYS_ioprio_get, 1, getpid()), 3 << 13);
	FAILS(EINVAL, syscall(SYS_ioprio_set, 1, 0, 4 << 13));
	FAILS(EINVAL, syscall(SYS_ioprio_set, 1, 0, 4));
	FAILS(EINVAL, syscall(SYS_ioprio_set, 9, 0, 2 << 13));
	FAILS(ESRCH, syscall(SYS_ioprio_set, 1, 4000000, 2 << 13));
}

T_MAIN
{
	attributes();
	reset_on_fork();
	io_priority();
}
