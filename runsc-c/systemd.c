/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.c: see systemd.h.  Calls of org.freedesktop.systemd1.Manager(5), and as much of D-Bus as they take: authentication by the
 * socket's credentials, a call, its answer.  Signals that come meanwhile are skipped.
 *
 * What comes from systemd (trusted as the host is) is still checked for its form.
 */
#include "runsc-c/systemd.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/util.h"
#include "runsc-c/cgroup.h"

#define PATIENCE_NS (25 * (int64_t)NSEC_PER_SEC)
#define MESSAGE_MAX (1 << 20)
#define SYSTEMD     "org.freedesktop.systemd1"
#define DBUS        "org.freedesktop.DBus"

enum { TYPE_CALL = 1, TYPE_RETURN = 2, TYPE_ERROR = 3 };
enum { FIELD_PATH = 1, FIELD_INTERFACE = 2, FIELD_MEMBER = 3, FIELD_ERROR = 4, FIELD_REPLY = 5, FIELD_DESTINATION = 6, FIELD_SIGNATURE = 8 };

/* ---- writing ------------------------------------------------------------------------------- */

/* A message, or its body: values at their alignment.  Too long is noticed at the end. */
struct wire {
	unsigned char bytes[4096];
	size_t size;
	bool full;
};

static void put(struct wire *w, const void *p, size_t size)
{
	w->full |= size > sizeof(w->bytes) - w->size;
	if (w->full)
		return;
	memcpy(w->bytes + w->size, p, size);
	w->size += size;
}

static void put_align(struct wire *w, size_t to)
{
	static const unsigned char zeros[8];

	put(w, zeros, ALIGN_UP(w->size, to) - w->size);
}

static void put_u32(struct wire *w, uint32_t v)
{
	put_align(w, 4);
	put(w, &v, sizeof(v));
}

static void put_string(struct wire *w, const char *s)
{
	put_u32(w, (uint32_t)strlen(s));
	put(w, s, strlen(s) + 1);
}

static void put_signature(struct wire *w, const char *s)
{
	unsigned char n = (unsigned char)strlen(s);

	put(w, &n, 1);
	put(w, s, n + 1u);
}

/* An array's length stands before the padding to its first element; returns where, for put_array_end(). */
static size_t put_array(struct wire *w, size_t align, size_t *start)
{
	size_t at;

	put_u32(w, 0);
	at = w->size - 4;
	put_align(w, align);
	*start = w->size;
	return at;
}

static void put_array_end(struct wire *w, size_t at, size_t start)
{
	uint32_t size = (uint32_t)(w->size - start);

	if (!w->full)
		memcpy(w->bytes + at, &size, sizeof(size));
}

static void put_property(struct wire *w, const char *name, const char *type)
{
	put_align(w, 8);
	put_string(w, name);
	put_signature(w, type);
}

static void put_property_string(struct wire *w, const char *name, const char *v)
{
	put_property(w, name, "s");
	put_string(w, v);
}

static void put_property_bool(struct wire *w, const char *name, bool v)
{
	put_property(w, name, "b");
	put_u32(w, v);
}

static void put_property_u64(struct wire *w, const char *name, uint64_t v)
{
	put_property(w, name, "t");
	put_align(w, 8);
	put(w, &v, sizeof(v));
}

/* ---- what systemd is to know --------------------------------------------------------------- */

static uint64_t no_limit(int64_t v)
{
	return v < 0 ? UINT64_MAX : (uint64_t)v;
}

/* A quota as systemd counts it: µs a second, in steps of 10 ms; from an update without a period, of the usual one. */
static uint64_t cpu_per_second(const struct oci_resources *r)
{
	uint64_t period = r->cpu_period > 0 ? (uint64_t)r->cpu_period : 100000, us;

	if (r->cpu_quota <= 0)
		return UINT64_MAX;
	us = (uint64_t)r->cpu_quota * 1000000 / period;
	return (us + 9999) / 10000 * 10000;
}

