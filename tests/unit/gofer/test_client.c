/* SPDX-License-Identifier: Apache-2.0 */
/* test_client.c: the gofer file system over a real Gofer. */
#include "tests/unit/gofer/client.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "lib/clock.h"
#include "vfs/gofer/gofer_fs_impl.h"

static void files_are_made_written_and_read(void **state)
{
	struct client *cl = *state;
	char text[16] = "";
	struct file *f;
	struct attr a;
	struct stat st;

	assert_int_equal(v_open(cl, "f", O_CREAT | O_RDWR, 0666, &f), 0);
	assert_int_equal(v_write(cl, f, "hello", 5), 5);
	assert_int_equal(file_llseek(&cl->c, f, 1, SEEK_SET), 1);
	assert_int_equal(v_read(cl, f, text, sizeof(text)), 4);
	assert_string_equal(text, "ello");
	assert_int_equal(v_read(cl, f, text, sizeof(text)), 0);
	file_put(f);
	assert_int_equal(v_stat(cl, "f", &a), 0);
	st = host_stat(&cl->fx, "f");
	assert_int_equal(a.size, 5);
	assert_int_equal(a.mode, S_IFREG | 0644);
	assert_int_equal(a.ino, st.st_ino);
	assert_int_equal(a.mtime.tv_nsec, st.st_mtim.tv_nsec);
	assert_int_equal(a.blocks, st.st_blocks);
	assert_int_equal(v_open(cl, "f", O_CREAT | O_EXCL | O_RDWR, 0666, &f), -EEXIST);
	assert_int_equal(v_open(cl, "f", O_RDWR | O_TRUNC, 0, &f), 0);
	assert_int_equal(host_stat(&cl->fx, "f").st_size, 0);
	file_put(f);
}

static void appends_go_to_the_end(void **state)
{
	struct client *cl = *state;
	struct file *f, *g;

	v_create(cl, "log", "one");
	assert_int_equal(v_open(cl, "log", O_WRONLY | O_APPEND, 0, &f), 0);
	assert_int_equal(v_open(cl, "log", O_WRONLY | O_APPEND, 0, &g), 0);
	assert_int_equal(v_write(cl, f, "two", 3), 3);
	assert_int_equal(v_write(cl, g, "three", 5), 5);
	assert_int_equal(v_write(cl, f, "4", 1), 1);
	assert_int_equal(file_llseek(&cl->c, f, 0, SEEK_CUR), 12);
	assert_int_equal(host_stat(&cl->fx, "log").st_size, 12);
	file_put(f);
	file_put(g);
}

static void names_change_as_asked(void **state)
{
	struct client *cl = *state;
	struct attr a, b;
	struct file *f;
	char text[8] = "";

	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d", 0755), 0);
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d/e", 0755), 0);
	assert_int_equal(v_stat(cl, "d", &a), 0);
	assert_int_equal(a.nlink, host_stat(&cl->fx, "d").st_nlink);
	v_create(cl, "d/e/f", "abc");
	assert_int_equal(vfs_link(&cl->c, NULL, "d/e/f", NULL, "g", 0), 0);
	assert_int_equal(v_stat(cl, "g", &a), 0);
	assert_int_equal(v_stat(cl, "d/e/f", &b), 0);
	assert_int_equal(a.ino, b.ino);
	assert_int_equal(a.nlink, 2);
	assert_int_equal(vfs_rename(&cl->c, NULL, "d/e", NULL, "e2", 0), 0);
	assert_int_equal(v_stat(cl, "d/e/f", &b), -ENOENT);
	assert_int_equal(v_stat(cl, "e2/f", &b), 0);
	assert_true(host_has(&cl->fx, "e2/f"));
	assert_int_equal(vfs_rmdir(&cl->c, NULL, "e2"), -ENOTEMPTY);
	assert_int_equal(v_open(cl, "e2/f", O_RDONLY, 0, &f), 0);
	assert_int_equal(vfs_unlink(&cl->c, NULL, "e2/f"), 0);
	assert_int_equal(vfs_unlink(&cl->c, NULL, "g"), 0);
	assert_int_equal(file_getattr(&cl->c, f, STATX_BASIC_STATS, &a), 0);
	assert_int_equal(a.nlink, 0);
	assert_int_equal(v_read(cl, f, text, 3), 3); /* still readable */
	file_put(f);
	assert_int_equal(vfs_rmdir(&cl->c, NULL, "e2"), 0);
	assert_int_equal(v_stat(cl, "e2", &a), -ENOENT);
	assert_false(host_has(&cl->fx, "e2"));
	assert_int_equal(v_stat(cl, "d", &a), 0);
	assert_int_equal(a.nlink, host_stat(&cl->fx, "d").st_nlink);
}

