/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec.c: the structs of boot.h as JSON and back, and their destructors, all from one table per
 * struct: a member that is in the table is sent, checked on arrival, and freed.
 *
 * Decoding is strict: a member that is missing, of another type or out of range makes the message
 * invalid; the CLI always sends all of them.  A uint64_t travels as the signed number of the same
 * bits, as JSON integers are signed here.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"
#include "platform/platform.h"
#include "sentry/control/control.h"

enum kind {
	K_INT,     /* signed or unsigned, 1 to 8 bytes, by size; checked against min and max */
	K_BITS64,  /* any 64 bits */
	K_BOOL,
	K_STRING,  /* char *, required */
	K_OPT,     /* char *, or null */
	K_STRINGS, /* char **, NULL-terminated */
	K_STRUCTS, /* pointer and count, of sub */
	K_SUB,     /* pointer to one sub, or null */
	K_NUMBERS, /* pointer and count of 32-bit unsigned numbers */
	K_INTS,    /* fixed array of int, each checked against min and max */
	K_OPTS,    /* fixed array of char * or null */
};

struct schema;
struct field {
	const char *name;
	enum kind kind;
	size_t offset, size, count_offset;
	long long min, max;
	const struct schema *sub;
};
struct schema {
	size_t size;
	const struct field *fields;
	size_t field_count;
};

#define MEMBER(t, m, k)          .name = #m, .kind = k, .offset = offsetof(t, m), .size = sizeof(((t *)0)->m)
#define INT(t, m, lo, hi)        { MEMBER(t, m, K_INT), .min = (lo), .max = (hi) }
#define PLAIN(t, m, k)           { MEMBER(t, m, k) }
#define STRUCTS(t, m, n, s)      { MEMBER(t, m, K_STRUCTS), .count_offset = offsetof(t, n), .sub = &(s) }
#define NUMBERS(t, m, n)         { MEMBER(t, m, K_NUMBERS), .count_offset = offsetof(t, n) }
#define SUB(t, m, s)             { MEMBER(t, m, K_SUB), .sub = &(s) }
#define INTS(t, m, lo, hi)       { MEMBER(t, m, K_INTS), .min = (lo), .max = (hi) }
#define SCHEMA(name, t)          \
	static const struct schema name##_schema = { sizeof(t), name##_fields, ARRAY_SIZE(name##_fields) }

#define ID_MAX 4294967295LL

/* ---- the tables ----------------------------------------------------------------------------- */

static const struct field boot_fields[] = {
	PLAIN(struct boot_config, sandbox_id, K_STRING),
	INT(struct boot_config, platform, PLATFORM_NOTIFY, PLATFORM_PTRACE),
	PLAIN(struct boot_config, platform_forced, K_BOOL),
	PLAIN(struct boot_config, patch, K_BOOL),
	INT(struct boot_config, pollers, 0, PLAT_POLLERS_END - 1),
	INT(struct boot_config, patch_after, 0, 1000000000),
	INT(struct boot_config, network, NETWORK_SANDBOX, NETWORK_NONE),
	PLAIN(struct boot_config, strace, K_BOOL),
	PLAIN(struct boot_config, rootless, K_BOOL),
	INT(struct boot_config, log_level, LOG_ERROR, LOG_DEBUG),
	INT(struct boot_config, log_format, LOG_TEXT, LOG_JSON),
	INT(struct boot_config, cpu_count, 1, 65536),
	INT(struct boot_config, host_cpus, 0, 65536),
	PLAIN(struct boot_config, memory_size, K_BITS64),
	INT(struct boot_config, oom_score_adj, -1000, 1000),
	INT(struct boot_config, nice, -20, 19),
};
SCHEMA(boot, struct boot_config);

static const struct field rlimit_fields[] = {
	INT(struct rlimit_config, resource, 0, 15),
	PLAIN(struct rlimit_config, soft, K_BITS64),
	PLAIN(struct rlimit_config, hard, K_BITS64),
};
SCHEMA(rlimit, struct rlimit_config);

static const struct field scheduler_fields[] = {
	INT(struct scheduler_config, policy, 0, 7),
	INT(struct scheduler_config, priority, 0, 99),
	INT(struct scheduler_config, nice, -20, 19),
	PLAIN(struct scheduler_config, flags, K_BITS64),
	PLAIN(struct scheduler_config, runtime_ns, K_BITS64),
	PLAIN(struct scheduler_config, deadline_ns, K_BITS64),
	PLAIN(struct scheduler_config, period_ns, K_BITS64),
};
SCHEMA(scheduler, struct scheduler_config);

