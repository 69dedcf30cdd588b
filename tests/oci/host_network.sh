#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# host_network.sh: which containers have the host's network: by config.json, --network and joining another; what stays outside.
# All in a network namespace of the test.  Needs the real Sentry and the machine's programs (the container's root is the host's).
set -u
if [ "${1-}" != --inside ]; then
	[ "$(id -u)" = 0 ] || exit 77
	exec timeout -s KILL 300 unshare -nm --propagation private "$0" --inside
fi
. "$(dirname "$0")/lib.sh"
server=
finish() { [ -z "$server" ] || kill "$server" 2>/dev/null; }

# bundle COMMAND NETWORK [SYSCTL]: NETWORK "" (none in config.json), "new", or a path
bundle() {
	mkdir -p "$T/b"
	python3 - "$T/b/config.json" "$@" <<'P'
import json, sys
out, command, network = sys.argv[1:4]
spaces = [{"type": t} for t in ("pid", "ipc", "uts", "mount")]
if network:
    spaces.append({"type": "network"} if network == "new" else {"type": "network", "path": network})
c = {"ociVersion": "1.0.2", "root": {"path": "/", "readonly": True},
     "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sh", "-c", command], "cwd": "/",
                 "env": ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"]},
     "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
     "linux": {"namespaces": spaces}}
if len(sys.argv) > 4:
    c["linux"]["sysctl"] = {"net.ipv4.ip_local_port_range": sys.argv[4]}
json.dump(c, open(out, "w"))
P
}
run() { $R "$@" run --bundle "$T/b" "c$((++n))" 2>&1 </dev/null; }
n=0

ip link set lo up
sysctl -qw net.ipv4.ip_local_port_range="45000 46000"
python3 -u -c '
import socket
s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(("127.0.0.1", 7070)); s.listen()
while True:
    c = s.accept()[0]; c.sendall(b"host\n"); c.close()' &
server=$!
for i in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/7070) 2>/dev/null && break; sleep 0.1; done
ask="bash -c 'read -r x <>/dev/tcp/127.0.0.1/7070; echo \$x' 2>/dev/null"
ports="tr '\\t' ' ' < /proc/sys/net/ipv4/ip_local_port_range"

bundle "$ask; $ports" ""
is "no network namespace" "$(run)" "host
45000 46000"
is "no network namespace, --network=host" "$(run --network=host)" "host
45000 46000"
is "no network namespace, --network=sandbox" "$(run --network=sandbox)" "
32768 60999"
is "no network namespace, --network=none" "$(run --network=none)" "
32768 60999"
bundle "$ask" /proc/self/ns/net
is "the caller's by path" "$(run)" host
has "the caller's by path, --network=sandbox" "$(run --network=sandbox)" "don't get the host's sockets"
bundle "$ask; $ports" new "41000 42000"
is "one of its own" "$(run)" "
41000 42000"
is "one of its own, --network=host" "$(run --network=host)" "
41000 42000"
bundle true "" "41000 42000"
has "the caller's settings" "$(run)" "needs a private network namespace"
is "the caller's settings stay" "$(sysctl -n net.ipv4.ip_local_port_range | tr '\t' ' ')" "45000 46000"
is "do --network=host" "$($R --network=host do sh -c "$ask")" host
is "do" "$($R do sh -c "$ask")" ""

# Others join: by the network namespace of its monitor, by its pid namespace.
bundle "sleep 100" ""
$R create --bundle "$T/b" first-$$ </dev/null >/dev/null 2>&1 && $R start first-$$
pid=$($R state first-$$ | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
is "exec" "$($R exec first-$$ sh -c "$ask")" host
bundle "$ask" "/proc/$pid/ns/net"
is "joined by the network namespace" "$(run)" host
is "the monitor's network namespace" "$(readlink "/proc/$pid/ns/net")" "$(readlink /proc/self/ns/net)"
# The filter: 8 calls more than without (Seccomp_filters says nothing of what is in them; the unit test does).
sentry=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["sentry"]["pid"])' "$T/root/first-$$/state.json")
is "the Sentry's capabilities" "$(grep CapEff "/proc/$sentry/status" | tr -d '\t')" CapEff:0000000000000000
is "the monitor's capabilities" "$(grep CapEff "/proc/$pid/status" | tr -d '\t')" CapEff:0000000000000020
is "the Sentry's network namespace" "$(readlink "/proc/$sentry/ns/net")" "$(readlink /proc/self/ns/net)"
many() {
	$R exec first-$$ python3 -c '
import socket
for i in range(300):
    s = [socket.socket(2, 1 + k % 2) for k in range(10)]
    s[0].connect(("127.0.0.1", 7070)); s[0].recv(9)
    for x in s: x.close()'
}
many # and the interpreter's files are cached
before=$(ls "/proc/$sentry/fd" | wc -l)
many
after=$(ls "/proc/$sentry/fd" | wc -l)
[ $((after - before)) -lt 20 ]; is "descriptors that are left ($before, $after)" $? 0
$R delete --force first-$$
bundle "sleep 100" new
$R create --bundle "$T/b" second-$$ </dev/null >/dev/null 2>&1 && $R start second-$$
pid=$($R state second-$$ | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
bundle "$ask" /proc/self/ns/net
sed -i "s|{\"type\": \"pid\"}|{\"type\": \"pid\", \"path\": \"/proc/$pid/ns/pid\"}|" "$T/b/config.json"
has "the host's network in a sandbox without" "$(run)" "which has a network of its own"
$R delete --force second-$$
report