static void rename_replaces_and_exchanges(void **state)
{
	struct client *cl = *state;
	struct attr a;

	v_create(cl, "a", "1");
	v_create(cl, "b", "22");
	assert_int_equal(vfs_rename(&cl->c, NULL, "a", NULL, "b", RENAME_EXCHANGE), 0);
	assert_int_equal(v_stat(cl, "a", &a), 0);
	assert_int_equal(a.size, 2);
	assert_int_equal(vfs_rename(&cl->c, NULL, "a", NULL, "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(vfs_rename(&cl->c, NULL, "a", NULL, "b", 0), 0);
	assert_int_equal(v_stat(cl, "b", &a), 0);
	assert_int_equal(a.size, 2);
	assert_int_equal(v_stat(cl, "a", &a), -ENOENT);
	v_create(cl, "a", "333"); /* the negative dentry gives way */
	assert_int_equal(v_stat(cl, "a", &a), 0);
	assert_int_equal(a.size, 3);
}

static void a_directory_does_not_trade_places_with_its_parent(void **state)
{
	struct client *cl = *state;
	struct timespec ms = { .tv_nsec = 1000000 };

	assert_int_equal(vfs_mkdir(&cl->c, NULL, "c", 0755), 0);
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "c/d", 0755), 0);
	nanosleep(&ms, NULL); /* so that names are asked for under the locks */
	assert_int_equal(vfs_rename(&cl->c, NULL, "c/d", NULL, "c", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(vfs_rename(&cl->c, NULL, "c/d", NULL, "d", 0), 0);
}

static void symlinks_are_followed_by_the_vfs(void **state)
{
	struct client *cl = *state;
	struct attr a;
	struct file *f;
	struct path p;
	char *text;

	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d", 0755), 0);
	v_create(cl, "d/f", "abc");
	assert_int_equal(vfs_symlink(&cl->c, "../d", NULL, "d/up"), 0);
	assert_int_equal(symlinkat("/d/up/f", cl->fx.dir_fd, "host"), 0);
	assert_int_equal(v_open(cl, "d/up/up/up/f", O_RDONLY, 0, &f), 0);
	file_put(f);
	assert_int_equal(v_open(cl, "host", O_RDONLY, 0, &f), 0);
	file_put(f);
	assert_int_equal(v_stat(cl, "host", &a), 0);
	assert_true(S_ISLNK(a.mode));
	assert_int_equal(vfs_walk(&cl->c, NULL, "host", 0, &p), 0);
	assert_int_equal(vfs_readlink(&cl->c, &p, &text), 0);
	assert_string_equal(text, "/d/up/f");
	mem_free(text);
	path_put(&p);
}

static void attributes_can_be_set(void **state)
{
	struct client *cl = *state;
	struct stat st;
	struct attr a;

	v_create(cl, "f", "0123456789");
	assert_int_equal(v_setattr(cl, "f", (struct setattr){ .mask = SETATTR_UID | SETATTR_GID,
							       .uid = 11,
							       .gid = 12 }),
			 0);
	assert_int_equal(v_setattr(cl, "f", (struct setattr){ .mask = SETATTR_MODE, .mode = 04711 }), 0);
	assert_int_equal(v_setattr(cl, "f", (struct setattr){ .mask = SETATTR_SIZE, .size = 3 }), 0);
	assert_int_equal(v_setattr(cl, "f", (struct setattr){ .mask = SETATTR_MTIME,
							       .mtime = { 5, 6 } }),
			 0);
	st = host_stat(&cl->fx, "f");
	assert_int_equal(st.st_uid, 11);
	assert_int_equal(st.st_gid, 12);
	assert_int_equal(st.st_mode, S_IFREG | 04711);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_mtim.tv_sec, 5);
	assert_int_equal(v_stat(cl, "f", &a), 0);
	assert_int_equal(a.mtime.tv_nsec, 6);
	assert_int_equal(a.mode, st.st_mode);
}

/* Entries of a directory into a set of names "fNNN". */
struct collect {
	struct dir_emit e;
	unsigned int count, max;
	unsigned char seen[1000];
	unsigned int dots;
	int64_t last;
};

static bool collect_one(struct dir_emit *e, const char *name, size_t len, uint64_t ino,
			unsigned int type, int64_t next)
{
	struct collect *co = container_of(e, struct collect, e);
	char buf[NAME_LEN_MAX + 1];

	(void)ino;
	(void)type;
	if (co->count == co->max)
		return false;
	co->count++;
	co->last = next;
	memcpy(buf, name, len);
	buf[len] = '\0';
	if (buf[0] == 'f')
		co->seen[atoi(buf + 1)]++;
	else if (buf[0] == '.')
		co->dots++;
	return true;
}

static void directories_are_read_in_pieces(void **state)
{
	struct client *cl = *state;
	struct collect co = { .e = { collect_one }, .max = 7 };
	struct file *f;
	char name[16];

	assert_int_equal(mkdirat(cl->fx.dir_fd, "d", 0755), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d/f%03d", i);
		assert_int_equal(mknodat(cl->fx.dir_fd, name, S_IFREG | 0644, 0), 0);
	}
	assert_int_equal(v_open(cl, "d", O_RDONLY | O_DIRECTORY, 0, &f), 0);
	do {
		co.count = 0;
		assert_int_equal(file_readdir(&cl->c, f, &co.e), 0);
	} while (co.count > 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(co.seen[i], 1);
	assert_int_equal(co.dots, 2);
	/* Again from the start, and on from a place remembered. */
	assert_int_equal(file_llseek(&cl->c, f, 0, SEEK_SET), 0);
	memset(co.seen, 0, sizeof(co.seen));
	co.max = 500;
	co.count = 0;
	assert_int_equal(file_readdir(&cl->c, f, &co.e), 0);
	file_put(f);
	assert_int_equal(v_open(cl, "d", O_RDONLY | O_DIRECTORY, 0, &f), 0);
	assert_int_equal(file_llseek(&cl->c, f, co.last, SEEK_SET), co.last);
	do {
		co.count = 0;
		assert_int_equal(file_readdir(&cl->c, f, &co.e), 0);
	} while (co.count > 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(co.seen[i], 1);
	file_put(f);
}

/* Requests are counted by the tag of the next one. */
static void what_was_read_is_known_without_asking(void **state)
{
	struct client *cl = *state;
	struct collect co = { .e = { collect_one }, .max = 10000 };
	struct timespec tick = { .tv_nsec = GFS_TICK_NS + 5 * NSEC_PER_MSEC };
	uint32_t before;
	struct file *f;
	struct attr a;
	char name[16], text[8] = "";
	struct stat st;

	assert_int_equal(mkdirat(cl->fx.dir_fd, "d", 0755), 0);
	assert_int_equal(mkdirat(cl->fx.dir_fd, "d/f999", 0700), 0);
	assert_int_equal(symlinkat("f001", cl->fx.dir_fd, "d/f998"), 0);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d/f%03d", i);
		host_file(&cl->fx, name, "abc");
	}
	assert_int_equal(linkat(cl->fx.dir_fd, "d/f007", cl->fx.dir_fd, "d/f997", 0), 0);
	nanosleep(&tick, NULL); /* what is younger is asked for once more */
	assert_int_equal(v_open(cl, "d", O_RDONLY | O_DIRECTORY, 0, &f), 0);
	assert_int_equal(file_readdir(&cl->c, f, &co.e), 0);
	assert_int_equal(co.count, 305);
	before = gconn_call_count(cl->conn);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d/f%03d", i);
		assert_int_equal(v_stat(cl, name, &a), 0);
		assert_int_equal(a.size, 3);
	}
	assert_int_equal(v_stat(cl, "d/f999", &a), 0);
	assert_int_equal(a.mode, S_IFDIR | 0700);
	file_put(f);
	/* But for the directories' times, every 100 ms: a busy machine takes that long. */
	assert_in_range(gconn_call_count(cl->conn) - before, 0, 30);

	/* Each kind of use gets along without having been looked up. */
	assert_int_equal(v_open(cl, "d/f998", O_RDONLY, 0, &f), 0); /* the link, to f001 */
	assert_int_equal(v_read(cl, f, text, 3), 3);
	file_put(f);
	assert_int_equal(vfs_unlink(&cl->c, NULL, "d/f002"), 0);
	assert_int_equal(vfs_rename(&cl->c, NULL, "d/f003", NULL, "d/f004", 0), 0);
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d/f999/sub", 0755), 0);
	assert_int_equal(vfs_link(&cl->c, NULL, "d/f005", NULL, "d/f999/five", 0), 0);
	assert_int_equal(v_setattr(cl, "d/f006", (struct setattr){ .mask = SETATTR_MODE,
								    .mode = 0600 }),
			 0);
	assert_int_equal(vfs_unlink(&cl->c, NULL, "d/f007"), 0); /* f997 goes on */
	assert_int_equal(v_open(cl, "d/f997", O_RDWR, 0, &f), 0);
	assert_int_equal(file_getattr(&cl->c, f, STATX_BASIC_STATS, &a), 0);
	assert_int_equal(a.nlink, 1);
	file_put(f);
	st = host_stat(&cl->fx, "d/f006");
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(host_stat(&cl->fx, "d/f999/five").st_nlink, 2);
	assert_true(host_has(&cl->fx, "d/f999/sub"));
	assert_int_equal(vfs_rename(&cl->c, NULL, "d/f999", NULL, "moved", 0), 0);
	assert_int_equal(v_open(cl, "moved/five", O_RDONLY, 0, &f), 0);
	file_put(f);
}

static void mappings_get_just_the_rights_they_need(void **state)
{
	struct client *cl = *state;
	struct mmap_request r = { .size = 4096, .prot = PROT_READ | PROT_WRITE, .flags = MAP_PRIVATE };
	struct file *f;

	v_create(cl, "f", "abc");
	assert_int_equal(v_open(cl, "f", O_RDWR, 0, &f), 0);
	assert_int_equal(file_mmap(&cl->c, f, &r), 0);
	assert_int_equal(fcntl(r.host_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	r.flags = MAP_SHARED;
	assert_int_equal(file_mmap(&cl->c, f, &r), 0);
	assert_int_equal(fcntl(r.host_fd, F_GETFL) & O_ACCMODE, O_RDWR);
	file_put(f);
	assert_int_equal(v_open(cl, "f", O_RDONLY, 0, &f), 0);
	r.prot = PROT_READ;
	assert_int_equal(file_mmap(&cl->c, f, &r), 0);
	assert_int_equal(fcntl(r.host_fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	file_put(f);
}

static void xattrs_reach_the_host(void **state)
{
	struct client *cl = *state;
	char value[16];
	struct path p;

	v_create(cl, "f", "");
	assert_int_equal(vfs_walk(&cl->c, NULL, "f", 0, &p), 0);
	assert_int_equal(vfs_getxattr(&cl->c, &p, "security.capability", value, 16), -ENODATA);
	assert_int_equal(vfs_getxattr(&cl->c, &p, "security.capability", value, 16), -ENODATA);
	assert_int_equal(vfs_setxattr(&cl->c, &p, "user.a", "xyz", 3, 0), 0);
	assert_int_equal(fgetxattr(openat(cl->fx.dir_fd, "f", O_RDONLY | O_CLOEXEC), "user.a", value, 16),
			 3);
	assert_int_equal(vfs_getxattr(&cl->c, &p, "user.a", value, 16), 3);
	assert_int_equal(vfs_listxattr(&cl->c, &p, value, 16), 7);
	assert_int_equal(vfs_removexattr(&cl->c, &p, "user.a"), 0);
	assert_int_equal(vfs_getxattr(&cl->c, &p, "user.a", value, 16), -ENODATA);
	path_put(&p);
}

static void exclusive_names_are_cached(void **state)
{
	struct client *cl = *state;
	struct attr a;

	int64_t start = clock_mono_ns();
	int none, bound;

	assert_int_equal(v_stat(cl, "none", &a), -ENOENT);
	assert_int_equal(v_stat(cl, "bound", &a), 0);
	host_file(&cl->fx, "none", "");
	assert_int_equal(unlinkat(cl->fx.dir_fd, "bound", 0), 0);
	none = v_stat(cl, "none", &a);
	bound = v_stat(cl, "bound", &a);
	if (clock_mono_ns() - start > 80 * NSEC_PER_MSEC)
		return; /* a busy machine: the answers may have been asked for again */
	assert_int_equal(none, -ENOENT); /* the negative answer counts */
	assert_int_equal(bound, 0);
}

/* docker cp into a running container, among others. */
static void what_the_host_changes_shows_before_long(void **state)
{
	struct client *cl = *state;
	struct timespec wait = { .tv_nsec = 120 * NSEC_PER_MSEC };
	uint32_t before;
	struct attr a;
	struct file *f;

	assert_int_equal(mkdirat(cl->fx.dir_fd, "d", 0755), 0);
	host_file(&cl->fx, "d/old", "1");
	host_file(&cl->fx, "d/stays", "1");
	assert_int_equal(v_stat(cl, "d/old", &a), 0);
	assert_int_equal(v_stat(cl, "d/stays", &a), 0);
	assert_int_equal(v_stat(cl, "d/new", &a), -ENOENT);
	host_file(&cl->fx, "d/new", "22");
	assert_int_equal(unlinkat(cl->fx.dir_fd, "d/old", 0), 0);
	host_file(&cl->fx, "d/old", "333");
	nanosleep(&wait, NULL);
	assert_int_equal(v_stat(cl, "d/new", &a), 0);
	assert_int_equal(a.size, 2);
	assert_int_equal(v_stat(cl, "d/old", &a), 0);
	assert_int_equal(a.size, 3);
	assert_int_equal(v_stat(cl, "d/stays", &a), 0);
	/* Nothing changed: one question a directory, then none; again after a while, which a loaded machine may let pass. */
	for (int tries = 0, asked = 31; asked > 30; tries++) {
		assert_in_range(tries, 0, 200);
		nanosleep(&wait, NULL);
		before = gconn_call_count(cl->conn);
		for (int i = 0; i < 100; i++)
			assert_int_equal(v_stat(cl, "d/stays", &a), 0);
		asked = (int)(gconn_call_count(cl->conn) - before);
	}
	/* Changes of our own do not make the rest doubtful. */
	v_create(cl, "d/ours", "4");
	nanosleep(&wait, NULL);
	before = gconn_call_count(cl->conn);
	assert_int_equal(v_stat(cl, "d/stays", &a), 0);
	assert_int_equal(v_stat(cl, "d/new", &a), 0);
	assert_int_equal(v_stat(cl, "d/old", &a), 0);
	assert_int_equal(v_stat(cl, "d/none", &a), -ENOENT);
	assert_in_range(gconn_call_count(cl->conn) - before, 0, 12);
	assert_int_equal(v_open(cl, "d/old", O_RDONLY, 0, &f), 0);
	file_put(f);
}

/* Also where names of the same directory come and go here all the time. */
static void what_the_host_makes_shows_amid_changes_of_ours(void **state)
{
	struct client *cl = *state;
	struct timespec wait = { .tv_nsec = 10 * NSEC_PER_MSEC };
	struct attr a;

	assert_int_equal(mkdirat(cl->fx.dir_fd, "d", 0755), 0);
	host_file(&cl->fx, "d/was", "1");
	for (int round = 0; round < 3; round++) {
		assert_int_equal(v_stat(cl, "d/theirs", &a), -ENOENT);
		assert_int_equal(v_stat(cl, "d/was", &a), 0);
		v_create(cl, "d/f", "");
		host_file(&cl->fx, "d/theirs", "22");
		for (int tries = 0; v_stat(cl, "d/theirs", &a) != 0; tries++) {
			assert_in_range(tries, 0, 500);
			if (tries % 2)
				v_create(cl, "d/f", "");
			else
				assert_int_equal(vfs_unlink(&cl->c, NULL, "d/f"), 0);
			nanosleep(&wait, NULL);
		}
		assert_int_equal(a.size, 2);
		(void)vfs_unlink(&cl->c, NULL, "d/f");
		assert_int_equal(unlinkat(cl->fx.dir_fd, "d/theirs", 0), 0);
		for (int tries = 0; v_stat(cl, "d/theirs", &a) == 0; tries++) {
			assert_in_range(tries, 0, 500);
			assert_int_equal(vfs_mkdir(&cl->c, NULL, "d/d", 0755), 0);
			assert_int_equal(vfs_rename(&cl->c, NULL, "d/d", NULL, "d/e", 0), 0);
			assert_int_equal(vfs_rmdir(&cl->c, NULL, "d/e"), 0);
			nanosleep(&wait, NULL);
		}
	}
}

/* Nothing is known of these names: one request makes each, and one says that it is there. */
static void making_a_name_asks_once(void **state)
{
	struct client *cl = *state;
	struct attr a;
	struct file *f;
	uint32_t before;

	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d", 0755), 0);
	assert_int_equal(v_stat(cl, "d", &a), 0);
	before = gconn_call_count(cl->conn);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(v_open(cl, "d/f", O_RDWR | O_CREAT, 0600, &f), 0);
		file_put(f);
		assert_int_equal(vfs_unlink(&cl->c, NULL, "d/f"), 0);
		assert_int_equal(v_stat(cl, "d/f", &a), -ENOENT);
	}
	assert_int_equal(vfs_symlink(&cl->c, "to", NULL, "d/l"), 0);
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d/d", 0755), 0);
	/* And one for the directory's times, every 100 ms. */
	assert_in_range(gconn_call_count(cl->conn) - before, 42, 42 + 20);

	/* What others made meanwhile is found. */
	assert_int_equal(mkdirat(cl->fx.dir_fd, "d/there", 0755), 0);
	assert_int_equal(symlinkat("there", cl->fx.dir_fd, "d/link"), 0);
	host_file(&cl->fx, "d/file", "12345");
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d/there", 0755), -EEXIST);
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d/link", 0755), -EEXIST);
	assert_int_equal(v_open(cl, "d/file", O_RDWR | O_CREAT | O_EXCL, 0600, &f), -EEXIST);
	assert_int_equal(v_open(cl, "d/file", O_RDWR | O_CREAT, 0600, &f), 0);
	assert_int_equal(f->inode->size, 5);
	file_put(f);
	host_file(&cl->fx, "d/file2", "1");
	assert_int_equal(vfs_link(&cl->c, NULL, "d/file", NULL, "d/file2", 0), -EEXIST);
	/* Also where something else would be wrong with it. */
	assert_int_equal(mkdirat(cl->fx.dir_fd, "d/there2", 0755), 0);
	assert_int_equal(vfs_link(&cl->c, NULL, "d/d", NULL, "d/there2", 0), -EEXIST);
	assert_int_equal(vfs_link(&cl->c, NULL, "d/d", NULL, "d/none", 0), -EPERM);
	assert_int_equal(v_open(cl, "d/there2", O_RDWR | O_CREAT, 0600, &f), -EISDIR);
}

/* What an unpacked archive or a checkout asks before it makes each file. */
static void a_new_directory_is_known_without_asking(void **state)
{
	struct client *cl = *state;
	struct timespec wait = { .tv_nsec = 20 * NSEC_PER_MSEC };
	int64_t start = clock_mono_ns();
	uint32_t before, asked;
	struct attr a;
	char name[16];

	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d", 0755), 0);
	before = gconn_call_count(cl->conn);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		assert_int_equal(v_stat(cl, name, &a), -ENOENT);
	}
	assert_int_equal(v_stat(cl, "d/no/where", &a), -ENOENT);
	asked = gconn_call_count(cl->conn) - before;
	if (clock_mono_ns() - start < 80 * NSEC_PER_MSEC) /* else a busy machine: it was asked for again */
		assert_int_equal(asked, 0);
	/* A name that the cache has lost is one to be asked for. */
	v_create(cl, "d/lost", "1");
	while (dcache_shrink(cl->sb, 1) > 0)
		;
	assert_int_equal(v_stat(cl, "d/lost", &a), 0);
	/* And so is everything after a while, though names of ours come and go all the time. */
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "e", 0755), 0);
	v_create(cl, "e/ours", "");
	assert_int_equal(v_stat(cl, "e/theirs", &a), -ENOENT);
	host_file(&cl->fx, "e/theirs", "22");
	for (int tries = 0; v_stat(cl, "e/theirs", &a) != 0; tries++) {
		assert_in_range(tries, 0, 3000);
		v_create(cl, "e/f", "");
		assert_int_equal(vfs_unlink(&cl->c, NULL, "e/f"), 0);
		nanosleep(&wait, NULL);
	}
	assert_int_equal(a.size, 2);
}

static void what_is_in_a_new_directory_in_other_ways_is_found(void **state)
{
	struct client *cl = *state;
	struct path p, q;
	struct attr a;
	int err;

	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d", 0755), 0);
	v_create(cl, "d/f", "1");
	err = vfs_rename(&cl->c, NULL, "d/f", NULL, "d/g", RENAME_WHITEOUT);
	if (err != -EINVAL) { /* the host's file system knows none */
		assert_int_equal(err, 0);
		assert_int_equal(v_stat(cl, "d/f", &a), 0);
		assert_int_equal(a.mode & S_IFMT, S_IFCHR);
	}
	/* One that fell out of the cache may be there as another dentry, which knows other names. */
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "e", 0755), 0);
	assert_int_equal(vfs_walk(&cl->c, NULL, "e", 0, &p), 0);
	assert_true(dentry_is_complete(p.dentry));
	dentry_drop(p.dentry);
	v_create(cl, "e/f", "1");
	assert_false(dentry_is_complete(p.dentry));
	assert_int_equal(vfs_walk(&cl->c, &p, "f", 0, &q), 0);
	path_put(&q);
	path_put(&p);
}

