#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bad_input.sh: each bad input gives a one-line message that names the field or path, the right exit
# status, and leaves nothing behind.  RUNSC: the executable (default: the one with a fake Sentry).
# With a real Sentry set ROOTFS to a root file system and TRUE, SLEEP to programs in it.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/release/tests/runsc-c-fake}
T=$(mktemp -d /tmp/runsc-c-bad.XXXXXX)
trap 'rm -rf --one-file-system "$T"' EXIT
TRUE=${TRUE:-'"exit","0"'}
SLEEP=${SLEEP:-'"sleep"'}
pass=0 fail=0

bad() { echo "FAIL: $*"; fail=$((fail + 1)); }

# bundle NAME [PYTHON statements that change the document c]
bundle() {
	mkdir -p "$T/$1"
	if [ -n "${ROOTFS:-}" ]; then ln -sfn "$ROOTFS" "$T/$1/rootfs"; else mkdir -p "$T/$1/rootfs"; fi
	rm -f "$T/$1/config.json"
	"$RUNSC" spec --bundle "$T/$1" || exit 1
	python3 - "$T/$1/config.json" "${2:-}" "[$TRUE]" "${ROOTFS:-rootfs}" <<'PY'
import json, sys
path, change, args, root = sys.argv[1:]
c = json.load(open(path))
c['process']['terminal'] = False
c['process']['args'] = json.loads(args)
c['root']['path'] = root
exec(change)
json.dump(c, open(path, 'w'))
PY
}

# expect STATUS PATTERN what… -- command: status, one line on stderr that matches, nothing left
expect() {
	local status=$1 pattern=$2 out rc
	shift 2
	out=$("$RUNSC" --root "$T/root" "$@" 2>&1 >/dev/null </dev/null); rc=$?
	if [ $rc != "$status" ]; then bad "$*: status $rc, not $status: $out"; return; fi
	if [ "$(printf '%s\n' "$out" | wc -l)" != 1 ]; then bad "$*: not one line: $out"; return; fi
	if ! printf '%s' "$out" | grep -qE -- "$pattern"; then bad "$*: no /$pattern/ in: $out"; return; fi
	pass=$((pass + 1))
}

nothing_left() {
	[ -z "$(ls -A "$T/root" 2>/dev/null)" ] || bad "$1: left in the state directory: $(ls -A "$T/root")"
	[ -z "$(find /sys/fs/cgroup -name "bad$$-*" 2>/dev/null)" ] || bad "$1: left a cgroup"
	! grep -q "$T" /proc/mounts || bad "$1: left a mount"
}

# field PATTERN PYTHON: create of a bundle with that change
field() {
	bundle b "$2"
	expect 1 "$1" create --bundle "$T/b" bad$$-1
	nothing_left "$2"
}

expect 1 "/nowhere" create --bundle "$T/nowhere" bad$$-1
mkdir -p "$T/empty"
expect 1 "config\.json.*no such file" create --bundle "$T/empty" bad$$-1
bundle b; head -c 200 "$T/b/config.json" >"$T/short"; mv "$T/short" "$T/b/config.json"
expect 1 "config\.json: line [0-9]+, column [0-9]+" create --bundle "$T/b" bad$$-1
printf '[1,2]' >"$T/b/config.json"
expect 1 "expected a JSON object" create --bundle "$T/b" bad$$-1
rm "$T/b/config.json"; mkdir "$T/b/config.json"
expect 1 "config\.json: is a directory" create --bundle "$T/b" bad$$-1
rmdir "$T/b/config.json"

