/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_proc.c: proc, sysfs and cgroup over tasks that exist but never run (they have no memory and
 * no host thread).
 */
#include "tests/unit/vfs/fixture.h"

#include <linux/capability.h>
#include <linux/nsfs.h>
#include <poll.h>

#include "sentry/container.h"
#include "sentry/kernel.h"
#include "sentry/proc/proc.h"
#include "sentry/sysfs/sysfs.h"
#include "sentry/task/cgrp.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"

struct px {
	struct fx x;
	struct container k;
	struct task *init, *other;
};

static void registered_once(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	task_init();
	assert_int_equal(kernel_machine_init(4, 4, 64 << 20, 0), 0);
	assert_int_equal(procfs_init(), 0);
	assert_int_equal(sysfs_init(), 0);
}

/* A task of its own process, or a further thread of leader's. */
static struct task *px_task(struct px *p, struct task *leader, const char *comm)
{
	struct task *t = mem_new(struct task);
	struct pid *pid;

	ref_init(&t->ref);
	latch_init(&t->latch);
	list_init(&t->process_node);
	list_init(&t->pending.queue);
	t->state = 'R';
	mutex_lock(&tasklist.lock);
	assert_int_equal(pid_new_locked(p->k.pid_ns, NULL, 0, &pid), 0);
	t->pid = pid_get(pid);
	pid->task = t;
	if (leader) {
		t->process = process_get(leader->process);
	} else {
		t->process = process_alloc();
		t->process->pid = pid_get(pid);
		t->process->pid_ns = pid_ns_get(p->k.pid_ns);
		t->process->container = &p->k;
		t->process->leader = t;
		cgrp_enter_locked(t->process, p->k.cgroup);
		pid->process = t->process;
	}
	list_append(&t->process->tasks, &t->process_node);
	mutex_unlock(&tasklist.lock);
	t->cred = cred_dup(p->x.root);
	t->fdt = fdt_new();
	t->fs = fs_state_new(&p->x.root_path, &p->x.root_path, 022);
	t->ns = ns_set_get(p->k.ns);
	task_set_comm(t, comm);
	return t;
}

/* As if it had been reaped. */
static void px_gone(struct task *t)
{
	struct pid *pid = t->pid;

	mutex_lock(&tasklist.lock);
	list_remove(&t->process_node);
	pid->task = NULL;
	if (t->process->leader == t) {
		cgrp_leave_locked(t->process);
		t->process->leader = NULL;
		pid->process = NULL;
	}
	pid_release_locked(pid);
	mutex_unlock(&tasklist.lock);
	task_put(t);
}

static void px_mount(struct px *p, const char *type, const char *at, const char *data)
{
	struct path dir;

	assert_int_equal(vfs_mkdir(&p->x.c, NULL, at, 0755), 0);
	assert_int_equal(vfs_walk(&p->x.c, NULL, at, 0, &dir), 0);
	assert_int_equal(vfs_mount_internal(&p->x.c, fs_type_find(type), type, &dir, 0, data, &p->k),
			 0);
	path_put(&dir);
}

/* The reader is p->init. */
static void px_init(struct px *p, const char *options)
{
	memset(p, 0, sizeof(*p));
	fx_init(&p->x);
	registered_once();
	p->k.cpu_count = 2;
	p->k.memory_limit = 32 << 20;
	p->k.pids_limit = 77;
	p->k.cgroup = cgrp_new_root();
	assert_non_null(p->k.cgroup);
	p->k.pid_ns = pid_ns_new(NULL, user_ns_init);
	p->k.ns = mem_new(struct ns_set);
	ref_init(&p->k.ns->ref);
	p->k.ns->mnt = mnt_ns_get(p->x.ns);
	p->k.ns->uts = uts_ns_new("box", "(none)", user_ns_init);
	p->k.ns->pid_for_children = pid_ns_get(p->k.pid_ns);
	px_mount(p, "proc", "/proc", options);
	p->init = px_task(p, NULL, "init");
	p->other = px_task(p, NULL, "a b)\n");
	p->x.c.task = p->init;
}

static void px_fini(struct px *p)
{
	p->x.c.task = NULL;
	px_gone(p->init);
	if (p->other)
		px_gone(p->other);
	ns_set_put(p->k.ns);
	fx_fini(&p->x);
	cgrp_drop_root(p->k.cgroup);
	pid_ns_put(p->k.pid_ns);
}

