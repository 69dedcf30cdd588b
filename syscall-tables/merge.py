#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A merge driver for tables with one row a line: neighbouring rows changed on two sides don't conflict.

  git config merge.rows.driver 'python3 syscall-tables/merge.py %O %A %B'

.gitattributes names the files.  When lines were added or removed, or both sides changed one row,
git's usual merge decides.
"""

import subprocess
import sys


def merge_rows(base, ours, theirs):
    """The merged lines, or None when it isn't that simple."""
    if not len(base) == len(ours) == len(theirs):
        return None
    out = []
    for b, o, t in zip(base, ours, theirs):
        if o != t and b not in (o, t):
            return None
        out.append(t if o == b else o)
    return out


def read_lines(path):
    with open(path, encoding="utf-8") as f:
        return f.readlines()


def main(base, ours, theirs):
    merged = merge_rows(read_lines(base), read_lines(ours), read_lines(theirs))
    if merged is None:
        return 1 if subprocess.call(["git", "merge-file", ours, base, theirs]) else 0
    with open(ours, "w", encoding="utf-8") as f:
        f.writelines(merged)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
