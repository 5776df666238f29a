"""Batches with bad records in them, many clients at once, queues that are full, and paces that are too fast."""

from __future__ import annotations

import json
import math
import time

import pytest

from harness import host, merged
from harness.updates import PATIENT, Background, Ledger, basic, history, state_addresses, wait_until
from standin import SlidingWindow

ZONE, HOME, FIRST = "example.com.", "home.example.com.", "first.example.com."
CHANGE = "ChangeResourceRecordSets"
BATCH_MAX = 500
BACKLOG = 8000
# The stand-in counts arrivals: on a machine that is busy a call may be so late that it comes too soon before the next.
LATE_ARRIVALS = 2


@pytest.fixture
def started(daemon):
    """A daemon with known records; hosts.yaml as JSON, which is YAML too and much faster to write."""

    def make(r53, names, settings=PATIENT, rows=()):
        d = daemon(start=False, route53=r53, settings=settings, hosts=[])
        d.hosts = [host(name, auth=["hash", "basic"]) for name in names] + list(rows)
        d.write_hosts_text(json.dumps({"hosts": d.hosts}))
        d.start()
        d.wait_read_back()
        return d, Ledger(d, r53)

    return make


def hold_back(d, r53, ledger):
    """The first call is held, so that all that comes meanwhile is one batch (or as few as the limits allow)."""
    held = r53.faults.hold(operation=CHANGE)
    first = ledger.start_set(FIRST, "198.18.7.1")
    r53.wait_for(lambda: held.hits == 1)
    return held, first


def wait_queued(d, count: int) -> None:
    wait_until(lambda: d.metrics().sum("ddns53_queue_depth") >= count, f"{count} are not queued")


# ---- bad records ----


@pytest.mark.parametrize("form", ["error", "messages"])
@pytest.mark.parametrize("named, at", [(True, 250), (False, 0), (False, 250), (False, 499)])
def test_one_bad_record_among_500(started, r53, named, at, form):
    """The other 499 are set with few calls more, and the bad one is refused in Route 53's own words."""
    names = [f"h{number:03}.example.com." for number in range(BATCH_MAX)]
    bad, r53.batch_error_form = names[at], form
    d, ledger = started(r53, [FIRST, *names])
    r53.faults.refuse_record(bad, named=named)
    held, first = hold_back(d, r53, ledger)
    before = ledger.start_many(names[:at], "198.18.7.9")
    wait_queued(d, 1 + at)
    refused = Background(d.set, bad, via="198.18.7.9")
    wait_queued(d, 2 + at)
    after = ledger.start_many(names[at + 1 :], "198.18.7.9")
    wait_queued(d, 1 + BATCH_MAX)
    held.release()
    assert first.result().status == 200
    words = [word for request in before + after for word in request.result().values()]
    assert words == ["good"] * (BATCH_MAX - 1)
    answer = refused.result()
    assert answer.status == 403
    expected = f"RRSet with DNS name {bad} is refused by the test" if named else "holds a change that is not permitted"
    assert expected in answer.message
    calls = [call for call in r53.calls_of(CHANGE) if FIRST not in {change.record.name for change in call.batch}]
    assert calls[0].changes == BATCH_MAX
    assert len(calls) - 1 <= (2 if named else 2 * math.log2(BATCH_MAX))
    assert sum(call.changes for call in calls if call.result == "ok") == BATCH_MAX - 1
    assert [call.changes for call in calls if call.result != "ok"].count(1) == 1
    metrics = d.metrics()
    assert metrics.value("ddns53_bisections_total", zone=ZONE) == 1
    assert metrics.value("ddns53_changes_total", zone=ZONE, result="refused") == 1
    assert metrics.sum("ddns53_retries_total") == 0
    assert not r53.values(bad)
    ledger.settle()
    assert bad not in state_addresses(d.state_dir)


def test_several_bad_records_and_a_fault_in_the_middle(started, r53):
    """Taking a batch apart goes on where it was after a failure that passes."""
    names = [f"h{number:03}.example.com." for number in range(200)]
    bad = {names[3], names[77], names[78], names[199]}
    d, ledger = started(r53, [FIRST, *names])
    halves = r53.faults.error(500, count=2, operation=CHANGE, when=lambda call: 10 < call.changes < 60)
    lost = r53.faults.reset_after(count=1, operation=CHANGE, when=lambda call: 2 < call.changes < 10)
    for name in bad:
        r53.faults.refuse_record(name, named=False)
    held, first = hold_back(d, r53, ledger)
    asked = ledger.start_many(names, "198.18.7.9")
    wait_queued(d, 201)
    held.release()
    words = {name: word for request in asked for name, word in request.result().items()}
    assert first.result().status == 200 and halves.hits == 2 and lost.hits == 1
    assert {name for name, word in words.items() if word != "good"} == bad
    assert {words[name] for name in bad} == {"dnserr"}
    ledger.settle()
    rows = state_addresses(d.state_dir)
    assert not bad & set(rows) and len(rows) == 197