/* Become an unprivileged user, as the task too. */
static struct cred *px_user(struct px *p, uint32_t uid)
{
	struct cred *c = fx_user(&p->x, uid);

	task_set_cred(p->init, cred_get(c));
	return c;
}

static void px_root(struct px *p, struct cred *user)
{
	task_set_cred(p->init, cred_get(p->x.root));
	fx_root(&p->x, user);
}

/* The first bytes of a file, NUL-terminated. */
static ssize_t px_read(struct px *p, const char *name, char *got, size_t size)
{
	struct file *f;
	ssize_t n = fx_open(&p->x, name, O_RDONLY, &f);

	if (n < 0)
		return n;
	n = fx_pread(&p->x, f, got, size - 1, 0);
	got[n > 0 ? n : 0] = '\0';
	file_put(f);
	return n;
}

static int px_write(struct px *p, const char *name, const char *text)
{
	struct file *f;
	ssize_t n = fx_open(&p->x, name, O_WRONLY | O_TRUNC, &f);

	if (n < 0)
		return (int)n;
	n = fx_write(&p->x, f, text, strlen(text));
	file_put(f);
	return n < 0 ? (int)n : 0;
}

static int px_link(struct px *p, const char *name, char *text, size_t size)
{
	struct path at;
	char *got;
	int err = vfs_walk(&p->x.c, NULL, name, 0, &at);

	if (err < 0)
		return err;
	err = vfs_readlink(&p->x.c, &at, &got);
	path_put(&at);
	if (err < 0)
		return err;
	snprintf(text, size, "%s", got);
	mem_free(got);
	return 0;
}

static void px_starts(const char *text, const char *start)
{
	assert_memory_equal(text, start, strlen(start));
}

struct names {
	struct dir_emit emit;
	char text[8192];
};

static bool names_add(struct dir_emit *e, const char *name, size_t len, uint64_t ino,
		      unsigned int type, int64_t next_pos)
{
	struct names *n = container_of(e, struct names, emit);

	(void)ino, (void)type, (void)next_pos;
	strncat(n->text, " ", sizeof(n->text) - strlen(n->text) - 1);
	strncat(n->text, name, MIN(len, sizeof(n->text) - strlen(n->text) - 1));
	return true;
}

/* All names of a directory, each with a space in front and one at the end. */
static int px_list(struct px *p, const char *name, struct names *n)
{
	struct file *f;
	int err = fx_open(&p->x, name, O_RDONLY | O_DIRECTORY, &f);

	memset(n, 0, sizeof(*n));
	n->emit.fn = names_add;
	if (err < 0)
		return err;
	err = file_readdir(&p->x.c, f, &n->emit);
	strncat(n->text, " ", sizeof(n->text) - strlen(n->text) - 1);
	file_put(f);
	return err;
}

/* ---- /proc ------------------------------------------------------------------------------------ */

FIBER_TEST(self_leads_to_the_reader)
{
	char text[256];
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(px_link(&p, "/proc/self", text, sizeof(text)), 0);
	assert_string_equal(text, "1");
	assert_int_equal(px_link(&p, "/proc/thread-self", text, sizeof(text)), 0);
	assert_string_equal(text, "1/task/1");
	assert_true(px_read(&p, "/proc/self/comm", text, sizeof(text)) > 0);
	assert_string_equal(text, "init\n");
	p.x.c.task = p.other;
	assert_int_equal(px_link(&p, "/proc/self", text, sizeof(text)), 0);
	assert_string_equal(text, "2");
	px_fini(&p);
}

