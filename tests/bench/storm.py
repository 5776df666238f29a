"""N records change within a second: time until the last is right, calls, changes per call, answers' latency"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from botocore.exceptions import ClientError

from harness import hash_token, query_target
from harness.aws import boto, change, upsert
from setup import (
    LATENCY_S, REQUESTS_PER_SECOND, SECRET, memory_kib, new_address, percentile, populate, raise_file_limit, stand_in, start_daemon,
    wait_read_back,
)
from standin import Route53, TestCA

ZONE = "storm.example."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=10000, metavar="N")
    parser.add_argument(
        "--baseline", type=int, metavar="N", help="records of the baseline's run (default: a hundredth; 0: none)"
    )


def request_text(index: int, name: str) -> str:
    source = new_address(index)
    target = query_target({"mode": "set", "hostname": name, "hash": hash_token(source, name, SECRET)})
    return f"GET {target} HTTP/1.1\r\nHost: ddns\r\nX-Forwarded-For: {source}\r\nConnection: close\r\n\r\n"


def is_right(route53: Route53, names: list[str]) -> bool:
    return all(route53.values(name, "A") == [new_address(index)] for index, name in enumerate(names))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def run_storm(folder: Path, ca: TestCA, count: int) -> dict:
    with stand_in(ca, ZONE) as route53:
        names = populate(route53, ZONE, count)
        daemon = start_daemon(folder, ca, route53, names, connections=count + 1000)
        try:
            wait_read_back(route53, ZONE, count)
            time.sleep(1.5)  # the limit's window of the read-back passes
            route53.reset_calls()
            job = {
                "port": int(daemon.url.rpartition(":")[2]),
                "requests": [request_text(index, name) for index, name in enumerate(names)],
            }
            cpu = cpu_seconds(daemon.pid)
            before_kib = memory_kib(daemon.pid, "VmRSS")
            load = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("load.py"))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            started = time.monotonic()
            output, _ = load.communicate(json.dumps(job))
            load_seconds = time.monotonic() - started
            if not route53.wait_for(lambda: is_right(route53, names), 300):
                raise SystemExit("some records are still wrong after 300 s")
            cpu = cpu_seconds(daemon.pid) - cpu
            peak_kib = memory_kib(daemon.pid, "VmHWM")
            calls = route53.calls_of("ChangeResourceRecordSets")
            results = json.loads(output)
            first = calls[0].started_at
            last_right = max(call.finished_at for call in calls if call.result == "OK" or call.applied)
        finally:
            daemon.close()
    in_time = [seconds for status, seconds in results["answers"] if status == 200]
    return {
        "records": count,
        "requests_sent_within_s": results["sent_s"],
        "until_last_record_right_s": last_right - first,
        "until_last_answer_s": load_seconds,
        "change_calls": len(calls),
        "changes_per_call": sum(call.changes for call in calls) / len(calls),
        "throttled": sum(1 for call in calls if call.result == "Throttling"),
        "answered_success": len(in_time),
        "answered_otherwise": count - len(in_time),
        "answer_p50_s": percentile(in_time, 50),
        "answer_p99_s": percentile(in_time, 99),
        "daemon_cpu_s": cpu,
        "daemon_peak_mib": peak_kib / 1024,
        "kib_per_connection": (peak_kib - before_kib) / count,
    }


def run_baseline(ca: TestCA, count: int) -> dict:
    """One read and one write per update, one after the other, never faster than the limit."""
    with stand_in(ca, ZONE) as route53:
        names = populate(route53, ZONE, count)
        zone = route53.zone(ZONE)
        client = boto(route53)
        started = next_at = time.monotonic()
        throttled = 0
        for index, name in enumerate(names):
            read = partial(
                client.list_resource_record_sets,
                HostedZoneId=zone.id, StartRecordName=name, StartRecordType="A", MaxItems="1",
            )
            for call in (read, partial(change, client, zone, upsert(name, new_address(index)))):
                while True:
                    time.sleep(max(0.0, next_at - time.monotonic()))
                    next_at = max(next_at, time.monotonic()) + 1.0 / REQUESTS_PER_SECOND + 0.002
                    try:
                        call()
                        break
                    except ClientError as error:  # a busy machine: two calls came closer than they were sent
                        if error.response["Error"]["Code"] != "Throttling":
                            raise
                        throttled += 1
        seconds = time.monotonic() - started
        client.close()
        if not is_right(route53, names):
            raise SystemExit("the baseline left records wrong")
    return {"records": count, "until_last_record_right_s": seconds, "calls": 2 * count, "throttled": throttled}


def run(arguments: argparse.Namespace, folder: Path) -> tuple[str, list[tuple[str, str]], dict]:
    count = arguments.records
    baseline_count = max(1, count // 100) if arguments.baseline is None else arguments.baseline
    if raise_file_limit() < count + 1500:
        raise SystemExit(f"storm: needs {count + 1500} open files; raise the hard limit (ulimit -Hn) or pass --records")
    ca = TestCA(folder)
    figures = run_storm(folder, ca, count)
    rows = [
        ("provider", f"{REQUESTS_PER_SECOND} requests/s, one change in flight per zone, {LATENCY_S * 1000:.0f} ms a call"),
        ("requests sent within", f"{figures['requests_sent_within_s']:.2f} s"),
        ("until the last record is right", f"{figures['until_last_record_right_s']:.2f} s"),
        ("until the last answer", f"{figures['until_last_answer_s']:.2f} s"),
        ("change calls", f"{figures['change_calls']} ({figures['throttled']} throttled)"),
        ("changes per call", f"{figures['changes_per_call']:.0f}"),
        ("answers: success, other", f"{figures['answered_success']}, {figures['answered_otherwise']}"),
        ("answer p50, p99", f"{figures['answer_p50_s']:.2f} s, {figures['answer_p99_s']:.2f} s"),
        ("daemon CPU", f"{figures['daemon_cpu_s']:.2f} s"),
        ("daemon's memory at the peak",
         f"{figures['daemon_peak_mib']:.0f} MiB, {figures['kib_per_connection']:.1f} KiB a connection"),
    ]
    result = {"storm": figures}
    if baseline_count > 0:
        baseline = run_baseline(ca, baseline_count)
        scaled = baseline["until_last_record_right_s"] * count / baseline_count
        result["baseline"] = {**baseline, "scaled_s": scaled}
        measured = "" if baseline_count == count else f" (scaled from {baseline_count} records)"
        rows.append(("baseline: a read and a write each", f"{scaled:.0f} s, {2 * count} calls{measured}"))
        rows.append(("baseline / storm", f"{scaled / figures['until_last_record_right_s']:.0f}"))
    return f"storm: {count} records", rows, result
