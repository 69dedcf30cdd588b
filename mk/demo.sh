#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a program in the sandbox sees: `make demo` runs this with runsc-c do, over the host's own root.
say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; sh -c "$*"; }
say 'uname -a'
say 'id'
say 'ps -ef 2>/dev/null || for p in /proc/[0-9]*; do echo "${p#/proc/}: $(tr "\0" " " < $p/cmdline)"; done'
say 'cat /proc/mounts'
say 'cat /proc/meminfo | head -3; grep -c ^processor /proc/cpuinfo'
say 'echo written inside > /tmp/runsc-c-demo && cat /tmp/runsc-c-demo'
say 'for i in 1 2 3; do (echo "process $i") & done; wait'
