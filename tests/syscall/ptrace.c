/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace.c: ptrace(2): every kind of stop, registers, memory, options and the tracer's end. */
#include "t.h"

#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/user.h>

static long pt(long req, pid_t pid, unsigned long addr, unsigned long data)
{
	return syscall(SYS_ptrace, req, pid, addr, data);
}

#define ADDR(x) ((unsigned long)(x))

/* waitpid's status of pid; __WALL, as all debuggers ask. */
static int wait_for(pid_t pid)
{
	int status = -1;

	EQUAL(waitpid(pid, &status, __WALL), pid);
	return status;
}

#define STOPPED(sig)      ((sig) << 8 | 0x7f)
#define EVENT(event)      ((event) << 16 | SIGTRAP << 8 | 0x7f)
#define SYSGOOD           STOPPED(SIGTRAP | 0x80)

static struct user_regs_struct regs_of(pid_t pid)
{
	struct user_regs_struct r;

	EQUAL(pt(PTRACE_GETREGS, pid, 0, ADDR(&r)), 0);
	return r;
}

/* A child that is traced, stopped by its own SIGSTOP, and then runs fn. */
static pid_t traced(int (*fn)(void), unsigned long options)
{
	pid_t pid = fork();

	if (pid == 0) {
		pt(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(fn());
	}
	EQUAL(wait_for(pid), STOPPED(SIGSTOP));
	if (options)
		EQUAL(pt(PTRACE_SETOPTIONS, pid, 0, options), 0);
	return pid;
}

static void ended(pid_t pid, int status)
{
	EQUAL(wait_for(pid), status);
}

/* ---- memory and registers -------------------------------------------------------------------------- */

static volatile long shared_word = 0x1122334455667788;

static int body_plain(void)
{
	return shared_word == 0x99 ? 5 : 6;
}

static void memory(void)
{
	pid_t pid = traced(body_plain, 0);
	struct user_regs_struct r;
	unsigned long word = 0, text = ADDR(body_plain);
	struct iovec iov = { &r, sizeof(r) };
	char xstate[16384];
	struct user_fpregs_struct fp;

	EQUAL(pt(PTRACE_PEEKDATA, pid, ADDR(&shared_word), ADDR(&word)), 0);
	EQUAL(word, 0x1122334455667788);
	EQUAL(pt(PTRACE_POKEDATA, pid, ADDR(&shared_word), 0x99), 0);
	EQUAL(pt(PTRACE_PEEKDATA, pid, ADDR(&shared_word), ADDR(&word)), 0);
	EQUAL(word, 0x99);
	EQUAL(shared_word, 0x1122334455667788);
	FAILS(EIO, pt(PTRACE_PEEKDATA, pid, 8, ADDR(&word)));
	FAILS(EIO, pt(PTRACE_POKEDATA, pid, 8, 1));
	/* Text, copied on write. */
	EQUAL(pt(PTRACE_PEEKTEXT, pid, text, ADDR(&word)), 0);
	EQUAL(pt(PTRACE_POKETEXT, pid, text, 0x1234), 0);
	unsigned long now;

	EQUAL(pt(PTRACE_PEEKTEXT, pid, text, ADDR(&now)), 0);
	EQUAL(now, 0x1234);
	CHECK(*(volatile unsigned long *)text != 0x1234);
	EQUAL(pt(PTRACE_POKETEXT, pid, text, word), 0);
	/* Registers, four ways. */
	r = regs_of(pid);
	EQUAL(r.cs, 0x33);
	EQUAL(r.ss, 0x2b);
	EQUAL(pt(PTRACE_PEEKUSR, pid, offsetof(struct user_regs_struct, rip), ADDR(&word)), 0);
	EQUAL(word, r.rip);
	FAILS(EIO, pt(PTRACE_PEEKUSR, pid, 3, ADDR(&word)));
	FAILS(EIO, pt(PTRACE_PEEKUSR, pid, 1 << 20, ADDR(&word)));
	EQUAL(pt(PTRACE_POKEUSR, pid, offsetof(struct user_regs_struct, r15), 77), 0);
	EQUAL(pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, ADDR(&iov)), 0);
	EQUAL(iov.iov_len, sizeof(r));
	EQUAL(r.r15, 77);
	EQUAL(pt(PTRACE_SETREGSET, pid, NT_PRSTATUS, ADDR(&iov)), 0);
	FAILS(EINVAL, pt(PTRACE_GETREGSET, pid, 0x999, ADDR(&iov)));
	/* FPU */
	EQUAL(pt(PTRACE_GETFPREGS, pid, 0, ADDR(&fp)), 0);
	CHECK((fp.mxcsr & 0xffff) == 0x1f80);
	fp.xmm_space[0] = 0x12345678;
	EQUAL(pt(PTRACE_SETFPREGS, pid, 0, ADDR(&fp)), 0);
	memset(&fp, 0, sizeof(fp));
	EQUAL(pt(PTRACE_GETFPREGS, pid, 0, ADDR(&fp)), 0);
	EQUAL(fp.xmm_space[0], 0x12345678);
	iov = (struct iovec){ xstate, sizeof(xstate) };
	EQUAL(pt(PTRACE_GETREGSET, pid, NT_X86_XSTATE, ADDR(&iov)), 0);
	CHECK(iov.iov_len >= 576);
	CHECK((*(uint64_t *)(xstate + 464) & 3) == 3); /* XCR0 */
	EQUAL(*(uint32_t *)(xstate + 160), 0x12345678);
	EQUAL(pt(PTRACE_SETREGSET, pid, NT_X86_XSTATE, ADDR(&iov)), 0);
	FAILS(EINVAL, pt(PTRACE_SETOPTIONS, pid, 0, 1 << 30));
	FAILS(EIO, pt(PTRACE_CONT, pid, 0, 999));
	FAILS(EIO, pt(9999, pid, 0, 0));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 5 << 8);
	FAILS(ESRCH, pt(PTRACE_CONT, pid, 0, 0));
}

