# SPDX-License-Identifier: Apache-2.0
"""duplex.py serve | ADDRESS: 8 connections at once, data both ways at once, every byte compared by hash."""
import hashlib
import os
import random
import socket
import sys
import threading

PORT = 7900


def echo(c):
    while True:
        d = c.recv(random.choice((1000, 70000, 300000)))
        if not d:
            break
        c.sendall(d)
    c.close()


def serve():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", PORT))
    s.listen(50)
    while True:
        threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()


def client(address, good):
    c = socket.create_connection((address, PORT))
    sent, got = hashlib.sha256(), hashlib.sha256()

    def read():
        while True:
            d = c.recv(random.choice((500, 65536, 200000)))
            if not d:
                break
            got.update(d)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(60):
        d = os.urandom(random.choice((1, 100, 1448, 5000, 100000, 250000)))
        c.sendall(d)
        sent.update(d)
    c.shutdown(socket.SHUT_WR)
    reader.join()
    good.append(sent.digest() == got.digest())


if sys.argv[1] == "serve":
    serve()
good = []
threads = [threading.Thread(target=client, args=(sys.argv[1], good)) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
sys.exit(good != [True] * 8)