def test_conflicts_in_a_batch(started, r53):
    """What must not be overwritten is told so, by us where it was known, else by Route 53; the rest is set."""
    names = [f"h{number:02}.example.com." for number in range(40)]
    alias, several, routed, taken = names[0], names[13], names[20], names[39]
    r53.put_record(alias, "A", alias="other.example.com.")
    r53.put_record(several, "A", ["192.0.2.1", "192.0.2.2"])
    d, ledger = started(r53, [FIRST, *names])
    held, first = hold_back(d, r53, ledger)
    r53.put_record(routed, "A", ["192.0.2.3"], set_identifier="blue", weight=1)  # since it was read back
    r53.put_record(taken, "CNAME", ["elsewhere.example.org."])
    foreign = {alias: 409, several: 409, routed: 403, taken: 403}
    asked = {name: Background(d.set, name, via="198.18.7.9") for name in foreign}
    others = ledger.start_many([name for name in names if name not in foreign], "198.18.7.9")
    wait_queued(d, 1 + 36 + 2)
    held.release()
    assert first.result().status == 200
    assert {word for request in others for word in request.result().values()} == {"good"}
    for name, update in asked.items():
        answer = update.result()
        assert answer.status == foreign[name] and name in answer.message, f"{name}: {answer.text}"
    assert "different routing policy" in asked[routed].result().message
    assert "conflicts with other records" in asked[taken].result().message
    assert r53.record(alias).alias and len(r53.values(several)) == 2
    assert r53.record(routed, set_identifier="blue").values == ("192.0.2.3",) and r53.record(routed) is None
    assert r53.values(taken, "CNAME") and not r53.values(taken)
    ledger.settle()


# ---- many clients ----


@pytest.mark.parametrize("same", [True, False], ids=["one address", "an address each"])
def test_200_clients_that_set_the_same_record(started, r53, same):
    """Each gets its answer; the calls are as few as if there were three of them; the newest is what stays."""
    d, ledger = started(r53, [HOME])
    held = r53.faults.hold(operation=CHANGE)
    addresses = ["198.18.7.9" if same else f"198.18.7.{number}" for number in range(1, 201)]
    asked = [Background(d.set, HOME, via=address, timeout=60.0) for address in addresses[:-1]]
    if same:
        r53.wait_for(lambda: held.hits == 1)
    else:
        d.wait_metric("ddns53_changes_total", 197, zone=ZONE, result="superseded", timeout=60)
    asked.append(Background(d.set, HOME, via=addresses[-1], timeout=60.0))
    if not same:
        d.wait_metric("ddns53_changes_total", 198, zone=ZONE, result="superseded", timeout=60)
    held.release()
    assert {update.result().status for update in asked} == {200}
    ledger.asked[HOME] = addresses[-1]
    assert len(r53.calls_of(CHANGE)) <= 2
    ledger.settle()
    assert history(d.state_dir, HOME)[-1][1] == addresses[-1]


def test_a_stream_of_addresses_for_one_record(started, r53):
    """While the calls are slow, what is told and what is there never disagree about the last one."""
    d, ledger = started(r53, [HOME])
    r53.change_latency_s = 0.05
    for wave in range(1, 6):
        superseded = d.metrics().sum("ddns53_changes_total", result="superseded")
        held = r53.faults.hold(operation=CHANGE)
        asked = [Background(d.set, HOME, via=f"198.18.{wave}.{number}") for number in range(1, 21)]
        # All but the one whose call is held and the one that waits: they have come, however slowly.
        d.wait_metric("ddns53_changes_total", superseded + 18, result="superseded")
        held.release()
        assert {update.result().status for update in asked} == {200}
        assert ledger.set(HOME, f"198.18.{wave}.200").status == 200
    assert len(r53.calls_of(CHANGE)) <= 5 * 3
    ledger.settle()


# ---- a queue that is full ----


