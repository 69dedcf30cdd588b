/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.c: values of system calls as text for --strace: flags, signals, errors, structs.
 *
 * A struct is shown by a table of its fields, at x86-64's offsets (arm64 differs in stat and
 * epoll_event).  All input is a copy in our memory whose size the caller has checked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sentry/trace/trace_impl.h"

/* ---- text ------------------------------------------------------------------------------------ */

void text_putc(struct text *t, char c)
{
	if (t->used < t->capacity)
		t->data[t->used++] = c;
}

void text_puts(struct text *t, const char *s)
{
	while (*s)
		text_putc(t, *s++);
}

void text_printf(struct text *t, const char *fmt, ...)
{
	char piece[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(piece, sizeof(piece), fmt, ap);
	va_end(ap);
	text_puts(t, piece);
}

static void quote_char(struct text *t, unsigned char c, bool digit_follows)
{
	static const char letters[] = { ['\t'] = 't', ['\n'] = 'n', ['\v'] = 'v', ['\f'] = 'f',
					['\r'] = 'r', ['"'] = '"', ['\\'] = '\\' };

	if (c < sizeof(letters) && letters[c])
		text_printf(t, "\\%c", letters[c]);
	else if (c >= ' ' && c < 0x7f)
		text_putc(t, (char)c);
	else
		text_printf(t, digit_follows ? "\\%03o" : "\\%o", (unsigned int)c);
}

void text_quote(struct text *t, const char *p, size_t size, bool more)
{
	text_putc(t, '"');
	for (size_t i = 0; i < size; i++)
		quote_char(t, (unsigned char)p[i],
			   i + 1 < size && p[i + 1] >= '0' && p[i + 1] <= '9');
	text_puts(t, more ? "\"..." : "\"");
}

/* ---- values ---------------------------------------------------------------------------------- */

/* The constant that is the value of the masked bits; 0 (F_OK, O_RDONLY) where one is called so. */
static const char *name_of(const struct trace_set *set, uint64_t value)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->values[i].value == value && !(value & ~(uint64_t)set->mask))
			return set->values[i].name;
	return NULL;
}

void show_set(struct text *t, const struct trace_set *set, uint64_t value)
{
	uint64_t low = value & set->mask;
	uint64_t flags = value & ~(uint64_t)set->mask;
	const char *name = set->mask || !value ? name_of(set, low) : NULL;
	const char *bar = "";

	if (name || low || !value) {
		if (name)
			text_puts(t, name);
		else
			text_printf(t, "%#" PRIx64, low); /* plain "0" for 0 */
		bar = "|";
	}
	for (uint32_t i = 0; i < set->count; i++) {
		uint32_t bits = set->values[i].value;

		if (bits == 0 || bits & set->mask || (flags & bits) != bits)
			continue;
		text_printf(t, "%s%s", bar, set->values[i].name);
		flags &= ~(uint64_t)bits;
		bar = "|";
	}
	if (flags)
		text_printf(t, "%s%#" PRIx64, bar, flags);
}

void show_signal(struct text *t, uint32_t sig)
{
	const char *name = sig < 32 ? sigabbrev_np((int)sig) : NULL;

	if (name)
		text_printf(t, "SIG%s", name);
	else if (sig >= 32 && sig <= 64)
		text_printf(t, "SIGRT_%" PRIu32, sig - 32);
	else
		text_printf(t, "%" PRId32, (int32_t)sig);
}

void show_error(struct text *t, long error)
{
	/* The kernel's own: include/linux/errno.h. */
	static const struct {
		long error;
		const char *name;
	} restarts[] = {
		{ 512, "ERESTARTSYS" },
		{ 513, "ERESTARTNOINTR" },
		{ 514, "ERESTARTNOHAND" },
		{ 516, "ERESTART_RESTARTBLOCK" },
	};
	const char *name = strerrorname_np((int)error);

	for (size_t i = 0; i < ARRAY_SIZE(restarts); i++)
		if (restarts[i].error == error) {
			text_printf(t, "? %s", restarts[i].name);
			return;
		}
	if (name)
		text_printf(t, "-1 %s", name);
	else
		text_printf(t, "%ld", -error);
}

static void show_sigset(struct text *t, uint64_t set)
{
	const char *blank = "";
	bool most = __builtin_popcountll(set) > 32;

	text_puts(t, most ? "~[" : "[");
	for (uint32_t sig = 1; sig <= 64; sig++) {
		bool in = set >> (sig - 1) & 1;

		if (in == most)
			continue;
		text_puts(t, blank);
		show_signal(t, sig);
		blank = " ";
	}
	text_putc(t, ']');
}

