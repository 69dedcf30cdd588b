/* SPDX-License-Identifier: Apache-2.0 */
/* fs.c: which file systems and socket families there are beyond those of vfs_init(). */
#include "sentry/fs.h"

#include "sentry/ipc/ipc.h"
#include "sentry/proc/proc.h"
#include "sentry/socket/inet.h"
#include "sentry/socket/net_ns.h"
#include "sentry/socket/socket.h"
#include "sentry/sysfs/sysfs.h"
#include "sentry/tty/tty.h"

int sentry_fs_init(void)
{
	int err = socket_module_init();

	if (!err)
		inet_init();
	if (!err)
		err = procfs_init();
	if (!err)
		net_ns_init();
	if (!err)
		err = sysfs_init();
	if (!err)
		err = ipc_init();
	if (!err)
		tty_init();
	if (!err)
		err = tty_proc_init();
	return err;
}
