/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that were told to end and stay, and what they can still do: arrive as somebody else, hold up
 * an exec, keep a slot that is another's by now; and lies about the numbers of threads that say no hello.
 */
#include "h.h"

static volatile int64_t *shared;

static struct stub_thread *own_thread(unsigned int index)
{
	return (struct stub_thread *)(STUB_AREAS + (uint64_t)index * STUB_AREA_SIZE + STUB_THREAD);
}

static void rest(void)
{
	__builtin_ia32_pause();
}

/* A request by hand, and its answer; false: none came.  The stub's own count goes along. */
static bool ask(unsigned int index, uint32_t kind)
{
	volatile struct stub_slot *s = slot_at(index);
	uint32_t seq = own_thread(index)->seq + 1; /* a new thread's reply_seq says nothing yet */
	double end = now() + 2;

	s->request = (uint8_t)kind;
	s->window = 0;
	s->compat = 0;
	s->fpstate = STUB_AREAS + (uint64_t)index * STUB_AREA_SIZE + 0x10000;
	s->more = 1;
	__atomic_store_n(&s->request_seq, seq, __ATOMIC_RELEASE);
	own_thread(index)->seq = seq;
	(void)native(STUB_DOORBELL, STUB_RING, (long)own_thread(index)->cookie, 0, 0, 0, 0);
	while (__atomic_load_n(&s->reply_seq, __ATOMIC_ACQUIRE) != seq && now() < end)
		rest();
	return s->reply_seq == seq;
}

/* For the Sentry this thread ends here. */
static void leave_and_stay(unsigned int index)
{
	slot_at(index)->nr = SYS_exit;
	(void)ask(index, STUB_SYSCALL);
}

__attribute__((noreturn)) static void sleep_natively(void)
{
	static uint32_t word;

	for (;;)
		(void)native(SYS_futex, (long)&word, 0, 0, 0, 0, 0);
}

/* ---- a first thread that has left arrives as its own process's child --------------------------------- */

static volatile bool left, made, tried;
static volatile uint64_t cookie;

static void *forker(void *arg)
{
	volatile struct stub_slot *s = slot_at(1);
	long pid;

	while (!left)
		rest();
again:
	for (double end = now() + 0.1; now() < end;)
		rest();
	s->nr = SYS_fork;
	if (!ask(1, STUB_SYSCALL) || s->reply != STUB_CLONE)
		goto again;
	cookie = s->cookie;
	pid = native(SYS_clone, STUB_CLONE_FORK_FLAGS, 0, 0, 0, 0, 0);
	if (pid == 0)
		(void)native(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	made = true;
	while (!tried)
		rest();
	s->done = pid;
	if (ask(1, STUB_DONE))
		shared[0] = s->result; /* its number here */
	shared[2] = 1;
	sleep_natively();
	return arg;
}

static void two_in_one(void)
{
	pthread_t t;
	long fd;

	if (pthread_create(&t, NULL, forker, NULL))
		_exit(1);
	leave_and_stay(0);
	left = true;
	while (!made)
		rest();
	fd = native(STUB_DOORBELL, STUB_RING_HELLO, (long)cookie, 0, 0, 0, 0);
	shared[1] = fd;
	tried = true;
	sleep_natively();
}

static void arrive_as_a_child(void)
{
	double end;
	pid_t a = fork();

	if (a == 0)
		two_in_one();
	for (end = now() + GUARD; !shared[2] && now() < end;)
		nap(0.01);
	CHECK(shared[2] == 1);
	CHECK(shared[1] < 0); /* no channel for it */
	if (shared[0] > 0) /* first: of two with one number one would never end */
		kill((pid_t)shared[0], SIGKILL);
	nap(0.5);
	kill(a, SIGKILL);
	CHECK(end_of(a, 5) != -1);
	for (end = now() + GUARD; shared[0] > 0 && kill((pid_t)shared[0], 0) == 0 && now() < end;)
		nap(0.02);
	CHECK(shared[0] <= 0 || kill((pid_t)shared[0], 0) < 0);
	sane("two processes in one");
}

/* ---- many that exec beside a thread that stays ------------------------------------------------------- */

static void *stay(void *arg)
{
	leave_and_stay(1);
	sleep_natively();
	return arg;
}

static void *flicker(void *arg)
{
	volatile uint32_t *live = &slot_at(1)->live;

	leave_and_stay(1);
	for (;;) {
		*live = 1;
		*live = 2;
	}
	return arg;
}

static void exec_beside(void *(*who)(void *))
{
	pthread_t t;

	if (pthread_create(&t, NULL, who, NULL))
		_exit(1);
	nap(0.05);
	execl("/proc/self/exe", "arrive", "child", (char *)NULL);
	_exit(2);
}

/* The longest that a neighbour had to wait for a call of its own. */
static double execs_once(const char *name, void *(*who)(void *), int count)
{
	double longest = 0, start, end;
	pid_t pids[64];
	int p[2], status, others = 0;
	char c;

	CHECK(pipe(p) == 0);
	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			exec_beside(who);
	}
	for (end = now() + 2; now() < end;) {
		start = now();
		CHECK(write(p[1], "x", 1) == 1 && read(p[0], &c, 1) == 1);
		if (now() - start > longest)
			longest = now() - start;
		nap(0.001);
	}
	for (int i = 0; i < count; i++) {
		status = end_of(pids[i], 0);
		CHECK(status != -1);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			others++;
	}
	printf("%s: longest wait %.3f s; %d of %d went on\n", name, longest, others, count);
	CHECK(who == flicker || others == 0); /* never beside it in the new image */
	close(p[0]);
	close(p[1]);
	sane(name);
	return longest;
}

