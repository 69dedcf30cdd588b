#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# network_change.sh: what the host changes in the network namespace of a running container (docker network connect):
# interfaces, addresses, routes that come and go are seen inside, what was made inside stays, connections live on.
# Needs the real Sentry, a busybox and iproute2; run in a mount and a network namespace of its own.
set -u
command -v ip nsenter > /dev/null || { echo "network_change: skipped: no iproute2"; exit 77; }
. "$(dirname "$0")/lib.sh"
ping() { "$BUSYBOX" ping "$@"; }
x() { timeout -s KILL 60 $R exec $C "$@" < /dev/null; }
ns() { nsenter -t "$P" -n "$@"; }
links() { echo $(x ls /sys/class/net); }
addrs() { echo $(x ip -o -4 addr show "$1" | awk '{print $4}' | sort); }
routes() { echo $(x ip route | grep -v scope | sort); }
ways() { echo $(x sh -c 'for i in $(seq 1 40); do ip route get 10.80.0.$i; done' | grep -o 'dev eth[0-9]*' | cut -d ' ' -f 2 | sort -u); }
fds() { ls "/proc/$1/fd" | wc -l; }
pids() { python3 -c "import json;s=json.load(open('$T/root/$C/state.json'));print(s['monitor']['pid'], s['sentry']['pid'])"; }
# connect N [INDEX]: as Docker does: made outside, moved in, renamed, addressed, up.
connect() {
	ip link add "out$1" address "02:00:00:00:$1:01" type veth peer name "tmp$1" ${2:+index "$2"} address "02:00:00:00:$1:02"
	ip addr add "10.9.$1.1/24" dev "out$1"; ip link set "out$1" up
	ip link set "tmp$1" netns "$P"
	ns ip link set "tmp$1" name "eth$1"; ns ip addr add "10.9.$1.2/24" dev "eth$1"; ns ip link set "eth$1" up
}

mkdir -p "$T"/b/rootfs/{bin,dev,proc,sys,tmp}
cp "$BUSYBOX" "$T/b/rootfs/bin/busybox"
for n in sh ls cat sleep ip awk nc ping md5sum head seq; do ln -s busybox "$T/b/rootfs/bin/$n"; done
$R spec --bundle "$T/b"
python3 - "$T" <<'PY'
import json, sys
T = sys.argv[1]
c = json.load(open(T + "/b/config.json"))
c["process"]["terminal"] = False
c["process"]["args"] = ["sleep", "1000"]
c["root"]["readonly"] = False
c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
for s in "bounding", "effective", "permitted":
    c["process"]["capabilities"][s] += ["CAP_NET_ADMIN", "CAP_NET_RAW"]
json.dump(c, open(T + "/b/config.json", "w"))
PY
ip link set lo up
$R create -b "$T/b" --pid-file "$T/pid" $C < /dev/null > "$T/log" 2>&1 || { cat "$T/log"; exit 1; }
P=$(cat "$T/pid")
connect 10
connect 12
ns ip route add 10.82.0.0/16 nexthop via 10.9.12.1 nexthop via 10.9.10.1
ns ip link set eth12 down
ns ip route add 10.81.0.0/16 $(for i in $(seq 3 102); do echo nexthop via 10.9.10.$i; done)
$R start $C
ways_of() { echo $(x sh -c "for i in \$(seq 1 40); do ip route get 10.$1.0.\$i; done" | grep -o 'via 10[0-9.]*' | sort -u | wc -l); }
is "a hundred next hops" "$(($(ways_of 81) > 10))" 1
is "one of two next hops is down" "$(ways_of 82)" 1
ns ip link set eth12 up # where it goes on
becomes "now both" "ways_of 82" 2
ip link del out12; ns ip route del 10.81.0.0/16
becomes "gone" "links" "eth10 lo"
is "before start: an interface" "$(links)" "eth10 lo"
is "before start: its address" "$(addrs eth10)" 10.9.10.2/24
is "it answers" "$(ping -c 1 -W 20 10.9.10.2 | grep -c ' 0% packet loss')" 1
read -r monitor sentry <<< "$(pids)"

