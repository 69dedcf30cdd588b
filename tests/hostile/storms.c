/* SPDX-License-Identifier: Apache-2.0 */
/* Storms: faults, signals between processes, execs, forks, threads, /proc and directory races. */
#include "h.h"
#include <dirent.h>
#include <setjmp.h>

static sigjmp_buf again;
static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(again, 1);
}

static void segv(void)
{
	volatile int n = 0;

	signal(SIGSEGV, on_segv);
	signal(SIGFPE, on_segv);
	signal(SIGILL, on_segv);
	while (n++ < 5000) {
		if (sigsetjmp(again, 1) == 0) {
			if (n % 3 == 0)
				*(volatile char *)(uintptr_t)(n * 4096u) = 1;
			else if (n % 3 == 1)
				__asm__ volatile("ud2");
			else
				__asm__ volatile("div %0" : : "r"(0) : "rax", "rdx");
		}
	}
	CHECK(n == 5001);
}

static void segv_in_handler(int sig)
{
	*(volatile char *)8 = (char)sig;
}

static void segv_nested(void)
{
	struct sigaction a = { .sa_handler = segv_in_handler, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &a, NULL);
	*(volatile char *)8 = 1;
}

static void *segv_thread(void *arg)
{
	sigjmp_buf *b = arg;

	(void)b;
	for (int i = 0; i < 500; i++)
		(void)raw(SYS_uname, 8, 0, 0, 0, 0, 0);
	return NULL;
}

static void threads_faulting(void)
{
	pthread_t t[16];

	for (int i = 0; i < 16; i++)
		CHECK(pthread_create(&t[i], NULL, segv_thread, NULL) == 0);
	for (int i = 0; i < 16; i++)
		pthread_join(t[i], NULL);
}

static volatile sig_atomic_t hits;
static void on_usr(int sig)
{
	(void)sig;
	hits++;
}

/* Eight processes that signal each other without end, in all states. */
static void signals(void)
{
	pid_t *pids = mmap(NULL, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sigaction a = { .sa_handler = on_usr };

	for (int s = 34; s < 40; s++)
		sigaction(s, &a, NULL);
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGCONT, &a, NULL);
	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			double end = now() + 1.0;

			pids[i] = getpid();
			random_state += (uint32_t)i * 31337;
			while (now() < end) {
				pid_t to = pids[rnd() % 8];
				uint32_t k = rnd() % 16;

				if (to <= 1)
					continue;
				if (k == 0)
					kill(to, SIGSTOP);
				kill(to, k < 4 ? SIGCONT : k < 10 ? SIGUSR1 : 34 + (int)(k % 6));
				kill(to, SIGCONT);
				if (k == 5)
					usleep(50);
				if (k == 6 && fork() == 0)
					_exit(0);
				while (waitpid(-1, NULL, WNOHANG) > 0)
					;
			}
			_exit(0);
		}
	}
	nap(1.3);
	for (int i = 0; i < 8; i++) {
		kill(pids[i], SIGCONT);
		CHECK(end_of(pids[i], 3) != -1);
	}
}

static const char *self;
static void execs(void)
{
	pid_t p[16];

	for (int i = 0; i < 16; i++) {
		p[i] = fork();
		if (p[i] == 0) {
			execl(self, self, "loop", "40", (char *)NULL);
			_exit(1);
		}
	}
	for (int i = 0; i < 16; i++) {
		int s = p[i] > 0 ? end_of(p[i], GUARD) : -1;

		CHECK(s == 0);
	}
}

/* Threads that exec against each other. */
static void *exec_thread(void *arg)
{
	pthread_barrier_wait(arg);
	execl(self, self, "loop", "1", (char *)NULL);
	return NULL;
}

static void exec_race(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_barrier_t b;
			pthread_t t;

			pthread_barrier_init(&b, NULL, 8);
			for (int k = 0; k < 8; k++)
				pthread_create(&t, NULL, exec_thread, &b);
			pause();
		}
		CHECK(end_of(pid, GUARD) == 0);
	}
}

static void forks(void)
{
	setrlimit(RLIMIT_NPROC, &(struct rlimit){ 300, 300 });
	setpgid(0, 0);
	for (int i = 0; i < 9; i++)
		(void)!fork();
	nap(0.3);
}