static void execs(const char *name, void *(*who)(void *), int count)
{
	double longest = execs_once(name, who, count);

	/* A loaded machine makes wait too, but not always. */
	for (int i = 0; i < 3 && longest > 1; i++)
		longest = execs_once(name, who, count);
	CHECK(longest < 1);
}

/* ---- lies about threads that say no hello --------------------------------------------------------- */

static void *idle(void *arg)
{
	(void)arg;
	sleep_natively();
}

/*
 * clone(2) of a thread asked by hand, made or not made, and a number for it that is not its own.
 * The new thread, if there is one, rings in its own name or stays silent.
 */
static volatile int child_rings;
static volatile uint64_t child_cookie;
static char child_stack[65536] __attribute__((aligned(16)));

static long clone_by_hand(void)
{
	register long r10 __asm__("r10") = (long)&slot_at(5)->live;
	register long r8 __asm__("r8") = 0;
	register long r12 __asm__("r12") = (long)native_at;
	long ret;

	/* The new stack's top is where its first ret goes. */
	*(uint64_t *)(child_stack + sizeof(child_stack) - 8) = (uint64_t)&sleep_natively;
	if (child_rings)
		*(uint64_t *)(child_stack + sizeof(child_stack) - 8) = (uint64_t)native_at; /* rings, see rdi… */
	__asm__ volatile("sub $128, %%rsp\n\tcall *%%r12\n\tadd $128, %%rsp"
			 : "=a"(ret)
			 : "a"((long)SYS_clone), "D"((long)STUB_CLONE_THREAD_FLAGS),
			   "S"(child_stack + sizeof(child_stack) - 8), "d"(0l), "r"(r10), "r"(r8), "r"(r12)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

static void lie_about_a_thread(int64_t what, bool make, bool scribble)
{
	volatile struct stub_slot *s = slot_at(0);
	pthread_t t;
	long tid = 0;

	pthread_create(&t, NULL, idle, NULL);
	s->nr = SYS_clone;
	s->args[0] = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;
	s->args[1] = (uint64_t)(child_stack + sizeof(child_stack) - 64);
	s->args[2] = s->args[3] = s->args[4] = 0;
	if (!ask(0, STUB_SYSCALL) || s->reply != STUB_CLONE)
		(void)native(SYS_exit_group, 3, 0, 0, 0, 0, 0);
	child_cookie = s->cookie;
	if (make)
		tid = clone_by_hand();
	if (scribble) { /* what the Sentry keeps in the child's slot */
		volatile struct stub_slot *c = slot_at(s->index);

		c->own.sig_blocked = ~0ull;
		c->own.robust_list = 0xffff800000000000;
		c->own.clear_tid = STUB_TEXT;
		c->request_seq = c->request_seq + 1;
		c->request = rnd();
		c->reply_seq = rnd();
		c->live = 0;
		c->tid = rnd();
	}
	s->done = what == -2 ? tid : what;
	(void)ask(0, STUB_DONE);
	/* Another of the same, into the same slot if it is thought free; then all ends. */
	s->nr = SYS_clone;
	if (ask(0, STUB_SYSCALL) && s->reply == STUB_CLONE) {
		s->done = what == -2 ? tid : what;
		(void)ask(0, STUB_DONE);
	}
	s->nr = rnd() & 1 ? SYS_exit_group : SYS_exit;
	(void)ask(0, STUB_SYSCALL);
	for (double end = now() + 0.05; now() < end;)
		rest();
}

static void lies(void)
{
	static const int64_t numbers[] = { -2, 1, 2, 3, 4, 5, 8, 0x7fffffff, 0x100000001, -1, 0, INT64_MAX, INT64_MIN };
	size_t n = sizeof(numbers) / sizeof(*numbers);

	for (size_t i = 0; i < 4 * n; i++) {
		double start = now();
		pid_t pid = fork();

		if (pid == 0) {
			random_state += (uint32_t)i * 7919;
			lie_about_a_thread(numbers[i / 4], i & 1, i & 2);
			sleep_natively();
		}
		nap(0.06);
		CHECK(pid > 0);
		kill(pid, SIGKILL);
		CHECK(end_of(pid, 5) != -1);
		if (now() - start > 4)
			printf("lie %zu: %.1f s\n", i, now() - start);
	}
	sane("lies about threads");
}

/* ---- what the stub keeps: masks that block what can't be blocked -------------------------------------- */

static void *mask(void *arg)
{
	volatile struct stub_slot *s = slot_at(1);

	for (;;) {
		s->own.sig_blocked = ~0ull;
		s->own.sig_watched = 0;
		s->own.sig_plain = s->own.sig_reset = s->own.reset_flags = s->own.reset_restorer = ~0ull;
		s->own.clear_tid = 0xfffffffffffffff0;
		s->own.robust_list = ~0ull;
	}
	return arg;
}

static void *trap(void *arg)
{
	for (;;)
		(void)getcwd((char[100]){ 0 }, 100);
	return arg;
}

static void unblockable(void)
{
	pthread_t t;
	pid_t pid = fork();
	double start;

	if (pid == 0) {
		pthread_create(&t, NULL, trap, NULL);
		pthread_create(&t, NULL, mask, NULL);
		for (;;) {
			slot_at(0)->own.sig_blocked = ~0ull;
			slot_at(0)->own.sig_watched = 0;
		}
	}
	nap(0.1);
	start = now();
	kill(pid, SIGSTOP);
	CHECK(waitpid(pid, NULL, WUNTRACED) == pid);
	kill(pid, SIGCONT);
	nap(0.02);
	kill(pid, SIGKILL);
	CHECK(end_of(pid, 5) != -1);
	printf("stopped, continued, killed: %.1f s\n", now() - start);
	sane("masks");
}

/* ---- threads that come and go, while their slots are written over ------------------------------------ */

static void *come(void *arg)
{
	if ((uintptr_t)arg & 1)
		(void)raw(SYS_getpgid, 1, 0, 0, 0, 0, 0);
	return arg;
}

static void *maker(void *arg)
{
	uintptr_t n = (uintptr_t)arg;
	pthread_t t;

	for (;;) {
		if (pthread_create(&t, NULL, come, (void *)n++) == 0)
			(void)pthread_join(t, NULL);
		if (n % 64 == 0 && fork() == 0)
			_exit(0);
		if (n % 500 == 499)
			execl("/proc/self/exe", "arrive", "child", (char *)NULL);
	}
	return arg;
}

static int what;

static void churn(void)
{
	struct {
		uint64_t next, offset, pending;
	} list = { (uint64_t)&list, (uint64_t)-64, 0x1000 };
	pthread_t t;

	random_state = 4711 + (uint32_t)what * 7919;
	freopen("/dev/null", "w", stdout);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&t, NULL, maker, (void *)i);
	for (int i = 0; i < 200000; i++) {
		volatile struct stub_slot *s = slot_at(1 + rnd() % 6);

		switch (what) {
		case 0: /* whose slot is free */
			s->live = rnd() % 3;
			break;
		case 1: /* what an end does to memory */
			s->own.clear_tid = rnd() & 1 ? ((uint64_t)rnd() << 32 | rnd()) : (uint64_t)&s->live;
			s->own.robust_list = rnd() & 1 ? (uint64_t)&list : STUB_PROCESS;
			list.next = rnd() & 1 ? (uint64_t)&list : STUB_TEXT;
			break;
		case 2: /* who it is */
			s->tid = rnd();
			s->cookie = slot_at(1 + rnd() % 6)->cookie;
			s->index = rnd() % 9;
			break;
		case 3: /* doorbells before, after and in the middle of the real ones */
			s->request_seq = s->request_seq + 1;
			s->request = STUB_SYSCALL;
			s->nr = rnd() & 1 ? SYS_exit : SYS_clone;
			own_thread(1 + rnd() % 6)->seq++;
			break;
		case 4:
			own_thread(1 + rnd() % 6)->cookie = own_thread(1 + rnd() % 6)->cookie;
			own_thread(1 + rnd() % 6)->start = rnd() & 1;
			break;
		}
		if (i % 16 == 0)
			sched_yield();
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	double start = now();

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 9;
	NEED_STUB();
	CHECK(native_find());
	if (failures)
		return 1;
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	arrive_as_a_child();
	printf("as a child: %.1f s\n", now() - start);
	lies();
	printf("lies: %.1f s\n", now() - start);
	unblockable();
	printf("masks: %.1f s\n", now() - start);
	for (what = 0; what < 5; what++)
		for (int i = 0; i < 5; i++)
			attack("threads that come and go", churn, 0.7);
	end_orphans();
	printf("come and go: %.1f s\n", now() - start);
	execs("exec beside one that stays", stay, 24);
	execs("exec beside one that flickers", flicker, 3);
	printf("execs: %.1f s\n", now() - start);
	end_orphans();
	return failures != 0;
}
