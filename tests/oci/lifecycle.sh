#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# lifecycle.sh: create, start, exec, kill, delete and their kin; and kill -9 of every process at every
# stage leaves a container that delete removes completely.  RUNSC: the executable (default: the one
# with a fake Sentry).  BUSYBOX: a busybox for the real Sentry; its root file system gets scripts that
# are called like the fake Sentry's programs.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/release/tests/runsc-c-fake}
T=$(mktemp -d /tmp/runsc-c-life.XXXXXX)
cleanup() {
	for i in $(ls "$T/root" 2>/dev/null); do $RUNSC --root "$T/root" delete --force "$i"; done
	rm -rf --one-file-system "$T"
}
trap cleanup EXIT
R="$RUNSC --root $T/root"
L=life$$ # others may run this test at the same time
pass=0 fail=0

ok() { pass=$((pass + 1)); }
bad() { echo "FAIL: $*"; fail=$((fail + 1)); }
# same WHAT GOT WANTED
same() { if [ "$2" = "$3" ]; then ok; else bad "$1: got \"$2\", not \"$3\""; fi; }
status() { $R state "$1" 2>/dev/null | sed -n 's/.*"status": "\(.*\)".*/\1/p'; }
member() { python3 -c "import json,sys; d=json.load(open('$T/root/$1/state.json')); print(d['$2']['pid'])"; }
alive() { [ -d "/proc/$1" ] && ! grep -q '^State:.[ZX]' "/proc/$1/status" 2>/dev/null; }
# until COMMAND…: a guard against hanging, not a limit that is tested
until_true() { local end=$((SECONDS + 120)); while [ $SECONDS -lt $end ]; do "$@" && return 0; sleep 0.05; done; return 1; }
stopped() { [ "$(status "$1")" = stopped ]; }
running() { [ "$(status "$1")" = running ]; }
# It is told to go until it does: the first signal may come before its handler is there, and init is spared then.
stops_at_term() { stopped "$1" || { $R kill "$1" TERM 2>/dev/null; false; }; }
empty_list() { [ -z "$($R list -q)" ]; }
gone() { ! alive "$1"; }

[ -n "${BUSYBOX:-}" ] || mkdir -p "$T/rootfs"
if [ -n "${BUSYBOX:-}" ]; then
	mkdir -p "$T/rootfs/bin" "$T/rootfs/dev" "$T/rootfs/proc" "$T/rootfs/sys" "$T/rootfs/tmp"
	cp "$BUSYBOX" "$T/rootfs/bin/busybox"
	for n in sh echo cat; do ln -s busybox "$T/rootfs/bin/$n"; done
	printf '#!/bin/sh\nexit $1\n' >"$T/rootfs/bin/exit"
	printf '#!/bin/sh\n[ $$ != 1 ] || exit $((128 + $1))\nkill -$1 $$\n' >"$T/rootfs/bin/die"
	printf '#!/bin/sh\ntrap "exit 143" TERM\nwhile :; do busybox sleep 1 & wait $!; done\n' >"$T/rootfs/bin/sleep"
	chmod 755 "$T/rootfs/bin/"*
fi

bundle() { # NAME ARGS (JSON)
	mkdir -p "$T/$1"
	rm -f "$T/$1/config.json"
	$R spec --bundle "$T/$1"
	python3 - "$T/$1/config.json" "$2" "${3:-}" "$T/rootfs" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c['process']['terminal'] = False
c['root']['path'] = sys.argv[4]
c['process']['args'] = json.loads(sys.argv[2])
exec(sys.argv[3])
json.dump(c, open(sys.argv[1], 'w'))
PY
}

clean() { # WHAT
	[ -z "$(ls -A "$T/root" 2>/dev/null)" ] && ok || bad "$1: left in the state directory: $(ls -A "$T/root")"
	[ -z "$(find /sys/fs/cgroup -name "$L-*" 2>/dev/null)" ] && ok || bad "$1: left a cgroup"
	! grep -q "$T" /proc/mounts && ok || bad "$1: left a mount"
}

# ---- run and exit statuses
bundle exit7 '["exit","7"]'; $R run -b "$T/exit7" $L-1; same "run: exit status" $? 7
bundle die '["die","9"]'; $R run -b "$T/die" $L-1; same "run: killed by a signal" $? 137
bundle echo '["echo","a","b"]'; same "run: stdout" "$($R run -b "$T/echo" $L-1)" "a b"
bundle cat '["cat"]'; same "run: stdin to stdout" "$(echo piped | $R run -b "$T/cat" $L-1)" piped
same "run: 3 MB through" "$(head -c 3000000 /dev/zero | $R run -b "$T/cat" $L-1 | wc -c)" 3000000
clean run

