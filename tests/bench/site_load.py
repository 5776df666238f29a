"""A minute of check-ins at the greatest rate that the machine holds, one in a hundred with a new address, for Route 53"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Iterator

from harness import Daemon, host
from harness.dialects import basic
from nginx import nginx
from peer import name_of
from setup import SECRET, program, raise_file_limit, stand_in
from standin import Route53, TestCA

ZONE = "site.example."
CHANGING = 100  # one check-in of so many has a new address
TICK_S = 0.5
SIXTHS = 6
RUNS_MAX = 5
CORES = len(os.sched_getaffinity(0))
WRK_THREADS = 2
NGINX_ANSWER = ("text/plain", "nochg 127.0.0.1")
# wrk resumes its TLS 1.3 sessions and cannot be told not to; with these settings for OpenSSL each handshake is full.
FULL_HANDSHAKES = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = default
[default]
MaxProtocol = TLSv1.2
Options = -SessionTicket
"""
# Whose work the samples of perf are, by the beginning of the file's name; what is in none of them counts as the rest.
CODE = {
    "TLS (GnuTLS, nettle, GMP)": ("libgnutls", "libnettle", "libhogweed", "libgmp", "libtasn1"),
    "the HTTP library": ("libmicrohttpd",),
    "ours": ("ddns53d",),
    "libc": ("libc.", "libc-", "ld-linux"),
}
REST = "SQLite, libcurl, the rest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=int, default=60, metavar="S", help="of the steady state")
    parser.add_argument("--hosts", type=int, default=10000, metavar="N")
    parser.add_argument("--connections", type=int, default=128, metavar="N", help="check-ins at a time")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="beside nginx, taking turns (0: none)")
    parser.add_argument("--round-seconds", type=int, default=4, metavar="S", help="each, and those without a handshake")


# ---- the servers ----


def address_of(index: int, version: int) -> str:
    return f"198.{18 + version}.{index // 250 % 250}.{index % 250 + 1}"


def write_rows(path: Path, count: int) -> None:
    """One row a host, for site.lua."""
    with path.open("w") as file:
        for index in range(count):
            name = name_of(index, ZONE)
            token = basic(name, SECRET)["Authorization"]
            file.write(f"{name} {token} {address_of(index, 0)} {address_of(index, 1)}\n")


@contextmanager
def site(folder: Path, ca: TestCA, route53: Route53, count: int) -> Iterator[Daemon]:
    """It believes who names the client's address, as behind a proxy: so there is one for each host."""
    settings = {
        "server": {"trusted_proxies": ["127.0.0.0/8"], "threads": 0},
        "limits": {"connections_per_address": 4096},
        "update": {"timeout_s": 60},
    }
    for index in range(count):
        route53.put_record(name_of(index, ZONE), "A", [address_of(index, 0)], 60)
    hosts = [host(name_of(index, ZONE), "A", SECRET, auth=["basic"]) for index in range(count)]
    daemon = Daemon(folder, ca, settings, hosts, route53).start()
    try:
        daemon.wait_log("event=zone_ready", 300)
        yield daemon
    finally:
        daemon.close()


def cpu_split(pids: list[int]) -> tuple[float, float]:
    """Seconds in user mode and in the kernel, of all the processes together."""
    user = kernel = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user, kernel = user + int(fields[11]), kernel + int(fields[12])
    tick = os.sysconf("SC_CLK_TCK")
    return user / tick, kernel / tick


# ---- the load ----


class Load:
    """Runs of wrk with site.lua, each of which goes on where the one before has ended."""

    def __init__(self, folder: Path, arguments: argparse.Namespace):
        folder.mkdir()
        self.rows, self.openssl = folder / "rows", folder / "openssl.cnf"
        self.connections = min(arguments.connections, arguments.hosts)
        write_rows(self.rows, arguments.hosts)
        self.openssl.write_text(FULL_HANDSHAKES)

    def start(self, port: int, seconds: int, full: bool, close: bool) -> subprocess.Popen:
        environment = {
            **os.environ,
            "CHECKINS": str(self.rows),
            "CHANGING": str(CHANGING),
            "THREADS": str(WRK_THREADS),
            "CLOSE": "1" if close else "0",
        }
        if full:
            environment["OPENSSL_CONF"] = str(self.openssl)
        script = Path(__file__).with_name("site.lua")
        command = [
            program("wrk", "wrk"), f"-t{WRK_THREADS}", f"-c{self.connections}", f"-d{seconds}s", "--timeout", "60s",
            "--script", str(script), f"https://127.0.0.1:{port}",
        ]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )


