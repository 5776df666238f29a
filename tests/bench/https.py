"""The server's CPU per full handshake, GET and close by the client's distance, beside nginx; and that of silent clients"""

from __future__ import annotations

import argparse
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Iterator

from harness import Daemon, free_port
from harness.process import cpu_seconds
from setup import raise_file_limit
from standin import TestCA

ROUND_TRIPS_MS = (0, 20, 100)
REQUEST = b"GET /?mode=get HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {private_key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets off;
        ssl_session_cache off;
        location / {{ default_type application/json; return 200 '{{"return_status": "success", "return_message": "127.0.0.1"}}'; }}
    }}
}}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=640, metavar="N", help="in each round")
    parser.add_argument("--connections", type=int, default=32, metavar="N", help="at a time")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of each server, taking turns; medians count")
    parser.add_argument("--silent", type=int, default=64, metavar="N", help="silent connections (0: leave them out)")
    parser.add_argument("--silent-seconds", type=float, default=5, metavar="S")


# ---- the servers ----


def children(pid: int) -> list[int]:
    return [int(word) for path in Path(f"/proc/{pid}/task").glob("*/children") for word in path.read_text().split()]


@contextmanager
def nginx(folder: Path, ca: TestCA) -> Iterator[tuple[int, int]]:
    """Its port and the pid of its worker."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if not program:
        raise SystemExit("https: nginx, the peer in this benchmark, is missing; install Debian's package nginx-light")
    port = free_port()
    folder.mkdir()
    config = folder / "nginx.conf"
    quoted = {name: f'"{path}"' for name, path in (("certificate", ca.certificate), ("private_key", ca.private_key))}
    text = NGINX.format(folder="{folder}", port=port, user="{user}", **quoted)
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    config.write_text(text.replace("{folder}", str(folder).replace(" ", "\\ ")).replace("{user}", user))
    process = subprocess.Popen([program, "-p", folder, "-c", config, "-e", folder / "error.log"])
    try:
        deadline = time.monotonic() + 20
        while not (workers := children(process.pid)) or not is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("https: nginx does not start: " + (folder / "error.log").read_text())
            time.sleep(0.02)
        yield port, workers[0]
    finally:
        process.terminate()
        process.wait(20)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def relay(port: int, round_trip_ms: int) -> Iterator[int]:
    """The port to connect to from so far away; at no distance the server's own."""
    if round_trip_ms == 0:
        yield port
        return
    command = [sys.executable, str(Path(__file__).with_name("relay.py")), str(port), str(round_trip_ms / 2000)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)


# ---- the clients ----


def fetch(port: int, context: ssl.SSLContext) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
            connection.sendall(REQUEST)
            answer = b""
            while data := connection.recv(65536):
                answer += data
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"https: unexpected answer: {answer[:200]!r}")


def fetch_many(port: int, context: ssl.SSLContext, count: int, connections: int) -> None:
    left = iter(range(count))
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not failures:
                with lock:
                    if next(left, None) is None:
                        return
                fetch(port, context)
        except BaseException as error:  # told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"https: a request failed: {failures[0]!r}")


def handshakes(servers: dict[str, tuple[int, int]], context: ssl.SSLContext, arguments: argparse.Namespace) -> dict:
    """Microseconds of CPU per request, by round-trip time and server."""
    figures: dict[int, dict[str, float]] = {}
    for round_trip_ms in ROUND_TRIPS_MS:
        rounds: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(arguments.rounds):
            for name, (port, pid) in servers.items():
                with relay(port, round_trip_ms) as entrance:
                    fetch_many(entrance, context, arguments.connections, arguments.connections)
                    before = cpu_seconds(pid)
                    fetch_many(entrance, context, arguments.requests, arguments.connections)
                    rounds[name].append((cpu_seconds(pid) - before) / arguments.requests * 1e6)
        figures[round_trip_ms] = {name: median(values) for name, values in rounds.items()}
    return figures


def client_hello(context: ssl.SSLContext) -> bytes:
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def silence(port: int, pid: int, sent: bytes, count: int, seconds: float) -> float:
    """The share of a core that so many clients take who send that and no more."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(sent)
        time.sleep(0.5)  # they are all accepted
        before, began = cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        return (cpu_seconds(pid) - before) / (time.monotonic() - began)


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    raise_file_limit()
    ca = TestCA(folder)
    settings = {
        "server": {"threads": 1},
        "limits": {"connections": 8192, "connections_per_address": 8192, "reads_per_minute": 100000, "request_s": 60},
    }
    daemon = Daemon(folder / "daemon", ca, settings).start()
    try:
        port = int(daemon.url.rpartition(":")[2])
        context = daemon.tls_context()
        with nginx(folder / "nginx", ca) as peer:
            figures = handshakes({"ddns53d": (port, daemon.pid), "nginx": peer}, context, arguments)
        hello = client_hello(context)
        beginnings = {"nothing": b"", "one byte": b"\x16", "half a ClientHello": hello[:100], "a ClientHello": hello}
        silent = {
            name: silence(port, daemon.pid, sent, arguments.silent, arguments.silent_seconds)
            for name, sent in beginnings.items()
            if arguments.silent
        }
    finally:
        daemon.close()
    rows = [
        (f"{milliseconds} ms away: CPU per request", ", ".join(f"{name} {us:.0f} us" for name, us in by_server.items()))
        for milliseconds, by_server in figures.items()
    ]
    rows += [
        (f"{arguments.silent} clients silent after {name}", f"{share * 100:.1f} % of a core")
        for name, share in silent.items()
    ]
    title = (
        f"https: full handshake, GET, close; {arguments.connections} connections at a time, "
        f"median of {arguments.rounds} times {arguments.requests} requests"
    )
    return title, rows, {"cpu_us": figures, "silent_cores": silent}
