/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random calls by several threads that share everything: each call's arguments have the types that it wants (a table
 * says which), values are mostly good, results become arguments.  Beside them io_urings with random entries,
 * children by random clones, execs, signal frames that were edited, writes to random files of /proc and /sys.
 *
 *     chaos [SEED [COUNT [SECONDS]]]     a child a seed, killed after so many seconds
 *
 * Deterministic but for the threads' order.  What must hold is what attack() looks at, and that the Sentry lives.
 */
#include "h.h"
#include <dirent.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <ucontext.h>

#define FDS     96
#define MEM     (256u << 10)
#define THREADS 6

static volatile int fds[FDS];
static uint8_t *mem;
static volatile pid_t pids[8], tids[THREADS];
static volatile long *made; /* calls, by everybody */
static pid_t boss;
static _Thread_local uint64_t state;

static uint32_t r32(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33) ^ (uint32_t)(state >> 20);
}

static uint32_t below(uint32_t n)
{
	return r32() % n;
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

static const char *const paths[] = {
	"/tmp/cz/f", "/tmp/cz/g", "/tmp/cz", "/tmp/cz/d", "/tmp/cz/d/e", "/tmp/cz/l", "/tmp/cz/p", "/tmp/cz/s", "/cz", "", ".",
	"..", "/", "/proc/self/fd", "/proc/self/status", "/proc/self/maps", "/proc/self/mem", "/proc/self/exe", "/proc/self/task",
	"/proc/self/ns/mnt", "/proc/self/ns/user", "/proc/self/ns/net", "/proc/self/mountinfo", "/proc/self/pagemap", "/proc/self",
	"/dev/null", "/dev/zero", "/dev/ptmx", "/dev/pts/0", "/dev/tty", "/dev/full", "/tmp/cz/f/x", "tmp", "tmpfs", "proc", "overlay",
	"mqueue", "user.a", "security.capability", "system.posix_acl_access", "trusted.x", "cgroup2", "sysfs", "devpts", "/sys",
	"lowerdir=/tmp,upperdir=/tmp/cz,workdir=/tmp/cz/d", "size=1m", "mode=700", "/proc/sys/kernel/hostname", "lo", "user", "keyring",
};
#define PATHS (sizeof(paths) / sizeof(*paths))

static const char *path(void)
{
	return paths[below(PATHS)];
}

static int fd(void)
{
	return one_in(20) ? (int)below(40) - 10 : fds[below(FDS)];
}

static void keep(long v)
{
	int old, at = (int)below(FDS);

	if (v < 3 || v > 4000)
		return;
	old = fds[at];
	fds[at] = (int)v;
	if (old > 2 && !one_in(8))
		close(old);
}

/* Not the supervisor, nor everybody. */
static long pid(void)
{
	switch (below(5)) {
	case 0:
		return getpid();
	case 1:
		return raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
	case 2:
		return 4000000;
	default:
		return pids[below(8)] > 1 && pids[below(8)] != boss ? pids[below(8)] : getpid();
	}
}

static long number(void)
{
	static const long odd[] = { 0, 1, 2, 3, 4, 7, 8, 15, 16, 24, 31, 32, 63, 64, 65, 127, 128, 255, 256, 511, 512, 1000, 4095, 4096, 4097,
				    8192, 65535, 65536, 1 << 20, 0x7fffffff, 0x80000000l, 0xffffffffl, 0x100000000l, 1l << 40, 1l << 62,
				    0x7fffffffffffffff, -1, -2, -4096, 1000000000 };

	return one_in(8) ? (long)r32() : odd[below(sizeof(odd) / sizeof(*odd))];
}

static void *addr(void)
{
	uint32_t r = r32();

	switch (below(14)) {
	case 0:
		return NULL;
	case 1:
		return mem + MEM - r % 64; /* into the hole behind */
	case 2:
		return mem + MEM + 4096 + r % 4096; /* read-only */
	case 3:
		return (void *)(uintptr_t)number();
	case 4:
		return (void *)(uintptr_t)(STUB_TEXT + r % 4096);
	case 5:
		return mem + r % MEM;
	default:
		return mem + (r % MEM & ~63u);
	}
}

static void iov(uint8_t *at, uint32_t n)
{
	struct iovec v;

	for (uint32_t i = 0; i < n; i++) {
		v = (struct iovec){ one_in(8) ? addr() : mem + below(MEM / 2), one_in(10) ? (size_t)number() : below(9000) };
		memcpy(at + i * sizeof(v), &v, sizeof(v));
	}
}

/* Memory as the calls' structures might be: words that mean something. */
static uint8_t *structure(void)
{
	uint8_t *at = mem + (below(MEM - 8192) & ~63u);
	uint32_t n = one_in(6) ? 120 : 14;

	switch (below(8)) {
	case 0:
		iov(at, 1 + below(8));
		return at;
	case 1: { /* msghdr with descriptors */
		struct msghdr m = { .msg_iov = (struct iovec *)(at + 512), .msg_iovlen = below(4), .msg_control = at + 1024,
				    .msg_controllen = one_in(4) ? below(200) : CMSG_SPACE(8), .msg_name = at + 256,
				    .msg_namelen = below(130) };
		struct cmsghdr c = { .cmsg_len = one_in(8) ? (size_t)number() : CMSG_LEN(8), .cmsg_level = SOL_SOCKET,
				     .cmsg_type = one_in(4) ? (int)below(70) : SCM_RIGHTS };
		int two[2] = { fd(), fd() };

		iov(at + 512, 4);
		memcpy(at, &m, sizeof(m));
		memcpy(at + 1024, &c, sizeof(c));
		memcpy(at + 1024 + sizeof(c), two, sizeof(two));
		return at;
	}
	case 2: { /* an address */
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)(4000 + below(4))),
					  .sin_addr = { htonl(one_in(8) ? r32() : INADDR_LOOPBACK) } };

		memcpy(at, &in, sizeof(in));
		if (one_in(2)) {
			uint16_t family = one_in(2) ? AF_UNIX : (uint16_t)below(46);

			memcpy(at, &family, 2);
			strcpy((char *)at + 2, one_in(2) ? path() : "\0cz");
		}
		return at;
	}
	case 3: { /* a moment */
		long t[4] = { below(3), one_in(9) ? number() : below(20000000), 0, one_in(9) ? number() : below(20000000) };

		memcpy(at, t, sizeof(t));
		return at;
	}
	case 4:
		strcpy((char *)at, path());
		return at;
	default:
		break;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t v = 0;
		int f = fd();

		switch (below(9)) {
		case 0:
			v = (uint64_t)(uintptr_t)addr();
			break;
		case 1:
			v = (uint64_t)f;
			break;
		case 2:
			v = (uint32_t)f | (uint64_t)below(64) << 32;
			break;
		case 3:
			v = (uint64_t)number();
			break;
		case 4:
			v = (uint64_t)(uintptr_t)path();
			break;
		case 5:
			v = 1ull << below(64);
			break;
		default:
			v = below(16) | (uint64_t)below(16) << 32;
		}
		memcpy(at + i * 8, &v, 8);
	}
	return at;
}

