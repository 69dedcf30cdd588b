/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.c: what `runsc-c debug` asks of the Sentry.
 *
 * patches: the call sites that the processes which live now have called from, by the file that they
 * are mapped from.  A site of one file counts once, however many processes have it; it is "patched" if it is in one of
 * them, "left" if it was tried and can't be, and "cold" otherwise (too few calls so far).  Those left follow, with the
 * reason.
 */
#include "sentry/debug.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/sort.h"
#include "sentry/task/task.h"

#define SITES_MAX 65536

struct debug_site {
	uint64_t offset; /* in the file */
	uint32_t name;
	uint32_t state; /* enum plat_site_state */
	const char *why;
};

struct debug_patches {
	struct debug_site *sites;
	char **names;
	size_t count, room, name_count, name_room;
	const struct path *root;
	/* The process at work. */
	struct mm *mm;
	struct plat_site *here;
	size_t here_count;
};

static bool name_add(struct debug_patches *d, const char *text, uint32_t *out)
{
	char **grown;
	size_t i;

	for (i = 0; i < d->name_count; i++) {
		if (strcmp(d->names[i], text) == 0) {
			*out = (uint32_t)i;
			return true;
		}
	}
	if (d->name_count == d->name_room) {
		grown = mem_realloc(d->names, d->name_room * 2 + 16, sizeof(*grown));
		if (!grown)
			return false;
		d->names = grown;
		d->name_room = d->name_room * 2 + 16;
	}
	d->names[d->name_count] = mem_strdup(text);
	*out = (uint32_t)d->name_count;
	return d->names[d->name_count] && ++d->name_count;
}

static bool site_add(struct debug_patches *d, uint32_t name, uint64_t offset, const struct plat_site *s)
{
	struct debug_site *grown;

	if (d->count == SITES_MAX)
		return false;
	if (d->count == d->room) {
		grown = mem_realloc(d->sites, d->room * 2 + 256, sizeof(*grown));
		if (!grown)
			return false;
		d->sites = grown;
		d->room = d->room * 2 + 256;
	}
	d->sites[d->count++] = (struct debug_site){ offset, name, s->state, s->why };
	return true;
}

static int debug_map(void *arg, const struct plat_map *m)
{
	struct debug_patches *d = arg;
	struct buf text = BUF_INIT;
	bool named = false, ok = true;
	uint32_t name = 0;
	struct path path;

	for (size_t i = 0; i < d->here_count && ok; i++) {
		const struct plat_site *s = &d->here[i];

		if (s->ip < m->start || s->ip >= m->end)
			continue;
		if (!named && mm_map_path(d->mm, m, &path)) {
			(void)!vfs_path_text(d->root, &path, &text);
			path_put(&path);
		}
		if (!named)
			ok = name_add(d, text.size && text.data ? text.data : m->name[0] == '[' ? "[vdso]" :
				      "[anonymous]", &name);
		named = true;
		ok = ok && site_add(d, name, s->ip - m->start + m->offset, s);
	}
	buf_fini(&text);
	return ok ? 0 : -ENOMEM;
}

static int debug_site(void *arg, const struct plat_site *s)
{
	struct debug_patches *d = arg;

	if (d->here_count == SITES_MAX)
		return -E2BIG;
	d->here[d->here_count++] = *s;
	return 0;
}

/* By name, then offset, then the highest state first. */
static int site_compare(const void *a, const void *b)
{
	const struct debug_site *x = a, *y = b;

	if (x->name != y->name)
		return (x->name > y->name) - (x->name < y->name);
	if (x->offset != y->offset)
		return (x->offset > y->offset) - (x->offset < y->offset);
	return (y->state > x->state) - (y->state < x->state);
}

/* A site of several processes counts once, as the best that it is anywhere. */
static void sites_unite(struct debug_patches *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		const struct debug_site *last = kept ? &d->sites[kept - 1] : NULL;

		if (!last || last->name != d->sites[i].name || last->offset != d->sites[i].offset)
			d->sites[kept++] = d->sites[i];
	}
	d->count = kept;
}

static void patches_print(struct debug_patches *d, struct buf *out)
{
	size_t n[4], all[4] = { 0 };

	sort(d->sites, d->count, sizeof(*d->sites), site_compare);
	sites_unite(d);
	buf_printf(out, "%8s %8s %8s %8s  file\n", "seen", "patched", "left", "cold");
	for (uint32_t name = 0; name < d->name_count; name++) {
		memset(n, 0, sizeof(n));
		for (size_t i = 0; i < d->count; i++) {
			const struct debug_site *s = &d->sites[i];

			if (s->name != name)
				continue;
			n[3]++;
			n[s->state]++;
		}
		buf_printf(out, "%8zu %8zu %8zu %8zu  %s\n", n[3], n[PLAT_SITE_PATCHED],
			   n[PLAT_SITE_LEFT], n[PLAT_SITE_COLD], d->names[name]);
		for (size_t i = 0; i < 4; i++)
			all[i] += n[i];
	}
	buf_printf(out, "%8zu %8zu %8zu %8zu  in all\n", all[3], all[PLAT_SITE_PATCHED],
		   all[PLAT_SITE_LEFT], all[PLAT_SITE_COLD]);
	for (size_t i = 0; i < d->count; i++) {
		if (d->sites[i].state == PLAT_SITE_LEFT)
			buf_printf(out, "left %s+%#llx: %s\n", d->names[d->sites[i].name],
				   (unsigned long long)d->sites[i].offset, d->sites[i].why);
	}
}

int debug_patches(struct pid_ns *ns, const struct path *root, struct buf *out)
{
	struct debug_patches d = { .root = root };
	struct process *p;
	struct task *leader;
	int32_t nr = 1;

	d.here = mem_calloc(SITES_MAX, sizeof(*d.here));
	if (!d.here)
		return -ENOMEM;
	for (; (p = process_next(ns, nr, &nr)); nr++) {
		mutex_lock(&tasklist.lock);
		leader = p->leader;
		d.mm = leader ? task_mm_get(leader) : NULL;
		mutex_unlock(&tasklist.lock);
		process_put(p);
		if (!d.mm)
			continue;
		d.here_count = 0;
		if (plat_mm_sites(d.mm->plat, debug_site, &d) == 0 && d.here_count)
			(void)!plat_mm_maps(d.mm->plat, false, debug_map, &d);
		mm_put(d.mm);
	}
	patches_print(&d, out);
	for (size_t i = 0; i < d.name_count; i++)
		mem_free(d.names[i]);
	mem_free(d.names);
	mem_free(d.sites);
	mem_free(d.here);
	return buf_error(out);
}
