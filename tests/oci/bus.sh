#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bus.sh: --systemd-cgroup where systemd's socket is not what it should be: one who accepts and never answers, a queue that is
# full, another user's (sudo -E).  Needs the real Sentry and python3; run in a mount namespace of its own.  tests/oci/systemd.sh has
# a systemd that answers.
set -u
. "$(dirname "$0")/lib.sh"
servers=
finish() { [ -z "$servers" ] || kill $servers 2> /dev/null; }
mount -t tmpfs -o mode=755 tmpfs /run || exit 77
mkdir -p /run/systemd /run/user/1000/systemd /run/dbus
chown -R 1000:1000 /run/user/1000
busybox_root "$T/b/rootfs" sh true
$R spec --bundle "$T/b"
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"true"/' "$T/b/config.json"
cat > "$T/bus.py" <<'P'
import os, socket, sys, time
how, path = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.bind(path); os.chmod(path, 0o666); s.listen(0 if how == "full" else 10)
full = []
while how == "full":
    c = socket.socket(socket.AF_UNIX); c.setblocking(False)
    try: c.connect(path)
    except BlockingIOError: break
    full.append(c)
open(path + ".up", "w")
if how == "full": time.sleep(1000)
kept = []
while True:
    kept.append(s.accept()[0])
    open(path + ".came", "w")
P
bus() { python3 "$T/bus.py" "$@" & servers="$servers $!"; becomes "a bus" "ls $2.up" "$2.up"; }
start() { timeout -s KILL 120 $R --systemd-cgroup run -b "$T/b" "$1" < /dev/null 2>&1; echo $?; }

bus silent /run/user/1000/systemd/private
export XDG_RUNTIME_DIR=/run/user/1000
has "root asks no user's manager" "$(start "none-$$")" 0
is "and did not" "$(ls /run/user/1000/systemd/private.came 2> /dev/null)" ""
unset XDG_RUNTIME_DIR
bus silent /run/systemd/private
is "no answer" "$(start "silent-$$" | tr '\n' ' ')" "runsc-c: systemd: it does not answer 1 "
is "who was asked" "$(ls /run/systemd/private.came)" /run/systemd/private.came
rm /run/systemd/private*
bus full /run/systemd/private
is "a full queue" "$(start "full-$$" | tr '\n' ' ')" "runsc-c: systemd: it does not answer 1 "
is "nothing left" "$(ls "$T/root")$(find /sys/fs/cgroup -name "*-$$.scope")" ""
report
