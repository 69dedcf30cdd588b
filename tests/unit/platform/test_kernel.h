/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kernel.h: a kernel of a few dozen lines on top of platform.h, for the platform's tests: tasks on
 * fibers, fork, threads, wait, exit, kicks.  Included by one test file.
 *
 * The test binary re-executes itself with the stack limit that the Sentry has, and runs as pid 1 of
 * a pid namespace, so that no stub outlives it.
 */
#pragma once

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fiber.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/mutex.h"
#include "lib/wq.h"
#include "platform/host.h"
#include "platform/jail.h"
#include "platform/platform.h"
#include "tests/unit/platform/programs.h"

extern const char programs[], programs_end[];
__asm__(".section .rodata\n"
	".globl programs, programs_end\n"
	"programs: .incbin \"build/test/programs.bin\"\n"
	"programs_end:\n"
	".text");

/* A process: tasks share it. */
struct proc {
	struct list node; /* all of them */
	struct plat_mm *mm;
	int pid, parent;
	int tasks;
	bool exited, exiting;
	int status;      /* of exit */
	int wait_status; /* of the host process, when it was killed */
};

struct task {
	struct list node; /* in kernel.tasks */
	struct proc *proc;
	struct plat_thread *pt;
	struct fiber *fiber;
	int tid;
	uint64_t kick_flag; /* what a kick writes 1 to */
	bool kick_restarts; /* a kick in a wait makes it again */
	atomic_int kicks;   /* seen */
	int fault_count;
	int program;
	long arg;
};

static struct {
	struct mutex lock;
	struct wq exits;
	struct list procs;
	struct latch tasks_latch;
	struct list tasks; /* those that run or will */
	int next_pid;
	char output[256];
	size_t output_size;
	int faults[16];
	int fault_count;
	atomic_int done;
	int status, wait_status;
	long kicks;
} kernel;

static void task_main(void *arg);

/* ---- processes ---- */

static struct proc *proc_new(struct plat_mm *mm, int parent)
{
	struct proc *p = mem_new(struct proc);

	ASSERT(p);
	p->mm = mm;
	p->parent = parent;
	mutex_lock(&kernel.lock);
	p->pid = kernel.next_pid++;
	list_append(&kernel.procs, &p->node);
	mutex_unlock(&kernel.lock);
	return p;
}

static struct task *task_new(struct proc *p)
{
	struct task *t = mem_new(struct task);

	ASSERT(t);
	t->proc = p;
	list_init(&t->node);
	t->fiber = fiber_new(task_main, t);
	ASSERT(t->fiber && plat_thread_new(p->mm, t->fiber, &t->pt) == 0);
	mutex_lock(&kernel.lock);
	p->tasks++;
	t->tid = kernel.next_pid++;
	mutex_unlock(&kernel.lock);
	return t;
}

/* The last thing a task's fiber does. */
static void task_end(struct task *t)
{
	struct proc *p = t->proc;
	bool last;

	latch_lock(&kernel.tasks_latch);
	list_remove(&t->node);
	latch_unlock(&kernel.tasks_latch);
	plat_thread_free(t->pt);
	mutex_lock(&kernel.lock);
	kernel.kicks += t->kicks;
	last = --p->tasks == 0;
	mutex_unlock(&kernel.lock);
	if (last) {
		plat_mm_put(p->mm);
		p->mm = NULL;
		mutex_lock(&kernel.lock);
		p->exited = true;
		if (p->parent == 0) {
			kernel.status = p->status;
			kernel.wait_status = p->wait_status;
			list_remove(&p->node);
			mem_free(p);
			atomic_store(&kernel.done, 1);
			(void)host_futex(&kernel.done, 1, 1, NULL, 0);
		}
		mutex_unlock(&kernel.lock);
		wq_wake(&kernel.exits, 0);
	}
	mem_free(t);
}

/* ---- calls ---- */