/* stat(2) of a path asks for all its names at once, without a lock: it may come between. */
static void a_bound_socket_stays_with_who_found_it_first(void **state)
{
	struct client *cl = *state;
	struct gfs_super *gs = gfs_super(cl->sb);
	struct gofer_make m = { .dir = gs->root_fid, .flags = SOCK_STREAM, .mode = 0600 };
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct gfs_inode *gi = gfs_inode_alloc(gs);
	struct gofer_change change;
	struct gofer_attr attr;
	struct inode *i;
	struct path p;
	int fd, host;

	assert_int_equal(gconn_fid_alloc(cl->conn, &m.fid), 0);
	assert_int_equal(grpc_make(cl->conn, GOFER_REQ_BIND, &m, "s", NULL, &attr, &change, NULL), 0);
	assert_int_equal(vfs_walk(&cl->c, NULL, "s", 0, &p), 0);
	gi->sock_fid = m.fid;
	i = gfs_inode_commit(gi, &attr, m.fid, NULL);
	assert_ptr_equal(i, dentry_inode(p.dentry));
	gconn_clunk_flush(cl->conn);
	fd = gofer_fs_listen(i);
	assert_in_range(fd, 0, 1000);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/s", cl->fx.dir);
	host = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(host, (struct sockaddr *)&to, sizeof(to)), 0);
	close(host);
	close(fd);
	inode_put(i);
	path_put(&p);
}

