#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# seccomp.sh: linux.seccomp is in force for the container's init and for exec'd processes.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/runsc-c}
T=$(mktemp -d /tmp/runsc-c-seccomp.XXXXXX)
cleanup() {
	for i in $(ls "$T/root" 2>/dev/null); do $RUNSC --root "$T/root" delete --force "$i"; done
	rm -rf --one-file-system "$T"
}
trap cleanup EXIT
R="$RUNSC --root $T/root"
pass=0 fail=0
same() { if [ "$2" = "$3" ]; then pass=$((pass + 1)); else echo "FAIL: $1: got \"$2\", not \"$3\""; fail=$((fail + 1)); fi; }
mkdir -p "$T/rootfs/bin" "$T/rootfs/tmp" "$T/rootfs/proc" "$T/rootfs/dev" "$T/rootfs/sys"
cp "${BUSYBOX:-/bin/busybox}" "$T/rootfs/bin/busybox"
ln -s busybox "$T/rootfs/bin/sh"
bundle() { # NAME COMMAND SECCOMP (Python)
	mkdir -p "$T/$1"; rm -f "$T/$1/config.json"
	$R spec --bundle "$T/$1"
	python3 - "$T/$1/config.json" "$2" "$3" "$T/rootfs" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c['process']['terminal'] = False
c['root'] = {'path': sys.argv[4]}
c['process']['args'] = ['sh', '-c', sys.argv[2]]
names = ["access","arch_prctl","brk","chdir","clone","clone3","close","dup","dup2","execve","exit",
 "exit_group","faccessat","fcntl","fork","fstat","futex","getcwd","getdents64","getpid","getppid","geteuid","getuid",
 "getegid","getgid","getpgid","getpgrp","getrandom","ioctl","kill","lseek","lstat","mmap","mprotect","munmap","nanosleep",
 "newfstatat","open","openat","pipe","pipe2","poll","ppoll","prctl","pread64","prlimit64","read","readlink","rseq",
 "rt_sigaction","rt_sigprocmask","rt_sigreturn","sched_yield","set_robust_list","set_tid_address","setpgid",
 "stat","statx","sysinfo","uname","vfork","wait4","write","writev","no_such_call"]
c['linux']['seccomp'] = eval(sys.argv[3])
json.dump(c, open(sys.argv[1], 'w'))
PY
}
run() { $R run -b "$T/$1" "seccomp-$1-$$" 2>&1; }

bundle deny 'busybox mkdir /tmp/x; busybox grep Seccomp /proc/self/status | busybox tr "\n\t" "; "' \
	'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
same "a call denied" "$(run deny)" "mkdir: can't create directory '/tmp/x': No space left on device
Seccomp: 2;Seccomp_filters: 1;"

bundle allow 'echo one; busybox mkdir /tmp/y; echo $(busybox cat /proc/uptime | busybox wc -l)' \
	'{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_ARM"], "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]}'
same "an allow list" "$(run allow)" "one
mkdir: can't create directory '/tmp/y': Operation not permitted
1"

bundle args 'busybox kill -0 $$; echo $?; busybox kill -28 $$; echo $?' \
	'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": [{"index": 1, "value": 28, "op": "SCMP_CMP_EQ"}]}]}'
same "conditions on arguments" "$(run args)" "0
kill: can't kill pid 1: Input/output error
1"

bundle kill 'busybox mkdir /tmp/z; echo $?' \
	'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}'
same "a process killed" "$(run kill | tail -1)" 159

bundle exec 'busybox sleep 100' \
	'{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
$R create -b "$T/exec" s-exec-$$ </dev/null >/dev/null 2>&1 && $R start s-exec-$$
same "exec'd processes too" "$($R exec s-exec-$$ busybox mkdir /tmp/q 2>&1)" "mkdir: can't create directory '/tmp/q': No space left on device"
$R kill s-exec-$$ KILL; for _ in $(seq 1000); do $R delete s-exec-$$ 2>/dev/null && break; sleep 0.05; done

bundle notify 'echo no' '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}'
same "notifications are refused" "$(run notify | grep -c 'seccomp.syscalls\[0\].action: SCMP_ACT_NOTIFY is not supported')" 1
bundle bad 'echo no' '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 9, "value": 1, "op": "SCMP_CMP_EQ"}]}]}'
same "a bad index" "$(run bad | grep -c 'seccomp.syscalls\[0\].args\[0\].index')" 1

echo "seccomp: $pass passed, $fail failed"
[ $fail = 0 ]