static const struct field process_fields[] = {
	PLAIN(struct process_config, args, K_STRINGS),
	PLAIN(struct process_config, env, K_STRINGS),
	PLAIN(struct process_config, exe, K_OPT),
	PLAIN(struct process_config, cwd, K_STRING),
	INT(struct process_config, uid, 0, ID_MAX),
	INT(struct process_config, gid, 0, ID_MAX),
	NUMBERS(struct process_config, groups, group_count),
	INT(struct process_config, umask, 0, 0777),
	PLAIN(struct process_config, cap_bounding, K_BITS64),
	PLAIN(struct process_config, cap_effective, K_BITS64),
	PLAIN(struct process_config, cap_permitted, K_BITS64),
	PLAIN(struct process_config, cap_inheritable, K_BITS64),
	PLAIN(struct process_config, cap_ambient, K_BITS64),
	PLAIN(struct process_config, no_new_privs, K_BOOL),
	PLAIN(struct process_config, has_oom_score_adj, K_BOOL),
	INT(struct process_config, oom_score_adj, -1000, 1000),
	STRUCTS(struct process_config, rlimits, rlimit_count, rlimit_schema),
	SUB(struct process_config, scheduler, scheduler_schema),
	INT(struct process_config, io_priority, 0, 65535),
	INT(struct process_config, personality, 0, ID_MAX),
	PLAIN(struct process_config, terminal, K_BOOL),
	NUMBERS(struct process_config, fd_numbers, fd_number_count),
	INT(struct process_config, rows, 0, 65535),
	INT(struct process_config, columns, 0, 65535),
	PLAIN(struct process_config, seccomp, K_OPT),
};
SCHEMA(process, struct process_config);

static const struct field mount_fields[] = {
	PLAIN(struct mount_config, destination, K_STRING),
	PLAIN(struct mount_config, type, K_STRING),
	PLAIN(struct mount_config, source, K_STRING),
	PLAIN(struct mount_config, data, K_STRING),
	PLAIN(struct mount_config, flags, K_BITS64),
	PLAIN(struct mount_config, propagation, K_BITS64),
	INT(struct mount_config, attach, -1, 65535),
	PLAIN(struct mount_config, is_dir, K_BOOL),
};
SCHEMA(mount, struct mount_config);

static const struct field device_fields[] = {
	PLAIN(struct device_config, path, K_STRING),
	INT(struct device_config, type, 1, 127),
	INT(struct device_config, major, 0, ID_MAX),
	INT(struct device_config, minor, 0, ID_MAX),
	INT(struct device_config, mode, 0, 07777),
	INT(struct device_config, uid, 0, ID_MAX),
	INT(struct device_config, gid, 0, ID_MAX),
};
SCHEMA(device, struct device_config);

static const struct field device_rule_fields[] = {
	PLAIN(struct device_rule_config, allow, K_BOOL),
	INT(struct device_rule_config, type, 1, 127),
	INT(struct device_rule_config, major, -1, ID_MAX),
	INT(struct device_rule_config, minor, -1, ID_MAX),
	INT(struct device_rule_config, access, 0, 7),
};
SCHEMA(device_rule, struct device_rule_config);

static const struct field id_map_fields[] = {
	INT(struct id_map_config, container_id, 0, ID_MAX),
	INT(struct id_map_config, host_id, 0, ID_MAX),
	INT(struct id_map_config, size, 0, ID_MAX),
};
SCHEMA(id_map, struct id_map_config);

static const struct field sysctl_fields[] = {
	PLAIN(struct sysctl_config, name, K_STRING),
	PLAIN(struct sysctl_config, value, K_STRING),
};
SCHEMA(sysctl, struct sysctl_config);

