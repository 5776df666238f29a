"""What the benchmarks share: a daemon behind a proxy that names its clients, hosts by the thousand, percentiles."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

from harness import Daemon, host
from standin import Route53, SlidingWindow, TestCA

LATENCY_S = 0.150
REQUESTS_PER_SECOND = 5
SECRET = "one-secret-of-the-benchmark-0001"


def program(name: str, package: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if not path:
        raise SystemExit(
            f"tests/bench/run: {name}, which this benchmark uses, is missing; install Debian's package {package}"
        )
    return path


def raise_file_limit() -> int:
    """As many open files as this user may have; the daemon and the load inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def old_address(index: int) -> str:
    return f"198.18.{index // 250 % 250}.{index % 250 + 1}"


def new_address(index: int) -> str:
    return f"198.19.{index // 250 % 250}.{index % 250 + 1}"


def stand_in(ca: TestCA, *zones: str) -> Route53:
    """Five requests in any second of the account, one change in flight per zone, 150 ms a call."""
    return Route53(zones, ca=ca, latency_s=LATENCY_S, rate_limit=lambda: SlidingWindow(REQUESTS_PER_SECOND))


def populate(route53: Route53, zone: str, count: int) -> list[str]:
    names = [f"h{index:06d}.{zone}" for index in range(count)]
    for index, name in enumerate(names):
        route53.put_record(name, "A", [old_address(index)], 60)
    return names


def start_daemon(folder: Path, ca: TestCA, route53: Route53, names: list[str], connections: int) -> Daemon:
    """Plain HTTP on loopback, as behind a proxy: the clients' addresses come in X-Forwarded-For. The TLS handshakes of
    ten thousand clients are not what is measured here."""
    settings = {
        "server": {
            "tls": False,
            "certificate": None,
            "private_key": None,
            "threads": 0,
            "trusted_proxies": ["127.0.0.0/8"],
        },
        "limits": {"connections": connections, "connections_per_address": connections, "reads_per_minute": 100000},
    }
    hosts = [host(name, "A", SECRET, auth=["hash", "basic"]) for name in names]
    return Daemon(folder / "daemon", ca, settings, hosts, route53).start()


def wait_read_back(route53: Route53, zone: str, count: int) -> None:
    """The daemon has read the zone: all pages of 300 were listed."""
    pages = (count + 2 + 299) // 300
    if not route53.wait_for(lambda: len(route53.calls_of("ListResourceRecordSets", zone)) >= pages, 300):
        raise SystemExit("the daemon has not read the zone back within 300 s")


def memory_kib(pid: int, which: str) -> int:
    """VmRSS: resident now; VmHWM: at the most."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(which + ":")]
    return int(line.split()[1])


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")