/* ---- signals ------------------------------------------------------------------------------------------ */

static int body_signals(void)
{
	t_handle(SIGUSR1, 0);
	t_handle(SIGUSR2, 0);
	raise(SIGUSR1); /* dropped by the tracer */
	if (t_signals)
		return 1;
	raise(SIGUSR1); /* becomes SIGUSR2 */
	raise(SIGCHLD); /* ignored, but told of */
	return t_signals == 1 ? 7 : 2;
}

static void signals(void)
{
	pid_t pid = traced(body_signals, 0);
	siginfo_t info;
	uint64_t mask = 0;

	EQUAL(pt(PTRACE_GETSIGINFO, pid, 0, ADDR(&info)), 0);
	EQUAL(info.si_signo, SIGSTOP);
	EQUAL(info.si_code, SI_TKILL);
	EQUAL(info.si_pid, pid);
	EQUAL(pt(PTRACE_GETSIGMASK, pid, 8, ADDR(&mask)), 0);
	FAILS(EINVAL, pt(PTRACE_GETSIGMASK, pid, 4, ADDR(&mask)));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), STOPPED(SIGUSR1));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), STOPPED(SIGUSR1));
	EQUAL(pt(PTRACE_CONT, pid, 0, SIGUSR2), 0);
	EQUAL(wait_for(pid), STOPPED(SIGCHLD));
	EQUAL(pt(PTRACE_CONT, pid, 0, SIGCHLD), 0);
	ended(pid, 7 << 8);
	/* SIGKILL through a stop */
	pid = traced(body_signals, 0);
	EQUAL(kill(pid, SIGKILL), 0);
	ended(pid, SIGKILL);
	pid = traced(body_signals, 0);
	EQUAL(pt(PTRACE_KILL, pid, 0, 0), 0);
	ended(pid, SIGKILL);
}

static int body_group_stop(void)
{
	raise(SIGTSTP);
	return 3;
}

