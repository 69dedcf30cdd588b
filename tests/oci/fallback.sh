#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fallback.sh: where the host has no seccomp user-notification left (agent.c), a sandbox is made on the
# ptrace platform, and says so; unless a platform was asked for.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
RUNSC=${RUNSC:-$here/build/runsc-c}
T=$(mktemp -d /tmp/runsc-c-fallback.XXXXXX)
trap 'rm -rf --one-file-system "$T"' EXIT
pass=0 fail=0
same() { if [ "$2" = "$3" ]; then pass=$((pass + 1)); else echo "FAIL: $1: got \"$2\", not \"$3\""; fail=$((fail + 1)); fi; }
${CC:-cc} -o "$T/agent" "$here/tests/oci/agent.c" || exit 1
"$T/agent" true
[ $? = 77 ] && { echo "fallback: 0 passed, 0 failed, skipped: no listener here"; exit 0; }
# shellcheck disable=SC2016
same "below an agent" "$("$T/agent" $RUNSC --root "$T/r" --debug-log "$T/log" do sh -c 'echo $((6 * 7)) | cat; exit 3' 2>&1; echo $?)" "42
3"
same "the log says it" "$(grep -c 'slower platform ptrace' "$T/log")" 1
"$T/agent" $RUNSC --root "$T/r" --platform=notify do true 2>/dev/null
same "asked for notify" $? 128
"$T/agent" $RUNSC --root "$T/r" --platform=ptrace do true
same "asked for ptrace" $? 0
: >"$T/log"
$RUNSC --root "$T/r" --debug-log "$T/log" do true
same "notify is taken where it is" "$(grep -c ptrace "$T/log")" 0
echo "fallback: $pass passed, $fail failed"
[ $fail = 0 ]
