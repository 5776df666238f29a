"""Many hosts: the time and memory of a start and of a reload, and who waits meanwhile; beside it Knot DNS with the records"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from harness import Daemon
from peer import Knot, memory_mb, name_of, process_cpu, reset_peak
from setup import SECRET
from standin import TestCA

ZONE = "scale.example."
ADDRESSES = ("198.18.0.1", "2001:db8::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hosts", type=int, nargs="+", default=[100000, 1000000], metavar="N", help="A and AAAA each")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each server, taking turns; medians count")
    parser.add_argument("--own-secrets", action="store_true", help="a secret for each host, not one for all")


def write_hosts(path: Path, count: int, own_secrets: bool) -> None:
    with path.open("w") as file:
        file.write("hosts:\n")
        for index in range(count):
            secret = f"{SECRET}-{index:07d}" if own_secrets else SECRET
            file.write(
                f"  - hostname: {name_of(index, ZONE)}\n    record_type: [A, AAAA]\n    shared_secret: {secret}\n"
            )
    path.chmod(0o600)


class Asker:
    """Somebody who asks all the time."""

    def __init__(self, daemon: Daemon):
        command = [sys.executable, str(Path(__file__).with_name("asker.py")), daemon.url.rpartition(":")[2]]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # it has begun

    def end(self) -> dict[str, float]:
        return json.loads(self.process.communicate(timeout=60)[0])


def start_daemon(folder: Path, ca: TestCA, count: int, own_secrets: bool) -> Daemon:
    settings = {
        "server": {"tls": False, "certificate": None, "private_key": None, "trusted_proxies": ["127.0.0.0/8"]},
        "limits": {"reads_per_minute": 100000},
        "zones": [{"name": ZONE, "provider": "zonefile"}],
    }
    daemon = Daemon(folder, ca, settings, hosts=[])
    write_hosts(daemon.hosts_path, count, own_secrets)
    return daemon


def measure_start(server) -> dict[str, float]:
    begun = time.monotonic()
    server.start()
    pid = server.pid
    ready_s = time.monotonic() - begun
    resident, peak = memory_mb(pid)
    return {"ready_s": ready_s, "cpu_s": process_cpu(pid), "resident_mb": resident, "peak_mb": peak}


def measure_reload(daemon: Daemon) -> dict[str, float]:
    daemon.get(via="198.18.255.2")
    asker = Asker(daemon)
    reset_peak(daemon.pid)
    cpu, begun = process_cpu(daemon.pid), time.monotonic()
    daemon.reload(300)
    taken_s = time.monotonic() - begun
    waited = asker.end()
    resident, peak = memory_mb(daemon.pid)
    return {
        "reload_s": taken_s,
        "reload_cpu_s": process_cpu(daemon.pid) - cpu,
        "reload_resident_mb": resident,
        "reload_peak_mb": peak,
        "delay_ms": waited["max"],
        "delay_p99_ms": waited["p99"],
    }


def figure(rounds: list[dict[str, float]], key: str, digits: int = 2) -> str:
    values = [row[key] for row in rounds]
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def rows_of(count: int, ours: list[dict[str, float]], peers: list[dict[str, float]]) -> list[tuple[str, str]]:
    def both(key: str, digits: int = 2) -> str:
        return f"{figure(ours, key, digits)}; knotd {figure(peers, key, digits)}"

    return [
        (f"{count} hosts: s to ready", both("ready_s")),
        ("  s of CPU by then", both("cpu_s")),
        ("  MB resident", both("resident_mb", 0)),
        ("  MB at the peak", both("peak_mb", 0)),
        ("  reload: s", figure(ours, "reload_s")),
        ("  s of CPU", figure(ours, "reload_cpu_s")),
        ("  MB at the peak", figure(ours, "reload_peak_mb", 0)),
        ("  MB resident after it", figure(ours, "reload_resident_mb", 0)),
        ("  longest wait of a request meanwhile, ms", figure(ours, "delay_ms", 1)),
        ("  99th percentile, ms", figure(ours, "delay_p99_ms", 1)),
    ]


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    ca = TestCA(folder)
    rows: list[tuple[str, str]] = []
    figures: dict = {}
    for count in arguments.hosts:
        ours, peers = [], []
        knot = Knot(folder / f"knot-{count}", ZONE, count, ADDRESSES)
        daemon = start_daemon(folder / f"daemon-{count}", ca, count, arguments.own_secrets)
        for _ in range(arguments.rounds):
            try:
                measured = measure_start(daemon)
                ours.append({**measured, **measure_reload(daemon)})
            finally:
                daemon.stop()
            try:
                peers.append(measure_start(knot))
            finally:
                knot.close()
        daemon.close()
        rows += rows_of(count, ours, peers)
        figures[str(count)] = {"ddns53d": ours, "knotd": peers}
    secrets = "a secret each" if arguments.own_secrets else "one secret"
    return f"scale: hosts with A and AAAA, {secrets}; median and spread of {arguments.rounds}", rows, figures
