/* SPDX-License-Identifier: Apache-2.0 */
/* txtbsy.c: open(2), truncate(2), execve(2): who runs can't be written, who is written can't be run. */
#include "t.h"

#define SELF   "/proc/self/exe"
#define SCRIPT "t_txtbsy.sh"

static int run_script(void)
{
	execl("./" SCRIPT, SCRIPT, (char *)NULL);
	return errno;
}

T_MAIN
{
	struct stat st;
	int w, fd;

	FAILS(ETXTBSY, open(SELF, O_WRONLY));
	FAILS(ETXTBSY, open(SELF, O_RDWR));
	FAILS(ETXTBSY, open(SELF, O_RDONLY | O_TRUNC));
	FAILS(ETXTBSY, open(SELF, O_ACCMODE | O_TRUNC));
	FAILS(ETXTBSY, creat(SELF, 0755));
	FAILS(ETXTBSY, truncate(SELF, 0));
	EQUAL(stat(SELF, &st), 0);
	CHECK(st.st_size > 4096);

	EQUAL(chdir("/tmp"), 0);
	unlink(SCRIPT);
	w = open(SCRIPT, O_WRONLY | O_CREAT | O_EXCL, 0755);
	EQUAL(write(w, "#!/bin/sh\nexit 3\n", 17), 17);
	EQUAL(t_wait(t_fork(run_script)), ETXTBSY);
	close(w);
	EQUAL(t_wait(t_fork(run_script)), 3);

	/* Truncated by an open for reading: its writer only as long as that took. */
	fd = open(SCRIPT, O_RDONLY | O_TRUNC);
	CHECK(fd >= 0);
	EQUAL(fstat(fd, &st), 0);
	EQUAL(st.st_size, 0);
	w = open(SCRIPT, O_WRONLY);
	EQUAL(write(w, "#!/bin/sh\nexit 4\n", 17), 17);
	close(w);
	EQUAL(t_wait(t_fork(run_script)), 4);
	close(fd);
	EQUAL(unlink(SCRIPT), 0);
}