static long do_clone(struct task *t, uint64_t flags, uint64_t sp, uint64_t ctid)
{
	bool thread = flags & 0x100;
	struct plat_mm *mm;
	struct proc *p;
	struct task *c;
	long id;
	int err;

	if (thread) {
		p = t->proc;
	} else {
		ASSERT(plat_mm_new(&mm) == 0);
		p = proc_new(mm, t->proc->pid);
	}
	c = task_new(p);
	id = thread ? c->tid : p->pid;
	err = plat_clone(t->pt, c->pt, thread ? PLAT_CLONE_VM : 0, NULL);
	if (err < 0) {
		fiber_free(c->fiber);
		plat_thread_free(c->pt);
		mem_free(c);
		if (thread) {
			p->tasks--;
		} else {
			plat_mm_put(p->mm);
			mutex_lock(&kernel.lock);
			list_remove(&p->node);
			mutex_unlock(&kernel.lock);
			mem_free(p);
		}
		return err;
	}
	plat_regs_mut(c->pt)->rax = 0;
	if (sp)
		plat_regs_mut(c->pt)->rsp = sp;
	if (flags & 0x200000)
		plat_clear_tid_set(c->pt, ctid);
	fiber_start(c->fiber);
	return id;
}

static long do_wait(struct task *t, int pid, uint64_t status)
{
	struct proc *p;
	int value = 0;
	long r = -ECHILD;

	mutex_lock(&kernel.lock);
again:
	list_for_each_entry(p, &kernel.procs, node) {
		if (p->pid != pid || p->parent != t->proc->pid)
			continue;
		if (!p->exited) {
			(void)wq_wait(&kernel.exits, &kernel.lock, NULL);
			goto again;
		}
		value = p->status;
		r = pid;
		list_remove(&p->node);
		mem_free(p);
		break;
	}
	mutex_unlock(&kernel.lock);
	if (r > 0 && status)
		(void)plat_mm_write(t->proc->mm, status, &value, sizeof(value), false);
	return r;
}

/* A sleep by a call that the jail lets through. */
static void sleep_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };
	uint32_t word = 0;

	(void)host_futex(&word, 0, 0, &ts, 0);
}

/* The task may have ended when the time has come. */
struct kick_later {
	const struct task *task;
	long us;
};

static void *kicker(void *arg)
{
	struct kick_later *k = arg;
	struct task *t;

	sleep_us(k->us);
	latch_lock(&kernel.tasks_latch);
	list_for_each_entry(t, &kernel.tasks, node) {
		if (t == k->task)
			plat_kick(t->pt);
	}
	latch_unlock(&kernel.tasks_latch);
	mem_free(k);
	return NULL;
}

static void *stopper(void *arg)
{
	pid_t pid = (pid_t)(intptr_t)arg;

	sleep_us(20000);
	(void)host_kill(pid, SIGSTOP);
	sleep_us(20000);
	(void)host_kill(pid, SIGCONT);
	return NULL;
}

/* Kick every task of a process, until it has ended. */
static void *kick_always(void *arg)
{
	struct plat_mm *mm = arg;

	for (int i = 0; i < 1000000; i++) {
		struct task *t;
		bool any = false;

		latch_lock(&kernel.tasks_latch);
		list_for_each_entry(t, &kernel.tasks, node) {
			if (plat_thread_mm(t->pt) != mm)
				continue;
			plat_kick(t->pt);
			any = true;
		}
		latch_unlock(&kernel.tasks_latch);
		if (!any)
			break;
		sleep_us(100);
	}
	plat_mm_put(mm);
	return NULL;
}

struct look {
	int maps, ours, text;
	uint64_t bytes;
};

static int look_at_map(void *arg, const struct plat_map *m)
{
	const struct plat_layout *l = plat_layout();
	struct look *k = arg;

	k->maps++;
	if (m->start < l->stub_max && m->end > l->stub_min)
		k->ours++;
	if (m->start == PROGRAMS_BASE && strcmp(m->prot, "r-xp") == 0 &&
	    (!m->detail || strstr(m->detail, "Rss:")))
		k->text++;
	k->bytes += m->end - m->start;
	return 0;
}