/* ---- calls ------------------------------------------------------------------------------------- */

/*
 * f descriptor, F or AT_FDCWD, s path, p structure, a address, A page in the region, y size there, m mmap's flags, z size, i small, n number, b bits,
 * g signal, d pid, u id, c clock.  '+': the result is a descriptor.
 */
static const struct call {
	int nr;
	const char *args;
} calls[] = {
	{ SYS_read, "faz" }, { SYS_write, "faz" }, { SYS_open, "sbi+" }, { SYS_openat, "Fsbi+" }, { 437, "Fpp+" },
	{ SYS_close, "f" }, { SYS_stat, "sa" }, { SYS_fstat, "fa" }, { SYS_lstat, "sa" }, { SYS_poll, "pii" }, { SYS_lseek, "fni" },
	{ SYS_mmap, "Aybmfz" }, { SYS_mmap, "Aybmfz" }, { SYS_mprotect, "Ayb" }, { SYS_munmap, "Ay" },
	{ SYS_rt_sigaction, "gpai" }, { SYS_rt_sigprocmask, "ipai" }, { SYS_ioctl, "fIp" }, { SYS_ioctl, "fIp" }, { SYS_ioctl, "fIp" },
	{ SYS_pread64, "fazn" }, { SYS_pwrite64, "fazn" }, { SYS_readv, "fpi" }, { SYS_writev, "fpi" }, { SYS_access, "si" },
	{ SYS_pipe, "P" }, { SYS_pipe2, "Pb" }, { SYS_select, "ipppp" }, { SYS_pselect6, "ippppp" }, { SYS_sched_yield, "" }, { SYS_mremap, "AyybA" },
	{ SYS_msync, "Azb" }, { SYS_mincore, "Aza" }, { SYS_madvise, "Ayi" }, { SYS_shmget, "nzb" }, { SYS_shmat, "iAb" },
	{ SYS_shmctl, "iip" }, { SYS_dup, "f+" }, { SYS_dup3, "ffb+" }, { SYS_getitimer, "ia" }, { SYS_setitimer, "ipa" },
	{ SYS_getpid, "" }, { SYS_sendfile, "ffpz" }, { SYS_socket, "iib+" }, { SYS_socket, "Ttb+" }, { SYS_socket, "Ttb+" },
	{ SYS_connect, "fpi" }, { SYS_accept, "fpp+" }, { SYS_accept4, "fppb+" }, { SYS_sendto, "fazbpi" }, { SYS_recvfrom, "fazbpp" },
	{ SYS_sendmsg, "fpb" }, { SYS_sendmsg, "fpb" }, { SYS_recvmsg, "fpb" }, { SYS_sendmmsg, "fpib" }, { SYS_recvmmsg, "fpibp" },
	{ SYS_shutdown, "fi" }, { SYS_bind, "fpi" }, { SYS_listen, "fi" }, { SYS_getsockname, "fap" }, { SYS_getpeername, "fap" },
	{ SYS_socketpair, "TtiQ" }, { SYS_setsockopt, "fOipi" }, { SYS_setsockopt, "fOipi" }, { SYS_getsockopt, "fOiap" },
	{ SYS_wait4, "dpba" }, { SYS_waitid, "idpba" }, { SYS_uname, "a" }, { SYS_semget, "nib" }, { SYS_semop, "ipi" },
	{ SYS_semtimedop, "ipip" }, { SYS_semctl, "iiip" }, { SYS_msgget, "nb" }, { SYS_msgsnd, "ipzb" }, { SYS_msgrcv, "iaznb" },
	{ SYS_msgctl, "iip" }, { SYS_fcntl, "fCp" }, { SYS_fcntl, "fCf" }, { SYS_fcntl, "fCn" }, { SYS_flock, "fb" }, { SYS_fsync, "f" },
	{ SYS_truncate, "sn" }, { SYS_ftruncate, "fn" }, { SYS_getdents, "faz" }, { SYS_getdents64, "faz" }, { SYS_getcwd, "az" },
	{ SYS_chdir, "s" }, { SYS_fchdir, "f" }, { SYS_rename, "ss" }, { SYS_renameat2, "FsFsb" }, { SYS_mkdir, "si" }, { SYS_rmdir, "s" },
	{ SYS_creat, "si+" }, { SYS_link, "ss" }, { SYS_linkat, "FsFsb" }, { SYS_unlink, "s" }, { SYS_unlinkat, "Fsb" }, { SYS_symlink, "ss" },
	{ SYS_readlink, "saz" }, { SYS_readlinkat, "Fsaz" }, { SYS_chmod, "si" }, { SYS_fchmod, "fi" }, { SYS_chown, "suu" },
	{ SYS_fchownat, "Fsuub" }, { SYS_umask, "i" }, { SYS_gettimeofday, "aa" }, { SYS_getrlimit, "ia" }, { SYS_getrusage, "na" },
	{ SYS_sysinfo, "a" }, { SYS_times, "a" }, { SYS_ptrace, "idpp" }, { SYS_ptrace, "idpp" }, { SYS_syslog, "iaz" }, { SYS_setpgid, "dd" },
	{ SYS_setsid, "" }, { SYS_getgroups, "ia" }, { SYS_setgroups, "ip" }, { SYS_capget, "pa" }, { SYS_rt_sigpending, "ai" },
	{ SYS_rt_sigtimedwait, "paai" }, { SYS_rt_sigqueueinfo, "dgp" }, { SYS_rt_tgsigqueueinfo, "ddgp" }, { SYS_sigaltstack, "pa" },
	{ SYS_utime, "sp" }, { SYS_mknod, "sbn" }, { SYS_mknodat, "Fsbn" }, { SYS_personality, "n" }, { SYS_statfs, "sa" },
	{ SYS_fstatfs, "fa" }, { SYS_getpriority, "id" }, { SYS_sched_setparam, "dp" }, { SYS_sched_getparam, "da" },
	{ SYS_sched_setscheduler, "dip" }, { SYS_mlock, "Az" }, { SYS_munlock, "Az" }, { SYS_mlock2, "Azb" }, { SYS_prctl, "innnn" },
	{ SYS_prctl, "ipppp" }, { SYS_arch_prctl, "Rp" }, { SYS_chroot, "s" }, { SYS_sync, "" }, { SYS_acct, "s" }, { SYS_mount, "ssSbp" },
	{ SYS_mount, "ssSbs" }, { SYS_umount2, "sb" }, { SYS_pivot_root, "ss" }, { SYS_sethostname, "az" }, { SYS_ioperm, "nni" },
	{ SYS_gettid, "" }, { SYS_readahead, "fnz" }, { SYS_setxattr, "sspzb" }, { SYS_fsetxattr, "fspzb" }, { SYS_getxattr, "ssaz" },
	{ SYS_fgetxattr, "fsaz" }, { SYS_listxattr, "saz" }, { SYS_flistxattr, "faz" }, { SYS_removexattr, "ss" }, { SYS_time, "a" },
	{ SYS_futex, "aiipai" }, { SYS_sched_setaffinity, "dip" }, { SYS_sched_getaffinity, "dza" }, { SYS_io_setup, "ip" },
	{ SYS_io_getevents, "niipp" }, { SYS_io_submit, "nip" }, { SYS_epoll_create1, "b+" }, { SYS_remap_file_pages, "AyIzi" },
	{ SYS_set_tid_address, "a" }, { SYS_fadvise64, "fnzi" }, { SYS_timer_create, "cpa" }, { SYS_timer_settime, "iipa" },
	{ SYS_timer_gettime, "ia" }, { SYS_timer_delete, "i" }, { SYS_clock_gettime, "ca" }, { SYS_clock_settime, "cp" }, { SYS_clock_getres, "ca" },
	{ SYS_clock_nanosleep, "cipa" }, { SYS_epoll_wait, "faii" }, { SYS_epoll_ctl, "fifp" }, { SYS_epoll_ctl, "fifp" }, { SYS_epoll_pwait, "faiipi" },
	{ 441, "faippi" }, { SYS_tgkill, "ddg" }, { SYS_tkill, "dg" }, { SYS_utimes, "sp" }, { SYS_mbind, "Azipib" }, { SYS_set_mempolicy, "ipi" },
	{ SYS_get_mempolicy, "aaiAb" }, { SYS_mq_open, "sbip+" }, { SYS_mq_unlink, "s" }, { SYS_mq_timedsend, "fazip" },
	{ SYS_mq_timedreceive, "fazap" }, { SYS_mq_notify, "fp" }, { SYS_mq_getsetattr, "fpa" }, { SYS_add_key, "sspzn" },
	{ SYS_request_key, "sssn" }, { SYS_keyctl, "inpnn" }, { SYS_keyctl, "innaz" }, { SYS_ioprio_set, "idn" }, { SYS_inotify_init1, "b+" },
	{ SYS_inotify_add_watch, "fsb" }, { SYS_inotify_rm_watch, "fi" }, { SYS_migrate_pages, "dipp" }, { SYS_mkdirat, "Fsi" },
	{ SYS_futimesat, "Fsp" }, { SYS_newfstatat, "Fsab" }, { SYS_fchmodat, "Fsi" }, { SYS_faccessat, "Fsi" }, { SYS_ppoll, "pippi" },
	{ SYS_unshare, "b" }, { SYS_set_robust_list, "pi" }, { SYS_get_robust_list, "daa" }, { SYS_splice, "fpfpzb" }, { SYS_splice, "f0f0zb" },
	{ SYS_tee, "ffzb" }, { SYS_sync_file_range, "fnnb" }, { SYS_vmsplice, "fpib" }, { SYS_move_pages, "dippab" }, { SYS_utimensat, "Fspb" },
	{ SYS_signalfd4, "fpib+" }, { SYS_timerfd_create, "cb+" }, { SYS_timerfd_settime, "fbpa" }, { SYS_timerfd_gettime, "fa" },
	{ SYS_eventfd2, "ib+" }, { SYS_fallocate, "fbnn" }, { SYS_preadv2, "fpinnb" }, { SYS_pwritev2, "fpinnb" }, { SYS_fanotify_init, "bb+" },
	{ SYS_fanotify_mark, "fbbFs" }, { SYS_prlimit64, "0i0a" }, { SYS_name_to_handle_at, "Fspab" }, { SYS_open_by_handle_at, "fpb+" },
	{ SYS_syncfs, "f" }, { SYS_setns, "fb" }, { SYS_getcpu, "aaa" }, { SYS_process_vm_readv, "dpipib" }, { SYS_process_vm_writev, "dpipib" },
	{ SYS_kcmp, "ddiff" }, { SYS_sched_setattr, "dpb" }, { SYS_sched_getattr, "dazb" }, { SYS_getrandom, "azb" }, { SYS_memfd_create, "sb+" },
	{ SYS_bpf, "ipz" }, { SYS_userfaultfd, "b+" }, { SYS_membarrier, "bbi" }, { SYS_copy_file_range, "fpfpzb" }, { SYS_copy_file_range, "f0f0zb" },
	{ SYS_pkey_mprotect, "Aybi" }, { SYS_pkey_alloc, "ii" }, { SYS_statx, "Fsbba" }, { SYS_rseq, "pibn" }, { 424, "fgpb" }, { 425, "ip+" },
	{ 426, "fiibpi" }, { 427, "fipi" }, { 427, "fipi" }, { 428, "Fsb+" }, { 429, "FsFsb" }, { 430, "Sb+" }, { 431, "fissi" }, { 431, "fispi" }, { 432, "fbb+" },
	{ 433, "Fsb+" }, { 434, "db+" }, { 436, "nnb" }, { 438, "ffb+" }, { 439, "Fsib" }, { 440, "fpibb" }, { 442, "Fsbpz" }, { 443, "fisp" },
	{ 444, "pzb+" }, { 445, "fipb" }, { 446, "fb" }, { 447, "b+" }, { 448, "fb" }, { 449, "pibpc" }, { 450, "Azib" }, { 451, "fpab" }, { 452, "Fsib" },
	{ 453, "nzb" }, { 454, "aini" }, { 455, "annbpc" }, { 456, "pbii" }, { 457, "pazb" }, { 458, "paib" }, { 459, "ipzb" }, { 460, "ipzb" },
	{ 461, "apb" }, { 462, "Ayb" }, { 463, "Fsbspz" }, { 464, "Fsbspz" }, { 467, "FsbpzF+" }, { SYS_quotactl, "issp" }, { SYS_setfsuid, "u" },
	{ SYS_setresuid, "000" }, { SYS_vhangup, "" }, { SYS_swapon, "si" }, { SYS_init_module, "azs" }, { SYS_iopl, "i" }, { SYS_pause, "" },
	{ SYS_perf_event_open, "pdifb+" }, { SYS_seccomp, "ibp" }, { SYS_mlockall, "b" }, { SYS_alarm, "i" },
};

