/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ring.c: calls through the ring and its bell, as jailed Sentries make them.
 *
 * A process can have one such filter, so each test is a process of its own.
 */
#include "tests/unit/gofer/fixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "gofer/ring.h"
#include "vfs/gofer/conn.h"
#include "vfs/gofer/rpc.h"

#define CHECK(x) do { if (!(x)) { dprintf(2, "%d: %s\n", __LINE__, #x); _exit(1); } } while (0)

static int bell_new(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GOFER_BELL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(f), f };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

/* Fid 0 is the root. */
static struct gconn *conn_new(struct fixture *fx)
{
	struct gofer_attach_reply a;
	struct gconn *g;
	uint32_t fid;
	int bell = bell_new();

	CHECK(bell >= 0 && gconn_new(fx->t.fd, &g) == 0);
	fx->t.fd = -1;
	CHECK(!gconn_has_ring(g));
	gconn_use_ring(g, bell);
	CHECK(gconn_has_ring(g));
	CHECK(gconn_fid_alloc(g, &fid) == 0 && fid == 0);
	CHECK(grpc_attach(g, RW, 0, &a) == 0);
	return g;
}

/* Status 77: this kernel has no synchronous wake-ups, so there is no ring. */
static bool kernel_can(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(ioctl(bell_new(), SECCOMP_IOW(4, uint64_t), 1) == 0 ? 0 : 77);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void run(void (*fn)(struct fixture *fx))
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	int status;
	pid_t pid;

	if (!kernel_can())
		skip();
	strcpy(fx->dir, "/tmp/test_ring.XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	fx->dir_fd = open(fx->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	host_file(fx, "bound", "bound\n");
	pid = fork();
	if (pid == 0) {
		alarm(300); /* a guard */
		fixture_start(fx);
		fn(fx);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fx->dir_fd);
	remove_dir(fx);
	free(fx);
	assert_int_equal(status, 0);
}

static struct gofer_change change;

static int create(struct gconn *g, const char *name, int *fd)
{
	struct gofer_make m = { .dir = 0, .fid = GOFER_NOFID, .flags = O_RDWR, .mode = 0600,
				.uid = getuid(), .gid = getgid() };
	struct gofer_attr attr;

	return grpc_make(g, GOFER_REQ_CREATE, &m, name, NULL, &attr, &change, fd);
}

static void use(struct fixture *fx)
{
	struct gconn *g = conn_new(fx);
	struct gofer_attr attr;
	struct grpc_dir dir;
	uint32_t fid;
	int fd;

	CHECK(create(g, "f", &fd) == 0);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && write(fd, "12345", 5) == 5);
	close(fd);
	CHECK(create(g, "f", &fd) == -EEXIST);
	CHECK(grpc_getattr(g, 0, &attr) == 0 && S_ISDIR(attr.mode));
	CHECK(grpc_readdir(g, 0, 0, GOFER_READDIR_ATTR, 65536, &dir) == 0 && dir.left == 2);
	gconn_reply_put(g, &dir.call);
	CHECK(grpc_unlink(g, 0, "f", 0, GOFER_NOFID, &change) == 0);
	CHECK(gconn_fid_alloc(g, &fid) == 0);
	gconn_fid_clunk(g, fid);
	gconn_clunk_flush(g); /* one-way, through the socket */
	gconn_end(g, 33);
	CHECK(fixture_end(fx) == 33);
	CHECK(grpc_getattr(g, 0, &attr) == -EIO);
	gconn_put(g);
}

static void calls_and_descriptors_go_through_the_ring(void **state)
{
	(void)state;
	run(use);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Each name is made once, or the second CREATE says EEXIST; and no descriptor is lost or left. */
static void interrupt(struct fixture *fx)
{
	struct itimerval often = { { 0, 200 }, { 0, 200 } };
	struct sigaction sa = { .sa_handler = on_alarm };
	struct gconn *g = conn_new(fx);
	int fd, first = dup(0);

	close(first);
	CHECK(sigaction(SIGVTALRM, &sa, NULL) == 0 && sigaction(SIGPROF, &sa, NULL) == 0);
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	sa.sa_handler = on_alarm;
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 0; i < 500; i++) {
		CHECK(create(g, "f", &fd) == 0 && fd == first);
		close(fd);
		CHECK(grpc_unlink(g, 0, "f", 0, GOFER_NOFID, &change) == 0);
	}
	gconn_put(g);
}

static void a_signal_undoes_and_repeats_nothing(void **state)
{
	(void)state;
	run(interrupt);
}

/* As the freezer does: its waits end early, and what it was doing is begun again. */
static void stop(struct fixture *fx)
{
	struct gconn *g = conn_new(fx);
	int fd, first = dup(0);
	pid_t pid;

	close(first);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 1000; i++) {
			kill(fx->pid, SIGSTOP);
			usleep(50);
			kill(fx->pid, SIGCONT);
			usleep(200);
		}
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		CHECK(create(g, "f", &fd) == 0 && fd == first);
		close(fd);
		CHECK(grpc_unlink(g, 0, "f", 0, GOFER_NOFID, &change) == 0);
	}
	gconn_put(g);
}

static void a_gofer_that_is_stopped_loses_no_descriptor(void **state)
{
	(void)state;
	run(stop);
}

static void lose(struct fixture *fx)
{
	struct gconn *g = conn_new(fx);
	struct gofer_attr attr;

	CHECK(kill(fx->pid, SIGSTOP) == 0);
	if (fork() == 0) {
		usleep(100000);
		kill(fx->pid, SIGKILL);
		_exit(0);
	}
	CHECK(grpc_getattr(g, 0, &attr) == -EIO); /* in the bell when the Gofer ends */
	CHECK(grpc_getattr(g, 0, &attr) == -EIO);
	gconn_put(g);
}

static void the_end_of_the_gofer_ends_calls(void **state)
{
	(void)state;
	run(lose);
}

static void ring_badly(struct fixture *fx)
{
	struct gconn *g = conn_new(fx);

	(void)g;
	CHECK(host_call(GOFER_BELL, GOFER_RING_SLOTS, 1, 0) == -EINVAL);
	/* What was in the slot once is answered again, not done again. */
	CHECK(host_call(GOFER_BELL, 0, 1, 0) == 0);
	CHECK(host_call(GOFER_BELL, 1, 7, 0) == -ENOSYS); /* its size is 0: malformed */
	CHECK(fixture_end(fx) == 201);
}

static void a_malformed_slot_ends_the_connection(void **state)
{
	(void)state;
	run(ring_badly);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_and_descriptors_go_through_the_ring),
		cmocka_unit_test(a_signal_undoes_and_repeats_nothing),
		cmocka_unit_test(a_gofer_that_is_stopped_loses_no_descriptor),
		cmocka_unit_test(the_end_of_the_gofer_ends_calls),
		cmocka_unit_test(a_malformed_slot_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
