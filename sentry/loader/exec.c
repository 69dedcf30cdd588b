/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c: execve(2).
 *
 *     open ─▶ look (script? ELF, interpreter) ─▶ new credentials ─▶ [other threads end]
 *          ─▶ [address space emptied or replaced] ─▶ map ─▶ stack ─▶ registers
 *
 * Before the first bracket every failure is an errno; after it the task dies (SIGKILL for what the
 * platform can't do, SIGSEGV for an image that can't be mapped), as on Linux.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "sentry/container.h"
#include "sentry/cred/caps.h"
#include "sentry/loader/loader.h"
#include "sentry/signal/signal_impl.h"
#include "sentry/task/helper.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sentry/time/time_ns.h"
#include "sentry/time/timers.h"
#include "vfs/user_ns.h"

#define STACK_SIZE_MAX (64ul << 20) /* what an unlimited RLIMIT_STACK gets: never grown later */
#define STACK_SIZE_MIN (128ul << 10)
#define AUXV_MAX       26

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN        28
#endif
#define ADDR_NO_RANDOMIZE 0x0040000u

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* ---- strings --------------------------------------------------------------------------------------- */

int exec_strings_add(struct exec_strings *s, const char *text)
{
	size_t len = strlen(text) + 1;
	char *data = mem_realloc(s->data, s->size + len, 1);

	if (!data)
		return -ENOMEM;
	memcpy(data + s->size, text, len);
	s->data = data;
	s->size += len;
	s->count++;
	return 0;
}

int exec_strings_push(struct exec_strings *s, const char *text)
{
	size_t len = strlen(text) + 1;
	char *data = mem_realloc(s->data, s->size + len, 1);

	if (!data)
		return -ENOMEM;
	memmove(data + len, data, s->size);
	memcpy(data, text, len);
	s->data = data;
	s->size += len;
	s->count++;
	return 0;
}

static void exec_strings_shift(struct exec_strings *s)
{
	size_t len = strlen(s->data) + 1;

	memmove(s->data, s->data + len, s->size - len);
	s->size -= len;
	s->count--;
}

static int exec_strings_fill(struct exec_strings *s, char *const *list)
{
	size_t size = 0, count = 0;

	for (; list && list[count]; count++)
		size += strlen(list[count]) + 1;
	s->data = mem_alloc(size + 1);
	if (!s->data)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(list[i]) + 1;

		memcpy(s->data + s->size, list[i], len);
		s->size += len;
	}
	s->count = count;
	return 0;
}

/* ---- looking ---------------------------------------------------------------------------------------- */

int exec_open(struct task *t, const struct path *at, const char *name, int at_flags, struct file **out)
{
	struct vfs_ctx *c = task_vfs(t);
	unsigned int walk = WALK_WILL_READ | ((at_flags & AT_SYMLINK_NOFOLLOW) ? 0 : WALK_FOLLOW);
	struct path p;
	int err;

	if (at_flags & AT_EMPTY_PATH)
		walk |= WALK_EMPTY;
	err = vfs_walk(c, at, name, walk, &p);
	if (err)
		return err;
	err = S_ISLNK(dentry_inode(p.dentry)->mode) ? -ELOOP : vfs_open_exec_path(c, &p, out);
	path_put(&p);
	return err;
}

/*
 * `#!interpreter [one argument]`: the interpreter takes the file's place, and argv becomes
 * interpreter, argument, file name, old argv[1…] (binfmt_script).
 */
static int exec_script(struct exec *x, const char *path)
{
	char *line = x->head + 2, *end = memchr(line, '\n', x->head_size - 2);
	char *name, *arg;
	struct file *f;
	int err;

	if (!end) {
		end = x->head + x->head_size;
		if (x->head_size == sizeof(x->head) - 1 && !strpbrk(line + strspn(line, " \t"), " \t"))
			return -ENOEXEC; /* the interpreter's name itself was cut off */
	}
	*end = '\0';
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	name = line + strspn(line, " \t");
	if (!*name)
		return -ENOEXEC;
	arg = name + strcspn(name, " \t");
	if (*arg) {
		*arg++ = '\0';
		arg += strspn(arg, " \t");
	}

	err = exec_open(x->task, NULL, name, 0, &f);
	if (err)
		return err;
	if (x->argv.count)
		exec_strings_shift(&x->argv);
	err = exec_strings_push(&x->argv, path);
	if (!err && *arg)
		err = exec_strings_push(&x->argv, arg);
	if (!err)
		err = exec_strings_push(&x->argv, name);
	if (!err) {
		char *copy = mem_strdup(name);

		mem_free(x->interp_path);
		x->interp_path = copy;
		err = copy ? 0 : -ENOMEM;
	}
	file_put(x->file);
	x->file = f;
	return err;
}

