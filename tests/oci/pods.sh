#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# pods.sh: containers that share a Sentry: by annotation and by namespace, each in its own cgroup; ends of
# members, of monitors and of the sandbox.  Needs the real Sentry and a busybox.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/runsc-c}
T=$(mktemp -d /tmp/runsc-c-pods.XXXXXX)
R="$RUNSC --root $T/root"
trap 'for i in $(ls "$T/root" 2>/dev/null); do $R delete --force "$i"; done; rmdir /sys/fs/cgroup/*/pods-$$ /sys/fs/cgroup/pods-$$ 2>/dev/null; rm -rf --one-file-system "$T"' EXIT
pass=0 fail=0
# same WHAT GOT WANTED
same() { if [ "$2" = "$3" ]; then pass=$((pass + 1)); else echo "FAIL: $1: got \"$2\", not \"$3\""; fail=$((fail + 1)); fi; }
status() { $R state "$1" 2>/dev/null | sed -n 's/.*"status": "\(.*\)".*/\1/p'; }
# until COMMAND…: a guard against hanging, not a limit that is tested
until_true() { local end=$((SECONDS + 120)); while [ $SECONDS -lt $end ]; do "$@" && return 0; sleep 0.05; done; return 1; }
is() { [ "$(status "$1")" = "$2" ]; }

mkdir -p "$T"/rootfs/{bin,dev,proc,tmp}
cp "$BUSYBOX" "$T/rootfs/bin/busybox"
for n in sh sleep echo cat hostname nc true; do ln -s busybox "$T/rootfs/bin/$n"; done

# bundle NAME SCRIPT NAMESPACES ANNOTATIONS
bundle() {
	mkdir -p "$T/$1"
	cat > "$T/$1/config.json" <<-E
	{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":["sh","-c","$2"],"env":["PATH=/bin"],"cwd":"/"},
	 "root":{"path":"$T/rootfs"},"hostname":"$1","annotations":{$4},
	 "mounts":[{"destination":"/proc","type":"proc"},{"destination":"/dev","type":"tmpfs"}],
	 "linux":{"cgroupsPath":"/pods-$$/$1","namespaces":[$3 {"type":"mount"}]}}
	E
}
up() { $R create -b "$T/$1" --pid-file "$T/$1/pid" "$1" < /dev/null > "$T/$1/out" 2>&1 && $R start "$1"; }
joined() { printf '{"type":"%s","path":"/proc/%s/ns/%s"},' ipc "$P" ipc uts "$P" uts network "$P" net; }
SANDBOX='"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-id":"pod"'
MEMBER='"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":"pod"'
sentry() { python3 -c "import json;print(json.load(open('$T/root/$1/state.json'))['sentry']['pid'])"; }

bundle pod 'exec sleep 1000' '{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"network"},' "$SANDBOX"
up pod; P=$(cat "$T/pod/pid")
bundle web 'hostname; nc -l -p 8080 -e echo hello & echo /proc/[0-9]*; exec sleep 999' '{"type":"pid"},'"$(joined)" "$MEMBER"
bundle side 'echo /proc/[0-9]*; exec sleep 888' '{"type":"pid","path":"/proc/'"$P"'/ns/pid"},'"$(joined)" "$MEMBER"
up web; up side
same "all run" "$(status pod) $(status web) $(status side)" "running running running"
same "one sentry" "$(sentry web) $(sentry side)" "$(sentry pod) $(sentry pod)"
until_true grep -q /proc/1 "$T/web/out"
same "uts is the pod's" "$(head -1 "$T/web/out")" pod
until_true grep -q /proc/2 "$T/side/out"
same "a shared pid namespace" "$(cat "$T/side/out")" "/proc/1 /proc/2"
same "exec sees its container's pids" "$($R exec web cat /proc/1/comm)" sleep
same "loopback is the pod's" "$(until_true sh -c "$R exec side nc 127.0.0.1 8080 > $T/nc 2>/dev/null"; cat "$T/nc")" hello
for m in memory pids; do
	d=/sys/fs/cgroup/$m/pods-$$/web; [ -d "$d" ] || d=/sys/fs/cgroup/pods-$$/web
	[ -d "$d" ] || continue
	before=$(wc -l < "$d/cgroup.procs")
	$R exec -d web sleep 500
	same "$m: an exec is in its container's cgroup" "$(($(wc -l < "$d/cgroup.procs") > before))" 1
done
$R kill web KILL; until_true is web stopped
same "one member ends" "$(status pod) $(status web) $(status side)" "running stopped running"
$R delete web; up web
same "and is made again" "$(status web)" running
$R delete --force web
$R create -b "$T/web" web < /dev/null > /dev/null 2>&1; $R kill web KILL; until_true is web stopped
same "kill of a created one" "$(status web)" stopped
$R delete web; up web
kill -9 "$(cat "$T/side/pid")"; until_true is side stopped
same "kill -9 of a monitor" "$(status pod) $(status web) $(status side)" "running running stopped"
until_true sh -c "! $R exec pod sh -c 'cat /proc/[0-9]*/cmdline' | grep -q 888"
same "its processes are gone" "$($R exec pod sh -c 'cat /proc/[0-9]*/cmdline' | grep -c 888)" 0
$R delete side
bundle other 'exec sleep 777' '{"type":"network"},{"type":"uts"},{"type":"pid","path":"/proc/'"$P"'/ns/pid"},' ''
up other
same "joined by a pid namespace alone" "$(status other) $(sentry other)" "running $(sentry pod)"
$R delete --force other
$R kill pod KILL; until_true is web stopped; until_true is pod stopped
same "the sandbox takes all along" "$(status pod) $(status web)" "stopped stopped"
$R delete web; $R delete pod
same "nothing left" "$(ls -A "$T/root") $(find /sys/fs/cgroup -mindepth 2 -type d -path "*pods-$$/*" | wc -l)" " 0"
find /sys/fs/cgroup -depth -type d -name "pods-$$" -exec rmdir {} \; 2>/dev/null
echo "pods: $pass passed, $fail failed"
[ $fail = 0 ]