FIBER_TEST(processes_are_listed_and_their_threads_are_not)
{
	struct task *thread;
	struct names n;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	thread = px_task(&p, p.other, "thread");
	assert_int_equal(px_list(&p, "/proc", &n), 0);
	assert_non_null(strstr(n.text, " 1 2 "));
	assert_null(strstr(n.text, " 3 "));
	assert_non_null(strstr(n.text, " meminfo "));
	assert_int_equal(fx_walk(&p.x, "/proc/3", 0), 0); /* there when asked for */
	assert_int_equal(px_list(&p, "/proc/2/task", &n), 0);
	assert_string_equal(n.text, " . .. 2 3 ");
	assert_int_equal(fx_walk(&p.x, "/proc/2/task/3/comm", 0), 0);
	assert_int_equal(fx_walk(&p.x, "/proc/1/task/3", 0), -ENOENT);
	assert_int_equal(fx_walk(&p.x, "/proc/2/task/3/task", 0), -ENOENT);
	assert_int_equal(fx_walk(&p.x, "/proc/02", 0), -ENOENT);
	assert_int_equal(fx_walk(&p.x, "/proc/99999999999999999999", 0), -ENOENT);
	assert_int_equal(fx_walk(&p.x, "/proc/4", 0), -ENOENT);
	px_gone(thread);
	px_fini(&p);
}

FIBER_TEST(names_of_an_ended_process_are_gone)
{
	char text[64];
	struct file *f;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(fx_walk(&p.x, "/proc/2/status", 0), 0); /* now it is cached */
	assert_int_equal(fx_open(&p.x, "/proc/2/stat", O_RDONLY, &f), 0);
	px_gone(p.other);
	p.other = NULL;
	assert_int_equal(fx_walk(&p.x, "/proc/2", 0), -ENOENT);
	assert_int_equal(fx_walk(&p.x, "/proc/2/status", 0), -ENOENT);
	assert_int_equal(fx_pread(&p.x, f, text, sizeof(text), 0), -ESRCH);
	file_put(f);
	px_fini(&p);
}

FIBER_TEST(a_reused_number_is_another_process)
{
	char text[64];
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_true(px_read(&p, "/proc/2/comm", text, sizeof(text)) > 0);
	px_gone(p.other);
	p.k.pid_ns->last = 1;
	p.other = px_task(&p, NULL, "second");
	assert_true(px_read(&p, "/proc/2/comm", text, sizeof(text)) > 0);
	assert_string_equal(text, "second\n");
	px_fini(&p);
}

FIBER_TEST(a_text_stays_as_it_was_until_it_is_read_from_the_start)
{
	char text[64];
	struct file *f;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(fx_open(&p.x, "/proc/self/comm", O_RDONLY, &f), 0);
	assert_int_equal(fx_pread(&p.x, f, text, 2, 0), 2);
	task_set_comm(p.init, "changed");
	assert_int_equal(fx_pread(&p.x, f, text, sizeof(text), 2), 3);
	px_starts(text, "it\n");
	assert_int_equal(fx_pread(&p.x, f, text, sizeof(text), 0), 8);
	px_starts(text, "changed\n");
	assert_int_equal(fx_pread(&p.x, f, text, sizeof(text), 8), 0);
	assert_int_equal(fx_pread(&p.x, f, text, sizeof(text), INT64_MAX - 100), 0);
	file_put(f);
	px_fini(&p);
}

static int show_big(const struct pfs_req *r, struct buf *b)
{
	(void)r;
	for (int i = 0; i < (9 << 20) / 8; i++)
		buf_puts(b, "01234567");
	return 0;
}

FIBER_TEST(open_files_keep_only_so_much_text)
{
	static const struct pfs_entry big = { .mode = S_IFREG | 0444, .show = show_big };
	struct file *f[10];
	char text[16];
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(proc_add("big", &big), 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fx_open(&p.x, "/proc/big", O_RDONLY, &f[i]), 0);
		assert_int_equal(fx_pread(&p.x, f[i], text, 8, 0), 8);
	}
	for (int i = 0; i < 10; i++) {
		assert_int_equal(fx_pread(&p.x, f[i], text, 8, (9 << 20) - 8), 8);
		assert_memory_equal(text, "01234567", 8);
		assert_int_equal(fx_pread(&p.x, f[i], text, 8, 9 << 20), 0);
		file_put(f[i]);
	}
	px_fini(&p);
}