static int exec_look_elf(struct exec *x)
{
	struct file *f;
	char *name;
	int err;

	err = elf_read(x->task, x->file, &x->main);
	if (!err)
		err = elf_interp_name(x->task, &x->main, &name);
	if (err || !name)
		return err;
	err = exec_open(x->task, NULL, name, 0, &f);
	mem_free(name);
	if (err)
		return err;
	err = elf_read(x->task, f, &x->interp);
	file_put(f);
	return err == -ENOEXEC ? -ELIBBAD : err;
}

int exec_look(struct exec *x)
{
	int err;

	for (int depth = 0;; depth++) {
		ssize_t n;

		memset(x->head, 0, sizeof(x->head));
		n = file_read_kernel(task_vfs(x->task), x->file, x->head, sizeof(x->head) - 1, 0);
		if (n < 0)
			return (int)n;
		x->head_size = (size_t)n;
		if (n < 2 || x->head[0] != '#' || x->head[1] != '!')
			return exec_look_elf(x);
		if (depth >= EXEC_SCRIPT_DEPTH)
			return -ELOOP;
		err = exec_script(x, x->interp_path ? x->interp_path : x->filename);
		if (err)
			return err;
	}
}

/* ---- the point of no return --------------------------------------------------------------------------- */

/*
 * Nobody else runs, or will touch the memory that is about to be another program's.  (task_count is without those
 * that have only begun to leave, and have not told their stub to end.)
 */
static bool exec_alone(struct task *t, void *arg)
{
	struct task *o;
	bool alone;

	(void)arg;
	latch_lock(&t->process->siglock);
	alone = t->process->task_count == 1;
	list_for_each_entry(o, &t->process->tasks, process_node)
		alone = alone && (o == t || !o->mm); /* gone for good under siglock: task_leave_mm() */
	latch_unlock(&t->process->siglock);
	return alone;
}

/* The thread that called execve becomes its process's leader, with the leader's number. */
static void exec_become_leader_locked(struct task *t)
{
	struct process *p = t->process;
	struct task *old = p->leader;
	struct pid *own = t->pid;

	latch_lock(&p->siglock);
	list_remove(&old->process_node);
	latch_unlock(&p->siglock);
	ptrace_unlink_locked(old);
	old->state = 'X';
	own->task = NULL;
	pid_release_locked(own);
	pid_put(own);
	t->pid = pid_get(p->pid);
	p->pid->task = t; /* the reference that own->task had */
	p->leader = t;
	tasklist.task_count--;
	task_put(old);
}

/* End all other threads of t's process and make t its leader.  -EAGAIN: t itself is to end. */
static int exec_de_thread(struct task *t)
{
	struct process *p = t->process;
	struct task *o;

	latch_lock(&p->siglock);
	if ((p->flags & PROCESS_GROUP_EXIT) || p->exec_task) {
		latch_unlock(&p->siglock);
		return -EAGAIN;
	}
	p->exec_task = t;
	list_for_each_entry(o, &p->tasks, process_node) {
		if (o == t)
			continue;
		atomic_fetch_or_explicit(&o->flags, TASK_EXIT, memory_order_release);
		task_poke(o);
	}
	latch_unlock(&p->siglock);

	task_wait_until(t, &p->stop_wq, exec_alone, NULL);
	mutex_lock(&tasklist.lock);
	if (!task_exiting(t) && t != p->leader) {
		/* The old leader may still be on its way from task_count to 'Z'. */
		while (p->leader->state != 'Z')
			wq_wait(&p->stop_wq, &tasklist.lock, NULL);
		exec_become_leader_locked(t);
	}
	latch_lock(&p->siglock);
	p->exec_task = NULL;
	latch_unlock(&p->siglock);
	mutex_unlock(&tasklist.lock);
	return task_exiting(t) ? -EAGAIN : 0;
}

