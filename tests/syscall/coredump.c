/* SPDX-License-Identifier: Apache-2.0 */
/* core(5): who leaves a core file, and what is in it. */
#include "t.h"

#include <elf.h>
#include <sys/prctl.h>
#include <sys/procfs.h>

static char dir[] = "/tmp/core.XXXXXX";
static char mark[] = "a mark that is in no text segment";

static int die(void)
{
	mark[0] = 'A';
	abort();
}

static int undumpable(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	abort();
}

static int status_of(int (*fn)(void))
{
	int status = 0;
	pid_t pid = t_fork(fn);

	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

/* The XSAVE note begins as ptrace(2) shows it: XCR0 at 464, where a signal frame has other things. */
static void look_xstate(int fd, const Elf64_Phdr *p)
{
	off_t at = (off_t)p->p_offset, end = at + (off_t)p->p_filesz;
	Elf64_Nhdr h;
	uint64_t xcr0;

	for (; at < end; at += (off_t)(sizeof(h) + ((h.n_namesz + 3) & ~3u) + ((h.n_descsz + 3) & ~3u))) {
		CHECK(pread(fd, &h, sizeof(h), at) == sizeof(h));
		if (h.n_type != 0x202 /* NT_X86_XSTATE */)
			continue;
		CHECK(h.n_descsz >= 576 && h.n_descsz % 8 == 0);
		CHECK(pread(fd, &xcr0, 8, at + (off_t)sizeof(h) + ((h.n_namesz + 3) & ~3) + 464) == 8);
		EQUAL(xcr0 & 3, 3);
		EQUAL(xcr0 >> 32, 0);
	}
}

/* The status note tells of SIGABRT, and a segment has our variable. */
static void look(int fd)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;
	char text[sizeof(mark)] = "";
	int notes = 0;

	EQUAL(read(fd, &e, sizeof(e)), sizeof(e));
	CHECK(!memcmp(e.e_ident, ELFMAG, SELFMAG) && e.e_type == ET_CORE);
	for (int i = 0; i < e.e_phnum; i++) {
		CHECK(pread(fd, &p, sizeof(p), (off_t)(e.e_phoff + (size_t)i * sizeof(p))) == sizeof(p));
		if (p.p_type == PT_NOTE) {
			struct __attribute__((packed)) { Elf64_Nhdr h; char name[8]; struct elf_prstatus st; } n;

			CHECK(pread(fd, &n, sizeof(n), (off_t)p.p_offset) == sizeof(n));
			EQUAL(n.h.n_type, NT_PRSTATUS);
			EQUAL(n.st.pr_cursig, SIGABRT);
			look_xstate(fd, &p);
			notes++;
		}
		if (p.p_type == PT_LOAD && (uintptr_t)mark >= p.p_vaddr &&
		    (uintptr_t)mark + sizeof(mark) <= p.p_vaddr + p.p_filesz)
			CHECK(pread(fd, text, sizeof(text),
				    (off_t)(p.p_offset + (uintptr_t)mark - p.p_vaddr)) == sizeof(text));
	}
	EQUAL(notes, 1);
	CHECK(text[0] == 'A' && !strcmp(text + 1, mark + 1));
}

T_MAIN
{
	struct rlimit none = { 0, RLIM_INFINITY }, all = { 64 << 20, RLIM_INFINITY };
	char pattern[8] = "";
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY), s;

	CHECK(read(fd, pattern, sizeof(pattern) - 1) > 0);
	close(fd);
	getrlimit(RLIMIT_CORE, &all);
	none.rlim_max = all.rlim_max;
	all.rlim_cur = all.rlim_max;
	if (strcmp(pattern, "core\n") || all.rlim_max < 64 << 20)
		exit(77);
	CHECK(mkdtemp(dir) && chdir(dir) == 0);
	setrlimit(RLIMIT_CORE, &none);
	s = status_of(die);
	CHECK(WTERMSIG(s) == SIGABRT && !WCOREDUMP(s));
	setrlimit(RLIMIT_CORE, &all);
	s = status_of(undumpable);
	CHECK(WTERMSIG(s) == SIGABRT && !WCOREDUMP(s));
	FAILS(ENOENT, open("core", O_RDONLY));
	s = status_of(die);
	CHECK(WTERMSIG(s) == SIGABRT && WCOREDUMP(s));
	fd = open("core", O_RDONLY);
	CHECK(fd >= 0);
	look(fd);
	unlink("core");
	CHECK(mkdir("core", 0755) == 0);
	s = status_of(die);
	CHECK(WTERMSIG(s) == SIGABRT && !WCOREDUMP(s));
	rmdir("core");
	chdir("/");
	rmdir(dir);
}
