/* SPDX-License-Identifier: Apache-2.0 */
/* msgrcv.c: msgget(2), msgsnd(2), msgrcv(2), msgctl(2). */
#include "t.h"

#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>

static int id;
static struct {
	long type;
	char text[9000];
} m;

static int put(long type, const char *text, int flags)
{
	m.type = type;
	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text) + 1, flags);
}

static ssize_t get(long type, int flags)
{
	memset(&m, 0, sizeof(m));
	return msgrcv(id, &m, sizeof(m.text), type, flags);
}

static int late_sender(void)
{
	t_sleep_ms(30);
	return put(7, "late", 0);
}

static int late_reader(void)
{
	t_sleep_ms(30);
	return get(1, 0) > 0 ? 0 : 1;
}

/* EINVAL: it was too late. */
static int removed(void)
{
	if (get(99, 0) != -1)
		return 1;
	return errno == EIDRM ? 0 : errno == EINVAL ? 2 : 3;
}

T_MAIN
{
	key_t key = 0x56780000 + getpid() % 0xffff;
	struct msginfo info;
	struct msqid_ds d;
	int n, max, found = 0, waited = 2, old = -1;
	pid_t p;

	(void)unshare(CLONE_NEWIPC); /* on the host: what others have comes and goes */
	FAILS(ENOENT, msgget(key, 0600));
	id = msgget(key, IPC_CREAT | 0600);
	CHECK(id >= 0);
	EQUAL(msgget(key, 0), id);
	FAILS(EEXIST, msgget(key, IPC_CREAT | IPC_EXCL));
	FAILS(ENOMSG, get(0, IPC_NOWAIT));
	FAILS(EINVAL, put(0, "x", 0));
	FAILS(EINVAL, put(-1, "x", 0));
	m.type = 1;
	FAILS(EINVAL, msgsnd(id, &m, 8193, 0));
	FAILS(EFAULT, msgsnd(id, BAD_PTR, 1, 0));
	FAILS(EINVAL, msgrcv(id, &m, (size_t)-1, 0, 0));

	EQUAL(put(3, "three", 0), 0);
	EQUAL(put(1, "one", 0), 0);
	EQUAL(put(2, "two", 0), 0);
	EQUAL(msgctl(id, IPC_STAT, &d), 0);
	EQUAL(d.msg_qnum, 3);
	EQUAL(d.__msg_cbytes, 6 + 4 + 4);
	EQUAL(d.msg_qbytes, 16384);
	EQUAL(d.msg_lspid, getpid());
	EQUAL(d.msg_lrpid, 0);
	CHECK(d.msg_stime && !d.msg_rtime);
	FAILS(ENOMSG, get(9, IPC_NOWAIT));
	FAILS(E2BIG, msgrcv(id, &m, 2, 1, 0));
	FAILS(EINVAL, get(0, MSG_COPY));
	EQUAL(get(-2, 0), 4);
	CHECK(m.type == 1 && !strcmp(m.text, "one"));
	EQUAL(get(3, MSG_EXCEPT), 4);
	CHECK(m.type == 2 && !strcmp(m.text, "two"));
	EQUAL(msgrcv(id, &m, 2, 0, MSG_NOERROR), 2);
	CHECK(m.type == 3 && !strncmp(m.text, "th", 2));

	/* Waiting for one, and for room. */
	p = t_fork(late_sender);
	EQUAL(get(7, 0), 5);
	EQUAL(t_wait(p), 0);
	m.type = 1;
	for (n = 0; msgsnd(id, &m, 4000, IPC_NOWAIT) == 0; n++)
		;
	EQUAL(n, 4);
	EQUAL(errno, EAGAIN);
	p = t_fork(late_reader);
	EQUAL(msgsnd(id, &m, 4000, 0), 0);
	EQUAL(t_wait(p), 0);
	t_handle(SIGALRM, 0);
	m.type = 1;
	INTERRUPTED(msgsnd(id, &m, 4000, 0));
	INTERRUPTED(get(50, 0));

	max = msgctl(0, MSG_INFO, (struct msqid_ds *)&info);
	CHECK(max >= 0 && info.msgpool >= 1 && info.msgmap >= 4 && info.msgtql >= 16000);
	EQUAL(msgctl(0, IPC_INFO, (struct msqid_ds *)&info), max);
	EQUAL(info.msgmax, 8192);
	for (int i = 0; i <= max; i++)
		if (msgctl(i, MSG_STAT, &d) == id)
			found++;
	EQUAL(found, 1);
	d.msg_qbytes = 4000;
	d.msg_perm.mode = 0620;
	EQUAL(msgctl(id, IPC_SET, &d), 0);
	EQUAL(msgctl(id, IPC_STAT, &d), 0);
	EQUAL(d.msg_qbytes, 4000);
	EQUAL(d.msg_perm.mode, 0620);

	for (int i = 0; i < 100 && waited == 2; i++) {
		id = id < 0 ? msgget(key, IPC_CREAT | 0600) : id;
		p = t_fork(removed);
		t_await_sleep(p);
		EQUAL(msgctl(id, IPC_RMID, NULL), 0);
		waited = t_wait(p);
		old = id;
		id = -1;
	}
	EQUAL(waited, 0);
	errno = 0;
	CHECK(msgctl(old, IPC_STAT, &d) == -1 && (errno == EINVAL || errno == EIDRM));
}
