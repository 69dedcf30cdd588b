/* SPDX-License-Identifier: Apache-2.0 */
/* file_getattr(2), file_setattr(2): what is wrong with a call, whatever the file system can. */
#include "t.h"

#ifndef SYS_file_getattr
#define SYS_file_getattr 468
#define SYS_file_setattr 469
#endif

T_MAIN
{
	char attr[64] = { 0 };
	int fd = open("/proc/self/exe", O_RDONLY);

	if (syscall(SYS_file_getattr, fd, "x", attr, 24ul, 0) < 0 && errno == ENOSYS)
		exit(77);
	FAILS(ENOTDIR, syscall(SYS_file_getattr, fd, "x", attr, 24ul, 0));
	FAILS(ENOTDIR, syscall(SYS_file_setattr, fd, "x", attr, 24ul, 0));
	FAILS(ENOENT, syscall(SYS_file_getattr, AT_FDCWD, "/nowhere", attr, 24ul, 0));
	FAILS(EINVAL, syscall(SYS_file_getattr, AT_FDCWD, "/", attr, 8ul, 0));
	FAILS(E2BIG, syscall(SYS_file_getattr, AT_FDCWD, "/", attr, 8192ul, 0));
	FAILS(EINVAL, syscall(SYS_file_getattr, AT_FDCWD, "/", attr, 24ul, 0x2000));
	FAILS(EFAULT, syscall(SYS_file_setattr, AT_FDCWD, "/", t_bad, 24ul, 0));
}
