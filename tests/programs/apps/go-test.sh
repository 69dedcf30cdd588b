# timeout: 1500
# caps: sys_admin
# with: gotest.py
# Go: build a program, and the tests of its standard library.
export HOME=/root GOFLAGS=-mod=mod GO111MODULE=off GOTOOLCHAIN=local GOCACHE=/root/gocache
cd /root
go build -o /tmp/gofmt cmd/gofmt && echo 'package  x' | /tmp/gofmt
src=$(go env GOROOT)/src
# Debian has no zoneinfo.zip, without which the tests of time end at once.
mkdir -p "$(go env GOROOT)/lib/time" && python3 - "$(go env GOROOT)/lib/time/zoneinfo.zip" <<'X'
import os, sys, zipfile
top = "/usr/share/zoneinfo"
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_STORED) as z:
    for d, dirs, names in os.walk(top):
        dirs[:] = [n for n in dirs if n not in ("right", "posix")]
        for n in names:
            p = os.path.join(d, n)
            if open(p, "rb").read(4) == b"TZif":
                z.write(p, os.path.relpath(p, top))
X
python3 gotest.py os os/exec os/signal syscall io/fs path/filepath sync time runtime