static void show_unix(struct text *t, const char *path, size_t size)
{
	if (size > 0 && path[0] == '\0') {
		text_puts(t, ", sun_path=@");
		text_quote(t, path + 1, size - 1, false);
	} else {
		text_puts(t, ", sun_path=");
		text_quote(t, path, strnlen(path, size), false);
	}
}

void show_sockaddr(struct text *t, const void *p, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	struct sockaddr_storage ss = { 0 };
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&ss;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&ss;

	size = MIN(size, sizeof(ss));
	memcpy(&ss, p, size);
	if (size < sizeof(ss.ss_family)) {
		text_puts(t, "{}");
	} else if (ss.ss_family == AF_INET && size >= sizeof(*in4)) {
		inet_ntop(AF_INET, &in4->sin_addr, address, sizeof(address));
		text_printf(t, "{AF_INET, %s:%u}", address, (unsigned int)ntohs(in4->sin_port));
	} else if (ss.ss_family == AF_INET6 && size >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof(address));
		text_printf(t, "{AF_INET6, [%s]:%u}", address, (unsigned int)ntohs(in6->sin6_port));
	} else if (ss.ss_family == AF_UNIX) {
		text_puts(t, "{AF_UNIX");
		if (size > offsetof(struct sockaddr_un, sun_path))
			show_unix(t, un->sun_path, MIN(size - offsetof(struct sockaddr_un, sun_path),
						       sizeof(un->sun_path)));
		text_putc(t, '}');
	} else {
		text_printf(t, "{sa_family=%u, %zu bytes}", (unsigned int)ss.ss_family, size);
	}
}

/* ---- structs --------------------------------------------------------------------------------- */

enum show_as { AS_S16, AS_S32, AS_U32, AS_S64, AS_U64, AS_LIMIT, AS_X32, AS_X64, AS_MODE16,
	       AS_MODE32, AS_SIG, AS_SIGSET, AS_SET16, AS_SET32, AS_TEXT65 };

struct field {
	const char *name; /* "": the element is this one value */
	uint16_t offset;
	uint16_t as;
	const struct trace_set *set;
};

struct layout {
	const char *element;
	const struct field *fields;
	size_t count;
};

static uint64_t load(const void *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size); /* both architectures are little-endian */
	return v;
}

static void show_field(struct text *t, const struct field *f, const char *p)
{
	static const uint8_t sizes[] = {
		[AS_S16] = 2, [AS_S32] = 4, [AS_U32] = 4, [AS_S64] = 8, [AS_U64] = 8,
		[AS_LIMIT] = 8, [AS_X32] = 4, [AS_X64] = 8, [AS_MODE16] = 2, [AS_MODE32] = 4,
		[AS_SIG] = 4, [AS_SIGSET] = 8, [AS_SET16] = 2, [AS_SET32] = 4, [AS_TEXT65] = 0,
	};
	uint64_t v = load(p + f->offset, sizes[f->as]);

	switch ((enum show_as)f->as) {
	case AS_S16:
		text_printf(t, "%d", (int16_t)v);
		break;
	case AS_S32:
		text_printf(t, "%" PRId32, (int32_t)v);
		break;
	case AS_S64:
		text_printf(t, "%" PRId64, (int64_t)v);
		break;
	case AS_U32:
	case AS_U64:
		text_printf(t, "%" PRIu64, v);
		break;
	case AS_LIMIT:
		text_printf(t, v == UINT64_MAX ? "RLIM_INFINITY" : "%" PRIu64, v);
		break;
	case AS_X32:
	case AS_X64:
		text_printf(t, "%#" PRIx64, v);
		break;
	case AS_MODE16:
	case AS_MODE32:
		text_printf(t, "%#" PRIo64, v);
		break;
	case AS_SIG:
		show_signal(t, (uint32_t)v);
		break;
	case AS_SIGSET:
		show_sigset(t, v);
		break;
	case AS_SET16:
	case AS_SET32:
		show_set(t, f->set, v);
		break;
	case AS_TEXT65:
		text_quote(t, p + f->offset, strnlen(p + f->offset, 65), false);
		break;
	}
}

void show_struct(struct text *t, const struct layout *l, const void *p)
{
	bool single = l->fields[0].name[0] == '\0';

	if (!single)
		text_putc(t, '{');
	for (size_t i = 0; i < l->count; i++) {
		if (!single)
			text_printf(t, "%s%s=", i ? ", " : "", l->fields[i].name);
		show_field(t, &l->fields[i], p);
	}
	if (!single)
		text_putc(t, '}');
}