/* 0, or the number of what is wrong. */
static long do_look(struct task *t)
{
	struct look k = { 0 }, s = { 0 }, in = { 0 }, one = { 0 };
	struct plat_mem_usage mu;
	struct plat_usage u;
	char b[16];

	if (plat_mm_maps(t->proc->mm, false, look_at_map, &k) || k.ours || k.text != 1)
		return 1;
	if (plat_mm_maps(t->proc->mm, true, look_at_map, &s) || s.ours || s.text != 1 || s.maps != k.maps)
		return 2;
	if (plat_mm_maps_in(t->proc->mm, 0, UINT64_MAX, look_at_map, &in) || in.ours || in.text != 1 ||
	    in.maps != k.maps || in.bytes != k.bytes)
		return 6;
	if (plat_mm_maps_in(t->proc->mm, PROGRAMS_BASE, PROGRAMS_BASE + 1, look_at_map, &one) || one.text != 1)
		return 7;
	if (plat_thread_usage(t->pt, &u) || u.utime_ns + u.stime_ns <= 0 || u.min_faults == 0)
		return 3;
	if (plat_mm_usage(t->proc->mm, &mu) || mu.vm_bytes != k.bytes || mu.rss_bytes == 0)
		return 4;
	if (plat_mm_read(t->proc->mm, PROGRAMS_BASE, b, sizeof(b), true) != sizeof(b) ||
	    memcmp(b, programs, sizeof(b)) != 0)
		return 5;
	return 0;
}

static void *kick_storm(void *arg)
{
	struct task *t = arg;
	uint64_t flag = t->kick_flag;
	uint32_t one = 1;

	t->kick_flag = 0;
	for (int i = 0; i < 2000; i++) {
		plat_kick(t->pt);
		if (i % 16 == 0)
			sleep_us(50);
	}
	(void)plat_mm_write(t->proc->mm, flag, &one, 4, false);
	return NULL;
}

static void in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t th;

	ASSERT(pthread_create(&th, NULL, fn, arg) == 0);
	pthread_detach(th);
}

static void kick_later(struct task *t)
{
	struct kick_later *k = mem_new(struct kick_later);

	ASSERT(k);
	k->task = t;
	k->us = t->kick_restarts ? 200000 : 20000;
	in_thread(kicker, k);
}

struct kill_later {
	struct plat_mm *mm;
	long us;
};

static void *killer(void *arg)
{
	struct kill_later *k = arg;

	sleep_us(k->us);
	plat_mm_kill(k->mm);
	plat_mm_put(k->mm);
	mem_free(k);
	return NULL;
}

static void kill_later(struct plat_mm *mm, uint64_t ms)
{
	struct kill_later *k = mem_new(struct kill_later);

	plat_mm_get(mm);
	*k = (struct kill_later){ mm, (long)ms * 1000 };
	in_thread(killer, k);
}

/* Every second page from PROG_FILE_AT on, each of its own descriptor. */
static long do_map_file(struct task *t, int yields)
{
	struct plat_hostcall calls[PROG_FILE_COUNT];
	int fds[PROG_FILE_COUNT], r;

	for (int i = 0; i < PROG_FILE_COUNT; i++) {
		int value = 1000 + i;

		fds[i] = host_memfd_create("file", 0);
		ASSERT(host_pwrite(fds[i], &value, sizeof(value), 4096) == sizeof(value));
		calls[i] = (struct plat_hostcall){
			.nr = SYS_mmap,
			.args = { PROG_FILE_AT + (uint64_t)i * 8192, 4096, PROT_READ,
				  MAP_PRIVATE | MAP_FIXED, 0, 4096 },
			.host_fd = fds[i],
		};
	}
	while (yields-- > 0)
		fiber_yield(); /* the doorbell is answered: the stub is parked */
	r = plat_hostcalls(t->pt, calls, PROG_FILE_COUNT);
	for (int i = 0; i < PROG_FILE_COUNT; i++)
		host_close(fds[i]);
	return r;
}

