/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap.c: /proc/PID/{uid_map,gid_map,setgroups} (user_namespaces(7)).
 *
 * The file is about the user namespace that the process was in when the file was looked at; a map
 * is written once, by whoever has CAP_SETUID (CAP_SETGID) over the parent, or by an unprivileged
 * process that maps nothing but itself.
 *
 * Ids in the text are those inside; the lower ids are shown as the reader's namespace sees them, or
 * as the parent does when the reader is in the namespace itself.
 *
 * Linux: kernel/user_namespace.c (map_write, new_idmap_permitted, proc_setgroups_write).
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/overflow.h"
#include "sentry/container.h"
#include "sentry/proc/proc_impl.h"
#include "vfs/user_ns.h"

static struct user_ns *ns_of(struct task *t)
{
	const struct cred *c = task_cred_get(t);
	struct user_ns *ns = user_ns_get(c->user_ns);

	cred_put(c);
	return ns;
}

/* ---- showing ---------------------------------------------------------------------------------- */

/*
 * The sandbox's first user namespace is what config.json made of it on the host: that map is shown.  It is
 * the host that keeps to it, where files of the Gofer are concerned; other ids exist in here.
 */
static void show_container_map(const struct pfs_req *r, enum id_kind k, struct buf *b)
{
	const struct container *c = r->target->process->container;
	const struct id_map_config *map = !c ? NULL : k == ID_UID ? c->uid_map : c->gid_map;
	size_t count = !c ? 0 : k == ID_UID ? c->uid_map_count : c->gid_map_count;

	for (size_t i = 0; i < count; i++)
		buf_printf(b, "%10u %10u %10u\n", map[i].container_id, map[i].host_id, map[i].size);
	if (!count)
		buf_printf(b, "%10u %10u %10u\n", 0, 0, ID_INVALID);
}

static int show_map(const struct pfs_req *r, enum id_kind k, struct buf *b)
{
	struct user_ns *ns = ns_of(r->target), *seen_by = r->opener->user_ns;
	unsigned int count = atomic_load_explicit(&ns->maps[k].count, memory_order_acquire);

	if (seen_by == ns && ns->parent)
		seen_by = ns->parent;
	if (ns == user_ns_init)
		show_container_map(r, k, b);
	for (unsigned int i = 0; ns != user_ns_init && i < count; i++) {
		const struct id_extent *e = &ns->maps[k].extents[i];

		buf_printf(b, "%10u %10u %10u\n", e->first,
			   user_ns_from_kernel(seen_by, k, e->lower), e->count);
	}
	user_ns_put(ns);
	return 0;
}

int proc_show_uid_map(const struct pfs_req *r, struct buf *b)
{
	return show_map(r, ID_UID, b);
}

int proc_show_gid_map(const struct pfs_req *r, struct buf *b)
{
	return show_map(r, ID_GID, b);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static int parse_number(char **at, uint32_t *out)
{
	unsigned long v;
	char *end;

	while (**at == ' ' || **at == '\t')
		(*at)++;
	if (**at < '0' || **at > '9')
		return -EINVAL;
	v = strtoul(*at, &end, 10);
	if (v > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)v;
	*at = end;
	return 0;
}

/* Lines of three numbers.  The count, or -EINVAL. */
static int parse_map(char *text, struct id_extent *out, unsigned int max)
{
	unsigned int n = 0;

	while (*text) {
		struct id_extent *e = &out[n];

		if (n == max || parse_number(&text, &e->first) || parse_number(&text, &e->lower) ||
		    parse_number(&text, &e->count))
			return -EINVAL;
		while (*text == ' ' || *text == '\t')
			text++;
		if (*text && *text != '\n')
			return -EINVAL;
		if (*text)
			text++;
		n++;
	}
	return n ? (int)n : -EINVAL;
}

/*
 * Root of the parent may be mapped only by whom could give files capabilities as that root: they
 * would count in the new namespace.
 */
static bool root_map_permitted(const struct pfs_req *r, const struct user_ns *ns,
			       const struct id_extent *e, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (e[i].lower != 0)
			continue;
		if (r->opener->user_ns == ns)
			return ns->parent_could_setfcap;
		return cred_capable_ns(r->opener, ns->parent, CAP_SETFCAP);
	}
	return true;
}