static void group_stop(void)
{
	pid_t pid = traced(body_group_stop, 0);
	siginfo_t info;

	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), STOPPED(SIGTSTP)); /* signal-delivery-stop */
	EQUAL(pt(PTRACE_GETSIGINFO, pid, 0, ADDR(&info)), 0);
	EQUAL(pt(PTRACE_CONT, pid, 0, SIGSTOP), 0);
	EQUAL(wait_for(pid), STOPPED(SIGSTOP)); /* group-stop */
	FAILS(EINVAL, pt(PTRACE_GETSIGINFO, pid, 0, ADDR(&info)));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 3 << 8);
}

/* ---- system calls ---------------------------------------------------------------------------------------- */

static int body_calls(void)
{
	if (syscall(SYS_getpgid, 1, 2, 3, 4, 5, 6) != -1 || errno != EDOM)
		return 1;
	if (syscall(SYS_getppid) != 4711)
		return 2;
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return 3;
	return 0;
}

static long next_stop(pid_t pid, int want)
{
	EQUAL(pt(PTRACE_SYSCALL, pid, 0, 0), 0);
	EQUAL(wait_for(pid), want);
	return (long)regs_of(pid).orig_rax;
}

static void syscalls(void)
{
	pid_t pid = traced(body_calls, PTRACE_O_TRACESYSGOOD);
	struct ptrace_syscall_info info;
	struct user_regs_struct r;
	unsigned long msg;

	EQUAL(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), ADDR(&info)),
	      offsetof(struct ptrace_syscall_info, entry));
	EQUAL(info.op, PTRACE_SYSCALL_INFO_NONE);
	while (next_stop(pid, SYSGOOD) != SYS_getpgid) /* what raise() still does */
		;
	r = regs_of(pid);
	EQUAL(r.rax, -ENOSYS);
	EQUAL(r.rdi, 1);
	EQUAL(r.r9, 6);
	EQUAL(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), ADDR(&info)), 80);
	EQUAL(info.op, PTRACE_SYSCALL_INFO_ENTRY);
	EQUAL(info.arch, AUDIT_ARCH_X86_64);
	EQUAL(info.entry.nr, SYS_getpgid);
	EQUAL(info.entry.args[5], 6);
	EQUAL(info.instruction_pointer, r.rip);
	EQUAL(pt(PTRACE_GETEVENTMSG, pid, 0, ADDR(&msg)), 0);
	EQUAL(msg, PTRACE_EVENTMSG_SYSCALL_ENTRY);
	/* not made; another result */
	r.orig_rax = -1;
	r.rax = -EDOM;
	EQUAL(pt(PTRACE_SETREGS, pid, 0, ADDR(&r)), 0);
	next_stop(pid, SYSGOOD);
	EQUAL(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), ADDR(&info)), 33);
	EQUAL(info.op, PTRACE_SYSCALL_INFO_EXIT);
	EQUAL(info.exit.rval, -EDOM);
	EQUAL(info.exit.is_error, 1);
	EQUAL(next_stop(pid, SYSGOOD), SYS_getppid);
	EQUAL(next_stop(pid, SYSGOOD), SYS_getppid);
	EQUAL(regs_of(pid).rax, getpid());
	r = regs_of(pid);
	r.rax = 4711;
	EQUAL(pt(PTRACE_SETREGS, pid, 0, ADDR(&r)), 0);
	EQUAL(next_stop(pid, SYSGOOD), SYS_mmap);
	EQUAL(next_stop(pid, SYSGOOD), SYS_mmap);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 0);
	/* without SYSGOOD, and SYSEMU */
	pid = traced(body_calls, 0);
	EQUAL(pt(PTRACE_SYSEMU, pid, 0, 0), 0);
	for (;;) {
		EQUAL(wait_for(pid), STOPPED(SIGTRAP));
		r = regs_of(pid);
		if (r.orig_rax == SYS_getppid)
			break;
		r.rax = r.orig_rax == SYS_getpgid ? -EDOM : 0;
		EQUAL(pt(PTRACE_SETREGS, pid, 0, ADDR(&r)), 0);
		EQUAL(pt(PTRACE_SYSEMU, pid, 0, 0), 0);
	}
	r.rax = 4711;
	EQUAL(pt(PTRACE_SETREGS, pid, 0, ADDR(&r)), 0);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 0);
}