static const uint32_t ioctls[] = {
	0x5401, 0x5402, 0x5403, 0x5404, 0x5405, 0x5407, 0x5409, 0x540b, 0x540e, 0x540f, 0x5410, 0x5411, 0x5412, 0x5413, 0x5414, 0x541b, 0x541d,
	0x5420, 0x5421, 0x5422, 0x5423, 0x5424, 0x5425, 0x5427, 0x5428, 0x5429, 0x5430, 0x5431, 0x5432, 0x5435, 0x5437, 0x5438, 0x5439,
	0x80045430, 0x40045431, 0x80045432, 0x80045438, 0x80045439, 0x5441, 0x5450, 0x5451, 0x5452, 0x5460, 0x8901, 0x8902, 0x8903, 0x8904, 0x8905,
	0x8906, 0x8907, 0x890b, 0x8910, 0x8912, 0x8913, 0x8914, 0x8915, 0x8916, 0x891b, 0x891d, 0x8921, 0x8922, 0x8927, 0x8933, 0x8942, 0x8946,
	0x8953, 0x8954, 0x8955, 0x89a0, 0x89a2, 0x40086602, 0x80086601, 0xc020660b, 0x40049409, 0x4020940d, 0xc0189436, 0xb701, 0xb702, 0xb703, 0xb704,
	0x8004b705, 0xb706, 0xb707, 0x801c581f, 0x401c5820, 0xc0c0ff0b, 0xff01, 0xff02, 0xff09, 0xff0a, 0xc0506617, 0x400c6615, 0x6685, 0xc018aa3f,
};

