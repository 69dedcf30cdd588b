# SPDX-License-Identifier: Apache-2.0
# lib.sh: the beginning of a test: `. "$(dirname "$0")/lib.sh"`.
#
# RUNSC and BUSYBOX are from the environment or the tree's and the machine's; T is a directory of the test's own, R the
# command with a state directory below it.  At the end containers are deleted, `finish` is called if the test has it, and
# T is removed.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/runsc-c}
BUSYBOX=${BUSYBOX:-/bin/busybox}
T=$(mktemp -d "/tmp/runsc-c-$(basename "$0" .sh).XXXXXX")
C=c-$$ # an id for the test's container: others run at the same time
R="timeout -s KILL 120 $RUNSC --root $T/root"
cleanup() {
	for i in $(ls "$T/root" 2>/dev/null); do $R delete --force "$i"; done
	if declare -F finish > /dev/null; then finish; fi
	rm -rf --one-file-system "$T"
}
trap cleanup EXIT
pass=0 fail=0
# is WHAT GOT WANTED
is() {
	if [ "$2" = "$3" ]; then pass=$((pass + 1)); else echo "FAIL: $1: got \"$2\", not \"$3\""; fail=$((fail + 1)); fi
}
# has WHAT TEXT PART
has() {
	case $2 in *"$3"*) pass=$((pass + 1)) ;; *) echo "FAIL: $1: \"$3\" is not in \"$2\""; fail=$((fail + 1)) ;; esac
}
# becomes WHAT COMMAND WANTED: until it says so (120 s are a guard, not a limit that is tested)
becomes() {
	local got end=$((SECONDS + 120))
	while got=$(eval "$2" 2>&1); [ "$got" != "$3" ] && [ $SECONDS -lt $end ]; do sleep 0.05; done
	is "$1" "$got" "$3"
}
# busybox_root DIR NAME…: a root file system of busybox and these links to it
busybox_root() {
	local d=$1 n; shift
	mkdir -p "$d"/{bin,dev,proc,sys,tmp,etc}
	cp "$BUSYBOX" "$d/bin/busybox"
	for n; do ln -s busybox "$d/bin/$n"; done
}
# report: the test's last line, and its status
report() {
	echo "$(basename "$0" .sh): $pass passed, $fail failed"
	[ "$fail" = 0 ]
}
