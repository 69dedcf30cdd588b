#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# net_sysctl.sh: linux.sysctl of one interface, which comes after create; what it then does.
# Needs the real Sentry, a busybox and iproute2; run in a mount and a network namespace of its own.
set -u
command -v ip nsenter > /dev/null || { echo "net_sysctl: skipped: no iproute2"; exit 77; }
. "$(dirname "$0")/lib.sh"
x() { timeout -s KILL 60 $R exec $C "$@" < /dev/null; }
ns() { nsenter -t "$P" -n "$@"; }
conf() { x sh -c "cd /proc/sys/net/$1/conf; cat $2" | xargs; }

busybox_root "$T/b/rootfs" sh ls cat sleep ip xargs
# spec JSON: the container has these sysctls
spec() {
	rm -f "$T/b/config.json"
	$R spec --bundle "$T/b"
	python3 - "$T/b/config.json" "$1" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c["process"]["terminal"] = False
c["process"]["args"] = ["sleep", "1000"]
c["linux"]["sysctl"] = json.loads(sys.argv[2])
json.dump(c, open(sys.argv[1], "w"))
PY
}
create() {
	timeout -s KILL 60 $R create -b "$T/b" --pid-file "$T/pid" $C < /dev/null > "$T/log" 2>&1
}
connect() {
	P=$(cat "$T/pid")
	ip link add out0 type veth peer name tmp0
	ip addr add 10.9.0.1/24 dev out0; ip link set out0 up
	ip link set tmp0 netns "$P"
	ns ip link set tmp0 name "$1"; ns ip addr add 10.9.0.2/24 dev "$1"; ns ip addr add 2001:db8::2/64 dev "$1" nodad
	ns ip link set "$1" up
}
reset() { $R delete --force $C; ip link del out0 2> /dev/null; }

ip link set lo up
spec '{"net.ipv4.conf.all.rp_filter": "2", "net.ipv4.conf.eth0.arp_ignore": "8", "net.ipv6.conf.eth0.disable_ipv6": "1"}'
create || cat "$T/log"
connect eth0
is "start" "$($R start $C 2>&1)" ""
is "all" "$(conf ipv4 'all/rp_filter default/rp_filter eth0/rp_filter')" "2 0 0"
is "the interface's" "$(conf ipv4 'eth0/arp_ignore lo/arp_ignore')" "8 0"
is "IPv6 is off there alone" "$(conf ipv6 'eth0/disable_ipv6 lo/disable_ipv6'); $(x ip -6 -o addr | grep -c .)" "1 0; 1"
is "directories" "$(x ls /proc/sys/net/ipv4/conf | xargs)" "all default eth0 lo"
is "nobody answers" "$(ip neigh flush dev out0; "$BUSYBOX" ping -c 1 -W 2 10.9.0.2 | grep -c ' 0% packet loss')" 0
reset

# What is set outside before it starts; linux.sysctl has the last word.  Of the host's own business nothing.
spec '{"net.ipv4.conf.eth0.arp_ignore": "1"}'
create || cat "$T/log"
connect eth0
outside() { ns sh -c "echo $2 > /proc/sys/net/$1"; }
outside ipv4/conf/eth0/rp_filter 2; outside ipv4/conf/eth0/arp_ignore 8; outside ipv4/conf/eth0/forwarding 1
outside ipv6/conf/eth0/hop_limit 99; outside ipv6/conf/eth0/accept_ra 2
is "start" "$($R start $C 2>&1)" ""
is "settings from outside" "$(conf ipv4 'eth0/rp_filter eth0/forwarding') $(conf ipv6 'eth0/hop_limit eth0/accept_ra')" "2 0 99 0"
is "config.json's are stronger" "$(conf ipv4 eth0/arp_ignore)" "1"
reset

spec '{"net/ipv4/conf/eth0.5/arp_notify": "1"}'
create || cat "$T/log"
connect eth0.5
is "a dot in its name" "$($R start $C 2>&1); $(conf ipv4 eth0.5/arp_notify)" "; 1"
reset

spec '{"net.ipv4.conf.eth1.arp_notify": "1"}'
create || cat "$T/log"
connect eth0
is "an interface that never comes" "$($R start $C 2>&1 | grep -o 'linux.sysctl: .*')" 'linux.sysctl: can'"'"'t set "net.ipv4.conf.eth1.arp_notify": No such device'
reset
spec '{"net.ipv4.conf.eth0.no_such_key": "1"}'
is "a key that there is not" "$(create; grep -c 'net.ipv4.conf.eth0.no_such_key.*No such file' "$T/log")" 1
$R delete --force $C
spec '{"net.ipv4.conf.eth0.arp_notify": "2147483648"}'
is "a value that it can't have" "$(create; grep -c 'net.ipv4.conf.eth0.arp_notify.*Invalid argument' "$T/log")" 1
$R delete --force $C

report