/* Fills with 1, 2, 3…; mode 1: in two pieces, the second one first; 2: a gap stays. */
static long do_read(struct task *t, uint64_t mode, uint64_t addr, uint64_t size)
{
	const struct uio_space *s = plat_thread_space(t->pt);
	size_t half = size / 2;
	uint8_t *b = mem_alloc(size);
	ssize_t n;

	for (size_t i = 0; i < size; i++)
		b[i] = (uint8_t)(i + 1);
	switch (mode) {
	case 0:
		n = s->write(s, addr, b, size);
		break;
	case 1:
		n = s->write(s, addr + half, b + half, size - half);
		if (n > 0)
			n += s->write(s, addr, b, half);
		break;
	default:
		n = s->write(s, addr, b, 1);
		if (n > 0)
			n += s->write(s, addr + size - 1, b + size - 1, 1);
		break;
	}
	mem_free(b);
	return n;
}

static long do_fpu(struct task *t)
{
	size_t size = plat_fpstate_size();
	uint8_t *state = mem_alloc(size);
	long r = -EIO;

	/* XMM registers start at 160, 16 bytes each. */
	if (plat_fpstate_get(t->pt, state, size) == (ssize_t)size && state[160 + 5 * 16] == 5) {
		state[160 + 5 * 16] = 6;
		r = plat_fpstate_set(t->pt, state, size);
		state[512 + 8] = 1; /* a compacted form: nobody has it in a frame */
		if (plat_fpstate_set(t->pt, state, size) != -EINVAL)
			r = -EIO;
	}
	mem_free(state);
	return r;
}

static void do_exec(struct task *t, int program)
{
	static const uint64_t map[2][2] = { { PROGRAMS_BASE, 0x40000 }, { 0x70000000, 0x20000 } };
	struct plat_hostcall calls[2];
	plat_regs_t *r;
	size_t size = (size_t)(programs_end - programs);

	for (int i = 0; i < 2; i++)
		calls[i] = (struct plat_hostcall){
			.nr = SYS_mmap,
			.args = { map[i][0], map[i][1], 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0, 0 },
			.host_fd = -1,
		};
	ASSERT(plat_hostcalls(t->pt, calls, 2) == 2);
	ASSERT(plat_mm_write(t->proc->mm, PROGRAMS_BASE, programs, size, false) == (ssize_t)size);
	calls[0] = (struct plat_hostcall){
		.nr = SYS_mprotect,
		.args = { PROGRAMS_BASE, PROGRAMS_TEXT_SIZE, 5 },
		.host_fd = -1,
	};
	ASSERT(plat_hostcalls(t->pt, calls, 1) == 1);
	r = plat_regs_mut(t->pt);
	r->rip = PROGRAMS_BASE;
	r->rsp = 0x70020000 - 8;
	r->rdi = (uint64_t)program;
	r->rsi = (uint64_t)t->arg;
	r->eflags = 0x202;
}

