/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host calls made from the stub's own text with chosen registers: what the filter alone decides, and
 * what the Sentry makes of clones and doorbells that nobody ordered.
 */
#include "h.h"

#include <sys/prctl.h>

static void refused(void)
{
	/* Whatever is not in the list kills the process at once. */
	static const long nrs[] = { SYS_open, SYS_openat, SYS_read, SYS_write, SYS_socket, SYS_execve, SYS_kill,
		SYS_ptrace, SYS_fork, SYS_vfork, SYS_clone3, SYS_getpid, SYS_seccomp, SYS_dup,
		SYS_io_uring_setup, SYS_bpf, SYS_process_vm_writev, SYS_userfaultfd, SYS_rt_sigaction,
		SYS_rt_sigprocmask, SYS_ioctl, SYS_brk, SYS_shmat, SYS_mlock, SYS_mbind, SYS_memfd_create,
		SYS_tgkill, SYS_set_robust_list, SYS_exit | 0x40000000 };

	for (size_t i = 0; i < sizeof(nrs) / sizeof(*nrs); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			(void)native(nrs[i], 0, 0, 0, 0, 0, 0);
			_exit(3);
		}
		status = end_of(pid, GUARD);
		CHECK(status != -1 && WIFSIGNALED(status));
	}
}

static void arguments(void)
{
	CHECK(native(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0) == -EPERM);
	CHECK(native(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) == -EPERM);
	CHECK(native(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == -EPERM);
	CHECK(native(SYS_mmap, 0, 4096, 0x1000003, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -EPERM);
	CHECK(native(SYS_mmap, 0, 4096, 3, (long)(0x100000000 | MAP_PRIVATE | MAP_ANONYMOUS), -1, 0) == -EPERM);
	CHECK(native(SYS_madvise, (long)native_at & -4096, 4096, 100, 0, 0, 0) == -EPERM); /* HWPOISON */
	CHECK(native(SYS_madvise, (long)native_at & -4096, 4096, 12, 0, 0, 0) == -EPERM);  /* MERGEABLE */
	CHECK(native(SYS_futex, 0, 6, 0, 0, 0, 0) == -EPERM); /* LOCK_PI */
	CHECK(native(SYS_futex, 0, 11, 0, 0, 0, 0) == -EPERM);
	CHECK(native(SYS_membarrier, 1, 0, 0, 0, 0, 0) == -EPERM); /* GLOBAL */
	CHECK(native(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0, 0) == -EPERM);
	CHECK(native(SYS_prctl, PR_SET_MM, 1, 0, 0, 0, 0) == -EPERM);
	CHECK(native(SYS_prctl, (long)(0x100000000 | PR_SET_NAME), 0, 0, 0, 0, 0) == -EPERM);
	CHECK(native(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0) == -EPERM);
	CHECK(native(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0, 0) == -EPERM);
}

static void clones(void)
{
	for (int i = 0; i < 200; i++) {
		CHECK(native(SYS_clone, STUB_CLONE_THREAD_FLAGS, 0, 0, 0, 0, 0) == -EPERM);
		CHECK(native(SYS_clone, STUB_CLONE_FORK_FLAGS, 0, 0, 0, 0, 0) == -EPERM);
	}
}

static void doorbells(void)
{
	for (int i = 0; i < 20000; i++)
		(void)native(STUB_DOORBELL, rnd() % 4, (long)rnd(), 0, 0, 0, 0);
	CHECK(getppid() > 0);
}

static void hellos(void)
{
	for (int i = 0; i < 20000; i++)
		(void)native(STUB_DOORBELL, STUB_RING_HELLO, (long)((uint64_t)rnd() << 32 | rnd()), 0, 0, 0, 0);
}

static void *flood(void *arg)
{
	(void)arg;
	for (;;)
		(void)native(STUB_DOORBELL, STUB_RING, 0, 0, 0, 0, 0);
}

static void *bystander(void *arg)
{
	for (int i = 0; i < 2000; i++)
		CHECK(raw(SYS_getsid, 0, 0, 0, 0, 0, 0) >= 0);
	return arg;
}

/* Other threads' work goes on while some flood. */
static void floods(void)
{
	pthread_t t[4], b;

	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, flood, NULL) == 0);
	CHECK(pthread_create(&b, NULL, bystander, NULL) == 0);
	pthread_join(b, NULL);
}

