/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_look.c: what the CLI asks about containers and their processes; terminal sizes.
 */
#include "sentry/container_impl.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "sentry/kernel.h"
#include "sentry/task/pid.h"
#include "sentry/task/task_impl.h"
#include "sentry/tty/tty.h"

#define PS_MAX 4096

NO_TSA static void job_ps(struct job *j)
{
	struct container *k = container_lock(j);
	struct control_process *list;
	char (*names)[TASK_COMM_LEN];
	size_t count = 0;
	int32_t nr = 1;

	if (!k)
		return;
	mutex_unlock(&containers.lock);
	list = mem_calloc(PS_MAX, sizeof(*list));
	names = mem_calloc(PS_MAX, sizeof(*names));
	for (; list && names && count < PS_MAX; nr++) {
		struct process *p = process_next(k->pid_ns, nr, &nr);
		struct control_process *e = &list[count];
		int64_t u, s;

		if (!p)
			break;
		if (p->container == k) {
			struct plat_thread *pt;

			mutex_lock(&tasklist.lock);
			e->pid = nr;
			e->ppid = process_nr_in(p->parent, k->pid_ns);
			pt = task_pt_pin(p->leader);
			e->stub_pid = pt ? plat_thread_host_tid(pt) : 0;
			if (pt)
				task_pt_unpin(p->leader);
			e->uid = p->leader->cred->uid;
			task_get_comm(p->leader, names[count]);
			mutex_unlock(&tasklist.lock);
			process_cpu_time(p, &u, &s);
			e->cpu_ns = u + s;
			e->start_ns = p->start_ns - clock_boot_ns() + clock_real_ns();
			e->command = names[count];
			count++;
		}
		process_put(p);
	}
	if (list && names)
		control_reply_ps(j->req, list, count);
	else
		control_reply_error(j->req, -ENOMEM, "out of memory in the sandbox");
	mem_free(list);
	mem_free(names);
}

void control_ps(void *kernel, struct control_request *req, const char *id)
{
	struct job *j = job_new(job_ps, req, id);

	(void)kernel;
	if (j)
		job_start(j);
}

static void job_state(struct job *j)
{
	struct control_container *list = NULL;
	struct container *k;
	size_t count = 0, n = 0;

	mutex_lock(&containers.lock);
	list_for_each_entry(k, &containers.list, node)
		count++;
	list = mem_calloc(count ? count : 1, sizeof(*list));
	if (list)
		list_for_each_entry(k, &containers.list, node) {
			if (*j->id && strcmp(j->id, k->id))
				continue;
			list[n++] = (struct control_container){
				.id = k->id,
				.status = k->status,
				.pid = k->init_owned ? k->init_owned->nr : 0,
			};
		}
	if (!list)
		control_reply_error(j->req, -ENOMEM, "out of memory in the sandbox");
	else if (*j->id && !n)
		control_reply_error(j->req, -ENOENT, "container \"%s\" does not exist in this sandbox",
				    j->id);
	else
		control_reply_state(j->req, list, n);
	mutex_unlock(&containers.lock);
	mem_free(list);
}

void control_state(void *kernel, struct control_request *req, const char *id)
{
	struct job *j = job_new(job_state, req, id);

	(void)kernel;
	if (j)
		job_start(j);
}

NO_TSA static void job_stats(struct job *j)
{
	struct container *k = container_lock(j);
	int64_t total = 0, u, s;
	struct kernel_memory m;
	int32_t nr = 1;

	if (!k)
		return;
	mutex_unlock(&containers.lock);
	for (;; nr++) {
		struct process *p = process_next(k->pid_ns, nr, &nr);

		if (!p)
			break;
		process_cpu_time(p, &u, &s);
		total += u + s;
		process_put(p);
	}
	kernel_memory(k, &m);
	control_reply_json(j->req, json_pack("{s:I,s:I,s:I}", "tasks",
			   (json_int_t)atomic_load_explicit(&k->task_count, memory_order_relaxed),
			   "cpu_ns", (json_int_t)total, "memory", (json_int_t)m.used));
}

void control_stats(void *kernel, struct control_request *req, const char *id)
{
	struct job *j = job_new(job_stats, req, id);

	(void)kernel;
	if (j)
		job_start(j);
}

NO_TSA static void job_resize(struct job *j)
{
	struct container *k = container_lock(j);
	struct process *p = NULL;
	int err = -ESRCH;

	if (!k)
		return;
	if (!j->pid && k->init_owned)
		p = process_get(k->init_owned->process);
	mutex_unlock(&containers.lock);
	if (j->pid)
		p = process_lookup(k->pid_ns, j->pid);
	if (p)
		err = console_resize(p, j->rows, j->columns);
	process_put(p);
	if (err)
		control_reply_error(j->req, err, err == -ENOTTY ? "the process has no terminal"
								: "container not running");
	else
		control_reply_ok(j->req);
}

void control_resize(void *kernel, struct control_request *req, const char *id, int pid,
			   unsigned short rows, unsigned short columns)
{
	struct job *j = job_new(job_resize, req, id);

	(void)kernel;
	if (!j)
		return;
	j->pid = pid;
	j->rows = rows;
	j->columns = columns;
	job_start(j);
}