/* new_idmap_permitted() */
static bool map_permitted(const struct pfs_req *r, struct user_ns *ns, enum id_kind k,
			  const struct id_extent *e, unsigned int count)
{
	const struct cred *c = r->opener;
	int cap = k == ID_UID ? CAP_SETUID : CAP_SETGID;

	if (k == ID_UID && !root_map_permitted(r, ns, e, count))
		return false;
	if (count == 1 && e->count == 1 && ns->owner == c->euid) {
		uint32_t id = user_ns_to_kernel(ns->parent, k, e->lower);

		if (k == ID_UID && id == c->euid)
			return true;
		if (k == ID_GID && atomic_load(&ns->setgroups_denied) && id == c->egid)
			return true;
	}
	return cred_capable_ns(c, ns->parent, cap) && cred_capable_ns(r->c->cred, ns->parent, cap);
}

static int write_map(const struct pfs_req *r, enum id_kind k, char *text)
{
	struct user_ns *ns = ns_of(r->target);
	const struct cred *c = r->opener;
	struct id_extent *extents = mem_calloc(ID_EXTENTS_MAX, sizeof(*extents));
	int n, err;

	if (!extents) {
		err = -ENOMEM;
	} else if (!ns->parent || (c->user_ns != ns && c->user_ns != ns->parent) ||
		   atomic_load(&ns->maps[k].count) || !cred_capable_ns(c, ns, CAP_SYS_ADMIN)) {
		err = -EPERM;
	} else {
		n = parse_map(text, extents, ID_EXTENTS_MAX);
		err = n < 0 ? n : map_permitted(r, ns, k, extents, (unsigned int)n)
			? user_ns_set_map(ns, k, extents, (unsigned int)n) : -EPERM;
	}
	mem_free(extents);
	user_ns_put(ns);
	return err;
}

int proc_write_uid_map(const struct pfs_req *r, char *text, size_t size)
{
	(void)size;
	return write_map(r, ID_UID, text);
}

int proc_write_gid_map(const struct pfs_req *r, char *text, size_t size)
{
	(void)size;
	return write_map(r, ID_GID, text);
}

/* ---- setgroups -------------------------------------------------------------------------------- */

int proc_show_setgroups(const struct pfs_req *r, struct buf *b)
{
	struct user_ns *ns = ns_of(r->target);

	buf_puts(b, atomic_load(&ns->setgroups_denied) ? "deny\n" : "allow\n");
	user_ns_put(ns);
	return 0;
}

/* "deny" only before gid_map is written; "allow" never takes a denial back. */
int proc_write_setgroups(const struct pfs_req *r, char *text, size_t size)
{
	struct user_ns *ns = ns_of(r->target);
	size_t len = strcspn(text, "\n \t");
	bool allow = len == 5 && !memcmp(text, "allow", 5);
	bool deny = len == 4 && !memcmp(text, "deny", 4);
	int err = 0;

	(void)size;
	if (!cred_capable_ns(r->opener, ns, CAP_SYS_ADMIN))
		err = -EACCES;
	else if (text[len + strspn(text + len, "\n \t")] || (!allow && !deny))
		err = -EINVAL;
	if (!err) {
		latch_lock(&ns->latch);
		if (allow && atomic_load(&ns->setgroups_denied))
			err = -EPERM;
		else if (deny && atomic_load(&ns->maps[ID_GID].count))
			err = -EPERM;
		else if (deny)
			atomic_store(&ns->setgroups_denied, true);
		latch_unlock(&ns->latch);
	}
	user_ns_put(ns);
	return err;
}