void task_wake_exec(struct task *t)
{
	wq_wake(&t->process->stop_wq, 0);
}

/*
 * An empty address space: the old one if it is ours alone, else a new one off the zygote.  fresh: the
 * old one won't do.  Stub, channel and host threads of a process are in the application's hands: a
 * program that is to have more rights than the one before, or that it may not read, must not run among them.
 */
static int exec_new_mm(struct task *t, bool fresh)
{
	struct plat_thread *old_pt = t->pt, *pt;
	struct process *p = t->process;
	struct mm *old = t->mm, *mm;
	struct plat_usage used;
	int err;

	if (!fresh && atomic_load_explicit(&old->processes, memory_order_relaxed) == 1) {
		if (robust_list_in_use(old, plat_robust_list(t->pt)))
			plat_thread_walk_robust(t->pt, task_tid(t));
		err = plat_mm_reset(t->pt);
		return err ? err : mm_reset(old);
	}
	err = mm_new(&mm);
	if (err)
		return err;
	err = plat_thread_new(mm->plat, t->fiber, &pt);
	if (err)
		goto put_mm;
	plat_sigmask_set(pt, task_blocked(t));
	err = plat_start_from(t->process->container ? t->process->container->template : NULL, pt);
	if (err) {
		plat_thread_free(pt);
		goto put_mm;
	}
	mutex_lock(&tasklist.lock);
	task_host_usage_locked(t, true, &used);
	process_charge_locked(p, &used);
	p->host_shared = false;
	latch_lock(&t->process->siglock); /* task_poke() looks at pt under it */
	latch_lock(&t->latch);
	t->pt = pt;
	t->mm = mm;
	latch_unlock(&t->latch);
	sig_recalc_locked(t);
	latch_unlock(&t->process->siglock);
	mutex_unlock(&tasklist.lock);
	plat_thread_exit(old_pt, task_tid(t));
	atomic_fetch_sub_explicit(&old->processes, 1, memory_order_relaxed);
	vfork_complete(t);
	task_pt_drain(t);
	plat_thread_free(old_pt);
	mm_put(old);
	return 0;

put_mm:
	mm_put(mm);
	return err;
}

/* ---- mapping ------------------------------------------------------------------------------------------ */

static uint64_t exec_random(const struct task *t, unsigned int bits)
{
	uint64_t v = 0;

	if (t->personality & ADDR_NO_RANDOMIZE)
		return 0;
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
		return 0;
	return (v & ((1ull << bits) - 1)) * PAGE_SIZE;
}

static uint64_t exec_stack_size(struct task *t)
{
	uint64_t limit = ALIGN_DOWN(task_rlimit(t, RLIMIT_STACK), PAGE_SIZE);

	return MAX(MIN(limit, STACK_SIZE_MAX), STACK_SIZE_MIN);
}

/*
 * The stack's top: in the highest 15 GB like Linux's, not over the vDSO, which the host put there.
 */
static uint64_t exec_stack_top(struct task *t, uint64_t size)
{
	const struct plat_layout *l = plat_layout();
	uint64_t top = l->user_max - PAGE_SIZE - exec_random(t, 21);

	if (l->vdso && top + 16 * PAGE_SIZE > l->vdso - 64 * PAGE_SIZE &&
	    top - size < l->vdso + 64 * PAGE_SIZE)
		top = l->vdso - 128 * PAGE_SIZE;
	return ALIGN_DOWN(top, PAGE_SIZE);
}

struct exec_stack {
	struct exec_label *label; /* owned: with the image behind it, what is written */
	char *image;      /* the bytes that end at top */
	size_t size;
	uint64_t top, sp; /* sp: where the image starts in the application */
};

static void auxv_add(uint64_t *v, size_t *n, uint64_t type, uint64_t value)
{
	v[(*n)++] = type;
	v[(*n)++] = value;
}