def test_queue_full(started, r53):
    """At once, for new records only; room comes back as changes end, and nothing queued was pushed out."""
    names = [f"h{number}.example.com." for number in range(10)]
    d, ledger = started(r53, [FIRST, *names], merged(PATIENT, {"limits": {"queued_changes": 5}}))
    held, first = hold_back(d, r53, ledger)
    old = Background(d.set, names[0], via="198.18.7.9")  # will be superseded: the ledger can't hold it against DNS
    asked = [ledger.start_set(name, "198.18.7.9") for name in names[1:4]]
    wait_queued(d, 5)
    began = time.monotonic()
    for name in names[4:]:
        full = d.set(name, via="198.18.7.9")
        assert full.status == 503 and "queue" in full.message and int(full.headers["Retry-After"]) > 0
    assert time.monotonic() - began < PATIENT["update"]["timeout_s"]
    assert d.metrics().value("ddns53_changes_total", zone=ZONE, result="queue_full") == 6
    asked.append(ledger.start_set(names[0], "198.18.7.10"))  # is in the queue already: takes no more room
    d.wait_metric("ddns53_changes_total", 1, zone=ZONE, result="superseded")
    held.release()
    assert {update.result().status for update in [first, old, *asked]} == {200}
    assert not any(r53.values(name) for name in names[4:])  # refused is refused
    for name in names[4:]:
        assert ledger.set(name, "198.18.7.9").status == 200
    ledger.settle()


# ---- the pace ----


@pytest.mark.parametrize("allowed", [5, 2], ids=["as configured", "slower than configured"])
def test_a_storm_of_2000_records(started, route53, allowed):
    """Five calls a second at most, and fewer where others use the account too: batches do it, nothing is lost."""
    r53 = route53(ZONE, rate_limit=lambda: SlidingWindow(allowed), latency_s=0.1)
    names = [f"h{number:04}.example.com." for number in range(2000)]
    settings = merged(PATIENT, {"route53": {"requests_per_second": 5}})
    d, ledger = started(r53, names, settings)
    asked = ledger.start_many(names, "198.18.7.9")
    words = [word for request in asked for word in request.result().values()]
    assert words == ["good"] * len(names)
    calls, results = r53.calls_of(CHANGE), r53.results()
    accepted = [call for call in calls if call.result == "ok"]
    # Where the hundred requests come slowly, there is time for a few calls more.
    assert len(accepted) <= 50 and max(call.changes for call in calls) > 100
    assert sum(call.changes for call in accepted) == len(names)
    assert set(results) <= {"ok", "Throttling"}
    assert results["Throttling"] <= (LATE_ARRIVALS if allowed == 5 else 15)
    assert d.metrics().sum("ddns53_throttles_total") == results["Throttling"]
    ledger.settle()


def test_a_lone_change_beside_a_backlog(started, route53):
    """A zone with thousands of changes delays one elsewhere by no more than one of its calls."""
    r53 = route53(ZONE, "example.org.", rate_limit=lambda: SlidingWindow(5), latency_s=0.1)
    lone, routers = "www.example.org.", [f"router{number}.example.com." for number in range(2)]
    rows = [host(router, "AAAA", auth=["basic"]) for router in routers]
    rows += [
        {"hostname": f"h{number:04}.example.com.", "record_type": "AAAA", "follows": routers[number % 2],
         "interface_id": f"::{number + 1:x}"}
        for number in range(BACKLOG)
    ]  # fmt: skip
    # The backlog takes twice as long as what is asked beside it, so that something of that may be late.
    settings = merged(PATIENT, {"route53": {"requests_per_second": 3}})
    d, ledger = started(r53, [lone], settings, rows=rows)
    client = d.client()  # it keeps its connection: a handshake may take as long as several calls
    assert ledger.set(lone, "198.18.7.1", client=client).status == 200
    target = "/nic/update?hostname={}&myipv6={}&ip6lanprefix=2001:db8:{}::/64"
    backlog = [
        Background(d.request, target.format(router, f"2001:db8:{at}::1", at), headers=basic(), timeout=60.0)
        for at, router in enumerate(routers, 1)
    ]
    r53.wait_for(lambda: any(call.changes == BATCH_MAX for call in r53.calls_of(CHANGE, ZONE)))
    waits = []
    for number in range(2, 5):
        began = time.monotonic()
        assert ledger.set(lone, f"198.18.7.{number}", client=client).status == 200
        mine = r53.calls_of(CHANGE, "example.org.")[-1]
        between = [call for call in r53.calls_of(CHANGE, ZONE) if began < call.started_at < mine.started_at]
        waits.append(len(between))
    assert sorted(waits)[1] <= 1, waits  # of three, once this process itself may have been late to ask
    assert not any(update.done for update in backlog)
    for update in backlog:
        assert update.result().text.startswith("good ")
    assert len([record for record in r53.records(ZONE) if record.type == "AAAA"]) == BACKLOG + 2
    assert r53.results()["Throttling"] <= LATE_ARRIVALS
    ledger.settle()
