"""Route 53 answers late, wrongly or not at all: every such failure passes without a person."""

from __future__ import annotations

import random
import time
from email.utils import formatdate

import pytest

from harness import host, merged
from harness.updates import HASTY, PATIENT, Background, Ledger, history

HOME = "home.example.com."
ZONE = "example.com."
CHANGE, LIST, GET_ZONE = "ChangeResourceRecordSets", "ListResourceRecordSets", "GetHostedZone"

FAULTS = {
    "throttling": lambda faults, **scope: faults.throttle(**scope),
    "throttling by another name": lambda faults, **scope: faults.throttle("ThrottlingException", **scope),
    "prior request": lambda faults, **scope: faults.throttle("PriorRequestNotComplete", "still at it", **scope),
    "500": lambda faults, **scope: faults.error(500, **scope),
    "502 without a body": lambda faults, **scope: faults.garbage_xml(b"", 502, **{**scope, "applied": False}),
    "503": lambda faults, **scope: faults.unavailable(None, **scope),
    "truncated XML": lambda faults, **scope: faults.truncated_xml(**scope),
    "an answer cut short": lambda faults, **scope: faults.truncated_xml(mid_transfer=True, **scope),
    "garbage": lambda faults, **scope: faults.garbage_xml(**scope),
    "an empty 200": lambda faults, **scope: faults.garbage_xml(b"", **scope),
    "other XML": lambda faults, **scope: faults.garbage_xml(b"<html><p>log in first</p></html>", **scope),
    "an endless body": lambda faults, **scope: faults.endless_body(**scope),
    "a reset before": lambda faults, **scope: faults.reset_before(**scope),
    "a reset after": lambda faults, **scope: faults.reset_after(**scope),
}


@pytest.fixture
def started(daemon, r53):
    """A daemon with one host whose record is known, and its ledger."""

    def make(settings=PATIENT, hosts=(HOME,), **options):
        d = daemon(route53=r53, settings=settings, hosts=[host(name) for name in hosts], **options)
        d.wait_read_back()
        return d, Ledger(d, r53)

    return make


# ---- each fault at each call ----


@pytest.mark.parametrize("fault", FAULTS)
def test_a_change_is_tried_again_until_it_is_through(started, r53, fault):
    """The client waits, and is told success only when it is so."""
    d, ledger = started()
    injected = FAULTS[fault](r53.faults, count=3, operation=CHANGE)
    assert ledger.set(HOME, "198.18.7.9").status == 200
    assert injected.hits == 3 and r53.results(CHANGE)["ok"] == 1
    metrics = d.metrics()
    # Of a kept connection that turns out dead libcurl itself makes nothing: it sends the call again over another one.
    assert metrics.value("ddns53_retries_total", zone=ZONE) in ((1, 2, 3) if "reset" in fault else (3,))
    assert metrics.value("ddns53_changes_total", zone=ZONE, result="set") == 1
    assert metrics.sum("ddns53_throttles_total") == (3 if "throttling" in fault or "prior" in fault else 0)
    ledger.settle()
    # One change, however often it was sent; what DNS held before may be the work of a call that seemed to fail.
    assert [new for _, new in history(d.state_dir, HOME)] == ["198.18.7.9"]


@pytest.mark.parametrize("fault", FAULTS)
def test_finding_and_reading_a_zone_is_tried_again(daemon, r53, fault):
    """A set that comes at the very start waits until the zone is known."""
    found = FAULTS[fault](r53.faults, count=2, operation=GET_ZONE)
    listed = FAULTS[fault](r53.faults, count=2, operation=LIST)
    r53.put_record(HOME, "A", ["198.18.7.1"], ttl=60)
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME)])
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.9").status == 200
    assert found.hits == listed.hits == 2
    ledger.settle()
    assert history(d.state_dir, HOME) == [("198.18.7.1", "198.18.7.9")]


def test_a_spell_of_throttling_slows_the_pace_and_ends(started, r53):
    """Whoever asked is told 503; what they asked for is done when the spell is over, and the pace climbs back."""
    names = [f"h{number}.example.com." for number in range(10)]
    d, ledger = started(merged(HASTY, {"route53": {"requests_per_second": 40}}), names)
    fault = r53.faults.throttle(operation=CHANGE)
    asked = [ledger.start_set(name, f"198.18.7.{number}") for number, name in enumerate(names, 1)]
    assert {update.result().status for update in asked} == {503}
    r53.wait_calls(2, CHANGE)
    # From then on it is one batch of all: one that began with fewer is under way no more.
    r53.wait_for(lambda: r53.calls_of(CHANGE)[-1].changes == len(names))
    assert d.metrics().value("ddns53_pace_requests_per_second") < 30  # half, and half a call more for each second
    assert d.metrics().value("ddns53_queue_depth", zone=ZONE) == len(names)
    assert d.metrics().value("ddns53_queue_oldest_seconds", zone=ZONE) >= 1
    assert r53.results(CHANGE)["Throttling"] <= 12  # backing off, not hammering
    fault.remove()
    r53.wait_for(lambda: r53.results(CHANGE)["ok"])
    assert [call.changes for call in r53.calls_of(CHANGE) if call.result == "ok"] == [len(names)]
    assert all(r53.values(name) for name in names)
    pace = d.metrics().value("ddns53_pace_requests_per_second")
    d.wait_metric("ddns53_pace_requests_per_second", pace + 0.5)
    ledger.settle()
    assert len(d.log_lines("event=late_change .*result=set")) == len(names)


