"""A load: one connection and one request for each line on standard input, all sent as fast as one process can, each
answer timed. Reads JSON `{"port": N, "requests": [text, ...]}`, writes JSON `{"sent_s": .., "answers": [[status,
seconds], ...]}`. Times count from the first connect.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time


class Exchange:
    __slots__ = ("socket", "index", "request", "answer", "sent_at")

    def __init__(self, port: int, index: int, request: bytes):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.index, self.request, self.answer, self.sent_at = index, request, b"", 0.0
        self.socket.connect_ex(("127.0.0.1", port))


def main() -> None:
    job = json.load(sys.stdin)
    requests = [text.encode() for text in job["requests"]]
    answers: list[list[float]] = [[0, 0.0] for _ in requests]
    poller = select.epoll()
    waiting: dict[int, Exchange] = {}
    started = time.monotonic()
    last_sent = started
    next_index = 0
    while next_index < len(requests) or waiting:
        for _ in range(64):  # connects and answers take turns
            if next_index == len(requests):
                break
            exchange = Exchange(job["port"], next_index, requests[next_index])
            waiting[exchange.socket.fileno()] = exchange
            poller.register(exchange.socket, select.EPOLLOUT)
            next_index += 1
        for fd, events in poller.poll(0 if next_index < len(requests) else 1.0):
            exchange = waiting[fd]
            if events & select.EPOLLOUT:
                exchange.socket.send(exchange.request)
                exchange.sent_at = last_sent = time.monotonic()
                poller.modify(fd, select.EPOLLIN)
                continue
            try:
                data = exchange.socket.recv(65536)
            except ConnectionError:
                data = b""
            exchange.answer += data
            head, blank, _ = exchange.answer.partition(b"\r\n\r\n")
            if blank or not data:
                status = int(head.split(b" ", 2)[1]) if blank else 0
                answers[exchange.index] = [status, time.monotonic() - exchange.sent_at]
                poller.unregister(fd)
                exchange.socket.close()
                del waiting[fd]
    json.dump({"sent_s": last_sent - started, "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main()