# A connection that lives through all that follows.
x nc -l -p 7000 -e /bin/sh -c 'head -c 300000 /dev/zero; sleep 4; head -c 700000 /dev/zero' & server=$!
becomes "the server listens" "x cat /proc/net/tcp /proc/net/tcp6 | grep -c ':1B58 .* 0A '" 1
"$BUSYBOX" nc 10.9.10.2 7000 < /dev/null > "$T/got" & client=$!

connect 11
becomes "a new interface" links "eth10 eth11 lo"
becomes "its address" "addrs eth11" 10.9.11.2/24
is "it answers" "$(ping -c 1 -W 20 10.9.11.2 | grep -c ' 0% packet loss')" 1
is "and asks" "$(x ping -c 1 -W 20 10.9.11.1 | grep -c ' 0% packet loss')" 1
ns ip addr add 10.9.11.3/24 dev eth11; ns ip addr add 10.9.12.3/24 dev eth11
becomes "more addresses" "addrs eth11" "10.9.11.2/24 10.9.11.3/24 10.9.12.3/24"
is "one of them answers" "$(ping -c 1 -W 20 10.9.11.3 | grep -c ' 0% packet loss')" 1
ns ip addr del 10.9.12.3/24 dev eth11
becomes "one less" "addrs eth11" "10.9.11.2/24 10.9.11.3/24"
ns ip route add default via 10.9.11.1
becomes "a route" routes "default via 10.9.11.1 dev eth11"
ns ip route replace default via 10.9.10.1
becomes "another" routes "default via 10.9.10.1 dev eth10"
ns ip route add 10.80.0.0/16 nexthop via 10.9.10.1 weight 3 nexthop via 10.9.11.1
becomes "a route with two next hops" ways "eth10 eth11"
ns ip route replace 10.80.0.0/16 nexthop via 10.9.11.1 nexthop via 10.9.11.4
becomes "two others" ways "eth11"
ns ip route del 10.80.0.0/16
becomes "none" ways "eth10" # the default route
ns ip -6 addr add 2001:db8:a::2/64 dev eth11 nodad
ns ip nexthop add id 7 via 2001:db8:a::1 dev eth11; ns ip nexthop add id 8 group 7; ns ip -6 route add 2001:db8:b::/64 nhid 8
becomes "a route by a group of one next hop" "x ip -6 route | grep -o '2001:db8:b::/64 via 2001:db8:a::1 dev eth11'" "2001:db8:b::/64 via 2001:db8:a::1 dev eth11"
x ip addr add 10.77.0.1/24 dev eth11; x ip route add 10.78.0.0/16 via 10.9.11.1
ns ip route add 10.79.0.0/16 via 10.9.11.1
becomes "what was made inside stays" routes "10.78.0.0/16 via 10.9.11.1 dev eth11 10.79.0.0/16 via 10.9.11.1 dev eth11 default via 10.9.10.1 dev eth10"
becomes "an address too" "addrs eth11" "10.77.0.1/24 10.9.11.2/24 10.9.11.3/24"
ns ip link set eth11 mtu 1280
becomes "mtu" "x cat /sys/class/net/eth11/mtu" 1280
ns ip link set eth11 down
becomes "down" "x ip link show eth11 | grep -c ,UP" 0
ns ip link set eth11 name net11; ns ip link set net11 up
becomes "another name" links "eth10 lo net11"
is "it answers again" "$(ping -c 1 -W 20 10.9.11.2 | grep -c ' 0% packet loss')" 1
ip link del out11
becomes "it is gone" links "eth10 lo"
becomes "its routes too" routes "default via 10.9.10.1 dev eth10"

