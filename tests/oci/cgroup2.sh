#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cgroup2.sh: a host with cgroup v2 alone at /sys/fs/cgroup: placing, freezing, statistics, removal, and what is said of
# limits whose controllers are elsewhere.  Needs the real Sentry and a busybox; run in a mount namespace of its own.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/runsc-c}
BUSYBOX=${BUSYBOX:-/bin/busybox}
umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || { echo "cgroup2: skipped: no cgroup2 here"; exit 77; }
T=$(mktemp -d /tmp/runsc-c-cgroup2.XXXXXX)
R="$RUNSC --root $T/root"
G=/sys/fs/cgroup/runsc-c-cgroup2-$$
trap 'for i in $(ls "$T/root" 2>/dev/null); do $R delete --force "$i"; done; rmdir "$G" 2>/dev/null; rm -rf --one-file-system "$T"' EXIT
pass=0 fail=0
is() { if [ "$2" = "$3" ]; then pass=$((pass + 1)); else echo "FAIL: $1: got \"$2\", not \"$3\""; fail=$((fail + 1)); fi; }
until_true() { local end=$((SECONDS + 120)); while [ $SECONDS -lt $end ]; do "$@" && return 0; sleep 0.05; done; return 1; }
C=c-$$
status() { $R state $C 2>/dev/null | sed -n 's/.*"status": "\(.*\)".*/\1/p'; }
stopped() { [ "$(status)" = stopped ]; }
has() { grep -qw "$1" /sys/fs/cgroup/cgroup.controllers; }
# config RESOURCES
config() {
	cat > "$T/config.json" <<-E
	{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":["sleep","1000"],"env":["PATH=/bin"],"cwd":"/"},
	 "root":{"path":"$T/rootfs"},"mounts":[{"destination":"/proc","type":"proc"},{"destination":"/dev","type":"tmpfs"}],
	 "linux":{"cgroupsPath":"${G#/sys/fs/cgroup}/$C","resources":{$1},
	 "namespaces":[{"type":"pid"},{"type":"mount"},{"type":"network"}]}}
	E
}
run() { $R run -d -b "$T" --pid-file "$T/pid" $C < /dev/null > "$T/out" 2>&1; }
mkdir -p "$T"/rootfs/{bin,dev,proc}
cp "$BUSYBOX" "$T/rootfs/bin/busybox"
for n in sh sleep cat; do ln -s busybox "$T/rootfs/bin/$n"; done

config '"pids":{"limit":30}'
run; is "run" "$?" 0
is "the pid's group" "$(grep -o "^0::.*" "/proc/$(cat "$T/pid")/cgroup")" "0::${G#/sys/fs/cgroup}/$C"
is "no other hierarchy is touched" "$(grep -v '^0::' "/proc/$(cat "$T/pid")/cgroup" | grep -c "runsc-c-cgroup2")" 0
is "inside it is the root" "$($R exec $C cat /proc/self/cgroup)" "0::/"
$R pause $C; is "paused" "$(status) $(cat "$G/$C/cgroup.freeze")" "paused 1"
$R resume $C; is "resumed" "$(status) $(cat "$G/$C/cgroup.freeze")" "running 0"
is "statistics" "$($R events --stats $C | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["cpu"]["usage"]["total"] > 0)')" True
is "the limit of tasks is the Sentry's too" "$($R exec $C sh -c 'for i in $(seq 1 60); do sleep 5 & done' 2>&1 | grep -c "can't fork")" 1
$R update --memory 200000000 $C > "$T/said" 2>&1
if has memory; then is "update" "$(cat "$G/$C/memory.max")" 200000000
else is "update: no controller, no lie" "$(grep -c "no memory.max" "$T/said")" 1; fi
$R kill $C KILL; until_true stopped
$R delete $C; is "deleted" "$? $(ls -d "$G/$C" 2> /dev/null)" "0 "
for limit in 'memory.max "memory":{"limit":200000000}' 'cpu.max "cpu":{"quota":50000,"period":100000}'; do
	config "${limit#* }"; run; got=$?
	if has "${limit%%.*}"; then is "${limit%% *}" "$got" 0; else
		is "${limit%% *}: refused" "$got $(grep -c "no ${limit%% *}" "$T/out")" "1 1"; fi
	$R delete --force $C
	is "nothing left" "$(ls -A "$T/root")$(ls -d "$G/$C" 2> /dev/null)" ""
done
echo "cgroup2: $pass passed, $fail failed"
[ $fail = 0 ]
