/* SPDX-License-Identifier: Apache-2.0 */
/* shmat.c: shmget(2), shmat(2), shmdt(2), shmctl(2): life of a segment, counts, permissions, errors. */
#include "t.h"

#include <sched.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static int id;
static char *mem;

static int child_sees(void)
{
	struct shmid_ds d;

	if (shmctl(id, IPC_STAT, &d) || d.shm_nattch != 2)
		return 1;
	if (mem[0] != 'a')
		return 2;
	mem[0] = 'b';
	return shmdt(mem) ? 3 : 0;
}

static int other_user(void)
{
	struct shmid_ds d;
	int p;

	if (setgid(12345) || setuid(12345))
		return 1;
	p = shmctl(id, IPC_STAT, &d) == -1 && errno == EACCES &&
	    shmat(id, NULL, 0) == (void *)-1 && errno == EACCES &&
	    shmctl(id, IPC_RMID, NULL) == -1 && errno == EPERM;
	return p ? 0 : 2;
}

static void stat_and_proc(void)
{
	char line[512], want[64];
	struct shm_info info;
	struct shminfo lim;
	struct shmid_ds d;
	int max, found = 0;
	FILE *f;

	max = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);
	CHECK(max >= 0 && info.used_ids >= 1 && info.shm_tot >= 3);
	CHECK(shmctl(0, IPC_INFO, (struct shmid_ds *)&lim) == max && lim.shmmin == 1 && lim.shmmni >= 1);
	for (int i = 0; i <= max; i++)
		if (shmctl(i, SHM_STAT, &d) == id)
			found++;
	EQUAL(found, 1);
	FAILS(EINVAL, shmctl(-1, SHM_STAT, &d));
	f = fopen("/proc/sysvipc/shm", "r");
	CHECK(f != NULL);
	snprintf(want, sizeof(want), "%10d ", id);
	found = 0;
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line + 11, want, strlen(want)))
			found++;
	EQUAL(found, 1);
	if (f)
		fclose(f);
}

