"""What /metrics and /healthz say while Route 53 misbehaves, and drift that the read-back finds."""

from __future__ import annotations

import re

import pytest

from harness import REPOSITORY, host, merged
from harness.updates import HASTY, PATIENT, Ledger, wait_until

HOME, ZONE, ORG = "home.example.com.", "example.com.", "example.org."
CHANGE, LIST = "ChangeResourceRecordSets", "ListResourceRecordSets"

FAMILIES = {
    "ddns53_queue_depth": "gauge",
    "ddns53_queue_oldest_seconds": "gauge",
    "ddns53_batch_changes": "histogram",
    "ddns53_provider_calls_total": "counter",
    "ddns53_provider_call_seconds": "histogram",
    "ddns53_pace_requests_per_second": "gauge",
    "ddns53_retries_total": "counter",
    "ddns53_throttles_total": "counter",
    "ddns53_bisections_total": "counter",
    "ddns53_drift_total": "counter",
    "ddns53_changes_total": "counter",
    "ddns53_update_seconds": "histogram",
}


def test_families_of_the_change_engine(daemon, r53):
    """All are there, with help and type, from the first change on."""
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME)])
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.9").status == 200
    metrics = d.metrics()
    assert {name: metrics.types.get(name) for name in FAMILIES} == FAMILIES
    text = d.request("/metrics", url=d.admin_url).text
    assert all(f"# HELP {name} " in text for name in FAMILIES)
    assert metrics.value("ddns53_pace_requests_per_second") == 1000
    assert metrics.value("ddns53_update_seconds_count") == 1
    ledger.settle()


def test_the_manual_has_every_family(daemon, r53):
    """And no other: what it says is what there is."""
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME)])
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.9").status == 200
    manual = (REPOSITORY / "man" / "ddns53d.8").read_text().partition(".Ss Metrics")[2].partition(".Sh ")[0]
    assert set(re.findall(r"\b(?:ddns53|process)_[a-z0-9_]+", manual)) == set(d.metrics().types)
    ledger.settle()


def test_queue_and_batches_of_each_zone(daemon, route53):
    r53 = route53(ZONE, ORG)
    names = [f"h{number}.{zone}" for zone in (ZONE, ORG) for number in range(1, 8)]
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(name) for name in names])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    held = r53.faults.hold(operation=CHANGE, zone=ZONE)
    asked = [ledger.start_set(names[0], "198.18.7.1")]
    r53.wait_for(lambda: held.hits == 1)
    asked += [ledger.start_set(name, "198.18.7.2") for name in names[1:7]]
    wait_until(lambda: d.metrics().value("ddns53_queue_depth", zone=ZONE) == 7, "not all is queued")
    assert ledger.set(names[7], "198.18.7.3").status == 200
    wait_until(lambda: d.metrics().value("ddns53_queue_oldest_seconds", zone=ZONE) > 0.2, "nothing grows old")
    assert d.metrics().value("ddns53_queue_depth", zone=ORG) == 0
    assert d.metrics().value("ddns53_queue_oldest_seconds", zone=ORG) == 0
    held.release()
    assert {update.result().status for update in asked} == {200}
    metrics = d.metrics()
    for zone, calls, changes in ((ZONE, 2, 7), (ORG, 1, 1)):
        assert metrics.value("ddns53_batch_changes_count", zone=zone) == calls
        assert metrics.value("ddns53_batch_changes_sum", zone=zone) == changes
        assert metrics.value("ddns53_changes_total", zone=zone, result="set") == changes
    assert metrics.value("ddns53_batch_changes_bucket", zone=ZONE, le="5") == 1
    assert metrics.value("ddns53_batch_changes_bucket", zone=ZONE, le="10") == 2
    assert metrics.sum("ddns53_update_seconds_count") == 8
    ledger.settle()


def test_calls_by_result(daemon, r53):
    """Each way in which a call can end is a count of its own, and they add up to what Route 53 saw."""
    d = daemon(route53=r53, settings=PATIENT, hosts=[host(HOME), host("www.example.com.")])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    r53.faults.throttle(count=2, operation=CHANGE)
    assert ledger.set(HOME, "198.18.7.1").status == 200
    r53.faults.error(500, count=1, operation=CHANGE)
    assert ledger.set(HOME, "198.18.7.2").status == 200
    r53.faults.refuse_record("www.example.com.")
    assert d.set("www.example.com.", via="198.18.7.9").status == 403
    r53.clock.offset_s = 7200
    assert ledger.set(HOME, "198.18.7.3").status == 200
    metrics = d.metrics()
    counted = {
        result: metrics.value("ddns53_provider_calls_total", operation=CHANGE, result=result)
        for result in ("ok", "throttled", "transient", "refused", "clock_skew")
    }
    assert counted == {"ok": 3, "throttled": 2, "transient": 1, "refused": 1, "clock_skew": 1}
    assert metrics.sum("ddns53_provider_calls_total") == len(r53.calls)
    assert metrics.sum("ddns53_provider_call_seconds_count") == len(r53.calls)
    assert metrics.value("ddns53_retries_total", zone=ZONE) == 3
    assert metrics.value("ddns53_throttles_total", zone=ZONE) == 2
    ledger.settle()