field "ociVersion: missing" "del c['ociVersion']"
field "ociVersion: .*\"2\.0\.0\"" "c['ociVersion'] = '2.0.0'"
field "ociVersion: .*\"1\.99\.0\"" "c['ociVersion'] = '1.99.0'"
field "ociVersion: .*\"x\"" "c['ociVersion'] = 'x'"
field "ociVersion: expected a string" "c['ociVersion'] = 1"
field "process: missing" "del c['process']"
field "process: expected an object" "c['process'] = []"
field "process\.args: missing" "del c['process']['args']"
field "process\.args: empty" "c['process']['args'] = []"
field "process\.args\[1\]: expected a string" "c['process']['args'] = ['a', 1]"
field "process\.cwd: \"tmp\" is not an absolute path" "c['process']['cwd'] = 'tmp'"
field "process\.env\[0\]: expected \"NAME=value\"" "c['process']['env'] = ['PATH']"
field "process\.user\.uid: expected a whole number" "c['process']['user']['uid'] = 'root'"
field "process\.user\.uid: -1 is out of range" "c['process']['user']['uid'] = -1"
field "process\.user\.umask: 4095 is out of range" "c['process']['user']['umask'] = 4095"
field "process\.terminal: expected true or false" "c['process']['terminal'] = 'no'"
field "process\.rlimits\[0\]\.type: unknown limit \"RLIMIT_X\"" "c['process']['rlimits'][0]['type'] = 'RLIMIT_X'"
field "process\.rlimits\[0\]\.soft: above the hard limit" "c['process']['rlimits'][0]['soft'] = 4096"
field "process\.rlimits\[1\]\.type: \"RLIMIT_NOFILE\" is there twice" "c['process']['rlimits'] *= 2"
field "process\.oomScoreAdj: 1001 is out of range" "c['process']['oomScoreAdj'] = 1001"
field "not valid JSON.*u0000" "c['process']['args'] = ['a\0b']"
field "root: missing" "del c['root']"
field "root\.path: missing" "del c['root']['path']"
field "root\.path: \"nothing\": no such file" "c['root']['path'] = 'nothing'"
field "root\.path: \"\.\./\.\.\" leads out of the bundle" "c['root']['path'] = '../..'"
bundle b "c['root']['path'] = 'link'"; ln -sfn /etc "$T/b/link"
expect 1 "root\.path: \"link\" leads out of the bundle" create --bundle "$T/b" bad$$-1
touch "$T/b/file"; field "root\.path: \"file\": not a directory" "c['root']['path'] = 'file'"
field "mounts\[0\]\.type: unknown file system type \"zfs9\"" "c['mounts'][0]['type'] = 'zfs9'"
field "mounts\[1\]\.destination: missing" "del c['mounts'][1]['destination']"
field "mounts\[2\]: expected an object" "c['mounts'][2] = 'x'"
field "mounts\[2\]\.options\[0\]: expected a string" "c['mounts'][2]['options'] = [7]"
field "mounts\[7\]\.source: \"/no/such\": no such file" "c['mounts'].append({'destination': '/x', 'type': 'bind', 'source': '/no/such'})"
field "mounts\[7\]\.source: missing" "c['mounts'].append({'destination': '/x', 'type': 'bind'})"
[ -z "${ROOTFS:-}" ] || # the kernel's own answer: with the real Sentry only
	field "mounts\[7\]: can't mount tmpfs on \"/x\" with options \"size=abc\"" "c['mounts'].append({'destination': '/x', 'type': 'tmpfs', 'source': 'x', 'options': ['size=abc']})"