static size_t exec_auxv(struct exec *x, uint64_t *v, uint64_t random_at, uint64_t platform_at,
			uint64_t execfn_at)
{
	const struct cred *c = x->cred;
	size_t n = 0;

	/* With offsets the C library must ask us: the vDSO shows the host's clocks. */
	if (plat_layout()->vdso && !time_ns_offset(x->task->ns->time, CLOCK_KIND_MONO) &&
	    !time_ns_offset(x->task->ns->time, CLOCK_KIND_BOOT))
		auxv_add(v, &n, AT_SYSINFO_EHDR, plat_layout()->vdso);
	auxv_add(v, &n, AT_MINSIGSTKSZ, 1024 + plat_fpstate_size());
	auxv_add(v, &n, AT_HWCAP, getauxval(AT_HWCAP));
	auxv_add(v, &n, AT_PAGESZ, PAGE_SIZE);
	auxv_add(v, &n, AT_CLKTCK, 100);
	auxv_add(v, &n, AT_PHDR, x->phdr_addr);
	auxv_add(v, &n, AT_PHENT, sizeof(Elf64_Phdr));
	auxv_add(v, &n, AT_PHNUM, x->main.ehdr.e_phnum);
	auxv_add(v, &n, AT_BASE, x->interp.file ? x->interp.bias : 0);
	auxv_add(v, &n, AT_FLAGS, 0);
	auxv_add(v, &n, AT_ENTRY, x->main.ehdr.e_entry + x->main.bias);
	auxv_add(v, &n, AT_UID, user_ns_from_kernel_munged(c->user_ns, ID_UID, c->uid));
	auxv_add(v, &n, AT_EUID, user_ns_from_kernel_munged(c->user_ns, ID_UID, c->euid));
	auxv_add(v, &n, AT_GID, user_ns_from_kernel_munged(c->user_ns, ID_GID, c->gid));
	auxv_add(v, &n, AT_EGID, user_ns_from_kernel_munged(c->user_ns, ID_GID, c->egid));
	auxv_add(v, &n, AT_SECURE, x->secure);
	auxv_add(v, &n, AT_RANDOM, random_at);
	auxv_add(v, &n, AT_HWCAP2, getauxval(AT_HWCAP2));
	if (getauxval(AT_RSEQ_FEATURE_SIZE)) {
		auxv_add(v, &n, AT_RSEQ_FEATURE_SIZE, getauxval(AT_RSEQ_FEATURE_SIZE));
		auxv_add(v, &n, AT_RSEQ_ALIGN, getauxval(AT_RSEQ_ALIGN));
	}
	auxv_add(v, &n, AT_EXECFN, execfn_at);
	auxv_add(v, &n, AT_PLATFORM, platform_at);
	auxv_add(v, &n, AT_NULL, 0);
	return n;
}

/* Pointers to each of the strings that start at `at`, and a NULL. */
static uint64_t *exec_pointers(uint64_t *p, const struct exec_strings *s, uint64_t at)
{
	const char *text = s->data;

	for (size_t i = 0; i < s->count; i++) {
		*p++ = at + (uint64_t)(text - s->data);
		text += strlen(text) + 1;
	}
	*p++ = 0;
	return p;
}

/*
 * For the host's ps (`docker top`): what prctl(2) is told of the new program lies below its stack pointer, where the
 * program itself will write soon.
 */
struct exec_label {
	struct prctl_mm_map map;
	char name[16]; /* of its thread */
};

static void exec_fill_label(const struct exec *x, const struct exec_stack *s, struct exec_label *l)
{
	const struct mm *m = x->task->mm;
	const char *base = strrchr(x->filename, '/');

	l->map = (struct prctl_mm_map){
		.start_code = m->code_start, .end_code = m->code_end, .start_data = m->code_end,
		.end_data = m->code_end, .start_brk = m->brk_start, .brk = m->brk_start, .start_stack = s->sp,
		.arg_start = m->arg_start, .arg_end = m->arg_end, .env_start = m->env_start,
		.env_end = m->env_end, .exe_fd = (uint32_t)-1,
	};
	snprintf(l->name, sizeof(l->name), "%s", base ? base + 1 : x->filename);
}

/* A host that can't do it shows the name only, or nothing: no failure. */
static void exec_tell_host(struct exec *x, const struct exec_stack *s)
{
	uint64_t at = s->sp - sizeof(struct exec_label);
	struct plat_hostcall calls[] = {
		{ .nr = SYS_prctl, .host_fd = -1,
		  .args = { PR_SET_NAME, at + offsetof(struct exec_label, name) } },
		{ .nr = SYS_prctl, .host_fd = -1,
		  .args = { PR_SET_MM, PR_SET_MM_MAP, at, sizeof(struct prctl_mm_map) } },
	};

	(void)plat_hostcalls(x->task->pt, calls, ARRAY_SIZE(calls));
}