static int pipe_fd[2];

static int body_read(void)
{
	char c = 0;

	t_handle(SIGUSR1, SA_RESTART);
	return read(pipe_fd[0], &c, 1) == 1 && c == 'x' && t_signals == 1 ? 0 : 1;
}

/* A signal interrupts a call: the tracer sees the restart code. */
static void restarts(void)
{
	pid_t pid;

	EQUAL(pipe(pipe_fd), 0);
	pid = traced(body_read, PTRACE_O_TRACESYSGOOD);
	while (next_stop(pid, SYSGOOD) != SYS_read)
		;
	EQUAL(pt(PTRACE_SYSCALL, pid, 0, 0), 0);
	t_sleep_ms(30);
	EQUAL(kill(pid, SIGUSR1), 0);
	EQUAL(wait_for(pid), SYSGOOD);
	EQUAL(regs_of(pid).rax, -512);
	EQUAL(pt(PTRACE_SYSCALL, pid, 0, 0), 0);
	EQUAL(wait_for(pid), STOPPED(SIGUSR1));
	EQUAL(regs_of(pid).rax, -512);
	EQUAL(regs_of(pid).orig_rax, SYS_read);
	EQUAL(write(pipe_fd[1], "x", 1), 1);
	EQUAL(pt(PTRACE_CONT, pid, 0, SIGUSR1), 0);
	ended(pid, 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* ---- steps and breakpoints --------------------------------------------------------------------------------- */

static volatile int stepped;

__attribute__((noinline)) static int target_fn(int x)
{
	stepped = x;
	return x + 1;
}

static int body_step(void)
{
	return target_fn(41) == 42 ? 0 : 1;
}

static void steps(void)
{
	pid_t pid = traced(body_step, 0);
	unsigned long word, count = 0;
	struct user_regs_struct r;
	siginfo_t info;

	/* a breakpoint */
	EQUAL(pt(PTRACE_PEEKTEXT, pid, ADDR(target_fn), ADDR(&word)), 0);
	EQUAL(pt(PTRACE_POKETEXT, pid, ADDR(target_fn), (word & ~0xfful) | 0xcc), 0);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), STOPPED(SIGTRAP));
	r = regs_of(pid);
	EQUAL(r.rip, ADDR(target_fn) + 1);
	EQUAL(r.rdi, 41);
	EQUAL(pt(PTRACE_GETSIGINFO, pid, 0, ADDR(&info)), 0);
	EQUAL(info.si_signo, SIGTRAP);
	EQUAL(info.si_code, SI_KERNEL);
	EQUAL(pt(PTRACE_POKETEXT, pid, ADDR(target_fn), word), 0);
	r.rip--;
	EQUAL(pt(PTRACE_SETREGS, pid, 0, ADDR(&r)), 0);
	/* step until back in the caller */
	do {
		EQUAL(pt(PTRACE_SINGLESTEP, pid, 0, 0), 0);
		EQUAL(wait_for(pid), STOPPED(SIGTRAP));
		r = regs_of(pid);
		CHECK(!(r.eflags & 0x100));
		if (++count == 1) {
			EQUAL(pt(PTRACE_GETSIGINFO, pid, 0, ADDR(&info)), 0);
			EQUAL(info.si_code, TRAP_TRACE);
		}
	} while (r.rax != 42 && count < 100);
	CHECK(count < 100);
	/* over a system call: exit_group */
	for (count = 0; count < 5000; count++) {
		int status;

		EQUAL(pt(PTRACE_SINGLESTEP, pid, 0, 0), 0);
		status = wait_for(pid);
		if (status == 0)
			break;
		if (status != STOPPED(SIGTRAP)) {
			EQUAL(status, STOPPED(SIGTRAP));
			break;
		}
	}
	CHECK(count < 5000);
}

/* ---- events ---------------------------------------------------------------------------------------------- */

static void *thread_fn(void *arg)
{
	return arg;
}