static void shared_names_are_asked_for_again(void **state)
{
	struct client *cl = *state;
	struct timespec ms = { .tv_nsec = 1000000 };
	struct attr a, b;
	struct file *f;

	assert_int_equal(v_stat(cl, "new", &a), -ENOENT);
	host_file(&cl->fx, "new", "1");
	assert_int_equal(v_stat(cl, "new", &a), 0);
	host_file(&cl->fx, "newer", "22");
	assert_int_equal(renameat(cl->fx.dir_fd, "newer", cl->fx.dir_fd, "new"), 0);
	nanosleep(&ms, NULL);
	assert_int_equal(v_stat(cl, "new", &b), 0);
	assert_int_equal(b.size, 2);
	assert_int_not_equal(a.ino, b.ino);
	assert_int_equal(v_open(cl, "new", O_RDONLY, 0, &f), 0);
	assert_int_equal(truncate("/dev/null", 0), -1);
	assert_int_equal(fchmodat(cl->fx.dir_fd, "new", 0600, 0), 0);
	nanosleep(&ms, NULL);
	assert_int_equal(v_stat(cl, "new", &b), 0);
	assert_int_equal(b.mode, S_IFREG | 0600);
	assert_int_equal(file_getattr(&cl->c, f, STATX_BASIC_STATS, &a), 0);
	assert_int_equal(a.mode, S_IFREG | 0600);
	file_put(f);
	assert_int_equal(unlinkat(cl->fx.dir_fd, "new", 0), 0);
	nanosleep(&ms, NULL);
	assert_int_equal(v_stat(cl, "new", &b), -ENOENT);
}

