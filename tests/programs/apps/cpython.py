# SPDX-License-Identifier: Apache-2.0
"""cpython.py [-m PATTERN]... MODULE...: CPython's regression tests, one line a test: name and result.

Lines are sorted, so that two runs compare; what a module printed is shown as '#~ ' lines if it failed.
"""
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

match, modules, args = [], [], sys.argv[1:]
while args:
    a = args.pop(0)
    if a == "-m":
        match += ["-m", args.pop(0)]
    else:
        modules.append(a)
os.makedirs("/root/py", exist_ok=True)
os.chdir("/root/py")
for mod in modules:
    xml = "/root/py/%s.xml" % mod
    p = subprocess.run([sys.executable, "-m", "test", "--timeout", "1200", "--junit-xml", xml] + match + [mod],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    if os.path.exists(xml):
        for case in ET.parse(xml).iter("testcase"):
            result = case.get("result", "ok") if case.get("status") == "run" else "skip"
            for kind in ("failure", "error", "skipped"):
                if case.find(kind) is not None:
                    result = kind
            lines.append("%s %s" % (case.get("name"), result))
    print("\n".join(sorted(lines)))
    print("%s: status %d, %d tests" % (mod, p.returncode, len(lines)))
    if p.returncode:
        for l in p.stdout.decode(errors="replace").splitlines()[-int(os.environ.get("LINES", 400)):]:
            print("#~ " + l)
    sys.stdout.flush()
