/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock_ranks.h: the order in which mutexes are taken, outermost first.  A fiber may take a lock
 * only when its rank is higher than that of every lock it holds.  Latches are below all of these.
 */
#pragma once

enum lock_rank {
	LOCK_NONE, /* not checked: tests only */
	LOCK_CONTROL,          /* control requests, container table */
	LOCK_FILE,             /* an open file's position */
	LOCK_NAMESPACE,        /* mount namespace tree (rwlock), pid namespaces */
	LOCK_IPC,              /* an ipc namespace and its objects */
	LOCK_STACKED_RENAME,   /* the same of a file system stacked on others (overlay) … */
	LOCK_STACKED_DIR,      /* … its directories */
	LOCK_STACKED_INODE,    /* … its other inodes */
	LOCK_STACKED_COPY,     /* … copying up */
	LOCK_RENAME,           /* one per super block: directory moves */
	LOCK_INODE_DIR,        /* directory inodes; parent before child, then by address */
	LOCK_INODE,            /* other inodes: content, size, attributes; two by address */
	LOCK_EPOLL,            /* an epoll instance; nested by depth */
	LOCK_SOCKET,           /* sockets; two by address */
	LOCK_TTY,              /* a terminal's line discipline */
	LOCK_PIPE,             /* pipes; two (tee, splice) by address */
	LOCK_NET_STACK,        /* netstack: tables of one stack */
	LOCK_NET_SOCKET,       /* netstack: one endpoint */
	LOCK_NET_NIC,          /* netstack: one interface, its queues */
	LOCK_IPC_UNDO,         /* a semaphore undo list; attachments of shared memory */
	LOCK_TASKLIST,         /* process tree, pids, sessions, groups (one per sandbox) */
	LOCK_SIGHAND,          /* a thread group's signals and dispositions */
	LOCK_TASK,             /* one task's own fields */
	LOCK_FDTABLE,          /* a descriptor table */
	LOCK_FS,               /* cwd, root, umask of a group of tasks */
	LOCK_MM,               /* an address space */
	LOCK_DCACHE,           /* the dentry cache's hash and LRU */
	LOCK_TIMER_CLIENT,     /* POSIX timers, timerfd, itimers */
	LOCK_GOFER_CONN,       /* one gofer connection: free list, tags */
	LOCK_PLATFORM,         /* platform tables */
	LOCK_PATCH,            /* one address space's patched call sites */
	LOCK_LEAF,             /* anything that calls nothing while held */
};
