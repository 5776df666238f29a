"""Clients of the benchmark https: handshakes from Python, full or resumed; requests on kept connections by wrk; and
connections that only wait."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

from setup import program

CLOSING = b"GET /?mode=get HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
KEEPING = b"GET /?mode=get HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Each request is another line of the file.
WRK_LINES = """\
local lines, sent = {}, 0
for line in io.lines(%r) do lines[#lines + 1] = "GET " .. line .. " HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n" end
function request() sent = sent + 1; return lines[sent] end
"""


# ---- handshakes ----


def fetch(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    with socket.create_connection(("127.0.0.1", port), 30) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection:
            connection.sendall(CLOSING)
            answer = b""
            while data := connection.recv(65536):
                answer += data
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"https: unexpected answer: {answer[:200]!r}")
            if session and not connection.session_reused:
                raise SystemExit("https: the server did not resume a session")
            return connection.session


def fetch_many(
    port: int, context: ssl.SSLContext, count: int, connections: int, session: ssl.SSLSession | None = None
) -> None:
    left = iter(range(count))
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not failures:
                with lock:
                    if next(left, None) is None:
                        return
                fetch(port, context, session)
        except BaseException as error:  # told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"https: a request failed: {failures[0]!r}")


# ---- requests on kept connections ----


def wrk(port: int, target: str, arguments: list[str], seconds: int) -> int:
    """How many requests 16 connections have made, one after the other each."""
    command = [program("wrk", "wrk"), "-t1", "-c16", f"-d{seconds}s", *arguments, f"https://127.0.0.1:{port}{target}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    done = re.search(r"(\d+) requests in", output)
    if not done or "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"https: wrk failed: {output}")
    return int(done[1])  # 0: the server was not there for so long


def wrk_lines(folder: Path, port: int, targets: list[str], seconds: int) -> int:
    """The same with another target each time; there must be enough of them."""
    lines, script = folder / "targets", folder / "targets.lua"
    lines.write_text("\n".join(targets) + "\n")
    script.write_text(WRK_LINES % str(lines))
    return wrk(port, "/", ["-s", str(script)], seconds)


# ---- connections that wait ----


def wait_at(stack: ExitStack, port: int, context: ssl.SSLContext) -> None:
    """Makes a handshake and a request, and keeps only the socket: the client's share of TLS would cost more memory."""
    plain = stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

    def step(action):
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                result = None
            if data := outgoing.read():
                plain.sendall(data)
            if result is not None:
                return result
            if not (data := plain.recv(65536)):
                raise SystemExit("https: the server closed a connection that waits")
            incoming.write(data)

    step(lambda: tls.do_handshake() or True)
    step(lambda: tls.write(KEEPING))
    answer = step(lambda: tls.read(65536))
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"https: unexpected answer: {answer[:200]!r}")
