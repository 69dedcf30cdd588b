# SPDX-License-Identifier: Apache-2.0
"""table_checks.h, for tests/unit/syscall-tables/test_structs.c: the tables beside the host's headers.

Enumerators can't be seen by #ifdef, so a constant that is one is compared only where the headers
also define a macro of its name; those that libc defines otherwise than the kernel are skipped.
"""

from emit_calls import HEAD

HEADERS = """asm/prctl.h fcntl.h linux/close_range.h linux/falloc.h linux/fs.h linux/futex.h
linux/seccomp.h linux/stat.h linux/mempolicy.h linux/membarrier.h linux/kcmp.h linux/capability.h
mqueue.h netinet/in.h netinet/tcp.h poll.h
sched.h signal.h sys/epoll.h sys/eventfd.h sys/file.h sys/inotify.h sys/ioctl.h sys/ipc.h sys/mman.h
sys/mount.h sys/msg.h sys/prctl.h sys/ptrace.h sys/random.h sys/resource.h sys/sem.h sys/shm.h
sys/socket.h sys/stat.h sys/statfs.h sys/syscall.h sys/sysinfo.h sys/time.h sys/timerfd.h sys/times.h
sys/timex.h sys/uio.h sys/utsname.h sys/wait.h sys/xattr.h time.h unistd.h ustat.h utime.h
linux/aio_abi.h""".split()
# In libc under another name, or not the kernel's.
C_TYPES = {
    "u64": "uint64_t", "s64": "int64_t", "sigset": "uint64_t",
    "struct cap_data": "struct __user_cap_data_struct",
    "struct cap_header": "struct __user_cap_header_struct",
    "struct siginfo": "siginfo_t", "struct sigevent": "struct sigevent", "struct stack": "stack_t",
    "struct mq_attr": "struct mq_attr", "struct timezone": "struct timezone",
}  # fmt: skip
KERNEL_ONLY = {
    "struct cachestat", "struct cachestat_range", "struct futex_waitv", "struct mnt_id_req",
    "struct sigaction", "struct sigset_arg", "struct ustat",
}  # fmt: skip
LIBC_DIFFERS = {"O_LARGEFILE", "TCGETS2", "TCSETS2", "TCSETSW2", "TCSETSF2"}


def table(name, rows):
    return f"static const struct {{\n\tconst char *name;\n\tunsigned long table, host;\n}} {name}[] = {{\n{rows}}};\n\n"


def checks(tables):
    out = HEAD + "#pragma once\n\n"
    out += "".join(f"#if __has_include(<{h}>)\n#include <{h}>\n#endif\n" for h in HEADERS) + "\n"
    rows = ""
    for name, size in tables.structs.items():
        if name not in KERNEL_ONLY:
            rows += f'\t{{ "{name}", {size}, sizeof({C_TYPES.get(name, name)}) }},\n'
    out += table("size_checks", rows)
    rows = ""
    for s in tables.sets.values():
        for name, value in s.values:
            if name not in LIBC_DIFFERS:
                rows += f'#ifdef {name}\n\t{{ "{name}", {value:#x}, (unsigned long)({name}) }},\n#endif\n'
    out += table("value_checks", rows)
    rows = ""
    for r in tables.rows:
        rows += f'#ifdef __NR_{r.name}\n\t{{ "{r.name}", {r.nr}, __NR_{r.name} }},\n#endif\n'
    return out + table("nr_checks", rows)
