/* SPDX-License-Identifier: Apache-2.0 */
/* container_impl.h: what the files that carry out the CLI's requests (container*.c) share. */
#pragma once

#include "lib/mutex.h"
#include "lib/fiber.h"
#include "sentry/container.h"

#define CONTAINER_SETTLES_NS (5 * (int64_t)NSEC_PER_SEC) /* settles_ns, from the start on */

struct containers {
	struct mutex lock; /* LOCK_CONTROL */
	struct list list;  /* (lock) */
	struct work lost;  /* containers_kill_lost() */
};
extern struct containers containers;

/* One request on a fiber of its own.  What it points at is freed when fn returns; fn answers req. */
struct job {
	void (*fn)(struct job *j);
	struct control_request *req;
	char *id;
	struct container_config *container;
	struct process_config *process;
	int pid, sig;
	bool group, all;
	unsigned short rows, columns;
	struct control_limits limits;
	struct network_config *network;
	int fd, doors; /* dialer's */
};

/* A job for req with a copy of id, or NULL after answering ENOMEM. */
struct job *job_new(void (*fn)(struct job *), struct control_request *req, const char *id);
/* Consumes j. */
void job_start(struct job *j);

/* containers.lock is held. */
struct container *container_peek_locked(const char *id);
/* The job's container, found and locked (containers.lock), or answered ENOENT. */
struct container *container_lock(struct job *j);

/* container_namespaces.c: k->pid_ns and k->ns; containers.lock is held. */
int container_namespaces_locked(struct container *k, const struct container_config *config);

/*
 * container_process.c: make a process in k, loaded and not yet running.  *task is the caller's; *owned
 * is to be put into k->owned.
 */
int container_new_process(struct container *k, struct process_config *p, struct task **task,
			  struct owned_process **owned, char why[static 256]);

/* container_signal.c */
void containers_kill_lost(void *unused);
void control_signal(void *kernel, struct control_request *req, const char *id, int pid, int sig,
		    bool group, bool all);
void control_wait(void *kernel, struct control_request *req, const char *id, int pid);

/* container_network.c */
void control_network(void *kernel, struct control_request *req, const char *id, struct network_config *n);
void control_dialer(void *kernel, struct control_request *req, const char *id, int fd, int doors);
/* A job with a network, which is consumed. */
void container_network_job(void (*fn)(struct job *), struct control_request *req, const char *id, struct network_config *n);
/* Started (err 0), or it never will be: who waits for it is answered.  No lock is held. */
void container_network_ready(struct container *k, int err);

/* container_look.c */
void control_ps(void *kernel, struct control_request *req, const char *id);
void control_state(void *kernel, struct control_request *req, const char *id);
void control_stats(void *kernel, struct control_request *req, const char *id);
void control_resize(void *kernel, struct control_request *req, const char *id, int pid,
		    unsigned short rows, unsigned short columns);