static long argument(char type)
{
	switch (type) {
	case 'f':
		return fd();
	case 'F':
		return one_in(2) ? AT_FDCWD : fd();
	case 's':
		return one_in(12) ? (long)addr() : (long)path();
	case 'S': {
		static const char *const types[] = { "tmpfs", "proc", "sysfs", "devpts", "mqueue", "overlay", "cgroup2", "bind", "ramfs", "securityfs" };

		return (long)types[below(10)];
	}
	case 'p':
		return one_in(10) ? 0 : (long)structure();
	case 'a':
		return (long)addr();
	case 'A':
		return (long)(mem + MEM + 16384 + below(64) * 4096);
	case 'y':
		return (long)below(20) * 4096;
	case 'm': /* none that would take what is others' away, but in the region */
		return (1l << below(20) | (long)below(4)) & ~(long)(MAP_GROWSDOWN | MAP_LOCKED);
	case 'P': case 'Q':
		return (long)structure();
	case 'z':
		return one_in(6) ? number() : (long)below(20000);
	case 'i':
		return one_in(10) ? number() : (long)below(20);
	case 'n':
		return number();
	case 'b':
		return one_in(3) ? 0 : one_in(12) ? number() : 1l << below(32) | (one_in(2) ? 1l << below(32) : 0) | (long)below(4);
	case 'g': { /* mostly those that end and stop nobody */
		static const int harmless[] = { SIGALRM, SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGPIPE, SIGXFSZ, 0 };

		return one_in(12) ? (long)below(66) : harmless[below(8)];
	}
	case 'd':
		return pid();
	case 'u':
		return one_in(3) ? -1 : (long)below(3);
	case 'c':
		return one_in(6) ? number() : (long)below(12);
	case 'T':
		return one_in(4) ? AF_INET : one_in(3) ? AF_INET6 : one_in(4) ? AF_NETLINK : one_in(6) ? AF_PACKET : AF_UNIX;
	case 't':
		return (long)(1 + below(5)) | (one_in(2) ? SOCK_NONBLOCK : 0);
	case 'O': {
		static const int levels[] = { 1, 0, 6, 17, 41, 255, 58, 263, 270, 284 };

		return levels[below(10)];
	}
	case 'I':
		return one_in(8) ? (long)r32() : (long)ioctls[below(sizeof(ioctls) / sizeof(*ioctls))];
	case 'C':
		return one_in(2) ? (long)below(20) : 1024 + (long)below(16);
	case 'R':
		return 0x1001 + (long)below(4);
	default:
		return 0;
	}
}