static void put_limits(struct wire *w, bool v2, const struct oci_resources *r)
{
	if (r->memory_limit != OCI_UNSET && r->memory_limit != 0)
		put_property_u64(w, v2 ? "MemoryMax" : "MemoryLimit", no_limit(r->memory_limit));
	if (v2 && r->memory_reservation != OCI_UNSET && r->memory_reservation != 0)
		put_property_u64(w, "MemoryLow", no_limit(r->memory_reservation));
	/* OCI's counts memory too. */
	if (v2 && r->memory_swap != OCI_UNSET && r->memory_swap != 0 && r->memory_limit > 0)
		put_property_u64(w, "MemorySwapMax",
				 r->memory_swap < 0 ? UINT64_MAX : (uint64_t)MAX(r->memory_swap - r->memory_limit, 0));
	if (r->cpu_shares != OCI_UNSET && r->cpu_shares > 1)
		put_property_u64(w, v2 ? "CPUWeight" : "CPUShares",
				 v2 ? (uint64_t)(1 + (MIN(r->cpu_shares, 262144) - 2) * 9999 / 262142) : (uint64_t)r->cpu_shares);
	if (r->cpu_quota != OCI_UNSET && r->cpu_quota != 0)
		put_property_u64(w, "CPUQuotaPerSecUSec", cpu_per_second(r));
	/* Not the exact number: our own threads are in there too (cgroup_limits.c). */
	if (cgroup_tasks_max(r) != OCI_UNSET)
		put_property_u64(w, "TasksMax", no_limit(cgroup_tasks_max(r)));
}

static void put_scope(struct wire *w, const struct systemd_unit *u, pid_t pid, bool v2, const struct oci_resources *r)
{
	size_t at, start, pids_at, pids_start;

	put_string(w, u->name);
	put_string(w, "replace");
	at = put_array(w, 8, &start);
	put_property_string(w, "Description", "container of runsc-c");
	put_property_string(w, "Slice", u->slice);
	put_property_bool(w, "Delegate", true);
	put_property_bool(w, "DefaultDependencies", false);
	put_property_bool(w, "MemoryAccounting", true);
	put_property_bool(w, "CPUAccounting", true);
	put_property_bool(w, "TasksAccounting", true);
	put_property_bool(w, v2 ? "IOAccounting" : "BlockIOAccounting", true);
	put_property(w, "PIDs", "au");
	pids_at = put_array(w, 4, &pids_start);
	put_u32(w, (uint32_t)pid);
	put_array_end(w, pids_at, pids_start);
	put_limits(w, v2, r);
	put_array_end(w, at, start);
	at = put_array(w, 8, &start); /* other units: none */
	put_array_end(w, at, start);
}

/* ---- messages ------------------------------------------------------------------------------- */

struct bus {
	int fd;
	uint32_t serial;
	int64_t deadline_ns;
};

