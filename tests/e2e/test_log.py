"""The log when nobody reads it, and when strangers fill it."""

from __future__ import annotations

import re
import signal
import time

import pytest

from harness import BEHIND_PROXY, Client, Daemon, host, merged
from harness.daemon import SECRET
from harness.dialects import basic

HOME = "home.example.test."
PIPE_BYTES = 65536  # what a pipe holds, see pipe(7)
RING_BYTES = 1 << 20  # what the daemon holds, see ddns53d(8)
# A line about one of these is longer than 200 bytes; one request makes twenty of them.
LONG = [f"{'a' * 60}.{'b' * 60}.{'c' * 60}.h{number:02}.example.test." for number in range(20)]
TURNS_THAT_FIT = (PIPE_BYTES + RING_BYTES) // (400 * len(LONG))
TURNS_THAT_DO_NOT = (PIPE_BYTES + RING_BYTES) // (200 * len(LONG))
SOURCE_LINES = 20  # of one source, event and minute, see ddns53d(8)
PLAIN = merged(
    BEHIND_PROXY,
    {
        "server": {"tls": False, "certificate": None, "private_key": None},
        "limits": {"reads_per_minute": 1000000, "auth_failures_per_minute": 1000000},
    },
)


@pytest.fixture
def started(daemon):
    def make(**options) -> Daemon:
        rows = [host(HOME), *(host(name, auth=["basic"]) for name in LONG)]
        return daemon(settings=PLAIN, hosts=rows, **options)

    return make


def address_of(turn: int) -> str:
    return f"198.18.{turn // 250}.{turn % 250 + 1}"


def update_all(client: Client, turn: int) -> int:
    """One request that gives every long name another address; the number of lines that it makes."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": address_of(turn)}
    form = f"hostname={','.join(LONG)}&myip={address_of(turn)}"
    answer = client.request("/nic/update", "POST", {**headers, **basic("user", SECRET)}, form)
    assert answer.status == 200 and answer.text.count("good ") == len(LONG), answer.text
    return len(LONG)


def not_found(client: Client, count: int, source: str = "198.18.99.1") -> None:
    for _ in range(count):
        assert client.request("/nothing/here", headers={"X-Forwarded-For": source}).status == 404


def number(name: str, line: str) -> int:
    found = re.search(rf" {name}=(\d+)", line)
    assert found, line
    return int(found[1])


# ---- nobody reads ----


def test_a_log_that_nobody_reads_holds_up_nobody(started):
    """More lines than the pipe and the daemon's own memory for them hold, from those who may and from strangers."""
    d = started()
    d.process.hold_log()
    produced = 0
    with Client(d.url) as client:
        for turn in range(TURNS_THAT_DO_NOT):
            produced += update_all(client, turn)
        not_found(client, 50)
    assert d.healthz().status == 200
    lost = d.metrics().value("ddns53_log_lines_lost_total")
    assert SOURCE_LINES < lost < produced
    d.process.release_log()
    told = number("lines", d.wait_log("event=log_lost .*").string)
    d.stop()
    assert told == lost == produced - len(d.log_lines("event=update ")) + SOURCE_LINES


def test_what_is_lost_and_what_is_read_is_all(started):
    d = started()
    d.process.hold_log()
    produced, turn = 0, 0
    with Client(d.url) as client:
        while (lost := d.metrics().value("ddns53_log_lines_lost_total")) < 100:
            assert turn < TURNS_THAT_DO_NOT
            produced += update_all(client, turn)
            turn += 1
        assert turn > TURNS_THAT_FIT
        d.process.release_log()
        told = number("lines", d.wait_log("event=log_lost .*").string)
        produced += update_all(client, turn)
    d.stop()
    assert told == lost and len(d.log_lines("event=log_lost")) == 1
    assert len(d.log_lines("event=update ")) + lost == produced
    assert d.log_lines("event=log_lost|event=stopped")[-1].startswith("event=stopped")
    # The line stands where the others are missing: all behind it is newer, all before it is older.
    lines = d.log_lines("event=(update|log_lost) ")
    gap = next(index for index, line in enumerate(lines) if "event=log_lost" in line)
    newest = f" address={address_of(turn)} "
    assert all(newest in line for line in lines[gap + 1 :]) and not any(newest in line for line in lines[:gap])


@pytest.mark.parametrize("signals", [1, 2], ids=["once", "twice"])
def test_sigterm_ends_it_whatever_the_log_does(started, signals):
    d = started()
    d.process.hold_log()
    with Client(d.url) as client:
        for turn in range(TURNS_THAT_DO_NOT):
            update_all(client, turn)
    begun = time.monotonic()
    d._may_end = True
    for _ in range(signals):
        d.process.signal(signal.SIGTERM)
    assert d.process.wait_exit() == 0
    assert time.monotonic() - begun < 10
    d.process.release_log()
    d.process.wait()


def test_the_end_of_the_log_is_written(started):
    """A reader that comes back within the second of grace gets all there is."""
    d = started()
    d.process.hold_log()
    with Client(d.url) as client:
        produced = sum(update_all(client, turn) for turn in range(TURNS_THAT_FIT))
    d._may_end = True
    d.process.signal(signal.SIGSTOP)  # so that its second begins when the reader is back
    d.process.signal(signal.SIGTERM)
    d.process.release_log()
    d.process.signal(signal.SIGCONT)
    assert d.process.wait() == 0
    assert len(d.log_lines("event=update ")) == produced and d.log_lines("event=stopped")


# ---- strangers ----


@pytest.mark.waits
def test_a_flood_of_404s_is_summed_up(started):
    """The first lines of each source, and a minute later how many more there were, though nobody asks any more."""
    d = started()
    loud, quiet = "198.18.99.1", "198.18.99.2"
    with Client(d.url) as client:
        not_found(client, 3000, loud)
        not_found(client, 3, quiet)
        for _ in range(100):
            assert client.request(f"/?mode=list_hosts&hostname={HOME}&hash={'0' * 64}").status == 401
    assert d.metrics().value("ddns53_log_lines_suppressed_total", event="refused") == 3000 - SOURCE_LINES
    d.wait_log(f"event=refused source={loud} suppressed={3000 - SOURCE_LINES} message=.* more", timeout=75)
    d.wait_log(f"event=auth_failure source=127.0.0.1 suppressed={100 - SOURCE_LINES} ", timeout=15)
    d.stop()
    assert len(d.log_lines(f"event=refused .*source={loud}")) == SOURCE_LINES + 1
    assert len(d.log_lines(f"event=refused .*source={quiet}")) == 3
    assert len(d.log_lines("event=auth_failure .*source=127.0.0.1")) == SOURCE_LINES + 1


def test_the_sums_are_told_at_the_end(started):
    """Also what is said of bytes that are no HTTP, which is logged with --verbose alone."""
    d = started(arguments=["--verbose"])
    with Client(d.url) as client:
        not_found(client, 100)
    d.stop()
    assert len(d.log_lines("event=refused .*suppressed=80 ")) == 1