/* Requests of all kinds that were never due: an own slot filled by hand, then rung. */
static void forged(void)
{
	volatile struct stub_slot *s = slot_at(0);

	for (int i = 0; i < 300; i++) {
		uint32_t kind = rnd() % 8, seq;
		pid_t pid = fork();

		if (pid != 0) {
			CHECK(pid > 0 && end_of(pid, 3) != -1);
			continue;
		}
		random_state += (uint32_t)i * 77777;
		s->request = (uint8_t)kind;
		s->sig = rnd() % 70;
		s->nr = rnd() % 470;
		s->window_count = rnd();
		s->more = rnd() & 1;
		s->brief_nr = (uint16_t)rnd() % 470;
		s->window = rnd() & 1 ? STUB_WINDOW_SEE : rnd();
		s->done = (int64_t)((uint64_t)rnd() << 32 | rnd());
		for (int w = 0; w < STUB_WINDOWS_MAX; w++) {
			s->windows[w].arg = rnd() % 8;
			s->windows[w].size = rnd();
			s->windows[w].offset = rnd();
			s->windows[w].flags = rnd() % 8;
			s->windows[w].addr = rnd();
		}
		seq = s->reply_seq + 1;
		__atomic_store_n(&s->request_seq, seq, __ATOMIC_RELEASE);
		alarm(1);
		(void)native(STUB_DOORBELL, STUB_RING, 0, 0, 0, 0, 0);
		_exit(0);
	}
}

/* Every descriptor number, closed natively: the stub has none that it needs. */
static void closes(void)
{
	for (long fd = 0; fd < 4096; fd++)
		(void)native(SYS_close, fd, 0, 0, 0, 0, 0);
	CHECK(getsid(0) >= 0);
	CHECK(open("/proc/self/stat", O_RDONLY) >= 0);
}

/* A thread whose host thread ends behind the Sentry's back. */
static void *vanish(void *arg)
{
	(void)arg;
	(void)native(SYS_exit, 0, 0, 0, 0, 0, 0);
	return NULL;
}

static void vanishing_thread(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, vanish, NULL) == 0);
	nap(0.1);
}

static void vanishing_leader(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, bystander, NULL) == 0);
	(void)native(SYS_exit, 0, 0, 0, 0, 0, 0);
}

static void vanishing_process(void)
{
	(void)native(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* The thread stays when told to end: its exit reply is read, and not obeyed. */
static void *deaf(void *arg)
{
	volatile struct stub_slot *s = slot_at(1);
	uint32_t seq = s->request_seq + 1; /* a new thread has had no reply yet */

	(void)arg;
	s->request = STUB_SYSCALL;
	s->nr = SYS_exit;
	s->window = 0;
	s->brief_nr = (uint16_t)s->nr;
	s->more = s->fpstate != 0;
	__atomic_store_n(&s->request_seq, seq, __ATOMIC_RELEASE);
	for (;;)
		(void)native(STUB_DOORBELL, STUB_RING, 0, 0, 0, 0, 0);
}

static void deaf_thread(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, deaf, NULL) == 0);
	nap(0.2);
}

static void deaf_process(void)
{
	volatile struct stub_slot *s = slot_at(0);
	uint32_t seq = s->reply_seq + 1;

	s->request = STUB_SYSCALL;
	s->nr = SYS_exit_group;
	s->args[0] = 5;
	s->window = 0;
	s->brief_nr = (uint16_t)s->nr;
	s->more = s->fpstate != 0;
	__atomic_store_n(&s->request_seq, seq, __ATOMIC_RELEASE);
	for (;;)
		(void)native(STUB_DOORBELL, STUB_RING, 0, 0, 0, 0, 0);
}

static void post(volatile struct stub_slot *s, uint32_t kind)
{
	s->request = (uint8_t)kind;
	s->window = 0;
	s->brief_nr = (uint16_t)s->nr;
	s->more = s->fpstate != 0;
	__atomic_store_n(&s->request_seq, s->reply_seq + 1, __ATOMIC_RELEASE);
	(void)native(STUB_DOORBELL, STUB_RING, 0, 0, 0, 0, 0);
}