field "linux\.namespaces\[0\]\.type: unknown namespace \"pit\"" "c['linux']['namespaces'][0]['type'] = 'pit'"
field "linux\.namespaces\[1\]\.type: \"pid\" is there twice" "c['linux']['namespaces'][1]['type'] = 'pid'"
field "linux\.namespaces.*\"/no/ns\": no such file" "c['linux']['namespaces'][1]['path'] = '/no/ns'"
field "linux\.resources\.memory\.limit: expected a whole number" "c['linux']['resources']['memory'] = {'limit': '1G'}"
field "linux\.resources\.cpu\.cpus: \"a-b\" is no list" "c['linux']['resources']['cpu'] = {'cpus': 'a-b'}"
field "linux\.resources: can't write .*cpuset\.cpus|invalid argument|numerical" "c['linux']['resources']['cpu'] = {'cpus': '4000'}"
field "linux\.cgroupsPath: .*has a \"\.\.\"" "c['linux']['cgroupsPath'] = '/../../x'"
field "process\.scheduler\.policy: unknown policy \"X\"" "c['process']['scheduler'] = {'policy': 'X'}"
field "process\.scheduler\.priority: SCHED_FIFO and" "c['process']['scheduler'] = {'policy': 'SCHED_FIFO'}"
field "process\.scheduler\.nice: 20 is out of range" "c['process']['scheduler'] = {'policy': 'SCHED_OTHER', 'nice': 20}"
field "process\.scheduler\.flags\[0\]: unknown flag" "c['process']['scheduler'] = {'policy': 'SCHED_OTHER', 'flags': ['X']}"
field "process\.scheduler\.deadline: missing" "c['process']['scheduler'] = {'policy': 'SCHED_DEADLINE', 'runtime': 2000}"
field "process\.ioPriority\.class: unknown class" "c['process']['ioPriority'] = {'class': 'X', 'priority': 1}"
field "process\.ioPriority\.priority: 8 is out of range" "c['process']['ioPriority'] = {'class': 'IOPRIO_CLASS_BE', 'priority': 8}"
field "linux\.personality\.domain: unknown domain" "c['linux']['personality'] = {'domain': 'X'}"
field "linux\.timeOffsets\.realtime: unknown clock" "c['linux']['namespaces'].append({'type': 'time'}); c['linux']['timeOffsets'] = {'realtime': {'secs': 1}}"
field "linux\.timeOffsets: need a new time namespace" "c['linux']['timeOffsets'] = {'monotonic': {'secs': 1}}"
field "linux\.timeOffsets\.boottime\.nanosecs: 1000000000 is out" "c['linux']['timeOffsets'] = {'boottime': {'nanosecs': 1000000000}}"
field "linux\.resources\.devices\[0\]\.access: \"rq\" has letters" "c['linux']['resources']['devices'] = [{'allow': True, 'access': 'rq'}]"
field "linux\.sysctl\.kernel\.hostname: use hostname" "c['linux']['sysctl'] = {'kernel.hostname': 'x'}"
field "linux\.sysctl\.kernel\.domainname: .*contradicts" "c['domainname'] = 'a'; c['linux']['sysctl'] = {'kernel.domainname': 'x'}"
field "linux\.sysctl\.vm\.swappiness: belongs to no namespace" "c['linux']['sysctl'] = {'vm.swappiness': '1'}"
field "linux\.sysctl\.net\.ipv4\.ip_forward: needs a private network" "c['linux']['namespaces'] = [{'type': 'pid'}, {'type': 'uts'}, {'type': 'mount'}]; c['linux']['sysctl'] = {'net.ipv4.ip_forward': '1'}"
field "linux\.sysctl\.kernel\.msgmax: not allowed in the host's ipc" "c['linux']['namespaces'] = [{'type': 'ipc', 'path': '/proc/self/ns/ipc'}, {'type': 'uts'}, {'type': 'mount'}]; c['linux']['sysctl'] = {'kernel.msgmax': '1'}"
field "linux\.maskedPaths\[0\]: \"proc\" is not an absolute path" "c['linux']['maskedPaths'] = ['proc']"
field "linux\.seccomp\.defaultAction: unknown action" "c['linux']['seccomp'] = {'defaultAction': 'NO'}"
field "linux\.devices\[0\]\.type: \"q\" is none of" "c['linux']['devices'] = [{'path': '/dev/x', 'type': 'q'}]"
field "linux\.rootfsPropagation: unknown value" "c['linux']['rootfsPropagation'] = 'sideways'"
field "hooks\.prestart\[0\]\.path: \"x\" is not an absolute path" "c['hooks'] = {'prestart': [{'path': 'x'}]}"
field "hooks\.prestart\[0\] \"/bin/false\": exit status 1" "c['hooks'] = {'prestart': [{'path': '/bin/false'}]}"
field "hooks\.createRuntime\[0\] \"/no/hook\".*no such file" "c['hooks'] = {'createRuntime': [{'path': '/no/hook'}]}"
field "hooks\.prestart\[0\] .*not done after 1 seconds" "c['hooks'] = {'prestart': [{'path': '/bin/sleep', 'args': ['sleep', '9'], 'timeout': 1}]}"
field "annotations\.a: expected a string" "c['annotations'] = {'a': 1}"
field "no-such-program|not found" "c['process']['args'] = ['no-such-program']"

