/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote.c: making the first process with a stub.
 *
 * It is forked off the Sentry (a raw clone: no libc atfork, no CLEARTID, so nothing that libc wanted
 * from the kernel for its own sake lives on), before the Sentry's own filter.  In order: map the stub,
 * undo what libc registered, signal handlers, limits, the filter; then any system call is the first
 * trap, which runs stub/zygote.c on a real signal frame.  The Sentry takes the listener with
 * pidfd_getfd, and the zygote closes its own.
 *
 * From then on it is only cloned: for the first process of each empty address space, with
 * CLONE_PARENT, so that the Sentry reaps them all.
 */
#include "platform/notify/notify_impl.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/arch/x86_64/abortable.h"
#include "platform/host.h"
#include "platform/stub_filter.h"
#include "platform/zygote.h"

#define KICK_SIGNAL SIGURG

struct notify notify = { .listener = -1 };

extern const char stub_blob[], stub_blob_end[];
_Noreturn void notify_trap_on(void);

/* What the new process needs; all prepared by the parent. */
struct zygote_plan {
	int text_fd;      /* text and constants, laid out as from STUB_TEXT */
	int channel_fd;
	int process_fd;
	struct stub_zygote *zygote; /* our view of it: errors go there */
	bool fsgsbase;
	int nice;
};

/* ---- in the child: host calls only, no libc (platform/zygote.h) -------------------------------- */

static void zygote_handlers(void)
{
	const struct stub_head *head = (const struct stub_head *)STUB_TEXT;
	struct zygote_sigaction stub = {
		.handler = STUB_TEXT + head->sigentry,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | 0x04000000 /* SA_RESTORER */,
		.restorer = STUB_TEXT + head->restorer,
	};
	stack_t ss = { .ss_sp = (void *)(STUB_AREAS + STUB_ALTSTACK),
		       .ss_size = STUB_THREAD - STUB_ALTSTACK };
	long err;

	static const int handled[] = { SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, KICK_SIGNAL };

	for (size_t i = 0; i < ARRAY_SIZE(handled); i++)
		zygote_signal(handled[i], &stub);
	err = host_call(SYS_sigaltstack, &ss, 0, 0);
	if (err < 0)
		zygote_fail("sigaltstack", err);
}

_Noreturn static void zygote_main(const struct zygote_plan *p)
{
	struct stub_thread *t = (struct stub_thread *)(STUB_AREAS + STUB_THREAD);
	volatile struct stub_zygote *zygote = (volatile struct stub_zygote *)(STUB_CHANNEL + STUB_ZYGOTE);
	const struct stub_filter_options filter = { .fsgsbase = p->fsgsbase };
	int listener;

	zygote_map(STUB_TEXT, STUB_TEXT_MAX, PROT_READ | PROT_EXEC, MAP_PRIVATE, p->text_fd, 0);
	zygote_map(STUB_CONST, PAGE_SIZE, PROT_READ, MAP_PRIVATE, p->text_fd, STUB_TEXT_MAX);
	zygote_map(STUB_CHANNEL, STUB_CHANNEL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   p->channel_fd, 0);
	zygote_map(STUB_PROCESS, PAGE_SIZE, PROT_READ, MAP_SHARED, p->process_fd, 0);
	(void)host_madvise((void *)STUB_CHANNEL, STUB_CHANNEL_SIZE, MADV_DONTFORK);
	zygote_map(STUB_AREAS + PAGE_SIZE, STUB_AREA_SIZE - PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	t->zygote = 1;

	zygote_forget_parent(STUB_FDS_MAX, p->nice);
	zygote_handlers();
	/*
	 * The listener must get a number below RLIMIT_NOFILE, and nothing else may stay open: not even
	 * for reading, since mmap needs no more.  2, for our complaints, is closed by the stub.
	 */
	(void)host_close_range(0, 1, 0);
	(void)host_close_range(3, ~0u, 0);
	listener = stub_filter_install(&filter, SECCOMP_FILTER_FLAG_NEW_LISTENER |
							SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	if (listener == -EINVAL) /* before Linux 5.19 */
		listener = stub_filter_install(&filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	if (listener < 0)
		zygote_fail(listener == -EBUSY ? "a seccomp agent is there already" : "filter",
			    listener);
	zygote->fd = (uint32_t)listener;
	notify_trap_on();
}

/* ---- the parent ------------------------------------------------------------------------------- */

/* clock_gettime of the vDSO, if it answers without a system call here. */
static uint64_t vdso_clock_gettime(uint64_t vdso)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)vdso;
	const Elf64_Phdr *ph;
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *names = NULL;
	const uint32_t *hash = NULL;
	uint64_t bias = vdso;

	if (!vdso)
		return 0;
	ph = (const Elf64_Phdr *)(vdso + e->e_phoff);
	for (int i = 0; i < e->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			bias = vdso - ph[i].p_vaddr + ph[i].p_offset;
		else if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(vdso + ph[i].p_offset);
	}
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const Elf64_Sym *)(bias + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_STRTAB)
			names = (const char *)(bias + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_HASH)
			hash = (const uint32_t *)(bias + dyn->d_un.d_ptr);
	}
	if (!sym || !names)
		return 0;
	/* Without DT_HASH (newer kernels) the count is unknown; the table ends where the strings begin. */
	for (uint32_t i = 1; hash ? i < hash[1] : (const char *)&sym[i + 1] <= names; i++) {
		if (strcmp(names + sym[i].st_name, "__vdso_clock_gettime") == 0)
			return bias + sym[i].st_value;
	}
	return 0;
}