#define FIELDS(name) static const struct field name[]

FIELDS(an_int) = { { "", 0, AS_S32, NULL } };
FIELDS(a_u64) = { { "", 0, AS_X64, NULL } };
FIELDS(an_s64) = { { "", 0, AS_S64, NULL } };
FIELDS(a_sigset) = { { "", 0, AS_SIGSET, NULL } };
FIELDS(cap_data) = {
	{ "effective", 0, AS_X32, NULL },
	{ "permitted", 4, AS_X32, NULL },
	{ "inheritable", 8, AS_X32, NULL },
};
FIELDS(cap_header) = { { "version", 0, AS_X32, NULL }, { "pid", 4, AS_S32, NULL } };
FIELDS(epoll_event) = { { "events", 0, AS_SET32, &trace_set_epoll }, { "data", 4, AS_X64, NULL } };
FIELDS(futex_waitv) = {
	{ "val", 0, AS_U64, NULL },
	{ "uaddr", 8, AS_X64, NULL },
	{ "flags", 16, AS_X32, NULL },
};
FIELDS(io_event) = {
	{ "data", 0, AS_X64, NULL },
	{ "obj", 8, AS_X64, NULL },
	{ "res", 16, AS_S64, NULL },
	{ "res2", 24, AS_S64, NULL },
};
FIELDS(iovec) = { { "base", 0, AS_X64, NULL }, { "len", 8, AS_U64, NULL } };
FIELDS(itimer) = {
	{ "interval.sec", 0, AS_S64, NULL },
	{ "interval.frac", 8, AS_S64, NULL },
	{ "value.sec", 16, AS_S64, NULL },
	{ "value.frac", 24, AS_S64, NULL },
};
FIELDS(mmsghdr) = {
	{ "name", 0, AS_X64, NULL },
	{ "namelen", 8, AS_S32, NULL },
	{ "iov", 16, AS_X64, NULL },
	{ "iovlen", 24, AS_U64, NULL },
	{ "control", 32, AS_X64, NULL },
	{ "controllen", 40, AS_U64, NULL },
	{ "flags", 48, AS_SET32, &trace_set_msg },
	{ "len", 56, AS_U32, NULL },
};
FIELDS(mnt_id_req) = { { "mnt_id", 8, AS_X64, NULL }, { "param", 16, AS_X64, NULL } };
FIELDS(mq_attr) = {
	{ "flags", 0, AS_X64, NULL },
	{ "maxmsg", 8, AS_S64, NULL },
	{ "msgsize", 16, AS_S64, NULL },
	{ "curmsgs", 24, AS_S64, NULL },
};
FIELDS(pollfd) = {
	{ "fd", 0, AS_S32, NULL },
	{ "events", 4, AS_SET16, &trace_set_poll },
	{ "revents", 6, AS_SET16, &trace_set_poll },
};
FIELDS(rlimit) = { { "cur", 0, AS_LIMIT, NULL }, { "max", 8, AS_LIMIT, NULL } };
FIELDS(rusage) = {
	{ "utime.sec", 0, AS_S64, NULL },
	{ "utime.usec", 8, AS_S64, NULL },
	{ "stime.sec", 16, AS_S64, NULL },
	{ "stime.usec", 24, AS_S64, NULL },
	{ "maxrss", 32, AS_S64, NULL },
};
FIELDS(sembuf) = { { "num", 0, AS_S16, NULL }, { "op", 2, AS_S16, NULL }, { "flg", 4, AS_S16, NULL } };
FIELDS(sigaction_) = {
	{ "handler", 0, AS_X64, NULL },
	{ "flags", 8, AS_SET32, &trace_set_sa },
	{ "mask", 24, AS_SIGSET, NULL },
};
FIELDS(sigevent_) = {
	{ "value", 0, AS_X64, NULL },
	{ "signo", 8, AS_SIG, NULL },
	{ "notify", 12, AS_S32, NULL },
};
FIELDS(siginfo) = {
	{ "signo", 0, AS_SIG, NULL },
	{ "code", 8, AS_S32, NULL },
	{ "pid", 16, AS_S32, NULL },
	{ "uid", 20, AS_U32, NULL },
	{ "status", 24, AS_S32, NULL },
};
FIELDS(sigset_arg) = { { "set", 0, AS_X64, NULL }, { "size", 8, AS_U64, NULL } };
FIELDS(stack) = { { "sp", 0, AS_X64, NULL }, { "flags", 8, AS_X32, NULL }, { "size", 16, AS_U64, NULL } };
FIELDS(stat_) = {
	{ "ino", 8, AS_U64, NULL },
	{ "mode", 24, AS_MODE32, NULL },
	{ "uid", 28, AS_U32, NULL },
	{ "gid", 32, AS_U32, NULL },
	{ "size", 48, AS_S64, NULL },
};
FIELDS(statfs_) = {
	{ "type", 0, AS_X64, NULL },
	{ "bsize", 8, AS_U64, NULL },
	{ "blocks", 16, AS_U64, NULL },
	{ "bfree", 24, AS_U64, NULL },
};
FIELDS(statx_) = {
	{ "mask", 0, AS_X32, NULL },
	{ "uid", 20, AS_U32, NULL },
	{ "gid", 24, AS_U32, NULL },
	{ "mode", 28, AS_MODE16, NULL },
	{ "ino", 32, AS_U64, NULL },
	{ "size", 40, AS_U64, NULL },
};
FIELDS(sysinfo_) = {
	{ "uptime", 0, AS_S64, NULL },
	{ "totalram", 32, AS_U64, NULL },
	{ "freeram", 40, AS_U64, NULL },
};
FIELDS(timespec_) = { { "sec", 0, AS_S64, NULL }, { "nsec", 8, AS_S64, NULL } };
FIELDS(timeval_) = { { "sec", 0, AS_S64, NULL }, { "usec", 8, AS_S64, NULL } };
FIELDS(timex) = {
	{ "modes", 0, AS_X32, NULL },
	{ "offset", 8, AS_S64, NULL },
	{ "freq", 16, AS_S64, NULL },
	{ "status", 40, AS_X32, NULL },
};
FIELDS(tms) = {
	{ "utime", 0, AS_S64, NULL },
	{ "stime", 8, AS_S64, NULL },
	{ "cutime", 16, AS_S64, NULL },
	{ "cstime", 24, AS_S64, NULL },
};
FIELDS(utimbuf) = { { "actime", 0, AS_S64, NULL }, { "modtime", 8, AS_S64, NULL } };
FIELDS(utsname_) = {
	{ "sysname", 0, AS_TEXT65, NULL },
	{ "nodename", 65, AS_TEXT65, NULL },
	{ "release", 130, AS_TEXT65, NULL },
	{ "version", 195, AS_TEXT65, NULL },
	{ "machine", 260, AS_TEXT65, NULL },
};

