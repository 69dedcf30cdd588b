/* SPDX-License-Identifier: Apache-2.0 */
/* setxattr(2) and kin: names of all namespaces that root may set come back as they were given. */
#include "t.h"

#include <sys/xattr.h>

T_MAIN
{
	char name[] = "/var/tmp/setxattr.XXXXXX", list[256], value[16];
	int fd = mkstemp(name), found = 0;
	ssize_t n;

	CHECK(fd >= 0);
	if (setxattr(name, "user.t", "one", 3, 0) < 0 && errno == EOPNOTSUPP)
		exit(77);
	if (setxattr(name, "security.t", "two", 3, XATTR_CREATE) < 0 && errno == EPERM)
		exit(77); /* no CAP_SYS_ADMIN */
	FAILS(EEXIST, setxattr(name, "security.t", "two", 3, XATTR_CREATE));
	FAILS(ENODATA, setxattr(name, "security.none", "two", 3, XATTR_REPLACE));
	FAILS(EOPNOTSUPP, setxattr(name, "unknown.t", "x", 1, 0));
	EQUAL(getxattr(name, "security.t", value, sizeof(value)), 3);
	CHECK(!memcmp(value, "two", 3));
	FAILS(ERANGE, getxattr(name, "security.t", value, 2));
	n = fgetxattr(fd, "security.t", NULL, 0);
	EQUAL(n, 3);
	n = listxattr(name, list, sizeof(list));
	CHECK(n > 0);
	EQUAL(listxattr(name, NULL, 0), n);
	FAILS(ERANGE, listxattr(name, list, 1));
	for (char *p = list; p < list + n; p += strlen(p) + 1)
		found += !strcmp(p, "security.t") || !strcmp(p, "user.t") ? 1 : 10;
	EQUAL(found % 10, 2);
	EQUAL(removexattr(name, "security.t"), 0);
	FAILS(ENODATA, getxattr(name, "security.t", value, sizeof(value)));
	close(fd);
	unlink(name);
}