def figures_of(output: str) -> dict:
    """The line that site.lua prints at its end."""
    line = re.search(r"^FIGURES (.*) first_other=(.*)$", output, re.MULTILINE)
    if not line:
        raise SystemExit(f"site: wrk failed: {output}")
    figures: dict = {name: float(value) for name, value in (word.split("=") for word in line[1].split())}
    return {**figures, "first_other": line[2]}


def run_load(*arguments, **options) -> dict:
    """One run as run_once; again where it has no answer or no tick of the server's CPU, which says nothing of a server."""
    for _ in range(RUNS_MAX):
        figures = run_once(*arguments, **options)
        if figures:
            return figures
    raise SystemExit("site: nobody was answered")


def run_once(
    load: Load, port: int, pids: list[int], seconds: int, full: bool = True, close: bool = True, watch=lambda: None
) -> dict:
    """`watch` is called every half second. Empty: there was nothing to measure."""
    user, kernel = cpu_split(pids)
    wrk = load.start(port, seconds, full, close)
    client = (0.0, 0.0)
    while wrk.poll() is None:
        client = max(client, cpu_split([wrk.pid]), key=sum)
        watch()
        time.sleep(TICK_S)
    user_after, kernel_after = cpu_split(pids)
    figures = figures_of(wrk.stdout.read())
    answers = figures["good"] + figures["nochg"] + figures["other"]
    if not answers or user_after <= user:
        return {}
    return {
        **figures,
        "answers": answers,
        "connections": load.connections,
        "per_s": answers / figures["seconds"],
        "user_us": (user_after - user) / answers * 1e6,
        "kernel_us": (kernel_after - kernel) / answers * 1e6,
        "server_cores": (user_after - user + kernel_after - kernel) / figures["seconds"],
        "client_cores": sum(client) / figures["seconds"],
        "each_ms": load.connections / answers * figures["seconds"] * 1000,
    }


# ---- where the time goes ----