static int body_thread(void)
{
	pthread_t th;

	pthread_create(&th, NULL, thread_fn, NULL);
	pthread_join(th, NULL);
	return 9;
}

static void clone_event(void)
{
	pid_t pid = traced(body_thread, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT);
	unsigned long tid, msg;
	int status;

	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_CLONE));
	EQUAL(pt(PTRACE_GETEVENTMSG, pid, 0, ADDR(&tid)), 0);
	CHECK((pid_t)tid > 0 && (pid_t)tid != pid);
	EQUAL(wait_for((pid_t)tid), STOPPED(SIGSTOP));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(pt(PTRACE_CONT, (pid_t)tid, 0, 0), 0);
	EQUAL(wait_for((pid_t)tid), EVENT(PTRACE_EVENT_EXIT));
	EQUAL(pt(PTRACE_CONT, (pid_t)tid, 0, 0), 0);
	/* Its joiner may have ended the whole process by then. */
	status = wait_for((pid_t)tid);
	CHECK(status == 0 || status == 9 << 8);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_EXIT));
	EQUAL(pt(PTRACE_GETEVENTMSG, pid, 0, ADDR(&msg)), 0);
	EQUAL(msg, 9 << 8);
	CHECK(regs_of(pid).rip != 0);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 9 << 8);
}

static int body_fork(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(4);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void fork_event(void)
{
	pid_t pid = traced(body_fork, PTRACE_O_TRACEFORK);
	unsigned long child;

	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_FORK));
	EQUAL(pt(PTRACE_GETEVENTMSG, pid, 0, ADDR(&child)), 0);
	EQUAL(wait_for((pid_t)child), STOPPED(SIGSTOP));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(pt(PTRACE_CONT, (pid_t)child, 0, 0), 0);
	/* The grandchild's end is seen by its tracer first, and then by its parent. */
	ended((pid_t)child, 4 << 8);
	EQUAL(wait_for(pid), STOPPED(SIGCHLD));
	EQUAL(pt(PTRACE_CONT, pid, 0, SIGCHLD), 0);
	ended(pid, 4 << 8);
}

static int body_vfork_exec(void)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		execle("/proc/self/exe", "ptrace", NULL, (char *[]){ "EXECD=1", NULL });
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void vfork_exec_event(void)
{
	pid_t pid = traced(body_vfork_exec, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE |
						    PTRACE_O_TRACEEXEC);
	unsigned long child, msg;

	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_VFORK));
	EQUAL(pt(PTRACE_GETEVENTMSG, pid, 0, ADDR(&child)), 0);
	EQUAL(wait_for((pid_t)child), STOPPED(SIGSTOP));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(pt(PTRACE_CONT, (pid_t)child, 0, 0), 0);
	EQUAL(wait_for((pid_t)child), EVENT(PTRACE_EVENT_EXEC));
	EQUAL(pt(PTRACE_GETEVENTMSG, (pid_t)child, 0, ADDR(&msg)), 0);
	EQUAL(msg, child);
	EQUAL(regs_of((pid_t)child).rax, -ENOSYS);
	EQUAL(regs_of((pid_t)child).orig_rax, SYS_execve);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_VFORK_DONE));
	EQUAL(pt(PTRACE_GETEVENTMSG, pid, 0, ADDR(&msg)), 0);
	EQUAL(msg, child);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(pt(PTRACE_CONT, (pid_t)child, 0, 0), 0);
	ended((pid_t)child, 33 << 8);
	EQUAL(wait_for(pid), STOPPED(SIGCHLD));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 33 << 8);
}

static int body_exec(void)
{
	execle("/proc/self/exe", "ptrace", NULL, (char *[]){ "EXECD=1", NULL });
	return 1;
}

/* Without options an execve is told of by a plain SIGTRAP. */
static void exec_trap(void)
{
	pid_t pid = traced(body_exec, 0);

	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), STOPPED(SIGTRAP));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 33 << 8);
}

static int body_seccomp(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 123),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { 4, f };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, 2, &p))
		return 1;
	if (syscall(SYS_getpgid, 0) != getpgrp())
		return 2;
	return syscall(SYS_getpgid, 0) == 55 ? 0 : 3;
}