/*
 * From the top down: 8 zero bytes, file name, environment, arguments, platform name, 16 random
 * bytes; then, 16-byte aligned at the bottom: argc, argv, envp, auxv (System V ABI, 3.4.1).  Below
 * the stack pointer, in the image: struct exec_label.
 */
static int exec_build_stack(struct exec *x, struct exec_stack *s)
{
	static const char platform[] = "x86_64";
	size_t name_size = strlen(x->filename) + 1, vector, strings;
	uint64_t at, execfn, env, arg, plat, rnd, auxv[2 * AUXV_MAX];
	uint64_t *p;
	size_t n;

	at = s->top - 8;
	execfn = at -= name_size;
	env = at -= x->envp.size;
	arg = at -= x->argv.size;
	plat = at -= sizeof(platform);
	rnd = at = ALIGN_DOWN(at - 16, 16);
	strings = s->top - at;
	n = exec_auxv(x, auxv, rnd, plat, execfn);
	vector = (1 + x->argv.count + 1 + x->envp.count + 1 + n) * sizeof(uint64_t);
	s->sp = ALIGN_DOWN(at - vector, 16);
	s->size = s->top - s->sp;
	s->label = mem_zalloc(sizeof(struct exec_label) + s->size);
	if (!s->label)
		return -ENOMEM;
	s->image = (char *)(s->label + 1);

	p = (uint64_t *)(void *)s->image;
	*p++ = x->argv.count;
	p = exec_pointers(p, &x->argv, arg);
	p = exec_pointers(p, &x->envp, env);
	memcpy(p, auxv, n * sizeof(uint64_t));
	(void)strings;
	memcpy(s->image + (execfn - s->sp), x->filename, name_size);
	memcpy(s->image + (env - s->sp), x->envp.data, x->envp.size);
	memcpy(s->image + (arg - s->sp), x->argv.data, x->argv.size);
	memcpy(s->image + (plat - s->sp), platform, sizeof(platform));
	if (getrandom(s->image + (rnd - s->sp), 16, GRND_NONBLOCK) != 16)
		log_warn("getrandom: no random bytes for AT_RANDOM");

	x->task->mm->arg_start = arg;
	x->task->mm->arg_end = arg + x->argv.size;
	x->task->mm->env_start = env;
	x->task->mm->env_end = env + x->envp.size;
	x->task->mm->stack_top = s->top;
	x->task->mm->auxv_size = n * sizeof(uint64_t);
	memcpy(x->task->mm->auxv, auxv, MIN(sizeof(x->task->mm->auxv), n * sizeof(uint64_t)));
	exec_fill_label(x, s, s->label);
	return 0;
}

static int exec_plan_stack(struct exec *x, struct exec_stack *s, struct exec_calls *c)
{
	uint64_t size = exec_stack_size(x->task);
	int prot = PROT_READ | PROT_WRITE | (x->main.stack_exec ? PROT_EXEC : 0);
	struct plat_hostcall call;
	int err;

	s->top = exec_stack_top(x->task, size);
	err = exec_build_stack(x, s);
	if (err)
		return err;
	if (s->size + 64 * PAGE_SIZE > size)
		return -E2BIG;
	call = (struct plat_hostcall){
		.nr = SYS_mmap,
		.args = { s->top - size, size, (uint64_t)prot,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE | MAP_STACK, ~0ull, 0 },
		.host_fd = -1,
	};
	return calls_add(c, &call);
}

static int exec_fill_stack(struct exec *x, struct exec_stack *s)
{
	uint64_t size;

	size = sizeof(struct exec_label) + s->size;
	if (mm_write(x->task->mm, s->top - size, s->label, size) != (ssize_t)size)
		return -EFAULT;
	exec_tell_host(x, s);
	return 0;
}

/* Where the program headers will be in memory: in the segment whose file part covers them. */
static uint64_t exec_phdr_addr(const struct elf_image *e)
{
	for (unsigned int i = 0; i < e->ehdr.e_phnum; i++) {
		const Elf64_Phdr *p = &e->phdrs[i];

		if (p->p_type == PT_LOAD && e->ehdr.e_phoff >= p->p_offset &&
		    e->ehdr.e_phoff - p->p_offset < p->p_filesz)
			return p->p_vaddr + e->bias + (e->ehdr.e_phoff - p->p_offset);
	}
	return 0;
}

