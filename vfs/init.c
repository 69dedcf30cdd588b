/* SPDX-License-Identifier: Apache-2.0 */
/* init.c: bringing the vfs up, and what it asks of the Sentry (struct vfs_hooks). */
#include <errno.h>

#include "vfs/devtmpfs.h"
#include "vfs/memdev.h"
#include "vfs/overlay/overlay.h"
#include "vfs/tmpfs/tmpfs.h"
#include "vfs/vfs_impl.h"

static struct vfs_hooks hooks;

void vfs_set_hooks(const struct vfs_hooks *h)
{
	hooks = *h;
}

void vfs_raise(struct vfs_ctx *c, int signo)
{
	if (hooks.raise && c->task)
		hooks.raise(c, signo);
}

void vfs_sigio(struct file *f, int band, int code)
{
	if (hooks.sigio)
		hooks.sigio(f, band, code);
}

void vfs_chroot_refs(struct vfs_ctx *c, const struct path *old, const struct path *new)
{
	if (hooks.chroot_refs)
		hooks.chroot_refs(c, old, new);
}

int vfs_init(void)
{
	static bool ready;
	int err = dcache_init();

	if (err < 0 || ready)
		return err;
	locks_init();
	err = mount_init_module();
	if (err == 0)
		err = anon_init();
	if (err == 0)
		err = tmpfs_init();
	if (err < 0)
		return err;
	memdev_init();
	devtmpfs_init();
	overlay_init();
	ready = true;
	return 0;
}

int vfs_device_allowed(struct vfs_ctx *c, uint32_t mode, uint64_t rdev, int access)
{
	return hooks.device && c->task ? hooks.device(c, mode, rdev, access) : 0;
}
