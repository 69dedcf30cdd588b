/* SPDX-License-Identifier: Apache-2.0 */
/* syslog.c: syslog(2): its actions and errors, by root; the log itself is another on each kernel. */
#include "t.h"

#include <sys/klog.h>

static int unprivileged(void)
{
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return 1;
	FAILS(EPERM, klogctl(2, (char *)BAD_PTR, 10));
	return t_failures != 0;
}

T_MAIN
{
	static char buf[1 << 18];
	int n;

	n = klogctl(3, buf, sizeof(buf) - 1);
	if (n < 0 && errno == EPERM)
		exit(77);
	CHECK(n > 0 && n < (int)sizeof(buf));
	CHECK(buf[0] == '<' && buf[n - 1] == '\n');
	n = klogctl(3, buf, 200);
	CHECK(n <= 200);
	CHECK(n == 0 || (buf[0] == '<' && buf[n - 1] == '\n'));
	EQUAL(klogctl(3, buf, 0), 0);
	CHECK(klogctl(10, NULL, 0) > 0);
	CHECK(klogctl(9, NULL, 0) >= 0);
	EQUAL(klogctl(0, NULL, 0), 0);
	EQUAL(klogctl(1, NULL, 0), 0);
	FAILS(EINVAL, klogctl(3, NULL, 10));
	FAILS(EINVAL, klogctl(3, buf, -1));
	FAILS(EFAULT, klogctl(3, BAD_PTR, 100000));
	FAILS(EINVAL, klogctl(8, NULL, 0));
	FAILS(EINVAL, klogctl(8, NULL, 9));
	FAILS(EINVAL, klogctl(11, NULL, 0));
	FAILS(EINVAL, klogctl(-1, NULL, 0));
	EQUAL(t_wait(t_fork(unprivileged)), 0);
}
