"""Many clients at once, each with a TLS handshake of its own kind, one request and an end; prints as JSON how they fared.

A program and no part of the test's process, for what OpenSSL may offer is set by OPENSSL_CONF. One thread serves all of
them, so that a client which waits delays no other. There are as many as it is told, and more until its standard input
ends."""

from __future__ import annotations

import json
import random
import select
import socket
import ssl
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass

REQUEST = b"GET /?mode=get HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PIECES = (1, 5, 17, 100, 10000)  # bytes at a time
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
SESSIONS_KEPT = 20
RESET = struct.pack("ii", 1, 0)  # SO_LINGER


@dataclass
class Plan:
    version: str
    piece: int
    pause_s: float  # between pieces
    resumes: bool
    leaves_after: int | None  # bytes; the client is gone then
    resets: bool

    @classmethod
    def draw(cls, chance: random.Random) -> Plan:
        piece = chance.choice(PIECES)
        return cls(
            version=chance.choice(list(VERSIONS)),
            piece=piece,
            pause_s=chance.choice((0, 0, 0.001, 0.02)) if piece >= 17 else 0,
            resumes=chance.random() < 0.5,
            leaves_after=chance.randrange(1000) if chance.random() < 0.1 else None,
            resets=chance.random() < 0.5,
        )


@dataclass
class Client:
    plan: Plan
    socket: socket.socket
    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    began_s: float
    state: str = "connects"
    unsent: bytes = b""
    sent: int = 0
    received: int = 0
    answer: bytes = b""
    next_s: float = 0  # when the next piece is due
    is_resumed: bool = False

    def go_on(self, now_s: float) -> bool:
        """Does what can be done. False: it is over."""
        if self.state == "connects":
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "connect")
            self.state = "shakes hands"
        self.receive()
        self.advance()
        self.unsent += self.outgoing.read()
        if self.is_due(now_s):
            self.send_piece()
            if self.plan.leaves_after is not None and self.sent > self.plan.leaves_after:
                self.state = "left"
                return False
            self.next_s = now_s + self.plan.pause_s
        return self.state != "done"

    def receive(self) -> None:
        try:
            while data := self.socket.recv(65536):
                self.received += len(data)
                self.incoming.write(data)
            self.incoming.write_eof()
        except BlockingIOError:
            pass

    def advance(self) -> None:
        try:
            if self.state == "shakes hands":
                self.tls.do_handshake()
                self.is_resumed = bool(self.tls.session_reused)
                self.tls.write(REQUEST)
                self.state = "waits for its answer"
            while self.state == "waits for its answer":
                data = self.tls.read(65536)
                self.answer += data
                if not data:
                    self.state = "done"
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.state = "done"

    def send_piece(self) -> None:
        """Never more at a time than a socket's buffer takes."""
        n = self.socket.send(self.unsent[: self.plan.piece])
        self.unsent = self.unsent[n:]
        self.sent += n

    def is_due(self, now_s: float) -> bool:
        return bool(self.unsent) and now_s >= self.next_s

    def wants(self) -> int:
        return select.POLLIN | (select.POLLOUT if self.state == "connects" else 0)


class Crowd:
    def __init__(self, port: int, authority: str, count: int, at_once: int, limit_s: float, seed: int):
        self.address, self.count, self.at_once, self.limit_s = ("127.0.0.1", port), count, at_once, limit_s
        self.chance = random.Random(seed)
        self.contexts = {}
        for name, version in VERSIONS.items():
            context = ssl.create_default_context(cafile=authority)
            context.minimum_version = context.maximum_version = version
            self.contexts[name] = context
        self.sessions: dict[str, list[ssl.SSLSession]] = {name: [] for name in VERSIONS}
        self.clients: dict[int, Client] = {}
        self.poll = select.poll()
        self.fates: Counter[str] = Counter()
        self.stories: list[str] = []
        self.goes_on = True  # the standard input has not ended

    def may_begin(self, begun: int) -> bool:
        if begun >= self.count and self.goes_on:
            self.goes_on = not select.select([sys.stdin], [], [], 0)[0]
        return begun < self.count or self.goes_on

    def begin(self) -> None:
        plan = Plan.draw(self.chance)
        sessions = self.sessions[plan.version]
        session = self.chance.choice(sessions) if plan.resumes and sessions else None
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.contexts[plan.version].wrap_bio(incoming, outgoing, server_hostname="127.0.0.1", session=session)
        plan.resumes = session is not None
        plain = socket.socket()
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.connect_ex(self.address)
        client = Client(plan, plain, tls, incoming, outgoing, time.monotonic())
        self.clients[plain.fileno()] = client
        self.poll.register(plain, client.wants())

    def end(self, client: Client, fate: str) -> None:
        del self.clients[client.socket.fileno()]
        self.poll.unregister(client.socket)
        if client.state == "left" and client.plan.resets:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.socket.close()
        took_s = time.monotonic() - client.began_s
        self.fates[fate] += 1
        if fate not in ("full", "resumed", "left"):
            self.stories.append(
                f"{fate}: {client.plan}, {client.state}, sent {client.sent} bytes and has {len(client.unsent)} left, "
                f"received {client.received}, {took_s:.3f} s"
            )

    def finish(self, client: Client) -> None:
        if client.state == "left":
            self.end(client, "left")
        elif not client.answer.startswith(b"HTTP/1.1 200 "):
            self.end(client, f"answered {client.answer[:60]!r}")
        elif client.plan.resumes and not client.is_resumed:
            self.end(client, "its session was not resumed")
        else:
            sessions = self.sessions[client.plan.version]
            if client.tls.session and not client.is_resumed:
                sessions.append(client.tls.session)
                del sessions[:-SESSIONS_KEPT]
            self.end(client, "resumed" if client.is_resumed else "full")

    def serve(self, client: Client, now_s: float) -> None:
        try:
            goes_on = client.go_on(now_s)
        except (OSError, ssl.SSLError) as error:
            self.end(client, f"failed by {error!r}")
            return
        if not goes_on:
            self.finish(client)
        elif now_s - client.began_s > self.limit_s:
            self.end(client, "does not end")
        else:
            self.poll.modify(client.socket, client.wants())

    def run(self) -> None:
        begun = 0
        while self.may_begin(begun) or self.clients:
            while len(self.clients) < self.at_once and self.may_begin(begun):
                self.begin()
                begun += 1
            now_s = time.monotonic()
            is_anyone_due = any(client.is_due(now_s) for client in self.clients.values())
            ready = {fd for fd, _ in self.poll.poll(0 if is_anyone_due else 5)}
            now_s = time.monotonic()
            for fd, client in list(self.clients.items()):
                if fd in ready or client.is_due(now_s) or now_s - client.began_s > self.limit_s:
                    self.serve(client, now_s)


def main() -> None:
    port, authority, count, at_once, limit_s, seed = sys.argv[1:]
    crowd = Crowd(int(port), authority, int(count), int(at_once), float(limit_s), int(seed))
    crowd.run()
    json.dump({"fates": crowd.fates, "stories": crowd.stories}, sys.stdout)


if __name__ == "__main__":
    main()
