#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# config.sh: what members of config.json do to the program inside.  Needs the real Sentry and a busybox.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/runsc-c}
BUSYBOX=${BUSYBOX:-/bin/busybox}
T=$(mktemp -d /tmp/runsc-c-config.XXXXXX)
R="$RUNSC --root $T/root"
cleanup() {
	for i in $(ls "$T/root" 2>/dev/null); do $R delete --force "$i"; done
	umount -l "$T"/m* 2>/dev/null
	rm -rf --one-file-system "$T"
}
trap cleanup EXIT
pass=0 fail=0

mkdir -p "$T"/b/rootfs/{bin,dev,proc,sys,tmp,etc}
cp "$BUSYBOX" "$T/b/rootfs/bin/busybox"
for n in $("$BUSYBOX" --list | grep -vx busybox); do ln -sf busybox "$T/b/rootfs/bin/$n"; done
# Whoever is mapped must reach the root.
chmod 755 "$T" "$T/b"

# shows WHAT WANTED PYTHON COMMAND: standard output and error of sh -c COMMAND
shows() {
	local got
	rm -f "$T/b/config.json"
	$R spec --bundle "$T/b"
	python3 - "$T/b/config.json" "$3" "$4" "$T" <<'PY'
import json, sys
path, change, command, T = sys.argv[1:]
c = json.load(open(path))
p, l, m = c['process'], c['linux'], c['mounts']
p['terminal'] = False
p['args'] = ['sh', '-c', command]
c['root']['readonly'] = False
exec(change)
json.dump(c, open(path, 'w'))
PY
	got=$(timeout 120 $R run -b "$T/b" "config-$$" 2>&1 </dev/null)
	if [ "$got" = "$2" ]; then pass=$((pass + 1)); else
		echo "FAIL: $1: got \"$got\", not \"$2\""; fail=$((fail + 1)); fi
}

# ---- process
shows "personality" "i686" "l['personality'] = {'domain': 'LINUX32'}" "uname -m"
shows "ioPriority" "best-effort: prio 6" "p['ioPriority'] = {'class': 'IOPRIO_CLASS_BE', 'priority': 6}" "ionice -p 1"
shows "scheduler" "7 2" "p['scheduler'] = {'policy': 'SCHED_RR', 'priority': 7}" 'cut -d" " -f40,41 /proc/1/stat'
shows "scheduler, nice" "5" "p['scheduler'] = {'policy': 'SCHED_BATCH', 'nice': 5}" "cut -d' ' -f19 /proc/1/stat"
own=$(nice)
R="nice -n 2 $R" shows "nice of who starts it" "$((own + 2))" "pass" "cut -d' ' -f19 /proc/self/stat"
# The Sentry goes before the programs that wait for it; these are as nice as whoever started them.
nices() {
	local pid nice
	rm -f "$T/b/config.json"
	$R spec --bundle "$T/b"
	sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "1000"/' "$T/b/config.json"
	nice -n 3 $R run -d -b "$T/b" "nice-$$" </dev/null >/dev/null || return
	for pid in $(ps -eo pid= ); do
		grep -qs "nice-$$" "/proc/$pid/cgroup" && ps -o ni=,comm= -p "$pid"
	done | awk '$2 == "sleep" { print "program", $1 } $2 ~ /^runsc-c/ && $1 < 0 { print "Sentry", $1 }' | sort -u | xargs
	$R delete --force "nice-$$"
}
nice=$(nices)
if grep -qs ":cpu[,:]\|:[a-z,]*,cpu[,:]\|^0::" /proc/self/cgroup && [ "$nice" != "Sentry -7 program 3" ]; then
	echo "FAIL: nice values: got \"$nice\""; fail=$((fail + 1)); else pass=$((pass + 1)); fi
shows "a working directory that is missing" "/made/here" "p['cwd'] = '/made/here'" "pwd"
shows "umask" "0027" "p['user']['umask'] = 0o27" "umask"
shows "additional groups" "0 7 9" "p['user']['additionalGids'] = [7, 9]" "id -G"

# ---- namespaces
shows "timeOffsets" "yes" "l['namespaces'].append({'type': 'time'}); l['timeOffsets'] = {'boottime': {'secs': 100000000}}" \
	'read up idle </proc/uptime; [ "${up%.*}" -ge 100000000 ] && echo yes'
shows "sysctl" "77 4 7 0 2" "l['sysctl'] = {'net.core.somaxconn': '77', 'kernel.msgmni': '4', 'net/ipv4/tcp_sack': '0', 'fs.mqueue.queues_max': '7', 'kernel.shm_rmid_forced': '1', 'kernel.domainname': 'd'}" \
	'echo $(cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmni /proc/sys/fs/mqueue/queues_max /proc/sys/net/ipv4/tcp_sack) $(($(cat /proc/sys/kernel/shm_rmid_forced) + 1))'

# ---- devices
shows "a device that no rule allows" "sh: can't create /dev/kmsg: Operation not permitted" "l['devices'] = [{'path': '/dev/kmsg', 'type': 'c', 'major': 1, 'minor': 11}]" ": >/dev/kmsg"
shows "a device of linux.devices" "crw-r----- 7 8 1 5" "l['devices'] = [{'path': '/dev/sub/z', 'type': 'c', 'major': 1, 'minor': 5, 'fileMode': 0o640, 'uid': 7, 'gid': 8}]" \
	'stat -c "%A %u %g %t %T" /dev/sub/z'
shows "a block device outside of /dev" "brw-rw-rw-" "l['devices'] = [{'path': '/foo-dev', 'type': 'b', 'major': 10, 'minor': 229, 'fileMode': 0o666}]" \
	'stat -c "%A" /foo-dev'
