#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# host_sockets.sh: AF_UNIX sockets that programs of the host listen at, below a bind: streams, datagrams, packets,
# half-closing, and NOTIFY_SOCKET; the other way round, those that programs inside listen at, for the host and for another
# container on the same directory; --host-uds.  Needs the real Sentry and the machine's python3 (the container's root is the host's).
set -u
. "$(dirname "$0")/lib.sh"
server=
finish() { [ -z "$server" ] || kill "$server" 2>/dev/null; }

mkdir -p "$T/s" "$T/w" "$T/b"
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
p["args"] = ["python3"] + sys.argv[2:]
for s in "bounding", "effective", "permitted":
    p["capabilities"][s] += ["CAP_SETUID", "CAP_SETGID"]
c["root"] = {"path": T + "/rootfs", "readonly": False}
c["mounts"] += [{"destination": d, "type": "bind", "source": s, "options": ["rbind", "ro"]}
                for d, s in (("/usr", "/usr"), ("/lib", "/lib"), ("/lib64", "/lib64"), ("/s", T + "/s"))]
c["mounts"] += [{"destination": "/w", "type": "bind", "source": T + "/w", "options": ["rbind", "rw"]}]
json.dump(c, open(T + "/b/config.json", "w"))
PY
}
mkdir -p "$T/rootfs/tmp"
ln -s usr/bin "$T/rootfs/bin"
run() { config /s/client.py "$@"; timeout -s KILL 300 $R $flags run -b "$T/b" "s-$1-$$" 2>&1 < /dev/null; }
flags=

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

# The other way: a program inside listens (inside.py serve), programs of the host (inside.py NAME) connect.
cat > "$T/s/inside.py" <<'E2'
import os, socket, struct, sys, threading, time
what, d = sys.argv[1:3]
def sock(kind): return socket.socket(socket.AF_UNIX, kind)
def con(name, kind=socket.SOCK_STREAM):
    s = sock(kind); s.connect(d + "/" + name); return s
def refused(name, kind=socket.SOCK_STREAM):
    try: con(name, kind); return "connected"
    except OSError as e: return e.strerror
if what == "serve":
    def listen(name, kind=socket.SOCK_STREAM, backlog=20):
        s = sock(kind); s.bind(d + "/" + name)
        if kind != socket.SOCK_DGRAM: s.listen(backlog)
        return s
    def one(c):
        n = t = 0
        while True:
            b = c.recv(65536)
            if not b: break
            n += len(b); t += sum(b)
        c.sendall(b"%d %d" % (n, t)); c.close()
    st = listen("stream")
    def serve():
        while True: threading.Thread(target=one, args=(st.accept()[0],)).start()
    sp = listen("packet", socket.SOCK_SEQPACKET)
    def packets():
        while True:
            c = sp.accept()[0]
            while True:
                b = c.recv(65536)
                if not b: break
                c.send(b"%d" % len(b))
            c.close()
    bg = listen("big")
    def big():
        while True:
            c = bg.accept()[0]
            try: c.sendall(b"x" * 30000000)
            except OSError: pass
            c.close()
    who = listen("who")
    def ask():
        while True:
            c, a = who.accept()
            c.sendall(repr((a, who.getsockname(), struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))).encode()); c.close()
    dg = listen("dgram", socket.SOCK_DGRAM)
    def datagrams():
        while True:
            b, a = dg.recvfrom(300000)
            open(d + "/got", "a").write("%d:%s:%s|" % (len(b), b[:5].decode(), a))
    pv = listen("private"); os.chmod(d + "/private", 0o600)
    bo = sock(socket.SOCK_STREAM); bo.bind(d + "/bound")
    go = listen("gone"); os.unlink(d + "/gone")
    cl = listen("closed"); cl.close()
    mv = listen("moved"); os.rename(d + "/moved", d + "/renamed")
    os.chdir(d); lo = sock(socket.SOCK_STREAM); lo.bind("n" * 106); lo.listen(1)
    fl = listen("full", backlog=3)
    def full():
        while not os.path.exists(d + "/go"): time.sleep(0.05)
        l = []
        while len(l) < 200:
            c = fl.accept()[0]; c.sendall(b"in"); l.append(c)
        open(d + "/all", "w")
        while True: time.sleep(100)
    for f in serve, packets, big, ask, datagrams, full: threading.Thread(target=f).start()
    open(d + "/up", "w")
elif what == "stream":
    s = con("stream"); s.sendall(bytes(range(200)) * 5000); s.shutdown(socket.SHUT_WR); print(s.recv(100).decode(), s.recv(10))
