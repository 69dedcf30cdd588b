/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci_seccomp.c: linux.seccomp compiled to classic BPF, which the Sentry runs (sentry/seccomp).
 *
 * libseccomp does the work, outside of the sandbox.  As in runc:
 *   - names that libseccomp does not know are left out, and so are rules that say the default;
 *   - when an argument is named twice in a rule, each condition is a rule of its own;
 *   - calls newer than every call that the profile names give ENOSYS and not the default action, unless
 *     that lets calls through: the profile's author can't have meant them, and programs fall back.
 *
 * Notifications (SCMP_ACT_NOTIFY, listenerPath) are refused: the calls are the Sentry's, so there is no
 * host descriptor to hand to an agent.
 *
 * The text: flags of seccomp(2) in hex, ':', then each instruction's 8 bytes in hex.
 */
#include "runsc-c/oci_seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/oci_spec_impl.h"

#define ARGS_MAX 6

struct profile {
	struct jsonw *w;
	scmp_filter_ctx ctx;
	uint32_t default_action;
	int last; /* highest number of a call that is named */
};

/* ---- words -------------------------------------------------------------------------------------- */

static const struct action {
	const char *name;
	uint32_t action;
	bool with_errno;
} actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP, false },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG, false },
};

static const struct {
	const char *name;
	enum scmp_compare op;
} operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static uint32_t parse_action(struct jsonw *w, const json_t *o, const char *name, const char *errno_name)
{
	const char *s = jsonw_string(w, o, name, REQUIRED);
	int64_t e = jsonw_int(w, o, errno_name, 0, 4095, EPERM);

	if (!s)
		return SCMP_ACT_ALLOW;
	if (strcmp(s, "SCMP_ACT_NOTIFY") == 0) {
		jsonw_error(w, name, "SCMP_ACT_NOTIFY is not supported: the sandbox answers system calls "
				     "itself");
		return SCMP_ACT_ALLOW;
	}
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strcmp(s, actions[i].name) == 0)
			return actions[i].action | (actions[i].with_errno ? (uint32_t)e : 0);
	jsonw_error(w, name, "unknown action \"%s\"", s);
	return SCMP_ACT_ALLOW;
}

static bool parse_operator(struct jsonw *w, const json_t *o, enum scmp_compare *op)
{
	const char *s = jsonw_string(w, o, "op", REQUIRED);

	for (size_t i = 0; s && i < ARRAY_SIZE(operators); i++)
		if (strcmp(s, operators[i].name) == 0) {
			*op = operators[i].op;
			return true;
		}
	if (s)
		jsonw_error(w, "op", "unknown operator \"%s\"", s);
	return false;
}

/* Other CPUs' calls can't occur here. */
static void parse_archs(struct profile *p, const json_t *o)
{
	char **archs = jsonw_strings(p->w, o, "architectures", OPTIONAL);

	for (size_t i = 0; archs && archs[i]; i++) {
		uint32_t arch = strcmp(archs[i], "SCMP_ARCH_X86") == 0	 ? SCMP_ARCH_X86
				: strcmp(archs[i], "SCMP_ARCH_X32") == 0 ? SCMP_ARCH_X32 : 0;
		int err = arch ? seccomp_arch_add(p->ctx, arch) : 0;

		if (strncmp(archs[i], "SCMP_ARCH_", 10) != 0)
			jsonw_error(p->w, "architectures", "unknown architecture \"%s\"", archs[i]);
		else if (err && err != -EEXIST)
			jsonw_error(p->w, "architectures", "%s: %s", archs[i], strerror(-err));
	}
	oci_strings_free(archs);
}

static unsigned int parse_flags(struct jsonw *w, const json_t *o)
{
	char **flags = jsonw_strings(w, o, "flags", OPTIONAL);
	unsigned int r = 0;

	for (size_t i = 0; flags && flags[i]; i++) {
		if (strcmp(flags[i], "SECCOMP_FILTER_FLAG_LOG") == 0)
			r |= SECCOMP_FILTER_FLAG_LOG;
		else if (strcmp(flags[i], "SECCOMP_FILTER_FLAG_SPEC_ALLOW") == 0)
			r |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		else if (strcmp(flags[i], "SECCOMP_FILTER_FLAG_TSYNC") != 0 &&
			 strcmp(flags[i], "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") != 0)
			jsonw_error(w, "flags", "unknown flag \"%s\"", flags[i]);
	}
	oci_strings_free(flags);
	return r;
}

/* ---- rules -------------------------------------------------------------------------------------- */

struct rule {
	uint32_t action;
	struct scmp_arg_cmp args[ARGS_MAX];
	unsigned int count;
	bool apart; /* each condition is a rule of its own */
};

