#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# host_sockets.sh: AF_UNIX sockets that programs of the host listen at, below a bind: streams, datagrams, packets,
# half-closing, and NOTIFY_SOCKET.  Needs the real Sentry and the machine's python3 (the container's root is the host's).
set -u
. "$(dirname "$0")/lib.sh"
server=
finish() { [ -z "$server" ] || kill "$server" 2>/dev/null; }

mkdir -p "$T/s" "$T/b"
cat > "$T/server.py" <<'E2'
import os, socket, sys, threading
d = sys.argv[1]
def listen(name, kind):
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(d + "/" + name)
    os.chmod(d + "/" + name, 0o666)
    return s
# stream: everything until the end, then its size and sum back.
def one(c):
    n = t = 0
    while True:
        b = c.recv(65536)
        if not b: break
        n += len(b); t += sum(b)
    try: c.sendall(b"%d %d" % (n, t))
    except OSError: pass
    c.close()
st = listen("stream", socket.SOCK_STREAM); st.listen(20)
def serve():
    while True: threading.Thread(target=one, args=(st.accept()[0],)).start()
sp = listen("packet", socket.SOCK_SEQPACKET); sp.listen(5)
def packets():
    while True:
        c = sp.accept()[0]
        while True:
            b = c.recv(65536)
            if not b: break
            c.send(b"%d" % len(b))
        c.close()
# big: sends 30 MB and closes.
bg = listen("big", socket.SOCK_STREAM); bg.listen(5)
def big():
    while True:
        c = bg.accept()[0]
        try: c.sendall(b"x" * 30000000)
        except OSError: pass
        c.close()
dg = listen("dgram", socket.SOCK_DGRAM)
def datagrams():
    while True:
        b = dg.recv(65536)
        open(d + "/got", "a").write(b.decode() + "|")
sm = listen("storm", socket.SOCK_DGRAM)
def storm():
    while True: sm.recv(10)
ns = listen("notify", socket.SOCK_DGRAM)
def notified():
    while True:
        b = ns.recv(65536)
        open(d + "/notified", "a").write(b.decode().replace("\n", ";") + "|")
for f in serve, packets, big, datagrams, storm, notified: threading.Thread(target=f).start()
open(d + "/up", "w")
E2
python3 "$T/server.py" "$T/s" & server=$!
for i in $(seq 1200); do [ -e "$T/s/up" ] && break; sleep 0.1; done
cat > "$T/s/client.py" <<'E2'
import os, select, socket, sys
def con(name, kind):
    s = socket.socket(socket.AF_UNIX, kind); s.connect("/s/" + name); return s
what = sys.argv[1]
if what == "stream":
    s = con("stream", socket.SOCK_STREAM)
    s.sendall(bytes(range(200)) * 5000); s.shutdown(socket.SHUT_WR)
    print(s.recv(100).decode(), s.recv(10), s.getpeername())
elif what == "many":
    l = [con("stream", socket.SOCK_STREAM) for i in range(40)]
    for i, s in enumerate(l): s.sendall(b"a" * i); s.shutdown(socket.SHUT_WR)
    print(sum(int(s.recv(100).split()[0]) for s in l))
elif what == "poll":
    s = con("stream", socket.SOCK_STREAM); s.setblocking(False)
    p = select.poll(); p.register(s, select.POLLIN)
    print(p.poll(100)); s.shutdown(socket.SHUT_WR); print(len(p.poll(120000)))
elif what == "packet":
    s = con("packet", socket.SOCK_SEQPACKET)
    s.send(b"abc"); s.send(b"d" * 5000); print(s.recv(10).decode(), s.recv(10).decode())
elif what == "big":
    s = con("big", socket.SOCK_STREAM); n = 0
    while True:
        b = s.recv(1000000)
        if not b: break
        n += len(b)
    print(n)
elif what == "leave":
    s = con("big", socket.SOCK_STREAM); print(len(s.recv(1)))
