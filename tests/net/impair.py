# SPDX-License-Identifier: Apache-2.0
"""impair.py IFACE IFACE: a bad wire: frames between two interfaces, with loss, duplicates, delay and disorder.

For hosts without netem.  Each frame that is for neither interface itself goes to the other one, with its vnet header, so that
segments of 64 KB and checksums that are not taken yet stay what they are: 1 in 100 is lost, 1 in 100 comes twice, and each is
late by 5 to 10 ms, so that some overtake others.
"""
import heapq
import random
import select
import socket
import sys
import time

PACKET_VNET_HDR = 15
SOL_PACKET = 263
socks = []
for name in sys.argv[1:3]:
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 25)
    s.bind((name, 0))
    s.setblocking(False)
    socks.append(s)
late, serial = [], 0
while True:
    wait = max(0, late[0][0] - time.monotonic()) if late else None
    ready, _, _ = select.select(socks, [], [], wait)
    for s in ready:
        for _ in range(64):
            try:
                frame, a = s.recvfrom(70000)
            except BlockingIOError:
                break
            if a[2] in (socket.PACKET_HOST, socket.PACKET_OUTGOING) or random.random() < 0.01:
                continue
            for _ in range(2 if random.random() < 0.01 else 1):
                serial += 1
                heapq.heappush(late, (time.monotonic() + random.uniform(0.005, 0.01), serial, socks[s is socks[0]], frame))
    while late and late[0][0] <= time.monotonic():
        _, _, to, frame = heapq.heappop(late)
        try:
            to.send(frame)
        except (BlockingIOError, OSError):
            pass  # lost