def test_503_then_a_newer_address_wins(started, r53):
    """What stayed queued gives way to what its host asks for later."""
    d, ledger = started(HASTY)
    fault = r53.faults.error(500, operation=CHANGE)
    assert ledger.set(HOME, "198.18.7.9").status == 503
    later = ledger.start_set(HOME, "198.18.7.10")
    d.wait_metric("ddns53_changes_total", 1, zone=ZONE, result="superseded")
    fault.remove()
    later.result()
    ledger.settle()
    assert r53.values(HOME) == ["198.18.7.10"]
    assert history(d.state_dir, HOME) == [("", "198.18.7.10")]


def test_the_same_address_waits_for_the_change_that_is_queued(started, r53):
    d, ledger = started()
    held = r53.faults.hold(operation=CHANGE)
    asked = [ledger.start_set(HOME, "198.18.7.9") for _ in range(5)]
    r53.wait_for(lambda: held.hits == 1)
    # As many are under way as can be seen from outside: the sixth comes when the call is already on its way.
    asked.append(ledger.start_set(HOME, "198.18.7.9"))
    assert d.metrics().value("ddns53_queue_depth", zone=ZONE) == 1
    held.release()
    assert {update.result().status for update in asked} == {200}
    assert len(r53.calls_of(CHANGE)) == 1
    ledger.settle()


# ---- Retry-After ----


@pytest.mark.parametrize("is_date", [False, True], ids=["seconds", "date"])
def test_retry_after_is_honoured(started, r53, is_date):
    d, ledger = started()
    wait_s = 2
    # A date has whole seconds. It is still to come when the answer has it, however late that is.
    until = int(time.time()) + wait_s + 2
    until_s = until - time.time() + time.monotonic()
    value = formatdate(until, usegmt=True) if is_date else wait_s
    r53.faults.unavailable(value, count=1, operation=CHANGE)
    assert ledger.set(HOME, "198.18.7.9").status == 200
    refused, accepted = r53.calls_of(CHANGE)
    earliest_s = until_s if is_date else refused.finished_at + wait_s
    assert earliest_s - 0.05 <= accepted.started_at < earliest_s + 10
    ledger.settle()


def test_retry_after_of_one_zone_does_not_hold_up_another(daemon, route53):
    r53 = route53(ZONE, "example.org.")
    d = daemon(route53=r53, settings=HASTY, hosts=[host(HOME), host("www.example.org.")])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    r53.faults.unavailable(300, count=1, operation=CHANGE, zone=ZONE)
    assert ledger.set(HOME, "198.18.7.9").status == 503
    for number in range(1, 4):
        assert ledger.set("www.example.org.", f"198.18.7.{number}").status == 200
    assert r53.values(HOME) == []
    d.reload()  # or the five minutes would have to pass
    ledger.settle()


# ---- many at once ----


@pytest.mark.parametrize("seed", [53, 1035])
def test_a_stream_of_updates_through_a_storm_of_faults(started, r53, seed):
    """Every third call fails in one of all ways; each client is told the truth and nothing is lost."""
    dice = random.Random(seed)
    names = [f"h{number}.example.com." for number in range(12)]
    d, ledger = started(HASTY, names)
    kinds = sorted(FAULTS)
    plan = {number: dice.choice(kinds) for number in range(400) if dice.random() < 0.34}
    for kind in kinds:
        FAULTS[kind](r53.faults, operation=CHANGE, when=lambda call, kind=kind: plan.get(r53.calls_started) == kind)

    def stream(name: str, number: int) -> list[int]:
        return [ledger.set(name, f"198.18.{round_number}.{number}").status for round_number in range(1, 9)]

    streams = [Background(stream, name, number) for number, name in enumerate(names, 1)]
    told = [status for one in streams for status in one.result()]
    assert set(told) <= {200, 503} and told.count(200) > len(told) / 2
    r53.faults.clear()
    ledger.settle()


def test_every_call_fails_for_a_while_and_the_state_agrees_with_dns(started, r53):
    """The uncertain kind: each call did its work and its answer was lost, while the address changes back and forth."""
    d, ledger = started(HASTY)
    assert ledger.set(HOME, "198.18.7.1").status == 200
    fault = r53.faults.reset_after(operation=CHANGE)
    assert ledger.set(HOME, "198.18.7.2").status == 503
    r53.wait_value(HOME, "198.18.7.2")  # done all the same: nobody could know
    back = ledger.start_set(HOME, "198.18.7.1")  # what the daemon last knew for certain is not believed any more
    r53.wait_value(HOME, "198.18.7.1")
    fault.remove()
    back.result()
    ledger.settle()
    assert r53.values(HOME) == ["198.18.7.1"]