static void spin(double seconds)
{
	for (double end = now() + seconds; now() < end;)
		__builtin_ia32_pause();
}

/*
 * fork(2) asked of the Sentry, and a lie about what became of it: no clone at all, or one whose child
 * never says hello.  No call of libc after that: the stub has lost count, by our hand.
 */
__attribute__((noreturn)) static void lie(int64_t what, bool clone_it)
{
	volatile struct stub_slot *s = slot_at(0);
	double end;

	s->nr = SYS_fork;
	post(s, STUB_SYSCALL);
	for (end = now() + 2; s->reply_seq != s->request_seq && now() < end;)
		__builtin_ia32_pause();
	if (s->reply == STUB_CLONE && clone_it && native(SYS_clone, STUB_CLONE_FORK_FLAGS, 0, 0, 0, 0, 0) == 0) {
		spin(0.3);
		(void)native(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	}
	if (s->reply == STUB_CLONE) {
		s->done = what;
		post(s, STUB_DONE);
		spin(0.2);
	}
	(void)native(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	__builtin_trap();
}

static void lying_fork(void)
{
	static const int64_t lies[] = { 1, 2, 0x7fffffff, 0x100000000, 0x100000001, -1, 0, INT64_MAX, INT64_MIN };

	for (size_t i = 0, late = 0; i < 2 * sizeof(lies) / sizeof(*lies); i++) {
		double start = now();
		char path[64], buf[256];
		pid_t pid = fork();

		if (pid == 0)
			lie(lies[i / 2], i & 1);
		nap(0.1);
		/* Nobody must hang on that child. */
		for (int k = 0; k < 4; k++) {
			for (int p = pid + 1; p < pid + 4; p++) {
				int fd;

				snprintf(path, sizeof(path), "/proc/%d/cmdline", p);
				fd = open(path, O_RDONLY);
				if (fd >= 0) {
					(void)!read(fd, buf, sizeof(buf));
					close(fd);
				}
			}
		}
		CHECK(pid > 0 && end_of(pid, 6) != -1);
		if (now() - start < 9) { /* waits once, 2 s */
			late = 0;
		} else { /* or so does a loaded machine, but not always */
			CHECK(++late < 4);
			late %= 4;
			i -= late != 0;
		}
	}
}

/* Fifty children of one order; they sleep for good, and all that were not ordered must go (run looks). */
static void greedy_fork(void)
{
	volatile struct stub_slot *s = slot_at(0);
	static uint32_t word;
	double end;

	s->nr = SYS_fork;
	post(s, STUB_SYSCALL);
	for (end = now() + 2; s->reply_seq != s->request_seq && now() < end;)
		__builtin_ia32_pause();
	for (int i = 0; s->reply == STUB_CLONE && i < 50; i++) {
		if (native(SYS_clone, STUB_CLONE_FORK_FLAGS, 0, 0, 0, 0, 0) == 0)
			for (;;)
				(void)native(SYS_futex, (long)&word, 0, 0, 0, 0, 0);
	}
	(void)native(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

int main(void)
{
	NEED_STUB();
	CHECK(native_find());
	if (failures)
		return 1;
	attack("greedy fork", greedy_fork, 5);
	CHECK(WIFEXITED(attack("refused numbers", refused, GUARD)));
	CHECK(WIFEXITED(attack("refused arguments", arguments, GUARD)));
	CHECK(WIFEXITED(attack("clones nobody ordered", clones, GUARD)));
	attack("doorbells", doorbells, 10);
	attack("hellos", hellos, 10);
	attack("doorbell floods", floods, 20);
	attack("forged requests", forged, 60);
	CHECK(WIFEXITED(attack("closing all numbers", closes, GUARD)));
	attack("vanishing thread", vanishing_thread, 5);
	attack("vanishing leader", vanishing_leader, 5);
	attack("vanishing process", vanishing_process, 5);
	attack("deaf thread", deaf_thread, 5);
	attack("deaf process", deaf_process, 5);
	attack("lying fork", lying_fork, 5 * GUARD);
	return failures != 0;
}
