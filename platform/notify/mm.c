/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mm.c: address spaces: the channel, its slots, and the deaths of processes.
 *
 * Every process made from the zygote is our child (CLONE_PARENT).  One host thread tells each mm
 * whose leader died, when the host has ended all its threads, and then reaps: until then the pid is
 * its own.  A kill or kick that was decided before may still go to a new process of that number if the
 * host's numbers have gone round in that moment.
 *
 * Until a cloned process has arrived (first doorbell, with its cookie) its pid is only what its
 * parent's stub has claimed.  The claim is good for one thing: to notice that it died before it
 * could arrive.
 */
#include "platform/notify/notify_impl.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

#define ARRIVAL_MAX_NS 2000000000ll
#define SETTLE_FIRST_NS 2000000l    /* on a worker's time */
#define SETTLE_STEP_NS  1000000ll   /* then the fiber sleeps, longer each time */
#define SETTLE_STEP_MAX 1280000000ll

struct arrival {
	struct list node;
	struct waiter waiter;
};

/* ---- life ------------------------------------------------------------------------------------- */

static ssize_t mm_space_read(const struct uio_space *s, uint64_t addr, void *dst, size_t size)
{
	return plat_mm_read(container_of(s, struct plat_mm, space), addr, dst, size, false);
}

static ssize_t mm_space_write(const struct uio_space *s, uint64_t addr, const void *src, size_t size)
{
	return plat_mm_write(container_of(s, struct plat_mm, space), addr, src, size, false);
}

static ssize_t mm_space_writev(const struct uio_space *s, uint64_t addr, const struct iovec *iov,
			       size_t count)
{
	return plat_mm_writev(container_of(s, struct plat_mm, space), addr, iov, count);
}

int notify_mm_new(struct plat_mm **out)
{
	struct plat_mm *mm = mem_new(struct plat_mm);

	if (!mm)
		return -ENOMEM;
	ref_init(&mm->refs);
	latch_init(&mm->latch);
	mutex_init(&mm->fds_mutex, LOCK_LEAF);
	list_init(&mm->threads);
	list_init(&mm->arrival);
	mm->space.read = mm_space_read;
	mm->space.write = mm_space_write;
	mm->space.writev = mm_space_writev;
	mm->memfd = mm->process_fd = -1;
	mm->native = true;
	mutex_init(&mm->patch_mutex, LOCK_PATCH);
	*out = mm;
	return 0;
}

void notify_mm_get(struct plat_mm *mm)
{
	ref_get(&mm->refs);
}

/* Take mm out of the table by pid, so that its death concerns nobody. */
static void mm_forget_pid(struct plat_mm *mm)
{
	latch_lock(&notify.tables);
	if (mm->in_by_pid)
		hash_remove(&notify.by_pid, &mm->by_pid);
	mm->in_by_pid = false;
	latch_unlock(&notify.tables);
}

static void mm_close(struct plat_mm *mm)
{
	if (mm->channel)
		(void)host_munmap(mm->channel, STUB_CHANNEL_SIZE);
	if (mm->process)
		(void)host_munmap(mm->process, PAGE_SIZE);
	host_close_fd(&mm->memfd);
	host_close_fd(&mm->process_fd);
	mem_free(mm->slots);
	mm->slots = NULL;
	mm->channel = NULL;
	mm->process = NULL;
	mm->slot_count = 0;
}

void notify_mm_put(struct plat_mm *mm)
{
	bool kill;

	if (!ref_put(&mm->refs))
		return;
	latch_lock(&mm->latch);
	kill = mm->pid && !mm->dead;
	latch_unlock(&mm->latch);
	if (kill)
		(void)host_kill(mm->pid, SIGKILL);
	mm_forget_pid(mm);
	notify_patch_free(mm);
	mm_close(mm);
	mem_free(mm);
}

