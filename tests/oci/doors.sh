#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# doors.sh: programs of the host in the container's network namespace reach what listens inside (sentry/socket/doors.h),
# at the same addresses, and no more when nobody listens; so through a pod's sandbox for its members too.
# Needs the real Sentry, a busybox, iproute2 and curl; run in a mount and a network namespace of its own.
set -u
for c in ip nsenter ss curl; do command -v $c > /dev/null || { echo "doors: skipped: no $c"; exit 77; }; done
. "$(dirname "$0")/lib.sh"
busybox_root "$T/b/rootfs" sh sleep httpd killall head md5sum nc unshare
echo content > "$T/b/rootfs/etc/page"
$R spec --bundle "$T/b"
python3 - "$T/b/config.json" <<'P'
import json, sys
c = json.load(open(sys.argv[1]))
c["process"].update(terminal=False, args=["sleep", "1000"])
c["root"]["readonly"] = False
for s in "bounding", "effective", "permitted":
    c["process"]["capabilities"][s] += ["CAP_SYS_ADMIN"]
json.dump(c, open(sys.argv[1], "w"))
P
$R create -b "$T/b" --pid-file "$T/pid" $C < /dev/null > "$T/out" 2>&1 && $R start $C
P=$(cat "$T/pid") || exit 1
x() { $R exec $C "$@" < /dev/null; }
get() { nsenter -t "$P" -n curl -g -s -m 20 "http://$1"; }
doors() { echo $(nsenter -t "$P" -n ss -Hltn | awk '{print $4}' | sort); }

is "no door" "$(doors)" ""
x httpd -p 80 -h /etc
becomes "both families" doors "*:80"
is "IPv4" "$(get 127.0.0.1/page)" content
is "IPv6" "$(get '[::1]/page')" content
x httpd -p 127.0.0.1:81 -h /etc; x httpd -p '[::1]:82' -h /etc
becomes "one address each" doors "*:80 127.0.0.1:81 [::1]:82"
is "IPv4's loopback" "$(get 127.0.0.1:81/page)" content
is "IPv6's loopback" "$(get '[::1]:82/page')" content
sum=$(x sh -c 'head -c 20000000 /dev/urandom > /etc/big; md5sum < /etc/big')
is "20 MB" "$(get 127.0.0.1/big | md5sum)" "$sum"
is "20 at once" "$(for i in $(seq 20); do get 127.0.0.1/big | md5sum & done | sort | uniq -c | sed 's/^ *//'; wait)" "20 $sum"
is "300 one after the other" "$(for i in $(seq 300); do get 127.0.0.1/page; done | sort | uniq -c | sed 's/^ *//')" "300 content"
# More than there is room for (RELAYS_MAX): who waits is let in when one of the others ends.
if cc -static -O1 -o "$T/b/rootfs/bin/crowd" "$(dirname "$0")/crowd.c"; then
	x sh -c 'crowd 89 > /dev/null &'
	becomes "the crowd's door" 'doors | grep -c ":89"' 1
	mkfifo "$T/full" "$T/go"
	crowd() {
		for n in $(seq 256); do exec {last}<> /dev/tcp/127.0.0.1/89 || echo failed; done
		echo > "$T/full"; read -r < "$T/go" # all of them are inside
		exec {late}<> /dev/tcp/127.0.0.1/89
		echo hello >&$late
		read -r -t 1 <&$late && echo "came in at once"
		exec {last}>&-
		timeout 200 cat <&$late # a guard
	}
	export -f crowd; export T
	nsenter -t "$P" -n bash -c crowd > "$T/crowd" & waits=$!
	read -r < "$T/full"
	becomes "256 are inside" 'x sh -c "echo count | nc 127.0.0.1 89"' 257 # and who asks
	echo > "$T/go"; wait $waits
	is "the 257th" "$(cat "$T/crowd")" content
	x killall crowd
fi
is "and one more" "$(get 127.0.0.1/page)" content
x killall httpd
becomes "nobody listens" doors ""
get 127.0.0.1/page; is "refused" $? 7
# Each end is handed on: both sides say something after the other has finished.
x sh -c 'nc -l -p 90 -e sh -c "cat > /etc/got; echo end" &'
becomes "a listener" doors "*:90"
is "half-closed" "$(echo sent | nsenter -t "$P" -n "$BUSYBOX" nc 127.0.0.1 90)" end
is "what was sent" "$(cat "$T/b/rootfs/etc/got")" sent
# Listeners that come and go faster than doors: the last one's is there.
x sh -c 'for i in $(seq 20); do httpd -p 127.0.0.1:94 -h /etc; killall httpd; done; httpd -p 94 -h /etc'
becomes "the last of many" doors "*:94"
x killall httpd
becomes "nobody listens again" doors ""
# A namespace made inside is nobody's outside.
x sh -c 'unshare -n httpd -p 91 -h /etc'
sleep 0.3
is "another namespace's" "$(doors)" ""
# An address that is taken outside: the container doesn't notice.
nsenter -t "$P" -n "$BUSYBOX" nc -l -p 92 127.0.0.1 > /dev/null < /dev/null & taken=$!
becomes "taken outside" 'nsenter -t "$P" -n ss -Hltn "sport = 92" | wc -l' 1
x httpd -p 92 -h /etc; is "listens inside all the same" $? 0
x httpd -p 93 -h /etc
becomes "the next one" 'nsenter -t "$P" -n ss -Hltn "sport = 93" | wc -l' 1
kill $taken 2>/dev/null
$R kill $C KILL
becomes "gone" '$R state $C | grep -c stopped' 1
$R delete $C
is "nothing left" "$(pgrep -f "$T/root" | wc -l)" 0
report
