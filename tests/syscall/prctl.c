/* SPDX-License-Identifier: Apache-2.0 */
/* prctl.c: prctl(2): what is set is reported, inherited as it should be, and refused as Linux does. */
#include "t.h"

#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include <sys/auxv.h>

/* The call itself: glibc's prctl() would do. */
static long p(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return syscall(SYS_prctl, option, a, b, c, d);
}

static void names(void)
{
	char name[17] = "";

	EQUAL(p(PR_SET_NAME, (unsigned long)"a-name-that-is-too-long", 0, 0, 0), 0);
	EQUAL(p(PR_GET_NAME, (unsigned long)name, 0, 0, 0), 0);
	CHECK(!strcmp(name, "a-name-that-is-"));
	FAILS(EFAULT, p(PR_SET_NAME, (unsigned long)BAD_PTR, 0, 0, 0));
	FAILS(EFAULT, p(PR_GET_NAME, (unsigned long)BAD_PTR, 0, 0, 0));
}

static int orphan_death(void)
{
	int fds[2], v = 0;
	char c = 0;
	pid_t child;

	EQUAL(p(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0), 0);
	EQUAL(p(PR_GET_PDEATHSIG, (unsigned long)&v, 0, 0, 0), 0);
	EQUAL(v, SIGUSR1);
	FAILS(EINVAL, p(PR_SET_PDEATHSIG, 65, 0, 0, 0));
	EQUAL(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		pid_t grandchild = fork();

		if (grandchild == 0) {
			sigset_t set;
			int sig = 0;

			v = 99;
			p(PR_GET_PDEATHSIG, (unsigned long)&v, 0, 0, 0); /* not inherited */
			sigemptyset(&set);
			sigaddset(&set, SIGUSR1);
			sigprocmask(SIG_BLOCK, &set, NULL);
			p(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
			(void)!write(fds[1], v == 0 ? "r" : "x", 1);
			sigwait(&set, &sig);
			(void)!write(fds[1], sig == SIGUSR1 ? "s" : "x", 1);
			_exit(0);
		}
		(void)!read(fds[0], &c, 1);
		_exit(c == 'r' ? 0 : 1);
	}
	EQUAL(t_wait(child), 0);
	EQUAL(read(fds[0], &c, 1), 1);
	EQUAL(c, 's');
	return 0;
}

/* A subreaper gets orphans as children. */
static void subreaper(void)
{
	int v = -1, fds[2], status;
	pid_t child, orphan, parent;

	EQUAL(p(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	EQUAL(p(PR_GET_CHILD_SUBREAPER, (unsigned long)&v, 0, 0, 0), 0);
	EQUAL(v, 1);
	EQUAL(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		p(PR_GET_CHILD_SUBREAPER, (unsigned long)&v, 0, 0, 0);
		parent = getpid();
		orphan = fork();
		if (orphan == 0) {
			while (getppid() == parent)
				t_sleep_ms(1);
			t_sleep_ms(20);
			_exit(v == 0 ? 9 : 8); /* not inherited */
		}
		(void)!write(fds[1], &orphan, sizeof(orphan));
		_exit(0);
	}
	EQUAL(t_wait(child), 0);
	EQUAL(read(fds[0], &orphan, sizeof(orphan)), sizeof(orphan));
	EQUAL(waitpid(orphan, &status, 0), orphan);
	EQUAL(status, 9 << 8);
	EQUAL(p(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
}

static void small_ones(void)
{
	unsigned long tid_address = 1;
	char auxv[1024];
	int v;

	EQUAL(p(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
	EQUAL(p(PR_SET_DUMPABLE, 0, 0, 0, 0), 0);
	EQUAL(p(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	FAILS(EINVAL, p(PR_SET_DUMPABLE, 2, 0, 0, 0));
	EQUAL(p(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	EQUAL(p(PR_GET_TIMERSLACK, 0, 0, 0, 0), 50000);
	EQUAL(p(PR_SET_TIMERSLACK, 123, 0, 0, 0), 0);
	EQUAL(p(PR_GET_TIMERSLACK, 0, 0, 0, 0), 123);
	EQUAL(p(PR_SET_TIMERSLACK, 0, 0, 0, 0), 0);
	EQUAL(p(PR_GET_TIMERSLACK, 0, 0, 0, 0), 50000);
	EQUAL(p(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	EQUAL(p(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
	FAILS(EINVAL, p(PR_SET_THP_DISABLE, 1, 1 << 20, 0, 1));
	EQUAL(p(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);
	EQUAL(p(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_DEFAULT);
	EQUAL(p(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0), 0);
	EQUAL(p(PR_MCE_KILL_GET, 0, 0, 0, 0), PR_MCE_KILL_EARLY);
	FAILS(EINVAL, p(PR_MCE_KILL, PR_MCE_KILL_SET, 77, 0, 0));
	EQUAL(p(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0), 0);
	EQUAL(p(PR_GET_TSC, (unsigned long)&v, 0, 0, 0), 0);
	EQUAL(v, PR_TSC_ENABLE);
	FAILS(EINVAL, p(PR_SET_TSC, 9, 0, 0, 0));
	EQUAL(p(PR_GET_TIMING, 0, 0, 0, 0), PR_TIMING_STATISTICAL);
	FAILS(EINVAL, p(PR_SET_TIMING, PR_TIMING_TIMESTAMP, 0, 0, 0));
	CHECK(p(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0) >= 0);
	FAILS(ENODEV, p(PR_GET_SPECULATION_CTRL, 99, 0, 0, 0));
	FAILS(EINVAL, p(PR_GET_SPECULATION_CTRL, 0, 1, 0, 0));
	EQUAL(p(PR_GET_TID_ADDRESS, (unsigned long)&tid_address, 0, 0, 0), 0);
	CHECK(tid_address > 4096);
	if (p(0x41555856, (unsigned long)auxv, sizeof(auxv), 0, 0) > 0) { /* PR_GET_AUXV, Linux 6.4 */
		unsigned long *at = (unsigned long *)(void *)auxv;

		while (at[0] && at[0] != AT_PAGESZ)
			at += 2;
		EQUAL(at[1], 4096);
	}
	FAILS(EINVAL, p(0x7777, 0, 0, 0, 0));
	FAILS(EINVAL, p(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	EQUAL(p(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	EQUAL(p(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	FAILS(EINVAL, p(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	EQUAL(p(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}

static void mm(void)
{
	unsigned int size = 0;

	EQUAL(p(PR_SET_MM, PR_SET_MM_MAP_SIZE, (unsigned long)&size, 0, 0), 0);
	EQUAL(size, sizeof(struct prctl_mm_map));
	FAILS(EINVAL, p(PR_SET_MM, PR_SET_MM_ARG_START, 4096, 1, 0));
	if (p(PR_SET_MM, PR_SET_MM_ARG_START, 4096, 0, 0) == -1 && errno == EPERM)
		return;
	FAILS(EINVAL, p(PR_SET_MM, PR_SET_MM_ARG_START, 1, 0, 0));
	FAILS(EINVAL, p(PR_SET_MM, 99, 4096, 0, 0));
	FAILS(EBADF, p(PR_SET_MM, PR_SET_MM_EXE_FILE, 999, 0, 0));
}

static int caps_part(void)
{
	t_failures = 0;
	if (geteuid() != 0 || p(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0) != 1 ||
	    p(PR_CAPBSET_READ, CAP_SETUID, 0, 0, 0) != 1)
		return 0;
	EQUAL(p(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
	EQUAL(p(PR_GET_KEEPCAPS, 0, 0, 0, 0), 1);
	FAILS(EINVAL, p(PR_SET_KEEPCAPS, 2, 0, 0, 0));
	EQUAL(p(PR_GET_SECUREBITS, 0, 0, 0, 0), SECBIT_KEEP_CAPS);
	EQUAL(p(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0), 0);
	FAILS(EPERM, p(PR_SET_SECUREBITS, 0, 0, 0, 0));
	EQUAL(p(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0), 0);
	EQUAL(p(PR_CAPBSET_READ, CAP_KILL, 0, 0, 0), 0);
	FAILS(EINVAL, p(PR_CAPBSET_READ, 64, 0, 0, 0));
	FAILS(EINVAL, p(PR_CAPBSET_DROP, 64, 0, 0, 0));
	FAILS(EINVAL, p(PR_CAP_AMBIENT, 99, 0, 0, 0));
	EQUAL(p(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
	FAILS(EPERM, p(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0)); /* not inheritable */
	EQUAL(p(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), 0);
	return t_failures ? 1 : 0;
}

T_MAIN
{
	names();
	EQUAL(t_wait(t_fork(orphan_death)), 0);
	subreaper();
	mm();
	EQUAL(t_wait(t_fork(caps_part)), 0);
	small_ones();
}
