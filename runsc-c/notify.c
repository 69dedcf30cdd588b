/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c: sd_notify(3) from inside a container.  See notify.h. */
#include "runsc-c/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "platform/host.h"
#include "runsc-c/create.h"

#define TEXT_MAX 4096

static int dgram_socket(void)
{
	return host_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* As sd_notify(3) reads the variable: a path, or '@' and an abstract name. */
static int connect_manager(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t size = strlen(name);
	int fd, err;

	if (size >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, name, size);
	if (name[0] == '@')
		a.sun_path[0] = '\0';
	fd = dgram_socket();
	err = fd < 0 ? fd : host_connect(fd, &a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
	if (err < 0 && fd >= 0)
		close(fd);
	return err < 0 ? err : fd;
}

static int bind_socket(const struct state *s, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = dgram_socket(), err;

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" NOTIFY_DIR "/notify", s->dir);
	err = fd < 0 ? fd : mkdirat(s->dir, NOTIFY_DIR, 0755) < 0 ? -errno : host_bind(fd, &a, sizeof(a));
	/* Whoever the container's processes are, all of them may send. */
	if (err == 0 && (fchmodat(s->dir, NOTIFY_DIR, 0755, 0) < 0 ||
			 fchmodat(s->dir, NOTIFY_DIR "/notify", 0666, 0) < 0))
		err = -errno;
	if (err < 0 && fd >= 0)
		close(fd);
	return err < 0 ? err_errno(e, err, "%s/" NOTIFY_DIR, s->path) : fd;
}

/* One more bind mount, behind those of config.json. */
static int add_mount(const struct state *s, struct oci_spec *spec, const char *where)
{
	struct container_config *c = spec->container;
	struct mount_config *m = mem_realloc(c->mounts, c->mount_count + 1, sizeof(*m));
	struct oci_bind *b;
	char source[4096];
	int attach = 1;

	if (m == NULL)
		return -ENOMEM;
	c->mounts = m;
	b = mem_realloc(spec->binds, spec->bind_count + 1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	spec->binds = b;
	for (size_t i = 0; i < c->mount_count; i++)
		attach = MAX(attach, m[i].attach + 1);
	snprintf(source, sizeof(source), "%s/" NOTIFY_DIR, s->path);
	b[spec->bind_count] = (struct oci_bind){ 0 };
	m[c->mount_count] = (struct mount_config){
		.destination = mem_strdup(where), .type = mem_strdup("bind"), .source = mem_strdup(source),
		.data = mem_strdup(""), .flags = 4096 | 15 /* bind, ro, nosuid, nodev, noexec */,
		.attach = attach, .is_dir = true,
	};
	c->mount_count++;
	spec->bind_count++;
	return 0;
}

int notify_open(struct notify *n, const struct state *s, struct oci_spec *spec, struct err *e)
{
	const char *name = getenv("NOTIFY_SOCKET");
	char variable[256];

	/* An abstract name is no place for a directory: as with crun, it is not for the container then. */
	if (name == NULL || name[0] != '/' || strlen(name) > 200 || strcmp(name, "/") == 0)
		return 0;
	snprintf(variable, sizeof(variable), "NOTIFY_SOCKET=%s/notify", name);
	n->in = bind_socket(s, e);
	if (n->in < 0)
		return n->in;
	n->out = connect_manager(name);
	if (n->out < 0)
		log_warn("NOTIFY_SOCKET: \"%s\": %s", name, err_reason(n->out));
	if (add_mount(s, spec, name) < 0 || process_set_env(spec->container->process, variable) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

void notify_close(struct notify *n)
{
	if (n->in >= 0)
		close(n->in);
	if (n->out >= 0)
		close(n->out);
	n->in = n->out = -1;
}

static bool is_state(const char *line, size_t size)
{
	static const char *const names[] = { "READY=", "RELOADING=", "STOPPING=", "STATUS=", "ERRNO=",
					     "BUSERROR=", "WATCHDOG=", "WATCHDOG_USEC=", "MONOTONIC_USEC=",
					     "EXTEND_TIMEOUT_USEC=" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (size > strlen(names[i]) && memcmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void send_text(int fd, const char *text, size_t size)
{
	struct iovec piece = { (void *)(uintptr_t)text, size };

	if (fd >= 0 && size > 0)
		host_send_fds(fd, &piece, 1, NULL, 0);
}

bool notify_forward(const struct notify *n, pid_t main_pid)
{
	char in[TEXT_MAX], out[TEXT_MAX], pid[32];
	size_t none = 0, size = 0;
	ssize_t got = host_recv_fds(n->in, in, sizeof(in), NULL, &none, 0);
	bool ready = false;

	for (const char *p = in, *end = in + MAX(got, 0); p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		if (is_state(p, len)) {
			if (size > 0)
				out[size++] = '\n';
			memcpy(out + size, p, len);
			size += len;
			ready = ready || (len == 7 && memcmp(p, "READY=1", 7) == 0);
		}
		p += len + 1;
	}
	send_text(n->out, out, size);
	if (ready && main_pid > 0)
		send_text(n->out, pid, (size_t)snprintf(pid, sizeof(pid), "MAINPID=%d", main_pid));
	return got >= 0;
}
