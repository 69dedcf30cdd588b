/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c: which file the host's maps mean by a device and inode: for /proc/PID/maps, core dumps and
 * calls that act on a mapped file.
 *
 * A name holds its file's path, and so its mount and inode.  munmap(2) is native: the Sentry does not
 * see a mapping go.  So names are looked through (mm_names_prune) when many have come, and when
 * somebody cares, as umount(2) does that finds its mount in use.
 *
 * A name is given (mm_name_file) before the host maps the file, and what is looked through meanwhile
 * must not lose it: until mm_name_settle() nothing is pruned, and names given after the start of a
 * walk stay.
 *
 * Locks: mm->lock for all; held over no host call.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/mem.h"
#include "platform/host.h"
#include "sentry/mm/mm.h"

#define NAMES_MANY 64u

struct mm_name {
	struct hash_node node;
	uint64_t dev, ino;
	struct path path; /* counted */
	bool seen;        /* by the walk that goes on, or given since it began */
	struct mm_name *next; /* of those that are let go */
};

static uint64_t mm_name_hash(uint64_t ino)
{
	return hash_u64(0, ino);
}

static struct mm_name *mm_name_peek_locked(struct mm *mm, uint64_t dev, uint64_t ino)
{
	struct hash_node *n;

	for (n = hash_first(&mm->names, mm_name_hash(ino)); n; n = hash_next(n)) {
		struct mm_name *name = container_of(n, struct mm_name, node);

		if (name->dev == dev && name->ino == ino)
			return name;
	}
	return NULL;
}

/* Shared memory and memfds: their numbers are small, and other files have the same. */
bool mm_map_is_memory(const struct plat_map *m)
{
	return m->name[0] != '/' || !strncmp(m->name, "/dev/zero (", 11) ||
	       !strncmp(m->name, "/memfd:", 7) || !strncmp(m->name, "/SYSV", 5);
}

/*
 * The name of what m maps.  Where layers of an overlay lie on several file systems, stat(2) tells
 * another device than maps; then the inode number is enough if no other name has it.
 */
static struct mm_name *mm_name_of_locked(struct mm *mm, const struct plat_map *m)
{
	struct mm_name *name = NULL;
	struct hash_node *n;

	if (m->ino)
		name = mm_name_peek_locked(mm, makedev(m->dev_major, m->dev_minor), m->ino);
	if (name || !m->ino || mm_map_is_memory(m))
		return name;
	for (n = hash_first(&mm->names, mm_name_hash(m->ino)); n; n = hash_next(n)) {
		if (container_of(n, struct mm_name, node)->ino != m->ino)
			continue;
		if (name)
			return NULL;
		name = container_of(n, struct mm_name, node);
	}
	return name;
}

static int mm_name_add_locked(struct mm *mm, uint64_t dev, uint64_t ino, const struct path *path)
{
	struct mm_name *name = mm_name_peek_locked(mm, dev, ino);

	if (name) {
		name->seen = true;
		return 0;
	}
	name = mem_new(struct mm_name);
	if (!name)
		return -ENOMEM;
	name->dev = dev;
	name->ino = ino;
	name->seen = true;
	name->path = *path;
	path_get(&name->path);
	hash_insert(&mm->names, &name->node, mm_name_hash(ino));
	mm->name_count++;
	return 0;
}

void mm_names_clear_locked(struct mm *mm)
{
	struct hash_node *n, *tmp;
	size_t i;

	hash_for_each(&mm->names, i, n, tmp) {
		struct mm_name *name = container_of(n, struct mm_name, node);

		hash_remove(&mm->names, n);
		path_put(&name->path);
		mem_free(name);
	}
	mm->name_count = 0;
}

int mm_names_dup_locked(struct mm *from, struct mm *mm)
{
	struct hash_node *n, *tmp;
	size_t i;
	int err;

	hash_for_each(&from->names, i, n, tmp) {
		struct mm_name *name = container_of(n, struct mm_name, node);

		err = mm_name_add_locked(mm, name->dev, name->ino, &name->path);
		if (err)
			return err;
	}
	return 0;
}

/* ---- names of files that are mapped no more ----------------------------------------------------- */

static int prune_see(void *arg, const struct plat_map *m)
{
	struct mm *mm = arg;
	struct mm_name *name;

	mutex_lock(&mm->lock);
	name = mm_name_of_locked(mm, m);
	if (name)
		name->seen = true;
	mutex_unlock(&mm->lock);
	return 0;
}

/* False: somebody is mapping a file, or another looks through. */
static bool prune_begin(struct mm *mm)
{
	struct hash_node *n, *tmp;
	bool begin;
	size_t i;

	mutex_lock(&mm->lock);
	begin = !mm->naming && !mm->names_pruned;
	if (begin) {
		mm->names_pruned = true;
		hash_for_each(&mm->names, i, n, tmp)
			container_of(n, struct mm_name, node)->seen = false;
	}
	mutex_unlock(&mm->lock);
	return begin;
}

void mm_names_prune(struct mm *mm)
{
	struct mm_name *gone = NULL, *name;
	struct hash_node *n, *tmp;
	size_t i;
	int err;

	if (!prune_begin(mm))
		return;
	err = plat_mm_maps(mm->plat, false, prune_see, mm);
	mutex_lock(&mm->lock);
	mm->names_pruned = false;
	hash_for_each(&mm->names, i, n, tmp) {
		name = container_of(n, struct mm_name, node);
		if (err || name->seen)
			continue;
		hash_remove(&mm->names, n);
		mm->name_count--;
		name->next = gone;
		gone = name;
	}
	mm->names_many = MAX(2 * mm->name_count, NAMES_MANY);
	mutex_unlock(&mm->lock);
	while (gone) {
		name = gone;
		gone = name->next;
		path_put(&name->path);
		mem_free(name);
	}
}

/* ---- giving and finding ------------------------------------------------------------------------- */

int mm_name_file(struct mm *mm, int host_fd, struct file *f)
{
	struct stat st;
	bool many;
	int err = host_fstat(host_fd, &st);

	if (err)
		return err;
	mutex_lock(&mm->lock);
	many = mm->name_count >= MAX(mm->names_many, NAMES_MANY);
	mutex_unlock(&mm->lock);
	if (many)
		mm_names_prune(mm);
	mutex_lock(&mm->lock);
	err = mm_name_add_locked(mm, st.st_dev, st.st_ino, &f->path);
	if (!err)
		mm->naming++;
	mutex_unlock(&mm->lock);
	return err;
}

void mm_name_settle(struct mm *mm)
{
	mutex_lock(&mm->lock);
	mm->naming--;
	mutex_unlock(&mm->lock);
}

void mm_forget_file(struct mm *mm, uint64_t dev, uint64_t ino)
{
	struct mm_name *name;

	mutex_lock(&mm->lock);
	name = mm_name_peek_locked(mm, dev, ino);
	if (name) {
		hash_remove(&mm->names, &name->node);
		mm->name_count--;
	}
	mutex_unlock(&mm->lock);
	if (name) {
		path_put(&name->path);
		mem_free(name);
	}
}

/* Borrowed names would need mm->lock over a walk: take a reference to the path instead. */
bool mm_map_path(struct mm *mm, const struct plat_map *m, struct path *out)
{
	struct mm_name *name;

	mutex_lock(&mm->lock);
	name = mm_name_of_locked(mm, m);
	if (name) {
		*out = name->path;
		path_get(out);
	}
	mutex_unlock(&mm->lock);
	return name;
}
