#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# memory.sh: a container's memory limit kills the process that eats, not the Sentry: its parent sees
# SIGKILL and goes on; one that is too small even to start is named.  One eater touches its memory itself, the other's is touched by read(2).  RUNSC: the executable; BUSYBOX: a static busybox.  Skipped (77) without a memory
# cgroup that we may make.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/runsc-c}
[ -n "${BUSYBOX:-}" ] || exit 77
[ "$(id -u)" = 0 ] || exit 77
T=$(mktemp -d /tmp/runsc-c-memory.XXXXXX)
trap 'rm -rf --one-file-system "$T"' EXIT
mkdir -p "$T/rootfs/bin" "$T/rootfs/dev" "$T/rootfs/proc" "$T/rootfs/sys" "$T/rootfs/tmp"
cp "$BUSYBOX" "$T/rootfs/bin/busybox"
$RUNSC --root "$T/root" spec --bundle "$T"
python3 - "$T/config.json" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c['process']['terminal'] = False
c['process']['args'] = ['/bin/busybox', 'sh', '-c',
	'for i in 1 2 3 4; do case $i in [12]) busybox awk "BEGIN { a = 1; while (1) a = a a }";; '
	'*) busybox tail -c 300m /dev/zero;; esac; echo child $?; done; echo alive']
c['linux'].setdefault('resources', {})['memory'] = {'limit': 96 << 20, 'swap': 96 << 20}
json.dump(c, open(sys.argv[1], 'w'))
PY
out=$(timeout 300 $RUNSC --root "$T/root" run --bundle "$T" "memory-$$" 2>"$T/err" </dev/null)
if [ "$out" = "child 137
child 137
child 137
child 137
alive" ]; then
	sed -i 's/"limit": [0-9]*/"limit": 1/; s/"swap": [0-9]*/"swap": 1/' "$T/config.json"
	said=$(timeout 300 $RUNSC --root "$T/root" run --bundle "$T" "memory-$$" 2>&1 </dev/null)
	case $said in
	*linux.resources.memory.limit:*) echo "memory: 2 passed, 0 failed"; exit 0 ;;
	esac
	echo "FAIL memory: a limit of 1 byte: $said"
	echo "memory: 1 passed, 1 failed"
	exit 1
fi
grep -qi "cgroup" "$T/err" && exit 77
echo "FAIL memory: $out"
cat "$T/err"
echo "memory: 0 passed, 1 failed"
exit 1
