/* SPDX-License-Identifier: Apache-2.0 */
/* mlock.c: mlock(2) and kin, mincore(2), msync(2), madvise(2), remap_file_pages(2), memory limits. */
#include "t.h"

static long page;

static long locked_kb(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int as_user(void)
{
	struct rlimit none = { 0, 0 }, little = { 16384, 16384 };
	char *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (setrlimit(RLIMIT_MEMLOCK, &little) || setgid(12345) || setuid(12345))
		return 1;
	if (mlock(p, 16384) || munlock(p, 16384))
		return 2;
	if (mlock(p, 20000) != -1 || errno != ENOMEM)
		return 3;
	if (mlock(p, 8192) || mlock(p + 8192, 8192) || mlock(p + 16384, 1) != -1 || errno != ENOMEM)
		return 4;
	if (mlockall(MCL_CURRENT) != -1 || errno != ENOMEM)
		return 5;
	if (mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) != MAP_FAILED ||
	    errno != EAGAIN)
		return 6;
	setrlimit(RLIMIT_MEMLOCK, &none);
	if (mlock(p + 32768, 1) != -1 || errno != EPERM)
		return 7;
	if (mlockall(MCL_CURRENT) != -1 || errno != EPERM)
		return 8;
	return 0;
}

static int with_limits(void)
{
	struct rlimit as = { 64 << 20, 64 << 20 };
	void *p;

	if (setrlimit(RLIMIT_AS, &as))
		return 1;
	if (mmap(NULL, 128 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ||
	    errno != ENOMEM)
		return 2;
	p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 3;
	memset(p, 1, 4 << 20);
	if (mremap(p, 4 << 20, 128 << 20, MREMAP_MAYMOVE) != MAP_FAILED || errno != ENOMEM)
		return 4;
	if (malloc(100 << 20))
		return 5;
	if (t_wait(fork() == 0 ? (_exit(malloc(100 << 20) ? 1 : 0), 0) : -1) > 0)
		return 6;
	return munmap(p, 4 << 20) ? 7 : 0;
}

static int burns(void)
{
	struct rlimit cpu = { 1, 2 };

	setrlimit(RLIMIT_CPU, &cpu);
	t_handle(SIGXCPU, 0);
	for (;;)
		if (t_signals)
			_exit(t_now_ms() > 0 ? 0 : 1);
	return 1;
}

static int burns_on(void)
{
	struct rlimit cpu = { 1, 2 };

	setrlimit(RLIMIT_CPU, &cpu);
	signal(SIGXCPU, SIG_IGN);
	for (;;)
		;
	return 1;
}

static int few_processes(void)
{
	struct rlimit one = { 1, 1 };
	pid_t pid;

	if (setgid(12346) || setuid(12346) || setrlimit(RLIMIT_NPROC, &one))
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(0);
	return pid == -1 && errno == EAGAIN ? 0 : 2;
}

/* Memory of the host's that has an inode number and no name. */
static void shared_memory(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *m = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memset(m, 'x', 4 * page);
	EQUAL(madvise(m + page, page, MADV_REMOVE), 0);
	CHECK(m[0] == 'x' && m[page] == 0 && m[2 * page] == 'x');
	EQUAL(msync(m, 4 * page, MS_SYNC), 0);
	(void)!syscall(SYS_remap_file_pages, m, page, 0, 2, 0);
	munmap(m, 4 * page);
}

T_MAIN
{
	unsigned char vec[16];
	char *p, *m;
	int fd;

	page = sysconf(_SC_PAGESIZE);
	p = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(p + 12 * page, 4 * page);

	/* mincore */
	p[0] = p[2 * page] = 1;
	EQUAL(mincore(p, 4 * page, vec), 0);
	CHECK((vec[0] & 1) && !(vec[1] & 1) && (vec[2] & 1) && !(vec[3] & 1));
	FAILS(EINVAL, mincore(p + 1, page, vec));
	FAILS(ENOMEM, mincore(p, 16 * page, vec));
	FAILS(EFAULT, mincore(p, page, BAD_PTR));
	FAILS(ENOMEM, mincore(p, (size_t)-1, vec));

	/* mlock */
	EQUAL(mlock(p + 4 * page, 2 * page), 0);
	EQUAL(locked_kb(), 2 * page / 1024);
	EQUAL(mincore(p + 4 * page, 3 * page, vec), 0);
	CHECK((vec[0] & 1) && (vec[1] & 1) && !(vec[2] & 1));
	EQUAL(mlock(p + 5 * page + 1, 1), 0);
	EQUAL(locked_kb(), 2 * page / 1024);
	FAILS(ENOMEM, mlock(p + 11 * page, 2 * page));
	FAILS(ENOMEM, munlock(p + 11 * page, 2 * page));
	munlock(p + 11 * page, page);
	FAILS(EBUSY, msync(p + 4 * page, page, MS_SYNC | MS_INVALIDATE));
	EQUAL(munlock(p + 5 * page, page), 0);
	EQUAL(locked_kb(), page / 1024);
	EQUAL(munmap(p + 4 * page, page), 0);
	EQUAL(locked_kb(), 0);
	FAILS(EINVAL, syscall(SYS_mlock2, p, page, 8));
	EQUAL(syscall(SYS_mlock2, p + 6 * page, page, 1), 0);
	EQUAL(mincore(p + 6 * page, page, vec), 0);
	CHECK(!(vec[0] & 1));
	EQUAL(locked_kb(), page / 1024);
	EQUAL(munlockall(), 0);
	EQUAL(locked_kb(), 0);
	FAILS(EINVAL, mlockall(0));
	FAILS(EINVAL, mlockall(MCL_ONFAULT));
	FAILS(EINVAL, mlockall(0x100));
	EQUAL(mlockall(MCL_CURRENT), 0);
	CHECK(locked_kb() > 8 * page / 1024);
	EQUAL(munlockall(), 0);
	if (geteuid() == 0)
		EQUAL(t_wait(t_fork(as_user)), 0);

	/* msync */
	EQUAL(msync(p, page, MS_SYNC), 0);
	FAILS(EINVAL, msync(p, page, MS_SYNC | MS_ASYNC));
	FAILS(EINVAL, msync(p + 1, page, MS_SYNC));
	FAILS(ENOMEM, msync(p, 16 * page, MS_ASYNC));
	fd = memfd_create("x", 0);
	EQUAL(ftruncate(fd, 4 * page), 0);
	m = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int i = 0; i < 4; i++)
		m[i * page] = (char)('a' + i);
	EQUAL(msync(m, 4 * page, MS_SYNC), 0);

	/* madvise */
	EQUAL(madvise(m + page, page, MADV_REMOVE), 0);
	CHECK(m[0] == 'a' && m[page] == 0 && m[2 * page] == 'c');
	FAILS(EINVAL, madvise(p, page, MADV_REMOVE));
	shared_memory();
	FAILS(EINVAL, madvise(p, page, 99));
	FAILS(EINVAL, madvise(p + 1, page, MADV_DONTNEED));
	FAILS(ENOMEM, madvise(p, 16 * page, MADV_DONTNEED));
	EQUAL(madvise(p, page, MADV_DONTNEED), 0);
	EQUAL(p[0], 0);

	/* remap_file_pages */
	EQUAL(syscall(SYS_remap_file_pages, m, page, 0, 3, 0), 0);
	EQUAL(m[0], 'd');
	FAILS(EINVAL, syscall(SYS_remap_file_pages, p, page, 0, 1, 0));
	FAILS(EINVAL, syscall(SYS_remap_file_pages, m, page, PROT_READ, 1, 0));

	/* MAP_SYNC is for memory that stays. */
	FAILS(EOPNOTSUPP, (long)mmap(NULL, page, PROT_READ, MAP_SHARED_VALIDATE | 0x80000, fd, 0));
	FAILS(EINVAL, mprotect(p, page, PROT_READ | 0x01000000));
	FAILS(EINVAL, mprotect(p, page, 0x1000));

	EQUAL(t_wait(t_fork(with_limits)), 0);
	EQUAL(t_wait(t_fork(burns)), 0);
	EQUAL(t_wait(t_fork(burns_on)), 128 + SIGKILL);
	if (geteuid() == 0)
		EQUAL(t_wait(t_fork(few_processes)), 0);
}
