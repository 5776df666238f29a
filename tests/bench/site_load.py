"""A minute of check-ins at the greatest rate that the machine holds, one in a hundred with a new address, for Route 53"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from checkins import address_of
from harness import Daemon, host
from peer import name_of
from setup import SECRET, raise_file_limit, stand_in
from standin import Route53, TestCA

ZONE = "site.example."
CHANGING = 100  # one check-in of so many has a new address
TICK_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="with TLS; half as long without")
    parser.add_argument("--hosts", type=int, default=10000, metavar="N")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="of clients")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="of each process, at a time")


def start(folder: Path, ca: TestCA, route53: Route53, count: int, tls: bool) -> Daemon:
    server = {"trusted_proxies": ["127.0.0.0/8"], "threads": 0}
    if not tls:
        server |= {"tls": False, "certificate": None, "private_key": None}
    settings = {
        "server": server,
        "limits": {"connections_per_address": 4096, "reads_per_minute": 1000000},
        "update": {"timeout_s": 60},
    }
    hosts = [host(name_of(index, ZONE), "A", SECRET, auth=["hash"]) for index in range(count)]
    return Daemon(folder, ca, settings, hosts, route53).start()


def cpu_split(pid: int) -> tuple[float, float]:
    """Seconds in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def check_in(daemon: Daemon, arguments: argparse.Namespace, tls: bool, seconds: float) -> dict:
    job = {
        "port": int(daemon.url.rpartition(":")[2]),
        "tls": tls,
        "seconds": seconds,
        "clients": arguments.clients,
        "hosts": arguments.hosts // arguments.processes,
        "zone": ZONE,
        "secret": SECRET,
        "changing": CHANGING,
    }
    command = [sys.executable, str(Path(__file__).with_name("checkins.py"))]
    user, kernel = cpu_split(daemon.pid)
    loads = []
    for number in range(arguments.processes):
        load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        json.dump({**job, "first": number * job["hosts"]}, load.stdin)
        load.stdin.close()
        loads.append(load)
    depths = []
    while any(load.poll() is None for load in loads):
        depths.append(daemon.metrics().sum("ddns53_queue_depth"))
        time.sleep(TICK_S)
    done = [json.loads(load.stdout.read()) for load in loads]
    user_after, kernel_after = cpu_split(daemon.pid)
    half = len(depths) // 2
    total = {key: sum(row[key] for row in done) for key in ("answers", "failed", "changed")}
    return {
        **total,
        "per_s": total["answers"] / seconds,
        "user_us": (user_after - user) / max(1, total["answers"]) * 1e6,
        "kernel_us": (kernel_after - kernel) / max(1, total["answers"]) * 1e6,
        "queue_first_half": max(depths[:half], default=0),
        "queue_second_half": max(depths[half:], default=0),
    }


def measure(folder: Path, ca: TestCA, arguments: argparse.Namespace, tls: bool) -> dict:
    with stand_in(ca, ZONE) as route53:
        for index in range(arguments.hosts):
            route53.put_record(name_of(index, ZONE), "A", [address_of(index, 0)], 60)
        daemon = start(folder / ("tls" if tls else "plain"), ca, route53, arguments.hosts, tls)
        try:
            daemon.wait_log("event=zone_ready", 300)
            seconds = arguments.seconds if tls else arguments.seconds / 2
            check_in(daemon, arguments, tls, min(3.0, seconds))  # the state learns who has which address
            calls = len(route53.calls_of("ChangeResourceRecordSets", ZONE))
            figures = check_in(daemon, arguments, tls, seconds)
            figures["changes_calls"] = len(route53.calls_of("ChangeResourceRecordSets", ZONE)) - calls
            return figures
        finally:
            daemon.close()


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    raise_file_limit()
    ca = TestCA(folder)
    plain = measure(folder, ca, arguments, tls=False)
    tls = measure(folder, ca, arguments, tls=True)
    rows = [
        ("check-ins a second, each by a TLS handshake of its own", f"{tls['per_s']:.0f}"),
        ("  failed", f"{tls['failed']}"),
        ("  CPU of each: kernel", f"{tls['kernel_us']:.0f} us"),
        ("    TLS, and what is beside it", f"{max(0.0, tls['user_us'] - plain['user_us']):.0f} us"),
        ("    ours and the HTTP library", f"{plain['user_us']:.0f} us"),
        ("  new addresses, calls that carried them", f"{tls['changed']}, {tls['changes_calls']}"),
        (
            "  most changes in the queue: first half, second half",
            f"{tls['queue_first_half']:.0f}, {tls['queue_second_half']:.0f}",
        ),
        ("check-ins a second without TLS", f"{plain['per_s']:.0f}"),
        ("  CPU of each: kernel", f"{plain['kernel_us']:.0f} us"),
    ]
    title = f"site: {arguments.hosts} hosts check in for {arguments.seconds:.0f} s, clients and server on one machine"
    return title, rows, {"tls": tls, "plain": plain}