# ---- the states
bundle sleep '["sleep"]'
$R create -b "$T/sleep" --pid-file "$T/pid" $L-2 </dev/null >/dev/null 2>&1; same create $? 0
same "created" "$(status $L-2)" created
pid=$(cat "$T/pid"); same "pid file" "$pid" "$(member $L-2 monitor)"
grep -q "/$L-2\$" "/proc/$pid/cgroup" && ok || bad "not in its cgroup when create returns"
[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] && ok || bad "no network namespace of its own"
$R start $L-2; same start $? 0; same running "$(status $L-2)" running
same "exec: stdout" "$($R exec $L-2 echo x y)" "x y"
$R exec $L-2 exit 9; same "exec: exit status" $? 9
$R exec $L-2 die 15; same "exec: killed by a signal" $? 143
$R exec --detach --pid-file "$T/pid2" $L-2 sleep </dev/null >/dev/null 2>&1; same "exec --detach" $? 0
pid2=$(cat "$T/pid2")
grep -q "/$L-2\$" "/proc/$pid2/cgroup" && ok || bad "an exec is not in the container's cgroup"
until_true sh -c "[ \$($R ps $L-2 | grep -c 'sleep$\|/bin/sleep') = 2 ]" && ok || bad "ps does not see both"
kill -KILL "$pid2"; until_true sh -c "[ \$($R ps $L-2 | grep -c 'sleep$\|/bin/sleep') = 1 ]" && ok || bad "SIGKILL on an exec's pid does not end it"
$R exec --detach --pid-file "$T/pid2" $L-2 sleep </dev/null >/dev/null 2>&1
kill -TERM "$(cat "$T/pid2")"; until_true gone "$(cat "$T/pid2")" && ok || bad "a signal to an exec's pid is not handed on"
$R pause $L-2 && same paused "$(status $L-2)" paused
$R exec $L-2 echo 2>/dev/null; same "exec in a paused one" $? 255
$R resume $L-2 && same resumed "$(status $L-2)" running
$R list -q | grep -qx $L-2 && ok || bad "list -q"
$R list --format=json | python3 -c 'import json,sys; assert json.load(sys.stdin)[0]["id"] == "'$L'-2"' && ok || bad "list json"
$R events --stats $L-2 | python3 -c 'import json,sys; d=json.load(sys.stdin); assert d["type"]=="stats" and "current" in d["data"]["pids"]' && ok || bad "events --stats"
echo '{"memory":{"limit":104857600},"pids":{"limit":20}}' | $R update --resources - $L-2; same update $? 0
$R kill $L-2 TERM; same kill $? 0
until_true stops_at_term $L-2 && ok || bad "not stopped after kill"
until_true gone "$pid" && ok || bad "its pid is still there"
$R delete $L-2; same delete $? 0
clean states

# ---- hooks
bundle hooks '["exit","0"]' "
h = lambda n: [{'path': '/bin/sh', 'args': ['hook-' + n, '-c', 'cat >> $T/hooklog; echo \" \$0 ' + n + '\" >> $T/hooklog']}]
c['hooks'] = {n: h(n) for n in ('prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop')}"
$R run -b "$T/hooks" $L-3; same "run with hooks" $? 0
same "hooks in their order" "$(sed 's/.* //' "$T/hooklog" | tr '\n' ' ')" "prestart createRuntime createContainer poststart poststop "
grep -q '"status":"creating"' "$T/hooklog" && ok || bad "hooks get no state"

# ---- who shares the state directory from another pid namespace doesn't see that a foreground's process lives
$R run -b "$T/sleep" $L-8 </dev/null >/dev/null 2>&1 &
until_true $R state $L-8 >/dev/null 2>&1
bundle elsewhere '["exit","0"]'
unshare -pf --mount-proc $R run -b "$T/elsewhere" $L-9 </dev/null >/dev/null 2>&1; same "run in another pid namespace" $? 0
$R state $L-8 | grep -q '"status": *"running"' && ok || bad "who ran in another pid namespace took a container for left"
$R kill $L-8 KILL; wait $!
clean states

# ---- kill -9 of each process
# The Sentry's first process is the zygote, the second init's.
stub() { grep -l "^PPid:.$(member $L-4 sentry)\$" /proc/[0-9]*/status 2>/dev/null | sed 's/[^0-9]//g' | sort -n | sed -n 2p; }
for who in monitor sentry gofer ${BUSYBOX:+stub}; do
	SECRET=hush $R create -b "$T/sleep" $L-4 </dev/null >/dev/null 2>&1; $R start $L-4
	grep -q SECRET "/proc/$(member $L-4 gofer)/environ" && bad "the Gofer knows its caller's environment" || ok
	all="$(member $L-4 monitor) $(member $L-4 sentry) $(member $L-4 gofer)"
	[ $who = stub ] && victim=$(stub) || victim=$(member $L-4 $who)
	kill -9 "$victim"
	until_true stopped $L-4 && ok || bad "kill -9 $who: still $(status $L-4)"
	for p in $all; do until_true gone "$p" && ok || bad "kill -9 $who: process $p is left"; done
	$R delete $L-4; same "delete after kill -9 $who" $? 0
	clean "kill -9 $who"
