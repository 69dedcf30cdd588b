#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make from the system call tables what is made of them.

  gen.py build OUT       sys_calls.h, sys_wrappers.h, sys_dispatch.c, … into the folder OUT
  gen.py docs FILE       write the support matrix
  gen.py check-docs FILE fail when FILE is not what `docs` would write

Files that would not change are left alone, so that a changed note recompiles nothing.
"""

import os
import sys

import emit_calls
import emit_checks
import emit_docs
import emit_marshal
import emit_trace
import model

HERE = os.path.dirname(os.path.abspath(__file__))

GENERATED = {
    "sys_calls.h": emit_calls.prototypes,
    "sys_wrappers.h": emit_calls.wrappers,
    "sys_dispatch.c": emit_calls.dispatch,
    "sys_names.c": emit_calls.names,
    "sys_trace.c": emit_trace.trace,
    "stub_marshal.h": emit_marshal.marshal,
    "table_checks.h": emit_checks.checks,
    "syscall_tests.txt": emit_calls.tests,
}


def write_if_changed(path, text):
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    tmp = f"{path}.{os.getpid()}.tmp"
    with open(tmp, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(tmp, path)


def build(tables, out):
    os.makedirs(out, exist_ok=True)
    for name, emit in GENERATED.items():
        write_if_changed(os.path.join(out, name), emit(tables))


def check_docs(tables, path):
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == emit_docs.matrix(tables):
                return 0
    except FileNotFoundError:
        pass
    sys.stderr.write(f"{path} is stale: run `make docs` and commit it\n")
    return 1


def main(argv):
    if len(argv) != 3 or argv[1] not in ("build", "docs", "check-docs"):
        sys.stderr.write(__doc__)
        return 2
    try:
        tables = model.load(os.path.relpath(HERE))
    except model.TableError as e:
        sys.stderr.write(f"{e}\n")
        return 1
    if argv[1] == "build":
        build(tables, argv[2])
    elif argv[1] == "docs":
        write_if_changed(argv[2], emit_docs.matrix(tables))
    else:
        return check_docs(tables, argv[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
