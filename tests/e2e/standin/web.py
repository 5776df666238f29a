"""A small threaded HTTP/1.1 server over TCP and TLS that can also misbehave on purpose."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from typing import Callable
from urllib.parse import parse_qsl

BODY_MAX_BYTES = 8 << 20
HEAD_MAX_BYTES = 64 << 10
REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    scheme: str = "http"
    peer: tuple = ()
    path: str = field(init=False)
    query: str = field(init=False)

    def __post_init__(self) -> None:
        self.path, _, self.query = self.target.partition("?")

    def header(self, name: str) -> str | None:
        for candidate, value in self.headers:
            if candidate.lower() == name:
                return value
        return None

    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass
class Answer:
    """What goes back. `code` is the error code in the body; the fields after it are ways to misbehave."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""
    reset: bool = False  # no answer at all, the connection is reset
    endless: bool = False  # the body never ends
    cut_short: bool = False  # Content-Length promises more than is sent
    stall_s: float = 0.0  # silence before the answer


class WebServer:
    """Serves `handle(Request) -> Answer` on a loopback port; `stop()` ends every thread it made."""

    def __init__(
        self,
        handle: Callable[[Request], Answer],
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        self._handle, self._tls = handle, tls
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        bracketed = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{bracketed}:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, name=f"accept {self.url}", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        self.closing.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            open_now = list(self._connections.items())
        for connection, _ in open_now:
            try:
                connection.shutdown(socket.SHUT_RDWR)  # wakes recv()
            except OSError:
                pass
        for _, thread in open_now:
            thread.join()

    @property
    def connections(self) -> int:
        """Those that wait to be accepted are counted, too: as one."""
        with self._lock:
            return len(self._connections) + self._is_waited_for(0)

    def _is_waited_for(self, timeout_ms: int | None) -> bool:
        """Waits for somebody who wants to be accepted, at most so long; is there one?"""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        return bool(poll.poll(timeout_ms))

    def drop_connections(self) -> None:
        """Closes every open connection, as a server that restarts does."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _accept(self) -> None:
        while not self.closing.is_set():
            self._is_waited_for(None)
            with self._lock:  # whoever counts finds each connection here or there
                try:
                    connection, peer = self._listener.accept()
                except OSError:
                    continue  # the client left before it was accepted, or we stop
                thread = threading.Thread(target=self._serve, args=(connection, peer), daemon=True)
                self._connections[connection] = thread
                thread.start()

    def _serve(self, plain: socket.socket, peer: tuple) -> None:
        connection: socket.socket = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                # A duplicate is wrapped, so that stop() can still shut the plain socket down.
                connection = self._tls.wrap_socket(plain.dup(), server_side=True)
            buffer = bytearray()
            while not self.closing.is_set() and self._one(connection, plain, buffer, peer):
                pass
        except (OSError, ValueError):
            pass  # the peer left, or did not speak HTTP: its own affair
        finally:
            with self._lock:
                self._connections.pop(plain, None)
            if connection is not plain:
                connection.close()
            plain.close()

    def _one(self, connection: socket.socket, plain: socket.socket, buffer: bytearray, peer) -> bool:
        request = _read_request(connection, buffer)
        if request is None:
            return False
        request.scheme = "https" if self._tls else "http"
        request.peer = peer
        answer = self._handle(request)
        if answer.stall_s:
            self.closing.wait(answer.stall_s)
        if answer.reset:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if answer.endless:
            self._send_endless(connection, answer)
            return False
        close = (request.header("connection") or "").lower() == "close" or answer.cut_short
        length = len(answer.body) + (100 if answer.cut_short else 0)
        head = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        head.append(f"Content-Length: {length}")
        if close:
            head.append("Connection: close")
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + answer.body)
        return not close

    def _send_endless(self, connection: socket.socket, answer: Answer) -> None:
        head = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        head.append("Transfer-Encoding: chunked")
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        piece = answer.body or b" " * 16384
        chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
        while not self.closing.is_set():
            connection.sendall(chunk)


def _read_request(connection: socket.socket, buffer: bytearray) -> Request | None:
    """The next request of the connection, or None when the peer closed it."""
    while (end := buffer.find(b"\r\n\r\n")) < 0:
        if len(buffer) > HEAD_MAX_BYTES:
            raise ValueError("request head too long")
        data = connection.recv(65536)
        if not data:
            return None
        buffer += data
    lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    del buffer[: end + 4]
    method, target, version = lines[0].split(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise ValueError(f"unknown version {version}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError(f"broken header {line!r}")
        headers.append((name, value.strip(" \t")))
    if version == "HTTP/1.0":
        headers.append(("Connection", "close"))
    request = Request(method, target, headers)
    if (request.header("expect") or "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if (request.header("transfer-encoding") or "").lower() == "chunked":
        request.body = _read_chunked(connection, buffer)
    else:
        request.body = _read_exactly(connection, buffer, int(request.header("content-length") or 0))
    return request


def _read_exactly(connection: socket.socket, buffer: bytearray, length: int) -> bytes:
    if not 0 <= length <= BODY_MAX_BYTES:
        raise ValueError("request body too long")
    while len(buffer) < length:
        data = connection.recv(262144)
        if not data:
            raise ValueError("request body cut short")
        buffer += data
    body = bytes(buffer[:length])
    del buffer[:length]
    return body


def _read_line(connection: socket.socket, buffer: bytearray) -> bytes:
    while (end := buffer.find(b"\r\n")) < 0:
        data = connection.recv(65536)
        if not data or len(buffer) > HEAD_MAX_BYTES:
            raise ValueError("chunk cut short")
        buffer += data
    line = bytes(buffer[:end])
    del buffer[: end + 2]
    return line


def _read_chunked(connection: socket.socket, buffer: bytearray) -> bytes:
    body = bytearray()
    while size := int(_read_line(connection, buffer), 16):
        body += _read_exactly(connection, buffer, size)
        if _read_line(connection, buffer) or len(body) > BODY_MAX_BYTES:
            raise ValueError("broken chunk")
    while _read_line(connection, buffer):
        pass  # trailers
    return bytes(body)
