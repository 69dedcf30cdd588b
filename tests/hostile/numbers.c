/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls by odd ways and numbers: from a page mapped just now, int 0x80, x32's bit, unknown and
 * negative numbers, the doorbell's number, the vsyscall page.
 */
#include "h.h"

static void mapped(void)
{
	uint8_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long (*f)(void) = (long (*)(void))m;

	memcpy(m, "\xb8\x27\x00\x00\x00\x0f\x05\xc3", 8);
	CHECK(f() == getpid());
	memcpy(m, "\xb8\x3f\x00\x00\x00\x0f\x05\xc3", 8); /* uname */
	CHECK(((long (*)(long))m)(1) == -EFAULT);
}

static void int80(void)
{
	for (long nr = 0; nr < 500; nr++) {
		long ret;

		__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(0L), "c"(0L), "d"(0L)
				 : "memory", "r8", "r9", "r10", "r11");
		CHECK(ret == -ENOSYS);
	}
}

static void odd(void)
{
	static const long bits[] = { 0x40000000, 0x80000000, -1, 0x100000000, -4096, 0x7fffffff };

	for (size_t b = 0; b < sizeof(bits) / sizeof(*bits); b++) {
		for (long nr = 0; nr < 600; nr += 7) {
			long r = raw(nr | bits[b], -1, -1, -1, -1, -1, -1);

			if (bits[b] != 0x100000000)
				CHECK(r == -ENOSYS);
		}
	}
	for (long nr = 470; nr < 1100; nr++)
		CHECK(raw(nr, 1, 2, 3, 4, 5, 6) == -ENOSYS);
}

/* Every number with arguments that mean nothing: no result is asked for, only that it comes back. */
static void every(long arg)
{
	for (long nr = 0; nr < 470; nr++) {
		switch (nr) {
		case SYS_exit: case SYS_exit_group: case SYS_pause: case SYS_rt_sigreturn:
		case SYS_rt_sigsuspend: case SYS_fork: case SYS_vfork: case SYS_clone: case SYS_clone3:
		case SYS_munmap: case SYS_mprotect: case SYS_mremap: case SYS_kill: case SYS_tkill:
		case SYS_select: case SYS_poll: case SYS_ppoll: case SYS_pselect6: case SYS_brk:
		case SYS_read: case SYS_rt_sigtimedwait: case SYS_close_range: case SYS_close: case SYS_reboot:
			continue;
		}
		alarm(2);
		(void)raw(nr, arg, arg, arg, arg, arg, arg);
	}
	alarm(0);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void every_zero(void) { signal(SIGALRM, on_alarm); every(0); }
static void every_minus(void) { signal(SIGALRM, on_alarm); every(-1); }
static void every_one(void) { signal(SIGALRM, on_alarm); every(1); }
static void every_high(void) { signal(SIGALRM, on_alarm); every((long)0x8000000000000000); }
static void every_stub(void) { signal(SIGALRM, on_alarm); every((long)STUB_TEXT); }
static void every_channel(void) { signal(SIGALRM, on_alarm); every((long)(STUB_CHANNEL + STUB_SLOT(0))); }
static void every_5(void) { signal(SIGALRM, on_alarm); every(0x5555555555555555); }

static void vsyscall(void)
{
	long (*t)(void *) = (long (*)(void *))0xffffffffff600400;

	(void)t(NULL); /* time(2), or SIGSEGV where the host has none */
}

static void vsyscall_bad(void)
{
	for (long a = 0; a < 4096; a += 8) {
		if (fork() == 0) {
			((void (*)(void *, long))(0xffffffffff600000 + (unsigned long)a))((void *)1, 1);
			_exit(0);
		}
		if (a % 512 == 0)
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int main(void)
{
	attack("mapped code", mapped, 5);
	attack("int 0x80", int80, 5);
	attack("odd numbers", odd, 10);
	attack("every call with 0", every_zero, 20);
	attack("every call with -1", every_minus, 20);
	attack("every call with 1", every_one, 20);
	attack("every call with a non-canonical address", every_high, 20);
	attack("every call with 0x55…", every_5, 20);
	if (have_stub()) {
		attack("every call with the stub's text", every_stub, 20);
		attack("every call with its own slot", every_channel, 20);
	}
	attack("vsyscall", vsyscall, 5);
	attack("vsyscall page", vsyscall_bad, 20);
	return failures != 0;
}
