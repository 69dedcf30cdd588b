# SPDX-License-Identifier: Apache-2.0
"""docs/syscalls-<arch>.md, the support matrix.  No totals in it: each would be a merge conflict."""

HEAD = """\
<!-- Generated from syscall-tables/ by `make docs`: don't edit. -->
# System calls of {arch}

Which system calls an application in a sandbox can make.  The numbers are those of Linux 6.18.

| support | means |
|---|---|
| full | as Linux does it, errno by errno |
| partial | as Linux does it, but for what the note says |
| stub | accepted, without effect |
| refused | by policy: always the error named |
| absent | `ENOSYS` |

| nr | call | support | note |
|---|---|---|---|
"""


def support(row):
    return f"refused `{row.error}`" if row.support == "refused" else row.support


def matrix(tables):
    out = HEAD.format(arch=tables.arch.replace("_", "-"))
    for row in tables.rows:
        out += f"| {row.nr} | `{row.name}` | {support(row)} | {row.note} |\n"
    return out