FIBER_TEST(status_escapes_names_and_stat_does_not)
{
	char text[4096];
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_true(px_read(&p, "/proc/2/status", text, sizeof(text)) > 0);
	px_starts(text, "Name:\ta b)\\n\nUmask:\t0022\nState:\t");
	assert_non_null(strstr(text, "\nUid:\t0\t0\t0\t0\n"));
	assert_non_null(strstr(text, "\nNSpid:\t2\n"));
	assert_non_null(strstr(text, "\nThreads:\t1\n"));
	assert_non_null(strstr(text, "\nCapEff:\t000001ffffffffff\n"));
	assert_non_null(strstr(text, "\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n"));
	assert_true(px_read(&p, "/proc/2/stat", text, sizeof(text)) > 0);
	px_starts(text, "2 (a b)\n) ");
	px_fini(&p);
}

FIBER_TEST(only_the_process_itself_sets_its_name)
{
	char text[64];
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(px_write(&p, "/proc/self/comm", "longer than fifteen"), 0);
	assert_true(px_read(&p, "/proc/self/comm", text, sizeof(text)) > 0);
	assert_string_equal(text, "longer than fif\n");
	assert_int_equal(px_write(&p, "/proc/2/comm", "x"), -EINVAL);
	assert_int_equal(px_write(&p, "/proc/self/stat", "x"), -EACCES);
	px_fini(&p);
}

FIBER_TEST(what_is_private_needs_ptrace_access)
{
	char text[256];
	struct cred *user;
	struct names n;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	user = px_user(&p, 1000);
	assert_true(px_read(&p, "/proc/2/status", text, sizeof(text)) > 0);
	assert_int_equal(px_read(&p, "/proc/2/environ", text, sizeof(text)), -EACCES);
	assert_int_equal(px_read(&p, "/proc/2/maps", text, sizeof(text)), -EACCES);
	assert_int_equal(px_read(&p, "/proc/2/mem", text, sizeof(text)), -EACCES);
	assert_int_equal(px_link(&p, "/proc/2/cwd", text, sizeof(text)), -EACCES);
	assert_int_equal(px_link(&p, "/proc/2/exe", text, sizeof(text)), -EACCES);
	assert_int_equal(px_link(&p, "/proc/2/ns/mnt", text, sizeof(text)), -EACCES);
	assert_int_equal(fx_walk(&p.x, "/proc/2/root/", 0), -EACCES);
	assert_int_equal(px_list(&p, "/proc/2/fd", &n), -EACCES);
	assert_int_equal(px_list(&p, "/proc/2/fdinfo", &n), -EACCES);
	/* Its own is open to it. */
	assert_int_equal(px_list(&p, "/proc/1/fd", &n), 0);
	assert_int_equal(px_link(&p, "/proc/1/cwd", text, sizeof(text)), 0);
	assert_string_equal(text, "/");
	px_root(&p, user);
	assert_int_equal(px_link(&p, "/proc/2/root", text, sizeof(text)), 0);
	px_fini(&p);
}

FIBER_TEST(hidepid_hides_what_others_run)
{
	char text[256];
	struct cred *user;
	struct names n;
	struct px p;
	(void)state;

	px_init(&p, "hidepid=invisible,gid=50");
	user = px_user(&p, 1000);
	assert_int_equal(px_list(&p, "/proc", &n), 0);
	assert_non_null(strstr(n.text, " 1 "));
	assert_null(strstr(n.text, " 2 "));
	assert_int_equal(px_read(&p, "/proc/2/status", text, sizeof(text)), -ENOENT);
	assert_true(px_read(&p, "/proc/1/status", text, sizeof(text)) > 0);
	user->fsgid = 50;
	assert_true(px_read(&p, "/proc/2/status", text, sizeof(text)) > 0);
	px_root(&p, user);
	assert_true(px_read(&p, "/proc/mounts", text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "gid=50,hidepid=invisible"));
	px_fini(&p);
}

FIBER_TEST(subset_pid_shows_processes_alone)
{
	struct names n;
	struct px p;
	(void)state;

	px_init(&p, "subset=pid");
	assert_int_equal(px_list(&p, "/proc", &n), 0);
	assert_non_null(strstr(n.text, " self "));
	assert_non_null(strstr(n.text, " 1 2 "));
	assert_null(strstr(n.text, " meminfo "));
	assert_int_equal(fx_walk(&p.x, "/proc/meminfo", 0), -ENOENT);
	assert_int_equal(fx_walk(&p.x, "/proc/sys", 0), -ENOENT);
	px_fini(&p);
}

