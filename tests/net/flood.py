# SPDX-License-Identifier: Apache-2.0
"""flood.py IFACE MAC SECONDS PORT: hostile frames to 10.9.0.2 and fd09::2 at MAC, of all kinds in turns, as fast as one process can.

SYNs from addresses that nobody has, to PORT; fragments that are never complete; wrong checksums of each layer; ICMP errors about
connections with numbers that were guessed; segments for nobody; resets and SYNs for a connection of 10.9.0.1 with PORT; neighbours'
news; what no layer can read.  Prints how many.
"""
import os
import random
import socket
import struct
import sys
import time

iface, mac, seconds, port = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), float(sys.argv[3]), int(sys.argv[4])
SRC, DST = bytes([10, 9, 0, 1]), bytes([10, 9, 0, 2])
SRC6, DST6 = (socket.inet_pton(socket.AF_INET6, "fd09::" + x) for x in "12")
rnd = random.Random(1)


def csum(b):
    if len(b) % 2:
        b += b"\0"
    n = sum(struct.unpack(">%dH" % (len(b) // 2), b))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff


def ip4(proto, payload, src=SRC, frag=0, bad=0):
    h = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), rnd.getrandbits(16), frag, 64, proto, 0, src, DST)
    return b"\x08\0", h[:10] + struct.pack(">H", csum(h) ^ bad) + h[12:] + payload


def ip6(nxt, payload, src=SRC6):
    return b"\x86\xdd", struct.pack(">IHBB", 6 << 28, len(payload), nxt, 64) + src + DST6 + payload


def tcp(flags, sport, dport, src=SRC, data=b"", bad=0):
    h = struct.pack(">HHIIBBHHH", sport, dport, rnd.getrandbits(32), rnd.getrandbits(32), 0x50, flags, 1000, 0, 0) + data
    c = csum(src + DST + struct.pack(">HH", 6, len(h)) + h) ^ bad
    return h[:16] + struct.pack(">H", c) + h[18:]


def anyone():
    return bytes([rnd.randrange(1, 223), rnd.getrandbits(8), rnd.getrandbits(8), rnd.randrange(1, 255)])


def syn():
    s = anyone()
    return ip4(6, tcp(2, rnd.randrange(1024, 65536), port, s), s)


def fragment():
    if rnd.random() < 0.5:
        return ip4(17, os.urandom(1400), anyone(), 0x2000 | rnd.randrange(180))
    return ip6(44, struct.pack(">BBHI", 17, 0, rnd.randrange(180) << 3 | 1, rnd.getrandbits(32)) + os.urandom(1400))


def wrong_sum():
    k = rnd.randrange(4)
    if k == 0:
        return ip4(6, tcp(16, 999, port), bad=0x5a5a)
    if k == 1:
        return ip4(6, tcp(16, rnd.randrange(1024, 65536), port, data=b"x" * 100, bad=0x5a5a))
    if k == 2:
        return ip4(17, struct.pack(">HHHH", 53, port, 28, 0x1234) + b"x" * 20)
    return ip4(1, b"\x08\0\x12\x34" + os.urandom(20))


def icmp():
    quoted = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 1500, 1, 0x4000, 60, 6, 0, DST, SRC) + \
        struct.pack(">HHI", port, rnd.randrange(1024, 65536), rnd.getrandbits(32))
    b = struct.pack(">BBHHH", rnd.choice((3, 4, 5, 11, 12)), rnd.randrange(16), 0, 0, rnd.choice((68, 552, 0))) + quoted
    return ip4(1, b[:2] + struct.pack(">H", csum(b)) + b[4:])


def nobody():
    return ip4(6, tcp(rnd.choice((16, 4, 20, 17)), rnd.getrandbits(16), rnd.getrandbits(16)))


def guess():
    return ip4(6, tcp(rnd.choice((2, 4, 20, 17)), rnd.randrange(32768, 61000), port))


def neighbours():
    if rnd.random() < 0.5:
        return b"\x08\x06", struct.pack(">HHBBH", 1, 0x800, 6, 4, rnd.choice((1, 2))) + os.urandom(6) + \
            bytes([10, 9, 0, rnd.randrange(3, 255)]) + b"\0" * 6 + DST
    s = SRC6[:8] + os.urandom(8)
    b = struct.pack(">BBHI", 135, 0, 0, 0) + DST6 + b"\1\1" + os.urandom(6)
    c = csum(s + DST6 + struct.pack(">II", len(b), 58) + b)
    t, p = ip6(58, b[:2] + struct.pack(">H", c) + b[4:], s)
    return t, p[:7] + b"\xff" + p[8:]


def garbage():
    k = rnd.randrange(5)
    if k == 0:
        return os.urandom(2), os.urandom(rnd.randrange(60))
    if k == 1:  # a header that says more than there is, or less than a header
        t, p = ip4(rnd.getrandbits(8), os.urandom(rnd.randrange(40)))
        return t, bytes([rnd.getrandbits(8)]) + p[1:2] + os.urandom(2) + p[4:]
    if k == 2:
        return ip6(rnd.choice((0, 43, 44, 60, 51, 135)), os.urandom(rnd.randrange(60)))
    if k == 3:  # extension headers without end
        return ip6(60, b"\x3c\0\1\4\0\0\0\0" * rnd.randrange(1, 150))
    return ip4(6, tcp(2, 1, port)[:rnd.randrange(20)])


s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((iface, 0))
makers = (syn, syn, fragment, fragment, wrong_sum, icmp, nobody, guess, neighbours, garbage)
frames = [mac + b"\2\0\0\0\0\x63" + b"".join(m()) for _ in range(2000) for m in makers]
end, sent = time.monotonic() + seconds, 0
while time.monotonic() < end:
    for f in frames[sent % 20 * 1000:][:1000]:
        try:
            s.send(f)
        except OSError:
            pass
    sent += 1
print(sent * 1000)