static void one_call(void)
{
	const struct call *c = &calls[below(sizeof(calls) / sizeof(*calls))];
	long a[6] = { 0 }, r;
	int n = 0, two[2];

	for (const char *p = c->args; *p && *p != '+'; p++)
		a[n++] = argument(*p);
	/* Sleeping is for the others: and these take who is asked about. */
	if (c->nr == SYS_pause || c->nr == SYS_clock_nanosleep || c->nr == SYS_semop || c->nr == SYS_rt_sigtimedwait) {
		if (!one_in(20))
			return;
	}
	if (c->nr == SYS_rt_sigaction && (a[0] == SIGSEGV || a[0] == SIGBUS || a[0] == SIGALRM))
		return;
	if ((c->nr == SYS_rt_sigprocmask || c->nr == SYS_seccomp || c->nr == SYS_chroot || c->nr == SYS_pivot_root) && !one_in(10))
		return;
	if (((c->nr == SYS_ptrace && a[0] == 0) || (c->nr == SYS_prctl && a[0] == 22 /* PR_SET_SECCOMP */)) && !one_in(30))
		return;
	if (c->nr == SYS_arch_prctl && (a[0] == 0x1002 || a[0] == 0x1001) && !one_in(40))
		return;
	r = raw(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	__atomic_fetch_add(made, 1, __ATOMIC_RELAXED);
	if (c->args[n] == '+')
		keep(r);
	if ((strchr(c->args, 'P') || strchr(c->args, 'Q')) && r == 0) {
		memcpy(two, (void *)a[c->nr == SYS_socketpair ? 3 : 0], sizeof(two));
		for (int i = 0; i < 2; i++) {
			if (!one_in(6))
				fcntl(two[i], F_SETFL, O_NONBLOCK);
			keep(two[i]);
		}
	}
}

/* ---- io_uring ----------------------------------------------------------------------------------- */

struct ring {
	int fd;
	uint8_t *rings;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
};

static bool ring_new(struct ring *u)
{
	memset(u, 0, sizeof(*u));
	if (one_in(2))
		u->p.flags = 1u << below(14) | (one_in(3) ? IORING_SETUP_CQSIZE : 0);
	u->p.cq_entries = 1 + below(64);
	u->fd = (int)raw(425, 1 + below(32), (long)&u->p, 0, 0, 0, 0);
	if (u->fd < 0)
		return false;
	u->rings = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_SQ_RING);
	u->sqes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_SQES);
	if (u->sqes == MAP_FAILED || u->rings == MAP_FAILED) {
		u->rings = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_SQ_RING);
		if (u->sqes == MAP_FAILED || u->rings == MAP_FAILED) {
			close(u->fd);
			return false;
		}
	}
	keep(one_in(2) ? dup(u->fd) : -1);
	return true;
}