/* Everything that is mapped, and where the program begins. */
static int exec_plan(struct exec *x, struct exec_stack *stack, struct exec_calls *c, uint64_t *entry)
{
	const struct plat_layout *l = plat_layout();
	struct task *t = x->task;
	uint64_t end, interp_end, bias = 0;
	int err;

	if (x->main.ehdr.e_type == ET_DYN) {
		/* Linux's ELF_ET_DYN_BASE: two thirds up; a program loader alone goes to the mmap area. */
		uint64_t base = x->interp.file ? ALIGN_DOWN(l->user_max / 3 * 2, PAGE_SIZE)
					       : l->mmap_top - (8ull << 30);

		bias = base + exec_random(t, 20) - x->main.low;
	}
	err = elf_plan(t, &x->main, bias, c, &end);
	if (err)
		return err;
	x->phdr_addr = exec_phdr_addr(&x->main);
	*entry = x->main.ehdr.e_entry + bias;
	if (x->interp.file) {
		uint64_t at = 0;

		if (x->interp.ehdr.e_type == ET_DYN)
			at = ALIGN_DOWN(l->mmap_top - (x->interp.high - x->interp.low), PAGE_SIZE) -
			     exec_random(t, 16) - x->interp.low;
		err = elf_plan(t, &x->interp, at, c, &interp_end);
		if (err)
			return err;
		*entry = x->interp.ehdr.e_entry + at;
	}
	t->mm->brk_start = t->mm->brk = ALIGN_UP(end, PAGE_SIZE) + exec_random(t, 13);
	t->mm->code_start = x->main.low + bias;
	t->mm->code_end = x->main.high + bias;
	return exec_plan_stack(x, stack, c);
}

int exec_map(struct exec *x)
{
	struct task *t = x->task;
	struct exec_stack stack = { 0 };
	struct exec_calls calls = { 0 };
	uint64_t entry;
	int err;

	err = exec_plan(x, &stack, &calls, &entry);
	if (!err)
		err = calls_make(t, &calls);
	calls_fini(t, &calls);
	if (!err)
		err = elf_zero_tails(t, &x->main);
	if (!err && x->interp.file)
		err = elf_zero_tails(t, &x->interp);
	if (!err)
		err = exec_fill_stack(x, &stack);
	mem_free(stack.label);
	if (!err)
		exec_set_registers(t, entry, stack.sp);
	return err;
}

/* ---- execve -------------------------------------------------------------------------------------------- */

static void exec_fini(struct exec *x)
{
	file_put(x->file);
	elf_fini(&x->main);
	elf_fini(&x->interp);
	mem_free(x->filename);
	mem_free(x->interp_path);
	mem_free(x->argv.data);
	mem_free(x->envp.data);
	cred_put(x->cred);
}

static int exec_check_strings(struct task *t, struct exec *x)
{
	uint64_t limit = MIN(task_rlimit(t, RLIMIT_STACK) / 4, 6ul << 20);

	limit = MAX(limit, 128ul << 10);
	if (x->argv.size + x->envp.size + (x->argv.count + x->envp.count) * 8 > limit)
		return -E2BIG;
	if (x->argv.count == 0) { /* since Linux 5.18 */
		log_once(LOG_INFO, "execve with an empty argv: argv[0] is \"\"");
		return exec_strings_add(&x->argv, "");
	}
	return 0;
}

static void exec_set_comm(struct task *t, const char *filename)
{
	const char *base = strrchr(filename, '/');

	task_set_comm(t, base ? base + 1 : filename);
}

/*
 * Who may look into the new program: its own user namespace, or for a file it may not read the first
 * one above to which the file's owner is known (would_dump()).
 */
static struct user_ns *exec_mm_owner(const struct exec *x)
{
	const struct inode *i = x->main.file->inode;
	struct user_ns *ns = x->cred->user_ns;

	while (x->nondumpable && ns->parent &&
	       (user_ns_from_kernel(ns, ID_UID, i->uid) == ID_INVALID ||
		user_ns_from_kernel(ns, ID_GID, i->gid) == ID_INVALID))
		ns = ns->parent;
	return user_ns_get(ns);
}