static int io_all(struct bus *b, void *p, size_t size, bool out)
{
	while (size > 0) {
		int64_t left = MAX(b->deadline_ns - clock_mono_ns(), 0);
		struct pollfd f = { .fd = b->fd, .events = out ? POLLOUT : POLLIN };
		ssize_t n;

		if (poll(&f, 1, (int)(left / NSEC_PER_MSEC)) == 0)
			return -ETIMEDOUT;
		n = out ? send(b->fd, p, size, MSG_NOSIGNAL | MSG_DONTWAIT) : recv(b->fd, p, size, MSG_DONTWAIT);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			p = (char *)p + n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static void put_field(struct wire *w, unsigned char code, const char *type, const char *v)
{
	put_align(w, 8);
	put(w, &code, 1);
	put_signature(w, type);
	if (type[0] == 'g')
		put_signature(w, v);
	else
		put_string(w, v);
}

struct call {
	const char *destination, *path, *interface, *member, *signature;
};

static int bus_send(struct bus *b, const struct call *c, const struct wire *body)
{
	struct wire w = { .size = 0 };
	const unsigned char head[4] = { 'l', TYPE_CALL, 0, 1 };
	size_t at, start;
	int err;

	put(&w, head, sizeof(head));
	put_u32(&w, body ? (uint32_t)body->size : 0);
	put_u32(&w, ++b->serial);
	at = put_array(&w, 8, &start);
	put_field(&w, FIELD_PATH, "o", c->path);
	put_field(&w, FIELD_INTERFACE, "s", c->interface);
	put_field(&w, FIELD_MEMBER, "s", c->member);
	put_field(&w, FIELD_DESTINATION, "s", c->destination);
	if (body)
		put_field(&w, FIELD_SIGNATURE, "g", c->signature);
	put_array_end(&w, at, start);
	put_align(&w, 8);
	if (w.full || (body && body->full))
		return -E2BIG;
	err = io_all(b, w.bytes, w.size, true);
	return err < 0 || !body ? err : io_all(b, (void *)(uintptr_t)body->bytes, body->size, true);
}

/* A message as it came: what an answer is told by. */
struct answer {
	unsigned char type;
	uint32_t reply_to;
	char error[128], text[512];
};

static uint32_t get_u32(const unsigned char *p, size_t size, size_t at)
{
	uint32_t v = 0;

	if (at <= size && size - at >= sizeof(v))
		memcpy(&v, p + at, sizeof(v));
	return v;
}

/* The string at *at, which is moved behind it; "" where there is none. */
static void get_string(const unsigned char *p, size_t size, size_t *at, char *out, size_t room)
{
	uint32_t n;

	*at = ALIGN_UP(*at, (size_t)4);
	n = get_u32(p, size, *at);
	out[0] = '\0';
	if (*at > size || size - *at < 5 || n > size - *at - 5) {
		*at = size;
		return;
	}
	snprintf(out, room, "%.*s", (int)MIN(n, room - 1), (const char *)p + *at + 4);
	*at += 4 + (size_t)n + 1;
}

/* Fields are (code, variant); those that we know are strings, a signature, or the serial that is answered. */
static void read_fields(const unsigned char *p, size_t size, struct answer *a)
{
	char skipped[8];
	size_t at = 0;

	while (at + 4 <= size) {
		unsigned char code = p[at];
		char type = (char)p[at + 2];

		if (p[at + 1] != 1 || (type != 's' && type != 'o' && type != 'g' && type != 'u'))
			return;
		at += 4;
		if (type == 'u') {
			if (code == FIELD_REPLY)
				a->reply_to = get_u32(p, size, at);
			at += 4;
		} else if (type == 'g') {
			at += at < size ? p[at] + 2u : 0;
		} else if (code == FIELD_ERROR) {
			get_string(p, size, &at, a->error, sizeof(a->error));
		} else {
			get_string(p, size, &at, skipped, sizeof(skipped));
		}
		at = ALIGN_UP(at, (size_t)8);
	}
}

static int bus_receive(struct bus *b, struct answer *a)
{
	unsigned char head[16], *rest;
	uint32_t body, fields;
	size_t size, at = 0;
	int err = io_all(b, head, sizeof(head), false);

	if (err < 0)
		return err;
	body = get_u32(head, sizeof(head), 4);
	fields = get_u32(head, sizeof(head), 12);
	if (head[0] != 'l' || body > MESSAGE_MAX || fields > MESSAGE_MAX)
		return -EBADMSG;
	size = ALIGN_UP((size_t)fields, (size_t)8) + body;
	rest = mem_alloc(size + 1);
	err = rest ? io_all(b, rest, size, false) : -ENOMEM;
	if (err == 0) {
		*a = (struct answer){ .type = head[1] };
		read_fields(rest, fields, a);
		if (a->type == TYPE_ERROR)
			get_string(rest + (size - body), body, &at, a->text, sizeof(a->text));
	}
	mem_free(rest);
	return err;
}

/* -EEXIST: there is such a unit. */
static int bus_call(struct bus *b, const struct call *c, const struct wire *body, struct err *e)
{
	struct answer a = { .type = 0 };
	int err = bus_send(b, c, body);

	while (err == 0) {
		err = bus_receive(b, &a);
		if (err == 0 && a.reply_to == b->serial && (a.type == TYPE_RETURN || a.type == TYPE_ERROR))
			break;
	}
	if (err < 0)
		return err_errno(e, err, "systemd: %s", c->member);
	if (a.type == TYPE_RETURN)
		return 0;
	return err_set(e, strstr(a.error, "UnitExists") ? EEXIST : strstr(a.error, "AccessDenied") ? EACCES : EIO, "systemd: %s: %s",
		       c->member, a.text[0] ? a.text : a.error);
}

/* ---- connecting ---------------------------------------------------------------------------- */

/* We are who the socket says we are. */
static int authenticate(struct bus *b)
{
	char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\n", begin[] = "BEGIN\r\n", line[256];
	int err = io_all(b, hello, sizeof(hello) - 1, true);

	for (size_t n = 0; err == 0;) {
		err = io_all(b, line + n, 1, false);
		if (err == 0 && line[n] != '\n') {
			err = ++n < sizeof(line) ? 0 : -EBADMSG;
			continue;
		}
		if (err == 0 && n >= 3 && memcmp(line, "OK ", 3) == 0)
			return io_all(b, begin, sizeof(begin) - 1, true);
		if (err == 0 && (n < 4 || memcmp(line, "DATA", 4) != 0))
			err = -EACCES;
		n = 0;
	}
	return err;
}

static int connect_to(struct bus *b, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int err;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (b->fd < 0)
		return -errno;
	/* EAGAIN: whoever listens there is behind, perhaps for good. */
	while ((err = connect(b->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0) == -EAGAIN &&
	       clock_mono_ns() < b->deadline_ns)
		nanosleep(&(struct timespec){ 0, 5 * NSEC_PER_MSEC }, NULL);
	err = err == -EAGAIN ? -ETIMEDOUT : err < 0 ? err : authenticate(b);
	if (err < 0)
		close(b->fd);
	return err;
}

static int hello(struct bus *b)
{
	const struct call c = { DBUS, "/org/freedesktop/DBus", DBUS, "Hello", "" };
	struct err ignored = ERR_INIT;

	return bus_call(b, &c, NULL, &ignored);
}

/*
 * Whether the manager to ask is a user's.  Root is an ordinary user where that is what its user namespace makes of one (rootless
 * podman), whose directory is then its own; with somebody else's (sudo -E) it is the host's root.
 */
static bool is_user(const char *run)
{
	struct stat st;

	if (geteuid() != 0)
		return true;
	return run != NULL && strncmp(run, "/run/user/", 10) == 0 && strcmp(run, "/run/user/0") != 0 &&
	       stat(run, &st) == 0 && st.st_uid == geteuid();
}

/*
 * systemd's own socket needs no bus; the user's manager has one too.  -ENOENT: neither is there; -ETIMEDOUT: who listens there
 * does not answer, which is not the same as nobody: the groups are not to be made behind its back.
 */
static int bus_open(struct bus *b)
{
	const char *run = getenv("XDG_RUNTIME_DIR"), *session = getenv("DBUS_SESSION_BUS_ADDRESS");
	char own[256], bus[256];
	bool user = is_user(run);
	int err;

	*b = (struct bus){ .fd = -1, .deadline_ns = clock_mono_ns() + PATIENCE_NS };
	snprintf(own, sizeof(own), "%s/systemd/private", user && run ? run : "/run");
	snprintf(bus, sizeof(bus), "%s/%s", user && run ? run : "/run/dbus", user ? "bus" : "system_bus_socket");
	if (user && session != NULL && strncmp(session, "unix:path=", 10) == 0)
		snprintf(bus, sizeof(bus), "%.*s", (int)strcspn(session + 10, ",;"), session + 10);
	if (user && run == NULL && session == NULL)
		return -ENOENT;
	err = connect_to(b, own);
	if (err == 0 || err == -ETIMEDOUT)
		return err;
	err = connect_to(b, bus);
	if (err < 0)
		return err == -ETIMEDOUT ? err : -ENOENT;
	err = hello(b);
	if (err == 0)
		return 0;
	close(b->fd);
	return err == -ETIMEDOUT ? err : -ENOENT;
}

static int no_bus(int err, struct err *e)
{
	return err == -ETIMEDOUT ? err_set(e, ETIMEDOUT, "systemd: it does not answer") : -ENOENT;
}

static int manager_call(struct bus *b, const char *member, const char *signature, const struct wire *body, struct err *e)
{
	const struct call c = { SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager", member, signature };

	return bus_call(b, &c, body, e);
}

/* ---- units ---------------------------------------------------------------------------------- */

int systemd_unit_of(const char *cgroups_path, struct systemd_unit *out)
{
	const char *prefix = cgroups_path ? strchr(cgroups_path, ':') : NULL, *name = prefix ? strchr(prefix + 1, ':') : NULL;
	int n, m, slice;

	if (name == NULL)
		return -EINVAL;
	slice = (int)(prefix - cgroups_path);
	n = snprintf(out->slice, sizeof(out->slice), "%.*s", slice > 0 ? slice : 12, slice > 0 ? cgroups_path : "system.slice");
	m = snprintf(out->name, sizeof(out->name), "%.*s%s%s.scope", (int)(name - prefix - 1), prefix + 1,
		     name - prefix > 1 ? "-" : "", name + 1);
	return n < (int)sizeof(out->slice) && m < (int)sizeof(out->name) ? 0 : -EINVAL;
}

/* A unit of that name that has failed (its container was killed for want of memory, say) is kept until somebody looks. */
static void forget_failed(struct bus *b, const struct systemd_unit *u)
{
	struct wire body = { .size = 0 };
	struct err ignored = ERR_INIT;

	put_string(&body, u->name);
	manager_call(b, "ResetFailedUnit", "s", &body, &ignored);
}

/* One that is just ending is gone in a moment. */
static int start_unit(struct bus *b, const struct systemd_unit *u, const struct wire *body, struct err *e)
{
	for (int tries = 0; tries < 150; tries++) {
		int err = manager_call(b, "StartTransientUnit", "ssa(sv)a(sa(sv))", body, e);

		if (err != -EEXIST)
			return err;
		err_clear(e);
		forget_failed(b, u);
		nanosleep(&(struct timespec){ 0, 20 * NSEC_PER_MSEC }, NULL);
	}
	return err_set(e, EEXIST, "systemd: there is a scope \"%s\" already", u->name);
}

/* The job is done when pid is there. */
static int wait_moved(const struct bus *b, const struct systemd_unit *u, pid_t pid, struct err *e)
{
	char path[64], line[4096];
	size_t n = strlen(u->name);

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	while (clock_mono_ns() < b->deadline_ns) {
		FILE *f = fopen(path, "re");
		bool there = false;

		if (f == NULL)
			break;
		while (!there && fgets(line, sizeof(line), f) != NULL) {
			size_t size = strcspn(line, "\n");

			there = size > n && line[size - n - 1] == '/' && memcmp(line + size - n, u->name, n) == 0;
		}
		fclose(f);
		if (there)
			return 0;
		nanosleep(&(struct timespec){ 0, NSEC_PER_MSEC }, NULL);
	}
	return err_set(e, ETIMEDOUT, "systemd: the scope \"%s\" was not started", u->name);
}

int systemd_start_scope(const struct systemd_unit *u, pid_t pid, bool v2, const struct oci_resources *r, struct err *e)
{
	struct wire body = { .size = 0 };
	struct bus b;
	int err;

	err = bus_open(&b);
	if (err < 0)
		return no_bus(err, e);
	put_scope(&body, u, pid, v2, r);
	if (start_unit(&b, u, &body, e) == 0)
		wait_moved(&b, u, pid, e);
	close(b.fd);
	return e->error;
}

void systemd_stop_scope(const char *unit)
{
	struct wire body = { .size = 0 };
	struct err ignored = ERR_INIT;
	struct bus b;

	if (bus_open(&b) < 0)
		return;
	put_string(&body, unit);
	put_string(&body, "replace");
	manager_call(&b, "StopUnit", "ss", &body, &ignored);
	close(b.fd);
}

int systemd_set_limits(const char *unit, bool v2, const struct oci_resources *r, struct err *e)
{
	struct wire body = { .size = 0 };
	size_t at, start;
	struct bus b;
	int err;

	err = bus_open(&b);
	if (err < 0)
		return no_bus(err, e);
	put_string(&body, unit);
	put_u32(&body, true); /* until the unit ends */
	at = put_array(&body, 8, &start);
	put_limits(&body, v2, r);
	put_array_end(&body, at, start);
	if (body.size > start)
		manager_call(&b, "SetUnitProperties", "sba(sv)", &body, e);
	close(b.fd);
	return e->error;
}