static const struct field container_fields[] = {
	PLAIN(struct container_config, id, K_STRING),
	SUB(struct container_config, process, process_schema),
	PLAIN(struct container_config, hostname, K_OPT),
	PLAIN(struct container_config, domainname, K_OPT),
	PLAIN(struct container_config, root_readonly, K_BOOL),
	INT(struct container_config, root_overlay, OVERLAY_NONE, OVERLAY_MEMORY),
	PLAIN(struct container_config, root_propagation, K_BITS64),
	STRUCTS(struct container_config, mounts, mount_count, mount_schema),
	STRUCTS(struct container_config, devices, device_count, device_schema),
	STRUCTS(struct container_config, device_rules, device_rule_count, device_rule_schema),
	PLAIN(struct container_config, mono_offset_ns, K_BITS64),
	PLAIN(struct container_config, boot_offset_ns, K_BITS64),
	PLAIN(struct container_config, masked_paths, K_STRINGS),
	PLAIN(struct container_config, readonly_paths, K_STRINGS),
	STRUCTS(struct container_config, sysctls, sysctl_count, sysctl_schema),
	INTS(struct container_config, ns, NS_NEW, NS_SANDBOX),
	PLAIN(struct container_config, ns_join, K_OPTS),
	STRUCTS(struct container_config, uid_map, uid_map_count, id_map_schema),
	STRUCTS(struct container_config, gid_map, gid_map_count, id_map_schema),
	PLAIN(struct container_config, cgroups_path, K_STRING),
	PLAIN(struct container_config, memory_limit, K_BITS64),
	PLAIN(struct container_config, pids_limit, K_BITS64),
	INT(struct container_config, cpu_count, 1, 65536),
	PLAIN(struct container_config, cpu_quota_us, K_BITS64),
	PLAIN(struct container_config, cpu_period_us, K_BITS64),
	PLAIN(struct container_config, has_oom_score_adj, K_BOOL),
	INT(struct container_config, oom_score_adj, -1000, 1000),
	PLAIN(struct container_config, own_template, K_BOOL),
	PLAIN(struct container_config, host_network, K_BOOL),
};
SCHEMA(container, struct container_config);

static const struct field net_addr_fields[] = {
	PLAIN(struct net_addr_config, addr, K_STRING),
	PLAIN(struct net_addr_config, peer, K_OPT),
	PLAIN(struct net_addr_config, broadcast, K_OPT),
	PLAIN(struct net_addr_config, label, K_OPT),
	INT(struct net_addr_config, plen, 0, 128),
	INT(struct net_addr_config, scope, 0, 255),
	INT(struct net_addr_config, flags, 0, ID_MAX),
};
SCHEMA(net_addr, struct net_addr_config);

static const struct field net_link_fields[] = {
	PLAIN(struct net_link_config, name, K_STRING),
	PLAIN(struct net_link_config, mac, K_OPT),
	INT(struct net_link_config, ifindex, 1, INT_MAX),
	INT(struct net_link_config, mtu, 68, 65536),
	INT(struct net_link_config, flags, 0, ID_MAX),
	PLAIN(struct net_link_config, loopback, K_BOOL),
	PLAIN(struct net_link_config, vnet, K_BOOL),
	PLAIN(struct net_link_config, has_fd, K_BOOL),
	NUMBERS(struct net_link_config, conf, conf_count),
	STRUCTS(struct net_link_config, addrs, addr_count, net_addr_schema),
};
SCHEMA(net_link, struct net_link_config);

static const struct field net_hop_fields[] = {
	INT(struct net_hop_config, ifindex, 0, INT_MAX),
	INT(struct net_hop_config, flags, 0, 255),
	INT(struct net_hop_config, weight, 1, 256),
	PLAIN(struct net_hop_config, gateway, K_OPT),
};
SCHEMA(net_hop, struct net_hop_config);

static const struct field net_route_fields[] = {
	INT(struct net_route_config, family, 0, 255),
	INT(struct net_route_config, plen, 0, 128),
	INT(struct net_route_config, type, 0, 255),
	INT(struct net_route_config, protocol, 0, 255),
	INT(struct net_route_config, scope, 0, 255),
	INT(struct net_route_config, tos, 0, 255),
	INT(struct net_route_config, table, 0, ID_MAX),
	INT(struct net_route_config, metric, 0, ID_MAX),
	INT(struct net_route_config, ifindex, 0, INT_MAX),
	INT(struct net_route_config, mtu, 0, ID_MAX),
	INT(struct net_route_config, flags, 0, ID_MAX),
	PLAIN(struct net_route_config, dst, K_OPT),
	PLAIN(struct net_route_config, gateway, K_OPT),
	PLAIN(struct net_route_config, prefsrc, K_OPT),
	STRUCTS(struct net_route_config, hops, hop_count, net_hop_schema),
};
SCHEMA(net_route, struct net_route_config);

