#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tagged.py DEV PROTO:ID...: all that DEV sends gets these tags (the outer one last), and what it receives with them
loses them; the rest is dropped.  So the host's kernel speaks behind tags without VLANs of its own, which not every
kernel has.  By eBPF at both ends of DEV's clsact qdisc, which the caller removes."""
import ctypes, os, platform, socket, struct, subprocess, sys, tempfile

BPF_PROG_LOAD, BPF_OBJ_PIN, SCHED_CLS = 5, 6, 3
VLAN_PUSH, VLAN_POP, SHOT = 18, 19, 2
VLAN_TCI = 24  # of struct __sk_buff
NR = {"x86_64": 321, "aarch64": 280}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)

def insn(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, src << 4 | dst, off, imm)

def mov_imm(r, v): return insn(0xb7, r, imm=v)
def mov(r, s): return insn(0xbf, r, s)
def call(f): return insn(0x85, imm=f)
EXIT = insn(0x95)

def give_up_unless_zero(): # r0
    return insn(0x15, 0, off=2) + mov_imm(0, SHOT) + EXIT

def out_program(tags):
    p = mov(6, 1)
    for proto, vid in tags:
        p += mov(1, 6) + mov_imm(2, socket.htons(proto)) + mov_imm(3, vid) + call(VLAN_PUSH) + give_up_unless_zero()
    return p + mov_imm(0, 0) + EXIT

def in_program(tags):
    p = mov(6, 1)
    for _, vid in reversed(tags): # if it is another's: SHOT
        p += insn(0x61, 0, 6, VLAN_TCI) + insn(0x57, 0, imm=0xfff) + insn(0x17, 0, imm=vid) + give_up_unless_zero()
        p += mov(1, 6) + call(VLAN_POP) + give_up_unless_zero()
    return p + mov_imm(0, 0) + EXIT

def bpf(cmd, attr):
    r = libc.syscall(NR, cmd, attr, len(attr))
    if r < 0:
        raise OSError(ctypes.get_errno(), "bpf(2)")
    return r

def load(code):
    text, name, log = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL"), ctypes.create_string_buffer(65536)
    attr = struct.pack("<IIQQIIQ", SCHED_CLS, len(code) // 8, ctypes.addressof(text), ctypes.addressof(name), 1, len(log), ctypes.addressof(log))
    try:
        return bpf(BPF_PROG_LOAD, attr + bytes(72))
    except OSError:
        sys.exit(log.value.decode())

def attach(dev, where, code, d):
    path = os.path.join(d, where)
    name = ctypes.create_string_buffer(path.encode())
    bpf(BPF_OBJ_PIN, struct.pack("<QII", ctypes.addressof(name), load(code), 0))
    subprocess.run(["tc", "filter", "add", "dev", dev, where, "bpf", "da", "object-pinned", path], check=True)

dev, tags = sys.argv[1], [(int(p, 16), int(i)) for p, i in (t.split(":") for t in sys.argv[2:])]
subprocess.run(["tc", "qdisc", "add", "dev", dev, "clsact"], check=True)
with tempfile.TemporaryDirectory() as d:
    subprocess.run(["mount", "-t", "bpf", "none", d], check=True)
    try:
        attach(dev, "egress", out_program(tags), d)
        attach(dev, "ingress", in_program(tags), d)
    finally:
        subprocess.run(["umount", d], check=True)
