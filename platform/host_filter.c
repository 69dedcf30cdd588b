/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_filter.c: turn a table of allowed host calls into BPF and install it.
 *
 * The program is a plain list in the table's order.  Rows without conditions are answered from the
 * kernel's per-call cache (Linux 5.11), so the order matters only for the others.
 */
#include "platform/host_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "platform/host.h"

#define INSNS_PER_RULE (3 + 6 * HOST_CONDITIONS)
#define ARG_LOW(i)     (offsetof(struct seccomp_data, args) + (size_t)(i) * 8)
#define ARG_HIGH(i)    (ARG_LOW(i) + 4)
#define X32_BIT        0x40000000u

struct program {
	struct sock_filter insns[HOST_RULES_MAX * INSNS_PER_RULE + 8];
	size_t count;
};

static void emit(struct program *p, unsigned int code, size_t k, unsigned int yes, unsigned int no)
{
	p->insns[p->count++] = (struct sock_filter){ (uint16_t)code, (uint8_t)yes, (uint8_t)no,
						     (uint32_t)k };
}

static void emit_load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void emit_return(struct program *p, unsigned int action)
{
	emit(p, BPF_RET | BPF_K, action, 0, 0);
}

/* How many instructions emit_condition() makes: three for each half of the mask that is not 0. */
static unsigned int condition_size(const struct host_condition *c)
{
	return ((uint32_t)c->mask != 0 ? 3 : 0) + (c->mask >> 32 != 0 ? 3 : 0);
}

/* Compare one half of an argument; on a mismatch skip the `past` instructions that follow. */
static void emit_half(struct program *p, size_t offset, uint64_t mask, uint64_t value,
		      unsigned int past)
{
	emit_load(p, offset);
	emit(p, BPF_ALU | BPF_AND | BPF_K, (uint32_t)mask, 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)value, 0, past);
}

static void emit_condition(struct program *p, const struct host_condition *c, unsigned int past)
{
	bool high = c->mask >> 32 != 0;

	if ((uint32_t)c->mask != 0)
		emit_half(p, ARG_LOW(c->arg), c->mask, c->value, past + (high ? 3 : 0));
	if (high)
		emit_half(p, ARG_HIGH(c->arg), c->mask >> 32, c->value >> 32, past);
}

/* Entered and left with the call's number in A. */
static void emit_rule(struct program *p, const struct host_rule *r)
{
	unsigned int left = 0;
	unsigned int action = r->error == 0 ? SECCOMP_RET_ALLOW :
			      r->error == HOST_RULE_NOTIFY ?
					    SECCOMP_RET_USER_NOTIF :
					    SECCOMP_RET_ERRNO | (unsigned int)r->error;

	for (size_t i = 0; i < HOST_CONDITIONS; i++)
		left += condition_size(&r->conditions[i]);
	if (left == 0) {
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->nr, 0, 1);
		emit_return(p, action);
		return;
	}
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->nr, 0, left + 2);
	for (size_t i = 0; i < HOST_CONDITIONS; i++) {
		left -= condition_size(&r->conditions[i]);
		emit_condition(p, &r->conditions[i], left + 1);
	}
	emit_return(p, action);
	emit_load(p, offsetof(struct seccomp_data, nr));
}

int host_filter_install(const struct host_rule *rules, size_t count, unsigned int flags)
{
	static struct program p; /* too large for a fiber's stack; start-up is single-threaded */
	struct sock_fprog prog;
	unsigned int how = 0;
	long ret;

	if (count > HOST_RULES_MAX)
		return -EINVAL;
	p.count = 0;
	emit_load(&p, offsetof(struct seccomp_data, arch));
	emit(&p, BPF_JMP | BPF_JEQ | BPF_K, HOST_AUDIT_ARCH, 1, 0);
	emit_return(&p, SECCOMP_RET_KILL_PROCESS);
	emit_load(&p, offsetof(struct seccomp_data, nr));
	emit(&p, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	emit_return(&p, SECCOMP_RET_KILL_PROCESS);
	for (size_t i = 0; i < count; i++)
		emit_rule(&p, &rules[i]);
	emit_return(&p, SECCOMP_RET_TRAP);

	ret = host_prctl(PR_SET_NO_NEW_PRIVS, 1, 0);
	if (ret < 0)
		return (int)ret;
	prog = (struct sock_fprog){ (unsigned short)p.count, p.insns };
	if (flags & HOST_FILTER_ALL_THREADS)
		how |= SECCOMP_FILTER_FLAG_TSYNC;
	if (flags & HOST_FILTER_LISTENER)
		how |= SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	ret = host_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, how, &prog);
	if (flags & HOST_FILTER_LISTENER)
		return ret == -ESRCH ? -EBUSY : (int)ret;
	return ret > 0 ? -EBUSY : (int)ret; /* positive: the thread that could not be given it */
}

/* ---- explaining ----------------------------------------------------------------------------- */

static struct {
	char name[16];
	int log_fd;
} explain;

static size_t append(char *line, size_t at, const char *s)
{
	size_t n = strlen(s);

	memcpy(line + at, s, n);
	return at + n;
}

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	char line[96], digits[12];
	unsigned int nr = (unsigned int)info->si_syscall;
	size_t at, d = sizeof(digits);

	(void)sig;
	(void)context;
	digits[--d] = '\0';
	do {
		digits[--d] = (char)('0' + nr % 10);
		nr /= 10;
	} while (nr != 0);
	at = append(line, 0, explain.name);
	at = append(line, at, ": host call ");
	at = append(line, at, digits + d);
	at = append(line, at, " is not allowed by its seccomp filter; stopping\n");
	host_write(explain.log_fd, line, at);
	host_exit_group(128 + SIGSYS);
}

void host_filter_explain(const char *name, int log_fd)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_NODEFER };

	strncpy(explain.name, name, sizeof(explain.name) - 1);
	explain.log_fd = log_fd;
	sigaction(SIGSYS, &sa, NULL);
}