if [ -n "${ROOTFS:-}" ]; then
	printf '#!/no/such/interpreter\n' >"$T/script"; chmod 755 "$T/script"
	field "exec: \"$T/script\": the interpreter .*no such file" "c['process']['args'] = ['$T/script']"
fi

bundle b
for id in a/b .. . '' 'a b' 'ä'; do
	expect 1 "container id" create --bundle "$T/b" "$id"
done
expect 1 "requires exactly 1" create --bundle "$T/b"
expect 1 "flag provided but not defined: -nope" create --nope --bundle "$T/b" bad$$-1
expect 1 "flag needs an argument: -bundle" create --bundle
expect 1 "unknown command \"frobnicate\"" frobnicate
expect 1 "cannot use console socket" create --bundle "$T/b" --console-socket "$T/none" bad$$-1
bundle t "c['process']['terminal'] = True"
expect 1 "cannot allocate tty" create --bundle "$T/t" bad$$-1
expect 1 "console-socket.*no such file" create --bundle "$T/t" --console-socket "$T/none" bad$$-1
expect 1 "pid-file.*no such file" create --bundle "$T/b" --pid-file "$T/no/dir/pid" bad$$-1
nothing_left "flags"
expect 1 "unknown value \"qemu\"" --platform=qemu state bad$$-1

bundle s "c['process']['args'] = [$SLEEP]"
"$RUNSC" --root "$T/root" create --bundle "$T/s" bad$$-2 </dev/null >/dev/null 2>&1 || bad "create"
expect 1 "container with given ID already exists" create --bundle "$T/s" bad$$-2
"$RUNSC" --root "$T/root" start bad$$-2 || bad "start"
expect 1 "cannot start an already running container" start bad$$-2
expect 1 "cannot delete container bad$$-2 that is not stopped: running" delete bad$$-2
expect 1 "container not paused" resume bad$$-2
expect 1 "unknown signal \"NOPE\"" kill bad$$-2 NOPE
expect 255 "not found" exec bad$$-2 no-such-program
expect 255 "is not UID" exec --user root bad$$-2 x
"$RUNSC" --root "$T/root" kill bad$$-2 KILL || bad "kill"
for _ in $(seq 600); do
	"$RUNSC" --root "$T/root" state bad$$-2 | grep -q '"stopped"' && break; sleep 0.1
done
expect 255 "cannot exec in a stopped container" exec bad$$-2 x
expect 1 "cannot start a container that has stopped" start bad$$-2
expect 1 "container not running" kill bad$$-2
expect 1 "container not running" pause bad$$-2
"$RUNSC" --root "$T/root" kill --all bad$$-2 9 || bad "kill --all of a stopped container"
"$RUNSC" --root "$T/root" delete bad$$-2 || bad "delete"
"$RUNSC" --root "$T/root" delete --force bad$$-2 || bad "delete --force of nothing"
expect 1 "container does not exist" delete bad$$-2
expect 1 "container does not exist" state bad$$-2
expect 255 "container does not exist" exec bad$$-2 x
nothing_left "end"

echo "bad_input: $pass passed, $fail failed"
[ $fail = 0 ]