/* The vDSO falls back to the system call when the host's clock source isn't readable from user mode. */
static bool clock_is_fast(void)
{
	char name[32] = "";
	int fd = host_openat(AT_FDCWD,
			     "/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY,
			     0);

	if (fd >= 0) {
		(void)host_read(fd, name, sizeof(name) - 1);
		host_close(fd);
		return strncmp(name, "tsc", 3) == 0 || strncmp(name, "kvm-clock", 9) == 0 ||
		       strncmp(name, "hyperv", 6) == 0;
	}
	/* Hidden from us: many calls at the speed of no system call can't be luck. */
	for (int i = 0; i < 3; i++) {
		struct timespec a, b, c;

		clock_gettime(CLOCK_MONOTONIC, &a);
		for (int n = 0; n < 100; n++)
			clock_gettime(CLOCK_MONOTONIC, &c);
		clock_gettime(CLOCK_MONOTONIC, &b);
		if ((b.tv_sec - a.tv_sec) * NSEC_PER_SEC + b.tv_nsec - a.tv_nsec < 100 * 70)
			return true;
	}
	return false;
}

static bool cpu_has_rdtscp(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (edx & 1u << 27 /* RDTSCP: Intel's manual, CPUID */);
}

static int text_make(const struct plat_config *c, bool fsgsbase)
{
	size_t size = (size_t)(stub_blob_end - stub_blob);
	struct stub_const consts = {
		.fsgsbase = fsgsbase, .huge_pages = c->huge_pages, .patch = notify_patch_interval(),
		.rdtscp = notify.rdtscp,
	};
	int fd = host_memfd_create("runsc-c-stub", MFD_ALLOW_SEALING);

	if (fd < 0)
		return fd;
	layout_vdso(&consts.vdso_min, &consts.vdso_max);
	consts.user_min = plat_layout()->user_min;
	if (clock_is_fast())
		consts.vdso_clock_gettime = vdso_clock_gettime(plat_layout()->vdso);
	if (host_ftruncate(fd, STUB_TEXT_MAX + PAGE_SIZE) < 0 ||
	    host_pwrite(fd, stub_blob, size, 0) != (ssize_t)size ||
	    host_pwrite(fd, &consts, sizeof(consts), STUB_TEXT_MAX) != sizeof(consts)) {
		host_close(fd);
		return -ENOMEM;
	}
	(void)host_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	return fd;
}

/* Wait until the zygote has moved on from state. */
static int zygote_wait(struct stub_zygote *p, uint32_t state, pid_t pid)
{
	uint32_t now;
	int status;

	while ((now = __atomic_load_n(&p->state, __ATOMIC_ACQUIRE)) == state) {
		static const struct timespec ts = { .tv_nsec = 10 * NSEC_PER_MSEC };

		(void)host_futex(&p->state, FUTEX_WAIT, state, &ts, 0);
		if (host_wait4(pid, &status, WNOHANG | __WALL, NULL) == pid)
			return -ENOTSUP; /* it has said why */
	}
	return 0;
}

