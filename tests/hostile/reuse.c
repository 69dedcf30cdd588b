/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that ends behind the Sentry's back leaves its host number to whoever comes next.  Until the
 * host's numbers have gone round, another process makes threads and children: all of them must live,
 * and the first process, whose memory is looked for under that number, must not see theirs.
 */
#include "h.h"

#define SECRET_AT   ((void *)0x1234560000)
#define SECRET_SIZE (1u << 20)

static int *shared; /* [0]: what the attacker saw, [1]: it is ready */

static void *vanish(void *arg)
{
	(void)arg;
	(void)native(SYS_exit, 0, 0, 0, 0, 0, 0);
	return NULL;
}

static void *look(void *arg)
{
	int *p = arg;
	unsigned char c;

	nap(0.1); /* the others are gone by now */
	shared[1] = 1;
	for (;;) {
		/* more than the stub marshals, from where nothing is mapped here */
		if (write(p[1], SECRET_AT, 400000) > 0 && read(p[0], &c, 1) == 1) {
			shared[0] = c;
			_exit(4);
		}
	}
	return arg;
}

/* Three threads: one looks, one vanished, and the first has left in good order. */
static void attacker(void)
{
	static int p[2];
	pthread_t t;

	/* Before: whoever patches a call site looks at this memory. */
	if (pipe(p) < 0)
		_exit(3);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	CHECK(pthread_create(&t, NULL, vanish, NULL) == 0);
	nap(0.05);
	CHECK(pthread_create(&t, NULL, look, p) == 0);
	(void)raw(SYS_exit, 0, 0, 0, 0, 0, 0);
}

static void *nothing(void *arg)
{
	return arg;
}

/* The host leaves the first 300 alone when it begins again. */
static void past_the_reserved(void)
{
	pthread_t t;

	for (int i = 0; i < 400; i++) {
		if (pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL))
			CHECK(!"a thread");
	}
}

static void victim(int rounds)
{
	pthread_attr_t a;
	pthread_t t;
	void *m = mmap(SECRET_AT, SECRET_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	CHECK(m == SECRET_AT);
	memset(m, 0x5e, SECRET_SIZE);
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 16384);
	for (int i = 0; i < rounds && !shared[0]; i++) {
		int err = pthread_create(&t, &a, nothing, NULL);

		if (err) {
			printf("thread %d: %s\n", i, strerror(err));
			CHECK(!"pthread_create");
			return;
		}
		if (pthread_join(t, NULL))
			CHECK(!"pthread_join");
		if (i % 64 == 0) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			CHECK(pid > 0 && end_of(pid, GUARD) == 0);
		}
	}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 3000;
	double start;
	siginfo_t info = { .si_pid = 0 };
	pid_t a, v;
	int status;

	NEED_STUB();
	CHECK(native_find());
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	past_the_reserved();
	a = fork();
	if (a == 0) {
		attacker();
		pause();
	}
	/* It may be ended for what it did before it gets that far. */
	while (!shared[1] && waitid(P_PID, (id_t)a, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
		nap(0.01);
	start = now();
	v = fork();
	if (v == 0) {
		victim(rounds);
		fflush(stdout);
		_exit(failures != 0);
	}
	status = end_of(v, 5 * GUARD);
	if (status != 0)
		printf("victim: status %#x\n", (unsigned int)status);
	CHECK(status == 0);
	printf("%.1f s\n", now() - start);
	CHECK(shared[0] == 0);
	kill(a, SIGKILL);
	CHECK(end_of(a, 5) != -1);
	sane("numbers that went round");
	return failures != 0;
}