def test_updates_are_counted_as_they_were_answered(daemon, r53):
    d = daemon(route53=r53, settings=HASTY, hosts=[host(HOME)])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.1").status == 200
    assert ledger.set(HOME, "198.18.7.1").status == 200
    fault = r53.faults.error(500, operation=CHANGE)
    assert ledger.set(HOME, "198.18.7.2").status == 503
    metrics = d.metrics()
    for result in ("good", "nochg", "timed_out"):
        assert metrics.value("ddns53_updates_total", dialect="query", result=result) == 1
    assert d.healthz().status == 200  # only a zone that fails for five minutes is a reason to call somebody
    fault.remove()
    ledger.settle()


# ---- drift ----


def drifts(d) -> float:
    return d.metrics().value("ddns53_drift_total", zone=ZONE)


def told(d) -> list[str]:
    """The records of all lines about drift, sorted."""
    lines = d.log_lines("event=drift")
    return sorted(record for line in lines for record in line.split('records="')[1].rstrip('"\n').split(", "))


@pytest.mark.slow
def test_drift_of_every_kind(daemon, r53):
    """Counted and told once for each record; mended by the next update, also of the address that we had set."""
    names = [f"h{number}.example.com." for number in range(6)]
    another, deleted, ttl, alias, several, untouched = names
    settings = merged(PATIENT, {"update": {"reconcile_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(name) for name in names])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    for name in names:
        assert ledger.set(name, "198.18.7.9").status == 200
    r53.put_record(another, "A", ["203.0.113.66"], ttl=60)
    r53.delete_record(deleted)
    r53.put_record(ttl, "A", ["198.18.7.9"], ttl=3600)
    r53.put_record(alias, "A", alias="other.example.com.")
    r53.put_record(several, "A", ["198.18.7.9", "203.0.113.66"], ttl=60)
    wait_until(lambda: len(told(d)) >= 5, "not all drift is told")
    r53.wait_calls(len(r53.calls_of(LIST)) + 3, LIST)  # the last one begins when two more have been taken in
    assert drifts(d) == 5
    assert told(d) == [f"{name} A" for name in (another, deleted, ttl, alias, several)]
    for name in (another, deleted, ttl):
        assert ledger.set(name, "198.18.7.9").status == 200
        assert r53.record(name).ttl == 60
    for name in (alias, several):  # not ours any more
        assert d.set(name, via="198.18.7.9").status == 409
        ledger.forget(name)
    calls = len(r53.calls_of(CHANGE))
    assert "already" in ledger.set(untouched, "198.18.7.9").message
    assert len(r53.calls_of(CHANGE)) == calls
    r53.put_record(another, "A", ["203.0.113.67"], ttl=60)  # it can drift again
    wait_until(lambda: drifts(d) == 6, "the second drift of a record is not found")
    assert ledger.set(another, "198.18.7.9").status == 200
    ledger.settle()


def test_a_change_while_a_listing_is_under_way_wins(daemon, r53):
    """The page that comes has the old address; that is no drift, and the new one is what is known."""
    settings = merged(PATIENT, {"update": {"reconcile_s": 1}})
    d = daemon(route53=r53, settings=settings, hosts=[host(HOME)])
    d.wait_read_back()
    ledger = Ledger(d, r53)
    assert ledger.set(HOME, "198.18.7.1").status == 200
    held = r53.faults.hold(operation=LIST, applied=True)
    r53.wait_for(lambda: held.held == 1)
    assert ledger.set(HOME, "198.18.7.2").status == 200
    pages = len(r53.calls_of(LIST))
    held.release()
    r53.wait_calls(pages + 3, LIST)  # that one and the two after it
    assert drifts(d) == 0 and not d.log_lines("event=drift")
    assert "already" in ledger.set(HOME, "198.18.7.2").message
    ledger.settle()
