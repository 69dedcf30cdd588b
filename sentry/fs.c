/* SPDX-License-Identifier: Apache-2.0 */
/* fs.c: which file systems, devices and socket families there are. */
#include "sentry/fs.h"

#include "sentry/proc/proc.h"
#include "sentry/socket/socket.h"
#include "sentry/sysfs/sysfs.h"
#include "sentry/tty/tty.h"
#include "vfs/gofer/gofer_fs.h"
#include "vfs/tmpfs/tmpfs.h"
#include "vfs/vfs.h"

int sentry_fs_init(void)
{
	int err = tmpfs_init();

	if (!err)
		err = socket_module_init();
	if (!err)
		err = procfs_init();
	if (!err)
		err = sysfs_init();
	if (!err)
		tty_init();
	return err;
}