elif what == "dgram":
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(b"one", "/s/dgram"); s.connect("/s/dgram"); s.send(b"two"); s.send(b"three"); print("sent")
elif what == "storm":
    n = 0
    for i in range(1500):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.connect("/s/storm"); s.send(b"x"); s.close(); n += 1
        t = con("stream", socket.SOCK_STREAM); t.send(b"y"); t.close()
    print(n)
elif what == "refused":
    for path, kind in ("/s/dead", socket.SOCK_STREAM), ("/s/stream", socket.SOCK_DGRAM), ("/s/none", socket.SOCK_STREAM):
        try: socket.socket(socket.AF_UNIX, kind).connect(path); print("connected")
        except OSError as e: print(e.strerror)
elif what == "user":
    os.setresuid(1000, 1000, 1000); os.environ.clear()
    try: con("private", socket.SOCK_STREAM); print("connected")
    except OSError as e: print(e.strerror)
elif what == "notify":
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect(os.environ["NOTIFY_SOCKET"]); s.send(b"STATUS=up\nMAINPID=1\nFDSTORE=1\nREADY=1"); print(os.environ["NOTIFY_SOCKET"])
E2
python3 - "$T/s" <<'PY'
import os, socket, sys
for n in "dead", "private":
    s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1] + "/" + n); s.listen(1)
    os.chmod(sys.argv[1] + "/" + n, 0o600)
PY
config() {
	rm -f "$T/b/config.json"
	$R spec --bundle "$T/b"
	python3 - "$T" "$@" <<'PY'
import json, sys
T = sys.argv[1]
c = json.load(open(T + "/b/config.json"))
p = c["process"]
p["terminal"] = False
p["args"] = ["python3", "/s/client.py"] + sys.argv[2:]
for s in "bounding", "effective", "permitted":
    p["capabilities"][s] += ["CAP_SETUID", "CAP_SETGID"]
c["root"] = {"path": T + "/rootfs", "readonly": False}
c["mounts"] += [{"destination": d, "type": "bind", "source": s, "options": ["rbind", "ro"]}
                for d, s in (("/usr", "/usr"), ("/lib", "/lib"), ("/lib64", "/lib64"), ("/s", T + "/s"))]
json.dump(c, open(T + "/b/config.json", "w"))
PY
}
mkdir -p "$T/rootfs/tmp"
ln -s usr/bin "$T/rootfs/bin"
run() { config "$@"; timeout -s KILL 300 $R run -b "$T/b" "s-$1" 2>&1 < /dev/null; }

is "a stream, half closed" "$(run stream)" "1000000 99500000 b'' /s/stream"
is "40 connections" "$(run many)" 780
is "poll" "$(echo $(run poll))" "[] 1"
is "packets" "$(run packet)" "3 5000"
is "30 MB from the host" "$(run big)" 30000000
is "leaving early" "$(run leave)" 1
is "datagrams" "$(run dgram)" sent
for i in $(seq 1200); do [ "$(cat "$T/s/got" 2>/dev/null)" = "one|two|three|" ] && break; sleep 0.1; done
is "datagrams arrived" "$(cat "$T/s/got")" "one|two|three|"
is "3000 that are closed at once" "$(run storm)" 1500
is "refusals" "$(echo $(run refused))" "Connection refused Protocol wrong type for socket No such file or directory"
is "permissions" "$(run user)" "Permission denied"
is "NOTIFY_SOCKET" "$(NOTIFY_SOCKET=$T/s/notify run notify)" "$T/s/notify/notify"
for i in $(seq 1200); do [ "$(cat "$T/s/notified" 2>/dev/null)" = "STATUS=up;READY=1|" ] && break; sleep 0.1; done
is "the manager was told" "$(cat "$T/s/notified")" "STATUS=up;READY=1|"
is "nothing left" "$(ls "$T/root")" ""
report
