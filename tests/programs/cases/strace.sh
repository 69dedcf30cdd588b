# timeout: 120
# What strace sees: calls, signals, children, and that the traced do what they would do without it.
cd /tmp
clean() { sed -E 's/0x[0-9a-f]+/ADDR/g; s/[0-9]{2,}/N/g'; }
strace -f -o t.out -e trace=write,exit_group sh -c 'echo one | cat | tr a-z A-Z; exit 3'; echo status $?
grep -c 'write(1, "one\\n", 4' t.out
grep -c 'write(1, "ONE\\n", 4' t.out
grep -c '+++ exited with 3 +++' t.out
grep -c '+++ exited with 0 +++' t.out
strace -o t.out -e trace=openat cat /etc/hostname /nonexistent >/dev/null 2>&1; echo status $?
grep -E 'hostname|nonexistent' t.out | clean
strace -o t.out -e trace=none -e signal=all sh -c 'trap "echo got" USR1; kill -USR1 $$'
grep -c 'SIGUSR1 {si_signo=SIGUSR1, si_code=SI_USER' t.out
strace -o t.out -e trace=kill -e inject=kill:error=EPERM sh -c 'kill -0 $$; echo $?'
grep -c INJECTED t.out
strace -o t.out -c ls / >/dev/null; grep -c 'getdents64' t.out
strace -f -o t.out -e trace=futex,clone3,clone python3 -c '
import threading
l = []
ts = [threading.Thread(target=lambda: l.append(1)) for i in range(5)]
[t.start() for t in ts]; [t.join() for t in ts]; print(len(l))'
grep -cE 'clone3?\(.*CLONE_THREAD' t.out
sleep 100 & p=$!
strace -q -o t.out -p $p 2>/dev/null & s=$!
for i in $(seq 300); do grep -q TracerPid:.[1-9] /proc/$p/status && break; sleep 0.1; done
grep -c TracerPid:.$s /proc/$p/status
kill $p; wait $p; echo $?; wait $s; echo $?
grep -o 'killed by SIGTERM' t.out
strace --seccomp-bpf -f -o t.out -e trace=mkdir sh -c 'mkdir d1; mkdir d2'; grep -c '^[0-9 ]*mkdir("d' t.out
