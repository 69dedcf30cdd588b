#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""inside: pid 1 of a conformance container.  It runs entries one after the other and tells the host.

    inside.py ENTRIES

A line of ENTRIES is "name TAB seconds TAB command".  Each entry gets a session and a temporary
directory of its own.  The standard output carries, around each entry's output, the lines
    \\x01BEGIN name
    \\x01END name STATUS SECONDS          STATUS: exit status, 128+signal, "timeout" or "leak"
When an entry is over, all that is left of it is killed; what cannot be killed within ten seconds is
a leak, and the host starts a fresh container for the rest.
"""
import os
import select
import shutil
import signal
import sys
import time

MAX_OUTPUT = 200_000


def say(line):
    os.write(1, b"\x01" + line.encode() + b"\n")


def reap_until(pid, deadline):
    """Reap children until pid has ended; its wait status, or None when the time is up."""
    while True:
        try:
            got, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if got == pid:
            return status
        if got == 0:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.003)


def kill_rest():
    """Kill every process but us; False when some stay for ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.003)


def run(name, seconds, command):
    tmp = "/tmp/entry"
    shutil.rmtree(tmp, ignore_errors=True)
    os.makedirs(tmp, mode=0o777, exist_ok=True)
    os.chmod(tmp, 0o777)
    r, w = os.pipe()
    os.set_inheritable(w, True)
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(w, 1)
            os.dup2(w, 2)
            os.closerange(3, 64)
            os.chdir(tmp)
            os.umask(0o022)
            for sig in range(1, 65):
                if sig not in (9, 19, 32, 33):
                    signal.signal(sig, signal.SIG_DFL)
            os.environ["TMPDIR"] = tmp
            os.execv("/bin/sh", ["sh", "-c", command])
        finally:
            os._exit(126)
    os.close(w)
    deadline = start + seconds
    sent = 0
    status = None
    while status is None and time.monotonic() < deadline:
        if select.select([r], [], [], 0.003)[0]:
            data = os.read(r, 65536)
            if not data:
                status = reap_until(pid, deadline)
                break
            if sent < MAX_OUTPUT:
                os.write(1, data.replace(b"\x01", b"?"))
                sent += len(data)
        try:
            while True:
                got, st = os.waitpid(-1, os.WNOHANG)
                if got == pid:
                    status = st
                if got == 0 or got == pid:
                    break
        except ChildProcessError:
            break
    os.set_blocking(r, False)
    try:
        data = os.read(r, 65536)
        if sent < MAX_OUTPUT:
            os.write(1, data.replace(b"\x01", b"?"))
    except BlockingIOError:
        pass
    os.close(r)
    clean = kill_rest()
    if status is None:
        result = "timeout"
    elif os.WIFSIGNALED(status):
        result = str(128 + os.WTERMSIG(status))
    else:
        result = str(os.WEXITSTATUS(status))
    if not clean:
        result = "leak"
    say("END %s %s %.2f" % (name, result, time.monotonic() - start))
    return clean


def main():
    with open(sys.argv[1]) as f:
        entries = [l.rstrip("\n").split("\t", 2) for l in f if l.strip()]
    for name, seconds, command in entries:
        say("BEGIN " + name)
        if not run(name, int(seconds), command):
            break
    say("DONE")


if __name__ == "__main__":
    main()