FIBER_TEST(descriptors_are_links_to_their_files)
{
	struct path fd, target;
	char text[256];
	struct file *f;
	struct names n;
	struct attr a;
	struct px p;
	int nr;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(fx_put(&p.x, "/file", "content"), 0);
	assert_int_equal(fx_open(&p.x, "/file", O_RDONLY, &f), 0);
	nr = fdt_add(p.other->fdt, f, O_CLOEXEC, 100); /* consumes f */
	assert_int_equal(nr, 0);
	assert_int_equal(px_link(&p, "/proc/2/fd/0", text, sizeof(text)), 0);
	assert_string_equal(text, "/file");
	assert_int_equal(fx_stat(&p.x, "/proc/2/fd/0", 0, &a), 0);
	assert_int_equal(a.mode, S_IFLNK | 0500);
	assert_int_equal(vfs_walk(&p.x.c, NULL, "/proc/2/fd/0", WALK_FOLLOW, &fd), 0);
	assert_int_equal(vfs_walk(&p.x.c, NULL, "/file", 0, &target), 0);
	assert_true(path_equal(&fd, &target));
	path_put(&fd);
	path_put(&target);
	assert_true(px_read(&p, "/proc/2/fdinfo/0", text, sizeof(text)) > 0);
	px_starts(text, "pos:\t0\nflags:\t02000000\nmnt_id:\t");
	/* The name may go, the file stays. */
	assert_int_equal(vfs_unlink(&p.x.c, NULL, "/file"), 0);
	fx_expect(&p.x, "/proc/2/fd/0", "content");
	assert_int_equal(px_link(&p, "/proc/2/fd/0", text, sizeof(text)), 0);
	assert_string_equal(text, "/file (deleted)");
	assert_int_equal(px_list(&p, "/proc/2/fd", &n), 0);
	assert_string_equal(n.text, " . .. 0 ");
	assert_int_equal(fx_stat(&p.x, "/proc/2/fd", 0, &a), 0);
	assert_int_equal(a.size, 1);
	assert_int_equal(fx_walk(&p.x, "/proc/2/fd/00", 0), -ENOENT);
	assert_int_equal(fdt_close(NULL, p.other->fdt, nr), 0);
	assert_int_equal(fx_walk(&p.x, "/proc/2/fd/0", 0), -ENOENT);
	px_fini(&p);
}

FIBER_TEST(namespaces_are_files_that_compare_equal)
{
	char first[64], second[64];
	enum ns_type type;
	struct attr a, b;
	struct file *f;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(px_link(&p, "/proc/1/ns/uts", first, sizeof(first)), 0);
	assert_int_equal(px_link(&p, "/proc/2/ns/uts", second, sizeof(second)), 0);
	assert_string_equal(first, second);
	px_starts(first, "uts:[");
	assert_int_equal(fx_stat(&p.x, "/proc/1/ns/pid", WALK_FOLLOW, &a), 0);
	assert_int_equal(fx_stat(&p.x, "/proc/2/ns/pid_for_children", WALK_FOLLOW, &b), 0);
	assert_true(a.ino == b.ino && a.dev == b.dev);
	assert_int_equal(a.ino, p.k.pid_ns->id);
	assert_int_equal(fx_open(&p.x, "/proc/self/ns/uts", O_RDONLY, &f), 0);
	assert_ptr_equal(nsfs_file_ns(f, &type), p.k.ns->uts);
	assert_int_equal(type, NS_TYPE_UTS);
	assert_int_equal(file_ioctl(&p.x.c, f, NS_GET_NSTYPE, 0), 0x04000000);
	assert_int_equal(file_ioctl(&p.x.c, f, NS_GET_PARENT, 0), -EINVAL);
	file_put(f);
	px_fini(&p);
}

FIBER_TEST(mounts_are_told_of_changes)
{
	char text[1024];
	struct file *f;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(fx_open(&p.x, "/proc/self/mountinfo", O_RDONLY, &f), 0);
	assert_int_equal(file_poll(f, NULL) & (POLLERR | POLLPRI), 0);
	px_mount(&p, "sysfs", "/sys", NULL);
	assert_int_equal(file_poll(f, NULL) & (POLLERR | POLLPRI), POLLERR | POLLPRI);
	assert_int_equal(file_poll(f, NULL) & (POLLERR | POLLPRI), 0);
	assert_true(fx_pread(&p.x, f, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, " /sys "));
	file_put(f);
	px_fini(&p);
}