static void sqe_fill(struct ring *u, struct io_uring_sqe *e)
{
	memset(e, 0, sizeof(*e));
	e->opcode = (uint8_t)below(60);
	if (one_in(2)) {
		static const uint8_t good[] = { IORING_OP_POLL_ADD, IORING_OP_ACCEPT, IORING_OP_RECV, IORING_OP_READ, IORING_OP_PROVIDE_BUFFERS,
						IORING_OP_REMOVE_BUFFERS, IORING_OP_ASYNC_CANCEL, IORING_OP_TIMEOUT, IORING_OP_LINK_TIMEOUT,
						IORING_OP_POLL_REMOVE, IORING_OP_SEND, IORING_OP_CLOSE, IORING_OP_SENDMSG, IORING_OP_RECVMSG };

		e->opcode = good[below(sizeof(good))];
	}
	e->flags = (uint8_t)(one_in(2) ? 0 : 1u << below(8));
	e->ioprio = (uint16_t)(one_in(2) ? 0 : 1u << below(8));
	e->fd = one_in(5) ? u->fd : one_in(6) ? (int)below(8) : fd();
	e->off = one_in(2) ? 0 : (uint64_t)number();
	e->addr = (uint64_t)(uintptr_t)(one_in(2) ? structure() : one_in(2) ? (uint8_t *)(uintptr_t)below(64) : mem + below(MEM));
	e->len = one_in(2) ? below(4096) : one_in(2) ? (uint32_t)number() : 1;
	e->rw_flags = one_in(2) ? 0 : 1 << below(32);
	e->user_data = below(64);
	e->buf_group = (uint16_t)below(4);
	e->splice_fd_in = one_in(2) ? fd() : 0;
	e->addr3 = one_in(6) ? (uint64_t)number() : 0;
}

static void ring_go(struct ring *u, int turns)
{
	for (int i = 0; i < turns; i++) {
		volatile uint32_t *tail = (volatile uint32_t *)(u->rings + u->p.sq_off.tail);
		volatile uint32_t *array = (volatile uint32_t *)(u->rings + u->p.sq_off.array);
		volatile uint32_t *cq_head = (volatile uint32_t *)(u->rings + u->p.cq_off.head);
		uint32_t n = 1 + below(6), t = *tail;

		if (u->p.sq_off.array + 4096 > 65536)
			return;
		for (uint32_t k = 0; k < n; k++, t++) {
			uint32_t at = t & (u->p.sq_entries - 1);

			sqe_fill(u, &u->sqes[at]);
			if (!(u->p.flags & (1u << 16)))
				array[at] = one_in(30) ? r32() : at;
		}
		*tail = one_in(40) ? r32() : t;
		(void)raw(426, u->fd, n, one_in(6) ? 1 : 0, one_in(4) ? 1u << below(5) : 1, one_in(10) ? (long)structure() : 0, one_in(4) ? below(30) : 0);
		if (one_in(3))
			*cq_head = one_in(6) ? r32() : *(volatile uint32_t *)(u->rings + u->p.cq_off.tail);
		switch (below(14)) {
		case 0: { /* a buffer ring, in memory that comes and goes */
			struct {
				uint64_t addr;
				uint32_t entries;
				uint16_t id, flags;
				uint64_t resv[3];
			} reg = { (uint64_t)(uintptr_t)(mem + MEM + 16384 + below(64) * 4096), 1u << below(17), (uint16_t)below(4), 0, { 0 } };
			(void)raw(427, u->fd, one_in(3) ? 23 : 22, (long)&reg, 1, 0, 0);
			break;
		}
		case 1: { /* files, with itself among them */
			int f[8];

			for (int k = 0; k < 8; k++)
				f[k] = one_in(3) ? u->fd : fd();
			(void)raw(427, u->fd, 2, (long)f, 8, 0, 0);
			break;
		}
		case 2:
			(void)raw(427, u->fd, 3, 0, 0, 0, 0);
			break;
		case 3:
			iov(mem, 4);
			(void)raw(427, u->fd, 0, (long)mem, 4, 0, 0);
			break;
		case 4:
			(void)raw(427, u->fd, below(34), (long)structure(), below(9), 0, 0);
			break;
		case 5: { /* the ring itself to who may read it */
			int s[2], got;
			struct iovec v = { "x", 1 };
			char control[CMSG_SPACE(4)];
			struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
			struct cmsghdr *c = CMSG_FIRSTHDR(&m);

			if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s))
				break;
			c->cmsg_len = CMSG_LEN(4);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			got = one_in(2) ? s[0] : u->fd;
			memcpy(CMSG_DATA(c), &got, 4);
			(void)!sendmsg(s[0], &m, 0);
			got = u->fd;
			memcpy(CMSG_DATA(c), &got, 4);
			(void)!sendmsg(s[0], &m, 0);
			keep(s[1]);
			close(s[0]);
			break;
		}
		case 6: { /* somebody asks for what it polls */
			char c = 'x';

			(void)!write(fd(), &c, 1);
			close(fd());
			break;
		}
		}
	}
}

static void rings(void)
{
	struct ring u;

	if (!ring_new(&u))
		return;
	ring_go(&u, 30);
	if (one_in(3)) {
		pid_t p = (pid_t)raw(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);

		if (p == 0) {
			ring_go(&u, 8);
			raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
		}
		if (p > 0)
			pids[below(8)] = p;
	}
	if (one_in(2))
		munmap(u.sqes, 4096);
	munmap(u.rings, 4096);
	close(u.fd);
}

/* ---- others ------------------------------------------------------------------------------------- */