#define LAYOUT(element, fields) { element, fields, ARRAY_SIZE(fields) }

/* Names as in structs.def; what is missing here is shown as its address. */
static const struct layout layouts[] = {
	LAYOUT("int", an_int),
	LAYOUT("u64", a_u64),
	LAYOUT("s64", an_s64),
	LAYOUT("sigset", a_sigset),
	LAYOUT("struct cap_data", cap_data),
	LAYOUT("struct cap_header", cap_header),
	LAYOUT("struct epoll_event", epoll_event),
	LAYOUT("struct futex_waitv", futex_waitv),
	LAYOUT("struct io_event", io_event),
	LAYOUT("struct iovec", iovec),
	LAYOUT("struct itimerspec", itimer),
	LAYOUT("struct itimerval", itimer),
	LAYOUT("struct mmsghdr", mmsghdr),
	LAYOUT("struct mnt_id_req", mnt_id_req),
	LAYOUT("struct mq_attr", mq_attr),
	{ "struct msghdr", mmsghdr, ARRAY_SIZE(mmsghdr) - 1 },
	LAYOUT("struct pollfd", pollfd),
	LAYOUT("struct rlimit", rlimit),
	LAYOUT("struct rusage", rusage),
	LAYOUT("struct sembuf", sembuf),
	LAYOUT("struct sigaction", sigaction_),
	LAYOUT("struct sigevent", sigevent_),
	LAYOUT("struct siginfo", siginfo),
	LAYOUT("struct sigset_arg", sigset_arg),
	LAYOUT("struct stack", stack),
	LAYOUT("struct stat", stat_),
	LAYOUT("struct statfs", statfs_),
	LAYOUT("struct statx", statx_),
	LAYOUT("struct sysinfo", sysinfo_),
	LAYOUT("struct timespec", timespec_),
	LAYOUT("struct timeval", timeval_),
	LAYOUT("struct timex", timex),
	LAYOUT("struct tms", tms),
	LAYOUT("struct utimbuf", utimbuf),
	LAYOUT("struct utsname", utsname_),
};

const struct layout *show_layout(const char *element)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (strcmp(layouts[i].element, element) == 0)
			return &layouts[i];
	return NULL;
}
