"""Asks for the address on one connection, once a millisecond, until standard input ends; then writes the longest, the
99th percentile and the median answer time as JSON, in milliseconds. An empty line tells that it has begun. Argument: the
port."""

from __future__ import annotations

import json
import select
import socket
import sys
import time

REQUEST = b"GET /?mode=get HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.18.255.1\r\n\r\n"


def main() -> None:
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    taken: list[float] = []
    while not taken or not select.select([sys.stdin], [], [], 0.001)[0]:
        begun = time.monotonic()
        connection.sendall(REQUEST)
        if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
            raise SystemExit("a request was not answered")
        taken.append((time.monotonic() - begun) * 1000)
        if len(taken) == 1:
            print(flush=True)
    taken.sort()
    print(json.dumps({"max": taken[-1], "p99": taken[len(taken) * 99 // 100], "p50": taken[len(taken) // 2]}))


if __name__ == "__main__":
    main()