static const struct field net_neigh_fields[] = {
	INT(struct net_neigh_config, ifindex, 1, INT_MAX),
	INT(struct net_neigh_config, state, 0, 65535),
	INT(struct net_neigh_config, flags, 0, 255),
	PLAIN(struct net_neigh_config, addr, K_STRING),
	PLAIN(struct net_neigh_config, mac, K_STRING),
};
SCHEMA(net_neigh, struct net_neigh_config);

static const struct field network_fields[] = {
	PLAIN(struct network_config, ipv6_disabled, K_BOOL),
	PLAIN(struct network_config, addrs_taken, K_BOOL),
	PLAIN(struct network_config, has_resolver, K_BOOL),
	PLAIN(struct network_config, has_guard, K_BOOL),
	STRUCTS(struct network_config, links, link_count, net_link_schema),
	STRUCTS(struct network_config, routes, route_count, net_route_schema),
	STRUCTS(struct network_config, neighs, neigh_count, net_neigh_schema),
};
SCHEMA(network, struct network_config);

/* ---- members -------------------------------------------------------------------------------- */

static void *member(const struct field *f, const void *base)
{
	return (void *)((uintptr_t)base + f->offset);
}

static size_t *member_count(const struct field *f, const void *base)
{
	return (size_t *)((uintptr_t)base + f->count_offset);
}

static long long load_int(const void *p, size_t size)
{
	switch (size) {
	case 1: return *(const signed char *)p;
	case 2: return *(const uint16_t *)p;
	case 4: return *(const uint32_t *)p;
	default: return *(const long long *)p;
	}
}

/* Whether a member's 4 bytes are signed shows in its range. */
static long long load_field(const struct field *f, const void *p, size_t size)
{
	if (size == 4 && f->min < 0)
		return *(const int *)p;
	return load_int(p, size);
}

static void store_int(void *p, size_t size, long long v)
{
	switch (size) {
	case 1: *(signed char *)p = (signed char)v; break;
	case 2: *(uint16_t *)p = (uint16_t)v; break;
	case 4: *(uint32_t *)p = (uint32_t)v; break;
	default: *(long long *)p = v; break;
	}
}

/* ---- free ----------------------------------------------------------------------------------- */

static void strings_free(char **v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; v[i] != NULL; i++)
		mem_free(v[i]);
	mem_free(v);
}

/* Frees what the members point at, not the struct. */
static void members_free(const struct schema *s, void *base)
{
	for (size_t i = 0; i < s->field_count; i++) {
		const struct field *f = &s->fields[i];
		void **p = member(f, base);

		switch (f->kind) {
		case K_STRING:
		case K_OPT:
		case K_NUMBERS:
			mem_free(*p);
			break;
		case K_STRINGS:
			strings_free(*(char ***)p);
			break;
		case K_OPTS:
			for (size_t k = 0; k < f->size / sizeof(char *); k++)
				mem_free(p[k]);
			break;
		case K_SUB:
			if (*p != NULL)
				members_free(f->sub, *p);
			mem_free(*p);
			break;
		case K_STRUCTS:
			for (size_t k = 0; *p != NULL && k < *member_count(f, base); k++)
				members_free(f->sub, (char *)*p + k * f->sub->size);
			mem_free(*p);
			break;
		case K_INT:
		case K_BITS64:
		case K_BOOL:
		case K_INTS:
			break;
		}
	}
}

static void close_fds(int *fds, size_t count)
{
	for (size_t i = 0; fds != NULL && i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	mem_free(fds);
}

void boot_config_free(struct boot_config *b)
{
	if (b == NULL)
		return;
	members_free(&boot_schema, b);
	mem_free(b);
}

void process_config_free(struct process_config *p)
{
	if (p == NULL)
		return;
	close_fds(p->fds, p->fd_count);
	members_free(&process_schema, p);
	mem_free(p);
}

void container_config_free(struct container_config *c)
{
	if (c == NULL)
		return;
	process_config_free(c->process);
	c->process = NULL;
	if (c->gofer_fd >= 0)
		close(c->gofer_fd);
	members_free(&container_schema, c);
	mem_free(c);
}

void network_config_free(struct network_config *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; n->links != NULL && i < n->link_count; i++)
		if (n->links[i].has_fd && n->links[i].fd >= 0)
			close(n->links[i].fd);
	if (n->has_resolver && n->resolver_fd >= 0)
		close(n->resolver_fd);
	if (n->has_guard && n->guard_fd >= 0)
		close(n->guard_fd);
	members_free(&network_schema, n);
	mem_free(n);
}