static void child(void)
{
	static const uint64_t flags[] = { 0, CLONE_FS, CLONE_FILES, CLONE_VM | CLONE_VFORK, CLONE_PARENT, CLONE_SIGHAND | CLONE_VM, CLONE_SIGHAND,
					  CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER | CLONE_NEWPID, CLONE_IO,
					  CLONE_SYSVSEM, CLONE_PTRACE, CLONE_UNTRACED, 0x200000000ull, 0x100000000ull, CLONE_NEWUTS, CLONE_NEWCGROUP,
					  CLONE_VM | CLONE_FILES, CLONE_PIDFD };
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
	} a = { .flags = flags[below(sizeof(flags) / sizeof(*flags))] | (one_in(4) ? 1ull << below(34) : 0),
		.exit_signal = one_in(6) ? below(70) : SIGCHLD };
	int pidfd = -1;
	pid_t p;

	a.flags &= ~(uint64_t)(CLONE_THREAD | CLONE_SETTLS);
	a.pidfd = (uint64_t)(uintptr_t)&pidfd;
	a.child_tid = a.parent_tid = (uint64_t)(uintptr_t)(mem + below(4096) * 4);
	if ((a.flags & CLONE_VM) && !(a.flags & CLONE_VFORK)) {
		/* No stack of its own that C could run on: it only exits. */
		a.flags &= ~(uint64_t)CLONE_VM;
	}
	p = (pid_t)raw(435, (long)&a, 88, 0, 0, 0, 0);
	if (p == 0) {
		if (a.flags & CLONE_VFORK) {
			if (one_in(2))
				raw(SYS_execve, (long)"/proc/self/exe", (long)(char *[]){ "chaos", "leaf", NULL }, 0, 0, 0, 0);
			raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
		}
		state ^= (uint64_t)raw(SYS_getpid, 0, 0, 0, 0, 0, 0) * 77777;
		for (uint32_t i = below(200); i > 0; i--)
			one_call();
		if (one_in(4))
			raw(SYS_execve, (long)"/proc/self/exe", (long)(char *[]){ "chaos", "leaf", NULL }, 0, 0, 0, 0);
		raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	}
	if (p > 0)
		pids[below(8)] = p;
	keep(pidfd);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void proc_write(void)
{
	static const char *const at[] = { "/proc/self", "/proc/self/task", "/proc/sys/kernel", "/proc/sys/net/ipv4", "/proc/sys/fs", "/proc/sys/vm",
					  "/proc/self/attr", "/proc/self/net", "/sys/fs/cgroup", "/proc", "/proc/sys/user", "/proc/self/fdinfo", "/proc/self/map_files" };
	static const char *const what[] = { "0", "1", "-1", "99999999999999999999", "a\n", "0 0 1\n", "0 0 4294967295", "\n", "deny", "1000 2000\n", "+pids", "x y z" };
	char name[512], buf[4096];
	const char *dir = at[below(13)];
	struct dirent *e;
	DIR *d = opendir(dir);
	uint32_t n = below(60);
	int f;

	if (!d)
		return;
	e = readdir(d);
	while (n-- > 0 && e)
		e = readdir(d);
	if (e && strcmp(e->d_name, "sysrq-trigger")) {
		snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
		f = open(name, (one_in(2) ? O_RDWR : O_RDONLY) | O_NONBLOCK);
		if (f < 0)
			f = open(name, O_RDONLY | O_NONBLOCK);
		if (f >= 0) {
			const char *w = what[below(12)];

			(void)!read(f, buf, 1 + below(4096));
			if (strcmp(e->d_name, "mem"))
				(void)!write(f, w, strlen(w));
			(void)!pread(f, buf, 1 + below(4096), (off_t)(below(4) ? below(8192) : number()));
			keep(f);
		}
	}
	closedir(d);
}

/* Signal frames that were edited on the way; in a child, which may die of them. */
static void on_edit(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;
	uint32_t n = 1 + below(3);

	(void)sig, (void)info;
	while (n-- > 0) {
		switch (below(12)) {
		case 0:
			uc->uc_mcontext.gregs[REG_CSGSFS] = (greg_t)((uint64_t)r32() << 32 | r32());
			break;
		case 1:
			uc->uc_mcontext.gregs[REG_CSGSFS] ^= (greg_t)(1ull << below(64));
			break;
		case 2:
			uc->uc_mcontext.gregs[REG_RIP] = one_in(2) ? number() : (greg_t)0x8000000000000000ull;
			break;
		case 3:
			uc->uc_mcontext.gregs[REG_EFL] = (greg_t)r32();
			break;
		case 4:
			memset(fp + 512, (int)r32(), 64);
			break;
		case 5:
			fp[below(800)] ^= (uint8_t)(1u << below(8));
			break;
		case 6:
			uc->uc_mcontext.fpregs = one_in(2) ? NULL : (void *)((uintptr_t)addr() & ~63ul);
			break;
		case 7:
			uc->uc_stack.ss_sp = addr();
			uc->uc_stack.ss_size = (size_t)number();
			uc->uc_stack.ss_flags = (int)r32();
			break;
		case 8:
			memset(&uc->uc_sigmask, (int)r32(), 8);
			break;
		case 9:
			uc->uc_mcontext.gregs[REG_RSP] = one_in(2) ? number() : (greg_t)(uintptr_t)addr();
			break;
		case 10:
			uc->uc_flags = r32() & 15;
			break;
		default:
			fp[464 + below(48)] ^= (uint8_t)(1u << below(8));
		}
	}
}