static int take_listener(struct stub_zygote *p, pid_t pid)
{
	int pidfd = host_pidfd_open(pid, 0), fd;
	int err;

	if (pidfd < 0)
		return pidfd;
	err = zygote_wait(p, STUB_ZYGOTE_START, pid);
	fd = err < 0 ? err : host_pidfd_getfd(pidfd, (int)p->fd);
	host_close(pidfd);
	return fd;
}

static int zygote_spawn(const struct zygote_plan *plan)
{
	struct stub_zygote *p = plan->zygote;
	/* A raw clone: no thread-local state is touched on either side. */
	long pid = host_call6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
	int fd, err;

	if (pid == 0)
		zygote_main(plan);
	if (pid < 0)
		return (int)pid;
	fd = take_listener(p, (pid_t)pid);
	if (fd < 0) {
		(void)host_kill((pid_t)pid, SIGKILL);
		return fd;
	}
	notify.listener = fd;
	__atomic_store_n(&p->state, STUB_ZYGOTE_TAKEN, __ATOMIC_RELEASE);
	(void)host_futex(&p->state, FUTEX_WAKE, 1, NULL, 0);
	err = zygote_wait(p, STUB_ZYGOTE_TAKEN, (pid_t)pid);
	return err < 0 ? err : (int)pid;
}

/* What signal frames hold here, from the zygote's own. */
static void frame_fpstate(pid_t pid, uint64_t addr)
{
	uint8_t legacy[512] = { 0 };

	if (addr)
		(void)proc_vm_read(pid, addr, legacy, sizeof(legacy));
	fpstate_info_from(legacy, &notify.fpstate);
}

static int listener_setup(void)
{
	long err = notify_listener_sync(true);

	if (err < 0)
		log_info("no synchronous doorbell on this kernel (%ld): system calls will be slow", err);
	return (int)host_fcntl(notify.listener, F_SETFD, FD_CLOEXEC);
}

static int tables_init(void)
{
	latch_init(&notify.tables);
	if (hash_init(&notify.by_tid, 64) < 0 || hash_init(&notify.by_cookie, 16) < 0 ||
	    hash_init(&notify.by_pid, 64) < 0)
		return -ENOMEM;
	return 0;
}

int notify_init(const struct plat_config *c)
{
	struct zygote_plan plan = { .fsgsbase = getauxval(AT_HWCAP2) & 2, .nice = c->nice };
	struct plat_thread *z;
	int err;

	notify.self = host_getpid();
	notify.parent = host_gettid();
	notify_census_init();
	notify.patched_entry = STUB_TEXT + ((const struct stub_head *)stub_blob)->patched_entry;
	/* Without FSGSBASE a patched call couldn't find its thread. */
	notify_patch_init(c->patch && plan.fsgsbase, c->patch_after);
	notify_poll_init(c->pollers);
	err = tables_init();
	if (err < 0)
		return err;
	(void)host_prctl(PR_SET_DUMPABLE, 1, 0);
	err = notify_mm_new(&notify.zygote_mm);
	if (err < 0)
		return err;
	err = notify_thread_new(notify.zygote_mm, NULL, &notify.zygote);
	if (err < 0)
		return err;
	z = notify.zygote;
	err = notify_mm_open(notify.zygote_mm, 0);
	if (err < 0)
		return err;
	plan.channel_fd = notify.zygote_mm->memfd;
	plan.process_fd = notify.zygote_mm->process_fd;
	plan.zygote = (struct stub_zygote *)(notify.zygote_mm->channel + STUB_ZYGOTE);
	notify.rdtscp = cpu_has_rdtscp();
	plan.text_fd = text_make(c, plan.fsgsbase);
	if (plan.text_fd < 0)
		return plan.text_fd;
	z->slot = notify_slot_at(notify.zygote_mm, 0);
	notify_state_set(z, NOTIFY_KERNEL);
	z->seq = 1;
	err = zygote_spawn(&plan);
	host_close(plan.text_fd);
	if (err < 0)
		return err;
	notify_zygote_arrived(err);
	err = listener_setup();
	if (err < 0)
		return err;
	notify.lost = c->lost;
	z->fpstate = z->slot->fpstate;
	frame_fpstate(z->tid, z->fpstate);
	err = host_abortable_init();
	if (err < 0)
		return err;
	return notify_reaper_start();
}
