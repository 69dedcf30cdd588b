#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh: `runsc-c install` and `uninstall` on copies of configuration files.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/runsc-c}
T=$(mktemp -d /tmp/runsc-c-install.XXXXXX)
trap 'rm -rf --one-file-system "$T"' EXIT
cp "$RUNSC" "$T/runsc-c"
pass=0 fail=0
same() { if [ "$2" = "$3" ]; then pass=$((pass + 1)); else echo "FAIL: $1: got \"$2\", not \"$3\""; fail=$((fail + 1)); fi; }
R() { local c=$1; shift; "$T/runsc-c" "$c" --docker-config "$T/d/daemon.json" --containerd-config "$T/c/config.toml" --podman-config "$T/p" "$@"; }
path() { python3 -c "import json;print(json.load(open('$T/d/daemon.json'))['runtimes']['${1:-runsc-c}']['path'])"; }
mkdir "$T/d" "$T/c" "$T/p"

R install > /dev/null; same "no files: status" $? 0
same "docker: path" "$(path)" "$T/runsc-c"
same "containerd: a new file is version 2" "$(head -1 "$T/c/config.toml")" "version = 2"
same "containerd: BinaryName" "$(sed -n 's/.*BinaryName = //p' "$T/c/config.toml")" "\"$T/runsc-c\""
same "podman: path" "$(grep -c "\"$T/runsc-c\"" "$T/p/runsc-c.conf")" 1
before=$(cat "$T"/*/*)
same "again: nothing" "$(R install | grep -c unchanged)" 3
same "again: the same" "$(cat "$T"/*/*)" "$before"
R uninstall > /dev/null
same "uninstall: podman" "$(ls "$T/p")" ""
same "uninstall: containerd" "$(grep -c runsc "$T/c/config.toml")" 0

rm -f "$T"/*/*.before-runsc-c
printf '{"debug": true, "runtimes": {"other": {"path": "/o"}}}' > "$T/d/daemon.json"
printf 'version = 3\n[plugins]\nx = """\nversion = 1\n"""\n' > "$T/c/config.toml"
old=$(cat "$T/d/daemon.json" "$T/c/config.toml")
R install --dry-run --docker --containerd > "$T/diff"
same "dry run writes nothing" "$(cat "$T/d/daemon.json" "$T/c/config.toml")" "$old"
same "dry run shows it" "$(grep -c '^+.*BinaryName' "$T/diff")" 1
R install --runtime-name=sand -- --debug-log '/tmp/a b' > /dev/null
same "others stay" "$(path other)" /o
same "version 3's table" "$(grep -c "^\[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.sand\]" "$T/c/config.toml")" 1
same "flags for docker" "$(python3 -c "import json;print(json.load(open('$T/d/daemon.json'))['runtimes']['sand']['runtimeArgs'])")" "['--debug-log', '/tmp/a b']"
same "flags by a script" "$("$T/sand-flags" --version | head -1)" "$("$T/runsc-c" --version | head -1)"
same "a copy is kept" "$(cat "$T/d/daemon.json.before-runsc-c" "$T/c/config.toml.before-runsc-c")" "$old"
R uninstall --runtime-name sand > /dev/null
same "undone" "$(cat "$T/c/config.toml")" "$(cat "$T/c/config.toml.before-runsc-c")"
same "undone: docker" "$(python3 -c "import json;print(json.load(open('$T/d/daemon.json')))")" "{'debug': True, 'runtimes': {'other': {'path': '/o'}}}"

printf '{"debug": tru' > "$T/d/daemon.json"; old=$(cat "$T/c/config.toml")
R install > "$T/out" 2>&1; same "a broken file: status" $? 1
same "is named" "$(grep -c "daemon.json\": line 1" "$T/out")" 1
same "and nothing else is written" "$(cat "$T/c/config.toml")" "$old"
echo "install: $pass passed, $fail failed"
[ $fail = 0 ]