/* False: the task has ended. */
static bool do_syscall(struct task *t, const struct plat_event *ev)
{
	const struct uio_space *space;
	const uint64_t *a = ev->syscall.args;
	long r = -ENOSYS;

	switch (ev->syscall.compat ? UINT64_MAX : ev->syscall.nr) {
	case 1:
		space = plat_thread_space(t->pt);
		r = space->read(space, a[1], kernel.output, MIN(a[2], sizeof(kernel.output)));
		kernel.output_size = r > 0 ? (size_t)r : 0;
		break;
	case 0:
		r = do_read(t, a[0], a[1], a[2]);
		break;
	case 2:
		space = plat_thread_space(t->pt);
		r = space->read(space, a[0], kernel.output, sizeof(kernel.output));
		break;
	case 39:
		r = PROG_PID;
		break;
	case 186:
		r = t->tid;
		break;
	case 273:
		plat_robust_list_set(t->pt, a[0]);
		r = 0;
		break;
	case 56:
		r = do_clone(t, a[0], a[1], a[3]);
		break;
	case 61:
		r = do_wait(t, (int)a[0], a[1]);
		break;
	case 59:
		ASSERT(plat_mm_reset(t->pt) == 0);
		do_exec(t, (int)a[0]);
		return true;
	case 60:
		plat_thread_exit(t->pt, t->tid);
		return false;
	case 231:
		t->proc->status = (int)a[0];
		t->proc->exiting = true;
		if (t->proc->tasks == 1) {
			plat_thread_exit(t->pt, t->tid);
			return false;
		}
		plat_mm_kill(t->proc->mm);
		return true;
	case PROG_SYS_KICK_ME:
		t->kick_flag = a[0];
		kick_later(t);
		r = 0;
		break;
	case PROG_SYS_KICK_RESTART:
		t->kick_restarts = true;
		__attribute__((fallthrough));
	case PROG_SYS_KICK_IGNORED:
		t->kick_flag = 0;
		kick_later(t);
		r = 0;
		break;
	case PROG_SYS_KICK_STORM:
		t->kick_flag = a[0];
		in_thread(kick_storm, t);
		r = 0;
		break;
	case PROG_SYS_STOP:
		in_thread(stopper, (void *)(intptr_t)plat_thread_host_tid(t->pt));
		r = 0;
		break;
	case PROG_SYS_KICK_ALWAYS:
		plat_mm_get(t->proc->mm);
		in_thread(kick_always, t->proc->mm);
		r = 0;
		break;
	case PROG_SYS_LOOK:
		r = do_look(t);
		break;
	case PROG_SYS_KILL_ME:
		kill_later(t->proc->mm, a[0]);
		r = 0;
		break;
	case 9:
		r = ev->syscall.args[3] == 0x22 ? 0x777 : -ENOSYS;
		break;
	case PROG_SYS_MAP_FILE:
		r = do_map_file(t, (int)a[0]);
		break;
	case PROG_SYS_FPU:
		r = do_fpu(t);
		break;
	case PROG_SYS_NATIVE_OFF:
		plat_mm_set_native(t->proc->mm, false);
		r = 0;
		break;
	case PROG_SYS_IDENTITY:
		plat_mm_set_identity(t->proc->mm, &(struct plat_identity){
			.pid = 77, .ppid = 76, .uid = 1001, .valid = 1 });
		r = 0;
		break;
	}
	plat_set_result(t->pt, r);
	return true;
}

static void do_kicked(struct task *t)
{
	const plat_regs_t *r = plat_regs(t->pt);
	uint32_t one = 1;

	t->kicks++;
	if (t->kick_restarts && r->orig_rax == SYS_futex) {
		plat_regs_t *w = plat_regs_mut(t->pt);

		w->rax = SYS_restart_syscall;
		w->rip -= 2;
	}
	if (!t->kick_flag)
		return;
	(void)plat_mm_write(t->proc->mm, t->kick_flag, &one, 4, false);
	t->kick_flag = 0;
	/* As after a handler: the wait ends. */
	if (r->orig_rax == SYS_futex)
		plat_regs_mut(t->pt)->rax = (unsigned long)-EINTR;
}

static void do_fault(struct task *t, const struct plat_event *ev)
{
	if (kernel.fault_count < 16)
		kernel.faults[kernel.fault_count++] = ev->fault.signo;
	if (++t->fault_count > 8) {
		plat_mm_kill(t->proc->mm);
		return;
	}
	plat_regs_mut(t->pt)->rip += plat_regs(t->pt)->rdi;
}