class Profile:
    """Samples of a process while something else runs; without perf, or the right to use it, there are none."""

    def __init__(self, folder: Path, pid: int, seconds: int):
        self.path, self.process = folder / "perf.data", None
        self.perf = shutil.which("perf")
        if self.perf:
            self.process = subprocess.Popen(
                [
                    self.perf, "record", "-q", "-F", "199", "-e", "cpu-clock", "-p", str(pid), "-o", str(self.path),
                    "--", "sleep", str(seconds),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def shares(self) -> dict[str, float]:
        """Of the samples in user mode, by whose code it was; empty: not known."""
        if not self.process or self.process.wait(60) != 0:
            return {}
        command = [self.perf, "report", "--stdio", "-q", "--sort", "dso", "-i", str(self.path)]
        text = subprocess.run(command, capture_output=True, text=True).stdout
        shares = dict.fromkeys([*CODE, REST], 0.0)
        for percent, name in re.findall(r"^ *([0-9.]+)% +(\S+)", text, re.MULTILINE):
            if not name.startswith("["):
                part = next((part for part, names in CODE.items() if name.startswith(names)), REST)
                shares[part] += float(percent)
        total = sum(shares.values())
        return {part: share / total for part, share in shares.items()} if total else {}


# ---- all of it ----


def wait_empty(daemon: Daemon) -> float:
    """Seconds until no change is left in the queue."""
    began = time.monotonic()
    while daemon.metrics().sum("ddns53_queue_depth") > 0:
        if time.monotonic() - began > 120:
            raise SystemExit("site: the queue is not empty after 120 s")
        time.sleep(0.05)
    return time.monotonic() - began


def steady(folder: Path, daemon: Daemon, route53: Route53, load: Load, port: int, seconds: int) -> dict:
    depths: list[float] = []
    before = len(route53.calls_of("ChangeResourceRecordSets", ZONE))
    profile = Profile(folder, daemon.pid, seconds)
    figures = run_load(
        load, port, [daemon.pid], seconds, watch=lambda: depths.append(daemon.metrics().sum("ddns53_queue_depth"))
    )
    figures["empty_s"] = wait_empty(daemon)
    calls = route53.calls_of("ChangeResourceRecordSets", ZONE)[before:]
    accepted = [call for call in calls if call.applied]
    parts = [depths[len(depths) * part // SIXTHS : len(depths) * (part + 1) // SIXTHS] for part in range(SIXTHS)]
    return {
        **figures,
        "shares": profile.shares(),
        "queue_most": [max(part, default=0) for part in parts],
        "change_calls": len(accepted),
        "changes_sent": sum(call.changes for call in accepted),
        "throttled": sum(call.result == "Throttling" for call in calls),
    }


def take_turns(servers: dict[str, tuple[Load, int, list[int]]], arguments: argparse.Namespace) -> dict[str, list[dict]]:
    figures: dict[str, list[dict]] = {name: [] for name in servers}
    for _ in range(arguments.rounds):
        for name, server in servers.items():
            figures[name].append(run_load(*server, arguments.round_seconds))
    return figures


def cpu_row(figures: dict) -> str:
    total = figures["user_us"] + figures["kernel_us"]
    return f"{total:.0f} us, {figures['kernel_us']:.0f} of it in the kernel"


def steady_rows(figures: dict) -> list[tuple[str, str]]:
    shares = figures["shares"]
    by_part = [(f"    {part}", f"{share * figures['user_us']:.0f} us") for part, share in shares.items()]
    if not shares:
        by_part = [("    of TLS, of ours", "not known: perf, in Debian's package linux-perf, is missing or may not look")]
    words = f" ({figures['first_other']})" if figures["other"] else ""
    return [
        ("check-ins a second, each by a full TLS 1.2 handshake of its own", f"{figures['per_s']:.0f}"),
        (
            "  answered good, nochg, otherwise; not answered",
            f"{figures['good']:.0f}, {figures['nochg']:.0f}, {figures['other']:.0f}{words}; {figures['errors']:.0f}",
        ),
        (
            "  request to answer p50, p99; with its handshake on average",
            f"{figures['p50_us'] / 1000:.1f} ms, {figures['p99_us'] / 1000:.1f} ms; {figures['each_ms']:.1f} ms",
        ),
        (
            f"  of {CORES} cores the server, the clients take",
            f"{figures['server_cores']:.2f}, {figures['client_cores']:.2f}",
        ),
        ("  the server's CPU for each", cpu_row(figures)),
        *by_part,
        (
            "  new addresses; changes sent, in so many calls, throttled",
            f"{figures['changed']:.0f}; {figures['changes_sent']}, {figures['change_calls']}, {figures['throttled']}",
        ),
        (
            f"  most changes in the queue (each holds one of {figures['connections']} connections), by sixths of the time",
            ", ".join(f"{most:.0f}" for most in figures["queue_most"]),
        ),
        ("  the queue is empty after the last check-in", f"within {figures['empty_s']:.1f} s"),
    ]


def turns_row(name: str, rounds: list[dict]) -> tuple[str, str]:
    rates = [figures["per_s"] for figures in rounds]
    costs = [figures["user_us"] + figures["kernel_us"] for figures in rounds]
    return f"  {name}", (
        f"{median(rates):.0f} a second ({min(rates):.0f} to {max(rates):.0f}), "
        f"{median(costs):.0f} us of the server's CPU ({min(costs):.0f} to {max(costs):.0f})"
    )


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    program("wrk", "wrk")
    if arguments.rounds:
        program("nginx", "nginx-light")
    raise_file_limit()
    ca = TestCA(folder)
    with ExitStack() as stack:
        route53 = stack.enter_context(stand_in(ca, ZONE))
        daemon = stack.enter_context(site(folder / "site", ca, route53, arguments.hosts))
        load, port, pids = Load(folder / "load", arguments), int(daemon.url.rpartition(":")[2]), [daemon.pid]
        run_load(load, port, pids, min(3, arguments.seconds))  # everybody's password has been verified once
        wait_empty(daemon)
        full = steady(folder, daemon, route53, load, port, arguments.seconds)
        resumed = run_load(load, port, pids, arguments.round_seconds, full=False)
        kept = run_load(load, port, pids, arguments.round_seconds, full=False, close=False)
        rounds = {}
        if arguments.rounds:
            peer = stack.enter_context(
                nginx(folder / "nginx", ca.certificate, ca.private_key, workers=CORES, answer=NGINX_ANSWER)
            )
            servers = {"ddns53d": (load, port, pids), "nginx": (Load(folder / "peer", arguments), *peer)}
            rounds = take_turns(servers, arguments)
    rows = [
        *steady_rows(full),
        ("the same, sessions resumed with TLS 1.3", f"{resumed['per_s']:.0f} a second, {cpu_row(resumed)}"),
        ("the same, on kept connections", f"{kept['per_s']:.0f} a second, {cpu_row(kept)}"),
    ]
    if rounds:
        rows.append((f"full handshakes beside nginx, medians of {arguments.rounds} rounds", ""))
        rows += [turns_row(name, figures) for name, figures in rounds.items()]
    title = (
        f"site: {arguments.hosts} hosts check in for {arguments.seconds} s, {load.connections} at a time, by dyndns2 "
        f"with Basic, 1 in {CHANGING} with a new address; clients and server on one machine of {CORES} cores"
    )
    return title, rows, {"full": full, "resumed": resumed, "kept": kept, "rounds": rounds}