static int read_only(void **state)
{
	return client_start(state, RO, 0);
}

static void read_only_attachments_are_read_only(void **state)
{
	struct client *cl = *state;
	struct file *f;

	assert_int_equal(v_open(cl, "bound", O_RDWR, 0, &f), -EROFS);
	assert_int_equal(v_open(cl, "x", O_CREAT | O_RDWR, 0644, &f), -EROFS);
	assert_int_equal(vfs_mkdir(&cl->c, NULL, "d", 0755), -EROFS);
	assert_int_equal(vfs_unlink(&cl->c, NULL, "bound"), -EROFS);
	assert_int_equal(v_open(cl, "bound", O_RDONLY, 0, &f), 0);
	file_put(f);
}

static int bound_file(void **state)
{
	return client_start(state, BOUND, 0);
}

static void a_bound_file_is_a_root(void **state)
{
	struct client *cl = *state;
	char text[16] = "";
	struct file *f;

	assert_int_equal(vfs_open_path(&cl->c, &cl->c.root, O_RDWR, &f), 0);
	assert_int_equal(v_read(cl, f, text, sizeof(text)), 6);
	assert_string_equal(text, "bound\n");
	file_put(f);
}

static void tmpfiles_can_be_linked(void **state)
{
	struct client *cl = *state;
	struct file *f;
	struct attr a;

	assert_int_equal(v_open(cl, ".", O_TMPFILE | O_RDWR, 0600, &f), 0);
	assert_int_equal(v_write(cl, f, "abc", 3), 3);
	assert_int_equal(vfs_link(&cl->c, &f->path, "", NULL, "named", AT_EMPTY_PATH), 0);
	file_put(f);
	assert_int_equal(v_stat(cl, "named", &a), 0);
	assert_int_equal(a.size, 3);
	assert_int_equal(a.nlink, 1);
}

