/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c: run a command as below a seccomp agent: with a filter that lets everything through but has a
 * listener.  The host allows one listener in a chain of filters, so there is none for a platform.
 *
 *     agent COMMAND [ARG…]
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sock_filter all = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct sock_fprog prog = { 1, &all };
	int status;
	pid_t pid;

	if (argc < 2)
		return 2;
	/* Not no_new_privs: the command may have to change users.  Needs CAP_SYS_ADMIN so. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog) < 0) {
		perror("agent: seccomp");
		return 77;
	}
	/* The listener is gone when nobody holds it any more: we do. */
	pid = fork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