# A number that is taken inside already.
x ip link add dummy9 type dummy
index=$(x cat /sys/class/net/dummy9/ifindex)
connect 13 "$index"
becomes "the host's number is another's inside" links "dummy9 eth10 eth13 lo"
is "it answers" "$(ping -c 1 -W 20 10.9.13.2 | grep -c ' 0% packet loss')" 1
ns ip route add 10.80.0.0/16 via 10.9.13.1
becomes "a route by it" "x ip route | grep -c '10.80.0.0/16 via 10.9.13.1 dev eth13'" 1
ip link del out13
becomes "gone, and the other stays" links "dummy9 eth10 lo"
x ip link del dummy9

# While it is paused nothing happens, and all of it afterwards.
$R pause $C; connect 14; $R resume $C
becomes "made during a pause" links "eth10 eth14 lo"
ip link del out14
becomes "and gone" links "eth10 lo"
before="$(fds "$monitor") $(fds "$sentry")"
for i in $(seq 20 24); do
	connect "$i"; becomes "connect $i" links "eth10 eth$i lo"
	ping -c 1 -W 20 "10.9.$i.2" > /dev/null || is "ping $i" lost answered
	ip link del "out$i"; becomes "disconnect $i" links "eth10 lo"
done
becomes "no descriptor is left" 'echo "$(fds "$monitor") $(fds "$sentry")"' "$before"
for i in $(seq 30 35); do connect "$i"; done
becomes "six at once" "links | wc -w" 8
for i in $(seq 30 35); do ip link del "out$i"; done
becomes "and gone at once" links "eth10 lo"

# More interfaces than can be taken over, for longer than the first tries: when they are gone again, things go on.
for i in $(seq 17); do ns ip link add "many$i" type veth peer name "more$i"; done
sleep 3
for i in $(seq 17); do ns ip link del "many$i"; done
connect 36
becomes "after too many" links "eth10 eth36 lo"
ip link del out36
becomes "and gone" links "eth10 lo"

# As a router (net.ipv4.ip_forward above): whole segments from one host to another, both ways.
unshare -n sleep 1000 & Q=$!
becomes "another network" 'readlink /proc/$Q/ns/net | grep -cv "$(readlink /proc/self/ns/net | tr -d "[]")"' 1
q() { nsenter -t "$Q" -n "$@"; }
connect 40; connect 41
ip link set out41 netns "$Q"; q ip link set lo up; q ip addr add 10.9.41.1/24 dev out41; q ip link set out41 up
q ip route add default via 10.9.41.2; ip route add 10.9.41.0/24 via 10.9.40.2
becomes "two more" links "eth10 eth40 eth41 lo"
becomes "across it" 'ping -c 1 -W 20 10.9.41.1 | grep -o "ttl=63"' ttl=63
q "$BUSYBOX" nc -l -p 7001 -e "$BUSYBOX" sh -c "$BUSYBOX md5sum | $BUSYBOX head -c 32" &
sleep 0.3; head -c 20000000 /dev/urandom > "$T/big"
is "20 MB across" "$("$BUSYBOX" timeout 60 "$BUSYBOX" nc 10.9.41.1 7001 < "$T/big")" "$(md5sum < "$T/big" | head -c 32)"
q "$BUSYBOX" nc -l -p 7002 -e "$BUSYBOX" cat "$T/big" &
sleep 0.3; is "and back" "$("$BUSYBOX" timeout 60 "$BUSYBOX" nc 10.9.41.1 7002 < /dev/null | md5sum | head -c 32)" "$(md5sum < "$T/big" | head -c 32)"
ns ip link set eth41 mtu 1000
becomes "a narrower link" "x cat /sys/class/net/eth41/mtu" 1000
q ip link set out41 mtu 1000
becomes "too big for it: the sender learns" "ping -c 1 -W 2 -s 1200 10.9.41.1 | grep -c ' 0% packet loss'" 1
kill $Q
wait $client $server
is "the connection lived" "$(wc -c < "$T/got")" 1000000
is "and the last interface works" "$(ping -c 1 -W 20 10.9.10.2 | grep -c ' 0% packet loss')" 1
report