FIBER_TEST(oom_scores_go_down_only_with_a_capability)
{
	struct cred *user;
	char text[64];
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(px_write(&p, "/proc/1/oom_score_adj", "500"), 0);
	assert_int_equal(px_write(&p, "/proc/1/oom_score_adj", "1001"), -EINVAL);
	assert_int_equal(px_write(&p, "/proc/1/oom_score_adj", "5x"), -EINVAL);
	assert_true(px_read(&p, "/proc/1/oom_adj", text, sizeof(text)) > 0);
	assert_string_equal(text, "8\n");
	assert_int_equal(p.init->process->oom_score_adj, 500);
	user = px_user(&p, 0);
	assert_int_equal(px_write(&p, "/proc/1/oom_score_adj", "600"), 0);
	assert_int_equal(px_write(&p, "/proc/1/oom_score_adj", "-10"), -EACCES);
	px_root(&p, user);
	assert_int_equal(px_write(&p, "/proc/1/oom_score_adj", "-1000"), 0);
	px_fini(&p);
}

FIBER_TEST(io_counts_calls_and_bytes_of_all_threads)
{
	struct task *thread;
	char text[256];
	struct px p;
	(void)state;

	px_init(&p, NULL);
	thread = px_task(&p, p.init, "thread");
	task_count_read(p.init, 10);
	task_count_read(thread, -EIO);
	task_count_write(thread, 7);
	assert_true(px_read(&p, "/proc/1/io", text, sizeof(text)) > 0);
	px_starts(text, "rchar: 10\nwchar: 7\nsyscr: 2\nsyscw: 1\n");
	assert_true(px_read(&p, "/proc/1/task/3/io", text, sizeof(text)) > 0);
	px_starts(text, "rchar: 0\nwchar: 7\nsyscr: 1\nsyscw: 1\n");
	px_gone(thread);
	px_fini(&p);
}

/* ---- /proc/sys -------------------------------------------------------------------------------- */

FIBER_TEST(sysctls_read_and_write_what_belongs_to_the_namespace)
{
	char text[256];
	struct cred *user;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	fx_expect(&p.x, "/proc/sys/kernel/hostname", "box\n");
	assert_int_equal(px_write(&p, "/proc/sys/kernel/hostname", "other\nrest"), 0);
	assert_string_equal(p.k.ns->uts->nodename, "other");
	assert_int_equal(px_write(&p, "/proc/sys/vm/swappiness", "1"), -EACCES);
	fx_expect(&p.x, "/proc/sys/kernel/pid_max", "4194304\n");
	assert_int_equal(px_read(&p, "/proc/sys/kernel/random/uuid", text, sizeof(text)), 37);
	assert_int_equal(px_write(&p, "/proc/sys/net/ipv4/ip_local_port_range", "2000 3000"), 0);
	fx_expect(&p.x, "/proc/sys/net/ipv4/ip_local_port_range", "2000\t3000\n");
	assert_int_equal(px_write(&p, "/proc/sys/net/ipv4/tcp_sack", "2"), -EINVAL);
	assert_int_equal(px_write(&p, "/proc/sys/net/ipv4/tcp_sack", "x"), -EINVAL);
	assert_int_equal(fx_walk(&p.x, "/proc/sys/net/ipv4/tcp_rmem_max", 0), -ENOENT);
	user = px_user(&p, 1000);
	assert_int_equal(px_write(&p, "/proc/sys/kernel/hostname", "mine"), -EACCES);
	px_root(&p, user);
	px_fini(&p);
}

FIBER_TEST(numbers_are_parsed_as_sysctl_does)
{
	char text[] = " 5\t0x10 -3\n", junk[] = "5 x", big[] = "99999999999999999999", none[] = " \n";
	long v[4];
	(void)state;

	assert_int_equal(sysctl_parse_longs(text, v, 4, -10, 100), 3);
	assert_true(v[0] == 5 && v[1] == 16 && v[2] == -3);
	assert_int_equal(sysctl_parse_longs(junk, v, 4, -10, 100), -EINVAL);
	assert_int_equal(sysctl_parse_longs(junk, v, 1, 6, 100), -EINVAL);
	assert_int_equal(sysctl_parse_longs(big, v, 1, INT64_MIN, INT64_MAX), -EINVAL);
	assert_int_equal(sysctl_parse_longs(none, v, 1, 0, 1), -EINVAL);
}

