"""`ddns53ctl why`, `tail` and the decisions behind them: every reason for which a router is refused is found by its host or
its address, over a restart, through a flood, and without a secret."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable

import pytest

from harness import BEHIND_PROXY, SECRET, ctl_path, hash_token, host, keep_confidential, merged, signed_parameters
from harness.dialects import nic_update, plain_secret
from harness.process import ProcessFailed
from harness.updates import wait_until

ZONE = "example.com."
HOME = f"home.{ZONE}"
EVERY = ["hash", "signed", "secret", "basic"]
OTHER = "another-secret-of-another-host-01"
OLD = "the-old-secret-of-a-moving-host-1"
OLDER = "the-expired-secret-of-a-host-0001"
HOSTS = [
    host(HOME, ["A", "AAAA"], auth=EVERY),
    host(f"four.{ZONE}", auth=EVERY),
    host(f"other.{ZONE}", "A", OTHER, auth=EVERY),
    host(f"strict.{ZONE}", auth=["signed"]),
    host(f"locked.{ZONE}", auth=EVERY, lock_record=True),
    host(f"moving.{ZONE}", "A", "the-new-secret-of-a-moving-host-1", auth=EVERY, previous_secret=OLD,
         previous_secret_until="2099-12-31"),
    host(f"moved.{ZONE}", "A", "the-new-secret-of-a-moved-host-01", auth=EVERY, previous_secret=OLDER,
         previous_secret_until="2020-12-31"),
]  # fmt: skip
SETTINGS = merged(
    BEHIND_PROXY,
    {"limits": {"auth_failures_per_minute": 100000, "reads_per_minute": 100000}, "route53": {"requests_per_second": 1000}},
)
VIA = "198.18.7.9"


@pytest.fixture
def d(daemon, r53):
    made = daemon(route53=r53, settings=SETTINGS, hosts=HOSTS)
    r53.wait_calls(1, "ListResourceRecordSets")
    return made


def decisions(d, subject: str, count: int = 50, least: int = 1) -> list[dict]:
    """Newest first, once there are so many: they are written soon after the answer, not before."""

    def read() -> list[dict]:
        done = d.ctl("why", subject, "-n", str(count), "--json", status=None)
        return json.loads(done.stdout)["decisions"] if done.returncode == 0 else []

    wait_until(lambda: len(read()) >= least, f"{least} decisions about {subject}")
    return read()


def query(d, via=VIA, **parameters):
    return d.query(via=via, **{"mode": "set", "hostname": HOME, **parameters})


def signed(d, secret=SECRET, **change):
    return d.query(via=VIA, mode="set", hostname=HOME, **{**signed_parameters("set", HOME, secret, VIA), **change})


ZEROS = "0" * 64
# What a router does, the host it is found by, verdict, reason, and words of the rule. Each of these is a router that its
# owner asks about.
CASES = {
    "good": (lambda d: d.set(HOME, via=VIA), HOME, "good", None, "accepted"),
    "unknown name": (lambda d: d.set(f"hmoe.{ZONE}", via=VIA), f"hmoe.{ZONE}", "badauth", "unknown_host", "add the host"),
    "wrong hash": (lambda d: d.set(HOME, OTHER, via=VIA), HOME, "badauth", "wrong_secret", "NAT"),
    "wrong password": (lambda d: nic_update(d, HOME, secret="not-the-secret-of-it", via=VIA), HOME, "badauth",
                       "wrong_secret", "enter the host's secret"),
    "another host's secret": (lambda d: nic_update(d, HOME, secret=OTHER, via=VIA), HOME, "badauth",
                              "other_hosts_secret", "of another host"),
    "a scheme that is off": (lambda d: d.set(f"strict.{ZONE}", via=VIA), f"strict.{ZONE}", "badauth",
                             "scheme_not_allowed", "auth in hosts.yaml"),
    "an expired secret": (lambda d: d.set(f"moved.{ZONE}", OLDER, via=VIA), f"moved.{ZONE}", "badauth",
                          "previous_secret_expired", "enter the new one"),
    "no credentials": (lambda d: d.request(f"/nic/update?hostname={HOME}", headers={"X-Forwarded-For": VIA}), HOME,
                       "badauth", "no_credentials", "asked for them"),
    "unreadable credentials": (lambda d: d.request(f"/nic/update?hostname={HOME}",
                               headers={"X-Forwarded-For": VIA, "Authorization": "Basic !!!"}), HOME, "badauth",
                               "unreadable", "cannot be read"),
    "a malformed hash": (lambda d: query(d, hash="zz"), HOME, "bad_request", None, "64 hex digits"),
    "no hash": (lambda d: query(d), HOME, "bad_request", None, "the hash is missing"),
    "no address": (lambda d: query(d, hash=ZEROS, internalIp="here"), HOME, "bad_request", None, "not an address"),
    "a parameter of another protocol": (lambda d: query(d, hash=ZEROS, clear="true"), HOME, "bad_request", None,
                                        "does not do"),
    "a bad parameter of dyndns2": (lambda d: nic_update(d, HOME, via=VIA, txt="x"), HOME, "badagent", "unspoken",
                                   "does not do"),
    "an address that is none": (lambda d: nic_update(d, HOME, via=VIA, myip="here"), HOME, "dnserr", "not_an_address",
                                "is none"),
    "a clock that is off": (lambda d: signed(d, time="1"), HOME, "stale", None, "set the clock"),
    "a wrong signature": (lambda d: signed(d, signature=ZEROS), HOME, "badauth", "wrong_secret", "signature"),
    "locked": (lambda d: d.set(f"locked.{ZONE}", via=VIA), f"locked.{ZONE}", "locked", None, "lock_record"),
    "private": (lambda d: d.set(HOME, address="10.0.0.1", via=VIA), HOME, "private_address", None, "allow_internal"),
    "not the source": (lambda d: d.set(HOME, address="198.51.100.1", via=VIA), HOME, "not_source_address", None,
                       "allow_internal"),
    "unusable": (lambda d: d.set(HOME, address="0.0.0.0", via=VIA), HOME, "unusable_address", None, "no connection"),
    "no such record": (lambda d: d.set(f"four.{ZONE}", address="2001:db8::7", via=VIA), f"four.{ZONE}", "no_record", None,
                       "record_type"),
    "plain secret": (lambda d: plain_secret(d, secret="nobody-has-this-secret", hostname=HOME, via=VIA), HOME, "badauth",
                     "wrong_secret", "secret"),
    "may not list": (lambda d: d.list_hosts(HOME, via=VIA), HOME, "no_read_privilege", None, "read_privilege"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_why_a_router_is_refused(d, case):
    act, subject, verdict, reason, words = CASES[case]
    keep_confidential("not-the-secret-of-it", "nobody-has-this-secret")
    act(d)
    for by in (subject, VIA):
        (decision,) = decisions(d, by)
        assert decision["verdict"] == verdict and decision.get("reason") == reason
        assert decision["host"] == subject and decision["source"] == VIA
        assert words in decision["rule"], decision["rule"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", decision["time"])
    text = d.ctl("why", subject).stdout
    assert VIA in text and verdict in text and words in text


def test_the_address_that_was_asked_for_and_the_providers_change_are_told(d, r53):
    assert d.set(HOME, via=VIA).status == 200
    nic_update(d, f"hmoe.{ZONE}", via=VIA, myip="198.18.7.3,2001:db8::3")
    (good,) = decisions(d, HOME)
    assert good["type"] == "A" and good["value"] == VIA and good["secret"] == "current"
    assert re.fullmatch(r"C[0-9A-Z]+", good["change_id"])
    assert f"change {good['change_id']}" in d.ctl("why", HOME).stdout
    (refused,) = decisions(d, f"hmoe.{ZONE}")
    assert refused["value"] == "198.18.7.3, 2001:db8::3"


def test_what_the_provider_says(d, r53):
    r53.put_record(f"four.{ZONE}", "A", ["192.0.2.1", "192.0.2.2"])
    d.stop()
    d.start()
    assert d.set(f"four.{ZONE}", via=VIA).status == 409
    assert decisions(d, f"four.{ZONE}")[0]["verdict"] == "conflict"
    assert "delete it in DNS first" in decisions(d, f"four.{ZONE}")[0]["rule"]


def test_who_was_turned_away_for_too_many_failures(daemon, r53):
    d = daemon(route53=r53, settings=merged(SETTINGS, {"limits": {"auth_failures_per_minute": 1}}), hosts=HOSTS)
    for _ in range(2):
        d.set(HOME, OTHER, via=VIA)
    assert [one["verdict"] for one in decisions(d, HOME, least=2)] == ["too_many", "badauth"]
    for _ in range(2):
        nic_update(d, HOME, secret=OTHER, via="198.18.7.10")
    both = decisions(d, "198.18.7.10", least=2)
    assert [one["verdict"] for one in both] == ["abuse", "badauth"] and both[0]["reason"] == "too_many_failures"


def test_requests_that_are_none(d):
    assert d.request("/nic/upadte?hostname=x", headers={"X-Forwarded-For": VIA}).status == 404
    assert "check the URL" in decisions(d, VIA)[0]["rule"]
    with d.connect(url=d.url.replace("https", "http")) as plain:
        plain.sendall(b"GET /nic/update HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.recv(100)
    wait_until(lambda: decisions(d, "127.0.0.1")[0]["verdict"] == "plain_http", "plain HTTP is told")
    assert "https://" in decisions(d, "127.0.0.1")[0]["rule"]


def test_nobody_has_asked(d):
    done = d.ctl("why", "nobody.example.com", status=66)
    assert done.stdout == "" and "does not reach this server" in done.stderr
    assert "from 192.0.2.1 is known" in d.ctl("why", "192.0.2.1", status=66).stderr
    assert "no hostname" in d.ctl("why", "not a name", status=64).stderr
    assert "--count" in d.ctl("why", HOME, "--count", "x", status=64).stderr


def test_a_secret_in_the_wrong_field_is_kept_nowhere(d):
    d.set(SECRET, via=VIA)
    nic_update(d, SECRET, via=VIA)
    assert {one["host"] for one in decisions(d, VIA, least=2)} == {"withheld"}
    d.stop()
    assert SECRET not in "".join(path.read_text() for path in (d.state_dir / "decisions").iterdir())


# ---- kept over a restart, bounded, and without the daemon ----


def test_kept_over_a_restart_and_read_without_the_daemon(d):
    d.set(HOME, OTHER, via=VIA)
    decisions(d, HOME)  # at its end the daemon waits for the disk, but not for long
    d.stop()
    (before,) = decisions(d, HOME)
    assert before["verdict"] == "badauth"
    d.start()
    d.set(HOME, via=VIA)
    assert [one["verdict"] for one in decisions(d, HOME, least=2)] == ["good", "badauth"]


def test_a_killed_daemon_leaves_what_was_written(d):
    d.set(HOME, via=VIA)
    decisions(d, HOME)
    d.kill()
    path = d.state_dir / "decisions" / "hosts.jsonl"
    path.write_bytes(path.read_bytes() + b'{"time_ms":17')
    assert len(decisions(d, HOME)) == 1
    d.start()
    d.set(HOME, via="198.18.7.10")
    assert len(decisions(d, HOME, least=2)) == 2


def test_the_files_are_bounded(daemon, r53):
    d = daemon(route53=r53, settings=merged(SETTINGS, {"limits": {"decisions_mib": 1}}), hosts=HOSTS)
    folder = d.state_dir / "decisions"
    filler = json.dumps({"time_ms": 1, "host": "filler", "verdict": "x" * 200}) + "\n"

    def wait_for_a_new_file() -> None:
        path = folder / "hosts.jsonl"
        wait_until(lambda: path.exists() and 0 < path.stat().st_size < 1000, "it is written into a file that is not full")

    for _ in range(3):  # as if by an older life: what is full is moved aside
        d.set(HOME, OTHER, via=VIA)
        wait_for_a_new_file()
        d.stop()
        with (folder / "hosts.jsonl").open("a") as file:
            file.write(filler * (260 * 1024 // len(filler)))
        d.start()
    d.set(HOME, via=VIA)
    wait_for_a_new_file()
    d.stop()
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert set(sizes) == {"hosts.jsonl", "hosts.1.jsonl"} and sizes["hosts.jsonl"] < 1000
    assert all(path.stat().st_mode & 0o027 == 0 for path in folder.iterdir()), "nobody else reads or writes them"
    assert [one["verdict"] for one in decisions(d, HOME)] == ["good", "badauth"]


def test_none_are_kept_where_they_are_off(daemon, r53):
    d = daemon(route53=r53, settings=merged(SETTINGS, {"limits": {"decisions_mib": 0}}), hosts=HOSTS)
    d.set(HOME, via=VIA)
    assert "limits.decisions_mib is 0" in d.ctl("why", HOME, status=66).stderr
    assert "limits.decisions_mib is 0" in d.ctl("tail", status=1).stderr
    d.stop()  # when it has written all that it keeps
    assert not (d.state_dir / "decisions").exists()


def minutes_since(began: float) -> int:
    """How many of them the daemon may have counted: each begins with a decision."""
    return 1 + int((time.monotonic() - began) / 60)


def test_a_flood_pushes_nothing_out(d):
    """Of unknown names, from one source and from many, and of wrong secrets of a host: what its own router did stays."""
    began = time.monotonic()
    assert d.set(HOME, via=VIA).status == 200
    client = d.client()
    for number in range(700):
        source = f"198.19.{number // 250}.{number % 250 + 1}" if number % 2 else "198.19.200.1"
        token = hash_token(source, f"n{number}.{ZONE}", OTHER)
        client.request(f"/?mode=set&hostname=n{number}.{ZONE}&hash={token}", headers={"X-Forwarded-For": source})
    for _ in range(100):
        token = hash_token("198.19.201.1", HOME, OTHER)
        client.request(f"/?mode=set&hostname={HOME}&hash={token}", headers={"X-Forwarded-For": "198.19.201.1"})
    assert d.set(HOME, via="198.18.7.10").status == 200
    minutes = minutes_since(began)
    wait_until(lambda: "198.18.7.10" in str(decisions(d, HOME, count=200)), "the last one is kept")
    about_home = decisions(d, HOME, count=200)
    assert [one["value"] for one in about_home if one["verdict"] == "good"] == ["198.18.7.10", VIA]
    written = len([one for one in about_home if one["verdict"] == "badauth"])
    assert 30 <= written <= 30 * minutes
    assert d.metrics().value("ddns53_decisions_counted_total") >= 450 - 60 * minutes
    assert d.metrics().value("ddns53_decisions_lost_total") == 0
    d.stop()
    text = d.ctl("why", "198.19.201.1", "-n", "200").stdout
    assert written + sum(int(more) for more in re.findall(r"and (\d+) more", text)) == 100


def test_unchanged_requests_of_a_busy_server_leave_room(d):
    began = time.monotonic()
    for _ in range(40):
        assert d.set(HOME, via=VIA).status == 200
    counted = int(d.metrics().value("ddns53_decisions_counted_total"))
    assert counted >= 40 - 30 * minutes_since(began)
    kept = [one for one in decisions(d, HOME, least=40 - counted) if one["verdict"] != "more"]
    assert len(kept) == 40 - counted


# ---- which secret ----


def test_list_shows_who_still_uses_the_old_secret(d):
    moving = f"moving.{ZONE}"
    new = "the-new-secret-of-a-moving-host-1"
    assert d.set(moving, OLD, via=VIA).status == 200
    assert decisions(d, moving)[0]["secret"] == "previous"
    assert "previous secret" in d.ctl("why", moving).stdout
    (row,) = d.ctl_json("list", "--old-secret")
    assert row["hostname"] == moving and row["secret_used"] == "previous"
    assert "old secret" in d.ctl("list", "moving.*").stdout
    assert "it used its previous secret" in d.ctl("show", moving).stdout
    assert d.set(moving, new, via=VIA).status == 200
    wait_until(lambda: d.ctl_json("list", "--old-secret") == [], "the new one is seen")
    assert [row["secret_used"] for row in d.ctl_json("list", "moving.*")] == ["current"]


# ---- tail ----


class Tail:
    """`ddns53ctl tail` with its output in a file."""

    def __init__(self, d, folder: Path, *arguments: str):
        self.path = folder / "tail"
        with self.path.open("wb") as out:
            command = [str(ctl_path()), "-c", str(d.config_path), "tail", *arguments]
            self.process = subprocess.Popen(command, stdout=out, env=d.environment)

    def __enter__(self) -> "Tail":
        return self

    def __exit__(self, *_) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) in (0, -signal.SIGINT)

    def wait(self, pattern: str) -> str:
        wait_until(lambda: re.search(pattern, self.path.read_text()), f"no {pattern} in {self.path.read_text()!r}")
        return self.path.read_text()


def begin(tail: Tail, act: Callable[[int], object], pattern: str) -> None:
    """Until it follows: it shows what comes after it has looked where the end is. Nothing else tells when that is."""
    for number in range(1, 101):
        act(number)
        with contextlib.suppress(ProcessFailed):
            wait_until(lambda: re.search(pattern, tail.path.read_text()), "it follows", timeout=0.5)
            return
    raise ProcessFailed(f"no {pattern} in {tail.path.read_text()!r}")


def test_tail_follows(d, tmp_path):
    d.set(HOME, via="198.18.7.1")  # before it begins: not shown
    decisions(d, HOME)
    with Tail(d, tmp_path) as tail:
        # each from another source, for a source has only so many lines in a minute
        begin(tail, lambda number: d.request("/begin", headers={"X-Forwarded-For": f"192.0.2.{number}"}), r"192\.0\.2\.")
        d.set(HOME, via=VIA)
        d.set(f"hmoe.{ZONE}", via=VIA)
        tail.wait(f"home.{ZONE} A {VIA}\n +good")
        text = tail.wait("badauth, unknown_host")
        assert "198.18.7.1 " not in text


def test_tail_filters(d, tmp_path):
    with Tail(d, tmp_path, "--json", "--refused", "--source", VIA) as tail:
        # each for another host, for one has only so many lines in a minute
        begin(tail, lambda number: d.set(HOSTS[number % 4]["hostname"], OLDER, via=VIA), r"\n")
        d.set(HOME, OTHER, via="198.18.7.1")
        d.set(HOME, via=VIA)
        d.set(HOME, address="10.0.0.1", via=VIA)  # behind what is not shown
        lines = [json.loads(line) for line in tail.wait(r"private_address.*\n").splitlines()]
        assert {(line["verdict"], line["source"]) for line in lines} == {("badauth", VIA), ("private_address", VIA)}
        assert lines[0]["rule"]


def test_tail_ends_with_its_reader(d):
    command = [str(ctl_path()), "-c", str(d.config_path), "tail"]
    tail = subprocess.Popen(command, stdout=subprocess.PIPE, env=d.environment)
    tail.stdout.close()
    assert tail.wait(30) in (0, 74, -signal.SIGPIPE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_who_may_not_read_them_is_told(d):
    d.set(HOME, via=VIA)
    decisions(d, HOME)
    for folder in (d.folder, *d.folder.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    d.config_path.chmod(0o644)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(ctl_path()), "-c", str(d.config_path)]
    done = subprocess.run([*command, "why", HOME], capture_output=True, text=True)
    assert done.returncode == 77 and "as root or as the daemon's user" in done.stderr
    assert subprocess.run([*command, "status"], capture_output=True, text=True).returncode == 77