/* Descriptors of the Gofer's for a file that was called f and has no name any more. */
static int count_deleted(const struct fixture *fx)
{
	char path[64], link[300], name[300];
	struct dirent *de;
	int count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", fx->pid);
	snprintf(name, sizeof(name), "%s/f (deleted)", fx->dir);
	d = opendir(path);
	assert_non_null(d);
	while ((de = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), de->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		count += strcmp(link, name) == 0;
	}
	closedir(d);
	return count;
}

static void a_file_without_names_is_gone_from_the_host_when_it_is_closed(void **state)
{
	struct client *cl = *state;
	struct file *f;

	assert_int_equal(v_open(cl, "f", O_CREAT | O_RDWR, 0600, &f), 0);
	assert_int_equal(v_write(cl, f, "abc", 3), 3);
	assert_int_equal(vfs_unlink(&cl->c, NULL, "f"), 0);
	file_put(f);
	for (int i = 0; i < 6000 && count_deleted(&cl->fx) > 0; i++)
		usleep(10000);
	assert_int_equal(count_deleted(&cl->fx), 0);
}

static void more_files_than_descriptors_can_be_visited(void **state)
{
	struct client *cl = *state;
	struct rlimit low = { 200, 200 };
	char name[16];
	struct attr a;

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "f%03d", i);
		assert_int_equal(mknodat(cl->fx.dir_fd, name, S_IFREG | 0644, 0), 0);
	}
	assert_int_equal(prlimit(cl->fx.pid, RLIMIT_NOFILE, &low, NULL), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "f%03d", i);
		assert_int_equal(v_stat(cl, name, &a), 0);
	}
}