/* After the point of no return: everything that makes t the new program. */
static int exec_commit(struct exec *x)
{
	struct task *t = x->task;
	struct user_ns *old_owner;
	struct file *old_exe;
	int err;

	helpers_stop(t->process);
	err = exec_new_mm(t, x->secure || x->nondumpable);
	if (err)
		return err;
	plat_thread_set_tid(t->pt, task_tid(t));
	plat_mm_set_native(t->mm->plat, !t->seccomp_mode && !t->ptrace.tracer &&
						!mm_limited(t->process));
	plat_mm_set_clocks(t->mm->plat, !t->ns->time);
	plat_mm_set_populate(t->mm->plat, task_memory_limited(t));
	mutex_lock(&t->mm->lock);
	old_exe = t->mm->exe;
	old_owner = t->mm->user_ns;
	t->mm->user_ns = exec_mm_owner(x);
	t->mm->exe = file_get(x->main.file);
	t->mm->dumpable = x->secure || x->nondumpable ? 0 : 1;
	mutex_unlock(&t->mm->lock);
	file_put(old_exe);
	user_ns_put(old_owner);

	t->personality &= ~(0x0400000u /* READ_IMPLIES_EXEC */ | (x->secure ? ADDR_NO_RANDOMIZE : 0));
	plat_clear_tid_set(t->pt, 0);
	plat_robust_list_set(t->pt, 0);
	t->restart.fn = NULL;
	sig_exec(t);
	keys_exec(t);
	process_timers_exec(t->process);
	if (fdt_shared(t->fdt)) {
		struct fdtable *own = fdt_dup(t->fdt, ~0u), *old = t->fdt;

		if (!own)
			return -ENOMEM;
		latch_lock(&t->latch);
		t->fdt = own;
		latch_unlock(&t->latch);
		fdt_put(task_vfs(t), old);
	}
	err = task_enter_time_ns(t);
	if (err)
		return err;
	fdt_close_on_exec(task_vfs(t), t->fdt);
	task_set_cred(t, cred_get(x->cred));
	if (x->secure)
		t->pdeath_signal = 0;
	exec_set_comm(t, x->filename);
	latch_lock(&t->process->siglock);
	process_flags_change(t->process, PROCESS_EXECED, 0);
	latch_unlock(&t->process->siglock);
	err = exec_map(x);
	for (size_t i = 0; i < ARRAY_SIZE(t->cpu_mask) && !err; i++) {
		if (t->cpu_mask[i]) { /* it may be another host thread now */
			sched_place(t);
			break;
		}
	}
	return err;
}

long task_exec(struct task *t, const struct path *at, const char *name, char *const *argv,
	       char *const *envp, int at_flags)
{
	struct exec x = { .task = t };
	int32_t old_tid;
	int err;

	err = exec_open(t, at, name, at_flags, &x.file);
	if (err)
		return err;
	old_tid = task_tid(t);
	x.filename = mem_strdup(name);
	err = x.filename ? exec_strings_fill(&x.argv, argv) : -ENOMEM;
	if (!err)
		err = exec_strings_fill(&x.envp, envp);
	if (!err)
		err = exec_check_strings(t, &x);
	if (!err)
		err = exec_cred(t, x.file, &x.cred, &x.secure);
	if (!err)
		err = exec_look(&x);
	if (!err)
		err = exec_de_thread(t);
	if (err)
		goto out;

	t->syscall_nr = ~0ull; /* registers are the new program's from here on */
	memset(t->ptrace.dr, 0, sizeof(t->ptrace.dr));
	err = exec_commit(&x);
	if (err) {
		log_info("execve of %s failed past the point of no return: %d", name, -err);
		process_group_exit(t->process, err == -ENOMEM || err == -ESRCH ? SIGKILL : SIGSEGV);
	} else if (t->ptrace.tracer) {
		plat_regs_mut(t->pt)->orig_rax = SYS_execve;
		plat_regs_mut(t->pt)->rax = (uint64_t)-ENOSYS; /* the call has not returned yet */
		ptrace_event(t, PTRACE_EVENT_EXEC, (uint64_t)old_tid);
		plat_regs_mut(t->pt)->rax = 0;
	}
out:
	exec_fini(&x);
	return err;
}
