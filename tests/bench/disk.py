"""What a single update takes while a large zone file is read again and again, and tens of thousands of touches are written"""

from __future__ import annotations

import argparse
import base64
import os
import threading
import time
from pathlib import Path

from harness import Daemon, hash_token, host, query_target
from setup import SECRET, new_address, percentile, raise_file_limit
from standin import TestCA

LONE, LARGE, TOUCHED = "lone.example.", "large.example.", "touched.example."
INTERVAL_S = 0.02
TOUCH_PERIOD_S = 10  # how often the daemon writes them
HOSTS_PER_REQUEST = 20
ADDRESS = "198.18.0.1"
HEAD = "$TTL 60\n@ SOA ns1.example. hostmaster.example. ( 2020010100 ; serial\n 1h 1h 1w 1h )\n NS ns1.example.\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=22, metavar="S", help="of lone updates in each half")
    parser.add_argument("--megabytes", type=int, default=100, metavar="N", help="of the large zone file")
    parser.add_argument("--touches", type=int, default=60000, metavar="N")


def write_large(path: Path, megabytes: int) -> int:
    """The owner's records, as a zone of a provider has them; returns their number."""
    line = "customer{:08} 3600 IN A 192.0.2.1\n"
    count = megabytes * 1000000 // len(line.format(0))
    with path.open("w") as file:
        file.write(HEAD)
        file.writelines(line.format(number) for number in range(count))
    return count


def write_touched(path: Path, names: list[str]) -> None:
    with path.open("w") as file:
        file.write(HEAD + "; ddns53 begin\n")
        file.writelines(f"{name} 60 IN A {ADDRESS}\n" for name in names)
        file.write("; ddns53 end\n")


def lone_updates(daemon: Daemon, seconds: float, offset: int) -> list[float]:
    client, name, taken = daemon.client(), "lone." + LONE, []
    end = time.monotonic() + seconds
    while not taken or time.monotonic() < end:
        source = new_address(offset + len(taken))
        target = query_target({"mode": "set", "hostname": name, "hash": hash_token(source, name, SECRET)})
        begun = time.monotonic()
        status = client.request(target, headers={"X-Forwarded-For": source}).status
        taken.append(time.monotonic() - begun)
        if status != 200:
            raise SystemExit(f"disk: an update was answered {status}")
        time.sleep(INTERVAL_S)
    return taken


def touch(daemon: Daemon, names: list[str]) -> None:
    """The hosts' clients check in, each with the address that it has."""
    client = daemon.client()
    for start in range(0, len(names), HOSTS_PER_REQUEST):
        hosts = ",".join(name.rstrip(".") for name in names[start : start + HOSTS_PER_REQUEST])
        login = base64.b64encode(f"{hosts.split(',')[0]}:{SECRET}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "X-Forwarded-For": ADDRESS}
        answer = client.request(f"/nic/update?hostname={hosts}", headers=headers)
        if answer.status != 200 or set(answer.text.split()) - {"good", "nochg", ADDRESS}:
            raise SystemExit(f"disk: hosts that check in were answered {answer.status}: {answer.text[:200]}")


class Disturbance:
    """The large file is changed as soon as it may have been read: the daemon reads it for as long as this goes on."""

    def __init__(self, path: Path):
        self.path, self.over, self.times = path, threading.Event(), 0
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self.over.wait(0.5):
            os.utime(self.path)
            self.times += 1

    def __enter__(self) -> "Disturbance":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()


def describe(taken: list[float]) -> str:
    figures = (percentile(taken, 50), percentile(taken, 90), percentile(taken, 99), max(taken))
    return ", ".join(f"{value * 1000:.2f} ms" for value in figures)


def added(quiet: list[float], busy: list[float], percent: float) -> str:
    return f"{(percentile(busy, percent) - percentile(quiet, percent)) * 1000:.2f} ms"


def start(folder: Path, touched: list[str]) -> Daemon:
    settings = {
        "server": {"tls": False, "certificate": None, "private_key": None, "trusted_proxies": ["127.0.0.0/8"]},
        "limits": {"reads_per_minute": 1000000, "queued_changes": 1000000},
        "update": {"timeout_s": 60},
        "zones": [{"name": name, "provider": "zonefile"} for name in (LONE, LARGE, TOUCHED)],
    }
    hosts = [host(name, "A", SECRET, auth=["hash", "basic"]) for name in ["lone." + LONE, "one." + LARGE, *touched]]
    daemon = Daemon(folder / "daemon", TestCA(folder), settings, hosts)
    daemon.zone_file(LARGE).parent.mkdir(parents=True, exist_ok=True)
    return daemon


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    raise_file_limit()
    touched = [f"t{number:06}.{TOUCHED}" for number in range(arguments.touches)]
    daemon = start(folder, touched)
    records = write_large(daemon.zone_file(LARGE), arguments.megabytes)
    write_touched(daemon.zone_file(TOUCHED), touched)
    daemon.start()
    try:
        daemon.client(timeout=120).request(
            query_target({"mode": "set", "hostname": "one." + LARGE, "hash": hash_token(ADDRESS, "one." + LARGE, SECRET)}),
            headers={"X-Forwarded-For": ADDRESS},
        )
        touch(daemon, touched)  # the state learns who has which address
        time.sleep(TOUCH_PERIOD_S + 1)
        quiet = lone_updates(daemon, arguments.seconds, 1)
        begun = time.monotonic()
        touch(daemon, touched)
        touching_s = time.monotonic() - begun
        with Disturbance(daemon.zone_file(LARGE)) as disturbance:
            busy = lone_updates(daemon, max(arguments.seconds, TOUCH_PERIOD_S + 1), 10000)
    finally:
        daemon.close()
    rows = [
        ("undisturbed: median, p90, p99, max", describe(quiet)),
        ("while both go on", describe(busy)),
        ("added to the median, to the p99", ", ".join(added(quiet, busy, percent) for percent in (50, 99))),
    ]
    figures = {
        "quiet_ms": [round(value * 1000, 3) for value in quiet],
        "busy_ms": [round(value * 1000, 3) for value in busy],
        "changes_of_the_large_file": disturbance.times,
    }
    title = (
        f"disk: {len(quiet)} and {len(busy)} single updates; a zone file of {arguments.megabytes} MB ({records} records) is "
        f"changed twice a second, {arguments.touches} touches (asked for within {touching_s:.1f} s) are written"
    )
    return title, rows, figures