done

# ---- kill -9 of create at any moment
for i in $(seq 0 "${CRASHES:-24}"); do
	$R create -b "$T/sleep" $L-5 </dev/null >/dev/null 2>&1 & p=$!
	sleep "0.00$((i % 10))$((i * 7 % 10))"
	kill -9 $p 2>/dev/null
	wait $p 2>/dev/null
	$R delete --force $L-5; same "delete --force after a killed create" $? 0
done
# ---- and of delete
for i in $(seq 0 "${CRASHES:-24}"); do
	$R create -b "$T/sleep" $L-6 </dev/null >/dev/null 2>&1
	$R delete --force $L-6 & p=$!
	sleep "0.0$((i * 3 % 4))$((i * 7 % 10))"
	kill -9 $p 2>/dev/null
	wait $p 2>/dev/null
	$R delete --force $L-6; same "delete --force after a killed delete" $? 0
done
$R run -b "$T/exit7" $L-1 # sweeps up
until_true sh -c "! pgrep -f 'runsc-c (gofer|sentry).*$L-5' >/dev/null" && ok || bad "a killed create left processes"
clean "killed creates"

# ---- many at once
for i in $(seq 20); do
	( $R create -b "$T/sleep" "$L-p$i" </dev/null >/dev/null 2>&1 && $R start "$L-p$i" &&
		$R kill "$L-p$i" KILL && until_true stopped "$L-p$i" && $R delete "$L-p$i" &&
		echo y >>"$T/done" || echo "$L-p$i failed: $(status "$L-p$i")" ) &
done
wait
same "20 in parallel" "$(wc -l <"$T/done")" 20
clean parallel

# ---- run in the foreground dies with its command; list tidies up after it
$R run -b "$T/sleep" $L-fg </dev/null >/dev/null 2>&1 & fg=$!
until_true running $L-fg
mon=$(member $L-fg monitor) sen=$(member $L-fg sentry)
kill -9 $fg; wait $fg 2>/dev/null
until_true gone "$mon" && until_true gone "$sen" && ok || bad "kill -9 of run: processes left"
until_true empty_list && ok || bad "kill -9 of run: list: $($R list -q)"
clean "kill -9 of run"

for i in $(seq 0 14); do
	$R run -b "$T/sleep" "$L-f$i" </dev/null >/dev/null 2>&1 & p=$!
	sleep "0.0$((i * 7 % 5))$((i % 10))"
	kill -9 $p 2>/dev/null
	wait $p 2>/dev/null
done
until_true empty_list && ok || bad "kill -9 of run at any moment: list: $($R list -q)"
clean "kill -9 of run at any moment"

# ---- what others have left in the container's pid namespace ends with it
if nsenter -V > /dev/null 2>&1; then
	$R run -d -b "$T/sleep" $L-o < /dev/null > /dev/null 2>&1
	nsenter -t "$(member $L-o monitor)" -p sh -c 'exec > /dev/null 2>&1; setsid sleep 1000 & echo' < /dev/null
	orphan=$(pgrep -P "$(member $L-o monitor)" -x sleep)
	[ -n "$orphan" ] && ok || bad "orphan: none was made"
	$R kill $L-o KILL
	until_true stopped $L-o && ok || bad "orphan: the container does not end"
	until_true gone "$orphan" && ok || bad "orphan: it stays"
	kill -9 $orphan 2>/dev/null
	$R delete --force $L-o
fi

# ---- --log
[ "$($R --log "$T/none/log" list 2>&1 | wc -l)" = 1 ] && ok || bad "--log in a missing directory: one line"
$R --log "$T/log" --log-format=json start nothing 2>/dev/null
python3 -c "
import json
l = [json.loads(x) for x in open('$T/log')]
assert l[-1]['level'] == 'error' and 'does not exist' in l[-1]['msg'] and 'time' in l[-1]" && ok || bad "--log json"
$R --version | head -1 | grep -q '^runsc-c version ' && ok || bad --version
$R features | python3 -c 'import json,sys; assert "linux" in json.load(sys.stdin)' && ok || bad features

# ---- an ordinary user
if [ "$(id -u)" = 0 ] && cp "$RUNSC" "$T/r" && chmod 755 "$T" "$T/r"; then
	mkdir "$T/u"; chown 1000:1000 "$T/u"
	chmod -R a+rX "$T/rootfs"
	out=$(setpriv --reuid 1000 --regid 1000 --clear-groups env XDG_RUNTIME_DIR="$T/u" "$T/r" do echo hi 2>&1)
	same "do as an ordinary user" "$out" hi
	setpriv --reuid 1000 --regid 1000 --clear-groups env XDG_RUNTIME_DIR="$T/u" "$T/r" run -b "$T/exit7" $L-u
	same "run as an ordinary user" $? 7
	same "nothing left of them" "$(ls -A "$T/u/runsc-c")" ""
fi

echo "lifecycle: $pass passed, $fail failed"
[ $fail = 0 ]
