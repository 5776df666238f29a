"""A flood: keeps connections open from many loopback addresses, silent all of them, and opens one anew whenever the
server closes it. Reads JSON `{"port": N, "sources": [address, ...], "each": N, "message": text}` from standard input,
floods until the standard input ends, writes JSON `{"opened": .., "closed": ..}`.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys

BURST = 256  # connects between two looks at what the server closed


class Flood:
    def __init__(self, job: dict):
        self.port, self.message = job["port"], job["message"].encode("latin-1")
        self.idle = [source for _ in range(job["each"]) for source in job["sources"]][::-1]
        self.open: dict[int, tuple[socket.socket, str]] = {}
        self.poller = select.epoll()
        self.opened = self.closed = 0

    def connect(self, source: str) -> None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        # Ports are chosen at connect, so that each address has all of them; a close leaves none in TIME_WAIT.
        connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.bind((source, 0))
        connection.connect_ex(("127.0.0.1", self.port))
        self.open[connection.fileno()] = (connection, source)
        self.poller.register(connection, select.EPOLLOUT if self.message else select.EPOLLIN | select.EPOLLRDHUP)
        self.opened += 1

    def look(self, timeout: float) -> None:
        for fd, events in self.poller.poll(timeout):
            connection, source = self.open[fd]
            if events == select.EPOLLOUT:
                connection.send(self.message)
                self.poller.modify(fd, select.EPOLLIN | select.EPOLLRDHUP)
            elif self.is_over(connection, events):
                self.poller.unregister(fd)
                connection.close()
                del self.open[fd]
                self.idle.append(source)
                self.closed += 1

    @staticmethod
    def is_over(connection: socket.socket, events: int) -> bool:
        if events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
            return True
        try:
            return connection.recv(65536) == b""
        except ConnectionError:
            return True

    def run(self) -> None:
        standard_input = sys.stdin.fileno()
        while not select.select([standard_input], [], [], 0)[0] or os.read(standard_input, 1):
            for _ in range(min(BURST, len(self.idle))):
                self.connect(self.idle.pop())
            self.look(0 if self.idle else 0.05)


def main() -> None:
    flood = Flood(json.loads(sys.stdin.buffer.raw.readline()))
    flood.run()
    json.dump({"opened": flood.opened, "closed": flood.closed}, sys.stdout)


if __name__ == "__main__":
    main()