/* ---- encode --------------------------------------------------------------------------------- */

static json_t *encode(const struct schema *s, const void *base);

static json_t *encode_strings(char **v)
{
	json_t *a = json_array();

	for (size_t i = 0; v != NULL && v[i] != NULL; i++)
		if (json_array_append_new(a, json_string(v[i])) < 0)
			goto fail;
	return a;
fail:
	json_decref(a);
	return NULL;
}

static json_t *encode_array(const struct field *f, const void *base)
{
	size_t count = f->kind == K_INTS ? f->size / sizeof(int)
		     : f->kind == K_OPTS ? f->size / sizeof(char *)
					 : *member_count(f, base);
	const void *p = member(f, base);
	json_t *a = json_array(), *e;

	for (size_t i = 0; i < count; i++) {
		if (f->kind == K_INTS)
			e = json_integer(((const int *)p)[i]);
		else if (f->kind == K_NUMBERS)
			e = json_integer((*(uint32_t *const *)p)[i]);
		else if (f->kind == K_OPTS)
			e = ((char *const *)p)[i] ? json_string(((char *const *)p)[i]) : json_null();
		else
			e = encode(f->sub, *(char *const *)p + i * f->sub->size);
		if (json_array_append_new(a, e) < 0) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static json_t *encode_field(const struct field *f, const void *base)
{
	void *p = member(f, base);

	switch (f->kind) {
	case K_INT: return json_integer(load_field(f, p, f->size));
	case K_BITS64: return json_integer((json_int_t)*(uint64_t *)p);
	case K_BOOL: return json_boolean(*(bool *)p);
	case K_STRING: return json_string(*(char **)p ? *(char **)p : "");
	case K_OPT: return *(char **)p ? json_string(*(char **)p) : json_null();
	case K_STRINGS: return encode_strings(*(char ***)p);
	case K_SUB: return *(void **)p ? encode(f->sub, *(void **)p) : json_null();
	case K_STRUCTS:
	case K_NUMBERS:
	case K_INTS:
	case K_OPTS: return encode_array(f, base);
	}
	return NULL;
}

static json_t *encode(const struct schema *s, const void *base)
{
	json_t *o = json_object();

	for (size_t i = 0; i < s->field_count; i++) {
		if (json_object_set_new_nocheck(o, s->fields[i].name,
						encode_field(&s->fields[i], base)) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

/* Adds the op; NULL in, NULL out. */
static json_t *with_op(json_t *o, const char *op)
{
	if (o != NULL && json_object_set_new(o, "op", json_string(op)) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *control_encode_boot(const struct boot_config *b)
{
	return with_op(encode(&boot_schema, b), "boot");
}

json_t *control_encode_create(const struct container_config *c)
{
	return with_op(encode(&container_schema, c), "create");
}

json_t *control_encode_exec(const char *id, const struct process_config *p)
{
	json_t *o = with_op(json_object(), "exec");

	if (o == NULL || json_object_set_new(o, "id", json_string(id)) < 0 ||
	    json_object_set_new(o, "process", encode(&process_schema, p)) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static json_t *encode_network(const char *op, const char *id, const struct network_config *n)
{
	json_t *o = with_op(json_object(), op);

	if (o == NULL || json_object_set_new(o, "id", json_string(id)) < 0 ||
	    json_object_set_new(o, "network", n ? encode(&network_schema, n) : json_null()) < 0) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *control_encode_start(const char *id, const struct network_config *n)
{
	return encode_network("start", id, n);
}

json_t *control_encode_network(const char *id, const struct network_config *n)
{
	return encode_network("network", id, n);
}

/* ---- decode --------------------------------------------------------------------------------- */

/* Fills a zeroed struct.  On failure the caller frees the members that were filled so far. */
static int decode(const struct schema *s, const json_t *o, void *base, const char **why);

static int decode_string(const json_t *j, char **out)
{
	if (!json_is_string(j) || strlen(json_string_value(j)) != json_string_length(j))
		return -EINVAL;
	*out = mem_strdup(json_string_value(j));
	return *out ? 0 : -ENOMEM;
}

static int decode_opt(const json_t *j, char **out)
{
	return json_is_null(j) ? 0 : decode_string(j, out);
}

static int decode_int(const struct field *f, const json_t *j, void *p, size_t size)
{
	if (!json_is_integer(j) || json_integer_value(j) < f->min || json_integer_value(j) > f->max)
		return -EINVAL;
	store_int(p, size, json_integer_value(j));
	return 0;
}

static int decode_strings(const json_t *j, char ***out)
{
	int err = 0;

	if (!json_is_array(j))
		return -EINVAL;
	*out = mem_calloc(json_array_size(j) + 1, sizeof(char *));
	if (*out == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(j) && err == 0; i++)
		err = decode_string(json_array_get(j, i), &(*out)[i]);
	return err;
}

static int decode_fixed(const struct field *f, const json_t *j, void *p)
{
	size_t elem = f->kind == K_INTS ? sizeof(int) : sizeof(char *);
	size_t count = f->size / elem;
	int err = 0;

	if (!json_is_array(j) || json_array_size(j) != count)
		return -EINVAL;
	for (size_t i = 0; i < count && err == 0; i++)
		err = f->kind == K_INTS ? decode_int(f, json_array_get(j, i), (int *)p + i, elem)
					: decode_opt(json_array_get(j, i), (char **)p + i);
	return err;
}

static int decode_numbers(const struct field *f, const json_t *j, void *base)
{
	static const struct field id = { .min = 0, .max = ID_MAX };
	uint32_t *v;
	int err = 0;

	if (!json_is_array(j))
		return -EINVAL;
	v = mem_calloc(json_array_size(j) + 1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	*(uint32_t **)member(f, base) = v;
	*member_count(f, base) = json_array_size(j);
	for (size_t i = 0; i < json_array_size(j) && err == 0; i++)
		err = decode_int(&id, json_array_get(j, i), &v[i], sizeof(v[i]));
	return err;
}

static int decode_structs(const struct field *f, const json_t *j, void *base, const char **why)
{
	char *v;
	int err = 0;

	if (!json_is_array(j))
		return -EINVAL;
	v = mem_calloc(json_array_size(j) + 1, f->sub->size);
	if (v == NULL)
		return -ENOMEM;
	*(char **)member(f, base) = v;
	*member_count(f, base) = json_array_size(j);
	for (size_t i = 0; i < json_array_size(j) && err == 0; i++)
		err = decode(f->sub, json_array_get(j, i), v + i * f->sub->size, why);
	return err;
}

static int decode_sub(const struct field *f, const json_t *j, void **p, const char **why)
{
	if (json_is_null(j))
		return 0;
	*p = mem_zalloc(f->sub->size);
	return *p ? decode(f->sub, j, *p, why) : -ENOMEM;
}

static int decode_field(const struct field *f, const json_t *j, void *base, const char **why)
{
	void *p = member(f, base);

	switch (f->kind) {
	case K_INT: return decode_int(f, j, p, f->size);
	case K_BITS64:
		if (!json_is_integer(j))
			return -EINVAL;
		*(uint64_t *)p = (uint64_t)json_integer_value(j);
		return 0;
	case K_BOOL:
		if (!json_is_boolean(j))
			return -EINVAL;
		*(bool *)p = json_is_true(j);
		return 0;
	case K_STRING: return decode_string(j, p);
	case K_OPT: return decode_opt(j, p);
	case K_STRINGS: return decode_strings(j, p);
	case K_STRUCTS: return decode_structs(f, j, base, why);
	case K_SUB: return decode_sub(f, j, p, why);
	case K_NUMBERS: return decode_numbers(f, j, base);
	case K_INTS:
	case K_OPTS: return decode_fixed(f, j, p);
	}
	return -EINVAL;
}

static int decode(const struct schema *s, const json_t *o, void *base, const char **why)
{
	if (!json_is_object(o))
		return -EINVAL;
	for (size_t i = 0; i < s->field_count; i++) {
		const struct field *f = &s->fields[i];
		int err = decode_field(f, json_object_get(o, f->name), base, why);

		if (err < 0) {
			/* The innermost name says most, and is set first. */
			if (*why == NULL)
				*why = f->name;
			return err;
		}
	}
	return 0;
}

int control_decode_boot(const json_t *msg, struct boot_config **out, const char **why)
{
	struct boot_config *b = mem_new(struct boot_config);
	int err;

	*why = NULL;
	if (b == NULL)
		return -ENOMEM;
	err = decode(&boot_schema, msg, b, why);
	if (err < 0) {
		boot_config_free(b);
		return err;
	}
	*out = b;
	return 0;
}

/* One for each descriptor, 0, 1 and 2 first, ascending, below the table's first limit. */
static bool fd_numbers_ok(const struct process_config *p, size_t fd_count)
{
	bool ok = p->fd_number_count == fd_count;

	for (size_t i = 0; ok && i < fd_count; i++)
		ok = i < 3 ? p->fd_numbers[i] == i
			   : p->fd_numbers[i] > p->fd_numbers[i - 1] && p->fd_numbers[i] < CONTROL_MAX_FD_NUMBER;
	return ok;
}

/* What the tables can't say; borrows fds until it succeeds. */
static int process_finish(struct process_config *p, int *fds, size_t fd_count, const char **why)
{
	if (p->args[0] == NULL || p->cwd[0] != '/' || fd_count < 3) {
		*why = p->args[0] == NULL ? "args" : p->cwd[0] != '/' ? "cwd" : "fds";
		return -EINVAL;
	}
	if (p->fd_number_count != 0 && !fd_numbers_ok(p, fd_count)) {
		*why = "fd_numbers";
		return -EINVAL;
	}
	p->fds = mem_calloc(fd_count, sizeof(int));
	if (p->fds == NULL)
		return -ENOMEM;
	memcpy(p->fds, fds, fd_count * sizeof(int));
	p->fd_count = fd_count;
	return 0;
}

int control_decode_process(const json_t *msg, int *fds, size_t fd_count,
			   struct process_config **out, const char **why)
{
	struct process_config *p = mem_new(struct process_config);
	int err;

	*why = NULL;
	if (p == NULL)
		return -ENOMEM;
	err = decode(&process_schema, msg, p, why);
	if (err == 0)
		err = process_finish(p, fds, fd_count, why);
	if (err < 0) {
		process_config_free(p);
		return err;
	}
	*out = p;
	return 0;
}

int control_decode_create(const json_t *msg, int *fds, size_t fd_count,
			  struct container_config **out, const char **why)
{
	struct container_config *c = mem_new(struct container_config);
	int err;

	*why = NULL;
	if (c == NULL)
		return -ENOMEM;
	c->gofer_fd = -1;
	err = decode(&container_schema, msg, c, why);
	if (err == 0 && fd_count < 1) {
		*why = "gofer_fd";
		err = -EINVAL;
	}
	if (err == 0 && c->process != NULL)
		err = process_finish(c->process, fds + 1, fd_count - 1, why);
	if (err < 0) {
		container_config_free(c);
		return err;
	}
	c->gofer_fd = fds[0];
	*out = c;
	return 0;
}

int control_decode_network(const json_t *msg, const int *fds, size_t fd_count,
			   struct network_config **out, const char **why)
{
	struct network_config *n = mem_new(struct network_config);
	size_t wanted = 0, next = 0;
	int err;

	*why = NULL;
	if (n == NULL)
		return -ENOMEM;
	err = decode(&network_schema, msg, n, why);
	n->resolver_fd = n->guard_fd = -1;
	wanted = (size_t)n->has_resolver + n->has_guard;
	for (size_t i = 0; n->links != NULL && i < n->link_count; i++) {
		n->links[i].fd = -1;
		wanted += n->links[i].has_fd;
	}
	if (err == 0 && wanted != fd_count) {
		*why = "has_fd";
		err = -EINVAL;
	}
	if (err < 0) {
		network_config_free(n);
		return err;
	}
	for (size_t i = 0; i < n->link_count; i++)
		if (n->links[i].has_fd)
			n->links[i].fd = fds[next++];
	if (n->has_resolver)
		n->resolver_fd = fds[next++];
	if (n->has_guard)
		n->guard_fd = fds[next++];
	*out = n;
	return 0;
}
