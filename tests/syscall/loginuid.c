/* SPDX-License-Identifier: Apache-2.0 */
/* loginuid.c: /proc/self/loginuid and sessionid: set once, inherited (needs an unset one and rights). */
#include "t.h"

static long get(const char *name)
{
	char path[64], buf[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		exit(77);
	close(fd);
	return atol(buf);
}

static int put(const char *text)
{
	int fd = open("/proc/self/loginuid", O_RDWR | O_NOFOLLOW), err = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static long session;

static int child(void)
{
	EQUAL(get("loginuid"), 7);
	EQUAL(get("sessionid"), session);
	return t_failures != 0;
}

static int set(void)
{
	EQUAL(put("x"), EINVAL);
	EQUAL(put("7"), 0);
	EQUAL(get("loginuid"), 7);
	session = get("sessionid");
	CHECK(session != 4294967295L);
	EQUAL(t_wait(t_fork(child)), 0);
	return t_failures != 0;
}

T_MAIN
{
	if (get("loginuid") != 4294967295L || get("sessionid") != 4294967295L)
		exit(77); /* somebody has logged in here */
	EQUAL(t_wait(t_fork(set)), 0);
	EQUAL(get("loginuid"), 4294967295L);
}
