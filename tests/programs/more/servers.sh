# timeout: 120
# dbus-daemon, haproxy, memcached, cron, busybox httpd, socat, lsof: over Unix sockets.
exec 2> /dev/null; cd /root; echo == dbus
dbus-run-session -- sh -c 'dbus-send --session --print-reply=literal --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId | wc -w; dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames | grep -c string; dbus-send --session --print-reply --dest=no.such.Name / a.b.C 2>&1 | cut -d: -f1; dbus-send --session --print-reply=literal --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetConnectionUnixUser string:org.freedesktop.DBus'; echo $?
mkdir -p /run/dbus; dbus-daemon --system --fork --print-address | cut -d, -f1; dbus-send --system --print-reply=literal --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.DBus | awk '{print $1}'; kill $(cat /run/dbus/pid)
echo == memcached
memcached -u nobody -s /tmp/mc -a 0777 -t 4 -d -P /tmp/mc.pid; sleep 0.5; python3 - <<'X'
import socket, threading
def work(n):
    s = socket.socket(socket.AF_UNIX); s.connect("/tmp/mc"); f = s.makefile("rwb")
    for i in range(200):
        f.write(b"set k%d_%d 0 0 5\r\nvalue\r\n" % (n, i)); f.flush(); assert f.readline() == b"STORED\r\n"
        f.write(b"get k%d_%d\r\n" % (n, i)); f.flush(); f.readline(); assert f.readline() == b"value\r\n"; f.readline()
t = [threading.Thread(target=work, args=(n,)) for n in range(6)]; [x.start() for x in t]; [x.join() for x in t]
s = socket.socket(socket.AF_UNIX); s.connect("/tmp/mc"); s.send(b"stats\r\n"); b = b""
while not b.endswith(b"END\r\n"): b += s.recv(65536)
d = dict(l.split()[1:3] for l in b.decode().splitlines() if l.startswith("STAT ") and len(l.split()) == 3); print(d["cmd_set"], d["get_hits"], d["curr_items"], d["threads"])
X
kill $(cat /tmp/mc.pid); sleep 0.3
echo == haproxy
cat > h.cfg <<'X'
global
  stats socket /tmp/hs mode 600 level admin expose-fd listeners
  pidfile /tmp/h.pid
  nbthread 2
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend f
  bind unix@/tmp/front
  default_backend b
backend b
  balance roundrobin
  server s1 unix@/tmp/b1
  server s2 unix@/tmp/b2 
X
mkdir -p www1 www2; echo one > www1/index.html; echo two > www2/index.html
for n in 1 2; do socat UNIX-LISTEN:/tmp/b$n,fork,backlog=100 EXEC:"busybox httpd -i -h /root/www$n" & done; sleep 0.3
haproxy -W -D -f h.cfg; sleep 0.7; for i in 1 2 3 4; do curl -s --unix-socket /tmp/front http://x/; done; for i in $(seq 20); do curl -s -o /dev/null -w '%{http_code}\n' --unix-socket /tmp/front http://x/ & done | sort | uniq -c | tr -s ' '
echo 'show stat' | socat - UNIX-CONNECT:/tmp/hs | cut -d, -f1,2,18 | grep ^b; kill -USR2 $(head -1 /tmp/h.pid); sleep 1; curl -s --unix-socket /tmp/front http://x/ | wc -l; echo 'disable server b/s1' | socat - UNIX-CONNECT:/tmp/hs; for i in 1 2; do curl -s --unix-socket /tmp/front http://x/; done; lsof -U -a -c haproxy 2>/dev/null | grep -c /tmp/front; kill $(head -1 /tmp/h.pid); sleep 0.5
for j in $(jobs -p); do kill $j; done; wait 2>/dev/null; printf 'GET /none HTTP/1.0\r\n\r\n' | busybox httpd -i -h www1 | head -1 | tr -d '\r'
