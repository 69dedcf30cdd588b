# timeout: 120
# qemu-user and valgrind: programs that run programs.
exec 3>&2 2>/dev/null; cd /root; qemu-x86_64-static /bin/echo emulated; qemu-x86_64-static /bin/bash -c 'for i in 1 2 3; do echo $i | cat; done; (exit 3); echo $?; kill -USR1 $$ 2>/dev/null; echo not here' 2> /dev/null; echo status $?
qemu-x86_64-static /usr/bin/python3 -c 'import threading, os, signal; l = []; t = [threading.Thread(target=l.append, args=(i,)) for i in range(5)]; [x.start() for x in t]; [x.join() for x in t]; print(sorted(l)); signal.signal(signal.SIGUSR1, lambda *a: print("usr1")); os.kill(os.getpid(), signal.SIGUSR1); r, w = os.pipe(); p = os.fork(); p or (os.write(w, b"child"), os._exit(4)); print(os.read(r, 9), os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))'
valgrind -q /bin/ls /usr/share/common-licenses | head -3; valgrind -q --error-exitcode=9 /bin/sh -c 'echo under valgrind | cat'; echo status $?
valgrind --leak-check=full /bin/true 2>&1 | grep -oE 'ERROR SUMMARY: [0-9]+ errors'; valgrind -q --tool=none /usr/bin/python3 -c 'import threading; l = []; [threading.Thread(target=l.append, args=(1,)).start() for i in range(4)]; print(len(l))' ; valgrind --tool=callgrind --callgrind-out-file=/dev/null /bin/true 2>&1 | grep -c Collected
{ valgrind -q /bin/sh -c 'kill -SEGV $$'; } > /dev/null 2>&1; echo status $?