T_MAIN
{
	struct shmid_ds d;
	char *a, *b, *p;
	key_t key = 0x12340000 + getpid() % 0xffff;
	int i;

	(void)unshare(CLONE_NEWIPC); /* on the host: what others have comes and goes */
	FAILS(EINVAL, shmget(IPC_PRIVATE, 0, 0600));
	FAILS(ENOENT, shmget(key, 100, 0600));
	id = shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0640);
	CHECK(id >= 0);
	FAILS(EEXIST, shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0600));
	EQUAL(shmget(key, 0, 0), id);
	EQUAL(shmget(key, 10000, 0), id);
	FAILS(EINVAL, shmget(key, 10001, 0));

	FAILS(EINVAL, (long)shmat(-1, NULL, 0));
	FAILS(EINVAL, (long)shmat(id, (void *)0x10001, 0));
	mem = shmat(id, NULL, 0);
	CHECK(mem != (void *)-1);
	EQUAL(mem[9999], 0);
	mem[0] = 'a';
	mem[12287] = 'z'; /* the rest of the last page */
	FAILS(EINVAL, (long)shmat(id, mem, 0));
	EQUAL(t_wait(t_fork(child_sees)), 0);
	EQUAL(mem[0], 'b');

	EQUAL(shmctl(id, IPC_STAT, &d), 0);
	EQUAL(d.shm_segsz, 10000);
	EQUAL(d.shm_nattch, 1);
	EQUAL(d.shm_cpid, getpid());
	CHECK(d.shm_lpid != getpid() && d.shm_lpid > 0);
	EQUAL(d.shm_perm.mode & 0777, 0640);
	EQUAL(d.shm_perm.__key, key);
	CHECK(d.shm_atime && d.shm_dtime && d.shm_ctime);
	stat_and_proc();
	if (geteuid() == 0)
		EQUAL(t_wait(t_fork(other_user)), 0);

	/* Twice, the second time for reading only. */
	a = shmat(id, NULL, SHM_RDONLY);
	CHECK(a != (void *)-1 && a != mem);
	EQUAL(a[0], 'b');
	FAILS(EACCES, mprotect(a, 4096, PROT_READ | PROT_WRITE));
	EQUAL(shmctl(id, IPC_STAT, &d), 0);
	EQUAL(d.shm_nattch, 2);
	FAILS(EINVAL, shmdt(a + 4096));
	FAILS(EINVAL, shmdt(a + 1));
	EQUAL(shmdt(a), 0);
	FAILS(EINVAL, shmdt(a));

	/* At an address: rounded, and over another mapping. */
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FAILS(EINVAL, (long)shmat(id, p, 0));
	b = shmat(id, p + 5000, SHM_RND | SHM_REMAP);
	CHECK(b == p + 4096);
	EQUAL(b[0], 'b');
	EQUAL(shmdt(b), 0);
	p[0] = 1;
	/* A hole in the middle, then what is left goes. */
	b = shmat(id, NULL, 0);
	EQUAL(munmap(b + 4096, 4096), 0);
	EQUAL(shmctl(id, IPC_STAT, &d), 0);
	EQUAL(d.shm_nattch, 3);
	EQUAL(shmdt(b), 0);
	EQUAL(shmctl(id, IPC_STAT, &d), 0);
	EQUAL(d.shm_nattch, 1);
	b = shmat(id, NULL, 0);
	EQUAL(munmap(b, 12288), 0);
	EQUAL(shmctl(id, IPC_STAT, &d), 0);
	EQUAL(d.shm_nattch, 1);

	d.shm_perm.mode = 0600;
	EQUAL(shmctl(id, IPC_SET, &d), 0);
	EQUAL(shmctl(id, IPC_STAT, &d), 0);
	EQUAL(d.shm_perm.mode & 0777, 0600);
	FAILS(EFAULT, shmctl(id, IPC_STAT, BAD_PTR));
	FAILS(EINVAL, shmctl(id, 77, &d));
	if (geteuid() == 0) {
		EQUAL(shmctl(id, SHM_LOCK, NULL), 0);
		EQUAL(shmctl(id, IPC_STAT, &d), 0);
		CHECK(d.shm_perm.mode & SHM_LOCKED);
		EQUAL(shmctl(id, SHM_UNLOCK, NULL), 0);
	}

	/* Removed while attached: it lives on without its key, until the last one goes. */
	EQUAL(shmctl(id, IPC_RMID, NULL), 0);
	FAILS(ENOENT, shmget(key, 0, 0));
	EQUAL(shmctl(id, IPC_STAT, &d), 0);
	CHECK(d.shm_perm.mode & SHM_DEST);
	EQUAL(d.shm_perm.__key, IPC_PRIVATE);
	EQUAL(mem[0], 'b');
	EQUAL(shmdt(mem), 0);
	errno = 0;
	CHECK(shmctl(id, IPC_STAT, &d) == -1 && (errno == EINVAL || errno == EIDRM));

	for (i = 0; i < 300; i++) {
		int n = shmget(IPC_PRIVATE, 1 << 20, 0600);

		p = shmat(n, NULL, 0);
		if (n < 0 || p == (void *)-1 || shmctl(n, IPC_RMID, NULL))
			break;
		p[77] = 1;
		if (shmdt(p))
			break;
	}
	EQUAL(i, 300);

	/* remap_file_pages(2) unmaps first: of what is only attached there and marked for removal nothing is left. */
	i = shmget(IPC_PRIVATE, 4096, 0600);
	p = shmat(i, NULL, 0);
	CHECK(p != (void *)-1);
	p[0] = 'z';
	EQUAL(syscall(SYS_remap_file_pages, p, 4096, 0, 0, 0), 0);
	EQUAL(p[0], 'z');
	EQUAL(shmctl(i, IPC_RMID, NULL), 0);
	errno = 0;
	CHECK(syscall(SYS_remap_file_pages, p, 4096, 0, 0, 0) == -1 && (errno == EIDRM || errno == EINVAL));
	FAILS(EINVAL, shmdt(p));
	FAILS(EINVAL, shmctl(i, IPC_STAT, &d));
}
