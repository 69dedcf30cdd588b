/* SPDX-License-Identifier: Apache-2.0 */
/* test_inotify.c: events of names and files. */
#include "tests/unit/vfs/fixture.h"

#include <poll.h>
#include <sys/inotify.h>

#include "vfs/inotify.h"

static int watch(struct fx *x, struct file *in, const char *name, uint32_t mask)
{
	struct path p;
	int wd;

	assert_int_equal(vfs_walk(&x->c, NULL, name, 0, &p), 0);
	wd = inotify_add(&x->c, in, &p, mask);
	path_put(&p);
	return wd;
}

/* All queued events as "mask:name " in hexadecimal. */
static const char *events(struct fx *x, struct file *in)
{
	static char text[512];
	char buf[1024];
	struct uio u;
	ssize_t n;

	text[0] = '\0';
	uio_init_kernel(&u, buf, sizeof(buf));
	n = file_read(&x->c, in, &u);
	for (ssize_t at = 0; at < n;) {
		struct inotify_event e;

		memcpy(&e, buf + at, sizeof(e));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%x:%s ", e.mask,
			 e.len ? buf + at + sizeof(e) : "");
		at += (ssize_t)sizeof(e) + e.len;
	}
	return text;
}

FIBER_TEST(directories_report_their_names)
{
	struct file *in;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d", 0755), 0);
	assert_int_equal(vfs_mkdir(&x.c, NULL, "e", 0755), 0);
	assert_int_equal(inotify_new(&x.c, IN_NONBLOCK, &in), 0);
	assert_int_equal(watch(&x, in, "d", IN_ALL_EVENTS), 1);
	assert_int_equal(watch(&x, in, "d", IN_ALL_EVENTS), 1);
	assert_int_equal(watch(&x, in, "d", IN_ALL_EVENTS | IN_MASK_CREATE), -EEXIST);
	assert_int_equal(file_poll(in, NULL), 0);
	assert_int_equal(fx_put(&x, "d/f", "x"), 0);
	assert_int_equal(file_poll(in, NULL), POLLIN | POLLRDNORM);
	assert_string_equal(events(&x, in), "100:f 20:f 2:f 8:f ");
	assert_int_equal(vfs_rename(&x.c, NULL, "d/f", NULL, "d/g", 0), 0);
	assert_string_equal(events(&x, in), "40:f 80:g ");
	assert_int_equal(vfs_rename(&x.c, NULL, "d/g", NULL, "e/g", 0), 0);
	assert_string_equal(events(&x, in), "40:g ");
	assert_int_equal(vfs_mkdir(&x.c, NULL, "d/s", 0755), 0);
	assert_int_equal(vfs_rmdir(&x.c, NULL, "d/s"), 0);
	assert_string_equal(events(&x, in), "40000100:s 40000200:s ");
	assert_int_equal(inotify_remove(in, 1), 0);
	assert_string_equal(events(&x, in), "8000: ");
	assert_int_equal(inotify_remove(in, 1), -EINVAL);
	file_put(in);
	fx_fini(&x);
}

FIBER_TEST(a_file_reports_its_end)
{
	struct file *in, *f;
	struct fx x;
	(void)state;

	fx_init(&x);
	assert_int_equal(fx_touch(&x, "f"), 0);
	assert_int_equal(inotify_new(&x.c, IN_NONBLOCK, &in), 0);
	assert_int_equal(watch(&x, in, "f", IN_DELETE_SELF | IN_MODIFY | IN_MOVE_SELF), 1);
	assert_int_equal(fx_open(&x, "f", O_WRONLY, &f), 0);
	assert_int_equal(fx_write(&x, f, "a", 1), 1);
	assert_int_equal(fx_write(&x, f, "a", 1), 1); /* like the last one: once */
	assert_int_equal(vfs_rename(&x.c, NULL, "f", NULL, "g", 0), 0);
	assert_string_equal(events(&x, in), "2: 800: ");
	assert_int_equal(vfs_unlink(&x.c, NULL, "g"), 0);
	assert_string_equal(events(&x, in), ""); /* still open */
	file_put(f);
	assert_string_equal(events(&x, in), "400: 8000: ");
	file_put(in);
	fx_fini(&x);
}

UNIT_MAIN(UNIT(directories_report_their_names), UNIT(a_file_reports_its_end))