static void task_main(void *arg)
{
	struct task *t = arg;
	struct plat_event ev;

	latch_lock(&kernel.tasks_latch);
	list_append(&kernel.tasks, &t->node);
	latch_unlock(&kernel.tasks_latch);
	if (t->program) {
		ASSERT(plat_start(t->pt) == 0);
		do_exec(t, t->program);
	}
	for (;;) {
		plat_run(t->pt, &ev);
		switch (ev.kind) {
		case PLAT_SYSCALL:
			if (do_syscall(t, &ev))
				continue;
			break;
		case PLAT_FAULT:
			do_fault(t, &ev);
			continue;
		case PLAT_KICKED:
			do_kicked(t);
			continue;
		case PLAT_NATIVE_DONE:
			continue;
		case PLAT_DEAD:
			if (!t->proc->exiting)
				t->proc->wait_status = ev.dead.wait_status;
			break;
		}
		break;
	}
	task_end(t);
}

static void boot(void *arg)
{
	struct task *proto = arg, *t;
	struct plat_mm *mm;
	struct proc *p;

	ASSERT(plat_mm_new(&mm) == 0);
	p = proc_new(mm, 0);
	t = task_new(p);
	t->program = proto->program;
	t->arg = proto->arg;
	fiber_start(t->fiber);
}

/* Run a program to its end; its exit status, or -1 when the host process was killed. */
static int run_program(enum program program, long arg)
{
	struct task proto = { .program = program, .arg = arg };

	atomic_store(&kernel.done, 0);
	kernel.status = kernel.wait_status = kernel.fault_count = 0;
	kernel.output_size = 0;
	fiber_start(fiber_new(boot, &proto));
	while (!atomic_load(&kernel.done))
		(void)host_futex(&kernel.done, 0, 0, NULL, 0);
	if (kernel.wait_status)
		log_info("killed: wait status %#x", (unsigned int)kernel.wait_status);
	return kernel.wait_status ? -1 : kernel.status;
}

/* ---- the process ---- */

static void *workers_main(void *arg)
{
	(void)arg;
	workers_start(plat_worker_hooks(), 4);
	return NULL;
}

static void kernel_init(const char *platform)
{
	struct plat_config config = {
		.name = platform,
		.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
#ifdef TEST_PATCH
		.patch = true, /* each site at its first trap */
#endif
		.patch_after = 1,
	};
	static pthread_t th;
	int err;

	static char out[4096];

	setvbuf(stdout, out, _IOLBF, sizeof(out)); /* else it would ask what stdout is, in the jail */
	mutex_init(&kernel.lock, LOCK_NONE);
	wq_init(&kernel.exits);
	list_init(&kernel.procs);
	list_init(&kernel.tasks);
	kernel.next_pid = 100;
	log_open(2, "test", getenv("TEST_DEBUG") ? LOG_DEBUG : LOG_INFO, LOG_TEXT);
	err = plat_init(&config);
	if (err < 0) {
		fprintf(stderr, "plat_init: %s\n", strerror(-err));
		exit(1);
	}
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ASSERT(jail_sentry_filter(config.proc_fd, 2, strcmp(platform, "ptrace") == 0 ? JAIL_PTRACE : 0) == 0);
#endif
	ASSERT(pthread_create(&th, NULL, workers_main, NULL) == 0);
}

/* In the process that may go on. */
static void kernel_isolate(char **argv)
{
	struct rlimit r;
	int status;
	pid_t pid;

	getrlimit(RLIMIT_STACK, &r);
	if (!getenv("TEST_KERNEL")) {
		setenv("TEST_KERNEL", "1", 1);
		setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* its tracer would be reaped as a stub */
		r.rlim_cur = 4ul << 30;
		if (setrlimit(RLIMIT_STACK, &r) == 0)
			execv("/proc/self/exe", argv);
		perror("re-exec");
		exit(1);
	}
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) {
		perror("unshare");
		exit(77);
	}
	pid = fork();
	if (pid != 0) {
		waitpid(pid, &status, 0);
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	(void)mount("proc", "/proc", "proc", 0, NULL);
}