/* Over the socket, which answers with descriptors too. */
static void a_descriptor_without_room_here_is_an_error_of_that_call(void **state)
{
	struct client *cl = *state;
	struct rlimit old, full;
	struct file *f;
	struct attr a;
	int next = dup(0);

	host_file(&cl->fx, "other", "other\n");
	assert_int_equal(v_stat(cl, "bound", &a), 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	full = (struct rlimit){ (rlim_t)next, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
	assert_int_equal(v_open(cl, "bound", O_RDWR, 0, &f), -EMFILE);
	assert_int_equal(v_open(cl, "new", O_CREAT | O_RDWR, 0600, &f), -EMFILE);
	assert_int_equal(v_stat(cl, "other", &a), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(v_open(cl, i ? "bound" : "new", O_CREAT | O_RDWR, 0600, &f), 0);
		assert_int_equal(v_write(cl, f, "abc", 3), 3);
		file_put(f);
	}
}

static void a_dead_gofer_gives_eio(void **state)
{
	struct client *cl = *state;
	struct attr a;

	assert_int_equal(kill(cl->fx.pid, SIGKILL), 0);
	assert_int_equal(v_stat(cl, "x", &a), -EIO);
	assert_int_equal(v_stat(cl, "y", &a), -EIO);
	assert_int_equal(waitpid(cl->fx.pid, NULL, 0), cl->fx.pid);
	fixture_start(&cl->fx); /* for client_end() */
	close(cl->fx.t.fd);
	cl->fx.t.fd = -1;
}

#define EXCLUSIVE(t) cmocka_unit_test_setup_teardown(t, exclusive, client_end)
#define SHARED(t)    { #t " (shared)", t, shared, client_end, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCLUSIVE(files_are_made_written_and_read),
		SHARED(files_are_made_written_and_read),
		EXCLUSIVE(appends_go_to_the_end),
		SHARED(appends_go_to_the_end),
		EXCLUSIVE(names_change_as_asked),
		SHARED(names_change_as_asked),
		EXCLUSIVE(rename_replaces_and_exchanges),
		SHARED(rename_replaces_and_exchanges),
		EXCLUSIVE(a_directory_does_not_trade_places_with_its_parent),
		SHARED(a_directory_does_not_trade_places_with_its_parent),
		EXCLUSIVE(symlinks_are_followed_by_the_vfs),
		SHARED(symlinks_are_followed_by_the_vfs),
		EXCLUSIVE(attributes_can_be_set),
		SHARED(attributes_can_be_set),
		EXCLUSIVE(directories_are_read_in_pieces),
		EXCLUSIVE(what_was_read_is_known_without_asking),
		EXCLUSIVE(mappings_get_just_the_rights_they_need),
		EXCLUSIVE(xattrs_reach_the_host),
		EXCLUSIVE(what_the_host_makes_shows_amid_changes_of_ours),
		EXCLUSIVE(exclusive_names_are_cached),
		EXCLUSIVE(making_a_name_asks_once),
		EXCLUSIVE(a_new_directory_is_known_without_asking),
		EXCLUSIVE(what_is_in_a_new_directory_in_other_ways_is_found),
		SHARED(a_bound_socket_stays_with_who_found_it_first),
		EXCLUSIVE(what_the_host_changes_shows_before_long),
		SHARED(shared_names_are_asked_for_again),
		cmocka_unit_test_setup_teardown(read_only_attachments_are_read_only, read_only,
						client_end),
		cmocka_unit_test_setup_teardown(a_bound_file_is_a_root, bound_file, client_end),
		EXCLUSIVE(tmpfiles_can_be_linked),
		EXCLUSIVE(a_file_without_names_is_gone_from_the_host_when_it_is_closed),
		EXCLUSIVE(more_files_than_descriptors_can_be_visited),
		EXCLUSIVE(a_descriptor_without_room_here_is_an_error_of_that_call),
		SHARED(a_descriptor_without_room_here_is_an_error_of_that_call),
		EXCLUSIVE(a_dead_gofer_gives_eio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
