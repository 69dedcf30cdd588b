# SPDX-License-Identifier: Apache-2.0
"""gotest.py PACKAGE...: tests of Go's standard library, one line a test: name and result, sorted.

What a test printed is shown as '#~ ' lines if it failed, the package's if none of its tests ran.
"""
import json
import subprocess
import sys


def show(lines):
    for line in "".join(lines)[-6000:].splitlines():
        print("#~ " + line)


for package in sys.argv[1:]:
    print("== " + package)
    p = subprocess.run(["go", "test", "-short", "-json", package], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, errors="replace")
    print("status", p.returncode)
    result, output = {}, {}
    for line in p.stdout.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            print("#~ " + line)
            continue
        test = event.get("Test")
        if event["Action"] == "output":
            output.setdefault(test, []).append(event["Output"])
        elif event["Action"] in ("pass", "fail", "skip") and test:
            result[test] = event["Action"]
    for test in sorted(result):
        print(test, result[test])
    if "fail" in result.values() or not result:
        show(output.get(None, []))
    for test in sorted(result):
        if result[test] == "fail":
            show(output.get(test, []))
    sys.stdout.flush()
