#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# propagation.sh: mounts that the host makes below a bind after the container's start are seen inside, and binds made
# inside on the host (rshared), where
# config.json says rslave or rshared, and not elsewhere; what is seen inside doesn't keep the host from unmounting.
# Needs the real Sentry and a busybox; run in a mount namespace of its own.
set -u
. "$(dirname "$0")/lib.sh"
finish() { umount -l "$T"/*/sub "$T"/rslave "$T"/rshared "$T"/rprivate 2>/dev/null; }

mkdir -p "$T"/b/rootfs/{bin,dev,proc,sys,rslave,rshared,rprivate} "$T/other/d"
echo late > "$T/other/flag"
cp "$BUSYBOX" "$T/b/rootfs/bin/busybox"
for n in sh ls cat sleep mount umount unshare; do ln -s busybox "$T/b/rootfs/bin/$n"; done
for k in rslave rshared rprivate; do
	mkdir -p "$T/$k/sub"
	mount --bind "$T/$k" "$T/$k" && mount --make-shared "$T/$k"
done
$R spec --bundle "$T/b"
python3 - "$T" <<'PY'
import json, sys
T = sys.argv[1]
c = json.load(open(T + "/b/config.json"))
c["process"]["terminal"] = False
c["process"]["args"] = ["sleep", "1000"]
for s in "bounding", "effective", "permitted":
    c["process"]["capabilities"][s] += ["CAP_SYS_ADMIN", "CAP_SETFCAP"]
for k in "rslave", "rshared", "rprivate":
    c["mounts"].append({"destination": "/" + k, "type": "bind", "source": T + "/" + k, "options": ["rbind", k]})
json.dump(c, open(T + "/b/config.json", "w"))
PY
x() { timeout -s KILL 180 $R exec $C "$@" < /dev/null; }
$R run -d -b "$T/b" $C < /dev/null > "$T/log" 2>&1 || { cat "$T/log"; exit 1; }
for k in rslave rshared rprivate; do
	is "$k: before" "$(x ls "/$k/sub")" ""
	mount --bind "$T/other" "$T/$k/sub"
done
for k in rslave rshared; do
	becomes "$k: a later mount" "x cat /$k/sub/flag" late
	is "$k: its names" "$(echo $(x ls "/$k/sub"))" "d flag"
done
is "rprivate: nothing arrives" "$(x ls /rprivate/sub)" ""
# A bind made inside is seen on the host only where it is shared, and goes with the one inside.
mkdir "$T"/{rslave,rshared,rprivate}/inner
for k in rslave rshared rprivate; do
	x mount --bind /bin "/$k/inner"
	is "$k: a bind inside" "$(x ls "/$k/inner/busybox")" "/$k/inner/busybox"
done
is "rshared: the host sees it" "$(ls "$T/rshared/inner" | grep -c busybox)" 1
is "rslave, rprivate: the host doesn't" "$(ls "$T/rslave/inner" "$T/rprivate/inner" | grep -c busybox)" 0
for k in rslave rshared rprivate; do
	is "$k: umount inside" "$(x umount "/$k/inner" 2>&1; x ls "/$k/inner")" ""
done
is "rshared: gone on the host" "$(ls "$T/rshared/inner")" ""
# Who makes it shared anew, in a user namespace of its own or not, has no peers on the host.
anew() { # NAME, UNSHARE'S OPTIONS, COMMAND
	x unshare "$2" sh -c "$3; mount --bind /bin /rshared/inner; ls /rshared/inner/busybox; sleep 3" > "$T/anew" 2>&1 &
	becomes "$1: bound" "cat $T/anew" /rshared/inner/busybox
	is "$1: the host doesn't see it" "$(ls "$T/rshared/inner")" ""
	wait $!
}
anew "a user namespace" -Urm "mount --make-rshared /"
anew "shared anew" -m "mount --make-private /rshared; mount --make-shared /rshared"
for k in rslave rshared rprivate; do
	becomes "$k: the host may unmount" "umount $T/$k/sub && echo done" done
	becomes "$k: it is gone" "x ls /$k/sub" ""
done
report
