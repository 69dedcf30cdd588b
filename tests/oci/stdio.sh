#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Standard streams that are regular files of the host: positions, sizes, appending, two streams of one description.
set -u
R=${RUNSC_C:-$(dirname "$0")/../../build/runsc-c}
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
pass=0 fail=0
same() { if [ "$2" = "$3" ]; then pass=$((pass + 1)); else echo "FAIL: $1: got \"$2\", not \"$3\""; fail=$((fail + 1)); fi; }
py='import os, sys
assert os.lseek(0, 0, 1) == 0 and os.fstat(0).st_size == 10
assert os.pread(0, 3, 4) == b"efg" and os.read(0, 2) == b"ab" and os.lseek(0, 0, 1) == 2
assert os.lseek(0, -2, 2) == 8 and os.read(0, 9) == b"ij" and os.read(0, 9) == b""
os.lseek(0, 3, 0)
assert os.lseek(1, 0, 1) == 6, os.lseek(1, 0, 1)
os.write(1, b"one "); os.write(2, b"two "); os.pwrite(1, b"X", 0); os.write(1, b"three"); os.fsync(1)
assert os.fstat(1).st_size == 19, os.fstat(1).st_size
os.ftruncate(1, 18)'
printf abcdefghij > "$T/in"
(printf 'start ' && timeout -s KILL 300 "$R" do python3 -c "$py" 2>&1 && printf ' end') > "$T/out" < "$T/in"
same "status" $? 0
same "one description for two streams and the shell" "$(tr '\0' '_' < "$T/out")" "Xtart one two thre_ end"
exec 5< "$T/in"
timeout -s KILL 300 "$R" do sh -c 'head -c 3 > /dev/null' <&5
same "what was read is read for the shell too" "$(cat <&5)" "defghij"
echo old > "$T/log"
timeout -s KILL 300 "$R" do sh -c 'echo new; echo more >&2' >> "$T/log" 2>&1
same "appending" "$(tr '\n' ' ' < "$T/log")" "old new more "
timeout -s KILL 300 "$R" do sh -c 'echo long line; echo x > /dev/stdout' > "$T/out"
same "opened again, truncated" "$(od -An -c "$T/out" | tr -d ' ')" 'x\n'
same "tail of a file" "$(timeout -s KILL 300 "$R" do tail -c 4 < "$T/in")" ghij
echo "stdio: $pass passed, $fail failed"
[ $fail = 0 ]