static void *sleeper(void *arg)
{
	pause();
	return arg;
}

static void threads(void)
{
	pthread_attr_t a;
	pthread_t t;
	int n = 0;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 16384);
	while (n < 2000 && pthread_create(&t, &a, sleeper, NULL) == 0)
		n++;
	CHECK(n > 100);
	_exit(0);
}

static void procs(void)
{
	char path[300], buf[8192];
	double end = now() + 1.5;
	pid_t kids[3];

	for (int i = 0; i < 3; i++) {
		kids[i] = fork();
		if (kids[i] == 0) {
			for (;;) {
				pid_t c = fork();

				if (c == 0) {
					if (rnd() & 1)
						execl(self, self, "loop", "0", (char *)NULL);
					_exit(0);
				}
				waitpid(c, NULL, 0);
				rnd();
			}
		}
	}
	while (now() < end) {
		DIR *d = opendir("/proc");
		struct dirent *e;

		CHECK(d != NULL);
		while (d && (e = readdir(d))) {
			static const char *const names[] = { "stat", "status", "maps", "smaps", "cmdline", "environ", "fd",
				"task", "exe", "cwd", "mem", "statm", "io", "limits", "wchan", "auxv", "mountinfo" };

			if (e->d_name[0] < '0' || e->d_name[0] > '9')
				continue;
			for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
				int fd;

				snprintf(path, sizeof(path), "/proc/%s/%s", e->d_name, names[k]);
				(void)!readlink(path, buf, sizeof(buf));
				fd = open(path, O_RDONLY | O_NONBLOCK);
				if (fd >= 0) {
					(void)!read(fd, buf, sizeof(buf));
					(void)raw(SYS_getdents64, fd, (long)buf, sizeof(buf), 0, 0, 0);
					close(fd);
				}
			}
		}
		if (d)
			closedir(d);
	}
	for (int i = 0; i < 3; i++) {
		kill(kids[i], SIGKILL);
		CHECK(end_of(kids[i], 3) != -1);
	}
}

static void readdirs_in(const char *dir)
{
	char path[300];
	pid_t kid;
	int seen;

	mkdir(dir, 0755);
	kid = fork();
	if (kid == 0) {
		for (;;) {
			snprintf(path, sizeof(path), "%s/f%u", dir, rnd() % 200);
			if (rnd() & 1)
				close(open(path, O_CREAT | O_RDWR, 0600));
			else
				unlink(path);
		}
	}
	for (int i = 0; i < 100; i++) {
		DIR *d = opendir(dir);

		CHECK(d != NULL);
		seen = 0;
		while (d && readdir(d) && seen < 100000)
			seen++;
		CHECK(seen < 1000);
		if (d)
			closedir(d);
	}
	kill(kid, SIGKILL);
	CHECK(end_of(kid, 3) != -1);
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "%s/f%d", dir, i);
		unlink(path);
	}
	CHECK(rmdir(dir) == 0);
}

static void readdirs(void)
{
	readdirs_in("/tmp/readdirs");
	readdirs_in("/readdirs");
}

int main(int argc, char **argv)
{
	self = "/proc/self/exe";
	if (argc > 2 && !strcmp(argv[1], "loop")) {
		char n[16];

		if (atoi(argv[2]) <= 0)
			return 0;
		snprintf(n, sizeof(n), "%d", atoi(argv[2]) - 1);
		execl(self, argv[0], "loop", n, (char *)NULL);
		return 1;
	}
	CHECK(attack("faults", segv, GUARD) == 0);
	attack("faults in a handler", segv_nested, 10);
	CHECK(attack("threads with bad pointers", threads_faulting, GUARD) == 0);
	CHECK(attack("signals", signals, GUARD) == 0);
	CHECK(attack("execs in 16 processes", execs, GUARD) == 0);
	CHECK(attack("execs in 8 threads", exec_race, GUARD) == 0);
	attack("fork bomb", forks, 20);
	nap(0.5);
	attack("thread bomb", threads, 20);
	attack("/proc races", procs, 20);
	CHECK(attack("readdir and unlink", readdirs, GUARD) == 0);
	return failures != 0;
}
