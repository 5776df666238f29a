"""state.db: what it holds, when it is written, files that are no good, and a disk that is full."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness import BEHIND_PROXY, Daemon, host, merged
from harness.disk import fill, read_only, small_disk
from harness.updates import wait_until

HOME = "home.example.com."
BOTH = ["A", "AAAA"]
SETTINGS = merged(BEHIND_PROXY, {"route53": {"requests_per_second": 1000}})


def rows(d: Daemon, query: str) -> list[dict[str, Any]]:
    """As another program reads the file, whether the daemon runs or not."""
    with closing(sqlite3.connect(f"file:{d.state_dir / 'state.db'}?mode=ro", uri=True, timeout=20)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def record(d: Daemon, record_type: str = "A") -> dict[str, Any] | None:
    found = rows(d, f"SELECT * FROM record WHERE hostname = '{HOME}' AND type = '{record_type}'")
    return found[0] if found else None


@pytest.fixture
def started(daemon, r53):
    def make(settings: dict | None = None, **options) -> Daemon:
        hosts = options.pop("hosts", [host(HOME, BOTH)])
        return daemon(route53=r53, settings=merged(SETTINGS, settings or {}), hosts=hosts, **options)

    return make


# ---- what it holds ----


def test_a_change_is_in_the_state_when_it_is_answered(started, r53):
    d = started()
    before = int(time.time())
    assert d.set(HOME, via="198.18.7.9").status == 200
    row = record(d)
    assert row is not None and row["address"] == "198.18.7.9" and row["ttl_s"] == 60
    assert row["last_accessed"] == "198.18.7.9"
    assert before <= row["last_updated_s"] <= row["last_checked_s"] <= time.time() + 1
    assert record(d, "AAAA") is None
    assert d.set(HOME, via="2001:db8::9").status == 200
    assert record(d, "AAAA")["address"] == "2001:db8::9"


def test_rows_of_hosts_that_left_are_forgotten_after_30_days(started, r53):
    """Those of hosts that are configured stay, however old, and so does the history."""
    other, young = "left.example.com.", "left-lately.example.com."
    d = started(hosts=[host(HOME), host(other), host(young)])
    for name in (HOME, other, young):
        assert d.set(name, via="198.18.7.9").status == 200
    d.stop()
    with closing(sqlite3.connect(d.state_dir / "state.db")) as database, database:
        for name, days in ((HOME, 400), (other, 31), (young, 29)):
            long_ago = int(time.time()) - days * 86400
            database.execute(
                "UPDATE record SET last_updated_s = ?, last_checked_s = ? WHERE hostname = ?", (long_ago, long_ago, name)
            )
    d.hosts = [host(HOME)]
    d.write_config()
    d.start()
    d.wait_log("event=forgotten rows=1")
    assert sorted(row["hostname"] for row in rows(d, "SELECT hostname FROM record")) == sorted([HOME, young])
    assert len(rows(d, "SELECT * FROM history")) == 3


def test_history_has_a_row_per_change(started, r53):
    r53.put_record(HOME, "A", ["192.0.2.1"], ttl=60)
    d = started(hosts=[host(HOME, "A", allow_internal=True)])
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert d.set(HOME, via="198.18.7.9").status == 200  # changes nothing
    assert d.set(HOME, address="10.0.0.1", via="198.18.7.10").status == 200
    first, second = rows(d, "SELECT * FROM history ORDER BY id")
    assert (first["old_address"], first["new_address"], first["source"]) == ("192.0.2.1", "198.18.7.9", "198.18.7.9")
    assert (second["old_address"], second["new_address"]) == ("198.18.7.9", "10.0.0.1")
    assert second["source"] == "198.18.7.10"
    for row in (first, second):
        assert row["hostname"] == HOME and row["type"] == "A" and row["dialect"] == "query" and row["ttl_s"] == 60
        assert abs(row["time_s"] - time.time()) < 60
        assert row["change_id"].removeprefix("/change/").startswith("C")


def test_it_outlives_a_restart_and_a_kill(started):
    d = started()
    assert d.set(HOME, via="198.18.7.9").status == 200
    d.stop()
    d.start()
    assert d.set(HOME, via="198.18.7.10").status == 200
    d.kill()
    d.start()
    assert record(d)["address"] == "198.18.7.10"
    assert [row["new_address"] for row in rows(d, "SELECT * FROM history")] == ["198.18.7.9", "198.18.7.10"]


def test_what_was_only_read_is_written_at_exit(started):
    d = started()
    assert d.set(HOME, via="198.18.7.9").status == 200
    before = record(d)
    moment = int(time.time())
    while int(time.time()) == moment:  # the next second, which is as fine as it is kept
        time.sleep(0.01)
    assert "already" in d.set(HOME, via="198.18.7.9").message
    d.stop()
    after = record(d)
    assert after["last_checked_s"] > before["last_checked_s"]
    assert after["last_updated_s"] == before["last_updated_s"] and after["address"] == before["address"]


@pytest.mark.waits
@pytest.mark.slow
def test_what_was_only_read_is_written_within_ten_seconds(started):
    """A refused update counts as a check as well: the host was heard of."""
    d = started(hosts=[host(HOME, "A", lock_record=True)])
    assert d.set(HOME, via="198.18.7.9").status == 403
    wait_until(lambda: record(d), "not written within 10 s (and 10 for a slow machine)", 20)
    row = record(d)
    assert (row["address"], row["last_updated_s"]) == ("", 0)
    assert row["last_accessed"] == "198.18.7.9" and abs(row["last_checked_s"] - time.time()) < 60


def test_files_and_modes(started):
    d = started()
    assert d.set(HOME, via="198.18.7.9").status == 200
    mode = stat.S_IMODE((d.state_dir / "state.db").stat().st_mode)
    assert mode & 0o027 == 0
    d.stop()
    assert not (d.state_dir / "state.db-wal").exists() or (d.state_dir / "state.db-wal").stat().st_size == 0
    assert rows(d, "PRAGMA integrity_check")[0]["integrity_check"] == "ok"


# ---- files that are no good ----


def test_a_missing_folder_and_file_are_made(started, tmp_path):
    d = started({"state_dir": str(tmp_path / "not" / "yet there")})
    d.state_dir = tmp_path / "not" / "yet there"
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert record(d)["address"] == "198.18.7.9"
    assert stat.S_IMODE(d.state_dir.stat().st_mode) & 0o007 == 0


def newer_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")


def not_ours(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE other (x)")


def garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database at all\n" * 1000)


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 64] = os.urandom(64)
    path.write_bytes(data)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def a_senseless_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE record SET address = 'nowhere'")
        database.commit()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (newer_version, "newer"),
        (not_ours, "not one of ddns53d"),
        (garbage, "not a database"),
        (damaged, "backup"),
        (truncated, "backup"),
        (a_senseless_row, HOME),
        (a_folder, "state.db"),
    ],
)
def test_a_file_that_is_no_good_is_refused_and_left_alone(started, spoil, words):
    d = started()
    assert d.set(HOME, via="198.18.7.9").status == 200
    d.stop()
    path = d.state_dir / "state.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    assert d.run_to_end() == 69
    assert not d.log_lines("event=listening")[1:] or len(d.log_lines("event=ready")) == 1
    line = d.log_lines("event=start_failed")[0]
    assert "state.db" in line and words in line, line
    if before is not None:
        assert path.read_bytes() == before
    path.rmdir() if path.is_dir() else path.unlink()
    for leftover in path.parent.glob("state.db-*"):
        leftover.unlink()
    d.start()  # as it was advised
    assert "already" in d.set(HOME, via="198.18.7.9").message


def test_two_daemons_cannot_share_a_folder(started):
    first = started(name="first")
    second = started({"state_dir": str(first.state_dir)}, name="second", start=False)
    assert second.run_to_end() == 69
    line = second.log_lines("event=start_failed")[0]
    assert str(first.pid) in line and "state_dir" in line
    assert first.set(HOME, via="198.18.7.9").status == 200
    first.kill()  # leaves nothing behind that would stop the next
    second.start()
    assert second.set(HOME, via="198.18.7.10").status == 200


# ---- a full disk ----


def test_a_full_disk_and_room_again(started, r53, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        d = started({"state_dir": str(disk), "update": {"timeout_s": 4}})
        d.state_dir = disk
        d.wait_read_back()
        assert d.set(HOME, via="198.18.7.1").status == 200
        ballast = fill(disk)
        # What the file and its log have room for yet goes through; then each is told the truth.
        answers = []
        for number in range(2, 250):
            answers.append(d.set(HOME, via=f"198.18.7.{number}"))
            if answers[-1].status != 200:
                break
        refused = answers[-1]
        assert refused.status == 503 and refused.result == "fail" and int(refused.headers["Retry-After"]) > 0
        d.wait_log("event=state_trouble .*room")
        trouble = d.healthz()
        assert trouble.status == 503 and "state: cannot be written" in trouble.text
        assert d.get().status == 200  # what needs no state goes on
        assert record(d)["address"] == f"198.18.7.{len(answers)}"  # the last one that was acknowledged
        ballast.unlink()
        d.wait_log("event=state_recovered")
        address = r53.values(HOME)[0]
        assert record(d)["address"] == address == f"198.18.7.{len(answers) + 1}"
        assert d.healthz().status == 200
        assert d.set(HOME, via="2001:db8::9").status == 200
        d.stop()
        assert rows(d, "PRAGMA integrity_check")[0]["integrity_check"] == "ok"


def test_a_full_disk_keeps_the_zone_file(daemon, tmp_path):
    """The file of before stays whole; the change is made when there is room."""
    name = "home.example.test."
    with small_disk(tmp_path / "disk") as disk:
        zones = tmp_path / "state"
        zones.mkdir()
        settings = merged(BEHIND_PROXY, {"zonefile": {"directory": str(disk)}, "update": {"timeout_s": 4}})
        d = daemon(settings=settings, hosts=[host(name)])
        assert d.set(name, via="198.18.7.1").status == 200
        path = disk / "example.test.zone"
        before = path.read_bytes()
        ballast = fill(disk)
        assert d.set(name, via="198.18.7.2").status == 503
        # A file beside it is there for a moment with each try.
        wait_until(lambda: sorted(disk.iterdir()) == [ballast, path], "something is left beside it")
        assert path.read_bytes() == before
        assert "make room" in d.wait_log("event=zone_trouble .*").string
        ballast.unlink()
        d.wait_log(f"event=late_change host={name} .*address=198.18.7.2 result=set", timeout=40)
        assert b"198.18.7.2" in path.read_bytes()
        d.stop()


def test_a_zone_file_that_becomes_read_only(daemon, tmp_path):
    """Not told as a lack of room or of rights; the change is made when it can be written again."""
    name, zones = "home.example.test.", tmp_path / "zones"
    settings = merged(BEHIND_PROXY, {"zonefile": {"directory": str(zones)}, "update": {"timeout_s": 4}})
    d = daemon(settings=settings, hosts=[host(name)])
    assert d.set(name, via="198.18.7.1").status == 200
    with read_only(zones):
        assert d.set(name, via="198.18.7.2").status == 503
        line = d.wait_log("event=zone_trouble .*").string
        assert f"{zones}/example.test.zone: Read-only file system: " in line and "ReadWritePaths=" in line
        assert "room" not in line and "let the user" not in line
    d.wait_log(f"event=late_change host={name} .*address=198.18.7.2 result=set", timeout=40)
    d.stop()


@pytest.mark.parametrize("left_behind", [False, True], ids=["empty", "with a state"])
def test_read_only_at_the_start(daemon, tmp_path, left_behind):
    state = tmp_path / "elsewhere"
    state.mkdir()
    d = daemon(settings={"state_dir": str(state)}, start=left_behind)
    if left_behind:
        d.stop()
    with read_only(state):
        assert d.run_to_end() == 69
    line = d.log_lines("event=start_failed")[-1]
    assert "Read-only file system: " in line and "ReadWritePaths=" in line
    assert "room" not in line and "let the user" not in line


def test_no_room_at_the_start(started, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        fill(disk)
        d = started({"state_dir": str(disk)}, start=False)
        assert d.run_to_end() == 69
        assert "room" in d.log_lines("event=start_failed")[0]