static void frames(void)
{
	struct sigaction a = { .sa_sigaction = on_edit, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static _Thread_local uint8_t stack[65536];
	pid_t p = (pid_t)raw(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);

	if (p == 0) {
		state ^= (uint64_t)raw(SYS_getpid, 0, 0, 0, 0, 0, 0) * 77777;
		sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
		sigaction(SIGUSR1, &a, NULL);
		if (one_in(2))
			sigaction(SIGSEGV, &a, NULL);
		for (int i = 0; i < 40; i++)
			raw(SYS_tkill, raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1, 0, 0, 0, 0);
		raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	}
	if (p > 0)
		pids[below(8)] = p;
}

/* A filter of its own over part of the calls, in a child. */
static void filtered(void)
{
	struct sock_filter f[4];
	struct sock_fprog prog = { 4, f };
	static const uint32_t rets[] = { SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO | 5, SECCOMP_RET_ALLOW, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_KILL_THREAD,
					 SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_USER_NOTIF };
	pid_t p = (pid_t)raw(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);

	if (p == 0) {
		state ^= (uint64_t)raw(SYS_getpid, 0, 0, 0, 0, 0, 0) * 77777;
		for (int i = 0; i < 4; i++) {
			raw(SYS_prctl, 38, 1, 0, 0, 0, 0);
			f[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, one_in(8) ? r32() : 4 * below(16));
			f[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | (one_in(8) ? below(256) : BPF_JEQ) | BPF_K, below(460), (uint8_t)below(3), (uint8_t)below(3));
			f[2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rets[below(8)]);
			f[3] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
			keep(raw(SYS_seccomp, 1, one_in(3) ? 1u << below(7) : 0, (long)&prog, 0, 0, 0));
			for (int k = 0; k < 100; k++)
				one_call();
		}
		raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	}
	if (p > 0)
		pids[below(8)] = p;
}

static void *thread(void *arg)
{
	state = (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15ull + 1;
	tids[(uintptr_t)arg % THREADS] = (pid_t)raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
	for (;;) {
		for (int i = 0; i < 60; i++)
			one_call();
		switch (below(9)) {
		case 0:
			child();
			break;
		case 1:
		case 2:
			rings();
			break;
		case 3:
			proc_write();
			break;
		case 4:
			frames();
			break;
		case 5:
			filtered();
			break;
		case 6: /* what was unmapped comes back */
			(void)mmap(mem + MEM + 16384, 64 * 4096, PROT_READ | PROT_WRITE | (one_in(4) ? PROT_EXEC : 0),
				   MAP_FIXED | MAP_ANONYMOUS | (one_in(2) ? MAP_SHARED : MAP_PRIVATE), -1, 0);
			break;
		}
	}
	return NULL;
}

static uint64_t seed;
static double life; /* of a worker */

static void region(void)
{
	(void)mmap(mem, MEM, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	(void)mmap(mem + MEM + 4096, 4096, PROT_READ, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
}

/* Somebody took our own memory away, or wrote into what is not. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	static int times;

	(void)sig, (void)context;
	if ((uint8_t *)info->si_addr < mem || (uint8_t *)info->si_addr >= mem + MEM || times++ > 1000)
		raw(SYS_exit_group, 99, 0, 0, 0, 0, 0);
	region();
}

static void on_tick(int sig)
{
	(void)sig;
}

static void worker(void)
{
	struct rlimit file = { 4 << 20, 4 << 20 }, space = { 2ul << 30, 2ul << 30 };
	struct sigaction tick = { .sa_handler = on_tick };
	struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	pthread_t t;

	raw(SYS_prctl, 1 /* PR_SET_PDEATHSIG */, SIGKILL, 0, 0, 0, 0);
	setrlimit(RLIMIT_FSIZE, &file);
	setrlimit(RLIMIT_AS, &space);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGALRM, &tick, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	mem = mmap(NULL, MEM + 16384 + 96 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(mem + MEM, 4096);
	mprotect(mem + MEM + 4096, 4096, PROT_READ);
	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	for (int i = 0; i < 30; i++)
		keep(open(path(), O_RDWR | O_CREAT | O_NONBLOCK, 0666));
	for (uint64_t i = 0; i < THREADS - 1; i++)
		pthread_create(&t, NULL, thread, (void *)(uintptr_t)(state * THREADS + i));
	for (;;) { /* nobody sleeps for long */
		raw(SYS_nanosleep, (long)&(struct timespec){ 0, 1000000 }, 0, 0, 0, 0, 0);
		for (int i = 0; i < THREADS - 1; i++) {
			if (tids[i])
				raw(SYS_tkill, tids[i], SIGALRM, 0, 0, 0, 0);
		}
	}
}

/* Workers end themselves in many ways: then comes the next. */
static void chaos(void)
{
	sigset_t none;
	pid_t p;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	boss = getppid();
	(void)unshare(CLONE_NEWNS);
	(void)raw(SYS_mount, (long)"", (long)"/", 0, 0x44000 /* MS_REC | MS_PRIVATE */, 0, 0);
	mkdir("/tmp/cz", 0777);
	mkdir("/tmp/cz/d", 0777);
	(void)mkfifo("/tmp/cz/p", 0666);
	for (int i = 0; i < 3; i++) {
		int n = open("/dev/null", O_RDWR);

		dup2(n, i);
		if (n > 2)
			close(n);
	}
	for (uint64_t n = 0;; n++) {
		state = seed * 1000003 + n * 101 + 7;
		p = fork();
		if (p == 0)
			worker();
		if (p < 0)
			nap(0.01);
		else
			(void)end_of(p, life);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

int main(int argc, char **argv)
{
	uint64_t from = argc > 1 ? (uint64_t)atol(argv[1]) : 0, count = argc > 2 ? (uint64_t)atol(argv[2]) : 4;
	double seconds = argc > 3 ? atof(argv[3]) : 2;
	sigset_t all;

	if (argc > 1 && !strcmp(argv[1], "leaf"))
		return 0;
	/* Signals that are not for us: of children's children that end, of a process group that they leave orphaned and stopped. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	life = seconds / 6 + 0.5;
	made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (seed = from; seed < from + count; seed++) {
		attack("chaos", chaos, seconds);
		printf("seed %lu: %ld calls\n", (unsigned long)seed, *made);
	}
	end_orphans();
	return failures != 0;
}