shows "default devices stay" "1" "l['resources']['devices'] = [{'allow': False, 'access': 'rwm'}]" "head -c 1 /dev/zero | wc -c"

# ---- mounts
mkdir -p "$T/src/sub" "$T/b/rootfs/x" "$T/b/rootfs/mode"
touch "$T/src/f"
chmod 710 "$T/b/rootfs/mode"
chown 3:4 "$T/src/f"
map="[{'containerID': 0, 'hostID': 1000, 'size': 10}]"
bind="'destination': '/x', 'type': 'bind', 'source': T + '/src'"
shows "an id-mapped mount" "1003 1004" "m.append({$bind, 'options': ['bind', 'idmap'], 'uidMappings': $map, 'gidMappings': $map})" "stat -c '%u %g' /x/f"
shows "an id-mapped mount by option" "1003 4" "m.append({$bind, 'options': ['bind', 'idmap=uids=0-1000-10;gids=0-0-10']})" "stat -c '%u %g' /x/f"
shows "a mount mapped by the user namespace" "3 4 65534 3 4" \
	"l['namespaces'].append({'type': 'user'}); l['uidMappings'] = l['gidMappings'] = $map; m.append({$bind, 'options': ['bind', 'ridmap']}); m.append({'destination': '/mode', 'type': 'bind', 'source': T + '/src', 'options': ['bind']})" \
	"echo \$(stat -c '%u %g' /x/f) \$(stat -c '%u' /mode/f) \$(touch /x/g 2>/dev/null; stat -c '%u %g' /x/f)"
shows "a tmpfs has its directory's mode" "710 700 1777" \
	"m += [{'destination': '/mode', 'type': 'tmpfs'}, {'destination': '/x', 'type': 'tmpfs', 'options': ['mode=700']}, {'destination': '/fresh', 'type': 'tmpfs'}]" \
	"echo \$(stat -c %a /mode /x /fresh)"
ln -sfn ../no/where "$T/b/rootfs/etc/dangling"
shows "a mount over a link that leads nowhere" "f sub" "m.append({'destination': '/etc/dangling', 'type': 'bind', 'source': T + '/src', 'options': ['bind']})" \
	"echo \$(ls /no/where | grep -v g)"
shows "readonlyPaths keep nosuid and its kin" "ro,nosuid,nodev,noexec,relatime" "l['readonlyPaths'] = ['/dev/mqueue']" \
	"sed -n 's,^.* /dev/mqueue \([^ ]*\) .*,\1,p' /proc/self/mountinfo | tail -n 1"
shows "rootfsPropagation" "shared:" "l['rootfsPropagation'] = 'shared'" "sed -n 's,^.* / / [^ ]* \(shared:\).*,\1,p' /proc/self/mountinfo"
# The namespace is there when its keeper sleeps.
kept() { until grep -qx sleep "/proc/$keeper/comm" || ! kill -0 $keeper; do sleep 0.05; done; }
unshare -Um --map-root-user sleep 1000 & keeper=$!
kept
shows "a user namespace by path" "65534" "l['namespaces'].append({'type': 'user', 'path': '/proc/$keeper/ns/user'}); m.append({$bind, 'options': ['bind']})" "stat -c %u /x/f"
kill $keeper
mkdir -p "$T/only"
unshare -m sh -c "mount -t tmpfs none '$T/only' && mkdir '$T/only/inside' && exec sleep 1000" & keeper=$!
kept
shows "a mount namespace by path" "inside" "l['namespaces'] = [n for n in l['namespaces'] if n['type'] != 'mount'] + [{'type': 'mount', 'path': '/proc/$keeper/ns/mnt'}]; c['root']['path'] = T + '/b/rootfs'; m.append({'destination': '/x', 'type': 'bind', 'source': T + '/only', 'options': ['bind']})" "ls /x"
kill $keeper

# ---- hooks
h="{'path': '/bin/sh', 'args': ['sh', '-c', 'echo hook \$\$ \$X; cat >/tmp/state'], 'env': ['X=y', 'PATH=/bin']}"
shows "startContainer hooks run inside" 'yes y' "c['hooks'] = {'startContainer': [{'path': '/bin/sh', 'args': ['sh', '-c', 'cat >/state; echo \$X >>/state'], 'env': ['X=y', 'PATH=/bin']}]}" \
	'grep -q "\"status\": *\"created\"" /state && grep -q "\"pid\": *1," /state && echo yes $(tail -c 2 /state)'
shows "a failing startContainer hook" "runsc-c: hooks.startContainer[1] \"/bin/sh\": exit status 3: no" \
	"c['hooks'] = {'startContainer': [{'path': '/bin/true'}, {'path': '/bin/sh', 'args': ['sh', '-c', 'echo no; exit 3']}]}" "echo ran"
shows "a late startContainer hook" "runsc-c: hooks.startContainer[0] \"/bin/sleep\": not done after 1 seconds" \
	"c['hooks'] = {'startContainer': [{'path': '/bin/sleep', 'args': ['sleep', '20'], 'timeout': 1}]}" "echo ran"
shows "createContainer hooks run in the container's network" "" \
	"c['hooks'] = {'createContainer': [{'path': '/bin/sh', 'args': ['sh', '-c', 'tail -n +3 /proc/net/dev >rootfs/dev/net']}]}" \
	"true"; sed -n 's/^ *\(.*\):.*/\1/p' "$T/b/rootfs/dev/net" >"$T/links"
[ "$(cat "$T/links")" = lo ] || { echo "FAIL: a createContainer hook saw $(cat "$T/links")"; fail=$((fail + 1)); }

[ -z "$(ls -A "$T/root" 2>/dev/null)" ] || { echo "FAIL: left in the state directory: $(ls "$T/root")"; fail=$((fail + 1)); }
echo "config: $pass passed, $fail failed"
[ $fail = 0 ]
