"""What a flood of silent connections leaves of the service, for strangers and for those who have logged in lately."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterator

from harness import SECRET, Client, Daemon, hash_token, host, query_target
from setup import percentile, raise_file_limit
from standin import TestCA

# The flood comes from FLOOD_NETS.x.y, the clients ask from networks beside it and, who has logged in, from inside.
STRANGER = "127.250.0.7"
REGULAR = "127.251.0.7"
INSIDE = "127.9.0.250"
HOME = "home.example.test."
PATIENCE_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--addresses", type=int, default=200, help="addresses that flood, up to 200 (200)")
    parser.add_argument("--each", type=int, default=64, help="connections that each keeps open (64)")
    parser.add_argument("--seconds", type=float, default=18.0, help="how long (18)")
    parser.add_argument("--connections", type=int, default=4096, help="limits.connections of the daemon (4096)")
    parser.add_argument("--networks", choices=("many", "one"), default="many", help="one /24 for each address, or one for all")
    parser.add_argument("--hello", action="store_true", help="each sends one byte that begins a handshake")


class Asking(threading.Thread):
    """A client that asks ten times a second, over a new connection each time, whatever came of the last."""

    def __init__(self, daemon: Daemon, source: str, seconds: float):
        super().__init__()
        self.daemon_under_test, self.source, self.seconds = daemon, source, seconds
        self.context = daemon.tls_context()
        self.took_s: list[float] = []
        self.asked = 0

    def ask(self) -> None:
        started = time.monotonic()
        try:
            with Client(self.daemon_under_test.url, self.context, self.source, PATIENCE_S) as client:
                if client.request("/?mode=get").status == 200:
                    self.took_s.append(time.monotonic() - started)
        except (OSError, ssl.SSLError, EOFError):
            pass

    def run(self) -> None:
        until = time.monotonic() + self.seconds
        asking = []
        while (now := time.monotonic()) < until:
            asking.append(threading.Thread(target=self.ask))
            asking[-1].start()
            self.asked += 1
            time.sleep(max(0.0, now + 0.1 - time.monotonic()))
        for thread in asking:
            thread.join()

    def figures(self) -> dict:
        return {
            "asked": self.asked,
            "served": len(self.took_s),
            "p50_ms": statistics.median(self.took_s or [float("nan")]) * 1000,
            "p99_ms": percentile(self.took_s, 99) * 1000,
        }


def log_in(daemon: Daemon, source: str) -> None:
    token = hash_token(source, HOME, SECRET)
    answer = daemon.request(query_target({"mode": "set", "hostname": HOME, "hash": token}), source=source)
    if answer.status not in (200, 201):
        raise SystemExit(f"the login was answered {answer.status}: {answer.text}")


def flooding(arguments: argparse.Namespace, port: int) -> subprocess.Popen:
    sources = [
        f"127.{10 + index}.0.1" if arguments.networks == "many" else f"127.9.0.{1 + index}"
        for index in range(arguments.addresses)
    ]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("flood_load.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    job = {"port": port, "sources": sources, "each": arguments.each, "message": "\x16" if arguments.hello else ""}
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.flush()
    return process


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_full(daemon: Daemon, connections: int) -> None:
    """The daemon has as many files open as it may have connections, nearly."""
    deadline = time.monotonic() + 30
    while len(os.listdir(f"/proc/{daemon.pid}/fd")) < connections * 9 // 10:
        if time.monotonic() > deadline:
            return  # a share of the table is all that the flood gets
        time.sleep(0.05)


def measure(daemon: Daemon, arguments: argparse.Namespace) -> Iterator[tuple[str, dict]]:
    threads = {
        "stranger": Asking(daemon, STRANGER, arguments.seconds),
        "logged in": Asking(daemon, REGULAR, arguments.seconds),
        "logged in, amid the flood": Asking(daemon, INSIDE, arguments.seconds),
    }
    for thread in threads.values():
        thread.start()
    for name, thread in threads.items():
        thread.join()
        yield name, thread.figures()


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    raise_file_limit()
    settings = {
        "server": {"threads": 0},
        "limits": {"connections": arguments.connections, "reads_per_minute": 100000},
    }
    daemon = Daemon(folder / "daemon", TestCA(folder / "ca"), settings, [host(HOME, "A", allow_internal=True)]).start()
    try:
        for source in (REGULAR, INSIDE):
            log_in(daemon, source)
        flood = flooding(arguments, int(daemon.url.rpartition(":")[2]))
        wait_full(daemon, arguments.connections)
        before_s, started = cpu_s(daemon.pid), time.monotonic()
        figures = dict(measure(daemon, arguments))
        cores = (cpu_s(daemon.pid) - before_s) / (time.monotonic() - started)
        files = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        totals = json.loads(flood.communicate()[0])
    finally:
        daemon.close()
    rows = [
        (name, f"{of['served']} of {of['asked']} served, p50 {of['p50_ms']:.0f} ms, p99 {of['p99_ms']:.0f} ms")
        for name, of in figures.items()
    ]
    rows.append(("the flood", f"{totals['opened']} connections opened, {totals['closed']} closed by the daemon"))
    rows.append(("the daemon", f"{cores:.2f} cores busy, {files} files open"))
    title = (
        f"flood: {arguments.addresses} addresses x {arguments.each} silent connections"
        f" ({arguments.networks} network{'s' if arguments.networks == 'many' else ''}) for {arguments.seconds:g} s,"
        f" limits.connections {arguments.connections}"
    )
    return title, rows, {**figures, "flood": totals, "cores": cores, "files": files}
