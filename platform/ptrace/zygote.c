/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote.c: making the first traced process: forked off the Sentry before its filter, it maps the
 * text, forgets its parent, gets its filter, and drops the Sentry's memory by code in the text, where
 * it then idles.  tracer_init() traces it for a moment, to see whether that is possible here and what
 * its FPU state looks like; the tracer's worker takes it for good when it starts (tracer.c), since
 * only it may then make requests.
 */
#include "platform/ptrace/ptrace_impl.h"

#include <elf.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/arch/x86_64/abortable.h"
#include "platform/stub_filter.h"
#include "platform/zygote.h"

#define READY_TRIES_MAX 10000
#define REGSET_MAX      16384

struct zygote_plan {
	int text_fd, sock_fd;
	uint64_t ranges[PLAT_RESET_CALLS][2]; /* to unmap: address, size */
	int nice;
};

/* ---- in the child: host calls only, no libc (platform/zygote.h) -------------------------------- */

/*
 * x86_64/text.S: the ranges in registers.  Never comes back, but that must not be said: ASan would have
 * system calls made first, which the filter is there to trap.
 */
void traced_zygote_jump(uint64_t entry, const uint64_t ranges[PLAT_RESET_CALLS][2]);

_Noreturn static void zygote_main(const struct zygote_plan *p)
{
	const struct stub_filter_options filter = { .traced = true };
	long err;

	zygote_map(STUB_TEXT, STUB_TEXT_MAX, PROT_READ | PROT_EXEC, MAP_PRIVATE, p->text_fd, 0);
	zygote_map(STUB_CONST, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	zygote_forget_parent(TRACED_FDS_FIRST + HOST_FDS_MAX, p->nice);
	/* Only the socket stays, and 2, for our complaints, which the text closes. */
	if (p->sock_fd != 0)
		(void)host_dup3(p->sock_fd, 0, O_CLOEXEC);
	(void)host_close_range(1, 1, 0);
	(void)host_close_range(3, ~0u, 0);
	err = stub_filter_install(&filter, 0);
	if (err < 0)
		zygote_fail("filter", err);
	traced_zygote_jump(traced_text_at(traced_text_zygote), p->ranges);
	for (;;)
		;
}

/* ---- the parent ------------------------------------------------------------------------------- */

static int text_make(void)
{
	size_t size = (size_t)(traced_text_end - traced_text);
	int fd = host_memfd_create("runsc-c-stub", MFD_ALLOW_SEALING);

	if (fd < 0)
		return fd;
	if (host_ftruncate(fd, STUB_TEXT_MAX) < 0 ||
	    host_pwrite(fd, traced_text, size, 0) != (ssize_t)size) {
		host_close(fd);
		return -ENOMEM;
	}
	(void)host_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	return fd;
}

static void pause_briefly(void)
{
	const struct timespec ts = { .tv_nsec = 200000 };
	uint32_t word = 0;

	(void)host_futex(&word, FUTEX_WAIT, 0, &ts, 0);
}

/* Stop it.  -ENOTSUP: it has died, and said why, or will not live. */
static int zygote_stop(pid_t pid)
{
	int status, err;

	err = (int)tracer_call(PTRACE_INTERRUPT, pid, 0, NULL);
	if (err == 0)
		err = host_wait4(pid, &status, __WALL, NULL);
	if (err < 0)
		return err == -ESRCH ? -ENOTSUP : err;
	if (WIFSTOPPED(status) && status >> 16 == 0)
		log_error("ptrace: the zygote got signal %d", WSTOPSIG(status));
	return WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_STOP ? 0 : -ENOTSUP;
}

/* Let it run until it idles, and leave it stopped there. */
static int zygote_await(pid_t pid)
{
	plat_regs_t regs;
	int err;

	for (int i = 0; i < READY_TRIES_MAX; i++) {
		pause_briefly();
		err = zygote_stop(pid);
		if (err < 0)
			return err;
		if (tracer_call(PTRACE_GETREGS, pid, 0, &regs) == 0 &&
		    regs.rip >= traced_text_at(traced_text_idle) &&
		    regs.rip < traced_text_at(traced_text_end))
			return 0;
		(void)tracer_call(PTRACE_CONT, pid, 0, NULL);
	}
	return -ETIMEDOUT;
}

/* What FPU state looks like here. */
static int regset_look(pid_t pid)
{
	uint8_t *regset = mem_zalloc(REGSET_MAX);
	struct iovec iov = { regset, REGSET_MAX };
	long err;

	if (!regset)
		return -ENOMEM;
	err = tracer_call(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov);
	tracer.regset_size = err < 0 ? 0 : iov.iov_len;
	if (err < 0) /* a CPU without XSAVE */
		err = tracer_call(PTRACE_GETFPREGS, pid, 0, regset);
	if (err == 0)
		fpstate_info_of_regset(regset, tracer.regset_size, &tracer.fpstate);
	mem_free(regset);
	return (int)err;
}

/* Whether it can be traced, and how it is then. */
static int zygote_try(pid_t pid)
{
	int err = (int)tracer_call(PTRACE_SEIZE, pid, 0, (void *)PTRACE_O_TRACESYSGOOD);

	if (err < 0) {
		log_error("ptrace: the host does not let us trace our own processes (%d)", err);
		return -ENOTSUP;
	}
	err = zygote_await(pid);
	if (err == 0)
		err = regset_look(pid);
	if (err == 0)
		err = (int)tracer_call(PTRACE_DETACH, pid, 0, NULL);
	return err;
}

static int zygote_spawn(const struct zygote_plan *plan)
{
	/* A raw clone: no thread-local state is touched on either side. */
	long pid = host_call6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
	int err;

	if (pid == 0)
		zygote_main(plan);
	if (pid < 0)
		return (int)pid;
	tracer.zygote_pid = (pid_t)pid;
	err = zygote_try((pid_t)pid);
	if (err < 0)
		(void)host_kill((pid_t)pid, SIGKILL);
	return err;
}

static int tracer_tables(void)
{
	int err = traced_mm_new(&tracer.zygote_mm);

	if (err < 0)
		return err;
	err = traced_thread_new(tracer.zygote_mm, NULL, &tracer.zygote);
	if (err < 0)
		return err;
	if (hash_init(&tracer.by_tid, 64) < 0 || hash_init(&tracer.by_pid, 64) < 0)
		return -ENOMEM;
	mutex_init(&tracer.files, LOCK_PLATFORM);
	return 0;
}

int tracer_init(const struct plat_config *c)
{
	struct plat_hostcall unmap[PLAT_RESET_CALLS];
	size_t count = plat_reset_calls(unmap);
	struct zygote_plan plan = { .text_fd = -1, .nice = c->nice };
	int socks[2], err;

	tracer.self = host_getpid();
	tracer.lost = c->lost;
	tracer.consts.huge_pages = c->huge_pages;
	tracer.consts.user_min = plat_layout()->user_min;
	layout_vdso(&tracer.consts.vdso_min, &tracer.consts.vdso_max);
	for (size_t i = 0; i < count; i++) {
		plan.ranges[i][0] = unmap[i].args[0];
		plan.ranges[i][1] = unmap[i].args[1];
	}
	err = tracer_tables();
	if (err < 0)
		return err;
	(void)host_prctl(PR_SET_DUMPABLE, 1, 0);
	err = host_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks);
	if (err < 0)
		return err;
	tracer.send_fd = socks[0];
	tracer.drain_fd = plan.sock_fd = socks[1];
	plan.text_fd = text_make();
	if (plan.text_fd < 0)
		return plan.text_fd;
	err = zygote_spawn(&plan);
	host_close(plan.text_fd);
	if (err < 0)
		return err;
	return host_abortable_init();
}