static void parse_args(struct jsonw *w, const json_t *o, struct rule *r)
{
	json_t *args = jsonw_array(w, o, "args", OPTIONAL);
	unsigned int seen = 0;

	if (json_array_size(args) > ARGS_MAX) {
		jsonw_error(w, "args", "more than %d conditions", ARGS_MAX);
		return;
	}
	for (size_t i = 0; i < json_array_size(args); i++) {
		const json_t *a = jsonw_object_at(w, args, "args", i);
		size_t mark = jsonw_enter_index(w, "args", i);
		struct scmp_arg_cmp *c = &r->args[r->count++];

		c->arg = (unsigned int)jsonw_int(w, a, "index", 0, ARGS_MAX - 1, 0);
		c->datum_a = jsonw_u64(w, a, "value", 0);
		c->datum_b = jsonw_u64(w, a, "valueTwo", 0);
		(void)parse_operator(w, a, &c->op);
		r->apart |= (seen & (1u << c->arg)) != 0;
		seen |= 1u << c->arg;
		jsonw_leave(w, mark);
	}
}

static int rule_add(struct profile *p, const struct rule *r, int nr)
{
	int err = 0;

	if (!r->apart)
		return seccomp_rule_add_array(p->ctx, r->action, nr, r->count, r->args);
	for (unsigned int i = 0; i < r->count && !err; i++)
		err = seccomp_rule_add_array(p->ctx, r->action, nr, 1, &r->args[i]);
	return err;
}

static void parse_rule(struct profile *p, const json_t *o)
{
	struct rule r = { .action = parse_action(p->w, o, "action", "errnoRet") };
	char **names = jsonw_strings(p->w, o, "names", REQUIRED);
	int err;

	parse_args(p->w, o, &r);
	for (size_t i = 0; names && names[i] && !err_is(p->w->e); i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);

		if (nr == __NR_SCMP_ERROR)
			continue;
		p->last = MAX(p->last, nr);
		if (r.action == p->default_action)
			continue;
		err = rule_add(p, &r, nr);
		if (err)
			jsonw_error(p->w, "names", "%s: %s", names[i], strerror(-err));
	}
	oci_strings_free(names);
}

/* ---- the program -------------------------------------------------------------------------------- */

static bool lets_through(uint32_t action)
{
	action &= SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG || action == SECCOMP_RET_TRACE;
}

/* What runc puts in front: ENOSYS for calls beyond the last that the profile knows. */
static size_t put_enosys(const struct profile *p, struct sock_filter *out)
{
	const struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)p->last, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};

	if (p->last < 0 || lets_through(p->default_action) ||
	    p->default_action == SCMP_ACT_ERRNO(ENOSYS))
		return 0;
	memcpy(out, f, sizeof(f));
	return ARRAY_SIZE(f);
}

/* libseccomp writes to a descriptor only. */
static int export_to(const struct profile *p, struct sock_filter *f, size_t max, size_t *count)
{
	int fd = memfd_create("seccomp", MFD_CLOEXEC), err;
	ssize_t n;

	if (fd < 0)
		return -errno;
	err = seccomp_export_bpf(p->ctx, fd);
	if (!err) {
		n = host_pread(fd, f, max * sizeof(f[0]), 0);
		err = n < 0 ? (int)n : n == (ssize_t)(max * sizeof(f[0])) ? -E2BIG : 0;
		*count = n > 0 ? (size_t)n / sizeof(f[0]) : 0;
	}
	close(fd);
	return err;
}

static char *text_of(const struct sock_filter *f, size_t count, unsigned int flags)
{
	size_t size = count * 16 + 16;
	char *text = mem_alloc(size), *at = text;

	if (!text)
		return NULL;
	at += snprintf(at, 16, "%x:", flags);
	for (size_t i = 0; i < count; i++)
		at += snprintf(at, 17, "%04x%02x%02x%08x", f[i].code, f[i].jt, f[i].jf, f[i].k);
	return text;
}

static char *compile(const struct profile *p, unsigned int flags)
{
	struct sock_filter *f = mem_calloc(BPF_MAXINSNS, sizeof(*f));
	size_t head, count = 0;
	char *text = NULL;
	int err = -ENOMEM;

	if (f) {
		head = put_enosys(p, f);
		err = export_to(p, f + head, BPF_MAXINSNS - head, &count);
		if (!err)
			text = text_of(f, head + count, flags);
	}
	if (!text)
		jsonw_error(p->w, NULL, "the filter can't be compiled: %s", strerror(err ? -err : ENOMEM));
	mem_free(f);
	return text;
}

char *oci_seccomp_compile(struct jsonw *w, const json_t *o)
{
	struct profile p = { .w = w, .last = -1 };
	unsigned int flags = parse_flags(w, o);
	json_t *calls = jsonw_array(w, o, "syscalls", OPTIONAL);
	char *text = NULL;

	p.default_action = parse_action(w, o, "defaultAction", "defaultErrnoRet");
	if (err_is(w->e))
		return NULL;
	(void)seccomp_api_set(6); /* what the Sentry does counts, not the host's kernel */
	p.ctx = seccomp_init(p.default_action);
	if (!p.ctx) {
		jsonw_error(w, NULL, "the filter can't be compiled: out of memory");
		return NULL;
	}
	parse_archs(&p, o);
	for (size_t i = 0; i < json_array_size(calls) && !err_is(w->e); i++) {
		const json_t *c = jsonw_object_at(w, calls, "syscalls", i);
		size_t mark = jsonw_enter_index(w, "syscalls", i);

		parse_rule(&p, c);
		jsonw_leave(w, mark);
	}
	if (!err_is(w->e))
		text = compile(&p, flags);
	seccomp_release(p.ctx);
	return text;
}
