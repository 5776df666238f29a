"""What a single update takes on top of the provider's own time, with and without a storm in another zone"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from harness import hash_token, query_target
from setup import SECRET, new_address, percentile, populate, raise_file_limit, stand_in, start_daemon, wait_read_back
from standin import Route53, TestCA

LONE_ZONE, STORM_ZONE = "lone.example.", "storm.example."
INTERVAL_S = 1.25  # one update at a time, below the provider's limit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--updates", type=int, default=40, metavar="N", help="lone updates in each half")
    parser.add_argument("--storm-records", type=int, default=20000, metavar="N")


def update(client, name: str, source: str, internal: str | None = None) -> tuple[int, float]:
    target = query_target({"mode": "set", "hostname": name, "hash": hash_token(source, name, SECRET)})
    started = time.monotonic()
    response = client.request(target, headers={"X-Forwarded-For": source})
    return response.status, time.monotonic() - started


def lone_updates(route53: Route53, client, name: str, count: int, offset: int) -> list[float]:
    """Seconds added to the provider's own time by each update."""
    added = []
    for index in range(count):
        before = len(route53.calls_of("ChangeResourceRecordSets", LONE_ZONE))
        status, seconds = update(client, name, new_address(offset + index))
        calls = [call for call in route53.calls_of("ChangeResourceRecordSets", LONE_ZONE)[before:] if call.applied]
        if status != 200 or len(calls) != 1:
            raise SystemExit(f"lone: an update was answered {status} after {len(calls)} calls")
        added.append(seconds - (calls[0].finished_at - calls[0].started_at))
        time.sleep(INTERVAL_S)
    return added


def start_backlog(daemon, names: list[str]) -> subprocess.Popen:
    """Another process that keeps 3,000 changes waiting in the other zone: more than five batches."""
    backlog = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("backlog.py"))], stdin=subprocess.PIPE, text=True
    )
    job = {"port": int(daemon.url.rpartition(":")[2]), "secret": SECRET, "names": names, "workers": 150}
    backlog.stdin.write(json.dumps(job) + "\n")
    backlog.stdin.flush()
    return backlog


def describe(added: list[float]) -> str:
    return (
        f"{percentile(added, 50) * 1000:.2f} ms, {percentile(added, 90) * 1000:.2f} ms, {max(added) * 1000:.2f} ms"
    )


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    raise_file_limit()
    ca = TestCA(folder)
    with stand_in(ca, LONE_ZONE, STORM_ZONE) as route53:
        names = populate(route53, STORM_ZONE, arguments.storm_records)
        lone_name = populate(route53, LONE_ZONE, 1)[0]
        daemon = start_daemon(folder, ca, route53, [lone_name, *names], connections=1000)
        try:
            wait_read_back(route53, STORM_ZONE, arguments.storm_records)
            time.sleep(1.5)
            client = daemon.client()
            quiet = lone_updates(route53, client, lone_name, arguments.updates, 1)
            backlog = start_backlog(daemon, names)
            if not route53.wait_for(lambda: len(route53.calls_of("ChangeResourceRecordSets", STORM_ZONE)) >= 5, 60):
                raise SystemExit("lone: the storm does not reach the provider")
            before = len(route53.calls_of("ChangeResourceRecordSets", STORM_ZONE))
            stormy = lone_updates(route53, client, lone_name, arguments.updates, 1000)
            calls = route53.calls_of("ChangeResourceRecordSets", STORM_ZONE)[before:]
            backlog.stdin.close()
            backlog.wait(60)
        finally:
            daemon.close()
    rows = [
        ("added to the provider's time: median, p90, max", describe(quiet)),
        ("the same during a storm in another zone", describe(stormy)),
        ("calls of the storm meanwhile", f"{len(calls)}, {sum(c.changes for c in calls) / max(1, len(calls)):.0f} changes each"),
    ]
    figures = {
        "quiet_added_ms": [round(value * 1000, 3) for value in quiet],
        "storm_added_ms": [round(value * 1000, 3) for value in stormy],
        "storm_calls": len(calls),
    }
    return f"lone: {arguments.updates} single updates, one every {INTERVAL_S} s", rows, figures