elif what == "many":
    l = [con("stream") for i in range(40)]
    for i, s in enumerate(l): s.sendall(b"a" * i); s.shutdown(socket.SHUT_WR)
    print(sum(int(s.recv(100).split()[0]) for s in l))
elif what == "packet":
    s = con("packet", socket.SOCK_SEQPACKET); s.send(b"abc"); s.send(b"d" * 5000); print(s.recv(10).decode(), s.recv(10).decode())
elif what == "big":
    s = con("big"); n = 0
    while True:
        b = s.recv(1000000)
        if not b: break
        n += len(b)
    print(n)
elif what == "leave":
    for i in range(300): con("big").recv(1)
    print("left")
elif what == "who":
    print(con("who").recv(200).decode())
elif what == "dgram":
    s = sock(socket.SOCK_DGRAM); s.sendto(b"one", d + "/dgram"); s.connect(d + "/dgram"); s.send(b""); s.send(b"three" * 20000)
    for i in range(50): s.send(b"%05d" % i)
elif what == "refusals":
    print(",".join([refused(n) for n in ("bound", "gone", "closed")] + [refused("stream", socket.SOCK_DGRAM), refused("renamed")]))
elif what == "user":
    os.setresuid(1000, 1000, 1000); print(refused("private"))
elif what == "full":
    l = [con("full") for i in range(100)]
    threading.Thread(target=lambda: (time.sleep(0.3), open(d + "/go", "w"))).start()
    l += [con("full") for i in range(100)]
    print(len([s for s in l if s.recv(2) == b"in"]))
elif what == "one":
    print(refused(sys.argv[3]))
E2
serve() { # FLAGS…: in the background
	config /s/inside.py serve /w
	rm -rf "$T"/w/*
	$R "$@" run -d -b "$T/b" "serve-$$" > "$T/serve" 2>&1 < /dev/null || cat "$T/serve"
	becomes "a server inside" 'ls "$T/w" | grep -cx up' 1
	[ -e "$T/w/up" ]
}
outside() { timeout -s KILL 300 python3 "$T/s/inside.py" "$1" "$T/w" "${@:2}" 2>&1; }
chmod 755 "$T"
serve || { report; exit 1; }
is "inwards: a stream, half closed" "$(outside stream)" "1000000 99500000 b''"
is "inwards: 40 connections" "$(outside many)" 780
is "inwards: packets" "$(outside packet)" "3 5000"
is "inwards: 30 MB" "$(outside big)" 30000000
is "inwards: 300 that leave early" "$(outside leave)" left
is "inwards: who it is" "$(outside who)" "('', '/w/who', (0, -1, -1))"
is "inwards: more than the backlog" "$(outside full)" 200
outside dgram
becomes "inwards: datagrams" 'tr "|" "\n" < "$T/w/got" | wc -l' 53
is "inwards: which" "$(head -c 60 "$T/w/got")" "$(printf '3:one:None|0::None|100000:three:None|5:00000:None|5:00001:None' | head -c 60)"
is "inwards: refusals" "$(outside refusals)" "Connection refused,No such file or directory,Connection refused,Protocol wrong type for socket,connected"
is "inwards: permissions" "$(outside user)" "Permission denied"
# Too long for the Gofer to bind: a name as before, that nobody listens at.
is "inwards: a long name" "$(cd "$T/w" && python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("n" * 106)' 2>&1 | tail -n 1)" \
	"ConnectionRefusedError: [Errno 111] Connection refused"
is "inwards: programs inside as ever" "$($R exec "serve-$$" python3 /s/inside.py stream /w)" "1000000 99500000 b''"
# Another container, with a Sentry of its own, on the same directory.
other() { config /s/inside.py "$1" /w; timeout -s KILL 300 $R run -b "$T/b" "other-$1-$$" 2>&1 < /dev/null; }
is "another container: a stream" "$(other stream)" "1000000 99500000 b''"
is "another container: packets" "$(other packet)" "3 5000"
is "another container: 30 MB" "$(other big)" 30000000
$R kill "serve-$$" KILL
becomes "the server's end" '$R state "serve-$$" | grep -c stopped' 1
is "nobody listens" "$(outside one stream)" "Connection refused"
$R delete "serve-$$"
serve --host-uds=open
is "--host-uds=open: not inwards" "$(outside one stream)" "Connection refused"
$R delete --force "serve-$$"
flags=--host-uds=open; is "--host-uds=open: outwards" "$(run packet)" "3 5000"
flags=--host-uds=create; is "--host-uds=create: not outwards" "$(run packet 2>&1 | grep -o 'refused$')" refused
is "--host-uds=other" "$($R --host-uds=other list 2>&1)" 'runsc-c: --host-uds: unknown value "other"; it is one of none, open, create, all'
is "nothing left" "$(ls "$T/root")" ""
report