/* A memfd of size bytes, our mapping of it, and seals that are put on when that is there. */
static int shared_new(const char *name, size_t size, int seals, uint8_t **view)
{
	void *p;
	int err, fd = host_memfd_create(name, MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd == -EINVAL)
		fd = host_memfd_create(name, MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	err = host_ftruncate(fd, (int64_t)size);
	p = err < 0 ? NULL : host_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (err == 0 && host_is_error(p))
		err = -ENOMEM;
	if (err == 0) {
		/* Nobody can cut it under us (SIGBUS). */
		err = (int)host_fcntl(fd, F_ADD_SEALS, seals | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
		if (err < 0)
			(void)host_munmap(p, size);
	}
	if (err < 0) {
		host_close(fd);
		return err;
	}
	*view = p;
	return fd;
}

static void process_page_fill(struct plat_mm *mm)
{
	struct stub_process *p = mm->process;

	p->native = mm->native;
	p->fpu_size = notify.fpstate.xsize;
	p->fpu_features = notify.fpstate.xfeatures;
	fpstate_software(&notify.fpstate, p->fpu_software);
	p->clocks_off = mm->clocks_off;
}

int notify_mm_open(struct plat_mm *mm, uint32_t index)
{
	uint8_t *slots, *channel, *page = NULL;
	int fd, process_fd;

	if (mm->channel || mm->killed)
		return -EAGAIN;
	slots = mem_zalloc(index + 1);
	if (!slots)
		return -ENOMEM;
	fd = shared_new("runsc-c-channel", STUB_CHANNEL_SIZE, 0, &channel);
	if (fd < 0) {
		mem_free(slots);
		return fd;
	}
	process_fd = shared_new("runsc-c-process", PAGE_SIZE, F_SEAL_FUTURE_WRITE, &page);
	slots[index] = NOTIFY_SLOT_USED;
	latch_lock(&mm->latch);
	mm->slots = slots;
	mm->slot_count = index + 1;
	mm->channel = channel;
	mm->memfd = fd;
	mm->process_fd = process_fd < 0 ? -1 : process_fd;
	mm->process = (struct stub_process *)page;
	if (page)
		process_page_fill(mm);
	latch_unlock(&mm->latch);
	if (process_fd < 0) {
		mm_close(mm);
		return process_fd;
	}
	plat_mm_set_identity(mm, &mm->identity);
	return 0;
}

/*
 * The channel stays until mm is freed: the receiver may be about to hand it to the child (it holds a
 * reference, and the number must not come to mean another file).  So this mm can't be opened again.
 */
void notify_mm_undo(struct plat_mm *mm)
{
	pid_t pid;

	mm_forget_pid(mm);
	latch_lock(&mm->latch);
	pid = mm->pid;
	mm->pid = mm->pid_hint = 0;
	mm->killed = true; /* one that arrives now is sent away */
	latch_unlock(&mm->latch);
	if (pid)
		(void)host_kill(pid, SIGKILL);
}

/* ---- slots ------------------------------------------------------------------------------------ */

struct stub_slot *notify_slot_at(struct plat_mm *mm, uint32_t index)
{
	return (struct stub_slot *)(mm->channel + STUB_SLOT((size_t)index));
}

static bool slot_is_free_locked(struct plat_mm *mm, uint32_t i)
{
	if (mm->slots[i] == NOTIFY_SLOT_NONE)
		return true;
	return mm->slots[i] == NOTIFY_SLOT_DYING &&
	       __atomic_load_n(&notify_slot_at(mm, i)->live, __ATOMIC_ACQUIRE) == 0;
}

int notify_slot_alloc(struct plat_mm *mm, bool *mapped)
{
	uint8_t *grown = NULL, *old = NULL;
	uint32_t i, want, room = 0;
	int r = -EAGAIN;

	for (;;) {
		latch_lock(&mm->latch);
		for (i = 0; i < mm->slot_count && !slot_is_free_locked(mm, i); i++)
			;
		if (i < mm->slot_count) {
			*mapped = mm->slots[i] == NOTIFY_SLOT_DYING;
			mm->slots[i] = NOTIFY_SLOT_USED;
			r = (int)i;
			break;
		}
		want = mm->slot_count * 2;
		want = MAX(want, 8u);
		want = MIN(want, (uint32_t)STUB_THREADS_MAX);
		if (want == mm->slot_count)
			break;
		if (room > mm->slot_count) {
			memcpy(grown, mm->slots, mm->slot_count);
			old = mm->slots;
			mm->slots = grown;
			mm->slot_count = room;
			room = 0;
			grown = old;
		}
		latch_unlock(&mm->latch);
		mem_free(grown);
		if (old) {
			old = grown = NULL;
			continue;
		}
		room = want;
		grown = mem_zalloc(room);
		if (!grown)
			return -EAGAIN;
	}
	latch_unlock(&mm->latch);
	mem_free(grown);
	return r;
}

/* The slot of a thread that was told to end and has not; NULL: none. */
static struct stub_slot *slot_dying(struct plat_mm *mm)
{
	struct stub_slot *s = NULL;

	latch_lock(&mm->latch);
	for (uint32_t i = 0; i < mm->slot_count && !s; i++) {
		if (mm->slots[i] == NOTIFY_SLOT_DYING && !slot_is_free_locked(mm, i))
			s = notify_slot_at(mm, i);
	}
	latch_unlock(&mm->latch);
	return s;
}

/* A moment, on the worker's time: mostly that is enough, since it takes the host microseconds. */
static void slot_wait(struct stub_slot *s)
{
	const struct timespec moment = { 0, SETTLE_FIRST_NS };
	uint32_t live = __atomic_load_n(&s->live, __ATOMIC_ACQUIRE);

	worker_block_begin();
	if (live)
		(void)host_futex(&s->live, FUTEX_WAIT, live, &moment, 0); /* the host clears it, and wakes */
	worker_block_end();
}

/* Sleep for step_ns, or until mm's process is dead: then true. */
static bool settle_sleep(struct plat_mm *mm, int64_t step_ns)
{
	struct arrival a;
	bool dead;

	list_init(&a.node);
	waiter_init(&a.waiter, fiber_self());
	waiter_prepare(&a.waiter);
	latch_lock(&mm->latch);
	dead = mm->dead;
	if (!dead)
		list_append(&mm->arrival, &a.node);
	latch_unlock(&mm->latch);
	if (dead) {
		waiter_cancel(&a.waiter);
		return true;
	}
	(void)waiter_sleep(&a.waiter, WAITER_UNINTERRUPTIBLE, clock_mono_ns() + step_ns);
	latch_lock(&mm->latch);
	list_remove(&a.node);
	dead = mm->dead;
	latch_unlock(&mm->latch);
	return dead;
}

/*
 * There is no limit of time: the container may be frozen, and who holds on (a stub that does not obey) holds
 * up its own process, until that is killed.
 */
int notify_slots_settle(struct plat_mm *mm)
{
	struct stub_slot *s = slot_dying(mm);
	int64_t step_ns = SETTLE_STEP_NS;

	if (!s)
		return 0;
	notify_farewells_send();
	slot_wait(s);
	while (slot_dying(mm)) {
		if (settle_sleep(mm, step_ns))
			return -ESRCH; /* the last thread's word is never cleared */
		step_ns = MIN(2 * step_ns, SETTLE_STEP_MAX);
	}
	return 0;
}

uint64_t notify_mm_hidden_bytes(struct plat_mm *mm)
{
	uint64_t bytes = STUB_CHANNEL_SIZE + STUB_TEXT_MAX + 2 * PAGE_SIZE + notify_patch_hidden_bytes(mm);

	latch_lock(&mm->latch);
	for (uint32_t i = 0; i < mm->slot_count; i++) {
		if (mm->slots[i] != NOTIFY_SLOT_NONE)
			bytes += STUB_AREA_SIZE - PAGE_SIZE;
	}
	latch_unlock(&mm->latch);
	return bytes;
}

/* ---- what the stub is told ---------------------------------------------------------------------- */

void notify_mm_set_native(struct plat_mm *mm, bool on)
{
	latch_lock(&mm->latch);
	mm->native = on;
	if (mm->process)
		mm->process->native = on;
	latch_unlock(&mm->latch);
}

void notify_mm_set_clocks(struct plat_mm *mm, bool on)
{
	latch_lock(&mm->latch);
	mm->clocks_off = !on;
	if (mm->process)
		mm->process->clocks_off = !on;
	latch_unlock(&mm->latch);
}

void notify_mm_set_populate(struct plat_mm *mm, bool on)
{
	atomic_store_explicit(&mm->populate, on, memory_order_relaxed);
}

void notify_mm_set_identity(struct plat_mm *mm, const struct plat_identity *id)
{
	struct stub_process *p;

	latch_lock(&mm->latch);
	mm->identity = *id;
	p = mm->process;
	if (p) {
		__atomic_store_n(&p->identity, 0, __ATOMIC_RELEASE);
		p->pid = id->pid;
		p->ppid = id->ppid;
		p->uid = id->uid;
		p->euid = id->euid;
		p->gid = id->gid;
		p->egid = id->egid;
		p->pgid = id->pgid;
		p->sid = id->sid;
		__atomic_store_n(&p->identity, id->valid, __ATOMIC_RELEASE);
	}
	latch_unlock(&mm->latch);
}

/* ---- arrival ---------------------------------------------------------------------------------- */

/* REQUIRES mm->latch */
static void mm_wake_arrivals(struct plat_mm *mm)
{
	struct list *n;

	while ((n = list_shift(&mm->arrival)))
		waiter_wake(&list_entry(n, struct arrival, node)->waiter);
}

bool notify_mm_arrived(struct plat_mm *mm, pid_t pid)
{
	bool ok, dying;

	latch_lock(&notify.tables);
	latch_lock(&mm->latch);
	dying = notify.dying == pid;
	ok = !mm->killed && !mm->dead && mm->pid == 0;
	if (ok) {
		mm->pid = pid;
		hash_insert(&notify.by_pid, &mm->by_pid, hash_u64(0, (uint64_t)pid));
		mm->in_by_pid = true;
	}
	mm_wake_arrivals(mm);
	latch_unlock(&mm->latch);
	latch_unlock(&notify.tables);
	/* The reaper may have looked for it just before, and in vain. */
	if (ok && (dying || host_kill(pid, 0) == -ESRCH))
		notify_mm_died(mm, SIGKILL);
	return ok;
}

/*
 * Sleep until mm's process has arrived, or died.  The zygote's word for its child is our own; but that
 * a fork was made is only what an application's stub says, and who asks (a reader in /proc) may be
 * anybody: then not for ever, and who comes later does not wait again.
 */
static void mm_await_arrival(struct plat_mm *mm)
{
	int64_t deadline_ns = mm->from_zygote ? INT64_MAX : clock_mono_ns() + ARRIVAL_MAX_NS;
	struct arrival a;

	list_init(&a.node);
	waiter_init(&a.waiter, fiber_self());
	for (;;) {
		waiter_prepare(&a.waiter);
		latch_lock(&mm->latch);
		list_remove(&a.node);
		if (mm->pid || mm->dead || list_empty(&mm->threads) || mm->overdue) {
			latch_unlock(&mm->latch);
			waiter_cancel(&a.waiter);
			return;
		}
		list_append(&mm->arrival, &a.node);
		latch_unlock(&mm->latch);
		(void)waiter_sleep(&a.waiter, WAITER_UNINTERRUPTIBLE, deadline_ns);
		if (deadline_ns <= clock_mono_ns()) {
			latch_lock(&mm->latch);
			mm->overdue = true;
			latch_unlock(&mm->latch);
		}
	}
}

/*
 * A thread of mm that has arrived, not skip; 0: none.  Not simply the process's pid: its first thread
 * may have ended, and has no memory then.
 */
static pid_t mm_some_tid(struct plat_mm *mm, pid_t *pid)
{
	struct plat_thread *pt;
	pid_t tid = 0;

	latch_lock(&mm->latch);
	*pid = mm->pid;
	if (!mm->dead) {
		list_for_each_entry(pt, &mm->threads, in_mm) {
			tid = __atomic_load_n(&pt->tid, __ATOMIC_RELAXED);
			if (tid)
				break;
		}
	}
	latch_unlock(&mm->latch);
	return tid;
}

/*
 * The leader's number is its process's until we reap it.  Another thread's is free as soon as that thread
 * has ended, and a hostile one may end without a word: its number may be another process's by now,
 * whose memory is none of this mm's business.
 */
static bool tid_is_of(pid_t pid, pid_t tid)
{
	return tid == pid || host_tgkill(pid, tid, 0) != -ESRCH;
}

pid_t notify_mm_tid(struct plat_mm *mm)
{
	pid_t tid, pid;

	for (bool again = fiber_self() != NULL;; again = false) {
		tid = mm_some_tid(mm, &pid);
		if (tid && tid_is_of(pid, tid))
			return tid;
		/* Still in the list, so nobody told it to end. */
		if (tid && tid == mm_some_tid(mm, &pid)) {
			notify_mm_broken(mm);
			return -ESRCH;
		}
		if (!again)
			return -ESRCH;
		if (!tid)
			mm_await_arrival(mm);
	}
}

/* ---- death ------------------------------------------------------------------------------------ */

void notify_mm_kill(struct plat_mm *mm)
{
	bool arrived, dead;
	pid_t pid;

	latch_lock(&mm->latch);
	mm->killed = true;
	dead = mm->dead;
	pid = mm->pid;
	arrived = pid != 0;
	latch_unlock(&mm->latch);
	if (arrived && !dead)
		(void)host_kill(pid, SIGKILL);
	else if (!dead)
		notify_mm_died(mm, SIGKILL); /* should it arrive after all, it is sent away */
}

void notify_mm_broken(struct plat_mm *mm)
{
	pid_t pid;

	latch_lock(&mm->latch);
	pid = mm->dead ? 0 : mm->pid;
	latch_unlock(&mm->latch);
	if (pid)
		(void)host_kill(pid, SIGKILL);
}

void notify_mm_died(struct plat_mm *mm, int wait_status)
{
	struct plat_thread *pt;
	struct list *n;
	bool lost, astray;

	notify_mm_get(mm);
	mm_forget_pid(mm);
	latch_lock(&mm->latch);
	lost = !mm->killed && !list_empty(&mm->threads);
	astray = mm->pid == 0 && !mm->dead;
	if (!mm->dead) {
		mm->dead = true;
		mm->wait_status = wait_status;
	}
	mm_wake_arrivals(mm);
	while ((n = list_shift(&mm->threads))) {
		pt = list_entry(n, struct plat_thread, in_mm);
		ref_get(&pt->refs);
		latch_unlock(&mm->latch);
		notify_thread_died(pt);
		notify_thread_put(pt);
		latch_lock(&mm->latch);
	}
	latch_unlock(&mm->latch);
	if (lost && notify.lost)
		notify.lost();
	if (astray)
		notify_census_want(); /* there may be a process all the same */
	notify_mm_put(mm);
}

struct plat_mm *notify_mm_peek(pid_t pid)
{
	struct hash_node *n;
	struct plat_mm *mm;

	for (n = hash_first(&notify.by_pid, hash_u64(0, (uint64_t)pid)); n; n = hash_next(n)) {
		mm = container_of(n, struct plat_mm, by_pid);
		if (mm->pid == pid)
			return mm;
	}
	return NULL;
}

bool notify_pid_is_known(pid_t pid)
{
	bool known;

	latch_lock(&notify.tables);
	known = notify_mm_peek(pid) != NULL;
	latch_unlock(&notify.tables);
	return known;
}

static void process_died(pid_t pid, int wait_status, struct plat_mm *(*peek)(pid_t))
{
	struct plat_mm *mm;

	latch_lock(&notify.tables);
	mm = peek(pid);
	if (mm && !ref_try_get(&mm->refs))
		mm = NULL;
	latch_unlock(&notify.tables);
	if (!mm)
		return;
	notify_mm_died(mm, wait_status);
	notify_mm_put(mm);
}

bool notify_pid_is_accounted(pid_t pid)
{
	bool yes;

	latch_lock(&notify.tables);
	yes = notify_mm_peek(pid) || notify_pending_peek(pid);
	latch_unlock(&notify.tables);
	return yes;
}

static int wait_status_of(const siginfo_t *info)
{
	int status = info->si_status;

	switch (info->si_code) {
	case CLD_EXITED:
		return (status & 0xff) << 8;
	case CLD_DUMPED:
		return status | 0x80;
	default:
		return status;
	}
}

static void dying_set(pid_t pid)
{
	latch_lock(&notify.tables);
	notify.dying = pid;
	latch_unlock(&notify.tables);
}

/*
 * First everybody learns that the process is gone, then it is reaped: until then its number can't be
 * another's.  Whether a child that had not arrived is meant can be asked only afterwards: its parent's
 * word for its number comes before, or finds that there is no such process (child_hint()).
 */
static void *reaper_main(void *arg)
{
	siginfo_t info;
	int err, status;
	pid_t pid;

	(void)arg;
	for (;;) {
		info.si_pid = 0;
		err = host_waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | __WALL);
		if (err == -ECHILD)
			return NULL; /* not even a zygote: no process can be made any more */
		pid = info.si_pid;
		if (err < 0 || pid <= 0)
			continue;
		status = wait_status_of(&info);
		if (pid == notify.zygote_mm->pid)
			log_error("the zygote is gone (status %#x)", (unsigned int)status);
		dying_set(pid);
		process_died(pid, status, notify_mm_peek);
		(void)host_waitid(P_PID, pid, &info, WEXITED | __WALL);
		dying_set(0);
		process_died(pid, status, notify_pending_peek);
	}
}

int notify_reaper_start(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, &attr, reaper_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}