static void seccomp_event(void)
{
	pid_t pid = traced(body_seccomp, PTRACE_O_TRACESECCOMP);
	struct ptrace_syscall_info info;
	struct user_regs_struct r;
	unsigned long msg;

	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_SECCOMP));
	EQUAL(pt(PTRACE_GETEVENTMSG, pid, 0, ADDR(&msg)), 0);
	EQUAL(msg, 123);
	EQUAL(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), ADDR(&info)), 84);
	EQUAL(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
	EQUAL(info.seccomp.ret_data, 123);
	EQUAL(info.seccomp.nr, SYS_getpgid);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_SECCOMP));
	r = regs_of(pid);
	r.orig_rax = -1;
	r.rax = 55;
	EQUAL(pt(PTRACE_SETREGS, pid, 0, ADDR(&r)), 0);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 0);
}

/* ---- attaching ---------------------------------------------------------------------------------------------- */

__attribute__((noreturn)) static int body_loop(void)
{
	for (;;)
		usleep(1000);
}

static int status_of(pid_t pid, const char *key)
{
	char name[64], line[256];
	int v = -1;
	FILE *s;

	snprintf(name, sizeof(name), "/proc/%d/status", pid);
	s = fopen(name, "r");
	while (s && fgets(line, sizeof(line), s))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			v = key[0] == 'S' ? line[strlen(key) + 2] : atoi(line + strlen(key) + 1);
	if (s)
		fclose(s);
	return v;
}

