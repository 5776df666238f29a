"""The server's CPU per handshake and per request, and its memory per connection, nginx beside it; and silent clients"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Callable, Iterator

from harness import Daemon, hash_token, host, query_target
from harness.process import cpu_seconds
from https_load import fetch, fetch_many, wait_at, wrk, wrk_lines
from nginx import nginx
from setup import SECRET, memory_kib, program, raise_file_limit
from standin import TestCA

ROUND_TRIPS_MS = (0, 20, 100)
RUNS_MAX = 5
SIGNERS = 9000  # each may sign 256 requests in ten minutes: two million in all
SIGNED_PER_SECOND = 120000  # more than one core can serve

Server = tuple[int, int]  # port, pid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=640, metavar="N", help="handshakes in each round")
    parser.add_argument("--connections", type=int, default=32, metavar="N", help="handshakes at a time")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each server, taking turns; medians count")
    parser.add_argument("--kept-seconds", type=int, default=1, metavar="S", help="a round on kept connections (0: none)")
    parser.add_argument("--idle", type=int, default=10000, metavar="N", help="connections that wait (0: none)")
    parser.add_argument("--silent", type=int, default=64, metavar="N", help="silent connections (0: none)")
    parser.add_argument("--silent-seconds", type=float, default=5, metavar="S")


# ---- the servers ----


@contextmanager
def peer_of(folder: Path, certificate: Path, private_key: Path, tickets: bool = False) -> Iterator[Server]:
    with nginx(folder, certificate, private_key, tickets) as (port, (pid,)):
        yield port, pid


@contextmanager
def ddns53d(folder: Path, ca: TestCA, **server: object) -> Iterator[Daemon]:
    settings = {
        "server": {"threads": 1, **server},
        "limits": {
            "connections": 20000, "connections_per_address": 20000, "reads_per_minute": 1000000, "request_s": 300
        },
    }
    names = [f"h{number:04}.example.test." for number in range(SIGNERS)]
    hosts = [host(name, "A", SECRET, auth=["hash", "basic", "signed"], allow_internal=True) for name in names]
    daemon = Daemon(folder, ca, settings, hosts).start()
    try:
        yield daemon
    finally:
        daemon.close()


def port_of(daemon: Daemon) -> int:
    return int(daemon.url.rpartition(":")[2])


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


# ---- what is measured: microseconds of CPU, of each round, by row and server ----

Figures = dict[str, dict[str, list[float]]]


def take_turns(rounds: int, servers: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """A first round does not count."""
    figures: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name, measure in servers.items():
            value = measure()
            if number > 0:
                figures[name].append(value)
    return figures


def handshake_cpu(server: Server, context: ssl.SSLContext, arguments: argparse.Namespace, away_ms: int = 0) -> float:
    port, pid = server
    with relay(port, away_ms) as entrance:
        before = cpu_seconds(pid)
        fetch_many(entrance, context, arguments.requests, arguments.connections)
        return (cpu_seconds(pid) - before) / arguments.requests * 1e6


def resumed_cpu(server: Server, context: ssl.SSLContext, arguments: argparse.Namespace) -> float:
    port, pid = server
    session = fetch(port, context)
    before = cpu_seconds(pid)
    fetch_many(port, context, arguments.requests, arguments.connections, session)
    return (cpu_seconds(pid) - before) / arguments.requests * 1e6


def handshakes(servers: dict[str, Server], context: ssl.SSLContext, arguments: argparse.Namespace) -> Figures:
    return {
        f"full handshake, get, close; {away_ms} ms away": take_turns(
            arguments.rounds,
            {
                name: lambda server=server: handshake_cpu(server, context, arguments, away_ms)
                for name, server in servers.items()
            },
        )
        for away_ms in ROUND_TRIPS_MS
    }


def resumptions(servers: dict[str, Server], ca: TestCA, arguments: argparse.Namespace) -> Figures:
    figures: Figures = {}
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context = ssl.create_default_context(cafile=str(ca.path))
        context.maximum_version = version
        figures[f"resumed, TLS 1.{version - ssl.TLSVersion.TLSv1}"] = take_turns(
            arguments.rounds,
            {
                name: lambda server=server: resumed_cpu(server, context, arguments)
                for name, server in servers.items()
            },
        )
    return figures


def kept_cpu(server: Server, load: Callable[[int], int]) -> float:
    port, pid = server
    for _ in range(RUNS_MAX):
        before = cpu_seconds(pid)
        count = load(port)
        if count > 0:
            return (cpu_seconds(pid) - before) / count * 1e6
    raise SystemExit("https: no request was answered")


def signed_targets(first: int, count: int) -> list[str]:
    moment = str(int(time.time()))
    targets = []
    for number in range(first, first + count):
        name, nonce = f"h{number % SIGNERS:04}.example.test.", f"nonce-of-the-benchmark-{number}"
        text = f"ddns53-1\nset\n{name}\n127.0.0.1\n{moment}\n{nonce}\n"
        signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        targets.append(f"/?mode=set&hostname={name}&time={moment}&nonce={nonce}&signature={signature}")
    return targets


def kept(servers: dict[str, Server], folder: Path, arguments: argparse.Namespace) -> Figures:
    """Nothing changes by any of these updates but the first."""
    ours, seconds = servers["ddns53d"], arguments.kept_seconds
    name = "h0000.example.test."
    by_hash = query_target({"mode": "set", "hostname": name, "hash": hash_token("127.0.0.1", name, SECRET)})
    basic = "Authorization: Basic " + base64.b64encode(f"{name}:{SECRET}".encode()).decode()
    by_basic = f"/nic/update?hostname={name}&myip=127.0.0.1"
    signed = 0

    def sign(port: int) -> int:
        nonlocal signed
        targets = signed_targets(signed, SIGNED_PER_SECOND * seconds)
        signed += len(targets)
        return wrk_lines(folder, port, targets, seconds)

    def of_ours(load: Callable[[int], int]) -> dict[str, list[float]]:
        return take_turns(arguments.rounds, {"ddns53d": lambda: kept_cpu(ours, load)})

    get = {
        name: lambda server=server: kept_cpu(server, lambda port: wrk(port, "/?mode=get", [], seconds))
        for name, server in servers.items()
    }
    return {
        "kept connection: get": take_turns(arguments.rounds, get),
        "kept connection: set by hash": of_ours(lambda port: wrk(port, by_hash, [], seconds)),
        "kept connection: Basic": of_ours(lambda port: wrk(port, by_basic, ["-H", basic], seconds)),
        "kept connection: signed": of_ours(sign),
    }


# ---- memory ----


def idle_memory(server: Server, context: ssl.SSLContext, count: int) -> dict[str, float]:
    """KiB for each connection that waits for its next request, and what is left of that when they have closed."""
    port, pid = server
    with ExitStack() as stack:
        wait_at(stack, port, context)
        before = memory_kib(pid, "VmRSS")
        for _ in range(count):
            wait_at(stack, port, context)
        each = (memory_kib(pid, "VmRSS") - before) / count
    time.sleep(3)  # for the server to close them, and to give back what it will
    return {"each_kib": each, "left_kib": (memory_kib(pid, "VmRSS") - before) / count}


# ---- clients that fall silent ----


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


def silences(server: Server, context: ssl.SSLContext, arguments: argparse.Namespace) -> dict[str, float]:
    hello = client_hello(context)
    beginnings = {"nothing": b"", "one byte": b"\x16", "half a ClientHello": hello[:100], "a ClientHello": hello}
    return {
        name: silence(*server, sent, arguments.silent, arguments.silent_seconds)
        for name, sent in beginnings.items()
        if arguments.silent
    }


# ---- all of it ----


def rsa_pair(folder: Path) -> tuple[Path, Path]:
    """Nobody verifies it."""
    certificate, key = folder / "rsa.pem", folder / "rsa.key"
    command = [program("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def rsa(folder: Path, ca: TestCA, arguments: argparse.Namespace) -> Figures:
    certificate, key = rsa_pair(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ddns53d(folder / "rsa", ca, certificate=str(certificate), private_key=str(key)) as daemon:
        with peer_of(folder / "rsa nginx", certificate, key) as peer:
            servers = {"ddns53d": (port_of(daemon), daemon.pid), "nginx": peer}
            measures = {
                name: lambda server=server: handshake_cpu(server, context, arguments)
                for name, server in servers.items()
            }
            return {"full handshake with RSA-2048": take_turns(arguments.rounds, measures)}


def row_of(name: str, by_server: dict[str, list[float]]) -> tuple[str, str]:
    texts = [
        f"{server} {median(values):.1f} us ({min(values):.1f} to {max(values):.1f})"
        for server, values in by_server.items()
    ]
    if len(by_server) == 2:
        ours, peer = (median(values) for values in by_server.values())
        texts.append(f"{ours / peer:.2f} of it")
    return name, ", ".join(texts)


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    program("nginx", "nginx-light")
    program("wrk", "wrk")
    if raise_file_limit() < arguments.idle + 1000:
        raise SystemExit(f"https: needs {arguments.idle + 1000} open files; raise the limit (ulimit -Hn) or pass --idle")
    ca = TestCA(folder)
    with ExitStack() as stack:
        daemon = stack.enter_context(ddns53d(folder / "daemon", ca))
        ours = (port_of(daemon), daemon.pid)
        context = daemon.tls_context()
        peer = stack.enter_context(peer_of(folder / "nginx", ca.certificate, ca.private_key))
        resuming = stack.enter_context(peer_of(folder / "nginx with tickets", ca.certificate, ca.private_key, True))
        figures = handshakes({"ddns53d": ours, "nginx": peer}, context, arguments)
        figures.update(resumptions({"ddns53d": ours, "nginx": resuming}, ca, arguments))
        figures.update(rsa(folder, ca, arguments))
        if arguments.kept_seconds:
            figures.update(kept({"ddns53d": ours, "nginx": peer}, folder, arguments))
        memory = {}
        if arguments.idle:
            fresh = stack.enter_context(ddns53d(folder / "idle", ca))
            servers = {"ddns53d": (port_of(fresh), fresh.pid), "nginx": peer}
            memory = {name: idle_memory(server, context, arguments.idle) for name, server in servers.items()}
        silent = silences(ours, context, arguments)
    rows = [row_of(name, by_server) for name, by_server in figures.items()]
    rows += [
        (f"memory of {arguments.idle} connections that wait: {name}",
         f"{kib['each_kib']:.1f} KiB each, {kib['left_kib']:.1f} when they have closed")
        for name, kib in memory.items()
    ]
    rows += [
        (f"{arguments.silent} clients silent after {name}", f"{share * 100:.1f} % of a core")
        for name, share in silent.items()
    ]
    title = (
        f"https: the server's CPU per request; medians (and extremes) of {arguments.rounds} rounds, taking turns, of "
        f"{arguments.requests} handshakes, {arguments.connections} at a time, or {arguments.kept_seconds} s on 16 kept "
        "connections"
    )
    return title, rows, {"cpu_us": figures, "memory": memory, "silent_cores": silent}
