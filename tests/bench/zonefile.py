"""What an update in a large zone file costs, alone and in a row, and whom it delays; beside a dynamic update of Knot DNS"""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from statistics import median

from harness import Daemon, hash_token, host, query_target
from harness.process import cpu_seconds
from peer import Knot, name_of
from setup import SECRET, new_address, percentile, raise_file_limit
from standin import TestCA

LARGE, SMALL = "large.example.", "small.example."
LONE_INTERVAL_S = 0.25  # longer than a large file rests
HEAD = "$TTL 60\n@ SOA ns1.example. hostmaster.example. ( 2020010100 ; serial\n 1h 1h 1w 1h )\n NS ns1.example.\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=100000, metavar="N", help="of the large zone")
    parser.add_argument("--updates", type=int, default=12, metavar="N", help="alone, in each round")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each server, taking turns; medians count")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="of 50 updates a second")


def write_zone(path: Path, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.write(HEAD + "; ddns53 begin\n")
        file.writelines(f"{name_of(index, LARGE)} 60 IN A 198.18.0.1\n" for index in range(count))
        file.write("; ddns53 end\n")


class Updates:
    """One client; each update is of another host and has another address."""

    def __init__(self, daemon: Daemon, zone: str, hosts: int, first: int):
        self.client, self.zone, self.hosts, self.next = daemon.client(timeout=60), zone, hosts, first
        self.taken: list[float] = []

    def one(self) -> None:
        source, name = new_address(self.next), name_of(self.next % self.hosts, self.zone)
        self.next += 1
        target = query_target({"mode": "set", "hostname": name, "hash": hash_token(source, name, SECRET)})
        begun = time.monotonic()
        status = self.client.request(target, headers={"X-Forwarded-For": source}).status
        self.taken.append(time.monotonic() - begun)
        if status != 200:
            raise SystemExit(f"zonefile: an update was answered {status}")


def alone(pid: int, update, count: int) -> dict[str, float]:
    taken = []
    begun_cpu = cpu_seconds(pid)
    for _ in range(count):
        begun = time.monotonic()
        update()
        taken.append(time.monotonic() - begun)
        time.sleep(LONE_INTERVAL_S)
    return {"cpu_ms": (cpu_seconds(pid) - begun_cpu) / count * 1000, "p50_ms": median(taken) * 1000}


def serial_of(path: Path) -> str:
    with path.open() as file:
        return file.read(len(HEAD)).split("(")[1].split(";")[0]


def in_a_row(daemon: Daemon, hosts: int, seconds: float, small: Updates) -> dict[str, float]:
    """50 updates a second of the large zone by ten clients, and one after the other of the small one."""
    clients = [Updates(daemon, LARGE, hosts, 40000 + 1000 * index) for index in range(10)]

    def work(updates: Updates) -> None:
        while not updates.taken or time.monotonic() < end:
            updates.one()
            time.sleep(max(0.0, 0.2 - updates.taken[-1]))

    threads = [threading.Thread(target=work, args=(updates,)) for updates in clients]
    path = daemon.zone_file(LARGE)
    versions = set()
    small.taken.clear()
    cpu, begun = cpu_seconds(daemon.pid), time.monotonic()
    end = begun + seconds
    for thread in threads:
        thread.start()
    while not small.taken or time.monotonic() < end:
        small.one()
        versions.add(serial_of(path))
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - begun
    taken = [seconds for updates in clients for seconds in updates.taken]
    return {
        "updates_per_s": len(taken) / took_s,
        "files_per_s": len(versions) / took_s,
        "core_percent": (cpu_seconds(daemon.pid) - cpu) / took_s * 100,
        "p50_ms": percentile(taken, 50) * 1000,
        "max_ms": max(taken) * 1000,
        "small_p50_ms": percentile(small.taken, 50) * 1000,
    }


def start(folder: Path, hosts: int, records: int) -> Daemon:
    settings = {
        "server": {"tls": False, "certificate": None, "private_key": None, "trusted_proxies": ["127.0.0.0/8"]},
        "limits": {"reads_per_minute": 1000000},
        "zones": [{"name": name, "provider": "zonefile"} for name in (LARGE, SMALL)],
    }
    names = [name_of(index, zone) for zone in (LARGE, SMALL) for index in range(hosts)]
    daemon = Daemon(folder / "daemon", TestCA(folder), settings, [host(name, "A", SECRET) for name in names])
    write_zone(daemon.zone_file(LARGE), records)
    return daemon.start()


def spread(rows: list[dict[str, float]], key: str) -> str:
    values = [row[key] for row in rows]
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    raise_file_limit()
    hosts = min(500, arguments.records)
    knot = Knot(folder / "knot", LARGE, arguments.records, ("198.18.0.1",))
    daemon = start(folder, hosts, arguments.records)
    ours, peers, smalls = [], [], []
    try:
        knot.start()
        large, small = Updates(daemon, LARGE, hosts, 1), Updates(daemon, SMALL, hosts, 1)
        large.one()  # both files are read and made by then
        small.one()
        knot.update(name_of(0, LARGE), new_address(1))
        for turn in range(arguments.rounds):
            ours.append(alone(daemon.pid, large.one, arguments.updates))
            smalls.append(alone(daemon.pid, small.one, arguments.updates))
            numbers = iter(range(2 + turn * arguments.updates, 1 << 20))

            def change() -> None:
                number = next(numbers)
                knot.update(name_of(number % hosts, LARGE), new_address(number))

            peers.append(alone(knot.pid, change, arguments.updates))
        row = in_a_row(daemon, hosts, arguments.seconds, small)
    finally:
        knot.close()
        daemon.close()
    rows = [
        ("an update alone, ms of CPU", f"{spread(ours, 'cpu_ms')}; knotd {spread(peers, 'cpu_ms')}"),
        ("  until it is answered, ms", f"{spread(ours, 'p50_ms')}; knotd {spread(peers, 'p50_ms')}"),
        ("the same in a small zone, ms of CPU", spread(smalls, "cpu_ms")),
        ("  until it is answered, ms", spread(smalls, "p50_ms")),
        ("about 50 a second: updates, files written a second", f"{row['updates_per_s']:.1f}, {row['files_per_s']:.1f}"),
        ("  share of a core", f"{row['core_percent']:.1f} %"),
        ("  until they are answered: median, max", f"{row['p50_ms']:.1f} ms, {row['max_ms']:.1f} ms"),
        ("  meanwhile in the small zone: median", f"{row['small_p50_ms']:.2f} ms"),
    ]
    figures = {"alone": ours, "small": smalls, "knotd": peers, "in_a_row": row}
    return f"zonefile: {arguments.records} records; median and spread of {arguments.rounds}", rows, figures