static void attach(void)
{
	pid_t pid = t_fork(body_loop);

	t_sleep_ms(20);
	FAILS(ESRCH, pt(PTRACE_CONT, pid, 0, 0));
	FAILS(EPERM, pt(PTRACE_ATTACH, getpid(), 0, 0));
	FAILS(ESRCH, pt(PTRACE_ATTACH, 999999, 0, 0));
	EQUAL(status_of(pid, "TracerPid"), 0);
	EQUAL(pt(PTRACE_ATTACH, pid, 0, 0), 0);
	FAILS(EPERM, pt(PTRACE_ATTACH, pid, 0, 0));
	EQUAL(wait_for(pid), STOPPED(SIGSTOP));
	EQUAL(status_of(pid, "TracerPid"), getpid());
	EQUAL(status_of(pid, "State"), 't');
	EQUAL(pt(PTRACE_DETACH, pid, 0, 0), 0);
	EQUAL(status_of(pid, "TracerPid"), 0);
	/* seized */
	FAILS(EIO, pt(PTRACE_SEIZE, pid, 1, 0));
	FAILS(EIO, pt(PTRACE_SEIZE, pid, 0, 1 << 30));
	EQUAL(pt(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD), 0);
	EQUAL(waitpid(pid, NULL, __WALL | WNOHANG), 0);
	EQUAL(pt(PTRACE_INTERRUPT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_STOP));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	/* group-stop, listened to */
	EQUAL(kill(pid, SIGSTOP), 0);
	EQUAL(wait_for(pid), STOPPED(SIGSTOP));
	EQUAL(pt(PTRACE_CONT, pid, 0, SIGSTOP), 0);
	EQUAL(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	EQUAL(pt(PTRACE_LISTEN, pid, 0, 0), 0);
	FAILS(ESRCH, pt(PTRACE_CONT, pid, 0, 0));
	EQUAL(kill(pid, SIGCONT), 0);
	EQUAL(wait_for(pid), EVENT(PTRACE_EVENT_STOP));
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	EQUAL(wait_for(pid), STOPPED(SIGCONT));
	EQUAL(pt(PTRACE_DETACH, pid, 0, SIGTERM), 0);
	ended(pid, SIGTERM);
	/* one that is stopped already */
	pid = t_fork(body_loop);
	kill(pid, SIGSTOP);
	EQUAL(waitpid(pid, NULL, WUNTRACED), pid);
	EQUAL(pt(PTRACE_SEIZE, pid, 0, 0), 0);
	EQUAL(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	EQUAL(pt(PTRACE_DETACH, pid, 0, 0), 0);
	AWAIT(status_of(pid, "State") == 'T'); /* its group is still stopped */
	kill(pid, SIGKILL);
	ended(pid, SIGKILL);
}

/* The tracer's end lets tracees go, or with EXITKILL ends them. */
static void tracer_exit(void)
{
	int status;

	for (int exitkill = 0; exitkill < 2; exitkill++) {
		pid_t pid = t_fork(body_loop), tracer;

		tracer = fork();
		if (tracer == 0) {
			pt(PTRACE_SEIZE, pid, 0, exitkill ? PTRACE_O_EXITKILL : 0);
			pt(PTRACE_INTERRUPT, pid, 0, 0);
			waitpid(pid, &status, __WALL);
			_exit(status == EVENT(PTRACE_EVENT_STOP) ? 0 : 1);
		}
		EQUAL(t_wait(tracer), 0);
		if (!exitkill) {
			t_sleep_ms(10);
			EQUAL(waitpid(pid, &status, WNOHANG), 0);
			EQUAL(status_of(pid, "TracerPid"), 0);
			kill(pid, SIGKILL);
		}
		ended(pid, SIGKILL);
	}
}

static void unprivileged(void)
{
	pid_t pid = t_fork(body_loop), child;

	child = fork();
	if (child == 0) {
		t_failures = 0;
		if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
			_exit(0);
		FAILS(EPERM, pt(PTRACE_ATTACH, pid, 0, 0));
		_exit(t_failures ? 1 : 0);
	}
	EQUAL(t_wait(child), 0);
	kill(pid, SIGKILL);
	ended(pid, SIGKILL);
}

/* waitid's view of a stop. */
static void waitid_stop(void)
{
	pid_t pid = fork();
	siginfo_t info;

	if (pid == 0) {
		t_failures = 0;
		pt(PTRACE_TRACEME, 0, 0, 0);
		FAILS(EPERM, pt(PTRACE_TRACEME, 0, 0, 0));
		raise(SIGUSR1);
		_exit(t_failures ? 1 : 0);
	}
	EQUAL(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
	EQUAL(info.si_code, CLD_TRAPPED);
	EQUAL(info.si_status, SIGUSR1);
	EQUAL(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
	EQUAL(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG), 0);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 0);
}

/* /proc/PID/mem, text included. */
static void proc_mem(void)
{
	pid_t pid = traced(body_plain, 0);
	long word = 0x99;
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	fd = open(name, O_RDWR);
	CHECK(fd >= 0);
	EQUAL(pwrite(fd, &word, sizeof(word), (off_t)ADDR(&shared_word)), 8);
	EQUAL(pread(fd, &word, sizeof(word), (off_t)ADDR(body_plain)), 8);
	EQUAL(pwrite(fd, &word, sizeof(word), (off_t)ADDR(body_plain)), 8);
	close(fd);
	EQUAL(pt(PTRACE_CONT, pid, 0, 0), 0);
	ended(pid, 5 << 8);
}

/* PART: the name of one to run. */
T_MAIN
{
	const char *part = getenv("PART");

	static const struct {
		const char *name;
		void (*fn)(void);
	} parts[] = {
		{ "memory", memory }, { "signals", signals }, { "group_stop", group_stop },
		{ "syscalls", syscalls }, { "restarts", restarts }, { "steps", steps },
		{ "clone_event", clone_event }, { "fork_event", fork_event },
		{ "vfork_exec_event", vfork_exec_event }, { "exec_trap", exec_trap },
		{ "seccomp_event", seccomp_event }, { "attach", attach },
		{ "tracer_exit", tracer_exit }, { "unprivileged", unprivileged },
		{ "waitid_stop", waitid_stop }, { "proc_mem", proc_mem },
	};

	if (getenv("EXECD"))
		exit(33);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int before = t_failures;

		if (part && strcmp(part, parts[i].name))
			continue;
		parts[i].fn();
		if (t_failures != before)
			printf("in %s\n", parts[i].name);
	}
}