/* ---- the machine ------------------------------------------------------------------------------ */

FIBER_TEST(the_container_s_limits_are_what_is_seen)
{
	char text[4096];
	struct names n;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	px_mount(&p, "sysfs", "/sys", NULL);
	px_mount(&p, "cgroup2", "/cg", NULL);
	assert_true(px_read(&p, "/proc/meminfo", text, sizeof(text)) > 0);
	px_starts(text, "MemTotal:          32768 kB\n");
	assert_true(px_read(&p, "/proc/cpuinfo", text, sizeof(text)) > 0);
	assert_true(px_read(&p, "/proc/stat", text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "\ncpu1 "));
	assert_null(strstr(text, "\ncpu2 "));
	fx_expect(&p.x, "/sys/devices/system/cpu/online", "0-1\n");
	assert_int_equal(fx_walk(&p.x, "/sys/devices/system/cpu/cpu1/topology/core_id", 0), 0);
	assert_int_equal(fx_walk(&p.x, "/sys/devices/system/cpu/cpu2", 0), -ENOENT);
	fx_expect(&p.x, "/cg/memory.max", "33554432\n");
	fx_expect(&p.x, "/cg/pids.max", "77\n");
	fx_expect(&p.x, "/cg/cpu.max", "200000 100000\n");
	fx_expect(&p.x, "/cg/cgroup.procs", "1\n2\n");
	assert_int_equal(px_list(&p, "/sys/devices/system/cpu", &n), 0);
	assert_non_null(strstr(n.text, " cpu0 cpu1 "));
	assert_int_equal(px_write(&p, "/cg/memory.max", "1"), -EACCES);
	px_fini(&p);
}

static bool stop_after_one(struct dir_emit *e, const char *name, size_t len, uint64_t ino,
			   unsigned int type, int64_t next_pos)
{
	struct names *n = container_of(e, struct names, emit);
	bool first = n->text[0] == '\0';

	return first && names_add(e, name, len, ino, type, next_pos);
}

FIBER_TEST(directories_can_be_read_one_name_at_a_time)
{
	char one[8192] = "";
	struct names all, n;
	struct file *f;
	struct px p;
	(void)state;

	px_init(&p, NULL);
	assert_int_equal(px_list(&p, "/proc", &all), 0);
	assert_int_equal(fx_open(&p.x, "/proc", O_RDONLY | O_DIRECTORY, &f), 0);
	for (;;) {
		memset(&n, 0, sizeof(n));
		n.emit.fn = stop_after_one;
		assert_int_equal(file_readdir(&p.x.c, f, &n.emit), 0);
		if (!n.text[0])
			break;
		strcat(one, n.text);
	}
	strcat(one, " ");
	assert_string_equal(one, all.text);
	file_put(f);
	px_fini(&p);
}

UNIT_MAIN(UNIT(self_leads_to_the_reader), UNIT(processes_are_listed_and_their_threads_are_not),
	  UNIT(names_of_an_ended_process_are_gone), UNIT(a_reused_number_is_another_process),
	  UNIT(a_text_stays_as_it_was_until_it_is_read_from_the_start),
	  UNIT(open_files_keep_only_so_much_text), UNIT(status_escapes_names_and_stat_does_not),
	  UNIT(only_the_process_itself_sets_its_name),
	  UNIT(what_is_private_needs_ptrace_access), UNIT(hidepid_hides_what_others_run),
	  UNIT(subset_pid_shows_processes_alone), UNIT(descriptors_are_links_to_their_files),
	  UNIT(namespaces_are_files_that_compare_equal), UNIT(mounts_are_told_of_changes),
	  UNIT(oom_scores_go_down_only_with_a_capability),
	  UNIT(io_counts_calls_and_bytes_of_all_threads),
	  UNIT(sysctls_read_and_write_what_belongs_to_the_namespace),
	  UNIT(numbers_are_parsed_as_sysctl_does), UNIT(the_container_s_limits_are_what_is_seen),
	  UNIT(directories_can_be_read_one_name_at_a_time))
